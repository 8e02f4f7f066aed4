//! What the server makes of a text with entities: it cleans, trims, merges and splits them, or refuses.
//!
//! Pure. Follows `fix_formatted_text` of TDLib (`td/telegram/MessageEntity.cpp`), on which the real server stands,
//! with its wording of errors. Left out: entities that the server finds by itself (links, mentions, commands).

use super::links::check_link;
use super::refusal::Refusal;
use serde_json::{Map, Value};

/// After cleaning and trimming; the server's own limit for a message.
pub const TEXT_MAX: usize = 4096;
/// A caption's limit.
pub const CAPTION_MAX: usize = 1024;
/// Entities beyond are dropped without a word: first the marks (bold, italic …), which are counted last.
pub const ENTITIES_MAX: usize = 100;
/// What an offset or length may claim at most.
const CLAIM_MAX: i64 = 1_000_000;

/// A text as the chat keeps it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text {
    pub text: String,
    pub entities: Vec<Value>,
}

#[derive(Clone, Debug)]
struct Entity {
    kind: String,
    offset: usize,
    length: usize,
    /// `url`, `language`, `user` …, carried along.
    rest: Map<String, Value>,
}

impl Entity {
    fn end(&self) -> usize {
        self.offset + self.length
    }

    /// May overlap others of its kind: such pieces are merged, then cut where other entities begin and end.
    fn is_mark(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "bold" | "italic" | "underline" | "strikethrough" | "spoiler"
        )
    }

    fn is_code(&self) -> bool {
        matches!(self.kind.as_str(), "code" | "pre")
    }

    fn is_quote(&self) -> bool {
        matches!(self.kind.as_str(), "blockquote" | "expandable_blockquote")
    }

    /// Says something that cannot be seen, so it is kept over white space as well.
    fn is_hidden_data(&self) -> bool {
        matches!(self.kind.as_str(), "text_link" | "text_mention")
            || self.rest.contains_key("language")
    }

    fn value(&self) -> Value {
        let mut value = self.rest.clone();
        value.insert("type".into(), self.kind.clone().into());
        value.insert("offset".into(), self.offset.into());
        value.insert("length".into(), self.length.into());
        Value::Object(value)
    }
}

/// Makes of `text` and `entities` (a JSON array, or null) what the chat will hold.
///
/// An empty result is returned as such; whether that is an error is the method's affair.
pub fn fix(text: &str, entities: Option<&Value>) -> Result<Text, Refusal> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut entities = parse(entities)?;
    sort(&mut entities);
    check_bounds(&units, &entities)?;
    let mut entities = resolve_overlaps(entities);
    let units = clean(&units, &mut entities);
    drop_blank(&units, &mut entities);
    let units = trim(units, &mut entities);
    let text = String::from_utf16(&units).expect("only whole characters were removed");
    let entities = split_marks(limit(entities));
    Ok(Text {
        text,
        entities: entities.iter().map(Entity::value).collect(),
    })
}

/// The length of a text as Telegram counts it.
pub fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

fn parse(entities: Option<&Value>) -> Result<Vec<Entity>, Refusal> {
    let Some(entities) = entities else {
        return Ok(Vec::new());
    };
    let Some(entities) = entities.as_array() else {
        return Err(Refusal::bad("expected an Array of MessageEntity"));
    };
    let mut parsed = Vec::new();
    for entity in entities {
        let Some(entity) = entity.as_object() else {
            return Err(Refusal::bad(
                "can't parse MessageEntity: expected an Object",
            ));
        };
        if let Some(entity) = parse_one(entity)? {
            parsed.push(entity);
        }
    }
    Ok(parsed)
}

