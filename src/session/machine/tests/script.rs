//! Scripts: lines that say what happens to a session, and the actions that follow under each of them.
//!
//! Time is virtual: it stands still but for `wait`, which goes from deadline to deadline and ticks as the owner would.
//! Whatever has a number here has an id made of it: prompt 1 is written with the uuid `u1`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::*;
use crate::chat::{ChatId, Place};
use crate::claude::protocol::{ApiRetry, CanUseTool, Init, Status, Stream, ToolResult, User};

/// More ticks within one `wait` would be a machine that runs in circles.
const TICKS_MAX: usize = 20;

/// What every script begins with unless it says otherwise.
pub fn settings() -> Settings {
    Settings {
        idle_timeout: Some(Duration::from_secs(600)),
        stop_grace: Duration::from_secs(5),
        shutdown_grace: Duration::from_secs(20),
    }
}

pub fn prompt(number: i64, text: &str) -> Prompt {
    Prompt {
        id: PromptId(number),
        uuid: format!("u{number}"),
        text: text.to_owned(),
        place: Place {
            chat: ChatId(7),
            topic: None,
        },
    }
}

/// Plays `before` unseen, then the script, and shows it with the actions under each line, and with the deadline
/// wherever it changes.
///
/// A first line `idle never` or `idle 0s` sets the idle timeout; it is 10 minutes otherwise.
pub fn check(before: &str, script: &str) -> String {
    let mut play = Play::new();
    play.lines(before);
    play.shown.clear();
    play.lines(script);
    play.shown
}

pub const NOTHING: &str = "";

/// Until the process waits for a prompt.
pub const OPEN: &str = "
    work 0
    work 1
    prepared
    started
    initialized
    given nothing
";

/// Until Claude works on prompt 1, at 0 s.
pub const BUSY: &str = "
    work 1
    prepared
    started
    initialized
    given 1 hi
    lifecycle started 1
";

struct Play {
    machine: Machine,
    base: Instant,
    now: Instant,
    waiting: usize,
    /// Tool and input of each request, as it was asked.
    asked: HashMap<String, (String, String)>,
    /// How many messages of Claude's there were.
    messages: usize,
    due: Option<Instant>,
    shown: String,
}

impl Play {
    fn new() -> Play {
        let base = Instant::now();
        Play {
            machine: Machine::new(settings()),
            base,
            now: base,
            waiting: 0,
            asked: HashMap::new(),
            messages: 0,
            due: None,
            shown: String::new(),
        }
    }

    fn lines(&mut self, script: &str) {
        for line in script.lines().map(str::trim) {
            if !line.is_empty() {
                self.line(line);
            }
        }
    }

    fn line(&mut self, line: &str) {
        writeln!(self.shown, "> {line}").expect("a string takes all");
        let (word, rest) = cut(line);
        match word {
            "idle" => {
                let idle_timeout = (rest != "never").then(|| seconds(rest));
                self.machine = Machine::new(Settings {
                    idle_timeout,
                    ..settings()
                });
            }
            "wait" => self.wait(seconds(rest)),
            _ => {
                let event = self.event(word, rest);
                self.handle(event);
            }
        }
    }

    /// Lets time pass, with a tick at each deadline.
    fn wait(&mut self, how_long: Duration) {
        let until = self.now + how_long;
        for _ in 0..TICKS_MAX {
            let Some(due) = self.machine.deadline().filter(|due| *due <= until) else {
                self.now = until;
                return;
            };
            self.now = self.now.max(due);
            let at = self.offset(self.now);
            writeln!(self.shown, "  at {at}:").expect("a string takes all");
            self.handle(Event::Tick);
        }
        panic!("ticks do not move it on:\n{}", self.shown);
    }

    fn handle(&mut self, event: Event) {
        for action in self.machine.handle(self.now, event) {
            let action = self.action(&action);
            writeln!(self.shown, "    {action}").expect("a string takes all");
        }
        let due = self.machine.deadline();
        if due != self.due {
            self.due = due;
            let due = due.map_or_else(
                || "nothing is due".to_owned(),
                |due| format!("due at {}", self.offset(due)),
            );
            writeln!(self.shown, "    ({due})").expect("a string takes all");
        }
    }

    fn offset(&self, at: Instant) -> String {
        // A deadline in the past would be a negative offset, and is shown as what it is.
        match at.checked_duration_since(self.base) {
            Some(since) => format!("{since:?}"),
            None => "a time before the script".to_owned(),
        }
    }

