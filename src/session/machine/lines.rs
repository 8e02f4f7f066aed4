//! What Claude says, line by line: which prompt a line belongs to, what is shown of it, what is asked, and how a turn
//! ends.

use std::time::Instant;

use serde_json::Value;

use super::life::{INITIALIZE, closed};
use super::steer::{about, ids, parted, taken_in};
use super::{Action, Again, Asker, By, Closed, Cut, Finished, Machine, Pause, Says, State, Step};
use crate::board::Doing;
use crate::chat::{Block, Hold, Outcome, Prompt, Spent, Wanted};
use crate::claude::protocol::{
    self, Assistant, BlockKind, ControlRequest, Initialized, Lifecycle, Message, RateLimit,
    StreamEvent, Task, TaskEvent, TurnResult,
};
use crate::session::answer::{may_change, target};
use crate::session::{outcome, recovery};

/// How much of a tool's input is kept with what was seen to start, in characters.
const ACTED_MAX: usize = 200;

/// What Claude hears when it asks by its question dialog what cannot be shown with buttons.
const ASK_IN_TEXT: &str = "The user cannot see this question dialog here. Ask the question in plain text instead, with \
                           the options as a list.";
/// What the CLI hears when it wants something that is not known here.
const UNKNOWN_REQUEST: &str = "not supported by this client";

impl Machine {
    pub(super) fn on_message(&mut self, now: Instant, message: Message, out: &mut Vec<Action>) {
        self.hear(now, message, out);
        // It may have taken what it was given before.
        self.steer(now, out);
    }

    fn hear(&mut self, now: Instant, message: Message, out: &mut Vec<Action>) {
        if matches!(
            self.state,
            State::Asleep
                | State::Moving
                | State::Backoff { .. }
                | State::Preparing { .. }
                | State::Waiting { .. }
                | State::Over
        ) {
            return;
        }
        match message {
            Message::ControlResponse {
                request_id,
                outcome,
            } if request_id == INITIALIZE => {
                self.on_initialized(now, outcome, out);
            }
            Message::ControlResponse {
                request_id,
                outcome: Ok(answer),
            } => {
                self.on_mode_taken(&request_id, out);
                self.on_cut_answered(now, &request_id, &answer, out);
            }
            Message::ControlResponse {
                request_id,
                outcome: Err(why),
            } => self.on_refused(&request_id, &why, out),
            Message::Lifecycle { uuid, state } => self.on_lifecycle(now, &uuid, &state, out),
            Message::Init(init) => {
                self.has_begun();
                self.taken_if(out, |turn| init.user_message_uuids.contains(&turn.uuid));
                // Without any other sign this one tells that an interruption may have come too early.
                self.interrupt_again(out);
                self.doing(now, Doing::Waiting, out);
            }
            Message::User(user) => {
                if let (true, Some(uuid)) = (user.is_replay, &user.uuid) {
                    self.taken_if(out, |turn| *uuid == turn.uuid);
                    self.taken_while_ending(out);
                    self.may_be_swallowed(now, uuid);
                }
                if let (Some(uuid), Some(words)) = (&user.uuid, user.command_output()) {
                    self.said.command_output(uuid, words);
                }
                if !user.tool_results.is_empty() && user.parent_tool_use_id.is_none() {
                    self.doing(now, Doing::Waiting, out);
                }
            }
            Message::Assistant(assistant) => self.on_assistant(now, assistant, out),
            Message::Stream(stream) => match stream.event {
                StreamEvent::BlockStart {
                    kind: BlockKind::Thinking,
                    ..
                } => self.doing(now, Doing::Thinking, out),
                StreamEvent::BlockStart {
                    kind: BlockKind::Text,
                    ..
                } => self.doing(now, Doing::Writing, out),
                _ => {}
            },
            Message::ApiRetry(retry) => {
                let doing = Doing::Retrying {
                    attempt: retry.attempt,
                    of: retry.max_retries,
                    status: retry.error_status,
                };
                self.doing(now, doing, out);
            }
            Message::Status(status) => {
                if status.status.as_deref() == Some("compacting") {
                    self.doing(now, Doing::Compacting, out);
                }
                if let Some(mode) = &status.permission_mode {
                    self.on_mode(mode, out);
                }
            }
            Message::ControlRequest {
                request_id,
                request,
            } => self.on_request(now, request_id, request, out),
            Message::ControlCancel { request_id } if self.asked.remove(&request_id).is_some() => {
                out.push(Action::CloseRequests {
                    request: Some(request_id),
                    why: self.taken_back(),
                });
                self.doing(now, Doing::Waiting, out);
                self.quiet_since(now, out);
            }
            Message::RateLimit(limit) => self.on_rate_limit(&limit),
            Message::Task(task) => self.on_task(now, &task, out),
            Message::BackgroundTasks(tasks) => {
                self.tasks = tasks.into_iter().collect();
                self.quiet_since(now, out);
            }
            Message::CompactBoundary(_) => self.said.compacted(),
            Message::Result(result) => self.on_result(now, &result, out),
            _ => {}
        }
    }

