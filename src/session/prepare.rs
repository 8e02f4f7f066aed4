//! What a start of `claude` needs, looked at before it is made: nothing left of a former one, a folder, a version,
//! whether the conversation is resumed or begun, and what became of prompts that were cut off.
//!
//! Everything here may block for long, so it is called from a thread of its own. It starts no session's process and
//! writes nothing into the store; what cannot be done is told in words, with a cure where one is known.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use uuid::Uuid;

use super::machine::{Manner, Trouble};
use super::recovery::{Acted, Facts};
use crate::chat::{Chosen, Grant, IdleTimeout, Permit, Prompt, PromptId};
use crate::claude::arguments::{self, ENVIRONMENT, FOREGROUND_ONLY, LaunchSpec, Version};
use crate::claude::by_hand::ByHand;
use crate::claude::elsewhere;
use crate::claude::process::{self, Fingerprint, Launch};
use crate::claude::protocol;
use crate::claude::trace::Trace;
use crate::claude::transcript::{self, Kept};
use crate::failpoint;
use crate::store::{self, Living, Session};

/// The file that says for people what a session's folder is.
pub const MIRROR: &str = "session.json";

/// What that file begins to say, by which it is known to be chappe's.
const ABOUT: &str =
    "A session of chappe. Written by chappe for you to read; changing it changes nothing.";

/// The longest file that is looked at for that, in bytes.
const MIRROR_MAX: u64 = 64 * 1024;

/// How long `claude --version` may take.
const VERSION_MAX: Duration = Duration::from_secs(20);

/// How long a former process without a turn may take to end by itself: it lost its stdin long ago.
pub const NOTHING_TO_FINISH: Duration = Duration::from_millis(500);

/// How long a process must have rested until what its transcript gets is not its own, and how late Claude may still write
/// to it.
const RESTED_MIN: Duration = Duration::from_secs(5);
const WRITTEN_LATE: Duration = Duration::from_secs(3);

/// How often, and how far apart, a process is looked at that does not say which conversation it has.
const LOOKS_MAX: u32 = 4;
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// How `claude` is started on this host, the same for all sessions.
pub struct Setup {
    /// The program and its first arguments.
    pub command: Vec<String>,
    pub permission_mode: String,
    pub model: Option<String>,
    pub max_turns: u32,
    /// How long a quiet process is kept.
    pub idle_timeout: IdleTimeout,
    /// Rules that always deny.
    pub deny: Vec<String>,
    pub extra_args: Vec<String>,
    /// The child's whole environment, without what the protocol adds.
    pub environment: Vec<(OsString, OsString)>,
    /// How long a process of a former chappe may go on by itself.
    pub leftover_grace: Duration,
    /// Each step of its ending after that.
    pub stop_grace: Duration,
    /// The version of the program that was last asked for it.
    pub version: Mutex<Option<(Fingerprint, Version)>>,
}

/// How a process joins its conversation.
#[derive(Clone, Copy)]
enum Opening {
    New,
    Resume,
}

/// What a start needs, once it has been looked at.
pub struct Prepared {
    pub version: Version,
    opening: Opening,
    /// The conversation that was looked at, by Claude's session id.
    pub looked_at: String,
    /// Claude's session id; a new one where the old one could not have worked.
    pub claude: Uuid,
    /// What is known of the prompts that were cut off.
    pub facts: Vec<(PromptId, Facts)>,
    /// Whether a process was noted for the session, of which nothing is left now.
    pub ended_leftover: bool,
}

/// A prompt that was cut off, as the store has it.
pub struct CutOff {
    pub prompt: Prompt,
    /// What was seen to start: tool and short input.
    pub acted: Vec<(String, String)>,
}

impl Prepared {
    /// Whether a conversation goes on.
    pub fn is_resume(&self) -> bool {
        matches!(self.opening, Opening::Resume)
    }
}

