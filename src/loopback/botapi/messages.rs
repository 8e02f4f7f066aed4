//! The methods that put, change and remove messages.
//!
//! Pure over [`World`]. The order of the checks is that of the real server where it is known: the text's own faults,
//! the keyboard, the chat, the topic, the message to answer, and last the limits that only Telegram itself knows.

use super::markup;
use super::params::Params;
use super::refusal::Refusal;
use super::rich;
use super::text::{self, Text};
use super::world::{Attachment, Event, Shown, World};
use serde_json::{Map, Value, json};

/// A bot may delete messages younger than this, in seconds.
const DELETE_AGE_MAX: i64 = 48 * 3600;
/// Uploads through the cloud, in bytes.
const UPLOAD_MAX: usize = 50 * 1024 * 1024;
const NOT_MODIFIED: &str = "message is not modified: specified new message content and reply markup are exactly the same \
    as a current content and reply markup of the message";

/// What a call wants to say, checked as far as that goes without the chat.
#[derive(Default)]
struct Content {
    text: Text,
    rich: Option<Value>,
    attachment: Option<Attachment>,
}

pub fn send_text(world: &mut World, params: &Params, now: i64) -> Result<Value, Refusal> {
    let content = Content {
        text: text_of(params)?,
        ..Content::default()
    };
    send(world, params, now, content)
}

pub fn send_rich(world: &mut World, params: &Params, now: i64) -> Result<Value, Refusal> {
    let content = rich_of(params)?.ok_or_else(|| Refusal::bad("rich message must be non-empty"))?;
    send(world, params, now, content)
}

pub fn send_file(
    world: &mut World,
    params: &Params,
    now: i64,
    kind: &'static str,
) -> Result<Value, Refusal> {
    let caption = fixed(params, "caption", "caption_entities")?;
    if text::units(&caption.text) > text::CAPTION_MAX {
        return Err(Refusal::bad("message caption is too long"));
    }
    let attachment = match params.upload(kind) {
        Some(upload) if upload.bytes.is_empty() => {
            return Err(Refusal::bad("file must be non-empty"));
        }
        Some(upload) if upload.bytes.len() > UPLOAD_MAX => {
            return Err(Refusal::new(413, "Request Entity Too Large"));
        }
        Some(upload) => {
            // Refused calls must not leave files behind.
            place_of(world, params)?;
            let size = upload.bytes.len() as u64;
            let file_name = clean_file_name(&upload.file_name);
            let file_id = world.store_file(kind, &file_name, upload.bytes.clone(), size);
            Attachment {
                kind,
                file_id,
                file_name,
                size,
            }
        }
        None => {
            let file_id = params.text(kind);
            if file_id.is_empty() {
                return Err(Refusal::bad(&format!("there is no {kind} in the request")));
            }
            let Some(file) = world.files.get(&file_id) else {
                return Err(Refusal::bad("wrong file identifier/HTTP URL specified"));
            };
            let file_name = file.path.rsplit('/').next().unwrap_or("").to_string();
            Attachment {
                kind,
                file_name,
                size: file.size,
                file_id,
            }
        }
    };
    let content = Content {
        text: caption,
        attachment: Some(attachment),
        rich: None,
    };
    send(world, params, now, content)
}

pub fn edit_text(world: &mut World, params: &Params) -> Result<Value, Refusal> {
    let content = match rich_of(params)? {
        Some(content) if world.knows_rich => content,
        _ => Content {
            text: text_of(params)?,
            ..Content::default()
        },
    };
    edit(world, params, |shown| {
        if shown.attachment.is_some() {
            return Err(Refusal::bad("there is no text in the message to edit"));
        }
        let same = shown.text == content.text.text
            && shown.entities == content.text.entities
            && shown.rich == content.rich;
        shown.text = content.text.text;
        shown.entities = content.text.entities;
        shown.rich = content.rich;
        Ok(!same)
    })
}

pub fn edit_caption(world: &mut World, params: &Params) -> Result<Value, Refusal> {
    let caption = fixed(params, "caption", "caption_entities")?;
    if text::units(&caption.text) > text::CAPTION_MAX {
        return Err(Refusal::bad("message caption is too long"));
    }
    edit(world, params, |shown| {
        if shown.attachment.is_none() {
            return Err(Refusal::bad("there is no caption in the message to edit"));
        }
        let same = shown.text == caption.text && shown.entities == caption.entities;
        shown.text = caption.text;
        shown.entities = caption.entities;
        Ok(!same)
    })
}

pub fn edit_markup(world: &mut World, params: &Params) -> Result<Value, Refusal> {
    edit(world, params, |_| Ok(false))
}

pub fn delete(world: &mut World, params: &Params, now: i64) -> Result<Value, Refusal> {
    let (chat, _) = place_of(world, params)?;
    let id = params
        .number("message_id")
        .ok_or_else(|| Refusal::bad("message identifier is not specified"))?;
    let shown = world
        .message(chat, id)
        .ok_or_else(|| Refusal::bad("message to delete not found"))?;
    if now - shown.date > DELETE_AGE_MAX {
        return Err(Refusal::bad("message can't be deleted for everyone"));
    }
    // In a group this bot has no rights over what others wrote.
    if chat < 0 && !shown.from_bot {
        return Err(Refusal::bad("message can't be deleted"));
    }
    remove(world, chat, id);
    Ok(json!(true))
}

