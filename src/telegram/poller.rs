//! The poller: asks Telegram for updates, stores them, then wakes whoever has something to read.
//!
//! One answer of getUpdates is one transaction together with the offset that confirms it, and only the next call tells
//! Telegram so: an update is on disk before Telegram is told that it arrived. An update that does not decode, or
//! cannot be stored, is skipped, and the others go on. Where nothing of an answer leads to anything, as in a busy group,
//! it is not worth a write: only Telegram is told. Nothing of what people write is logged.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use serde_json::value::RawValue;

use super::ahead::Looks;
use super::api::Api;
use super::desk::Desk;
use super::dispatch::Moment;
use super::menu;
use super::outgoing;
use super::refusal::{self, Failure, Refusal};
use super::standby::{Pressed, Reading, Standby};
use super::update::{self, Decoded};
use crate::absence::{self, Absence};
use crate::board::{Board, Toast, Warning};
use crate::chat::{BotId, ChatId, Inbound, Post, SessionId};
use crate::clock::{unix_millis, unix_now};
use crate::exit::{Exit, Fatal};
use crate::failpoint;
use crate::render::{notice, texts};
use crate::router::{self, Route};
use crate::store::trouble::{self, StoreTrouble};
use crate::store::{self, Store};
use crate::thread;

/// How long Telegram holds a call when there is nothing, in seconds; its own limit is 50.
const POLL_SECONDS: u32 = 50;

/// How long the whole call may take beyond that.
const POLL_MAX: Duration = Duration::from_secs(10);

/// Waits after 409 by another poller. Restarts overlap for a moment; after the last one it is no overlap.
const CONFLICT_WAITS: [u64; 4] = [5, 10, 20, 30];

/// Waits after any other failure: doubling between these.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// How long the poller is silent at most, so that the watchdog does not take a long wait for a hang.
const REST_STEP: Duration = Duration::from_secs(60);

/// The two calls that must succeed.
const GET_UPDATES: &str = "getUpdates";
const GET_ME: &str = "getMe";

/// How long the call may take that asks for the bot's name.
const NAME_MAX: Duration = Duration::from_secs(10);

/// How long the store is left alone after it failed; Telegram gives the same updates again then, all of them to whoever asks
/// no more often than twice a second. What is pressed meanwhile has no answer before that is over.
const STORE_RETRY: Duration = Duration::from_millis(600);

/// So many places are warned at most that nothing can be stored.
const WARNED_MAX: usize = 20;

/// So many groups are kept in mind at most that the log has named since the bot was added to them.
const NAMED_MAX: usize = 20;

/// How often finished rows are looked for and forgotten, in seconds.
const PRUNE_EVERY: i64 = 3600;

/// What the poller works with.
pub struct Outfit {
    pub bot: BotId,
    pub api: Api,
    pub store: Arc<Store>,
    pub board: Arc<Board>,
    /// Deals with each update.
    pub desk: Desk,
    /// Wakes a session's owner.
    pub wake: Box<dyn Fn(SessionId) + Send>,
    pub fatal: Sender<Fatal>,
    /// Told when an attempt has ended: whether Telegram answered.
    pub attempt_ended: Box<dyn Fn(bool) + Send>,
    /// Answers presses where that takes too long.
    pub standby: Standby,
}

/// The running poller.
pub struct Poller {
    stopping: Arc<AtomicBool>,
    /// Dropped to end a wait between two calls.
    _wait: Sender<()>,
}

impl Poller {
    /// Starts the thread. `from` is the first update that is not stored yet; `seen` is when Telegram answered a former chappe,
    /// in Unix seconds.
    pub fn start(outfit: Outfit, from: i64, seen: Option<i64>) -> std::io::Result<Poller> {
        let stopping = Arc::new(AtomicBool::new(false));
        let (wait, waited) = bounded(0);
        let poll = Poll {
            from,
            has_asked: false,
            outfit,
            stopping: Arc::clone(&stopping),
            waited,
            failures: 0,
            conflicts: 0,
            pruned: 0,
            absence: Absence::new(seen),
            to_ask: false,
            to_tell: None,
            knows_name: false,
            has_set_menu: false,
            named: VecDeque::new(),
            store_fails: false,
            put_off: HashSet::new(),
        };
        // Not joined: a call in flight ends with the process, and nothing of it is confirmed.
        let fatal = poll.outfit.fatal.clone();
        thread::spawn_vital("poller", fatal, move || poll.run())?;
        Ok(Poller {
            stopping,
            _wait: wait,
        })
    }

