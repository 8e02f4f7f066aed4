//! Permission questions, tools, sub-agents, modes.

use serde_json::{Value, json};

use crate::driver::{Claude, Home, sequence};

fn bash(command: &str) -> String {
    format!("[[tool Bash {}]]", json!({ "command": command }))
}

fn said(result: &Value) -> &str {
    result["result"].as_str().unwrap_or("")
}

#[test]
fn an_allowed_command_really_runs_with_the_input_that_was_allowed() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user(&bash("touch asked"));
    claude.state("requires_action");
    let request = claude.request();
    assert_eq!(request["request"]["subtype"], "can_use_tool");
    assert_eq!(request["request"]["tool_name"], "Bash");
    assert_eq!(
        request["request"]["input"],
        json!({ "command": "touch asked" })
    );
    assert!(request["request"]["permission_suggestions"].is_array());
    claude.reply(&request, json!({ "behavior": "allow", "updatedInput": { "command": "touch replaced && echo made" } }));
    let echo = claude.wait_type("control_response");
    assert_eq!(
        echo["response"]["request_id"], request["request_id"],
        "our own answer comes back"
    );
    claude.state("running");
    assert_eq!(said(&claude.result()), "tool said: made");
    assert!(home.project().join("replaced").exists() && !home.project().join("asked").exists());
}

#[test]
fn a_denial_reaches_the_model_and_the_result() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user(&bash("touch a"));
    let request = claude.request();
    claude.reply(
        &request,
        json!({ "behavior": "deny", "message": "user says no" }),
    );
    let result = claude.result();
    assert_eq!(said(&result), "tool said: user says no");
    assert_eq!(
        result["permission_denials"][0]["tool_input"],
        json!({ "command": "touch a" })
    );

    claude.user(&bash("touch b"));
    let request = claude.request();
    let inner = json!({ "subtype": "error", "request_id": request["request_id"], "error": "boom" });
    claude.send(&json!({ "type": "control_response", "response": inner }));
    assert_eq!(
        said(&claude.result()),
        "tool said: Tool permission request failed: Error: boom"
    );

    claude.user(&bash("touch c"));
    let request = claude.request();
    claude.reply(
        &request,
        json!({ "behavior": "deny", "message": "stop", "interrupt": true }),
    );
    let result = claude.result();
    assert_eq!(
        (&result["subtype"], &result["terminal_reason"]),
        (&json!("error_during_execution"), &json!("aborted_tools"))
    );
    assert!(!home.project().join("c").exists());
}

#[test]
fn reading_is_not_asked_and_a_session_rule_is_asked_once() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    assert_eq!(said(&claude.turn(&bash("echo hi && ls"))), "tool said: hi");
    claude.user(&bash("touch x1"));
    let request = claude.request();
    let rule = json!({
        "type": "addRules", "rules": [{ "toolName": "Bash", "ruleContent": "touch:*" }], "behavior": "allow",
        "destination": "session",
    });
    claude.reply(
        &request,
        json!({ "behavior": "allow", "updatedInput": {}, "updatedPermissions": [rule] }),
    );
    claude.result();
    claude.turn(&bash("touch x2 && echo made"));
    assert!(home.project().join("x2").exists());
    assert_eq!(requests(&claude), 1);
}

fn requests(claude: &Claude) -> usize {
    claude
        .lines
        .iter()
        .filter(|line| line["type"] == "control_request")
        .count()
}

#[test]
fn commands_run_in_a_session_of_their_own_and_failures_are_told() {
    let home = Home::new();
    let mut claude = home.start(&["--permission-mode", "bypassPermissions"]);
    let result = claude.turn(&bash(
        "echo $$ $(cut -d' ' -f6 /proc/$$/stat) $CLAUDECODE $CLAUDE_CODE_SESSION_ID",
    ));
    let words: Vec<&str> = said(&result).split_whitespace().skip(2).collect();
    assert_eq!(words[0], words[1], "the shell leads its session: {words:?}");
    assert_eq!(words[2..], ["1", claude.id.as_str()]);
    assert_eq!(
        said(&claude.turn(&bash("echo out; echo err >&2; exit 3"))),
        "tool said: Exit code 3\nout\nerr"
    );
}

#[test]
fn files_are_written_and_edited_after_a_question() {
    let home = Home::new();
    let path = home.project().join("sub/a.txt");
    let mut claude = home.start(&[]);
    claude.user(&format!(
        "[[tool Write {}]]",
        json!({ "file_path": path, "content": "x\ny\n" })
    ));
    let request = claude.request();
    assert_eq!(request["request"]["tool_name"], "Write");
    claude.allow(&request);
    assert!(said(&claude.result()).starts_with("tool said: File created successfully"));
    claude.user(&format!(
        "[[tool Edit {}]]",
        json!({ "file_path": path, "old_string": "y", "new_string": "z" })
    ));
    let request = claude.request();
    claude.allow(&request);
    claude.result();
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), "x\nz\n");
    assert_eq!(
        said(&claude.turn(&format!("[[tool Read {}]]", json!({ "file_path": path })))),
        "tool said: 1\tx\n2\tz\n3\t"
    );
    let missing = json!({ "file_path": path, "old_string": "nope", "new_string": "" });
    assert!(
        said(&claude.turn(&format!("[[tool Edit {missing}]]")))
            .contains("String to replace not found")
    );
}

