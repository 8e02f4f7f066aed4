//! A person says stop, whatever the turn is doing: it ends, it is told, what waits is held, and nothing of the turn
//! comes later.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Stage, arguments, freeze, until};
use crate::host::{Chappe, USER};
use crate::messages_api::{End, Kind};
use chappe::loopback::botapi::Shown;

/// How soon after the stop the programs of the turn's tools are gone.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// The same where one ignores SIGTERM.
const DEAF_GONE_WITHIN: Duration = Duration::from_secs(8);

/// How often a stop and its prompt meet in the same instant. More would wait for Telegram's limits on messages.
const ROUNDS: usize = 8;

/// A stage on which what is said is given at once.
fn at_once(test: &str) -> Option<Stage> {
    let mut stage = Stage::new(test)?;
    stage.host.sessions += "batch_window = \"0ms\"\n";
    Some(stage)
}

/// Starts chappe, has Claude answer once, and returns Claude's process.
fn warm(stage: &Stage) -> (Chappe, i32) {
    let chappe = stage.host.start();
    stage.ask("hello", "echo: hello");
    (chappe, stage.claude())
}

/// Says stop while something else waits. Returns when it was said.
fn say_stop(stage: &Stage) -> Instant {
    stage.say("this waits");
    stage.host.stored();
    let said = Instant::now();
    stage.say("/stop");
    said
}

/// Checks that the stop is told, and that what waits is held. Returns the message that says so.
fn told(stage: &Stage) -> Shown {
    let stopped = stage.host.answer("✗ Stopped");
    assert!(stopped.buttons.is_empty(), "{stopped:?}");
    held(stage)
}

fn stop(stage: &Stage) -> Shown {
    say_stop(stage);
    told(stage)
}

/// Waits until it is told that one message is held.
fn held(stage: &Stage) -> Shown {
    let notice = stage.host.answer("1 message waits");
    let buttons = notice.buttons.iter().flatten();
    let labels: Vec<&str> = buttons.map(|(label, _)| label.as_str()).collect();
    assert_eq!(labels, ["Run", "Drop"]);
    notice
}

/// Drops what is held, and checks that the next message is answered by the same process, if there was one, and that
/// nothing is asked or said of what came before: nothing below the stop contains one of `never`.
fn goes_on(stage: &Stage, notice: &Shown, claude: Option<i32>, never: &[&str]) {
    let steps = stage.turns().len();
    let person = stage.host.person();
    let press = stage.host.press(&person, notice, "Drop");
    assert_eq!(stage.host.toast(&press), "Dropped.");
    stage.ask("and now", "echo: and now");
    if let Some(claude) = claude {
        assert_eq!(stage.claude(), claude);
    }
    let after = stage.turns().split_off(steps);
    assert!(
        after.iter().all(|step| step.last_text() == Some("and now")),
        "{after:#?}"
    );
    for shown in stage.host.api.messages(USER) {
        let is_late = shown.from_bot && never.iter().any(|text| shown.text.contains(text));
        assert!(!is_late, "{shown:?}");
    }
    // Nothing still looks as if it ran.
    stage.host.delivered();
    let texts = stage.host.texts();
    assert!(!texts.iter().any(|text| text.contains('⏳')), "{texts:?}");
}

/// Waits until none of the tools' processes is left that `what` names, and checks how long after `since` that was.
fn gone(stage: &Stage, chappe: &Chappe, what: &[&str], since: Instant, within: Duration) {
    until("the end of the tools", || {
        let mut left = stage.tools(chappe).into_iter().map(arguments);
        (!left.any(|line| what.iter().any(|what| line.join(" ").contains(what)))).then_some(())
    });
    let took = since.elapsed();
    assert!(took <= within, "it took {took:?}");
}

