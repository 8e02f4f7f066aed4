//! Topics: a reply goes to the Claude that said what it replies to, and what is asked in a topic that is deleted reaches the
//! person all the same.

use chappe::loopback::botapi::{Fault, Person, Shown, Trouble};
use serde_json::json;

use super::Stage;
use crate::groups::{GROUP, named};
use crate::host::{BOT_NAME, USER};

/// What Claude was told in the conversation that this text belongs to, at its last step.
fn told(stage: &Stage, text: &str) -> Vec<String> {
    let turns = stage.turns().into_iter().rev();
    let mut texts = turns.map(|turn| turn.texts);
    texts
        .find(|texts| texts.iter().any(|told| told == text))
        .unwrap_or_else(|| panic!("nobody was told {text:?}"))
}

/// Waits for a request with this text in a place.
fn request_at(stage: &Stage, chat: i64, topic: Option<i64>, text: &str) -> Shown {
    stage
        .host
        .wait(&format!("a request with {text:?} in {topic:?}"), |view| {
            let mut shown = view.from_bot(chat);
            let is_it = |shown: &&Shown| {
                let mut labels = shown.buttons.iter().flatten().map(|(label, _)| label);
                let asks = labels.any(|label| label == "Allow once");
                asks && shown.topic == topic && shown.text.contains(text)
            };
            shown.find(is_it).cloned()
        })
}

/// A host that serves a group. There even a sign below a message counts as a call, and calls are few.
fn with_group(test: &str) -> Option<Stage> {
    let mut stage = Stage::new(test)?;
    stage.host.allowed_chats = vec![GROUP];
    stage.host.telegram = "reactions = false\n".to_owned();
    Some(stage)
}

/// A topic that talks to the session `web`, of a person who has another one in topic 5.
fn with_topic(stage: &Stage) -> (Person, Person) {
    let first = stage.host.person().in_topic(5);
    stage.ask_as(&first, "one", "echo: one");
    stage.ask_as(&first, "/new web", "has a topic of its own");
    let ready = stage.host.answer("Session web is ready in ");
    let topic = ready.topic.expect("it stands in a topic");
    (first, stage.host.person().in_topic(topic))
}

#[test]
fn a_reply_in_a_topic_goes_to_the_claude_that_said_what_it_replies_to() {
    let test = "a_reply_in_a_topic_goes_to_the_claude_that_said_what_it_replies_to";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let (first, there) = with_topic(&stage);
    let of_web = stage.ask_as(&there, "two", "echo: two");
    assert_eq!(of_web.topic, there.topic);
    stage.host.delivered();
    // Some clients give the message that has made the topic as what is replied to; nobody has chosen that one.
    let made = json!({"message_id": there.topic, "date": 1, "chat": {"id": USER, "type": "private"},
        "forum_topic_created": {"name": "web", "icon_color": 0}});
    let implicit = json!({"text": "three", "reply_to_message": made});
    stage.host.api.write(&there, implicit);
    stage.host.answer("echo: three");
    assert_eq!(told(&stage, "three"), ["two", "three"]);

    stage.ask_as(
        &there,
        "/session default",
        "What you write now goes to default.",
    );
    stage.host.api.reply(&there, of_web.id, "back");
    let answer = stage.host.answer("echo: back");
    assert_eq!(
        (answer.topic, answer.text.as_str()),
        (there.topic, "web:\necho: back")
    );
    assert_eq!(told(&stage, "back"), ["two", "three", "back"]);
    let answer = stage.ask_as(&there, "four", "echo: four");
    assert_eq!(answer.topic, there.topic);
    assert_eq!(told(&stage, "four"), ["one", "four"]);
    // What is asked by a reply is asked where that was written, and denied by a reply there.
    let call = r#"[[tool Bash {"command":"touch made"}]]"#;
    stage.host.delivered();
    stage.host.api.reply(&there, of_web.id, call);
    let request = request_at(&stage, USER, there.topic, "web wants to run");
    stage.host.delivered();
    stage
        .host
        .api
        .reply(&there, request.id, "not before the review");
    let answer = stage
        .host
        .answer("The user denied this: not before the review");
    assert_eq!(answer.topic, there.topic);
    assert!(answer.text.starts_with("web:\n"), "{}", answer.text);
    assert!(!stage.host.sessions_root().join("web/made").exists());
    let answer = stage.ask_as(&first, "five", "echo: five");
    assert_eq!(answer.topic, Some(5));
}

