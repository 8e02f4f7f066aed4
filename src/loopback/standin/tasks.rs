//! Work that has lines of its own: commands and sub-agents that run on after a result, and commands that last.
//!
//! The end of background work is told to the model: in the running turn if that uses a tool, else in a turn that nobody asked for.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::agents::Parent;
use super::engine::Engine;
use super::fresh_id;
use super::input::{self, Input};
use super::tools::ToolResult;
use super::transcript::merge;

/// After this time a command inside a turn gets lines of its own.
const LASTING: Duration = Duration::from_secs(3);

/// What kind of work it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Bash,
    Agent,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Bash => "local_bash",
            Kind::Agent => "local_agent",
        }
    }
}

/// Work with lines of its own.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) id: String,
    pub(super) run_id: String,
    pub(super) tool_use_id: String,
    pub(super) description: String,
    pub(super) kind: Kind,
}

impl Task {
    pub(super) fn new(tool_use_id: &str, description: &str, kind: Kind) -> Task {
        let id = fresh_id().replace('-', "");
        let prefix = if kind == Kind::Agent { 'a' } else { 'b' };
        Task {
            id: format!("{prefix}{}", &id[..8]),
            run_id: format!("0{}-{}", &id[8..16], &id[16..24]),
            tool_use_id: tool_use_id.to_owned(),
            description: description.to_owned(),
            kind,
        }
    }
}

/// What the model is told about work that has ended.
#[derive(Debug)]
pub(super) struct Notice {
    text: String,
    about: String,
    origin: Value,
    /// Its place among the messages that came.
    pub(super) arrival: u64,
}

impl Engine {
    /// A command that runs on; its result for the model.
    pub(super) fn start_background_command(
        &mut self,
        tool_use_id: &str,
        command: &str,
    ) -> ToolResult {
        let task = Task::new(tool_use_id, command, Kind::Bash);
        let text = format!(
            "Command running in background with ID: {}. You will be notified when it completes.",
            task.id
        );
        let detail = json!({ "stdout": "", "stderr": "", "interrupted": false, "backgroundTaskId": task.id });
        self.start_command(&task.id, command);
        self.begin_task(task, Value::Null);
        ToolResult::done(text, detail)
    }

    /// Work that is only pretended, and ends after `delay`.
    pub(super) fn start_simulated_task(&mut self, delay: Duration) {
        let call = format!("toolu_standin_{}", fresh_id());
        let task = Task::new(&call, "simulated background work", Kind::Bash);
        let end = Input::TaskEnded {
            task_id: task.id.clone(),
        };
        self.begin_task(task, Value::Null);
        input::later(&self.intake.sender, delay, end);
    }

    pub(super) fn begin_task(&mut self, task: Task, extra: Value) {
        self.work.tasks.push(task.clone());
        self.list_tasks();
        self.announce_task(&task, true, extra);
    }

    pub(super) fn announce_task(&mut self, task: &Task, is_backgrounded: bool, extra: Value) {
        let mut fields = json!({
            "task_id": task.id, "run_id": task.run_id, "tool_use_id": task.tool_use_id, "description": task.description,
            "is_backgrounded": is_backgrounded, "task_type": task.kind.name(),
        });
        merge(&mut fields, extra);
        self.wire.system("task_started", fields);
    }

    fn list_tasks(&mut self) {
        let listed = |task: &Task| json!({ "task_id": task.id, "run_id": task.run_id, "task_type": task.kind.name(), "description": task.description });
        let tasks: Vec<Value> = self.work.tasks.iter().map(listed).collect();
        self.wire
            .system("background_tasks_changed", json!({ "tasks": tasks }));
    }

    /// The two lines that end a task. A stopped one is "killed" in the first and "stopped" in the second.
    pub(super) fn close_task(&mut self, task: &Task, status: &str, summary: &str) {
        let end_ms = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis() as u64;
        let patched = if status == "stopped" {
            "killed"
        } else {
            status
        };
        let patch = json!({ "status": patched, "end_time": end_ms });
        self.wire.system(
            "task_updated",
            json!({ "task_id": task.id, "run_id": task.run_id, "patch": patch }),
        );
        self.notify_of_task(task, status, summary);
    }

    fn notify_of_task(&mut self, task: &Task, status: &str, summary: &str) {
        let fields = json!({
            "task_id": task.id, "run_id": task.run_id, "tool_use_id": task.tool_use_id, "status": status,
            "output_file": "", "summary": summary,
        });
        self.wire.system("task_notification", fields);
    }

    /// A program or a pretence has ended. False: it was no background work, or had been stopped before.
    pub(super) fn take_task_end(&mut self, task_id: &str, code: Option<i32>) -> bool {
        let Some(task) = self.remove_task(task_id) else {
            return false;
        };
        let what = format!("Background command \"{}\"", task.description);
        let (status, summary) = match code {
            Some(0) => ("completed", format!("{what} completed (exit code 0)")),
            Some(code) => ("failed", format!("{what} failed with exit code {code}")),
            None => ("failed", format!("{what} failed to start")),
        };
        self.end_task(&task, status, &summary, &summary);
        true
    }

