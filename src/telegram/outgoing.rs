//! Posts → calls of the Bot API. Pure: the types are frankenstein's, the sending is the courier's.
//!
//! Text goes out with entities of our own making and never with a `parse_mode`, so there is nothing to escape.

use frankenstein::methods::{
    AnswerCallbackQueryParams, CreateForumTopicParams, EditMessageTextParams, GetUpdatesParams,
    SendChatActionParams, SendMessageParams, SetMessageReactionParams, SetMyCommandsParams,
};
use frankenstein::types::{
    AllowedUpdate, BotCommand, ChatAction, InlineKeyboardButton, InlineKeyboardMarkup,
    LinkPreviewOptions, MessageEntity, MessageEntityType, ReactionType, ReactionTypeEmoji,
    ReplyMarkup, ReplyParameters,
};
use serde::Serialize;

use crate::chat::{Button, Formatted, MessageId, Place, Post, Style, Target, TopicId};

/// A call, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub method: &'static str,
    /// JSON, or parts where there is a boundary.
    pub body: Vec<u8>,
    /// What parts the parts of a multipart body.
    pub boundary: Option<String>,
}

/// The method that makes a topic.
pub const CREATE_TOPIC: &str = "createForumTopic";

/// The call that sends a post; None where there is nothing to do (an edit of a message that was never delivered). A new
/// message replies to `replies`.
pub fn post(
    place: Place,
    post: &Post,
    edits: Option<MessageId>,
    replies: Option<MessageId>,
) -> Option<Call> {
    match post {
        Post::Message {
            body,
            buttons,
            silent,
        } => Some(new_message(place, body, buttons, *silent, replies)),
        Post::Document {
            name,
            text,
            caption,
            silent,
        } => Some(document(place, name, text, caption, *silent, replies)),
        Post::Edit {
            target,
            body,
            buttons,
        } => match (edits, target) {
            (Some(edits), _) => Some(edit(place, edits, body, buttons)),
            (None, Target::StatusOrNew(_)) => Some(message(place, body, buttons, true)),
            (None, Target::Row(_) | Target::Status(_)) => None,
        },
        Post::Toast { callback, text } => Some(toast(callback, text)),
        Post::Reaction { message, emoji } => Some(call(
            "setMessageReaction",
            &SetMessageReactionParams::builder()
                .chat_id(place.chat.0)
                .message_id(narrow(message.0))
                .reaction(vec![ReactionType::Emoji(ReactionTypeEmoji {
                    emoji: emoji.clone(),
                })])
                .build(),
        )),
        Post::Topic { name, .. } => Some(call(
            CREATE_TOPIC,
            &CreateForumTopicParams::builder()
                .chat_id(place.chat.0)
                .name(name)
                .build(),
        )),
    }
}

/// The call that answers a press.
pub fn toast(callback: &str, text: &str) -> Call {
    call(
        "answerCallbackQuery",
        &AnswerCallbackQueryParams::builder()
            .callback_query_id(callback)
            .text(text)
            .build(),
    )
}

/// The call that sends a new message.
pub fn message(place: Place, body: &Formatted, buttons: &[Vec<Button>], silent: bool) -> Call {
    new_message(place, body, buttons, silent, None)
}

fn new_message(
    place: Place,
    body: &Formatted,
    buttons: &[Vec<Button>],
    silent: bool,
    replies: Option<MessageId>,
) -> Call {
    let keyboard =
        (!buttons.is_empty()).then(|| ReplyMarkup::InlineKeyboardMarkup(keyboard(buttons)));
    call(
        "sendMessage",
        &SendMessageParams::builder()
            .chat_id(place.chat.0)
            .maybe_message_thread_id(thread(place.topic))
            .text(&body.text)
            .maybe_entities(entities(body))
            .link_preview_options(LinkPreviewOptions::DISABLED)
            .maybe_disable_notification(silent.then_some(true))
            .maybe_reply_parameters(replies.map(reply_to))
            .maybe_reply_markup(keyboard)
            .build(),
    )
}

