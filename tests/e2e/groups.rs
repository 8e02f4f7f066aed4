//! Groups: who is heard there, of what, and who decides.

use std::fmt::Write as _;

use chappe::loopback::botapi::Person;
use rusqlite::Connection;
use serde_json::json;

use crate::host::{BOT_NAME, Host, SOON, USER, until};

pub const GROUP: i64 = -100_200;
pub const OTHER_GROUP: i64 = -100_300;
const STRANGER: i64 = 666;

pub const NOT_ALLOWED: &str = "You may not use this. Nothing was done.";

/// A host that serves one group, with the one who may speak there, and one who may not.
fn host() -> (Host, Person, Person) {
    let mut host = Host::new();
    host.allowed_chats = vec![GROUP];
    let ada = host.person().in_chat(GROUP);
    let eve = Person::private(STRANGER, "Eve").in_chat(GROUP);
    (host, ada, eve)
}

/// What is said to the bot by its name.
pub fn named(text: &str) -> String {
    format!("@{BOT_NAME} {text}")
}

/// How many rows there are of what grows with what comes in.
pub fn rows(host: &Host) -> String {
    let mut rows = String::new();
    for table in ["inbox", "outbox", "prompt", "session", "binding", "button"] {
        let count = host.count(&format!("SELECT count(*) FROM {table}"));
        let _ = write!(rows, "{table} {count} ");
    }
    rows
}

/// The calls that the group has seen, answers to presses aside.
pub fn calls(host: &Host) -> usize {
    let calls = host.api.calls();
    let of_group = |chat: Option<i64>| chat.is_some_and(|chat| chat < 0);
    let calls = calls.iter();
    calls
        .filter(|call| of_group(call.params["chat_id"].as_i64()))
        .count()
}

#[test]
fn who_may_speak_is_answered_where_the_bot_is_meant() {
    let (host, ada, _) = host();
    let _chappe = host.start();
    let said = host.api.say(&ada, &named("hello"));
    let answer = host.answer_in(GROUP, "echo: hello");
    assert_eq!(answer.reply_to, Some(said), "others write there as well");
    host.wait("the sign that it was stored", |view| {
        let mut shown = view.messages(GROUP);
        shown
            .find(|shown| shown.id == said && shown.reaction.is_some())
            .map(drop)
    });
    host.api.reply(&ada, answer.id, "and a reply");
    host.answer_in(GROUP, "echo: and a reply");
    host.api.say(&ada, &format!("/status@{BOT_NAME}"));
    host.answer_in(GROUP, "session");
    host.api.say(&ada, &format!("what of this, @{BOT_NAME}?"));
    host.answer_in(GROUP, &format!("echo: what of this, @{BOT_NAME}?"));
    host.api.say(&ada, &named("[[remember]]"));
    host.answer_in(GROUP, "remember turns=3");
    assert_eq!(
        host.texts(),
        Vec::<String>::new(),
        "nothing of it is private"
    );
}

