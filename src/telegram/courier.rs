//! The courier: brings what waits in the outbox, and what stands on the board, to Telegram.
//!
//! One scheduler thread decides (with [`Pacing`]) and is the only one that writes; three sender threads make the calls,
//! one of them only for answers to presses. A row is marked before it is sent and settled after; what could not be
//! written down is kept and tried again before anything else is sent.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, at, bounded, never, select};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::api::{Api, Failure};
use super::outgoing;
use super::pacing::{Call, Delay, End, IN_FLIGHT_MAX, Pacing, Stops};
use super::refusal::{self, Refusal};
use crate::board::{Board, Doing, Progress, Warning};
use crate::chat::{
    BotId, Button, ChatId, Due, Formatted, Lane, MessageId, Place, Post, PromptId, RowId,
    SessionId, Target, TopicId,
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
use crate::router::{self, Behind};
use crate::store::trouble::StoreTrouble;
use crate::store::{self, Result as StoreResult, Store};
use crate::thread;

/// How long a call may take.
const CALL_MAX: Duration = Duration::from_secs(20);

/// How many bytes of an upload must go up in each second that it takes beyond that: a slow line of a home.
const UPLOAD_RATE_MIN: usize = 32 * 1024;

/// How long an upload may take. 50 MB, the most that Telegram takes, go up in this time at 60 kB/s.
const UPLOAD_MAX: Duration = Duration::from_secs(15 * 60);

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
    pub allowed_users: Vec<i64>,
    /// Wakes a session's owner.
    pub wake: Box<dyn Fn(SessionId) + Send>,
}

/// The running courier. Dropping it stops it without a last round.
pub struct Courier {
    stop: Sender<Duration>,
    scheduler: Option<JoinHandle<()>>,
}

