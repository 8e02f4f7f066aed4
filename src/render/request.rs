//! Shows what Claude wants to be allowed: all of it, exactly. Pure.
//!
//! A person approves what they see. So nothing of the input is left out, and what a screen would hide or turn around
//! (control characters, tabs, marks that reverse the direction of text) is written out.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::answer::PARTS_MAX;
use super::split::SPANS_MAX;
use super::texts::{Line, below_mark};
use super::{grants, lists, markdown, texts};
use crate::chat::{Act, Formatted, Notice, Offer, Permit, Present, Style, Wanted, utf16_len};

/// The longest input that stands in the message with the buttons, in UTF-16 units. A longer one goes out above it, as a
/// file, and the message shows how it begins.
const INLINE_MAX: usize = 2_200;

/// How much of a longer one the message shows: lines, and characters.
const BEGINNING_LINES: usize = 15;
const BEGINNING_MAX: usize = 1_000;

/// The longest reason, in characters.
const REASON_MAX: usize = 300;

/// The longest plan that stands in one message with its buttons, in UTF-16 units.
const PLAN_MAX: usize = 3_400;

/// What the CLI says where there is no other reason than that no rule allows the call.
const NO_REASON: &str = "This command requires approval";

/// The tool by which Claude shows a plan.
const PLAN_TOOL: &str = "ExitPlanMode";
/// The tool by which it asks questions.
const QUESTION_TOOL: &str = "AskUserQuestion";

/// Whether this tool shows a plan.
pub fn is_plan(tool: &str) -> bool {
    tool == PLAN_TOOL
}

/// What Claude hears when a person has denied the use of a tool, with what they wrote.
pub fn denied_for(tool: &str, reason: &str) -> String {
    match tool {
        PLAN_TOOL => {
            format!("The user did not approve this plan yet. What should be different: {reason}")
        }
        _ => format!("The user denied this: {reason}"),
    }
}

/// Below a request for the use of a tool that was allowed, where Claude may not have heard of that.
pub fn unheard(tool: &str, shown: &Formatted) -> Formatted {
    let how = match tool {
        PLAN_TOOL => "Approved",
        QUESTION_TOOL => "Answered",
        _ => "Allowed",
    };
    texts::unheard(shown, how)
}

/// Where a request stands, as seen from a message that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    Here,
    /// In this chat, but perhaps not yet.
    OnItsWay,
    InOtherTopic,
    InOtherChat,
}

/// To a message that waits for the answer to a request, with a button that makes the message the answer; but not of a
/// request in another chat, which whoever reads this may not have seen.
pub fn waits_for(tool: &str, input: &str, stands: Stands, deny_with: Act) -> Notice {
    let line = Line::default().plain("That waits for your answer to ");
    let label = match tool {
        PLAN_TOOL => "Revise with this",
        QUESTION_TOOL => "Answer with this",
        _ => "Deny with this",
    };
    Notice {
        body: named(line, tool, input, stands),
        offers: match stands {
            Stands::Here | Stands::OnItsWay | Stands::InOtherTopic => {
                vec![vec![Offer::new(label, deny_with)]]
            }
            Stands::InOtherChat => Vec::new(),
        },
    }
}

/// To a message that goes into the turn in which a request is open: Claude takes it in with what is decided.
pub fn goes_with(tool: &str, input: &str, stands: Stands) -> Formatted {
    let line = Line::default().plain("Claude reads that once you have answered ");
    named(line, tool, input, stands)
}

/// Names a request by where it stands. In another chat others may read than where it was asked.
fn named(line: Line, tool: &str, input: &str, stands: Stands) -> Formatted {
    let what = match tool {
        PLAN_TOOL => "plan",
        QUESTION_TOOL => "question",
        _ => "request",
    };
    let line = match stands {
        Stands::Here => line.plain(&format!("the {what} above")),
        Stands::OnItsWay => line.plain(&format!("a {what} that is on its way to you")),
        Stands::InOtherTopic => line.plain(&format!("the {what} in another topic")),
        Stands::InOtherChat => line.plain(&format!("a {what} in another chat")),
    };
    let line = match (what, stands) {
        ("request", Stands::Here | Stands::OnItsWay | Stands::InOtherTopic) => {
            line.plain(": ").code(&visible(&lists::gist(input)))
        }
        _ => line.plain("."),
    };
    line.end()
}

