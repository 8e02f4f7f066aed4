//! Somebody may not speak any more, and chappe is started again while their turn runs: nothing more is done for them or
//! sent to them, and nobody else is harmed by it.

use chappe::loopback::botapi::Person;
use nix::sys::signal::Signal;

use super::{CALLS_TOOL, Stage, kill_whole, until};
use crate::host::{Chappe, USER};

const BOB: i64 = 1002;

const CALL: &str = r#"[[tool Bash {"command":"cat gate"}]]"#;

/// How chappe ends before it is started with other lists.
#[derive(Clone, Copy, Debug)]
enum End {
    Stopped,
    Killed,
}

impl End {
    fn end(self, chappe: Chappe) {
        match self {
            End::Stopped => assert_eq!(chappe.stop().code(), Some(0)),
            End::Killed => kill_whole(chappe),
        }
    }
}

/// A stage for two people, on which no turn may finish while chappe stops.
fn stage(test: &str) -> Option<(Stage, Person)> {
    let mut stage = Stage::new(test)?;
    stage.host.sessions = "stop_grace = \"2s\"\nshutdown_grace = \"0s\"\n".to_owned();
    stage.host.allowed_users.push(BOB);
    Some((stage, Person::private(BOB, "Bob")))
}

/// How many calls of the Bot API there were for Bob.
fn calls_for_bob(stage: &Stage) -> usize {
    let calls = stage.host.api.calls().into_iter();
    calls
        .filter(|call| call.params["chat_id"].as_i64() == Some(BOB))
        .count()
}

fn of_a_person_who_was_removed(test: &str, end: End) {
    let Some((mut stage, bob)) = stage(test) else {
        return;
    };
    let chappe = stage.host.start();
    stage.ask("of Ada", "echo: of Ada");
    stage.ask_as(&bob, "of Bob", "echo: of Bob");
    let (of_ada, of_bob) = (stage.gate("gate"), stage.gate_in("bob", "gate"));
    stage.say(CALL);
    stage.host.api.say(&bob, CALL);
    let held = (of_ada.reached(), of_bob.reached());
    stage.host.api.say(&bob, "and this");
    stage.host.stored();
    stage.host.delivered();
    stage.has_written(CALLS_TOOL, 2);
    end.end(chappe);
    drop(held);
    let calls = calls_for_bob(&stage);
    let turns = stage.turns_told("of Bob");
    stage.host.allowed_users = vec![USER];

    let chappe = stage.host.start();
    // Hers goes on by itself.
    stage.host.answer("tool said:");
    stage.host.api.say(&bob, "is anybody there");
    stage.ask("and now", "echo: and now");
    stage.host.stored();
    stage.host.delivered();
    assert_eq!(calls_for_bob(&stage), calls, "{end:?}");
    assert_eq!(stage.turns_told("of Bob"), turns, "{end:?}");
    assert_eq!(stage.claudes().len(), 1, "{end:?}: hers");
    assert_eq!(chappe.stop().code(), Some(0));

    // Back on the list, he is asked about what had waited, and Claude knows what he has said. What was said meanwhile
    // has never come in.
    stage.host.allowed_users.push(BOB);
    let chappe = stage.host.start();
    let question = stage.host.answer_in(BOB, "1 message came while I was away");
    stage.host.delivered();
    assert_eq!(stage.turns_told("of Bob"), turns, "nothing runs unasked");
    stage.host.answer_in(
        BOB,
        "⚠ This ended unfinished when you, or this group, were taken off",
    );
    stage.host.press(&bob, &question, "Run");
    stage.host.answer_in(BOB, "echo: and this");
    stage.ask_as(&bob, "[[remember]]", "remember turns=3");
    let memory = stage.turns().pop().expect("there was a turn").texts;
    assert_eq!(memory, ["of Bob", CALL, "and this", "[[remember]]"]);
    assert_eq!(chappe.stop().code(), Some(0));
    stage.nothing_runs();
}

#[test]
fn a_stop_and_a_start_end_the_turn_of_who_was_removed() {
    of_a_person_who_was_removed(
        "a_stop_and_a_start_end_the_turn_of_who_was_removed",
        End::Stopped,
    );
}

#[test]
fn a_kill_and_a_start_end_the_turn_of_who_was_removed() {
    of_a_person_who_was_removed(
        "a_kill_and_a_start_end_the_turn_of_who_was_removed",
        End::Killed,
    );
}

