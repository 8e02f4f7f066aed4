//! What waits behind a turn: it is shown, and a person sends it into the turn, drops it, or lets it wait.

use std::fs;

use chappe::loopback::botapi::Shown;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::host::{Held, Host, USER, processes_of, until};

/// Waits until a message has a button with this label, and shows `text`.
fn with_button(host: &Host, text: &str, label: &str) -> Shown {
    host.wait(&format!("{text:?} with {label:?}"), |view| {
        let mut all = view.from_bot(USER);
        let fits = |shown: &&Shown| {
            let mut buttons = shown.buttons.iter().flatten();
            shown.text.contains(text) && buttons.any(|(name, _)| name == label)
        };
        all.find(fits).cloned()
    })
}

fn labels(shown: &Shown) -> Vec<&str> {
    let buttons = shown.buttons.iter().flatten();
    buttons.map(|(label, _)| label.as_str()).collect()
}

#[test]
fn the_status_says_how_many_wait_and_drops_them() {
    let host = Host::new();
    let _chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    host.answer("⏳ Running");
    host.say("never one");
    host.say("never two");
    let status = with_button(&host, "2 waiting", "Drop");
    let press = host.press(&host.person(), &status, "Drop");
    assert_eq!(host.toast(&press), "Dropped.");
    let again = host.press(&host.person(), &status, "Drop");
    assert_eq!(
        host.toast(&again),
        "That was pressed before. Nothing more was done."
    );
    drop(held);
    host.answer("tool said: ");
    host.says(USER, status.id, "✓");
    // The turn is over, and its buttons say so.
    let late = host.press(&host.person(), &status, "Drop");
    assert_eq!(host.toast(&late), "That turn is over.");
    host.say("[[remember]]");
    let remembered = host.answer("remember ");
    assert!(!remembered.text.contains("never"), "{}", remembered.text);
}

#[test]
fn a_button_of_another_turn_does_nothing() {
    let host = Host::new();
    let _chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    host.answer("⏳ Running");
    host.say("[[wait 60000]]");
    let first = with_button(&host, "1 waiting", "Drop");
    drop(held);
    host.answer("tool said: ");
    host.says(USER, first.id, "✓");
    // Before that both would be one prompt.
    until("the second turn", || {
        (host.count("SELECT count(*) FROM prompt") == 2).then_some(())
    });
    host.say("this waits behind the second");
    let second = with_button(&host, "1 waiting", "Drop");
    assert_ne!(first.id, second.id);
    let press = host.press(&host.person(), &first, "Drop");
    assert_eq!(host.toast(&press), "That turn is over.");
    let press = host.press(&host.person(), &second, "Drop");
    assert_eq!(host.toast(&press), "Dropped.");
}

#[test]
fn the_list_drops_one_or_all() {
    let host = Host::new();
    let _chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    for text in ["one", "two", "three"] {
        host.say(text);
    }
    host.stored();
    host.say("/queue");
    let list = host.answer("3 waiting\n1. one\n2. two\n3. three");
    assert!(labels(&list).ends_with(&["Drop all 3", "Drop 1", "Drop 2", "Drop 3"]));
    let press = host.press(&host.person(), &list, "Drop 2");
    assert_eq!(host.toast(&press), "Dropped.");
    let list = host.says(USER, list.id, "2 waiting\n1. one\n2. three");
    assert!(labels(&list).ends_with(&["Drop all 2", "Drop 1", "Drop 2"]));
    // Whoever looks at a list that is not that any more changes nothing.
    host.say("four");
    host.stored();
    let late = host.press(&host.person(), &list, "Drop 1");
    assert_eq!(host.toast(&late), "That is over. Nothing was done.");
    host.say("/queue");
    let list = host.answer("3 waiting\n1. one\n2. three\n3. four");
    let press = host.press(&host.person(), &list, "Drop 1");
    assert_eq!(host.toast(&press), "Dropped.");
    drop(held);
    host.answer("echo: three\nfour");
    host.say("/queue");
    host.answer("Nothing waits in default.");
}

/// A turn at a gate, with its status shown.
fn at_the_gate(host: &Host) -> Held {
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    host.answer("⏳ Running");
    held
}

/// How many prompts went into the turn of another.
const STEERED: &str = "SELECT count(*) FROM prompt WHERE steered IS NOT NULL";