#[test]
fn what_is_asked_in_a_topic_that_was_deleted_is_asked_where_somebody_looks_for_it() {
    let test = "what_is_asked_in_a_topic_that_was_deleted_is_asked_where_somebody_looks_for_it";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let host = &stage.host;
    let (_, there) = with_topic(&stage);
    let topic = there.topic.expect("it is one");
    let call = r#"[[tool Bash {"command":"touch made"}]]"#;
    host.api.say(&there, call);
    let lost = request_at(&stage, USER, Some(topic), "touch made");
    host.delivered();
    host.api.delete_topic(USER, topic);
    stage.ask("/pending", "wants Bash");
    let request = request_at(&stage, USER, None, "touch made");
    host.delivered();
    assert_ne!(request.id, lost.id);
    // Once it is decided, the answer comes there as well.
    let press = host.press(&host.person(), &request, "Allow once");
    assert_eq!(host.toast(&press), "Allowed");
    host.says(USER, request.id, "✓ Allowed by Ada");
    let answer = host.answer("tool said:");
    assert_eq!(answer.topic, None);
    assert!(answer.text.starts_with("web:\n"), "{}", answer.text);
    assert!(host.sessions_root().join("web/made").exists());
    let asks = host.texts();
    let asks = asks.iter().filter(|text| text.contains("wants to run"));
    assert_eq!(asks.count(), 1, "{:?}", host.texts());
}

