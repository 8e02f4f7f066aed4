//! More sessions than places: who came first is served first, by one Claude after another, also over a restart.

use nix::sys::signal::Signal;

use super::{CALLS_TOOL, Stage, kill_whole};
use crate::host::{Chappe, USER};

/// A stage on which one process may live, whoever's it is, and a running turn has so long to finish.
fn one_place(test: &str, shutdown_grace: &str) -> Option<Stage> {
    let mut stage = Stage::new(test)?;
    stage.host.sessions = format!(
        "max_live = 1\nstop_grace = \"2s\"\nshutdown_grace = {shutdown_grace:?}\nbatch_window = \"0ms\"\n"
    );
    Some(stage)
}

/// Makes these sessions, of which nobody is talked to.
fn make(stage: &Stage, names: &[&str]) {
    for name in names {
        stage.ask(&format!("/new {name}"), &format!("Session {name} is ready"));
    }
}

/// Says something in a session, which has to wait for the place of the first one.
fn waits(stage: &Stage, name: &str) {
    stage.ask(&format!("/session {name}"), "What you write now goes to ");
    stage.ask(
        &format!("for {name}"),
        &format!("{name} waits for a place: one is at work."),
    );
}

/// Checks that what was said in these sessions was answered once; returns in which order it reached the model.
fn served(stage: &Stage, names: &[&str]) -> Vec<String> {
    for number in 1..=names.len() {
        stage.host.wait(&format!("answer {number}"), |view| {
            let answers = view.from_bot(USER);
            let answers = answers.filter(|shown| shown.text.contains("echo: for "));
            (answers.count() >= number).then_some(())
        });
    }
    stage.host.delivered();
    let texts = stage.host.texts();
    let echoes = texts.iter().filter(|text| text.contains("echo: for "));
    assert_eq!(echoes.count(), names.len(), "{texts:?}");
    let turns = stage.turns();
    let prompts = turns
        .iter()
        .filter_map(|turn| turn.last_text()?.strip_prefix("for "));
    prompts.map(str::to_owned).collect()
}

/// Nobody seems to wait any more, and nothing is left.
fn ends_well(stage: &Stage, chappe: Chappe) {
    stage.host.delivered();
    let shown = stage.host.api.messages(USER);
    let mut waits = shown
        .iter()
        .filter(|shown| shown.text.contains(" waits for "));
    assert!(waits.all(|shown| shown.buttons.is_empty()), "{shown:?}");
    assert_eq!(chappe.stop().code(), Some(0));
    stage.nothing_runs();
}

