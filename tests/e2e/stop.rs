//! A person says stop: the turn ends, the process stays, and what waits is held.

use std::fs;

use crate::host::{Gate, Held, Host, USER, processes_of, until};

/// A turn at a gate, with its status message shown.
fn at_the_gate(host: &Host) -> (Gate, Held) {
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    (gate, held)
}

#[test]
fn stop_ends_the_turn_and_the_process_stays() {
    let mut host = Host::new();
    host.note_starts();
    let _chappe = host.start();
    let (_gate, held) = at_the_gate(&host);
    let status = host.answer("⏳ Running");
    let claudes = host.claudes();
    host.say("/stop");
    let stopped = host.says(USER, status.id, "✗ Stopped");
    assert!(stopped.buttons.is_empty());
    drop(held);
    host.say("and now");
    host.answer("echo: and now");
    assert_eq!(host.claudes(), claudes);
    assert_eq!(host.starts(), ["alone"]);
    let cats = processes_of(host.folder.path()).into_iter().filter(|pid| {
        fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.starts_with(b"cat"))
    });
    assert_eq!(cats.count(), 0, "its tool is gone");
    assert!(!host.texts().iter().any(|text| text.contains("tool said")));
}

#[test]
fn the_button_and_the_bare_word_stop_as_well() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("[[slow 100]] [[say 20000]]");
    let status = host.wait("a status with a button", |view| {
        let mut shown = view.from_bot(USER);
        shown
            .find(|shown| shown.text.contains("⏳") && !shown.buttons.is_empty())
            .cloned()
    });
    let press = host.press(&host.person(), &status, "Stop");
    assert_eq!(host.toast(&press), "Stopping");
    host.says(USER, status.id, "✗ Stopped");
    // What was written so far is shown.
    until("the text so far", || {
        let texts = host.texts();
        let shown = texts
            .iter()
            .any(|text| text.len() > 20 && !text.contains("Stopped"));
        shown.then_some(())
    });
    let late = host.press(&host.person(), &status, "Stop");
    assert_eq!(host.toast(&late), "That turn is over.");

    host.say("[[hang]]");
    let status = host.answer("⏳");
    host.say(" Stop\n");
    host.says(USER, status.id, "✗ Stopped");
    host.say("next");
    host.answer("echo: next");
}

#[test]
fn what_waits_is_held_until_somebody_says_how_it_goes_on() {
    let host = Host::new();
    let chappe = host.start();
    let (_gate, held) = at_the_gate(&host);
    host.say("one");
    host.say("two");
    host.stored();
    host.say("/stop");
    let notice = host.answer("2 messages wait");
    drop(held);
    assert_eq!(
        notice
            .buttons
            .iter()
            .flatten()
            .map(|(label, _)| label.as_str())
            .collect::<Vec<_>>(),
        ["Run", "Drop all 2"]
    );
    // Also over a restart.
    host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    let _chappe = host.start();
    host.say("/queue");
    let list = host.answer("2 waiting, held since the stop\n1. one\n2. two");
    let press = host.press(&host.person(), &notice, "Run");
    assert_eq!(host.toast(&press), "Going on.");
    host.answer("echo: one\ntwo");
    assert!(host.says(USER, notice.id, "Going on.").buttons.is_empty());
    for over in [&notice, &list] {
        let late = host.press(&host.person(), over, "Drop all 2");
        assert_eq!(host.toast(&late), "That is over. Nothing was done.");
    }
    assert!(host.says(USER, list.id, "1. one").buttons.is_empty());
}

#[test]
fn a_message_after_the_stop_runs_first() {
    let host = Host::new();
    let _chappe = host.start();
    let (_gate, held) = at_the_gate(&host);
    host.say("held");
    host.stored();
    host.say("stop");
    let notice = host.answer("1 message waits");
    drop(held);
    host.say("first");
    host.answer("echo: first");
    host.answer("echo: held");
    let texts = host.texts();
    let at = |what: &str| texts.iter().position(|text| text.contains(what));
    assert!(at("echo: first") < at("echo: held"));
    assert!(
        host.says(USER, notice.id, "1 message waits")
            .buttons
            .is_empty()
    );
}

