//! Why a call fails, and what Telegram's refusals mean: code and words in, meaning out. Pure.
//!
//! The words are not documented and change their case, so the code is looked at first and then a lower-cased part of
//! the description; the first row of [`TABLE`] that fits counts. A 4xx that no row knows is about the content of that
//! one message. Floods (429) and unknown outcomes (5xx, no answer) are no refusals; `api` tells them apart.

/// Why a call did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// 429: nothing before so many seconds have passed. May be more than a day.
    Flood(u64),
    /// Telegram answered with an error that another try will not change.
    Refused {
        code: u16,
        description: String,
        /// Where a group has become a supergroup: its new id.
        migrate_to: Option<i64>,
    },
    /// The connection was never made, so nothing was done.
    Unreachable(&'static str),
    /// Nobody knows whether it was done: a timeout, a cut connection, a 5xx, an answer that is not JSON (but for 413).
    Unknown(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Flood(seconds) => write!(f, "flood wait of {seconds} s"),
            Failure::Refused {
                code, description, ..
            } => write!(f, "{code} {description}"),
            Failure::Unreachable(why) => write!(f, "not reached: {why}"),
            Failure::Unknown(why) => write!(f, "outcome unknown: {why}"),
        }
    }
}

/// What to do about a refusal. Each meaning leads to something else; what leads to the same has the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is already as it should be, or has been done: a success.
    AlreadySo,
    /// The message to edit is not there any more: a status message, a request, and what was decided on one, are sent anew.
    MessageGone,
    /// It is there, and cannot be edited: the same, but for what it shows already.
    MessageStays,
    /// The topic is gone: its binding goes, and what is owed goes to the chat without it.
    TopicGone,
    /// The topic is closed, and may be opened again: what is owed goes to the chat without it, the binding stays.
    TopicClosed,
    /// The chat takes nothing from this bot, until someone writes there or the bot gets its right to write back.
    ChatClosed,
    /// It does not fit into one message: the same in smaller parts.
    TooLong,
    /// Its buttons cannot be shown: the same without them, but for a request, which is nothing without them.
    Buttons,
    /// The chat takes no reactions, or not this one: none are sent there again.
    NoReactions,
    /// Nobody misses it, or nothing can be done about it.
    Drop,
    /// This one message cannot be shown like this: something simpler goes in its place.
    Content,
    /// Another poller asks for this bot's updates.
    OtherPoller,
    /// Nothing will work before a person has done something; what, in words for the operator.
    Stop(&'static str),
}

use Refusal::*;

const TOKEN: &str = "Telegram does not know this token (any more), or telegram.api_url points to something else. Copy \
     it again from @BotFather (/mybots, then the bot, then API Token), put it where the old one is, and start chappe \
     again. Nothing is lost.";

const LOGGED_OUT: &str = "this bot was logged out of this Bot API server: it was moved to another one. Set \
     telegram.api_url to the server that has it now (api.telegram.org takes it back ten minutes after logOut at the \
     earliest) and start chappe again. Nothing is lost.";

const MISDIRECTED: &str = "the Bot API server at telegram.api_url says that this bot's calls do not belong there. Look \
     at the server's own configuration, or at telegram.api_url, and start chappe again. Nothing is lost.";

const FROZEN: &str = "Telegram has frozen this bot or its owner's account. What to do about it stands in the Telegram \
     app of the owner. When it is over, start chappe again. Nothing is lost.";

const WEBHOOK: &str = "Telegram refuses: this bot has a webhook, so its messages go elsewhere. If that is not wanted, \
     remove it with\n  curl \"https://api.telegram.org/bot<TOKEN>/deleteWebhook\"\n(with the bot's token in place of \
     <TOKEN>) and start chappe again.";

