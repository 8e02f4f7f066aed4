//! Presses where something else is wrong: chats that hang, and a chappe that was not there.

use chappe::loopback::botapi::{Fault, Person, Trouble};

use crate::host::{Host, USER};

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
        host.wait("a message that hangs", |view| {
            let mut calls = view.calls().iter();
            let is_it = |method: &str| method.starts_with("send") && method.contains("Message");
            calls
                .any(|call| call.params["chat_id"] == chat && is_it(&call.method))
                .then_some(())
        });
    }
    let press = host.press(&host.person(), &request, "Allow once");
    assert_eq!(host.toast(&press), "Allowed");
    host.answer("tool said:");
    assert!(host.file("made").exists());
    // All of this came before the first of the calls that hang was over: none was made a second time.
    for chat in [BOB, EVE] {
        let calls = host.api.calls();
        let answers = calls.iter().filter(|call| {
            let text = call.params.to_string();
            call.params["chat_id"] == chat && text.contains("echo: hello")
        });
        assert_eq!(answers.count(), 1, "{chat}");
        let shown = host.api.messages(chat);
        let arrived = shown.iter().filter(|shown| shown.text.contains("echo:"));
        assert_eq!(arrived.count(), 0, "nothing of it has arrived in {chat}");
    }
    // So that nothing waits for them at the end.
    host.api.clear_faults();
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
