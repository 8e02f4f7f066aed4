//! The bot token: where it comes from, and how it is kept from being shown.
//!
//! There are four sources, and exactly one must be used: with two, a token that was changed in one place would go on
//! being read from the other.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::document::Section;
use super::environment::Environment;
use super::error::{Complaint, ConfigError, is_token_char};
use super::values;

/// The name of the credential in the unit's `LoadCredential=`.
const CREDENTIAL: &str = "telegram-token";

/// More than any token; keeps a wrong path (a log, a device) from filling the memory.
const TOKEN_FILE_MAX: u64 = 4096;

/// The shortest second half of a bot token that passes; real ones have 35 characters.
const SECRET_MIN: usize = 30;

/// A bot token. It has no `Display`, and its `Debug` shows the bot's id only.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    whole: String,
    bot_id: i64,
}

impl Token {
    /// Checks the form `<digits>:<at least 30 of A-Z a-z 0-9 _ ->` and returns `None` for anything else.
    pub fn parse(text: &str) -> Option<Token> {
        let (number, secret) = text.split_once(':')?;
        // A sign would pass `parse`.
        let is_number = number.chars().all(|c| c.is_ascii_digit());
        let bot_id = number
            .parse()
            .ok()
            .filter(|bot_id| is_number && *bot_id > 0)?;
        let is_secret = secret.len() >= SECRET_MIN && secret.chars().all(is_token_char);
        is_secret.then(|| Token {
            whole: text.to_owned(),
            bot_id,
        })
    }

    /// The bot's user id: the number before the colon. It is no secret.
    pub fn bot_id(&self) -> i64 {
        self.bot_id
    }

    /// The token itself, for the one place that builds request URLs. Never log it and never put it into an error.
    pub fn expose(&self) -> &str {
        &self.whole
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({}:…)", self.bot_id)
    }
}

/// One place where a token may be.
enum Source {
    Key,
    File,
    Variable,
    Credential(PathBuf),
}

impl Source {
    fn name(&self) -> String {
        match self {
            Source::Key => "`token` in this file".to_owned(),
            Source::File => "`token_file` in this file".to_owned(),
            Source::Variable => "$CHAPPE_TOKEN".to_owned(),
            Source::Credential(_) => format!("the systemd credential \"{CREDENTIAL}\""),
        }
    }
}

/// Takes the token from its only source. Having none or two is an error.
pub(super) fn find(
    telegram: &Section<'_>,
    base: &Path,
    env: &Environment,
) -> Result<Token, ConfigError> {
    let credential = env
        .path("CREDENTIALS_DIRECTORY")
        .map(|dir| dir.join(CREDENTIAL));
    let sources: Vec<Source> = [
        telegram.has("token").then_some(Source::Key),
        telegram.has("token_file").then_some(Source::File),
        env.get("CHAPPE_TOKEN").map(|_| Source::Variable),
        credential
            .filter(|path| path.exists())
            .map(Source::Credential),
    ]
    .into_iter()
    .flatten()
    .collect();

    match sources.as_slice() {
        [] => Err(
            telegram.missing(Complaint::new("there is no bot token").help(format!(
                "get one from @BotFather, then set `token` or `token_file` under [telegram], \
             or $CHAPPE_TOKEN, or the systemd credential \"{CREDENTIAL}\""
            ))),
        ),
        [only] => from(only, telegram, base, env),
        [first, second, ..] => {
            let complaint = Complaint::new(format!(
                "two sources for the bot token: {} and {}",
                first.name(),
                second.name()
            ));
            let complaint = complaint.help("keep one of them");
            Err(match (first, second) {
                (_, Source::File) | (Source::File, _) => telegram.error_at("token_file", complaint),
                (Source::Key, _) => telegram.error_at("token", complaint),
                _ => ConfigError::without_file(complaint),
            })
        }
    }
}

fn from(
    source: &Source,
    telegram: &Section<'_>,
    base: &Path,
    env: &Environment,
) -> Result<Token, ConfigError> {
    let token = match source {
        Source::Key => telegram.get("token", |value| {
            checked(&values::text(value)?, "must be a bot token")
        })?,
        Source::File => telegram.get("token_file", |value| {
            if Token::parse(&values::text(value)?).is_some() {
                return Err(Complaint::new("must be the path of a file")
                    .help("the token itself belongs to `token`"));
            }
            let path = values::path(value, base, env)?;
            refuse_if_open_to_others(&path)?;
            checked(&contents(&path)?, "must hold a bot token and nothing else")
        })?,
        Source::Variable => {
            let text = env.text("CHAPPE_TOKEN").unwrap_or_default();
            Some(
                checked(text, "$CHAPPE_TOKEN must be a bot token")
                    .map_err(ConfigError::without_file)?,
            )
        }
        Source::Credential(path) => {
            let token = contents(path)
                .and_then(|text| checked(&text, "must hold a bot token and nothing else"));
            Some(token.map_err(|complaint| {
                ConfigError::without_file(complaint.about(&path.display().to_string()))
            })?)
        }
    };
    Ok(token.expect("a source is only listed when it is there"))
}

fn checked(text: &str, complaint: &str) -> Result<Token, Complaint> {
    Token::parse(text).ok_or_else(|| {
        Complaint::new(complaint).help(
            "@BotFather gives it as a number, a colon, and about 35 letters, digits, `_` and `-`",
        )
    })
}

/// Reads a file that holds a token, without the newline at its end.
fn contents(path: &Path) -> Result<String, Complaint> {
    let read = || -> io::Result<String> {
        let mut text = String::new();
        File::open(path)?
            .take(TOKEN_FILE_MAX)
            .read_to_string(&mut text)?;
        Ok(text)
    };
    let text = read()
        .map_err(|cause| Complaint::new(format!("cannot be read: {}: {cause}", path.display())))?;
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// Whoever reads the token owns the bot. systemd's credentials need no such check: systemd sets their mode.
fn refuse_if_open_to_others(path: &Path) -> Result<(), Complaint> {
    let metadata = std::fs::metadata(path)
        .map_err(|cause| Complaint::new(format!("cannot be read: {}: {cause}", path.display())))?;
    if !metadata.is_file() {
        // Opening a pipe would wait for ever.
        return Err(Complaint::new(format!(
            "must be a regular file, and {} is none",
            path.display()
        )));
    }
    if metadata.permissions().mode() & 0o004 != 0 {
        return Err(Complaint::new("can be read by every user of this host")
            .help(format!("chmod 600 {}", path.display())));
    }
    Ok(())
}
