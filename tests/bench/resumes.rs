//! How long a session without a process takes to have one again: from a message at the Bot API to the first byte that
//! Claude writes, and how much of that is chappe's.
//!
//! Each round does it twice: through chappe, and without it, with the same arguments, folder, environment and first line.
//! Both go through the [`witness`], so what chappe adds is the difference.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chappe::claude::protocol::{ControlCommand, control_request};
use chappe::loopback::botapi::Person;

use crate::cli;
use crate::daemon::{Daemon, Setup, executable, new_folder, pause, until};
use crate::figures::{Sample, heading, line, millis, remark, signed_millis};
use crate::looks::{self, Clocks, nanos};
use crate::messages_api::MessagesApi;
use crate::witness::{self, Note};

/// How many sessions take turns, each in a chat of its own: so nothing waits for the pace that chappe keeps in a chat.
const SESSIONS: i64 = 8;

/// How long all is left alone after a process has ended, so that the next message finds chappe quiet.
const REST: Duration = Duration::from_millis(50);

/// How often it is done.
#[derive(Clone, Copy)]
pub struct Rounds {
    pub stand_in: u32,
    /// With the actual CLI, where there is one.
    pub cli: u32,
}

/// Measures and prints.
pub fn measure(rounds: Rounds) {
    let stand_in = vec![executable().display().to_string(), "stand-in".to_owned()];
    let folder = new_folder();
    print(
        "the stand-in",
        rounds.stand_in,
        &resume(folder, stand_in, Vec::new(), rounds.stand_in),
    );
    if let Some(cli) = cli::real_claude("resumes of the actual CLI") {
        let model = MessagesApi::start();
        let folder = new_folder();
        let mut environment = cli::environment(&model.url(), &folder.path().join("claude"));
        // It is in the configuration already.
        environment.retain(|(name, _)| name != "CLAUDE_CONFIG_DIR");
        let command = vec![cli.display().to_string()];
        print(
            "the actual CLI",
            rounds.cli,
            &resume(folder, command, environment, rounds.cli),
        );
    }
    remark(
        "Through chappe: from the message at the Bot API to the first byte of a process that did not run then.",
    );
    remark(
        "Alone: the same command with the same first line, from its start to its first byte, in turn with the other.",
    );
    remark(
        "A small program in between, which notes the first byte, is in both. The share is taken round by round.",
    );
}

fn print(of: &str, rounds: u32, times: &Times) {
    heading(
        &format!("Resume with {of}, {rounds} rounds"),
        &["median", "p99", "worst"],
    );
    let durations = |name: &str, sample: &Sample| {
        let figures = [sample.median(), sample.p99(), sample.worst()];
        line(name, &figures.map(millis));
    };
    durations(
        "message offered → first byte, through chappe",
        &times.through,
    );
    durations("the process alone: start → first byte", &times.alone);
    let share = [times.share.median(), times.share.p99(), times.share.worst()];
    line("chappe's share: the difference", &share.map(signed_millis));
    durations("message offered → the process runs", &times.until_start);
}

struct Times {
    through: Sample,
    alone: Sample,
    /// Of each round, in nanoseconds: negative where the process alone was the slower one.
    share: Sample<i64>,
    until_start: Sample,
}

fn resume(
    folder: tempfile::TempDir,
    claude: Vec<String>,
    environment: Vec<(String, String)>,
    rounds: u32,
) -> Times {
    let notes = folder.path().join("notes");
    let setup = Setup {
        people: SESSIONS.min(rounds.into()),
        claude: [witness::command(&notes), claude].concat(),
        extra_args: Vec::new(),
        environment,
        sessions: "idle_timeout = \"0s\"\nmin_free_memory = \"0\"\n".to_owned(),
        under: Vec::new(),
    };
    let stage = Stage {
        alone: folder.path().join("notes-alone"),
        daemon: Daemon::start(folder, &setup),
        notes,
    };
    // So that there is something to resume.
    for (number, person) in (FIRST_UNTIMED..).zip(&stage.daemon.people) {
        stage.through_chappe(person, number);
    }
    let clocks = Clocks::read();
    let (mut through, mut alone) = (Vec::new(), Vec::new());
    let (mut share, mut until_start) = (Vec::new(), Vec::new());
    for (number, person) in (0..rounds).zip(stage.daemon.people.iter().cycle()) {
        let (offered, note) = stage.through_chappe(person, number);
        let resumes = |argument: &String| argument.starts_with("--resume=");
        assert!(note.argv.iter().any(resumes), "{:?}", note.argv);
        let (began, seen) = stage.without_chappe(&note);
        let since = |moment: Instant, then: u128| nanos(then.saturating_sub(clocks.unix(moment)));
        let (with, without) = (
            since(offered, note.first_byte),
            since(began, seen.first_byte),
        );
        through.push(with);
        alone.push(without);
        share.push(with.as_nanos() as i64 - without.as_nanos() as i64);
        until_start.push(since(offered, note.began));
    }
    Times {
        through: Sample::new(through),
        alone: Sample::new(alone),
        share: Sample::new(share),
        until_start: Sample::new(until_start),
    }
}

/// Messages with such numbers only make the session.
const FIRST_UNTIMED: u32 = 1_000_000;

struct Stage {
    daemon: Daemon,
    /// Of what chappe starts, and of what is started without it.
    notes: PathBuf,
    alone: PathBuf,
}

impl Stage {
    /// Lets a message start a process, and waits until it has answered and ended. Returns when it was offered.
    fn through_chappe(&self, person: &Person, number: u32) -> (Instant, Note) {
        let before = witness::notes(&self.notes).len();
        let answer = format!("answer {number}.");
        pause(REST);
        let offered = Instant::now();
        self.daemon.api.say(person, &format!("[[text {answer}]]"));
        self.daemon.wait(&answer, |view| {
            let mut shown = view.from_bot(person.chat).rev();
            shown.find(|shown| shown.text.contains(&answer)).map(drop)
        });
        until("the process to end", || {
            looks::below(self.daemon.pid).is_empty().then_some(())
        });
        (offered, only_new(&self.notes, before))
    }

    /// Starts the same process, without a message, until it has written something. Returns when it was about to start.
    fn without_chappe(&self, of: &Note) -> (Instant, Note) {
        let before = witness::notes(&self.alone).len();
        pause(REST);
        let began = Instant::now();
        let mut child = of.start_again(&self.alone);
        let initialize = ControlCommand::Initialize {
            mcp_servers: Vec::new(),
        };
        let first_line = control_request("chappe-initialize", &initialize) + "\n";
        let mut stdin = child.stdin.take().expect("it was asked for as a pipe");
        let mut stdout = child.stdout.take().expect("it was asked for as a pipe");
        let came = stdin
            .write_all(first_line.as_bytes())
            .and_then(|()| stdout.read_exact(&mut [0]));
        came.expect("the process says that it is ready");
        // Without a stdin it ends.
        drop(stdin);
        let ended = io::copy(&mut stdout, &mut io::sink()).and_then(|_| child.wait());
        ended.expect("it is our child");
        (began, only_new(&self.alone, before))
    }
}

/// The one note that has come since there were so many.
fn only_new(file: &Path, before: usize) -> Note {
    let mut notes = witness::notes(file);
    assert_eq!(notes.len(), before + 1, "one process, one note");
    notes.pop().expect("there is one")
}