#[test]
fn a_stop_in_the_same_instant_as_the_prompt_counts() {
    let Some(stage) = at_once("a_stop_in_the_same_instant_as_the_prompt_counts") else {
        return;
    };
    let (chappe, claude) = warm(&stage);
    let open = "SELECT count(*) FROM prompt WHERE state != 'closed'";
    let stopping = "SELECT stop FROM session";
    for round in 0..ROUNDS {
        let text = format!("[[wait 60000]] [[text late {round}]]");
        let last = stage
            .host
            .api
            .messages(USER)
            .last()
            .map_or(0, |last| last.id);
        match round % 4 {
            // As fast as they can be sent.
            0 => {
                stage.say(&text);
                stage.say("/stop");
            }
            // Both in one answer of getUpdates: while chappe stands still, the poll at hand is answered with something
            // else.
            1 => {
                freeze(&chappe);
                stage.say("/queue");
                stage.host.wait("an answer to the poll", |view| {
                    (view.held_polls() == 0).then_some(())
                });
                stage.say(&text);
                stage.say("/stop");
                chappe.signal(Signal::SIGCONT);
            }
            // Once it is about to be written to Claude, or just was.
            2 => {
                stage.say(&text);
                until("the prompt on its way", || {
                    (stage.host.count(open) == 1).then_some(())
                });
                stage.say("/stop");
            }
            // Once Claude has begun, and has said nothing yet.
            _ => {
                stage.say(&text);
                stage.model.wait(crate::host::SOON, "the question", |all| {
                    let asked = |of: &crate::messages_api::Request| of.last_text() == Some(&*text);
                    all.iter().any(asked).then_some(())
                });
                stage.say("/stop");
            }
        }
        stage.host.stored();
        until("the end of the turn", || {
            (stage.host.count(open) + stage.host.count(stopping) == 0).then_some(())
        });
        let told = stage.host.wait("a word about the stop", |view| {
            let mut below = view.from_bot(USER).filter(|shown| shown.id > last);
            below
                .find(|shown| {
                    shown.text.contains("✗ Stopped") || shown.text.contains("1 message waits")
                })
                .cloned()
        });
        // Where it had not been given it is held.
        if stage.host.count("SELECT count(*) FROM hold") > 0 {
            let notice = stage.host.request(USER);
            let press = stage.host.press(&stage.host.person(), &notice, "Drop");
            assert_eq!(stage.host.toast(&press), "Dropped.", "{told:?}");
            stage.host.says(USER, notice.id, "Dropped.");
        }
        stage.ask(&format!("after {round}"), &format!("echo: after {round}"));
        assert_eq!(stage.claude(), claude, "round {round}");
    }
    let texts = stage.host.texts();
    for never in ["late", "Nothing is running"] {
        let is_late = texts.iter().any(|text| text.starts_with(never));
        assert!(!is_late, "{texts:?}");
    }
}

#[test]
fn a_stop_that_claude_reads_together_with_the_prompt_counts() {
    let Some(mut stage) = at_once("a_stop_that_claude_reads_together_with_the_prompt_counts")
    else {
        return;
    };
    stage.host.sessions = "stop_grace = \"60s\"\nbatch_window = \"0ms\"\n".to_owned();
    let (_chappe, claude) = warm(&stage);
    for round in 0..2 {
        // While it stands still, both gather in its pipe.
        stage.host.freeze_claude();
        stage.say(&format!("[[wait 60000]] [[text late {round}]]"));
        stage.host.stored();
        until("the prompt on its way", || {
            let open = "SELECT count(*) FROM prompt WHERE state != 'closed'";
            (stage.host.count(open) == 1).then_some(())
        });
        stage.say("/stop");
        let status = stage.status("Stopping");
        kill(Pid::from_raw(claude), Signal::SIGCONT).expect("it lives");
        stage.host.says(USER, status.id, "✗ Stopped");
        stage.ask(&format!("after {round}"), &format!("echo: after {round}"));
        assert_eq!(stage.claude(), claude);
    }
    let texts = stage.host.texts();
    assert!(
        !texts.iter().any(|text| text.starts_with("late")),
        "{texts:?}"
    );
}

