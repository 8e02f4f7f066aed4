//! The slash rule: which texts the CLI may take for one of its own commands.
//!
//! 2.1.197 answers any text that begins with `/` and a command-like word itself ("Unknown command: /start") and the
//! model never sees it; 2.1.330 does so only for commands that it knows. Both take a text with a space in front as plain
//! text, and both end a command's name at a space, a tab or a line break.

/// The text to write for a prompt, so that the CLI runs it as a command exactly when one is meant.
///
/// * `/name …` with `name` among `commands` (see [`super::commands_of`]) goes as it is.
/// * `//name …` goes as `/name …`, known or not: the way to reach a command that `commands` does not list. The name is
///   letters, digits and `_ - : .`, not ending in `:` or `.`; so `// a comment` and `//host/share` are text.
/// * Anything else that begins with `/` gets one space in front.
/// * Every other text is unchanged. That includes U+0000, which JSON escapes and both versions hand to the model, and
///   the empty text, for which the CLI runs a turn with "(no content)".
pub fn escape_prompt(text: &str, commands: &[String]) -> String {
    let Some(rest) = text.strip_prefix('/') else {
        return text.to_owned();
    };
    if commands.iter().any(|command| command == first_word(rest)) {
        return text.to_owned();
    }
    match rest.strip_prefix('/') {
        Some(command) if is_name(first_word(command)) => rest.to_owned(),
        _ => format!(" {text}"),
    }
}

/// Whether the CLI would run the text as one of its commands, after [`escape_prompt`].
pub fn is_command(text: &str, commands: &[String]) -> bool {
    escape_prompt(text, commands).starts_with('/')
}

fn first_word(text: &str) -> &str {
    let end = text.find([' ', '\t', '\n', '\r']).unwrap_or(text.len());
    &text[..end]
}

fn is_name(word: &str) -> bool {
    let may_stand = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ':' | '.');
    !word.is_empty() && word.chars().all(may_stand) && !word.ends_with([':', '.'])
}
