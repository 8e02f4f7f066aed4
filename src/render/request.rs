//! Shows what Claude wants to be allowed: all of it, exactly. Pure.
//!
//! A person approves what they see. So nothing of the input is left out, and what a screen would hide or turn around
//! (control characters, marks that reverse the direction of text) is written out.

use std::path::Path;

use serde_json::{Map, Value};

use super::{grants, markdown, texts::Line};
use crate::chat::{Formatted, Permit, Style, Wanted, utf16_len};

/// The longest input that stands in the message with the buttons, in UTF-16 units. A longer one goes out above it.
const INLINE_MAX: usize = 2_500;

/// A request, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What goes out above the message with the buttons, in order.
    pub above: Vec<Formatted>,
    pub body: Formatted,
    /// The labels of the two buttons: to allow, and to deny.
    pub labels: [&'static str; 2],
    /// What else may be allowed with it, with the label of its button.
    pub always: Vec<(String, Permit)>,
}

/// How many buttons there are that allow more than the call.
const ALWAYS_MAX: usize = 3;

/// The longest label that a phone shows whole, in characters. What is longer stands in the message.
const LABEL_MAX: usize = 36;

/// Shows a request of a session that works in `folder`.
pub fn show(wanted: &Wanted, session: &str, folder: &str) -> Shown {
    let mut shown = show_call(wanted, session, folder);
    if wanted.is_plan {
        return shown;
    }
    let mut offered: Vec<(&Permit, String)> = Vec::new();
    for permit in &wanted.permits {
        let is_here = matches!(permit, Permit::Enter { directories }
            if directories.iter().all(|dir| Path::new(dir).starts_with(folder)));
        let Some(words) = grants::words(permit).filter(|words| visible(words) == *words) else {
            continue;
        };
        if !is_here && offered.iter().all(|(other, _)| *other != permit) {
            offered.push((permit, words));
        }
    }
    for (at, (permit, words)) in offered.into_iter().take(ALWAYS_MAX).enumerate() {
        let mut label = grants::label(permit, &words);
        if label.chars().count() > LABEL_MAX {
            label = format!("Always {}", at + 1);
            shown.body.text.push_str(&format!("\n{label}: {words}"));
        }
        shown.always.push((label, permit.clone()));
    }
    shown
}

fn show_call(wanted: &Wanted, session: &str, folder: &str) -> Shown {
    // It came in as JSON and was kept as it came.
    let input: Value = serde_json::from_str(&wanted.input).unwrap_or(Value::Null);
    if wanted.is_plan {
        return plan(&input, session);
    }
    let details = match input.as_object() {
        Some(fields) => details(&wanted.tool, fields),
        // Too deep to be read, or of a form that no tool has: then as it came.
        None => visible(&wanted.input),
    };
    let who = |line: Line| {
        let line = line.bold(session);
        if wanted.sub_agent {
            line.plain(" (a sub-agent)")
        } else {
            line
        }
    };
    let wants = match wanted.tool.as_str() {
        "Bash" => " wants to run".to_owned(),
        "Write" => " wants to write".to_owned(),
        "Edit" | "MultiEdit" | "NotebookEdit" => " wants to change".to_owned(),
        "WebFetch" => " wants to fetch".to_owned(),
        tool => format!(" wants to use {}", visible(tool)),
    };
    let where_ = format!("\nin {}", visible(folder));
    let language = if wanted.tool == "Bash" { "bash" } else { "" };
    if utf16_len(&details) <= INLINE_MAX {
        let body = who(Line::default())
            .plain(&wants)
            .plain("\n")
            .styled(
                &details,
                Style::Pre {
                    language: language.to_owned(),
                },
            )
            .plain(&where_)
            .end();
        return Shown {
            above: Vec::new(),
            body,
            labels: ["Allow once", "Deny"],
            always: Vec::new(),
        };
    }
    let above = fenced(&details, language);
    let lines = details.lines().count();
    let body = who(Line::default())
        .plain(&wants)
        .plain(&format!(" what stands above ({lines} lines)"))
        .plain(&where_)
        .end();
    Shown {
        above,
        body,
        labels: ["Allow once", "Deny"],
        always: Vec::new(),
    }
}

/// Parts that show a text as code, whatever it holds: the fence is longer than any in it.
fn fenced(text: &str, language: &str) -> Vec<Formatted> {
    let longest = text
        .split(|letter| letter != '`')
        .map(str::len)
        .max()
        .unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    markdown::parts(&format!("{fence}{language}\n{text}\n{fence}"))
}

fn plan(input: &Value, session: &str) -> Shown {
    let text = input.get("plan").and_then(Value::as_str).unwrap_or("");
    let above = if text.trim().is_empty() {
        Vec::new()
    } else {
        markdown::parts(text)
    };
    let line = Line::default().bold(session);
    let body = if above.is_empty() {
        line.plain(" has a plan and wants to start, but sent no text of it.")
            .end()
    } else {
        line.plain(" has this plan and wants to start.").end()
    };
    Shown {
        above,
        body,
        labels: ["Approve", "Deny"],
        always: Vec::new(),
    }
}

