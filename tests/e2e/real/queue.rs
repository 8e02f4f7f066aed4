//! What waits behind a turn, with the actual CLI: it is changed, sent into the turn, or dropped, and Claude gets what was
//! decided and nothing else.

use super::Stage;
use crate::host::Chappe;

/// Starts chappe, and has Claude come to a tool that is held up; returns what holds it.
fn in_a_tool(stage: &mut Stage) -> (Chappe, impl Drop + use<>) {
    stage.allow_all();
    let chappe = stage.host.start();
    let gate = stage.gate("gate");
    stage.say(r#"[[tool Bash {"command":"cat gate"}]]"#);
    let held = gate.reached();
    stage.status("Running");
    (chappe, held)
}

/// How often Claude knows of a text.
fn known(stage: &Stage, text: &str) -> usize {
    let memory = stage.memory();
    memory.iter().map(|one| one.matches(text).count()).sum()
}

#[test]
fn a_waiting_message_is_given_as_it_was_changed() {
    let Some(mut stage) = Stage::new("a_waiting_message_is_given_as_it_was_changed") else {
        return;
    };
    let (_chappe, held) = in_a_tool(&mut stage);
    let message = stage.say("use tabs");
    stage.button("1 waiting", "Drop");
    stage
        .host
        .api
        .edit(&stage.host.person(), message, "use spaces");
    stage.host.stored();
    drop(held);
    stage.host.answer("echo: use spaces");
    assert_eq!(known(&stage, "use tabs"), 0);
    assert_eq!(known(&stage, "use spaces"), 1);
}

#[test]
fn what_waits_is_sent_into_the_turn_by_its_button() {
    let Some(mut stage) = Stage::new("what_waits_is_sent_into_the_turn_by_its_button") else {
        return;
    };
    let (_chappe, held) = in_a_tool(&mut stage);
    stage.say("use tabs");
    let (status, data) = stage.button("1 waiting", "Send now");
    let press = stage.host.api.press(&stage.host.person(), status, &data);
    assert_eq!(stage.host.toast(&press), "Sending it into the turn.");
    super::until("the text on its way", || {
        let steered = "SELECT count(*) FROM prompt WHERE steered IS NOT NULL";
        (stage.host.count(steered) == 1).then_some(())
    });
    drop(held);
    stage.host.answer("steered: use tabs");
    assert_eq!(known(&stage, "use tabs"), 1);
}

#[test]
fn what_is_dropped_is_never_given() {
    let Some(mut stage) = Stage::new("what_is_dropped_is_never_given") else {
        return;
    };
    let (_chappe, held) = in_a_tool(&mut stage);
    for text in ["one cormorant", "two herons", "three gulls"] {
        stage.say(text);
    }
    stage.host.stored();
    stage.say("/queue");
    let list = stage
        .host
        .answer("3 waiting\n1. one cormorant\n2. two herons\n3. three gulls");
    let press = stage.host.press(&stage.host.person(), &list, "Drop 2");
    assert_eq!(stage.host.toast(&press), "Dropped.");
    drop(held);
    stage.host.answer("echo: one cormorant\nthree gulls");
    assert_eq!(known(&stage, "herons"), 0);
    assert_eq!(known(&stage, "gulls"), 1);
}
