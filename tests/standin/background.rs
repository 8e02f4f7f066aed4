//! Work that goes on after a result, and beside turns.

use serde_json::{Value, json};

use crate::driver::{Claude, Home, sequence, wait_for_file, wait_until_gone};

/// A home where work in the background is allowed.
fn home() -> Home {
    let mut home = Home::new();
    home.unset("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS");
    home
}

fn unasked(home: &Home) -> Claude {
    home.start(&["--permission-mode", "bypassPermissions"])
}

fn bash(command: &str) -> String {
    format!("[[tool Bash {}]]", json!({ "command": command }))
}

fn background(command: &str) -> String {
    let input = json!({ "command": command, "run_in_background": true });
    format!("[[tool Bash {input}]]")
}

/// A command that says its process id and ends when the file `go` is there, or after a minute.
const UNTIL_GO: &str =
    "echo $$ > pid; for i in $(seq 1200); do test -e go && break; sleep 0.05; done; echo went";

fn go(home: &Home) {
    std::fs::write(home.project().join("go"), "").expect("the project can be written");
}

fn pid(home: &Home) -> i32 {
    let text = wait_for_file(&home.project().join("pid"));
    text.trim().parse().expect("a process id")
}

fn agent(prompt: &str) -> String {
    format!("[[agent {prompt}]] [[text parent done]]")
}

fn said(result: &Value) -> &str {
    result["result"].as_str().unwrap_or("")
}

/// What was printed after the last of these lines, without deltas and the like.
fn after(lines: &[Value], kind: &str) -> Vec<String> {
    let all = sequence(lines);
    let from = all
        .iter()
        .rposition(|line| line == kind)
        .expect("the line came");
    let mut rest = all[from + 1..].to_vec();
    rest.retain(|line| !line.starts_with("stream_event") && line != "system/status");
    rest
}

/// The lines that tell of an end of background work, and of nothing else that is going on.
const TOLD: [&str; 3] = [
    "system/task_updated",
    "system/task_notification",
    "system/background_tasks_changed",
];

#[test]
fn a_result_comes_before_the_work_has_ended_and_a_turn_that_nobody_asked_for_after_it() {
    let home = home();
    let mut claude = unasked(&home);
    claude.user(&format!("{} [[text started]]", background(UNTIL_GO)));
    let task = claude.system("task_started");
    assert_eq!(said(&claude.result()), "started");
    claude.state("idle");
    let before = claude.lines.len();
    go(&home);
    let result = claude.result();
    claude.state("idle");
    let mut lines = sequence(&claude.lines[before..]);
    lines.retain(|line| !line.starts_with("stream_event") && line != "system/status");
    assert_eq!(
        lines,
        [
            TOLD[0],
            TOLD[1],
            TOLD[2],
            "system/session_state_changed/running",
            "system/init",
            "assistant/text",
            "result/success",
            "system/session_state_changed/idle",
        ]
    );
    let updated = &claude.lines[before];
    assert_eq!(updated["task_id"], task["task_id"]);
    assert_eq!(updated["patch"]["status"], "completed");
    assert_eq!(
        result["origin"],
        json!({ "kind": "task-notification", "producer": "session-task", "runId": task["run_id"] })
    );
    assert!(said(&result).contains("completed (exit code 0)"));
}

#[test]
fn a_command_that_fails_in_the_background_is_told_as_failed() {
    let home = home();
    let mut claude = unasked(&home);
    claude.user(&format!("{} [[text started]]", background("exit 4")));
    let told = claude.system("task_notification");
    assert_eq!(told["status"], "failed");
    assert_eq!(
        told["summary"],
        "Background command \"exit 4\" failed with exit code 4"
    );
}

#[test]
fn the_end_of_stdin_waits_for_background_work() {
    let home = home();
    let mut claude = unasked(&home);
    claude.user(&format!("{} [[text started]]", background(UNTIL_GO)));
    claude.result();
    let pid = pid(&home);
    claude.close_stdin();
    go(&home);
    let end = claude.wait_end();
    let results: Vec<&Value> = end
        .lines
        .iter()
        .filter(|line| line["type"] == "result")
        .collect();
    assert_eq!(results.len(), 2);
    assert_eq!(results[1]["origin"]["kind"], "task-notification");
    assert!(end.status.success());
    wait_until_gone(pid);
}