#[test]
fn a_turn_of_who_was_removed_that_has_outlived_chappe_is_ended() {
    let test = "a_turn_of_who_was_removed_that_has_outlived_chappe_is_ended";
    let Some((mut stage, bob)) = stage(test) else {
        return;
    };
    let chappe = stage.host.start();
    stage.ask("of Ada", "echo: of Ada");
    stage.ask_as(&bob, "of Bob", "echo: of Bob");
    let gate = stage.gate_in("bob", "gate");
    stage.host.api.say(&bob, CALL);
    let held = gate.reached();
    stage.has_written(CALLS_TOOL, 1);
    stage.host.delivered();
    chappe.signal(Signal::SIGKILL);
    chappe.ended();
    let former = stage.processes();
    let calls = calls_for_bob(&stage);
    assert!(!former.is_empty(), "his turn goes on without chappe");
    stage.host.allowed_users = vec![USER];
    let _chappe = stage.host.start();
    // Nobody uses the session.
    until("the end of his turn", || {
        let left = stage.processes();
        former.iter().all(|pid| !left.contains(pid)).then_some(())
    });
    drop(held);
    stage.ask("and now", "echo: and now");
    assert_eq!(calls_for_bob(&stage), calls);
}

#[test]
fn what_waits_behind_the_turn_of_who_was_removed_is_run() {
    let test = "what_waits_behind_the_turn_of_who_was_removed_is_run";
    let Some((mut stage, bob)) = stage(test) else {
        return;
    };
    let chappe = stage.host.start();
    stage.ask("of Ada", "echo: of Ada");
    let name = "/session default";
    stage.ask_as(&bob, name, "What you write now goes to default.");
    let gate = stage.gate("gate");
    stage.host.api.say(&bob, CALL);
    let held = gate.reached();
    stage.say("of Ada, behind Bob");
    stage.host.stored();
    stage.host.delivered();
    stage.has_written(CALLS_TOOL, 1);
    assert_eq!(chappe.stop().code(), Some(0));
    drop(held);
    let (calls, turns) = (calls_for_bob(&stage), stage.turns_told(CALL));
    stage.host.allowed_users = vec![USER];
    let _chappe = stage.host.start();
    stage.host.answer("echo: of Ada, behind Bob");
    stage.host.delivered();
    assert_eq!(calls_for_bob(&stage), calls);
    assert_eq!(stage.turns_told(CALL), turns + 1, "hers alone");
    let heard = stage.host.texts();
    assert!(
        !heard.iter().any(|text| text.contains("tool said")),
        "{heard:?}"
    );
}

#[test]
fn a_press_of_who_was_removed_does_nothing_and_is_not_answered() {
    let test = "a_press_of_who_was_removed_does_nothing_and_is_not_answered";
    let Some((mut stage, bob)) = stage(test) else {
        return;
    };
    let chappe = stage.host.start();
    stage.ask("of Ada", "echo: of Ada");
    stage.ask_as(&bob, "of Bob", "echo: of Bob");
    let call = r#"[[tool Bash {"command":"touch made"}]]"#;
    stage.host.api.say(&bob, call);
    let request = stage.host.request_with(BOB, "Allow once");
    stage.host.delivered();
    stage.has_written(CALLS_TOOL, 1);
    assert_eq!(chappe.stop().code(), Some(0));
    let (calls, turns) = (calls_for_bob(&stage), stage.turns_told("of Bob"));
    stage.host.allowed_users = vec![USER];
    let chappe = stage.host.start();
    let press = stage.host.press(&bob, &request, "Allow once");
    stage.ask("and now", "echo: and now");
    stage.host.stored();
    stage.host.delivered();
    let toasts = stage.host.api.calls().into_iter();
    let mut toasts = toasts.filter(|call| call.method == "answerCallbackQuery");
    assert!(toasts.all(|call| call.params["callback_query_id"] != press.as_str()));
    assert_eq!(calls_for_bob(&stage), calls);
    assert_eq!(stage.turns_told("of Bob"), turns);
    assert_eq!(chappe.stop().code(), Some(0));
    // Back on the list, he is told the truth: what was asked is over.
    stage.host.allowed_users.push(BOB);
    let chappe = stage.host.start();
    let press = stage.host.press(&bob, &request, "Allow once");
    assert_eq!(
        stage.host.toast(&press),
        "That request is over. Your press changed nothing."
    );
    stage.ask_as(&bob, "[[remember]]", "remember turns=2");
    let made = stage.host.sessions_root().join("bob/made");
    assert!(!made.exists());
    stage.host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    stage.nothing_runs();
}
