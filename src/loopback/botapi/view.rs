//! What a test may look at: the calls in order, the chats, the toasts, the queue.

use super::state::State;
use super::world::{Shown, Toast};
use serde_json::Value;
use std::collections::VecDeque;
use std::fmt::Write;
use std::time::Instant;

/// Calls remembered; beyond, the oldest is forgotten. `seq` goes on.
pub const CALLS_MAX: usize = 20_000;
/// Of a long text, the report of a failed wait prints so many bytes.
const REPORT_TEXT_MAX: usize = 400;
const REPORT_CALLS: usize = 25;
const REPORT_MESSAGES: usize = 40;

/// One request, as it came in.
#[derive(Clone, Debug)]
pub struct Call {
    /// Counts from 0, in order of arrival.
    pub seq: u64,
    /// As sent; `download` for a file. Never the token.
    pub method: String,
    /// The parameters; of an uploaded file its name and size.
    pub params: Value,
    pub when: Instant,
    /// None while it is under way, and for ever when it was cut or hung.
    pub status: Option<u16>,
    /// Why it was refused, with prefix.
    pub error: Option<String>,
}

/// The calls so far.
#[derive(Default)]
pub struct Log {
    calls: VecDeque<Call>,
    next_seq: u64,
}

impl Log {
    pub fn open(&mut self, method: &str, params: Value) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        if self.calls.len() == CALLS_MAX {
            self.calls.pop_front();
        }
        self.calls.push_back(Call {
            seq,
            method: method.to_string(),
            params,
            when: Instant::now(),
            status: None,
            error: None,
        });
        seq
    }

    /// Writes down how a call was answered.
    pub fn close(&mut self, seq: u64, status: u16, error: Option<String>) {
        let first = self.calls.front().map_or(0, |call| call.seq);
        let call = seq
            .checked_sub(first)
            .and_then(|index| self.calls.get_mut(index as usize));
        if let Some(call) = call {
            call.status = Some(status);
            call.error = error;
        }
    }

    pub fn calls(&self) -> &VecDeque<Call> {
        &self.calls
    }
}

/// A look at everything at one moment, for [`wait`](super::BotApi::wait).
pub struct View<'a> {
    pub(super) state: &'a State,
}

impl View<'_> {
    /// Every request in order, as far back as [`CALLS_MAX`].
    pub fn calls(&self) -> &VecDeque<Call> {
        self.state.log.calls()
    }

    /// The calls of one method, in order.
    pub fn calls_of(&self, method: &str) -> impl Iterator<Item = &Call> {
        self.calls()
            .iter()
            .filter(move |call| call.method.eq_ignore_ascii_case(method))
    }

    /// What stands in a chat, oldest first.
    pub fn messages(&self, chat: i64) -> impl DoubleEndedIterator<Item = &Shown> {
        self.state
            .world
            .chats
            .get(&chat)
            .into_iter()
            .flat_map(|chat| chat.messages.values())
    }

    /// What the bot has in a chat, oldest first.
    pub fn from_bot(&self, chat: i64) -> impl DoubleEndedIterator<Item = &Shown> {
        self.messages(chat).filter(|shown| shown.from_bot)
    }

    /// The text of the file on a message of the bot; none where it has no file, or one that is no text.
    pub fn file_text(&self, shown: &Shown) -> Option<&str> {
        let file_id = &shown.attachment.as_ref()?.file_id;
        str::from_utf8(&self.state.world.files.get(file_id)?.bytes).ok()
    }

    /// The answer to a press.
    pub fn toast(&self, callback_id: &str) -> Option<&Toast> {
        self.state
            .world
            .toasts
            .iter()
            .find(|toast| toast.callback_id == callback_id)
    }

    /// Updates that are not confirmed.
    pub fn waiting_updates(&self) -> usize {
        self.state.updates.waiting()
    }

    /// The highest offset that confirmed something; 0 before the first.
    pub fn confirmed(&self) -> i64 {
        self.state.updates.confirmed()
    }

    /// Polls that are held now.
    pub fn held_polls(&self) -> usize {
        self.state.polls.held
    }

    /// Orders for faults that have not been used up.
    pub fn faults_left(&self) -> usize {
        self.state.faults.left()
    }

    /// Whether a call hangs and the bot still waits for its answer. Where the bot has given it up, nobody does.
    pub fn is_held(&self, call: &Call) -> bool {
        self.state.line.is_waited_for(call.seq)
    }

    /// Connections that are open now.
    pub fn connections(&self) -> usize {
        self.state.line.connections
    }

    /// What a failed wait prints: the chats, and the last calls.
    pub(super) fn report(&self) -> String {
        let mut report = String::new();
        for (id, chat) in &self.state.world.chats {
            let _ = writeln!(report, "chat {id}: {} messages", chat.messages.len());
            let skipped = chat.messages.len().saturating_sub(REPORT_MESSAGES);
            for shown in chat.messages.values().skip(skipped) {
                let who = if shown.from_bot { "bot" } else { "you" };
                let _ = write!(
                    report,
                    "  {} {who}> {:?} {:?}",
                    shown.id,
                    short(&shown.text),
                    shown.buttons
                );
                if let Some(file) = &shown.attachment {
                    let text = self.file_text(shown).map(short);
                    let _ = write!(report, " {} ({} B) {text:?}", file.file_name, file.size);
                }
                report.push('\n');
            }
        }
        let (waiting, confirmed) = (self.waiting_updates(), self.confirmed());
        let _ = writeln!(
            report,
            "{waiting} updates wait, confirmed below {confirmed}, {} polls held",
            self.held_polls()
        );
        let skipped = self.calls().len().saturating_sub(REPORT_CALLS);
        for call in self.calls().iter().skip(skipped) {
            let status = call
                .status
                .map_or("no answer".to_string(), |status| status.to_string());
            let error = call.error.as_deref().unwrap_or("");
            let params = call.params.to_string();
            let _ = writeln!(
                report,
                "  #{} {} {} -> {status} {error}",
                call.seq,
                call.method,
                short(&params)
            );
        }
        report
    }
}

fn short(text: &str) -> String {
    let mut end = text.len().min(REPORT_TEXT_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_string()
}
