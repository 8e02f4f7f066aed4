//! Sub-agents: inside the turn that called them, or, if background work is allowed, beside it and after its result.
//!
//! A sub-agent never waits: what it waits for wakes it in [`Engine::wake_agents`], whatever else runs.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::{Value, json};

use super::calls::{Progress, Running, Use, Waiting};
use super::engine::{Engine, Wake};
use super::fault::Fault;
use super::fresh_id;
use super::input::{self, Input};
use super::script::{self, Answer, Call, Script};
use super::tasks::{Kind, Task};
use super::tools::{Started, ToolResult};

/// Whose lines a sub-agent's are.
#[derive(Debug, Clone)]
pub(super) struct Parent {
    tool_use_id: String,
    pub(super) agent_id: String,
    description: String,
    /// It works beside turns, not inside one.
    pub(super) beside: bool,
}

impl Parent {
    /// The fields that tell its lines from the main agent's.
    pub(super) fn marks(&self) -> Value {
        json!({
            "parent_tool_use_id": self.tool_use_id, "agent_id": self.agent_id, "subagent_type": "general-purpose",
            "task_description": self.description,
        })
    }
}

/// A sub-agent at work.
#[derive(Debug)]
pub(super) struct Agent {
    task: Task,
    parent: Parent,
    script: Script,
    /// What it has still to call.
    calls: VecDeque<Call>,
    results: Vec<String>,
    /// The call that it waits for.
    current: Option<(Use, Waiting)>,
}

impl Agent {
    fn report(&self) -> String {
        match &self.script.answer {
            Answer::Text(text) => text.clone(),
            _ if self.results.is_empty() => format!("echo: {}", self.script.text),
            _ => format!("tool said: {}", self.results.join(" | ")),
        }
    }

    fn is_woken_by(&self, wake: &Wake) -> bool {
        let current = self.current.as_ref();
        current.is_some_and(|(used, waiting)| waiting.is_met_by(&used.id, wake))
    }

    /// The request of ours that is open for it.
    fn request_id(&self) -> Option<&str> {
        self.current.as_ref()?.1.request_id()
    }
}

impl Engine {
    /// Starts a sub-agent.
    pub(super) fn run_agent(&mut self, tool_use_id: &str, input: &Value) -> Started {
        let prompt = input["prompt"].as_str().unwrap_or("");
        let description = input["description"].as_str().unwrap_or("sub-agent");
        let task = Task::new(tool_use_id, description, Kind::Agent);
        let parent = Parent {
            tool_use_id: tool_use_id.to_owned(),
            agent_id: task.id.clone(),
            description: description.to_owned(),
            beside: self.surroundings.background,
        };
        let script = script::parse(prompt);
        let agent = Agent {
            task: task.clone(),
            parent,
            calls: script.steps.iter().flatten().cloned().collect(),
            script,
            results: Vec::new(),
            current: None,
        };
        let extra =
            json!({ "subagent_type": "general-purpose", "spawn_depth": 1, "prompt": prompt });
        if agent.parent.beside {
            self.begin_task(task.clone(), extra);
        } else {
            self.announce_task(&task, false, extra);
            let content = json!([{ "type": "text", "text": prompt }]);
            self.wire.user(&fresh_id(), content, agent.parent.marks());
        }
        let is_beside = agent.parent.beside;
        self.let_think(agent);
        if !is_beside {
            return Started::Running(Running::Agent { task_id: task.id });
        }
        let text = format!("Async agent launched successfully.\nagentId: {}", task.id);
        let detail = json!({ "isAsync": true, "status": "async_launched", "agentId": task.id, "prompt": prompt });
        Started::Finished(ToolResult {
            content: json!([{ "type": "text", "text": text }]),
            detail,
            is_error: false,
        })
    }

    /// Its next message comes after the script's pause; meanwhile everything else goes on.
    fn let_think(&mut self, agent: Agent) {
        let pause = Duration::from_millis(agent.script.wait_ms);
        let task_id = agent.task.id.clone();
        self.work.agents.push(agent);
        input::later(&self.intake.sender, pause, Input::AgentSpeaks { task_id });
    }

    /// A message of a sub-agent: its next call, or its report.
    pub(super) fn let_speak(&mut self, task_id: &str) -> Option<Wake> {
        let mut agent = self.remove_agent(task_id)?;
        let Some(call) = agent.calls.pop_front() else {
            if agent.script.fault == Some(Fault::Hang) {
                self.work.agents.push(agent);
                return None;
            }
            return self.end_agent(&agent);
        };
        self.counts.messages += 1;
        let used = Use {
            id: format!("toolu_standin_{:06}_0", self.counts.messages),
            call,
        };
        self.tell_call(&agent, &used);
        let progress = self.begin_call(&used, Some(&agent.parent));
        self.settle(agent, used, progress);
        None
    }

    /// A call of a sub-agent and its progress, in the order in which the real one prints them.
    fn tell_call(&mut self, agent: &Agent, used: &Use) {
        let (task, call) = (&agent.task, &used.call);
        let what = call.input["command"].as_str().unwrap_or(&call.name);
        let progress = json!({
            "task_id": task.id, "run_id": task.run_id, "tool_use_id": task.tool_use_id,
            "description": format!("Running {what}"), "subagent_type": "general-purpose", "last_tool_name": call.name,
        });
        let block =
            json!([{ "type": "tool_use", "id": used.id, "name": call.name, "input": call.input }]);
        let id = format!("msg_standin_{:06}", self.counts.messages);
        let message = self.message(&id, block, Value::Null);
        if agent.parent.beside {
            self.wire
                .assistant(&fresh_id(), &message, agent.parent.marks());
            self.wire.system("task_progress", progress);
        } else {
            self.wire.system("task_progress", progress);
            self.wire
                .assistant(&fresh_id(), &message, agent.parent.marks());
        }
    }

