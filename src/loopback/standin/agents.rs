//! Sub-agents, and work that runs on after a result.
//!
//! A sub-agent in the background begins after its turn's result; the real one works beside the turn.

use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::engine::Engine;
use super::fresh_id;
use super::input::Input;
use super::script;
use super::tools::ToolResult;
use super::transcript::merge;
use super::turn::Aborted;

/// Whose lines a sub-agent's are.
#[derive(Debug, Clone)]
pub(super) struct Parent {
    tool_use_id: String,
    pub(super) agent_id: String,
}

impl Parent {
    /// The fields that tell its lines from the main agent's.
    pub(super) fn marks(&self) -> Value {
        json!({
            "parent_tool_use_id": self.tool_use_id, "agent_id": self.agent_id, "subagent_type": "general-purpose",
            "task_description": DESCRIPTION,
        })
    }
}

const DESCRIPTION: &str = "stand-in sub-agent";

/// Work that runs on after the result of its turn.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) id: String,
    run_id: String,
    tool_use_id: String,
    description: String,
    kind: &'static str,
    stopped: bool,
    /// What a sub-agent has still to do.
    prompt: Option<String>,
}

impl Task {
    fn new(prefix: char, tool_use_id: &str, description: &str, kind: &'static str) -> Task {
        let id = fresh_id().replace('-', "");
        Task {
            id: format!("{prefix}{}", &id[..8]),
            run_id: format!("0{}-{}", &id[8..16], &id[16..24]),
            tool_use_id: tool_use_id.to_owned(),
            description: description.to_owned(),
            kind,
            stopped: false,
            prompt: None,
        }
    }
}

impl Engine {
    /// A command that runs on; its result for the model.
    pub(super) fn start_background_command(
        &mut self,
        tool_use_id: &str,
        command: &str,
    ) -> ToolResult {
        let task = Task::new('b', tool_use_id, command, "local_bash");
        let text = format!(
            "Command running in background with ID: {}. You will be notified when it completes.",
            task.id
        );
        let detail = json!({ "stdout": "", "stderr": "", "interrupted": false, "backgroundTaskId": task.id });
        self.start_command(&task.id, command);
        self.begin_task(task);
        ToolResult::done(text, detail)
    }

    /// Work that is only pretended, and ends after `delay`.
    pub(super) fn start_simulated_task(&mut self, delay: Duration) {
        let task = Task::new(
            'b',
            &format!("toolu_standin_{}", fresh_id()),
            "simulated background work",
            "local_bash",
        );
        let (sender, task_id) = (self.intake.sender.clone(), task.id.clone());
        self.begin_task(task);
        let wait = move || {
            thread::sleep(delay);
            let _ = sender.send(Input::TaskEnded { task_id });
        };
        thread::Builder::new()
            .name("task".to_owned())
            .spawn(wait)
            .expect("a thread can be started");
    }

    /// A sub-agent: within the turn, or, if background work is allowed, after it.
    pub(super) fn run_agent(
        &mut self,
        tool_use_id: &str,
        input: &Value,
    ) -> Result<ToolResult, Aborted> {
        let prompt = input["prompt"].as_str().unwrap_or("").to_owned();
        let mut task = Task::new(
            'a',
            tool_use_id,
            input["description"].as_str().unwrap_or(DESCRIPTION),
            "local_agent",
        );
        if self.surroundings.background {
            task.prompt = Some(prompt.clone());
            let text = format!("Async agent launched successfully.\nagentId: {}", task.id);
            let detail = json!({ "isAsync": true, "status": "async_launched", "agentId": task.id, "prompt": prompt });
            let (sender, task_id) = (self.intake.sender.clone(), task.id.clone());
            self.begin_task(task);
            let _ = sender.send(Input::TaskEnded { task_id });
            return Ok(ToolResult {
                content: json!([{ "type": "text", "text": text }]),
                detail,
                is_error: false,
            });
        }
        self.announce_task(&task, Some(&prompt), false);
        let report = self.work_as_agent(&task, &prompt)?;
        self.close_task(&task, "completed", &report);
        let text = format!(
            "[Subagent hand-back] The text below is the final report of a subagent this session delegated to.\n  {report}"
        );
        let detail = json!({ "status": "completed", "agentId": task.id, "content": [{ "type": "text", "text": report }] });
        Ok(ToolResult {
            content: json!([{ "type": "text", "text": text }]),
            detail,
            is_error: false,
        })
    }

