//! The program itself: how a new version on disk is noticed, and what it says of itself.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Launch, Process, Said};

/// What a program is known by on disk: where it stands, and when it was last replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(Vec<Stand>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Stand {
    file: PathBuf,
    device: u64,
    inode: u64,
    length: u64,
    /// Of its entry (`ctime`), in seconds and nanoseconds. The other time is set by installers, npm's to the same
    /// moment for all versions.
    changed: (i64, i64),
}

/// The fingerprint of every part of a command that is a program. Programs without a slash are looked for in `path`.
pub fn fingerprint(command: &[String], path: &OsStr) -> Fingerprint {
    let find = |name: &String| -> Option<PathBuf> {
        if name.contains('/') {
            return Some(PathBuf::from(name));
        }
        let folders = path.as_bytes().split(|&byte| byte == b':');
        folders
            .map(|folder| Path::new(OsStr::from_bytes(folder)).join(name))
            .find(|file| file.is_file())
    };
    let parts = command.iter().filter_map(find).filter_map(|file| {
        let meta = fs::metadata(&file).ok()?;
        Some(Stand {
            file,
            device: meta.dev(),
            inode: meta.ino(),
            length: meta.len(),
            changed: (meta.ctime(), meta.ctime_nsec()),
        })
    });
    Fingerprint(parts.collect())
}

/// Runs a program that prints a line and ends, and returns the line. Blocks for at most `limit`.
pub fn first_line(launch: &Launch, limit: Duration) -> io::Result<String> {
    let mut process = Process::start(launch)?;
    process.close_input();
    let timeout = crossbeam_channel::after(limit);
    let mut words = String::new();
    loop {
        crossbeam_channel::select! {
            recv(process.said()) -> said => match said {
                Ok(Said::Line(line)) => return Ok(String::from_utf8_lossy(&line).into_owned()),
                Ok(Said::Stderr(line)) => words = line,
                Ok(Said::TooLong(_)) => {}
                Ok(Said::Exited) | Err(_) => return Err(io::Error::other(format!("it printed nothing {words}"))),
            },
            recv(timeout) -> _ => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
}
