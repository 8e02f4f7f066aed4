//! What makes a single value good or bad: types, durations, ids, addresses, words.
//!
//! Each function takes a value with its place and returns what it means, or a complaint of the form "must be …". No
//! complaint repeats a value that may be a secret.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::document::with_article;
use super::environment::{Environment, reserved};
use super::error::Complaint;
use super::suggest::nearest;
use super::{Claude, FreeMemory, IdleTimeout, rules};

/// A value of the file with its place.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// The most attempts that make sense: what has died so often dies again.
const RETRIES_MAX: u32 = 20;

/// The most processes that make sense on one host.
const MAX_LIVE_MAX: i64 = 1000;

/// The most memory that anybody can want to be free: what is more than any host has is a slip.
const FREE_MEMORY_MAX: u64 = 1 << 40;

/// The longest addition to Claude's system prompt, in bytes.
const SYSTEM_PROMPT_MAX: usize = 32 * 1024;

/// The same for `allowed_chats`.
const FIND_GROUP_ID: &str = "to find a group's id, add the bot to it: chappe's log names the id of a group that it does not serve";

/// How somebody learns the number that `allowed_users` wants.
pub(super) const FIND_YOUR_ID: &str =
    "to find your numeric id, write to @userinfobot in Telegram: it answers with it";

/// Telegram promises that ids have at most 52 significant bits (Bot API, type User).
const USER_ID_MAX: i64 = (1 << 52) - 1;

/// A process that may stay longer than this is one that is never ended.
const IDLE_TIMEOUT_MAX: Duration = Duration::from_secs(30 * DAY);

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Text of at least one character, without NUL: it ends up in a path, in arguments or in the environment.
fn filled(value: &Value<'_>) -> Result<String, Complaint> {
    let text = text(value)?;
    if text.trim().is_empty() {
        Err(Complaint::new("must not be empty").at(value.span()))
    } else {
        Ok(text)
    }
}

pub(super) fn text(value: &Value<'_>) -> Result<String, Complaint> {
    match value.get_ref().as_str() {
        Some(text) if text.contains('\0') => {
            Err(Complaint::new("must not hold a NUL character").at(value.span()))
        }
        Some(text) => Ok(text.to_owned()),
        None => Err(wrong_type(value, "a string")),
    }
}

fn wrong_type(value: &Value<'_>, wanted: &str) -> Complaint {
    Complaint::new(format!(
        "must be {wanted}, not {}",
        with_article(value.get_ref())
    ))
    .at(value.span())
}

pub(super) fn boolean(value: &Value<'_>) -> Result<bool, Complaint> {
    value
        .get_ref()
        .as_bool()
        .ok_or_else(|| wrong_type(value, "true or false"))
}

/// A whole number; one too large for 64 bits is reported as such.
fn integer(value: &Value<'_>) -> Result<i64, Complaint> {
    let DeValue::Integer(number) = value.get_ref() else {
        return Err(wrong_type(value, "a whole number"));
    };
    i64::from_str_radix(number.as_str(), number.radix())
        .map_err(|_| Complaint::new("holds a number that is far too large").at(value.span()))
}

fn list<'v>(
    value: &'v Value<'_>,
    example: &str,
) -> Result<impl Iterator<Item = &'v Value<'v>>, Complaint> {
    match value.get_ref() {
        DeValue::Array(items) => Ok(items.iter()),
        _ => Err(wrong_type(value, "a list").help(format!("write it in brackets: {example}"))),
    }
}

pub(super) fn strings(value: &Value<'_>) -> Result<Vec<String>, Complaint> {
    list(value, "[\"one\", \"two\"]")?
        .map(|item| match item.get_ref() {
            DeValue::String(_) => text(item),
            other => Err(Complaint::new(format!(
                "must hold strings only, not {}",
                with_article(other)
            ))
            .at(item.span())),
        })
        .collect()
}

/// What chappe says itself to `claude`, what would give it another conversation than chappe's or none that is kept, and
/// what would take the decision out of people's hands without anybody seeing it.
const OWN_ARGUMENTS: [&str; 18] = [
    "--permission-mode",
    "--dangerously-skip-permissions",
    "--allow-dangerously-skip-permissions",
    "--permission-prompt-tool",
    "--permission-prompts",
    "--input-format",
    "--output-format",
    "--replay-user-messages",
    "--session-id",
    "--resume",
    "--continue",
    "--fork-session",
    "--from-pr",
    "--teleport",
    "--cloud",
    "--bg",
    "--background",
    "--no-session-persistence",
];

