//! Deals with one update, within the transaction of its answer: stores what is for a session, carries out what needs
//! none, and puts what is to be said into the outbox.
//!
//! What an update means is decided by the router; here it is done, all of it or nothing. It waits for nobody and calls
//! nobody: not Telegram, not a session's owner.

use super::ahead::{Ahead, Found};
use super::commands::{self, choices::Effect};
use super::desk::{Desk, say, stop};
use super::update::Decoded;
use crate::chat::{
    Act, Arrival, Behind, Formatted, Lane, MessageId, Notice, Offer, Place, Post, Press, RowId,
    SessionId, StatusAct,
};
use crate::render::texts;
use crate::requests::{presses, replies};
use crate::router::{Command, Route, Said};
use crate::store::{
    self, Came, CatchUp, Edited, InStatus, Intake, OfLine, Offered, Overtakes, Queued, Release,
    Stop, Taken, Written,
};

/// What is said where a new message goes before what was held.
const OVERTAKES: Overtakes<'static> = Overtakes {
    failure: texts::AFTER_THE_NEW_MESSAGE,
    question: texts::LEFT_FOR_A_NEW_MESSAGE,
};

/// When an answer of getUpdates came.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// In milliseconds of Unix time.
    pub arrived: i64,
    /// Set as long as the answers bring what came while chappe was away: what was sent at this time (Unix seconds) or
    /// earlier is so old that a person is asked about it.
    pub away: Option<i64>,
}

impl Moment {
    fn came(self, arrival: &Arrival) -> Came {
        match self.away {
            None => Came::Now,
            Some(old) => Came::WhileAway {
                long_ago: arrival.date <= old,
            },
        }
    }
}

impl Desk {
    /// Where an update comes from, if it is one of those that are dealt with.
    pub fn place_of(&self, update: &Decoded) -> Option<Place> {
        self.route(update)?.arrival().map(|arrival| arrival.place)
    }

    /// Where somebody who may speak has pressed a button, and the press, if an update is one.
    pub fn press_of(&self, update: &Decoded) -> Option<(Place, String)> {
        let route = self.route(update)?;
        let arrival = route.arrival()?;
        Some((arrival.place, arrival.callback.clone()?))
    }

