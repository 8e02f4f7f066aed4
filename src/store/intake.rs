//! What the poller writes: the answer of one getUpdates, all of it with the next offset or nothing.
//!
//! Each update has a savepoint of its own, so that one that cannot be stored is skipped and the others go on. What an
//! update means is decided by the caller; here it is only written down.

use std::collections::BTreeSet;

use rusqlite::{Error, ErrorCode, OptionalExtension, Transaction};

use super::buttons;
use super::closing;
use super::holds::{self, Release};
use super::{Marks, Result, Step, Store, WAITING_MAX, place_of, topic_column};
use crate::chat::{
    Arrival, BotId, Button, ChatId, Formatted, Hold, Lane, Place, Post, RowId, SessionId, Target,
};

/// What an accepted answer of getUpdates makes necessary.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Accepted {
    /// Sessions that have something new to read.
    pub wake: Vec<SessionId>,
    /// Whether something must go out.
    pub posted: bool,
}

/// What a person wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written<'a> {
    pub text: &'a str,
    /// Who wrote it, where it was forwarded.
    pub origin: Option<&'a str>,
    /// When it arrived, in milliseconds of Unix time.
    pub arrived: i64,
    pub overtakes: Overtakes<'a>,
    pub came: Came,
}

/// When a message came, as far as that decides whether it runs at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// While chappe was there to hear it.
    Now,
    /// While it was away; so long ago that a person is asked first, or not.
    WhileAway { long_ago: bool },
}

/// What became of a text that was to be queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// It waits to be given.
    Waits,
    /// It is kept until a person says what becomes of it.
    Kept,
    /// Too many wait already.
    Refused,
}

/// What is said below a message that told why a session was held, when a new one goes before what waits there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overtakes<'a> {
    /// Below that of a failure: it is tried again after it.
    pub failure: &'a str,
    /// Below a question how to go on: it stays as it is.
    pub question: &'a str,
}

/// What became of a change to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited {
    /// The message still waited; it says the new text now.
    InTime,
    /// The session had been given the old text before, or it was an answer.
    TooLate(SessionId),
    /// It was taken as the answer to what Claude has asked, which may not have all it has asked for yet.
    WasAnswer(SessionId),
    /// Nothing that was given or waits has another text than before.
    Nothing,
    /// The message was never taken as something to be given, nor as an answer.
    Unknown,
}

/// An open transaction over one answer of getUpdates.
pub struct Intake<'t> {
    pub(super) tx: &'t Transaction<'t>,
    pub(super) bot: BotId,
    pub(super) now: i64,
    pub(super) touched: BTreeSet<SessionId>,
    pub(super) posted: bool,
    /// The requests that this update has decided.
    pub(super) decided: Vec<(SessionId, i64)>,
    pub(super) marks: Option<&'t Marks>,
}

