//! What an archive may hold: names, sizes and how many. The same rules when it is packed and unpacked.
//!
//! Touches no file.

use std::collections::HashMap;

use super::{
    DOCUMENT_MAX, DOCUMENTS_MAX, ENTRIES_MAX, FOLDER, FORMAT, MANIFEST, Manifest, NAME_MAX,
    NAMES_MAX, Refused, TRANSCRIPT,
};

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
}

/// Where an entry belongs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At the top, by its name.
    Document(String),
    /// Below `transcript/`, by its name there.
    Attached(String),
    /// The folder or in it.
    Folder,
}

/// The entries so far.
pub(super) struct Contents {
    kinds: HashMap<Vec<u8>, Kind>,
    name_bytes: u64,
    documents: usize,
    entries: u64,
    bytes: u64,
    /// How many bytes there may be.
    room: u64,
}

impl Contents {
    pub(super) fn new(room: u64) -> Contents {
        Contents {
            kinds: HashMap::new(),
            name_bytes: 0,
            documents: 0,
            entries: 0,
            bytes: 0,
            room,
        }
    }

    /// Takes an entry, by its name without a slash at the end, or says why there must not be such a one.
    pub(super) fn take(&mut self, name: &[u8], kind: Kind, size: u64) -> Result<Place, Refused> {
        check_name(name)?;
        let place = self.place(name, kind)?;
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > self.room {
            return Err(too_large(format!("there is room for {} bytes", self.room)));
        }
        if kind == Kind::Directory && size > 0 {
            return Err(refused(name, "is a directory with content"));
        }
        if let Place::Document(_) = place {
            self.documents += 1;
            if size > DOCUMENT_MAX {
                return Err(too_large(format!(
                    "{} has more than {DOCUMENT_MAX} bytes",
                    shown(name)
                )));
            }
            if self.documents > DOCUMENTS_MAX {
                return Err(too_large(format!("more than {DOCUMENTS_MAX} documents")));
            }
        }
        self.insert(name, kind)?;
        Ok(place)
    }

    /// Whether this is a directory of the folder. The name begins with `folder`.
    pub(super) fn is_directory(&self, name: &[u8]) -> bool {
        self.kinds.get(name) == Some(&Kind::Directory)
    }

    pub(super) fn has(&self, name: &[u8]) -> bool {
        self.kinds.contains_key(name)
    }

    /// What the manifest says of these entries.
    pub(super) fn manifest(&self) -> Manifest {
        Manifest {
            format: FORMAT,
            entries: self.entries,
            bytes: self.bytes,
        }
    }

    fn place(&mut self, name: &[u8], kind: Kind) -> Result<Place, Refused> {
        let text = || std::str::from_utf8(name).map_err(|_| refused(name, "is not UTF-8"));
        let (top, rest) = match name.iter().position(|byte| *byte == b'/') {
            Some(slash) => (&name[..slash], Some(slash + 1)),
            None => (name, None),
        };
        if top == FOLDER.as_bytes() {
            match parent(name) {
                None if kind == Kind::File => return Err(refused(name, "is not a directory")),
                Some(parent) if !self.is_directory(parent) => {
                    return Err(refused(name, "lies in no directory"));
                }
                _ => return Ok(Place::Folder),
            }
        }
        if kind == Kind::Directory {
            return Err(refused(name, "is a directory outside of the folder"));
        }
        match rest {
            None if is_document(name) && name != MANIFEST.as_bytes() => {
                Ok(Place::Document(text()?.to_owned()))
            }
            Some(rest) if top == TRANSCRIPT.as_bytes() => {
                let inside = text()?[rest..].to_owned();
                self.make_parents(name)?;
                Ok(Place::Attached(inside))
            }
            _ => Err(refused(name, "has no place in an archive")),
        }
    }

    /// Directories below `transcript/` have no entries of their own.
    fn make_parents(&mut self, name: &[u8]) -> Result<(), Refused> {
        let mut at = parent(name);
        while let Some(directory) = at.filter(|directory| !self.is_directory(directory)) {
            self.insert(directory, Kind::Directory)?;
            at = parent(directory);
        }
        Ok(())
    }

    fn insert(&mut self, name: &[u8], kind: Kind) -> Result<(), Refused> {
        if self.kinds.len() as u64 >= ENTRIES_MAX {
            return Err(too_large(format!("more than {ENTRIES_MAX} entries")));
        }
        self.name_bytes += name.len() as u64;
        if self.name_bytes > NAMES_MAX {
            return Err(too_large("its names need too much memory".into()));
        }
        match self.kinds.insert(name.to_vec(), kind) {
            None => Ok(()),
            Some(_) => Err(refused(name, "is there twice")),
        }
    }
}

/// The name of what this lies in; None for what lies at the top.
pub(super) fn parent(name: &[u8]) -> Option<&[u8]> {
    let slash = name.iter().rposition(|byte| *byte == b'/')?;
    Some(&name[..slash])
}

/// Whether a name is relative, without detours, and not too long.
pub(super) fn check_name(name: &[u8]) -> Result<(), Refused> {
    if name.len() > NAME_MAX {
        return Err(refused(name, "has too long a name"));
    }
    if name.is_empty() {
        return Err(Refused::Unsafe("an entry has no name".into()));
    }
    if name.contains(&0) {
        return Err(refused(name, "has a zero in its name"));
    }
    if name[0] == b'/' {
        return Err(refused(name, "is an absolute path"));
    }
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b".." => return Err(refused(name, "leads out of the archive")),
            b"" | b"." => return Err(refused(name, "is not a plain path")),
            _ => {}
        }
    }
    Ok(())
}

fn is_document(name: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    name[0] != b'.' && name.iter().all(is_plain) && name != TRANSCRIPT.as_bytes()
}

pub(super) fn refused(name: &[u8], why: &str) -> Refused {
    Refused::Unsafe(format!("{} {why}", shown(name)))
}

pub(super) fn too_large(what: String) -> Refused {
    Refused::TooLarge(what)
}

/// A name for a person: short, and on one line.
pub(super) fn shown(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    let mut letters = text.escape_debug();
    let mut shown: String = letters.by_ref().take(200).collect();
    if letters.next().is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}
