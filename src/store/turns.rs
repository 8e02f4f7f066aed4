//! Prompts and turns: what the owner of a session reads and writes.

use std::time::Duration;

use rusqlite::{OptionalExtension, Row, Transaction};

use super::elsewhere::Since;
use super::holds::{self, Held, Holding};
use super::sessions::chosen_from;
use super::{Result, Step, Store, buttons, outbox, place_of, stops};
use crate::chat::{
    BotId, Choice, Chosen, Decision, Lane, Moving, Notice, Outcome, Place, Post, Prompt, PromptId,
    RowId, SessionId, Spent, UserId, Waiting,
};

/// What waits for a session's owner.
#[derive(Debug, Default, PartialEq)]
pub struct Work {
    /// How many messages wait to become a prompt, and prompts of chappe's own to be given.
    pub waiting: usize,
    /// How many of the messages are for the turn that runs.
    pub to_steer: usize,
    /// Why nothing of it is given.
    pub held: Option<Held>,
    /// Whether a person has said stop, and it was not carried out yet.
    pub stop: bool,
    /// What people decided and Claude does not know yet.
    pub decisions: Vec<Decision>,
    /// Prompts that were given and not closed. At a start, these are what the last chappe left in the middle.
    pub open: Vec<Prompt>,
    /// What was chosen for its process.
    pub chosen: Chosen,
    /// What is to become of the whole session.
    pub moving: Option<Moving>,
}

/// How a turn is closed.
#[derive(Clone, Debug)]
pub struct Closing {
    pub prompt: PromptId,
    /// What was put into its turn, and is closed with it.
    pub steered: Vec<PromptId>,
    pub outcome: Outcome,
    /// Whether Claude itself has said that the turn is over, and so has it in its conversation.
    pub by_claude: bool,
    pub spent: Spent,
    /// What Claude said, as it wrote it; empty for nothing.
    pub said: String,
    /// What the person gets, each with the key under which it is stored once.
    pub posts: Vec<(String, Post)>,
    /// Messages with buttons, behind them.
    pub offers: Vec<Notice>,
    /// Whether what waits is held because of it.
    pub hold: Option<Holding>,
    /// What is said of a text that was put into a turn which was stopped, where nobody knows whether Claude has read it.
    pub unread: fn(&str) -> Post,
}

/// What Claude says before its answer, or without having been asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Aside {
    /// What the person gets, each with the key under which it is stored once.
    pub posts: Vec<(String, Post)>,
    /// The same as Claude wrote it; empty for nothing.
    pub said: String,
}

/// Stores what Claude says aside for a place, and notes it, once.
pub(super) fn say_aside(
    tx: &Transaction<'_>,
    (bot, session, now): (BotId, SessionId, i64),
    place: Place,
    prompt: Option<PromptId>,
    aside: &Aside,
) -> Result<()> {
    let is_known = match aside.posts.first() {
        Some((key, _)) => tx
            .prepare_cached("SELECT 1 FROM outbox WHERE key = ?1")?
            .exists([key])?,
        None => false,
    };
    if !is_known {
        super::log::note(tx, session, now, "claude", &aside.said)?;
    }
    for (key, post) in &aside.posts {
        outbox::insert(tx, bot, place, prompt, Some(key), Lane::Text, post, now)?;
    }
    Ok(())
}

/// What the next prompt is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing waits, or nothing of it may be given.
    Nothing,
    /// More may belong to what waits: look again after so long.
    NotYet { wait: Duration, waiting: usize },
    /// Something was chosen for the session that the asker does not know of.
    Changed,
    /// It is marked as sent. So much waits on.
    Given { prompt: Prompt, waiting: usize },
}

/// How many messages at the head of the line are looked at.
const HEAD_MAX: usize = 100;

fn prompt_from(row: &Row<'_>) -> Result<Prompt> {
    Ok(Prompt {
        id: PromptId(row.get("id")?),
        uuid: row.get("uuid")?,
        text: row.get("text")?,
        place: place_of(row.get("chat")?, row.get("topic")?),
        attempts: row.get("attempts")?,
        tries: row.get("tries")?,
        is_command: row.get("command")?,
        steered: row.get::<_, Option<i64>>("steered")?.map(PromptId),
    })
}

