//! What people do in a walk, and what stands in their chats.

use super::checks::Decided;
use super::words::{Says, To};
use super::*;
use crate::chat::{Arrival, Inbound, Person, Pick, Press, UserId};
use crate::requests::{Did, presses, replies};
use crate::router::{Allowed, Me, Route};
use crate::store::{Home, Intake, StopSays, Taken};

/// What a person does.
#[derive(Clone, Debug)]
pub enum Deed {
    Write {
        side: usize,
        /// Whether it goes into the turn that runs.
        steers: bool,
    },
    /// A button is pressed that was ever shown.
    Press {
        button: usize,
        from: From,
        by: By,
        /// Whether Telegram gives the press a second time.
        twice: bool,
    },
    /// A button of a question is pressed that was ever shown.
    Pick {
        button: usize,
        from: From,
        by: By,
        twice: bool,
    },
    Stop {
        side: usize,
    },
    /// A text replies to a message that was ever shown, or to another one.
    Reply {
        shown: usize,
        to: To,
        says: Says,
        by: By,
        /// Whether Telegram gives it a second time.
        twice: bool,
    },
    /// A button is pressed that was offered with a message: it is the answer.
    WithThat {
        notice: usize,
        from: From,
        by: By,
        twice: bool,
    },
}

/// Which message a press says it comes from.
#[derive(Clone, Copy, Debug)]
pub enum From {
    Its,
    /// The n-th of all that were shown.
    Another(usize),
    /// One that nobody knows, in its chat or in the other one.
    Unknown {
        here: bool,
    },
    None,
}

pub fn from() -> impl Strategy<Value = From> {
    prop_oneof![
        8 => Just(From::Its),
        2 => any::<usize>().prop_map(From::Another),
        1 => any::<bool>().prop_map(|here| From::Unknown { here }),
        1 => Just(From::None),
    ]
}

/// Who presses.
#[derive(Clone, Copy, Debug)]
pub enum By {
    WhoWasAsked,
    SomebodyElse,
    Stranger,
}

/// Where sessions are made.
pub fn home() -> Home {
    Home {
        root: "/sessions".into(),
        persona: crate::chat::Persona::default(),
    }
}

pub fn user(who_was_asked: i64, by: By) -> i64 {
    match by {
        By::WhoWasAsked => who_was_asked,
        By::SomebodyElse => 3 - who_was_asked,
        By::Stranger => STRANGER,
    }
}

pub fn by() -> impl Strategy<Value = By> {
    prop_oneof![8 => Just(By::WhoWasAsked), 1 => Just(By::SomebodyElse), 1 => Just(By::Stranger)]
}

/// A message with a request's buttons in a chat.
pub struct Shown {
    pub row: RowId,
    pub place: Place,
    pub message: MessageId,
    pub ask: usize,
    /// What its buttons carry and decide; None for what decides nothing.
    all: Vec<(String, Option<Decided>)>,
    /// What its buttons carry and do, where it asks questions, and for which one.
    picks: Vec<(String, usize, Pick)>,
    /// What they carry as they stand there now.
    pub buttons: Vec<String>,
}

/// A message in a chat that offers to deny a request with a message that waits for it.
pub struct Notice {
    pub row: RowId,
    pub place: Place,
    pub message: MessageId,
    pub data: String,
    pub ask: usize,
    /// What the message says that waits.
    pub text: String,
}

/// A row that is on its way out.
pub struct Flying {
    row: RowId,
    place: Place,
    arrived: Option<MessageId>,
}

fn buttons_of(post: &Post) -> Vec<String> {
    let (Post::Message { buttons, .. } | Post::Edit { buttons, .. }) = post else {
        return Vec::new();
    };
    let all = buttons.iter().flatten().map(|button| button.data.clone());
    let of_request = |data: &String| {
        let kind = data.split(':').next().unwrap_or_default();
        matches!(kind, "allow" | "deny" | "always" | "revise" | "pick")
    };
    all.filter(of_request).collect()
}

