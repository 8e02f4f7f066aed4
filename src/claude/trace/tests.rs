//! Transcripts of a few rows each, in the shape of the real ones.

use serde_json::json;

use super::*;

const PROMPT: &str = "11111111-1111-4111-8111-111111111111";
const LATER: &str = "22222222-2222-4222-8222-222222222222";

/// What a transcript of these rows says of the prompt.
fn traced(rows: &[Value]) -> Option<Progress> {
    let mut tracer = Tracer::new(PROMPT);
    for row in rows {
        tracer.line(format!("{row}\n").as_bytes());
    }
    tracer.finish()
}

/// What these rows, behind the prompt's own, say of it.
fn progress(rows: &[Value]) -> Progress {
    let mut all = vec![said(PROMPT, "do it")];
    all.extend_from_slice(rows);
    traced(&all).expect("the prompt is there")
}

/// Whether the turn has ended, by these rows.
fn ends(rows: &[Value]) -> bool {
    progress(rows).finished.is_some()
}

fn said(uuid: &str, text: &str) -> Value {
    json!({ "type": "user", "uuid": uuid, "message": { "role": "user", "content": text } })
}

/// A block of an answer, as a row.
fn block(message: &str, stop_reason: &str, block: Value) -> Value {
    let message =
        json!({ "id": message, "model": "m", "stop_reason": stop_reason, "content": [block] });
    json!({ "type": "assistant", "isSidechain": false, "message": message })
}

fn answer(message: &str, text: &str) -> Value {
    block(message, "end_turn", json!({ "type": "text", "text": text }))
}

fn call(message: &str) -> Value {
    block(
        message,
        "tool_use",
        json!({ "type": "tool_use", "id": "t", "name": "Bash", "input": {} }),
    )
}

fn result(text: &str, is_error: bool) -> Value {
    let result =
        json!({ "type": "tool_result", "tool_use_id": "t", "content": text, "is_error": is_error });
    json!({ "type": "user", "message": { "role": "user", "content": [result] } })
}

fn with(mut row: Value, name: &str, value: Value) -> Value {
    row[name] = value;
    row
}

/// The texts of a finished answer.
fn texts(progress: &Progress) -> Vec<&str> {
    let answer = progress.finished.as_ref().expect("it has ended");
    answer.iter().map(|block| block.text.as_str()).collect()
}

#[test]
fn a_prompt_that_only_others_speak_of_is_not_there() {
    assert_eq!(traced(&[]), None);
    let rows = [
        said(LATER, PROMPT),
        with(answer("m1", "x"), "parentUuid", PROMPT.into()),
        json!({ "type": "queue-operation", "operation": "enqueue", "uuid": PROMPT }),
        json!({ "type": "attachment", "uuid": PROMPT, "attachment": { "type": "date" } }),
    ];
    assert_eq!(traced(&rows), None);
}

