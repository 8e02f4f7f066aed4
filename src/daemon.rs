//! The daemon: starts everything in order, watches over it, and ends it in order.
//!
//! The way up: state directory and its lock, store, courier, owners' registry, poller; then every session with open
//! rows is woken. The way down: no new updates, owners end their processes, the courier sends what Telegram takes at
//! once, the store is put into one file. What a message means is decided elsewhere. From its start chappe takes in its
//! children's orphans, and reaps them as they die.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_channel::{Receiver, after, bounded, never, select};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::absence;
use crate::board::Board;
use crate::chat::{BotId, Formatted, Persona, Post, SessionId, UserId};
use crate::claude::arguments::{by_real_path, deny_file, deny_folder};
use crate::claude::{process, reaper};
use crate::clock::unix_now;
use crate::config::persona::{NoPersona, Personas};
use crate::config::{Config, ConfigError, Environment, child_environment};
use crate::exit::{Exit, Fatal};
use crate::pulse::Pulses;
use crate::render::{elsewhere, notice, request, texts};
use crate::router::{Allowed, Me};
use crate::session::admission::Limits;
use crate::session::machine::Settings;
use crate::session::moving;
use crate::session::owner;
use crate::session::prepare::{self, MIRROR, Setup};
use crate::session::registry::{Control, Registry};
use crate::session::slots::Slots;
use crate::store::{Home, Marks, Store};
use crate::telegram::api::Api;
use crate::telegram::courier::{self, Courier};
use crate::telegram::desk::Desk;
use crate::telegram::poller::{self, Poller};
use crate::telegram::standby::Standby;
use crate::workplace::{Workplace, resolved};
use crate::{notify, thread};

/// How long the courier sends on when chappe ends.
const LAST_ROUND: Duration = Duration::from_secs(3);

/// How long owners get beyond what their own steps may take.
const OWNERS_MARGIN: Duration = Duration::from_secs(3);

/// How long the rest may take: the store is put into one file.
const LAST_MARGIN: Duration = Duration::from_secs(2);

/// How often a second signal is looked for while owners end.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Waits between attempts to start a thread that the host did not give.
const START_AGAIN_FIRST: Duration = Duration::from_secs(1);
const START_AGAIN_MAX: Duration = Duration::from_secs(60);

/// A running chappe.
pub struct Daemon {
    store: Arc<Store>,
    registry: Arc<Registry>,
    courier: Courier,
    poller: Poller,
    fatal: Receiver<Fatal>,
    trouble: Receiver<()>,
    settings: Settings,
    /// Held for as long as chappe runs; the last to go.
    _lock: Flock<File>,
}

