//! Inline keyboards: what the server takes, and what a person sees of them.
//!
//! Pure. Other keyboards (reply, force reply, remove) are taken and not shown.

use super::links::check_link;
use super::refusal::Refusal;
use serde_json::Value;

/// In bytes.
pub const CALLBACK_DATA_MAX: usize = 64;
/// Stricter than the real server, which was seen to accept more at times: nothing should rely on that.
pub const BUTTONS_MAX: usize = 100;
/// The whole keyboard as JSON, in bytes. The real limit is not documented; this is on the safe side.
pub const MARKUP_MAX: usize = 10 * 1024;

/// A keyboard as the chat shows it: rows of label and callback data (or the link, or nothing).
pub type Buttons = Vec<Vec<(String, String)>>;

/// Checks a `reply_markup`; what is not an inline keyboard gives no buttons.
pub fn check(markup: Option<&Value>) -> Result<Buttons, Refusal> {
    let Some(markup) = markup else {
        return Ok(Vec::new());
    };
    let Some(markup) = markup.as_object() else {
        return Err(Refusal::bad("object expected as reply markup"));
    };
    let Some(rows) = markup.get("inline_keyboard") else {
        return Ok(Vec::new());
    };
    let Some(rows) = rows.as_array() else {
        return Err(Refusal::bad(
            "field \"inline_keyboard\" must be of type Array",
        ));
    };
    let mut shown = Vec::new();
    for row in rows {
        let Some(row) = row.as_array() else {
            return Err(Refusal::bad(
                "field \"inline_keyboard\" must be an Array of Arrays",
            ));
        };
        let buttons = row
            .iter()
            .map(check_button)
            .collect::<Result<Vec<_>, _>>()?;
        // The server drops empty rows.
        if !buttons.is_empty() {
            shown.push(buttons);
        }
    }
    let count: usize = shown.iter().map(Vec::len).sum();
    let size: usize = rows.iter().map(|row| row.to_string().len()).sum();
    if count > BUTTONS_MAX || size > MARKUP_MAX {
        return Err(Refusal::bad("reply markup is too long"));
    }
    Ok(shown)
}

fn check_button(button: &Value) -> Result<(String, String), Refusal> {
    let Some(fields) = button.as_object() else {
        return Err(Refusal::bad(
            "can't parse inline keyboard button: InlineKeyboardButton must be an Object",
        ));
    };
    let field = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or("");
    let label = field("text").to_string();
    if label.trim().is_empty() {
        return Err(Refusal::bad(
            "can't parse inline keyboard button: Field \"text\" must be non-empty",
        ));
    }
    let data = field("callback_data");
    if data.len() > CALLBACK_DATA_MAX {
        return Err(Refusal::bad("BUTTON_DATA_INVALID"));
    }
    if !data.is_empty() {
        return Ok((label, data.to_string()));
    }
    let url = field("url");
    if !url.is_empty() {
        check_link(url).map_err(|why| {
            Refusal::bad(&format!(
                "inline keyboard button URL '{url}' is invalid: {why}"
            ))
        })?;
        return Ok((label, url.to_string()));
    }
    let others = [
        "web_app",
        "copy_text",
        "login_url",
        "disabled",
        "switch_inline_query",
        "switch_inline_query_current_chat",
    ];
    if others.iter().any(|name| fields.contains_key(*name)) {
        return Ok((label, String::new()));
    }
    Err(Refusal::bad(
        "can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(button: Value) -> String {
        check(Some(&json!({"inline_keyboard": [[button]]})))
            .unwrap_err()
            .description
    }

    #[test]
    fn callback_data_is_counted_in_bytes() {
        let good =
            json!({"inline_keyboard": [[{"text": "a", "callback_data": "é".repeat(32)}], []]});
        assert_eq!(
            check(Some(&good)).unwrap(),
            [[("a".to_string(), "é".repeat(32))]]
        );
        assert_eq!(
            refusal(json!({"text": "a", "callback_data": "é".repeat(33)})),
            "Bad Request: BUTTON_DATA_INVALID"
        );
    }

    #[test]
    fn a_button_must_do_something() {
        let text_only = "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard";
        assert_eq!(
            refusal(json!({"text": "a", "callback_data": ""})),
            text_only
        );
        assert_eq!(
            refusal(json!({"text": "a", "url": "http://grafana:3000/"})),
            "Bad Request: inline keyboard button URL 'http://grafana:3000/' is invalid: Wrong HTTP URL"
        );
    }

    #[test]
    fn too_many_buttons_are_too_long() {
        let row: Vec<Value> = (0..=BUTTONS_MAX)
            .map(|index| json!({"text": "a", "callback_data": index.to_string()}))
            .collect();
        let error = check(Some(&json!({"inline_keyboard": [row]}))).unwrap_err();
        assert_eq!(error.description, "Bad Request: reply markup is too long");
    }
}
