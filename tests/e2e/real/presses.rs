//! Presses where something else is wrong: a disk that hangs, chats that hang, a button that cannot be read.

use rusqlite::{Connection, TransactionBehavior};

use chappe::loopback::botapi::{Call, Fault, Person, Trouble, View};

use super::{Stage, until};
use crate::host::USER;

const CALL: &str = r#"[[tool Bash {"command":"touch made"}]]"#;

#[test]
fn a_press_that_a_disk_takes_too_long_to_store_is_answered_and_allows_nothing() {
    let test = "a_press_that_a_disk_takes_too_long_to_store_is_answered_and_allows_nothing";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    // The message is stored, and what follows never is.
    let order = ("CHAPPE_FAIL", "before:accept=hang@2".to_owned());
    let chappe = stage.host.start_with(&[order]);
    stage.say(CALL);
    let request = stage.host.request(USER);
    stage.host.delivered();
    let ada = stage.host.person();
    let press = stage.host.press(&ada, &request, "Allow once");
    assert_eq!(
        stage.host.toast(&press),
        "I am slow just now. Your press waits. If its message stays as it is, press again."
    );
    assert!(!stage.folder().join("made").exists());
    // Nothing was confirmed, so Telegram keeps it for when the disk is well: then the process that asked is gone.
    chappe.crash();
    let _chappe = stage.host.start();
    stage.host.says(
        USER,
        request.id,
        "✗ Expired: I was restarted. Nothing was run.",
    );
    let again = stage.host.answer_after(request.id, "touch made");
    assert!(!stage.folder().join("made").exists());
    stage.host.press(&ada, &again, "Deny");
    stage.host.answer("tool said:");
    assert!(!stage.folder().join("made").exists());
}

#[test]
fn a_press_is_answered_and_carried_out_while_two_other_chats_hang() {
    let test = "a_press_is_answered_and_carried_out_while_two_other_chats_hang";
    const OTHERS: [i64; 2] = [1002, 1003];
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.host.allowed_users.extend(OTHERS);
    let _chappe = stage.host.start();
    stage.say(CALL);
    let request = stage.host.request(USER);
    for chat in OTHERS {
        stage.host.api.fault(Fault {
            method: "*",
            chat: Some(chat),
            times: u32::MAX,
            what: Trouble::Hang,
        });
        let somebody = Person::private(chat, "Somebody");
        stage.host.api.say(&somebody, "hello");
        stage.host.wait("a call that hangs", |view| {
            let mut calls = view.calls().iter();
            let hangs = |call: &Call| call.params["chat_id"] == chat && view.is_held(call);
            calls.any(hangs).then_some(())
        });
    }
    let hanging = |view: &View| {
        view.calls()
            .iter()
            .filter(|call| view.is_held(call))
            .count()
    };
    let ada = stage.host.person();
    let press = stage.host.press(&ada, &request, "Allow once");
    let (toast, hang) = stage.host.wait("the answer to the press", |view| {
        let toast = view.toast(&press)?.text.clone();
        Some((toast, hanging(view)))
    });
    assert_eq!((toast.as_str(), hang), ("Allowed", 2));
    until("the file", || {
        stage.folder().join("made").exists().then_some(())
    });
    stage.host.api.clear_faults();
    stage.host.answer("tool said:");
}

#[test]
fn a_button_of_a_later_chappe_is_answered_and_does_nothing() {
    let test = "a_button_of_a_later_chappe_is_answered_and_does_nothing";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.allow_all();
    let chappe = stage.host.start();
    let gate = stage.gate("gate");
    stage.say(r#"[[tool Bash {"command":"cat gate"}]]"#);
    let held = gate.reached();
    stage.status("Running");
    let (status, data) = stage.button("⏳", "Stop");
    stage.host.delivered();
    let database = Connection::open(stage.host.state_dir().join("chappe.db")).expect("it is there");
    let later = "UPDATE status_button SET act = '{\"do\":\"of a later chappe\"}'";
    database.execute(later, []).expect("it can be written");
    let press = stage.host.api.press(&stage.host.person(), status, &data);
    assert_eq!(
        stage.host.toast(&press),
        "I can't read what this button was for. Nothing was done."
    );
    drop(held);
    stage.host.answer("tool said:");
    assert!(chappe.log().contains("cannot be stored and is skipped"));
}

#[test]
fn what_is_pressed_while_the_disk_is_slow_is_answered_and_the_first_of_it_counts() {
    let test = "what_is_pressed_while_the_disk_is_slow_is_answered_and_the_first_of_it_counts";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let chappe = stage.host.start();
    stage.say(CALL);
    let request = stage.host.request(USER);
    stage.host.delivered();
    let database = stage.host.state_dir().join("chappe.db");
    let mut database = Connection::open(database).expect("it is there");
    let held_up = database
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .expect("nobody writes now");
    let ada = stage.host.person();
    for label in ["Deny", "Allow once"] {
        let press = stage.host.press(&ada, &request, label);
        assert_eq!(
            stage.host.toast(&press),
            "I am slow just now. Your press waits. If its message stays as it is, press again."
        );
    }
    drop(held_up);
    stage.host.says(USER, request.id, "✗ Denied by Ada, ");
    stage.host.answer("tool said: The user denied this.");
    stage.ask("and now", "echo: and now");
    assert!(!stage.folder().join("made").exists());
    assert!(!chappe.log().contains("409"), "nobody is in anybody's way");
}

#[test]
fn a_press_is_answered_and_carried_out_though_its_answer_goes_over_a_dead_connection_first() {
    let test =
        "a_press_is_answered_and_carried_out_though_its_answer_goes_over_a_dead_connection_first";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say(CALL);
    let request = stage.host.request(USER);
    stage.host.delivered();
    // It is taken, and nobody ever hears of it.
    stage.host.api.fault(Fault {
        method: "answerCallbackQuery",
        chat: None,
        times: 1,
        what: Trouble::Hang,
    });
    let press = stage
        .host
        .press(&stage.host.person(), &request, "Allow once");
    assert_eq!(stage.host.toast(&press), "Allowed");
    stage.host.answer("tool said:");
    assert!(stage.folder().join("made").exists());
}
