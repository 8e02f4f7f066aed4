//! What goes wrong because a text asks for it.

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::driver::{Home, sequence};

#[test]
fn an_api_error_is_told_as_the_real_one_tells_it() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    let uuid = claude.user("[[error 401]]");
    let line = claude.wait_type("assistant");
    assert_eq!(
        (&line["error"], &line["message"]["model"]),
        (&json!("authentication_failed"), &json!("<synthetic>"))
    );
    let result = claude.result();
    assert_eq!(
        (&result["subtype"], &result["is_error"]),
        (&json!("success"), &json!(true))
    );
    assert_eq!(
        (&result["api_error_status"], &result["terminal_reason"]),
        (&json!(401), &json!("api_error"))
    );
    claude.lifecycle(&uuid, "cancelled");
    claude.state("idle");
    assert_eq!(claude.end().status.code(), Some(1));
}

#[test]
fn each_refusal_of_the_api_has_its_words() {
    let mut home = Home::new();
    home.set("CLAUDE_CODE_MAX_RETRIES", "1");
    let mut claude = home.start(&["--model", "haiku"]);
    let temporary = "This is a server-side issue, usually temporary — try again in a moment.";
    for (fault, error, status, kind, text) in [
        ("401", "authentication_failed", json!(401), "authentication_error", "Invalid API key · Fix external API key".to_owned()),
        ("403", "authentication_failed", json!(403), "permission_error", "Failed to authenticate. API Error: 403 forbidden".to_owned()),
        (
            "404",
            "model_not_found",
            json!(404),
            "not_found_error",
            "There's an issue with the selected model (claude-haiku-5-5). It may not exist or you may not have access to it. \
             Run --model to pick a different model.".to_owned(),
        ),
        ("413", "invalid_request", json!(413), "request_too_large", "Request too large (max 32MB).".to_owned()),
        (
            "429",
            "rate_limit",
            json!(429),
            "rate_limit_error",
            "API Error: Request rejected (429) · This request would exceed your rate limit".to_owned(),
        ),
        ("500", "server_error", json!(500), "api_error", format!("API Error: 500 Internal server error. {temporary}")),
        ("529", "server_error", json!(529), "overloaded_error", format!("API Error: 529 Overloaded. {temporary}")),
        ("billing", "billing_error", json!(400), "invalid_request_error", "Credit balance is too low".to_owned()),
        ("login", "authentication_failed", Value::Null, "", "Not logged in · Please run /login".to_owned()),
    ] {
        claude.user(&format!("[[error {fault}]]"));
        let line = claude.wait_type("assistant");
        assert_eq!(
            (&line["error"], &line["api_error_status"], line["api_error_type"].as_str().unwrap_or("")),
            (&json!(error), &status, kind),
            "{fault}"
        );
        assert_eq!(line["message"]["content"][0]["text"], json!(text));
        let result = claude.result();
        assert_eq!(
            (&result["is_error"], &result["api_error_status"], &result["result"]),
            (&json!(true), &status, &json!(text)),
            "{fault}"
        );
    }
}

#[test]
fn a_usage_limit_says_when_it_is_reset() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    for (fault, window, limit) in [
        ("usage-limit 1800", "five_hour", "5-hour"),
        ("usage-limit 90000 seven_day", "seven_day", "weekly"),
    ] {
        let before = seconds();
        claude.user(&format!("[[error {fault}]]"));
        let event = claude.wait_type("rate_limit_event");
        let info = &event["rate_limit_info"];
        assert_eq!(
            (&info["status"], &info["rateLimitType"]),
            (&json!("rejected"), &json!(window))
        );
        let resets_at = info["resetsAt"].as_u64().expect("a time");
        let after: u64 = fault
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .expect("a number");
        assert!((before + after..=seconds() + after).contains(&resets_at));
        let line = claude.wait_type("assistant");
        assert_eq!(
            (&line["error"], &line["api_error"]),
            (&json!("rate_limit"), &json!("usage_limit_reached"))
        );
        let result = claude.result();
        let text = result["result"].as_str().expect("a text");
        assert!(
            text.starts_with(&format!("You've hit your {limit} limit · resets "))
                && text.ends_with("m (UTC)"),
            "{text}"
        );
        assert_eq!(
            (&result["is_error"], &result["api_error_status"]),
            (&json!(true), &json!(429))
        );
    }
    assert!(
        !sequence(&claude.lines).contains(&"system/api_retry".to_owned()),
        "it is not tried again"
    );
    assert_eq!(claude.turn("[[text fine]]")["result"], "fine");
}

fn seconds() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}

