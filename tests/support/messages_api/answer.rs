//! Decides what a request is answered with. Pure: it writes nothing and never waits.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::conversation::{Conversation, Typed};
use super::filler;
use super::script::{self, Call, Directive, Fault};

/// What a request is for. Only a `Turn` runs directives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A step of a turn of the main agent or of a sub-agent.
    Turn,
    /// The turn that the CLI starts by itself when a background task has ended.
    Notification,
    /// The summary for a compaction.
    Summary,
    /// Another question of the CLI's own: a title, the page that WebFetch read, a probe of the quota.
    Side,
    CountTokens,
    /// Not a well-formed request for messages.
    Other,
}

/// A whole answer, still unsent.
#[derive(Debug)]
pub struct Answer {
    pub kind: Kind,
    pub content: Vec<Block>,
    pub stop_reason: &'static str,
    pub fault: Option<Fault>,
    /// Before the first byte.
    pub wait: Duration,
    /// After each delta.
    pub slow: Duration,
    /// Characters in a text delta.
    pub chunk: usize,
    /// `None` = estimate.
    pub input_tokens: Option<u64>,
}

/// A content block of an answer.
#[derive(Debug)]
pub enum Block {
    Text(String),
    Thinking(String),
    Tool(Call),
}

/// How often each fault of each text was met so far.
pub type Attempts = HashMap<String, usize>;

/// A typed text that contains one of these asks to go on with the text before it, as chappe does after a lost
/// connection or at a turn's limit. A model would do so; an echo would hide the work that is left.
const CONTINUE: [&str; 3] = [
    "go on where you stopped",
    "Go on where you stopped",
    "where you left off",
];

/// Longer tool results are cut in "tool said: …".
const RESULT_CHARS_MAX: usize = 2000;

/// Decides the answer, and counts an attempt for each fault that the script has.
pub fn decide(conversation: &Conversation, attempts: &mut Attempts) -> Answer {
    if let Some(answer) = side_answer(conversation) {
        return answer;
    }
    let Some(prompt) = script_text(conversation) else {
        return Answer::text(Kind::Turn, "echo: ");
    };
    if let Some(note) = conversation.notification() {
        return Answer::text(Kind::Notification, &format!("notified: {note}"));
    }
    let directives = match script::parse(lost_message(&prompt.text).unwrap_or(&prompt.text)) {
        Ok(directives) => directives,
        Err(why) => return Answer::text(Kind::Turn, &format!("cannot read the script: {why}")),
    };
    let steps: Vec<Vec<Call>> = directives
        .iter()
        .flat_map(|directive| tool_steps(directive, conversation, prompt))
        .collect();
    let is_once = |directive: &Directive| matches!(directive, Directive::Once(_));
    let begun = match went_on(conversation, prompt) {
        // What must have its effect once is looked for from its beginning.
        Some(again) if directives.iter().any(is_once) => again.message,
        _ => prompt.message,
    };
    let done = conversation.tool_steps_since(begun);

    let mut answer = Answer::text(Kind::Turn, "");
    answer.content.clear();
    for directive in &directives {
        match directive {
            Directive::Wait(wait) => answer.wait = *wait,
            Directive::Slow(slow) => answer.slow = *slow,
            Directive::Chunk(chunk) => answer.chunk = *chunk,
            Directive::Usage(tokens) => answer.input_tokens = Some(*tokens),
            Directive::Think(length) if done == 0 => {
                answer.content.push(Block::Thinking(thoughts(*length)))
            }
            Directive::Fault(fault, first) => {
                // Silence before the tools would never let them run.
                let is_due = done >= steps.len() || !matches!(fault, Fault::Hang | Fault::Stall);
                let met = attempts
                    .entry(format!("{fault:?} {done} {}", prompt.text))
                    .or_default();
                *met += usize::from(is_due);
                if is_due && first.is_none_or(|first| *met <= first) {
                    answer.fault = Some(*fault);
                }
            }
            _ => {}
        }
    }
    if let Some(calls) = steps.get(done) {
        let pre = directives.iter().filter_map(|directive| match directive {
            Directive::Pre(text) if done == 0 => Some(Block::Text(text.clone())),
            _ => None,
        });
        answer.content.extend(pre);
        answer
            .content
            .extend(calls.iter().cloned().map(Block::Tool));
        answer.stop_reason = "tool_use";
    } else {
        let ending = ending(&directives, conversation, prompt, !steps.is_empty());
        answer.content.extend(ending.map(Block::Text));
        let steered: Vec<&str> = steered_since(conversation, prompt).collect();
        if !steered.is_empty() {
            answer
                .content
                .push(Block::Text(format!("steered: {}", steered.join(" | "))));
        }
    }
    answer
}