/// What is answered may have been deleted meanwhile.
fn reply_to(message: MessageId) -> ReplyParameters {
    ReplyParameters::builder()
        .message_id(narrow(message.0))
        .allow_sending_without_reply(true)
        .build()
}

/// The call that uploads a text as a file.
fn document(
    place: Place,
    name: &str,
    text: &str,
    caption: &Formatted,
    silent: bool,
    replies: Option<MessageId>,
) -> Call {
    let mut fields = vec![("chat_id", place.chat.0.to_string())];
    fields.extend(thread(place.topic).map(|topic| ("message_thread_id", topic.to_string())));
    if !caption.text.is_empty() {
        fields.push(("caption", caption.text.clone()));
    }
    if let Some(entities) = entities(caption) {
        fields.push(("caption_entities", json(&entities)));
    }
    if silent {
        fields.push(("disable_notification", "true".to_owned()));
    }
    fields.extend(replies.map(|message| ("reply_parameters", json(&reply_to(message)))));
    multipart("sendDocument", &fields, "document", name, text.as_bytes())
}

/// The call that gives a message of ours another text, with these buttons and no others.
pub fn edit(place: Place, message: MessageId, body: &Formatted, buttons: &[Vec<Button>]) -> Call {
    call(
        "editMessageText",
        &EditMessageTextParams::builder()
            .chat_id(place.chat.0)
            .message_id(narrow(message.0))
            .text(&body.text)
            .maybe_entities(entities(body))
            .link_preview_options(LinkPreviewOptions::DISABLED)
            .maybe_reply_markup((!buttons.is_empty()).then(|| keyboard(buttons)))
            .build(),
    )
}

/// The call that shows "typing…" for up to 5 s.
pub fn typing(place: Place) -> Call {
    call(
        "sendChatAction",
        &SendChatActionParams::builder()
            .chat_id(place.chat.0)
            .maybe_message_thread_id(thread(place.topic))
            .action(ChatAction::Typing)
            .build(),
    )
}

/// The long poll: everything from `offset` on, held for `seconds` where there is nothing. The full list of kinds goes
/// with each call, because the server remembers the last one.
pub fn get_updates(offset: i64, seconds: u32) -> Call {
    let kinds = vec![
        AllowedUpdate::Message,
        AllowedUpdate::EditedMessage,
        AllowedUpdate::CallbackQuery,
        AllowedUpdate::MyChatMember,
    ];
    call(
        "getUpdates",
        &GetUpdatesParams::builder()
            .offset(offset)
            .limit(100_u32)
            .timeout(seconds)
            .allowed_updates(kinds)
            .build(),
    )
}

/// The call that sets the commands of the menu: name and description of each.
pub fn set_commands(menu: &[(&str, &str)]) -> Call {
    let commands = menu.iter().map(|(name, description)| {
        BotCommand::builder()
            .command(*name)
            .description(*description)
            .build()
    });
    call(
        "setMyCommands",
        &SetMyCommandsParams::builder()
            .commands(commands.collect::<Vec<_>>())
            .build(),
    )
}

fn call(method: &'static str, parameters: &impl Serialize) -> Call {
    Call {
        method,
        body: json(parameters).into_bytes(),
        boundary: None,
    }
}

fn json(parameters: &impl Serialize) -> String {
    serde_json::to_string(parameters).expect("parameters are plain data with string keys")
}

/// A call with a file: the fields, then the file as the part `field`.
fn multipart(
    method: &'static str,
    fields: &[(&str, String)],
    field: &str,
    name: &str,
    file: &[u8],
) -> Call {
    // Nothing that is sent may hold the boundary; a number makes it one that nothing holds.
    let is_in = |text: &[u8], boundary: &str| {
        text.windows(boundary.len())
            .any(|window| window == boundary.as_bytes())
    };
    let boundary = (0_u64..)
        .map(|number| format!("chappe-{number:016x}"))
        .find(|boundary| {
            !is_in(file, boundary) && !fields.iter().any(|(_, value)| value.contains(boundary))
        })
        .expect("a text does not hold every number");
    let name: String = name
        .chars()
        .map(|letter| match letter {
            '"' | '\\' => '_',
            letter if letter.is_control() => '_',
            letter => letter,
        })
        .collect();
    let mut body = Vec::with_capacity(file.len() + 1024);
    for (field, value) in fields {
        body.extend_from_slice(
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n"
            )
            .as_bytes(),
        );
    }
    body.extend_from_slice(
        format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        )
        .as_bytes(),
    );
    body.extend_from_slice(file);
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    Call {
        method,
        body,
        boundary: Some(boundary),
    }
}

