//! Buttons that are none of a request's: what each of them does, the messages that carry them, and what a press finds.
//!
//! A button carries a random token and nothing else; what it does is written down here with the row that shows it. One
//! press uses up all buttons of its message. What is said, and what is done then, is decided by the caller.

use rusqlite::{OptionalExtension, Transaction};

use super::{Error, Intake, Result, Store, outbox, place_of};
use crate::chat::{
    Act, Arrival, BotId, Button, Formatted, Lane, Notice, Offer, Place, Post, RowId, SessionId,
    Target, utf16_len,
};

/// The longest text of a message, in UTF-16 units.
const MESSAGE_MAX: usize = 4_096;

/// A press on one of these buttons; what it does, and for which session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    pub act: Act,
    pub session: SessionId,
    pub row: RowId,
}

/// What a press on such a button came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It counts, and no other button of its message does from now on.
    Now(Offered),
    /// The same, of a button that is for no session which is there.
    OfNoSession { act: Act, row: RowId },
    /// What it was for is over.
    Over,
    /// No such button, or the press came from another message.
    Foreign,
}

impl Intake<'_> {
    /// Finds what a button does that is none of a request's; it is used up with that, and all others of its message.
    pub fn take(&mut self, token: &str, from: &Arrival) -> Result<Taken> {
        let at = (from.place, from.message.map(|message| message.0));
        take(self.tx, self.bot, token, at)
    }

    /// Lets the buttons of a row be pressed again: what was to be done could not be done now.
    pub fn give_back(&mut self, row: RowId) -> Result<()> {
        self.tx
            .execute("UPDATE button SET used = 0 WHERE row = ?1", [row.0])
            .map(drop)
    }

    /// Takes the buttons of a row away, with `line` below what its message said.
    pub fn retire(&mut self, row: RowId, line: &str) -> Result<()> {
        self.posted = true;
        retire_row(self.tx, row, self.now, Some(line))
    }

    /// Lets the message of a row show this from now on, with these buttons and no others.
    pub fn change(
        &mut self,
        row: RowId,
        session: SessionId,
        body: &Formatted,
        offers: &[Vec<Offer>],
    ) -> Result<()> {
        let buttons = offer(self.tx, self.bot, session, row, self.now, offers)?;
        // What is said below it later goes below this.
        outbox::rewrite(self.tx, row, &Post::message(body.clone()))?;
        self.show(row, body, buttons)
    }

    /// The same without any buttons.
    pub fn say_instead(&mut self, row: RowId, body: &Formatted) -> Result<()> {
        outbox::rewrite(self.tx, row, &Post::message(body.clone()))?;
        self.show(row, body, Vec::new())
    }

    /// The time of day, as the clock on the wall of the host shows it.
    pub fn time_of_day(&self) -> Result<String> {
        self.tx.query_row(
            "SELECT strftime('%H:%M', ?1, 'unixepoch', 'localtime')",
            [self.now],
            |row| row.get(0),
        )
    }

    /// Puts a message into the outbox whose buttons are each for another session.
    pub fn offer_of_many(
        &mut self,
        place: Place,
        body: &Formatted,
        offers: &[(SessionId, Offer)],
    ) -> Result<RowId> {
        self.posted = true;
        post_choice(self.tx, self.bot, self.now, place, body, offers)
    }

    /// Puts a message with buttons into the outbox. They go with their session, if they are for one.
    pub fn offer(
        &mut self,
        place: Place,
        session: impl Into<Option<SessionId>>,
        notice: &Notice,
    ) -> Result<RowId> {
        self.posted = true;
        post_notice(self.tx, self.bot, session, self.now, place, notice)
    }
}

