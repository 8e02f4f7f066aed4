//! The outbox: what must go out, in the order in which it was stored, until Telegram has it.
//!
//! When something is sent, and what an error means, is decided by the courier.

use rusqlite::{OptionalExtension, Transaction};
use serde::Serialize;

use super::chats::waits_for_a_person;
use super::elsewhere::Since;
use super::{Result, Step, Store, closing, place_of, requests, standing, topic_column};
use crate::chat::{
    BotId, ChatId, Due, Lane, MessageId, Place, Post, PromptId, RowId, SessionId, Target,
};

/// The lane that stands in a column.
fn lane_of(lane: i64) -> Lane {
    match lane {
        0 => Lane::Toast,
        1 => Lane::Request,
        3 => Lane::Reaction,
        _ => Lane::Text,
    }
}

/// A row about to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Ready {
    pub place: Place,
    pub post: Post,
    /// For an edit: the message to change; None where it was never delivered.
    pub edits: Option<MessageId>,
    /// For a new message in a group: which one it answers there, where others write as well.
    pub replies: Option<MessageId>,
    /// How often it has been sent before, without anybody knowing whether it arrived.
    pub tries: i64,
    /// When it was stored, in Unix seconds.
    pub created: i64,
}

/// An answer to a press, as it waits.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredToast {
    pub row: RowId,
    pub place: Place,
    /// None where it cannot be read.
    pub post: Option<Post>,
    /// When it was stored, in Unix seconds.
    pub created: i64,
}

/// Adds a row. A key that is there already means that it was stored before: the old row stays, and is returned.
#[allow(
    clippy::too_many_arguments,
    reason = "the columns of one table, in their order"
)]
pub(super) fn insert(
    tx: &Transaction<'_>,
    bot: BotId,
    place: Place,
    prompt: Option<PromptId>,
    key: Option<&str>,
    lane: Lane,
    post: &Post,
    now: i64,
) -> Result<RowId> {
    let added = tx
        .prepare_cached(
            "INSERT INTO outbox (bot, chat, topic, prompt, key, lane, post, state, created)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'waiting', ?8) ON CONFLICT (key) DO NOTHING",
        )?
        .execute(rusqlite::params![
            bot.0,
            place.chat.0,
            topic_column(place),
            prompt.map(|prompt| prompt.0),
            key,
            lane as i64,
            json(post)?,
            now,
        ])?;
    if added == 0 {
        return tx
            .prepare_cached("SELECT id FROM outbox WHERE key = ?1")?
            .query_row([key], |row| row.get(0).map(RowId));
    }
    Ok(RowId(tx.last_insert_rowid()))
}

/// The message that a row of a turn answers: the last that is part of its prompt, or of the one that this continues. Of what
/// a turn says only the first does, and each of its requests; a topic answers nothing that stands in another one.
fn replies(tx: &Transaction<'_>, row: RowId, place: Place) -> Result<Option<MessageId>> {
    tx.prepare_cached(
        "WITH RECURSIVE asked (prompt) AS (
             SELECT prompt FROM outbox row WHERE id = ?1 AND prompt IS NOT NULL AND ((lane = ?2 AND part_of IS NULL) OR NOT EXISTS (
                 SELECT 1 FROM outbox before WHERE before.prompt = row.prompt AND before.lane = row.lane
                     AND before.id < row.id AND json_extract(before.post, '$.do') IN ('message', 'document')))
             UNION SELECT prompt.continues FROM prompt JOIN asked ON prompt.id = asked.prompt
             WHERE prompt.continues IS NOT NULL
         )
         SELECT inbox.message FROM asked JOIN inbox ON inbox.prompt = asked.prompt
         WHERE inbox.chat = ?3 AND inbox.topic = ?4 AND inbox.message IS NOT NULL AND inbox.callback IS NULL
         ORDER BY inbox.id DESC LIMIT 1",
    )?
    .query_row(
        (row.0, Lane::Request as i64, place.chat.0, topic_column(place)),
        |row| row.get(0).map(MessageId),
    )
    .optional()
}

