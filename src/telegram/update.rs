//! Decodes updates, one by one. Pure.
//!
//! Every field is optional until something needs it, kinds are strings, and what is not known is kept apart: a new
//! kind of update, or one that does not decode, must never hold up the others. Telegram's newer clients send things
//! that no library knows yet.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::chat::{
    Body, ChatId, Inbound, Incoming, MessageId, Person, Place, Press, TopicId, UserId,
};

/// One update: its number, and what it says or why that is not known.
#[derive(Debug, PartialEq, Eq)]
pub struct Decoded {
    pub id: i64,
    /// The error names what was missing, never content.
    pub inbound: Result<Inbound, &'static str>,
}

/// The updates of an answer, each still as it came; None where the answer is no list.
pub fn split(answer: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(answer.get()).ok()
}

type Fields<'a> = HashMap<Cow<'a, str>, &'a RawValue>;

/// Decodes one update; None where not even its number can be read.
pub fn decode(raw: &RawValue) -> Option<Decoded> {
    let fields: Fields<'_> = serde_json::from_str(raw.get()).ok()?;
    let id: i64 = field(&fields, "update_id")?;
    let inbound = if let Some(message) = fields.get("message") {
        match moved(message) {
            Some(moved) => Ok(moved),
            None => incoming(message).map(Inbound::Message),
        }
    } else if let Some(message) = fields.get("edited_message") {
        incoming(message).map(Inbound::Edited)
    } else if let Some(query) = fields.get("callback_query") {
        press(query).map(Inbound::Press)
    } else if let Some(change) = fields.get("my_chat_member") {
        membership(change)
    } else {
        let kind = fields
            .keys()
            .find(|key| *key != "update_id")
            .map_or("nothing", |key| key.as_ref());
        Ok(Inbound::Other(kind.chars().take(40).collect()))
    };
    Some(Decoded { id, inbound })
}

/// How the bot is called, without the `@`, from the answer of getMe.
pub fn name_of_bot(me: &RawValue) -> Option<String> {
    let fields: Fields<'_> = serde_json::from_str(me.get()).ok()?;
    field(&fields, "username").filter(|name: &String| !name.is_empty())
}

/// A field of the wrong type counts as one that is not there.
fn field<'a, T: Deserialize<'a>>(fields: &Fields<'a>, name: &str) -> Option<T> {
    serde_json::from_str(fields.get(name)?.get()).ok()
}

#[derive(Deserialize)]
struct Chat {
    id: i64,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    title: String,
    #[serde(default)]
    is_forum: bool,
}

#[derive(Deserialize)]
struct User {
    id: i64,
    #[serde(default)]
    first_name: String,
}

impl From<User> for Person {
    fn from(user: User) -> Person {
        Person {
            id: UserId(user.id),
            name: user.first_name,
        }
    }
}

fn incoming(raw: &RawValue) -> Result<Incoming, &'static str> {
    let fields: Fields<'_> =
        serde_json::from_str(raw.get()).map_err(|_| "the message is no object")?;
    let chat: Chat = field(&fields, "chat").ok_or("the message has no chat")?;
    let message = field(&fields, "message_id").ok_or("the message has no id")?;
    let topic = topic_of(&fields, chat.id);
    let (reply_to, replied_to) = field(&fields, "reply_to_message")
        .and_then(|replied: Fields<'_>| replied_to(&replied, chat.id, topic))
        .unzip();
    let speaks_for_a_chat = fields.contains_key("sender_chat");
    Ok(Incoming {
        place: Place {
            chat: ChatId(chat.id),
            topic,
        },
        private: chat.kind == "private",
        forum: chat.is_forum,
        title: chat.title,
        from: field::<User>(&fields, "from")
            .filter(|_| !speaks_for_a_chat)
            .map(Person::from),
        message: MessageId(message),
        date: field(&fields, "date").unwrap_or(0),
        edit_date: field(&fields, "edit_date").unwrap_or(0),
        origin: field(&fields, "forward_origin")
            .map(|origin: Value| origin_of(&origin))
            // What was picked of another bot's results is that bot's text, whoever sends it.
            .or_else(|| field(&fields, "via_bot").map(|bot: Value| name_of(&bot))),
        reply_to,
        replied_to: replied_to.flatten(),
        caption: field(&fields, "caption").unwrap_or_default(),
        body: body(&fields),
    })
}

/// The number of a group's first topic, which is the group itself: nothing can be sent to it by that number.
const GENERAL: i64 = 1;

