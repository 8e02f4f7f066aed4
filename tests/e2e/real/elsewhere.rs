//! Somebody else has the session open, in a process that chappe has not started.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chappe::claude::elsewhere::{Holder, holder};
use chappe::claude::history::conversations;

use super::{Stage, until};
use crate::cli;

/// After how long chappe looks whether somebody else has gone on, with some room.
const RESTED_MIN: Duration = Duration::from_secs(6);

/// A `claude` beside chappe's, which waits for its input.
struct Other(Child);

impl Other {
    fn start(stage: &Stage, test: &str, arguments: &[&str]) -> Other {
        let config_dir = stage.host.folder.path().join("claude");
        let mut command = Command::new(cli::real_claude(test).expect("the stage has one"));
        command
            .args(["-p", "--verbose"])
            .args(["--input-format", "stream-json"])
            .args(["--output-format", "stream-json"])
            .args(arguments)
            .current_dir(stage.folder())
            .env_clear()
            .envs(cli::environment(&stage.model.url(), &config_dir))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Other(command.spawn().expect("it starts"))
    }

    /// Waits until it is found to have the session open, beside chappe's own.
    fn is_found(&self, stage: &Stage, session: &str) {
        let config_dir = stage.host.folder.path().join("claude");
        let ours = stage.claude();
        until("the other one is found", || {
            let found = holder(&config_dir, session, &stage.folder(), &[ours]);
            (found == self.certain()).then_some(())
        });
    }

    fn certain(&self) -> Option<Holder> {
        Some(Holder {
            pid: self.0.id() as i32,
            certain: true,
        })
    }
}

impl Drop for Other {
    /// Kills it, so that what it has written about itself stays.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn another_process_with_the_session_is_found() {
    let test = "another_process_with_the_session_is_found";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("the first", "echo: the first");
    let (session, ours) = (stage.session_id(), stage.claude());
    let config_dir = stage.host.folder.path().join("claude");
    let found = |ours: &[i32]| holder(&config_dir, &session, &stage.folder(), ours);
    let certain = Some(Holder {
        pid: ours,
        certain: true,
    });
    assert_eq!(found(&[]), certain);
    assert_eq!(found(&[ours]), None);
    for arguments in [&["--continue"][..], &["--resume", &session]] {
        let other = Other::start(&stage, test, arguments);
        until("the other one is found", || {
            (found(&[ours]) == other.certain()).then_some(())
        });
        drop(other);
        assert_eq!(found(&[ours]), None, "{arguments:?}");
    }
    // One with a session of its own has another one, as soon as that is known.
    let other = Other::start(&stage, test, &[]);
    until("what it has open is known", || {
        let records = std::fs::read_dir(config_dir.join("sessions")).ok()?;
        let name = format!("{}.json", other.0.id());
        records
            .flatten()
            .any(|record| record.file_name().to_str() == Some(&name))
            .then_some(())
    });
    until("nobody is found", || found(&[ours]).is_none().then_some(()));
}

#[test]
fn the_conversations_of_the_folder_are_found() {
    let Some(stage) = Stage::new("the_conversations_of_the_folder_are_found") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("the first\nand more", "echo: the first");
    stage.ask("the second", "echo: the second");
    let config_dir = stage.host.folder.path().join("claude");
    // In one of the versions the rows come a little later than the answer.
    let found = until("the conversation", || {
        conversations(&config_dir, &stage.folder(), 9).ok()?.pop()
    });
    assert_eq!(found.id, stage.session_id());
    assert_eq!(found.first_line, "the first");
    let elsewhere = conversations(&config_dir, &config_dir, 9).expect("it can be read");
    assert_eq!(elsewhere, []);
}

/// Waits until Claude's process has rested as long as it takes to be worth a look.
fn rest() {
    let began = Instant::now();
    until("a rest", || (began.elapsed() > RESTED_MIN).then_some(()));
}

