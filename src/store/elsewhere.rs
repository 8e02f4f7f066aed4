//! What comes from a session for a place that talks to another one by now: it names its session, and an answer has a button
//! that leads there.
//!
//! Whether a place talks to the session is decided in the transaction that stores what comes. What a mark looks like is
//! decided by the caller.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, Transaction};

use super::{Result, Step, Store, buttons, outbox, place_of, places};
use crate::chat::{BotId, Lane, Offer, Place, Post, PromptId, RowId, SessionId, Target};

/// How something is marked with the name of its session.
#[derive(Clone, Copy)]
pub struct Marks {
    /// The first part of what Claude says.
    pub answer: fn(&str, Post) -> Post,
    /// What chappe says about the session, or a change of what it has said.
    pub notice: fn(&str, Post) -> Post,
    /// The button below an answer.
    pub go_to: fn(&str) -> Offer,
}

/// What is stored for a session from a moment on, until it is marked.
pub(super) struct Since {
    /// The last row of the outbox that was there before.
    row: i64,
}

impl Since {
    pub(super) fn now(tx: &Transaction<'_>) -> Result<Since> {
        tx.prepare_cached("SELECT COALESCE(MAX(id), 0) FROM outbox")?
            .query_row([], |row| row.get(0))
            .map(|row| Since { row })
    }

    /// Notes that all of it comes from `session`, and marks what is for a place that does not talk to it. `says_all` is
    /// whether nothing follows that belongs to it, so that its end is the end of an answer.
    pub(super) fn mark(
        &self,
        tx: &Transaction<'_>,
        session: SessionId,
        now: i64,
        marks: Option<&Marks>,
        says_all: bool,
    ) -> Result<()> {
        tx.prepare_cached("UPDATE outbox SET session = ?2 WHERE id > ?1")?
            .execute((self.row, session.0))?;
        let Some(marks) = marks else { return Ok(()) };
        let mut talks_to_it: BTreeMap<(i64, Place), bool> = BTreeMap::new();
        let mut rows = Vec::new();
        for row in self.rows(tx)? {
            let known = talks_to_it.get(&(row.bot.0, row.place)).copied();
            let talks = match known {
                Some(talks) => talks,
                None => places::bound(tx, row.bot, row.place)? == Some(session),
            };
            talks_to_it.insert((row.bot.0, row.place), talks);
            if !talks {
                rows.push(row);
            }
        }
        let name: Option<String> = tx
            .prepare_cached("SELECT name FROM session WHERE id = ?1")?
            .query_row([session.0], |row| row.get(0))
            .optional()?;
        let Some(name) = name else { return Ok(()) };
        let (first, last) = (
            rows.iter().position(Row::is_answer),
            rows.iter().rposition(Row::can_end_an_answer),
        );
        for (number, row) in rows.into_iter().enumerate() {
            let mut post = row.post.clone();
            if Some(number) == first {
                post = (marks.answer)(&name, post);
            } else if !row.is_answer() {
                post = (marks.notice)(&name, post);
            }
            if let (true, true, Post::Message { buttons, .. }) =
                (says_all, Some(number) == last, &mut post)
            {
                let offers = [vec![(marks.go_to)(&name)]];
                *buttons = buttons::offer(tx, row.bot, session, row.id, now, &offers)?;
            }
            if post != row.post {
                keep_in_step(tx, &row.post, &post)?;
                outbox::rewrite(tx, row.id, &post)?;
            }
            tx.prepare_cached("UPDATE outbox SET named = 1 WHERE id = ?1")?
                .execute([row.id.0])?;
        }
        Ok(())
    }

    fn rows(&self, tx: &Transaction<'_>) -> Result<Vec<Row>> {
        let rows: Vec<(RowId, BotId, Place, bool, String)> = tx
            .prepare_cached(
                "SELECT id, bot, chat, topic, key IS NOT NULL, post FROM outbox WHERE id > ?1 AND lane = ?2 ORDER BY id",
            )?
            .query_map((self.row, Lane::Text as i64), |row| {
                Ok((
                    RowId(row.get(0)?),
                    BotId(row.get(1)?),
                    place_of(row.get(2)?, row.get(3)?),
                    row.get(4)?,
                    row.get(5)?,
                ))
            })?
            .collect::<Result<_>>()?;
        let read = |(id, bot, place, has_key, post): (_, _, _, _, String)| {
            let post = serde_json::from_str(&post).ok()?;
            Some(Row {
                id,
                bot,
                place,
                has_key,
                post,
            })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }
}

struct Row {
    id: RowId,
    bot: BotId,
    place: Place,
    has_key: bool,
    post: Post,
}

impl Row {
    /// Whether it is a part of what Claude says: only that has a key, by which it is stored once. What a request is
    /// about comes without a sound, and below it stands whose it is.
    fn is_answer(&self) -> bool {
        let is_heard = matches!(
            self.post,
            Post::Message { silent: false, .. } | Post::Document { silent: false, .. }
        );
        self.has_key && is_heard
    }

    /// A file has no buttons.
    fn can_end_an_answer(&self) -> bool {
        self.is_answer() && matches!(self.post, Post::Message { .. })
    }
}

/// Where a new text for a message that was sent before is marked, what the store knows of that message is as well.
fn keep_in_step(tx: &Transaction<'_>, bare: &Post, marked: &Post) -> Result<()> {
    let (
        Post::Edit {
            target: Target::Row(row),
            body: bare,
            ..
        },
        Post::Edit { body: marked, .. },
    ) = (bare, marked)
    else {
        return Ok(());
    };
    let json: Option<String> = tx
        .prepare_cached("SELECT post FROM outbox WHERE id = ?1")?
        .query_row([row.0], |row| row.get(0))
        .optional()?;
    match json.and_then(|json| serde_json::from_str(&json).ok()) {
        Some(Post::Message {
            body,
            buttons,
            silent,
        }) if body == *bare => {
            let body = marked.clone();
            let known = Post::Message {
                body,
                buttons,
                silent,
            };
            outbox::rewrite(tx, *row, &known)
        }
        _ => Ok(()),
    }
}

impl Store {
    /// Has what comes from a session be marked where its place talks to another one.
    pub fn with_marks(mut self, marks: Marks) -> Store {
        self.marks = Some(marks);
        self
    }

    /// Writes something that a session says.
    pub(super) fn write_from<T>(
        &self,
        step: Step,
        session: SessionId,
        now: i64,
        says_all: bool,
        work: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        self.write(step, |tx| {
            let since = Since::now(tx)?;
            let value = work(tx)?;
            since.mark(tx, session, now, self.marks.as_ref(), says_all)?;
            Ok(value)
        })
    }

    /// The name of a turn's session, where the place of the turn does not talk to that session; else None.
    pub fn named_in_status(&self, prompt: PromptId) -> Result<Option<String>> {
        self.read(|tx| {
            tx.prepare_cached(
                "SELECT session.name FROM prompt JOIN session ON session.id = prompt.session
                 WHERE prompt.id = ?1 AND NOT EXISTS (
                     SELECT 1 FROM binding WHERE binding.bot = prompt.bot AND binding.chat = prompt.chat
                     AND binding.topic = prompt.topic AND binding.session = prompt.session)",
            )?
            .query_row([prompt.0], |row| row.get(0))
            .optional()
        })
    }
}