/// The topic in which a message stands. In groups without topics the thread only says what is a reply to what.
fn topic_of(message: &Fields<'_>, chat: i64) -> Option<TopicId> {
    let in_topic = field(message, "is_topic_message").unwrap_or(false);
    field::<i64>(message, "message_thread_id")
        .filter(|thread| in_topic && (chat > 0 || *thread != GENERAL))
        .map(TopicId)
}

/// The message of the same chat that a message replies to, and who wrote that. Within a topic, clients may give the service
/// message that has made the topic: nobody has chosen that one.
fn replied_to(
    replied: &Fields<'_>,
    chat: i64,
    topic: Option<TopicId>,
) -> Option<(MessageId, Option<UserId>)> {
    let message: i64 = field(replied, "message_id")?;
    let is_of_topic = replied.contains_key("forum_topic_created")
        || topic.is_some_and(|topic| topic.0 == message);
    let is_elsewhere = field::<Chat>(replied, "chat").is_some_and(|of| of.id != chat);
    // Who writes for a chat is given a number of Telegram's own.
    let author = field::<User>(replied, "from")
        .filter(|_| !replied.contains_key("sender_chat"))
        .map(|from| UserId(from.id));
    (!is_of_topic && !is_elsewhere).then_some((MessageId(message), author))
}

/// Who wrote a message that was forwarded, as far as Telegram tells.
fn origin_of(origin: &Value) -> String {
    let name = |place: &str, names: &[&str]| {
        let of = &origin[place];
        let parts: Vec<&str> = names.iter().filter_map(|name| of[*name].as_str()).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    };
    name("sender_user", &["first_name", "last_name"])
        .or_else(|| origin["sender_user_name"].as_str().map(str::to_owned))
        .or_else(|| name("sender_chat", &["title"]))
        .or_else(|| name("chat", &["title"]))
        .unwrap_or_else(|| "somebody".to_owned())
}

/// The bot whose text a person has sent, as far as Telegram tells.
fn name_of(bot: &Value) -> String {
    match (bot["username"].as_str(), bot["first_name"].as_str()) {
        (Some(username), _) => format!("@{username}"),
        (None, Some(name)) => name.to_owned(),
        (None, None) => "a bot".to_owned(),
    }
}

/// What a service message says about a group that has become a supergroup. It comes twice: in the group that was, and
/// in the supergroup. Nobody but Telegram can write these fields; what makes no sense is a service message like others.
fn moved(raw: &RawValue) -> Option<Inbound> {
    let fields: Fields<'_> = serde_json::from_str(raw.get()).ok()?;
    let here = field::<Chat>(&fields, "chat")?.id;
    let (from, to) = match (
        field(&fields, "migrate_to_chat_id"),
        field(&fields, "migrate_from_chat_id"),
    ) {
        (Some(to), _) => (here, to),
        (None, Some(from)) => (from, here),
        (None, None) => return None,
    };
    (from < 0 && to < 0 && from != to).then_some(Inbound::Moved {
        from: ChatId(from),
        to: ChatId(to),
    })
}

/// A change of what the bot itself is in a chat.
fn membership(raw: &RawValue) -> Result<Inbound, &'static str> {
    let fields: Fields<'_> =
        serde_json::from_str(raw.get()).map_err(|_| "the membership is no object")?;
    let chat: Chat = field(&fields, "chat").ok_or("the membership has no chat")?;
    let now: Fields<'_> =
        field(&fields, "new_chat_member").ok_or("the membership says nothing about now")?;
    let status: String = field(&now, "status").ok_or("the membership has no status")?;
    let may_write = match status.as_str() {
        "creator" | "administrator" | "member" => true,
        // A right that is not mentioned counts as given: a call that is refused says more.
        "restricted" => ["is_member", "can_send_messages"]
            .iter()
            .all(|right| field(&now, right).unwrap_or(true)),
        "left" | "kicked" => false,
        _ => return Err("the membership has a status of tomorrow"),
    };
    Ok(Inbound::Membership {
        chat: ChatId(chat.id),
        may_write,
    })
}

/// What people send that cannot be taken yet, in words. An animation also counts as a document, so it comes first.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("photo", "a photo"),
    ("live_photo", "a live photo"),
    ("animation", "an animation"),
    ("document", "a file"),
    ("voice", "a voice message"),
    ("video_note", "a video message"),
    ("video", "a video"),
    ("audio", "a piece of music"),
    ("sticker", "a sticker"),
    ("venue", "a place"),
    ("location", "a location"),
    ("contact", "a contact"),
    ("poll", "a poll"),
    ("checklist", "a checklist"),
    ("dice", "a dice"),
    ("game", "a game"),
    ("story", "a story"),
    ("paid_media", "paid media"),
    ("invoice", "an invoice"),
    ("giveaway", "a giveaway"),
    ("widget", "a widget"),
];