/// The messages at the head of the line, with their rows.
fn head_of_line(
    tx: &Transaction<'_>,
    session: SessionId,
    to_steer: bool,
) -> Result<Vec<(i64, Waiting)>> {
    tx.prepare_cached(
        "SELECT id, chat, topic, user, text, origin, arrived, rank, callback IS NOT NULL FROM inbox
         WHERE session = ?1 AND state = 'waiting' AND steer >= ?3 ORDER BY rank, id LIMIT ?2",
    )?
    .query_map((session.0, HEAD_MAX as i64, to_steer), |row| {
        let waiting = Waiting {
            place: place_of(row.get(1)?, row.get(2)?),
            user: UserId(row.get(3)?),
            text: row.get(4)?,
            origin: row.get(5)?,
            arrived: row.get(6)?,
            rank: row.get(7)?,
            is_pressed: row.get(8)?,
        };
        Ok((row.get(0)?, waiting))
    })?
    .collect()
}

/// How many messages wait to be put into the turn that runs.
fn to_steer(tx: &Transaction<'_>, session: SessionId) -> Result<usize> {
    tx.prepare_cached(
        "SELECT COUNT(*) FROM inbox WHERE session = ?1 AND state = 'waiting' AND steer > 0",
    )?
    .query_row([session.0], |row| row.get::<_, i64>(0))
    .map(|count| count as usize)
}

/// A prompt that is made of messages.
struct New<'a> {
    bot: BotId,
    session: SessionId,
    now: i64,
    place: Place,
    user: UserId,
    text: &'a str,
    is_command: bool,
    steered: Option<PromptId>,
}

/// Stores a prompt that is about to be written, made of these messages.
fn give(tx: &Transaction<'_>, new: &New<'_>, messages: &[(i64, Waiting)]) -> Result<Prompt> {
    let (session, now) = (new.session, new.now);
    let prompt = tx
        .prepare_cached(
            "INSERT INTO prompt (bot, session, uuid, text, chat, topic, user, state, attempts, created, command,
                 steered)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'sent', 1, ?8, ?9, ?10) RETURNING *",
        )?
        .query_row(
            (
                new.bot.0,
                session.0,
                super::fresh_uuid(),
                new.text,
                new.place.chat.0,
                super::topic_column(new.place),
                new.user.0,
                now,
                new.is_command,
                new.steered.map(|into| into.0),
            ),
            prompt_from,
        )?;
    super::log::note_prompt(tx, session, now, (prompt.id, new.text))?;
    for (row, _) in messages {
        tx.prepare_cached(
            "UPDATE inbox SET state = 'given', prompt = ?2, steer = 0 WHERE id = ?1",
        )?
        .execute((row, prompt.id.0))?;
    }
    tx.execute(
        "UPDATE session SET active = ?2 WHERE id = ?1",
        (session.0, now),
    )?;
    super::buttons::line_has_moved(tx, session, now)?;
    Ok(prompt)
}

/// What came from elsewhere was to be put into a turn that is over. Into this one it does not go of itself: its answer
/// would be sent to this place.
fn stays_behind(tx: &Transaction<'_>, session: SessionId, place: Place) -> Result<()> {
    tx.prepare_cached(
        "UPDATE inbox SET steer = 0 WHERE session = ?1 AND state = 'waiting' AND steer > 0
         AND (chat, topic) != (?2, ?3)",
    )?
    .execute((session.0, place.chat.0, super::topic_column(place)))
    .map(drop)
}

