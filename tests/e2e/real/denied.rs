//! A person says no, and why.

use super::Stage;
use crate::host::USER;

#[test]
fn a_reply_to_a_request_is_what_claude_hears() {
    let Some(stage) = Stage::new("a_reply_to_a_request_is_what_claude_hears") else {
        return;
    };
    let _chappe = stage.host.start();
    let ada = stage.host.person();
    stage.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let (request, _) = stage.button("touch made", "Deny");
    stage.host.api.reply(&ada, request, "sounds good, run it");
    stage.host.answer("Press a button to allow.");
    let open: Vec<String> = stage.read("SELECT state FROM request");
    assert_eq!(open, ["open"]);
    stage.host.api.reply(&ada, request, "not before the review");
    stage
        .host
        .answer("tool said: The user denied this: not before the review");
    let told = stage.told_by_tool();
    assert!(told.is_error, "{told:?}");
    assert!(!stage.folder().join("made").exists());
    stage.host.wait("the verdict", |view| {
        let shown = view.from_bot(USER).find(|shown| shown.id == request)?;
        let is_denied = shown.text.contains("✗ Denied by Ada, ")
            && shown.text.ends_with(": not before the review");
        (is_denied && shown.buttons.is_empty()).then_some(())
    });
    // It was no message for Claude beside that.
    let memory = stage.memory();
    assert_eq!(memory.len(), 1, "{memory:#?}");
}

#[test]
fn a_reply_that_agreed_is_what_claude_hears_once_it_is_changed() {
    let test = "a_reply_that_agreed_is_what_claude_hears_once_it_is_changed";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let ada = stage.host.person();
    stage.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let (request, _) = stage.button("touch made", "Deny");
    let reply = stage.host.api.reply(&ada, request, "yes");
    stage.host.answer("Press a button to allow.");
    stage.host.api.edit(&ada, reply, "yes, after the review");
    stage
        .host
        .answer("tool said: The user denied this: yes, after the review");
    assert!(!stage.folder().join("made").exists());
    let shown = stage.host.says(USER, request, "✗ Denied by Ada, ");
    assert!(shown.buttons.is_empty(), "{shown:?}");
    let memory = stage.memory();
    assert_eq!(memory.len(), 1, "{memory:#?}");
}
