//! Answers to what a person asks about chappe itself: the sessions, what waits, how everything is. Pure.

use std::time::Duration;

use serde_json::Value;

use super::request::is_plan;
use super::status::{ASKS_NOBODY, duration};
use super::texts::Line;
use crate::chat::{
    Act, BYPASS, Formatted, Hold, InLine, Notice, Offer, Overview, Pending, Pends, Style,
};

/// How many messages of a line are shown.
pub const SHOWN_MAX: usize = 10;

/// How many sessions are listed: more do not fit into one message.
const SESSIONS_MAX: usize = 20;

/// How much of the names of further ones is shown, in bytes.
const NAMES_MAX: usize = 600;

/// How much of a message is shown, in characters.
const TEXT_MAX: usize = 60;

/// All sessions, the current one marked; `folder` shows where one works.
pub fn sessions(
    sessions: &[Overview],
    now: i64,
    folder: impl Fn(&std::path::Path) -> String,
) -> Formatted {
    let mut line = Line::default();
    for (number, session) in sessions.iter().take(SESSIONS_MAX).enumerate() {
        if number > 0 {
            line = line.plain("\n");
        }
        line = with_state(line, session, now);
        let persona = session.persona.as_str();
        if !matches!(persona, "" | "default") {
            line = line.plain(&format!(" · {persona}"));
        }
        line = with_cost(line, session);
        line = line.plain(" · ").code(&folder(&session.folder));
    }
    let (mut named, mut length) = (0, 0);
    for session in sessions.iter().skip(SESSIONS_MAX) {
        length += session.name.len();
        if length > NAMES_MAX {
            break;
        }
        let before = if named > 0 { ", " } else { "\n\nAnd " };
        line = line.plain(before).plain(&session.name);
        named += 1;
    }
    match sessions.len().saturating_sub(SESSIONS_MAX + named) {
        0 => {}
        more => line = line.plain(&format!(" and {more} more")),
    }
    // Of these not all have a button.
    if sessions.len() > SHOWN_MAX {
        line = line
            .plain("\n\n")
            .code("/session")
            .plain(" and a name switches to one.");
    }
    line.end()
}

/// A session's name, and what it does.
fn with_state(line: Line, session: &Overview, now: i64) -> Line {
    let line = match session.is_current {
        true => line.bold(&session.name).plain(" ✓"),
        false => line.plain(&session.name),
    };
    let line = line.plain(&format!(" · {}", state(session, now)));
    match session.mode.as_deref() {
        Some(BYPASS) => line.plain(" · ").plain(ASKS_NOBODY),
        _ => line,
    }
}

fn with_cost(line: Line, session: &Overview) -> Line {
    match session.cost >= 0.005 {
        true => line.plain(&format!(" · ${:.2}", session.cost)),
        false => line,
    }
}

fn and_more(line: Line, all: usize) -> Line {
    match all.saturating_sub(SESSIONS_MAX) {
        0 => line,
        more => line.plain(&format!(
            "\n… and {more} more. /session and a name switches to one."
        )),
    }
}

fn state(session: &Overview, now: i64) -> String {
    let since = |then: i64| duration(Duration::from_secs(u64::try_from(now - then).unwrap_or(0)));
    let state = match (session.working, session.held, session.is_live) {
        (Some(then), ..) => format!("⏳ working {}", since(then)),
        (None, Some(Hold::Held), _) => "stopped".to_owned(),
        (None, Some(Hold::Paused), _) => "⚠ paused".to_owned(),
        (None, Some(Hold::Broken), _) => "⚠ cannot go on".to_owned(),
        (None, Some(Hold::Asking), _) => "⚠ asks how to go on".to_owned(),
        (None, None, true) => format!("idle {}", since(session.active)),
        (None, None, false) => format!("asleep {}", since(session.active)),
    };
    match session.waiting {
        0 => state,
        waiting => format!("{state} · {waiting} waiting"),
    }
}

/// How many messages of a line can be dropped one by one.
const ONE_BY_ONE_MAX: usize = 5;

