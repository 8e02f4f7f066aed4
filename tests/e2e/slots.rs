//! More sessions than places: who makes room, who waits, and what ends a wait.

use std::fs;

use chappe::loopback::botapi::Shown;
use nix::sys::signal::Signal;

use crate::host::{Chappe, Held, Host, USER, until};

/// A host on which one process may live, whoever's it is; it notes when there are two.
fn one_place() -> Host {
    let mut host = Host::new();
    host.sessions.push_str("max_live = 1\n");
    host.note_starts();
    host
}

/// Makes a session, to which everything that is written goes from then on.
fn new(host: &Host, name: &str) {
    host.say(&format!("/new {name}"));
    host.answer(&format!("Session {name} is ready"));
}

/// Session `one` with a turn that lasts until what is returned is dropped.
fn busy(host: &Host) -> Held {
    new(host, "one");
    let gate = host.gate_in("one");
    host.say(&gate.call());
    gate.reached()
}

/// Has a new session wait for its place; returns what is said of that.
fn waits(host: &Host, name: &str, text: &str) -> Shown {
    new(host, name);
    host.say(text);
    host.answer(&format!("{name} waits for a place: one is at work."))
}

/// How often something stands in the chat.
fn count(host: &Host, text: &str) -> usize {
    let texts = host.texts();
    texts.iter().filter(|shown| shown.contains(text)).count()
}

/// Waits until a message has no buttons.
fn is_over(host: &Host, message: &Shown) -> Shown {
    host.wait("the end of its buttons", |view| {
        let mut shown = view.messages(USER);
        shown
            .find(|shown| shown.id == message.id && shown.buttons.is_empty())
            .cloned()
    })
}

fn all_alone(host: &Host) {
    let starts = host.starts();
    assert!(starts.iter().all(|start| start == "alone"), "{starts:?}");
}

fn ends_well(host: &Host, chappe: Chappe) {
    host.delivered();
    assert_eq!(chappe.stop().code(), Some(0));
    all_alone(host);
}

