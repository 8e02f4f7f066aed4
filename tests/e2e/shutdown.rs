//! chappe is stopped in order: what may finish, what is left for the next start, and that nothing stays behind.

use crate::host::{Host, USER, processes_of};
use chappe::loopback::botapi::Person;
use nix::sys::signal::Signal;

const BOB: i64 = 1002;

const INTERRUPTED: &str = "I was restarted in the middle of this";

#[test]
fn a_running_turn_is_finished_and_answered_and_what_waits_runs_after_the_restart() {
    let mut host = Host::new();
    host.sessions = "stop_grace = \"2s\"\nshutdown_grace = \"30s\"\n".to_owned();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    host.say("stored in time");
    host.stored();
    chappe.signal(Signal::SIGTERM);
    chappe.logs("chappe is being stopped");
    host.say("sent meanwhile");
    drop(held);
    assert_eq!(chappe.ended().code(), Some(0));
    host.answer("tool said:");
    assert_eq!(processes_of(host.folder.path()), Vec::<i32>::new());
    assert!(!host.texts().iter().any(|text| text.contains("in time")));

    let _chappe = host.start();
    host.answer("echo: stored in time");
    host.answer("sent meanwhile");
    host.say("[[remember]]");
    host.answer("remember turns=");
    assert!(!host.texts().iter().any(|text| text.contains(INTERRUPTED)));
    assert_eq!(host.count("SELECT count(*) FROM session"), 1);
    assert_eq!(
        host.count("SELECT count(*) FROM prompt WHERE outcome = 'answered'"),
        host.count("SELECT count(*) FROM prompt"),
    );
}

#[test]
fn a_turn_that_takes_too_long_is_ended_and_told_after_the_restart() {
    let mut host = Host::new();
    host.allowed_users.push(BOB);
    host.sessions = "stop_grace = \"2s\"\nshutdown_grace = \"1s\"\n".to_owned();
    let chappe = host.start();
    let bob = Person::private(BOB, "Bob");
    let gate = host.gate();
    host.say(&gate.call());
    let _held = gate.reached();
    let status = host.answer("⏳ Running");
    host.api
        .say(&bob, r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = host.request(BOB);
    assert_eq!(chappe.stop().code(), Some(0));
    assert_eq!(processes_of(host.folder.path()), Vec::<i32>::new());
    host.says(USER, status.id, "⏳ Paused for a restart");

    // Pressed while nobody is there.
    let press = host.press(&bob, &request, "Allow once");
    let _chappe = host.start();
    // The turns go on, in the status messages that they had.
    host.says(USER, status.id, "✓");
    host.answer("tool said: ");
    host.answer_in(BOB, "tool said: ");
    let expired = host.says(BOB, request.id, "✗ Expired");
    assert!(expired.buttons.is_empty());
    assert_eq!(host.toast(&press), "That request is over. Nothing was run.");
    assert!(!host.sessions_root().join("bob").join("made").exists());

    host.say("[[remember]]");
    host.answer("remember turns=2 ");
    host.api.say(&bob, "[[remember]]");
    host.answer_in(BOB, "remember turns=2 ");
    let answers = |chat| {
        let texts = host.texts_in(chat).into_iter();
        texts.filter(|text| text.starts_with("tool said: ")).count()
    };
    assert_eq!((answers(USER), answers(BOB)), (1, 1));
}

#[test]
fn what_hears_nothing_is_killed_with_its_tools() {
    let mut host = Host::new();
    host.sessions = "stop_grace = \"300ms\"\nshutdown_grace = \"300ms\"\n".to_owned();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let _held = gate.reached();
    host.freeze_claude();
    let end = {
        chappe.signal(Signal::SIGTERM);
        chappe.end()
    };
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert_eq!(processes_of(host.folder.path()), Vec::<i32>::new());

    let _chappe = host.start();
    host.answer(INTERRUPTED);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut host = Host::new();
    host.sessions = "stop_grace = \"60s\"\nshutdown_grace = \"600s\"\n".to_owned();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let _held = gate.reached();
    chappe.signal(Signal::SIGTERM);
    chappe.logs("chappe is being stopped");
    chappe.signal(Signal::SIGINT);
    let end = chappe.end();
    assert_eq!(end.code, Some(1), "{}", end.stderr);
    assert_eq!(processes_of(host.folder.path()), Vec::<i32>::new());

    let _chappe = host.start();
    host.answer(INTERRUPTED);
}
