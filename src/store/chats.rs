//! Chats and topics that change: closed and opened again, moved, gone.
//!
//! What a chat's rows say is not looked at; that something has changed is decided by the poller and the courier.

use rusqlite::{OptionalExtension, Transaction};

use super::elsewhere::{Marks, Since};
use super::outbox::{self, json};
use super::{Result, Step, Store, closing, place_of, places, topic_column};
use crate::chat::{BotId, ChatId, Lane, Place, Post, RowId, SessionId, TopicId};

/// So often a chat is followed from one to the next. Telegram moves one once; what goes round in a circle ends here.
const MOVES_MAX: usize = 8;

/// The condition under which a row of the outbox waits for a person, who must be able to press its buttons.
macro_rules! waits_for_a_person {
    () => {
        "(EXISTS (SELECT 1 FROM request WHERE request.row = outbox.id AND request.state = 'open')
          OR EXISTS (SELECT 1 FROM button WHERE button.row = outbox.id AND button.used = 0
              AND json_extract(act, '$.do') IN ('run', 'drop', 'retry', 'send_again', 'start_fresh', 'go_on',
                  'deny_with', 'stop_other', 'run_all', 'only_the_last', 'drop_all')))"
    };
}
pub(super) use waits_for_a_person;

/// Where everything of a chat is taken to the new one, its message ids left behind: they stand for other messages there,
/// or for none. `?1` is the bot, `?2` the old chat, `?3` the new one.
///
/// - What the old chat was bound to counts: the new one can only be bound to what a message made that came too early.
/// - A reaction has nothing left to stand on. What waits for a person is shown again, since its buttons stayed behind; not
///   what only offers something, as a list does, or a call that was allowed: there may be very many of those.
/// - Of two flood waits the longer one counts.
/// - Where it went is kept of a chat that talked to a session, for as long as there is a store: whoever allowed the one has
///   allowed the other.
const MOVE_CHAT: &[&str] = &[
    "INSERT INTO known (name, value)
     SELECT 'moved ' || ?1 || ' ' || ?2, ?3 WHERE EXISTS (SELECT 1 FROM binding WHERE bot = ?1 AND chat = ?2)
     ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    "UPDATE OR REPLACE binding SET chat = ?3 WHERE bot = ?1 AND chat = ?2",
    "UPDATE inbox SET chat = ?3, message = NULL WHERE bot = ?1 AND chat = ?2",
    "UPDATE session SET moving_chat = ?3 WHERE moving_chat = ?2",
    "UPDATE prompt SET chat = ?3, status_message = NULL WHERE bot = ?1 AND chat = ?2",
    concat!(
        "UPDATE outbox SET chat = ?3, message = NULL,
         state = CASE
             WHEN lane = 3 AND state IN ('waiting', 'sending') THEN 'refused'
             WHEN state = 'delivered' AND ",
        waits_for_a_person!(),
        " THEN 'waiting'
             ELSE state END,
         tries = iif(state = 'delivered', 0, tries)
     WHERE bot = ?1 AND chat = ?2"
    ),
    "INSERT INTO flood (bot, chat, until) SELECT bot, ?3, until FROM flood WHERE bot = ?1 AND chat = ?2
     ON CONFLICT (bot, chat) DO UPDATE SET until = max(until, excluded.until)",
    "DELETE FROM flood WHERE bot = ?1 AND chat = ?2 AND chat != ?3",
    "INSERT INTO closed_chat (bot, chat, since) SELECT bot, ?3, since FROM closed_chat WHERE bot = ?1 AND chat = ?2
     ON CONFLICT DO NOTHING",
    "DELETE FROM closed_chat WHERE bot = ?1 AND chat = ?2 AND chat != ?3",
];

/// Takes everything of a chat to another one. Done twice, it does nothing more.
pub(super) fn move_chat(tx: &Transaction<'_>, bot: BotId, from: ChatId, to: ChatId) -> Result<()> {
    for step in MOVE_CHAT {
        tx.prepare_cached(step)?.execute((bot.0, from.0, to.0))?;
    }
    Ok(())
}

/// Lets the chat have what waits for it; returns whether it was closed.
pub(super) fn open_chat(tx: &Transaction<'_>, bot: BotId, chat: ChatId) -> Result<bool> {
    let closed = tx
        .prepare_cached("DELETE FROM closed_chat WHERE bot = ?1 AND chat = ?2")?
        .execute((bot.0, chat.0))?;
    Ok(closed > 0)
}

/// Keeps what waits for a chat, if the bot has ever had to do with it: of others there is nothing to keep, and anyone
/// can make groups and throw the bot out of them.
pub(super) fn close_known_chat(
    tx: &Transaction<'_>,
    bot: BotId,
    chat: ChatId,
    now: i64,
) -> Result<()> {
    tx.prepare_cached(
        "INSERT INTO closed_chat (bot, chat, since)
         SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM binding WHERE bot = ?1 AND chat = ?2)
            OR EXISTS (SELECT 1 FROM prompt WHERE bot = ?1 AND chat = ?2 AND state != 'closed')
            OR EXISTS (SELECT 1 FROM outbox WHERE bot = ?1 AND chat = ?2 AND state IN ('waiting', 'sending'))
         ON CONFLICT DO NOTHING",
    )?
    .execute((bot.0, chat.0, now))
    .map(drop)
}

