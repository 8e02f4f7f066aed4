//! What was allowed beyond one call, in words: on buttons, below requests, and as a list. Pure.
//!
//! What is said is exactly what is allowed: where there are no words for something, it is not offered.

use std::time::Duration;

use super::status::coarse;
use super::texts::Line;
use crate::chat::{Act, BYPASS, Grant, Notice, Offer, Permit, Reach, Revoked, Rule};

/// How many grants a list shows at a time, each with its button. The others are a press away.
const SHOWN_MAX: usize = 20;

/// The longest label, in characters; behind that the number stands alone, as in the list.
const LABEL_MAX: usize = 36;

/// The longest words for a grant in a list, in characters.
const WORDS_MAX: usize = 100;

/// The longest name of a person in a list, in characters.
const NAME_MAX: usize = 30;

/// What the mode `acceptEdits` allows in a session's folder: with the file tools these commands (measured with 2.1.197 and
/// 2.1.330; `ln`, `chmod`, `tee`, `truncate` and `find` ask).
pub const EDITS: &str = "edits and mkdir, touch, cp, mv, rm, rmdir, sed";

/// What is allowed, in words; None where there are none.
pub fn words(permit: &Permit) -> Option<String> {
    match permit {
        Permit::Call { rules } => {
            let all: Option<Vec<String>> = rules.iter().map(rule).collect();
            all.filter(|all| !all.is_empty()).map(|all| all.join(", "))
        }
        Permit::Edit => Some(format!("{EDITS} in this session")),
        Permit::Enter { directories } => {
            (!directories.is_empty()).then(|| format!("files in {} too", directories.join(", ")))
        }
    }
}

fn rule(rule: &Rule) -> Option<String> {
    let Rule { tool, content } = rule;
    let path = |content: &str| content.strip_prefix('/').map(str::to_owned);
    Some(match (tool.as_str(), content.as_deref()) {
        ("Bash", Some("*" | ":*")) => "any command".to_owned(),
        ("Bash", Some(command)) => command.to_owned(),
        ("Read", Some(content)) => format!("read {}", path(content)?),
        ("Edit", Some(content)) => format!("change {}", path(content)?),
        ("WebFetch", Some(content)) => match content.strip_prefix("domain:") {
            Some(domain) => format!("fetch from {domain}"),
            None => format!("WebFetch({content})"),
        },
        ("WebFetch", None) => "fetch any page".to_owned(),
        ("WebSearch", None) => "search the web".to_owned(),
        ("Bash" | "Read" | "Edit", None) => return None,
        (tool, None) => format!("use {tool}"),
        (tool, Some(content)) => format!("{tool}({content})"),
    })
}

/// The label of the button that allows it with a call.
pub fn label(permit: &Permit, words: &str) -> String {
    match permit {
        Permit::Call { .. } => format!("Always: {words}"),
        Permit::Edit => "Edits, rm, mv … in this session".to_owned(),
        Permit::Enter { .. } => words.replacen("files", "Files", 1),
    }
}

/// What is offered below a request with which something was just allowed.
pub fn offers(grant: i64) -> Vec<Vec<Offer>> {
    let widen = |label: &str, reach| Offer::new(label, Act::WidenGrant { grant, reach });
    vec![
        vec![Offer::new("For 1 hour", Act::LimitGrant { grant })],
        vec![
            widen("In this folder", Reach::Folder),
            widen("Everywhere", Reach::Everywhere),
        ],
    ]
}

/// What a grant allows, on one line of a list.
fn shown(grant: &Grant) -> String {
    shorten(&words(&grant.permit).unwrap_or_default(), WORDS_MAX)
}

