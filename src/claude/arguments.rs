//! The CLI's arguments and versions: which flags a version gets. Pure.

/// What the protocol needs in the child's environment, measured with 2.1.197 and 2.1.330: state events; sub-agents and
/// Bash within the turn, so that one `result` means that all work is done; the task list.
pub const ENVIRONMENT: [(&str, &str); 3] = [
    ("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS", "1"),
    ("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1"),
    ("CLAUDE_CODE_ENABLE_TODO_TOOLS", "1"),
];

/// Tools that would die with the process: wake-ups and schedules.
const DISALLOWED: &str = "--disallowedTools=ScheduleWakeup,CronCreate,CronDelete,CronList";

/// The first version that was seen to know `--system-prompt-snapshot`.
const SNAPSHOT_SINCE: Version = Version(2, 1, 330);

/// A version of Claude Code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// Reads what `--version` prints: `2.1.330 (Claude Code)`.
    pub fn parse(line: &str) -> Option<Version> {
        let mut numbers = line.split_whitespace().next()?.splitn(3, '.');
        let mut number = || -> Option<u32> {
            let digits: String = numbers
                .next()?
                .chars()
                .take_while(char::is_ascii_digit)
                .collect();
            digits.parse().ok()
        };
        Some(Version(number()?, number()?, number()?))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// How a process joins its conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// A conversation that begins: `--session-id`.
    New,
    /// One that goes on: `--resume`.
    Resume,
}

/// What decides the arguments.
#[derive(Clone, Debug)]
pub struct Arguments<'a> {
    /// Claude's session id.
    pub session: &'a str,
    pub opening: Opening,
    pub permission_mode: &'a str,
    pub model: Option<&'a str>,
    /// 0: no limit.
    pub max_turns: u32,
    /// Rules that always deny.
    pub deny: &'a [String],
    pub extra: &'a [String],
    pub version: Version,
}

impl Arguments<'_> {
    /// The arguments, without the program. Flags that take several values are written with `=`, because they would eat
    /// what follows.
    pub fn to_vec(&self) -> Vec<String> {
        let mut arguments: Vec<String> = [
            "-p",
            "--input-format",
            "stream-json",
            "--output-format",
            "stream-json",
            "--verbose",
            "--permission-prompt-tool",
            "stdio",
            "--replay-user-messages",
            "--include-partial-messages",
        ]
        .map(str::to_owned)
        .into();
        let mut flag =
            |name: &str, value: &str| arguments.extend([name.to_owned(), value.to_owned()]);
        match self.opening {
            Opening::New => flag("--session-id", self.session),
            Opening::Resume => flag("--resume", self.session),
        }
        flag("--permission-mode", self.permission_mode);
        if let Some(model) = self.model {
            flag("--model", model);
        }
        if self.max_turns > 0 {
            flag("--max-turns", &self.max_turns.to_string());
        }
        if self.version >= SNAPSHOT_SINCE {
            // Without it the first system prompt of a conversation is kept for ever.
            flag("--system-prompt-snapshot", "off");
        }
        arguments.push(DISALLOWED.to_owned());
        // Not by --settings: of several only the last one counts, and `extra` may bring one.
        let deny = |rule| format!("--disallowedTools={rule}");
        arguments.extend(self.deny.iter().map(deny));
        arguments.extend(self.extra.iter().cloned());
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_ordered() {
        assert_eq!(
            Version::parse("2.1.330 (Claude Code)"),
            Some(Version(2, 1, 330))
        );
        assert_eq!(
            Version::parse("2.1.331-beta.1 (Claude Code)"),
            Some(Version(2, 1, 331))
        );
        assert!(Version(2, 1, 330) > Version(2, 1, 197));
        assert_eq!(Version::parse("command not found"), None);
    }

    #[test]
    fn a_version_gets_only_flags_that_it_knows() {
        let with = |version, opening| {
            let deny = ["Read(//s/**)".to_owned()];
            let extra = ["--verbose".to_owned()];
            Arguments {
                session: "u",
                opening,
                permission_mode: "default",
                model: Some("opus"),
                max_turns: 3,
                deny: &deny,
                extra: &extra,
                version,
            }
            .to_vec()
            .join(" ")
        };
        let old = with(Version(2, 1, 197), Opening::New);
        assert!(
            !old.contains("snapshot") && old.contains("--session-id u "),
            "{old}"
        );
        let new = with(Version(2, 1, 330), Opening::Resume);
        assert!(
            new.contains("--system-prompt-snapshot off") && new.contains("--resume u "),
            "{new}"
        );
        assert!(
            new.ends_with("CronList --disallowedTools=Read(//s/**) --verbose"),
            "{new}"
        );
    }
}