    fn event(&mut self, word: &str, rest: &str) -> Event {
        match word {
            "work" => {
                let (waiting, open) = cut(rest);
                self.waiting = number(waiting);
                let open = open.strip_prefix("open ").unwrap_or("").split_whitespace();
                self.work(
                    vec![],
                    open.map(|id| prompt(number(id), "left over")).collect(),
                )
            }
            "decide" => {
                let (request, verdict) = cut(rest);
                let (tool, input) = self.asked.get(request).cloned().unwrap_or_default();
                let decision = Decision {
                    request: request.to_owned(),
                    tool,
                    verdict: match verdict {
                        "allow" => Verdict::Allow,
                        "deny" => Verdict::Deny,
                        other => panic!("{other} is no verdict"),
                    },
                    input,
                };
                self.work(vec![decision], vec![])
            }
            "prepared" => Event::Prepared,
            "unprepared" => Event::NotPrepared(Trouble::NotStarted {
                cause: rest.to_owned(),
                cure: None,
            }),
            "started" => Event::Started,
            "given" if rest == "nothing" => Event::Given(None, 0),
            "given" => {
                let (id, text) = cut(rest);
                self.waiting = 0;
                Event::Given(Some(prompt(number(id), text)), 0)
            }
            "exit" => {
                let (code, last_words) = cut(rest);
                Event::Exited {
                    how: format!("exit code {code}"),
                    last_words: last_words.replace("\\n", "\n"),
                }
            }
            "notreading" => Event::NotReading,
            "tick" => Event::Tick,
            "shutdown" => Event::Shutdown,
            "hurry" => Event::Hurry,
            _ => Event::Said(self.message(word, rest)),
        }
    }

    fn work(&self, decisions: Vec<Decision>, open: Vec<Prompt>) -> Event {
        Event::Work {
            waiting: self.waiting,
            decisions,
            open,
        }
    }

    fn message(&mut self, word: &str, rest: &str) -> Message {
        match word {
            "initialized" => {
                let commands: Vec<_> = rest
                    .split_whitespace()
                    .map(|name| json!({"name": name}))
                    .collect();
                Message::ControlResponse {
                    request_id: INITIALIZE.to_owned(),
                    outcome: Ok(json!({"commands": commands})),
                }
            }
            "uninitialized" => Message::ControlResponse {
                request_id: INITIALIZE.to_owned(),
                outcome: Err(rest.to_owned()),
            },
            "echo" => Message::ControlResponse {
                request_id: rest.to_owned(),
                outcome: Ok(Value::Null),
            },
            "lifecycle" => {
                let (state, id) = cut(rest);
                let state = match state {
                    "queued" => Lifecycle::Queued,
                    "started" => Lifecycle::Started,
                    "completed" => Lifecycle::Completed,
                    "cancelled" => Lifecycle::Cancelled,
                    other => Lifecycle::Other(other.to_owned()),
                };
                Message::Lifecycle {
                    uuid: format!("u{id}"),
                    state,
                }
            }
            "init" => Message::Init(Box::new(Init {
                user_message_uuids: uuids(rest),
                ..Init::default()
            })),
            "replay" => Message::User(User {
                uuid: Some(format!("u{rest}")),
                is_replay: true,
                ..User::default()
            }),
            "toolresult" => Message::User(User {
                tool_results: vec![ToolResult {
                    tool_use_id: "t".to_owned(),
                    text: rest.to_owned(),
                    is_error: false,
                }],
                ..User::default()
            }),
            "think" => block_start(BlockKind::Thinking),
            "write" => block_start(BlockKind::Text),
            "say" => self.assistant(protocol::Block::Text(rest.to_owned())),
            "synthetic" => {
                let said = self.assistant(protocol::Block::Text(rest.to_owned()));
                with(said, |assistant| assistant.synthetic = true)
            }
            "apierror" => {
                let said = self.assistant(protocol::Block::Text(rest.to_owned()));
                with(said, |assistant| {
                    assistant.error = Some("overloaded".to_owned());
                })
            }
            "sub" => {
                let said = self.assistant(protocol::Block::Text(rest.to_owned()));
                with(said, |assistant| {
                    assistant.parent_tool_use_id = Some("t".to_owned());
                })
            }
            "tool" => {
                let (name, input) = cut(rest);
                let input = match name {
                    "Bash" => json!({"command": input}),
                    _ => json!({"file_path": input}),
                };
                self.assistant(protocol::Block::ToolUse {
                    id: "t".to_owned(),
                    name: name.to_owned(),
                    input: RawJson::of(&input).expect("it is JSON"),
                })
            }
            "ask" | "subask" => {
                let (request, rest) = cut(rest);
                let (tool, input) = cut(rest);
                let input = json!({"it": input}).to_string();
                self.asked
                    .insert(request.to_owned(), (tool.to_owned(), input.clone()));
                Message::ControlRequest {
                    request_id: request.to_owned(),
                    request: can_use(tool, &input, (word == "subask").then(|| "agent".to_owned())),
                }
            }
            "wants" => {
                let (request, subtype) = cut(rest);
                Message::ControlRequest {
                    request_id: request.to_owned(),
                    request: ControlRequest::Other {
                        subtype: subtype.to_owned(),
                    },
                }
            }
            "cancel" => Message::ControlCancel {
                request_id: rest.to_owned(),
            },
            "retry" => {
                let (attempt, status) = cut(rest);
                Message::ApiRetry(ApiRetry {
                    attempt: number(attempt),
                    max_retries: 10,
                    error_status: status.parse().ok(),
                    ..ApiRetry::default()
                })
            }
            "compacting" => Message::Status(Status {
                status: Some("compacting".to_owned()),
                ..Status::default()
            }),
            "result" => Message::Result(Box::new(result(rest))),
            other => panic!("{other} is no word of a script"),
        }
    }

