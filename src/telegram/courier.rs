//! The courier: brings what waits in the outbox, and what stands on the board, to Telegram.
//!
//! One scheduler thread is the only one that writes: [`Pacing`] decides what is sent now, [`settling`] what the end of a
//! call means, and the sender threads make the calls. A row is marked before it is sent and settled after; what could
//! not be written down is kept and tried again before anything else is sent. Only answers to presses, which come first, are
//! not marked: they need nothing to be written, and answered twice a press is answered once.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, at, bounded, never, select};

use super::api::Api;
use super::outgoing;
use super::pacing::{Call, Delay, End, Pacing, Stops, TOASTS_MAX};
use super::refusal::Failure;
use super::senders::{Report, Senders};
use super::settling::{self, Sent, Settle};
use super::standby::Standby;
use crate::board::{Board, Doing, Progress, Warning};
use crate::chat::{
    BotId, Button, ChatId, Due, Formatted, Lane, MessageId, Post, RowId, SessionId, StatusAct,
    Target, TopicId,
};
use crate::clock::unix_now;
use crate::exit::{Exit, Fatal};
use crate::pulse::Pulse;
use crate::render::elsewhere;
use crate::render::ladder::{self, Change};
use crate::render::late::{self, Late};
use crate::render::sessions;
use crate::render::status;
use crate::render::texts;
use crate::router::Allowed;
use crate::store::trouble::StoreTrouble;
use crate::store::{self, Result as StoreResult, Store, StoredToast};
use crate::thread;

/// How long the store is left alone after it failed.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// How often a topic is asked for again when nobody knows whether it was made: each time may make one more.
const TOPIC_AGAIN_MAX: i64 = 1;

/// What is older than this when it goes out, in seconds, is late.
const LATE: u64 = 5 * 60;

/// An answer to a press that is older than this reaches nobody, in seconds.
const TOAST_KEPT: i64 = 60;

/// What the courier works with.
pub struct Outfit {
    pub bot: BotId,
    pub api: Api,
    pub store: Arc<Store>,
    pub board: Arc<Board>,
    /// Rings when there may be something new.
    pub bell: Receiver<()>,
    /// Where an end of everything is reported.
    pub fatal: Sender<Fatal>,
    pub pulse: Arc<Pulse>,
    /// Who may get anything at all.
    pub allowed: Allowed,
    /// Wakes a session's owner.
    pub wake: Box<dyn Fn(SessionId) + Send>,
    /// Told which presses are being answered.
    pub standby: Standby,
}

/// The running courier. Dropping it stops it without a last round.
pub struct Courier {
    stop: Sender<Duration>,
    scheduler: Option<JoinHandle<()>>,
}

impl Courier {
    /// Starts its threads.
    pub fn start(outfit: Outfit) -> std::io::Result<Courier> {
        let (senders, reports) = Senders::start(&outfit.api, &outfit.fatal)?;
        let (stop, stopped) = bounded(1);
        let scheduler = Scheduler {
            outfit,
            pacing: Pacing::default(),
            unsettled: VecDeque::new(),
            answering: HashSet::new(),
            no_reactions: HashSet::new(),
            warned: Vec::new(),
            began: unix_now(),
            has_caught_up: HashSet::new(),
            store_fails: false,
            senders,
        };
        let fatal = scheduler.outfit.fatal.clone();
        let scheduler =
            thread::spawn_vital("courier", fatal, move || scheduler.run(&reports, &stopped))?;
        Ok(Courier {
            stop,
            scheduler: Some(scheduler),
        })
    }

    /// Sends for at most `last_round` what Telegram takes at once, and ends.
    pub fn stop(mut self, last_round: Duration) {
        let _ = self.stop.send(last_round);
        if let Some(scheduler) = self.scheduler.take() {
            let _ = scheduler.join();
        }
    }
}

/// What wakes the scheduler.
enum Event {
    /// A sender has made its call.
    Report(Box<Report>),
    /// There may be something new.
    Bell,
    /// chappe ends, after a last round of so long.
    Stop(Duration),
    Timer,
    /// Whoever could wake it is gone.
    Over,
}

struct Scheduler {
    outfit: Outfit,
    pacing: Pacing,
    /// Settled in order. Not empty for longer than a moment only while the store fails.
    unsettled: VecDeque<Settle>,
    /// Answers to presses that were handed over, until what came of them is written down.
    answering: HashSet<RowId>,
    /// Chats that take no reactions, as far as they have said so since chappe runs.
    no_reactions: HashSet<ChatId>,
    /// Warnings that were sent, for as long as they stand on the board.
    warned: Vec<Warning>,
    /// When this chappe began, in Unix seconds, and the chats that have had something since.
    began: i64,
    has_caught_up: HashSet<ChatId>,
    /// Whether the store failed at the last look.
    store_fails: bool,
    senders: Senders,
}

