//! What stands in the chats: people, messages, topics, buttons, files.
//!
//! Pure data and its look as the Bot API writes it. No sockets, no waiting; the rules of single methods are elsewhere.

use super::markup::Buttons;
use super::refusal::Refusal;
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Messages kept for a chat; beyond, the oldest is forgotten and counts as deleted.
pub const MESSAGES_MAX: usize = 10_000;
/// Events a receiver may be behind; further ones are lost to it, for a slow terminal must not stop the server.
pub const EVENTS_MAX: usize = 4096;
/// Bytes of files kept; beyond, the oldest file can no longer be downloaded.
pub const FILES_MAX: usize = 128 * 1024 * 1024;
/// What `getFile` gives at most.
pub const DOWNLOAD_MAX: u64 = 20 * 1024 * 1024;
/// Presses that can be answered, and answers that are remembered; beyond, the oldest is forgotten.
const PRESSES_MAX: usize = 10_000;

/// A person, and the place where they write.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    pub user: i64,
    pub name: String,
    pub username: Option<String>,
    /// The user's id in a private chat; negative for a group.
    pub chat: i64,
    pub topic: Option<i64>,
}

impl Person {
    /// Someone in their private chat with the bot.
    pub fn private(user: i64, name: &str) -> Person {
        Person {
            user,
            name: name.to_string(),
            username: None,
            chat: user,
            topic: None,
        }
    }

    /// The same person in another chat.
    pub fn in_chat(&self, chat: i64) -> Person {
        Person {
            chat,
            topic: None,
            ..self.clone()
        }
    }

    /// The same person in a topic of the chat.
    pub fn in_topic(&self, topic: i64) -> Person {
        Person {
            topic: Some(topic),
            ..self.clone()
        }
    }

    pub(super) fn value(&self) -> Value {
        let mut user = json!({"id": self.user, "is_bot": false, "first_name": self.name});
        if let Some(username) = &self.username {
            user["username"] = username.as_str().into();
        }
        user
    }
}

/// A message as it stands in a chat now.
#[derive(Clone, Debug)]
pub struct Shown {
    pub id: i64,
    pub chat: i64,
    pub topic: Option<i64>,
    pub from_bot: bool,
    /// Unix seconds.
    pub date: i64,
    /// A text, a caption, or the visible text of a rich message.
    pub text: String,
    /// As the server keeps them, after trimming.
    pub entities: Vec<Value>,
    pub buttons: Buttons,
    pub reply_to: Option<i64>,
    /// Sent without a notification.
    pub silent: bool,
    /// How often it was edited.
    pub edits: u32,
    pub attachment: Option<Attachment>,
    /// The `InputRichMessage` as it was sent.
    pub rich: Option<Value>,
    /// What the bot reacted with.
    pub reaction: Option<String>,
    pub(super) from: Value,
    pub(super) markup: Option<Value>,
    /// Fields of a pushed message that are passed on as they came.
    pub(super) extra: Map<String, Value>,
}

/// A file on a message of the bot.
#[derive(Clone, Debug, PartialEq)]
pub struct Attachment {
    /// `document` or `photo`.
    pub kind: &'static str,
    pub file_id: String,
    pub file_name: String,
    /// In bytes.
    pub size: u64,
}

/// An answer to a press.
#[derive(Clone, Debug, PartialEq)]
pub struct Toast {
    pub callback_id: String,
    pub text: String,
    /// Shown as a dialog that must be closed.
    pub alert: bool,
}

/// What a terminal needs to know to draw the chats.
#[derive(Clone, Debug)]
pub enum Event {
    /// The bot wrote a message.
    Sent(Shown),
    /// The bot changed a message.
    Edited(Shown),
    /// The bot took a message away.
    Deleted { chat: i64, message_id: i64 },
    /// The bot is typing, or the like; shown for 5 s or until a message comes.
    Action {
        chat: i64,
        topic: Option<i64>,
        action: String,
    },
    /// The bot answered a press.
    Toast(Toast),
    /// The bot reacted to a message; no emoji means that it took its reaction back.
    Reaction {
        chat: i64,
        message_id: i64,
        emoji: Option<String>,
    },
}

