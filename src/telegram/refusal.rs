//! What Telegram's refusals mean: code and words in, meaning out. Pure.
//!
//! The words are not documented and change their case, so the code is looked at first and then a lower-cased part of
//! the description. A 400 that nothing here knows is about the content of that one message.

/// What to do about a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is already as it should be: a success.
    AlreadySo,
    /// The message to edit is not there any more, or cannot be edited: an edit is dropped, a status message sent anew.
    MessageGone,
    /// The press is too old to be answered; what it asked for has been done all the same.
    PressTooOld,
    /// The topic is gone: once more without it.
    TopicGone,
    /// The chat takes nothing from this bot until someone writes there.
    ChatClosed,
    /// The token is not good (any more).
    Token,
    /// This one message cannot be shown like this.
    Content,
}

/// Reads a refusal (4xx other than 429).
pub fn read(code: u16, description: &str) -> Refusal {
    let words = description.to_lowercase();
    let says = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    match code {
        401 => Refusal::Token,
        404 if !says(&["method not found"]) => Refusal::Token,
        403 => Refusal::ChatClosed,
        _ if says(&["message is not modified", "topic_not_modified"]) => Refusal::AlreadySo,
        _ if says(&[
            "message to edit not found",
            "message_id_invalid",
            "message can't be edited",
        ]) =>
        {
            Refusal::MessageGone
        }
        _ if says(&["there is no text in the message to edit"]) => Refusal::MessageGone,
        _ if says(&["query is too old", "query id is invalid"]) => Refusal::PressTooOld,
        _ if says(&[
            "message thread not found",
            "topic_deleted",
            "topic_id_invalid",
            "topic_closed",
        ]) =>
        {
            Refusal::TopicGone
        }
        _ if says(&[
            "chat not found",
            "peer_id_invalid",
            "not enough rights to send",
            "have no rights to send",
        ]) =>
        {
            Refusal::ChatClosed
        }
        _ if says(&["chat_write_forbidden", "chat_restricted"]) => Refusal::ChatClosed,
        _ => Refusal::Content,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_read_in_any_case() {
        let cases = [
            (
                400,
                "Bad Request: message is not modified: specified new …",
                Refusal::AlreadySo,
            ),
            (
                400,
                "Bad Request: message to edit not found",
                Refusal::MessageGone,
            ),
            (400, "Bad Request: MESSAGE_ID_INVALID", Refusal::MessageGone),
            (
                400,
                "Bad Request: query is too old and response timeout expired or query ID is invalid",
                Refusal::PressTooOld,
            ),
            (
                400,
                "Bad Request: message thread not found",
                Refusal::TopicGone,
            ),
            (400, "Bad Request: chat not found", Refusal::ChatClosed),
            (
                403,
                "Forbidden: bot was blocked by the user",
                Refusal::ChatClosed,
            ),
            (400, "Bad Request: ENTITY_BOUNDS_INVALID", Refusal::Content),
            (400, "Bad Request: message is too long", Refusal::Content),
            (400, "Bad Request: never heard of", Refusal::Content),
            (401, "Unauthorized", Refusal::Token),
            (404, "Not Found", Refusal::Token),
            (404, "Not Found: method not found", Refusal::Content),
        ];
        for (code, words, meaning) in cases {
            assert_eq!(read(code, words), meaning, "{code} {words}");
        }
    }
}
