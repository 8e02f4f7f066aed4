//! When the API fails.

use chappe::loopback::botapi::Shown;

use super::{Stage, until};
use crate::host::USER;

#[test]
fn the_status_shows_that_the_api_is_tried_again() {
    let Some(stage) = Stage::new("the_status_shows_that_the_api_is_tried_again") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say("[[error 500 x3]] [[text recovered]]");
    stage.host.wait("a status with the attempts", |view| {
        let mut shown = view.from_bot(USER);
        shown
            .find(|shown| {
                shown
                    .text
                    .contains("Anthropic has a problem, trying again (")
            })
            .map(drop)
    });
    stage.host.answer("recovered");
}

/// The labels of a message's buttons.
fn labels(shown: &Shown) -> Vec<&str> {
    let buttons = shown.buttons.iter().flatten();
    buttons.map(|(label, _)| label.as_str()).collect()
}

#[test]
fn an_overloaded_api_pauses_the_turn_and_a_press_tries_again() {
    let Some(stage) = Stage::new("an_overloaded_api_pauses_the_turn_and_a_press_tries_again")
    else {
        return;
    };
    let _chappe = stage.host.start();
    // The CLI itself tries three times.
    let text = "[[error 529 x3]] [[text recovered]]";
    stage.say(text);
    let notice = stage.host.answer("I try again in 1 min");
    assert!(notice.text.starts_with("⚠ "), "{}", notice.text);
    assert_eq!(labels(&notice), ["Try now", "Drop"]);
    let claude = stage.claude();
    stage.host.delivered();
    let press = stage.host.press(&stage.host.person(), &notice, "Try now");
    assert_eq!(stage.host.toast(&press), "Trying again.");
    stage.host.answer("recovered");
    assert!(
        stage
            .host
            .says(USER, notice.id, "Trying again.")
            .buttons
            .is_empty()
    );
    assert_eq!(stage.claude(), claude);
    // It is asked to go on with what it knows, and not given it anew.
    stage.went_on_with(text);
}

#[test]
fn a_login_that_is_refused_is_told_with_what_helps() {
    let Some(stage) = Stage::new("a_login_that_is_refused_is_told_with_what_helps") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say("[[error 401 x1]] [[text recovered]]");
    let notice = stage.host.answer("Log in on the host");
    assert_eq!(labels(&notice), ["Try again", "Drop"]);
    stage.host.delivered();
    let press = stage.host.press(&stage.host.person(), &notice, "Try again");
    assert_eq!(stage.host.toast(&press), "Trying again.");
    stage.host.answer("recovered");
}

#[test]
fn a_prompt_that_is_too_long_is_told_with_what_helps() {
    let Some(stage) = Stage::new("a_prompt_that_is_too_long_is_told_with_what_helps") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say("[[error 413]]");
    let notice = stage.host.answer("Send /compact to make room");
    assert_eq!(labels(&notice), ["Try again", "Drop"]);
    stage.ask("after", "echo: after");
}

#[test]
fn the_limit_of_steps_offers_to_go_on() {
    let Some(mut stage) = Stage::new("the_limit_of_steps_offers_to_go_on") else {
        return;
    };
    stage.set_claude("max_turns = 1");
    let _chappe = stage.host.start();
    stage.say(r#"[[pre First I look.]] [[tool Bash {"command":"ls"}]] [[text I have looked.]]"#);
    let offer = stage.host.answer("The limit of steps");
    assert_eq!(labels(&offer), ["Go on"]);
    let press = stage.host.press(&stage.host.person(), &offer, "Go on");
    assert_eq!(stage.host.toast(&press), "Going on.");
    stage.host.answer("I have looked.");
}

#[test]
fn a_conversation_that_is_gone_is_begun_anew_only_by_a_press() {
    let Some(stage) = Stage::new("a_conversation_that_is_gone_is_begun_anew_only_by_a_press")
    else {
        return;
    };
    let chappe = stage.host.start();
    stage.ask("hello", "echo: hello");
    stage.host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    let projects = stage.host.folder.path().join("claude/projects");
    std::fs::remove_dir_all(projects).expect("Claude has kept the conversation there");

    let _chappe = stage.host.start();
    stage.say("are you there");
    let notice = stage.host.answer("I can't bring default back");
    assert_eq!(labels(&notice), ["Try again", "Start fresh", "Drop"]);
    let press = stage
        .host
        .press(&stage.host.person(), &notice, "Start fresh");
    assert_eq!(stage.host.toast(&press), "Started fresh.");
    stage.host.answer("echo: are you there");
}

#[test]
fn what_was_put_into_a_turn_that_fails_and_fails_as_well_is_tried_again_with_it() {
    let test = "what_was_put_into_a_turn_that_fails_and_fails_as_well_is_tried_again_with_it";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let (first, second) = (
        "[[wait 1500]] [[error 529 x3]] [[text the first]]",
        "[[error 529 x3]] [[text the second]]",
    );
    stage.say(first);
    stage.host.answer("trying again (");
    stage.say(&format!("/steer {second}"));
    let notice = stage.host.answer("I try again in 1 min");
    let failed = "SELECT count(*) FROM prompt WHERE outcome = 'failed'";
    until("the failure of both", || {
        (stage.host.count(failed) == 2).then_some(())
    });
    stage.host.delivered();
    let press = stage.host.press(&stage.host.person(), &notice, "Try now");
    assert_eq!(stage.host.toast(&press), "Trying again.");
    stage.host.answer("the second");
    let last = stage.turns().pop().expect("there was a turn");
    let asked = last.last_text().expect("it was said");
    assert!(asked.contains(first) && asked.contains(second), "{asked}");
    stage.host.delivered();
    let waiting = "SELECT count(*) FROM hold";
    assert_eq!(stage.host.count(waiting), 0);
}

#[test]
fn what_is_tried_again_by_itself_is_neither_put_away_nor_left_without_its_conversation() {
    let test =
        "what_is_tried_again_by_itself_is_neither_put_away_nor_left_without_its_conversation";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say("[[error 529 x3]] [[text recovered]]");
    stage.host.answer("I try again in 1 min");
    stage.ask("/clear", "default is at work, so it was not cleared.");
    stage.ask("/archive", "default has something unfinished");
    stage.say("/stop");
    stage.host.answer("Stopped. Not tried again.");
    stage.ask("/clear", "default begins a new conversation.");
    stage.ask("hello", "echo: hello");
    stage.remembers(&["hello"]);
}
