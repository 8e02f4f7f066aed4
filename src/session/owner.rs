//! The owner of a session: one thread that holds its process and does what the machine says.
//!
//! It blocks only in its select, and for a second at a time while the store fails. What an action needs from the host
//! for longer than a moment (ending a leftover, asking for the version) is done by a thread of its own, which reports
//! back. When the store fails, the actions at hand wait and nothing further is taken in, so that no step is skipped.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, at, bounded, never, select_biased};
use nix::sys::signal::Signal;
use uuid::Uuid;

use super::machine::{Action, Closed, Event, Finished, Machine, Settings, Trouble};
use super::registry::{Control, Ears, Registry};
use crate::board::{Board, Progress};
use crate::chat::{BotId, Button, Post, PromptId, SessionId, Verdict, Wanted};
use crate::claude::arguments::{self, ENVIRONMENT, FOREGROUND_ONLY, LaunchSpec, Version};
use crate::claude::process::{self, Fingerprint, Launch, Process, Said};
use crate::claude::protocol;
use crate::claude::transcript::{self, Kept};
use crate::clock::unix_now;
use crate::pulse::{Pulse, Pulses};
use crate::render::{answer, request, texts};
use crate::router;
use crate::store::{self, Asked, Closing, Living, Session, Store};
use crate::thread;

/// How long the store is left alone after it failed.
const STORE_RETRY: Duration = Duration::from_secs(1);

/// How long `claude --version` may take.
const VERSION_MAX: Duration = Duration::from_secs(20);

/// Lines of stderr that are kept for the case that the process ends.
const LAST_WORDS_MAX: usize = 20;

/// What all owners share.
pub struct Outfit {
    pub bot: BotId,
    pub store: Arc<Store>,
    pub board: Arc<Board>,
    pub settings: Settings,
    /// The program and its first arguments.
    pub command: Vec<String>,
    pub permission_mode: String,
    pub model: Option<String>,
    pub max_turns: u32,
    /// Rules that always deny.
    pub deny: Vec<String>,
    pub extra_args: Vec<String>,
    /// The child's whole environment, without what the protocol adds.
    pub environment: Vec<(OsString, OsString)>,
    /// Where each owner's pulse is known.
    pub pulses: Arc<Pulses>,
    /// The version of the program that was last asked for it.
    pub version: Mutex<Option<(Fingerprint, Version)>>,
}

/// How a process joins its conversation.
#[derive(Clone, Copy)]
enum Opening {
    New,
    Resume,
}

/// What a start needs, once it has been looked at.
struct Prepared {
    version: Version,
    opening: Opening,
    /// Claude's session id; a new one where the old one could not have worked.
    claude: Uuid,
}

/// Starts the thread of a session's owner.
pub fn start(
    outfit: &Arc<Outfit>,
    registry: Arc<Registry>,
    session: SessionId,
    ears: Ears,
) -> std::io::Result<()> {
    let outfit = Arc::clone(outfit);
    thread::spawn(format!("s{session}"), move || {
        let end = AnnounceEnd {
            registry: Arc::clone(&registry),
            outfit: Arc::clone(&outfit),
            session,
        };
        let machine = Machine::new(outfit.settings.clone());
        let pulse = outfit.pulses.begin();
        let owner = Owner {
            outfit,
            registry,
            session,
            name: String::new(),
            pulse,
            machine,
            process: None,
            conversation: String::new(),
            prepared: None,
            preparing: never(),
            last_words: VecDeque::new(),
            actions: VecDeque::new(),
            events: VecDeque::new(),
        };
        owner.run(&ears);
        drop(end);
    })
    .map(drop)
}

/// Tells the registry of the end, and the person of a panic, whatever happens.
struct AnnounceEnd {
    registry: Arc<Registry>,
    outfit: Arc<Outfit>,
    session: SessionId,
}

impl Drop for AnnounceEnd {
    fn drop(&mut self) {
        if std::thread::panicking() {
            log::error!("the owner of session {} has panicked", self.session);
            let post = Post::Message {
                body: texts::bug(),
                buttons: Vec::new(),
                silent: false,
            };
            let Outfit {
                bot, store, board, ..
            } = &*self.outfit;
            let _ = store.tell(*bot, self.session, unix_now(), &post);
            board.hide(self.session);
            self.registry.gone(self.session);
        }
    }
}

