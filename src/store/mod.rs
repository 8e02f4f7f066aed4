//! Everything that must survive: SQLite in the state directory, and nothing else touches it.
//!
//! Each public method is one transaction, and what writes has its name in [`Step`]. The lock is held for that transaction only, never across a wait for anything
//! else. What a method writes is either *full* (on disk, fsynced, when it returns) or *normal* (survives any kill of
//! chappe, not a power cut); each says which. Nothing here decides what a message means or what is shown.

mod adopt;
mod buttons;
mod catch_up;
mod chats;
mod closing;
mod elsewhere;
mod grants;
mod holds;
mod intake;
mod left_behind;
mod line;
mod log;
mod moving;
mod outbox;
mod pending;
mod places;
mod questions;
mod requests;
mod reserve;
mod schema;
mod sessions;
mod standing;
mod statuses;
mod step;
mod stops;
pub mod trouble;
mod turns;
mod waits;

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use crate::failpoint;
use reserve::Reserve;
use trouble::StoreTrouble;

pub use buttons::{Offered, Taken};
pub use catch_up::{CatchUp, Kept};
pub use elsewhere::Marks;
pub use holds::{Held, Holding, Release};
pub use intake::{Accepted, Came, Edited, Intake, Overtakes, Queued, Written};
pub use left_behind::LeftBehind;
pub use line::OfLine;
pub use log::{Log, Said};
pub use moving::{Departed, Kept as KeptSession, Stays};
pub use outbox::{Ready, StoredToast};
pub use places::{Folder, Home, Made, New};
pub use questions::{Asking, Picked};
pub use requests::{Always, Asked, InTheWay, Pressed, Replied};
pub use sessions::{Living, Renewal, Session};
pub use statuses::InStatus;
pub use step::{Durability, Step};
pub use stops::{Stop, StopSays};
pub use turns::{Aside, Closing, Next, Work};

/// Why the store did not do what it was asked. Nothing was changed.
pub type Error = rusqlite::Error;
pub type Result<T> = rusqlite::Result<T>;

/// How many messages may wait for one session; later ones are refused and told.
pub const WAITING_MAX: i64 = 1_000;

/// How long an update is remembered, to know it again when Telegram repeats it, in seconds.
const REPEAT_WINDOW: i64 = 48 * 3600;

/// How long finished rows are kept, in seconds.
const KEPT: i64 = 30 * 24 * 3600;

/// The database. One connection for all threads: measured, a connection each makes the slowest writer eight times
/// slower.
pub struct Store {
    inner: Mutex<Inner>,
    /// None for one in memory.
    place: Option<StoredAt>,
    /// None: nothing is marked.
    marks: Option<Marks>,
}

/// Where a database is on the disk.
struct StoredAt {
    path: PathBuf,
    /// Device and inode of the file that was opened.
    file: (u64, u64),
    reserve: Reserve,
}

struct Inner {
    connection: Connection,
    durability: Durability,
}

