//! The command line of the real CLI, as far as a bridge uses it, with the real one's refusals.
//!
//! Pure but for one look at a settings file. Wordings were taken from Claude Code 2.1.330.

use std::ffi::OsString;
use std::path::Path;

use serde_json::Value;

use super::permission::Mode;
use super::rule::Rule;

/// How the session begins.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Start {
    /// A new session with this id.
    New(String),
    /// The session with this id goes on.
    Resume(String),
}

/// A started stand-in: everything its command line says.
#[derive(Debug, Clone)]
pub(super) struct Options {
    /// The whole command line, for `[[dump]]`.
    pub(super) argv: Vec<String>,
    pub(super) start: Start,
    /// The prompt of a one-shot run; `None` when prompts come on stdin.
    pub(super) prompt: Option<String>,
    /// Permission questions are asked over the pipe.
    pub(super) asks: bool,
    pub(super) replay: bool,
    pub(super) partial: bool,
    pub(super) mode: Mode,
    /// Whether the mode may become `bypassPermissions` later.
    pub(super) bypass_allowed: bool,
    pub(super) model: Option<String>,
    /// Messages with tool calls that one turn may have.
    pub(super) max_turns: Option<u32>,
    pub(super) append_system_prompt: Option<String>,
    pub(super) allow: Vec<Rule>,
    pub(super) deny: Vec<Rule>,
    /// Plan mode asks the user instead of a check on the server.
    pub(super) asks_in_plan_mode: bool,
}

/// What the command line asks for.
#[derive(Debug)]
pub(super) enum Request {
    Version,
    Run(Box<Options>),
    /// A command line that the CLI does not accept: the line for stderr. The exit code is 1.
    Refused(String),
    /// `--resume` with something that is no session: the text for stderr and for a `result` line.
    NoSession(String),
}

enum Arity {
    /// `--flag`
    None,
    /// `--flag VALUE`
    One,
    /// `--flag [VALUE]`
    Optional,
    /// `--flag VALUE…` until the next flag
    Many,
}

/// Flags that are known, what they take, and how the CLI writes them in its refusals.
const FLAGS: &[(&str, Arity, &str)] = &[
    ("--print", Arity::None, ""),
    ("--verbose", Arity::None, ""),
    ("--replay-user-messages", Arity::None, ""),
    ("--include-partial-messages", Arity::None, ""),
    ("--include-hook-events", Arity::None, ""),
    ("--forward-subagent-text", Arity::None, ""),
    ("--continue", Arity::None, ""),
    ("--fork-session", Arity::None, ""),
    ("--no-session-persistence", Arity::None, ""),
    ("--strict-mcp-config", Arity::None, ""),
    ("--bare", Arity::None, ""),
    ("--dangerously-skip-permissions", Arity::None, ""),
    ("--allow-dangerously-skip-permissions", Arity::None, ""),
    ("--version", Arity::None, ""),
    ("--input-format", Arity::One, "<format>"),
    ("--output-format", Arity::One, "<format>"),
    ("--permission-prompt-tool", Arity::One, "<tool>"),
    ("--permission-mode", Arity::One, "<mode>"),
    ("--session-id", Arity::One, "<uuid>"),
    ("--resume", Arity::Optional, "[value]"),
    ("--model", Arity::One, "<model>"),
    ("--fallback-model", Arity::One, "<model>"),
    ("--effort", Arity::One, "<level>"),
    ("--max-turns", Arity::One, "<turns>"),
    ("--max-budget-usd", Arity::One, "<amount>"),
    ("--append-system-prompt", Arity::One, "<prompt>"),
    ("--system-prompt", Arity::One, "<prompt>"),
    ("--system-prompt-snapshot", Arity::One, "<on|off>"),
    ("--settings", Arity::One, "<file-or-json>"),
    ("--setting-sources", Arity::One, "<sources>"),
    ("--agents", Arity::One, "<json>"),
    ("--agent", Arity::One, "<agent>"),
    ("--name", Arity::One, "<name>"),
    ("--autocompact", Arity::One, "<tokens>"),
    ("--allowedTools", Arity::Many, "<tools...>"),
    ("--disallowedTools", Arity::Many, "<tools...>"),
    ("--tools", Arity::Many, "<tools...>"),
    ("--add-dir", Arity::Many, "<directories...>"),
    ("--mcp-config", Arity::Many, "<configs...>"),
    ("--betas", Arity::Many, "<betas...>"),
];

/// Other spellings.
const ALIASES: &[(&str, &str)] = &[
    ("-p", "--print"),
    ("-v", "--version"),
    ("-c", "--continue"),
    ("-r", "--resume"),
    ("-n", "--name"),
    ("--allowed-tools", "--allowedTools"),
    ("--disallowed-tools", "--disallowedTools"),
];