/// The input as a person reads it: the main field first, then every other one.
fn details(tool: &str, fields: &Map<String, Value>) -> String {
    let main: &[&str] = match tool {
        "Bash" => &["command"],
        "Write" => &["file_path", "content"],
        "Edit" => &["file_path", "old_string", "new_string"],
        "WebFetch" => &["url", "prompt"],
        _ => &[],
    };
    let mut lines = Vec::new();
    for (at, name) in main.iter().enumerate() {
        let Some(text) = fields.get(*name).and_then(Value::as_str) else {
            continue;
        };
        lines.push(match *name {
            "old_string" => marked("- ", text),
            "new_string" => marked("+ ", text),
            _ if at == 0 => visible(text),
            _ => visible(text),
        });
    }
    for (name, value) in fields {
        let shown_above = main.contains(&name.as_str()) && value.is_string();
        // Bash's description is Claude's own word for the command; it changes nothing of what is run.
        let says_nothing = tool == "Bash" && name == "description";
        if !shown_above && !says_nothing {
            let value = match value {
                Value::String(text) => text.clone(),
                other => serde_json::to_string_pretty(other).unwrap_or_default(),
            };
            lines.push(format!("{}: {}", visible(name), visible(&value)));
        }
    }
    if lines.is_empty() {
        "(nothing)".to_owned()
    } else {
        lines.join("\n")
    }
}

fn marked(sign: &str, text: &str) -> String {
    visible(text)
        .lines()
        .map(|line| format!("{sign}{line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The text with everything written out that a screen would not show as what it is.
fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        let hidden = match letter {
            '\n' | '\t' => false,
            // Direction marks, joiners and blanks without a width, the tags that copy ASCII invisibly.
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' => true,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
            '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}' => true,
            letter => letter.is_control(),
        };
        if hidden {
            shown.extend(letter.escape_unicode())
        } else {
            shown.push(letter)
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Rule;

    fn wanted(tool: &str, input: &str) -> Wanted {
        Wanted {
            request: "r".into(),
            tool: tool.into(),
            input: input.into(),
            is_plan: tool == "ExitPlanMode",
            sub_agent: false,
            permits: Vec::new(),
            reason: None,
            blocked_path: None,
        }
    }

    #[test]
    fn what_may_be_allowed_always_is_said_whole() {
        let rule = |content: &str| Permit::Call {
            rules: vec![Rule {
                tool: "Bash".to_owned(),
                content: Some(content.to_owned()),
            }],
        };
        let long = format!("{} *", "x".repeat(60));
        let enter = |directory: &str| Permit::Enter {
            directories: vec![directory.to_owned()],
        };
        let asked = Wanted {
            permits: vec![
                rule("npm test *"),
                rule("npm test *"),
                rule("a\u{202e}b"),
                enter("/w"),
                rule(&long),
                enter("/x"),
                Permit::Edit,
            ],
            ..wanted("Bash", r#"{"command":"npm test a"}"#)
        };
        let shown = show(&asked, "web", "/w");
        let labels: Vec<&str> = shown
            .always
            .iter()
            .map(|(label, _)| label.as_str())
            .collect();
        assert_eq!(
            labels,
            ["Always: npm test *", "Always 2", "Files in /x too"]
        );
        assert!(
            shown
                .body
                .text
                .ends_with(&format!("in /w\nAlways 2: {long}"))
        );
    }

    #[test]
    fn a_command_is_shown_whole_with_every_option() {
        let shown = show(
            &wanted(
                "Bash",
                r#"{"command":"git push origin main","description":"pushes","timeout":5000}"#,
            ),
            "web",
            "/home/me/web",
        );
        assert_eq!(
            shown.body.text,
            "web wants to run\ngit push origin main\ntimeout: 5000\nin /home/me/web"
        );
        assert!(shown.above.is_empty());
    }

    #[test]
    fn what_a_screen_hides_is_written_out() {
        let shown = show(
            &wanted("Bash", "{\"command\":\"ls \\u202e# mr\\u0008\"}"),
            "web",
            "/w",
        );
        assert!(
            shown.body.text.contains("ls \\u{202e}# mr\\u{8}"),
            "{}",
            shown.body.text
        );
    }

    #[test]
    fn a_long_input_goes_above_and_nothing_is_left_out() {
        let content = "word ".repeat(3_000);
        let input = serde_json::json!({"file_path": "/w/a.txt", "content": content}).to_string();
        let shown = show(&wanted("Write", &input), "web", "/w");
        let above: String = shown
            .above
            .iter()
            .map(|part| part.text.as_str())
            .collect::<Vec<_>>()
            .join("\n");
        assert_eq!(above.matches("word").count(), 3_000);
        assert!(above.starts_with("/w/a.txt"));
        assert!(utf16_len(&shown.body.text) < 4_000);
    }

    #[test]
    fn an_edit_shows_what_goes_and_what_comes() {
        let input =
            r#"{"file_path":"/w/a","old_string":"x\ny","new_string":"z","replace_all":true}"#;
        let shown = show(&wanted("Edit", input), "web", "/w");
        assert_eq!(
            shown.body.text,
            "web wants to change\n/w/a\n- x\n- y\n+ z\nreplace_all: true\nin /w"
        );
    }

    #[test]
    fn an_unknown_tool_shows_all_it_was_given() {
        let shown = show(
            &wanted("mcp__x__y", r#"{"a":{"b":1},"c":"d"}"#),
            "web",
            "/w",
        );
        assert!(
            shown.body.text.contains("mcp__x__y") && shown.body.text.contains("\"b\": 1"),
            "{}",
            shown.body.text
        );
        assert!(shown.body.text.contains("c: d"));
    }

    #[test]
    fn a_plan_may_come_without_a_text() {
        assert!(
            show(&wanted("ExitPlanMode", "{}"), "web", "/w")
                .above
                .is_empty()
        );
        let shown = show(
            &wanted("ExitPlanMode", r##"{"plan":"# Do it\nnow"}"##),
            "web",
            "/w",
        );
        assert_eq!(shown.above.len(), 1);
        assert_eq!(shown.labels[0], "Approve");
    }
}
