//! Telegram's side fails: floods, lost answers, outages, refusals, conflicts.

use std::time::Duration;

use crate::host::{Host, SOON, USER, until};
use chappe::loopback::botapi::{Call, Fault, Person, Trouble};

const BOB: i64 = 1002;

fn fault(host: &Host, method: &'static str, times: u32, what: Trouble) {
    host.api.fault(Fault {
        method,
        chat: None,
        times,
        what,
    });
}

fn refusal(code: u16, description: &str) -> Trouble {
    Trouble::Answer {
        code,
        description: description.to_owned(),
        parameters: None,
    }
}

fn calls_for(host: &Host, chat: i64) -> Vec<Call> {
    let calls = host.api.calls().into_iter();
    calls
        .filter(|call| call.params["chat_id"] == chat)
        .collect()
}

#[test]
fn a_short_flood_wait_is_kept() {
    let host = Host::new();
    fault(&host, "sendMessage", 1, Trouble::RetryAfter(2));
    let _chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    let calls = calls_for(&host, USER);
    let refused = calls
        .iter()
        .position(|call| call.status == Some(429))
        .unwrap();
    let pause = calls[refused + 1].when - calls[refused].when;
    assert!(pause >= Duration::from_secs(2), "only {pause:?} of silence");
}

#[test]
fn a_long_flood_wait_outlives_a_restart_and_stops_one_chat_only() {
    let mut host = Host::new();
    host.allowed_users.push(BOB);
    fault(&host, "sendMessage", 1, Trouble::RetryAfter(70_000));
    let chappe = host.start();
    host.say("hello");
    host.wait("the refusal", |view| {
        let mut calls = view.calls_of("sendMessage");
        calls.find(|call| call.status == Some(429)).map(drop)
    });
    until("the flood wait to be noted", || {
        let query = format!("SELECT count(*) FROM flood WHERE chat = {USER}");
        (host.count(&query) == 1).then_some(())
    });
    let left = "SELECT until - unixepoch() FROM flood";
    assert!((69_000..=70_001).contains(&host.count(left)));
    assert_eq!(chappe.stop().code(), Some(0));
    let before = calls_for(&host, USER).len();

    let _chappe = host.start();
    host.say("still there?");
    host.api.say(&Person::private(BOB, "Bob"), "and me?");
    host.answer_in(BOB, "echo: and me?");
    until("the answer to be ready", || {
        let ready = format!(
            "SELECT count(*) FROM outbox WHERE chat = {USER} AND lane = 2 AND state = 'waiting'"
        );
        (host.count(&ready) >= 2).then_some(())
    });
    assert_eq!(calls_for(&host, USER).len(), before, "not even a reaction");
}

#[test]
fn an_answer_arrives_however_its_delivery_goes_wrong() {
    let host = Host::new();
    let _chappe = host.start();
    let troubles = [
        (Trouble::Html(502), false),
        (refusal(500, "Internal Server Error: restart"), false),
        (Trouble::ResetBefore, false),
        (Trouble::ResetAfter, true),
        (Trouble::CutBody, true),
    ];
    for (number, (trouble, has_effect)) in troubles.into_iter().enumerate() {
        fault(&host, "sendMessage", 1, trouble.clone());
        let text = format!("number {number}");
        host.say(&text);
        let answer = host.answer(&format!("echo: {text}"));
        assert!(!answer.entities.is_empty(), "as it was meant: {trouble:?}");
        host.delivered();
        let shown = host.texts().into_iter();
        let times = shown.filter(|shown| shown.contains(&text)).count();
        // Only where nobody can know whether it arrived may it stand there twice.
        let most = if has_effect { 2 } else { 1 };
        assert!(
            (1..=most).contains(&times),
            "{times} times after {trouble:?}"
        );
    }
}

#[test]
fn an_outage_is_waited_out() {
    let host = Host::new();
    let chappe = host.start();
    host.say("before");
    host.answer("echo: before");
    host.delivered();
    host.api.go_dark();
    chappe.logs("trying again in 1 s");
    host.say("during");
    host.api.come_back().unwrap();
    host.answer("echo: during");
    host.delivered();
    fault(&host, "getUpdates", 1, Trouble::Html(502));
    host.api.cut();
    host.say("after");
    host.answer("echo: after");
    host.delivered();
    assert_eq!(host.texts().len(), 3);
}

