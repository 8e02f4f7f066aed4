//! Who is asked for what: permission modes and rules, applied to one tool call.
//!
//! Pure: a tool call in, a [`Verdict`] out. [`super::tools`] asks the user and runs the tool.
//! It follows what was measured with Claude Code 2.1.330, in outline; the real rules are finer.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::rule::Rule;
use super::shell;

/// The permission modes of the CLI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Default,
    AcceptEdits,
    Plan,
    Auto,
    DontAsk,
    BypassPermissions,
}

impl Mode {
    /// The names that `set_permission_mode` lists when it refuses one.
    pub(super) const NAMES: &str = "acceptEdits, auto, bypassPermissions, default, dontAsk, plan";

    pub(super) fn parse(name: &str) -> Option<Mode> {
        Some(match name {
            "default" | "manual" => Mode::Default,
            "acceptEdits" => Mode::AcceptEdits,
            "plan" => Mode::Plan,
            "auto" => Mode::Auto,
            "dontAsk" => Mode::DontAsk,
            "bypassPermissions" => Mode::BypassPermissions,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Mode::Default => "default",
            Mode::AcceptEdits => "acceptEdits",
            Mode::Plan => "plan",
            Mode::Auto => "auto",
            Mode::DontAsk => "dontAsk",
            Mode::BypassPermissions => "bypassPermissions",
        }
    }
}

/// What happens to a tool call.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// It runs; why it was not asked.
    Allow(&'static str),
    /// The user is asked, with these fields in the request.
    Ask(Value),
    /// Mode or rule forbids it: the text for the model and `decision_reason_type`.
    Deny {
        message: String,
        reason: &'static str,
    },
    /// The tool does not exist here.
    Unknown(String),
}

/// Mode and rules of a running process.
#[derive(Debug)]
pub(super) struct Permissions {
    pub(super) mode: Mode,
    pub(super) bypass_allowed: bool,
    pub(super) allow: Vec<Rule>,
    pub(super) deny: Vec<Rule>,
    /// Questions can be asked over the pipe.
    pub(super) asks: bool,
    pub(super) asks_in_plan_mode: bool,
    pub(super) cwd: PathBuf,
    /// Where plans are written; plan mode may write there unasked.
    pub(super) plans: PathBuf,
    /// Tools of servers inside the driving program.
    pub(super) served: Vec<String>,
}

/// Tools that are offered, in the order in which `init` lists them, without the ones that depend on how it was started.
const TOOLS: [&str; 22] = [
    "Task",
    "AskUserQuestion",
    "Bash",
    "CronCreate",
    "CronDelete",
    "CronList",
    "Edit",
    "EnterPlanMode",
    "ExitPlanMode",
    "ListAgents",
    "NotebookEdit",
    "Read",
    "ScheduleWakeup",
    "SendMessage",
    "Skill",
    "TaskCreate",
    "TaskList",
    "TaskStop",
    "TaskUpdate",
    "WebFetch",
    "WebSearch",
    "Write",
];

/// Tools that exist only where questions can be asked.
const INTERACTIVE: [&str; 3] = ["AskUserQuestion", "EnterPlanMode", "ExitPlanMode"];

const DONT_ASK: &str = "has been denied because Claude Code is running in don't ask mode. IMPORTANT: You *may* attempt to accomplish \
     this action using other tools that might naturally be used to accomplish this goal.";

impl Permissions {
    /// The names that `init` lists.
    pub(super) fn offered(&self, todo_tools: bool) -> Vec<String> {
        let kept = TOOLS
            .iter()
            .filter(|tool| self.offers(tool, todo_tools))
            .map(|tool| (*tool).to_owned());
        kept.chain(self.served.iter().cloned()).collect()
    }

    fn offers(&self, tool: &str, todo_tools: bool) -> bool {
        let listed = TOOLS.contains(&tool)
            || tool == "Agent"
            || self.served.iter().any(|served| served == tool);
        let named = |rule: &Rule| {
            rule.content.is_none()
                && (rule.tool == tool || (rule.tool == "Task" && tool == "Agent"))
        };
        listed
            && !self.deny.iter().any(named)
            && (self.asks || !INTERACTIVE.contains(&tool))
            && (todo_tools || !matches!(tool, "TaskCreate" | "TaskUpdate" | "TaskList"))
    }

