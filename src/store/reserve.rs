//! Space that is kept aside in the state directory, and given up first when the disk is full: with it chappe can write
//! down what it has in hand.
//!
//! What is done with the space, and who is told, is decided elsewhere.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use nix::fcntl::posix_fallocate;
use nix::sys::statvfs::statvfs;

/// How much is kept aside, in bytes.
const KEPT: i64 = 1024 * 1024;

/// So much must be free besides, in bytes, before it is kept aside again.
const FREE_MIN: u64 = 4 * 1024 * 1024;

/// The file whose space can be given up.
pub struct Reserve {
    path: PathBuf,
}

impl Reserve {
    pub fn new(path: PathBuf) -> Reserve {
        Reserve { path }
    }

    /// Keeps the space aside, where it is not and there is enough. Best effort: chappe works without it.
    pub fn keep(&self) {
        if let Err(error) = self.try_keep() {
            log::debug!("no space is kept aside: {error}");
        }
    }

    fn try_keep(&self) -> io::Result<()> {
        if fs::metadata(&self.path).is_ok_and(|meta| meta.len() >= KEPT as u64) {
            return Ok(());
        }
        let dir = self.path.parent().unwrap_or(&self.path);
        let disk = statvfs(dir)?;
        if disk.blocks_available() as u64 * disk.fragment_size() as u64 <= KEPT as u64 + FREE_MIN {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let file = options.open(&self.path)?;
        // Not by a file with a hole, nor by zeros that the disk would make small.
        posix_fallocate(&file, 0, KEPT).inspect_err(|_| self.give_up())?;
        Ok(())
    }

    /// Gives the space up.
    pub fn give_up(&self) {
        match fs::remove_file(&self.path) {
            Ok(()) => log::warn!("the disk is full; the space that was kept aside is given up"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => log::warn!("the space that was kept aside cannot be given up: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_kept_given_up_and_kept_again() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("reserve");
        let reserve = Reserve::new(path.clone());
        for _ in 0..2 {
            reserve.keep();
            reserve.keep();
            assert_eq!(fs::metadata(&path).expect("it is kept").len(), KEPT as u64);
            reserve.give_up();
            reserve.give_up();
            assert!(!path.exists());
        }
    }
}
