//! Messages that ask how it goes on when what waits is held: after a stop, a failure, or a start that did not work.
//! Pure.
//!
//! Each says what happened, what is kept, what happens when nothing is pressed, and offers a button for every answer
//! that makes sense.

use std::time::Duration;

use super::status::{coarse, duration};
use super::texts::Line;
use crate::chat::{Act, Formatted, Hold, Notice, Offer, Outcome};

/// A turn that has failed, or was cut off and does not go on by itself.
pub struct Failed<'a> {
    pub session: &'a str,
    pub outcome: Outcome,
    pub reason: Hold,
    /// What went wrong, in words.
    pub cause: &'a str,
    pub cure: Option<&'a str>,
    /// How long until it is tried again by itself.
    pub left: Option<Duration>,
}

/// A turn that was about to be gone on with when chappe ended, long ago.
pub const STALE: Failed<'static> = Failed {
    session: "",
    outcome: Outcome::Interrupted,
    reason: Hold::Asking,
    cause: "",
    cure: None,
    left: None,
};

/// What waits is held, because a person said stop.
pub fn held(waiting: usize) -> Notice {
    let body = Line::default()
        .plain(&format!(
            "{}. What you write next runs first, then {}.",
            waits(waiting),
            they(waiting, "this one", "these")
        ))
        .end();
    Notice {
        body,
        offers: vec![vec![
            Offer::new("Run", Act::Run),
            Offer::new(drop_label(waiting, ""), Act::Drop),
        ]],
    }
}

/// A turn has failed, and what waits is held with it.
pub fn failed(failed: &Failed<'_>, waiting: usize) -> Notice {
    let asks = failed.reason == Hold::Asking;
    let line = match failed.outcome {
        Outcome::Crashed => Line::default().plain(&format!(
            "⚠ Claude keeps stopping ({}). Your message is kept.",
            failed.cause
        )),
        _ if asks => Line::default().plain(
            "⚠ I was restarted in the middle of this. How shall it go on? Until you say, it stays as it is.",
        ),
        _ => Line::default().plain(&format!("⚠ {}", failed.cause)),
    };
    let line = match failed.cure {
        Some(cure) => line.plain("\n").plain(cure),
        None => line,
    };
    let line = match (failed.left, waiting) {
        (Some(left), 0) => line.plain(&format!("\nI try again in {}.", duration(left))),
        (Some(left), waiting) => line.plain(&format!(
            "\nI try again in {}; {} then.",
            duration(left),
            run(waiting)
        )),
        (None, 0) => line,
        (None, waiting) => line.plain(&format!("\n{}.", waits(waiting))),
    };
    let offers = if asks {
        vec![
            vec![
                Offer::new("Continue", Act::Retry),
                Offer::new("Send again", Act::SendAgain),
            ],
            vec![Offer::new(drop_label(waiting + 1, " it"), Act::Drop)],
        ]
    } else {
        let again = if failed.left.is_some() {
            "Try now"
        } else {
            "Try again"
        };
        vec![vec![
            Offer::new(again, Act::Retry),
            // What has failed goes with what waits behind it.
            Offer::new(drop_label(waiting + 1, ""), Act::Drop),
        ]]
    };
    Notice {
        body: line.end(),
        offers,
    }
}

/// How many sessions are named that messages came for.
const AWAY_NAMED_MAX: usize = 3;

/// Messages came while chappe was away, and are old; how old the oldest is, where that can be known. `sessions` names whom
/// they are for, where that does not go without saying.
pub fn away(count: usize, oldest: Option<Duration>, sessions: &[String]) -> Notice {
    let age = match oldest {
        Some(age) if count == 1 => format!(" ({} ago)", coarse(age)),
        Some(age) => format!(" (the oldest {} ago)", coarse(age)),
        None => String::new(),
    };
    let line = Line::default().plain(they(count, "1 message", &format!("{count} messages")));
    let body = for_sessions(line, sessions)
        .plain(&format!(
            " came while I was away{age}. Until you say what becomes of {}, {} kept.",
            they(count, "it", "them"),
            they(count, "it is", "they are"),
        ))
        .end();
    let offers = match count {
        1 => vec![
            Offer::new("Run", Act::RunAll),
            Offer::new("Drop", Act::DropAll),
        ],
        _ => vec![
            Offer::new("Run all", Act::RunAll),
            Offer::new("Only the last", Act::OnlyTheLast),
            Offer::new("Drop", Act::DropAll),
        ],
    };
    Notice {
        body,
        offers: vec![offers],
    }
}

