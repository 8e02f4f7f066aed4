//! What we write: the lines that the real CLI was given when it was recorded, and the slash rule.

use std::collections::BTreeMap;

use chappe::claude::protocol::*;
use serde_json::{Value, json};

use crate::recorded;

/// Every recorded line of a form that we write, written again from its parts.
#[test]
fn lines_are_those_that_the_real_cli_was_given() {
    let mut seen = BTreeMap::<&str, u32>::new();
    for line in recorded(".stdin") {
        let value: Value = serde_json::from_str(line).expect("recorded lines are JSON");
        let Some((form, ours)) = write_again(&value) else {
            continue;
        };
        *seen.entry(form).or_default() += 1;
        assert_eq!(
            serde_json::from_str::<Value>(&ours).expect("one line of JSON"),
            value
        );
    }
    let forms = [
        "allow",
        "always",
        "cost",
        "deny",
        "error",
        "initialize",
        "interrupt",
        "mcp",
        "mode",
        "model",
        "stop",
        "task",
        "user",
    ];
    assert_eq!(seen.into_keys().collect::<Vec<_>>(), forms);
}

/// Every recorded question can be shown, and goes back as the recorded answers did.
#[test]
fn questions_go_back_as_the_real_cli_was_answered() {
    let asked: BTreeMap<String, RawJson> = recorded(".ndjson")
        .filter_map(|line| match parse(line.as_bytes())? {
            Message::ControlRequest {
                request_id,
                request: ControlRequest::CanUseTool(wanted),
            } if wanted.tool_name == QUESTION_TOOL => Some((request_id, wanted.input)),
            _ => None,
        })
        .collect();
    let mut compared = 0;
    for line in recorded(".stdin") {
        let value: Value = serde_json::from_str(line).expect("recorded lines are JSON");
        let response = &value["response"];
        let Some(input) = response["request_id"].as_str().and_then(|id| asked.get(id)) else {
            continue;
        };
        let questions = questions(input).expect("it can be shown");
        let theirs = &response["response"]["updatedInput"];
        let answers = questions.iter().map(|question| {
            let answer = theirs["answers"][&question.text].as_str();
            answer.unwrap_or_default().to_owned()
        });
        let ours = answered(input, &answers.collect::<Vec<_>>());
        let Some(ours) = ours.filter(|_| theirs.get("annotations").is_none()) else {
            continue;
        };
        if theirs.get("questions").is_some() {
            assert_eq!(ours.parse::<Value>().ok().as_ref(), Some(theirs));
            compared += 1;
        }
    }
    assert!(
        asked.len() > 5 && compared > 1,
        "{} {compared}",
        asked.len()
    );
}