/// Begins of the fields by which Telegram itself speaks in a chat.
const SERVICE: &[&str] = &[
    "new_chat_",
    "left_chat_",
    "delete_chat_photo",
    "group_chat_created",
    "supergroup_chat_created",
    "channel_chat_created",
    "message_auto_delete_timer_changed",
    "migrate_",
    "pinned_message",
    "successful_payment",
    "refunded_payment",
    "users_shared",
    "chat_shared",
    "chat_owner_",
    "gift",
    "unique_gift",
    "connected_website",
    "write_access_allowed",
    "passport_data",
    "proximity_alert_triggered",
    "boost_added",
    "chat_background_set",
    "checklist_tasks_",
    "direct_message_price_changed",
    "forum_topic_",
    "general_forum_topic_",
    "giveaway_",
    "paid_message_price_changed",
    "poll_option_",
    "suggested_post_",
    "video_chat_",
    "web_app_data",
];

fn body(fields: &Fields<'_>) -> Body {
    if let Some(text) = field::<String>(fields, "text") {
        return Body::Text(text);
    }
    // Clients send formatted text that was pasted as blocks, without any plain text beside it.
    if let Some(rich) = field::<Value>(fields, "rich_message") {
        let mut text = String::new();
        flatten(&rich, &mut text);
        if !text.trim().is_empty() {
            return Body::Text(text.trim_end().to_owned());
        }
    }
    if let Some((_, words)) = UNSUPPORTED
        .iter()
        .find(|(name, _)| fields.contains_key(*name))
    {
        return Body::Unsupported(words);
    }
    if fields
        .keys()
        .any(|key| SERVICE.iter().any(|begin| key.starts_with(begin)))
    {
        return Body::Service;
    }
    Body::Unsupported("a kind of message that I do not know")
}

/// The visible text of a rich message's tree, a line for each block. Unknown blocks give what text they have.
fn flatten(node: &Value, text: &mut String) {
    match node {
        Value::String(words) => text.push_str(words),
        Value::Array(nodes) => nodes.iter().for_each(|node| flatten(node, text)),
        Value::Object(fields) => {
            for name in [
                "text",
                "summary",
                "expression",
                "items",
                "cells",
                "blocks",
                "caption",
                "credit",
            ] {
                let Some(inner) = fields.get(name) else {
                    continue;
                };
                match (name, inner) {
                    ("blocks" | "items" | "cells", Value::Array(blocks)) => {
                        for block in blocks {
                            flatten(block, text);
                            if !text.is_empty() && !text.ends_with('\n') {
                                text.push('\n');
                            }
                        }
                    }
                    _ => flatten(inner, text),
                }
            }
        }
        _ => {}
    }
}

