//! Sessions that go and come back as a whole. The wish is written down first; when what it needs on the disk is done, one
//! transaction makes it true.
//!
//! What is done on the disk, and how that is undone, is `session::moving`'s.

use rusqlite::{OptionalExtension, Transaction};
use serde::{Deserialize, Serialize};

use super::holds::{Held, Holding, Release};
use super::log::{self, Said};
use super::{
    Home, Intake, Made, New, Result, Step, Store, fresh_uuid, holds, left_behind, outbox, place_of,
    places, topic_column,
};
use crate::chat::{BotId, Hold, Lane, Moving, Notice, Place, Post, SessionId};
use crate::store::places::Folder;

/// What is kept of a session when it is put away, besides its folder and what was said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub name: String,
    pub folder: String,
    /// Whether chappe has made the folder, so that it is in the archive.
    pub owns_folder: bool,
    /// Claude's id of the conversation.
    pub claude: String,
    /// Whether Claude has taken anything under it.
    pub said: bool,
    pub persona: String,
    pub prompt: String,
    pub model: Option<String>,
    pub mode: Option<String>,
    pub max_turns: Option<u32>,
    pub idle: Option<i64>,
    pub created: i64,
    pub active: i64,
    pub cost: f64,
    /// Whether the beginning of what was said is not kept. Older archives do not say it.
    #[serde(default)]
    pub log_cut: bool,
}

/// Whether a session has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departed {
    Yes {
        /// Where its end is told, if anywhere.
        told_at: Option<Place>,
    },
    /// Something came for it meanwhile. What was done for its going is to be undone, which is remembered.
    Stays,
    /// It goes in another way.
    Otherwise,
}

/// Why a session stays that was to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stays {
    /// Something was chosen for it, so that what was done is not what it is now.
    Changed,
    /// Something of it is not finished.
    Unfinished,
    /// Another session, of this name, works in its folder.
    Guest(String),
}

/// What is to become of a session; None where it stays as it is.
pub(super) fn moving(tx: &Transaction<'_>, session: SessionId) -> Result<Option<Moving>> {
    let json: Option<String> = tx
        .prepare_cached("SELECT moving FROM session WHERE id = ?1")?
        .query_row([session.0], |row| row.get(0))
        .optional()?
        .flatten();
    Ok(json.and_then(|json| serde_json::from_str(&json).ok()))
}

/// What is to be done now of what is to become of a session: one that could not be brought back waits for a person.
pub(super) fn to_do(
    tx: &Transaction<'_>,
    session: SessionId,
    held: Option<Held>,
) -> Result<Option<Moving>> {
    let is_broken = held.is_some_and(|held| held.reason == Hold::Broken);
    let moving = moving(tx, session)?;
    Ok(moving.filter(|moving| !(is_broken && matches!(moving, Moving::Restore { .. }))))
}

/// A session that was to go stays. What was done for its going may be on the disk: that is remembered until it is undone.
pub(super) fn stays(tx: &Transaction<'_>, session: SessionId) -> Result<()> {
    let file = match moving(tx, session)? {
        Some(Moving::Archive { file }) => Some(file),
        Some(Moving::Delete { file }) => file,
        Some(Moving::Restore { .. } | Moving::Stay { .. }) | None => return Ok(()),
    };
    wants(tx, session, &Moving::Stay { file })
}

fn wants(tx: &Transaction<'_>, session: SessionId, moving: &Moving) -> Result<()> {
    tx.prepare_cached("UPDATE session SET moving = ?2 WHERE id = ?1")?
        .execute((session.0, outbox::json(moving)?))
        .map(drop)
}

fn is_settled(tx: &Transaction<'_>, session: SessionId) -> Result<()> {
    tx.prepare_cached("UPDATE session SET moving = NULL WHERE id = ?1")?
        .execute([session.0])
        .map(drop)
}

