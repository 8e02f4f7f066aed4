//! Looks into the transcripts that Claude keeps, to find out what it has of a session. Reads only.
//!
//! A transcript is `projects/<directory>/<session id>.jsonl` under Claude's config directory. The directory's name is
//! made of the path by rules that change, so it is searched, never computed.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// What Claude has on disk of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Something was said; `--resume` works.
    Said,
    /// There is a file without a single message of a user: neither `--resume` nor `--session-id` works.
    Hollow,
    /// There is no file.
    Nothing,
    /// It cannot be told, because Claude's folder cannot be read from here (it runs as another user, say).
    Unknown,
}

/// Finds out what Claude has of the session.
pub fn kept(config_dir: &Path, session: &str) -> Kept {
    let projects = config_dir.join("projects");
    let folders = match fs::read_dir(&projects) {
        Ok(folders) => folders,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Kept::Nothing,
        Err(_) => return Kept::Unknown,
    };
    let name = format!("{session}.jsonl");
    let files: Vec<PathBuf> = folders
        .flatten()
        .map(|folder| folder.path().join(&name))
        .collect();
    for file in files {
        match File::open(&file) {
            Ok(file) => {
                return if has_user_row(BufReader::new(file)) {
                    Kept::Said
                } else {
                    Kept::Hollow
                };
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {}
            Err(_) => return Kept::Unknown,
        }
    }
    Kept::Nothing
}

#[derive(Deserialize)]
struct Row<'a> {
    #[serde(borrow, rename = "type")]
    kind: std::borrow::Cow<'a, str>,
}

/// Whether a row of type `user` is there. A row that does not parse (the torn last one of a crash) counts for nothing.
fn has_user_row(mut file: impl BufRead) -> bool {
    let mut line = Vec::new();
    loop {
        line.clear();
        match file.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return false,
            Ok(_) => {}
        }
        if serde_json::from_slice::<Row<'_>>(&line).is_ok_and(|row| row.kind == "user") {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_found_in_whatever_folder_it_lies() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(kept(home.path(), "s1"), Kept::Nothing);
        let folder = home.path().join("projects/-home-user-x");
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(kept(home.path(), "s1"), Kept::Nothing);
        fs::write(folder.join("s1.jsonl"), "{\"type\":\"queue-operation\"}\n").unwrap();
        assert_eq!(kept(home.path(), "s1"), Kept::Hollow);
        fs::write(
            folder.join("s1.jsonl"),
            "{\"type\":\"mode\"}\n{\"parentUuid\":null,\"type\":\"user\"}\n{\"type\":\"us",
        )
        .unwrap();
        assert_eq!(kept(home.path(), "s1"), Kept::Said);
        assert_eq!(kept(home.path(), "s2"), Kept::Nothing);
    }

    #[test]
    fn a_torn_row_is_not_a_user_row() {
        assert!(!has_user_row(&b"{\"type\":\"user\""[..]));
        assert!(!has_user_row(&b""[..]));
    }
}
