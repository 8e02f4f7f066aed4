//! What an error of the database means: whether to wait, or to end and say what to do. Pure.

use rusqlite::ErrorCode;

use super::Error;
use crate::chat::Unwritable;
use crate::exit::{Exit, Fatal};

/// What is wrong with the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreTrouble {
    /// There is no space for it. It goes on when there is.
    Full,
    /// It fails, perhaps for a moment.
    Fails,
    /// It will fail again and again until a person has done something: in what way it cannot be used.
    Broken(&'static str),
}

impl StoreTrouble {
    pub fn of(error: &Error) -> StoreTrouble {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreTrouble::Full,
            Some(ErrorCode::ReadOnly) => StoreTrouble::Broken("it can only be read"),
            Some(ErrorCode::DatabaseCorrupt) => StoreTrouble::Broken("it is damaged"),
            Some(ErrorCode::NotADatabase) => StoreTrouble::Broken("it is no database"),
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                StoreTrouble::Broken("it cannot be opened")
            }
            _ => StoreTrouble::Fails,
        }
    }

    /// As a person is told of it.
    pub fn as_told(self) -> Unwritable {
        match self {
            StoreTrouble::Full => Unwritable::NoSpace,
            StoreTrouble::Fails => Unwritable::Fails,
            StoreTrouble::Broken(_) => Unwritable::ForGood,
        }
    }

    /// The end of chappe that follows from it, if one does.
    pub fn end(self) -> Option<Fatal> {
        match self {
            StoreTrouble::Full | StoreTrouble::Fails => None,
            StoreTrouble::Broken(how) => Some(Fatal::new(
                Exit::State,
                format!(
                    "the database cannot be used any more: {how}\nhelp: chappe never starts afresh by itself. If the disk \
                     is read-only, mend that and start again; if the file is damaged, put back a backup, or move it away \
                     to begin anew"
                ),
            )),
        }
    }
}

/// The end of chappe where its database is not in its place any more.
pub fn gone() -> Fatal {
    Fatal::new(
        Exit::State,
        "the database was removed or replaced while chappe ran\nhelp: put it back from a backup and start again, or move \
         away what is left of the state directory to begin anew. Nothing more was taken from Telegram.",
    )
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn of(code: i32) -> StoreTrouble {
        StoreTrouble::of(&Error::SqliteFailure(ffi::Error::new(code), None))
    }

    #[test]
    fn what_passes_is_waited_for_and_what_does_not_is_told() {
        assert_eq!(of(ffi::SQLITE_FULL), StoreTrouble::Full);
        assert_eq!(of(ffi::SQLITE_IOERR), StoreTrouble::Fails);
        assert_eq!(of(ffi::SQLITE_BUSY), StoreTrouble::Fails);
        assert!(of(ffi::SQLITE_FULL).end().is_none());
        for code in [
            ffi::SQLITE_READONLY,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_NOTADB,
            ffi::SQLITE_CANTOPEN,
        ] {
            let end = of(code).end().expect("chappe ends");
            assert_eq!(end.exit, Exit::State);
        }
        assert_eq!(
            StoreTrouble::of(&Error::QueryReturnedNoRows),
            StoreTrouble::Fails,
            "no word of SQLite's"
        );
    }
}
