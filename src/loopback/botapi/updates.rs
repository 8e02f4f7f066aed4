//! The queue of updates: which are kept, which are given, when they are forgotten.
//!
//! Pure; time is an argument. Follows `Client::do_get_updates` of the real server and the `TQueue` under it. The most
//! surprising rule: an offset more than ten beyond the end counts as invalid, and is answered from the *head* of
//! the queue. A poller that only ever raises its offset then turns in a circle.

use serde_json::{Map, Value};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Waiting updates; beyond, the oldest is forgotten. The real server keeps 100,000, for 24 hours.
pub const WAITING_MAX: usize = 100_000;
/// The size of one answer, in bytes; always at least one update.
const ANSWER_MAX: usize = 4 * 1024 * 1024;
/// An offset further than this beyond the next id is taken for another numbering.
const FUTURE_MAX: i64 = 10;
/// `timeout` is cut to this, in seconds.
const TIMEOUT_MAX: i64 = 50;
/// Never part of the default set.
const BY_REQUEST_ONLY: [&str; 3] = ["chat_member", "message_reaction", "message_reaction_count"];
const KINDS: &[&str] = &[
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "business_connection",
    "business_message",
    "edited_business_message",
    "deleted_business_messages",
    "guest_message",
    "message_reaction",
    "message_reaction_count",
    "inline_query",
    "chosen_inline_result",
    "callback_query",
    "shipping_query",
    "pre_checkout_query",
    "purchased_paid_media",
    "poll",
    "poll_answer",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
    "chat_boost",
    "removed_chat_boost",
    "managed_bot",
    "stopped_message_generation",
];

/// The queue.
pub struct Updates {
    next_id: i64,
    waiting: VecDeque<(i64, String)>,
    /// None: the default set. Remembered from one poll to the next.
    allowed: Option<Vec<String>>,
    last_poll: Option<(i64, Instant)>,
    confirmed: i64,
}

/// What one getUpdates asks, within the server's limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ask {
    pub offset: i64,
    pub limit: usize,
    pub timeout: Duration,
}

impl Updates {
    pub fn new(next_id: i64) -> Updates {
        Updates {
            next_id,
            waiting: VecDeque::new(),
            allowed: None,
            last_poll: None,
            confirmed: 0,
        }
    }

    /// Lets the numbering go on elsewhere, as after a week of silence. Waiting updates keep their ids.
    pub fn set_next_id(&mut self, next_id: i64) {
        self.next_id = next_id;
    }

    /// Queues an update and returns its id; none when its kind is not wanted.
    pub fn offer(&mut self, body: &Map<String, Value>) -> Option<i64> {
        let kind = body
            .keys()
            .find(|key| *key != "update_id")
            .map_or("", String::as_str);
        let wanted = match &self.allowed {
            Some(allowed) => {
                !KINDS.contains(&kind) || allowed.iter().any(|allowed| allowed == kind)
            }
            None => !BY_REQUEST_ONLY.contains(&kind),
        };
        if !wanted {
            return None;
        }
        let mut update = Map::new();
        update.insert("update_id".into(), self.next_id.into());
        update.extend(
            body.clone()
                .into_iter()
                .filter(|(key, _)| key != "update_id"),
        );
        Some(self.queue(Value::Object(update).to_string()))
    }

    /// Queues an element of the answer as it is, with `@id` replaced by its id.
    pub fn offer_raw(&mut self, raw: &str) -> i64 {
        self.queue(raw.replace("@id", &self.next_id.to_string()))
    }

    /// Applies the server's limits and its brake on polls that do not confirm.
    ///
    /// The same offset again within 3 s waits at least 3 s for an update, within 0.5 s it gets one at most.
    pub fn ask(&mut self, now: Instant, offset: i64, limit: i64, timeout: i64) -> Ask {
        let mut ask = Ask {
            offset,
            limit: limit.clamp(1, 100) as usize,
            timeout: Duration::from_secs(timeout.clamp(0, TIMEOUT_MAX) as u64),
        };
        let since = self
            .last_poll
            .filter(|(last, _)| *last == offset)
            .map(|(_, at)| now.duration_since(at));
        if since.is_some_and(|since| since < Duration::from_secs(3)) {
            ask.timeout = ask.timeout.max(Duration::from_secs(3));
        }
        if since.is_some_and(|since| since < Duration::from_millis(500)) {
            ask.limit = 1;
        }
        self.last_poll = Some((offset, now));
        ask
    }

