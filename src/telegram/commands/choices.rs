//! What is chosen for a session, by a command or by a button: who Claude is in it, its model, its mode, how long it is kept;
//! and what else a button that is stored does for a session.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::super::ahead::{Ahead, Found};
use super::super::desk::{Desk, say};
use super::{moves, near};
use crate::chat::{Act, BYPASS, Formatted, IdleTimeout, Moving, Persona, Place, SessionId};
use crate::config::persona::NoPersona;
use crate::render::grants;
use crate::render::sessions::{self, Counts};
use crate::store::{self, Intake, Renewal, Session};

/// Minutes that a quiet process may be kept.
const TIMEOUT_MINUTES: RangeInclusive<u64> = 1..=1440;

/// The longest name of a model.
const MODEL_MAX: usize = 100;

/// What a press on a button came to that chooses something.
pub enum Effect {
    /// It was done: what the person reads at once.
    Done(String),
    /// It was not, and why stands below. The button stays, for what is in the way may go.
    Refused,
    /// The button is for something else, or what it was for is over.
    ToNothing,
}

/// Why nobody can be had by this name, by what was looked up ahead: the folder of personas may lie on a slow disk.
pub(super) fn no_persona(name: &str, why: &NoPersona) -> Formatted {
    match why {
        NoPersona::Unknown { near, all } => sessions::no_persona(name, near.as_deref(), all),
        NoPersona::Broken(error) => sessions::broken_persona(&error.to_string()),
    }
}

impl Desk {
    pub(super) fn use_persona(
        &self,
        intake: &mut Intake<'_>,
        place: Place,
        session: &Session,
        name: &str,
        persona: &Result<Persona, NoPersona>,
    ) -> store::Result<()> {
        let persona = match persona {
            Ok(persona) => persona,
            Err(why) => return say(intake, place, no_persona(name, why)),
        };
        intake.use_persona(session.id, persona)?;
        let works = intake.is_at_work(session.id)?;
        say(
            intake,
            place,
            sessions::persona_is(&session.name, &persona.name, persona.mode.as_deref(), works),
        )?;
        self.confirm_persona(intake, place, session.id, persona)
    }

    /// Asks for what a persona cannot have by itself: that nobody is asked.
    pub(super) fn confirm_persona(
        &self,
        intake: &mut Intake<'_>,
        place: Place,
        session: SessionId,
        persona: &Persona,
    ) -> store::Result<()> {
        let Some(session) = intake.session(session)?.filter(|_| persona.wants_bypass) else {
            return Ok(());
        };
        if self.mode_of(&session) == BYPASS {
            return Ok(());
        }
        let notice = sessions::confirm_bypass(&session.name, Some(&persona.name));
        intake.offer(place, session.id, &notice).map(drop)
    }

    fn use_mode(
        &self,
        intake: &mut Intake<'_>,
        session: &Session,
        mode: &str,
    ) -> store::Result<Formatted> {
        let before = self.mode_of(session);
        // What asks nobody is entered by a fresh process, and left by one.
        let renewal = match (before == BYPASS) != (mode == BYPASS) {
            true => Renewal::Process,
            false => Renewal::Live,
        };
        intake.use_mode(session.id, Some(mode), renewal)?;
        let counts = match intake.is_at_work(session.id)? {
            true => {
                let begun = intake.begun_mode(session.id)?;
                Counts::of(mode, begun.as_deref(), intake.takes_in(session.id)?)
            }
            false => Counts::Now,
        };
        Ok(sessions::mode_is(&session.name, mode, counts))
    }

    /// The permission mode that counts for a session.
    pub(super) fn mode_of<'a>(&'a self, session: &'a Session) -> &'a str {
        let chosen = session.chosen.mode.as_deref();
        chosen.unwrap_or(&self.permission_mode)
    }

    pub(super) fn timeout(
        &self,
        intake: &mut Intake<'_>,
        place: Place,
        session: &Session,
        text: &str,
    ) -> store::Result<()> {
        let chosen = match text.to_ascii_lowercase().as_str() {
            "" => session.chosen.idle,
            "off" | "never" => Some(IdleTimeout::Never),
            "0" => Some(IdleTimeout::After(Duration::ZERO)),
            "default" => None,
            minutes => match minutes.strip_suffix('m').unwrap_or(minutes).parse::<u64>() {
                Ok(minutes) if TIMEOUT_MINUTES.contains(&minutes) => {
                    Some(IdleTimeout::After(Duration::from_secs(minutes * 60)))
                }
                _ => return say(intake, place, sessions::bad_timeout()),
            },
        };
        if chosen != session.chosen.idle || text.eq_ignore_ascii_case("default") {
            intake.use_idle(session.id, chosen)?;
        }
        let idle = chosen.unwrap_or(self.idle_timeout);
        say(intake, place, sessions::timeout_is(&session.name, idle))
    }

