//! What moving a session as a whole needs on the disk: its archive, its folder, Claude's transcript.
//!
//! Everything here may block for long, so it is called from a thread of its own. Each step is safe to repeat: what a
//! former attempt has left is put back first, and nothing is removed before the store knows that the session is gone.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};
use nix::unistd::geteuid;

use super::prepare::{MIRROR, config_dir, is_mirror_of};
use crate::archive::{self, Attached, Document, LeftOut, Packed, Refused};
use crate::chat::Moving;
use crate::claude::transcript::{self, Kept};
use crate::store::{KeptSession, Said};

/// Where archives lie, in the directory of the sessions' folders. No session can have this name.
pub const ARCHIVES: &str = ".archive";

/// What the names begin with of folders that wait to be removed, or are not whole yet. No session's folder begins with a
/// dot.
const AWAY: &str = ".away-";
const STAGING: &str = ".staging-";

/// What the name of the file ends with that says whose a folder is which was brought back, until the store knows.
const PLACED: &str = ".placed";

/// What the name of a transcript ends with that was in the way of the one that was put away.
const SET_ASIDE: &str = "chappe-set-aside";

/// What Claude calls the folder of what it has noted for itself, beside the transcripts of a directory.
const MEMORY: &str = "memory";

/// The permission modes that come back with a session. In any other one something runs of which nobody is asked.
const MODES_BACK: [&str; 3] = ["default", "plan", "dontAsk"];

/// The documents of an archive.
const SESSION: &str = "chappe.json";
const LOG: &str = "log.json";

/// The version of what stands in them.
const VERSION: u32 = 1;

/// How much of a name is told, in characters.
const NAMED_MAX: usize = 200;

/// Longer names Claude cuts, and adds what nobody else can compute.
const PROJECT_NAME_MAX: usize = 200;

/// Where a session's things lie.
pub struct Premises<'a> {
    /// The directory of the sessions' folders.
    pub root: &'a Path,
    /// Claude's environment.
    pub environment: &'a [(OsString, OsString)],
    /// The session's mark: random, and no other session ever has it.
    pub mark: &'a str,
}

/// What has come back out of an archive.
pub struct Arrival {
    pub kept: KeptSession,
    pub said: Vec<Said>,
    /// The directory of a person's that it worked in, where it cannot any more.
    pub elsewhere: Option<String>,
    /// The mode in which it asked less before it was put away, or nobody.
    pub asks_again: Option<String>,
    /// Whether something was said in it of which Claude has no record here, so that it begins a new conversation.
    pub forgets: bool,
    pub links_left_out: LeftOut,
}

/// What was done on the disk.
pub enum Done {
    Packed {
        packed: Packed,
        /// Whether something was said of which Claude has no record, so that none is in the archive.
        forgets: bool,
    },
    TakenAway,
    Arrived(Box<Arrival>),
    PutBack,
}

/// What of a session that is gone could not be removed.
#[derive(Debug)]
pub struct Remains {
    pub path: PathBuf,
    pub why: io::Error,
}

/// Removes what a crash has left of sessions that are gone, or were not there yet; `is_known` tells by its mark which one
/// is still there, and will do so itself.
pub fn clean_up(root: &Path, is_known: impl Fn(&str) -> bool) {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let mark = name
            .strip_prefix(AWAY)
            .or_else(|| name.strip_prefix(STAGING));
        let Some(mark) = mark else { continue };
        let removed = match mark.strip_suffix(PLACED) {
            Some(mark) if !is_known(mark) => remove_file(&entry.path()),
            None if !is_known(mark) => remove_tree(&entry.path()),
            _ => Ok(()),
        };
        log_failure("what a former chappe left", &entry.path(), removed);
    }
}

/// Removes archives that a crash has left unfinished. To be called before any session moves: what is being written now has
/// such a name as well.
pub fn remove_unfinished(root: &Path) {
    let archives = fs::read_dir(root.join(ARCHIVES))
        .into_iter()
        .flatten()
        .flatten();
    for entry in archives {
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with(archive::UNFINISHED)
        {
            let removed = remove_file(&entry.path());
            log_failure("an archive that was not finished", &entry.path(), removed);
        }
    }
}