/// A file that can be downloaded.
pub struct StoredFile {
    /// What `getFile` reports; may be more than there are bytes, to play a large file.
    pub size: u64,
    pub path: String,
    pub bytes: Vec<u8>,
}

/// A chat with its messages in order.
#[derive(Default)]
pub struct Chat {
    pub messages: BTreeMap<i64, Shown>,
    pub topics: BTreeSet<i64>,
    /// Those of the topics in which nobody may write.
    pub closed_topics: BTreeSet<i64>,
    /// What every call for the chat is answered: the bot is blocked, or the group is another chat now.
    pub refuses: Option<Refusal>,
}

/// All chats, and what else the server remembers.
pub struct World {
    pub bot_id: i64,
    pub chats: BTreeMap<i64, Chat>,
    /// Presses by id; true once answered.
    pub presses: BTreeMap<String, bool>,
    pub toasts: VecDeque<Toast>,
    /// By scope and language, as JSON text.
    pub commands: BTreeMap<String, Value>,
    pub files: BTreeMap<String, StoredFile>,
    pub webhook: String,
    /// False: an old server that does not know rich messages.
    pub knows_rich: bool,
    next_message_id: i64,
    next_press: u64,
    next_file: u64,
    subscribers: Vec<Sender<Event>>,
}

impl World {
    pub fn new(bot_id: i64) -> World {
        World {
            bot_id,
            chats: BTreeMap::new(),
            presses: BTreeMap::new(),
            toasts: VecDeque::new(),
            commands: BTreeMap::new(),
            files: BTreeMap::new(),
            webhook: String::new(),
            knows_rich: true,
            next_message_id: 1,
            next_press: 4_000_000_000_000_001,
            next_file: 1,
            subscribers: Vec::new(),
        }
    }

    pub fn bot(&self) -> Value {
        json!({"id": self.bot_id, "is_bot": true, "first_name": "Loopback", "username": "loopback_bot"})
    }

    pub fn next_message_id(&mut self) -> i64 {
        self.next_message_id += 1;
        self.next_message_id - 1
    }

    pub fn next_press(&mut self) -> String {
        self.next_press += 1;
        let id = (self.next_press - 1).to_string();
        if self.presses.len() == PRESSES_MAX {
            self.presses.pop_first();
        }
        self.presses.insert(id.clone(), false);
        id
    }

    /// A message that stands in a chat.
    pub fn message(&self, chat: i64, id: i64) -> Option<&Shown> {
        self.chats.get(&chat)?.messages.get(&id)
    }

    pub fn message_mut(&mut self, chat: i64, id: i64) -> Option<&mut Shown> {
        self.chats.get_mut(&chat)?.messages.get_mut(&id)
    }

    /// Puts a message into its chat, which exists from then on.
    pub fn put(&mut self, shown: Shown) {
        self.next_message_id = self.next_message_id.max(shown.id + 1);
        let chat = self.chats.entry(shown.chat).or_default();
        chat.topics.extend(shown.topic);
        if chat.messages.len() == MESSAGES_MAX {
            chat.messages.pop_first();
        }
        chat.messages.insert(shown.id, shown);
    }

    /// Keeps a file and returns its id.
    pub fn store_file(&mut self, kind: &str, name: &str, bytes: Vec<u8>, size: u64) -> String {
        let number = self.next_file;
        self.next_file += 1;
        let suffix = name
            .rsplit_once('.')
            .map_or(String::new(), |(_, suffix)| format!(".{suffix}"));
        let path = format!("{kind}s/file_{number}{suffix}");
        // The number is padded so that ids sort by age.
        let id = format!("LOOP-{number:08}");
        self.files
            .insert(id.clone(), StoredFile { size, path, bytes });
        let mut kept: usize = self.files.values().map(|file| file.bytes.len()).sum();
        while kept > FILES_MAX && self.files.len() > 1 {
            kept -= self
                .files
                .pop_first()
                .map_or(0, |(_, file)| file.bytes.len());
        }
        id
    }