fn steered(host: &Host) {
    until("the text on its way", || {
        (host.count(STEERED) > 0).then_some(())
    });
    // It is stored before it is written, and a turn that has ended by then takes nothing in.
    until("the text with Claude", || {
        let projects = host.folder.path().join("claude/projects");
        let folders = fs::read_dir(projects).ok()?.flatten();
        let files = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten());
        let rows = files.flatten().map(|file| {
            let rows = fs::read_to_string(file.path()).unwrap_or_default();
            rows.matches("\"enqueue\"").count()
        });
        (rows.sum::<usize>() > 1).then_some(())
    });
}

#[test]
fn what_is_steered_comes_with_the_tools_result_and_shares_its_turn() {
    let host = Host::new();
    let _chappe = host.start();
    let held = at_the_gate(&host);
    host.say("/steer");
    host.answer("/steer use tabs gives Claude a text while it works");
    host.say("/steer by the way");
    steered(&host);
    drop(held);
    host.answer("steered: by the way");
    host.say("[[remember]]");
    host.answer("remember turns=");
    let open = "SELECT count(*) FROM prompt WHERE state != 'closed' OR outcome != 'answered'";
    assert_eq!(host.count(open), 0);
    let answers = host.texts().into_iter();
    let answers = answers.filter(|text| text.contains("by the way"));
    assert_eq!(answers.count(), 2, "the answer, and what is remembered");
}

#[test]
fn send_now_puts_what_waits_into_the_turn() {
    let host = Host::new();
    let _chappe = host.start();
    let held = at_the_gate(&host);
    host.say("one");
    host.say("two");
    let status = with_button(&host, "2 waiting", "Send now");
    let press = host.press(&host.person(), &status, "Send now");
    assert_eq!(host.toast(&press), "Sending it into the turn.");
    steered(&host);
    drop(held);
    host.answer("steered: one\ntwo");
    assert_eq!(host.count("SELECT count(*) FROM prompt"), 2);
}

#[test]
fn the_list_sends_what_waits_into_the_turn() {
    let host = Host::new();
    let _chappe = host.start();
    let held = at_the_gate(&host);
    host.say("one");
    host.stored();
    host.say("/queue");
    let list = host.answer("1 waiting\n1. one");
    let press = host.press(&host.person(), &list, "Send now");
    assert_eq!(host.toast(&press), "Sent.");
    steered(&host);
    drop(held);
    host.answer("steered: one");
}

#[test]
fn without_a_turn_it_is_a_message_like_any_other() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("/steer hello");
    host.answer("echo: hello");
    assert_eq!(host.count(STEERED), 0);
}

#[test]
fn one_of_claudes_own_commands_is_never_put_into_a_turn() {
    let host = Host::new();
    let _chappe = host.start();
    let held = at_the_gate(&host);
    host.say("/steer /cost");
    host.stored();
    drop(held);
    host.answer("tool said: ");
    let ended = "SELECT count(*) FROM prompt WHERE state = 'closed' AND command = 1";
    until("the command", || (host.count(ended) == 1).then_some(()));
    assert_eq!(host.count(STEERED), 0);
}

#[test]
fn what_comes_while_the_answer_is_written_runs_next_with_an_answer_of_its_own() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("[[slow 100]] [[say 3000]]");
    host.answer("⏳ Writing");
    host.say("/steer and then this");
    steered(&host);
    host.answer("echo: and then this");
    let ended = "SELECT count(*) FROM prompt WHERE state = 'closed' AND outcome = 'answered'";
    until("the end of both", || (host.count(ended) == 2).then_some(()));
    host.say("[[remember]]");
    host.answer("remember turns=");
}

#[test]
fn a_stop_takes_back_what_was_steered_and_not_taken() {
    let mut host = Host::new();
    host.note_starts();
    let _chappe = host.start();
    let held = at_the_gate(&host);
    host.say("/steer never mind");
    steered(&host);
    host.say("/stop");
    let notice = host.answer("1 message waits");
    drop(held);
    host.answer("✗ Stopped");
    let press = host.press(&host.person(), &notice, "Drop");
    assert_eq!(host.toast(&press), "Dropped.");
    host.say("[[remember]]");
    let remembered = host.answer("remember ");
    assert!(
        !remembered.text.contains("never mind"),
        "{}",
        remembered.text
    );
    assert_eq!(host.starts(), ["alone"], "the process stays");
}

