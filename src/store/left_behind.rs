//! What sessions have left on the disk that are gone: written down with their end, until it is removed.
//!
//! What that is and how it is removed is `session::moving`'s.

use rusqlite::Transaction;

use super::{KeptSession, Result, Step, Store, outbox};
use crate::chat::SessionId;

/// What a session has left that is gone.
#[derive(Clone, Debug, PartialEq)]
pub struct LeftBehind {
    /// The session's mark: random, and no other session ever has it.
    pub mark: String,
    pub kept: KeptSession,
}

/// Notes that a session is about to be gone.
pub(super) fn note(tx: &Transaction<'_>, session: SessionId, kept: &KeptSession) -> Result<()> {
    tx.prepare_cached(
        "INSERT OR REPLACE INTO left_behind (mark, kept) SELECT mark, ?2 FROM session WHERE id = ?1",
    )?
    .execute((session.0, outbox::json(kept)?))
    .map(drop)
}

/// A conversation is back: nobody removes it any more for the session that had it.
pub(super) fn is_back(tx: &Transaction<'_>, claude: &str) -> Result<()> {
    tx.prepare_cached("DELETE FROM left_behind WHERE json_extract(kept, '$.claude') = ?1")?
        .execute([claude])
        .map(drop)
}

impl Store {
    /// What is still to be removed.
    pub fn left_behind(&self) -> Result<Vec<LeftBehind>> {
        self.read(|tx| {
            let mut statement = tx.prepare("SELECT mark, kept FROM left_behind ORDER BY mark")?;
            let rows = statement.query_map([], |row| {
                let json: String = row.get(1)?;
                let kept = serde_json::from_str(&json);
                Ok((row.get(0)?, kept))
            })?;
            let mut left = Vec::new();
            for row in rows {
                match row? {
                    (mark, Ok(kept)) => left.push(LeftBehind { mark, kept }),
                    // Rather it stays than that something else goes.
                    (mark, Err(_)) => {
                        let mark: String = mark;
                        log::error!("what the session {mark} has left cannot be read and stays");
                    }
                }
            }
            Ok(left)
        })
    }

    /// It is removed. Normal: removed once more, nothing is found.
    pub fn cleared(&self, mark: &str) -> Result<()> {
        self.write(Step::Cleared, |tx| {
            tx.execute("DELETE FROM left_behind WHERE mark = ?1", [mark])
                .map(drop)
        })
    }
}
