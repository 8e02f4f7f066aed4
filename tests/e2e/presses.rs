//! Presses where something else is wrong: chats that hang, and a chappe that was not there.

use std::fs;

use chappe::loopback::botapi::{Call, Fault, Person, Shown, Trouble, View};

use rusqlite::{Connection, TransactionBehavior};

use crate::groups::{GROUP, NOT_ALLOWED, named};
use crate::host::{Host, USER, until};

const BOB: i64 = 1002;
const EVE: i64 = 1003;

/// The method that answers a press.
const ANSWER: &str = "answerCallbackQuery";

#[test]
fn a_press_is_answered_and_carried_out_while_two_other_chats_hang() {
    let mut host = Host::new();
    host.allowed_users.extend([BOB, EVE]);
    let _chappe = host.start();
    host.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = host.request(USER);
    for chat in [BOB, EVE] {
        host.api.fault(Fault {
            method: "*",
            chat: Some(chat),
            times: u32::MAX,
            what: Trouble::Hang,
        });
        host.api.say(&Person::private(chat, "Somebody"), "hello");
        host.wait("a call that hangs", |view| {
            let mut calls = view.calls().iter();
            let hangs = |call: &Call| call.params["chat_id"] == chat && view.is_held(call);
            calls.any(hangs).then_some(())
        });
    }
    // One for each chat: there is nobody left who could make another one.
    let hanging = |view: &View| {
        let calls = view.calls().iter();
        calls.filter(|call| view.is_held(call)).count()
    };
    let press = host.press(&host.person(), &request, "Allow once");
    let (toast, hang) = host.wait("the answer to the press", |view| {
        let toast = view.toast(&press)?.text.clone();
        Some((toast, hanging(view)))
    });
    assert_eq!(toast, "Allowed");
    assert_eq!(hang, 2, "it was answered before either call was over");
    until("the file", || host.file("made").exists().then_some(()));
    let hang = host.wait("the calls", |view| Some(hanging(view)));
    assert_eq!(hang, 2, "it was carried out before either call was over");
    host.api.clear_faults();
    host.answer("tool said:");
    for chat in [BOB, EVE] {
        host.answer_in(chat, "echo: hello");
    }
}

/// Presses a button that stays, and returns the press's id.
fn press_stop(host: &Host, status: &Shown) -> String {
    host.press(&host.person(), status, "Stop")
}

#[test]
fn a_press_is_answered_while_the_answer_to_another_one_hangs_which_is_tried_again() {
    let host = Host::new();
    let _chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    let status = host.answer("⏳");
    host.api.fault(Fault {
        method: ANSWER,
        chat: None,
        times: 1,
        what: Trouble::Hang,
    });
    let first = press_stop(&host, &status);
    let is_held = |view: &View| view.calls_of(ANSWER).any(|call| view.is_held(call));
    host.wait("an answer that hangs", |view| is_held(view).then_some(()));
    let second = press_stop(&host, &status);
    let hangs = host.wait("the answer to the second press", |view| {
        view.toast(&second).map(|_| is_held(view))
    });
    assert!(hangs, "it did not wait for the first");
    assert_eq!(host.toast(&first), "Stopping");
    drop(held);
}

#[test]
fn an_answer_to_a_press_that_is_lost_with_its_connection_is_given_once_more() {
    for what in [
        Trouble::ResetBefore,
        Trouble::ResetAfter,
        Trouble::Html(502),
    ] {
        let host = Host::new();
        let _chappe = host.start();
        let gate = host.gate();
        host.say(&gate.call());
        let held = gate.reached();
        let status = host.answer("⏳");
        host.api.fault(Fault {
            method: ANSWER,
            chat: None,
            times: 1,
            what: what.clone(),
        });
        let press = press_stop(&host, &status);
        assert_eq!(host.toast(&press), "Stopping", "{what:?}");
        let answers = host.wait("both calls", |view| {
            let all: Vec<_> = view.calls_of(ANSWER).map(|call| call.status).collect();
            (all.len() == 2 && all[1].is_some()).then_some(all)
        });
        assert!(answers[0].is_none_or(|status| status == 502), "{answers:?}");
        drop(held);
    }
}

#[test]
fn while_a_disk_hangs_presses_are_answered_and_what_is_written_is_kept() {
    let mut host = Host::new();
    host.allowed_users.push(BOB);
    // The persona is read at the start; the root and the persona for the first message. The next two looks never end.
    let order = ("CHAPPE_FAIL", "before:disk=hang@4-5".to_owned());
    let _chappe = host.start_with(&[order]);
    host.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = host.request(USER);
    host.say("/new web");
    host.answer("The disk of this host has not answered in time, and nothing was done.");
    let bob = Person::private(BOB, "Bob");
    host.api.say(&bob, "hello");
    let told = host.answer_in(BOB, "The disk of this host has not answered in time");
    assert!(told.text.contains("/sessions/bob-"), "{}", told.text);
    host.answer_in(BOB, "echo: hello");
    let press = host.press(&host.person(), &request, "Allow once");
    assert_eq!(host.toast(&press), "Allowed");
}

