//! chappe's own commands, and the choices that their buttons offer: each is carried out within the transaction that closes
//! its update.
//!
//! What the disk must be asked for (a directory, a persona) is looked up before, by `ahead`: no transaction
//! waits for a disk. Nothing here calls Telegram or an owner.

pub mod choices;
mod moves;

use super::ahead::{Ahead, Found, Site};
use super::desk::{Desk, say, stop};
use crate::chat::{Act, Formatted, Lane, Notice, Offer, Overview, Place, Post, SessionId};
use crate::clock::unix_now;
use crate::config::nearest;
use crate::render::sessions::{self, BadDirectory};
use crate::render::{grants, lists, texts};
use crate::router::{self, Command, Wish};
use crate::store::{self, Folder, Intake, Made, New, Offered, Session, Stop};
use crate::workplace::NoDirectory;
use moves::export;

/// The longest word that a nearest one is looked for.
const WORD_MAX: usize = 100;

impl Desk {
    pub fn command(
        &self,
        intake: &mut Intake<'_>,
        place: Place,
        suggested: &str,
        command: Command<'_>,
        ahead: &Ahead,
    ) -> store::Result<()> {
        if matches!(ahead.found, Found::Late) {
            return say(intake, place, Formatted::plain(texts::DISK_IS_SLOW));
        }
        match command {
            Command::Start => return say(intake, place, texts::welcome(&self.host)),
            Command::Help => return say(intake, place, texts::help()),
            // One with a text is dealt with as that.
            Command::Steer(_) => return say(intake, place, texts::steer_what()),
            Command::New(wish) => return self.new_session(intake, place, wish, ahead),
            Command::Sessions => return list(intake, self, place),
            Command::Restore(name) => return self.restore(intake, place, name, ahead),
            Command::Archive(name) | Command::Delete(name) if !name.is_empty() => {
                return match named(intake, place, name)? {
                    Some(session) => self.put_away(intake, place, &session, command),
                    None => Ok(()),
                };
            }
            // A second tap must not make a session, only to put that away as well.
            Command::Archive(_) | Command::Delete(_) if intake.bound(place)?.is_none() => {
                return list(intake, self, place);
            }
            Command::Session("") => {
                if let Some(id) = intake.bound(place)?
                    && let Some(session) = intake.session(id)?
                    && session.heard
                {
                    say(intake, place, self.about(&session))?;
                }
                return list(intake, self, place);
            }
            Command::Session(name) => return switch_to(intake, place, name),
            Command::Pending => return pending(intake, place),
            Command::Status => {
                let list = all_sessions(intake, self, place)?;
                return say(intake, place, lists::status(&self.host, &list, unix_now()));
            }
            _ => {}
        }
        // All others are about the session of their place. Unlike what is for Claude, they can be said again.
        if matches!(ahead.site, Site::Late) && intake.bound(place)?.is_none() {
            return say(intake, place, Formatted::plain(texts::DISK_IS_SLOW));
        }
        let id = self.session_here(intake, place, suggested, ahead)?;
        let Some(session) = intake.session(id)? else {
            return Ok(());
        };
        let chooses = matches!(
            command,
            Command::Timeout(_)
                | Command::Persona(_)
                | Command::Model(_)
                | Command::Mode(_)
                | Command::Clear
                | Command::Resume
        );
        // What is chosen comes with it, so it would be lost.
        if chooses && let Some(why) = moves::is_not_there(intake, &session)? {
            return say(intake, place, why);
        }
        match command {
            Command::Stop => stop_here(intake, place, &session),
            Command::Queue => queue(intake, place, id),
            Command::Grants => self.list_grants(intake, place, &session),
            Command::Rename(name) => rename(intake, place, &session, name),
            Command::Timeout(text) => self.timeout(intake, place, &session, text),
            Command::Persona(name) => match &ahead.found {
                Found::Personas(all) => {
                    let notice = sessions::personas(&session.name, &session.persona, all);
                    intake.offer(place, id, &notice).map(drop)
                }
                Found::Persona(persona) => self.use_persona(intake, place, &session, name, persona),
                _ => Ok(()),
            },
            Command::Model(name) => self.model(intake, place, &session, name),
            Command::Mode(name) => self.mode(intake, place, &session, name),
            Command::Clear => clear(intake, place, &session),
            Command::Archive(_) | Command::Delete(_) => {
                self.put_away(intake, place, &session, command)
            }
            Command::Export => export(intake, place, &session),
            Command::Resume => {
                let Found::Conversations(of, found) = &ahead.found else {
                    return Ok(());
                };
                // What came just before it in the same answer has led the place to another session. One that is made by
                // this very command has a folder that is empty yet.
                let is_other = match of {
                    Some(of) => *of != id,
                    None => session.heard || !session.owns_folder,
                };
                if is_other {
                    return say(intake, place, sessions::ask_again(&session.name));
                }
                self.conversations(intake, place, &session, found)
            }
            Command::Start
            | Command::Help
            | Command::Steer(_)
            | Command::New(_)
            | Command::Session(_)
            | Command::Sessions
            | Command::Restore(_)
            | Command::Pending
            | Command::Status => Ok(()),
        }
    }

