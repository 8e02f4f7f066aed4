//! Claude shows a plan, and a person says whether it starts.

use super::Stage;
use crate::host::USER;
use chappe::loopback::botapi::Shown;

/// What the request says.
const PLAN: &str = "has this plan and wants to start";

/// The buttons below it.
const BUTTONS: [&str; 3] = ["Approve", "Approve, and accept edits, rm, mv …", "Revise"];

/// To a press that comes too late.
const OVER: &str = "That request is over. Your press changed nothing.";

/// A host whose Claude plans first.
fn planning(test: &str) -> Option<Stage> {
    let mut stage = Stage::new(test)?;
    stage.set_claude("permission_mode = \"plan\"");
    Some(stage)
}

fn write(stage: &Stage, name: &str) -> String {
    let path = stage.folder().join(name);
    format!("[[tool Write {{\"file_path\":{path:?},\"content\":\"x\"}}]]")
}

/// Waits for a plan below the message `after`.
fn plan_below(stage: &Stage, after: i64) -> Shown {
    stage.host.wait("a plan with its buttons", |view| {
        let mut below = view.from_bot(USER).filter(|shown| shown.id > after);
        below
            .find(|shown| {
                let mut labels = shown.buttons.iter().flatten();
                labels.any(|(label, _)| label == "Revise")
            })
            .cloned()
    })
}

fn press(stage: &Stage, plan: &Shown, label: &str, toast: &str) {
    let press = stage.host.press(&stage.host.person(), plan, label);
    assert_eq!(stage.host.toast(&press), toast, "{label}");
}

/// Checks that no button of a plan does anything any more.
fn is_over(stage: &Stage, plan: &Shown) {
    for label in BUTTONS {
        press(stage, plan, label, OVER);
    }
}

/// Checks that a change of a file is asked about.
fn asks_before_edits(stage: &Stage, name: &str) {
    stage.say(&write(stage, name));
    stage.press(name, "Deny");
    stage.host.answer("tool said: The user denied this.");
    assert!(!stage.folder().join(name).exists());
}

fn mode(stage: &Stage) -> Vec<Option<String>> {
    stage.read("SELECT mode FROM session")
}

#[test]
fn a_plan_is_sent_back_by_a_reply_and_then_approved() {
    let Some(stage) = planning("a_plan_is_sent_back_by_a_reply_and_then_approved") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say("[[plan]]");
    let (request, _) = stage.button(PLAN, "Revise");
    let reply = |text| stage.host.api.reply(&stage.host.person(), request, text);
    reply("ok");
    stage.host.answer("Press a button to allow.");
    reply("use tabs");
    stage.host.answer("What should be different: use tabs");
    let told = stage.told_by_tool();
    assert!(told.is_error, "{told:?}");
    assert_eq!(mode(&stage), [None], "it plans still");

    stage.say("[[plan]] once more");
    stage.press(PLAN, "Approve");
    stage.host.answer("tool said: User has approved");
    // A plan that is approved brings back the mode before it, in which changes are asked about.
    stage.say(&write(&stage, "made"));
    stage.press("made", "Deny");
    stage.host.answer("tool said: The user denied this.");
    assert!(!stage.folder().join("made").exists());
}

#[test]
fn a_plan_is_approved_and_edits_are_accepted() {
    let Some(stage) = planning("a_plan_is_approved_and_edits_are_accepted") else {
        return;
    };
    let chappe = stage.host.start();
    stage.say("[[plan]]");
    let plan = stage.press(PLAN, "Approve, and accept edits, rm, mv …");
    let shown = stage.host.says(USER, plan, "✓ Approved by Ada, ");
    assert!(
        shown.buttons.is_empty()
            && shown.text.ends_with(
                ", always: edits and mkdir, touch, cp, mv, rm, rmdir, sed in this session"
            ),
        "{shown:?}"
    );
    stage.host.answer("tool said: User has approved");
    stage.ask(&write(&stage, "one"), "tool said:");
    assert!(stage.folder().join("one").exists());
    assert_eq!(mode(&stage), [Some("acceptEdits".to_owned())]);
    // What was on its way when it dies would be shown twice.
    stage.host.delivered();
    drop(chappe);
    let _chappe = stage.host.start();
    stage.ask(&write(&stage, "two"), "tool said:");
    assert!(stage.folder().join("two").exists());
    let asked: Vec<i64> = stage.read("SELECT count(*) FROM request");
    assert_eq!(asked, [1]);
}

