//! Stop: what ends at once because a person says so, what a session's owner is told to end, and what is held then.

use rusqlite::{OptionalExtension, Transaction};

use super::elsewhere::Since;
use super::holds::{self, Holding, Release};
use super::{Intake, Result, Step, Store, closing, place_of};
use crate::chat::{BotId, Formatted, Hold, Lane, Notice, Place, Post, PromptId, SessionId, Target};

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

/// What is said of what a stop ends.
#[derive(Clone, Copy, Debug)]
pub struct StopSays<'a> {
    /// In the status message of a turn that had not gone on yet.
    pub ended: &'a Formatted,
    /// Below the message that told of a failure which is not tried again.
    pub not_again: &'a str,
    /// What a request for the use of a tool says from now on that was open.
    pub withdrawn: fn(&str, &Formatted) -> Formatted,
}

impl Intake<'_> {
    /// Stops what a session does, and holds what waits for it. `notice` is what is said of the messages that are
    /// held, by their number.
    pub fn stop(
        &mut self,
        session: SessionId,
        says: &StopSays<'_>,
        notice: impl Fn(usize) -> Notice,
    ) -> Result<Stop> {
        let since = Since::now(self.tx)?;
        let stop = self.stop_now(session, says, notice)?;
        since.mark(self.tx, session, self.now, self.marks, false)?;
        Ok(stop)
    }

    fn stop_now(
        &mut self,
        session: SessionId,
        says: &StopSays<'_>,
        notice: impl Fn(usize) -> Notice,
    ) -> Result<Stop> {
        // Claude hears of it in a moment. Whoever presses until then is to hear the truth.
        let was_asked = closing::close_stopped(self.tx, session, self.now, says.withdrawn)?;
        self.posted |= was_asked;
        let queued = self.close_queued(session, says.ended)?;
        // What was put into the turn and is not taken there may come to wait again.
        let may_come_back = self
            .tx
            .prepare_cached(
                "SELECT 1 FROM prompt WHERE session = ?1 AND state = 'sent' AND state != 'closed'
                 AND steered IN (SELECT id FROM prompt WHERE state IN ('sent', 'taken'))",
            )?
            .exists([session.0])?;
        let waits = may_come_back || holds::waiting(self.tx, session)? > 0;
        let held = holds::held(self.tx, session)?;
        let mut anything = queued > 0;
        match held {
            Some(held) if held.reason == Hold::Held => {}
            _ if waits => {
                if held.is_some() {
                    let line = Some(says.not_again);
                    holds::release(self.tx, session, self.now, Release::GoOn, line)?;
                }
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
                let line = Some(says.not_again);
                anything |= holds::release(self.tx, session, self.now, Release::GoOn, line)?;
                self.posted = true;
            }
            None => {}
        }
        // A process without a turn may have work that runs on; who asked is there, whatever else is known of it.
        let is_live = self.is_live(session)?;
        if is_live || was_asked {
            self.note_stop(session)?;
        }
        if is_live || was_asked || self.stop_what_runs(session)? {
            if anything {
                // Whoever carries it out need not say that there was nothing.
                self.tx
                    .execute("UPDATE session SET stop = 2 WHERE id = ?1", [session.0])?;
            }
            return Ok(Stop::Begun);
        }
        if anything {
            // Its owner may wait for a place that it does not need any more.
            self.touched.insert(session);
        }
        stop_is_over(self.tx, self.bot, session, self.now, None, &notice)?;
        self.posted = true;
        Ok(if anything { Stop::Done } else { Stop::Nothing })
    }

    /// Whether a session has a process, or had one when chappe ended.
    pub(super) fn is_live(&self, session: SessionId) -> Result<bool> {
        self.tx
            .prepare_cached("SELECT 1 FROM session WHERE id = ?1 AND pid IS NOT NULL")?
            .exists([session.0])
    }

    /// Has a session's owner end the turn that is open, if there is one; returns whether there is.
    pub(super) fn stop_what_runs(&mut self, session: SessionId) -> Result<bool> {
        let is_open: bool = self
            .tx
            .prepare_cached(
                "SELECT 1 FROM prompt WHERE session = ?1 AND state IN ('sent', 'taken') AND state != 'closed'",
            )?
            .exists([session.0])?;
        if is_open {
            self.note_stop(session)?;
        }
        Ok(is_open)
    }

    fn note_stop(&mut self, session: SessionId) -> Result<()> {
        self.touched.insert(session);
        self.tx
            .execute(
                "UPDATE session SET stop = MAX(stop, 1) WHERE id = ?1",
                [session.0],
            )
            .map(drop)
    }

    /// Closes the prompts that chappe itself has queued, with this in the status message of their turn; returns how
    /// many there were.
    pub(super) fn close_queued(&mut self, session: SessionId, ended: &Formatted) -> Result<usize> {
        let queued: Vec<(PromptId, Place)> = self
            .tx
            .prepare_cached(
                "UPDATE prompt SET state = 'closed', outcome = 'stopped', closed = ?2
                 WHERE session = ?1 AND state = 'queued' AND state != 'closed' RETURNING id, chat, topic",
            )?
            .query_map((session.0, self.now), |row| {
                Ok((PromptId(row.get(0)?), place_of(row.get(1)?, row.get(2)?)))
            })?
            .collect::<Result<_>>()?;
        for (prompt, place) in &queued {
            let edit = Post::Edit {
                target: Target::StatusOrNew(*prompt),
                body: ended.clone(),
                buttons: Vec::new(),
            };
            self.post(*place, Lane::Text, &edit)?;
        }
        Ok(queued.len())
    }

    /// Where the turn of a session is shown that is not over.
    pub fn place_of_turn(&self, session: SessionId) -> Result<Option<Place>> {
        self.tx
            .prepare_cached(
                "SELECT chat, topic FROM prompt WHERE session = ?1 AND state IN ('sent', 'taken')
                 AND state != 'closed' ORDER BY id LIMIT 1",
            )?
            .query_row([session.0], |row| Ok(place_of(row.get(0)?, row.get(1)?)))
            .optional()
    }
}

