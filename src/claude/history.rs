//! The conversations that Claude has had in a folder, also those that chappe knows nothing of. Reads only.
//!
//! Of each transcript only the beginning is read, up to the first thing a person says. `transcript` says where the files
//! lie, and why their directories are searched; what a conversation contains is no business of this module.
//!
//! The rows are those of 2.1.197 and 2.1.330: rows of conversation carry the working directory as `cwd`, and the first of
//! them is a `user` row within the first 3 kB, if no hook talks before it.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::Value;
use uuid::Uuid;

/// How much of a file is read at most, in bytes: a first message may have two images, of 5 MB at most each, in base64.
const HEAD_MAX: u64 = 16 << 20;

/// How much of all files is read at most, in bytes; those that are then left are taken for another folder's.
const ALL_MAX: u64 = 64 << 20;

/// How many files are looked into at most, the newest first.
const FILES_MAX: usize = 2_000;

/// The longest first line, in characters.
const LINE_MAX: usize = 80;

/// With what a `user` row begins that no person has written as a message: the CLI's own commands and their output, and
/// what it puts in itself.
const NOT_A_MESSAGE: &[&str] = &[
    "<command-name>",
    "<command-message>",
    "<command-args>",
    "<local-command-",
    "<bash-input>",
    "<bash-stdout>",
    "<bash-stderr>",
    "<system-reminder>",
    "<task-notification>",
    "<user-prompt-submit-hook>",
    "[Request interrupted by user",
];

/// A conversation that Claude has on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    /// Claude's id of the session, for `--resume`.
    pub id: String,
    /// Of the first message of the person the first line that is not blank, at most 80 characters, the last one `…` where
    /// something is missing. Empty where nothing was found that a person has written: a picture, or the CLI's commands
    /// alone, which Claude has answered.
    pub first_line: String,
    /// When the file was last written.
    pub modified: SystemTime,
    /// The length of the file in bytes, a hint at how long the conversation is.
    pub bytes: u64,
}

/// The newest conversations whose working directory is the folder, the newest first, at most `most` of them.
///
/// The directory counts in which a conversation began. Those of sub-agents are none, nor those in which nothing was said.
/// What cannot be read or understood is passed over. Costs a second for some thousands of files, and never reads more
/// than 64 MiB: whoever presses a button meanwhile waits for it.
///
/// Fails where Claude's directory of transcripts is there and cannot be read.
pub fn conversations(
    config_dir: &Path,
    folder: &Path,
    most: usize,
) -> io::Result<Vec<Conversation>> {
    let mut files = files(config_dir)?;
    files.sort_by_key(|file| Reverse(file.modified));
    files.truncate(FILES_MAX);
    let mut place = Place::new(folder);
    let mut left = ALL_MAX;
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    for file in files {
        if found.len() >= most {
            break;
        }
        let Ok(opened) = File::open(&file.path) else {
            continue;
        };
        let mut head = BufReader::new(opened.take(HEAD_MAX.min(left)));
        let first_line = first_line(&mut head, &mut place);
        let unread = head.get_ref().limit();
        left = left.saturating_sub(HEAD_MAX.min(left).saturating_sub(unread));
        // Someone may have copied a file; only the newest one counts.
        if let Some(first_line) = first_line
            && seen.insert(file.id.clone())
        {
            found.push(Conversation {
                id: file.id,
                first_line,
                modified: file.modified,
                bytes: file.bytes,
            });
        }
    }
    Ok(found)
}

/// A transcript, not looked into yet.
struct Transcript {
    path: PathBuf,
    id: String,
    modified: SystemTime,
    bytes: u64,
}

