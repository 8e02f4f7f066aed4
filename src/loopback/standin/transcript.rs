//! The session's file, as Claude Code writes it: `projects/<cwd>/<session id>.jsonl` below the configuration directory.
//!
//! Rows are late, as the real one's are: each waits in memory for [`LAG`], and a process that is killed meanwhile has lost it.
//! Whoever waits must therefore wake at [`Transcript::due`]. Before a `result` and at an orderly end everything is written.
//! Only rows that matter for a resume are imitated: `user`, `assistant`, `attachment`, `queue-operation`,
//! `system/compact_boundary`, `last-prompt`, `cost-state`.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Map, Value, json};

use super::VERSION;
use super::history::{self, History};
use super::wire::timestamp;

/// How long a row waits before it is written. With the real CLI a SIGKILL up to 100 ms after an event has lost the event's row.
const LAG: Duration = Duration::from_millis(100);

/// How long the first row of a new file waits.
const FIRST_LAG: Duration = Duration::from_millis(150);

/// A session's file that is appended to.
#[derive(Debug)]
pub(super) struct Transcript {
    path: PathBuf,
    file: Option<File>,
    session_id: String,
    cwd: PathBuf,
    /// The row that the next one follows.
    leaf: Option<String>,
    /// Rows that are not written yet, and when each will be, in order.
    pending: VecDeque<(Instant, String)>,
    /// How long rows wait, if a script has said so.
    lag: Option<Duration>,
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
        let (leaf, history) = history::read(&rows).ok_or(OpenError::NotFound)?;
        let mut transcript = Transcript {
            path,
            leaf: Some(leaf),
            ..Transcript::at(config_dir, cwd, session_id)
        };
        if text.last().is_some_and(|byte| *byte != b'\n') {
            // A torn last line must not swallow the next row.
            transcript.append(b"\n").map_err(|_| OpenError::NotFound)?;
        }
        Ok((transcript, history))
    }

    /// Goes on as a new session in a file of its own, as `/clear` makes it.
    pub(super) fn start_over(&mut self, config_dir: &Path, session_id: &str) {
        self.flush();
        *self = Transcript::at(config_dir, &self.cwd, session_id);
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
            pending: VecDeque::new(),
            lag: None,
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

    /// A notice that was delivered into the running turn.
    pub(super) fn told(&mut self, text: &str) {
        let attachment =
            json!({ "type": "queued_command", "prompt": text, "commandMode": "task-notification" });
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

    fn write(&mut self, mut row: Value) {
        merge(&mut row, json!({ "sessionId": self.session_id }));
        let is_first = self.file.is_none() && self.pending.is_empty();
        let lag = self.lag.unwrap_or(if is_first { FIRST_LAG } else { LAG });
        let last = self.pending.back().map(|(due, _)| *due);
        let due = (Instant::now() + lag).max(last.unwrap_or_else(Instant::now));
        self.pending.push_back((due, format!("{row}\n")));
    }

    /// Sets how long the rows of a turn wait, or lets them wait as usual.
    pub(super) fn set_lag(&mut self, lag: Option<Duration>) {
        self.lag = lag;
    }

    /// When the next row has to be written.
    pub(super) fn due(&self) -> Option<Instant> {
        self.pending.front().map(|(due, _)| *due)
    }

    /// Writes the rows that have waited long enough.
    pub(super) fn write_due(&mut self, now: Instant) {
        while self.due().is_some_and(|due| due <= now) {
            if let Some((_, line)) = self.pending.pop_front() {
                self.write_line(&line);
            }
        }
    }

    /// Writes everything.
    pub(super) fn flush(&mut self) {
        for (_, line) in std::mem::take(&mut self.pending) {
            self.write_line(&line);
        }
    }

    /// A disk that cannot be written is told on stderr; the conversation goes on, as the real one's does.
    fn write_line(&mut self, line: &str) {
        if let Err(error) = self.append(line.as_bytes()) {
            eprintln!("cannot write {}: {error}", self.path.display());
        }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                if let Some(parent) = self.path.parent() {
                    fs::create_dir_all(parent)?;
                }
                let mut options = OpenOptions::new();
                none.insert(options.create(true).append(true).open(&self.path)?)
            }
        };
        file.write_all(bytes)
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
        transcript.flush();
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
    fn a_row_is_written_when_it_has_waited_and_never_before_an_earlier_one() {
        let (home, mut transcript) = session();
        let path = home.path().join("projects/-srv-My-project-1/s1.jsonl");
        let rows = || fs::read_to_string(&path).map_or(0, |text| text.lines().count());
        let before = Instant::now();
        transcript.user("u1", &json!("one"), Value::Null);
        let first = transcript.due().expect("a row waits");
        assert!(first >= before + FIRST_LAG);
        transcript.write_due(before);
        assert_eq!(rows(), 0, "nothing is written before its time");
        transcript.set_lag(Some(Duration::ZERO));
        transcript.user("u2", &json!("two"), Value::Null);
        assert_eq!(transcript.due(), Some(first));
        transcript.write_due(first);
        assert_eq!((rows(), transcript.due()), (2, None));

        transcript.set_lag(None);
        let before = Instant::now();
        transcript.user("u3", &json!("three"), Value::Null);
        let due = transcript.due().expect("a row waits");
        assert!(due >= before + LAG && due < Instant::now() + FIRST_LAG);
        transcript.flush();
        assert_eq!((rows(), transcript.due()), (3, None));
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
        transcript.flush();
        transcript
            .append(b"{\"type\":\"assist")
            .expect("a torn line");
        let (mut resumed, history) =
            Transcript::resume(home.path(), Path::new("/other"), "s1").expect("a known session");
        assert_eq!(history.texts().collect::<Vec<_>>(), ["one", "two"]);
        assert!(history.knows("u1") && !history.knows("u2"));
        assert_eq!(history.unfinished(), Some(None));
        resumed.user("u3", &json!("three"), Value::Null);
        resumed.flush();
        let (_, history) =
            Transcript::resume(home.path(), Path::new("/other"), "s1").expect("still known");
        assert_eq!(history.texts().collect::<Vec<_>>(), ["one", "two", "three"]);
        assert!(!history.knows("u3"), "no answer was stored");
    }

    #[test]
    fn a_compaction_forgets_and_a_file_without_user_rows_is_no_session() {
        let (home, mut transcript) = session();
        transcript.queue("enqueue", json!({ "content": "x" }));
        transcript.flush();
        assert_eq!(
            Transcript::resume(home.path(), Path::new("/"), "s1").unwrap_err(),
            OpenError::NotFound
        );
        transcript.user("u1", &json!("one"), Value::Null);
        transcript.compacted();
        transcript.user("u2", &json!("two"), Value::Null);
        transcript.flush();
        let (_, history) =
            Transcript::resume(home.path(), Path::new("/"), "s1").expect("known now");
        assert_eq!(history.texts().collect::<Vec<_>>(), ["two"]);
        assert!(!history.knows("u1"));
    }
}