    /// Takes nothing more. What a call in flight brings is left for the next start.
    pub fn stop(self) {
        self.stopping.store(true, Ordering::SeqCst);
    }
}

struct Poll {
    outfit: Outfit,
    /// The first update that is not stored yet.
    from: i64,
    /// Whether Telegram has answered since this chappe runs, and all that was given is stored.
    has_asked: bool,
    stopping: Arc<AtomicBool>,
    waited: Receiver<()>,
    /// Calls that failed in a row.
    failures: u32,
    conflicts: usize,
    /// When old rows were last looked for, in Unix seconds.
    pruned: i64,
    absence: Absence,
    /// What follows from it and is not stored yet: what is kept is to be asked about; a gap is to be told.
    to_ask: bool,
    to_tell: Option<Duration>,
    /// Whether the bot's name is known, by which it is called in groups; nobody needs it elsewhere.
    knows_name: bool,
    /// Whether somebody sees to the menu of commands.
    has_set_menu: bool,
    /// Groups that are not served, as far as the log has named them.
    named: VecDeque<ChatId>,
    /// Whether the store failed the last time.
    store_fails: bool,
    /// Presses that could not be stored and have been told so: Telegram brings them again until they can.
    put_off: HashSet<String>,
}

/// What follows from a failed call.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Wait(Duration),
    /// chappe is being stopped.
    Stop,
    End(Fatal),
}

impl Poll {
    fn run(mut self) {
        let fatal = self.outfit.fatal.clone();
        loop {
            let round = self.round();
            self.look_after_time();
            (self.outfit.attempt_ended)(round.is_ok());
            self.outfit.standby.asks_itself();
            let wait = match round {
                Ok(()) => continue,
                Err(Next::Wait(wait)) => wait,
                Err(Next::Stop) => return,
                Err(Next::End(end)) => {
                    let _ = fatal.try_send(end);
                    return;
                }
            };
            if !self.rest(wait) {
                return;
            }
        }
    }

    /// Waits between two calls, and shows now and then that it does. Returns whether to go on.
    fn rest(&self, wait: Duration) -> bool {
        let mut left = wait;
        while !left.is_zero() {
            let step = left.min(REST_STEP);
            if self.waited.recv_timeout(step) != Err(RecvTimeoutError::Timeout) {
                return false;
            }
            left -= step;
            (self.outfit.attempt_ended)(false);
        }
        true
    }

    /// One call, and what it brings.
    fn round(&mut self) -> Result<(), Next> {
        self.learn_name()?;
        let from = self.from;
        // The first call, and the one after a failure, is not held: so it is known at once whether Telegram answers.
        // Nor is one that may bring what came before. After a conflict it is: only a call that was held shows that nobody
        // else asks.
        let asks_at_once = !self.has_asked || self.absence.catches_up() || self.failures > 0;
        let seconds = if asks_at_once { 0 } else { POLL_SECONDS };
        let request = outgoing::get_updates(from, seconds);
        let budget = Duration::from_secs(seconds.into()) + POLL_MAX;
        let Outfit { api, standby, .. } = &self.outfit;
        standby.asks_itself();
        let answer = match self.failures {
            0 => api.call(request.method, &request.body, budget),
            // Over the connection that failed nobody may ever answer.
            _ => (api.over_new_connections()).call(request.method, &request.body, budget),
        };
        if self.stopping.load(Ordering::SeqCst) {
            return Err(Next::Stop);
        }
        let answer = match answer {
            Ok(answer) => answer,
            Err(failure) => {
                self.look_for_store()?;
                return Err(self.call_failed(GET_UPDATES, &failure));
            }
        };
        if self.failures + self.conflicts as u32 > 0 {
            log::info!("Telegram answers again");
        }
        self.failures = 0;
        if seconds > 0 {
            self.conflicts = 0;
        }
        let (next, count) = self.take(from, &answer)?;
        (self.from, self.has_asked) = (next, true);
        self.has_answered(count)?;
        if !std::mem::replace(&mut self.has_set_menu, true) {
            let Outfit {
                bot, api, store, ..
            } = &self.outfit;
            menu::set(*bot, api.clone(), Arc::clone(store));
        }
        if count > 0 && next == from {
            // Asked at once, it would give them at once again.
            log::warn!("Telegram gives updates again that it was told of");
            return Err(self.wait());
        }
        Ok(())
    }

