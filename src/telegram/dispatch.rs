//! Deals with one update, within the transaction of its answer: stores what is for a session, carries out what needs
//! none, and puts what is to be said into the outbox.
//!
//! What an update means is decided by the router; here it is done, all of it or nothing. It waits for nobody and calls
//! nobody: not Telegram, not a session's owner.

use std::path::PathBuf;

use super::update::Decoded;
use crate::chat::{
    Act, Arrival, Formatted, Lane, Notice, Offer, Place, Post, Press, SessionId, Target, Verdict,
};
use crate::clock::unix_now;
use crate::config::nearest;
use crate::render::{lists, notice, status, texts};
use crate::router::{self, Command, Route};
use crate::store::{
    self, Came, CatchUp, Edited, Intake, Made, Offered, Overtakes, Pressed, Queued, Release, Stop,
    StopSays, Taken, Written,
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

/// What every update is dealt with by.
pub struct Desk {
    pub allowed_users: Vec<i64>,
    /// Whether a message that was stored gets a sign.
    pub reactions: bool,
    /// Where sessions' folders are made.
    pub sessions_root: PathBuf,
    /// The host's name, for the welcome.
    pub host: String,
}

impl Desk {
    /// Where an update comes from, if it is one of those that are dealt with.
    pub fn place_of(&self, update: &Decoded) -> Option<Place> {
        let inbound = update.inbound.as_ref().ok()?;
        let route = router::route(update.id, inbound, &self.allowed_users);
        route.arrival().map(|arrival| arrival.place)
    }

    /// Deals with an update.
    pub fn deal(&self, intake: &mut Intake<'_>, at: Moment, update: &Decoded) -> store::Result<()> {
        let inbound = match &update.inbound {
            Ok(inbound) => inbound,
            Err(why) => {
                log::warn!("update {} is skipped: {why}", update.id);
                return Ok(());
            }
        };
        let route = router::route(update.id, inbound, &self.allowed_users);
        if let Some(arrival) = route.arrival()
            && intake.is_repeat(arrival)?
        {
            return Ok(());
        }
        match &route {
            Route::Ignore(why) => {
                log::debug!("update {}: {why}", update.id);
                Ok(())
            }
            // Done twice, these do the same once.
            Route::OpenChat(chat) => intake.open_chat(*chat),
            Route::CloseChat(chat) => intake.close_chat(*chat),
            Route::MoveChat { from, to } => intake.move_chat(*from, *to),
            Route::Prompt {
                arrival,
                suggested,
                text,
                origin,
            } => {
                let session = intake.session_at(arrival.place, suggested, &self.sessions_root)?;
                let written = Written {
                    text,
                    origin: *origin,
                    arrived: at.arrived,
                    overtakes: OVERTAKES,
                    came: at.came(arrival),
                };
                match intake.queue(arrival, session, &written)? {
                    Queued::Waits | Queued::Kept => self.react(intake, arrival),
                    Queued::Refused => {
                        say(intake, arrival.place, texts::too_many(store::WAITING_MAX))
                    }
                }
            }
            Route::Edit { arrival, text } => {
                let edited = intake.edit(arrival, text)?;
                intake.close(arrival)?;
                match edited {
                    Edited::TooLate(session) => {
                        let act = Act::Correct {
                            text: (*text).to_owned(),
                        };
                        let notice = Notice {
                            body: Formatted::plain(texts::EDITED_TOO_LATE),
                            offers: vec![vec![Offer::new("Send as a correction", act)]],
                        };
                        intake.offer(arrival.place, session, &notice).map(drop)
                    }
                    Edited::InTime | Edited::Nothing => Ok(()),
                }
            }
            Route::Command {
                arrival,
                suggested,
                command,
            } => {
                intake.close(arrival)?;
                self.command(intake, arrival.place, suggested, *command)
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
                let toast = decide(intake, arrival, press, token, *verdict)?;
                answer(intake, arrival, press, toast)
            }
            Route::StopTurn {
                arrival,
                press,
                uuid,
            } => {
                intake.close(arrival)?;
                let toast = match intake.turn_shown_at(uuid, arrival.place)? {
                    Some(session) => {
                        stop(intake, session)?;
                        texts::TOAST_STOPPING
                    }
                    None => texts::TOAST_TURN_OVER,
                };
                answer(intake, arrival, press, toast)
            }
            Route::Act {
                arrival,
                press,
                token,
            } => self.act(intake, arrival, at.arrived, press, token),
            Route::UnknownButton { arrival, press } => {
                intake.close(arrival)?;
                answer(intake, arrival, press, texts::TOAST_FOREIGN)
            }
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

    fn command(
        &self,
        intake: &mut Intake<'_>,
        place: Place,
        suggested: &str,
        command: Command<'_>,
    ) -> store::Result<()> {
        match command {
            Command::Start => say(intake, place, texts::welcome(&self.host)),
            Command::Help => say(intake, place, texts::help()),
            Command::Stop => {
                let session = intake.session_at(place, suggested, &self.sessions_root)?;
                let shown_at = intake.place_of_turn(session)?;
                match stop(intake, session)? {
                    // Where it is shown it shows; from elsewhere nothing is to be seen of it.
                    Stop::Begun if shown_at.is_some_and(|shown| shown != place) => {
                        say(intake, place, texts::stopping(&intake.name_of(session)?))
                    }
                    Stop::Begun | Stop::Done => Ok(()),
                    Stop::Nothing => {
                        let name = intake.name_of(session)?;
                        say(intake, place, texts::nothing_runs(&name))
                    }
                }
            }
            Command::New(name) => self.new_session(intake, place, name),
            Command::Session("") => sessions(intake, place),
            Command::Session(name) => switch_to(intake, place, name),
            Command::Queue => {
                let session = intake.session_at(place, suggested, &self.sessions_root)?;
                let list = intake.overview(place)?;
                let texts = intake.line_of(session, lists::SHOWN_MAX)?;
                match list.iter().find(|one| one.session == session) {
                    Some(one) => intake
                        .offer(place, session, &lists::queue(one, &texts))
                        .map(drop),
                    None => Ok(()),
                }
            }
            Command::Status => {
                let list = intake.overview(place)?;
                say(intake, place, lists::status(&self.host, &list, unix_now()))
            }
        }
    }

    fn new_session(&self, intake: &mut Intake<'_>, place: Place, name: &str) -> store::Result<()> {
        if !router::is_name(name) {
            return say(intake, place, texts::bad_name(name));
        }
        match intake.make_session(place, name, &self.sessions_root)? {
            Made::Yes => {
                let folder = self.sessions_root.join(name);
                say(
                    intake,
                    place,
                    texts::session_made(name, &folder.display().to_string()),
                )
            }
            Made::Exists(session) => {
                let name = intake.name_of(session)?;
                let notice = Notice {
                    body: texts::session_exists(&name),
                    offers: vec![vec![Offer::new(name, Act::Switch)]],
                };
                intake.offer(place, session, &notice).map(drop)
            }
        }
    }

    /// A press on a button whose meaning is stored.
    fn act(
        &self,
        intake: &mut Intake<'_>,
        arrival: &Arrival,
        arrived: i64,
        press: &Press,
        token: &str,
    ) -> store::Result<()> {
        let offered = match intake.take(token, arrival)? {
            Taken::Now(offered) => offered,
            taken => {
                intake.close(arrival)?;
                let toast = match taken {
                    Taken::Over => texts::TOAST_DONE_BEFORE,
                    _ => texts::TOAST_FOREIGN,
                };
                return answer(intake, arrival, press, toast);
            }
        };
        let (text, line) = match &offered.act {
            Act::Correct { text } => (
                format!("{}{text}", texts::CORRECTION),
                "Sent as a correction.",
            ),
            Act::GoOn => (texts::GO_ON.to_owned(), "Going on."),
            act => {
                intake.close(arrival)?;
                let toast = carry_out(intake, arrival.place, act, &offered)?;
                return answer(intake, arrival, press, &toast);
            }
        };
        let written = Written {
            text: &text,
            origin: None,
            arrived,
            overtakes: OVERTAKES,
            came: Came::Now,
        };
        let toast = if intake.queue(arrival, offered.session, &written)? == Queued::Waits {
            intake.retire(offered.row, line)?;
            line
        } else {
            intake.give_back(&offered)?;
            texts::TOAST_TOO_MANY
        };
        answer(intake, arrival, press, toast)
    }
}

/// Does what a button was for that writes nothing to Claude; returns what the person reads at once.
fn carry_out(
    intake: &mut Intake<'_>,
    place: Place,
    act: &Act,
    offered: &Offered,
) -> store::Result<String> {
    let (release, line) = match act {
        Act::Run => (Release::GoOn, "Going on."),
        Act::Drop => (Release::Drop, "Dropped."),
        Act::Retry => (Release::Retry, texts::GOES_ON),
        Act::SendAgain => (Release::SendAgain, "Sent again."),
        Act::StartFresh => {
            intake.start_fresh(offered.session)?;
            (Release::GoOn, "Started fresh.")
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
            intake.catch_up(offered, how, line)?;
            return Ok(line.to_owned());
        }
        // These write to Claude, and are dealt with as what they write.
        Act::Correct { .. } | Act::GoOn => return Ok(String::new()),
    };
    let anything = intake.release(offered, release, line)?;
    Ok(if anything {
        line
    } else {
        texts::TOAST_DONE_BEFORE
    }
    .to_owned())
}

fn stop(intake: &mut Intake<'_>, session: SessionId) -> store::Result<Stop> {
    let says = StopSays {
        ended: &status::stopped(),
        not_again: texts::NOT_TRIED_AGAIN,
    };
    intake.stop(session, &says, notice::held)
}

/// Asks to which session the place is to talk.
fn sessions(intake: &mut Intake<'_>, place: Place) -> store::Result<()> {
    let list = intake.overview(place)?;
    if list.is_empty() {
        return say(intake, place, Formatted::plain(texts::NO_SESSIONS));
    }
    let offers = list
        .iter()
        .filter(|session| !session.is_current)
        .take(lists::SHOWN_MAX)
        .map(|session| {
            (
                session.session,
                Offer::new(session.name.clone(), Act::Switch),
            )
        })
        .collect::<Vec<_>>();
    let body = lists::sessions(&list, unix_now());
    intake.offer_of_many(place, &body, &offers).map(drop)
}

fn switch_to(intake: &mut Intake<'_>, place: Place, name: &str) -> store::Result<()> {
    if let Some((session, name)) = intake.session_named(name)? {
        intake.bind(place, session)?;
        return say(intake, place, texts::switched(&name));
    }
    let list = intake.overview(place)?;
    let near = nearest(name, list.iter().map(|session| session.name.as_str()));
    let meant = near.and_then(|near| list.iter().find(|session| session.name == near));
    match meant {
        Some(meant) => {
            let notice = Notice {
                body: texts::no_such_session(name, Some(&meant.name)),
                offers: vec![vec![Offer::new(meant.name.clone(), Act::Switch)]],
            };
            intake.offer(place, meant.session, &notice).map(drop)
        }
        None => say(intake, place, texts::no_such_session(name, None)),
    }
}

fn decide(
    intake: &mut Intake<'_>,
    arrival: &Arrival,
    press: &Press,
    token: &str,
    verdict: Verdict,
) -> store::Result<&'static str> {
    Ok(match intake.decide(token, verdict, &press.from, arrival)? {
        Pressed::Decided { row, shown, .. } => {
            let allowed = verdict == Verdict::Allow;
            let body = texts::decided(&shown, allowed, &press.from.name);
            let edit = Post::Edit {
                target: Target::Row(row),
                body,
                buttons: Vec::new(),
            };
            intake.post(arrival.place, Lane::Text, &edit)?;
            if allowed {
                texts::TOAST_ALLOWED
            } else {
                texts::TOAST_DENIED
            }
        }
        Pressed::Over => texts::TOAST_OVER,
        Pressed::Foreign => texts::TOAST_FOREIGN,
    })
}

fn say(intake: &mut Intake<'_>, place: Place, body: Formatted) -> store::Result<()> {
    intake
        .post(place, Lane::Text, &Post::message(body))
        .map(drop)
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
