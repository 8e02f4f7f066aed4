//! Places and their sessions: to which one a place talks, how one is made, and the list of all.

use std::path::{Path, PathBuf};

use rusqlite::{OptionalExtension, Transaction};

use super::holds::{held, waiting};
use super::{Intake, Result, topic_column};
use crate::chat::{BotId, ChatId, MessageId, Overview, Persona, Place, SessionId};

/// What came of the wish for a new session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// It is there, and has this folder.
    Yes { session: SessionId, folder: PathBuf },
    /// There is one of that name.
    Exists(SessionId),
}

/// Where sessions are made that nobody has asked for by name, and who Claude is in them.
pub struct Home {
    pub root: PathBuf,
    pub persona: Persona,
}

/// A session that is to be made.
pub struct New<'a> {
    pub name: &'a str,
    pub folder: Folder<'a>,
    pub persona: &'a Persona,
}

/// Where a new session is to work.
#[derive(Clone, Copy)]
pub enum Folder<'a> {
    /// In a folder of its own, in this directory, in which these names lie already. What nobody knows of is somebody's.
    In(&'a Path, &'a [String]),
    /// In one of its own as well, where nobody could see in time what lies there: under a name that nothing has.
    Unseen(&'a Path),
    /// There, which is a person's own.
    Given(&'a Path),
}

/// The session that a place talks to, if it talks to one.
pub(super) fn bound(tx: &Transaction<'_>, bot: BotId, place: Place) -> Result<Option<SessionId>> {
    tx.prepare_cached("SELECT session FROM binding WHERE bot = ?1 AND chat = ?2 AND topic = ?3")?
        .query_row((bot.0, place.chat.0, topic_column(place)), |row| {
            row.get(0).map(SessionId)
        })
        .optional()
}

/// A folder of its own for a session, in a directory of which nobody knows what lies there. What is deleted with the
/// session must not be anybody's, and a name by chance is nobody's.
fn unseen_folder(name: &str, root: &Path) -> PathBuf {
    let mark = super::fresh_uuid();
    let (mark, _) = mark.split_at(UNSEEN_MARK);
    root.join(format!("{name}-{mark}"))
}

/// How many characters of it are by chance.
const UNSEEN_MARK: usize = 8;

/// Lets a place talk to a session.
pub(super) fn bind(
    tx: &Transaction<'_>,
    bot: BotId,
    place: Place,
    session: SessionId,
) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO binding (bot, chat, topic, session) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (bot, chat, topic) DO UPDATE SET session = excluded.session",
    )?
    .execute((bot.0, place.chat.0, topic_column(place), session.0))
    .map(drop)
}

