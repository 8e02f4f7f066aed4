//! Who may have a process: how many at once, how much memory must be left, who waits, and who makes room. Pure.
//!
//! A place is counted from the moment in which it is granted until its process was reaped. Whoever finds none waits in
//! line, first come first served: only the head of the line is ever granted one. As long as somebody waits, whoever has
//! been quiet for longest is asked to make room; who is asked may be at work again and refuse, and says so by how it
//! stands. Where nobody is quiet, whoever ends a turn goes to the end of the line before its next one. Who was told
//! that it gets a place soon hears of it when that comes to nothing. Who had something to do when chappe started comes
//! before everybody else, in the order that is given here, whoever is the first to be ready: a place is kept for each,
//! for a time. Nothing here knows why a session wants a process, and nobody is woken here: whom to wake is returned.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::chat::{FreeMemory, SessionId};

/// What a process of Claude needs that has not ended a turn yet, in bytes: so much of what seems free is not.
const STARTING: u64 = 300 << 20;

/// The least that `"auto"` keeps free, in bytes.
const AUTO_MIN: u64 = 48 << 20;

/// How long a place is kept for a session that is expected. What it has to look at before it asks takes less, but where
/// an old process has to be ended; and whoever waits asks again after a little more than that.
const EXPECTED_FOR: Duration = Duration::from_secs(20);

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
    /// It is about to ask for a place.
    Comes,
    /// It waits for a place.
    Waits,
    /// It has a place, and needs it. `has_answered`: whether its process has ended a turn.
    Works { has_answered: bool },
    /// It could give its place up.
    Quiet { since: Instant, has_answered: bool },
    /// Its process is being ended.
    Ends { has_answered: bool },
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
    /// Who has the places, and does not give them up: at least one session.
    pub holders: Vec<SessionId>,
}

/// What comes of the wish for a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has one. `short` is set once in chappe's life: so many bytes are left, and there was nobody to wait for.
    Granted { short: Option<u64> },
    /// It waits, and somebody makes room for it.
    Soon,
    /// It waits, and nobody can make room just now.
    Waits(Wait),
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

/// A session that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Waiting {
    session: SessionId,
    /// Its number among all who have come.
    came: u64,
    /// Whether it was told that it gets a place soon.
    soon: bool,
}

