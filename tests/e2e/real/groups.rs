//! Groups: Claude hears what is meant for the bot from who may speak to it, and nothing else, and only they decide.

use std::fs;

use chappe::loopback::botapi::{Person, Shown};
use rusqlite::Connection;
use serde_json::json;

use super::{Stage, until};
use crate::groups::{GROUP, NOT_ALLOWED, OTHER_GROUP, calls, named, rows};
use crate::host::{SOON, USER};

const BOB: i64 = 1002;
const COLOUR: &str = "Which colour should the button be?";
const FEATURES: &str = "Which features do you want?";

/// A host that serves a group, with the one who may speak there, and one who may not. Even a sign below a message counts as
/// a call in a group, and calls are few there.
fn stage(test: &str) -> Option<(Stage, Person, Person)> {
    let mut stage = Stage::new(test)?;
    stage.host.allowed_chats = vec![GROUP];
    stage.host.telegram = "reactions = false\n".to_owned();
    let ada = stage.host.person().in_chat(GROUP);
    let eve = Person::private(666, "Eve").in_chat(GROUP);
    Some((stage, ada, eve))
}

/// All that Claude was told in the conversation of the last step, but for its last text.
fn told_before(stage: &Stage) -> Vec<String> {
    let mut texts = stage.turns().pop().expect("there was a turn").texts;
    texts.pop();
    texts
}

/// Waits for a message in the group with this text and a button of this label.
fn button(stage: &Stage, text: &str, label: &str) -> Shown {
    stage
        .host
        .wait(&format!("{text:?} with the button {label:?}"), |view| {
            let mut shown = view.from_bot(GROUP);
            let has = |shown: &Shown| {
                shown
                    .buttons
                    .iter()
                    .flatten()
                    .any(|(name, _)| name == label)
            };
            shown
                .find(|shown| shown.text.contains(text) && has(shown))
                .cloned()
        })
}

#[test]
fn claude_hears_what_is_meant_for_the_bot_and_nothing_else() {
    let Some((stage, ada, eve)) = stage("claude_hears_what_is_meant_for_the_bot_and_nothing_else")
    else {
        return;
    };
    let _chappe = stage.host.start();
    let api = &stage.host.api;
    let said = api.say(&ada, &named("hello"));
    let answer = stage.host.answer_in(GROUP, "echo: hello");
    assert_eq!(answer.reply_to, Some(said), "others write there as well");
    stage.host.delivered();
    stage.host.stored();
    let before = (rows(&stage.host), calls(&stage.host));

    let theirs = api.say(&eve, "what do you think");
    api.say(&ada, "lunch?");
    api.say(&ada, "/context@other_bot");
    api.say(&ada, "mail it to ada@loopback_bot.example");
    api.reply(&ada, theirs, "I think so");
    let mine = api.say(&ada, "never mind");
    api.edit(&ada, mine, "never mind that");
    let forwarded = json!({"text": named("do something"),
        "forward_origin": {"type": "hidden_user", "sender_user_name": "Bob"}});
    api.write(&ada, forwarded);
    // An admin who stays anonymous could be anybody; so could who speaks as a channel.
    api.say_as_chat(&ada, &named("do something"));
    let channel = json!({"id": -100_777, "type": "channel", "title": "News"});
    api.write(
        &ada,
        json!({"text": named("read all about it"), "sender_chat": channel,
            "from": {"id": 777_000, "is_bot": false, "first_name": "Telegram"}, "is_automatic_forward": true,
            "forward_origin": {"type": "channel", "chat": channel, "message_id": 5, "date": 1}}),
    );
    stage.host.stored();
    stage.host.delivered();
    assert_eq!((rows(&stage.host), calls(&stage.host)), before);

    api.reply(&ada, answer.id, "and a reply");
    stage.host.answer_in(GROUP, "echo: and a reply");
    stage.ask_as(&ada, "/status@loopback_bot", "session");
    let last = "what of this, @loopback_bot?";
    stage.ask_as(&ada, last, &format!("echo: {last}"));
    let answer = stage.ask_as(&ada, &named("[[remember]]"), "remember turns=3");
    assert_eq!(answer.text.matches("do something").count(), 0);
    assert_eq!(told_before(&stage), ["hello", "and a reply", last]);
    assert_eq!(stage.host.texts(), Vec::<String>::new());
}

