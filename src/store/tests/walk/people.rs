//! What people do: write, change what they wrote, say stop, press buttons.

use super::*;
use crate::chat::{Person, Verdict};

impl Walk {
    fn line(&self, session: SessionId) -> Vec<String> {
        take_in(&self.store, NOW, |intake| texts_of(intake, session, 1_000))
    }

    /// A message ends the hold; what waited keeps its order, and it goes first where a person or a failure had held it.
    pub(super) fn say(&mut self, place: Place, user: i64, command: bool) {
        let update = self.update();
        let arrival = Arrival {
            user: UserId(user),
            ..message(update, place)
        };
        let text = format!("{}text {update}", if command { "/" } else { "" });
        let session = take_in(&self.store, NOW, |intake| {
            intake.session_at(place, "name", &home(), Some(&[]))
        });
        let before = (held(&self.store, session), self.line(session));
        assert_eq!(say(&self.store, &arrival, &text), session);
        let mut line = self.line(session);
        assert_eq!(held(&self.store, session), None);
        if before.0.is_some_and(|hold| hold != Hold::Broken) {
            assert_eq!(line.first(), Some(&text), "it goes first");
        }
        line.retain(|waits| *waits != text);
        assert_eq!(line, before.1, "what waited keeps its order");
        self.sessions.insert(session);
        self.messages.push(Message {
            arrival,
            session,
            text,
            fate: Fate::Waits,
        });
    }

    pub(super) fn edit(&mut self, which: usize) {
        let Some(at) = which.checked_rem(self.messages.len()) else {
            return;
        };
        let message = &mut self.messages[at];
        let changed = format!("{}*", message.text);
        let arrival = &message.arrival;
        let edited = take_in(&self.store, NOW, |intake| {
            intake.edit(arrival, &changed, CORRECTION)
        });
        match (edited, message.fate) {
            (Edited::InTime, Fate::Waits) => message.text = changed,
            // What was given long ago may have been forgotten, and who is told of a change is told once.
            (
                Edited::TooLate(_) | Edited::WasAnswer(_) | Edited::Nothing | Edited::Unknown,
                Fate::Given,
            )
            | (Edited::Nothing | Edited::Unknown, Fate::Dropped) => {}
            other => panic!("{other:?} for {arrival:?}"),
        }
    }

    /// After a stop nothing is given any more, and an owner that has something to end is told to.
    pub(super) fn stop(&mut self, which: usize) {
        let Some(session) = self.session(which) else {
            return;
        };
        // Who asked is there, whatever is known of its process.
        let asked =
            format!("SELECT COUNT(*) FROM request WHERE session = {session} AND state = 'open'");
        let runs = !self.open(session).is_empty() || number(&self.store, &asked) > 0;
        let was_quiet = waiting(&self.store, session) == 0 && held(&self.store, session).is_none();
        let stopped = stop(&self.store, session);
        match stopped {
            Stop::Begun => assert!(runs),
            Stop::Done => assert!(!runs && !was_quiet),
            Stop::Nothing => assert!(!runs),
        }
        let work = self.store.work(session).expect("the tables can be read");
        assert_eq!(work.stop, runs);
        let reason = work.held.map(|held| held.reason);
        assert_eq!(reason, (work.waiting > 0).then_some(Hold::Held));
        let queued =
            format!("SELECT COUNT(*) FROM prompt WHERE session = {session} AND state = 'queued'");
        assert_eq!(number(&self.store, &queued), 0);
    }

    /// The button of a notice, by its act: token, place, and the message that shows it.
    fn button(&self, condition: &str) -> Option<(String, Place, i64)> {
        let found = |column: &str| {
            let query = format!(
                "SELECT CAST({column} AS TEXT) FROM button JOIN outbox ON outbox.id = button.row
                 WHERE outbox.tries > 0 AND {condition} LIMIT 1"
            );
            words(&self.store, &query).into_iter().next()
        };
        let as_number =
            |column: &str| -> Option<i64> { Some(found(column)?.parse().expect("it is a number")) };
        // Where nobody knows of a message, it may still have arrived.
        let message = as_number("COALESCE(outbox.message, 77)")?;
        let at = place_of(as_number("outbox.chat")?, as_number("outbox.topic")?);
        Some((found("button.token")?, at, message))
    }