fn log_failure(what: &str, path: &Path, done: io::Result<()>) {
    if let Err(error) = done {
        log::warn!("{what} cannot be removed: {}: {error}", path.display());
    }
}

impl Premises<'_> {
    /// Does on the disk what a move needs.
    pub fn carry_out(
        &self,
        moving: &Moving,
        kept: &KeptSession,
        said: &[Said],
        may_use: impl Fn(&str) -> Option<PathBuf>,
        is_open: impl Fn(&str) -> bool,
    ) -> io::Result<Done> {
        match moving {
            Moving::Archive { file } => {
                let packed = self.pack(kept, said, file)?;
                let forgets = kept.said && !self.has_record(&kept.claude);
                Ok(Done::Packed { packed, forgets })
            }
            Moving::Delete { file } => {
                self.undo(kept, file.as_deref())?;
                self.take_away(kept).map(|()| Done::TakenAway)
            }
            Moving::Restore { file, .. } => self
                .unpack(file, Path::new(&kept.folder), may_use, is_open)
                .map(|arrival| Done::Arrived(Box::new(arrival))),
            Moving::Stay { file } => self.undo(kept, file.as_deref()).map(|()| Done::PutBack),
        }
    }

    fn archive(&self, file: &str) -> PathBuf {
        self.root.join(ARCHIVES).join(file)
    }

    /// Where its folder waits to be removed: beside its place, which may be on another disk than the root is now.
    fn away(&self, kept: &KeptSession) -> PathBuf {
        let beside = Path::new(&kept.folder).parent().unwrap_or(self.root);
        beside.join(format!("{AWAY}{}", self.mark))
    }

    fn staging(&self) -> PathBuf {
        self.root.join(format!("{STAGING}{}", self.mark))
    }

    fn placed(&self) -> PathBuf {
        self.root.join(format!("{STAGING}{}{PLACED}", self.mark))
    }

    /// The store knows that the session is back.
    pub fn arrived(&self) -> io::Result<()> {
        remove_file(&self.placed())
    }

    fn transcripts(&self, claude: &str) -> io::Result<Vec<PathBuf>> {
        let dir = config_dir(self.environment);
        dir.map_or_else(|| Ok(Vec::new()), |dir| transcript::paths(&dir, claude))
    }

    /// Whether Claude has a record of a conversation that can go on. Somebody may have removed it, Claude does so itself
    /// after a while, and one that runs as another user keeps it where it is not seen from here.
    fn has_record(&self, claude: &str) -> bool {
        let dir = config_dir(self.environment);
        dir.is_some_and(|dir| matches!(transcript::kept(&dir, claude), Kept::Said | Kept::Unknown))
    }

    /// Packs a session, and takes its folder out of the way. `said` is what was said in it.
    pub fn pack(&self, kept: &KeptSession, said: &[Said], file: &str) -> io::Result<Packed> {
        self.put_back(kept)?;
        let folder = Path::new(&kept.folder);
        // Somebody has moved it, or its disk is not there: without it this would only look put away.
        let was_there = kept.said || !said.is_empty();
        if kept.owns_folder && was_there && !folder.is_dir() {
            return Err(io::Error::new(
                ErrorKind::NotFound,
                format!(
                    "its folder {} is not there. Put it back where it was first",
                    folder.display()
                ),
            ));
        }
        let target = self.archive(file);
        // Made by a former attempt, of which nobody has heard.
        remove_file(&target)?;
        fs::create_dir_all(self.root.join(ARCHIVES))?;
        let session = serde_json::json!({ "version": VERSION, "session": kept });
        let (session, log) = (
            serde_json::to_vec_pretty(&session)?,
            serde_json::to_vec(said)?,
        );
        let documents = [
            Document {
                name: SESSION,
                content: &session,
            },
            Document {
                name: LOG,
                content: &log,
            },
        ];
        let transcripts = match self.transcripts(&kept.claude) {
            // Put away without it, the session would have forgotten everything.
            Err(error) if kept.said => return Err(error),
            transcripts => transcripts.unwrap_or_default(),
        };
        let folder = Some(folder).filter(|folder| kept.owns_folder && folder.is_dir());
        let mut attached = attached(&transcripts)?;
        if let Some(folder) = folder {
            attached.extend(self.noted(folder, &transcripts)?);
        }
        let attached: Vec<Attached<'_>> = attached
            .iter()
            .map(|(name, path)| Attached { name, path })
            .collect();
        let packed = archive::pack(&target, folder, &documents, &attached)?;
        // With the folder it would be gone for ever.
        if let Some(name) = &packed.unread {
            remove_file(&target)?;
            let name: String = name.chars().take(NAMED_MAX).collect();
            let why = format!("{name} in its folder cannot be read, and would be lost");
            return Err(io::Error::other(why));
        }
        self.take_away(kept)?;
        Ok(packed)
    }

    /// Takes a session's folder out of the way, if it is chappe's own.
    pub fn take_away(&self, kept: &KeptSession) -> io::Result<()> {
        self.put_back(kept)?;
        if !kept.owns_folder {
            return Ok(());
        }
        match fs::rename(&kept.folder, self.away(kept)) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            renamed => renamed,
        }
    }

    /// Puts the folder back where it was, where it was taken out of the way.
    pub fn put_back(&self, kept: &KeptSession) -> io::Result<()> {
        let (away, folder) = (self.away(kept), Path::new(&kept.folder));
        if !kept.owns_folder || !away.exists() {
            return Ok(());
        }
        // What somebody has made there meanwhile is theirs.
        if folder.exists() {
            let why = format!(
                "{} is there again, and {} as well",
                folder.display(),
                away.display()
            );
            return Err(io::Error::new(ErrorKind::AlreadyExists, why));
        }
        fs::rename(away, folder)
    }

    /// The session stays after all: its folder is put back, its archive removed. Wanted in the store until it is done.
    pub fn undo(&self, kept: &KeptSession, file: Option<&str>) -> io::Result<()> {
        self.put_back(kept)?;
        match file {
            Some(file) => remove_file(&self.archive(file)),
            None => Ok(()),
        }
    }

    /// Where its folder still is, if it could not be put back.
    pub fn hidden(&self, kept: &KeptSession) -> Option<PathBuf> {
        let away = self.away(kept);
        (kept.owns_folder && away.exists()).then_some(away)
    }

    /// The session is gone: Claude's transcript of it is removed, and what Claude has noted for it alone. A folder that is a
    /// person's is rid of what is the session's own there.
    pub fn clear(&self, kept: &KeptSession) -> Result<(), Remains> {
        let mirror = Path::new(&kept.folder).join(MIRROR);
        if !kept.owns_folder && is_mirror_of(&mirror, self.mark, &kept.claude) {
            removed(mirror, remove_file)?;
        }
        let transcripts = self.transcripts(&kept.claude).map_err(|why| Remains {
            path: config_dir(self.environment).unwrap_or_default(),
            why,
        })?;
        let projects: BTreeSet<PathBuf> = transcripts
            .iter()
            .filter_map(|path| path.parent().map(Path::to_owned))
            .collect();
        for path in transcripts {
            removed(path.with_extension(""), remove_tree)?;
            removed(path, remove_file)?;
        }
        // Claude's folder for a folder is one for all that is told from it by odd signs only: where somebody else has a
        // conversation, what is noted there may be theirs.
        let is_over = |project: &PathBuf| kept.owns_folder && !has_conversations(project);
        for project in projects.iter().filter(|project| is_over(project)) {
            removed(project.join(MEMORY), remove_tree)?;
        }
        Ok(())
    }

    /// The session is gone: its folder, which was out of the way, is removed.
    pub fn clear_folder(&self, kept: &KeptSession) -> Result<(), Remains> {
        removed(self.away(kept), remove_tree)
    }

    /// Brings a session back out of an archive, into this folder; `may_use` says whether it may work in a directory that is
    /// not chappe's, and `is_open` whether another session is in a conversation. The archive stays.
    pub fn unpack(
        &self,
        file: &str,
        folder: &Path,
        may_use: impl Fn(&str) -> Option<PathBuf>,
        is_open: impl Fn(&str) -> bool,
    ) -> io::Result<Arrival> {
        let staging = self.staging();
        remove_tree(&staging)?;
        fs::create_dir_all(&staging)?;
        let arrival = self.unpack_into(&staging, file, folder, may_use, is_open);
        let removed = remove_tree(&staging);
        let arrival = arrival?;
        removed?;
        Ok(arrival)
    }

    fn unpack_into(
        &self,
        staging: &Path,
        file: &str,
        folder: &Path,
        may_use: impl Fn(&str) -> Option<PathBuf>,
        is_open: impl Fn(&str) -> bool,
    ) -> io::Result<Arrival> {
        // What is wrong with it as a whole, before what is wrong in it.
        let unpacked = archive::unpack(&self.archive(file), staging).map_err(|why| match why {
            Refused::Io(error) => error,
            why => io::Error::new(ErrorKind::InvalidData, why.to_string()),
        })?;
        let changed = |why: String| io::Error::new(ErrorKind::InvalidData, why);
        let document = |name: &str| {
            let missing = || changed(format!("it has no {name}"));
            unpacked.documents.get(name).ok_or_else(missing)
        };
        #[derive(serde::Deserialize)]
        struct Whole {
            session: KeptSession,
        }
        let Whole { session: mut kept } = serde_json::from_slice(document(SESSION)?)?;
        let said = serde_json::from_slice(document(LOG)?)?;
        // In the one way that Claude writes it: in another one it would be no other conversation.
        let is_proper = uuid::Uuid::try_parse(&kept.claude)
            .is_ok_and(|claude| claude.to_string() == kept.claude);
        if !is_proper {
            return Err(changed("the conversation has no proper name".to_owned()));
        }
        // Claude has others in the same directory.
        let mut attached = unpacked.attached.iter();
        if let Some((name, _)) = attached.find(|(name, _)| !belongs_to(name, &kept)) {
            let name: String = name.escape_debug().take(NAMED_MAX).collect();
            return Err(changed(format!("{name} in it is not of its conversation")));
        }
        // Two sessions in one conversation would lose a part of it, and one would take it along when it goes.
        if is_open(&kept.claude) {
            return Err(io::Error::other(
                "another session goes on with its conversation",
            ));
        }
        // What was its own folder may be another session's by now, also where it never had anything in it.
        let elsewhere = match (kept.owns_folder, &unpacked.folder) {
            (false, None) => may_use(&kept.folder),
            (true, _) | (_, Some(_)) => None,
        };
        let place = elsewhere.clone().unwrap_or_else(|| folder.to_owned());
        // All was done but for the last word: it stays as it is.
        let is_placed = self.placed().exists() && folder.exists();
        if elsewhere.is_none() && !is_placed {
            make_room(folder)?;
        }
        // First, so that with the folder everything is there.
        let (memory, transcripts): (Vec<_>, Vec<_>) = unpacked
            .attached
            .into_iter()
            .partition(|(name, _)| is_noted(name));
        self.lay_transcripts(&place, &transcripts)?;
        self.lay_memory(&place, &memory)?;
        match (&elsewhere, &unpacked.folder) {
            (Some(_), _) => {}
            (None, _) if is_placed => {}
            (None, Some(staged)) => {
                File::create(self.placed())?.sync_all()?;
                File::open(self.root)?.sync_all()?;
                fs::rename(staged, folder)?;
            }
            (None, None) => fs::create_dir_all(folder)?,
        }
        let former = (!kept.owns_folder && elsewhere.is_none()).then(|| kept.folder.clone());
        kept.owns_folder = elsewhere.is_none();
        // That less is asked about is chosen here, by who is here.
        let asks_again = kept
            .mode
            .take_if(|mode| !MODES_BACK.contains(&mode.as_str()));
        // The CLI resumes only what it has of the directory that it runs in.
        let is_laid = self.project(&place).is_ok_and(|project| {
            let transcript = project.join(format!("{}.jsonl", kept.claude));
            transcript.exists() && self.has_record(&kept.claude)
        });
        let forgets = kept.said && !is_laid;
        // Whoever packed it may not have known.
        kept.said = is_laid;
        kept.folder = place.to_string_lossy().into_owned();
        Ok(Arrival {
            kept,
            said,
            elsewhere: former,
            asks_again,
            forgets,
            links_left_out: unpacked.links_left_out,
        })
    }

    /// Puts Claude's transcript where Claude looks for it when it runs in `folder`. One that is there stays where it is the
    /// same or knows more; another one, such as what a process has written after the session was put away, is set aside.
    fn lay_transcripts(&self, folder: &Path, attached: &[(String, PathBuf)]) -> io::Result<()> {
        if attached.is_empty() {
            return Ok(());
        }
        let project = self.project(folder)?;
        for (name, staged) in attached {
            let target = project.join(name);
            if target.exists() {
                if goes_on_with(&target, staged)? {
                    continue;
                }
                let aside = target.with_extension(format!("{SET_ASIDE}-{}", self.mark));
                fs::rename(&target, aside)?;
            }
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            // Claude's folder may be on another disk. Whole or not at all.
            let fresh = target.with_extension("chappe-new");
            fs::copy(staged, &fresh)?;
            fs::rename(fresh, target)?;
        }
        Ok(())
    }

    /// Puts what Claude has noted for itself where Claude looks for it when it runs in `folder`, unless there is something
    /// already.
    fn lay_memory(&self, folder: &Path, memory: &[(String, PathBuf)]) -> io::Result<()> {
        if memory.is_empty() {
            return Ok(());
        }
        let project = self.project(folder)?;
        // Claude's folder may be on another disk. Whole or not at all: its index names the other files.
        let fresh = project.join(format!("{MEMORY}.chappe-{}", self.mark));
        remove_tree(&fresh)?;
        for (name, staged) in memory {
            let target = fresh.join(
                Path::new(name)
                    .strip_prefix(MEMORY)
                    .unwrap_or(name.as_ref()),
            );
            if let Some(parent) = target.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::copy(staged, target)?;
        }
        // Takes the place of nothing but an empty directory.
        match fs::rename(&fresh, project.join(MEMORY)) {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::DirectoryNotEmpty
                        | ErrorKind::AlreadyExists
                        | ErrorKind::NotADirectory
                ) =>
            {
                remove_tree(&fresh)
            }
            renamed => renamed,
        }
    }

    /// Where Claude keeps what belongs to a folder; neither must be there yet.
    fn project(&self, folder: &Path) -> io::Result<PathBuf> {
        let Some(dir) = config_dir(self.environment) else {
            return Err(io::Error::other(
                "it is not known where Claude keeps its conversations",
            ));
        };
        // Claude names it by the real path.
        let real = match (folder.parent().map(fs::canonicalize), folder.file_name()) {
            (Some(Ok(parent)), Some(name)) => parent.join(name),
            _ => folder.to_owned(),
        };
        Ok(dir.join("projects").join(project_name(&real)?))
    }

    /// What Claude has noted for itself in a folder, by the names that it has in an archive. Where the folder is a session's
    /// own, so are the notes.
    fn noted(&self, folder: &Path, transcripts: &[PathBuf]) -> io::Result<Vec<(String, PathBuf)>> {
        let project = self.project(folder).ok();
        let beside = transcripts.first().and_then(|path| path.parent());
        match project.as_deref().or(beside) {
            Some(project) => files(project, vec![project.join(MEMORY)]),
            None => Ok(Vec::new()),
        }
    }
}

