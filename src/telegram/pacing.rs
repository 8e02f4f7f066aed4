//! Decides which call goes out next, and when to look again. Pure: time is an argument, the sending is the courier's.
//!
//! The rules: at most one call in flight for each chat; within a place, rows in the order in which they were stored,
//! but a request may go before what belongs to other turns; progress only when nothing durable waits; about a message
//! a second for each chat after a short burst; a flood wait stops its chat, and three chats that get one within 10 s
//! stop all. A group has 20 calls a minute for all its topics, of which six are kept for answers and requests; its status
//! messages change at most every 10 s, and "typing" is shown only until one stands. Answers to presses obey none of it and
//! are in no plan: they are good for seconds, and Telegram does not count them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use crate::board::{Doing, Interruption, Progress};
use crate::chat::{ChatId, Due, Lane, MessageId, Place, PromptId};

/// How many calls may be in flight, answers to presses aside.
pub const IN_FLIGHT_MAX: usize = 2;

/// How many of those may be: one that hangs, or goes over a slow line twice, holds up no other.
pub const TOASTS_MAX: usize = 4;

/// One message of a chat's budget comes back after this time.
const MESSAGE_EVERY: Duration = Duration::from_secs(1);

/// How far ahead of its budget a chat may get with rows; with progress, only so far that answers never wait for it.
const BURST: Duration = Duration::from_secs(6);
const PROGRESS_BURST: Duration = Duration::from_secs(3);

/// So many calls for a group within this time, of which so many are kept for answers and requests.
const GROUP_CALLS_MAX: usize = 20;
const GROUP_CALLS_KEPT: usize = 6;
const GROUP_CALLS_WITHIN: Duration = Duration::from_secs(60);

/// How long a status message stands in a group before it changes.
const GROUP_STATUS_EVERY: Duration = Duration::from_secs(10);

/// How long a turn must last before it gets a status message. A quick answer needs none.
const STATUS_AFTER: Duration = Duration::from_secs(2);

/// How long a status message may show an old elapsed time.
const STATUS_STALE: Duration = Duration::from_secs(15);

/// Telegram shows "typing" for 5 s.
const TYPING_EVERY: Duration = Duration::from_millis(4_500);

/// Waits after a call whose outcome is unknown, or that was never made: doubling between these.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// So many chats with a flood wait within this time stop all.
const FLOODS_MAX: usize = 3;
const FLOODS_WITHIN: Duration = Duration::from_secs(10);

/// The longest wait that is believed, a year: what is added to an [`Instant`] must stay in its range.
const WAIT_MAX: Duration = Duration::from_secs(366 * 24 * 3600);

/// Something to send.
#[derive(Clone, Debug, PartialEq)]
pub enum Call {
    /// A row of the outbox.
    Row(Due),
    /// What a turn is doing: as a new message, or as a change of the one that shows it.
    Status {
        progress: Progress,
        message: Option<MessageId>,
    },
    Typing(Place),
    /// That nothing can be stored.
    Warning(Place),
    /// What a press is answered of which nothing is stored.
    Toast(Place),
}

impl Call {
    /// Where it goes.
    pub fn place(&self) -> Place {
        match self {
            Call::Row(due) => due.place,
            Call::Status { progress, .. } => progress.place,
            Call::Typing(place) | Call::Warning(place) | Call::Toast(place) => *place,
        }
    }

    fn chat(&self) -> ChatId {
        self.place().chat
    }

    /// Whether it answers a press, and so obeys no pace.
    pub fn is_toast(&self) -> bool {
        matches!(
            self,
            Call::Row(Due {
                lane: Lane::Toast,
                ..
            }) | Call::Toast(_)
        )
    }
}

/// What a flood wait stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stops {
    Chat,
    All,
}