/// Notes what a row's message shows, or is to show once it is sent.
pub(super) fn rewrite(tx: &Transaction<'_>, row: RowId, post: &Post) -> Result<()> {
    let json = serde_json::to_string(post)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    tx.prepare_cached("UPDATE outbox SET post = ?2 WHERE id = ?1")?
        .execute((row.0, json))
        .map(drop)
}

/// Whether a row's message stands in its chat, or may, and this bot can change it. One whose number was left behind in
/// another chat stands nowhere.
pub(super) fn was_sent(tx: &Transaction<'_>, bot: BotId, row: RowId) -> Result<bool> {
    tx.prepare_cached(
        "SELECT 1 FROM outbox WHERE id = ?1 AND bot = ?2
         AND (state = 'sending' OR state = 'delivered' AND message IS NOT NULL)",
    )?
    .exists((row.0, bot.0))
}

/// The same, at this place.
pub(super) fn stands_at(
    tx: &Transaction<'_>,
    bot: BotId,
    row: RowId,
    place: Place,
) -> Result<bool> {
    tx.prepare_cached(
        "SELECT 1 FROM outbox WHERE id = ?1 AND bot = ?2 AND chat = ?3 AND topic = ?4
         AND (state = 'sending' OR state = 'delivered' AND message IS NOT NULL)",
    )?
    .exists((row.0, bot.0, place.chat.0, topic_column(place)))
}

/// A post, or several, as a column holds them.
pub(super) fn json(posts: &impl Serialize) -> Result<String> {
    serde_json::to_string(posts)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn has_buttons(post: &Post) -> bool {
    matches!(post, Post::Message { buttons, .. } | Post::Edit { buttons, .. } if !buttons.is_empty())
}

/// Lets the next post of a row that was on its way go out, if there is one. Nobody has it yet, whatever became of the
/// one before it.
fn next_post(tx: &Transaction<'_>, row: RowId) -> Result<bool> {
    let waits = tx
        .prepare_cached(&format!(
            "UPDATE outbox SET state = {WAITING_AGAIN}, tries = 0, post = rest -> '$[0]',
                 rest = nullif(json_remove(rest, '$[0]'), '[]')
             WHERE id = ?1 AND state = 'sending' AND rest IS NOT NULL"
        ))?
        .execute([row.0])?;
    Ok(waits == 1)
}

/// Whether a press has proved that a row which is on its way arrived, whatever its call came to: its message stands, and it
/// is not sent again. Its call is over with that; `sent` says whether it may have arrived, too.
fn is_seen(tx: &Transaction<'_>, row: RowId, sent: bool) -> Result<bool> {
    let seen = tx
        .prepare_cached(
            "UPDATE outbox SET state = 'delivered', tries = tries - ?2
             WHERE id = ?1 AND state = 'sending' AND message IS NOT NULL",
        )?
        .execute((row.0, i64::from(!sent)))?;
    Ok(seen == 1)
}

/// The state of a row that was on its way and is not delivered, as an SQL expression. A request that was closed or
/// decided meanwhile is never sent again, and no part of it: its buttons would ask for what is over. Nor is it said once more
/// that it waits. What it came to is, with buttons of its own.
const WAITING_AGAIN: &str = "CASE WHEN EXISTS (SELECT 1 FROM request
    WHERE (request.row = outbox.id AND NOT EXISTS (SELECT 1 FROM button WHERE button.row = outbox.id)
        OR request.token = outbox.part_of OR outbox.key = 'remind/' || request.token)
      AND request.state != 'open')
    THEN 'withdrawn' ELSE 'waiting' END";

/// What a row is to be sent as whose edit finds no message. What a person has decided of a request is told all the same: the
/// message with its buttons was never sent, since they were faster, or nobody knows under which number it arrived.
fn without_its_message(tx: &Transaction<'_>, row: RowId, edit: Post) -> Result<Post> {
    match edit {
        Post::Edit {
            target: Target::Row(shown),
            body,
            buttons,
        } if buttons.is_empty() && requests::was_decided(tx, shown)? => {
            let anew = Post::Message {
                body,
                buttons,
                silent: true,
            };
            // What becomes of the call is looked up by what stands here.
            rewrite(tx, row, &anew)?;
            Ok(anew)
        }
        edit => Ok(edit),
    }
}