impl Setup {
    /// What a session's process is to be like: what was chosen for it, else what the configuration says.
    pub fn manner(&self, chosen: &Chosen) -> Manner {
        Manner {
            revision: chosen.revision,
            generation: chosen.generation,
            model: chosen.model.clone().or_else(|| self.model.clone()),
            mode: chosen
                .mode
                .clone()
                .unwrap_or_else(|| self.permission_mode.clone()),
            idle_timeout: match chosen.idle.unwrap_or(self.idle_timeout) {
                IdleTimeout::Never => None,
                IdleTimeout::After(timeout) => Some(timeout),
            },
        }
    }

    /// Says in a session's folder what it is, for people. Where there is no folder yet, its first start does.
    pub fn mirror_what_is_chosen(&self, session: &Session) {
        if session.folder.is_dir()
            && let Err(error) = self.mirror(session)
        {
            log::warn!("session.json cannot be written: {error}");
        }
    }

    /// Writes down for people, in the session's folder, what it is. chappe itself only looks whether it is there, where it
    /// has lost its database.
    fn mirror(&self, session: &Session) -> io::Result<()> {
        let path = session.folder.join(MIRROR);
        // What a person keeps by this name in a directory of theirs is theirs, and what another session has there first is
        // that one's.
        let is_taken = fs::symlink_metadata(&path).is_ok();
        if is_taken && !session.owns_folder && !is_mirror_of(&path, &session.mark, &session.claude)
        {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(&serde_json::json!({
            "about": ABOUT,
            "name": session.name,
            "persona": session.persona,
            "model": session.chosen.model,
            "permission_mode": session.chosen.mode,
            "claude_session": session.claude,
            "mark": session.mark,
            "resume_by_hand": by_hand(&self.command, &self.environment).resume_in(&session.folder, &session.claude),
        }))?;
        if written(&path).is_some_and(|before| before == text) {
            return Ok(());
        }
        // Whole or not at all: it is what is left when everything else is lost.
        let mut file = tempfile::NamedTempFile::new_in(&session.folder)?;
        file.write_all(text.as_bytes())?;
        file.persist(path)?;
        Ok(())
    }

    /// Looks at everything that a start needs. May block for long.
    ///
    /// A process of a former chappe may finish the turn that it is in the middle of, unless `hurry` is set meanwhile.
    pub fn prepare(
        &self,
        session: &Session,
        cut_off: Vec<CutOff>,
        hurry: &AtomicBool,
    ) -> Result<Prepared, Trouble> {
        if failpoint::before("prepare").is_some() {
            return Err(Trouble::HostIsFull {
                cause: "a test wants it so".to_owned(),
            });
        }
        let by_itself = match cut_off.is_empty() {
            // It has nothing to finish that anybody waits for.
            true => self.leftover_grace.min(NOTHING_TO_FINISH),
            false => self.leftover_grace,
        };
        self.end_former(session, by_itself, hurry)?;
        // A folder that was there and is gone was moved or removed by somebody; an empty one is not what they want. A
        // person's own was there from the beginning.
        if (session.heard || !session.owns_folder) && !session.folder.is_dir() {
            let cause = format!("its folder {} is not there", session.folder.display());
            let cure = Some("Put it back where it was, and press Try again.");
            // One of chappe's own is made anew; a person's is not.
            return Err(match session.owns_folder {
                true => not_gone_on(&cause, cure),
                false => not_started(&cause, cure),
            });
        }
        let mut builder = fs::DirBuilder::new();
        if let Err(error) = builder.recursive(true).mode(0o700).create(&session.folder) {
            let cause = format!(
                "its folder {} cannot be made ({error})",
                session.folder.display()
            );
            return Err(not_started(&cause, None));
        }
        self.mirror_what_is_chosen(session);
        let version = self.version(&session.folder)?;
        let transcripts = config_dir(&self.environment);
        let kept = transcripts
            .as_deref()
            .map(|dir| transcript::kept(dir, &session.claude));
        let facts = cut_off.into_iter().map(|CutOff { prompt, acted }| {
            let trace = transcripts.as_deref().map_or(Trace::Unreadable, |dir| {
                transcript::trace(dir, &session.claude, &prompt.uuid)
            });
            let facts = Facts {
                prompt: prompt.text,
                is_command: prompt.is_command,
                trace,
                acted: acted
                    .into_iter()
                    .map(|(tool, input)| Acted { tool, input })
                    .collect(),
                had_turns: session.said,
            };
            (prompt.id, facts)
        });
        let facts = facts.collect();
        let known = || {
            let broken = |_| {
                not_gone_on(
                    "the store names it by an id that Claude does not take",
                    None,
                )
            };
            session.claude.parse::<Uuid>().map_err(broken)
        };
        // Also where no turn has ended by itself yet: what was stopped is there as well.
        if let Some(dir) = &transcripts
            && (session.said || kept == Some(Kept::Said))
        {
            open_elsewhere(dir, session)?;
        }
        let (opening, claude) = match (kept, session.said) {
            // Nothing was ever said: neither way of opening works with what is there, so it gets a new id.
            (Some(Kept::Hollow), false) => (Opening::New, Uuid::new_v4()),
            // Something was said, and none of it is left.
            (Some(Kept::Hollow), true) => return Err(Trouble::NothingToResume),
            // Where there is nothing to resume although something was said, the CLI says so, and so does chappe.
            (Some(Kept::Said), _) | (_, true) => (Opening::Resume, known()?),
            (_, false) => (Opening::New, known()?),
        };
        let _ = failpoint::after("prepare");
        Ok(Prepared {
            version,
            opening,
            looked_at: session.claude.clone(),
            claude,
            facts,
            ended_leftover: session.living.is_some(),
        })
    }

    /// The conversation of a process that has ended, where only the disk says that there is something to resume: it was ended
    /// in the middle of its first turn. Or it says so itself: as another user it may have it where nobody looks from here.
    pub fn kept(&self, session: &Session, last_words: &str) -> Option<String> {
        if session.said {
            return None;
        }
        let dir = config_dir(&self.environment);
        // What it says where it is to begin a conversation of which it has a file; measured, both versions.
        let in_use = format!("Session ID {} is already in use", session.claude);
        let is_kept = last_words.contains(&in_use)
            || dir.is_some_and(|dir| transcript::kept(&dir, &session.claude) == Kept::Said);
        is_kept.then(|| session.claude.clone())
    }

    /// The process of somebody else that certainly has a session's conversation open.
    pub fn held_by(&self, claude: &str, folder: &Path) -> Option<i32> {
        let dir = config_dir(&self.environment)?;
        let ours = [nix::unistd::getpid().as_raw()];
        let holder = elsewhere::holder(&dir, claude, folder, &ours)?;
        holder.certain.then_some(holder.pid)
    }

    /// Whether somebody else has a session's conversation open, or has gone on with it since its own process, which has
    /// `rested` for so long, was `heard` last. That one knows nothing of it: what it is given then would be lost there.
    ///
    /// Both versions write nothing more to a transcript once a turn is over (watched for 18 s after each of three). By the
    /// clock on the wall, which goes on while the host sleeps; one that was set forward costs a fresh process.
    pub fn has_gone_on_elsewhere(
        &self,
        session: &Session,
        rested: Duration,
        heard: SystemTime,
    ) -> bool {
        let Some(dir) = config_dir(&self.environment) else {
            return false;
        };
        if self.held_by(&session.claude, &session.folder).is_some() {
            return true;
        }
        if rested < RESTED_MIN {
            return false;
        }
        let over = heard + WRITTEN_LATE;
        let transcripts = transcript::paths(&dir, &session.claude).unwrap_or_default();
        transcripts.iter().any(|path| {
            let modified = fs::metadata(path).and_then(|meta| meta.modified());
            modified.is_ok_and(|modified| modified > over)
        })
    }

    /// Ends the process of a former chappe, if one serves the session, and what its tools have left.
    pub fn end_former(
        &self,
        session: &Session,
        by_itself: Duration,
        hurry: &AtomicBool,
    ) -> Result<(), Trouble> {
        if let Some(Living { pid, start, boot }) = &session.living
            && !process::end_leftover(*pid, *start, boot, by_itself, self.stop_grace, hurry)
        {
            return Err(not_started(
                &format!("an old claude ({pid}) cannot be ended"),
                None,
            ));
        }
        // Also where it ended before chappe came back: its tools may still run.
        process::sweep(&session.mark);
        Ok(())
    }

    /// What is to be started for a session that has been prepared, with what is allowed there.
    pub fn launch(&self, session: &Session, prepared: &Prepared, grants: &[Grant]) -> Launch {
        let (mut allow_rules, mut directories) = (Vec::new(), Vec::new());
        for grant in grants {
            match &grant.permit {
                Permit::Call { rules } => {
                    allow_rules.extend(rules.iter().map(protocol::rule_argument));
                }
                Permit::Enter { directories: more } => {
                    directories.extend(more.iter().filter(|dir| Path::new(dir).is_dir()).cloned());
                }
                // It is the permission mode.
                Permit::Edit => {}
            }
        }
        let Manner { model, mode, .. } = self.manner(&session.chosen);
        let arguments = arguments::arguments(&LaunchSpec {
            session: match prepared.opening {
                Opening::New => arguments::Session::New(prepared.claude),
                Opening::Resume => arguments::Session::Resume(prepared.claude),
            },
            permission_mode: mode,
            model,
            max_turns: session.max_turns.unwrap_or(self.max_turns),
            append_system_prompt: Some(session.prompt.clone()).filter(|prompt| !prompt.is_empty()),
            deny_rules: self.deny.clone(),
            allow_rules,
            directories,
            extra_args: self.extra_args.clone(),
            version: prepared.version,
        });
        self.launch_with(
            arguments,
            session.folder.clone(),
            format!("s{}", session.id),
            session.mark.clone(),
        )
    }

    /// The program's version, asked once for as long as the program on disk stays the same.
    fn version(&self, folder: &Path) -> Result<Version, Trouble> {
        let path = variable(&self.environment, "PATH").unwrap_or_default();
        let fingerprint = process::fingerprint(&self.command, path);
        let mut known = self.version.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, version)) = &*known
            && *of == fingerprint
        {
            return Ok(*version);
        }
        let launch = self.launch_with(
            vec!["--version".to_owned()],
            folder.to_owned(),
            "version".to_owned(),
            store::fresh_uuid(),
        );
        let line = process::first_line(&launch, VERSION_MAX)
            .map_err(|error| self.spawn_trouble(folder, &error))?;
        let Some(version) = Version::parse(&line) else {
            let cause = format!(
                "`{} --version` does not look like Claude Code",
                self.command.join(" ")
            );
            return Err(not_started(
                &cause,
                Some("Look at claude.command in config.toml."),
            ));
        };
        log::info!("Claude Code is version {version}");
        *known = Some((fingerprint, version));
        Ok(version)
    }

    fn launch_with(
        &self,
        arguments: Vec<String>,
        folder: PathBuf,
        name: String,
        mark: String,
    ) -> Launch {
        let protocol = ENVIRONMENT.into_iter().chain([FOREGROUND_ONLY]);
        let protocol = protocol.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Launch {
            argv: self.command.iter().cloned().chain(arguments).collect(),
            folder,
            environment: self.environment.iter().cloned().chain(protocol).collect(),
            mark,
            name,
        }
    }

    /// Why a process could not be started, in words.
    pub fn spawn_trouble(&self, folder: &Path, error: &io::Error) -> Trouble {
        let program = self.command.first().map_or("", String::as_str);
        // Descriptors have no kind of their own.
        if let Some(Errno::EMFILE | Errno::ENFILE) = error.raw_os_error().map(Errno::from_raw) {
            return Trouble::HostIsFull {
                cause: format!("the host has no file descriptor to give ({error})"),
            };
        }
        match error.kind() {
            io::ErrorKind::NotFound if !folder.is_dir() => not_started(
                &format!("its folder {} is not there", folder.display()),
                None,
            ),
            io::ErrorKind::NotFound => not_started(
                &format!("there is no program {program}"),
                Some(
                    "Install Claude Code on this host (npm install -g @anthropic-ai/claude-code), or name it in \
                     config.toml: [claude] command = [\"/path/to/claude\"].",
                ),
            ),
            io::ErrorKind::PermissionDenied => {
                not_started(&format!("{program} may not be run by this user"), None)
            }
            // The host may have more to give in a moment.
            io::ErrorKind::TimedOut => Trouble::HostIsFull {
                cause: format!("{program} does not answer"),
            },
            io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory => Trouble::HostIsFull {
                cause: format!("the host has no process to give ({error})"),
            },
            _ => not_started(&format!("{program}: {error}"), None),
        }
    }
}

