//! Random walks: whatever people, the owners and the courier do in whatever order, what the store promises holds.
//!
//! Above all: nothing that was accepted is lost. Each message waits, was given once, or was dropped by a person; and
//! when everything has calmed down, none waits any more.

mod courier;
mod owner;
mod people;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// One thing that somebody does. The numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Message {
        place: usize,
        user: i64,
        command: bool,
    },
    Edit {
        message: usize,
    },
    Stop {
        session: usize,
    },
    PressButton {
        session: usize,
        act: usize,
    },
    PressUsed {
        button: usize,
    },
    Decide {
        request: usize,
        astray: bool,
        verdict: bool,
        /// Whether it is denied by a reply to a part of it, wherever its message is.
        by_reply: bool,
    },
    Give {
        session: usize,
    },
    TakeBack {
        prompt: usize,
    },
    Taken {
        prompt: usize,
    },
    GiveAgain {
        prompt: usize,
    },
    ContinueAs {
        prompt: usize,
    },
    Ask {
        prompt: usize,
        before: usize,
        parts: usize,
        file: bool,
    },
    Told {
        request: usize,
    },
    CloseOne {
        request: usize,
    },
    CloseAll {
        session: usize,
    },
    Finish {
        prompt: usize,
        blocks: usize,
    },
    Fail {
        prompt: usize,
        reason: usize,
        comes_back: bool,
    },
    CannotStart {
        session: usize,
    },
    CarryOutStop {
        session: usize,
    },
    GoOn {
        session: usize,
    },
    Unasked {
        session: usize,
    },
    Begin {
        row: usize,
    },
    Settle {
        row: usize,
        how: usize,
    },
    CloseChat {
        chat: usize,
    },
    Restart,
    Prune {
        days: i64,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<usize>;
    prop_oneof![
        6 => (0..4_usize, 1..3_i64, prop::bool::weighted(0.15))
            .prop_map(|(place, user, command)| Step::Message { place, user, command }),
        1 => which().prop_map(|message| Step::Edit { message }),
        2 => which().prop_map(|session| Step::Stop { session }),
        4 => (which(), which()).prop_map(|(session, act)| Step::PressButton { session, act }),
        1 => which().prop_map(|button| Step::PressUsed { button }),
        3 => (which(), prop::bool::weighted(0.2), any::<bool>(), prop::bool::weighted(0.3))
            .prop_map(|(request, astray, verdict, by_reply)| Step::Decide { request, astray, verdict, by_reply }),
        6 => which().prop_map(|session| Step::Give { session }),
        1 => which().prop_map(|prompt| Step::TakeBack { prompt }),
        2 => which().prop_map(|prompt| Step::Taken { prompt }),
        1 => which().prop_map(|prompt| Step::GiveAgain { prompt }),
        2 => which().prop_map(|prompt| Step::ContinueAs { prompt }),
        2 => (which(), 0..3_usize, 0..3_usize, any::<bool>())
            .prop_map(|(prompt, before, parts, file)| Step::Ask { prompt, before, parts, file }),
        1 => which().prop_map(|request| Step::Told { request }),
        1 => which().prop_map(|request| Step::CloseOne { request }),
        1 => which().prop_map(|session| Step::CloseAll { session }),
        3 => (which(), 0..4_usize).prop_map(|(prompt, blocks)| Step::Finish { prompt, blocks }),
        3 => (which(), 0..3_usize, any::<bool>())
            .prop_map(|(prompt, reason, comes_back)| Step::Fail { prompt, reason, comes_back }),
        1 => which().prop_map(|session| Step::CannotStart { session }),
        2 => which().prop_map(|session| Step::CarryOutStop { session }),
        1 => which().prop_map(|session| Step::GoOn { session }),
        1 => which().prop_map(|session| Step::Unasked { session }),
        10 => which().prop_map(|row| Step::Begin { row }),
        10 => (which(), 0..8_usize).prop_map(|(row, how)| Step::Settle { row, how }),
        1 => (0..3_usize).prop_map(|chat| Step::CloseChat { chat }),
        1 => Just(Step::Restart),
        1 => (0..50_i64).prop_map(|days| Step::Prune { days }),
    ]
}

const PLACES: [Place; 4] = [place(1), place(2), topic(2, 5), place(3)];

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Waits,
    Given,
    Dropped,
}

/// A message that a person wrote and that was accepted.
struct Message {
    arrival: Arrival,
    session: SessionId,
    text: String,
    fate: Fate,
}

/// A request, as the walk knows it.
struct Known {
    claude: String,
    session: SessionId,
    token: String,
    row: i64,
    place: Place,
}