impl Daemon {
    /// Starts everything. The network need not be there.
    pub fn start(config: &Config, environment: &Environment) -> Result<Daemon, Fatal> {
        // Its memory and environment hold the token; they are closed to other programs of the same user, such as the
        // tools that Claude runs.
        if let Err(errno) = nix::sys::prctl::set_dumpable(false) {
            log::warn!("chappe's own memory cannot be closed to other programs: {errno}");
        }
        if let Err(errno) = reaper::adopt() {
            log::warn!("what Claude's tools leave behind cannot be taken in: {errno}");
        }
        let lock = take_state_dir(&config.state_dir)?;
        let root = resolved(&config.sessions.root);
        let store = Arc::new(open_store(&config.state_dir, &root)?);
        if root != config.sessions.root {
            store
                .resolve_folders(&config.sessions.root, &root)
                .map_err(|error| unwritable(&error))?;
        }
        let bot = BotId(config.telegram.token.bot_id());
        let api = Api::new(
            &config.telegram.api_url,
            config.telegram.token.expose(),
            config.telegram.proxy.as_deref(),
        )
        .map_err(|error| Fatal::new(Exit::Config, error))?;
        let (board, bell) = Board::new();
        let board = Arc::new(board);
        // Only the first end counts; whoever comes later finds it full.
        let (fatal_out, fatal) = bounded(1);
        let (trouble_out, trouble) = bounded(1);
        let personas = Personas::of(config, environment);
        let persona = default_persona(config, &personas)?;
        let now = unix_now();
        let line = Post::message(Formatted::plain(texts::ANOTHER_BOT));
        store
            .adopt(bot, now, &line)
            .map_err(|error| unwritable(&error))?;
        let seen = store.seen(bot).map_err(|error| unwritable(&error))?;
        let from = store.next_offset(bot).map_err(|error| unwritable(&error))?;
        let away = absence::before_start(now, seen).map_or(0, |away| away.as_secs() as i64);
        if away > absence::OLD {
            keep_what_is_old(&store, bot, now).map_err(|error| unwritable(&error))?;
        }
        let settings = Settings {
            stop_grace: config.sessions.stop_grace,
            shutdown_grace: config.sessions.shutdown_grace,
            retries: config.sessions.retries,
            retry_delay: config.sessions.retry_delay,
            // A state that comes back from a backup looks like a long sleep.
            ask_first: config.sessions.ask_before_resume || away > absence::STALE,
        };
        let pulses = Arc::new(Pulses::default());
        let cut_off = store.cut_off().map_err(|error| unwritable(&error))?;
        let child_environment = child_environment(environment, &config.claude.env);
        let workplace = Arc::new(Workplace {
            root: root.clone(),
            allowed: config.sessions.allowed_dirs.clone(),
            home: environment.home().map(|home| resolved(&home)),
            personas,
            claude: prepare::config_dir(&child_environment),
            by_hand: prepare::by_hand(&config.claude.command, &child_environment),
            archives: moving::ARCHIVES,
        });
        let outfit = Arc::new(owner::Outfit {
            root: root.clone(),
            may_use: {
                let workplace = Arc::clone(&workplace);
                Box::new(move |dir| workplace.directory(dir).ok())
            },
            cut_off: Mutex::new(cut_off),
            bot,
            store: Arc::clone(&store),
            board: Arc::clone(&board),
            settings: settings.clone(),
            slots: Slots::new(Limits {
                max_live: config.sessions.max_live,
                min_free: config.sessions.min_free_memory,
            }),
            batch_window: config.sessions.batch_window,
            permission_timeout: config.limits.permission_timeout,
            remind_after: config.limits.remind_after,
            setup: Setup {
                command: config.claude.command.clone(),
                permission_mode: config.claude.permission_mode.clone(),
                model: config.claude.model.clone(),
                max_turns: config.claude.max_turns,
                idle_timeout: config.sessions.idle_timeout,
                deny: deny_rules(config, environment.home().as_deref()),
                extra_args: config.claude.extra_args.clone(),
                environment: child_environment,
                leftover_grace: config.sessions.shutdown_grace,
                stop_grace: config.sessions.stop_grace,
                version: Mutex::new(None),
            },
            pulses: Arc::clone(&pulses),
            fatal: fatal_out.clone(),
            host: host_name(),
            coming_back: Mutex::default(),
            clearing: Mutex::default(),
        });
        let clears = Arc::clone(&outfit);
        let registry = Arc::new_cyclic(|registry: &std::sync::Weak<Registry>| {
            let registry = registry.clone();
            let start = move |session, ears| match registry.upgrade() {
                Some(registry) => owner::start(&outfit, registry, session, ears),
                None => Err(ErrorKind::NotConnected.into()),
            };
            Registry::new(Box::new(start), trouble_out)
        });
        let no_thread = |error| {
            Fatal::new(
                Exit::Failed,
                format!("the host has no thread to give: {error}"),
            )
        };
        let mut allowed = Allowed {
            users: config.telegram.allowed_users.clone(),
            chats: config.telegram.allowed_chats.clone(),
        };
        let moves = store.moved_chats(bot).map_err(|error| unwritable(&error))?;
        if allowed.follow(&moves) {
            log::warn!("{}", poller::moved_on(&allowed.chats));
        }
        store
            .admit_only(&allowed.users, &allowed.chats, unix_now())
            .map_err(|error| unwritable(&error))?;
        let ended = Formatted::plain(texts::ENDED_BY_LISTS);
        store
            .tell_of_barred(bot, &allowed.users, &allowed.chats, unix_now(), &ended)
            .map_err(|error| unwritable(&error))?;
        end_barred(&clears).map_err(|error| unwritable(&error))?;
        forget_the_dead(&clears).map_err(|error| unwritable(&error))?;
        // Whoever still waits for a place says so again.
        store
            .wait_over(None, unix_now(), None)
            .map_err(|error| unwritable(&error))?;
        // Whoever starts chappe again may have mended what was wrong.
        store
            .try_broken_again(unix_now())
            .map_err(|error| unwritable(&error))?;
        // Whoever has asked is gone with the former chappe. Before anybody can press a button of that.
        for session in open_sessions(&store)? {
            store
                .close_requests(
                    session,
                    unix_now(),
                    None,
                    "expired",
                    request::expired_by_restart,
                    request::unheard,
                )
                .map_err(|error| unwritable(&error))?;
        }
        let standby = Standby::start(api.clone(), fatal_out.clone()).map_err(no_thread)?;
        let courier = Courier::start(courier::Outfit {
            bot,
            api: api.clone(),
            store: Arc::clone(&store),
            board: Arc::clone(&board),
            bell,
            fatal: fatal_out.clone(),
            pulse: pulses.begin(),
            allowed: allowed.clone(),
            wake: {
                let registry = Arc::clone(&registry);
                Box::new(move |session| registry.wake(session))
            },
            standby: standby.clone(),
        })
        .map_err(no_thread)?;
        moving::remove_unfinished(&root);
        // What a former chappe left goes before what is new, and the oldest of it first.
        let open = open_sessions(&store)?;
        clears.slots.expect(&open);
        clean_up(clears);
        for session in open {
            registry.wake(session);
        }
        let waker = Arc::clone(&registry);
        let poller = Poller::start(
            poller::Outfit {
                bot,
                api: api.apart(),
                store: Arc::clone(&store),
                board,
                desk: Desk {
                    allowed,
                    me: Me {
                        id: UserId(config.telegram.token.bot_id()),
                        name: String::new(),
                    },
                    reactions: config.telegram.reactions,
                    steers: config.sessions.steers,
                    home: Home {
                        root: root.clone(),
                        persona,
                    },
                    default_persona: config.sessions.default_persona.clone(),
                    workplace,
                    idle_timeout: config.sessions.idle_timeout,
                    permission_mode: config.claude.permission_mode.clone(),
                    model_of_config: config.claude.model.clone(),
                    host: host_name(),
                },
                wake: Box::new(move |session| waker.wake(session)),
                fatal: fatal_out,
                attempt_ended: watchdog(pulses),
                standby,
            },
            from,
            seen,
        )
        .map_err(no_thread)?;
        notify::ready("Connecting to Telegram");
        log::info!("chappe {} runs for bot {bot}", env!("CARGO_PKG_VERSION"));
        Ok(Daemon {
            store,
            registry,
            courier,
            poller,
            fatal,
            trouble,
            settings,
            _lock: lock,
        })
    }

