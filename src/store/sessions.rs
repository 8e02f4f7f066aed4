//! Sessions and bots: who they are, which process they have, how far the updates are stored.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{OptionalExtension, Row, Transaction};

use super::holds::{self, Release};
use super::{Error, Intake, Result, Step, Store, outbox, place_of, topic_column};
use crate::chat::{
    BotId, Chosen, Formatted, IdleTimeout, Lane, Persona, Place, Post, PromptId, SessionId, Target,
};

/// A named conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub name: String,
    /// Where Claude runs.
    pub folder: PathBuf,
    /// Claude's own session id.
    pub claude: String,
    /// Marks everything that is started for the session, in its environment. Random, and the same for ever.
    pub mark: String,
    /// Whether Claude is known to have something under that id, so that there is something to resume.
    pub said: bool,
    /// Whether Claude has taken anything under it.
    pub heard: bool,
    pub persona: String,
    /// What it adds to Claude's system prompt.
    pub prompt: String,
    /// None: the configuration's.
    pub max_turns: Option<u32>,
    pub chosen: Chosen,
    /// Whether chappe has made its folder.
    pub owns_folder: bool,
    /// When its last process ended, in Unix seconds.
    pub slept: Option<i64>,
    /// When something last happened, in Unix seconds.
    pub active: i64,
    /// The process that was last known to serve it; whether it still lives has to be looked at.
    pub living: Option<Living>,
}

/// A process, named so that a later one with the same number is not taken for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Living {
    pub pid: i32,
    /// When it started, in clock ticks after boot (field 22 of /proc/PID/stat).
    pub start: u64,
    /// The boot in which it started.
    pub boot: String,
}

fn session_from(row: &Row<'_>) -> Result<Session> {
    let pid: Option<i32> = row.get("pid")?;
    let living = match pid {
        Some(pid) => Some(Living {
            pid,
            start: row.get::<_, i64>("pid_start")? as u64,
            boot: row.get("boot")?,
        }),
        None => None,
    };
    Ok(Session {
        id: SessionId(row.get("id")?),
        name: row.get("name")?,
        folder: PathBuf::from(row.get::<_, String>("folder")?),
        claude: row.get("claude")?,
        mark: row.get("mark")?,
        said: row.get("said")?,
        heard: row.get("heard")?,
        persona: row.get("persona")?,
        prompt: row.get("prompt")?,
        max_turns: row.get("max_turns")?,
        chosen: chosen_from(row)?,
        owns_folder: row.get("own")?,
        slept: row.get("slept")?,
        active: row.get("active")?,
        living,
    })
}

/// What was chosen for a session.
pub(super) fn chosen_from(row: &Row<'_>) -> Result<Chosen> {
    let idle: Option<i64> = row.get("idle")?;
    Ok(Chosen {
        revision: row.get("revision")?,
        generation: row.get("generation")?,
        model: row.get("model")?,
        mode: row.get("mode")?,
        idle: idle.map(|seconds| match u64::try_from(seconds) {
            Ok(seconds) => IdleTimeout::After(Duration::from_secs(seconds)),
            Err(_) => IdleTimeout::Never,
        }),
    })
}

impl Store {
    /// The offset for the next getUpdates; 0 for a bot that has not been seen.
    pub fn next_offset(&self, bot: BotId) -> Result<i64> {
        self.read(|tx| {
            let offset = tx
                .query_row(
                    "SELECT next_offset FROM bot WHERE id = ?1",
                    [bot.0],
                    |row| row.get(0),
                )
                .optional()?;
            Ok(offset.unwrap_or(0))
        })
    }

    /// The list of commands that Telegram was last told of; None before the first time.
    pub fn menu(&self, bot: BotId) -> Result<Option<String>> {
        self.read(|tx| {
            let menu = tx
                .query_row("SELECT menu FROM bot WHERE id = ?1", [bot.0], |row| {
                    row.get(0)
                })
                .optional()?;
            Ok(menu.flatten())
        })
    }

    /// Notes the list of commands that Telegram knows now. Normal: it can be told again.
    pub fn set_menu(&self, bot: BotId, menu: &str) -> Result<()> {
        self.write(Step::SetMenu, |tx| {
            tx.execute(
                "INSERT INTO bot (id, next_offset, menu) VALUES (?1, 0, ?2)
                 ON CONFLICT (id) DO UPDATE SET menu = excluded.menu",
                (bot.0, menu),
            )
            .map(drop)
        })
    }