/// Names whom something is for.
fn for_sessions(mut line: Line, sessions: &[String]) -> Line {
    let named = sessions.len().min(AWAY_NAMED_MAX);
    for (number, name) in sessions[..named].iter().enumerate() {
        let before = match number {
            0 => " for ",
            _ if number + 1 == sessions.len() => " and ",
            _ => ", ",
        };
        line = line.plain(before).bold(name);
    }
    match sessions.len() - named {
        0 => line,
        1 => line.plain(" and another session"),
        more => line.plain(&format!(" and {more} other sessions")),
    }
}

/// How many of those that have a place are named, and can be stopped by a button.
pub const HOLDERS_MAX: usize = 6;

/// A session waits for a place, or for memory, until one of these others makes room.
pub fn waits_for_room(session: &str, for_memory: bool, holders: &[&str]) -> Formatted {
    let what = if for_memory { "memory" } else { "a place" };
    let mut line = Line::default()
        .plain("⏳ ")
        .bold(session)
        .plain(&format!(" waits for {what}"));
    let named = &holders[..holders.len().min(HOLDERS_MAX)];
    let more = holders.len() - named.len();
    for (at, name) in named.iter().enumerate() {
        let is_last = more == 0 && at + 1 == named.len();
        line = match at {
            0 => line.plain(": "),
            _ if is_last => line.plain(" and "),
            _ => line.plain(", "),
        };
        line = line.bold(name);
    }
    line = match more {
        0 => line,
        more => line.plain(&format!(" and {more} more")),
    };
    match holders.len() {
        0 => line.plain(".").end(),
        1 => line.plain(" is at work.").end(),
        _ => line.plain(" are at work.").end(),
    }
}

/// There can be no process for a session.
pub fn cannot_start(session: &str, cause: &str, cure: Option<&str>, waiting: usize) -> Notice {
    let line = Line::default()
        .plain("⚠ I can't start Claude for ")
        .bold(session)
        .plain(&format!(": {cause}"));
    let line = match cure {
        Some(cure) => line.plain("\n").plain(cure),
        None => line,
    };
    let line = line.plain("\n").plain(kept(waiting));
    Notice {
        body: line.end(),
        offers: vec![vec![
            Offer::new("Try again", Act::Retry),
            Offer::new(drop_label(waiting, ""), Act::Drop),
        ]],
    }
}

/// There can be no process for a session that has a conversation.
pub fn cannot_go_on(session: &str, cause: &str, cure: Option<&str>, waiting: usize) -> Notice {
    let notice = cannot_start(session, cause, cure, waiting);
    Notice {
        offers: or_begin_anew(waiting),
        ..notice
    }
}

fn or_begin_anew(waiting: usize) -> Vec<Vec<Offer>> {
    vec![
        vec![
            Offer::new("Try again", Act::Retry),
            Offer::new("Start fresh", Act::StartFresh),
        ],
        vec![Offer::new(drop_label(waiting, ""), Act::Drop)],
    ]
}

/// Claude has nothing to resume.
pub fn cannot_resume(session: &str, folder: &str, waiting: usize) -> Notice {
    let body = Line::default()
        .plain("⚠ I can't bring ")
        .bold(session)
        .plain(" back: Claude has no conversation with this id in ")
        .code(folder)
        .plain(" (was the folder moved, Claude's own data removed, or the host cut off before Claude had written it?).\n")
        .plain(kept(waiting))
        .end();
    Notice {
        body,
        offers: or_begin_anew(waiting),
    }
}

/// A session could not be brought back, which `body` says, and something waits for it.
pub fn not_brought_back(mut body: Formatted, waiting: usize) -> Notice {
    body.text.push('\n');
    body.text.push_str(kept(waiting));
    Notice {
        body,
        offers: vec![vec![
            Offer::new("Try again", Act::Retry),
            Offer::new(drop_label(waiting, ""), Act::Drop),
        ]],
    }
}

fn kept(waiting: usize) -> &'static str {
    match waiting {
        0 | 1 => "Your message is kept.",
        _ => "Your messages are kept.",
    }
}

fn waits(waiting: usize) -> String {
    match waiting {
        1 => "1 message waits".to_owned(),
        waiting => format!("{waiting} messages wait"),
    }
}

fn run(waiting: usize) -> String {
    match waiting {
        1 => "1 message runs".to_owned(),
        waiting => format!("{waiting} messages run"),
    }
}

fn they<'a>(waiting: usize, one: &'a str, many: &'a str) -> &'a str {
    if waiting == 1 { one } else { many }
}

