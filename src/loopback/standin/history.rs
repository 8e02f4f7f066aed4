//! What a session remembers: the texts, tool calls and results that its file holds since the last compaction.
//!
//! Pure: rows in, [`History`] out. [`super::transcript`] reads and writes the file.

use std::collections::HashMap;

use serde_json::Value;

/// Something in the history that matters later.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry {
    /// A text that a person typed.
    User { uuid: String, text: String },
    /// A text that was delivered into a running turn.
    Steered { uuid: String, text: String },
    /// A block of the assistant that is no tool call.
    Said,
    /// A tool call and its id.
    Called { id: String },
    /// The result of a tool call.
    Returned { id: String, text: String },
}

/// What a session remembers since its last compaction.
#[derive(Debug, Default)]
pub(super) struct History {
    pub(super) entries: Vec<Entry>,
    /// Dollars spent before, as far as they were noted.
    pub(super) cost: f64,
}

impl History {
    /// The texts a person typed, oldest first.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::User { text, .. } | Entry::Steered { text, .. } => Some(text.as_str()),
            _ => None,
        })
    }

    /// Whether a message with this uuid opened a turn of which a block of the assistant was stored.
    /// Only then does the CLI take a repetition for one.
    pub(super) fn knows(&self, wanted: &str) -> bool {
        let mut rest = self
            .entries
            .iter()
            .skip_while(|entry| !matches!(entry, Entry::User { uuid, .. } if uuid == wanted));
        rest.next().is_some()
            && rest
                .take_while(|entry| !matches!(entry, Entry::User { .. }))
                .any(|entry| matches!(entry, Entry::Said | Entry::Called { .. }))
    }

    /// How a turn that never ended was left: the tool call without a result, if there is one.
    pub(super) fn unfinished(&self) -> Option<Option<String>> {
        match self.entries.last()? {
            Entry::Said => None,
            Entry::Called { id } => Some(Some(id.clone())),
            _ => Some(None),
        }
    }
}

/// Follows the chain back from the row that was written last: what another process wrote on a branch of its own is not seen.
pub(super) fn read(rows: &[Value]) -> Option<(String, History)> {
    let by_uuid: HashMap<&str, &Value> = rows
        .iter()
        .filter_map(|row| Some((row["uuid"].as_str()?, row)))
        .collect();
    let is_message = |row: &&Value| {
        matches!(
            row["type"].as_str(),
            Some("user" | "assistant" | "attachment")
        )
    };
    rows.iter().find(|row| row["type"] == "user")?;
    let leaf = rows
        .iter()
        .rev()
        .filter(is_message)
        .find_map(|row| row["uuid"].as_str())?;
    let mut chain = Vec::new();
    let mut next = Some(leaf);
    while let Some(row) = next.and_then(|uuid| by_uuid.get(uuid)) {
        chain.push(*row);
        // A file that was tampered with may hold a circle; no chain is longer than the file.
        next = (chain.len() <= rows.len())
            .then(|| row["parentUuid"].as_str())
            .flatten();
    }
    let entries = chain.into_iter().rev().flat_map(entries).collect();
    let cost = rows
        .iter()
        .rev()
        .find_map(|row| row["totalCostUSD"].as_f64())
        .unwrap_or(0.0);
    Some((leaf.to_owned(), History { entries, cost }))
}

fn entries(row: &Value) -> Vec<Entry> {
    let uuid = || row["uuid"].as_str().unwrap_or("").to_owned();
    let content = &row["message"]["content"];
    match row["type"].as_str() {
        Some("attachment") => match (
            row["attachment"]["source_uuid"].as_str(),
            row["attachment"]["prompt"].as_str(),
        ) {
            (Some(source), Some(text)) => vec![Entry::Steered {
                uuid: source.to_owned(),
                text: text.to_owned(),
            }],
            _ => Vec::new(),
        },
        Some("user") if !is_typed(row) => {
            let blocks = content.as_array().map(Vec::as_slice).unwrap_or_default();
            let results = blocks.iter().filter_map(|block| {
                let id = block["tool_use_id"].as_str()?.to_owned();
                let text = block["content"].as_str().unwrap_or("").to_owned();
                Some(Entry::Returned { id, text })
            });
            results.collect()
        }
        Some("user") => vec![Entry::User {
            uuid: uuid(),
            text: super::input::text_of(content),
        }],
        Some("assistant") => {
            let blocks = content.as_array().map(Vec::as_slice).unwrap_or_default();
            let entry = |block: &Value| match block["type"].as_str() {
                Some("tool_use") => Entry::Called {
                    id: block["id"].as_str().unwrap_or("").to_owned(),
                },
                _ => Entry::Said,
            };
            blocks.iter().map(entry).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a `user` row holds what a person wrote, and not a tool result, an interruption mark, a command or a summary.
fn is_typed(row: &Value) -> bool {
    let content = &row["message"]["content"];
    let has_result = content
        .as_array()
        .is_some_and(|blocks| blocks.iter().any(|block| block["type"] == "tool_result"));
    let text = super::input::text_of(content);
    let is_mark = [
        "[Request interrupted by user",
        "<command-name>",
        "<task-notification>",
        "<local-command-",
    ]
    .iter()
    .any(|mark| text.starts_with(mark));
    !has_result
        && !is_mark
        && row["isCompactSummary"] != Value::Bool(true)
        && row["isMeta"] != Value::Bool(true)
}