    /// Returns the session, or None where it is gone.
    pub fn session(&self, session: SessionId) -> Result<Option<Session>> {
        self.read(|tx| {
            tx.prepare_cached("SELECT * FROM session WHERE id = ?1")?
                .query_row([session.0], session_from)
                .optional()
        })
    }

    /// The session that a place talks to; None where it talks to none.
    pub fn session_of(&self, bot: BotId, place: Place) -> Result<Option<Session>> {
        self.read(|tx| {
            tx.prepare_cached(
                "SELECT session.* FROM session JOIN binding ON binding.session = session.id
                 WHERE binding.bot = ?1 AND binding.chat = ?2 AND binding.topic = ?3",
            )?
            .query_row((bot.0, place.chat.0, topic_column(place)), session_from)
            .optional()
        })
    }

    /// Whether a session has this mark, or this conversation.
    pub fn knows_mark(&self, mark: &str) -> Result<bool> {
        self.read(|tx| {
            tx.prepare("SELECT 1 FROM session WHERE mark = ?1")?
                .exists([mark])
        })
    }

    pub fn knows_conversation(&self, claude: &str) -> Result<bool> {
        self.read(|tx| {
            tx.prepare("SELECT 1 FROM session WHERE claude = ?1")?
                .exists([claude])
        })
    }