fn parse_one(entity: &Map<String, Value>) -> Result<Option<Entity>, Refusal> {
    let kind = entity.get("type").and_then(Value::as_str).unwrap_or("");
    let kept: &[&str] = match kind {
        "bold"
        | "italic"
        | "underline"
        | "strikethrough"
        | "spoiler"
        | "code"
        | "blockquote"
        | "expandable_blockquote" => &[],
        "pre" => &["language"],
        "text_link" => &["url"],
        "text_mention" => &["user"],
        "custom_emoji" => &["custom_emoji_id"],
        "date_time" => &["unix_time", "date_time_format"],
        // The server finds these itself and ignores what a bot claims.
        "mention" | "hashtag" | "cashtag" | "bot_command" | "url" | "email" | "phone_number" => {
            return Ok(None);
        }
        _ => {
            return Err(Refusal::bad(
                "can't parse MessageEntity: Unsupported type specified",
            ));
        }
    };
    let number = |name: &str| {
        let number = entity.get(name).and_then(Value::as_i64);
        number.ok_or_else(|| {
            Refusal::bad(&format!(
                "can't parse MessageEntity: Field \"{name}\" must be of type Number"
            ))
        })
    };
    let (offset, length) = (number("offset")?, number("length")?);
    for (name, value) in [("offset", offset), ("length", length)] {
        if !(0..=CLAIM_MAX).contains(&value) {
            return Err(Refusal::bad(&format!(
                "receive an entity with incorrect {name} {value}"
            )));
        }
    }
    let mut rest = Map::new();
    for name in kept {
        let value = entity
            .get(*name)
            .filter(|value| !value.is_null() && value.as_str() != Some(""));
        rest.extend(value.map(|value| (name.to_string(), value.clone())));
    }
    if kind == "text_link" {
        let url = entity.get("url").and_then(Value::as_str).unwrap_or("");
        check_link(url)
            .map_err(|why| Refusal::bad(&format!("entity URL '{url}' is invalid: {why}")))?;
    }
    Ok((length > 0).then(|| Entity {
        kind: kind.to_string(),
        offset: offset as usize,
        length: length as usize,
        rest,
    }))
}

/// Outer ones first: by offset, then the longer, then quotes, other entities, marks.
fn sort(entities: &mut [Entity]) {
    entities.sort_by_key(|entity| {
        let rank = if entity.is_quote() {
            0
        } else {
            1 + usize::from(entity.is_mark())
        };
        (entity.offset, usize::MAX - entity.length, rank)
    });
}

fn check_bounds(units: &[u16], entities: &[Entity]) -> Result<(), Refusal> {
    let cuts = |at: usize| {
        units
            .get(at)
            .is_some_and(|unit| (0xDC00..=0xDFFF).contains(unit))
    };
    // The server names the byte after the character that is cut.
    let byte = |at: usize| String::from_utf16_lossy(&units[..=at]).len();
    for entity in entities {
        let Entity { offset, .. } = *entity;
        let end = entity.end();
        let problem = if offset > units.len() {
            format!("entity begins after the end of the text at UTF-16 offset {offset}")
        } else if cuts(offset) {
            format!(
                "entity begins in a middle of a UTF-16 symbol at byte offset {}",
                byte(offset)
            )
        } else if end > units.len() {
            format!(
                "entity beginning at UTF-16 offset {offset} ends after the end of the text at UTF-16 offset {end}"
            )
        } else if cuts(end) {
            let byte = byte(end);
            format!(
                "entity beginning at UTF-16 offset {offset} ends in a middle of a UTF-16 symbol at byte offset {byte}"
            )
        } else {
            continue;
        };
        return Err(Refusal::bad(&problem));
    }
    Ok(())
}

/// Lets the first of two overlapping entities win, merges marks, and takes marks off code.
fn resolve_overlaps(entities: Vec<Entity>) -> Vec<Entity> {
    let (marks, others): (Vec<_>, Vec<_>) = entities.into_iter().partition(Entity::is_mark);
    let (quotes, others): (Vec<_>, Vec<_>) = others.into_iter().partition(Entity::is_quote);
    let quotes = without_overlaps(quotes);
    let mut kept = without_overlaps(others);
    kept.retain(|entity| {
        let crosses = |quote: &Entity| {
            let apart = quote.end() <= entity.offset || entity.end() <= quote.offset;
            let inside = quote.offset <= entity.offset && entity.end() <= quote.end();
            !apart && !inside
        };
        !quotes.iter().any(crosses)
    });
    let code: Vec<_> = kept
        .iter()
        .filter(|entity| entity.is_code())
        .map(|code| (code.offset, code.end()))
        .collect();
    kept.extend(quotes);
    kept.extend(
        merge_marks(marks)
            .into_iter()
            .flat_map(|mark| outside(mark, &code)),
    );
    sort(&mut kept);
    kept
}

fn without_overlaps(entities: Vec<Entity>) -> Vec<Entity> {
    let mut end = 0;
    entities
        .into_iter()
        .filter(|entity| {
            let free = entity.offset >= end;
            end = if free { entity.end() } else { end };
            free
        })
        .collect()
}

/// Joins marks of one kind that touch or overlap; expects them sorted by offset.
fn merge_marks(marks: Vec<Entity>) -> Vec<Entity> {
    let mut merged: Vec<Entity> = Vec::new();
    for mark in marks {
        match merged
            .iter_mut()
            .rev()
            .find(|other| other.kind == mark.kind)
        {
            Some(other) if mark.offset <= other.end() => {
                other.length = other.end().max(mark.end()) - other.offset;
            }
            _ => merged.push(mark),
        }
    }
    merged
}

