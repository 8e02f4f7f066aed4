//! What a session needs of the host before it is made: a directory that it may work in, and a persona.
//!
//! Looks and makes nothing; whoever asks does so before a transaction, since a disk may be slow. What is said about what
//! is wrong is made elsewhere.

/// What is there already where a file is to be written.
pub mod present;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};

use crate::claude::by_hand::ByHand;
use crate::claude::{elsewhere, history};
use crate::config::persona::{Personas, is_name};
use crate::failpoint;

/// The longest path that Linux takes, in bytes.
const PATH_MAX: usize = 4096;

/// Where sessions may work.
pub struct Workplace {
    /// Where their folders are made; all links followed.
    pub root: PathBuf,
    /// Further directories in which they may work.
    pub allowed: Vec<PathBuf>,
    /// chappe's own home, which `~` stands for.
    pub home: Option<PathBuf>,
    pub personas: Personas,
    /// Where Claude keeps its conversations.
    pub claude: Option<PathBuf>,
    /// How they go on at the desk.
    pub by_hand: ByHand,
    /// The name of the folder below `root` with what was put away.
    pub archives: &'static str,
}

/// A session that was put away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archived {
    /// The name of its file.
    pub file: String,
    /// The session's name.
    pub name: String,
    pub age: Duration,
}

/// One of Claude's own conversations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conversation {
    pub id: String,
    /// What was said first.
    pub first_line: String,
    pub age: Duration,
}

/// How many of these are looked up.
const LISTED_MAX: usize = 50;

/// What an archive's name ends with.
const ARCHIVE_END: &str = ".tar.zst";

/// Why a session cannot work in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoDirectory {
    /// It is no whole path.
    NotWhole,
    Missing,
    NotADirectory,
    /// It is a link that leads back to itself, perhaps by others.
    Circle,
    /// It lies, perhaps through a link, outside of what is allowed.
    Outside {
        /// Where it really is.
        real: PathBuf,
        allowed: Vec<PathBuf>,
    },
    /// chappe's user may not read, enter and write it.
    NoPermission,
    /// Something else, in the host's words.
    Other(String),
}

impl Workplace {
    /// Finds the directory that a person has named, with all links followed.
    pub fn directory(&self, named: &str) -> Result<PathBuf, NoDirectory> {
        self.real(named, &self.expanded(named))
    }

    /// The directory that lies in the sessions' root under this name, with all links followed, where one may work in it.
    pub fn may_work_in(&self, name: &str) -> Result<PathBuf, NoDirectory> {
        self.real(name, &self.root.join(name))
    }

