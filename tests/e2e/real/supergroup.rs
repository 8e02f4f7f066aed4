//! A group becomes a supergroup while Claude is at work there: the turn goes on, shown and asked about in the supergroup.

use chappe::loopback::botapi::{Person, Shown};
use serde_json::json;

use super::{Stage, kill_whole, until};
use crate::groups::{GROUP, named};

const SUPERGROUP: i64 = -1_000_100_200;
const ALWAYS: &str = "Always: git init *";

fn stage(test: &str) -> Option<(Stage, Person)> {
    let mut stage = Stage::new(test)?;
    stage.host.allowed_chats = vec![GROUP];
    stage.host.telegram = "reactions = false\n".to_owned();
    let ada = stage.host.person().in_chat(GROUP);
    Some((stage, ada))
}

/// Makes a supergroup of the group; `is_told` is whether the bot will be.
fn upgrade(stage: &Stage, is_told: bool) {
    let api = &stage.host.api;
    api.upgrade_group(GROUP, SUPERGROUP);
    if is_told {
        let bot = json!({"id": 1, "first_name": "Group"});
        api.push(json!({"message": {"message_id": 90, "from": bot, "date": 1,
            "chat": {"id": GROUP, "type": "group"}, "migrate_to_chat_id": SUPERGROUP}}));
    }
}

#[test]
fn a_turn_goes_on_in_the_supergroup_and_shows_what_it_does_there() {
    let test = "a_turn_goes_on_in_the_supergroup_and_shows_what_it_does_there";
    for is_told in [true, false] {
        let Some((stage, ada)) = stage(test) else {
            return;
        };
        let chappe = stage.host.start();
        let host = &stage.host;
        let gate = stage.gate("gate");
        let call = r#"[[tool Bash {"command":"cat gate"}]]"#;
        host.api.say(&ada, &named(call));
        let held = gate.reached();
        let old = host.answer_in(GROUP, "Running cat");
        host.delivered();
        upgrade(&stage, is_told);
        // Without a word of it the next change of the status is what is refused.
        let status = host.answer_in(SUPERGROUP, "Running cat");
        assert!(!status.buttons.is_empty());
        drop(held);
        host.answer_in(SUPERGROUP, "tool said:");
        host.says(SUPERGROUP, status.id, "✓ 1 tool");
        let there = ada.in_chat(SUPERGROUP);
        stage.ask_as(&there, &named("[[remember]]"), "remember turns=1");
        host.delivered();
        let statuses = host.texts_in(SUPERGROUP);
        let statuses = statuses.iter().filter(|text| text.contains("1 tool"));
        assert_eq!(statuses.count(), 1, "{:?}", host.texts_in(SUPERGROUP));
        assert_eq!(host.texts_in(GROUP).len(), 1, "{old:?}");
        assert_eq!(chappe.stop().code(), Some(0));
        stage.nothing_runs();
    }
}