    fn new_session(
        &self,
        intake: &mut Intake<'_>,
        place: Place,
        wish: Wish<'_>,
        ahead: &Ahead,
    ) -> store::Result<()> {
        let Wish {
            name,
            persona: wished,
            directory: named,
        } = wish;
        if !router::is_name(name) {
            return say(intake, place, sessions::bad_name(name, "/new web"));
        }
        if let Some((session, name)) = intake.session_named(name)? {
            return offer_switch(intake, place, session, &name, sessions::exists(&name));
        }
        let Found::New {
            persona,
            directory,
            there,
        } = &ahead.found
        else {
            return Ok(());
        };
        let persona = match persona {
            Ok(persona) => persona,
            Err(why) => return say(intake, place, choices::no_persona(wished, why)),
        };
        let own = self.home.root.join(name);
        let folder = match (directory, there) {
            // What is there already is a person's, who has named it with the session, and does not go with that.
            (None, Some(there)) if !intake.has_folder(&own)? => match there {
                Ok(there) => Folder::Given(there),
                Err(why) => {
                    let why = self.bad_directory(why);
                    let own = self.workplace.short(&own);
                    return say(intake, place, sessions::bad_directory(&own, &why));
                }
            },
            (None, _) => match &ahead.site {
                Site::Seen(seen) => Folder::In(&self.home.root, &seen.lies),
                Site::Late | Site::Unasked => Folder::Unseen(&self.home.root),
            },
            (Some(Ok(directory)), _) => Folder::Given(directory),
            (Some(Err(why)), _) => {
                let why = self.bad_directory(why);
                return say(intake, place, sessions::bad_directory(named, &why));
            }
        };
        let new = New {
            name,
            folder,
            persona,
        };
        // Who has topics has one for each session. Where none can be made, the session is had here.
        let wants_topic = ahead.has_topics || intake.has_topics(place.chat)?;
        let made = match wants_topic {
            true => intake.make_session_without_place(&new)?,
            false => intake.make_session(place, &new)?,
        };
        match made {
            Made::Yes { session, folder } => {
                let folder = self.workplace.short(&folder);
                let mode = persona.mode.as_deref();
                if wants_topic {
                    let topic = Post::Topic {
                        name: name.to_owned(),
                        session,
                        ready: sessions::ready(name, &folder, &persona.name, mode),
                        before: intake.bound(place)?,
                    };
                    intake.post(place, Lane::Text, &topic)?;
                } else {
                    say(
                        intake,
                        place,
                        sessions::made(name, &folder, &persona.name, mode),
                    )?;
                }
                self.confirm_persona(intake, place, session, persona)
            }
            Made::Exists(session) => {
                let name = intake.name_of(session)?;
                offer_switch(intake, place, session, &name, sessions::exists(&name))
            }
        }
    }

    fn list_grants(
        &self,
        intake: &mut Intake<'_>,
        place: Place,
        session: &Session,
    ) -> store::Result<()> {
        let notice = self.grants_of(intake, session, None)?;
        intake.offer(place, session.id, &notice).map(drop)
    }