fn keyboard(buttons: &[Vec<Button>]) -> InlineKeyboardMarkup {
    let rows = buttons.iter().map(|row| {
        let row = row.iter().map(|button| {
            InlineKeyboardButton::builder()
                .text(&button.label)
                .callback_data(&button.data)
                .build()
        });
        row.collect()
    });
    InlineKeyboardMarkup {
        force_reply: None,
        inline_keyboard: rows.collect(),
    }
}

fn entities(body: &Formatted) -> Option<Vec<MessageEntity>> {
    let spans = body.spans.iter().map(|span| {
        let (kind, url, language) = match &span.style {
            Style::Bold => (MessageEntityType::Bold, None, None),
            Style::Italic => (MessageEntityType::Italic, None, None),
            Style::Strikethrough => (MessageEntityType::Strikethrough, None, None),
            Style::Code => (MessageEntityType::Code, None, None),
            Style::Pre { language } => (MessageEntityType::Pre, None, Some(language.clone())),
            Style::Link { url } => (MessageEntityType::TextLink, Some(url.clone()), None),
            Style::Quote => (MessageEntityType::Blockquote, None, None),
        };
        MessageEntity::builder()
            .type_field(kind)
            .offset(u16::try_from(span.offset).unwrap_or(u16::MAX))
            .length(u16::try_from(span.length).unwrap_or(u16::MAX))
            .maybe_url(url)
            .maybe_language(language.filter(|language| !language.is_empty()))
            .build()
    });
    (!body.spans.is_empty()).then(|| spans.collect())
}

/// Message ids fit 31 bits in the types for sending. One that does not exist is an error of Telegram's, not ours.
fn narrow(id: i64) -> i32 {
    i32::try_from(id).unwrap_or(i32::MAX)
}