/// What waits for a session, or is kept for it: what stands at the head, and how many there are in all.
pub fn queue(session: &Overview, line: &[InLine]) -> Notice {
    let all = session.waiting + session.kept;
    if all == 0 {
        let body = Line::default()
            .plain("Nothing waits in ")
            .bold(&session.name)
            .plain(".")
            .end();
        return Notice {
            body,
            offers: Vec::new(),
        };
    }
    let mut body = Line::default().bold(&session.name).plain(" · ");
    if session.waiting > 0 {
        body = body.plain(&format!(
            "{} waiting{}",
            session.waiting,
            match session.held {
                Some(Hold::Held) => ", held since the stop",
                Some(Hold::Paused) => ", paused after a failure",
                Some(Hold::Broken) => ", because Claude cannot go on",
                Some(Hold::Asking) => ", until you say how to go on",
                None => "",
            }
        ));
    }
    if session.kept > 0 {
        let and = if session.waiting > 0 { ", " } else { "" };
        body = body.plain(&format!("{and}{} kept until you say", session.kept));
    }
    for (number, one) in line.iter().enumerate() {
        let kept = if one.is_kept { " (kept)" } else { "" };
        body = body.plain(&format!("\n{}. {}{kept}", number + 1, short(&one.text)));
    }
    if all > line.len() {
        body = body.plain(&format!("\n… and {} more", all - line.len()));
    }
    let mut first = Vec::new();
    let (send, act) = match session.held {
        Some(_) if session.working.is_none() && session.kept == 0 => ("Run", Act::Run),
        _ => (super::texts::SEND_NOW, Act::SendNow),
    };
    first.push(Offer::new(send, act));
    first.push(Offer::new(
        match all {
            1 => "Drop".to_owned(),
            all => format!("Drop all {all}"),
        },
        Act::DropListed,
    ));
    let mut offers = vec![first];
    if all > 1 {
        let one_by_one = line.iter().take(ONE_BY_ONE_MAX).enumerate();
        let one_by_one = one_by_one.map(|(number, one)| {
            let act = Act::DropOne {
                message: one.message,
            };
            Offer::new(format!("Drop {}", number + 1), act)
        });
        offers.push(one_by_one.collect());
    }
    // What chappe itself is about to go on with is counted, and has no text to be shown.
    offers.retain(|row| !row.is_empty());
    Notice {
        body: body.end(),
        offers,
    }
}

/// How many of the things that wait for a person are listed.
const PENDING_MAX: usize = 20;

/// What waits for a person in all sessions, the newest last. Of many the oldest are counted only.
pub fn pending(all: &[Pends], now: i64) -> Formatted {
    let mut line = Line::default();
    if all.is_empty() {
        return line.plain("Nothing waits for you.").end();
    }
    let more = all.len().saturating_sub(PENDING_MAX);
    if more > 0 {
        line = line.plain(&format!("{more} older ones, and\n"));
    }
    for (number, one) in all[more..].iter().enumerate() {
        if number > 0 {
            line = line.plain("\n");
        }
        line = match link(one) {
            Some(url) => line.styled(&one.name, Style::Link { url }),
            None => line.bold(&one.name),
        };
        line = line.plain(" · ");
        line = match &one.what {
            Pending::Request { tool, .. } if is_plan(tool) => line.plain("shows a plan"),
            Pending::Request { tool, input } => {
                line.plain(&format!("wants {tool} ")).code(&gist(input))
            }
            Pending::Question { text } => line.plain("asks: ").code(&short(text)),
            Pending::Kept { count: 1 } => line.plain("1 message is kept until you say"),
            Pending::Kept { count } => {
                line.plain(&format!("{count} messages are kept until you say"))
            }
            Pending::Held(Hold::Held) => line.plain("what waits is held since the stop"),
            Pending::Held(Hold::Paused) => line.plain("paused after a failure"),
            Pending::Held(Hold::Broken) => line.plain("Claude cannot go on"),
            Pending::Held(Hold::Asking) => line.plain("asks how to go on"),
        };
        let waits = u64::try_from(now - one.since).unwrap_or(0);
        line = line.plain(&format!(" · {}", duration(Duration::from_secs(waits))));
    }
    line.end()
}

/// To a request that nobody has decided for long.
pub fn still_waits(one: &Pends) -> Formatted {
    let line = match link(one) {
        Some(url) => Line::default().styled(&one.name, Style::Link { url }),
        None => Line::default().bold(&one.name),
    };
    let line = line.plain(" still waits for you: ");
    match &one.what {
        Pending::Request { tool, .. } if is_plan(tool) => line.plain("its plan"),
        Pending::Request { tool, input } => line.plain(&format!("{tool} ")).code(&gist(input)),
        Pending::Question { text } => line.plain("its question ").code(&short(text)),
        Pending::Kept { .. } | Pending::Held(_) => line.plain("/pending says for what"),
    }
    .end()
}

