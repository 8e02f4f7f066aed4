//! Another bot: chappe was started with another token, and what belongs to the old one's messages is worth nothing.
//!
//! A private chat has the same number for every bot, so the conversation goes on there; message ids, topics and buttons
//! are the old bot's. What is said about it is decided by the caller.

use rusqlite::Transaction;

use super::{Result, Step, Store, outbox, place_of};
use crate::chat::{BotId, Lane, Place, Post};

/// How many places are told of the change.
const PLACES_MAX: i64 = 20;

/// The steps, in order. `?1` is the bot that chappe serves now.
///
/// - Its private chats talk to the sessions to which they talked before.
/// - What was asked by the old bot cannot be answered there: its turn goes on, and asks again.
/// - What only changes, answers or marks a message of the old one is dropped; every other text is still owed,
///   and so is a topic for a session.
/// - What tells of a hold or asks about messages is shown again, with its buttons. All other buttons are gone.
/// - No status of a turn is looked for in a message of the old one.
/// - What waits keeps its bot, by which Telegram's repeats of it are known, and is answered outside of topics.
const ADOPT: &[&str] = &[
    "INSERT OR IGNORE INTO binding (bot, chat, topic, session)
     SELECT ?1, chat, 0, session FROM binding WHERE bot != ?1 AND chat > 0 AND topic = 0",
    "UPDATE outbox SET state = 'withdrawn' WHERE state IN ('waiting', 'sending')
     AND id IN (SELECT row FROM request WHERE bot != ?1)",
    "UPDATE request SET state = iif(state = 'open', 'expired', state), told = 1
     WHERE bot != ?1 AND (state = 'open' OR told = 0)",
    "UPDATE outbox SET state = 'refused' WHERE bot != ?1 AND state IN ('waiting', 'sending')
     AND (lane IN (0, 3) OR json_extract(post, '$.do') NOT IN ('message', 'document', 'topic'))",
    "UPDATE outbox SET bot = ?1, topic = 0, state = 'waiting', message = NULL, tries = 0
     WHERE bot != ?1 AND (state IN ('waiting', 'sending')
         OR id IN (SELECT row FROM hold WHERE row IS NOT NULL)
         OR id IN (SELECT question FROM inbox WHERE state = 'asked' AND question IS NOT NULL))",
    "UPDATE button SET bot = ?1 WHERE bot != ?1 AND row IN (SELECT id FROM outbox WHERE bot = ?1)",
    "UPDATE button SET used = 1 WHERE bot != ?1 AND used = 0",
    "UPDATE prompt SET bot = ?1, topic = 0, status_message = NULL, notice = NULL
     WHERE bot != ?1 AND (state != 'closed' OR id IN (SELECT prompt FROM hold WHERE prompt IS NOT NULL))",
    "UPDATE inbox SET topic = 0 WHERE bot != ?1 AND topic != 0 AND state IN ('waiting', 'asked')",
];

impl Store {
    /// Lets `bot` take over what other bots have left; their places are told so by `line`. Where it was done before,
    /// nothing is left to be done. Full.
    pub fn adopt(&self, bot: BotId, now: i64, line: &Post) -> Result<()> {
        self.write(Step::Adopt, |tx| {
            for place in new_places(tx, bot)? {
                outbox::insert(tx, bot, place, None, None, Lane::Text, line, now)?;
            }
            for step in ADOPT {
                tx.execute(step, [bot.0])?;
            }
            Ok(())
        })
    }
}

/// Where another bot has talked, or still owes something, and this one has never talked.
fn new_places(tx: &Transaction<'_>, bot: BotId) -> Result<Vec<Place>> {
    tx.prepare(
        "SELECT chat FROM (
             SELECT chat FROM binding WHERE bot != ?1 AND chat > 0
             UNION SELECT chat FROM outbox WHERE bot != ?1 AND chat > 0 AND state IN ('waiting', 'sending') AND lane = 2)
         WHERE chat NOT IN (SELECT chat FROM binding WHERE bot = ?1) LIMIT ?2",
    )?
    .query_map((bot.0, PLACES_MAX), |row| Ok(place_of(row.get(0)?, 0)))?
    .collect()
}