#[test]
fn a_torn_row_of_the_prompt_is_no_prompt() {
    let mut tracer = Tracer::new(PROMPT);
    tracer.line(format!(r#"{{"type":"user","uuid":"{PROMPT}","mess"#).as_bytes());
    tracer.unreadable();
    assert_eq!(tracer.finish(), None);
}

#[test]
fn a_turn_ends_with_an_answer_and_with_nothing_else() {
    assert!(!ends(&[]));
    assert!(ends(&[answer("m1", "done")]));
    assert!(ends(&[block(
        "m1",
        "stop_sequence",
        json!({ "type": "text", "text": "x" })
    )]));
    for reason in [
        "tool_use",
        "max_tokens",
        "refusal",
        "pause_turn",
        "something_new",
    ] {
        assert!(
            !ends(&[block("m1", reason, json!({ "type": "text", "text": "x" }))]),
            "{reason}"
        );
    }
    // Cut off by an interrupt: no reason at all.
    let mut cut = answer("m1", "do");
    cut["message"]["stop_reason"] = Value::Null;
    assert!(!ends(&[
        cut.clone(),
        said("u", "[Request interrupted by user]")
    ]));
    assert!(!ends(&[cut]));
    assert!(!ends(&[block(
        "m1",
        "end_turn",
        json!({ "type": "thinking", "thinking": "" })
    )]));
}

#[test]
fn what_comes_behind_an_answer_reopens_its_turn() {
    let done = || answer("m1", "done");
    assert!(!ends(&[done(), call("m2")]));
    assert!(!ends(&[done(), result("x", false)]));
    // A hook makes the model go on.
    assert!(!ends(&[
        done(),
        with(said("u", "go on"), "isMeta", true.into())
    ]));
    assert!(!ends(&[
        done(),
        said("u", "[Request interrupted by user for tool use]")
    ]));
    let error = with(
        answer("e", "API Error: 500"),
        "isApiErrorMessage",
        true.into(),
    );
    assert!(!ends(&[done(), error]));
    let mut of_cli = answer("s", "No response requested.");
    of_cli["message"]["model"] = "<synthetic>".into();
    assert!(!ends(&[of_cli]));
    let mut tracer = Tracer::new(PROMPT);
    tracer.line(said(PROMPT, "do it").to_string().as_bytes());
    tracer.line(done().to_string().as_bytes());
    tracer.line(br#"{"parentUuid":"0","type":"assis"#);
    let torn = tracer.finish().expect("the prompt is there");
    assert_eq!(torn.finished, None, "the answer may have had more");
}

#[test]
fn an_answer_behind_all_that_ends_the_turn() {
    let rows = [
        block(
            "m1",
            "max_tokens",
            json!({ "type": "text", "text": "first half" }),
        ),
        with(said("u", "go on"), "isMeta", true.into()),
        answer("m2", "second half"),
    ];
    assert_eq!(texts(&progress(&rows)), ["first half", "second half"]);
}

#[test]
fn the_answer_is_what_was_said_after_the_last_tool_with_the_keys_of_the_stream() {
    let thought = json!({ "type": "thinking", "thinking": "" });
    let rows = [
        block("m1", "tool_use", thought.clone()),
        block(
            "m1",
            "tool_use",
            json!({ "type": "text", "text": "let me look" }),
        ),
        call("m1"),
        call("m1"),
        result("a", false),
        result("b", true),
        block("m2", "end_turn", thought),
        block("m2", "end_turn", json!({ "type": "text", "text": " \n" })),
        answer("m2", "it is"),
        answer("m2", "done"),
    ];
    let progress = progress(&rows);
    assert_eq!(progress.tools, 2);
    let keys: Vec<_> = progress
        .finished
        .iter()
        .flatten()
        .map(|block| (block.message.as_str(), block.index))
        .collect();
    assert_eq!(keys, [("m2", 2), ("m2", 3)]);
    assert_eq!(texts(&progress), ["it is", "done"]);
}

#[test]
fn what_is_no_conversation_is_passed_over() {
    let rows = [
        json!({ "type": "mode", "mode": "default" }),
        json!({ "type": "attachment", "attachment": { "type": "date" } }),
        answer("m1", "done"),
        json!({ "type": "system", "subtype": "turn_duration" }),
        json!({ "type": "api-request-blob", "message": { "content": [{ "type": "text", "text": "x" }] } }),
        json!({ "type": "last-prompt", "lastPrompt": "do it" }),
        json!([]),
        json!(7),
    ];
    assert_eq!(texts(&progress(&rows)), ["done"]);
}

#[test]
fn sub_agents_say_and_end_nothing() {
    let of_sub_agent = |row| with(row, "isSidechain", true.into());
    let rows = [
        call("m1"),
        of_sub_agent(said("s1", "look into it")),
        of_sub_agent(call("s2")),
        of_sub_agent(answer("s3", "looked")),
    ];
    let progress = progress(&rows);
    assert_eq!((progress.finished, progress.tools), (None, 1));
}

#[test]
fn a_row_that_stands_there_twice_counts_once() {
    let row = with(answer("m1", "done"), "uuid", LATER.into());
    let called = with(call("m0"), "uuid", "c".into());
    let rows = [called.clone(), called, result("x", false), row.clone(), row];
    let progress = progress(&rows);
    assert_eq!((texts(&progress), progress.tools), (vec!["done"], 1));
}

#[test]
fn a_compaction_hides_nothing() {
    let boundary = json!({ "type": "system", "subtype": "compact_boundary" });
    let summary = with(
        said("s", "This session is being continued"),
        "isCompactSummary",
        true.into(),
    );
    let in_the_middle = [
        call("m1"),
        boundary.clone(),
        summary.clone(),
        result("x", false),
        answer("m2", "done"),
    ];
    assert_eq!(texts(&progress(&in_the_middle)), ["done"]);
    let caveat = with(
        said("c", "<local-command-caveat>Caveat: …"),
        "isMeta",
        true.into(),
    );
    let command = said(LATER, "<command-name>/compact</command-name>");
    let afterwards = [
        answer("m1", "done"),
        boundary,
        summary,
        caveat,
        command,
        answer("m2", "of another"),
    ];
    assert_eq!(texts(&progress(&afterwards)), ["done"]);
}

#[test]
fn a_later_prompts_answer_is_not_this_ones() {
    assert!(!ends(&[
        call("m1"),
        said(LATER, "and now?"),
        answer("m2", "now that")
    ]));
    let rows = [
        answer("m1", "done"),
        said(LATER, "and now?"),
        call("m2"),
        result("x", false),
        answer("m3", "that"),
    ];
    let progress = progress(&rows);
    assert_eq!((texts(&progress), progress.tools), (vec!["done"], 0));
    let blocks = json!([{ "type": "text", "text": "and now?" }]);
    let later =
        json!({ "type": "user", "uuid": LATER, "message": { "role": "user", "content": blocks } });
    assert!(!ends(&[later, answer("m2", "now that")]));
}

#[test]
fn a_prompt_that_was_written_again_counts_from_there_unless_it_was_answered() {
    let again = || said(PROMPT, "do it");
    let later = || said(LATER, "and now?");
    let rows = [
        call("m1"),
        later(),
        answer("m2", "that"),
        again(),
        answer("m3", "done"),
    ];
    assert_eq!(
        (texts(&progress(&rows)), progress(&rows).tools),
        (vec!["done"], 0)
    );
    assert_eq!(texts(&progress(&[answer("m1", "done"), again()])), ["done"]);
    assert_eq!(
        texts(&progress(&[
            answer("m1", "done"),
            later(),
            again(),
            call("m2")
        ])),
        ["done"]
    );
}

#[test]
fn a_steered_prompt_shares_its_turns_answer() {
    let attachment = json!({ "type": "queued_command", "prompt": "also this", "source_uuid": PROMPT, "commandMode": "prompt" });
    let rows = [
        said(LATER, "do it"),
        call("m1"),
        result("x", false),
        json!({ "type": "attachment", "uuid": "a", "attachment": attachment }),
        call("m2"),
        result("y", false),
        answer("m3", "both"),
    ];
    let steered = traced(&rows).expect("it is there");
    assert_eq!((texts(&steered), steered.tools), (vec!["both"], 1));
    let mut first = Tracer::new(LATER);
    rows.iter()
        .for_each(|row| first.line(row.to_string().as_bytes()));
    let first = first.finish().expect("it is there");
    assert_eq!((texts(&first), first.tools), (vec!["both"], 2));
}

#[test]
fn refusals_by_the_cli_are_told_from_those_of_people_and_from_words_of_tools() {
    let refused = |text: &str, is_error| {
        let progress = progress(&[
            call("m1"),
            result(text, is_error),
            answer("m2", "I was not allowed"),
        ]);
        assert_eq!(texts(&progress), ["I was not allowed"]);
        progress.refused_by_restart
    };
    // 2.1.197, then 2.1.330: of an open request, and of one that was never asked.
    for text in [
        "Tool permission request failed: Error: Tool permission stream closed before response received",
        "Tool permission request failed: Error: Stream closed",
        "Tool permission request failed: AbortError: Tool permission stream closed before response received",
        "Tool permission request failed: AbortError: Stream closed",
    ] {
        assert!(refused(text, true), "{text}");
        assert!(
            !refused(text, false),
            "a tool that worked printed it: {text}"
        );
        assert!(is_refusal(result(text, true).to_string().as_bytes()));
        assert!(!is_refusal(result(text, false).to_string().as_bytes()));
    }
    let as_a_word = with(
        result("Denied.", true),
        "toolDenialUnanswered",
        "stream-closed".into(),
    );
    assert!(progress(std::slice::from_ref(&as_a_word)).refused_by_restart);
    assert!(is_refusal(as_a_word.to_string().as_bytes()));
    assert!(!refused("The user denied this.", true));
    assert!(!refused(
        "Exit code 1\nTool permission request failed: Error: Stream closed",
        true
    ));
    assert!(!is_refusal(
        b"Tool permission request failed: Error: Stream closed"
    ));
    let later = [
        answer("m1", "done"),
        said(LATER, "and now?"),
        result("Tool permission request failed: Error: Stream closed", true),
    ];
    assert!(
        !progress(&later).refused_by_restart,
        "that was another turn"
    );
}

#[test]
fn an_interruption_is_none_of_the_users_while_its_prompt_is_open() {
    for words in [
        "[Request interrupted by user]",
        "[Request interrupted by user for tool use]",
    ] {
        let cut_off = progress(&[call("m1"), result("rejected", true), said("u", words)]);
        assert_eq!((cut_off.finished, cut_off.refused_by_restart), (None, true));
        let of_another = [
            answer("m1", "done"),
            said(LATER, "and now?"),
            said("u", words),
        ];
        assert!(!progress(&of_another).refused_by_restart);
    }
}

#[test]
fn results_of_sub_agents_name_them() {
    let mut tracer = Tracer::new(PROMPT);
    let of_agent = |id: &str| {
        with(
            result("report", false),
            "toolUseResult",
            json!({ "agentId": id }),
        )
    };
    for row in [
        of_agent("a0"),
        said(PROMPT, "do it"),
        of_agent("a1"),
        of_agent("a2"),
        said(LATER, "x"),
        of_agent("a3"),
    ] {
        tracer.line(row.to_string().as_bytes());
    }
    assert_eq!(tracer.agents(), ["a1", "a2"]);
}