    /// Ends chappe where the store's file is not the one any more that it has open.
    fn look_for_store(&self) -> Result<(), Next> {
        match self.outfit.store.is_in_place() {
            true => Ok(()),
            false => Err(Next::End(trouble::gone())),
        }
    }

    /// Asks how the bot is called, once, and where it serves groups. Before the first answer of getUpdates: without its name
    /// nobody could say which of what comes from a group is for it.
    fn learn_name(&mut self) -> Result<(), Next> {
        let Outfit { api, desk, .. } = &mut self.outfit;
        if self.knows_name || desk.allowed.chats.is_empty() {
            return Ok(());
        }
        match api.call(GET_ME, b"{}", NAME_MAX) {
            Ok(me) => {
                match update::name_of_bot(&me) {
                    Some(name) => desk.me.name = name,
                    None => log::warn!("Telegram does not say how the bot is called"),
                }
                self.knows_name = true;
                Ok(())
            }
            Err(failure) => Err(self.call_failed(GET_ME, &failure)),
        }
    }

    /// Does what follows from an answer with so many updates, once it is stored.
    fn has_answered(&mut self, count: usize) -> Result<(), Next> {
        let now = unix_now();
        let follows = self.absence.answered(now, Instant::now(), count == 0);
        self.to_ask |= follows.caught_up;
        self.to_tell = follows.gap.or(self.to_tell);
        let tells = self.to_ask || self.to_tell.is_some();
        self.tell_of_absence(now, follows.note)
            .map_err(|error| self.store_failed(&error))?;
        if tells {
            self.outfit.board.ring();
        }
        (self.to_ask, self.to_tell) = (false, None);
        Ok(())
    }

    fn tell_of_absence(&self, now: i64, note: bool) -> store::Result<()> {
        let Outfit { bot, store, .. } = &self.outfit;
        if self.to_ask {
            store.ask_about_kept(*bot, now, |kept| {
                let age = absence::before_start(now, Some(kept.oldest));
                notice::away(kept.count, age, &kept.sessions)
            })?;
        }
        match self.to_tell {
            Some(gap) => store.tell_all(*bot, now, &Post::message(texts::gap(gap))),
            None if note => store.note_seen(*bot, now),
            None => Ok(()),
        }
    }

