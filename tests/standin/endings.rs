//! Interrupts, signals, the end of stdin, refused command lines and lines.

use std::os::unix::process::ExitStatusExt as _;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::driver::{Home, PIPES, sequence, user_line, wait_for_file, wait_until_gone};

const SLEEPER: &str = r#"[[tool Bash {"command":"echo $$ > pid; sleep 600"}]]"#;

#[test]
fn an_interrupt_in_a_text_keeps_what_was_said() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    let uuid = claude.user("[[slow 20]] [[say 3000]] x");
    claude.delta();
    claude.delta();
    claude.ask(json!({ "subtype": "interrupt" }));
    let partial = claude.wait_type("assistant");
    assert_eq!(partial["aborted"], true);
    assert!(
        partial["message"]["content"][0]["text"]
            .as_str()
            .is_some_and(|text| text.starts_with("# Mock headi"))
    );
    let mark = claude.wait_type("user");
    assert_eq!(
        mark["message"]["content"][0]["text"],
        "[Request interrupted by user]"
    );
    let result = claude.result();
    assert_eq!(
        (&result["subtype"], &result["is_error"]),
        (&json!("error_during_execution"), &json!(true))
    );
    assert_eq!(
        (&result["terminal_reason"], &result["num_turns"]),
        (&json!("aborted_streaming"), &json!(2))
    );
    claude.lifecycle(&uuid, "cancelled");
    claude.state("idle");
    assert_eq!(
        claude.turn("[[remember]]")["result"],
        r#"remember turns=1 texts=["[[slow 20]] [[say 3000]] x"]"#
    );
    assert!(claude.end().status.success(), "the last turn went well");
}

#[test]
fn an_interrupt_in_a_tool_ends_its_programs() {
    let home = Home::new();
    let mut claude = home.start(&["--permission-mode", "bypassPermissions"]);
    claude.user(SLEEPER);
    let pid: i32 = wait_for_file(&home.project().join("pid"))
        .trim()
        .parse()
        .expect("a process id");
    claude.ask(json!({ "subtype": "interrupt" }));
    let result = claude.result();
    assert_eq!(
        (&result["terminal_reason"], &result["num_turns"]),
        (&json!("aborted_tools"), &json!(3))
    );
    wait_until_gone(pid);
    let rejected = claude
        .lines
        .iter()
        .find(|line| line["tool_use_result"] == "User rejected tool use");
    assert!(rejected.is_some(), "the call has a result");
    claude.close_stdin();
    assert_eq!(
        claude.wait_end().status.code(),
        Some(1),
        "the last result was an error"
    );
}

#[test]
fn a_program_that_ignores_sigterm_is_killed() {
    let home = Home::new();
    let mut claude = home.start(&["--permission-mode", "bypassPermissions"]);
    claude.user(r#"[[tool Bash {"command":"trap '' TERM; echo $$ > pid; while true; do sleep 0.1; done"}]]"#);
    let pid: i32 = wait_for_file(&home.project().join("pid"))
        .trim()
        .parse()
        .expect("a process id");
    claude.ask(json!({ "subtype": "interrupt" }));
    claude.result();
    wait_until_gone(pid);
}

#[test]
fn an_interrupt_withdraws_an_open_question() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user(r#"[[tool Bash {"command":"touch b"}]]"#);
    let request = claude.request();
    let interrupt = claude.control(json!({ "subtype": "interrupt" }));
    let cancel = claude.wait_type("control_cancel_request");
    assert_eq!(cancel["request_id"], request["request_id"]);
    assert_eq!(
        claude.wait_type("control_response")["response"]["request_id"],
        json!(interrupt)
    );
    let result = claude.result();
    assert_eq!(result["permission_denials"][0]["tool_name"], "Bash");
    claude.allow(&request);
    assert!(
        claude.turn("next")["result"]
            .as_str()
            .is_some_and(|text| text.contains("echo: next"))
    );
    assert!(
        !home.project().join("b").exists(),
        "a late answer is ignored"
    );
}

#[test]
fn a_silent_model_can_be_interrupted() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user("[[hang]]");
    claude.system("status");
    claude.ask(json!({ "subtype": "interrupt" }));
    assert_eq!(claude.result()["terminal_reason"], "aborted_streaming");
    claude.user("[[stall]] [[text one two three four]]");
    claude.delta();
    claude.ask(json!({ "subtype": "interrupt" }));
    assert_eq!(
        claude.wait_type("assistant")["message"]["content"][0]["text"],
        "one two t"
    );
    assert_eq!(claude.result()["terminal_reason"], "aborted_streaming");
}

