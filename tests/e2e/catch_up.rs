//! What came while chappe was away, and what a start makes of clocks, bots and numbers that are not what they were.

use std::fs;

use chappe::loopback::botapi::{BotApi, Person, Shown};

use crate::host::{Chappe, Host, USER, until};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const BOB: i64 = 1002;
const AWAY: &str = "came while I was away";

/// A host whose clock can be set.
fn host() -> Host {
    let mut host = Host::new();
    host.allowed_users.push(BOB);
    let file = host.folder.path().join("clock");
    host.environment
        .push(("CHAPPE_CLOCK".to_owned(), file.display().to_string()));
    set_clock(&host, 0);
    host
}

/// Lets chappe's clock be off by so many seconds from now on.
fn set_clock(host: &Host, seconds: i64) {
    let file = host.folder.path().join("clock");
    let new = file.with_extension("new");
    fs::write(&new, seconds.to_string()).expect("the folder can be written");
    fs::rename(new, file).expect("the folder can be written");
}

/// Stops chappe once it has answered `hello`.
fn was_there_before(host: &Host) {
    let chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    host.delivered();
    stop(chappe);
}

fn stop(chappe: Chappe) {
    assert_eq!(chappe.stop().code(), Some(0));
}

/// The questions that stand in a chat, with their buttons.
fn questions(host: &Host) -> Vec<Shown> {
    let shown = host.api.messages(USER).into_iter();
    shown
        .filter(|shown| shown.from_bot && shown.text.contains(AWAY))
        .collect()
}

fn echoes(host: &Host) -> Vec<String> {
    let texts = host.texts().into_iter();
    // Without what the stand-in says of itself.
    let said = |text: String| text.split("\n\n").next().unwrap_or_default().to_owned();
    texts
        .filter(|text| text.starts_with("echo: "))
        .map(said)
        .collect()
}

#[test]
fn what_is_old_waits_for_a_word_and_what_comes_later_does_not() {
    let host = host();
    was_there_before(&host);
    for text in ["one", "two", "three"] {
        host.say(text);
    }
    host.api.say(&Person::private(BOB, "Bob"), "and I");
    set_clock(&host, 2 * HOUR);
    let chappe = host.start();
    let question = host.answer("3 messages came while I was away (the oldest 2 h ago)");
    let of_bob = host.answer_in(BOB, "1 message came while I was away (2 h ago)");
    host.say("later");
    host.answer("echo: later");
    assert_eq!(echoes(&host), ["echo: hello", "echo: later"]);
    // Over a restart the question stays, and is not asked again. (What is written now has the time of this machine.)
    stop(chappe);
    set_clock(&host, 0);
    let _chappe = host.start();
    host.say("still there?");
    host.answer("echo: still there?");
    assert_eq!(questions(&host).len(), 1);

    let press = host.press(&host.person(), &question, "Only the last");
    let line = "The last one runs, the others are dropped.";
    assert_eq!(host.toast(&press), line);
    host.answer("echo: three");
    assert!(host.says(USER, question.id, line).buttons.is_empty());
    let bob = Person::private(BOB, "Bob");
    host.press(&bob, &of_bob, "Run");
    host.answer_in(BOB, "echo: and I");
    host.delivered();
    assert_eq!(echoes(&host).len(), 4);
    let left = "SELECT count(*) FROM inbox WHERE state IN ('asked', 'waiting')";
    assert_eq!(host.count(left), 0);
}

#[test]
fn what_is_for_another_session_than_the_place_talks_to_is_asked_about_by_its_name() {
    let host = host();
    let chappe = host.start();
    host.say("hello");
    let said = host.answer("echo: hello");
    host.say("/new web");
    host.answer("Session web is ready");
    host.delivered();
    stop(chappe);
    host.api.reply(&host.person(), said.id, "back");
    host.say("here");
    set_clock(&host, 2 * HOUR);
    let _chappe = host.start();
    let question = host.answer("2 messages for default and web came while I was away");
    host.press(&host.person(), &question, "Run all");
    host.answer("echo: back");
    host.answer("echo: here");
}