#[test]
fn a_plan_that_is_to_be_different_comes_again_and_only_that_can_be_approved() {
    let test = "a_plan_that_is_to_be_different_comes_again_and_only_that_can_be_approved";
    let Some(stage) = planning(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let text = "[[plan]] [[plan 3]]";
    stage.say(text);
    let first = plan_below(&stage, 0);
    assert!(first.text.contains("Read a.txt"), "{first:?}");
    let toast = "Reply to the plan with what should be different.";
    press(&stage, &first, "Revise", toast);
    // The button alone decides nothing.
    let open = "SELECT count(*) FROM request WHERE state = 'open'";
    assert_eq!(stage.host.count(open), 1);
    let reply = "use tabs, and three steps";
    stage.host.api.reply(&stage.host.person(), first.id, reply);
    let shown = stage.host.says(USER, first.id, "✗ Sent back by Ada, ");
    assert!(
        shown.buttons.is_empty() && shown.text.ends_with(&format!(": {reply}")),
        "{shown:?}"
    );
    let second = plan_below(&stage, first.id);
    assert!(
        second.text.contains("Step 3 is done before") && !second.text.contains("Read a.txt"),
        "{second:?}"
    );
    let heard = format!("What should be different: {reply}");
    let turns = stage.turns();
    let mut told = turns.iter().filter_map(|turn| turn.tool_result.as_ref());
    assert!(told.any(|told| told.is_error && told.text.ends_with(&heard)));
    is_over(&stage, &first);
    assert_eq!(stage.host.count(open), 1, "the other one waits still");
    assert_eq!(mode(&stage), [None], "it plans still");
    press(&stage, &second, "Approve", "Approved");
    stage.host.answer("tool said: User has approved");
    let shown = stage.host.says(USER, second.id, "✓ Approved by Ada, ");
    assert!(shown.buttons.is_empty(), "{shown:?}");
    // What was to be different was no message beside that.
    stage.remembers(&[text]);
}

#[test]
fn presses_that_come_too_late_for_a_plan_change_nothing() {
    let Some(stage) = planning("presses_that_come_too_late_for_a_plan_change_nothing") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say("[[plan]]");
    let approved = plan_below(&stage, 0);
    press(&stage, &approved, "Approve", "Approved");
    is_over(&stage, &approved);
    stage.host.answer("tool said: User has approved");
    asks_before_edits(&stage, "one");
    is_over(&stage, &approved);

    stage.ask("/mode plan", "default is in plan from now on");
    stage.say("[[plan]] once more");
    let stopped = plan_below(&stage, approved.id);
    stage.say("/stop");
    let shown = stage
        .host
        .says(USER, stopped.id, "✗ Withdrawn: the turn was stopped");
    assert!(shown.buttons.is_empty(), "{shown:?}");
    is_over(&stage, &stopped);
    stage.ask("and now", "echo: and now");
    assert_eq!(mode(&stage), [Some("plan".to_owned())]);
    is_over(&stage, &stopped);
    stage.ask("/mode default", "default is in default from now on");
    asks_before_edits(&stage, "two");
    let granted = stage.host.count("SELECT count(*) FROM granted");
    assert_eq!(granted, 0);
}

#[test]
fn a_long_plan_is_shown_whole_as_messages_or_as_a_file() {
    let Some(stage) = planning("a_long_plan_is_shown_whole_as_messages_or_as_a_file") else {
        return;
    };
    let _chappe = stage.host.start();
    let is_whole = |text: &str, steps: usize| {
        let mut rest = text;
        for step in 1..=steps {
            let words = format!("Step {step} is done before the next one.");
            let at = rest.find(&words);
            let at = at.unwrap_or_else(|| panic!("step {step} is missing in {text}"));
            rest = &rest[at + words.len()..];
        }
        assert_eq!(text.matches("is done before").count(), steps, "{text}");
    };
    stage.say("[[chunk 4000]] [[plan 300]]");
    let plan = plan_below(&stage, 0);
    let says = format!("default {PLAN} in {}.", stage.folder().display());
    assert_eq!(plan.text, says);
    // All of it stands above, and in order.
    let above = stage.host.api.messages(USER).into_iter();
    let above = above.filter(|shown| shown.from_bot && shown.id < plan.id);
    let above: Vec<String> = above.map(|shown| shown.text).collect();
    assert!(above.len() > 2, "{above:?}");
    is_whole(&above.join("\n"), 300);
    press(&stage, &plan, "Approve", "Approved");
    stage.host.answer("tool said: User has approved");

    stage.ask("/mode plan", "default is in plan from now on");
    stage.say("[[chunk 4000]] [[plan 2500]]");
    let second = plan_below(&stage, plan.id);
    let begins = "It begins above; all of it stands in the file.";
    assert_eq!(second.text, format!("{says} {begins}"));
    let above = stage.host.api.messages(USER);
    let mut above = above.iter().filter(|shown| shown.id < second.id);
    let file = above.next_back().expect("there is something above it");
    let file = file.attachment.as_ref().expect("it is a file");
    assert_eq!(file.file_name, "plan.md");
    let bytes = stage.host.api.file(&file.file_id).expect("it was sent");
    is_whole(&String::from_utf8(bytes).expect("it is a text"), 2500);
    press(&stage, &second, "Approve", "Approved");
    stage.host.says(USER, second.id, "✓ Approved by Ada, ");
}

#[test]
fn a_plan_without_a_text_says_so_and_waits_for_a_person() {
    let Some(stage) = planning("a_plan_without_a_text_says_so_and_waits_for_a_person") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say("[[tool ExitPlanMode {}]]");
    let plan = plan_below(&stage, 0);
    assert!(plan.text.contains("sent no text of it"), "{}", plan.text);
    press(&stage, &plan, "Approve", "Approved");
    stage.host.answer("tool said: User has approved");
}

#[test]
fn a_plan_that_is_only_approved_asks_before_edits_whatever_was_chosen_before_it() {
    let test = "a_plan_that_is_only_approved_asks_before_edits_whatever_was_chosen_before_it";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.set_claude("permission_mode = \"acceptEdits\"");
    let _chappe = stage.host.start();
    stage.ask(&write(&stage, "before"), "tool said:");
    stage.ask("/mode plan", "default is in plan from now on");
    // In the same turn, and in the next one.
    stage.say(&format!("[[plan]] {}", write(&stage, "within")));
    let plan = plan_below(&stage, 0);
    press(&stage, &plan, "Approve", "Approved");
    stage.press("within", "Deny");
    stage.host.answer("tool said: The user denied this.");
    assert!(!stage.folder().join("within").exists());
    asks_before_edits(&stage, "after");
    assert_eq!(mode(&stage), [Some("default".to_owned())]);
    stage.ask("/mode", "default");
}
