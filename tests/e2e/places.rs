//! Who hears what: several sessions, people and topics, what goes to which of them, and how it is told apart.

use chappe::loopback::botapi::{Fault, Person, Shown, Trouble};
use serde_json::json;

use crate::host::{Host, USER, until};

const BOB: i64 = 1002;

/// Makes a session, which the place talks to from then on.
fn make(host: &Host, name: &str) {
    host.say(&format!("/new {name}"));
    host.answer(&format!("Session {name} is ready"));
}

/// How many prompts of a session there are that contain a text.
fn given(host: &Host, session: &str, text: &str) -> i64 {
    host.count(&format!(
        "SELECT count(*) FROM prompt JOIN session ON session.id = prompt.session
         WHERE session.name = '{session}' AND prompt.text LIKE '%{text}%'"
    ))
}

#[test]
fn a_reply_goes_to_the_session_of_what_it_replies_to_and_the_place_stays_where_it_is() {
    let host = Host::new();
    let _chappe = host.start();
    let ada = host.person();
    make(&host, "web");
    let mine = host.say("for web");
    let of_web = host.answer("echo: for web");
    make(&host, "api");
    host.say("for api");
    let of_api = host.answer("echo: for api");
    host.delivered();

    host.api.reply(&ada, of_web.id, "back to web");
    host.answer("echo: back to web");
    let edited = host.api.reply(&ada, mine, "my own words");
    host.answer("echo: my own words");
    host.api.edit(&ada, edited, "other words");
    let offer = host.answer("I had already given that to Claude.");
    host.press(&ada, &offer, "Send as a correction");
    host.answer("other words");
    host.say("on with api");
    host.answer("echo: on with api");
    for text in ["back to web", "my own words", "other words"] {
        assert_eq!(given(&host, "web", text), 1, "{text}");
    }
    assert_eq!(given(&host, "api", "on with api"), 1);

    host.say("/session web");
    host.answer("What you write now goes to web.");
    host.api.reply(&ada, of_api.id, "back to api");
    host.answer("echo: back to api");
    assert_eq!(given(&host, "api", "back to api"), 1);
    // A command is about the place, whatever it replies to; so is a reply to what no session has said.
    host.api.reply(&ada, of_api.id, "/clear");
    let cleared = host.answer("web begins a new conversation");
    host.api.reply(&ada, cleared.id, "to nobody");
    host.answer("echo: to nobody");
    host.api.reply(&ada, 999_999, "to what is gone");
    host.answer("echo: to what is gone");
    assert_eq!(given(&host, "web", "to nobody"), 1);
    assert_eq!(given(&host, "web", "to what is gone"), 1);
}

#[test]
fn a_reply_to_the_status_of_a_turn_goes_to_its_session() {
    let host = Host::new();
    let _chappe = host.start();
    make(&host, "web");
    let gate = host.gate_in("web");
    host.say(&gate.call());
    let held = gate.reached();
    let status = host.answer("Running cat");
    make(&host, "api");
    until("the status message to be known", || {
        let known = "SELECT count(*) FROM prompt WHERE status_message IS NOT NULL";
        (host.count(known) == 1).then_some(())
    });
    host.api.reply(&host.person(), status.id, "and then this");
    host.stored();
    drop(held);
    host.answer("echo: and then this");
    assert_eq!(given(&host, "web", "and then this"), 1);
}

#[test]
fn a_stop_that_replies_to_the_status_of_a_turn_ends_that_turn_and_no_other() {
    let host = Host::new();
    let _chappe = host.start();
    make(&host, "web");
    let of_web = host.gate_in("web");
    host.say(&of_web.call());
    let _held = of_web.reached();
    let status = host.answer("Running cat");
    make(&host, "api");
    let of_api = host.gate_in("api");
    host.say(&of_api.call());
    let held = of_api.reached();
    until("the status message to be known", || {
        let known = "SELECT count(*) FROM prompt WHERE status_message IS NOT NULL";
        (host.count(known) == 2).then_some(())
    });
    host.api.reply(&host.person(), status.id, "stop");
    host.says(USER, status.id, "✗ Stopped");
    drop(held);
    host.answer("tool said:");
    let outcomes = "SELECT count(*) FROM prompt WHERE outcome = 'answered'";
    until("the end of the other turn", || {
        (host.count(outcomes) == 1).then_some(())
    });
}