#[test]
fn an_interrupt_ends_the_wait_for_another_attempt() {
    let mut home = Home::new();
    home.set("CLAUDE_CODE_MAX_RETRIES", "100000");
    let mut claude = home.start(&[]);
    let uuid = claude.user("[[error 500]]");
    claude.system("api_retry");
    claude.ask(json!({ "subtype": "interrupt" }));
    let result = claude.result();
    assert_eq!(
        (&result["subtype"], &result["terminal_reason"]),
        (
            &json!("error_during_execution"),
            &json!("aborted_streaming")
        )
    );
    claude.lifecycle(&uuid, "cancelled");
}

#[test]
fn an_interrupt_in_the_same_instant_as_a_message_has_no_effect() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    let interrupt = json!({ "type": "control_request", "request_id": "r", "request": { "subtype": "interrupt" } });
    claude.raw(&format!(
        "{}\n{interrupt}\n",
        user_line("quick", "[[text ran]]")
    ));
    let answer = claude.wait_type("control_response");
    assert_eq!(
        answer["response"]["response"],
        json!({ "still_queued": ["quick"] })
    );
    claude.lifecycle("quick", "started");
    assert_eq!(claude.result()["result"], "ran");
    claude.lifecycle("quick", "completed");
}

#[test]
fn a_message_taken_back_in_the_same_instant_is_gone_though_the_answer_denies_it() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    let request = json!({ "subtype": "cancel_async_message", "message_uuid": "quick" });
    let request = json!({ "type": "control_request", "request_id": "r", "request": request });
    claude.raw(&format!("{}\n{request}\n", user_line("quick", "quick")));
    let answer = claude.wait_type("control_response");
    assert_eq!(
        answer["response"]["response"],
        json!({ "cancelled": false })
    );
    claude.lifecycle("quick", "cancelled");
    claude.state("idle");
    let end = claude.end();
    assert!(!end.lines.iter().any(|line| line["type"] == "result"));
}

#[test]
fn an_interrupt_does_not_hit_what_waits_unless_it_is_told_to() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    // In one piece, so that no time passes between the two.
    let interrupt = json!({ "subtype": "interrupt", "cancel_queued": true });
    let interrupt = json!({ "type": "control_request", "request_id": "r", "request": interrupt });
    claude.raw(&format!("{}\n{interrupt}\n", user_line("quick", "quick")));
    let answer = claude.wait_type("control_response");
    assert_eq!(
        answer["response"]["response"]["cancelled"],
        json!(["quick"])
    );
    assert!(!sequence(&claude.lines).contains(&"system/init".to_owned()));
    claude.state("idle");

    claude.user("[[slow 20]] [[say 3000]]");
    claude.delta();
    let queued = claude.user("queued [[text ran]]");
    claude.lifecycle(&queued, "queued");
    let answer = claude.ask(json!({ "subtype": "interrupt" }));
    assert_eq!(answer["response"]["still_queued"], json!([queued]));
    assert_eq!(claude.result()["is_error"], true);
    assert_eq!(claude.result()["result"], "ran");

    claude.user("[[slow 20]] [[say 3000]]");
    claude.delta();
    let queued = claude.user("queued [[text ran]]");
    claude.lifecycle(&queued, "queued");
    let answer = claude.ask(json!({ "subtype": "interrupt", "cancel_queued": true }));
    assert_eq!(
        answer["response"],
        json!({ "still_queued": [], "cancelled": [queued] })
    );
    claude.result();
    claude.state("idle");
}

#[test]
fn at_the_end_of_stdin_an_open_question_is_denied_and_the_turn_finishes() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user(r#"[[tool Bash {"command":"touch b"}]] [[tool Bash {"command":"touch c"}]]"#);
    claude.request();
    let end = claude.end();
    let results: Vec<&str> = end
        .lines
        .iter()
        .filter_map(|line| line["message"]["content"][0]["content"].as_str())
        .collect();
    assert_eq!(
        results,
        [
            "Tool permission request failed: AbortError: Tool permission stream closed before response received",
            "Tool permission request failed: AbortError: Stream closed",
        ]
    );
    assert!(
        end.lines
            .iter()
            .any(|line| line["type"] == "result" && line["is_error"] == false)
    );
    assert!(end.status.success());
}