/// Where it is told what has become of a session.
fn asked_at(tx: &Transaction<'_>, session: SessionId) -> Result<Option<Place>> {
    let place = tx
        .prepare_cached("SELECT moving_chat, moving_topic FROM session WHERE id = ?1 AND moving_chat IS NOT NULL")?
        .query_row([session.0], |row| Ok(place_of(row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(place)
}

/// Lets a place talk to the session that it talked to before this one, if that is still there.
fn talks_again(
    tx: &Transaction<'_>,
    bot: BotId,
    place: Place,
    session: SessionId,
    before: SessionId,
) -> Result<()> {
    tx.prepare_cached(
        "UPDATE binding SET session = ?5 WHERE bot = ?1 AND chat = ?2 AND topic = ?3 AND session = ?4
         AND EXISTS (SELECT 1 FROM session WHERE id = ?5)",
    )?
    .execute((bot.0, place.chat.0, topic_column(place), session.0, before.0))
    .map(drop)
}

fn tell(
    tx: &Transaction<'_>,
    bot: BotId,
    place: Option<Place>,
    post: &Post,
    now: i64,
) -> Result<()> {
    match place {
        Some(place) => outbox::insert(tx, bot, place, None, None, Lane::Text, post, now).map(drop),
        None => Ok(()),
    }
}

/// How many numbers are known of sessions that were put away.
const NUMBERS_MAX: i64 = 1_000;

/// Notes by which number a session was known that is put away.
fn note_number(tx: &Transaction<'_>, session: SessionId, claude: &str) -> Result<()> {
    tx.prepare_cached("INSERT OR REPLACE INTO was_session (claude, session) VALUES (?1, ?2)")?
        .execute((claude, session.0))?;
    tx.prepare_cached(
        "DELETE FROM was_session WHERE session <= (
             SELECT session FROM was_session ORDER BY session DESC LIMIT 1 OFFSET ?1)",
    )?
    .execute([NUMBERS_MAX])
    .map(drop)
}

/// What a session has said before it was put away is said by the one that it has come back as: replies to it are for that.
fn take_over_number(tx: &Transaction<'_>, session: SessionId, claude: &str) -> Result<()> {
    let was: Option<i64> = tx
        .prepare_cached("DELETE FROM was_session WHERE claude = ?1 RETURNING session")?
        .query_row([claude], |row| row.get(0))
        .optional()?;
    let Some(was) = was else { return Ok(()) };
    tx.prepare_cached("UPDATE outbox SET session = ?2 WHERE session = ?1")?
        .execute((was, session.0))
        .map(drop)
}

/// The session to which a place spoke last before this one, if that is still there.
fn talks_next(
    tx: &Transaction<'_>,
    bot: BotId,
    place: Place,
    session: SessionId,
) -> Result<Option<SessionId>> {
    tx.prepare_cached(
        "SELECT session FROM prompt WHERE bot = ?1 AND chat = ?2 AND topic = ?3 AND session != ?4
         ORDER BY id DESC LIMIT 1",
    )?
    .query_row(
        (bot.0, place.chat.0, topic_column(place), session.0),
        |row| row.get(0).map(SessionId),
    )
    .optional()
}

/// The places that talk to a session, with their bots.
fn talks_to(tx: &Transaction<'_>, session: SessionId) -> Result<Vec<(BotId, Place)>> {
    tx.prepare_cached(
        "SELECT bot, chat, topic FROM binding WHERE session = ?1 ORDER BY bot, chat, topic",
    )?
    .query_map([session.0], |row| {
        Ok((BotId(row.get(0)?), place_of(row.get(1)?, row.get(2)?)))
    })?
    .collect()
}

/// Takes a session out of everything that knows of it. What is still to be sent to people stays.
fn remove(tx: &Transaction<'_>, session: SessionId) -> Result<()> {
    for step in [
        "UPDATE outbox SET session = ?1 WHERE session IS NULL AND (
             prompt IN (SELECT id FROM prompt WHERE session = ?1) OR id IN (SELECT row FROM request WHERE session = ?1))",
        "DELETE FROM binding WHERE session = ?1",
        "DELETE FROM hold WHERE session = ?1",
        "DELETE FROM button WHERE session = ?1",
        "DELETE FROM request WHERE session = ?1",
        // The updates themselves are still to be known again.
        "UPDATE inbox SET session = NULL, text = NULL, prompt = NULL, state = 'closed' WHERE session = ?1",
        "UPDATE inbox SET prompt = NULL WHERE prompt IN (SELECT id FROM prompt WHERE session = ?1)",
        // Numbers of prompts are given again, and those of sessions are not.
        "UPDATE outbox SET prompt = NULL WHERE prompt IN (SELECT id FROM prompt WHERE session = ?1)",
        "DELETE FROM prompt WHERE session = ?1",
        "INSERT INTO known (name, value) VALUES ('last_session', CAST(?1 AS TEXT))
         ON CONFLICT (name) DO UPDATE SET
             value = CAST(max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER)) AS TEXT)",
        "DELETE FROM log WHERE session = ?1",
        "DELETE FROM granted WHERE session = ?1 AND reach = 'session'",
        // Its own folder goes with it, and one of the same name is another one.
        "DELETE FROM granted WHERE reach = 'folder'
         AND folder = (SELECT folder FROM session WHERE id = ?1 AND own = 1)",
        "UPDATE granted SET session = NULL WHERE session = ?1",
        "DELETE FROM session WHERE id = ?1",
    ] {
        tx.prepare_cached(step)?.execute([session.0])?;
    }
    Ok(())
}

