//! Writes an archive. Opens no link, no device and nothing that could block.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use tar::{EntryType, Header};
use zstd::stream::write::Encoder;

use super::contents::{Contents, Kind};
use super::links::{Links, spelled};
use super::{
    Attached, Document, ENTRIES_MAX, FOLDER, LINKS, MANIFEST, NAME_MAX, NAMED_MAX, Packed,
    TRANSCRIPT, UNFINISHED, UNPACKED_MAX,
};

/// More costs much time for little space.
const LEVEL: i32 = 3;

/// Writes a new archive, of mode 0600, with these documents, these files and this folder.
///
/// It is there whole and on disk, or not at all; a file that is already there is never replaced (`AlreadyExists`). What
/// changes while it is packed is packed as it is met: what grows is cut, what shrinks ends in zeros, what vanishes is
/// not there. No content comes from outside of the folder, whatever links are in it. An attached file that cannot be read
/// is an error. Takes as long as reading it all takes, and the memory of one buffer and of all names.
pub fn pack(
    archive: &Path,
    folder: Option<&Path>,
    documents: &[Document],
    attached: &[Attached],
) -> io::Result<Packed> {
    if fs::symlink_metadata(archive).is_ok() {
        return Err(ErrorKind::AlreadyExists.into());
    }
    let beside = match archive.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let temporary = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempfile_in(beside)?;
    let meta = temporary.as_file().metadata()?;
    let mut encoder = Encoder::new(temporary.as_file(), LEVEL)?;
    encoder.include_checksum(true)?;
    let mut packer = Packer {
        tar: tar::Builder::new(encoder),
        contents: Contents::new(UNPACKED_MAX),
        own: (meta.dev(), meta.ino()),
        packed: Packed {
            files: 0,
            bytes: 0,
            left_out: Vec::new(),
            left_out_count: 0,
            unread: None,
            shortened: 0,
        },
    };
    for document in documents {
        if document.name == LINKS {
            return Err(io::Error::new(
                ErrorKind::InvalidInput,
                "the name is taken: links.json",
            ));
        }
        packer.document(document.name, document.content)?;
    }
    for file in attached {
        packer.attached(file).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", file.path.display()))
        })?;
    }
    if let Some(folder) = folder {
        let links = packer.folder(folder)?;
        packer.document(LINKS, &serde_json::to_vec_pretty(&links)?)?;
    }
    let mut packed = packer.finish()?;
    temporary.as_file().sync_all()?;
    packed.bytes = temporary.as_file().metadata()?.len();
    temporary
        .persist_noclobber(archive)
        .map_err(|error| error.error)?;
    // Without this the name may be gone after a crash.
    File::open(beside)?.sync_all()?;
    Ok(packed)
}

struct Packer<W: Write> {
    tar: tar::Builder<W>,
    contents: Contents,
    /// Device and inode of what is being written: it may lie in the folder.
    own: (u64, u64),
    packed: Packed,
}

impl Packer<Encoder<'_, &File>> {
    /// Writes what tells that all is there.
    fn finish(mut self) -> io::Result<Packed> {
        let manifest = serde_json::to_vec(&self.contents.manifest())?;
        let header = header(EntryType::Regular, 0o600, 0, manifest.len() as u64);
        self.append(header, MANIFEST.as_bytes(), &manifest[..])?;
        self.tar.into_inner()?.finish()?;
        Ok(self.packed)
    }
}

impl<W: Write> Packer<W> {
    fn document(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        let size = content.len() as u64;
        self.contents.take(name.as_bytes(), Kind::File, size)?;
        let header = header(EntryType::Regular, 0o600, 0, size);
        self.append(header, name.as_bytes(), content)
    }

    fn attached(&mut self, attached: &Attached) -> io::Result<()> {
        let (file, meta) = regular(open(attached.path, OFlag::empty())?)?;
        let name = format!("{TRANSCRIPT}/{}", attached.name);
        self.file(name.as_bytes(), file, &meta)
    }

    /// Packs the folder. Its links are not followed, and come back.
    fn folder(&mut self, folder: &Path) -> io::Result<Links> {
        let mut links = Links::new();
        let root = File::open(folder)?;
        self.directory(FOLDER.as_bytes(), &root.metadata()?)?;
        let mut open = children(folder, Path::new(""))?;
        while let Some(inside) = open.pop() {
            match self.entry(folder, &root, &inside, &mut links) {
                Ok(below) => open.extend(below),
                Err(Skip::Vanished) => {}
                Err(Skip::LeftOut) => self.left_out(&inside),
                Err(Skip::Unread) => {
                    self.left_out(&inside);
                    let name = || inside.to_string_lossy().into_owned();
                    self.packed.unread.get_or_insert_with(name);
                }
                Err(Skip::Failed(error)) => return Err(error),
            }
        }
        Ok(links)
    }

