//! What has come and is not dealt with yet: the channel, and the messages that wait for a turn.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Instant;

use super::commands;
use super::input::{Input, Priority, UserLine};

/// Messages that came and are not answered yet.
pub(super) struct Intake {
    inbox: Receiver<Input>,
    pub(super) sender: Sender<Input>,
    pub(super) deaf: Arc<AtomicBool>,
    pub(super) queue: VecDeque<UserLine>,
    /// How many messages and notices have come.
    arrivals: u64,
    /// A message that came in the moment before a turn began: it belongs to the next one.
    pub(super) held: Option<UserLine>,
    /// Lines that have come and are not looked at yet.
    pub(super) backlog: VecDeque<Input>,
    /// Uuids of this process, also of messages that never ran.
    pub(super) seen: HashSet<String>,
    pub(super) open: bool,
}

impl Intake {
    pub(super) fn new() -> Intake {
        let (sender, inbox) = mpsc::channel();
        Intake {
            inbox,
            sender,
            deaf: Arc::new(AtomicBool::new(false)),
            queue: VecDeque::new(),
            arrivals: 0,
            held: None,
            backlog: VecDeque::new(),
            seen: HashSet::new(),
            open: true,
        }
    }

    /// The place of a message or notice that comes now.
    pub(super) fn next_arrival(&mut self) -> u64 {
        self.arrivals += 1;
        self.arrivals
    }

    /// The place of the first message that waits.
    pub(super) fn first_arrival(&self) -> Option<u64> {
        self.queue.front().map(|line| line.arrival)
    }

    /// The next thing that came, or `None` when the time is over. Without a deadline it waits for ever.
    pub(super) fn receive(&mut self, deadline: Option<Instant>) -> Option<Input> {
        loop {
            if let Some(input) = self.backlog.pop_front() {
                return Some(input);
            }
            let received = match deadline {
                None => self.inbox.recv().ok(),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    self.inbox.recv_timeout(left).ok()
                }
            };
            match received? {
                Input::Several(inputs) => self.backlog.extend(inputs),
                input => return Some(input),
            }
        }
    }

    /// The messages that make the next turn: one that is urgent, or all that wait, or one that could wait.
    pub(super) fn next_batch(&mut self) -> Option<Vec<UserLine>> {
        let queue = &mut self.queue;
        let alone = |line: &UserLine| line.priority == Priority::Now;
        if let Some(index) = queue.iter().position(alone) {
            return queue.remove(index).map(|line| vec![line]);
        }
        let joins = |line: &UserLine| {
            line.priority == Priority::Next && line.query && !commands::is_command(&line.text)
        };
        let first = queue
            .iter()
            .position(|line| line.priority == Priority::Next)
            .unwrap_or(0);
        let mut batch = vec![queue.remove(first)?];
        while joins(&batch[0]) && queue.get(first).is_some_and(joins) {
            batch.extend(queue.remove(first));
        }
        Some(batch)
    }
}