/// Closes what was put into a turn, together with that. Returns what was not known to be taken, with its place.
fn close_steered(
    tx: &Transaction<'_>,
    steered: &[PromptId],
    outcome: Outcome,
    now: i64,
) -> Result<Vec<(PromptId, Place, String)>> {
    let mut unread = Vec::new();
    for prompt in steered {
        let found = tx
            .prepare_cached(
                "SELECT chat, topic, text FROM prompt WHERE id = ?1 AND state = 'sent'",
            )?
            .query_row([prompt.0], |row| {
                let place = place_of(row.get(0)?, row.get(1)?);
                Ok((*prompt, place, row.get(2)?))
            })
            .optional()?;
        unread.extend(found);
        tx.prepare_cached(
            "UPDATE prompt SET state = 'closed', outcome = ?2, closed = ?3
             WHERE id = ?1 AND state IN ('sent', 'taken')",
        )?
        .execute((prompt.0, outcome.as_str(), now))?;
    }
    Ok(unread)
}

/// Where what comes unasked goes: the place of the session's last prompt. Where none was given yet, that of what was
/// written for it last: a conversation that was taken up may go on by itself before that is given. Where that was long ago,
/// one that talks to it.
pub(super) fn last_place(tx: &Transaction<'_>, session: SessionId) -> Result<Option<Place>> {
    let of_all = [
        "SELECT chat, topic FROM prompt WHERE session = ?1 ORDER BY id DESC LIMIT 1",
        "SELECT chat, topic FROM inbox WHERE session = ?1 ORDER BY id DESC LIMIT 1",
        "SELECT chat, topic FROM binding WHERE session = ?1 ORDER BY chat DESC, topic LIMIT 1",
    ];
    for query in of_all {
        let place = tx
            .prepare_cached(query)?
            .query_row([session.0], |row| Ok(place_of(row.get(0)?, row.get(1)?)))
            .optional()?;
        if place.is_some() {
            return Ok(place);
        }
    }
    Ok(None)
}

/// The prompt that shows how it stands with a turn now: the last of those that go on with it, or itself.
pub(super) fn last_of(tx: &Transaction<'_>, prompt: PromptId) -> Result<PromptId> {
    tx.prepare_cached(
        "WITH RECURSIVE turn (id, session) AS (
             SELECT id, session FROM prompt WHERE id = ?1
             UNION ALL SELECT prompt.id, prompt.session FROM turn JOIN prompt
                 ON prompt.session = turn.session AND prompt.id > turn.id AND prompt.continues = turn.id)
         SELECT COALESCE(MAX(id), ?1) FROM turn",
    )?
    .query_row([prompt.0], |row| row.get(0).map(PromptId))
}

/// How often something was chosen for a session; None where it is gone.
fn revision_of(tx: &Transaction<'_>, session: SessionId) -> Result<Option<i64>> {
    tx.prepare_cached("SELECT revision FROM session WHERE id = ?1")?
        .query_row([session.0], |row| row.get(0))
        .optional()
}

/// Whether somebody has said stop, and the session's owner has not carried it out yet. What was written after that must
/// not be begun before it: it would be stopped.
fn is_to_stop(tx: &Transaction<'_>, session: SessionId) -> Result<bool> {
    tx.prepare_cached("SELECT 1 FROM session WHERE id = ?1 AND stop != 0")?
        .exists([session.0])
}

/// The same of the session that a prompt is of.
fn is_to_stop_with(tx: &Transaction<'_>, prompt: PromptId) -> Result<bool> {
    tx.prepare_cached(
        "SELECT 1 FROM prompt JOIN session ON session.id = prompt.session WHERE prompt.id = ?1 AND stop != 0",
    )?
    .exists([prompt.0])
}

/// Claude has taken a prompt, and with that something is in the conversation, unless it was one of its own commands.
fn take(tx: &Transaction<'_>, prompt: PromptId) -> Result<()> {
    tx.prepare_cached("UPDATE prompt SET state = 'taken' WHERE id = ?1 AND state = 'sent'")?
        .execute([prompt.0])?;
    tx.prepare_cached(
        "UPDATE session SET heard = 1
         WHERE heard = 0 AND id = (SELECT session FROM prompt WHERE id = ?1 AND command = 0)",
    )?
    .execute([prompt.0])
    .map(drop)
}