/// All transcripts of sessions. What older versions kept beside them of sub-agents is called `agent-…`.
fn files(config_dir: &Path) -> io::Result<Vec<Transcript>> {
    let folders = match fs::read_dir(config_dir.join("projects")) {
        Ok(folders) => folders,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let entries = folders
        .flatten()
        .filter_map(|folder| fs::read_dir(folder.path()).ok())
        .flat_map(Iterator::flatten);
    Ok(entries
        .filter_map(|entry| transcript(entry.path()))
        .collect())
}

fn transcript(path: PathBuf) -> Option<Transcript> {
    let id = path.file_name()?.to_str()?.strip_suffix(".jsonl")?;
    // The one form of a uuid that has 36 characters is the one with dashes.
    if id.len() != 36 || Uuid::try_parse(id).is_err() {
        return None;
    }
    let id = id.to_owned();
    let metadata = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
    Some(Transcript {
        id,
        modified: metadata.modified().ok()?,
        bytes: metadata.len(),
        path,
    })
}

/// A folder, and the paths of which it is known whether they lead there.
struct Place {
    folder: PathBuf,
    known: HashMap<String, bool>,
}

impl Place {
    fn new(folder: &Path) -> Place {
        Place {
            folder: fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned()),
            known: HashMap::from_iter(folder.to_str().map(|path| (path.to_owned(), true))),
        }
    }

    fn is(&mut self, path: &str) -> bool {
        if let Some(known) = self.known.get(path) {
            return *known;
        }
        let leads_here = Path::new(path) == self.folder
            || fs::canonicalize(path).is_ok_and(|path| path == self.folder);
        self.known.insert(path.to_owned(), leads_here);
        leads_here
    }
}

/// The first line of a conversation, maybe empty; None for one of another folder, and for one in which nothing was said.
fn first_line(head: &mut impl BufRead, place: &mut Place) -> Option<String> {
    let mut row = Vec::new();
    let mut is_here = false;
    let mut was_asked = false;
    let mut was_answered = false;
    loop {
        row.clear();
        // What fails in the middle ends there.
        if head.read_until(b'\n', &mut row).unwrap_or(0) == 0 {
            break;
        }
        // What is torn, or of a kind that nobody knows yet, says nothing.
        let Ok(row) = serde_json::from_slice::<Value>(&row) else {
            continue;
        };
        if row["isSidechain"] == true {
            continue;
        }
        if !is_here && let Some(cwd) = row["cwd"].as_str() {
            if !place.is(cwd) {
                return None;
            }
            is_here = true;
        }
        match row["type"].as_str() {
            Some("user") => {
                was_asked = true;
                if let Some(said) = is_here.then(|| said(&row)).flatten() {
                    return Some(said);
                }
            }
            Some("assistant") => {
                was_answered |= row["message"]["model"] != "<synthetic>";
            }
            _ => {}
        }
    }
    (is_here && was_asked && was_answered).then(String::new)
}

/// The first line of what a person says in a `user` row; None where it is something else, or without words.
fn said(row: &Value) -> Option<String> {
    let is_set = |name: &str| row[name] == true;
    let origin = row["origin"]["kind"].as_str();
    if is_set("isMeta")
        || is_set("isCompactSummary")
        || is_set("isVisibleInTranscriptOnly")
        || origin.is_some_and(|kind| kind != "human")
    {
        return None;
    }
    let content = &row["message"]["content"];
    let blocks = || content.as_array().into_iter().flatten();
    if blocks().any(|block| block["type"] == "tool_result") {
        return None;
    }
    let texts = content
        .as_str()
        .into_iter()
        .chain(blocks().filter_map(|block| block["text"].as_str()));
    // One block may be the CLI's and the next one the person's.
    let mut texts = texts
        .map(str::trim_start)
        .filter(|text| !NOT_A_MESSAGE.iter().any(|begin| text.starts_with(begin)));
    texts.find_map(|text| text.lines().map(one_line).find(|line| !line.is_empty()))
}

/// A line without what is no character, and no longer than allowed.
fn one_line(line: &str) -> String {
    let shown: String = line
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    let shown = shown.trim();
    match shown.char_indices().nth(LINE_MAX) {
        None => shown.to_owned(),
        Some(_) => shown.chars().take(LINE_MAX - 1).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests;
