//! What an update needs of the disk, looked up before its transaction: no transaction waits for a disk.
//!
//! It only looks; where a session is made as what was found here, that is done here too. What else follows is carried out in
//! `commands`.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::desk::{Desk, say};
use super::update::Decoded;
use crate::chat::{Act, BotId, Formatted, Inbound, Persona, Place, SessionId};
use crate::config::persona::NoPersona;
use crate::patience::Patience;
use crate::render::sessions;
use crate::router::{Command, Route, Wish};
use crate::store::{self, Home, Intake, Store};
use crate::workplace::{Archived, Conversation, NoDirectory, Workplace};

/// What an update needs of the disk.
pub struct Ahead {
    pub found: Found,
    /// Where it may make a session.
    pub site: Site,
    /// Whether the message says that its chat has topics.
    pub has_topics: bool,
}

/// Where sessions are made, and as whom where nobody says so.
#[derive(Clone)]
pub enum Site {
    /// None is made, as far as the store could say.
    Unasked,
    /// The disk did not answer in time. What is for Claude is kept all the same, in a folder that can be nobody's: an update
    /// that was left with Telegram until the disk answers would hold up all that come after it, and the presses with them.
    Late,
    Seen(Rc<Seen>),
}

/// What was seen there.
pub struct Seen {
    /// What lies in the sessions' root.
    pub lies: Vec<String>,
    /// With the persona as its file is now, if it can be had so; and what is wrong with it.
    home: Option<Home>,
    complaint: Option<Formatted>,
}

/// How long the disk may take for all that came in one answer of getUpdates. Whoever presses a button meanwhile waits for it
/// as well, and for those of the answer that the press comes with: twice this has to be less than a second.
const LOOKS_MAX: Duration = Duration::from_millis(400);

/// The disk on which sessions are made, and all others: one of these that never answers is no reason to find nothing there.
static HOME: Patience = Patience::fresh();
static DISKS: Patience = Patience::fresh();

/// The looks that are made for one answer of getUpdates.
pub struct Looks {
    until: Instant,
    /// The same for all of it.
    site: Site,
}

impl Looks {
    /// Nothing has been looked for yet.
    pub fn from(now: Instant) -> Looks {
        Looks {
            until: now + LOOKS_MAX,
            site: Site::Unasked,
        }
    }

    /// What `look` finds; None where there is no time for it any more.
    fn ask<T: Send + 'static>(
        &self,
        disk: &'static Patience,
        look: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let left = self.until.saturating_duration_since(Instant::now());
        (!left.is_zero()).then(|| disk.ask(left, look))?
    }
}

/// What else it needs.
pub enum Found {
    Nothing,
    /// The disk did not answer in time. It may the next time, since it has read most of it by then.
    Late,
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
    pub fn look_ahead(
        &self,
        store: &Store,
        bot: BotId,
        update: &Decoded,
        looks: &mut Looks,
    ) -> Ahead {
        let Some(route) = self.route(update) else {
            return Ahead {
                found: Found::Nothing,
                site: Site::Unasked,
                has_topics: false,
            };
        };
        let may_make = match &route {
            Route::Command {
                command: Command::New(_),
                ..
            } => true,
            Route::Command { command, .. } if !command.is_about_its_place() => false,
            // Asked of the store as well, since the root may be a large directory of a slow disk.
            Route::Prompt { .. } | Route::Command { .. } => {
                route.arrival().is_some_and(|arrival| {
                    !matches!(store.session_of(bot, arrival.place), Ok(Some(_)))
                })
            }
            _ => false,
        };
        let site = match may_make {
            true => self.site(looks),
            false => Site::Unasked,
        };
        Ahead {
            found: self.find(store, bot, route, &site, looks),
            site,
            has_topics: match &update.inbound {
                Ok(Inbound::Message(message) | Inbound::Edited(message)) => {
                    message.forum || message.place.topic.is_some()
                }
                _ => false,
            },
        }
    }

    /// The session that a place talks to; where it talks to none, one is made.
    pub fn session_here(
        &self,
        intake: &mut Intake<'_>,
        place: Place,
        suggested: &str,
        ahead: &Ahead,
    ) -> store::Result<SessionId> {
        let is_new = intake.bound(place)?.is_none();
        let seen = match &ahead.site {
            Site::Seen(seen) => Some(seen.as_ref()),
            Site::Late | Site::Unasked => None,
        };
        let home = seen.and_then(|seen| seen.home.as_ref());
        let lies = seen.map(|seen| seen.lies.as_slice());
        let session = intake.session_at(place, suggested, home.unwrap_or(&self.home), lies)?;
        if !is_new {
            return Ok(session);
        }
        if let Some(complaint) = seen.and_then(|seen| seen.complaint.as_ref()) {
            say(intake, place, complaint.clone())?;
        }
        if let (Site::Late, Some(made)) = (&ahead.site, intake.session(session)?) {
            let folder = self.workplace.short(&made.folder);
            say(intake, place, sessions::made_unseen(&folder))?;
        }
        Ok(session)
    }

    /// Where sessions are made: looked at once for all that came together.
    fn site(&self, looks: &mut Looks) -> Site {
        if matches!(looks.site, Site::Unasked) {
            let workplace = Arc::clone(&self.workplace);
            let default = self.default_persona.clone();
            let found = looks.ask(&HOME, move || {
                (workplace.occupied(), workplace.personas.read(&default))
            });
            looks.site = match found {
                None => Site::Late,
                Some((lies, persona)) => {
                    let (home, complaint) = self.home_as(persona);
                    Site::Seen(Rc::new(Seen {
                        lies,
                        home,
                        complaint,
                    }))
                }
            };
        }
        looks.site.clone()
    }

