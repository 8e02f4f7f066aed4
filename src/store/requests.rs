//! Requests: what Claude wants to be allowed, who decided, and whether Claude has been told.

use rusqlite::{OptionalExtension, Row, Transaction};

use super::closing::withdraw_unsent;
use super::pending::ASKED_NOW;
use super::turns::{Aside, say_aside};
use super::{Error, Intake, Result, Step, Store, place_of};
use super::{outbox, questions};
use crate::chat::{
    Arrival, BotId, ChatId, Decision, Formatted, Lane, MessageId, Pending, Pends, Permit, Person,
    Pick, Place, Post, Progress, PromptId, Question, RowId, SessionId, Verdict, Wanted,
};

/// What a press on a request's button came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Pressed {
    /// It decided the request. `shown` is what the message said, `tool` what Claude wanted to use.
    Decided {
        row: RowId,
        shown: Formatted,
        session: SessionId,
        tool: String,
    },
    /// The request had been decided, withdrawn or had expired before.
    Over,
    /// No such request, or the press came from another message than the one that shows it.
    Foreign,
}

/// What a press on a button came to that allows more than the call at hand.
#[derive(Debug, PartialEq, Eq)]
pub struct Always {
    pub pressed: Pressed,
    /// What was allowed, where it decided the request.
    pub permit: Option<Permit>,
    /// The grant by which that is known; None where it is none but the session's permission mode.
    pub grant: Option<i64>,
}

/// The open request that a reply is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replied {
    /// What its buttons carry.
    pub token: String,
    pub session: SessionId,
    /// The tool that Claude wants to use: by it a reply is a reason, or an answer.
    pub tool: String,
    /// The tool's input as it was shown, JSON.
    pub input: String,
    /// The message with its buttons, at which a reply counts like a press; None where nobody knows it yet.
    pub shown: Option<MessageId>,
}

/// The open request for which a message waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InTheWay {
    /// The store's number of the request, and of the message.
    pub request: i64,
    pub message: i64,
    pub tool: String,
    /// The tool's input as it was shown, JSON.
    pub input: String,
    /// Where the request is shown, and whether it is known to have arrived there.
    pub shown_at: Place,
    pub is_shown: bool,
    /// Its token. Unlike its number it is never given again.
    pub token: String,
}

/// A request to be shown: the messages before it, and the one with its buttons.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The turn it belongs to; None for what a sub-agent wants after the turn.
    pub prompt: Option<PromptId>,
    pub wanted: Wanted,
    /// What the buttons carry. Random, for this request alone.
    pub token: String,
    /// What further buttons carry, each random as well, and what each allows.
    pub choices: Vec<(String, Permit)>,
    /// What the buttons below its first question carry, each random as well, with the question's number and what it does.
    pub picks: Vec<(String, usize, Pick)>,
    /// What Claude wrote just before; goes above it.
    pub before: Aside,
    /// What is asked for, where that takes messages of its own; above the file. Where one of them cannot be shown, the
    /// request is denied.
    pub parts: Vec<Post>,
    /// A file with all of it, right above the message with the buttons; where it cannot be shown, the request is denied.
    pub file: Option<Post>,
    /// The message with the buttons.
    pub post: Post,
}

/// What a person has decided on a request.
pub(super) struct Decided<'a> {
    verdict: Verdict,
    /// What is allowed beyond the call, JSON.
    permit: Option<&'a str>,
    /// Why it is denied, in words for Claude.
    why: Option<&'a str>,
}

impl Decided<'_> {
    pub(super) fn only(verdict: Verdict) -> Self {
        Decided {
            verdict,
            permit: None,
            why: None,
        }
    }
}

/// How the keys of rows begin that stand above a request as a part of it, and of those that mention it once more. The
/// request's token follows.
pub(super) const ABOVE: &str = "above/";
pub(super) const REMINDER: &str = "remind/";

/// The key of a part of a request that goes out above the message with its buttons.
fn key_above(token: &str, part: usize) -> String {
    format!("{ABOVE}{token}/{part}")
}