    /// Forgets what is confirmed and returns what is to be given, oldest first.
    pub fn take(&mut self, offset: i64, limit: usize) -> Vec<&str> {
        let head = self.waiting.front().map_or(self.next_id, |(id, _)| *id);
        let from = match offset {
            ..0 => self
                .waiting
                .len()
                .checked_sub(offset.unsigned_abs() as usize)
                .map_or(head, |index| self.waiting[index].0),
            0 => head,
            offset if offset > self.next_id + FUTURE_MAX => head,
            offset => offset,
        };
        while self.waiting.front().is_some_and(|(id, _)| *id < from) {
            self.waiting.pop_front();
            self.confirmed = from;
        }
        if offset > 0 && from == offset {
            self.confirmed = offset;
        }
        let mut size = 0;
        let fits = |text: &&str| {
            size += text.len();
            size == text.len() || size <= ANSWER_MAX
        };
        self.waiting
            .iter()
            .take(limit)
            .map(|(_, text)| text.as_str())
            .take_while(fits)
            .collect()
    }

    /// Remembers the kinds a poll asks for: unknown names are ignored, none known means the default set.
    pub fn allow(&mut self, kinds: &Value) {
        let Some(kinds) = kinds.as_array() else {
            return;
        };
        let known = kinds
            .iter()
            .filter_map(Value::as_str)
            .filter(|kind| KINDS.contains(kind));
        let known: Vec<String> = known.map(str::to_string).collect();
        self.allowed = (!known.is_empty()).then_some(known);
    }

    /// Updates that are neither confirmed nor forgotten.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The highest offset that confirmed something; 0 before the first.
    pub fn confirmed(&self) -> i64 {
        self.confirmed
    }

    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    fn queue(&mut self, text: String) -> i64 {
        let id = self.next_id;
        self.next_id += 1;
        if self.waiting.len() == WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back((id, text));
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filled(ids: std::ops::Range<i64>) -> Updates {
        let mut updates = Updates::new(ids.start);
        for _ in ids {
            updates.offer_raw("@id");
        }
        updates
    }

    fn offer(updates: &mut Updates, body: Value) -> Option<i64> {
        updates.offer(body.as_object().unwrap())
    }

    #[test]
    fn an_update_is_given_again_until_a_higher_offset_confirms_it() {
        let mut updates = filled(10..13);
        assert_eq!(updates.take(0, 2), ["10", "11"]);
        assert_eq!(updates.take(0, 100), ["10", "11", "12"]);
        assert_eq!(updates.take(12, 100), ["12"]);
        assert_eq!(updates.take(0, 100), ["12"]);
        assert_eq!(updates.confirmed(), 12);
        assert!(updates.take(13, 100).is_empty());
        assert_eq!((updates.waiting(), updates.confirmed()), (0, 13));
    }

    #[test]
    fn a_negative_offset_counts_from_the_end_and_forgets_the_rest() {
        let mut updates = filled(10..15);
        assert_eq!(updates.take(-2, 100), ["13", "14"]);
        assert_eq!(updates.take(0, 100), ["13", "14"]);
        assert_eq!(updates.take(-9, 100), ["13", "14"]);
    }

    #[test]
    fn an_offset_far_in_the_future_is_answered_from_the_head() {
        let mut updates = filled(10..12);
        assert_eq!(updates.take(23, 100), ["10", "11"]);
        assert_eq!(updates.confirmed(), 0);
        assert!(updates.take(22, 100).is_empty());
    }

    #[test]
    fn kinds_that_were_not_asked_for_are_not_queued() {
        let mut updates = Updates::new(1);
        assert_eq!(offer(&mut updates, json!({"message_reaction": {}})), None);
        assert_eq!(offer(&mut updates, json!({"message": {}})), Some(1));
        updates.allow(&json!(["message_reaction", "no_such_kind"]));
        assert_eq!(
            offer(&mut updates, json!({"message_reaction": {}})),
            Some(2)
        );
        assert_eq!(offer(&mut updates, json!({"message": {}})), None);
        updates.allow(&json!(["no_such_kind"]));
        assert_eq!(offer(&mut updates, json!({"message_reaction": {}})), None);
        assert_eq!(
            offer(&mut updates, json!({"message": {}, "update_id": 99})),
            Some(3)
        );
        assert_eq!(updates.waiting(), 3);
    }

    #[test]
    fn limits_are_cut_and_polls_that_do_not_confirm_are_slowed() {
        let mut updates = Updates::new(1);
        let now = Instant::now();
        let ask = updates.ask(now, 5, 1000, 1000);
        assert_eq!((ask.limit, ask.timeout), (100, Duration::from_secs(50)));
        let ask = updates.ask(now, 5, 100, 0);
        assert_eq!((ask.limit, ask.timeout), (1, Duration::from_secs(3)));
        let ask = updates.ask(now + Duration::from_secs(1), 5, 100, 0);
        assert_eq!((ask.limit, ask.timeout), (100, Duration::from_secs(3)));
        let ask = updates.ask(now + Duration::from_secs(1), 6, -4, -1);
        assert_eq!((ask.limit, ask.timeout), (1, Duration::ZERO));
    }
}