#[test]
fn an_overloaded_api_is_given_up_early_but_in_a_sandbox() {
    let mut home = Home::new();
    let retries = |claude: &crate::driver::Claude| {
        sequence(&claude.lines)
            .iter()
            .filter(|line| *line == "system/api_retry")
            .count()
    };
    home.set("CLAUDE_CODE_MAX_RETRIES", "4");
    let mut claude = home.start(&[]);
    claude.turn("[[error 529]]");
    assert_eq!(retries(&claude), 4);
    home.unset("IS_SANDBOX");
    let mut claude = home.start(&[]);
    let result = claude.turn("[[error 529]]");
    assert_eq!(retries(&claude), 2);
    assert!(
        result["result"]
            .as_str()
            .is_some_and(|text| text.starts_with("API Error: Repeated 529 Overloaded errors."))
    );
}

#[test]
fn errors_that_may_pass_are_tried_again() {
    let mut home = Home::new();
    home.set("CLAUDE_CODE_MAX_RETRIES", "2");
    let mut claude = home.start(&[]);
    assert_eq!(
        claude.turn("[[error 529 x1]] [[text fine]]")["result"],
        "fine"
    );
    let retry = claude
        .lines
        .iter()
        .find(|line| line["subtype"] == "api_retry")
        .expect("a retry");
    assert_eq!(
        (&retry["attempt"], &retry["error_status"], &retry["error"]),
        (&json!(1), &json!(529), &json!("overloaded"))
    );
    let result = claude.turn("[[error 500]]");
    assert_eq!(
        (&result["is_error"], &result["api_error_status"]),
        (&json!(true), &json!(500))
    );
    assert_eq!(
        sequence(&claude.lines)
            .iter()
            .filter(|line| *line == "system/api_retry")
            .count(),
        3
    );
    assert!(
        claude.turn("still there")["result"]
            .as_str()
            .is_some_and(|text| text.contains("echo: still there"))
    );
}

#[test]
fn it_exits_in_mid_turn_and_goes_on_when_it_is_asked_to() {
    let home = Home::new();
    let mut claude = home.start(&["--permission-mode", "bypassPermissions"]);
    let id = claude.id.clone();
    let text = r#"[[tool Bash {"command":"echo x >> counter"}]] [[exit 3 x1]] [[text all done]]"#;
    claude.user_as("first", text);
    let end = claude.wait_end();
    assert_eq!(end.status.code(), Some(3));
    assert!(end.stderr.contains("exits with 3"), "{}", end.stderr);
    assert!(!end.lines.iter().any(|line| line["type"] == "result"));
    assert!(
        end.lines
            .iter()
            .any(|line| line["event"]["delta"]["text"] == "all "),
        "half of the answer was streamed"
    );
    assert!(
        home.transcript(&id)
            .iter()
            .any(|row| row["uuid"] == "first")
    );

    let mut claude = home.resume(&id, &["--permission-mode", "bypassPermissions"]);
    let result = claude.turn("The connection was lost while you worked on this. If you had already finished, repeat your final answer.");
    assert_eq!(result["result"], "all done");
    let counter = std::fs::read_to_string(home.project().join("counter")).expect("the command ran");
    assert_eq!(counter, "x\n", "what was done is not done again");
}

#[test]
fn it_kills_itself_and_its_answered_uuid_is_swallowed_then() {
    let home = Home::new();
    let mut claude = home.start(&["--permission-mode", "bypassPermissions"]);
    let id = claude.id.clone();
    claude.user_as("u", r#"[[tool Bash {"command":"true"}]] [[kill KILL]]"#);
    let end = claude.wait_end();
    assert_eq!(end.status.signal(), Some(9));
    let mut claude = home.resume(&id, &[]);
    claude.user_as("u", "again");
    claude.state("idle");
    assert_eq!(
        sequence(&claude.lines)[..2],
        ["user/replay", "command_lifecycle/completed"]
    );

    // Without any block of the assistant in the file the same uuid is answered.
    let mut claude = home.start(&[]);
    let id = claude.id.clone();
    claude.user_as("v", "[[kill SEGV]]");
    assert_eq!(
        claude.wait_end().status.signal(),
        Some(Signal::SIGSEGV as i32)
    );
    let mut claude = home.resume(&id, &[]);
    claude.user_as("v", "[[remember]]");
    assert_eq!(
        claude.result()["result"],
        r#"remember turns=1 texts=["[[kill SEGV]]"]"#
    );
}

#[test]
fn a_tool_call_that_was_cut_off_by_a_kill_is_closed_on_resume() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    let id = claude.id.clone();
    claude.user(r#"[[tool Bash {"command":"touch a"}]]"#);
    claude.request();
    home.wait_for_row(&id, "the call", |row| row["type"] == "assistant");
    claude.signal(Signal::SIGKILL);
    claude.wait_end();
    let mut claude = home.resume(&id, &[]);
    claude.turn("[[text fine]]");
    let rows = home.transcript(&id);
    let results: Vec<&str> = rows
        .iter()
        .filter_map(|row| row["message"]["content"][0]["content"].as_str())
        .collect();
    assert!(
        results
            .iter()
            .any(|text| text.starts_with("[Tool call interrupted")),
        "{results:?}"
    );
    assert!(
        rows.iter()
            .any(|row| row["message"]["content"][0]["text"] == "No response requested.")
    );
}

#[test]
fn garbage_comes_between_good_lines() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    assert_eq!(claude.turn("[[garbage]] [[text fine]]")["result"], "fine");
    assert!(
        claude
            .lines
            .iter()
            .any(|line| line == "this line is not JSON {")
    );
    assert!(
        claude
            .lines
            .iter()
            .any(|line| line["type"] == "stand_in_unknown")
    );
    assert!(
        claude
            .lines
            .iter()
            .any(|line| line["type"] == "assistant" && line["message"] == 42)
    );
    assert_eq!(
        claude.turn("[[longline 3000000]] [[text fine]]")["result"],
        "fine"
    );
    let filler = claude
        .lines
        .iter()
        .find(|line| line["type"] == "stand_in_filler")
        .expect("a long line");
    assert_eq!(filler["filler"].as_str().map(str::len), Some(3_000_000));
}

