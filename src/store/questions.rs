//! Questions with ready answers: what each button below one does, and how far a person has come.
//!
//! A button carries a random token and nothing else. It is bound to the request, the question and the pick, and counts
//! once. How a question looks, and what is said of a press, is decided by the caller; that a request is answered only
//! with an answer to each of its questions is seen to here and where it is settled.

use rusqlite::{OptionalExtension, Row, Transaction};

use super::closing::waits_no_more;
use super::requests::{Decided, Pressed, note_arrival, shows_it};
use super::{Error, Intake, Result, outbox, place_of};
use crate::chat::{
    Arrival, Button, Formatted, MessageId, Person, Pick, Place, Post, Progress, Question, RowId,
    SessionId, Verdict,
};

/// A request that asks questions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asking {
    pub session: SessionId,
    /// The outbox row that shows it.
    pub row: RowId,
    /// Whether a sub-agent asks.
    pub sub_agent: bool,
    pub questions: Vec<Question>,
    pub progress: Progress,
    request: i64,
    /// The request's own token, which no button carries.
    token: String,
    place: Place,
    message: Option<i64>,
    tries: i64,
    is_open: bool,
    /// Whether what is asked now is still on its way to where another question of the same message was read.
    pub is_on_its_way: bool,
}

impl Asking {
    /// The question that is asked now; None where all are answered.
    pub fn question(&self) -> Option<&Question> {
        self.questions.get(self.progress.at())
    }
}

/// What a press on a button below a question came to, or a text that answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Picked {
    /// Something is chosen or answered, and something is asked still: this is to be shown from now on.
    GoesOn(Box<Asking>),
    /// The last question is answered, and with it the request.
    Answered(Box<Asking>),
    /// The person will answer none of them. What the message said.
    Declined { row: RowId, shown: Formatted },
    /// They want to answer in their own words. Nothing has changed.
    InWords,
    /// Nothing is chosen that could be the answer.
    NothingChosen,
    /// The button has counted before.
    Used,
    /// Its question is answered.
    AnsweredBefore,
    /// The text was written before anybody could see what is asked now. Nothing has changed.
    TooEarly,
    /// The request had been answered, withdrawn or had expired before.
    Over,
    /// No such button, or the press came from another message than the one that shows it.
    Foreign,
}

const COLUMNS: &str = "request.id, request.token, request.session, request.state, request.sub_agent, request.questions,
    request.progress, outbox.id, outbox.chat, outbox.topic, outbox.message, outbox.tries,
    EXISTS (SELECT 1 FROM outbox news WHERE news.state IN ('waiting', 'sending')
        AND news.key = 'asks/' || request.token || '/' || json_array_length(request.progress, '$.answers'))";

/// The key of what first shows a question that is not its request's first one.
fn key_of_next(asking: &Asking) -> String {
    format!("asks/{}/{}", asking.token, asking.progress.at())
}

fn asking(row: &Row<'_>) -> Result<Asking> {
    Ok(Asking {
        request: row.get(0)?,
        token: row.get(1)?,
        session: SessionId(row.get(2)?),
        is_open: row.get::<_, String>(3)? == "open",
        sub_agent: row.get(4)?,
        questions: read(5, &row.get::<_, String>(5)?)?,
        progress: read(6, &row.get::<_, String>(6)?)?,
        row: RowId(row.get(7)?),
        place: place_of(row.get(8)?, row.get(9)?),
        message: row.get(10)?,
        tries: row.get(11)?,
        is_on_its_way: row.get(12)?,
    })
}

fn read<T: serde::de::DeserializeOwned>(column: usize, json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| {
        Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, error.into())
    })
}

/// Notes what a new request asks, and what its buttons do: each carries a token, which is for one question, by number.
pub(super) fn note(
    tx: &Transaction<'_>,
    request: i64,
    sub_agent: bool,
    questions: &[Question],
    picks: &[(String, usize, Pick)],
) -> Result<()> {
    if questions.is_empty() {
        return Ok(());
    }
    tx.prepare_cached(
        "UPDATE request SET sub_agent = ?2, questions = ?3, progress = ?4 WHERE id = ?1",
    )?
    .execute((
        request,
        sub_agent,
        outbox::json(&questions)?,
        outbox::json(&Progress::default())?,
    ))?;
    for (token, question, pick) in picks {
        bind(tx, token, request, *question, *pick)?;
    }
    Ok(())
}