fn kept(tx: &Transaction<'_>, session: SessionId) -> Result<Option<Kept>> {
    tx.prepare_cached("SELECT * FROM session WHERE id = ?1")?
        .query_row([session.0], |row| {
            Ok(Kept {
                name: row.get("name")?,
                folder: row.get("folder")?,
                owns_folder: row.get("own")?,
                claude: row.get("claude")?,
                said: row.get("heard")?,
                persona: row.get("persona")?,
                prompt: row.get("prompt")?,
                model: row.get("model")?,
                mode: row.get("mode")?,
                max_turns: row.get("max_turns")?,
                idle: row.get("idle")?,
                created: row.get("created")?,
                active: row.get("active")?,
                cost: row.get("cost")?,
                log_cut: row.get("log_cut")?,
            })
        })
        .optional()
}

/// Whether anything of a session is not finished.
fn has_open(tx: &Transaction<'_>, session: SessionId) -> Result<bool> {
    let has_prompt = tx
        .prepare_cached("SELECT 1 FROM prompt WHERE session = ?1 AND state != 'closed'")?
        .exists([session.0])?;
    let is_asked = tx
        .prepare_cached("SELECT 1 FROM inbox WHERE session = ?1 AND state = 'asked'")?
        .exists([session.0])?;
    Ok(has_prompt
        || is_asked
        || holds::waiting(tx, session)? > 0
        || holds::tries_again(tx, session)?)
}

/// The name of another session that works in the folder of this one, which then cannot go with it.
fn guest(tx: &Transaction<'_>, session: SessionId) -> Result<Option<String>> {
    tx.prepare_cached(
        "SELECT other.name FROM session JOIN session other ON other.id != session.id
         WHERE session.id = ?1 AND session.own = 1 AND (other.folder = session.folder
             OR substr(other.folder, 1, length(session.folder) + 1) = session.folder || '/') LIMIT 1",
    )?
    .query_row([session.0], |row| row.get(0))
    .optional()
}

/// Why a session cannot go as it was at `revision`; None where it can.
fn why_stays(tx: &Transaction<'_>, session: SessionId, revision: i64) -> Result<Option<Stays>> {
    if let Some(guest) = guest(tx, session)? {
        return Ok(Some(Stays::Guest(guest)));
    }
    if has_open(tx, session)? {
        return Ok(Some(Stays::Unfinished));
    }
    let is_the_same = tx
        .prepare_cached("SELECT 1 FROM session WHERE id = ?1 AND revision = ?2")?
        .exists((session.0, revision))?;
    Ok((!is_the_same).then_some(Stays::Changed))
}

impl Intake<'_> {
    /// The name of another session that works in the folder of this one, which then cannot go with it.
    pub fn guest(&self, session: SessionId) -> Result<Option<String>> {
        guest(self.tx, session)
    }

    /// Notes that a session is to go, and where that was asked for. Wanted once more, it goes into the same archive, or that
    /// goes as well: what a former wish has left of it is not forgotten.
    pub fn put_away(&mut self, session: SessionId, place: Place, moving: &Moving) -> Result<()> {
        let left = match self::moving(self.tx, session)? {
            Some(Moving::Archive { file }) => Some(file),
            Some(Moving::Stay { file } | Moving::Delete { file }) => file,
            Some(Moving::Restore { .. }) | None => None,
        };
        let former = match (left, moving) {
            (Some(file), Moving::Archive { .. }) => Some(Moving::Archive { file }),
            (file @ Some(_), Moving::Delete { .. }) => Some(Moving::Delete { file }),
            _ => None,
        };
        wants(self.tx, session, former.as_ref().unwrap_or(moving))?;
        self.tx.execute(
            "UPDATE session SET moving_chat = ?2, moving_topic = ?3 WHERE id = ?1",
            (session.0, place.chat.0, topic_column(place)),
        )?;
        self.touched.insert(session);
        Ok(())
    }

    /// What a session waits for that is not back yet, so that there is nothing that could go; None for all others.
    pub fn coming_back(&self, session: SessionId) -> Result<Option<Moving>> {
        let moving = moving(self.tx, session)?;
        Ok(moving.filter(|moving| matches!(moving, Moving::Restore { .. })))
    }

    /// Lets a session go that could not be brought back, unless something still waits for it: its archive stays, and what
    /// was talked to before is talked to again.
    pub(super) fn give_up(&mut self, session: SessionId) -> Result<()> {
        let Some(Moving::Restore { before, .. }) = moving(self.tx, session)? else {
            return Ok(());
        };
        if has_open(self.tx, session)? {
            return Ok(());
        }
        if let (Some(place), Some(before)) = (asked_at(self.tx, session)?, before) {
            talks_again(self.tx, self.bot, place, session, before)?;
        }
        remove(self.tx, session)
    }

    /// Whether a session waits for a person to say what becomes of it, because there can be no process for it.
    pub fn is_broken(&self, session: SessionId) -> Result<bool> {
        let held = holds::held(self.tx, session)?;
        Ok(held.is_some_and(|held| held.reason == Hold::Broken))
    }

    /// Whether anything of a session is not finished, so that it cannot go.
    pub fn has_open(&self, session: SessionId) -> Result<bool> {
        has_open(self.tx, session)
    }

    /// Makes a session that is to come back out of an archive, and lets the place talk to it.
    pub fn bring_back(
        &mut self,
        place: Place,
        name: &str,
        home: &Home,
        moving: &Moving,
    ) -> Result<Made> {
        let new = New {
            name,
            // What lies where it goes is looked at when it is unpacked.
            folder: Folder::In(&home.root, &[]),
            persona: &home.persona,
        };
        let made = self.make_session(place, &new)?;
        if let Made::Yes { session, .. } = made {
            self.put_away(session, place, moving)?;
        }
        Ok(made)
    }

    /// A time as a file's name holds it, in UTC.
    pub fn stamp(&self) -> Result<String> {
        self.tx.query_row(
            "SELECT strftime('%Y%m%d-%H%M%S', ?1, 'unixepoch')",
            [self.now],
            |row| row.get(0),
        )
    }
}

