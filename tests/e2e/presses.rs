//! Presses where something else is wrong: chats that hang, and a chappe that was not there.

use chappe::loopback::botapi::{Call, Fault, Person, Trouble, View};

use crate::host::{Host, USER, until};

const BOB: i64 = 1002;
const EVE: i64 = 1003;

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
