//! What a reply to an open request does, within the transaction of its answer.
//!
//! A reply may deny a request, or say what should be different. It never allows one: for that there are the buttons.

use super::desk::say;
use crate::chat::{Arrival, Formatted, Lane, MessageId, Person, Post, Target};
use crate::render::{request, texts};
use crate::router;
use crate::store::{self, Intake, Pressed, Replied};

/// Deals with a reply to the message `to`, which shows an open request.
pub fn to_request(
    intake: &mut Intake<'_>,
    arrival: &Arrival,
    from: &Person,
    asked: &Replied,
    to: MessageId,
    text: &str,
) -> store::Result<()> {
    if router::only_agrees(text) {
        return say(
            intake,
            arrival.place,
            Formatted::plain(texts::PRESS_TO_ALLOW),
        );
    }
    let why = request::denied_for(&asked.tool, text);
    let denied = intake.deny(&asked.token, &why, from, arrival, to)?;
    if let Pressed::Decided { row, shown, .. } = denied {
        let time = intake.time_of_day()?;
        let edit = Post::Edit {
            target: Target::Row(row),
            body: texts::denied_for(&shown, &from.name, &time, text),
            buttons: Vec::new(),
        };
        intake.post(arrival.place, Lane::Text, &edit)?;
    }
    Ok(())
}