#[test]
fn a_stop_while_claude_writes_shows_what_was_written() {
    let Some(stage) = at_once("a_stop_while_claude_writes_shows_what_was_written") else {
        return;
    };
    let (_chappe, claude) = warm(&stage);
    let words: Vec<String> = (0..300).map(|number| format!("word{number}")).collect();
    let whole = words.join(" ");
    stage.say(&format!("[[slow 100]] [[text {whole}]]"));
    stage.status("Writing");
    let notice = stop(&stage);
    let written = stage.host.answer("word0 word1 ");
    assert!(whole.starts_with(written.text.trim_end()), "{written:?}");
    goes_on(
        &stage,
        &notice,
        Some(claude),
        &["word299", "echo: this waits"],
    );
    // It knows what it had said.
    stage.ask("[[remember]]", "remember turns=3 ");
}

#[test]
fn a_stop_in_a_tool_ends_what_the_turn_has_started_and_nothing_else() {
    let Some(mut stage) =
        at_once("a_stop_in_a_tool_ends_what_the_turn_has_started_and_nothing_else")
    else {
        return;
    };
    stage.allow_all();
    let (chappe, claude) = warm(&stage);
    // What an earlier turn has left running on purpose: a server, say.
    let earlier = "setsid sleep 611 >/dev/null 2>&1 & sleep 612 >/dev/null 2>&1 & echo started";
    stage.ask(
        &format!("[[tool Bash {{\"command\":{earlier:?}}}]]"),
        "tool said: started",
    );
    let gate = stage.gate("gate");
    // The last of them is nobody's child any more, so that Claude does not find it.
    stage.say(
        r#"[[tool Bash {"command":"setsid sleep 613 & sleep 614 & (setsid sleep 615 &) ; cat gate"}]]"#,
    );
    let running = gate.reached();
    stage.status("Running");
    let since = say_stop(&stage);
    let of_turn = ["sleep 613", "sleep 614", "sleep 615", "cat gate"];
    gone(&stage, &chappe, &of_turn, since, GONE_WITHIN);
    let notice = told(&stage);
    drop(running);
    goes_on(&stage, &notice, Some(claude), &["echo: this waits"]);
    let left: Vec<String> = stage
        .tools(&chappe)
        .into_iter()
        .map(|pid| arguments(pid).join(" "))
        .collect();
    for sleep in ["sleep 611", "sleep 612"] {
        assert!(left.iter().any(|line| line.contains(sleep)), "{left:?}");
    }
    assert_eq!(chappe.stop().code(), Some(0));
    stage.nothing_runs();
}

#[test]
fn a_tool_that_ignores_the_stop_is_killed() {
    let Some(mut stage) = at_once("a_tool_that_ignores_the_stop_is_killed") else {
        return;
    };
    stage.allow_all();
    let (chappe, claude) = warm(&stage);
    let gate = stage.gate("gate");
    // Its programs inherit that they ignore it.
    stage.say(
        r#"[[tool Bash {"command":"trap '' TERM; (setsid sleep 613 &) ; cat gate; sleep 614"}]]"#,
    );
    let running = gate.reached();
    stage.status("Running");
    let since = say_stop(&stage);
    gone(
        &stage,
        &chappe,
        &["sleep 613", "sleep 614", "cat gate"],
        since,
        DEAF_GONE_WITHIN,
    );
    let notice = told(&stage);
    drop(running);
    goes_on(&stage, &notice, Some(claude), &["echo: this waits"]);
    assert_eq!(stage.tools(&chappe), Vec::<i32>::new());
}

#[test]
fn a_stop_withdraws_what_claude_has_asked() {
    let Some(stage) = at_once("a_stop_withdraws_what_claude_has_asked") else {
        return;
    };
    let (_chappe, claude) = warm(&stage);
    stage.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let (request, data) = stage.button("touch made", "Allow once");
    let notice = stop(&stage);
    let withdrawn = stage
        .host
        .says(USER, request, "✗ Withdrawn: the turn was stopped");
    assert!(withdrawn.buttons.is_empty());
    let press = stage.host.api.press(&stage.host.person(), request, &data);
    assert_eq!(
        stage.host.toast(&press),
        "That request is over. Your press changed nothing."
    );
    goes_on(
        &stage,
        &notice,
        Some(claude),
        &["tool said", "echo: this waits"],
    );
    assert!(!stage.folder().join("made").exists());
}

