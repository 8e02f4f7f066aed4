//! What people write while a request is open: replies to it, and messages that wait for it.
//!
//! A text may deny a request, or say what should be different. It never allows one: for that there are the
//! buttons. Only where Claude asks questions it is the answer, whatever it says.

use super::{Came, Did, picks};
use crate::chat::{Act, Arrival, Formatted, Lane, Person, Place, Post, SessionId};
use crate::render::request::{self, Stands};
use crate::render::{question, texts};
use crate::router::{self, Said};
use crate::store::{self, InTheWay, Intake, Offered, Picked, Pressed, Replied};

/// Below what said that a message waits, once its button was pressed.
const IT_WAS: &str = "✓ It was the answer.";
const IS_OVER: &str = "✗ That is over.";

/// Deals with what replies to a message that shows an open request. Returns what it came to; None where it is for no
/// request: then it is a message like all others.
pub fn to_request(
    intake: &mut Intake<'_>,
    said: &Said<'_>,
    while_away: bool,
) -> store::Result<Option<Did>> {
    let arrival = &said.arrival;
    // What others wrote decides nothing, and what came while chappe was away is for a process that is gone.
    let (Some(to), None, false) = (said.reply_to, said.origin, while_away) else {
        return Ok(None);
    };
    let Some(asked) = intake.request_replied_to(arrival, to, said.to_bot)? else {
        return Ok(None);
    };
    let did = reply(intake, said, &asked)?;
    match did {
        Did::Nothing => intake.close(arrival)?,
        Did::GoesOn | Did::Decided => intake.close_answer(arrival, asked.session, &said.text)?,
    }
    Ok(Some(did))
}

fn reply(intake: &mut Intake<'_>, said: &Said<'_>, asked: &Replied) -> store::Result<Did> {
    let Said {
        arrival,
        from,
        text,
        ..
    } = said;
    if let Some(asking) = intake.asking(&asked.token)? {
        let picked = intake.answer_by_reply(&asking, text, from, (arrival, asked.shown))?;
        if picked == Picked::TooEarly {
            let again = Post::message(Formatted::plain(question::ASKS_ANOTHER));
            intake.post(arrival.place, Lane::Text, &again)?;
        }
        return picks::show(intake, from, picked).map(|came| came.did);
    }
    if router::only_agrees(text) {
        let press = Post::message(Formatted::plain(texts::PRESS_TO_ALLOW));
        intake.post(arrival.place, Lane::Text, &press)?;
        return Ok(Did::Nothing);
    }
    let why = request::denied_for(&asked.tool, text);
    let denied = intake.deny(&asked.token, &why, from, arrival, asked.shown)?;
    show(intake, denied, &asked.tool, from, text)
}

/// Says that a message waits for the answer to a request, and offers to deny that with it. Each message that can be the
/// reason has its own button, right below it; of what stands where nothing can be offered it is said once at a place.
pub fn wait_for_answer(
    intake: &mut Intake<'_>,
    arrival: &Arrival,
    session: SessionId,
    text: &str,
) -> store::Result<()> {
    let Some(asked) = intake.request_in_the_way(arrival, session)? else {
        return Ok(());
    };
    let act = Act::DenyWith {
        request: asked.request,
        message: asked.message,
        text: text.to_owned(),
    };
    let stands = seen_from(arrival.place, &asked);
    if stands == Stands::InOtherTopic {
        // Which may be gone, and nobody tells.
        intake.look_after_requests(Some(arrival.place.chat))?;
    }
    let is_reason = request::is_question(&asked.tool) || !router::only_agrees(text);
    let deny_with = is_reason.then_some(act);
    let notice = request::waits_for(&asked.tool, &asked.input, stands, deny_with);
    match stands {
        Stands::InOtherChat | Stands::OnItsWayElsewhere => {
            once(intake, arrival.place, ("waits", &asked), notice.body)
        }
        _ => intake.offer(arrival.place, session, &notice).map(drop),
    }
}

