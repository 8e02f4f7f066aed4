//! The sender threads: make the calls that they are handed, one after the other, and report what came of each.
//!
//! They decide nothing and write nothing down. Some of them are only for answers to presses, which are good for seconds: so
//! one goes out while another one hangs.

use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use serde_json::value::RawValue;

use super::api::Api;
use super::outgoing;
use super::pacing::{Call, IN_FLIGHT_MAX, TOASTS_MAX};
use super::refusal::Failure;
use crate::exit::Fatal;
use crate::thread;

/// How long a call may take.
const CALL_MAX: Duration = Duration::from_secs(20);

/// How long the first and the second attempt to answer a press may take; there is no third. The first may go over a
/// connection that stood idle, and is dead without anybody having been told: it is not waited for longer than
/// [`TOAST_ANSWER`] then. Where that was only a slow line, the press is answered twice, which is once. The second attempt
/// makes a connection.
const TOAST_TRY: Duration = Duration::from_secs(2);
const TOAST_ANSWER: Duration = Duration::from_millis(500);
const TOAST_SECOND_TRY: Duration = Duration::from_secs(4);

/// How many bytes of an upload must go up in each second that it takes beyond that: a slow line of a home.
const UPLOAD_RATE_MIN: usize = 32 * 1024;

/// How long an upload may take. 50 MB, the most that Telegram takes, go up in this time at 60 kB/s.
const UPLOAD_MAX: Duration = Duration::from_secs(15 * 60);

/// A call for a sender.
struct Job {
    call: Call,
    request: outgoing::Call,
}

/// What came of it.
pub struct Report {
    pub call: Call,
    pub method: &'static str,
    pub result: Result<Box<RawValue>, Failure>,
}

/// The threads, as whoever hands them calls sees them. They end when it is dropped, each after its call.
pub struct Senders {
    jobs: Sender<Job>,
    toasts: Sender<Job>,
    /// How many calls are being made.
    in_flight: usize,
}

impl Senders {
    /// Starts the threads; the receiver brings one report for each call.
    pub fn start(api: &Api, fatal: &Sender<Fatal>) -> std::io::Result<(Senders, Receiver<Report>)> {
        // All calls that may be in flight fit, so handing one over never blocks.
        let (jobs, to_send) = bounded::<Job>(IN_FLIGHT_MAX);
        let (toasts, toasts_to_send) = bounded::<Job>(TOASTS_MAX);
        let (report, reports) = bounded::<Report>(IN_FLIGHT_MAX + TOASTS_MAX);
        for number in 1..=IN_FLIGHT_MAX {
            let (api, jobs, report) = (api.clone(), to_send.clone(), report.clone());
            // Not joined: a hung call may hold a sender for longer than a shutdown waits.
            thread::spawn_vital(format!("sender-{number}"), fatal.clone(), move || {
                send(&jobs, &report, |request| call(&api, request))
            })?;
        }
        for number in 1..=TOASTS_MAX {
            let (api, toasts, report) = (api.clone(), toasts_to_send.clone(), report.clone());
            thread::spawn_vital(format!("sender-toast-{number}"), fatal.clone(), move || {
                send(&toasts, &report, |request| answer_press(&api, request))
            })?;
        }
        let senders = Senders {
            jobs,
            toasts,
            in_flight: 0,
        };
        Ok((senders, reports))
    }

    /// Hands a call over. Pacing has seen to it that there is a sender for it.
    pub fn hand(&mut self, call: Call, request: outgoing::Call) {
        self.in_flight += 1;
        let to = match call.is_toast() {
            true => &self.toasts,
            false => &self.jobs,
        };
        let _ = to.try_send(Job { call, request });
    }

    /// A report has come.
    pub fn reported(&mut self) {
        self.in_flight -= 1;
    }

    /// Whether no call is being made.
    pub fn rest(&self) -> bool {
        self.in_flight == 0
    }
}

/// A sender: one call after the other, until nobody hands it any.
fn send(
    jobs: &Receiver<Job>,
    report: &Sender<Report>,
    make: impl Fn(&outgoing::Call) -> Result<Box<RawValue>, Failure>,
) {
    for Job { call, request } in jobs {
        let report_of = Report {
            call,
            method: request.method,
            result: make(&request),
        };
        if report.send(report_of).is_err() {
            return;
        }
    }
}

fn call(api: &Api, request: &outgoing::Call) -> Result<Box<RawValue>, Failure> {
    match &request.boundary {
        None => api.call(request.method, &request.body, CALL_MAX),
        Some(boundary) => {
            let budget = upload_budget(request.body.len());
            api.upload(request.method, boundary, &request.body, budget)
        }
    }
}

/// Answers a press; where nobody knows whether that has arrived, once more. Answered twice it is answered once.
pub fn answer_press(api: &Api, request: &outgoing::Call) -> Result<Box<RawValue>, Failure> {
    let impatient = api.answered_within(TOAST_ANSWER);
    match impatient.call(request.method, &request.body, TOAST_TRY) {
        Err(Failure::Unreachable(_) | Failure::Unknown(_)) => {
            let anew = api.over_new_connections();
            anew.call(request.method, &request.body, TOAST_SECOND_TRY)
        }
        result => result,
    }
}

/// How long an upload of so many bytes may take.
fn upload_budget(bytes: usize) -> Duration {
    let beyond = Duration::from_secs((bytes / UPLOAD_RATE_MIN) as u64);
    (CALL_MAX + beyond).min(UPLOAD_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_has_the_time_that_its_bytes_need_but_not_for_ever() {
        assert_eq!(upload_budget(1_000), CALL_MAX);
        assert_eq!(upload_budget(3_200 * 1024), Duration::from_secs(120));
        assert_eq!(upload_budget(usize::MAX), UPLOAD_MAX);
    }
}
