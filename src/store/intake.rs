//! What the poller writes: the answer of one getUpdates, all of it with the next offset or nothing.
//!
//! Each update has a savepoint of its own, so that one that cannot be stored is skipped and the others go on. What an
//! update means is decided by the caller; here it is only written down.

use std::collections::BTreeSet;

use rusqlite::{Error, ErrorCode, OptionalExtension, Transaction};

use super::holds::{self, Holding, Offered, Release, Taken};
use super::{Durability, Result, Store, WAITING_MAX, place_of, topic_column};
use crate::chat::{
    Arrival, BotId, ChatId, Formatted, Hold, Lane, Notice, Offer, Person, Place, Post, PromptId,
    RowId, SessionId, Target, Verdict,
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

/// What a person wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written<'a> {
    pub text: &'a str,
    /// Who wrote it, where it was forwarded.
    pub origin: Option<&'a str>,
    /// When it arrived, in milliseconds of Unix time.
    pub arrived: i64,
}

/// What a stop came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The session's owner carries it out.
    Begun,
    /// Nothing ran; what waited is held, or was about to be tried again and is not.
    Done,
    /// There was nothing to stop.
    Nothing,
}

/// What became of a change to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited {
    /// The message still waited; it says the new text now.
    InTime,
    /// The session had been given the old text before.
    TooLate(SessionId),
    /// Nothing that was given or waits has another text than before.
    Nothing,
}

