//! Kills in the middle of a turn: it goes on by itself, is answered once, and what it had done is not done again.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{Stage, freeze, kill_whole, until};
use crate::host::{Chappe, SOON, USER};
use crate::messages_api::{End, Kind};

/// What is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Killed {
    Claude,
    Chappe,
    /// chappe and all that it has started, in the same instant: as systemd does, or the kernel for want of memory.
    All,
}

/// A turn that stands still in the middle of its text, until it is asked for once more.
const TEXT: &str = "[[stall x1]] [[chunk 8]] [[text The whole answer, from beginning to end.]]";

/// A stage on which nobody waits for long, and nobody is asked about tools.
fn stage(test: &str) -> Option<Stage> {
    let mut stage = Stage::new(test)?;
    stage.allow_all();
    stage.host.sessions = "stop_grace = \"2s\"\nshutdown_grace = \"1s\"\nretry_delay = \"50ms\"\n\
                           batch_window = \"0ms\"\n"
        .to_owned();
    Some(stage)
}

impl Killed {
    /// Kills it. What is left of chappe runs, or is none.
    fn kill(self, stage: &Stage, chappe: Chappe) -> Option<Chappe> {
        match self {
            Killed::Claude => {
                for claude in stage.claudes() {
                    kill(Pid::from_raw(claude), Signal::SIGKILL).expect("it lives");
                }
                Some(chappe)
            }
            Killed::Chappe => {
                chappe.crash();
                None
            }
            Killed::All => {
                kill_whole(chappe);
                None
            }
        }
    }

    /// Kills it, starts chappe again where it is gone, and waits until the turn is answered. There is never more than
    /// one `claude`.
    fn kill_and_go_on(self, stage: &Stage, chappe: Chappe, answer: &str) -> Chappe {
        let mut after = None;
        let most = stage.most_claudes(|| {
            let left = self.kill(stage, chappe);
            after = Some(left.unwrap_or_else(|| stage.host.start()));
            stage.host.answer(answer);
        });
        assert_eq!(most, 1);
        after.expect("the story was played")
    }
}

/// Checks that nothing was said twice, that the one status message tells of the end, and that nothing is left once
/// chappe has ended.
fn all_is_well(stage: &Stage, chappe: Chappe, answer: &str, status: Option<i64>) {
    stage.host.delivered();
    let texts = stage.host.texts();
    // What Claude remembers is asked for below it, and may hold the same words.
    let answers = texts
        .iter()
        .filter(|text| text.contains(answer) && !text.starts_with("remember turns="));
    assert_eq!(answers.count(), 1, "{texts:?}");
    assert!(!texts.iter().any(|text| text.contains('⏳')), "{texts:?}");
    if let Some(status) = status {
        stage.host.says(USER, status, "✓ ");
        let ends = texts.iter().filter(|text| text.starts_with('✓'));
        assert_eq!(ends.count(), 1, "{texts:?}");
    }
    assert_eq!(chappe.stop().code(), Some(0));
    stage.nothing_runs();
}

/// The turn is killed while Claude writes.
fn in_text(stage: &Stage, chappe: Chappe, killed: Killed) -> Chappe {
    stage.say(TEXT);
    let status = stage.status("Writing");
    stage.has_written("[[chunk 8]]", 1);
    let chappe = killed.kill_and_go_on(stage, chappe, "The whole answer");
    let last = stage.turns().pop().expect("there was a turn");
    let asked = "The connection was lost while you worked on this.";
    assert!(
        last.last_text().expect("it was said").starts_with(asked),
        "{last}"
    );
    let given = last.texts.iter().filter(|text| *text == TEXT);
    assert_eq!(given.count(), 1, "{last}");
    stage.host.says(USER, status.id, "✓ ");
    chappe
}

fn killed_in_text(test: &str, killed: Killed) {
    let Some(stage) = stage(test) else {
        return;
    };
    let chappe = in_text(&stage, stage.host.start(), killed);
    stage.went_on_with(TEXT);
    all_is_well(&stage, chappe, "The whole answer", None);
}

