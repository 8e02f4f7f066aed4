//! MCP servers inside the driving program: `mcp_message` requests over the same pipe.
//!
//! Only what a bridge with a tool of its own needs: the handshake, the list of tools, and calls.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::VERSION;
use super::engine::{Engine, Wake};
use super::fresh_id;
use super::tools::ToolResult;

/// The servers that `initialize` named.
#[derive(Debug, Default)]
pub(super) struct Servers {
    connected: Vec<String>,
    /// Requests of handshakes that wait for an answer.
    pending: HashMap<String, (String, Step)>,
    next_id: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Initialize,
    Initialized,
    ListTools,
}

impl Servers {
    /// For `init`.
    pub(super) fn listed(&self) -> Value {
        self.connected
            .iter()
            .map(|name| json!({ "name": name, "status": "connected" }))
            .collect()
    }
}

impl Engine {
    /// Begins the handshakes.
    pub(super) fn connect_servers(&mut self, names: &Value) {
        for name in names
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            let info = json!({ "name": "claude-code", "version": VERSION });
            let params =
                json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
            self.handshake(name, Step::Initialize, "initialize", params);
        }
    }

    fn handshake(&mut self, server: &str, step: Step, method: &str, params: Value) {
        let request_id = self.send_to_server(server, method, params, step != Step::Initialized);
        self.servers
            .pending
            .insert(request_id, (server.to_owned(), step));
    }

    fn send_to_server(
        &mut self,
        server: &str,
        method: &str,
        params: Value,
        expects_result: bool,
    ) -> String {
        let mut message = json!({ "jsonrpc": "2.0", "method": method });
        if !params.is_null() {
            message["params"] = params;
        }
        if expects_result {
            message["id"] = Value::from(self.servers.next_id);
            self.servers.next_id += 1;
        }
        let request_id = fresh_id();
        self.wire.request(
            &request_id,
            json!({ "subtype": "mcp_message", "server_name": server, "message": message }),
        );
        request_id
    }

    /// Goes on with a handshake. False: the response belongs to something else.
    pub(super) fn take_server_response(&mut self, request_id: &str, response: &Value) -> bool {
        let Some((server, step)) = self.servers.pending.remove(request_id) else {
            return false;
        };
        let result = &response["response"]["mcp_response"]["result"];
        match step {
            Step::Initialize if result.is_object() => {
                self.handshake(
                    &server,
                    Step::Initialized,
                    "notifications/initialized",
                    Value::Null,
                );
                self.handshake(&server, Step::ListTools, "tools/list", Value::Null);
            }
            Step::ListTools => {
                let names = result["tools"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|tool| tool["name"].as_str());
                self.permissions
                    .served
                    .extend(names.map(|name| format!("mcp__{server}__{name}")));
                self.servers.connected.push(server);
            }
            Step::Initialize | Step::Initialized => {}
        }
        true
    }

    /// Lets servers introduce themselves before a turn lists their tools. A slow one is left behind.
    pub(super) fn wait_for_servers(&mut self, limit: Duration) {
        let until = Instant::now() + limit;
        while !self.servers.pending.is_empty() && self.intake.open {
            // One that answers is noticed at once: its answer brings the next request or ends the list.
            match self.next_wake(Some(Instant::now() + Duration::from_millis(5))) {
                Wake::Aborted => return,
                Wake::Timeout if Instant::now() >= until => {
                    self.servers.pending.clear();
                }
                _ => {}
            }
        }
    }

    pub(super) fn serves(&self, tool: &str) -> bool {
        self.permissions.served.iter().any(|served| served == tool)
    }

    /// Calls a tool of the driving program; returns the request's id.
    pub(super) fn call_server(&mut self, id: &str, tool: &str, input: &Value) -> String {
        let mut names = tool.splitn(3, "__").skip(1);
        let (server, name) = (names.next().unwrap_or(""), names.next().unwrap_or(""));
        let params =
            json!({ "name": name, "arguments": input, "_meta": { "claudecode/toolUseId": id } });
        self.send_to_server(server, "tools/call", params, true)
    }
}

/// The result in a server's response; `Null` stands for one that never came.
pub(super) fn tool_result(response: &Value) -> ToolResult {
    let message = &response["response"]["mcp_response"];
    let result = &message["result"];
    if !result["content"].is_array() {
        let error = message["error"]["message"]
            .as_str()
            .or(response["error"].as_str())
            .unwrap_or("no answer");
        return ToolResult::failed(format!("MCP error: {error}"));
    }
    ToolResult {
        content: result["content"].clone(),
        detail: result["content"].clone(),
        is_error: result["isError"] == Value::Bool(true),
    }
}