    /// The sub-agent's own messages; its last text.
    fn work_as_agent(&mut self, task: &Task, prompt: &str) -> Result<String, Aborted> {
        let parent = Parent {
            tool_use_id: task.tool_use_id.clone(),
            agent_id: task.id.clone(),
        };
        let script = script::parse(prompt);
        self.wire.user(
            &fresh_id(),
            json!([{ "type": "text", "text": prompt }]),
            parent.marks(),
        );
        let mut results = Vec::new();
        for step in &script.steps {
            for call in step {
                self.counts.messages += 1;
                let call_id = format!("toolu_standin_{:06}_0", self.counts.messages);
                let what = call.input["command"].as_str().unwrap_or(&call.name);
                let fields = json!({
                    "task_id": task.id, "run_id": task.run_id, "tool_use_id": task.tool_use_id,
                    "description": format!("Running {what}"), "subagent_type": "general-purpose", "last_tool_name": call.name,
                });
                self.wire.system("task_progress", fields);
                let block = json!([{ "type": "tool_use", "id": call_id, "name": call.name, "input": call.input }]);
                let message = self.message(
                    &format!("msg_standin_{:06}", self.counts.messages),
                    block,
                    Value::Null,
                );
                self.wire.assistant(&fresh_id(), &message, parent.marks());
                results.push(self.use_tool(&call_id, call, Some(&parent))?.text());
            }
        }
        Ok(match &script.answer {
            script::Answer::Text(text) => text.clone(),
            _ if results.is_empty() => format!("echo: {}", script.text),
            _ => format!("tool said: {}", results.join(" | ")),
        })
    }

    fn begin_task(&mut self, task: Task) {
        self.work.tasks.push(task.clone());
        self.list_tasks();
        let prompt = task.prompt.clone();
        self.announce_task(&task, prompt.as_deref(), true);
    }

    fn announce_task(&mut self, task: &Task, prompt: Option<&str>, is_backgrounded: bool) {
        let mut fields = json!({
            "task_id": task.id, "run_id": task.run_id, "tool_use_id": task.tool_use_id, "description": task.description,
            "is_backgrounded": is_backgrounded, "task_type": task.kind,
        });
        if let Some(prompt) = prompt {
            merge(
                &mut fields,
                json!({ "subagent_type": "general-purpose", "spawn_depth": 1, "prompt": prompt }),
            );
        }
        self.wire.system("task_started", fields);
    }

    fn list_tasks(&mut self) {
        let listed = |task: &Task| json!({ "task_id": task.id, "run_id": task.run_id, "task_type": task.kind, "description": task.description });
        let tasks: Vec<Value> = self.work.tasks.iter().map(listed).collect();
        self.wire
            .system("background_tasks_changed", json!({ "tasks": tasks }));
    }

    fn close_task(&mut self, task: &Task, status: &str, summary: &str) {
        let end_ms = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis() as u64;
        let patch = json!({ "status": status, "end_time": end_ms });
        self.wire.system(
            "task_updated",
            json!({ "task_id": task.id, "run_id": task.run_id, "patch": patch }),
        );
        let fields = json!({
            "task_id": task.id, "run_id": task.run_id, "tool_use_id": task.tool_use_id, "status": status, "summary": summary,
        });
        self.wire.system("task_notification", fields);
    }

    /// Tells that background work has ended, and lets the model speak about it in a turn of its own.
    pub(super) fn tell_task_ended(&mut self, task: Task, code: Option<i32>) {
        let mut summary = match code {
            Some(code) => format!(
                "Background command \"{}\" completed (exit code {code})",
                task.description
            ),
            None => format!(
                "Background command \"{}\" failed to start",
                task.description
            ),
        };
        if let Some(prompt) = &task.prompt {
            summary = match self.work_in_background(&task, prompt) {
                Ok(report) => report,
                Err(Aborted) => "interrupted".to_owned(),
            };
        }
        let status = if task.stopped { "stopped" } else { "completed" };
        self.close_task(&task, status, &summary);
        self.list_tasks();
        let about = if task.prompt.is_some() {
            format!("Agent \"{}\" finished", task.description)
        } else {
            summary
        };
        let notice = format!(
            "<task-notification>\n<task-id>{}</task-id>\n<summary>{about}</summary>\n</task-notification>",
            task.id
        );
        let origin = json!({ "kind": "task-notification", "producer": "session-task", "runId": task.run_id });
        self.run_unsolicited(&notice, &format!("notified: {about}"), origin);
    }

    /// A sub-agent's work between two turns. It has no turn of its own, so one without a result is lent to it.
    fn work_in_background(&mut self, task: &Task, prompt: &str) -> Result<String, Aborted> {
        self.lend_turn();
        let report = self.work_as_agent(task, prompt);
        self.turn = None;
        let report = report?;
        let parent = Parent {
            tool_use_id: task.tool_use_id.clone(),
            agent_id: task.id.clone(),
        };
        let message = self.message(
            &fresh_id(),
            json!([{ "type": "text", "text": report }]),
            Value::Null,
        );
        self.wire.assistant(&fresh_id(), &message, parent.marks());
        Ok(report)
    }

    /// Stops background work. Unknown tasks are no error for the real one.
    pub(super) fn stop_task(&mut self, task_id: &str) {
        let Some(task) = self.work.tasks.iter_mut().find(|task| task.id == task_id) else {
            return;
        };
        task.stopped = true;
        let id = task.id.clone();
        if self.work.programs.contains_key(&id) {
            self.stop_command(&id);
        } else {
            let _ = self.intake.sender.send(Input::TaskEnded { task_id: id });
        }
    }
}