impl Intake<'_> {
    /// The session that a place talks to. A place that talks to none gets one of its own: `default` if it is the
    /// first of all, else one by the suggested name, with a number where that name is taken. `lies` is what lies in the
    /// sessions' root already: of that only `default` was ever named to a person, so what lies there is worked in. None where
    /// nobody has seen it: what it needs is no reason to lose what a person has written.
    pub fn session_at(
        &mut self,
        place: Place,
        suggested: &str,
        home: &Home,
        lies: Option<&[String]>,
    ) -> Result<SessionId> {
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
        let own = home.root.join(&name);
        let new = New {
            name: &name,
            folder: match lies {
                None => Folder::Unseen(&home.root),
                Some(lies) if first && lies.contains(&name) => Folder::Given(&own),
                Some(lies) => Folder::In(&home.root, lies),
            },
            persona: &home.persona,
        };
        match self.make_session(place, &new)? {
            Made::Yes { session, .. } | Made::Exists(session) => Ok(session),
        }
    }

    /// The session that a place talks to, if it talks to one.
    pub fn bound(&self, place: Place) -> Result<Option<SessionId>> {
        bound(self.tx, self.bot, place)
    }

    /// The session that a message of a chat belongs to: one that it has sent, that shows its status, or that a person has
    /// written to it. None where the message belongs to no session, or to one that is gone.
    ///
    /// A button that only leads to a session says nothing about who speaks.
    pub fn session_of(&self, chat: ChatId, message: MessageId) -> Result<Option<SessionId>> {
        self.tx
            .prepare_cached(
                "SELECT session.id FROM (
                     SELECT COALESCE(
                         outbox.session,
                         (SELECT session FROM prompt WHERE prompt.id = outbox.prompt),
                         (SELECT session FROM request WHERE request.row = outbox.id),
                         (SELECT session FROM button WHERE button.row = outbox.id
                             AND json_extract(act, '$.do') != 'switch')) AS session
                     FROM outbox WHERE bot = ?1 AND chat = ?2 AND message = ?3
                     UNION ALL
                     SELECT session FROM prompt WHERE bot = ?1 AND chat = ?2 AND status_message = ?3
                     UNION ALL
                     SELECT session FROM inbox WHERE bot = ?1 AND chat = ?2 AND message = ?3 AND text IS NOT NULL
                 ) owner JOIN session ON session.id = owner.session LIMIT 1",
            )?
            .query_row((self.bot.0, chat.0, message.0), |row| {
                row.get(0).map(SessionId)
            })
            .optional()
    }

    /// Whether a message of a chat was said in a session that is gone.
    pub fn is_of_who_is_gone(&self, chat: ChatId, message: MessageId) -> Result<bool> {
        self.tx
            .prepare_cached(
                "SELECT 1 FROM outbox WHERE bot = ?1 AND chat = ?2 AND message = ?3 AND session IS NOT NULL
                 AND session NOT IN (SELECT id FROM session)",
            )?
            .exists((self.bot.0, chat.0, message.0))
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
    pub fn make_session(&mut self, place: Place, new: &New<'_>) -> Result<Made> {
        let made = self.make_session_without_place(new)?;
        if let Made::Yes { session, .. } = &made {
            self.bind(place, *session)?;
        }
        Ok(made)
    }

    /// Makes a session to which no place talks yet.
    pub fn make_session_without_place(&mut self, new: &New<'_>) -> Result<Made> {
        if let Some((session, _)) = self.session_named(new.name)? {
            return Ok(Made::Exists(session));
        }
        let folder = match new.folder {
            Folder::Given(folder) => folder.to_owned(),
            Folder::In(root, lies) => self.free_folder(new.name, root, lies)?,
            Folder::Unseen(root) => unseen_folder(new.name, root),
        };
        let session = self.insert_session(new, &folder)?;
        Ok(Made::Yes { session, folder })
    }

    /// The folder of a session that gets one of its own. One that has been renamed still has the folder of its old name.
    fn free_folder(&self, name: &str, root: &Path, lies: &[String]) -> Result<PathBuf> {
        let mut number = 1;
        loop {
            let own = match number {
                1 => name.to_owned(),
                _ => format!("{name}-{number}"),
            };
            let folder = root.join(&own);
            let is_known = self
                .tx
                .prepare_cached("SELECT 1 FROM session WHERE folder = ?1")?
                .exists([folder.to_string_lossy()])?;
            if !is_known && !lies.contains(&own) {
                return Ok(folder);
            }
            number += 1;
        }
    }

    /// Whether a session works in this folder.
    pub fn has_folder(&self, folder: &Path) -> Result<bool> {
        self.tx
            .prepare_cached("SELECT 1 FROM session WHERE folder = ?1")?
            .exists([folder.to_string_lossy()])
    }

    /// Gives a session another name. Its folder keeps its own.
    pub fn rename(&mut self, session: SessionId, name: &str) -> Result<Made> {
        if let Some((other, _)) = self.session_named(name)?
            && other != session
        {
            return Ok(Made::Exists(other));
        }
        self.tx.execute(
            "UPDATE session SET name = ?2, revision = revision + 1 WHERE id = ?1",
            (session.0, name),
        )?;
        self.touched.insert(session);
        let folder = PathBuf::new();
        Ok(Made::Yes { session, folder })
    }

    /// Whether some topic of a chat talks to a session.
    pub fn has_topics(&self, chat: ChatId) -> Result<bool> {
        self.tx
            .prepare_cached(
                "SELECT 1 FROM binding WHERE bot = ?1 AND chat = ?2 AND topic != 0 LIMIT 1",
            )?
            .exists((self.bot.0, chat.0))
    }

    /// Lets a place talk to a session.
    pub fn bind(&mut self, place: Place, session: SessionId) -> Result<()> {
        bind(self.tx, self.bot, place, session)
    }

    fn insert_session(&mut self, new: &New<'_>, folder: &Path) -> Result<SessionId> {
        let Persona {
            name: persona,
            prompt,
            model,
            mode,
            max_turns,
            ..
        } = new.persona;
        self.tx.execute(
            // A number that was given once is not given again: what a session that is gone has said names it for long.
            "INSERT INTO session (id, name, folder, claude, mark, created, active, own, persona, prompt, model, mode,
                 max_turns)
             VALUES (1 + max((SELECT COALESCE(MAX(id), 0) FROM session),
                     COALESCE((SELECT CAST(value AS INTEGER) FROM known WHERE name = 'last_session'), 0)), ?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            (
                new.name,
                folder.to_string_lossy(),
                super::fresh_uuid(),
                super::fresh_uuid(),
                self.now,
                !matches!(new.folder, Folder::Given(_)),
                persona,
                prompt,
                model,
                mode,
                max_turns,
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
                "SELECT id, name, active, cost, pid IS NOT NULL, persona, folder,
                        (SELECT MIN(created) FROM prompt WHERE session = session.id AND state IN ('sent', 'taken')
                            AND state != 'closed'),
                        (SELECT COUNT(*) FROM inbox WHERE session = session.id AND state = 'asked'),
                        mode
                 FROM session ORDER BY active DESC, id",
            )?
            .query_map([], |row| {
                let session = SessionId(row.get(0)?);
                Ok(Overview {
                    session,
                    name: row.get(1)?,
                    is_current: current == Some(session),
                    waiting: 0,
                    kept: row.get::<_, i64>(8)? as usize,
                    working: row.get(7)?,
                    persona: row.get(5)?,
                    mode: row.get(9)?,
                    folder: PathBuf::from(row.get::<_, String>(6)?),
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

    /// Whether a turn of the session is open, or something of it is to run by itself.
    pub fn is_at_work(&self, session: SessionId) -> Result<bool> {
        let has_open = self
            .tx
            .prepare_cached("SELECT 1 FROM prompt WHERE session = ?1 AND state != 'closed'")?
            .exists([session.0])?;
        let goes_on = held(self.tx, session)?.is_none() && waiting(self.tx, session)? > 0;
        Ok(has_open || goes_on)
    }

    /// The same, or something that failed is tried again by itself: in another conversation it would be about nothing.
    pub fn goes_on_with_its_conversation(&self, session: SessionId) -> Result<bool> {
        Ok(self.is_at_work(session)? || super::holds::tries_again(self.tx, session)?)
    }
}
