//! Shows what Claude wants to be allowed: all of it, exactly. Pure.
//!
//! A person approves what they see. So nothing of the input is left out, and what a screen would hide or turn around
//! (control characters, tabs, marks that reverse the direction of text) is written out.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::answer::PARTS_MAX;
use super::split::SPANS_MAX;
use super::texts::{Line, below_mark};
use super::visible::visible;
use super::{grants, lists, markdown, texts};
use crate::chat::{
    Act, Formatted, Found, Notice, Offer, Permit, Present, Style, Verdict, Wanted, utf16_len,
};

/// The longest input that stands in the message with the buttons, in UTF-16 units. A longer one goes out above it, as a
/// file, and the message shows how it begins.
const INLINE_MAX: usize = 2_200;

/// The most lines that stand there: more would push off the screen what matters of them.
const INLINE_LINES: usize = 40;

/// How much of the beginning of a longer one the message shows: lines, and UTF-16 units.
const BEGINNING_LINES: usize = 15;
const BEGINNING_MAX: usize = 1_000;

/// How much of its end. What would run last may be what matters.
const END_LINES: usize = 5;
const END_MAX: usize = 300;

/// The longest field of one line that the message repeats below a long input, in UTF-16 units with its name, and how much
/// of them it repeats in all.
const SHORT_MAX: usize = 100;
const SHORT_ALL_MAX: usize = 600;

/// What every further line of a value begins with, so that none looks like another field.
const CONTINUED: &str = "\n  │ ";

/// How many lines like each other are shown as one.
const ALIKE_MIN: usize = 3;

/// The longest reason, in characters.
const REASON_MAX: usize = 300;

/// The longest plan that stands in one message with its buttons, in UTF-16 units, with what is said above it.
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

/// Whether this tool asks questions, to which anything may be the answer.
pub fn is_question(tool: &str) -> bool {
    tool == QUESTION_TOOL
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

/// Below a request for the use of a tool that was decided, where Claude may not have heard of that.
pub fn unheard(tool: &str, verdict: Verdict, shown: &Formatted) -> Formatted {
    texts::unheard(shown, was(tool, verdict))
}

/// The same where the turn was stopped before Claude could hear of it: it was told no.
pub fn unheard_by_stop(tool: &str, verdict: Verdict, shown: &Formatted) -> Formatted {
    texts::unheard_by_stop(shown, was(tool, verdict))
}

fn was(tool: &str, verdict: Verdict) -> &'static str {
    match (verdict, tool) {
        (Verdict::Allow, PLAN_TOOL) => "Approved",
        (Verdict::Allow, QUESTION_TOOL) => "Answered",
        (Verdict::Allow, _) => "Allowed",
        (Verdict::Deny, _) => "Denied",
    }
}

/// Below a request that was open when its process ended.
pub fn expired(tool: &str, shown: &Formatted) -> Formatted {
    texts::expired(shown, nothing(tool))
}

/// Below a request that was open when chappe ended.
pub fn expired_by_restart(tool: &str, shown: &Formatted) -> Formatted {
    texts::expired_by_restart(shown, nothing(tool))
}

/// Below a request whose turn was stopped.
pub fn withdrawn_by_stop(tool: &str, shown: &Formatted) -> Formatted {
    texts::withdrawn_by_stop(shown, nothing(tool))
}

/// Below a request that Claude took back.
pub fn withdrawn(_tool: &str, shown: &Formatted) -> Formatted {
    texts::withdrawn(shown)
}

/// What has not happened. Of several questions some may have been answered.
fn nothing(tool: &str) -> &'static str {
    match tool {
        QUESTION_TOOL => "Claude has heard no answer.",
        _ => "Nothing was run.",
    }
}

/// Where a request stands, as seen from a message that waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stands {
    Here,
    /// Here, but perhaps not yet.
    OnItsWay,
    /// Elsewhere in this chat, and perhaps not yet.
    OnItsWayElsewhere,
    InOtherTopic,
    InOtherChat,
}

