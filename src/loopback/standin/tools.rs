//! Tool calls: who is asked, what runs, and how the result is told.

use serde_json::{Value, json};

use super::agents::Parent;
use super::engine::{Abort, Engine, Wake};
use super::fresh_id;
use super::input::ToolEnd;
use super::outcome::Outcome;
use super::permission::{Mode, Verdict};
use super::rule::Rule;
use super::script::Call;
use super::transcript::{Entry, merge};
use super::turn::Aborted;

/// Characters of a command's output that the model sees.
const OUTPUT_MAX: usize = 30_000;

/// What a call gives when the turn is cut off in it.
const REJECTED: &str = "The user doesn't want to proceed with this tool use. The tool use was rejected (eg. if it was a file edit, \
     the new_string was NOT written to the file). STOP what you are doing and wait for the user to tell you how to proceed.";

/// What a tool gives back.
#[derive(Debug, Clone)]
pub(super) struct ToolResult {
    /// A text, or blocks.
    pub(super) content: Value,
    /// The structured form, for programs.
    pub(super) detail: Value,
    pub(super) is_error: bool,
}

impl ToolResult {
    pub(super) fn done(text: impl Into<String>, detail: Value) -> ToolResult {
        ToolResult {
            content: Value::from(text.into()),
            detail,
            is_error: false,
        }
    }

    /// The tool tried and could not.
    pub(super) fn failed(text: impl Into<String>) -> ToolResult {
        let text = text.into();
        ToolResult {
            detail: Value::from(format!("Error: {text}")),
            content: Value::from(text),
            is_error: true,
        }
    }

    /// The tool did not try.
    pub(super) fn refused(text: impl Into<String>) -> ToolResult {
        let text = text.into();
        let content = format!("<tool_use_error>{text}</tool_use_error>");
        ToolResult {
            content: Value::from(content),
            detail: Value::from(format!("Error: {text}")),
            is_error: true,
        }
    }

    /// The result as the answer repeats it.
    pub(super) fn text(&self) -> String {
        match &self.content {
            Value::String(text) => text.clone(),
            content => super::input::text_of(content),
        }
    }
}

enum Answered {
    /// With the input that is to be used.
    Allowed(Value),
    Denied(String),
}

impl Engine {
    /// Runs the calls of one message, one after the other, and returns their results as texts.
    pub(super) fn use_tools(&mut self, calls: &[(String, Call)]) -> Result<Vec<String>, Outcome> {
        let mut results = Vec::new();
        self.turn().in_tools = true;
        for (index, (id, call)) in calls.iter().enumerate() {
            match self.use_tool(id, call, None) {
                Ok(result) => results.push(result.text()),
                Err(Aborted) => {
                    for (id, _) in &calls[index..] {
                        let result = ToolResult {
                            content: Value::from(REJECTED),
                            detail: Value::from("User rejected tool use"),
                            is_error: true,
                        };
                        self.report(
                            id,
                            &result,
                            json!({ "non_execution_kind": "user-rejected" }),
                            None,
                        );
                    }
                    return Err(Outcome::AbortedInTools);
                }
            }
        }
        self.turn().in_tools = false;
        Ok(results)
    }

    /// One call, of the main agent or of a sub-agent.
    pub(super) fn use_tool(
        &mut self,
        id: &str,
        call: &Call,
        parent: Option<&Parent>,
    ) -> Result<ToolResult, Aborted> {
        if call.name == "ExitPlanMode" && self.permissions.mode != Mode::Plan {
            let text = "You are not in plan mode. To enter plan mode, call the EnterPlanMode tool first. \
                 If your plan was already approved, continue with implementation.";
            return Ok(self.reported(id, ToolResult::refused(text), Value::Null, parent));
        }
        if call.name == "Edit"
            && let Some(refusal) = self.refuse_edit(&call.input)
        {
            return Ok(self.reported(id, refusal, Value::Null, parent));
        }
        let mut input = call.input.clone();
        let decision = match self.permissions.judge(
            &call.name,
            &input,
            self.surroundings.todo_tools,
        ) {
            Verdict::Unknown(text) => {
                return Ok(self.reported(id, ToolResult::refused(text), Value::Null, parent));
            }
            Verdict::Deny { message, reason } => {
                let fields = json!({
                    "tool_name": call.name, "tool_use_id": id, "decision_reason_type": reason, "message": message,
                });
                self.wire.system("permission_denied", fields);
                return Ok(self.denied(id, call, &message, parent));
            }
            Verdict::Allow(reason) => {
                json!({ "decision": "accept", "source": "config", "reason_type": reason })
            }
            Verdict::Ask(fields) => match self.ask(id, call, fields, parent)? {
                Answered::Allowed(updated) => {
                    input = updated;
                    json!({ "decision": "accept", "source": "user_temporary" })
                }
                Answered::Denied(message) => return Ok(self.denied(id, call, &message, parent)),
            },
        };
        let result = self.execute(id, &call.name, &input, parent)?;
        Ok(self.reported(
            id,
            result,
            json!({ "permission_decision": decision }),
            parent,
        ))
    }

