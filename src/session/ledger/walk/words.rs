//! What people write in a walk while requests are open: replies, and messages that become the answer.
//!
//! A text denies what it is for, and that with its words, or it changes nothing. It never allows a tool.

use super::checks::Decided;
use super::people::{By, From, user};
use super::*;
use crate::chat::{Act, Arrival, Body, Inbound, Incoming, Person, Press, UserId};
use crate::requests::{Did, replies};
use crate::router::Said;
use crate::store::{Came, Intake, Overtakes, Queued, Written};

/// To which message somebody replies.
#[derive(Clone, Copy, Debug)]
pub enum To {
    /// One that shows a request, or has shown it.
    Shown,
    /// One of the other messages of the chat.
    Theirs,
    /// One that nobody knows.
    Unknown,
}

pub fn to() -> impl Strategy<Value = To> {
    prop_oneof![8 => Just(To::Shown), 1 => Just(To::Theirs), 1 => Just(To::Unknown)]
}

/// What a reply says.
#[derive(Clone, Copy, Debug)]
pub enum Says {
    /// No more than yes.
    Yes,
    /// Something else, in which a yes may be.
    Other { yes: bool },
    /// Words of somebody else, forwarded.
    Forwarded,
}

pub fn says() -> impl Strategy<Value = Says> {
    prop_oneof![
        2 => Just(Says::Yes),
        6 => any::<bool>().prop_map(|yes| Says::Other { yes }),
        1 => Just(Says::Forwarded),
    ]
}

/// Takes in what somebody has written, as the dispatch does.
pub fn written(intake: &mut Intake<'_>, said: &Said<'_>) -> store::Result<Did> {
    if let Some(did) = replies::to_request(intake, said, false)? {
        return Ok(did);
    }
    let arrival = &said.arrival;
    let replied = match said.reply_to {
        Some(message) => intake.session_of(arrival.place.chat, message)?,
        None => None,
    };
    let session = match replied {
        Some(session) => session,
        None => intake.session_at(arrival.place, "name", &people::home(), Some(&[]))?,
    };
    waits(intake, arrival, session, &said.text)?;
    Ok(Did::Nothing)
}

pub fn queue(
    intake: &mut Intake<'_>,
    arrival: &Arrival,
    session: SessionId,
    text: &str,
) -> store::Result<Queued> {
    let written = Written {
        text,
        origin: None,
        arrived: 0,
        overtakes: Overtakes {
            failure: "after yours",
            question: "left",
        },
        came: Came::Now,
    };
    intake.queue(arrival, session, &written)
}

/// Queues a message, and offers to make it the answer to what it waits for.
pub fn waits(
    intake: &mut Intake<'_>,
    arrival: &Arrival,
    session: SessionId,
    text: &str,
) -> store::Result<()> {
    match queue(intake, arrival, session, text)? {
        Queued::Waits => replies::wait_for_answer(intake, arrival, session, text),
        Queued::Kept | Queued::Refused => Ok(()),
    }
}

/// Something of nobody that has arrived at a place.
fn arrived_at(place: Place) -> Arrival {
    Arrival {
        update: 0,
        place,
        user: UserId(0),
        message: None,
        edit_date: 0,
        callback: None,
        date: 0,
    }
}

impl World {
    /// Somebody writes this.
    pub fn is_written(&mut self, text: &str) {
        let behind = self.asks.iter().map(|ask| ask.asks.said.len());
        let behind = behind.collect();
        self.written.entry(text.to_owned()).or_insert(behind);
    }

    /// What a message of ours offers to do with a message that waits: what the button carries, which request it denies,
    /// and with which text.
    pub fn offered(&mut self, post: &Post) -> Option<(String, usize, String)> {
        let Post::Message { body, buttons, .. } = post else {
            return None;
        };
        let data = buttons.iter().flatten().map(|button| &button.data).next()?;
        let token = data.strip_prefix("do:")?;
        let act = self.store.act_for(BOT, token).expect("it can be read");
        let Some((Act::DenyWith { request, text, .. }, _)) = act else {
            return None;
        };
        let ask = self.stored[request as usize - 1];
        let one = &self.asks[ask];
        let says = one.tool() != "Bash" || body.text.contains(&one.mark());
        self.ensure(says, "an offer does not say what it is about");
        Some((data.clone(), ask, text))
    }

