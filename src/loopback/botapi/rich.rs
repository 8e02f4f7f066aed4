//! Rich messages: the limits of `blocks`, and the plain text that a list of chats shows of them.
//!
//! Pure. Limits and descriptions are those of the Bot API 10.3 documentation and of what was seen live. `markdown`
//! and `html` are taken as they are: parsing them would make this a second renderer, and the daemon sends `blocks`.

use super::refusal::Refusal;
use serde_json::Value;

const CHARS_MAX: usize = 32_768;
const BLOCKS_MAX: usize = 500;
const DEPTH_MAX: usize = 16;
const COLUMNS_MAX: usize = 20;

const BLOCK_TYPES: &[&str] = &[
    "paragraph",
    "heading",
    "pre",
    "footer",
    "divider",
    "mathematical_expression",
    "anchor",
    "list",
    "blockquote",
    "expandable_blockquote",
    "pullquote",
    "table",
    "details",
    "buttons",
    "map",
    "collage",
    "slideshow",
    "photo",
    "video",
    "animation",
    "audio",
    "voice_note",
    "document",
];
const TEXT_TYPES: &[&str] = &[
    "bold",
    "italic",
    "underline",
    "strikethrough",
    "spoiler",
    "marked",
    "code",
    "subscript",
    "superscript",
    "url",
    "email_address",
    "phone_number",
    "text_mention",
    "custom_emoji",
    "date_time",
    "mathematical_expression",
    "anchor",
    "anchor_link",
    "reference",
    "reference_link",
    "button",
];

/// Checks an `InputRichMessage` and returns its visible text, a line for each block.
pub fn check(message: &Value) -> Result<String, Refusal> {
    let blocks = match message.get("blocks") {
        Some(Value::Array(blocks)) => blocks,
        Some(_) => return Err(cannot_parse("blocks must be an Array")),
        None => {
            let source = ["markdown", "html"]
                .iter()
                .find_map(|name| message.get(*name)?.as_str());
            let source = source.unwrap_or("").trim();
            return match source.is_empty() {
                true => Err(Refusal::bad("rich message must be non-empty")),
                false if source.chars().count() > CHARS_MAX => {
                    Err(Refusal::bad("RICH_MESSAGE_TEXT_TOO_LONG"))
                }
                false => Ok(source.to_string()),
            };
        }
    };
    let mut walk = Walk::default();
    walk.blocks(blocks, 1)?;
    if walk.blocks == 0 {
        return Err(Refusal::bad("rich message must be non-empty"));
    }
    if walk.text.trim().is_empty() && !walk.shows_something {
        return Err(Refusal::bad("RICH_MESSAGE_CONTENT_REQUIRED"));
    }
    // Line ends are ours, not the message's.
    if walk.chars > CHARS_MAX {
        return Err(Refusal::bad("RICH_MESSAGE_TEXT_TOO_LONG"));
    }
    Ok(walk.text.trim_end().to_string())
}

#[derive(Default)]
struct Walk {
    text: String,
    chars: usize,
    blocks: usize,
    /// A block without text that is seen all the same: a divider, a picture.
    shows_something: bool,
}

impl Walk {
    fn blocks(&mut self, blocks: &[Value], depth: usize) -> Result<(), Refusal> {
        blocks.iter().try_for_each(|block| self.block(block, depth))
    }

    fn block(&mut self, block: &Value, depth: usize) -> Result<(), Refusal> {
        let kind = block["type"].as_str().unwrap_or("");
        if !BLOCK_TYPES.contains(&kind) {
            return Err(cannot_parse(&format!("unsupported block type \"{kind}\"")));
        }
        self.enter(depth)?;
        if kind == "heading" && !matches!(block["size"].as_i64(), Some(1..=6)) {
            return Err(cannot_parse("heading size must be from 1 to 6"));
        }
        for name in ["text", "summary", "caption", "credit", "expression"] {
            if let Some(text) = block.get(name) {
                self.rich_text(text, depth + 1)?;
                self.text.push('\n');
            }
        }
        for name in ["blocks", "items"] {
            for inner in array(block, name)? {
                match name {
                    "items" => {
                        // An item counts as a block of its own.
                        self.enter(depth + 1)?;
                        self.blocks(array(inner, "blocks")?, depth + 2)?;
                    }
                    _ => self.block(inner, depth + 1)?,
                }
            }
        }
        for row in array(block, "cells")? {
            let Some(row) = row.as_array() else {
                return Err(cannot_parse("table cells must be an Array of Arrays"));
            };
            if row.len() > COLUMNS_MAX {
                return Err(Refusal::bad("RICH_MESSAGE_TABLE_COLS_TOO_MANY"));
            }
            self.enter(depth + 1)?;
            for cell in row {
                self.rich_text(cell.get("text").unwrap_or(&Value::Null), depth + 2)?;
                self.text.push('\t');
            }
            self.text.push('\n');
        }
        self.shows_something |= !matches!(
            kind,
            "paragraph" | "anchor" | "list" | "details" | "blockquote"
        );
        Ok(())
    }