    /// Where an end of everything is reported: for whoever does not use [`Daemon::run`].
    pub fn fatal(&self) -> &Receiver<Fatal> {
        &self.fatal
    }

    /// Whether nothing waits: no message, no open prompt, nothing to send.
    pub fn is_quiet(&self) -> bool {
        self.store.is_quiet().unwrap_or(false)
    }

    /// Runs until a signal, or until something ends that chappe cannot do without.
    pub fn run(self, signals: &Receiver<()>) -> Result<(), Fatal> {
        let mut wait = START_AGAIN_FIRST;
        let mut start_again = never();
        let end = loop {
            select! {
                recv(signals) -> _ => break Ok(()),
                recv(self.fatal) -> fatal => break Err(fatal.unwrap_or_else(|_| {
                    Fatal::new(Exit::ThreadDied, "the threads are gone")
                })),
                recv(self.trouble) -> _ => start_again = after(wait),
                recv(start_again) -> _ => {
                    if self.registry.start_again() {
                        wait = (wait * 2).min(START_AGAIN_MAX);
                        start_again = after(wait);
                    } else {
                        wait = START_AGAIN_FIRST;
                        start_again = never();
                    }
                }
            }
        };
        let in_order = self.shut_down(signals);
        match end {
            Ok(()) if !in_order => Err(Fatal::new(
                Exit::Failed,
                "ended in a hurry, by a second signal",
            )),
            end => end,
        }
    }