#[test]
fn what_a_stranger_does_beside_an_open_request_and_a_turn_changes_nothing_and_is_not_kept() {
    let test =
        "what_a_stranger_does_beside_an_open_request_and_a_turn_changes_nothing_and_is_not_kept";
    let Some((stage, ada, eve)) = stage(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let host = &stage.host;
    let gate = stage.gate("gate");
    let tools = r#"[[tool Bash {"command":"touch made"}]] [[tool Bash {"command":"cat gate"}]]"#;
    let said = host.api.say(&ada, &named(tools));
    // On a slow machine the turn has a status before it.
    let request = button(&stage, "touch made", "Allow once");
    assert_eq!(request.reply_to, Some(said), "who has asked is called");
    let quiet = || {
        host.stored();
        host.delivered();
        (rows(host), host.texts_in(GROUP).len())
    };
    let before = quiet();
    let theirs = host.api.say(&eve, &named("[[text let me in]]"));
    host.api.reply(&eve, request.id, "no, never");
    host.api.say(&eve, "/stop");
    host.api.say(&eve, &named("stop"));
    host.api.say(&eve, "/status@loopback_bot");
    host.api.edit(&eve, theirs, &named("stop"));
    host.api.edit(&eve, said, &named("stop"));
    host.api.send_photo(&eve, b"a picture", &named("look"));
    assert_eq!(quiet(), before);
    for label in ["Allow once", "Deny"] {
        let press = host.press(&eve, &request, label);
        assert_eq!(host.toast(&press), NOT_ALLOWED);
    }
    assert_eq!(quiet(), before);
    assert!(!stage.folder().join("made").exists());
    assert_eq!(stage.turns().len(), 1, "Claude has heard of nothing else");

    let press = host.press(&ada, &request, "Allow once");
    assert_eq!(host.toast(&press), "Allowed");
    host.says(GROUP, request.id, "✓ Allowed by Ada");
    let held = gate.reached();
    assert!(stage.folder().join("made").exists());
    // The turn has a button as well.
    let status = button(&stage, "Running cat", "Stop");
    let press = host.press(&eve, &status, "Stop");
    assert_eq!(host.toast(&press), NOT_ALLOWED);
    host.api.reply(&eve, status.id, "stop");
    host.stored();
    drop(held);
    let answer = host.answer_in(GROUP, "tool said:");
    assert_eq!(answer.reply_to, Some(said));
    host.says(GROUP, status.id, "✓ 2 tools");
    stage.ask_as(&ada, &named("[[remember]]"), "remember turns=1");
    assert_eq!(told_before(&stage), [tools]);
}

#[test]
fn questions_in_a_group_are_answered_by_who_may_and_by_nobody_else() {
    let test = "questions_in_a_group_are_answered_by_who_may_and_by_nobody_else";
    let Some((stage, ada, eve)) = stage(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let host = &stage.host;
    let said = host.api.say(&ada, &named("[[ask2]]"));
    let first = button(&stage, "(1 of 2)", "Green");
    assert_eq!(first.reply_to, Some(said));
    let press = host.press(&eve, &first, "Green");
    assert_eq!(host.toast(&press), NOT_ALLOWED);
    host.api.reply(&eve, first.id, "Blue");
    host.api.say(&ada, "green, I would say");
    host.stored();
    host.delivered();
    assert_eq!(
        host.says(GROUP, first.id, "(1 of 2)").buttons,
        first.buttons
    );
    host.press(&ada, &first, "Green");
    let second = button(&stage, "(2 of 2)", "Tracing");
    let press = host.press(&eve, &second, "Tracing");
    assert_eq!(host.toast(&press), NOT_ALLOWED);
    // A reply to the bot is meant for it, without its name.
    host.api.reply(&ada, second.id, "and sums");
    host.answer_in(GROUP, "tool said: ");
    let told = stage.told_by_tool();
    assert!(!told.is_error, "{told:?}");
    for answer in [
        format!("\"{COLOUR}\"=\"Green\""),
        format!("\"{FEATURES}\"=\"and sums\""),
    ] {
        assert!(told.text.contains(&answer), "no {answer} in {}", told.text);
    }
    host.says(GROUP, first.id, "✓ Answered by Ada, ");
}

#[test]
fn a_group_is_told_of_what_waits_there_and_not_of_what_waits_elsewhere() {
    let test = "a_group_is_told_of_what_waits_there_and_not_of_what_waits_elsewhere";
    let Some((stage, ada, _)) = stage(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let host = &stage.host;
    stage.say(r#"[[tool Bash {"command":"touch secret"}]]"#);
    let (private, _) = stage.button("touch secret", "Allow once");
    stage.ask_as(&ada, "/pending@loopback_bot", "Nothing waits for you.");
    host.api
        .say(&ada, &named(r#"[[tool Bash {"command":"touch here"}]]"#));
    let here = button(&stage, "touch here", "Allow once");
    host.delivered();
    let told = stage.ask_as(&ada, "/pending@loopback_bot", "wants Bash");
    assert!(!told.text.contains("secret"), "{}", told.text);
    let all = stage.ask("/pending", "touch secret");
    assert!(all.text.contains("touch here"), "{}", all.text);
    // Each is decided where it stands.
    host.press(&ada, &here, "Deny");
    host.answer_in(GROUP, "tool said: The user denied this.");
    let (_, allow) = stage.button("touch secret", "Allow once");
    host.api.press(&host.person(), private, &allow);
    host.answer("tool said:");
    assert!(stage.folder().join("secret").exists());
    assert!(!host.sessions_root().join("group/here").exists());
    let of_group = host.texts_in(GROUP);
    assert!(
        of_group.iter().all(|text| !text.contains("secret")),
        "{of_group:?}"
    );
}

#[test]
fn a_group_that_is_not_allowed_wakes_no_claude() {
    let Some((stage, ada, eve)) = stage("a_group_that_is_not_allowed_wakes_no_claude") else {
        return;
    };
    let chappe = stage.host.start();
    let host = &stage.host;
    let elsewhere = ada.in_chat(OTHER_GROUP);
    host.api.add_to_group(&eve.in_chat(OTHER_GROUP));
    let said = host.api.say(&elsewhere, &named("[[text hello]]"));
    host.api.say(&elsewhere, "/status");
    host.api.reply(&elsewhere, said, "and this");
    host.api.edit(&elsewhere, said, &named("stop"));
    host.api.press(&elsewhere, said, "allow:x");
    host.stored();
    chappe.logs(&format!("the group {OTHER_GROUP} is not served"));
    assert_eq!(stage.claudes(), Vec::<i32>::new());
    assert_eq!((calls(host), stage.turns().len()), (0, 0));
    stage.ask("hello", "echo: hello");
    stage.ask_as(&ada, &named("here"), "echo: here");
    let told: Vec<_> = stage.turns().into_iter().map(|turn| turn.texts).collect();
    assert_eq!(told, [["hello"], ["here"]]);
    let of_other = host.texts_in(OTHER_GROUP);
    assert_eq!(of_other, Vec::<String>::new());
}

#[test]
fn of_two_people_each_is_answered_and_both_decide() {
    let Some((mut stage, ada, _)) = stage("of_two_people_each_is_answered_and_both_decide") else {
        return;
    };
    stage.host.allowed_users.push(BOB);
    let _chappe = stage.host.start();
    let host = &stage.host;
    let bob = Person::private(BOB, "Bob").in_chat(GROUP);
    let gate = stage.gate("gate");
    let of_ada = host
        .api
        .say(&ada, &named(r#"[[tool Bash {"command":"cat gate"}]]"#));
    let held = gate.reached();
    let of_bob = host
        .api
        .say(&bob, &named(r#"[[tool Bash {"command":"touch made"}]]"#));
    let ada_again = host.api.say(&ada, &named("and I"));
    host.stored();
    drop(held);
    let answer = host.answer_in(GROUP, "tool said:");
    assert_eq!(answer.reply_to, Some(of_ada));
    // What each has written is a prompt of its own, and what is asked for one may be decided by the other.
    let request = button(&stage, "touch made", "Allow once");
    assert_eq!(request.reply_to, Some(of_bob));
    host.press(&ada, &request, "Allow once");
    host.says(GROUP, request.id, "✓ Allowed by Ada");
    let answer = host.answer_in(GROUP, "echo: and I");
    assert_eq!(answer.reply_to, Some(ada_again));
    let to_bob = host.wait("the answer to Bob", |view| {
        let mut shown = view.from_bot(GROUP);
        let is_it =
            |shown: &&Shown| shown.reply_to == Some(of_bob) && shown.text.contains("tool said");
        shown.find(is_it).cloned()
    });
    assert!(to_bob.id < answer.id);
    assert!(stage.folder().join("made").exists());
}

#[test]
fn a_group_that_knows_its_bot_no_more_gets_what_it_is_owed_when_it_is_back() {
    let test = "a_group_that_knows_its_bot_no_more_gets_what_it_is_owed_when_it_is_back";
    let Some((stage, ada, _)) = stage(test) else {
        return;
    };
    let chappe = stage.host.start();
    let host = &stage.host;
    stage.ask_as(&ada, &named("hello"), "echo: hello");
    let gate = stage.gate("gate");
    let tools = r#"[[tool Bash {"command":"cat gate"}]] [[tool Bash {"command":"touch made"}]]"#;
    host.api.say(&ada, &named(tools));
    let held = gate.reached();
    host.delivered();
    host.api.remove_from_group(&ada);
    host.stored();
    drop(held);
    until("the request", || {
        let open = "SELECT count(*) FROM request WHERE state = 'open'";
        (host.count(open) == 1).then_some(())
    });
    let closed = "SELECT count(*) FROM closed_chat";
    assert_eq!(host.count(closed), 1);
    let before = calls(host);
    // Meanwhile others are served.
    stage.ask("in private", "echo: in private");
    assert_eq!(calls(host), before, "nothing is tried there");
    host.api.add_to_group(&ada);
    let request = button(&stage, "touch made", "Allow once");
    host.press(&ada, &request, "Allow once");
    host.answer_in(GROUP, "tool said:");
    assert!(stage.folder().join("made").exists());
    drop(chappe);
}

#[test]
fn what_is_asked_in_a_group_that_does_not_take_the_bot_back_is_denied() {
    let test = "what_is_asked_in_a_group_that_does_not_take_the_bot_back_is_denied";
    let Some((stage, ada, _)) = stage(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let host = &stage.host;
    host.api
        .say(&ada, &named(r#"[[tool Bash {"command":"touch made"}]]"#));
    button(&stage, "touch made", "Allow once");
    host.delivered();
    host.api.remove_from_group(&ada);
    until("the group to be closed", || {
        (host.count("SELECT count(*) FROM closed_chat") == 1).then_some(())
    });
    let database = Connection::open(host.state_dir().join("chappe.db")).expect("it is there");
    database.busy_timeout(SOON).expect("it can be set");
    let changed = database.execute("UPDATE closed_chat SET since = since - 86400", []);
    assert_eq!(changed, Ok(1));
    stage.ask("in private", "echo: in private");
    until("the end of the turn", || {
        (host.count("SELECT count(*) FROM prompt WHERE state != 'closed'") == 0).then_some(())
    });
    host.api.add_to_group(&ada);
    host.answer_in(GROUP, "Nobody could see this");
    assert!(!stage.folder().join("made").exists());
}

#[test]
fn a_group_in_which_the_bot_may_not_write_for_a_while_loses_nothing() {
    let test = "a_group_in_which_the_bot_may_not_write_for_a_while_loses_nothing";
    let Some((stage, ada, _)) = stage(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let host = &stage.host;
    stage.ask_as(&ada, &named("hello"), "echo: hello");
    host.delivered();
    // Nobody tells the bot that a right was taken; a call is refused.
    host.api.fault(chappe::loopback::botapi::Fault {
        method: "sendMessage",
        chat: Some(GROUP),
        times: 1,
        what: chappe::loopback::botapi::Trouble::Answer {
            code: 400,
            description: "Bad Request: not enough rights to send text messages to the chat"
                .to_owned(),
            parameters: None,
        },
    });
    host.api.say(&ada, &named("what is it"));
    let closed = "SELECT count(*) FROM closed_chat";
    until("the chat to be closed", || {
        (host.count(closed) == 1).then_some(())
    });
    let shown = host.texts_in(GROUP);
    let arrived = shown.iter().any(|text| text.contains("what is it"));
    assert!(!arrived, "{shown:?}");
    // Whoever writes there again shows that it is worth a try.
    host.api.say(&ada, &named("and now"));
    host.answer_in(GROUP, "echo: what is it");
    host.answer_in(GROUP, "echo: and now");
    stage.ask_as(&ada, &named("[[remember]]"), "remember turns=3");
    assert_eq!(told_before(&stage), ["hello", "what is it", "and now"]);
    assert_eq!(host.texts_in(USER), Vec::<String>::new());
}

#[test]
fn a_group_with_the_name_of_somebodys_folder_does_not_work_in_it() {
    let test = "a_group_with_the_name_of_somebodys_folder_does_not_work_in_it";
    let Some((stage, ada, _)) = stage(test) else {
        return;
    };
    let theirs = stage.host.sessions_root().join("group");
    fs::create_dir_all(&theirs).expect("it can be made");
    fs::write(theirs.join("precious"), "theirs").expect("it can be written");
    let _chappe = stage.host.start();
    stage.ask("hello", "echo: hello");
    let answer = stage.ask_as(
        &ada,
        &named(r#"[[tool Bash {"command":"pwd && ls"}]]"#),
        "tool said:",
    );
    assert!(answer.text.contains("/group-2"), "{}", answer.text);
    assert!(!answer.text.contains("precious"), "{}", answer.text);
    let own = "SELECT count(*) FROM session WHERE name = 'group' AND own = 1";
    assert_eq!(stage.host.count(own), 1);
    // Who names it works in it, and it stays when the session goes.
    let made = "Session precious is ready in ";
    fs::rename(&theirs, stage.host.sessions_root().join("precious")).expect("it can be renamed");
    stage.ask("/new precious", made);
    let call = r#"[[tool Bash {"command":"cat precious"}]]"#;
    stage.ask(call, "tool said: theirs");
    let own = "SELECT count(*) FROM session WHERE name = 'precious' AND own = 0";
    assert_eq!(stage.host.count(own), 1);
}

#[test]
fn what_was_told_to_claude_is_taken_back_without_naming_the_bot() {
    let test = "what_was_told_to_claude_is_taken_back_without_naming_the_bot";
    let Some((stage, ada, eve)) = stage(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let api = &stage.host.api;
    let gate = stage.gate("gate");
    let call = r#"[[tool Bash {"command":"cat gate"}]]"#;
    api.say(&ada, &named(call));
    let held = gate.reached();
    let waits = api.say(&ada, &named("delete it all"));
    stage.host.stored();
    api.edit(&eve, waits, &named("delete it twice"));
    api.edit(&ada, waits, "do nothing");
    stage.host.stored();
    drop(held);
    stage.host.answer_in(GROUP, "echo: do nothing");
    stage.ask_as(&ada, &named("[[remember]]"), "remember turns=2");
    assert_eq!(told_before(&stage), [call, "do nothing"]);
}

#[test]
fn a_group_that_is_no_longer_allowed_is_not_gone_on_with() {
    let test = "a_group_that_is_no_longer_allowed_is_not_gone_on_with";
    let Some((mut stage, ada, _)) = stage(test) else {
        return;
    };
    stage.host.sessions = "stop_grace = \"1s\"\nshutdown_grace = \"0s\"\n".to_owned();
    let chappe = stage.host.start();
    let gate = stage.gate("gate");
    let call = r#"[[tool Bash {"command":"cat gate"}]]"#;
    stage.host.api.say(&ada, &named(call));
    let held = gate.reached();
    stage.host.api.say(&ada, &named("and this"));
    stage.host.stored();
    assert_eq!(chappe.stop().code(), Some(0));
    drop(held);
    let before = (stage.host.texts_in(GROUP), stage.turns().len());
    stage.host.allowed_chats.clear();
    let chappe = stage.host.start();
    stage
        .host
        .api
        .say(&ada, &named("[[text is anybody there]]"));
    stage.ask("hello", "echo: hello");
    stage.host.stored();
    stage.host.delivered();
    // What the last one was told is the only thing that anybody was told since.
    assert_eq!(stage.turns().len(), before.1 + 1);
    assert_eq!(told_before(&stage), Vec::<String>::new());
    assert_eq!(stage.host.texts_in(GROUP), before.0);
    assert_eq!(stage.claudes().len(), 1);
    let open = "SELECT (SELECT count(*) FROM prompt WHERE state != 'closed')
        + (SELECT count(*) FROM inbox WHERE state = 'waiting')";
    assert_eq!(stage.host.count(open), 0);
    assert_eq!(chappe.stop().code(), Some(0));
    stage.nothing_runs();
}
