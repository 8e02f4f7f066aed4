//! Moves of the whole session: begun on a thread that may take its time, and made true in the store when that reports.
//!
//! What is done on the disk stands in `session::moving`.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, MutexGuard, PoisonError};

use crossbeam_channel::bounded;

use super::{Outfit, Owner};
use crate::chat::{Moving, Place, Post, SessionId};
use crate::clock::unix_now;
use crate::render::sessions::{BroughtBack, Memory, PutAway};
use crate::render::{notice, sessions};
use crate::session::machine::{Action, Event};
use crate::session::moving::{Done, Remains};
use crate::session::prepare::NOTHING_TO_FINISH;
use crate::store::{self, Departed, KeptSession, LeftBehind, Stays};
use crate::thread;

/// What came of moving a session as a whole.
pub(super) struct Moved {
    moving: Moving,
    kept: KeptSession,
    mark: String,
    /// What had been chosen for it when this began.
    revision: i64,
    done: Result<Done, String>,
}

impl Owner {
    /// Has done on the disk what moving the session needs, by a thread that may take its time.
    pub(super) fn begin_move(&mut self) -> store::Result<()> {
        let Outfit { store, .. } = &*Arc::clone(&self.outfit);
        let moving = store.work(self.session)?.moving;
        let (Some(moving), Some(kept), Some(session)) = (
            moving,
            store.kept(self.session)?,
            store.session(self.session)?,
        ) else {
            self.events.push_back(Event::Moved);
            return Ok(());
        };
        if let Moving::Stay { .. } = &moving {
            // Quick, and for that it needs neither a thread nor the end of anything.
            let premises = self.outfit.premises(&session.mark);
            let done = premises.carry_out(&moving, &kept, &[], |_| None, |_| true);
            self.moved = Some(Box::new(Moved {
                moving,
                kept,
                mark: session.mark.clone(),
                revision: session.chosen.revision,
                done: done.map_err(|error| error.to_string()),
            }));
            self.events.push_back(Event::Moved);
            return Ok(());
        }
        let log = store.log(self.session)?;
        let mut kept = KeptSession {
            // Also where it is cut only now, since more is not handed out at once.
            log_cut: log.is_cut,
            ..kept
        };
        let said: Vec<_> = log.said.into_iter().map(|(_, said)| said).collect();
        let (report, moved) = bounded(1);
        let (outfit, id) = (Arc::clone(&self.outfit), self.session);
        let (mark, revision) = (session.mark.clone(), session.chosen.revision);
        let unmoved = (moving.clone(), kept.clone(), mark.clone());
        let started = thread::spawn(format!("s{}-move", self.session), move || {
            let premises = outfit.premises(&mark);
            let may_use = |dir: &str| (outfit.may_use)(dir);
            let is_open = |claude: &str| outfit.is_taken(id, claude);
            // Nothing goes on in a folder that is about to go.
            let ended =
                outfit
                    .setup
                    .end_former(&session, NOTHING_TO_FINISH, &AtomicBool::new(false));
            let goes = matches!(moving, Moving::Archive { .. } | Moving::Delete { .. });
            // It would be left without its folder, and what it says then would be all that is known of the conversation.
            let holder = match goes {
                true => outfit.setup.held_by(&kept.claude, Path::new(&kept.folder)),
                false => None,
            };
            let done = match ended {
                Ok(()) if let Some(pid) = holder => Err(io::Error::other(format!(
                    "another claude (process {pid}) has this conversation open. End it there first"
                ))),
                Ok(()) => {
                    // A former chappe may have gone before it could note that.
                    kept.said |= outfit.setup.kept(&session, "").is_some();
                    premises.carry_out(&moving, &kept, &said, may_use, is_open)
                }
                Err(_) => Err(io::Error::other("a former claude of it cannot be ended")),
            };
            let _ = report.send(Box::new(Moved {
                moving,
                kept,
                mark: mark.clone(),
                revision,
                done: done.map_err(|error| error.to_string()),
            }));
        });
        match started {
            Ok(_) => self.moving = moved,
            Err(error) => {
                let (moving, kept, mark) = unmoved;
                self.moved = Some(Box::new(Moved {
                    moving,
                    kept,
                    mark,
                    revision,
                    done: Err(format!("the host has no thread to give ({error})")),
                }));
                self.events.push_back(Event::Moved);
            }
        }
        Ok(())
    }

