//! What waits for a session, as a person sees it and changes it: messages that are given next, and those that are kept
//! until somebody says what becomes of them.
//!
//! What is dropped here is never given: giving and dropping are transactions of one database. What is said of it is
//! decided by the caller.

use rusqlite::OptionalExtension;

use super::buttons::{self, Offered};
use super::holds::{self, Release};
use super::{Intake, Result, Store, outbox};
use crate::chat::{Arrival, Behind, Hold, InLine, Notice, Post, RowId, SessionId};

/// What has become of the messages that a button is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfLine {
    Done,
    /// None of them waits any more.
    Nothing,
    /// More wait than whoever pressed has seen, so nothing was done.
    More,
}

impl Intake<'_> {
    /// What waits for a session, in the order in which it goes, and behind it what is kept; at most so many.
    pub fn line_of(&self, session: SessionId, most: usize) -> Result<Vec<InLine>> {
        self.tx
            .prepare_cached(
                "SELECT id, text, kept FROM (
                     SELECT id, text, rank, 0 AS kept FROM inbox WHERE session = ?1 AND state = 'waiting'
                     UNION ALL SELECT id, text, rank, 1 FROM inbox WHERE session = ?1 AND state = 'asked')
                 ORDER BY kept, rank, id LIMIT ?2",
            )?
            .query_map((session.0, most as i64), |row| {
                Ok(InLine {
                    message: row.get(0)?,
                    text: row.get(1)?,
                    is_kept: row.get(2)?,
                })
            })?
            .collect()
    }

    /// Has all messages that are `behind` a turn put into it, if they are no more by now; where no
    /// turn runs, they are given next all the same.
    pub fn steer_line(&mut self, session: SessionId, behind: Behind) -> Result<OfLine> {
        let found = self.of_line(session, behind)?;
        if found == OfLine::Done {
            self.tx.execute(
                "UPDATE inbox SET steer = 1 WHERE session = ?1 AND state = 'waiting' AND id <= ?2",
                (session.0, behind.last),
            )?;
            self.line_was_changed(session)?;
        }
        self.touched.insert(session);
        Ok(found)
    }

    /// What is to be done about messages that were shown to wait.
    fn of_line(&self, session: SessionId, behind: Behind) -> Result<OfLine> {
        let wait: i64 = self
            .tx
            .prepare_cached(
                "SELECT COUNT(*) FROM inbox WHERE session = ?1 AND state = 'waiting' AND id <= ?2",
            )?
            .query_row((session.0, behind.last), |row| row.get(0))?;
        Ok(match usize::try_from(wait).unwrap_or_default() {
            0 => OfLine::Nothing,
            wait if wait > behind.many => OfLine::More,
            _ => OfLine::Done,
        })
    }

    /// Lets all messages of a session that are kept wait like others, with `line` below the questions that this answers;
    /// returns whether there were any.
    pub fn run_kept(&mut self, session: SessionId, line: &str) -> Result<bool> {
        self.settle_kept(session, "waiting", line)
    }

    /// Has a message that was just queued put into the turn that runs.
    pub fn steer_one(&mut self, arrival: &Arrival, session: SessionId) -> Result<()> {
        self.tx
            .prepare_cached(
                "UPDATE inbox SET steer = 1 WHERE bot = ?1 AND update_id = ?2 AND session = ?3 AND state = 'waiting'",
            )?
            .execute((self.bot.0, arrival.update, session.0))
            .map(drop)
    }

    /// Drops all messages that are `behind` a turn, if they are no more by now.
    pub fn drop_line(&mut self, session: SessionId, behind: Behind) -> Result<OfLine> {
        let found = self.of_line(session, behind)?;
        if found == OfLine::Done {
            self.tx.execute(
                "UPDATE inbox SET state = 'dropped' WHERE session = ?1 AND state = 'waiting' AND id <= ?2",
                (session.0, behind.last),
            )?;
            self.line_was_changed(session)?;
            self.holds_nothing(session, None)?;
        }
        // What is shown there may be an old one.
        self.touched.insert(session);
        Ok(found)
    }

    /// Drops all messages of a session that are kept, with `line` below the questions that this answers; returns whether
    /// there were any.
    pub fn drop_kept(&mut self, session: SessionId, line: &str) -> Result<bool> {
        self.settle_kept(session, "dropped", line)
    }

    fn settle_kept(&mut self, session: SessionId, state: &str, line: &str) -> Result<bool> {
        let questions: Vec<Option<i64>> = self
            .tx
            .prepare_cached(
                "SELECT DISTINCT question FROM inbox WHERE session = ?1 AND state = 'asked'",
            )?
            .query_map([session.0], |row| row.get(0))?
            .collect::<Result<_>>()?;
        self.tx.execute(
            "UPDATE inbox SET state = ?2, question = NULL WHERE session = ?1 AND state = 'asked'",
            (session.0, state),
        )?;
        for question in questions.iter().flatten() {
            self.may_be_answered(RowId(*question), line)?;
        }
        Ok(!questions.is_empty())
    }

    /// Drops one message; returns whether it still waited.
    pub fn drop_one(&mut self, session: SessionId, message: i64, line: &str) -> Result<bool> {
        let question: Option<Option<i64>> = self
            .tx
            .prepare_cached(
                "SELECT question FROM inbox WHERE id = ?1 AND session = ?2 AND state IN ('waiting', 'asked')",
            )?
            .query_row((message, session.0), |row| row.get(0))
            .optional()?;
        let Some(question) = question else {
            return Ok(false);
        };
        self.tx.execute(
            "UPDATE inbox SET state = 'dropped', question = NULL WHERE id = ?1",
            [message],
        )?;
        if let Some(question) = question {
            self.may_be_answered(RowId(question), line)?;
        }
        self.line_was_changed(session)?;
        self.holds_nothing(session, (!line.is_empty()).then_some(line))?;
        Ok(true)
    }

    /// Ends a hold of which a person was told, where nothing waits any more that it could hold.
    fn holds_nothing(&mut self, session: SessionId, line: Option<&str>) -> Result<()> {
        let is_held = holds::held(self.tx, session)?.is_some_and(|held| {
            // What failed waits for a person, whatever else does.
            held.reason == Hold::Held && !held.has_failed
        });
        let is_told = holds::notice_row(self.tx, session)?.is_some();
        if is_held && is_told && holds::waiting(self.tx, session)? == 0 {
            holds::release(self.tx, session, self.now, Release::GoOn, line)?;
        }
        Ok(())
    }

    /// Shows something else in the message whose button was pressed, with other buttons.
    pub fn show_anew(&mut self, offered: &Offered, notice: &Notice) -> Result<()> {
        let buttons = buttons::offer(
            self.tx,
            self.bot,
            offered.session,
            offered.row,
            self.now,
            &notice.offers,
        )?;
        self.show(offered.row, &notice.body, buttons.clone())?;
        let shown = Post::Message {
            body: notice.body.clone(),
            buttons,
            silent: false,
        };
        outbox::rewrite(self.tx, offered.row, &shown)
    }

    /// Takes the buttons of a question away where nothing is left that it asks about.
    fn may_be_answered(&mut self, question: RowId, line: &str) -> Result<()> {
        let asks: bool = self
            .tx
            .prepare_cached("SELECT 1 FROM inbox WHERE state = 'asked' AND question = ?1")?
            .exists([question.0])?;
        match asks {
            true => Ok(()),
            false => self.retire(question, line),
        }
    }

    /// What was offered for the line as it was is over, and its owner looks again.
    fn line_was_changed(&mut self, session: SessionId) -> Result<()> {
        buttons::line_has_moved(self.tx, session, self.now)?;
        self.touched.insert(session);
        self.posted = true;
        Ok(())
    }
}

impl Store {
    /// The messages that wait for a session.
    pub fn behind(&self, session: SessionId) -> Result<Behind> {
        self.read(|tx| {
            tx.prepare_cached(
                "SELECT COALESCE(MAX(id), 0), COUNT(*) FROM inbox WHERE session = ?1 AND state = 'waiting'",
            )?
            .query_row([session.0], |row| {
                Ok(Behind {
                    last: row.get(0)?,
                    many: row.get::<_, i64>(1)? as usize,
                })
            })
        })
    }
}
