//! Holds: why what waits for a session is not given to Claude, who was told of it, and how it goes on.
//!
//! While a session has a row here, nothing is given for it. Whatever ends the hold removes the row, takes the buttons
//! from the message that told of it, and queues what is to be tried again, in one transaction. Why a session is held,
//! and what is said about it, is decided by the caller.

use rusqlite::{OptionalExtension, Transaction};

use super::buttons::{self, Offered};
use super::line::OfLine;
use super::{Intake, Result, Step, Store, outbox, place_of};
use crate::chat::{
    Behind, BotId, Formatted, Hold, Lane, Notice, Place, Post, PromptId, RowId, SessionId, Target,
};

/// How a session is held from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    pub reason: Hold,
    /// When it goes on by itself, in Unix seconds; None: not at all.
    pub until: Option<i64>,
    /// The text that goes on with what failed or was cut off.
    pub retry: Option<String>,
}

/// A session that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub reason: Hold,
    /// When it goes on by itself, in Unix seconds.
    pub until: Option<i64>,
    /// Since when it is held.
    pub since: i64,
    /// Whether a turn has failed, and can be tried again.
    pub has_failed: bool,
}

impl Held {
    /// When it goes on by itself, as seen at `now`: at once, where the clock stands before its beginning. A clock that
    /// was set back must not make it longer.
    pub fn until(&self, now: i64) -> Option<i64> {
        self.until.map(|until| match self.since > now {
            true => now,
            false => until,
        })
    }
}

/// How a hold ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// What waits goes on, and what failed is left.
    GoOn,
    /// What failed is tried again first, with the text that was stored for that.
    Retry,
    /// What was cut off is given once more, as it was written.
    SendAgain,
    /// What failed and all that waits is forgotten.
    Drop,
}

/// The reason that a word stands for. One that a later chappe has written holds until somebody says go on.
pub(super) fn reason_of(word: &str) -> Hold {
    match word {
        "paused" => Hold::Paused,
        "broken" => Hold::Broken,
        "asking" => Hold::Asking,
        _ => Hold::Held,
    }
}

/// How a session is held; None where it is not.
pub(super) fn held(tx: &Transaction<'_>, session: SessionId) -> Result<Option<Held>> {
    tx.prepare_cached(
        "SELECT reason, until, since, prompt IS NOT NULL FROM hold WHERE session = ?1",
    )?
    .query_row([session.0], |row| {
        Ok(Held {
            reason: reason_of(&row.get::<_, String>(0)?),
            until: row.get(1)?,
            since: row.get(2)?,
            has_failed: row.get(3)?,
        })
    })
    .optional()
}

/// Whether something that failed in a session is tried again by itself when its time comes.
pub(super) fn tries_again(tx: &Transaction<'_>, session: SessionId) -> Result<bool> {
    Ok(held(tx, session)?.is_some_and(|held| held.has_failed && held.until.is_some()))
}

/// How much waits for a session: messages, and prompts that chappe has queued itself.
pub(super) fn waiting(tx: &Transaction<'_>, session: SessionId) -> Result<usize> {
    tx.prepare_cached(
        "SELECT (SELECT COUNT(*) FROM inbox WHERE session = ?1 AND state = 'waiting')
              + (SELECT COUNT(*) FROM prompt WHERE session = ?1 AND state = 'queued' AND state != 'closed')",
    )?
    .query_row([session.0], |row| row.get::<_, i64>(0))
    .map(|count| count as usize)
}

/// Holds a session; a hold that is there already gives way to this one. `prompt` is what failed or was cut off.
pub(super) fn hold(
    tx: &Transaction<'_>,
    session: SessionId,
    now: i64,
    prompt: Option<PromptId>,
    holding: &Holding,
) -> Result<()> {
    retire_notice(tx, session, now, None)?;
    tx.prepare_cached(
        "INSERT INTO hold (session, reason, since, until, prompt, retry) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (session) DO UPDATE SET reason = excluded.reason, since = excluded.since,
             until = excluded.until, prompt = excluded.prompt, retry = excluded.retry, row = NULL",
    )?
    .execute((
        session.0,
        holding.reason.as_str(),
        now,
        holding.until,
        prompt.map(|prompt| prompt.0),
        &holding.retry,
    ))
    .map(drop)
}