struct Owner {
    outfit: Arc<Outfit>,
    registry: Arc<Registry>,
    session: SessionId,
    /// The session's name, for what is shown; read with each preparation.
    name: String,
    pulse: Arc<Pulse>,
    machine: Machine,
    process: Option<Process>,
    /// Claude's id of the conversation that the process is in.
    conversation: String,
    prepared: Option<Prepared>,
    /// Where the preparation reports.
    preparing: Receiver<Result<Prepared, Trouble>>,
    last_words: VecDeque<String>,
    /// What the machine wants done, in order.
    actions: VecDeque<Action>,
    /// What came of actions, to be told once all of them are done.
    events: VecDeque<Event>,
}

/// Whether the thread goes on.
#[derive(PartialEq, Eq)]
enum Life {
    GoesOn,
    Over,
}

/// What the select brought.
enum Heard {
    /// None where the registry is gone.
    Control(Option<Control>),
    Bell,
    Prepared(Result<Prepared, Trouble>),
    Said(Said),
    Timer,
}

/// What follows from it.
enum Woken {
    Event(Event),
    /// Look at the store.
    Look,
    /// Something that the machine need not hear of.
    Nothing,
}

impl Owner {
    fn run(mut self, ears: &Ears) {
        loop {
            match self.perform_all(ears) {
                Ok(Life::Over) => return,
                Ok(Life::GoesOn) => {}
                Err(error) => {
                    log::error!("the store cannot be used, trying again: {error}");
                    // Nothing is lost meanwhile: what the process says waits in its channel and its pipe.
                    let resting = self.pulse.rest();
                    let control = ears.control.recv_timeout(STORE_RETRY);
                    drop(resting);
                    if control != Err(RecvTimeoutError::Timeout) {
                        return self.end_without_store();
                    }
                    continue;
                }
            }
            let event = match self.events.pop_front() {
                Some(event) => event,
                None => match self.next(ears) {
                    Woken::Event(event) => event,
                    Woken::Look => match self.look() {
                        Ok(event) => event,
                        Err(error) => {
                            log::error!("the store cannot be read, trying again: {error}");
                            self.actions.push_back(Action::Look);
                            continue;
                        }
                    },
                    Woken::Nothing => continue,
                },
            };
            let now = Instant::now();
            self.actions.extend(self.machine.handle(now, event));
        }
    }

    /// Ends the process and the thread although something could not be stored, because chappe ends. What was not stored
    /// is decided again at the next start, by what is.
    fn end_without_store(mut self) {
        log::error!(
            "session {} ends with something that could not be stored",
            self.session
        );
        if let Some(mut process) = self.process.take() {
            process.close_input();
            process.signal(Signal::SIGTERM);
            let deadline = Instant::now() + self.outfit.settings.stop_grace;
            while let Ok(said) = process.said().recv_deadline(deadline) {
                if said == Said::Exited {
                    break;
                }
            }
            // Dropped here: killed if it still lives, reaped, and what it left behind ended.
        }
        self.outfit.board.hide(self.session);
        self.registry.gone(self.session);
    }

    /// Waits for whatever comes first. Controls before what is in the store, and both before what Claude says.
    fn next(&mut self, ears: &Ears) -> Woken {
        match self.wait(ears) {
            Heard::Control(control) => {
                self.told(control);
                Woken::Nothing
            }
            Heard::Bell => Woken::Look,
            Heard::Prepared(prepared) => {
                self.preparing = never();
                Woken::Event(match prepared {
                    Ok(prepared) => {
                        self.prepared = Some(prepared);
                        Event::Prepared
                    }
                    Err(trouble) => Event::NotPrepared(trouble),
                })
            }
            Heard::Said(said) => self.heard(said),
            Heard::Timer => Woken::Event(Event::Tick),
        }
    }

    /// Where an owner waits, except for a store that fails.
    fn wait(&self, ears: &Ears) -> Heard {
        let silent = never();
        let said = self.process.as_ref().map_or(&silent, Process::said);
        let timer = self.machine.deadline().map_or_else(never, at);
        let _resting = self.pulse.rest();
        select_biased! {
            recv(ears.control) -> control => Heard::Control(control.ok()),
            recv(ears.bell) -> heard => heard.map_or(Heard::Control(None), |()| Heard::Bell),
            recv(self.preparing) -> prepared => Heard::Prepared(
                prepared.unwrap_or_else(|_| Err(not_started("the preparation broke off", None)))
            ),
            // Before what Claude says: endless output must not hold up a deadline.
            recv(timer) -> _ => Heard::Timer,
            recv(said) -> said => Heard::Said(said.unwrap_or(Said::Exited)),
        }
    }

