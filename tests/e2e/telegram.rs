//! Telegram's side fails: floods, lost answers, outages, refusals, conflicts. Chats and topics close, open and move.

use std::time::Duration;

use crate::host::{Host, SOON, USER, until};
use chappe::loopback::botapi::{Call, Fault, Person, Shown, Trouble};
use rusqlite::Connection;
use serde_json::{Value, json};

const BOB: i64 = 1002;
const GROUP: i64 = -500;
const SUPERGROUP: i64 = -1_000_000_000_500;

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
fn three_floods_within_ten_seconds_stop_all_chats() {
    let mut host = Host::new();
    let people: Vec<Person> = (1..=4)
        .map(|number| Person::private(2000 + number, "Eve"))
        .collect();
    host.allowed_users = people.iter().map(|person| person.user).collect();
    host.telegram = "reactions = false\n".to_owned();
    let (flooded, spared) = people.split_at(3);
    for person in flooded {
        host.api.fault(Fault {
            method: "sendMessage",
            chat: Some(person.chat),
            times: 1,
            what: Trouble::RetryAfter(5),
        });
    }
    let _chappe = host.start();
    for person in flooded {
        host.api.say(person, "hello");
    }
    host.stored();
    until("the wait for all", || {
        (host.count("SELECT count(*) FROM flood WHERE chat = 0") == 1).then_some(())
    });
    host.api.say(&spared[0], "hello");
    for person in &people {
        host.answer_in(person.chat, "echo: hello");
    }
    let third = host.api.calls().into_iter();
    let third = third
        .filter(|call| call.status == Some(429))
        .nth(2)
        .unwrap();
    let first = calls_for(&host, spared[0].chat).remove(0);
    let pause = first.when - third.when;
    assert!(pause >= Duration::from_secs(5), "only {pause:?} of silence");
}

#[test]
fn through_every_outage_an_answer_comes_whole_and_in_order() {
    let host = Host::new();
    let lines: Vec<String> = (0..400)
        .map(|line| format!("line {line} {}", "x".repeat(40)))
        .collect();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&format!("{} [[text {}]]", gate.call(), lines.join("\n")));
    let held = gate.reached();
    host.delivered();
    fault(&host, "sendMessage", 1, Trouble::Html(502));
    fault(&host, "sendMessage", 1, Trouble::ResetBefore);
    fault(&host, "sendMessage", 1, Trouble::RetryAfter(1));
    let before = host.texts().len();
    drop(held);
    host.answer("line 0 ");
    // Refused connections, in the middle of the answer.
    host.api.go_dark();
    chappe.logs("Telegram was not reached: connection refused");
    host.api.come_back().unwrap();
    // A call that hangs.
    fault(&host, "sendMessage", 1, Trouble::Hang);
    host.wait("the call that hangs", |view| {
        (view.faults_left() == 0).then_some(())
    });
    host.api.clear_faults();
    host.answer("line 399 ");
    host.delivered();
    let mut said = host.texts().split_off(before);
    // A call that was cut by the dark may have had its effect.
    said.dedup();
    assert!(said.len() >= 5, "{} parts", said.len());
    assert_eq!(said.join("\n"), lines.join("\n"));
}

#[test]
fn what_belongs_to_a_topic_that_is_gone_comes_to_the_chat_with_its_name() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("first");
    host.answer("echo: first");
    let topic = host.person().in_topic(5);
    let gate = host.gate_in("ada-topic-5");
    host.api.say(&topic, &gate.call());
    let held = gate.reached();
    host.delivered();
    host.api.delete_topic(USER, 5);
    drop(held);
    let answer = host.answer("tool said:");
    assert_eq!(answer.topic, None);
    assert!(answer.text.starts_with("ada-topic-5:\n"), "{}", answer.text);
    assert_eq!(
        host.count("SELECT count(*) FROM binding WHERE topic = 5"),
        0
    );
    host.say("[[text and here]]");
    assert_eq!(host.answer("and here").text, "and here");
}

#[test]
fn what_belongs_to_a_closed_topic_comes_to_the_chat_until_it_is_opened() {
    let host = Host::new();
    let _chappe = host.start();
    let topic = host.person().in_topic(5);
    let gate = host.gate();
    host.api.say(&topic, &gate.call());
    let held = gate.reached();
    host.delivered();
    host.api.close_topic(USER, 5);
    drop(held);
    let answer = host.answer("tool said:");
    assert_eq!(answer.topic, None);
    assert!(answer.text.starts_with("default:\n"), "{}", answer.text);
    host.delivered();
    host.api.reopen_topic(USER, 5);
    host.api.say(&topic, "[[remember]]");
    let answer = host.answer("remember turns=1");
    assert_eq!(answer.topic, Some(5), "{}", answer.text);
}