impl Scheduler {
    fn run(mut self, reports: &Receiver<Report>, stopped: &Receiver<Duration>) {
        let mut stop_at: Option<Instant> = None;
        let mut taken_up = false;
        loop {
            let look_again = match self.round(&mut taken_up) {
                Ok(look_again) => {
                    self.store_fails = false;
                    look_again
                }
                Err(error) => {
                    self.store_failed(&error);
                    Some(Instant::now() + STORE_RETRY)
                }
            };
            self.warn();
            if stop_at.is_some() && self.senders.rest() {
                return;
            }
            // When chappe ends, what has to wait stays in the store.
            let timer = match (stop_at, look_again) {
                (Some(stop_at), _) => at(stop_at),
                (None, Some(look_again)) => at(look_again),
                (None, None) => never(),
            };
            match self.next_event(reports, stopped, timer) {
                Event::Report(report) => self.settle(*report),
                Event::Bell => {}
                Event::Stop(last_round) => stop_at = Some(Instant::now() + last_round),
                Event::Timer if stop_at.is_some() => return,
                Event::Timer => {}
                Event::Over => return,
            }
        }
    }

    /// The one place where the scheduler waits.
    fn next_event(
        &self,
        reports: &Receiver<Report>,
        stopped: &Receiver<Duration>,
        timer: Receiver<Instant>,
    ) -> Event {
        let _resting = self.outfit.pulse.rest();
        select! {
            recv(reports) -> report => report.map_or(Event::Over, |report| Event::Report(Box::new(report))),
            recv(self.outfit.bell) -> heard => heard.map_or(Event::Over, |()| Event::Bell),
            recv(stopped) -> last_round => last_round.map_or(Event::Over, Event::Stop),
            recv(timer) -> _ => Event::Timer,
        }
    }

    /// Writes down what happened, and sends what may be sent now. Returns when to look again.
    fn round(&mut self, taken_up: &mut bool) -> StoreResult<Option<Instant>> {
        loop {
            // Before all else, of which there may be much to write.
            let more_wait = self.answer_presses()?;
            if !*taken_up {
                self.take_up()?;
                *taken_up = true;
            }
            while let Some(settle) = self.unsettled.front().cloned() {
                self.write_down(&settle)?;
                if let Settle::Delivered(row, ..) | Settle::Refuse(row) = settle {
                    self.answering.remove(&row);
                }
                self.unsettled.pop_front();
            }
            if more_wait {
                continue;
            }
            let now = Instant::now();
            let due = self.outfit.store.due(self.outfit.bot)?;
            let closed = self.outfit.store.closed_chats(self.outfit.bot)?;
            let mut board = self.look_at_board()?;
            board.retain(|progress| !closed.contains(&progress.place.chat));
            let plan = self.pacing.plan(now, &due, &board);
            let Some(call) = plan.call else {
                return Ok(plan.look_again);
            };
            if let Some(request) = self.prepare(&call)? {
                self.pacing.started(now, &call);
                self.senders.hand(call, request);
            }
        }
    }

    /// What stands on the board for chats that may get it, each where it is now: a group may have become another one since
    /// the turn began.
    fn look_at_board(&mut self) -> StoreResult<Vec<Progress>> {
        let mut board = self.outfit.board.look();
        for progress in &mut board {
            let chat = &mut progress.place.chat;
            if chat.0 < 0 {
                *chat = self.outfit.store.chat_now(self.outfit.bot, *chat)?;
            }
        }
        let mut shown = Vec::new();
        for progress in board {
            if self.may_get(progress.place.chat)? {
                shown.push(progress);
            }
        }
        Ok(shown)
    }

    fn store_failed(&mut self, error: &store::Error) {
        // Each second the same would fill the log, which may be on the same disk.
        if !std::mem::replace(&mut self.store_fails, true) {
            log::error!("the store cannot be used, trying again each second: {error}");
        }
        if let Some(end) = StoreTrouble::of(error).end() {
            let _ = self.outfit.fatal.try_send(end);
        }
    }