/// A request, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What goes out above the message with the buttons, in order.
    pub above: Vec<Formatted>,
    /// All that is asked for, where it is too long for the message: a file's name and text.
    pub file: Option<(&'static str, String)>,
    pub body: Formatted,
    /// The labels of the two buttons: to allow, and to deny, or to say what should be different about a plan.
    pub labels: [&'static str; 2],
    /// What else may be allowed with it, with the label of its button.
    pub always: Vec<(String, Permit)>,
}

/// How many buttons there are that allow more than the call.
const ALWAYS_MAX: usize = 3;

/// The longest words for one of them, in characters. They stand in the message beside the input, twice once it is chosen.
const WORDS_MAX: usize = 200;

/// The longest label that a phone shows whole, in characters. What is longer stands in the message.
const LABEL_MAX: usize = 36;

/// The file that a call writes anew, whatever stands in it: what is there already is to be shown with the request.
pub fn writes_over(wanted: &Wanted) -> Option<PathBuf> {
    let input: Value = serde_json::from_str(&wanted.input).ok()?;
    let path = input.get("file_path")?.as_str()?;
    (wanted.tool == "Write").then(|| path.into())
}

/// Shows a request of a session that works in `folder`. `present` is what is there already where it [writes over](writes_over).
pub fn show(wanted: &Wanted, session: &str, folder: &str, present: Present) -> Shown {
    let mut shown = show_call(wanted, session, folder, present);
    if wanted.is_plan {
        return shown;
    }
    let mut offered: Vec<(&Permit, String)> = Vec::new();
    for permit in &wanted.permits {
        let is_here = matches!(permit, Permit::Enter { directories }
            if directories.iter().all(|dir| Path::new(dir).starts_with(folder)));
        let is_clear =
            |words: &String| visible(words) == *words && words.chars().count() <= WORDS_MAX;
        let Some(words) = grants::words(permit).filter(is_clear) else {
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

/// What is written, in the words of what is there already.
fn writes(present: Present) -> String {
    let what = match present {
        Present::Nothing => return " wants to write".to_owned(),
        Present::File { bytes: 0, .. } => "an empty file".to_owned(),
        Present::File { lines, bytes } => match lines {
            Some(1) => "a file of 1 line".to_owned(),
            Some(lines) => format!("a file of {} lines", grouped(lines)),
            None => format!("a file of {}", texts::size(bytes)),
        },
        Present::Directory => "a directory".to_owned(),
        Present::Pipe => return " wants to write to a pipe".to_owned(),
        Present::Socket => return " wants to write to a socket".to_owned(),
        Present::Device => return " wants to write to a device".to_owned(),
        Present::Unseen => {
            return " wants to write, where I cannot see whether there is a file already"
                .to_owned();
        }
    };
    format!(" wants to replace {what} with")
}

/// A number with its thousands apart.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn show_call(wanted: &Wanted, session: &str, folder: &str, present: Present) -> Shown {
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
        "Write" => writes(present),
        "Edit" | "MultiEdit" | "NotebookEdit" => " wants to change".to_owned(),
        "WebFetch" => " wants to fetch".to_owned(),
        tool => format!(" wants to use {}", visible(tool)),
    };
    let mut where_ = format!("\nin {}", visible(folder));
    if let Some(path) = &wanted.blocked_path {
        where_.push_str(&format!("\nabout {}", reason(path)));
    }
    let reason = wanted.reason.as_deref().map(reason);
    if let Some(reason) = reason.filter(|reason| !reason.is_empty() && reason != NO_REASON) {
        where_.push_str(&format!("\nasked because: {reason}"));
    }
    let is_change = matches!(
        wanted.tool.as_str(),
        "Write" | "Edit" | "MultiEdit" | "NotebookEdit"
    );
    let language = match wanted.tool.as_str() {
        "Bash" => "bash",
        _ if is_change => "diff",
        _ => "",
    };
    let is_long = utf16_len(&details) > INLINE_MAX;
    let pre = Style::Pre {
        language: language.to_owned(),
    };
    let line = who(Line::default()).plain(&wants).plain("\n");
    let line = if is_long {
        let count = details.split('\n').count();
        line.styled(&beginning(&details), pre).plain(&format!(
            "\n… and more: all of it, {count} lines, stands in the file above"
        ))
    } else {
        line.styled(&details, pre)
    };
    let name = match wanted.tool.as_str() {
        "Bash" => "command.sh",
        _ if is_change => "change.diff",
        _ => "request.txt",
    };
    Shown {
        above: Vec::new(),
        file: is_long.then_some((name, details)),
        body: line.plain(&where_).end(),
        labels: ["Allow once", "Deny"],
        always: Vec::new(),
    }
}

/// How a long text begins.
fn beginning(text: &str) -> String {
    let lines: Vec<&str> = text.split('\n').take(BEGINNING_LINES).collect();
    lines.join("\n").chars().take(BEGINNING_MAX).collect()
}

/// Why something is asked, without what is meant for a terminal.
fn reason(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            // A sequence of control ends with a letter.
            let _ = letters.find(|letter| letter.is_ascii_alphabetic());
        } else {
            plain.push(letter);
        }
    }
    let plain = visible(&plain.split_whitespace().collect::<Vec<_>>().join(" "));
    match plain.char_indices().nth(REASON_MAX) {
        Some((end, _)) => format!("{}…", &plain[..end]),
        None => plain,
    }
}

