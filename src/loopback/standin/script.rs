//! The script language of the stand-in: `[[…]]` directives in a user's text say what the "model" does.
//!
//! Pure: text in, [`Script`] out. It must not touch the clock, files or pipes; [`super::turn`] performs a script.
//!
//! The grammar is that of the mock of the Messages API which drives the real CLI, so that one text makes both do the same;
//! what only a process can do (exit, garbage on stdout, deafness) is added.

use serde_json::{Map, Value, json};

use super::fault::{self, Fault};
use super::texts;

/// A call of one tool, as the model writes it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Call {
    pub(super) name: String,
    pub(super) input: Value,
}

/// What the last message of a turn says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Answer {
    /// Exactly this text.
    Text(String),
    /// No directive chose an answer: tool results are repeated, a plain text is answered kindly.
    Natural,
    /// The user texts which the session remembers.
    Remember,
    /// What the stand-in was started with.
    Dump,
    /// A message without content.
    Empty,
}

/// Something that is done once, before the answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Prank {
    /// Lines that are not JSON, of an unknown type, and of a known type with a wrong shape.
    Garbage,
    /// One line of an unknown type with about this many bytes.
    LongLine(usize),
    /// Stdin is not read any more.
    Deaf,
    /// A control request of a subtype that nobody knows.
    UnknownRequest,
    /// Background work that ends this many milliseconds after the turn and causes a turn of its own.
    Background(u64),
}

/// The order of a turn: each step is one message with tool calls, then comes the answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Script {
    /// The whole text, for the answer that repeats it.
    pub(super) text: String,
    /// Which steps must have their effect once: going on with them, the model looks first whether they have had it.
    pub(super) once: Vec<usize>,
    /// The text holds directives.
    pub(super) scripted: bool,
    pub(super) steps: Vec<Vec<Call>>,
    pub(super) answer: Answer,
    /// A text block before the first tool call.
    pub(super) preface: Option<String>,
    pub(super) thinking: Option<String>,
    pub(super) fault: Option<Fault>,
    pub(super) pranks: Vec<Prank>,
    /// Pause between two text deltas.
    pub(super) slow_ms: u64,
    /// Pause before each message.
    pub(super) wait_ms: u64,
    /// How late the rows of the turn are written, in milliseconds.
    pub(super) lag_ms: Option<u64>,
    /// Characters in one text delta.
    pub(super) chunk: usize,
}

/// Parses a user's text. Unknown directives are ignored, like text in brackets that is none.
pub(super) fn parse(text: &str) -> Script {
    let mut script = Script {
        text: text.trim().to_owned(),
        once: Vec::new(),
        scripted: false,
        steps: Vec::new(),
        answer: Answer::Natural,
        preface: None,
        thinking: None,
        fault: None,
        pranks: Vec::new(),
        slow_ms: 0,
        wait_ms: 0,
        lag_ms: None,
        chunk: 12,
    };
    for directive in directives(text) {
        match directive {
            Directive::Calls(calls) => {
                script.steps.push(calls);
                script.scripted = true;
            }
            Directive::Named(name, argument) => {
                script.scripted |= apply(&mut script, &name, argument)
            }
        }
    }
    script
}

/// Whether a text holds directives at all.
pub(super) fn is_scripted(text: &str) -> bool {
    parse(text).scripted
}

impl Script {
    /// Lets each step that must have its effect once look first whether it has had it. Its command understands that.
    pub(super) fn looks_first(mut self) -> Script {
        for step in std::mem::take(&mut self.once) {
            for call in &mut self.steps[step] {
                if let Some(command) = call.input["command"].as_str() {
                    call.input = json!({ "command": format!("{command} --unless-done") });
                }
            }
        }
        self
    }
}

/// The message that a text quotes because it may have been lost, where it asks to go on with that.
pub(super) fn lost_message(text: &str) -> Option<&str> {
    let (lost, message) = text.split_once("\n\nThe message:\n\n")?;
    lost.contains("connection was lost").then_some(message)
}

