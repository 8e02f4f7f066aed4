//! The settings: read once at start, checked to the last value, never changed afterwards.
//!
//! Who starts chappe gets either a [`Config`] in which every value is possible, or a [`ConfigError`] that reads like
//! a compiler's message: where, what, and the cure. Nothing below asks again whether a value makes sense.
//!
//! - [`environment`](Environment): a snapshot of the process environment, and what of it a child may see;
//! - `document`: the TOML text with the place of each value; unknown keys;
//! - `values`: what makes one value good or bad;
//! - `token`: the bot token and its four possible sources;
//! - `error`: how a mistake is shown without showing a secret.
//!
//! This module reads files and the environment. It writes nothing, makes no directory and asks no network; whether
//! Telegram takes the token or `claude` is installed is for `chappe check`.

mod document;
mod environment;
mod error;
pub mod persona;
mod rules;
mod suggest;
#[cfg(test)]
mod tests;
mod token;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::chat::BYPASS;
pub use crate::chat::{FreeMemory, IdleTimeout};
pub use environment::{Environment, RESERVED_VARIABLES, child_environment};
pub use error::ConfigError;
pub use suggest::nearest;
pub use token::Token;

use document::{Document, Section};
use error::Complaint;

/// Where the system administrator's configuration lies.
const SYSTEM_FILE: &str = "/etc/chappe/config.toml";

/// What a first configuration needs, and nothing else; shown when there is none.
const MINIMAL_FILE: &str = r#"[telegram]
token = "…"                  # from @BotFather
allowed_users = [123456789]  # your numeric Telegram id; @userinfobot tells it
"#;

/// The settings of one daemon. Its `Debug` names the file only: values may hold secrets.
pub struct Config {
    /// The file these settings come from, absolute. Personas lie beside it.
    pub file: PathBuf,
    /// Where the database, the lock and the socket live. Not made yet.
    pub state_dir: PathBuf,
    pub telegram: Telegram,
    pub claude: Claude,
    pub sessions: Sessions,
    pub limits: Limits,
}

/// What is not waited for, or not spent, for ever.
pub struct Limits {
    /// How long a request waits for a person before it is denied; `None`: for ever.
    pub permission_timeout: Option<Duration>,
    /// How long a request waits until it is mentioned once more; `None`: it never is.
    pub remind_after: Option<Duration>,
}

/// How chappe reaches Telegram, and whom it listens to.
pub struct Telegram {
    pub token: Token,
    /// The Bot API server, `http://` or `https://`, without a slash at the end.
    pub api_url: String,
    /// `http://…` or `socks5://…`; may hold a user name and a password.
    pub proxy: Option<String>,
    /// Numeric ids of people, at least one, all positive.
    pub allowed_users: Vec<i64>,
    /// Numeric ids of groups in which those people may speak to the bot, all negative; often none.
    pub allowed_chats: Vec<i64>,
    /// Whether a stored message is marked with a reaction.
    pub reactions: bool,
}

/// How `claude` is started.
pub struct Claude {
    /// The program and its first arguments; never empty.
    pub command: Vec<String>,
    /// One of the CLI's own words, see [`Claude::PERMISSION_MODES`].
    pub permission_mode: String,
    /// `None`: Claude's own default.
    pub model: Option<String>,
    pub extra_args: Vec<String>,
    /// Added to the child's environment, see [`child_environment`]; never a name of [`RESERVED_VARIABLES`].
    pub env: BTreeMap<String, String>,
    /// Turns of the model within one prompt; 0 is no limit.
    pub max_turns: u32,
    /// Permission rules that always deny, such as `Bash(git push --force*)`.
    pub deny: Vec<String>,
}

impl Claude {
    /// The permission modes that both supported versions of the CLI accept.
    pub const PERMISSION_MODES: [&str; 6] = [
        "default",
        "acceptEdits",
        "plan",
        "auto",
        "dontAsk",
        "bypassPermissions",
    ];
}

