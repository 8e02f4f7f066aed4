//! An archive: one `.tar.zst` file with a session's folder and some documents beside it.
//!
//! ```text
//! session.json       documents, as the caller names them
//! transcript/…       files that are attached as they are
//! folder/…           the folder: directories and files
//! links.json         its symbolic links, as data; a tar of ours holds no link
//! manifest.json      the last one: what should be there
//! ```
//!
//! [`pack`] never replaces a file and leaves none that is not whole. [`unpack`] believes nothing: an archive that was cut
//! or changed, or that names a place outside of where it is unpacked, is refused whole, before a byte of it is written.
//! What the documents say, where archives lie and when one is made or removed is decided elsewhere.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

mod contents;
mod links;
mod pack;
mod unpack;

pub use links::LeftOut;
pub use pack::pack;
pub use unpack::unpack;

/// An archive that unpacks to more bytes than this is neither made nor unpacked.
pub const UNPACKED_MAX: u64 = 50 << 30;

/// So many entries an archive has at most.
pub const ENTRIES_MAX: u64 = 1_000_000;

/// The longest name of an entry, in bytes, with the `folder/` before it.
pub const NAME_MAX: usize = 4096;

/// All names together, in bytes: they are held in memory.
pub const NAMES_MAX: u64 = 256 << 20;

/// The longest document, in bytes: it is held in memory.
pub const DOCUMENT_MAX: u64 = 64 << 20;

/// So many documents an archive has at most, with the list of links.
pub const DOCUMENTS_MAX: usize = 8;

/// So many of what was left out are named; all are counted.
pub const NAMED_MAX: usize = 20;

/// Begins the name of an archive that is being written. One that is there after a crash is worth nothing.
pub const UNFINISHED: &str = ".archive-";

const FOLDER: &str = "folder";
const TRANSCRIPT: &str = "transcript";
const LINKS: &str = "links.json";
const MANIFEST: &str = "manifest.json";

/// The version of the layout that is written and understood.
const FORMAT: u32 = 1;

/// What goes into an archive besides the folder.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// A plain file name: ASCII letters, digits, `-`, `_` and `.`, which does not begin it. `links.json` and
    /// `manifest.json` are taken.
    pub name: &'a str,
    pub content: &'a [u8],
}

/// A file that is copied in as it is.
#[derive(Clone, Copy, Debug)]
pub struct Attached<'a> {
    /// Its name below `transcript/`; may have directories in it.
    pub name: &'a str,
    pub path: &'a Path,
}

/// What was packed.
#[derive(Debug, PartialEq, Eq)]
pub struct Packed {
    /// Regular files of the folder, and attached ones.
    pub files: u64,
    /// The size of the archive, in bytes.
    pub bytes: u64,
    /// What of the folder is not in the archive, as relative paths, [`NAMED_MAX`] of them at most: sockets, fifos, devices,
    /// names that are too long, and what cannot be read.
    pub left_out: Vec<String>,
    /// How many were left out.
    pub left_out_count: u64,
    /// The first of them that may have a content: it cannot be read, or its name is too long.
    pub unread: Option<String>,
    /// Files that became shorter while they were packed; zeros stand for what was missing.
    pub shortened: u64,
}

/// What was unpacked. Files in the staging directory are not fsynced: after a crash they are to be unpacked again.
#[derive(Debug)]
pub struct Unpacked {
    /// The documents by name, without those that the archive itself needs.
    pub documents: BTreeMap<String, Vec<u8>>,
    /// Each attached file by the name it was given, and where it lies in the staging directory.
    pub attached: Vec<(String, PathBuf)>,
    /// Where the folder lies in the staging directory, if the archive has one.
    pub folder: Option<PathBuf>,
    /// Links that were not made again, because they lead out of the folder.
    pub links_left_out: LeftOut,
}

/// Why an archive was not unpacked.
#[derive(Debug)]
pub enum Refused {
    /// The file is something else.
    NotAnArchive,
    /// Its end is missing.
    Cut,
    /// Something in it was changed, and what.
    Damaged(String),
    /// A newer chappe made it, with this version of the layout.
    Newer(u32),
    /// This entry has no place in an archive, and why.
    Unsafe(String),
    /// It exceeds a bound, or what is free on the disk; which one.
    TooLarge(String),
    /// Reading the archive or writing to the staging directory failed.
    Io(io::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::NotAnArchive => write!(f, "this file is not an archive"),
            Refused::Cut => write!(f, "the archive is not complete: its end is missing"),
            Refused::Damaged(what) => write!(f, "the archive is damaged: {what}"),
            Refused::Newer(format) => {
                write!(
                    f,
                    "a newer chappe made the archive (its format is {format})"
                )
            }
            Refused::Unsafe(entry) => write!(f, "the archive is not safe to unpack: {entry}"),
            Refused::TooLarge(what) => write!(f, "the archive is too large: {what}"),
            Refused::Io(error) => write!(f, "the archive cannot be unpacked: {error}"),
        }
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Refused::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Refused {
        Refused::Io(error)
    }
}

/// An error met while packing; what would be refused at unpacking is not packed.
impl From<Refused> for io::Error {
    fn from(refused: Refused) -> io::Error {
        match refused {
            Refused::Io(error) => error,
            Refused::TooLarge(what) => io::Error::new(ErrorKind::FileTooLarge, what),
            Refused::Unsafe(what) => io::Error::new(ErrorKind::InvalidInput, what),
            refused => io::Error::other(refused.to_string()),
        }
    }
}

/// What the last entry tells of those before it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    format: u32,
    /// How many there are.
    entries: u64,
    /// The sum of their sizes.
    bytes: u64,
}

#[cfg(test)]
mod tests;