/// Waits for the file on the bot's newest message; returns its message and its text.
fn file(host: &Host) -> (Shown, String) {
    host.wait("a file", |view| {
        let shown = view.from_bot(USER).next_back()?;
        let text = view.file_text(shown)?;
        Some((shown.clone(), text.to_owned()))
    })
}

#[test]
fn what_telegram_does_not_take_goes_out_plain_then_as_a_file_and_then_in_a_line() {
    let host = Host::new();
    let _chappe = host.start();
    let refused = || refusal(400, "Bad Request: can't parse entities: unsupported");
    fault(&host, "sendMessage", 1, refused());
    host.say("[[text this is **bold** and [here](https://example.org/)]]");
    let plain = host.answer("this is bold and here (https://example.org/)");
    assert_eq!(plain.entities, Vec::<Value>::new());

    fault(&host, "sendMessage", 2, refused());
    host.say("[[text **bold** æ 😀]]");
    let (shown, text) = file(&host);
    let attachment = shown.attachment.unwrap();
    assert_eq!(
        (attachment.kind, attachment.file_name.as_str()),
        ("document", "answer.md")
    );
    assert_eq!(text, "bold æ 😀");
    assert_eq!(shown.text, "This part of the answer comes as a file.");

    fault(&host, "sendMessage", 2, refused());
    fault(
        &host,
        "sendDocument",
        1,
        refusal(413, "Request Entity Too Large"),
    );
    host.say("[[text **never** shown]]");
    host.answer("A part of the answer could not be shown here.");

    fault(&host, "sendMessage", 2, refused());
    fault(&host, "sendDocument", 1, refused());
    fault(&host, "sendMessage", 1, refused());
    host.say("[[text **not even** a line]]");
    until("the last rung", || {
        (host.count("SELECT count(*) FROM outbox WHERE state = 'refused'") == 1).then_some(())
    });
    host.say("[[text and **on**]]");
    assert!(!host.answer("and on").entities.is_empty());
    host.delivered();
    assert_eq!(host.texts().len(), 4, "{:?}", host.texts());
}

#[test]
fn a_file_outlives_what_may_happen_to_its_upload() {
    let host = Host::new();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&format!("{} [[text **kept**]]", gate.call()));
    let held = gate.reached();
    host.delivered();
    fault(&host, "sendMessage", 2, refusal(400, "Bad Request: odd"));
    fault(&host, "sendDocument", 1, Trouble::ResetBefore);
    fault(&host, "sendDocument", 1, Trouble::RetryAfter(1));
    fault(&host, "sendDocument", 1, Trouble::Hang);
    drop(held);
    host.wait("three uploads", |view| {
        (view.calls_of("sendDocument").count() == 3).then_some(())
    });
    chappe.crash();
    host.api.clear_faults();
    let _chappe = host.start();
    let (_, text) = file(&host);
    assert_eq!(text, "kept");
}

#[test]
fn what_telegram_finds_too_long_goes_in_halves_and_in_order() {
    let host = Host::new();
    let _chappe = host.start();
    let lines: Vec<String> = (0..60)
        .map(|line| format!("**line** {line} of many more"))
        .collect();
    fault(
        &host,
        "sendMessage",
        1,
        refusal(400, "Bad Request: MESSAGE_TOO_LONG"),
    );
    fault(
        &host,
        "sendMessage",
        1,
        refusal(400, "Bad Request: message is too long"),
    );
    host.say(&format!("[[text {}]]", lines.join("\n")));
    host.answer("line 59 of");
    host.delivered();
    let said: Vec<Shown> = host.api.messages(USER);
    let said: Vec<&Shown> = said.iter().filter(|shown| shown.from_bot).collect();
    let parts: Vec<usize> = said
        .iter()
        .map(|shown| shown.text.lines().count())
        .collect();
    assert!(parts.len() >= 3 && parts[0] <= 15, "{parts:?}");
    let whole: Vec<&str> = said.iter().map(|shown| shown.text.as_str()).collect();
    assert_eq!(whole.join("\n"), lines.join("\n").replace("**", ""));
    assert!(
        said.iter()
            .all(|shown| shown.entities.len() == shown.text.lines().count())
    );
}