    /// Stores what came, then wakes. Returns the next offset, and how much came.
    fn take(&mut self, from: i64, answer: &RawValue) -> Result<(i64, usize), Next> {
        let Some(raw) = update::split(answer) else {
            log::warn!("the answer of getUpdates is no list");
            return Err(self.wait());
        };
        let mut updates: Vec<Decoded> = raw.iter().filter_map(|raw| update::decode(raw)).collect();
        // Telegram gives them in this order; what was sent first is dealt with first, whoever stands between.
        updates.sort_by_key(|update| update.id);
        if updates.len() < raw.len() {
            log::warn!(
                "{} updates have no number and are skipped",
                raw.len() - updates.len()
            );
        }
        // Before anything is asked of a disk.
        let reading = reading(&self.outfit.desk);
        self.outfit.standby.has_answer(from, &updates, reading);
        self.look_for_store()?;
        let Some(next) = updates.iter().map(|update| update.id + 1).max() else {
            // Nothing came, or nothing with a number: the same would come again at once.
            return if raw.is_empty() {
                self.outfit.board.warn(None, Vec::new());
                Ok((from, 0))
            } else {
                Err(self.wait())
            };
        };
        self.follow_groups(&updates)
            .map_err(|error| self.not_stored(&updates, &error))?;
        let now = unix_now();
        let at = Moment {
            arrived: unix_millis(),
            away: self.absence.old_before(now),
        };
        let Outfit {
            bot, store, desk, ..
        } = &self.outfit;
        let (of_use, of_no_use): (Vec<_>, Vec<_>) =
            updates.iter().partition(|update| desk.is_of_use(update));
        of_no_use
            .into_iter()
            .for_each(|update| pass_over(desk, &mut self.named, update));
        if of_use.is_empty() {
            self.outfit.board.warn(None, Vec::new());
            self.turn_away(&updates);
            return Ok((next, raw.len()));
        }
        let mut looks = Looks::from(Instant::now());
        let mut skipped = Vec::new();
        let looked_up = of_use
            .into_iter()
            .map(|update| (update, desk.look_ahead(store, *bot, update, &mut looks)));
        let accepted = store.accept(
            *bot,
            now,
            next,
            looked_up.collect::<Vec<_>>(),
            |intake, (update, ahead)| desk.deal(intake, at, update, ahead),
            |(update, _), error| {
                log::error!(
                    "update {} cannot be stored and is skipped: {error}",
                    update.id
                );
                skipped.extend(desk.press_of(update));
            },
        );
        let accepted = accepted.map_err(|error| self.not_stored(&updates, &error))?;
        // Telegram shows whoever pressed that something goes on, until that is answered.
        for (place, callback) in skipped {
            self.outfit.board.toast(Toast {
                place,
                callback,
                text: texts::TOAST_SKIPPED,
            });
        }
        self.outfit.board.warn(None, Vec::new());
        self.put_off.clear();
        self.store_fails = false;
        if accepted.posted {
            self.outfit.board.ring();
        }
        self.turn_away(&updates);
        let _ = failpoint::before("wake");
        for session in accepted.wake {
            (self.outfit.wake)(session);
        }
        let _ = failpoint::after("wake");
        Ok((next, raw.len()))
    }

    /// Hears groups where they are now: one that became a supergroup may have said so, or the courier was told.
    fn follow_groups(&mut self, updates: &[Decoded]) -> store::Result<()> {
        let Outfit {
            bot, store, desk, ..
        } = &mut self.outfit;
        if desk.allowed.chats.is_empty() {
            return Ok(());
        }
        let mut moved = store.moved_chats(*bot)?;
        moved.extend(moves(updates));
        if desk.allowed.follow(&moved) {
            log::warn!("{}", moved_on(&desk.allowed.chats));
        }
        Ok(())
    }

    /// Has those told who pressed and may not.
    fn turn_away(&self, updates: &[Decoded]) {
        let Outfit { board, desk, .. } = &self.outfit;
        for press in updates.iter().filter_map(|update| desk.turned_away(update)) {
            if let Some((place, _)) = press.at {
                board.toast(Toast {
                    place,
                    callback: press.callback.clone(),
                    text: texts::TOAST_NOT_ALLOWED,
                });
            }
        }
    }

    /// Does what time makes necessary: wakes the sessions whose hold is over, looks after open requests, and forgets old
    /// rows. A session that sleeps has no timer of its own, and the poll comes round every minute, whether Telegram answers
    /// or not.
    fn look_after_time(&mut self) {
        if self.stopping.load(Ordering::SeqCst) {
            return;
        }
        let now = unix_now();
        match self.outfit.store.holds_over(now) {
            Ok(sessions) => sessions.into_iter().for_each(&self.outfit.wake),
            Err(error) => log::warn!("what was paused cannot be looked at: {error}"),
        }
        match self.outfit.store.look_after_requests(self.outfit.bot, now) {
            Ok(true) => self.outfit.board.ring(),
            Ok(false) => {}
            Err(error) => log::warn!("open requests cannot be looked after: {error}"),
        }
        if let Err(error) = self.deny_unseen(now) {
            log::warn!("what nobody can see cannot be denied: {error}");
        }
        if now - self.pruned >= PRUNE_EVERY {
            self.pruned = now;
            self.outfit.store.keep_reserve();
            if let Err(error) = self.outfit.store.prune(now) {
                log::warn!("old rows cannot be forgotten: {error}");
            }
        }
    }

    /// Denies what is asked in groups that take nothing any more: nobody there can decide it, and Claude would wait for ever.
    fn deny_unseen(&self, now: i64) -> store::Result<()> {
        let Outfit {
            store, bot, wake, ..
        } = &self.outfit;
        for (session, request) in store.unseen_requests(*bot, now)? {
            let why = texts::GROUP_CLOSED;
            if store.time_out(session, now, &request, why, texts::unseen)? {
                log::info!("a request was denied: its group takes nothing any more");
                wake(session);
            }
        }
        Ok(())
    }