/// Has what failed while the session is held for an earlier failure tried again together with that. Nothing, where it is
/// held for another reason.
pub(super) fn add(tx: &Transaction<'_>, session: SessionId, retry: &str) -> Result<()> {
    tx.prepare_cached(
        "UPDATE hold SET retry = concat_ws(char(10, 10), retry, ?2) WHERE session = ?1 AND prompt IS NOT NULL",
    )?
    .execute((session.0, retry))
    .map(drop)
}

/// Tells of a hold that nobody was told of yet: with a new message, or by what an earlier one says from now on.
pub(super) fn tell(
    tx: &Transaction<'_>,
    bot: BotId,
    session: SessionId,
    now: i64,
    place: Place,
    notice: &Notice,
    instead_of: Option<RowId>,
) -> Result<()> {
    let instead_of = match instead_of {
        // One that was never sent says nothing, whatever it says from now on.
        Some(row) if outbox::was_sent(tx, bot, row)? => Some(row),
        _ => None,
    };
    let row = match instead_of {
        Some(row) => {
            let buttons = buttons::offer(tx, bot, session, row, now, &notice.offers)?;
            let edit = Post::Edit {
                target: Target::Row(row),
                body: notice.body.clone(),
                buttons: buttons.clone(),
            };
            outbox::insert(tx, bot, place, None, None, Lane::Text, &edit, now)?;
            let shown = Post::Message {
                body: notice.body.clone(),
                buttons,
                silent: false,
            };
            outbox::rewrite(tx, row, &shown)?;
            row
        }
        None => buttons::post_notice(tx, bot, session, now, place, notice)?,
    };
    tx.execute(
        "UPDATE hold SET row = ?2 WHERE session = ?1",
        (session.0, row.0),
    )
    .map(drop)
}

/// Takes the buttons from the message that tells of a session's hold, if there is one, with `line` below it.
fn retire_notice(
    tx: &Transaction<'_>,
    session: SessionId,
    now: i64,
    line: Option<&str>,
) -> Result<()> {
    match notice_row(tx, session)? {
        Some(row) => buttons::retire_row(tx, row, now, line),
        None => Ok(()),
    }
}

/// The row whose message tells of a session's hold.
pub(super) fn notice_row(tx: &Transaction<'_>, session: SessionId) -> Result<Option<RowId>> {
    let row: Option<Option<i64>> = tx
        .prepare_cached("SELECT row FROM hold WHERE session = ?1")?
        .query_row([session.0], |row| row.get(0))
        .optional()?;
    Ok(row.flatten().map(RowId))
}

/// Ends a hold; returns whether there was one. `line` is what its message says below from now on.
pub(super) fn release(
    tx: &Transaction<'_>,
    session: SessionId,
    now: i64,
    how: Release,
    line: Option<&str>,
) -> Result<bool> {
    // What nothing is known of any more can only be dropped.
    if matches!(how, Release::Retry | Release::SendAgain)
        && tx
            .prepare_cached(
                "SELECT 1 FROM hold WHERE session = ?1 AND prompt IS NOT NULL
                 AND prompt NOT IN (SELECT id FROM prompt)",
            )?
            .exists([session.0])?
    {
        return Ok(false);
    }
    retire_notice(tx, session, now, line)?;
    let ended = tx
        .query_row(
            "DELETE FROM hold WHERE session = ?1 RETURNING prompt, retry, row",
            [session.0],
            |row| {
                Ok((
                    row.get::<_, Option<i64>>(0)?,
                    row.get::<_, Option<String>>(1)?,
                    row.get::<_, Option<i64>>(2)?,
                ))
            },
        )
        .optional()?;
    let Some((prompt, retry, row)) = ended else {
        return Ok(false);
    };
    buttons::line_has_moved(tx, session, now)?;
    let again = match how {
        Release::Retry => retry,
        Release::SendAgain => prompt
            .map(|prompt| {
                // With what was put into its turn; of one that goes on with another that was cut off, what that was.
                tx.query_row(
                    "WITH RECURSIVE turn (id, continues) AS (
                         SELECT id, continues FROM prompt WHERE id = ?1
                         UNION SELECT prompt.id, prompt.continues FROM prompt JOIN turn ON prompt.id = turn.continues
                             WHERE prompt.outcome = 'continued')
                     SELECT group_concat(text, char(10)) FROM (SELECT text FROM prompt
                         WHERE id = (SELECT MIN(id) FROM turn)
                         OR (steered IN (SELECT id FROM turn) AND outcome IN ('interrupted', 'continued')
                             AND NOT EXISTS (SELECT 1 FROM prompt own WHERE own.continues = prompt.id)) ORDER BY id)",
                    [prompt],
                    |row| row.get::<_, Option<String>>(0),
                )
            })
            .transpose()?
            .flatten(),
        Release::GoOn | Release::Drop => None,
    };
    if let (Some(prompt), Some(text)) = (prompt, again) {
        queue_after(tx, PromptId(prompt), &text, now, row.map(RowId), true)?;
    }
    Ok(true)
}

