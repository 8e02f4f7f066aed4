//! The pace as scripts of calls and their ends, at times that the tests make up.

use super::*;
use crate::chat::{Behind, RowId, TopicId};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn row(row: i64, chat: i64, lane: Lane) -> Due {
    Due {
        row: RowId(row),
        place: Place {
            chat: ChatId(chat),
            topic: None,
        },
        lane,
    }
}

fn working(prompt: i64, chat: i64, since: Instant, doing: Doing) -> Progress {
    let place = Place {
        chat: ChatId(chat),
        topic: None,
    };
    Progress {
        place,
        prompt: PromptId(prompt),
        since,
        doing,
        doing_since: since,
        interruption: None,
        waiting: 0,
        behind: Behind::default(),
        asks_nobody: false,
    }
}

/// Plans, and starts what was planned.
fn go(pacing: &mut Pacing, now: Instant, due: &[Due], board: &[Progress]) -> Option<Call> {
    let call = pacing.plan(now, due, board).call?;
    pacing.started(now, &call);
    Some(call)
}

#[test]
fn what_has_held_a_chat_up_is_known_until_its_next_row_arrives() {
    let now = Instant::now();
    let mut pacing = Pacing::default();
    let of = |chat| Call::Row(row(1, chat, Lane::Text));
    let ends = |pacing: &mut Pacing, chat, end| {
        pacing.started(now, &of(chat));
        pacing.ended(now, &of(chat), end);
    };
    assert_eq!(pacing.delay(ChatId(1)), None);
    ends(&mut pacing, 1, End::Flood(secs(3)));
    assert_eq!(pacing.delay(ChatId(1)), Some(Delay::Flood));
    assert_eq!(pacing.delay(ChatId(2)), None);
    ends(&mut pacing, 1, End::Done(None));
    assert_eq!(pacing.delay(ChatId(1)), None);
    // No way out holds up all, and each has its own first row after that.
    ends(&mut pacing, 1, End::Unreachable);
    for chat in [1, 2] {
        assert_eq!(pacing.delay(ChatId(chat)), Some(Delay::Unreachable));
        ends(&mut pacing, chat, End::Done(None));
        assert_eq!(pacing.delay(ChatId(chat)), None);
    }
    ends(&mut pacing, 2, End::Unknown);
    assert_eq!(pacing.delay(ChatId(2)), Some(Delay::Unreachable));
}

/// How many calls a day of trouble brings, with a row that always waits, where each ends in the same way.
fn calls_of_a_day(end: End) -> usize {
    let start = Instant::now();
    let day = start + secs(24 * 3600);
    let mut now = start;
    let mut pacing = Pacing::default();
    let mut calls = 0;
    let due = [row(1, 7, Lane::Text), row(2, 8, Lane::Text)];
    let board = [working(1, 9, start, Doing::Thinking)];
    while now < day {
        let plan = pacing.plan(now, &due, &board);
        match plan.call {
            Some(call) => {
                calls += 1;
                pacing.started(now, &call);
                pacing.ended(now, &call, end);
            }
            None => {
                now = plan
                    .look_again
                    .unwrap_or(day)
                    .max(now + Duration::from_millis(1))
            }
        }
    }
    calls
}

#[test]
fn a_day_without_telegram_costs_few_calls() {
    // One every 30 s, and a handful before the waits have grown.
    let most = 24 * 3600 / 30;
    let unreachable = calls_of_a_day(End::Unreachable);
    assert!(
        (most - 10..=most + 10).contains(&unreachable),
        "{unreachable}"
    );
    // For each of three chats one every 30 s; the turn's typing goes on at its own pace, within its chat's waits.
    let unknown = calls_of_a_day(End::Unknown);
    assert!(unknown <= 3 * (most + 10), "{unknown}");
    // A wait of 200,000 s is longer than the day: each chat is asked once, and then all are stopped.
    assert!(calls_of_a_day(End::Flood(secs(200_000))) <= 3);
    // 70,000 s end within it.
    assert!(calls_of_a_day(End::Flood(secs(70_000))) <= 6);
}