    /// The press that is only to be told that it does nothing, if an update is one. Nothing of it is stored: whoever may
    /// not speak could fill the disk with them.
    pub fn turned_away<'a>(&self, update: &'a Decoded) -> Option<&'a Press> {
        match self.route(update)? {
            Route::TurnAway(press) => Some(press),
            _ => None,
        }
    }

    /// Whether an update leads to anything that is stored. In a busy group nearly nothing does.
    pub fn is_of_use(&self, update: &Decoded) -> bool {
        let of_no_use = |route| {
            matches!(
                route,
                Route::Ignore(_) | Route::TurnAway(_) | Route::Unserved(_)
            )
        };
        self.route(update).is_some_and(|route| !of_no_use(route))
    }

    /// Deals with an update.
    pub fn deal(
        &self,
        intake: &mut Intake<'_>,
        at: Moment,
        update: &Decoded,
        ahead: &Ahead,
    ) -> store::Result<()> {
        let Some(route) = self.route(update) else {
            return Ok(());
        };
        if let Some(arrival) = route.arrival()
            && intake.is_repeat(arrival)?
        {
            return Ok(());
        }
        match &route {
            Route::Ignore(_) | Route::TurnAway(_) | Route::Unserved(_) => Ok(()),
            // Done twice, these do the same once.
            Route::OpenChat(chat) => intake.open_chat(*chat),
            Route::CloseChat(chat) => intake.close_chat(*chat),
            Route::MoveChat { from, to } => intake.move_chat(*from, *to),
            Route::Prompt { said, suggested } => {
                let arrival = &said.arrival;
                if replies::to_request(intake, said, at.away.is_some())?.is_some() {
                    return Ok(());
                }
                let replied = match said.reply_to {
                    Some(message) => intake.session_of(arrival.place.chat, message)?,
                    None => None,
                };
                if let (None, Some(to)) = (replied, said.reply_to)
                    && intake.is_of_who_is_gone(arrival.place.chat, to)?
                {
                    // In another folder it might be something else that is wanted.
                    intake.close(arrival)?;
                    return say(
                        intake,
                        arrival.place,
                        Formatted::plain(texts::SESSION_IS_GONE),
                    );
                }
                let session = match replied {
                    Some(session) => session,
                    None => self.session_here(intake, arrival.place, suggested, ahead)?,
                };
                let written = Written {
                    text: &said.text,
                    origin: said.origin,
                    arrived: at.arrived,
                    overtakes: OVERTAKES,
                    came: at.came(arrival),
                };
                self.prompt(intake, arrival, session, &written, false)
            }
            Route::Command {
                arrival,
                suggested,
                command: Command::Steer(text),
                reply_to,
            } if !text.is_empty() => {
                let session = match self.replied(intake, arrival.place, *reply_to)? {
                    Some(session) => session,
                    None => self.session_here(intake, arrival.place, suggested, ahead)?,
                };
                let written = Written {
                    text,
                    origin: None,
                    // Nothing is waited for that may belong to it.
                    arrived: 0,
                    overtakes: OVERTAKES,
                    came: at.came(arrival),
                };
                self.prompt(intake, arrival, session, &written, true)
            }
            Route::Edit(said) => {
                let Said { arrival, text, .. } = said;
                let edited = intake.edit(arrival, text, texts::CORRECTION)?;
                // It may have replied to a request and changed nothing there: what only agrees does not.
                if edited == Edited::Unknown
                    && replies::to_request(intake, said, at.away.is_some())?.is_some()
                {
                    return Ok(());
                }
                // In a group most of what is changed was never for the bot.
                let is_ours = !matches!(edited, Edited::Nothing | Edited::Unknown);
                if is_ours || arrival.place.chat.0 > 0 {
                    intake.close(arrival)?;
                }
                match edited {
                    too_late @ (Edited::TooLate(session) | Edited::WasAnswer(session)) => {
                        let said = match too_late {
                            Edited::WasAnswer(_) => texts::EDITED_ANSWER,
                            _ => texts::EDITED_TOO_LATE,
                        };
                        let act = Act::Correct {
                            text: text.clone().into_owned(),
                        };
                        let notice = Notice {
                            body: Formatted::plain(said),
                            offers: vec![vec![Offer::new("Send as a correction", act)]],
                        };
                        intake.offer(arrival.place, session, &notice).map(drop)
                    }
                    Edited::InTime | Edited::Nothing | Edited::Unknown => Ok(()),
                }
            }
            Route::Command {
                arrival,
                suggested,
                command,
                reply_to,
            } => {
                intake.close(arrival)?;
                if let (Command::Stop, Some(session)) =
                    (command, self.replied(intake, arrival.place, *reply_to)?)
                {
                    return commands::stop_that(intake, arrival.place, session);
                }
                self.command(intake, arrival.place, suggested, *command, ahead)
            }
            Route::Unsupported { arrival, what } => {
                intake.close(arrival)?;
                say(intake, arrival.place, texts::unsupported(what))
            }
            Route::Decide {
                arrival,
                press,
                token,
                verdict,
            } => {
                intake.close(arrival)?;
                let came = presses::decide(intake, arrival, &press.from, token, *verdict)?;
                answer(intake, arrival, press, came.toast)
            }
            Route::Always {
                arrival,
                press,
                token,
            } => {
                intake.close(arrival)?;
                let came = presses::allow_always(intake, arrival, &press.from, token)?;
                answer(intake, arrival, press, came.toast)
            }
            Route::Pick {
                arrival,
                press,
                token,
            } => {
                intake.close(arrival)?;
                let came = presses::pick(intake, arrival, &press.from, token)?;
                answer(intake, arrival, press, came.toast)
            }
            Route::Revise {
                arrival,
                press,
                token,
            } => {
                intake.close(arrival)?;
                let came = presses::revise(intake, arrival, token)?;
                answer(intake, arrival, press, came.toast)
            }
            Route::InStatus {
                arrival,
                press,
                token,
            } => {
                intake.close(arrival)?;
                let toast = match intake.take_in_status(token, arrival)? {
                    InStatus::Now(session, act) => in_status(intake, session, act)?,
                    InStatus::Before => texts::TOAST_PRESSED_BEFORE,
                    InStatus::Over => texts::TOAST_TURN_OVER,
                    InStatus::Foreign => texts::TOAST_FOREIGN,
                };
                answer(intake, arrival, press, toast)
            }
            Route::Act {
                arrival,
                press,
                token,
            } => self.act(intake, arrival, at.arrived, press, token, ahead),
            Route::UnknownButton { arrival, press } => {
                intake.close(arrival)?;
                answer(intake, arrival, press, texts::TOAST_FOREIGN)
            }
        }
    }

    /// Takes in what a person has written for a session: for the turn that runs, or for the next one.
    fn prompt(
        &self,
        intake: &mut Intake<'_>,
        arrival: &Arrival,
        session: SessionId,
        written: &Written<'_>,
        to_steer: bool,
    ) -> store::Result<()> {
        match intake.queue(arrival, session, written)? {
            Queued::Waits => {
                self.react(intake, arrival)?;
                self.join_turn(intake, arrival, session, written.text, to_steer)
            }
            Queued::Kept => self.react(intake, arrival),
            Queued::Refused => say(intake, arrival.place, texts::too_many(store::WAITING_MAX)),
        }
    }

    /// Has what was just queued go into the turn that runs, where that is the rule or was asked for, and says what it waits
    /// for where Claude waits for a person.
    fn join_turn(
        &self,
        intake: &mut Intake<'_>,
        arrival: &Arrival,
        session: SessionId,
        text: &str,
        to_steer: bool,
    ) -> store::Result<()> {
        let shown_at = intake.place_of_turn(session)?;
        // Of itself a turn takes in only what comes from where its answer goes.
        let by_itself = self.steers && shown_at == Some(arrival.place);
        let is_for_it = by_itself || (to_steer && shown_at.is_some());
        if is_for_it && intake.takes_in(session)? {
            intake.steer_one(arrival, session)?;
            return replies::goes_with_answer(intake, arrival, session);
        }
        // Where no turn runs, what a sub-agent asks holds nobody up.
        match shown_at {
            Some(_) => replies::wait_for_answer(intake, arrival, session, text),
            None => Ok(()),
        }
    }

    /// The session to a message of which somebody replies, if there is one.
    fn replied(
        &self,
        intake: &Intake<'_>,
        place: Place,
        to: Option<MessageId>,
    ) -> store::Result<Option<SessionId>> {
        match to {
            Some(message) => intake.session_of(place.chat, message),
            None => Ok(None),
        }
    }

    /// Shows on the message itself that it is stored.
    fn react(&self, intake: &mut Intake<'_>, arrival: &Arrival) -> store::Result<()> {
        if let (true, Some(message)) = (self.reactions, arrival.message) {
            let post = Post::Reaction {
                message,
                emoji: "👀".to_owned(),
            };
            intake.post(arrival.place, Lane::Reaction, &post)?;
        }
        Ok(())
    }

    /// A press on a button whose meaning is stored.
    fn act(
        &self,
        intake: &mut Intake<'_>,
        arrival: &Arrival,
        arrived: i64,
        press: &Press,
        token: &str,
        ahead: &Ahead,
    ) -> store::Result<()> {
        if matches!(ahead.found, Found::Late) {
            // Its button stays.
            intake.close(arrival)?;
            return answer(intake, arrival, press, texts::TOAST_DISK_IS_SLOW);
        }
        let offered = match intake.take(token, arrival)? {
            Taken::Now(offered) => offered,
            Taken::OfNoSession { act, row } => {
                intake.close(arrival)?;
                let place = arrival.place;
                let effect = self.choose_for_none(intake, &act, place, ahead)?;
                let toast = show_effect(intake, row, effect)?;
                return answer(intake, arrival, press, &toast);
            }
            Taken::Over => {
                intake.close(arrival)?;
                return answer(intake, arrival, press, texts::TOAST_DONE_BEFORE);
            }
            Taken::Foreign => {
                intake.close(arrival)?;
                return answer(intake, arrival, press, texts::TOAST_FOREIGN);
            }
        };
        let (text, line) = match &offered.act {
            Act::Correct { text } => (
                format!("{}{text}", texts::CORRECTION),
                "Sent as a correction.",
            ),
            Act::GoOn => (texts::GO_ON.to_owned(), "Going on."),
            Act::DenyWith { .. } => {
                intake.close(arrival)?;
                let came = replies::deny_with(intake, arrival, &press.from, &offered)?;
                return answer(intake, arrival, press, came.toast);
            }
            Act::ListGrants { before } => {
                intake.close(arrival)?;
                let toast = self.turn_grants(intake, &offered, *before)?;
                return answer(intake, arrival, press, toast);
            }
            act => {
                intake.close(arrival)?;
                let place = arrival.place;
                let toast = match self.choose(intake, offered.session, act, place, ahead)? {
                    Effect::ToNothing => carry_out(intake, place, act, &offered)?,
                    effect => show_effect(intake, offered.row, effect)?,
                };
                return answer(intake, arrival, press, &toast);
            }
        };
        let written = Written {
            text: &text,
            origin: None,
            arrived,
            overtakes: Overtakes {
                // It goes behind what is tried again.
                failure: texts::GOES_ON,
                ..OVERTAKES
            },
            came: Came::Now,
        };
        let toast = if intake.queue(arrival, offered.session, &written)? == Queued::Waits {
            intake.retire(offered.row, line)?;
            if matches!(offered.act, Act::Correct { .. }) {
                self.join_turn(intake, arrival, offered.session, &text, false)?;
            }
            line
        } else {
            intake.give_back(offered.row)?;
            texts::TOAST_TOO_MANY
        };
        answer(intake, arrival, press, toast)
    }
}

