//! Claude asks questions with ready answers: what is chosen is what the model gets.

use super::Stage;
use crate::host::USER;

const COLOUR: &str = "Which colour should the button be?";
const FEATURES: &str = "Which features do you want?";

impl Stage {
    /// What the model was told of its questions, once the turn has ended.
    fn told_of_questions(&self) -> String {
        self.host.answer("tool said: ");
        self.told_by_tool().text
    }

    /// Checks that it was told these answers, once the turn has ended.
    fn answered(&self, expected: &[(&str, &str)]) {
        let (told, expected) = (self.told_of_questions(), answers(expected));
        assert!(told.contains(&expected), "{expected:?} is not in {told:?}");
        assert!(!self.told_by_tool().is_error);
    }
}

/// The answers as the CLI tells them to the model. What it says around them differs between versions, and where an answer is
/// none of the options.
fn answers(answers: &[(&str, &str)]) -> String {
    let answers: Vec<String> = answers
        .iter()
        .map(|(question, answer)| format!("\"{question}\"=\"{answer}\""))
        .collect();
    format!(" answered: {}. ", answers.join(", "))
}

#[test]
fn a_question_is_answered_by_one_press() {
    let Some(stage) = Stage::new("a_question_is_answered_by_one_press") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say("[[pre I have to know.]] [[ask]]");
    let request = stage.press(COLOUR, "Green");
    stage.answered(&[(COLOUR, "Green")]);
    let ended = stage.host.says(USER, request, "✓ Answered by Ada, ");
    assert!(ended.buttons.is_empty() && ended.text.contains("be? Green\n"));
    let before = stage.host.answer("I have to know.");
    assert!(before.id < request);
    stage.ask("and now", "echo: and now");
}

#[test]
fn questions_are_asked_in_bypass_too_and_several_options_are_chosen() {
    let name = "questions_are_asked_in_bypass_too_and_several_options_are_chosen";
    let Some(mut stage) = Stage::new(name) else {
        return;
    };
    stage.allow_all();
    let _chappe = stage.host.start();
    stage.say("[[ask2]]");
    let request = stage.press("(1 of 2)", "Red (Recommended)");
    for label in ["Tracing", "Metrics", "Logging"] {
        assert_eq!(stage.press("(2 of 2)", label), request);
        stage.button("(2 of 2)", &format!("✓ {label}"));
    }
    stage.press("(2 of 2)", "✓ Metrics");
    stage.button("(2 of 2)", "Metrics");
    stage.press("(2 of 2)", "Done");
    stage.answered(&[
        (COLOUR, "Red (Recommended)"),
        (FEATURES, "Logging, Tracing"),
    ]);
    stage.host.says(USER, request, "✓ Answered by Ada, ");
}

#[test]
fn a_reply_answers_in_ones_own_words() {
    let Some(stage) = Stage::new("a_reply_answers_in_ones_own_words") else {
        return;
    };
    let _chappe = stage.host.start();
    let ada = stage.host.person();
    stage.say("[[ask2]]");
    let (request, _) = stage.button("(1 of 2)", "Green");
    stage
        .host
        .api
        .reply(&ada, request, "as \"green\" as\ngrass");
    stage.press("(2 of 2)", "Tracing");
    stage.button("(2 of 2)", "✓ Tracing");
    stage.host.api.reply(&ada, request, "and sums");
    let own = "as \"green\" as\ngrass";
    stage.answered(&[(COLOUR, own), (FEATURES, "Tracing, and sums")]);
    stage.host.says(USER, request, "✓ Answered by Ada, ");
    stage.remembers(&["[[ask2]]"]);
}

#[test]
fn questions_that_are_declined_are_not_answered() {
    let Some(stage) = Stage::new("questions_that_are_declined_are_not_answered") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say("[[ask2]]");
    let request = stage.press("(1 of 2)", "Blue");
    stage.button("(2 of 2)", "Tracing");
    stage.press("(2 of 2)", "Decline");
    assert_eq!(stage.told_of_questions(), "The user declined to answer.");
    assert!(stage.told_by_tool().is_error);
    let ended = stage.host.says(USER, request, "✗ Declined by Ada, ");
    assert!(ended.buttons.is_empty(), "{ended:?}");
    stage.ask("and now", "echo: and now");
}

#[test]
fn a_question_is_withdrawn_when_its_turn_is_stopped() {
    let Some(stage) = Stage::new("a_question_is_withdrawn_when_its_turn_is_stopped") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say("[[ask2]]");
    let request = stage.press("(1 of 2)", "Blue");
    stage.button("(2 of 2)", "Tracing");
    stage.say("/stop");
    let ended = stage
        .host
        .says(USER, request, "✗ Withdrawn: the turn was stopped.");
    assert!(ended.buttons.is_empty(), "{ended:?}");
    stage.host.answer("✗ Stopped");
    stage.ask("and now", "echo: and now");
}