/// To a message that waits for the answer to a request, with a button that makes the message the answer; but not of a
/// request in another chat, which whoever reads this may not have seen. `deny_with` is None where the message only agrees:
/// it is no reason to deny anything, and says how to allow it.
pub fn waits_for(tool: &str, input: &str, stands: Stands, deny_with: Option<Act>) -> Notice {
    let line = Line::default().plain("That waits for your answer to ");
    let label = match tool {
        PLAN_TOOL => "Revise with this",
        QUESTION_TOOL => "Answer with this",
        _ => "Deny with this",
    };
    let mut body = named(line, tool, input, stands);
    let offers = match (stands, deny_with) {
        // Nobody can have seen it, or not whoever reads this.
        (Stands::OnItsWayElsewhere | Stands::InOtherChat, _) => Vec::new(),
        (Stands::Here | Stands::OnItsWay | Stands::InOtherTopic, Some(act)) => {
            vec![vec![Offer::new(label, act)]]
        }
        (Stands::Here | Stands::OnItsWay | Stands::InOtherTopic, None) => {
            body.text.push_str(&format!("\n{}", texts::PRESS_TO_ALLOW));
            Vec::new()
        }
    };
    Notice { body, offers }
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
        Stands::OnItsWayElsewhere => line.plain(&format!("a {what} that is on its way")),
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

/// The file that a call writes or changes: what is there already, and where, is to be shown with the request.
pub fn changes(wanted: &Wanted) -> Option<PathBuf> {
    let name = match wanted.tool.as_str() {
        "Write" | "Edit" | "MultiEdit" => "file_path",
        "NotebookEdit" => "notebook_path",
        _ => return None,
    };
    let input: Value = serde_json::from_str(&wanted.input).ok()?;
    Some(input.get(name)?.as_str()?.into())
}

/// Shows a request of a session that works in `folder`. `found` is what is known of the file that it [changes].
pub fn show(wanted: &Wanted, session: &str, folder: &str, found: &Found) -> Shown {
    let mut shown = show_call(wanted, session, folder, found);
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

fn show_call(wanted: &Wanted, session: &str, folder: &str, found: &Found) -> Shown {
    // It came in as JSON and was kept as it came.
    let input: Value = serde_json::from_str(&wanted.input).unwrap_or(Value::Null);
    let who = |line: Line| {
        let line = line.bold(session);
        if wanted.sub_agent {
            line.plain(" (a sub-agent)")
        } else {
            line
        }
    };
    if wanted.is_plan {
        // Whatever stands below the plan could be a part of it: where it starts is said above.
        let (who, at) = (who(Line::default()), on_one_line(folder));
        return match input.as_object() {
            Some(fields) => plan(fields, who, &at),
            None => unread_plan(&wanted.input, who, &at),
        };
    }
    let details = match input.as_object() {
        Some(fields) => details(&wanted.tool, fields, found.leads_to.as_deref()),
        // Too deep to be read, or of a form that no tool has: then as it came.
        None => Details::whole(visible(&wanted.input)),
    };
    let wants = match wanted.tool.as_str() {
        "Bash" => " wants to run".to_owned(),
        "Write" => writes(found.present),
        "Edit" | "MultiEdit" | "NotebookEdit" => " wants to change".to_owned(),
        "WebFetch" => " wants to fetch".to_owned(),
        tool => format!(" wants to use {}", on_one_line(tool)),
    };
    let mut where_ = format!("\nin {}", on_one_line(folder));
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
    let text = details.text();
    let is_long = is_longer(&text, INLINE_MAX);
    let pre = Style::Pre {
        language: language.to_owned(),
    };
    let line = who(Line::default()).plain(&wants).plain("\n");
    let line = if is_long {
        let count = text.split('\n').count();
        let shown = beginning_and_end(&text);
        let line = line.styled(&shown, pre).plain(&format!(
            "\n… and more: all of it, {count} lines, stands in the file above"
        ));
        let short = |line: Line, field: &String| line.plain("\n").code(field);
        let line = details.short().iter().fold(line, short);
        match found.leads_to.as_deref().map(leading) {
            // Its path is so long that it is not among what is shown.
            Some(leading) if !shown.contains(&leading) => {
                line.plain("\n")
                    .code(&match utf16_len(&leading) > REASON_MAX {
                        true => format!("which leads to …{}", last(&leading, REASON_MAX)),
                        false => leading,
                    })
            }
            _ => line,
        }
    } else {
        line.styled(&text, pre)
    };
    let name = match wanted.tool.as_str() {
        "Bash" => "command.sh",
        _ if is_change => "change.diff",
        _ => "request.txt",
    };
    Shown {
        above: Vec::new(),
        file: is_long.then_some((name, text)),
        body: line.plain(&where_).end(),
        labels: ["Allow once", "Deny"],
        always: Vec::new(),
    }
}

/// Whether a text has more UTF-16 units than that, or more lines than a message shows.
fn is_longer(text: &str, units: usize) -> bool {
    utf16_len(text) > units || text.split('\n').count() > INLINE_LINES
}

/// How a long text begins and how it ends. Lines that only fill it are shown once, wherever they stand.
fn beginning_and_end(text: &str) -> String {
    let lines = without_filling(text);
    let whole = lines.join("\n");
    if lines.len() <= BEGINNING_LINES + END_LINES && utf16_len(&whole) <= BEGINNING_MAX {
        return whole;
    }
    let beginning = lines[..lines.len().min(BEGINNING_LINES)].join("\n");
    let beginning = first(&beginning, BEGINNING_MAX);
    // One that is cut within its first lines ends in what comes behind the cut, and nothing is shown twice.
    let rest = &whole[beginning.len()..];
    let end = lines[lines.len().saturating_sub(END_LINES)..].join("\n");
    let end = last(last(&end, END_MAX), utf16_len(rest));
    format!("{beginning}\n…\n{}", end.trim_start_matches('\n'))
}

/// The lines of a text; of those that are equal or blank one behind the other the first one, and how many more there are.
fn without_filling(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.split('\n').collect();
    let mut shown = Vec::new();
    for alike in lines.chunk_by(|one, next| one == next || (is_blank(one) && is_blank(next))) {
        match alike.len() {
            ..ALIKE_MIN => shown.extend(alike.iter().map(|&line| line.to_owned())),
            count => shown.extend([
                alike[0].to_owned(),
                format!("… ({} more lines like this)", grouped(count - 1)),
            ]),
        }
    }
    shown
}

/// Whether a line shows nothing but the sign before it that says what becomes of it.
fn is_blank(line: &str) -> bool {
    let sign = ["+ ", "- "].into_iter().find(|sign| line.starts_with(sign));
    let line = &line[sign.map_or(0, str::len)..];
    line.trim_matches([' ', '→', '│']).is_empty()
}

/// The beginning of a text, of so many UTF-16 units at most.
fn first(text: &str, units: usize) -> &str {
    let mut length = 0;
    let end = text.char_indices().find(|(_, letter)| {
        length += letter.len_utf16();
        length > units
    });
    &text[..end.map_or(text.len(), |(at, _)| at)]
}

/// The end of a text, of so many UTF-16 units at most.
fn last(text: &str, units: usize) -> &str {
    let mut length = 0;
    let before = text.char_indices().rev().find(|(_, letter)| {
        length += letter.len_utf16();
        length > units
    });
    &text[before.map_or(0, |(at, letter)| at + letter.len_utf8())..]
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

/// A plan that is too deep to be read, or of a form that no plan has: what is approved stands whole in the file.
fn unread_plan(input: &str, who: Line, at: &str) -> Shown {
    let body = who.plain(&format!(
        " wants to start in {at} with something that cannot be read as a plan: all of it stands in the file above.",
    ));
    let file = Some(("request.txt", visible(input)));
    Shown {
        // Nobody has seen a plan that says which edits there will be.
        always: Vec::new(),
        ..plan_with(Vec::new(), file, body.end())
    }
}

fn plan(input: &Map<String, Value>, who: Line, at: &str) -> Shown {
    let text = input.get("plan").and_then(Value::as_str).unwrap_or("");
    let mut above = if text.trim().is_empty() {
        Vec::new()
    } else {
        markdown::parts(text)
    };
    let hides = markdown::hides(text);
    let says = match (above.is_empty(), hides) {
        (true, false) => format!(" has a plan and wants to start in {at}, but sent no text of it."),
        (true, true) => format!(" has a plan and wants to start in {at}"),
        (false, _) => format!(" has this plan and wants to start in {at}"),
    };
    let mut body = who.plain(&says).end();
    // What is not seen above is seen in the file.
    let source = match hides {
        true => visible(text),
        false => text.to_owned(),
    };
    // Whatever else is approved with it is shown as well.
    let more = more_of_plan(input);
    let with = |mut text: String, more: &str| {
        if !more.is_empty() {
            text.push_str(&format!("\n\nwith\n{more}"));
        }
        text
    };
    if above.len() > PARTS_MAX {
        // Like an answer; but as a file of its own, without which nothing can be approved.
        above.truncate(1);
        body.text
            .push_str(". It begins above; all of it stands in the file.");
        return plan_with(above, Some(("plan.md", with(source, &more))), body);
    }
    let is_long = is_longer(&more, BEGINNING_MAX);
    match above.as_slice() {
        _ if hides => body
            .text
            .push_str(". Some of it is not seen in a message: the file above shows its source."),
        // With its buttons in one message, where there is room for all that may be said below it later.
        [whole] if more.is_empty() && fits_with_buttons(whole, &body) => {
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
                beginning_and_end(&more)
            ),
            false => more.clone(),
        };
        body.text.push_str(&format!("\nwith\n{shown}"));
    }
    let file = match (hides, is_long) {
        (true, _) => Some(("plan.md", with(source, &more))),
        (false, true) => Some(("request.txt", more)),
        (false, false) => None,
    };
    plan_with(above, file, body)
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
fn more_of_plan(input: &Map<String, Value>) -> String {
    let mut more = input.clone();
    more.retain(|name, value| {
        !(value.is_string() && matches!(name.as_str(), "plan" | "planFilePath"))
    });
    match more.is_empty() {
        true => String::new(),
        false => details("", &more, None).text(),
    }
}

/// Whether a plan has room below what is said of it, where that holds a path of whatever length.
fn fits_with_buttons(plan: &Formatted, above: &Formatted) -> bool {
    let is_short = utf16_len(&plan.text) + utf16_len(&above.text) <= PLAN_MAX;
    is_short && plan.spans.len() < SPANS_MAX
}

/// An input as a person reads it.
struct Details {
    /// What a tool is mainly given.
    main: Vec<String>,
    /// Every other field, with its name.
    others: Vec<String>,
}

impl Details {
    /// One that has no fields.
    fn whole(text: String) -> Details {
        Details {
            main: vec![text],
            others: Vec::new(),
        }
    }

    /// All of it.
    fn text(&self) -> String {
        let lines: Vec<&str> = self
            .main
            .iter()
            .chain(&self.others)
            .map(String::as_str)
            .collect();
        match lines.is_empty() {
            true => "(nothing)".to_owned(),
            false => lines.join("\n"),
        }
    }

    /// The short ones of the other fields: they may decide what comes of a long one, and stand behind it.
    fn short(&self) -> Vec<String> {
        let is_short = |field: &&String| !field.contains('\n') && utf16_len(field) < SHORT_MAX;
        let mut room = SHORT_ALL_MAX;
        let (mut shown, mut left) = (Vec::new(), 0);
        for field in self.others.iter().filter(is_short) {
            match room.checked_sub(utf16_len(field)) {
                Some(rest) => {
                    room = rest;
                    shown.push(field.clone());
                }
                None => left += 1,
            }
        }
        if left > 0 {
            shown.push(format!("… and {left} more"));
        }
        shown
    }
}

/// The input: the main field first, what goes and what comes, then every other one. With a path stands where it leads.
fn details(tool: &str, fields: &Map<String, Value>, leads_to: Option<&Path>) -> Details {
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
    for &name in main {
        if let Some(text) = text(name) {
            lines.push(match name {
                "command" => visible(text),
                "prompt" => continued(text),
                _ => on_one_line(text),
            });
            shown.push(name);
        }
    }
    lines.extend(leads_to.map(leading));
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
    let mut others = Vec::new();
    for (name, value) in fields {
        // Bash's description is Claude's own word for the command; it changes nothing of what is run.
        let says_nothing = tool == "Bash" && name == "description";
        if !shown.contains(&name.as_str()) && !says_nothing {
            let value = match value {
                Value::String(text) => text.clone(),
                other => serde_json::to_string_pretty(other).unwrap_or_default(),
            };
            others.push(format!("{}: {}", on_one_line(name), continued(&value)));
        }
    }
    Details {
        main: lines,
        others,
    }
}

/// Where a path really leads, in words below it.
fn leading(real: &Path) -> String {
    let real = on_one_line(&real.display().to_string());
    format!("which leads to {real}")
}

/// A text whose further lines are told from what stands below it.
fn continued(text: &str) -> String {
    visible(text).replace('\n', CONTINUED)
}

/// A text that stands on one line, whatever it holds.
fn on_one_line(text: &str) -> String {
    visible(text).replace('\n', "\\u{a}")
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

#[cfg(test)]
mod tests;