    /// Where sessions are made that nobody has asked for, with the persona as its file is now.
    fn home_as(&self, persona: Result<Persona, NoPersona>) -> (Option<Home>, Option<Formatted>) {
        match persona {
            // That nobody is asked is confirmed by a person, for each session.
            Ok(persona) if persona.wants_bypass => (None, None),
            Ok(persona) => {
                let root = self.home.root.clone();
                (Some(Home { root, persona }), None)
            }
            Err(NoPersona::Broken(error)) => {
                (None, Some(sessions::broken_default(&error.to_string())))
            }
            Err(NoPersona::Unknown { .. }) => (None, None),
        }
    }

    fn find(
        &self,
        store: &Store,
        bot: BotId,
        route: Route<'_>,
        site: &Site,
        looks: &Looks,
    ) -> Found {
        let lies = match (site, &route) {
            (Site::Seen(seen), _) => seen.lies.as_slice(),
            (
                Site::Late,
                Route::Command {
                    command: Command::New(_),
                    ..
                },
            ) => return Found::Late,
            _ => &[],
        };
        let wants = self.wants(store, bot, route, lies);
        if matches!(wants, Wants::Nothing) {
            return Found::Nothing;
        }
        let workplace = Arc::clone(&self.workplace);
        let found = looks.ask(&DISKS, move || look(&workplace, wants));
        match found.unwrap_or(Found::Late) {
            Found::Conversations(of, Ok(mut all)) => {
                all.retain(|one| !store.knows_conversation(&one.id).unwrap_or(false));
                Found::Conversations(of, Ok(all))
            }
            found => found,
        }
    }

    /// What an update needs, as far as the store can say.
    fn wants(&self, store: &Store, bot: BotId, route: Route<'_>, lies: &[String]) -> Wants {
        match route {
            Route::Command {
                command:
                    Command::New(Wish {
                        name,
                        persona,
                        directory,
                    }),
                ..
            } => Wants::New {
                persona: match persona {
                    "" => self.default_persona.clone(),
                    name => name.to_owned(),
                },
                directory: (!directory.is_empty()).then(|| directory.to_owned()),
                there: lies
                    .iter()
                    .any(|lies| lies == name)
                    .then(|| name.to_owned()),
            },
            Route::Command {
                command: Command::Persona(""),
                ..
            } => Wants::Personas,
            Route::Command {
                command: Command::Persona(name),
                ..
            } => Wants::Persona(name.to_owned()),
            Route::Command {
                command: Command::Restore(_),
                ..
            } => Wants::Archives,
            Route::Command {
                command: Command::Resume,
                arrival,
                ..
            } => Wants::Conversations(match store.session_of(bot, arrival.place) {
                Ok(Some(session)) => Some((session.id, session.folder)),
                _ => None,
            }),
            Route::Act { token, .. } => match store.act_for(bot, token) {
                Ok(Some((Act::UsePersona { persona }, _))) => Wants::Persona(persona),
                Ok(Some((Act::Restore { .. }, _))) => Wants::Archives,
                Ok(Some((Act::TakeOver { conversation }, Some(session)))) => {
                    match store.session(session) {
                        Ok(Some(session)) => Wants::Holder(conversation, session.folder),
                        _ => Wants::Nothing,
                    }
                }
                _ => Wants::Nothing,
            },
            _ => Wants::Nothing,
        }
    }
}

/// What is to be looked up.
enum Wants {
    Nothing,
    New {
        persona: String,
        /// As it was named.
        directory: Option<String>,
        /// The session's name, where something lies in the root under that.
        there: Option<String>,
    },
    Persona(String),
    Personas,
    Archives,
    /// In this session's folder.
    Conversations(Option<(SessionId, PathBuf)>),
    /// Of this conversation, in this folder.
    Holder(String, PathBuf),
}

/// Looks it up. May block for as long as a disk does.
fn look(workplace: &Workplace, wants: Wants) -> Found {
    match wants {
        Wants::Nothing => Found::Nothing,
        Wants::New {
            persona,
            directory,
            there,
        } => Found::New {
            persona: workplace.personas.read(&persona),
            directory: directory.map(|named| workplace.directory(&named)),
            there: there.map(|name| workplace.may_work_in(&name)),
        },
        Wants::Persona(name) => Found::Persona(workplace.personas.read(&name)),
        Wants::Personas => Found::Personas(personas(workplace)),
        Wants::Archives => Found::Archives(workplace.archived()),
        Wants::Conversations(None) => Found::Conversations(None, Ok(Vec::new())),
        Wants::Conversations(Some((session, folder))) => {
            let found = workplace.conversations(&folder);
            Found::Conversations(Some(session), found.map_err(|error| error.to_string()))
        }
        Wants::Holder(conversation, folder) => {
            Found::Holder(workplace.holder(&conversation, &folder))
        }
    }
}

fn personas(workplace: &Workplace) -> Vec<(String, String)> {
    let personas = &workplace.personas;
    let described = |name: String| {
        let description = match personas.read(&name) {
            Ok(persona) => persona.description,
            Err(_) => "⚠ its file is wrong".to_owned(),
        };
        (name, description)
    };
    personas.names().into_iter().map(described).collect()
}
