//! What a request is answered, and what spoils the answer where a fault says so.
//!
//! Runs on the connection's thread and may wait: for an update, or for the end of a hang. Writes nothing itself.
//!
//! A held poll does not notice that its client is gone; neither does the real server. Its answer is lost and the
//! updates stay, for nothing confirmed them.

use super::fault::Trouble;
use super::http::{Reply, Request};
use super::methods;
use super::params::Params;
use super::refusal::Refusal;
use super::state::Shared;
use serde_json::json;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A second conflict within this time is answered only after it.
const CONFLICT_PAUSE: Duration = Duration::from_secs(3);

/// How an answer leaves.
pub enum Outcome {
    Whole(Reply),
    /// Half of it, then the end.
    Half(Reply),
    Drip(Reply, Duration),
    /// No answer, a reset.
    Reset,
}

/// Where the calls of one connection are answered, until the line is cut.
pub struct Desk<'a> {
    pub shared: &'a Shared,
    /// The line was cut when the shared one is another.
    pub epoch: u64,
    /// The connection's number in the books.
    pub connection: u64,
}

impl Desk<'_> {
    /// Answers one request.
    pub fn answer(&self, request: &Request) -> Outcome {
        let (path, query) = request
            .target
            .split_once('?')
            .unwrap_or((&request.target, ""));
        let mut state = self.shared.change();
        let route = route(path, &state.token);
        let (method, params) = match &route {
            Route::Download(path) => ("download", Ok(Params::download(path))),
            Route::Method(method) | Route::Refused(_, method) => {
                (*method, Params::of(request, query))
            }
        };
        let shown = params.as_ref().map_or_else(|_| json!(null), Params::shown);
        let seq = state.log.open(method, shown);
        let trouble = params
            .as_ref()
            .ok()
            .and_then(|params| state.faults.take(method, params.number("chat_id")));
        let cleared = state.faults.cleared;
        drop(state);

        if let Some(reply) = trouble.as_ref().and_then(instead) {
            return self.finish(seq, Outcome::Whole(reply));
        }
        match trouble {
            Some(Trouble::ResetBefore) => return Outcome::Reset,
            Some(Trouble::Hang) => return self.hang(seq, cleared),
            _ => {}
        }
        let reply = match (&route, &params) {
            (Route::Refused(refusal, _), _) | (_, Err(refusal)) => refusal.reply(),
            (Route::Download(path), _) => self.download(path),
            (Route::Method(method), Ok(params)) if method.eq_ignore_ascii_case("getUpdates") => {
                match self.poll(params) {
                    Some(Ok(updates)) => success(&updates),
                    Some(Err(refusal)) => refusal.reply(),
                    None => return Outcome::Reset,
                }
            }
            (Route::Method(method), Ok(params)) => match self.call(method, params) {
                Ok(result) => success(&result),
                Err(refusal) => refusal.reply(),
            },
        };
        match trouble {
            Some(Trouble::ResetAfter) => Outcome::Reset,
            Some(Trouble::HangAfter) => self.hang(seq, cleared),
            Some(Trouble::CutBody) => Outcome::Half(reply),
            Some(Trouble::Drip { every }) => self.finish(seq, Outcome::Drip(reply, every)),
            _ => self.finish(seq, Outcome::Whole(reply)),
        }
    }

    /// Writes down how the call was answered.
    fn finish(&self, seq: u64, outcome: Outcome) -> Outcome {
        if let Outcome::Whole(reply) | Outcome::Drip(reply, _) = &outcome {
            let error = match reply.status {
                200 => None,
                _ => serde_json::from_slice::<serde_json::Value>(&reply.body)
                    .ok()
                    .and_then(|body| body["description"].as_str().map(str::to_string)),
            };
            self.shared.change().log.close(seq, reply.status, error);
        }
        outcome
    }

    /// Keeps silent until the faults are cleared or the line is cut.
    fn hang(&self, seq: u64, cleared: u64) -> Outcome {
        self.shared
            .change()
            .line
            .hanging
            .insert(seq, self.connection);
        let mut state = self.shared.look();
        while state.faults.cleared == cleared && state.line.epoch == self.epoch {
            state = self.shared.wait(state, None);
        }
        state.line.hanging.remove(&seq);
        Outcome::Reset
    }

    fn call(&self, method: &str, params: &Params) -> Result<String, Refusal> {
        let mut change = self.shared.change();
        let state = &mut *change;
        if let (true, Some(chat)) = (methods::is_counted(method), params.number("chat_id")) {
            state.faults.count(Instant::now(), chat)?;
        }
        let had_webhook = !state.world.webhook.is_empty();
        let result = methods::call(
            &mut state.world,
            &mut state.updates,
            method,
            params,
            unix_now(),
        )?;
        if !had_webhook && !state.world.webhook.is_empty() {
            state.polls.end_by_webhook();
        }
        Ok(result.to_string())
    }

    fn download(&self, path: &str) -> Reply {
        let state = self.shared.look();
        match state.world.files.values().find(|file| file.path == path) {
            Some(file) => Reply {
                status: 200,
                content_type: "application/octet-stream",
                retry_after: None,
                body: file.bytes.clone(),
            },
            None => Refusal::new(404, "Not Found").reply(),
        }
    }

    /// Answers getUpdates, at once or when there is something; none when the line is cut.
    fn poll(&self, params: &Params) -> Option<Result<String, Refusal>> {
        let mut change = self.shared.change();
        if !change.world.webhook.is_empty() {
            let why = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
            return Some(Err(Refusal::new(409, why)));
        }
        match params.json("allowed_updates") {
            Ok(kinds) => change.updates.allow(&kinds.unwrap_or_default()),
            Err(refusal) => return Some(Err(refusal)),
        }
        let number = |name: &str| params.number(name);
        let (offset, limit) = (
            number("offset").unwrap_or(0),
            number("limit").unwrap_or(100),
        );
        let now = Instant::now();
        let ask = change
            .updates
            .ask(now, offset, limit, number("timeout").unwrap_or(0));
        let given = change.updates.take(ask.offset, ask.limit);
        if !given.is_empty() || ask.timeout.is_zero() {
            return Some(Ok(list(&given)));
        }
        change.polls.last += 1;
        change.polls.held += 1;
        let ticket = change.polls.last;
        drop(change);
        let answer = self.hold(ticket, ask.offset, ask.limit, now + ask.timeout);
        self.shared.change().polls.held -= 1;
        answer
    }

    fn hold(
        &self,
        ticket: u64,
        offset: i64,
        limit: usize,
        until: Instant,
    ) -> Option<Result<String, Refusal>> {
        let mut state = self.shared.look();
        loop {
            if state.line.epoch != self.epoch {
                return None;
            }
            if state.polls.last != ticket {
                break;
            }
            let given = state.updates.take(offset, limit);
            if !given.is_empty() || Instant::now() >= until {
                return Some(Ok(list(&given)));
            }
            state = self.shared.wait(state, Some(until));
        }
        let why = match state.polls.ended_by_webhook >= ticket {
            true => "Conflict: terminated by setWebhook request",
            false => {
                "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
            }
        };
        // The first conflict is told at once, further ones are slowed down.
        let now = Instant::now();
        let told_at = match state.polls.next_conflict.filter(|next| now < *next) {
            Some(_) => now + CONFLICT_PAUSE,
            None => {
                state.polls.next_conflict = Some(now + CONFLICT_PAUSE);
                now
            }
        };
        while Instant::now() < told_at {
            if state.line.epoch != self.epoch {
                return None;
            }
            state = self.shared.wait(state, Some(told_at));
        }
        Some(Err(Refusal::new(409, why)))
    }
}

