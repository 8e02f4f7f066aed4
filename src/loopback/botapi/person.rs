//! The person's side: writing, answering, editing, pressing, sending files. Each queues an update.

use super::BotApi;
use super::answer::unix_now;
use super::refusal::Refusal;
use super::state::State;
use super::world::{Person, Shown};
use serde_json::{Map, Value, json};

impl BotApi {
    /// Writes a text; the chat and topic exist from then on. Returns the message's id.
    pub fn say(&self, who: &Person, text: &str) -> i64 {
        self.write(who, text_fields(text))
    }

    /// Answers a message with a text. Returns the new message's id.
    pub fn reply(&self, who: &Person, to_message: i64, text: &str) -> i64 {
        let mut fields = text_fields(text);
        let state = self.shared.look();
        let answered = match state.world.message(who.chat, to_message) {
            Some(shown) => state.world.message_value(shown),
            None => {
                let chat = state.world.chat_value(who.chat, &who.value());
                json!({"message_id": to_message, "date": 0, "chat": chat})
            }
        };
        drop(state);
        if let Some(fields) = fields.as_object_mut() {
            fields.insert("reply_to_message".into(), answered);
        }
        self.write(who, fields)
    }

    /// Changes the text of an own message; a message that is gone is edited all the same, as by an old client. What it
    /// replies to it says again.
    pub fn edit(&self, who: &Person, message_id: i64, new_text: &str) {
        let mut body = message_fields(who, text_fields(new_text));
        let state = self.shared.look();
        let before = state.world.message(who.chat, message_id);
        let answered = before
            .and_then(|shown| shown.reply_to)
            .and_then(|id| state.world.message(who.chat, id));
        if let Some(answered) = answered {
            let answered = state.world.message_value(answered);
            body.insert("reply_to_message".into(), answered);
        }
        drop(state);
        body.insert("message_id".into(), message_id.into());
        body.insert("edit_date".into(), unix_now().into());
        self.push(json!({"edited_message": body}));
    }

    /// Presses a button of a message, whether or not it shows one with this data. Returns the press's id.
    pub fn press(&self, who: &Person, message_id: i64, data: &str) -> String {
        let mut state = self.shared.change();
        let id = state.world.next_press();
        let chat = state.world.chat_value(who.chat, &who.value());
        let message = match state.world.message(who.chat, message_id) {
            Some(shown) => state.world.message_value(shown),
            // What the Bot API calls an inaccessible message.
            None => json!({"message_id": message_id, "date": 0, "chat": chat}),
        };
        let query = json!({
            "id": id, "from": who.value(), "message": message, "chat_instance": "1", "data": data,
        });
        offer(&mut state, json!({"callback_query": query}));
        id
    }

    /// Sends a photo (JPEG bytes), with a caption or an empty one. Returns the message's id.
    pub fn send_photo(&self, who: &Person, bytes: &[u8], caption: &str) -> i64 {
        let size = bytes.len() as u64;
        let file_id = self.store_file("photo", "photo.jpg", bytes, size);
        let photo = |width: u32, height: u32| {
            let mut photo = file_fields(&file_id, size);
            photo["width"] = width.into();
            photo["height"] = height.into();
            photo
        };
        let photos = json!([photo(90, 67), photo(1280, 960)]);
        self.write(who, with_caption(json!({"photo": photos}), caption))
    }

    /// Sends a voice message (OGG bytes). Returns the message's id.
    pub fn send_voice(&self, who: &Person, bytes: &[u8], seconds: u32) -> i64 {
        let size = bytes.len() as u64;
        let file_id = self.store_file("voice", "voice.oga", bytes, size);
        let mut voice = file_fields(&file_id, size);
        voice["duration"] = seconds.into();
        voice["mime_type"] = "audio/ogg".into();
        self.write(who, json!({"voice": voice}))
    }

    /// Sends a file under a name, with a caption or an empty one. Returns the message's id.
    pub fn send_document(&self, who: &Person, file_name: &str, bytes: &[u8], caption: &str) -> i64 {
        let size = bytes.len() as u64;
        let file_id = self.store_file("document", file_name, bytes, size);
        let mut document = file_fields(&file_id, size);
        document["file_name"] = file_name.into();
        document["mime_type"] = "application/octet-stream".into();
        self.write(who, with_caption(json!({"document": document}), caption))
    }

