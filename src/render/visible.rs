//! What a screen would hide, turn around or change, written out. Pure.
//!
//! For what a person is to approve; what is only read is shown as it is.

/// How a tab looks that begins a line: as wide as others show it, and told from blanks.
const INDENT: &str = "→   ";

/// The text with everything written out that a screen would not show as what it is.
///
/// Some of Telegram's clients make one blank of a tab, or nothing. Before the first word of a line, where files are full
/// of them, it becomes an arrow of four columns; anywhere else it is written out like every other odd blank.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut before = None;
    let mut is_indent = true;
    for letter in text.chars() {
        if letter == '\t' && is_indent {
            shown.push_str(INDENT);
            before = Some(letter);
            continue;
        }
        is_indent = letter == '\n' || (is_indent && letter == ' ');
        let hidden = match letter {
            '\n' => false,
            // Direction marks, joiners and blanks without a width, the tags that copy ASCII invisibly.
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' => true,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
            '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}' => true,
            // What chooses a variant, joins or divides without a sign of its own, and signs that Telegram takes out.
            // The two kinds of emoji are told from each other by one that can be seen.
            '\u{fe0e}' | '\u{fe0f}' => !before.is_some_and(has_two_kinds),
            '\u{34f}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{fe00}'..='\u{fe0d}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{30a}'
            | '\u{333}'
            | '\u{33f}' => true,
            // Blanks that are not the one a shell divides words by.
            '\u{a0}'
            | '\u{1680}'
            | '\u{2000}'..='\u{200a}'
            | '\u{202f}'
            | '\u{205f}'
            | '\u{2800}'
            | '\u{3000}'
            | '\u{16fe4}'
            | '\u{1d159}' => true,
            letter => letter.is_control(),
        };
        before = Some(letter);
        if hidden {
            shown.extend(letter.escape_unicode())
        } else {
            shown.push(letter)
        }
    }
    shown
}

/// Whether a sign may be an emoji or a plain one.
fn has_two_kinds(sign: char) -> bool {
    matches!(sign, '\u{a9}' | '\u{ae}' | '\u{203c}'..='\u{2799}' | '\u{2934}'..='\u{2b55}' | '\u{3030}'..='\u{3299}'
        | '\u{1f000}'..='\u{1faff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_screen_shows_is_written_out() {
        assert_eq!(visible("rm\u{a0}-rf\u{2800}x"), "rm\\u{a0}-rf\\u{2800}x");
        assert_eq!(
            visible("a\u{30a}b\u{34f}c\u{fe0f}"),
            "a\\u{30a}b\\u{34f}c\\u{fe0f}"
        );
        assert_eq!(visible("r\u{333}m\u{33f}"), "r\\u{333}m\\u{33f}");
        assert_eq!(
            visible("a\u{1bca0}\u{1bca3}\u{16fe4}\u{1d159}b"),
            "a\\u{1bca0}\\u{1bca3}\\u{16fe4}\\u{1d159}b"
        );
        assert_eq!(visible("⚠\u{fe0f} \u{e9} x\ny"), "⚠\u{fe0f} \u{e9} x\ny");
    }
}
