//! What is there already where Claude wants to write a file, as far as a request tells it: how much and where, never what.
//!
//! The text itself stays where it is. Claude need not have read it (2.1.330 asks all the same) and may run as another user
//! than chappe, and a chat may have more readers than a file: what chappe can read is not for that reason to be shown.

use std::fs::{self, FileType, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use nix::fcntl::OFlag;

use crate::chat::{Found, Present};
use crate::patience::Patience;

/// The longest file whose lines are counted, in bytes. Of a longer one the bytes are told.
const COUNTED_MAX: u64 = 1 << 20;

/// How many steps are followed from links that lead to nothing yet. Linux follows as many.
const STEPS_MAX: usize = 40;

static DISKS: Patience = Patience::fresh();

/// Looks at what `path` leads to from the session's folder, for so long at most: the path is Claude's, and may lie on a
/// disk that does not answer.
pub fn look_within(folder: &Path, path: &Path, limit: Duration) -> Found {
    let (folder, path) = (folder.to_owned(), folder.join(path));
    let found = DISKS.ask(limit, move || Found {
        present: look(&path),
        leads_to: leads_to(&folder, &path),
    });
    found.unwrap_or_else(|| Present::Unseen.into())
}

/// Where a path leads, where that is elsewhere than it says. None also where chappe may not look.
fn leads_to(folder: &Path, named: &Path) -> Option<PathBuf> {
    let path = without_steps_back(named);
    let real = real(&path, &mut { STEPS_MAX })?;
    // What lies in the session's folder is where it says, also where a link leads to the folder itself.
    let expected = match path.strip_prefix(folder) {
        Ok(rest) => fs::canonicalize(folder).map_or_else(|_| path.clone(), |real| real.join(rest)),
        Err(_) => path.clone(),
    };
    (real != expected || path != named).then_some(real)
}

/// The path as the CLI takes it: a `..` takes away the name before it, whether or not that is a link.
fn without_steps_back(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            component => plain.push(component),
        }
    }
    plain
}

/// The path without a link in it, of what is there or would be made.
fn real(path: &Path, steps: &mut usize) -> Option<PathBuf> {
    *steps = steps.checked_sub(1)?;
    match fs::canonicalize(path) {
        Err(error) if is_free(&error) => {}
        found => return found.ok(),
    }
    let made = real(path.parent()?, steps)?.join(path.file_name()?);
    match fs::read_link(&made) {
        // It leads to nothing; who writes makes a file there.
        Ok(target) => real(&made.parent()?.join(target), steps),
        Err(_) => Some(made),
    }
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

    #[test]
    fn where_a_path_leads_is_told_where_it_is_elsewhere_than_it_says() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let top = fs::canonicalize(folder.path()).expect("it is there");
        for name in ["work", "else/deep"] {
            fs::create_dir_all(top.join(name)).expect("it can be made");
        }
        fs::write(top.join("else/file"), "x").expect("it can be written");
        fs::write(top.join("work/own"), "x").expect("it can be written");
        for (target, link) in [
            ("../else/file", "work/file"),
            ("../else", "work/folder"),
            ("../else/new", "work/dangling"),
            ("dangling", "work/twice"),
            ("circle", "work/circle"),
            ("work", "way"),
        ] {
            symlink(target, top.join(link)).expect("it can be made");
        }
        for work in ["work", "way"] {
            let work = top.join(work);
            let of = |name: &str| leads_to(&work, &work.join(name));
            for name in ["own", "new", "new/new", "./own", "circle", "circle/x"] {
                assert_eq!(of(name), None, "{name}");
            }
            for (name, real) in [
                ("file", "else/file"),
                ("folder/file", "else/file"),
                ("folder/new", "else/new"),
                ("folder/new/new", "else/new/new"),
                ("dangling", "else/new"),
                ("twice", "else/new"),
                ("x/../file", "else/file"),
                ("folder/deep/../../own", "work/own"),
            ] {
                assert_eq!(of(name), Some(top.join(real)), "{name}");
            }
        }
        let outside = |name: &str| leads_to(&top.join("work"), &top.join(name));
        assert_eq!(outside("else/file"), None);
        assert_eq!(outside("way/own"), Some(top.join("work/own")));
    }
}
