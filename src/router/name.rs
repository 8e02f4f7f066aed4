//! Names of sessions: which there may be, and which one a place gets by itself. Pure.
//!
//! Whether a session of a name is there already is not asked here.

use crate::chat::{Incoming, Person};

/// The longest name of a session.
const NAME_MAX: usize = 64;

/// Whether a session may have this name. It becomes a folder's as well.
pub fn is_name(name: &str) -> bool {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    (1..=NAME_MAX).contains(&name.len()) && name.chars().all(fits)
}

/// The name of the session that a place gets by itself: letters, digits, `_` and `-`, 64 at most. A group's is made of
/// what the group is called.
pub(super) fn suggested_name(person: &Person, message: &Incoming) -> String {
    let mut name = match message.private {
        true => letters_of(&person.name),
        false => title_as_name(&message.title),
    };
    if name.is_empty() {
        name = match message.private {
            true => format!("user-{}", person.id),
            false => format!("group-{}", message.place.chat.0.unsigned_abs()),
        };
    }
    match message.place.topic {
        Some(topic) => format!("{name}-topic-{topic}"),
        None => name,
    }
}

fn letters_of(name: &str) -> String {
    let fits = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    let letters: String = name.chars().filter(fits).take(32).collect();
    letters.to_ascii_lowercase()
}

/// The words of a title, with `-` between them.
fn title_as_name(title: &str) -> String {
    let words = title.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").chars().take(32).collect();
    name.trim_end_matches('-').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_good_for_a_folder() {
        for name in ["web", "A_b-3", &"x".repeat(64)] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "..", "a/b", "ä", "a b", &"x".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
