//! How a conversation goes on by hand, at the desk: the line for a shell, with what chappe itself starts Claude by. Pure.

use std::ffi::OsStr;
use std::path::Path;

/// How Claude is started by hand on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByHand {
    /// The program with its first arguments, as a shell takes it.
    program: String,
}

impl ByHand {
    /// `config_dir` is what `CLAUDE_CONFIG_DIR` says to the children, where it says anything: elsewhere there is no such
    /// conversation.
    pub fn new(command: &[String], config_dir: Option<&OsStr>) -> ByHand {
        let variable =
            config_dir.map(|dir| format!("CLAUDE_CONFIG_DIR={}", quoted(&dir.to_string_lossy())));
        let words = command.iter().map(|word| quoted(word));
        let words: Vec<String> = variable.into_iter().chain(words).collect();
        ByHand {
            program: words.join(" "),
        }
    }

    /// Goes on with a conversation, in its folder.
    pub fn resume(&self, conversation: &str) -> String {
        format!("{} --resume {conversation}", self.program)
    }

    /// The same from anywhere.
    pub fn resume_in(&self, folder: &Path, conversation: &str) -> String {
        let folder = quoted(&folder.to_string_lossy());
        format!("cd {folder} && {}", self.resume(conversation))
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/-_.".contains(letter);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by_hand(command: &[&str], config_dir: Option<&str>) -> ByHand {
        let command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
        ByHand::new(&command, config_dir.map(OsStr::new))
    }

    #[test]
    fn it_is_what_chappe_itself_starts() {
        let plain = by_hand(&["claude"], None);
        assert_eq!(plain.resume("id"), "claude --resume id");
        assert_eq!(
            plain.resume_in(Path::new("/srv/it's mine"), "id"),
            "cd '/srv/it'\\''s mine' && claude --resume id"
        );
        let other = by_hand(
            &["nice", "-n", "5", "/opt/c c/claude", ""],
            Some("/srv/claude"),
        );
        assert_eq!(
            other.resume_in(Path::new("/srv/web"), "id"),
            "cd /srv/web && CLAUDE_CONFIG_DIR=/srv/claude nice -n 5 '/opt/c c/claude' '' --resume id"
        );
    }
}