/// How a call ended, as far as its chat's pace goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Telegram has dealt with it; the new message, if it made one.
    Done(Option<MessageId>),
    /// The status message cannot be edited any more.
    MessageGone,
    /// Telegram does not want it, and would not want the same again.
    Refused,
    /// Nothing for this chat for so long.
    Flood(Duration),
    /// Nobody knows whether it was done.
    Unknown,
    /// Telegram was not reached at all.
    Unreachable,
}

/// What to do now, and when to ask again if nothing happens before.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub call: Option<Call>,
    pub look_again: Option<Instant>,
}

/// What is known of the pace of each chat.
#[derive(Default)]
pub struct Pacing {
    chats: HashMap<ChatId, Chat>,
    /// A flood that stops all chats.
    all_flooded: Option<Instant>,
    /// No network.
    offline: Option<Instant>,
    unreached: u32,
    recent_floods: Vec<(Instant, ChatId)>,
    /// What has held up all chats, with the number of that trouble; and up to which one each chat had its say.
    delay_of_all: Option<(u64, Delay)>,
    told_of_all: HashMap<ChatId, u64>,
    statuses: HashMap<PromptId, Status>,
    typed: HashMap<Place, Instant>,
    in_flight: usize,
    toasts_in_flight: usize,
}

/// Why a chat's rows are late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// Telegram was not reached, or did not answer.
    Unreachable,
    Flood,
}

/// What a call is for, as far as it decides how much of its chat's budget it may use.
#[derive(Clone, Copy)]
enum Use {
    Row,
    Reaction,
    Progress,
    Typing,
}

impl Use {
    /// How far ahead of its budget the chat may be.
    fn burst(self) -> Duration {
        match self {
            Use::Row | Use::Reaction => BURST,
            Use::Progress => PROGRESS_BURST,
            Use::Typing => Duration::MAX,
        }
    }

    /// How many calls a group may have had of late.
    fn calls_in_group(self) -> usize {
        match self {
            Use::Row => GROUP_CALLS_MAX,
            Use::Reaction | Use::Progress | Use::Typing => GROUP_CALLS_MAX - GROUP_CALLS_KEPT,
        }
    }
}

#[derive(Default)]
struct Chat {
    busy: bool,
    /// When a group had its last calls, the oldest first.
    calls: VecDeque<Instant>,
    /// What has held it up since its last row arrived.
    delay: Option<Delay>,
    waits: Option<Instant>,
    /// Calls in a row whose outcome nobody knows.
    unknown: u32,
    /// When the budget is even again; in the past for a chat that was silent.
    paid_until: Option<Instant>,
}

/// The status message of a turn.
struct Status {
    chat: ChatId,
    message: Option<MessageId>,
    doing: Doing,
    interruption: Option<Interruption>,
    waiting: usize,
    at: Instant,
    /// Whether it was sent and nobody knows whether it arrived, or it was refused.
    is_lost: bool,
}

impl Pacing {
    /// Takes up a wait that a former chappe was told of; `chat` None stands for all.
    pub fn take_up_wait(&mut self, now: Instant, chat: Option<ChatId>, wait: Duration) {
        let until = Some(now + wait.min(WAIT_MAX));
        match chat {
            Some(chat) => self.chats.entry(chat).or_default().waits = until,
            None => self.all_flooded = until,
        }
    }

