//! The real CLI against the stand-in: each behaviour that other tests lean on, seen through the CLI's own output.

use serde_json::{Value, json};

use crate::LIMIT;
use crate::claude::Bench;
use crate::messages_api::{Kind, Request};

fn session_id(line: &Value) -> String {
    line["session_id"]
        .as_str()
        .expect("each result names its session")
        .to_owned()
}

#[test]
fn a_prompt_is_echoed_and_nothing_else_is_asked_of_the_api() {
    let Some(bench) = Bench::new("a_prompt_is_echoed_and_nothing_else_is_asked_of_the_api") else {
        return;
    };
    let mut claude = bench.claude(&[]);
    assert_eq!(claude.ask("hello there"), "echo: hello there");
    let init = claude
        .seen
        .iter()
        .find(|line| line["subtype"] == "init")
        .expect("a turn begins with init")
        .clone();
    claude.finish();
    let seen = bench.api.requests();
    let odd: Vec<String> = seen
        .iter()
        .filter(|r| r.path != "/v1/messages" && r.path != "/")
        .map(Request::to_string)
        .collect();
    assert!(odd.is_empty(), "{odd:?}");
    let turns = bench.turns();
    assert_eq!(turns.len(), 1, "{seen:?}");
    assert_eq!(turns[0].texts, ["hello there"]);
    assert_eq!(turns[0].session.as_deref(), init["session_id"].as_str());
    // 2.1.197 adds "[1m]" to the name in init.
    let model = init["model"].as_str().unwrap_or_default();
    assert!(
        !turns[0].model.is_empty() && model.starts_with(&turns[0].model),
        "{model}"
    );
    assert!(turns[0].tools.contains(&"Bash".to_owned()) && !turns[0].system.is_empty());
}

