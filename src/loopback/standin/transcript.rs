//! The session's file, as Claude Code writes it: `projects/<cwd>/<session id>.jsonl` below the configuration directory.
//!
//! Rows are written before the line that reports them is printed, so nothing that was printed can be missing after a kill.
//! (The real CLI writes up to 50 ms later in mid-turn.) Only rows that matter for a resume are imitated: `user`, `assistant`,
//! `attachment`, `queue-operation`, `system/compact_boundary`, `last-prompt`, `cost-state`.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::{Map, Value, json};

use super::VERSION;
use super::wire::timestamp;

/// Something in the history that matters later.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry {
    /// A text that a person typed.
    User { uuid: String, text: String },
    /// A text that was delivered into a running turn.
    Steered { uuid: String, text: String },
    /// A block of the assistant that is no tool call.
    Said,
    /// A tool call and its id.
    Called { id: String },
    /// The result of a tool call.
    Returned { id: String, text: String },
}

/// What a session remembers since its last compaction.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) entries: Vec<Entry>,
    /// Dollars spent before, as far as they were noted.
    pub(super) cost: f64,
}

/// A session's file that is appended to.
#[derive(Debug)]
pub(super) struct Transcript {
    path: PathBuf,
    file: Option<File>,
    session_id: String,
    cwd: PathBuf,
    /// The row that the next one follows.
    leaf: Option<String>,
}

/// Why a session cannot be opened.
#[derive(Debug, PartialEq)]
pub(super) enum OpenError {
    InUse,
    NotFound,
}

impl Transcript {
    /// A new session. A file of that name, even an empty one, makes it impossible.
    pub(super) fn create(
        config_dir: &Path,
        cwd: &Path,
        session_id: &str,
    ) -> Result<Transcript, OpenError> {
        if find(config_dir, session_id).is_some() {
            return Err(OpenError::InUse);
        }
        Ok(Transcript::at(config_dir, cwd, session_id))
    }

    /// The session goes on in its old file, wherever that lies. Without a `user` row there is nothing to go on with.
    pub(super) fn resume(
        config_dir: &Path,
        cwd: &Path,
        session_id: &str,
    ) -> Result<(Transcript, History), OpenError> {
        let path = find(config_dir, session_id).ok_or(OpenError::NotFound)?;
        let text = fs::read(&path).map_err(|_| OpenError::NotFound)?;
        let rows: Vec<Value> = text
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect();
        let (leaf, history) = read(&rows).ok_or(OpenError::NotFound)?;
        let mut transcript = Transcript {
            path,
            leaf: Some(leaf),
            ..Transcript::at(config_dir, cwd, session_id)
        };
        if text.last().is_some_and(|byte| *byte != b'\n') {
            // A torn last line must not swallow the next row.
            transcript
                .write_bytes(b"\n")
                .map_err(|_| OpenError::NotFound)?;
        }
        Ok((transcript, history))
    }

    /// A new session that follows this one, as `/clear` makes it.
    pub(super) fn start_over(&self, config_dir: &Path, session_id: &str) -> Transcript {
        Transcript::at(config_dir, &self.cwd, session_id)
    }

    fn at(config_dir: &Path, cwd: &Path, session_id: &str) -> Transcript {
        let path = projects(config_dir)
            .join(folder_name(cwd))
            .join(format!("{session_id}.jsonl"));
        Transcript {
            path,
            file: None,
            session_id: session_id.to_owned(),
            cwd: cwd.to_owned(),
            leaf: None,
        }
    }

    /// A text of the user, or what stands for one.
    pub(super) fn user(&mut self, uuid: &str, content: &Value, extra: Value) {
        let row = json!({ "type": "user", "message": { "role": "user", "content": content } });
        self.chained(uuid, row, extra);
    }

    /// A complete block of the assistant.
    pub(super) fn assistant(&mut self, uuid: &str, message: &Value, extra: Value) {
        self.chained(
            uuid,
            json!({ "type": "assistant", "message": message }),
            extra,
        );
    }

    /// A message that was delivered into the running turn. It has no `user` row.
    pub(super) fn steered(&mut self, source_uuid: &str, text: &str) {
        let attachment = json!({ "type": "queued_command", "prompt": text, "source_uuid": source_uuid, "commandMode": "prompt" });
        self.chained(
            &super::fresh_id(),
            json!({ "type": "attachment", "attachment": attachment }),
            Value::Null,
        );
    }

    /// Everything before is summed up: the chain begins anew.
    pub(super) fn compacted(&mut self) {
        let before = self.leaf.take();
        let row = json!({
            "type": "system", "subtype": "compact_boundary", "content": "Conversation compacted", "level": "info",
            "isMeta": false, "logicalParentUuid": before, "compactMetadata": { "trigger": "manual" },
        });
        self.chained(&super::fresh_id(), row, Value::Null);
    }

