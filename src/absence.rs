//! How long chappe was away, and what follows from that. Pure: the time is an argument.
//!
//! It was away for as long as Telegram did not answer it, because it did not run or there was no network. While it runs
//! that is measured by a clock that does not jump; over a restart only the wall clock can tell, and one that stands
//! before the time at which Telegram is known to have answered tells nothing: then nothing is old, and nothing is said.

use std::time::{Duration, Instant};

/// A message that was sent so long ago, in seconds, is not run before a person was asked.
pub const OLD: i64 = 15 * 60;

/// Prompts that are open for so long, in seconds, are not gone on with before a person was asked: the state may come
/// from a backup.
pub const STALE: i64 = 24 * 3600;

/// So long Telegram keeps what nobody fetches.
const KEPT_BY_TELEGRAM: Duration = Duration::from_secs(24 * 3600);

/// How many answers may bring what came while chappe was away, each with a hundred updates at most. Who is written to
/// all the time catches up all the same.
const ANSWERS_MAX: u32 = 100;

/// How often it is noted that Telegram answers, in seconds. Each time costs a write to the disk.
const NOTED_EVERY: i64 = 5 * 60;

/// How long chappe was away at its start; None where that cannot be known.
pub fn before_start(now: i64, seen: Option<i64>) -> Option<Duration> {
    let away = now.checked_sub(seen?)?;
    u64::try_from(away).ok().map(Duration::from_secs)
}

/// What is known of when Telegram answered.
#[derive(Debug)]
pub struct Absence {
    /// As it was noted before this start.
    seen: Option<i64>,
    /// When Telegram last answered in this life.
    answered: Option<Instant>,
    /// When that was last noted, in Unix seconds.
    noted: i64,
    /// So many answers may still bring what came while chappe was away.
    answers_left: u32,
}

/// What follows from an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Follows {
    /// Telegram may have forgotten messages: so long it was not asked.
    pub gap: Option<Duration>,
    /// What came while chappe was away is all there.
    pub caught_up: bool,
    /// That Telegram answers is to be noted.
    pub note: bool,
}

impl Absence {
    /// `seen` is when Telegram answered a former chappe.
    pub fn new(seen: Option<i64>) -> Absence {
        Absence {
            seen,
            answered: None,
            noted: 0,
            answers_left: ANSWERS_MAX,
        }
    }

    /// What was sent at this time or earlier is old; None once all that came meanwhile is there.
    pub fn old_before(&self, now: i64) -> Option<i64> {
        self.catches_up().then(|| now.saturating_sub(OLD))
    }

    /// Whether answers still bring what came while chappe was away.
    pub fn catches_up(&self) -> bool {
        self.answers_left > 0
    }

    /// Telegram has answered, with something or with nothing. Only with nothing all is there: also an answer that is not
    /// full may be a part, where the same was asked for a moment before.
    pub fn answered(&mut self, now: i64, at: Instant, is_empty: bool) -> Follows {
        let away = match self.answered.replace(at) {
            Some(before) => Some(at.saturating_duration_since(before)),
            None => before_start(now, self.seen),
        };
        let caught_up = self.answers_left == 1 || (self.answers_left > 1 && is_empty);
        self.answers_left = match is_empty {
            true => 0,
            false => self.answers_left.saturating_sub(1),
        };
        // A clock that was set back must not keep this from being noted for long.
        let note = !(self.noted..self.noted.saturating_add(NOTED_EVERY)).contains(&now)
            && self.seen.is_none_or(|seen| now >= seen);
        if note {
            self.noted = now;
        }
        Follows {
            gap: away.filter(|away| *away > KEPT_BY_TELEGRAM),
            caught_up,
            note,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const DAY: i64 = 24 * 3600;

    fn first(now: i64, seen: Option<i64>) -> Follows {
        Absence::new(seen).answered(now, Instant::now(), true)
    }

    #[test]
    fn a_gap_is_what_telegram_may_have_forgotten() {
        assert_eq!(first(NOW, None).gap, None, "a new bot");
        assert_eq!(first(NOW, Some(NOW - DAY)).gap, None);
        let days = Duration::from_secs(3 * 24 * 3600);
        assert_eq!(first(NOW, Some(NOW - 3 * DAY)).gap, Some(days));
    }

    #[test]
    fn a_clock_that_begins_in_the_past_proves_nothing() {
        let mut absence = Absence::new(Some(NOW - 3 * DAY));
        let start = Instant::now();
        let begun = absence.answered(5, start, true);
        assert_eq!((begun.gap, begun.note), (None, false));
        assert!(absence.old_before(5).is_none(), "it has caught up");
        // It jumps to the right time. What happened meanwhile is known by another clock.
        let later = absence.answered(NOW, start + Duration::from_secs(50), false);
        assert_eq!((later.gap, later.note), (None, true));
    }

    #[test]
    fn while_chappe_runs_a_jump_is_no_gap_and_an_outage_is_one() {
        let mut absence = Absence::new(Some(NOW));
        let start = Instant::now();
        absence.answered(NOW, start, false);
        let soon = start + Duration::from_secs(50);
        assert_eq!(absence.answered(NOW + 2 * DAY, soon, false).gap, None);
        assert_eq!(absence.answered(NOW, soon, false).gap, None);
        let outage = Duration::from_secs(26 * 3600);
        let after = absence.answered(NOW + 1, soon + outage, false);
        assert_eq!(after.gap, Some(outage));
    }

    #[test]
    fn it_has_caught_up_with_the_first_answer_that_is_empty() {
        let mut absence = Absence::new(None);
        let at = Instant::now();
        assert_eq!(absence.old_before(NOW), Some(NOW - OLD));
        assert!(!absence.answered(NOW, at, false).caught_up);
        assert_eq!(absence.old_before(NOW), Some(NOW - OLD));
        assert!(absence.answered(NOW, at, true).caught_up);
        assert_eq!(absence.old_before(NOW), None);
        assert!(!absence.answered(NOW, at, true).caught_up, "once");
        assert!(!absence.answered(NOW, at, false).caught_up);
        assert_eq!(absence.old_before(NOW), None, "a busy hour is no absence");
        let mut busy = Absence::new(None);
        let caught_up = (1..=200).filter(|_| busy.answered(NOW, at, false).caught_up);
        assert_eq!(caught_up.count(), 1, "it has an end");
    }

    #[test]
    fn that_telegram_answers_is_noted_now_and_then() {
        let mut absence = Absence::new(Some(NOW));
        let at = Instant::now();
        let mut noted = |now| absence.answered(now, at, false).note;
        assert!(noted(NOW));
        assert!(!noted(NOW + 299));
        assert!(noted(NOW + 300));
        assert!(!noted(NOW - 10), "before it is known to have answered");
        assert!(noted(NOW + 20), "the clock was set back");
    }
}