    fn told(&mut self, control: Option<Control>) {
        self.events.push_back(match control {
            Some(Control::Shutdown) | None => Event::Shutdown,
            Some(Control::Hurry) => Event::Hurry,
        });
    }

    fn heard(&mut self, said: Said) -> Woken {
        match said {
            Said::Line(line) => match protocol::parse(&line) {
                Some(protocol::Message::Unknown { kind, reason }) => {
                    log::debug!(
                        "a line of an unknown kind: {kind} {}",
                        reason.unwrap_or_default()
                    );
                    Woken::Nothing
                }
                Some(message) => {
                    self.follow(&message);
                    Woken::Event(Event::Said(message))
                }
                None => Woken::Nothing,
            },
            Said::TooLong(bytes) => {
                log::warn!("claude wrote a line of {bytes} bytes, which is left out");
                Woken::Nothing
            }
            Said::Stderr(line) => {
                if self.last_words.len() == LAST_WORDS_MAX {
                    self.last_words.pop_front();
                }
                self.last_words.push_back(line);
                Woken::Nothing
            }
            Said::Exited => {
                let Some(mut process) = self.process.take() else {
                    return Woken::Nothing;
                };
                let how = in_words(process.reap());
                log::info!("claude {} has ended: {how}", process.pid());
                self.actions.push_back(Action::NoteEnd);
                let last_words = self.last_words.drain(..).collect::<Vec<_>>().join("\n");
                Woken::Event(Event::Exited { how, last_words })
            }
        }
    }

    /// Notes that the process goes on in another conversation: a `/clear` of Claude's own begins one.
    fn follow(&mut self, message: &protocol::Message) {
        if let protocol::Message::Init(init) = message
            && !init.session_id.is_empty()
            && init.session_id != self.conversation
        {
            log::info!("the conversation goes on as {}", init.session_id);
            self.conversation.clone_from(&init.session_id);
            self.actions
                .push_back(Action::NoteConversation(init.session_id.clone()));
        }
    }

    /// Reads what waits for the session.
    fn look(&self) -> store::Result<Event> {
        let work = self.outfit.store.work(self.session)?;
        Ok(Event::Work {
            waiting: work.waiting,
            decisions: work.decisions,
            open: work.open,
        })
    }

    /// Does what the machine wants, in order. What fails because of the store stays the next one to be done.
    fn perform_all(&mut self, ears: &Ears) -> store::Result<Life> {
        while let Some(action) = self.actions.front().cloned() {
            if self.perform(&action, ears)? == Life::Over {
                return Ok(Life::Over);
            }
            self.actions.pop_front();
        }
        Ok(Life::GoesOn)
    }

