//! What came while chappe was away, and a `claude` that was replaced meanwhile.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use chappe::loopback::botapi::Shown;

use super::{Stage, until};
use crate::host::{Chappe, USER};

/// Names another version of the CLI, that the first one is replaced with.
const NEXT: &str = "CHAPPE_TEST_CLAUDE_NEXT";

/// Says something, and two things more while chappe is not there; returns it two hours later, with what it asks about them.
fn asks_about_two(stage: &mut Stage) -> (Chappe, Shown) {
    let clock = stage.host.folder.path().join("clock");
    let path = clock.display().to_string();
    stage
        .host
        .environment
        .push(("CHAPPE_CLOCK".to_owned(), path));
    let chappe = stage.host.start();
    stage.ask("hello", "echo: hello");
    stage.host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    stage.say("one");
    stage.say("two");
    fs::write(&clock, "7200").expect("the folder can be written");
    let chappe = stage.host.start();
    let question = stage
        .host
        .answer("2 messages came while I was away (the oldest 2 h ago)");
    (chappe, question)
}

#[test]
fn what_came_while_chappe_was_away_is_run_when_a_person_says_so() {
    let test = "what_came_while_chappe_was_away_is_run_when_a_person_says_so";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    let (chappe, question) = asks_about_two(&mut stage);
    stage.ask("later", "echo: later");
    stage.host.press(&stage.host.person(), &question, "Run all");
    stage.host.answer("echo: one\ntwo");
    stage.host.says(USER, question.id, "All of them run.");
    stage.remembers(&["hello", "later", "one\ntwo"]);
    assert_eq!(chappe.stop().code(), Some(0));
    stage.nothing_runs();
}

#[test]
fn the_cli_is_replaced_between_two_turns_and_remembers_what_was_said() {
    let test = "the_cli_is_replaced_between_two_turns_and_remembers_what_was_said";
    let Some(next) = std::env::var_os(NEXT).map(PathBuf::from) else {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: {test}: no second CLI (set {NEXT})"
        );
        return;
    };
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    let first = crate::cli::real_claude(test).expect("the stage has one");
    if fs::canonicalize(&first).ok() == fs::canonicalize(&next).ok() {
        let _ = writeln!(std::io::stderr(), "skipped: {test}: both CLIs are the same");
        return;
    }
    let current = stage.host.folder.path().join("claude-current");
    symlink(&first, &current).expect("the folder can be written");
    let (first, current_name) = (format!("{first:?}"), format!("{current:?}"));
    stage.host.claude = stage.host.claude.replace(&first, &current_name);
    stage.host.sessions.push_str("idle_timeout = \"1s\"\n");
    let chappe = stage.host.start();
    stage.ask("hello", "echo: hello");
    let live = stage.claude();
    let new = current.with_extension("new");
    symlink(&next, &new).expect("the folder can be written");
    fs::rename(new, &current).expect("it can be put in place");
    stage.ask("still the old one", "echo: still the old one");
    assert_eq!(stage.claude(), live);
    until("the end of the process", || {
        stage.claudes().is_empty().then_some(())
    });
    stage.remembers(&["hello", "still the old one"]);
    let versions = chappe.log();
    let versions = versions.matches("Claude Code is version").count();
    assert_eq!(versions, 2, "each program was asked once");
    assert_eq!(chappe.stop().code(), Some(0));
    stage.nothing_runs();
}

#[test]
fn what_comes_to_wait_late_is_not_dropped_by_a_button_that_was_shown_before() {
    let test = "what_comes_to_wait_late_is_not_dropped_by_a_button_that_was_shown_before";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.allow_all();
    let (_chappe, question) = asks_about_two(&mut stage);
    let gate = stage.gate("gate");
    let call = r#"[[tool Bash {"command":"cat gate"}]]"#;
    stage.say(call);
    let held = gate.reached();
    stage.say("later");
    let (status, data) = stage.button("1 waiting", "Drop");
    let ada = stage.host.person();
    let press = stage.host.press(&ada, &question, "Run all");
    assert_eq!(stage.host.toast(&press), "All of them run.");
    // They came before the one that was shown, and were not shown.
    let press = stage.host.api.press(&ada, status, &data);
    assert_eq!(
        stage.host.toast(&press),
        "More waits by now, so nothing was done. Look again, or at /queue."
    );
    drop(held);
    stage.host.answer("later");
    let memory = stage.memory().join("\n");
    for text in ["one", "two", "later"] {
        let times = memory.lines().filter(|line| *line == text).count();
        assert_eq!(times, 1, "{text}: {memory}");
    }
}
