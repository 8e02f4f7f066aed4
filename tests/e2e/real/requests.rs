//! What Claude wants to be allowed.

use super::Stage;
use crate::host::USER;

#[test]
fn a_tool_runs_when_it_is_allowed() {
    let Some(stage) = Stage::new("a_tool_runs_when_it_is_allowed") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say(
        r#"[[pre I need to make a file.]] [[tool Bash {"command":"touch made && echo done"}]]"#,
    );
    let request = stage.press("touch made && echo done", "Allow once");
    let answer = stage.host.answer("tool said: done");
    assert!(stage.folder().join("made").exists());
    stage.host.wait("the verdict", |view| {
        let shown = view.from_bot(USER).find(|shown| shown.id == request)?;
        (shown.text.ends_with("✓ Allowed by Ada") && shown.buttons.is_empty()).then_some(())
    });
    let before = stage.host.answer("I need to make a file.");
    assert!(before.id < request && request < answer.id);
}

#[test]
fn a_tool_does_not_run_when_it_is_denied() {
    let Some(stage) = Stage::new("a_tool_does_not_run_when_it_is_denied") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = stage.press("touch made", "Deny");
    stage.host.answer("tool said: The user denied this.");
    assert!(!stage.folder().join("made").exists());
    let told = stage.told_by_tool();
    assert!(told.is_error, "{told:?}");
    stage.host.wait("the verdict", |view| {
        let shown = view.from_bot(USER).find(|shown| shown.id == request)?;
        (shown.text.ends_with("✗ Denied by Ada") && shown.buttons.is_empty()).then_some(())
    });
    stage.ask("and now", "echo: and now");
}

#[test]
fn a_plan_is_shown_whole_and_approved() {
    let Some(mut stage) = Stage::new("a_plan_is_shown_whole_and_approved") else {
        return;
    };
    stage.set_claude("permission_mode = \"plan\"");
    // Without it, 2.1.330 has commands in plan mode judged by Anthropic instead of asking for them.
    stage.set_claude(r#"extra_args = ["--settings", '{"useAutoModeDuringPlan":false}']"#);
    let _chappe = stage.host.start();
    stage.say(r#"[[tool Bash {"command":"touch early"}]]"#);
    stage.press("touch early", "Deny");
    stage.host.answer("tool said: The user denied this.");
    stage.say("[[plan]]");
    stage.press("has this plan and wants to start", "Approve");
    stage.host.answer("tool said: User has approved");
    let texts = stage.host.texts();
    let plan = texts
        .iter()
        .position(|text| text.contains("The plan"))
        .expect("the plan is shown");
    for line in ["Read a.txt", "Change b", "Run the tests"] {
        assert!(texts[plan].contains(line), "{texts:?}");
    }
    stage.ask("and now", "echo: and now");
}

#[test]
fn a_question_is_asked_in_plain_text() {
    let Some(stage) = Stage::new("a_question_is_asked_in_plain_text") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("[[ask]]", "Ask the question in plain text instead");
    let told = stage.told_by_tool();
    assert!(told.is_error, "{told:?}");
    let buttons = stage
        .host
        .api
        .messages(USER)
        .into_iter()
        .any(|shown| !shown.buttons.is_empty());
    assert!(!buttons, "{:?}", stage.host.texts());
    stage.ask("Green", "echo: Green");
}
