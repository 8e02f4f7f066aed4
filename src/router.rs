//! Decides what an update means: who may speak, what a text says, what a button is for. Pure.
//!
//! Only numeric ids count. In a group both the person and the group must be allowed, and only what is meant for the bot
//! is for it. What a stranger sends leads to nothing at all: no answer, no row, no thread. Only that their press on a
//! button of an allowed group does nothing, they are told, for Telegram shows it as unfinished otherwise.

mod agreement;

pub use agreement::only_agrees;

use std::borrow::Cow;

use crate::chat::{
    Arrival, Body, ChatId, Inbound, Incoming, MessageId, Person, Place, Press, UserId, Verdict,
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

/// The bot, as people in groups speak of it.
#[derive(Clone, Debug)]
pub struct Me {
    pub id: UserId,
    /// Without the `@`; empty as long as nobody has asked for it.
    pub name: String,
}

/// What is to be done with an update.
#[derive(Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// Nothing, and nothing is kept. The reason is for the log.
    Ignore(&'static str),
    /// A text for the session of its place. `suggested` names the session if it has to be made.
    Prompt {
        arrival: Arrival,
        suggested: String,
        text: Cow<'a, str>,
        /// Who wrote it, where it was forwarded.
        origin: Option<&'a str>,
        from: &'a Person,
        /// Which message of its chat it replies to: it is for the session of that one, or about what that one asks.
        reply_to: Option<MessageId>,
        /// Whether the bot itself has written that one.
        to_bot: bool,
    },
    /// A message was changed.
    Edit {
        arrival: Arrival,
        text: Cow<'a, str>,
    },
    /// A command of chappe's own.
    Command {
        arrival: Arrival,
        suggested: String,
        command: Command<'a>,
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
    /// A press on the button that stops a turn, named by its prompt's uuid.
    StopTurn {
        arrival: Arrival,
        press: &'a Press,
        uuid: &'a str,
    },
    /// A press on a button below a turn, named by its prompt's uuid, about what waits behind it.
    Behind {
        arrival: Arrival,
        press: &'a Press,
        uuid: &'a str,
        what: Behind,
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
            Route::Prompt { arrival, .. }
            | Route::Edit { arrival, .. }
            | Route::Command { arrival, .. }
            | Route::Unsupported { arrival, .. }
            | Route::Decide { arrival, .. }
            | Route::Always { arrival, .. }
            | Route::Pick { arrival, .. }
            | Route::Revise { arrival, .. }
            | Route::StopTurn { arrival, .. }
            | Route::Behind { arrival, .. }
            | Route::Act { arrival, .. }
            | Route::UnknownButton { arrival, .. } => Some(arrival),
        }
    }
}

/// What becomes of the messages that wait behind a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// They go into the turn.
    Now,
    /// They are never given.
    Drop,
}

