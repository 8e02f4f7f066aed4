//! The methods of the Bot API by name, all but getUpdates, and the small ones themselves.
//!
//! Pure over [`World`] and [`Updates`]; unknown parameters are ignored, unknown methods refused, as by the real server.

use super::messages::{self, place_of};
use super::params::Params;
use super::refusal::Refusal;
use super::text;
use super::updates::Updates;
use super::world::{DOWNLOAD_MAX, Event, Toast, World};
use serde_json::{Value, json};

/// A toast's text, in characters.
const TOAST_MAX: usize = 200;
const TOPIC_NAME_MAX: usize = 128;
const COMMANDS_MAX: usize = 100;

const ACTIONS: &[&str] = &[
    "typing",
    "upload_photo",
    "record_video",
    "upload_video",
    "record_voice",
    "upload_voice",
    "record_audio",
    "upload_audio",
    "upload_document",
    "choose_sticker",
    "find_location",
    "pick_up_location",
    "record_video_note",
    "upload_video_note",
    "cancel",
];

/// What a bot may react with: `ReactionTypeEmoji` of the documentation, whole.
const REACTIONS: &[&str] = &[
    "❤",
    "👍",
    "👎",
    "🔥",
    "🥰",
    "👏",
    "😁",
    "🤔",
    "🤯",
    "😱",
    "🤬",
    "😢",
    "🎉",
    "🤩",
    "🤮",
    "💩",
    "🙏",
    "👌",
    "🕊",
    "🤡",
    "🥱",
    "🥴",
    "😍",
    "🐳",
    "❤‍🔥",
    "🌚",
    "🌭",
    "💯",
    "🤣",
    "⚡",
    "🍌",
    "🏆",
    "💔",
    "🤨",
    "😐",
    "🍓",
    "🍾",
    "💋",
    "🖕",
    "😈",
    "😴",
    "😭",
    "🤓",
    "👻",
    "👨‍💻",
    "👀",
    "🎃",
    "🙈",
    "😇",
    "😨",
    "🤝",
    "✍",
    "🤗",
    "🫡",
    "🎅",
    "🎄",
    "☃",
    "💅",
    "🤪",
    "🗿",
    "🆒",
    "💘",
    "🙉",
    "🦄",
    "😘",
    "💊",
    "🙊",
    "😎",
    "👾",
    "🤷‍♂",
    "🤷",
    "🤷‍♀",
    "😡",
];

/// Does one call. `now` is in Unix seconds.
pub fn call(
    world: &mut World,
    updates: &mut Updates,
    method: &str,
    params: &Params,
    now: i64,
) -> Result<Value, Refusal> {
    match method.to_ascii_lowercase().as_str() {
        "getme" => Ok(me(world)),
        "sendmessage" => messages::send_text(world, params, now),
        "sendrichmessage" if world.knows_rich => messages::send_rich(world, params, now),
        "senddocument" => messages::send_file(world, params, now, "document"),
        "sendphoto" => messages::send_file(world, params, now, "photo"),
        "editmessagetext" => messages::edit_text(world, params),
        "editmessagecaption" => messages::edit_caption(world, params),
        "editmessagereplymarkup" => messages::edit_markup(world, params),
        "deletemessage" => messages::delete(world, params, now),
        "deletemessages" => messages::delete_many(world, params),
        "sendchataction" => action(world, params),
        "answercallbackquery" => answer_press(world, params),
        "setmessagereaction" => react(world, params),
        "createforumtopic" => create_topic(world, params),
        "editforumtopic" => topic_of(world, params).map(|_| json!(true)),
        "deleteforumtopic" => delete_topic(world, params),
        "getchat" => {
            let (chat, _) = place_of(world, params)?;
            Ok(world.chat_value(chat, &Value::Null))
        }
        "setmycommands" => set_commands(world, params),
        "getmycommands" => Ok(world
            .commands
            .get(&scope_of(params)?)
            .cloned()
            .unwrap_or_else(|| json!([]))),
        "deletemycommands" => {
            world.commands.remove(&scope_of(params)?);
            Ok(json!(true))
        }
        "getfile" => file(world, params),
        "setwebhook" => {
            world.webhook = params.text("url");
            forget_if_asked(updates, params);
            Ok(json!(true))
        }
        "deletewebhook" => {
            world.webhook.clear();
            forget_if_asked(updates, params);
            Ok(json!(true))
        }
        "getwebhookinfo" => Ok(json!({
            "url": world.webhook,
            "has_custom_certificate": false,
            "pending_update_count": updates.waiting(),
        })),
        _ => Err(Refusal::new(404, "Not Found: method not found")),
    }
}

/// Whether a call counts towards the flood limit of its chat: sends and edits share one budget.
pub fn is_counted(method: &str) -> bool {
    let method = method.to_ascii_lowercase();
    let is_edit = method.starts_with("editmessage");
    is_edit || method.starts_with("send") && method != "sendchataction"
}

fn me(world: &World) -> Value {
    let mut me = world.bot();
    for name in [
        "can_join_groups",
        "has_topics_enabled",
        "allows_users_to_create_topics",
    ] {
        me[name] = true.into();
    }
    for name in [
        "can_read_all_group_messages",
        "supports_inline_queries",
        "can_connect_to_business",
        "has_main_web_app",
    ] {
        me[name] = false.into();
    }
    me
}

fn action(world: &mut World, params: &Params) -> Result<Value, Refusal> {
    let action = params.text("action").to_ascii_lowercase();
    if !ACTIONS.contains(&action.as_str()) {
        return Err(Refusal::bad("wrong parameter action in request"));
    }
    // Only here General (topic 1) may be named.
    let place = match params.number("message_thread_id") {
        Some(1) => params.number("chat_id").map(|chat| (chat, None)),
        _ => None,
    };
    let (chat, topic) = match place {
        Some((chat, topic)) => world.chat(chat).map(|_| (chat, topic))?,
        None => place_of(world, params)?,
    };
    world.emit(Event::Action {
        chat,
        topic,
        action,
    });
    Ok(json!(true))
}

