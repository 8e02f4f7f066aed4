//! Reads an archive: once to see that all of it is good, and once more to write it out.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::fcntl::OFlag;
use nix::sys::statvfs::statvfs;
use tar::{Entry, EntryType};
use zstd::stream::read::Decoder;

use super::contents::{Contents, Kind, Place, refused, shown, too_large};
use super::links::{self, Checked, LeftOut, Links};
use super::{
    DOCUMENT_MAX, FOLDER, FORMAT, LINKS, MANIFEST, Manifest, NAME_MAX, Refused, TRANSCRIPT,
    UNPACKED_MAX, Unpacked,
};

/// How each archive begins.
const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();

/// In the byte that follows: the content's checksum is there.
const HAS_CHECKSUM: u8 = 1 << 2;

/// What is packed needs 2 MB to look back; one that wants more than 8 MB of memory is not ours.
const WINDOW_LOG_MAX: u32 = 23;

/// The longest manifest, in bytes.
const MANIFEST_MAX: u64 = 4096;

/// So much padding a tar may end with, in bytes.
const TAIL_MAX: usize = 64 << 10;

/// The last time that the field of a tar holds as digits, in Unix seconds.
const MTIME_MAX: u64 = (1 << 33) - 1;

/// Unpacks an archive into `staging`, an empty directory of the caller's own, where the folder becomes `folder` and the
/// attached files lie below `transcript`. The documents come back in memory.
///
/// All is read and checked before a byte is written. On an error nothing is left in `staging`. Directories are of mode
/// 0700; files have the permissions and times that they had, and the links that stay inside the folder are made last.
/// Takes as long as reading the archive twice.
pub fn unpack(archive: &Path, staging: &Path) -> Result<Unpacked, Refused> {
    if fs::read_dir(staging)?.next().is_some() {
        return Err(io::Error::from(ErrorKind::DirectoryNotEmpty).into());
    }
    let disk = statvfs(staging).map_err(io::Error::from)?;
    let free = (disk.blocks_available() as u64).saturating_mul(disk.fragment_size() as u64);
    unpack_within(archive, staging, free.min(UNPACKED_MAX))
}

/// Unpacks with room for so many bytes.
pub(super) fn unpack_within(
    archive: &Path,
    staging: &Path,
    room: u64,
) -> Result<Unpacked, Refused> {
    // The same file both times, whatever becomes of its name; a fifo is not waited for.
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(archive)?;
    if !file.metadata()?.is_file() {
        return Err(Refused::NotAnArchive);
    }
    walk(&mut file, room, None)?;
    let unfinished = Unfinished { staging };
    // Somebody may have changed the file meanwhile, so all is checked again.
    let unpacked = walk(&mut file, room, Some(staging))?;
    std::mem::forget(unfinished);
    Ok(unpacked)
}

/// Empties the staging directory again.
struct Unfinished<'a> {
    staging: &'a Path,
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        for name in [FOLDER, TRANSCRIPT] {
            match fs::remove_dir_all(self.staging.join(name)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    log::warn!("half an archive cannot be removed: {error}");
                }
                _ => {}
            }
        }
    }
}

/// Reads all of the archive, and writes it out where there is a target.
fn walk(file: &mut File, room: u64, target: Option<&Path>) -> Result<Unpacked, Refused> {
    file.seek(SeekFrom::Start(0))?;
    check_beginning(file)?;
    file.seek(SeekFrom::Start(0))?;
    let input = BufReader::with_capacity(64 << 10, &*file);
    let mut decoder = Decoder::with_buffer(input)?.single_frame();
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    let mut tar = tar::Archive::new(decoder);
    let mut reader = Reader::new(room, target);
    // Raw, so that no long name of anybody's is taken into memory.
    for entry in tar.entries().map_err(unread)?.raw(true) {
        let entry = entry.map_err(|error| match (reader.is_begun, unread(error)) {
            (false, Refused::Damaged(_)) => Refused::NotAnArchive,
            (_, refused) => refused,
        })?;
        reader.entry(entry)?;
    }
    check_end(tar.into_inner())?;
    reader.finish()
}