/// The pieces of `mark` that lie outside the stretches.
fn outside(mark: Entity, stretches: &[(usize, usize)]) -> Vec<Entity> {
    let mut pieces = Vec::new();
    let mut at = mark.offset;
    let bounded = stretches
        .iter()
        .filter(|(start, end)| *end > mark.offset && *start < mark.end());
    for (start, end) in bounded.chain([&(mark.end(), mark.end())]) {
        if *start > at {
            pieces.push(Entity {
                offset: at,
                length: start - at,
                ..mark.clone()
            });
        }
        at = at.max(*end);
    }
    pieces
}

/// Turns control characters (tabs too) into spaces, drops carriage returns and a few that spoil the display.
fn clean(units: &[u16], entities: &mut [Entity]) -> Vec<u16> {
    let mut cleaned = Vec::with_capacity(units.len());
    let mut moved = Vec::with_capacity(units.len() + 1);
    for unit in units {
        moved.push(cleaned.len());
        match unit {
            unit if is_dropped(*unit) => {}
            0x0A => cleaned.push(0x0A),
            0x00..=0x20 => cleaned.push(0x20),
            _ => cleaned.push(*unit),
        }
    }
    moved.push(cleaned.len());
    for entity in entities {
        let end = moved[entity.end()];
        entity.offset = moved[entity.offset];
        entity.length = end - entity.offset;
    }
    cleaned
}

/// What the server takes out of every text, without a word.
pub fn is_dropped(unit: u16) -> bool {
    matches!(unit, 0x0D | 0x2028..=0x202E | 0x0333 | 0x033F | 0x030A)
}

fn is_blank(unit: u16) -> bool {
    unit == 0x20 || unit == 0x0A
}

/// Drops entities over nothing but white space, and moves the others' beginning to what can be seen.
fn drop_blank(units: &[u16], entities: &mut Vec<Entity>) {
    for entity in entities
        .iter_mut()
        .filter(|entity| !entity.is_hidden_data())
    {
        let covered = &units[entity.offset..entity.end()];
        let blank = covered.iter().take_while(|unit| is_blank(**unit)).count();
        entity.offset += blank;
        entity.length -= blank;
    }
    entities.retain(|entity| entity.length > 0);
    sort(entities);
}

/// Trims both ends; at the front only up to the first entity, which may be a link over a space.
fn trim(mut units: Vec<u16>, entities: &mut Vec<Entity>) -> Vec<u16> {
    let Some(last) = units.iter().rposition(|unit| !is_blank(*unit)) else {
        entities.clear();
        return Vec::new();
    };
    units.truncate(last + 1);
    entities.retain(|entity| entity.offset <= last);
    for entity in entities.iter_mut() {
        entity.length = entity.length.min(last + 1 - entity.offset);
    }
    let blank = units.iter().take_while(|unit| is_blank(**unit)).count();
    let front = entities
        .iter()
        .map(|entity| entity.offset)
        .min()
        .map_or(blank, |first| first.min(blank));
    for entity in entities {
        entity.offset -= front;
    }
    units.split_off(front)
}

fn limit(entities: Vec<Entity>) -> Vec<Entity> {
    let (marks, mut kept): (Vec<_>, Vec<_>) = entities.into_iter().partition(Entity::is_mark);
    kept.truncate(ENTITIES_MAX);
    let room = ENTITIES_MAX - kept.len();
    kept.extend(merge_marks(marks).into_iter().take(room));
    sort(&mut kept);
    kept
}

