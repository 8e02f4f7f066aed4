//! Lines and texts that nobody would send: nothing panics, nothing is lost that must not be, nothing gets out of its line.

use chappe::claude::protocol::*;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{read, recorded};

fn any_text() -> impl Strategy<Value = String> {
    // Mostly what matters to JSON, lines and commands; else any character.
    let special = prop::sample::select(vec![
        '/', '\n', '\r', '\0', '"', '\\', ' ', '\u{2028}', '\u{7f}', '\u{feff}', 'é', '🦀', 'a',
        ':',
    ]);
    let character = prop_oneof![special, any::<char>()];
    prop::collection::vec(character, 0..40).prop_map(|text| text.into_iter().collect())
}

fn any_recorded_line() -> impl Strategy<Value = &'static String> {
    prop::sample::select(recorded(".ndjson").collect::<Vec<_>>())
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((any_text(), inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Whatever came in, what goes into a log is short and cannot break out of its line.
fn check_unknown(message: Option<Message>) {
    if let Some(Message::Unknown { kind, reason }) = message {
        assert!(
            kind.len() <= 64 && kind.chars().all(|c| c.is_ascii_graphic()),
            "{kind:?}"
        );
        assert!(reason.unwrap_or_default().len() <= 80);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_unknown(parse(&bytes));
        check_unknown(parse(&[b"{\"type\":\"", &bytes[..], b"\"}"].concat()));
    }

    #[test]
    fn a_damaged_line_is_read_without_a_panic(
        line in any_recorded_line(),
        at in any::<prop::sample::Index>(),
        length in 0..20_usize,
        put_in in prop::collection::vec(any::<u8>(), 0..4),
        cut in any::<bool>(),
    ) {
        let mut bytes = line.clone().into_bytes();
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            let end = bytes.len().min(at + length);
            bytes.splice(at..end, put_in);
        }
        check_unknown(parse(&bytes));
    }

    /// A CLI that changes the type of any field of a result still ends its turn.
    #[test]
    fn a_result_stays_a_result_whatever_its_fields_hold(
        line in prop::sample::select(recorded(".ndjson").filter(|line| matches!(read(line), Message::Result(_))).collect::<Vec<_>>()),
        key in any::<prop::sample::Index>(),
        value in any_json(),
    ) {
        let mut fields: serde_json::Map<String, Value> = serde_json::from_str(line).expect("an object");
        let keys: Vec<String> = fields.keys().filter(|key| *key != "type").cloned().collect();
        fields.insert(keys[key.index(keys.len())].clone(), value);
        let message = read(&Value::Object(fields).to_string());
        prop_assert!(matches!(message, Message::Result(_)), "{:?}", message);
    }

    /// JavaScript's strings are UTF-16 and may be cut anywhere.
    #[test]
    fn half_characters_become_replacement_characters(
        units in prop::collection::vec(prop_oneof![any::<u16>(), 0xD7FE..0xE002_u16], 0..20),
        before in any_text(),
    ) {
        let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
        let before_json = json!(before).to_string();
        let before_json = &before_json[1..before_json.len() - 1];
        let line = format!(r#"{{"type":"result","result":"{before_json}{escaped}"}}"#);
        let Message::Result(result) = read(&line) else {
            panic!("a result");
        };
        let expected = before + &String::from_utf16_lossy(&units);
        prop_assert_eq!(result.text, Some(expected));
    }

    #[test]
    fn any_prompt_arrives_as_it_was(uuid in any_text(), text in any_text()) {
        let line = user_line(&uuid, &text);
        prop_assert!(!line.contains(['\n', '\r']));
        let value: Value = serde_json::from_str(&line).expect("JSON");
        prop_assert_eq!(&value["message"]["content"], &json!(text));
        prop_assert_eq!(&value["uuid"], &json!(uuid));
        // The CLI replays a line of ours in the form in which it got it.
        prop_assert!(matches!(read(&line), Message::User(user) if user.text == text));
    }

    #[test]
    fn no_answer_holds_a_line_break(id in any_text(), message in any_text(), input in any_json()) {
        let input = RawJson::from_text(format!("{input:#}")).expect("JSON");
        let rules = [input.clone(), input.clone()];
        for line in [
            allow(&id, &input),
            allow_with_permissions(&id, &input, &rules),
            deny(&id, &message),
            deny_and_stop(&id, &message),
            control_error(&id, &message),
            mcp_response(&id, &input),
            control_request(&id, &ControlCommand::SetPermissionMode { mode: message.clone() }),
        ] {
            prop_assert!(!line.contains(['\n', '\r']));
            prop_assert!(serde_json::from_str::<Value>(&line).is_ok());
        }
    }

    #[test]
    fn no_text_becomes_a_command_by_chance(text in any_text(), tail in any_text(), known in any::<bool>()) {
        let commands = ["compact".to_owned()];
        let text = if known { format!("/compact{tail}") } else { text };
        let escaped = escape_prompt(&text, &commands);
        if let Some(command) = escaped.strip_prefix('/') {
            let word = command.split([' ', '\t', '\n', '\r']).next().unwrap_or_default();
            let asked_for = text == format!("/{}", escaped);
            prop_assert!(word == "compact" || asked_for);
            prop_assert!(!word.is_empty() && !word.contains('/'));
        } else {
            let with_a_space = format!(" {}", text);
            prop_assert!(escaped == text || escaped == with_a_space);
        }
    }
}