#[test]
fn at_the_end_of_stdin_the_queue_is_worked_off() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user("[[slow 5]] [[say 200]]");
    claude.delta();
    claude.user("[[text last]]");
    let end = claude.end();
    let results: Vec<&Value> = end
        .lines
        .iter()
        .filter(|line| line["type"] == "result")
        .collect();
    assert_eq!(results.len(), 2);
    assert_eq!(results[1]["result"], "last");
}

#[test]
fn sigterm_ends_it_at_once_and_takes_its_programs_along() {
    let home = Home::new();
    let mut claude = home.start(&["--permission-mode", "bypassPermissions"]);
    claude.user(SLEEPER);
    let pid: i32 = wait_for_file(&home.project().join("pid"))
        .trim()
        .parse()
        .expect("a process id");
    claude.signal(Signal::SIGTERM);
    let end = claude.wait_end();
    assert_eq!((end.status.code(), end.status.signal()), (Some(143), None));
    assert!(!end.lines.iter().any(|line| line["type"] == "result"));
    wait_until_gone(pid);
}

#[test]
fn sigint_is_an_interrupt_and_then_the_end() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user("[[slow 20]] [[say 3000]] x");
    claude.delta();
    claude.signal(Signal::SIGINT);
    let end = claude.wait_end();
    assert_eq!(end.status.code(), Some(0));
    assert_eq!(
        sequence(&end.lines)[sequence(&end.lines).len() - 2..],
        [
            "result/error_during_execution",
            "command_lifecycle/cancelled"
        ]
    );

    let mut claude = home.start(&[]);
    claude.ask(json!({ "subtype": "initialize" }));
    claude.signal(Signal::SIGINT);
    assert_eq!(claude.wait_end().status.code(), Some(0));
}

#[test]
fn bad_lines_end_it_with_a_message() {
    let home = Home::new();
    for (line, message) in [
        (
            "hello\n",
            "Error parsing streaming input line (type=unknown, 5 chars): SyntaxError\n",
        ),
        (
            "{\"type\":\"user\"}\n",
            "Error: Expected message role 'user', got 'undefined'\n",
        ),
        (
            "{\"type\":\"control_request\",\"request_id\":\"x\"}\n",
            "Error: Missing request on control_request\n",
        ),
    ] {
        let mut claude = home.start(&[]);
        claude.user("[[hang]]");
        claude.system("status");
        claude.raw(line);
        let end = claude.wait_end();
        assert_eq!(
            (end.status.code(), end.stderr.as_str()),
            (Some(1), message),
            "{line}"
        );
    }
    let mut claude = home.start(&[]);
    claude.raw("   \n\n\r\n[1]\n{\"type\":\"foo\"}\n\"x\"\n{\"type\":\"keep_alive\"}\n");
    claude.send(
        &json!({ "type": "user", "message": { "role": "user", "content": null }, "uuid": "n" }),
    );
    assert!(
        claude.result()["result"]
            .as_str()
            .is_some_and(|text| text.contains("echo: (no content)"))
    );
}

#[test]
fn refused_command_lines_have_the_words_of_the_real_ones() {
    let home = Home::new();
    let end = home.run("", &["--version"]).wait_end();
    assert_eq!(
        (end.lines, end.status.code()),
        (vec![json!("2.1.330 (Claude Code)")], Some(0))
    );
    let end = home.run("", &["--nonsense"]).wait_end();
    assert_eq!(
        (end.stderr.as_str(), end.status.code()),
        ("error: unknown option '--nonsense'\n", Some(1))
    );
    let unknown = "5bf73f2a-badf-46a3-a046-24039ffcd63b";
    let end = home.resume(unknown, &[]).wait_end();
    let message = format!("No conversation found with session ID: {unknown}");
    assert_eq!(
        (end.stderr.trim_end(), end.status.code()),
        (message.as_str(), Some(1))
    );
    assert_eq!(end.lines.len(), 1);
    let result = &end.lines[0];
    assert_eq!(
        (&result["subtype"], &result["errors"]),
        (&json!("error_during_execution"), &json!([message]))
    );
    assert_eq!(
        (&result["is_error"], &result["num_turns"]),
        (&json!(true), &json!(0))
    );
    let end = home.run("", &PIPES[..5]).wait_end();
    assert!(end.stderr.contains("requires --verbose"), "{}", end.stderr);
}

#[test]
fn a_session_id_is_used_once() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.turn("one");
    let id = claude.id.clone();
    claude.end();
    let end = home.start_as("--session-id", &id, &[]).wait_end();
    assert_eq!(
        end.stderr,
        format!("Error: Session ID {id} is already in use.\n")
    );
    assert_eq!((end.status.code(), end.lines.len()), (Some(1), 0));
}