    pub(super) fn model(
        &self,
        intake: &mut Intake<'_>,
        place: Place,
        session: &Session,
        name: &str,
    ) -> store::Result<()> {
        let all = intake.models()?;
        if name.is_empty() {
            let notice = sessions::models(&session.name, session.chosen.model.as_deref(), &all);
            return intake.offer(place, session.id, &notice).map(drop);
        }
        let is_word = name.len() <= MODEL_MAX
            && !name.starts_with('-')
            && name.chars().all(|letter| letter.is_ascii_graphic());
        if !is_word {
            return say(intake, place, sessions::bad_model());
        }
        // Whole names are more than Claude lists.
        let is_known = all.is_empty() || all.iter().any(|known| known == name);
        if name != "default" && !is_known && !name.starts_with("claude-") {
            let near = near(name, all.iter().map(String::as_str));
            let notice = sessions::no_such_model(name, near, &all);
            return intake.offer(place, session.id, &notice).map(drop);
        }
        let said = self.use_model(intake, session, name)?;
        say(intake, place, said)
    }

    /// Lets a session use a model; `default` is the configuration's.
    pub(super) fn use_model(
        &self,
        intake: &mut Intake<'_>,
        session: &Session,
        name: &str,
    ) -> store::Result<Formatted> {
        let chosen = match (name, &self.model_of_config) {
            ("default", Some(_)) => None,
            // By its name: a conversation that is resumed without one goes on with the model that it had.
            (name, _) => Some(name),
        };
        intake.use_model(session.id, chosen)?;
        let shown = Some(name).filter(|name| *name != "default");
        Ok(sessions::model_is(&session.name, shown))
    }

    pub(super) fn mode(
        &self,
        intake: &mut Intake<'_>,
        place: Place,
        session: &Session,
        name: &str,
    ) -> store::Result<()> {
        let refused = self.workplace.personas.refuses_mode(BYPASS);
        if name.is_empty() {
            let notice = sessions::modes(&session.name, self.mode_of(session), refused);
            return intake.offer(place, session.id, &notice).map(drop);
        }
        let mut known = sessions::MODES.iter().map(|(mode, _)| *mode);
        let Some(mode) = known.find(|mode| mode.eq_ignore_ascii_case(name)) else {
            let near = near(name, sessions::MODES.iter().map(|(mode, _)| *mode));
            return say(intake, place, sessions::no_such_mode(name, near));
        };
        match (mode, refused) {
            (BYPASS, Some(why)) => say(intake, place, sessions::mode_refused(why)),
            (BYPASS, None) => {
                let notice = sessions::confirm_bypass(&session.name, None);
                intake.offer(place, session.id, &notice).map(drop)
            }
            (mode, _) => {
                let said = self.use_mode(intake, session, mode)?;
                say(intake, place, said)
            }
        }
    }

    /// Does what a button was for that is for no session which is there; see [`Effect`].
    pub fn choose_for_none(
        &self,
        intake: &mut Intake<'_>,
        act: &Act,
        place: Place,
        ahead: &Ahead,
    ) -> store::Result<Effect> {
        let (Act::Restore { file }, Found::Archives(all)) = (act, &ahead.found) else {
            return Ok(Effect::ToNothing);
        };
        let Some(archived) = all.iter().find(|one| one.file == *file) else {
            return refuse(intake, place, sessions::no_archive(file, None));
        };
        match self.bring_back(intake, place, archived)? {
            Ok(said) => done(intake, place, said),
            Err(why) => refuse(intake, place, why),
        }
    }

