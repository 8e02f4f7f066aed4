//! Decides what an update means: who may speak, what a text says, what a button is for. Pure.
//!
//! Only numeric ids count. In a group both the person and the group must be allowed, and only what is meant for the bot
//! is for it. What a stranger sends leads to nothing at all: no answer, no row, no thread. Only that their press on a
//! button of an allowed group does nothing, they are told, for Telegram shows it as unfinished otherwise.

mod address;
mod agreement;
mod button;
mod command;
mod name;

use std::borrow::Cow;

pub use address::Me;
use address::{command_in, is_for, said};
pub use agreement::only_agrees;
use button::pressed;
pub use button::{always_data, button_data, revise_data};
pub use command::{Command, MENU, Wish};
pub use name::is_name;
use name::suggested_name;

use crate::chat::{
    Arrival, Body, ChatId, Inbound, Incoming, MessageId, Person, Press, UserId, Verdict,
};

/// Who may speak to the bot, and in which groups. In a private chat, that is with whom it is.
#[derive(Clone, Debug, Default)]
pub struct Allowed {
    pub users: Vec<i64>,
    pub chats: Vec<i64>,
}

impl Allowed {
    /// Whether somebody may speak to the bot, wherever that may be.
    pub fn user(&self, user: UserId) -> bool {
        self.users.contains(&user.0)
    }

    /// Whether a chat may get anything. A private one has the number of its person.
    pub fn chat(&self, chat: ChatId) -> bool {
        let list = if chat.0 < 0 { &self.chats } else { &self.users };
        list.contains(&chat.0)
    }

    /// Allows the supergroups that allowed groups have become. Returns whether that allows anything new.
    pub fn follow(&mut self, moves: &[(ChatId, ChatId)]) -> bool {
        let before = self.chats.len();
        // In whatever order they are told: a chat may have moved twice.
        for _ in moves {
            for (from, to) in moves {
                if self.chats.contains(&from.0) && !self.chats.contains(&to.0) && to.0 < 0 {
                    self.chats.push(to.0);
                }
            }
        }
        self.chats.len() > before
    }
}

/// What a person has written, for the first time or by changing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    pub arrival: Arrival,
    pub from: &'a Person,
    pub text: Cow<'a, str>,
    /// Who wrote it, where it was forwarded.
    pub origin: Option<&'a str>,
    /// Which message of its chat it replies to: it is for the session of that one, or about what that one asks.
    pub reply_to: Option<MessageId>,
    /// Whether the bot itself has written that one.
    pub to_bot: bool,
}