    /// Sends what stands on the board as a warning, each once for as long as it stands there. The store is not asked: it
    /// is what fails.
    fn warn(&mut self) {
        let standing = self.outfit.board.warnings();
        self.warned.retain(|warning| standing.contains(warning));
        let now = Instant::now();
        for warning in standing {
            let chat = warning.place.chat;
            let is_due = !self.warned.contains(&warning) && self.outfit.allowed.chat(chat);
            if !is_due || !self.pacing.is_free(now, chat) {
                continue;
            }
            let call = Call::Warning(warning.place);
            let request = outgoing::message(warning.place, &warning.body, &[], false);
            self.warned.push(warning);
            self.pacing.started(now, &call);
            self.senders.hand(call, request);
        }
    }

    /// Answers presses. Nothing is written for that, and for those of which nothing is stored the store is not even asked: it
    /// may be what fails. They come last, since anybody can make more of them. Returns whether some were given up, in whose place
    /// others may have come to be looked at.
    fn answer_presses(&mut self) -> StoreResult<bool> {
        let answered = self.answer_stored();
        while self.pacing.may_answer() {
            let Some(toast) = self.outfit.board.next_toast() else {
                break;
            };
            let request = outgoing::toast(&toast.callback, toast.text);
            self.outfit.standby.is_answered(&toast.callback);
            self.answer(Call::Toast(toast.place), request);
        }
        answered
    }

    fn answer_stored(&mut self) -> StoreResult<bool> {
        let mut gave_up = false;
        if !self.pacing.may_answer() {
            return Ok(gave_up);
        }
        let most = TOASTS_MAX + self.answering.len();
        for toast in self.outfit.store.toasts(self.outfit.bot, most)? {
            if !self.pacing.may_answer() {
                break;
            }
            let StoredToast {
                row,
                place,
                post,
                created,
            } = toast;
            if self.answering.contains(&row) {
                continue;
            }
            let reaches = unix_now() - created <= TOAST_KEPT && self.may_get(place.chat)?;
            // Until it is written down what has become of it, the store has it as one that waits.
            self.answering.insert(row);
            let post = post.filter(|_| reaches);
            if let Some(Post::Toast { callback, .. }) = &post {
                self.outfit.standby.is_answered(callback);
            }
            match post.and_then(|post| outgoing::post(place, &post, None, None)) {
                Some(request) => {
                    let lane = Lane::Toast;
                    self.answer(Call::Row(Due { row, place, lane }), request);
                }
                None => {
                    gave_up = true;
                    self.unsettled.push_back(Settle::Refuse(row));
                }
            }
        }
        Ok(gave_up)
    }

    fn answer(&mut self, call: Call, request: outgoing::Call) {
        self.pacing.started(Instant::now(), &call);
        self.senders.hand(call, request);
    }

    /// Takes up what a former chappe left: rows, and flood waits.
    fn take_up(&mut self) -> StoreResult<()> {
        let Outfit { store, bot, .. } = &self.outfit;
        store.take_up_outbox(*bot)?;
        let now = unix_now();
        for (chat, until) in store.floods(*bot, now)? {
            let wait = Duration::from_secs((until - now).max(0) as u64);
            self.pacing.take_up_wait(Instant::now(), chat, wait);
        }
        Ok(())
    }

    /// The request for a call; None where there turned out to be nothing to send.
    fn prepare(&mut self, call: &Call) -> StoreResult<Option<outgoing::Call>> {
        match call {
            Call::Row(due) => {
                let chat = due.place.chat;
                let is_unwanted = due.lane == Lane::Reaction && self.no_reactions.contains(&chat);
                if is_unwanted || !self.may_get(chat)? {
                    self.unsettled.push_back(Settle::Refuse(due.row));
                    return Ok(None);
                }
                let Some(ready) = self.outfit.store.begin(due.row)? else {
                    return Ok(None);
                };
                if matches!(ready.post, Post::Topic { .. }) && ready.tries > TOPIC_AGAIN_MAX {
                    self.unsettled.push_back(Settle::NoTopic(due.row));
                    return Ok(None);
                }
                let post = self.marked(chat, ready.created, ready.post);
                match outgoing::post(ready.place, &post, ready.edits, ready.replies) {
                    Some(request) => Ok(Some(request)),
                    None => {
                        self.unsettled
                            .push_back(Settle::Delivered(due.row, chat, None));
                        Ok(None)
                    }
                }
            }
            Call::Status { progress, message } => {
                let mut body = status::line(progress, Instant::now());
                if let Some(session) = self.outfit.store.named_in_status(progress.prompt)? {
                    body = elsewhere::status(&session, &body);
                }
                // A turn that was taken up again goes on in the message that it had before.
                let message = match message {
                    Some(message) => Some(*message),
                    None => self.outfit.store.status_message(progress.prompt)?,
                };
                let buttons = self.buttons_of(progress, message);
                Ok(Some(match message {
                    Some(message) => outgoing::edit(progress.place, message, &body, &buttons),
                    None => outgoing::message(progress.place, &body, &buttons, true),
                }))
            }
            Call::Typing(place) => Ok(Some(outgoing::typing(*place))),
            // They go out where the store is not asked.
            Call::Warning(_) | Call::Toast(_) => Ok(None),
        }
    }

