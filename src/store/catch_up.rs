//! What came while chappe was away: it is kept, and a person is asked once for each place what is to become of it.
//!
//! A message in question is in the state `asked`: nobody gives it to Claude, and nothing else waits for it. What counts
//! as old, and what is said, is decided by the caller.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, Transaction};

use super::buttons::{self, Offered};
use super::elsewhere::Since;
use super::holds::{self, Holding};
use super::places::bound;
use super::{Intake, Overtakes, Result, Step, Store, place_of, topic_column};
use crate::chat::{BotId, Hold, Lane, Notice, Place, Post, PromptId, RowId, SessionId};

/// How many places are told of something that concerns all of them; those that were last active.
const PLACES_MAX: i64 = 20;

/// What becomes of the messages in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatchUp {
    RunAll,
    OnlyTheLast,
    Drop,
}

/// Messages that a person is to be asked about, for one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub place: Place,
    pub count: usize,
    /// The names of the sessions that they are for, in order; none where that is just the one that the place talks to.
    pub sessions: Vec<String>,
    /// When the oldest was sent, in Unix seconds.
    pub oldest: i64,
}

impl Store {
    /// Keeps what waits since before chappe was away, for each place whose oldest message was sent at `old_before` or
    /// earlier: it is asked about, together with what Telegram still has. What a hold keeps is told of already. Full.
    pub fn keep_old(&self, old_before: i64) -> Result<()> {
        self.write(Step::KeepOld, |tx| {
            tx.execute(
                "UPDATE inbox SET state = 'asked' WHERE state = 'waiting'
                 AND session NOT IN (SELECT session FROM hold)
                 AND EXISTS (SELECT 1 FROM inbox old WHERE old.state = 'waiting' AND old.date <= ?1
                     AND old.chat = inbox.chat AND old.topic = inbox.topic)",
                [old_before],
            )
            .map(drop)
        })
    }

    /// Asks about all that is kept and was not asked about yet; returns whether anything was. Full.
    pub fn ask_about_kept(
        &self,
        bot: BotId,
        now: i64,
        notice: impl Fn(&Kept) -> Notice,
    ) -> Result<bool> {
        self.write(Step::AskKept, |tx| {
            let mut kept: Vec<(Kept, SessionId)> = tx
                .prepare(
                    "SELECT chat, topic, COUNT(*), MIN(date), MIN(session) FROM inbox
                     WHERE state = 'asked' AND question IS NULL GROUP BY chat, topic ORDER BY MIN(id)",
                )?
                .query_map([], |row| {
                    let kept = Kept {
                        place: place_of(row.get(0)?, row.get(1)?),
                        count: row.get::<_, i64>(2)? as usize,
                        sessions: Vec::new(),
                        oldest: row.get(3)?,
                    };
                    Ok((kept, SessionId(row.get(4)?)))
                })?
                .collect::<Result<_>>()?;
            for (kept, _) in &mut kept {
                kept.sessions = sessions_to_name(tx, bot, kept.place)?;
            }
            for (kept, session) in &kept {
                let row = buttons::post_notice(tx, bot, *session, now, kept.place, &notice(kept))?;
                tx.execute(
                    "UPDATE inbox SET question = ?1 WHERE state = 'asked' AND question IS NULL
                     AND chat = ?2 AND topic = ?3",
                    (row.0, kept.place.chat.0, topic_column(kept.place)),
                )?;
            }
            Ok(!kept.is_empty())
        })
    }

    /// Holds the sessions in which chappe itself was about to go on with something since before `old_before`: a person
    /// is asked first. Full.
    pub fn hold_stale(
        &self,
        bot: BotId,
        now: i64,
        old_before: i64,
        notice: impl Fn(usize) -> Notice,
    ) -> Result<()> {
        self.write(Step::HoldStale, |tx| {
            let stale: Vec<(i64, i64, String, SessionId, Place)> = tx
                .prepare(
                    "SELECT id, continues, text, session, chat, topic FROM prompt
                     WHERE state = 'queued' AND created <= ?1 AND continues IS NOT NULL
                     AND session NOT IN (SELECT session FROM hold) GROUP BY session HAVING MIN(id)",
                )?
                .query_map([old_before], |row| {
                    let place = place_of(row.get(4)?, row.get(5)?);
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, SessionId(row.get(3)?), place))
                })?
                .collect::<Result<_>>()?;
            for (prompt, continues, text, session, place) in stale {
                let since = Since::now(tx)?;
                tx.execute(
                    "UPDATE prompt SET state = 'closed', outcome = 'interrupted', closed = ?2 WHERE id = ?1",
                    (prompt, now),
                )?;
                let holding = Holding {
                    reason: Hold::Asking,
                    until: None,
                    retry: Some(text),
                };
                holds::hold(tx, session, now, Some(PromptId(continues)), &holding)?;
                let notice = notice(holds::waiting(tx, session)?);
                holds::tell(tx, bot, session, now, place, &notice, None)?;
                since.mark(tx, session, now, self.marks.as_ref(), false)?;
            }
            Ok(())
        })
    }

    /// When Telegram last answered this bot, in Unix seconds, as far as it was noted; None for a new one.
    pub fn seen(&self, bot: BotId) -> Result<Option<i64>> {
        self.read(|tx| {
            let seen: Option<Option<i64>> = tx
                .query_row("SELECT seen FROM bot WHERE id = ?1", [bot.0], |row| {
                    row.get(0)
                })
                .optional()?;
            Ok(seen.flatten())
        })
    }

    /// Notes that Telegram has answered. Normal.
    pub fn note_seen(&self, bot: BotId, now: i64) -> Result<()> {
        self.write(Step::Seen, |tx| note_seen(tx, bot, now))
    }

    /// Says something in all places that talk to the bot, at most in the last twenty, and notes that Telegram has
    /// answered. Full: it is said once.
    pub fn tell_all(&self, bot: BotId, now: i64, post: &Post) -> Result<()> {
        self.write(Step::TellAll, |tx| {
            note_seen(tx, bot, now)?;
            for place in places(tx, bot)? {
                super::outbox::insert(tx, bot, place, None, None, Lane::Text, post, now)?;
            }
            Ok(())
        })
    }
}

