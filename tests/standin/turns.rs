//! From a message to its result; several messages; what is remembered.

use serde_json::{Value, json};

use crate::driver::{Home, sequence, user_line};

#[test]
fn a_turn_has_the_lines_of_the_real_one_in_their_order() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    let uuid = claude.user("[[chunk 50]] [[think]] hello");
    claude.state("idle");
    let end = claude.end();
    assert_eq!(
        sequence(&end.lines),
        [
            "system/session_state_changed/running",
            "command_lifecycle/queued",
            "command_lifecycle/started",
            "system/init",
            "system/status",
            "user/replay",
            "stream_event/message_start",
            "stream_event/content_block_start",
            "system/thinking_tokens",
            "stream_event/content_block_delta",
            "system/thinking_tokens",
            "stream_event/content_block_delta",
            "system/thinking_tokens",
            "stream_event/content_block_delta",
            "stream_event/content_block_delta",
            "assistant/thinking",
            "stream_event/content_block_stop",
            "stream_event/content_block_start",
            "stream_event/content_block_delta",
            "assistant/text",
            "stream_event/content_block_stop",
            "stream_event/message_delta",
            "stream_event/message_stop",
            "result/success",
            "command_lifecycle/completed",
            "system/session_state_changed/idle",
        ]
    );
    assert!(end.status.success());
    assert_eq!(end.stderr, "");
    let init = &end.lines[3];
    assert_eq!(init["user_message_uuids"], json!([uuid]));
    assert_eq!(init["cwd"], json!(home.project()));
    let result = &end.lines[23];
    assert_eq!(result["user_message_uuids"], json!([uuid]));
    assert_eq!(
        (&result["is_error"], &result["num_turns"]),
        (&json!(false), &json!(1))
    );
    assert_eq!(result["terminal_reason"], "completed");
}

#[test]
fn deltas_add_up_to_the_complete_block() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    let result = claude.turn("[[chunk 7]] [[say 500]]");
    let deltas: String = claude
        .lines
        .iter()
        .filter_map(|line| line["event"]["delta"]["text"].as_str())
        .collect();
    let block = claude
        .lines
        .iter()
        .find(|line| line["type"] == "assistant")
        .expect("a block");
    assert_eq!(deltas.chars().count(), 500);
    assert_eq!(block["message"]["content"][0]["text"], json!(deltas));
    assert_eq!(result["result"], json!(deltas));
}

#[test]
fn a_plain_text_gets_a_kind_answer_with_markdown() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    let result = claude.turn("hello\nyou");
    let text = result["result"].as_str().expect("a text");
    assert!(text.contains("echo: hello\nyou"), "{text}");
    assert!(
        text.contains("**stand-in**") && text.contains("```"),
        "{text}"
    );
}

#[test]
fn without_flags_there_are_no_deltas_replays_and_states() {
    let mut home = Home::new();
    home.unset("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS");
    let args = [
        "-p",
        "--input-format",
        "stream-json",
        "--output-format",
        "stream-json",
        "--verbose",
    ];
    let mut claude = home.run("", &args);
    claude.send(&json!({ "type": "user", "message": { "role": "user", "content": "hi" } }));
    claude.result();
    assert_eq!(
        sequence(&claude.end().lines),
        ["system/init", "assistant/text", "result/success"]
    );
}

#[test]
fn pictures_and_documents_are_counted() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    let content = json!([{ "type": "text", "text": "look" }, { "type": "image", "source": {} }, { "type": "document", "source": {} }]);
    claude.send(
        &json!({ "type": "user", "message": { "role": "user", "content": content }, "uuid": "u" }),
    );
    let result = claude.result();
    assert!(
        result["result"]
            .as_str()
            .is_some_and(|text| text.contains("echo: look (images=1 documents=1)"))
    );
}