/// What chappe itself does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    Start,
    Help,
    /// Stops the turn, and holds what waits.
    Stop,
    /// Makes a session.
    New(Wish<'a>),
    /// Talks to the session of this name from now on; with an empty one, asks to which.
    Session(&'a str),
    /// All sessions.
    Sessions,
    /// Puts a session away, with an empty name that of the place; brings one back, with an empty name asks which.
    Archive(&'a str),
    Restore(&'a str),
    /// Deletes a session, after asking twice.
    Delete(&'a str),
    /// What was said, as a file.
    Export,
    /// Claude's own conversations of the session's folder.
    Resume,
    /// Gives the session another name.
    Rename(&'a str),
    /// How long its quiet process is kept.
    Timeout(&'a str),
    /// Who Claude is in it; an empty one asks. The same with the next two.
    Persona(&'a str),
    Model(&'a str),
    Mode(&'a str),
    /// Begins a new conversation.
    Clear,
    /// What waits.
    Queue,
    /// What is allowed without asking.
    Grants,
    /// A text goes into the turn that runs; an empty one asks what that is.
    Steer(&'a str),
    /// What waits for a person, in all sessions.
    Pending,
    /// How everything is.
    Status,
}

/// A session that somebody wants: its name, and whatever else they have said. Empty where they have not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish<'a> {
    pub name: &'a str,
    pub persona: &'a str,
    /// A path, which may hold spaces.
    pub directory: &'a str,
}

/// chappe's commands for Telegram's menu: name and description.
pub const MENU: &[(&str, &str)] = &[
    ("stop", "Stop what Claude is doing"),
    ("new", "Make a session: /new name [persona] [folder]"),
    ("sessions", "All sessions, and switch to another one"),
    ("queue", "What waits"),
    ("pending", "What waits for you, in all sessions"),
    ("steer", "Put a text into the turn that runs"),
    ("clear", "Begin a new conversation here"),
    ("model", "Which model this session uses"),
    ("mode", "What Claude may do without asking"),
    ("grants", "What is allowed without asking, and no longer"),
    ("persona", "Who Claude is in this session"),
    ("timeout", "How long a quiet process is kept"),
    ("rename", "Give this session another name"),
    ("export", "What was said here, as a file"),
    ("resume", "Go on with a conversation from the desk"),
    ("archive", "Put this session away"),
    ("restore", "Bring one back"),
    ("delete", "Delete this session for good"),
    ("status", "How everything is"),
    ("help", "What there is"),
];

/// The longest name of a session.
const NAME_MAX: usize = 64;

/// Whether a session may have this name. It becomes a folder's as well.
pub fn is_name(name: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    (1..=NAME_MAX).contains(&name.len()) && name.chars().all(fits)
}

/// What a button for a request carries.
pub fn button_data(verdict: Verdict, token: &str) -> String {
    match verdict {
        Verdict::Allow => format!("allow:{token}"),
        Verdict::Deny => format!("deny:{token}"),
    }
}

/// What a request's button carries that allows more than the call at hand.
pub fn always_data(token: &str) -> String {
    format!("always:{token}")
}

/// What the button carries by which a plan is not approved yet.
pub fn revise_data(token: &str) -> String {
    format!("revise:{token}")
}

/// What the button that stops a turn carries: the uuid of the turn's prompt.
pub fn stop_data(uuid: &str) -> String {
    format!("stop:{uuid}")
}

/// What a button carries that says what becomes of what waits behind a turn: the uuid of the turn's prompt.
pub fn behind_data(what: Behind, uuid: &str) -> String {
    match what {
        Behind::Now => format!("now:{uuid}"),
        Behind::Drop => format!("drop:{uuid}"),
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
                        },
                        _ => Route::Prompt {
                            arrival,
                            suggested,
                            text: said(message, text, me),
                            origin: message.origin.as_deref(),
                            from: person,
                            reply_to: message.reply_to,
                            to_bot: message.replied_to == Some(me.id),
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
                match command {
                    // Who changes a message to this wants it now; what it said before stays.
                    Some(Command::Stop) => Route::Command {
                        arrival,
                        suggested: suggested_name(person, message),
                        command: Command::Stop,
                    },
                    Some(Command::Steer(text)) if !text.is_empty() => Route::Edit {
                        arrival,
                        text: text.into(),
                    },
                    // Also where the bot is not named any more: what it was told is taken back by that.
                    _ => Route::Edit {
                        arrival,
                        text: match said(message, text, me) {
                            // Where nothing but its name is left: Claude takes no empty prompt.
                            nothing if nothing.is_empty() => text.into(),
                            said => said,
                        },
                    },
                }
            }
            _ => Route::Ignore("a change of no use"),
        },
        Inbound::Press(press) => {
            let group = press
                .at
                .map(|(place, _)| place.chat)
                .filter(|chat| chat.0 < 0);
            match (allowed.user(press.from.id), group) {
                (_, Some(group)) if !allowed.chat(group) => {
                    return Route::Ignore("a press in a group that is not allowed");
                }
                (false, Some(_)) => return Route::TurnAway(press),
                (false, None) => return Route::Ignore("a stranger pressed a button"),
                (true, _) => {}
            }
            // Where Telegram does not say which message carried the button, the press is none of ours, and is answered.
            let alone = Place {
                chat: ChatId(press.from.id.0),
                topic: None,
            };
            let (place, message) = press
                .at
                .map_or((alone, None), |(place, message)| (place, Some(message)));
            let arrival = Arrival {
                update,
                place,
                user: press.from.id,
                message,
                edit_date: 0,
                callback: Some(press.callback.clone()),
                date: 0,
            };
            // Nor does anybody press in a private chat but who it is with.
            let is_foreign = place.chat.0 > 0 && place.chat.0 != press.from.id.0;
            if message.is_none() || is_foreign {
                return Route::UnknownButton { arrival, press };
            }
            match press.data.split_once(':') {
                Some(("allow", token)) => Route::Decide {
                    arrival,
                    press,
                    token,
                    verdict: Verdict::Allow,
                },
                Some(("deny", token)) => Route::Decide {
                    arrival,
                    press,
                    token,
                    verdict: Verdict::Deny,
                },
                Some(("always", token)) => Route::Always {
                    arrival,
                    press,
                    token,
                },
                Some(("pick", token)) => Route::Pick {
                    arrival,
                    press,
                    token,
                },
                Some(("revise", token)) => Route::Revise {
                    arrival,
                    press,
                    token,
                },
                Some(("stop", uuid)) => Route::StopTurn {
                    arrival,
                    press,
                    uuid,
                },
                Some(("now", uuid)) => Route::Behind {
                    arrival,
                    press,
                    uuid,
                    what: Behind::Now,
                },
                Some(("drop", uuid)) => Route::Behind {
                    arrival,
                    press,
                    uuid,
                    what: Behind::Drop,
                },
                Some(("do", token)) => Route::Act {
                    arrival,
                    press,
                    token,
                },
                _ => Route::UnknownButton { arrival, press },
            }
        }
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

/// Whether a message is for the bot: all in a private chat; in a group what names it, what replies to it, and commands.
/// What others wrote and somebody forwards names nobody.
fn is_for(message: &Incoming, me: &Me) -> bool {
    if message.private {
        return true;
    }
    let text = match &message.body {
        Body::Text(text) => text,
        _ => &message.caption,
    };
    if message.origin.is_some() {
        return false;
    }
    match command_word(text) {
        Some((_, Some(name))) => name.eq_ignore_ascii_case(&me.name),
        Some((_, None)) => true,
        None => message.replied_to == Some(me.id) || mention_of(text, me).is_some(),
    }
}

/// The first word of a text as Telegram's clients offer it as a command: its name with the slash, and for which bot.
fn command_word(text: &str) -> Option<(&str, Option<&str>)> {
    let word = text.split_whitespace().next()?;
    let (command, bot) = match word.split_once('@') {
        Some((command, bot)) => (command, Some(bot)),
        None => (word, None),
    };
    let name = command
        .strip_prefix('/')
        .filter(|_| text.starts_with('/'))?;
    let is_name = |name: &str| !name.is_empty() && name.chars().all(is_of_name);
    (is_name(name) && bot.is_none_or(is_name)).then_some((command, bot))
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// Where a text names the bot as `@bot`: the bytes of the first time.
fn mention_of(text: &str, me: &Me) -> Option<std::ops::Range<usize>> {
    let length = me.name.len();
    let mut signs = text.match_indices('@').map(|(at, _)| at);
    let is_mention = |at: &usize| {
        let named = text.get(at + 1..at + 1 + length);
        let goes_on = |letter: char| letter.is_alphanumeric() || letter == '_';
        // Within a word it is an address.
        !text[..*at].ends_with(goes_on)
            && named.is_some_and(|named| named.eq_ignore_ascii_case(&me.name))
            && !text[at + 1 + length..].starts_with(goes_on)
    };
    let at = signs.find(is_mention).filter(|_| length > 0)?;
    Some(at..at + 1 + length)
}

/// What a text says to the bot: without its name, where it begins with that. In a private chat every character counts.
fn said<'a>(message: &Incoming, text: &'a str, me: &Me) -> Cow<'a, str> {
    match command_word(text) {
        Some((command, Some(name))) if !message.private => {
            let rest = &text[command.len() + 1 + name.len()..];
            format!("{command}{rest}").into()
        }
        _ => without_name(message, text, me).into(),
    }
}

/// A text without the name of the bot, where it begins with that.
fn without_name<'a>(message: &Incoming, text: &'a str, me: &Me) -> &'a str {
    let leads = |name: &std::ops::Range<usize>| text[..name.start].trim().is_empty();
    match mention_of(text, me).filter(leads) {
        Some(name) if !message.private => {
            let rest = text[name.end..].trim_start();
            rest.strip_prefix([',', ':']).unwrap_or(rest).trim_start()
        }
        _ => text,
    }
}

/// The command that a message is. Who says nothing but the bot's name may want to know what there is.
fn command_in<'a>(message: &Incoming, text: &'a str, me: &Me) -> Option<Command<'a>> {
    match without_name(message, text, me) {
        "" if !message.private => Some(Command::Help),
        said => command_of(said),
    }
}

/// The command that a text is. The whole first word counts, whatever Telegram marks as a command; `@bot` is cut off.
/// "stop" needs no slash: who wants that is in a hurry.
fn command_of(text: &str) -> Option<Command<'_>> {
    if text.trim().eq_ignore_ascii_case("stop") {
        return Some(Command::Stop);
    }
    let word = text.split_whitespace().next()?;
    if !text.starts_with('/') {
        return None;
    }
    let argument = text[word.len()..].trim();
    match word.split('@').next()? {
        "/start" => Some(Command::Start),
        "/help" => Some(Command::Help),
        "/stop" => Some(Command::Stop),
        "/new" => Some(Command::New(wish_of(argument))),
        "/session" => Some(Command::Session(argument)),
        "/sessions" if argument.is_empty() => Some(Command::Sessions),
        "/sessions" => Some(Command::Session(argument)),
        "/archive" => Some(Command::Archive(argument)),
        "/restore" => Some(Command::Restore(argument)),
        "/delete" => Some(Command::Delete(argument)),
        "/export" => Some(Command::Export),
        "/resume" => Some(Command::Resume),
        "/rename" => Some(Command::Rename(argument)),
        "/timeout" => Some(Command::Timeout(argument)),
        "/persona" => Some(Command::Persona(argument)),
        "/model" => Some(Command::Model(argument)),
        "/mode" => Some(Command::Mode(argument)),
        "/clear" => Some(Command::Clear),
        "/queue" => Some(Command::Queue),
        "/grants" => Some(Command::Grants),
        "/pending" => Some(Command::Pending),
        "/steer" => Some(Command::Steer(argument)),
        "/status" => Some(Command::Status),
        _ => None,
    }
}

/// What `/new` is followed by: a name, a persona if the next word is no path, and a path.
fn wish_of(text: &str) -> Wish<'_> {
    let word = |text: &str| text.find(char::is_whitespace).unwrap_or(text.len());
    let (name, rest) = text.split_at(word(text));
    let rest = rest.trim_start();
    let is_path = rest.starts_with(['/', '~', '.']);
    let (persona, directory) = rest.split_at(if is_path { 0 } else { word(rest) });
    Wish {
        name,
        persona,
        directory: directory.trim(),
    }
}

/// The name of the session that a place gets by itself: letters, digits, `_` and `-`, 64 at most. A group's is made of
/// what the group is called.
fn suggested_name(person: &Person, message: &Incoming) -> String {
    let mut name = match message.private {
        true => letters_of(&person.name),
        false => title_as_name(&message.title),
    };
    if name.is_empty() {
        name = match message.private {
            true => format!("user-{}", person.id),
            false => format!("group-{}", message.place.chat.0.unsigned_abs()),
        };
    }
    match message.place.topic {
        Some(topic) => format!("{name}-topic-{topic}"),
        None => name,
    }
}

fn letters_of(name: &str) -> String {
    let fits = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    let letters: String = name.chars().filter(fits).take(32).collect();
    letters.to_ascii_lowercase()
}

/// The words of a title, with `-` between them.
fn title_as_name(title: &str) -> String {
    let words = title.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").chars().take(32).collect();
    name.trim_end_matches('-').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{ChatId, TopicId};

    const GROUP: i64 = -5;
    const BOT: UserId = UserId(77);

    /// Routes for these people, in one group.
    fn route<'a>(update: i64, inbound: &'a Inbound, users: &[i64]) -> Route<'a> {
        let allowed = Allowed {
            users: users.to_vec(),
            chats: vec![GROUP],
        };
        let me = Me {
            id: BOT,
            name: "My_bot".into(),
        };
        super::route(update, inbound, &allowed, &me)
    }

    fn message(user: i64, text: &str) -> Inbound {
        Inbound::Message(Incoming {
            place: Place {
                chat: ChatId(user),
                topic: None,
            },
            private: true,
            title: String::new(),
            from: Some(Person {
                id: UserId(user),
                name: "Ada L.".into(),
            }),
            message: MessageId(1),
            date: 5,
            edit_date: 0,
            origin: None,
            reply_to: None,
            replied_to: None,
            caption: String::new(),
            body: Body::Text(text.into()),
        })
    }

    fn press(user: i64, data: &str) -> Inbound {
        Inbound::Press(Press {
            callback: "c".into(),
            from: Person {
                id: UserId(user),
                name: "x".into(),
            },
            at: Some((
                Place {
                    chat: ChatId(user),
                    topic: None,
                },
                MessageId(3),
            )),
            data: data.into(),
        })
    }

    #[test]
    fn a_stranger_leads_to_nothing() {
        assert!(matches!(
            route(1, &message(8, "hi"), &[7]),
            Route::Ignore(_)
        ));
        assert!(matches!(
            route(1, &message(8, "/start"), &[7]),
            Route::Ignore(_)
        ));
        assert!(matches!(
            route(1, &press(8, "allow:x"), &[7]),
            Route::Ignore(_)
        ));
        assert!(matches!(route(1, &message(7, "hi"), &[]), Route::Ignore(_)));
    }

    /// A message in the group by whoever is allowed, changed as the test wants it.
    fn in_group(text: &str, change: impl FnOnce(&mut Incoming)) -> Inbound {
        let Inbound::Message(mut incoming) = message(7, text) else {
            unreachable!()
        };
        incoming.private = false;
        incoming.place.chat = ChatId(GROUP);
        incoming.title = "Family & friends (2)".into();
        change(&mut incoming);
        Inbound::Message(incoming)
    }

    /// The prompt that a text in the group is; None where it leads to nothing.
    fn prompt_in_group(text: &str, change: impl FnOnce(&mut Incoming)) -> Option<String> {
        let inbound = in_group(text, change);
        match route(1, &inbound, &[7]) {
            Route::Prompt { text, .. } => Some(text.into_owned()),
            Route::Ignore(_) => None,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn in_a_group_only_what_is_meant_for_the_bot_is_for_it() {
        for (text, expected) in [
            ("@my_bot do this", "do this"),
            ("@MY_BOT, do this", "do this"),
            (" @my_bot:\ndo this ", "do this "),
            ("do this, @my_bot", "do this, @my_bot"),
            ("(@my_bot) do this", "(@my_bot) do this"),
            ("@other or @my_bot?", "@other or @my_bot?"),
            ("/compact", "/compact"),
            ("/compact@my_bot all of it", "/compact all of it"),
        ] {
            let prompt = prompt_in_group(text, |_| {});
            assert_eq!(prompt.as_deref(), Some(expected), "{text:?}");
        }
        for text in [
            "do this",
            "stop",
            "@my_bots do this",
            "@my_bot2 do this",
            "ada@my_bot do this",
            "my_bot do this",
            "/compact@other_bot",
            "/compact@my_bot2",
            "/home/ada is full",
            "//compact",
            " /stop",
            "",
            "@",
        ] {
            assert_eq!(prompt_in_group(text, |_| {}), None, "{text:?}");
        }
    }

    #[test]
    fn in_a_group_a_reply_to_the_bot_is_for_it_and_one_to_another_is_not() {
        let reply = |to: i64| move |message: &mut Incoming| message.replied_to = Some(UserId(to));
        let prompt = |text: &str, to| prompt_in_group(text, reply(to));
        assert_eq!(prompt("and now?", BOT.0).as_deref(), Some("and now?"));
        assert_eq!(prompt("and now?", 8), None);
        assert_eq!(prompt("/compact@other_bot", BOT.0), None);
        let stop = in_group("stop", reply(BOT.0));
        assert!(matches!(
            route(1, &stop, &[7]),
            Route::Command {
                command: Command::Stop,
                ..
            }
        ));
    }

    #[test]
    fn whose_message_is_replied_to_counts_also_where_the_bot_is_named() {
        for (author, expected) in [(Some(BOT), true), (Some(UserId(8)), false), (None, false)] {
            let inbound = in_group("@my_bot and now?", |message| {
                message.reply_to = Some(MessageId(2));
                message.replied_to = author;
            });
            assert!(
                matches!(route(1, &inbound, &[7]), Route::Prompt { to_bot, .. } if to_bot == expected),
                "{author:?}"
            );
        }
    }

    #[test]
    fn in_a_group_commands_may_follow_the_name_and_the_name_alone_asks_for_help() {
        for (text, expected) in [
            ("/stop", Command::Stop),
            ("/stop@my_bot", Command::Stop),
            ("@my_bot stop", Command::Stop),
            ("@my_bot /session web", Command::Session("web")),
            ("/session@my_bot web", Command::Session("web")),
            ("@my_bot", Command::Help),
        ] {
            let inbound = in_group(text, |_| {});
            let Route::Command { command, .. } = route(1, &inbound, &[7]) else {
                panic!("{text:?}")
            };
            assert_eq!(command, expected, "{text:?}");
        }
    }

    #[test]
    fn in_a_group_what_was_forwarded_names_nobody() {
        let forwarded = |message: &mut Incoming| message.origin = Some("Bob".into());
        assert_eq!(prompt_in_group("@my_bot do this", forwarded), None);
        assert_eq!(prompt_in_group("/compact", forwarded), None);
    }

    #[test]
    fn in_a_group_a_picture_is_for_the_bot_that_its_caption_names() {
        let picture = |caption: &str| {
            in_group("", |message| {
                message.caption = caption.into();
                message.body = Body::Unsupported("a photo");
            })
        };
        assert!(matches!(
            route(1, &picture("@my_bot look"), &[7]),
            Route::Unsupported { .. }
        ));
        for caption in ["", "look"] {
            let picture = picture(caption);
            assert!(matches!(route(1, &picture, &[7]), Route::Ignore(_)));
        }
    }

    #[test]
    fn in_a_group_both_the_group_and_the_person_must_be_allowed() {
        let of_stranger = in_group("@my_bot do this", |message| {
            message.from = Some(Person {
                id: UserId(8),
                name: "Eve".into(),
            });
        });
        let of_chat = in_group("@my_bot do this", |message| message.from = None);
        for inbound in [&of_stranger, &of_chat] {
            assert!(matches!(route(1, inbound, &[7]), Route::Ignore(_)));
        }
        let elsewhere = |text| in_group(text, |message| message.place.chat = ChatId(-6));
        let (named, chatter) = (elsewhere("@my_bot do this"), elsewhere("do this"));
        assert_eq!(route(1, &named, &[7]), Route::Unserved(ChatId(-6)));
        assert!(matches!(route(1, &chatter, &[7]), Route::Ignore(_)));
    }

    #[test]
    fn in_a_group_a_change_takes_back_what_the_bot_was_told() {
        let edited = |text, user, chat| {
            let Inbound::Message(mut incoming) = in_group(text, |_| {}) else {
                unreachable!()
            };
            incoming.place.chat = ChatId(chat);
            incoming.from = Some(Person {
                id: UserId(user),
                name: "x".into(),
            });
            Inbound::Edited(incoming)
        };
        for (text, expected) in [
            ("@my_bot do that", "do that"),
            ("never mind", "never mind"),
            ("@my_bot,", "@my_bot,"),
        ] {
            let inbound = edited(text, 7, GROUP);
            let Route::Edit { text, .. } = route(1, &inbound, &[7]) else {
                panic!("{text:?}")
            };
            assert_eq!(text, expected);
        }
        let stop = |text| edited(text, 7, GROUP);
        assert!(matches!(
            route(1, &stop("@my_bot stop"), &[7]),
            Route::Command { .. }
        ));
        assert!(matches!(route(1, &stop("stop"), &[7]), Route::Edit { .. }));
        for (user, chat) in [(8, GROUP), (7, -6)] {
            let inbound = edited("@my_bot stop", user, chat);
            assert!(matches!(route(1, &inbound, &[7]), Route::Ignore(_)));
        }
    }

    #[test]
    fn in_a_group_a_strangers_press_is_turned_away_and_elsewhere_it_is_nothing() {
        let press = |user, chat, data: &str| {
            let Inbound::Press(mut press) = press(user, data) else {
                unreachable!()
            };
            let place = Place {
                chat: ChatId(chat),
                topic: None,
            };
            press.at = Some((place, MessageId(3)));
            Inbound::Press(press)
        };
        let stranger = press(8, GROUP, "allow:x");
        assert!(matches!(route(1, &stranger, &[7]), Route::TurnAway(_)));
        assert_eq!(route(1, &stranger, &[7]).arrival(), None);
        let allowed = press(7, GROUP, "allow:x");
        assert!(matches!(route(1, &allowed, &[7]), Route::Decide { .. }));
        for (user, chat) in [(8, -6), (7, -6), (8, 8)] {
            let press = press(user, chat, "allow:x");
            assert!(matches!(route(1, &press, &[7]), Route::Ignore(_)));
        }
    }

    #[test]
    fn a_groups_session_is_called_as_the_group_is() {
        let name = |title: &str, topic: Option<i64>| {
            let inbound = in_group("/compact", |message| {
                message.title = title.into();
                message.place.topic = topic.map(TopicId);
            });
            let Route::Prompt { suggested, .. } = route(1, &inbound, &[7]) else {
                panic!("{title}")
            };
            assert!(is_name(&suggested), "{suggested:?}");
            suggested
        };
        assert_eq!(name("Family & friends (2)", None), "family-friends-2");
        assert_eq!(name("web", Some(4)), "web-topic-4");
        assert_eq!(name("Семья", None), "group-5");
        assert_eq!(name("", Some(4)), "group-5-topic-4");
        let long = name(&"x ".repeat(100), Some(i64::MAX));
        assert!(long.starts_with("x-x-x"), "{long}");
    }

    #[test]
    fn a_chat_that_speaks_leads_to_nothing() {
        let Inbound::Message(mut incoming) = message(7, "hi") else {
            unreachable!()
        };
        incoming.from = None;
        assert!(matches!(
            route(1, &Inbound::Message(incoming), &[7]),
            Route::Ignore(_)
        ));
    }

    #[test]
    fn a_chat_opens_and_closes_but_not_a_strangers() {
        let member = |chat, may_write| Inbound::Membership {
            chat: ChatId(chat),
            may_write,
        };
        let cases = [
            (7, true, Route::OpenChat(ChatId(7))),
            (7, false, Route::CloseChat(ChatId(7))),
            (-5, true, Route::OpenChat(ChatId(-5))),
            (-5, false, Route::CloseChat(ChatId(-5))),
            (-6, true, Route::Unserved(ChatId(-6))),
            (-6, false, Route::CloseChat(ChatId(-6))),
            (8, false, Route::Ignore("a stranger's chat")),
        ];
        for (chat, may_write, expected) in cases {
            assert_eq!(route(1, &member(chat, may_write), &[7]), expected);
        }
    }

    #[test]
    fn a_group_that_moves_stays_allowed_and_no_other_comes_to_be() {
        let mut allowed = Allowed {
            users: vec![7],
            chats: vec![-5],
        };
        let moves = |moves: &[(i64, i64)]| -> Vec<(ChatId, ChatId)> {
            let chats = moves.iter();
            chats
                .map(|(from, to)| (ChatId(*from), ChatId(*to)))
                .collect()
        };
        assert!(!allowed.follow(&moves(&[(-6, -1006), (7, -1007), (-5, 8)])));
        assert!(allowed.follow(&moves(&[(-1005, -2005), (-5, -1005)])));
        assert!(!allowed.follow(&moves(&[(-5, -1005)])));
        for (chat, is) in [
            (-5, true),
            (-1005, true),
            (-2005, true),
            (-1006, false),
            (8, false),
        ] {
            assert_eq!(allowed.chat(ChatId(chat)), is, "{chat}");
        }
    }

    #[test]
    fn only_whole_words_are_commands() {
        let is = |text: &str, expected: Option<Command<'_>>| {
            let inbound = message(7, text);
            let command = match route(1, &inbound, &[7]) {
                Route::Command { command, .. } => Some(command),
                _ => None,
            };
            assert_eq!(command, expected, "{text:?}");
        };
        is("/help", Some(Command::Help));
        is("/start payload", Some(Command::Start));
        is("/help@my_bot", Some(Command::Help));
        is("/helper", None);
        is("say /help", None);
        is(" /help", None);
        is("/home/me is full", None);
        is("/", None);
    }

    #[test]
    fn commands_have_arguments_and_stop_needs_no_slash() {
        let wish = |name, persona, directory| {
            Some(Command::New(Wish {
                name,
                persona,
                directory,
            }))
        };
        assert_eq!(command_of("/new  web "), wish("web", "", ""));
        assert_eq!(command_of("/new"), wish("", "", ""));
        assert_eq!(command_of("/new web planner"), wish("web", "planner", ""));
        assert_eq!(
            command_of("/new web planner  ~/my src/web "),
            wish("web", "planner", "~/my src/web")
        );
        assert_eq!(command_of("/new web /srv/x y"), wish("web", "", "/srv/x y"));
        assert_eq!(command_of("/session"), Some(Command::Session("")));
        assert_eq!(
            command_of("/session@bot web"),
            Some(Command::Session("web"))
        );
        for text in ["stop", " Stop\n", "STOP", "/stop", "/stop now"] {
            assert_eq!(command_of(text), Some(Command::Stop), "{text:?}");
        }
        assert_eq!(command_of("stop the server"), None);
        for (name, _) in MENU {
            assert!(command_of(&format!("/{name}")).is_some(), "{name}");
        }
    }

    #[test]
    fn what_was_forwarded_is_no_command() {
        let Inbound::Message(mut incoming) = message(7, "/stop") else {
            unreachable!()
        };
        incoming.origin = Some("Bob".into());
        let forwarded = Inbound::Message(incoming);
        assert!(matches!(
            route(1, &forwarded, &[7]),
            Route::Prompt {
                origin: Some("Bob"),
                ..
            }
        ));
    }

    #[test]
    fn what_only_agrees_is_no_reason() {
        for text in [
            "yes",
            " Yes! ",
            "OK",
            "ok.",
            "okay…",
            "yep",
            "Sure, go ahead",
            "do it",
            "ja",
            "Sí",
            "si",
            "oui",
            "👍",
            "👍🏽",
            "👌👌",
            "✅",
            "✔️",
            "yes 👍",
            "“ok”",
            "LGTM!!!",
        ] {
            assert!(only_agrees(text), "{text:?}");
        }
        for text in [
            "",
            " ",
            "?",
            "no",
            "nope",
            "not ok",
            "don't do it",
            "yes, but on a branch",
            "👎",
            "❌",
            "👍👎",
            "stop",
            "never",
            "nein",
            "ok?no",
            "yesterday",
            "はい",
        ] {
            assert!(!only_agrees(text), "{text:?}");
        }
    }

    #[test]
    fn a_name_is_good_for_a_folder() {
        for name in ["web", "A_b-3", &"x".repeat(64)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "..", "a/b", "ä", "a b", &"x".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn a_text_keeps_every_character() {
        let inbound = message(7, "  /x \n y ");
        let Route::Prompt {
            text, suggested, ..
        } = route(1, &inbound, &[7])
        else {
            panic!()
        };
        assert_eq!((&*text, suggested.as_str()), ("  /x \n y ", "adal"));
    }

    #[test]
    fn buttons_say_what_they_are_for() {
        for verdict in [Verdict::Allow, Verdict::Deny] {
            let inbound = press(7, &button_data(verdict, "t0k"));
            let Route::Decide {
                token,
                verdict: read,
                ..
            } = route(1, &inbound, &[7])
            else {
                panic!()
            };
            assert_eq!((token, read), ("t0k", verdict));
        }
        assert!(matches!(
            route(1, &press(7, &revise_data("t0k")), &[7]),
            Route::Revise { token: "t0k", .. }
        ));
        assert!(matches!(
            route(1, &press(7, "buy"), &[7]),
            Route::UnknownButton { .. }
        ));
        assert!(button_data(Verdict::Allow, &"0".repeat(32)).len() <= 64);
        let uuid = "00000000-0000-0000-0000-000000000000";
        let stop = press(7, &stop_data(uuid));
        assert!(
            matches!(route(1, &stop, &[7]), Route::StopTurn { uuid: read, .. } if read == uuid)
        );
        for behind in [Behind::Now, Behind::Drop] {
            let press = press(7, &behind_data(behind, uuid));
            assert!(matches!(
                route(1, &press, &[7]),
                Route::Behind { uuid: read, what, .. } if read == uuid && what == behind
            ));
        }
        let pick = press(7, &crate::chat::Pick::button_data("t0k"));
        assert!(matches!(
            route(1, &pick, &[7]),
            Route::Pick { token: "t0k", .. }
        ));
        let act = press(7, &crate::chat::Act::button_data("t0k"));
        assert!(matches!(
            route(1, &act, &[7]),
            Route::Act { token: "t0k", .. }
        ));
    }
}
