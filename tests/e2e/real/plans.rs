//! Claude shows a plan, and a person says whether it starts.

use super::Stage;

/// What the request says.
const PLAN: &str = "has this plan and wants to start";

/// A host whose Claude plans first.
fn planning(test: &str) -> Option<Stage> {
    let mut stage = Stage::new(test)?;
    stage.set_claude("permission_mode = \"plan\"");
    // Without it, 2.1.330 has commands in plan mode judged by Anthropic instead of asking for them.
    stage.set_claude(r#"extra_args = ["--settings", '{"useAutoModeDuringPlan":false}']"#);
    Some(stage)
}

fn write(stage: &Stage, name: &str) -> String {
    let path = stage.folder().join(name);
    format!("[[tool Write {{\"file_path\":{path:?},\"content\":\"x\"}}]]")
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
    stage.press(PLAN, "Approve, and accept edits");
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
