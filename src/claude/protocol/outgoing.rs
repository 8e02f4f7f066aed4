//! Messages → lines for the CLI's stdin. Each is one line, without its end.
//!
//! A line that the CLI cannot parse ends the process and the turn (measured), so everything here is made by a JSON
//! writer, which escapes what would break a line.

use serde_json::value::RawValue;
use serde_json::{Value, json};

/// What the CLI can be told besides messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ControlCommand {
    /// Asks for its commands and models; its answer says that the process is ready.
    Initialize,
    /// Ends the turn, not the process.
    Interrupt {
        /// Whether messages that it has not taken yet are dropped as well. 2.1.197 does not know it and ignores it.
        cancel_queued: bool,
    },
}

/// A message of the user's. The uuid should be random and stored before: by it the message is found again.
pub fn user_line(uuid: &str, text: &str) -> String {
    json!({
        "type": "user",
        "message": {"role": "user", "content": text},
        "parent_tool_use_id": null,
        "uuid": uuid,
    })
    .to_string()
}

/// A request of ours. Its answer carries the same id.
pub fn control_request(request_id: &str, command: &ControlCommand) -> String {
    let request = match command {
        ControlCommand::Initialize => json!({"subtype": "initialize"}),
        ControlCommand::Interrupt { cancel_queued } => {
            json!({"subtype": "interrupt", "cancel_queued": cancel_queued})
        }
    };
    json!({"type": "control_request", "request_id": request_id, "request": request}).to_string()
}

/// Allows a request, with the input that was shown (JSON). What is no JSON is never allowed: that is a denial.
pub fn allow(request_id: &str, input: &str) -> String {
    match serde_json::from_str::<&RawValue>(input) {
        // Sent back as the text it is, because a tree could change its numbers.
        Ok(_) => format!(
            r#"{{"type":"control_response","response":{{"subtype":"success","request_id":{},"response":{{"behavior":"allow","updatedInput":{}}}}}}}"#,
            Value::from(request_id),
            input.replace(['\n', '\r'], " "),
        ),
        Err(_) => deny(request_id, "the input could not be read back"),
    }
}

/// Denies a request; the model reads the message and goes on.
pub fn deny(request_id: &str, message: &str) -> String {
    respond(request_id, &json!({"behavior": "deny", "message": message}))
}

/// Answers a request that is not known here.
pub fn control_error(request_id: &str, message: &str) -> String {
    let response = json!({"subtype": "error", "request_id": request_id, "error": message});
    json!({"type": "control_response", "response": response}).to_string()
}

fn respond(request_id: &str, answer: &Value) -> String {
    let response = json!({"subtype": "success", "request_id": request_id, "response": answer});
    json!({"type": "control_response", "response": response}).to_string()
}

/// Whether a text is a command that the CLI itself takes: `/name` for a name that it has listed, or `//name`.
pub fn is_command(text: &str, commands: &[String]) -> bool {
    let Some(rest) = text.strip_prefix('/') else {
        return false;
    };
    let name = rest.split(char::is_whitespace).next().unwrap_or("");
    rest.starts_with('/') || commands.iter().any(|command| command == name)
}

/// Makes the text that goes to Claude of what a person wrote.
///
/// `/name` goes as it is where Claude has that command; `//name` goes as `/name`. Any other text that begins with a
/// slash gets a space before it: 2.1.197 takes every `/word` for a command and answers "Unknown command" itself.
pub fn escape_prompt(text: &str, commands: &[String]) -> String {
    match text.strip_prefix('/') {
        None => text.to_owned(),
        Some(rest) if rest.starts_with('/') => rest.to_owned(),
        Some(_) if is_command(text, commands) => text.to_owned(),
        Some(_) => format!(" {text}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn commands() -> Vec<String> {
        vec!["compact".to_owned(), "context".to_owned()]
    }

    #[test]
    fn only_known_commands_reach_claude_as_commands() {
        let escaped = |text: &str| escape_prompt(text, &commands());
        assert_eq!(escaped("/compact now"), "/compact now");
        assert_eq!(escaped("/compacted"), " /compacted");
        assert_eq!(escaped("/home/me is full"), " /home/me is full");
        assert_eq!(escaped("//compact"), "/compact");
        assert_eq!(escaped("//unknown x"), "/unknown x");
        assert_eq!(escaped("/"), " /");
        assert_eq!(escaped("/ compact"), " / compact");
        assert_eq!(escaped("a /compact"), "a /compact");
    }

    #[test]
    fn what_is_allowed_is_what_was_shown() {
        let line = allow("r1", "{\"command\":\"ls\",\n \"n\": 1.50}");
        assert!(
            line.ends_with(r#""updatedInput":{"command":"ls",  "n": 1.50}}}}"#),
            "{line}"
        );
        assert!(allow("r1", "{").contains("\"deny\""));
    }

    proptest! {
        #[test]
        fn a_message_is_one_line_and_comes_through(text in any::<String>()) {
            let line = user_line("u", &text);
            prop_assert!(!line.contains('\n') && !line.contains('\r'));
            let read: Value = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(read["message"]["content"].as_str(), Some(text.as_str()));
        }

        #[test]
        fn no_text_becomes_a_command_by_accident(text in "/{0,2}[a-z/ ]{0,12}") {
            let escaped = escape_prompt(&text, &commands());
            if escaped.starts_with('/') && !text.starts_with("//") {
                let name = escaped[1..].split_whitespace().next().unwrap_or("").to_owned();
                prop_assert!(commands().contains(&name));
            }
        }
    }
}