impl Store {
    /// Opens or makes the database at `path` and brings its tables up to date. Its files are for this user alone.
    pub fn open(path: &Path) -> Result<Store> {
        close_to_others(path).map_err(|error| {
            Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN),
                Some(error.to_string()),
            )
        })?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        // Before anything is written into it.
        is_whole(&connection)?;
        let mut store = Store::over(connection)?;
        let reserve = Reserve::new(path.with_file_name("reserve"));
        reserve.keep();
        store.place = file_at(path).map(|file| StoredAt {
            path: path.to_owned(),
            file,
            reserve,
        });
        Ok(store)
    }

    /// Whether the file that was opened still stands where it was. One that was removed takes everything, and keeps
    /// nothing.
    pub fn is_in_place(&self) -> bool {
        match &self.place {
            Some(place) => file_at(&place.path) == Some(place.file),
            None => true,
        }
    }

    /// Keeps space aside again that was given up.
    pub fn keep_reserve(&self) {
        if let Some(place) = &self.place {
            place.reserve.keep();
        }
    }

    #[cfg(test)]
    pub(crate) fn in_memory() -> Store {
        let connection = Connection::open_in_memory().expect("memory is there");
        connection
            .execute_batch(schema::tables())
            .expect("these tables were made before");
        Store::over(connection).expect("they are up to date")
    }

    fn over(mut connection: Connection) -> Result<Store> {
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // A page cache that fits small hosts; the tables are small.
        connection.pragma_update(None, "cache_size", -1024)?;
        // Else SQLite plans what has a parameter anew each time it is run, where a table has an index over some of its rows.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(64);
        schema::migrate(&mut connection)?;
        Ok(Store {
            inner: Mutex::new(Inner {
                connection,
                durability: Durability::Full,
            }),
            place: None,
            marks: None,
        })
    }

    /// Reads, seeing one state of the database throughout.
    fn read<T>(&self, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = Transaction::new(&mut inner.connection, TransactionBehavior::Deferred)?;
        work(&transaction)
    }

    /// Runs `work` as one transaction; an error, or a panic, leaves nothing of it behind.
    fn write<T>(&self, step: Step, work: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let written = self.try_write(step, work);
        if let (Err(error), Some(place)) = (&written, &self.place)
            && StoreTrouble::of(error) == StoreTrouble::Full
        {
            // For the next attempt.
            place.reserve.give_up();
        }
        match (written, &self.place) {
            // SQLite does not tell an error that may pass from a disk that takes nothing any more.
            (Err(error), Some(place))
                if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure)
                    && is_read_only(&place.path) =>
            {
                Err(Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY),
                    Some(error.to_string()),
                ))
            }
            (written, _) => written,
        }
    }

    fn try_write<T>(
        &self,
        step: Step,
        work: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        // A poisoned lock is fine: the transaction of whoever panicked was rolled back when it was dropped.
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let durability = step.durability();
        if inner.durability != durability {
            let word = match durability {
                Durability::Full => "FULL",
                Durability::Normal => "NORMAL",
            };
            inner.connection.pragma_update(None, "synchronous", word)?;
            inner.durability = durability;
        }
        let transaction = Transaction::new(&mut inner.connection, TransactionBehavior::Immediate)?;
        let value = work(&transaction)?;
        if let Some(failure) = failpoint::before(step.name()) {
            let code = match failure {
                failpoint::Failure::Passing => rusqlite::ffi::SQLITE_FULL,
                failpoint::Failure::Lasting => rusqlite::ffi::SQLITE_READONLY,
            };
            return Err(Error::SqliteFailure(rusqlite::ffi::Error::new(code), None));
        }
        transaction.commit()?;
        // Whoever commits hears of it: there is nothing between that could be lost.
        let _ = failpoint::after(step.name());
        Ok(value)
    }

    /// Forgets what is finished and old, and gives up what waits for a chat that has been closed for long. Normal.
    pub fn prune(&self, now: i64) -> Result<()> {
        self.write(Step::Prune, |tx| {
            // By both clocks, Telegram's and ours: what came before ours was set seems much older than it is.
            tx.execute(
                "DELETE FROM inbox WHERE received < ?1 AND state IN ('given', 'closed', 'refused', 'dropped')
                 AND (prompt IS NULL OR prompt IN (SELECT id FROM prompt WHERE state = 'closed'))
                 AND date < ?1",
                [now - REPEAT_WINDOW],
            )?;
            // Whoever was not on the lists for so long is not asked about it any more.
            tx.execute("DELETE FROM inbox WHERE received < ?1 AND state = 'barred'", [now - KEPT])?;
            // A chat that stayed closed for so long is not told about a month ago when it opens, but for what waits for a
            // person still.
            tx.execute(
                "UPDATE outbox SET state = 'refused' WHERE created < ?1 AND state = 'waiting' AND EXISTS (
                     SELECT 1 FROM closed_chat WHERE closed_chat.bot = outbox.bot AND closed_chat.chat = outbox.chat)
                 AND id NOT IN (SELECT row FROM request WHERE state = 'open')
                 AND (part_of IS NULL OR part_of NOT IN (SELECT token FROM request WHERE state = 'open'))
                 AND id NOT IN (SELECT row FROM hold WHERE row IS NOT NULL)
                 AND id NOT IN (SELECT question FROM inbox WHERE state = 'asked' AND question IS NOT NULL)",
                [now - KEPT],
            )?;
            tx.execute("DELETE FROM request WHERE created < ?1 AND state != 'open' AND told = 1", [now - KEPT])?;
            // Buttons that nobody has pressed for so long stay as long as they are good for something: with a hold.
            tx.execute(
                "DELETE FROM button WHERE created < ?1 AND row NOT IN (SELECT row FROM hold WHERE row IS NOT NULL)
                 AND row NOT IN (SELECT question FROM inbox WHERE state = 'asked' AND question IS NOT NULL)",
                [now - KEPT],
            )?;
            // The last row stays, so that no number is given twice: a prompt may know its message by it for long.
            tx.execute(
                "DELETE FROM outbox WHERE created < ?1 AND state IN ('delivered', 'withdrawn', 'refused')
                 AND id NOT IN (SELECT row FROM request) AND id NOT IN (SELECT row FROM button)
                 AND id < (SELECT MAX(id) FROM outbox)",
                [now - KEPT],
            )?;
            // The last prompt of a session stays: what comes unasked goes to its place. So does what another one goes on with.
            tx.execute(
                "DELETE FROM prompt WHERE closed < ?1 AND state = 'closed'
                 AND id NOT IN (SELECT MAX(id) FROM prompt GROUP BY session)
                 AND id NOT IN (SELECT prompt FROM inbox WHERE prompt IS NOT NULL)
                 AND id NOT IN (SELECT prompt FROM request WHERE prompt IS NOT NULL)
                 AND id NOT IN (SELECT prompt FROM hold WHERE prompt IS NOT NULL)
                 AND id NOT IN (SELECT continues FROM prompt WHERE continues IS NOT NULL AND state != 'closed')",
                [now - KEPT],
            )?;
            tx.execute("DELETE FROM flood WHERE until < ?1", [now])?;
            // Long after it was over: the clock may have been set forward for a while.
            grants::prune(tx, now - KEPT)?;
            log::prune(tx)
        })
    }

    /// Writes everything into the main file, so that what is left behind is one file. Full.
    pub fn checkpoint(&self) -> Result<()> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
    }

    /// Whether nothing waits: no message, no open prompt, nothing to send.
    pub fn is_quiet(&self) -> Result<bool> {
        self.read(|tx| {
            tx.query_row(
                "SELECT NOT EXISTS (SELECT 1 FROM inbox WHERE state = 'waiting'
                                     AND session NOT IN (SELECT session FROM hold))
                    AND NOT EXISTS (SELECT 1 FROM prompt WHERE state != 'closed'
                                     AND session NOT IN (SELECT session FROM hold))
                    AND NOT EXISTS (SELECT 1 FROM outbox WHERE state IN ('waiting', 'sending'))",
                [],
                |row| row.get(0),
            )
        })
    }
}