    fn rich_text(&mut self, text: &Value, depth: usize) -> Result<(), Refusal> {
        match text {
            Value::Null => Ok(()),
            Value::String(text) => {
                self.text.push_str(text);
                self.chars += text.chars().count();
                Ok(())
            }
            Value::Array(parts) => parts
                .iter()
                .try_for_each(|part| self.rich_text(part, depth)),
            Value::Object(fields) => {
                let kind = fields.get("type").and_then(Value::as_str).unwrap_or("");
                if !TEXT_TYPES.contains(&kind) {
                    return Err(cannot_parse(&format!("unsupported text type \"{kind}\"")));
                }
                if depth > DEPTH_MAX {
                    return Err(Refusal::bad("RICH_MESSAGE_DEPTH_INVALID"));
                }
                for name in ["text", "alternative_text", "expression"] {
                    self.rich_text(fields.get(name).unwrap_or(&Value::Null), depth + 1)?;
                }
                Ok(())
            }
            _ => Err(cannot_parse("text must be a String, an Array or an Object")),
        }
    }

    fn enter(&mut self, depth: usize) -> Result<(), Refusal> {
        self.blocks += 1;
        if self.blocks > BLOCKS_MAX {
            return Err(Refusal::bad("RICH_MESSAGE_BLOCKS_TOO_MANY"));
        }
        if depth > DEPTH_MAX {
            return Err(Refusal::bad("RICH_MESSAGE_DEPTH_INVALID"));
        }
        Ok(())
    }
}

fn array<'a>(block: &'a Value, name: &str) -> Result<&'a [Value], Refusal> {
    match block.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(cannot_parse(&format!("{name} must be an Array"))),
    }
}

fn cannot_parse(why: &str) -> Refusal {
    Refusal::bad(&format!("can't parse InputRichBlock: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn description(blocks: Value) -> String {
        check(&json!({"blocks": blocks})).unwrap_err().description
    }

    #[test]
    fn the_visible_text_is_flattened() {
        let message = json!({"blocks": [
            {"type": "heading", "size": 2, "text": "Disks"},
            {"type": "paragraph", "text": ["a ", {"type": "bold", "text": "b"}]},
            {"type": "list", "items": [{"blocks": [{"type": "paragraph", "text": "one"}]}]},
            {"type": "table", "cells": [[{"text": "x"}, {"text": "y"}]]},
        ]});
        assert_eq!(check(&message).unwrap(), "Disks\na b\none\nx\ty");
    }

    #[test]
    fn each_limit_has_its_own_refusal() {
        let paragraph = json!({"type": "paragraph", "text": "x"});
        assert_eq!(
            description(json!([])),
            "Bad Request: rich message must be non-empty"
        );
        assert_eq!(
            description(json!(vec![paragraph.clone(); 501])),
            "Bad Request: RICH_MESSAGE_BLOCKS_TOO_MANY"
        );
        let long = json!([{"type": "paragraph", "text": "x".repeat(CHARS_MAX + 1)}]);
        assert_eq!(description(long), "Bad Request: RICH_MESSAGE_TEXT_TOO_LONG");
        let wide = json!([{"type": "table", "cells": [vec![json!({"text": "x"}); 21]]}]);
        assert_eq!(
            description(wide),
            "Bad Request: RICH_MESSAGE_TABLE_COLS_TOO_MANY"
        );
        let deep = (0..17).fold(
            paragraph,
            |inner, _| json!({"type": "blockquote", "blocks": [inner]}),
        );
        assert_eq!(
            description(json!([deep])),
            "Bad Request: RICH_MESSAGE_DEPTH_INVALID"
        );
        assert!(
            description(json!([{"type": "thinking", "text": "x"}]))
                .contains("can't parse InputRichBlock")
        );
        assert_eq!(
            description(json!([{"type": "paragraph", "text": " "}])),
            "Bad Request: RICH_MESSAGE_CONTENT_REQUIRED"
        );
    }
}