/// The short forms of some, which may have their value attached. Other programs mean something else by them.
const OWN_LETTERS: [&str; 2] = ["-c", "-r"];

/// Arguments for `claude` behind chappe's own.
pub(super) fn further_arguments(value: &Value<'_>) -> Result<Vec<String>, Complaint> {
    let all = strings(value)?;
    refuse_own(&all)?;
    let mut letters = OWN_LETTERS.into_iter();
    match letters.find(|own| all.iter().any(|given| given.starts_with(own))) {
        Some(own) => Err(is_own(own)),
        None => Ok(all),
    }
}

fn refuse_own(arguments: &[String]) -> Result<(), Complaint> {
    let own = arguments.iter().find_map(|given| {
        let flag = given.split('=').next().unwrap_or_default();
        OWN_ARGUMENTS.into_iter().find(|own| *own == flag)
    });
    match own {
        Some(own) => Err(is_own(own)),
        None => Ok(()),
    }
}

fn is_own(own: &str) -> Complaint {
    let complaint = Complaint::new(format!(
        "must not hold {own}: chappe itself decides about it"
    ));
    match own.contains("permission") {
        true => complaint.help("set `permission_mode` in [claude], or say /mode in the chat"),
        false => complaint,
    }
}

/// A path; `~` and `~/…` mean the user's home, a relative one counts from `base`.
pub(super) fn path(
    value: &Value<'_>,
    base: &Path,
    env: &Environment,
) -> Result<PathBuf, Complaint> {
    Ok(base.join(expand_home(&filled(value)?, env)?))
}

/// Several of them.
pub(super) fn paths(
    value: &Value<'_>,
    base: &Path,
    env: &Environment,
) -> Result<Vec<PathBuf>, Complaint> {
    list(value, "[\"~/src\"]")?
        .map(|item| path(item, base, env).map_err(|complaint| complaint.at(item.span())))
        .collect()
}

/// The name of a persona. Whether there is one is known when it is used: it may be made later.
pub(super) fn persona_name(value: &Value<'_>) -> Result<String, Complaint> {
    let name = text(value)?;
    match super::persona::is_name(&name) {
        true => Ok(name),
        false => Err(Complaint::new(
            "must be the name of a persona: letters, digits, - and _, 64 at most",
        )),
    }
}

/// What is added to Claude's system prompt: it becomes one argument, and Linux takes 128 kB of one at most.
pub(super) fn system_prompt(value: &Value<'_>) -> Result<String, Complaint> {
    let prompt = text(value)?;
    match prompt.len() {
        ..=SYSTEM_PROMPT_MAX => Ok(prompt),
        _ => Err(Complaint::new(format!(
            "must have at most {SYSTEM_PROMPT_MAX} bytes"
        ))),
    }
}

fn expand_home(path: &str, env: &Environment) -> Result<PathBuf, Complaint> {
    let Some(rest) = path.strip_prefix('~') else {
        return Ok(PathBuf::from(path));
    };
    if !rest.is_empty() && !rest.starts_with('/') {
        return Err(Complaint::new("must not begin with `~` and a name")
            .help("`~/` is the home of chappe's own user"));
    }
    let home = env
        .home()
        .ok_or_else(|| Complaint::new("begins with `~`, but $HOME is not set"))?;
    Ok(home.join(rest.trim_start_matches('/')))
}

/// The argv prefix. Each part that begins with `~/` names a program or file at home, as it would in a shell.
pub(super) fn command(value: &Value<'_>, env: &Environment) -> Result<Vec<String>, Complaint> {
    let mut command = Vec::new();
    for part in list(value, "[\"claude\"]")? {
        let text = if command.is_empty() {
            filled(part)?
        } else {
            text(part)?
        };
        let expanded = if text.starts_with("~/") {
            expand_home(&text, env)?
        } else {
            PathBuf::from(text)
        };
        // Both halves are UTF-8 unless $HOME is not.
        let expanded = expanded.into_os_string().into_string();
        command.push(
            expanded
                .map_err(|_| Complaint::new("needs $HOME, which is not UTF-8").at(part.span()))?,
        );
    }
    if command.is_empty() {
        return Err(
            Complaint::new("must name a program").help("the usual one is `command = [\"claude\"]`")
        );
    }
    refuse_own(&command)?;
    Ok(command)
}