impl Store {
    /// Takes up what a former chappe left: rows found `sending` are sent again, since nobody knows whether they
    /// arrived, but for those that somebody has pressed, and for answers to presses, of which nobody needs a second one.
    /// Those that wait may be of a press that came since: how old they may be is looked at when they are sent. Normal.
    pub fn take_up_outbox(&self, bot: BotId) -> Result<()> {
        self.write(Step::TakeUp, |tx| {
            tx.execute(
                "UPDATE outbox SET state = 'refused' WHERE bot = ?1 AND lane = 0 AND state = 'sending'",
                [bot.0],
            )?;
            tx.execute(
                "UPDATE outbox SET state = 'delivered' WHERE bot = ?1 AND state = 'sending' AND message IS NOT NULL",
                [bot.0],
            )?;
            tx.execute(
                &format!("UPDATE outbox SET state = {WAITING_AGAIN} WHERE bot = ?1 AND state = 'sending'"),
                [bot.0],
            )?;
            Ok(())
        })
    }

    /// The first answers to presses that wait, oldest first. They are sent without being begun: answered twice, a press is
    /// answered once, and nothing that cannot be written may hold that up.
    pub fn toasts(&self, bot: BotId, most: usize) -> Result<Vec<StoredToast>> {
        self.read(|tx| {
            tx.prepare_cached(
                "SELECT id, chat, topic, post, created FROM outbox
                 WHERE bot = ?1 AND lane = 0 AND state = 'waiting' AND state IN ('waiting', 'sending')
                   AND chat NOT IN (SELECT chat FROM closed_chat WHERE bot = ?1)
                 ORDER BY id LIMIT ?2",
            )?
            .query_map((bot.0, most as i64), |row| {
                Ok(StoredToast {
                    row: RowId(row.get(0)?),
                    place: place_of(row.get(1)?, row.get(2)?),
                    post: serde_json::from_str(&row.get::<_, String>(3)?).ok(),
                    created: row.get(4)?,
                })
            })?
            .collect()
        })
    }

    /// The first waiting row of each lane of each place whose chat is open, without the answers to presses. (The state is
    /// named twice, because only the second form lets SQLite use the index.)
    pub fn due(&self, bot: BotId) -> Result<Vec<Due>> {
        self.read(|tx| {
            tx.prepare_cached(
                "SELECT MIN(row.id), row.chat, row.topic, row.lane FROM outbox row
                 WHERE row.bot = ?1 AND row.state = 'waiting' AND row.state IN ('waiting', 'sending') AND row.lane != 0
                   AND row.chat NOT IN (SELECT chat FROM closed_chat WHERE bot = ?1)
                   AND (row.lane != 1 OR row.prompt IS NULL OR NOT EXISTS (
                       SELECT 1 FROM outbox earlier
                       WHERE earlier.bot = ?1 AND earlier.chat = row.chat AND earlier.topic = row.topic
                         AND earlier.state IN ('waiting', 'sending') AND earlier.lane = 2
                         AND earlier.prompt = row.prompt AND earlier.id < row.id))
                 GROUP BY row.chat, row.topic, row.lane ORDER BY 1",
            )?
            .query_map([bot.0], |row| {
                Ok(Due {
                    row: RowId(row.get(0)?),
                    place: place_of(row.get(1)?, row.get(2)?),
                    lane: lane_of(row.get(3)?),
                })
            })?
            .collect()
        })
    }

