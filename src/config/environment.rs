//! The process environment as it was at start, and the small part of it that a child may see.
//!
//! This is the only place in the program that reads `std::env`; everybody else is handed an [`Environment`], so that
//! tests need no global variables. Nothing here sets a variable.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;

/// A snapshot of the process environment: its variables and its effective user.
///
/// An empty variable counts as one that is not set. `Debug` shows names only, for values may be secrets.
#[derive(Clone)]
pub struct Environment {
    variables: BTreeMap<OsString, OsString>,
    effective_uid: u32,
}

impl Environment {
    /// Takes the snapshot. To be called once, by `main`.
    pub fn read() -> Environment {
        Environment {
            variables: std::env::vars_os().collect(),
            effective_uid: nix::unistd::geteuid().as_raw(),
        }
    }

    /// An environment for tests: these variables and an ordinary user.
    pub fn from_pairs<N: Into<OsString>, V: Into<OsString>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Environment {
        Environment {
            variables: pairs
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            effective_uid: 1000,
        }
    }

    /// The same variables under another effective user.
    pub fn with_effective_uid(self, effective_uid: u32) -> Environment {
        Environment {
            effective_uid,
            ..self
        }
    }

    /// The same without one variable.
    pub fn without(&self, name: &str) -> Environment {
        let mut other = self.clone();
        other.variables.remove(OsStr::new(name));
        other
    }

    /// Returns a variable, unless it is empty.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables
            .get(OsStr::new(name))
            .map(OsString::as_os_str)
            .filter(|value| !value.is_empty())
    }

    /// Returns a variable as text. One that is not UTF-8 counts as not set.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(OsStr::to_str)
    }

    /// Returns a variable as a path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// The user's home directory, from `$HOME`.
    pub fn home(&self) -> Option<PathBuf> {
        self.path("HOME")
    }

    /// Whether chappe runs with root's effective id.
    pub fn is_root(&self) -> bool {
        self.effective_uid == 0
    }

    /// A base directory of the XDG specification, which wants relative values ignored; else `fallback` below home.
    pub(super) fn xdg_directory(&self, name: &str, fallback: &str) -> Option<PathBuf> {
        let set = self.path(name).filter(|path| path.is_absolute());
        set.or_else(|| self.home().map(|home| home.join(fallback)))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// Variables that chappe sets itself for every child, or that would break a promise; `claude.env` must not name them.
/// Each comes with the reason that the user gets to read. Names that begin with `CHAPPE_` are reserved as well.
pub const RESERVED_VARIABLES: [(&str, &str); 8] = [
    (
        "CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS",
        "chappe sets it itself",
    ),
    (
        "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS",
        "chappe sets it itself",
    ),
    ("CLAUDE_CODE_ENABLE_TODO_TOOLS", "chappe sets it itself"),
    (
        "CLAUDE_BASH_MAINTAIN_PROJECT_WORKING_DIR",
        "chappe sets it itself",
    ),
    (
        "CLAUDE_CODE_RESUME_INTERRUPTED_TURN",
        "it starts turns that nobody asked for; chappe continues interrupted turns",
    ),
    (
        "CLAUDE_CODE_EXIT_AFTER_STOP_DELAY",
        "it may exit while a message is on its way; use `idle_timeout` of [sessions]",
    ),
    (
        "CLAUDE_CODE_SESSION_ID",
        "the CLI sets it to mark the processes of its tools",
    ),
    (
        "CLAUDECODE",
        "the CLI sets it to mark the processes of its tools",
    ),
];

/// Why `claude.env` must not set `name`, if so.
pub(super) fn reserved(name: &str) -> Option<&'static str> {
    if name.starts_with("CHAPPE_") {
        return Some("the prefix CHAPPE_ belongs to chappe itself");
    }
    RESERVED_VARIABLES
        .iter()
        .find(|(reserved, _)| *reserved == name)
        .map(|(_, reason)| *reason)
}

/// Inherited by name. Everything else a host may have in its environment stays out: it was meant for chappe, not for
/// the tools that a model runs.
const INHERITED: [&str; 13] = [
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "PATH",
    "LANG",
    "TZ",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "NODE_EXTRA_CA_CERTS",
    "CLAUDE_CONFIG_DIR",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "IS_SANDBOX",
];

/// Inherited by beginning: locale, directories, certificates, and the credentials of Claude's own providers.
const INHERITED_PREFIXES: [&str; 7] = [
    "LC_",
    "XDG_",
    "SSL_CERT_",
    "ANTHROPIC_",
    "AWS_",
    "GOOGLE_",
    "CLAUDE_CODE_USE_",
];

/// Inherited by end. Programs look for the proxy variables in either case.
const INHERITED_SUFFIXES: [&str; 2] = ["_PROXY", "_proxy"];

fn is_inherited(name: &str) -> bool {
    !name.starts_with("CHAPPE_")
        && (INHERITED.contains(&name)
            || INHERITED_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix))
            || INHERITED_SUFFIXES
                .iter()
                .any(|suffix| name.ends_with(suffix)))
}

/// The environment of a child, whole: to be given after `env_clear`. `added` wins over what is inherited.
///
/// It never holds the bot token: neither `$CHAPPE_TOKEN` nor the way to systemd's credentials is on the list. What the
/// protocol needs ([`RESERVED_VARIABLES`]) is added by the caller.
pub fn child_environment(
    env: &Environment,
    added: &BTreeMap<String, String>,
) -> Vec<(OsString, OsString)> {
    let inherited = env
        .variables
        .iter()
        .filter(|(name, _)| name.to_str().is_some_and(is_inherited));
    let mut child: BTreeMap<OsString, OsString> = inherited
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    child.extend(
        added
            .iter()
            .map(|(name, value)| (name.into(), value.into())),
    );
    child.into_iter().collect()
}