    /// How long owners may take to end: interrupt, end of input and SIGTERM are waited for, SIGKILL works at once.
    fn owners_at_most(&self) -> Duration {
        self.settings.shutdown_grace + self.settings.stop_grace * 3 + OWNERS_MARGIN
    }

    /// How long an end in order may take.
    fn at_most(&self) -> Duration {
        self.owners_at_most() + LAST_ROUND + LAST_MARGIN
    }

    /// Ends everything. A signal meanwhile makes it quick; returns whether none came.
    pub fn shut_down(self, signals: &Receiver<()>) -> bool {
        log::info!("chappe is being stopped");
        notify::stopping(self.at_most());
        let mut left = self.owners_at_most();
        self.poller.stop();
        self.registry.tell_all(Control::Shutdown);
        let mut in_order = true;
        while self.registry.wait_for_all(LOOK_EVERY) > 0 && !left.is_zero() {
            left = left.saturating_sub(LOOK_EVERY);
            if signals.try_recv().is_ok() {
                in_order = false;
                left = left.min(OWNERS_MARGIN);
                self.registry.tell_all(Control::Hurry);
            }
        }
        let stuck = self.registry.wait_for_all(Duration::ZERO);
        if stuck > 0 {
            log::error!("{stuck} sessions did not end");
        }
        self.courier
            .stop(if in_order { LAST_ROUND } else { Duration::ZERO });
        if let Err(error) = self.store.checkpoint() {
            log::warn!("the store could not be put into one file: {error}");
        }
        in_order
    }
}

/// The signals that end chappe, as they come. From here on they no longer end the process by themselves. The same thread
/// reaps orphans: in the end chappe waits for its owners, and orphans must not wait for that.
pub fn end_signals() -> Result<Receiver<()>, Fatal> {
    let failed = |error: std::io::Error| {
        Fatal::new(Exit::Failed, format!("signals cannot be caught: {error}"))
    };
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGCHLD]).map_err(failed)?;
    // The second one is the last that means anything.
    let (heard, ends) = bounded(2);
    thread::spawn("signals", move || {
        for signal in signals.forever() {
            if signal == SIGCHLD {
                reaper::reap();
            } else {
                let _ = heard.try_send(());
            }
        }
    })
    .map_err(failed)?;
    Ok(ends)
}

/// Feeds systemd's watchdog when an attempt to reach Telegram has ended, well or badly, if every thread goes on. That
/// Telegram is not reached is no fault of chappe's, and restarting it would not help.
fn watchdog(pulses: Arc<Pulses>) -> Box<dyn Fn(bool) + Send> {
    let status = notify::Status::default();
    Box::new(move |answered| {
        status.say(if answered {
            "Connected to Telegram"
        } else {
            "Telegram is not reached; trying again"
        });
        if pulses.all_go_on() {
            notify::watchdog();
        }
    })
}