#[test]
fn a_stop_while_the_api_says_nothing_hangs_up_on_it() {
    let Some(stage) = at_once("a_stop_while_the_api_says_nothing_hangs_up_on_it") else {
        return;
    };
    let (_chappe, claude) = warm(&stage);
    stage.say("[[hang]]");
    let hangs = |kind, text: Option<&str>| kind == Kind::Turn && text == Some("[[hang]]");
    stage.model.wait(crate::host::SOON, "the question", |all| {
        let mut asked = all.iter().filter(|one| hangs(one.kind, one.last_text()));
        asked.any(|one| one.end == End::Open).then_some(())
    });
    let notice = stop(&stage);
    stage
        .model
        .wait(crate::host::SOON, "the end of the question", |all| {
            let mut asked = all.iter().filter(|one| hangs(one.kind, one.last_text()));
            asked.all(|one| one.client_gone()).then_some(())
        });
    goes_on(&stage, &notice, Some(claude), &["echo: this waits"]);
}

#[test]
fn a_stop_while_the_cli_waits_to_try_again_ends_the_attempts() {
    let Some(stage) = at_once("a_stop_while_the_cli_waits_to_try_again_ends_the_attempts") else {
        return;
    };
    let (_chappe, claude) = warm(&stage);
    stage.say("[[error 500]]");
    stage.status("trying again (");
    let notice = stop(&stage);
    goes_on(
        &stage,
        &notice,
        Some(claude),
        &["echo: this waits", "API Error"],
    );
}

#[test]
fn a_stop_while_a_dead_claude_is_not_started_again_yet_leaves_it_dead() {
    let Some(mut stage) =
        at_once("a_stop_while_a_dead_claude_is_not_started_again_yet_leaves_it_dead")
    else {
        return;
    };
    stage.host.sessions += "retry_delay = \"60s\"\n";
    let (chappe, claude) = warm(&stage);
    let gate = stage.gate("gate");
    let text = r#"[[tool Bash {"command":"cat gate"}]]"#;
    stage.say(text);
    let _running = gate.reached();
    // Claude writes down what it was asked a moment after it has begun with it.
    stage.has_written("cat gate", 1);
    kill(Pid::from_raw(claude), Signal::SIGKILL).expect("it lives");
    let status = stage
        .status("Claude stopped unexpectedly (signal 9, SIGKILL). Starting it again (1 of 3).");
    let notice = stop(&stage);
    stage.host.says(USER, status.id, "✗ Stopped");
    assert_eq!(chappe.descendants(), Vec::<i32>::new());
    goes_on(&stage, &notice, None, &["tool said", "echo: this waits"]);
    stage.remembers(&["hello", text, "and now"]);
}

#[test]
fn a_stop_while_claude_starts_lets_it_start_with_nothing_to_do() {
    let Some(mut stage) = at_once("a_stop_while_claude_starts_lets_it_start_with_nothing_to_do")
    else {
        return;
    };
    // Only what serves a session waits at the gate.
    let slowly = r#"case "$*" in *--version*) ;; *) cat gate </dev/null ;; esac; exec "$0" "$@""#;
    let command = format!("command = [\"/bin/sh\", \"-c\", {slowly:?}, ");
    stage.host.claude = stage.host.claude.replacen("command = [", &command, 1);
    let gate = stage.gate("gate");
    let _chappe = stage.host.start();
    stage.say("[[text late]]");
    let starting = gate.reached();
    let claude = stage.claude();
    stage.say("/stop");
    let notice = held(&stage);
    drop(starting);
    goes_on(&stage, &notice, Some(claude), &["late"]);
    stage.remembers(&["and now"]);
}

