//! Which of the messages that wait go together as one prompt, and when. Pure.
//!
//! What arrives together belongs together: a long paste that the client has cut, a forward with its comment, a few
//! quick lines. Messages of different people, places or ranks never do, and one of Claude's own commands goes alone.

use std::time::Duration;

use crate::chat::{Choice, Waiting, utf16_len};
use crate::claude::protocol;

/// How long a prompt that is made of several messages may be, in bytes; what is beyond goes next. The CLI refuses
/// prompts of a few MB.
const PROMPT_MAX: usize = 500_000;

/// A message of at least so many UTF-16 units may be a piece of a longer one: clients cut at 4,096, some at 3,900.
const PIECE_MIN: usize = 3_500;

/// How far apart the pieces of one text may arrive. Seen are 50 to 600 ms, at times in the next poll.
const PIECES_APART: Duration = Duration::from_millis(1_750);

/// How far apart a forwarded message and its comment may arrive.
const FORWARD_APART: Duration = Duration::from_secs(1);

/// Nobody waits for longer than this, however many messages come.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// Chooses the next prompt. `now` is in milliseconds of Unix time, by the clock that noted when the messages arrived;
/// `window` is how long quick lines are waited for; `commands` are Claude's own.
pub fn choose(waiting: &[Waiting], now: i64, window: Duration, commands: &[String]) -> Choice {
    let is_command = |waiting: &Waiting| {
        waiting.origin.is_none() && protocol::is_command(&waiting.text, commands)
    };
    let Some(first) = waiting.first() else {
        return Choice::NotYet(WAIT_MAX);
    };
    if is_command(first) {
        return Choice::Give {
            count: 1,
            text: protocol::escape_prompt(&first.text, commands),
            is_command: true,
        };
    }
    let mut count = 1;
    let mut text = written(first);
    while let Some(next) = waiting.get(count) {
        let last = &waiting[count - 1];
        let voice = |one: &Waiting| (one.place, one.user, one.rank);
        let one_voice = voice(next) == voice(first) && !first.is_pressed && !next.is_pressed;
        let addition = written(next);
        if !one_voice || is_command(next) || text.len() + addition.len() > PROMPT_MAX {
            break;
        }
        if !is_one_text(last, next) {
            text.push('\n');
        }
        text.push_str(&addition);
        count += 1;
    }
    // Whatever comes next does not belong to it: something else came already.
    let is_complete = count < waiting.len();
    let last = &waiting[count - 1];
    let left = left_of(window_after(last, window), now - last.arrived)
        .min(left_of(WAIT_MAX, now - begin_of(&waiting[..count], window)));
    if !is_complete && !left.is_zero() {
        return Choice::NotYet(left);
    }
    Choice::Give {
        count,
        text: protocol::escape_prompt(&text, commands),
        is_command: false,
    }
}

/// When the messages at the end of the line began to come that have come together: what waited for long before them does
/// not make them wait less.
fn begin_of(line: &[Waiting], window: Duration) -> i64 {
    let mut begin = line.last().map_or(0, |last| last.arrived);
    for pair in line.windows(2).rev() {
        let apart = pair[1].arrived - pair[0].arrived;
        if left_of(window_after(&pair[0], window), apart).is_zero() {
            break;
        }
        begin = pair[0].arrived;
    }
    begin
}

/// How long after a message another one may belong to it.
fn window_after(last: &Waiting, window: Duration) -> Duration {
    if last.origin.is_some() {
        window.max(FORWARD_APART)
    } else if is_long(last) {
        window.max(PIECES_APART)
    } else {
        window
    }
}

/// What is left of a window of which so many milliseconds have passed. A clock that was set back ends it.
fn left_of(window: Duration, passed: i64) -> Duration {
    match u64::try_from(passed) {
        Ok(passed) => window.saturating_sub(Duration::from_millis(passed)),
        Err(_) => Duration::ZERO,
    }
}

fn is_long(waiting: &Waiting) -> bool {
    utf16_len(&waiting.text) >= PIECE_MIN
}

/// Whether two messages are pieces of one text, cut by the client.
fn is_one_text(piece: &Waiting, next: &Waiting) -> bool {
    let apart = u64::try_from(next.arrived - piece.arrived).unwrap_or(0);
    is_long(piece)
        && piece.origin.is_none()
        && next.origin.is_none()
        && Duration::from_millis(apart) <= PIECES_APART
}

