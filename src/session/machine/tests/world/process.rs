//! What the process of a walk does: its turns, what it says, and what the owner hears of it.

use super::*;
use crate::claude::protocol::{Init, Lifecycle, TaskEvent, TurnResult};

impl World {
    /// What only a process that runs can do.
    pub(super) fn claude_does(&mut self, step: &Step) {
        self.counter += 1;
        let number = self.counter;
        let Some(claude) = &mut self.process else {
            return;
        };
        match step {
            Step::Initialized(outcome) if !claude.answered => {
                claude.answered = true;
                claude.out.push_back(claude::initialized(*outcome));
            }
            Step::Begin { unasked: true } if claude.answered && claude.turn.is_none() => {
                claude.begin(None);
            }
            Step::Begin { unasked: false } if claude.answered && claude.turn.is_none() => {
                if let Some(uuid) = claude.queue.pop_front() {
                    let before = self.conversation.0.insert(uuid.clone(), <_>::default());
                    claude.begin(Some(uuid));
                    self.ensure(before.is_none(), "a turn begins twice");
                }
            }
            Step::Say => {
                if let Some(turn) = claude.working() {
                    let said = format!("t{number}");
                    turn.said.push(said.clone());
                    claude.out.push_back(claude::text(&said));
                }
            }
            Step::Tool => {
                if let Some(turn) = claude.working() {
                    turn.said.clear();
                    claude.out.push_back(claude::tool(&format!("m{number}")));
                }
            }
            Step::ToolResult if claude.working().is_some() => {
                claude.out.push_back(claude::tool_result());
                claude.joins(&mut self.conversation);
            }
            Step::Ask(wish) if claude.working().is_some() => {
                let request_id = format!("r{number}");
                claude.out.push_back(claude::request(&request_id, *wish));
                claude.asked.push(request_id);
            }
            Step::Withdraw(which) if !claude.asked.is_empty() => {
                let request_id = claude.asked.remove(which % claude.asked.len());
                claude.out.push_back(Message::ControlCancel { request_id });
            }
            // As long as it asks, it waits.
            Step::Result { how, cents } if claude.asked.is_empty() && claude.turn.is_some() => {
                self.hear();
                self.ends_turn(*how, *cents);
            }
            Step::Task if claude.turn.is_some() => {
                let task = format!("b{number}");
                let event = TaskEvent::Started {
                    task_type: None,
                    description: String::new(),
                    is_backgrounded: Some(true),
                };
                claude.out.push_back(claude::of_task(&task, event));
                claude.tasks.insert(task);
            }
            Step::TaskEnds => {
                if let Some(task) = claude.tasks.first().cloned() {
                    claude.task_ends(&task);
                }
            }
            _ => {}
        }
        self.hear();
    }

    fn ends_turn(&mut self, how: How, cents: u32) {
        let Some(claude) = &mut self.process else {
            return;
        };
        let Some(turn) = claude.turn.take() else {
            return;
        };
        // Sometimes it was done before it heard of the interruption.
        let broken_off = turn.interrupted && !cents.is_multiple_of(3);
        let how = if broken_off { How::Broken } else { how };
        let result = claude.result(&turn, how, cents);
        if how == How::Overloaded {
            claude.out.push_back(claude::overloaded());
        }
        let is_ending = claude.ending;
        for uuid in turn
            .uuid
            .iter()
            .chain(&turn.joined)
            .filter(|_| how == How::Well)
        {
            let known = self.conversation.0.entry(uuid.clone()).or_default();
            known.finished = Some(turn.said.clone());
        }
        let open: Vec<_> = self.store.open().collect();
        let deaths = self.deaths;
        self.hear();
        let before = self.spent;
        self.said(Message::Result(Box::new(result)));
        if self.deaths != deaths {
            return;
        }
        for id in open {
            let is_right = self.store.is_open(id)
                || turn.is_about(&format!("u{id}"))
                // What was not taken back from a turn that is stopped is closed with it.
                || (self.stopped.contains(&id) && self.store.rows[&id].steered.is_some())
                || is_ending
                || self.is_confused;
            self.ensure(is_right, "a result closes the prompt of another turn");
        }
        // What a turn says that is being ended, or that was left, comes from the transcript.
        let stays_open = |uuid: &String| self.store.open().any(|id| *uuid == format!("u{id}"));
        let mut about = turn.uuid.iter().chain(&turn.joined);
        let comes_later = about.any(|uuid| is_ending || stays_open(uuid));
        let goes_astray = is_ending && self.is_confused;
        if !broken_off && !comes_later && !goes_astray {
            for text in turn.said_before.iter().chain(&turn.said) {
                self.ensure(self.delivered.contains(text), "what Claude said is lost");
            }
        }
        let cost = f64::from(cents) / 100.0;
        self.ensure(
            (self.spent - before - cost).abs() < 1e-6 || self.is_confused,
            "what a turn cost is not what was booked",
        );
    }

    pub(super) fn stray(&mut self, stray: &Stray) -> Message {
        self.counter += 1;
        let number = self.counter;
        let lifecycle = |of: &i64, state| Message::Lifecycle {
            uuid: format!("u{of}"),
            state,
        };
        match stray {
            Stray::Lifecycle(of) => lifecycle(of, Lifecycle::Started),
            Stray::Completed(of) => lifecycle(of, Lifecycle::Completed),
            Stray::Replay(of) => claude::replay(format!("u{of}")),
            Stray::Init(of) => Message::Init(Box::new(Init {
                user_message_uuids: vec![format!("u{of}")],
                ..Init::default()
            })),
            Stray::Initialized(outcome) => {
                if let Some(claude) = &mut self.process {
                    claude.answered = true;
                }
                claude::initialized(*outcome)
            }
            Stray::Echo => Message::ControlResponse {
                request_id: "r1".to_owned(),
                outcome: Ok(serde_json::Value::Null),
            },
            Stray::TakenBack(of) => Message::ControlResponse {
                request_id: format!("chappe-take-back-u{of}"),
                outcome: Ok(serde_json::json!({"cancelled": true})),
            },
            Stray::Cancel => Message::ControlCancel {
                request_id: "nobody's".to_owned(),
            },
            Stray::AskAgain => {
                let claude = self.process.as_ref().expect("only a process asks");
                let again = claude.asked.first().cloned();
                claude::request(&again.unwrap_or_else(|| format!("r{number}")), Wish::Tool)
            }
            Stray::Text => claude::text(&format!("stray{number}")),
            Stray::ToolResult => claude::tool_result(),
            Stray::Result {
                of,
                is_error,
                origin,
            } => Message::Result(Box::new(TurnResult {
                is_error: *is_error,
                text: Some(format!("stray{number}")),
                errors: vec!["stray".to_owned()],
                origin_kind: origin.then(|| "task-notification".to_owned()),
                user_message_uuids: of.iter().map(|of| format!("u{of}")).collect(),
                ..TurnResult::default()
            })),
        }
    }

    pub(super) fn said(&mut self, message: Message) {
        self.handle(Event::Said(message));
    }

    /// The owner reads what the process has written.
    pub(super) fn hear(&mut self) {
        while let Some(message) = self
            .process
            .as_mut()
            .and_then(|claude| claude.out.pop_front())
        {
            self.said(message);
        }
    }
}