    fn perform(&mut self, action: &Action, ears: &Ears) -> store::Result<Life> {
        let Outfit {
            bot, store, board, ..
        } = &*Arc::clone(&self.outfit);
        let (bot, session, now) = (*bot, self.session, unix_now());
        match action {
            Action::Look => {
                let event = self.look()?;
                self.events.push_back(event);
            }
            Action::Prepare => self.prepare()?,
            Action::Start => self.start()?,
            Action::NoteEnd => store.ended(session)?,
            Action::NoteConversation(claude) => store.set_claude_session(session, claude)?,
            Action::Write(line) => {
                let written = self
                    .process
                    .as_ref()
                    .map(|process| process.write(line.clone()));
                if !matches!(written, Some(Ok(()))) {
                    self.events.push_back(Event::NotReading);
                }
            }
            Action::CloseInput => {
                if let Some(process) = &mut self.process {
                    process.close_input();
                }
            }
            Action::Terminate => self.signal(Signal::SIGTERM),
            Action::Kill => self.signal(Signal::SIGKILL),
            Action::GiveNext => {
                let commands = self.machine.commands();
                let given = store.give_next(
                    bot,
                    session,
                    now,
                    |text| protocol::is_command(text, commands),
                    |text| protocol::escape_prompt(text, commands),
                )?;
                let (prompt, waiting) =
                    given.map_or((None, 0), |(prompt, waiting)| (Some(prompt), waiting));
                self.events.push_back(Event::Given(prompt, waiting));
            }
            Action::TakeBack(prompt) => store.take_back(*prompt)?,
            Action::Taken(prompt) => store.taken(*prompt)?,
            Action::Acted {
                prompt,
                tool,
                input,
            } => store.acted(*prompt, tool, input)?,
            Action::Ask {
                prompt,
                wanted,
                before,
            } => {
                let asked = self.asked(*prompt, wanted, before)?;
                store.ask(bot, session, now, &asked)?;
                board.ring();
            }
            Action::Told { request } => store.told(session, request)?,
            Action::CloseRequests { request, why } => {
                let (state, line): (_, fn(&_) -> _) = match why {
                    Closed::Withdrawn => ("withdrawn", texts::withdrawn),
                    Closed::Expired => ("expired", texts::expired),
                };
                store.close_requests(session, now, request.as_deref(), state, line)?;
                board.ring();
            }
            Action::Finish(finished) => {
                store.finish(bot, session, now, &closing(finished))?;
                board.ring();
            }
            Action::Unasked { blocks, spent } => {
                // Nobody gave this turn a name, so it gets one here.
                let posts = answer::blocks(&store::fresh_uuid(), blocks);
                store.unasked(bot, session, now, *spent, &posts)?;
                board.ring();
            }
            Action::Tell(trouble) => {
                let body = match trouble {
                    Trouble::NotStarted { cause, cure } => {
                        texts::cannot_start(&self.name, cause, cure.as_deref())
                    }
                    Trouble::NothingToResume => {
                        let session = store.session(session)?;
                        let folder = session.map(|session| session.folder.display().to_string());
                        texts::cannot_resume(&self.name, &folder.unwrap_or_default())
                    }
                };
                store.tell(
                    bot,
                    session,
                    now,
                    &Post::Message {
                        body,
                        buttons: Vec::new(),
                        silent: false,
                    },
                )?;
                board.ring();
            }
            Action::Show {
                prompt,
                since,
                doing,
                doing_since,
                waiting,
            } => {
                let progress = Progress {
                    place: prompt.place,
                    prompt: prompt.id,
                    since: *since,
                    doing: doing.clone(),
                    doing_since: *doing_since,
                    waiting: *waiting,
                };
                board.show(session, progress);
            }
            Action::Hide => board.hide(session),
            Action::Retire => {
                let something_waits = || {
                    let work = store.work(session)?;
                    Ok::<_, store::Error>(
                        work.waiting > 0 || !work.decisions.is_empty() || !work.open.is_empty(),
                    )
                };
                if self.registry.retire(session, something_waits)? {
                    return Ok(Life::Over);
                }
                self.actions.push_back(Action::Look);
            }
            Action::Rest => {
                if self.registry.rest(session, &ears.bell) {
                    return Ok(Life::Over);
                }
                self.actions.push_back(Action::Look);
            }
            Action::End => {
                self.registry.gone(session);
                return Ok(Life::Over);
            }
        }
        Ok(Life::GoesOn)
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    /// Has everything looked at that a start needs, by a thread that may take its time.
    fn prepare(&mut self) -> store::Result<()> {
        let Some(session) = self.outfit.store.session(self.session)? else {
            self.events
                .push_back(Event::NotPrepared(not_started("the session is gone", None)));
            return Ok(());
        };
        self.name.clone_from(&session.name);
        let (report, preparing) = bounded(1);
        let outfit = Arc::clone(&self.outfit);
        let started = thread::spawn(format!("s{}-prepare", self.session), move || {
            // Nobody listens any more when chappe ends; then nobody needs it.
            let _ = report.send(prepare(&outfit, &session));
        });
        match started {
            Ok(_) => self.preparing = preparing,
            Err(error) => {
                let trouble =
                    not_started(&format!("the host has no thread to give ({error})"), None);
                self.events.push_back(Event::NotPrepared(trouble));
            }
        }
        Ok(())
    }

    /// Starts the process, as it was prepared.
    fn start(&mut self) -> store::Result<()> {
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
        if claude != session.claude {
            store.set_claude_session(self.session, &claude)?;
        }
        // Taken last: when the store fails, this is done again from its beginning.
        let Some(prepared) = self.prepared.take() else {
            return Ok(());
        };
        self.conversation.clone_from(&claude);
        let outfit = &self.outfit;
        let arguments = arguments::arguments(&LaunchSpec {
            session: match prepared.opening {
                Opening::New => arguments::Session::New(prepared.claude),
                Opening::Resume => arguments::Session::Resume(prepared.claude),
            },
            permission_mode: outfit.permission_mode.clone(),
            model: outfit.model.clone(),
            max_turns: outfit.max_turns,
            append_system_prompt: None,
            deny_rules: outfit.deny.clone(),
            extra_args: outfit.extra_args.clone(),
            version: prepared.version,
        });
        let launch = launch(
            outfit,
            arguments,
            session.folder.clone(),
            format!("s{}", self.session),
            session.mark.clone(),
        );
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
                self.events.push_back(Event::Started);
                // Where this cannot be written the process still runs, and chappe still holds it.
                if let Err(error) = store.spawned(self.session, &living) {
                    log::error!("the process cannot be noted: {error}");
                }
            }
            Err(error) => {
                self.events.push_back(Event::NotPrepared(spawn_trouble(
                    &outfit.command,
                    &session.folder,
                    &error,
                )));
            }
        }
        Ok(())
    }

    /// A request as it is stored and shown.
    fn asked(
        &self,
        prompt: Option<PromptId>,
        wanted: &Wanted,
        before: &[crate::chat::Block],
    ) -> store::Result<Asked> {
        let session = self.outfit.store.session(self.session)?;
        let (name, folder) = session.map_or_else(Default::default, |session| {
            (session.name, session.folder.display().to_string())
        });
        let shown = request::show(wanted, &name, &folder);
        let token = store::fresh_uuid().replace('-', "");
        let turn = match prompt {
            Some(prompt) => self.outfit.store.prompt_uuid(prompt)?,
            None => None,
        };
        let mut above = answer::blocks(turn.as_deref().unwrap_or(&token), before);
        above.extend(shown.above.into_iter().enumerate().map(|(part, body)| {
            (
                format!("{token}/{part}"),
                Post::Message {
                    body,
                    buttons: Vec::new(),
                    silent: true,
                },
            )
        }));
        let [allow, deny] = shown.labels;
        let button = |label: &str, verdict| Button {
            label: label.to_owned(),
            data: router::button_data(verdict, &token),
        };
        let buttons = vec![vec![
            button(allow, Verdict::Allow),
            button(deny, Verdict::Deny),
        ]];
        Ok(Asked {
            prompt,
            wanted: wanted.clone(),
            before: above,
            post: Post::Message {
                body: shown.body,
                buttons,
                silent: false,
            },
            token,
        })
    }
}

