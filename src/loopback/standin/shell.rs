//! What a command line does, as far as that can be seen without running it.
//!
//! A rough reading, good enough for a stand-in: the real CLI parses the shell's grammar.

/// Commands that read and never write.
const READERS: [&str; 22] = [
    "ls", "cat", "head", "tail", "pwd", "echo", "wc", "grep", "true", "false", "date", "whoami",
    "stat", "which", "uname", "hostname", "sort", "uniq", "cut", "basename", "dirname", "id",
];

/// Commands that change files; edits may run them in the session's folder.
const EDITORS: [&str; 7] = ["touch", "mkdir", "rm", "rmdir", "mv", "cp", "sed"];

/// The commands of a command line, cut at `&&`, `||`, `;`, `|`, `&` and line ends outside of quotes.
pub(super) fn subcommands(line: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '\'' || c == '"' => quote = Some(c),
            None if matches!(c, ';' | '|' | '&' | '\n') => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts
            .last_mut()
            .expect("there is always a last part")
            .push(c);
    }
    parts
        .iter()
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect()
}

/// Whether a command changes files in a way that an edit may.
pub(super) fn edits(part: &str) -> bool {
    EDITORS.contains(&first_word(part))
}

fn first_word(part: &str) -> &str {
    part.split_whitespace().next().unwrap_or("")
}

/// Whether a command may write somewhere or run another one, whatever its name says.
pub(super) fn redirects(part: &str) -> bool {
    part.contains(['>', '`']) || part.contains("$(")
}

/// Whether a command only reads.
pub(super) fn reads_only(part: &str) -> bool {
    READERS.contains(&first_word(part)) && !redirects(part)
}
