//! Stands by, and answers presses that nobody else has begun to answer in time: the store may hang for longer than anybody
//! waits for a button.
//!
//! It has a thread of its own and asks the store for nothing. Nothing is decided here: what the press is for follows once it
//! is stored, and is shown in its message. As long as the poller is held up, nobody asks Telegram for more: this does so in
//! its place and confirms nothing, so that what is pressed meanwhile is answered as well.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::api::Api;
use super::outgoing;
use super::senders::answer_press;
use super::update::{self, Decoded};
use crate::exit::Fatal;
use crate::thread;

/// How long a press may wait until somebody begins to answer it. What is left of a second is for the call that does.
const BEGUN_WITHIN: Duration = Duration::from_millis(600);

/// How long whoever deals with it has at least, however long it has waited at Telegram before.
const BEGUN_AT_LEAST: Duration = Duration::from_millis(100);

/// How long the poller may ask Telegram for nothing, and how far apart Telegram is asked in its place: within 0.5 s it gives
/// one update only.
const ASK_EVERY: Duration = Duration::from_millis(600);

/// How long such a call may take. The poller waits for its end before it asks itself: of two that ask, Telegram turns one
/// away.
const ASK_MAX: Duration = Duration::from_secs(1);

/// So many presses are watched at most, so many of strangers are answered in a row, and so many at the same time.
const WATCHED_MAX: usize = 200;
const STRANGERS_MAX: usize = 4;
const AT_ONCE: usize = 4;

/// A press, and what is said to it if nobody else is in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pressed {
    pub callback: String,
    pub text: &'static str,
    /// Whether it is one of those that may not speak.
    pub is_strangers: bool,
}

/// Finds the presses in an answer of Telegram.
pub type Reading = Arc<dyn Fn(&[Decoded]) -> Vec<Pressed> + Send + Sync>;

/// The thread, as the poller and the courier see it. It ends when the last one of these is dropped.
#[derive(Clone)]
pub struct Standby {
    shared: Arc<Shared>,
    bell: Sender<()>,
}

#[derive(Default)]
struct Shared {
    watch: Mutex<Watch>,
    /// Held while Telegram is asked.
    asking: Mutex<()>,
}

impl Standby {
    /// Starts the thread.
    pub fn start(api: Api, fatal: Sender<Fatal>) -> std::io::Result<Standby> {
        let shared = Arc::new(Shared::default());
        let (bell, rung) = bounded(1);
        let of_thread = Arc::clone(&shared);
        thread::spawn_vital("standby", fatal, move || of_thread.run(&api, &rung))?;
        Ok(Standby { shared, bell })
    }

    /// The poller has an answer of Telegram to the question for what comes `from` this update on, and sees to it.
    pub fn has_answer(&self, from: i64, updates: &[Decoded], reading: Reading) {
        let presses = reading(updates);
        let mut watch = self.shared.look();
        let was_idle = watch.next().is_none();
        watch.has_answer(Instant::now(), from, presses, reading);
        drop(watch);
        if was_idle {
            let _ = self.bell.try_send(());
        }
    }

    /// The poller is about to ask again, or to wait before that. Waits until nobody asks in its place.
    pub fn asks_itself(&self) {
        self.shared.look().asks_itself(Instant::now());
        drop(self.shared.asks());
    }

    /// A press is being answered.
    pub fn is_answered(&self, callback: &str) {
        self.shared.look().is_answered(callback);
    }
}

impl Shared {
    fn look(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asks(&self) -> MutexGuard<'_, ()> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, api: &Api, rung: &Receiver<()>) {
        // Of a connection that stood idle nobody may have heard that it is dead, and there is no time to find out.
        let anew = api.over_new_connections();
        let mut to_warn = true;
        loop {
            let next = self.look().next();
            let heard = match next {
                Some(at) => rung.recv_deadline(at),
                None => {
                    to_warn = true;
                    rung.recv().map_err(|_| RecvTimeoutError::Disconnected)
                }
            };
            if heard == Err(RecvTimeoutError::Disconnected) {
                return;
            }
            let due = self.look().due(Instant::now());
            let is_late = !due.presses.is_empty();
            answer(&anew, due.presses);
            if due.to_ask {
                let found = self.ask(&anew);
                answer(&anew, found);
            }
            // Last, since the log may be on the disk that is slow.
            if is_late && std::mem::take(&mut to_warn) {
                log::warn!("a press takes long to be stored: is the disk slow?");
            }
        }
    }

