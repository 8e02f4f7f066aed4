//! What the poller writes: the answer of one getUpdates, all of it with the next offset or nothing.
//!
//! Each update has a savepoint of its own, so that one that cannot be stored is skipped and the others go on. What an
//! update means is decided by the caller; here it is only written down.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Error, ErrorCode, OptionalExtension, Transaction};

use super::{Durability, Result, Store, WAITING_MAX, place_of, topic_column};
use crate::chat::{
    Arrival, BotId, ChatId, Formatted, Lane, Person, Place, Post, RowId, SessionId, Verdict,
};

/// What an accepted answer of getUpdates makes necessary.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Sessions that have something new to read.
    pub wake: Vec<SessionId>,
    /// Whether something must go out.
    pub posted: bool,
}

/// What a press on a request's button came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Pressed {
    /// It decided the request. `shown` is what the message said.
    Decided {
        row: RowId,
        shown: Formatted,
        session: SessionId,
    },
    /// The request had been decided, withdrawn or had expired before.
    Over,
    /// No such request, or the press came from another message than the one that shows it.
    Foreign,
}

/// What became of a change to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited {
    /// The message still waited; it says the new text now.
    InTime,
    /// Claude had been given the old text before.
    TooLate,
    /// Nothing that was given or waits has another text than before.
    Nothing,
}

/// An open transaction over one answer of getUpdates.
pub struct Intake<'t> {
    tx: &'t Transaction<'t>,
    bot: BotId,
    now: i64,
    touched: BTreeSet<SessionId>,
    posted: bool,
}

