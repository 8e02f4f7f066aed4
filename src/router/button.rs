//! Buttons: what each carries, and what a press on it means. Pure.
//!
//! Whether what it was for is still open is known to the store alone.

use super::{Allowed, Route};
use crate::chat::{Arrival, ChatId, Place, Press, Verdict};

/// What a button for a request carries.
pub fn button_data(verdict: Verdict, token: &str) -> String {
    match verdict {
        Verdict::Allow => format!("allow:{token}"),
        Verdict::Deny => format!("deny:{token}"),
    }
}

/// What a request's button carries that allows more than the call at hand.
pub fn always_data(token: &str) -> String {
    format!("always:{token}")
}

/// What the button carries by which a plan is not approved yet.
pub fn revise_data(token: &str) -> String {
    format!("revise:{token}")
}

/// Decides about a press.
pub(super) fn pressed<'a>(update: i64, press: &'a Press, allowed: &Allowed) -> Route<'a> {
    let group = press
        .at
        .map(|(place, _)| place.chat)
        .filter(|chat| chat.0 < 0);
    match (allowed.user(press.from.id), group) {
        (_, Some(group)) if !allowed.chat(group) => {
            return Route::Ignore("a press in a group that is not allowed");
        }
        (false, Some(_)) => return Route::TurnAway(press),
        (false, None) => return Route::Ignore("a stranger pressed a button"),
        (true, _) => {}
    }
    // Where Telegram does not say which message carried the button, the press is none of ours, and is answered.
    let alone = Place {
        chat: ChatId(press.from.id.0),
        topic: None,
    };
    let (place, message) = press
        .at
        .map_or((alone, None), |(place, message)| (place, Some(message)));
    let arrival = Arrival {
        update,
        place,
        user: press.from.id,
        message,
        edit_date: 0,
        callback: Some(press.callback.clone()),
        date: 0,
    };
    // Nor does anybody press in a private chat but who it is with.
    let is_foreign = place.chat.0 > 0 && place.chat.0 != press.from.id.0;
    if message.is_none() || is_foreign {
        return Route::UnknownButton { arrival, press };
    }
    match press.data.split_once(':') {
        Some(("allow", token)) => Route::Decide {
            arrival,
            press,
            token,
            verdict: Verdict::Allow,
        },
        Some(("deny", token)) => Route::Decide {
            arrival,
            press,
            token,
            verdict: Verdict::Deny,
        },
        Some(("always", token)) => Route::Always {
            arrival,
            press,
            token,
        },
        Some(("pick", token)) => Route::Pick {
            arrival,
            press,
            token,
        },
        Some(("revise", token)) => Route::Revise {
            arrival,
            press,
            token,
        },
        Some(("turn", token)) => Route::InStatus {
            arrival,
            press,
            token,
        },
        Some(("do", token)) => Route::Act {
            arrival,
            press,
            token,
        },
        _ => Route::UnknownButton { arrival, press },
    }
}