#[test]
fn messages_that_wait_are_merged_into_one_turn() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user("[[slow 20]] [[say 200]] first");
    claude.delta();
    let second = claude.user("second [[remember]]");
    let third = claude.user("third [[remember]]");
    claude.lifecycle(&third, "queued");
    claude.result();
    claude.lifecycle(&second, "started");
    claude.lifecycle(&third, "started");
    let replay = claude.wait_type("user");
    assert_eq!(
        replay["message"]["content"],
        "second [[remember]]\nthird [[remember]]"
    );
    assert_eq!(replay["uuid"], json!(third));
    let result = claude.result();
    assert_eq!(
        result["result"],
        r#"remember turns=1 texts=["[[slow 20]] [[say 200]] first"]"#
    );
    assert_eq!(result["user_message_uuids"], json!([second, third]));
    claude.lifecycle(&second, "completed");
    claude.lifecycle(&third, "completed");
    claude.state("idle");
}

#[test]
fn of_lines_that_come_at_once_the_first_runs_alone() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    let lines: String = (0..4)
        .map(|i| format!("{}\n", user_line(&format!("u{i}"), "x [[remember]]")))
        .collect();
    claude.raw(&lines);
    let end = claude.end();
    let results: Vec<&Value> = end
        .lines
        .iter()
        .filter(|line| line["type"] == "result")
        .collect();
    assert_eq!(results.len(), 2);
    assert_eq!(results[0]["user_message_uuids"], json!(["u0"]));
    assert_eq!(results[1]["user_message_uuids"], json!(["u1", "u2", "u3"]));
    assert!(end.status.success());
}

#[test]
fn a_message_during_a_question_is_steered_into_the_turn() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    let first = claude.user(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = claude.request();
    let steered = claude.user("by the way");
    claude.lifecycle(&steered, "queued");
    claude.allow(&request);
    let tool_result = claude.wait("a tool result", |line| {
        line["message"]["content"][0]["type"] == "tool_result"
    });
    assert_eq!(
        tool_result["message"]["content"][0]["content"],
        "(Bash completed with no output)"
    );
    let replay = claude.wait_type("user");
    assert_eq!(
        (&replay["uuid"], &replay["isReplay"]),
        (&json!(steered), &json!(true))
    );
    claude.lifecycle(&steered, "started");
    claude.lifecycle(&steered, "completed");
    let result = claude.result();
    assert_eq!(result["result"], "steered: by the way");
    assert_eq!(result["user_message_uuids"], json!([first, steered]));
    claude.lifecycle(&first, "completed");
    let rows = home.transcript(&claude.id);
    assert!(
        rows.iter()
            .any(|row| row["attachment"]["source_uuid"] == json!(steered))
    );
}

#[test]
fn priorities_decide_whether_a_message_waits() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user("[[slow 20]] [[say 2000]]");
    claude.delta();
    let mut now = user_line("now", "quick");
    now["priority"] = json!("now");
    claude.send(&now);
    let result = claude.result();
    assert_eq!(
        (&result["subtype"], &result["terminal_reason"]),
        (&json!("success"), &json!("aborted_streaming"))
    );
    assert_eq!(claude.result()["user_message_uuids"], json!(["now"]));

    claude.user(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = claude.request();
    let mut later = user_line("later", "no hurry");
    later["priority"] = json!("later");
    claude.send(&later);
    claude.lifecycle("later", "queued");
    claude.allow(&request);
    assert_eq!(
        claude.result()["result"],
        "tool said: (Bash completed with no output)"
    );
    assert_eq!(claude.result()["user_message_uuids"], json!(["later"]));
}

#[test]
fn a_repeated_uuid_is_acknowledged_and_not_answered() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user_as("same", "a");
    claude.state("idle");
    let before = claude.lines.len();
    claude.user_as("same", "a");
    claude.state("idle");
    assert_eq!(
        sequence(&claude.lines[before..]),
        ["user/replay", "system/session_state_changed/idle"]
    );
    let id = claude.id.clone();
    claude.end();

    let mut claude = home.resume(&id, &[]);
    claude.user_as("same", "a");
    claude.state("idle");
    assert_eq!(
        sequence(&claude.lines),
        [
            "user/replay",
            "command_lifecycle/completed",
            "system/session_state_changed/idle"
        ]
    );
    assert_eq!(
        claude.turn("[[remember]]")["result"],
        r#"remember turns=1 texts=["a"]"#
    );
}