/// Whether a file is one that chappe has written to say what the folder of this session is. One that has begun a new
/// conversation keeps its mark; one that has come back from an archive keeps its conversation.
pub fn is_mirror_of(path: &Path, mark: &str, claude: &str) -> bool {
    let Some(text) = written(path) else {
        return false;
    };
    let value: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    value.is_some_and(|value| {
        value["about"] == ABOUT && (value["mark"] == mark || value["claude_session"] == claude)
    })
}

/// The text of a short file. None for anything else that has its name: a pipe would be waited for.
fn written(path: &Path) -> Option<String> {
    let meta = fs::symlink_metadata(path).ok()?;
    (meta.is_file() && meta.len() <= MIRROR_MAX).then_some(())?;
    fs::read_to_string(path).ok()
}

/// Fails where somebody else's process has the conversation open: two of them would lose a branch of it, silently.
fn open_elsewhere(config_dir: &Path, session: &Session) -> Result<(), Trouble> {
    let ours = [nix::unistd::getpid().as_raw()];
    let mut looks = 0;
    while let Some(holder) = elsewhere::holder(config_dir, &session.claude, &session.folder, &ours)
    {
        looks += 1;
        // A process that has just begun does not say yet which conversation it has.
        if !holder.certain && looks < LOOKS_MAX {
            let _ = crossbeam_channel::never::<()>().recv_timeout(LOOK_AGAIN);
            continue;
        }
        let cause = match holder.certain {
            true => format!(
                "another claude (process {}) has this conversation open",
                holder.pid
            ),
            false => format!(
                "another claude (process {}) runs in its folder, and may have this conversation open",
                holder.pid
            ),
        };
        let cure = "Two at once would lose a part of the conversation. End it there, then press Try again.";
        return Err(not_gone_on(&cause, Some(cure)));
    }
    Ok(())
}

