//! Writes down what the machine says about turns: how they ended, what is asked, why what waits is held. It makes rows and
//! texts of the machine's words and stores them; it decides nothing and waits for nobody. Of the host it looks only at
//! what a file that Claude wants to write would replace.

use std::path::PathBuf;
use std::time::Duration;

use super::admission::{Lack, Wait as RoomWait};
use super::machine::{Finished, Shown, Trouble};
use super::outcome::Wait;
use crate::board::Progress;
use crate::chat::{
    Act, Behind, Block, BotId, Button, Formatted, Hold, Offer, Pick, Post, Present,
    Progress as Answers, Prompt, PromptId, SessionId, Target, Verdict, Wanted,
};
use crate::render::{answer, notice, question, request, sessions, status, texts};
use crate::router;
use crate::store::{self, Aside, Asked, Closing, Holding, Store};
use crate::workplace::present;

/// A usage limit that is said to be over sooner or later than this, in seconds, is not believed.
const LIMIT_MIN: i64 = 30;
const LIMIT_MAX: i64 = 40 * 24 * 3600;

/// How long a request may wait for a disk to say what a file would replace.
const LOOK_MAX: Duration = Duration::from_millis(300);

/// Where a session's owner writes at a moment.
pub struct Ledger<'a> {
    pub store: &'a Store,
    pub bot: BotId,
    pub session: SessionId,
    /// The session's name.
    pub name: &'a str,
    /// Unix time, in seconds.
    pub now: i64,
}

