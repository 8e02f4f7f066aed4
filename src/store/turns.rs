//! Prompts and turns: what the owner of a session reads and writes.

use rusqlite::{OptionalExtension, Row, Transaction};

use super::outbox;
use super::{Durability, Result, Store, place_of};
use crate::chat::{
    BotId, Decision, Lane, Outcome, Place, Post, Prompt, PromptId, SessionId, Spent,
};

/// What waits for a session's owner.
#[derive(Debug, Default, PartialEq)]
pub struct Work {
    /// How many messages wait to become a prompt.
    pub waiting: usize,
    /// What people decided and Claude does not know yet.
    pub decisions: Vec<Decision>,
    /// Prompts that were given and not closed. At a start, these are what the last chappe left in the middle.
    pub open: Vec<Prompt>,
}

/// How a turn is closed.
#[derive(Clone, Debug, PartialEq)]
pub struct Closing {
    pub prompt: PromptId,
    pub outcome: Outcome,
    pub spent: Spent,
    /// What the person gets, each with the key under which it is stored once.
    pub posts: Vec<(String, Post)>,
}

/// How long a prompt that is made of several messages may be, in bytes; what is beyond goes next. The CLI refuses
/// prompts of a few MB.
const PROMPT_MAX: usize = 500_000;

fn prompt_from(row: &Row<'_>) -> Result<Prompt> {
    Ok(Prompt {
        id: PromptId(row.get("id")?),
        uuid: row.get("uuid")?,
        text: row.get("text")?,
        place: place_of(row.get("chat")?, row.get("topic")?),
    })
}

/// Where what comes unasked goes: the place of the session's last prompt.
pub(super) fn last_place(tx: &Transaction<'_>, session: SessionId) -> Result<Option<Place>> {
    tx.prepare_cached("SELECT chat, topic FROM prompt WHERE session = ?1 ORDER BY id DESC LIMIT 1")?
        .query_row([session.0], |row| Ok(place_of(row.get(0)?, row.get(1)?)))
        .optional()
}

impl Store {
    /// Reads what waits for a session.
    pub fn work(&self, session: SessionId) -> Result<Work> {
        self.transaction(Durability::Normal, |tx| {
            let waiting: i64 = tx
                .prepare_cached(
                    "SELECT COUNT(*) FROM inbox WHERE session = ?1 AND state = 'waiting'",
                )?
                .query_row([session.0], |row| row.get(0))?;
            let open = tx
                .prepare_cached(
                    "SELECT * FROM prompt WHERE session = ?1 AND state != 'closed' ORDER BY id",
                )?
                .query_map([session.0], prompt_from)?
                .collect::<Result<_>>()?;
            Ok(Work {
                waiting: waiting as usize,
                decisions: super::requests::decisions(tx, session)?,
                open,
            })
        })
    }

    /// Makes the next prompt of the messages that wait, and marks it as sent; returns it with the number of messages
    /// that wait on. Full: only what is on disk may be written to Claude.
    ///
    /// Messages that wait together become one prompt, in order of arrival, never across places or senders.
    /// One that `stands_alone` (a command of Claude's) is a prompt of its own. `finish_text` makes the final text of
    /// what was written. By which bot a message came does not matter: the present one brings the answer.
    pub fn give_next(
        &self,
        bot: BotId,
        session: SessionId,
        now: i64,
        stands_alone: impl Fn(&str) -> bool,
        finish_text: impl FnOnce(&str) -> String,
    ) -> Result<Option<(Prompt, usize)>> {
        self.transaction(Durability::Full, |tx| {
            let waiting: Vec<(i64, Place, i64, String)> = tx
                .prepare_cached(
                    "SELECT id, chat, topic, user, text FROM inbox
                     WHERE session = ?1 AND state = 'waiting' ORDER BY id",
                )?
                .query_map([session.0], |row| {
                    Ok((row.get(0)?, place_of(row.get(1)?, row.get(2)?), row.get(3)?, row.get(4)?))
                })?
                .collect::<Result<_>>()?;
            let Some(&(_, place, user, _)) = waiting.first() else { return Ok(None) };
            let mut batch = vec![&waiting[0]];
            if !stands_alone(&waiting[0].3) {
                let mut length = waiting[0].3.len();
                let goes_with = |row: &&(i64, Place, i64, String)| {
                    length += row.3.len();
                    let one_voice = row.1 == place && row.2 == user;
                    one_voice && length <= PROMPT_MAX && !stands_alone(&row.3)
                };
                batch.extend(waiting[1..].iter().take_while(goes_with));
            }
            let left = waiting.len() - batch.len();
            let written = batch.iter().map(|row| row.3.as_str()).collect::<Vec<_>>().join("\n");
            let (uuid, text) = (super::fresh_uuid(), finish_text(&written));
            tx.prepare_cached(
                "INSERT INTO prompt (bot, session, uuid, text, chat, topic, user, state, attempts, created)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'sent', 1, ?8)",
            )?
            .execute((bot.0, session.0, &uuid, &text, place.chat.0, super::topic_column(place), user, now))?;
            let prompt = PromptId(tx.last_insert_rowid());
            for row in batch {
                tx.prepare_cached("UPDATE inbox SET state = 'given', prompt = ?2 WHERE id = ?1")?
                    .execute((row.0, prompt.0))?;
            }
            tx.execute("UPDATE session SET active = ?2 WHERE id = ?1", (session.0, now))?;
            Ok(Some((Prompt { id: prompt, uuid, text, place }, left)))
        })
    }