impl Store {
    /// Stores one answer of getUpdates and the offset that confirms it. Full.
    ///
    /// `each` handles one update. Where it fails for a reason of that update, `skipped` is told and the next one goes
    /// on; where the database itself fails, nothing of the answer is stored and the error is returned.
    pub fn accept<U>(
        &self,
        bot: BotId,
        now: i64,
        next_offset: i64,
        updates: impl IntoIterator<Item = U>,
        mut each: impl FnMut(&mut Intake<'_>, &U) -> Result<()>,
        mut skipped: impl FnMut(&U, &Error),
    ) -> Result<Accepted> {
        self.transaction(Durability::Full, |tx| {
            tx.execute(
                "INSERT INTO bot (id, next_offset) VALUES (?1, ?2)
                 ON CONFLICT (id) DO UPDATE SET next_offset = excluded.next_offset",
                (bot.0, next_offset),
            )?;
            let mut intake = Intake {
                tx,
                bot,
                now,
                touched: BTreeSet::new(),
                posted: false,
            };
            for update in updates {
                tx.execute_batch("SAVEPOINT one_update")?;
                let before = (intake.touched.clone(), intake.posted);
                match each(&mut intake, &update) {
                    Ok(()) => tx.execute_batch("RELEASE one_update")?,
                    Err(error) if is_of_one_row(&error) => {
                        tx.execute_batch("ROLLBACK TO one_update; RELEASE one_update")?;
                        // Nobody is woken for what was undone: even the session may be gone with it.
                        (intake.touched, intake.posted) = before;
                        skipped(&update, &error);
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(Accepted {
                wake: intake.touched.into_iter().collect(),
                posted: intake.posted,
            })
        })
    }
}

/// Whether an error is about the row at hand, so that other rows may well be stored.
fn is_of_one_row(error: &Error) -> bool {
    match error {
        Error::SqliteFailure(failure, _) => {
            matches!(
                failure.code,
                ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch
            )
        }
        Error::FromSqlConversionFailure(..)
        | Error::ToSqlConversionFailure(_)
        | Error::IntegralValueOutOfRange(..)
        | Error::InvalidColumnType(..)
        | Error::Utf8Error(..)
        | Error::QueryReturnedNoRows => true,
        _ => false,
    }
}

impl Intake<'_> {
    /// Whether this update has been accepted before. Telegram gives an answer again when it did not hear that it
    /// arrived, and after a week of silence it starts its numbers anew: so the number alone proves nothing.
    pub fn is_repeat(&self, arrival: &Arrival) -> Result<bool> {
        let same: Option<i64> = self
            .tx
            .prepare_cached(
                "SELECT 1 FROM inbox WHERE bot = ?1 AND update_id = ?2 AND chat = ?3 AND received >= ?4
                 AND message IS ?5 AND edit_date = ?6 AND callback IS ?7",
            )?
            .query_row(
                (
                    self.bot.0,
                    arrival.update,
                    arrival.place.chat.0,
                    self.now - super::REPEAT_WINDOW,
                    arrival.message.map(|message| message.0),
                    arrival.edit_date,
                    &arrival.callback,
                ),
                |row| row.get(0),
            )
            .optional()?;
        Ok(same.is_some())
    }

    /// The session that a place talks to. A place that talks to none gets one of its own: `default` if it is the
    /// first of all, else one by the suggested name, with a number where that name is taken.
    pub fn session_at(&mut self, place: Place, suggested: &str, root: &Path) -> Result<SessionId> {
        let bound = self
            .tx
            .prepare_cached(
                "SELECT session FROM binding WHERE bot = ?1 AND chat = ?2 AND topic = ?3",
            )?
            .query_row((self.bot.0, place.chat.0, topic_column(place)), |row| {
                row.get(0)
            })
            .optional()?;
        if let Some(session) = bound {
            return Ok(SessionId(session));
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
        let folder = root.join(&name);
        self.tx.execute(
            "INSERT INTO session (name, folder, claude, mark, created, active) VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
            (&name, folder.to_string_lossy(), super::fresh_uuid(), super::fresh_uuid(), self.now),
        )?;
        let session = SessionId(self.tx.last_insert_rowid());
        self.tx.execute(
            "INSERT INTO binding (bot, chat, topic, session) VALUES (?1, ?2, ?3, ?4)",
            (self.bot.0, place.chat.0, topic_column(place), session.0),
        )?;
        Ok(session)
    }

    /// Queues a text as a prompt for a session. Returns false where too many wait already: then it is kept as refused.
    pub fn queue(&mut self, arrival: &Arrival, session: SessionId, text: &str) -> Result<bool> {
        let waiting: i64 = self
            .tx
            .prepare_cached("SELECT COUNT(*) FROM inbox WHERE session = ?1 AND state = 'waiting'")?
            .query_row([session.0], |row| row.get(0))?;
        let taken = waiting < WAITING_MAX;
        self.insert(
            arrival,
            Some((session, text)),
            if taken { "waiting" } else { "refused" },
        )?;
        if taken {
            self.tx.execute(
                "UPDATE session SET active = ?2 WHERE id = ?1",
                (session.0, self.now),
            )?;
            self.touched.insert(session);
        }
        Ok(taken)
    }

    /// Changes a message that waits to be given.
    pub fn edit(&mut self, arrival: &Arrival, text: &str) -> Result<Edited> {
        let found = self
            .tx
            .prepare_cached(
                "SELECT id, state, text FROM inbox
                 WHERE bot = ?1 AND chat = ?2 AND message = ?3 AND text IS NOT NULL ORDER BY id DESC LIMIT 1",
            )?
            .query_row(
                (self.bot.0, arrival.place.chat.0, arrival.message.map(|message| message.0)),
                |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)),
            )
            .optional()?;
        Ok(match found {
            Some((_, _, old)) if old == text => Edited::Nothing,
            Some((id, state, _)) if state == "waiting" => {
                self.tx
                    .execute("UPDATE inbox SET text = ?2 WHERE id = ?1", (id, text))?;
                Edited::InTime
            }
            Some((id, state, _)) if state == "given" => {
                // The new text is kept, so that the same change is answered once.
                self.tx
                    .execute("UPDATE inbox SET text = ?2 WHERE id = ?1", (id, text))?;
                Edited::TooLate
            }
            _ => Edited::Nothing,
        })
    }

    /// Notes an update that was dealt with at once.
    pub fn close(&mut self, arrival: &Arrival) -> Result<()> {
        self.insert(arrival, None, "closed")
    }

    fn insert(
        &mut self,
        arrival: &Arrival,
        prompt: Option<(SessionId, &str)>,
        state: &str,
    ) -> Result<()> {
        self.tx
            .prepare_cached(
                "INSERT INTO inbox (bot, update_id, chat, topic, user, message, edit_date, callback, date, received,
                     session, text, state)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?
            .execute(rusqlite::params![
                self.bot.0,
                arrival.update,
                arrival.place.chat.0,
                topic_column(arrival.place),
                arrival.user.0,
                arrival.message.map(|message| message.0),
                arrival.edit_date,
                arrival.callback,
                arrival.date,
                self.now,
                prompt.map(|(session, _)| session.0),
                prompt.map(|(_, text)| text),
                state,
            ])?;
        // Whoever writes or presses can be reached again.
        self.open_chat(arrival.place.chat)
    }

    /// The bot may write in the chat: what waits for it can go out.
    pub fn open_chat(&mut self, chat: ChatId) -> Result<()> {
        self.posted |= super::chats::open_chat(self.tx, self.bot, chat)?;
        Ok(())
    }

    /// The bot may not write in the chat any more: what is owed there waits.
    pub fn close_chat(&mut self, chat: ChatId) -> Result<()> {
        super::chats::close_known_chat(self.tx, self.bot, chat, self.now)
    }

    /// A group has become a supergroup: everything of it belongs to the new chat. That the bot hears of it proves that it
    /// is still there.
    pub fn move_chat(&mut self, from: ChatId, to: ChatId) -> Result<()> {
        super::chats::move_chat(self.tx, self.bot, from, to)?;
        self.posted = true;
        self.open_chat(to)
    }

    /// Puts something into the outbox, for no turn in particular.
    pub fn post(&mut self, place: Place, lane: Lane, post: &Post) -> Result<RowId> {
        self.posted = true;
        super::outbox::insert(self.tx, self.bot, place, None, None, lane, post, self.now)
    }

    /// Applies a press on a request's button, if it comes from the message that shows the request.
    pub fn decide(
        &mut self,
        token: &str,
        verdict: Verdict,
        person: &Person,
        from: &Arrival,
    ) -> Result<Pressed> {
        let found = self
            .tx
            .prepare_cached(
                "SELECT request.id, request.session, request.state, outbox.id, outbox.chat, outbox.topic,
                        outbox.message, outbox.tries, outbox.post
                 FROM request JOIN outbox ON outbox.id = request.row
                 WHERE request.token = ?1 AND request.bot = ?2",
            )?
            .query_row((token, self.bot.0), |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    SessionId(row.get(1)?),
                    row.get::<_, String>(2)?,
                    RowId(row.get(3)?),
                    place_of(row.get(4)?, row.get(5)?),
                    row.get::<_, Option<i64>>(6)?,
                    row.get::<_, i64>(7)?,
                    row.get::<_, String>(8)?,
                ))
            })
            .optional()?;
        let Some((request, session, state, row, place, message, tries, post)) = found else {
            return Ok(Pressed::Foreign);
        };
        // A request that had to be sent twice may stand in the chat twice, and only one of the two is known by number.
        let shows_it =
            tries > 1 || message.is_none() || message == from.message.map(|message| message.0);
        if place.chat != from.place.chat || !shows_it {
            return Ok(Pressed::Foreign);
        }
        if state != "open" {
            return Ok(Pressed::Over);
        }
        let shown = match serde_json::from_str(&post) {
            Ok(Post::Message { body, .. }) => body,
            Ok(_) => Formatted::default(),
            Err(error) => {
                return Err(Error::FromSqlConversionFailure(
                    8,
                    rusqlite::types::Type::Text,
                    error.into(),
                ));
            }
        };
        let word = match verdict {
            Verdict::Allow => "allowed",
            Verdict::Deny => "denied",
        };
        self.tx.execute(
            "UPDATE request SET state = ?2, user = ?3 WHERE id = ?1",
            (request, word, person.id.0),
        )?;
        if let Some(pressed) = from.message {
            // The press proves that it arrived, whatever became of the call: it need not be sent again, and the message
            // to change is the one at which the person looks.
            self.tx.execute(
                "UPDATE outbox SET message = ?2, state = iif(state = 'waiting', 'delivered', state) WHERE id = ?1",
                (row.0, pressed.0),
            )?;
        }
        self.touched.insert(session);
        Ok(Pressed::Decided {
            row,
            shown,
            session,
        })
    }
}
