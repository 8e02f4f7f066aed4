//! What goes wrong in a turn because its script says so: the directives `[[error …]]`, `[[hang]]`, `[[kill …]]` and the like.
//!
//! Pure: a directive in, a [`Fault`] out. [`super::failure`] and [`super::death`] perform it.

/// What goes wrong, and where in a turn.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fault {
    /// The API refuses the request, `times` times or always.
    Error {
        refusal: Refusal,
        times: Option<u32>,
    },
    /// The API never answers.
    Hang,
    /// A few words come, then nothing.
    Stall,
    /// The process dies.
    Death(Death),
    /// `--max-turns` is reached before the answer.
    MaxTurns,
}

/// How the API refuses a request.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Refusal {
    /// With this HTTP status.
    Status(u16),
    /// A subscription's limit is reached, until it is reset in so many seconds.
    UsageLimit { resets_s: u64, window: String },
    /// Nothing is left to pay with.
    NoCredit,
    /// The CLI does not even ask.
    NoLogin,
}

/// The end of the process.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Death {
    pub(super) ending: Ending,
    /// So many times, counted over all processes with this configuration; `None`: always.
    pub(super) times: Option<u32>,
    /// So many milliseconds after this line; `None`: in the middle of the answer.
    pub(super) after: Option<(Moment, u64)>,
}

/// What ends the process.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Ending {
    Exit(u8),
    Signal(String),
}

/// A line of a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Started,
    Init,
    Delta,
    Text,
    ToolUse,
    Question,
    ToolResult,
    Result,
}

impl Moment {
    fn parse(name: &str) -> Option<Moment> {
        Some(match name {
            "started" => Moment::Started,
            "init" => Moment::Init,
            "delta" => Moment::Delta,
            "text" => Moment::Text,
            "tool_use" => Moment::ToolUse,
            "question" => Moment::Question,
            "tool_result" => Moment::ToolResult,
            "result" => Moment::Result,
            _ => return None,
        })
    }
}

/// The fault that a directive names, if it names one.
pub(super) fn parse(name: &str, argument: &str) -> Option<Fault> {
    let first = argument.split_whitespace().next();
    Some(match name {
        "error" => Fault::Error {
            refusal: refusal(argument),
            times: times(argument),
        },
        "hang" => Fault::Hang,
        "stall" => Fault::Stall,
        "exit" => {
            let code = first.and_then(|word| word.parse().ok()).unwrap_or(1);
            death(Ending::Exit(code), argument)
        }
        "kill" => {
            let signal = first.unwrap_or("KILL").to_uppercase();
            death(Ending::Signal(signal), argument)
        }
        "maxturns" => Fault::MaxTurns,
        _ => return None,
    })
}

/// The three-digit status in "529 x2"; 500 without one.
fn status(argument: &str) -> u16 {
    let code = argument
        .split_whitespace()
        .find_map(|word| word.parse().ok());
    code.filter(|code| (100..600).contains(code)).unwrap_or(500)
}

/// `usage-limit SECONDS WINDOW`, `billing`, `login`, or a status.
fn refusal(argument: &str) -> Refusal {
    let mut words = argument.split_whitespace();
    match words.next() {
        Some("usage-limit") => {
            let resets_s = words.next().and_then(|word| word.parse().ok());
            let window = words.next().filter(|word| times(word).is_none());
            Refusal::UsageLimit {
                resets_s: resets_s.unwrap_or(3600),
                window: window.unwrap_or("five_hour").to_owned(),
            }
        }
        Some("billing") => Refusal::NoCredit,
        Some("login") => Refusal::NoLogin,
        _ => Refusal::Status(status(argument)),
    }
}

/// `… xK after MOMENT MILLISECONDS`, both optional.
fn death(ending: Ending, argument: &str) -> Fault {
    let mut words = argument
        .split_whitespace()
        .skip_while(|word| *word != "after")
        .skip(1);
    let moment = words.next().and_then(Moment::parse);
    let delay_ms = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    Fault::Death(Death {
        ending,
        times: times(argument),
        after: moment.map(|moment| (moment, delay_ms)),
    })
}

/// The K of "529 xK": how often the fault happens.
fn times(argument: &str) -> Option<u32> {
    argument
        .split_whitespace()
        .find_map(|word| word.strip_prefix('x')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_know_how_often() {
        assert_eq!(
            parse("error", "529 x2"),
            Some(Fault::Error {
                refusal: Refusal::Status(529),
                times: Some(2)
            })
        );
        assert_eq!(
            parse("exit", "3"),
            Some(Fault::Death(Death {
                ending: Ending::Exit(3),
                times: None,
                after: None
            }))
        );
        assert_eq!(
            parse("kill", "term x1"),
            Some(Fault::Death(Death {
                ending: Ending::Signal("TERM".to_owned()),
                times: Some(1),
                after: None
            }))
        );
    }

    #[test]
    fn a_death_may_follow_a_line() {
        let death = |name, argument| match parse(name, argument) {
            Some(Fault::Death(death)) => (death.times, death.after),
            fault => panic!("no death: {fault:?}"),
        };
        assert_eq!(
            death("kill", "9 x1 after tool_use 20"),
            (Some(1), Some((Moment::ToolUse, 20)))
        );
        assert_eq!(
            death("exit", "1 after result"),
            (None, Some((Moment::Result, 0)))
        );
        assert_eq!(death("kill", "9 after lunch"), (None, None));
    }

    #[test]
    fn the_api_refuses_in_several_ways() {
        let refusal = |argument| match parse("error", argument) {
            Some(Fault::Error { refusal, times }) => (refusal, times),
            fault => panic!("no error: {fault:?}"),
        };
        let limit = |resets_s, window: &str| Refusal::UsageLimit {
            resets_s,
            window: window.to_owned(),
        };
        assert_eq!(
            refusal("usage-limit 1800"),
            (limit(1800, "five_hour"), None)
        );
        assert_eq!(
            refusal("usage-limit 60 seven_day x2"),
            (limit(60, "seven_day"), Some(2))
        );
        assert_eq!(
            refusal("usage-limit 60 x1"),
            (limit(60, "five_hour"), Some(1))
        );
        assert_eq!(refusal("billing"), (Refusal::NoCredit, None));
        assert_eq!(refusal(""), (Refusal::Status(500), None));
    }
}