/// The store, and what must be true of it.
struct Walk {
    store: Store,
    updates: i64,
    sessions: BTreeSet<SessionId>,
    messages: Vec<Message>,
    prompts: Vec<(SessionId, PromptId)>,
    /// Which messages each prompt was made of.
    parts: BTreeMap<PromptId, Vec<usize>>,
    requests: Vec<Known>,
    /// What the courier has on its way, with its place and lane.
    on_the_way: BTreeMap<RowId, (Place, Lane)>,
    /// Text rows in the order in which they were delivered, by place.
    delivered: BTreeMap<Place, Vec<RowId>>,
    last_message: i64,
}

fn choose_one<T>(all: &[T], which: usize) -> Option<&T> {
    all.get(which.checked_rem(all.len())?)
}

impl Walk {
    fn new() -> Walk {
        Walk {
            store: Store::in_memory(),
            updates: 0,
            sessions: BTreeSet::new(),
            messages: Vec::new(),
            prompts: Vec::new(),
            parts: BTreeMap::new(),
            requests: Vec::new(),
            on_the_way: BTreeMap::new(),
            delivered: BTreeMap::new(),
            last_message: 10_000,
        }
    }

    fn session(&self, which: usize) -> Option<SessionId> {
        choose_one(&self.sessions.iter().copied().collect::<Vec<_>>(), which).copied()
    }

    fn prompt(&self, which: usize) -> Option<(SessionId, PromptId)> {
        choose_one(&self.prompts, which).copied()
    }

    fn update(&mut self) -> i64 {
        self.updates += 1;
        self.updates
    }

    fn step(&mut self, step: &Step) -> Result<()> {
        match *step {
            Step::Message {
                place,
                user,
                command,
            } => self.say(PLACES[place], user, command),
            Step::Edit { message } => self.edit(message),
            Step::Stop { session } => self.stop(session),
            Step::PressButton { session, act } => self.press_button(session, act),
            Step::PressUsed { button } => self.press_used(button),
            Step::Decide {
                request,
                astray,
                verdict,
                by_reply,
            } => self.decide(request, astray, verdict, by_reply),
            Step::Give { session } => {
                if let Some(session) = self.session(session) {
                    self.give(session);
                }
            }
            Step::TakeBack { prompt } => self.take_back(prompt)?,
            Step::Taken { prompt } => {
                if let Some((_, prompt)) = self.prompt(prompt) {
                    self.store.taken(prompt)?;
                }
            }
            Step::GiveAgain { prompt } => self.give_again(prompt)?,
            Step::ContinueAs { prompt } => self.continue_as(prompt)?,
            Step::Ask {
                prompt,
                before,
                parts,
                file,
            } => self.ask(prompt, before, parts, file)?,
            Step::Told { request } => {
                if let Some(request) = choose_one(&self.requests, request) {
                    self.store.told(request.session, &request.claude)?;
                }
            }
            Step::CloseOne { request } => {
                if let Some(request) = choose_one(&self.requests, request) {
                    let claude = Some(request.claude.as_str());
                    let session = request.session;
                    self.store.close_requests(
                        session,
                        NOW,
                        claude,
                        "withdrawn",
                        |_, shown| shown.clone(),
                        |_, _, shown| shown.clone(),
                    )?;
                }
            }
            Step::CloseAll { session } => {
                if let Some(session) = self.session(session) {
                    self.store.close_requests(
                        session,
                        NOW,
                        None,
                        "expired",
                        |_, shown| shown.clone(),
                        |_, _, shown| shown.clone(),
                    )?;
                }
            }
            Step::Finish { prompt, blocks } => self.finish(prompt, blocks)?,
            Step::Fail {
                prompt,
                reason,
                comes_back,
            } => self.fail(prompt, reason, comes_back)?,
            Step::CannotStart { session } => self.cannot_start(session),
            Step::CarryOutStop { session } => {
                if let Some(session) = self.session(session) {
                    self.carry_out_stop(session)?;
                }
            }
            Step::GoOn { session } => self.go_on(session)?,
            Step::Unasked { session } => {
                if let Some(session) = self.session(session) {
                    let posts = aside(&[(&format!("unasked/{}", self.update()), "news")]);
                    self.store
                        .unasked(BOT, session, NOW, Spent::default(), &posts)?;
                }
            }
            Step::Begin { row } => self.begin(row)?,
            Step::Settle { row, how } => self.settle(row, how)?,
            Step::CloseChat { chat } => self.store.close_chat(BOT, ChatId(chat as i64 + 1), NOW)?,
            Step::Restart => {
                self.store.admit_only(&[1, 2], &[], NOW)?;
                self.store.try_broken_again(NOW)?;
                self.store.take_up_outbox(BOT)?;
                self.on_the_way.clear();
            }
            Step::Prune { days } => self.store.prune(NOW + days * 24 * 3600)?,
        }
        Ok(())
    }

