//! Random walks: whatever the poller, the owners and the courier do in whatever order, what the store promises holds.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::chat::{Person, Verdict};

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
    Give {
        session: usize,
    },
    Taken {
        prompt: usize,
    },
    Ask {
        prompt: usize,
        before: usize,
    },
    Press {
        request: usize,
        astray: bool,
        verdict: bool,
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
        4 => which().prop_map(|session| Step::Give { session }),
        2 => which().prop_map(|prompt| Step::Taken { prompt }),
        3 => (which(), 0..3_usize).prop_map(|(prompt, before)| Step::Ask { prompt, before }),
        3 => (which(), prop::bool::weighted(0.2), any::<bool>())
            .prop_map(|(request, astray, verdict)| Step::Press { request, astray, verdict }),
        1 => which().prop_map(|request| Step::Told { request }),
        1 => which().prop_map(|request| Step::CloseOne { request }),
        1 => which().prop_map(|session| Step::CloseAll { session }),
        3 => (which(), 0..4_usize).prop_map(|(prompt, blocks)| Step::Finish { prompt, blocks }),
        1 => which().prop_map(|session| Step::Unasked { session }),
        10 => which().prop_map(|row| Step::Begin { row }),
        10 => (which(), 0..9_usize).prop_map(|(row, how)| Step::Settle { row, how }),
        1 => (0..3_usize).prop_map(|chat| Step::CloseChat { chat }),
        1 => Just(Step::Restart),
        1 => (0..50_i64).prop_map(|days| Step::Prune { days }),
    ]
}

const PLACES: [Place; 4] = [place(1), place(2), topic(2, 5), place(3)];

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
    /// Every text that was written, with its place and its user; and how often it was part of a prompt.
    written: Vec<(Arrival, String, usize)>,
    prompts: Vec<(SessionId, PromptId)>,
    requests: Vec<Known>,
    /// What the courier has on its way, with its place and lane.
    on_the_way: BTreeMap<RowId, (Place, Lane)>,
    /// Text rows in the order in which they were delivered, by place.
    delivered: BTreeMap<Place, Vec<RowId>>,
    messages: i64,
}

fn choose<T>(all: &[T], which: usize) -> Option<&T> {
    all.get(which.checked_rem(all.len())?)
}

impl Walk {
    fn new() -> Walk {
        Walk {
            store: Store::in_memory(),
            updates: 0,
            sessions: BTreeSet::new(),
            written: Vec::new(),
            prompts: Vec::new(),
            requests: Vec::new(),
            on_the_way: BTreeMap::new(),
            delivered: BTreeMap::new(),
            messages: 10_000,
        }
    }