/// Sends what waits for a topic to the chat itself. What belongs to a turn is marked by `mark`, which gets the name of its
/// session: in the chat it stands among what other sessions say. So is what chappe says of a session, by `marks`. What names
/// it already stays as it is, as each request does.
fn redirect(
    tx: &Transaction<'_>,
    bot: BotId,
    place: Place,
    mark: impl Fn(&str, Post) -> Post,
    marks: Option<&Marks>,
) -> Result<()> {
    let of_place = (bot.0, place.chat.0, topic_column(place));
    let rows: Vec<(i64, String, String, bool)> = tx
        .prepare_cached(
            "SELECT outbox.id, outbox.post, session.name, prompt.id IS NOT NULL FROM outbox
             LEFT JOIN prompt ON prompt.id = outbox.prompt
             JOIN session ON session.id = COALESCE(prompt.session, outbox.session)
             WHERE outbox.bot = ?1 AND outbox.chat = ?2 AND outbox.topic = ?3
               AND outbox.state IN ('waiting', 'sending') AND outbox.named = 0 AND outbox.lane != 1",
        )?
        .query_map(of_place, |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<Result<_>>()?;
    for (id, post, session, is_of_turn) in rows {
        // What cannot be read is left to the one who sends it.
        let Ok(post) = serde_json::from_str(&post) else {
            continue;
        };
        let marked = match (is_of_turn, marks) {
            (true, _) => mark(&session, post),
            (false, Some(marks)) => (marks.notice)(&session, post),
            (false, None) => post,
        };
        tx.prepare_cached("UPDATE outbox SET post = ?2 WHERE id = ?1")?
            .execute((id, json(&marked)?))?;
    }
    tx.execute(
        "UPDATE outbox SET topic = 0
         WHERE bot = ?1 AND chat = ?2 AND topic = ?3 AND state IN ('waiting', 'sending')",
        of_place,
    )
    .map(drop)
}

impl Store {
    /// The chats that take nothing from this bot.
    pub fn closed_chats(&self, bot: BotId) -> Result<Vec<ChatId>> {
        self.read(|tx| {
            tx.prepare_cached("SELECT chat FROM closed_chat WHERE bot = ?1")?
                .query_map([bot.0], |row| row.get(0).map(ChatId))?
                .collect()
        })
    }

    /// The chats of this bot that have become others: from, to.
    pub fn moved_chats(&self, bot: BotId) -> Result<Vec<(ChatId, ChatId)>> {
        self.read(|tx| {
            let begin = format!("moved {bot} ");
            tx.prepare_cached(
                "SELECT CAST(substr(name, length(?1) + 1) AS INTEGER), CAST(value AS INTEGER) FROM known
                 WHERE substr(name, 1, length(?1)) = ?1",
            )?
            .query_map([begin], |row| Ok((ChatId(row.get(0)?), ChatId(row.get(1)?))))?
            .collect()
        })
    }

    /// What a chat of this bot is now; it may have become another one more than once.
    pub fn chat_now(&self, bot: BotId, chat: ChatId) -> Result<ChatId> {
        self.read(|tx| {
            let mut now = chat;
            for _ in 0..MOVES_MAX {
                let next = tx
                    .prepare_cached(
                        "SELECT CAST(value AS INTEGER) FROM known WHERE name = 'moved ' || ?1 || ' ' || ?2",
                    )?
                    .query_row((bot.0, now.0), |row| row.get(0).map(ChatId))
                    .optional()?;
                match next {
                    Some(next) => now = next,
                    None => break,
                }
            }
            Ok(now)
        })
    }

    /// The chat takes nothing from this bot until someone writes there, or the bot may write again. Normal.
    pub fn close_chat(&self, bot: BotId, chat: ChatId, now: i64) -> Result<()> {
        self.write(Step::CloseChat, |tx| {
            tx.execute(
                "INSERT INTO closed_chat (bot, chat, since) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                (bot.0, chat.0, now),
            )
            .map(drop)
        })
    }

    /// A group has become a supergroup: everything of it belongs to the new chat. Full: the old id leads nowhere.
    pub fn move_chat(&self, bot: BotId, from: ChatId, to: ChatId) -> Result<()> {
        self.write(Step::MoveChat, |tx| move_chat(tx, bot, from, to))
    }

    /// The topic is gone: what waits for it goes to the chat itself, marked with the name of its session, and so does what
    /// waits for a person, since its message went with the topic. A request of which a part stood above it is denied instead,
    /// and the sessions that must tell Claude `why` are returned. The place talks to no session any more. Full: a decision
    /// may be one.
    pub fn drop_topic(
        &self,
        bot: BotId,
        place: Place,
        now: i64,
        (denied, why): (&Post, &str),
        mark: impl Fn(&str, Post) -> Post,
    ) -> Result<Vec<SessionId>> {
        self.write(Step::DropTopic, |tx| {
            let asking: Vec<RowId> = tx
                .prepare_cached(
                    "SELECT outbox.id FROM outbox JOIN request ON request.row = outbox.id
                     WHERE outbox.bot = ?1 AND outbox.chat = ?2 AND outbox.topic = ?3 AND request.state = 'open'",
                )?
                .query_map((bot.0, place.chat.0, topic_column(place)), |row| row.get(0).map(RowId))?
                .collect::<Result<_>>()?;
            let mut denies = Vec::new();
            for row in asking {
                if let Some(session) = closing::deny_torn(tx, row, why, now)? {
                    let at = Place {
                        topic: None,
                        ..place
                    };
                    self.tell_denied(tx, (bot, at), session, denied, now)?;
                    denies.push(session);
                }
            }
            tx.execute(
                concat!(
                    "UPDATE outbox SET state = 'waiting', message = NULL, tries = 0
                     WHERE bot = ?1 AND chat = ?2 AND topic = ?3 AND state = 'delivered' AND ",
                    waits_for_a_person!()
                ),
                (bot.0, place.chat.0, topic_column(place)),
            )?;
            redirect(tx, bot, place, mark, self.marks.as_ref())?;
            tx.execute(
                "DELETE FROM binding WHERE bot = ?1 AND chat = ?2 AND topic = ?3",
                (bot.0, place.chat.0, topic_column(place)),
            )?;
            Ok(denies)
        })
    }

    /// The topic is closed for now: what waits for it goes to the chat itself, marked with the name of its session. Normal.
    pub fn avoid_topic(
        &self,
        bot: BotId,
        place: Place,
        mark: impl Fn(&str, Post) -> Post,
    ) -> Result<()> {
        self.write(Step::AvoidTopic, |tx| {
            redirect(tx, bot, place, mark, self.marks.as_ref())
        })
    }

    /// The topic that a row asks for is there: it talks to the session from now on, and `in_topic` is said in it, `here`
    /// where it was asked for. Full.
    pub fn topic_made(
        &self,
        row: RowId,
        session: SessionId,
        topic: TopicId,
        now: i64,
        in_topic: &Post,
        here: &Post,
    ) -> Result<()> {
        self.write(Step::TopicMade, |tx| {
            let Some((bot, place)) = topic_is_settled(tx, row, session, "delivered")? else {
                return Ok(());
            };
            let made = Place {
                topic: Some(topic),
                ..place
            };
            places::bind(tx, bot, made, session)?;
            say(tx, bot, session, now, &[(made, in_topic), (place, here)])
        })
    }

    /// The topic that a row asks for cannot be made: the place where it was asked for talks to the session, and `here` is
    /// said there. Where it does not talk to what it talked to `before` any more, somebody wanted that since: it goes on
    /// with that, and `aside` is said. Full.
    pub fn no_topic(
        &self,
        row: RowId,
        (session, before): (SessionId, Option<SessionId>),
        now: i64,
        here: &Post,
        aside: &Post,
    ) -> Result<()> {
        self.write(Step::NoTopic, |tx| {
            let Some((bot, place)) = topic_is_settled(tx, row, session, "refused")? else {
                return Ok(());
            };
            let is_as_before = match places::bound(tx, bot, place)? {
                Some(bound) => bound == session || before == Some(bound),
                None => true,
            };
            if !is_as_before {
                return say(tx, bot, session, now, &[(place, aside)]);
            }
            places::bind(tx, bot, place, session)?;
            say(tx, bot, session, now, &[(place, here)])
        })
    }
}

/// Notes what has become of a row that asks for a topic; returns where that was, with its bot. None where the session is
/// gone, or it was noted before.
fn topic_is_settled(
    tx: &Transaction<'_>,
    row: RowId,
    session: SessionId,
    state: &str,
) -> Result<Option<(BotId, Place)>> {
    tx.prepare_cached(
        "UPDATE outbox SET state = ?2 WHERE id = ?1 AND state IN ('waiting', 'sending')
         RETURNING bot, chat, topic, EXISTS (SELECT 1 FROM session WHERE id = ?3)",
    )?
    .query_row((row.0, state, session.0), |row| {
        let (bot, place) = (BotId(row.get(0)?), place_of(row.get(1)?, row.get(2)?));
        let is_there: bool = row.get(3)?;
        Ok(is_there.then_some((bot, place)))
    })
    .optional()
    .map(Option::flatten)
}

/// Says something of a session, so that a reply to it is for that session.
fn say(
    tx: &Transaction<'_>,
    bot: BotId,
    session: SessionId,
    now: i64,
    posts: &[(Place, &Post)],
) -> Result<()> {
    let since = Since::now(tx)?;
    for (place, post) in posts {
        outbox::insert(tx, bot, *place, None, None, Lane::Text, post, now)?;
    }
    since.mark(tx, session, now, None, false)
}
