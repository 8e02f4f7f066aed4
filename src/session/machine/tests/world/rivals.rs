//! The places of a walk, and the other sessions that want them: the real deciding core, with as many places as make
//! trouble.

use super::*;
use crate::chat::{FreeMemory, SessionId};
use crate::session::admission::{Admission, Answer, Limits, Standing};

/// The session of the walk.
const SELF: SessionId = SessionId(0);

/// How many processes may live.
const PLACES: usize = 2;

/// How many other sessions there are; they are numbered from 1.
pub const RIVALS: i64 = 3;

/// What another session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Does {
    Asks,
    Works,
    IsQuiet,
    GoesAway,
}

pub struct Rivals {
    admission: Admission,
    /// Whether a person was told that the walk's session waits.
    pub is_told: bool,
    /// What the session itself has said of how it stands.
    standing: Standing,
}

impl Rivals {
    pub fn new() -> Rivals {
        Rivals {
            admission: Admission::new(Limits {
                max_live: PLACES,
                min_free: FreeMemory::Bytes(0),
            }),
            is_told: false,
            standing: Standing::Away,
        }
    }

    pub fn ask(&mut self) -> Room {
        match self.admission.ask(SELF, Instant::now(), None).0 {
            Answer::Granted { .. } => Room::Granted,
            Answer::Soon => Room::Soon,
            Answer::Waits(_) => Room::Waits,
        }
    }

    pub fn is_asked(&self) -> bool {
        self.admission.is_asked(SELF)
    }

    /// Whether the session goes behind those who wait before its next turn.
    pub fn gives_way(&mut self) -> bool {
        let has_answered = self.standing == Standing::Works { has_answered: true };
        has_answered && self.admission.gives_way(SELF, None).0
    }

    pub fn has_place(&self) -> bool {
        self.admission.has_place(SELF)
    }

    pub fn waits(&self) -> bool {
        self.admission.waits(SELF)
    }

    /// Somebody else who has a place.
    pub fn first(&self) -> i64 {
        let mut rivals = (1..=RIVALS).filter(|which| self.admission.has_place(SessionId(*which)));
        rivals.next().unwrap_or(1)
    }
}

impl World {
    /// The session says how it stands, as its owner does.
    pub(super) fn stands(&mut self, standing: Standing, is_asked: bool) {
        if standing != self.rivals.standing || is_asked {
            self.rivals.standing = standing;
            let wake = self.rivals.admission.note(SELF, standing, None);
            self.woken(&wake);
        }
    }

    pub(super) fn rival(&mut self, which: i64, does: Does) {
        let rival = SessionId(which);
        let has_answered = true;
        let standing = match does {
            Does::Asks => {
                let (_, wake) = self.rivals.admission.ask(rival, Instant::now(), None);
                return self.woken(&wake);
            }
            Does::Works => Standing::Works { has_answered },
            Does::IsQuiet => Standing::Quiet {
                since: self.now,
                has_answered,
            },
            Does::GoesAway => Standing::Away,
        };
        let wake = self.rivals.admission.note(rival, standing, None);
        self.woken(&wake);
    }

    /// The owner has something to hear. The other sessions do as the walk wants.
    fn woken(&mut self, wake: &[SessionId]) {
        if wake.contains(&SELF) && self.machine.is_some() {
            self.bell = true;
        }
    }
}