    fn settle(&mut self, mut agent: Agent, used: Use, progress: Progress) {
        match progress {
            Progress::Done(result) => {
                agent.results.push(result.text());
                self.let_think(agent);
            }
            Progress::Waits(waiting) => {
                agent.current = Some((used, waiting));
                self.work.agents.push(agent);
            }
            // The turn around it ends, and it with the turn.
            Progress::Aborted => self.work.agents.push(agent),
        }
    }

    /// Lets sub-agents have what they wait for. What concerns nobody, or also others, comes back.
    pub(super) fn wake_agents(&mut self, wake: Wake) -> Option<Wake> {
        if matches!(wake, Wake::Eof) {
            while let Some(index) = self.woken_agent(&Wake::Eof) {
                self.wake_agent(index, Wake::Eof);
            }
            return Some(wake);
        }
        let Some(index) = self.woken_agent(&wake) else {
            return Some(wake);
        };
        self.wake_agent(index, wake);
        None
    }

    fn woken_agent(&self, wake: &Wake) -> Option<usize> {
        let mut agents = self.work.agents.iter();
        agents.position(|agent| agent.is_woken_by(wake))
    }

    fn wake_agent(&mut self, index: usize, wake: Wake) {
        let mut agent = self.work.agents.remove(index);
        let Some((used, waiting)) = agent.current.take() else {
            return self.work.agents.push(agent);
        };
        let progress = self.continue_call(&used, waiting, wake, Some(&agent.parent));
        self.settle(agent, used, progress);
    }

    fn end_agent(&mut self, agent: &Agent) -> Option<Wake> {
        let (task, report) = (&agent.task, agent.report());
        if !agent.parent.beside {
            self.close_task(task, "completed", &report);
            return Some(Wake::AgentEnded {
                task_id: task.id.clone(),
                report,
            });
        }
        let block = json!([{ "type": "text", "text": report }]);
        let message = self.message(&fresh_id(), block, Value::Null);
        self.wire
            .assistant(&fresh_id(), &message, agent.parent.marks());
        self.remove_task(&task.id);
        let about = format!("Agent \"{}\" finished", task.description);
        self.end_task(task, "completed", &report, &about);
        None
    }

    pub(super) fn remove_agent(&mut self, task_id: &str) -> Option<Agent> {
        let mut agents = self.work.agents.iter();
        let index = agents.position(|agent| agent.task.id == task_id)?;
        Some(self.work.agents.remove(index))
    }

    /// Withdraws the request of a sub-agent that is killed.
    pub(super) fn silence_agent(&mut self, agent: &Agent) {
        if let Some(request_id) = agent.request_id() {
            self.wire.cancel_request(request_id);
        }
    }

    /// The sub-agent inside the turn is cut off with it. Says nothing but that its request is over.
    pub(super) fn withdraw_inner_request(&mut self) {
        let inner = self.work.agents.iter().find(|agent| !agent.parent.beside);
        if let Some(request_id) = inner.and_then(Agent::request_id) {
            self.wire.cancel_request(request_id);
        }
    }

    /// Cuts a sub-agent off whose turn is cut off. Its lines are closed later, behind the result of the call that it was.
    pub(super) fn stop_inner(&mut self, task_id: &str) {
        if let Some(mut agent) = self.remove_agent(task_id) {
            self.let_go(&agent);
            agent.current = None;
            self.work.agents.push(agent);
        }
    }

    /// Closes the lines of the sub-agent inside a turn that was cut off, if there was one.
    pub(super) fn close_inner(&mut self) {
        let mut agents = self.work.agents.iter();
        if let Some(index) = agents.position(|agent| !agent.parent.beside) {
            let task = self.work.agents.remove(index).task;
            self.close_task(&task, "stopped", &task.description);
        }
    }

    /// Kills the sub-agents that work beside turns, as an interrupt does, even between turns.
    pub(super) fn kill_agents(&mut self) -> Vec<Agent> {
        let tasks = self.work.tasks.clone().into_iter();
        tasks
            .filter(|task| task.kind == Kind::Agent)
            .filter_map(|task| self.kill_task(&task))
            .collect()
    }

    /// Ends what a killed sub-agent waits for. Its request has been withdrawn before.
    pub(super) fn let_go(&mut self, agent: &Agent) {
        if let Some((used, waiting)) = &agent.current {
            self.give_up_call(used, waiting, Some(&agent.parent));
        }
    }

    /// The last lines of a killed sub-agent. They come after the answer to the request that killed it.
    pub(super) fn tell_cut_off(&mut self, agent: &Agent) {
        let mut mark = "[Request interrupted by user]";
        if let Some((used, _)) = &agent.current {
            self.report_rejection(&used.id, Some(&agent.parent));
            mark = "[Request interrupted by user for tool use]";
        }
        let content = json!([{ "type": "text", "text": mark }]);
        self.wire.user(&fresh_id(), content, agent.parent.marks());
    }
}

/// The result of a call that a sub-agent inside the turn has answered.
pub(super) fn hand_back(task_id: &str, report: &str) -> ToolResult {
    let text = format!(
        "[Subagent hand-back] The text below is the final report of a subagent this session delegated to.\n  {report}"
    );
    let detail = json!({ "status": "completed", "agentId": task_id, "content": [{ "type": "text", "text": report }] });
    ToolResult {
        content: json!([{ "type": "text", "text": text }]),
        detail,
        is_error: false,
    }
}