#[test]
fn what_is_stored_is_not_taken_again_although_telegram_never_heard_that_it_is() {
    let host = Host::new();
    let chappe = host.start();
    host.wait("a poll", |view| (view.held_polls() > 0).then_some(()));
    // The poll that is held brings the message; no later one confirms it.
    fault(&host, "getUpdates", u32::MAX, Trouble::ResetBefore);
    host.say("only once");
    host.answer("echo: only once");
    host.delivered();
    chappe.crash();
    assert_eq!(
        host.api.wait(SOON, "", |view| Some(view.waiting_updates())),
        Ok(1)
    );
    host.api.clear_faults();
    let _chappe = host.start();
    host.stored();
    host.say("and this");
    host.answer("echo: and this");
    assert_eq!(host.count("SELECT count(*) FROM inbox"), 2);
}

#[test]
fn a_call_that_hangs_delays_its_own_chat_only() {
    let mut host = Host::new();
    host.allowed_users.push(BOB);
    host.api.fault(Fault {
        method: "sendMessage",
        chat: Some(USER),
        times: 1,
        what: Trouble::Hang,
    });
    let _chappe = host.start();
    host.say("hello");
    host.wait("the call that hangs", |view| {
        view.calls_of("sendMessage").next().map(drop)
    });
    let bob = Person::private(BOB, "Bob");
    for text in ["one", "two", "three"] {
        host.api.say(&bob, text);
        host.answer_in(BOB, &format!("echo: {text}"));
    }
    assert_eq!(host.texts(), Vec::<String>::new());
    host.api.clear_faults();
    host.answer("echo: hello");
}

#[test]
fn what_belongs_to_a_topic_that_is_gone_comes_to_the_chat() {
    let host = Host::new();
    let _chappe = host.start();
    let topic = host.person().in_topic(5);
    let gate = host.gate();
    host.api.say(&topic, &gate.call());
    let held = gate.reached();
    host.delivered();
    host.api.delete_topic(USER, 5);
    drop(held);
    let answer = host.answer("tool said:");
    assert_eq!(answer.topic, None);
}

#[test]
fn what_telegram_does_not_take_formatted_goes_out_plain() {
    let host = Host::new();
    let _chappe = host.start();
    let refused = || refusal(400, "Bad Request: can't parse entities: unsupported");
    fault(&host, "sendMessage", 1, refused());
    host.say("[[text this is **bold** and `code`]]");
    let plain = host.answer("this is bold and code");
    assert_eq!(plain.entities, Vec::<serde_json::Value>::new());
    fault(&host, "sendMessage", 2, refused());
    host.say("[[text **bold** again]]");
    host.answer("A part of the answer could not be shown here.");
    host.say("[[text and **on**]]");
    assert!(!host.answer("and on").entities.is_empty());
    assert_eq!(host.texts().len(), 3);
}

#[test]
fn who_has_blocked_the_bot_is_left_alone_until_they_write_again() {
    let host = Host::new();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    host.delivered();
    fault(&host, "*", u32::MAX, refusal_for_chat());
    drop(held);
    until("the chat to be closed", || {
        (host.count("SELECT count(*) FROM closed_chat") == 1).then_some(())
    });
    assert_eq!(chappe.stop().code(), Some(0));
    let before = calls_for(&host, USER).len();
    host.api.clear_faults();
    let _chappe = host.start();
    host.wait("the bot to listen again", |view| {
        (view.held_polls() > 0).then_some(())
    });
    assert_eq!(
        calls_for(&host, USER).len(),
        before,
        "it is not tried again by itself"
    );
    host.say("here I am again");
    let first = host.answer("tool said:");
    let second = host.answer("echo: here I am again");
    assert!(first.id < second.id);
}

fn refusal_for_chat() -> Trouble {
    refusal(403, "Forbidden: bot was blocked by the user")
}

#[test]
fn another_poller_is_waited_for_and_a_refusal_ends_chappe() {
    let host = Host::new();
    fault(
        &host,
        "getUpdates",
        1,
        refusal(
            409,
            "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
        ),
    );
    let chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    host.delivered();

    host.api.set_webhook("https://example.org/hook");
    let end = chappe.end();
    assert_eq!(end.code, Some(69), "{}", end.stderr);
    assert!(end.stderr.contains("/deleteWebhook"), "{}", end.stderr);
    host.api.set_webhook("");

    fault(&host, "getUpdates", 1, refusal(401, "Unauthorized"));
    let end = host.start().end();
    assert_eq!(end.code, Some(69), "{}", end.stderr);
    assert!(
        end.stderr.contains("does not know this token"),
        "{}",
        end.stderr
    );

    let chappe = host.start();
    fault(&host, "sendMessage", 1, refusal(401, "Unauthorized"));
    host.say("kept");
    let end = chappe.end();
    assert_eq!(end.code, Some(69), "{}", end.stderr);
    let _chappe = host.start();
    host.answer("echo: kept");
}
