//! Stories with the actual `claude` CLI: chappe between the loopback Bot API and the stand-in for the Messages API.
//!
//! What chappe assumes of the CLI is proved here, with whatever version is installed. Without a CLI each story says by
//! name that it was skipped, and passes. What stands between `[[` and `]]` tells the model's stand-in what to do.

/// A session goes, and comes back only as it went.
mod archives;
/// What came while chappe was away, and a CLI that was replaced.
mod away;
/// What was chosen for a session reaches each process of it.
mod chosen;
/// Turns, what is remembered of them, and what they cost.
mod conversation;
/// A person says no, and why.
mod denied;
/// A reply is faster than the news of what it replies to.
mod early;
/// Somebody else has the session open.
mod elsewhere;
/// Ends in the middle of a turn, by whatever hand.
mod endings;
/// Where the sessions' folders really are.
mod folders;
/// The disk is full while a person is asked.
mod full;
/// What a session needs to go on is gone.
mod gone;
/// Each request for itself, rules, and modes.
mod grants;
/// Groups, in which not everybody may decide.
mod groups;
/// The time-out of a quiet process against what is written just then.
mod idle;
/// Kills in the middle of a turn, which goes on afterwards.
mod killed;
/// What there is, as lists with buttons.
mod lists;
/// What is too long for a message, and is decided all the same.
mod long;
/// What Claude may do without asking, chosen by buttons.
mod modes;
/// What a session may be called, and where it may work.
mod names;
/// More sessions than places.
mod order;
/// What waits for a person, over all sessions.
mod pending;
/// Who Claude is in a session, and what was chosen for it.
mod personas;
/// Several sessions, people and topics in the same chats.
mod places;
/// Claude shows a plan, and a person says whether it starts.
mod plans;
/// A press is answered, whatever else is wrong.
mod presses;
/// What Claude asks with ready answers.
mod questions;
/// What waits behind a turn.
mod queue;
/// What nobody has decided for long.
mod reminders;
/// Somebody may not speak any more.
mod removed;
/// What Claude wants to be allowed.
mod requests;
/// Rules that say no, in forms that the CLI never applies.
mod rules;
/// What neither Claude nor its tools get to see of chappe.
mod secrets;
/// Sessions that go, come back, and are taken over.
mod sessions;
/// A text is put into a turn that runs.
mod steer;
/// A person says stop, whatever the turn is doing.
mod stop;
/// A group becomes a supergroup in the middle of a turn.
mod supergroup;
/// Topics: who hears what, and where what is asked goes when one is deleted.
mod topics;
/// When the API fails.
mod trouble;
/// What is written while Claude waits for a person.
mod waiting;
/// Requests that end without a decision.
mod withdrawn;

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chappe::loopback::botapi::{Person, Shown};
use crossbeam_channel::RecvTimeoutError;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::{Pid, mkfifo};

use crate::cli;
use crate::host::{Chappe, Host, SOON, USER, processes_of};
use crate::messages_api::{Kind, MessagesApi, Request, ToolResult};

/// What stands in a row of a transcript in which Claude calls a tool; `server_tool_use` stands in every answer.
const CALLS_TOOL: &str = r#""type":"tool_use""#;

/// How often something is looked at that nobody announces, such as a process.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Where a story plays.
pub struct Stage {
    pub model: MessagesApi,
    pub host: Host,
}

impl Stage {
    /// A host whose Claude is the actual CLI; None where there is none.
    pub fn new(test: &str) -> Option<Stage> {
        let claude = cli::real_claude(test)?;
        let model = MessagesApi::start();
        let mut host = Host::new();
        let environment = cli::environment(&model.url(), &host.folder.path().join("claude"));
        host.claude = format!("command = [{claude:?}]\n[claude.env]\n");
        for (name, value) in environment {
            let _ = writeln!(host.claude, "{name} = {value:?}");
        }
        let stage = Stage { model, host };
        fs::create_dir_all(stage.folder()).expect("the host's folder can be written");
        Some(stage)
    }

    /// Puts a line into the table `[claude]` of the configuration.
    pub fn set_claude(&mut self, line: &str) {
        self.host.claude.insert_str(0, &format!("{line}\n"));
    }

