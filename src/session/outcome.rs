//! What a `result` means: how the turn ended, what went wrong and what helps, and how long what waits is held. Pure.
//!
//! `is_error` is what counts: a failure of the API comes as a `success`. What the CLI calls the error decides, then the
//! HTTP status; words are read only where nothing else tells.

use std::time::Duration;

use crate::chat::Outcome;
use crate::claude::protocol::TurnResult;

/// What helps who is not logged in.
pub const LOG_IN: &str = "Log in on the host: run claude there as chappe's user and type /login. Or set an API key: \
                          [claude] env = { ANTHROPIC_API_KEY = \"…\" } in config.toml.";

const BILLING: &str =
    "Look at the plan or the credit of the account that Claude Code is logged in with.";
const MODEL: &str = "Look at claude.model in config.toml: the account has no model of that name.";
const TOO_LONG: &str = "Send /compact to make room in the conversation, or send less at once.";

/// How long it takes until a failed turn is tried again by itself, by the number of failures before it.
const AGAIN_AFTER: [Duration; 3] = [
    Duration::from_secs(60),
    Duration::from_secs(5 * 60),
    Duration::from_secs(15 * 60),
];
/// After these, as long as it lasts: so often, each time after so long. That is a day.
const HOURLY: u32 = 24;
const HOUR: Duration = Duration::from_secs(3600);

/// In seconds. Times before 1971 or after 2170 are none: some are told in milliseconds.
const YEAR: i64 = 366 * 24 * 3600;

/// How long what waits is held after a turn has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Until a person says go on.
    Ever,
    For(Duration),
    /// Until this Unix time, in seconds; for so long where that makes no sense.
    Until {
        at: i64,
        or: Duration,
    },
}

/// What a result means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    pub outcome: Outcome,
    /// What went wrong, in words; empty where nothing did.
    pub cause: String,
    pub cure: Option<&'static str>,
    /// None: what waits goes on.
    pub wait: Option<Wait>,
    /// Whether the process is good for nothing any more.
    pub ends_process: bool,
}

impl Judged {
    fn goes_on(outcome: Outcome) -> Judged {
        Judged {
            outcome,
            cause: String::new(),
            cure: None,
            wait: None,
            ends_process: false,
        }
    }
}

/// Reads a result. `api_error` is what the CLI called the last failure of the API in this turn, `limit_until` when it
/// said that the account's limit is over (Unix seconds), `tries` how often in a row this has failed before.
pub fn judge(
    result: &TurnResult,
    api_error: Option<&str>,
    limit_until: Option<i64>,
    tries: u32,
) -> Judged {
    if !result.is_error {
        return Judged::goes_on(Outcome::Answered);
    }
    if result.subtype == "error_max_turns" {
        return Judged::goes_on(Outcome::TurnLimit);
    }
    let cause = cause_of(result);
    if result.subtype == "error_max_budget_usd" {
        return Judged {
            outcome: Outcome::BudgetSpent,
            cause,
            cure: None,
            wait: Some(Wait::Ever),
            ends_process: true,
        };
    }
    let (cure, wait) = match kind_of(result, api_error, &cause) {
        Kind::Limit => match limit_until.or_else(|| time_in(&cause)) {
            Some(at) => {
                let or = match again_after(tries) {
                    Wait::For(wait) => wait,
                    Wait::Ever | Wait::Until { .. } => HOUR,
                };
                (None, Wait::Until { at, or })
            }
            None => (None, again_after(tries)),
        },
        Kind::Passing => (None, again_after(tries)),
        Kind::NotLoggedIn => (Some(LOG_IN), Wait::Ever),
        Kind::Billing => (Some(BILLING), Wait::Ever),
        Kind::Model => (Some(MODEL), Wait::Ever),
        Kind::TooLong => (Some(TOO_LONG), Wait::Ever),
        Kind::Other => (None, Wait::Ever),
    };
    Judged {
        outcome: Outcome::Failed,
        cause,
        cure,
        wait: Some(wait),
        ends_process: false,
    }
}

enum Kind {
    /// The account's usage limit, or too many requests.
    Limit,
    /// It may work later, without anybody doing anything.
    Passing,
    NotLoggedIn,
    Billing,
    Model,
    TooLong,
    Other,
}

fn kind_of(result: &TurnResult, api_error: Option<&str>, cause: &str) -> Kind {
    match (api_error, result.api_error_status) {
        (Some("rate_limit"), _) | (_, Some(429)) => Kind::Limit,
        (Some("authentication_failed"), _) | (_, Some(401)) => Kind::NotLoggedIn,
        (Some("billing_error"), _) | (_, Some(402)) => Kind::Billing,
        (Some("model_not_found"), _) => Kind::Model,
        (_, Some(413)) => Kind::TooLong,
        (Some("overloaded" | "server_error"), _) | (_, Some(500..=599)) => Kind::Passing,
        _ if cause.contains("Prompt is too long") => Kind::TooLong,
        // The error of an API that was not reached at all has no status.
        (Some("unknown"), None) if cause.starts_with("API Error") => Kind::Passing,
        _ => Kind::Other,
    }
}

/// How long it takes until what has failed so often is tried again by itself.
fn again_after(tries: u32) -> Wait {
    match AGAIN_AFTER.get(tries as usize) {
        Some(wait) => Wait::For(*wait),
        None if tries < AGAIN_AFTER.len() as u32 + HOURLY => Wait::For(HOUR),
        None => Wait::Ever,
    }
}