/// What is allowed in a session, with a button to take each away: from the newest on, or from the first that is older than
/// the one with the number `before`. `grants` has the newest last. `mode` is the one that counts.
///
/// What Claude's own settings and arguments allow besides is not known here: where nothing else does, it is said.
pub fn list(
    session: &str,
    (grants, before): (&[Grant], Option<i64>),
    mode: &str,
    now: i64,
) -> Notice {
    let line = Line::default();
    let by_mode = match mode {
        "acceptEdits" => Some((
            format!("{EDITS} in its folder and in directories that are allowed (/mode)"),
            "Ask before edits",
        )),
        "auto" => Some((
            "what a check by Anthropic lets pass (/mode)".to_owned(),
            "Ask me",
        )),
        BYPASS => Some(("everything: nobody is asked (/mode)".to_owned(), "Ask me")),
        _ => None,
    };
    if grants.is_empty() && by_mode.is_none() {
        return Notice {
            body: line
                .plain("You have allowed nothing for good in ")
                .bold(session)
                .plain(". Claude's own settings may allow more. When Claude asks, “Always” allows more than one call.")
                .end(),
            offers: Vec::new(),
        };
    }
    let mut line = line
        .plain("Allowed without asking in ")
        .bold(session)
        .plain(":");
    let mut offers = Vec::new();
    let newest_first: Vec<&Grant> = grants.iter().rev().collect();
    let is_older = |grant: &&Grant| before.is_some_and(|before| grant.id < before);
    // Where none is older any more, there is only the beginning.
    let from = newest_first.iter().position(is_older).unwrap_or(0);
    if let (0, Some((words, label))) = (from, by_mode) {
        line = line.plain(&format!("\n{words}"));
        let mode = "default".to_owned();
        offers.push(vec![Offer::new(label, Act::UseMode { mode })]);
    }
    let here = newest_first.iter().enumerate().skip(from).take(SHOWN_MAX);
    for (at, grant) in here {
        let reach = match grant.reach {
            Reach::Session => "here",
            Reach::Folder => "in this folder",
            Reach::Everywhere => "everywhere",
        };
        let seconds = |of: i64| Duration::from_secs(u64::try_from(of).unwrap_or(0));
        let left = match grant.until {
            Some(until) => format!(", for {} more", coarse(seconds(until - now))),
            None => String::new(),
        };
        line = line
            .plain(&format!("\n{}. ", at + 1))
            .code(&shown(grant))
            .plain(&format!(
                " · {reach}{left} · {}, {} ago",
                shorten(&grant.by, NAME_MAX),
                coarse(seconds(now - grant.at))
            ));
        let mut label = format!("Revoke {}: {}", at + 1, shown(grant));
        if label.chars().count() > LABEL_MAX {
            label = format!("Revoke {}", at + 1);
        }
        offers.push(vec![Offer::new(label, Act::Revoke { grant: grant.id })]);
    }
    let turn = |label: &str, before| Offer::new(label, Act::ListGrants { before });
    let mut turns = Vec::new();
    if from > 0 {
        turns.push(turn("The newest", None));
    }
    if let (Some(last), Some(left @ 1..)) = (
        newest_first.get(from + SHOWN_MAX - 1),
        newest_first.len().checked_sub(from + SHOWN_MAX),
    ) {
        line = line.plain(&format!("\n… and {left} older"));
        turns.push(turn(&format!("{left} older"), Some(last.id)));
    }
    if !turns.is_empty() {
        offers.push(turns);
    }
    Notice {
        body: line.end(),
        offers,
    }
}

/// Below a list from which something was taken away. What works now has it until its turn ends.
pub fn revoked(revoked: &Revoked) -> String {
    let words = shown(&revoked.grant);
    if revoked.is_allowed_still {
        format!("Revoked: {words}. It is allowed still by another one of the list.")
    } else if revoked.is_kept {
        format!("Revoked: {words}. A turn that runs now keeps it until its end; /stop ends it.")
    } else {
        format!("Revoked: {words}. Claude asks again.")
    }
}

/// Below a request, once what was allowed with it is limited or reaches further.
pub fn changed(grant: &Grant) -> &'static str {
    match (grant.until, grant.reach) {
        (Some(_), _) => {
            "For 1 hour; a turn that runs then keeps it until its end. /grants takes it back."
        }
        (None, Reach::Folder) => "In all sessions of this folder. /grants takes it back.",
        (None, Reach::Everywhere) => "In all sessions. /grants takes it back.",
        (None, Reach::Session) => "In this session.",
    }
}