    /// Decides. Nothing is noted until the call is reported by [`Pacing::started`].
    pub fn plan(&mut self, now: Instant, due: &[Due], board: &[Progress]) -> Plan {
        self.forget(now, board);
        let mut look_again: Option<Instant> = None;
        let mut later =
            |at: Instant| look_again = Some(look_again.map_or(at, |first| first.min(at)));

        if let Some(until) = self
            .all_flooded
            .max(self.offline)
            .filter(|&until| until > now)
        {
            return Plan {
                call: None,
                look_again: Some(until),
            };
        }
        if self.in_flight >= IN_FLIGHT_MAX {
            return Plan {
                call: None,
                look_again: None,
            };
        }
        let mut rows: Vec<&Due> = due.iter().collect();
        rows.sort_by_key(|due| (due.lane, due.row));
        // Chats whose rows have to wait: their progress waits as well.
        let mut holding: HashSet<ChatId> = HashSet::new();
        for row in rows {
            let chat = row.place.chat;
            let of_row = match row.lane {
                Lane::Reaction => Use::Reaction,
                _ => Use::Row,
            };
            match self.free_at(now, chat, of_row) {
                None => {}
                Some(at) if at <= now => {
                    return Plan {
                        call: Some(Call::Row(*row)),
                        look_again: None,
                    };
                }
                Some(at) => later(at),
            }
            if row.lane != Lane::Reaction {
                holding.insert(chat);
            }
        }
        for progress in board
            .iter()
            .filter(|progress| !holding.contains(&progress.place.chat))
        {
            let Some(free) = self.free_at(now, progress.place.chat, Use::Progress) else {
                continue;
            };
            let at = self.status_at(now, progress).max(free);
            if at <= now {
                let message = self.shown(progress).and_then(|status| status.message);
                let call = Call::Status {
                    progress: progress.clone(),
                    message,
                };
                return Plan {
                    call: Some(call),
                    look_again: None,
                };
            }
            later(at);
        }
        for progress in board
            .iter()
            .filter(|progress| progress.doing != Doing::Asking && !self.shows_enough(progress))
        {
            // Typing is not counted as a message, but it keeps to the waits of its chat.
            let Some(free) = self.free_at(now, progress.place.chat, Use::Typing) else {
                continue;
            };
            let at = self
                .typed
                .get(&progress.place)
                .map_or(now, |&typed| typed + TYPING_EVERY)
                .max(free);
            if at <= now {
                return Plan {
                    call: Some(Call::Typing(progress.place)),
                    look_again: None,
                };
            }
            later(at);
        }
        Plan {
            call: None,
            look_again,
        }
    }

    /// Whether a chat may have a call now that no plan has made.
    pub fn is_free(&self, now: Instant, chat: ChatId) -> bool {
        let stopped = self.all_flooded.max(self.offline);
        self.in_flight < IN_FLIGHT_MAX
            && stopped.is_none_or(|until| until <= now)
            && self
                .free_at(now, chat, Use::Row)
                .is_some_and(|free| free <= now)
    }

    /// Whether a press may be answered now. That waits for nothing else.
    pub fn may_answer(&self) -> bool {
        self.toasts_in_flight < TOASTS_MAX
    }

    /// What has held up a chat since its last row arrived, if anything has.
    pub fn delay(&self, chat: ChatId) -> Option<Delay> {
        let own = self.chats.get(&chat).and_then(|chat| chat.delay);
        let of_all = self
            .delay_of_all
            .filter(|(number, _)| self.told_of_all.get(&chat).is_none_or(|told| told < number));
        own.or(of_all.map(|(_, delay)| delay))
    }

    /// All chats are held up.
    fn delay_all(&mut self, delay: Delay) {
        let number = self.delay_of_all.map_or(1, |(number, _)| number + 1);
        self.delay_of_all = Some((number, delay));
    }

    /// Drops what no longer matters, so that nothing here grows with the months.
    fn forget(&mut self, now: Instant, board: &[Progress]) {
        self.statuses
            .retain(|prompt, _| board.iter().any(|progress| progress.prompt == *prompt));
        self.typed
            .retain(|place, _| board.iter().any(|progress| progress.place == *place));
        self.recent_floods
            .retain(|(at, _)| now.saturating_duration_since(*at) < FLOODS_WITHIN);
        self.chats.retain(|_, chat| {
            chat.busy
                || chat.delay.is_some()
                || chat.unknown > 0
                || chat.waits.is_some_and(|until| until > now)
                || chat.paid_until.is_some_and(|until| until > now)
                || chat
                    .calls
                    .back()
                    .is_some_and(|at| *at + GROUP_CALLS_WITHIN > now)
        });
    }

