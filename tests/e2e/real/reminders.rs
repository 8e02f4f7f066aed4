//! What nobody has decided for long is mentioned once more, and then never again.

use super::{CALLS_TOOL, Stage, until};
use crate::host::USER;

/// What Claude wants in the first session, and in another one.
const CALL: &str = r#"[[tool Bash {"command":"touch made"}]]"#;
const OTHER: &str = r#"[[tool Bash {"command":"touch other"}]]"#;

/// How it is mentioned.
const MENTION: &str = "default still waits for you: Bash touch made";
const MENTION_OF_OTHER: &str = "web still waits for you: Bash touch other";

/// A stage on which what waits is mentioned after so long.
fn set(stage: &mut Stage, after: &str) {
    stage.host.sessions = format!(
        "stop_grace = \"2s\"\nshutdown_grace = \"1s\"\n[limits]\nremind_after = \"{after}\"\n"
    );
}

/// Lets as much time pass as another mention of the first request would need: a later request is mentioned in it.
fn again_would_have_come(stage: &Stage) {
    stage.ask("/new web", "Session web is ready");
    stage.say(OTHER);
    stage.button("touch other", "Deny");
    stage.host.answer(MENTION_OF_OTHER);
    stage.host.delivered();
}

fn mentions(stage: &Stage) -> usize {
    let texts = stage.host.texts();
    texts.iter().filter(|text| *text == MENTION).count()
}

#[test]
fn what_waits_for_long_is_mentioned_once_and_never_again() {
    let Some(mut stage) = Stage::new("what_waits_for_long_is_mentioned_once_and_never_again")
    else {
        return;
    };
    set(&mut stage, "1s");
    let _chappe = stage.host.start();
    stage.say(CALL);
    let (request, _) = stage.button("touch made", "Allow once");
    let mention = stage.host.answer(MENTION);
    assert!(mention.id > request && !mention.silent, "{mention:?}");
    again_would_have_come(&stage);
    assert_eq!(mentions(&stage), 1, "{:?}", stage.host.texts());
    // What it mentions can be decided still.
    stage.press("touch made", "Allow once");
    stage.host.says(USER, request, "✓ Allowed by Ada, ");
    until("the file", || {
        stage.folder().join("made").exists().then_some(())
    });
    stage.press("touch other", "Deny");
    stage.host.answer("tool said: The user denied this.");
}

#[test]
fn what_a_restart_has_ended_is_not_mentioned() {
    let Some(mut stage) = Stage::new("what_a_restart_has_ended_is_not_mentioned") else {
        return;
    };
    set(&mut stage, "1h");
    let chappe = stage.host.start();
    stage.say(CALL);
    let (request, _) = stage.button("touch made", "Allow once");
    stage.host.delivered();
    stage.has_written(CALLS_TOOL, 1);
    assert_eq!(chappe.stop().code(), Some(0));
    set(&mut stage, "1s");
    let _chappe = stage.host.start();
    stage
        .host
        .says(USER, request, "✗ Expired: I was restarted.");
    // It is asked again, and that is what is mentioned.
    let (again, _) = stage.button("touch made", "Allow once");
    assert!(again > request);
    let mention = stage.host.answer(MENTION);
    assert!(mention.id > again, "{mention:?}");
    again_would_have_come(&stage);
    assert_eq!(mentions(&stage), 1, "{:?}", stage.host.texts());
}