#[test]
fn calls_of_one_message_are_asked_one_after_the_other() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user(
        r#"[[pre first]] [[parallel Bash {"command":"touch 1"} ;; Bash {"command":"touch 2"}]]"#,
    );
    for _ in 0..2 {
        let request = claude.request();
        claude.allow(&request);
    }
    let result = claude.result();
    assert_eq!(result["num_turns"], 3);
    let blocks: Vec<String> = sequence(&claude.lines)
        .into_iter()
        .filter(|line| line.starts_with("assistant/"))
        .collect();
    assert_eq!(
        blocks,
        [
            "assistant/text",
            "assistant/tool_use",
            "assistant/tool_use",
            "assistant/text"
        ]
    );
}

#[test]
fn a_question_is_answered_with_a_choice_or_not_at_all() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user("[[ask]]");
    let request = claude.request();
    let mut input = request["request"]["input"].clone();
    assert_eq!(request["request"]["requires_user_interaction"], true);
    assert_eq!(
        input["questions"][0]["options"].as_array().map(Vec::len),
        Some(3)
    );
    input["answers"] = json!({ "Which colour should the button be?": "Green" });
    claude.reply(
        &request,
        json!({ "behavior": "allow", "updatedInput": input }),
    );
    let text = r#"tool said: Your questions have been answered: "Which colour should the button be?"="Green". You can now continue with these answers in mind."#;
    assert_eq!(said(&claude.result()), text);
    claude.user("[[ask2]]");
    let request = claude.request();
    claude.allow(&request);
    assert_eq!(
        said(&claude.result()),
        "tool said: The user did not answer the questions."
    );
    let colour = "Which colour should the button be?";
    let features = "Which features do you want?";
    for (answers, expected) in [
        (json!({ "wrong key": "Green" }), "The user did not answer"),
        (
            json!({ features: "Logging, Tracing" }),
            r#"have been answered: "Which features do you want?"="Logging, Tracing". You can"#,
        ),
        (
            json!({ features: "Logging, and sums", colour: "Red (Recommended)" }),
            r#"The user answered: "Which colour should the button be?"="Red (Recommended)", "Which features do you want?"="Logging, and sums". Read"#,
        ),
    ] {
        claude.user("[[ask2]]");
        let request = claude.request();
        let mut input = request["request"]["input"].clone();
        input["answers"] = answers;
        claude.reply(
            &request,
            json!({ "behavior": "allow", "updatedInput": input }),
        );
        let result = claude.result();
        assert!(said(&result).contains(expected), "{result}");
    }
    claude.user("[[ask]]");
    let request = claude.request();
    claude.reply(
        &request,
        json!({ "behavior": "allow", "updatedInput": { "answers": { colour: "Green" } } }),
    );
    assert!(said(&claude.result()).contains("parameter `questions` is missing"));
}

#[test]
fn a_plan_is_shown_revised_and_approved() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user("[[plan]]");
    assert_eq!(
        claude.wait("plan mode", |line| !line["permissionMode"].is_null()
            && line["subtype"] == "status")["permissionMode"],
        "plan"
    );
    let request = claude.request();
    assert_eq!(request["request"]["tool_name"], "ExitPlanMode");
    assert!(
        request["request"]["input"]["plan"]
            .as_str()
            .is_some_and(|plan| plan.starts_with("# A small plan"))
    );
    let path = request["request"]["input"]["planFilePath"]
        .as_str()
        .expect("a path")
        .to_owned();
    assert!(std::path::Path::new(&path).is_file());
    claude.reply(
        &request,
        json!({ "behavior": "deny", "message": "revise it" }),
    );
    assert_eq!(said(&claude.result()), "tool said: revise it");

    claude.user("[[plan]]");
    let request = claude.request();
    let mode = json!({ "type": "setMode", "mode": "acceptEdits", "destination": "session" });
    let input = &request["request"]["input"];
    claude.reply(
        &request,
        json!({ "behavior": "allow", "updatedInput": input, "updatedPermissions": [mode] }),
    );
    let status = claude.wait("the new mode", |line| {
        line["subtype"] == "status" && !line["permissionMode"].is_null()
    });
    assert_eq!(status["permissionMode"], "acceptEdits");
    assert!(said(&claude.result()).starts_with("tool said: User has approved your plan."));
}