    /// When a chat may have its next call; None while one is in flight (its end will be told).
    fn free_at(&self, now: Instant, chat: ChatId, of: Use) -> Option<Instant> {
        let Some(chat) = self.chats.get(&chat) else {
            return Some(now);
        };
        if chat.busy {
            return None;
        }
        let waits = chat.waits.unwrap_or(now);
        let paid = match chat.paid_until {
            // How far ahead of its budget the chat is; what exceeds the burst has to pass first.
            Some(paid) => {
                now + paid
                    .saturating_duration_since(now)
                    .saturating_sub(of.burst())
            }
            None => now,
        };
        // The call that has to be long ago before there may be another one.
        let counts = chat.calls.len().checked_sub(of.calls_in_group());
        let counted = counts.map_or(now, |first| chat.calls[first] + GROUP_CALLS_WITHIN);
        Some(waits.max(paid).max(counted))
    }

    /// Whether a turn in a group needs no "typing", since its status stands there.
    fn shows_enough(&self, progress: &Progress) -> bool {
        is_group(progress.place.chat) && self.shown(progress).is_some()
    }

    /// The status message of a turn, if it has one where it is now: a message does not move with its chat.
    fn shown(&self, progress: &Progress) -> Option<&Status> {
        let status = self.statuses.get(&progress.prompt);
        status.filter(|status| status.chat == progress.place.chat)
    }

    /// When a turn's status is to be shown next.
    fn status_at(&self, now: Instant, progress: &Progress) -> Instant {
        let Some(shown) = self.shown(progress) else {
            return match progress.doing {
                // Who is asked has a message of its own to look at, unless there is something to press for here.
                Doing::Asking if progress.waiting == 0 => now + WAIT_MAX,
                // What went wrong, and that stop was heard, is told at once.
                _ if progress.interruption.is_some() => now,
                _ => progress.since + STATUS_AFTER,
            };
        };
        if shown.is_lost {
            return now + WAIT_MAX;
        }
        let age = now.saturating_duration_since(progress.since);
        let gap = match age.as_secs() {
            0..120 => Duration::from_secs(3),
            120..600 => Duration::from_secs(10),
            _ => Duration::from_secs(30),
        };
        let gap = match is_group(progress.place.chat) {
            true => gap.max(GROUP_STATUS_EVERY),
            false => gap,
        };
        let same = shown.doing == progress.doing
            && shown.waiting == progress.waiting
            && shown.interruption == progress.interruption;
        match (same, &progress.doing) {
            // A person may think for days; that it is their turn does not have to be repeated.
            (true, Doing::Asking) => now + WAIT_MAX,
            (true, _) => shown.at + gap.max(STATUS_STALE),
            (false, _) => shown.at + gap,
        }
    }

    /// A call is in flight from now on.
    pub fn started(&mut self, now: Instant, call: &Call) {
        if call.is_toast() {
            self.toasts_in_flight += 1;
            return;
        }
        self.in_flight += 1;
        let chat = self.chats.entry(call.chat()).or_default();
        chat.busy = true;
        if is_group(call.chat()) {
            if chat.calls.len() == GROUP_CALLS_MAX {
                chat.calls.pop_front();
            }
            chat.calls.push_back(now);
        }
        match call {
            Call::Row(Due {
                lane: Lane::Reaction,
                ..
            })
            | Call::Typing(_)
            | Call::Toast(_) => {}
            Call::Row(_) | Call::Status { .. } | Call::Warning(_) => {
                chat.paid_until =
                    Some(chat.paid_until.map_or(now, |paid| paid.max(now)) + MESSAGE_EVERY);
            }
        }
        match call {
            Call::Typing(place) => {
                self.typed.insert(*place, now);
            }
            Call::Status { progress, message } => {
                let status = Status {
                    chat: progress.place.chat,
                    message: *message,
                    doing: progress.doing.clone(),
                    interruption: progress.interruption.clone(),
                    waiting: progress.waiting,
                    at: now,
                    is_lost: false,
                };
                self.statuses.insert(progress.prompt, status);
            }
            Call::Row(_) | Call::Warning(_) | Call::Toast(_) => {}
        }
    }