#[test]
fn of_two_people_each_talks_to_their_own_session_and_a_reply_stays_there() {
    let mut host = Host::new();
    host.allowed_users.push(BOB);
    let _chappe = host.start();
    let bob = Person::private(BOB, "Bob");
    make(&host, "web");
    host.say("/new api");
    host.answer("Session api is ready");
    host.say("from Ada");
    host.answer("echo: from Ada");
    host.api.say(&bob, "/session web");
    host.answer_in(BOB, "What you write now goes to web.");
    host.api.say(&bob, "from Bob");
    let of_web = host.answer_in(BOB, "echo: from Bob");
    host.api.say(&bob, "/session api");
    host.answer_in(BOB, "What you write now goes to api.");
    host.delivered();
    host.api.reply(&bob, of_web.id, "back");
    host.answer_in(BOB, "echo: back");
    assert_eq!(given(&host, "web", "back"), 1);
    // The same number stands for another message in another chat.
    host.api.reply(&host.person(), of_web.id, "not mine");
    host.answer("echo: not mine");
    assert_eq!(given(&host, "api", "not mine"), 1);
    assert!(
        host.texts_in(USER)
            .iter()
            .all(|text| !text.contains("back"))
    );
}

#[test]
fn what_comes_from_another_session_names_it_and_a_button_leads_there() {
    let host = Host::new();
    let _chappe = host.start();
    make(&host, "api");
    let gate = host.gate_in("api");
    host.say(&format!(
        "{} [[text The migration is **done**.]]",
        gate.call()
    ));
    let held = gate.reached();
    make(&host, "web");
    let status = host.answer("api · ⏳ Running cat");
    drop(held);
    let answer = host.answer("The migration is done.");
    assert_eq!(answer.text, "api:\nThe migration is done.");
    let bold: Vec<_> = answer
        .entities
        .iter()
        .map(|entity| (entity["offset"].as_i64(), entity["length"].as_i64()))
        .collect();
    assert_eq!(bold, [(Some(0), Some(3)), (Some(22), Some(4))]);
    host.says(USER, status.id, "api · ✓ 1 tool");
    host.say("[[text fine]]");
    let own = host.answer("fine");
    assert_eq!((own.text.as_str(), own.buttons.len()), ("fine", 0));
    let press = host.press(&host.person(), &answer, "Go to api");
    assert_eq!(host.toast(&press), "✓ What you write now goes to api.");
    host.says(
        USER,
        answer.id,
        "api:\nThe migration is done.\n\n✓ What you write now goes to api.",
    );
    host.say("[[remember]]");
    let here = host.answer("remember turns=1");
    assert!(here.text.starts_with("remember"), "{}", here.text);
    assert!(here.buttons.is_empty());
}

#[test]
fn of_a_long_answer_the_first_part_names_the_session_and_the_last_has_the_button() {
    let host = Host::new();
    let _chappe = host.start();
    make(&host, "api");
    let gate = host.gate_in("api");
    let words = "word ".repeat(1_500);
    host.say(&format!("{} [[text {}]]", gate.call(), words.trim_end()));
    let held = gate.reached();
    make(&host, "web");
    drop(held);
    let last = host.request_with(USER, "Go to api");
    let parts: Vec<_> = host
        .texts()
        .into_iter()
        .filter(|text| text.contains("word word"))
        .collect();
    assert_eq!(parts.len(), 2);
    assert!(parts[0].starts_with("api:\nword"));
    assert!(parts[1].starts_with("word"));
    assert_eq!(last.text, parts[1]);
}

#[test]
fn a_failure_of_another_session_says_whose_it_is_and_stays_so() {
    let host = Host::new();
    let _chappe = host.start();
    make(&host, "api");
    let gate = host.gate_in("api");
    host.say(&gate.call());
    let held = gate.reached();
    host.say("[[error 529 x3]] [[text recovered]]");
    make(&host, "web");
    drop(held);
    let notice = host.answer("I try again in");
    assert!(notice.text.starts_with("api:\n⚠ "), "{}", notice.text);
    host.press(&host.person(), &notice, "Try now");
    let told = host.says(USER, notice.id, "Trying again.");
    assert!(told.text.starts_with("api:\n⚠ "), "{}", told.text);
    let answer = host.answer("recovered");
    assert!(answer.text.starts_with("api:\n"), "{}", answer.text);
}

#[test]
fn what_a_reply_leads_to_names_its_session() {
    let host = Host::new();
    let _chappe = host.start();
    make(&host, "web");
    host.say("for web");
    let of_web = host.answer("echo: for web");
    make(&host, "api");
    host.delivered();
    host.api.reply(&host.person(), of_web.id, "[[text back]]");
    let answer = host.answer("back");
    assert_eq!(answer.text, "web:\nback");
    host.api.reply(
        &host.person(),
        of_web.id,
        r#"[[tool Bash {"command":"touch made"}]]"#,
    );
    let request = host.request_with(USER, "Allow once");
    assert!(
        request.text.starts_with("web wants to run"),
        "{}",
        request.text
    );
}