#[test]
fn of_three_that_wait_for_one_place_each_has_it_in_the_order_in_which_they_came() {
    let test = "of_three_that_wait_for_one_place_each_has_it_in_the_order_in_which_they_came";
    let Some(stage) = one_place(test, "5s") else {
        return;
    };
    let chappe = stage.host.start();
    // Neither by their names nor by their age.
    make(&stage, &["two", "three", "four", "one"]);
    let gate = stage.gate_in("one", "gate");
    let most = stage.most_claudes(|| {
        stage.say(r#"[[tool Bash {"command":"cat gate"}]]"#);
        let held = gate.reached();
        for name in ["four", "two", "three"] {
            waits(&stage, name);
        }
        // Who has the place and has more to do comes after all of them.
        stage.ask("/session one", "What you write now goes to one.");
        stage.say("for one");
        stage.host.stored();
        assert_eq!(stage.turns_told("for four"), 0);
        drop(held);
        stage.host.answer("tool said:");
        let order = ["four", "two", "three", "one"];
        assert_eq!(served(&stage, &order), order);
    });
    assert_eq!(most, 1, "never two at once");
    let texts = stage.host.texts();
    let told: Vec<_> = texts
        .iter()
        .filter(|text| text.contains(" waits for "))
        .collect();
    // The last one may have its place before there was anything to tell.
    assert!(told.len() >= 3, "{texts:?}");
    let is_over = |text: &&String| text.ends_with("✓ It goes on now.");
    assert!(told.iter().all(is_over), "{texts:?}");
    ends_well(&stage, chappe);
}

#[test]
fn two_that_wait_for_a_place_have_it_after_a_restart_that_lets_the_turn_finish() {
    let test = "two_that_wait_for_a_place_have_it_after_a_restart_that_lets_the_turn_finish";
    let Some(stage) = one_place(test, "30s") else {
        return;
    };
    let chappe = stage.host.start();
    make(&stage, &["two", "four", "one"]);
    let gate = stage.gate_in("one", "gate");
    stage.say(r#"[[tool Bash {"command":"cat gate"}]]"#);
    let held = gate.reached();
    for name in ["four", "two"] {
        waits(&stage, name);
    }
    stage.host.delivered();
    chappe.signal(Signal::SIGTERM);
    chappe.logs("chappe is being stopped");
    drop(held);
    assert_eq!(chappe.ended().code(), Some(0));
    stage.nothing_runs();
    // The turn has finished, and its answer may have to wait for Telegram. Nothing else is begun any more.
    let answered = "SELECT count(*) FROM prompt WHERE outcome = 'answered'";
    assert_eq!(stage.host.count(answered), 1);
    assert_eq!(
        stage.turns_told("for four") + stage.turns_told("for two"),
        0
    );
    let mut after = None;
    let most = stage.most_claudes(|| {
        after = Some(stage.host.start());
        stage.host.answer("tool said:");
        let order = ["four", "two"];
        assert_eq!(served(&stage, &order), order);
    });
    assert_eq!(most, 1, "never two at once");
    let texts = stage.host.texts();
    let answers = texts.iter().filter(|text| text.contains("tool said:"));
    assert_eq!(answers.count(), 1, "{texts:?}");
    ends_well(&stage, after.expect("the story was played"));
}

#[test]
fn two_that_wait_for_a_place_have_it_after_the_turn_that_a_restart_has_cut_off() {
    let test = "two_that_wait_for_a_place_have_it_after_the_turn_that_a_restart_has_cut_off";
    let Some(stage) = one_place(test, "1s") else {
        return;
    };
    let chappe = stage.host.start();
    make(&stage, &["two", "four", "one"]);
    let gate = stage.gate_in("one", "gate");
    let call = r#"[[tool Bash {"command":"cat gate"}]]"#;
    stage.say(call);
    let held = gate.reached();
    for name in ["four", "two"] {
        waits(&stage, name);
    }
    stage.host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    stage.nothing_runs();
    drop(held);
    assert_eq!(
        stage.turns_told("for four") + stage.turns_told("for two"),
        0
    );
    let mut after = None;
    let most = stage.most_claudes(|| {
        after = Some(stage.host.start());
        let order = ["four", "two"];
        assert_eq!(served(&stage, &order), order);
        stage.host.answer("tool said:");
    });
    assert_eq!(most, 1, "never two at once");
    stage.ask("/session one", "What you write now goes to one.");
    stage.went_on_with(call);
    ends_well(&stage, after.expect("the story was played"));
}

#[test]
fn what_waits_behind_a_turn_that_waits_for_a_place_is_shown_and_can_be_dropped() {
    let test = "what_waits_behind_a_turn_that_waits_for_a_place_is_shown_and_can_be_dropped";
    let Some(mut stage) = one_place(test, "1s") else {
        return;
    };
    stage.host.sessions = stage.host.sessions.replace("max_live = 1", "max_live = 2");
    let chappe = stage.host.start();
    // It asks again when it is taken up, and nobody answers.
    make(&stage, &["one"]);
    stage.say("[[once sh bump]]");
    stage.button("one wants to run", "Allow once");
    make(&stage, &["two"]);
    let gate = stage.gate_in("two", "gate");
    stage.say(r#"[[tool Bash {"command":"cat gate"}]]"#);
    let held = gate.reached();
    stage.has_written(CALLS_TOOL, 2);
    stage.host.delivered();
    kill_whole(chappe);
    drop(held);
    stage.host.sessions = stage.host.sessions.replace("max_live = 2", "max_live = 1");
    let _chappe = stage.host.start();
    stage.button("Waiting for a place", "Stop");
    stage.say("never mind");
    let (status, data) = stage.button("1 waiting", "Drop");
    let press = stage.host.api.press(&stage.host.person(), status, &data);
    assert_eq!(stage.host.toast(&press), "Dropped.");
    stage.host.wait("a status without it", |view| {
        let mut shown = view.from_bot(USER);
        shown
            .find(|shown| shown.id == status && !shown.text.contains("waiting"))
            .map(drop)
    });
    assert_eq!(stage.turns_told("never mind"), 0);
}