/// Says once for each request and place that a message goes into a turn which a request holds up. Claude has it by then, so
/// it is not offered as a reason; a reply is one still.
pub fn goes_with_answer(
    intake: &mut Intake<'_>,
    arrival: &Arrival,
    session: SessionId,
) -> store::Result<()> {
    let Some(asked) = intake.request_in_the_way(arrival, session)? else {
        return Ok(());
    };
    let stands = seen_from(arrival.place, &asked);
    let body = request::goes_with(&asked.tool, &asked.input, stands);
    once(intake, arrival.place, ("goes", &asked), body)
}

fn seen_from(place: Place, asked: &InTheWay) -> Stands {
    match asked.shown_at {
        at if at == place && !asked.is_shown => Stands::OnItsWay,
        at if at == place => Stands::Here,
        at if at.chat == place.chat && !asked.is_shown => Stands::OnItsWayElsewhere,
        at if at.chat == place.chat => Stands::InOtherTopic,
        _ => Stands::InOtherChat,
    }
}

/// Says something about a request, once at a place.
fn once(
    intake: &mut Intake<'_>,
    place: Place,
    (what, asked): (&str, &InTheWay),
    body: Formatted,
) -> store::Result<()> {
    let topic = place.topic.map_or(0, |topic| topic.0);
    let key = format!("{what}/{}/{}/{topic}", asked.token, place.chat);
    intake
        .post_once(place, &key, &Post::message(body))
        .map(drop)
}

/// A press on the button that was offered with that.
pub fn deny_with(
    intake: &mut Intake<'_>,
    arrival: &Arrival,
    from: &Person,
    offered: &Offered,
) -> store::Result<Came> {
    let Act::DenyWith {
        request,
        message,
        text,
    } = &offered.act
    else {
        return Ok(Came::to_nothing(texts::TOAST_DONE_BEFORE));
    };
    let session = offered.session;
    let open = intake.may_deny_with(session, *request, *message, text)?;
    if open
        .as_ref()
        .is_some_and(|tool| !request::is_question(tool) && router::only_agrees(text))
    {
        // The message has changed since it was offered.
        intake.retire(offered.row, texts::PRESS_TO_ALLOW)?;
        return Ok(Came::to_nothing(texts::PRESS_TO_ALLOW));
    }
    if open.is_some() && !intake.is_shown(*request)? {
        // Nothing is decided that nobody has seen; the button stays for when it is there.
        intake.give_back(offered.row)?;
        return Ok(Came::to_nothing(texts::TOAST_ON_ITS_WAY));
    }
    let came = match intake.asking_for(session, *request, *message, text)? {
        Some(asking) => {
            let picked = intake.answer_with(&asking, *message, text, from, arrival)?;
            picks::show(intake, from, picked)?
        }
        None => match intake.may_deny_with(session, *request, *message, text)? {
            Some(tool) => {
                let why = request::denied_for(&tool, text);
                let denied =
                    intake.deny_with(session, (*request, *message), &why, from, arrival)?;
                match show(intake, denied, &tool, from, text)? {
                    Did::Nothing => Came::to_nothing(texts::TOAST_DONE_BEFORE),
                    did => Came {
                        did,
                        toast: texts::TOAST_DENIED,
                    },
                }
            }
            None => Came::to_nothing(texts::TOAST_DONE_BEFORE),
        },
    };
    let line = match came.did {
        Did::Nothing => IS_OVER,
        Did::GoesOn | Did::Decided => IT_WAS,
    };
    intake.retire(offered.row, line)?;
    Ok(came)
}

/// Shows on its message that a request was denied, and why.
fn show(
    intake: &mut Intake<'_>,
    denied: Pressed,
    tool: &str,
    by: &Person,
    reason: &str,
) -> store::Result<Did> {
    let Pressed::Decided { row, shown, .. } = denied else {
        return Ok(Did::Nothing);
    };
    let time = intake.time_of_day()?;
    let body = texts::denied_for(&shown, request::is_plan(tool), &by.name, &time, reason);
    intake.say_instead(row, &body)?;
    Ok(Did::Decided)
}
