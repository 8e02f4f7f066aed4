//! chappe or Claude is killed: what is told, what goes on, and that there is never a second process for a session.

use std::fs;

use crate::host::{Host, USER, processes_of, until, write_program};

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
    // Told in the status of the turn, which then goes on.
    host.answer(INTERRUPTED);
    host.answer("tool said: ");
    host.answer("echo: and now");
    assert_ne!(host.claudes(), leftover);
    host.say("[[remember]]");
    let remembered = host.answer("remember turns=4 ");
    assert!(remembered.text.contains("The connection was lost"));
    assert_eq!(host.starts(), ["alone", "alone"]);
    let texts = host.texts();
    assert_eq!(texts.len(), 5, "nothing is said twice: {texts:?}");
    let answered = texts.iter().filter(|text| text.starts_with("tool said: "));
    assert_eq!(answered.count(), 1);
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

    let left = processes_of(host.folder.path());
    assert!(left.len() > 1, "no tool runs: {left:?}");
    // Who comes there once more is not held up.
    fs::remove_file(host.file("gate")).unwrap();
    fs::write(host.file("gate"), "open").unwrap();
    let _chappe = host.start();
    host.answer(INTERRUPTED);
    until("the end of what was left", || {
        let mut now = processes_of(host.folder.path());
        now.retain(|pid| left.contains(pid));
        now.is_empty().then_some(())
    });
    drop(held);
    // It may have died before it had written down what it was asked; then it is told, and looks again.
    host.answer("tool said: ");
    host.say("[[remember]]");
    host.answer("remember turns=");
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
    // Its answer is delivered, although nobody had listened, and nothing is asked of Claude for it.
    host.answer("tool said: ");
    host.answer("echo: and now");
    host.say("[[remember]]");
    host.answer("remember turns=2 ");
    assert_eq!(host.starts(), ["alone", "alone"]);
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
    assert_eq!(
        host.toast(&press),
        "That request is over. Your press changed nothing."
    );
    // Claude took the end of its input for a refusal, and is told that it was none.
    host.say("[[remember]]");
    let remembered = host.answer("remember turns=2 ");
    assert!(remembered.text.contains("The connection was lost"));
    assert!(!host.file("made").exists());
}

#[test]
fn claude_dies_in_mid_turn_and_the_turn_goes_on() {
    let mut host = Host::new();
    host.sessions.push_str("retry_delay = \"50ms\"\n");
    host.note_starts();
    let _chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    host.say(r#"[[tool Bash {"command":"ls"}]] [[kill 9 x1]]"#);
    let status = host.answer("⚠ Claude stopped unexpectedly (signal 9, SIGKILL");
    assert!(status.text.contains("1 of 3"), "{}", status.text);
    // The status that told of it is the one that shows its end.
    host.says(USER, status.id, "✓");
    host.say("[[remember]]");
    let remembered = host.answer("remember ");
    assert!(remembered.text.contains("The connection was lost"));
    assert_eq!(host.starts(), ["alone", "alone"]);
}

#[test]
fn claude_that_keeps_dying_is_told_and_the_message_is_kept() {
    let mut host = Host::new();
    host.sessions
        .push_str("retry_delay = \"50ms\"\nretries = 2\n");
    // A program that dies whenever it has been given a prompt.
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *--version*) exec {chappe:?} stand-in \"$@\";; esac\n\
         [ -e {folder:?}/mended ] && exec {chappe:?} stand-in \"$@\"\n\
         echo x >>{folder:?}/begun\n\
         read -r first; printf '%s\\n' '{initialized}'; read -r second; echo out of order >&2; exit 7\n",
        chappe = crate::host::chappe(),
        folder = host.folder.path(),
        initialized = r#"{"type":"control_response","response":{"subtype":"success","request_id":"chappe-initialize","response":{"commands":[]}}}"#,
    );
    let program = host.folder.path().join("claude.sh");
    write_program(&program, &script);
    host.use_claude(&[program.to_str().expect("the path is UTF-8")]);
    let chappe = host.start();
    host.say("hello");
    host.say("and this");
    let told =
        host.answer("⚠ Claude keeps stopping (exit code 7: out of order). Your message is kept.");
    let begun = fs::read_to_string(host.folder.path().join("begun")).unwrap();
    assert_eq!(begun.lines().count(), 3, "one start and two more");
    // Held, also over a restart, until somebody says try again.
    assert_eq!(chappe.stop().code(), Some(0));
    fs::write(host.folder.path().join("mended"), "").unwrap();
    let _chappe = host.start();
    let press = host.press(&host.person(), &told, "Try again");
    assert_eq!(host.toast(&press), "Trying again.");
    host.answer("echo: hello");
    let told = host.says(USER, told.id, "Your message is kept");
    assert!(told.buttons.is_empty(), "{:?}", told.buttons);
    assert_eq!(
        host.texts()
            .iter()
            .filter(|text| text.contains("echo: hello"))
            .count(),
        1
    );
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
