//! Decides what an update means: who may speak, what a text says, what a button is for. Pure.
//!
//! Only numeric ids count, and only in private chats for now. What a stranger sends leads to nothing at all: no answer,
//! no row, no thread.

use crate::chat::{
    Arrival, Body, ChatId, Inbound, Incoming, MessageId, Person, Place, Press, UserId, Verdict,
};

/// What is to be done with an update.
#[derive(Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// Nothing, and nothing is kept. The reason is for the log.
    Ignore(&'static str),
    /// A text for the session of its place. `suggested` names the session if it has to be made.
    Prompt {
        arrival: Arrival,
        suggested: String,
        text: &'a str,
        /// Who wrote it, where it was forwarded.
        origin: Option<&'a str>,
        from: &'a Person,
        /// Which message of its chat it replies to: it is for the session of that one, or about what that one asks.
        reply_to: Option<MessageId>,
    },
    /// A message was changed.
    Edit { arrival: Arrival, text: &'a str },
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
pub fn route<'a>(update: i64, inbound: &'a Inbound, allowed: &[i64]) -> Route<'a> {
    let may_speak = |user: UserId| allowed.contains(&user.0);
    match inbound {
        Inbound::Message(message) => match (person_of(message), &message.body) {
            (Some(person), _) if !may_speak(person.id) => Route::Ignore("a stranger wrote"),
            (None, _) => Route::Ignore("a message of no person"),
            _ if !message.private => Route::Ignore("a message in a group"),
            (_, Body::Service) => Route::Ignore("a service message"),
            (Some(person), body) => {
                let arrival = arrival_of(update, message, person);
                match body {
                    Body::Text(text) => match command_of(text) {
                        // What others wrote is no order.
                        Some(command) if message.origin.is_none() => Route::Command {
                            arrival,
                            suggested: suggested_name(person, message.place),
                            command,
                        },
                        _ => Route::Prompt {
                            arrival,
                            suggested: suggested_name(person, message.place),
                            text,
                            origin: message.origin.as_deref(),
                            from: person,
                            reply_to: message.reply_to,
                        },
                    },
                    Body::Unsupported(what) => Route::Unsupported { arrival, what },
                    Body::Service => Route::Ignore("a service message"),
                }
            }
        },
        Inbound::Edited(message) => match (person_of(message), &message.body) {
            (Some(person), Body::Text(text)) if may_speak(person.id) && message.private => {
                let arrival = arrival_of(update, message, person);
                match command_of(text) {
                    // Who changes a message to this wants it now; what it said before stays.
                    Some(Command::Stop) => Route::Command {
                        arrival,
                        suggested: suggested_name(person, message.place),
                        command: Command::Stop,
                    },
                    Some(Command::Steer(text)) if !text.is_empty() => Route::Edit { arrival, text },
                    _ => Route::Edit { arrival, text },
                }
            }
            _ => Route::Ignore("a change of no use"),
        },
        Inbound::Press(press) if !may_speak(press.from.id) => {
            Route::Ignore("a stranger pressed a button")
        }
        Inbound::Press(press) => {
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
        Inbound::Membership { chat, .. } if chat.0 > 0 && !may_speak(UserId(chat.0)) => {
            Route::Ignore("a stranger's chat")
        }
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

/// Words that say no more than yes, alone or together.
const AGREEING: &[&str] = &[
    "yes",
    "y",
    "yep",
    "yeah",
    "yup",
    "yea",
    "ok",
    "okay",
    "okey",
    "k",
    "kk",
    "sure",
    "fine",
    "good",
    "great",
    "perfect",
    "right",
    "correct",
    "agree",
    "agreed",
    "alright",
    "absolutely",
    "definitely",
    "please",
    "go",
    "ahead",
    "on",
    "do",
    "it",
    "allow",
    "allowed",
    "approve",
    "approved",
    "accept",
    "accepted",
    "always",
    "lgtm",
    "ja",
    "jo",
    "jep",
    "jap",
    "klar",
    "gern",
    "gerne",
    "gut",
    "passt",
    "mach",
    "machs",
    "es",
    "bitte",
    "si",
    "sí",
    "claro",
    "vale",
    "dale",
    "oui",
    "sim",
    "da",
    "tak",
    "hai",
];

/// Signs that say the same.
const AGREEING_SIGNS: &[char] = &['👍', '👌', '✅', '✔', '☑', '🆗', '💯', '🙏', '🤝', '🚀'];

/// Whether a reply to a request says no more than yes: then it is neither a reason to deny it, nor enough to allow it.
pub fn only_agrees(text: &str) -> bool {
    let mut words = vec![String::new()];
    let mut has_sign = false;
    for letter in text.chars() {
        match letter {
            sign if AGREEING_SIGNS.contains(&sign) => {
                has_sign = true;
                words.push(String::new());
            }
            letter if letter.is_alphanumeric() => {
                if let Some(word) = words.last_mut() {
                    word.extend(letter.to_lowercase());
                }
            }
            // How a sign is coloured.
            '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' => {}
            letter
                if letter.is_whitespace()
                    || letter.is_ascii_punctuation()
                    || matches!(letter, '…' | '¡' | '\u{2018}'..='\u{201f}') =>
            {
                words.push(String::new());
            }
            _ => return false,
        }
    }
    words.retain(|word| !word.is_empty());
    (has_sign || !words.is_empty()) && words.iter().all(|word| AGREEING.contains(&word.as_str()))
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

/// The name of the session that a place gets by itself: letters, digits, `_` and `-`, 64 at most.
fn suggested_name(person: &Person, place: Place) -> String {
    let mut name: String = person
        .name
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-'))
        .take(32)
        .collect::<String>()
        .to_ascii_lowercase();
    if name.is_empty() {
        name = format!("user-{}", person.id);
    }
    match place.topic {
        Some(topic) => format!("{name}-topic-{topic}"),
        None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::ChatId;

    fn message(user: i64, text: &str) -> Inbound {
        Inbound::Message(Incoming {
            place: Place {
                chat: ChatId(user),
                topic: None,
            },
            private: true,
            from: Some(Person {
                id: UserId(user),
                name: "Ada L.".into(),
            }),
            message: MessageId(1),
            date: 5,
            edit_date: 0,
            origin: None,
            reply_to: None,
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

    #[test]
    fn a_group_and_a_chat_that_speaks_lead_to_nothing() {
        let Inbound::Message(mut incoming) = message(7, "hi") else {
            unreachable!()
        };
        incoming.private = false;
        assert!(matches!(
            route(1, &Inbound::Message(incoming.clone()), &[7]),
            Route::Ignore(_)
        ));
        incoming.private = true;
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
            (-5, false, Route::CloseChat(ChatId(-5))),
            (8, false, Route::Ignore("a stranger's chat")),
        ];
        for (chat, may_write, expected) in cases {
            assert_eq!(route(1, &member(chat, may_write), &[7]), expected);
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
        assert_eq!((text, suggested.as_str()), ("  /x \n y ", "adal"));
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