/// Who lives, and who waits.
#[derive(Debug)]
pub struct Admission {
    limits: Limits,
    live: BTreeMap<SessionId, Live>,
    /// By when they have come.
    line: VecDeque<Waiting>,
    /// Who has something to do, and has not said yet how it stands: with the number that it comes with, and until when
    /// that counts.
    expected: BTreeMap<SessionId, u64>,
    expected_until: Option<Instant>,
    /// The number of the next one that comes.
    next: u64,
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
            expected: BTreeMap::new(),
            expected_until: None,
            next: 0,
            lack: Lack::Places,
            short: None,
            was_short: false,
        }
    }

    /// Names those who have something to do at the start, in the order in which they get their places.
    pub fn expect(&mut self, sessions: &[SessionId], now: Instant) {
        for session in sessions {
            self.expected.insert(*session, self.next);
            self.next += 1;
        }
        self.expected_until = now.checked_add(EXPECTED_FOR);
    }

    /// A session wants a place: it has one, or stands in line from now on. Says as well who is to be woken. `memory` is
    /// None where nobody knows how much there is; then it is in nobody's way.
    pub fn ask(
        &mut self,
        session: SessionId,
        now: Instant,
        memory: Option<Memory>,
    ) -> (Answer, Vec<SessionId>) {
        let expected = self.expected.remove(&session);
        if self.expected_until.is_some_and(|until| until <= now) {
            self.expected.clear();
        }
        if !self.live.contains_key(&session) && !self.waits(session) {
            let came = expected.unwrap_or_else(|| {
                self.next += 1;
                self.next
            });
            let at = self.line.partition_point(|waiting| waiting.came < came);
            self.line.insert(
                at,
                Waiting {
                    session,
                    came,
                    soon: false,
                },
            );
        }
        let mut wake = self.settle(memory);
        wake.retain(|woken| *woken != session);
        let Some(at) = self.place_in_line(session) else {
            let short = self.short.take_if(|(of, _)| *of == session);
            let short = short.map(|(_, left)| left);
            return (Answer::Granted { short }, wake);
        };
        let soon = self.is_soon(at);
        if let Some(waiting) = self.line.get_mut(at) {
            waiting.soon = soon;
        }
        match soon {
            true => (Answer::Soon, wake),
            false => (Answer::Waits(self.wait()), wake),
        }
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
            Standing::Away | Standing::Comes => {
                if standing == Standing::Away {
                    self.expected.remove(&session);
                }
                self.live.remove(&session);
                self.line.retain(|waiting| waiting.session != session);
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
        *live = Live { life, has_answered };
        self.settle(memory)
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

    /// Whether a session that has ended a turn, and is about to begin another one, is to give up its place first: somebody
    /// waits, and nobody makes room. It is counted as leaving then. Without that whoever always has something to do would
    /// keep everybody else waiting for ever; but for one in which something runs on behind its turns, which is not asked.
    /// Says as well who is to be woken.
    pub fn gives_way(
        &mut self,
        session: SessionId,
        memory: Option<Memory>,
    ) -> (bool, Vec<SessionId>) {
        // What was lacking may be there by now.
        let wake = self.settle(memory);
        let wanted = self.wanted();
        if wanted == 0 || self.leaving() >= wanted {
            return (false, wake);
        }
        let live = self.live.get_mut(&session);
        let gives_way = live.is_some();
        if let Some(live) = live {
            live.life = Life::Ends;
        }
        (gives_way, wake)
    }

    /// How many are to leave for those who wait.
    fn wanted(&self) -> usize {
        match self.lack {
            Lack::Places => self.line.len(),
            // How much comes back is known when it has.
            Lack::Memory => self.line.len().min(1),
        }
    }

    /// Whether it matters how much memory there is: to somebody who waits, or who would ask now.
    pub fn looks_at_memory(&self, asks: bool) -> bool {
        self.limits.min_free != FreeMemory::Bytes(0) && (asks || !self.line.is_empty())
    }

    /// Whether a session waits.
    pub fn waits(&self, session: SessionId) -> bool {
        self.place_in_line(session).is_some()
    }

    fn wait(&self) -> Wait {
        let holders = self.live.iter().filter(|(_, live)| !live.life.leaves());
        Wait {
            lack: self.lack,
            holders: holders.map(|(session, _)| *session).collect(),
        }
    }

    fn place_in_line(&self, session: SessionId) -> Option<usize> {
        let mut line = self.line.iter();
        line.position(|waiting| waiting.session == session)
    }

    /// Whether somebody makes room for the one who stands there in line, as far as that can be known.
    fn is_soon(&self, at: usize) -> bool {
        let leaving = self.leaving();
        let waiting = self.line.get(at);
        if waiting.is_some_and(|waiting| self.before(waiting.came) > 0) {
            // Whether somebody is in its way is known when they have come.
            return true;
        }
        match self.lack {
            // Where all leave there is nobody to wait for but those who stand before it.
            Lack::Places => at < leaving || leaving == self.live.len(),
            Lack::Memory => leaving > 0,
        }
    }

    fn leaving(&self) -> usize {
        let leaving = self.live.values().filter(|live| live.life.leaves());
        leaving.count()
    }

    /// Grants what can be granted, and has room made for the others; returns who is to be woken.
    fn settle(&mut self, memory: Option<Memory>) -> Vec<SessionId> {
        let mut wake = Vec::new();
        let mut has_granted = false;
        while let Some(&Waiting {
            session: head,
            came,
            ..
        }) = self.line.front()
        {
            let before = self.before(came);
            let Some(lack) = self.lack(head, before, memory) else {
                self.line.pop_front();
                self.live.insert(
                    head,
                    Live {
                        life: Life::Works,
                        has_answered: false,
                    },
                );
                wake.push(head);
                has_granted = true;
                continue;
            };
            self.lack = lack;
            if before > 0 || self.leaving() >= self.wanted() {
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
        for at in 0..self.line.len() {
            let soon = self.is_soon(at);
            if let Some(waiting) = self.line.get_mut(at)
                && !soon
                && (waiting.soon || has_granted)
            {
                // It waits for somebody, or for somebody else, and says so.
                waiting.soon = false;
                wake.push(waiting.session);
            }
        }
        wake
    }

    /// How many are expected that come before the one with this number.
    fn before(&self, came: u64) -> usize {
        let numbers = self.expected.values();
        numbers.filter(|number| **number < came).count()
    }

    /// What there is too little of for one more process, where so many others are still to get one before.
    fn lack(&mut self, head: SessionId, before: usize, memory: Option<Memory>) -> Option<Lack> {
        if self.live.len() + before >= self.limits.max_live {
            return Some(Lack::Places);
        }
        let memory = memory?;
        let new = self.live.values().filter(|live| !live.has_answered);
        let taken = STARTING.saturating_mul((new.count() + before) as u64);
        let left = memory.available.saturating_sub(taken);
        let least = match self.limits.min_free {
            FreeMemory::Auto => (memory.total / 10).max(AUTO_MIN),
            FreeMemory::Bytes(bytes) => bytes,
        };
        if left >= least {
            return None;
        }
        if !self.live.is_empty() || before > 0 {
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
