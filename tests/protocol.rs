//! The protocol against what the real CLI printed and was given: the recorded streams of both versions, the same with
//! everything changed that must not matter, and lines that no CLI would print.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use chappe::claude::protocol::*;
use serde_json::value::RawValue;
use serde_json::{Value, json};

#[path = "protocol/conversation.rs"]
mod conversation;
#[path = "protocol/hostile.rs"]
mod hostile;
#[path = "protocol/written.rs"]
mod written;

use conversation::{Names, render};

/// Kinds that occur in the recordings and that we have no use for.
const LEFT_UNKNOWN: [&str; 4] = [
    "system/hook_response",
    "system/hook_started",
    "system/model_refusal_no_fallback",
    "system/session_title_changed",
];

/// The streams whose whole conversation is kept as a snapshot: together they show every kind of message.
const SNAPSHOTS: [&str; 16] = [
    "api_retry",
    "ask_plan_todo",
    "bad_resume",
    "compact",
    "interrupt_permission",
    "partial_thinking",
    "permission_denied_mode",
    "permission_queue",
    "permissions",
    "sdk_mcp",
    "v2.1.330/background_task",
    "v2.1.330/clear",
    "v2.1.330/interrupt_early",
    "v2.1.330/resume_after_sigkill_tool",
    "v2.1.330/steer_tool",
    "v2.1.330/subagent",
];

/// All recordings by name, such as `v2.1.330/clear.ndjson`, with their lines.
static RECORDINGS: LazyLock<BTreeMap<String, Vec<String>>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/transcripts");
    let mut recordings = BTreeMap::new();
    for folder in ["", "v2.1.330/"] {
        for entry in fs::read_dir(root.join(folder)).expect("recordings are part of the repository")
        {
            let path = entry.expect("the folder can be listed").path();
            if path
                .extension()
                .is_some_and(|ext| ext == "ndjson" || ext == "stdin")
            {
                let name = path.file_name().expect("a file").to_str().expect("ASCII");
                let text = fs::read_to_string(&path).expect("recordings are UTF-8");
                recordings.insert(
                    format!("{folder}{name}"),
                    text.lines().map(str::to_owned).collect(),
                );
            }
        }
    }
    recordings
});

fn recorded(suffix: &str) -> impl Iterator<Item = &'static String> {
    RECORDINGS
        .iter()
        .filter(move |(name, _)| name.ends_with(suffix))
        .flat_map(|(_, lines)| lines)
}

fn read(line: &str) -> Message {
    parse(line.as_bytes()).expect("the line is not blank")
}

#[test]
fn every_recorded_line_is_understood_but_for_the_kinds_we_have_no_use_for() {
    let mut unknown = BTreeSet::new();
    for line in recorded(".ndjson") {
        match read(line) {
            Message::Unknown { kind, reason } => {
                assert_eq!(reason, None, "{line}");
                unknown.insert(kind);
            }
            Message::Assistant(assistant) => {
                assert!(
                    !assistant
                        .blocks
                        .iter()
                        .any(|block| matches!(block, Block::Other(_))),
                    "{line}"
                );
            }
            Message::ControlRequest {
                request: ControlRequest::Other { subtype },
                ..
            } => {
                assert_eq!(subtype, "hook_callback", "{line}");
            }
            _ => {}
        }
    }
    assert_eq!(unknown, LEFT_UNKNOWN.map(str::to_owned).into());
}

