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

/// How long the poller may ask Telegram for nothing, and how far apart Telegram is asked in its place: within 0.5 s it gives
/// one update only.
const ASK_EVERY: Duration = Duration::from_millis(600);

/// How long such a call may take. The poller waits for its end before it asks itself: of two that ask, Telegram turns one
/// away.
const ASK_MAX: Duration = Duration::from_secs(1);

/// So many presses are watched at most, and so many of strangers are answered in a row.
const WATCHED_MAX: usize = 200;
const STRANGERS_MAX: usize = 4;

/// A press, and what is said to it if nobody else is in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pressed {
    pub callback: String,
    pub text: &'static str,
    /// Whether it is one of those that may not speak.
    pub is_strangers: bool,
}

/// Finds the press in an update, if it is one.
pub type Reading = Arc<dyn Fn(&Decoded) -> Option<Pressed> + Send + Sync>;

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
    pub fn has_answer(&self, from: i64, presses: Vec<Pressed>, reading: Reading) {
        let mut watch = self.shared.look();
        let was_idle = watch.next().is_none();
        watch.has_answer(Instant::now(), from, presses, reading);
        drop(watch);
        if was_idle {
            let _ = self.bell.try_send(());
        }
    }

    /// The poller is about to ask again, or to wait. Waits until nobody asks in its place.
    pub fn asks_itself(&self) {
        self.shared.look().busy = None;
        drop(
            self.shared
                .asking
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
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

    fn run(&self, api: &Api, rung: &Receiver<()>) {
        loop {
            let next = self.look().next();
            let heard = match next {
                Some(at) => rung.recv_deadline(at),
                None => rung.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            if heard == Err(RecvTimeoutError::Disconnected) {
                return;
            }
            let due = self.look().due(Instant::now());
            if !due.presses.is_empty() {
                log::warn!("a press takes long to be stored: is the disk slow?");
            }
            answer(api, due.presses);
            if due.to_ask {
                let found = self.ask(api);
                answer(api, found);
            }
        }
    }

    /// Asks Telegram in the poller's place; returns the presses that are new.
    fn ask(&self, api: &Api) -> Vec<Pressed> {
        let _asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
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
        let updates = updates.into_iter().filter_map(update::decode);
        let presses: Vec<Pressed> = updates.filter_map(|update| reading(&update)).collect();
        self.look().new_of(presses)
    }
}

/// Answers presses, those of strangers last.
fn answer(api: &Api, mut presses: Vec<Pressed>) {
    presses.sort_by_key(|press| press.is_strangers);
    let strangers = presses.partition_point(|press| !press.is_strangers);
    presses.truncate(strangers + STRANGERS_MAX);
    for press in presses {
        let toast = outgoing::toast(&press.callback, press.text);
        if let Err(failure) = answer_press(api, &toast) {
            log::debug!("a press was not answered: {failure}");
        }
    }
}

/// What is watched, and what is to be done about it. Pure.
#[derive(Default)]
struct Watch {
    /// Presses that nobody has begun to answer, and until when somebody may.
    presses: Vec<(Pressed, Instant)>,
    busy: Option<Busy>,
}

/// A poller that has not asked again yet.
struct Busy {
    from: i64,
    ask_at: Instant,
    reading: Reading,
    /// The presses that are known to have come since, by their callback ids.
    known: HashSet<String>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Due {
    presses: Vec<Pressed>,
    to_ask: bool,
}

impl Watch {
    fn has_answer(&mut self, now: Instant, from: i64, presses: Vec<Pressed>, reading: Reading) {
        let known = presses.iter().map(|press| press.callback.clone());
        self.busy = Some(Busy {
            from,
            ask_at: now + ASK_EVERY,
            reading,
            known: known.collect(),
        });
        let room = WATCHED_MAX.saturating_sub(self.presses.len());
        let until = now + BEGUN_WITHIN;
        let watched = presses.into_iter().take(room).map(|press| (press, until));
        self.presses.extend(watched);
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
        Some((busy.from, Arc::clone(&busy.reading)))
    }

    /// Of presses that Telegram has given to this those of which the poller did not know.
    fn new_of(&mut self, mut presses: Vec<Pressed>) -> Vec<Pressed> {
        match &mut self.busy {
            Some(busy) => presses.retain(|press| busy.known.insert(press.callback.clone())),
            // The poller asks for them now.
            None => presses.clear(),
        }
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

    fn has_answer(watch: &mut Watch, now: Instant, presses: &[&str]) {
        let presses = presses.iter().map(|callback| press(callback)).collect();
        watch.has_answer(now, 7, presses, Arc::new(|_| None));
    }

    #[test]
    fn a_press_is_due_once_and_not_if_somebody_answers_it() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        assert_eq!(watch.next(), None);
        has_answer(&mut watch, start, &["a", "b"]);
        watch.busy = None;
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
    }

    #[test]
    fn telegram_is_asked_until_the_poller_does_so_and_what_was_known_is_not_new() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        has_answer(&mut watch, start, &["a"]);
        watch.is_answered("a");
        assert_eq!(watch.next(), Some(start + ASK_EVERY));
        assert!(watch.due(start + ASK_EVERY).to_ask);
        let asked = watch.asked(start + ASK_EVERY).map(|(from, _)| from);
        assert_eq!(asked, Some(7));
        assert_eq!(watch.next(), Some(start + 2 * ASK_EVERY));
        let new = watch.new_of(vec![press("a"), press("b")]);
        assert_eq!(new, [press("b")]);
        assert!(watch.new_of(vec![press("a"), press("b")]).is_empty());
        watch.busy = None;
        assert!(!watch.due(start + 2 * ASK_EVERY).to_ask);
        assert!(watch.asked(start + 2 * ASK_EVERY).is_none());
        assert!(watch.new_of(vec![press("c")]).is_empty());
    }

    #[test]
    fn no_more_presses_are_watched_than_there_is_room_for() {
        let (mut watch, start) = (Watch::default(), Instant::now());
        for _ in 0..=WATCHED_MAX {
            has_answer(&mut watch, start, &["a", "b"]);
        }
        assert_eq!(watch.presses.len(), WATCHED_MAX);
    }
}