/// The token of the request to which the row of a key belongs.
fn token_of(key: &str) -> Option<&str> {
    let above = key
        .strip_prefix(ABOVE)
        .and_then(|rest| rest.split('/').next());
    above.or_else(|| key.strip_prefix(REMINDER))
}

/// Notes which message is the part of a row that went out before the one with a request's buttons, where it shows one: a
/// reply to it is one to the request. What it said is not kept a second time.
pub(super) fn note_part(
    tx: &Transaction<'_>,
    row: RowId,
    chat: ChatId,
    message: MessageId,
) -> Result<()> {
    let said = Post::message(Formatted::default());
    tx.prepare_cached(
        "INSERT INTO outbox (bot, chat, topic, key, lane, post, state, message, created, session)
         SELECT outbox.bot, outbox.chat, outbox.topic, ?4 || request.token || '/sent/' || ?3, outbox.lane, ?5, 'delivered', ?3,
                outbox.created, request.session
         FROM outbox JOIN request ON request.row = outbox.id WHERE outbox.id = ?1 AND outbox.chat = ?2
         ON CONFLICT (key) DO NOTHING",
    )?
    .execute((row.0, chat.0, message.0, ABOVE, outbox::json(&said)?))
    .map(drop)
}

/// A request at whose message somebody looks.
struct Found {
    request: i64,
    session: SessionId,
    tool: String,
    state: String,
    row: RowId,
    /// What its message says, also where a file goes out before it still.
    post: String,
    /// Its questions, and how far they are answered.
    asked: (Option<String>, Option<String>),
}

/// What was decided and not told yet.
pub(super) fn decisions(tx: &Transaction<'_>, session: SessionId) -> Result<Vec<Decision>> {
    tx.prepare_cached(
        "SELECT claude, tool, state, input, permit, why, progress FROM request
         WHERE session = ?1 AND told = 0 AND state IN ('allowed', 'denied') ORDER BY id",
    )?
    .query_map([session.0], |row| {
        let state: String = row.get(2)?;
        let permit: Option<String> = row.get(4)?;
        let progress: Option<String> = row.get(6)?;
        // What cannot be read any more is no answer, and without one to each question nothing is allowed.
        let progress: Option<Progress> = progress.and_then(|json| serde_json::from_str(&json).ok());
        Ok(Decision {
            request: row.get(0)?,
            tool: row.get(1)?,
            verdict: if state == "allowed" {
                Verdict::Allow
            } else {
                Verdict::Deny
            },
            input: row.get(3)?,
            // What cannot be read any more is not allowed; the call itself is.
            permit: permit.and_then(|json| serde_json::from_str(&json).ok()),
            answers: progress.unwrap_or_default().answers,
            why: row.get(5)?,
        })
    })?
    .collect()
}

