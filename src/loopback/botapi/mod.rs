//! A loopback Bot API: a server on 127.0.0.1 that behaves, and on request fails, like Telegram's.
//!
//! It serves `chappe demo` and the end-to-end tests. It imports nothing of the daemon, so that a misunderstanding of
//! the Bot API in the daemon cannot be mirrored here. Sources: the Bot API documentation up to 10.3, and where that
//! is silent the source of the real server (`tdlib/telegram-bot-api`, `tdlib/td`); the places are named in the files.
//!
//! Reading order: [`BotApi`] here, what a person can do in `person`, what a test can see in `view`, what can go wrong
//! in `fault`; then `state` (the lock), `server` (sockets, threads), `answer` (the held poll, what spoils a call),
//! `methods` and `messages`, and the pure rules in `updates`, `text`, `links`, `markup`, `rich`. `http`, `params` and
//! `refusal` are the wire.
//!
//! Knowingly unlike the real one: `parse_mode` is refused instead of understood; entities that the server finds by
//! itself are not found (but a command and mentions in what a person writes); drafts, albums and pins are unknown methods.

mod answer;
mod fault;
mod http;
mod links;
mod markup;
mod messages;
mod methods;
mod params;
mod person;
mod refusal;
mod rich;
mod server;
mod state;
mod text;
mod updates;
mod view;
mod world;

#[cfg(test)]
mod tests;

pub use fault::{Fault, Flood, Trouble};
pub use text::is_dropped;
pub use view::{Call, View};
pub use world::{Attachment, Event, Person, Shown, Toast};

use crossbeam_channel::Receiver;
use refusal::Refusal;
use state::Shared;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The id of the first update, unless a test sets another.
const FIRST_UPDATE: i64 = 700_000_001;

/// A running server. Dropping it wakes what is held, closes all connections and ends its threads.
pub struct BotApi {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// The accept thread; none while the server is dark.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl BotApi {
    /// Starts a server on a free port for the bot with this token (`123:abc`; the number is the bot's id).
    pub fn start(token: &str) -> io::Result<BotApi> {
        BotApi::start_at((Ipv4Addr::LOCALHOST, 0).into(), token)
    }

    /// Starts a server at an address, for instance where another one stood before.
    pub fn start_at(address: SocketAddr, token: &str) -> io::Result<BotApi> {
        let shared = Arc::new(Shared::new(token, FIRST_UPDATE));
        let (address, thread) = server::open(&shared, address)?;
        let thread = Mutex::new(Some(thread));
        Ok(BotApi {
            shared,
            address,
            thread,
        })
    }

