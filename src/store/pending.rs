//! What waits for a person in all sessions: open requests, messages that are kept, and sessions that are held.
//!
//! It only reads. What is done about each of them stands where it is kept.

use rusqlite::Row;

use super::holds::reason_of;
use super::{Intake, Result, place_of};
use crate::chat::{MessageId, Pending, Pends, SessionId};

/// How many of a kind are looked at.
const EACH_MAX: i64 = 100;

/// Of a request that asks questions the one that is asked now, as a column; NULL for every other request.
pub(super) const ASKED_NOW: &str = "json_extract(request.questions, '$[' || json_array_length(request.progress, '$.answers') || '].text')";

fn pends(row: &Row<'_>, what: Pending) -> Result<Pends> {
    let chat: Option<i64> = row.get("chat")?;
    let topic: Option<i64> = row.get("topic")?;
    Ok(Pends {
        session: SessionId(row.get("session")?),
        name: row.get("name")?,
        what,
        since: row.get("since")?,
        place: chat.map(|chat| place_of(chat, topic.unwrap_or(0))),
        message: row.get::<_, Option<i64>>("message")?.map(MessageId),
    })
}

impl Intake<'_> {
    /// All that waits for a person, the newest last.
    pub fn pending(&self) -> Result<Vec<Pends>> {
        let mut all: Vec<Pends> = self
            .tx
            .prepare_cached(&format!(
                "SELECT request.session, session.name, request.created AS since, outbox.chat, outbox.topic,
                        outbox.message, request.tool, request.input, {ASKED_NOW} AS question
                 FROM request JOIN session ON session.id = request.session JOIN outbox ON outbox.id = request.row
                 WHERE request.state = 'open' ORDER BY request.id LIMIT ?1"
            ))?
            .query_map([EACH_MAX], |row| {
                let (tool, input) = (row.get("tool")?, row.get("input")?);
                let what = match row.get("question")? {
                    Some(text) => Pending::Question { text },
                    None => Pending::Request { tool, input },
                };
                pends(row, what)
            })?
            .collect::<Result<_>>()?;
        let kept: Vec<Pends> = self
            .tx
            .prepare_cached(
                "SELECT inbox.session, session.name, MIN(inbox.received) AS since, outbox.chat, outbox.topic,
                        outbox.message, COUNT(*) AS count
                 FROM inbox JOIN session ON session.id = inbox.session LEFT JOIN outbox ON outbox.id = inbox.question
                 WHERE inbox.state = 'asked' GROUP BY inbox.session, inbox.question LIMIT ?1",
            )?
            .query_map([EACH_MAX], |row| {
                let count = row.get::<_, i64>("count")? as usize;
                pends(row, Pending::Kept { count })
            })?
            .collect::<Result<_>>()?;
        // What goes on by itself waits for nobody.
        let held: Vec<Pends> = self
            .tx
            .prepare_cached(
                "SELECT hold.session, session.name, hold.since, outbox.chat, outbox.topic, outbox.message, hold.reason
                 FROM hold JOIN session ON session.id = hold.session LEFT JOIN outbox ON outbox.id = hold.row
                 WHERE hold.until IS NULL LIMIT ?1",
            )?
            .query_map([EACH_MAX], |row| {
                let reason = reason_of(&row.get::<_, String>("reason")?);
                pends(row, Pending::Held(reason))
            })?
            .collect::<Result<_>>()?;
        all.extend(kept);
        all.extend(held);
        all.sort_by_key(|one| one.since);
        Ok(all)
    }
}
