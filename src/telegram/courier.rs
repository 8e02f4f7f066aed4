//! The courier: brings what waits in the outbox, and what stands on the board, to Telegram.
//!
//! One scheduler thread decides (with [`Pacing`]) and is the only one that writes; three sender threads make the calls,
//! one of them only for answers to presses. A row is marked before it is sent and settled after; what could not be
//! written down is kept and tried again before anything else is sent.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, at, bounded, never, select};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::api::{Api, Failure};
use super::outgoing;
use super::pacing::{Call, End, IN_FLIGHT_MAX, Pacing, Stops};
use super::refusal::{self, Refusal};
use crate::board::Board;
use crate::chat::{
    BotId, Button, ChatId, Due, Formatted, Lane, MessageId, Place, Post, PromptId, RowId, SessionId,
};
use crate::clock::unix_now;
use crate::exit::{Exit, Fatal};
use crate::pulse::Pulse;
use crate::render::{status, texts};
use crate::store::{Result as StoreResult, Store};
use crate::thread;

/// How long a call may take.
const CALL_MAX: Duration = Duration::from_secs(20);

/// How long the store is left alone after it failed.
const STORE_RETRY: Duration = Duration::from_secs(1);

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
    result: Result<Box<RawValue>, Failure>,
}

/// A sender: one call after the other, until nobody hands it any.
fn send(api: &Api, jobs: &Receiver<Job>, report: &Sender<Report>) {
    for Job { call, request } in jobs {
        let result = api.call(request.method, &request.body, CALL_MAX);
        if report.send(Report { call, result }).is_err() {
            return;
        }
    }
}