    pub(super) fn remove_task(&mut self, task_id: &str) -> Option<Task> {
        let index = self.work.tasks.iter().position(|task| task.id == task_id)?;
        Some(self.work.tasks.remove(index))
    }

    /// Tells of a task that is off the list, and leaves word for the model.
    pub(super) fn end_task(&mut self, task: &Task, status: &str, summary: &str, about: &str) {
        self.close_task(task, status, summary);
        self.list_tasks();
        self.leave_word(task, status, about);
    }

    /// The model will be told about a task as soon as it listens.
    pub(super) fn leave_word(&mut self, task: &Task, status: &str, about: &str) {
        let text = format!(
            "<task-notification>\n<task-id>{}</task-id>\n<tool-use-id>{}</tool-use-id>\n<status>{status}</status>\n\
             <summary>{about}</summary>\n</task-notification>",
            task.id, task.tool_use_id
        );
        let origin = json!({ "kind": "task-notification", "producer": "session-task", "runId": task.run_id });
        let arrival = self.intake.next_arrival();
        self.work.notices.push_back(Notice {
            text,
            about: about.to_owned(),
            origin,
            arrival,
        });
    }

    /// Tells the model, in a turn of its own, what came before any message that waits. Only the last notice is answered.
    /// False: there is nothing to tell.
    pub(super) fn tell_notices(&mut self) -> bool {
        let limit = self.intake.first_arrival();
        let is_due =
            |notice: &Notice| limit.is_none_or(|message_arrival| notice.arrival < message_arrival);
        let mut told = false;
        while self.work.notices.front().is_some_and(is_due) {
            let Some(notice) = self.work.notices.pop_front() else {
                break;
            };
            told = true;
            let is_last = !self.work.notices.front().is_some_and(is_due);
            let answer = is_last.then(|| format!("notified: {}", notice.about));
            self.run_unsolicited(&notice.text, answer.as_deref(), notice.origin);
        }
        told
    }

    /// Tells the model inside the turn whose tools have just run. Returns what it says to that.
    pub(super) fn take_notices(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        for notice in std::mem::take(&mut self.work.notices) {
            self.transcript.told(&notice.text);
            if self.wire.replay {
                self.wire.user(
                    &fresh_id(),
                    Value::from(notice.text),
                    json!({ "isReplay": true, "origin": notice.origin }),
                );
            }
            said.push(format!("notified: {}", notice.about));
        }
        said
    }

    /// Stops background work. Unknown tasks are no error for the real one.
    pub(super) fn stop_task(&mut self, request_id: &str, task_id: &str) {
        let found = self.work.tasks.iter().find(|task| task.id == task_id);
        let Some(task) = found.cloned() else {
            return self.wire.answer(request_id, json!({}));
        };
        let agent = self.kill_task(&task);
        self.wire.answer(request_id, json!({}));
        match agent {
            Some(agent) => {
                self.let_go(&agent);
                self.tell_cut_off(&agent);
                let about = format!("Agent \"{}\" was stopped by user", task.description);
                self.leave_word(&task, "stopped", &about);
            }
            None => self.become_idle(),
        }
    }

    /// Takes a task off the list and ends what it runs; a sub-agent is handed back.
    pub(super) fn kill_task(&mut self, task: &Task) -> Option<super::agents::Agent> {
        self.remove_task(&task.id);
        let agent = self.remove_agent(&task.id);
        match &agent {
            Some(agent) => self.silence_agent(agent),
            None => self.stop_command(&task.id),
        }
        self.close_task(task, "stopped", &task.description);
        self.list_tasks();
        agent
    }

    /// Ends all background work, as an end of stdin does that follows an interrupt.
    pub(super) fn kill_tasks(&mut self) {
        for task in self.work.tasks.clone() {
            self.kill_task(&task);
        }
    }

    /// A command inside a turn gets lines of its own if it runs long.
    pub(super) fn show_if_it_lasts(&mut self, id: &str, command: &str, parent: Option<&Parent>) {
        let task = Task::new(id, command, Kind::Bash);
        let agent_id = parent.map(|parent| parent.agent_id.clone());
        input::later(
            &self.intake.sender,
            LASTING,
            Input::Lasts { task, agent_id },
        );
    }

    pub(super) fn show_lasting(&mut self, task: Task, agent_id: Option<String>) {
        let id = &task.tool_use_id;
        if self
            .work
            .programs
            .get(id)
            .is_none_or(|program| program.is_stopped)
        {
            return;
        }
        let extra = match agent_id {
            Some(agent_id) => json!({ "owned_by_subagent": true, "parent_task_id": agent_id }),
            None => Value::Null,
        };
        self.announce_task(&task, false, extra);
        self.work.lasting.insert(id.clone(), task);
    }

    /// Ends the lines of a command that lasted, if it did.
    pub(super) fn close_lasting(&mut self, id: &str, status: &str) {
        if let Some(task) = self.work.lasting.remove(id) {
            self.notify_of_task(&task, status, &task.description);
        }
    }
}