    /// `enqueue`, `dequeue` or `remove` of a message.
    pub(super) fn queue(&mut self, operation: &str, extra: Value) {
        let mut row = json!({ "type": "queue-operation", "operation": operation, "timestamp": timestamp(SystemTime::now()) });
        merge(&mut row, extra);
        self.write(row);
    }

    /// The end of a turn.
    pub(super) fn last_prompt(&mut self, text: &str) {
        let row = json!({ "type": "last-prompt", "lastPrompt": text, "leafUuid": self.leaf });
        self.write(row);
    }

    /// What the session has cost, written at the end of the process. A process that is killed does not write it.
    pub(super) fn cost(&mut self, total_usd: f64) {
        if self.leaf.is_some() {
            self.write(json!({ "type": "cost-state", "totalCostUSD": total_usd }));
        }
    }

    /// A row that follows the one before.
    fn chained(&mut self, uuid: &str, mut row: Value, extra: Value) {
        merge(
            &mut row,
            json!({
                "parentUuid": self.leaf, "isSidechain": false, "uuid": uuid, "timestamp": timestamp(SystemTime::now()),
                "userType": "external", "entrypoint": "sdk-cli", "cwd": self.cwd, "version": VERSION, "gitBranch": "HEAD",
            }),
        );
        merge(&mut row, extra);
        self.leaf = Some(uuid.to_owned());
        self.write(row);
    }

    /// A disk that cannot be written is told on stderr; the conversation goes on, as the real one's does.
    fn write(&mut self, mut row: Value) {
        merge(&mut row, json!({ "sessionId": self.session_id }));
        let line = format!("{row}\n");
        if let Err(error) = self.write_bytes(line.as_bytes()) {
            eprintln!("cannot write {}: {error}", self.path.display());
        }
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            if let Some(parent) = self.path.parent() {
                fs::create_dir_all(parent)?;
            }
            self.file = Some(
                OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(&self.path)?,
            );
        }
        self.file
            .as_mut()
            .expect("the file was just opened")
            .write_all(bytes)
    }
}

impl History {
    /// The texts a person typed, oldest first.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::User { text, .. } | Entry::Steered { text, .. } => Some(text.as_str()),
            _ => None,
        })
    }

    /// Whether a message with this uuid opened a turn of which a block of the assistant was stored.
    /// Only then does the CLI take a repetition for one.
    pub(super) fn knows(&self, wanted: &str) -> bool {
        let mut rest = self
            .entries
            .iter()
            .skip_while(|entry| !matches!(entry, Entry::User { uuid, .. } if uuid == wanted));
        rest.next().is_some()
            && rest
                .take_while(|entry| !matches!(entry, Entry::User { .. }))
                .any(|entry| matches!(entry, Entry::Said | Entry::Called { .. }))
    }

    /// How a turn that never ended was left: the tool call without a result, if there is one.
    pub(super) fn unfinished(&self) -> Option<Option<String>> {
        match self.entries.last()? {
            Entry::Said => None,
            Entry::Called { id } => Some(Some(id.clone())),
            _ => Some(None),
        }
    }
}

/// Where sessions are kept.
fn projects(config_dir: &Path) -> PathBuf {
    config_dir.join("projects")
}

/// A directory's name below `projects`: every character outside of `[A-Za-z0-9]` becomes a dash.
fn folder_name(cwd: &Path) -> String {
    cwd.to_string_lossy()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}

/// A session's file, in whichever directory's folder it lies.
fn find(config_dir: &Path, session_id: &str) -> Option<PathBuf> {
    let name = format!("{session_id}.jsonl");
    let folders = fs::read_dir(projects(config_dir)).ok()?;
    folders
        .flatten()
        .map(|folder| folder.path().join(&name))
        .find(|path| path.is_file())
}

/// Follows the chain back from the row that was written last: what another process wrote on a branch of its own is not seen.
fn read(rows: &[Value]) -> Option<(String, History)> {
    let by_uuid: HashMap<&str, &Value> = rows
        .iter()
        .filter_map(|row| Some((row["uuid"].as_str()?, row)))
        .collect();
    let is_message = |row: &&Value| {
        matches!(
            row["type"].as_str(),
            Some("user" | "assistant" | "attachment")
        )
    };
    rows.iter().find(|row| row["type"] == "user")?;
    let leaf = rows
        .iter()
        .rev()
        .filter(is_message)
        .find_map(|row| row["uuid"].as_str())?;
    let mut chain = Vec::new();
    let mut next = Some(leaf);
    while let Some(row) = next.and_then(|uuid| by_uuid.get(uuid)) {
        chain.push(*row);
        // A file that was tampered with may hold a circle; no chain is longer than the file.
        next = (chain.len() <= rows.len())
            .then(|| row["parentUuid"].as_str())
            .flatten();
    }
    let entries = chain.into_iter().rev().flat_map(entries).collect();
    let cost = rows
        .iter()
        .rev()
        .find_map(|row| row["totalCostUSD"].as_f64())
        .unwrap_or(0.0);
    Some((leaf.to_owned(), History { entries, cost }))
}

