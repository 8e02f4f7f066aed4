//! chappe or Claude is killed: what is told, what goes on, and that there is never a second process for a session.

use std::fs;
use std::path::Path;

use crate::host::{Host, USER, processes_of, until};

const INTERRUPTED: &str = "I was restarted in the middle of this";

#[test]
fn chappe_is_killed_in_mid_turn_and_the_next_one_ends_what_it_left() {
    let mut host = Host::new();
    host.sessions = "stop_grace = \"1s\"\nshutdown_grace = \"1s\"\n".to_owned();
    host.note_starts();
    let chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    let gate = host.gate();
    host.say(&gate.call());
    let _held = gate.reached();
    host.delivered();
    let leftover = host.claudes();
    assert_eq!(leftover.len(), 1);
    chappe.crash();
    assert_eq!(host.claudes(), leftover, "nobody has ended it");

    host.say("and now");
    let chappe = host.start();
    host.answer(INTERRUPTED);
    host.answer("echo: and now");
    assert_ne!(host.claudes(), leftover);
    host.say("[[remember]]");
    host.answer("remember turns=3 ");
    assert_eq!(host.starts(), ["alone", "alone"]);
    let texts = host.texts();
    assert_eq!(texts.len(), 4, "nothing is said twice: {texts:?}");
    assert_eq!(chappe.stop().code(), Some(0));
    assert_eq!(
        processes_of(host.folder.path()),
        Vec::<i32>::new(),
        "nor do its tools live on"
    );
}

#[test]
fn what_was_left_is_ended_with_its_tools_although_it_is_deaf_and_nobody_writes() {
    let mut host = Host::new();
    host.sessions = "stop_grace = \"300ms\"\nshutdown_grace = \"300ms\"\n".to_owned();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    host.delivered();
    chappe.crash();
    // Only now: a group that is stopped when it loses its last parent is woken by the kernel.
    host.freeze_claude();

    let chappe = host.start();
    until("the end of what was left", || {
        (processes_of(host.folder.path()) == [chappe.pid()]).then_some(())
    });
    host.answer(INTERRUPTED);
    host.say("[[remember]]");
    host.answer("remember turns=1 ");
    assert_eq!(host.texts().len(), 2);
    drop(held);
}

#[test]
fn what_was_left_may_finish_its_turn_and_nothing_starts_beside_it() {
    let mut host = Host::new();
    host.sessions = "stop_grace = \"1s\"\nshutdown_grace = \"30s\"\n".to_owned();
    host.note_starts();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    host.delivered();
    let leftover = host.claudes();
    chappe.crash();
    host.say("and now");
    let _chappe = host.start();
    host.answer(INTERRUPTED);
    assert_eq!(host.claudes(), leftover);
    drop(held);
    host.answer("echo: and now");
    assert_eq!(host.starts(), ["alone", "alone"]);
    let claude = host.folder.path().join("claude");
    assert!(
        transcripts(&claude).contains("tool said:"),
        "it came to its end"
    );
}

/// All that Claude has written down.
fn transcripts(folder: &Path) -> String {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let texts = entries.map(|entry| match entry.path() {
        folder if folder.is_dir() => transcripts(&folder),
        file => fs::read_to_string(file).unwrap_or_default(),
    });
    texts.collect()
}

#[test]
fn chappe_is_killed_while_nothing_happens_and_nobody_notices() {
    let mut host = Host::new();
    host.note_starts();
    let chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    // What was sent and not noted would be sent again.
    host.delivered();
    chappe.crash();
    let _chappe = host.start();
    host.say("[[remember]]");
    host.answer(r#"remember turns=1 texts=["hello"]"#);
    assert_eq!(host.starts(), ["alone", "alone"]);
    assert_eq!(host.texts().len(), 2);
}

#[test]
fn a_request_that_was_open_when_chappe_was_killed_is_over() {
    let mut host = Host::new();
    host.sessions = "stop_grace = \"1s\"\nshutdown_grace = \"1s\"\n".to_owned();
    let chappe = host.start();
    host.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = host.request(USER);
    host.delivered();
    chappe.crash();
    let press = host.press(&host.person(), &request, "Allow once");
    let _chappe = host.start();
    let expired = host.says(USER, request.id, "✗ Expired");
    assert!(expired.buttons.is_empty());
    host.answer(INTERRUPTED);
    assert_eq!(host.toast(&press), "That request is over. Nothing was run.");
    host.say("[[remember]]");
    host.answer("remember turns=1 ");
    assert!(!host.file("made").exists());
}

#[test]
fn claude_dies_in_mid_turn_and_the_conversation_goes_on() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("[[exit 3]]");
    let told = host.answer("Claude stopped unexpectedly (exit code 3");
    assert!(
        told.text.contains("Write “go on” to continue"),
        "{}",
        told.text
    );
    host.say("[[text half]] [[kill 9]]");
    host.answer("Claude stopped unexpectedly (signal 9, SIGKILL");
    host.say("[[remember]]");
    host.answer("remember turns=2 ");
    assert_eq!(host.texts().len(), 3);
}

#[test]
fn a_quiet_session_costs_neither_a_process_nor_a_thread() {
    let mut host = Host::new();
    host.sessions.push_str("idle_timeout = \"1s\"\n");
    let chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    let of_session = |name: &String| name.starts_with("s1");
    assert!(chappe.threads().iter().any(of_session) && host.claudes().len() == 1);
    until("the session to be suspended", || {
        let threads = chappe.threads();
        (host.claudes().is_empty() && !threads.iter().any(of_session)).then_some(())
    });
    host.say("[[remember]]");
    host.answer(r#"remember turns=1 texts=["hello"]"#);
}

#[test]
fn without_an_idle_time_each_turn_has_a_process_of_its_own() {
    let mut host = Host::new();
    host.sessions.push_str("idle_timeout = \"0s\"\n");
    host.note_starts();
    let _chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    host.say("next");
    host.stored();
    drop(held);
    host.answer("echo: next");
    host.say("[[remember]]");
    host.answer("remember turns=2 ");
    assert_eq!(host.starts(), ["alone"; 3]);
}