/// Lets a folder be put here. An empty one is in nobody's way; all else is somebody's.
fn make_room(folder: &Path) -> io::Result<()> {
    let in_the_way = match fs::remove_dir(folder) {
        Ok(()) => return Ok(()),
        Err(error) => match error.kind() {
            ErrorKind::NotFound => return Ok(()),
            ErrorKind::DirectoryNotEmpty => "is not empty",
            ErrorKind::NotADirectory => "is no folder",
            _ => return Err(error),
        },
    };
    let folder = folder.display();
    Err(io::Error::new(
        ErrorKind::AlreadyExists,
        format!("{folder} is in the way: it {in_the_way}. Move it away, then try again"),
    ))
}

/// Whether a file begins with all that another one holds.
fn goes_on_with(file: &Path, beginning: &Path) -> io::Result<bool> {
    let (mut file, mut beginning) = (
        BufReader::new(File::open(file)?),
        BufReader::new(File::open(beginning)?),
    );
    loop {
        let wanted = beginning.fill_buf()?;
        if wanted.is_empty() {
            return Ok(true);
        }
        let there = file.fill_buf()?;
        let common = wanted.len().min(there.len());
        if common == 0 || wanted[..common] != there[..common] {
            return Ok(false);
        }
        beginning.consume(common);
        file.consume(common);
    }
}