/// Code, lower-cased parts of the description of which one must be there (none: any description), meaning. In the order
/// in which they are tried.
///
/// What belongs to something that chappe does not do (captions, uploads by URL, polls …) has its row all the same, so
/// that the table is whole.
#[rustfmt::skip]
const TABLE: &[(u16, &[&str], Refusal)] = &[
    // Edits.
    (400, &["message is not modified", "topic_not_modified"], AlreadySo),
    (400, &["message to edit not found", "message_id_invalid"], MessageGone),
    (400, &["message can't be edited"], MessageStays),
    (400, &["there is no text in the message to edit"], MessageGone),
    (400, &["message to delete not found", "message can't be deleted"], Drop),
    // What a message refers to.
    (400, &["message to be replied not found", "message to reply not found"], Content),
    (400, &["quote_text_invalid", "quote not found"], Content),
    // Its text.
    (400, &["message text is empty", "text must be non-empty", "message_empty"], Drop),
    (400, &["message is too long", "message_too_long", "text is too long"], TooLong),
    (400, &["message caption is too long", "media_caption_too_long"], Content),
    (400, &["can't parse entities", "entity_bounds_invalid"], Content),
    (400, &["rich_", "can't parse inputrich", "rich message must be non-empty"], Content),
    (400, &["strings must be encoded in utf-8"], Content),
    // Its buttons, and presses.
    (400, &["reply markup is too long", "reply_markup_too_long"], Buttons),
    (400, &["button_data_invalid"], Buttons),
    (400, &["button_url_invalid", "button_type_invalid", "button_user_privacy_restricted"], Buttons),
    (400, &["query is too old", "query id is invalid"], Drop),
    // The chat.
    (400, &["chat not found", "peer_id_invalid"], ChatClosed),
    (400, &["group chat was upgraded to a supergroup chat"], ChatClosed),
    // A group may take texts and no files.
    (400, &["not enough rights to send documents", "chat_send_docs_forbidden"], Content),
    (400, &["not enough rights to send", "have no rights to send"], ChatClosed),
    (400, &["chat_send_plain_forbidden"], ChatClosed),
    (400, &["chat_write_forbidden", "chat_restricted"], ChatClosed),
    (400, &["need administrator rights", "chat_admin_required"], Drop),
    (400, &["not enough rights to manage pinned messages"], Drop),
    // The topic.
    (400, &["message thread not found", "topic_deleted", "topic_id_invalid"], TopicGone),
    (400, &["topic_closed"], TopicClosed),
    (400, &["the chat is not a forum", "bot_forum_create_forbidden"], TopicGone),
    (400, &["not enough rights to create a topic"], TopicGone),
    // Files.
    (400, &["wrong file_id or the file is temporarily unavailable"], Content),
    (400, &["wrong file identifier/http url specified", "file_reference_expired"], Content),
    (400, &["file is too big"], Content),
    (400, &["failed to get http url content", "wrong type of the web page content"], Content),
    (400, &["webpage_curl_failed"], Content),
    (400, &["photo_invalid_dimensions", "image_process_failed", "photo_ext_invalid"], Content),
    (400, &["file must be non-empty"], Drop),
    (400, &["voice_messages_forbidden", "message has protected content"], Content),
    // Small things.
    (400, &["reaction_invalid", "reactions_too_many"], NoReactions),
    (400, &["message to react not found"], Drop),
    (400, &["bot_commands_too_much", "bot_command_invalid", "bot_command_description_invalid"], Drop),
    (400, &["textdraft_peer_invalid", "random_id_invalid"], Drop),
    (400, &["wrong parameter action in request"], Drop),
    // The bot itself.
    (400, &["logged out"], Stop(LOGGED_OUT)),
    (401, &[], Stop(TOKEN)),
    // Who may hear from it.
    (403, &["send messages to bots"], Drop),
    (403, &[], ChatClosed),
    (404, &["method not found"], Content),
    (404, &[], Stop(TOKEN)),
    (406, &["frozen_"], Stop(FROZEN)),
    (409, &["webhook"], Stop(WEBHOOK)),
    (409, &[], OtherPoller),
    (413, &[], Content),
    (421, &[], Stop(MISDIRECTED)),
    // The one 5xx that says what has become of the message.
    (500, &["sent message was immediately deleted"], AlreadySo),
];

/// Reads a refusal.
pub fn read(code: u16, description: &str) -> Refusal {
    known(code, description).unwrap_or(Content)
}

