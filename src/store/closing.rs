//! How requests end on which nobody has decided: withdrawn, expired, out of time, stopped, or torn because a part of them is
//! shown nowhere.
//!
//! What was shown, or may have been, loses its buttons with a line below it; what was not sent yet is never sent. Nothing here
//! allows anything.

use rusqlite::{OptionalExtension, Transaction};

use super::requests::{self, ABOVE, REMINDER};
use super::{Result, Step, Store, outbox, place_of};
use crate::chat::{
    BotId, Formatted, Lane, Place, Post, PromptId, RowId, SessionId, Target, Verdict,
};

/// A request that is open, or decided and not told.
struct Unsettled {
    id: i64,
    bot: BotId,
    tool: String,
    state: String,
    post: String,
    row: RowId,
    place: Place,
    prompt: Option<PromptId>,
    /// Whether its message may stand in the chat, also where nobody knows what became of the call: a press may say so yet.
    may_stand: bool,
}

impl Unsettled {
    /// What its message says.
    fn shown(&self) -> Formatted {
        match serde_json::from_str(&self.post) {
            Ok(Post::Message { body, .. }) => body,
            _ => Formatted::default(),
        }
    }

    /// Has its message say this from now on, without buttons.
    fn says(&self, tx: &Transaction<'_>, now: i64, body: Formatted) -> Result<()> {
        let edit = Post::Edit {
            target: Target::Row(self.row),
            body,
            buttons: Vec::new(),
        };
        outbox::insert(
            tx,
            self.bot,
            self.place,
            self.prompt,
            None,
            Lane::Text,
            &edit,
            now,
        )
        .map(drop)
    }
}

/// The requests of a session that are open, or decided and not told: the one that Claude names so, or all.
fn unsettled(
    tx: &Transaction<'_>,
    session: SessionId,
    request: Option<&str>,
) -> Result<Vec<Unsettled>> {
    tx.prepare_cached(
        "SELECT request.id, request.bot, request.state, outbox.post, outbox.id, outbox.chat, outbox.topic,
                outbox.prompt, outbox.message IS NOT NULL OR outbox.tries > 0, request.tool
         FROM request JOIN outbox ON outbox.id = request.row
         WHERE request.session = ?1 AND (request.state = 'open' OR request.told = 0)
           AND (?2 IS NULL OR request.claude = ?2)",
    )?
    .query_map((session.0, request), |row| {
        Ok(Unsettled {
            id: row.get(0)?,
            bot: BotId(row.get(1)?),
            state: row.get(2)?,
            post: row.get(3)?,
            row: RowId(row.get(4)?),
            place: place_of(row.get(5)?, row.get(6)?),
            prompt: row.get::<_, Option<i64>>(7)?.map(PromptId),
            may_stand: row.get(8)?,
            tool: row.get(9)?,
        })
    })?
    .collect()
}

/// Closes an open request that nobody can answer any more. What of it was shown gets a line below it; what was not sent yet
/// is never sent.
fn close_open(
    tx: &Transaction<'_>,
    session: SessionId,
    now: i64,
    one: &Unsettled,
    state: &'static str,
    with_line: impl Fn(&str, &Formatted) -> Formatted,
) -> Result<()> {
    tx.execute(
        "UPDATE request SET state = ?2, told = 1 WHERE id = ?1",
        (one.id, state),
    )?;
    let is_unsent = withdraw_unsent(tx, one.id)?;
    if !is_unsent || one.may_stand {
        one.says(tx, now, with_line(&one.tool, &one.shown()))?;
    }
    waits_no_more(tx, session, one.id, now)
}

/// Closes the requests of a session that is to stop: from now on no press allows what is about to be cut off. Returns
/// whether there were any.
pub(super) fn close_stopped(
    tx: &Transaction<'_>,
    session: SessionId,
    now: i64,
    with_line: impl Fn(&str, &Formatted) -> Formatted,
) -> Result<bool> {
    let mut any = false;
    for one in unsettled(tx, session, None)? {
        if one.state == "open" {
            close_open(tx, session, now, &one, "withdrawn", &with_line)?;
            any = true;
        }
    }
    Ok(any)
}

/// Denies the request that a row shows where a part of it stood above that and stands nowhere any more: what is allowed must
/// be to be seen. `why` is for Claude. Returns the session that must tell it so; None where the request is another one, or
/// stands alone.
pub(super) fn deny_torn(
    tx: &Transaction<'_>,
    row: RowId,
    why: &str,
    now: i64,
) -> Result<Option<SessionId>> {
    let torn: Option<(i64, SessionId)> = tx
        .prepare_cached(
            "UPDATE request SET state = 'denied', why = ?2 WHERE row = ?1 AND state = 'open' AND EXISTS (
                 SELECT 1 FROM outbox WHERE state = 'delivered'
                 AND key >= ?3 || request.token || '/' AND key < ?3 || request.token || '0')
             RETURNING id, session",
        )?
        .query_row((row.0, why, ABOVE), |row| Ok((row.get(0)?, SessionId(row.get(1)?))))
        .optional()?;
    let Some((request, session)) = torn else {
        return Ok(None);
    };
    waits_no_more(tx, session, request, now)?;
    withdraw_unsent(tx, request)?;
    Ok(Some(session))
}