/// What Claude calls the folder of its conversations in a directory.
fn project_name(folder: &Path) -> io::Result<String> {
    let folder = folder.to_string_lossy();
    let plain = |letter: char| match letter.is_ascii_alphanumeric() {
        true => letter.to_string(),
        // Counted as JavaScript counts them.
        false => "-".repeat(letter.len_utf16()),
    };
    let name: String = folder.chars().map(plain).collect();
    if name.len() > PROJECT_NAME_MAX {
        return Err(io::Error::other(format!(
            "the path {folder} is too long for Claude's conversation to be brought back there"
        )));
    }
    Ok(name)
}

/// Whether what has this name in the archive of a session is its transcript or belongs to that, as [`attached`] finds it, or
/// was noted in its own folder.
fn belongs_to(name: &str, kept: &KeptSession) -> bool {
    let rest = name.strip_prefix(&kept.claude);
    rest.is_some_and(|rest| rest == ".jsonl" || rest.starts_with('/'))
        || (kept.owns_folder && is_noted(name))
}

fn is_noted(name: &str) -> bool {
    let inside = name.strip_prefix(MEMORY);
    inside.is_some_and(|inside| inside.starts_with('/'))
}

/// Transcripts with what belongs to them, by the names that they have in an archive.
fn attached(transcripts: &[PathBuf]) -> io::Result<Vec<(String, PathBuf)>> {
    // One, unless somebody has copied it; the newest knows most.
    let Some(transcript) = transcripts.first() else {
        return Ok(Vec::new());
    };
    let Some(folder) = transcript.parent() else {
        return Ok(Vec::new());
    };
    files(
        folder,
        vec![transcript.clone(), transcript.with_extension("")],
    )
}

