//! The status line of a turn: what Claude does now, for how long, and what came of it. Pure.

use std::time::{Duration, Instant};

use super::texts::Line;
use crate::board::{Doing, Interruption, Progress};
use crate::chat::{Formatted, Outcome};

/// After so long without a change the line says since when.
const SILENT_AFTER: Duration = Duration::from_secs(60);

/// Wherever it is said how a session stands in which Claude does everything without asking.
pub const ASKS_NOBODY: &str = "⚠ Nobody is asked (bypass)";

/// The line while the turn runs.
pub fn line(progress: &Progress, now: Instant) -> Formatted {
    let line = match &progress.interruption {
        None => Line::default(),
        // Only until Claude is at work: after that it is of no interest.
        Some(Interruption::Slept(idle)) if progress.doing == Doing::Waiting => {
            Line::default().plain(&format!("Resuming, idle for {}\n", coarse(*idle)))
        }
        Some(Interruption::Slept(_)) => Line::default(),
        Some(Interruption::Restart) => Line::default()
            .plain("I was restarted in the middle of this. Going on where it stopped.\n"),
        Some(Interruption::Crash { how, attempt, of }) => {
            let again = match progress.doing {
                Doing::Starting | Doing::Queued => "Starting it again",
                _ => "Started again",
            };
            Line::default().plain(&format!(
                "⚠ Claude stopped unexpectedly ({how}). {again} ({attempt} of {of}).\n"
            ))
        }
    };
    let line = line.plain("⏳ ");
    let line = match &progress.doing {
        Doing::Starting => line.plain("Starting Claude"),
        Doing::Queued => line.plain("Waiting for a place"),
        Doing::Stopping => line.plain("Stopping"),
        Doing::Waiting => line.plain("Waiting for Claude"),
        Doing::Thinking => line.plain("Thinking"),
        Doing::Writing => line.plain("Writing"),
        Doing::Asking => line.plain("Waiting for you"),
        Doing::Compacting => line.plain("Making room in the conversation"),
        Doing::Retrying {
            attempt,
            of,
            status,
        } => {
            let why = match status {
                Some(429) => "Anthropic's rate limit is reached",
                Some(529) => "Anthropic is overloaded",
                Some(_) => "Anthropic has a problem",
                None => "Anthropic does not answer",
            };
            line.plain(&format!("{why}, trying again ({attempt} of {of})"))
        }
        Doing::Tool { name, target } if target.is_empty() => line.plain(verb(name)),
        Doing::Tool { name, target } => line.plain(verb(name)).plain(" ").code(target),
    };
    let doing_for = now.saturating_duration_since(progress.doing_since);
    let line = if doing_for >= SILENT_AFTER {
        line.plain(&format!(", for {} now", duration(doing_for)))
    } else {
        line
    };
    let line = line.plain(&format!(
        " · {}",
        duration(now.saturating_duration_since(progress.since))
    ));
    let line = match progress.waiting {
        0 => line,
        waiting => line.plain(&format!(" · {waiting} waiting")),
    };
    match progress.asks_nobody {
        true => line.plain("\n").plain(ASKS_NOBODY).end(),
        false => line.end(),
    }
}

/// What is done with a tool, in a word. A tool that is not known is named.
fn verb(tool: &str) -> &str {
    match tool {
        "Bash" => "Running",
        "Read" | "NotebookRead" => "Reading",
        "Write" => "Writing",
        "Edit" | "MultiEdit" | "NotebookEdit" => "Editing",
        "Grep" | "Glob" | "LS" => "Searching",
        "WebFetch" => "Fetching",
        "WebSearch" => "Searching the web for",
        "Task" | "Agent" => "A sub-agent works on",
        other => other,
    }
}

/// What stands there while chappe itself is stopped.
pub fn paused() -> Formatted {
    Formatted::plain("⏳ Paused for a restart. It goes on by itself.")
}

/// What stands there while a turn cannot go on, and waits for somebody.
pub fn kept() -> Formatted {
    Formatted::plain("⚠ Interrupted. Kept until it can go on.")
}

/// What stands there when a turn was stopped before it had gone on.
pub fn stopped() -> Formatted {
    closing(Outcome::Stopped, 0, None, 0.0)
}

