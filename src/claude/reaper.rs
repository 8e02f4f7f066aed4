//! Whose children are whose: chappe takes in the orphans of its children, and reaps those that nobody has claimed.
//!
//! A child that an owner holds is claimed in the moment in which it is spawned, and only its owner reaps it. Everything
//! else that becomes chappe's child has lost its parent, a `claude` or a tool. It is reaped here by its number when it
//! has died; never "whichever child has died", which would take an owner's child from it. Nothing is ended here: this
//! module only says who could be ended.

use std::collections::BTreeMap;
use std::io;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::process_table::{Identity, Table};

/// The children of this process. There is one such list in a process, as there is one list of children in the kernel.
static CHILDREN: Mutex<Children> = Mutex::new(Children {
    adopts: false,
    claimed: BTreeMap::new(),
    claims: 0,
    strangers: Vec::new(),
});

/// Whether somebody has asked for a reaping while the list was locked: whoever lets go of it does it then.
static WANTED: AtomicBool = AtomicBool::new(false);

struct Children {
    /// Whether orphans become our children. Before that, a child without a claim is somebody else's business.
    adopts: bool,
    /// Who is held by an owner, by the number of the claim: a pid may be claimed anew while its former claim still ends.
    claimed: BTreeMap<u64, Identity>,
    claims: u64,
    /// Children that were there before chappe was: whoever started chappe had started them before.
    strangers: Vec<Identity>,
}

/// A child that only its owner reaps. To be dropped when it has been reaped, or when nobody will.
pub struct Claim(u64);

impl Drop for Claim {
    fn drop(&mut self) {
        locked(|children| children.claimed.remove(&self.0));
        // Its number may have been given to an orphan meanwhile, which was then spared.
        reap();
    }
}

/// Makes chappe the parent of every orphan among its descendants.
///
/// Fails only where the kernel knows no such thing (before 3.4).
pub fn adopt() -> Result<(), Errno> {
    let strangers = own_children(&Table::read());
    locked(|children| {
        prctl::set_child_subreaper(true)?;
        children.adopts = true;
        children.strangers = strangers;
        Ok(())
    })
}

/// Spawns a child that is claimed before anybody could reap it.
pub fn spawn(spawn: impl FnOnce() -> io::Result<Child>) -> io::Result<(Child, Claim)> {
    // Under the lock, for two reasons: a child that dies at once must not be taken for an orphan, nor one whose exec
    // fails, for which the standard library itself waits.
    locked(|children| {
        let child = spawn()?;
        let pid = child.id() as i32;
        // Where it cannot be read it counts as the oldest of all, which spares every orphan.
        let identity = Identity::of(pid).unwrap_or(Identity { pid, start: 0 });
        children.claims += 1;
        children.claimed.insert(children.claims, identity);
        Ok((child, Claim(children.claims)))
    })
}

/// Reaps every dead child that nobody has claimed. Never waits: while a child is being spawned, whoever spawns it does
/// the reaping afterwards.
pub fn reap() {
    WANTED.store(true, Ordering::SeqCst);
    while WANTED.load(Ordering::SeqCst) {
        let children = match CHILDREN.try_lock() {
            Ok(children) => children,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            // Who holds it looks at the wish after it has let go.
            Err(TryLockError::WouldBlock) => return,
        };
        WANTED.store(false, Ordering::SeqCst);
        children.reap();
    }
}

/// The live orphans that none of the claimed processes that still run can have started: each of these is younger.
///
/// That is how an orphan is found which hides from everything else, by a session of its own and an empty environment.
/// Which of several processes has started it cannot be known, so it is left alone for as long as one of them lives that
/// could have, and that one may need it.
pub fn ownerless(table: &Table) -> Vec<Identity> {
    locked(|children| children.ownerless(table))
}

fn locked<T>(work: impl FnOnce(&mut Children) -> T) -> T {
    let mut children: MutexGuard<'_, Children> =
        CHILDREN.lock().unwrap_or_else(PoisonError::into_inner);
    let done = work(&mut children);
    drop(children);
    if WANTED.load(Ordering::SeqCst) {
        reap();
    }
    done
}

fn own_children(table: &Table) -> Vec<Identity> {
    let children = table.children(std::process::id() as i32);
    children.map(|child| child.identity).collect()
}

impl Children {
    fn is_claimed(&self, pid: i32) -> bool {
        self.claimed.values().any(|claimed| claimed.pid == pid)
    }

    fn reap(&self) {
        if !self.adopts {
            return;
        }
        let table = Table::read();
        let dead = table
            .children(std::process::id() as i32)
            .filter(|child| child.is_zombie);
        for pid in dead.map(|child| child.identity.pid) {
            if !self.is_claimed(pid) {
                log::debug!("reaping the orphan {pid}");
                let _ = waitid(
                    Id::Pid(Pid::from_raw(pid)),
                    WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG,
                );
            }
        }
    }

    fn ownerless(&self, table: &Table) -> Vec<Identity> {
        if !self.adopts {
            return Vec::new();
        }
        let strangers = self.strangers.iter().copied();
        let strangers = strangers.filter(|stranger| table.get(*stranger).is_some());
        let elders = self.claimed.values().copied().chain(strangers);
        // Whoever has ended needs no tools any more.
        let elders = elders.filter(|elder| !table.get(*elder).is_some_and(|entry| entry.is_zombie));
        // A child is never older than its parent; in the same tick of the clock it may be either.
        let oldest = elders.map(|elder| elder.start).min();
        own_children(table)
            .into_iter()
            .filter(|child| {
                !self.is_claimed(child.pid) && oldest.is_none_or(|oldest| child.start < oldest)
            })
            .collect()
    }
}