fn entries(row: &Value) -> Vec<Entry> {
    let uuid = || row["uuid"].as_str().unwrap_or("").to_owned();
    let content = &row["message"]["content"];
    match row["type"].as_str() {
        Some("attachment") => match (
            row["attachment"]["source_uuid"].as_str(),
            row["attachment"]["prompt"].as_str(),
        ) {
            (Some(source), Some(text)) => vec![Entry::Steered {
                uuid: source.to_owned(),
                text: text.to_owned(),
            }],
            _ => Vec::new(),
        },
        Some("user") if !is_typed(row) => {
            let blocks = content.as_array().map(Vec::as_slice).unwrap_or_default();
            let results = blocks.iter().filter_map(|block| {
                let id = block["tool_use_id"].as_str()?.to_owned();
                let text = block["content"].as_str().unwrap_or("").to_owned();
                Some(Entry::Returned { id, text })
            });
            results.collect()
        }
        Some("user") => vec![Entry::User {
            uuid: uuid(),
            text: super::input::text_of(content),
        }],
        Some("assistant") => {
            let blocks = content.as_array().map(Vec::as_slice).unwrap_or_default();
            let entry = |block: &Value| match block["type"].as_str() {
                Some("tool_use") => Entry::Called {
                    id: block["id"].as_str().unwrap_or("").to_owned(),
                },
                _ => Entry::Said,
            };
            blocks.iter().map(entry).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a `user` row holds what a person wrote, and not a tool result, an interruption mark, a command or a summary.
fn is_typed(row: &Value) -> bool {
    let content = &row["message"]["content"];
    let has_result = content
        .as_array()
        .is_some_and(|blocks| blocks.iter().any(|block| block["type"] == "tool_result"));
    let text = super::input::text_of(content);
    let is_mark = [
        "[Request interrupted by user",
        "<command-name>",
        "<task-notification>",
        "<local-command-",
    ]
    .iter()
    .any(|mark| text.starts_with(mark));
    !has_result
        && !is_mark
        && row["isCompactSummary"] != Value::Bool(true)
        && row["isMeta"] != Value::Bool(true)
}

/// Puts the fields of `extra`, if it is an object, into `row`.
pub(super) fn merge(row: &mut Value, extra: Value) {
    if let (Value::Object(row), Value::Object(extra)) = (row, extra) {
        row.extend::<Map<String, Value>>(extra);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> (tempfile::TempDir, Transcript) {
        let home = tempfile::tempdir().expect("a temporary directory");
        let transcript = Transcript::create(home.path(), Path::new("/srv/My project_1"), "s1")
            .expect("a new session");
        (home, transcript)
    }

    #[test]
    fn the_path_is_the_real_ones() {
        let (home, mut transcript) = session();
        transcript.user("u1", &json!("hello"), Value::Null);
        assert!(
            home.path()
                .join("projects/-srv-My-project-1/s1.jsonl")
                .is_file()
        );
        assert_eq!(
            Transcript::create(home.path(), Path::new("/"), "s1").unwrap_err(),
            OpenError::InUse
        );
    }

    #[test]
    fn history_is_read_back_and_survives_a_torn_line() {
        let (home, mut transcript) = session();
        transcript.user("u1", &json!("one"), Value::Null);
        transcript.assistant(
            "a1",
            &json!({ "content": [{ "type": "tool_use", "id": "t1" }] }),
            Value::Null,
        );
        transcript.user(
            "r1",
            &json!([{ "type": "tool_result", "tool_use_id": "t1", "content": "x" }]),
            Value::Null,
        );
        transcript.steered("u2", "two");
        transcript
            .write_bytes(b"{\"type\":\"assist")
            .expect("a torn line");
        let (mut resumed, history) =
            Transcript::resume(home.path(), Path::new("/other"), "s1").expect("a known session");
        assert_eq!(history.texts().collect::<Vec<_>>(), ["one", "two"]);
        assert!(history.knows("u1") && !history.knows("u2"));
        assert_eq!(history.unfinished(), Some(None));
        resumed.user("u3", &json!("three"), Value::Null);
        let (_, history) =
            Transcript::resume(home.path(), Path::new("/other"), "s1").expect("still known");
        assert_eq!(history.texts().collect::<Vec<_>>(), ["one", "two", "three"]);
        assert!(!history.knows("u3"), "no answer was stored");
    }

    #[test]
    fn a_compaction_forgets_and_a_file_without_user_rows_is_no_session() {
        let (home, mut transcript) = session();
        transcript.queue("enqueue", json!({ "content": "x" }));
        assert_eq!(
            Transcript::resume(home.path(), Path::new("/"), "s1").unwrap_err(),
            OpenError::NotFound
        );
        transcript.user("u1", &json!("one"), Value::Null);
        transcript.compacted();
        transcript.user("u2", &json!("two"), Value::Null);
        let (_, history) =
            Transcript::resume(home.path(), Path::new("/"), "s1").expect("known now");
        assert_eq!(history.texts().collect::<Vec<_>>(), ["two"]);
        assert!(!history.knows("u1"));
    }
}
