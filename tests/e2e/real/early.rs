//! A reply, or a press, is faster than Telegram's word under which number a request arrived. A reply decides that request, or
//! it is a message like any other; it never allows anything.

use super::{Stage, until};
use crate::host::{Chappe, USER};
use chappe::loopback::botapi::{Fault, Shown, Trouble};

/// What Claude wants to be allowed.
const CALL: &str = r#"[[tool Bash {"command":"touch made"}]]"#;

/// The tool before it, at which nothing of the request is on its way yet.
const GATE: &str = r#"[[tool Bash {"command":"cat gate"}]]"#;

const OVER: &str = "That request is over. Your press changed nothing.";

/// Has Claude ask for something, and keeps back Telegram's answer to the message that shows it.
fn unanswered(stage: &Stage, asks: &str, label: &str) -> (Chappe, Shown) {
    let chappe = stage.host.start();
    let gate = stage.gate("gate");
    stage.say(&format!("{GATE} {asks}"));
    let held = gate.reached();
    // Its message is there, and is only changed from now on: the next new one is the request.
    stage.status("Running");
    stage.host.delivered();
    stage.host.api.fault(Fault {
        method: "sendMessage",
        chat: Some(USER),
        times: 1,
        what: Trouble::HangAfter,
    });
    drop(held);
    (chappe, stage.host.request_with(USER, label))
}

fn reply(stage: &Stage, to: &Shown, text: &str) {
    stage.host.api.reply(&stage.host.person(), to.id, text);
}

/// Waits until a request was decided like this, and Claude was told, while Telegram still says nothing.
fn is_told(stage: &Stage, state: &str) {
    let told = format!("SELECT count(*) FROM request WHERE state = '{state}' AND told = 1");
    until("the decision", || {
        (stage.host.count(&told) == 1).then_some(())
    });
    stage.host.api.clear_faults();
}

/// Checks that no button is left, and that Claude was given nothing but the one prompt.
fn was_no_message(stage: &Stage, asks: &str) {
    stage.host.delivered();
    let shown = stage.host.api.messages(USER);
    assert!(shown.iter().all(|shown| shown.buttons.is_empty()));
    stage.remembers(&[&format!("{GATE} {asks}")]);
}

#[test]
fn a_reply_with_a_reason_denies_the_request_that_has_just_arrived() {
    let test = "a_reply_with_a_reason_denies_the_request_that_has_just_arrived";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let (_chappe, request) = unanswered(&stage, CALL, "Deny");
    reply(&stage, &request, "not before the review");
    is_told(&stage, "denied");
    stage.host.says(USER, request.id, "✗ Denied by Ada, ");
    stage
        .host
        .answer("tool said: The user denied this: not before the review");
    assert!(stage.told_by_tool().is_error);
    assert!(!stage.folder().join("made").exists());
    was_no_message(&stage, CALL);
}

#[test]
fn a_reply_that_only_agrees_with_a_request_that_has_just_arrived_allows_nothing() {
    let test = "a_reply_that_only_agrees_with_a_request_that_has_just_arrived_allows_nothing";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let (_chappe, request) = unanswered(&stage, CALL, "Deny");
    reply(&stage, &request, "ok");
    stage.host.stored();
    let open = "SELECT count(*) FROM request WHERE state = 'open'";
    assert_eq!(stage.host.count(open), 1);
    stage.host.api.clear_faults();
    stage.host.answer("Press a button to allow.");
    assert_eq!(stage.host.count(open), 1);
    let press = stage
        .host
        .press(&stage.host.person(), &request, "Allow once");
    assert_eq!(stage.host.toast(&press), "Allowed");
    stage.host.answer("tool said:");
    assert!(stage.folder().join("made").exists());
    // Nobody could know that it had arrived, so it may stand there a second time; that one does nothing.
    stage.host.delivered();
    for shown in stage.host.api.messages(USER) {
        if !shown.buttons.is_empty() {
            let late = stage.host.press(&stage.host.person(), &shown, "Deny");
            assert_eq!(stage.host.toast(&late), OVER);
        }
    }
    stage.remembers(&[&format!("{GATE} {CALL}")]);
}