    /// Does what a button was for that chooses something for a session; see [`Effect`].
    pub fn choose(
        &self,
        intake: &mut Intake<'_>,
        session: SessionId,
        act: &Act,
        place: Place,
        ahead: &Ahead,
    ) -> store::Result<Effect> {
        let Some(session) = intake.session(session)? else {
            return Ok(Effect::ToNothing);
        };
        let chooses = matches!(
            act,
            Act::UseModel { .. }
                | Act::UseMode { .. }
                | Act::UseBypass
                | Act::UsePersona { .. }
                | Act::TakeOver { .. }
        );
        if chooses && let Some(why) = moves::is_not_there(intake, &session)? {
            return refuse(intake, place, why);
        }
        let said = match act {
            Act::UseModel { model } => self.use_model(intake, &session, model)?,
            Act::UseMode { mode } if mode == BYPASS => {
                let notice = sessions::confirm_bypass(&session.name, None);
                intake.offer(place, session.id, &notice)?;
                return Ok(Effect::Done("Press once more below".to_owned()));
            }
            Act::UseMode { mode } => self.use_mode(intake, &session, mode)?,
            Act::UseBypass if self.workplace.personas.refuses_mode(BYPASS).is_some() => {
                let why = self.workplace.personas.refuses_mode(BYPASS);
                let why = sessions::mode_refused(why.unwrap_or_default());
                return refuse(intake, place, why);
            }
            Act::UseBypass => self.use_mode(intake, &session, BYPASS)?,
            Act::UsePersona { persona: name } => match &ahead.found {
                Found::Persona(Err(why)) => {
                    return refuse(intake, place, no_persona(name, why));
                }
                Found::Persona(persona) => {
                    self.use_persona(intake, place, &session, name, persona)?;
                    return Ok(Effect::Done("Done".to_owned()));
                }
                _ => return Ok(Effect::ToNothing),
            },
            Act::Delete => {
                let notice = self.confirm_delete(&session, true);
                intake.offer(place, session.id, &notice)?;
                return Ok(Effect::Done("Press once more below".to_owned()));
            }
            Act::DeleteForGood if intake.has_open(session.id)? => {
                return refuse(intake, place, sessions::has_open(&session.name, "deleted"));
            }
            Act::DeleteForGood if intake.guest(session.id)?.is_some() => {
                let guest = intake.guest(session.id)?.unwrap_or_default();
                return refuse(intake, place, sessions::has_guest(&session.name, &guest));
            }
            Act::DeleteForGood => {
                let coming = intake.coming_back(session.id)?;
                let moving = match coming {
                    Some(coming) => coming,
                    None => {
                        let going = Moving::Delete { file: None };
                        intake.put_away(session.id, place, &going)?;
                        going
                    }
                };
                sessions::is_moving(&session.name, &moving)
            }
            Act::TakeOver { conversation } => match &ahead.found {
                Found::Holder(Some(pid)) => {
                    return refuse(intake, place, sessions::is_open_elsewhere(*pid));
                }
                Found::Holder(None) if intake.goes_on_with_its_conversation(session.id)? => {
                    return refuse(intake, place, sessions::is_busy(&session.name, "changed"));
                }
                Found::Holder(None) => match intake.in_conversation(conversation)? {
                    // Two at once would lose a part of it.
                    Some(other) => {
                        return refuse(intake, place, sessions::is_in_conversation(&other));
                    }
                    None => {
                        intake.follow(session.id, conversation, true)?;
                        sessions::taken_over(&session.name)
                    }
                },
                _ => return Ok(Effect::ToNothing),
            },
            Act::Revoke { grant } => match intake.revoke(session.id, *grant)? {
                Some(revoked) => {
                    self.list_grants(intake, place, &session)?;
                    return Ok(Effect::Done(grants::revoked(&revoked)));
                }
                // Revoked before, or over.
                None => return Ok(Effect::ToNothing),
            },
            Act::LimitGrant { grant } => match intake.limit_grant(*grant)? {
                Some(grant) => return Ok(Effect::Done(grants::changed(&grant).to_owned())),
                // Revoked before, or over.
                None => return Ok(Effect::ToNothing),
            },
            Act::WidenGrant { grant, reach } => match intake.widen_grant(*grant, *reach)? {
                Some(grant) => return Ok(Effect::Done(grants::changed(&grant).to_owned())),
                // Revoked before, or over.
                None => return Ok(Effect::ToNothing),
            },
            _ => return Ok(Effect::ToNothing),
        };
        done(intake, place, said)
    }
}

fn done(intake: &mut Intake<'_>, place: Place, said: Formatted) -> store::Result<Effect> {
    say(intake, place, said)?;
    Ok(Effect::Done("Done".to_owned()))
}

fn refuse(intake: &mut Intake<'_>, place: Place, why: Formatted) -> store::Result<Effect> {
    say(intake, place, why)?;
    Ok(Effect::Refused)
}