/// Queues a prompt that goes on with another one: in its place, in its name, shown by its status message. It begins
/// with its attempts `anew`, or inherits them with what was seen to start.
pub(super) fn queue_after(
    tx: &Transaction<'_>,
    before: PromptId,
    text: &str,
    now: i64,
    notice: Option<RowId>,
    anew: bool,
) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO prompt (bot, session, uuid, text, chat, topic, user, state, attempts, acted, created, continues,
             tries, notice, status_message)
         SELECT bot, session, ?2, ?3, chat, topic, user, 'queued', iif(?6, 0, attempts), iif(?6, '[]', acted), ?4, id,
             tries, COALESCE(?5, notice), status_message
         FROM prompt WHERE id = ?1",
    )?
    .execute((
        before.0,
        super::fresh_uuid(),
        text,
        now,
        notice.map(|row| row.0),
        anew,
    ))?;
    // One message shows one turn.
    tx.execute(
        "UPDATE prompt SET status_message = NULL WHERE id = ?1",
        [before.0],
    )
    .map(drop)
}

/// Where a hold is told: the place of what failed, else of the oldest message that waits, else of the last prompt.
pub(super) fn place_to_tell(
    tx: &Transaction<'_>,
    session: SessionId,
    prompt: Option<PromptId>,
) -> Result<Option<Place>> {
    if let Some(prompt) = prompt {
        return tx
            .query_row(
                "SELECT chat, topic FROM prompt WHERE id = ?1",
                [prompt.0],
                |row| Ok(place_of(row.get(0)?, row.get(1)?)),
            )
            .optional();
    }
    let waiting = tx
        .prepare_cached(
            "SELECT chat, topic FROM inbox WHERE session = ?1 AND state = 'waiting' ORDER BY rank, id LIMIT 1",
        )?
        .query_row([session.0], |row| Ok(place_of(row.get(0)?, row.get(1)?)))
        .optional()?;
    match waiting {
        Some(place) => Ok(Some(place)),
        None => super::turns::last_place(tx, session),
    }
}

impl Store {
    /// Holds a session because of something that is none of a prompt's, and tells of it. Full.
    pub fn hold(
        &self,
        bot: BotId,
        session: SessionId,
        now: i64,
        holding: &Holding,
        notice: impl Fn(usize) -> Notice,
    ) -> Result<()> {
        self.write_from(Step::Hold, session, now, false, |tx| {
            // Whoever said stop meanwhile holds it already, and for longer.
            if held(tx, session)?.is_some_and(|held| held.reason == Hold::Held) {
                return Ok(());
            }
            hold(tx, session, now, None, holding)?;
            let Some(place) = place_to_tell(tx, session, None)? else {
                return Ok(());
            };
            let notice = notice(waiting(tx, session)?);
            tell(tx, bot, session, now, place, &notice, None)
        })
    }

    /// Says in the status messages of the turns that are not over what stands there until they go on. Normal.
    pub fn turns_pause(&self, session: SessionId, now: i64, body: &Formatted) -> Result<()> {
        self.write_from(Step::Pause, session, now, false, |tx| {
            let open: Vec<(BotId, PromptId, Place)> = tx
                .prepare_cached(
                    "SELECT bot, id, chat, topic FROM prompt WHERE session = ?1 AND state != 'closed'",
                )?
                .query_map([session.0], |row| {
                    let place = place_of(row.get(2)?, row.get(3)?);
                    Ok((BotId(row.get(0)?), PromptId(row.get(1)?), place))
                })?
                .collect::<Result<_>>()?;
            for (bot, prompt, place) in open {
                let edit = Post::Edit {
                    target: Target::Status(prompt),
                    body: body.clone(),
                    buttons: Vec::new(),
                };
                outbox::insert(tx, bot, place, Some(prompt), None, Lane::Text, &edit, now)?;
            }
            Ok(())
        })
    }

    /// Ends the hold of a session whose time has come: what failed is tried again. Full.
    pub fn go_on(&self, session: SessionId, now: i64, line: &str) -> Result<()> {
        self.write(Step::GoOn, |tx| {
            let due =
                held(tx, session)?.is_some_and(|held| held.until(now).is_some_and(|at| at <= now));
            if due {
                release(tx, session, now, Release::Retry, Some(line))?;
            }
            Ok(())
        })
    }