/// Who Claude is in a session for which nobody has said so. Where a person's file of that name is wrong it is the one that is
/// built in. Its file is read again where a session is made, and what is wrong with it is said there.
fn default_persona(config: &Config, personas: &Personas) -> Result<Persona, Fatal> {
    let name = &config.sessions.default_persona;
    let persona = match personas.read(name) {
        Ok(persona) => persona,
        Err(NoPersona::Broken(error)) => {
            log::warn!("{error}");
            log::warn!(
                "until that is mended sessions are made as the default persona that is built in"
            );
            let fatal = |error: Box<ConfigError>| Fatal::new(Exit::Config, error.to_string());
            personas.built_in_default().map_err(fatal)?
        }
        Err(NoPersona::Unknown { near, all }) => {
            let why = format!(
                "sessions.default_persona is \"{name}\", and there is no such persona\nhelp: {}; there are {}",
                near.map_or_else(
                    || format!("make personas/{name}.toml beside config.toml"),
                    |near| format!("did you mean \"{near}\"?")
                ),
                all.join(", ")
            );
            return Err(Fatal::new(Exit::Config, why));
        }
    };
    // Most sessions begin with a message, to which no question can be put first.
    if persona.wants_bypass {
        let why = format!(
            "sessions.default_persona is \"{name}\", whose permission_mode is bypassPermissions, which a person confirms \
             for each session\nhelp: use another persona; if nobody is ever to be asked, set permission_mode in [claude]"
        );
        return Err(Fatal::new(Exit::Config, why));
    }
    Ok(persona)
}

/// Makes the state directory if it is not there, and takes its lock.
fn take_state_dir(dir: &Path) -> Result<Flock<File>, Fatal> {
    let unusable = |what: &str, error: &dyn std::fmt::Display| {
        Fatal::new(
            Exit::State,
            format!(
                "the state directory {} cannot be used: {what}: {error}\nhelp: it must belong to chappe's user, on a \
                 local disk that is not full; another place can be named by state_dir in config.toml",
                dir.display()
            ),
        )
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| unusable("it cannot be made", &error))?;
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(dir.join("lock"))
        .map_err(|error| unusable("its lock cannot be opened", &error))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(lock),
        Err((_, Errno::EWOULDBLOCK)) => Err(Fatal::new(
            Exit::AnotherRuns,
            format!(
                "another chappe runs with the state directory {}\nhelp: stop it (systemctl stop chappe), or give this \
                 one a state_dir and a bot of its own",
                dir.display()
            ),
        )),
        Err((_, errno)) => Err(unusable("it cannot be locked", &errno)),
    }
}

fn open_store(dir: &Path, sessions: &Path) -> Result<Store, Fatal> {
    let path = dir.join("chappe.db");
    if !path.exists()
        && let Some(mirror) = left_of_sessions(sessions)
    {
        return Err(Fatal::new(
            Exit::State,
            format!(
                "there is no database {}, but there is {}: sessions were here, and what waits in them may be lost\nhelp: \
                 chappe never starts afresh by itself. Put the state directory back where it was (state_dir in \
                 config.toml), or from a backup; to begin anew, move the session.json files away. Claude's own \
                 conversations are not touched: each session.json says how to resume its own by hand",
                path.display(),
                mirror.display()
            ),
        ));
    }
    let failed = |error: &dyn std::fmt::Display| {
        Fatal::new(
            Exit::State,
            format!(
                "the database {} cannot be used: {error}\nhelp: chappe never starts afresh by itself. If the disk is \
                 full or read-only, mend that and start again; if the file is damaged, put back a backup, or move it \
                 away to begin anew",
                path.display()
            ),
        )
    };
    let store = Store::open(&path).map_err(|error| failed(&error))?;
    Ok(store.with_marks(Marks {
        answer: elsewhere::answer,
        notice: elsewhere::notice,
        go_to: elsewhere::go_to,
    }))
}

/// A file that tells of a session, in one of the folders of sessions; None where there is none.
fn left_of_sessions(root: &Path) -> Option<PathBuf> {
    let folders = fs::read_dir(root).ok()?.flatten();
    let mut mirrors = folders.map(|folder| folder.path().join(MIRROR));
    mirrors.find(|mirror| mirror.exists())
}