pub(super) fn permission_mode(value: &Value<'_>) -> Result<String, Complaint> {
    let mode = text(value)?;
    let modes = Claude::PERMISSION_MODES;
    if modes.contains(&mode.as_str()) {
        return Ok(mode);
    }
    let complaint = Complaint::new(format!("must be one of {}", modes.join(", ")));
    Err(match nearest(&mode, modes) {
        Some(near) => complaint.help(format!("did you mean \"{near}\"?")),
        None => complaint,
    })
}

/// The name of a model; empty is Claude's own default. It becomes an argument and must not look like a flag.
pub(super) fn model(value: &Value<'_>) -> Result<Option<String>, Complaint> {
    let model = text(value)?;
    if model.starts_with('-') || model.contains(char::is_whitespace) {
        return Err(Complaint::new(
            "must be the name of a model, such as \"sonnet\"",
        ));
    }
    Ok(Some(model).filter(|model| !model.is_empty()))
}

pub(super) fn max_turns(value: &Value<'_>) -> Result<u32, Complaint> {
    let number = integer(value)?;
    u32::try_from(number).map_err(|_| Complaint::new("must be between 0 (no limit) and 4294967295"))
}

/// How often something is tried again.
pub(super) fn retries(value: &Value<'_>) -> Result<u32, Complaint> {
    let number = integer(value)?;
    u32::try_from(number)
        .ok()
        .filter(|number| *number <= RETRIES_MAX)
        .ok_or_else(|| Complaint::new(format!("must be between 0 and {RETRIES_MAX}")))
}

/// How many sessions may have a process at the same time.
pub(super) fn max_live(value: &Value<'_>) -> Result<usize, Complaint> {
    let number = integer(value)?;
    usize::try_from(number)
        .ok()
        .filter(|_| (1..=MAX_LIVE_MAX).contains(&number))
        .ok_or_else(|| Complaint::new(format!("must be between 1 and {MAX_LIVE_MAX}")))
}

/// How much memory must be free: "auto", or a number of bytes with a unit or without.
pub(super) fn free_memory(value: &Value<'_>) -> Result<FreeMemory, Complaint> {
    let Some(text) = value.get_ref().as_str() else {
        return Err(wrong_type(value, "a string such as \"300M\""));
    };
    if text == "auto" {
        return Ok(FreeMemory::Auto);
    }
    let (number, unit) = match text.char_indices().next_back() {
        Some((at, 'K')) => (&text[..at], 1 << 10),
        Some((at, 'M')) => (&text[..at], 1 << 20),
        Some((at, 'G')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Complaint::new(
            "must be \"auto\", or a size such as \"300M\" or \"1G\"; \"0\" is no limit",
        ));
    }
    let bytes = number.parse().ok();
    let bytes = bytes.and_then(|number: u64| number.checked_mul(unit));
    match bytes.filter(|bytes| *bytes <= FREE_MEMORY_MAX) {
        Some(bytes) => Ok(FreeMemory::Bytes(bytes)),
        None => Err(Complaint::new("must be at most 1024G")),
    }
}

/// Whether a person is asked before a turn goes on that a restart has cut off.
pub(super) fn resume_turns(value: &Value<'_>) -> Result<bool, Complaint> {
    match text(value)?.as_str() {
        "auto" => Ok(false),
        "ask" => Ok(true),
        _ => Err(Complaint::new("must be \"auto\" or \"ask\"")),
    }
}

/// Whether what comes while a turn runs is put into it.
pub(super) fn when_busy(value: &Value<'_>) -> Result<bool, Complaint> {
    match text(value)?.as_str() {
        "queue" => Ok(false),
        "steer" => Ok(true),
        _ => Err(Complaint::new("must be \"queue\" or \"steer\"")),
    }
}

