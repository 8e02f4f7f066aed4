//! Personas: the four that are built in, and those that people put beside the configuration as `personas/<name>.toml`.
//!
//! They are read when somebody asks for them, so that a new one needs no restart; a broken one is told with its place and
//! breaks nothing else. A session keeps a copy, so that it stays who it is when a file changes. Reads files only.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::document::{self, Document};
use super::error::Complaint;
use super::{ConfigError, Environment, nearest, refuse_bypass_as_root, values};
use crate::chat::{BYPASS, Persona};
use crate::failpoint;

/// The one that nobody has to ask for.
pub const DEFAULT: &str = "default";

/// Those that are built in, as files would say them.
const BUILT_IN: [(&str, &str); 4] = [
    (DEFAULT, include_str!("personas/default.toml")),
    ("brainstorm", include_str!("personas/brainstorm.toml")),
    ("planner", include_str!("personas/planner.toml")),
    ("research", include_str!("personas/research.toml")),
];

/// The largest file that is read, in bytes.
const FILE_MAX: u64 = 64 * 1024;

/// How many files are looked at when all are listed.
const FILES_MAX: usize = 100;

/// The longest name, in bytes.
const NAME_MAX: usize = 64;

/// Where people's personas lie, and what their values are judged by.
pub struct Personas {
    folder: PathBuf,
    command: Vec<String>,
    added: std::collections::BTreeMap<String, String>,
    environment: Environment,
}

/// Why there is no such persona.
#[derive(Debug)]
pub enum NoPersona {
    /// Nobody has made one of that name.
    Unknown {
        /// The nearest that there is.
        near: Option<String>,
        /// All that there are.
        all: Vec<String>,
    },
    /// Its file is wrong: where and how.
    Broken(Box<ConfigError>),
}

/// Whether a persona may have this name; it is a file's as well.
pub fn is_name(name: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    (1..=NAME_MAX).contains(&name.len()) && name.chars().all(fits)
}

impl Personas {
    /// The personas of a configuration.
    pub fn of(config: &super::Config, environment: &Environment) -> Personas {
        Personas {
            folder: config
                .file
                .parent()
                .unwrap_or(Path::new("/"))
                .join("personas"),
            command: config.claude.command.clone(),
            added: config.claude.env.clone(),
            environment: environment.clone(),
        }
    }

    /// Those of a folder, for tests.
    #[cfg(test)]
    pub fn in_folder(folder: &Path, environment: Environment) -> Personas {
        Personas {
            folder: folder.to_owned(),
            command: vec!["claude".to_owned()],
            added: std::collections::BTreeMap::new(),
            environment,
        }
    }

    /// Reads a persona. A file goes before what is built in under the same name.
    pub fn read(&self, name: &str) -> Result<Persona, NoPersona> {
        let _ = failpoint::before("disk");
        let broken = |error| NoPersona::Broken(Box::new(error));
        if is_name(name) {
            let file = self.folder.join(format!("{name}.toml"));
            if let Some(text) = text_of(&file).map_err(broken)? {
                return self.parse(name, &file, &text).map_err(broken);
            }
            if let Some((_, text)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
                return self.parse(name, Path::new(name), text).map_err(broken);
            }
        }
        let all = self.names();
        let near = nearest(name, all.iter().map(String::as_str)).map(str::to_owned);
        Err(NoPersona::Unknown { near, all })
    }

    /// The persona `default` as it is built in, whatever file of that name there is.
    pub fn built_in_default(&self) -> Result<Persona, Box<ConfigError>> {
        let (name, text) = BUILT_IN[0];
        self.parse(name, Path::new(name), text).map_err(Box::new)
    }

    /// All names: what is built in first, then people's own by name.
    pub fn names(&self) -> Vec<String> {
        let _ = failpoint::before("disk");
        let mut names: Vec<String> = BUILT_IN.map(|(name, _)| name.to_owned()).into();
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut own: Vec<String> = files
            .take(FILES_MAX)
            .filter_map(|file| {
                let name = file.file_name();
                let name = name.to_str()?.strip_suffix(".toml")?;
                (is_name(name) && !names.iter().any(|known| known == name)).then(|| name.to_owned())
            })
            .collect();
        own.sort();
        names.extend(own);
        names
    }

    fn parse(&self, name: &str, file: &Path, text: &str) -> Result<Persona, ConfigError> {
        let document = Document::parse(document::PERSONA, file, text)?;
        let top = document.section("")?;
        let mode = top.get("permission_mode", |value| {
            let mode = values::permission_mode(value)?;
            refuse_bypass_as_root(&mode, &self.command, &self.added, &self.environment)?;
            Ok(mode)
        })?;
        let wants_bypass = mode.as_deref() == Some(BYPASS);
        Ok(Persona {
            name: name.to_owned(),
            description: top
                .get("description", values::text)?
                .unwrap_or_default()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
            prompt: top
                .get("system_prompt", values::system_prompt)?
                .unwrap_or_default()
                .trim()
                .to_owned(),
            model: top.get("model", values::model)?.flatten(),
            mode: mode.filter(|_| !wants_bypass),
            wants_bypass,
            max_turns: top.get("max_turns", values::max_turns)?,
        })
    }

    /// Why a permission mode cannot be had on this host; None where it can.
    pub fn refuses_mode(&self, mode: &str) -> Option<&'static str> {
        refuse_bypass_as_root(mode, &self.command, &self.added, &self.environment)
            .is_err()
            .then_some(
                "Claude refuses that mode as root. Run chappe as another user, or, where the whole host is a sandbox, \
                 set IS_SANDBOX = \"1\" in [claude] env.",
            )
    }
}

/// The text of a file; None where there is none.
fn text_of(file: &Path) -> Result<Option<String>, ConfigError> {
    let cannot = |cause: &dyn std::fmt::Display| {
        ConfigError::in_file(
            file,
            Complaint::new(format!("cannot read the persona: {cause}")),
        )
    };
    // Without this, opening a pipe by this name would wait for somebody who writes into it.
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OFlag::O_NONBLOCK.bits());
    let opened = match options.open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot(&error)),
    };
    // A pipe would never end.
    if !opened.metadata().is_ok_and(|meta| meta.is_file()) {
        return Err(cannot(&"it is no file"));
    }
    let mut bytes = Vec::new();
    opened
        .take(FILE_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| cannot(&error))?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(ConfigError::in_file(
            file,
            Complaint::new(format!("this is more than {FILE_MAX} bytes"))
                .help("a persona is a page of text; give Claude long documents as files"),
        ));
    }
    document::decode(file, &bytes).map(|text| Some(text.to_owned()))
}

#[cfg(test)]
mod tests;
