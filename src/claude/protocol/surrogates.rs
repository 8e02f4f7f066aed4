//! Half characters: the one thing in a line of the CLI that is JSON to JavaScript and an error to serde_json.

use std::borrow::Cow;

/// Replaces escapes such as `\ud83d` that are half a character by `\ufffd`.
///
/// JavaScript strings may hold such halves and its JSON writes them so; both have been seen in tool inputs and in requests
/// for permission. serde_json refuses the whole line for one, and a request that is not read is never answered.
pub(super) fn without_lone_surrogates(line: &str) -> Cow<'_, str> {
    if !line.contains("\\ud") && !line.contains("\\uD") {
        return Cow::Borrowed(line);
    }
    let mut healed = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find('\\') {
        healed.push_str(&rest[..at]);
        rest = &rest[at..];
        let (escape, length) = match (surrogate(rest), rest.get(6..).and_then(surrogate)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => (&rest[..12], 12),
            (Some(_), _) => ("\\ufffd", 6),
            // The character after the backslash goes with it: a second backslash begins nothing.
            (None, _) => {
                let length = 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
                (&rest[..length], length)
            }
        };
        healed.push_str(escape);
        rest = &rest[length..];
    }
    healed.push_str(rest);
    Cow::Owned(healed)
}

/// The surrogate that `text` begins with, as an escape.
fn surrogate(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let unit = u16::from_str_radix(digits, 16).ok()?;
    (0xD800..=0xDFFF).contains(&unit).then_some(unit)
}