    /// A call has ended. Returns what a flood wait stops, if it was one.
    pub fn ended(&mut self, now: Instant, call: &Call, end: End) -> Option<Stops> {
        if call.is_toast() {
            self.toasts_in_flight = self.toasts_in_flight.saturating_sub(1);
            return None;
        }
        self.in_flight = self.in_flight.saturating_sub(1);
        let chat = self.chats.entry(call.chat()).or_default();
        chat.busy = false;
        if matches!(end, End::Done(_) | End::MessageGone | End::Refused) {
            chat.unknown = 0;
            self.unreached = 0;
        }
        let mut stops = None;
        match end {
            End::Done(_) | End::MessageGone | End::Refused => {}
            End::Flood(wait) => {
                let until = now + wait.min(WAIT_MAX);
                chat.waits = Some(until);
                chat.delay = Some(Delay::Flood);
                self.recent_floods
                    .retain(|(_, flooded)| *flooded != call.chat());
                self.recent_floods.push((now, call.chat()));
                stops = Some(if self.recent_floods.len() >= FLOODS_MAX {
                    self.all_flooded = self.all_flooded.max(Some(until));
                    self.delay_of_all = Some((
                        self.delay_of_all.map_or(1, |(number, _)| number + 1),
                        Delay::Flood,
                    ));
                    Stops::All
                } else {
                    Stops::Chat
                });
            }
            End::Unknown => {
                chat.delay = Some(Delay::Unreachable);
                chat.waits = Some(now + retry_wait(chat.unknown));
                chat.unknown = chat.unknown.saturating_add(1);
            }
            End::Unreachable => {
                self.offline = Some(now + retry_wait(self.unreached));
                self.unreached = self.unreached.saturating_add(1);
                self.delay_all(Delay::Unreachable);
            }
        }
        match (call, end) {
            (Call::Status { progress, .. }, End::Done(Some(message))) => {
                if let Some(status) = self.statuses.get_mut(&progress.prompt) {
                    status.message = Some(message);
                }
            }
            // It may stand there, and nobody knows its number: another one beside it would help nobody. Or it is not
            // wanted there: then it is not tried again and again as long as the turn goes.
            (
                Call::Status {
                    progress,
                    message: None,
                },
                End::Unknown | End::Refused,
            ) => {
                if let Some(status) = self.statuses.get_mut(&progress.prompt) {
                    status.is_lost = true;
                }
            }
            (Call::Status { progress, .. }, End::MessageGone) => {
                self.statuses.remove(&progress.prompt);
            }
            (Call::Typing(place), End::Refused) => {
                self.typed.insert(*place, now + WAIT_MAX);
            }
            // A message of the bot takes "typing" off the screen, and with it what was late has been said.
            (Call::Row(due), End::Done(_)) => {
                self.typed.remove(&due.place);
                if due.lane != Lane::Reaction {
                    let chat = due.place.chat;
                    if let Some(known) = self.chats.get_mut(&chat) {
                        known.delay = None;
                    }
                    if let Some((number, _)) = self.delay_of_all {
                        self.told_of_all.insert(chat, number);
                    }
                }
            }
            _ => {}
        }
        stops
    }
}

fn is_group(chat: ChatId) -> bool {
    chat.0 < 0
}

fn retry_wait(failures: u32) -> Duration {
    RETRY_FIRST
        .saturating_mul(1 << failures.min(8))
        .min(RETRY_MAX)
}

#[cfg(test)]
mod tests;