/// How often a topic was asked for.
fn topics_asked_for(host: &Host) -> usize {
    let calls = host.api.calls().into_iter();
    calls
        .filter(|call| call.method == "createForumTopic")
        .count()
}

/// The session that a topic talks to; 0 for none.
fn session_of_topic(host: &Host, topic: i64) -> i64 {
    host.count(&format!(
        "SELECT COALESCE((SELECT session FROM binding WHERE topic = {topic}), 0)"
    ))
}

/// Waits until a session is ready in a topic of its own.
fn ready_in_topic(host: &Host, name: &str) -> Shown {
    let ready = host.answer(&format!("Session {name} is ready in "));
    assert!(
        ready
            .text
            .ends_with("What you write in this topic goes there."),
        "{}",
        ready.text
    );
    ready
}

#[test]
fn a_session_that_is_asked_for_in_a_topic_gets_a_topic_of_its_own() {
    let host = Host::new();
    let _chappe = host.start();
    let first = host.person().in_topic(5);
    host.api.say(&first, "hello");
    host.answer("echo: hello");
    host.api.say(&first, "/new web");
    let ready = ready_in_topic(&host, "web");
    let topic = ready.topic.expect("it stands in a topic");
    assert_ne!(topic, 5);
    let line = host.answer("Session web has a topic of its own");
    assert_eq!(line.topic, Some(5));
    let name = host.wait("the call", |view| {
        let mut calls = view.calls_of("createForumTopic");
        calls.find_map(|call| call.params["name"].as_str().map(str::to_owned))
    });
    assert_eq!(name, "web");

    // Some clients give the message that has made the topic as what is replied to.
    let there = host.person().in_topic(topic);
    let made = json!({"message_id": topic, "date": 1, "chat": {"id": USER, "type": "private"},
        "forum_topic_created": {"name": "web", "icon_color": 0}});
    host.api
        .write(&there, json!({"text": "in web", "reply_to_message": made}));
    let answer = host.answer("echo: in web");
    assert_eq!((answer.topic, answer.buttons.len()), (Some(topic), 0));
    assert!(answer.text.starts_with("echo"), "{}", answer.text);
    assert_eq!(given(&host, "web", "in web"), 1);
    host.api.say(&first, "still here");
    let answer = host.answer("echo: still here");
    assert_eq!(answer.topic, Some(5));
    assert_eq!(given(&host, "web", "still here"), 0);

    // A topic that a person makes has a session of its own.
    host.api.say(&host.person().in_topic(900), "my topic");
    assert_eq!(host.answer("echo: my topic").topic, Some(900));
    assert_eq!(topics_asked_for(&host), 1);
    // What is asked for beside the topics gets one as well.
    host.say("/new api");
    let topic = ready_in_topic(&host, "api").topic;
    assert!(topic.is_some_and(|topic| topic != 5 && topic != 900));
    assert_eq!(topics_asked_for(&host), 2);
}

#[test]
fn a_chat_without_topics_makes_none() {
    let host = Host::new();
    let _chappe = host.start();
    make(&host, "plain");
    assert_eq!(topics_asked_for(&host), 0);
}

#[test]
fn what_belongs_to_a_topic_of_its_own_that_was_deleted_comes_to_the_chat_with_its_name() {
    let host = Host::new();
    let _chappe = host.start();
    host.api.say(&host.person().in_topic(5), "/new web");
    let topic = ready_in_topic(&host, "web").topic.expect("a topic");
    let there = host.person().in_topic(topic);
    let gate = host.gate_in("web");
    host.api.say(&there, &gate.call());
    let held = gate.reached();
    host.api
        .say(&there, &format!("{} [[text and then]]", gate.call()));
    host.delivered();
    host.api.delete_topic(USER, topic);
    drop(held);
    let answer = host.answer("tool said:");
    assert_eq!(answer.topic, None);
    assert!(answer.text.starts_with("web:\ntool"), "{}", answer.text);
    // By now no place talks to the session.
    drop(gate.reached());
    // The first answer has the button as well, if the topic was known to be gone before it.
    let next = host.wait("the second answer, with its button", |view| {
        let mut shown = view.from_bot(USER);
        let found = shown.find(|shown| shown.text == "web:\nand then");
        found.filter(|shown| !shown.buttons.is_empty()).cloned()
    });
    assert_eq!(next.topic, None);
    let press = host.press(&host.person(), &next, "Go to web");
    assert_eq!(host.toast(&press), "✓ What you write now goes to web.");
    host.say("here now");
    host.answer("echo: here now");
    assert_eq!(given(&host, "web", "here now"), 1);
}