/// Whether a text asks to go on with what was begun before: the stand-in behaves like a model that finishes its work.
pub(super) fn asks_to_go_on(text: &str) -> bool {
    let text = text.trim().to_lowercase();
    !text.contains("[[")
        && (text.contains("connection was lost")
            || text.contains("where you left off")
            || matches!(
                text.trim_end_matches(['.', '!']),
                "continue" | "go on" | "carry on"
            ))
}

/// False: there is no such directive.
fn apply(script: &mut Script, name: &str, argument: &str) -> bool {
    let number = argument
        .split_whitespace()
        .next()
        .and_then(|word| word.parse::<u64>().ok());
    let length = number.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    match name {
        "say" => script.answer = Answer::Text(texts::markdown(length.unwrap_or(200))),
        "report" => script.answer = Answer::Text(texts::report(length.unwrap_or(1000))),
        "glyphs" => script.answer = Answer::Text(texts::glyphs(length.unwrap_or(100))),
        "text" => script.answer = Answer::Text(argument.replace("\\n", "\n")),
        "remember" => script.answer = Answer::Remember,
        "dump" => script.answer = Answer::Dump,
        "empty" => script.answer = Answer::Empty,
        "slow" => script.slow_ms = number.unwrap_or(0),
        "lag" => script.lag_ms = number,
        "wait" => script.wait_ms = number.unwrap_or(0),
        "chunk" => script.chunk = length.unwrap_or(12).max(1),
        "think" => script.thinking = Some(texts::thinking(length.unwrap_or(0))),
        "pre" => script.preface = Some(argument.to_owned()),
        "once" => {
            script.once.push(script.steps.len());
            let input = json!({ "command": argument });
            script.steps.push(vec![call("Bash", input)]);
        }
        "ask" => script
            .steps
            .push(vec![call("AskUserQuestion", texts::questions(1))]),
        "ask2" => script
            .steps
            .push(vec![call("AskUserQuestion", texts::questions(2))]),
        "plan" => script
            .steps
            .push(vec![call("ExitPlanMode", json!({ "plan": texts::PLAN }))]),
        "badtool" => script
            .steps
            .push(vec![call("NoSuchTool", json!({ "x": 1 }))]),
        "todo" => script
            .steps
            .extend(texts::todo_calls().map(|(name, input)| vec![call(name, input)])),
        "agent" => {
            let prompt = argument.replace("<[", "[[").replace("]>", "]]");
            let input = json!({ "description": "stand-in sub-agent", "subagent_type": "general-purpose", "prompt": prompt });
            script.steps.push(vec![call("Agent", input)]);
        }
        "garbage" => script.pranks.push(Prank::Garbage),
        "longline" => script
            .pranks
            .push(Prank::LongLine(length.unwrap_or(1 << 20))),
        "deaf" => script.pranks.push(Prank::Deaf),
        "unknown_request" => script.pranks.push(Prank::UnknownRequest),
        "background" => script.pranks.push(Prank::Background(number.unwrap_or(0))),
        _ => match fault::parse(name, argument) {
            Some(fault) => script.fault = Some(fault),
            None => return false,
        },
    }
    true
}

fn call(name: &str, input: Value) -> Call {
    Call {
        name: name.to_owned(),
        input,
    }
}

enum Directive<'a> {
    Calls(Vec<Call>),
    Named(String, &'a str),
}

/// Directives in order. `[[tool …]]` and `[[parallel …]]` are read with a JSON parser, since their input may hold "]]".
fn directives(text: &str) -> Vec<Directive<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("[[") {
        let body = rest[start + 2..].trim_start();
        let length = body
            .find(|c: char| !(c.is_alphanumeric() || c == '_'))
            .unwrap_or(body.len());
        let (name, tail) = body.split_at(length);
        if name.is_empty() {
            rest = &rest[start + 2..];
            continue;
        }
        if name == "tool" || name == "parallel" {
            let (calls, tail) = calls(tail);
            found.push(Directive::Calls(calls));
            rest = tail.find("]]").map_or("", |end| &tail[end + 2..]);
            continue;
        }
        let end = tail.find("]]").unwrap_or(tail.len());
        found.push(Directive::Named(name.to_owned(), tail[..end].trim()));
        rest = tail.get(end + 2..).unwrap_or("");
    }
    found
}

