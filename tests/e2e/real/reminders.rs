//! What nobody has decided for long is mentioned once more, and then never again.

use chappe::loopback::botapi::{Fault, Trouble};

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
    times(stage, MENTION)
}

/// How often something was said.
fn times(stage: &Stage, words: &str) -> usize {
    let texts = stage.host.texts();
    texts.iter().filter(|text| *text == words).count()
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

#[test]
fn a_question_that_waits_is_mentioned_once_and_answered_below_that() {
    let test = "a_question_that_waits_is_mentioned_once_and_answered_below_that";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    set(&mut stage, "1s");
    let _chappe = stage.host.start();
    stage.say("[[ask]]");
    let (question, _) = stage.button("Which colour should the button be?", "Green");
    let words = "default still waits for you: its question Which colour should the button be?";
    let mention = stage.host.answer(words);
    assert!(mention.id > question && !mention.silent, "{mention:?}");
    assert!(mention.buttons.is_empty(), "{mention:?}");
    again_would_have_come(&stage);
    assert_eq!(times(&stage, words), 1, "{:?}", stage.host.texts());
    let ada = stage.host.person();
    stage.host.api.reply(&ada, mention.id, "as green as grass");
    stage.host.says(USER, question, "✓ Answered by Ada, ");
    stage.host.answer("=\"as green as grass\"");
    let turns = stage.turns();
    let mut told = turns.iter().filter_map(|turn| turn.tool_result.as_ref());
    assert!(told.any(|told| !told.is_error && told.text.contains("as green as grass")));
    stage.press("touch other", "Deny");
    stage.host.answer("tool said: The user denied this.");
}

#[test]
fn a_plan_that_waits_is_mentioned_once_and_sent_back_below_that() {
    let test = "a_plan_that_waits_is_mentioned_once_and_sent_back_below_that";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    set(&mut stage, "1s");
    stage.set_claude("permission_mode = \"plan\"");
    let _chappe = stage.host.start();
    stage.say("[[plan]]");
    let (plan, _) = stage.button("has this plan and wants to start", "Approve");
    let words = "default still waits for you: its plan";
    let mention = stage.host.answer(words);
    assert!(mention.id > plan && !mention.silent, "{mention:?}");
    again_would_have_come(&stage);
    assert_eq!(times(&stage, words), 1, "{:?}", stage.host.texts());
    let ada = stage.host.person();
    stage.host.api.reply(&ada, mention.id, "use tabs");
    let sent_back = stage.host.says(USER, plan, "✗ Sent back by Ada, ");
    assert!(sent_back.buttons.is_empty() && sent_back.text.ends_with(": use tabs"));
    stage.host.answer("What should be different: use tabs");
    stage.press("touch other", "Deny");
    stage.host.answer("tool said: The user denied this.");
}

#[test]
fn what_is_decided_before_its_mention_could_be_sent_is_not_mentioned() {
    let test = "what_is_decided_before_its_mention_could_be_sent_is_not_mentioned";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    set(&mut stage, "3s");
    let _chappe = stage.host.start();
    stage.say(CALL);
    let (request, _) = stage.button("touch made", "Allow once");
    stage.host.delivered();
    stage.host.api.fault(Fault {
        method: "sendMessage",
        chat: Some(USER),
        times: 1,
        what: Trouble::RetryAfter(4),
    });
    stage.host.wait("the mention, which is put off", |view| {
        let mut sent = view.calls_of("sendMessage");
        sent.any(|call| call.status == Some(429)).then_some(())
    });
    stage.press("touch made", "Allow once");
    stage.host.says(USER, request, "✓ Allowed by Ada, ");
    // All that comes after it is sent, and it is not.
    stage.host.answer("tool said:");
    stage.ask("and now", "echo: and now");
    stage.host.delivered();
    assert_eq!(mentions(&stage), 0, "{:?}", stage.host.texts());
}
