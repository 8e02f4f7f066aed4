//! Starts of the process: what it needs is looked at by a thread that may take its time, then it is started as that found it.
//!
//! What is looked at stands in `session::prepare`; when a process is started is decided by the machine.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crossbeam_channel::bounded;

use super::{Outfit, Owner};
use crate::chat::PromptId;
use crate::claude::process::{self, Process};
use crate::clock::unix_now;
use crate::session::ledger;
use crate::session::machine::{Event, Trouble};
use crate::session::prepare::{CutOff, not_started};
use crate::store::{self, Living};
use crate::thread;

impl Owner {
    /// Has everything looked at that a start needs, by a thread that may take its time.
    pub(super) fn prepare(&mut self, cut_off: &[PromptId]) -> store::Result<()> {
        let store = Arc::clone(&self.outfit.store);
        let open = store.work(self.session)?.open;
        let mut known = Vec::new();
        for prompt in open.into_iter().filter(|open| cut_off.contains(&open.id)) {
            let acted = store.seen_to_start(prompt.id)?;
            known.push(CutOff { prompt, acted });
        }
        let Some(session) = self.outfit.store.session(self.session)? else {
            self.events
                .push_back(Event::NotPrepared(not_started("the session is gone", None)));
            return Ok(());
        };
        self.name.clone_from(&session.name);
        let (report, preparing) = bounded(1);
        let outfit = Arc::clone(&self.outfit);
        let hurry = Arc::new(AtomicBool::new(false));
        self.hurry = Arc::clone(&hurry);
        let started = thread::spawn(format!("s{}-prepare", self.session), move || {
            // Nobody listens any more when chappe ends; then nobody needs it.
            let _ = report.send(outfit.setup.prepare(&session, known, &hurry));
        });
        match started {
            Ok(_) => self.preparing = preparing,
            Err(error) => {
                let trouble = Trouble::HostIsFull {
                    cause: format!("the host has no thread to give ({error})"),
                };
                self.events.push_back(Event::NotPrepared(trouble));
            }
        }
        Ok(())
    }

    /// Starts the process, as it was prepared.
    pub(super) fn start(&mut self) -> store::Result<()> {
        let Outfit { store, .. } = &*Arc::clone(&self.outfit);
        let Some(prepared) = &self.prepared else {
            self.events.push_back(Event::NotPrepared(not_started(
                "nothing was prepared",
                None,
            )));
            return Ok(());
        };
        let Some(session) = store.session(self.session)? else {
            self.events
                .push_back(Event::NotPrepared(not_started("the session is gone", None)));
            return Ok(());
        };
        let claude = prepared.claude.to_string();
        let is_fresh = claude != session.claude;
        let before = Some(prepared.looked_at.as_str());
        if session.claude != prepared.looked_at
            || (is_fresh && !store.set_claude_session(self.session, before, &claude)?)
        {
            // Another conversation was begun, or taken over, while this one was looked at. Nothing is cut off there.
            self.prepare(&[])?;
            self.prepared = None;
            return Ok(());
        }
        // After the session: what is taken away in between only makes the process older than it is.
        let grants = store.grants(self.session, unix_now())?;
        // Taken last: when the store fails, this is done again from its beginning.
        let Some(prepared) = self.prepared.take() else {
            return Ok(());
        };
        let slept = session.slept.filter(|_| prepared.is_resume());
        let slept = slept.map(|since| ledger::seconds_to(unix_now(), since));
        self.conversation.clone_from(&claude);
        let setup = &self.outfit.setup;
        let launch = setup.launch(&session, &prepared, &grants);
        match Process::start(&launch) {
            Ok(process) => {
                let pid = process.pid();
                log::info!(
                    "claude {} runs as {pid} for session {}",
                    prepared.version,
                    self.session
                );
                let living = Living {
                    pid,
                    start: process::start_time(pid).unwrap_or(0),
                    boot: process::boot_id(),
                };
                self.process = Some(process);
                self.last_words.clear();
                let manner = setup.manner(&session.chosen);
                // Where this cannot be written the process still runs, and chappe still holds it.
                let resumes = prepared.is_resume().then_some(claude.as_str());
                let begun = (session.chosen.generation, manner.mode.as_str());
                if let Err(error) = store.spawned(self.session, &living, begun, resumes) {
                    log::error!("the process cannot be noted: {error}");
                }
                self.events.push_back(Event::Started(manner, slept));
            }
            Err(error) => {
                let trouble = setup.spawn_trouble(&session.folder, &error);
                self.events.push_back(Event::NotPrepared(trouble));
            }
        }
        Ok(())
    }
}
