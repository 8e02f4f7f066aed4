//! Whether what asks a person still stands in its chat. A message that is gone, with its topic or by itself, asks nobody,
//! and nobody tells the bot.
//!
//! So the message is changed to what it shows already. Telegram refuses that as such, or because there is no such message;
//! then the courier sends it once more. What is asked, and who decides, is none of this.

use rusqlite::{OptionalExtension, Transaction};

use super::{Intake, Result, Step, Store, outbox, place_of};
use crate::chat::{BotId, ChatId, Lane, Post, RowId, SessionId, Target};

/// How long after it was asked an open request is looked after for the first time, in seconds; then each time when twice
/// as much has passed. One that waits for a month is looked after fourteen times.
const LOOK_FIRST: i64 = 300;

/// How the key begins of an edit that only looks whether its message is there. The request's token follows.
const LOOK: &str = "stands/";

/// How long a group takes nothing before what is asked there is seen by nobody, in seconds. Who has thrown the bot out by
/// mistake has brought it back by then, and any word or press in the group begins anew.
const UNSEEN_AFTER: i64 = 24 * 3600;

/// Whether a row only looks whether a message is there.
pub(super) fn is_look(tx: &Transaction<'_>, row: RowId) -> Result<bool> {
    let key: Option<Option<String>> = tx
        .prepare_cached("SELECT key FROM outbox WHERE id = ?1")?
        .query_row([row.0], |row| row.get(0))
        .optional()?;
    Ok(key.flatten().is_some_and(|key| key.starts_with(LOOK)))
}

/// The open requests of a bot that a person has seen and that nobody looks after just now: token, row, and when they were
/// asked.
fn open(
    tx: &Transaction<'_>,
    bot: BotId,
    chat: Option<ChatId>,
) -> Result<Vec<(String, RowId, i64)>> {
    tx.prepare_cached(
        "SELECT request.token, outbox.id, request.created FROM request JOIN outbox ON outbox.id = request.row
         WHERE request.bot = ?1 AND request.state = 'open' AND outbox.state = 'delivered'
           AND outbox.message IS NOT NULL AND (?2 IS NULL OR outbox.chat = ?2)
           AND NOT EXISTS (SELECT 1 FROM outbox look WHERE look.state IN ('waiting', 'sending')
               AND look.key >= 'stands/' || request.token || '/' AND look.key < 'stands/' || request.token || '0')",
    )?
    .query_map((bot.0, chat.map(|chat| chat.0)), |row| {
        Ok((row.get(0)?, RowId(row.get(1)?), row.get(2)?))
    })?
    .collect()
}

/// Looks whether the message of a row is there; once for each key.
fn look(tx: &Transaction<'_>, bot: BotId, row: RowId, key: &str, now: i64) -> Result<()> {
    let (place, json) = tx.query_row(
        "SELECT chat, topic, post FROM outbox WHERE id = ?1",
        [row.0],
        |row| Ok((place_of(row.get(0)?, row.get(1)?), row.get::<_, String>(2)?)),
    )?;
    // What does not stand there as a message cannot be changed as one.
    let Ok(Post::Message { body, buttons, .. }) = serde_json::from_str(&json) else {
        return Ok(());
    };
    let same = Post::Edit {
        target: Target::Row(row),
        body,
        buttons,
    };
    outbox::insert(tx, bot, place, None, Some(key), Lane::Text, &same, now).map(drop)
}

/// By which key an open request is looked after now; None where it is too early for the first time. Numbers of requests are
/// given again, and tokens are not.
fn key(token: &str, asked: i64, now: i64) -> Option<String> {
    let time = (now.saturating_sub(asked) / LOOK_FIRST).checked_ilog2()?;
    Some(format!("{LOOK}{token}/{time}"))
}

impl Intake<'_> {
    /// Looks whether all open requests still stand, or those of one chat.
    pub fn look_after_requests(&mut self, chat: Option<ChatId>) -> Result<()> {
        for (token, row, _) in open(self.tx, self.bot, chat)? {
            let key = format!("{LOOK}{token}/at/{}", self.now);
            look(self.tx, self.bot, row, &key, self.now)?;
            self.posted = true;
        }
        Ok(())
    }
}

impl Store {
    /// Looks whether the open requests still stand for which it is time. Returns whether anything is to be sent. Normal.
    pub fn look_after_requests(&self, bot: BotId, now: i64) -> Result<bool> {
        let is_due = |tx: &Transaction<'_>, key: &str| -> Result<bool> {
            let known = tx
                .prepare_cached("SELECT 1 FROM outbox WHERE key = ?1")?
                .exists([key])?;
            Ok(!known)
        };
        let due = self.read(|tx| {
            let mut due = Vec::new();
            for (token, row, asked) in open(tx, bot, None)? {
                if let Some(key) = key(&token, asked, now)
                    && is_due(tx, &key)?
                {
                    due.push((row, key));
                }
            }
            Ok(due)
        })?;
        if due.is_empty() {
            return Ok(false);
        }
        self.write(Step::LookAfter, |tx| {
            for (row, key) in &due {
                look(tx, bot, *row, key, now)?;
            }
            Ok(true)
        })
    }

    /// The open requests that stand, or wait to be shown, in groups that have taken nothing for a day: session, and Claude's
    /// name for each. A person who has blocked the bot may take that back, and is told by nobody else; a group goes on
    /// without it.
    pub fn unseen_requests(&self, bot: BotId, now: i64) -> Result<Vec<(SessionId, String)>> {
        self.read(|tx| {
            tx.prepare_cached(
                "SELECT request.session, request.claude FROM request JOIN outbox ON outbox.id = request.row
                 JOIN closed_chat ON closed_chat.bot = outbox.bot AND closed_chat.chat = outbox.chat
                 WHERE request.bot = ?1 AND request.state = 'open' AND outbox.chat < 0 AND closed_chat.since <= ?2
                 ORDER BY request.id",
            )?
            .query_map((bot.0, now.saturating_sub(UNSEEN_AFTER)), |row| {
                Ok((SessionId(row.get(0)?), row.get(1)?))
            })?
            .collect()
        })
    }
}