pub fn delete_many(world: &mut World, params: &Params) -> Result<Value, Refusal> {
    let (chat, _) = place_of(world, params)?;
    let ids = params.json("message_ids")?.unwrap_or(Value::Null);
    let ids: Option<Vec<i64>> = ids
        .as_array()
        .map(|ids| ids.iter().filter_map(Value::as_i64).collect());
    let Some(ids) = ids.filter(|ids| (1..=100).contains(&ids.len())) else {
        return Err(Refusal::bad("message identifiers are not specified"));
    };
    // What is not there is skipped without a word.
    for id in ids {
        if world
            .message(chat, id)
            .is_some_and(|shown| chat > 0 || shown.from_bot)
        {
            remove(world, chat, id);
        }
    }
    Ok(json!(true))
}

/// The chat and topic a call is meant for.
pub fn place_of(world: &World, params: &Params) -> Result<(i64, Option<i64>), Refusal> {
    if params.text("chat_id").is_empty() {
        return Err(Refusal::bad("chat_id is empty"));
    }
    let id = params
        .number("chat_id")
        .ok_or_else(|| Refusal::bad("chat not found"))?;
    let chat = world.chat(id)?;
    match params
        .number("message_thread_id")
        .filter(|topic| *topic != 0)
    {
        None => Ok((id, None)),
        Some(topic) if chat.closed_topics.contains(&topic) => Err(Refusal::bad("TOPIC_CLOSED")),
        Some(topic) if chat.topics.contains(&topic) => Ok((id, Some(topic))),
        Some(_) => Err(Refusal::bad("message thread not found")),
    }
}

fn send(world: &mut World, params: &Params, now: i64, content: Content) -> Result<Value, Refusal> {
    let markup = params.json("reply_markup")?;
    let buttons = markup::check(markup.as_ref())?;
    let (chat, topic) = place_of(world, params)?;
    let reply_to = reply_of(world, params, chat)?;
    let shown = Shown {
        id: world.next_message_id(),
        chat,
        topic,
        from_bot: true,
        date: now,
        text: content.text.text,
        entities: content.text.entities,
        buttons,
        reply_to,
        silent: params.flag("disable_notification"),
        edits: 0,
        attachment: content.attachment,
        rich: content.rich,
        reaction: None,
        from: world.bot(),
        markup,
        extra: Map::new(),
    };
    let value = world.message_value(&shown);
    world.put(shown.clone());
    world.emit(Event::Sent(shown));
    Ok(value)
}

/// Changes a message of the bot; `change` says whether the content is another than before.
fn edit(
    world: &mut World,
    params: &Params,
    change: impl FnOnce(&mut Shown) -> Result<bool, Refusal>,
) -> Result<Value, Refusal> {
    let markup = params.json("reply_markup")?;
    let buttons = markup::check(markup.as_ref())?;
    let (chat, _) = place_of(world, params)?;
    let id = params
        .number("message_id")
        .ok_or_else(|| Refusal::bad("message identifier is not specified"))?;
    let shown = world
        .message(chat, id)
        .ok_or_else(|| Refusal::bad("message to edit not found"))?;
    if !shown.from_bot {
        return Err(Refusal::bad("message can't be edited"));
    }
    let mut edited = shown.clone();
    let changed = change(&mut edited)?;
    if !changed && edited.buttons == buttons {
        return Err(Refusal::bad(NOT_MODIFIED));
    }
    // A keyboard that is not sent again goes.
    edited.buttons = buttons;
    edited.markup = markup;
    edited.edits += 1;
    let value = world.message_value(&edited);
    world.put(edited.clone());
    world.emit(Event::Edited(edited));
    Ok(value)
}

fn remove(world: &mut World, chat: i64, message_id: i64) {
    let messages = world.chats.get_mut(&chat).map(|chat| &mut chat.messages);
    if messages.is_some_and(|messages| messages.remove(&message_id).is_some()) {
        world.emit(Event::Deleted { chat, message_id });
    }
}

fn text_of(params: &Params) -> Result<Text, Refusal> {
    if params.text("text").is_empty() {
        return Err(Refusal::bad("message text is empty"));
    }
    let text = fixed(params, "text", "entities")?;
    if text.text.is_empty() {
        return Err(Refusal::bad("text must be non-empty"));
    }
    if text::units(&text.text) > text::TEXT_MAX {
        return Err(Refusal::bad("message is too long"));
    }
    Ok(text)
}

fn rich_of(params: &Params) -> Result<Option<Content>, Refusal> {
    let Some(message) = params.json("rich_message")? else {
        return Ok(None);
    };
    let text = Text {
        text: rich::check(&message)?,
        entities: Vec::new(),
    };
    Ok(Some(Content {
        text,
        rich: Some(message),
        attachment: None,
    }))
}

fn fixed(params: &Params, name: &str, entities: &str) -> Result<Text, Refusal> {
    // Taking markup for plain text would let a test pass that fails on the real server.
    if !params.text("parse_mode").is_empty() {
        return Err(Refusal::bad("unsupported parse_mode"));
    }
    text::fix(&params.text(name), params.json(entities)?.as_ref())
}

fn reply_of(world: &World, params: &Params, chat: i64) -> Result<Option<i64>, Refusal> {
    let Some(reply) = params.json("reply_parameters")? else {
        return Ok(None);
    };
    let Some(id) = reply["message_id"].as_i64() else {
        return Ok(None);
    };
    match world.message(chat, id) {
        Some(_) => Ok(Some(id)),
        None if reply["allow_sending_without_reply"] == true => Ok(None),
        None => Err(Refusal::bad("message to be replied not found")),
    }
}

/// Keeps the last part of a path, as the real server does.
fn clean_file_name(name: &str) -> String {
    name.rsplit(['/', '\\']).next().unwrap_or("").to_string()
}