    /// Shows another part of the list in its message; returns what the person reads at once.
    pub fn turn_grants(
        &self,
        intake: &mut Intake<'_>,
        offered: &Offered,
        before: Option<i64>,
    ) -> store::Result<&'static str> {
        let Some(session) = intake.session(offered.session)? else {
            return Ok(texts::TOAST_DONE_BEFORE);
        };
        let notice = self.grants_of(intake, &session, before)?;
        intake.show_anew(offered, &notice)?;
        Ok("See the list")
    }

    fn grants_of(
        &self,
        intake: &Intake<'_>,
        session: &Session,
        before: Option<i64>,
    ) -> store::Result<Notice> {
        let all = intake.grants(session.id)?;
        let mode = self.mode_of(session);
        let all = (all.as_slice(), before);
        Ok(grants::list(&session.name, all, mode, unix_now()))
    }

    fn bad_directory(&self, why: &NoDirectory) -> BadDirectory {
        match why {
            NoDirectory::NotWhole => BadDirectory::NotWhole,
            NoDirectory::Missing => BadDirectory::Missing,
            NoDirectory::NotADirectory => BadDirectory::NotADirectory,
            NoDirectory::Circle => BadDirectory::Circle,
            NoDirectory::NoPermission => BadDirectory::NoPermission,
            NoDirectory::Other(why) => BadDirectory::Other(why.clone()),
            NoDirectory::Outside { real, allowed } => {
                let short = |path| std::path::PathBuf::from(self.workplace.short(path));
                BadDirectory::Outside {
                    real: short(real.as_path()),
                    allowed: allowed.iter().map(|dir| short(dir.as_path())).collect(),
                }
            }
        }
    }
}

/// Stops the session to which somebody has replied.
pub fn stop_that(intake: &mut Intake<'_>, place: Place, session: SessionId) -> store::Result<()> {
    match intake.session(session)? {
        Some(session) => stop_here(intake, place, &session),
        None => Ok(()),
    }
}

fn stop_here(intake: &mut Intake<'_>, place: Place, session: &Session) -> store::Result<()> {
    let shown_at = intake.place_of_turn(session.id)?;
    match stop(intake, session.id)? {
        // Where it is shown it shows; from elsewhere nothing is to be seen of it.
        Stop::Begun if shown_at.is_some_and(|shown| shown != place) => {
            say(intake, place, texts::stopping(&session.name))
        }
        Stop::Begun | Stop::Done => Ok(()),
        Stop::Nothing => say(intake, place, texts::nothing_runs(&session.name)),
    }
}

fn queue(intake: &mut Intake<'_>, place: Place, session: SessionId) -> store::Result<()> {
    match line(intake, place, session)? {
        Some(line) => intake.offer(place, session, &line).map(drop),
        None => Ok(()),
    }
}

/// Says what waits for a person, with a button for each session that is not the one of the place. In a group only what
/// waits there.
fn pending(intake: &mut Intake<'_>, place: Place) -> store::Result<()> {
    let mut all = intake.pending()?;
    // A group is read by people who may not speak to the bot: what is asked elsewhere is not for them.
    let only = (place.chat.0 < 0).then_some(place.chat);
    if let Some(chat) = only {
        all.retain(|one| one.place.is_some_and(|at| at.chat == chat));
    }
    // Who has to ask may have lost the message with its buttons.
    intake.look_after_requests(only)?;
    let current = intake.bound(place)?;
    let mut offers: Vec<(SessionId, Offer)> = Vec::new();
    for one in &all {
        let is_new = offers.iter().all(|(session, _)| *session != one.session);
        if is_new && current != Some(one.session) && offers.len() < lists::SHOWN_MAX {
            let label = format!("Go to {}", one.name);
            offers.push((one.session, Offer::new(label, Act::Switch)));
        }
    }
    let body = lists::pending(&all, unix_now());
    intake.offer_of_many(place, &body, &offers).map(drop)
}