/// Permission rules of the CLI: the name of a tool, then perhaps a pattern in parentheses.
pub(super) fn deny_rules(value: &Value<'_>) -> Result<Vec<String>, Complaint> {
    list(value, "[\"Bash(git push --force*)\"]")?
        .map(|item| {
            let rule = filled(item)?;
            rules::check(&rule).map_err(|complaint| complaint.at(item.span()))?;
            Ok(rule)
        })
        .collect()
}

/// Variables to add to a child's environment. No complaint shows a value: API keys are set here.
pub(super) fn variables(value: &Value<'_>) -> Result<BTreeMap<String, String>, Complaint> {
    let Some(table) = value.get_ref().as_table() else {
        return Err(
            wrong_type(value, "a table").help("for instance `env = { LANG = \"C.UTF-8\" }`")
        );
    };
    let mut variables = BTreeMap::new();
    for (name, value) in table {
        let key: &str = name.get_ref();
        if key.is_empty() || key.contains(['=', '\0']) || key.contains(char::is_whitespace) {
            return Err(Complaint::new("must hold names of variables").at(name.span()));
        }
        if let Some(reason) = reserved(key) {
            return Err(Complaint::new(format!("must not set {key}: {reason}")).at(name.span()));
        }
        if value.get_ref().as_str().is_none() {
            let what = with_article(value.get_ref());
            let complaint = Complaint::new(format!("must hold strings only, and {key} is {what}"));
            return Err(complaint.at(value.span()).help("put the value in quotes"));
        }
        variables.insert(key.to_owned(), text(value)?);
    }
    Ok(variables)
}

pub(super) fn allowed_users(value: &Value<'_>) -> Result<Vec<i64>, Complaint> {
    let users: Vec<i64> = list(value, "[123456789]")?
        .map(user_id)
        .collect::<Result<_, _>>()?;
    if users.is_empty() {
        return Err(
            Complaint::new("must not be empty: nobody could speak to the bot").help(FIND_YOUR_ID),
        );
    }
    Ok(users)
}

fn user_id(value: &Value<'_>) -> Result<i64, Complaint> {
    if let Some(text) = value.get_ref().as_str() {
        let complaint = Complaint::new("must hold numeric ids").at(value.span());
        return Err(
            if !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()) {
                complaint.help(format!("write {text} without quotes"))
            } else {
                complaint.help(format!(
                    "names can change hands, ids cannot; {FIND_YOUR_ID}"
                ))
            },
        );
    }
    match integer(value)? {
        id if id > USER_ID_MAX => Err(Complaint::new(
            "holds a number that is too large for a Telegram id",
        )
        .at(value.span())),
        id if id <= 0 => Err(
            Complaint::new("must hold ids of people, which are positive")
                .at(value.span())
                .help(format!(
                    "negative ids are groups and channels; {FIND_YOUR_ID}"
                )),
        ),
        id => Ok(id),
    }
}

pub(super) fn allowed_chats(value: &Value<'_>) -> Result<Vec<i64>, Complaint> {
    list(value, "[-1001234567890]")?.map(group_id).collect()
}

fn group_id(value: &Value<'_>) -> Result<i64, Complaint> {
    if let Some(text) = value.get_ref().as_str() {
        let complaint = Complaint::new("must hold numeric ids").at(value.span());
        return Err(match text.parse::<i64>() {
            Ok(id) if id < 0 => complaint.help(format!("write {id} without quotes")),
            _ => complaint.help(format!(
                "names can change hands, ids cannot; {FIND_GROUP_ID}"
            )),
        });
    }
    match integer(value)? {
        id if id < -USER_ID_MAX => Err(Complaint::new(
            "holds a number that is too large for a Telegram id",
        )
        .at(value.span())),
        id if id >= 0 => Err(
            Complaint::new("must hold ids of groups, which are negative")
                .at(value.span())
                .help(format!(
                    "people are listed in `allowed_users`; {FIND_GROUP_ID}"
                )),
        ),
        id => Ok(id),
    }
}

