//! What tools do, and how their results are told. [`super::calls`] asks whether they may.

use serde_json::{Value, json};

use super::agents::{self, Parent};
use super::calls::{Progress, Running, Use, Waiting};
use super::engine::{Engine, Wake};
use super::fresh_id;
use super::history::Entry;
use super::input::ToolEnd;
use super::outcome::Outcome;
use super::permission::Mode;
use super::servers;
use super::transcript::merge;
use super::turn::Aborted;

/// Characters of a command's output that the model sees.
const OUTPUT_MAX: usize = 30_000;

/// What a call gives when the turn is cut off in it.
const REJECTED: &str = "The user doesn't want to proceed with this tool use. The tool use was rejected (eg. if it was a file edit, \
     the new_string was NOT written to the file). STOP what you are doing and wait for the user to tell you how to proceed.";

/// What a question gives whose answer does not hold it.
const NO_QUESTIONS: &str = "The permission handler returned updatedInput for AskUserQuestion that failed schema validation: \
     AskUserQuestion failed due to the following issue:\nThe required parameter `questions` is missing";

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

/// What a tool that was started has come to.
pub(super) enum Started {
    Finished(ToolResult),
    Running(Running),
}

impl Engine {
    /// Runs the calls of one message, one after the other, and returns their results as texts.
    pub(super) fn use_tools(&mut self, calls: &[Use]) -> Result<Vec<String>, Outcome> {
        let mut results = Vec::new();
        self.turn().in_tools = true;
        for (index, used) in calls.iter().enumerate() {
            match self.use_tool(used) {
                Ok(result) => results.push(result.text()),
                Err(Aborted) => {
                    for used in &calls[index..] {
                        self.report_rejection(&used.id, None);
                    }
                    self.close_inner();
                    return Err(Outcome::AbortedInTools);
                }
            }
        }
        self.turn().in_tools = false;
        Ok(results)
    }

    /// One call of the main agent, to its end.
    fn use_tool(&mut self, used: &Use) -> Result<ToolResult, Aborted> {
        let mut progress = self.begin_call(used, None);
        loop {
            let waiting = match progress {
                Progress::Done(result) => return Ok(result),
                Progress::Aborted => return Err(Aborted),
                Progress::Waits(waiting) => waiting,
            };
            self.open_request = waiting.request_id().map(str::to_owned);
            let wake = loop {
                match self.next_wake(None) {
                    Wake::Aborted => {
                        self.give_up_call(used, &waiting, None);
                        return Err(Aborted);
                    }
                    wake if waiting.is_met_by(&used.id, &wake) => break wake,
                    // Late answers to withdrawn requests, and the ends of programs that were stopped.
                    _ => {}
                }
            };
            self.open_request = None;
            progress = self.continue_call(used, waiting, wake, None);
        }
    }

    /// The turn, or the sub-agent, is cut off while a call waits. Its open request has been withdrawn before.
    pub(super) fn give_up_call(&mut self, used: &Use, waiting: &Waiting, parent: Option<&Parent>) {
        match waiting {
            Waiting::Answer { .. } => {
                self.wire.state("running");
                self.note_denial(used, parent);
            }
            Waiting::Tool { running, .. } => match running {
                Running::Program => self.stop_command(&used.id),
                Running::Agent { task_id } => self.stop_inner(task_id),
                Running::Server { .. } => {}
            },
        }
    }

    /// The result of a call that was cut off, or that was never begun because of it.
    pub(super) fn report_rejection(&mut self, id: &str, parent: Option<&Parent>) {
        let result = ToolResult {
            content: Value::from(REJECTED),
            detail: Value::from("User rejected tool use"),
            is_error: true,
        };
        let meta = json!({ "non_execution_kind": "user-rejected" });
        self.report(id, &result, meta, parent);
    }

    /// Prints a result, and stores it if it is the main agent's.
    pub(super) fn report(
        &mut self,
        id: &str,
        result: &ToolResult,
        meta: Value,
        parent: Option<&Parent>,
    ) {
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

    pub(super) fn set_mode(&mut self, mode: Mode) {
        let before = std::mem::replace(&mut self.permissions.mode, mode);
        self.before_plan = match mode {
            Mode::Plan if before == Mode::Plan => self.before_plan,
            Mode::Plan => before,
            _ => Mode::Default,
        };
        self.wire.system(
            "status",
            json!({ "status": null, "permissionMode": mode.name() }),
        );
    }

    pub(super) fn execute(
        &mut self,
        used: &Use,
        input: &Value,
        parent: Option<&Parent>,
    ) -> Started {
        let tool = used.call.name.as_str();
        Started::Finished(match tool {
            "Bash" => return self.run_bash(&used.id, input, parent),
            "Agent" | "Task" if parent.is_none() => return self.run_agent(&used.id, input),
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
            _ if self.serves(tool) => {
                let request_id = self.call_server(&used.id, tool, input);
                return Started::Running(Running::Server { request_id });
            }
            _ => ToolResult::done(
                format!("{tool} is only simulated: nothing was done"),
                json!({ "simulated": true }),
            ),
        })
    }

    fn run_bash(&mut self, id: &str, input: &Value, parent: Option<&Parent>) -> Started {
        let command = input["command"].as_str().unwrap_or("");
        if input["run_in_background"] == Value::Bool(true) && self.surroundings.background {
            return Started::Finished(self.start_background_command(id, command));
        }
        self.start_command(id, command);
        self.show_if_it_lasts(id, command, parent);
        Started::Running(Running::Program)
    }

    /// What came of a tool that ran.
    pub(super) fn tool_result(&mut self, wake: Wake) -> ToolResult {
        match wake {
            Wake::ToolEnded(end) => bash_result(&end),
            Wake::Response { response, .. } => servers::tool_result(&response),
            Wake::AgentEnded { task_id, report } => agents::hand_back(&task_id, &report),
            // Only stdin's end is left: a server of the bridge cannot answer any more.
            _ => servers::tool_result(&Value::Null),
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

/// What is in the answers besides those to its questions does not count.
fn answered_questions(input: &Value) -> ToolResult {
    let Some(questions) = input["questions"].as_array() else {
        return ToolResult::refused(NO_QUESTIONS);
    };
    let mut said: Vec<String> = Vec::new();
    let mut only_options = true;
    for question in questions {
        let text = question["question"].as_str().unwrap_or("");
        let answer = match &input["answers"][text] {
            Value::Array(several) => several
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(","),
            answer => answer.as_str().unwrap_or("").to_owned(),
        };
        if !answer.is_empty() {
            only_options &= is_of_options(question, &answer);
            said.push(format!("\"{text}\"=\"{answer}\""));
        }
    }
    let said = said.join(", ");
    let text = match (said.as_str(), only_options) {
        ("", _) => "The user did not answer the questions.".to_owned(),
        (said, true) => format!(
            "Your questions have been answered: {said}. You can now continue with these answers in mind."
        ),
        (said, false) => format!(
            "The user answered: {said}. Read the answers carefully — they may request clarification, changes, or that \
             you not proceed — and follow what they actually say."
        ),
    };
    ToolResult::done(
        text,
        json!({ "questions": questions, "answers": input["answers"] }),
    )
}

/// Whether an answer is one of the options, or several where several may be chosen.
fn is_of_options(question: &Value, answer: &str) -> bool {
    let options = question["options"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let is_option = |answer: &str| options.iter().any(|option| option["label"] == answer);
    let several = question["multiSelect"] == Value::Bool(true);
    is_option(answer) || (several && answer.split(',').map(str::trim).all(is_option))
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