/// Makes the database's file if it is not there, and takes the rights of others away from it and from those beside it,
/// which SQLite makes with the same mode. A copy that was put back may have come with any.
fn close_to_others(path: &Path) -> io::Result<()> {
    // One that is there is not opened: closing it would take away the locks of whoever in this process has it open.
    match OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    for suffix in ["", "-wal", "-shm"] {
        let mut file = path.as_os_str().to_owned();
        file.push(suffix);
        match fs::metadata(&file) {
            Ok(meta) if meta.mode() & 0o077 != 0 => {
                fs::set_permissions(&file, Permissions::from_mode(0o600))?;
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Looks through the whole database for damage.
fn is_whole(connection: &Connection) -> Result<()> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    match found.as_str() {
        "ok" => Ok(()),
        _ => Err(Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
            Some(found),
        )),
    }
}

/// Whether nothing can be written beside a file, because its disk can only be read.
fn is_read_only(path: &Path) -> bool {
    let dir = path.parent().unwrap_or(Path::new("/"));
    let tried = tempfile::tempfile_in(dir);
    tried.is_err_and(|error| error.kind() == io::ErrorKind::ReadOnlyFilesystem)
}

/// Device and inode of a file; None where there is none.
fn file_at(path: &Path) -> Option<(u64, u64)> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.dev(), meta.ino()))
}

/// A topic as it stands in a column: 0 where the place has none.
fn topic_column(place: crate::chat::Place) -> i64 {
    place.topic.map_or(0, |topic| topic.0)
}

/// A place as it stands in two columns.
fn place_of(chat: i64, topic: i64) -> crate::chat::Place {
    crate::chat::Place {
        chat: crate::chat::ChatId(chat),
        topic: (topic != 0).then_some(crate::chat::TopicId(topic)),
    }
}

/// Makes a random uuid in the form that `claude --session-id` accepts.
pub fn fresh_uuid() -> String {
    uuid::Uuid::new_v4().to_string()
}

#[cfg(test)]
mod tests;