    fn denied(
        &mut self,
        id: &str,
        call: &Call,
        message: &str,
        parent: Option<&Parent>,
    ) -> ToolResult {
        self.turn().deny(&call.name, id, &call.input);
        let meta = json!({
            "non_execution_kind": "permission-rule",
            "permission_decision": { "decision": "reject", "source": "user_reject" },
        });
        self.reported(id, ToolResult::failed(message), meta, parent)
    }

    fn reported(
        &mut self,
        id: &str,
        result: ToolResult,
        meta: Value,
        parent: Option<&Parent>,
    ) -> ToolResult {
        self.report(id, &result, meta, parent);
        result
    }

    /// Prints a result, and stores it if it is the main agent's.
    fn report(&mut self, id: &str, result: &ToolResult, meta: Value, parent: Option<&Parent>) {
        self.stop_message();
        let mut block =
            json!({ "type": "tool_result", "tool_use_id": id, "content": result.content });
        if result.is_error {
            block["is_error"] = Value::Bool(true);
        }
        let mut extra = json!({ "tool_use_result": result.detail });
        if !meta.is_null() {
            let mut meta = meta;
            meta["id"] = Value::from(id);
            extra["tool_result_meta"] = json!([meta]);
        }
        let (uuid, content) = (fresh_id(), json!([block]));
        match parent {
            Some(parent) => merge(&mut extra, parent.marks()),
            None => {
                self.transcript
                    .user(&uuid, &content, json!({ "toolUseResult": result.detail }));
                self.remember(Entry::Returned {
                    id: id.to_owned(),
                    text: result.text(),
                });
                self.count_user_line();
            }
        }
        self.wire.user(&uuid, content, extra);
    }

    /// Asks the user over the pipe. There is no time limit: that is the bridge's business.
    fn ask(
        &mut self,
        id: &str,
        call: &Call,
        fields: Value,
        parent: Option<&Parent>,
    ) -> Result<Answered, Aborted> {
        self.wire.state("requires_action");
        if !self.intake.open {
            self.wire.state("running");
            return Ok(Answered::Denied(
                "Tool permission request failed: AbortError: Stream closed".to_owned(),
            ));
        }
        let mut request = json!({
            "subtype": "can_use_tool", "tool_name": call.name, "display_name": call.name, "input": call.input, "tool_use_id": id,
        });
        merge(&mut request, fields);
        if let Some(parent) = parent {
            request["agent_id"] = Value::from(parent.agent_id.as_str());
        }
        let request_id = fresh_id();
        self.wire.request(&request_id, request);
        self.stop_message();
        self.open_request = Some(request_id.clone());
        let response = loop {
            match self.next_wake(None) {
                Wake::Response {
                    request_id: answered,
                    response,
                } if answered == request_id => break Some(response),
                Wake::Eof => break None,
                Wake::Aborted => {
                    self.wire.state("running");
                    self.turn().deny(&call.name, id, &call.input);
                    return Err(Aborted);
                }
                // Late answers to withdrawn requests, and the ends of programs that were stopped.
                Wake::Response { .. } | Wake::ToolEnded(_) | Wake::Timeout => {}
            }
        };
        self.open_request = None;
        let answered = match response {
            None => {
                let text = "Tool permission request failed: AbortError: Tool permission stream closed before response received";
                Answered::Denied(text.to_owned())
            }
            Some(response) if response["subtype"] == "success" => {
                self.wire.echo(&response);
                self.apply(call, &response["response"])
            }
            Some(response) => {
                let error = response["error"].as_str().unwrap_or("unknown error");
                Answered::Denied(format!("Tool permission request failed: Error: {error}"))
            }
        };
        self.wire.state("running");
        if self.turn().abort.is_some() {
            self.turn().deny(&call.name, id, &call.input);
            return Err(Aborted);
        }
        Ok(answered)
    }