fn plan(input: &Value, session: &str) -> Shown {
    let text = input.get("plan").and_then(Value::as_str).unwrap_or("");
    let mut above = if text.trim().is_empty() {
        Vec::new()
    } else {
        markdown::parts(text)
    };
    let line = Line::default().bold(session);
    let mut body = if above.is_empty() {
        line.plain(" has a plan and wants to start, but sent no text of it.")
            .end()
    } else {
        line.plain(" has this plan and wants to start").end()
    };
    // Whatever else is approved with it is shown as well.
    let more = more_of_plan(input);
    if above.len() > PARTS_MAX {
        // Like an answer; but as a file of its own, without which nothing can be approved.
        above.truncate(1);
        body.text
            .push_str(". It begins above; all of it stands in the file.");
        let all = match more.is_empty() {
            true => text.to_owned(),
            false => format!("{text}\n\nwith\n{more}"),
        };
        return plan_with(above, Some(("plan.md", all)), body);
    }
    let is_long = utf16_len(&more) > BEGINNING_MAX;
    match above.as_slice() {
        // With its buttons in one message, where there is room for all that may be said below it later.
        [whole] if more.is_empty() && fits_with_buttons(whole) => {
            body.text.push_str(":\n\n");
            body = below_mark(body, whole);
            above.clear();
        }
        [] => {}
        _ => body.text.push('.'),
    }
    if !more.is_empty() {
        let shown = match is_long {
            true => format!(
                "{}\n… and more: all of it stands in the file above",
                beginning(&more)
            ),
            false => more.clone(),
        };
        body.text.push_str(&format!("\nwith\n{shown}"));
    }
    plan_with(above, is_long.then_some(("request.txt", more)), body)
}