#[test]
fn what_is_asked_elsewhere_is_not_told_in_a_group() {
    let (host, ada, _) = host();
    let _chappe = host.start();
    host.say(r#"[[tool Bash {"command":"touch secret"}]]"#);
    host.request(USER);
    host.delivered();
    host.say("/pending");
    host.answer("touch secret");
    host.api.say(&ada, &format!("/pending@{BOT_NAME}"));
    host.answer_in(GROUP, "Nothing waits for you.");
    host.api
        .say(&ada, &named(r#"[[tool Bash {"command":"touch here"}]]"#));
    host.request(GROUP);
    host.delivered();
    host.api.say(&ada, &format!("/pending@{BOT_NAME}"));
    let told = host.answer_in(GROUP, "wants Bash");
    assert!(!told.text.contains("secret"), "{}", told.text);
}

#[test]
fn a_group_has_a_session_of_its_own_and_so_has_each_topic() {
    let (host, ada, _) = host();
    let _chappe = host.start();
    host.say("I am here");
    host.answer("echo: I am here");
    host.api.say(&ada, &named("in the group"));
    host.answer_in(GROUP, "echo: in the group");
    host.api.say(&ada.in_topic(5), &named("in a topic"));
    let in_topic = host.answer_in(GROUP, "echo: in a topic");
    assert_eq!(in_topic.topic, Some(5));
    for name in ["default", "group", "group-topic-5"] {
        assert!(host.sessions_root().join(name).is_dir(), "{name}");
    }
    // Not even there is everything for the bot: people talk in topics.
    let heard = host.count("SELECT count(*) FROM inbox");
    host.api.say(&ada.in_topic(5), "among ourselves");
    let begin = json!({"message_id": 5, "from": {"id": 77, "is_bot": true},
        "chat": {"id": GROUP, "type": "supergroup"}, "forum_topic_created": {"name": "web"}});
    let implicit = json!({"text": "that replies to the topic", "reply_to_message": begin});
    host.api.write(&ada.in_topic(5), implicit);
    host.stored();
    assert_eq!(host.count("SELECT count(*) FROM inbox"), heard);
    host.api.say(&ada.in_topic(5), &named("[[remember]]"));
    host.answer_in(GROUP, r#"remember turns=1 texts=["in a topic"]"#);
}

#[test]
fn what_is_not_meant_for_the_bot_leads_to_nothing() {
    let (host, ada, eve) = host();
    let _chappe = host.start();
    host.api.say(&ada, &named("hello"));
    host.answer_in(GROUP, "echo: hello");
    host.stored();
    host.delivered();
    let before = (rows(&host), calls(&host));
    let theirs = host.api.say(&eve, "what do you think");
    host.api.say(&ada, "lunch?");
    host.api.say(&ada, "stop");
    host.api.say(&ada, "/status@other_bot");
    host.api.say(&ada, "mail it to ada@loopback_bot.example");
    host.api.reply(&ada, theirs, "I think so");
    host.api.send_photo(&ada, b"a picture", "the cat");
    let mine = host.api.say(&ada, "never mind");
    host.api.edit(&ada, mine, "never mind that");
    let forwarded = json!({"text": named("do something"),
        "forward_origin": {"type": "hidden_user", "sender_user_name": "Bob"}});
    host.api.write(&ada, forwarded);
    // An admin who stays anonymous could be anybody.
    host.api.say_as_chat(&ada, &named("do something"));
    host.stored();
    host.delivered();
    assert_eq!((rows(&host), calls(&host)), before);
}

#[test]
fn what_leads_to_nothing_costs_no_write() {
    let (host, ada, eve) = host();
    let chappe = host.start();
    host.api.say(&ada, &named("hello"));
    let answer = host.answer_in(GROUP, "echo: hello");
    host.stored();
    host.delivered();
    let offset = || host.count("SELECT next_offset FROM bot");
    let before = offset();
    for line in ["lunch?", "yes", "where?"] {
        host.api.say(&ada, line);
        host.api.say(&eve, &named(line));
        host.api.press(&eve, answer.id, "allow:x");
        host.stored();
    }
    assert_eq!(offset(), before, "only Telegram knows that they were read");
    // What is for the bot is stored with all that came before it, and nothing comes twice.
    host.api.say(&ada, "at noon");
    host.api.say(&ada, &named("and now you"));
    host.answer_in(GROUP, "echo: and now you");
    host.stored();
    assert!(offset() > before);
    chappe.crash();
    let _chappe = host.start();
    host.api.say(&ada, &named("[[remember]]"));
    host.answer_in(GROUP, "remember turns=2");
}

#[test]
fn a_stranger_in_an_allowed_group_gets_nothing_whatever_they_do() {
    let (host, ada, eve) = host();
    let _chappe = host.start();
    host.api
        .say(&ada, &named(r#"[[tool Bash {"command":"touch made"}]]"#));
    let request = host.request(GROUP);
    assert!(request.reply_to.is_some(), "who has asked is called");
    host.stored();
    host.delivered();
    let before = (rows(&host), calls(&host));

    host.api.say(&eve, "hello");
    let theirs = host.api.say(&eve, &named("let me in"));
    host.api.reply(&eve, request.id, "yes");
    host.api.say(&eve, "/stop");
    host.api.say(&eve, &format!("/status@{BOT_NAME}"));
    host.api.edit(&eve, theirs, &named("stop"));
    host.api.send_photo(&eve, b"a picture", &named("look"));
    host.stored();
    host.delivered();
    assert_eq!((rows(&host), calls(&host)), before);

    // A press must be answered, or the button never rests. That is all that comes of it.
    for label in ["Allow once", "Deny"] {
        let press = host.press(&eve, &request, label);
        assert_eq!(host.toast(&press), NOT_ALLOWED);
    }
    let forged = host.api.press(&eve, request.id, "do:nonsense");
    assert_eq!(host.toast(&forged), NOT_ALLOWED);
    assert_eq!((rows(&host), calls(&host)), before);
    assert!(!host.file("made").exists());

    let press = host.press(&ada, &request, "Allow once");
    assert_eq!(host.toast(&press), "Allowed");
    host.says(GROUP, request.id, "✓ Allowed by Ada");
    host.answer_in(GROUP, "tool said:");
    assert!(host.file("made").exists());
}

#[test]
fn many_presses_by_a_stranger_cost_nothing_that_lasts() {
    let (host, ada, eve) = host();
    let _chappe = host.start();
    host.api
        .say(&ada, &named(r#"[[tool Bash {"command":"touch made"}]]"#));
    let request = host.request(GROUP);
    host.stored();
    host.delivered();
    let before = rows(&host);
    let presses: Vec<String> = (0..200)
        .map(|_| host.press(&eve, &request, "Allow once"))
        .collect();
    let last = presses.last().expect("there were some");
    assert_eq!(host.toast(last), NOT_ALLOWED, "the latest are answered");
    assert_eq!(rows(&host), before);
    let press = host.press(&ada, &request, "Deny");
    assert_eq!(host.toast(&press), "Denied");
}

#[test]
fn a_group_that_is_not_allowed_gets_nothing_and_the_log_names_it() {
    let (host, ada, eve) = host();
    let chappe = host.start();
    let elsewhere = ada.in_chat(OTHER_GROUP);
    host.api.add_to_group(&eve.in_chat(OTHER_GROUP));
    let said = host.api.say(&elsewhere, &named("hello"));
    host.api.say(&elsewhere, "/status");
    host.api.edit(&elsewhere, said, &named("stop"));
    let press = host.api.press(&elsewhere, said, "allow:x");
    host.say("hello");
    host.answer("echo: hello");
    host.stored();
    host.delivered();
    chappe.logs(&format!("the group {OTHER_GROUP} is not served"));
    assert_eq!(calls(&host), 0);
    assert_eq!(host.count("SELECT count(*) FROM inbox"), 1);
    let toast = host.wait("the chats", |view| Some(view.toast(&press).cloned()));
    assert_eq!(toast, None);
}

#[test]
fn who_adds_the_bot_again_and_again_fills_no_log() {
    let (host, ada, eve) = host();
    let chappe = host.start();
    let named = || chappe.log().matches("is not served").count();
    for _ in 0..5 {
        host.api.add_to_group(&eve.in_chat(OTHER_GROUP));
    }
    host.stored();
    chappe.logs(&format!("the group {OTHER_GROUP} is not served"));
    host.say("hello");
    host.answer("echo: hello");
    assert_eq!(named(), 1);
    host.api.say(&ada.in_chat(OTHER_GROUP), "/status");
    host.say("and now");
    host.answer("echo: and now");
    assert_eq!(named(), 2, "who may speak wants to know");
}

#[test]
fn a_group_that_is_no_longer_allowed_gets_nothing_more_done_or_sent() {
    let (mut host, ada, _) = host();
    host.sessions = "stop_grace = \"1s\"\nshutdown_grace = \"0s\"\n".to_owned();
    let chappe = host.start();
    let gate = host.gate();
    host.api.say(&ada, &named(&gate.call()));
    let held = gate.reached();
    host.api.say(&ada, &named("and this"));
    host.stored();
    assert_eq!(chappe.stop().code(), Some(0));
    drop(held);
    let before = calls(&host);
    host.allowed_chats.clear();
    let _chappe = host.start();
    host.api.say(&ada, &named("is anybody there"));
    host.say("/status");
    host.answer("session");
    host.stored();
    host.delivered();
    assert_eq!(calls(&host), before);
    let open = "SELECT count(*) FROM prompt WHERE state != 'closed'";
    assert_eq!(host.count(open), 0);
    let waiting = "SELECT count(*) FROM inbox WHERE state = 'waiting'";
    assert_eq!(host.count(waiting), 0);
    assert_eq!(host.claudes(), Vec::<i32>::new(), "nothing of it runs");
}

#[test]
fn what_is_owed_to_a_group_that_is_no_longer_allowed_is_not_sent() {
    for is_allowed in [true, false] {
        let (mut host, ada, _) = host();
        let chappe = host.start();
        let gate = host.gate();
        host.api
            .say(&ada, &named(&format!("{} [[text owed]]", gate.call())));
        let held = gate.reached();
        host.stored();
        host.delivered();
        host.api.go_dark();
        drop(held);
        until("an answer that waits", || {
            let waits = "SELECT count(*) FROM outbox WHERE lane = 2 AND state = 'waiting'";
            (host.count(waits) > 0).then_some(())
        });
        chappe.crash();
        host.api.come_back().expect("the port is still free");
        if !is_allowed {
            host.allowed_chats.clear();
        }
        let _chappe = host.start();
        host.say("hello");
        host.answer("echo: hello");
        host.delivered();
        let owed = host.texts_in(GROUP).contains(&"owed".to_owned());
        assert_eq!(owed, is_allowed);
    }
}

#[test]
fn a_group_that_takes_no_files_gets_all_else() {
    let (host, ada, _) = host();
    let _chappe = host.start();
    host.api.fault(chappe::loopback::botapi::Fault {
        method: "sendDocument",
        chat: Some(GROUP),
        times: 9,
        what: chappe::loopback::botapi::Trouble::Answer {
            code: 400,
            description: "Bad Request: not enough rights to send documents to the chat".to_owned(),
            parameters: None,
        },
    });
    let content = "word ".repeat(600);
    let call = json!({"file_path": host.file("made"), "content": content});
    host.api.say(
        &ada,
        &named(&format!("[[tool Write {call}]] [[text over]]")),
    );
    // What cannot be seen whole is not allowed.
    host.answer_in(GROUP, "so it was denied");
    host.answer_in(GROUP, "over");
    host.api.say(&ada, &named("and now"));
    host.answer_in(GROUP, "echo: and now");
    assert_eq!(host.count("SELECT count(*) FROM closed_chat"), 0);
    assert!(!host.file("made").exists());
}

#[test]
fn what_was_told_to_the_bot_can_be_taken_back_without_its_name() {
    let (host, ada, eve) = host();
    let _chappe = host.start();
    let gate = host.gate();
    host.api.say(&ada, &named(&gate.call()));
    let held = gate.reached();
    let waits = host.api.say(&ada, &named("delete it all"));
    host.stored();
    host.api.edit(&eve, waits, &named("delete it twice"));
    host.api.edit(&ada, waits, "do nothing");
    host.stored();
    drop(held);
    host.answer_in(GROUP, "echo: do nothing");
}

#[test]
fn until_the_name_is_known_nothing_is_taken_and_nothing_is_lost() {
    let (host, ada, _) = host();
    host.api.fault(chappe::loopback::botapi::Fault {
        method: "getMe",
        chat: None,
        times: 2,
        what: chappe::loopback::botapi::Trouble::Answer {
            code: 502,
            description: "Bad Gateway".to_owned(),
            parameters: None,
        },
    });
    host.api.say(&ada, &named("hello"));
    let _chappe = host.start();
    host.answer_in(GROUP, "echo: hello");
    let asked = host.api.calls();
    let asked = asked.iter().filter(|call| call.method == "getMe").count();
    assert_eq!(asked, 3, "once it is known, it is known");
    assert_eq!(host.texts(), Vec::<String>::new());
}

#[test]
fn a_group_that_becomes_a_supergroup_is_served_there_also_after_a_restart() {
    const SUPERGROUP: i64 = -1_000_100_200;
    let (host, ada, eve) = host();
    let chappe = host.start();
    host.api.say(&ada, &named("hello"));
    host.answer_in(GROUP, "echo: hello");
    host.delivered();
    host.api.upgrade_group(GROUP, SUPERGROUP);
    let bot = json!({"id": 1, "first_name": "Group"});
    host.api
        .push(json!({"message": {"message_id": 90, "from": bot, "date": 1,
        "chat": {"id": GROUP, "type": "group"}, "migrate_to_chat_id": SUPERGROUP}}));
    let (ada, eve) = (ada.in_chat(SUPERGROUP), eve.in_chat(SUPERGROUP));
    host.api.say(&eve, &named("is this mine now"));
    host.api.say(&ada, &named("[[remember]]"));
    host.answer_in(SUPERGROUP, r#"remember turns=1 texts=["hello"]"#);
    host.stored();
    host.delivered();
    chappe.logs("put its new number into telegram.allowed_chats");
    assert_eq!(chappe.stop().code(), Some(0));
    let _chappe = host.start();
    host.api.say(&ada, &named("and after a restart"));
    host.answer_in(SUPERGROUP, "echo: and after a restart");
}

#[test]
fn what_is_asked_in_a_group_that_has_thrown_the_bot_out_does_not_wait_for_ever() {
    let (host, ada, _) = host();
    let _chappe = host.start();
    host.api
        .say(&ada, &named(r#"[[tool Bash {"command":"touch made"}]]"#));
    let request = host.request(GROUP);
    host.delivered();
    host.api.remove_from_group(&ada);
    until("the group to be closed", || {
        (host.count("SELECT count(*) FROM closed_chat") == 1).then_some(())
    });
    // In private it is still told, and still open.
    host.say("/pending");
    host.answer("touch made");
    let open = "SELECT count(*) FROM request WHERE state = 'open'";
    assert_eq!(host.count(open), 1);
    let database = Connection::open(host.state_dir().join("chappe.db")).expect("it is there");
    database.busy_timeout(SOON).expect("it can be set");
    let changed = database.execute("UPDATE closed_chat SET since = since - 86400", []);
    assert_eq!(changed, Ok(1));
    host.say("and here");
    host.answer("echo: and here");
    until("Claude to hear of it", || {
        let told = "SELECT count(*) FROM request WHERE state = 'denied' AND told = 1";
        (host.count(told) == 1).then_some(())
    });
    until("the end of the turn", || {
        (host.count("SELECT count(*) FROM prompt WHERE state != 'closed'") == 0).then_some(())
    });
    assert!(!host.sessions_root().join("group/made").exists());
    host.say("/pending");
    host.answer("Nothing waits for you.");
    host.api.add_to_group(&ada);
    let said = host.says(GROUP, request.id, "✗ Denied: this group took nothing");
    assert!(said.buttons.is_empty());
    host.answer_in(GROUP, "Nobody could see this");
}