/// Where sessions live and how long their processes stay.
pub struct Sessions {
    /// The directory in which sessions' folders are made.
    pub root: PathBuf,
    /// Further directories, absolute, in which `/new` may let Claude run.
    pub allowed_dirs: Vec<PathBuf>,
    /// The persona of a session that is made without saying which.
    pub default_persona: String,
    pub idle_timeout: IdleTimeout,
    /// How many sessions may have a process at the same time; at least one.
    pub max_live: usize,
    pub min_free_memory: FreeMemory,
    /// How often a turn whose process has died is taken up again.
    pub retries: u32,
    /// How long the first of these waits; each further one twice as long.
    pub retry_delay: Duration,
    /// How long quick lines are waited for, so that they go together.
    pub batch_window: Duration,
    /// Whether a person is asked before a turn goes on that a restart of chappe has cut off and that had begun to act.
    pub ask_before_resume: bool,
    /// Whether what comes while a turn runs is put into it; else it waits for the next one.
    pub steers: bool,
    /// How long each step of interrupt, SIGTERM, SIGKILL may take.
    pub stop_grace: Duration,
    /// How long running turns may finish when chappe is stopped; at most an hour.
    pub shutdown_grace: Duration,
}

impl Config {
    /// Reads and checks the settings.
    ///
    /// The file is `explicit` (from `--config`), else `$CHAPPE_CONFIG`, else the first that exists of
    /// `$XDG_CONFIG_HOME/chappe/config.toml` (`~/.config/…` without that variable) and `/etc/chappe/config.toml`.
    /// A file that was named and does not exist is an error; chappe does not go on to the next place then.
    pub fn load(explicit: Option<&Path>, env: &Environment) -> Result<Config, ConfigError> {
        let (file, bytes) = match explicit
            .map(PathBuf::from)
            .or_else(|| env.path("CHAPPE_CONFIG"))
        {
            Some(named) => {
                let bytes = std::fs::read(&named).map_err(|cause| unreadable(&named, &cause))?;
                (named, bytes)
            }
            None => first_existing(&usual_places(env))?,
        };
        let file = std::path::absolute(&file).map_err(|cause| unreadable(&file, &cause))?;
        let text = document::decode(&file, &bytes)?;
        parse(&file, text, env)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

/// The places that are searched when no file was named, in order.
fn usual_places(env: &Environment) -> Vec<PathBuf> {
    let personal = env.xdg_directory("XDG_CONFIG_HOME", ".config");
    let mut places: Vec<PathBuf> = personal
        .into_iter()
        .map(|dir| dir.join("chappe/config.toml"))
        .collect();
    places.push(PathBuf::from(SYSTEM_FILE));
    places
}

/// Reads the first of `places` that exists. One that exists and cannot be read is an error: silently taking the next
/// would start chappe with settings that its owner did not mean.
fn first_existing(places: &[PathBuf]) -> Result<(PathBuf, Vec<u8>), ConfigError> {
    for place in places {
        match std::fs::read(place) {
            Ok(bytes) => return Ok((place.clone(), bytes)),
            Err(cause)
                if matches!(
                    cause.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) => {}
            Err(cause) => return Err(unreadable(place, &cause)),
        }
    }
    let list: Vec<String> = places
        .iter()
        .map(|place| format!("  {}", place.display()))
        .collect();
    Err(ConfigError::without_file(
        Complaint::new(format!(
            "no configuration found; looked for\n{}",
            list.join("\n")
        ))
        .help(format!(
            "write this to {}, then `chmod 600` it:\n\n{MINIMAL_FILE}",
            places
                .first()
                .map_or(Path::new(SYSTEM_FILE), PathBuf::as_path)
                .display()
        )),
    ))
}

fn unreadable(file: &Path, cause: &io::Error) -> ConfigError {
    let complaint = Complaint::new(format!("cannot read the configuration: {cause}"));
    ConfigError::in_file(
        file,
        match cause.kind() {
            io::ErrorKind::NotFound => {
                complaint.help(format!("a minimal file is:\n\n{MINIMAL_FILE}"))
            }
            io::ErrorKind::PermissionDenied => {
                complaint.help("the user that runs chappe must be able to read it")
            }
            _ => complaint,
        },
    )
}

/// From the text of `file` (absolute) to settings.
fn parse(file: &Path, text: &str, env: &Environment) -> Result<Config, ConfigError> {
    let document = Document::parse(document::CONFIG, file, text)?;
    // Relative paths count from the file's own folder: the working directory of a daemon is an accident.
    let base = file.parent().unwrap_or(Path::new("/"));
    Ok(Config {
        file: file.to_path_buf(),
        state_dir: state_dir(&document.section("")?, base, env)?,
        telegram: telegram(&document.section("telegram")?, base, env)?,
        claude: claude(&document.section("claude")?, env)?,
        sessions: sessions(&document.section("sessions")?, base, env)?,
        limits: limits(&document.section("limits")?)?,
    })
}

fn limits(section: &Section<'_>) -> Result<Limits, ConfigError> {
    let week = Duration::from_secs(7 * 24 * 3600);
    let timeout = section.get("permission_timeout", |value| {
        values::duration(value, Duration::ZERO, week)
    })?;
    let remind_after = section.get("remind_after", |value| {
        values::duration(value, Duration::ZERO, week)
    })?;
    let remind_after = remind_after.unwrap_or(Duration::from_secs(3600));
    Ok(Limits {
        permission_timeout: timeout.filter(|timeout| !timeout.is_zero()),
        remind_after: Some(remind_after).filter(|after| !after.is_zero()),
    })
}

fn state_dir(top: &Section<'_>, base: &Path, env: &Environment) -> Result<PathBuf, ConfigError> {
    if let Some(path) = top.get("state_dir", |value| values::path(value, base, env))? {
        return Ok(path);
    }
    // systemd lists all directories of `StateDirectory=` with colons between them; ours is the first.
    let of_the_unit = env
        .text("STATE_DIRECTORY")
        .and_then(|list| list.split(':').next().map(PathBuf::from));
    of_the_unit
        .or_else(|| env.xdg_directory("XDG_STATE_HOME", ".local/state").map(|dir| dir.join("chappe")))
        .ok_or_else(|| {
            top.missing(Complaint::new("`state_dir` is not set, and neither are $STATE_DIRECTORY, $XDG_STATE_HOME and $HOME")
                .help("set `state_dir = \"/var/lib/chappe\"` at the top of the file"))
        })
}

fn telegram(
    section: &Section<'_>,
    base: &Path,
    env: &Environment,
) -> Result<Telegram, ConfigError> {
    let token = token::find(section, base, env)?;
    let allowed_users = section
        .get("allowed_users", values::allowed_users)?
        .ok_or_else(|| {
            section.missing(
                Complaint::new(
                    "`allowed_users` is missing from [telegram]: nobody could speak to the bot",
                )
                .help(format!(
                    "add `allowed_users = [123456789]`; {}",
                    values::FIND_YOUR_ID
                )),
            )
        })?;
    Ok(Telegram {
        token,
        allowed_users,
        allowed_chats: section
            .get("allowed_chats", values::allowed_chats)?
            .unwrap_or_default(),
        api_url: section
            .get("api_url", values::api_url)?
            .unwrap_or_else(|| "https://api.telegram.org".to_owned()),
        proxy: section.get("proxy", values::proxy)?.flatten(),
        reactions: section.get("reactions", values::boolean)?.unwrap_or(true),
    })
}

fn claude(section: &Section<'_>, env: &Environment) -> Result<Claude, ConfigError> {
    let command = section.get("command", |value| values::command(value, env))?;
    let command = command.unwrap_or_else(|| vec!["claude".to_owned()]);
    let added = section.get("env", values::variables)?.unwrap_or_default();
    let mode = section.get("permission_mode", |value| {
        let mode = values::permission_mode(value)?;
        refuse_bypass_as_root(&mode, &command, &added, env)?;
        Ok(mode)
    })?;
    Ok(Claude {
        command,
        permission_mode: mode.unwrap_or_else(|| "default".to_owned()),
        model: section.get("model", values::model)?.flatten(),
        extra_args: section
            .get("extra_args", values::further_arguments)?
            .unwrap_or_default(),
        env: added,
        max_turns: section.get("max_turns", values::max_turns)?.unwrap_or(0),
        deny: section.get("deny", values::deny_rules)?.unwrap_or_default(),
    })
}

/// The CLI exits with 1 when it is asked to bypass permissions as root, unless `IS_SANDBOX` is exactly "1" (measured
/// with 2.1.197 and 2.1.330: "true" and "yes" do not help). Better said here than at the first message.
///
/// With a wrapper in front (`sudo -u`, `setpriv`) nobody can tell from here as whom `claude` will run, so that passes.
fn refuse_bypass_as_root(
    mode: &str,
    command: &[String],
    added: &BTreeMap<String, String>,
    env: &Environment,
) -> Result<(), Complaint> {
    let sandboxed = child_environment(env, added)
        .iter()
        .any(|(name, value)| name == "IS_SANDBOX" && value == "1");
    if mode != BYPASS || !env.is_root() || command.len() > 1 || sandboxed {
        return Ok(());
    }
    Err(Complaint::new("cannot be \"bypassPermissions\" here: the CLI refuses it as root").help(
        "run chappe as another user, or, where the whole host is a sandbox, add `env = { IS_SANDBOX = \"1\" }` to [claude]",
    ))
}

fn sessions(
    section: &Section<'_>,
    base: &Path,
    env: &Environment,
) -> Result<Sessions, ConfigError> {
    let root = match section.get("root", |value| values::path(value, base, env))? {
        Some(root) => root,
        None => env.home().map(|home| home.join("chappe")).ok_or_else(|| {
            section.missing(
                Complaint::new("`root` is not set in [sessions], and $HOME is not set either")
                    .help("add `root = \"/srv/chappe\"`: the directory in which sessions' folders are made"),
            )
        })?,
    };
    let within =
        |least, most| move |value: &values::Value<'_>| values::duration(value, least, most);
    Ok(Sessions {
        root,
        allowed_dirs: section
            .get("allowed_dirs", |value| values::paths(value, base, env))?
            .unwrap_or_default(),
        default_persona: section
            .get("default_persona", values::persona_name)?
            .unwrap_or_else(|| persona::DEFAULT.to_owned()),
        idle_timeout: section
            .get("idle_timeout", values::idle_timeout)?
            .unwrap_or(IdleTimeout::After(Duration::from_secs(600))),
        max_live: section.get("max_live", values::max_live)?.unwrap_or(4),
        min_free_memory: section
            .get("min_free_memory", values::free_memory)?
            .unwrap_or(FreeMemory::Auto),
        retries: section.get("retries", values::retries)?.unwrap_or(3),
        retry_delay: section
            .get(
                "retry_delay",
                within(Duration::from_millis(10), Duration::from_secs(60)),
            )?
            .unwrap_or(Duration::from_secs(1)),
        batch_window: section
            .get(
                "batch_window",
                within(Duration::ZERO, Duration::from_secs(10)),
            )?
            .unwrap_or(Duration::from_millis(300)),
        ask_before_resume: section
            .get("resume_turns", values::resume_turns)?
            .unwrap_or(false),
        steers: section
            .get("when_busy", values::when_busy)?
            .unwrap_or(false),
        stop_grace: section
            .get(
                "stop_grace",
                within(Duration::from_millis(100), Duration::from_secs(300)),
            )?
            .unwrap_or(Duration::from_secs(5)),
        shutdown_grace: section
            .get(
                "shutdown_grace",
                within(Duration::ZERO, Duration::from_secs(3600)),
            )?
            .unwrap_or(Duration::from_secs(20)),
    })
}