/// What the button says that drops everything: it names how much where it is more than one would think.
fn drop_label(waiting: usize, what: &str) -> String {
    match waiting {
        0 | 1 => format!("Drop{what}"),
        waiting => format!("Drop all {waiting}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(notice: &Notice) -> Vec<&str> {
        notice
            .offers
            .iter()
            .flatten()
            .map(|offer| offer.label.as_str())
            .collect()
    }

    fn overloaded(left: Option<u64>) -> Failed<'static> {
        Failed {
            session: "web",
            outcome: Outcome::Failed,
            reason: Hold::Paused,
            cause: "Anthropic is overloaded",
            cure: None,
            left: left.map(Duration::from_secs),
        }
    }

    #[test]
    fn what_is_held_is_counted() {
        let notice = held(1);
        assert_eq!(
            notice.body.text,
            "1 message waits. What you write next runs first, then this one."
        );
        assert_eq!(labels(&notice), ["Run", "Drop"]);
        assert_eq!(labels(&held(3)), ["Run", "Drop all 3"]);
    }

    #[test]
    fn a_failure_says_when_it_is_tried_again() {
        let notice = failed(&overloaded(Some(300)), 2);
        assert_eq!(
            notice.body.text,
            "⚠ Anthropic is overloaded\nI try again in 5 min; 2 messages run then."
        );
        assert_eq!(labels(&notice), ["Try now", "Drop all 3"]);
        let notice = failed(&overloaded(None), 0);
        assert_eq!(notice.body.text, "⚠ Anthropic is overloaded");
        assert_eq!(labels(&notice), ["Try again", "Drop"]);
    }

    #[test]
    fn a_turn_that_was_cut_off_offers_every_way_on() {
        let notice = failed(
            &Failed {
                outcome: Outcome::Interrupted,
                reason: Hold::Asking,
                ..overloaded(None)
            },
            0,
        );
        assert_eq!(labels(&notice), ["Continue", "Send again", "Drop it"]);
    }

    #[test]
    fn what_came_meanwhile_is_counted_and_asked_about() {
        let notice = away(3, Some(Duration::from_secs(2 * 3600 + 59)), &[]);
        assert_eq!(
            notice.body.text,
            "3 messages came while I was away (the oldest 2 h ago). Until you say what becomes of them, they are kept."
        );
        assert_eq!(labels(&notice), ["Run all", "Only the last", "Drop"]);
        let notice = away(1, None, &[]);
        assert_eq!(
            notice.body.text,
            "1 message came while I was away. Until you say what becomes of it, it is kept."
        );
        assert_eq!(labels(&notice), ["Run", "Drop"]);
    }

    #[test]
    fn whom_it_is_for_is_named_where_that_does_not_go_without_saying() {
        let said = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let text = away(5, None, &names).body.text;
            text.split_once(" came").expect("they came").0.to_owned()
        };
        assert_eq!(said(&["a"]), "5 messages for a");
        assert_eq!(said(&["a", "b"]), "5 messages for a and b");
        assert_eq!(said(&["a", "b", "c"]), "5 messages for a, b and c");
        assert_eq!(
            said(&["a", "b", "c", "d"]),
            "5 messages for a, b, c and another session"
        );
        assert_eq!(
            said(&["a", "b", "c", "d", "e"]),
            "5 messages for a, b, c and 2 other sessions"
        );
    }

    #[test]
    fn who_has_the_places_is_named() {
        let said = |for_memory, holders: &[&str]| waits_for_room("web", for_memory, holders).text;
        assert_eq!(
            said(false, &["api"]),
            "⏳ web waits for a place: api is at work."
        );
        assert_eq!(
            said(true, &["api", "default"]),
            "⏳ web waits for memory: api and default are at work."
        );
        assert_eq!(
            said(false, &["a", "b", "c"]),
            "⏳ web waits for a place: a, b and c are at work."
        );
        assert_eq!(
            said(false, &["a", "b", "c", "d", "e", "f", "g", "h"]),
            "⏳ web waits for a place: a, b, c, d, e, f and 2 more are at work."
        );
        assert_eq!(said(true, &[]), "⏳ web waits for memory.");
    }

    #[test]
    fn nothing_is_started_afresh_without_a_press() {
        let notice = cannot_resume("web", "/srv/web", 1);
        assert_eq!(labels(&notice), ["Try again", "Start fresh", "Drop"]);
        assert!(notice.body.text.contains("I can't bring web back"));
    }
}