#[test]
fn all_that_comes_at_once_waits_no_longer_for_a_disk_than_one() {
    let mut host = Host::new();
    host.allowed_users.extend([BOB, EVE]);
    let trace = host.folder.path().join("trace");
    let people = [USER, BOB, EVE].map(|who| Person::private(who, "Somebody"));
    for person in &people {
        host.api.say(person, "/restore");
    }
    // After the persona, which is read at the start.
    let order = ("CHAPPE_FAIL", "before:disk=hang@2-".to_owned());
    let notes = ("CHAPPE_FAIL_TRACE", trace.display().to_string());
    let _chappe = host.start_with(&[order, notes]);
    for person in &people {
        host.answer_in(
            person.chat,
            "The disk of this host has not answered in time",
        );
    }
    let passed = fs::read_to_string(trace).expect("it was written");
    let looks = passed.lines().filter(|point| *point == "before:look");
    assert_eq!(looks.count(), 1, "the first had all the time that there is");
}

#[test]
fn a_press_that_cannot_be_stored_is_told_so_once_and_carried_out_once_it_can() {
    let host = Host::new();
    let order = ("CHAPPE_FAIL", "before:accept=error@2-4".to_owned());
    let chappe = host.start_with(&[order]);
    host.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = host.request(USER);
    host.delivered();
    let press = host.press(&host.person(), &request, "Allow once");
    assert_eq!(
        host.toast(&press),
        "My disk is full, so nothing was done yet. Telegram keeps your press, and I see to it once I can write again."
    );
    host.answer("tool said:");
    assert!(host.file("made").exists());
    let answers = host.wait("both answers", |view| {
        let texts = view
            .calls_of(ANSWER)
            .map(|call| call.params["text"].clone());
        let texts: Vec<_> = texts.collect();
        (texts.len() > 1).then_some(texts)
    });
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert_eq!(answers[1], "Allowed");
    let complaints = chappe.log();
    let complaints = complaints
        .lines()
        .filter(|line| line.contains("cannot be stored"));
    assert_eq!(complaints.count(), 1, "{}", chappe.log());
}

#[test]
fn presses_are_answered_while_nothing_that_goes_out_can_be_written_down() {
    let host = Host::new();
    // The request is known to stand there, and at some time after it nothing is known any more of what goes out.
    let order = ("CHAPPE_FAIL", "before:delivered=error@6-".to_owned());
    let chappe = host.start_with(&[order]);
    host.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = host.request(USER);
    host.delivered();
    let press = host.press(&host.person(), &request, "Allow once");
    assert_eq!(host.toast(&press), "Allowed");
    let data = &request.buttons[0][0].1;
    let presses = || {
        let again = host.api.press(&host.person(), request.id, data);
        let toast = host.toast(&again);
        assert!(toast.ends_with("Your press changed nothing."), "{toast}");
    };
    let fails = || chappe.log().contains("the store cannot be used");
    until("a store that fails", || {
        presses();
        fails().then_some(())
    });
    // More than are answered at a time.
    (0..4).for_each(|_| presses());
}

#[test]
fn a_press_that_waits_while_chappe_is_not_there_allows_nothing() {
    let host = Host::new();
    let chappe = host.start();
    host.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = host.request(USER);
    host.delivered();
    chappe.crash();
    let press = host.press(&host.person(), &request, "Allow once");
    let _chappe = host.start();
    assert_eq!(
        host.toast(&press),
        "That request is over. Your press changed nothing."
    );
    let expired = "✗ Expired: I was restarted. Nothing was run.";
    host.says(USER, request.id, expired);
    host.answer("tool said:");
    assert!(!host.file("made").exists());
}

#[test]
fn a_press_on_a_button_that_cannot_be_read_any_more_is_answered() {
    let host = Host::new();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    let status = host.answer("⏳");
    host.delivered();
    let database = Connection::open(host.state_dir().join("chappe.db")).expect("it is there");
    database
        .execute(
            "UPDATE status_button SET act = '{\"do\":\"of a later chappe\"}'",
            [],
        )
        .expect("it can be written");
    let press = press_stop(&host, &status);
    assert_eq!(
        host.toast(&press),
        "I can't read what this button was for. Nothing was done."
    );
    drop(held);
    host.answer("✓");
    assert!(chappe.log().contains("cannot be stored and is skipped"));
}

#[test]
fn a_press_that_a_disk_takes_too_long_to_store_is_answered() {
    let host = Host::new();
    // The message is stored, and what follows never is.
    let order = ("CHAPPE_FAIL", "before:accept=hang@2".to_owned());
    let chappe = host.start_with(&[order]);
    host.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = host.request(USER);
    host.delivered();
    let press = host.press(&host.person(), &request, "Allow once");
    assert_eq!(
        host.toast(&press),
        "I am slow just now. Your press waits. If its message stays as it is, press again."
    );
    assert!(!host.file("made").exists());
    // Nothing was confirmed, so Telegram keeps it for when the disk is well: then the process that asked is gone.
    chappe.crash();
    let _chappe = host.start();
    host.says(
        USER,
        request.id,
        "✗ Expired: I was restarted. Nothing was run.",
    );
    host.answer("tool said:");
    assert!(!host.file("made").exists());
}