    /// What the user's answer means, and what it changes for later calls.
    fn apply(&mut self, call: &Call, answer: &Value) -> Answered {
        if answer["behavior"] != "allow" {
            if answer["interrupt"] == Value::Bool(true) {
                self.abort(Abort::Interrupt);
            }
            return Answered::Denied(answer["message"].as_str().unwrap_or("").to_owned());
        }
        let updates = answer["updatedPermissions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        if call.name == "ExitPlanMode" && !updates.iter().any(|update| update["type"] == "setMode")
        {
            self.set_mode(Mode::Default);
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
            Value::Object(input) if !input.is_empty() => {
                Answered::Allowed(answer["updatedInput"].clone())
            }
            _ => Answered::Allowed(call.input.clone()),
        }
    }

    pub(super) fn set_mode(&mut self, mode: Mode) {
        self.permissions.mode = mode;
        self.wire.system(
            "status",
            json!({ "status": null, "permissionMode": mode.name() }),
        );
    }

    fn execute(
        &mut self,
        id: &str,
        tool: &str,
        input: &Value,
        parent: Option<&Parent>,
    ) -> Result<ToolResult, Aborted> {
        self.stop_message();
        Ok(match tool {
            "Bash" => return self.run_bash(id, input),
            "Agent" | "Task" if parent.is_none() => return self.run_agent(id, input),
            "Write" => self.write_file(input),
            "Edit" => self.edit_file(input),
            "Read" => self.read_file(input),
            "AskUserQuestion" => answered_questions(input),
            "EnterPlanMode" => {
                self.set_mode(Mode::Plan);
                let text = "Entered plan mode. You should now focus on exploring the codebase and designing an implementation approach.";
                ToolResult::done(text, json!({ "message": text }))
            }
            "ExitPlanMode" => approved_plan(input),
            "TaskCreate" => {
                self.counts.todos += 1;
                let subject = input["subject"].as_str().unwrap_or("");
                let text = format!(
                    "Task #{} created successfully: {subject}",
                    self.counts.todos
                );
                ToolResult::done(
                    text,
                    json!({ "task": { "id": self.counts.todos.to_string(), "subject": subject } }),
                )
            }
            "TaskUpdate" => {
                let task = input["taskId"].as_str().unwrap_or("");
                ToolResult::done(
                    format!("Updated task #{task} status"),
                    json!({ "success": true, "taskId": task }),
                )
            }
            _ if self.serves(tool) => return self.call_server(id, tool, input),
            _ => ToolResult::done(
                format!("{tool} is only simulated: nothing was done"),
                json!({ "simulated": true }),
            ),
        })
    }

    fn run_bash(&mut self, id: &str, input: &Value) -> Result<ToolResult, Aborted> {
        let command = input["command"].as_str().unwrap_or("");
        if input["run_in_background"] == Value::Bool(true) && self.surroundings.background {
            return Ok(self.start_background_command(id, command));
        }
        self.start_command(id, command);
        loop {
            match self.next_wake(None) {
                Wake::ToolEnded(end) if end.id == id => return Ok(bash_result(&end)),
                Wake::Aborted => {
                    self.stop_command(id);
                    return Err(Aborted);
                }
                _ => {}
            }
        }
    }
}

fn bash_result(end: &ToolEnd) -> ToolResult {
    let short = |text: &str| text.trim_end().chars().take(OUTPUT_MAX).collect::<String>();
    let (stdout, stderr) = (short(&end.stdout), short(&end.stderr));
    let both = [stdout.as_str(), stderr.as_str()]
        .iter()
        .filter(|text| !text.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join("\n");
    match end.code {
        Some(0) => {
            let text = if both.is_empty() {
                "(Bash completed with no output)".to_owned()
            } else {
                both
            };
            let detail = json!({ "stdout": stdout, "stderr": stderr, "interrupted": false, "isImage": false });
            ToolResult::done(text, detail)
        }
        Some(code) if both.is_empty() => ToolResult::failed(format!("Exit code {code}")),
        Some(code) => ToolResult::failed(format!("Exit code {code}\n{both}")),
        None => ToolResult::failed(format!("The command could not be started: {both}")),
    }
}

fn answered_questions(input: &Value) -> ToolResult {
    let answers = input["answers"].as_object().cloned().unwrap_or_default();
    let said: Vec<String> = answers
        .iter()
        .map(|(question, answer)| {
            let answer = match answer {
                Value::Array(several) => several
                    .iter()
                    .filter_map(Value::as_str)
                    .collect::<Vec<_>>()
                    .join(","),
                answer => answer.as_str().unwrap_or("").to_owned(),
            };
            format!("\"{question}\"=\"{answer}\"")
        })
        .collect();
    let text = match said.as_slice() {
        [] => "The user did not answer the questions.".to_owned(),
        said => {
            let said = said.join(", ");
            format!(
                "Your questions have been answered: {said}. You can now continue with these answers in mind."
            )
        }
    };
    ToolResult::done(
        text,
        json!({ "questions": input["questions"], "answers": answers }),
    )
}

fn approved_plan(input: &Value) -> ToolResult {
    let Some(plan) = input["plan"].as_str() else {
        return ToolResult::done(
            "User has approved exiting plan mode. You can now proceed.",
            json!({ "plan": null }),
        );
    };
    let path = input["planFilePath"].as_str().unwrap_or("");
    let text = format!(
        "User has approved your plan. You can now start coding. Start with updating your todo list if applicable\n\n\
         Your plan has been saved to: {path}\nYou can refer back to it if needed during implementation.\n\n## Approved Plan:\n{plan}"
    );
    ToolResult::done(
        text,
        json!({ "plan": plan, "isAgent": false, "filePath": path }),
    )
}