/// An open transaction over one answer of getUpdates.
pub struct Intake<'t> {
    pub(super) tx: &'t Transaction<'t>,
    pub(super) bot: BotId,
    pub(super) now: i64,
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

    /// Queues a text for a session. Returns false where too many wait already: then it is kept as refused.
    ///
    /// A session that is held goes on: whoever writes wants it done. After a stop or a failure this text goes first.
    pub fn queue(
        &mut self,
        arrival: &Arrival,
        session: SessionId,
        written: &Written<'_>,
    ) -> Result<bool> {
        let waiting: i64 = self
            .tx
            .prepare_cached("SELECT COUNT(*) FROM inbox WHERE session = ?1 AND state = 'waiting'")?
            .query_row([session.0], |row| row.get(0))?;
        if waiting >= WAITING_MAX {
            self.insert(arrival, Some((session, written, 0)), "refused")?;
            return Ok(false);
        }
        let held = holds::held(self.tx, session)?;
        self.posted |= holds::release(self.tx, session, self.now, Release::GoOn, None)?;
        let overtakes = held.is_some_and(|held| held.reason != Hold::Broken);
        if overtakes {
            // What waited keeps its order among itself.
            self.tx.execute(
                "UPDATE inbox SET rank = 0 WHERE session = ?1 AND state = 'waiting'",
                [session.0],
            )?;
        }
        let first: Option<i64> = self
            .tx
            .prepare_cached("SELECT MIN(rank) FROM inbox WHERE session = ?1 AND state = 'waiting'")?
            .query_row([session.0], |row| row.get(0))?;
        let rank = match first {
            Some(_) if overtakes => -1,
            // With what came just before it, where that goes before others.
            Some(first) => first.min(0),
            None => 0,
        };
        self.insert(arrival, Some((session, written, rank)), "waiting")?;
        self.tx.execute(
            "UPDATE session SET active = ?2 WHERE id = ?1",
            (session.0, self.now),
        )?;
        self.touched.insert(session);
        Ok(true)
    }

    /// Stops what a session does, and holds what waits for it. `ended` is what the status message of a turn says that
    /// had not gone on yet, `notice` what is said of the messages that are held, by their number.
    pub fn stop(
        &mut self,
        session: SessionId,
        ended: &Formatted,
        notice: impl Fn(usize) -> Notice,
    ) -> Result<Stop> {
        let queued: Vec<(PromptId, Place)> = self
            .tx
            .prepare_cached(
                "UPDATE prompt SET state = 'closed', outcome = 'stopped', closed = ?2
                 WHERE session = ?1 AND state = 'queued' RETURNING id, chat, topic",
            )?
            .query_map((session.0, self.now), |row| {
                Ok((PromptId(row.get(0)?), place_of(row.get(1)?, row.get(2)?)))
            })?
            .collect::<Result<_>>()?;
        for (prompt, place) in &queued {
            let edit = Post::Edit {
                target: Target::Status(*prompt),
                body: ended.clone(),
                buttons: Vec::new(),
            };
            self.post(*place, Lane::Text, &edit)?;
        }
        let waits = holds::waiting(self.tx, session)? > 0;
        let held = holds::held(self.tx, session)?;
        let mut anything = !queued.is_empty();
        match held {
            Some(held) if held.reason == Hold::Held => {}
            _ if waits => {
                let holding = Holding {
                    reason: Hold::Held,
                    until: None,
                    retry: None,
                };
                holds::hold(self.tx, session, self.now, None, &holding)?;
                self.posted = true;
                anything = true;
            }
            Some(_) => {
                // What failed is not tried again.
                anything |= holds::release(self.tx, session, self.now, Release::GoOn, None)?;
                self.posted = true;
            }
            None => {}
        }
        // A process without a turn may have work that runs on.
        let runs: bool = self
            .tx
            .prepare_cached(
                "SELECT 1 FROM session WHERE id = ?1 AND (pid IS NOT NULL
                     OR EXISTS (SELECT 1 FROM prompt WHERE session = ?1 AND state IN ('sent', 'taken')))",
            )?
            .exists([session.0])?;
        if runs {
            self.tx
                .execute("UPDATE session SET stop = 1 WHERE id = ?1", [session.0])?;
            self.touched.insert(session);
            return Ok(Stop::Begun);
        }
        holds::stop_is_over(self.tx, self.bot, session, self.now, None, &notice)?;
        self.posted = true;
        Ok(if anything { Stop::Done } else { Stop::Nothing })
    }

    /// The session of a turn that is not over, by the uuid of its prompt, if it shows its progress in this chat.
    pub fn turn_shown_at(&self, uuid: &str, place: Place) -> Result<Option<SessionId>> {
        self.tx
            .prepare_cached(
                "SELECT session FROM prompt WHERE uuid = ?1 AND state != 'closed' AND chat = ?2",
            )?
            .query_row((uuid, place.chat.0), |row| row.get(0).map(SessionId))
            .optional()
    }

    /// Finds what a button does that is none of a request's; it is used up with that, and all others of its message.
    pub fn take(&mut self, token: &str, from: &Arrival) -> Result<Taken> {
        let at = (from.place, from.message.map(|message| message.0));
        holds::take(self.tx, self.bot, token, at)
    }

    /// Takes the buttons of a row away, with `line` below what its message said.
    pub fn retire(&mut self, row: RowId, line: &str) -> Result<()> {
        self.posted = true;
        holds::retire_row(self.tx, row, self.now, Some(line))
    }

    /// Ends the hold of a session, with `line` below what was said of it, here or in the message with the button;
    /// returns whether anything came of it.
    pub fn release(&mut self, offered: &Offered, how: Release, line: &str) -> Result<bool> {
        self.touched.insert(offered.session);
        let told = holds::notice_row(self.tx, offered.session)?;
        let mut anything = holds::release(self.tx, offered.session, self.now, how, Some(line))?;
        if how == Release::Drop {
            anything |= holds::drop_waiting(self.tx, offered.session, self.now)? > 0;
        }
        if told != Some(offered.row) {
            holds::retire_row(self.tx, offered.row, self.now, Some(line))?;
        }
        self.posted = true;
        Ok(anything)
    }

    /// Lets a session begin a new conversation; the old one stays where Claude keeps it.
    pub fn start_fresh(&mut self, session: SessionId) -> Result<()> {
        self.tx
            .execute(
                "UPDATE session SET claude = ?2, said = 0 WHERE id = ?1",
                (session.0, super::fresh_uuid()),
            )
            .map(drop)
    }

    /// Puts a message into the outbox whose buttons are each for another session.
    pub fn offer_of_many(
        &mut self,
        place: Place,
        body: &Formatted,
        offers: &[(SessionId, Offer)],
    ) -> Result<RowId> {
        self.posted = true;
        holds::post_choice(self.tx, self.bot, self.now, place, body, offers)
    }

    /// Puts a message with buttons into the outbox.
    pub fn offer(&mut self, place: Place, session: SessionId, notice: &Notice) -> Result<RowId> {
        self.posted = true;
        holds::post_notice(self.tx, self.bot, session, self.now, place, notice)
    }

    /// Changes a message that waits to be given.
    pub fn edit(&mut self, arrival: &Arrival, text: &str) -> Result<Edited> {
        let found = self
            .tx
            .prepare_cached(
                "SELECT id, state, text, session FROM inbox
                 WHERE bot = ?1 AND chat = ?2 AND message = ?3 AND text IS NOT NULL ORDER BY id DESC LIMIT 1",
            )?
            .query_row(
                (self.bot.0, arrival.place.chat.0, arrival.message.map(|message| message.0)),
                |row| {
                    Ok((
                        row.get::<_, i64>(0)?,
                        row.get::<_, String>(1)?,
                        row.get::<_, String>(2)?,
                        SessionId(row.get(3)?),
                    ))
                },
            )
            .optional()?;
        Ok(match found {
            Some((_, _, old, _)) if old == text => Edited::Nothing,
            Some((id, state, _, _)) if state == "waiting" => {
                self.tx
                    .execute("UPDATE inbox SET text = ?2 WHERE id = ?1", (id, text))?;
                Edited::InTime
            }
            Some((id, state, _, session)) if state == "given" => {
                // The new text is kept, so that the same change is answered once.
                self.tx
                    .execute("UPDATE inbox SET text = ?2 WHERE id = ?1", (id, text))?;
                Edited::TooLate(session)
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
        prompt: Option<(SessionId, &Written<'_>, i64)>,
        state: &str,
    ) -> Result<()> {
        self.tx
            .prepare_cached(
                "INSERT INTO inbox (bot, update_id, chat, topic, user, message, edit_date, callback, date, received,
                     session, text, state, origin, arrived, rank)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
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
                prompt.map(|(session, ..)| session.0),
                prompt.map(|(_, written, _)| written.text),
                state,
                prompt.and_then(|(_, written, _)| written.origin),
                prompt.map_or(0, |(_, written, _)| written.arrived),
                prompt.map_or(0, |(.., rank)| rank),
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