#[test]
fn who_writes_to_a_session_that_asks_in_a_topic_that_was_deleted_is_asked() {
    let test = "who_writes_to_a_session_that_asks_in_a_topic_that_was_deleted_is_asked";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let host = &stage.host;
    let (_, there) = with_topic(&stage);
    let topic = there.topic.expect("it is one");
    host.api
        .say(&there, r#"[[tool Bash {"command":"touch made"}]]"#);
    request_at(&stage, USER, Some(topic), "touch made");
    host.delivered();
    host.api.delete_topic(USER, topic);
    stage.ask("/session web", "What you write now goes to web.");
    let waits = stage.ask(
        "use another name",
        // A call of the turn itself may have found out that the topic is gone; then it stands above.
        "That waits for your answer to the request ",
    );
    request_at(&stage, USER, None, "touch made");
    host.delivered();
    let press = host.press(&host.person(), &waits, "Deny with this");
    assert_eq!(host.toast(&press), "Denied");
    let answer = host.answer("The user denied this: use another name");
    assert_eq!(answer.topic, None);
    assert!(!host.sessions_root().join("web/made").exists());
    stage.ask("[[remember]]", "remember turns=1");
}

#[test]
fn a_group_with_topics_has_a_claude_for_each_and_one_for_the_rest() {
    let test = "a_group_with_topics_has_a_claude_for_each_and_one_for_the_rest";
    let Some(stage) = with_group(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let host = &stage.host;
    let general = host.person().in_chat(GROUP);
    let there = general.in_topic(7);
    let answer = stage.ask_as(&general, &named("one"), "echo: one");
    assert_eq!(answer.topic, None);
    let answer = stage.ask_as(&there, &named("two"), "echo: two");
    assert_eq!(answer.topic, Some(7));
    assert_eq!(stage.claudes().len(), 2);
    host.delivered();
    host.api.reply(&there, answer.id, "three");
    host.answer_in(GROUP, "echo: three");
    assert_eq!(told(&stage, "three"), ["two", "three"]);

    let call = r#"[[tool Bash {"command":"touch made"}]]"#;
    let said = host.api.say(&there, &named(call));
    let request = request_at(&stage, GROUP, Some(7), "touch made");
    assert_eq!(request.reply_to, Some(said));
    host.delivered();
    host.api.reply(&there, request.id, "not here");
    let answer = host.answer_in(GROUP, "The user denied this: not here");
    assert_eq!(answer.topic, Some(7));
    assert!(!host.sessions_root().join("group-topic-7/made").exists());
    stage.ask_as(&general, &named("[[remember]]"), r#"texts=["one"]"#);
}

#[test]
fn what_is_asked_in_a_topic_of_a_group_that_was_deleted_is_asked_in_the_group() {
    let test = "what_is_asked_in_a_topic_of_a_group_that_was_deleted_is_asked_in_the_group";
    let Some(stage) = with_group(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let host = &stage.host;
    let general = host.person().in_chat(GROUP);
    let there = general.in_topic(7);
    stage.ask_as(&general, &named("one"), "echo: one");
    host.api
        .say(&there, &named(r#"[[tool Bash {"command":"touch made"}]]"#));
    request_at(&stage, GROUP, Some(7), "touch made");
    host.delivered();
    host.api.delete_topic(GROUP, 7);
    stage.ask_as(&general, &format!("/pending@{BOT_NAME}"), "wants Bash");
    let request = request_at(&stage, GROUP, None, "touch made");
    host.delivered();
    host.press(&general, &request, "Allow once");
    let answer = host.answer_in(GROUP, "tool said:");
    assert_eq!(answer.topic, None);
    assert!(host.sessions_root().join("group-topic-7/made").exists());
}

#[test]
fn a_session_asked_for_in_a_chat_with_topics_has_one_of_its_own_wherever_that_is_said() {
    let test = "a_session_asked_for_in_a_chat_with_topics_has_one_of_its_own_wherever_that_is_said";
    let Some(stage) = with_group(test) else {
        return;
    };
    let _chappe = stage.host.start();
    // In a group, in one of its topics.
    let ada = stage.host.person().in_chat(GROUP);
    let first = ada.clone().in_topic(5);
    let asked = |who: &Person, name: &str| {
        stage.host.api.say(who, &format!("/new@{BOT_NAME} {name}"));
        let ready = stage
            .host
            .answer_in(who.chat, &format!("Session {name} is ready in "));
        ready.topic
    };
    let topic = asked(&first, "web");
    assert!(topic.is_some_and(|topic| topic != 5), "{topic:?}");
    let there = ada.clone().in_topic(topic.unwrap_or_default());
    let answer = stage.ask_as(&there, &named("hello"), "echo: hello");
    assert_eq!(answer.topic, topic);
    // Beside its topics.
    let next = asked(&ada, "api");
    assert!(next.is_some() && next != topic, "{next:?}");
    // In a private chat, beside the topics that are there.
    let private = stage.host.person();
    stage.ask_as(&private.clone().in_topic(7), "mine", "echo: mine");
    let own = asked(&private, "cli");
    assert!(own.is_some_and(|topic| topic != 7), "{own:?}");
    let there = private.in_topic(own.unwrap_or_default());
    let answer = stage.ask_as(&there, "in cli", "echo: in cli");
    assert_eq!(answer.topic, own);
    assert_eq!(told(&stage, "in cli"), ["in cli"]);
}

/// Lets Telegram make no topic.
fn refuse_topics(stage: &Stage) {
    stage.host.api.fault(Fault {
        method: "createForumTopic",
        chat: None,
        times: u32::MAX,
        what: Trouble::Answer {
            code: 400,
            description: "Bad Request: not enough rights to create a topic".to_owned(),
            parameters: None,
        },
    });
}

#[test]
fn where_telegram_makes_no_topic_each_claude_answers_where_it_was_asked_for() {
    let test = "where_telegram_makes_no_topic_each_claude_answers_where_it_was_asked_for";
    let Some(stage) = with_group(test) else {
        return;
    };
    let _chappe = stage.host.start();
    refuse_topics(&stage);
    let general = stage.host.person();
    let there = general.clone().in_topic(5);
    stage.ask_as(&there, "one", "echo: one");
    let without = " Telegram made no topic for it, so what you write here goes there from now on.";
    for (who, name) in [(&there, "web"), (&general, "api")] {
        let told = stage.ask_as(who, &format!("/new {name}"), "Session ");
        assert!(
            told.text
                .starts_with(&format!("Session {name} is ready in ")),
            "{told:?}"
        );
        assert!(told.text.ends_with(without), "{told:?}");
        assert_eq!(told.topic, who.topic);
    }
    // Both at once.
    let gate = stage.gate_in("web", "gate");
    let call = r#"[[tool Bash {"command":"cat gate"}]]"#;
    stage.host.api.say(&there, call);
    let held = gate.reached();
    let answer = stage.ask_as(&general, "in api", "echo: in api");
    assert_eq!((answer.topic, answer.text.as_str()), (None, "echo: in api"));
    assert_eq!(stage.claudes().len(), 3);
    drop(held);
    let answer = stage.host.answer("tool said:");
    assert_eq!(answer.topic, Some(5));
    assert!(answer.text.starts_with("tool said:"), "{}", answer.text);
    stage.ask_as(&there, "in web", "echo: in web");
    assert_eq!(told(&stage, "in web"), [call, "in web"]);
    assert_eq!(told(&stage, "in api"), ["in api"]);
    // The one that was there first is where it was.
    stage.ask_as(
        &there,
        "/session default",
        "What you write now goes to default.",
    );
    let answer = stage.ask_as(&there, "two", "echo: two");
    assert_eq!(answer.topic, Some(5));
    assert_eq!(told(&stage, "two"), ["one", "two"]);

    // In a group as well.
    let in_group = general.clone().in_chat(GROUP).in_topic(7);
    stage.ask_as(&in_group, &named("three"), "echo: three");
    let ready = stage.ask_as(&in_group, &format!("/new@{BOT_NAME} site"), "Session ");
    assert!(ready.text.ends_with(without), "{ready:?}");
    assert_eq!(ready.topic, Some(7));
    let answer = stage.ask_as(&in_group, &named("in site"), "echo: in site");
    assert_eq!(answer.topic, Some(7));
    assert_eq!(told(&stage, "in site"), ["in site"]);

    // As soon as Telegram makes one, it is had.
    stage.host.api.clear_faults();
    stage.ask_as(&there, "/new cli", "Session cli has a topic of its own");
    let topic = stage.host.answer("Session cli is ready in ").topic;
    assert!(topic.is_some_and(|topic| topic != 5), "{topic:?}");
    let own = general.in_topic(topic.unwrap_or_default());
    let answer = stage.ask_as(&own, "in cli", "echo: in cli");
    assert_eq!(answer.topic, topic);
    assert_eq!(told(&stage, "in cli"), ["in cli"]);
}
