//! How the server says no: `{"ok":false,"error_code":…,"description":…,"parameters":…}`.

use super::http::Reply;
use serde_json::{Value, json};

/// A refused call.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub code: u16,
    /// The whole description, with its prefix.
    pub description: String,
    /// `retry_after`, `migrate_to_chat_id`.
    pub parameters: Option<Value>,
}

impl Refusal {
    pub fn new(code: u16, description: &str) -> Refusal {
        Refusal {
            code,
            description: description.to_string(),
            parameters: None,
        }
    }

    /// A 400. The first letter becomes small unless the text is a code in capitals, as the real server does it.
    pub fn bad(what: &str) -> Refusal {
        let mut chars = what.chars();
        let first = chars.next().unwrap_or_default();
        let is_code = chars
            .next()
            .is_some_and(|second| second == '_' || second.is_ascii_uppercase());
        let what = match is_code {
            true => what.to_string(),
            false => first.to_lowercase().chain(what.chars().skip(1)).collect(),
        };
        Refusal::new(400, &format!("Bad Request: {what}"))
    }

    /// A 429; seconds.
    pub fn retry_after(seconds: u64) -> Refusal {
        Refusal {
            code: 429,
            description: format!("Too Many Requests: retry after {seconds}"),
            parameters: Some(json!({"retry_after": seconds})),
        }
    }

    /// The answer that carries it.
    pub fn reply(&self) -> Reply {
        let mut body =
            json!({"ok": false, "error_code": self.code, "description": self.description});
        if let Some(parameters) = &self.parameters {
            body["parameters"] = parameters.clone();
        }
        let retry_after = self
            .parameters
            .as_ref()
            .and_then(|parameters| parameters["retry_after"].as_u64());
        Reply {
            status: self.code,
            content_type: "application/json",
            retry_after,
            body: body.to_string().into_bytes(),
        }
    }
}