/// Lets nothing of a request go out that was not sent yet: the request is over. Returns whether its message was not.
pub(super) fn withdraw_unsent(tx: &Transaction<'_>, request: i64) -> Result<bool> {
    tx.prepare_cached(
        "UPDATE outbox SET state = 'withdrawn' WHERE state = 'waiting' AND EXISTS (
             SELECT 1 FROM request WHERE id = ?1 AND (part_of = token OR key = ?2 || token))",
    )?
    .execute((request, REMINDER))?;
    let unsent = tx
        .prepare_cached(
            "UPDATE outbox SET state = 'withdrawn' WHERE state = 'waiting'
             AND id = (SELECT row FROM request WHERE id = ?1)",
        )?
        .execute([request])?;
    Ok(unsent > 0)
}

/// Takes away the buttons that would deny a request which is over with a message that waited for it.
pub(super) fn waits_no_more(
    tx: &Transaction<'_>,
    session: SessionId,
    request: i64,
    now: i64,
) -> Result<()> {
    let rows: Vec<i64> = tx
        .prepare_cached(
            "SELECT row FROM button WHERE session = ?1 AND used = 0 AND json_extract(act, '$.do') = 'deny_with'
             AND json_extract(act, '$.request') = ?2",
        )?
        .query_map((session.0, request), |row| row.get(0))?
        .collect::<Result<_>>()?;
    for row in rows {
        super::buttons::retire_row(tx, RowId(row), now, None)?;
    }
    Ok(())
}

impl Store {
    /// Denies a request that nobody has decided; returns whether nobody had. `why` is for Claude, `line` goes below what was
    /// shown. Full.
    pub fn time_out(
        &self,
        session: SessionId,
        now: i64,
        request: &str,
        why: &str,
        with_line: impl Fn(&Formatted) -> Formatted,
    ) -> Result<bool> {
        self.write(Step::TimeOut, |tx| {
            let closed: Option<(i64, i64)> = tx
                .query_row(
                    "UPDATE request SET state = 'denied', why = ?3 WHERE session = ?1 AND claude = ?2 AND state = 'open'
                     RETURNING id, row",
                    (session.0, request, why),
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .optional()?;
            let Some((id, row)) = closed else { return Ok(false) };
            let (bot, place, json, prompt) = tx.query_row(
                "SELECT bot, chat, topic, post, prompt FROM outbox WHERE id = ?1",
                [row],
                |columns| {
                    Ok((
                        BotId(columns.get(0)?),
                        place_of(columns.get(1)?, columns.get(2)?),
                        columns.get::<_, String>(3)?,
                        columns.get::<_, Option<i64>>(4)?.map(PromptId),
                    ))
                },
            )?;
            let may_stand: bool = tx.query_row(
                "SELECT message IS NOT NULL OR tries > 0 FROM outbox WHERE id = ?1",
                [row],
                |row| row.get(0),
            )?;
            let is_unsent = withdraw_unsent(tx, id)?;
            if !is_unsent || may_stand {
                let shown = match serde_json::from_str(&json) {
                    Ok(Post::Message { body, .. }) => body,
                    _ => Formatted::default(),
                };
                let edit = Post::Edit {
                    target: Target::Row(RowId(row)),
                    body: with_line(&shown),
                    buttons: Vec::new(),
                };
                outbox::insert(tx, bot, place, prompt, None, Lane::Text, &edit, now)?;
            }
            waits_no_more(tx, session, id, now)?;
            Ok(true)
        })
    }

    /// Closes requests that can no longer be answered: the one that Claude names, or all of the session (`None`).
    /// What was shown loses its buttons and gets a line below it (`with_line`, with the tool); what was not sent yet is never
    /// sent. What was decided and may not have been heard stays decided, and says so (`unheard`): also a denial may have
    /// brought words with it. Full.
    pub fn close_requests(
        &self,
        session: SessionId,
        now: i64,
        request: Option<&str>,
        state: &'static str,
        with_line: impl Fn(&str, &Formatted) -> Formatted,
        unheard: impl Fn(&str, Verdict, &Formatted) -> Formatted,
    ) -> Result<()> {
        self.write(Step::CloseRequests, |tx| {
            for one in unsettled(tx, session, request)? {
                if one.state == "open" {
                    close_open(tx, session, now, &one, state, &with_line)?;
                    continue;
                }
                // What was decided stays decided; there is nobody left to tell it to.
                tx.execute("UPDATE request SET told = 1 WHERE id = ?1", [one.id])?;
                // What nobody has pressed, as where time has run out, says why already.
                if !requests::was_decided(tx, one.row)? {
                    continue;
                }
                let verdict = match one.state.as_str() {
                    "allowed" => Verdict::Allow,
                    _ => Verdict::Deny,
                };
                one.says(tx, now, unheard(&one.tool, verdict, &one.shown()))?;
            }
            Ok(())
        })
    }
}