    /// Asks Telegram in the poller's place; returns the presses that are new.
    fn ask(&self, api: &Api) -> Vec<Pressed> {
        let _asking = self.asks();
        let asked = self.look().asked(Instant::now());
        let Some((from, reading)) = asked else {
            return Vec::new();
        };
        let request = outgoing::get_updates(from, 0);
        let answer = match api.call(request.method, &request.body, ASK_MAX) {
            Ok(answer) => answer,
            Err(failure) => {
                log::debug!("presses cannot be asked for: {failure}");
                return Vec::new();
            }
        };
        let updates = update::split(&answer).unwrap_or_default();
        let updates: Vec<Decoded> = updates.into_iter().filter_map(update::decode).collect();
        let presses = reading(&updates);
        self.look().has_asked(Instant::now(), presses)
    }
}

/// Answers presses, those of strangers last.
fn answer(api: &Api, mut presses: Vec<Pressed>) {
    presses.sort_by_key(|press| press.is_strangers);
    let strangers = presses.partition_point(|press| !press.is_strangers);
    presses.truncate(strangers + STRANGERS_MAX);
    for presses in presses.chunks(AT_ONCE) {
        let answering: Vec<_> = presses
            .iter()
            .map(|press| {
                let (api, press) = (api.clone(), press.clone());
                thread::spawn("standby-answer", move || answer_one(&api, &press))
            })
            .collect();
        for (press, answering) in presses.iter().zip(answering) {
            match answering {
                Ok(answering) => drop(answering.join()),
                // The host has no thread left to give.
                Err(_) => answer_one(api, press),
            }
        }
    }
}

fn answer_one(api: &Api, press: &Pressed) {
    let toast = outgoing::toast(&press.callback, press.text);
    if let Err(failure) = answer_press(api, &toast) {
        log::debug!("a press was not answered: {failure}");
    }
}

/// What is watched, and what is to be done about it. Pure.
#[derive(Default)]
struct Watch {
    /// Presses that nobody has begun to answer, and until when somebody may.
    presses: Vec<(Pressed, Instant)>,
    /// A poller that has not asked again yet.
    busy: Option<Busy>,
    /// From which update on Telegram was asked last, and the presses that are known to have come since, by their callback ids.
    from: i64,
    known: HashSet<String>,
    /// When Telegram has last answered, and for how long it was then not asked.
    answered: Option<Instant>,
    unasked: Duration,
}

struct Busy {
    ask_at: Instant,
    reading: Reading,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Due {
    presses: Vec<Pressed>,
    to_ask: bool,
}

impl Watch {
    fn has_answer(&mut self, now: Instant, from: i64, presses: Vec<Pressed>, reading: Reading) {
        self.busy = Some(Busy {
            ask_at: now + ASK_EVERY,
            reading,
        });
        if self.from != from {
            self.from = from;
            self.known.clear();
        }
        self.answered = Some(now);
        let until = now
            + BEGUN_WITHIN
                .saturating_sub(self.unasked)
                .max(BEGUN_AT_LEAST);
        for press in presses {
            let is_new = self.known.insert(press.callback.clone());
            if is_new && self.presses.len() < WATCHED_MAX {
                self.presses.push((press, until));
            }
        }
    }

    fn asks_itself(&mut self, now: Instant) {
        self.busy = None;
        self.unasked = self
            .answered
            .map_or(Duration::ZERO, |answered| now.duration_since(answered));
    }

    fn is_answered(&mut self, callback: &str) {
        self.presses.retain(|(press, _)| press.callback != callback);
    }

    /// When something is to be done, if nothing happens before.
    fn next(&self) -> Option<Instant> {
        let presses = self.presses.iter().map(|(_, until)| *until);
        presses
            .chain(self.busy.as_ref().map(|busy| busy.ask_at))
            .min()
    }

    fn due(&mut self, now: Instant) -> Due {
        let late = self.presses.extract_if(.., |(_, until)| *until <= now);
        let presses = late.map(|(press, _)| press).collect();
        let to_ask = self.busy.as_ref().is_some_and(|busy| busy.ask_at <= now);
        Due { presses, to_ask }
    }