fn variable<'a>(environment: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    environment
        .iter()
        .find(|(variable, _)| variable == name)
        .map(|(_, value)| value.as_os_str())
}

/// How a conversation goes on at the desk.
pub fn by_hand(command: &[String], environment: &[(OsString, OsString)]) -> ByHand {
    ByHand::new(command, variable(environment, CONFIG_DIR))
}

/// What says to Claude where it keeps everything, if not below the home.
const CONFIG_DIR: &str = "CLAUDE_CONFIG_DIR";

/// Where Claude keeps its transcripts.
pub fn config_dir(environment: &[(OsString, OsString)]) -> Option<PathBuf> {
    match variable(environment, CONFIG_DIR) {
        Some(dir) => Some(PathBuf::from(dir)),
        None => Some(Path::new(variable(environment, "HOME")?).join(".claude")),
    }
}

/// There can be no process for this conversation; there can be one for another.
pub fn not_gone_on(cause: &str, cure: Option<&str>) -> Trouble {
    Trouble::NotStarted {
        cause: cause.to_owned(),
        cure: cure.map(str::to_owned),
        of_conversation: true,
    }
}

/// There can be no process, for a cause that no start in particular has.
pub fn not_started(cause: &str, cure: Option<&str>) -> Trouble {
    Trouble::NotStarted {
        cause: cause.to_owned(),
        cure: cure.map(str::to_owned),
        of_conversation: false,
    }
}