    /// The sessions that have something open for whatever bot: a waiting message, an open prompt, an unsettled request. In
    /// the order in which they go on: first those in whose turn it was, then who has waited for longest.
    pub fn open_sessions(&self) -> Result<Vec<SessionId>> {
        self.read(|tx| {
            let mut statement = tx.prepare(
                "SELECT session, min(rank), since FROM (
                     SELECT session, 0 AS rank, min(id) AS since FROM prompt WHERE state != 'closed' GROUP BY session
                     UNION ALL
                     SELECT session, 1, min(id) FROM inbox WHERE state = 'waiting' GROUP BY session
                     UNION ALL
                     SELECT id, 2, id FROM session WHERE stop != 0 OR moving IS NOT NULL
                     UNION ALL
                     SELECT session, 2, session FROM request WHERE state = 'open' OR told = 0
                 ) GROUP BY session ORDER BY 2, 3, 1",
            )?;
            statement
                .query_map([], |row| row.get(0).map(SessionId))?
                .collect()
        })
    }

    /// The sessions' root is reached over links: what was noted as lying below it by one name lies below it by its real
    /// one. Only then can it be told which folder lies in which. Normal: it is done again at the next start.
    pub fn resolve_folders(&self, written: &Path, real: &Path) -> Result<()> {
        let (written, real) = (written.to_string_lossy(), real.to_string_lossy());
        self.write(Step::Resolve, |tx| {
            for table in ["session", "granted"] {
                tx.execute(
                    &format!(
                        "UPDATE {table} SET folder = ?2 || substr(folder, length(?1) + 1)
                         WHERE substr(folder, 1, length(?1) + 1) = ?1 || '/'"
                    ),
                    (&written, &real),
                )?;
            }
            Ok(())
        })
    }

    /// Applies the lists of those who may speak, and of the groups where they may, to what waits: what is not on them any
    /// more gets nothing done. Whoever is on them again is asked what is to become of what they had written. The lists
    /// never change while chappe runs, so once at the start is enough; what is sent is looked at when it is sent. Full.
    pub fn admit_only(&self, users: &[i64], chats: &[i64], now: i64) -> Result<()> {
        let (users, chats) = (list(users)?, list(chats)?);
        self.write(Step::Admit, |tx| {
            tx.execute(
                "UPDATE inbox SET state = 'barred', question = NULL WHERE state IN ('waiting', 'asked')
                 AND (user NOT IN (SELECT value FROM json_each(?1))
                      OR chat < 0 AND chat NOT IN (SELECT value FROM json_each(?2)))",
                (&users, &chats),
            )?;
            tx.execute(
                "UPDATE inbox SET state = 'asked' WHERE state = 'barred'
                 AND user IN (SELECT value FROM json_each(?1))
                 AND (chat > 0 OR chat IN (SELECT value FROM json_each(?2)))",
                (&users, &chats),
            )?;
            // Nor is anything of theirs that was cut off taken up again.
            tx.execute(
                "UPDATE prompt SET state = 'closed', outcome = 'barred', closed = ?3 WHERE state != 'closed'
                 AND (user NOT IN (SELECT value FROM json_each(?1))
                      OR chat < 0 AND chat NOT IN (SELECT value FROM json_each(?2)))",
                (&users, &chats, now),
            )?;
            // Nor does anything stay allowed by them.
            tx.execute(
                "DELETE FROM granted WHERE user NOT IN (SELECT value FROM json_each(?1))",
                [&users],
            )?;
            // Nor is anything of theirs that failed tried again; and it holds nobody else up.
            let held: Vec<i64> = tx
                .prepare(
                    "SELECT hold.session FROM hold JOIN prompt ON prompt.id = hold.prompt
                     WHERE prompt.user NOT IN (SELECT value FROM json_each(?1))
                        OR prompt.chat < 0 AND prompt.chat NOT IN (SELECT value FROM json_each(?2))",
                )?
                .query_map((&users, &chats), |row| row.get(0))?
                .collect::<Result<_>>()?;
            for session in held {
                holds::release(tx, SessionId(session), now, Release::GoOn, None)?;
            }
            Ok(())
        })
    }

    /// Tells whoever is on the lists again that a turn of theirs has ended when they were not, with `line` in its status
    /// message or in one of its own. Full: it is said once.
    pub fn tell_of_barred(
        &self,
        bot: BotId,
        users: &[i64],
        chats: &[i64],
        now: i64,
        line: &Formatted,
    ) -> Result<()> {
        let (users, chats) = (list(users)?, list(chats)?);
        self.write(Step::Admit, |tx| {
            let ended: Vec<(PromptId, Place, bool)> = tx
                .prepare(
                    "UPDATE prompt SET outcome = 'stopped' WHERE outcome = 'barred'
                     AND user IN (SELECT value FROM json_each(?1))
                     AND (chat > 0 OR chat IN (SELECT value FROM json_each(?2)))
                     RETURNING id, chat, topic, bot = ?3 AND steered IS NULL",
                )?
                .query_map((&users, &chats, bot.0), |row| {
                    let place = place_of(row.get(1)?, row.get(2)?);
                    Ok((PromptId(row.get(0)?), place, row.get(3)?))
                })?
                .collect::<Result<_>>()?;
            // What went into a turn has no status message, and another bot cannot change what this one has not sent.
            for (prompt, place, _) in ended.into_iter().filter(|(_, _, is_told)| *is_told) {
                let edit = Post::Edit {
                    target: Target::StatusOrNew(prompt),
                    body: line.clone(),
                    buttons: Vec::new(),
                };
                outbox::insert(tx, bot, place, Some(prompt), None, Lane::Text, &edit, now)?;
            }
            Ok(())
        })
    }

    /// Gives the session another Claude session id, under which nothing was said yet. Where `before` is given, only in place
    /// of that one: another conversation may have been taken over meanwhile. Returns whether it has it now. Normal.
    pub fn set_claude_session(
        &self,
        session: SessionId,
        before: Option<&str>,
        claude: &str,
    ) -> Result<bool> {
        self.write(Step::SetConversation, |tx| {
            let changed = tx.execute(
                "UPDATE session SET claude = ?2, said = 0, heard = 0 WHERE id = ?1 AND claude = COALESCE(?3, claude)",
                (session.0, claude, before),
            )?;
            Ok(changed > 0)
        })
    }

    /// The session's process has this permission mode, and has it again after a resume; unless another one than `before` was
    /// chosen meanwhile, which it is told next. Normal.
    pub fn note_mode(&self, session: SessionId, mode: &str, before: &str) -> Result<()> {
        self.write(Step::NoteMode, |tx| {
            tx.execute(
                "UPDATE session SET mode = ?2 WHERE id = ?1 AND COALESCE(mode, ?3) = ?3",
                (session.0, mode, before),
            )
            .map(drop)
        })
    }

    /// Notes which models Claude says that there are. Normal.
    pub fn note_models(&self, models: &[String]) -> Result<()> {
        let models = outbox::json(&models)?;
        let known = self.read(|tx| value_of(tx, MODELS))?;
        if known.as_deref() == Some(models.as_str()) {
            return Ok(());
        }
        self.write(Step::NoteModels, |tx| {
            tx.execute(
                "INSERT INTO known (name, value) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (MODELS, &models),
            )
            .map(drop)
        })
    }

    /// Notes the process that serves the session from now on, and the generation of choices and the permission mode that it
    /// was started with; and the conversation that it resumes, of which there is something then. Normal.
    pub fn spawned(
        &self,
        session: SessionId,
        living: &Living,
        (generation, mode): (i64, &str),
        resumes: Option<&str>,
    ) -> Result<()> {
        self.write(Step::Spawned, |tx| {
            tx.execute(
                "UPDATE session SET pid = ?2, pid_start = ?3, boot = ?4, begun = ?5, begun_mode = ?6,
                     said = said OR claude IS ?7, heard = heard OR claude IS ?7
                 WHERE id = ?1",
                (
                    session.0,
                    living.pid,
                    living.start as i64,
                    &living.boot,
                    generation,
                    mode,
                    resumes,
                ),
            )
            .map(drop)
        })
    }

    /// The sessions in which a turn is open.
    pub fn cut_off(&self) -> Result<BTreeSet<SessionId>> {
        self.read(|tx| {
            tx.prepare(
                "SELECT DISTINCT session FROM prompt WHERE state != 'closed' AND state != 'queued'",
            )?
            .query_map([], |row| row.get(0).map(SessionId))?
            .collect()
        })
    }

    /// The sessions that have a process, as far as the store knows, and last worked for somebody who may not speak any more.
    pub fn barred_at_work(&self) -> Result<Vec<Session>> {
        self.read(|tx| {
            tx.prepare(
                "SELECT * FROM session WHERE pid IS NOT NULL AND 'barred' = (
                     SELECT outcome FROM prompt WHERE prompt.session = session.id ORDER BY prompt.id DESC LIMIT 1)",
            )?
            .query_map([], session_from)?
            .collect()
        })
    }

    /// The sessions that have a process, as far as the store knows.
    pub fn living(&self) -> Result<Vec<(SessionId, Living)>> {
        self.read(|tx| {
            tx.prepare("SELECT * FROM session WHERE pid IS NOT NULL")?
                .query_map([], session_from)?
                .map(|session| {
                    let session = session?;
                    let living = session.living.ok_or(Error::QueryReturnedNoRows)?;
                    Ok((session.id, living))
                })
                .collect()
        })
    }

    /// Notes that no process serves the session any more, what was ended with it, and the conversation of which Claude has
    /// something on disk now, if that was looked at. Normal.
    pub fn ended(
        &self,
        session: SessionId,
        now: i64,
        swept: &[String],
        kept: Option<&str>,
    ) -> Result<()> {
        let swept = outbox::json(&swept)?;
        self.write(Step::Ended, |tx| {
            tx.execute(
                "UPDATE session SET pid = NULL, pid_start = NULL, boot = NULL, begun = NULL, begun_mode = NULL, slept = ?2,
                     said = said OR claude IS ?5, heard = heard OR claude IS ?5,
                     swept = (SELECT json_group_array(value) FROM (
                         SELECT value FROM json_each(swept) UNION ALL SELECT value FROM json_each(?3) LIMIT ?4))
                 WHERE id = ?1",
                (session.0, now, &swept, SWEPT_MAX, kept),
            )
            .map(drop)
        })
    }
}