#[test]
fn after_an_interrupt_the_end_of_stdin_does_not_wait() {
    let home = home();
    let mut claude = unasked(&home);
    claude.user(&format!(
        "{} [[text started]]",
        background("echo $$ > pid; sleep 60")
    ));
    claude.result();
    claude.state("idle");
    let pid = pid(&home);
    claude.ask(json!({ "subtype": "interrupt" }));
    claude.state("idle");
    assert_eq!(
        claude.ask(json!({ "subtype": "get_binary_version" }))["subtype"],
        "success"
    );
    let end = claude.end();
    assert_eq!(after(&end.lines, "control_response/success"), TOLD);
    let told: Vec<&Value> = end.lines[end.lines.len() - 3..].iter().collect();
    assert_eq!(told[0]["patch"]["status"], "killed");
    assert_eq!(told[1]["status"], "stopped");
    assert!(end.status.success());
    wait_until_gone(pid);
}

#[test]
fn a_turn_after_the_interrupt_makes_it_wait_again() {
    let home = home();
    let mut claude = unasked(&home);
    claude.user(&format!("{} [[text started]]", background(UNTIL_GO)));
    claude.result();
    pid(&home);
    claude.ask(json!({ "subtype": "interrupt" }));
    claude.turn("[[text next]]");
    claude.close_stdin();
    go(&home);
    let end = claude.wait_end();
    let results = end.lines.iter().filter(|line| line["type"] == "result");
    assert_eq!(results.count(), 3);
}

#[test]
fn stopping_a_command_is_told_to_the_bridge_and_not_to_the_model() {
    let home = home();
    let mut claude = unasked(&home);
    claude.user(&format!(
        "{} [[text started]]",
        background("echo $$ > pid; sleep 60")
    ));
    let task = claude.system("task_started");
    claude.result();
    claude.state("idle");
    let pid = pid(&home);
    let before = claude.lines.len();
    claude.ask(json!({ "subtype": "stop_task", "task_id": task["task_id"] }));
    claude.state("idle");
    wait_until_gone(pid);
    let end = claude.end();
    assert_eq!(
        sequence(&end.lines[before..]),
        [
            TOLD[0],
            TOLD[1],
            TOLD[2],
            "control_response/success",
            "system/session_state_changed/idle",
        ]
    );
    assert_eq!(end.lines[before]["patch"]["status"], "killed");
    assert_eq!(end.lines[before + 1]["status"], "stopped");
}

#[test]
fn an_interrupt_leaves_commands_in_the_background_alive() {
    let home = home();
    let mut claude = unasked(&home);
    let text = format!("{} [[slow 20]] [[say 3000]]", background(UNTIL_GO));
    claude.user(&text);
    let task = claude.system("task_started");
    pid(&home);
    claude.delta();
    claude.ask(json!({ "subtype": "interrupt" }));
    assert_eq!(claude.result()["terminal_reason"], "aborted_streaming");
    go(&home);
    let told = claude.system("task_notification");
    assert_eq!(
        (&told["task_id"], &told["status"]),
        (&task["task_id"], &json!("completed"))
    );
}

#[test]
fn an_end_while_a_tool_runs_is_told_in_that_turn() {
    let home = home();
    let mut claude = home.start(&["--allowedTools", "Bash(true)"]);
    claude.user(&format!(
        "{}{} [[text done]]",
        background("true"),
        bash("touch x")
    ));
    let question = claude.request();
    claude.anywhere("the end of the work", |line| {
        line["subtype"] == "task_notification"
    });
    claude.allow(&question);
    let notice = claude.wait("a notice", |line| {
        line["origin"]["kind"] == "task-notification"
    });
    assert_eq!(notice["isReplay"], true);
    let result = claude.result();
    assert_eq!((said(&result), &result["origin"]), ("done", &Value::Null));
    claude.state("idle");
    let end = claude.end();
    let results = end.lines.iter().filter(|line| line["type"] == "result");
    assert_eq!(results.count(), 1, "there is no further turn");
}

