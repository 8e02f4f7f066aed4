//! Sub-agents and commands that run for longer than a moment.

use serde::Deserialize;
use serde_json::Error;

use super::lenient::or_default;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// What `stop_task` takes.
    pub task_id: String,
    /// The tool call that began it.
    pub tool_use_id: Option<String>,
    pub event: TaskEvent,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskEvent {
    Started {
        /// `local_agent` or `local_bash`. The latter also for a foreground command of more than 3 s.
        task_type: Option<String>,
        description: String,
        /// `None` in 2.1.197.
        is_backgrounded: Option<bool>,
    },
    Progress {
        description: String,
        last_tool_name: Option<String>,
        tool_uses: u64,
    },
    /// `completed`, `failed`, `stopped`, `killed`, …; `None` when something else of it changed.
    Updated { status: Option<String> },
    /// Its end, as the model is told.
    Notification {
        /// `completed`, `failed` or `stopped`.
        status: Option<String>,
        summary: String,
    },
}

/// Reads a line of type `system` with one of the subtypes `task_…`.
pub(super) fn task(subtype: &str, line: &str) -> Result<Task, Error> {
    serde_json::from_str::<TaskLine>(line).map(|line| line.task(subtype))
}

#[derive(Deserialize)]
struct TaskLine {
    task_id: String,
    #[serde(default, deserialize_with = "or_default")]
    tool_use_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    task_type: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    description: String,
    #[serde(default, deserialize_with = "or_default")]
    is_backgrounded: Option<bool>,
    #[serde(default, deserialize_with = "or_default")]
    last_tool_name: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    usage: TaskUsage,
    #[serde(default, deserialize_with = "or_default")]
    status: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    summary: String,
    #[serde(default, deserialize_with = "or_default")]
    patch: TaskPatch,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TaskUsage {
    tool_uses: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TaskPatch {
    status: Option<String>,
}

impl TaskLine {
    fn task(self, subtype: &str) -> Task {
        let event = match subtype {
            "task_started" => TaskEvent::Started {
                task_type: self.task_type,
                description: self.description,
                is_backgrounded: self.is_backgrounded,
            },
            "task_progress" => TaskEvent::Progress {
                description: self.description,
                last_tool_name: self.last_tool_name,
                tool_uses: self.usage.tool_uses,
            },
            "task_updated" => TaskEvent::Updated {
                status: self.patch.status,
            },
            _ => TaskEvent::Notification {
                status: self.status,
                summary: self.summary,
            },
        };
        Task {
            task_id: self.task_id,
            tool_use_id: self.tool_use_id,
            event,
        }
    }
}
