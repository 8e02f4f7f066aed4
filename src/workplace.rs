//! What a session needs of the host before it is made: a directory that it may work in, and a persona.
//!
//! Looks and makes nothing; whoever asks does so before a transaction, since a disk may be slow. What is said about what
//! is wrong is made elsewhere.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use crate::config::persona::Personas;

/// The longest path that Linux takes, in bytes.
const PATH_MAX: usize = 4096;

/// Where sessions may work.
pub struct Workplace {
    /// Where their folders are made.
    pub root: PathBuf,
    /// Further directories in which they may work.
    pub allowed: Vec<PathBuf>,
    /// chappe's own home, which `~` stands for.
    pub home: Option<PathBuf>,
    pub personas: Personas,
}

/// Why a session cannot work in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoDirectory {
    /// It is no whole path.
    NotWhole,
    Missing,
    NotADirectory,
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
        let path = self.expanded(named);
        if !path.is_absolute() || named.contains('\0') || named.len() > PATH_MAX {
            return Err(NoDirectory::NotWhole);
        }
        let real = fs::canonicalize(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => NoDirectory::Missing,
            ErrorKind::NotADirectory => NoDirectory::NotADirectory,
            ErrorKind::PermissionDenied => NoDirectory::NoPermission,
            _ => NoDirectory::Other(error.to_string()),
        })?;
        // Looked at where it really is: a link inside of what is allowed may lead anywhere.
        let is_allowed = self.roots().any(|root| {
            let is_below = real.starts_with(&root);
            // The root itself holds the folders of others.
            is_below && (real != root || self.allowed.iter().any(|dir| is_same(dir, &root)))
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

fn is_same(dir: &Path, real: &Path) -> bool {
    fs::canonicalize(dir).is_ok_and(|dir| dir == real)
}

#[cfg(test)]
mod tests;
