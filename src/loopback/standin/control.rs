//! Requests of the bridge, answered at any time, and what `init` says about the process.

use serde_json::{Value, json};

use super::engine::{Abort, Engine};
use super::permission::Mode;
use super::{DEFAULT_MODEL, VERSION};

/// Short names of models, what they stand for, and what they are called.
const MODELS: [(&str, &str, &str); 4] = [
    ("default", DEFAULT_MODEL, "Default (recommended)"),
    ("opus", DEFAULT_MODEL, "Opus"),
    ("sonnet", "claude-sonnet-5-5", "Sonnet"),
    ("haiku", "claude-haiku-5-5", "Haiku"),
];

/// Commands as `initialize` lists them: name, description, hint, other names.
const COMMANDS: [(&str, &str, &str, &[&str]); 6] = [
    (
        "clear",
        "Start a new session with empty context; the old one stays in /resume",
        "[name]",
        &["reset", "new"],
    ),
    (
        "compact",
        "Free up context by summarizing the conversation so far",
        "<optional custom summarization instructions>",
        &[],
    ),
    ("context", "Show current context usage", "", &[]),
    ("cost", "Show session cost", "", &[]),
    ("model", "Set the AI model for Claude Code", "<model>", &[]),
    (
        "usage",
        "Show session cost, plan usage, and what's contributing to your limits",
        "",
        &["stats"],
    ),
];

/// What `init` says the version can do. Only what is done here is claimed.
const CAPABILITIES: [&str; 4] = [
    "interrupt_receipt_v1",
    "interrupt_cancel_queued_v1",
    "msg_lifecycle_v1",
    "request_marker_lists_v1",
];

/// The full name of a model; unknown ones are taken as they are.
pub(super) fn resolve_model(name: &str) -> String {
    MODELS
        .iter()
        .find(|(short, ..)| *short == name)
        .map_or(name, |(_, full, _)| full)
        .to_owned()
}

impl Engine {
    pub(super) fn answer_request(&mut self, id: &str, request: &Value) {
        let response = match request["subtype"].as_str().unwrap_or("") {
            "initialize" => {
                let response = self.initialize_response();
                self.wire.answer(id, response);
                if let Some(prompt) = request["appendSystemPrompt"].as_str() {
                    self.options.append_system_prompt = Some(prompt.to_owned());
                }
                return self.connect_servers(&request["sdkMcpServers"]);
            }
            "interrupt" => {
                return self.interrupt(id, request["cancel_queued"] == Value::Bool(true));
            }
            "cancel_async_message" => {
                return self.cancel_message(id, request["message_uuid"].as_str().unwrap_or(""));
            }
            "set_permission_mode" => {
                return self.change_mode(id, request["mode"].as_str().unwrap_or(""));
            }
            "set_model" => {
                self.model = resolve_model(request["model"].as_str().unwrap_or("default"));
                json!({ "model": self.model })
            }
            "stop_task" => {
                return self.stop_task(id, request["task_id"].as_str().unwrap_or(""));
            }
            "get_session_cost" => json!({ "text": self.ledger.summary() }),
            "get_binary_version" => json!({ "version": VERSION }),
            "mcp_status" => json!({ "mcpServers": self.servers.listed() }),
            "get_context_usage" => {
                json!({ "categories": [], "totalTokens": 12_300, "maxTokens": 1_000_000, "percentage": 1 })
            }
            "get_usage" => {
                let session = json!({ "total_cost_usd": self.ledger.total_dollars() });
                json!({ "session": session, "subscription_type": null, "rate_limits_available": false, "rate_limits": null })
            }
            "get_settings" => {
                json!({ "effective": {}, "sources": [], "applied": { "model": self.model } })
            }
            "rename_session" => {
                self.wire.system(
                    "session_title_changed",
                    json!({ "title": request["title"] }),
                );
                Value::Null
            }
            "reload_skills" => json!({ "skills": [] }),
            "background_tasks" => json!({}),
            "set_max_thinking_tokens" => Value::Null,
            "end_session" => {
                self.intake.open = false;
                Value::Null
            }
            unknown => {
                let error = format!("Unsupported control request subtype: {unknown}");
                return self.wire.refuse(id, &error, "unsupported_request");
            }
        };
        self.wire.answer(id, response);
    }