/// The names of the sessions that what is kept in a place is for, unless the place talks to that one, and it is the only
/// one.
fn sessions_to_name(tx: &Transaction<'_>, bot: BotId, place: Place) -> Result<Vec<String>> {
    let named: Vec<(SessionId, String)> = tx
        .prepare_cached(
            "SELECT session.id, session.name FROM inbox JOIN session ON session.id = inbox.session
             WHERE inbox.state = 'asked' AND question IS NULL AND chat = ?1 AND topic = ?2
             GROUP BY session.id ORDER BY MIN(inbox.id)",
        )?
        .query_map((place.chat.0, topic_column(place)), |row| {
            Ok((SessionId(row.get(0)?), row.get(1)?))
        })?
        .collect::<Result<_>>()?;
    match &named[..] {
        [(only, _)] if bound(tx, bot, place)? == Some(*only) => Ok(Vec::new()),
        _ => Ok(named.into_iter().map(|(_, name)| name).collect()),
    }
}

fn note_seen(tx: &Transaction<'_>, bot: BotId, now: i64) -> Result<()> {
    tx.execute(
        "INSERT INTO bot (id, next_offset, seen) VALUES (?1, 0, ?2)
         ON CONFLICT (id) DO UPDATE SET seen = excluded.seen",
        (bot.0, now),
    )
    .map(drop)
}

/// The places that talk to the bot, the one whose session was last active first.
pub(super) fn places(tx: &Transaction<'_>, bot: BotId) -> Result<Vec<Place>> {
    tx.prepare(
        "SELECT chat, topic FROM binding JOIN session ON session.id = binding.session WHERE bot = ?1
         ORDER BY session.active DESC LIMIT ?2",
    )?
    .query_map((bot.0, PLACES_MAX), |row| {
        Ok(place_of(row.get(0)?, row.get(1)?))
    })?
    .collect()
}

impl Intake<'_> {
    /// Whether a message is kept in this place that a person was not asked about yet: what comes with it goes with it.
    pub(super) fn keeps_at(&self, place: Place) -> Result<bool> {
        self.tx
            .prepare_cached(
                "SELECT 1 FROM inbox WHERE state = 'asked' AND question IS NULL AND chat = ?1 AND topic = ?2",
            )?
            .exists((place.chat.0, topic_column(place)))
    }

    /// Does what a person has said of the messages in question; returns how many of them run. A session that is held goes
    /// on for them, as it does for whoever writes.
    pub fn catch_up(
        &mut self,
        offered: &Offered,
        how: CatchUp,
        line: &str,
        overtakes: &Overtakes<'_>,
    ) -> Result<usize> {
        let asked: Vec<(i64, SessionId)> = self
            .tx
            .prepare(
                "SELECT id, session FROM inbox WHERE state = 'asked' AND question = ?1 ORDER BY id",
            )?
            .query_map([offered.row.0], |row| {
                Ok((row.get(0)?, SessionId(row.get(1)?)))
            })?
            .collect::<Result<_>>()?;
        let first_to_run = match how {
            CatchUp::RunAll => 0,
            CatchUp::OnlyTheLast => asked.len().saturating_sub(1),
            CatchUp::Drop => asked.len(),
        };
        let mut wanted = BTreeSet::new();
        for (number, (id, session)) in asked.iter().enumerate() {
            let state = if number < first_to_run {
                "dropped"
            } else {
                "waiting"
            };
            self.tx.execute(
                "UPDATE inbox SET state = ?2, question = NULL WHERE id = ?1",
                (id, state),
            )?;
            if state == "waiting" {
                buttons::line_has_moved(self.tx, *session, self.now)?;
                wanted.insert(*session);
            }
        }
        for session in wanted {
            self.is_wanted(session, overtakes)?;
            self.touched.insert(session);
        }
        self.retire(RowId(offered.row.0), line)?;
        Ok(asked.len() - first_to_run)
    }
}
