//! What the answers to our own control requests say. The caller knows by the request's id which answer it holds.

use serde_json::Value;

/// The answer to [`super::ControlCommand::Initialize`]: what this CLI can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Initialized {
    /// As [`commands_of`] gives them.
    pub commands: Vec<String>,
    /// For instance `2.1.330`; `None` in versions that do not say it (2.1.197).
    pub version: Option<String>,
    /// Features by name, such as `get_usage_detached_v1`; empty in 2.1.197. Not the same list as the one in
    /// [`super::Init`].
    pub capabilities: Vec<String>,
    /// `None` in 2.1.197.
    pub current_permission_mode: Option<String>,
    /// What `set_model` and `--model` take, such as `default`, `opus`, `haiku`.
    pub models: Vec<String>,
}

impl From<&Value> for Initialized {
    fn from(response: &Value) -> Initialized {
        let text = |key: &str| response[key].as_str().map(str::to_owned);
        Initialized {
            commands: commands_of(response),
            version: text("claude_code_version"),
            capabilities: list(&response["capabilities"]).filter_map(string).collect(),
            current_permission_mode: text("current_permission_mode"),
            models: list(&response["models"])
                .filter_map(|model| string(&model["value"]))
                .collect(),
        }
    }
}

/// The names of the slash commands in an answer to `initialize`, without the slash.
///
/// Aliases are names too: `/cost` is an alias of `/usage`, and `/reset` and `/new` empty the conversation as `/clear` does.
pub fn commands_of(response: &Value) -> Vec<String> {
    list(&response["commands"]).flat_map(names).collect()
}

/// The total in an answer to [`super::ControlCommand::GetSessionCost`], in dollars.
///
/// The CLI answers in words (`Total cost: $0.0960 …` in 2.1.197, `Estimated cost: …` in 2.1.330), rounded to four digits or
/// fewer. `None` when the words hold no dollar amount.
pub fn session_cost_usd(response: &Value) -> Option<f64> {
    let (_, after) = response["text"].as_str()?.split_once('$')?;
    let end = after
        .find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ','))
        .unwrap_or(after.len());
    after[..end].replace(',', "").parse().ok()
}

fn names(command: &Value) -> impl Iterator<Item = String> {
    let aliases = list(&command["aliases"]).filter_map(string);
    string(&command["name"]).into_iter().chain(aliases)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn string(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}