fn write_again(value: &Value) -> Option<(&'static str, String)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let raw = |value: &Value| RawJson::of(value).expect("a JSON value");
    match value["type"].as_str()? {
        "user" => Some((
            "user",
            user_line(
                value["uuid"].as_str()?,
                value["message"]["content"].as_str()?,
            ),
        ))
        .filter(|_| value.get("priority").is_none()),
        "control_request" => {
            let request = &value["request"];
            let (form, command) = match request["subtype"].as_str()? {
                "initialize"
                    if request.get("hooks").is_none()
                        && request.get("appendSystemPrompt").is_none() =>
                {
                    let servers = request["sdkMcpServers"].as_array().into_iter().flatten();
                    (
                        "initialize",
                        ControlCommand::Initialize {
                            mcp_servers: servers.filter_map(text).collect(),
                        },
                    )
                }
                "interrupt" => {
                    let cancel_queued = request["cancel_queued"].as_bool().unwrap_or_default();
                    ("interrupt", ControlCommand::Interrupt { cancel_queued })
                }
                "set_permission_mode" => (
                    "mode",
                    ControlCommand::SetPermissionMode {
                        mode: text(&request["mode"])?,
                    },
                ),
                "set_model" => (
                    "model",
                    ControlCommand::SetModel {
                        model: text(&request["model"]),
                    },
                ),
                "stop_task" => (
                    "task",
                    ControlCommand::StopTask {
                        task_id: text(&request["task_id"])?,
                    },
                ),
                "get_session_cost" => ("cost", ControlCommand::GetSessionCost),
                _ => return None,
            };
            Some((
                form,
                control_request(value["request_id"].as_str()?, &command),
            ))
        }
        "control_response" => {
            let id = value["response"]["request_id"].as_str()?;
            if let Some(error) = value["response"]["error"].as_str() {
                return Some(("error", control_error(id, error)));
            }
            let response = &value["response"]["response"];
            if let Some(message) = response.get("mcp_response") {
                return Some(("mcp", mcp_response(id, &raw(message))));
            }
            let permissions: Option<Vec<RawJson>> = response["updatedPermissions"]
                .as_array()
                .map(|list| list.iter().map(raw).collect());
            match (response["behavior"].as_str()?, permissions) {
                ("allow", None) => Some(("allow", allow(id, &raw(response.get("updatedInput")?)))),
                ("allow", Some(list)) => Some((
                    "always",
                    allow_with_permissions(id, &raw(response.get("updatedInput")?), &list),
                )),
                (_, _) if response["interrupt"] == true => {
                    Some(("stop", deny_and_stop(id, response["message"].as_str()?)))
                }
                (_, _) => Some(("deny", deny(id, response["message"].as_str()?))),
            }
        }
        _ => None,
    }
}

/// Not in a recording, but checked against both versions.
#[test]
fn a_queued_message_is_taken_back_by_its_uuid() {
    let command = ControlCommand::CancelAsyncMessage {
        uuid: "u".to_owned(),
    };
    let line = r#"{"type":"control_request","request_id":"r","request":{"subtype":"cancel_async_message","message_uuid":"u"}}"#;
    assert_eq!(control_request("r", &command), line);
}

#[test]
fn raw_json_from_elsewhere_becomes_one_line() {
    let raw =
        RawJson::from_text("{\n  \"a\": \"b\\nc\",\r\n \"n\": 1.50\n}".to_owned()).expect("JSON");
    assert_eq!(raw.text(), "{   \"a\": \"b\\nc\",   \"n\": 1.50 }");
    assert_eq!(
        raw.parse::<Value>().expect("JSON"),
        json!({"a": "b\nc", "n": 1.5})
    );
    assert!(RawJson::from_text("{} {}".to_owned()).is_err());
    assert!(RawJson::from_text(String::new()).is_err());
}

#[test]
fn only_texts_that_are_meant_as_commands_begin_with_a_slash() {
    let commands = ["compact", "cost", "frontend:build"].map(str::to_owned);
    for (text, expected) in [
        ("hello", "hello"),
        ("", ""),
        (" /compact", " /compact"),
        ("\n/compact", "\n/compact"),
        ("!ls #x", "!ls #x"),
        ("/compact", "/compact"),
        ("/compact keep the names", "/compact keep the names"),
        ("/compact\nkeep", "/compact\nkeep"),
        ("/frontend:build now", "/frontend:build now"),
        ("/compactor", " /compactor"),
        ("/COMPACT", " /COMPACT"),
        ("/compact\u{a0}x", " /compact\u{a0}x"),
        ("/start", " /start"),
        ("/home/user/x is broken", " /home/user/x is broken"),
        ("/", " /"),
        ("/ compact", " / compact"),
        ("//compact now", "/compact now"),
        ("//not-listed x", "/not-listed x"),
        ("//", " //"),
        ("// a comment", " // a comment"),
        ("//TODO: later", " //TODO: later"),
        ("//host/share", " //host/share"),
        ("///compact", " ///compact"),
        ("/\0", " /\0"),
    ] {
        assert_eq!(escape_prompt(text, &commands), expected, "{text:?}");
    }
}