    pub fn toast(&mut self, toast: Toast) {
        if self.toasts.len() == PRESSES_MAX {
            self.toasts.pop_front();
        }
        self.toasts.push_back(toast.clone());
        self.emit(Event::Toast(toast));
    }

    pub fn subscribe(&mut self) -> Receiver<Event> {
        let (sender, receiver) = bounded(EVENTS_MAX);
        self.subscribers.push(sender);
        receiver
    }

    pub fn emit(&mut self, event: Event) {
        self.subscribers
            .retain(|subscriber| match subscriber.try_send(event.clone()) {
                Ok(()) | Err(TrySendError::Full(_)) => true,
                Err(TrySendError::Disconnected(_)) => false,
            });
    }

    /// The message as the Bot API writes it, with one level of the message it answers.
    pub fn message_value(&self, shown: &Shown) -> Value {
        let mut value = self.bare_value(shown);
        let answered = shown.reply_to.and_then(|id| self.message(shown.chat, id));
        if let Some(answered) = answered {
            value["reply_to_message"] = self.bare_value(answered);
        }
        value
    }

    /// A chat that does not exist for the bot, or takes nothing from it, is refused.
    pub fn chat(&self, id: i64) -> Result<&Chat, Refusal> {
        let chat = self
            .chats
            .get(&id)
            .ok_or_else(|| Refusal::bad("chat not found"))?;
        match &chat.refuses {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(chat),
        }
    }

    fn bare_value(&self, shown: &Shown) -> Value {
        let mut value = json!({
            "message_id": shown.id,
            "from": shown.from,
            "chat": self.chat_value(shown.chat, &shown.from),
            "date": shown.date,
        });
        let Value::Object(fields) = &mut value else {
            unreachable!("json! of an object is an object")
        };
        if let Some(topic) = shown.topic {
            fields.insert("message_thread_id".into(), topic.into());
            fields.insert("is_topic_message".into(), true.into());
        }
        if shown.edits > 0 {
            fields.insert("edit_date".into(), shown.date.into());
        }
        if let Some(rich) = &shown.rich {
            fields.insert("rich_message".into(), rich.clone());
        } else if let Some(attachment) = &shown.attachment {
            fields.insert(attachment.kind.into(), attachment.value());
            if !shown.text.is_empty() {
                fields.insert("caption".into(), shown.text.clone().into());
                fields.insert("caption_entities".into(), shown.entities.clone().into());
            }
        } else if !shown.text.is_empty() {
            fields.insert("text".into(), shown.text.clone().into());
            if !shown.entities.is_empty() {
                fields.insert("entities".into(), shown.entities.clone().into());
            }
        }
        if let (Some(markup), false) = (&shown.markup, shown.buttons.is_empty()) {
            fields.insert("reply_markup".into(), markup.clone());
        }
        fields.extend(shown.extra.clone());
        value
    }

    /// The chat as the Bot API writes it; a private chat has the name of the person.
    pub fn chat_value(&self, id: i64, from: &Value) -> Value {
        if id > 0 {
            let name = match from["is_bot"] == true {
                true => json!("Private"),
                false => from["first_name"].clone(),
            };
            return json!({"id": id, "type": "private", "first_name": name});
        }
        let forum = self
            .chats
            .get(&id)
            .is_some_and(|chat| !chat.topics.is_empty());
        let mut chat = json!({"id": id, "type": "supergroup", "title": "Group"});
        if forum {
            chat["is_forum"] = true.into();
        }
        chat
    }
}

impl Attachment {
    fn value(&self) -> Value {
        let file = json!({
            "file_id": self.file_id,
            "file_unique_id": format!("u{}", self.file_id),
            "file_size": self.size,
        });
        match self.kind {
            "photo" => json!([file]),
            _ => {
                let mut file = file;
                file["file_name"] = self.file_name.as_str().into();
                file
            }
        }
    }
}