    /// The buttons below the status of a turn, which stands in this message or is about to be sent.
    fn buttons_of(&self, progress: &Progress, message: Option<MessageId>) -> Vec<Vec<Button>> {
        let (labels, acts): (Vec<_>, Vec<_>) = offers_of(progress).into_iter().unzip();
        let store = &self.outfit.store;
        // A status needs no disk, and says what goes on also where nothing can be written: without buttons then.
        let tokens = store.offer_in_status(progress.prompt, message, &acts);
        let tokens = tokens.unwrap_or_else(|error| {
            log::warn!("the buttons of a status cannot be stored: {error}");
            None
        });
        let buttons: Vec<Button> = tokens
            .unwrap_or_default()
            .iter()
            .zip(labels)
            .map(|(token, label)| Button {
                label: label.to_owned(),
                data: StatusAct::button_data(token),
            })
            .collect();
        match buttons.is_empty() {
            true => Vec::new(),
            false => vec![buttons],
        }
    }

    /// Whether a chat may get anything. A group may have become another one since that was last looked at.
    fn may_get(&mut self, chat: ChatId) -> StoreResult<bool> {
        let Outfit {
            allowed,
            store,
            bot,
            ..
        } = &mut self.outfit;
        if !allowed.chat(chat) && chat.0 < 0 {
            allowed.follow(&store.moved_chats(*bot)?);
        }
        Ok(allowed.chat(chat))
    }

    /// What is late because something is known to have held it up says so: the first of what comes late in a chat. By
    /// the age alone nothing is late, for the clock may have jumped.
    fn marked(&self, chat: ChatId, created: i64, post: Post) -> Post {
        let why = match self.pacing.delay(chat) {
            Some(Delay::Unreachable) => Some(Late::Unreachable),
            Some(Delay::Flood) => Some(Late::Flood),
            None if created < self.began && !self.has_caught_up.contains(&chat) => Some(Late::Away),
            None => None,
        };
        let age = u64::try_from(unix_now().saturating_sub(created)).unwrap_or(0);
        match why {
            Some(why) if age >= LATE => late::late(Duration::from_secs(age), why, post),
            _ => post,
        }
    }

    /// A call has ended: what that means is to be written down, and the pace hears of it.
    fn settle(&mut self, report: Report) {
        let Report {
            call,
            method,
            result,
        } = report;
        self.senders.reported();
        if let (Call::Warning(place), Err(Failure::Flood(_) | Failure::Unreachable(_))) =
            (&call, &result)
        {
            // It is sent again when that is possible.
            self.warned.retain(|warning| warning.place != *place);
        }
        let settled = settling::settle(&call, method, &result);
        self.unsettled.extend(settled.what);
        if let Some(why) = settled.stop {
            let _ = self.outfit.fatal.try_send(Fatal::new(Exit::Refused, why));
        }
        let end = settled.end;
        let now = Instant::now();
        let stops = self.pacing.ended(now, &call, end);
        if let (End::Flood(wait), Some(stops)) = (end, stops) {
            let wait = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
            let now = unix_now();
            let until = now.saturating_add(wait).saturating_add(1);
            let chat = match stops {
                Stops::Chat => Some(call.place().chat),
                Stops::All => None,
            };
            self.unsettled
                .push_back(Settle::Flooded { chat, now, until });
        }
    }