#[test]
fn a_resumed_session_remembers_the_turns_before() {
    let Some(bench) = Bench::new("a_resumed_session_remembers_the_turns_before") else {
        return;
    };
    let mut claude = bench.claude(&[]);
    claude.say("the first");
    let session = session_id(&claude.result());
    claude.finish();
    let mut claude = bench.claude(&["--resume", &session]);
    assert_eq!(
        claude.ask("[[remember]]"),
        r#"remember turns=1 texts=["the first"]"#
    );
    // A tool id that was used before the resume would break this step.
    assert_eq!(
        claude.ask(r#"[[tool Bash {"command":"echo again"}]]"#),
        "tool said: again"
    );
}

#[test]
fn tools_run_and_their_results_and_refusals_reach_the_model() {
    let Some(bench) = Bench::new("tools_run_and_their_results_and_refusals_reach_the_model") else {
        return;
    };
    let mut claude = bench.claude(&[]);
    claude.say(r#"[[pre On it.]] [[tool Bash {"command":"touch made && echo one"}]] [[tool Bash {"command":"touch denied"}]]"#);
    let request = claude.permission_request("Bash");
    assert_eq!(
        request["request"]["input"]["command"],
        "touch made && echo one"
    );
    claude.answer(&request, &json!({"behavior": "allow", "updatedInput": {}}));
    let request = claude.permission_request("Bash");
    claude.answer(
        &request,
        &json!({"behavior": "deny", "message": "Not that one."}),
    );
    assert_eq!(claude.result()["result"], "tool said: Not that one.");
    assert!(bench.cwd().join("made").exists() && !bench.cwd().join("denied").exists());
    let results: Vec<_> = bench
        .turns()
        .into_iter()
        .map(|turn| turn.tool_result)
        .collect();
    let told: Vec<_> = results
        .iter()
        .flatten()
        .map(|result| (result.text.as_str(), result.is_error))
        .collect();
    assert_eq!(told, [("one", false), ("Not that one.", true)]);
    assert_eq!(results[0], None);
}

#[test]
fn a_plan_is_put_to_the_user() {
    let Some(bench) = Bench::new("a_plan_is_put_to_the_user") else {
        return;
    };
    let mut claude = bench.claude(&["--permission-mode", "plan"]);
    claude.say("[[plan]]");
    let request = claude.permission_request("ExitPlanMode");
    let plan = request["request"]["input"]["plan"]
        .as_str()
        .unwrap_or_default();
    assert!(plan.starts_with("# The plan"), "{request}");
    claude.answer(&request, &json!({"behavior": "allow", "updatedInput": {}}));
    let said = claude.result()["result"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(said.starts_with("tool said: User has approved"), "{said}");
    assert_eq!(claude.ask("and now"), "echo: and now");
}

#[test]
fn a_question_is_asked_and_its_answer_reaches_the_model() {
    let Some(bench) = Bench::new("a_question_is_asked_and_its_answer_reaches_the_model") else {
        return;
    };
    let mut claude = bench.claude(&[]);
    claude.say("[[ask2]]");
    let request = claude.permission_request("AskUserQuestion");
    let questions = &request["request"]["input"]["questions"];
    let answers = json!({
        (questions[0]["question"].as_str().expect("a text")): "Green",
        (questions[1]["question"].as_str().expect("a text")): "Logging, Tracing",
    });
    let updated =
        json!({"behavior": "allow", "updatedInput": {"questions": questions, "answers": answers}});
    claude.answer(&request, &updated);
    let said = claude.result()["result"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(
        said.contains("Green") && said.contains("Logging, Tracing"),
        "{said}"
    );
}

#[test]
fn an_overloaded_api_fails_the_turn_and_one_that_recovers_does_not() {
    let Some(bench) = Bench::new("an_overloaded_api_fails_the_turn_and_one_that_recovers_does_not")
    else {
        return;
    };
    let mut claude = bench.claude(&[]);
    claude.say("[[error 529]]");
    let result = claude.result();
    let said = result["result"].as_str().unwrap_or_default();
    assert!(
        result["is_error"] == true && said.contains("529"),
        "{result}"
    );
    assert_eq!(
        claude.ask("[[error 529 x1]] [[text recovered]]"),
        "recovered"
    );
    assert_eq!(
        claude.ask("[[cut x1]] [[text A text of some length, cut in the middle.]]"),
        "A text of some length, cut in the middle."
    );
}

#[test]
fn a_hanging_api_is_left_by_an_interrupt() {
    let Some(bench) = Bench::new("a_hanging_api_is_left_by_an_interrupt") else {
        return;
    };
    let mut claude = bench.claude(&[]);
    claude.say("[[hang]]");
    let hanging = |seen: &[Request]| {
        seen.iter()
            .position(|request| request.last_text() == Some("[[hang]]"))
    };
    let index = bench.api.wait(LIMIT, "hanging request", hanging);
    claude.write(
        &json!({"type": "control_request", "request_id": "i", "request": {"subtype": "interrupt"}}),
    );
    let result = claude.result();
    assert_eq!(result["subtype"], "error_during_execution", "{result}");
    bench.api.wait(LIMIT, "client that is gone", |seen| {
        seen[index].client_gone().then_some(())
    });
    assert_eq!(
        claude.ask("[[remember]]"),
        r#"remember turns=1 texts=["[[hang]]"]"#
    );
}

#[test]
fn a_stalled_stream_is_left_with_what_had_come() {
    let Some(bench) = Bench::new("a_stalled_stream_is_left_with_what_had_come") else {
        return;
    };
    let mut claude = bench.claude(&["--include-partial-messages"]);
    claude.say("[[stall]] [[text only the beginning of this will be seen]]");
    let third = "is will be s";
    claude.wait("third delta", |line| {
        line["event"]["delta"]["text"] == third
    });
    claude.write(
        &json!({"type": "control_request", "request_id": "i", "request": {"subtype": "interrupt"}}),
    );
    let result = claude.result();
    assert_eq!(result["terminal_reason"], "aborted_streaming", "{result}");
}

#[test]
fn a_text_that_comes_while_a_tool_runs_is_steered_into_the_turn() {
    let Some(bench) = Bench::new("a_text_that_comes_while_a_tool_runs_is_steered_into_the_turn")
    else {
        return;
    };
    let mut claude = bench.claude(&[]);
    claude.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = claude.permission_request("Bash");
    claude.say("and mind the gap");
    // Only when it says so has the CLI taken the text in: the two lines may otherwise be handled in either order.
    claude.write(&json!({"type": "control_request", "request_id": "sync", "request": {"subtype": "mcp_status"}}));
    claude.wait("answer", |line| line["response"]["request_id"] == "sync");
    claude.answer(&request, &json!({"behavior": "allow", "updatedInput": {}}));
    assert_eq!(claude.result()["result"], "steered: and mind the gap");
    assert_eq!(claude.ask("next"), "echo: next");
}

#[test]
fn a_compaction_gets_its_summary() {
    let Some(bench) = Bench::new("a_compaction_gets_its_summary") else {
        return;
    };
    let mut claude = bench.claude(&[]);
    claude.ask("before");
    // 2.1.197 finds a single short turn too little to compact.
    claude.ask(r#"[[tool Bash {"command":"echo once"}]]"#);
    claude.say("/compact");
    claude.wait("compaction", |line| line["subtype"] == "compact_boundary");
    claude.result();
    assert!(
        bench
            .api
            .requests()
            .iter()
            .any(|request| request.kind == Kind::Summary)
    );
    assert_eq!(claude.ask("after"), "echo: after");
    let last = bench.turns().pop().expect("a turn");
    assert_eq!(last.texts, ["after"]);
}

#[test]
fn an_answer_without_content_does_not_go_on_for_ever() {
    let Some(bench) = Bench::new("an_answer_without_content_does_not_go_on_for_ever") else {
        return;
    };
    let mut claude = bench.claude(&[]);
    assert_eq!(claude.ask("[[empty]]"), "");
    assert_eq!(claude.ask("after"), "echo: after");
}

#[test]
fn a_sub_agent_follows_the_directives_of_its_prompt() {
    let Some(bench) = Bench::new("a_sub_agent_follows_the_directives_of_its_prompt") else {
        return;
    };
    // Otherwise newer versions end the turn before the sub-agent has ended.
    let mut claude = bench.claude_with(&[], &[("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1")]);
    let said = claude.ask("[[agent look around <[text all quiet]>]]");
    assert!(
        said.starts_with("tool said: ") && said.contains("all quiet"),
        "{said}"
    );
    assert!(
        bench
            .turns()
            .iter()
            .any(|turn| turn.texts == ["look around [[text all quiet]]"])
    );
}

#[test]
fn the_task_list_tools_are_called_as_they_are_offered() {
    let Some(bench) = Bench::new("the_task_list_tools_are_called_as_they_are_offered") else {
        return;
    };
    let mut claude = bench.claude_with(&[], &[("CLAUDE_CODE_ENABLE_TODO_TOOLS", "1")]);
    claude.ask("[[todo]]");
    let failed: Vec<_> = bench
        .turns()
        .into_iter()
        .filter_map(|turn| turn.tool_result)
        .filter(|r| r.is_error)
        .collect();
    assert_eq!(failed, []);
}

#[test]
fn a_prompt_to_continue_after_a_kill_finishes_the_script() {
    let Some(bench) = Bench::new("a_prompt_to_continue_after_a_kill_finishes_the_script") else {
        return;
    };
    let mut claude = bench.claude(&[]);
    claude.say(r#"[[tool Bash {"command":"touch a && echo one"}]] [[tool Bash {"command":"touch b && echo two"}]]"#);
    let request = claude.permission_request("Bash");
    claude.answer(&request, &json!({"behavior": "allow", "updatedInput": {}}));
    let open = claude.permission_request("Bash");
    // SIGTERM, because after it the transcript is complete.
    claude.terminate();
    let mut claude = bench.claude(&["--resume", &session_id(&claude.seen[0])]);
    claude.say("The connection was lost. Please go on where you stopped.");
    let again = claude.permission_request("Bash");
    assert_eq!(again["request"]["input"], open["request"]["input"]);
    claude.answer(&again, &json!({"behavior": "allow", "updatedInput": {}}));
    assert_eq!(claude.result()["result"], "tool said: two");
}