#[test]
fn a_resumed_session_remembers_and_its_cost_goes_on() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.turn("one");
    let total = claude.turn("two")["total_cost_usd"]
        .as_f64()
        .expect("a number");
    let id = claude.id.clone();
    assert!(claude.end().status.success());
    let rows = home.transcript(&id);
    let user: Vec<&Value> = rows.iter().filter(|row| row["type"] == "user").collect();
    let assistant: Vec<&Value> = rows
        .iter()
        .filter(|row| row["type"] == "assistant")
        .collect();
    assert_eq!((user.len(), assistant.len()), (2, 2));
    assert_eq!(assistant[0]["parentUuid"], user[0]["uuid"]);
    assert_eq!(user[1]["parentUuid"], assistant[0]["uuid"]);
    assert_eq!(assistant[0]["message"]["stop_reason"], "end_turn");

    let mut claude = home.resume(&id, &[]);
    let result = claude.turn("[[remember]]");
    assert_eq!(result["result"], r#"remember turns=2 texts=["one", "two"]"#);
    assert!(
        result["total_cost_usd"]
            .as_f64()
            .is_some_and(|now| now > total)
    );
    let since = &result["model_usage_since_last_result"]["claude-opus-5-5"]["costUSD"];
    assert!(
        (result["total_cost_usd"].as_f64().unwrap_or(0.0) - total - since.as_f64().unwrap_or(0.0))
            .abs()
            < 1e-9
    );
    assert_eq!(result["result_index"], 0);
    assert_eq!(result["session_id"], json!(id));
}

#[test]
fn should_query_false_only_goes_into_the_history() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    let mut line = user_line("u", "note this");
    line["shouldQuery"] = json!(false);
    claude.send(&line);
    let result = claude.result();
    assert_eq!(
        (&result["result"], &result["num_turns"]),
        (&json!(""), &json!(0))
    );
    assert_eq!(
        claude.turn("[[remember]]")["result"],
        r#"remember turns=1 texts=["note this"]"#
    );
}

#[test]
fn compaction_forgets_texts_and_uuids() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user_as("old", "one");
    claude.result();
    claude.user("/compact");
    claude.system("compact_boundary");
    let result = claude.result();
    assert_eq!(
        (&result["local_command"], &result["num_turns"]),
        (&json!("compact"), &json!(0))
    );
    assert_eq!(
        claude.turn("[[remember]]")["result"],
        "remember turns=0 texts=[]"
    );
    let id = claude.id.clone();
    claude.end();
    let mut claude = home.resume(&id, &[]);
    claude.user_as("old", "one");
    assert!(
        claude.result()["result"]
            .as_str()
            .is_some_and(|text| text.contains("echo: one"))
    );
    assert!(
        home.transcript(&id).iter().any(|row| row["uuid"] == "old"),
        "the row stays in the file"
    );
}

#[test]
fn clear_begins_a_session_with_another_id() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.turn("one");
    claude.user("/clear");
    let reset = claude.wait_type("conversation_reset");
    let init = claude.system("init");
    assert_ne!(init["session_id"], json!(claude.id));
    assert_ne!(init["session_id"], reset["new_conversation_id"]);
    assert_eq!(claude.result()["local_command"], "clear");
    assert_eq!(
        claude.turn("[[remember]]")["result"],
        "remember turns=0 texts=[]"
    );
}

#[test]
fn commands_answer_without_a_model_and_unknown_ones_go_to_it() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    let cost = claude.turn("/cost");
    assert!(
        cost["result"]
            .as_str()
            .is_some_and(|text| text.starts_with("Estimated cost:"))
    );
    assert_eq!(cost["local_command"], "cost");
    assert_eq!(
        claude.turn("/help")["result"],
        "/help isn't available in this environment."
    );
    assert!(
        claude.turn("/foo bar")["result"]
            .as_str()
            .is_some_and(|text| text.contains("echo: /foo bar"))
    );
    claude.turn("/model haiku");
    claude.user("x");
    assert_eq!(claude.system("init")["model"], "claude-haiku-5-5");
}

#[test]
fn one_shot_runs_answer_their_prompt_and_end() {
    let home = Home::new();
    let claude = home.run(
        "",
        &[
            "-p",
            "hello world",
            "--output-format",
            "stream-json",
            "--verbose",
        ],
    );
    let end = claude.wait_end();
    assert_eq!(
        end.lines
            .iter()
            .filter(|line| line["type"] == "result")
            .count(),
        1
    );
    assert!(end.status.success());
}