/// General (1) is sent without its id: Telegram refuses it on messages.
fn thread(topic: Option<TopicId>) -> Option<i32> {
    topic
        .filter(|topic| topic.0 != 1)
        .map(|topic| narrow(topic.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{ChatId, Span};

    fn json(call: &Call) -> serde_json::Value {
        serde_json::from_slice(&call.body).unwrap()
    }

    #[test]
    fn a_message_carries_entities_and_buttons() {
        let place = Place {
            chat: ChatId(7),
            topic: Some(TopicId(5)),
        };
        let body = Formatted {
            text: "a b".into(),
            spans: vec![Span {
                offset: 2,
                length: 1,
                style: Style::Pre {
                    language: "rust".into(),
                },
            }],
        };
        let buttons = vec![vec![Button {
            label: "Deny".into(),
            data: "d:1".into(),
        }]];
        let sent = message(place, &body, &buttons, true);
        assert_eq!(sent.method, "sendMessage");
        assert_eq!(
            json(&sent),
            serde_json::json!({
                "chat_id": 7, "message_thread_id": 5, "text": "a b", "disable_notification": true,
                "entities": [{"type": "pre", "offset": 2, "length": 1, "language": "rust"}],
                "link_preview_options": {"is_disabled": true},
                "reply_markup": {"inline_keyboard": [[{"text": "Deny", "callback_data": "d:1"}]]},
            })
        );
    }

    #[test]
    fn a_new_message_and_a_file_may_be_replies() {
        let place = Place {
            chat: ChatId(-7),
            topic: None,
        };
        let text = Post::message(Formatted::plain("a b"));
        let call = post(place, &text, None, Some(MessageId(3))).unwrap();
        let expected = serde_json::json!({"message_id": 3, "allow_sending_without_reply": true});
        assert_eq!(json(&call)["reply_parameters"], expected);
        let file = Post::Document {
            name: "a.md".into(),
            text: "x".into(),
            caption: Formatted::default(),
            silent: false,
        };
        let call = post(place, &file, None, Some(MessageId(3))).unwrap();
        let body = String::from_utf8(call.body).unwrap();
        let field = body
            .split("name=\"reply_parameters\"\r\n\r\n")
            .nth(1)
            .unwrap();
        let field = field.split("\r\n").next().unwrap();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(field).unwrap(),
            expected
        );
    }

    #[test]
    fn a_topic_is_made_in_the_chat_and_not_in_another_topic() {
        let place = Place {
            chat: ChatId(7),
            topic: Some(TopicId(5)),
        };
        let topic = Post::Topic {
            name: "web".into(),
            session: crate::chat::SessionId(1),
            ready: Formatted::plain("ready"),
            before: None,
        };
        let sent = post(place, &topic, None, None).unwrap();
        assert_eq!(sent.method, CREATE_TOPIC);
        assert_eq!(
            json(&sent),
            serde_json::json!({"chat_id": 7, "name": "web"})
        );
    }

    #[test]
    fn an_edit_of_what_was_never_delivered_is_nothing_but_for_a_stop() {
        let place = Place {
            chat: ChatId(7),
            topic: None,
        };
        let edit = |target| Post::Edit {
            target,
            body: Formatted::plain("x"),
            buttons: Vec::new(),
        };
        let (row, prompt) = (crate::chat::RowId(1), crate::chat::PromptId(1));
        for (target, never_shown) in [
            (Target::Row(row), None),
            (Target::Status(prompt), None),
            (Target::StatusOrNew(prompt), Some("sendMessage")),
        ] {
            let sent = post(place, &edit(target), None, None);
            assert_eq!(sent.map(|sent| sent.method), never_shown);
            let sent = post(place, &edit(target), Some(MessageId(9)), None);
            assert_eq!(sent.unwrap().method, "editMessageText");
        }
    }

    #[test]
    fn a_document_is_in_parts_that_nothing_in_it_can_end() {
        let place = Place {
            chat: ChatId(-7),
            topic: Some(TopicId(5)),
        };
        let text = "--chappe-0000000000000000--\r\nx";
        let sent = Post::Document {
            name: "a \"b\"\r\n.md".into(),
            text: text.into(),
            caption: Formatted {
                text: "part".into(),
                spans: vec![Span {
                    offset: 0,
                    length: 4,
                    style: Style::Bold,
                }],
            },
            silent: true,
        };
        let call = post(place, &sent, None, None).unwrap();
        assert_eq!(call.method, "sendDocument");
        let boundary = call.boundary.unwrap();
        assert_eq!(boundary, "chappe-0000000000000001");
        let body = String::from_utf8(call.body).unwrap();
        let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
        let field = |name: &str, value: &str| {
            format!("\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        assert_eq!(
            parts,
            [
                "",
                &field("chat_id", "-7"),
                &field("message_thread_id", "5"),
                &field("caption", "part"),
                &field(
                    "caption_entities",
                    r#"[{"type":"bold","offset":0,"length":4}]"#
                ),
                &field("disable_notification", "true"),
                &format!(
                    "\r\nContent-Disposition: form-data; name=\"document\"; filename=\"a _b___.md\"\r\n\
                     Content-Type: application/octet-stream\r\n\r\n{text}\r\n"
                ),
                "--\r\n",
            ]
        );
    }

    #[test]
    fn the_poll_names_every_kind_it_wants() {
        assert_eq!(
            json(&get_updates(12, 50)),
            serde_json::json!({
                "offset": 12, "limit": 100, "timeout": 50,
                "allowed_updates": ["message", "edited_message", "callback_query", "my_chat_member"],
            })
        );
    }
}
