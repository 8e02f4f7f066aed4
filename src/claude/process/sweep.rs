//! What a process leaves behind: it is found by its environment, by its group and by descent, and ended.
//!
//! Claude's Bash tools make process groups and sessions of their own, which a signal to Claude's group does not reach,
//! and they outlive a `claude` that was killed. Nothing is ended here that was not started by that process.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::signal::Signal;

use super::MARK;
use crate::claude::process_table::{Identity, Table};
use crate::claude::reaper;

/// How often it is looked again for what was started in the meantime. Each time everything that was found is stopped or
/// dead, so only what was in the middle of an exec can be new.
const ROUNDS_MAX: usize = 10;

/// So many of the commands that were ended are named.
const COMMANDS_MAX: usize = 20;

/// What a process was seen to have started. Once it is dead its children have another parent, and what has an empty
/// environment as well is known by nothing else.
#[derive(Default)]
pub(super) struct Kin(Mutex<BTreeSet<Identity>>);

impl Kin {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<Identity>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what belongs to the process now, and forgets what has ended.
    pub(super) fn note(&self, table: &Table, of: Identity) {
        self.add(table, table.relatives(of));
    }

    /// Notes others of which it is known that they belong to it.
    pub(super) fn add(&self, table: &Table, others: BTreeSet<Identity>) {
        let mut kin = self.lock();
        kin.extend(others);
        *kin = table.family(kin.iter().copied());
    }

    fn all(&self) -> BTreeSet<Identity> {
        self.lock().clone()
    }
}

/// Kills every process that carries the mark, and its descendants.
pub fn sweep(mark: &str) {
    end_all(|table| marked(table, mark));
}

/// Kills whatever a process that has ended has left behind, and the orphans that nobody else can have left.
///
/// Returns what they ran, each once.
pub(super) fn sweep_after(mark: Option<&str>, ended: Identity, kin: &Kin) -> Vec<String> {
    end_all(|table| {
        let mut roots = mark.map_or_else(BTreeSet::new, |mark| marked(table, mark));
        roots.extend(table.relatives(ended));
        roots.extend(kin.all());
        roots.extend(reaper::ownerless(table));
        roots
    })
}

/// Kills what `roots` finds, and its descendants, until it finds nothing more. Returns what they ran, each once.
pub(super) fn end_all(mut roots: impl FnMut(&Table) -> BTreeSet<Identity>) -> Vec<String> {
    let mut ended = BTreeSet::new();
    let mut commands = Vec::new();
    for _ in 0..ROUNDS_MAX {
        let stopped = stop_all(&mut roots, &ended);
        if stopped.is_empty() {
            break;
        }
        log::info!("ending {} processes that claude left behind", stopped.len());
        for member in &stopped {
            if let Some(command) = member.command()
                && commands.len() < COMMANDS_MAX
                && !commands.contains(&command)
            {
                commands.push(command);
            }
            member.signal(Signal::SIGKILL);
        }
        ended.extend(stopped);
    }
    commands
}

/// Stops what `roots` finds, and its descendants, besides those that are `ended` already. As long as a part of a family
/// runs it can fork, and what it forks may hide as soon as its parent is dead.
fn stop_all(
    roots: &mut impl FnMut(&Table) -> BTreeSet<Identity>,
    ended: &BTreeSet<Identity>,
) -> BTreeSet<Identity> {
    let mut stopped = BTreeSet::new();
    for _ in 0..ROUNDS_MAX {
        let table = Table::read();
        let found = table.family(roots(&table).union(&stopped).copied());
        let fresh: Vec<Identity> = found
            .into_iter()
            .filter(|who| !stopped.contains(who) && !ended.contains(who))
            .collect();
        if fresh.is_empty() {
            break;
        }
        for who in &fresh {
            who.signal(Signal::SIGSTOP);
        }
        stopped.extend(fresh);
    }
    stopped
}

/// The live processes whose environment holds the mark. One that is in the middle of an exec shows none.
fn marked(table: &Table, mark: &str) -> BTreeSet<Identity> {
    let living = table.living().map(|entry| entry.identity);
    living
        .filter(|who| who.environment().get(MARK) == Some(mark))
        .collect()
}