/// Shows in the message with the button what came of a press on it; returns what the person reads at once.
fn show_effect(intake: &mut Intake<'_>, row: RowId, effect: Effect) -> store::Result<String> {
    Ok(match effect {
        Effect::Done(line) => {
            intake.retire(row, &format!("✓ {line}"))?;
            line
        }
        Effect::Refused => {
            intake.give_back(row)?;
            texts::TOAST_SEE_BELOW.to_owned()
        }
        Effect::ToNothing => texts::TOAST_DONE_BEFORE.to_owned(),
    })
}

/// Does what a button below the status of a session's turn was for; returns what the person reads at once.
fn in_status(
    intake: &mut Intake<'_>,
    session: SessionId,
    act: StatusAct,
) -> store::Result<&'static str> {
    // What came after the button was shown nobody has decided about.
    let (found, toast) = match act {
        StatusAct::Stop => {
            stop(intake, session)?;
            return Ok(texts::TOAST_STOPPING);
        }
        StatusAct::SendNow(behind) => {
            let toast = match intake.takes_in(session)? {
                true => texts::TOAST_SENDING,
                false => texts::TOAST_GOES_NEXT,
            };
            (intake.steer_line(session, behind)?, toast)
        }
        StatusAct::Drop(behind) => (intake.drop_line(session, behind)?, texts::TOAST_DROPPED),
    };
    Ok(match found {
        OfLine::Done => toast,
        OfLine::Nothing => texts::TOAST_NOTHING_WAITS,
        OfLine::More => texts::TOAST_MORE_WAITS,
    })
}

