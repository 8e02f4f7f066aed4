//! What was said in a session, for people: the export, and what goes into an archive.
//!
//! Each row is written in the transaction of its prompt or its answer. Nothing is decided by what stands here.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{Intake, Result, Store};
use crate::chat::{PromptId, SessionId};

/// How many rows are kept of a session; the oldest go first.
const ROWS_MAX: i64 = 10_000;

/// How much of one text is kept, in characters.
const TEXT_MAX: usize = 100_000;

/// How much of a log is handed out at once, in bytes; the newest of it.
const READ_MAX: usize = 8 << 20;

/// Something that was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// In Unix seconds.
    pub at: i64,
    /// `you` or `claude`.
    pub by: String,
    pub text: String,
}

/// A log, with its times in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The oldest first; the time as `2026-11-28 14:02`, in UTC.
    pub said: Vec<(String, Said)>,
    /// Whether older rows were left out.
    pub is_cut: bool,
}

/// Notes what was said.
pub(super) fn note(
    tx: &Transaction<'_>,
    session: SessionId,
    now: i64,
    by: &str,
    text: &str,
) -> Result<()> {
    insert(tx, session, now, (by, text), None)
}

fn insert(
    tx: &Transaction<'_>,
    session: SessionId,
    now: i64,
    (by, text): (&str, &str),
    prompt: Option<PromptId>,
) -> Result<()> {
    if text.is_empty() {
        return Ok(());
    }
    let mut kept: String = text.chars().take(TEXT_MAX).collect();
    let left = text.chars().count().saturating_sub(TEXT_MAX);
    if left > 0 {
        kept += &format!("\n\n[{left} more characters are not kept here]");
    }
    let prompt = prompt.map(|prompt| prompt.0);
    tx.prepare_cached(
        "INSERT INTO log (session, at, by, text, prompt) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![session.0, now, by, kept, prompt])
    .map(drop)
}

/// Notes what a person said: the text of a prompt that is about to be written.
pub(super) fn note_prompt(
    tx: &Transaction<'_>,
    session: SessionId,
    now: i64,
    (prompt, text): (PromptId, &str),
) -> Result<()> {
    insert(tx, session, now, ("you", text), Some(prompt))
}

/// Forgets the text of a prompt that was taken back: it is noted when it is given again, if it ever is.
pub(super) fn take_back(tx: &Transaction<'_>, prompt: PromptId) -> Result<()> {
    tx.prepare_cached(
        "DELETE FROM log WHERE id = (
             SELECT MAX(log.id) FROM log JOIN prompt ON prompt.session = log.session
             WHERE log.prompt = ?1 AND prompt.id = ?1 AND prompt.state = 'sent' AND log.at >= prompt.created)",
    )?
    .execute([prompt.0])
    .map(drop)
}

/// Forgets what is too much, and notes of which sessions.
pub(super) fn prune(tx: &Transaction<'_>) -> Result<()> {
    let sessions: Vec<i64> = tx
        .prepare("SELECT session FROM log GROUP BY session HAVING COUNT(*) > ?1")?
        .query_map([ROWS_MAX], |row| row.get(0))?
        .collect::<Result<_>>()?;
    let mut cut: BTreeSet<i64> = BTreeSet::new();
    for session in sessions {
        tx.execute(
            "DELETE FROM log WHERE session = ?1 AND id <= (
                 SELECT id FROM log WHERE session = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            (session, ROWS_MAX),
        )?;
        cut.insert(session);
    }
    // More than can be read of a log is of no use.
    let of_others: Vec<i64> = tx
        .prepare(
            "DELETE FROM log WHERE id IN (SELECT id FROM (
                 SELECT id, SUM(length(text)) OVER (PARTITION BY session ORDER BY id DESC) AS so_far FROM log)
             WHERE so_far > ?1) RETURNING session",
        )?
        .query_map([READ_MAX as i64], |row| row.get(0))?
        .collect::<Result<_>>()?;
    cut.extend(of_others);
    for session in cut {
        tx.prepare_cached("UPDATE session SET log_cut = 1 WHERE id = ?1")?
            .execute([session])?;
    }
    Ok(())
}

pub(super) fn read(tx: &Transaction<'_>, session: SessionId) -> Result<Log> {
    let mut is_cut: bool = tx
        .prepare_cached("SELECT log_cut FROM session WHERE id = ?1")?
        .query_row([session.0], |row| row.get(0))
        .optional()?
        .unwrap_or_default();
    let mut statement = tx.prepare(
        "SELECT at, by, text, strftime('%Y-%m-%d %H:%M', at, 'unixepoch') FROM log WHERE session = ?1 ORDER BY id DESC",
    )?;
    let mut rows = statement.query([session.0])?;
    let (mut said, mut size) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let text: String = row.get(2)?;
        size += text.len();
        if size > READ_MAX {
            is_cut = true;
            break;
        }
        let one = Said {
            at: row.get(0)?,
            by: row.get(1)?,
            text,
        };
        // An archive may have brought a time that no calendar has.
        let at: Option<String> = row.get(3)?;
        said.push((at.unwrap_or_default(), one));
    }
    said.reverse();
    Ok(Log { said, is_cut })
}

impl Store {
    /// What was said in a session.
    pub fn log(&self, session: SessionId) -> Result<Log> {
        self.read(|tx| read(tx, session))
    }
}

impl Intake<'_> {
    /// What was said in a session.
    pub fn log(&self, session: SessionId) -> Result<Log> {
        read(self.tx, session)
    }
}
