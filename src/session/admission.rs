//! Who may have a process: how many at once, how much memory must be left, who waits, and who makes room. Pure.
//!
//! A place is counted from the moment in which it is granted until its process was reaped. Whoever finds none waits in
//! line, first come first served: only the head of the line is ever granted one. As long as somebody waits, whoever has
//! been quiet for longest is asked to make room; who is asked may be at work again and refuse, and says so by how it
//! stands. Nothing here knows why a session wants a process, and nobody is woken here: whom to wake is returned.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::chat::{FreeMemory, SessionId};

/// What a process of Claude needs that has not ended a turn yet, in bytes: so much of what seems free is not.
const STARTING: u64 = 300 << 20;

/// The least that `"auto"` keeps free, in bytes.
const AUTO_MIN: u64 = 48 << 20;

/// How many may live.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many sessions may have a process; at least one.
    pub max_live: usize,
    pub min_free: FreeMemory,
}

/// The host's memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    pub total: u64,
    /// What a new process could have without anybody else's losing it.
    pub available: u64,
}

/// How a session stands, as it says itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has no process, and wants none at once.
    Away,
    /// It waits for a place.
    Waits,
    /// It has a place, and needs it. `has_answered`: whether its process has ended a turn.
    Works { has_answered: bool },
    /// It could give its place up.
    Quiet { since: Instant, has_answered: bool },
    /// Its process is being ended.
    Ends { has_answered: bool },
}

/// What comes of the wish for a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has one. `short` is set once in chappe's life: so many bytes are left, and there was nobody to wait for.
    Granted { short: Option<u64> },
    /// It waits. `soon`: somebody makes room for it.
    Waits { soon: bool },
}

/// What there is too little of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    Places,
    Memory,
}

/// Why a session waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    pub lack: Lack,
    /// Who has the places, and does not give them up.
    pub holders: Vec<SessionId>,
}

/// A session that has a place.
#[derive(Clone, Copy, Debug)]
struct Live {
    life: Life,
    has_answered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Works,
    Quiet(Instant),
    /// It was asked to make room.
    Asked,
    /// It ends.
    Ends,
}

impl Life {
    fn leaves(self) -> bool {
        matches!(self, Life::Asked | Life::Ends)
    }
}

/// Who lives, and who waits.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    live: BTreeMap<SessionId, Live>,
    line: VecDeque<SessionId>,
    /// What there was too little of when it was last looked at.
    lack: Lack,
    /// How much memory was left when somebody got a place nevertheless, until that is told; and whether it ever was.
    short: Option<(SessionId, u64)>,
    was_short: bool,
}

impl Admission {
    pub fn new(limits: Limits) -> Admission {
        Admission {
            limits,
            live: BTreeMap::new(),
            line: VecDeque::new(),
            lack: Lack::Places,
            short: None,
            was_short: false,
        }
    }

    /// A session wants a place: it has one, or stands in line from now on. Says as well who is to be woken. `memory` is
    /// None where nobody knows how much there is; then it is in nobody's way.
    pub fn ask(&mut self, session: SessionId, memory: Option<Memory>) -> (Answer, Vec<SessionId>) {
        if !self.live.contains_key(&session) && !self.line.contains(&session) {
            self.line.push_back(session);
        }
        let mut wake = self.settle(memory);
        wake.retain(|woken| *woken != session);
        let Some(at) = self.line.iter().position(|waits| *waits == session) else {
            let short = self.short.take_if(|(of, _)| *of == session);
            let short = short.map(|(_, left)| left);
            return (Answer::Granted { short }, wake);
        };
        (
            Answer::Waits {
                soon: at < self.leaving(),
            },
            wake,
        )
    }

