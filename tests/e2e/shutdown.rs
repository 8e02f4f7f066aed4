//! chappe is stopped in order: what may finish, what is left for the next start, and that nothing stays behind.

use std::fs;
use std::time::{Duration, Instant};

use crate::host::{Host, USER, processes_of, until};
use chappe::loopback::botapi::Person;
use nix::sys::signal::Signal;

const BOB: i64 = 1002;

const INTERRUPTED: &str = "I was restarted in the middle of this";

#[test]
fn a_running_turn_is_finished_and_answered_and_what_waits_runs_after_the_restart() {
    let mut host = Host::new();
    host.sessions = "stop_grace = \"2s\"\nshutdown_grace = \"30s\"\n".to_owned();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    host.say("stored in time");
    host.stored();
    chappe.signal(Signal::SIGTERM);
    chappe.logs("chappe is being stopped");
    host.say("sent meanwhile");
    drop(held);
    assert_eq!(chappe.ended().code(), Some(0));
    host.answer("tool said:");
    assert_eq!(processes_of(host.folder.path()), Vec::<i32>::new());
    assert!(!host.texts().iter().any(|text| text.contains("in time")));

    let _chappe = host.start();
    host.answer("echo: stored in time");
    host.answer("sent meanwhile");
    host.say("[[remember]]");
    host.answer("remember turns=");
    assert!(!host.texts().iter().any(|text| text.contains(INTERRUPTED)));
    assert_eq!(host.count("SELECT count(*) FROM session"), 1);
    assert_eq!(
        host.count("SELECT count(*) FROM prompt WHERE outcome = 'answered'"),
        host.count("SELECT count(*) FROM prompt"),
    );
}