impl Store {
    /// What a person has stopped has ended, or nothing ran. Returns whether the stop itself has held or ended something.
    /// Full.
    pub fn stopped(
        &self,
        bot: BotId,
        session: SessionId,
        now: i64,
        notice: impl Fn(usize) -> Notice,
    ) -> Result<bool> {
        self.write_from(Step::Stopped, session, now, false, |tx| {
            let stop: Option<i64> = tx
                .query_row(
                    "SELECT stop FROM session WHERE id = ?1",
                    [session.0],
                    |row| row.get(0),
                )
                .optional()?;
            let told = stop_is_over(tx, bot, session, now, None, &notice)?;
            Ok(told || stop.is_some_and(|stop| stop > 1))
        })
    }
}

/// Notes that a stop was carried out, and tells of what is held since then, if anything is; returns whether.
pub(super) fn stop_is_over(
    tx: &Transaction<'_>,
    bot: BotId,
    session: SessionId,
    now: i64,
    prompt: Option<PromptId>,
    notice: &dyn Fn(usize) -> Notice,
) -> Result<bool> {
    tx.execute("UPDATE session SET stop = 0 WHERE id = ?1", [session.0])?;
    let untold: bool = tx
        .prepare_cached("SELECT 1 FROM hold WHERE session = ?1 AND row IS NULL")?
        .exists([session.0])?;
    if !untold {
        return Ok(false);
    }
    let left = holds::waiting(tx, session)?;
    if left == 0 {
        tx.execute("DELETE FROM hold WHERE session = ?1", [session.0])?;
        return Ok(false);
    }
    let Some(place) = holds::place_to_tell(tx, session, prompt)? else {
        return Ok(false);
    };
    holds::tell(tx, bot, session, now, place, &notice(left), None)?;
    Ok(true)
}