#[test]
fn presses_that_come_while_the_store_hangs_are_answered_each_once() {
    let mut host = Host::new();
    host.allowed_chats = vec![GROUP];
    let ada = host.person().in_chat(GROUP);
    let eve = Person::private(EVE, "Eve").in_chat(GROUP);
    let order = ("CHAPPE_FAIL", "before:accept=hang@2".to_owned());
    let chappe = host.start_with(&[order]);
    host.api
        .say(&ada, &named(r#"[[tool Bash {"command":"touch made"}]]"#));
    let request = host.request(GROUP);
    host.delivered();
    // From this on nothing can be stored.
    host.api.say(&ada, &named("and another one"));
    let slow = "I am slow just now. Your press waits. If its message stays as it is, press again.";
    let first = host.press(&ada, &request, "Allow once");
    assert_eq!(host.toast(&first), slow);
    let foreign = host.press(&eve, &request, "Deny");
    assert_eq!(host.toast(&foreign), NOT_ALLOWED);
    let second = host.press(&ada, &request, "Deny");
    assert_eq!(host.toast(&second), slow);
    let answers = host.wait("the answers", |view| Some(view.calls_of(ANSWER).count()));
    assert_eq!(answers, 3, "each was answered once");
    assert!(!chappe.log().contains("409"), "nobody is in anybody's way");
    assert!(!host.file("made").exists());
    // Nothing was confirmed, so Telegram keeps it all.
    chappe.crash();
    let chappe = host.start();
    let how = "✗ Expired: I was restarted. Nothing was run.";
    host.says(GROUP, request.id, how);
    host.answer_in(GROUP, "tool said:");
    host.answer_in(GROUP, "echo: and another one");
    assert!(!host.file("made").exists());
    assert!(!chappe.log().contains("409"));
}

#[test]
fn a_press_is_answered_while_another_thread_holds_up_the_store() {
    let host = Host::new();
    // What goes out is written down in the store, which nobody else can use as long as that hangs.
    let order = ("CHAPPE_FAIL", "before:delivered=hang@6".to_owned());
    let chappe = host.start_with(&[order]);
    host.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = host.request(USER);
    host.delivered();
    let hangs = || {
        let log = chappe.log();
        log.contains("a press takes long to be stored")
    };
    let slow = "I am slow just now. Your press waits. If its message stays as it is, press again.";
    let mut said = Vec::new();
    until("a store that hangs", || {
        let press = host.press(&host.person(), &request, "Allow once");
        said.push(host.toast(&press));
        hangs().then_some(())
    });
    assert!(said.contains(&slow.to_owned()), "{said:?}");
    for _ in 0..3 {
        let press = host.press(&host.person(), &request, "Allow once");
        assert_eq!(host.toast(&press), slow);
    }
}

#[test]
fn a_press_that_waited_for_a_slow_store_is_carried_out_and_the_next_one_changes_nothing() {
    let host = Host::new();
    let chappe = host.start();
    host.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = host.request(USER);
    host.delivered();
    let mut database = Connection::open(host.state_dir().join("chappe.db")).expect("it is there");
    let held_up = database
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .expect("nobody writes now");
    let slow = "I am slow just now. Your press waits. If its message stays as it is, press again.";
    for label in ["Allow once", "Deny"] {
        let press = host.press(&host.person(), &request, label);
        assert_eq!(host.toast(&press), slow);
    }
    assert!(!host.file("made").exists());
    drop(held_up);
    host.says(USER, request.id, "✓ Allowed by Ada, ");
    host.answer("tool said:");
    assert!(host.file("made").exists());
    host.say("and now");
    host.answer("echo: and now");
    assert!(!chappe.log().contains("409"), "nobody is in anybody's way");
}

#[test]
fn a_stranger_is_turned_away_also_while_nothing_can_be_stored_and_not_in_each_attempt() {
    let mut host = Host::new();
    host.allowed_chats = vec![GROUP];
    let ada = host.person().in_chat(GROUP);
    let eve = Person::private(EVE, "Eve").in_chat(GROUP);
    let order = ("CHAPPE_FAIL", "before:accept=error@2-7".to_owned());
    let _chappe = host.start_with(&[order]);
    host.api
        .say(&ada, &named(r#"[[tool Bash {"command":"touch made"}]]"#));
    let request = host.request(GROUP);
    host.delivered();
    host.api.say(&ada, &named("and another one"));
    let press = host.press(&eve, &request, "Allow once");
    assert_eq!(host.toast(&press), NOT_ALLOWED);
    let done = host.press(&ada, &request, "Deny");
    assert!(host.toast(&done).starts_with("My disk is full"));
    host.answer_in(GROUP, "echo: and another one");
    host.says(GROUP, request.id, "✗ Denied by Ada, ");
    let told = host.wait("the answers", |view| {
        let told = view.calls_of(ANSWER);
        Some(
            told.filter(|call| call.params["text"] == NOT_ALLOWED)
                .count(),
        )
    });
    assert!(
        told <= 2,
        "once at once, and once when all is stored: {told}"
    );
}
