//! What people write while a request is open, within the transaction of its answer: replies to it, and messages that wait
//! for it.
//!
//! A text may deny a request, or say what should be different. It never allows one: for that there are the
//! buttons. Only where Claude asks questions it is the answer, whatever it says.

use super::desk::say;
use super::picks;
use crate::chat::{
    Act, Arrival, Formatted, Lane, MessageId, Person, Place, Post, SessionId, Target,
};
use crate::render::{request, texts};
use crate::router;
use crate::store::{self, Intake, Offered, Picked, Pressed, Replied};

/// Below what said that a message waits, once its button was pressed.
const IT_WAS: &str = "✓ It was the answer.";
const IS_OVER: &str = "✗ That is over.";

/// Deals with a reply to the message `to`, which shows an open request.
pub fn to_request(
    intake: &mut Intake<'_>,
    arrival: &Arrival,
    from: &Person,
    asked: &Replied,
    to: MessageId,
    text: &str,
) -> store::Result<()> {
    if let Some(asking) = intake.asking(&asked.token)? {
        let picked = intake.answer_in_words(&asking, text, from, (arrival, to))?;
        return picks::show(intake, arrival, from, picked).map(drop);
    }
    if router::only_agrees(text) {
        return say(
            intake,
            arrival.place,
            Formatted::plain(texts::PRESS_TO_ALLOW),
        );
    }
    let why = request::denied_for(&asked.tool, text);
    let denied = intake.deny(&asked.token, &why, from, arrival, to)?;
    show(intake, arrival.place, denied, &asked.tool, from, text).map(drop)
}

/// Says once for each request that a message waits for its answer, and offers to deny it with the message.
pub fn wait_for_answer(
    intake: &mut Intake<'_>,
    arrival: &Arrival,
    session: SessionId,
    text: &str,
) -> store::Result<()> {
    let Some(asked) = intake.request_in_the_way(arrival, session)? else {
        return Ok(());
    };
    if asked.is_told {
        return Ok(());
    }
    let act = Act::DenyWith {
        request: asked.request,
        message: asked.message,
        text: text.to_owned(),
    };
    let notice = request::waits_for(&asked.tool, &asked.input, act);
    intake.offer(arrival.place, session, &notice).map(drop)
}

/// A press on the button that was offered with that; returns what the person reads at once.
pub fn deny_with(
    intake: &mut Intake<'_>,
    arrival: &Arrival,
    from: &Person,
    offered: &Offered,
) -> store::Result<String> {
    let Act::DenyWith {
        request,
        message,
        text,
    } = &offered.act
    else {
        return Ok(texts::TOAST_DONE_BEFORE.to_owned());
    };
    let session = offered.session;
    if let Some(asking) = intake.asking_for(session, *request, *message, text)? {
        let picked = intake.answer_with(&asking, *message, text, from, arrival)?;
        let counts = matches!(picked, Picked::GoesOn(_) | Picked::Answered(_));
        let toast = picks::show(intake, arrival, from, picked)?;
        intake.retire(offered.row, if counts { IT_WAS } else { IS_OVER })?;
        return Ok(toast.to_owned());
    }
    let denied = match intake.may_deny_with(session, *request, *message, text)? {
        Some(tool) => {
            let why = request::denied_for(&tool, text);
            let denied = intake.deny_with(session, (*request, *message), &why, from, arrival)?;
            show(intake, arrival.place, denied, &tool, from, text)?
        }
        None => false,
    };
    let (line, toast) = match denied {
        true => (IT_WAS, texts::TOAST_DENIED),
        false => (IS_OVER, texts::TOAST_DONE_BEFORE),
    };
    intake.retire(offered.row, line)?;
    Ok(toast.to_owned())
}

/// Shows on its message that a request was denied, and why; returns whether it was.
fn show(
    intake: &mut Intake<'_>,
    place: Place,
    denied: Pressed,
    tool: &str,
    by: &Person,
    reason: &str,
) -> store::Result<bool> {
    let Pressed::Decided { row, shown, .. } = denied else {
        return Ok(false);
    };
    let time = intake.time_of_day()?;
    let edit = Post::Edit {
        target: Target::Row(row),
        body: texts::denied_for(&shown, request::is_plan(tool), &by.name, &time, reason),
        buttons: Vec::new(),
    };
    intake.post(place, Lane::Text, &edit)?;
    Ok(true)
}
