//! The words of a script: what each line tells the machine.

use serde_json::{Value, json};

use super::*;
use crate::chat::Permit;
use crate::claude::protocol::{
    ApiRetry, Assistant, BlockKind, CanUseTool, ControlRequest, Init, Lifecycle, RateLimit, Status,
    Stream, StreamEvent, Task, TaskEvent, ToolResult, TurnResult, User,
};
use crate::claude::trace::{Progress, Trace};
use crate::session::recovery::Acted;

impl Play {
    pub(super) fn event(&mut self, word: &str, rest: &str) -> Event {
        match word {
            "work" => self.work(rest),
            "decide" => {
                let (request, verdict) = cut(rest);
                let (verdict, answers) = cut(verdict);
                // Both before the owner has looked.
                let stopped = answers.strip_suffix("then stop");
                let (answers, stop) = (stopped.unwrap_or(answers), stopped.is_some());
                let (tool, input) = self.asked.get(request).cloned().unwrap_or_default();
                let permit = (verdict == "edits").then_some(Permit::Edit);
                let answers = match permit {
                    // That is chosen with it, and something else after that.
                    Some(_) => {
                        self.choose("mode=acceptEdits");
                        self.choose(answers.strip_prefix("then ").unwrap_or_default());
                        ""
                    }
                    None => answers,
                };
                let decision = Decision {
                    request: request.to_owned(),
                    tool,
                    verdict: match verdict {
                        "allow" | "edits" => Verdict::Allow,
                        "deny" => Verdict::Deny,
                        other => panic!("{other} is no verdict"),
                    },
                    input,
                    permit,
                    answers: answers.split_terminator(';').map(str::to_owned).collect(),
                    why: None,
                };
                self.works(vec![decision], stop)
            }
            "prepared" => Event::Prepared(rest.split_whitespace().map(facts).collect()),
            "unprepared" => Event::NotPrepared(match cut(rest) {
                ("full", cause) => Trouble::HostIsFull {
                    cause: cause.to_owned(),
                },
                _ => Trouble::NotStarted {
                    cause: rest.to_owned(),
                    cure: None,
                    of_conversation: false,
                },
            }),
            "granted" => Event::Room(Room::Granted),
            "soon" => Event::Room(Room::Soon),
            "waits" => Event::Room(Room::Waits),
            "makeroom" => Event::MakeRoom,
            "started" => {
                let slept = (!rest.is_empty()).then(|| seconds(rest));
                Event::Started(self.manner.clone(), slept)
            }
            "moves" => {
                self.moves = match rest {
                    "no" => Moves::No,
                    "back" => Moves::Back,
                    _ => Moves::Away,
                };
                self.works(vec![], false)
            }
            "moved" => Event::Moved,
            "choose" => {
                self.choose(rest);
                self.works(vec![], false)
            }
            "given" => Event::Given(self.given(rest)),
            "steered" => Event::Steered(self.given(rest)),
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

    /// How many wait; then `open=7` for a prompt that a former chappe has left (`open=7x4` at its fourth attempt),
    /// `held`, `until=60s` (from now) and `stop`.
    fn work(&mut self, rest: &str) -> Event {
        let (waiting, rest) = cut(rest);
        self.waiting = number(waiting);
        (self.held, self.held_until) = (false, None);
        self.to_steer = 0;
        let mut stop = false;
        for word in rest.split_whitespace() {
            match word.split_once('=') {
                Some(("open", left)) => {
                    let (id, attempts) = left.split_once('x').unwrap_or((left, "1"));
                    // `7x1+3`: it was put into the turn of 3.
                    let (attempts, into) = attempts.split_once('+').unwrap_or((attempts, ""));
                    let left = Prompt {
                        steered: (!into.is_empty()).then(|| PromptId(number(into))),
                        attempts: number(attempts),
                        ..prompt(number(id), "left over")
                    };
                    self.open.insert(left.id.0, left);
                }
                Some(("until", until)) => self.held_until = Some(self.now + seconds(until)),
                Some(("steer", count)) => self.to_steer = number(count),
                None if word == "held" => self.held = true,
                None if word == "stop" => stop = true,
                _ => panic!("{word} is nothing that waits"),
            }
        }
        self.works(vec![], stop)
    }

    /// `model=opus`, `mode=plan`, `idle=60s`, `persona`: what a person has chosen.
    fn choose(&mut self, rest: &str) {
        self.manner.revision += 1;
        for word in rest.split_whitespace() {
            match word.split_once('=') {
                Some(("model", model)) => {
                    self.manner.model = (model != "default").then(|| model.to_owned());
                }
                Some(("mode", mode)) => self.manner.mode = mode.to_owned(),
                Some(("idle", idle)) => self.manner.idle_timeout = Some(seconds(idle)),
                None if word == "persona" => self.manner.generation += 1,
                _ => panic!("{word} cannot be chosen"),
            }
        }
    }

    fn works(&self, decisions: Vec<Decision>, stop: bool) -> Event {
        Event::Work(Work {
            waiting: self.waiting,
            to_steer: self.to_steer,
            held: self.held,
            held_until: self.held_until,
            stop,
            decisions,
            open: self.open.values().cloned().collect(),
            manner: self.manner.clone(),
            moves: self.moves,
        })
    }

    /// `nothing`, `changed`, `elsewhere`, `notyet 300ms`, `again 1`; else a prompt's number, `attempts=`, `tries=` or `more=` (what waits behind
    /// it), and its text.
    fn given(&mut self, rest: &str) -> Given {
        let (word, mut rest) = cut(rest);
        match word {
            "nothing" => {
                self.waiting = 0;
                return Given::Nothing;
            }
            "changed" => return Given::Changed,
            "elsewhere" => return Given::Elsewhere,
            "afterothers" => return Given::AfterOthers,
            "notyet" => {
                return Given::NotYet {
                    wait: seconds(rest),
                    waiting: self.waiting,
                };
            }
            "again" => {
                let again = self.open.get_mut(&number(rest)).expect("it is open");
                again.attempts += 1;
                return Given::Again(again.clone());
            }
            _ => {}
        }
        let mut given = prompt(number(word), "");
        self.waiting = 0;
        loop {
            let (word, after) = cut(rest);
            match word.split_once('=') {
                Some(("attempts", attempts)) => given.attempts = number(attempts),
                Some(("tries", tries)) => given.tries = number(tries),
                Some(("more", more)) => self.waiting = number(more),
                Some(("into", into)) => given.steered = Some(PromptId(number(into))),
                _ => break,
            }
            rest = after;
        }
        given.text = rest.to_owned();
        self.open.insert(given.id.0, given.clone());
        Given::Prompt {
            prompt: given,
            waiting: self.waiting,
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
                    request_id: life::INITIALIZE.to_owned(),
                    outcome: Ok(json!({"commands": commands})),
                }
            }
            "uninitialized" => Message::ControlResponse {
                request_id: life::INITIALIZE.to_owned(),
                outcome: Err(rest.to_owned()),
            },
            // What Claude answers to `cancel_async_message`, and to an interruption.
            "answer" => answer(rest),
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
                let error = match rest {
                    "limit" => "rate_limit",
                    _ => "overloaded",
                };
                let said = self.assistant(protocol::Block::Text(rest.to_owned()));
                with(said, |assistant| assistant.error = Some(error.to_owned()))
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
            "questions" => {
                let (request, rest) = cut(rest);
                let option = |label: &str| json!({"label": label});
                let question = |rest: &str| {
                    let (text, labels) = cut(rest);
                    let options: Vec<_> = labels.split(',').map(option).collect();
                    json!({"question": text, "options": options})
                };
                let questions: Vec<_> = rest.split(';').map(question).collect();
                let input = json!({"questions": questions}).to_string();
                let tool = protocol::QUESTION_TOOL;
                self.asked
                    .insert(request.to_owned(), (tool.to_owned(), input.clone()));
                Message::ControlRequest {
                    request_id: request.to_owned(),
                    request: can_use(tool, &input, None),
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
            "limit" => {
                let (status, resets_at) = cut(rest);
                Message::RateLimit(RateLimit {
                    status: status.to_owned(),
                    resets_at: resets_at.parse().ok(),
                    ..RateLimit::default()
                })
            }
            "task" => task(rest),
            "tasks" => {
                Message::BackgroundTasks(rest.split_whitespace().map(str::to_owned).collect())
            }
            "mode" => Message::Status(Status {
                permission_mode: Some(rest.to_owned()),
                ..Status::default()
            }),
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
}

/// What is known of a prompt, as `7=missing`.
fn facts(word: &str) -> (PromptId, Facts) {
    let (id, known) = word.split_once('=').expect("a prompt and what is known");
    let found = |progress: Progress| Trace::Found(progress);
    let trace = match known {
        "missing" | "acted" | "command" => Trace::Missing,
        "found" | "foundacted" => found(Progress::default()),
        "finished" => found(Progress {
            finished: Some(vec![Block {
                message: format!("m{id}"),
                index: 0,
                text: "as it was".to_owned(),
            }]),
            tools: 2,
            ..Progress::default()
        }),
        "steered" => found(Progress {
            is_steered: true,
            ..Progress::default()
        }),
        "refused" => found(Progress {
            refused_by_restart: true,
            finished: Some(Vec::new()),
            ..Progress::default()
        }),
        "unreadable" | "lost" => Trace::Unreadable,
        other => panic!("{other} is nothing that can be known"),
    };
    let acted = match known {
        "acted" | "foundacted" => vec![Acted {
            tool: "Bash".to_owned(),
            input: "rm b".to_owned(),
        }],
        _ => Vec::new(),
    };
    let facts = Facts {
        prompt: "left over".to_owned(),
        is_command: known == "command",
        trace,
        acted,
        had_turns: known != "lost",
    };
    (PromptId(number(id)), facts)
}

/// `taken back 1`, `not taken back 1`, or `interrupt` with the prompts that it `cancelled=` or that are `still=` queued.
fn answer(rest: &str) -> Message {
    let (word, names) = rest.rsplit_once(' ').unwrap_or((rest, ""));
    let (request_id, answer) = match word {
        "taken back" | "not taken back" => (
            format!("chappe-take-back-u{names}"),
            json!({"cancelled": word == "taken back"}),
        ),
        "interrupt" => match names.split_once('=') {
            Some(("cancelled", id)) => (
                life::INTERRUPT.to_owned(),
                json!({"cancelled": uuids(id), "still_queued": []}),
            ),
            Some((_, id)) => (
                life::INTERRUPT.to_owned(),
                json!({"cancelled": [], "still_queued": uuids(id)}),
            ),
            None => (life::INTERRUPT.to_owned(), json!({})),
        },
        other => panic!("{other} is no answer"),
    };
    Message::ControlResponse {
        request_id,
        outcome: Ok(answer),
    }
}

/// `started t1`, `foreground t1` or `over t1`.
fn task(rest: &str) -> Message {
    let (what, task_id) = cut(rest);
    let started = |in_background| TaskEvent::Started {
        task_type: None,
        description: String::new(),
        is_backgrounded: Some(in_background),
    };
    Message::Task(Task {
        task_id: task_id.to_owned(),
        tool_use_id: None,
        event: match what {
            "started" => started(true),
            "foreground" => started(false),
            "over" => TaskEvent::Notification {
                status: None,
                summary: String::new(),
            },
            other => panic!("{other} is nothing that happens to a task"),
        },
    })
}

fn with(message: Message, change: impl FnOnce(&mut Assistant)) -> Message {
    let Message::Assistant(mut assistant) = message else {
        panic!("only what Claude says is changed")
    };
    change(&mut assistant);
    Message::Assistant(assistant)
}

/// `ok`, `error`, `turns`, `budget` or `broken`; then `cost=`, `since=` (dollars), `of=` (a prompt's number), `origin`;
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
        "budget" => {
            result.is_error = true;
            result.subtype = "error_max_budget_usd".to_owned();
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

fn uuids(numbers: &str) -> Vec<String> {
    numbers
        .split_whitespace()
        .map(|number| format!("u{number}"))
        .collect()
}

/// The first word, and what follows it.
pub fn cut(line: &str) -> (&str, &str) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    (word, rest.trim_start())
}

pub fn number<T: std::str::FromStr>(word: &str) -> T {
    word.parse()
        .unwrap_or_else(|_| panic!("{word:?} is no number"))
}

/// `5s`, `10m` or `250ms`.
pub fn seconds(word: &str) -> Duration {
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
