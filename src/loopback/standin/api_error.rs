//! Errors of the API as the CLI words them.
//!
//! Pure: what the API does in, an [`ApiError`] out. [`super::failure`] tries again and tells it.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::fault::Refusal;
use super::wire;

/// A reset that is further away than this is told with its date.
const SAME_DAY_S: u64 = 24 * 3600;

/// An error of the API that ends a turn.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ApiError {
    /// The HTTP status; `None`: there was no answer.
    pub(super) status: Option<u16>,
    /// The API's own name for it.
    pub(super) kind: Option<&'static str>,
    /// The CLI's name for it on the assistant's line.
    pub(super) name: &'static str,
    pub(super) text: String,
    /// The CLI tries again.
    pub(super) may_pass: bool,
    /// The usage limit that was reached, as `rate_limit_event` tells it.
    pub(super) limit: Option<Value>,
}

impl ApiError {
    fn new(status: u16, kind: &'static str, name: &'static str, text: String) -> ApiError {
        ApiError {
            status: Some(status),
            kind: Some(kind),
            name,
            text,
            may_pass: status == 429 || status >= 500,
            limit: None,
        }
    }

    pub(super) fn of(refusal: &Refusal, model: &str, now: SystemTime) -> ApiError {
        match refusal {
            Refusal::Status(status) => ApiError::of_status(*status, model),
            Refusal::UsageLimit { resets_s, window } => ApiError::of_limit(*resets_s, window, now),
            Refusal::NoCredit => ApiError::new(
                400,
                "invalid_request_error",
                "billing_error",
                "Credit balance is too low".to_owned(),
            ),
            Refusal::NoLogin => ApiError {
                status: None,
                kind: None,
                name: "authentication_failed",
                text: "Not logged in · Please run /login".to_owned(),
                may_pass: false,
                limit: None,
            },
        }
    }

    fn of_status(status: u16, model: &str) -> ApiError {
        let temporary = "This is a server-side issue, usually temporary — try again in a moment.";
        let (kind, name, text) = match status {
            401 => (
                "authentication_error",
                "authentication_failed",
                "Invalid API key · Fix external API key".to_owned(),
            ),
            403 => (
                "permission_error",
                "authentication_failed",
                "Failed to authenticate. API Error: 403 forbidden".to_owned(),
            ),
            404 => (
                "not_found_error",
                "model_not_found",
                format!(
                    "There's an issue with the selected model ({model}). It may not exist or you may not have access to it. \
                     Run --model to pick a different model."
                ),
            ),
            413 => (
                "request_too_large",
                "invalid_request",
                "Request too large (max 32MB).".to_owned(),
            ),
            429 => (
                "rate_limit_error",
                "rate_limit",
                "API Error: Request rejected (429) · This request would exceed your rate limit"
                    .to_owned(),
            ),
            529 => (
                "overloaded_error",
                "server_error",
                format!("API Error: 529 Overloaded. {temporary}"),
            ),
            500.. => (
                "api_error",
                "server_error",
                format!("API Error: {status} Internal server error. {temporary}"),
            ),
            _ => (
                "invalid_request_error",
                "unknown",
                format!("API Error: {status} bad request"),
            ),
        };
        ApiError::new(status, kind, name, text)
    }

    /// A subscription's limit. It is not tried again, though it is a 429.
    fn of_limit(resets_s: u64, window: &str, now: SystemTime) -> ApiError {
        let now_s = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let resets_at = now_s.saturating_add(resets_s);
        let limit = match window {
            "five_hour" => "5-hour limit",
            "seven_day" => "weekly limit",
            "seven_day_opus" => "Opus limit",
            "seven_day_sonnet" => "Sonnet limit",
            _ => "limit",
        };
        let text = format!(
            "You've hit your {limit} · resets {}",
            reset_time(resets_at, now_s)
        );
        ApiError {
            may_pass: false,
            limit: Some(json!({
                "status": "rejected", "resetsAt": resets_at, "rateLimitType": window, "overageStatus": "rejected",
                "overageDisabledReason": "org_level_disabled", "isUsingOverage": false,
            })),
            ..ApiError::new(429, "rate_limit_error", "rate_limit", text)
        }
    }

    /// The CLI gives an API up that is overloaded three times in a row.
    pub(super) fn repeated(self) -> ApiError {
        let text = "API Error: Repeated 529 Overloaded errors. The API is at capacity — this is usually temporary. \
             Try again in a moment.";
        ApiError {
            text: text.to_owned(),
            ..self
        }
    }

    /// The API has not answered at all.
    pub(super) fn timeout() -> ApiError {
        ApiError {
            status: None,
            kind: Some("timeout_error"),
            name: "unknown",
            text: "API Error: Request timed out".to_owned(),
            may_pass: true,
            limit: None,
        }
    }

    /// The word in `api_retry` lines, which is not always the one in the end.
    pub(super) fn retry_name(&self) -> &'static str {
        if self.status == Some(529) {
            "overloaded"
        } else {
            self.name
        }
    }
}

/// `8:52pm (UTC)`, `9pm (UTC)` at a full hour, `Nov 23, 9:22pm (UTC)` if it is more than a day away.
fn reset_time(at_s: u64, now_s: u64) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let stamp = wire::timestamp(SystemTime::UNIX_EPOCH + Duration::from_secs(at_s));
    let number = |range: std::ops::Range<usize>| stamp[range].parse::<usize>().unwrap_or(0);
    let (month, day, hour, minute) = (number(5..7), number(8..10), number(11..13), number(14..16));
    let half = if hour < 12 { "am" } else { "pm" };
    let shown_hour = (hour + 11) % 12 + 1;
    let minutes = match minute {
        0 => String::new(),
        minute => format!(":{minute:02}"),
    };
    let date = if at_s.saturating_sub(now_s) > SAME_DAY_S {
        format!("{} {day}, ", MONTHS[(month + 11) % 12])
    } else {
        String::new()
    };
    format!("{date}{shown_hour}{minutes}{half} (UTC)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_told_as_the_real_one_tells_it() {
        // 2026-11-22T20:22:00Z
        let now = 1_795_378_920;
        for (after, told) in [
            (1_800, "8:52pm (UTC)"),
            (38 * 60, "9pm (UTC)"),
            (12 * 3600 + 38 * 60, "9am (UTC)"),
            (3 * 3600 + 38 * 60, "12am (UTC)"),
            (15 * 3600 + 39 * 60, "12:01pm (UTC)"),
            (86_400, "8:22pm (UTC)"),
            (90_000, "Nov 23, 9:22pm (UTC)"),
            (40 * 86_400, "Jan 1, 8:22pm (UTC)"),
        ] {
            assert_eq!(reset_time(now + after, now), told, "{after} s later");
        }
    }

    #[test]
    fn a_usage_limit_says_when_it_ends() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_378_920);
        let refusal = Refusal::UsageLimit {
            resets_s: 1_800,
            window: "five_hour".to_owned(),
        };
        let error = ApiError::of(&refusal, "any", now);
        assert_eq!(
            error.text,
            "You've hit your 5-hour limit · resets 8:52pm (UTC)"
        );
        let limit = error.limit.expect("a limit");
        assert_eq!(limit["resetsAt"], 1_795_380_720);
        assert!(!error.may_pass);
    }
}