/// The time behind a bar, as older versions tell when the limit is over ("… limit reached|1760000000").
fn time_in(cause: &str) -> Option<i64> {
    let digits: String = cause
        .rsplit_once('|')?
        .1
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits
        .parse()
        .ok()
        .filter(|&at: &i64| at > YEAR && at < 200 * YEAR)
}

/// What went wrong, in the CLI's words.
fn cause_of(result: &TurnResult) -> String {
    match &result.text {
        Some(text) if !text.trim().is_empty() => return text.trim().to_owned(),
        _ => {}
    }
    // Diagnostic noise of the CLI says nothing to a person.
    let said: Vec<&str> = result
        .errors
        .iter()
        .map(String::as_str)
        .filter(|error| !error.starts_with("[ede_"))
        .collect();
    match (said.is_empty(), result.subtype.as_str()) {
        (false, _) => said.join("; "),
        (true, "error_max_budget_usd") => "The money limit of this process is reached.".to_owned(),
        (true, _) => "Claude broke the turn off.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(text: &str, status: Option<u16>) -> TurnResult {
        TurnResult {
            is_error: true,
            subtype: "success".to_owned(),
            text: Some(text.to_owned()),
            api_error_status: status,
            ..TurnResult::default()
        }
    }

    fn wait(result: &TurnResult, api_error: &str, limit: Option<i64>, tries: u32) -> Option<Wait> {
        judge(result, Some(api_error), limit, tries).wait
    }

    #[test]
    fn a_success_and_a_turn_limit_hold_nothing() {
        assert_eq!(
            judge(&TurnResult::default(), None, None, 0),
            Judged::goes_on(Outcome::Answered)
        );
        let limit = TurnResult {
            is_error: true,
            subtype: "error_max_turns".to_owned(),
            ..TurnResult::default()
        };
        assert_eq!(
            judge(&limit, None, None, 0),
            Judged::goes_on(Outcome::TurnLimit)
        );
    }

    #[test]
    fn a_success_that_is_an_error_is_a_failure() {
        let judged = judge(
            &failed("Repeated 529 Overloaded errors", Some(529)),
            None,
            None,
            0,
        );
        assert_eq!(judged.outcome, Outcome::Failed);
        assert_eq!(judged.cause, "Repeated 529 Overloaded errors");
    }

    #[test]
    fn what_may_pass_is_tried_again_ever_more_rarely() {
        let overloaded = failed("API Error: 529", Some(529));
        let waits: Vec<_> = (0..5)
            .map(|tries| wait(&overloaded, "overloaded", None, tries))
            .collect();
        let minutes = |minutes: u64| Some(Wait::For(Duration::from_secs(60 * minutes)));
        assert_eq!(waits, [1, 5, 15, 60, 60].map(minutes));
        assert_eq!(wait(&overloaded, "overloaded", None, 27), Some(Wait::Ever));
        let unreached = failed("API Error: Connection error.", None);
        assert_eq!(wait(&unreached, "unknown", None, 0), minutes(1));
        assert_eq!(
            wait(
                &failed("API Error: 500", Some(500)),
                "server_error",
                None,
                1
            ),
            minutes(5)
        );
    }

    #[test]
    fn a_limit_waits_until_it_is_over_if_that_is_known() {
        let limit = failed("You've hit your limit", Some(429));
        assert_eq!(
            wait(&limit, "rate_limit", Some(1_800_000_000), 3),
            Some(Wait::Until {
                at: 1_800_000_000,
                or: HOUR
            })
        );
        assert_eq!(
            wait(&limit, "rate_limit", None, 0),
            Some(Wait::For(Duration::from_secs(60)))
        );
        let old = failed("Claude AI usage limit reached|1800000000", None);
        assert_eq!(
            wait(&old, "rate_limit", None, 0),
            Some(Wait::Until {
                at: 1_800_000_000,
                or: AGAIN_AFTER[0]
            })
        );
        let nonsense = failed("limit reached|12", None);
        assert_eq!(
            wait(&nonsense, "rate_limit", None, 0),
            Some(Wait::For(Duration::from_secs(60)))
        );
    }

    #[test]
    fn what_does_not_pass_waits_for_a_person_and_says_what_helps() {
        for (error, status, cure) in [
            ("authentication_failed", Some(401), Some(LOG_IN)),
            ("billing_error", None, Some(BILLING)),
            ("model_not_found", Some(404), Some(MODEL)),
            ("invalid_request", Some(413), Some(TOO_LONG)),
            ("invalid_request", Some(400), None),
        ] {
            let judged = judge(&failed("no", status), Some(error), None, 0);
            assert_eq!(
                (judged.cure, judged.wait),
                (cure, Some(Wait::Ever)),
                "{error}"
            );
        }
    }

    #[test]
    fn a_spent_budget_ends_the_process() {
        let spent = TurnResult {
            is_error: true,
            subtype: "error_max_budget_usd".to_owned(),
            ..TurnResult::default()
        };
        let judged = judge(&spent, None, None, 0);
        assert!(judged.ends_process && !judged.cause.is_empty());
        assert_eq!(judged.outcome, Outcome::BudgetSpent);
    }
}