    fn assistant(&mut self, block: protocol::Block) -> Message {
        self.messages += 1;
        Message::Assistant(Assistant {
            message_id: format!("m{}", self.messages),
            blocks: vec![block],
            ..Assistant::default()
        })
    }

    fn action(&self, action: &Action) -> String {
        match action {
            Action::Write(line) => format!("write {}", written(line)),
            Action::TakeBack(prompt) => format!("take back {prompt}"),
            Action::Taken(prompt) => format!("taken {prompt}"),
            Action::Acted {
                prompt,
                tool,
                input,
            } => format!("acted {prompt}: {tool} {input}"),
            Action::Ask {
                prompt,
                wanted,
                before,
            } => {
                let plan = if wanted.is_plan { ", a plan" } else { "" };
                let agent = if wanted.sub_agent {
                    ", by a sub-agent"
                } else {
                    ""
                };
                let prompt =
                    prompt.map_or_else(|| "nobody".to_owned(), |prompt| prompt.to_string());
                format!(
                    "ask {} for {prompt}: {} {}{plan}{agent}; before: {}",
                    wanted.request,
                    wanted.tool,
                    wanted.input,
                    blocks(before)
                )
            }
            Action::Told { request } => format!("told {request}"),
            Action::CloseRequests { request, why } => {
                let request = request.as_deref().unwrap_or("all");
                format!("close requests: {request} {why:?}")
            }
            Action::Finish(finished) => {
                let Finished {
                    prompt,
                    outcome,
                    answer,
                    cause,
                    spent,
                    tools,
                    took,
                } = finished;
                let took = took.map_or_else(|| "unknown".to_owned(), |took| format!("{took:?}"));
                let cause = if cause.is_empty() {
                    String::new()
                } else {
                    format!(", cause {cause:?}")
                };
                format!(
                    "finish {}: {outcome:?} {}{cause}, {}, {tools} tools, took {took}",
                    prompt.id,
                    blocks(answer),
                    money(spent)
                )
            }
            Action::Unasked {
                blocks: said,
                spent,
            } => {
                format!("unasked: {}, {}", blocks(said), money(spent))
            }
            Action::Tell(Trouble::NothingToResume) => "tell: nothing to resume".to_owned(),
            Action::Tell(Trouble::NotStarted { cause, cure }) => {
                let cure = cure.as_deref().unwrap_or("none");
                format!("tell: not started, cause {cause:?}, cure {cure:?}")
            }
            Action::Show {
                prompt,
                since,
                doing,
                doing_since,
                waiting,
            } => format!(
                "show {} since {}: {doing:?} since {}, {waiting} wait",
                prompt.id,
                self.offset(*since),
                self.offset(*doing_since)
            ),
            plain => format!("{plain:?}").to_lowercase(),
        }
    }
}