    /// Nothing of an answer could be stored: whoever wrote or pressed is told so.
    fn not_stored(&mut self, updates: &[Decoded], error: &store::Error) -> Next {
        self.warn(updates, error);
        self.put_off(updates, error);
        self.store_failed(error)
    }

    fn store_failed(&mut self, error: &store::Error) -> Next {
        // Each second the same would fill the log, which may be on the same disk.
        if !std::mem::replace(&mut self.store_fails, true) {
            log::error!("updates cannot be stored, Telegram keeps them: {error}");
        }
        match StoreTrouble::of(error).end() {
            Some(end) => Next::End(end),
            None => Next::Wait(STORE_RETRY),
        }
    }

    /// Warns whoever has written that it cannot be stored: in the chat, since that needs no disk.
    fn warn(&self, updates: &[Decoded], error: &store::Error) {
        let Outfit { board, desk, .. } = &self.outfit;
        let how = StoreTrouble::of(error).as_told();
        let mut warnings = Vec::new();
        for place in updates.iter().filter_map(|update| desk.place_of(update)) {
            let warning = Warning {
                place,
                body: texts::cannot_store(&desk.host, how),
            };
            if !warnings.contains(&warning) && warnings.len() < WARNED_MAX {
                warnings.push(warning);
            }
        }
        board.warn(None, warnings);
    }

    /// Answers presses that cannot be stored, each once: nothing has come of them yet, and Telegram brings them again.
    fn put_off(&mut self, updates: &[Decoded], error: &store::Error) {
        let Outfit { board, desk, .. } = &self.outfit;
        let text = texts::toast_cannot_store(StoreTrouble::of(error).as_told());
        for (place, callback) in updates.iter().filter_map(|update| desk.press_of(update)) {
            if self.put_off.insert(callback.clone()) {
                board.toast(Toast {
                    place,
                    callback,
                    text,
                });
            }
        }
    }

    fn call_failed(&mut self, method: &str, failure: &Failure) -> Next {
        let next = after_failure(failure, self.failures, self.conflicts);
        if let Next::Wait(wait) = next {
            log::warn!("{method}: {failure}; trying again in {} s", wait.as_secs());
        }
        match failure {
            Failure::Refused { code: 409, .. } => self.conflicts += 1,
            _ => self.failures = self.failures.saturating_add(1),
        }
        next
    }

    fn wait(&mut self) -> Next {
        let wait = retry_wait(self.failures);
        self.failures = self.failures.saturating_add(1);
        Next::Wait(wait)
    }
}

/// What finds presses, and what is said to them if they cannot be dealt with in time.
fn reading(desk: &Desk) -> Reading {
    let (allowed, me) = (desk.allowed.clone(), desk.me.clone());
    Arc::new(move |updates| {
        let mut allowed = allowed.clone();
        allowed.follow(&moves(updates));
        let presses = updates.iter().filter_map(|update| {
            let inbound = update.inbound.as_ref().ok()?;
            match router::route(update.id, inbound, &allowed, &me) {
                Route::TurnAway(press) => Some(Pressed {
                    callback: press.callback.clone(),
                    text: texts::TOAST_NOT_ALLOWED,
                    is_strangers: true,
                }),
                route => Some(Pressed {
                    callback: route.arrival()?.callback.clone()?,
                    text: texts::TOAST_SLOW,
                    is_strangers: false,
                }),
            }
        });
        presses.collect()
    })
}

/// The groups that have become other ones, as the updates say.
fn moves(updates: &[Decoded]) -> Vec<(ChatId, ChatId)> {
    let moves = updates.iter().filter_map(|update| match update.inbound {
        Ok(Inbound::Moved { from, to }) => Some((from, to)),
        _ => None,
    });
    moves.collect()
}

