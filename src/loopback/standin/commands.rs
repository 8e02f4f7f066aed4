//! The CLI's own commands over the pipe: `/compact`, `/clear`, `/cost` and the like. Unknown ones go to the model.

use serde_json::{Value, json};

use super::control::resolve_model;
use super::engine::Engine;
use super::fresh_id;
use super::outcome::Outcome;
use super::transcript::merge;

/// Commands that work, and the names that they have in results and replays.
const COMMANDS: &[(&str, &str, &str)] = &[
    ("clear", "clear", "clear"),
    ("compact", "compact", "compact"),
    ("context", "context", "context"),
    ("cost", "cost", "usage"),
    ("model", "model", "model"),
    ("usage", "usage", "usage"),
];

/// Commands that exist, but not over the pipe.
const UNAVAILABLE: &[&str] = &["help", "status", "login", "logout", "resume", "exit"];

const SUMMARY: &str = "This session is being continued from a previous conversation that ran out of context. \
     The summary below covers the earlier portion of the conversation.\n\nThe stand-in has summed it up.";

/// Whether a text is a command that the CLI keeps for itself.
pub(super) fn is_command(text: &str) -> bool {
    split(text).is_some_and(|(name, _)| {
        COMMANDS.iter().any(|(known, ..)| *known == name) || UNAVAILABLE.contains(&name)
    })
}

fn split(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('/')?;
    Some(
        text.split_once(char::is_whitespace)
            .map_or((text, ""), |(name, arguments)| (name, arguments.trim())),
    )
}

impl Engine {
    /// Runs a command as a turn without a model call.
    pub(super) fn run_command(&mut self, text: &str, uuid: &str) -> Outcome {
        let (name, arguments) = split(text).unwrap_or_default();
        let Some((_, shown, replayed)) = COMMANDS.iter().find(|(known, ..)| *known == name) else {
            self.drop_replay();
            self.init();
            let text = format!("/{name} isn't available in this environment.");
            self.answer_command(&text);
            return Outcome::Command { name: None, text };
        };
        let content = Value::from(format!(
            "<command-name>/{replayed}</command-name>\n            <command-message>{replayed}</command-message>\n            \
             <command-args>{arguments}</command-args>"
        ));
        self.replace_replay(&content);
        let text = match *shown {
            "clear" => {
                self.clear(uuid);
                String::new()
            }
            "compact" => self.compact(),
            "model" => {
                self.init();
                self.model = resolve_model(arguments);
                format!("Set model to `{}` for this session only", self.model)
            }
            "context" => {
                self.init();
                format!(
                    "## Context Usage\n\n**Model:** {}  \n**Tokens:** 12.3k / 1m (1%)",
                    self.model
                )
            }
            _ => {
                self.init();
                self.ledger.summary()
            }
        };
        self.answer_command(&text);
        if *shown != "clear" {
            self.transcript.user(uuid, &content, Value::Null);
        }
        Outcome::Command {
            name: Some(shown),
            text,
        }
    }

    /// The text of a command, as if the assistant had said it.
    fn answer_command(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let mut message = self.message(
            &fresh_id(),
            json!([{ "type": "text", "text": text }]),
            "end_turn".into(),
        );
        message["model"] = Value::from("<synthetic>");
        let mut extra = json!({ "local_command_source": format!("<local-command-stdout>{text}</local-command-stdout>") });
        merge(&mut extra, self.turn().first_marks());
        self.wire.assistant(&fresh_id(), &message, extra);
    }

    /// A new session with a new id in the same process.
    fn clear(&mut self, uuid: &str) {
        let conversation = fresh_id();
        self.wire.event(json!({
            "type": "conversation_reset", "new_conversation_id": conversation, "uuid": conversation, "trigger": "clear",
            "user_message_uuid": uuid,
        }));
        self.wire
            .system("background_tasks_changed", json!({ "tasks": [] }));
        self.wire.session_id = fresh_id();
        self.transcript
            .start_over(&self.surroundings.config_dir, &self.wire.session_id);
        self.history.entries.clear();
        self.ledger = super::ledger::Ledger::default();
        self.init();
    }

    /// The history is replaced by a summary. What is forgotten is also forgotten by the check for repeated messages.
    fn compact(&mut self) -> String {
        self.wire
            .system("status", json!({ "status": "compacting" }));
        if self.history.texts().next().is_none() {
            let error = "Not enough messages to compact.";
            self.wire.system(
                "status",
                json!({ "status": null, "compact_result": "failed", "compact_error": error }),
            );
            self.init();
            return error.to_owned();
        }
        self.wire.system(
            "status",
            json!({ "status": null, "compact_result": "success" }),
        );
        self.init();
        let metadata = json!({ "trigger": "manual", "pre_tokens": 13_136, "post_tokens": 2_618, "duration_ms": 43 });
        self.wire
            .system("compact_boundary", json!({ "compact_metadata": metadata }));
        self.transcript.compacted();
        let uuid = fresh_id();
        self.transcript.user(
            &uuid,
            &Value::from(SUMMARY),
            json!({ "isCompactSummary": true }),
        );
        self.wire.user(
            &uuid,
            Value::from(SUMMARY),
            json!({ "isReplay": false, "isSynthetic": true }),
        );
        if self.wire.replay {
            let text = "<local-command-stdout>Compacted </local-command-stdout>";
            self.wire
                .user(&fresh_id(), Value::from(text), json!({ "isReplay": true }));
        }
        self.history.entries.clear();
        String::new()
    }
}

#[cfg(test)]
mod tests {
    use super::is_command;

    #[test]
    fn only_known_commands_are_kept_from_the_model() {
        for text in ["/compact", "/model haiku", "/cost", "/help"] {
            assert!(is_command(text), "{text}");
        }
        for text in ["/home/user is broken", " /compact", "/foo", "compact", "/"] {
            assert!(!is_command(text), "{text}");
        }
    }
}