/// `NAME {json} ;; NAME {json} …`, and what follows it.
fn calls(text: &str) -> (Vec<Call>, &str) {
    let mut calls = Vec::new();
    let mut rest = text.trim_start();
    loop {
        let length = rest
            .find(|c: char| !(c.is_alphanumeric() || "_.:-".contains(c)))
            .unwrap_or(rest.len());
        if length == 0 {
            return (calls, rest);
        }
        let name = rest[..length].to_owned();
        rest = rest[length..].trim_start();
        let mut input = Value::Object(Map::new());
        if rest.starts_with('{') {
            let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
            match stream.next() {
                Some(Ok(value)) => input = value,
                _ => return (calls, rest),
            }
            rest = rest[stream.byte_offset()..].trim_start();
        }
        calls.push(Call { name, input });
        match rest.strip_prefix(";;") {
            Some(tail) => rest = tail.trim_start(),
            None => return (calls, rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_text_is_answered_naturally() {
        let script = parse("  hello [there] ");
        assert_eq!(
            (script.text.as_str(), script.answer, script.steps.len()),
            ("hello [there]", Answer::Natural, 0)
        );
        assert!(!is_scripted("a [[ b"));
    }

    #[test]
    fn tool_input_may_hold_closing_brackets() {
        let script =
            parse(r#"[[pre now]] [[tool Bash {"command":"[[ a ]] && b"}]] [[text done\nit]]"#);
        assert_eq!(
            script.steps,
            vec![vec![call("Bash", json!({ "command": "[[ a ]] && b" }))]]
        );
        assert_eq!(script.preface.as_deref(), Some("now"));
        assert_eq!(script.answer, Answer::Text("done\nit".to_owned()));
    }

    #[test]
    fn parallel_calls_are_one_step() {
        let script = parse(r#"[[parallel Bash {"command":"a"} ;; Read {"file_path":"b"}]]"#);
        assert_eq!(script.steps.len(), 1);
        assert_eq!(script.steps[0].len(), 2);
    }

    #[test]
    fn a_sub_agents_directives_are_its_own() {
        let script = parse(r#"[[agent <[tool Bash {"command":"id"}]> look]] [[text parent]]"#);
        assert_eq!(
            script.steps[0][0].input["prompt"],
            r#"[[tool Bash {"command":"id"}]] look"#
        );
        assert_eq!(script.answer, Answer::Text("parent".to_owned()));
    }

    #[test]
    fn what_must_happen_once_is_looked_for_before_it_is_done_again() {
        let script = parse(r#"[[tool Read {"file_path":"a"}]] [[once ./act x]]"#);
        let commands = |script: &Script| script.steps[1][0].input["command"].clone();
        assert_eq!(commands(&script), "./act x");
        let script = script.looks_first();
        assert_eq!(commands(&script), "./act x --unless-done");
        assert_eq!(script.steps[0][0].input, json!({ "file_path": "a" }));
    }

    #[test]
    fn a_lost_message_is_found_in_its_quotation() {
        let text = "The connection was lost while …\n\nThe message:\n\nhello\n\nyou";
        assert_eq!(lost_message(text), Some("hello\n\nyou"));
        assert_eq!(lost_message("The message:\n\nhello"), None);
    }

    #[test]
    fn only_a_request_to_go_on_goes_on() {
        assert!(asks_to_go_on(
            "The connection was lost while you worked on this. If you had already finished, repeat."
        ));
        assert!(asks_to_go_on("continue."));
        assert!(!asks_to_go_on("continue with [[say 3]]"));
        assert!(!asks_to_go_on("please finish the report"));
    }
}