/// Looks at everything that a start needs. May block for long.
fn prepare(outfit: &Outfit, session: &Session) -> Result<Prepared, Trouble> {
    if let Some(Living { pid, start, boot }) = &session.living {
        let Settings {
            shutdown_grace,
            stop_grace,
            ..
        } = outfit.settings;
        if !process::end_leftover(*pid, *start, boot, shutdown_grace, stop_grace) {
            return Err(not_started(
                &format!("an old claude ({pid}) cannot be ended"),
                None,
            ));
        }
    }
    // Also where it ended before chappe came back: its tools may still run.
    process::sweep(&session.mark);
    let mut builder = fs::DirBuilder::new();
    if let Err(error) = builder.recursive(true).mode(0o700).create(&session.folder) {
        let cause = format!(
            "its folder {} cannot be made ({error})",
            session.folder.display()
        );
        return Err(not_started(&cause, None));
    }
    let version = version(outfit, &session.folder)?;
    let kept = config_dir(&outfit.environment).map(|dir| transcript::kept(&dir, &session.claude));
    let known = || {
        let broken = |_| {
            not_started(
                "the store names it by an id that Claude does not take",
                None,
            )
        };
        session.claude.parse::<Uuid>().map_err(broken)
    };
    let (opening, claude) = match (kept, session.said) {
        // Nothing was ever said: neither way of opening works with what is there, so it gets a new id.
        (Some(Kept::Hollow), _) => (Opening::New, Uuid::new_v4()),
        // Where there is nothing to resume although something was said, the CLI says so, and so does chappe.
        (Some(Kept::Said), _) | (_, true) => (Opening::Resume, known()?),
        (_, false) => (Opening::New, known()?),
    };
    Ok(Prepared {
        version,
        opening,
        claude,
    })
}