/// Where a message can be opened; Telegram has such addresses for supergroups only.
fn link(one: &Pends) -> Option<String> {
    let (place, message) = (one.place?, one.message?);
    let internal = place.chat.0.checked_neg()?.checked_sub(1_000_000_000_000)?;
    let topic = place
        .topic
        .map_or_else(String::new, |topic| format!("{topic}/"));
    (internal > 0).then(|| format!("https://t.me/c/{internal}/{topic}{message}"))
}

/// What a tool is to do, in one short line.
pub fn gist(input: &str) -> String {
    let input: Value = serde_json::from_str(input).unwrap_or_default();
    let named = ["command", "file_path", "url", "pattern", "query"];
    let mut named = named.iter().filter_map(|name| input[name].as_str());
    match named.next() {
        Some(text) => short(text),
        None => short(&input.to_string()),
    }
}

fn short(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    let mut shown: String = line.chars().take(TEXT_MAX).collect();
    if shown.len() < text.trim().len() {
        shown.push('…');
    }
    shown
}

/// How everything is: health first, then the sessions, then numbers.
pub fn status(host: &str, list: &[Overview], now: i64) -> Formatted {
    let troubled: Vec<&str> = list
        .iter()
        .filter(|session| matches!(session.held, Some(Hold::Broken | Hold::Paused)))
        .map(|session| session.name.as_str())
        .collect();
    let line = if troubled.is_empty() {
        Line::default().plain("All well on ").bold(host).plain(".")
    } else {
        Line::default()
            .plain("⚠ Not everything is well on ")
            .bold(host)
            .plain(&format!(": look at {}.", troubled.join(", ")))
    };
    let mut body = line.end();
    if !list.is_empty() {
        let mut line = Line::default();
        for (number, session) in list.iter().take(SESSIONS_MAX).enumerate() {
            if number > 0 {
                line = line.plain("\n");
            }
            line = with_cost(with_state(line, session, now), session);
        }
        let sessions = and_more(line, list.len()).end();
        let offset = crate::chat::utf16_len(&body.text) + 2;
        body.text.push_str("\n\n");
        body.text.push_str(&sessions.text);
        body.spans
            .extend(sessions.spans.into_iter().map(|mut span| {
                span.offset += offset;
                span
            }));
    }
    let waiting: usize = list.iter().map(|session| session.waiting).sum();
    let cost: f64 = list.iter().map(|session| session.cost).sum();
    body.text.push_str(&format!(
        "\n\n{} session{} · {waiting} waiting · ${cost:.2} · chappe {}",
        list.len(),
        if list.len() == 1 { "" } else { "s" },
        env!("CARGO_PKG_VERSION")
    ));
    body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{ChatId, MessageId, Place, SessionId};

    fn session(name: &str) -> Overview {
        Overview {
            session: SessionId(1),
            name: name.to_owned(),
            persona: String::new(),
            mode: None,
            folder: format!("/s/{name}").into(),
            is_current: false,
            waiting: 0,
            kept: 0,
            working: None,
            is_live: false,
            held: None,
            active: 1_000,
            cost: 0.0,
        }
    }

    #[test]
    fn each_session_has_a_line_with_what_it_does() {
        let list = [
            Overview {
                is_current: true,
                is_live: true,
                cost: 0.41,
                ..session("web")
            },
            Overview {
                working: Some(1_140),
                waiting: 2,
                persona: "planner".to_owned(),
                mode: Some("bypassPermissions".to_owned()),
                ..session("api")
            },
            session("default"),
        ];
        assert_eq!(
            sessions(&list, 1_180, |folder| folder.display().to_string()).text,
            "web ✓ · idle 3 min · $0.41 · /s/web\napi · ⏳ working 40 s · 2 waiting · ⚠ Nobody is asked (bypass) · planner · /s/api\n\
             default · asleep 3 min · /s/default"
        );
    }

    #[test]
    fn what_waits_for_long_is_said_with_the_call_and_a_link_where_there_is_one() {
        let request = |tool: &str, chat| Pends {
            session: SessionId(1),
            name: "web".to_owned(),
            what: Pending::Request {
                tool: tool.to_owned(),
                input: r#"{"command":"git push\nrm x","plan":"p"}"#.to_owned(),
            },
            since: 0,
            place: Some(Place {
                chat: ChatId(chat),
                topic: None,
            }),
            message: Some(MessageId(7)),
        };
        let said = still_waits(&request("Bash", 42));
        assert_eq!(said.text, "web still waits for you: Bash git push…");
        assert_eq!(said.spans[0].style, Style::Bold);
        let said = still_waits(&request("ExitPlanMode", -1_000_000_000_005));
        assert_eq!(said.text, "web still waits for you: its plan");
        let url = "https://t.me/c/5/7".to_owned();
        assert_eq!(said.spans[0].style, Style::Link { url });
    }

    #[test]
    fn two_hundred_sessions_fit_into_one_message() {
        let one = Overview {
            persona: "p".repeat(64),
            folder: format!("/{}", "f".repeat(80)).into(),
            ..session(&"n".repeat(64))
        };
        let list = vec![one; 200];
        let text = sessions(&list, 1_180, |folder| folder.display().to_string()).text;
        assert!(text.ends_with(" and 171 more\n\n/session and a name switches to one."));
        assert!(text.len() < 6_000, "{}", text.len());
        assert!(status("pi", &list, 1_180).text.len() < 4_096);
    }

    #[test]
    fn a_long_line_is_cut_and_counted() {
        let one = Overview {
            waiting: 12,
            held: Some(Hold::Held),
            ..session("web")
        };
        let line = |message, text: &str, is_kept| InLine {
            message,
            text: text.to_owned(),
            is_kept,
        };
        let waits = [
            line(4, "look at this\nand that", false),
            line(5, &"x".repeat(100), false),
        ];
        let notice = queue(&one, &waits);
        assert_eq!(
            notice.body.text,
            format!(
                "web · 12 waiting, held since the stop\n1. look at this…\n2. {}…\n… and 10 more",
                "x".repeat(60)
            )
        );
        assert_eq!(notice.offers[0].len(), 2);
        assert_eq!(notice.offers[1][1].act, Act::DropOne { message: 5 });
        assert!(queue(&session("web"), &[]).offers.is_empty());
        let kept = Overview {
            waiting: 1,
            kept: 1,
            ..session("web")
        };
        let notice = queue(&kept, &[line(7, "one", false), line(2, "two", true)]);
        assert_eq!(
            notice.body.text,
            "web · 1 waiting, 1 kept until you say\n1. one\n2. two (kept)"
        );
    }

    #[test]
    fn what_waits_for_a_person_is_listed_with_what_it_is_and_for_how_long() {
        let one = |name: &str, what, since, chat| Pends {
            session: SessionId(1),
            name: name.to_owned(),
            what,
            since,
            place: Some(Place {
                chat: ChatId(chat),
                topic: None,
            }),
            message: Some(MessageId(7)),
        };
        let wants = Pending::Request {
            tool: "Bash".to_owned(),
            input: r#"{"command":"git push"}"#.to_owned(),
        };
        let all = [
            one("web", Pending::Held(Hold::Broken), 880, 42),
            one("api", Pending::Kept { count: 2 }, 940, 42),
            one("web", wants, 990, -1_000_000_000_005),
        ];
        let body = pending(&all, 1_000);
        assert_eq!(
            body.text,
            "web · Claude cannot go on · 2 min\napi · 2 messages are kept until you say · 1 min\n\
             web · wants Bash git push · 10 s"
        );
        let links = body.spans.iter().filter_map(|span| match &span.style {
            Style::Link { url } => Some(url.as_str()),
            _ => None,
        });
        // A private chat has no addresses.
        assert_eq!(links.collect::<Vec<_>>(), ["https://t.me/c/5/7"]);
        let text = "Which database?\nOne of these.".to_owned();
        let asks = one("web", Pending::Question { text }, 990, 42);
        assert_eq!(
            pending(std::slice::from_ref(&asks), 1_000).text,
            "web · asks: Which database?… · 10 s"
        );
        assert_eq!(
            still_waits(&asks).text,
            "web still waits for you: its question Which database?…"
        );
        assert_eq!(pending(&[], 0).text, "Nothing waits for you.");
        let many = vec![one(&"n".repeat(64), Pending::Kept { count: 3 }, 0, 42); 200];
        assert!(pending(&many, 1_000).text.len() < 4_096);
    }

    #[test]
    fn health_comes_first() {
        let sick = Overview {
            held: Some(Hold::Broken),
            ..session("web")
        };
        assert!(
            status("pi", &[sick], 1_000)
                .text
                .starts_with("⚠ Not everything is well on pi: look at web.")
        );
        let well = status("pi", &[session("web")], 1_000);
        assert!(well.text.starts_with("All well on pi."));
    }
}