/// What the table says; None for an error that stands in no row.
pub fn known(code: u16, description: &str) -> Option<Refusal> {
    let words = description.to_lowercase();
    let fits = |parts: &[&str]| parts.is_empty() || parts.iter().any(|part| words.contains(part));
    TABLE
        .iter()
        .find(|(of, parts, _)| *of == code && fits(parts))
        .map(|(_, _, meaning)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Descriptions as servers write them, with the meaning each must have.
    #[rustfmt::skip]
    const DESCRIPTIONS: &[(u16, &[&str], Refusal)] = &[
        (400, &[
            "Bad Request: message is not modified: specified new message content and reply markup are exactly the \
             same as a current content and reply markup of the message",
            "Bad Request: TOPIC_NOT_MODIFIED",
        ], AlreadySo),
        (400, &["Bad Request: message to edit not found", "Bad Request: MESSAGE_ID_INVALID"], MessageGone),
        (400, &["Bad Request: message can't be edited"], MessageStays),
        (400, &["Bad Request: there is no text in the message to edit"], MessageGone),
        (400, &[
            "Bad Request: message to delete not found",
            "Bad Request: message can't be deleted for everyone",
        ], Drop),
        (400, &["Bad Request: message to be replied not found", "Bad Request: message to reply not found"], Content),
        (400, &["Bad Request: QUOTE_TEXT_INVALID", "Bad Request: quote not found"], Content),
        (400, &[
            "Bad Request: message text is empty",
            "Bad Request: text must be non-empty",
            "Bad Request: MESSAGE_EMPTY",
        ], Drop),
        (400, &[
            "Bad Request: message is too long",
            "Bad Request: MESSAGE_TOO_LONG",
            "Bad Request: text is too long",
        ], TooLong),
        (400, &["Bad Request: message caption is too long", "Bad Request: MEDIA_CAPTION_TOO_LONG"], Content),
        (400, &[
            "Bad Request: can't parse entities: Character '-' is reserved",
            "Bad Request: ENTITY_BOUNDS_INVALID",
        ], Content),
        (400, &[
            "Bad Request: RICH_MESSAGE_TEXT_TOO_LONG",
            "Bad Request: can't parse InputRichBlock: unknown type",
            "Bad Request: rich message must be non-empty",
        ], Content),
        (400, &["Bad Request: strings must be encoded in UTF-8"], Content),
        (400, &["Bad Request: reply markup is too long", "Bad Request: REPLY_MARKUP_TOO_LONG"], Buttons),
        (400, &["Bad Request: BUTTON_DATA_INVALID"], Buttons),
        (400, &[
            "Bad Request: BUTTON_URL_INVALID",
            "Bad Request: BUTTON_TYPE_INVALID",
            "Bad Request: BUTTON_USER_PRIVACY_RESTRICTED",
        ], Buttons),
        (400, &["Bad Request: query is too old and response timeout expired or query ID is invalid"], Drop),
        (400, &["Bad Request: chat not found", "Bad Request: PEER_ID_INVALID"], ChatClosed),
        (400, &["Bad Request: private chat not found"], ChatClosed),
        (403, &["Forbidden: bot can't initiate conversation with a user"], ChatClosed),
        (400, &[
            "Bad Request: message thread not found",
            "Bad Request: TOPIC_DELETED",
            "Bad Request: TOPIC_ID_INVALID",
        ], TopicGone),
        (400, &["Bad Request: TOPIC_CLOSED"], TopicClosed),
        (400, &[
            "Bad Request: the chat is not a forum",
            "Bad Request: BOT_FORUM_CREATE_FORBIDDEN",
            "Bad Request: not enough rights to create a topic",
        ], TopicGone),
        (400, &["Bad Request: group chat was upgraded to a supergroup chat"], ChatClosed),
        (400, &[
            "Bad Request: not enough rights to send text messages to the chat",
            "Bad Request: have no rights to send a message",
            "Bad Request: CHAT_SEND_PLAIN_FORBIDDEN",
            "Bad Request: CHAT_WRITE_FORBIDDEN",
            "Bad Request: CHAT_RESTRICTED",
        ], ChatClosed),
        (400, &[
            "Bad Request: need administrator rights in the channel chat",
            "Bad Request: CHAT_ADMIN_REQUIRED",
            "Bad Request: not enough rights to manage pinned messages in the chat",
        ], Drop),
        (400, &[
            "Bad Request: wrong file_id or the file is temporarily unavailable",
            "Bad Request: wrong file identifier/HTTP URL specified",
            "Bad Request: FILE_REFERENCE_EXPIRED",
        ], Content),
        (400, &["Bad Request: file is too big"], Content),
        (400, &[
            "Bad Request: not enough rights to send documents to the chat",
            "Bad Request: CHAT_SEND_DOCS_FORBIDDEN",
        ], Content),
        (400, &[
            "Bad Request: failed to get HTTP URL content",
            "Bad Request: wrong type of the web page content",
            "Bad Request: WEBPAGE_CURL_FAILED",
        ], Content),
        (400, &[
            "Bad Request: PHOTO_INVALID_DIMENSIONS",
            "Bad Request: IMAGE_PROCESS_FAILED",
            "Bad Request: PHOTO_EXT_INVALID",
        ], Content),
        (400, &["Bad Request: file must be non-empty"], Drop),
        (400, &["Bad Request: REACTION_INVALID", "Bad Request: REACTIONS_TOO_MANY"], NoReactions),
        (400, &["Bad Request: message to react not found"], Drop),
        (400, &[
            "Bad Request: BOT_COMMANDS_TOO_MUCH",
            "Bad Request: BOT_COMMAND_INVALID",
            "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID",
        ], Drop),
        (400, &["Bad Request: TEXTDRAFT_PEER_INVALID"], Drop),
        (400, &["Bad Request: RANDOM_ID_INVALID", "Bad Request: wrong parameter action in request"], Drop),
        (400, &[
            "Bad Request: VOICE_MESSAGES_FORBIDDEN",
            "Bad Request: message has protected content and can't be forwarded",
        ], Content),
        (400, &["Bad Request: logged out", "Logged out"], Stop(LOGGED_OUT)),
        (401, &["Unauthorized", "Unauthorized: invalid token specified"], Stop(TOKEN)),
        (403, &["Forbidden: bot was blocked by the user", "Forbidden: user is deactivated"], ChatClosed),
        (403, &[
            "Forbidden: bot was kicked from the supergroup chat",
            "Forbidden: bot is not a member of the channel chat",
            "Forbidden: the group chat was deleted",
        ], ChatClosed),
        (403, &["Forbidden: bot can't send messages to bots", "Forbidden: the bot can't send messages to bots"], Drop),
        (404, &["Not Found"], Stop(TOKEN)),
        (404, &["Not Found: method not found"], Content),
        (406, &["Not Acceptable: FROZEN_METHOD_INVALID", "FROZEN_PARTICIPANT_MISSING"], Stop(FROZEN)),
        (409, &[
            "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
        ], OtherPoller),
        (409, &[
            "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook \
             first",
            "Conflict: terminated by setWebhook request",
        ], Stop(WEBHOOK)),
        (413, &["Request Entity Too Large"], Content),
        (421, &["Misdirected Request"], Stop(MISDIRECTED)),
        (500, &["Internal Server Error: sent message was immediately deleted and can't be returned"], AlreadySo),
    ];

    #[test]
    fn every_row_is_read_in_both_letter_cases() {
        for (code, descriptions, meaning) in DESCRIPTIONS {
            for description in *descriptions {
                for words in [
                    (*description).to_owned(),
                    description.to_lowercase(),
                    description.to_uppercase(),
                ] {
                    assert_eq!(read(*code, &words), *meaning, "{code} {words}");
                }
            }
        }
    }

    #[test]
    fn every_row_of_the_table_and_every_word_in_it_is_reached() {
        let read_by = |code: u16, description: &str| {
            let words = description.to_lowercase();
            TABLE.iter().position(|(of, parts, _)| {
                let fits = parts.is_empty() || parts.iter().any(|part| words.contains(part));
                *of == code && fits
            })
        };
        for (index, (code, parts, _)) in TABLE.iter().enumerate() {
            let described = || {
                DESCRIPTIONS
                    .iter()
                    .filter(|(of, ..)| of == code)
                    .flat_map(|(_, descriptions, _)| *descriptions)
                    .filter(|description| read_by(*code, description) == Some(index))
            };
            assert!(described().next().is_some(), "{code} {parts:?}");
            for part in *parts {
                assert_eq!(*part, part.to_lowercase(), "it is compared in lower case");
                let says = |description: &&&str| description.to_lowercase().contains(part);
                assert!(
                    described().any(|description| says(&description)),
                    "{code} {part}"
                );
            }
        }
    }

    #[test]
    fn what_no_row_knows_is_about_that_one_message() {
        for (code, words) in [
            (400, "Bad Request: never heard of"),
            (405, ""),
            (406, "what"),
        ] {
            assert_eq!((known(code, words), read(code, words)), (None, Content));
        }
        assert_eq!(known(500, "Internal Server Error: restart"), None);
    }
}