/// Does what a button was for that writes nothing to Claude; returns what the person reads at once.
fn carry_out(
    intake: &mut Intake<'_>,
    place: Place,
    act: &Act,
    offered: &Offered,
) -> store::Result<String> {
    let (release, line) = match act {
        Act::Run => match intake.how_to_run(offered.session)? {
            Release::Retry => (Release::Retry, texts::GOES_ON),
            how => (how, "Going on."),
        },
        Act::Drop => (Release::Drop, "Dropped."),
        Act::SendNow => {
            let line = texts::TOAST_SENT_NOW;
            intake.run_kept(offered.session, line)?;
            // It is over once the line is another one.
            let found = intake.steer_line(offered.session, Behind::ALL)?;
            let how = intake.how_to_run(offered.session)?;
            intake.release(offered, how, line)?;
            return Ok(match found {
                OfLine::Done => line,
                OfLine::Nothing | OfLine::More => texts::TOAST_DONE_BEFORE,
            }
            .to_owned());
        }
        Act::DropListed => {
            let kept = intake.drop_kept(offered.session, texts::TOAST_DROPPED)?;
            let waited = intake.drop_listed(offered, texts::TOAST_DROPPED)?;
            return Ok(match kept || waited {
                true => texts::TOAST_DROPPED,
                false => texts::TOAST_DONE_BEFORE,
            }
            .to_owned());
        }
        Act::DropOne { message } => {
            let dropped = intake.drop_one(offered.session, *message, texts::TOAST_DROPPED)?;
            // The list as it is now, from which the next one may be dropped.
            if let Some(line) = commands::line(intake, place, offered.session)? {
                intake.show_anew(offered, &line)?;
            }
            return Ok(match dropped {
                true => texts::TOAST_DROPPED,
                false => texts::TOAST_DONE_BEFORE,
            }
            .to_owned());
        }
        Act::Retry => (Release::Retry, texts::GOES_ON),
        Act::SendAgain => (Release::SendAgain, "Sent again."),
        Act::StartFresh => {
            intake.start_fresh(offered.session)?;
            (Release::GoOn, "Started fresh.")
        }
        Act::StopOther { .. } => {
            let name = intake.name_of(offered.session)?;
            let line = match stop(intake, offered.session)? {
                Stop::Begun | Stop::Done => format!("Stopping {name}."),
                Stop::Nothing => format!("Nothing is running in {name}."),
            };
            // As long as somebody waits, the others can be stopped as well.
            intake.give_back(offered.row)?;
            return Ok(line);
        }
        Act::Switch => {
            intake.bind(place, offered.session)?;
            let name = intake.name_of(offered.session)?;
            let line = format!("✓ What you write now goes to {name}.");
            intake.retire(offered.row, &line)?;
            return Ok(line);
        }
        Act::RunAll | Act::OnlyTheLast | Act::DropAll => {
            let (how, line) = match act {
                Act::RunAll => (CatchUp::RunAll, "All of them run."),
                Act::OnlyTheLast => (
                    CatchUp::OnlyTheLast,
                    "The last one runs, the others are dropped.",
                ),
                _ => (CatchUp::Drop, "Dropped."),
            };
            // What failed goes first: it came before them.
            let overtakes = Overtakes {
                failure: texts::GOES_ON,
                ..OVERTAKES
            };
            intake.catch_up(offered, how, line, &overtakes)?;
            return Ok(line.to_owned());
        }
        // These write to Claude, and have been dealt with as what they write.
        Act::Correct { .. } | Act::GoOn | Act::DenyWith { .. } => return Ok(String::new()),
        // These are chosen elsewhere.
        Act::UseModel { .. }
        | Act::UseMode { .. }
        | Act::UsePersona { .. }
        | Act::UseBypass
        | Act::Delete
        | Act::DeleteForGood
        | Act::Restore { .. }
        | Act::TakeOver { .. }
        | Act::Revoke { .. }
        | Act::ListGrants { .. }
        | Act::LimitGrant { .. }
        | Act::WidenGrant { .. } => {
            return Ok(texts::TOAST_DONE_BEFORE.to_owned());
        }
    };
    let anything = intake.release(offered, release, line)?;
    Ok(if anything {
        line
    } else {
        texts::TOAST_DONE_BEFORE
    }
    .to_owned())
}

fn answer(
    intake: &mut Intake<'_>,
    arrival: &Arrival,
    press: &Press,
    text: &str,
) -> store::Result<()> {
    let toast = Post::Toast {
        callback: press.callback.clone(),
        text: text.to_owned(),
    };
    intake.post(arrival.place, Lane::Toast, &toast).map(drop)
}