/// What is to be done with an update.
#[derive(Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// Nothing, and nothing is kept. The reason is for the log.
    Ignore(&'static str),
    /// A text for the session of its place. `suggested` names the session if it has to be made.
    Prompt { said: Said<'a>, suggested: String },
    /// A message was changed.
    Edit(Said<'a>),
    /// A command of chappe's own.
    Command {
        arrival: Arrival,
        suggested: String,
        command: Command<'a>,
        /// The message to which it replies.
        reply_to: Option<MessageId>,
    },
    /// A message that cannot be taken; what it is, in words.
    Unsupported {
        arrival: Arrival,
        what: &'static str,
    },
    /// A press on a request's button.
    Decide {
        arrival: Arrival,
        press: &'a Press,
        token: &'a str,
        verdict: Verdict,
    },
    /// A press on a request's button that allows more than the call at hand.
    Always {
        arrival: Arrival,
        press: &'a Press,
        token: &'a str,
    },
    /// A press on a button below a question.
    Pick {
        arrival: Arrival,
        press: &'a Press,
        token: &'a str,
    },
    /// A press on a plan's button that decides nothing: how it should be different is said by a reply.
    Revise {
        arrival: Arrival,
        press: &'a Press,
        token: &'a str,
    },
    /// A press on a button below the status of a turn.
    InStatus {
        arrival: Arrival,
        press: &'a Press,
        token: &'a str,
    },
    /// A press on a button whose meaning is stored.
    Act {
        arrival: Arrival,
        press: &'a Press,
        token: &'a str,
    },
    /// A press on a button that is none of ours.
    UnknownButton { arrival: Arrival, press: &'a Press },
    /// A press in an allowed group by somebody who may not speak. Nothing of it is kept.
    TurnAway(&'a Press),
    /// Nothing, in a group that is not allowed. Its number is for whoever may want to allow it.
    Unserved(ChatId),
    /// The bot may write in a chat from now on.
    OpenChat(ChatId),
    /// The bot may not write in a chat any more.
    CloseChat(ChatId),
    /// Everything of a chat belongs to another one from now on.
    MoveChat { from: ChatId, to: ChatId },
}

impl Route<'_> {
    /// Where and from whom it comes, where it is something that is noted.
    pub fn arrival(&self) -> Option<&Arrival> {
        match self {
            Route::Ignore(_)
            | Route::TurnAway(_)
            | Route::Unserved(_)
            | Route::OpenChat(_)
            | Route::CloseChat(_)
            | Route::MoveChat { .. } => None,
            Route::Prompt { said, .. } | Route::Edit(said) => Some(&said.arrival),
            Route::Command { arrival, .. }
            | Route::Unsupported { arrival, .. }
            | Route::Decide { arrival, .. }
            | Route::Always { arrival, .. }
            | Route::Pick { arrival, .. }
            | Route::Revise { arrival, .. }
            | Route::InStatus { arrival, .. }
            | Route::Act { arrival, .. }
            | Route::UnknownButton { arrival, .. } => Some(arrival),
        }
    }
}

/// Decides about one update.
pub fn route<'a>(update: i64, inbound: &'a Inbound, allowed: &Allowed, me: &Me) -> Route<'a> {
    match inbound {
        Inbound::Message(message) => match (person_of(message), &message.body) {
            (Some(person), _) if !allowed.user(person.id) => Route::Ignore("a stranger wrote"),
            (None, _) => Route::Ignore("a message of no person"),
            (_, Body::Service) => Route::Ignore("a service message"),
            _ if !message.private && !allowed.chat(message.place.chat) => {
                match is_for(message, me) {
                    true => Route::Unserved(message.place.chat),
                    false => Route::Ignore("a message in a group that is not allowed"),
                }
            }
            _ if !is_for(message, me) => Route::Ignore("a message that is not for the bot"),
            (Some(person), body) => {
                let arrival = arrival_of(update, message, person);
                let suggested = suggested_name(person, message);
                match body {
                    Body::Text(text) => match command_in(message, text, me) {
                        // What others wrote is no order.
                        Some(command) if message.origin.is_none() => Route::Command {
                            arrival,
                            suggested,
                            command,
                            reply_to: message.reply_to,
                        },
                        _ => Route::Prompt {
                            said: said_in(arrival, message, person, said(message, text, me), me),
                            suggested,
                        },
                    },
                    Body::Unsupported(what) => Route::Unsupported { arrival, what },
                    Body::Service => Route::Ignore("a service message"),
                }
            }
        },
        Inbound::Edited(message) => match (person_of(message), &message.body) {
            (Some(person), Body::Text(text))
                if allowed.user(person.id) && allowed.chat(message.place.chat) =>
            {
                let arrival = arrival_of(update, message, person);
                let command = command_in(message, text, me).filter(|_| is_for(message, me));
                let text = match command {
                    // Who changes a message to this wants it now; what it said before stays.
                    Some(Command::Stop) => {
                        return Route::Command {
                            arrival,
                            suggested: suggested_name(person, message),
                            command: Command::Stop,
                            reply_to: message.reply_to,
                        };
                    }
                    Some(Command::Steer(text)) if !text.is_empty() => text.into(),
                    // Also where the bot is not named any more: what it was told is taken back by that.
                    _ => match said(message, text, me) {
                        // Where nothing but its name is left: Claude takes no empty prompt.
                        nothing if nothing.is_empty() => text.into(),
                        said => said,
                    },
                };
                Route::Edit(said_in(arrival, message, person, text, me))
            }
            _ => Route::Ignore("a change of no use"),
        },
        Inbound::Press(press) => pressed(update, press, allowed),
        Inbound::Membership { chat, .. } if chat.0 > 0 && !allowed.chat(*chat) => {
            Route::Ignore("a stranger's chat")
        }
        Inbound::Membership {
            chat,
            may_write: true,
        } if !allowed.chat(*chat) => Route::Unserved(*chat),
        Inbound::Membership { chat, may_write } => match may_write {
            true => Route::OpenChat(*chat),
            false => Route::CloseChat(*chat),
        },
        Inbound::Moved { from, to } => Route::MoveChat {
            from: *from,
            to: *to,
        },
        Inbound::Other(_) => Route::Ignore("a kind of update that chappe has no use for"),
    }
}

fn person_of(message: &Incoming) -> Option<&Person> {
    message.from.as_ref()
}

fn said_in<'a>(
    arrival: Arrival,
    message: &'a Incoming,
    from: &'a Person,
    text: Cow<'a, str>,
    me: &Me,
) -> Said<'a> {
    Said {
        arrival,
        from,
        text,
        origin: message.origin.as_deref(),
        reply_to: message.reply_to,
        to_bot: message.replied_to == Some(me.id),
    }
}

fn arrival_of(update: i64, message: &Incoming, person: &Person) -> Arrival {
    Arrival {
        update,
        place: message.place,
        user: person.id,
        message: Some(message.message),
        edit_date: message.edit_date,
        callback: None,
        date: message.date,
    }
}

#[cfg(test)]
mod tests;