impl Store {
    /// Stores a request with the message that shows it. Full.
    pub fn ask(&self, bot: BotId, session: SessionId, now: i64, asked: &Asked) -> Result<()> {
        self.write_from(Step::Ask, session, now, false, |tx| {
            let place = match asked.prompt {
                Some(prompt) => tx
                    .query_row("SELECT chat, topic FROM prompt WHERE id = ?1", [prompt.0], |row| {
                        Ok(place_of(row.get(0)?, row.get(1)?))
                    })
                    .optional()?,
                None => super::turns::last_place(tx, session)?,
            };
            let Some(place) = place else { return Err(Error::QueryReturnedNoRows) };
            say_aside(tx, (bot, session, now), place, asked.prompt, &asked.before)?;
            for (at, part) in asked.parts.iter().enumerate() {
                let key = key_above(&asked.token, at);
                let row = outbox::insert(tx, bot, place, asked.prompt, Some(&key), Lane::Request, part, now)?;
                tx.prepare_cached("UPDATE outbox SET part_of = ?2 WHERE id = ?1")?
                    .execute((row.0, &asked.token))?;
            }
            let first = asked.file.as_ref().unwrap_or(&asked.post);
            let row = outbox::insert(tx, bot, place, asked.prompt, None, Lane::Request, first, now)?;
            if asked.file.is_some() {
                // One row for both: whatever becomes of the file is what becomes of the request.
                tx.execute(
                    "UPDATE outbox SET rest = ?2 WHERE id = ?1",
                    (row.0, outbox::json(&[&asked.post])?),
                )?;
            }
            // Whatever was decided of another one that had this name was not decided of this one.
            tx.prepare_cached(
                "UPDATE request SET told = 1
                 WHERE session = ?1 AND claude = ?2 AND told = 0 AND state IN ('allowed', 'denied')",
            )?
            .execute((session.0, &asked.wanted.request))?;
            tx.prepare_cached(
                "INSERT INTO request (bot, session, prompt, claude, tool, input, token, state, row, created)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'open', ?8, ?9)",
            )?
            .execute(rusqlite::params![
                bot.0,
                session.0,
                asked.prompt.map(|prompt| prompt.0),
                asked.wanted.request,
                asked.wanted.tool,
                asked.wanted.input,
                asked.token,
                row.0,
                now,
            ])?;
            let request = tx.last_insert_rowid();
            for (token, permit) in &asked.choices {
                tx.prepare_cached("INSERT INTO choice (token, request, permit) VALUES (?1, ?2, ?3)")?
                    .execute((token, request, outbox::json(permit)?))?;
            }
            let Wanted { sub_agent, questions, .. } = &asked.wanted;
            questions::note(tx, request, *sub_agent, questions, &asked.picks)
        })
    }

    /// The decision has been written to Claude. Normal.
    pub fn told(&self, session: SessionId, request: &str) -> Result<()> {
        self.write(Step::Told, |tx| {
            tx.execute(
                "UPDATE request SET told = 1 WHERE session = ?1 AND claude = ?2 AND state IN ('allowed', 'denied')",
                (session.0, request),
            )
            .map(drop)
        })
    }

    /// Mentions a request once more that nobody has decided, where it is shown. Returns false where it is not shown yet, so
    /// that this would be the first that anybody hears of it. Full.
    pub fn remind(
        &self,
        session: SessionId,
        now: i64,
        request: &str,
        says: impl FnOnce(&Pends) -> Formatted,
    ) -> Result<bool> {
        self.write(Step::Remind, |tx| {
            let found = tx
                .prepare_cached(&format!(
                    "SELECT request.bot, request.token, request.prompt, request.tool, request.input, request.created,
                            outbox.chat, outbox.topic, outbox.message, session.name, {ASKED_NOW}
                     FROM request JOIN outbox ON outbox.id = request.row JOIN session ON session.id = request.session
                     WHERE request.session = ?1 AND request.claude = ?2 AND request.state = 'open'"
                ))?
                .query_row((session.0, request), |row| {
                    let place = place_of(row.get(6)?, row.get(7)?);
                    let what = match row.get(10)? {
                        Some(text) => Pending::Question { text },
                        None => Pending::Request {
                            tool: row.get(3)?,
                            input: row.get(4)?,
                        },
                    };
                    let pends = Pends {
                        session,
                        name: row.get(9)?,
                        what,
                        since: row.get(5)?,
                        place: Some(place),
                        message: row.get::<_, Option<i64>>(8)?.map(MessageId),
                    };
                    let prompt = row.get::<_, Option<i64>>(2)?.map(PromptId);
                    let token: String = row.get(1)?;
                    Ok((BotId(row.get(0)?), token, prompt, place, pends))
                })
                .optional()?;
            let Some((bot, token, prompt, place, pends)) = found else {
                return Ok(true);
            };
            if pends.message.is_none() {
                return Ok(false);
            }
            let post = Post::message(says(&pends));
            // By this key it is said once, whoever says it again.
            let key = format!("{REMINDER}{token}");
            outbox::insert(tx, bot, place, prompt, Some(&key), Lane::Text, &post, now)?;
            Ok(true)
        })
    }
}