    /// Takes back a prompt that was marked as sent and of which not a byte was written: its messages wait again. Full.
    pub fn take_back(&self, prompt: PromptId) -> Result<()> {
        self.transaction(Durability::Full, |tx| {
            tx.execute(
                "UPDATE inbox SET state = 'waiting', prompt = NULL WHERE prompt = ?1 AND state = 'given'",
                [prompt.0],
            )?;
            tx.execute("DELETE FROM prompt WHERE id = ?1 AND state = 'sent'", [prompt.0]).map(drop)
        })
    }

    /// Claude has taken the prompt. Normal.
    pub fn taken(&self, prompt: PromptId) -> Result<()> {
        self.transaction(Durability::Normal, |tx| {
            tx.execute(
                "UPDATE prompt SET state = 'taken' WHERE id = ?1 AND state = 'sent'",
                [prompt.0],
            )?;
            Ok(())
        })
    }

    /// The uuid of a prompt; None where there is none.
    pub fn prompt_uuid(&self, prompt: PromptId) -> Result<Option<String>> {
        self.transaction(Durability::Normal, |tx| {
            tx.query_row("SELECT uuid FROM prompt WHERE id = ?1", [prompt.0], |row| {
                row.get(0)
            })
            .optional()
        })
    }

    /// A tool that may change something starts in the prompt's turn. Normal.
    pub fn acted(&self, prompt: PromptId, tool: &str, input: &str) -> Result<()> {
        self.transaction(Durability::Normal, |tx| {
            tx.execute(
                "UPDATE prompt SET acted = json_insert(acted, '$[#]', json_object('tool', ?2, 'input', ?3))
                 WHERE id = ?1 AND json_array_length(acted) < 200",
                (prompt.0, tool, input),
            )
            .map(drop)
        })
    }

    /// Closes a turn together with what the person gets of it; a turn that is closed stays as it is. Full.
    pub fn finish(
        &self,
        bot: BotId,
        session: SessionId,
        now: i64,
        closing: &Closing,
    ) -> Result<()> {
        self.transaction(Durability::Full, |tx| {
            let place = tx
                .prepare_cached(
                    "UPDATE prompt SET state = 'closed', outcome = ?2, closed = ?3, cost = ?4, input_tokens = ?5,
                         output_tokens = ?6
                     WHERE id = ?1 AND state != 'closed' RETURNING chat, topic",
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
                    |row| Ok(place_of(row.get(0)?, row.get(1)?)),
                )
                .optional()?;
            // Only a turn that Claude itself has ended proves that there is something to resume.
            let by_claude =
                matches!(closing.outcome, Outcome::Answered | Outcome::Failed | Outcome::TurnLimit);
            // Closed before: it was stored the first time.
            let Some(place) = place else { return Ok(()) };
            tx.execute(
                "UPDATE session SET cost = cost + ?2, active = ?3, said = said OR ?4 WHERE id = ?1",
                (session.0, closing.spent.cost, now, by_claude),
            )?;
            for (key, post) in &closing.posts {
                outbox::insert(tx, bot, place, Some(closing.prompt), Some(key), Lane::Text, post, now)?;
            }
            Ok(())
        })
    }

    /// Stores what comes from a session without having been asked for, for the place of its last prompt; nothing where
    /// there was none. Full.
    pub fn unasked(
        &self,
        bot: BotId,
        session: SessionId,
        now: i64,
        spent: Spent,
        posts: &[(String, Post)],
    ) -> Result<()> {
        self.transaction(Durability::Full, |tx| {
            tx.execute(
                "UPDATE session SET cost = cost + ?2 WHERE id = ?1",
                (session.0, spent.cost),
            )?;
            let Some(place) = last_place(tx, session)? else {
                return Ok(());
            };
            for (key, post) in posts {
                outbox::insert(tx, bot, place, None, Some(key), Lane::Text, post, now)?;
            }
            Ok(())
        })
    }

    /// Tells whoever waits for a session something (that Claude cannot be started, say): the place of the oldest
    /// waiting message, else of the last prompt. Normal: it is said again if the cause is still there.
    pub fn tell(&self, bot: BotId, session: SessionId, now: i64, post: &Post) -> Result<()> {
        self.transaction(Durability::Normal, |tx| {
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