fn shorten(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(content: &str) -> Grant {
        Grant {
            id: 1,
            permit: Permit::Call {
                rules: vec![Rule {
                    tool: "Bash".to_owned(),
                    content: Some(content.to_owned()),
                }],
            },
            reach: Reach::Session,
            by: "Ada".to_owned(),
            at: 100,
            until: None,
        }
    }

    #[test]
    fn rules_are_said_in_words() {
        let say = |tool: &str, content: Option<&str>| {
            rule(&Rule {
                tool: tool.to_owned(),
                content: content.map(str::to_owned),
            })
        };
        assert_eq!(
            say("Bash", Some("npm test *")).as_deref(),
            Some("npm test *")
        );
        assert_eq!(say("Bash", Some("*")).as_deref(), Some("any command"));
        assert_eq!(say("Read", Some("//x/**")).as_deref(), Some("read /x/**"));
        assert_eq!(
            say("WebFetch", Some("domain:a.example")).as_deref(),
            Some("fetch from a.example")
        );
        assert_eq!(say("mcp__a__b", None).as_deref(), Some("use mcp__a__b"));
        assert_eq!(say("Bash", None), None);
    }

    #[test]
    fn a_list_says_what_for_whom_and_since_when() {
        let limited = Grant {
            until: Some(1_000),
            reach: Reach::Everywhere,
            ..grant(&"x".repeat(200))
        };
        let all = [limited, grant("npm test *")];
        let notice = list("web", (&all, None), "acceptEdits", 400);
        assert_eq!(
            notice.body.text,
            format!(
                "Allowed without asking in web:\nedits and mkdir, touch, cp, mv, rm, rmdir, sed in its folder and in directories that are allowed (/mode)\n1. npm test * · here · Ada, 5 min ago\n\
                 2. {}… · everywhere, for 10 min more · Ada, 5 min ago",
                "x".repeat(100)
            )
        );
        let labels: Vec<_> = notice
            .offers
            .iter()
            .map(|row| row[0].label.as_str())
            .collect();
        assert_eq!(
            labels,
            ["Ask before edits", "Revoke 1: npm test *", "Revoke 2"]
        );
        let nothing = list("web", (&[], None), "default", 0);
        assert_eq!(
            nothing.body.text,
            "You have allowed nothing for good in web. Claude's own settings may allow more. \
             When Claude asks, “Always” allows more than one call."
        );
        assert!(nothing.offers.is_empty());
        let free = list("web", (&[], None), BYPASS, 0);
        assert!(
            free.body
                .text
                .ends_with("\neverything: nobody is asked (/mode)")
        );
    }

    #[test]
    fn the_newest_stands_first_and_each_can_be_revoked() {
        let all: Vec<Grant> = (1..=45)
            .map(|id| Grant {
                id,
                ..grant(&format!("make {id}"))
            })
            .collect();
        let mut revoked = Vec::new();
        let mut before = None;
        loop {
            let notice = list("web", (&all, before), "acceptEdits", 400);
            let buttons: Vec<&Offer> = notice.offers.iter().flatten().collect();
            let has_mode = buttons.iter().any(|one| one.label == "Ask before edits");
            assert_eq!(has_mode, before.is_none());
            for button in &buttons {
                if let Act::Revoke { grant } = button.act {
                    let number = revoked.len() + 1;
                    assert_eq!(button.label, format!("Revoke {number}: make {grant}"));
                    let line = format!("\n{number}. make {grant} · here");
                    assert!(notice.body.text.contains(&line), "{}", notice.body.text);
                    revoked.push(grant);
                }
            }
            let turns = |button: &&&Offer| matches!(button.act, Act::ListGrants { .. });
            let turns: Vec<&&Offer> = buttons.iter().filter(turns).collect();
            let labels: Vec<&str> = turns.iter().map(|turn| turn.label.as_str()).collect();
            match before {
                None => assert_eq!(labels, ["25 older"]),
                Some(26) => assert_eq!(labels, ["The newest", "5 older"]),
                Some(_) => assert_eq!(labels, ["The newest"]),
            }
            match turns.last().map(|turn| &turn.act) {
                Some(Act::ListGrants { before: Some(next) }) => before = Some(*next),
                _ => break,
            }
        }
        assert!(revoked.iter().copied().eq((1..=45).rev()));
        // What was older is gone meanwhile.
        assert_eq!(
            list("web", (&all[40..], Some(41)), "default", 400),
            list("web", (&all[40..], None), "default", 400)
        );
        let just_one_page = list("web", (&all[..20], None), "default", 400);
        assert_eq!(just_one_page.offers.len(), 20);
    }
}