    /// What Telegram is to be asked now, and how the answer is read; None where the poller does so itself by now.
    fn asked(&mut self, now: Instant) -> Option<(i64, Reading)> {
        let busy = self.busy.as_mut()?;
        busy.ask_at = now + ASK_EVERY;
        Some((self.from, Arc::clone(&busy.reading)))
    }

    /// Of presses that Telegram has given to this those of which nobody knew.
    fn has_asked(&mut self, now: Instant, mut presses: Vec<Pressed>) -> Vec<Pressed> {
        self.answered = Some(now);
        presses.retain(|press| self.known.insert(press.callback.clone()));
        presses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(callback: &str) -> Pressed {
        Pressed {
            callback: callback.to_owned(),
            text: "slow",
            is_strangers: false,
        }
    }

    fn has_answer(watch: &mut Watch, now: Instant, from: i64, presses: &[&str]) {
        let presses = presses.iter().map(|callback| press(callback)).collect();
        watch.has_answer(now, from, presses, Arc::new(|_| Vec::new()));
    }

    #[test]
    fn a_press_is_due_once_and_not_if_somebody_answers_it() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        assert_eq!(watch.next(), None);
        has_answer(&mut watch, start, 7, &["a", "b"]);
        watch.asks_itself(start);
        watch.is_answered("a");
        let late = start + BEGUN_WITHIN;
        assert_eq!(watch.next(), Some(late));
        assert_eq!(
            watch.due(late - Duration::from_millis(1)),
            Due::default(),
            "somebody may answer it still"
        );
        assert_eq!(watch.due(late).presses, [press("b")]);
        assert_eq!(watch.due(late), Due::default());
        assert_eq!(watch.next(), None);
        // Telegram gives it again as long as nothing is confirmed.
        has_answer(&mut watch, late, 7, &["a", "b"]);
        watch.asks_itself(late);
        assert_eq!(watch.next(), None);
    }

    #[test]
    fn a_press_has_waited_already_as_long_as_telegram_was_not_asked() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        let long = Duration::from_millis(400);
        has_answer(&mut watch, start, 7, &[]);
        watch.asks_itself(start + long);
        let held = start + 50 * long;
        has_answer(&mut watch, held, 7, &["a"]);
        watch.asks_itself(held + 10 * long);
        assert_eq!(watch.next(), Some(held + BEGUN_WITHIN - long));
        has_answer(&mut watch, held + 10 * long, 8, &["b"]);
        watch.is_answered("a");
        let ask_at = held + 10 * long + ASK_EVERY;
        let least = held + 10 * long + BEGUN_AT_LEAST;
        assert_eq!(watch.next(), Some(least));
        assert_eq!(watch.due(least).presses, [press("b")]);
        assert_eq!(watch.next(), Some(ask_at));
    }

    #[test]
    fn telegram_is_asked_until_the_poller_does_so_and_what_was_known_is_not_new() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        has_answer(&mut watch, start, 7, &["a"]);
        watch.is_answered("a");
        assert_eq!(watch.next(), Some(start + ASK_EVERY));
        assert!(watch.due(start + ASK_EVERY).to_ask);
        let asked = watch.asked(start + ASK_EVERY).map(|(from, _)| from);
        assert_eq!(asked, Some(7));
        assert_eq!(watch.next(), Some(start + 2 * ASK_EVERY));
        let both = || vec![press("a"), press("b")];
        assert_eq!(watch.has_asked(start + ASK_EVERY, both()), [press("b")]);
        assert_eq!(watch.has_asked(start + ASK_EVERY, both()), []);
        watch.asks_itself(start + ASK_EVERY);
        assert!(!watch.due(start + 2 * ASK_EVERY).to_ask);
        assert!(watch.asked(start + 2 * ASK_EVERY).is_none());
        // What the poller is given then is known as well, until it is confirmed.
        has_answer(&mut watch, start + ASK_EVERY, 7, &["a", "b"]);
        assert!(watch.presses.is_empty());
        has_answer(&mut watch, start + ASK_EVERY, 9, &["c"]);
        assert_eq!(watch.presses.len(), 1);
    }

    #[test]
    fn no_more_presses_are_watched_than_there_is_room_for() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        for number in 0..=WATCHED_MAX {
            has_answer(&mut watch, start, number as i64, &["a", "b"]);
        }
        assert_eq!(watch.presses.len(), WATCHED_MAX);
    }
}