    /// Puts in place of a refused post what comes next, or gives it up.
    fn replace(&self, due: Due, change: Change) -> StoreResult<()> {
        let post = self.outfit.store.post(due.row)?;
        if let (
            Some(Post::Edit {
                target: Target::Row(row),
                body,
                buttons,
            }),
            Change::Anew | Change::Elsewhere,
        ) = (&post, change)
        {
            // The row itself is sent once more, so that its buttons are those of the message in which they stand.
            let anew = Post::Message {
                body: body.clone(),
                buttons: buttons.clone(),
                silent: buttons.is_empty(),
            };
            let stands = matches!(change, Change::Elsewhere);
            let denied = (&not_shown(), texts::NOBODY_SAW);
            let store = &self.outfit.store;
            let denies = store.send_anew(due.row, *row, (&anew, stands), unix_now(), denied)?;
            denies.into_iter().for_each(&self.outfit.wake);
            return Ok(());
        }
        let instead = post.map_or_else(Vec::new, |post| ladder::instead(post, due.lane, change));
        match instead.is_empty() {
            true => self.refuse(due.row),
            false => self.outfit.store.replace(due.row, &instead),
        }
    }

    /// Gives a row up. A request that nobody can see is denied, and its session told.
    fn refuse(&self, row: RowId) -> StoreResult<()> {
        let denied = not_shown();
        let store = &self.outfit.store;
        let denies = store.refuse(row, unix_now(), &denied, texts::NOBODY_SAW)?;
        denies.into_iter().for_each(&self.outfit.wake);
        Ok(())
    }

    /// Writes down what has become of a topic for a session (None: there can be none), with what is said of it.
    fn topic(&self, row: RowId, topic: Option<TopicId>) -> StoreResult<()> {
        let store = &self.outfit.store;
        let Some(Post::Topic {
            name,
            session,
            ready,
            before,
        }) = store.post(row)?
        else {
            return self.refuse(row);
        };
        match topic {
            Some(topic) => {
                let in_topic = Post::message(sessions::made_in_topic(ready));
                let here = Post::message(sessions::has_topic(&name));
                store.topic_made(row, session, topic, unix_now(), &in_topic, &here)
            }
            None => {
                let aside = Post::message(sessions::made_aside(ready.clone(), &name));
                let here = Post::message(sessions::made_without_topic(ready));
                store.no_topic(row, (session, before), unix_now(), &here, &aside)
            }
        }
    }

    fn write_down(&mut self, settle: &Settle) -> StoreResult<()> {
        let Outfit { store, bot, .. } = &self.outfit;
        match settle {
            Settle::Delivered(row, chat, message) => store.delivered(*row, *chat, *message),
            Settle::PutBack(row, sent) => store.put_back(*row, matches!(sent, Sent::Perhaps)),
            Settle::Replace(due, change) => self.replace(*due, *change),
            Settle::Refuse(row) => self.refuse(*row),
            Settle::CloseChat(chat) => store.close_chat(*bot, *chat, unix_now()),
            Settle::MoveChat { from, to } => store.move_chat(*bot, *from, *to),
            Settle::DropTopic(place) => {
                let denied = (&not_shown(), texts::NOBODY_SAW);
                let denies = store.drop_topic(*bot, *place, unix_now(), denied, ladder::marked)?;
                denies.into_iter().for_each(&self.outfit.wake);
                Ok(())
            }
            Settle::AvoidTopic(place) => store.avoid_topic(*bot, *place, ladder::marked),
            Settle::TopicMade(row, topic) => self.topic(*row, Some(*topic)),
            Settle::NoTopic(row) => self.topic(*row, None),
            Settle::StatusShown(prompt, chat, message) => {
                store.status_shown(*prompt, *chat, *message)
            }
            Settle::Flooded { chat, now, until } => store.flooded(*bot, *chat, *now, *until),
            Settle::NoReactions(chat) => {
                self.no_reactions.insert(*chat);
                Ok(())
            }
            Settle::CaughtUp(chat) => {
                self.has_caught_up.insert(*chat);
                Ok(())
            }
        }
    }
}

/// Says that a request was denied, since nobody can see it.
fn not_shown() -> Post {
    Post::Message {
        body: Formatted::plain(texts::REQUEST_NOT_SHOWN),
        buttons: Vec::new(),
        silent: false,
    }
}

/// What can be pressed below the status of a turn, and how it is called: to stop it, and what becomes of what waits.
fn offers_of(progress: &Progress) -> Vec<(&'static str, StatusAct)> {
    if progress.doing == Doing::Stopping {
        return Vec::new();
    }
    let mut offers = vec![(texts::STOP, StatusAct::Stop)];
    // What chappe itself goes on with waits as well, and is nobody's to drop.
    if progress.behind.many > 0 {
        offers.push((texts::SEND_NOW, StatusAct::SendNow(progress.behind)));
        offers.push((texts::DROP, StatusAct::Drop(progress.behind)));
    }
    offers
}