/// Runs three turns in topics of a group, or in three chats, that never do the same for long, with an answer now and
/// then that waits until it is sent. Returns the calls, each with when it was made, and how long each answer waited.
fn busy_minutes(minutes: u64, is_group: bool) -> (Vec<(Duration, Call)>, Vec<Duration>) {
    let start = Instant::now();
    let mut pacing = Pacing::default();
    let (mut calls, mut waited) = (Vec::new(), Vec::new());
    let mut due: Vec<Due> = Vec::new();
    let chat = if is_group { -7 } else { 7 };
    for tick in 0..minutes * 60 * 10 {
        let at = Duration::from_millis(tick * 100);
        let now = start + at;
        if tick % 200 == 77 {
            due.push(row(tick as i64, chat, Lane::Text));
        }
        let board: Vec<Progress> = (1..=3)
            .map(|turn| {
                let doing = match tick / 10 % 2 {
                    0 => Doing::Thinking,
                    _ => Doing::Writing,
                };
                let mut working = working(turn, chat, start, doing);
                working.place.topic = Some(TopicId(turn));
                working
            })
            .collect();
        while let Some(call) = pacing.plan(now, &due, &board).call {
            pacing.started(now, &call);
            pacing.ended(now, &call, End::Done(Some(MessageId(tick as i64))));
            if let Call::Row(sent) = &call {
                waited.push(at - Duration::from_millis(sent.row.0 as u64 * 100));
                due.retain(|due| due.row != sent.row);
            }
            calls.push((at, call));
        }
    }
    (calls, waited)
}

#[test]
fn a_group_has_20_calls_a_minute_and_answers_do_not_wait_for_what_is_only_shown() {
    let (calls, waited) = busy_minutes(10, true);
    for (first, (at, _)) in calls.iter().enumerate() {
        let within = calls[first..]
            .iter()
            .take_while(|(other, _)| *other < *at + secs(60));
        let (count, shown) = within.fold((0, 0), |(count, shown), (_, call)| {
            (count + 1, shown + i32::from(!matches!(call, Call::Row(_))))
        });
        assert!(
            count <= 20 && shown <= 14,
            "{count} and {shown} after {at:?}"
        );
    }
    assert_eq!(waited.len(), 30);
    let longest = waited.iter().max().unwrap();
    assert!(*longest <= secs(1), "{longest:?}");
    // The first two minutes in which a private chat would change it every 3 s.
    let of_first = |call: &Call| matches!(call, Call::Status { progress, .. } if progress.prompt == PromptId(1));
    let changes: Vec<Duration> = calls
        .iter()
        .filter(|(_, call)| of_first(call))
        .map(|(at, _)| *at)
        .collect();
    assert!(changes.len() > 10, "{changes:?}");
    assert!(
        changes.windows(2).all(|two| two[1] - two[0] >= secs(10)),
        "{changes:?}"
    );
    let typed = calls
        .iter()
        .filter(|(_, call)| matches!(call, Call::Typing(_)));
    let last = typed.map(|(at, _)| *at).max().unwrap();
    assert!(
        last <= STATUS_AFTER + secs(1),
        "typing until its status stands: {last:?}"
    );
}

#[test]
fn a_private_chat_is_not_paced_as_a_group() {
    let (calls, _) = busy_minutes(1, false);
    assert!(calls.len() > 40, "{}", calls.len());
}

#[test]
fn many_answers_in_a_group_go_out_at_its_pace_and_none_is_dropped() {
    let start = Instant::now();
    let mut pacing = Pacing::default();
    let mut due: Vec<Due> = (1..=50).map(|number| row(number, -7, Lane::Text)).collect();
    let mut now = start;
    let mut sent = Vec::new();
    while let Some(first) = due.first().copied() {
        match pacing.plan(now, &due, &[]) {
            Plan {
                call: Some(call), ..
            } => {
                pacing.started(now, &call);
                pacing.ended(now, &call, End::Done(None));
                assert_eq!(call, Call::Row(first));
                due.remove(0);
                sent.push(now - start);
            }
            Plan { look_again, .. } => now = look_again.expect("it waits for something"),
        }
    }
    assert!(sent[19] < secs(20), "{sent:?}");
    assert_eq!(sent[20], secs(60));
    assert!(
        sent.windows(21)
            .all(|calls| calls[20] - calls[0] >= secs(60))
    );
    pacing.plan(now + secs(61), &[], &[]);
    assert!(pacing.chats.is_empty(), "a silent group is forgotten");
}

#[test]
fn one_call_for_each_chat_and_the_oldest_row_first() {
    let (mut pacing, now) = (Pacing::default(), Instant::now());
    let due = [row(2, 1, Lane::Text), row(3, 2, Lane::Text)];
    let first = go(&mut pacing, now, &due, &[]).unwrap();
    assert_eq!(first, Call::Row(due[0]));
    let mut other_topic = row(1, 1, Lane::Text);
    other_topic.place.topic = Some(TopicId(4));
    assert_eq!(
        go(&mut pacing, now, &[other_topic, due[1]], &[]),
        Some(Call::Row(due[1]))
    );
    assert_eq!(
        go(&mut pacing, now, &[row(9, 3, Lane::Text)], &[]),
        None,
        "two in flight is all"
    );
    pacing.ended(now, &first, End::Done(None));
    assert_eq!(
        go(&mut pacing, now, &[other_topic], &[]),
        Some(Call::Row(other_topic))
    );
}

