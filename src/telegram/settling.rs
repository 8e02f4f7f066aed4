//! What the end of a call means: for its row, for its chat, and for the pace from then on. Pure.
//!
//! It writes nothing: what must be written down is returned, in order. What a refusal's words mean stands in `refusal`.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::outgoing;
use super::pacing::{Call, End};
use super::refusal::{self, Failure, Refusal};
use crate::chat::{ChatId, Due, Lane, MessageId, Place, PromptId, RowId, TopicId};
use crate::render::ladder::Change;

/// Something that has happened and must be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settle {
    /// In the chat, as a message where it made one.
    Delivered(RowId, ChatId, Option<MessageId>),
    PutBack(RowId, Sent),
    /// Telegram refused it as it is: something else goes in its place, or nothing.
    Replace(Due, Change),
    Refuse(RowId),
    CloseChat(ChatId),
    MoveChat {
        from: ChatId,
        to: ChatId,
    },
    DropTopic(Place),
    AvoidTopic(Place),
    TopicMade(RowId, TopicId),
    NoTopic(RowId),
    StatusShown(PromptId, ChatId, MessageId),
    /// The chat takes no reactions.
    NoReactions(ChatId),
    /// The chat has had something since chappe began.
    CaughtUp(ChatId),
    /// Until when, in Unix seconds. None: for all chats.
    Flooded {
        chat: Option<ChatId>,
        now: i64,
        until: i64,
    },
}

/// Whether a call that failed may have arrived all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    Never,
    Perhaps,
}

/// What a call has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// For the pace.
    pub end: End,
    /// To be written down, in this order.
    pub what: Vec<Settle>,
    /// Nothing will be taken before a person has done something: chappe ends and says what.
    pub stop: Option<&'static str>,
}

impl Settled {
    fn new(end: End, what: impl IntoIterator<Item = Settle>) -> Settled {
        Settled {
            end,
            what: what.into_iter().collect(),
            stop: None,
        }
    }

    fn stop(why: &'static str, what: impl IntoIterator<Item = Settle>) -> Settled {
        Settled {
            stop: Some(why),
            ..Settled::new(End::Unreachable, what)
        }
    }
}

/// What the call of a method has come to.
pub fn settle(call: &Call, method: &str, result: &Result<Box<RawValue>, Failure>) -> Settled {
    match result {
        Ok(answer) if method == outgoing::CREATE_TOPIC => topic(call, answer),
        Ok(answer) => done(call, answer),
        Err(failure) => failed(call, method, failure),
    }
}

fn done(call: &Call, answer: &RawValue) -> Settled {
    /// Of a message only its number matters: a strict look would make "delivered" of a new kind of field unknown.
    #[derive(Deserialize)]
    struct Sent {
        message_id: Option<i64>,
    }
    let message = serde_json::from_str::<Sent>(answer.get())
        .ok()
        .and_then(|sent| sent.message_id)
        .map(MessageId);
    let mut what = Vec::new();
    match call {
        Call::Row(due) => {
            if !matches!(due.lane, Lane::Reaction | Lane::Toast) {
                what.push(Settle::CaughtUp(due.place.chat));
            }
            what.push(delivered(*due, message));
        }
        Call::Status {
            progress,
            message: None,
        } => what.extend(
            message
                .map(|message| Settle::StatusShown(progress.prompt, progress.place.chat, message)),
        ),
        Call::Status { .. } | Call::Typing(_) | Call::Warning(_) | Call::Toast(_) => {}
    }
    Settled::new(End::Done(message), what)
}

/// A topic was made, as far as the answer says which.
fn topic(call: &Call, answer: &RawValue) -> Settled {
    #[derive(Deserialize)]
    struct Made {
        message_thread_id: i64,
    }
    let what = row_of(call).map(|due| match serde_json::from_str::<Made>(answer.get()) {
        Ok(made) => Settle::TopicMade(due.row, TopicId(made.message_thread_id)),
        Err(_) => Settle::NoTopic(due.row),
    });
    Settled::new(End::Done(None), what)
}