/// The models that Claude last said that there are.
const MODELS: &str = "models";

fn value_of(tx: &Transaction<'_>, name: &str) -> Result<Option<String>> {
    tx.query_row("SELECT value FROM known WHERE name = ?1", [name], |row| {
        row.get(0)
    })
    .optional()
}

/// How many processes are kept by name that were ended with a session's own.
const SWEPT_MAX: i64 = 20;

impl Intake<'_> {
    /// Lets a session begin a new conversation; the old one stays where Claude keeps it.
    pub fn start_fresh(&mut self, session: SessionId) -> Result<()> {
        self.follow(session, &super::fresh_uuid(), false)
    }

    /// Lets a session go on with another conversation, in which something was said or not. A process that is in the old
    /// one is given nothing more.
    pub fn follow(&mut self, session: SessionId, claude: &str, said: bool) -> Result<()> {
        self.tx.execute(
            "UPDATE session SET claude = ?2, said = ?3, heard = ?3 WHERE id = ?1",
            (session.0, claude, said),
        )?;
        self.chosen(session, Renewal::Process)
    }

    /// The name of the session that is in this conversation, if one is.
    pub fn in_conversation(&self, claude: &str) -> Result<Option<String>> {
        self.tx
            .prepare_cached("SELECT name FROM session WHERE claude = ?1 LIMIT 1")?
            .query_row([claude], |row| row.get(0))
            .optional()
    }

    /// The models that Claude last said that there are; none before the first start.
    pub fn models(&self) -> Result<Vec<String>> {
        let known = value_of(self.tx, MODELS)?;
        Ok(known
            .and_then(|json| serde_json::from_str(&json).ok())
            .unwrap_or_default())
    }

    /// The session, as it is in this transaction; None where it is gone.
    pub fn session(&self, session: SessionId) -> Result<Option<Session>> {
        self.tx
            .prepare_cached("SELECT * FROM session WHERE id = ?1")?
            .query_row([session.0], session_from)
            .optional()
    }

    /// Lets a session's process be of another model from now on; None: of the configuration's.
    pub fn use_model(&mut self, session: SessionId, model: Option<&str>) -> Result<()> {
        self.tx.execute(
            "UPDATE session SET model = ?2 WHERE id = ?1",
            (session.0, model),
        )?;
        self.chosen(session, Renewal::Live)
    }

    /// Whether a text can still be put into the turn that runs: not where what was chosen since takes a fresh process, which
    /// gets what waits.
    pub fn takes_in(&self, session: SessionId) -> Result<bool> {
        self.tx
            .prepare_cached(
                "SELECT 1 FROM session WHERE id = ?1 AND (begun IS NULL OR begun = generation)",
            )?
            .exists([session.0])
    }

    /// The permission mode with which the session's live process was started, as far as the store knows.
    pub fn begun_mode(&self, session: SessionId) -> Result<Option<String>> {
        let mode: Option<Option<String>> = self
            .tx
            .prepare_cached("SELECT begun_mode FROM session WHERE id = ?1")?
            .query_row([session.0], |row| row.get(0))
            .optional()?;
        Ok(mode.flatten())
    }

    /// Lets a session's process be in another permission mode from now on; None: in the configuration's.
    pub fn use_mode(
        &mut self,
        session: SessionId,
        mode: Option<&str>,
        renewal: Renewal,
    ) -> Result<()> {
        self.tx.execute(
            "UPDATE session SET mode = ?2 WHERE id = ?1",
            (session.0, mode),
        )?;
        self.chosen(session, renewal)
    }

    /// How long the session's quiet process is kept; None: as the configuration says.
    pub fn use_idle(&mut self, session: SessionId, idle: Option<IdleTimeout>) -> Result<()> {
        let seconds = idle.map(|idle| match idle {
            IdleTimeout::Never => -1,
            IdleTimeout::After(idle) => i64::try_from(idle.as_secs()).unwrap_or(i64::MAX),
        });
        self.tx.execute(
            "UPDATE session SET idle = ?2 WHERE id = ?1",
            (session.0, seconds),
        )?;
        self.chosen(session, Renewal::Live)
    }

    /// Gives the session a copy of a persona, with its model, mode and limit. What it does not name of the first two stays
    /// as it was chosen: nobody wants to be asked less because Claude is somebody else.
    pub fn use_persona(&mut self, session: SessionId, persona: &Persona) -> Result<()> {
        self.tx.execute(
            "UPDATE session SET persona = ?2, prompt = ?3, model = COALESCE(?4, model),
                 mode = COALESCE(?5, mode), max_turns = ?6 WHERE id = ?1",
            (
                session.0,
                &persona.name,
                &persona.prompt,
                &persona.model,
                &persona.mode,
                persona.max_turns,
            ),
        )?;
        self.chosen(session, Renewal::Process)
    }

    fn chosen(&mut self, session: SessionId, renewal: Renewal) -> Result<()> {
        self.touched.insert(session);
        self.tx
            .execute(
                "UPDATE session SET revision = revision + 1, generation = generation + ?2 WHERE id = ?1",
                (session.0, renewal == Renewal::Process),
            )
            .map(drop)
    }
}

/// What a choice needs to count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Renewal {
    /// A live process can be told.
    Live,
    /// It takes a fresh one.
    Process,
}

/// Ids as a query takes them.
fn list(ids: &[i64]) -> Result<String> {
    serde_json::to_string(ids).map_err(|error| Error::ToSqlConversionFailure(error.into()))
}