#[test]
fn a_stop_while_lines_are_gathered_holds_them() {
    let Some(mut stage) = Stage::new("a_stop_while_lines_are_gathered_holds_them") else {
        return;
    };
    stage.host.sessions += "batch_window = \"3s\"\n";
    let _chappe = stage.host.start();
    // A command waits for nothing.
    stage.ask("/context", "Context Usage");
    let claude = stage.claude();
    stage.say("[[text late]]");
    stage.host.stored();
    stage.say("/stop");
    let notice = held(&stage);
    let press = stage.host.press(&stage.host.person(), &notice, "Run");
    assert_eq!(stage.host.toast(&press), "Going on.");
    stage.host.answer("late");
    assert_eq!(stage.claude(), claude);
    let asked = stage
        .turns()
        .into_iter()
        .filter(|step| step.last_text() == Some("[[text late]]"));
    assert_eq!(asked.count(), 1);
}

#[test]
fn what_is_said_after_a_stop_runs_before_what_was_held() {
    let Some(stage) = at_once("what_is_said_after_a_stop_runs_before_what_was_held") else {
        return;
    };
    let (_chappe, claude) = warm(&stage);
    let gate = stage.gate("gate");
    stage.say(r#"[[tool Bash {"command":"cat gate"}]]"#);
    let running = gate.reached();
    let notice = stop(&stage);
    drop(running);
    let first = stage.ask("and now", "echo: and now");
    let then = stage.host.answer("echo: this waits");
    assert!(first.id < then.id);
    assert!(
        stage
            .host
            .says(USER, notice.id, "1 message waits")
            .buttons
            .is_empty()
    );
    assert_eq!(stage.claude(), claude);
}

#[test]
fn a_press_before_claude_has_heard_of_the_stop_allows_nothing() {
    let Some(mut stage) = at_once("a_press_before_claude_has_heard_of_the_stop_allows_nothing")
    else {
        return;
    };
    stage.host.sessions = "stop_grace = \"60s\"\nbatch_window = \"0ms\"\n".to_owned();
    let (_chappe, claude) = warm(&stage);
    stage.say(r#"[[tool Bash {"command":"touch made"}]] [[text never]]"#);
    let request = stage.host.request(USER);
    stage.host.freeze_claude();
    stage.say("/stop");
    let withdrawn = stage
        .host
        .says(USER, request.id, "✗ Withdrawn: the turn was stopped");
    assert!(withdrawn.buttons.is_empty(), "{withdrawn:?}");
    let press = stage
        .host
        .press(&stage.host.person(), &request, "Allow once");
    assert_eq!(
        stage.host.toast(&press),
        "That request is over. Your press changed nothing."
    );
    kill(Pid::from_raw(claude), Signal::SIGCONT).expect("it lives");
    stage.host.answer("✗ Stopped");
    stage.ask("after", "echo: after");
    assert_eq!(stage.claude(), claude);
    assert!(!stage.folder().join("made").exists());
    let texts = stage.host.texts();
    assert!(
        !texts.iter().any(|text| text.starts_with("never")),
        "{texts:?}"
    );
}

#[test]
fn what_is_written_right_after_a_stop_is_answered_and_not_stopped() {
    let test = "what_is_written_right_after_a_stop_is_answered_and_not_stopped";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let (chappe, _) = warm(&stage);
    let open = "SELECT (SELECT count(*) FROM prompt WHERE state != 'closed')
                     + (SELECT count(*) FROM inbox WHERE state = 'waiting')";
    for round in 0..ROUNDS {
        // As they come when a phone is online again. The first one may have begun by then, or not.
        stage.say(&format!("do the first of {round}"));
        stage.say("/stop");
        stage.say(&format!("rather the second of {round}"));
        stage
            .host
            .answer(&format!("echo: rather the second of {round}"));
        until("an end of that", || {
            (stage.host.count(open) == 0).then_some(())
        });
    }
    assert_eq!(chappe.stop().code(), Some(0));
}