/// Whether a press may come from the message that shows a request: that of a row with this place, message and tries.
/// One that had to be sent twice may stand in the chat twice, and only one of the two is known by number.
pub(super) fn shows_it((place, message, tries): (Place, Option<i64>, i64), from: &Arrival) -> bool {
    let is_it = tries > 1 || message.is_none() || message == from.message.map(|message| message.0);
    place.chat == from.place.chat && is_it
}

/// A press proves that what it was on arrived, whatever became of the call: it need not be sent again, and the message to
/// change is the one at which the person looks.
pub(super) fn note_arrival(tx: &Transaction<'_>, row: RowId, from: &Arrival) -> Result<()> {
    let Some(pressed) = from.message else {
        return Ok(());
    };
    tx.execute(
        "UPDATE outbox SET message = ?2, state = iif(state = 'waiting', 'delivered', state) WHERE id = ?1",
        (row.0, pressed.0),
    )
    .map(drop)
}

/// Whether a person has decided the request that a row shows.
pub(super) fn was_decided(tx: &Transaction<'_>, row: RowId) -> Result<bool> {
    tx.prepare_cached(
        "SELECT 1 FROM request WHERE row = ?1 AND state IN ('allowed', 'denied') AND user IS NOT NULL",
    )?
    .exists([row.0])
}

/// Whether there is an answer to each question that a request asks, by its columns; there is nothing to answer where it
/// asks none.
fn is_answered((questions, progress): (Option<String>, Option<String>)) -> bool {
    let Some(questions) = questions else {
        return true;
    };
    let questions: Option<Vec<Question>> = serde_json::from_str(&questions).ok();
    let progress: Option<Progress> = progress.and_then(|json| serde_json::from_str(&json).ok());
    matches!((questions, progress), (Some(questions), Some(progress)) if progress.answers_all(&questions))
}

