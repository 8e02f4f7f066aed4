//! What owners do: give, ask, close, hold, go on.

use super::*;

impl Walk {
    /// The prompts of a session that were given and not closed.
    pub(super) fn open(&self, session: SessionId) -> Vec<PromptId> {
        let work = self.store.work(session).expect("the tables can be read");
        work.open.iter().map(|prompt| prompt.id).collect()
    }

    fn is_open(&self, session: SessionId, prompt: PromptId) -> bool {
        self.open(session).contains(&prompt)
    }

    /// Nothing is given while it is held, nor before a stop is carried out. What chappe has queued goes first, but for what
    /// was written after it had failed; else the head of the line, which was never given before, of one place and sender.
    /// Returns whether anything was given.
    pub(super) fn give(&mut self, session: SessionId) -> bool {
        let before = self.store.work(session).expect("it can be read");
        if before.stop {
            let revision = revision(&self.store, session);
            let next = self.store.give_next(BOT, session, NOW, revision, choose);
            assert!(
                matches!(next, Ok(Next::Changed | Next::Nothing)),
                "{next:?}"
            );
            return false;
        }
        let queued = words(
            &self.store,
            &format!(
                "SELECT uuid FROM prompt WHERE session = {session} AND state = 'queued' ORDER BY id"
            ),
        );
        let line = take_in(&self.store, NOW, |intake| texts_of(intake, session, 1_000));
        let overtakes = number(
            &self.store,
            &format!(
                "SELECT COUNT(*) FROM inbox WHERE session = {session} AND state = 'waiting' AND rank < 0"
            ),
        ) > 0;
        let Some((prompt, left)) = give(&self.store, session) else {
            assert!(before.held.is_some() || before.waiting == 0);
            return false;
        };
        assert_eq!(before.held, None);
        self.prompts.retain(|(_, known)| *known != prompt.id);
        self.prompts.push((session, prompt.id));
        if let (false, Some(uuid)) = (overtakes, queued.first()) {
            assert_eq!((&prompt.uuid, left), (uuid, before.waiting - 1));
            return true;
        }
        let mut parts = Vec::new();
        for (at, message) in self.messages.iter_mut().enumerate() {
            if message.session == session && prompt.text.lines().any(|line| line == message.text) {
                assert_eq!(message.fate, Fate::Waits, "{} was given", message.text);
                message.fate = Fate::Given;
                assert_eq!(message.arrival.place, prompt.place);
                parts.push(at);
            }
        }
        assert_eq!(parts.len() + left, before.waiting);
        assert_eq!(prompt.text, line[..parts.len()].join("\n"));
        let user = |at: &usize| self.messages[*at].arrival.user;
        assert!(parts.iter().all(|part| user(part) == user(&parts[0])));
        assert!(parts.len() == 1 || !line[..parts.len()].iter().any(|text| is_command(text)));
        self.parts.insert(prompt.id, parts);
        true
    }

    /// What was not written waits again, as it came; what Claude has stays where it is.
    pub(super) fn take_back(&mut self, which: usize) -> Result<()> {
        let Some((session, prompt)) = self.prompt(which) else {
            return Ok(());
        };
        let asked = format!("SELECT COUNT(*) FROM request WHERE prompt = {prompt}");
        if number(&self.store, &asked) > 0 {
            // Claude has asked something because of it, so it has it.
            return Ok(());
        }
        let state = words(
            &self.store,
            &format!("SELECT state FROM prompt WHERE id = {prompt}"),
        );
        let before = waiting(&self.store, session);
        let attempts =
            format!("SELECT COALESCE((SELECT attempts FROM prompt WHERE id = {prompt}), 0)");
        let was_written = number(&self.store, &attempts) > 1;
        let is_to_stop = self.store.work(session)?.stop;
        self.store.take_back(prompt, NOW, "A correction: ")?;
        let parts = self.parts.get(&prompt).cloned();
        let again = match (state == ["sent"], parts) {
            (false, _) => 0,
            // The stop is to find it.
            (true, _) if is_to_stop => 0,
            // One that was written before has left traces, and stays open; but for chappe's own.
            (true, Some(_)) if was_written => 0,
            (true, None) => 1,
            (true, Some(parts)) => {
                for &part in &parts {
                    self.messages[part].fate = Fate::Waits;
                }
                // A change that came too late is what waits now.
                self.read_again(&parts);
                self.parts.remove(&prompt);
                self.prompts.retain(|(_, known)| *known != prompt);
                parts.len()
            }
        };
        assert_eq!(waiting(&self.store, session), before + again);
        Ok(())
    }

    fn read_again(&mut self, parts: &[usize]) {
        for &part in parts {
            let message = &mut self.messages[part];
            let update = message.arrival.update;
            let text = words(
                &self.store,
                &format!("SELECT text FROM inbox WHERE update_id = {update} AND text IS NOT NULL"),
            );
            message.text.clone_from(&text[0]);
        }
    }

    pub(super) fn give_again(&mut self, which: usize) -> Result<()> {
        if let Some((session, prompt)) = self.prompt(which) {
            let is_open = self.is_open(session, prompt);
            let again = self.store.give_again(prompt)?;
            assert_eq!(again.is_some(), is_open);
        }
        Ok(())
    }