#[test]
fn a_reply_answers_the_question_that_has_just_arrived() {
    let Some(stage) = Stage::new("a_reply_answers_the_question_that_has_just_arrived") else {
        return;
    };
    let (_chappe, request) = unanswered(&stage, "[[ask]]", "Decline");
    reply(&stage, &request, "as green as grass");
    is_told(&stage, "allowed");
    stage.host.says(USER, request.id, "✓ Answered by Ada, ");
    let answer = "\"Which colour should the button be?\"=\"as green as grass\"";
    stage.host.answer(answer);
    assert!(!stage.told_by_tool().is_error);
    was_no_message(&stage, "[[ask]]");
}

#[test]
fn a_reply_sends_back_the_plan_that_has_just_arrived() {
    let test = "a_reply_sends_back_the_plan_that_has_just_arrived";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.set_claude("permission_mode = \"plan\"");
    let (_chappe, plan) = unanswered(&stage, "[[plan]]", "Revise");
    reply(&stage, &plan, "use tabs");
    is_told(&stage, "denied");
    let shown = stage.host.says(USER, plan.id, "✗ Sent back by Ada, ");
    assert!(shown.text.ends_with(": use tabs"), "{shown:?}");
    stage.host.answer("What should be different: use tabs");
    assert!(stage.told_by_tool().is_error);
    was_no_message(&stage, "[[plan]]");
}

#[test]
fn a_reply_to_a_request_that_was_stopped_before_it_arrived_is_a_message() {
    let test = "a_reply_to_a_request_that_was_stopped_before_it_arrived_is_a_message";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let (_chappe, request) = unanswered(&stage, CALL, "Deny");
    stage.say("/stop");
    until("the end of the request", || {
        let over = "SELECT count(*) FROM request WHERE state = 'withdrawn'";
        (stage.host.count(over) == 1).then_some(())
    });
    // It asks again, and that is not on its way yet: the reply is not for it.
    reply(&stage, &request, CALL);
    let open = "SELECT count(*) FROM request WHERE state = 'open'";
    until("the next request", || {
        (stage.host.count(open) == 1).then_some(())
    });
    reply(&stage, &request, "and be quick");
    stage.host.stored();
    assert_eq!(stage.host.count(open), 1);
    stage.host.api.clear_faults();
    let next = stage.host.wait("the next request", |view| {
        let mut below = view.from_bot(USER).filter(|shown| shown.id > request.id);
        below
            .find(|shown| shown.text.contains("wants to run"))
            .cloned()
    });
    // Nobody knows under which number the first one stands there, so it keeps its buttons.
    let ada = stage.host.person();
    let late = stage.host.press(&ada, &request, "Allow once");
    assert_eq!(stage.host.toast(&late), OVER);
    assert!(!stage.folder().join("made").exists());
    stage.host.press(&ada, &next, "Allow once");
    stage.host.answer("tool said:");
    stage.host.answer("echo: and be quick");
    assert!(stage.folder().join("made").exists());
    stage.remembers(&[&format!("{GATE} {CALL}"), CALL, "and be quick"]);
}

#[test]
fn who_has_pressed_below_a_question_that_has_just_arrived_is_not_asked_it_again() {
    let test = "who_has_pressed_below_a_question_that_has_just_arrived_is_not_asked_it_again";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let (_chappe, asked) = unanswered(&stage, "[[ask2]]", "Decline");
    let press = stage.host.press(&stage.host.person(), &asked, "Green");
    assert_eq!(stage.host.toast(&press), "Noted");
    // Telegram never says that it has it: the press has said so.
    stage.host.api.clear_faults();
    assert_eq!(stage.press("(2 of 2)", "Tracing"), asked.id);
    stage.button("(2 of 2)", "✓ Tracing");
    stage.press("(2 of 2)", "Done");
    let ended = stage.host.says(USER, asked.id, "✓ Answered by Ada, ");
    assert!(ended.buttons.is_empty());
    stage.host.answer("tool said: ");
    stage.host.delivered();
    let shown = stage.host.api.messages(USER).into_iter();
    let asked: Vec<_> = shown
        .filter(|shown| shown.text.starts_with("default ask"))
        .collect();
    assert_eq!(asked.len(), 1, "{asked:?}");
    was_no_message(&stage, "[[ask2]]");
}