fn check_beginning(file: &mut File) -> Result<(), Refused> {
    let mut begin = [0; 5];
    match file.read_exact(&mut begin) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(Refused::NotAnArchive),
        Err(error) => Err(error.into()),
        Ok(()) if begin[..4] != MAGIC => Err(Refused::NotAnArchive),
        Ok(()) if begin[4] & HAS_CHECKSUM == 0 => {
            Err(Refused::Damaged("it has no checksum".into()))
        }
        Ok(()) => Ok(()),
    }
}

/// Reads to the end of the frame, where its checksum is looked at. Nothing may follow.
fn check_end(mut decoder: Decoder<'_, BufReader<&File>>) -> Result<(), Refused> {
    let follows = || Refused::Damaged("something follows its end".into());
    let mut tail = [0; 512];
    let mut length = 0;
    loop {
        let read = decoder.read(&mut tail).map_err(unread)?;
        length += read;
        if read == 0 {
            break;
        }
        if length > TAIL_MAX || tail[..read].iter().any(|byte| *byte != 0) {
            return Err(follows());
        }
    }
    let mut input = decoder.finish();
    match input.fill_buf()?.is_empty() {
        true => Ok(()),
        false => Err(follows()),
    }
}

/// What an error at reading says of the archive.
fn unread(error: io::Error) -> Refused {
    match (error.raw_os_error(), error.kind()) {
        (Some(_), _) => Refused::Io(error),
        (None, ErrorKind::UnexpectedEof) => Refused::Cut,
        (None, _) => Refused::Damaged(error.to_string()),
    }
}

struct Reader<'a> {
    target: Option<&'a Path>,
    contents: Contents,
    /// A header was read: it is a tar.
    is_begun: bool,
    /// Of the entry that follows.
    long_name: Option<Vec<u8>>,
    links: Option<Links>,
    manifest: Option<Manifest>,
    unpacked: Unpacked,
}