fn plan_with(
    above: Vec<Formatted>,
    file: Option<(&'static str, String)>,
    body: Formatted,
) -> Shown {
    Shown {
        above,
        file,
        body,
        labels: ["Approve", "Revise"],
        always: vec![(
            "Approve, and accept edits, rm, mv …".to_owned(),
            Permit::Edit,
        )],
    }
}

/// What stands in a plan's input beside its text and the file that holds it.
fn more_of_plan(input: &Value) -> String {
    let mut more = match input {
        Value::Object(fields) => fields.clone(),
        Value::Null => return String::new(),
        other => return visible(&other.to_string()),
    };
    more.retain(|name, value| {
        !(value.is_string() && matches!(name.as_str(), "plan" | "planFilePath"))
    });
    match more.is_empty() {
        true => String::new(),
        false => details("", &more),
    }
}

fn fits_with_buttons(plan: &Formatted) -> bool {
    utf16_len(&plan.text) <= PLAN_MAX && plan.spans.len() < SPANS_MAX
}

/// The input as a person reads it: the main field first, what goes and what comes, then every other one.
fn details(tool: &str, fields: &Map<String, Value>) -> String {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let mut lines: Vec<String> = Vec::new();
    let mut shown: Vec<&str> = Vec::new();
    let main: &[&str] = match tool {
        "Bash" => &["command"],
        "Write" | "Edit" | "MultiEdit" => &["file_path"],
        "NotebookEdit" => &["notebook_path"],
        "WebFetch" => &["url", "prompt"],
        _ => &[],
    };
    for name in main {
        if let Some(text) = text(name) {
            lines.push(visible(text));
            shown.push(name);
        }
    }
    match tool {
        "Write" | "NotebookEdit" => {
            let name = if tool == "Write" {
                "content"
            } else {
                "new_source"
            };
            if let Some(text) = text(name) {
                lines.push(marked("+ ", text));
                shown.push(name);
            }
        }
        "Edit" => {
            if let (Some(old), Some(new)) = (text("old_string"), text("new_string")) {
                lines.push(difference(old, new));
                shown.extend(["old_string", "new_string"]);
            }
        }
        "MultiEdit" => {
            if let Some(edits) = fields.get("edits").and_then(Value::as_array)
                && let Some(all) = edits.iter().map(one_edit).collect::<Option<Vec<_>>>()
            {
                lines.extend(all);
                shown.push("edits");
            }
        }
        _ => {}
    }
    for (name, value) in fields {
        // Bash's description is Claude's own word for the command; it changes nothing of what is run.
        let says_nothing = tool == "Bash" && name == "description";
        if !shown.contains(&name.as_str()) && !says_nothing {
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

/// One of several changes; None where it holds anything that would not be shown.
fn one_edit(edit: &Value) -> Option<String> {
    let edit = edit.as_object()?;
    let (old, new) = (
        edit.get("old_string")?.as_str()?,
        edit.get("new_string")?.as_str()?,
    );
    let everywhere = match edit.get("replace_all") {
        None | Some(Value::Bool(false)) => "@@",
        Some(Value::Bool(true)) => "@@ everywhere in the file",
        Some(_) => return None,
    };
    let known = ["old_string", "new_string", "replace_all"];
    edit.keys()
        .all(|name| known.contains(&name.as_str()))
        .then(|| format!("{everywhere}\n{}", difference(old, new)))
}

/// What goes and what comes, line by line, with the lines that stay before and behind.
fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.split('\n').collect(), new.split('\n').collect());
    let before = old
        .iter()
        .zip(&new)
        .take_while(|(old, new)| old == new)
        .count();
    let behind = old[before..].iter().rev().zip(new[before..].iter().rev());
    let behind = behind.take_while(|(old, new)| old == new).count();
    let (old_end, new_end) = (old.len() - behind, new.len() - behind);
    let part = |sign: &str, lines: &[&str]| -> Vec<String> {
        lines
            .iter()
            .map(|line| format!("{sign}{}", visible(line)))
            .collect()
    };
    [
        part("  ", &old[..before]),
        part("- ", &old[before..old_end]),
        part("+ ", &new[before..new_end]),
        part("  ", &old[old_end..]),
    ]
    .concat()
    .join("\n")
}

fn marked(sign: &str, text: &str) -> String {
    let lines = text.split('\n');
    let marked: Vec<String> = lines
        .map(|line| format!("{sign}{}", visible(line)))
        .collect();
    marked.join("\n")
}

/// How a tab looks that begins a line: as wide as others show it, and told from blanks.
const INDENT: &str = "→   ";

/// The text with everything written out that a screen would not show as what it is.
///
/// Some of Telegram's clients make one blank of a tab, or nothing. Before the first word of a line, where files are full
/// of them, it becomes an arrow of four columns; anywhere else it is written out like every other odd blank.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut before = None;
    let mut is_indent = true;
    for letter in text.chars() {
        if letter == '\t' && is_indent {
            shown.push_str(INDENT);
            before = Some(letter);
            continue;
        }
        is_indent = letter == '\n' || (is_indent && letter == ' ');
        let hidden = match letter {
            '\n' => false,
            // Direction marks, joiners and blanks without a width, the tags that copy ASCII invisibly.
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' => true,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
            '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}' => true,
            // What chooses a variant, joins or divides without a sign of its own, and a sign that Telegram takes out.
            // The two kinds of emoji are told from each other by one that can be seen.
            '\u{fe0e}' | '\u{fe0f}' => !before.is_some_and(has_two_kinds),
            '\u{34f}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{fe00}'..='\u{fe0d}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{30a}' => true,
            // Blanks that are not the one a shell divides words by.
            '\u{a0}'
            | '\u{1680}'
            | '\u{2000}'..='\u{200a}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{2800}'
            | '\u{3000}' => true,
            letter => letter.is_control(),
        };
        before = Some(letter);
        if hidden {
            shown.extend(letter.escape_unicode())
        } else {
            shown.push(letter)
        }
    }
    shown
}

/// Whether a sign may be an emoji or a plain one.
fn has_two_kinds(sign: char) -> bool {
    matches!(sign, '\u{a9}' | '\u{ae}' | '\u{203c}'..='\u{2799}' | '\u{2934}'..='\u{2b55}' | '\u{3030}'..='\u{3299}'
        | '\u{1f000}'..='\u{1faff}')
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
            questions: Vec::new(),
            permits: Vec::new(),
            reason: None,
            blocked_path: None,
        }
    }

    /// Shows what is written where nothing is.
    fn show(wanted: &Wanted, session: &str, folder: &str) -> Shown {
        super::show(wanted, session, folder, Present::Nothing)
    }

    #[test]
    fn what_is_replaced_is_said_and_all_that_is_written_is_shown() {
        let input = r#"{"file_path":"/w/a","content":"x\ny"}"#;
        let asked = wanted("Write", input);
        assert_eq!(writes_over(&asked), Some("/w/a".into()));
        assert_eq!(writes_over(&wanted("Edit", input)), None);
        let file = |lines, bytes| Present::File { lines, bytes };
        for (present, said) in [
            (Present::Nothing, "write"),
            (
                file(Some(2_000), 51_000),
                "replace a file of 2,000 lines with",
            ),
            (file(Some(1), 5), "replace a file of 1 line with"),
            (file(Some(0), 0), "replace an empty file with"),
            (file(None, 999), "replace a file of 999 bytes with"),
            (file(None, 51_999), "replace a file of 51 kB with"),
            (file(None, 2_340_000), "replace a file of 2.3 MB with"),
            (Present::Directory, "replace a directory with"),
            (Present::Device, "write to a device"),
            (
                Present::Unseen,
                "write, where I cannot see whether there is a file already",
            ),
        ] {
            let shown = super::show(&asked, "web", "/w", present).body.text;
            assert_eq!(shown, format!("web wants to {said}\n/w/a\n+ x\n+ y\nin /w"));
        }
        let edit = wanted(
            "Edit",
            r#"{"file_path":"/w/a","old_string":"x","new_string":"y"}"#,
        );
        let shown = super::show(&edit, "web", "/w", file(Some(3), 9)).body.text;
        assert_eq!(shown, "web wants to change\n/w/a\n- x\n+ y\nin /w");
        assert_eq!(
            ["7", "999", "1,000", "1,234,567"].map(str::to_owned),
            [7, 999, 1_000, 1_234_567].map(grouped)
        );
    }

    #[test]
    fn what_no_screen_shows_is_written_out() {
        assert_eq!(visible("rm\u{a0}-rf\u{2800}x"), "rm\\u{a0}-rf\\u{2800}x");
        assert_eq!(
            visible("a\u{30a}b\u{34f}c\u{fe0f}"),
            "a\\u{30a}b\\u{34f}c\\u{fe0f}"
        );
        assert_eq!(visible("⚠\u{fe0f} \u{e9} x\ny"), "⚠\u{fe0f} \u{e9} x\ny");
    }

    #[test]
    fn a_tab_is_seen_and_lines_that_begin_with_some_stay_readable() {
        assert_eq!(visible("rm -r /tmp/x\t/ \t"), "rm -r /tmp/x\\u{9}/ \\u{9}");
        assert_eq!(
            visible("all:\n\tcc a\n  \t\tb\tc"),
            "all:\n→   cc a\n  →   →   b\\u{9}c"
        );
        assert_eq!(visible("\t"), "→   ");
        assert_eq!(difference("\tx", "    x"), "- →   x\n+     x");
        let input = r#"{"file_path":"/w/Makefile","content":"all:\n\tcc a\tb"}"#;
        assert_eq!(
            show(&wanted("Write", input), "web", "/w").body.text,
            "web wants to write\n/w/Makefile\n+ all:\n+ →   cc a\\u{9}b\nin /w"
        );
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
    fn what_waits_says_for_what_and_in_another_chat_only_that_it_does() {
        let input = r#"{"command":"touch a"}"#;
        let waits = |tool, stands| waits_for(tool, input, stands, Act::Drop);
        let said = |tool, stands| waits(tool, stands).body.text;
        assert_eq!(
            said("Bash", Stands::Here),
            "That waits for your answer to the request above: touch a"
        );
        assert_eq!(
            said(PLAN_TOOL, Stands::InOtherTopic),
            "That waits for your answer to the plan in another topic."
        );
        let on_its_way = waits("Bash", Stands::OnItsWay);
        assert_eq!(
            on_its_way.body.text,
            "That waits for your answer to a request that is on its way to you: touch a"
        );
        assert_eq!(on_its_way.offers[0][0].label, "Deny with this");
        let elsewhere = waits("Bash", Stands::InOtherChat);
        assert_eq!(
            elsewhere.body.text,
            "That waits for your answer to a request in another chat."
        );
        assert!(elsewhere.offers.is_empty());
        assert_eq!(
            goes_with(QUESTION_TOOL, input, Stands::Here).text,
            "Claude reads that once you have answered the question above."
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
    fn what_is_said_twice_is_shown_as_claude_reads_it() {
        // Of two values of one name JavaScript takes the later one, and so does what is shown.
        let shown = show(
            &wanted("Bash", r#"{"command":"ls","command":"rm -r /"}"#),
            "web",
            "/w",
        );
        assert_eq!(shown.body.text, "web wants to run\nrm -r /\nin /w");
    }

    #[test]
    fn a_number_that_cannot_be_read_is_shown_as_it_came() {
        let input = r#"{"command":"ls","timeout":1e999}"#;
        let shown = show(&wanted("Bash", input), "web", "/w");
        assert!(shown.body.text.contains(input), "{}", shown.body.text);
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
    fn a_long_input_goes_above_as_one_file_and_nothing_is_left_out() {
        let content = "word ".repeat(80_000);
        let input = serde_json::json!({"file_path": "/w/a.txt", "content": content}).to_string();
        let shown = show(&wanted("Write", &input), "web", "/w");
        let (name, text) = shown.file.expect("it is long");
        assert_eq!((name, shown.above.len()), ("change.diff", 0));
        assert_eq!(text.matches("word").count(), 80_000);
        assert!(text.starts_with("/w/a.txt\n+ word"));
        assert!(utf16_len(&shown.body.text) < 1_500);
        assert!(
            shown
                .body
                .text
                .starts_with("web wants to write\n/w/a.txt\n+ word")
        );
        assert!(
            shown
                .body
                .text
                .ends_with("2 lines, stands in the file above\nin /w")
        );
    }

    #[test]
    fn lines_that_stay_are_shown_as_such_and_every_change_is_seen() {
        assert_eq!(difference("a\nb\nc", "a\nx\nc"), "  a\n- b\n+ x\n  c");
        assert_eq!(difference("a", "a\n"), "  a\n+ ");
        assert_eq!(difference("a\r", "a"), "- a\\u{d}\n+ a");
        assert_eq!(difference("a\na", "a"), "  a\n- a");
        let edits = r#"{"file_path":"/w/a","edits":[{"old_string":"x","new_string":"y"},
            {"old_string":"p","new_string":"q","replace_all":true}]}"#;
        assert_eq!(
            show(&wanted("MultiEdit", edits), "web", "/w").body.text,
            "web wants to change\n/w/a\n@@\n- x\n+ y\n@@ everywhere in the file\n- p\n+ q\nin /w"
        );
        let odd = r#"{"file_path":"/w/a","edits":[{"old_string":"x","new_string":"y","more":1}]}"#;
        let shown = show(&wanted("MultiEdit", odd), "web", "/w").body.text;
        assert!(shown.contains("\"more\": 1"), "{shown}");
    }

    #[test]
    fn why_it_is_asked_is_said_and_says_nothing_to_a_terminal() {
        let asked = Wanted {
            reason: Some("\u{1b}[31mPath\u{1b}[0m is\noutside".to_owned()),
            blocked_path: Some("/etc/x".to_owned()),
            sub_agent: true,
            ..wanted(
                "WebFetch",
                r#"{"url":"https://a.example/","prompt":"sum up"}"#,
            )
        };
        assert_eq!(
            show(&asked, "web", "/w").body.text,
            "web (a sub-agent) wants to fetch\nhttps://a.example/\nsum up\nin /w\nabout /etc/x\nasked because: Path is \
             outside"
        );
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
    fn a_plan_stands_with_its_buttons_where_it_fits_and_may_come_without_a_text() {
        let plan = |input: &Value| show(&wanted("ExitPlanMode", &input.to_string()), "web", "/w");
        let shown = plan(&serde_json::json!({}));
        assert!(shown.above.is_empty() && shown.file.is_none());
        assert_eq!(
            shown.body.text,
            "web has a plan and wants to start, but sent no text of it."
        );
        assert_eq!(shown.labels, ["Approve", "Revise"]);
        let edits = (
            "Approve, and accept edits, rm, mv …".to_owned(),
            Permit::Edit,
        );
        assert_eq!(shown.always, [edits]);

        let shown = plan(&serde_json::json!({"plan": "# Do it\nnow", "planFilePath": "/p/x.md"}));
        assert!(shown.above.is_empty());
        assert_eq!(
            shown.body.text,
            "web has this plan and wants to start:\n\nDo it\nnow"
        );
        let bold = |offset, length| crate::chat::Span {
            offset,
            length,
            style: Style::Bold,
        };
        assert_eq!(shown.body.spans, [bold(0, 3), bold(39, 5)]);

        let shown = plan(&serde_json::json!({"plan": "word ".repeat(700)}));
        assert_eq!(shown.above.len(), 1);
        assert_eq!(shown.body.text, "web has this plan and wants to start.");
    }

    #[test]
    fn a_plan_of_too_many_messages_is_a_file_with_its_beginning_above() {
        let plan = format!("begins\n\n{}", "word ".repeat(20_000));
        let input = serde_json::json!({"plan": plan, "more": "than that"}).to_string();
        let shown = show(&wanted("ExitPlanMode", &input), "web", "/w");
        assert_eq!(shown.above.len(), 1);
        assert!(shown.above[0].text.starts_with("begins"));
        assert_eq!(
            shown.body.text,
            "web has this plan and wants to start. It begins above; all of it stands in the file."
        );
        let all = format!("{plan}\n\nwith\nmore: than that");
        assert_eq!(shown.file, Some(("plan.md", all)));
    }

    #[test]
    fn what_claude_may_not_have_heard_is_named_by_what_was_pressed() {
        let said = |tool: &str| unheard(tool, &Formatted::plain("asked")).text;
        assert!(said("Bash").starts_with("asked\n\n⚠ Allowed, but "));
        assert!(said("ExitPlanMode").starts_with("asked\n\n⚠ Approved, but "));
        assert!(said("AskUserQuestion").starts_with("asked\n\n⚠ Answered, but "));
    }

    #[test]
    fn what_is_approved_with_a_plan_is_shown_with_it() {
        let prompts = serde_json::json!([{"tool": "Bash", "prompt": "run tests"}]);
        let input = serde_json::json!({"plan": "Do it", "allowedPrompts": prompts}).to_string();
        let shown = show(&wanted("ExitPlanMode", &input), "web", "/w");
        assert_eq!(shown.above.len(), 1);
        assert!(
            shown
                .body
                .text
                .starts_with("web has this plan and wants to start.\nwith\nallowedPrompts: [")
                && shown.body.text.contains(r#""prompt": "run tests""#),
            "{}",
            shown.body.text
        );
        let long = serde_json::json!({"plan": "Do it", "more": "x".repeat(3_000)}).to_string();
        let shown = show(&wanted("ExitPlanMode", &long), "web", "/w");
        let (_, text) = shown.file.expect("it is too long for the message");
        assert_eq!(text, format!("more: {}", "x".repeat(3_000)));
    }
}