    /// Marks a row as being sent and returns what to send; None where it was withdrawn meanwhile. Normal.
    pub fn begin(&self, row: RowId) -> Result<Option<Ready>> {
        self.write(Step::Begin, |tx| {
            let found = tx
                .prepare_cached(
                    "UPDATE outbox SET state = 'sending', tries = tries + 1 WHERE id = ?1 AND state = 'waiting'
                     RETURNING chat, topic, post, tries - 1, created",
                )?
                .query_row([row.0], |columns| {
                    Ok((
                        place_of(columns.get(0)?, columns.get(1)?),
                        columns.get::<_, String>(2)?,
                        columns.get(3)?,
                        columns.get(4)?,
                    ))
                })
                .optional()?;
            let Some((place, json, tries, created)) = found else { return Ok(None) };
            let Ok(post) = serde_json::from_str::<Post>(&json) else {
                // Written by a later chappe, or damaged. It must not hold up what comes behind it.
                log::error!("outbox row {row} cannot be read and is not sent");
                tx.execute("UPDATE outbox SET state = 'refused' WHERE id = ?1", [row.0])?;
                return Ok(None);
            };
            let edits = match &post {
                Post::Edit { target: Target::Row(row), .. } => tx
                    .query_row("SELECT message FROM outbox WHERE id = ?1", [row.0], |row| row.get(0))
                    .optional()?
                    .flatten(),
                Post::Edit { target: Target::Status(prompt) | Target::StatusOrNew(prompt), .. } => tx
                    .query_row("SELECT status_message FROM prompt WHERE id = ?1", [prompt.0], |row| row.get(0))
                    .optional()?
                    .flatten(),
                _ => None,
            };
            let post = match edits {
                Some(_) => post,
                None => without_its_message(tx, row, post)?,
            };
            let replies = match &post {
                Post::Message { .. } | Post::Document { .. } if place.chat.0 < 0 => replies(tx, row, place)?,
                _ => None,
            };
            Ok(Some(Ready { place, post, edits: edits.map(MessageId), replies, tries, created }))
        })
    }

    /// The message of a row is gone, or stands (`stands`) and cannot be changed: an edit of it can do nothing, and the row is
    /// sent once more, as `post`. An open request is sent as what it asks by now; where a part of it stood above, it is denied,
    /// and the session that must tell Claude `why` is returned. What one that is over came to, with nothing to press, goes out
    /// in the edit's place: the request itself is never sent again. What only looked after it changes nothing else. Full: a
    /// decision may be one.
    pub fn send_anew(
        &self,
        edit: RowId,
        row: RowId,
        (post, stands): (&Post, bool),
        now: i64,
        (denied, why): (&Post, &str),
    ) -> Result<Option<SessionId>> {
        self.write(Step::SendAnew, |tx| {
            tx.execute("UPDATE outbox SET state = 'delivered' WHERE id = ?1", [edit.0])?;
            let is_look = standing::is_look(tx, edit)?;
            let is_open: Option<bool> = tx
                .prepare_cached("SELECT state = 'open' FROM request WHERE row = ?1")?
                .query_row([row.0], |row| row.get(0))
                .optional()?;
            if is_look && (stands || is_open != Some(true)) {
                return Ok(None);
            }
            if let Some(session) = closing::deny_torn(tx, row, why, now)? {
                let (bot, place) = tx.query_row("SELECT bot, chat, topic FROM outbox WHERE id = ?1", [row.0], |row| {
                    Ok((BotId(row.get(0)?), place_of(row.get(1)?, row.get(2)?)))
                })?;
                self.tell_denied(tx, (bot, place), session, denied, now)?;
                return Ok(Some(session));
            }
            if is_open == Some(false) && !has_buttons(post) {
                tx.execute(
                    "UPDATE outbox SET state = 'waiting', tries = 0, post = ?2 WHERE id = ?1",
                    (edit.0, json(post)?),
                )?;
                return Ok(None);
            }
            let post = (is_open != Some(true)).then(|| json(post)).transpose()?;
            tx.execute(
                "UPDATE outbox SET state = 'waiting', tries = 0, message = NULL, post = coalesce(?2, post) WHERE id = ?1",
                (row.0, post),
            )?;
            Ok(None)
        })
    }

    /// What a row holds; None where there is no such row.
    pub fn post(&self, row: RowId) -> Result<Option<Post>> {
        self.read(|tx| {
            let json: Option<String> = tx
                .query_row("SELECT post FROM outbox WHERE id = ?1", [row.0], |row| {
                    row.get(0)
                })
                .optional()?;
            Ok(json.and_then(|json| serde_json::from_str(&json).ok()))
        })
    }