fn bind(
    tx: &Transaction<'_>,
    token: &str,
    request: i64,
    question: usize,
    pick: Pick,
) -> Result<()> {
    tx.prepare_cached("INSERT INTO pick (token, request, question, pick) VALUES (?1, ?2, ?3, ?4)")?
        .execute((token, request, question as i64, outbox::json(&pick)?))
        .map(drop)
}

impl Intake<'_> {
    /// Applies a press on a button below a question, if it comes from the message that shows it.
    pub fn pick(&mut self, token: &str, person: &Person, from: &Arrival) -> Result<Picked> {
        let found = self
            .tx
            .prepare_cached(&format!(
                "SELECT {COLUMNS}, pick.question, pick.pick, pick.used
                 FROM pick JOIN request ON request.id = pick.request JOIN outbox ON outbox.id = request.row
                 WHERE pick.token = ?1 AND request.bot = ?2"
            ))?
            .query_row((token, self.bot.0), |row| {
                let pick: Pick = read(14, &row.get::<_, String>(14)?)?;
                Ok((asking(row)?, row.get::<_, i64>(13)? as usize, pick, row.get::<_, bool>(15)?))
            })
            .optional()?;
        let Some((mut asking, question, pick, used)) = found else {
            return Ok(Picked::Foreign);
        };
        if !shows_it((asking.place, asking.message, asking.tries), from) {
            return Ok(Picked::Foreign);
        }
        if !asking.is_open {
            self.tell_again(asking.row, from)?;
            return Ok(Picked::Over);
        }
        if question != asking.progress.at() {
            return Ok(Picked::AnsweredBefore);
        }
        if used {
            return Ok(Picked::Used);
        }
        match pick {
            Pick::Decline => {
                let token = asking.token.clone();
                return Ok(
                    match self.settle(&token, Decided::only(Verdict::Deny), person, from)? {
                        Pressed::Decided { row, shown, .. } => Picked::Declined { row, shown },
                        Pressed::Over => Picked::Over,
                        Pressed::Foreign => Picked::Foreign,
                    },
                );
            }
            Pick::Else => return Ok(Picked::InWords),
            Pick::Choose { option, on } => {
                let changes = match on {
                    true => asking.progress.chosen.insert(option),
                    false => asking.progress.chosen.remove(&option),
                };
                if !changes {
                    return Ok(Picked::Used);
                }
            }
            Pick::Answer { option } => {
                asking.progress.chosen = [option].into();
                if !asking.progress.answer(&asking.questions, "") {
                    return Ok(Picked::Foreign);
                }
            }
            Pick::Done => {
                if !asking.progress.answer(&asking.questions, "") {
                    return Ok(Picked::NothingChosen);
                }
            }
        }
        self.tx
            .prepare_cached("UPDATE pick SET used = 1 WHERE token = ?1")?
            .execute([token])?;
        self.come_to(asking, person, from)
    }

    /// The open request with this token of its own, if it asks questions.
    pub fn asking(&self, token: &str) -> Result<Option<Box<Asking>>> {
        self.tx
            .prepare_cached(&format!(
                "SELECT {COLUMNS} FROM request JOIN outbox ON outbox.id = request.row
                 WHERE request.token = ?1 AND request.bot = ?2 AND request.state = 'open'
                   AND request.questions IS NOT NULL"
            ))?
            .query_row((token, self.bot.0), |row| asking(row).map(Box::new))
            .optional()
    }

    /// The open request of a session that asks questions, where this message waits for it still and says this.
    pub fn asking_for(
        &self,
        session: SessionId,
        request: i64,
        message: i64,
        text: &str,
    ) -> Result<Option<Box<Asking>>> {
        if self
            .may_deny_with(session, request, message, text)?
            .is_none()
        {
            return Ok(None);
        }
        let token: String = self.tx.query_row(
            "SELECT token FROM request WHERE id = ?1",
            [request],
            |row| row.get(0),
        )?;
        self.asking(&token)
    }

    /// Answers the question that is asked now with a message that waits for that, which is given to nobody then. Only
    /// after [`asking_for`](Self::asking_for) has said that both are there.
    pub fn answer_with(
        &mut self,
        asking: &Asking,
        message: i64,
        text: &str,
        person: &Person,
        from: &Arrival,
    ) -> Result<Picked> {
        let Some(shown) = asking.message else {
            return Ok(Picked::Foreign);
        };
        let picked = self.answer_in_words(asking, text, person, (from, Some(MessageId(shown))))?;
        if matches!(picked, Picked::GoesOn(_) | Picked::Answered(_)) {
            self.became_answer(asking.session, message)?;
        }
        Ok(picked)
    }

    /// The same with a reply to the message that asks: it is no answer where another question stood there when it was written.
    /// `from` is where they wrote, `to` the message, as far as that is known.
    pub fn answer_by_reply(
        &mut self,
        asking: &Asking,
        text: &str,
        person: &Person,
        (from, to): (&Arrival, Option<MessageId>),
    ) -> Result<Picked> {
        match asking.is_on_its_way {
            true => Ok(Picked::TooEarly),
            false => self.answer_in_words(asking, text, person, (from, to)),
        }
    }

    /// Answers the question that is asked now in a person's own words, together with what is chosen of its options.
    fn answer_in_words(
        &mut self,
        asking: &Asking,
        text: &str,
        person: &Person,
        (from, to): (&Arrival, Option<MessageId>),
    ) -> Result<Picked> {
        let mut asking = asking.clone();
        if text.trim().is_empty() || !asking.progress.answer(&asking.questions, text) {
            return Ok(Picked::NothingChosen);
        }
        // As if something had been pressed there. But where nobody knows which message asks, a reply does not say it: what
        // is asked next must not be looked for there.
        let is_known = asking.message.is_some() || asking.question().is_none();
        let at = Arrival {
            message: to.filter(|_| is_known),
            ..from.clone()
        };
        self.come_to(asking, person, &at)
    }

    /// Stores how far it has come, and decides the request where that is the end.
    fn come_to(&mut self, asking: Asking, person: &Person, from: &Arrival) -> Result<Picked> {
        let before: i64 = self
            .tx
            .prepare_cached(
                "SELECT json_array_length(progress, '$.answers') FROM request WHERE id = ?1",
            )?
            .query_row([asking.request], |row| row.get(0))?;
        self.tx
            .prepare_cached("UPDATE request SET progress = ?2 WHERE id = ?1")?
            .execute((asking.request, outbox::json(&asking.progress)?))?;
        if asking.question().is_some() {
            note_arrival(self.tx, asking.row, from)?;
            if asking.progress.at() as i64 > before {
                // What was written for the question before is not for this one.
                waits_no_more(self.tx, asking.session, asking.request, self.now)?;
            }
            return Ok(Picked::GoesOn(Box::new(asking)));
        }
        let token = asking.token.clone();
        Ok(
            match self.settle(&token, Decided::only(Verdict::Allow), person, from)? {
                Pressed::Decided { .. } => Picked::Answered(Box::new(asking)),
                Pressed::Over => Picked::Over,
                Pressed::Foreign => Picked::Foreign,
            },
        )
    }

    /// Lets a request's message show this from now on, with these buttons and no others.
    pub fn ask_on(
        &mut self,
        asking: &Asking,
        body: &Formatted,
        picks: &[Vec<(String, Pick)>],
    ) -> Result<()> {
        let mut button = |(label, pick): &(String, Pick)| {
            Ok(Button {
                label: label.clone(),
                data: Pick::button_data(&token_for(self.tx, asking, *pick)?),
            })
        };
        let buttons: Vec<Vec<Button>> = picks
            .iter()
            .map(|row| row.iter().map(&mut button).collect())
            .collect::<Result<_>>()?;
        // What is said below it later goes below this, and where it has to be sent again, it is this.
        let shown = Post::Message {
            body: body.clone(),
            buttons: buttons.clone(),
            silent: false,
        };
        outbox::rewrite(self.tx, asking.row, &shown)?;
        let key = key_of_next(asking);
        let is_new = asking.progress.at() > 0
            && !self
                .tx
                .prepare_cached("SELECT 1 FROM outbox WHERE key = ?1")?
                .exists([&key])?;
        match is_new {
            true => self.show_by(Some(&key), asking.row, body, buttons),
            false => self.show(asking.row, body, buttons),
        }
    }
}

/// The token of a button below the question that is asked now: the one it has, as long as that was not used.
fn token_for(tx: &Transaction<'_>, asking: &Asking, pick: Pick) -> Result<String> {
    let question = asking.progress.at();
    let known = tx
        .prepare_cached(
            "SELECT token FROM pick WHERE request = ?1 AND question = ?2 AND pick = ?3 AND used = 0",
        )?
        .query_row((asking.request, question as i64, outbox::json(&pick)?), |row| {
            row.get(0)
        })
        .optional()?;
    match known {
        Some(token) => Ok(token),
        None => {
            let token = super::fresh_uuid().replace('-', "");
            bind(tx, &token, asking.request, question, pick)?;
            Ok(token)
        }
    }
}