    fn check(&self) {
        let none = [
            "SELECT COUNT(*) FROM pragma_foreign_key_check",
            "SELECT COUNT(*) FROM inbox WHERE state NOT IN ('waiting', 'given', 'closed', 'refused', 'dropped', 'barred')",
            "SELECT COUNT(*) FROM inbox WHERE (state = 'given') != (prompt IS NOT NULL)",
            "SELECT COUNT(*) FROM inbox WHERE state = 'waiting' AND (session IS NULL OR text IS NULL)",
            "SELECT COUNT(*) FROM prompt WHERE state NOT IN ('queued', 'sent', 'taken', 'closed')",
            "SELECT COUNT(*) FROM prompt WHERE (state = 'closed') != (outcome IS NOT NULL AND closed IS NOT NULL)",
            "SELECT COUNT(*) FROM prompt WHERE attempts < 0 OR (state = 'queued' AND continues IS NULL)",
            "SELECT COUNT(*) FROM request WHERE state NOT IN ('open', 'allowed', 'denied', 'withdrawn', 'expired')",
            "SELECT COUNT(*) FROM request WHERE state IN ('withdrawn', 'expired') AND told = 0",
            "SELECT COUNT(*) FROM request JOIN outbox ON outbox.id = request.row
             WHERE request.state = 'open' AND outbox.state = 'withdrawn'",
            "SELECT COUNT(*) FROM outbox
             WHERE state NOT IN ('waiting', 'sending', 'delivered', 'withdrawn', 'refused') OR tries < 0",
            // Whoever is held knows of it, or will when the stop has been carried out.
            "SELECT COUNT(*) FROM hold JOIN session ON session.id = hold.session WHERE row IS NULL AND stop = 0",
            "SELECT COUNT(*) FROM hold JOIN outbox ON outbox.id = hold.row WHERE outbox.state = 'withdrawn'",
            "SELECT COUNT(*) FROM hold WHERE row IS NOT NULL
             AND 4 != (SELECT COUNT(*) FROM button WHERE button.row = hold.row AND used = 0)",
            // Nothing else has a button that does anything.
            "SELECT COUNT(*) FROM button WHERE used = 0
             AND row NOT IN (SELECT row FROM hold WHERE row IS NOT NULL)",
        ];
        for query in none {
            assert_eq!(number(&self.store, query), 0, "{query}");
        }
        let sending = words(
            &self.store,
            "SELECT CAST(id AS TEXT) FROM outbox WHERE state = 'sending' ORDER BY id",
        );
        let on_the_way: Vec<String> = self.on_the_way.keys().map(ToString::to_string).collect();
        assert_eq!(sending, on_the_way);
        for (place, rows) in &self.delivered {
            assert!(rows.is_sorted(), "{rows:?} were delivered at {place:?}");
        }
        let mut stored: BTreeMap<String, String> = words(
            &self.store,
            "SELECT update_id || ' ' || state FROM inbox WHERE text IS NOT NULL",
        )
        .iter()
        .filter_map(|row| row.split_once(' '))
        .map(|(update, state)| (update.to_owned(), state.to_owned()))
        .collect();
        for message in &self.messages {
            let state = stored.remove(&message.arrival.update.to_string());
            let expected = match message.fate {
                Fate::Waits => Some("waiting"),
                // What is finished may have been forgotten.
                Fate::Given => state.is_some().then_some("given"),
                Fate::Dropped => state.is_some().then_some("dropped"),
            };
            assert_eq!(state.as_deref(), expected, "{}", message.text);
        }
        assert_eq!(stored, BTreeMap::new(), "nothing came from nowhere");
    }

    /// Everybody does what there is to do, until nothing is left.
    fn calm_down(&mut self) -> Result<()> {
        for session in self.sessions.clone() {
            self.carry_out_stop(session)?;
            self.store.go_on(session, i64::MAX, "again")?;
            if held(&self.store, session).is_some() {
                // Whoever comes back writes something.
                let at = self
                    .messages
                    .iter()
                    .find(|message| message.session == session)
                    .map(|message| message.arrival.place);
                self.say(at.expect("a session has a message"), 1, false);
            }
            while self.give(session) {}
        }
        for message in &self.messages {
            assert_ne!(message.fate, Fate::Waits, "{} was forgotten", message.text);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_promises_hold(steps in prop::collection::vec(step(), 1..110)) {
        let mut walk = Walk::new();
        for step in &steps {
            walk.step(step).unwrap_or_else(|error| panic!("{step:?}: {error}"));
            walk.check();
        }
        walk.calm_down().expect("the store works");
        walk.check();
    }
}