    fn on_initialized(
        &mut self,
        now: Instant,
        outcome: Result<Value, String>,
        out: &mut Vec<Action>,
    ) {
        let State::Starting { said, .. } = &mut self.state else {
            return;
        };
        match outcome {
            Ok(answer) => {
                let Initialized {
                    commands, models, ..
                } = Initialized::from(&answer);
                self.commands = commands;
                if !models.is_empty() {
                    out.push(Action::NoteModels(models));
                }
                (self.failed_starts, self.last_failure) = (0, None);
                self.state = State::Open { since: now };
                // Chosen while it started.
                self.adapt(out);
                self.advance(now, out);
            }
            Err(error) => {
                *said = Some(error);
                self.end_by(now, Step::Killed, out);
            }
        }
    }

    fn on_assistant(&mut self, now: Instant, assistant: Assistant, out: &mut Vec<Action>) {
        self.taken_if(out, |turn| {
            assistant.user_message_uuids.contains(&turn.uuid)
        });
        let main = assistant.parent_tool_use_id.is_none();
        if main && assistant.error.is_some() {
            self.api_error.clone_from(&assistant.error);
        }
        for block in assistant.blocks {
            match block {
                // What the CLI writes in Claude's place when the API fails stands in the result as well.
                protocol::Block::Text(_) if assistant.error.is_some() => {}
                protocol::Block::Text(text) if main && assistant.synthetic => {
                    self.said.text_of_cli(&assistant.message_id, &text);
                }
                protocol::Block::Text(text) if main => self.said.text(&assistant.message_id, &text),
                protocol::Block::ToolUse { name, input, .. } => {
                    if main {
                        self.said.tool_call(&assistant.message_id);
                    }
                    if let State::Busy(turn) = &self.state
                        && may_change(&name)
                    {
                        let short = input.text().chars().take(ACTED_MAX).collect();
                        out.push(Action::Acted {
                            prompt: turn.prompt.id,
                            tool: name.clone(),
                            input: short,
                        });
                    }
                    let target = input
                        .parse()
                        .map_or_else(|_| String::new(), |input| target(&input));
                    self.doing(now, Doing::Tool { name, target }, out);
                }
                protocol::Block::Text(_) => {}
                protocol::Block::Thinking(_) | protocol::Block::Other(_) => {
                    if main {
                        self.said.other(&assistant.message_id);
                    }
                }
            }
        }
    }

