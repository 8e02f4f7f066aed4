//! The TOML text with the place of every value, and the list of keys that exist.
//!
//! The tree is walked by hand instead of through serde: only so can an unknown key name its neighbour, a key in the
//! wrong table name the right one, and an error stand at its exact column. What a value means is not known here.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Complaint, ConfigError, Quote};
use super::suggest::nearest;
use super::values::Value;

/// The keys that a file may have, by table; "" is the top of the file.
pub(super) type Schema = &'static [(&'static str, &'static [&'static str])];

/// Those of a persona's file.
pub(super) const PERSONA: Schema = &[(
    "",
    &[
        "description",
        "system_prompt",
        "model",
        "permission_mode",
        "max_turns",
    ],
)];

/// Those of `config.toml`.
pub(super) const CONFIG: Schema = &[
    ("", &["state_dir"]),
    (
        "telegram",
        &[
            "token",
            "token_file",
            "api_url",
            "proxy",
            "allowed_users",
            "allowed_chats",
            "reactions",
        ],
    ),
    (
        "claude",
        &[
            "command",
            "permission_mode",
            "model",
            "extra_args",
            "env",
            "max_turns",
            "deny",
        ],
    ),
    (
        "sessions",
        &[
            "root",
            "allowed_dirs",
            "default_persona",
            "idle_timeout",
            "max_live",
            "min_free_memory",
            "retries",
            "retry_delay",
            "stop_grace",
            "shutdown_grace",
            "batch_window",
            "resume_turns",
            "when_busy",
        ],
    ),
    ("limits", &["permission_timeout", "remind_after"]),
];

/// Keys whose values are never quoted. API keys are set in `env`, and addresses may hold passwords.
const SECRET_KEYS: [&str; 4] = ["token", "env", "proxy", "api_url"];

/// Turns the bytes of a file into text, or says where they stop being UTF-8.
pub(super) fn decode<'b>(file: &Path, bytes: &'b [u8]) -> Result<&'b str, ConfigError> {
    std::str::from_utf8(bytes).map_err(|cause| {
        let good = cause.valid_up_to();
        let text = std::str::from_utf8(&bytes[..good]).unwrap_or_default();
        ConfigError::at(
            file,
            text,
            good..good,
            Quote::KeyOnly,
            Complaint::new("this is not UTF-8 text"),
        )
    })
}

/// A parsed configuration in which every key is known.
pub(super) struct Document<'a> {
    schema: Schema,
    file: &'a Path,
    text: &'a str,
    root: Spanned<DeTable<'a>>,
}

/// One table of a [`Document`]; it may be absent, and then has no keys.
pub(super) struct Section<'a> {
    document: &'a Document<'a>,
    table: Option<&'a DeTable<'a>>,
    /// Where something that is missing from it is reported.
    span: Range<usize>,
}

impl<'a> Document<'a> {
    pub(super) fn parse(
        schema: Schema,
        file: &'a Path,
        text: &'a str,
    ) -> Result<Document<'a>, ConfigError> {
        let root = DeTable::parse(text).map_err(|cause| {
            let span = cause.span().unwrap_or(0..0);
            let quote = if holds_no_secret(schema, text, span.start) {
                Quote::Whole
            } else {
                Quote::KeyOnly
            };
            let complaint = Complaint::new(cause.message());
            let complaint = match unquoted(schema, text, span.start) {
                Some(key) => complaint.help(format!("text goes in quotes: `{key} = \"…\"`")),
                None => complaint,
            };
            ConfigError::at(file, text, span, quote, complaint)
        })?;
        let document = Document {
            schema,
            file,
            text,
            root,
        };
        match document.first_unknown() {
            Some((span, complaint)) => Err(document.error(span, Quote::KeyOnly, complaint)),
            None => Ok(document),
        }
    }

    /// Returns the table of this name; "" is the top of the file.
    pub(super) fn section(&'a self, name: &str) -> Result<Section<'a>, ConfigError> {
        if name.is_empty() {
            return Ok(Section {
                document: self,
                table: Some(self.root.get_ref()),
                span: 0..0,
            });
        }
        let Some(value) = self.root.get_ref().get(name) else {
            // It would have to be added, so its place is the end.
            return Ok(Section {
                document: self,
                table: None,
                span: self.text.len()..self.text.len(),
            });
        };
        let Some(table) = value.get_ref().as_table() else {
            let complaint = Complaint::new(format!(
                "must be a table, not {}",
                with_article(value.get_ref())
            ))
            .about(name)
            .help(format!(
                "write `[{name}]` on a line of its own and its keys below it"
            ));
            return Err(self.error(value.span(), Quote::KeyOnly, complaint));
        };
        Ok(Section {
            document: self,
            table: Some(table),
            span: value.span(),
        })
    }

    /// The unknown key that comes first in the text. (The tables are sorted by name.)
    fn first_unknown(&self) -> Option<(Range<usize>, Complaint)> {
        let schema = self.schema;
        let tables = schema.iter().filter_map(|(table, keys)| {
            let entries = match *table {
                "" => self.root.get_ref(),
                table => self.root.get_ref().get(table)?.get_ref().as_table()?,
            };
            Some((*table, *keys, entries))
        });
        tables
            .flat_map(|(table, keys, entries)| {
                let unknown = entries.keys().filter(move |key| {
                    let key: &str = key.get_ref();
                    let is_a_table = table.is_empty() && is_table(schema, key);
                    !is_a_table && !keys.contains(&key)
                });
                unknown
                    .map(move |key| (key.span(), unknown_key(schema, table, keys, key.get_ref())))
            })
            .min_by_key(|(span, _)| span.start)
    }

    fn error(&self, span: Range<usize>, quote: Quote, complaint: Complaint) -> ConfigError {
        ConfigError::at(self.file, self.text, span, quote, complaint)
    }
}