impl Store {
    /// What a button does, and for which session, if for any; None where there is none with this token.
    pub fn act_for(&self, bot: BotId, token: &str) -> Result<Option<(Act, Option<SessionId>)>> {
        self.read(|tx| {
            let found: Option<(String, Option<i64>)> = tx
                .prepare_cached("SELECT act, session FROM button WHERE token = ?1 AND bot = ?2")?
                .query_row((token, bot.0), |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            Ok(found.and_then(|(json, session)| {
                Some((serde_json::from_str(&json).ok()?, session.map(SessionId)))
            }))
        })
    }
}

/// Stores a message whose buttons do something, for a session if there is one.
pub(super) fn post_notice(
    tx: &Transaction<'_>,
    bot: BotId,
    session: impl Into<Option<SessionId>>,
    now: i64,
    place: Place,
    notice: &Notice,
) -> Result<RowId> {
    // The buttons name the row, and the row holds the buttons: it is stored first without them.
    let bare = Post::message(notice.body.clone());
    let row = outbox::insert(tx, bot, place, None, None, Lane::Text, &bare, now)?;
    let buttons = offer(tx, bot, session, row, now, &notice.offers)?;
    put_buttons(tx, row, &notice.body, buttons)?;
    Ok(row)
}

fn put_buttons(
    tx: &Transaction<'_>,
    row: RowId,
    body: &Formatted,
    buttons: Vec<Vec<Button>>,
) -> Result<()> {
    if buttons.is_empty() {
        return Ok(());
    }
    let whole = Post::Message {
        body: body.clone(),
        buttons,
        silent: false,
    };
    outbox::rewrite(tx, row, &whole)
}

/// Stores a message whose buttons are each for another session, one below the other.
pub(super) fn post_choice(
    tx: &Transaction<'_>,
    bot: BotId,
    now: i64,
    place: Place,
    body: &Formatted,
    offers: &[(SessionId, Offer)],
) -> Result<RowId> {
    let bare = Post::message(body.clone());
    let row = outbox::insert(tx, bot, place, None, None, Lane::Text, &bare, now)?;
    let buttons = choice(tx, bot, row, now, offers)?;
    put_buttons(tx, row, body, buttons)?;
    Ok(row)
}

/// Lets such a message say something else, with other buttons.
pub(super) fn change_choice(
    tx: &Transaction<'_>,
    (bot, place, row): (BotId, Place, RowId),
    now: i64,
    body: &Formatted,
    offers: &[(SessionId, Offer)],
) -> Result<()> {
    tx.execute("UPDATE button SET used = 1 WHERE row = ?1", [row.0])?;
    let buttons = choice(tx, bot, row, now, offers)?;
    let edit = Post::Edit {
        target: Target::Row(row),
        body: body.clone(),
        buttons: buttons.clone(),
    };
    outbox::insert(tx, bot, place, None, None, Lane::Text, &edit, now)?;
    put_buttons(tx, row, body, buttons)
}

/// The buttons of such a message.
fn choice(
    tx: &Transaction<'_>,
    bot: BotId,
    row: RowId,
    now: i64,
    offers: &[(SessionId, Offer)],
) -> Result<Vec<Vec<Button>>> {
    let mut buttons = Vec::new();
    for (session, one) in offers {
        buttons.extend(offer(tx, bot, *session, row, now, &[vec![one.clone()]])?);
    }
    Ok(buttons)
}

/// Notes what the buttons of a row do; returns them with their tokens.
pub(super) fn offer(
    tx: &Transaction<'_>,
    bot: BotId,
    session: impl Into<Option<SessionId>>,
    row: RowId,
    now: i64,
    offers: &[Vec<Offer>],
) -> Result<Vec<Vec<Button>>> {
    let session = session.into().map(|session| session.0);
    let mut note = |offer: &Offer| -> Result<Button> {
        let token = super::fresh_uuid().replace('-', "");
        let act = serde_json::to_string(&offer.act)
            .map_err(|error| Error::ToSqlConversionFailure(error.into()))?;
        tx.prepare_cached(
            "INSERT INTO button (token, bot, session, row, act, created) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((&token, bot.0, session, row.0, act, now))?;
        Ok(Button {
            label: offer.label.clone(),
            data: Act::button_data(&token),
        })
    };
    offers
        .iter()
        .map(|row| row.iter().map(&mut note).collect())
        .collect()
}

/// Takes the buttons from a row's message, with `line` below what it said, or never sends it where it was not sent yet.
pub(super) fn retire_row(
    tx: &Transaction<'_>,
    row: RowId,
    now: i64,
    line: Option<&str>,
) -> Result<()> {
    tx.execute("UPDATE button SET used = 1 WHERE row = ?1", [row.0])?;
    let unsent = tx.execute(
        "UPDATE outbox SET state = 'withdrawn' WHERE id = ?1 AND state = 'waiting'",
        [row.0],
    )?;
    if unsent > 0 {
        return Ok(());
    }
    let found = tx
        .query_row(
            "SELECT bot, chat, topic, post FROM outbox WHERE id = ?1",
            [row.0],
            |row| {
                Ok((
                    BotId(row.get(0)?),
                    place_of(row.get(1)?, row.get(2)?),
                    row.get::<_, String>(3)?,
                ))
            },
        )
        .optional()?;
    let Some((bot, place, json)) = found else {
        return Ok(());
    };
    let mut body = match serde_json::from_str(&json) {
        Ok(Post::Message { body, .. }) => body,
        _ => Formatted::default(),
    };
    // A long answer stays one message; who has pressed is told all the same.
    let fits = |line: &&str| utf16_len(&body.text) + 2 + utf16_len(line) <= MESSAGE_MAX;
    if let Some(line) = line.filter(fits) {
        body.text.push_str("\n\n");
        body.text.push_str(line);
    }
    let edit = Post::Edit {
        target: Target::Row(row),
        body,
        buttons: Vec::new(),
    };
    outbox::insert(tx, bot, place, None, None, Lane::Text, &edit, now).map(drop)
}

/// Takes the buttons from a row that was not sent yet.
fn strip(tx: &Transaction<'_>, row: RowId) -> Result<()> {
    tx.execute("UPDATE button SET used = 1 WHERE row = ?1", [row.0])?;
    let json: Option<String> = tx
        .query_row("SELECT post FROM outbox WHERE id = ?1", [row.0], |row| {
            row.get(0)
        })
        .optional()?;
    match json.and_then(|json| serde_json::from_str(&json).ok()) {
        Some(Post::Message { body, .. }) => outbox::rewrite(tx, row, &Post::message(body)),
        _ => Ok(()),
    }
}

/// Takes away the buttons that say what is to become of what waits for a session: it is not what it was when they were
/// shown, and what was meant for one message must not hit another. Those of a hold stay as long as it does.
pub(super) fn line_has_moved(tx: &Transaction<'_>, session: SessionId, now: i64) -> Result<()> {
    let rows: Vec<i64> = tx
        .prepare_cached(
            "SELECT DISTINCT row FROM button WHERE session = ?1 AND used = 0
             AND row NOT IN (SELECT row FROM hold WHERE row IS NOT NULL)
             AND json_extract(act, '$.do') IN ('run', 'drop', 'drop_listed', 'drop_one', 'send_now', 'retry', 'send_again', 'start_fresh', 'go_on')",
        )?
        .query_map([session.0], |row| row.get(0))?
        .collect::<Result<_>>()?;
    for row in rows {
        let waits = tx
            .prepare_cached("SELECT 1 FROM outbox WHERE id = ?1 AND state = 'waiting'")?
            .exists([row])?;
        if waits {
            // It still answers a question, only without them.
            strip(tx, RowId(row))?;
        } else {
            retire_row(tx, RowId(row), now, None)?;
        }
    }
    Ok(())
}

/// A message waits again that was changed while Claude seemed to have it: it is given as it says now, and that change is no
/// correction of anything, whether somebody has sent it as one (by a press, and it begins with `correction`) or is still
/// offered to.
pub(super) fn is_no_correction(
    tx: &Transaction<'_>,
    session: SessionId,
    text: &str,
    correction: &str,
    now: i64,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE inbox SET state = 'dropped' WHERE session = ?1 AND state = 'waiting' AND callback IS NOT NULL
         AND text = ?3 || ?2",
    )?
    .execute((session.0, text, correction))?;
    offers_no_correction(tx, session, text, now)
}

/// Takes the buttons away that offer to send this as a correction.
fn offers_no_correction(
    tx: &Transaction<'_>,
    session: SessionId,
    text: &str,
    now: i64,
) -> Result<()> {
    let rows: Vec<i64> = tx
        .prepare_cached(
            "SELECT DISTINCT row FROM button WHERE session = ?1 AND used = 0
             AND json_extract(act, '$.do') = 'correct' AND json_extract(act, '$.text') = ?2",
        )?
        .query_map((session.0, text), |row| row.get(0))?
        .collect::<Result<_>>()?;
    for row in rows {
        retire_row(tx, RowId(row), now, None)?;
    }
    Ok(())
}

/// A message that was given was changed before (`old`), and is changed again: what nobody has sent of the former change is
/// offered no more, and the correction that waits, if one does, is of the latter. Returns whether one does.
pub(super) fn changes_correction(
    tx: &Transaction<'_>,
    session: SessionId,
    (old, text): (&str, &str),
    correction: &str,
    now: i64,
) -> Result<bool> {
    offers_no_correction(tx, session, old, now)?;
    let changed: Vec<i64> = tx
        .prepare_cached(
            "UPDATE inbox SET text = ?4 || ?3 WHERE session = ?1 AND state = 'waiting' AND callback IS NOT NULL
             AND text = ?4 || ?2 RETURNING id",
        )?
        .query_map((session.0, old, text, correction), |row| row.get(0))?
        .collect::<Result<_>>()?;
    for message in &changed {
        denies_with(tx, session, *message, &format!("{correction}{text}"))?;
    }
    if !changed.is_empty() {
        // A list may show the old one.
        line_has_moved(tx, session, now)?;
    }
    Ok(!changed.is_empty())
}

/// A message that waits says something else: a request that is denied with it is denied with that.
pub(super) fn denies_with(
    tx: &Transaction<'_>,
    session: SessionId,
    message: i64,
    text: &str,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE button SET act = json_set(act, '$.text', ?3) WHERE session = ?1 AND used = 0
         AND json_extract(act, '$.do') = 'deny_with' AND json_extract(act, '$.message') = ?2",
    )?
    .execute((session.0, message, text))
    .map(drop)
}

