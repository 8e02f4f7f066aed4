//! Tells a reply that only agrees from one that says something. Pure.
//!
//! It decides nothing: what follows from an agreement is decided where the reply is dealt with.

/// Words that say no more than yes, alone or together.
const AGREEING: &[&str] = &[
    "yes",
    "y",
    "yep",
    "yeah",
    "yup",
    "yea",
    "ok",
    "okay",
    "okey",
    "k",
    "kk",
    "sure",
    "fine",
    "good",
    "great",
    "perfect",
    "right",
    "correct",
    "agree",
    "agreed",
    "alright",
    "absolutely",
    "definitely",
    "please",
    "go",
    "ahead",
    "on",
    "do",
    "it",
    "allow",
    "allowed",
    "approve",
    "approved",
    "accept",
    "accepted",
    "always",
    "lgtm",
    "ja",
    "jo",
    "jep",
    "jap",
    "klar",
    "gern",
    "gerne",
    "gut",
    "passt",
    "mach",
    "machs",
    "es",
    "bitte",
    "si",
    "sí",
    "claro",
    "vale",
    "dale",
    "oui",
    "sim",
    "da",
    "tak",
    "hai",
];

/// Signs that say the same.
const AGREEING_SIGNS: &[char] = &['👍', '👌', '✅', '✔', '☑', '🆗', '💯', '🙏', '🤝', '🚀'];

/// Whether a reply to a request says no more than yes: then it is neither a reason to deny it, nor enough to allow it.
pub fn only_agrees(text: &str) -> bool {
    let mut words = vec![String::new()];
    let mut has_sign = false;
    for letter in text.chars() {
        match letter {
            sign if AGREEING_SIGNS.contains(&sign) => {
                has_sign = true;
                words.push(String::new());
            }
            letter if letter.is_alphanumeric() => {
                if let Some(word) = words.last_mut() {
                    word.extend(letter.to_lowercase());
                }
            }
            // How a sign is coloured.
            '\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}' => {}
            letter
                if letter.is_whitespace()
                    || letter.is_ascii_punctuation()
                    || matches!(letter, '…' | '¡' | '\u{2018}'..='\u{201f}') =>
            {
                words.push(String::new());
            }
            _ => return false,
        }
    }
    words.retain(|word| !word.is_empty());
    (has_sign || !words.is_empty()) && words.iter().all(|word| AGREEING.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_agrees_is_no_reason() {
        for text in [
            "yes",
            " Yes! ",
            "OK",
            "ok.",
            "okay…",
            "yep",
            "Sure, go ahead",
            "do it",
            "ja",
            "Sí",
            "si",
            "oui",
            "👍",
            "👍🏽",
            "👌👌",
            "✅",
            "✔️",
            "yes 👍",
            "“ok”",
            "LGTM!!!",
        ] {
            assert!(only_agrees(text), "{text:?}");
        }
        for text in [
            "",
            " ",
            "?",
            "no",
            "nope",
            "not ok",
            "don't do it",
            "yes, but on a branch",
            "👎",
            "❌",
            "👍👎",
            "stop",
            "never",
            "nein",
            "ok?no",
            "yesterday",
            "はい",
        ] {
            assert!(!only_agrees(text), "{text:?}");
        }
    }
}
