//! Places and their sessions: to which one a place talks, how one is made, and the list of all.

use std::path::Path;

use rusqlite::OptionalExtension;

use super::holds::{held, waiting};
use super::{Intake, Result, topic_column};
use crate::chat::{Overview, Place, SessionId};

/// What came of the wish for a new session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// The place talks to it from now on.
    Yes,
    /// There is one of that name.
    Exists(SessionId),
}

impl Intake<'_> {
    /// The session that a place talks to. A place that talks to none gets one of its own: `default` if it is the
    /// first of all, else one by the suggested name, with a number where that name is taken.
    pub fn session_at(&mut self, place: Place, suggested: &str, root: &Path) -> Result<SessionId> {
        if let Some(session) = self.bound(place)? {
            return Ok(session);
        }
        let first: bool =
            self.tx
                .query_row("SELECT NOT EXISTS (SELECT 1 FROM session)", [], |row| {
                    row.get(0)
                })?;
        let base = if first { "default" } else { suggested };
        let mut name = base.to_owned();
        let mut number = 1;
        while self
            .tx
            .prepare_cached("SELECT 1 FROM session WHERE name = ?1")?
            .exists([&name])?
        {
            number += 1;
            name = format!("{base}-{number}");
        }
        let session = self.insert_session(&name, root)?;
        self.bind(place, session)?;
        Ok(session)
    }

    /// The session that a place talks to, if it talks to one.
    pub fn bound(&self, place: Place) -> Result<Option<SessionId>> {
        self.tx
            .prepare_cached(
                "SELECT session FROM binding WHERE bot = ?1 AND chat = ?2 AND topic = ?3",
            )?
            .query_row((self.bot.0, place.chat.0, topic_column(place)), |row| {
                row.get(0).map(SessionId)
            })
            .optional()
    }

    /// The session of this name, in whatever case, with the name as it is written.
    pub fn session_named(&self, name: &str) -> Result<Option<(SessionId, String)>> {
        self.tx
            .prepare_cached("SELECT id, name FROM session WHERE name = ?1")?
            .query_row([name], |row| Ok((SessionId(row.get(0)?), row.get(1)?)))
            .optional()
    }

    /// The name of a session; empty where it is gone.
    pub fn name_of(&self, session: SessionId) -> Result<String> {
        let name = self
            .tx
            .prepare_cached("SELECT name FROM session WHERE id = ?1")?
            .query_row([session.0], |row| row.get(0))
            .optional()?;
        Ok(name.unwrap_or_default())
    }

    /// Makes a session, and lets the place talk to it.
    pub fn make_session(&mut self, place: Place, name: &str, root: &Path) -> Result<Made> {
        if let Some((session, _)) = self.session_named(name)? {
            return Ok(Made::Exists(session));
        }
        let session = self.insert_session(name, root)?;
        self.bind(place, session)?;
        Ok(Made::Yes)
    }

    /// Lets a place talk to a session.
    pub fn bind(&mut self, place: Place, session: SessionId) -> Result<()> {
        self.tx
            .execute(
                "INSERT INTO binding (bot, chat, topic, session) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (bot, chat, topic) DO UPDATE SET session = excluded.session",
                (self.bot.0, place.chat.0, topic_column(place), session.0),
            )
            .map(drop)
    }

    fn insert_session(&mut self, name: &str, root: &Path) -> Result<SessionId> {
        self.tx.execute(
            "INSERT INTO session (name, folder, claude, mark, created, active) VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
            (
                name,
                root.join(name).to_string_lossy(),
                super::fresh_uuid(),
                super::fresh_uuid(),
                self.now,
            ),
        )?;
        Ok(SessionId(self.tx.last_insert_rowid()))
    }

    /// All sessions, the one that was last active first.
    pub fn overview(&self, place: Place) -> Result<Vec<Overview>> {
        let current = self.bound(place)?;
        let mut sessions: Vec<Overview> = self
            .tx
            .prepare_cached(
                "SELECT id, name, active, cost, pid IS NOT NULL,
                        (SELECT MIN(created) FROM prompt WHERE session = session.id AND state IN ('sent', 'taken')
                            AND state != 'closed')
                 FROM session ORDER BY active DESC, id",
            )?
            .query_map([], |row| {
                let session = SessionId(row.get(0)?);
                Ok(Overview {
                    session,
                    name: row.get(1)?,
                    is_current: current == Some(session),
                    waiting: 0,
                    working: row.get(5)?,
                    is_live: row.get(4)?,
                    held: None,
                    active: row.get(2)?,
                    cost: row.get(3)?,
                })
            })?
            .collect::<Result<_>>()?;
        for one in &mut sessions {
            one.waiting = waiting(self.tx, one.session)?;
            one.held = held(self.tx, one.session)?.map(|held| held.reason);
        }
        Ok(sessions)
    }

    /// The texts that wait for a session, in the order in which they go; at most so many.
    pub fn line_of(&self, session: SessionId, most: usize) -> Result<Vec<String>> {
        self.tx
            .prepare_cached(
                "SELECT text FROM inbox WHERE session = ?1 AND state = 'waiting' ORDER BY rank, id LIMIT ?2",
            )?
            .query_map((session.0, most as i64), |row| row.get(0))?
            .collect()
    }
}