impl Store {
    /// Whether nothing is to become of a session as a whole.
    pub fn is_settled(&self, session: SessionId) -> Result<bool> {
        self.read(|tx| Ok(moving(tx, session)?.is_none()))
    }

    /// What is kept of a session when it is put away; None where it is gone.
    pub fn kept(&self, session: SessionId) -> Result<Option<Kept>> {
        self.read(|tx| kept(tx, session))
    }

    /// The session is gone, unless something has come for it or it is not to go any more. Told where it was asked for; so is
    /// why it stays, by the name that it has now, unless whoever wanted something else knows. What it leaves on the disk is noted.
    /// Full.
    ///
    /// `done` is what was done on the disk for it, of the session as it was at `revision`: where either is not what it is now,
    /// what was done is of no use.
    pub fn depart(
        &self,
        bot: BotId,
        session: SessionId,
        now: i64,
        done: (&Moving, i64),
        post: impl Fn(Option<&str>) -> Post,
        stays_since: impl Fn(&str, &Stays) -> Post,
    ) -> Result<Departed> {
        self.write(Step::Depart, |tx| {
            let (carried_out, revision) = done;
            let wanted = moving(tx, session)?;
            if wanted.as_ref() != Some(carried_out) {
                return Ok(match wanted {
                    Some(Moving::Stay { .. }) => Departed::Stays,
                    _ => Departed::Otherwise,
                });
            }
            let place = asked_at(tx, session)?;
            if let Some(why) = why_stays(tx, session, revision)? {
                stays(tx, session)?;
                let name: String = tx
                    .prepare_cached("SELECT name FROM session WHERE id = ?1")?
                    .query_row([session.0], |row| row.get(0))?;
                tell(tx, bot, place, &stays_since(&name, &why), now)?;
                return Ok(Departed::Stays);
            }
            if let Some(kept) = kept(tx, session)? {
                left_behind::note(tx, session, &kept)?;
                if matches!(carried_out, Moving::Archive { .. }) {
                    note_number(tx, session, &kept.claude)?;
                }
            }
            let others = talks_to(tx, session)?;
            let next = |bot: BotId, place: Place| talks_next(tx, bot, place, session);
            let nexts: Vec<Option<SessionId>> = others
                .iter()
                .map(|(bot, place)| next(*bot, *place))
                .collect::<Result<_>>()?;
            // What is said of a failure can be answered no more.
            holds::release(tx, session, now, Release::GoOn, None)?;
            remove(tx, session)?;
            let mut is_told = false;
            for ((of, at), next) in others.into_iter().zip(nexts) {
                // Whoever writes there next writes to another one.
                let name = match next {
                    Some(next) => {
                        places::bind(tx, of, at, next)?;
                        tx.prepare_cached("SELECT name FROM session WHERE id = ?1")?
                            .query_row([next.0], |row| row.get::<_, String>(0))
                            .optional()?
                    }
                    None => None,
                };
                tell(tx, of, Some(at), &post(name.as_deref()), now)?;
                is_told |= (of, Some(at)) == (bot, place);
            }
            if !is_told {
                tell(tx, bot, place, &post(None), now)?;
            }
            Ok(Departed::Yes { told_at: place })
        })
    }

