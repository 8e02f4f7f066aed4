//! What is in a session's file after each kind of end, and what the next process makes of it.
//!
//! `[[lag 60000]]` makes rows later than any test lasts, so that what is lost does not depend on the moment.

use std::os::unix::process::ExitStatusExt as _;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::driver::{Home, end_process, sequence, wait_for_file, wait_until_gone};

const LATE: &str = r#"[[lag 60000]] [[tool Bash {"command":"touch made"}]]"#;

#[test]
fn a_row_comes_later_than_the_line_that_reports_it() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user(r#"[[tool Bash {"command":"touch made"}]]"#);
    claude.request();
    let id = claude.id.clone();
    home.wait_for_row(&id, "the call", |row| row["type"] == "assistant");
    assert_eq!(home.kept(&id).len(), 2);
}

#[test]
fn sigkill_loses_the_rows_that_are_late_and_with_them_a_young_session() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user(LATE);
    claude.request();
    claude.signal(Signal::SIGKILL);
    let id = claude.id.clone();
    claude.wait_end();
    assert_eq!(home.kept(&id), Vec::<String>::new());
    let end = home.resume(&id, &[]).wait_end();
    assert!(
        end.stderr.starts_with("No conversation found"),
        "{}",
        end.stderr
    );
}

#[test]
fn sigkill_in_a_later_turn_loses_that_turn_and_its_uuid_is_answered() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.turn("[[text one]]");
    claude.user_as("lost", LATE);
    claude.request();
    claude.signal(Signal::SIGKILL);
    let id = claude.id.clone();
    claude.wait_end();
    assert_eq!(home.kept(&id), ["[[text one]]", "assistant/text"]);

    let mut claude = home.resume(&id, &[]);
    claude.user_as("lost", "[[remember]]");
    assert_eq!(
        claude.result()["result"],
        r#"remember turns=1 texts=["[[text one]]"]"#
    );
}

#[test]
fn before_a_result_is_printed_the_file_is_complete() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user("[[lag 60000]] [[text done]] [[kill 9 after result]]");
    let id = claude.id.clone();
    let end = claude.wait_end();
    assert_eq!(end.status.signal(), Some(9));
    assert!(sequence(&end.lines).contains(&"result/success".to_owned()));
    assert_eq!(home.kept(&id)[1..], ["assistant/text"]);
}

#[test]
fn sigterm_sigint_and_the_end_of_stdin_write_what_is_late() {
    let home = Home::new();
    for (signal, code) in [
        (Some(Signal::SIGTERM), 143),
        (Some(Signal::SIGINT), 0),
        (None, 0),
    ] {
        let mut claude = home.start(&[]);
        claude.user(LATE);
        claude.request();
        match signal {
            Some(signal) => claude.signal(signal),
            None => claude.close_stdin(),
        }
        let id = claude.id.clone();
        assert_eq!(claude.wait_end().status.code(), Some(code), "{signal:?}");
        assert_eq!(home.kept(&id)[..2], [LATE, "assistant/tool_use"]);
    }
}

#[test]
fn a_bad_line_ends_it_without_writing_what_is_late() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    claude.user(LATE);
    claude.request();
    claude.raw("not JSON\n");
    let id = claude.id.clone();
    assert_eq!(claude.wait_end().status.code(), Some(1));
    assert_eq!(home.kept(&id), Vec::<String>::new());
}

#[test]
fn it_dies_so_long_after_a_line_and_only_as_often_as_it_was_told_to() {
    let home = Home::new();
    let flags = ["--permission-mode", "bypassPermissions"];
    let text = r#"[[lag 60000]] [[tool Bash {"command":"true"}]] [[slow 30]] [[say 6000]] [[kill 9 x1 after tool_result 1]]"#;
    let mut claude = home.start(&flags);
    claude.user(text);
    let id = claude.id.clone();
    let end = claude.wait_end();
    assert_eq!(end.status.signal(), Some(9));
    let printed = sequence(&end.lines);
    assert!(printed.contains(&"user/tool_result".to_owned()));
    assert!(!printed.contains(&"result/success".to_owned()));
    assert_eq!(home.kept(&id), Vec::<String>::new());

    let mut claude = home.start(&flags);
    claude.user(text);
    claude.wait("a tool result", |line| {
        line["message"]["content"][0]["type"] == "tool_result"
    });
    claude.delta();
    claude.ask(json!({ "subtype": "interrupt" }));
    assert_eq!(claude.result()["terminal_reason"], "aborted_streaming");
}