fn press(raw: &RawValue) -> Result<Press, &'static str> {
    let fields: Fields<'_> =
        serde_json::from_str(raw.get()).map_err(|_| "the press is no object")?;
    let from: User = field(&fields, "from").ok_or("the press has no sender")?;
    let at = fields.get("message").and_then(|message| {
        let message: Fields<'_> = serde_json::from_str(message.get()).ok()?;
        let chat: Chat = field(&message, "chat")?;
        Some((
            Place {
                chat: ChatId(chat.id),
                topic: topic_of(&message, chat.id),
            },
            MessageId(field(&message, "message_id")?),
        ))
    });
    Ok(Press {
        callback: field(&fields, "id").ok_or("the press has no id")?,
        from: from.into(),
        at,
        data: field(&fields, "data").unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(json: &str) -> Option<Decoded> {
        decode(serde_json::from_str::<&RawValue>(json).unwrap())
    }

    fn text_of(message: &str) -> Body {
        let json = format!(r#"{{"update_id":1,"message":{message}}}"#);
        match decoded(&json).unwrap().inbound.unwrap() {
            Inbound::Message(incoming) => incoming.body,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_first_topic_of_a_group_is_the_group_itself() {
        let topic = |chat: i64, fields: &str| {
            let message = format!(
                r#"{{"message_id":9,"text":"hi","chat":{{"id":{chat},"type":"supergroup"}},{fields}"from":{{"id":5}}}}"#
            );
            let json = format!(r#"{{"update_id":1,"message":{message}}}"#);
            let Ok(Inbound::Message(incoming)) = decoded(&json).unwrap().inbound else {
                panic!("it is a message")
            };
            let query = format!(r#"{{"id":"1","from":{{"id":5}},"message":{message}}}"#);
            let json = format!(r#"{{"update_id":1,"callback_query":{query}}}"#);
            let Ok(Inbound::Press(press)) = decoded(&json).unwrap().inbound else {
                panic!("it is a press")
            };
            assert_eq!(press.at.map(|(place, _)| place), Some(incoming.place));
            incoming.place.topic
        };
        let in_topic = |number| format!(r#""message_thread_id":{number},"is_topic_message":true,"#);
        assert_eq!(topic(-7, &in_topic(1)), None);
        assert_eq!(topic(-7, &in_topic(5)), Some(TopicId(5)));
        assert_eq!(
            topic(-7, r#""message_thread_id":5,"#),
            None,
            "a thread of replies"
        );
        assert_eq!(topic(7, &in_topic(1)), Some(TopicId(1)));
    }

    #[test]
    fn a_reply_names_a_message_of_its_chat_and_not_the_beginning_of_its_topic() {
        let reply_to = |fields: &str, replied: &str| {
            let json = format!(
                r#"{{"update_id":1,"message":{{"message_id":9,"text":"hi","chat":{{"id":7,"type":"private"}},
                    {fields} "reply_to_message":{replied}}}}}"#
            );
            match decoded(&json).unwrap().inbound.unwrap() {
                Inbound::Message(incoming) => {
                    assert_eq!(incoming.reply_to.is_none(), incoming.replied_to.is_none());
                    incoming.reply_to
                }
                other => panic!("{other:?}"),
            }
        };
        let of_chat = r#"{"message_id":3,"from":{"id":77},"chat":{"id":7,"type":"private"}}"#;
        assert_eq!(reply_to("", of_chat), Some(MessageId(3)));
        let bare = r#"{"message_id":3,"from":{"id":77}}"#;
        assert_eq!(reply_to("", bare), Some(MessageId(3)));
        let in_topic = r#""message_thread_id":5,"is_topic_message":true,"#;
        assert_eq!(reply_to(in_topic, of_chat), Some(MessageId(3)));
        let service = r#"{"message_id":4,"from":{"id":77},"forum_topic_created":{"name":"web"}}"#;
        let other_chat = r#"{"message_id":3,"from":{"id":77},"chat":{"id":8,"type":"private"}}"#;
        for (fields, replied) in [
            (in_topic, service),
            (in_topic, r#"{"message_id":5,"from":{"id":77}}"#),
            ("", other_chat),
            ("", r#"{"date":0}"#),
            ("", "3"),
        ] {
            assert_eq!(reply_to(fields, replied), None, "{replied}");
        }
    }

    #[test]
    fn who_wrote_what_is_replied_to_is_known_where_it_was_somebody() {
        let replied_to = |replied: &str| {
            let json = format!(
                r#"{{"update_id":1,"message":{{"message_id":9,"text":"hi","chat":{{"id":-7,"type":"group","title":"Us"}},
                    "reply_to_message":{replied}}}}}"#
            );
            match decoded(&json).unwrap().inbound.unwrap() {
                Inbound::Message(incoming) => {
                    assert_eq!(incoming.title, "Us");
                    (incoming.reply_to, incoming.replied_to)
                }
                other => panic!("{other:?}"),
            }
        };
        let message = Some(MessageId(3));
        for (replied, author) in [
            (
                r#"{"message_id":3,"from":{"id":77,"is_bot":true}}"#,
                Some(UserId(77)),
            ),
            (
                r#"{"message_id":3,"from":{"id":77},"sender_chat":{"id":-7}}"#,
                None,
            ),
            (r#"{"message_id":3}"#, None),
        ] {
            assert_eq!(replied_to(replied), (message, author), "{replied}");
        }
    }

    #[test]
    fn the_bots_name_is_in_the_answer_of_get_me() {
        let name = |json: &str| name_of_bot(serde_json::from_str(json).unwrap());
        assert_eq!(
            name(r#"{"id":7,"username":"my_bot"}"#).as_deref(),
            Some("my_bot")
        );
        for odd in [
            r#"{"id":7}"#,
            r#"{"username":""}"#,
            r#"{"username":7}"#,
            "[]",
        ] {
            assert_eq!(name(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_message_is_decoded_whatever_else_it_holds() {
        let json = r#"{"new_field":{"x":[1]},"update_id":5,"message":{"message_id":3,"date":1700000000,"text":"hi",
            "chat":{"id":7,"type":"private","mood":"new"},"from":{"id":7,"first_name":"Ada","is_bot":false},
            "entities":[{"type":"never_heard_of"}]}}"#;
        let decoded = decoded(json).unwrap();
        assert_eq!(decoded.id, 5);
        let Ok(Inbound::Message(message)) = decoded.inbound else {
            panic!()
        };
        assert_eq!(
            message.place,
            Place {
                chat: ChatId(7),
                topic: None
            }
        );
        assert!(message.private);
        assert_eq!(
            message.from,
            Some(Person {
                id: UserId(7),
                name: "Ada".into()
            })
        );
        assert_eq!(message.body, Body::Text("hi".into()));
    }

    #[test]
    fn what_is_broken_keeps_its_number() {
        let broken =
            decoded(r#"{"update_id":6,"message":{"message_id":"three","chat":{"id":7}}}"#).unwrap();
        assert_eq!(
            broken,
            Decoded {
                id: 6,
                inbound: Err("the message has no id")
            }
        );
        assert_eq!(
            decoded(r#"{"update_id":7,"message":[]}"#).unwrap().inbound,
            Err("the message is no object")
        );
        assert_eq!(
            decoded(r#"{"update_id":8,"poll_of_tomorrow":{}}"#)
                .unwrap()
                .inbound,
            Ok(Inbound::Other("poll_of_tomorrow".into()))
        );
        assert_eq!(decoded(r#"{"message":{}}"#), None);
        assert_eq!(decoded("17"), None);
    }

    #[test]
    fn one_that_speaks_for_a_chat_is_no_person() {
        let json = r#"{"update_id":1,"message":{"message_id":3,"chat":{"id":-7,"type":"group"},"text":"hi",
            "sender_chat":{"id":-7},"from":{"id":1087968824,"first_name":"Group"}}}"#;
        let Ok(Inbound::Message(message)) = decoded(json).unwrap().inbound else {
            panic!()
        };
        assert_eq!(message.from, None);
    }

    #[test]
    fn a_thread_is_a_topic_only_where_there_are_topics() {
        let with = |topic: &str| {
            let json = format!(
                r#"{{"update_id":1,"message":{{"message_id":3,"chat":{{"id":-7}},"text":"x","message_thread_id":9{topic}}}}}"#
            );
            match decoded(&json).unwrap().inbound.unwrap() {
                Inbound::Message(message) => message.place.topic,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(with(""), None);
        assert_eq!(with(r#","is_topic_message":true"#), Some(TopicId(9)));
    }

    #[test]
    fn kinds_are_told_apart() {
        let chat = r#""message_id":1,"chat":{"id":1}"#;
        assert_eq!(
            text_of(&format!(r#"{{{chat},"photo":[],"caption":"x"}}"#)),
            Body::Unsupported("a photo")
        );
        assert_eq!(
            text_of(&format!(r#"{{{chat},"document":{{}},"animation":{{}}}}"#)),
            Body::Unsupported("an animation")
        );
        assert_eq!(
            text_of(&format!(r#"{{{chat},"forum_topic_created":{{}}}}"#)),
            Body::Service
        );
        assert_eq!(
            text_of(&format!(r#"{{{chat},"hologram":{{}}}}"#)),
            Body::Unsupported("a kind of message that I do not know")
        );
    }

    #[test]
    fn pasted_rich_text_is_text() {
        let rich = r#"{"message_id":1,"chat":{"id":1},"rich_message":{"blocks":[
            {"type":"paragraph","text":["look at ",{"type":"bold","text":"this"}]},
            {"type":"list","items":[{"blocks":[{"type":"paragraph","text":"one"}]},{"blocks":[{"type":"new","text":"two"}]}]}]}}"#;
        assert_eq!(text_of(rich), Body::Text("look at this\none\ntwo".into()));
    }

    #[test]
    fn what_another_bot_wrote_is_not_the_words_of_who_sends_it() {
        let origin = |more: &str| {
            let json = format!(
                r#"{{"update_id":1,"message":{{"message_id":3,"chat":{{"id":7}},"text":"/stop","from":{{"id":7}}{more}}}}}"#
            );
            match decoded(&json).unwrap().inbound.unwrap() {
                Inbound::Message(message) => message.origin,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(origin(""), None);
        for (bot, named) in [
            (
                r#"{"id":9,"is_bot":true,"first_name":"Gif","username":"gif"}"#,
                "@gif",
            ),
            (r#"{"id":9,"first_name":"Gif"}"#, "Gif"),
            ("true", "a bot"),
        ] {
            assert_eq!(
                origin(&format!(r#","via_bot":{bot}"#)).as_deref(),
                Some(named)
            );
        }
        let both = r#","via_bot":{"username":"gif"},"forward_origin":{"sender_user_name":"Bob"}"#;
        assert_eq!(origin(both).as_deref(), Some("Bob"));
    }

    #[test]
    fn a_forwarded_message_names_its_author() {
        let origin = |json: &str| origin_of(&serde_json::from_str(json).unwrap());
        assert_eq!(
            origin(r#"{"type":"user","sender_user":{"id":1,"first_name":"Ada","last_name":"L"}}"#),
            "Ada L"
        );
        assert_eq!(
            origin(r#"{"type":"hidden_user","sender_user_name":"Bob"}"#),
            "Bob"
        );
        assert_eq!(
            origin(r#"{"type":"channel","chat":{"id":-1,"title":"News"}}"#),
            "News"
        );
        assert_eq!(origin(r#"{"type":"of_tomorrow"}"#), "somebody");
    }

    #[test]
    fn a_group_that_moves_says_so_on_both_sides() {
        let read = |message: &str| {
            let json = format!(r#"{{"update_id":1,"message":{message}}}"#);
            decoded(&json).unwrap().inbound.unwrap()
        };
        let moved = Inbound::Moved {
            from: ChatId(-5),
            to: ChatId(-1005),
        };
        let old = r#"{"message_id":1,"chat":{"id":-5,"type":"group"},"migrate_to_chat_id":-1005}"#;
        assert_eq!(read(old), moved);
        let new =
            r#"{"message_id":1,"chat":{"id":-1005,"type":"supergroup"},"migrate_from_chat_id":-5}"#;
        assert_eq!(read(new), moved);
        for odd in ["7", "-5", r#""-1005""#, "null"] {
            let odd =
                format!(r#"{{"message_id":1,"chat":{{"id":-5}},"migrate_to_chat_id":{odd}}}"#);
            let Inbound::Message(message) = read(&odd) else {
                panic!("{odd}")
            };
            assert_eq!(message.body, Body::Service, "{odd}");
        }
    }

    #[test]
    fn the_bots_own_membership_says_whether_it_may_write() {
        let read = |member: &str| {
            let json = format!(
                r#"{{"update_id":1,"my_chat_member":{{"chat":{{"id":7,"type":"private"}},"from":{{"id":7}},"date":1,
                    "old_chat_member":{{"status":"member"}},"new_chat_member":{member}}}}}"#
            );
            decoded(&json).unwrap().inbound
        };
        let is = |may_write| {
            Ok(Inbound::Membership {
                chat: ChatId(7),
                may_write,
            })
        };
        for status in ["creator", "administrator", "member", "restricted"] {
            assert_eq!(read(&format!(r#"{{"status":"{status}"}}"#)), is(true));
        }
        let restricted = |right: &str, given: bool| {
            read(&format!(
                r#"{{"status":"restricted","is_member":true,"can_send_messages":true,"{right}":{given}}}"#
            ))
        };
        assert_eq!(restricted("can_send_polls", false), is(true));
        assert_eq!(restricted("can_send_messages", false), is(false));
        assert_eq!(restricted("is_member", false), is(false));
        for status in ["left", "kicked"] {
            assert_eq!(read(&format!(r#"{{"status":"{status}"}}"#)), is(false));
        }
        assert!(read(r#"{"status":"guest of honour"}"#).is_err());
        assert!(read("[]").is_err());
    }

    #[test]
    fn a_press_may_come_without_its_message() {
        let press = |json: &str| match decoded(json).unwrap().inbound.unwrap() {
            Inbound::Press(press) => press,
            other => panic!("{other:?}"),
        };
        let bare =
            press(r#"{"update_id":1,"callback_query":{"id":"c","from":{"id":7},"data":"d:1"}}"#);
        assert_eq!((bare.at, bare.data.as_str()), (None, "d:1"));
        let full = press(
            r#"{"update_id":1,"callback_query":{"id":"c","from":{"id":7},"data":"d:1",
                "message":{"message_id":4,"date":0,"chat":{"id":7,"type":"private"}}}}"#,
        );
        assert_eq!(
            full.at,
            Some((
                Place {
                    chat: ChatId(7),
                    topic: None
                },
                MessageId(4)
            ))
        );
    }
}