    fn on_request(
        &mut self,
        now: Instant,
        request_id: String,
        request: ControlRequest,
        out: &mut Vec<Action>,
    ) {
        if matches!(self.state, State::Ending { .. }) {
            // It gets no more lines, and its end answers everything.
            return;
        }
        let wanted = match request {
            ControlRequest::CanUseTool(wanted) => wanted,
            ControlRequest::McpMessage { .. } | ControlRequest::Other { .. } => {
                out.push(Action::Write(protocol::control_error(
                    &request_id,
                    UNKNOWN_REQUEST,
                )));
                return;
            }
        };
        let questions = match wanted.tool_name == protocol::QUESTION_TOOL {
            true => protocol::questions(&wanted.input),
            false => Some(Vec::new()),
        };
        let Some(questions) = questions else {
            out.push(Action::Write(protocol::deny(&request_id, ASK_IN_TEXT)));
            return;
        };
        let prompt = match &self.state {
            // The turn is about to end, and nobody is asked any more.
            State::Busy(turn) if turn.cut.is_some() => {
                out.push(Action::Write(protocol::deny(&request_id, super::DENIED)));
                return;
            }
            // Before it is taken, whoever asks works on something else.
            State::Busy(turn) => turn.taken.then_some(turn.prompt.id),
            State::Open { .. } => None,
            // It has not answered yet, so that nobody can have asked it for anything.
            _ => {
                out.push(Action::Write(protocol::deny(&request_id, super::DENIED)));
                return;
            }
        };
        let asker = match wanted.agent_id {
            Some(_) => Asker::SubAgent,
            None => Asker::Claude,
        };
        if self.asked.insert(request_id.clone(), asker).is_some() {
            // It is shown already.
            return;
        }
        out.push(Action::Ask {
            prompt,
            wanted: Wanted {
                request: request_id,
                is_plan: wanted.tool_name == protocol::PLAN_TOOL,
                tool: wanted.tool_name,
                input: wanted.input.text().to_owned(),
                sub_agent: wanted.agent_id.is_some(),
                questions,
                permits: wanted
                    .permission_suggestions
                    .iter()
                    .filter_map(protocol::permit)
                    .collect(),
                reason: wanted.decision_reason,
                blocked_path: wanted.blocked_path,
            },
            before: self.said.before_request(),
        });
        self.doing(now, Doing::Asking, out);
        if self.shutdown.is_some() {
            self.leave(now, out);
        }
    }

    fn on_lifecycle(&mut self, now: Instant, uuid: &str, state: &Lifecycle, out: &mut Vec<Action>) {
        match state {
            Lifecycle::Started => {
                self.has_begun();
                if let State::Busy(turn) = &mut self.state
                    && turn.prompt.uuid == uuid
                {
                    // Of what is swallowed this is never said.
                    turn.again = Again::No;
                }
                self.taken_if(out, |turn| turn.uuid == uuid);
            }
            Lifecycle::Completed => {
                self.was_steered(uuid, out);
                self.may_be_swallowed(now, uuid);
            }
            // What was never queued, or went with a queue that was dropped, is over as well.
            state
                if never_runs(state)
                    && matches!(&self.state, State::Busy(turn) if turn.prompt.uuid == uuid) =>
            {
                self.never_ran(now, out);
            }
            state if never_runs(state) => self.was_not_steered(uuid, out),
            Lifecycle::Queued | Lifecycle::Cancelled | Lifecycle::Other(_) => {}
        }
    }

    fn on_rate_limit(&mut self, limit: &RateLimit) {
        self.limit_until = match limit.status.as_str() {
            "rejected" => limit.resets_at,
            _ => None,
        };
    }

    /// Keeps count of what runs on after its turn.
    fn on_task(&mut self, now: Instant, task: &Task, out: &mut Vec<Action>) {
        match &task.event {
            TaskEvent::Started {
                is_backgrounded: Some(true),
                ..
            } => {
                self.tasks.insert(task.task_id.clone());
            }
            TaskEvent::Notification { .. } => {
                self.tasks.remove(&task.task_id);
                self.quiet_since(now, out);
            }
            TaskEvent::Started { .. } | TaskEvent::Progress { .. } | TaskEvent::Updated { .. } => {}
        }
    }

