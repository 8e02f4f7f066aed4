//! What waits behind a turn, with the actual CLI: it is changed, sent into the turn, or dropped, and Claude gets what was
//! decided and nothing else.

use std::fs;

use chappe::loopback::botapi::Shown;

use super::{Stage, kill_whole, until};
use crate::host::{Chappe, USER};

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

/// Waits until Claude itself has a text for the turn that runs; a turn that ends before would not take it in.
fn with_claude(stage: &Stage, text: &str) {
    until("the text with Claude", || {
        let rows = stage.transcripts();
        let has = |row: &str| row.contains("\"enqueue\"") && row.contains(text);
        rows.lines().any(has).then_some(())
    });
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
fn what_was_given_already_is_corrected_by_a_press() {
    let Some(mut stage) = Stage::new("what_was_given_already_is_corrected_by_a_press") else {
        return;
    };
    let (_chappe, held) = in_a_tool(&mut stage);
    stage.host.api.edit(&stage.host.person(), 1, "use spaces");
    let told = stage.host.answer("I had already given that to Claude.");
    let press = stage
        .host
        .press(&stage.host.person(), &told, "Send as a correction");
    assert_eq!(stage.host.toast(&press), "Sent as a correction.");
    drop(held);
    stage.host.answer("tool said:");
    stage
        .host
        .answer("echo: A correction of what I wrote before:\nuse spaces");
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
    with_claude(&stage, "use tabs");
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

#[test]
fn what_waits_is_dropped_by_the_button_below_the_turn() {
    let Some(mut stage) = Stage::new("what_waits_is_dropped_by_the_button_below_the_turn") else {
        return;
    };
    let (_chappe, held) = in_a_tool(&mut stage);
    stage.say("two herons");
    stage.say("three gulls");
    let (status, data) = stage.button("2 waiting", "Drop");
    let ada = stage.host.person();
    let press = stage.host.api.press(&ada, status, &data);
    assert_eq!(stage.host.toast(&press), "Dropped.");
    let again = stage.host.api.press(&ada, status, &data);
    assert_eq!(
        stage.host.toast(&again),
        "That was pressed before. Nothing more was done."
    );
    stage.ask("/queue", "Nothing waits in default.");
    drop(held);
    stage.host.answer("tool said:");
    stage.host.says(USER, status, "✓ ");
    let late = stage.host.api.press(&ada, status, &data);
    assert_eq!(stage.host.toast(&late), "That turn is over.");
    assert_eq!(known(&stage, "herons") + known(&stage, "gulls"), 0);
}

#[test]
fn what_waits_is_sent_into_the_turn_from_the_list() {
    let Some(mut stage) = Stage::new("what_waits_is_sent_into_the_turn_from_the_list") else {
        return;
    };
    let (_chappe, held) = in_a_tool(&mut stage);
    let message = stage.say("one cormorant");
    stage.host.stored();
    stage
        .host
        .api
        .edit(&stage.host.person(), message, "one heron");
    stage.host.stored();
    let list = stage.ask("/queue", "1 waiting\n1. one heron");
    let press = stage.host.press(&stage.host.person(), &list, "Send now");
    assert_eq!(stage.host.toast(&press), "Sent.");
    with_claude(&stage, "one heron");
    drop(held);
    stage.host.answer("steered: one heron");
    assert_eq!(known(&stage, "one heron"), 1);
    assert_eq!(known(&stage, "cormorant"), 0);
}

#[test]
fn where_it_is_set_what_comes_while_a_turn_runs_goes_into_it() {
    let test = "where_it_is_set_what_comes_while_a_turn_runs_goes_into_it";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.host.sessions.push_str("when_busy = \"steer\"\n");
    let (_chappe, held) = in_a_tool(&mut stage);
    stage.say("use tabs");
    with_claude(&stage, "use tabs");
    drop(held);
    stage.host.answer("steered: use tabs");
    // Where no turn runs it begins one.
    stage.ask("and now", "echo: and now");
    assert_eq!(known(&stage, "use tabs"), 1);
    let steered = "SELECT count(*) FROM prompt WHERE steered IS NOT NULL";
    assert_eq!(stage.host.count(steered), 1);
}

/// What is known of a press when everything ends.
#[derive(Clone, Copy, Debug)]
enum Known {
    Nothing,
    /// It is on the disk.
    Stored,
    /// Whoever pressed was told so.
    Told,
}

/// chappe ends while a message is sent into the turn, wherever it is with that: Claude has been given it once in the end.
fn killed_while_it_is_sent(test: &str, end: fn(Chappe)) {
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.allow_all();
    stage.host.sessions = "stop_grace = \"1s\"\nshutdown_grace = \"1s\"\nretry_delay = \"50ms\"\n\
                           batch_window = \"0ms\"\n"
        .to_owned();
    let mut chappe = stage.host.start();
    let mut said = Vec::new();
    for known in [Known::Nothing, Known::Stored, Known::Told] {
        let name = format!("gate-{known:?}");
        let gate = stage.gate(&name);
        let call = format!(r#"[[tool Bash {{"command":"cat {name}"}}]]"#);
        let text = format!("a heron for {known:?}");
        stage.say(&call);
        let held = gate.reached();
        stage.status(&format!("Running cat {name}"));
        stage.say(&text);
        let (status, data) = stage.button("1 waiting", "Send now");
        let press = stage.host.api.press(&stage.host.person(), status, &data);
        match known {
            Known::Nothing => {}
            Known::Stored => stage.host.stored(),
            Known::Told => drop(stage.host.toast(&press)),
        }
        end(chappe);
        // Who comes there once more is not held up.
        fs::write(stage.folder().join(&name), "open").expect("the folder can be written");
        drop(held);
        chappe = stage.host.start();
        stage.host.stored();
        until("the end of all turns", || {
            let open = "SELECT (SELECT count(*) FROM prompt WHERE state != 'closed')
                + (SELECT count(*) FROM inbox WHERE state = 'waiting')";
            (stage.host.count(open) == 0).then_some(())
        });
        said.extend([call, text]);
    }
    // What asks to go on quotes what it is about.
    let mut memory = stage.memory();
    memory.retain(|text| !text.starts_with("The connection was lost while you worked on this."));
    for text in said {
        let times: usize = memory.iter().map(|one| one.matches(&text).count()).sum();
        assert_eq!(times, 1, "{text}: {memory:#?}");
    }
    assert_eq!(chappe.stop().code(), Some(0));
    stage.nothing_runs();
}

#[test]
fn chappe_is_killed_while_it_sends_what_waited_into_the_turn() {
    killed_while_it_is_sent(
        "chappe_is_killed_while_it_sends_what_waited_into_the_turn",
        Chappe::crash,
    );
}

#[test]
fn everything_is_killed_while_what_waited_is_sent_into_the_turn() {
    killed_while_it_is_sent(
        "everything_is_killed_while_what_waited_is_sent_into_the_turn",
        kill_whole,
    );
}

#[test]
fn what_is_taken_back_is_given_as_it_was_changed_and_not_corrected_as_well() {
    let test = "what_is_taken_back_is_given_as_it_was_changed_and_not_corrected_as_well";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    let (_chappe, held) = in_a_tool(&mut stage);
    let ada = stage.host.person();
    let message = stage.say("use tabs");
    let (status, data) = stage.button("1 waiting", "Send now");
    stage.host.api.press(&ada, status, &data);
    with_claude(&stage, "use tabs");
    stage.host.api.edit(&ada, message, "use spaces");
    let told = stage.host.answer("I had already given that to Claude.");
    stage.host.press(&ada, &told, "Send as a correction");
    stage.button("1 waiting", "Drop");
    stage.say("/stop");
    stage.host.answer("✗ Stopped");
    drop(held);
    until("what was taken back", || {
        let waits = "SELECT count(*) FROM inbox WHERE state = 'waiting' AND text = 'use spaces'";
        (stage.host.count(waits) == 1).then_some(())
    });
    let waits = stage
        .host
        .count("SELECT count(*) FROM inbox WHERE state = 'waiting'");
    assert_eq!(waits, 1, "the correction does not wait beside it");
    stage.ask("/queue", "held since the stop\n1. use spaces");
    let notice = stage.host.answer("1 message waits");
    stage.host.press(&ada, &notice, "Run");
    stage.host.answer("echo: use spaces");
    assert_eq!(known(&stage, "use tabs"), 0);
    assert_eq!(known(&stage, "use spaces"), 1);
}

#[test]
fn where_it_is_set_a_correction_goes_into_the_turn_that_it_corrects() {
    let test = "where_it_is_set_a_correction_goes_into_the_turn_that_it_corrects";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.host.sessions.push_str("when_busy = \"steer\"\n");
    let (_chappe, held) = in_a_tool(&mut stage);
    let ada = stage.host.person();
    stage.host.api.edit(&ada, 1, "use spaces");
    let told = stage.host.answer("I had already given that to Claude.");
    let press = stage.host.press(&ada, &told, "Send as a correction");
    assert_eq!(stage.host.toast(&press), "Sent as a correction.");
    with_claude(&stage, "use spaces");
    drop(held);
    stage
        .host
        .answer("steered: A correction of what I wrote before:");
    assert_eq!(known(&stage, "use spaces"), 1);
}

/// Has a turn fail behind which something waits, and returns what is said of that, and the list.
fn list_after_a_failure(stage: &Stage) -> (Shown, Shown) {
    stage.say("[[error 529 x3]] [[text recovered]]");
    stage.host.stored();
    // Before that both would be one prompt; the CLI itself tries for some seconds.
    until("the turn", || {
        (stage.host.count("SELECT count(*) FROM prompt") == 1).then_some(())
    });
    stage.say("three gulls");
    let notice = stage
        .host
        .answer("I try again in 1 min; 1 message runs then.");
    let list = stage.ask("/queue", "paused after a failure\n1. three gulls");
    (notice, list)
}

#[test]
fn what_has_failed_goes_first_when_the_list_behind_it_is_run() {
    let test = "what_has_failed_goes_first_when_the_list_behind_it_is_run";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let (_, list) = list_after_a_failure(&stage);
    let press = stage.host.press(&stage.host.person(), &list, "Run");
    assert_eq!(stage.host.toast(&press), "Trying again.");
    let recovered = stage.host.answer("recovered");
    stage.host.answer_after(recovered.id, "echo: three gulls");
    assert_eq!(known(&stage, "three gulls"), 1);
}

#[test]
fn what_has_failed_stays_when_the_list_behind_it_is_dropped() {
    let test = "what_has_failed_stays_when_the_list_behind_it_is_dropped";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let (notice, list) = list_after_a_failure(&stage);
    let ada = stage.host.person();
    let press = stage.host.press(&ada, &list, "Drop");
    assert_eq!(stage.host.toast(&press), "Dropped.");
    stage.host.press(&ada, &notice, "Try now");
    stage.host.answer("recovered");
    assert_eq!(known(&stage, "three gulls"), 0);
}

#[test]
fn a_further_change_changes_the_correction_that_waits() {
    let Some(mut stage) = Stage::new("a_further_change_changes_the_correction_that_waits") else {
        return;
    };
    let (_chappe, held) = in_a_tool(&mut stage);
    let ada = stage.host.person();
    stage.say("three gulls");
    stage.button("1 waiting", "Drop");
    stage.host.api.edit(&ada, 1, "use spaces");
    let told = stage.host.answer("I had already given that to Claude.");
    let press = stage.host.press(&ada, &told, "Send as a correction");
    assert_eq!(stage.host.toast(&press), "Sent as a correction.");
    stage.say("and a heron");
    stage.host.api.edit(&ada, 1, "use dots");
    stage.host.stored();
    let offers =
        "SELECT count(*) FROM button WHERE used = 0 AND json_extract(act, '$.do') = 'correct'";
    assert_eq!(stage.host.count(offers), 0);
    drop(held);
    let corrected = stage.host.answer("use dots");
    stage.host.answer_after(corrected.id, "and a heron");
    let memory = stage.memory();
    let begins = |text: &str| {
        let first = memory.iter().position(|one| one.starts_with(text));
        first.unwrap_or_else(|| panic!("{text:?} is not in {memory:#?}"))
    };
    assert!(begins("A correction of what I wrote before:\nuse dots") < begins("three gulls"));
    assert_eq!(known(&stage, "use spaces"), 0);
    assert_eq!(known(&stage, "use dots"), 1);
}

#[test]
fn a_correction_of_what_has_failed_comes_after_it_is_tried_again() {
    let test = "a_correction_of_what_has_failed_comes_after_it_is_tried_again";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let (notice, _) = list_after_a_failure(&stage);
    let ada = stage.host.person();
    stage.host.api.edit(&ada, 1, "use spaces");
    let told = stage.host.answer("I had already given that to Claude.");
    stage.host.press(&ada, &told, "Send as a correction");
    let shown = stage.host.says(USER, notice.id, "Trying again.");
    assert!(shown.buttons.is_empty(), "{shown:?}");
    let recovered = stage.host.answer("recovered");
    let corrected = stage.host.answer_after(recovered.id, "use spaces");
    stage.host.answer_after(corrected.id, "three gulls");
}

#[test]
fn a_stop_says_that_what_has_failed_is_not_tried_again_also_where_something_waits_behind_it() {
    let test =
        "a_stop_says_that_what_has_failed_is_not_tried_again_also_where_something_waits_behind_it";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    let (notice, _) = list_after_a_failure(&stage);
    stage.say("/stop");
    let shown = stage
        .host
        .says(USER, notice.id, "Stopped. Not tried again.");
    assert!(shown.buttons.is_empty(), "{shown:?}");
    let waits = stage.host.answer("1 message waits");
    stage.host.press(&stage.host.person(), &waits, "Run");
    stage.host.answer("echo: three gulls");
    let recovered = stage.host.api.messages(USER).into_iter();
    assert_eq!(
        recovered
            .filter(|shown| shown.from_bot && shown.text.contains("recovered"))
            .count(),
        0
    );
}

#[test]
fn who_drops_a_turn_that_was_cut_off_drops_what_was_sent_into_it() {
    let test = "who_drops_a_turn_that_was_cut_off_drops_what_was_sent_into_it";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.host.sessions.push_str("resume_turns = \"ask\"\n");
    let (chappe, held) = in_a_tool(&mut stage);
    stage.say("use tabs");
    let (status, data) = stage.button("1 waiting", "Send now");
    stage.host.api.press(&stage.host.person(), status, &data);
    with_claude(&stage, "use tabs");
    kill_whole(chappe);
    drop(held);
    let _chappe = stage.host.start();
    let asked = stage.host.answer("How shall it go on?");
    let press = stage.host.press(&stage.host.person(), &asked, "Drop it");
    assert_eq!(stage.host.toast(&press), "Dropped.");
    until("the end of all turns", || {
        let open = "SELECT count(*) FROM prompt WHERE state != 'closed'";
        (stage.host.count(open) == 0).then_some(())
    });
    stage.ask("and now", "echo: and now");
    assert_eq!(known(&stage, "use tabs"), 0);
}
