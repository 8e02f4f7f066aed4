//! What is said of sessions that wait for a place: a message with a button for each session that has one, and its end.
//!
//! Such a message is found by what its buttons do, which names the session that waits. Who waits is not kept here: it is
//! memory only, and whoever waits asks again.

use super::buttons::{change_choice, post_choice, retire_row};
use super::{Result, Step, Store, holds, outbox};
use crate::chat::{BotId, Formatted, Offer, RowId, SessionId};

impl Store {
    /// Says that a session waits, where what waits came from. Where that stands there already, it changes in place: nobody is
    /// called for it twice. Normal.
    pub fn tell_wait(
        &self,
        bot: BotId,
        session: SessionId,
        now: i64,
        body: &Formatted,
        offers: &[(SessionId, Offer)],
    ) -> Result<()> {
        self.write(Step::TellWait, |tx| {
            let rows = rows(tx, Some(session))?;
            let place = holds::place_to_tell(tx, session, None)?;
            if let (&[row], Some(place)) = (&rows[..], place)
                && outbox::stands_at(tx, bot, row, place)?
            {
                return change_choice(tx, (bot, place, row), now, body, offers);
            }
            for row in rows {
                retire_row(tx, row, now, None)?;
            }
            let Some(place) = place else {
                return Ok(());
            };
            post_choice(tx, bot, now, place, body, offers).map(drop)
        })
    }

    /// A session does not wait any more (None: nobody does): what was said of that loses its buttons, with `line` below
    /// it; what was not sent yet is never sent. Returns whether anything had been said. Normal.
    pub fn wait_over(
        &self,
        session: Option<SessionId>,
        now: i64,
        line: Option<&str>,
    ) -> Result<bool> {
        if self.read(|tx| rows(tx, session))?.is_empty() {
            return Ok(false);
        }
        self.write(Step::WaitOver, |tx| {
            for row in rows(tx, session)? {
                retire_row(tx, row, now, line)?;
            }
            Ok(true)
        })
    }
}

/// The messages that say so and still have their buttons.
fn rows(tx: &rusqlite::Transaction<'_>, session: Option<SessionId>) -> Result<Vec<RowId>> {
    tx.prepare_cached(
        "SELECT DISTINCT row FROM button WHERE used = 0 AND json_extract(act, '$.do') = 'stop_other'
         AND (?1 IS NULL OR json_extract(act, '$.waits') = ?1)",
    )?
    .query_map([session.map(|session| session.0)], |row| {
        row.get(0).map(RowId)
    })?
    .collect()
}