#[test]
fn the_answer_to_an_unknown_request_is_shown() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user("[[unknown_request]] [[text well]]");
    let request = claude.request();
    let inner = json!({ "subtype": "error", "request_id": request["request_id"], "error": "never heard of it" });
    claude.send(&json!({ "type": "control_response", "response": inner }));
    assert_eq!(
        claude.result()["result"],
        "well\n\nunknown request: error never heard of it"
    );
}

#[test]
fn a_deaf_one_does_not_read_any_more() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user("[[deaf]] [[slow 20]] [[say 300]]");
    claude.delta();
    let mut stdin = claude.take_stdin();
    let (sender, written) = mpsc::channel();
    std::thread::spawn(move || {
        // Far more than a pipe holds: it is written only if somebody reads.
        let line = format!(
            "{}\n",
            json!({ "type": "keep_alive", "filler": "x".repeat(1 << 20) })
        );
        let _ = sender.send(
            stdin
                .write_all(line.as_bytes())
                .map_err(|error| error.kind()),
        );
    });
    claude.result();
    assert!(
        written.try_recv().is_err(),
        "nobody has read it while the text was streamed"
    );
    claude.signal(Signal::SIGTERM);
    assert_eq!(claude.wait_end().status.code(), Some(143));
    let outcome = written
        .recv_timeout(Duration::from_secs(30))
        .expect("the writer ends");
    assert_eq!(outcome, Err(std::io::ErrorKind::BrokenPipe));
}

#[test]
fn an_empty_answer_is_asked_for_once_more() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user("[[empty]]");
    let nudge = claude.wait("a nudge", |line| line["isSynthetic"] == true);
    assert!(
        nudge["message"]["content"][0]["text"]
            .as_str()
            .is_some_and(|text| text.contains("no visible output"))
    );
    let result = claude.result();
    assert_eq!(
        (&result["result"], &result["is_error"]),
        (&json!(""), &json!(false))
    );
}

#[test]
fn turns_have_a_limit() {
    let home = Home::new();
    let three = r#"[[tool Bash {"command":"echo 1"}]] [[tool Bash {"command":"echo 2"}]] [[tool Bash {"command":"echo 3"}]]"#;
    let mut claude = home.start(&["--max-turns", "2"]);
    let result = claude.turn(three);
    assert_eq!(
        (&result["subtype"], &result["is_error"]),
        (&json!("error_max_turns"), &json!(true))
    );
    assert_eq!(
        result["errors"],
        json!(["Reached maximum number of turns (2)"])
    );
    assert_eq!(claude.turn("[[text fine]]")["result"], "fine");
    assert_eq!(claude.turn("[[maxturns]]")["subtype"], "error_max_turns");
}

#[test]
fn simulated_background_work_causes_a_turn_of_its_own() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user("[[background 20]] [[text started]]");
    let task = claude.system("task_started");
    let result = claude.result();
    assert_eq!(
        (&result["result"], &result["origin"]),
        (&json!("started"), &Value::Null)
    );
    assert_eq!(
        claude.system("task_notification")["task_id"],
        task["task_id"]
    );
    assert_eq!(
        claude.system("background_tasks_changed")["tasks"],
        json!([])
    );
    let init = claude.system("init");
    assert_eq!(init["user_message_uuids"], Value::Null);
    let result = claude.result();
    assert_eq!(result["origin"]["kind"], "task-notification");
    assert_eq!(result["result_index"], 1);
    claude.state("idle");
}