impl Answer {
    fn text(kind: Kind, text: &str) -> Answer {
        Answer {
            kind,
            content: vec![Block::Text(text.to_owned())],
            stop_reason: "end_turn",
            fault: None,
            wait: Duration::ZERO,
            slow: Duration::ZERO,
            chunk: 12,
            input_tokens: None,
        }
    }
}

/// The fixed answers to what the CLI asks for itself; `None` for a turn.
fn side_answer(conversation: &Conversation) -> Option<Answer> {
    if conversation.wants_summary() {
        let texts: Vec<&str> = conversation
            .typed
            .iter()
            .map(|typed| typed.text.as_str())
            .collect();
        let summary = format!(
            "<analysis>none</analysis>\n<summary>\nSummary of {} texts, digest {}.\n</summary>",
            texts.len(),
            digest(&texts.join("\n"))
        );
        return Some(Answer::text(Kind::Summary, &summary));
    }
    if !conversation.tools().is_empty() {
        return None;
    }
    if let Some(schema) = conversation.schema() {
        return Some(Answer::text(Kind::Side, &instance_of(schema).to_string()));
    }
    let last = conversation.typed.last().map_or("", |typed| &typed.text);
    let system = conversation.system().to_lowercase();
    if conversation.max_tokens() == Some(1) || last == "quota" || last == "count" {
        Some(Answer::text(Kind::Side, "ok"))
    } else if last.contains("[[") || system.is_empty() {
        None
    } else if system.contains("title") || system.contains("topic") {
        Some(Answer::text(
            Kind::Side,
            r#"{"title":"A title","isNewTopic":true}"#,
        ))
    } else if system.contains("claude") || system.contains("agent") {
        // An agent that was given no tools.
        None
    } else {
        Some(Answer::text(Kind::Side, "ok"))
    }
}

/// A small value that fits a schema of plain fields, which is all that the CLI asks for.
fn instance_of(schema: &Value) -> Value {
    let mut object = Map::new();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let value = match field["type"].as_str() {
            _ if field["enum"].is_array() => field["enum"][0].clone(),
            Some("string") => json!(format!("A {name}")),
            Some("boolean") => json!(false),
            Some("integer" | "number") => json!(0),
            Some("array") => json!([]),
            _ => Value::Null,
        };
        object.insert(name.clone(), value);
    }
    Value::Object(object)
}

/// The text whose directives rule: the last one typed. A steered text only if it has directives itself, and one that
/// asks to continue hands over to the text before it.
fn script_text<'a>(conversation: &'a Conversation) -> Option<&'a Typed> {
    let typed = &conversation.typed;
    let rules = |typed: &&Typed| {
        let is_own = !typed.steered || typed.text.contains("[[");
        is_own && (!continues(typed) || lost_message(&typed.text).is_some())
    };
    let last = typed.iter().rfind(rules).or_else(|| typed.last())?;
    // What it quotes may stand there before it: then that is what is gone on with.
    let named = lost_message(&last.text).and_then(|message| {
        // Both may be in one message, where nothing was answered between them.
        let before = typed.iter().take_while(|typed| !std::ptr::eq(*typed, last));
        before.filter(|typed| typed.text == message.trim()).last()
    });
    named.or(Some(last))
}

fn continues(typed: &Typed) -> bool {
    CONTINUE.iter().any(|words| typed.text.contains(words))
}

/// The message that a text quotes because it may have been lost, and asks to go on with.
fn lost_message(text: &str) -> Option<&str> {
    text.split_once("\n\nThe message:\n\n")
        .map(|(_, message)| message)
}

/// The last text that asked to go on with the prompt, or to do so with what it quotes.
fn went_on<'a>(conversation: &'a Conversation, prompt: &Typed) -> Option<&'a Typed> {
    let mut later = conversation.typed.iter();
    later.rfind(|typed| typed.message >= prompt.message && continues(typed))
}

fn steered_since<'a>(
    conversation: &'a Conversation,
    prompt: &Typed,
) -> impl Iterator<Item = &'a str> {
    let later = |typed: &&Typed| {
        typed.steered && typed.message >= prompt.message && typed.text != prompt.text
    };
    conversation
        .typed
        .iter()
        .filter(later)
        .map(|typed| typed.text.as_str())
}