/// The line that stays when the turn is over.
pub fn closing(outcome: Outcome, tools: u32, took: Option<Duration>, cost: f64) -> Formatted {
    let (sign, word) = match outcome {
        Outcome::Answered => ("✓", None),
        Outcome::Stopped => ("✗", Some("Stopped")),
        Outcome::Continued => ("✓", Some("Continued")),
        Outcome::Failed | Outcome::TurnLimit | Outcome::BudgetSpent => ("⚠", None),
        Outcome::Crashed | Outcome::Interrupted | Outcome::Unknown => ("⚠", Some("Interrupted")),
    };
    let mut parts: Vec<String> = word.map(str::to_owned).into_iter().collect();
    match tools {
        0 => {}
        1 => parts.push("1 tool".to_owned()),
        tools => parts.push(format!("{tools} tools")),
    }
    parts.extend(took.map(duration));
    if cost >= 0.005 {
        parts.push(format!("${cost:.2}"));
    }
    if parts.is_empty() {
        parts.push("Done".to_owned());
    }
    Formatted::plain(format!("{sign} {}", parts.join(" · ")))
}

/// A length of time in the largest two units that say something.
pub fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..600 if !seconds.is_multiple_of(60) => {
            format!("{} min {} s", seconds / 60, seconds % 60)
        }
        60..3600 => format!("{} min", seconds / 60),
        _ if (seconds / 60).is_multiple_of(60) => format!("{} h", seconds / 3600),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// A length of time of which only the size matters: minutes, hours or days.
pub fn coarse(length: Duration) -> String {
    let minutes = length.as_secs() / 60;
    match minutes {
        0..60 => format!("{minutes} min"),
        60..2880 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Behind, ChatId, Place, PromptId};

    #[test]
    fn the_line_says_what_and_for_how_long() {
        let since = Instant::now();
        let mut progress = Progress {
            place: Place {
                chat: ChatId(1),
                topic: None,
            },
            prompt: PromptId(1),
            since,
            doing: Doing::Tool {
                name: "Bash".into(),
                target: "npm test".into(),
            },
            doing_since: since,
            interruption: None,
            waiting: 1,
            behind: Behind::default(),
            asks_nobody: false,
        };
        let at = |seconds| since + Duration::from_secs(seconds);
        assert_eq!(
            line(&progress, at(12)).text,
            "⏳ Running npm test · 12 s · 1 waiting"
        );
        assert_eq!(
            line(&progress, at(125)).text,
            "⏳ Running npm test, for 2 min 5 s now · 2 min 5 s · 1 waiting"
        );
        progress.asks_nobody = true;
        assert_eq!(
            line(&progress, at(12)).text,
            "⏳ Running npm test · 12 s · 1 waiting\n⚠ Nobody is asked (bypass)"
        );
        progress.asks_nobody = false;
        progress.doing = Doing::Retrying {
            attempt: 2,
            of: 10,
            status: Some(529),
        };
        progress.waiting = 0;
        assert_eq!(
            line(&progress, at(3)).text,
            "⏳ Anthropic is overloaded, trying again (2 of 10) · 3 s"
        );
        progress.doing = Doing::Waiting;
        progress.interruption = Some(Interruption::Slept(Duration::from_secs(3 * 3600)));
        assert_eq!(
            line(&progress, at(3)).text,
            "Resuming, idle for 3 h\n⏳ Waiting for Claude · 3 s"
        );
        progress.doing = Doing::Writing;
        assert_eq!(line(&progress, at(3)).text, "⏳ Writing · 3 s");
        progress.interruption = Some(Interruption::Crash {
            how: "signal 9".into(),
            attempt: 1,
            of: 3,
        });
        progress.doing = Doing::Starting;
        assert_eq!(
            line(&progress, at(3)).text,
            "⚠ Claude stopped unexpectedly (signal 9). Starting it again (1 of 3).\n⏳ Starting Claude · 3 s"
        );
        progress.doing = Doing::Queued;
        assert_eq!(
            line(&progress, at(3)).text,
            "⚠ Claude stopped unexpectedly (signal 9). Starting it again (1 of 3).\n⏳ Waiting for a place · 3 s"
        );
    }

    #[test]
    fn the_closing_line_is_short() {
        let took = Some(Duration::from_secs(23));
        assert_eq!(
            closing(Outcome::Answered, 4, took, 0.04).text,
            "✓ 4 tools · 23 s · $0.04"
        );
        assert_eq!(closing(Outcome::Failed, 0, took, 0.0).text, "⚠ 23 s");
        assert_eq!(
            closing(Outcome::Stopped, 1, took, 0.0).text,
            "✗ Stopped · 1 tool · 23 s"
        );
        assert_eq!(closing(Outcome::Answered, 0, None, 0.0).text, "✓ Done");
        assert_eq!(
            closing(Outcome::Interrupted, 0, None, 0.0).text,
            "⚠ Interrupted"
        );
        assert_eq!(duration(Duration::from_secs(7260)), "2 h 1 min");
        assert_eq!(duration(Duration::from_secs(7200)), "2 h");
    }
}