impl Store {
    /// Reads what waits for a session.
    pub fn work(&self, session: SessionId) -> Result<Work> {
        self.read(|tx| {
            let open = tx
                .prepare_cached(
                    "SELECT * FROM prompt WHERE session = ?1 AND state IN ('sent', 'taken') AND state != 'closed' ORDER BY id",
                )?
                .query_map([session.0], prompt_from)?
                .collect::<Result<_>>()?;
            let of_session = tx
                .prepare_cached("SELECT stop, revision, generation, model, mode, idle FROM session WHERE id = ?1")?
                .query_row([session.0], |row| Ok((row.get("stop")?, chosen_from(row)?)))
                .optional()?;
            let (stop, chosen) = of_session.unwrap_or_default();
            let held = holds::held(tx, session)?;
            Ok(Work {
                waiting: holds::waiting(tx, session)?,
                to_steer: to_steer(tx, session)?,
                held,
                stop,
                chosen,
                moving: super::moving::to_do(tx, session, held)?,
                decisions: super::requests::decisions(tx, session)?,
                open,
            })
        })
    }

    /// Makes the next prompt of what waits, and marks it as sent; what chappe has queued itself goes first, but for what a
    /// person has written since that goes before it. A correction does not: it is of what is queued, or of what came before.
    /// Full: only what is on disk may be written to Claude.
    ///
    /// `choose` is shown the messages at the head of the line and says which of them go together; it is not asked while
    /// the session is held. By which bot a message came does not matter: the present one brings the answer. Nothing is
    /// given where something was chosen for the session since it had this revision.
    pub fn give_next(
        &self,
        bot: BotId,
        session: SessionId,
        now: i64,
        revision: i64,
        choose: impl FnOnce(&[Waiting]) -> Choice,
    ) -> Result<Next> {
        self.write(Step::Give, |tx| {
            if holds::held(tx, session)?.is_some() {
                return Ok(Next::Nothing);
            }
            // A process that still has what is over is given nothing more.
            super::grants::expire(tx, now)?;
            match revision_of(tx, session)? {
                None => return Ok(Next::Nothing),
                Some(chosen) if chosen != revision => return Ok(Next::Changed),
                Some(_) if is_to_stop(tx, session)? => return Ok(Next::Changed),
                Some(_) => {}
            }
            let queued = tx
                .prepare_cached(
                    "UPDATE prompt SET state = 'sent', attempts = attempts + 1, bot = ?2 WHERE id = (
                         SELECT MIN(id) FROM prompt WHERE session = ?1 AND state = 'queued' AND state != 'closed'
                         AND NOT coalesce((SELECT rank < 0 AND callback IS NULL FROM inbox
                             WHERE session = ?1 AND state = 'waiting' ORDER BY rank, id LIMIT 1), 0))
                     RETURNING *",
                )?
                .query_row((session.0, bot.0), prompt_from)
                .optional()?;
            if let Some(prompt) = queued {
                stays_behind(tx, session, prompt.place)?;
                let waiting = holds::waiting(tx, session)?;
                return Ok(Next::Given { prompt, waiting });
            }
            let head = head_of_line(tx, session, false)?;
            let Some((_, first)) = head.first() else {
                return Ok(Next::Nothing);
            };
            let (place, user) = (first.place, first.user);
            let shown: Vec<Waiting> = head.iter().map(|(_, waiting)| waiting.clone()).collect();
            let waiting = holds::waiting(tx, session)?;
            let (count, text, is_command) = match choose(&shown) {
                Choice::NotYet(wait) => return Ok(Next::NotYet { wait, waiting }),
                Choice::Give {
                    count,
                    text,
                    is_command,
                } => (count.clamp(1, head.len()), text, is_command),
            };
            let new = New {
                bot,
                session,
                now,
                place,
                user,
                text: &text,
                is_command,
                steered: None,
            };
            let prompt = give(tx, &new, &head[..count])?;
            stays_behind(tx, session, place)?;
            let waiting = waiting - count;
            Ok(Next::Given { prompt, waiting })
        })
    }

    /// Makes a prompt of what is to be put into the turn of `into`, and marks it as sent. Full: only what is on disk may be
    /// written to Claude.
    ///
    /// `choose` is shown the messages that are for it. Where something was chosen since this revision, or something is over
    /// that was allowed for a time, they wait for a process that is like that; and where somebody has said stop, for its
    /// end. One of Claude's own commands is never put into a turn: it waits for
    /// its own, and what is behind it with it.
    pub fn steer(
        &self,
        bot: BotId,
        session: SessionId,
        into: PromptId,
        revision: i64,
        now: i64,
        choose: impl FnOnce(&[Waiting]) -> Choice,
    ) -> Result<Next> {
        self.write(Step::Steer, |tx| {
            let is_open = tx
                .prepare_cached(
                    "SELECT 1 FROM prompt WHERE id = ?1 AND state IN ('sent', 'taken')",
                )?
                .exists([into.0])?;
            if !is_open || holds::held(tx, session)?.is_some() {
                return Ok(Next::Nothing);
            }
            super::grants::expire(tx, now)?;
            if revision_of(tx, session)? != Some(revision) || is_to_stop(tx, session)? {
                return Ok(Next::Changed);
            }
            let head = head_of_line(tx, session, true)?;
            let Some((first_row, first)) = head.first() else {
                return Ok(Next::Nothing);
            };
            let (place, user) = (first.place, first.user);
            let shown: Vec<Waiting> = head.iter().map(|(_, waiting)| waiting.clone()).collect();
            let waiting = holds::waiting(tx, session)?;
            let (count, text) = match choose(&shown) {
                Choice::NotYet(wait) => return Ok(Next::NotYet { wait, waiting }),
                Choice::Give {
                    is_command: true, ..
                } => {
                    tx.execute(
                        "UPDATE inbox SET steer = 0 WHERE session = ?1 AND state = 'waiting'
                         AND (rank, id) >= (SELECT rank, id FROM inbox WHERE id = ?2)",
                        (session.0, first_row),
                    )?;
                    return Ok(Next::Nothing);
                }
                Choice::Give { count, text, .. } => (count.clamp(1, head.len()), text),
            };
            let new = New {
                bot,
                session,
                now,
                place,
                user,
                text: &text,
                is_command: false,
                steered: Some(into),
            };
            let prompt = give(tx, &new, &head[..count])?;
            let waiting = waiting - count;
            Ok(Next::Given { prompt, waiting })
        })
    }

    /// Marks a prompt that was cut off as sent once more, with its uuid; None where it is closed. Full.
    pub fn give_again(&self, prompt: PromptId) -> Result<Option<Prompt>> {
        self.write(Step::GiveAgain, |tx| {
            tx.prepare_cached(
                "UPDATE prompt SET state = 'sent', attempts = attempts + 1 WHERE id = ?1 AND state IN ('sent', 'taken')
                 RETURNING *",
            )?
            .query_row([prompt.0], prompt_from)
            .optional()
        })
    }

    /// Closes a prompt that was cut off and queues one that goes on with it. Full.
    /// So is what was put into its turn.
    pub fn continue_as(
        &self,
        prompt: PromptId,
        text: &str,
        steered: &[PromptId],
        now: i64,
    ) -> Result<()> {
        self.write(Step::Continue, |tx| {
            // Stopped meanwhile: it stays open, so that the stop finds it.
            if is_to_stop_with(tx, prompt)? {
                return Ok(());
            }
            close_steered(tx, steered, Outcome::Continued, now)?;
            let closed = tx.execute(
                "UPDATE prompt SET state = 'closed', outcome = ?2, closed = ?3 WHERE id = ?1 AND state IN ('sent', 'taken')",
                (prompt.0, Outcome::Continued.as_str(), now),
            )?;
            if closed > 0 {
                holds::queue_after(tx, prompt, text, now, None, false)?;
            }
            Ok(())
        })
    }

    /// chappe ends in good order before a turn does: that it was written once more then is no failure of the prompt.
    /// What is said of it is shown in place of its status. Normal.
    pub fn left(&self, bot: BotId, prompt: &Prompt, now: i64, said: &Post) -> Result<()> {
        self.write(Step::Left, |tx| {
            let since = Since::now(tx)?;
            tx.execute(
                "UPDATE prompt SET attempts = MAX(attempts - 1, 0) WHERE id = ?1 AND state IN ('sent', 'taken')",
                [prompt.id.0],
            )?;
            outbox::insert(tx, bot, prompt.place, Some(prompt.id), None, Lane::Text, said, now)?;
            let session = tx
                .query_row("SELECT session FROM prompt WHERE id = ?1", [prompt.id.0], |row| row.get(0))
                .optional()?;
            match session {
                Some(session) => since.mark(tx, SessionId(session), now, self.marks.as_ref(), false),
                None => Ok(()),
            }
        })
    }

    /// Takes back a prompt that was marked as sent and of which not a byte was written: its messages wait again, or it
    /// does, where chappe itself had queued it. One that somebody has stopped meanwhile stays open, so that the stop finds
    /// it. `correction` is how a message begins that was to correct one. Full.
    pub fn take_back(&self, prompt: PromptId, now: i64, correction: &str) -> Result<()> {
        self.write(Step::TakeBack, |tx| {
            let of: Option<(SessionId, bool)> = tx
                .prepare_cached("SELECT session, steered IS NOT NULL FROM prompt WHERE id = ?1")?
                .query_row([prompt.0], |row| Ok((SessionId(row.get(0)?), row.get(1)?)))
                .optional()?;
            let Some((session, is_steered)) = of else {
                return Ok(());
            };
            // What was put into a turn was held by whoever said stop, for when it comes back.
            if !is_steered && is_to_stop(tx, session)? {
                return Ok(());
            }
            let queued = tx.execute(
                "UPDATE prompt SET state = 'queued', attempts = MAX(attempts - 1, 0)
                 WHERE id = ?1 AND state = 'sent' AND continues IS NOT NULL",
                [prompt.0],
            )?;
            if queued > 0 {
                return Ok(());
            }
            // One that was written before has left traces: it stays open, and is decided about as such.
            let was_written: bool = tx
                .prepare_cached(
                    "SELECT 1 FROM prompt WHERE id = ?1 AND (attempts > 1
                         OR EXISTS (SELECT 1 FROM request WHERE request.prompt = prompt.id))",
                )?
                .exists([prompt.0])?;
            if was_written {
                return Ok(());
            }
            let come_back: Vec<String> = tx
                .prepare_cached(
                    "UPDATE inbox SET state = 'waiting', prompt = NULL WHERE prompt = ?1 AND state = 'given'
                     AND prompt IN (SELECT id FROM prompt WHERE state = 'sent') RETURNING text",
                )?
                .query_map([prompt.0], |row| row.get(0))?
                .collect::<Result<_>>()?;
            for text in &come_back {
                buttons::is_no_correction(tx, session, text, correction, now)?;
            }
            if !come_back.is_empty() {
                buttons::line_has_moved(tx, session, now)?;
            }
            super::log::take_back(tx, prompt)?;
            tx.execute("DELETE FROM prompt WHERE id = ?1 AND state = 'sent'", [prompt.0]).map(drop)
        })
    }

    /// Claude has taken the prompt. Normal.
    pub fn taken(&self, prompt: PromptId) -> Result<()> {
        self.write(Step::Taken, |tx| {
            take(tx, prompt)?;
            Ok(())
        })
    }

    /// Claude has taken the first prompt in the turn of the second. What it said there before goes out with it. Where the
    /// prompt came from another place, `elsewhere` is said there: no answer follows. Normal.
    pub fn taken_in(
        &self,
        bot: BotId,
        session: SessionId,
        now: i64,
        (prompt, into): (PromptId, PromptId),
        before: &Aside,
        elsewhere: &Post,
    ) -> Result<()> {
        self.write_from(Step::Taken, session, now, false, |tx| {
            take(tx, prompt)?;
            let place_and_uuid = |prompt: PromptId| {
                tx.query_row(
                    "SELECT chat, topic, uuid FROM prompt WHERE id = ?1",
                    [prompt.0],
                    |row| Ok((place_of(row.get(0)?, row.get(1)?), row.get::<_, String>(2)?)),
                )
                .optional()
            };
            let Some((place, _)) = place_and_uuid(into)? else {
                return Ok(());
            };
            if let Some((from, uuid)) = place_and_uuid(prompt)?
                && from != place
            {
                let key = format!("went-in/{uuid}");
                outbox::insert(
                    tx,
                    bot,
                    from,
                    Some(prompt),
                    Some(&key),
                    Lane::Text,
                    elsewhere,
                    now,
                )?;
            }
            say_aside(tx, (bot, session, now), place, Some(into), before)
        })
    }

    /// The uuid of a prompt; None where there is none.
    pub fn prompt_uuid(&self, prompt: PromptId) -> Result<Option<String>> {
        self.read(|tx| {
            tx.query_row("SELECT uuid FROM prompt WHERE id = ?1", [prompt.0], |row| {
                row.get(0)
            })
            .optional()
        })
    }

    /// A tool that may change something starts in the prompt's turn. Normal.
    pub fn acted(&self, prompt: PromptId, tool: &str, input: &str) -> Result<()> {
        self.write(Step::Acted, |tx| {
            tx.execute(
                "UPDATE prompt SET acted = json_insert(acted, '$[#]', json_object('tool', ?2, 'input', ?3))
                 WHERE id = ?1 AND json_array_length(acted) < 200",
                (prompt.0, tool, input),
            )
            .map(drop)
        })
    }

    /// Tools that were seen to start in the prompt's turn and may have changed something: name and short input.
    pub fn seen_to_start(&self, prompt: PromptId) -> Result<Vec<(String, String)>> {
        self.read(|tx| {
            tx.prepare_cached(
                "SELECT json_extract(value, '$.tool'), json_extract(value, '$.input')
                 FROM json_each((SELECT acted FROM prompt WHERE id = ?1))",
            )?
            .query_map([prompt.0], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect()
        })
    }

    /// Closes a turn together with what the person gets of it; a turn that is closed stays as it is. Full.
    ///
    /// What was ended silently since the last answer is told with this one, by the words of `swept`.
    ///
    /// Where the closing holds the session, `notice` makes what is said of that, by the number of messages that wait.
    pub fn finish(
        &self,
        bot: BotId,
        session: SessionId,
        now: i64,
        closing: &Closing,
        notice: impl Fn(usize) -> Notice,
        swept: impl Fn(&[String]) -> Post,
    ) -> Result<()> {
        self.write_from(Step::Finish, session, now, true, |tx| {
            // It was put into a turn that did not take it, and is stopped after that.
            let unread: Option<String> = tx
                .prepare_cached("SELECT text FROM prompt WHERE id = ?1 AND state = 'sent' AND steered IS NOT NULL AND ?2")?
                .query_row((closing.prompt.0, closing.outcome == Outcome::Stopped), |row| row.get(0))
                .optional()?;
            let closed = tx
                .prepare_cached(
                    "UPDATE prompt SET state = 'closed', outcome = ?2, closed = ?3, cost = ?4, input_tokens = ?5,
                         output_tokens = ?6
                     WHERE id = ?1 AND state IN ('sent', 'taken') RETURNING chat, topic, notice, command",
                )?
                .query_row(
                    (
                        closing.prompt.0,
                        closing.outcome.as_str(),
                        now,
                        closing.spent.cost,
                        closing.spent.input_tokens as i64,
                        closing.spent.output_tokens as i64,
                    ),
                    |row| {
                        let place = place_of(row.get(0)?, row.get(1)?);
                        Ok((place, row.get::<_, Option<i64>>(2)?, row.get::<_, bool>(3)?))
                    },
                )
                .optional()?;
            // Closed before: it was stored the first time.
            let Some((place, told, is_command)) = closed else { return Ok(()) };
            let steered = close_steered(tx, &closing.steered, closing.outcome, now)?;
            if closing.outcome == Outcome::Stopped {
                for (prompt, place, text) in steered {
                    let post = (closing.unread)(&text);
                    outbox::insert(tx, bot, place, Some(prompt), None, Lane::Text, &post, now)?;
                }
            }
            // Only a turn that Claude itself has ended proves that there is something to resume; one of its own commands
            // proves nothing: after /clear there is nothing.
            let by_claude = !is_command && closing.by_claude;
            tx.execute(
                "UPDATE session SET cost = cost + ?2, active = ?3, said = said OR ?4, heard = heard OR ?4 WHERE id = ?1",
                (session.0, closing.spent.cost, now, by_claude),
            )?;
            super::log::note(tx, session, now, "claude", &closing.said)?;
            for (key, post) in &closing.posts {
                outbox::insert(tx, bot, place, Some(closing.prompt), Some(key), Lane::Text, post, now)?;
            }
            if let Some(text) = &unread {
                let post = (closing.unread)(text);
                outbox::insert(tx, bot, place, Some(closing.prompt), None, Lane::Text, &post, now)?;
            }
            let ended: String = tx
                .prepare_cached("SELECT swept FROM session WHERE id = ?1")?
                .query_row([session.0], |row| row.get(0))?;
            if let Ok(ended) = serde_json::from_str::<Vec<String>>(&ended)
                && !ended.is_empty()
            {
                tx.execute("UPDATE session SET swept = '[]' WHERE id = ?1", [session.0])?;
                outbox::insert(tx, bot, place, Some(closing.prompt), None, Lane::Text, &swept(&ended), now)?;
            }
            for offered in &closing.offers {
                buttons::post_notice(tx, bot, session, now, place, offered)?;
            }
            if closing.outcome == Outcome::Stopped {
                let prompt = Some(closing.prompt);
                return stops::stop_is_over(tx, bot, session, now, prompt, &notice).map(drop);
            }
            let Some(holding) = &closing.hold else { return Ok(()) };
            // Whoever has said stop does not want it to be tried again, and what came after that is not to wait for it.
            if is_to_stop(tx, session)? {
                return Ok(());
            }
            if holds::held(tx, session)?.is_some() {
                // Whoever said stop meanwhile holds it, or this was put into a turn that has failed without it.
                let retry = holding.retry.as_deref();
                return retry.map_or(Ok(()), |retry| holds::add(tx, session, retry));
            }
            tx.execute("UPDATE prompt SET tries = tries + 1 WHERE id = ?1", [closing.prompt.0])?;
            holds::hold(tx, session, now, Some(closing.prompt), holding)?;
            let notice = notice(holds::waiting(tx, session)?);
            holds::tell(tx, bot, session, now, place, &notice, told.map(RowId))
        })
    }

    /// Stores what comes from a session without having been asked for, for where what comes unasked goes; nothing
    /// where nothing talks to it. Full.
    pub fn unasked(
        &self,
        bot: BotId,
        session: SessionId,
        now: i64,
        spent: Spent,
        aside: &Aside,
    ) -> Result<()> {
        self.write_from(Step::Unasked, session, now, true, |tx| {
            tx.execute(
                "UPDATE session SET cost = cost + ?2 WHERE id = ?1",
                (session.0, spent.cost),
            )?;
            let Some(place) = last_place(tx, session)? else {
                return Ok(());
            };
            say_aside(tx, (bot, session, now), place, None, aside)
        })
    }

    /// Tells whoever waits for a session something (that Claude cannot be started, say): the place of the oldest
    /// waiting message, else of the last prompt. Normal: it is said again if the cause is still there.
    pub fn tell(&self, bot: BotId, session: SessionId, now: i64, post: &Post) -> Result<()> {
        self.write_from(Step::Tell, session, now, false, |tx| {
            let waiting = tx
                .prepare_cached(
                    "SELECT chat, topic FROM inbox WHERE session = ?1 AND state = 'waiting' ORDER BY id LIMIT 1",
                )?
                .query_row([session.0], |row| Ok(place_of(row.get(0)?, row.get(1)?)))
                .optional()?;
            let place = match waiting {
                Some(place) => Some(place),
                None => last_place(tx, session)?,
            };
            let Some(place) = place else { return Ok(()) };
            outbox::insert(tx, bot, place, None, None, Lane::Text, post, now).map(drop)
        })
    }
}