    fn session(&self, which: usize) -> Option<SessionId> {
        choose(&self.sessions.iter().copied().collect::<Vec<_>>(), which).copied()
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
            } => {
                let update = self.update();
                let arrival = Arrival {
                    user: UserId(user),
                    ..message(update, PLACES[place])
                };
                let text = format!("{}text {update}", if command { "/" } else { "" });
                let session = say(&self.store, &arrival, &text);
                self.sessions.insert(session);
                self.written.push((arrival, text, 0));
            }
            Step::Edit { message } => {
                let len = self.written.len();
                let Some(at) = message.checked_rem(len) else {
                    return Ok(());
                };
                let (arrival, text, times) = &mut self.written[at];
                let changed = format!("{text}*");
                let edited = take_in(&self.store, NOW, |intake| intake.edit(arrival, &changed));
                // A message that was given long ago may have been forgotten.
                match (edited, *times) {
                    (Edited::InTime, 0) => *text = changed,
                    (Edited::TooLate(_) | Edited::Nothing, 1) => {}
                    other => panic!("{other:?} for {arrival:?}"),
                }
            }
            Step::Give { session } => self.give(session),
            Step::Taken { prompt } => {
                if let Some(&(_, prompt)) = choose(&self.prompts, prompt) {
                    self.store.taken(prompt)?;
                }
            }
            Step::Ask { prompt, before } => self.ask(prompt, before)?,
            Step::Press {
                request,
                astray,
                verdict,
            } => self.press(request, astray, verdict),
            Step::Told { request } => {
                if let Some(request) = choose(&self.requests, request) {
                    self.store.told(request.session, &request.claude)?;
                }
            }
            Step::CloseOne { request } => {
                if let Some(request) = choose(&self.requests, request) {
                    let claude = Some(request.claude.as_str());
                    self.store.close_requests(
                        request.session,
                        NOW,
                        claude,
                        "withdrawn",
                        Clone::clone,
                    )?;
                }
            }
            Step::CloseAll { session } => {
                if let Some(session) = self.session(session) {
                    self.store
                        .close_requests(session, NOW, None, "expired", Clone::clone)?;
                }
            }
            Step::Finish { prompt, blocks } => {
                if let Some(&(session, prompt)) = choose(&self.prompts, prompt) {
                    let posts =
                        (0..blocks).map(|block| (format!("{prompt}/{block}"), post("answer")));
                    let closing = Closing {
                        posts: posts.collect(),
                        ..closing(prompt, &[])
                    };
                    self.store.finish(BOT, session, NOW, &closing, not_held)?;
                }
            }
            Step::Unasked { session } => {
                if let Some(session) = self.session(session) {
                    let key = format!("unasked/{}", self.update());
                    self.store.unasked(
                        BOT,
                        session,
                        NOW,
                        Spent::default(),
                        &[(key, post("news"))],
                    )?;
                }
            }
            Step::Begin { row } => self.begin(row)?,
            Step::Settle { row, how } => self.settle(row, how)?,
            Step::CloseChat { chat } => self.store.close_chat(BOT, ChatId(chat as i64 + 1), NOW)?,
            Step::Restart => {
                self.store.take_up_outbox(BOT)?;
                self.on_the_way.clear();
            }
            Step::Prune { days } => self.store.prune(NOW + days * 24 * 3600)?,
        }
        Ok(())
    }

    /// A prompt is made of messages that were never given, of one place and sender, in order.
    fn give(&mut self, session: usize) {
        let Some(session) = self.session(session) else {
            return;
        };
        let waiting = self.store.work(session).expect("it can be read").waiting;
        let Some((prompt, left)) = give(&self.store, session) else {
            assert_eq!(waiting, 0);
            return;
        };
        let mut parts = Vec::new();
        for (arrival, text, times) in &mut self.written {
            if prompt.text.lines().any(|line| line == text) {
                *times += 1;
                assert_eq!(*times, 1, "{text} was given twice");
                assert_eq!(arrival.place, prompt.place);
                parts.push((arrival.user, text.clone()));
            }
        }
        assert_eq!(parts.len() + left, waiting);
        assert!(parts.iter().all(|part| part.0 == parts[0].0));
        assert!(parts.len() == 1 || !parts.iter().any(|part| is_command(&part.1)));
        let texts: Vec<String> = parts.into_iter().map(|part| part.1).collect();
        assert_eq!(prompt.text, texts.join("\n"));
        self.prompts.push((session, prompt.id));
    }

    fn ask(&mut self, prompt: usize, before: usize) -> Result<()> {
        let open = "SELECT CAST(id AS TEXT) FROM prompt WHERE state != 'closed' ORDER BY id";
        let Some(id) = choose(&words(&self.store, open), prompt).cloned() else {
            return Ok(());
        };
        let prompt = PromptId(id.parse().expect("it is a number"));
        let session = SessionId(number(
            &self.store,
            &format!("SELECT session FROM prompt WHERE id = {prompt}"),
        ));
        let name = format!("request-{}", self.update());
        let asked = Asked {
            before: (0..before)
                .map(|part| (format!("{name}/{part}"), post("above")))
                .collect(),
            ..asked(Some(prompt), &name)
        };
        self.store.ask(BOT, session, NOW, &asked)?;
        let row = number(&self.store, "SELECT MAX(id) FROM outbox");
        let chat = number(
            &self.store,
            &format!("SELECT chat FROM outbox WHERE id = {row}"),
        );
        let in_topic = number(
            &self.store,
            &format!("SELECT topic FROM outbox WHERE id = {row}"),
        );
        self.requests.push(Known {
            claude: name,
            session,
            token: asked.token,
            row,
            place: place_of(chat, in_topic),
        });
        Ok(())
    }

    /// Only an open request can be decided, and only from its place.
    fn press(&mut self, request: usize, astray: bool, verdict: bool) {
        let update = self.update();
        let Some(request) = choose(&self.requests, request) else {
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
        let pressed = take_in(&self.store, NOW, |intake| {
            intake.decide(&request.token, verdict, &ada, &from)
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

    /// What the courier takes next: one call for each chat, as it does.
    fn begin(&mut self, row: usize) -> Result<()> {
        let due: Vec<_> = self
            .store
            .due(BOT)?
            .into_iter()
            .filter(|due| {
                self.on_the_way
                    .values()
                    .all(|(place, _)| place.chat != due.place.chat)
            })
            .collect();
        let Some(due) = choose(&due, row).copied() else {
            return Ok(());
        };
        assert!(self.store.begin(due.row)?.is_some(), "what is due waits");
        let row = due.row;
        let no_longer_open =
            format!("SELECT COUNT(*) FROM request WHERE row = {row} AND state != 'open'");
        assert_eq!(
            number(&self.store, &no_longer_open),
            0,
            "{row} cannot be answered any more"
        );
        if due.lane == Lane::Request {
            let own = format!(
                "SELECT COUNT(*) FROM outbox JOIN outbox request ON request.id = {row} WHERE outbox.id < {row}
                 AND outbox.prompt = request.prompt AND outbox.lane = 2 AND outbox.state IN ('waiting', 'sending')"
            );
            assert_eq!(number(&self.store, &own), 0, "{row} overtakes its own turn");
        }
        self.on_the_way.insert(row, (due.place, due.lane));
        Ok(())
    }

    fn settle(&mut self, row: usize, how: usize) -> Result<()> {
        let rows: Vec<RowId> = self.on_the_way.keys().copied().collect();
        let Some(&row) = choose(&rows, row) else {
            return Ok(());
        };
        let (place, lane) = self.on_the_way.remove(&row).expect("it is on its way");
        match how {
            0 => self.store.put_back(row, false)?,
            1 => self.store.put_back(row, true)?,
            2 => drop(self.store.refuse(row, NOW, &post("denied"))?),
            3 => self.store.replace(row, &[post("simpler")])?,
            4 => self
                .store
                .replace(row, &[post("its first half"), post("its second half")])?,
            _ => {
                self.messages += 1;
                self.store
                    .delivered(row, place.chat, Some(MessageId(self.messages)))?;
                if lane == Lane::Text {
                    self.delivered.entry(place).or_default().push(row);
                }
            }
        }
        Ok(())
    }

    fn check(&self) {
        let none = [
            "SELECT COUNT(*) FROM pragma_foreign_key_check",
            "SELECT COUNT(*) FROM inbox WHERE state NOT IN ('waiting', 'given', 'closed', 'refused')",
            "SELECT COUNT(*) FROM inbox WHERE (state = 'given') != (prompt IS NOT NULL)",
            "SELECT COUNT(*) FROM inbox WHERE state = 'waiting' AND (session IS NULL OR text IS NULL)",
            "SELECT COUNT(*) FROM prompt WHERE state NOT IN ('sent', 'taken', 'closed')",
            "SELECT COUNT(*) FROM prompt WHERE (state = 'closed') != (outcome IS NOT NULL AND closed IS NOT NULL)",
            "SELECT COUNT(*) FROM request WHERE state NOT IN ('open', 'allowed', 'denied', 'withdrawn', 'expired')",
            "SELECT COUNT(*) FROM request WHERE state IN ('withdrawn', 'expired') AND told = 0",
            "SELECT COUNT(*) FROM request JOIN outbox ON outbox.id = request.row
             WHERE request.state = 'open' AND outbox.state = 'withdrawn'",
            "SELECT COUNT(*) FROM outbox
             WHERE state NOT IN ('waiting', 'sending', 'delivered', 'withdrawn', 'refused') OR tries < 0",
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
        let waiting = self
            .written
            .iter()
            .filter(|(_, _, times)| *times == 0)
            .count() as i64;
        assert_eq!(
            number(
                &self.store,
                "SELECT COUNT(*) FROM inbox WHERE state = 'waiting'"
            ),
            waiting,
            "a message waits until it is given"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_promises_hold(steps in prop::collection::vec(step(), 1..90)) {
        let mut walk = Walk::new();
        for step in &steps {
            walk.step(step).unwrap_or_else(|error| panic!("{step:?}: {error}"));
            walk.check();
        }
    }
}