impl Ledger<'_> {
    /// A turn has ended.
    pub fn finish(&self, finished: &Finished) -> store::Result<()> {
        let closing = closing(finished, self.now);
        let until = closing.hold.as_ref().and_then(|hold| hold.until);
        let left = until.map(|until| seconds_to(until, self.now));
        let notice = |waiting| {
            let Some(pause) = &finished.pause else {
                return notice::held(waiting);
            };
            let failed = notice::Failed {
                session: self.name,
                outcome: finished.outcome,
                reason: pause.reason,
                cause: &finished.cause,
                cure: finished.cure.as_deref(),
                left,
            };
            notice::failed(&failed, waiting)
        };
        let swept = |ended: &[String]| Post::message(sessions::swept(ended));
        self.store
            .finish(self.bot, self.session, self.now, &closing, notice, swept)
    }

    /// A stop was carried out where no turn ran; whether it has ended anything.
    pub fn stopped(&self, anything: bool) -> store::Result<()> {
        let held = self
            .store
            .stopped(self.bot, self.session, self.now, notice::held)?;
        if anything || held {
            return Ok(());
        }
        let post = Post::message(texts::nothing_runs(self.name));
        self.store.tell(self.bot, self.session, self.now, &post)
    }

    /// chappe ends before the turn does.
    pub fn leave(&self, prompt: &Prompt) -> store::Result<()> {
        let said = Post::Edit {
            target: Target::Status(prompt.id),
            body: status::paused(),
            buttons: Vec::new(),
        };
        self.store.left(self.bot, prompt, self.now, &said)
    }

    /// chappe ends while nothing runs of the turns that are open.
    pub fn park(&self) -> store::Result<()> {
        self.store
            .turns_pause(self.session, self.now, &status::paused())
    }

    /// The host has no process to give just now.
    pub fn tell_of_host(&self, trouble: &Trouble) -> store::Result<()> {
        let (Trouble::HostIsFull { cause } | Trouble::NotStarted { cause, .. }) = trouble else {
            return Ok(());
        };
        let post = Post::message(texts::host_is_full(self.name, cause));
        self.store.tell(self.bot, self.session, self.now, &post)
    }

    /// The session waits for a place.
    pub fn tell_wait(&self, wait: &RoomWait) -> store::Result<()> {
        let mut holders = Vec::new();
        for session in &wait.holders {
            if let Some(holder) = self.store.session(*session)? {
                holders.push((*session, holder.name));
            }
        }
        let names: Vec<&str> = holders.iter().map(|(_, name)| name.as_str()).collect();
        let body = notice::waits_for_room(self.name, wait.lack == Lack::Memory, &names);
        let offers: Vec<(SessionId, Offer)> = holders
            .iter()
            .take(notice::HOLDERS_MAX)
            .map(|(session, name)| {
                let act = Act::StopOther {
                    waits: self.session,
                };
                (*session, Offer::new(format!("Stop {name}"), act))
            })
            .collect();
        self.store
            .tell_wait(self.bot, self.session, self.now, &body, &offers)
    }

    /// There can be no process: what waits is held.
    pub fn hold_back(&self, trouble: &Trouble) -> store::Result<()> {
        self.store
            .turns_pause(self.session, self.now, &status::kept())?;
        let row = self.store.session(self.session)?;
        let (folder, has_said) = row.map_or_else(Default::default, |row| {
            (row.folder.display().to_string(), row.heard)
        });
        let holding = Holding {
            reason: Hold::Broken,
            until: None,
            retry: None,
        };
        let notice = |waiting| match trouble {
            // Another conversation may begin where this one cannot be gone on with.
            Trouble::NotStarted {
                cause,
                cure,
                of_conversation: true,
            } if has_said => notice::cannot_go_on(self.name, cause, cure.as_deref(), waiting),
            Trouble::NotStarted { cause, cure, .. } => {
                notice::cannot_start(self.name, cause, cure.as_deref(), waiting)
            }
            Trouble::HostIsFull { cause } => notice::cannot_start(self.name, cause, None, waiting),
            Trouble::NothingToResume => notice::cannot_resume(self.name, &folder, waiting),
        };
        self.store
            .hold(self.bot, self.session, self.now, &holding, notice)
    }

    /// Claude has taken a prompt in the turn of `into`. `before` is what it said there just before.
    pub fn taken_in(
        &self,
        prompt: PromptId,
        into: PromptId,
        before: &[Block],
    ) -> store::Result<()> {
        let turn = self.store.prompt_uuid(into)?.unwrap_or_default();
        let before = aside(&turn, before);
        let went_in = Post::message(texts::went_in_elsewhere(self.name));
        self.store.taken_in(
            self.bot,
            self.session,
            self.now,
            (prompt, into),
            &before,
            &went_in,
        )
    }

    /// Claude wants to be allowed something. `before` is what it said just before.
    ///
    /// Where it would write or change a file, it is looked at what is there already, and where its path leads.
    pub fn ask(
        &self,
        prompt: Option<PromptId>,
        wanted: &Wanted,
        before: &[Block],
    ) -> store::Result<()> {
        let session = self.store.session(self.session)?;
        let folder = session.map_or_else(PathBuf::new, |row| row.folder);
        if !wanted.questions.is_empty() {
            return self.ask_questions(prompt, wanted, before);
        }
        let found = match request::changes(wanted) {
            // The CLI asks with a whole path. Should it not, it alone knows whose home that is.
            Some(path) if path.starts_with("~") => Present::Unseen.into(),
            Some(path) => present::look_within(&folder, &path, LOOK_MAX),
            None => Present::Nothing.into(),
        };
        let folder = folder.display().to_string();
        let shown = request::show(wanted, self.name, &folder, &found);
        let token = store::fresh_uuid().replace('-', "");
        let turn = match prompt {
            Some(prompt) => self.store.prompt_uuid(prompt)?,
            None => None,
        };
        let parts = shown.above.into_iter().map(|body| Post::Message {
            body,
            buttons: Vec::new(),
            silent: true,
        });
        let [allow, deny] = shown.labels;
        let button = |label: &str, verdict| Button {
            label: label.to_owned(),
            data: router::button_data(verdict, &token),
        };
        let mut buttons = vec![vec![button(allow, Verdict::Allow)]];
        if !wanted.is_plan {
            buttons[0].push(button(deny, Verdict::Deny));
        }
        let mut choices = Vec::new();
        // Each on a row of its own, so that a phone shows it whole.
        for (label, permit) in shown.always {
            let token = store::fresh_uuid().replace('-', "");
            let data = router::always_data(&token);
            buttons.push(vec![Button { label, data }]);
            choices.push((token, permit));
        }
        if wanted.is_plan {
            buttons.push(vec![Button {
                label: deny.to_owned(),
                data: router::revise_data(&token),
            }]);
        }
        let asked = Asked {
            prompt,
            wanted: wanted.clone(),
            before: aside(turn.as_deref().unwrap_or(&token), before),
            parts: parts.collect(),
            post: Post::Message {
                body: shown.body,
                buttons,
                silent: false,
            },
            token,
            choices,
            picks: Vec::new(),
            file: shown.file.map(|(name, text)| Post::Document {
                name: name.to_owned(),
                text,
                caption: Formatted::default(),
                silent: true,
            }),
        };
        self.store.ask(self.bot, self.session, self.now, &asked)
    }

    /// Claude asks questions: the first one is shown, and the others follow in the same message.
    fn ask_questions(
        &self,
        prompt: Option<PromptId>,
        wanted: &Wanted,
        before: &[Block],
    ) -> store::Result<()> {
        let progress = Answers::default();
        let shown = question::show(self.name, wanted.sub_agent, &wanted.questions, &progress);
        let fresh_token = || store::fresh_uuid().replace('-', "");
        let token = fresh_token();
        let turn = match prompt {
            Some(prompt) => self.store.prompt_uuid(prompt)?,
            None => None,
        };
        let mut picks = Vec::new();
        let mut button = |(label, pick): (String, Pick)| {
            let token = fresh_token();
            let data = Pick::button_data(&token);
            picks.push((token, progress.at(), pick));
            Button { label, data }
        };
        let rows = shown.buttons.into_iter();
        let buttons = rows.map(|row| row.into_iter().map(&mut button).collect());
        let post = Post::Message {
            body: shown.body,
            buttons: buttons.collect(),
            silent: false,
        };
        let asked = Asked {
            prompt,
            wanted: wanted.clone(),
            before: aside(turn.as_deref().unwrap_or(&token), before),
            post,
            token,
            choices: Vec::new(),
            picks,
            parts: Vec::new(),
            file: None,
        };
        self.store.ask(self.bot, self.session, self.now, &asked)
    }
}

