//! One tool call from the question to its result, in steps that return instead of waiting.
//!
//! So a sub-agent can work beside a turn: [`super::tools`] waits for the main agent's calls, [`super::agents`] is woken for its own.

use serde_json::{Value, json};

use super::agents::Parent;
use super::engine::{Abort, Engine, Wake};
use super::fresh_id;
use super::permission::{Mode, Verdict};
use super::rule::Rule;
use super::script::Call;
use super::tools::{Started, ToolResult};
use super::transcript::merge;

/// A call and its id.
#[derive(Debug, Clone)]
pub(super) struct Use {
    pub(super) id: String,
    pub(super) call: Call,
}

/// Where a call stands.
#[derive(Debug)]
pub(super) enum Progress {
    /// Its result has been printed.
    Done(ToolResult),
    Waits(Waiting),
    /// The user's answer ends the turn.
    Aborted,
}

/// What a call waits for.
#[derive(Debug, Clone)]
pub(super) enum Waiting {
    /// The user, who is asked under this id.
    Answer { request_id: String },
    /// Whatever runs, allowed by this decision.
    Tool { running: Running, decision: Value },
}

/// A tool that has not ended yet.
#[derive(Debug, Clone)]
pub(super) enum Running {
    /// A program that has the call's id.
    Program,
    /// A tool of the bridge, called under this id.
    Server { request_id: String },
    /// A sub-agent inside the turn.
    Agent { task_id: String },
}

impl Waiting {
    /// Whether this is what the call with that id waits for.
    pub(super) fn is_met_by(&self, id: &str, wake: &Wake) -> bool {
        match (self, wake) {
            (
                Waiting::Answer { request_id }
                | Waiting::Tool {
                    running: Running::Server { request_id },
                    ..
                },
                Wake::Response {
                    request_id: answered,
                    ..
                },
            ) => request_id == answered,
            (
                Waiting::Answer { .. }
                | Waiting::Tool {
                    running: Running::Server { .. },
                    ..
                },
                Wake::Eof,
            ) => true,
            (
                Waiting::Tool {
                    running: Running::Program,
                    ..
                },
                Wake::ToolEnded(end),
            ) => end.id == id,
            (
                Waiting::Tool {
                    running: Running::Agent { task_id },
                    ..
                },
                Wake::AgentEnded { task_id: ended, .. },
            ) => task_id == ended,
            _ => false,
        }
    }

    /// The request of ours that is open meanwhile.
    pub(super) fn request_id(&self) -> Option<&str> {
        match self {
            Waiting::Answer { request_id }
            | Waiting::Tool {
                running: Running::Server { request_id },
                ..
            } => Some(request_id),
            Waiting::Tool { .. } => None,
        }
    }
}

impl Engine {
    /// Begins a call of the main agent or of a sub-agent.
    pub(super) fn begin_call(&mut self, used: &Use, parent: Option<&Parent>) -> Progress {
        self.end_if_terminated();
        let call = &used.call;
        if call.name == "ExitPlanMode" && self.permissions.mode != Mode::Plan {
            let text = "You are not in plan mode. To enter plan mode, call the EnterPlanMode tool first. \
                 If your plan was already approved, continue with implementation.";
            return self.done(used, ToolResult::refused(text), Value::Null, parent);
        }
        if call.name == "Edit"
            && let Some(refusal) = self.refuse_edit(&call.input)
        {
            return self.done(used, refusal, Value::Null, parent);
        }
        let todo_tools = self.surroundings.todo_tools;
        match self.permissions.judge(&call.name, &call.input, todo_tools) {
            Verdict::Unknown(text) => {
                self.done(used, ToolResult::refused(text), Value::Null, parent)
            }
            Verdict::Deny { message, reason } => {
                let fields = json!({
                    "tool_name": call.name, "tool_use_id": used.id, "decision_reason_type": reason, "message": message,
                });
                self.wire.system("permission_denied", fields);
                self.denied(used, &message, parent)
            }
            Verdict::Allow(reason) => {
                let decision =
                    json!({ "decision": "accept", "source": "config", "reason_type": reason });
                self.run_tool(used, &call.input, decision, parent)
            }
            Verdict::Ask(fields) => self.ask(used, fields, parent),
        }
    }

    /// Goes on with a call whose wait is over.
    pub(super) fn continue_call(
        &mut self,
        used: &Use,
        waiting: Waiting,
        wake: Wake,
        parent: Option<&Parent>,
    ) -> Progress {
        match waiting {
            Waiting::Answer { .. } => {
                let response = match wake {
                    Wake::Response { response, .. } => Some(response),
                    _ => None,
                };
                self.take_answer(used, response, parent)
            }
            Waiting::Tool { decision, .. } => {
                let result = self.tool_result(wake);
                self.done(
                    used,
                    result,
                    json!({ "permission_decision": decision }),
                    parent,
                )
            }
        }
    }