#[test]
fn what_was_said_at_the_desk_is_known_on_the_phone_though_the_process_lives() {
    let test = "what_was_said_at_the_desk_is_known_on_the_phone_though_the_process_lives";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("the first", "echo: the first");
    let (session, before) = (stage.session_id(), stage.claude());
    // Nobody else is there: it is the same process.
    rest();
    stage.ask("the second", "echo: the second");
    assert_eq!(stage.claude(), before);

    // Somebody goes on at the desk, and leaves.
    rest();
    let mut other = Other::start(&stage, test, &["--resume", &session]);
    let line = r#"{"type":"user","message":{"role":"user","content":"at the desk"}}"#;
    let mut stdin = other.0.stdin.take().expect("it is a pipe");
    writeln!(stdin, "{line}").expect("it reads");
    stage.has_written("echo: at the desk", 1);
    drop((stdin, other));
    stage.ask("the third", "echo: the third");
    assert_ne!(stage.claude(), before);
    stage.remembers(&["the first", "the second", "at the desk", "the third"]);

    // Somebody has it open, and has said nothing yet; chappe's own has not rested long.
    let other = Other::start(&stage, test, &["--resume", &session]);
    other.is_found(&stage, &session);
    stage.say("the fourth");
    let told = stage.host.answer("has this conversation open");
    assert!(told.text.contains("End it there, then press Try again."));
    drop(other);
    stage.host.delivered();
    stage.host.press(&stage.host.person(), &told, "Try again");
    stage.host.answer("echo: the fourth");
}

#[test]
fn a_conversation_that_is_open_at_the_desk_is_neither_put_away_nor_deleted() {
    let test = "a_conversation_that_is_open_at_the_desk_is_neither_put_away_nor_deleted";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("the first", "echo: the first");
    let session = stage.session_id();
    let other = Other::start(&stage, test, &["--resume", &session]);
    other.is_found(&stage, &session);
    let pid = other.0.id();
    let why = format!("another claude (process {pid}) has this conversation open.");
    let told = stage.ask("/archive", "⚠ default can't be put away: ");
    assert!(told.text.contains(&why), "{told:?}");
    stage.delete("default");
    let told = stage.host.answer("⚠ default can't be deleted: ");
    assert!(told.text.contains(&why), "{told:?}");
    assert!(stage.folder().is_dir());
    drop(other);
    stage.remembers(&["the first"]);
    stage.ask("/archive", "default is put away (");
    stage.ask("/restore default", "default is back, and remembers.");
}

#[test]
fn what_was_stopped_in_its_first_turn_is_not_taken_from_the_desk() {
    let test = "what_was_stopped_in_its_first_turn_is_not_taken_from_the_desk";
    let Some(mut stage) = Stage::new(test) else {
        return;
    };
    stage.allow_all();
    stage.host.sessions.push_str("idle_timeout = \"1s\"\n");
    let _chappe = stage.host.start();
    let gate = stage.gate("gate");
    stage.say(r#"[[tool Bash {"command":"cat gate"}]]"#);
    let held = gate.reached();
    stage.say("/stop");
    stage.host.answer("✗ Stopped");
    drop(held);
    until("the end of the process", || {
        stage.claudes().is_empty().then_some(())
    });
    // The way back is told, though no turn has ended by itself.
    let session = stage.session_id();
    let about = stage.ask("/session", "At the desk it goes on by");
    assert!(about.text.contains(&session), "{}", about.text);
    let other = Other::start(&stage, test, &["--resume", &session]);
    let config_dir = stage.host.folder.path().join("claude");
    until("the other one is found", || {
        (holder(&config_dir, &session, &stage.folder(), &[]) == other.certain()).then_some(())
    });
    let why = format!(
        "another claude (process {}) has this conversation open",
        other.0.id()
    );
    stage.say("the second");
    let told = stage.host.answer(&why);
    assert_eq!(stage.turns_told("the second"), 0);
    let refused = stage.ask("/archive", "default");
    assert!(
        refused.text.contains("something is open") || refused.text.contains("waits"),
        "{refused:?}"
    );
    drop(other);
    stage.host.delivered();
    stage.host.press(&stage.host.person(), &told, "Try again");
    stage.host.answer("echo: the second");
}

#[test]
fn what_cannot_be_taken_over_says_so_and_can_be_later() {
    let test = "what_cannot_be_taken_over_says_so_and_can_be_later";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("the first", "echo: the first");
    let session = stage.session_id();
    stage.ask("/clear", "begins a new conversation");
    stage.ask("the second", "echo: the second");
    let list = stage.ask("/resume", "1. the first · ");
    let other = Other::start(&stage, test, &["--resume", &session]);
    other.is_found(&stage, &session);
    let press = stage.host.press(&stage.host.person(), &list, "1");
    assert_eq!(
        stage.host.toast(&press),
        "That can't be done now. See below."
    );
    let why = stage.host.answer("has that conversation open");
    assert!(why.text.contains("press again"), "{}", why.text);
    drop(other);
    let press = stage.host.press(&stage.host.person(), &list, "1");
    assert_eq!(stage.host.toast(&press), "Done");
    stage.host.answer("default goes on with that conversation.");
    stage.remembers(&["the first"]);
}