#[test]
fn a_task_list_is_kept_where_the_tools_exist() {
    let mut home = Home::new();
    let mut claude = home.start(&[]);
    claude.turn("[[todo]]");
    let calls: Vec<&str> = claude
        .lines
        .iter()
        .filter_map(|line| line["message"]["content"][0]["name"].as_str())
        .collect();
    assert_eq!(calls, ["TaskCreate", "TaskUpdate", "TaskUpdate"]);
    home.unset("CLAUDE_CODE_ENABLE_TODO_TOOLS");
    let mut claude = home.start(&[]);
    assert!(said(&claude.turn("[[todo]]")).contains("No such tool available: TaskUpdate"));
}

#[test]
fn a_sub_agent_works_inside_the_turn_and_asks_under_its_own_name() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user(r#"[[agent <[tool Bash {"command":"touch sub"}]> look]] [[text parent done]]"#);
    let started = claude.system("task_started");
    let call = claude.wait("the sub-agent's call", |line| {
        line["type"] == "assistant" && !line["parent_tool_use_id"].is_null()
    });
    assert_eq!(call["parent_tool_use_id"], started["tool_use_id"]);
    let request = claude.request();
    assert_eq!(request["request"]["agent_id"], started["task_id"]);
    claude.allow(&request);
    assert_eq!(claude.system("task_notification")["status"], "completed");
    assert_eq!(said(&claude.result()), "parent done");
    assert!(home.project().join("sub").exists());
}

#[test]
fn modes_and_deny_rules_decide_without_a_question() {
    let home = Home::new();
    let write = r#"[[tool Write {"file_path":"w.txt","content":"x"}]]"#;
    let mut claude = home.start(&["--permission-mode", "acceptEdits"]);
    claude.turn(write);
    claude.turn(&bash("touch q"));
    assert!(home.project().join("w.txt").exists() && home.project().join("q").exists());
    assert_eq!(requests(&claude), 0);

    let mut claude = home.start(&["--permission-mode", "dontAsk"]);
    claude.user(write);
    assert_eq!(claude.system("permission_denied")["tool_name"], "Write");
    assert!(said(&claude.result()).contains("don't ask mode"));

    let settings = r#"{"permissions":{"deny":["Write","Bash(rm *)"]}}"#;
    let mut claude = home.start(&[
        "--permission-mode",
        "bypassPermissions",
        "--settings",
        settings,
        "--disallowedTools=CronCreate",
    ]);
    assert!(said(&claude.turn(write)).contains("Write is disabled for this session"));
    assert!(
        said(&claude.turn("[[tool CronCreate {}]]"))
            .contains("CronCreate is disabled for this session")
    );
    assert!(said(&claude.turn(&bash("rm -f w.txt"))).contains("has been denied"));
    assert!(home.project().join("w.txt").exists());
    let init = claude
        .lines
        .iter()
        .find(|line| line["subtype"] == "init")
        .expect("an init");
    let tools = init["tools"].as_array().expect("a list");
    assert!(
        !tools.contains(&json!("Write"))
            && !tools.contains(&json!("CronCreate"))
            && tools.contains(&json!("Bash"))
    );
}

#[test]
fn plan_mode_checks_commands_elsewhere_unless_told_to_ask() {
    let home = Home::new();
    let mut claude = home.start(&["--permission-mode", "plan"]);
    claude.user(&bash("touch a"));
    assert_eq!(
        claude.system("permission_denied")["decision_reason_type"],
        "classifier"
    );
    claude.result();
    let mut claude = home.start(&[
        "--permission-mode",
        "plan",
        "--settings",
        r#"{"useAutoModeDuringPlan":false}"#,
    ]);
    claude.user(&bash("touch a"));
    let request = claude.request();
    claude.allow(&request);
    claude.result();
    assert!(home.project().join("a").exists());
}

#[test]
fn a_tool_of_the_bridge_is_called_over_the_pipe() {
    let home = Home::new();
    let mut claude = home.start(&["--allowedTools", "mcp__bridge__send"]);
    claude.ask(json!({ "subtype": "initialize", "sdkMcpServers": ["bridge"] }));
    for method in ["initialize", "notifications/initialized", "tools/list"] {
        let request = claude.request();
        let message = &request["request"]["message"];
        assert_eq!(
            (&request["request"]["subtype"], &message["method"]),
            (&json!("mcp_message"), &json!(method))
        );
        let result = json!({ "tools": [{ "name": "send", "inputSchema": { "type": "object" } }] });
        let response = json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
        claude.reply(&request, json!({ "mcp_response": response }));
    }
    claude.user(r#"[[tool mcp__bridge__send {"path":"a.txt"}]]"#);
    let init = claude.system("init");
    assert!(
        init["tools"]
            .as_array()
            .is_some_and(|tools| tools.contains(&json!("mcp__bridge__send")))
    );
    let request = claude.request();
    assert_eq!(
        request["request"]["message"]["params"]["arguments"],
        json!({ "path": "a.txt" })
    );
    let content = json!([{ "type": "text", "text": "sent it" }]);
    let response = json!({ "jsonrpc": "2.0", "id": request["request"]["message"]["id"], "result": { "content": content } });
    claude.reply(&request, json!({ "mcp_response": response }));
    assert_eq!(said(&claude.result()), "tool said: sent it");
}
