//! The time-out of a quiet process against what is written just then, in whatever order: it is answered once, by one
//! process that knows what was said.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Stage, freeze, until};
use crate::host::Chappe;

const IDLE: Duration = Duration::from_secs(1);

/// A stage on which a quiet process is soon ended.
fn stage(test: &str, stop_grace: &str) -> Option<Stage> {
    let mut stage = Stage::new(test)?;
    stage.host.sessions = format!(
        "idle_timeout = \"{}s\"\nstop_grace = {stop_grace:?}\nshutdown_grace = \"5s\"\nbatch_window = \"0ms\"\n",
        IDLE.as_secs()
    );
    Some(stage)
}

/// Waits until the first answer is known to all, and returns the process that has given it.
fn first_answer(stage: &Stage) -> i32 {
    stage.ask("one", "echo: one");
    let claude = stage.claude();
    // In one of the versions the rows come a little later than the answer.
    stage.has_written("echo: one", 1);
    claude
}

fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).expect("it runs");
}

/// Whether chappe still holds the other end of what a process reads.
fn may_still_say_something(chappe: &Chappe, claude: i32) -> bool {
    let input = fs::read_link(format!("/proc/{claude}/fd/0")).expect("it runs");
    let files = fs::read_dir(format!("/proc/{}/fd", chappe.pid())).expect("it runs");
    let mut files = files.flatten();
    files.any(|file| fs::read_link(file.path()).is_ok_and(|file| file == input))
}

/// Waits until a time is over that nobody announces.
fn pass(time: Duration) {
    let from = Instant::now();
    until("the end of a time", || {
        (from.elapsed() > time).then_some(())
    });
}

/// Checks that this was answered once, after the first one.
fn answered_once(stage: &Stage, text: &str) {
    stage.host.answer(&format!("echo: {text}"));
    stage.remembers(&["one", text]);
    stage.host.delivered();
    let answer = format!("echo: {text}");
    let texts = stage.host.texts();
    let answers = texts.iter().filter(|shown| **shown == answer);
    assert_eq!(answers.count(), 1, "{texts:?}");
    // Once for itself, and once for the question what is remembered.
    assert_eq!(stage.turns_told(text), 2);
}

/// Says something while a quiet process is being ended; `thaw` says whether it ends by itself.
fn said_while_it_ends(test: &str, stop_grace: &str, thaw: bool) {
    let Some(stage) = stage(test, stop_grace) else {
        return;
    };
    let chappe = stage.host.start();
    let most = stage.most_claudes(|| {
        let claude = first_answer(&stage);
        signal(claude, Signal::SIGSTOP);
        until("the end of what it may be told", || {
            (!may_still_say_something(&chappe, claude)).then_some(())
        });
        stage.say("two");
        stage.host.stored();
        assert_eq!(stage.claude(), claude, "it has not ended yet");
        assert_eq!(stage.turns_told("two"), 0);
        if thaw {
            signal(claude, Signal::SIGCONT);
        }
        stage.host.answer("echo: two");
        assert_ne!(stage.claude(), claude);
    });
    assert_eq!(most, 1, "never two at once");
    answered_once(&stage, "two");
    assert_eq!(chappe.stop().code(), Some(0));
    stage.nothing_runs();
}

#[test]
fn what_is_written_while_a_quiet_claude_ends_is_answered_by_the_next_one() {
    let test = "what_is_written_while_a_quiet_claude_ends_is_answered_by_the_next_one";
    said_while_it_ends(test, "10s", true);
}

#[test]
fn what_is_written_while_a_quiet_claude_has_to_be_killed_is_answered_by_the_next_one() {
    let test = "what_is_written_while_a_quiet_claude_has_to_be_killed_is_answered_by_the_next_one";
    said_while_it_ends(test, "2s", false);
}

#[test]
fn what_was_given_before_the_time_out_is_answered_by_the_same_claude() {
    let test = "what_was_given_before_the_time_out_is_answered_by_the_same_claude";
    let Some(stage) = stage(test, "10s") else {
        return;
    };
    let chappe = stage.host.start();
    let claude = first_answer(&stage);
    signal(claude, Signal::SIGSTOP);
    stage.say("two");
    until("a prompt that was given", || {
        let given = "SELECT count(*) FROM prompt WHERE text = 'two' AND state = 'sent'";
        (stage.host.count(given) == 1).then_some(())
    });
    pass(IDLE * 2);
    assert!(may_still_say_something(&chappe, claude), "it is not quiet");
    signal(claude, Signal::SIGCONT);
    stage.host.answer("echo: two");
    assert_eq!(stage.claude(), claude);
    answered_once(&stage, "two");
}