    /// Tells something of a session that is gone. It is not told again. Normal.
    pub fn tell_at(&self, bot: BotId, place: Place, now: i64, post: &Post) -> Result<()> {
        self.write(Step::Tell, |tx| tell(tx, bot, Some(place), post, now))
    }

    /// The session stays as it is, and why is told where it was asked to go; what was done for its going is still to be
    /// undone. One that was to come back goes again, and where it was asked for, what was talked to before is talked to
    /// again; unless something has come for it: that is held and asked about, for it is not to begin anew. Full.
    pub fn stay(
        &self,
        bot: BotId,
        session: SessionId,
        now: i64,
        post: &Post,
        held: impl FnOnce(usize) -> Notice,
    ) -> Result<()> {
        self.write(Step::Stay, |tx| {
            let place = asked_at(tx, session)?;
            let Some(Moving::Restore { before, .. }) = moving(tx, session)? else {
                stays(tx, session)?;
                return tell(tx, bot, place, post, now);
            };
            if let (Some(place), true) = (place, has_open(tx, session)?) {
                let holding = Holding {
                    reason: Hold::Broken,
                    until: None,
                    retry: None,
                };
                holds::hold(tx, session, now, None, &holding)?;
                let notice = held(holds::waiting(tx, session)?);
                return holds::tell(tx, bot, session, now, place, &notice, None);
            }
            if let (Some(place), Some(before)) = (place, before) {
                talks_again(tx, bot, place, session, before)?;
            }
            remove(tx, session)?;
            tell(tx, bot, place, post, now)
        })
    }

    /// What was done for the going of a session that stays is undone, unless it is to go again; or it cannot be, which
    /// `post` tells where it was asked to go. Full.
    pub fn undone(
        &self,
        bot: BotId,
        session: SessionId,
        now: i64,
        post: Option<&Post>,
    ) -> Result<()> {
        self.write(Step::Undone, |tx| {
            let place = asked_at(tx, session)?;
            if matches!(moving(tx, session)?, Some(Moving::Stay { .. })) {
                is_settled(tx, session)?;
            }
            match post {
                Some(post) => tell(tx, bot, place, post, now),
                None => Ok(()),
            }
        })
    }

    /// The session is back, with what was kept of it. Where another one goes on with its conversation by now, it begins a new
    /// one: two in one would lose a part of it. `post` is asked whether that is so. Full.
    pub fn arrive(
        &self,
        bot: BotId,
        session: SessionId,
        now: i64,
        kept: &Kept,
        said: &[Said],
        post: impl Fn(bool) -> Post,
    ) -> Result<()> {
        self.write(Step::Arrive, |tx| {
            if moving(tx, session)?.is_none() {
                return Ok(());
            }
            let place = asked_at(tx, session)?;
            let is_taken = tx
                .prepare_cached("SELECT 1 FROM session WHERE claude = ?1 AND id != ?2")?
                .exists((&kept.claude, session.0))?;
            let goes_on = kept.said && !is_taken;
            tx.execute(
                "UPDATE session SET moving = NULL, folder = ?2, own = ?3, claude = ?4, said = ?5, heard = ?5, persona = ?6,
                     prompt = ?7, model = ?8, mode = ?9, max_turns = ?10, idle = ?11, created = ?12, cost = ?13,
                     active = ?14, log_cut = ?15, revision = revision + 1, generation = generation + 1
                 WHERE id = ?1",
                rusqlite::params![
                    session.0,
                    kept.folder,
                    kept.owns_folder,
                    kept.claude,
                    goes_on,
                    kept.persona,
                    kept.prompt,
                    kept.model,
                    kept.mode,
                    kept.max_turns,
                    kept.idle,
                    kept.created,
                    kept.cost,
                    now,
                    kept.log_cut,
                ],
            )?;
            if !goes_on {
                // Claude may know the old one all the same, where nobody looks for it from here, and begins none twice.
                tx.prepare_cached("UPDATE session SET claude = ?2 WHERE id = ?1")?
                    .execute((session.0, fresh_uuid()))?;
            }
            left_behind::is_back(tx, &kept.claude)?;
            take_over_number(tx, session, &kept.claude)?;
            for one in said {
                log::note(tx, session, one.at, &one.by, &one.text)?;
            }
            tell(tx, bot, place, &post(is_taken), now)
        })
    }
}
