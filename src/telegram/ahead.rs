//! What an update needs of the disk, looked up before its transaction: no transaction waits for a disk.
//!
//! It only looks. What follows is carried out in `commands`.

use std::path::PathBuf;

use super::desk::Desk;
use super::update::Decoded;
use crate::chat::{Act, BotId, Persona, SessionId};
use crate::config::persona::NoPersona;
use crate::router::{self, Command, Route, Wish};
use crate::store::Store;
use crate::workplace::{Archived, Conversation, NoDirectory};

/// What an update needs of the disk.
pub enum Ahead {
    Nothing,
    New {
        persona: Result<Persona, NoPersona>,
        /// None where none was named.
        directory: Option<Result<PathBuf, NoDirectory>>,
        /// Whether somebody has something in the folder that would be its own.
        is_occupied: bool,
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
            return Ahead::Nothing;
        };
        match route {
            Route::Command {
                command:
                    Command::New(Wish {
                        name,
                        persona,
                        directory,
                    }),
                ..
            } => Ahead::New {
                persona: match persona {
                    "" => Ok(self.home.persona.clone()),
                    name => self.workplace.personas.read(name),
                },
                directory: match directory {
                    "" => None,
                    named => Some(self.workplace.directory(named)),
                },
                is_occupied: router::is_name(name) && self.workplace.is_occupied(name),
            },
            Route::Command {
                command: Command::Persona(""),
                ..
            } => Ahead::Personas(self.personas()),
            Route::Command {
                command: Command::Persona(name),
                ..
            } => Ahead::Persona(self.workplace.personas.read(name)),
            Route::Command {
                command: Command::Restore(_),
                ..
            } => Ahead::Archives(self.workplace.archived()),
            Route::Command {
                command: Command::Resume,
                arrival,
                ..
            } => match store.session_of(bot, arrival.place) {
                Ok(Some(session)) => {
                    let is_ours = |id: &str| store.knows_conversation(id).unwrap_or(false);
                    let found = self.workplace.conversations(&session.folder, is_ours);
                    Ahead::Conversations(Some(session.id), found.map_err(|error| error.to_string()))
                }
                _ => Ahead::Conversations(None, Ok(Vec::new())),
            },
            Route::Act { token, .. } => match store.act_for(bot, token) {
                Ok(Some((Act::UsePersona { persona }, _))) => {
                    Ahead::Persona(self.workplace.personas.read(&persona))
                }
                Ok(Some((Act::Restore { .. }, _))) => Ahead::Archives(self.workplace.archived()),
                Ok(Some((Act::TakeOver { conversation }, session))) => {
                    match store.session(session) {
                        Ok(Some(session)) => {
                            Ahead::Holder(self.workplace.holder(&conversation, &session.folder))
                        }
                        _ => Ahead::Nothing,
                    }
                }
                _ => Ahead::Nothing,
            },
            _ => Ahead::Nothing,
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