#[test]
fn all_runs_in_order_or_nothing_does() {
    for (label, expected) in [
        ("Run all", vec!["echo: hello", "echo: one\ntwo"]),
        ("Drop", vec!["echo: hello"]),
    ] {
        let host = host();
        was_there_before(&host);
        host.say("one");
        host.say("two");
        set_clock(&host, HOUR);
        let _chappe = host.start();
        let question = host.answer(AWAY);
        host.press(&host.person(), &question, label);
        host.says(
            USER,
            question.id,
            if label == "Drop" { "Dropped." } else { "run." },
        );
        until("all that was said", || {
            (echoes(&host) == expected).then_some(())
        });
    }
}

#[test]
fn what_comes_to_wait_late_is_not_dropped_by_a_button_that_was_shown_before() {
    let host = host();
    was_there_before(&host);
    host.say("one");
    host.say("two");
    set_clock(&host, 2 * HOUR);
    let _chappe = host.start();
    let question = host.answer("2 messages came while I was away (the oldest 2 h ago)");
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    host.say("later");
    let status = host.wait("the status with what waits", |view| {
        let mut shown = view.from_bot(USER);
        let says = |shown: &&Shown| shown.text.contains("1 waiting") && !shown.buttons.is_empty();
        shown.find(says).cloned()
    });
    host.delivered();
    let press = host.press(&host.person(), &question, "Run all");
    assert_eq!(host.toast(&press), "All of them run.");
    // They came before the one that was shown, and were not shown.
    let press = host.press(&host.person(), &status, "Drop");
    let toast = host.toast(&press);
    assert!(toast.starts_with("More waits by now"), "{toast}");
    drop(held);
    host.wait("all three", |view| {
        let texts: Vec<&str> = view
            .from_bot(USER)
            .map(|shown| shown.text.as_str())
            .collect();
        let echoes = texts.join("\n");
        let all = ["one", "two", "later"];
        all.iter()
            .all(|one| echoes.lines().any(|line| line.ends_with(one)))
            .then_some(())
    });
}

#[test]
fn what_is_young_is_run_and_nobody_is_asked() {
    let host = host();
    was_there_before(&host);
    host.say("young");
    set_clock(&host, 10 * 60);
    let _chappe = host.start();
    host.answer("echo: young");
    assert_eq!(questions(&host).len(), 0);
}

#[test]
fn what_waited_in_the_store_is_asked_about_with_what_telegram_kept() {
    let host = host();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    host.say("stored");
    host.stored();
    chappe.crash();
    drop(held);
    host.say("kept by Telegram");
    set_clock(&host, HOUR);
    let _chappe = host.start();
    let question = host.answer("2 messages came while I was away");
    host.press(&host.person(), &question, "Run all");
    host.answer("echo: stored\nkept by Telegram");
}

#[test]
fn more_than_an_answer_of_telegram_holds_is_one_question() {
    let host = host();
    was_there_before(&host);
    for number in 0..130 {
        host.say(&format!("number {number}"));
    }
    set_clock(&host, HOUR);
    let _chappe = host.start();
    let question = host.answer("130 messages came while I was away");
    assert_eq!(questions(&host).len(), 1);
    host.press(&host.person(), &question, "Only the last");
    host.answer("echo: number 129");
}

#[test]
fn a_changed_message_is_run_as_it_is_now() {
    let host = host();
    was_there_before(&host);
    let message = host.say("before");
    set_clock(&host, HOUR);
    let _chappe = host.start();
    let question = host.answer(AWAY);
    host.api.edit(&host.person(), message, "after");
    host.stored();
    host.press(&host.person(), &question, "Run");
    host.answer("echo: after");
}

#[test]
fn after_more_than_a_day_it_is_said_that_messages_may_be_lost_and_a_turn_is_asked_about() {
    let host = host();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&format!("{} [[text done]]", gate.call()));
    let held = gate.reached();
    host.delivered();
    chappe.crash();
    // It ends by itself; what it says is heard by nobody.
    host.freeze_claude();
    drop(held);
    fs::remove_file(host.file("gate")).expect("it is there");
    fs::write(host.file("gate"), "open").expect("it can be written");
    for pid in host.claudes() {
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid),
            nix::sys::signal::Signal::SIGKILL,
        );
    }
    set_clock(&host, 3 * DAY);
    let chappe = host.start();
    host.answer("I was away for 3 days. Telegram keeps messages for 24 hours");
    let asked = host.answer("How shall it go on?");
    host.say("not held up");
    host.answer("echo: not held up");
    // It was said once.
    stop(chappe);
    set_clock(&host, 0);
    let _chappe = host.start();
    host.say("again");
    host.answer("echo: again");
    let said = host.texts().into_iter();
    assert_eq!(
        said.filter(|text| text.contains("I was away for")).count(),
        1
    );
    assert!(
        host.says(USER, asked.id, "Left as it was")
            .buttons
            .is_empty()
    );
}