/// A message as Claude reads it. What was forwarded is marked: it is somebody else's word, and no order.
fn written(waiting: &Waiting) -> String {
    match &waiting.origin {
        None => waiting.text.clone(),
        Some(origin) => format!(
            "[Forwarded message, written by {origin}:]\n{}\n[End of the forwarded message.]",
            waiting.text
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{ChatId, Place, UserId};

    const WINDOW: Duration = Duration::from_millis(300);

    fn waiting(text: &str, arrived: i64) -> Waiting {
        Waiting {
            place: Place {
                chat: ChatId(1),
                topic: None,
            },
            user: UserId(1),
            text: text.to_owned(),
            origin: None,
            arrived,
            rank: 0,
            is_pressed: false,
        }
    }

    fn forwarded(text: &str, arrived: i64) -> Waiting {
        Waiting {
            origin: Some("Bob".to_owned()),
            ..waiting(text, arrived)
        }
    }

    fn at(now: i64, line: &[Waiting]) -> Choice {
        choose(
            line,
            now,
            WINDOW,
            &["/compact".to_owned(), "compact".to_owned()],
        )
    }

    fn give(count: usize, text: &str) -> Choice {
        Choice::Give {
            count,
            text: text.to_owned(),
            is_command: false,
        }
    }

    fn not_yet(millis: u64) -> Choice {
        Choice::NotYet(Duration::from_millis(millis))
    }

    #[test]
    fn quick_lines_are_waited_for_and_go_together() {
        let line = [waiting("a", 1_000), waiting("b", 1_200)];
        assert_eq!(at(1_300, &line), not_yet(200));
        assert_eq!(at(1_500, &line), give(2, "a\nb"));
        // What waited while a turn ran goes together however far apart it came.
        let line = [waiting("a", 1_000), waiting("b", 90_000)];
        assert_eq!(at(100_000, &line), give(2, "a\nb"));
    }

    #[test]
    fn the_pieces_of_a_long_paste_become_one_text_again() {
        let (one, two) = ("x".repeat(4_096), "y".repeat(3_900));
        let line = [
            waiting(&one, 1_000),
            waiting(&two, 1_600),
            waiting("end", 2_100),
        ];
        assert_eq!(at(2_000, &line[..2]), not_yet(1_350));
        assert_eq!(at(2_400, &line), give(3, &format!("{one}{two}end")));
        // One that came much later is another text.
        let line = [waiting(&one, 1_000), waiting("end", 60_000)];
        assert_eq!(at(61_000, &line), give(2, &format!("{one}\nend")));
    }

    #[test]
    fn a_forward_and_its_comment_go_together_and_are_told_apart() {
        let line = [waiting("what is this?", 1_000), forwarded("buy now", 1_100)];
        assert_eq!(at(1_500, &line), not_yet(600));
        let Choice::Give { text, .. } = at(2_200, &line) else {
            panic!("it is complete")
        };
        assert_eq!(
            text,
            "what is this?\n[Forwarded message, written by Bob:]\nbuy now\n[End of the forwarded message.]"
        );
    }

    #[test]
    fn a_command_never_waits_and_goes_alone() {
        let alone = Choice::Give {
            count: 1,
            text: "/compact".to_owned(),
            is_command: true,
        };
        assert_eq!(at(0, &[waiting("/compact", 0), waiting("b", 0)]), alone);
        assert_eq!(
            at(0, &[waiting("a", 0), waiting("/compact", 0)]),
            give(1, "a")
        );
        let Choice::Give { is_command, .. } = at(5_000, &[forwarded("/compact", 0)]) else {
            panic!("it is complete")
        };
        assert!(!is_command, "nobody gives orders by being forwarded");
    }

    #[test]
    fn who_writes_from_elsewhere_or_out_of_line_begins_another_prompt() {
        let mut other = waiting("b", 0);
        other.user = UserId(2);
        assert_eq!(at(0, &[waiting("a", 0), other]), give(1, "a"));
        let mut first = waiting("now", 0);
        first.rank = -1;
        assert_eq!(at(0, &[first, waiting("held", 0)]), give(1, "now"));
        let pressed = Waiting {
            is_pressed: true,
            ..waiting("a correction", 0)
        };
        let line = [waiting("a", 0), pressed.clone()];
        assert_eq!(at(0, &line), give(1, "a"));
        let line = [pressed.clone(), pressed, waiting("a", 0)];
        assert_eq!(at(0, &line), give(1, "a correction"));
    }

    #[test]
    fn nobody_waits_for_ever() {
        let line: Vec<_> = (0..100).map(|n| waiting("a", n * 250)).collect();
        assert!(matches!(
            at(99 * 250, &line),
            Choice::Give { count: 100, .. }
        ));
        // A clock that was set back.
        assert_eq!(at(1_000, &[waiting("a", 5_000)]), give(1, "a"));
    }

    #[test]
    fn a_paste_is_waited_for_whatever_waits_before_it() {
        let line = [waiting("old", 1_000), waiting(&"x".repeat(4_096), 60_000)];
        assert_eq!(at(60_500, &line), not_yet(1_250));
    }

    #[test]
    fn a_prompt_has_an_end() {
        let big = "x".repeat(PROMPT_MAX - 5);
        assert!(matches!(
            at(0, &[waiting(&big, 0), waiting("0123456789", 0)]),
            Choice::Give { count: 1, .. }
        ));
    }
}
