//! How `claude` is started: its arguments, the variables that its protocol needs, and what depends on its version.
//!
//! Pure. The program's name, the folder and the rest of the environment are the caller's.

use std::fmt;
use std::path::{Path, PathBuf};

use uuid::Uuid;

/// Variables that the protocol, and what people are asked, need.
///
/// The first makes the CLI tell when it works and when it waits for us; without the second 2.1.330 has no task list. With
/// the third each command begins in the session's folder, as its request says: otherwise it begins where the last one has
/// gone with `cd` (2.1.330: for as long as the process lives; 2.1.197: until the turn ends). Both versions accept all.
pub const ENVIRONMENT: [(&str, &str); 3] = [
    ("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS", "1"),
    ("CLAUDE_CODE_ENABLE_TODO_TOOLS", "1"),
    ("CLAUDE_BASH_MAINTAIN_PROJECT_WORKING_DIR", "1"),
];

/// The variable that keeps sub-agents and commands inside their turn, so that one result means that all work is done.
///
/// Left out when the user wants background work.
pub const FOREGROUND_ONLY: (&str, &str) = ("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1");

/// Tools that promise to do something later, which dies with the process.
const TOOLS_FOR_LATER: [&str; 4] = ["ScheduleWakeup", "CronCreate", "CronDelete", "CronList"];

/// What one start of `claude` depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchSpec {
    pub session: Session,
    /// `default`, `acceptEdits`, `plan`, `auto`, `dontAsk` or `bypassPermissions`; the CLI exits on others.
    pub permission_mode: String,
    /// `None` for Claude's own default.
    pub model: Option<String>,
    /// 0 for no limit.
    pub max_turns: u32,
    /// Added to Claude's own system prompt. The CLI does not store it with the session.
    pub append_system_prompt: Option<String>,
    /// Rules that deny in every mode, one each, such as `Bash(git push --force*)`. See [`deny_folder`].
    pub deny_rules: Vec<String>,
    /// Rules of calls that are not asked about, one each. A rule that denies goes before them.
    pub allow_rules: Vec<String>,
    /// Directories in which it may work besides its own; each must be there.
    pub directories: Vec<String>,
    /// Given as they are, after all others. A flag that is given twice counts the second time.
    pub extra_args: Vec<String>,
    pub version: Version,
}

/// Which conversation the process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// Fails if a transcript with this id exists.
    New(Uuid),
    /// Fails if none exists, or if it holds no message of a user.
    Resume(Uuid),
}

/// The arguments behind the program's name.
///
/// Values stand behind an equals sign: several flags take any number of values and would eat what follows, and a value may
/// begin with a dash.
///
/// Deny rules go by `--disallowedTools`, not by `--settings`: the former adds up when it is given again in `extra_args`,
/// while a second `--settings` silently takes the place of the first, rules and all. What stands in ours may be replaced
/// by people's own.
pub fn arguments(spec: &LaunchSpec) -> Vec<String> {
    let fixed = [
        "-p",
        "--input-format=stream-json",
        "--output-format=stream-json",
        // Without it stream-json is refused.
        "--verbose",
        // The only way in which permissions, questions and plans are asked. Not in --help.
        "--permission-prompt-tool=stdio",
        "--replay-user-messages",
        "--include-partial-messages",
        // Else 2.1.330 lets a check of Anthropic's decide about commands in plan mode, and asks nobody here.
        "--settings={\"useAutoModeDuringPlan\":false}",
    ];
    let mut arguments: Vec<String> = fixed.map(str::to_owned).into();
    arguments.push(match spec.session {
        Session::New(id) => format!("--session-id={id}"),
        Session::Resume(id) => format!("--resume={id}"),
    });
    arguments.push(format!("--permission-mode={}", spec.permission_mode));
    arguments.extend(spec.model.iter().map(|model| format!("--model={model}")));
    if spec.max_turns > 0 {
        arguments.push(format!("--max-turns={}", spec.max_turns));
    }
    let prompt = spec.append_system_prompt.iter();
    arguments.extend(prompt.map(|prompt| format!("--append-system-prompt={prompt}")));
    if spec.version.has_system_prompt_snapshot() {
        // Else a resume would go on with the system prompt of the session's first request, silently.
        arguments.push("--system-prompt-snapshot=off".to_owned());
    }
    let denied = TOOLS_FOR_LATER
        .into_iter()
        .chain(spec.deny_rules.iter().map(String::as_str));
    arguments.extend(denied.map(|rule| format!("--disallowedTools={rule}")));
    let allowed = spec.allow_rules.iter();
    arguments.extend(allowed.map(|rule| format!("--allowedTools={rule}")));
    let directories = spec.directories.iter();
    arguments.extend(directories.map(|directory| format!("--add-dir={directory}")));
    arguments.extend(spec.extra_args.iter().cloned());
    arguments
}

