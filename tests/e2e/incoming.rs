//! What comes in: from strangers, broken, of odd kinds, as commands, from several people and topics.

use crate::host::{Host, USER};
use chappe::loopback::botapi::Person;
use serde_json::json;

const BOB: i64 = 1002;
const STRANGER: i64 = 666;
const GROUP: i64 = -100_200;

#[test]
fn a_stranger_gets_nothing_and_leaves_nothing() {
    let host = Host::new();
    let eve = Person::private(STRANGER, "Eve");
    let theirs = host.api.say(&eve, "let me in");
    host.api.say(&eve, "/start");
    host.api.edit(&eve, theirs, "please");
    host.api.press(&eve, theirs, "allow:x");
    host.api.send_photo(&eve, b"a picture", "look");
    host.api.say(&host.person().in_chat(GROUP), "in a group");
    let channel = json!({"id": USER, "type": "private"});
    host.api.push(
        json!({"message": {"chat": channel, "sender_chat": {"id": -1}, "from": {"id": USER},
        "text": "as a channel"}}),
    );
    let _chappe = host.start();
    host.stored();
    assert!(
        host.api
            .wait(crate::host::SOON, "", |view| Some(view.confirmed()))
            .unwrap()
            > 0
    );

    host.say("hello");
    host.answer("echo: hello");
    host.delivered();
    for table in ["inbox", "outbox", "prompt", "session"] {
        let rows = host.count(&format!("SELECT count(*) FROM {table}"));
        let own = match table {
            "session" => rows,
            _ => host.count(&format!("SELECT count(*) FROM {table} WHERE chat = {USER}")),
        };
        assert_eq!(rows, own, "{table}");
    }
    assert_eq!(host.count("SELECT count(*) FROM inbox"), 1);
    assert_eq!(host.count("SELECT count(*) FROM session"), 1);
    for call in host.api.calls() {
        let chat = call.params["chat_id"].as_i64();
        assert!(chat.is_none_or(|chat| chat == USER), "{call:?}");
        assert_ne!(call.method, "answerCallbackQuery");
    }
}

#[test]
fn what_cannot_be_read_does_not_hold_up_the_rest() {
    let host = Host::new();
    // All in one answer of getUpdates.
    host.say("first");
    host.api.push_text(r#"{"update_id":@id}"#);
    host.api.push_text(r#"{"update_id":@id,"message":42}"#);
    host.api
        .push_text(r#"{"update_id":@id,"message":{"chat":{"id":"x"},"text":[]}}"#);
    host.api
        .push_text(r#"{"update_id":@id,"message_from_the_future":{"deep":[[[{}]]]}}"#);
    host.api
        .push_text(r#"{"message":{"text":"nobody can confirm this"}}"#);
    host.api.push_text(r#""not even an object""#);
    host.api
        .push_text(r#"{"update_id":@id,"callback_query":{"id":"7"}}"#);
    host.say("last");
    let chappe = host.start();
    host.answer("echo: first\nlast");
    host.stored();
    assert_eq!(host.texts().len(), 1);
    assert!(!chappe.log().contains("nobody can confirm"));
}

#[test]
fn what_cannot_be_taken_is_told_in_a_line() {
    let host = Host::new();
    let _chappe = host.start();
    let ada = host.person();
    host.api.send_photo(&ada, b"a picture", "look at this");
    host.answer("I can't take a photo yet");
    host.api.send_voice(&ada, b"a voice", 3);
    host.answer("I can't take a voice message yet");
    host.api.send_document(&ada, "a.txt", b"a file", "");
    host.answer("I can't take a file yet");
    host.api.write(&ada, json!({"sticker": {"emoji": "👍"}}));
    host.answer("I can't take a sticker yet");
    host.api
        .write(&ada, json!({"teleport": {"to": "the moon"}}));
    host.answer("I can't take a kind of message that I do not know yet");
    host.api
        .write(&ada, json!({"pinned_message": {"message_id": 1}}));
    host.stored();
    host.delivered();
    assert_eq!(
        host.texts().len(),
        5,
        "a pin is nobody's question: {:?}",
        host.texts()
    );
    assert_eq!(
        host.count("SELECT count(*) FROM session"),
        0,
        "Claude has not heard of it"
    );
}

#[test]
fn commands_go_where_they_belong() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("/start");
    host.answer("You are in. This is Claude Code on");
    host.say("/help@loopback_bot");
    host.answer("Claude's other commands go to Claude");
    assert_eq!(
        host.count("SELECT count(*) FROM session"),
        0,
        "Claude has not heard of it"
    );
    host.say("/home/ada is full");
    host.answer("echo: /home/ada is full");
    host.say("//frobnicate it");
    host.answer("echo: /frobnicate it");
    host.say("/context");
    host.answer("Context Usage");
    host.say("[[remember]]");
    // With a space before it the old CLI does not take it for a command.
    host.answer(r#"texts=[" /home/ada is full", "/frobnicate it"]"#);
}

#[test]
fn each_person_and_each_topic_has_a_session_of_its_own() {
    let mut host = Host::new();
    host.allowed_users.push(BOB);
    let _chappe = host.start();
    let (ada, bob) = (host.person(), Person::private(BOB, "Bob"));
    let topic = ada.in_topic(5);
    host.say("I am Ada");
    host.answer("echo: I am Ada");
    host.api.say(&bob, "I am Bob");
    host.answer_in(BOB, "echo: I am Bob");
    host.api.say(&topic, "I am in a topic");
    let in_topic = host.answer("echo: I am in a topic");
    assert_eq!(in_topic.topic, Some(5));
    for (who, remembered) in [
        (&ada, "I am Ada"),
        (&bob, "I am Bob"),
        (&topic, "I am in a topic"),
    ] {
        host.api.say(who, "[[remember]]");
        let answer = host.answer_in(
            who.chat,
            &format!(r#"remember turns=1 texts=["{remembered}"]"#),
        );
        assert_eq!(answer.topic, who.topic);
    }
    for name in ["default", "bob", "ada-topic-5"] {
        assert!(host.sessions_root().join(name).is_dir(), "{name}");
    }
}

#[test]
fn who_may_not_speak_any_more_gets_nothing_done_even_in_the_middle_of_a_turn() {
    let mut host = Host::new();
    host.allowed_users.push(BOB);
    host.sessions = "stop_grace = \"1s\"\nshutdown_grace = \"0s\"\n".to_owned();
    let bob = Person::private(BOB, "Bob");
    let chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    let gate = host.gate_in("bob");
    host.api.say(&bob, &gate.call());
    let held = gate.reached();
    host.api.say(&bob, "and this");
    host.stored();
    assert_eq!(chappe.stop().code(), Some(0));
    drop(held);
    let of_bob = |host: &Host| {
        host.api
            .messages(BOB)
            .iter()
            .filter(|one| one.from_bot)
            .count()
    };
    let before = of_bob(&host);
    host.allowed_users.retain(|user| *user != BOB);
    let _chappe = host.start();
    host.api.say(&bob, "am I there");
    host.say("again");
    host.answer("echo: again");
    host.stored();
    host.delivered();
    assert_eq!(
        of_bob(&host),
        before,
        "nothing is said to who may not speak"
    );
    assert_eq!(
        host.count("SELECT count(*) FROM prompt WHERE state != 'closed'"),
        0
    );
    assert_eq!(
        host.count("SELECT count(*) FROM inbox WHERE state = 'waiting'"),
        0
    );
    assert_eq!(host.claudes().len(), 1, "nothing of theirs runs");
}