    /// Decides about one call.
    pub(super) fn judge(&self, tool: &str, input: &Value, todo_tools: bool) -> Verdict {
        if !self.offers(tool, todo_tools) {
            let known = TOOLS.contains(&tool) || tool == "TodoWrite";
            let why = if known {
                format!(". {tool} is disabled for this session, in subagents as well as here.")
            } else {
                String::new()
            };
            return Verdict::Unknown(format!("Error: No such tool available: {tool}{why}"));
        }
        let command = if tool == "Bash" {
            input["command"].as_str().unwrap_or("")
        } else {
            ""
        };
        let parts = shell::subcommands(command);
        if tool == "Bash"
            && self.deny.iter().any(|rule| {
                rule.tool == tool && parts.iter().any(|part| rule.matches_command(part))
            })
        {
            let message = format!("Permission to use Bash with command {command} has been denied.");
            return Verdict::Deny {
                message,
                reason: "subcommandResults",
            };
        }
        if matches!(tool, "AskUserQuestion" | "ExitPlanMode") {
            return self.ask(tool, json!({ "requires_user_interaction": true }));
        }
        if self.mode == Mode::BypassPermissions {
            return Verdict::Allow("mode");
        }
        let by_rule = self
            .allow
            .iter()
            .any(|rule| rule.tool == tool && rule.content.is_none());
        let allowed = |part: &&str| {
            shell::reads_only(part)
                || self
                    .allow
                    .iter()
                    .any(|rule| rule.tool == tool && rule.matches_command(part))
                || self.edits(part)
        };
        match tool {
            _ if by_rule => Verdict::Allow("rule"),
            "Bash" if command.is_empty() || parts.iter().all(|part| allowed(&part.as_str())) => {
                Verdict::Allow("subcommandResults")
            }
            "Bash" => self.ask(tool, bash_question(command, &parts, &self.cwd)),
            "Write" | "Edit" | "NotebookEdit" => self.judge_edit(tool, input),
            "WebFetch" | "WebSearch" => self.ask(tool, rule_question(tool, input)),
            _ if self.served.iter().any(|served| served == tool) => {
                self.ask(tool, rule_question(tool, &Value::Null))
            }
            _ => Verdict::Allow("mode"),
        }
    }

    fn judge_edit(&self, tool: &str, input: &Value) -> Verdict {
        let path = self.cwd.join(input["file_path"].as_str().unwrap_or(""));
        let inside = path.starts_with(&self.cwd);
        if path.starts_with(&self.plans) && self.mode == Mode::Plan {
            return Verdict::Allow("other");
        }
        if inside && matches!(self.mode, Mode::AcceptEdits | Mode::Auto) {
            return Verdict::Allow("mode");
        }
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        if self.mode == Mode::Plan {
            return self.ask(
                tool,
                json!({ "description": name, "decision_reason_type": "mode" }),
            );
        }
        let suggestion =
            json!({ "type": "setMode", "mode": "acceptEdits", "destination": "session" });
        self.ask(
            tool,
            json!({ "description": name, "permission_suggestions": [suggestion] }),
        )
    }

    /// A question, unless the mode answers it or nobody can be asked.
    fn ask(&self, tool: &str, fields: Value) -> Verdict {
        let interactive = fields["requires_user_interaction"] == Value::Bool(true);
        let by_check = match self.mode {
            Mode::Auto => true,
            Mode::Plan => {
                !self.asks_in_plan_mode && !matches!(tool, "Write" | "Edit" | "NotebookEdit")
            }
            _ => false,
        };
        if self.mode == Mode::DontAsk && !interactive {
            return Verdict::Deny {
                message: format!("Permission to use {tool} {DONT_ASK}"),
                reason: "mode",
            };
        }
        if by_check && !interactive {
            let message = format!(
                "Auto mode is unavailable: its safety check does not run for this session, so {tool} was not run."
            );
            return Verdict::Deny {
                message,
                reason: "classifier",
            };
        }
        if !self.asks {
            let message = format!(
                "Claude requested permissions to use {tool}, but you haven't granted it yet."
            );
            return Verdict::Deny {
                message,
                reason: "other",
            };
        }
        Verdict::Ask(fields)
    }

