//! Shows what a person has come to with Claude's questions, within the transaction of its answer.
//!
//! What counts was decided by the store; here it is only put into the message that asks.

use super::{Came, Did};
use crate::chat::Person;
use crate::render::{question, texts};
use crate::store::{self, Asking, Intake, Picked};

/// Shows what has become of questions.
pub fn show(intake: &mut Intake<'_>, person: &Person, picked: Picked) -> store::Result<Came> {
    let (did, toast) = match picked {
        Picked::GoesOn(asking) => {
            let Asking {
                session,
                sub_agent,
                questions,
                progress,
                ..
            } = &*asking;
            let name = intake.name_of(*session)?;
            let shown = question::show(&name, *sub_agent, questions, progress);
            intake.ask_on(&asking, &shown.body, &shown.buttons)?;
            (Did::GoesOn, question::TOAST_NOTED)
        }
        Picked::Answered(asking) => {
            let name = intake.name_of(asking.session)?;
            let time = intake.time_of_day()?;
            let body = question::answered(
                &name,
                asking.sub_agent,
                &asking.questions,
                &asking.progress,
                (&person.name, &time),
            );
            intake.say_instead(asking.row, &body)?;
            (Did::Decided, question::TOAST_ANSWERED)
        }
        Picked::Declined { row, shown } => {
            let time = intake.time_of_day()?;
            let body = question::declined(&shown, &person.name, &time);
            intake.say_instead(row, &body)?;
            (Did::Decided, question::TOAST_DECLINED)
        }
        Picked::InWords => (Did::Nothing, question::TOAST_IN_WORDS),
        Picked::NothingChosen => (Did::Nothing, question::TOAST_NOTHING_CHOSEN),
        Picked::Used => (Did::Nothing, question::TOAST_USED),
        Picked::AnsweredBefore => (Did::Nothing, question::TOAST_ANSWERED_BEFORE),
        Picked::TooEarly => (Did::Nothing, question::ASKS_ANOTHER),
        Picked::Over => (Did::Nothing, question::TOAST_OVER),
        Picked::Foreign => (Did::Nothing, texts::TOAST_FOREIGN),
    };
    Ok(Came { did, toast })
}