/// The requests' worth of tool calls that a directive asks for: one element is one assistant message.
fn tool_steps(
    directive: &Directive,
    conversation: &Conversation,
    prompt: &Typed,
) -> Vec<Vec<Call>> {
    let call = |tool: &str, input| {
        vec![Call {
            tool: tool.to_owned(),
            input,
        }]
    };
    let offered = |tool| conversation.tools().contains(&tool);
    match directive {
        Directive::Calls(calls) => vec![calls.clone()],
        Directive::Once(command) => {
            let look = match went_on(conversation, prompt) {
                Some(_) => " --unless-done",
                None => "",
            };
            vec![call("Bash", json!({"command": format!("{command}{look}")}))]
        }
        Directive::Ask => vec![call("AskUserQuestion", json!({"questions": [colour()]}))],
        Directive::AskTwo => vec![call(
            "AskUserQuestion",
            json!({"questions": [colour(), features()]}),
        )],
        Directive::Plan(steps) => {
            let plan = match steps {
                Some(steps) => filler::plan(*steps),
                None => "# The plan\n\n1. Read `a.txt`\n2. Change **b**\n3. Run the tests".into(),
            };
            match conversation.plan_file(prompt.message) {
                Some(file) => vec![
                    call("Write", json!({"file_path": file, "content": plan})),
                    call("ExitPlanMode", json!({})),
                ],
                None => vec![call("ExitPlanMode", json!({"plan": plan}))],
            }
        }
        Directive::Todo if offered("TodoWrite") => vec![call(
            "TodoWrite",
            json!({"todos": [
                {"content": "First thing", "status": "in_progress", "activeForm": "Doing the first thing"},
                {"content": "Second thing", "status": "pending", "activeForm": "Doing the second thing"},
            ]}),
        )],
        Directive::Todo => vec![
            call(
                "TaskCreate",
                json!({"subject": "First thing", "description": "Do it", "activeForm": "Doing the first thing"}),
            ),
            call(
                "TaskUpdate",
                json!({"taskId": "1", "status": "in_progress"}),
            ),
            call("TaskUpdate", json!({"taskId": "1", "status": "completed"})),
        ],
        Directive::Agent(prompt) => {
            let tool = if offered("Task") && !offered("Agent") {
                "Task"
            } else {
                "Agent"
            };
            let input = json!({"description": "a sub-agent", "subagent_type": "general-purpose", "prompt": prompt});
            vec![call(tool, input)]
        }
        _ => Vec::new(),
    }
}

fn colour() -> Value {
    json!({"question": "Which colour should the button be?", "header": "Colour", "multiSelect": false, "options": [
        {"label": "Red (Recommended)", "description": "A warm colour"},
        {"label": "Green", "description": "A calm colour"},
        {"label": "Blue", "description": "A cold colour"},
    ]})
}

fn features() -> Value {
    json!({"question": "Which features do you want?", "header": "Features", "multiSelect": true, "options": [
        {"label": "Logging", "description": "Write logs"},
        {"label": "Metrics", "description": "Export metrics"},
        {"label": "Tracing", "description": "Trace requests"},
    ]})
}

/// The text that ends the turn; `None` = no content.
fn ending(
    directives: &[Directive],
    conversation: &Conversation,
    prompt: &Typed,
    had_tools: bool,
) -> Option<String> {
    let texts: Vec<&str> = directives
        .iter()
        .filter_map(|directive| match directive {
            Directive::Text(text) => Some(text.as_str()),
            _ => None,
        })
        .collect();
    if !texts.is_empty() {
        return Some(texts.join("\n\n"));
    }
    for directive in directives {
        match directive {
            Directive::Say(length) => return Some(filler::markdown(*length)),
            Directive::Remember => return Some(remembered(conversation, prompt)),
            Directive::Dump => return Some(facts(conversation).to_string()),
            Directive::Empty => return None,
            _ => {}
        }
    }
    if had_tools {
        let results = conversation.tool_results_since(prompt.message);
        let said: Vec<String> = results
            .iter()
            .map(|result| shortened(&result.text))
            .collect();
        return Some(format!("tool said: {}", said.join(" | ")));
    }
    let mut echo = format!("echo: {}", prompt.text);
    let [images, documents] =
        ["image", "document"].map(|kind| conversation.attachments(prompt.message, kind));
    if images + documents > 0 {
        echo += &format!(" (images={images} documents={documents})");
    }
    Some(echo)
}

fn remembered(conversation: &Conversation, prompt: &Typed) -> String {
    let before: Vec<&str> = conversation
        .typed
        .iter()
        .take_while(|typed| *typed != prompt)
        .map(|typed| typed.text.as_str())
        .collect();
    format!("remember turns={} texts={}", before.len(), json!(before))
}

fn facts(conversation: &Conversation) -> Value {
    let system = conversation.system();
    json!({
        "model": conversation.model(),
        "max_tokens": conversation.max_tokens(),
        "tools": conversation.tools(),
        "roles": conversation.roles(),
        "session": conversation.session(),
        "system_chars": system.chars().count(),
        "system_digest": digest(&system),
    })
}

fn thoughts(length: Option<usize>) -> String {
    let thought = "Let me think about this step by step. ";
    thought
        .chars()
        .cycle()
        .take(length.unwrap_or(thought.len()))
        .collect()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(RESULT_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// FNV-1a in hex: enough to see that two texts differ, and the same in every build.
fn digest(text: &str) -> String {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
}
