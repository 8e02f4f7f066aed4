//! What an update needs of the disk, looked up before its transaction: no transaction waits for a disk.
//!
//! It only looks. What follows is carried out in `commands`.

use std::path::PathBuf;

use super::desk::Desk;
use super::update::Decoded;
use crate::chat::{Act, BotId, Inbound, Persona, SessionId};
use crate::config::persona::NoPersona;
use crate::router::{Command, Route, Wish};
use crate::store::Store;
use crate::workplace::{Archived, Conversation, NoDirectory};

/// What an update needs of the disk.
pub struct Ahead {
    pub found: Found,
    /// What lies in the sessions' root, where the update may make a session there.
    pub lies: Vec<String>,
    /// Whether the message says that its chat has topics.
    pub has_topics: bool,
}

/// What else it needs.
pub enum Found {
    Nothing,
    New {
        persona: Result<Persona, NoPersona>,
        /// None where none was named.
        directory: Option<Result<PathBuf, NoDirectory>>,
        /// What lies where it would have a folder of its own, if it can work in that; None where nothing does.
        there: Option<Result<PathBuf, NoDirectory>>,
    },
    Persona(Result<Persona, NoPersona>),
    /// Names and descriptions.
    Personas(Vec<(String, String)>),
    /// What was put away, the newest first.
    Archives(Vec<Archived>),
    /// Claude's own conversations, or why they cannot be read; in the folder of this session, None where the place
    /// talked to none.
    Conversations(Option<SessionId>, Result<Vec<Conversation>, String>),
    /// Whether a process that is none of chappe's has a conversation open, or may have.
    Holder(Option<i32>),
}

impl Desk {
    /// Looks up what an update needs of the disk.
    pub fn look_ahead(&self, store: &Store, bot: BotId, update: &Decoded) -> Ahead {
        let Some(route) = self.route(update) else {
            return Ahead {
                found: Found::Nothing,
                lies: Vec::new(),
                has_topics: false,
            };
        };
        let may_make = match &route {
            Route::Command {
                command: Command::New(_),
                ..
            } => true,
            // Asked of the store as well, since the root may be a large directory of a slow disk.
            Route::Prompt { .. } | Route::Command { .. } => {
                route.arrival().is_some_and(|arrival| {
                    !matches!(store.session_of(bot, arrival.place), Ok(Some(_)))
                })
            }
            _ => false,
        };
        let lies = match may_make {
            true => self.workplace.occupied(),
            false => Vec::new(),
        };
        Ahead {
            found: self.find(store, bot, route, &lies),
            lies,
            has_topics: match &update.inbound {
                Ok(Inbound::Message(message) | Inbound::Edited(message)) => {
                    message.forum || message.place.topic.is_some()
                }
                _ => false,
            },
        }
    }

    fn find(&self, store: &Store, bot: BotId, route: Route<'_>, lies: &[String]) -> Found {
        match route {
            Route::Command {
                command:
                    Command::New(Wish {
                        name,
                        persona,
                        directory,
                    }),
                ..
            } => Found::New {
                persona: match persona {
                    "" => self.workplace.personas.read(&self.default_persona),
                    name => self.workplace.personas.read(name),
                },
                directory: match directory {
                    "" => None,
                    named => Some(self.workplace.directory(named)),
                },
                there: lies
                    .iter()
                    .any(|lies| lies == name)
                    .then(|| self.workplace.may_work_in(name)),
            },
            Route::Command {
                command: Command::Persona(""),
                ..
            } => Found::Personas(self.personas()),
            Route::Command {
                command: Command::Persona(name),
                ..
            } => Found::Persona(self.workplace.personas.read(name)),
            Route::Command {
                command: Command::Restore(_),
                ..
            } => Found::Archives(self.workplace.archived()),
            Route::Command {
                command: Command::Resume,
                arrival,
                ..
            } => match store.session_of(bot, arrival.place) {
                Ok(Some(session)) => {
                    let is_ours = |id: &str| store.knows_conversation(id).unwrap_or(false);
                    let found = self.workplace.conversations(&session.folder, is_ours);
                    Found::Conversations(Some(session.id), found.map_err(|error| error.to_string()))
                }
                _ => Found::Conversations(None, Ok(Vec::new())),
            },
            Route::Act { token, .. } => match store.act_for(bot, token) {
                Ok(Some((Act::UsePersona { persona }, _))) => {
                    Found::Persona(self.workplace.personas.read(&persona))
                }
                Ok(Some((Act::Restore { .. }, _))) => Found::Archives(self.workplace.archived()),
                Ok(Some((Act::TakeOver { conversation }, Some(session)))) => {
                    match store.session(session) {
                        Ok(Some(session)) => {
                            Found::Holder(self.workplace.holder(&conversation, &session.folder))
                        }
                        _ => Found::Nothing,
                    }
                }
                _ => Found::Nothing,
            },
            _ => Found::Nothing,
        }
    }

    fn personas(&self) -> Vec<(String, String)> {
        let personas = &self.workplace.personas;
        let described = |name: String| {
            let description = match personas.read(&name) {
                Ok(persona) => persona.description,
                Err(_) => "⚠ its file is wrong".to_owned(),
            };
            (name, description)
        };
        personas.names().into_iter().map(described).collect()
    }
}