impl Courier {
    /// Starts the four threads.
    pub fn start(outfit: Outfit) -> std::io::Result<Courier> {
        // All calls that may be in flight fit, so handing one over never blocks.
        let (jobs, to_send) = bounded::<Job>(IN_FLIGHT_MAX);
        let (toasts, toasts_to_send) = bounded::<Job>(1);
        let (report, reports) = bounded::<Report>(IN_FLIGHT_MAX + 1);
        for number in 1..=IN_FLIGHT_MAX {
            let (api, jobs, report) = (outfit.api.clone(), to_send.clone(), report.clone());
            // Not joined: a hung call may hold a sender for longer than a shutdown waits.
            let fatal = outfit.fatal.clone();
            thread::spawn_vital(format!("sender-{number}"), fatal, move || {
                send(&api, &jobs, &report)
            })?;
        }
        let api = outfit.api.clone();
        let fatal = outfit.fatal.clone();
        thread::spawn_vital("sender-toast", fatal, move || {
            send(&api, &toasts_to_send, &report)
        })?;
        let (stop, stopped) = bounded(1);
        let scheduler = Scheduler {
            outfit,
            pacing: Pacing::default(),
            unsettled: VecDeque::new(),
            no_reactions: HashSet::new(),
            warned: Vec::new(),
            began: unix_now(),
            has_caught_up: HashSet::new(),
            store_fails: false,
            jobs,
            toasts,
            in_flight: 0,
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

/// A call for a sender.
struct Job {
    call: Call,
    request: outgoing::Call,
}

/// What came of it.
struct Report {
    call: Call,
    method: &'static str,
    result: Result<Box<RawValue>, Failure>,
}

/// A sender: one call after the other, until nobody hands it any.
fn send(api: &Api, jobs: &Receiver<Job>, report: &Sender<Report>) {
    for Job { call, request } in jobs {
        let method = request.method;
        let result = match &request.boundary {
            None => api.call(method, &request.body, CALL_MAX),
            Some(boundary) => {
                let budget = upload_budget(request.body.len());
                api.upload(method, boundary, &request.body, budget)
            }
        };
        let report_of = Report {
            call,
            method,
            result,
        };
        if report.send(report_of).is_err() {
            return;
        }
    }
}

/// How long an upload of so many bytes may take.
fn upload_budget(bytes: usize) -> Duration {
    let beyond = Duration::from_secs((bytes / UPLOAD_RATE_MIN) as u64);
    (CALL_MAX + beyond).min(UPLOAD_MAX)
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

/// Something that has happened and must be written down.
enum Settle {
    /// In the chat, as a message where it made one.
    Delivered(RowId, ChatId, Option<MessageId>),
    PutBack(RowId, Sent),
    /// Telegram refused it as it is: something else goes in its place, or nothing.
    Replace(Due, Change),
    Refuse(RowId),
    CloseChat(ChatId),
    MoveChat {
        from: ChatId,
        to: ChatId,
    },
    DropTopic(Place),
    AvoidTopic(Place),
    TopicMade(RowId, TopicId),
    NoTopic(RowId),
    StatusShown(PromptId, MessageId),
    /// Until when, in Unix seconds.
    Flooded {
        chat: Option<ChatId>,
        now: i64,
        until: i64,
    },
}

/// Whether a call that failed may have arrived all the same.
#[derive(Clone, Copy)]
enum Sent {
    Never,
    Perhaps,
}

struct Scheduler {
    outfit: Outfit,
    pacing: Pacing,
    /// Settled in order. Not empty for longer than a moment only while the store fails.
    unsettled: VecDeque<Settle>,
    /// Chats that take no reactions, as far as they have said so since chappe runs.
    no_reactions: HashSet<ChatId>,
    /// Warnings that were sent, for as long as they stand on the board.
    warned: Vec<Warning>,
    /// When this chappe began, in Unix seconds, and the chats that have had something since.
    began: i64,
    has_caught_up: HashSet<ChatId>,
    /// Whether the store failed at the last look.
    store_fails: bool,
    jobs: Sender<Job>,
    toasts: Sender<Job>,
    in_flight: usize,
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
            if stop_at.is_some() && self.in_flight == 0 {
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
        if !*taken_up {
            self.take_up()?;
            *taken_up = true;
        }
        loop {
            while let Some(settle) = self.unsettled.front() {
                self.write_down(settle)?;
                self.unsettled.pop_front();
            }
            let now = Instant::now();
            let due = self.outfit.store.due(self.outfit.bot)?;
            let closed = self.outfit.store.closed_chats(self.outfit.bot)?;
            let mut board = self.outfit.board.look();
            board.retain(|progress| {
                !closed.contains(&progress.place.chat) && self.may_get(progress.place.chat)
            });
            let plan = self.pacing.plan(now, &due, &board);
            let Some(call) = plan.call else {
                return Ok(plan.look_again);
            };
            if let Some(request) = self.prepare(&call)? {
                self.pacing.started(now, &call);
                self.in_flight += 1;
                let to = if is_toast(&call) {
                    &self.toasts
                } else {
                    &self.jobs
                };
                let _ = to.try_send(Job { call, request });
            }
        }
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
            let is_due = !self.warned.contains(&warning) && self.may_get(chat);
            if !is_due || !self.pacing.is_free(now, chat) {
                continue;
            }
            let call = Call::Warning(warning.place);
            let request = outgoing::message(warning.place, &warning.body, &[], false);
            self.warned.push(warning);
            self.pacing.started(now, &call);
            self.in_flight += 1;
            let _ = self.jobs.try_send(Job { call, request });
        }
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
                if is_unwanted || !self.may_get(chat) {
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
                let too_old = due.lane == Lane::Toast && unix_now() - ready.created > TOAST_KEPT;
                match outgoing::post(ready.place, &post, ready.edits).filter(|_| !too_old) {
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
                let buttons = buttons_of(progress);
                Ok(Some(match message {
                    Some(message) => outgoing::edit(progress.place, message, &body, &buttons),
                    None => outgoing::message(progress.place, &body, &buttons, true),
                }))
            }
            Call::Typing(place) => Ok(Some(outgoing::typing(*place))),
            // It goes out where the store cannot be asked.
            Call::Warning(_) => Ok(None),
        }
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

    /// Whether a chat may get anything. A private one has the number of its person.
    fn may_get(&self, chat: ChatId) -> bool {
        chat.0 < 0 || self.outfit.allowed_users.contains(&chat.0)
    }

    /// Decides what a call's result means, for its row and for its chat.
    fn settle(&mut self, report: Report) {
        let Report {
            call,
            method,
            result,
        } = report;
        self.in_flight -= 1;
        if let (Call::Warning(place), Err(Failure::Flood(_) | Failure::Unreachable(_))) =
            (&call, &result)
        {
            // It is sent again when that is possible.
            self.warned.retain(|warning| warning.place != *place);
        }
        let end = match result {
            Ok(answer) if method == outgoing::CREATE_TOPIC => self.settle_topic(&call, &answer),
            Ok(answer) => self.settle_done(&call, &answer),
            Err(failure) => self.settle_failed(&call, method, failure),
        };
        let now = Instant::now();
        let stops = self.pacing.ended(now, &call, end);
        if let (End::Flood(wait), Some(stops)) = (end, stops) {
            let wait = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
            let now = unix_now();
            let until = now.saturating_add(wait).saturating_add(1);
            let chat = match stops {
                Stops::Chat => Some(chat_of(&call)),
                Stops::All => None,
            };
            self.unsettled
                .push_back(Settle::Flooded { chat, now, until });
        }
    }

    fn settle_done(&mut self, call: &Call, answer: &RawValue) -> End {
        /// Of a message only its number matters: a strict look would make "delivered" of a new kind of field unknown.
        #[derive(Deserialize)]
        struct Sent {
            message_id: Option<i64>,
        }
        let message = serde_json::from_str::<Sent>(answer.get())
            .ok()
            .and_then(|sent| sent.message_id)
            .map(MessageId);
        match call {
            Call::Row(due) => {
                if due.lane != Lane::Reaction {
                    self.has_caught_up.insert(due.place.chat);
                }
                self.delivered(*due, message);
            }
            Call::Status {
                progress,
                message: None,
            } => {
                if let Some(message) = message {
                    self.unsettled
                        .push_back(Settle::StatusShown(progress.prompt, message));
                }
            }
            Call::Status { .. } | Call::Typing(_) | Call::Warning(_) => {}
        }
        End::Done(message)
    }

    /// A topic was made, as far as the answer says which.
    fn settle_topic(&mut self, call: &Call, answer: &RawValue) -> End {
        #[derive(Deserialize)]
        struct Made {
            message_thread_id: i64,
        }
        if let Call::Row(due) = call {
            let settle = match serde_json::from_str::<Made>(answer.get()) {
                Ok(made) => Settle::TopicMade(due.row, TopicId(made.message_thread_id)),
                Err(_) => Settle::NoTopic(due.row),
            };
            self.unsettled.push_back(settle);
        }
        End::Done(None)
    }

    fn settle_failed(&mut self, call: &Call, method: &str, failure: Failure) -> End {
        if let Call::Row(
            due @ Due {
                lane: Lane::Toast, ..
            },
        ) = call
        {
            // Good for seconds, and worth no second call. What the press asked for has been done.
            log::debug!("a press was not answered: {failure}");
            self.unsettled.push_back(Settle::Refuse(due.row));
            return End::Done(None);
        }
        let row = match call {
            Call::Row(due) => Some(*due),
            Call::Status { .. } | Call::Typing(_) | Call::Warning(_) => None,
        };
        match failure {
            Failure::Flood(seconds) => {
                log::warn!("Telegram wants a wait of {seconds} s");
                self.put_back(row, Sent::Never);
                End::Flood(Duration::from_secs(seconds))
            }
            Failure::Unreachable(why) => {
                log::warn!("Telegram was not reached: {why}");
                self.put_back(row, Sent::Never);
                End::Unreachable
            }
            Failure::Unknown(why) => {
                log::warn!("nobody knows whether a call arrived: {why}");
                match row {
                    // Nobody misses these, and a second one could come much too late.
                    Some(due) if due.lane == Lane::Reaction => {
                        self.unsettled.push_back(Settle::Refuse(due.row));
                    }
                    row => self.put_back(row, Sent::Perhaps),
                }
                End::Unknown
            }
            Failure::Refused {
                migrate_to: Some(to),
                ..
            } if has_moved(chat_of(call), ChatId(to)) => {
                let (from, to) = (chat_of(call), ChatId(to));
                log::info!("the group {from} has become the supergroup {to}");
                self.put_back(row, Sent::Never);
                self.unsettled.push_back(Settle::MoveChat { from, to });
                End::Refused
            }
            Failure::Refused {
                code, description, ..
            } => {
                let meaning = refusal::read(code, &description);
                if meaning != Refusal::AlreadySo {
                    log::warn!("Telegram refused {method}: {code} {description}");
                }
                // An edit names no topic. What is wrong with the topic is wrong with the message in it.
                let meaning = match meaning {
                    Refusal::TopicGone | Refusal::TopicClosed if method == "editMessageText" => {
                        Refusal::MessageGone
                    }
                    meaning => meaning,
                };
                match row {
                    Some(due) if method == outgoing::CREATE_TOPIC => {
                        self.settle_refused_topic(due, meaning)
                    }
                    Some(due) => self.settle_refused_row(due, meaning),
                    None => self.settle_refused_progress(call, meaning),
                }
            }
        }
    }

    fn settle_refused_row(&mut self, due: Due, meaning: Refusal) -> End {
        let replace = |change| Settle::Replace(due, change);
        let chat = due.place.chat;
        match (meaning, due.place.topic) {
            (Refusal::AlreadySo, _) => self.delivered(due, None),
            (Refusal::Stop(why), _) => return self.stop_all(Some(due), why),
            (Refusal::ChatClosed, _) => {
                self.put_back(Some(due), Sent::Never);
                self.unsettled.push_back(Settle::CloseChat(chat));
            }
            (Refusal::NoReactions, _) => {
                self.no_reactions.insert(chat);
                self.unsettled.push_back(Settle::Refuse(due.row));
            }
            _ if due.lane == Lane::Reaction => self.unsettled.push_back(Settle::Refuse(due.row)),
            (Refusal::TopicGone, Some(_)) => {
                self.put_back(Some(due), Sent::Never);
                self.unsettled.push_back(Settle::DropTopic(due.place));
            }
            (Refusal::TopicClosed, Some(_)) => {
                self.put_back(Some(due), Sent::Never);
                self.unsettled.push_back(Settle::AvoidTopic(due.place));
            }
            // General itself is closed: there is no other place to go to, and to close the chat would hold up the topics
            // in which the bot may write.
            (Refusal::Drop, _) | (Refusal::TopicClosed, None) => {
                self.unsettled.push_back(Settle::Refuse(due.row));
            }
            (Refusal::MessageGone, _) => self.unsettled.push_back(replace(Change::Anew)),
            (Refusal::TooLong, _) => self.unsettled.push_back(replace(Change::Smaller)),
            (Refusal::Buttons, _) => self.unsettled.push_back(replace(Change::WithoutButtons)),
            (Refusal::Content | Refusal::OtherPoller | Refusal::TopicGone, _) => {
                self.unsettled.push_back(replace(Change::Simpler));
            }
        }
        End::Done(None)
    }

    /// What is wrong with a new topic is not wrong with the one in which it was asked for.
    fn settle_refused_topic(&mut self, due: Due, meaning: Refusal) -> End {
        match meaning {
            Refusal::Stop(_) | Refusal::ChatClosed => self.settle_refused_row(due, meaning),
            _ => {
                self.unsettled.push_back(Settle::NoTopic(due.row));
                End::Done(None)
            }
        }
    }

    /// What a turn is doing is nothing that must arrive; but what its refusal says about the chat counts.
    fn settle_refused_progress(&mut self, call: &Call, meaning: Refusal) -> End {
        let place = place_of(call);
        match (meaning, place.topic) {
            (Refusal::AlreadySo, _) => End::Done(None),
            (Refusal::MessageGone, _) => End::MessageGone,
            (Refusal::Stop(why), _) => self.stop_all(None, why),
            (Refusal::ChatClosed, _) => {
                self.unsettled.push_back(Settle::CloseChat(place.chat));
                End::Done(None)
            }
            (Refusal::TopicGone, Some(_)) => {
                self.unsettled.push_back(Settle::DropTopic(place));
                End::Refused
            }
            (Refusal::TopicClosed, Some(_)) => {
                self.unsettled.push_back(Settle::AvoidTopic(place));
                End::Refused
            }
            _ => End::Refused,
        }
    }

    /// Nothing will be taken before a person has done something: chappe ends and says what.
    fn stop_all(&mut self, row: Option<Due>, why: &str) -> End {
        let _ = self.outfit.fatal.try_send(Fatal::new(Exit::Refused, why));
        self.put_back(row, Sent::Never);
        End::Unreachable
    }

    fn delivered(&mut self, due: Due, message: Option<MessageId>) {
        self.unsettled
            .push_back(Settle::Delivered(due.row, due.place.chat, message));
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
            Change::Anew,
        ) = (&post, change)
        {
            // The row itself is sent once more, so that its buttons are those of the message in which they stand.
            let anew = Post::Message {
                body: body.clone(),
                buttons: buttons.clone(),
                silent: buttons.is_empty(),
            };
            return self.outfit.store.send_anew(due.row, *row, &anew);
        }
        let instead = post.map_or_else(Vec::new, |post| ladder::instead(post, due.lane, change));
        match instead.is_empty() {
            true => self.refuse(due.row),
            false => self.outfit.store.replace(due.row, &instead),
        }
    }

    /// Gives a row up. A request that nobody can see is denied, and its session told.
    fn refuse(&self, row: RowId) -> StoreResult<()> {
        let body = Formatted::plain(texts::REQUEST_NOT_SHOWN);
        let denied = Post::Message {
            body,
            buttons: Vec::new(),
            silent: false,
        };
        if let Some(session) = self.outfit.store.refuse(row, unix_now(), &denied)? {
            (self.outfit.wake)(session);
        }
        Ok(())
    }

    /// Writes down what has become of a topic for a session (None: there can be none), with what is said of it.
    fn topic(&self, row: RowId, topic: Option<TopicId>) -> StoreResult<()> {
        let store = &self.outfit.store;
        let Some(Post::Topic {
            name,
            session,
            ready,
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
                let here = Post::message(sessions::made_without_topic(ready));
                store.no_topic(row, session, unix_now(), &here)
            }
        }
    }

    fn put_back(&mut self, row: Option<Due>, sent: Sent) {
        if let Some(due) = row {
            self.unsettled.push_back(Settle::PutBack(due.row, sent));
        }
    }

    fn write_down(&self, settle: &Settle) -> StoreResult<()> {
        let Outfit { store, bot, .. } = &self.outfit;
        match settle {
            Settle::Delivered(row, chat, message) => store.delivered(*row, *chat, *message),
            Settle::PutBack(row, sent) => store.put_back(*row, matches!(sent, Sent::Perhaps)),
            Settle::Replace(due, change) => self.replace(*due, *change),
            Settle::Refuse(row) => self.refuse(*row),
            Settle::CloseChat(chat) => store.close_chat(*bot, *chat, unix_now()),
            Settle::MoveChat { from, to } => store.move_chat(*bot, *from, *to),
            Settle::DropTopic(place) => store.drop_topic(*bot, *place, ladder::marked),
            Settle::AvoidTopic(place) => store.avoid_topic(*bot, *place, ladder::marked),
            Settle::TopicMade(row, topic) => self.topic(*row, Some(*topic)),
            Settle::NoTopic(row) => self.topic(*row, None),
            Settle::StatusShown(prompt, message) => store.status_shown(*prompt, *message),
            Settle::Flooded { chat, now, until } => store.flooded(*bot, *chat, *now, *until),
        }
    }
}

/// The buttons below a turn: to stop it, and for what waits behind it.
fn buttons_of(progress: &Progress) -> Vec<Vec<Button>> {
    let button = |label: &str, data| Button {
        label: label.to_owned(),
        data,
    };
    let mut buttons = vec![button(texts::STOP, router::stop_data(&progress.uuid))];
    if progress.waiting > 0 && progress.doing != Doing::Stopping {
        for (label, what) in [(texts::SEND_NOW, Behind::Now), (texts::DROP, Behind::Drop)] {
            buttons.push(button(label, router::behind_data(what, &progress.uuid)));
        }
    }
    vec![buttons]
}

fn is_toast(call: &Call) -> bool {
    matches!(
        call,
        Call::Row(Due {
            lane: Lane::Toast,
            ..
        })
    )
}

/// Whether this can be a group that has become a supergroup.
fn has_moved(from: ChatId, to: ChatId) -> bool {
    from.0 < 0 && to.0 < 0 && from != to
}

fn chat_of(call: &Call) -> ChatId {
    place_of(call).chat
}

fn place_of(call: &Call) -> Place {
    match call {
        Call::Row(due) => due.place,
        Call::Status { progress, .. } => progress.place,
        Call::Typing(place) | Call::Warning(place) => *place,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_has_the_time_that_its_bytes_need_but_not_for_ever() {
        assert_eq!(upload_budget(1_000), CALL_MAX);
        assert_eq!(upload_budget(3_200 * 1024), Duration::from_secs(120));
        assert_eq!(upload_budget(usize::MAX), UPLOAD_MAX);
    }
}