/// Cuts marks where other entities begin and end, as the server gives them back.
fn split_marks(entities: Vec<Entity>) -> Vec<Entity> {
    let (marks, mut kept): (Vec<_>, Vec<_>) = entities.into_iter().partition(Entity::is_mark);
    let mut cuts: Vec<usize> = kept
        .iter()
        .flat_map(|entity| [entity.offset, entity.end()])
        .collect();
    cuts.sort_unstable();
    for mut mark in marks {
        for cut in &cuts {
            if mark.offset < *cut && *cut < mark.end() {
                kept.push(Entity {
                    length: cut - mark.offset,
                    ..mark.clone()
                });
                mark.length = mark.end() - cut;
                mark.offset = *cut;
            }
        }
        kept.push(mark);
    }
    sort(&mut kept);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Renders as `text|kind offset+length …`, or the description of the refusal.
    fn check(text: &str, entities: Value) -> String {
        match fix(text, Some(&entities)) {
            Ok(fixed) => {
                let entities = fixed.entities.iter().map(|entity| {
                    let kind = entity["type"].as_str().unwrap_or("?");
                    format!("{kind} {}+{}", entity["offset"], entity["length"])
                });
                format!("{}|{}", fixed.text, entities.collect::<Vec<_>>().join(", "))
            }
            Err(refusal) => refusal.description,
        }
    }

    fn one(kind: &str, offset: i64, length: i64) -> Value {
        json!({"type": kind, "offset": offset, "length": length, "url": "https://a.example/"})
    }

    #[test]
    fn trimming_shifts_and_shortens_entities() {
        assert_eq!(
            check(
                " \n hi there \n",
                json!([one("bold", 3, 2), one("code", 6, 7)])
            ),
            "hi there|bold 0+2, code 3+5"
        );
        assert_eq!(check("\t a", json!([one("bold", 0, 3)])), "a|bold 0+1");
        assert_eq!(check("  \n ", json!([one("bold", 0, 2)])), "|");
        assert_eq!(
            check(" a", json!([one("text_link", 0, 2)])),
            " a|text_link 0+2"
        );
    }

    #[test]
    fn control_characters_become_spaces_and_returns_go() {
        assert_eq!(
            check("a\tb\r\nc\u{202e}d", json!([one("bold", 4, 2)])),
            "a b\ncd|bold 4+1"
        );
    }

    #[test]
    fn bounds_are_checked_in_utf16_units() {
        assert_eq!(check("👉👉", json!([one("bold", 2, 2)])), "👉👉|bold 2+2");
        assert_eq!(
            check("👉👉", json!([one("bold", 1, 1)])),
            "Bad Request: entity begins in a middle of a UTF-16 symbol at byte offset 4"
        );
        assert_eq!(
            check("👉👉", json!([one("bold", 0, 1)])),
            "Bad Request: entity beginning at UTF-16 offset 0 ends in a middle of a UTF-16 symbol at byte offset 4"
        );
        assert_eq!(
            check("hello", json!([one("bold", 100, 1)])),
            "Bad Request: entity begins after the end of the text at UTF-16 offset 100"
        );
        assert_eq!(
            check("hello", json!([one("bold", 0, 100)])),
            "Bad Request: entity beginning at UTF-16 offset 0 ends after the end of the text at UTF-16 offset 100"
        );
        assert_eq!(
            check("hello", json!([one("bold", -1, 1)])),
            "Bad Request: receive an entity with incorrect offset -1"
        );
        assert_eq!(check("hello", json!([one("bold", 2, 0)])), "hello|");
    }

    #[test]
    fn kinds_and_links_are_checked() {
        let unknown = "Bad Request: can't parse MessageEntity: Unsupported type specified";
        assert_eq!(check("hello", json!([one("shiny", 0, 1)])), unknown);
        assert_eq!(check("hello", json!([one("url", 0, 5)])), "hello|");
        let local =
            json!([{"type": "text_link", "offset": 0, "length": 5, "url": "http://localhost:80/"}]);
        assert_eq!(
            check("hello", local),
            "Bad Request: entity URL 'http://localhost:80/' is invalid: Wrong HTTP URL"
        );
    }

    #[test]
    fn code_excludes_marks_and_links_cut_them() {
        assert_eq!(
            check("aabbcc", json!([one("bold", 0, 6), one("code", 2, 2)])),
            "aabbcc|bold 0+2, code 2+2, bold 4+2"
        );
        assert_eq!(
            check("aabbcc", json!([one("bold", 0, 6), one("text_link", 2, 2)])),
            "aabbcc|bold 0+2, text_link 2+2, bold 2+2, bold 4+2"
        );
        assert_eq!(
            check("aabbcc", json!([one("bold", 0, 3), one("bold", 3, 3)])),
            "aabbcc|bold 0+6"
        );
        assert_eq!(
            check("aabbcc", json!([one("code", 0, 4), one("text_link", 2, 4)])),
            "aabbcc|code 0+4"
        );
        assert_eq!(
            check(
                "aabbcc",
                json!([one("blockquote", 0, 4), one("blockquote", 1, 2)])
            ),
            "aabbcc|blockquote 0+4"
        );
    }

    #[test]
    fn of_more_than_a_hundred_entities_the_marks_go_first() {
        let text = "ab ".repeat(120);
        let mut entities: Vec<Value> = (0..60).map(|index| one("bold", index * 3, 1)).collect();
        entities.extend((60..120).map(|index| one("code", index * 3, 1)));
        let fixed = fix(&text, Some(&Value::Array(entities))).unwrap();
        let count = |kind: &str| {
            fixed
                .entities
                .iter()
                .filter(|entity| entity["type"] == kind)
                .count()
        };
        assert_eq!((count("code"), count("bold")), (60, 40));
    }
}