    /// A reply changes something only where it is by one who may speak, in words of their own, and what it is for is open.
    pub fn reply(&mut self, which: usize, to: To, says: Says, by: By, twice: bool) {
        let number = self.number();
        let Some(shown) = which.checked_rem(self.shown.len()) else {
            return;
        };
        let shown = &self.shown[shown];
        let (place, row, ask) = (shown.place, shown.row, shown.ask);
        let to = match to {
            To::Shown => shown.message,
            To::Theirs => MessageId(number - 1),
            To::Unknown => MessageId(9_999_999),
        };
        let by = match by {
            // In the chat of one person nobody else writes.
            By::SomebodyElse => By::WhoWasAsked,
            by => by,
        };
        let user = user(self.sides[self.asks[ask].side].user, by);
        let text = match says {
            // Each in words of its own, so that it is known again.
            Says::Yes => format!("{number:b} 👍")
                .replace('1', "yes ")
                .replace('0', "ok "),
            Says::Other { yes: true } => format!("yes, but only {number}"),
            Says::Other { yes: false } | Says::Forwarded => format!("not {number}"),
        };
        let is_forwarded = matches!(says, Says::Forwarded);
        let inbound = Inbound::Message(Incoming {
            place,
            forum: false,
            private: true,
            title: String::new(),
            from: Some(Person {
                id: UserId(user),
                name: "Ada".to_owned(),
            }),
            message: MessageId(number),
            date: self.unix(),
            edit_date: 0,
            origin: is_forwarded.then(|| "Bob".to_owned()),
            reply_to: Some(to),
            replied_to: Some(UserId(BOT.0)),
            caption: String::new(),
            body: Body::Text(text.clone()),
        });
        let is_for = self.replied_to(place, to, (row, ask));
        let is_early = is_for.is_some_and(|ask| self.is_early(place, to, ask));
        let is_for = is_for.filter(|ask| {
            // To a question a yes is an answer.
            let says_no = self.asks[*ask].is_question() || !matches!(says, Says::Yes);
            MAY_SPEAK.contains(&user) && !is_forwarded && says_no
        });
        for time in 0..=usize::from(twice) {
            let did = self.deal(number, &inbound);
            let Some(ask) = is_for.filter(|_| time == 0 && !is_early) else {
                self.ensure(did == Did::Nothing, "a reply decides what it should not");
                continue;
            };
            self.in_words(ask, &text, did);
            if !matches!(says, Says::Yes) {
                self.spent.insert(text.clone());
            }
            self.is_seen(ask, to, did);
        }
    }

    /// A text has denied a request, or answered a question of it.
    fn in_words(&mut self, at: usize, text: &str, did: Did) {
        let ask = &mut self.asks[at];
        let (should, decided) = match ask.is_question() {
            false => {
                let why = Some(ask.denied_for(text));
                (Did::Decided, Decided::Deny { why })
            }
            true => {
                let should = ask.asks.answer(Some(text));
                (should, Decided::Answered(ask.asks.said.clone()))
            }
        };
        self.ensure(did == should, "a text does what it should, and no more");
        if should == Did::Decided {
            self.decided(at, decided);
        }
    }

    /// The message to which somebody replies is the one that is known from now on.
    fn is_seen(&mut self, ask: usize, message: MessageId, did: Did) {
        let mut of_ask = self.shown.iter().filter(|shown| shown.ask == ask);
        let row = of_ask.next().map(|shown| shown.row);
        let known = row.and_then(|row| self.rows[&row].1);
        if did == Did::GoesOn && known.is_none() {
            // It does not say which message asks.
            return;
        }
        let its = |shown: &people::Shown| shown.ask == ask && shown.message == message;
        self.asks[ask].is_strange |= !self.shown.iter().any(its);
        // What is on its way and did not arrive anywhere is shown by nothing yet.
        if let Some(known) = row.and_then(|row| self.rows.get_mut(&row)) {
            known.1 = Some(message);
        }
    }