    /// Telegram has it, as a message of `chat`; what else goes out in the row's place waits from now on. Normal.
    pub fn delivered(&self, row: RowId, chat: ChatId, message: Option<MessageId>) -> Result<()> {
        self.write(Step::Delivered, |tx| {
            if next_post(tx, row)? {
                return match message {
                    Some(message) => requests::note_part(tx, row, chat, message),
                    None => Ok(()),
                };
            }
            let here = tx
                .prepare_cached(
                    "UPDATE outbox SET state = 'delivered', message = coalesce(?3, message) WHERE id = ?1 AND chat = ?2",
                )?
                .execute((row.0, chat.0, message.map(|message| message.0)))?;
            if here == 0 {
                // The chat has moved meanwhile: the number is worth nothing, and what was asked cannot be answered there.
                tx.execute(
                    concat!(
                        "UPDATE outbox SET state = CASE WHEN ",
                        waits_for_a_person!(),
                        " THEN 'waiting' ELSE 'delivered' END WHERE id = ?1"
                    ),
                    [row.0],
                )?;
            }
            Ok(())
        })
    }

    /// It was not taken, or nobody knows: it waits again. `sent` says whether it may have arrived; where it certainly
    /// did not, the attempt does not count. What somebody has pressed meanwhile stands in the chat, and waits for nothing.
    /// Normal.
    pub fn put_back(&self, row: RowId, sent: bool) -> Result<()> {
        self.write(Step::PutBack, |tx| {
            if is_seen(tx, row, sent)? {
                return Ok(());
            }
            tx.execute(
                &format!(
                    "UPDATE outbox SET state = {WAITING_AGAIN}, tries = tries - ?2 WHERE id = ?1 AND state = 'sending'"
                ),
                (row.0, i64::from(!sent)),
            )
            .map(drop)
        })
    }

    /// Telegram will never take this as it is; `posts` go in its place, one after the other, and before what else was to
    /// go there. The attempt did not arrive, and so does not count. Where somebody has pressed an earlier one, that stands.
    /// Normal.
    ///
    /// # Panics
    ///
    /// Where there are no posts.
    pub fn replace(&self, row: RowId, posts: &[Post]) -> Result<()> {
        let (post, more) = posts.split_first().expect("something goes in its place");
        self.write(Step::Replace, |tx| {
            if is_seen(tx, row, false)? {
                return Ok(());
            }
            let rest: Option<String> = tx
                .query_row("SELECT rest FROM outbox WHERE id = ?1", [row.0], |row| row.get(0))
                .optional()?
                .flatten();
            let mut rest: Vec<Post> = match rest {
                // It must not hold up what comes behind it.
                Some(rest) => serde_json::from_str(&rest).unwrap_or_else(|error| {
                    log::error!("what follows row {row} cannot be read, and is left out: {error}");
                    Vec::new()
                }),
                None => Vec::new(),
            };
            rest.splice(0..0, more.iter().cloned());
            let rest = match rest.is_empty() {
                true => None,
                false => Some(json(&rest)?),
            };
            tx.execute(
                &format!(
                    "UPDATE outbox SET state = {WAITING_AGAIN}, tries = tries - 1, post = ?2, rest = ?3
                     WHERE id = ?1 AND state = 'sending'"
                ),
                (row.0, json(post)?, rest),
            )
            .map(drop)
        })
    }

