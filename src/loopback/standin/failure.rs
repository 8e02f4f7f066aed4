//! What goes wrong on request: API errors, silence, lines that nobody can read.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use super::api_error::ApiError;
use super::engine::{Engine, Wake};
use super::fault::{Fault, Refusal};
use super::fresh_id;
use super::history::Entry;
use super::message::Block;
use super::outcome::Outcome;
use super::script::{Answer, Prank, Script};

/// The pause before the first repetition of a failed request; it grows with each attempt. The real one waits half a minute
/// in the end, which would teach a test nothing more.
const RETRY_STEP_MS: u64 = 20;

/// The real CLI gives an overloaded API up earlier than others.
const OVERLOADED_RETRIES: u32 = 2;

/// After this time the real CLI gives a silent API up, about.
const SILENCE_MAX: Duration = Duration::from_secs(50 * 60);

impl Engine {
    /// Does what a script wants done before its first message.
    pub(super) fn play_pranks(&mut self, script: &Script) -> Result<(), Outcome> {
        for prank in &script.pranks {
            match prank {
                Prank::Garbage => {
                    self.wire.raw("this line is not JSON {");
                    self.wire.raw(r#"{"type":"stand_in_unknown","value":1}"#);
                    self.wire.raw(r#"{"type":"assistant","message":42}"#);
                    self.wire
                        .raw(r#"{"type":"system","subtype":7,"status":[]}"#);
                    self.wire.raw("[1,2,3]");
                    self.wire.raw("");
                }
                Prank::LongLine(length) => {
                    let filler = "x".repeat(*length);
                    self.wire.raw(format!(
                        r#"{{"type":"stand_in_filler","filler":"{filler}"}}"#
                    ));
                }
                Prank::Deaf => self.intake.deaf.store(true, Ordering::SeqCst),
                Prank::UnknownRequest => self.ask_the_unknown()?,
                Prank::Background(delay_ms) => {
                    self.start_simulated_task(Duration::from_millis(*delay_ms))
                }
            }
        }
        Ok(())
    }

    /// A request that no bridge knows. The answer is told in the turn's text.
    fn ask_the_unknown(&mut self) -> Result<(), Outcome> {
        let id = fresh_id();
        self.wire.request(
            &id,
            json!({ "subtype": "stand_in_unknown", "question": "does anybody know this?" }),
        );
        self.open_request = Some(id.clone());
        let note = loop {
            match self.next_wake(None) {
                Wake::Aborted => return Err(Outcome::AbortedInText),
                Wake::Eof => break "unknown request: no answer".to_owned(),
                Wake::Response {
                    request_id,
                    response,
                } if request_id == id => {
                    let subtype = response["subtype"].as_str().unwrap_or("?");
                    let said = response["error"].as_str().unwrap_or("");
                    break format!("unknown request: {subtype} {said}");
                }
                _ => {}
            }
        };
        self.open_request = None;
        self.turn().notes.push(note);
        Ok(())
    }

    /// The API answers with an error, until it has done so often enough or the CLI gives up.
    pub(super) fn fail_at_api(
        &mut self,
        script: &Script,
        refusal: &Refusal,
        times: Option<u32>,
    ) -> Result<(), Outcome> {
        let mut error = ApiError::of(refusal, &self.model, SystemTime::now());
        let max_retries = self.surroundings.max_retries;
        let mut retries = max_retries;
        if error.status == Some(529)
            && !self.surroundings.sandbox
            && max_retries >= OVERLOADED_RETRIES
        {
            retries = OVERLOADED_RETRIES;
            error = error.repeated();
        }
        self.announce_request();
        for attempt in 1.. {
            let attempts = self.attempts.entry(script.text.clone()).or_default();
            *attempts += 1;
            if times.is_some_and(|times| *attempts > times) {
                return Ok(());
            }
            if !error.may_pass || attempt > retries {
                break;
            }
            let delay_ms = RETRY_STEP_MS * u64::from(attempt);
            let fields = json!({
                "attempt": attempt, "max_retries": max_retries, "retry_delay_ms": delay_ms,
                "error_status": error.status, "error": error.retry_name(),
            });
            self.wire.system("api_retry", fields);
            if self.pause(Duration::from_millis(delay_ms)) {
                return Err(Outcome::AbortedInText);
            }
        }
        Err(self.give_up(error))
    }

    /// The error as a message of the assistant.
    fn give_up(&mut self, error: ApiError) -> Outcome {
        if let Some(limit) = &error.limit {
            self.wire
                .event(json!({ "type": "rate_limit_event", "rate_limit_info": limit }));
        }
        self.acknowledge();
        let uuid = fresh_id();
        let mut message = self.message(
            &fresh_id(),
            json!([{ "type": "text", "text": error.text }]),
            "stop_sequence".into(),
        );
        message["model"] = Value::from("<synthetic>");
        let mut extra = json!({ "error": error.name, "is_api_error_message": true });
        if let Some(status) = error.status {
            extra["api_error_status"] = Value::from(status);
        }
        if let Some(kind) = error.kind {
            extra["api_error_type"] = Value::from(kind);
        }
        if let Some(limit) = &error.limit {
            extra["api_error"] = Value::from("usage_limit_reached");
            extra["api_error_params"] = json!({ "rate_limit_info": limit });
        }
        super::transcript::merge(&mut extra, self.turn().first_marks());
        self.wire.assistant(&uuid, &message, extra);
        let row = json!({ "error": error.name, "isApiErrorMessage": true, "apiErrorStatus": error.status });
        self.transcript.assistant(&uuid, &message, row);
        self.remember(Entry::Said);
        Outcome::Failed(error)
    }

    /// Faults that come instead of the answer.
    pub(super) fn fail_before_answer(&mut self, script: &Script) -> Result<(), Outcome> {
        match &script.fault {
            Some(Fault::Hang) => {
                self.announce_request();
                Err(self.wait_in_silence())
            }
            Some(Fault::MaxTurns) => Err(Outcome::MaxTurns),
            _ if script.answer == Answer::Natural => match self.death_in_answer(script) {
                Some(doom) => self.die(&doom),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Faults that come in the middle of the answer.
    pub(super) fn fail_in_answer(
        &mut self,
        script: &Script,
        blocks: &[Block],
    ) -> Result<(), Outcome> {
        let doom = self.death_in_answer(script);
        if doom.is_none() && script.fault != Some(Fault::Stall) {
            return Ok(());
        }
        let text = blocks.iter().rev().find_map(|block| match block {
            Block::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let half: String = text
            .map(|text| text.chars().take(text.chars().count() / 2).collect())
            .unwrap_or_default();
        let id = self
            .begin_message(Duration::ZERO)
            .map_err(|_| Outcome::AbortedInText)?;
        let start = json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } });
        self.wire.stream(&id, start, Value::Null);
        self.delta(&id, 0, json!({ "type": "text_delta", "text": half }));
        if let Some(doom) = doom {
            self.die(&doom)?;
        }
        let outcome = self.wait_in_silence();
        if matches!(outcome, Outcome::AbortedInText) {
            self.cut_off(&id, 0, &half);
        }
        Err(outcome)
    }

    /// Waits for an interruption.
    pub(super) fn wait_in_silence(&mut self) -> Outcome {
        let until = Instant::now() + SILENCE_MAX;
        loop {
            match self.next_wake(Some(until)) {
                Wake::Aborted => return Outcome::AbortedInText,
                Wake::Timeout => break,
                _ => {}
            }
        }
        self.give_up(ApiError::timeout())
    }
}