#[test]
fn a_request_goes_before_text() {
    let (mut pacing, now) = (Pacing::default(), Instant::now());
    let due = [row(1, 1, Lane::Text), row(2, 1, Lane::Request)];
    assert_eq!(go(&mut pacing, now, &due, &[]), Some(Call::Row(due[1])));
    assert_eq!(go(&mut pacing, now, &due, &[]), None, "the chat is busy");
}

#[test]
fn a_press_is_answered_while_the_answer_to_another_one_hangs() {
    let (mut pacing, now) = (Pacing::default(), Instant::now());
    let toasts = [1, 2, 3, 4].map(|id| Call::Row(row(id, 1, Lane::Toast)));
    for toast in &toasts {
        assert!(pacing.may_answer());
        pacing.started(now, toast);
    }
    // There is nobody left who could make the call.
    assert!(!pacing.may_answer());
    // Nothing else has to wait for them, not even in the same chat.
    let text = [row(3, 1, Lane::Text)];
    assert_eq!(go(&mut pacing, now, &text, &[]), Some(Call::Row(text[0])));
    pacing.ended(now, &toasts[1], End::Done(None));
    assert!(pacing.may_answer());
}

#[test]
fn a_flood_wait_of_any_length_stops_its_chat_only() {
    for wait in [3, 70_000, 200_000, u64::MAX] {
        let (mut pacing, now) = (Pacing::default(), Instant::now());
        let due = [row(1, 1, Lane::Text), row(2, 2, Lane::Text)];
        let call = go(&mut pacing, now, &due, &[]).unwrap();
        pacing.ended(now, &call, End::Flood(Duration::from_secs(wait)));
        let other = go(&mut pacing, now, &due, &[]).unwrap();
        assert_eq!(other, Call::Row(due[1]), "the other chat goes on");
        pacing.ended(now, &other, End::Done(None));
        let until = now + Duration::from_secs(wait).min(WAIT_MAX);
        assert_eq!(pacing.plan(now, &due[..1], &[]).look_again, Some(until));
        assert_eq!(pacing.plan(until - secs(1), &due[..1], &[]).call, None);
        assert_eq!(
            pacing.plan(until, &due[..1], &[]).call,
            Some(Call::Row(due[0]))
        );
    }
}

#[test]
fn three_chats_with_flood_waits_stop_all() {
    let (mut pacing, now) = (Pacing::default(), Instant::now());
    for chat in 1..=3 {
        let call = go(&mut pacing, now, &[row(chat, chat, Lane::Text)], &[]).unwrap();
        pacing.ended(now, &call, End::Flood(secs(20)));
    }
    let plan = pacing.plan(now, &[row(9, 9, Lane::Text)], &[]);
    assert_eq!(
        plan,
        Plan {
            call: None,
            look_again: Some(now + secs(20))
        }
    );
}

#[test]
fn a_stored_wait_is_kept_after_a_restart() {
    let (mut pacing, now) = (Pacing::default(), Instant::now());
    pacing.take_up_wait(now, Some(ChatId(1)), secs(100_000));
    let due = [row(1, 1, Lane::Text)];
    assert_eq!(
        pacing.plan(now, &due, &[]).look_again,
        Some(now + secs(100_000))
    );
}

#[test]
fn unknown_outcomes_back_off_for_the_chat_and_no_network_for_all() {
    let (mut pacing, mut now) = (Pacing::default(), Instant::now());
    let due = [row(1, 1, Lane::Text)];
    for wait in [1, 2, 4, 8, 16, 30, 30] {
        let call = go(&mut pacing, now, &due, &[]).unwrap();
        pacing.ended(now, &call, End::Unknown);
        let plan = pacing.plan(now, &due, &[]);
        assert_eq!((plan.call, plan.look_again), (None, Some(now + secs(wait))));
        now += secs(wait);
    }
    let call = go(&mut pacing, now, &due, &[]).unwrap();
    pacing.ended(now, &call, End::Unreachable);
    let other = [row(2, 2, Lane::Text)];
    assert_eq!(
        pacing.plan(now, &other, &[]).look_again,
        Some(now + secs(1))
    );
}

#[test]
fn a_long_answer_goes_out_in_a_burst_and_then_once_a_second() {
    let (mut pacing, now) = (Pacing::default(), Instant::now());
    let mut sent = Vec::new();
    let mut at = now;
    while sent.len() < 12 {
        let plan = pacing.plan(at, &[row(1, 1, Lane::Text)], &[]);
        match plan.call {
            Some(call) => {
                pacing.started(at, &call);
                pacing.ended(at, &call, End::Done(None));
                sent.push(at - now);
            }
            None => at = plan.look_again.unwrap(),
        }
    }
    assert_eq!(sent.iter().filter(|at| **at == Duration::ZERO).count(), 7);
    assert_eq!(sent[11], secs(5));
}