#[test]
fn what_comes_in_the_same_instant_as_the_time_out_is_answered_once() {
    let test = "what_comes_in_the_same_instant_as_the_time_out_is_answered_once";
    let Some(stage) = stage(test, "10s") else {
        return;
    };
    let chappe = stage.host.start();
    first_answer(&stage);
    let texts = ["two", "three", "four"];
    let mut fresh = 0;
    for text in texts {
        // chappe sees both at once, when it is woken.
        freeze(&chappe);
        stage.say(text);
        pass(IDLE * 2);
        let before = started(&chappe);
        chappe.signal(Signal::SIGCONT);
        stage.host.answer(&format!("echo: {text}"));
        fresh += started(&chappe) - before;
    }
    // Whichever of the two it takes first. Had the time-out never come, all of them would be of one process.
    assert!(fresh > 0, "{}", chappe.log());
    stage.remembers(&["one", "two", "three", "four"]);
    stage.host.delivered();
    let shown = stage.host.texts();
    let echoes = shown.iter().filter(|text| text.starts_with("echo: "));
    assert_eq!(echoes.count(), 1 + texts.len(), "{shown:?}");
}

/// How often chappe has said this of one of its processes.
fn count_said(chappe: &Chappe, what: &str) -> usize {
    let log = chappe.log();
    let of_claude = log.lines().filter(|line| line.contains("claude "));
    of_claude.filter(|line| line.contains(what)).count()
}

/// How many processes were started.
fn started(chappe: &Chappe) -> usize {
    count_said(chappe, " runs as ")
}

/// How many have ended.
fn ended(chappe: &Chappe) -> usize {
    count_said(chappe, " has ended: ")
}

#[test]
fn at_the_heels_of_each_end_the_next_claude_knows_all_that_was_said() {
    let test = "at_the_heels_of_each_end_the_next_claude_knows_all_that_was_said";
    let Some(mut stage) = stage(test, "10s") else {
        return;
    };
    let idle = format!("\"{}s\"", IDLE.as_secs());
    stage.host.sessions = stage.host.sessions.replace(&idle, "\"0s\"");
    let chappe = stage.host.start();
    let texts: Vec<String> = (0..5).map(|number| format!("number {number}")).collect();
    let most = stage.most_claudes(|| {
        for text in &texts {
            stage.ask(text, &format!("echo: {text}"));
        }
    });
    assert_eq!(most, 1, "never two at once");
    assert_eq!(stage.memory(), texts);
    stage.host.delivered();
    let echoes = stage.host.texts();
    let echoes = echoes.iter().filter(|text| text.starts_with("echo: "));
    assert_eq!(echoes.count(), texts.len());
    // Each had one of its own, and so had the question what is remembered.
    assert_eq!(started(&chappe), texts.len() + 1);
}

#[test]
fn a_claude_that_waits_for_a_person_is_not_quiet_and_is_once_it_was_told() {
    let test = "a_claude_that_waits_for_a_person_is_not_quiet_and_is_once_it_was_told";
    let Some(stage) = stage(test, "10s") else {
        return;
    };
    let chappe = stage.host.start();
    stage.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    stage.button("touch made", "Allow once");
    let claude = stage.claude();
    // Others of the same time-out come and go meanwhile.
    stage.ask("/new web", "Session web is ready");
    for round in 1..=2 {
        stage.ask("hello", "echo: hello");
        until("the end of the other one", || {
            (ended(&chappe) == round).then_some(())
        });
        assert_eq!(stage.claude(), claude);
    }
    assert_eq!(open_requests(&stage), 1);
    assert!(!stage.folder().join("made").exists());
    stage.press("touch made", "Allow once");
    stage.host.answer("default:\ntool said:");
    assert!(stage.folder().join("made").exists());
    // It was the one that had asked that went on, and now it is quiet.
    until("the end of the one that has asked", || {
        (ended(&chappe) == 3).then_some(())
    });
    assert_eq!((stage.claudes(), started(&chappe)), (vec![], 3));
    stage.ask("/session default", "What you write now goes to default.");
    stage.ask("[[remember]]", "remember turns=1");
    assert_eq!(open_requests(&stage), 0);
}

fn open_requests(stage: &Stage) -> i64 {
    let open = "SELECT count(*) FROM request WHERE state = 'open'";
    stage.host.count(open)
}
