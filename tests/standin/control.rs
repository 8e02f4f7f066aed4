//! Requests of the bridge.

use serde_json::{Value, json};

use crate::driver::Home;

#[test]
fn initialize_tells_commands_models_and_version_before_any_turn() {
    let home = Home::new();
    let mut claude = home.start(&["--permission-mode", "acceptEdits"]);
    let answer = claude.ask(json!({ "subtype": "initialize" }));
    let response = &answer["response"];
    let commands: Vec<&str> = response["commands"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|c| c["name"].as_str())
        .collect();
    for command in ["compact", "context", "clear", "cost"] {
        assert!(commands.contains(&command), "{commands:?}");
    }
    assert!(
        response["models"]
            .as_array()
            .is_some_and(|models| models.iter().any(|m| m["value"] == "haiku"))
    );
    assert_eq!(response["claude_code_version"], "2.1.330");
    assert_eq!(response["current_permission_mode"], "acceptEdits");
    assert_eq!(
        claude.lines.len(),
        1,
        "nothing else is printed before the first message"
    );
}

#[test]
fn requests_are_answered_or_refused_like_the_real_ones() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    let error = |answer: Value| {
        (
            answer["error"].as_str().unwrap_or("").to_owned(),
            answer["error_code"].clone(),
        )
    };
    assert_eq!(
        error(claude.ask(json!({ "subtype": "nonsense" }))),
        (
            "Unsupported control request subtype: nonsense".to_owned(),
            json!("unsupported_request")
        )
    );
    assert_eq!(
        error(claude.ask(json!({ "subtype": "set_permission_mode", "mode": "nonsense" }))).1,
        "invalid_mode"
    );
    assert_eq!(
        error(claude.ask(json!({ "subtype": "set_permission_mode", "mode": "bypassPermissions" })))
            .1,
        "bypass_not_launched"
    );
    assert_eq!(
        claude.ask(json!({ "subtype": "set_model", "model": "haiku" }))["response"],
        json!({ "model": "claude-haiku-5-5" })
    );
    assert_eq!(
        claude.ask(json!({ "subtype": "set_permission_mode", "mode": "acceptEdits" }))["response"],
        json!({ "mode": "acceptEdits" })
    );
    assert_eq!(claude.system("status")["permissionMode"], "acceptEdits");
    assert_eq!(
        claude.ask(json!({ "subtype": "interrupt" }))["response"],
        json!({ "still_queued": [] })
    );
    assert_eq!(
        claude.ask(json!({ "subtype": "stop_task", "task_id": "x" }))["response"],
        json!({})
    );
    claude.user("x");
    let init = claude.system("init");
    assert_eq!(
        (&init["model"], &init["permissionMode"]),
        (&json!("claude-haiku-5-5"), &json!("acceptEdits"))
    );
    let total = claude.result()["total_cost_usd"]
        .as_f64()
        .expect("a number");
    let cost = claude.ask(json!({ "subtype": "get_session_cost" }));
    assert!(
        cost["response"]["text"]
            .as_str()
            .is_some_and(|text| text.contains(&format!("${total:.4}")))
    );
}

#[test]
fn requests_are_answered_in_the_middle_of_a_turn() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user("[[hang]]");
    claude.system("status");
    assert_eq!(
        claude.ask(json!({ "subtype": "get_binary_version" }))["response"]["version"],
        "2.1.330"
    );
}

#[test]
fn a_queued_message_can_be_taken_back() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user("[[slow 20]] [[say 300]]");
    claude.delta();
    let queued = claude.user("never mind");
    claude.lifecycle(&queued, "queued");
    let answer = claude.ask(json!({ "subtype": "cancel_async_message", "message_uuid": queued }));
    assert_eq!(answer["response"]["cancelled"], true);
    assert!(
        claude
            .lines
            .iter()
            .any(|line| line["command_uuid"] == json!(queued) && line["state"] == "cancelled")
    );
    let answer =
        claude.ask(json!({ "subtype": "cancel_async_message", "message_uuid": "unknown" }));
    assert_eq!(answer["response"]["cancelled"], false);
    claude.result();
    claude.state("idle");
    assert_eq!(
        claude
            .end()
            .lines
            .iter()
            .filter(|line| line["type"] == "result")
            .count(),
        1
    );
}

#[test]
fn the_flags_that_were_passed_can_be_asked_for() {
    let home = Home::new();
    let mut claude = home.start(&[
        "--append-system-prompt",
        "- be brief",
        "--model",
        "sonnet",
        "--system-prompt-snapshot",
        "off",
    ]);
    let result = claude.turn("[[dump]]");
    let text = result["result"].as_str().expect("a text");
    let facts = text.trim_start_matches("```json").trim_end_matches("```");
    let facts: Value = serde_json::from_str(facts).expect("JSON");
    assert_eq!(facts["append_system_prompt"], "- be brief");
    assert_eq!(facts["model"], "claude-sonnet-5-5");
    assert!(
        facts["argv"]
            .as_array()
            .is_some_and(|argv| argv.contains(&json!("--replay-user-messages")))
    );
    assert!(
        facts["env"]
            .as_array()
            .is_some_and(|env| env.contains(&json!("CLAUDE_CONFIG_DIR")))
    );
}