/// The turn is killed in its second tool; its first one has had an effect.
fn killed_in_a_tool(test: &str, killed: Killed) {
    let Some(stage) = stage(test) else {
        return;
    };
    let chappe = stage.host.start();
    let gate = stage.gate("gate");
    let text = concat!(
        r#"[[tool Bash {"command":"echo first >>log"}]] "#,
        r#"[[tool Bash {"command":"cat gate && echo second >>log"}]]"#
    );
    stage.say(text);
    let _running = gate.reached();
    let status = stage.status("Running");
    // Of the call, not of the text that has asked for it: only then the first tool's result is written down as well.
    stage.has_written(r#""command":"cat gate"#, 1);
    let former = stage.processes();
    // Who comes there once more is not held up.
    fs::write(stage.folder().join("gate"), "open").expect("the folder can be written");
    let chappe = killed.kill_and_go_on(&stage, chappe, "tool said: ");
    let log = fs::read_to_string(stage.folder().join("log")).expect("the tools have run");
    let answer = stage.host.answer("tool said: ");
    if answer.text.contains("open") {
        assert_eq!(log, "first\nsecond\n");
    } else {
        // A claude that outlived chappe has killed its tool and written that down: for the model's stand-in it is done.
        let is_killed = answer.text.contains("Exit code 137");
        assert!(killed == Killed::Chappe && is_killed, "{answer:?}");
        assert_eq!(log, "first\n");
    }
    let mut former = former;
    former.retain(|pid| *pid != chappe.pid());
    stage.none_runs(&former);
    stage.went_on_with(text);
    // What was seen to start is named, so that a model can look whether it has happened.
    let asked = stage
        .turns()
        .pop()
        .expect("there was a turn")
        .texts
        .remove(1);
    assert!(asked.contains("Seen to start:\n- Bash "), "{asked}");
    assert!(asked.contains("cat gate && echo second >>log"), "{asked}");
    all_is_well(&stage, chappe, "tool said: ", Some(status.id));
}

/// The turn is killed when Claude has ended it and chappe has not heard of that.
fn killed_after_the_answer(test: &str, killed: Killed) {
    let Some(stage) = stage(test) else {
        return;
    };
    let chappe = stage.host.start();
    let gate = stage.gate("gate");
    stage.say(r#"[[tool Bash {"command":"cat gate"}]] [[text Done at last.]]"#);
    let running = gate.reached();
    freeze(&chappe);
    drop(running);
    stage.model.wait(SOON, "the last answer", |all| {
        let is_last = |end, told: bool| told && end == End::Answered;
        let mut steps = all.iter().filter(|one| one.kind == Kind::Turn);
        steps
            .any(|step| is_last(step.end, step.tool_result.is_some()))
            .then_some(())
    });
    let session = stage.session_id();
    until("the answer in the transcript", || {
        let said =
            |line: &str| line.contains(r#""role":"assistant""#) && line.contains("Done at last.");
        transcript(&stage, &session)?
            .lines()
            .any(said)
            .then_some(())
    });
    let steps = stage.turns().len();
    killed.kill(&stage, chappe);
    // It has lost its input, and ends.
    until("the end of the former claude", || {
        stage.claudes().is_empty().then_some(())
    });
    let mut chappe = None;
    let most = stage.most_claudes(|| {
        chappe = Some(stage.host.start());
        stage.host.answer("Done at last.");
        stage.host.delivered();
    });
    assert_eq!(
        (most, stage.turns().len()),
        (0, steps),
        "nothing is asked of Claude"
    );
    stage.remembers(&[r#"[[tool Bash {"command":"cat gate"}]] [[text Done at last.]]"#]);
    all_is_well(
        &stage,
        chappe.expect("it was started"),
        "Done at last.",
        None,
    );
}

/// What Claude has written down of a session.
fn transcript(stage: &Stage, session: &str) -> Option<String> {
    let folders = fs::read_dir(stage.host.folder.path().join("claude/projects")).ok()?;
    let files = folders.flatten().map(|folder| folder.path());
    let mut files = files.map(|folder: PathBuf| folder.join(format!("{session}.jsonl")));
    fs::read_to_string(files.find(|file| file.exists())?).ok()
}

/// A moment in the first tenth of a second of a new session.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// Its process is there.
    Started,
    /// The first prompt is about to be written, or just was.
    Given,
    /// The model has it.
    Asked,
}

impl Moment {
    fn wait(self, stage: &Stage) {
        match self {
            Moment::Started => until("a claude", || (!stage.claudes().is_empty()).then_some(())),
            Moment::Given => until("the prompt on its way", || {
                let given = "SELECT count(*) FROM prompt";
                (stage.host.count(given) == 1).then_some(())
            }),
            Moment::Asked => stage.model.wait(SOON, "the question", |all| {
                let mut kinds = all.iter().map(|one| one.kind);
                kinds.any(|kind| kind == Kind::Turn).then_some(())
            }),
        }
    }
}

fn killed_at_once(test: &str, killed: Killed, moments: &[Moment]) {
    for moment in moments {
        let Some(stage) = stage(test) else {
            return;
        };
        let chappe = stage.host.start();
        // The pause lets the model's first answer come too late in any case.
        stage.say("[[wait 300]] [[text It begins.]]");
        stage.host.stored();
        moment.wait(&stage);
        let chappe = killed.kill_and_go_on(&stage, chappe, "It begins.");
        stage.ask("after", "echo: after");
        all_is_well(&stage, chappe, "It begins.", None);
    }
}

/// The turn is killed in a conversation that was shortened before: what was said then is still known to the CLI, and
/// not to the model.
fn killed_after_a_compaction(test: &str, killed: Killed) {
    let Some(stage) = stage(test) else {
        return;
    };
    let chappe = stage.host.start();
    // Of less, 2.1.197 says that it is too little to be shortened.
    for text in ["hello", "and more"] {
        stage.ask(text, &format!("echo: {text}"));
    }
    stage.ask("//compact", "Compacted");
    let chappe = in_text(&stage, chappe, killed);
    stage.ask("after", "echo: after");
    let hellos = stage
        .turns()
        .into_iter()
        .filter(|step| step.last_text() == Some("hello"));
    assert_eq!(hellos.count(), 1, "what came before is not asked again");
    all_is_well(&stage, chappe, "The whole answer", None);
}

#[test]
fn claude_is_killed_while_it_writes() {
    killed_in_text("claude_is_killed_while_it_writes", Killed::Claude);
}

#[test]
fn chappe_is_killed_while_claude_writes() {
    killed_in_text("chappe_is_killed_while_claude_writes", Killed::Chappe);
}

#[test]
fn everything_is_killed_while_claude_writes() {
    killed_in_text("everything_is_killed_while_claude_writes", Killed::All);
}

#[test]
fn claude_is_killed_in_a_tool() {
    killed_in_a_tool("claude_is_killed_in_a_tool", Killed::Claude);
}

#[test]
fn chappe_is_killed_in_a_tool() {
    killed_in_a_tool("chappe_is_killed_in_a_tool", Killed::Chappe);
}

#[test]
fn everything_is_killed_in_a_tool() {
    killed_in_a_tool("everything_is_killed_in_a_tool", Killed::All);
}

#[test]
fn chappe_is_killed_before_it_hears_the_answer() {
    killed_after_the_answer(
        "chappe_is_killed_before_it_hears_the_answer",
        Killed::Chappe,
    );
}

#[test]
fn everything_is_killed_before_chappe_hears_the_answer() {
    killed_after_the_answer(
        "everything_is_killed_before_chappe_hears_the_answer",
        Killed::All,
    );
}

#[test]
fn a_claude_that_outlives_chappe_may_finish_its_turn() {
    let Some(mut stage) = stage("a_claude_that_outlives_chappe_may_finish_its_turn") else {
        return;
    };
    stage.host.sessions = "shutdown_grace = \"30s\"\nbatch_window = \"0ms\"\n".to_owned();
    let chappe = stage.host.start();
    let gate = stage.gate("gate");
    stage.say(r#"[[tool Bash {"command":"cat gate"}]] [[text Done at last.]]"#);
    let running = gate.reached();
    let status = stage.status("Running");
    let left = stage.claude();
    chappe.crash();
    let chappe = stage.host.start();
    stage
        .host
        .says(USER, status.id, "I was restarted in the middle of this");
    assert_eq!(stage.claude(), left, "nothing starts beside it");
    drop(running);
    stage.host.answer("Done at last.");
    let steps = stage.turns().len();
    assert_eq!(
        steps, 2,
        "the call of the tool and the answer: nobody was asked again"
    );
    all_is_well(&stage, chappe, "Done at last.", Some(status.id));
}

#[test]
fn claude_is_killed_in_the_first_moments_of_a_session() {
    killed_at_once(
        "claude_is_killed_in_the_first_moments_of_a_session",
        Killed::Claude,
        &[Moment::Started, Moment::Asked],
    );
}

#[test]
fn chappe_is_killed_in_the_first_moments_of_a_session() {
    killed_at_once(
        "chappe_is_killed_in_the_first_moments_of_a_session",
        Killed::Chappe,
        &[Moment::Given, Moment::Asked],
    );
}

#[test]
fn everything_is_killed_in_the_first_moments_of_a_session() {
    killed_at_once(
        "everything_is_killed_in_the_first_moments_of_a_session",
        Killed::All,
        &[Moment::Given, Moment::Asked],
    );
}

#[test]
fn claude_is_killed_after_a_compaction() {
    killed_after_a_compaction("claude_is_killed_after_a_compaction", Killed::Claude);
}

#[test]
fn everything_is_killed_after_a_compaction() {
    killed_after_a_compaction("everything_is_killed_after_a_compaction", Killed::All);
}