    /// Makes a move true in the store. What cannot become true is undone by the next one, which the store wants from then.
    pub(super) fn settle(&mut self) -> store::Result<()> {
        let outfit = Arc::clone(&self.outfit);
        let (bot, now) = (outfit.bot, unix_now());
        self.actions.push_back(Action::Look);
        let Some(Moved {
            moving,
            kept,
            mark,
            revision,
            done,
        }) = self.moved.as_deref()
        else {
            return Ok(());
        };
        let name = &kept.name;
        let gone = match done {
            Ok(Done::Packed { packed, forgets }) => {
                let away = PutAway {
                    bytes: packed.bytes,
                    stays: (!kept.owns_folder).then_some(kept.folder.as_str()),
                    forgets: *forgets,
                    left_out: &packed.left_out,
                };
                Some(sessions::archived(name, &away))
            }
            Ok(Done::TakenAway) => Some(sessions::deleted(name)),
            Ok(Done::Arrived(arrival)) => {
                let kept = &arrival.kept;
                let back = |is_taken| BroughtBack {
                    memory: match (kept.said, arrival.forgets) {
                        _ if is_taken => Memory::Elsewhere,
                        (true, _) => Memory::Whole,
                        (false, false) => Memory::Empty,
                        (false, true) => Memory::Lost,
                    },
                    elsewhere: arrival.elsewhere.as_deref(),
                    asks_again: arrival.asks_again.as_deref(),
                    links_named: &arrival.links_left_out.named,
                    links_left_out: arrival.links_left_out.count,
                };
                let post = |is_taken| Post::message(sessions::restored(name, &back(is_taken)));
                outfit
                    .store
                    .arrive(bot, self.session, now, kept, &arrival.said, post)?;
                if let Err(error) = outfit.premises(mark).arrived() {
                    log::warn!("what bringing {name} back needed is not removed: {error}");
                }
                None
            }
            Ok(Done::PutBack) => {
                outfit.store.undone(bot, self.session, now, None)?;
                None
            }
            Err(why) if matches!(moving, Moving::Stay { .. }) => {
                log::error!("what moving {name} has done cannot be undone: {why}");
                // Nobody would look for it there.
                let hidden = outfit.premises(mark).hidden(kept).map(|hidden| {
                    let hidden = hidden.display().to_string();
                    Post::message(sessions::not_put_back(name, &hidden, &kept.folder, why))
                });
                outfit
                    .store
                    .undone(bot, self.session, now, hidden.as_ref())?;
                None
            }
            Err(why) => {
                let body = sessions::not_moved(name, moving, why);
                let post = Post::message(body.clone());
                let held = |waiting| notice::not_brought_back(body, waiting);
                outfit.store.stay(bot, self.session, now, &post, held)?;
                None
            }
        };
        if let Some(body) = gone {
            let post = |next: Option<&str>| {
                Post::message(match next {
                    Some(next) => sessions::with_next(body.clone(), next),
                    None => body.clone(),
                })
            };
            let stays = |name: &str, why: &Stays| {
                Post::message(match why {
                    Stays::Changed => sessions::has_changed(name, moving),
                    Stays::Unfinished => sessions::has_open(name, went(moving)),
                    Stays::Guest(guest) => sessions::has_guest(name, guest),
                })
            };
            match outfit
                .store
                .depart(bot, self.session, now, (moving, *revision), post, stays)?
            {
                Departed::Yes { told_at } => self.clear_away(name, mark, told_at),
                Departed::Stays => {}
                Departed::Otherwise => {
                    let file = match moving {
                        Moving::Archive { file } => Some(file.as_str()),
                        _ => None,
                    };
                    // What is wanted now begins with the same.
                    if let Err(error) = outfit.premises(mark).undo(kept, file) {
                        log::warn!("what moving {name} has done is not undone yet: {error}");
                    }
                }
            }
        }
        if matches!(moving, Moving::Restore { .. }) {
            // It is back by now, or will not be.
            outfit.coming_back().remove(&self.session);
        }
        outfit.board.ring();
        self.moved = None;
        // It may have another name now.
        self.name.clear();
        Ok(())
    }