impl Section<'_> {
    /// Reads a key, if it is there. What `read` complains about is reported at the value, with the key's name in front.
    pub(super) fn get<T>(
        &self,
        key: &str,
        read: impl FnOnce(&Value<'_>) -> Result<T, Complaint>,
    ) -> Result<Option<T>, ConfigError> {
        assert!(
            self.document
                .schema
                .iter()
                .any(|(_, keys)| keys.contains(&key)),
            "a key that is read is in the schema"
        );
        let Some(value) = self.table.and_then(|table| table.get(key)) else {
            return Ok(None);
        };
        read(value)
            .map(Some)
            .map_err(|complaint| self.error_at(key, complaint.about(key)))
    }

    /// Whether a key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.contains_key(key))
    }

    /// An error at the value of `key`, or where the section begins if there is none.
    pub(super) fn error_at(&self, key: &str, complaint: Complaint) -> ConfigError {
        let span = self
            .table
            .and_then(|table| table.get(key))
            .map_or(self.span.clone(), Spanned::span);
        let quote = if SECRET_KEYS.contains(&key) {
            Quote::KeyOnly
        } else {
            Quote::Whole
        };
        self.document.error(span, quote, complaint)
    }

    /// An error about something that this section lacks.
    pub(super) fn missing(&self, complaint: Complaint) -> ConfigError {
        self.document
            .error(self.span.clone(), Quote::KeyOnly, complaint)
    }
}

fn is_table(schema: Schema, name: &str) -> bool {
    !name.is_empty() && schema.iter().any(|(table, _)| *table == name)
}

fn unknown_key(schema: Schema, table: &str, keys: &[&str], key: &str) -> Complaint {
    let complaint = Complaint::new(format!("unknown key `{key}` {}", place_of(table)));
    if let Some((right, _)) = schema.iter().find(|(_, keys)| keys.contains(&key)) {
        let where_to = match *right {
            "" => "at the top of the file, above the first [table]".to_owned(),
            right => format!("under [{right}]"),
        };
        return complaint.help(format!("`{key}` belongs {where_to}"));
    }
    let tables = schema
        .iter()
        .map(|(table, _)| *table)
        .filter(|name| table.is_empty() && !name.is_empty());
    if let Some(near) = nearest(key, keys.iter().copied().chain(tables.clone())) {
        let near = if is_table(schema, near) {
            format!("[{near}]")
        } else {
            format!("`{near}`")
        };
        return complaint.help(format!("did you mean {near}?"));
    }
    for (other, keys) in schema {
        if let Some(near) = nearest(key, keys.iter().copied()) {
            return complaint.help(format!("did you mean `{near}` {}?", place_of(other)));
        }
    }
    let mut known: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
    known.extend(tables.map(|table| format!("[{table}]")));
    complaint.help(format!(
        "known {} are {}",
        place_of(table),
        known.join(", ")
    ))
}

fn place_of(table: &str) -> String {
    if table.is_empty() {
        "at the top of the file".to_owned()
    } else {
        format!("in [{table}]")
    }
}

/// Whether the line at `index` of a text that does not parse may be quoted: its key is a known one that holds no secret,
/// or it is the head of a table. All else may be a token at the wrong place.
fn holds_no_secret(schema: Schema, text: &str, index: usize) -> bool {
    let (above, line) = line_at(text, index);
    if line.starts_with('[') {
        return !line.contains('=');
    }
    let table = above
        .lines()
        .rev()
        .find(|line| line.trim_start().starts_with('['))
        .unwrap_or_default();
    let key = line
        .split(|c: char| c == '=' || c.is_whitespace())
        .next()
        .unwrap_or_default();
    let last = key.rsplit('.').next().unwrap_or_default();
    let is_secret = |name: &str| SECRET_KEYS.contains(&name);
    // With a second `=` two lines have run together, and the second may be anything.
    line.matches('=').count() <= 1
        && !table.contains("env")
        && !key.split('.').any(is_secret)
        && schema.iter().any(|(_, keys)| keys.contains(&last))
}

/// The known key on the line at `index`, if a value that begins like text without quotes stands there.
fn unquoted(schema: Schema, text: &str, index: usize) -> Option<&str> {
    let (above, line) = line_at(text, index);
    let (key, value) = line.split_once('=')?;
    let (key, value) = (key.trim_end(), value.trim_start());
    let is_known = schema.iter().any(|(_, keys)| keys.contains(&key));
    let is_in_value = text[above.len()..index.min(text.len())].contains('=');
    (is_known && is_in_value && value.starts_with(|c: char| !"\"'[{#".contains(c))).then_some(key)
}

/// What stands above the line at `index`, and the line, trimmed.
fn line_at(text: &str, index: usize) -> (&str, &str) {
    let before = text.get(..index).unwrap_or(text);
    let (above, below) = text.split_at(before.rfind('\n').map_or(0, |newline| newline + 1));
    (above, below.lines().next().unwrap_or_default().trim())
}

/// "a string", "a number": how messages name what a value is.
pub(super) fn with_article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