#[test]
fn wherever_chappe_dies_what_was_steered_is_given_once() {
    for tree in [false, true] {
        for point in [
            "before:steer@1",
            "after:steer@1",
            "before:pipe@3",
            "after:pipe@3",
        ] {
            let mut host = Host::new();
            host.sessions = "stop_grace = \"1s\"\nshutdown_grace = \"1s\"\n".to_owned();
            let order = point.replace('@', "=kill@");
            let chappe = host.start_with(&[("CHAPPE_FAIL", order)]);
            let held = at_the_gate(&host);
            host.delivered();
            host.say("/steer by the way");
            let story = format!("{point}, the tree with it: {tree}");
            assert_eq!(chappe.end().code, None, "{story}");
            if tree {
                for pid in processes_of(host.folder.path()) {
                    // It may be gone by now.
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                }
            }
            // Who comes there once more is not held up.
            fs::remove_file(host.file("gate")).expect("the gate is there");
            fs::write(host.file("gate"), "open").expect("the folder can be written");
            let _chappe = host.start();
            drop(held);
            until(&format!("the end of all, {story}"), || {
                let open = host.count("SELECT count(*) FROM prompt WHERE state != 'closed'")
                    + host.count("SELECT count(*) FROM inbox WHERE state = 'waiting'");
                (open == 0).then_some(())
            });
            host.say("[[remember]]");
            let remembered = host.answer("remember ").text;
            let given = remembered.matches("\"by the way").count();
            assert_eq!(given, 1, "{story}: {remembered}");
            let answered = host.texts().into_iter();
            let answered = answered.filter(|text| text.contains(": by the way"));
            assert!(answered.count() <= 1, "{story}: {:?}", host.texts());
        }
    }
}

#[test]
fn where_it_is_set_what_comes_while_a_turn_runs_goes_into_it() {
    let mut host = Host::new();
    host.sessions.push_str("when_busy = \"steer\"\n");
    let _chappe = host.start();
    let held = at_the_gate(&host);
    host.say("one");
    host.say("two");
    steered(&host);
    drop(held);
    host.answer("steered: one\ntwo");
    host.say("/cost");
    host.say("hello");
    host.answer("echo: hello");
    assert_eq!(host.count(STEERED), 1);
}

#[test]
fn what_waits_for_a_person_is_listed_over_all_sessions() {
    let host = Host::new();
    let _chappe = host.start();
    host.say("/pending");
    host.answer("Nothing waits for you.");
    host.say("/new web");
    host.answer("Session web is ready");
    host.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    host.request(USER);
    host.say("/new api");
    host.answer("Session api is ready");
    host.say("/pending");
    let list = host.answer("web · wants Bash touch made · ");
    assert_eq!(labels(&list), ["Go to web"]);
    let press = host.press(&host.person(), &list, "Go to web");
    assert_eq!(host.toast(&press), "✓ What you write now goes to web.");
    host.say("/stop");
    host.answer("✗ Withdrawn");
    host.say("/status");
    host.answer("All well on ");
}

/// Has a turn fail behind which something waits, and returns the list of that.
fn list_after_a_failure(host: &Host) -> Shown {
    host.say("[[error 529 x3]] [[text recovered]]");
    host.stored();
    // Before that both would be one prompt; Claude itself tries for some seconds.
    until("the turn", || {
        (host.count("SELECT count(*) FROM prompt") == 1).then_some(())
    });
    host.say("waits");
    let notice = host.answer("I try again in 1 min; 1 message runs then.");
    host.say("/queue");
    host.answer_after(notice.id, "paused after a failure\n1. waits")
}

#[test]
fn what_has_failed_is_no_part_of_the_list_and_goes_first_when_that_is_run() {
    let host = Host::new();
    let _chappe = host.start();
    let list = list_after_a_failure(&host);
    let press = host.press(&host.person(), &list, "Run");
    assert_eq!(host.toast(&press), "Trying again.");
    let recovered = host.answer("recovered");
    host.answer_after(recovered.id, "echo: waits");
}

#[test]
fn what_has_failed_is_no_part_of_the_list_and_stays_when_that_is_dropped() {
    let host = Host::new();
    let _chappe = host.start();
    let list = list_after_a_failure(&host);
    let press = host.press(&host.person(), &list, "Drop");
    assert_eq!(host.toast(&press), "Dropped.");
    assert!(host.says(USER, list.id, "Dropped.").buttons.is_empty());
    let waits = "SELECT count(*) FROM inbox WHERE state = 'waiting'";
    assert_eq!(host.count(waits), 0);
    let notice = host.answer("I try again in 1 min");
    host.press(&host.person(), &notice, "Try now");
    host.answer("recovered");
    assert!(!host.texts().iter().any(|text| text.contains("echo: waits")));
}