#[test]
fn sigkill_leaves_the_programs_of_tools_running() {
    let home = Home::new();
    let mut claude = home.start(&["--permission-mode", "bypassPermissions"]);
    claude.user(r#"[[tool Bash {"command":"echo $$ > pid; exec sleep 60"}]]"#);
    let pid: i32 = wait_for_file(&home.project().join("pid"))
        .trim()
        .parse()
        .expect("a process id");
    let id = claude.id.clone();
    home.wait_for_row(&id, "the call", |row| row["type"] == "assistant");
    claude.signal(Signal::SIGKILL);
    assert_eq!(claude.wait_end().status.signal(), Some(9));
    end_process(pid);
    assert_eq!(home.kept(&id)[1..], ["assistant/tool_use"]);
}

#[test]
fn sigterm_kills_the_programs_of_tools_and_stores_that() {
    let home = Home::new();
    let mut claude = home.start(&["--permission-mode", "bypassPermissions"]);
    claude.user(
        r#"[[tool Bash {"command":"trap '' TERM; echo $$ > pid; while true; do sleep 0.1; done"}]]"#,
    );
    let pid: i32 = wait_for_file(&home.project().join("pid"))
        .trim()
        .parse()
        .expect("a process id");
    claude.signal(Signal::SIGTERM);
    let id = claude.id.clone();
    let end = claude.wait_end();
    assert_eq!(end.status.code(), Some(143));
    assert!(!end.lines.iter().any(|line| line["type"] == "result"));
    let rows = home.transcript(&id);
    let result = rows
        .iter()
        .find(|row| row["message"]["content"][0]["type"] == "tool_result")
        .expect("the tool has a result");
    assert_eq!(result["message"]["content"][0]["content"], "Exit code 137");
    wait_until_gone(pid);
}

#[test]
fn sigterm_in_a_text_loses_what_was_said() {
    let home = Home::new();
    let mut claude = home.start(&[]);
    let text = "[[slow 20]] [[say 3000]]";
    claude.user_as("u", text);
    claude.delta();
    claude.signal(Signal::SIGTERM);
    let id = claude.id.clone();
    let end = claude.wait_end();
    assert_eq!(end.status.code(), Some(143));
    assert!(!end.lines.iter().any(|line| line["type"] == "assistant"));
    assert_eq!(home.kept(&id), [text]);

    let mut claude = home.resume(&id, &[]);
    claude.user_as("u", "[[remember]]");
    assert_eq!(
        claude.result()["result"],
        format!("remember turns=1 texts=[{}]", Value::from(text)),
        "it is answered, and stands there twice"
    );
}

#[test]
fn after_a_compaction_and_a_resume_an_old_uuid_is_answered_again_with_its_tools() {
    let home = Home::new();
    let text = r#"[[tool Bash {"command":"echo x >> counter"}]] [[text done]]"#;
    let flags = ["--permission-mode", "bypassPermissions"];
    let mut claude = home.start(&flags);
    claude.user_as("old", text);
    claude.result();
    claude.turn("/compact");
    claude.user_as("old", text);
    claude.wait("an acknowledgement", |line| {
        line["isReplay"] == true && line["uuid"] == "old"
    });
    claude.turn("[[text between]]");
    let id = claude.id.clone();
    assert_eq!(
        claude
            .end()
            .lines
            .iter()
            .filter(|line| line["type"] == "result")
            .count(),
        3,
        "in the same process it is still known"
    );

    let mut claude = home.resume(&id, &flags);
    claude.user_as("old", text);
    claude.lifecycle("old", "started");
    assert_eq!(claude.result()["result"], "done");
    let counter = std::fs::read_to_string(home.project().join("counter")).expect("it ran");
    assert_eq!(counter, "x\nx\n");
    let rows = home.transcript(&id);
    assert_eq!(rows.iter().filter(|row| row["uuid"] == "old").count(), 2);
}