/// Unix seconds.
pub fn unix_now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    since.as_secs() as i64
}

enum Route<'a> {
    Method(&'a str),
    Download(&'a str),
    /// The method is only for the log.
    Refused(Refusal, &'a str),
}

fn route<'a>(path: &'a str, token: &str) -> Route<'a> {
    let not_found = || Route::Refused(Refusal::new(404, "Not Found"), "");
    let (is_file, rest) = match (path.strip_prefix("/file/bot"), path.strip_prefix("/bot")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return not_found(),
    };
    let Some((given, name)) = rest.split_once('/') else {
        return not_found();
    };
    // Encoded by careful clients.
    let given = given.replace("%3A", ":").replace("%3a", ":");
    let looks_like_token = given
        .split_once(':')
        .is_some_and(|(id, secret)| id.parse::<u64>().is_ok() && !secret.is_empty());
    let name = name.trim_end_matches('/');
    if !looks_like_token || name.is_empty() {
        return not_found();
    }
    if given != token {
        return Route::Refused(Refusal::new(401, "Unauthorized"), name);
    }
    match is_file {
        true => Route::Download(name),
        false => Route::Method(name),
    }
}

/// The answer of faults that keep the call from taking effect.
fn instead(trouble: &Trouble) -> Option<Reply> {
    match trouble {
        Trouble::Answer { code, description, parameters } => {
            let parameters = parameters.clone();
            Some(Refusal { code: *code, description: description.clone(), parameters }.reply())
        }
        Trouble::RetryAfter(seconds) => Some(Refusal::retry_after(*seconds).reply()),
        Trouble::Html(status) => Some(Reply {
            status: *status,
            content_type: "text/html",
            retry_after: None,
            body: format!("<html>\r\n<head><title>{status}</title></head>\r\n<body><h1>{status}</h1></body>\r\n</html>\r\n").into_bytes(),
        }),
        _ => None,
    }
}

fn success(result: &str) -> Reply {
    Reply {
        status: 200,
        content_type: "application/json",
        retry_after: None,
        body: format!("{{\"ok\":true,\"result\":{result}}}").into_bytes(),
    }
}

fn list(updates: &[&str]) -> String {
    format!("[{}]", updates.join(",\n"))
}
