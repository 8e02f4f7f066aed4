//! Whole sessions: put away, brought back, deleted, exported, and taken over from the desk.

use super::super::ahead::{Ahead, Found};
use super::super::desk::{Desk, say};
use super::near;
use crate::chat::{Formatted, Lane, Moving, Notice, Place, Post};
use crate::render::sessions::{self, About};
use crate::render::status::coarse;
use crate::router::Command;
use crate::store::{self, Intake, Made, Session};
use crate::workplace::{self, Archived, Conversation};

impl Desk {
    /// Puts a session away, or asks whether it is to be deleted.
    pub(super) fn put_away(
        &self,
        intake: &mut Intake<'_>,
        place: Place,
        session: &Session,
        command: Command<'_>,
    ) -> store::Result<()> {
        if matches!(command, Command::Delete(_)) {
            let notice = self.confirm_delete(session, false);
            return intake.offer(place, session.id, &notice).map(drop);
        }
        if let Some(why) = is_not_there(intake, session)? {
            return say(intake, place, why);
        }
        if intake.has_open(session.id)? {
            return say(intake, place, sessions::has_open(&session.name, "put away"));
        }
        if let Some(guest) = intake.guest(session.id)? {
            return say(intake, place, sessions::has_guest(&session.name, &guest));
        }
        let file = workplace::archive_of(&session.name, &intake.stamp()?, &session.mark);
        let moving = Moving::Archive { file };
        intake.put_away(session.id, place, &moving)?;
        say(intake, place, sessions::is_moving(&session.name, &moving))
    }

    pub(super) fn confirm_delete(&self, session: &Session, again: bool) -> Notice {
        let folder = self.workplace.short(&session.folder);
        let folder = session.owns_folder.then_some(folder.as_str());
        sessions::confirm_delete(&session.name, folder, again)
    }

    pub(super) fn restore(
        &self,
        intake: &mut Intake<'_>,
        place: Place,
        name: &str,
        ahead: &Ahead,
    ) -> store::Result<()> {
        let Found::Archives(all) = &ahead.found else {
            return Ok(());
        };
        if name.is_empty() {
            let all: Vec<_> = all
                .iter()
                .map(|one| (one.file.clone(), one.name.clone(), coarse(one.age)))
                .collect();
            let notice = sessions::archives(&all);
            // They stand for sessions that are not there. One that carried them would be in the way of its own name.
            return intake.offer(place, None, &notice).map(drop);
        }
        let found = all
            .iter()
            .find(|one| one.name.eq_ignore_ascii_case(name) || one.file == name);
        match found {
            Some(archived) => {
                let (Ok(said) | Err(said)) = self.bring_back(intake, place, archived)?;
                say(intake, place, said)
            }
            None => {
                let near = near(name, all.iter().map(|one| one.name.as_str()));
                say(intake, place, sessions::no_archive(name, near))
            }
        }
    }

    /// Begins to bring a session back: what is said of it, or why it cannot be.
    pub(super) fn bring_back(
        &self,
        intake: &mut Intake<'_>,
        place: Place,
        archived: &Archived,
    ) -> store::Result<Result<Formatted, Formatted>> {
        let moving = Moving::Restore {
            file: archived.file.clone(),
            before: intake.bound(place)?,
        };
        match intake.bring_back(place, &archived.name, &self.home, &moving)? {
            Made::Yes { .. } => Ok(Ok(sessions::is_moving(&archived.name, &moving))),
            Made::Exists(other) => {
                let other = intake.name_of(other)?;
                Ok(Err(sessions::is_in_the_way(&other)))
            }
        }
    }

    /// What a session is, with the way back to the desk.
    pub(super) fn about(&self, session: &Session) -> Formatted {
        sessions::about(&About {
            name: &session.name,
            persona: match session.persona.as_str() {
                "" => "default",
                persona => persona,
            },
            folder: &self.workplace.short(&session.folder),
            way_back: &self
                .workplace
                .by_hand
                .resume_in(&session.folder, &session.claude),
        })
    }

    pub(super) fn conversations(
        &self,
        intake: &mut Intake<'_>,
        place: Place,
        session: &Session,
        found: &Result<Vec<Conversation>, String>,
    ) -> store::Result<()> {
        let folder = self.workplace.short(&session.folder);
        let found = match found {
            Ok(found) => found,
            Err(why) => return say(intake, place, sessions::unreadable_conversations(why)),
        };
        let all: Vec<_> = found
            .iter()
            .map(|one| (one.id.clone(), one.first_line.clone(), coarse(one.age)))
            .collect();
        let notice = sessions::conversations(&session.name, &folder, &all);
        intake.offer(place, session.id, &notice).map(drop)
    }
}

/// Why nothing can be chosen for a session, nor done with it as a whole: it is not back yet. None where it is there.
pub(super) fn is_not_there(
    intake: &Intake<'_>,
    session: &Session,
) -> store::Result<Option<Formatted>> {
    if intake.coming_back(session.id)?.is_none() {
        return Ok(None);
    }
    Ok(Some(match intake.is_broken(session.id)? {
        true => sessions::is_not_back(&session.name),
        false => sessions::is_coming_back(&session.name),
    }))
}

pub(super) fn export(
    intake: &mut Intake<'_>,
    place: Place,
    session: &Session,
) -> store::Result<()> {
    let log = intake.log(session.id)?;
    if log.said.is_empty() {
        return say(intake, place, sessions::nothing_said(&session.name));
    }
    let said: Vec<_> = log
        .said
        .into_iter()
        .map(|(at, said)| (at, said.by, said.text))
        .collect();
    let post = Post::Document {
        name: format!("{}.md", session.name),
        text: sessions::export(&session.name, &said, log.is_cut),
        caption: Formatted::default(),
        silent: false,
    };
    intake.post(place, Lane::Text, &post).map(drop)
}