    /// Notes how a session stands now; returns who is to be woken by that.
    pub fn note(
        &mut self,
        session: SessionId,
        standing: Standing,
        memory: Option<Memory>,
    ) -> Vec<SessionId> {
        let (life, has_answered) = match standing {
            // It asks by itself.
            Standing::Waits => return Vec::new(),
            Standing::Away => {
                self.live.remove(&session);
                self.line.retain(|waits| *waits != session);
                return self.settle(memory);
            }
            Standing::Works { has_answered } => (Life::Works, has_answered),
            Standing::Quiet {
                since,
                has_answered,
            } => (Life::Quiet(since), has_answered),
            Standing::Ends { has_answered } => (Life::Ends, has_answered),
        };
        let Some(live) = self.live.get_mut(&session) else {
            return Vec::new();
        };
        let before = std::mem::replace(&mut live.life, life);
        live.has_answered = has_answered;
        let mut wake = self.settle(memory);
        if before == Life::Asked && life == Life::Works {
            // Whoever was to have the place waits for longer than it was told.
            wake.extend(self.line.iter().copied());
            wake.sort_unstable();
            wake.dedup();
        }
        wake
    }

    /// Whether a session has a place.
    pub fn has_place(&self, session: SessionId) -> bool {
        self.live.contains_key(&session)
    }

    /// Whether a session was asked to make room, and has not answered yet.
    pub fn is_asked(&self, session: SessionId) -> bool {
        let live = self.live.get(&session);
        live.is_some_and(|live| live.life == Life::Asked)
    }

    /// Whether it matters how much memory there is: to somebody who waits, or who would ask now.
    pub fn looks_at_memory(&self, asks: bool) -> bool {
        self.limits.min_free != FreeMemory::Bytes(0) && (asks || !self.line.is_empty())
    }

    /// Why a session waits; None where it does not.
    pub fn wait(&self, session: SessionId) -> Option<Wait> {
        self.line.contains(&session).then(|| Wait {
            lack: self.lack,
            holders: self
                .live
                .iter()
                .filter(|(_, live)| !live.life.leaves())
                .map(|(session, _)| *session)
                .collect(),
        })
    }

    fn leaving(&self) -> usize {
        let leaving = self.live.values().filter(|live| live.life.leaves());
        leaving.count()
    }

    /// Grants what can be granted, and has room made for the others; returns who is to be woken.
    fn settle(&mut self, memory: Option<Memory>) -> Vec<SessionId> {
        let mut wake = Vec::new();
        while let Some(&head) = self.line.front() {
            let Some(lack) = self.lack(head, memory) else {
                self.line.pop_front();
                self.live.insert(
                    head,
                    Live {
                        life: Life::Works,
                        has_answered: false,
                    },
                );
                wake.push(head);
                continue;
            };
            self.lack = lack;
            let wanted = match lack {
                Lack::Places => self.line.len(),
                // How much comes back is known when it has.
                Lack::Memory => 1,
            };
            if self.leaving() >= wanted {
                break;
            }
            let quiet = self
                .live
                .iter()
                .filter_map(|(session, live)| match live.life {
                    Life::Quiet(since) => Some((since, *session)),
                    Life::Works | Life::Asked | Life::Ends => None,
                });
            let Some((_, longest)) = quiet.min() else {
                break;
            };
            if let Some(live) = self.live.get_mut(&longest) {
                live.life = Life::Asked;
            }
            wake.push(longest);
        }
        wake
    }

    /// What there is too little of for one more process.
    fn lack(&mut self, head: SessionId, memory: Option<Memory>) -> Option<Lack> {
        if self.live.len() >= self.limits.max_live {
            return Some(Lack::Places);
        }
        let memory = memory?;
        let new = self.live.values().filter(|live| !live.has_answered);
        let taken = STARTING.saturating_mul(new.count() as u64);
        let left = memory.available.saturating_sub(taken);
        let least = match self.limits.min_free {
            FreeMemory::Auto => (memory.total / 10).max(AUTO_MIN),
            FreeMemory::Bytes(bytes) => bytes,
        };
        if left >= least {
            return None;
        }
        if !self.live.is_empty() {
            return Some(Lack::Memory);
        }
        // Nobody's end would help. Rather it is tried.
        if !std::mem::replace(&mut self.was_short, true) {
            self.short = Some((head, memory.available));
        }
        None
    }
}

#[cfg(test)]
mod tests;
