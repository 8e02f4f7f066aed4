//! Faults that a test orders: which calls go wrong, how, and how often. Also the flood limit of a chat.
//!
//! Pure: decides only; `server` does it.

use super::refusal::Refusal;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// An order to let calls go wrong. The oldest order that fits a call is used.
#[derive(Clone, Debug)]
pub struct Fault {
    /// A method's name, `"download"` for files, or `"*"` for every call.
    pub method: &'static str,
    /// Only calls for this chat.
    pub chat: Option<i64>,
    /// How many calls; `u32::MAX` means all.
    pub times: u32,
    pub what: Trouble,
}

/// How a call goes wrong.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// Nothing happens but this answer.
    Answer {
        code: u16,
        /// With its prefix, such as `Bad Request: `.
        description: String,
        parameters: Option<Value>,
    },
    /// Nothing happens but a 429 with these seconds.
    RetryAfter(u64),
    /// Nothing happens but a page of HTML with this status, as from a proxy in front of the server.
    Html(u16),
    /// Nothing happens; the connection is reset.
    ResetBefore,
    /// The call takes effect; instead of the answer the connection is reset.
    ResetAfter,
    /// The call takes effect; half the answer comes, then the connection ends.
    CutBody,
    /// The call takes effect; the answer comes a byte at a time, with this pause between.
    Drip { every: Duration },
    /// Nothing happens and nothing comes, until [`clear_faults`](super::BotApi::clear_faults) or the end.
    Hang,
    /// The call takes effect, but nothing comes, until [`clear_faults`](super::BotApi::clear_faults) or the end.
    HangAfter,
}

/// A limit on sends and edits for each chat, as in `Faults::flood`.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// So many calls for one chat …
    pub calls: usize,
    /// … within this time are let through; the next one is refused,
    pub window: Duration,
    /// and so is every further one for these seconds.
    pub retry_after: u64,
}

/// The orders that stand.
#[derive(Default)]
pub struct Faults {
    orders: Vec<Fault>,
    /// Goes up with each clearing, which is what hung calls wait for.
    pub cleared: u64,
    flood: Option<Flood>,
    recent: BTreeMap<i64, VecDeque<Instant>>,
    blocked_until: BTreeMap<i64, Instant>,
}

impl Faults {
    pub fn add(&mut self, fault: Fault) {
        self.orders.push(fault);
    }

    /// Orders that are not used up.
    pub fn left(&self) -> usize {
        self.orders.len()
    }

    pub fn clear(&mut self) {
        self.orders.clear();
        self.cleared += 1;
    }

    /// Uses up one of the orders that fit.
    pub fn take(&mut self, method: &str, chat: Option<i64>) -> Option<Trouble> {
        let index = self.orders.iter().position(|order| {
            let fits = order.method == "*" || order.method.eq_ignore_ascii_case(method);
            fits && order.times > 0 && (order.chat.is_none() || order.chat == chat)
        })?;
        let order = &mut self.orders[index];
        let what = order.what.clone();
        if order.times != u32::MAX {
            order.times -= 1;
        }
        if order.times == 0 {
            self.orders.remove(index);
        }
        Some(what)
    }

    /// Sets or lifts the flood limit; what was counted is forgotten.
    pub fn set_flood(&mut self, flood: Option<Flood>) {
        self.flood = flood;
        self.recent.clear();
        self.blocked_until.clear();
    }

    /// Counts a send or edit, or refuses it.
    pub fn count(&mut self, now: Instant, chat: i64) -> Result<(), Refusal> {
        let Some(flood) = self.flood else {
            return Ok(());
        };
        let recent = self.recent.entry(chat).or_default();
        while recent
            .front()
            .is_some_and(|at| now.duration_since(*at) >= flood.window)
        {
            recent.pop_front();
        }
        let until = self
            .blocked_until
            .get(&chat)
            .copied()
            .filter(|until| *until > now);
        let until = match until {
            Some(until) => until,
            None if recent.len() < flood.calls => {
                recent.push_back(now);
                return Ok(());
            }
            None => {
                let until = now + Duration::from_secs(flood.retry_after);
                self.blocked_until.insert(chat, until);
                until
            }
        };
        let left = until.duration_since(now).as_secs_f64().ceil() as u64;
        Err(Refusal::retry_after(left.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_used_up_oldest_first_and_only_by_calls_that_fit() {
        let mut faults = Faults::default();
        faults.add(Fault {
            method: "sendMessage",
            chat: Some(5),
            times: 2,
            what: Trouble::Html(502),
        });
        faults.add(Fault {
            method: "*",
            chat: None,
            times: u32::MAX,
            what: Trouble::ResetBefore,
        });
        assert!(matches!(
            faults.take("sendmessage", Some(5)),
            Some(Trouble::Html(502))
        ));
        assert!(matches!(
            faults.take("sendMessage", Some(6)),
            Some(Trouble::ResetBefore)
        ));
        assert!(matches!(
            faults.take("sendMessage", Some(5)),
            Some(Trouble::Html(502))
        ));
        assert!(matches!(
            faults.take("sendMessage", Some(5)),
            Some(Trouble::ResetBefore)
        ));
        faults.clear();
        assert!(faults.take("sendMessage", Some(5)).is_none());
    }

    #[test]
    fn a_flooded_chat_waits_and_another_does_not() {
        let mut faults = Faults::default();
        let flood = Flood {
            calls: 2,
            window: Duration::from_secs(10),
            retry_after: 5,
        };
        faults.set_flood(Some(flood));
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(faults.count(at(0), 1).is_ok() && faults.count(at(1), 1).is_ok());
        assert_eq!(faults.count(at(2), 1), Err(Refusal::retry_after(5)));
        assert_eq!(faults.count(at(4), 1), Err(Refusal::retry_after(3)));
        assert!(faults.count(at(4), 2).is_ok());
        assert!(faults.count(at(12), 1).is_ok());
    }
}