impl<'a> Reader<'a> {
    fn new(room: u64, target: Option<&'a Path>) -> Reader<'a> {
        Reader {
            target,
            contents: Contents::new(room),
            is_begun: false,
            long_name: None,
            links: None,
            manifest: None,
            unpacked: Unpacked {
                documents: BTreeMap::new(),
                attached: Vec::new(),
                folder: None,
                links_left_out: LeftOut::default(),
            },
        }
    }

    fn entry<R: Read>(&mut self, mut entry: Entry<'_, R>) -> Result<(), Refused> {
        self.is_begun = true;
        if self.manifest.is_some() {
            return Err(Refused::Damaged("something follows the manifest".into()));
        }
        let size = entry.size();
        let kind = entry.header().entry_type();
        if kind == EntryType::GNULongName {
            if size > NAME_MAX as u64 + 2 || self.long_name.is_some() {
                return Err(Refused::Unsafe("an entry has too long a name".into()));
            }
            let mut name = content(&mut entry, size)?;
            name.pop_if(|last| *last == 0);
            self.long_name = Some(name);
            return Ok(());
        }
        let name = match self.long_name.take() {
            Some(name) => name,
            None => entry.header().path_bytes().into_owned(),
        };
        match kind {
            EntryType::Directory => {
                let name = name.strip_suffix(b"/").unwrap_or(&name);
                self.contents.take(name, Kind::Directory, size)?;
                self.directory(name)
            }
            EntryType::Regular if name == MANIFEST.as_bytes() => self.manifest(entry, size),
            EntryType::Regular => match self.contents.take(&name, Kind::File, size)? {
                Place::Document(name) => self.document(name, entry, size),
                Place::Attached(inside) => self.attached(inside, &name, entry),
                Place::Folder => self.file(&name, entry),
            },
            EntryType::Symlink | EntryType::Link => Err(refused(&name, "is a link")),
            EntryType::Char | EntryType::Block => Err(refused(&name, "is a device")),
            EntryType::Fifo => Err(refused(&name, "is a fifo")),
            _ => Err(refused(&name, "is neither a file nor a directory")),
        }
    }

    fn manifest<R: Read>(&mut self, mut entry: Entry<'_, R>, size: u64) -> Result<(), Refused> {
        if size > MANIFEST_MAX {
            return Err(too_large(format!("{MANIFEST} has {size} bytes")));
        }
        let text = content(&mut entry, size)?;
        let manifest: Manifest = parsed(MANIFEST, &text)?;
        if manifest.format > FORMAT {
            return Err(Refused::Newer(manifest.format));
        }
        self.manifest = Some(manifest);
        Ok(())
    }

    fn document<R: Read>(
        &mut self,
        name: String,
        mut entry: Entry<'_, R>,
        size: u64,
    ) -> Result<(), Refused> {
        if name == LINKS {
            self.links = Some(parsed(LINKS, &content(&mut entry, size)?)?);
        } else if self.target.is_some() {
            let content = content(&mut entry, size)?;
            self.unpacked.documents.insert(name, content);
        }
        Ok(())
    }

    fn attached<R: Read>(
        &mut self,
        inside: String,
        name: &[u8],
        entry: Entry<'_, R>,
    ) -> Result<(), Refused> {
        if let Some(target) = self.target {
            let path = target.join(OsStr::from_bytes(name));
            if let Some(parent) = path.parent() {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(parent)?;
            }
            self.unpacked.attached.push((inside, path));
        }
        self.file(name, entry)
    }

    fn directory(&mut self, name: &[u8]) -> Result<(), Refused> {
        if let Some(target) = self.target {
            let path = target.join(OsStr::from_bytes(name));
            DirBuilder::new().mode(0o700).create(&path)?;
            if name == FOLDER.as_bytes() {
                self.unpacked.folder = Some(path);
            }
        }
        Ok(())
    }

    fn file<R: Read>(&mut self, name: &[u8], mut entry: Entry<'_, R>) -> Result<(), Refused> {
        let mode = entry.header().mode().map_err(unread)? & 0o777;
        let mtime = entry.header().mtime().map_err(unread)?.min(MTIME_MAX);
        let size = entry.size();
        let Some(target) = self.target else {
            return Ok(());
        };
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(target.join(OsStr::from_bytes(name)))?;
        if io::copy(&mut entry, &mut file)? != size {
            return Err(Refused::Cut);
        }
        file.set_permissions(PermissionsExt::from_mode(mode))?;
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(mtime))?;
        Ok(())
    }

    /// Compares what was there with what should be, and makes the links.
    fn finish(mut self) -> Result<Unpacked, Refused> {
        let Some(manifest) = self.manifest else {
            return Err(Refused::Damaged(format!("{MANIFEST} is missing")));
        };
        if manifest != self.contents.manifest() || self.long_name.is_some() {
            return Err(Refused::Damaged(format!("{MANIFEST} says otherwise")));
        }
        let links = match &self.links {
            Some(links) => links::checked(links, &self.contents)?,
            None => Checked::default(),
        };
        self.unpacked.links_left_out = links.left_out;
        if let Some(target) = self.target {
            for (name, to) in links.made {
                let path: PathBuf = target.join(FOLDER).join(OsStr::from_bytes(&name));
                symlink(OsStr::from_bytes(&to), path)?;
            }
        }
        Ok(self.unpacked)
    }
}

/// An entry's content, whose size has been looked at.
fn content(entry: &mut impl Read, size: u64) -> Result<Vec<u8>, Refused> {
    let mut content = Vec::new();
    let read = entry
        .take(DOCUMENT_MAX)
        .read_to_end(&mut content)
        .map_err(unread)?;
    match read as u64 == size {
        true => Ok(content),
        false => Err(Refused::Cut),
    }
}

fn parsed<T: serde::de::DeserializeOwned>(name: &str, text: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(text)
        .map_err(|error| Refused::Damaged(format!("{}: {error}", shown(name.as_bytes()))))
}
