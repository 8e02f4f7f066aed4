//! How the process dies because a text asks for it, and when.
//!
//! In the middle of its answer it dies when its rows are in the file; so a test knows what is left. After an event
//! (`[[kill 9 after tool_use 20]]`) it dies at that moment, and the rows that are still late are lost.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::LAST_WORDS_MAX;
use super::engine::Engine;
use super::fault::{Death, Ending, Fault, Moment};
use super::outcome::Outcome;
use super::script::Script;

/// The deaths of all processes, one text in a line. A transcript would not do: it may have lost the text.
const DEATHS: &str = "stand-in-deaths.jsonl";

/// A death that is prepared.
#[derive(Debug)]
pub(super) struct Doom {
    /// The line after which it comes.
    pub(super) moment: Moment,
    pub(super) delay: Duration,
    ending: Ending,
    deaths: PathBuf,
    /// Whose death it is.
    text: String,
}

impl Doom {
    /// Dies. Comes back only if the signal lets the process live, or is dealt with elsewhere.
    pub(super) fn strike(&self) {
        if let Err(error) = note(&self.deaths, &self.text) {
            eprintln!("cannot write {}: {error}", self.deaths.display());
        }
        match &self.ending {
            Ending::Exit(code) => {
                eprintln!("stand-in: exits with {code} in mid-turn, as it was asked to");
                std::process::exit(i32::from(*code));
            }
            Ending::Signal(name) => {
                let signal = parse_signal(name);
                eprintln!("stand-in: kills itself with {signal} in mid-turn, as it was asked to");
                // Rust's own handler swallows the first SIGSEGV or SIGBUS that no bad access caused.
                for _ in 0..2 {
                    let _ = kill(Pid::this(), signal);
                }
            }
        }
    }
}

/// SIGKILL for what is no signal.
fn parse_signal(name: &str) -> Signal {
    let number = name
        .parse()
        .ok()
        .and_then(|number: i32| Signal::try_from(number).ok());
    let name = format!("SIG{}", name.strip_prefix("SIG").unwrap_or(name));
    number
        .or_else(|| Signal::from_str(&name).ok())
        .unwrap_or(Signal::SIGKILL)
}

/// Notes a death. The folder need not be there: a young process may not have written anything yet.
fn note(deaths: &Path, text: &str) -> io::Result<()> {
    if let Some(parent) = deaths.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = OpenOptions::new().create(true).append(true).open(deaths)?;
    writeln!(file, "{}", Value::from(text))
}

/// How often processes have died of a text.
fn count(deaths: &Path, text: &str) -> usize {
    let known = fs::read_to_string(deaths).unwrap_or_default();
    let wanted = Value::from(text).to_string();
    known.lines().filter(|line| *line == wanted).count()
}

impl Engine {
    /// The death that a script asks for, if it has not come often enough.
    fn doom(&self, script: &Script) -> Option<(Doom, bool)> {
        let Some(Fault::Death(Death {
            ending,
            times,
            after,
        })) = &script.fault
        else {
            return None;
        };
        let deaths = self.surroundings.config_dir.join(DEATHS);
        if times.is_some_and(|times| count(&deaths, &script.text) >= times as usize) {
            return None;
        }
        let (moment, delay_ms) = after.unwrap_or((Moment::Delta, 0));
        let doom = Doom {
            moment,
            delay: Duration::from_millis(delay_ms),
            ending: ending.clone(),
            deaths,
            text: script.text.clone(),
        };
        Some((doom, after.is_some()))
    }

    /// Prepares a death that comes after an event.
    pub(super) fn prepare_death(&mut self, script: &Script) {
        self.wire.doom = match self.doom(script) {
            Some((doom, true)) => Some(doom),
            _ => None,
        };
    }

    /// The death that must come in the middle of the answer.
    pub(super) fn death_in_answer(&self, script: &Script) -> Option<Doom> {
        match self.doom(script) {
            Some((doom, false)) => Some(doom),
            _ => None,
        }
    }

    /// Ends the process in the middle of the turn. Comes back only if the signal lets it live.
    pub(super) fn die(&mut self, doom: &Doom) -> Result<(), Outcome> {
        self.transcript.flush();
        self.wire.flush(LAST_WORDS_MAX);
        doom.strike();
        // SIGTERM and SIGINT arrive on the channel.
        Err(self.wait_in_silence())
    }
}
