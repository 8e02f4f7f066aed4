//! Ends in the middle of a turn, by whatever hand.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{CALLS_TOOL, Stage, until};
use crate::host::USER;

/// Runs until the gate is opened, and nobody is asked about it.
const SLOW: &str = r#"[[tool Bash {"command":"cat gate"}]]"#;

/// A stage on which a stop does not wait for long.
fn impatient(test: &str) -> Option<Stage> {
    let mut stage = Stage::new(test)?;
    stage.host.sessions = "stop_grace = \"5s\"\nshutdown_grace = \"1s\"\n".to_owned();
    Some(stage)
}

#[test]
fn an_end_of_chappe_in_the_middle_of_a_tool_leaves_nothing_behind() {
    let Some(stage) = impatient("an_end_of_chappe_in_the_middle_of_a_tool_leaves_nothing_behind")
    else {
        return;
    };
    let chappe = stage.host.start();
    let gate = stage.gate("gate");
    // The one half has a session of its own, which no signal to Claude's group reaches.
    let text = r#"[[tool Bash {"command":"setsid sleep 600 & cat gate"}]]"#;
    stage.say(text);
    stage.press("cat gate", "Allow once");
    let _running = gate.reached();
    stage.has_written(CALLS_TOOL, 1);
    assert_eq!(chappe.stop().code(), Some(0));
    stage.nothing_runs();
    let chappe = stage.host.start();
    stage.host.answer("I was restarted in the middle of this");
    // What was allowed once was allowed once.
    stage.press("cat gate", "Allow once");
    stage.host.answer("tool said: ");
    stage.went_on_with(text);
    // The CLI has written down that the user wanted it to stop.
    let told = "What told you to stop and wait holds no longer.";
    let asked = stage
        .turns()
        .pop()
        .expect("there was a turn")
        .texts
        .remove(1);
    assert!(asked.contains(told), "{asked}");
    assert_eq!(chappe.stop().code(), Some(0));
    stage.nothing_runs();
}

#[test]
fn after_a_crash_of_chappe_there_is_never_more_than_one_claude() {
    let Some(stage) = impatient("after_a_crash_of_chappe_there_is_never_more_than_one_claude")
    else {
        return;
    };
    let chappe = stage.host.start();
    let gate = stage.gate("gate");
    stage.say(SLOW);
    let _running = gate.reached();
    stage.has_written(CALLS_TOOL, 1);
    chappe.crash();
    let left = stage.processes();
    assert!(left.contains(&stage.claude()) && left.len() > 1, "{left:?}");
    let mut chappe = None;
    let most = stage.most_claudes(|| {
        chappe = Some(stage.host.start());
        stage.host.answer("I was restarted in the middle of this");
        stage.host.answer("tool said: ");
        stage.went_on_with(SLOW);
    });
    assert_eq!(most, 1);
    stage.none_runs(&left);
}

#[test]
fn a_request_that_outlives_chappe_expires_and_is_asked_anew() {
    let Some(stage) = impatient("a_request_that_outlives_chappe_expires_and_is_asked_anew") else {
        return;
    };
    let chappe = stage.host.start();
    let text = r#"[[tool Bash {"command":"touch made"}]]"#;
    stage.say(text);
    let (message, data) = stage.button("touch made", "Allow once");
    // Before that it would not know what it has sent.
    until("the request's message in the store", || {
        let shown = "SELECT message FROM outbox WHERE lane = 1 AND state = 'delivered'";
        stage.read::<i64>(shown).contains(&message).then_some(())
    });
    chappe.crash();
    // Nobody can answer it any more, so it refuses the request itself and ends with its turn.
    until("end of the former claude", || {
        stage.claudes().is_empty().then_some(())
    });
    let _chappe = stage.host.start();
    stage.host.wait("the end of the request", |view| {
        let shown = view.from_bot(USER).find(|shown| shown.id == message)?;
        (shown.text.contains("Expired") && shown.buttons.is_empty()).then_some(())
    });
    let press = stage.host.api.press(&stage.host.person(), message, &data);
    let toast = stage
        .host
        .wait("an answer to the press", |view| view.toast(&press).cloned());
    assert!(toast.text.contains("That request is over"), "{toast:?}");
    let anew = stage.press("touch made", "Allow once");
    assert_ne!(anew, message);
    stage.host.answer("tool said: ");
    assert!(stage.folder().join("made").exists());
    let memory = stage.memory();
    assert_eq!(memory.len(), 2, "{memory:#?}");
    assert_eq!(memory[0], text);
    // The CLI had refused it in nobody's name, and so Claude is told.
    let told = "came from a restart, not from the user.";
    assert!(memory[1].contains(told), "{memory:#?}");
}

#[test]
fn when_claude_is_killed_it_is_told_and_the_turn_goes_on() {
    let Some(stage) = Stage::new("when_claude_is_killed_it_is_told_and_the_turn_goes_on") else {
        return;
    };
    let chappe = stage.host.start();
    let gate = stage.gate("gate");
    stage.say(SLOW);
    let _running = gate.reached();
    let former = chappe.descendants();
    assert!(former.len() > 1, "no tool runs: {former:?}");
    stage.has_written(CALLS_TOOL, 1);
    kill(Pid::from_raw(stage.claude()), Signal::SIGKILL).expect("it lives");
    stage
        .host
        .answer("Claude stopped unexpectedly (signal 9, SIGKILL)");
    stage.host.answer("tool said: ");
    stage.none_runs(&former);
    stage.went_on_with(SLOW);
}