    fn on_result(&mut self, now: Instant, result: &TurnResult, out: &mut Vec<Action>) {
        let spent = self.spent(result);
        if let State::Starting { said, .. } = &mut self.state
            && !result.errors.is_empty()
        {
            // A start that fails says so in a result without a turn, and then exits.
            *said = Some(result.errors.join("; "));
            return;
        }
        self.has_answered = true;
        let ours = match &self.state {
            State::Busy(turn) if result.user_message_uuids.contains(&turn.prompt.uuid) => true,
            // What Claude has taken into a turn that nobody asked for ends with that. A prompt that is written once more
            // only seems to be taken where it is swallowed.
            State::Busy(turn) if result.origin_kind.is_some() => {
                turn.taken && matches!(turn.again, Again::No)
            }
            State::Busy(turn) => turn.taken || result.user_message_uuids.is_empty(),
            _ => false,
        };
        for uuid in result.user_message_uuids.iter().filter(|_| ours) {
            self.was_steered(uuid, out);
        }
        let is_stopped = matches!(
            &self.state,
            State::Busy(turn) if ours && result.is_error && turn.cut.is_some_and(|cut| cut.by == By::Person)
        );
        if is_stopped {
            return self.on_stopped(now, spent, out);
        }
        let (mut answer, tools) = self.said.finish();
        // Of a turn that was cut off, what was said has gone out already.
        if answer.is_empty()
            && !matches!(self.state, State::Ending { .. })
            && !result.is_error
            && !result.text.as_deref().unwrap_or("").trim().is_empty()
        {
            // Built-in commands may answer in the result alone.
            answer.push(Block {
                message: "result".to_owned(),
                index: 0,
                text: result.text.clone().unwrap_or_default(),
            });
        }
        if !ours {
            if matches!(self.state, State::Ending { .. }) && result.origin_kind.is_none() {
                // Of a turn that was cut off: stopped, or its answer comes with the transcript.
                answer.clear();
            }
            if let State::Ending { says, .. } = &mut self.state
                && *says == Says::UnaskedYet
            {
                *says = Says::OfTurn;
            }
            if !answer.is_empty() || spent != Spent::default() {
                out.push(Action::Unasked {
                    blocks: answer,
                    spent,
                });
            }
            if matches!(self.state, State::Busy(_) | State::Open { .. }) {
                let asked = self.asked.len();
                self.close_own(out);
                if self.asked.len() < asked {
                    self.doing(now, Doing::Waiting, out);
                }
            }
            self.has_not_begun(now);
            self.quiet_since(now, out);
            return;
        }
        let State::Busy(turn) = std::mem::replace(&mut self.state, State::Open { since: now })
        else {
            unreachable!("only a result of a turn is ours")
        };
        if !turn.taken {
            out.push(Action::Taken(turn.prompt.id));
        }
        let leaves = matches!(
            turn.cut,
            Some(Cut {
                by: By::Shutdown,
                ..
            })
        );
        let by_person = matches!(turn.cut, Some(Cut { by: By::Person, .. }));
        match leaves {
            true => self.close_asked(Closed::Restarted, out),
            // Together with what works on behind the turns.
            false if by_person => self.close_asked(Closed::Stopped, out),
            false if self.tasks.is_empty() => self.close_asked(Closed::Withdrawn, out),
            // What works on behind the turns still waits for its answer.
            false => self.close_own(out),
        }
        let (joined, not_taken) = parted(turn.steered);
        let mut ends_process = false;
        // A turn that was done before it heard of the interruption has its answer.
        if !leaves || !result.is_error {
            let judged = outcome::judge(
                result,
                self.api_error.take().as_deref(),
                self.limit_until,
                turn.prompt.tries,
            );
            ends_process = judged.ends_process;
            let pause = judged.wait.map(|wait| Pause {
                reason: Hold::Paused,
                wait,
                retry: recovery::later(
                    recovery::continue_prompt(&[], false),
                    &about(&turn.prompt, &joined),
                ),
            });
            self.held |= pause.is_some();
            out.push(Action::Finish(Finished {
                prompt: turn.prompt,
                steered: ids(&joined),
                outcome: judged.outcome,
                by_claude: true,
                answer,
                cause: judged.cause,
                cure: judged.cure.map(str::to_owned),
                spent,
                tools,
                took: Some(now.saturating_duration_since(turn.since)),
                pause,
            }));
            let mut stopped = Vec::new();
            if by_person {
                stopped.extend(not_taken.iter().cloned());
                // What was to be given again after it was said before the stop, too.
                stopped.extend(self.again.drain(..));
            }
            let is_last = stopped.is_empty();
            for prompt in stopped {
                out.push(Action::Finish(closed(prompt, Outcome::Stopped)));
            }
            if by_person && is_last {
                // It was done before it heard of the stop; what waits is held all the same.
                out.push(Action::Stopped { anything: true });
            }
        } else if spent != Spent::default() {
            // The prompt stays open, but what it has cost so far is spent.
            out.push(Action::Unasked {
                blocks: Vec::new(),
                spent,
            });
        }
        out.push(Action::Hide);
        if let Some(prompt) = not_taken.into_iter().next() {
            if by_person {
                // It was not taken back, so it would run.
                self.end_what_runs_on(now, out);
            } else {
                self.runs_next(now, prompt, out);
            }
        } else if self.shutdown.is_some() || (self.is_single() && self.is_at_rest()) || ends_process
        {
            self.end_by(now, Step::InputClosed, out);
        } else if self.held {
            // Until when, stands in the store.
            out.push(Action::Look);
        } else {
            self.advance(now, out);
        }
    }