#[test]
fn notices_and_messages_get_their_turns_in_the_order_in_which_they_came() {
    let home = home();
    let mut claude = unasked(&home);
    claude.user("[[background 1]] [[background 1]] [[slow 20]] [[say 600]]");
    for _ in 0..2 {
        claude.system("task_notification");
    }
    claude.user("[[text mine]]");
    claude.result();
    let first = claude.result();
    assert_eq!(
        (&first["num_turns"], said(&first), &first["origin"]["kind"]),
        (&json!(0), "", &json!("task-notification")),
        "of several only the last is answered"
    );
    assert!(said(&claude.result()).starts_with("notified: "));
    assert_eq!(said(&claude.result()), "mine");
    claude.state("idle");
}

#[test]
fn a_command_that_lasts_gets_lines_of_its_own() {
    let home = Home::new();
    let mut claude = unasked(&home);
    claude.user(&bash(UNTIL_GO));
    let task = claude.system("task_started");
    assert_eq!(
        (&task["is_backgrounded"], &task["task_type"]),
        (&json!(false), &json!("local_bash"))
    );
    go(&home);
    let told = claude.wait_type("system");
    assert_eq!(
        (&told["subtype"], &told["status"]),
        (&json!("task_notification"), &json!("completed"))
    );
    assert_eq!(said(&claude.result()), "tool said: went");
}

#[test]
fn a_sub_agent_beside_the_turn_ends_after_the_result_and_causes_a_turn() {
    let home = home();
    let mut claude = unasked(&home);
    claude.user(&agent(
        r#"<[tool Bash {"command":"echo found"}]> <[wait 50]> look"#,
    ));
    let started = claude.system("task_started");
    let result = claude.result();
    assert_eq!(
        (said(&result), &result["origin"]),
        ("parent done", &Value::Null)
    );
    let told = claude.system("task_notification");
    assert_eq!(
        (&told["task_id"], &told["summary"]),
        (&started["task_id"], &json!("tool said: found"))
    );
    assert_eq!(claude.result()["origin"]["kind"], "task-notification");
    claude.state("idle");
    let end = claude.end();
    let states: Vec<&Value> = end
        .lines
        .iter()
        .filter(|line| line["subtype"] == "session_state_changed")
        .map(|line| &line["state"])
        .collect();
    assert_eq!(states, ["running", "idle"], "it is not idle meanwhile");
}