#[test]
fn the_button_that_stops_a_turn_works_in_the_supergroup() {
    let Some((stage, ada)) = stage("the_button_that_stops_a_turn_works_in_the_supergroup") else {
        return;
    };
    let _chappe = stage.host.start();
    let host = &stage.host;
    let gate = stage.gate("gate");
    host.api
        .say(&ada, &named(r#"[[tool Bash {"command":"cat gate"}]]"#));
    let held = gate.reached();
    host.answer_in(GROUP, "Running cat");
    host.delivered();
    upgrade(&stage, true);
    let status = host.answer_in(SUPERGROUP, "Running cat");
    let there = ada.in_chat(SUPERGROUP);
    let press = host.press(&there, &status, "Stop");
    assert_eq!(host.toast(&press), "Stopping");
    host.says(SUPERGROUP, status.id, "✗ Stopped");
    drop(held);
    stage.ask_as(&there, &named("and now"), "echo: and now");
}

#[test]
fn what_is_asked_is_asked_again_there_and_what_was_allowed_is_not_shown_again() {
    let test = "what_is_asked_is_asked_again_there_and_what_was_allowed_is_not_shown_again";
    let Some((stage, ada)) = stage(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let host = &stage.host;
    let tools =
        r#"[[tool Bash {"command":"git init -q one"}]] [[tool Bash {"command":"touch made"}]]"#;
    host.api.say(&ada, &named(tools));
    let always = host.request_with(GROUP, ALWAYS);
    host.press(&ada, &always, ALWAYS);
    let allowed = host.says(GROUP, always.id, "✓ Allowed by Ada");
    assert!(!allowed.buttons.is_empty(), "it can be taken back");
    let asks = |chat| {
        host.wait("the request", |view| {
            let mut shown = view.from_bot(chat);
            let is_it = |shown: &&Shown| {
                shown.text.contains("wants to run\ntouch made") && !shown.buttons.is_empty()
            };
            shown.find(is_it).cloned()
        })
    };
    let old = asks(GROUP);
    host.delivered();
    upgrade(&stage, true);
    let request = asks(SUPERGROUP);
    assert_eq!(request.text, old.text);
    let there = ada.in_chat(SUPERGROUP);
    // A button that stayed behind decides nothing; nor does it elsewhere.
    let press = host.press(&ada, &old, "Allow once");
    let toast = host.toast(&press);
    assert!(toast.contains("Nothing was done"), "{toast}");
    assert!(!stage.folder().join("made").exists());
    host.press(&there, &request, "Allow once");
    host.says(SUPERGROUP, request.id, "✓ Allowed by Ada");
    host.answer_in(SUPERGROUP, "tool said:");
    assert!(stage.folder().join("made").exists());
    host.delivered();
    let again = host.texts_in(SUPERGROUP);
    assert!(
        again
            .iter()
            .all(|text| !text.contains("wants to run\ngit init")),
        "{again:?}"
    );
    // What was allowed for good is allowed there as well.
    stage.ask_as(
        &there,
        &named(r#"[[tool Bash {"command":"git init -q two"}]]"#),
        "tool said:",
    );
    until("no open request", || {
        let open = "SELECT count(*) FROM request WHERE state = 'open'";
        (host.count(open) == 0).then_some(())
    });
}

#[test]
fn a_turn_that_was_killed_goes_on_in_what_its_group_has_become_meanwhile() {
    let test = "a_turn_that_was_killed_goes_on_in_what_its_group_has_become_meanwhile";
    const WHOLE: &str = "The whole answer, from beginning to end.";
    for is_told in [true, false] {
        let Some((mut stage, ada)) = stage(test) else {
            return;
        };
        stage.host.sessions.push_str("retry_delay = \"50ms\"\n");
        let chappe = stage.host.start();
        let text = format!("[[stall x1]] [[chunk 8]] [[text {WHOLE}]]");
        stage.host.api.say(&ada, &named(&text));
        stage.host.answer_in(GROUP, "Writing");
        stage.host.delivered();
        stage.has_written("[[stall x1]]", 1);
        kill_whole(chappe);
        upgrade(&stage, is_told);
        let chappe = stage.host.start();
        stage.host.answer_in(SUPERGROUP, WHOLE);
        let there = ada.in_chat(SUPERGROUP);
        stage.ask_as(&there, &named("[[remember]]"), "remember turns=2");
        let told = stage.turns().pop().expect("there was a turn").texts;
        assert_eq!(told[0], text);
        assert!(told[1].starts_with("The connection was lost"), "{told:?}");
        stage.host.delivered();
        let answers = stage.host.texts_in(SUPERGROUP);
        // What Claude remembers holds the same words.
        let answers = answers.iter().filter(|text| text.as_str() == WHOLE);
        assert_eq!(answers.count(), 1, "{:?}", stage.host.texts_in(SUPERGROUP));
        assert_eq!(chappe.stop().code(), Some(0));
        stage.nothing_runs();
    }
}