fn answer_press(world: &mut World, params: &Params) -> Result<Value, Refusal> {
    let callback_id = params.text("callback_query_id");
    let text = params.text("text");
    if text.chars().count() > TOAST_MAX {
        return Err(Refusal::bad("MESSAGE_TOO_LONG"));
    }
    match world.presses.get_mut(&callback_id) {
        Some(answered @ false) => *answered = true,
        _ => {
            return Err(Refusal::bad(
                "query is too old and response timeout expired or query ID is invalid",
            ));
        }
    }
    let alert = params.flag("show_alert");
    world.toast(Toast {
        callback_id,
        text,
        alert,
    });
    Ok(json!(true))
}

fn react(world: &mut World, params: &Params) -> Result<Value, Refusal> {
    let (chat, _) = place_of(world, params)?;
    let reactions = params.json("reaction")?.unwrap_or_else(|| json!([]));
    let reactions = reactions.as_array().cloned().unwrap_or_default();
    if reactions.len() > 1 {
        return Err(Refusal::bad("REACTIONS_TOO_MANY"));
    }
    let emoji = match reactions.first() {
        None => None,
        Some(reaction) => {
            let emoji = reaction["emoji"].as_str().unwrap_or("");
            // Some clients send the variation selector, which the server drops.
            let emoji = emoji.trim_end_matches('\u{fe0f}');
            if reaction["type"] != "emoji" || !REACTIONS.contains(&emoji) {
                return Err(Refusal::bad("REACTION_INVALID"));
            }
            Some(emoji.to_string())
        }
    };
    let message_id = params.number("message_id").unwrap_or(0);
    let Some(shown) = world.message_mut(chat, message_id) else {
        return Err(Refusal::bad("message to react not found"));
    };
    shown.reaction = emoji.clone();
    world.emit(Event::Reaction {
        chat,
        message_id,
        emoji,
    });
    Ok(json!(true))
}

fn create_topic(world: &mut World, params: &Params) -> Result<Value, Refusal> {
    let (chat, _) = place_of(world, params)?;
    // A private chat has topics where the bot has; a group only where somebody has made it a forum.
    if chat < 0 && world.chat(chat)?.topics.is_empty() {
        return Err(Refusal::bad("the chat is not a forum"));
    }
    let name = params.text("name").trim().to_string();
    if name.is_empty() || text::units(&name) > TOPIC_NAME_MAX {
        return Err(Refusal::bad("TOPIC_TITLE_EMPTY"));
    }
    let topic = world.next_message_id();
    world.chats.entry(chat).or_default().topics.insert(topic);
    let color = params.number("icon_color").unwrap_or(0x6F_B9F0);
    Ok(json!({"message_thread_id": topic, "name": name, "icon_color": color}))
}

fn delete_topic(world: &mut World, params: &Params) -> Result<Value, Refusal> {
    let (chat, topic) = topic_of(world, params)?;
    if let Some(chat) = world.chats.get_mut(&chat) {
        chat.topics.remove(&topic);
        chat.messages.retain(|_, shown| shown.topic != Some(topic));
    }
    Ok(json!(true))
}

fn topic_of(world: &World, params: &Params) -> Result<(i64, i64), Refusal> {
    let (chat, topic) = place_of(world, params)?;
    topic
        .map(|topic| (chat, topic))
        .ok_or_else(|| Refusal::bad("TOPIC_ID_INVALID"))
}

fn set_commands(world: &mut World, params: &Params) -> Result<Value, Refusal> {
    let commands = params.json("commands")?.unwrap_or_else(|| json!([]));
    let Some(list) = commands.as_array() else {
        return Err(Refusal::bad("expected an Array of BotCommand"));
    };
    if list.len() > COMMANDS_MAX {
        return Err(Refusal::bad("BOT_COMMANDS_TOO_MUCH"));
    }
    for command in list {
        let name = command["command"]
            .as_str()
            .unwrap_or("")
            .trim_start_matches('/');
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if !(1..=32).contains(&name.len()) || !name.bytes().all(known) {
            return Err(Refusal::bad("BOT_COMMAND_INVALID"));
        }
        let description = command["description"].as_str().unwrap_or("").trim();
        if !(1..=256).contains(&text::units(description)) {
            return Err(Refusal::bad("BOT_COMMAND_DESCRIPTION_INVALID"));
        }
    }
    world.commands.insert(scope_of(params)?, commands);
    Ok(json!(true))
}

fn scope_of(params: &Params) -> Result<String, Refusal> {
    let scope = params
        .json("scope")?
        .unwrap_or_else(|| json!({"type": "default"}));
    Ok(format!("{scope} {}", params.text("language_code")))
}

fn file(world: &World, params: &Params) -> Result<Value, Refusal> {
    let file_id = params.text("file_id");
    let Some(file) = world.files.get(&file_id) else {
        return Err(Refusal::bad(
            "wrong file_id or the file is temporarily unavailable",
        ));
    };
    if file.size > DOWNLOAD_MAX {
        return Err(Refusal::bad("file is too big"));
    }
    Ok(json!({
        "file_id": file_id,
        "file_unique_id": format!("u{file_id}"),
        "file_size": file.size,
        "file_path": file.path,
    }))
}

fn forget_if_asked(updates: &mut Updates, params: &Params) {
    if params.flag("drop_pending_updates") {
        updates.clear();
    }
}