    /// A turn has ended because a person said stop.
    fn on_stopped(&mut self, now: Instant, spent: Spent, out: &mut Vec<Action>) {
        let State::Busy(turn) = std::mem::replace(&mut self.state, State::Open { since: now })
        else {
            return;
        };
        if !turn.taken {
            out.push(Action::Taken(turn.prompt.id));
        }
        let runs_on = turn.steered.iter().any(|one| !one.taken);
        let at = out.len();
        self.finish_stopped(now, turn, out);
        if let Some(Action::Finish(finished)) = out[at..]
            .iter_mut()
            .find(|action| matches!(action, Action::Finish(_)))
        {
            finished.spent = spent;
            finished.by_claude = true;
        }
        // Claude ends the programs of its tools; what they have started themselves it does not know.
        out.push(Action::EndTools);
        if runs_on {
            // It was not taken back, so it would run.
            self.end_what_runs_on(now, out);
        } else if self.shutdown.is_some() || self.is_single() {
            self.end_by(now, Step::InputClosed, out);
        } else {
            self.advance(now, out);
        }
    }

    /// Why Claude takes a request back: by itself, or because chappe ends. A stop has closed all that was open.
    fn taken_back(&self) -> Closed {
        match &self.state {
            State::Busy(turn) if turn.cut.is_some() => Closed::Restarted,
            _ => Closed::Withdrawn,
        }
    }

    /// Notes that Claude has taken the prompt at hand, or what was put into its turn, if `says_so`.
    fn taken_if(&mut self, out: &mut Vec<Action>, says_so: impl Fn(&Prompt) -> bool) {
        let State::Busy(turn) = &mut self.state else {
            return;
        };
        let before = out.len();
        if !turn.taken && says_so(&turn.prompt) {
            turn.taken = true;
            // The line that says so comes before the first block of its turn. Only commands of the CLI's own have
            // answered by then.
            let blocks = match turn.prompt.is_command {
                true => Vec::new(),
                false => self.said.so_far(),
            };
            if !blocks.is_empty() {
                // Taken into a turn that nobody had asked for.
                out.push(Action::Unasked {
                    blocks,
                    spent: Spent::default(),
                });
            }
            out.push(Action::Taken(turn.prompt.id));
        }
        for one in &mut turn.steered {
            if !one.taken && says_so(&one.prompt) {
                one.taken = true;
                out.push(taken_in(&turn.prompt, &one.prompt, &mut self.said));
            }
        }
        if out.len() > before {
            self.interrupt_again(out);
        }
    }

    /// A prompt was taken by a process that is being ended: what was said before is of nobody's turn, and goes out; what
    /// follows is that prompt's.
    fn taken_while_ending(&mut self, out: &mut Vec<Action>) {
        let State::Ending { says, .. } = &mut self.state else {
            return;
        };
        if *says != Says::UnaskedYet {
            return;
        }
        *says = Says::OfTurn;
        let blocks = self.said.so_far();
        if !blocks.is_empty() {
            out.push(Action::Unasked {
                blocks,
                spent: Spent::default(),
            });
        }
    }

    /// What the turn cost: the difference to the total before it, or what the CLI itself says.
    fn spent(&mut self, result: &TurnResult) -> Spent {
        let total = result.total_cost_usd.unwrap_or(self.cost_before);
        let cost = result
            .cost_since_last_result
            .unwrap_or((total - self.cost_before).max(0.0));
        self.cost_before = total;
        let usage = &result.usage;
        Spent {
            cost,
            input_tokens: usage.input_tokens
                + usage.cache_creation_input_tokens
                + usage.cache_read_input_tokens,
            output_tokens: usage.output_tokens,
        }
    }
}

/// Whether a message that has come to this state is over without a turn.
fn never_runs(state: &Lifecycle) -> bool {
    match state {
        Lifecycle::Cancelled => true,
        Lifecycle::Other(word) => matches!(word.as_str(), "refused" | "discarded"),
        Lifecycle::Queued | Lifecycle::Started | Lifecycle::Completed => false,
    }
}
