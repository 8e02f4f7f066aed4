//! How a turn ends: the `result` line and what surrounds it.

use serde_json::{Value, json};

use super::api_error::ApiError;
use super::engine::{Abort, Engine};
use super::history::Entry;
use super::transcript::merge;
use super::turn::Turn;

/// How a turn ends.
#[derive(Debug)]
pub(super) enum Outcome {
    Completed,
    /// Cut off in a text.
    AbortedInText,
    /// Cut off in a tool or a question.
    AbortedInTools,
    Failed(ApiError),
    MaxTurns,
    /// A command of the CLI itself, with its text.
    Command {
        name: Option<&'static str>,
        text: String,
    },
}

impl Engine {
    /// Prints the result and what follows it.
    pub(super) fn finish(&mut self, outcome: Outcome, text: &str) {
        self.acknowledge();
        self.mark_interruption(&outcome);
        let mut turn = self.turn.take().expect("a turn is finished once");
        let completed = matches!(
            outcome,
            Outcome::Completed | Outcome::MaxTurns | Outcome::Command { .. }
        );
        let state = if completed { "completed" } else { "cancelled" };
        for uuid in &turn.steered {
            self.wire.lifecycle(uuid, state);
        }
        let mut line = json!({
            "type": "result", "num_turns": 1 + turn.user_lines, "duration_ms": turn.started.elapsed().as_millis() as u64,
            "duration_api_ms": 0, "permission_denials": std::mem::take(&mut turn.denials), "begun_message_ids": turn.begun,
            "queued_turn_count": 0, "result_index": self.counts.results,
        });
        merge(
            &mut line,
            outcome_fields(&outcome, &turn, self.options.max_turns),
        );
        merge(&mut line, self.ledger.close_turn());
        merge(&mut line, turn.marks());
        if let Some(origin) = &turn.origin {
            line["origin"] = origin.clone();
        }
        self.failed = line["is_error"] == Value::Bool(true);
        self.counts.results += 1;
        self.transcript.last_prompt(text);
        // Before a result is printed the file is complete.
        self.transcript.flush();
        self.transcript.set_lag(None);
        self.wire.event(line);
        for uuid in &turn.opening {
            self.wire.lifecycle(uuid, state);
        }
        if turn.abort != Some(Abort::Signal) {
            self.become_idle();
        }
    }

    fn mark_interruption(&mut self, outcome: &Outcome) {
        let mark = match outcome {
            Outcome::AbortedInText => "[Request interrupted by user]",
            Outcome::AbortedInTools => "[Request interrupted by user for tool use]",
            _ => return,
        };
        if self.turn().abort != Some(Abort::Message) {
            self.user_side(json!([{ "type": "text", "text": mark }]), Value::Null);
        }
        self.close_message();
        // The turn is over for the model too: nothing of it is mended later.
        self.remember(Entry::Said);
    }
}

fn outcome_fields(outcome: &Outcome, turn: &Turn, max_turns: Option<u32>) -> Value {
    match outcome {
        Outcome::Completed => json!({
            "subtype": "success", "is_error": false, "api_error_status": null, "result": turn.last_text,
            "stop_reason": "end_turn", "terminal_reason": "completed",
        }),
        Outcome::AbortedInText | Outcome::AbortedInTools => {
            let (reason, stop) = match outcome {
                Outcome::AbortedInText => ("aborted_streaming", Value::Null),
                _ => ("aborted_tools", Value::from("tool_use")),
            };
            if turn.abort == Some(Abort::Message) {
                return json!({
                    "subtype": "success", "is_error": false, "api_error_status": null, "result": turn.last_text,
                    "stop_reason": stop, "terminal_reason": reason,
                });
            }
            let shown = stop.as_str().unwrap_or("null");
            let error = format!(
                "[ede_diagnostic] result_type=user last_content_type=n/a stop_reason={shown}"
            );
            json!({
                "subtype": "error_during_execution", "is_error": true, "errors": [error], "stop_reason": stop,
                "terminal_reason": reason,
            })
        }
        Outcome::Failed(error) => json!({
            "subtype": "success", "is_error": true, "api_error_status": error.status, "api_error_type": error.kind,
            "result": error.text, "stop_reason": "stop_sequence", "terminal_reason": "api_error",
        }),
        Outcome::MaxTurns => json!({
            "subtype": "error_max_turns", "is_error": true, "stop_reason": "tool_use", "terminal_reason": "max_turns",
            "errors": [format!("Reached maximum number of turns ({})", max_turns.unwrap_or(turn.rounds))],
        }),
        Outcome::Command { name, text } => {
            let mut fields = json!({
                "subtype": "success", "is_error": false, "result": text, "num_turns": 0, "stop_reason": null,
            });
            if let Some(name) = name {
                fields["local_command"] = Value::from(*name);
            }
            fields
        }
    }
}