    /// The sessions whose hold is over by now, and that nobody may be awake to see.
    pub fn holds_over(&self, now: i64) -> Result<Vec<SessionId>> {
        self.read(|tx| {
            tx.prepare_cached(
                "SELECT session FROM hold WHERE until <= ?1 OR (until IS NOT NULL AND since > ?1)",
            )?
            .query_map([now], |row| row.get(0).map(SessionId))?
            .collect()
        })
    }

    /// Ends the holds whose cause may be gone since chappe was started again: there could be no process. Not those of a
    /// conversation that could not be gone on with, which is known by the offer to begin another one: that waits for a
    /// press, whatever has ended meanwhile. Nor those of a turn that has killed its process again and again. Full.
    pub fn try_broken_again(&self, now: i64) -> Result<()> {
        self.write(Step::TryBroken, |tx| {
            let broken: Vec<i64> = tx
                .prepare(
                    "SELECT session FROM hold WHERE reason = 'broken' AND prompt IS NULL
                     AND NOT EXISTS (SELECT 1 FROM button WHERE button.row = hold.row
                         AND json_extract(button.act, '$.do') = 'start_fresh')",
                )?
                .query_map([], |row| row.get(0))?
                .collect::<Result<_>>()?;
            for session in broken {
                release(tx, SessionId(session), now, Release::Retry, None)?;
            }
            Ok(())
        })
    }
}

impl Intake<'_> {
    /// Ends the hold of a session, with `line` below what was said of it, here or in the message with the button;
    /// returns whether anything came of it.
    pub fn release(&mut self, offered: &Offered, how: Release, line: &str) -> Result<bool> {
        self.touched.insert(offered.session);
        let told = notice_row(self.tx, offered.session)?;
        let held = held(self.tx, offered.session)?;
        let mut anything = release(self.tx, offered.session, self.now, how, Some(line))?;
        if how == Release::Drop {
            anything |= self.drop_waiting(offered.session, line)?;
            // While there is no process, a turn that was cut off stays open, and what was put into it; its owner brings
            // that to an end.
            let is_down = |held: Held| held.reason == Hold::Broken;
            if held.is_some_and(is_down) || (held.is_some() && !self.is_live(offered.session)?) {
                anything |= self.stop_what_runs(offered.session)?;
            }
        }
        if told != Some(offered.row) {
            buttons::retire_row(self.tx, offered.row, self.now, Some(line))?;
        }
        // Last: nothing knows its buttons once it is gone.
        if how == Release::Drop && held.is_some_and(|held| held.reason == Hold::Broken) {
            self.give_up(offered.session)?;
        }
        self.posted = true;
        Ok(anything)
    }

    /// How a session's line goes on that somebody was shown, and wants to run. What has failed is no part of that: it stays,
    /// and goes first.
    pub fn how_to_run(&self, session: SessionId) -> Result<Release> {
        Ok(match self.failure_waits(session)? {
            true => Release::Retry,
            false => Release::GoOn,
        })
    }

    /// Drops what waits of a line that somebody was shown, with `line` below that; returns whether anything did. What has
    /// failed is no part of it, and stays as it is.
    pub fn drop_listed(&mut self, offered: &Offered, line: &str) -> Result<bool> {
        if !self.failure_waits(offered.session)? {
            return self.release(offered, Release::Drop, line);
        }
        let found = self.drop_line(offered.session, Behind::ALL)?;
        buttons::retire_row(self.tx, offered.row, self.now, Some(line))?;
        self.posted = true;
        Ok(found == OfLine::Done)
    }

    /// Whether a turn has failed that is tried again, by itself or by a press.
    fn failure_waits(&self, session: SessionId) -> Result<bool> {
        Ok(held(self.tx, session)?.is_some_and(|held| {
            held.has_failed && matches!(held.reason, Hold::Paused | Hold::Broken)
        }))
    }

    /// Forgets all that waits for a session, with `line` in the status message of what was to go on; returns whether
    /// anything did.
    fn drop_waiting(&mut self, session: SessionId, line: &str) -> Result<bool> {
        let messages = self.tx.execute(
            "UPDATE inbox SET state = 'dropped' WHERE session = ?1 AND state = 'waiting'",
            [session.0],
        )?;
        let prompts = self.close_queued(session, &Formatted::plain(line))?;
        Ok(messages + prompts > 0)
    }
}
