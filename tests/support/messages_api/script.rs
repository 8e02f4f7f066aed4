//! The directives that a prompt may contain, and how they are read.
//!
//! | directive | asks for |
//! |---|---|
//! | `[[text T]]` | exactly T (`\n` is a line break); several are all answered |
//! | `[[say N]]` | N characters of Markdown |
//! | `[[remember]]` | the typed texts visible before this one |
//! | `[[dump]]` | JSON facts about the request: model, tools, size and digest of the system prompt |
//! | `[[empty]]` | an answer without content |
//! | `[[think]]` `[[think N]]` | a thinking block (of N characters) first |
//! | `[[pre T]]` | a text block before the first tool call |
//! | `[[tool NAME {json}]]` | a tool call; the next step follows its result, at the end "tool said: …" |
//! | `[[once COMMAND]]` | a shell command; a model that goes on with it adds `--unless-done` |
//! | `[[parallel NAME {json} ;; NAME {json}]]` | several calls in one message |
//! | `[[ask]]` `[[ask2]]` | AskUserQuestion with one question; with two, the second of several choices |
//! | `[[plan]]` `[[plan N]]` | ExitPlanMode (with a plan of N steps); before it Write, if plan mode has named a file for the plan |
//! | `[[todo]]` | the task list tools that are on offer |
//! | `[[agent T]]` | a sub-agent with the prompt T; `<[ … ]>` stands for its own directives |
//! | `[[wait MS]]` | a pause before the first byte of each answer |
//! | `[[slow MS]]` `[[chunk N]]` | a pause between deltas; N characters in each text delta (12) |
//! | `[[usage N]]` | N input tokens reported |
//! | `[[error CODE]]` | this HTTP status |
//! | `[[streamerror CODE]]` | an error event after a few deltas |
//! | `[[cut]]` | the connection dropped in the middle of the answer |
//! | `[[hang]]` `[[stall]]` | once the tools are done: no answer at all; a few deltas, then silence |
//!
//! A text that asks to go on ("go on where you stopped") stands for the script before it: done tool steps stay done.
//!
//! Directives stand anywhere in the text and can be combined; tool steps run in order, one for each request. The
//! faults (`error`, `streamerror`, `cut`, `hang`, `stall`) take `xK`: only the first K attempts fail. Attempts are
//! counted for each text and step, so tests that share a stand-in should use texts of their own.

use std::str::FromStr;
use std::time::Duration;

use serde_json::Value;

/// One directive, with its argument read.
#[derive(Clone, Debug, PartialEq)]
pub enum Directive {
    Text(String),
    Say(usize),
    Remember,
    Dump,
    Empty,
    Think(Option<usize>),
    Pre(String),
    Calls(Vec<Call>),
    Once(String),
    Ask,
    AskTwo,
    Plan(Option<usize>),
    Todo,
    Agent(String),
    Wait(Duration),
    Slow(Duration),
    Chunk(usize),
    Usage(u64),
    Fault(Fault, Attempts),
}

/// A tool call with its input.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub tool: String,
    pub input: Value,
}

/// A way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Error(u16),
    StreamError(u16),
    Cut,
    Hang,
    Stall,
}

/// How many attempts a fault hits; `None` = all.
pub type Attempts = Option<usize>;

/// Reads the directives of a text, in order. `Err` says which one cannot be read: it should reach the test, not
/// silently be an echo.
pub fn parse(text: &str) -> Result<Vec<Directive>, String> {
    let mut directives = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("[[") {
        let name_end = after
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(after.len());
        let (name, argument) = after.split_at(name_end);
        if name.is_empty() {
            rest = after;
            continue;
        }
        let unreadable = |why: &str| format!("[[{name} …]]: {why}");
        let (directive, after) = if matches!(name, "tool" | "parallel") {
            let (calls, after) = calls(argument).map_err(|why| unreadable(&why))?;
            (Directive::Calls(calls), after)
        } else {
            let (argument, after) = argument
                .split_once("]]")
                .ok_or_else(|| unreadable("no ]]"))?;
            (
                directive(name, argument.trim()).map_err(|why| unreadable(&why))?,
                after,
            )
        };
        directives.push(directive);
        rest = after;
    }
    Ok(directives)
}