    /// What goes on does so once, with what was known before; not where somebody has said stop.
    pub(super) fn continue_as(&mut self, which: usize) -> Result<()> {
        let Some((session, prompt)) = self.prompt(which) else {
            return Ok(());
        };
        let is_open = self.is_open(session, prompt);
        let before = waiting(&self.store, session);
        let goes_on = is_open && !self.store.work(session)?.stop;
        self.store.continue_as(prompt, "go on", &[], NOW)?;
        assert_eq!(waiting(&self.store, session), before + usize::from(goes_on));
        assert_eq!(self.is_open(session, prompt), is_open && !goes_on);
        Ok(())
    }

    pub(super) fn ask(
        &mut self,
        which: usize,
        before: usize,
        parts: usize,
        file: bool,
    ) -> Result<()> {
        let open =
            "SELECT CAST(id AS TEXT) FROM prompt WHERE state IN ('sent', 'taken') ORDER BY id";
        let Some(id) = choose_one(&words(&self.store, open), which).cloned() else {
            return Ok(());
        };
        let prompt = PromptId(id.parse().expect("it is a number"));
        let of = |column: &str, table: &str, id: i64| {
            number(
                &self.store,
                &format!("SELECT {column} FROM {table} WHERE id = {id}"),
            )
        };
        let session = SessionId(of("session", "prompt", prompt.0));
        let name = format!("request-{}", self.updates);
        let above: Vec<String> = (0..before).map(|part| format!("{name}/{part}")).collect();
        let above: Vec<(&str, &str)> = above.iter().map(|key| (key.as_str(), "above")).collect();
        let asked = Asked {
            before: aside(&above),
            parts: (0..parts).map(|_| post("a part of it")).collect(),
            file: file.then(|| post("all of it")),
            ..asked(Some(prompt), &name)
        };
        self.store.ask(BOT, session, NOW, &asked)?;
        let row = number(&self.store, "SELECT MAX(id) FROM outbox");
        let place = place_of(of("chat", "outbox", row), of("topic", "outbox", row));
        self.update();
        self.requests.push(Known {
            claude: name,
            session,
            token: asked.token,
            row,
            place,
        });
        Ok(())
    }

    pub(super) fn finish(&mut self, which: usize, blocks: usize) -> Result<()> {
        let Some((session, prompt)) = self.prompt(which) else {
            return Ok(());
        };
        let posts = (0..blocks).map(|block| (format!("{prompt}/{block}"), post("answer")));
        let closing = Closing {
            said: String::new(),
            posts: posts.collect(),
            ..closing(prompt, &[])
        };
        self.store
            .finish(BOT, session, NOW, &closing, not_held, told_of)
    }

    /// A turn that fails holds its session, unless somebody holds it already, or has said stop.
    pub(super) fn fail(&mut self, which: usize, reason: usize, comes_back: bool) -> Result<()> {
        let Some((session, prompt)) = self.prompt(which) else {
            return Ok(());
        };
        let reason = [Hold::Paused, Hold::Broken, Hold::Asking][reason];
        let until = comes_back.then_some(NOW + 60);
        let before = held(&self.store, session);
        let expected = match before {
            None if self.is_open(session, prompt) && !self.store.work(session)?.stop => {
                Some(reason)
            }
            before => before,
        };
        let closing = failing(prompt, reason, until);
        self.store
            .finish(BOT, session, NOW, &closing, failed, told_of)?;
        assert_eq!(held(&self.store, session), expected);
        Ok(())
    }

    pub(super) fn cannot_start(&mut self, which: usize) {
        let Some(session) = self.session(which) else {
            return;
        };
        if waiting(&self.store, session) == 0 && self.open(session).is_empty() {
            return;
        }
        let expected = match held(&self.store, session) {
            Some(Hold::Held) => Hold::Held,
            _ => Hold::Broken,
        };
        cannot_start(&self.store, session);
        assert_eq!(held(&self.store, session), Some(expected));
    }

    /// An owner that was told to stop closes what is open, or says that nothing ran.
    pub(super) fn carry_out_stop(&mut self, session: SessionId) -> Result<()> {
        let work = self.store.work(session)?;
        if !work.stop {
            return Ok(());
        }
        for prompt in &work.open {
            let closing = Closing {
                outcome: Outcome::Stopped,
                ..closing(prompt.id, &[])
            };
            self.store
                .finish(BOT, session, NOW, &closing, held_back, told_of)?;
        }
        if work.open.is_empty() {
            self.store.stopped(BOT, session, NOW, held_back)?;
        }
        let after = self.store.work(session)?;
        assert!(!after.stop && after.open.is_empty());
        let still_held = after.held.map(|held| held.reason);
        if work.held.is_some() && work.waiting > 0 {
            assert_eq!(still_held, work.held.map(|held| held.reason));
        }
        Ok(())
    }

    /// A hold whose time has come ends, and no other.
    pub(super) fn go_on(&mut self, which: usize) -> Result<()> {
        let Some(session) = self.session(which) else {
            return Ok(());
        };
        let before = self.store.work(session)?.held;
        self.store.go_on(session, NOW + 60, "again")?;
        let goes_on = before.is_some_and(|held| held.until.is_some());
        let expected = if goes_on { None } else { before };
        assert_eq!(self.store.work(session)?.held, expected);
        Ok(())
    }
}