#[test]
fn a_quick_turn_only_types_and_a_longer_one_gets_one_status_message() {
    let (mut pacing, now) = (Pacing::default(), Instant::now());
    let board = [working(1, 1, now, Doing::Thinking)];
    let typing = go(&mut pacing, now, &[], &board).unwrap();
    assert_eq!(typing, Call::Typing(board[0].place));
    pacing.ended(now, &typing, End::Done(None));
    let plan = pacing.plan(now, &[], &board);
    assert_eq!(
        (plan.call, plan.look_again),
        (None, Some(now + STATUS_AFTER))
    );

    let at = now + STATUS_AFTER;
    let status = go(&mut pacing, at, &[], &board).unwrap();
    assert!(
        matches!(&status, Call::Status { message: None, .. }),
        "{status:?}"
    );
    pacing.ended(at, &status, End::Done(Some(MessageId(77))));
    // Nothing new: typing goes on, the status stays until its time is stale.
    let plan = pacing.plan(at, &[], &board);
    assert_eq!(
        (plan.call, plan.look_again),
        (None, Some(now + TYPING_EVERY))
    );

    // Something new: an edit of the same message, not before 3 s.
    let tool = Doing::Tool {
        name: "Bash".into(),
        target: "ls".into(),
    };
    let board = [working(1, 1, now, tool)];
    pacing.started(at, &Call::Typing(board[0].place));
    pacing.ended(at, &Call::Typing(board[0].place), End::Done(None));
    let plan = pacing.plan(at, &[], &board);
    assert_eq!((plan.call, plan.look_again), (None, Some(at + secs(3))));
    let edit = pacing.plan(at + secs(3), &[], &board).call.unwrap();
    assert!(
        matches!(
            edit,
            Call::Status {
                message: Some(MessageId(77)),
                ..
            }
        ),
        "{edit:?}"
    );
}

#[test]
fn a_turn_whose_group_has_moved_gets_a_status_there() {
    let start = Instant::now();
    for end in [End::Done(Some(MessageId(300))), End::Refused] {
        let mut pacing = Pacing::default();
        let mut board = [working(1, -5, start, Doing::Thinking)];
        let now = start + STATUS_AFTER;
        let call = go(&mut pacing, now, &[], &board).expect("it is time");
        pacing.ended(now, &call, end);
        board[0].place.chat = ChatId(-1005);
        assert_eq!(
            go(&mut pacing, now, &[], &board),
            Some(Call::Status {
                progress: board[0].clone(),
                message: None,
            })
        );
        // Nor does the old one change any more.
        let moved = pacing.plan(now + secs(1), &[], &board);
        assert_eq!(moved.call, None);
    }
}

#[test]
fn progress_that_is_refused_is_not_tried_again_in_that_turn() {
    let (mut pacing, now) = (Pacing::default(), Instant::now());
    let board = [working(1, 1, now, Doing::Thinking)];
    for expected in ["typing", "status"] {
        let at = now + STATUS_AFTER;
        let call = match expected {
            "typing" => Call::Typing(board[0].place),
            _ => pacing.plan(at, &[], &board).call.unwrap(),
        };
        pacing.started(at, &call);
        pacing.ended(at, &call, End::Refused);
    }
    assert_eq!(pacing.plan(now + secs(600), &[], &board).call, None);
    let next = [working(2, 1, now, Doing::Thinking)];
    assert!(matches!(
        pacing.plan(now + secs(600), &[], &next).call,
        Some(Call::Status { .. })
    ));
}

#[test]
fn who_is_asked_sees_neither_typing_nor_repeated_status() {
    let (mut pacing, now) = (Pacing::default(), Instant::now());
    let board = [working(1, 1, now, Doing::Asking)];
    let plan = pacing.plan(now + secs(5), &[], &board);
    assert_eq!(plan.call, None);
    // What waits can be sent into the turn or dropped there.
    let mut waits = working(1, 1, now, Doing::Asking);
    waits.waiting = 1;
    let board = [waits];
    let call = go(&mut pacing, now + secs(5), &[], &board);
    assert!(matches!(call, Some(Call::Status { .. })), "{call:?}");
}

#[test]
fn durable_rows_go_before_progress() {
    let (mut pacing, now) = (Pacing::default(), Instant::now());
    let board = [working(1, 1, now, Doing::Thinking)];
    let later = now + secs(10);
    let due = [row(1, 1, Lane::Text)];
    assert_eq!(
        go(&mut pacing, later, &due, &board),
        Some(Call::Row(due[0]))
    );
}