    /// Keeps a file for `getFile` and returns its id; `size` is what the server claims, in bytes.
    pub fn store_file(&self, kind: &str, file_name: &str, bytes: &[u8], size: u64) -> String {
        self.shared
            .change()
            .world
            .store_file(kind, file_name, bytes.to_vec(), size)
    }

    /// Queues an update: its body without `update_id`, such as `{"message": {…}}`.
    ///
    /// A message without `message_id`, `date` or `chat` gets them (a new id, now, the sender's private chat); with
    /// them, its chat comes to exist. Returns the update's id; none when the bot does not want updates of this kind.
    pub fn push(&self, body: Value) -> Option<i64> {
        let mut state = self.shared.change();
        offer(&mut state, body)
    }

    /// Queues an element of the answer's list as it is, with `@id` replaced by its update id, which is returned.
    pub fn push_text(&self, raw: &str) -> i64 {
        self.shared.change().updates.offer_raw(raw)
    }

    /// Blocks the bot in the private chat: nothing reaches it any more. The bot is told.
    pub fn block(&self, who: &Person) {
        let refusal = Refusal::new(403, "Forbidden: bot was blocked by the user");
        self.change_membership(who, Some(refusal), "member", "kicked");
    }

    /// Takes the block back. The bot is told.
    pub fn unblock(&self, who: &Person) {
        self.change_membership(who, None, "kicked", "member");
    }

    fn change_membership(&self, who: &Person, refuses: Option<Refusal>, old: &str, new: &str) {
        let mut state = self.shared.change();
        let bot = state.world.bot();
        let member = |status: &str| {
            let mut member = json!({"user": bot, "status": status});
            if status == "kicked" {
                member["until_date"] = 0.into();
            }
            member
        };
        let chat = state.world.chat_value(who.chat, &who.value());
        let change = json!({
            "chat": chat, "from": who.value(), "date": unix_now(),
            "old_chat_member": member(old), "new_chat_member": member(new),
        });
        state.world.chats.entry(who.chat).or_default().refuses = refuses;
        offer(&mut state, json!({"my_chat_member": change}));
    }

    /// Writes a text in the name of the chat, as an admin who stays anonymous does. Returns the message's id.
    pub fn say_as_chat(&self, who: &Person, text: &str) -> i64 {
        let mut content = text_fields(text);
        // The account that the server names in place of the person.
        content["from"] = json!({"id": 1_087_968_824, "is_bot": true, "first_name": "Group",
            "username": "GroupAnonymousBot"});
        content["sender_chat"] = json!({"id": who.chat, "type": "supergroup", "title": "Group"});
        self.write(who, content)
    }

    /// Adds the bot to the group in which this person is. The bot is told.
    pub fn add_to_group(&self, who: &Person) {
        self.change_membership(who, None, "left", "member");
    }

    /// Throws the bot out of the group in which this person is. The bot is told.
    pub fn remove_from_group(&self, who: &Person) {
        let refusal = Refusal::new(403, "Forbidden: bot was kicked from the supergroup chat");
        self.change_membership(who, Some(refusal), "member", "kicked");
    }

    /// Sends any content, such as `{"location": {…}}`. Returns the message's id.
    pub fn write(&self, who: &Person, content: Value) -> i64 {
        let mut state = self.shared.change();
        let message_id = state.world.next_message_id();
        let mut message = message_fields(who, content);
        message.insert("message_id".into(), message_id.into());
        offer(&mut state, json!({"message": message}));
        message_id
    }
}

fn offer(state: &mut State, mut body: Value) -> Option<i64> {
    for kind in ["message", "edited_message"] {
        if let Some(message) = body.get_mut(kind).and_then(Value::as_object_mut) {
            complete(state, message);
            keep(state, message);
        }
    }
    state.updates.offer(body.as_object()?)
}