    /// Puts a variable into the environment that the configuration gives to Claude.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        let _ = writeln!(self.host.claude, "{name} = {value:?}");
    }

    /// Lets tools run without anybody being asked.
    pub fn allow_all(&mut self) {
        self.set_claude("permission_mode = \"bypassPermissions\"");
        // Otherwise the CLI refuses that mode to root.
        self.set_variable("IS_SANDBOX", "1");
    }

    /// The folder of the first session.
    pub fn folder(&self) -> PathBuf {
        self.host.sessions_root().join("default")
    }

    pub fn say(&self, text: &str) -> i64 {
        self.host.api.say(&self.host.person(), text)
    }

    /// Says something and waits for a message below it that contains `answer`.
    pub fn ask(&self, text: &str, answer: &str) -> Shown {
        self.ask_as(&self.host.person(), text, answer)
    }

    /// The same as somebody, or in a place, of one's own.
    pub fn ask_as(&self, who: &Person, text: &str, answer: &str) -> Shown {
        let said = self.host.api.say(who, text);
        let what = format!("an answer to {text:?} with {answer:?}");
        self.host.wait(&what, |view| {
            let mut below = view.from_bot(who.chat).filter(|shown| shown.id > said);
            below.find(|shown| shown.text.contains(answer)).cloned()
        })
    }

    /// Asks for the end of a session, and says so both times.
    pub fn delete(&self, session: &str) {
        let asked = self.ask(
            &format!("/delete {session}"),
            &format!("⚠ Delete {session} with its folder"),
        );
        self.confirm_delete(session, &asked);
    }

    /// The same, where that cannot be.
    pub fn delete_in_vain(&self, session: &str) {
        let asked = self.ask(
            &format!("/delete {session}"),
            &format!("⚠ Delete {session} with its folder"),
        );
        let toast = self.press_delete(session, &asked);
        assert_eq!(toast, "That can't be done now. See below.");
    }

    /// Says both times that a session is to be deleted.
    pub fn confirm_delete(&self, session: &str, asked: &Shown) {
        assert_eq!(self.press_delete(session, asked), "Done");
    }

    /// Presses both times; returns the answer to the second one.
    fn press_delete(&self, session: &str, asked: &Shown) -> String {
        let person = self.host.person();
        self.host
            .press(&person, asked, &format!("Delete {session}"));
        let asked = self.host.answer_after(asked.id, "It cannot be had back.");
        let press = self.host.press(&person, &asked, "Yes, for good");
        self.host.toast(&press)
    }

    /// Pastes a line that resumes a conversation into a shell, which knows nothing of this Claude, and says something there.
    pub fn resumes_by_hand(&self, line: &str, text: &str) {
        let config_dir = self.host.folder.path().join("claude");
        let said = Command::new("sh")
            .arg("-c")
            .arg(format!("{line} -p '{text}'"))
            .current_dir("/")
            .env_clear()
            .envs(cli::environment(&self.model.url(), &config_dir))
            .env_remove("CLAUDE_CONFIG_DIR")
            .stdin(Stdio::null())
            .output()
            .expect("there is a shell");
        let told = String::from_utf8_lossy(&said.stdout).into_owned();
        assert_eq!(told.trim_end(), format!("echo: {text}"), "{said:?}");
    }

    /// Asks what Claude remembers: all that was said to it before, by a person or by chappe.
    pub fn memory(&self) -> Vec<String> {
        self.ask("[[remember]]", "remember turns=");
        let mut texts = self.turns().pop().expect("there was a turn").texts;
        assert_eq!(texts.pop().as_deref(), Some("[[remember]]"));
        texts
    }

    /// Asks what Claude remembers, and checks that it is exactly `texts`.
    pub fn remembers(&self, texts: &[&str]) {
        assert_eq!(self.memory(), texts);
    }

    /// Checks that Claude was given `text` once, and then was asked to go on with it.
    pub fn went_on_with(&self, text: &str) {
        let memory = self.memory();
        assert_eq!(memory.len(), 2, "{memory:#?}");
        assert_eq!(memory[0], text);
        let asked = "The connection was lost while you worked on this.";
        assert!(memory[1].starts_with(asked), "{memory:#?}");
    }

    /// Waits for the status message of the turn at hand, until it says `text` and chappe knows that it stands there.
    pub fn status(&self, text: &str) -> Shown {
        let status = self.host.wait("the status of the turn", |view| {
            let mut shown = view.from_bot(USER);
            let says = |shown: &&Shown| shown.text.contains('⏳') && shown.text.contains(text);
            shown.find(says).cloned()
        });
        until("the status in the store", || {
            let known: Vec<i64> =
                self.read("SELECT status_message FROM prompt WHERE status_message IS NOT NULL");
            known.contains(&status.id).then_some(())
        });
        status
    }

    /// Waits for a request that shows `text`, and returns its message and what the button with this label carries.
    pub fn button(&self, text: &str, label: &str) -> (i64, String) {
        self.host.wait(&format!("the button {label:?}"), |view| {
            view.from_bot(USER).find_map(|shown| {
                let mut buttons = shown.buttons.iter().flatten();
                let (_, data) = buttons.find(|(name, _)| name == label)?;
                shown.text.contains(text).then(|| (shown.id, data.clone()))
            })
        })
    }

    /// Waits for that button and presses it; returns its message.
    pub fn press(&self, text: &str, label: &str) -> i64 {
        let (message, data) = self.button(text, label);
        self.host.api.press(&self.host.person(), message, &data);
        message
    }

    /// The requests for steps of turns.
    pub fn turns(&self) -> Vec<Request> {
        let requests = self.model.requests();
        requests
            .into_iter()
            .filter(|request| request.kind == Kind::Turn)
            .collect()
    }

    /// How many of them were made where Claude had been told this.
    pub fn turns_told(&self, text: &str) -> usize {
        let turns = self.turns();
        let was_told = |turn: &&Request| turn.texts.iter().any(|told| told == text);
        turns.iter().filter(was_told).count()
    }

    /// What Claude has written down of all conversations.
    pub fn transcripts(&self) -> String {
        self.conversations().concat()
    }

    /// What Claude has written down, each conversation for itself.
    fn conversations(&self) -> Vec<String> {
        let folders = fs::read_dir(self.host.folder.path().join("claude/projects"));
        let folders = folders.into_iter().flatten().flatten();
        let files = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten());
        files
            .flatten()
            .filter_map(|file| fs::read_to_string(file.path()).ok())
            .collect()
    }

    /// Waits until Claude has written `what` down in at least so many conversations, and with it all that came before.
    /// It writes a moment after it acts: killed in between it does not remember what it was asked for.
    pub fn has_written(&self, what: &str, conversations: usize) {
        until(&format!("{what:?} in the transcript"), || {
            let mut written = self.conversations();
            // What waits in its queue is not in the conversation yet, and other rows name tools as well.
            let is_said = |row: &str| {
                let is_of_conversation = || {
                    let row: serde_json::Value = serde_json::from_str(row).unwrap_or_default();
                    matches!(row["type"].as_str(), Some("user" | "assistant"))
                };
                row.contains(what) && is_of_conversation()
            };
            written.retain(|conversation| conversation.lines().any(is_said));
            (written.len() >= conversations).then_some(())
        });
    }

    /// What the model was told by the last tool.
    pub fn told_by_tool(&self) -> ToolResult {
        let last = self.turns().pop();
        last.and_then(|turn| turn.tool_result)
            .expect("the last step followed a tool")
    }

    /// The live `claude` processes of this host, not what they started.
    pub fn claudes(&self) -> Vec<i32> {
        let speaks_protocol = |pid: &i32| {
            arguments(*pid)
                .iter()
                .any(|argument| argument == "--replay-user-messages")
        };
        let all: Vec<i32> = processes_of(self.host.folder.path())
            .into_iter()
            .filter(speaks_protocol)
            .collect();
        // Between fork and exec a tool looks like its parent.
        all.iter()
            .copied()
            .filter(|pid| parent(*pid).is_none_or(|parent| !all.contains(&parent)))
            .collect()
    }

    /// The one live `claude` process.
    pub fn claude(&self) -> i32 {
        let claudes = self.claudes();
        assert_eq!(claudes.len(), 1, "{claudes:?}");
        claudes[0]
    }

    /// What runs of the tools that Claude has started.
    pub fn tools(&self, chappe: &Chappe) -> Vec<i32> {
        let claudes = self.claudes();
        let mut tools = self.processes();
        tools.retain(|pid| *pid != chappe.pid() && !claudes.contains(pid));
        tools
    }

    /// Everything that belongs to this host and still runs.
    pub fn processes(&self) -> Vec<i32> {
        processes_of(self.host.folder.path())
    }

    /// The most `claude` processes that lived at once while `story` was played.
    pub fn most_claudes(&self, story: impl FnOnce()) -> usize {
        let (playing, over) = crossbeam_channel::bounded::<()>(0);
        std::thread::scope(|scope| {
            // It goes when the story ends, also by a panic.
            let playing = playing;
            let watch = scope.spawn(|| {
                let mut most = 0;
                while over.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                    most = most.max(self.claudes().len());
                }
                most
            });
            story();
            drop(playing);
            watch.join().expect("the watch does not panic")
        })
    }

    /// Panics if anything of this host still runs.
    pub fn nothing_runs(&self) {
        self.none_runs(&self.processes());
    }

    /// Panics if one of these processes of this host still runs.
    pub fn none_runs(&self, former: &[i32]) {
        let mut left = self.processes();
        left.retain(|pid| former.contains(pid));
        let left: Vec<_> = left.into_iter().map(arguments).collect();
        assert!(left.is_empty(), "still running: {left:#?}");
    }

    /// Makes a pipe in the session's folder. `cat NAME` is a tool that nobody is asked about, and that runs for as
    /// long as the test holds what [`Gate::reached`] gives.
    pub fn gate(&self, name: &str) -> Gate {
        self.gate_in("default", name)
    }

    /// The same in the folder of another session.
    pub fn gate_in(&self, session: &str, name: &str) -> Gate {
        let folder = self.host.sessions_root().join(session);
        fs::create_dir_all(&folder).expect("the folder can be made");
        let pipe = folder.join(name);
        mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).expect("a pipe can be made");
        Gate(pipe)
    }

    /// Reads from chappe's database.
    pub fn read<T: rusqlite::types::FromSql>(&self, query: &str) -> Vec<T> {
        let path = self.host.state_dir().join("chappe.db");
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let database =
            rusqlite::Connection::open_with_flags(path, flags).expect("there is a database");
        let mut statement = database.prepare(query).expect("the query fits the tables");
        let rows = statement
            .query_map([], |row| row.get(0))
            .expect("the query can be run");
        rows.collect::<Result<_, _>>()
            .expect("the column has this type")
    }

    /// Claude's id of the one session.
    pub fn session_id(&self) -> String {
        self.read("SELECT claude FROM session").remove(0)
    }
}