#[test]
fn a_clock_that_begins_in_the_past_asks_nothing_and_loses_nothing() {
    let host = host();
    was_there_before(&host);
    let fifty_years = -50 * 365 * DAY;
    host.say("before the network is there");
    set_clock(&host, fifty_years);
    let chappe = host.start();
    host.answer("echo: before the network is there");
    host.say("under a wrong clock");
    host.answer("echo: under a wrong clock");
    // The network sets it.
    set_clock(&host, 0);
    host.say("under the right one");
    host.answer("echo: under the right one");
    host.delivered();
    chappe.crash();
    let _chappe = host.start();
    host.say("after that");
    host.answer("echo: after that");
    assert_eq!(questions(&host).len(), 0);
    assert_eq!(host.texts().len(), 5, "{:?}", host.texts());
}

#[test]
fn a_clock_that_jumps_by_a_day_neither_way_holds_anything_up() {
    for jump in [DAY, -DAY] {
        let host = host();
        let _chappe = host.start();
        host.say("[[error 529 x3]] [[text recovered]]");
        host.answer("I try again in 1 min");
        host.delivered();
        set_clock(&host, jump);
        // The poll comes round.
        host.say("/status");
        host.answer("recovered");
        host.say("and on");
        host.answer("echo: and on");
        set_clock(&host, 0);
        host.say("and back");
        host.answer("echo: and back");
        assert!(!host.texts().iter().any(|text| text.contains("away")));
    }
}

#[test]
fn numbers_that_start_anew_are_taken() {
    let host = host();
    was_there_before(&host);
    // A week later.
    host.api.set_next_update_id(5);
    host.say("from the beginning");
    let chappe = host.start();
    host.answer("echo: from the beginning");
    host.stored();
    host.say("and on");
    host.answer("echo: and on");
    stop(chappe);
    let _chappe = host.start();
    host.say("and again");
    host.answer("echo: and again");
    let polls = host.api.calls().into_iter();
    let polls = polls.filter(|call| call.method == "getUpdates").count();
    assert!(polls < 30, "it spins: {polls}");
}

#[test]
fn a_stop_that_was_said_meanwhile_counts_for_what_was_said_before_it() {
    let host = host();
    let chappe = host.start();
    host.say("[[wait 60000]] [[text never]]");
    host.stored();
    until("a turn", || {
        (host.count("SELECT count(*) FROM prompt WHERE state = 'taken'") == 1).then_some(())
    });
    host.delivered();
    chappe.crash();
    host.say("/stop");
    host.say("after that");
    let _chappe = host.start();
    host.answer("echo: after that");
    until("the end of the stop", || {
        let open = "SELECT (SELECT count(*) FROM prompt WHERE state != 'closed') + (SELECT sum(stop) FROM session)";
        (host.count(open) == 0).then_some(())
    });
    assert!(!host.texts().iter().any(|text| text == "never"));
}

#[test]
fn another_bot_goes_on_with_everything() {
    let mut host = host();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&format!("{} [[text owed]]", gate.call()));
    let held = gate.reached();
    host.delivered();
    host.say("waits");
    host.stored();
    // Telegram takes nothing more from the old one.
    host.api.go_dark();
    drop(held);
    until("the answers", || {
        let ready = "SELECT count(*) FROM outbox WHERE lane = 2 AND state = 'waiting' AND post LIKE '%waits%'";
        (host.count(ready) == 1).then_some(())
    });
    stop(chappe);
    host.token = "78:another-bot-another-bot-another-bot".to_owned();
    host.api = BotApi::start(&host.token).expect("loopback has a free port");
    host.api.know(USER);
    let chappe = host.start();
    host.answer("Another bot was here before");
    host.answer("owed");
    host.answer("echo: waits");
    host.say("[[remember]]");
    host.answer("remember turns=2 ");
    host.delivered();
    assert_eq!(host.texts().len(), 4, "{:?}", host.texts());
    let edits = host.api.calls().into_iter();
    let refused: Vec<_> = edits.filter_map(|call| call.error).collect();
    assert_eq!(
        refused,
        Vec::<String>::new(),
        "nothing of the old one is touched"
    );
    stop(chappe);
}