#[test]
fn a_quiet_session_makes_room_for_another_and_nobody_is_told() {
    let host = one_place();
    let chappe = host.start();
    new(&host, "one");
    host.say("hello");
    host.answer("echo: hello");
    new(&host, "two");
    host.say("good morning");
    host.answer("echo: good morning");
    host.say("/session one");
    host.answer("What you write now goes to one.");
    host.say("[[remember]]");
    host.answer(r#"remember turns=1 texts=["hello"]"#);
    assert_eq!(host.starts().len(), 3);
    assert_eq!(host.claudes().len(), 1);
    assert_eq!(count(&host, "waits for"), 0, "{:?}", host.texts());
    ends_well(&host, chappe);
}

#[test]
fn who_waits_is_told_for_whom_and_can_stop_that() {
    let host = one_place();
    let chappe = host.start();
    let _held = busy(&host);
    let told = waits(&host, "two", "good morning");
    let labels: Vec<_> = told
        .buttons
        .iter()
        .flatten()
        .map(|(label, _)| label.as_str())
        .collect();
    assert_eq!(labels, ["Stop one"]);
    // What comes meanwhile waits with it, and is told no second time.
    host.say("and good night");
    host.stored();
    let press = host.press(&host.person(), &told, "Stop one");
    assert_eq!(host.toast(&press), "Stopping one.");
    host.answer("echo: good morning\nand good night");
    host.answer("✗ Stopped");
    let told = is_over(&host, &told);
    assert!(told.text.contains("✓ It goes on now."), "{}", told.text);
    assert_eq!(count(&host, "waits for"), 1);
    ends_well(&host, chappe);
}

#[test]
fn who_waits_on_is_told_who_has_the_place_by_then() {
    let host = one_place();
    let chappe = host.start();
    let first = busy(&host);
    new(&host, "two");
    let gate = host.gate_in("two");
    host.say(&gate.call());
    host.answer("two waits for a place: one is at work.");
    let third = waits(&host, "three", "I am the third");
    drop(first);
    let second = gate.reached();
    let told = host.wait("another holder", |view| {
        let mut shown = view.from_bot(USER);
        let told = shown.find(|shown| shown.id == third.id)?;
        told.text.contains("two is at work.").then(|| told.clone())
    });
    let labels: Vec<_> = told.buttons.iter().flatten().collect();
    assert_eq!(labels.len(), 1, "{labels:?}");
    let press = host.press(&host.person(), &told, "Stop two");
    assert_eq!(host.toast(&press), "Stopping two.");
    drop(second);
    host.answer("echo: I am the third");
    ends_well(&host, chappe);
}

#[test]
fn places_are_given_out_first_come_first_served() {
    let host = one_place();
    let chappe = host.start();
    let held = busy(&host);
    let second = waits(&host, "two", "I am the second");
    let third = waits(&host, "three", "I am the third");
    drop(held);
    host.answer("tool said:");
    host.answer("echo: I am the second");
    host.answer("echo: I am the third");
    for told in [second, third] {
        let told = is_over(&host, &told);
        assert!(told.text.contains("✓ It goes on now."), "{}", told.text);
    }
    let order = host.count(
        "SELECT (SELECT id FROM prompt WHERE text = 'I am the second')
             < (SELECT id FROM prompt WHERE text = 'I am the third')",
    );
    assert_eq!(order, 1);
    ends_well(&host, chappe);
}

#[test]
fn who_is_stopped_while_it_waits_waits_no_more() {
    let host = one_place();
    let chappe = host.start();
    let held = busy(&host);
    let told = waits(&host, "two", "good morning");
    host.say("/stop");
    let kept = host.answer("1 message waits.");
    is_over(&host, &told);
    drop(held);
    host.answer("tool said:");
    new(&host, "three");
    host.say("hello from three");
    host.answer("echo: hello from three");
    // It has its turn when somebody says so.
    let press = host.press(&host.person(), &kept, "Run");
    assert_eq!(host.toast(&press), "Going on.");
    host.answer("echo: good morning");
    ends_well(&host, chappe);
}

#[test]
fn what_is_dropped_while_it_waits_starts_nothing() {
    let host = one_place();
    let chappe = host.start();
    let held = busy(&host);
    let told = waits(&host, "two", "good morning");
    host.say("/stop");
    let kept = host.answer("1 message waits.");
    let press = host.press(&host.person(), &kept, "Drop");
    assert_eq!(host.toast(&press), "Dropped.");
    is_over(&host, &told);
    drop(held);
    host.answer("tool said:");
    host.delivered();
    assert_eq!(host.starts().len(), 1);
    assert_eq!(host.count("SELECT count(*) FROM prompt"), 1);
    ends_well(&host, chappe);
}

#[test]
fn a_chappe_that_dies_while_one_waits_goes_on_with_both() {
    let host = one_place();
    let chappe = host.start();
    let held = busy(&host);
    let told = waits(&host, "two", "good morning");
    // What was on its way when it died would be shown twice.
    host.delivered();
    chappe.crash();
    // The old process ends its turn by itself.
    drop(held);
    let chappe = host.start();
    is_over(&host, &told);
    host.answer("tool said:");
    host.answer("echo: good morning");
    host.delivered();
    assert_eq!(count(&host, "tool said:"), 1);
    assert_eq!(count(&host, "echo: good morning"), 1);
    let buttons = "SELECT count(*) FROM button WHERE used = 0 AND act LIKE '%stop_other%'";
    assert_eq!(host.count(buttons), 0);
    assert_eq!(chappe.stop().code(), Some(0));
}

#[test]
fn after_a_restart_places_are_given_in_the_order_of_before() {
    let host = one_place();
    let chappe = host.start();
    for name in ["two", "three", "four"] {
        new(&host, name);
    }
    // The one whose turn it was has made room for nobody yet when chappe dies; the newest session waits first.
    let held = busy(&host);
    let is_told = |name: &str| host.answer(&format!("{name} waits for a place: one is at work."));
    let mut told = Vec::new();
    for name in ["four", "two", "three"] {
        host.say(&format!("/session {name}"));
        host.answer(&format!("What you write now goes to {name}."));
        host.say(&format!("I am {name}"));
        told.push(is_told(name));
    }
    host.delivered();
    chappe.crash();
    drop(held);
    let chappe = host.start();
    for told in &told {
        is_over(&host, told);
    }
    for name in ["four", "two", "three"] {
        host.answer(&format!("echo: I am {name}"));
    }
    host.delivered();
    let line = |text: &str| host.count(&format!("SELECT id FROM prompt WHERE text = {text:?}"));
    let order = [line("I am four"), line("I am two"), line("I am three")];
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(count(&host, "tool said:"), 1);
    ends_well(&host, chappe);
}

#[test]
fn a_shutdown_while_one_waits_ends_in_order() {
    let host = one_place();
    let chappe = host.start();
    let held = busy(&host);
    let told = waits(&host, "two", "good morning");
    chappe.signal(Signal::SIGTERM);
    is_over(&host, &told);
    drop(held);
    assert_eq!(chappe.ended().code(), Some(0));
    host.answer("tool said:");
    assert_eq!(count(&host, "echo: good morning"), 0);
    let chappe = host.start();
    host.answer("echo: good morning");
    ends_well(&host, chappe);
}

/// What the kernel says of memory.
fn meminfo(available: u64) -> String {
    format!(
        "MemTotal: 4000000 kB\nMemFree: 1 kB\nMemAvailable: {} kB\n",
        available << 10
    )
}

#[test]
fn a_shortage_of_memory_is_told_once_and_waited_for_only_where_somebody_can_make_room() {
    let test = "a_shortage_of_memory_is_told_once_and_waited_for_only_where_somebody_can_make_room";
    let mut host = Host::new();
    host.sessions.push_str("min_free_memory = \"100M\"\n");
    let file = host.folder.path().join("meminfo");
    fs::write(&file, meminfo(50)).expect("the folder can be written");
    host.write_config();
    let Some(chappe) = host.start_with_file_over("meminfo", "/proc/meminfo", test) else {
        return;
    };
    // With nobody there who could make room it is started whatever there is.
    let held = busy(&host);
    host.answer("The host has little memory left (50 MB).");
    new(&host, "two");
    host.say("good morning");
    let told = host.answer("two waits for memory: one is at work.");
    // Bound to the mount: written in place.
    fs::write(&file, meminfo(3000)).expect("it can be written");
    host.say("and good night");
    host.answer("echo: good morning\nand good night");
    let told = is_over(&host, &told);
    assert!(told.text.contains("✓ It goes on now."), "{}", told.text);
    drop(held);
    host.answer("tool said:");
    // Who is quiet makes room.
    fs::write(&file, meminfo(50)).expect("it can be written");
    new(&host, "three");
    host.say("hello from three");
    host.answer("echo: hello from three");
    until("the end of the others", || {
        (host.claudes().len() == 1).then_some(())
    });
    host.delivered();
    assert_eq!(count(&host, "little memory"), 1);
    assert_eq!(count(&host, "waits for"), 1);
    assert_eq!(chappe.stop().code(), Some(0));
}

#[test]
fn who_always_has_more_to_do_keeps_nobody_waiting() {
    let host = one_place();
    let chappe = host.start();
    let held = busy(&host);
    waits(&host, "two", "I am the second");
    host.say("/session one");
    host.answer("What you write now goes to one.");
    host.say("there is more for one");
    host.stored();
    drop(held);
    host.answer("tool said:");
    host.answer("echo: I am the second");
    host.answer("echo: there is more for one");
    let order = host.count(
        "SELECT (SELECT id FROM prompt WHERE text = 'I am the second')
             < (SELECT id FROM prompt WHERE text = 'there is more for one')",
    );
    assert_eq!(order, 1);
    ends_well(&host, chappe);
}

#[test]
fn what_waits_behind_a_turn_that_waits_for_a_place_is_shown_and_can_be_dropped() {
    let mut host = Host::new();
    host.sessions.push_str("batch_window = \"0ms\"\n");
    let chappe = host.start();
    // They take as long again when they are taken up, whichever of them is first.
    for name in ["one", "two"] {
        new(&host, name);
        host.say("[[wait 60000]]");
    }
    until("both turns", || {
        (host.count("SELECT count(*) FROM prompt WHERE state = 'taken'") == 2).then_some(())
    });
    host.delivered();
    chappe.crash();
    host.sessions.push_str("max_live = 1\n");
    let _chappe = host.start();
    let waits = |text: &str, label: &str| {
        host.wait(&format!("a status with {text:?}"), |view| {
            let mut shown = view.from_bot(USER);
            let says = |shown: &&Shown| {
                let mut labels = shown.buttons.iter().flatten();
                shown.text.contains("Waiting for a place")
                    && shown.text.contains(text)
                    && labels.any(|(of, _)| of == label)
            };
            shown.find(says).cloned()
        })
    };
    let status = waits("", "Stop");
    host.api.reply(&host.person(), status.id, "never mind");
    let status = waits("1 waiting", "Drop");
    let press = host.press(&host.person(), &status, "Drop");
    assert_eq!(host.toast(&press), "Dropped.");
    host.wait("a status without it", |view| {
        let mut shown = view.from_bot(USER);
        shown
            .find(|shown| shown.id == status.id && !shown.text.contains("waiting"))
            .map(drop)
    });
    let waiting = "SELECT count(*) FROM inbox WHERE state = 'waiting'";
    assert_eq!(host.count(waiting), 0);
}