    /// Cuts the running turn off, and the sub-agents beside it; background commands live on.
    /// A message that still waits is not hit, but named, unless the queue is to be dropped.
    fn interrupt(&mut self, id: &str, cancel_queued: bool) {
        let cancelled = cancel_queued.then(|| self.cancel_queued());
        let had_tasks = !self.work.tasks.is_empty();
        self.interrupted = true;
        self.abort(Abort::Interrupt);
        let killed = self.kill_agents();
        let waiting: Vec<&str> = self
            .intake
            .queue
            .iter()
            .filter_map(|line| line.uuid.as_deref())
            .collect();
        let mut response = json!({ "still_queued": waiting });
        let was_waiting = cancelled.as_ref().is_some_and(|uuids| !uuids.is_empty());
        if let Some(cancelled) = cancelled {
            response["cancelled"] = Value::from(cancelled);
        }
        self.wire.answer(id, response);
        for agent in &killed {
            self.let_go(agent);
        }
        if had_tasks || was_waiting {
            self.become_idle();
        }
        for agent in &killed {
            self.tell_cut_off(agent);
        }
    }

    /// Takes a message back. One that came this very moment is taken back too, but the answer denies it.
    fn cancel_message(&mut self, id: &str, uuid: &str) {
        let queue = &mut self.intake.queue;
        let found = queue
            .iter()
            .position(|line| line.uuid.as_deref() == Some(uuid));
        let Some(index) = found else {
            return self.wire.answer(id, json!({ "cancelled": false }));
        };
        queue.remove(index);
        self.transcript.queue("dequeue", Value::Null);
        if self.turn.is_none() {
            self.wire.answer(id, json!({ "cancelled": false }));
            self.wire.lifecycle(uuid, "cancelled");
            return self.become_idle();
        }
        self.wire.lifecycle(uuid, "cancelled");
        self.wire
            .answer(id, json!({ "cancelled": true, "message_uuid": uuid }));
    }

    fn change_mode(&mut self, id: &str, name: &str) {
        let Some(mode) = Mode::parse(name) else {
            let error = format!("Cannot set permission mode: must be one of {}", Mode::NAMES);
            return self.wire.refuse(id, &error, "invalid_mode");
        };
        if mode == Mode::BypassPermissions && !self.permissions.bypass_allowed {
            let error = "Cannot set permission mode to bypassPermissions because the session was not launched with \
                 --dangerously-skip-permissions";
            return self.wire.refuse(id, error, "bypass_not_launched");
        }
        self.wire.answer(id, json!({ "mode": mode.name() }));
        self.set_mode(mode);
    }

    fn initialize_response(&self) -> Value {
        let commands = COMMANDS.iter().map(|(name, description, hint, aliases)| {
            json!({ "name": name, "description": description, "argumentHint": hint, "aliases": aliases, "builtin": true })
        });
        let models = MODELS.iter().map(|(value, resolved, shown)| {
            let description = format!("{shown}, pretended by the stand-in");
            json!({ "value": value, "resolvedModel": resolved, "displayName": shown, "description": description })
        });
        json!({
            "commands": commands.collect::<Value>(), "models": models.collect::<Value>(),
            "agents": [{ "name": "general-purpose", "description": "The stand-in's sub-agent" }],
            "account": { "tokenSource": "none", "apiKeySource": "none", "apiProvider": "firstParty" },
            "output_style": "default", "available_output_styles": ["default"], "pid": std::process::id(),
            "claude_code_version": VERSION, "current_permission_mode": self.permissions.mode.name(),
            "session_state": if self.turn.is_some() { "running" } else { "idle" }, "capabilities": [],
        })
    }

    /// The fields of an `init` line.
    pub(super) fn init_fields(&self, user_message_uuids: Value) -> Value {
        let mut fields = json!({
            "cwd": self.surroundings.cwd, "original_cwd": self.surroundings.cwd, "additional_directories": [],
            "tools": self.permissions.offered(self.surroundings.todo_tools), "mcp_servers": self.servers.listed(),
            "model": self.model, "permissionMode": self.permissions.mode.name(),
            "slash_commands": COMMANDS.iter().map(|(name, ..)| *name).collect::<Value>(), "skills": [], "plugins": [],
            "agents": ["general-purpose"], "apiKeySource": "none", "claude_code_version": VERSION,
            "output_style": "default", "capabilities": CAPABILITIES,
        });
        if user_message_uuids
            .as_array()
            .is_some_and(|uuids| !uuids.is_empty())
        {
            fields["user_message_uuids"] = user_message_uuids;
        }
        fields
    }
}