/// The flags that were given, in order, and the words that belong to none.
struct Given {
    flags: Vec<(&'static str, Vec<String>)>,
    words: Vec<String>,
}

impl Given {
    fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|(name, _)| *name == flag)
    }

    /// The value that was given last: later flags win.
    fn value(&self, flag: &str) -> Option<&str> {
        self.flags
            .iter()
            .rev()
            .find(|(name, _)| *name == flag)?
            .1
            .first()
            .map(String::as_str)
    }

    fn values(&self, flag: &str) -> impl Iterator<Item = &str> {
        self.flags
            .iter()
            .filter(move |(name, _)| *name == flag)
            .flat_map(|(_, values)| values)
            .map(String::as_str)
    }
}

/// Reads a command line (without the program's name).
pub(super) fn parse(args: Vec<OsString>, cwd: &Path) -> Request {
    let argv: Vec<String> = args
        .into_iter()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    let given = match split(&argv) {
        Ok(given) => given,
        Err(refusal) => return Request::Refused(refusal),
    };
    if given.has("--version") {
        return Request::Version;
    }
    match options(argv, &given, cwd) {
        Ok(request) | Err(request) => request,
    }
}

fn split(argv: &[String]) -> Result<Given, String> {
    let mut given = Given {
        flags: Vec::new(),
        words: Vec::new(),
    };
    let mut rest = argv.iter().peekable();
    while let Some(arg) = rest.next() {
        if !arg.starts_with('-') || arg == "-" {
            given.words.push(arg.clone());
            continue;
        }
        let (name, inline) = match arg.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (arg.as_str(), None),
        };
        let name = ALIASES
            .iter()
            .find(|(short, _)| *short == name)
            .map_or(name, |(_, long)| long);
        let Some((flag, arity, placeholder)) = FLAGS.iter().find(|(flag, ..)| *flag == name) else {
            return Err(format!("error: unknown option '{name}'"));
        };
        let mut values: Vec<String> = inline.into_iter().collect();
        let takes_more = match arity {
            Arity::None => false,
            Arity::One | Arity::Optional => values.is_empty(),
            Arity::Many => true,
        };
        while takes_more && rest.peek().is_some_and(|next| is_value(next, arity)) {
            values.extend(rest.next().cloned());
            if !matches!(arity, Arity::Many) {
                break;
            }
        }
        if values.is_empty() && matches!(arity, Arity::One | Arity::Many) {
            return Err(format!(
                "error: option '{flag} {placeholder}' argument missing"
            ));
        }
        given.flags.push((flag, values));
    }
    Ok(given)
}

/// A flag's one value may begin with a dash (a system prompt does); optional and repeated ones may not.
fn is_value(next: &str, arity: &Arity) -> bool {
    matches!(arity, Arity::One) || !next.starts_with('-')
}

fn options(argv: Vec<String>, given: &Given, cwd: &Path) -> Result<Request, Request> {
    choice(
        given,
        "--permission-mode",
        "acceptEdits, auto, bypassPermissions, manual, dontAsk, plan",
        &["default"],
    )?;
    choice(given, "--system-prompt-snapshot", "on, off", &[])?;
    choice(given, "--input-format", "text, stream-json", &[])?;
    choice(given, "--output-format", "text, json, stream-json", &[])?;
    let max_turns = match given.value("--max-turns") {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            refused(format!(
                "error: option '--max-turns <turns>' argument '{text}' is invalid. must be a number"
            ))
        })?),
    };
    if given.has("--print")
        && given.value("--output-format") == Some("stream-json")
        && !given.has("--verbose")
    {
        return Err(refused(
            "Error: When using --print, --output-format=stream-json requires --verbose",
        ));
    }
    if given.value("--output-format") != Some("stream-json") {
        return Err(refused(
            "Error: the stand-in speaks --output-format stream-json only",
        ));
    }
    let prompt =
        (given.value("--input-format") != Some("stream-json")).then(|| given.words.join(" "));
    if given.has("--session-id") && given.has("--resume") && !given.has("--fork-session") {
        return Err(refused(
            "Error: --session-id with --continue or --resume also needs --fork-session.",
        ));
    }
    let settings = settings(given.value("--settings"), cwd)?;
    let skips = given.has("--dangerously-skip-permissions");
    let mode = given.value("--permission-mode").and_then(Mode::parse);
    let mode = if skips {
        Mode::BypassPermissions
    } else {
        mode.unwrap_or(Mode::Default)
    };
    let tools = |flag| given.values(flag).flat_map(Rule::list);
    let rules = |key: &str| {
        let listed = settings["permissions"][key]
            .as_array()
            .cloned()
            .unwrap_or_default();
        listed
            .iter()
            .filter_map(Value::as_str)
            .flat_map(Rule::list)
            .collect::<Vec<_>>()
    };
    Ok(Request::Run(Box::new(Options {
        start: start(given)?,
        prompt,
        asks: given.value("--permission-prompt-tool") == Some("stdio"),
        replay: given.has("--replay-user-messages"),
        partial: given.has("--include-partial-messages"),
        bypass_allowed: mode == Mode::BypassPermissions
            || given.has("--allow-dangerously-skip-permissions"),
        mode,
        model: given.value("--model").map(str::to_owned),
        max_turns,
        append_system_prompt: given.value("--append-system-prompt").map(str::to_owned),
        allow: rules("allow")
            .into_iter()
            .chain(tools("--allowedTools"))
            .collect(),
        deny: rules("deny")
            .into_iter()
            .chain(tools("--disallowedTools"))
            .collect(),
        asks_in_plan_mode: settings["useAutoModeDuringPlan"] == Value::Bool(false),
        argv,
    })))
}