#[test]
fn a_sub_agent_asks_while_a_turn_asks_and_messages_get_turns_meanwhile() {
    let home = home();
    let mut claude = home.start(&[]);
    claude.user(&agent(r#"<[tool Bash {"command":"touch sub"}]> look"#));
    let is_question = |line: &Value| line["type"] == "control_request";
    let of_agent = claude.anywhere("the sub-agent's question", is_question);
    assert!(of_agent["request"]["agent_id"].is_string());
    claude.result();
    assert_eq!(said(&claude.turn("[[text meanwhile]]")), "meanwhile");
    claude.user(&bash("touch main"));
    let of_main = claude.request();
    assert!(of_main["request"]["agent_id"].is_null());
    claude.allow(&of_main);
    claude.result();
    assert!(home.project().join("main").exists() && !home.project().join("sub").exists());
    claude.allow(&of_agent);
    assert_eq!(claude.system("task_notification")["status"], "completed");
    assert_eq!(claude.result()["origin"]["kind"], "task-notification");
    assert!(home.project().join("sub").exists());
}

#[test]
fn an_interrupt_kills_sub_agents_even_between_turns() {
    let home = home();
    let mut claude = home.start(&[]);
    claude.user(&agent(r#"<[tool Bash {"command":"touch sub"}]> look"#));
    let question = claude.anywhere("a question", |line| line["type"] == "control_request");
    claude.result();
    let before = claude.lines.len();
    claude.ask(json!({ "subtype": "interrupt" }));
    claude.wait("the mark", |line| {
        line["message"]["content"][0]["text"] == "[Request interrupted by user for tool use]"
    });
    let from = sequence(&claude.lines)
        .iter()
        .position(|line| line == "control_cancel_request")
        .expect("the question is withdrawn");
    assert!(from >= before);
    assert_eq!(claude.lines[from]["request_id"], question["request_id"]);
    assert_eq!(
        sequence(&claude.lines[from + 1..]),
        [
            TOLD[0],
            TOLD[1],
            TOLD[2],
            "control_response/success",
            "system/session_state_changed/running",
            "system/session_state_changed/idle",
            "user/tool_result",
            "user/text",
        ]
    );
    assert_eq!(claude.lines[from + 1]["patch"]["status"], "killed");
    claude.allow(&question);
    claude.turn("[[text next]]");
    assert!(!home.project().join("sub").exists());
    let end = claude.end();
    let results = end.lines.iter().filter(|line| line["type"] == "result");
    assert_eq!(results.count(), 2, "nothing is told to the model");
}

#[test]
fn an_interrupt_in_a_turn_kills_the_sub_agents_beside_it() {
    let home = home();
    let mut claude = unasked(&home);
    claude.user(&agent(
        r#"<[tool Bash {"command":"echo $$ > pid; sleep 60"}]> look"#,
    ));
    claude.result();
    let pid = pid(&home);
    claude.user("[[slow 20]] [[say 3000]]");
    claude.delta();
    claude.ask(json!({ "subtype": "interrupt" }));
    let told = claude.anywhere("the end of the work", |line| {
        line["subtype"] == "task_notification"
    });
    assert_eq!(told["status"], "stopped");
    assert_eq!(claude.result()["terminal_reason"], "aborted_streaming");
    claude.state("idle");
    wait_until_gone(pid);
}

#[test]
fn an_interrupt_ends_the_sub_agent_inside_the_turn_with_what_it_waits_for() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user(&agent(r#"<[tool Bash {"command":"touch sub"}]> look"#));
    let question = claude.request();
    claude.ask(json!({ "subtype": "interrupt" }));
    let result = claude.result();
    assert_eq!(result["terminal_reason"], "aborted_tools");
    assert_eq!(result["permission_denials"][0]["tool_name"], "Bash");
    claude.allow(&question);
    claude.state("idle");
    let end = claude.end();
    assert_eq!(
        after(&end.lines, "control_request/can_use_tool"),
        [
            "control_cancel_request",
            "control_response/success",
            "system/session_state_changed/running",
            "user/tool_result",
            TOLD[0],
            TOLD[1],
            "user/text",
            "result/error_during_execution",
            "command_lifecycle/cancelled",
            "system/session_state_changed/idle",
        ]
    );
    assert!(!home.project().join("sub").exists());

    let mut claude = unasked(&home);
    claude.user(&agent(
        r#"<[tool Bash {"command":"echo $$ > pid; sleep 60"}]> look"#,
    ));
    let pid = pid(&home);
    claude.ask(json!({ "subtype": "interrupt" }));
    assert_eq!(claude.result()["terminal_reason"], "aborted_tools");
    wait_until_gone(pid);
}

#[test]
fn stopping_a_sub_agent_is_told_to_the_model() {
    let home = home();
    let mut claude = unasked(&home);
    claude.user(&agent("<[hang]> look"));
    let task = claude.system("task_started");
    claude.result();
    claude.ask(json!({ "subtype": "stop_task", "task_id": task["task_id"] }));
    let mark = claude.wait_type("user");
    assert_eq!(
        mark["message"]["content"][0]["text"],
        "[Request interrupted by user]"
    );
    let result = claude.result();
    assert!(said(&result).ends_with("was stopped by user"));
    claude.state("idle");
}

#[test]
fn at_the_end_of_stdin_a_sub_agents_question_is_denied_and_it_goes_on() {
    let home = home();
    let mut claude = home.start(&[]);
    claude.user(&agent(
        r#"<[tool Bash {"command":"touch a"}]> <[tool Bash {"command":"touch b"}]> look"#,
    ));
    claude.anywhere("a question", |line| line["type"] == "control_request");
    claude.result();
    let end = claude.end();
    let told = end
        .lines
        .iter()
        .find(|line| line["subtype"] == "task_notification")
        .expect("the sub-agent ended");
    assert_eq!(
        told["summary"],
        "tool said: Tool permission request failed: AbortError: Tool permission stream closed before response received \
         | Tool permission request failed: AbortError: Stream closed"
    );
    assert!(end.status.success());
}
