//! How a mistake in the configuration is shown: `path:line:column: what is wrong`, the line with a caret, the cure.
//!
//! These texts end in journals and in bug reports, so no secret may get into them: a line is quoted only as far as its
//! value is known to be no secret, and what looks like a bot token is blotted out even then.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Why there is no [`Config`](super::Config). `Display` is several lines, made for a terminal.
#[derive(Debug)]
pub struct ConfigError {
    file: Option<PathBuf>,
    place: Option<Box<Place>>,
    message: String,
    help: Option<String>,
}

/// A place in the file, counted from 1; columns count characters.
#[derive(Debug)]
struct Place {
    line: usize,
    column: usize,
    /// The line as it may be shown, and the caret line below it.
    quoted: String,
    caret: String,
}

/// What is wrong, before anybody knows where.
#[derive(Debug)]
pub(super) struct Complaint {
    message: String,
    help: Option<String>,
    /// Bytes of the text, where it is more exact than the whole value.
    span: Option<Range<usize>>,
}

/// Whether the value on a line may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quote {
    /// It is of a setting that holds no secret.
    Whole,
    /// It is, or may be, a secret: everything behind the key becomes `…`. Heads of tables are shown.
    KeyOnly,
}

impl Complaint {
    pub(super) fn new(message: impl Into<String>) -> Complaint {
        Complaint {
            message: message.into(),
            help: None,
            span: None,
        }
    }

    pub(super) fn help(self, help: impl Into<String>) -> Complaint {
        Complaint {
            help: Some(help.into()),
            ..self
        }
    }

    pub(super) fn at(self, span: Range<usize>) -> Complaint {
        Complaint {
            span: Some(span),
            ..self
        }
    }

    /// Values complain in the form "must be …"; the name of their key goes in front.
    pub(super) fn about(self, key: &str) -> Complaint {
        Complaint {
            message: format!("`{key}` {}", self.message),
            ..self
        }
    }
}

impl ConfigError {
    /// An error that no file caused.
    pub(super) fn without_file(complaint: Complaint) -> ConfigError {
        ConfigError {
            file: None,
            place: None,
            message: complaint.message,
            help: complaint.help,
        }
    }

    /// An error about the file as a whole: it cannot be read.
    pub(super) fn in_file(file: &Path, complaint: Complaint) -> ConfigError {
        ConfigError {
            file: Some(file.to_path_buf()),
            ..ConfigError::without_file(complaint)
        }
    }

    /// An error at `span` (bytes of `text`), or at the complaint's own, more exact span.
    pub(super) fn at(
        file: &Path,
        text: &str,
        span: Range<usize>,
        quote: Quote,
        complaint: Complaint,
    ) -> ConfigError {
        let span = complaint.span.clone().unwrap_or(span);
        ConfigError {
            place: Some(Box::new(Place::find(text, span, quote))),
            ..ConfigError::in_file(file, complaint)
        }
    }
}

impl Place {
    fn find(text: &str, span: Range<usize>, quote: Quote) -> Place {
        let start = char_boundary(text, span.start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[start..]
            .find('\n')
            .map_or(text.len(), |newline| start + newline);
        let line = text[line_start..line_end].trim_end_matches('\r');
        let column = text[line_start..start].chars().count();
        let width = text[start..char_boundary(text, span.end).clamp(start, line_end)]
            .chars()
            .count();

        let (quoted, caret_at, width) = match (quote, line.find('=')) {
            (Quote::KeyOnly, Some(equals)) => {
                let key = line[..equals].trim_end();
                let hidden_at = key.chars().count() + 3;
                match hidden_at.checked_sub(column + 3) {
                    Some(rest @ 1..) => (format!("{key} = …"), column, width.min(rest)),
                    _ => (format!("{key} = …"), hidden_at, 1),
                }
            }
            (Quote::KeyOnly, None) if !line.is_empty() && !line.trim_start().starts_with('[') => {
                ("…".to_owned(), 0, 1)
            }
            _ => (blot(line), column, width),
        };
        // Tabs are kept, so that the caret stands below its character at any tab width.
        let indent = quoted.chars().chain(std::iter::repeat(' ')).take(caret_at);
        let caret: String = indent.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        Place {
            line: text[..line_start].matches('\n').count() + 1,
            column: column + 1,
            caret: caret + &"^".repeat(width.max(1)),
            quoted: quoted
                .chars()
                .map(|c| {
                    if c.is_control() && c != '\t' {
                        '\u{fffd}'
                    } else {
                        c
                    }
                })
                .collect(),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
            if let Some(place) = &self.place {
                write!(f, "{}:{}:", place.line, place.column)?;
            }
            write!(f, " ")?;
        }
        write!(f, "{}", blot(&self.message))?;
        if let Some(place) = &self.place {
            let number = place.line.to_string();
            let gutter = " ".repeat(number.len());
            write!(
                f,
                "\n{gutter} |\n{}\n{gutter} | {}",
                format!("{number} | {}", place.quoted).trim_end(),
                place.caret
            )?;
        }
        if let Some(help) = &self.help {
            write!(f, "\nhelp: {}", blot(help))?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// The nearest character boundary at or before `index`.
fn char_boundary(text: &str, index: usize) -> usize {
    (0..=index.min(text.len()))
        .rev()
        .find(|index| text.is_char_boundary(*index))
        .unwrap_or(0)
}

/// Replaces what looks like a bot token (`123:…`) with `*`, each character by one, so that the caret still fits. Tokens
/// get into the strangest places: paths, arguments, names of models.
fn blot(line: &str) -> String {
    let mut chars: Vec<char> = line.chars().collect();
    for colon in 1..chars.len() {
        let secret = chars[colon + 1..]
            .iter()
            .take_while(|c| is_token_char(**c))
            .count();
        if chars[colon] == ':' && chars[colon - 1].is_ascii_digit() && secret >= 8 {
            chars[colon + 1..=colon + secret].fill('*');
        }
    }
    chars.into_iter().collect()
}

/// The characters of the second half of a bot token.
pub(super) fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_blotted_out_and_keeps_its_length() {
        assert_eq!(blot("x 123:abcdefgh-_1 y"), "x 123:*********** y");
        assert_eq!(
            blot("root = \"~/bot1:AAAAAAAA\""),
            "root = \"~/bot1:********\""
        );
        assert_eq!(blot("at = 12:30:00"), "at = 12:30:00");
    }

    #[test]
    fn places_count_characters_and_survive_any_line_end() {
        let text = "a = 1\r\n\tñé = 2\r\n";
        let at = text.find('2').unwrap();
        let place = Place::find(text, at..at + 1, Quote::Whole);
        assert_eq!((place.line, place.column), (2, 7));
        assert_eq!(
            (place.quoted.as_str(), place.caret.as_str()),
            ("\tñé = 2", "\t     ^")
        );
    }

    #[test]
    fn the_end_of_the_text_is_a_place() {
        let place = Place::find("", 0..0, Quote::Whole);
        assert_eq!(
            (place.line, place.column, place.caret.as_str()),
            (1, 1, "^")
        );
        let place = Place::find("a = 1\n", 6..6, Quote::KeyOnly);
        assert_eq!((place.line, place.column), (2, 1));
    }
}