/// The typed readers against the whole line as a plain JSON value.
#[test]
fn what_is_read_is_what_stands_in_the_line() {
    for line in recorded(".ndjson") {
        let value: Value = serde_json::from_str(line).expect("recorded lines are JSON");
        let blocks = value["message"]["content"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        match read(line) {
            Message::Init(init) => {
                assert_eq!(json!(init.session_id), value["session_id"]);
                assert_eq!(json!(init.permission_mode), value["permissionMode"]);
                assert_eq!(json!(init.version), value["claude_code_version"]);
                assert_eq!(json!(init.slash_commands), value["slash_commands"]);
                assert_eq!(
                    init.mcp_servers.len(),
                    value["mcp_servers"].as_array().map_or(0, Vec::len)
                );
            }
            Message::Assistant(assistant) => {
                assert_eq!(json!(assistant.message_id), value["message"]["id"]);
                assert_eq!(assistant.blocks.len(), blocks.len());
                for (block, value) in assistant.blocks.iter().zip(&blocks) {
                    match block {
                        Block::Text(text) => assert_eq!(json!(text), value["text"]),
                        Block::Thinking(text) => assert_eq!(json!(text), value["thinking"]),
                        Block::ToolUse { id, name, input } => {
                            assert_eq!(json!([id, name]), json!([value["id"], value["name"]]));
                            assert_eq!(input.parse::<Value>().expect("JSON"), value["input"]);
                        }
                        Block::Other(kind) => panic!("{kind}"),
                    }
                }
            }
            Message::User(user) => {
                assert_eq!(json!(user.uuid), value["uuid"]);
                let results = blocks
                    .iter()
                    .filter(|block| block["type"] == "tool_result")
                    .count();
                assert_eq!(user.tool_results.len(), results);
                assert!(!user.text.is_empty() || results > 0, "{line}");
                for result in &user.tool_results {
                    assert!(
                        line.contains(&format!("\"{}\"", result.tool_use_id))
                            && !result.text.is_empty()
                    );
                }
            }
            Message::Result(result) => {
                assert_eq!(json!(result.subtype), value["subtype"]);
                assert_eq!(json!(result.is_error), value["is_error"]);
                assert_eq!(json!(result.text), value["result"]);
                assert_eq!(
                    json!(result.total_cost_usd.map(f64::to_bits)),
                    json!(value["total_cost_usd"].as_f64().map(f64::to_bits))
                );
                assert_eq!(
                    json!(result.usage.input_tokens),
                    value["usage"]["input_tokens"]
                );
                assert_eq!(json!(result.duration_ms), value["duration_ms"]);
                assert_eq!(
                    result.permission_denials,
                    value["permission_denials"].as_array().map_or(0, Vec::len)
                );
                let has_difference = value.get("model_usage_since_last_result").is_some();
                assert_eq!(result.cost_since_last_result.is_some(), has_difference);
            }
            Message::ControlRequest {
                request: ControlRequest::CanUseTool(ask),
                ..
            } => {
                assert!(
                    line.contains(&format!("\"input\":{}", ask.input.text())),
                    "{line}"
                );
                let suggestions = value["request"]["permission_suggestions"]
                    .as_array()
                    .map_or(0, Vec::len);
                assert_eq!(ask.permission_suggestions.len(), suggestions);
            }
            Message::ControlResponse { outcome, .. } => match outcome {
                Ok(response) => assert_eq!(response, value["response"]["response"]),
                Err(error) => assert_eq!(json!(error), value["response"]["error"]),
            },
            _ => {}
        }
    }
}

/// The CLI's next version moves keys and adds some. Only the top level is moved: inputs are compared as text.
#[test]
fn neither_the_order_of_keys_nor_new_ones_matter() {
    for line in recorded(".ndjson") {
        let fields: BTreeMap<&str, &RawValue> =
            serde_json::from_str(line).expect("recorded lines are objects");
        let mut moved = r#"{"a_new_one":{"type":"result","deep":[[{}]]}"#.to_owned();
        for (key, value) in fields.iter().rev() {
            write!(moved, ",\"{key}\":{value}").expect("writing to a String");
        }
        moved.push('}');
        assert_eq!(read(&moved), read(line));
    }
}

#[test]
fn recorded_conversations_read_as_before() {
    for name in SNAPSHOTS {
        let mut names = Names::default();
        let mut conversation = String::new();
        for line in &RECORDINGS[&format!("{name}.ndjson")] {
            let line = names.replace(&render(&read(line)));
            writeln!(conversation, "{line}").expect("writing to a String");
        }
        insta::assert_snapshot!(name.replace('/', "_"), conversation);
    }
}

#[test]
fn a_line_that_is_no_message_is_kept_as_unknown_without_its_content() {
    let unknown = |line: &str| match read(line) {
        Message::Unknown { kind, reason } => (kind, reason.unwrap_or_default()),
        other => panic!("{other:?}"),
    };
    let pair = |kind: &str, reason: &str| (kind.to_owned(), reason.to_owned());
    assert_eq!(unknown("Error: secret"), pair("", "not a JSON object"));
    assert_eq!(
        unknown(r#"["system","init"]"#),
        pair("", "not a JSON object")
    );
    assert_eq!(
        unknown(r#"{"type":"result","result":"sec"#),
        pair("", "cut off at column 30")
    );
    assert_eq!(
        unknown(r#"{"type":"result" secret}"#),
        pair("", "not JSON at column 18")
    );
    assert_eq!(unknown("{}"), pair("", ""));
    assert_eq!(unknown(r#"{"type":7}"#), pair("", ""));
    assert_eq!(
        unknown(r#"{"type":"tool_progress","x":1}"#),
        pair("tool_progress", "")
    );
    assert_eq!(
        unknown(r#"{"type":"system","subtype":"a b\u00e9"}"#),
        pair("system", "")
    );
    assert_eq!(
        unknown(r#"{"type":"system","subtype":"ERROR é: x"}"#),
        pair("system/ERROR????x", "")
    );
    assert_eq!(
        unknown(&json!({"type": "x".repeat(200)}).to_string())
            .0
            .len(),
        64
    );

    assert_eq!(
        unknown(r#"{"type":"assistant"}"#),
        pair("assistant", "missing field `message` at line 1 column 20")
    );
    assert_eq!(
        unknown(r#"{"type":"assistant","message":"secret"}"#),
        pair("assistant", "wrong type at column 38")
    );
    assert_eq!(
        unknown(r#"{"type":"command_lifecycle","command_uuid":4,"state":"queued"}"#).1,
        "wrong type at column 44"
    );
    assert_eq!(
        unknown(r#"{"type":"control_request","request":{"subtype":"can_use_tool"}}"#).0,
        "control_request"
    );
}

#[test]
fn a_blank_line_is_no_message() {
    for line in ["", "\n", "\r\n", " \t\r\n"] {
        assert_eq!(parse(line.as_bytes()), None);
    }
    assert_eq!(
        parse(b"  {\"type\":\"conversation_reset\"}\r\n"),
        Some(Message::ConversationReset)
    );
}

/// Else the CLI would wait for ever.
#[test]
fn a_request_that_cannot_be_read_can_still_be_answered() {
    for (body, subtype) in [
        (
            json!({"subtype": "can_use_tool", "tool_name": 7, "input": {}}),
            "can_use_tool",
        ),
        (
            json!({"subtype": "can_use_tool", "tool_name": "Bash"}),
            "can_use_tool",
        ),
        (json!({"subtype": "mcp_message"}), "mcp_message"),
        (json!({"subtype": "elicitation"}), "elicitation"),
        (json!([1, 2]), ""),
        (json!(null), ""),
    ] {
        let line =
            json!({"type": "control_request", "request_id": "r", "request": body}).to_string();
        let request = ControlRequest::Other {
            subtype: subtype.to_owned(),
        };
        assert_eq!(
            read(&line),
            Message::ControlRequest {
                request_id: "r".to_owned(),
                request
            }
        );
    }
}

#[test]
fn a_tool_input_keeps_every_digit_and_any_depth() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let input = format!(r#"{{"b": 12345678901234567890123.10, "a":"\u0000\u2028", "b2":{deep}}}"#);
    let line = format!(
        r#"{{"type":"control_request","request_id":"r","request":{{"subtype":"can_use_tool","tool_name":"x","input":{input}}}}}"#
    );
    let Message::ControlRequest {
        request: ControlRequest::CanUseTool(ask),
        ..
    } = read(&line)
    else {
        panic!("a request for permission is read");
    };
    assert_eq!(ask.input.text(), input);
    assert!(allow("r", &ask.input).contains(&input));
}

/// 2.1.197 asked like this; serde_json refuses such a line, and what is not read is never answered.
#[test]
fn half_a_character_does_not_cost_a_request() {
    let line = r#"{"type":"control_request","request_id":"r","request":{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"echo \ud83d \\ud83d \uD83E\uDD80"}}}"#;
    let Message::ControlRequest {
        request: ControlRequest::CanUseTool(ask),
        ..
    } = read(line)
    else {
        panic!("a request for permission is read");
    };
    let input = r#"{"command":"echo \ufffd \\ud83d \uD83E\uDD80"}"#;
    assert_eq!(ask.input.text(), input);
    let command = json!({"command": "echo \u{fffd} \\ud83d 🦀"});
    assert_eq!(ask.input.parse::<Value>().expect("JSON"), command);
}

#[test]
fn a_bad_block_does_not_take_the_others_with_it() {
    let content = r#"[{"type":"text","text":"one"},7,{"type":"tool_use","id":"t"},{"type":"redacted_thinking"},{"type":"text","text":"two"}]"#;
    let Message::Assistant(assistant) = read(&format!(
        r#"{{"type":"assistant","message":{{"id":"m","content":{content}}}}}"#
    )) else {
        panic!("an assistant line");
    };
    let other = |kind: &str| Block::Other(kind.to_owned());
    let text = |text: &str| Block::Text(text.to_owned());
    assert_eq!(
        assistant.blocks,
        [
            text("one"),
            other(""),
            other("tool_use"),
            other("redacted_thinking"),
            text("two")
        ]
    );
}

#[test]
fn the_schema_only_kinds_are_read_as_the_schema_says() {
    let line = r#"{"type":"rate_limit_event","rate_limit_info":{"status":"rejected","resetsAt":1795362411,"rateLimitType":"five_hour","utilization":1.02},"uuid":"u","session_id":"s"}"#;
    let limit = RateLimit {
        status: "rejected".to_owned(),
        resets_at: Some(1_795_362_411),
        limit_type: Some("five_hour".to_owned()),
        utilization: Some(1.02),
    };
    assert_eq!(read(line), Message::RateLimit(limit));
    let line = r#"{"type":"command_lifecycle","command_uuid":"u","state":"discarded"}"#;
    let state = Lifecycle::Other("discarded".to_owned());
    assert_eq!(
        read(line),
        Message::Lifecycle {
            uuid: "u".to_owned(),
            state
        }
    );
    let line = r#"{"type":"result","subtype":"error_new_kind"}"#;
    assert!(matches!(read(line), Message::Result(result) if result.is_error));
}

#[test]
fn answers_to_our_own_requests_are_read() {
    let responses = |name: &str| {
        let lines = RECORDINGS[name].iter().map(|line| read(line));
        lines.filter_map(|message| match message {
            Message::ControlResponse {
                outcome: Ok(response),
                ..
            } => Some(response),
            _ => None,
        })
    };
    let first = |name| {
        Initialized::from(
            &responses(name)
                .next()
                .expect("the first line answers initialize"),
        )
    };
    let old = first("permissions.ndjson");
    assert_eq!((old.version, old.current_permission_mode), (None, None));
    assert!(
        old.models.contains(&"default".to_owned()),
        "{:?}",
        old.models
    );
    let new = first("v2.1.330/permissions.ndjson");
    assert_eq!(new.version.as_deref(), Some("2.1.330"));
    assert_eq!(new.current_permission_mode.as_deref(), Some("default"));
    assert_eq!(new.commands[..2], ["hello", "deep-research"]);
    assert_eq!(new.models, ["default", "opus", "fable"]);
    assert!(!new.capabilities.is_empty());

    for name in ["control.ndjson", "v2.1.330/control.ndjson"] {
        assert_eq!(
            responses(name).find_map(|response| session_cost_usd(&response)),
            Some(0.0)
        );
    }
    let cost = |text: &str| session_cost_usd(&json!({"text": text}));
    assert_eq!(
        cost("Estimated cost:        $1,234.5600\nTotal duration (API):  0s"),
        Some(1234.56)
    );
    assert_eq!(cost("Total cost: none"), None);

    let response = json!({"commands": [{"name": "usage", "aliases": ["cost", "stats"]}, {"name": "compact"}, {}]});
    assert_eq!(
        commands_of(&response),
        ["usage", "cost", "stats", "compact"]
    );
    assert_eq!(Initialized::from(&Value::Null), Initialized::default());
}