/// Finds what a button does, and uses it up with all others of its message.
fn take(tx: &Transaction<'_>, bot: BotId, token: &str, at: (Place, Option<i64>)) -> Result<Taken> {
    let found = tx
        .prepare_cached(
            "SELECT button.act, button.session, button.row, button.used, outbox.chat, outbox.topic, outbox.message,
                    outbox.tries
             FROM button JOIN outbox ON outbox.id = button.row WHERE button.token = ?1 AND button.bot = ?2",
        )?
        .query_row((token, bot.0), |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, Option<i64>>(1)?,
                RowId(row.get(2)?),
                row.get::<_, bool>(3)?,
                place_of(row.get(4)?, row.get(5)?),
                row.get::<_, Option<i64>>(6)?,
                row.get::<_, i64>(7)?,
            ))
        })
        .optional()?;
    let Some((json, session, row, used, place, message, tries)) = found else {
        return Ok(Taken::Foreign);
    };
    let (pressed_at, pressed) = at;
    // One that had to be sent twice may stand in the chat twice, and only one of the two is known by number.
    if place.chat != pressed_at.chat || (tries <= 1 && message.is_some() && message != pressed) {
        return Ok(Taken::Foreign);
    }
    if used {
        return Ok(Taken::Over);
    }
    let act = serde_json::from_str(&json).map_err(|error| {
        Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, error.into())
    })?;
    tx.execute("UPDATE button SET used = 1 WHERE row = ?1", [row.0])?;
    if let Some(pressed) = pressed {
        // The press proves that it arrived, and the message to change is the one at which the person looks.
        tx.execute(
            "UPDATE outbox SET message = ?2, state = iif(state = 'waiting', 'delivered', state) WHERE id = ?1",
            (row.0, pressed),
        )?;
    }
    Ok(match session.map(SessionId) {
        Some(session) => Taken::Now(Offered { act, session, row }),
        None => Taken::OfNoSession { act, row },
    })
}