fn failed(call: &Call, method: &str, failure: &Failure) -> Settled {
    let row = row_of(call);
    if call.is_toast() {
        // Good for seconds, and was tried twice where nobody knew. What the press asked for has been done.
        log::debug!("a press was not answered: {failure}");
        return Settled::new(End::Done(None), row.map(|due| Settle::Refuse(due.row)));
    }
    match failure {
        Failure::Flood(seconds) => {
            log::warn!("Telegram wants a wait of {seconds} s");
            let end = End::Flood(Duration::from_secs(*seconds));
            Settled::new(end, put_back(row, Sent::Never))
        }
        Failure::Unreachable(why) => {
            log::warn!("Telegram was not reached: {why}");
            Settled::new(End::Unreachable, put_back(row, Sent::Never))
        }
        Failure::Unknown(why) => {
            log::warn!("nobody knows whether a call arrived: {why}");
            let what = match row {
                // Nobody misses these, and a second one could come much too late.
                Some(due) if due.lane == Lane::Reaction => Some(Settle::Refuse(due.row)),
                row => put_back(row, Sent::Perhaps),
            };
            Settled::new(End::Unknown, what)
        }
        Failure::Refused {
            migrate_to: Some(to),
            ..
        } if has_moved(call.place().chat, ChatId(*to)) => {
            let (from, to) = (call.place().chat, ChatId(*to));
            log::info!("the group {from} has become the supergroup {to}");
            let moved = Settle::MoveChat { from, to };
            Settled::new(
                End::Refused,
                put_back(row, Sent::Never).into_iter().chain([moved]),
            )
        }
        Failure::Refused {
            code, description, ..
        } => {
            let meaning = refusal::read(*code, description);
            if meaning != Refusal::AlreadySo {
                log::warn!("Telegram refused {method}: {code} {description}");
            }
            // An edit names no topic. What is wrong with the topic is wrong with the message in it.
            let meaning = match meaning {
                Refusal::TopicGone if method == "editMessageText" => Refusal::MessageGone,
                Refusal::TopicClosed if method == "editMessageText" => Refusal::MessageStays,
                meaning => meaning,
            };
            match row {
                Some(due) if method == outgoing::CREATE_TOPIC => refused_topic(due, meaning),
                Some(due) => refused_row(due, meaning),
                None => refused_progress(call.place(), meaning),
            }
        }
    }
}

fn refused_row(due: Due, meaning: Refusal) -> Settled {
    let replace = |change| vec![Settle::Replace(due, change)];
    let back = Settle::PutBack(due.row, Sent::Never);
    let chat = due.place.chat;
    let what = match (meaning, due.place.topic) {
        // It was deleted as soon as it was sent: nobody can decide what nobody sees.
        (Refusal::AlreadySo, _) if due.lane == Lane::Request => vec![Settle::Refuse(due.row)],
        (Refusal::AlreadySo, _) => vec![delivered(due, None)],
        (Refusal::Stop(why), _) => return Settled::stop(why, [back]),
        (Refusal::ChatClosed, _) => vec![back, Settle::CloseChat(chat)],
        (Refusal::NoReactions, _) => vec![Settle::NoReactions(chat), Settle::Refuse(due.row)],
        _ if due.lane == Lane::Reaction => vec![Settle::Refuse(due.row)],
        (Refusal::TopicGone, Some(_)) => vec![back, Settle::DropTopic(due.place)],
        (Refusal::TopicClosed, Some(_)) => vec![back, Settle::AvoidTopic(due.place)],
        // General itself is closed: there is no other place to go to, and to close the chat would hold up the topics
        // in which the bot may write.
        (Refusal::Drop, _) | (Refusal::TopicClosed, None) => vec![Settle::Refuse(due.row)],
        (Refusal::MessageGone, _) => replace(Change::Anew),
        (Refusal::MessageStays, _) => replace(Change::Elsewhere),
        (Refusal::TooLong, _) => replace(Change::Smaller),
        (Refusal::Buttons, _) => replace(Change::WithoutButtons),
        (Refusal::Content | Refusal::OtherPoller | Refusal::TopicGone, _) => {
            replace(Change::Simpler)
        }
    };
    Settled::new(End::Done(None), what)
}

/// What is wrong with a new topic is not wrong with the one in which it was asked for.
fn refused_topic(due: Due, meaning: Refusal) -> Settled {
    match meaning {
        Refusal::Stop(_) | Refusal::ChatClosed => refused_row(due, meaning),
        _ => Settled::new(End::Done(None), [Settle::NoTopic(due.row)]),
    }
}

/// What a turn is doing is nothing that must arrive; but what its refusal says about the chat counts.
fn refused_progress(place: Place, meaning: Refusal) -> Settled {
    match (meaning, place.topic) {
        (Refusal::AlreadySo, _) => Settled::new(End::Done(None), []),
        (Refusal::MessageGone | Refusal::MessageStays, _) => Settled::new(End::MessageGone, []),
        (Refusal::Stop(why), _) => Settled::stop(why, []),
        (Refusal::ChatClosed, _) => Settled::new(End::Done(None), [Settle::CloseChat(place.chat)]),
        (Refusal::TopicGone, Some(_)) => Settled::new(End::Refused, [Settle::DropTopic(place)]),
        (Refusal::TopicClosed, Some(_)) => Settled::new(End::Refused, [Settle::AvoidTopic(place)]),
        _ => Settled::new(End::Refused, []),
    }
}

fn row_of(call: &Call) -> Option<Due> {
    match call {
        Call::Row(due) => Some(*due),
        Call::Status { .. } | Call::Typing(_) | Call::Warning(_) | Call::Toast(_) => None,
    }
}

fn delivered(due: Due, message: Option<MessageId>) -> Settle {
    Settle::Delivered(due.row, due.place.chat, message)
}

fn put_back(row: Option<Due>, sent: Sent) -> Option<Settle> {
    row.map(|due| Settle::PutBack(due.row, sent))
}

