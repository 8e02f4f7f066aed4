//! The status of a turn: in which message it stands, and the buttons below it.
//!
//! What the status says is put together by others. A button carries a random token; what it does is written down here with
//! the prompt and the message below which it stands. A press uses up that button, and the next look of the courier puts
//! another one in its place where there is still something to press for.

use rusqlite::{OptionalExtension, Transaction};

use super::{Error, Intake, Result, Step, Store, turns};
use crate::chat::{Arrival, ChatId, MessageId, PromptId, SessionId, StatusAct};

/// What a press on a button below a status finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InStatus {
    /// It counts: what it does, and to the turn of which session.
    Now(SessionId, StatusAct),
    /// It was pressed before.
    Before,
    /// The turn is over.
    Over,
    /// No such button, or the press came from another message.
    Foreign,
}

impl Intake<'_> {
    /// Finds what a button below a status does; it is used up with that.
    pub fn take_in_status(&mut self, token: &str, from: &Arrival) -> Result<InStatus> {
        let found = self
            .tx
            .prepare_cached(
                "SELECT prompt, message, act, used FROM status_button WHERE token = ?1",
            )?
            .query_row([token], |row| {
                Ok((
                    PromptId(row.get(0)?),
                    row.get::<_, Option<i64>>(1)?.map(MessageId),
                    row.get::<_, String>(2)?,
                    row.get::<_, bool>(3)?,
                ))
            })
            .optional()?;
        let (Some((prompt, stands, act, used)), Some(pressed)) = (found, from.message) else {
            return Ok(InStatus::Foreign);
        };
        // The button may have been shown before another prompt took the turn up.
        let last = turns::last_of(self.tx, prompt)?;
        let (session, is_over, is_here): (_, bool, bool) = self
            .tx
            .prepare_cached(
                "SELECT session, state = 'closed', bot = ?2 AND chat = ?3 FROM prompt WHERE id = ?1",
            )?
            .query_row((last.0, self.bot.0, from.place.chat.0), |row| {
                Ok((SessionId(row.get(0)?), row.get(1)?, row.get(2)?))
            })?;
        if !is_here || stands.is_some_and(|stands| stands != pressed) {
            return Ok(InStatus::Foreign);
        }
        if is_over {
            return Ok(InStatus::Over);
        }
        if used {
            return Ok(InStatus::Before);
        }
        let act = serde_json::from_str(&act).map_err(|error| {
            Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, error.into())
        })?;
        self.tx
            .prepare_cached("UPDATE status_button SET used = 1 WHERE token = ?1")?
            .execute([token])?;
        if stands.is_none() {
            // The press says where it stands.
            shown_at(self.tx, prompt, from.place.chat, pressed)?;
        }
        Ok(InStatus::Now(session, act))
    }
}

impl Store {
    /// The message that shows a turn's status, whichever prompt goes on with the turn by now.
    pub fn status_message(&self, prompt: PromptId) -> Result<Option<MessageId>> {
        self.read(|tx| {
            let message: Option<Option<i64>> = tx
                .prepare_cached("SELECT status_message FROM prompt WHERE id = ?1")?
                .query_row([turns::last_of(tx, prompt)?.0], |row| row.get(0))
                .optional()?;
            Ok(message.flatten().map(MessageId))
        })
    }

    /// Notes which message of a chat shows a turn's status, so that it can be brought to an end later. Where another prompt
    /// goes on with the turn by now, the message shows that one; where the chat has moved meanwhile, it shows none. Normal.
    pub fn status_shown(&self, prompt: PromptId, chat: ChatId, message: MessageId) -> Result<()> {
        self.write(Step::StatusShown, |tx| shown_at(tx, prompt, chat, message))
    }

    /// The tokens of the buttons that are to stand below a status, in the order of `acts`: in this message of the prompt's
    /// chat, or in one that is about to be sent. None where there is no such prompt any more. Writes only where a button
    /// is new; those that stood there before stay good for what they say, since they may stand there still. Normal: who presses one that a power cut has taken away is told that it is not known.
    pub fn offer_in_status(
        &self,
        prompt: PromptId,
        message: Option<MessageId>,
        acts: &[StatusAct],
    ) -> Result<Option<Vec<String>>> {
        let acts: Vec<String> = acts
            .iter()
            .map(serde_json::to_string)
            .collect::<std::result::Result<_, _>>()
            .map_err(|error| Error::ToSqlConversionFailure(error.into()))?;
        let known = |tx: &Transaction<'_>, act: &String| -> Result<Option<String>> {
            tx.prepare_cached(
                "SELECT token FROM status_button WHERE prompt = ?1 AND message IS ?2 AND act = ?3 AND used = 0",
            )?
            .query_row((prompt.0, message.map(|message| message.0), act), |row| row.get(0))
            .optional()
        };
        let all: Option<Vec<String>> =
            self.read(|tx| acts.iter().map(|act| known(tx, act)).collect())?;
        if all.is_some() {
            return Ok(all);
        }
        self.write(Step::OfferInStatus, |tx| {
            let is_there = tx
                .prepare_cached("SELECT 1 FROM prompt WHERE id = ?1")?
                .exists([prompt.0])?;
            if !is_there {
                return Ok(None);
            }
            let mut tokens = Vec::new();
            for act in &acts {
                let token = match known(tx, act)? {
                    Some(token) => token,
                    None => {
                        let token = super::fresh_uuid().replace('-', "");
                        tx.prepare_cached(
                            "INSERT INTO status_button (token, prompt, act, message) VALUES (?1, ?2, ?3, ?4)",
                        )?
                        .execute((&token, prompt.0, act, message.map(|message| message.0)))?;
                        token
                    }
                };
                tokens.push(token);
            }
            Ok(Some(tokens))
        })
    }
}

/// The status of a prompt's turn stands in this message.
fn shown_at(
    tx: &Transaction<'_>,
    prompt: PromptId,
    chat: ChatId,
    message: MessageId,
) -> Result<()> {
    let there = tx
        .prepare_cached("UPDATE prompt SET status_message = ?3 WHERE id = ?1 AND chat = ?2")?
        .execute((turns::last_of(tx, prompt)?.0, chat.0, message.0))?;
    if there > 0 {
        tx.prepare_cached(
            "UPDATE status_button SET message = ?2 WHERE prompt = ?1 AND message IS NULL",
        )?
        .execute((prompt.0, message.0))?;
    }
    Ok(())
}