impl Intake<'_> {
    /// Applies a press on a request's button, if it comes from the message that shows the request.
    pub fn decide(
        &mut self,
        token: &str,
        verdict: Verdict,
        person: &Person,
        from: &Arrival,
    ) -> Result<Pressed> {
        self.settle(token, Decided::only(verdict), person, from)
    }

    /// Applies a press on a button that allows the call, and what that button says from now on.
    pub fn decide_always(
        &mut self,
        token: &str,
        person: &Person,
        from: &Arrival,
    ) -> Result<Always> {
        let found: Option<(String, String)> = self
            .tx
            .prepare_cached(
                "SELECT request.token, choice.permit FROM choice JOIN request ON request.id = choice.request
                 WHERE choice.token = ?1 AND request.bot = ?2",
            )?
            .query_row((token, self.bot.0), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let mut always = Always {
            pressed: Pressed::Foreign,
            permit: None,
            grant: None,
        };
        let Some((request, json)) = found else {
            return Ok(always);
        };
        let permit: Permit = serde_json::from_str(&json).map_err(|error| {
            Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, error.into())
        })?;
        let decided = Decided {
            permit: Some(&json),
            ..Decided::only(Verdict::Allow)
        };
        always.pressed = self.settle(&request, decided, person, from)?;
        if let Pressed::Decided { session, .. } = always.pressed {
            always.grant = self.grant(session, &permit, person)?;
            always.permit = Some(permit);
        }
        Ok(always)
    }

    /// Denies a request by a reply to the message `to`, if that shows the request (None: where nobody knows yet which one
    /// does). `why` is for Claude.
    pub fn deny(
        &mut self,
        token: &str,
        why: &str,
        person: &Person,
        from: &Arrival,
        to: Option<MessageId>,
    ) -> Result<Pressed> {
        // It counts like a press on that message.
        let there = Arrival {
            message: to,
            ..from.clone()
        };
        let decided = Decided {
            verdict: Verdict::Deny,
            permit: None,
            why: Some(why),
        };
        self.settle(token, decided, person, &there)
    }

    /// The open request that a reply to the message `to` is for: that shows it, or a part of what stands above it, or it
    /// was mentioned there once more. None where that message shows none, or one that is over.
    ///
    /// The reply may be faster than the news under which number the request arrived. Then it is for the one request that
    /// is on its way to its chat, if `to` is the bot's (`to_bot`), no other message that is known, and none from before. So
    /// what this finds may be denied or answered by the reply, and never be allowed.
    pub fn request_replied_to(
        &self,
        from: &Arrival,
        to: MessageId,
        to_bot: bool,
    ) -> Result<Option<Replied>> {
        let found = |row: &Row<'_>| {
            Ok(Replied {
                token: row.get(0)?,
                session: SessionId(row.get(1)?),
                tool: row.get(2)?,
                input: row.get(3)?,
                shown: row.get::<_, Option<i64>>(4)?.map(MessageId),
            })
        };
        let at = (self.bot.0, from.place.chat.0, to.0);
        let shown = self
            .tx
            .prepare_cached(
                "SELECT request.token, request.session, request.tool, request.input, outbox.message
                 FROM outbox JOIN request ON request.row = outbox.id
                 WHERE outbox.bot = ?1 AND outbox.chat = ?2 AND outbox.message = ?3 AND request.state = 'open'",
            )?
            .query_row(at, found)
            .optional()?;
        let shown = match shown {
            None => match self.request_beside(at)? {
                Some(token) => self
                    .tx
                    .prepare_cached(
                        "SELECT request.token, request.session, request.tool, request.input, outbox.message
                         FROM request JOIN outbox ON outbox.id = request.row
                         WHERE request.token = ?1 AND request.bot = ?2 AND request.state = 'open'",
                    )?
                    .query_row((token, self.bot.0), found)
                    .optional()?,
                None => None,
            },
            shown => shown,
        };
        if shown.is_some() || !to_bot {
            return Ok(shown);
        }
        let is_known = self
            .tx
            .prepare_cached(
                "SELECT 1 FROM outbox WHERE bot = ?1 AND chat = ?2 AND message = ?3
                 UNION ALL SELECT 1 FROM prompt WHERE bot = ?1 AND chat = ?2 AND status_message = ?3
                 UNION ALL SELECT 1 FROM inbox WHERE bot = ?1 AND chat = ?2 AND message = ?3 AND text IS NOT NULL",
            )?
            .exists(at)?;
        if is_known {
            return Ok(None);
        }
        let mut on_their_way: Vec<Replied> = self
            .tx
            .prepare_cached(
                "SELECT request.token, request.session, request.tool, request.input, ?3
                 FROM outbox JOIN request ON request.row = outbox.id
                 WHERE outbox.bot = ?1 AND outbox.chat = ?2 AND outbox.state IN ('waiting', 'sending')
                   AND outbox.message IS NULL AND outbox.rest IS NULL AND outbox.tries > 0 AND request.state = 'open'
                   AND NOT EXISTS (SELECT 1 FROM outbox earlier WHERE earlier.bot = ?1 AND earlier.chat = ?2
                       AND earlier.message >= ?3 AND earlier.id < outbox.id)
                 LIMIT 2",
            )?
            .query_map(at, found)?
            .collect::<Result<_>>()?;
        match on_their_way.len() {
            1 => Ok(on_their_way.pop()),
            _ => Ok(None),
        }
    }

    /// The token of the request to which a message belongs that does not show it: by its bot, chat and number.
    fn request_beside(&self, at: (i64, i64, i64)) -> Result<Option<String>> {
        let key: Option<Option<String>> = self
            .tx
            .prepare_cached("SELECT key FROM outbox WHERE bot = ?1 AND chat = ?2 AND message = ?3 AND key IS NOT NULL")?
            .query_row(at, |row| row.get(0))
            .optional()?;
        Ok(key
            .flatten()
            .as_deref()
            .and_then(token_of)
            .map(str::to_owned))
    }

    /// The newest open request of a session for which a message waits that was just queued, in the message's chat if
    /// there is one.
    pub fn request_in_the_way(
        &self,
        arrival: &Arrival,
        session: SessionId,
    ) -> Result<Option<InTheWay>> {
        self.tx
            .prepare_cached(
                "SELECT request.id, inbox.id, request.tool, request.input,
                        outbox.chat, outbox.topic, request.token, outbox.message IS NOT NULL
                 FROM request JOIN outbox ON outbox.id = request.row, inbox
                 WHERE request.session = ?2 AND request.bot = ?1 AND request.state = 'open'
                   AND inbox.bot = ?1 AND inbox.update_id = ?4 AND inbox.session = ?2 AND inbox.state = 'waiting'
                 ORDER BY outbox.chat = ?3 DESC, outbox.message IS NOT NULL DESC, request.id DESC, inbox.id DESC
                 LIMIT 1",
            )?
            .query_row(
                (self.bot.0, session.0, arrival.place.chat.0, arrival.update),
                |row| {
                    Ok(InTheWay {
                        request: row.get(0)?,
                        message: row.get(1)?,
                        tool: row.get(2)?,
                        input: row.get(3)?,
                        shown_at: place_of(row.get(4)?, row.get(5)?),
                        token: row.get(6)?,
                        is_shown: row.get(7)?,
                    })
                },
            )
            .optional()
    }

    /// The tool of a request of a session that is open still, where this message waits for it still and says this. None
    /// where anything of that is over: then it is not to be denied with it.
    pub fn may_deny_with(
        &self,
        session: SessionId,
        request: i64,
        message: i64,
        text: &str,
    ) -> Result<Option<String>> {
        self.tx
            .prepare_cached(
                "SELECT request.tool FROM request, inbox
                 WHERE request.id = ?2 AND request.session = ?1 AND request.bot = ?5 AND request.state = 'open'
                   AND inbox.id = ?3 AND inbox.session = ?1 AND inbox.state = 'waiting' AND inbox.text = ?4",
            )?
            .query_row((session.0, request, message, text, self.bot.0), |row| row.get(0))
            .optional()
    }

    /// Whether a request is known to stand in its chat.
    pub fn is_shown(&self, request: i64) -> Result<bool> {
        self.tx
            .prepare_cached(
                "SELECT 1 FROM request JOIN outbox ON outbox.id = request.row
                 WHERE request.id = ?1 AND outbox.message IS NOT NULL",
            )?
            .exists([request])
    }

    /// Denies a request with a message that waits for it, which is given to nobody then. Only after
    /// [`may_deny_with`](Self::may_deny_with) has said that both are there. `why` is for Claude.
    pub fn deny_with(
        &mut self,
        session: SessionId,
        (request, message): (i64, i64),
        why: &str,
        person: &Person,
        from: &Arrival,
    ) -> Result<Pressed> {
        let (token, shown): (String, Option<i64>) = self.tx.query_row(
            "SELECT request.token, outbox.message FROM request JOIN outbox ON outbox.id = request.row
             WHERE request.id = ?1",
            [request],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let Some(shown) = shown else {
            return Ok(Pressed::Foreign);
        };
        let pressed = self.deny(&token, why, person, from, Some(MessageId(shown)))?;
        if matches!(pressed, Pressed::Decided { .. }) {
            self.became_answer(session, message)?;
        }
        Ok(pressed)
    }

    /// A message that waited is the answer to a request: it is given to nobody, and it is too late to change it.
    pub(super) fn became_answer(&mut self, session: SessionId, message: i64) -> Result<()> {
        if self.drop_one(session, message, "")? {
            self.tx
                .prepare_cached("UPDATE inbox SET state = 'closed' WHERE id = ?1")?
                .execute([message])?;
        }
        Ok(())
    }

    /// Whether the request of this token is open; None where there is none, or where the press came from another message
    /// than the one that shows it.
    pub fn is_open(&self, token: &str, from: &Arrival) -> Result<Option<bool>> {
        let found = self.at_message(token, from)?;
        Ok(found.map(|found| found.state == "open"))
    }

    /// Has a message say what has become of its request, if nobody knew before this press which one shows it: until then
    /// nothing could be changed there. Of two that show it the one that is known says it, and may not have done so yet.
    pub(super) fn tell_again(&mut self, row: RowId, from: &Arrival) -> Result<()> {
        let is_known = self
            .tx
            .prepare_cached("SELECT 1 FROM outbox WHERE id = ?1 AND message IS NOT NULL")?
            .exists([row.0])?;
        if is_known {
            return Ok(());
        }
        let last: Option<String> = self
            .tx
            .prepare_cached(
                "SELECT post FROM outbox WHERE id > ?1 AND json_extract(post, '$.do') = 'edit'
                 AND json_extract(post, '$.target.row') = ?1 ORDER BY id DESC LIMIT 1",
            )?
            .query_row([row.0], |row| row.get(0))
            .optional()?;
        let last = last.and_then(|json| serde_json::from_str(&json).ok());
        let Some(Post::Edit { body, .. }) = last else {
            return Ok(());
        };
        note_arrival(self.tx, row, from)?;
        self.show(row, &body, Vec::new())
    }

    /// The request of a token, if a press came from the message that shows it.
    fn at_message(&self, token: &str, from: &Arrival) -> Result<Option<Found>> {
        let found = self
            .tx
            .prepare_cached(
                "SELECT request.id, request.session, request.state, outbox.id, outbox.chat, outbox.topic,
                        outbox.message, outbox.tries, coalesce(outbox.rest -> '$[#-1]', outbox.post),
                        request.questions, request.progress, request.tool
                 FROM request JOIN outbox ON outbox.id = request.row
                 WHERE request.token = ?1 AND request.bot = ?2",
            )?
            .query_row((token, self.bot.0), |row| {
                Ok((
                    Found {
                        request: row.get(0)?,
                        session: SessionId(row.get(1)?),
                        tool: row.get(11)?,
                        state: row.get(2)?,
                        row: RowId(row.get(3)?),
                        post: row.get(8)?,
                        asked: (row.get(9)?, row.get(10)?),
                    },
                    place_of(row.get(4)?, row.get(5)?),
                    row.get::<_, Option<i64>>(6)?,
                    row.get::<_, i64>(7)?,
                ))
            })
            .optional()?;
        Ok(found
            .filter(|(_, place, message, tries)| shows_it((*place, *message, *tries), from))
            .map(|(found, ..)| found))
    }

    /// Decides a request by its own token. Questions are allowed with an answer to each only.
    pub(super) fn settle(
        &mut self,
        token: &str,
        decided: Decided<'_>,
        person: &Person,
        from: &Arrival,
    ) -> Result<Pressed> {
        let Some(found) = self.at_message(token, from)? else {
            return Ok(Pressed::Foreign);
        };
        let Found {
            request,
            session,
            tool,
            state,
            row,
            post,
            asked,
        } = found;
        if state != "open" {
            self.tell_again(row, from)?;
            return Ok(Pressed::Over);
        }
        if decided.verdict == Verdict::Allow && !is_answered(asked) {
            return Ok(Pressed::Foreign);
        }
        let shown = match serde_json::from_str(&post) {
            Ok(Post::Message { body, .. }) => body,
            Ok(_) => Formatted::default(),
            Err(error) => {
                return Err(Error::FromSqlConversionFailure(
                    8,
                    rusqlite::types::Type::Text,
                    error.into(),
                ));
            }
        };
        let word = match decided.verdict {
            Verdict::Allow => "allowed",
            Verdict::Deny => "denied",
        };
        self.tx.execute(
            "UPDATE request SET state = ?2, user = ?3, permit = ?4, why = ?5 WHERE id = ?1",
            (request, word, person.id.0, decided.permit, decided.why),
        )?;
        note_arrival(self.tx, row, from)?;
        // Who has replied to a part above it may have decided before it went out.
        withdraw_unsent(self.tx, request)?;
        self.decided.push((session, request));
        self.touched.insert(session);
        Ok(Pressed::Decided {
            row,
            shown,
            session,
            tool,
        })
    }
}