    /// Packs one entry of the folder, and returns what lies in it.
    fn entry(
        &mut self,
        folder: &Path,
        root: &File,
        inside: &Path,
        links: &mut Links,
    ) -> Result<Vec<PathBuf>, Skip> {
        let path = folder.join(inside);
        let name = [FOLDER.as_bytes(), b"/", inside.as_os_str().as_bytes()].concat();
        if name.len() > NAME_MAX {
            return Err(Skip::Unread);
        }
        let meta = fs::symlink_metadata(&path).map_err(unread)?;
        if meta.is_symlink() {
            let target = fs::read_link(&path).map_err(unread)?;
            let text = spelled(target.as_os_str().as_bytes());
            links.insert(spelled(inside.as_os_str().as_bytes()), text);
        } else if meta.is_dir() {
            let below = children(folder, inside).map_err(unread)?;
            self.directory(&name, &meta).map_err(Skip::Failed)?;
            return Ok(below);
        } else if !meta.is_file() {
            return Err(Skip::LeftOut);
        } else if (meta.dev(), meta.ino()) != self.own {
            // It may have become something else since it was looked at.
            let opened = open_inside(root, inside, &path).and_then(regular);
            let (file, meta) = opened.map_err(unread)?;
            self.file(&name, file, &meta).map_err(Skip::Failed)?;
        }
        Ok(Vec::new())
    }

    fn directory(&mut self, name: &[u8], meta: &Metadata) -> io::Result<()> {
        if !meta.is_dir() {
            return Err(ErrorKind::NotADirectory.into());
        }
        self.contents.take(name, Kind::Directory, 0)?;
        let header = header(EntryType::Directory, meta.mode(), meta.mtime(), 0);
        self.append(header, &[name, b"/"].concat(), io::empty())
    }

    fn file(&mut self, name: &[u8], file: File, meta: &Metadata) -> io::Result<()> {
        self.contents.take(name, Kind::File, meta.len())?;
        let header = header(EntryType::Regular, meta.mode(), meta.mtime(), meta.len());
        let mut exact = Exact::new(file, meta.len());
        self.append(header, name, &mut exact)?;
        self.packed.files += 1;
        self.packed.shortened += u64::from(exact.is_short);
        Ok(())
    }

    fn append(&mut self, mut header: Header, name: &[u8], content: impl Read) -> io::Result<()> {
        let name = Path::new(OsStr::from_bytes(name));
        self.tar.append_data(&mut header, name, content)
    }

    fn left_out(&mut self, inside: &Path) {
        self.packed.left_out_count += 1;
        if self.packed.left_out.len() < NAMED_MAX {
            let name = inside.to_string_lossy().into_owned();
            self.packed.left_out.push(name);
        }
    }
}

/// Why something of the folder is not packed.
enum Skip {
    /// It is there no more.
    Vanished,
    /// It has no content.
    LeftOut,
    /// It may have one.
    Unread,
    /// It is not its fault: all fails.
    Failed(io::Error),
}

/// What follows from something that cannot be read. Where chappe or the disk is short of something, the next cannot be
/// read either, and an archive without them all would look whole.
fn unread(error: io::Error) -> Skip {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EIO | Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM) => Skip::Failed(error),
        _ if error.kind() == ErrorKind::NotFound => Skip::Vanished,
        _ => Skip::Unread,
    }
}

/// Nobody is waited for where a fifo or a terminal has come in the place of a file.
const PATIENT: OFlag = OFlag::O_NONBLOCK.union(OFlag::O_NOCTTY);

fn open(path: &Path, flags: OFlag) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags((flags | PATIENT).bits())
        .open(path)
}

/// Opens a file of the folder through no link, not even one that has just come in the place of a directory.
pub(super) fn open_inside(root: &File, inside: &Path, path: &Path) -> io::Result<File> {
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_CLOEXEC | PATIENT)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
    match openat2(root, inside, how) {
        Ok(file) => Ok(file.into()),
        // An old kernel, or a sandbox that does not know the call: all but the directories is looked at.
        Err(Errno::ENOSYS | Errno::EPERM) => open(path, OFlag::O_NOFOLLOW),
        Err(error) => Err(error.into()),
    }
}

fn regular(file: File) -> io::Result<(File, Metadata)> {
    let meta = file.metadata()?;
    match meta.is_file() {
        true => Ok((file, meta)),
        false => Err(io::Error::new(
            ErrorKind::InvalidInput,
            "not a regular file",
        )),
    }
}

/// What lies in a directory of the folder, the last by name first, as relative paths.
fn children(folder: &Path, inside: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    // One more than an archive can have is enough to fail.
    for entry in fs::read_dir(folder.join(inside))?.take(ENTRIES_MAX as usize + 1) {
        paths.push(inside.join(entry?.file_name()));
    }
    paths.sort_unstable_by(|one, other| other.cmp(one));
    // A directory that changes may tell of the same one twice.
    paths.dedup();
    Ok(paths)
}

fn header(kind: EntryType, mode: u32, mtime: i64, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode & 0o777);
    header.set_mtime(u64::try_from(mtime).unwrap_or(0));
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header
}

/// A file's content in exactly the size that was promised.
pub(super) struct Exact<R> {
    content: R,
    left: u64,
    /// The content came to an end before that.
    pub(super) is_short: bool,
}

impl<R: Read> Exact<R> {
    pub(super) fn new(content: R, size: u64) -> Exact<R> {
        Exact {
            content,
            left: size,
            is_short: false,
        }
    }
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let buffer = &mut buffer[..most];
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut read = match self.is_short {
            true => 0,
            false => self.content.read(buffer)?,
        };
        if read == 0 {
            self.is_short = true;
            buffer.fill(0);
            read = buffer.len();
        }
        self.left -= read as u64;
        Ok(read)
    }
}
