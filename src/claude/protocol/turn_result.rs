//! How a turn ended, what it cost, and whom it answered.

use std::collections::HashMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Error;

use super::lenient::{or_default, whole};

/// How a turn ended. Not one to one with user messages: merged and steered ones share a result, and background work
/// makes results that nobody asked for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TurnResult {
    /// `success`, `error_during_execution`, `error_max_turns`, `error_max_budget_usd`. Also `success` for a failed
    /// request to the model: [`TurnResult::is_error`] is what counts.
    #[serde(deserialize_with = "or_default")]
    pub subtype: String,
    #[serde(deserialize_with = "or_default")]
    pub is_error: bool,
    /// The last text block of the turn, or the sentence about the failure; `None` for the `error_…` subtypes.
    #[serde(rename = "result", deserialize_with = "or_default")]
    pub text: Option<String>,
    /// For the `error_…` subtypes. Those that begin with `[ede_diagnostic]` are noise.
    #[serde(deserialize_with = "or_default")]
    pub errors: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub num_turns: u64,
    /// Adds up over the process. After a resume it begins at 0 in 2.1.197 and at the stored total in 2.1.330.
    #[serde(deserialize_with = "or_default")]
    pub total_cost_usd: Option<f64>,
    /// What came on top since the process's last result; `None` in 2.1.197.
    #[serde(rename = "model_usage_since_last_result", deserialize_with = "cost")]
    pub cost_since_last_result: Option<f64>,
    /// Of this turn alone.
    #[serde(deserialize_with = "or_default")]
    pub usage: Usage,
    #[serde(deserialize_with = "or_default")]
    pub stop_reason: Option<String>,
    /// `completed`, `aborted_streaming`, `aborted_tools`, `max_turns`, `blocking_limit`, …; `None` for built-in commands.
    #[serde(deserialize_with = "or_default")]
    pub terminal_reason: Option<String>,
    /// The HTTP status of a failed request to the model.
    #[serde(deserialize_with = "or_default")]
    pub api_error_status: Option<u16>,
    /// `task-notification` for a turn that nobody asked for.
    #[serde(rename = "origin", deserialize_with = "kind_of")]
    pub origin_kind: Option<String>,
    /// Which messages the turn answers; empty in 2.1.197.
    #[serde(deserialize_with = "or_default")]
    pub user_message_uuids: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub session_id: String,
    #[serde(deserialize_with = "whole")]
    pub duration_ms: u64,
    /// How many tool calls were refused.
    #[serde(deserialize_with = "count")]
    pub permission_denials: usize,
    /// The built-in command that this was, without its slash. Since 2.1.330 only.
    #[serde(deserialize_with = "or_default")]
    pub local_command: Option<String>,
}

/// Tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Without what came from the cache or went into it.
    #[serde(deserialize_with = "or_default")]
    pub input_tokens: u64,
    #[serde(deserialize_with = "or_default")]
    pub cache_creation_input_tokens: u64,
    #[serde(deserialize_with = "or_default")]
    pub cache_read_input_tokens: u64,
    #[serde(deserialize_with = "or_default")]
    pub output_tokens: u64,
}

/// Reads a line of type `result`. Every field may be missing: what must not be lost is that the turn has ended.
pub(super) fn turn_result(line: &str) -> Result<TurnResult, Error> {
    let mut result: TurnResult = serde_json::from_str(line)?;
    result.is_error |= result.subtype.starts_with("error");
    Ok(result)
}

/// Adds up `costUSD` over the models; an empty map means that nothing was spent.
fn cost<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    #[derive(Deserialize)]
    struct ModelUsage {
        #[serde(rename = "costUSD")]
        cost_usd: f64,
    }
    let models: Option<HashMap<String, ModelUsage>> = or_default(deserializer)?;
    // Not `sum`, which makes -0 of nothing.
    let total = |models: HashMap<_, ModelUsage>| {
        models
            .values()
            .fold(0.0, |total, model| total + model.cost_usd)
    };
    Ok(models.map(total))
}

fn kind_of<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Origin {
        kind: Option<String>,
    }
    let origin: Origin = or_default(deserializer)?;
    Ok(origin.kind)
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let items: Vec<IgnoredAny> = or_default(deserializer)?;
    Ok(items.len())
}