impl World {
    pub fn people(&mut self, deed: &Deed) {
        self.touched = true;
        match *deed {
            Deed::Write { side, steers } => self.write(side, steers),
            Deed::Press {
                button,
                from,
                by,
                twice,
            } => self.press(button, from, by, twice),
            Deed::Pick {
                button,
                from,
                by,
                twice,
            } => self.pick(button, from, by, twice),
            Deed::Stop { side } => self.stop(side),
            Deed::Reply {
                shown,
                to,
                says,
                by,
                twice,
            } => self.reply(shown, to, says, by, twice),
            Deed::WithThat {
                notice,
                from,
                by,
                twice,
            } => self.with_that(notice, from, by, twice),
        }
    }

    /// Runs `each` for one update, as the poller does, and wakes whom it concerns.
    pub fn take_in<T>(&mut self, each: impl FnOnce(&mut Intake<'_>) -> store::Result<T>) -> T {
        let (mut each, mut value) = (Some(each), None);
        let next = self.counter;
        let accepted = self.store.accept(
            BOT,
            self.unix(),
            next,
            [()],
            |intake, ()| {
                value = Some(each.take().expect("there is one update")(intake)?);
                Ok(())
            },
            |(), error| panic!("the update was skipped: {error}"),
        );
        for session in accepted.expect("the answer is stored").wake {
            self.ring(session);
        }
        value.expect("the update was dealt with")
    }

    pub fn make_session(&mut self, place: Place) -> SessionId {
        self.take_in(|intake| intake.session_at(place, "name", &home(), Some(&[])))
    }

    fn write(&mut self, side: usize, steers: bool) {
        let number = self.number();
        let Side {
            session,
            place,
            user,
            ..
        } = self.sides[side];
        let arrival = Arrival {
            update: number,
            place,
            user: UserId(user),
            message: Some(MessageId(number)),
            edit_date: 0,
            callback: None,
            date: self.unix(),
        };
        let text = format!("do it {number}");
        self.is_written(&text);
        self.take_in(|intake| match steers {
            true => {
                words::queue(intake, &arrival, session, &text)?;
                intake.steer_one(&arrival, session)
            }
            false => words::waits(intake, &arrival, session, &text),
        });
    }

    fn stop(&mut self, side: usize) {
        self.sides[side].stopped = self.number();
        let session = self.sides[side].session;
        let says = StopSays {
            ended: &Formatted::plain("stopped"),
            not_again: "not again",
            withdrawn: crate::render::request::withdrawn_by_stop,
        };
        self.take_in(|intake| intake.stop(session, &says, notice::held));
        self.stops(side);
    }

    /// A press changes something only where it is by one who may speak, from a message that shows the request, and the
    /// request is open.
    fn press(&mut self, which: usize, from: From, by: By, twice: bool) {
        let number = self.number();
        let all = self.shown.iter().enumerate();
        let all: Vec<(usize, usize)> = all
            .flat_map(|(at, shown)| (0..shown.all.len()).map(move |button| (at, button)))
            .collect();
        let Some(at) = which.checked_rem(all.len()) else {
            return;
        };
        let (at, button) = all[at];
        let shown = &self.shown[at];
        let (data, decides) = shown.all[button].clone();
        let (ask, row) = (shown.ask, shown.row);
        let side = &self.sides[self.asks[ask].side];
        let its = (shown.place, shown.message);
        let its_chat = shown.place;
        let source = self.source(its, from);
        let user = user(side.user, by);
        let right = self.is_right(row, its_chat, source, user);
        let is_copy = |one: &Shown| one.row == row && Some((one.place, one.message)) == source;
        if right && !self.shown.iter().any(is_copy) {
            // Telegram itself says where a press comes from: with a right token it is from nowhere else.
            return;
        }
        self.is_heard_of(source.filter(|_| right));
        let decides = decides.filter(|_| right && self.asks[ask].is_open());
        let inbound = Inbound::Press(Press {
            callback: format!("callback{number}"),
            from: Person {
                id: UserId(user),
                name: "Ada".to_owned(),
            },
            at: source,
            data,
        });
        for time in 0..=usize::from(twice) {
            let did = self.deal(number, &inbound);
            let decides = decides.clone().filter(|_| time == 0);
            let should = match decides {
                Some(_) => Did::Decided,
                None => Did::Nothing,
            };
            self.ensure(did == should, "a press does what it should, and no more");
            if let Some(decides) = decides {
                self.decided(ask, decides);
                // The message that was pressed is the one that is known from now on.
                let row = self.rows.get_mut(&row).expect("it was sent");
                row.1 = source.map(|(_, message)| message);
            }
        }
    }

    /// A press on a button of a question changes something only where the same is true, the question is the one that is
    /// asked now, and the button has not counted before.
    fn pick(&mut self, which: usize, from: From, by: By, twice: bool) {
        let number = self.number();
        let all = self.shown.iter().enumerate();
        let all: Vec<(usize, usize)> = all
            .flat_map(|(at, shown)| (0..shown.picks.len()).map(move |button| (at, button)))
            .collect();
        let Some(at) = which.checked_rem(all.len()) else {
            return;
        };
        let (at, button) = all[at];
        let shown = &self.shown[at];
        let (data, question, pick) = shown.picks[button].clone();
        let (ask, row, its_chat) = (shown.ask, shown.row, shown.place);
        let source = self.source((its_chat, shown.message), from);
        let user = user(self.sides[self.asks[ask].side].user, by);
        let right = self.is_right(row, its_chat, source, user);
        let is_copy = |one: &Shown| one.row == row && Some((one.place, one.message)) == source;
        if right && !self.shown.iter().any(is_copy) {
            // Telegram itself says where a press comes from: with a right token it is from nowhere else.
            return;
        }
        self.is_heard_of(source.filter(|_| right));
        let counts = right && self.asks[ask].is_open() && !self.picked.contains(&data);
        let inbound = Inbound::Press(Press {
            callback: format!("callback{number}"),
            from: Person {
                id: UserId(user),
                name: "Ada".to_owned(),
            },
            at: source,
            data: data.clone(),
        });
        for time in 0..=usize::from(twice) {
            let should = match counts && time == 0 {
                true => self.asks[ask].asks.pick(question, pick),
                false => Did::Nothing,
            };
            let did = self.deal(number, &inbound);
            self.ensure(did == should, "a pick does what it should, and no more");
            if should == Did::Nothing {
                continue;
            }
            self.picked.insert(data.clone());
            let row = self.rows.get_mut(&row).expect("it was sent");
            row.1 = source.map(|(_, message)| message);
            if should == Did::Decided {
                let said = self.asks[ask].asks.said.clone();
                self.decided(
                    ask,
                    match pick {
                        Pick::Decline => Decided::Deny { why: None },
                        _ => Decided::Answered(said),
                    },
                );
            }
        }
    }

    /// A press may be how chappe hears of a message's number.
    pub fn is_heard_of(&mut self, source: Option<(Place, MessageId)>) {
        if let Some((place, message)) = source {
            let newest = self.newest.entry(place.chat).or_default();
            *newest = message.0.max(*newest);
        }
    }

    /// Which message a press says it comes from, whose button stands at `its`.
    pub fn source(&self, its: (Place, MessageId), from: From) -> Option<(Place, MessageId)> {
        let (its_chat, message) = its;
        match from {
            From::Its => Some(its),
            From::Another(other) => {
                let other = other.checked_rem(self.shown.len())?;
                let other = &self.shown[other];
                Some((other.place, other.message))
            }
            From::Unknown { here: true } => Some((its_chat, MessageId(9_999_999))),
            From::Unknown { here: false } => Some((place(3 - its_chat.chat.0, None), message)),
            From::None => None,
        }
    }

    /// Whether a press of a row's button counts: by who may press it, from a message that may be the row's.
    pub fn is_right(
        &self,
        row: RowId,
        its_chat: Place,
        source: Option<(Place, MessageId)>,
        user: i64,
    ) -> bool {
        let (tries, known) = self.rows[&row];
        source.is_some_and(|(place, message)| {
            // A row that went out twice may stand there twice; and nobody may know yet that it arrived.
            let shows_it = tries > 1 || known.is_none_or(|known| known == message);
            place.chat == its_chat.chat && place.chat.0 == user && shows_it
        })
    }

    /// Deals with an update as the dispatch does; returns what it has decided.
    pub fn deal(&mut self, update: i64, inbound: &Inbound) -> Did {
        let allowed = Allowed {
            users: MAY_SPEAK.to_vec(),
            chats: Vec::new(),
        };
        let me = Me {
            id: UserId(BOT.0),
            name: String::new(),
        };
        let route = router::route(update, inbound, &allowed, &me);
        if let Route::Prompt { said, .. } = &route {
            self.is_written(&said.text);
        }
        self.take_in(|intake| {
            let Some(arrival) = route.arrival() else {
                return Ok(Did::Nothing);
            };
            if intake.is_repeat(arrival)? {
                return Ok(Did::Nothing);
            }
            if let Route::Prompt { said, .. } = &route {
                return words::written(intake, said);
            }
            intake.close(arrival)?;
            let came = match &route {
                Route::Act { press, token, .. } => {
                    let Taken::Now(offered) = intake.take(token, arrival)? else {
                        return Ok(Did::Nothing);
                    };
                    replies::deny_with(intake, arrival, &press.from, &offered)
                }
                Route::Pick { press, token, .. } => {
                    presses::pick(intake, arrival, &press.from, token)
                }
                Route::Decide {
                    press,
                    token,
                    verdict,
                    ..
                } => presses::decide(intake, arrival, &press.from, token, *verdict),
                Route::Always { press, token, .. } => {
                    presses::allow_always(intake, arrival, &press.from, token)
                }
                Route::Revise { token, .. } => presses::revise(intake, arrival, token),
                _ => return Ok(Did::Nothing),
            };
            came.map(|came| came.did)
        })
    }

    /// The courier sends something that waits.
    pub fn send(&mut self, which: usize, arrives: bool) {
        let mut due = self.store.due(BOT).expect("it can be read");
        // One at a time in a chat, as the pace has it: a change comes after what it changes.
        let is_busy = |chat: ChatId| self.flying.iter().any(|one| one.place.chat == chat);
        due.retain(|due| !is_busy(due.place.chat));
        let Some(at) = which.checked_rem(due.len()) else {
            return;
        };
        let row = due[at].row;
        let Some(ready) = self.store.begin(row).expect("it is noted") else {
            return;
        };
        let message = MessageId(1_000_000 + self.number());
        let arrived = arrives.then_some(message);
        self.flying.push(Flying {
            row,
            place: ready.place,
            arrived,
        });
        let buttons = buttons_of(&ready.post);
        let picks = self.picks(&ready.post);
        match &ready.post {
            Post::Message { body, .. } if !buttons.is_empty() => {
                let shows = |ask: &Ask| body.text.contains(&ask.mark());
                let ask = self.asks.iter().position(shows);
                let ask =
                    ask.unwrap_or_else(|| self.fail("a request does not say what it is about"));
                self.rows.entry(row).or_insert((0, None)).0 += 1;
                self.shown_by.insert(ask, (ready.place, row));
                if arrived.is_some() {
                    let all = self.meanings(ask, &buttons);
                    self.shown.push(Shown {
                        row,
                        place: ready.place,
                        message,
                        ask,
                        all,
                        picks,
                        buttons,
                    });
                }
            }
            Post::Message { .. } => {
                if let Some((data, ask, text)) = self.offered(&ready.post) {
                    self.rows.entry(row).or_insert((0, None)).0 += 1;
                    self.notices.extend(arrived.map(|message| Notice {
                        row,
                        place: ready.place,
                        message,
                        data,
                        ask,
                        text,
                    }));
                }
            }
            Post::Edit { .. } if arrived.is_some() => {
                let edited = |shown: &&mut Shown| {
                    shown.place.chat == ready.place.chat && Some(shown.message) == ready.edits
                };
                for shown in self.shown.iter_mut().filter(edited) {
                    shown.buttons.clone_from(&buttons);
                    let known = std::mem::take(&mut shown.picks);
                    let is_new = |pick: &&(String, usize, Pick)| !known.contains(pick);
                    let new: Vec<_> = picks.iter().filter(is_new).cloned().collect();
                    shown.picks = [known, new].concat();
                }
            }
            _ => {}
        }
    }

    /// What each button decides: the call is allowed, or denied, or allowed with one of the suggestions.
    fn meanings(&self, ask: usize, buttons: &[String]) -> Vec<(String, Option<Decided>)> {
        let mut permits = self.asks[ask].permits.iter();
        let mut meaning = |data: &String| match data.split(':').next() {
            Some("allow") => Some(Decided::Allow { permit: None }),
            Some("deny") => Some(Decided::Deny { why: None }),
            // It only says how to let Claude know what should be different.
            Some("revise") => None,
            _ => Some(Decided::Allow {
                permit: permits.next().cloned(),
            }),
        };
        let decide = buttons.iter().filter(|data| !data.starts_with("pick:"));
        let mut all = Vec::new();
        for data in decide {
            all.push((data.clone(), meaning(data)));
        }
        all
    }

    /// What each button of a question does, and for which question, as a person reads it.
    fn picks(&self, post: &Post) -> Vec<(String, usize, Pick)> {
        let (Post::Message { body, buttons, .. } | Post::Edit { body, buttons, .. }) = post else {
            return Vec::new();
        };
        let shows = |ask: &&checks::Ask| body.text.contains(&ask.mark());
        let Some(ask) = self.asks.iter().find(shows) else {
            return Vec::new();
        };
        // Above the one that is asked stand those that are answered.
        let questions = ask.asks.questions.iter().enumerate();
        let mut shown = questions.filter(|(_, (text, _))| body.text.contains(text.as_str()));
        let Some((question, (_, several))) = shown.next_back() else {
            return Vec::new();
        };
        let pick = |label: &str| match (label.trim_start_matches("✓ "), several) {
            ("Done", _) => Pick::Done,
            ("Decline", _) => Pick::Decline,
            ("Something else…", _) => Pick::Else,
            (option, false) => Pick::Answer {
                option: usize::from(option == "B"),
            },
            (option, true) => Pick::Choose {
                option: usize::from(option == "B"),
                on: option == label,
            },
        };
        let buttons = buttons.iter().flatten();
        let buttons = buttons.filter(|button| button.data.starts_with("pick:"));
        let pick =
            |button: &crate::chat::Button| (button.data.clone(), question, pick(&button.label));
        buttons.map(pick).collect()
    }

    /// The courier hears what became of what it has sent, or not.
    pub fn sent(&mut self, which: usize, heard: bool) {
        let Some(at) = which.checked_rem(self.flying.len()) else {
            return;
        };
        let Flying {
            row,
            place,
            arrived,
        } = self.flying.remove(at);
        let noted = match arrived {
            Some(message) if heard => {
                self.is_heard_of(Some((place, message)));
                if let Some(known) = self.rows.get_mut(&row) {
                    known.1 = Some(message);
                }
                self.store.delivered(row, place.chat, Some(message))
            }
            // It is not known whether it arrived, or it certainly did not.
            arrived => {
                let may_have = arrived.is_some();
                if let (Some(known), false) = (self.rows.get_mut(&row), may_have) {
                    known.0 -= 1;
                }
                self.store.put_back(row, may_have)
            }
        };
        noted.expect("it is noted");
    }

    /// Telegram says that it will never take something.
    pub fn refuse(&mut self, which: usize) {
        // What only changes a message is tried in plainer words, or there is nothing to change.
        let refused = |one: &&Flying| one.arrived.is_none() && self.rows.contains_key(&one.row);
        let refused: Vec<RowId> = self
            .flying
            .iter()
            .filter(refused)
            .map(|one| one.row)
            .collect();
        let Some(at) = which.checked_rem(refused.len()) else {
            return;
        };
        let row = refused[at];
        self.touched = true;
        self.flying.retain(|flying| flying.row != row);
        if let Some(known) = self.rows.get_mut(&row) {
            known.0 -= 1;
        }
        let open: BTreeSet<usize> = self.open_asks();
        let denied = Post::message(Formatted::plain("not shown"));
        let told = self
            .store
            .refuse(row, self.unix(), &denied, texts::NOBODY_SAW);
        if let Some(session) = told.expect("it is noted") {
            self.ring(session);
            // Which one it was is known by which one is not open any more.
            let left: BTreeSet<String> = self.pending_inputs();
            let gone = open
                .into_iter()
                .filter(|ask| !left.contains(self.asks[*ask].asked_now()));
            let gone: Vec<usize> = gone.collect();
            self.ensure(gone.len() == 1, "one message shows one request");
            let why = Some(texts::NOBODY_SAW.to_owned());
            self.decided(gone[0], Decided::Deny { why });
        }
    }

    pub fn open_asks(&self) -> BTreeSet<usize> {
        let open = self.asks.iter().enumerate();
        let open = open.filter(|(_, ask)| ask.is_open());
        open.map(|(at, _)| at).collect()
    }

    /// The courier does its part; returns whether it had one.
    pub fn goes_out(&mut self) -> bool {
        if !self.flying.is_empty() {
            self.sent(0, true);
            return true;
        }
        let is_due = !self.store.due(BOT).expect("it can be read").is_empty();
        if is_due {
            self.send(0, true);
        }
        is_due
    }

    /// Somebody presses a button of what is open; returns whether there is any.
    pub fn somebody_decides(&mut self) -> bool {
        let open = self.shown.iter().position(|shown| {
            let known = self.rows[&shown.row].1;
            self.asks[shown.ask].is_open() && known.is_none_or(|known| known == shown.message)
        });
        let Some(at) = open else {
            return false;
        };
        self.touched = true;
        let chance = self.counter as usize;
        let shown = &self.shown[at];
        if shown.all.is_empty() {
            let question = self.asks[shown.ask].asks.said.len();
            // What is chosen here stays so: whoever chooses for ever answers nothing.
            let goes_on = |(data, of, pick): &&(String, usize, Pick)| {
                let ends = !matches!(pick, Pick::Else | Pick::Choose { on: false, .. });
                *of == question && !self.picked.contains(data) && ends
            };
            let ways: Vec<String> = shown
                .picks
                .iter()
                .filter(goes_on)
                .map(|(data, ..)| data.clone())
                .collect();
            let Some(way) = chance.checked_rem(ways.len()) else {
                return false;
            };
            let before: usize = self.shown[..at].iter().map(|shown| shown.picks.len()).sum();
            let mut its = shown.picks.iter();
            let button = its.position(|(data, ..)| *data == ways[way]);
            let button = before + button.expect("it is there");
            self.pick(button, From::Its, By::WhoWasAsked, false);
            return true;
        }
        let before: usize = self.shown[..at].iter().map(|shown| shown.all.len()).sum();
        let deciding = shown.all.iter().enumerate();
        let deciding = deciding.filter(|(_, (_, decides))| decides.is_some());
        let deciding: Vec<usize> = deciding.map(|(at, _)| at).collect();
        let button = before + deciding[chance % deciding.len()];
        self.press(button, From::Its, By::WhoWasAsked, false);
        true
    }

    /// What works behind the turns comes to its end; returns whether there was anything.
    pub fn agents_end(&mut self) -> bool {
        let works = |side: &Side| {
            let process = side.process.as_ref();
            process.is_some_and(|one| !one.agents.is_empty() && one.waits.is_empty())
        };
        let Some(at) = self.sides.iter().position(works) else {
            return false;
        };
        self.claude(at, &Does::AgentEnds);
        true
    }
}