    /// Telegram will never take this. Where it shows a request, a part of one, or its next question, nobody can decide that
    /// any more: it is denied, `why` is for Claude, and the session that must tell it so is returned. Else what is left to
    /// go out in the row's place goes on. What somebody has pressed stands, whatever becomes of a second attempt. Full: a
    /// decision is one.
    pub fn refuse(
        &self,
        row: RowId,
        now: i64,
        denied: &Post,
        why: &str,
    ) -> Result<Option<SessionId>> {
        self.write(Step::Refuse, |tx| {
            if is_seen(tx, row, false)? {
                return Ok(None);
            }
            let asked = tx
                .query_row(
                    "UPDATE request SET state = 'denied', why = ?2
                     WHERE state = 'open' AND (row = ?1 OR token = (SELECT part_of FROM outbox WHERE id = ?1)
                         OR EXISTS (SELECT 1 FROM outbox WHERE id = ?1
                             AND key = 'asks/' || token || '/' || json_array_length(progress, '$.answers')))
                     RETURNING session, bot, token, id, row",
                    (row.0, why),
                    |request| {
                        Ok((
                            SessionId(request.get(0)?),
                            BotId(request.get(1)?),
                            request.get::<_, String>(2)?,
                            request.get::<_, i64>(3)?,
                            RowId(request.get(4)?),
                        ))
                    },
                )
                .optional()?;
            if asked.is_none() && next_post(tx, row)? {
                return Ok(None);
            }
            tx.execute("UPDATE outbox SET state = 'refused' WHERE id = ?1", [row.0])?;
            let Some((session, bot, token, request, asks)) = asked else { return Ok(None) };
            closing::waits_no_more(tx, session, request, now)?;
            // What is shown of it before the message with its buttons goes before that: both wait still.
            tx.execute(
                "UPDATE outbox SET state = 'withdrawn' WHERE state = 'waiting' AND bot = ?2
                 AND (part_of = ?1 OR id = (SELECT row FROM request WHERE token = ?1))",
                (token, bot.0),
            )?;
            let place = tx.query_row("SELECT chat, topic FROM outbox WHERE id = ?1", [row.0], |row| {
                Ok(place_of(row.get(0)?, row.get(1)?))
            })?;
            if asks != row
                && let Post::Message { body, .. } = denied
                && was_sent(tx, bot, asks)?
            {
                // What stands there is a question that was answered, with its buttons.
                let edit = Post::Edit {
                    target: Target::Row(asks),
                    body: body.clone(),
                    buttons: Vec::new(),
                };
                insert(tx, bot, place, None, None, Lane::Text, &edit, now)?;
            }
            self.tell_denied(tx, (bot, place), session, denied, now)?;
            Ok(Some(session))
        })
    }

    /// Says at a place that a request was denied, since nobody can see it.
    pub(super) fn tell_denied(
        &self,
        tx: &Transaction<'_>,
        (bot, place): (BotId, Place),
        session: SessionId,
        denied: &Post,
        now: i64,
    ) -> Result<()> {
        let since = Since::now(tx)?;
        insert(tx, bot, place, None, None, Lane::Text, denied, now)?;
        since.mark(tx, session, now, self.marks.as_ref(), false)
    }

    /// Notes until when (Unix seconds) Telegram takes nothing for a chat, or for all (`None`), so that a restart
    /// keeps to it. Full: calls during the wait make it longer.
    pub fn flooded(&self, bot: BotId, chat: Option<ChatId>, now: i64, until: i64) -> Result<()> {
        self.write(Step::Flooded, |tx| {
            tx.execute(
                "INSERT INTO flood (bot, chat, until, noted) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (bot, chat) DO UPDATE SET until = excluded.until, noted = excluded.noted",
                (bot.0, chat.map_or(0, |chat| chat.0), until, now),
            )
            .map(drop)
        })
    }

    /// The flood waits that are not over: chat (`None`: all of them) and Unix seconds. None is longer than it was when
    /// it was noted, also where the clock was set back since.
    pub fn floods(&self, bot: BotId, now: i64) -> Result<Vec<(Option<ChatId>, i64)>> {
        self.read(|tx| {
            let mut statement = tx.prepare(
                "SELECT chat, iif(noted > ?2, ?2 + (until - noted), until) FROM flood WHERE bot = ?1 AND until > ?2",
            )?;
            statement
                .query_map((bot.0, now), |row| {
                    let chat: i64 = row.get(0)?;
                    Ok(((chat != 0).then_some(ChatId(chat)), row.get(1)?))
                })?
                .collect()
        })
    }
}