/// Rules that keep Claude's file tools, and the commands that the CLI understands (`cat`), out of a folder and all below.
///
/// `path` must be absolute.
pub fn deny_folder(path: &str) -> [String; 2] {
    let below = format!("{}/**", pattern_of(path).trim_end_matches('/'));
    ["Read", "Edit"].map(|tool| rule_about(tool, &below))
}

/// The same of one file.
pub fn deny_file(path: &str) -> [String; 2] {
    ["Read", "Edit"].map(|tool| rule_about(tool, &pattern_of(path)))
}

/// The same rule by the path to which links lead, as `real` follows them; None where it is about no path of the host, or by
/// its real path already. A rule about a link says nothing of what is asked for by its real path. `home` is what `~` is.
pub fn by_real_path(
    rule: &str,
    home: Option<&Path>,
    real: impl Fn(&Path) -> PathBuf,
) -> Option<String> {
    let (tool, rest) = rule.split_once('(')?;
    let pattern = rest.strip_suffix(')')?;
    if !matches!(tool, "Read" | "Edit") {
        return None;
    }
    let path = match (pattern.strip_prefix("~/"), pattern.strip_prefix("//")) {
        (Some(below), _) => format!("{}/{below}", home?.to_str()?),
        (None, below) => format!("/{}", below?),
    };
    // Links can be followed only of what has no pattern in it yet.
    let end = match path.find(['*', '?', '[', '\\']) {
        Some(at) => path[..at].rfind('/')?,
        None => path.len(),
    };
    let (literal, rest) = path.split_at(end);
    let found = real(Path::new(literal));
    let is_link = found != Path::new(literal);
    is_link.then(|| {
        let found = pattern_of(&found.to_string_lossy());
        rule_about(tool, &format!("{}{rest}", found.trim_end_matches('/')))
    })
}

/// A rule about what a pattern with an absolute path stands for. With one slash the path would be taken as relative to the
/// settings' folder.
fn rule_about(tool: &str, pattern: &str) -> String {
    format!("{tool}(/{pattern})")
}

/// A pattern for a path. Characters that a pattern reads otherwise become `?`, any one character: escaping them with a
/// backslash works for brackets only. So do those at which the CLI would cut the rule in two.
fn pattern_of(path: &str) -> String {
    path.replace(['[', ']', '*', '?', '\\', '(', ')'], "?")
}

