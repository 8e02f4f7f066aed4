//! Looks into the transcripts that Claude keeps, to find out what it has of a session. Reads only.
//!
//! A transcript is `projects/<directory>/<session id>.jsonl` under Claude's config directory. The directory's name is
//! made of the path by rules that change, so it is searched, never computed.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::trace::{self, Trace, Tracer};

/// The longest row that is looked at, in bytes. A prompt has at most 500 kB, an answer less; what is longer is the result
/// of a tool.
const ROW_MAX: u64 = 16 << 20;

/// What Claude has on disk of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Something was said; `--resume` works.
    Said,
    /// There is a file without a single message of a user: neither `--resume` nor `--session-id` works.
    Hollow,
    /// There is no file.
    Nothing,
    /// It cannot be told, because Claude's folder cannot be read from here (it runs as another user, say).
    Unknown,
}

/// Finds out what Claude has of the session.
pub fn kept(config_dir: &Path, session: &str) -> Kept {
    let Ok(files) = files(config_dir, session) else {
        return Kept::Unknown;
    };
    let mut kept = Kept::Nothing;
    for (_, file) in files {
        match has_user_row(BufReader::new(file)) {
            Ok(true) => return Kept::Said,
            Ok(false) => kept = Kept::Hollow,
            Err(_) => return Kept::Unknown,
        }
    }
    kept
}

/// Finds out what became of a prompt, by its uuid. The process that had it must have ended: until then, rows come late.
///
/// Takes a second for each few hundred MB of transcript, and the memory of its longest row.
pub fn trace(config_dir: &Path, session: &str, uuid: &str) -> Trace {
    let Ok(files) = files(config_dir, session) else {
        return Trace::Unreadable;
    };
    for (path, file) in files {
        let mut tracer = Tracer::new(uuid);
        let read = each_row(BufReader::new(file), |row| {
            match row {
                Some(row) => tracer.line(row),
                None => tracer.unreadable(),
            }
            ControlFlow::Continue(())
        });
        if read.is_err() {
            return Trace::Unreadable;
        }
        let refused = tracer
            .agents()
            .iter()
            .any(|agent| was_refused(&path, agent));
        if let Some(mut progress) = tracer.finish() {
            progress.refused_by_restart |= refused;
            return Trace::Found(progress);
        }
    }
    Trace::Missing
}

/// Where the session's transcripts lie: one, or none; more only if someone has copied them, then the newest first.
///
/// Fails where none is found and not everything could be looked at.
pub fn paths(config_dir: &Path, session: &str) -> io::Result<Vec<PathBuf>> {
    let folders = match fs::read_dir(config_dir.join("projects")) {
        Ok(folders) => folders,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let name = format!("{session}.jsonl");
    let (mut found, mut unread) = (Vec::new(), None);
    for folder in folders {
        let path = folder?.path().join(&name);
        match fs::metadata(&path).and_then(|meta| meta.modified()) {
            Ok(modified) => found.push((modified, path)),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => unread = Some(error),
        }
    }
    match unread {
        Some(error) if found.is_empty() => Err(error),
        _ => {
            found.sort_by(|one, other| other.cmp(one));
            Ok(found.into_iter().map(|(_, path)| path).collect())
        }
    }
}

/// Opens the session's transcripts: one, or none; more only if someone has copied them.
fn files(config_dir: &Path, session: &str) -> io::Result<Vec<(PathBuf, File)>> {
    let folders = match fs::read_dir(config_dir.join("projects")) {
        Ok(folders) => folders,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let name = format!("{session}.jsonl");
    let mut files = Vec::new();
    for folder in folders {
        let path = folder?.path().join(&name);
        match File::open(&path) {
            Ok(file) => files.push((path, file)),
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}

/// Whether a sub-agent of the session was refused something because nobody was there to be asked. Its rows stand in
/// `<session id>/subagents/agent-<id>.jsonl`; one that cannot be read was refused nothing that is known.
fn was_refused(transcript: &Path, agent: &str) -> bool {
    // The id comes out of a file, and names one.
    if !agent
        .chars()
        .all(|letter| letter.is_ascii_alphanumeric() || letter == '-')
    {
        return false;
    }
    let path = transcript
        .with_extension("")
        .join(format!("subagents/agent-{agent}.jsonl"));
    let Ok(file) = File::open(path) else {
        return false;
    };
    let mut refused = false;
    let read = each_row(BufReader::new(file), |row| {
        refused |= row.is_some_and(trace::is_refusal);
        if refused {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    refused && read.is_ok()
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow, rename = "type")]
    kind: std::borrow::Cow<'a, str>,
}

/// Whether a row of type `user` is there. A row that does not parse (the torn last one of a crash) counts for nothing.
fn has_user_row(file: impl BufRead) -> io::Result<bool> {
    let mut found = false;
    each_row(file, |row| {
        let row = row.and_then(|row| serde_json::from_slice::<Row<'_>>(row).ok());
        found = row.is_some_and(|row| row.kind == "user");
        if found {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    })?;
    Ok(found)
}

/// Hands over row by row, each in the same memory; None for one that is too long.
fn each_row(
    mut file: impl BufRead,
    mut take: impl FnMut(Option<&[u8]>) -> ControlFlow<()>,
) -> io::Result<()> {
    let mut row = Vec::new();
    loop {
        row.clear();
        if file.by_ref().take(ROW_MAX).read_until(b'\n', &mut row)? == 0 {
            return Ok(());
        }
        let is_whole = row.len() as u64 != ROW_MAX || row.ends_with(b"\n");
        if !is_whole {
            file.skip_until(b'\n')?;
        }
        if take(is_whole.then_some(&row)).is_break() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