    fn edits(&self, part: &str) -> bool {
        matches!(self.mode, Mode::AcceptEdits | Mode::Auto)
            && shell::edits(part)
            && !shell::redirects(part)
    }
}

/// The fields of a question about a command: what to show, and which rules would make it unnecessary.
fn bash_question(command: &str, parts: &[String], cwd: &Path) -> Value {
    let mut words = command.split_whitespace();
    let rule = match (parts.len(), words.next(), words.next()) {
        (1, Some(program), Some(word))
            if word.starts_with(char::is_alphabetic) && !word.contains("://") =>
        {
            format!("{program} {word} *")
        }
        _ => command.to_owned(),
    };
    let add = json!({
        "type": "addRules", "rules": [{ "toolName": "Bash", "ruleContent": rule }],
        "behavior": "allow", "destination": "localSettings",
    });
    let edits = parts.iter().any(|part| shell::edits(part));
    if !edits && !parts.iter().any(|part| shell::redirects(part)) {
        return json!({
            "description": command, "permission_suggestions": [add],
            "decision_reason": "This command requires approval", "decision_reason_type": "other",
        });
    }
    let mut suggestions = vec![
        add,
        json!({ "type": "addDirectories", "directories": [cwd], "destination": "session" }),
    ];
    if edits {
        suggestions
            .push(json!({ "type": "setMode", "mode": "acceptEdits", "destination": "session" }));
    }
    json!({ "description": command, "permission_suggestions": suggestions })
}

fn rule_question(tool: &str, input: &Value) -> Value {
    let shown = ["url", "query"]
        .iter()
        .find_map(|key| input[*key].as_str())
        .unwrap_or(tool);
    let add = json!({
        "type": "addRules", "rules": [{ "toolName": tool }], "behavior": "allow", "destination": "localSettings",
    });
    json!({ "description": shown, "permission_suggestions": [add] })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permissions(mode: Mode) -> Permissions {
        Permissions {
            mode,
            bypass_allowed: false,
            allow: Vec::new(),
            deny: Rule::list("WebFetch Bash(rm *)"),
            asks: true,
            asks_in_plan_mode: false,
            cwd: PathBuf::from("/home/user/project"),
            plans: PathBuf::from("/home/user/.claude/plans"),
            served: Vec::new(),
        }
    }

    fn bash(permissions: &Permissions, command: &str) -> &'static str {
        short(permissions.judge("Bash", &json!({ "command": command }), true))
    }

    fn short(verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Allow(_) => "allow",
            Verdict::Ask(_) => "ask",
            Verdict::Deny { .. } => "deny",
            Verdict::Unknown(_) => "unknown",
        }
    }

    #[test]
    fn reading_is_not_asked_and_writing_is() {
        let permissions = permissions(Mode::Default);
        assert_eq!(bash(&permissions, "ls -la && cat a | head -3"), "allow");
        assert_eq!(
            bash(&permissions, "echo 'a > b; rm c'"),
            "ask",
            "quoted or not, a redirection is looked at"
        );
        assert_eq!(bash(&permissions, "echo a > b"), "ask");
        assert_eq!(bash(&permissions, "cat a; sleep 1"), "ask");
        assert_eq!(bash(&permissions, "echo $(touch a)"), "ask");
        assert_eq!(bash(&permissions, "ls; rm -rf a"), "deny");
    }

    #[test]
    fn session_rules_must_cover_every_part() {
        let mut permissions = permissions(Mode::Default);
        permissions.allow = vec![Rule {
            tool: "Bash".to_owned(),
            content: Some("touch:*".to_owned()),
        }];
        assert_eq!(bash(&permissions, "touch a && echo made"), "allow");
        assert_eq!(bash(&permissions, "touch a && make"), "ask");
        assert_eq!(bash(&permissions, "touchy a"), "ask");
    }

    #[test]
    fn modes_decide_as_measured() {
        let edit = json!({ "file_path": "a.txt", "content": "" });
        for (mode, touch, curl, write) in [
            (Mode::Default, "ask", "ask", "ask"),
            (Mode::AcceptEdits, "allow", "ask", "allow"),
            (Mode::Plan, "deny", "deny", "ask"),
            (Mode::DontAsk, "deny", "deny", "deny"),
            (Mode::BypassPermissions, "allow", "allow", "allow"),
        ] {
            let permissions = permissions(mode);
            let decided = [
                bash(&permissions, "touch a"),
                bash(&permissions, "curl x"),
                short(permissions.judge("Write", &edit, true)),
            ];
            assert_eq!(decided, [touch, curl, write], "{mode:?}");
            assert_eq!(
                short(permissions.judge("AskUserQuestion", &json!({}), true)),
                "ask",
                "{mode:?}"
            );
            assert_eq!(
                short(permissions.judge("WebFetch", &json!({}), true)),
                "unknown",
                "{mode:?}"
            );
        }
    }
}