fn with(message: Message, change: impl FnOnce(&mut Assistant)) -> Message {
    let Message::Assistant(mut assistant) = message else {
        panic!("only what Claude says is changed")
    };
    change(&mut assistant);
    Message::Assistant(assistant)
}

/// `ok`, `error`, `turns` or `interrupted`; then `cost=`, `since=` (dollars), `of=` (a prompt's number), `origin`;
/// then the text.
fn result(words: &str) -> TurnResult {
    let (how, mut rest) = cut(words);
    let mut result = TurnResult {
        subtype: "success".to_owned(),
        ..TurnResult::default()
    };
    loop {
        let (word, after) = cut(rest);
        match word.split_once('=') {
            Some(("cost", total)) => {
                result.total_cost_usd = Some(total.parse().expect("a number"));
            }
            Some(("since", cost)) => {
                result.cost_since_last_result = Some(cost.parse().expect("a number"));
            }
            Some(("of", of)) => result.user_message_uuids = uuids(of),
            _ if word == "origin" => result.origin_kind = Some("task-notification".to_owned()),
            _ => break,
        }
        rest = after;
    }
    match how {
        "ok" => {}
        "error" => result.is_error = true,
        "turns" => {
            result.is_error = true;
            result.subtype = "error_max_turns".to_owned();
        }
        // What a start that fails says, and a turn that is interrupted.
        "broken" => {
            result.is_error = true;
            result.subtype = "error_during_execution".to_owned();
            result.errors = rest.split(" + ").map(str::to_owned).collect();
            return result;
        }
        other => panic!("{other} is no result"),
    }
    result.text = (!rest.is_empty()).then(|| rest.to_owned());
    result
}

/// A line to the process, in short.
fn written(line: &str) -> String {
    let line: Value = serde_json::from_str(line).expect("every line is JSON");
    match line["type"].as_str() {
        Some("user") => format!("{} {}", text(&line["uuid"]), line["message"]["content"]),
        Some("control_request") => format!("request {}", line["request"]),
        Some("control_response") => {
            let response = &line["response"];
            let id = text(&response["request_id"]);
            match text(&response["subtype"]) {
                "success" => format!("response {id} {}", response["response"]),
                _ => format!("error {id} {}", response["error"]),
            }
        }
        _ => panic!("{line} is no line for the process"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("it is a text")
}

fn blocks(blocks: &[Block]) -> String {
    let shown: Vec<_> = blocks
        .iter()
        .map(|block| format!("{}/{} {:?}", block.message, block.index, block.text))
        .collect();
    format!("[{}]", shown.join(", "))
}

fn money(spent: &Spent) -> String {
    format!("${:.2}", spent.cost)
}

fn uuids(numbers: &str) -> Vec<String> {
    numbers
        .split_whitespace()
        .map(|number| format!("u{number}"))
        .collect()
}

/// The first word, and what follows it.
fn cut(line: &str) -> (&str, &str) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    (word, rest.trim_start())
}

fn number<T: std::str::FromStr>(word: &str) -> T {
    word.parse()
        .unwrap_or_else(|_| panic!("{word:?} is no number"))
}

/// `5s`, `10m` or `250ms`.
fn seconds(word: &str) -> Duration {
    if let Some(ms) = word.strip_suffix("ms") {
        return Duration::from_millis(number(ms));
    }
    if let Some(minutes) = word.strip_suffix('m') {
        return Duration::from_secs(60 * number::<u64>(minutes));
    }
    Duration::from_secs(number(word.strip_suffix('s').expect("a unit")))
}

/// A request for a tool, with its input as JSON.
pub fn can_use(tool: &str, input: &str, agent_id: Option<String>) -> ControlRequest {
    ControlRequest::CanUseTool(Box::new(CanUseTool {
        tool_name: tool.to_owned(),
        display_name: None,
        input: RawJson::from_text(input.to_owned()).expect("it is JSON"),
        description: None,
        tool_use_id: None,
        agent_id,
        blocked_path: None,
        decision_reason: None,
        permission_suggestions: Vec::new(),
        requires_user_interaction: false,
    }))
}

/// A block that is being written.
fn block_start(kind: BlockKind) -> Message {
    Message::Stream(Stream {
        parent_tool_use_id: None,
        event: StreamEvent::BlockStart { index: 0, kind },
    })
}
