//! What is there already where Claude wants to write a file, as far as a request tells it: how much, never what.
//!
//! The text itself stays where it is. Claude need not have read it (2.1.330 asks all the same) and may run as another user
//! than chappe, and a chat may have more readers than a file: what chappe can read is not for that reason to be shown.

use std::fs::{self, FileType, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::OFlag;

use crate::chat::Present;
use crate::patience::Patience;

/// The longest file whose lines are counted, in bytes. Of a longer one the bytes are told.
const COUNTED_MAX: u64 = 1 << 20;

static DISKS: Patience = Patience::fresh();

/// Looks at what `path` leads to, for so long at most: the path is Claude's, and may lie on a disk that does not answer.
pub fn look_within(path: PathBuf, limit: Duration) -> Present {
    let found = DISKS.ask(limit, move || look(&path));
    found.unwrap_or(Present::Unseen)
}

/// Looks at what `path` leads to. Opens nothing but files, and waits for no pipe.
fn look(path: &Path) -> Present {
    // Whoever writes follows links as well.
    match fs::metadata(path) {
        Ok(found) if found.is_file() => file(path, &found),
        Ok(found) => other(found.file_type()),
        Err(error) if is_free(&error) => Present::Nothing,
        Err(_) => Present::Unseen,
    }
}

/// Whether it says that nothing is there; a link that leads to nothing counts as that.
fn is_free(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn other(found: FileType) -> Present {
    if found.is_dir() {
        Present::Directory
    } else if found.is_fifo() {
        Present::Pipe
    } else if found.is_socket() {
        Present::Socket
    } else {
        Present::Device
    }
}

fn file(path: &Path, found: &Metadata) -> Present {
    let bytes = found.len();
    let lines = match bytes {
        ..=COUNTED_MAX => lines(path).ok().flatten(),
        _ => None,
    };
    Present::File { lines, bytes }
}

/// How many lines a file has; None where it is no text.
fn lines(path: &Path) -> io::Result<Option<usize>> {
    // By now it may be another one, and a pipe would be waited for.
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    file.take(COUNTED_MAX + 1).read_to_end(&mut bytes)?;
    let is_whole = bytes.len() as u64 <= COUNTED_MAX;
    let text = str::from_utf8(&bytes)
        .ok()
        .filter(|text| is_whole && !text.contains('\0'));
    Ok(text.map(|text| text.lines().count()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn what_is_there_is_told_and_nothing_but_files_is_opened() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = |name: &str| folder.path().join(name);
        let put = |name: &str, text: &[u8]| fs::write(path(name), text).expect("it can be written");
        put("text", b"one\ntwo\nthree");
        put("empty", b"");
        put("bytes", b"\xff\x00\n");
        put("long", &vec![b'\n'; (COUNTED_MAX + 1) as usize]);
        put("longest", &vec![b'\n'; COUNTED_MAX as usize]);
        symlink("text", path("link")).expect("it can be made");
        symlink("nowhere", path("dangling")).expect("it can be made");
        mkfifo(&path("pipe"), Mode::S_IRUSR | Mode::S_IWUSR).expect("it can be made");
        let _socket = UnixListener::bind(path("socket")).expect("it can be made");
        let file = |lines, bytes| Present::File { lines, bytes };
        for (name, present) in [
            ("text", file(Some(3), 13)),
            ("empty", file(Some(0), 0)),
            ("bytes", file(None, 3)),
            ("long", file(None, COUNTED_MAX + 1)),
            ("longest", file(Some(COUNTED_MAX as usize), COUNTED_MAX)),
            ("link", file(Some(3), 13)),
            ("dangling", Present::Nothing),
            ("missing", Present::Nothing),
            ("text/below", Present::Nothing),
            (".", Present::Directory),
            // A read of it would never end.
            ("pipe", Present::Pipe),
            ("socket", Present::Socket),
            ("/dev/zero", Present::Device),
        ] {
            assert_eq!(look(&path(name)), present, "{name}");
        }
        let too_long = "x".repeat(300);
        assert_eq!(look(&path(&too_long)), Present::Unseen);
    }
}