#[test]
fn a_question_whose_claude_is_killed_is_asked_again() {
    let Some(stage) = Stage::new("a_question_whose_claude_is_killed_is_asked_again") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say("[[ask2]]");
    let first = stage.press("(1 of 2)", "Blue");
    stage.button("(2 of 2)", "Tracing");
    stage.has_written("AskUserQuestion", 1);
    let claude = nix::unistd::Pid::from_raw(stage.claude());
    nix::sys::signal::kill(claude, nix::sys::signal::Signal::SIGKILL).expect("it runs");
    let ended = stage.host.says(USER, first, "✗ Expired");
    assert!(ended.buttons.is_empty(), "{ended:?}");
    let again = stage.press("(1 of 2)", "Green");
    assert!(again > first);
    stage.press("(2 of 2)", "Metrics");
    stage.button("(2 of 2)", "✓ Metrics");
    stage.press("(2 of 2)", "Done");
    stage.answered(&[(COLOUR, "Green"), (FEATURES, "Metrics")]);
}

#[test]
fn a_question_that_a_restart_cuts_off_is_asked_again() {
    let Some(stage) = Stage::new("a_question_that_a_restart_cuts_off_is_asked_again") else {
        return;
    };
    let chappe = stage.host.start();
    stage.say("[[ask]]");
    let (first, data) = stage.button(COLOUR, "Blue");
    stage.has_written("AskUserQuestion", 1);
    stage.host.delivered();
    drop(chappe);
    let _chappe = stage.host.start();
    let ended = stage.host.says(USER, first, "✗ Expired");
    assert!(ended.buttons.is_empty(), "{ended:?}");
    let again = stage.host.wait("the question again", |view| {
        let mut shown = view.from_bot(USER).filter(|shown| shown.id > first);
        let has_buttons = |shown: &&_| {
            let shown: &chappe::loopback::botapi::Shown = shown;
            shown.text.contains(COLOUR) && shown.buttons.len() > 2
        };
        shown.find(has_buttons).cloned()
    });
    let late = stage.host.api.press(&stage.host.person(), first, &data);
    assert!(
        stage
            .host
            .toast(&late)
            .starts_with("That question is over.")
    );
    let press = stage.host.press(&stage.host.person(), &again, "Green");
    assert_eq!(stage.host.toast(&press), "Answered");
    stage.answered(&[(COLOUR, "Green")]);
}

#[test]
fn each_option_says_what_it_means_and_something_else_is_a_reply_away() {
    let test = "each_option_says_what_it_means_and_something_else_is_a_reply_away";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let ada = stage.host.person();
    stage.say("[[ask2]]");
    let asked = stage.host.request_with(USER, "Something else…");
    let options =
        "• Red (Recommended): A warm colour\n• Green: A calm colour\n• Blue: A cold colour";
    assert_eq!(
        asked.text,
        format!("default asks\n{COLOUR} (1 of 2)\n{options}")
    );
    let press = stage.host.press(&ada, &asked, "Something else…");
    assert_eq!(stage.host.toast(&press), "Reply with your answer.");
    // The button alone decides nothing.
    let open = "SELECT count(*) FROM request WHERE state = 'open'";
    assert_eq!((stage.host.count(open), stage.turns().len()), (1, 1));
    // What would only agree to a request is an answer here.
    stage.host.api.reply(&ada, asked.id, "yes");
    let second = stage.host.says(USER, asked.id, "(2 of 2)");
    assert!(second.text.contains("be? yes\n"), "{second:?}");
    let options = "• Logging: Write logs\n• Metrics: Export metrics\n• Tracing: Trace requests";
    assert!(second.text.contains(options), "{second:?}");
    stage.press("(2 of 2)", "Logging");
    stage.button("(2 of 2)", "✓ Logging");
    let press = stage.host.press(&ada, &second, "Something else…");
    assert_eq!(stage.host.toast(&press), "Reply with your answer.");
    stage.host.api.reply(&ada, asked.id, "and sums");
    stage.answered(&[(COLOUR, "yes"), (FEATURES, "Logging, and sums")]);
    let ended = stage.host.says(USER, asked.id, "✓ Answered by Ada, ");
    assert!(ended.buttons.is_empty(), "{ended:?}");
    stage.remembers(&["[[ask2]]"]);
}
