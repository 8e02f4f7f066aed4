//! Single characters: what Telegram makes of them, and which of them are drawn together.
//!
//! No positions, marks or parts here; those are in `split`.

use std::borrow::Cow;

/// How far apart tab stops are, in columns. The Bot API server turns a tab into one space, also in code.
const TAB_COLUMNS: usize = 4;

/// Returns `text` as the Bot API server would leave it, so that it has no reason to change it and to move our marks.
///
/// - Line ends become `\n`; so do U+2028 and U+2029, which the server drops, joining two words.
/// - Control characters become U+FFFD. The server turns them into spaces; a sign says that something was there, for
///   instance the escape character before a `[31m` out of a terminal.
/// - A combining ring is composed with its letter (file names from a Mac have them); the server drops a loose one.
/// - The double line below or above a letter goes, as the server drops it too.
/// - Bidirectional embeddings and overrides go, as the server drops them, and a byte order mark at the beginning, as
///   it would hide a heading from the Markdown parser. None of them is visible.
pub(in crate::render) fn clean(text: &str) -> Cow<'_, str> {
    let text = text.trim_start_matches('\u{feff}');
    if !text.contains(needs_cleaning) {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' => {
                chars.next_if_eq(&'\n');
                cleaned.push('\n');
            }
            '\u{2028}' | '\u{2029}' => cleaned.push('\n'),
            '\u{202a}'..='\u{202e}' | '\u{333}' | '\u{33f}' => {}
            '\u{30a}' => match cleaned.chars().next_back().and_then(with_ring) {
                Some(composed) => {
                    cleaned.pop();
                    cleaned.push(composed);
                }
                None => cleaned.push(c),
            },
            _ if needs_cleaning(c) => cleaned.push(char::REPLACEMENT_CHARACTER),
            _ => cleaned.push(c),
        }
    }
    Cow::Owned(cleaned)
}

/// True for what [`clean`] changes.
fn needs_cleaning(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{30a}' | '\u{333}' | '\u{33f}' | '\u{2028}'..='\u{202e}' => true,
        _ => c.is_control(),
    }
}

/// Returns the letters that Unicode has with a ring above.
fn with_ring(base: char) -> Option<char> {
    Some(match base {
        'A' => 'Å',
        'a' => 'å',
        'U' => 'Ů',
        'u' => 'ů',
        'w' => 'ẘ',
        'y' => 'ẙ',
        _ => return None,
    })
}

/// Replaces tabs by spaces up to the next tab stop.
pub(in crate::render) fn expand_tabs(text: &str) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut column = 0;
    for c in text.chars() {
        match c {
            '\t' => {
                let width = TAB_COLUMNS - column % TAB_COLUMNS;
                expanded.extend(std::iter::repeat_n(' ', width));
                column += width;
            }
            '\n' => {
                expanded.push(c);
                column = 0;
            }
            _ => {
                expanded.push(c);
                column += columns(c);
            }
        }
    }
    expanded
}

/// True for a character that shows nothing; the Bot API server refuses a message that has no other
/// (`strip_empty_characters` in TDLib).
pub(in crate::render) fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || matches!(c,
            '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}' | '\u{2800}'
            | '\u{feff}' | '\u{fffc}' | '\u{e0000}'..='\u{e007f}')
}

/// True if a cut between the two texts would part what is drawn as one character.
///
/// This is less than Unicode's rules for grapheme clusters, on the safe side, and costs no table: the standard
/// library escapes a character at the beginning of a text if it extends the one before it (or cannot be printed).
pub(super) fn is_glued(before: &str, after: &str) -> bool {
    let (Some(last), Some(first)) = (before.chars().next_back(), after.chars().next()) else {
        return false;
    };
    if last == '\n' || first == '\n' {
        return false;
    }
    if is_regional_indicator(last) && is_regional_indicator(first) {
        // Flags are pairs: only after an even number of indicators is there a border.
        let indicators = before
            .chars()
            .rev()
            .take_while(|c| is_regional_indicator(*c));
        return indicators.count() % 2 == 1;
    }
    last == '\u{200d}' || extends(first)
}

/// True for a character that is drawn onto the one before it.
fn extends(c: char) -> bool {
    match c {
        ' '..='~' => false,
        // Skin tones, and the vowels and finals of composed Hangul.
        '\u{1f3fb}'..='\u{1f3ff}' | '\u{1160}'..='\u{11ff}' | '\u{d7b0}'..='\u{d7ff}' => true,
        // Vowel signs with a width of their own: the scripts of India share one layout of 128 characters.
        '\u{900}'..='\u{d7f}' => {
            extends_by_escape(c)
                || matches!(c as u32 & 0x7f, 0x02 | 0x03 | 0x3e..=0x4d | 0x55..=0x57 | 0x62 | 0x63)
        }
        '\u{e33}' | '\u{eb3}' => true,
        _ => extends_by_escape(c),
    }
}

fn extends_by_escape(c: char) -> bool {
    c.escape_debug().len() > 1
}

fn is_regional_indicator(c: char) -> bool {
    matches!(c, '\u{1f1e6}'..='\u{1f1ff}')
}

/// Returns how many columns of a monospaced font `c` takes: 0 for marks, 2 for East Asian letters and emoji, else 1.
///
/// It is right for what people put into tables; fonts disagree about the rest anyway.
pub(in crate::render) fn columns(c: char) -> usize {
    match c {
        ' '..='~' => 1,
        '\u{1100}'..='\u{115f}'
        | '\u{231a}'..='\u{231b}'
        | '\u{23e9}'..='\u{23ec}'
        | '\u{23f0}'
        | '\u{23f3}'
        | '\u{25fd}'..='\u{25fe}'
        | '\u{2614}'..='\u{2615}'
        | '\u{26a1}'
        | '\u{26aa}'..='\u{26ab}'
        | '\u{26d4}'
        | '\u{2705}'
        | '\u{274c}'
        | '\u{274e}'
        | '\u{2753}'..='\u{2755}'
        | '\u{2757}'
        | '\u{2795}'..='\u{2797}'
        | '\u{2b1b}'..='\u{2b1c}'
        | '\u{2b50}'
        | '\u{2b55}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f3fa}'
        | '\u{1f400}'..='\u{1f64f}'
        | '\u{1f680}'..='\u{1f6ff}'
        | '\u{1f7e0}'..='\u{1f7eb}'
        | '\u{1f900}'..='\u{1f9ff}'
        | '\u{1fa70}'..='\u{1faff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ if extends(c) => 0,
        _ => 1,
    }
}