    fn run_tool(
        &mut self,
        used: &Use,
        input: &Value,
        decision: Value,
        parent: Option<&Parent>,
    ) -> Progress {
        self.stop_message();
        match self.execute(used, input, parent) {
            Started::Finished(result) => self.done(
                used,
                result,
                json!({ "permission_decision": decision }),
                parent,
            ),
            Started::Running(running) => Progress::Waits(Waiting::Tool { running, decision }),
        }
    }

    fn done(
        &mut self,
        used: &Use,
        result: ToolResult,
        meta: Value,
        parent: Option<&Parent>,
    ) -> Progress {
        self.report(&used.id, &result, meta, parent);
        Progress::Done(result)
    }

    fn denied(&mut self, used: &Use, message: &str, parent: Option<&Parent>) -> Progress {
        self.note_denial(used, parent);
        let meta = json!({
            "non_execution_kind": "permission-rule",
            "permission_decision": { "decision": "reject", "source": "user_reject" },
        });
        self.done(used, ToolResult::failed(message), meta, parent)
    }

    /// What is denied beside a turn is in no result.
    pub(super) fn note_denial(&mut self, used: &Use, parent: Option<&Parent>) {
        if let Some(turn) = &mut self.turn
            && !parent.is_some_and(|parent| parent.beside)
        {
            turn.deny(&used.call.name, &used.id, &used.call.input);
        }
    }

    /// Asks the user over the pipe. There is no time limit: that is the bridge's business.
    fn ask(&mut self, used: &Use, fields: Value, parent: Option<&Parent>) -> Progress {
        let call = &used.call;
        self.wire.state("requires_action");
        if !self.intake.open {
            self.wire.state("running");
            let text = "Tool permission request failed: AbortError: Stream closed";
            return self.denied(used, text, parent);
        }
        let mut request = json!({
            "subtype": "can_use_tool", "tool_name": call.name, "display_name": call.name, "input": call.input,
            "tool_use_id": used.id,
        });
        merge(&mut request, fields);
        if let Some(parent) = parent {
            request["agent_id"] = Value::from(parent.agent_id.as_str());
        }
        let request_id = fresh_id();
        self.wire.request(&request_id, request);
        self.stop_message();
        Progress::Waits(Waiting::Answer { request_id })
    }

    /// The user's answer, or `None` if stdin has ended before it came.
    fn take_answer(
        &mut self,
        used: &Use,
        response: Option<Value>,
        parent: Option<&Parent>,
    ) -> Progress {
        let allowed = match response {
            None => Err("Tool permission request failed: AbortError: Tool permission stream closed before response received"
                .to_owned()),
            Some(response) if response["subtype"] == "success" => {
                self.wire.echo(&response);
                self.apply(&used.call, &response["response"])
            }
            Some(response) => {
                let error = response["error"].as_str().unwrap_or("unknown error");
                Err(format!("Tool permission request failed: Error: {error}"))
            }
        };
        self.wire.state("running");
        let is_cut_off = self.turn.as_ref().is_some_and(|turn| turn.abort.is_some());
        if is_cut_off && !parent.is_some_and(|parent| parent.beside) {
            self.note_denial(used, parent);
            return Progress::Aborted;
        }
        match allowed {
            Ok(input) => {
                let decision = json!({ "decision": "accept", "source": "user_temporary" });
                self.run_tool(used, &input, decision, parent)
            }
            Err(message) => self.denied(used, &message, parent),
        }
    }

    /// What the user's answer means: the input that may be used, or why nothing is. It may change what happens to later calls.
    fn apply(&mut self, call: &Call, answer: &Value) -> Result<Value, String> {
        if answer["behavior"] != "allow" {
            if answer["interrupt"] == Value::Bool(true) {
                self.abort(Abort::Interrupt);
            }
            return Err(answer["message"].as_str().unwrap_or("").to_owned());
        }
        let updates = answer["updatedPermissions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        if call.name == "ExitPlanMode" && !updates.iter().any(|update| update["type"] == "setMode")
        {
            // It goes back to what it was in before it planned.
            self.set_mode(self.before_plan);
        }
        for update in updates {
            if update["type"] == "addRules" && update["behavior"] == "allow" {
                let rules = update["rules"].as_array().cloned().unwrap_or_default();
                self.permissions
                    .allow
                    .extend(rules.iter().filter_map(Rule::from_update));
            }
            if let Some(mode) = update["mode"].as_str().and_then(Mode::parse)
                && update["type"] == "setMode"
            {
                self.set_mode(mode);
            }
        }
        match &answer["updatedInput"] {
            Value::Object(input) if !input.is_empty() => Ok(answer["updatedInput"].clone()),
            _ => Ok(call.input.clone()),
        }
    }
}
