//! Presses on the buttons of a request: it is allowed once, or always, denied, or should be different.
//!
//! Which of them counts was decided by the store; here it is only shown. A button that no request knows does nothing.

use super::{Came, picks};
use crate::chat::{Arrival, Person, Verdict};
use crate::render::request::is_plan;
use crate::render::{grants, texts};
use crate::store::{self, Intake, Pressed};

/// Allows a call, or denies it.
pub fn decide(
    intake: &mut Intake<'_>,
    arrival: &Arrival,
    from: &Person,
    token: &str,
    verdict: Verdict,
) -> store::Result<Came> {
    Ok(match intake.decide(token, verdict, from, arrival)? {
        Pressed::Decided {
            row, shown, tool, ..
        } => {
            let (by, time) = (&from.name, intake.time_of_day()?);
            let body = match verdict {
                Verdict::Allow => texts::allowed(&shown, is_plan(&tool), by, &time),
                Verdict::Deny => texts::denied(&shown, by, &time),
            };
            intake.say_instead(row, &body)?;
            Came::decided(match verdict {
                Verdict::Allow => allowed_toast(&tool),
                Verdict::Deny => texts::TOAST_DENIED,
            })
        }
        Pressed::Over => Came::to_nothing(texts::TOAST_OVER),
        Pressed::Foreign => Came::to_nothing(texts::TOAST_FOREIGN),
    })
}

/// To a press that has allowed the use of this tool.
fn allowed_toast(tool: &str) -> &'static str {
    match is_plan(tool) {
        true => texts::TOAST_APPROVED,
        false => texts::TOAST_ALLOWED,
    }
}

/// Allows a call, and what the button says from now on.
pub fn allow_always(
    intake: &mut Intake<'_>,
    arrival: &Arrival,
    from: &Person,
    token: &str,
) -> store::Result<Came> {
    let always = intake.decide_always(token, from, arrival)?;
    Ok(match always.pressed {
        Pressed::Decided {
            row,
            shown,
            session,
            tool,
        } => {
            let (by, time) = (&from.name, intake.time_of_day()?);
            let words = always.permit.as_ref().and_then(grants::words);
            let words = words.unwrap_or_default();
            let body = texts::allowed_always(&shown, is_plan(&tool), by, &time, &words);
            let offers = always.grant.map_or_else(Vec::new, grants::offers);
            intake.change(row, session, &body, &offers)?;
            Came::decided(allowed_toast(&tool))
        }
        Pressed::Over => Came::to_nothing(texts::TOAST_OVER),
        Pressed::Foreign => Came::to_nothing(texts::TOAST_FOREIGN),
    })
}

/// Picks something below a question.
pub fn pick(
    intake: &mut Intake<'_>,
    arrival: &Arrival,
    from: &Person,
    token: &str,
) -> store::Result<Came> {
    let picked = intake.pick(token, from, arrival)?;
    picks::show(intake, from, picked)
}

/// Says how to let Claude know what should be different. Nothing is decided with it.
pub fn revise(intake: &mut Intake<'_>, arrival: &Arrival, token: &str) -> store::Result<Came> {
    let toast = match intake.is_open(token, arrival)? {
        Some(true) => texts::TOAST_REVISE,
        Some(false) => texts::TOAST_OVER,
        None => texts::TOAST_FOREIGN,
    };
    Ok(Came::to_nothing(toast))
}