/// A version of the CLI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl Version {
    /// Reads what `claude --version` prints, such as `2.1.330 (Claude Code)`, or `claude_code_version`.
    pub fn parse(text: &str) -> Option<Version> {
        let number = text.split_whitespace().next()?;
        // What follows a hyphen or a plus names a build of the same version.
        let number = number.split(['-', '+']).next()?;
        let mut parts = number.split('.').map(|part| part.parse::<u32>().ok());
        let version = Version {
            major: parts.next()??,
            minor: parts.next()??,
            patch: parts.next()??,
        };
        parts.next().is_none().then_some(version)
    }

    /// Whether `--system-prompt-snapshot` is known. 2.1.197 exits on it and 2.1.330 takes it; nothing between was measured.
    fn has_system_prompt_snapshot(self) -> bool {
        self >= Version {
            major: 2,
            minor: 1,
            patch: 330,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(version: &str) -> LaunchSpec {
        LaunchSpec {
            session: Session::New(Uuid::nil()),
            permission_mode: "default".to_owned(),
            model: None,
            max_turns: 0,
            append_system_prompt: None,
            deny_rules: Vec::new(),
            allow_rules: Vec::new(),
            directories: Vec::new(),
            extra_args: Vec::new(),
            version: Version::parse(version).expect("a version"),
        }
    }

    #[test]
    fn a_plain_start_asks_for_the_whole_protocol_and_no_more() {
        assert_eq!(
            arguments(&spec("2.1.197")).join("\n"),
            "-p\n\
             --input-format=stream-json\n\
             --output-format=stream-json\n\
             --verbose\n\
             --permission-prompt-tool=stdio\n\
             --replay-user-messages\n\
             --include-partial-messages\n\
             --settings={\"useAutoModeDuringPlan\":false}\n\
             --session-id=00000000-0000-0000-0000-000000000000\n\
             --permission-mode=default\n\
             --disallowedTools=ScheduleWakeup\n\
             --disallowedTools=CronCreate\n\
             --disallowedTools=CronDelete\n\
             --disallowedTools=CronList"
        );
    }

    #[test]
    fn each_wish_is_one_argument_and_the_users_own_come_last() {
        let plain = arguments(&spec("2.1.330"));
        let full = arguments(&LaunchSpec {
            session: Session::Resume(Uuid::nil()),
            permission_mode: "plan".to_owned(),
            model: Some("opus".to_owned()),
            max_turns: 7,
            append_system_prompt: Some("--be brief\nand kind".to_owned()),
            deny_rules: vec!["Bash(git push --force*)".to_owned()],
            allow_rules: vec!["Bash(npm test *)".to_owned()],
            directories: vec!["/x".to_owned()],
            extra_args: vec!["--settings".to_owned(), "{}".to_owned()],
            version: Version::parse("2.1.330").expect("a version"),
        });
        let added: Vec<&str> = full
            .iter()
            .filter(|argument| !plain.contains(argument))
            .map(String::as_str)
            .collect();
        assert_eq!(
            added,
            [
                "--resume=00000000-0000-0000-0000-000000000000",
                "--permission-mode=plan",
                "--model=opus",
                "--max-turns=7",
                "--append-system-prompt=--be brief\nand kind",
                "--disallowedTools=Bash(git push --force*)",
                "--allowedTools=Bash(npm test *)",
                "--add-dir=/x",
                "--settings",
                "{}",
            ]
        );
        assert_eq!(full[full.len() - 2..], ["--settings", "{}"]);
    }

    #[test]
    fn a_flag_goes_only_to_versions_that_know_it() {
        let flag = "--system-prompt-snapshot=off".to_owned();
        assert!(!arguments(&spec("2.1.197")).contains(&flag));
        assert!(arguments(&spec("2.1.330 (Claude Code)")).contains(&flag));
        assert!(arguments(&spec("3.0.0")).contains(&flag));
    }

    #[test]
    fn versions_are_read_and_compared_as_numbers() {
        let version = |text| Version::parse(text).map(|version| version.to_string());
        assert_eq!(
            version("2.1.330 (Claude Code)\n").as_deref(),
            Some("2.1.330")
        );
        assert_eq!(version("2.2.0-beta.1").as_deref(), Some("2.2.0"));
        for text in ["", "claude", "2.1", "2.1.x", "2.1.3.4", "v2.1.3"] {
            assert_eq!(version(text), None, "{text:?}");
        }
        assert!(Version::parse("2.1.1000") > Version::parse("2.1.330"));
    }

    #[test]
    fn a_rule_about_a_link_is_one_about_where_it_leads() {
        let real = |path: &Path| match path.strip_prefix("/home/u/link") {
            Ok(below) => Path::new("/mnt/a (b)").join(below),
            Err(_) => path.to_owned(),
        };
        let home = Some(Path::new("/home/u"));
        for (rule, expected) in [
            (
                "Edit(//home/u/link/secret/**)",
                Some("Edit(//mnt/a ?b?/secret/**)"),
            ),
            ("Read(~/link/*.key)", Some("Read(//mnt/a ?b?/*.key)")),
            ("Read(~/link/x)", Some("Read(//mnt/a ?b?/x)")),
            ("Read(//home/u/li*/x)", None),
            ("Read(//home/u/other/x)", None),
            ("Read(//**)", None),
            ("Read(./link/x)", None),
            ("Read", None),
            ("Bash(cat /home/u/link/x)", None),
        ] {
            assert_eq!(
                by_real_path(rule, home, real).as_deref(),
                expected,
                "{rule}"
            );
        }
        assert_eq!(by_real_path("Read(~/link/x)", None, real), None);
    }

    #[test]
    fn what_is_chappes_own_is_denied_by_its_absolute_path() {
        assert_eq!(
            deny_folder("/var/lib/chappe/"),
            ["Read(//var/lib/chappe/**)", "Edit(//var/lib/chappe/**)"]
        );
        let [read, _] = deny_folder("/a (b), c/[x]*\\?");
        assert_eq!(read, "Read(//a ?b?, c/?x????/**)");
        assert_eq!(
            deny_file("/srv/bots[1]/c.toml"),
            ["Read(//srv/bots?1?/c.toml)", "Edit(//srv/bots?1?/c.toml)"]
        );
    }
}