/// What is stored of a turn that has ended.
fn closing(finished: &Finished, now: i64) -> Closing {
    let hold = finished.pause.as_ref().map(|pause| Holding {
        reason: pause.reason,
        until: match pause.wait {
            Wait::Ever => None,
            Wait::For(wait) => Some(now + seconds(wait)),
            // A limit that should be over by now, or is never over, is a clock that is wrong, here or there.
            Wait::Until { at, .. } if (now + LIMIT_MIN..now + LIMIT_MAX).contains(&at) => Some(at),
            Wait::Until { or, .. } => Some(now + seconds(or)),
        },
        retry: Some(pause.retry.clone()),
    });
    let (posts, offers) = answer::ended(&answer::Ended {
        prompt: &finished.prompt,
        outcome: finished.outcome,
        answer: &finished.answer,
        spent: finished.spent,
        tools: finished.tools,
        took: finished.took,
    });
    Closing {
        prompt: finished.prompt.id,
        steered: finished.steered.clone(),
        outcome: finished.outcome,
        by_claude: finished.by_claude,
        spent: finished.spent,
        said: said_by_claude(&finished.answer),
        posts,
        offers,
        hold,
        unread: |text| Post::message(texts::unread(text)),
    }
}

/// What Claude says before its answer, or without having been asked. `turn` is in the keys.
pub fn aside(turn: &str, blocks: &[Block]) -> Aside {
    Aside {
        posts: answer::blocks(turn, blocks),
        said: said_by_claude(blocks),
    }
}

/// What Claude said in a turn, as it wrote it.
fn said_by_claude(answer: &[Block]) -> String {
    let blocks: Vec<&str> = answer.iter().map(|block| block.text.as_str()).collect();
    blocks.join("\n\n")
}

fn seconds(wait: Duration) -> i64 {
    i64::try_from(wait.as_secs()).unwrap_or(i64::MAX / 2)
}

/// How long it is until a Unix time; nothing where that has passed.
pub fn seconds_to(until: i64, now: i64) -> Duration {
    Duration::from_secs(u64::try_from(until.saturating_sub(now)).unwrap_or(0))
}

/// A turn as it stands on the board, with the messages that wait behind it; whether its process asks nobody.
pub fn progress(shown: &Shown, behind: Behind, asks_nobody: bool) -> Progress {
    Progress {
        place: shown.prompt.place,
        prompt: shown.prompt.id,
        since: shown.since,
        doing: shown.doing.clone(),
        doing_since: shown.doing_since,
        interruption: shown.interruption.clone(),
        waiting: shown.waiting,
        behind,
        asks_nobody,
    }
}

#[cfg(test)]
mod walk;