/// The program's version, asked once for as long as the program on disk stays the same.
fn version(outfit: &Outfit, folder: &Path) -> Result<Version, Trouble> {
    let path = variable(&outfit.environment, "PATH").unwrap_or_default();
    let fingerprint = process::fingerprint(&outfit.command, path);
    let mut known = outfit
        .version
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if let Some((of, version)) = &*known
        && *of == fingerprint
    {
        return Ok(*version);
    }
    let launch = launch(
        outfit,
        vec!["--version".to_owned()],
        folder.to_owned(),
        "version".to_owned(),
        store::fresh_uuid(),
    );
    let line = process::first_line(&launch, VERSION_MAX)
        .map_err(|error| spawn_trouble(&outfit.command, folder, &error))?;
    let Some(version) = Version::parse(&line) else {
        let cause = format!(
            "`{} --version` does not look like Claude Code",
            outfit.command.join(" ")
        );
        return Err(not_started(
            &cause,
            Some("Look at claude.command in config.toml."),
        ));
    };
    log::info!("Claude Code is version {version}");
    *known = Some((fingerprint, version));
    Ok(version)
}

fn launch(
    outfit: &Outfit,
    arguments: Vec<String>,
    folder: PathBuf,
    name: String,
    mark: String,
) -> Launch {
    let protocol = ENVIRONMENT.into_iter().chain([FOREGROUND_ONLY]);
    let protocol = protocol.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    Launch {
        argv: outfit.command.iter().cloned().chain(arguments).collect(),
        folder,
        environment: outfit.environment.iter().cloned().chain(protocol).collect(),
        mark,
        name,
    }
}

fn variable<'a>(environment: &'a [(OsString, OsString)], name: &str) -> Option<&'a OsStr> {
    environment
        .iter()
        .find(|(variable, _)| variable == name)
        .map(|(_, value)| value.as_os_str())
}

/// Where Claude keeps its transcripts.
fn config_dir(environment: &[(OsString, OsString)]) -> Option<PathBuf> {
    match variable(environment, "CLAUDE_CONFIG_DIR") {
        Some(dir) => Some(PathBuf::from(dir)),
        None => Some(Path::new(variable(environment, "HOME")?).join(".claude")),
    }
}

fn not_started(cause: &str, cure: Option<&str>) -> Trouble {
    Trouble::NotStarted {
        cause: cause.to_owned(),
        cure: cure.map(str::to_owned),
    }
}

/// Why a process could not be started, in words.
fn spawn_trouble(command: &[String], folder: &Path, error: &std::io::Error) -> Trouble {
    let program = command.first().map_or("", String::as_str);
    match error.kind() {
        std::io::ErrorKind::NotFound if !folder.is_dir() => not_started(
            &format!("its folder {} is not there", folder.display()),
            None,
        ),
        std::io::ErrorKind::NotFound => not_started(
            &format!("there is no program {program}"),
            Some(
                "Install Claude Code on this host (npm install -g @anthropic-ai/claude-code), or name it in \
                 config.toml: [claude] command = [\"/path/to/claude\"].",
            ),
        ),
        std::io::ErrorKind::PermissionDenied => {
            not_started(&format!("{program} may not be run by this user"), None)
        }
        std::io::ErrorKind::TimedOut => not_started(&format!("{program} does not answer"), None),
        _ => not_started(&format!("{program}: {error}"), None),
    }
}

/// What is stored of a turn that has ended.
fn closing(finished: &Finished) -> Closing {
    let Finished {
        prompt,
        outcome,
        answer,
        cause,
        spent,
        tools,
        took,
    } = finished;
    let ended = answer::Ended {
        prompt,
        outcome: *outcome,
        answer,
        cause,
        spent: *spent,
        tools: *tools,
        took: *took,
    };
    Closing {
        prompt: prompt.id,
        outcome: *outcome,
        spent: *spent,
        posts: answer::ended(&ended),
    }
}

/// How a process ended, in words.
fn in_words(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => format!("signal {number}, {signal}"),
            Err(_) => format!("signal {number}"),
        },
        (None, None) => "an unknown end".to_owned(),
    }
}