/// These files, and those in these directories, by their names in `folder`. What is not there is no file.
fn files(folder: &Path, mut waiting: Vec<PathBuf>) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        if meta.is_dir() {
            for entry in fs::read_dir(&path)? {
                waiting.push(entry?.path());
            }
        } else if meta.is_file()
            && let Ok(name) = path.strip_prefix(folder)
            && let Some(name) = name.to_str()
        {
            found.push((name.to_owned(), path.clone()));
        }
    }
    Ok(found)
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn remove_tree(path: &Path) -> io::Result<()> {
    let removed = match fs::remove_dir_all(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            open_up(path);
            fs::remove_dir_all(path)
        }
        removed => removed,
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Lets everything be taken out of the directories below a path that are chappe's: some tools make theirs so that not even
/// their owner may. No link is followed, and what cannot be opened up shows when it is removed.
fn open_up(path: &Path) {
    let user = geteuid().as_raw();
    let mut waiting = vec![path.to_owned()];
    while let Some(path) = waiting.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        if !meta.is_dir() {
            continue;
        }
        let mode = Mode::from_bits_truncate(meta.mode());
        if meta.uid() == user && !mode.contains(Mode::S_IRWXU) {
            let mode = mode | Mode::S_IRWXU;
            let _ = fchmodat(AT_FDCWD, &path, mode, FchmodatFlags::NoFollowSymlink);
        }
        let entries = fs::read_dir(&path).into_iter().flatten().flatten();
        waiting.extend(entries.map(|entry| entry.path()));
    }
}

fn removed(path: PathBuf, remove: fn(&Path) -> io::Result<()>) -> Result<(), Remains> {
    remove(&path).map_err(|why| Remains { path, why })
}

/// Whether Claude has a conversation in one of its folders; also where that cannot be seen.
fn has_conversations(project: &Path) -> bool {
    let Ok(entries) = fs::read_dir(project) else {
        return true;
    };
    entries.into_iter().any(|entry| {
        entry.map_or(true, |entry| {
            Path::new(&entry.file_name()).extension() == Some("jsonl".as_ref())
        })
    })
}

#[cfg(test)]
mod tests;