/// A pipe that holds up whoever reads it.
pub struct Gate(PathBuf);

impl Gate {
    /// Waits until somebody reads. They are held up until what is returned is dropped.
    pub fn reached(self) -> impl Drop {
        let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let pipe = until("a reader of the gate", || {
            match open(&self.0, flags, Mode::empty()) {
                Ok(pipe) => Some(pipe),
                Err(Errno::ENXIO) => None,
                Err(errno) => panic!("the gate cannot be opened: {errno}"),
            }
        });
        // After the tool 2.1.197 reads the file itself, to know it for the next one; there it would wait for ever.
        fs::remove_file(&self.0).expect("the gate can be removed");
        pipe
    }
}

/// Stops chappe where it is, until it is woken or killed.
pub fn freeze(chappe: &Chappe) {
    chappe.signal(Signal::SIGSTOP);
    until("the end of all that it does", || {
        let tasks = fs::read_dir(format!("/proc/{}/task", chappe.pid())).ok()?;
        let mut tasks = tasks.flatten();
        let stands = tasks.all(|task| {
            let stat = fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            let state = stat.rsplit_once(") ").map(|(_, rest)| rest.as_bytes()[0]);
            state.is_none_or(|state| state == b'T')
        });
        stands.then_some(())
    });
}

/// Kills chappe and all that it has started in the same instant: chappe first, so that it hears of no other end.
pub fn kill_whole(chappe: Chappe) {
    let below = chappe.descendants();
    chappe.signal(Signal::SIGKILL);
    for pid in below {
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
    chappe.ended();
}

/// Looks until there is something to see; panics when that takes too long.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "no {what} within {SOON:?}");
        // There is nothing to wait on: what is looked for is nobody's child here.
        let _ = crossbeam_channel::never::<()>().recv_timeout(LOOK_EVERY);
    }
}

/// Waits for another second of the clock: within one there is no order that a list could show.
pub fn another_second() {
    let second = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| since.as_secs())
    };
    let then = second();
    until("another second", || (second() > then).then_some(()));
}

/// The arguments of a process; none of one that is gone.
pub fn arguments(pid: i32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    bytes
        .split(|byte| *byte == 0)
        .map(|argument| String::from_utf8_lossy(argument).into_owned())
        .collect()
}

fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields = stat.rsplit_once(')')?.1;
    fields.split_ascii_whitespace().nth(1)?.parse().ok()
}