/// The base address of a Bot API server. It is never repeated in a complaint: some people put their token into it.
pub(super) fn api_url(value: &Value<'_>) -> Result<String, Complaint> {
    let url = text(value)?;
    let usual = "the usual one is \"https://api.telegram.org\"";
    let Some(rest) = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
    else {
        return Err(Complaint::new("must begin with https:// or http://").help(usual));
    };
    let (server, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if server.contains('@') {
        return Err(Complaint::new("must not hold a user name or password"));
    }
    check_server(server)?;
    if rest.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '?' | '#')) {
        return Err(Complaint::new("must not hold spaces, `?` or `#`").help(usual));
    }
    if path.ends_with('/') {
        return Err(
            Complaint::new("must not end with a slash").help("leave the last character out")
        );
    }
    if path.split('/').any(|part| part.starts_with("bot")) {
        return Err(Complaint::new("must not hold the `/bot…` part: chappe adds it").help(usual));
    }
    Ok(url)
}

/// The address of a proxy; empty is none. Never repeated in a complaint: it may hold a password.
pub(super) fn proxy(value: &Value<'_>) -> Result<Option<String>, Complaint> {
    let url = text(value)?;
    if url.is_empty() {
        return Ok(None);
    }
    let Some(rest) = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("socks5://"))
    else {
        let complaint = Complaint::new("must begin with http:// or socks5://");
        return Err(complaint.help("for instance \"socks5://127.0.0.1:1080\""));
    };
    let server = rest.strip_suffix('/').unwrap_or(rest);
    check_server(server.rsplit('@').next().unwrap_or_default())?;
    Ok(Some(url))
}

/// Checks `host`, `host:port` or `[ipv6]:port`.
fn check_server(server: &str) -> Result<(), Complaint> {
    let (host, port) = match server
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((host, port)) => (
            host,
            port.strip_prefix(':')
                .or(if port.is_empty() { None } else { Some("") }),
        ),
        None => server
            .split_once(':')
            .map_or((server, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty()
        || host.contains(|c: char| c.is_whitespace() || c.is_control() || "/?#[]".contains(c))
    {
        return Err(Complaint::new("must name a server after the ://"));
    }
    match port.map(str::parse::<u16>) {
        None | Some(Ok(1..)) => Ok(()),
        Some(_) => Err(Complaint::new(
            "must have a port between 1 and 65535 after the colon",
        )),
    }
}

pub(super) fn idle_timeout(value: &Value<'_>) -> Result<IdleTimeout, Complaint> {
    if value.get_ref().as_str() == Some("never") {
        return Ok(IdleTimeout::Never);
    }
    let duration = duration(value, Duration::ZERO, IDLE_TIMEOUT_MAX).map_err(|complaint| {
        complaint.help("\"0s\" ends the process after each turn, \"never\" keeps it")
    })?;
    Ok(IdleTimeout::After(duration))
}

/// A duration between two bounds, both included: digits and one of ms, s, m, h, d.
pub(super) fn duration(
    value: &Value<'_>,
    least: Duration,
    most: Duration,
) -> Result<Duration, Complaint> {
    let Some(text) = value.get_ref().as_str() else {
        return Err(wrong_type(value, "a string such as \"10m\""));
    };
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 1000 * MINUTE,
        "h" => 1000 * HOUR,
        "d" => 1000 * DAY,
        _ => 0,
    };
    if number.is_empty() || unit_ms == 0 {
        return Err(Complaint::new(
            "must be a number with one unit: \"300ms\", \"10s\", \"5m\", \"1h\" or \"2d\"",
        ));
    }
    let duration = number
        .parse()
        .ok()
        .and_then(|number: u64| number.checked_mul(unit_ms))
        .map(Duration::from_millis);
    match duration {
        Some(duration) if duration < least => Err(Complaint::new(format!(
            "must be at least {}",
            in_words(least)
        ))),
        Some(duration) if duration <= most => Ok(duration),
        _ => Err(Complaint::new(format!(
            "must be at most {}",
            in_words(most)
        ))),
    }
}

/// A bound in the notation of the file, in its largest whole unit.
fn in_words(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match duration.subsec_millis() {
        0 if seconds == 0 => "0s".to_owned(),
        0 if seconds.is_multiple_of(DAY) => format!("{}d", seconds / DAY),
        0 if seconds.is_multiple_of(HOUR) => format!("{}h", seconds / HOUR),
        0 if seconds.is_multiple_of(MINUTE) => format!("{}m", seconds / MINUTE),
        0 => format!("{seconds}s"),
        _ => format!("{}ms", duration.as_millis()),
    }
}