    /// A press on the notice of a hold ends it as it says.
    pub(super) fn press_button(&mut self, which: usize, act: usize) {
        let update = self.update();
        let Some(session) = self.session(which) else {
            return;
        };
        let acts = ["run", "retry", "send_again", "drop"];
        let act = acts[act % acts.len()];
        let condition = format!(
            "button.session = {session} AND button.used = 0 AND button.act ->> '$.do' = '{act}'"
        );
        let Some((token, at, message)) = self.button(&condition) else {
            return;
        };
        let before = waiting(&self.store, session);
        let goes_on = match act {
            "retry" => "retry IS NOT NULL AND prompt IS NOT NULL",
            "send_again" => "prompt IS NOT NULL",
            _ => "0",
        };
        let again = number(
            &self.store,
            &format!("SELECT COUNT(*) FROM hold WHERE session = {session} AND {goes_on}"),
        );
        let press = press(update, at, message);
        let anything = take_in(&self.store, NOW, |intake| {
            let Taken::Now(offered) = intake.take(&token, &press)? else {
                panic!("{act} is there to be pressed")
            };
            let how = match offered.act {
                Act::Run => Release::GoOn,
                Act::Retry => Release::Retry,
                Act::SendAgain => Release::SendAgain,
                _ => Release::Drop,
            };
            intake.release(&offered, how, "as you say")
        });
        assert!(anything, "a session was held");
        assert_eq!(held(&self.store, session), None);
        let after = waiting(&self.store, session);
        if act == "drop" {
            assert_eq!(after, 0);
            for message in &mut self.messages {
                if message.session == session && message.fate == Fate::Waits {
                    message.fate = Fate::Dropped;
                }
            }
        } else {
            assert_eq!(after, before + again as usize);
        }
    }

    /// A press on a button that was used, or is over, does nothing.
    pub(super) fn press_used(&mut self, which: usize) {
        let update = self.update();
        let used = words(
            &self.store,
            "SELECT token FROM button WHERE used = 1 ORDER BY created, token",
        );
        let Some(token) = choose_one(&used, which) else {
            return;
        };
        let Some((token, at, message)) = self.button(&format!("button.token = '{token}'")) else {
            return;
        };
        let state = "SELECT COUNT(*) + 1000 * (SELECT COUNT(*) FROM prompt) FROM hold";
        let before = number(&self.store, state);
        let press = press(update, at, message);
        let taken = take_in(&self.store, NOW, |intake| intake.take(&token, &press));
        assert_eq!(taken, Taken::Over);
        assert_eq!(number(&self.store, state), before);
    }

    /// Only an open request can be decided, and only from its place.
    pub(super) fn decide(&mut self, which: usize, astray: bool, verdict: bool, by_reply: bool) {
        let update = self.update();
        let Some(request) = choose_one(&self.requests, which) else {
            return;
        };
        let state = |store: &Store| {
            words(
                store,
                &format!(
                    "SELECT state FROM request WHERE token = '{}'",
                    request.token
                ),
            )
        };
        let before = state(&self.store);
        let shown = words(
            &self.store,
            &format!(
                "SELECT CAST(message AS TEXT) FROM outbox WHERE id = {} AND message IS NOT NULL",
                request.row
            ),
        );
        // Where nobody knows of a message, it may still have arrived.
        let at = shown
            .first()
            .map_or(77, |message| message.parse().expect("it is a number"));
        let from = press(update, if astray { place(99) } else { request.place }, at);
        let verdict = if verdict {
            Verdict::Allow
        } else {
            Verdict::Deny
        };
        let ada = Person {
            id: UserId(1),
            name: "Ada".to_owned(),
        };
        // Which message shows it nobody has to know who replies to a part of it.
        let known = shown.first().map(|_| MessageId(at));
        let pressed = take_in(&self.store, NOW, |intake| {
            let pressed = match by_reply {
                true => intake.deny(&request.token, "no", &ada, &from, known)?,
                false => intake.decide(&request.token, verdict, &ada, &from)?,
            };
            if let Pressed::Decided { row, shown, .. } = &pressed {
                intake.show(*row, shown, Vec::new())?;
            }
            Ok(pressed)
        });
        let after = state(&self.store);
        match pressed {
            Pressed::Decided { .. } => {
                assert_eq!(before, ["open"]);
                assert!(!astray);
                assert!(after == ["allowed"] || after == ["denied"]);
            }
            Pressed::Over | Pressed::Foreign => {
                assert_eq!(before, after);
                assert!(astray || before != ["open"]);
            }
        }
    }
}