#[test]
fn what_is_dropped_never_runs() {
    let host = Host::new();
    let _chappe = host.start();
    let (_gate, held) = at_the_gate(&host);
    host.say("never");
    host.stored();
    host.say("/stop");
    let notice = host.answer("1 message waits");
    drop(held);
    let press = host.press(&host.person(), &notice, "Drop");
    assert_eq!(host.toast(&press), "Dropped.");
    host.say("[[remember]]");
    let remembered = host.answer("remember ");
    assert!(!remembered.text.contains("never"), "{}", remembered.text);
}

#[test]
fn a_stop_in_the_same_moment_as_the_prompt_counts() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    for round in 0..5 {
        // Both in one answer of getUpdates, or in two: whichever way they come.
        host.say(&format!("[[wait 60000]] [[text round {round}]]"));
        host.say("/stop");
        host.stored();
        until("the end of the turn", || {
            let open = host.count("SELECT count(*) FROM prompt WHERE state != 'closed'")
                + host.count("SELECT stop FROM session");
            (open == 0).then_some(())
        });
        // Where it had not been given it is held, and asks what is to become of it.
        if host.count("SELECT count(*) FROM inbox WHERE state = 'waiting'") > 0 {
            let notice = host.request(USER);
            let press = host.press(&host.person(), &notice, "Drop");
            assert_eq!(host.toast(&press), "Dropped.");
            host.says(USER, notice.id, "Dropped.");
        }
        host.say(&format!("after {round}"));
        host.answer(&format!("echo: after {round}"));
    }
    assert!(!host.texts().iter().any(|text| text.starts_with("round")));
}

#[test]
fn an_open_request_is_withdrawn_by_the_stop() {
    let host = Host::new();
    let _chappe = host.start();
    host.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = host.request(USER);
    host.say("/stop");
    let withdrawn = host.says(USER, request.id, "✗ Withdrawn: the turn was stopped");
    assert!(withdrawn.buttons.is_empty());
    let late = host.press(&host.person(), &request, "Allow once");
    assert_eq!(
        host.toast(&late),
        "That request is over. Your press changed nothing."
    );
    host.say("next");
    host.answer("echo: next");
    assert!(!host.file("made").exists());
}

#[test]
fn a_stop_where_nothing_runs_says_so() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("/stop");
    host.answer("Nothing is running in default.");
    host.say("hello");
    host.answer("echo: hello");
    host.say("/stop");
    until("both answers", || {
        let texts = host.texts().into_iter();
        (texts
            .filter(|text| text.contains("Nothing is running"))
            .count()
            == 2)
            .then_some(())
    });
}

#[test]
fn a_claude_that_does_not_hear_the_stop_is_ended_with_its_tools() {
    let mut host = Host::new();
    host.sessions = "stop_grace = \"300ms\"\n".to_owned();
    let _chappe = host.start();
    let (_gate, held) = at_the_gate(&host);
    let status = host.answer("⏳ Running");
    host.freeze_claude();
    host.say("/stop");
    host.says(USER, status.id, "✗ Stopped");
    until("the end of all it had started", || {
        host.claudes().is_empty().then_some(())
    });
    drop(held);
    host.say("next");
    host.answer("echo: next");
}

#[test]
fn a_stop_before_chappe_was_killed_still_counts_after_it() {
    let mut host = Host::new();
    host.sessions = "stop_grace = \"60s\"\nshutdown_grace = \"300ms\"\n".to_owned();
    let chappe = host.start();
    let (_gate, held) = at_the_gate(&host);
    let status = host.answer("⏳ Running");
    host.freeze_claude();
    host.say("/stop");
    host.stored();
    chappe.crash();
    host.sessions = "stop_grace = \"300ms\"\nshutdown_grace = \"300ms\"\n".to_owned();
    let _chappe = host.start();
    host.says(USER, status.id, "✗ Stopped");
    drop(held);
    host.say("[[remember]]");
    let remembered = host.answer("remember ");
    assert!(!remembered.text.contains("connection was lost"));
}

#[test]
fn who_stops_a_turn_from_another_chat_is_answered_there() {
    let mut host = Host::new();
    let bob = chappe::loopback::botapi::Person::private(1002, "Bob");
    host.allowed_users.push(1002);
    let _chappe = host.start();
    let (_gate, held) = at_the_gate(&host);
    let status = host.answer("⏳ Running");
    host.api.say(&bob, "/session default");
    host.answer_in(1002, "What you write now goes to default.");
    host.api.say(&bob, "/stop");
    host.answer_in(1002, "Stopping what runs in default.");
    host.says(USER, status.id, "✗ Stopped");
    drop(held);
}
