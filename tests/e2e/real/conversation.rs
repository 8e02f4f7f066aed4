//! Turns, what is remembered of them, and what they cost.

use super::{Stage, arguments, until};
use crate::host::USER;

#[test]
fn turns_that_follow_each_other_share_a_process() {
    let Some(stage) = Stage::new("turns_that_follow_each_other_share_a_process") else {
        return;
    };
    let chappe = stage.host.start();
    stage.ask("the first", "echo: the first");
    let claude = stage.claude();
    stage.ask("the second", "echo: the second");
    assert_eq!(stage.claude(), claude);
    stage.remembers(&["the first", "the second"]);
    assert_eq!(stage.claude(), claude);
    assert_eq!(chappe.stop().code(), Some(0));
    stage.nothing_runs();
}

#[test]
fn a_restart_of_chappe_is_nothing_to_claude() {
    let Some(stage) = Stage::new("a_restart_of_chappe_is_nothing_to_claude") else {
        return;
    };
    let chappe = stage.host.start();
    stage.ask("the first", "echo: the first");
    let session = stage.session_id();
    assert!(arguments(stage.claude()).contains(&format!("--session-id={session}")));
    assert_eq!(chappe.stop().code(), Some(0));
    stage.nothing_runs();
    let _chappe = stage.host.start();
    stage.remembers(&["the first"]);
    let arguments = arguments(stage.claude());
    assert!(
        arguments.contains(&format!("--resume={session}")),
        "{arguments:?}"
    );
    assert_eq!(stage.session_id(), session);
    assert_eq!(stage.host.texts().len(), 2, "{:?}", stage.host.texts());
}

#[test]
fn a_session_that_was_suspended_remembers() {
    let Some(mut stage) = Stage::new("a_session_that_was_suspended_remembers") else {
        return;
    };
    stage.host.sessions += "idle_timeout = \"1s\"\n";
    let chappe = stage.host.start();
    stage.ask("the first", "echo: the first");
    let before = stage.claude();
    until("suspended session", || {
        chappe.descendants().is_empty().then_some(())
    });
    stage.remembers(&["the first"]);
    assert_ne!(stage.claude(), before);
}

#[test]
fn what_comes_during_a_turn_goes_next_as_one_prompt() {
    let Some(stage) = Stage::new("what_comes_during_a_turn_goes_next_as_one_prompt") else {
        return;
    };
    let _chappe = stage.host.start();
    let gate = stage.gate("gate");
    stage.say(r#"[[tool Bash {"command":"cat gate"}]]"#);
    let running = gate.reached();
    for text in ["and also", "this"] {
        let said = stage.say(text);
        stage.host.wait("the sign that it is stored", |view| {
            let mut messages = view.messages(USER);
            messages.find(|shown| shown.id == said)?.reaction.clone()
        });
    }
    drop(running);
    stage.host.answer("echo: and also\nthis");
    let turns = stage.turns();
    let last = turns.last().expect("there were turns");
    assert_eq!(last.last_text(), Some("and also\nthis"));
    let texts = stage.host.texts();
    let answers: Vec<_> = texts.iter().filter(|text| !text.starts_with('✓')).collect();
    assert_eq!(answers.len(), 2, "{texts:?}");
    assert!(answers[0].starts_with("tool said:"), "{texts:?}");
}

#[test]
fn only_claudes_own_commands_are_commands() {
    let Some(stage) = Stage::new("only_claudes_own_commands_are_commands") else {
        return;
    };
    let _chappe = stage.host.start();
    for text in ["/home/me is full", "/nosuchcommand now", "/ hm"] {
        stage.ask(text, &format!("echo: {text}"));
    }
    stage.ask("/context", "Context Usage");
    // The CLI then repeats what its commands had said.
    let compacted = stage.ask("//compact", "Compacted");
    assert_eq!(compacted.text, "Compacted");
    let after = stage.ask("after", "echo: after");
    assert_eq!(after.id, compacted.id + 2);
}

#[test]
fn a_conversation_that_was_cleared_stays_cleared_after_a_restart() {
    let Some(stage) = Stage::new("a_conversation_that_was_cleared_stays_cleared_after_a_restart")
    else {
        return;
    };
    let chappe = stage.host.start();
    stage.ask("the first", "echo: the first");
    let session = stage.session_id();
    stage.ask("//clear", "");
    until("the new session", || {
        (stage.session_id() != session).then_some(())
    });
    chappe.stop();
    let chappe = stage.host.start();
    stage.remembers(&[]);
    stage.ask("the second", "echo: the second");
    chappe.stop();
    let _chappe = stage.host.start();
    stage.remembers(&["[[remember]]", "the second"]);
}

#[test]
fn each_turn_costs_what_it_costs_also_after_a_resume() {
    let Some(stage) = Stage::new("each_turn_costs_what_it_costs_also_after_a_resume") else {
        return;
    };
    let chappe = stage.host.start();
    // Only a turn of some seconds has a status that can be closed.
    stage.ask("[[wait 2500]] [[usage 400000]] [[text dear]]", "dear");
    stage.host.wait("the closing line with the cost", |view| {
        let mut shown = view.from_bot(USER);
        shown
            .find(|shown| shown.text.starts_with('✓') && shown.text.contains(" · $"))
            .map(drop)
    });
    chappe.stop();
    let _chappe = stage.host.start();
    stage.ask("[[usage 40]] [[text cheap]]", "cheap");
    stage.ask("[[usage 40]] [[text too]]", "too");
    let costs = until("three costs", || {
        let costs: Vec<f64> =
            stage.read("SELECT cost FROM prompt WHERE state = 'closed' ORDER BY id");
        (costs.len() == 3).then_some(costs)
    });
    assert!(costs[0] > 0.1, "{costs:?}");
    assert!(costs[1] > 0.0 && costs[1] < costs[0] / 10.0, "{costs:?}");
    assert!(costs[2] > 0.0 && costs[2] < costs[0] / 10.0, "{costs:?}");
    let total: f64 = stage.read("SELECT cost FROM session").remove(0);
    assert!(
        (total - costs.iter().sum::<f64>()).abs() < 1e-9,
        "{total} {costs:?}"
    );
}
