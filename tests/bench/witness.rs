//! The witness: it stands between chappe and Claude, hands on what Claude writes, and notes when the first byte came.
//!
//! It is a process of its own because a pipe between two others cannot be looked into. Its own start belongs to what is
//! measured, with chappe and without, so in the difference of the two it does not count. It notes as well what it was
//! started with, so that the bench can start the same without chappe. As in [`crate::child`], the times are in Unix time.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use serde::{Deserialize, Serialize};

use crate::AS_WITNESS;
use crate::daemon::this_program;
use crate::looks::unix_nanos;

/// What the witness has seen of a process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Note {
    /// When the witness itself began to run.
    pub began: u128,
    /// When the first byte had come.
    pub first_byte: u128,
    /// Claude's command and its arguments.
    pub argv: Vec<String>,
    folder: PathBuf,
    environment: Vec<(String, String)>,
}

/// By this variable chappe finds what a session has left behind. What is started without chappe is not to be found.
const MARK: &str = "CHAPPE_RUN";

/// A command in front of Claude's, with a file for notes.
pub fn command(notes: &Path) -> Vec<String> {
    let program = this_program();
    [&program, Path::new(AS_WITNESS), notes]
        .map(|part| part.display().to_string())
        .into()
}

/// All notes in a file, in order.
pub fn notes(file: &Path) -> Vec<Note> {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).expect("the witness writes its notes in one piece"))
        .collect()
}

impl Note {
    /// Starts the same once more, with another file for the notes.
    pub fn start_again(&self, notes: &Path) -> Child {
        let argv = command(notes);
        let environment = self.environment.iter().filter(|(name, _)| name != MARK);
        let child = Command::new(&argv[0])
            .args(&argv[1..])
            .args(&self.argv)
            .current_dir(&self.folder)
            .env_clear()
            .envs(environment.map(|(name, value)| (name, value)))
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        child.expect("what chappe has started can be started")
    }
}

/// Runs the witness: the first argument is the file for notes, the others are Claude's command and its arguments.
pub fn main(arguments: &[String]) -> ExitCode {
    let began = unix_nanos();
    let Some((notes, argv)) = arguments.split_first() else {
        return ExitCode::from(2);
    };
    let Some((program, rest)) = argv.split_first() else {
        return ExitCode::from(2);
    };
    let mut command = Command::new(program);
    command.args(rest);
    if rest.iter().any(|argument| argument == "--version") {
        eprintln!("the witness: {}", command.exec());
        return ExitCode::FAILURE;
    }
    match watch(command.stdout(Stdio::piped()), notes, argv, began) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("the witness: {error}");
            ExitCode::FAILURE
        }
    }
}

fn watch(command: &mut Command, notes: &str, argv: &[String], began: u128) -> io::Result<ExitCode> {
    let mut child = command.spawn()?;
    let mut from = child.stdout.take().expect("it was asked for as a pipe");
    let mut to = io::stdout().lock();
    let mut bytes = [0; 64 * 1024];
    let mut is_first = true;
    loop {
        let count = from.read(&mut bytes)?;
        if count == 0 {
            break;
        }
        let now = unix_nanos();
        to.write_all(&bytes[..count])?;
        to.flush()?;
        if std::mem::take(&mut is_first) {
            note(notes, argv, began, now)?;
        }
    }
    let code = child.wait()?.code();
    Ok(code
        .and_then(|code| u8::try_from(code).ok())
        .map_or(ExitCode::FAILURE, ExitCode::from))
}

fn note(notes: &str, argv: &[String], began: u128, first_byte: u128) -> io::Result<()> {
    let note = Note {
        began,
        first_byte,
        argv: argv.to_vec(),
        folder: std::env::current_dir()?,
        environment: std::env::vars().collect(),
    };
    let line = serde_json::to_string(&note)? + "\n";
    let mut notes = OpenOptions::new().append(true).create(true).open(notes)?;
    notes.write_all(line.as_bytes())
}