fn directive(name: &str, argument: &str) -> Result<Directive, String> {
    let duration = || number(argument).map(Duration::from_millis);
    let fault = |fault| Ok(Directive::Fault(fault, attempts(argument)?));
    match name {
        "text" => Ok(Directive::Text(argument.replace("\\n", "\n"))),
        "say" => number(argument).map(Directive::Say),
        "remember" => Ok(Directive::Remember),
        "dump" => Ok(Directive::Dump),
        "empty" => Ok(Directive::Empty),
        "think" if argument.is_empty() => Ok(Directive::Think(None)),
        "think" => number(argument).map(|length| Directive::Think(Some(length))),
        "pre" => Ok(Directive::Pre(argument.to_owned())),
        "once" => Ok(Directive::Once(argument.to_owned())),
        "ask" => Ok(Directive::Ask),
        "ask2" => Ok(Directive::AskTwo),
        "plan" if argument.is_empty() => Ok(Directive::Plan(None)),
        "plan" => number(argument).map(|steps| Directive::Plan(Some(steps))),
        "todo" => Ok(Directive::Todo),
        "agent" => Ok(Directive::Agent(
            argument.replace("<[", "[[").replace("]>", "]]"),
        )),
        "wait" => duration().map(Directive::Wait),
        "slow" => duration().map(Directive::Slow),
        "chunk" => number(argument).map(|length: usize| Directive::Chunk(length.max(1))),
        "usage" => number(argument).map(Directive::Usage),
        "error" => fault(Fault::Error(status(argument)?)),
        "streamerror" => fault(Fault::StreamError(status(argument)?)),
        "cut" => fault(Fault::Cut),
        "hang" => fault(Fault::Hang),
        "stall" => fault(Fault::Stall),
        _ => Err("no such directive".into()),
    }
}

/// Reads `NAME {json} ;; NAME {json} ]]`, and returns what stands behind it too. A name alone has the input `{}`.
fn calls(text: &str) -> Result<(Vec<Call>, &str), String> {
    let mut calls = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let name_end = rest
            .find(|c: char| !(c.is_alphanumeric() || "_.:-".contains(c)))
            .unwrap_or(rest.len());
        let (tool, after) = rest.split_at(name_end);
        if tool.is_empty() {
            return Err("no tool name".into());
        }
        rest = after.trim_start();
        let mut input = Value::Object(serde_json::Map::new());
        if rest.starts_with('{') {
            // The JSON may contain "]]" and ";;": only its parser knows where it ends.
            let mut values = serde_json::Deserializer::from_str(rest).into_iter();
            input = values.next().ok_or("no JSON")?.map_err(|e| e.to_string())?;
            rest = rest[values.byte_offset()..].trim_start();
        }
        calls.push(Call {
            tool: tool.to_owned(),
            input,
        });
        if let Some(after) = rest.strip_prefix(";;") {
            rest = after;
        } else {
            let after = rest.strip_prefix("]]").ok_or("no ]] after the call")?;
            return Ok((calls, after));
        }
    }
}

fn number<T: FromStr>(argument: &str) -> Result<T, String> {
    argument
        .parse()
        .map_err(|_| format!("{argument:?} is no number"))
}

fn status(argument: &str) -> Result<u16, String> {
    number(argument.split_whitespace().next().unwrap_or_default())
}

/// Finds `xK` among the words.
fn attempts(argument: &str) -> Result<Attempts, String> {
    argument
        .split_whitespace()
        .find_map(|word| word.strip_prefix('x'))
        .map(number)
        .transpose()
}