/// Whether this can be a group that has become a supergroup.
fn has_moved(from: ChatId, to: ChatId) -> bool {
    from.0 < 0 && to.0 < 0 && from != to
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: ChatId = ChatId(-100);

    fn due(lane: Lane, topic: Option<i64>) -> Due {
        Due {
            row: RowId(1),
            place: Place {
                chat: CHAT,
                topic: topic.map(TopicId),
            },
            lane,
        }
    }

    fn refused(lane: Lane, topic: Option<i64>, code: u16, words: &str) -> Settled {
        let failure = Failure::Refused {
            code,
            description: words.to_owned(),
            migrate_to: None,
        };
        settle(&Call::Row(due(lane, topic)), "sendMessage", &Err(failure))
    }

    fn answered(lane: Lane, json: &str) -> Settled {
        let answer = RawValue::from_string(json.to_owned()).expect("it is JSON");
        settle(&Call::Row(due(lane, None)), "sendMessage", &Ok(answer))
    }

    #[test]
    fn a_request_that_is_deleted_as_soon_as_it_is_sent_is_seen_by_nobody() {
        let words =
            "Internal Server Error: sent message was immediately deleted and can't be returned";
        let row = RowId(1);
        let refused = |lane| refused(lane, None, 500, words).what;
        assert_eq!(refused(Lane::Request), [Settle::Refuse(row)]);
        assert_eq!(refused(Lane::Text), [Settle::Delivered(row, CHAT, None)]);
    }

    #[test]
    fn what_arrived_is_delivered_whatever_else_the_answer_says() {
        let message = Some(MessageId(5));
        assert_eq!(
            answered(Lane::Text, r#"{"message_id":5,"new":{"field":[]}}"#),
            Settled::new(
                End::Done(message),
                [
                    Settle::CaughtUp(CHAT),
                    Settle::Delivered(RowId(1), CHAT, message)
                ]
            )
        );
        assert_eq!(
            answered(Lane::Reaction, "true"),
            Settled::new(End::Done(None), [Settle::Delivered(RowId(1), CHAT, None)])
        );
    }

    #[test]
    fn what_may_have_arrived_goes_again_but_not_what_nobody_misses() {
        let unknown = |lane| {
            let failure = Failure::Unknown("it took too long".to_owned());
            settle(&Call::Row(due(lane, None)), "sendMessage", &Err(failure))
        };
        assert_eq!(
            unknown(Lane::Text),
            Settled::new(End::Unknown, [Settle::PutBack(RowId(1), Sent::Perhaps)])
        );
        assert_eq!(
            unknown(Lane::Reaction),
            Settled::new(End::Unknown, [Settle::Refuse(RowId(1))])
        );
        // One more answer to a press would come too late, whatever went wrong with the first two.
        assert_eq!(
            unknown(Lane::Toast),
            Settled::new(End::Done(None), [Settle::Refuse(RowId(1))])
        );
        let flood = settle(
            &Call::Row(due(Lane::Toast, None)),
            "answerCallbackQuery",
            &Err(Failure::Flood(9)),
        );
        assert_eq!(flood.end, End::Done(None));
    }

    #[test]
    fn a_topic_that_is_gone_is_left_and_its_row_goes_on() {
        let gone = refused(
            Lane::Text,
            Some(3),
            400,
            "Bad Request: message thread not found",
        );
        let place = due(Lane::Text, Some(3)).place;
        assert_eq!(
            gone,
            Settled::new(
                End::Done(None),
                [
                    Settle::PutBack(RowId(1), Sent::Never),
                    Settle::DropTopic(place)
                ]
            )
        );
        // Nobody misses a reaction.
        let gone = refused(
            Lane::Reaction,
            Some(3),
            400,
            "Bad Request: message thread not found",
        );
        assert_eq!(gone.what, [Settle::Refuse(RowId(1))]);
    }

    #[test]
    fn what_nobody_but_a_person_can_mend_ends_chappe_and_loses_nothing() {
        let stopped = refused(Lane::Request, None, 401, "Unauthorized");
        assert!(stopped.stop.is_some());
        assert_eq!(stopped.end, End::Unreachable);
        assert_eq!(stopped.what, [Settle::PutBack(RowId(1), Sent::Never)]);
    }

    #[test]
    fn a_group_that_has_moved_takes_its_rows_along() {
        let moved = |to| {
            let failure = Failure::Refused {
                code: 400,
                description: "Bad Request: group chat was upgraded to a supergroup chat".into(),
                migrate_to: Some(to),
            };
            settle(
                &Call::Row(due(Lane::Text, None)),
                "sendMessage",
                &Err(failure),
            )
        };
        let to = ChatId(-200);
        assert_eq!(
            moved(-200),
            Settled::new(
                End::Refused,
                [
                    Settle::PutBack(RowId(1), Sent::Never),
                    Settle::MoveChat { from: CHAT, to }
                ]
            )
        );
        // Into a person's chat no group has ever moved.
        let odd = moved(200);
        assert!(
            !odd.what
                .iter()
                .any(|one| matches!(one, Settle::MoveChat { .. })),
            "{odd:?}"
        );
    }
}