impl Intake<'_> {
    /// Takes away the buttons that would decide with a message what was decided. Last: what was decided is told first.
    fn nothing_waits_for_decided(&mut self) -> Result<()> {
        for (session, request) in std::mem::take(&mut self.decided) {
            closing::waits_no_more(self.tx, session, request, self.now)?;
        }
        Ok(())
    }
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
        self.write(Step::Accept, |tx| {
            tx.execute(
                "INSERT INTO bot (id, next_offset, seen) VALUES (?1, ?2, ?3)
                 ON CONFLICT (id) DO UPDATE SET next_offset = excluded.next_offset,
                     seen = max(COALESCE(seen, 0), excluded.seen)",
                (bot.0, next_offset, now),
            )?;
            let mut intake = Intake {
                tx,
                bot,
                now,
                touched: BTreeSet::new(),
                posted: false,
                decided: Vec::new(),
                marks: self.marks.as_ref(),
            };
            for update in updates {
                tx.execute_batch("SAVEPOINT one_update")?;
                let before = (intake.touched.clone(), intake.posted);
                match each(&mut intake, &update).and_then(|()| intake.nothing_waits_for_decided()) {
                    Ok(()) => tx.execute_batch("RELEASE one_update")?,
                    Err(error) if is_of_one_row(&error) => {
                        tx.execute_batch("ROLLBACK TO one_update; RELEASE one_update")?;
                        // Nobody is woken for what was undone: even the session may be gone with it.
                        (intake.touched, intake.posted) = before;
                        intake.decided.clear();
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
    /// arrived, and after a week of silence it starts its numbers anew: so the number alone proves nothing. When it was
    /// accepted is not looked at: the clock may have jumped since.
    pub fn is_repeat(&self, arrival: &Arrival) -> Result<bool> {
        let same: Option<i64> = self
            .tx
            .prepare_cached(
                "SELECT 1 FROM inbox WHERE bot = ?1 AND update_id = ?2 AND chat = ?3 AND date = ?4
                 AND message IS ?5 AND edit_date = ?6 AND callback IS ?7",
            )?
            .query_row(
                (
                    self.bot.0,
                    arrival.update,
                    arrival.place.chat.0,
                    arrival.date,
                    arrival.message.map(|message| message.0),
                    arrival.edit_date,
                    &arrival.callback,
                ),
                |row| row.get(0),
            )
            .optional()?;
        Ok(same.is_some())
    }

    /// Queues a text for a session. What came while chappe was away may be kept instead, together with what else did in
    /// its place.
    ///
    /// A session that is held goes on: whoever writes wants it done. After a stop or a failure this text goes first.
    pub fn queue(
        &mut self,
        arrival: &Arrival,
        session: SessionId,
        written: &Written<'_>,
    ) -> Result<Queued> {
        let waiting: i64 = self
            .tx
            .prepare_cached(
                "SELECT (SELECT COUNT(*) FROM inbox WHERE session = ?1 AND state = 'waiting')
                      + (SELECT COUNT(*) FROM inbox WHERE session = ?1 AND state = 'asked')",
            )?
            .query_row([session.0], |row| row.get(0))?;
        if waiting >= WAITING_MAX {
            self.insert(arrival, Some((session, written, 0)), "refused")?;
            return Ok(Queued::Refused);
        }
        let is_kept = match written.came {
            Came::Now => false,
            Came::WhileAway { long_ago } => long_ago || self.keeps_at(arrival.place)?,
        };
        if is_kept {
            self.insert(arrival, Some((session, written, 0)), "asked")?;
            buttons::line_has_moved(self.tx, session, self.now)?;
            return Ok(Queued::Kept);
        }
        let overtakes = self.is_wanted(session, &written.overtakes)?;
        // Whoever looked at the line and has not pressed yet has not seen this message.
        buttons::line_has_moved(self.tx, session, self.now)?;
        let (first, written_first): (Option<i64>, Option<i64>) = self
            .tx
            .prepare_cached(
                "SELECT MIN(rank), MIN(rank) FILTER (WHERE callback IS NULL) FROM inbox
                 WHERE session = ?1 AND state = 'waiting'",
            )?
            .query_row([session.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let rank = match arrival.callback {
            // What a button writes goes before what waits, and behind what went before that.
            Some(_) => first.unwrap_or(0).min(-1),
            // Also before what went first before: what waited keeps its order among itself.
            None if overtakes => first.unwrap_or(0).min(0) - 1,
            // With what was written just before it, where that goes before others.
            None => written_first.unwrap_or(0).min(0),
        };
        self.insert(arrival, Some((session, written, rank)), "waiting")?;
        self.tx.execute(
            "UPDATE session SET active = ?2 WHERE id = ?1",
            (session.0, self.now),
        )?;
        self.touched.insert(session);
        Ok(Queued::Waits)
    }

    /// Ends what holds a session, and what would take it away: somebody wants something of it. Returns whether that goes
    /// before what was held.
    pub(super) fn is_wanted(
        &mut self,
        session: SessionId,
        overtakes: &Overtakes<'_>,
    ) -> Result<bool> {
        let (first, how, line) = match holds::held(self.tx, session)? {
            None => (false, Release::GoOn, None),
            Some(held) => match held.reason {
                Hold::Held => (true, Release::GoOn, None),
                Hold::Asking => (true, Release::GoOn, Some(overtakes.question)),
                // What failed comes after this.
                Hold::Paused | Hold::Broken if held.has_failed => {
                    (true, Release::Retry, Some(overtakes.failure))
                }
                // Nothing has failed but the start: what waits keeps its order.
                Hold::Paused | Hold::Broken => (false, Release::GoOn, None),
            },
        };
        self.posted |= holds::release(self.tx, session, self.now, how, line)?;
        // Whoever writes to a session wants it to be there.
        super::moving::stays(self.tx, session)?;
        Ok(first)
    }

    /// Changes a message that waits to be given, or the correction of it that does, which begins with `correction`. Of what
    /// is neither an earlier change is offered no more.
    pub fn edit(&mut self, arrival: &Arrival, text: &str, correction: &str) -> Result<Edited> {
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
            None => Edited::Unknown,
            Some((_, _, old, _)) if old == text => Edited::Nothing,
            Some((id, state, _, session)) if state == "waiting" || state == "asked" => {
                self.tx
                    .execute("UPDATE inbox SET text = ?2 WHERE id = ?1", (id, text))?;
                // A list may show the old one.
                buttons::line_has_moved(self.tx, session, self.now)?;
                self.posted = true;
                if state == "waiting" {
                    buttons::denies_with(self.tx, session, id, text)?;
                }
                Edited::InTime
            }
            // Given to Claude as a prompt, or taken as the answer to what it has asked.
            Some((id, state, old, session)) if state == "given" || state == "closed" => {
                // The new text is kept, so that the same change is answered once.
                self.tx
                    .execute("UPDATE inbox SET text = ?2 WHERE id = ?1", (id, text))?;
                self.posted = true;
                if buttons::changes_correction(
                    self.tx,
                    session,
                    (&old, text),
                    correction,
                    self.now,
                )? {
                    return Ok(Edited::InTime);
                }
                match state.as_str() {
                    "given" => Edited::TooLate(session),
                    _ => Edited::WasAnswer(session),
                }
            }
            _ => Edited::Nothing,
        })
    }

    /// Notes an update that was dealt with at once.
    pub fn close(&mut self, arrival: &Arrival) -> Result<()> {
        self.insert(arrival, None, "closed")
    }

    /// Notes what a person has written that was the answer to a request of a session, or a part of it: whoever changes it
    /// later is told that it is too late.
    pub fn close_answer(
        &mut self,
        arrival: &Arrival,
        session: SessionId,
        text: &str,
    ) -> Result<()> {
        let written = Written {
            text,
            origin: None,
            arrived: 0,
            overtakes: Overtakes::default(),
            came: Came::Now,
        };
        self.insert(arrival, Some((session, &written, 0)), "closed")
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

    /// The same, once: what was put there before by this key stays as it is.
    pub fn post_once(&mut self, place: Place, key: &str, post: &Post) -> Result<RowId> {
        self.posted = true;
        let (bot, now) = (self.bot, self.now);
        super::outbox::insert(self.tx, bot, place, None, Some(key), Lane::Text, post, now)
    }

    /// Lets the message of a row show this from now on. That goes where the row goes, whoever asks for it from elsewhere:
    /// only within a place is the order kept.
    pub fn show(&mut self, row: RowId, body: &Formatted, buttons: Vec<Vec<Button>>) -> Result<()> {
        self.show_by(None, row, body, buttons)
    }

    /// The same, to be found again by a key.
    pub(super) fn show_by(
        &mut self,
        key: Option<&str>,
        row: RowId,
        body: &Formatted,
        buttons: Vec<Vec<Button>>,
    ) -> Result<()> {
        let place = self
            .tx
            .prepare_cached("SELECT chat, topic FROM outbox WHERE id = ?1")?
            .query_row([row.0], |row| Ok(place_of(row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some(place) = place else { return Ok(()) };
        let edit = Post::Edit {
            target: Target::Row(row),
            body: body.clone(),
            buttons,
        };
        self.posted = true;
        let (bot, now) = (self.bot, self.now);
        super::outbox::insert(self.tx, bot, place, None, key, Lane::Text, &edit, now).map(drop)
    }
}