    fn real(&self, named: &str, path: &Path) -> Result<PathBuf, NoDirectory> {
        let _ = failpoint::before("disk");
        if !path.is_absolute() || named.contains('\0') || named.len() > PATH_MAX {
            return Err(NoDirectory::NotWhole);
        }
        let real = fs::canonicalize(path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => NoDirectory::Missing,
            ErrorKind::NotADirectory => NoDirectory::NotADirectory,
            ErrorKind::PermissionDenied => NoDirectory::NoPermission,
            _ if error.raw_os_error() == Some(Errno::ELOOP as i32) => NoDirectory::Circle,
            _ => NoDirectory::Other(error.to_string()),
        })?;
        // Looked at where it really is: a link inside of what is allowed may lead anywhere.
        let is_allowed = self.roots().any(|root| {
            let Ok(below) = real.strip_prefix(&root) else {
                return false;
            };
            let is_listed = self.allowed.iter().any(|dir| is_same(dir, &root));
            // The root itself holds the folders of others, and hidden ones hold what is chappe's own.
            let first = below.components().next();
            let is_hidden =
                first.is_some_and(|first| first.as_os_str().as_encoded_bytes().starts_with(b"."));
            is_listed || (first.is_some() && !is_hidden)
        });
        if !is_allowed {
            return Err(NoDirectory::Outside {
                real,
                allowed: std::iter::once(&self.root)
                    .chain(&self.allowed)
                    .cloned()
                    .collect(),
            });
        }
        if !real.is_dir() {
            return Err(NoDirectory::NotADirectory);
        }
        let all = AccessFlags::R_OK | AccessFlags::W_OK | AccessFlags::X_OK;
        match access(&real, all) {
            Ok(()) => Ok(real),
            Err(_) => Err(NoDirectory::NoPermission),
        }
    }

    /// The names in the root under which anything lies. An empty folder is in nobody's way.
    pub fn occupied(&self) -> Vec<String> {
        let _ = failpoint::before("disk");
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        let occupied = entries.filter(|entry| {
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            let inside = fs::read_dir(entry.path());
            !is_folder || inside.is_err() || inside.is_ok_and(|mut inside| inside.next().is_some())
        });
        // No session has a name that is no text.
        occupied
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }

    /// What was put away, the newest first.
    pub fn archived(&self) -> Vec<Archived> {
        let _ = failpoint::before("disk");
        let now = SystemTime::now();
        let files = fs::read_dir(self.root.join(self.archives))
            .into_iter()
            .flatten()
            .flatten();
        let mut found: Vec<Archived> = files
            .filter_map(|entry| {
                let file = entry.file_name().into_string().ok()?;
                let meta = entry.metadata().ok().filter(fs::Metadata::is_file)?;
                let name = name_in(&file)?.to_owned();
                let age = now.duration_since(meta.modified().ok()?);
                Some(Archived {
                    file,
                    name,
                    age: age.unwrap_or_default(),
                })
            })
            .collect();
        found.sort_by_key(|archived| archived.age);
        found
    }

    /// Claude's own conversations in a folder, the newest first.
    pub fn conversations(&self, folder: &Path) -> std::io::Result<Vec<Conversation>> {
        let _ = failpoint::before("disk");
        let Some(claude) = &self.claude else {
            return Ok(Vec::new());
        };
        let now = SystemTime::now();
        let found = history::conversations(claude, folder, LISTED_MAX)?;
        Ok(found
            .into_iter()
            .map(|one| Conversation {
                id: one.id,
                first_line: one.first_line,
                age: now.duration_since(one.modified).unwrap_or_default(),
            })
            .collect())
    }

    /// The process that has a conversation open, or may have, and is none of chappe's.
    pub fn holder(&self, conversation: &str, folder: &Path) -> Option<i32> {
        let _ = failpoint::before("disk");
        let ours = [nix::unistd::getpid().as_raw()];
        let claude = self.claude.as_deref()?;
        elsewhere::holder(claude, conversation, folder, &ours).map(|holder| holder.pid)
    }

    fn roots(&self) -> impl Iterator<Item = PathBuf> + '_ {
        std::iter::once(&self.root)
            .chain(&self.allowed)
            .filter_map(|root| fs::canonicalize(root).ok())
    }

    fn expanded(&self, named: &str) -> PathBuf {
        match (named.strip_prefix('~'), &self.home) {
            (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
                home.join(rest.trim_start_matches('/'))
            }
            _ => PathBuf::from(named),
        }
    }

    /// A path as a person would write it.
    pub fn short(&self, path: &Path) -> String {
        match self
            .home
            .as_deref()
            .and_then(|home| path.strip_prefix(home).ok())
        {
            Some(below) if below.as_os_str().is_empty() => "~".to_owned(),
            Some(below) => format!("~/{}", below.display()),
            None => path.display().to_string(),
        }
    }
}

/// The session's name in the name of an archive: what stands before the day, the time and the mark.
fn name_in(file: &str) -> Option<&str> {
    let stem = file.strip_suffix(ARCHIVE_END)?;
    let is = |part: &str, length, kind: fn(&u8) -> bool| {
        part.len() == length && part.as_bytes().iter().all(kind)
    };
    // Who makes a copy may give it a name without a mark.
    let stem = match stem.rsplit_once('-') {
        Some((stem, mark)) if is(mark, MARK_LENGTH, u8::is_ascii_hexdigit) => stem,
        _ => stem,
    };
    let mut parts = stem.rsplitn(3, '-');
    let (time, day, name) = (parts.next()?, parts.next()?, parts.next()?);
    let are_numbers = is(time, 6, u8::is_ascii_digit) && is(day, 8, u8::is_ascii_digit);
    (are_numbers && is_name(name)).then_some(name)
}

/// How much of a session's mark stands in the name of its archive, in characters.
const MARK_LENGTH: usize = 8;

/// The name of the archive of a session, made at a time that reads `20261128-140205`. Its mark tells it from another one
/// that had the name in the same second.
pub fn archive_of(name: &str, stamp: &str, mark: &str) -> String {
    let mark: String = mark.chars().take(MARK_LENGTH).collect();
    format!("{name}-{stamp}-{mark}{ARCHIVE_END}")
}

/// A path with the links followed of as much of it as is there.
pub fn resolved(path: &Path) -> PathBuf {
    for there in path.ancestors() {
        if let (Ok(real), Ok(rest)) = (fs::canonicalize(there), path.strip_prefix(there)) {
            return real.join(rest).components().collect();
        }
    }
    path.to_owned()
}

fn is_same(dir: &Path, real: &Path) -> bool {
    fs::canonicalize(dir).is_ok_and(|dir| dir == real)
}

#[cfg(test)]
mod tests;