/// Says in the log what became of an update that leads to nothing. Anybody can add the bot to a group and throw it out,
/// again and again: that names the group once. Only who may speak can have it named again.
fn pass_over(desk: &Desk, named: &mut VecDeque<ChatId>, update: &Decoded) {
    let number = update.id;
    if let Err(why) = &update.inbound {
        log::warn!("update {number} is skipped: {why}");
    }
    match desk.route(update) {
        Some(Route::Ignore(why)) => log::debug!("update {number}: {why}"),
        Some(Route::TurnAway(_)) => log::debug!("update {number}: a stranger pressed a button"),
        Some(Route::Unserved(chat)) => {
            let is_known = named.contains(&chat);
            if !is_known {
                named.truncate(NAMED_MAX - 1);
                named.push_front(chat);
            }
            if !is_known || matches!(update.inbound, Ok(Inbound::Message(_))) {
                log::info!(
                    "the group {chat} is not served: its number is not in telegram.allowed_chats"
                );
            }
        }
        _ => {}
    }
}

/// For whoever keeps the configuration: what it should say, since an old number stands for nothing any more.
pub fn moved_on(chats: &[i64]) -> String {
    format!(
        "a group has become a supergroup: put its new number into telegram.allowed_chats, which are now {chats:?}"
    )
}

/// Decides what follows from a failed getUpdates, after so many failures and conflicts before it.
fn after_failure(failure: &Failure, failures: u32, conflicts: usize) -> Next {
    match failure {
        Failure::Refused {
            code, description, ..
        } => match refusal::read(*code, description) {
            Refusal::Stop(why) => Next::End(Fatal::new(Exit::Refused, why)),
            Refusal::OtherPoller => match CONFLICT_WAITS.get(conflicts) {
                Some(seconds) => Next::Wait(Duration::from_secs(*seconds)),
                None => Next::End(Fatal::new(
                    Exit::AnotherRuns,
                    "another program asks Telegram for this bot's messages. Stop it (another chappe, or a bot script \
                     with the same token), or give this chappe a bot of its own.",
                )),
            },
            _ => Next::Wait(retry_wait(failures)),
        },
        Failure::Flood(seconds) => Next::Wait(Duration::from_secs((*seconds).clamp(1, 24 * 3600))),
        Failure::Unreachable(_) | Failure::Unknown(_) => Next::Wait(retry_wait(failures)),
    }
}

fn retry_wait(failures: u32) -> Duration {
    RETRY_FIRST
        .saturating_mul(1 << failures.min(8))
        .min(RETRY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: u16, description: &str) -> Failure {
        Failure::Refused {
            code,
            description: description.into(),
            migrate_to: None,
        }
    }

    #[test]
    fn another_poller_is_waited_for_and_then_told() {
        let conflict = refused(
            409,
            "Conflict: terminated by other getUpdates request; make sure …",
        );
        let waits: Vec<_> = (0..4)
            .map(|conflicts| after_failure(&conflict, 0, conflicts))
            .collect();
        assert_eq!(
            waits,
            [5, 10, 20, 30].map(|seconds| Next::Wait(Duration::from_secs(seconds)))
        );
        assert!(matches!(
            after_failure(&conflict, 0, 4),
            Next::End(Fatal {
                exit: Exit::AnotherRuns,
                ..
            })
        ));
    }

    #[test]
    fn a_webhook_and_a_bad_token_are_told_at_once() {
        let webhook = refused(
            409,
            "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook",
        );
        for failure in [
            webhook,
            refused(401, "Unauthorized"),
            refused(404, "Not Found"),
            refused(400, "Bad Request: LOGGED OUT"),
            refused(406, "FROZEN_METHOD_INVALID"),
            refused(421, "Misdirected Request"),
        ] {
            assert!(matches!(
                after_failure(&failure, 0, 0),
                Next::End(Fatal {
                    exit: Exit::Refused,
                    ..
                })
            ));
        }
    }

    #[test]
    fn trouble_on_the_way_is_waited_out_with_growing_gaps() {
        let gone = Failure::Unreachable("no network");
        let waits: Vec<_> = (0..7)
            .map(|failures| after_failure(&gone, failures, 0))
            .collect();
        assert_eq!(
            waits,
            [1, 2, 4, 8, 16, 30, 30].map(|seconds| Next::Wait(Duration::from_secs(seconds)))
        );
        assert_eq!(
            after_failure(&Failure::Flood(3), 0, 0),
            Next::Wait(Duration::from_secs(3))
        );
    }
}