/// What wakes the scheduler.
enum Event {
    /// A sender has made its call.
    Report(Report),
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
    Delivered(RowId, Option<MessageId>),
    PutBack(RowId, Sent),
    /// Telegram refused it for its content: something simpler goes, or nothing.
    Simplify(RowId),
    Refuse(RowId),
    CloseChat(ChatId),
    DropTopic(Place),
    StatusShown(PromptId, MessageId),
    /// Until when, in Unix seconds.
    Flooded(Option<ChatId>, i64),
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
                Ok(look_again) => look_again,
                Err(error) => {
                    log::error!("the store cannot be used: {error}");
                    Some(Instant::now() + STORE_RETRY)
                }
            };
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
                Event::Report(report) => self.settle(report),
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
            recv(reports) -> report => report.map_or(Event::Over, Event::Report),
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
                if !self.may_get(due.place.chat) {
                    self.unsettled.push_back(Settle::Refuse(due.row));
                    return Ok(None);
                }
                let Some(ready) = self.outfit.store.begin(due.row)? else {
                    return Ok(None);
                };
                let too_old = due.lane == Lane::Toast && unix_now() - ready.created > TOAST_KEPT;
                match outgoing::post(ready.place, &ready.post, ready.edits).filter(|_| !too_old) {
                    Some(request) => Ok(Some(request)),
                    None => {
                        self.unsettled.push_back(Settle::Delivered(due.row, None));
                        Ok(None)
                    }
                }
            }
            Call::Status { progress, message } => {
                let body = status::line(progress, Instant::now());
                // A turn that was taken up again goes on in the message that it had before.
                let message = match message {
                    Some(message) => Some(*message),
                    None => self.outfit.store.status_message(progress.prompt)?,
                };
                let buttons = vec![vec![Button {
                    label: texts::STOP.to_owned(),
                    data: progress.stop.clone(),
                }]];
                Ok(Some(match message {
                    Some(message) => outgoing::edit(progress.place, message, &body, &buttons),
                    None => outgoing::message(progress.place, &body, &buttons, true),
                }))
            }
            Call::Typing(place) => Ok(Some(outgoing::typing(*place))),
        }
    }

    /// Whether a chat may get anything. A private one has the number of its person.
    fn may_get(&self, chat: ChatId) -> bool {
        chat.0 < 0 || self.outfit.allowed_users.contains(&chat.0)
    }

    /// Decides what a call's result means, for its row and for its chat.
    fn settle(&mut self, Report { call, result }: Report) {
        self.in_flight -= 1;
        let end = match result {
            Ok(answer) => self.settle_done(&call, &answer),
            Err(failure) => self.settle_failed(&call, failure),
        };
        let now = Instant::now();
        let stops = self.pacing.ended(now, &call, end);
        if let (End::Flood(wait), Some(stops)) = (end, stops) {
            let wait = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
            let until = unix_now().saturating_add(wait).saturating_add(1);
            let chat = match stops {
                Stops::Chat => Some(chat_of(&call)),
                Stops::All => None,
            };
            self.unsettled.push_back(Settle::Flooded(chat, until));
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
            Call::Row(due) => self
                .unsettled
                .push_back(Settle::Delivered(due.row, message)),
            Call::Status {
                progress,
                message: None,
            } => {
                if let Some(message) = message {
                    self.unsettled
                        .push_back(Settle::StatusShown(progress.prompt, message));
                }
            }
            Call::Status { .. } | Call::Typing(_) => {}
        }
        End::Done(message)
    }

    fn settle_failed(&mut self, call: &Call, failure: Failure) -> End {
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
            Call::Status { .. } | Call::Typing(_) => None,
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
                code, description, ..
            } => {
                let meaning = refusal::read(code, &description);
                if !matches!(meaning, Refusal::AlreadySo | Refusal::PressTooOld) {
                    log::warn!("Telegram refused a call: {code} {description}");
                }
                self.settle_refused(call, row, meaning)
            }
        }
    }

    fn settle_refused(&mut self, call: &Call, row: Option<Due>, meaning: Refusal) -> End {
        match meaning {
            Refusal::Token => {
                let message = "Telegram does not know this token any more. Make a new one with @BotFather (/token), put \
                     it where the old one is, and start chappe again. Nothing is lost.";
                let _ = self
                    .outfit
                    .fatal
                    .try_send(Fatal::new(Exit::Refused, message));
                self.put_back(row, Sent::Never);
                return End::Unreachable;
            }
            Refusal::MessageGone if row.is_none() => return End::MessageGone,
            Refusal::AlreadySo | Refusal::PressTooOld | Refusal::MessageGone => {
                if let Some(due) = row {
                    self.unsettled.push_back(Settle::Delivered(due.row, None));
                }
            }
            Refusal::ChatClosed => {
                self.unsettled.push_back(Settle::CloseChat(chat_of(call)));
                self.put_back(row, Sent::Never);
            }
            Refusal::TopicGone => match row {
                Some(due) if due.place.topic.is_some() => {
                    self.put_back(row, Sent::Never);
                    self.unsettled.push_back(Settle::DropTopic(due.place));
                }
                Some(due) => self.unsettled.push_back(Settle::Refuse(due.row)),
                None => {}
            },
            Refusal::Content => {
                if let Some(due) = row {
                    self.unsettled.push_back(Settle::Simplify(due.row));
                }
            }
        }
        End::Done(None)
    }

    /// Puts in place of a post that Telegram refused for its content: the same without formatting; then a line that
    /// says so; then nothing. A request is never shown without what it is for.
    fn simplify(&self, row: RowId) -> StoreResult<()> {
        let last_resort = Formatted::plain(texts::NOT_SHOWN);
        let simpler = match self.outfit.store.post(row)? {
            Some(Post::Message {
                body,
                buttons,
                silent,
            }) if !body.spans.is_empty() => Some(Post::Message {
                body: Formatted::plain(body.text),
                buttons,
                silent,
            }),
            Some(Post::Message {
                body,
                buttons,
                silent,
            }) if buttons.is_empty() && body != last_resort => Some(Post::Message {
                body: last_resort,
                buttons,
                silent,
            }),
            Some(Post::Edit {
                target,
                body,
                buttons,
            }) if !body.spans.is_empty() => Some(Post::Edit {
                target,
                body: Formatted::plain(body.text),
                buttons,
            }),
            _ => None,
        };
        match simpler {
            Some(post) => self.outfit.store.replace(row, &post),
            None => self.refuse(row),
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

    fn put_back(&mut self, row: Option<Due>, sent: Sent) {
        if let Some(due) = row {
            self.unsettled.push_back(Settle::PutBack(due.row, sent));
        }
    }

    fn write_down(&self, settle: &Settle) -> StoreResult<()> {
        let Outfit { store, bot, .. } = &self.outfit;
        match settle {
            Settle::Delivered(row, message) => store.delivered(*row, *message),
            Settle::PutBack(row, sent) => store.put_back(*row, matches!(sent, Sent::Perhaps)),
            Settle::Simplify(row) => self.simplify(*row),
            Settle::Refuse(row) => self.refuse(*row),
            Settle::CloseChat(chat) => store.close_chat(*bot, *chat, unix_now()),
            Settle::DropTopic(place) => store.drop_topic(*bot, *place),
            Settle::StatusShown(prompt, message) => store.status_shown(*prompt, *message),
            Settle::Flooded(chat, until) => store.flooded(*bot, *chat, *until),
        }
    }
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

fn chat_of(call: &Call) -> ChatId {
    match call {
        Call::Row(due) => due.place.chat,
        Call::Status { progress, .. } => progress.place.chat,
        Call::Typing(place) => place.chat,
    }
}