/// Adds what every message has.
fn complete(state: &mut State, message: &mut Map<String, Value>) {
    if !message.contains_key("message_id") {
        message.insert("message_id".into(), state.world.next_message_id().into());
    }
    let user = message.get("from").cloned().unwrap_or_default();
    if let (false, Some(id)) = (message.contains_key("chat"), user["id"].as_i64()) {
        message.insert("chat".into(), state.world.chat_value(id, &user));
    }
    message.entry("date").or_insert_with(|| unix_now().into());
}

/// Lets a message stand in its chat; one of an odd form is only passed on.
fn keep(state: &mut State, message: &Map<String, Value>) {
    let number = |name: &str| message.get(name).and_then(Value::as_i64);
    let chat = message.get("chat").and_then(|chat| chat["id"].as_i64());
    let (Some(id), Some(chat), Some(date)) = (number("message_id"), chat, number("date")) else {
        return;
    };
    let text = ["text", "caption"]
        .iter()
        .find_map(|name| message.get(*name)?.as_str());
    let edits = state
        .world
        .message(chat, id)
        .map_or(0, |shown| shown.edits + 1);
    let is_topic = message.get("is_topic_message") == Some(&json!(true));
    let mut extra = message.clone();
    // One level only: the message it answers is added when it is shown.
    extra.remove("reply_to_message");
    state.world.put(Shown {
        id,
        chat,
        topic: number("message_thread_id").filter(|_| is_topic),
        from_bot: false,
        date,
        text: text.unwrap_or("").to_string(),
        entities: message
            .get("entities")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default(),
        buttons: Vec::new(),
        reply_to: message
            .get("reply_to_message")
            .and_then(|answered| answered["message_id"].as_i64()),
        silent: false,
        edits,
        attachment: None,
        rich: None,
        reaction: None,
        from: message.get("from").cloned().unwrap_or_default(),
        markup: None,
        extra,
    });
}

fn message_fields(who: &Person, content: Value) -> Map<String, Value> {
    let chat = match who.chat == who.user {
        true => json!({"id": who.chat, "type": "private", "first_name": who.name}),
        false => {
            json!({"id": who.chat, "type": "supergroup", "title": "Group", "is_forum": who.topic.is_some()})
        }
    };
    let mut fields = Map::new();
    fields.insert("from".into(), who.value());
    fields.insert("chat".into(), chat);
    if let Some(topic) = who.topic {
        fields.insert("message_thread_id".into(), topic.into());
        fields.insert("is_topic_message".into(), true.into());
    }
    if let Value::Object(content) = content {
        fields.extend(content);
    }
    fields
}

/// A text, with the entities that the server finds for a command at its beginning and for names that are mentioned.
fn text_fields(text: &str) -> Value {
    let mut entities = Vec::new();
    let word = text.split_whitespace().next().unwrap_or("");
    if text.starts_with('/') && word.len() > 1 {
        let length = super::text::units(word);
        entities.push(json!({"type": "bot_command", "offset": 0, "length": length}));
    }
    entities.extend(mentions(text));
    match entities.is_empty() {
        true => json!({"text": text}),
        false => json!({"text": text, "entities": entities}),
    }
}

/// The entities of what stands in a text as `@name` and is no part of a word. A command has its bot within its own.
fn mentions(text: &str) -> Vec<Value> {
    let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut found = Vec::new();
    for (at, _) in text.match_indices('@') {
        let (before, name) = (&text[..at], &text[at + 1..]);
        let length = name
            .find(|letter| !is_of_name(letter))
            .unwrap_or(name.len());
        // The server knows no shorter names.
        if length >= 3
            && !before.ends_with(|letter: char| letter.is_alphanumeric() || letter == '_')
        {
            let offset = super::text::units(before);
            found.push(json!({"type": "mention", "offset": offset, "length": length + 1}));
        }
    }
    found
}

fn with_caption(mut content: Value, caption: &str) -> Value {
    if !caption.is_empty() {
        content["caption"] = caption.into();
    }
    content
}

fn file_fields(file_id: &str, size: u64) -> Value {
    json!({"file_id": file_id, "file_unique_id": format!("u{file_id}"), "file_size": size})
}