    /// The request for which chappe takes a reply to a message, which may be the one that a row shows.
    fn replied_to(&mut self, place: Place, to: MessageId, its: (RowId, usize)) -> Option<usize> {
        let arrival = arrived_at(place);
        let found = self.take_in(|intake| intake.request_replied_to(&arrival, to, true));
        let found = found.map(|found| self.ask_of(&found.input));
        let known: BTreeSet<usize> = self
            .shown
            .iter()
            .filter(|shown| shown.place.chat == place.chat && self.rows[&shown.row].1 == Some(to))
            .map(|shown| shown.ask)
            .collect();
        if !known.is_empty() {
            // Several share a message only where a press said that it comes from one that does not show it.
            let mut open = known.iter().filter(|ask| self.asks[**ask].is_open());
            let is_right = match found {
                Some(found) => open.any(|ask| *ask == found),
                None => open.next().is_none(),
            };
            self.ensure(is_right, "a reply is for what its message shows");
            return found;
        }
        // Nobody has said yet under which number it arrived: it is for the only one that it can be for, or for none.
        let on_its_way = self.on_their_way(place.chat);
        let (row, ask) = its;
        let is_its = self
            .shown
            .iter()
            .any(|shown| shown.row == row && shown.message == to);
        let newest = self.newest.get(&place.chat).copied().unwrap_or_default();
        let is_strange = self.asks.iter().any(|ask| ask.is_strange);
        if is_its && on_its_way == [ask] && to.0 > newest && !is_strange {
            self.ensure(found == Some(ask), "a reply that is quick is for nothing");
        }
        let may = found.is_none_or(|found| on_its_way == [found]);
        self.ensure(may, "a reply is for what it cannot be for");
        found
    }

    /// Whether a reply is to a question that stands there still, and was answered: what is asked now is on its way.
    fn is_early(&mut self, place: Place, to: MessageId, ask: usize) -> bool {
        let early = self.asks[ask].is_question() && !self.asks[ask].asks.said.is_empty();
        let arrival = arrived_at(place);
        early
            && self.take_in(|intake| {
                let found = intake.request_replied_to(&arrival, to, true)?;
                let asking = found.map(|found| intake.asking(&found.token)).transpose()?;
                Ok(asking.flatten().is_some_and(|asking| asking.is_on_its_way))
            })
    }

    /// The open requests that went out to a chat, and nobody has said that they arrived.
    fn on_their_way(&self, chat: ChatId) -> Vec<usize> {
        let open = self.open_asks().into_iter();
        let unknown = |ask: &usize| {
            let rows = self.shown_by.get(ask);
            rows.is_some_and(|(place, row)| {
                let (tries, known) = self.rows[row];
                place.chat == chat && tries > 0 && known.is_none()
            })
        };
        open.filter(unknown).collect()
    }

    fn ask_of(&self, input: &str) -> usize {
        let found = self.asks.iter().position(|ask| ask.input == input);
        found.unwrap_or_else(|| self.fail("nobody has asked that"))
    }

    /// A press makes a message the answer where it is by one who may speak, on a button that was not used, and both the
    /// request is open and the message waits.
    pub fn with_that(&mut self, which: usize, from: From, by: By, twice: bool) {
        let number = self.number();
        let Some(at) = which.checked_rem(self.notices.len()) else {
            return;
        };
        let Notice {
            row,
            place,
            message,
            ask,
            ref data,
            ref text,
        } = self.notices[at];
        let (data, text) = (data.clone(), text.clone());
        let source = self.source((place, message), from);
        let user = user(self.sides[self.asks[ask].side].user, by);
        let right = self.is_right(row, place, source, user);
        let is_copy = |one: &Notice| one.row == row && Some((one.place, one.message)) == source;
        if right && !self.notices.iter().any(is_copy) {
            // Telegram itself says where a press comes from: with a right token it is from nowhere else.
            return;
        }
        self.is_heard_of(source.filter(|_| right));
        // What is asked now is what was asked when it was written.
        let is_asked = self.written[&text][ask] == self.asks[ask].asks.said.len();
        let is_there = is_asked && self.asks[ask].is_open() && !self.given.contains(&text);
        let is_shown = self
            .shown_by
            .get(&ask)
            .is_some_and(|(_, row)| self.rows[row].1.is_some());
        let is_first = right && !self.used.contains(&row);
        let expected = is_first && is_there && is_shown;
        if right {
            // Before the request is known to be there, the button stays.
            if !(is_first && is_there) || is_shown {
                self.used.insert(row);
            }
            let known = self.rows.get_mut(&row).expect("it was sent");
            known.1 = source.map(|(_, message)| message);
        }
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
            if !expected || time > 0 {
                self.ensure(did == Did::Nothing, "an offer does what it should not");
                continue;
            }
            self.in_words(ask, &text, did);
            self.spent.insert(text.clone());
        }
    }
}