fn start(given: &Given) -> Result<Start, Request> {
    if given.has("--resume") {
        let value = given.value("--resume").unwrap_or("");
        if !is_uuid(value) {
            return Err(Request::NoSession(format!(
                "Error: --resume requires a valid session ID or session title when used with --print. Usage: claude -p --resume \
                 <session-id|title>. Provided value \"{value}\" is not a UUID and does not match any session title."
            )));
        }
        return Ok(Start::Resume(value.to_owned()));
    }
    match given.value("--session-id") {
        Some(id) if !is_uuid(id) => {
            Err(refused("Error: Invalid session ID. Must be a valid UUID."))
        }
        Some(id) => Ok(Start::New(id.to_owned())),
        None => Ok(Start::New(uuid::Uuid::new_v4().to_string())),
    }
}

fn choice(given: &Given, flag: &str, choices: &str, hidden: &[&str]) -> Result<(), Request> {
    let Some(value) = given.value(flag) else {
        return Ok(());
    };
    if hidden.contains(&value) || choices.split(", ").any(|choice| choice == value) {
        return Ok(());
    }
    let (.., placeholder) = FLAGS
        .iter()
        .find(|(name, ..)| *name == flag)
        .expect("only known flags are checked");
    Err(refused(format!(
        "error: option '{flag} {placeholder}' argument '{value}' is invalid. Allowed choices are {choices}."
    )))
}

/// Settings as JSON on the command line, or from a file.
fn settings(value: Option<&str>, cwd: &Path) -> Result<Value, Request> {
    let Some(value) = value else {
        return Ok(Value::Null);
    };
    if let Ok(settings) = serde_json::from_str::<Value>(value)
        && settings.is_object()
    {
        return Ok(settings);
    }
    let path = cwd.join(value);
    let missing = || {
        refused(format!(
            "Error: Settings file not found: {}",
            path.display()
        ))
    };
    let text = std::fs::read_to_string(&path).map_err(|_| missing())?;
    serde_json::from_str(&text)
        .map_err(|_| refused(format!("Error: Invalid settings file: {}", path.display())))
}

fn refused(message: impl Into<String>) -> Request {
    Request::Refused(message.into())
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && uuid::Uuid::try_parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPES: [&str; 6] = [
        "-p",
        "--input-format",
        "stream-json",
        "--output-format",
        "stream-json",
        "--verbose",
    ];

    fn read(more: &[&str]) -> Request {
        let args = PIPES.iter().chain(more).map(OsString::from).collect();
        parse(args, Path::new("/nowhere"))
    }

    fn run(more: &[&str]) -> Options {
        match read(more) {
            Request::Run(options) => *options,
            other => panic!("not a run: {other:?}"),
        }
    }

    fn refusal(more: &[&str]) -> String {
        match read(more) {
            Request::Refused(message) => message,
            other => panic!("not refused: {other:?}"),
        }
    }

    #[test]
    fn the_bridges_command_line_is_understood() {
        let options = run(&[
            "--permission-prompt-tool",
            "stdio",
            "--resume",
            "5bf73f2a-badf-46a3-a046-24039ffcd63b",
            "--append-system-prompt",
            "- be kind",
            "--settings",
            r#"{"permissions":{"deny":["WebFetch","Bash(rm *)"]}}"#,
            "--disallowedTools=CronCreate,CronList",
            "--max-turns",
            "3",
        ]);
        assert_eq!(
            options.start,
            Start::Resume("5bf73f2a-badf-46a3-a046-24039ffcd63b".to_owned())
        );
        assert!(options.asks && !options.replay);
        assert_eq!(options.append_system_prompt.as_deref(), Some("- be kind"));
        assert_eq!(options.deny.len(), 4);
        assert_eq!(options.max_turns, Some(3));
    }

    #[test]
    fn refusals_have_the_words_of_the_real_cli() {
        assert_eq!(
            refusal(&["--nonsense"]),
            "error: unknown option '--nonsense'"
        );
        assert_eq!(
            refusal(&["--session-id"]),
            "error: option '--session-id <uuid>' argument missing"
        );
        assert_eq!(
            refusal(&["--session-id", "x"]),
            "Error: Invalid session ID. Must be a valid UUID."
        );
        assert_eq!(
            refusal(&["--settings", "{bad"]),
            "Error: Settings file not found: /nowhere/{bad"
        );
        assert_eq!(
            refusal(&["--permission-mode", "foo"]),
            "error: option '--permission-mode <mode>' argument 'foo' is invalid. \
             Allowed choices are acceptEdits, auto, bypassPermissions, manual, dontAsk, plan."
        );
    }

    #[test]
    fn a_list_ends_at_the_next_flag() {
        let options = run(&[
            "--allowedTools",
            "Bash",
            "Read,Edit",
            "--replay-user-messages",
        ]);
        assert_eq!(options.allow.len(), 3);
        assert!(options.replay);
    }
}