    /// What a client takes for `https://api.telegram.org`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Goes out of reach: closes all connections and refuses new ones. What stands in the chats stays.
    pub fn go_dark(&self) {
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            server::close(&self.shared, self.address, thread);
        }
    }

    /// Ends [`go_dark`](Self::go_dark), at the same address.
    pub fn come_back(&self) -> io::Result<()> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            *thread = Some(server::open(&self.shared, self.address)?.1);
        }
        Ok(())
    }

    /// Cuts the connections that are open now, and the calls on them; new ones are welcome.
    pub fn cut(&self) {
        server::cut(&self.shared);
    }

    /// Every request in order, as far back as the 20,000th from the end.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.look().log.calls().iter().cloned().collect()
    }

    /// What stands in a chat now, oldest first.
    pub fn messages(&self, chat: i64) -> Vec<Shown> {
        View {
            state: &self.shared.look(),
        }
        .messages(chat)
        .cloned()
        .collect()
    }

    /// The bytes of a file that the bot sent or a person did; none when there is no such file.
    pub fn file(&self, file_id: &str) -> Option<Vec<u8>> {
        self.shared
            .look()
            .world
            .files
            .get(file_id)
            .map(|file| file.bytes.clone())
    }

    /// The commands as set for the default scope, and no language.
    pub fn commands(&self) -> Vec<(String, String)> {
        let state = self.shared.look();
        let set = state
            .world
            .commands
            .get("{\"type\":\"default\"} ")
            .and_then(|set| set.as_array().cloned());
        let text = |value: &serde_json::Value| value.as_str().unwrap_or("").to_string();
        let set = set.unwrap_or_default();
        set.iter()
            .map(|command| (text(&command["command"]), text(&command["description"])))
            .collect()
    }

    /// Waits until `f` finds what it looks for, and returns that.
    ///
    /// `f` runs under the server's lock: it must only look at its [`View`] and never call the server. When the time
    /// is over the error says `what` was waited for, and prints the chats and the last calls.
    pub fn wait<T>(
        &self,
        limit: Duration,
        what: &str,
        mut f: impl FnMut(&View) -> Option<T>,
    ) -> Result<T, String> {
        let until = Instant::now() + limit;
        let mut state = self.shared.look();
        loop {
            let view = View { state: &state };
            if let Some(found) = f(&view) {
                return Ok(found);
            }
            if Instant::now() >= until {
                return Err(format!(
                    "waited {limit:?} in vain for {what}\n{}",
                    view.report()
                ));
            }
            state = self.shared.wait(state, Some(until));
        }
    }

    /// Everything the bot shows from now on, in order. A receiver that is 4,096 events behind loses the newest.
    pub fn events(&self) -> Receiver<Event> {
        self.shared.change().world.subscribe()
    }

    /// Orders a fault.
    pub fn fault(&self, fault: Fault) {
        self.shared.change().faults.add(fault);
    }

    /// Takes back all orders and ends the calls that hang.
    pub fn clear_faults(&self) {
        self.shared.change().faults.clear();
    }

    /// Limits sends and edits for each chat, or lifts the limit.
    pub fn flood(&self, limit: Option<Flood>) {
        self.shared.change().faults.set_flood(limit);
    }

    /// Lets a chat exist before anyone wrote in it.
    pub fn know(&self, chat: i64) {
        self.shared.change().world.chats.entry(chat).or_default();
    }

    /// Lets a topic exist before anyone wrote in it.
    pub fn know_topic(&self, chat: i64, topic: i64) {
        self.shared
            .change()
            .world
            .chats
            .entry(chat)
            .or_default()
            .topics
            .insert(topic);
    }

    /// Deletes a topic with its messages, as its owner may at any time. The bot is not told.
    pub fn delete_topic(&self, chat: i64, topic: i64) {
        if let Some(chat) = self.shared.change().world.chats.get_mut(&chat) {
            chat.topics.remove(&topic);
            chat.closed_topics.remove(&topic);
            chat.messages.retain(|_, shown| shown.topic != Some(topic));
        }
    }

    /// Closes a topic, as an admin may at any time: nobody writes in it any more. The bot is not told.
    pub fn close_topic(&self, chat: i64, topic: i64) {
        let mut state = self.shared.change();
        let chat = state.world.chats.entry(chat).or_default();
        chat.topics.insert(topic);
        chat.closed_topics.insert(topic);
    }

    /// Lets people and the bot write in a topic again.
    pub fn reopen_topic(&self, chat: i64, topic: i64) {
        if let Some(chat) = self.shared.change().world.chats.get_mut(&chat) {
            chat.closed_topics.remove(&topic);
        }
    }

    /// Makes a supergroup of a group, which is another chat with messages of its own; calls for the old one are refused
    /// with the new id. The bot is not told: that is a service message in either chat, for [`push`](Self::push).
    pub fn upgrade_group(&self, group: i64, supergroup: i64) {
        let mut state = self.shared.change();
        state.world.chats.entry(supergroup).or_default();
        let mut refusal = Refusal::bad("group chat was upgraded to a supergroup chat");
        refusal.parameters = Some(serde_json::json!({"migrate_to_chat_id": supergroup}));
        state.world.chats.entry(group).or_default().refuses = Some(refusal);
    }

    /// Deletes a message, as any person may. The bot is not told.
    pub fn delete_message(&self, chat: i64, message_id: i64) {
        if let Some(chat) = self.shared.change().world.chats.get_mut(&chat) {
            chat.messages.remove(&message_id);
        }
    }

    /// Sets a webhook behind the bot's back, or removes it with an empty URL. A held poll ends with a conflict.
    pub fn set_webhook(&self, url: &str) {
        let mut state = self.shared.change();
        state.world.webhook = url.to_string();
        if !url.is_empty() {
            state.polls.end_by_webhook();
        }
    }

    /// Lets the server know rich messages, or be an old one that answers 404 to them. It knows them at first.
    pub fn set_rich(&self, known: bool) {
        self.shared.change().world.knows_rich = known;
    }

    /// Lets the next update have this id.
    pub fn set_next_update_id(&self, id: i64) {
        self.shared.change().updates.set_next_id(id);
    }
}

impl Drop for BotApi {
    fn drop(&mut self) {
        self.go_dark();
    }
}