/// Keeps what nobody may expect to be run any more, until a person was asked.
fn keep_what_is_old(store: &Store, bot: BotId, now: i64) -> crate::store::Result<()> {
    store.keep_old(now - absence::OLD)?;
    store.hold_stale(bot, now, now - absence::STALE, |waiting| {
        notice::failed(&notice::STALE, waiting)
    })
}

/// Notes which processes of a former chappe are gone. Those that live are ended when their session is looked at.
fn forget_the_dead(outfit: &owner::Outfit) -> crate::store::Result<()> {
    let (store, boot) = (&outfit.store, process::boot_id());
    for (session, living) in store.living()? {
        if living.boot != boot || process::start_time(living.pid) != Some(living.start) {
            let row = store.session(session)?;
            let kept = row.and_then(|row| outfit.setup.kept(&row, ""));
            store.ended(session, unix_now(), &[], kept.as_deref())?;
        }
    }
    Ok(())
}

/// Ends what a former chappe has left at work on a turn of somebody who may not speak any more: nobody else would, before
/// the session is used again. Before any owner is there.
fn end_barred(outfit: &owner::Outfit) -> crate::store::Result<()> {
    let store = &outfit.store;
    for session in store.barred_at_work()? {
        match outfit
            .setup
            .end_former(&session, Duration::ZERO, &AtomicBool::new(true))
        {
            Ok(()) => {
                let kept = outfit.setup.kept(&session, "");
                store.ended(session.id, unix_now(), &[], kept.as_deref())?;
            }
            Err(trouble) => log::warn!("session {}: {trouble:?}", session.name),
        }
    }
    Ok(())
}

/// Has removed what a crash has left of sessions that are gone.
fn clean_up(outfit: Arc<owner::Outfit>) {
    let cleans = thread::spawn("clean-up", move || {
        outfit.clear_left();
        // Where that cannot be known, nothing is removed.
        let is_known = |mark: &str| outfit.store.knows_mark(mark).unwrap_or(true);
        moving::clean_up(&outfit.root, is_known);
    });
    if let Err(error) = cleans {
        log::warn!("what a former chappe left is not removed yet: {error}");
    }
}

fn open_sessions(store: &Store) -> Result<Vec<SessionId>, Fatal> {
    store.open_sessions().map_err(|error| unwritable(&error))
}

fn unwritable(error: &dyn std::fmt::Display) -> Fatal {
    Fatal::new(
        Exit::State,
        format!(
            "the database cannot be used: {error}\nhelp: look whether the disk is full or read-only"
        ),
    )
}

/// The rules that always deny: those of the configuration, by whatever name, and chappe's own files. The latter stop
/// Claude's file tools; a shell command of the same user still reaches them.
fn deny_rules(config: &Config, home: Option<&Path>) -> Vec<String> {
    let mut rules = config.claude.deny.clone();
    let denied = config.claude.deny.iter();
    rules.extend(denied.filter_map(|rule| by_real_path(rule, home, resolved)));
    let root = resolved(&config.sessions.root);
    // By whatever name: a rule about a link says nothing of what is asked for by its real path.
    let both = |path: &Path| {
        let real = Some(resolved(path)).filter(|real| real != path);
        [Some(path.to_owned()), real].into_iter().flatten()
    };
    for dir in both(&config.state_dir) {
        if !root.starts_with(&dir) {
            rules.extend(deny_folder(&dir.to_string_lossy()));
        }
    }
    for file in both(&config.file) {
        match file.parent() {
            Some(dir) if dir.ends_with("chappe") && !root.starts_with(dir) => {
                rules.extend(deny_folder(&dir.to_string_lossy()));
            }
            // A folder that holds other things as well; only the file itself is chappe's.
            _ => rules.extend(deny_file(&file.to_string_lossy())),
        }
    }
    rules
}

fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "this host".to_owned(), |name| name.trim().to_owned())
}