#[test]
fn what_was_asked_in_a_topic_that_was_deleted_is_asked_in_the_chat_after_a_while() {
    let host = Host::new();
    let _chappe = host.start();
    host.api.say(&host.person().in_topic(5), "/new web");
    let topic = ready_in_topic(&host, "web").topic.expect("a topic");
    let there = host.person().in_topic(topic);
    host.api
        .say(&there, r#"[[tool Bash {"command":"touch made"}]]"#);
    let lost = host.request_with(USER, "Allow once");
    host.delivered();
    host.api.delete_topic(USER, topic);
    // Nobody tells of that, and for minutes nobody looks.
    host.say("hello");
    host.answer("echo: hello");
    host.delivered();
    let asks = || host.texts().iter().any(|text| text.contains("touch made"));
    assert!(!asks());
    let path = host.state_dir().join("chappe.db");
    let database = rusqlite::Connection::open(path).expect("it is there");
    let earlier = database.execute("UPDATE request SET created = created - 300", []);
    assert_eq!(earlier, Ok(1));
    host.say("and now");
    let request = host.wait("the request", |view| {
        let mut shown = view.from_bot(USER);
        shown
            .find(|shown| shown.text.contains("touch made"))
            .cloned()
    });
    assert_ne!(request.id, lost.id);
    assert_eq!(request.topic, None);
    assert!(
        request.text.starts_with("web wants to run"),
        "{}",
        request.text
    );
    host.delivered();
    let press = host.press(&host.person(), &request, "Allow once");
    assert_eq!(host.toast(&press), "Allowed");
    let answer = host.answer("web:\ntool said");
    assert_eq!(answer.topic, None);
    assert!(host.sessions_root().join("web/made").exists());
}

#[test]
fn where_no_topic_can_be_made_the_session_is_where_it_was_asked_for() {
    let host = Host::new();
    let _chappe = host.start();
    let here = host.person().in_topic(5);
    host.api.say(&here, "hello");
    host.answer("echo: hello");
    host.api.fault(Fault {
        method: "createForumTopic",
        chat: None,
        times: 1,
        what: Trouble::Answer {
            code: 400,
            description: "Bad Request: BOT_FORUM_CREATE_FORBIDDEN".to_owned(),
            parameters: None,
        },
    });
    host.api.say(&here, "/new web");
    let told = host.answer("Telegram made no topic for it");
    assert_eq!(told.topic, Some(5));
    host.api.say(&here, "in web");
    assert_eq!(host.answer("echo: in web").topic, Some(5));
    assert_eq!(given(&host, "web", "in web"), 1);
}

#[test]
fn a_topic_is_made_although_chappe_dies_before_it_or_right_after() {
    for (order, asked) in [
        ("before:createForumTopic=kill@1", 1),
        ("after:createForumTopic=kill@1", 2),
        ("before:topic-made=kill@1", 2),
        ("after:topic-made=kill@1", 1),
    ] {
        let host = Host::new();
        let chappe = host.start_with(&[("CHAPPE_FAIL", order.to_owned())]);
        host.api.say(&host.person().in_topic(5), "/new web");
        assert_eq!(chappe.end().code, None, "{order}");
        let _chappe = host.start();
        let topic = ready_in_topic(&host, "web").topic.expect("a topic");
        host.answer("Session web has a topic of its own");
        host.delivered();
        assert_eq!(topics_asked_for(&host), asked, "{order}");
        assert_ne!(session_of_topic(&host, topic), 0, "{order}");
        let bound = "SELECT count(*) FROM binding";
        assert_eq!(host.count(bound), 1, "{order}: one place talks to it");
        let ready = host.texts().into_iter();
        let ready = ready.filter(|text| text.starts_with("Session web is ready"));
        assert_eq!(ready.count(), 1, "{order}");
    }
}

#[test]
fn a_topic_of_which_nobody_knows_is_asked_for_twice_and_not_again() {
    let host = Host::new();
    for _ in 0..2 {
        let order = "after:createForumTopic=kill@1".to_owned();
        let chappe = host.start_with(&[("CHAPPE_FAIL", order)]);
        if topics_asked_for(&host) == 0 {
            host.api.say(&host.person().in_topic(5), "/new web");
        }
        assert_eq!(chappe.end().code, None);
    }
    let _chappe = host.start();
    let told = host.answer("Telegram made no topic for it");
    assert_eq!(told.topic, Some(5));
    assert_eq!(topics_asked_for(&host), 2);
    assert_ne!(session_of_topic(&host, 5), 0);
}