/// What waits for a session, as a message; None where the session is gone.
pub fn line(
    intake: &Intake<'_>,
    place: Place,
    session: SessionId,
) -> store::Result<Option<Notice>> {
    let list = intake.overview(place)?;
    let line = intake.line_of(session, lists::SHOWN_MAX)?;
    let one = list.iter().find(|one| one.session == session);
    Ok(one.map(|one| lists::queue(one, &line)))
}

fn rename(
    intake: &mut Intake<'_>,
    place: Place,
    session: &Session,
    name: &str,
) -> store::Result<()> {
    if !router::is_name(name) {
        return say(intake, place, sessions::bad_name(name, "/rename web"));
    }
    match intake.rename(session.id, name)? {
        Made::Yes { .. } => say(intake, place, sessions::renamed(&session.name, name)),
        Made::Exists(other) => {
            let name = intake.name_of(other)?;
            offer_switch(intake, place, other, &name, sessions::exists(&name))
        }
    }
}

fn clear(intake: &mut Intake<'_>, place: Place, session: &Session) -> store::Result<()> {
    if intake.goes_on_with_its_conversation(session.id)? {
        return say(intake, place, sessions::is_busy(&session.name, "cleared"));
    }
    intake.start_fresh(session.id)?;
    say(intake, place, sessions::cleared(&session.name))
}

/// All sessions, each with the mode that counts for it.
fn all_sessions(intake: &Intake<'_>, desk: &Desk, place: Place) -> store::Result<Vec<Overview>> {
    let mut list = intake.overview(place)?;
    for one in &mut list {
        one.mode.get_or_insert_with(|| desk.permission_mode.clone());
    }
    Ok(list)
}

/// Asks to which session the place is to talk.
fn list(intake: &mut Intake<'_>, desk: &Desk, place: Place) -> store::Result<()> {
    let list = all_sessions(intake, desk, place)?;
    if list.is_empty() {
        return say(intake, place, Formatted::plain(texts::NO_SESSIONS));
    }
    let offers = list
        .iter()
        .filter(|session| !session.is_current)
        .take(lists::SHOWN_MAX)
        .map(|session| {
            (
                session.session,
                Offer::new(session.name.clone(), Act::Switch),
            )
        })
        .collect::<Vec<_>>();
    let body = lists::sessions(&list, unix_now(), |folder| desk.workplace.short(folder));
    intake.offer_of_many(place, &body, &offers).map(drop)
}

/// The session of this name; None where there is none, which is told with the nearest.
fn named(intake: &mut Intake<'_>, place: Place, name: &str) -> store::Result<Option<Session>> {
    if let Some((session, _)) = intake.session_named(name)? {
        return intake.session(session);
    }
    let list = intake.overview(place)?;
    let near = near(name, list.iter().map(|session| session.name.as_str()));
    say(intake, place, sessions::no_such(name, near))?;
    Ok(None)
}

fn switch_to(intake: &mut Intake<'_>, place: Place, name: &str) -> store::Result<()> {
    if let Some((session, name)) = intake.session_named(name)? {
        intake.bind(place, session)?;
        return say(intake, place, sessions::switched(&name));
    }
    let list = intake.overview(place)?;
    let near = near(name, list.iter().map(|session| session.name.as_str()));
    let meant = near.and_then(|near| list.iter().find(|session| session.name == near));
    match meant {
        Some(meant) => {
            let body = sessions::no_such(name, Some(&meant.name));
            offer_switch(intake, place, meant.session, &meant.name, body)
        }
        None => say(intake, place, sessions::no_such(name, None)),
    }
}

fn offer_switch(
    intake: &mut Intake<'_>,
    place: Place,
    session: SessionId,
    name: &str,
    body: Formatted,
) -> store::Result<()> {
    let notice = Notice {
        body,
        offers: vec![vec![Offer::new(name, Act::Switch)]],
    };
    intake.offer(place, session, &notice).map(drop)
}

/// The nearest of some words, where somebody may have meant one of them.
fn near<'c>(word: &str, all: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    (word.len() <= WORD_MAX).then(|| nearest(word, all))?
}
