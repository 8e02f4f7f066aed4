//! A text is put into a turn that runs, with the actual CLI: what a running tool makes of it, what the stream of an answer
//! does, and that neither a stop nor a kill in between loses it or gives it twice.

use super::{Stage, until};
use crate::host::{Chappe, USER};
use chappe::loopback::botapi::Person;

/// Starts chappe, and has Claude come to a tool that is held up; returns what holds it.
fn in_a_tool(stage: &mut Stage) -> (Chappe, impl Drop + use<>) {
    stage.allow_all();
    let chappe = stage.host.start();
    stage.ask("hello", "echo: hello");
    let gate = stage.gate("gate");
    stage.say(r#"[[tool Bash {"command":"cat gate"}]]"#);
    let held = gate.reached();
    stage.status("Running");
    (chappe, held)
}

/// Puts a text into the turn, and waits until it is written.
fn steer(stage: &Stage, text: &str) {
    let steered = "SELECT count(*) FROM prompt WHERE steered IS NOT NULL";
    let before = stage.host.count(steered);
    stage.say(&format!("/steer {text}"));
    until("the text on its way", || {
        (stage.host.count(steered) > before).then_some(())
    });
}

fn all_is_closed(stage: &Stage) {
    until("the end of all turns", || {
        let open = "SELECT (SELECT count(*) FROM prompt WHERE state != 'closed')
            + (SELECT count(*) FROM inbox WHERE state = 'waiting')";
        (stage.host.count(open) == 0).then_some(())
    });
}

/// How often the model was told so, by the request with which everything is remembered.
fn given(stage: &Stage, text: &str) -> usize {
    stage.ask("[[remember]]", "remember turns=");
    let last = stage.turns().pop().expect("there was a turn");
    let texts = last.texts.iter();
    texts.map(|one| one.matches(text).count()).sum()
}

#[test]
fn what_is_steered_into_a_running_tool_comes_with_its_result() {
    let Some(mut stage) = Stage::new("what_is_steered_into_a_running_tool_comes_with_its_result")
    else {
        return;
    };
    let (_chappe, held) = in_a_tool(&mut stage);
    steer(&stage, "use tabs");
    drop(held);
    all_is_closed(&stage);
    let outcomes: Vec<String> = stage.read("SELECT outcome FROM prompt ORDER BY id");
    assert_eq!(outcomes, ["answered"; 3]);
    assert_eq!(given(&stage, "use tabs"), 1);
    // One result has ended both.
    let ends: Vec<i64> = stage.read("SELECT count(DISTINCT closed) FROM prompt WHERE id IN (2, 3)");
    assert_eq!(ends, [1]);
    let answers = stage.host.texts().into_iter();
    let answers = answers.filter(|text| text.contains("tool said"));
    assert_eq!(answers.count(), 1, "{:?}", stage.host.texts());
}

#[test]
fn what_was_said_before_it_stands_above_the_answer() {
    let Some(mut stage) = Stage::new("what_was_said_before_it_stands_above_the_answer") else {
        return;
    };
    stage.allow_all();
    let _chappe = stage.host.start();
    stage.ask("hello", "echo: hello");
    let gate = stage.gate("gate");
    stage.say(r#"[[pre it is seven]] [[tool Bash {"command":"cat gate"}]]"#);
    let held = gate.reached();
    stage.status("Running");
    steer(&stage, "use tabs");
    drop(held);
    all_is_closed(&stage);
    stage.host.answer("tool said");
    let texts = stage.host.texts();
    let at = |text: &str| texts.iter().position(|one| one.contains(text));
    let (before, answer) = (at("it is seven"), at("tool said"));
    assert!(before.is_some() && before < answer, "{texts:?}");
}

#[test]
fn what_is_steered_while_text_streams_has_a_turn_of_its_own() {
    let Some(stage) = Stage::new("what_is_steered_while_text_streams_has_a_turn_of_its_own") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("hello", "echo: hello");
    let words: Vec<String> = (0..60).map(|number| format!("word{number}")).collect();
    stage.say(&format!("[[slow 100]] [[text {}]]", words.join(" ")));
    stage.status("Writing");
    steer(&stage, "and this");
    stage.host.answer("word59");
    stage.host.answer("echo: and this");
    all_is_closed(&stage);
    let outcomes: Vec<String> = stage.read("SELECT outcome FROM prompt ORDER BY id");
    assert_eq!(outcomes, ["answered"; 3]);
    assert_eq!(given(&stage, "and this"), 1);
}

#[test]
fn a_stop_before_it_is_taken_takes_it_back() {
    let Some(mut stage) = Stage::new("a_stop_before_it_is_taken_takes_it_back") else {
        return;
    };
    let (_chappe, held) = in_a_tool(&mut stage);
    let claude = stage.claude();
    steer(&stage, "never mind");
    stage.say("/stop");
    let notice = stage.host.answer("1 message waits");
    stage.host.answer("✗ Stopped");
    drop(held);
    let press = stage.host.press(&stage.host.person(), &notice, "Drop");
    assert_eq!(stage.host.toast(&press), "Dropped.");
    stage.host.says(USER, notice.id, "Dropped.");
    assert_eq!(given(&stage, "never mind"), 0);
    assert_eq!(stage.claude(), claude);
}

#[test]
fn a_stop_while_text_streams_takes_it_back() {
    let Some(stage) = Stage::new("a_stop_while_text_streams_takes_it_back") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("hello", "echo: hello");
    let claude = stage.claude();
    let words: Vec<String> = (0..600).map(|number| format!("word{number}")).collect();
    stage.say(&format!("[[slow 100]] [[text {}]]", words.join(" ")));
    stage.status("Writing");
    // The older version says only after the first block that it has the turn's own prompt; until then it is kept back.
    stage.say("/steer never mind");
    stage.host.stored();
    stage.say("/stop");
    let notice = stage.host.answer("1 message waits");
    let press = stage.host.press(&stage.host.person(), &notice, "Run");
    assert_eq!(stage.host.toast(&press), "Going on.");
    stage.host.answer("echo: never mind");
    assert_eq!(stage.claude(), claude);
    assert_eq!(given(&stage, "never mind"), 1);
}

#[test]
fn killed_before_it_is_taken_it_is_given_once() {
    let Some(mut stage) = Stage::new("killed_before_it_is_taken_it_is_given_once") else {
        return;
    };
    stage.host.sessions = "stop_grace = \"1s\"\nshutdown_grace = \"1s\"\n".to_owned();
    let (chappe, held) = in_a_tool(&mut stage);
    steer(&stage, "use tabs");
    chappe.crash();
    std::fs::write(stage.folder().join("gate"), "open").expect("the folder can be written");
    drop(held);
    let _chappe = stage.host.start();
    all_is_closed(&stage);
    assert_eq!(given(&stage, "use tabs"), 1);
}

#[test]
fn claude_killed_in_between_gets_it_once() {
    let Some(mut stage) = Stage::new("claude_killed_in_between_gets_it_once") else {
        return;
    };
    stage.host.sessions.push_str("retry_delay = \"50ms\"\n");
    let (_chappe, held) = in_a_tool(&mut stage);
    steer(&stage, "use tabs");
    let claude = nix::unistd::Pid::from_raw(stage.claude());
    nix::sys::signal::kill(claude, nix::sys::signal::Signal::SIGKILL).expect("it lives");
    drop(held);
    stage.host.answer("Claude stopped unexpectedly");
    all_is_closed(&stage);
    assert_eq!(given(&stage, "use tabs"), 1);
}

#[test]
fn who_steers_from_another_chat_hears_where_the_answer_is() {
    const BOB: i64 = 1002;
    let test = "who_steers_from_another_chat_hears_where_the_answer_is";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.host.allowed_users.push(BOB);
    let bob = Person::private(BOB, "Bob");
    let (_chappe, held) = in_a_tool(&mut stage);
    stage.ask_as(
        &bob,
        "/session default",
        "What you write now goes to default.",
    );
    stage.host.api.say(&bob, "/steer use tabs");
    let steered = "SELECT count(*) FROM prompt WHERE steered IS NOT NULL";
    until("the text on its way", || {
        (stage.host.count(steered) == 1).then_some(())
    });
    drop(held);
    stage.host.answer_in(
        BOB,
        "That went into the turn of default that runs in another chat",
    );
    stage.host.answer("tool said:");
    all_is_closed(&stage);
    assert_eq!(given(&stage, "use tabs"), 1);
}

#[test]
fn what_claude_may_have_read_before_it_was_ended_by_a_stop_is_told() {
    let test = "what_claude_may_have_read_before_it_was_ended_by_a_stop_is_told";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    let (_chappe, held) = in_a_tool(&mut stage);
    // It does not say any more what it has read, nor that it stops.
    let claude = nix::unistd::Pid::from_raw(stage.claude());
    nix::sys::signal::kill(claude, nix::sys::signal::Signal::SIGSTOP).expect("it lives");
    steer(&stage, "use tabs");
    stage.say("/stop");
    let told = "✗ Stopped before I could tell whether Claude had read this. \
                Send it again if it still counts:\nuse tabs";
    stage.host.answer(told);
    drop(held);
    all_is_closed(&stage);
    assert_eq!(given(&stage, "use tabs"), 0);
    let texts = stage.host.texts();
    let times = texts.iter().filter(|text| *text == told).count();
    assert_eq!(times, 1, "{texts:?}");
}