#[test]
fn a_turn_that_takes_too_long_is_ended_and_told_after_the_restart() {
    let mut host = Host::new();
    host.allowed_users.push(BOB);
    host.sessions = "stop_grace = \"2s\"\nshutdown_grace = \"1s\"\n".to_owned();
    let chappe = host.start();
    let bob = Person::private(BOB, "Bob");
    let gate = host.gate();
    host.say(&gate.call());
    let _held = gate.reached();
    let status = host.answer("⏳ Running");
    host.api
        .say(&bob, r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = host.request(BOB);
    assert_eq!(chappe.stop().code(), Some(0));
    assert_eq!(processes_of(host.folder.path()), Vec::<i32>::new());
    host.says(USER, status.id, "⏳ Paused for a restart");

    // Pressed while nobody is there.
    let press = host.press(&bob, &request, "Allow once");
    let _chappe = host.start();
    // The turns go on, in the status messages that they had.
    host.says(USER, status.id, "✓");
    host.answer("tool said: ");
    host.answer_in(BOB, "tool said: ");
    let expired = host.says(BOB, request.id, "✗ Expired");
    assert!(expired.buttons.is_empty());
    assert_eq!(
        host.toast(&press),
        "That request is over. Your press changed nothing."
    );
    assert!(!host.sessions_root().join("bob").join("made").exists());

    host.say("[[remember]]");
    host.answer("remember turns=2 ");
    host.api.say(&bob, "[[remember]]");
    host.answer_in(BOB, "remember turns=2 ");
    let answers = |chat| {
        let texts = host.texts_in(chat).into_iter();
        texts.filter(|text| text.starts_with("tool said: ")).count()
    };
    assert_eq!((answers(USER), answers(BOB)), (1, 1));
}

#[test]
fn what_hears_nothing_is_killed_with_its_tools() {
    let mut host = Host::new();
    host.sessions = "stop_grace = \"300ms\"\nshutdown_grace = \"300ms\"\n".to_owned();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let _held = gate.reached();
    host.freeze_claude();
    let end = {
        chappe.signal(Signal::SIGTERM);
        chappe.end()
    };
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert_eq!(processes_of(host.folder.path()), Vec::<i32>::new());

    let _chappe = host.start();
    host.answer(INTERRUPTED);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut host = Host::new();
    host.sessions = "stop_grace = \"60s\"\nshutdown_grace = \"600s\"\n".to_owned();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let _held = gate.reached();
    chappe.signal(Signal::SIGTERM);
    chappe.logs("chappe is being stopped");
    chappe.signal(Signal::SIGINT);
    let end = chappe.end();
    assert_eq!(end.code, Some(1), "{}", end.stderr);
    assert_eq!(processes_of(host.folder.path()), Vec::<i32>::new());

    let _chappe = host.start();
    host.answer(INTERRUPTED);
}

/// The whole sum that `shutdown_grace` and `stop_grace` of these tests allow for: see `TimeoutStopSec` in the units.
fn sum(shutdown_grace: Duration, stop_grace: Duration) -> Duration {
    shutdown_grace + 3 * stop_grace + Duration::from_secs(8)
}

#[test]
fn however_deaf_everybody_is_the_end_comes_within_the_sum() {
    let grace = Duration::from_millis(500);
    let mut host = Host::new();
    host.allowed_users.push(BOB);
    host.sessions = "stop_grace = \"500ms\"\nshutdown_grace = \"500ms\"\n".to_owned();
    let chappe = host.start();
    let (gate, other) = (host.gate(), host.gate_in("bob"));
    host.say(&gate.call());
    host.api.say(&Person::private(BOB, "Bob"), &other.call());
    let _held = (gate.reached(), other.reached());
    host.freeze_claude();
    // Neither does Telegram answer.
    host.api.go_dark();
    let since = Instant::now();
    chappe.signal(Signal::SIGTERM);
    let end = chappe.end();
    let took = since.elapsed();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert!(took < sum(grace, grace), "{took:?}: {}", end.stderr);
    assert!(
        took >= 4 * grace,
        "each step was waited for: {took:?}: {}",
        end.stderr
    );
    assert_eq!(processes_of(host.folder.path()), Vec::<i32>::new());
}

#[test]
fn a_second_signal_kills_also_who_is_deaf() {
    let mut host = Host::new();
    host.sessions = "stop_grace = \"60s\"\nshutdown_grace = \"600s\"\n".to_owned();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let _held = gate.reached();
    host.freeze_claude();
    chappe.signal(Signal::SIGTERM);
    chappe.logs("chappe is being stopped");
    let since = Instant::now();
    chappe.signal(Signal::SIGTERM);
    let end = chappe.end();
    let took = since.elapsed();
    assert_eq!(end.code, Some(1), "{}", end.stderr);
    // Between SIGTERM and SIGKILL Claude writes down what it has said.
    assert!(took >= Duration::from_millis(200), "{took:?}");
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert_eq!(processes_of(host.folder.path()), Vec::<i32>::new());
}

/// What the kernel says of a process: its state and its parent; None where nobody has this number.
fn state_of(pid: i32) -> Option<(String, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

/// Has Claude run a command, which is allowed, and which writes its number into the file `pid`; returns that.
fn runs(host: &Host, command: &str) -> i32 {
    let input = serde_json::json!({ "command": command });
    host.say(&format!("[[tool Bash {input}]]"));
    let request = host.request(USER);
    host.press(&host.person(), &request, "Allow once");
    until("the number of what it runs", || {
        let number = fs::read_to_string(host.file("pid")).ok()?;
        number.trim().parse().ok()
    })
}

#[test]
fn what_a_tool_has_hidden_ends_with_chappe() {
    let mut host = Host::new();
    host.sessions = "stop_grace = \"2s\"\nshutdown_grace = \"5s\"\n".to_owned();
    let chappe = host.start();
    // Neither its parent nor its session nor its environment tells whose it is.
    let hidden = runs(
        &host,
        "(env -i setsid sh -c 'echo $$ >pid; exec sleep 600' >/dev/null 2>&1 &)",
    );
    host.answer("tool said:");
    let (_, parent) = state_of(hidden).expect("it lives on");
    assert_eq!(parent, chappe.pid(), "chappe has taken it in");
    assert_eq!(chappe.stop().code(), Some(0));
    // Whether init has reaped it already is not chappe's business.
    let runs = state_of(hidden).is_some_and(|(state, _)| state != "Z");
    assert!(!runs, "it has survived chappe");
}

#[test]
fn an_orphan_that_dies_is_reaped_while_chappe_and_claude_go_on() {
    let host = Host::new();
    let chappe = host.start();
    let gate = host.gate();
    let orphan = runs(
        &host,
        "(setsid sh -c 'echo $$ >pid; cat gate' >/dev/null 2>&1 &)",
    );
    let held = gate.reached();
    host.answer("tool said:");
    let (_, parent) = state_of(orphan).expect("it lives on");
    assert_eq!(parent, chappe.pid(), "chappe has taken it in");
    let claudes = host.claudes();
    drop(held);
    until("its end, and no zombie", || {
        state_of(orphan).is_none().then_some(())
    });
    assert_eq!(host.claudes(), claudes);
    host.say("hello");
    host.answer("echo: hello");
}