#[test]
fn a_request_that_is_too_long_has_its_buttons_below_its_end() {
    let host = Host::new();
    let _chappe = host.start();
    let command = format!("touch made # {}", "word ".repeat(300).trim_end());
    fault(
        &host,
        "sendMessage",
        1,
        refusal(400, "Bad Request: message is too long"),
    );
    host.say(&format!(r#"[[tool Bash {{"command":"{command}"}}]]"#));
    let request = host.request(USER);
    let shown = host.api.messages(USER);
    let first = shown.iter().find(|shown| shown.from_bot).unwrap();
    assert!(first.id < request.id && first.text.contains("touch made"));
    assert!(first.buttons.is_empty());
    host.press(&host.person(), &request, "Allow once");
    host.says(USER, request.id, "✓ Allowed by Ada");
    host.answer("tool said:");
    assert!(host.file("made").exists());
}

#[test]
fn what_can_be_shown_nowhere_is_dropped_and_what_follows_goes_on() {
    let host = Host::new();
    let chappe = host.start();
    // The second one is what a closed General says: there is no other place to go to.
    for description in [
        "Bad Request: message text is empty",
        "Bad Request: TOPIC_CLOSED",
    ] {
        fault(&host, "sendMessage", 1, refusal(400, description));
        host.say("[[text nothing to see]]");
        chappe.logs(description);
        host.delivered();
    }
    host.say("[[text next]]");
    host.answer("next");
    assert_eq!(host.texts(), ["next"]);
}

#[test]
fn a_message_that_was_taken_and_deleted_is_not_sent_again() {
    let host = Host::new();
    let _chappe = host.start();
    let deleted =
        "Internal Server Error: sent message was immediately deleted and can't be returned";
    fault(&host, "sendMessage", 1, refusal(500, deleted));
    host.say("[[text gone at once]]");
    host.wait("the one call", |view| {
        let mut calls = view.calls_of("sendMessage");
        calls.find(|call| call.status == Some(500)).map(drop)
    });
    host.delivered();
    host.say("[[text next]]");
    host.answer("next");
    assert_eq!(host.texts(), ["next"]);
}

#[test]
fn what_was_decided_is_told_although_the_request_was_deleted() {
    let host = Host::new();
    let _chappe = host.start();
    host.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = host.request(USER);
    host.delivered();
    host.api.delete_message(USER, request.id);
    host.press(&host.person(), &request, "Allow once");
    let told = host.answer("✓ Allowed by Ada");
    assert!(told.silent && told.text.contains("touch made"));
    host.answer("tool said:");
}

#[test]
fn a_chat_that_takes_no_reactions_is_sent_none() {
    let host = Host::new();
    let _chappe = host.start();
    fault(
        &host,
        "setMessageReaction",
        1,
        refusal(400, "Bad Request: REACTION_INVALID"),
    );
    for text in ["one", "two", "three"] {
        host.say(text);
        host.answer(&format!("echo: {text}"));
    }
    host.delivered();
    let calls = calls_for(&host, USER).into_iter();
    let reactions = calls.filter(|call| call.method == "setMessageReaction");
    assert_eq!(reactions.count(), 1);
}

#[test]
fn who_blocks_the_bot_gets_what_waited_when_they_take_the_block_back() {
    let host = Host::new();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&format!("{} [[text 1]]", gate.call()));
    let held = gate.reached();
    host.say("[[text 2]]");
    host.stored();
    host.delivered();
    host.api.block(&host.person());
    let before = calls_for(&host, USER).len();
    drop(held);
    until("both answers", || {
        let waiting = "SELECT count(*) FROM outbox WHERE state = 'waiting' AND key LIKE '%/0'";
        (host.count(waiting) == 2).then_some(())
    });
    assert_eq!(chappe.stop().code(), Some(0));
    let _chappe = host.start();
    host.wait("the bot to listen again", |view| {
        (view.held_polls() > 0).then_some(())
    });
    let typing = |call: &Call| call.method == "sendChatAction";
    let calls = calls_for(&host, USER).split_off(before);
    assert!(
        calls.iter().all(typing),
        "it was told before it tried: {calls:?}"
    );
    host.api.unblock(&host.person());
    host.answer("2");
    assert_eq!(host.texts(), ["1", "2"]);
}

/// Makes the conversation that goes on one of a group: groups cannot write yet.
fn move_to_group(host: &Host) {
    let database = Connection::open(host.state_dir().join("chappe.db")).unwrap();
    database.busy_timeout(SOON).unwrap();
    for table in ["binding", "inbox", "prompt", "outbox"] {
        let sql = format!("UPDATE {table} SET chat = {GROUP}");
        database.execute(&sql, []).unwrap();
    }
}

fn rows_of_group(host: &Host) -> i64 {
    let tables = [
        "binding",
        "inbox",
        "prompt",
        "outbox",
        "flood",
        "closed_chat",
    ];
    let rows = tables.map(|table| {
        host.count(&format!(
            "SELECT count(*) FROM {table} WHERE chat = {GROUP}"
        ))
    });
    rows.into_iter().sum()
}

#[test]
fn a_refusal_takes_a_group_to_the_supergroup_that_it_has_become() {
    let mut host = Host::new();
    host.allowed_chats = vec![GROUP];
    let _chappe = host.start();
    let gate = host.gate();
    host.say(&format!("{} [[text first]]", gate.call()));
    let held = gate.reached();
    host.delivered();
    move_to_group(&host);
    host.api.upgrade_group(GROUP, SUPERGROUP);
    drop(held);
    host.answer_in(SUPERGROUP, "first");
    host.delivered();
    assert_eq!(rows_of_group(&host), 0);
    let bound = format!("SELECT count(*) FROM binding WHERE chat = {SUPERGROUP}");
    assert_eq!(host.count(&bound), 1);
    assert_eq!(host.texts_in(SUPERGROUP), ["first"]);
    assert_eq!(calls_for(&host, GROUP).len(), 1, "one refusal is enough");
}

#[test]
fn a_service_message_takes_a_group_along_before_anything_is_refused() {
    for from_old in [true, false] {
        let mut host = Host::new();
        host.allowed_chats = vec![GROUP];
        let _chappe = host.start();
        host.say(r#"[[tool Bash {"command":"touch made"}]]"#);
        let request = host.request(USER);
        host.delivered();
        move_to_group(&host);
        host.api.upgrade_group(GROUP, SUPERGROUP);
        let bot = json!({"id": 1, "first_name": "Group"});
        let old = json!({"message_id": 90, "from": bot, "chat": {"id": GROUP, "type": "group"},
            "date": 1, "migrate_to_chat_id": SUPERGROUP});
        let new = json!({"message_id": 1, "from": bot, "chat": {"id": SUPERGROUP, "type": "supergroup"},
            "date": 1, "migrate_from_chat_id": GROUP});
        let (first, second) = if from_old { (old, new) } else { (new, old) };
        host.api.push(json!({"message": first}));
        let moved = host.wait("the request in the supergroup", |view| {
            let mut shown = view.from_bot(SUPERGROUP);
            shown.find(|shown| !shown.buttons.is_empty()).cloned()
        });
        assert_eq!(moved.text, request.text);
        host.api.push(json!({"message": second}));
        host.stored();
        let ada = host.person().in_chat(SUPERGROUP);
        let press = host.press(&ada, &moved, "Allow once");
        assert_eq!(host.toast(&press), "Allowed");
        host.says(SUPERGROUP, moved.id, "✓ Allowed by Ada");
        host.answer_in(SUPERGROUP, "tool said:");
        host.delivered();
        assert_eq!(rows_of_group(&host), 0);
        let calls = calls_for(&host, GROUP);
        assert!(calls.is_empty(), "{calls:?}");
    }
}

#[test]
fn what_only_a_person_can_mend_ends_chappe_with_the_cure() {
    for (code, description, cure) in [
        (
            400,
            "Bad Request: Logged out",
            "api_url to the server that has it now",
        ),
        (406, "Not Acceptable: FROZEN_METHOD_INVALID", "frozen"),
        (421, "Misdirected Request", "do not belong there"),
    ] {
        let host = Host::new();
        let chappe = host.start();
        fault(&host, "sendMessage", 1, refusal(code, description));
        host.say("kept");
        let end = chappe.end();
        assert_eq!(end.code, Some(69), "{}", end.stderr);
        assert!(end.stderr.contains(cure), "{}", end.stderr);
        let _chappe = host.start();
        host.answer("echo: kept");
    }
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

#[test]
fn another_poller_that_stays_ends_chappe_and_costs_no_answer() {
    let host = Host::new();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    let conflict = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
    fault(&host, "getUpdates", 100, refusal(409, conflict));
    // It comes with the poll in flight, and no further one follows.
    host.say("last");
    chappe.logs("Conflict: terminated by other getUpdates request");
    host.say("in between");
    drop(held);
    host.answer("tool said: ");
    host.answer("echo: last");
    for wait in [10, 20, 30] {
        chappe.logs(&format!("trying again in {wait} s"));
    }
    let end = chappe.end();
    assert_eq!(end.code, Some(75), "{}", end.stderr);
    assert!(
        end.stderr.contains("another program asks Telegram"),
        "{}",
        end.stderr
    );
    host.api.clear_faults();
    let _chappe = host.start();
    host.answer("echo: in between");
}