    /// Removes what a session has left that is gone. What stays is told where its end was told, this once.
    fn clear_away(&self, name: &str, mark: &str, told_at: Option<Place>) {
        let outfit = Arc::clone(&self.outfit);
        let (gone, mark) = (name.to_owned(), mark.to_owned());
        let cleared = thread::spawn(format!("s{}-clear", self.session), move || {
            let mut remains = outfit.clear_left();
            let remains = remains.remove(&mark).unwrap_or_default();
            let (Some(place), false) = (told_at, remains.is_empty()) else {
                return;
            };
            let remains: Vec<_> = remains
                .iter()
                .map(|left| (left.path.display().to_string(), left.why.to_string()))
                .collect();
            let post = Post::message(sessions::not_removed(&gone, &remains));
            match outfit.store.tell_at(outfit.bot, place, unix_now(), &post) {
                Ok(()) => outfit.board.ring(),
                Err(error) => log::warn!("what {gone} has left is not told: {error}"),
            }
        });
        if let Err(error) = cleared {
            // The next start does it.
            log::warn!("what {name} has left is not removed yet: {error}");
        }
    }
}

impl Outfit {
    /// Removes the folders and conversations of sessions that are gone, but for conversations in which another session is.
    /// What cannot be removed, or is being brought back, is looked at again at the next start. Returns what could not be, by
    /// the mark of its session.
    pub fn clear_left(&self) -> BTreeMap<String, Vec<Remains>> {
        let _alone = self.clearing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut remains: BTreeMap<String, Vec<Remains>> = BTreeMap::new();
        let left = match self.store.left_behind() {
            Ok(left) => left,
            Err(error) => {
                log::warn!("what is to be removed cannot be read: {error}");
                return remains;
            }
        };
        let mut remain = |one: &LeftBehind, what: Remains| {
            let (name, path) = (&one.kept.name, what.path.display());
            log::warn!("{path}, left by {name}, cannot be removed: {}", what.why);
            remains.entry(one.mark.clone()).or_default().push(what);
        };
        // Large ones take long, and nobody waits for that who wants to bring something back.
        let mut left: Vec<_> = left.into_iter().map(|one| (one, true)).collect();
        for (one, is_whole) in &mut left {
            if let Err(folder) = self.premises(&one.mark).clear_folder(&one.kept) {
                remain(one, folder);
                *is_whole = false;
            }
        }
        let coming_back = self.coming_back();
        for (one, is_whole) in left {
            let LeftBehind { mark, kept } = &one;
            if coming_back.values().any(|claude| *claude == kept.claude) {
                continue;
            }
            // The conversation goes also where the folder cannot.
            let removed = match self.store.knows_conversation(&kept.claude) {
                Ok(true) => Ok(()),
                Ok(false) => self.premises(mark).clear(kept),
                Err(error) => {
                    let name = &kept.name;
                    log::warn!(
                        "whether the conversation of {name} goes on cannot be read: {error}"
                    );
                    continue;
                }
            };
            match removed {
                Err(conversation) => remain(&one, conversation),
                Ok(()) if is_whole => {
                    if let Err(error) = self.store.cleared(mark) {
                        let name = &kept.name;
                        log::warn!("that nothing is left of {name} is not stored: {error}");
                    }
                }
                Ok(()) => {}
            }
        }
        remains
    }

    /// Whether a conversation cannot be brought back into `session`, because another one is in it. Where it can be, it is
    /// not removed meanwhile for the session that had it.
    fn is_taken(&self, session: SessionId, claude: &str) -> bool {
        let mut coming_back = self.coming_back();
        // Two archives of one conversation may come back at once.
        if coming_back
            .iter()
            .any(|(other, theirs)| *other != session && theirs == claude)
        {
            return true;
        }
        coming_back.insert(session, claude.to_owned());
        drop(coming_back);
        // Where that cannot be known, nothing is brought back.
        self.store.knows_conversation(claude).unwrap_or(true)
    }

    fn coming_back(&self) -> MutexGuard<'_, BTreeMap<SessionId, String>> {
        let coming_back = self.coming_back.lock();
        coming_back.unwrap_or_else(PoisonError::into_inner)
    }
}

/// What would have been done with a session that stays.
fn went(moving: &Moving) -> &'static str {
    match moving {
        Moving::Delete { .. } => "deleted",
        Moving::Archive { .. } | Moving::Restore { .. } | Moving::Stay { .. } => "put away",
    }
}
