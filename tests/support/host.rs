//! A host for end-to-end tests: the real `chappe` executable in a temporary folder, with the loopback Bot API.
//!
//! It only arranges and looks; what a story is about stands in the test. Everything ends when it is dropped.
#![allow(
    dead_code,
    reason = "each test binary includes this module and uses its own part of it"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use chappe::loopback::botapi::{BotApi, Person, Shown, View};
use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use rusqlite::{Connection, OpenFlags};

/// How long a test waits for something that should come at once. Generous, because the machine may be busy.
pub const SOON: Duration = Duration::from_secs(30);

/// The bot that all hosts serve.
pub const TOKEN: &str = "77:loopback-loopback-loopback-loopback";

/// How people call it, without the `@`.
pub const BOT_NAME: &str = "loopback_bot";

/// The person who is allowed to write.
pub const USER: i64 = 1001;

/// How long a condition that announces itself to nobody (a process, a file) is left alone before the next look.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Waits for something that only looking can tell: a process, a file, a row.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited {SOON:?} in vain for {what}");
        let _ = crossbeam_channel::never::<()>().recv_timeout(LOOK_EVERY);
    }
}

/// A temporary folder, a Bot API, and how chappe is set up there.
pub struct Host {
    pub folder: tempfile::TempDir,
    pub api: BotApi,
    pub token: String,
    pub allowed_users: Vec<i64>,
    pub allowed_chats: Vec<i64>,
    /// Lines for the tables of the configuration.
    pub claude: String,
    pub sessions: String,
    pub telegram: String,
    /// What chappe itself gets as environment, besides PATH.
    pub environment: Vec<(String, String)>,
}

impl Host {
    /// A host whose Claude is the stand-in.
    pub fn new() -> Host {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let claude = format!(
            "command = [{:?}, \"stand-in\"]\nenv = {{ CLAUDE_CONFIG_DIR = {:?} }}\n",
            chappe(),
            folder.path().join("claude")
        );
        Host {
            folder,
            api: BotApi::start(TOKEN).expect("loopback has a free port"),
            token: TOKEN.to_owned(),
            allowed_users: vec![USER],
            allowed_chats: Vec::new(),
            claude,
            sessions: "stop_grace = \"2s\"\nshutdown_grace = \"5s\"\n".to_owned(),
            telegram: String::new(),
            environment: Vec::new(),
        }
    }

    /// The person at the phone.
    pub fn person(&self) -> Person {
        Person::private(USER, "Ada")
    }

    pub fn config_file(&self) -> PathBuf {
        self.folder.path().join("config.toml")
    }

    pub fn state_dir(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn sessions_root(&self) -> PathBuf {
        self.folder.path().join("sessions")
    }

    /// Writes the configuration as it stands now.
    pub fn write_config(&self) {
        let mut text = String::new();
        let _ = writeln!(text, "state_dir = {:?}", self.state_dir());
        let _ = writeln!(
            text,
            "[telegram]\ntoken = {:?}\napi_url = {:?}\nallowed_users = {:?}\nallowed_chats = {:?}",
            self.token,
            self.api.url(),
            self.allowed_users,
            self.allowed_chats
        );
        let _ = writeln!(text, "{}[claude]\n{}", self.telegram, self.claude);
        let _ = writeln!(
            text,
            "[sessions]\nroot = {:?}\n{}",
            self.sessions_root(),
            self.sessions
        );
        let mut file = fs::OpenOptions::new();
        file.write(true).create(true).truncate(true).mode(0o600);
        let mut file = file
            .open(self.config_file())
            .expect("the configuration can be written");
        std::io::Write::write_all(&mut file, text.as_bytes())
            .expect("the configuration can be written");
    }

    /// Starts chappe with the configuration as it stands now.
    pub fn start(&self) -> Chappe {
        self.start_with(&[])
    }

    /// The same, with further environment for chappe itself.
    pub fn start_with(&self, environment: &[(&str, String)]) -> Chappe {
        self.write_config();
        let mut command = self.command();
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.arg("--config").arg(self.config_file()).arg("run");
        Chappe::start(command)
    }

    /// Starts chappe with the configuration as it is written, in a place where a file of the host's folder stands over one
    /// of the system. None where this user cannot do that, which is said.
    pub fn start_with_file_over(&self, file: &str, over: &str, test: &str) -> Option<Chappe> {
        let file = self.folder.path().join(file);
        self.start_after(
            "mount --bind \"$1\" \"$2\"",
            &[&file, Path::new(over)],
            test,
        )
    }

    /// The same where a folder of the host's folder can only be read, by whomever.
    pub fn start_with_folder_read_only(&self, folder: &str, test: &str) -> Option<Chappe> {
        let folder = self.folder.path().join(folder);
        let mount = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\"";
        self.start_after(mount, &[&folder], test)
    }

    /// Starts chappe as a user who has the host's folder and these paths, and no right beyond. None where this user cannot
    /// do that, which is said.
    pub fn start_as_nobody(&self, theirs: &[PathBuf], test: &str) -> Option<Chappe> {
        const NOBODY: u32 = 65_534;
        self.write_config();
        let own = [self.folder.path().to_owned(), self.config_file()];
        let is_theirs = own
            .iter()
            .chain(theirs)
            .all(|path| chown(path, Some(NOBODY), Some(NOBODY)).is_ok());
        let as_nobody = || {
            let mut command = Command::new("setpriv");
            command
                .arg(format!("--reuid={NOBODY}"))
                .arg(format!("--regid={NOBODY}"))
                .arg("--clear-groups")
                .arg(chappe());
            command
        };
        let can = as_nobody()
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !is_theirs || !can.is_ok_and(|status| status.success()) {
            let _ = std::io::Write::write_fmt(
                &mut std::io::stderr(),
                format_args!(
                    "skipped: {test}: this user may not become another one, or that one may not run chappe\n"
                ),
            );
            return None;
        }
        let mut command = as_nobody();
        command
            .arg("--config")
            .arg(self.config_file())
            .arg("run")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("RUST_LOG", "debug")
            .envs(self.environment.iter().cloned());
        Some(Chappe::start(command))
    }

    /// Starts chappe where a line of shell has changed, for it alone, what is mounted.
    fn start_after(&self, mount: &str, paths: &[&Path], test: &str) -> Option<Chappe> {
        let mut unshare = Command::new("unshare");
        let can = unshare.args(["-m", "true"]).stderr(Stdio::null()).status();
        if !can.is_ok_and(|status| status.success()) {
            let _ = std::io::Write::write_fmt(
                &mut std::io::stderr(),
                format_args!("skipped: {test}: no mount namespace to be had\n"),
            );
            return None;
        }
        let mut command = Command::new("unshare");
        command
            .args(["-m", "sh", "-c"])
            .arg(format!(
                "{mount} && exec \"$CHAPPE\" --config \"$CONFIG\" run"
            ))
            .arg("sh")
            .args(paths)
            .env_clear()
            .env("CHAPPE", chappe())
            .env("CONFIG", self.config_file())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("RUST_LOG", "debug");
        Some(Chappe::start(command))
    }

    /// The executable with the environment of this host, and nothing else.
    pub fn command(&self) -> Command {
        let mut command = Command::new(chappe());
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("RUST_LOG", "debug")
            .envs(self.environment.iter().cloned());
        command
    }

    /// Writes a text as the person; returns the message's id.
    pub fn say(&self, text: &str) -> i64 {
        self.api.say(&self.person(), text)
    }

    /// Waits until everything that was sent to the bot is on its disk.
    pub fn stored(&self) {
        self.wait("everything to be stored", |view| {
            (view.waiting_updates() == 0).then_some(())
        });
    }

    /// Waits until the bot has written a message that contains `text`; returns it.
    pub fn answer(&self, text: &str) -> Shown {
        self.answer_in(USER, text)
    }

    /// The same below one that is there.
    pub fn answer_after(&self, message: i64, text: &str) -> Shown {
        self.wait(&format!("{text:?} below message {message}"), |view| {
            let mut below = view.from_bot(USER).filter(|shown| shown.id > message);
            below.find(|shown| shown.text.contains(text)).cloned()
        })
    }

    /// The same in another chat.
    pub fn answer_in(&self, chat: i64, text: &str) -> Shown {
        self.wait(&format!("an answer with {text:?}"), |view| {
            view.from_bot(chat)
                .into_iter()
                .find(|shown| shown.text.contains(text))
                .cloned()
        })
    }

    /// Waits for something on the Bot API's side.
    pub fn wait<T>(&self, what: &str, look: impl FnMut(&View) -> Option<T>) -> T {
        self.api
            .wait(SOON, what, look)
            .unwrap_or_else(|seen| panic!("{seen}"))
    }

    /// Waits for a message with buttons.
    pub fn request(&self, chat: i64) -> Shown {
        self.wait("a message with buttons", |view| {
            let mut shown = view.from_bot(chat);
            shown.find(|shown| !shown.buttons.is_empty()).cloned()
        })
    }

    /// Waits for a message with a button of this label.
    pub fn request_with(&self, chat: i64, label: &str) -> Shown {
        self.wait(&format!("a button {label:?}"), |view| {
            let has = |shown: &Shown| shown.buttons.iter().flatten().any(|(of, _)| of == label);
            view.from_bot(chat).find(|shown| has(shown)).cloned()
        })
    }

    /// Presses the button with this label; returns the press's id.
    pub fn press(&self, who: &Person, request: &Shown, label: &str) -> String {
        let mut buttons = request.buttons.iter().flatten();
        let (_, data) = buttons
            .find(|(shown, _)| shown == label)
            .unwrap_or_else(|| panic!("no button {label:?} in {:?}", request.buttons));
        self.api.press(who, request.id, data)
    }

    /// Waits for the answer to a press.
    pub fn toast(&self, press: &str) -> String {
        self.wait("the answer to a press", |view| {
            view.toast(press).map(|toast| toast.text.clone())
        })
    }

    /// Waits until a message says `text`; returns it as it is then.
    pub fn says(&self, chat: i64, message: i64, text: &str) -> Shown {
        self.wait(&format!("message {message} to say {text:?}"), |view| {
            let mut shown = view.messages(chat);
            shown
                .find(|shown| shown.id == message && shown.text.contains(text))
                .cloned()
        })
    }

    /// What a query for one number finds in the database.
    pub fn count(&self, query: &str) -> i64 {
        let path = self.state_dir().join("chappe.db");
        let database = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .expect("the database can be opened");
        database
            .busy_timeout(SOON)
            .expect("a timeout can always be set");
        database
            .query_row(query, [], |row| row.get(0))
            .expect("the query finds a number")
    }

    /// Waits until chappe knows that everything it has to say was delivered.
    pub fn delivered(&self) {
        let open = "SELECT count(*) FROM outbox WHERE state IN ('waiting', 'sending')";
        until("the end of all deliveries", || {
            (self.count(open) == 0).then_some(())
        });
    }

    /// A file of the first session's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.sessions_root().join("default").join(name)
    }

    /// Makes a gate in the first session's folder.
    pub fn gate(&self) -> Gate {
        self.gate_in("default")
    }

    /// Makes a gate in a session's folder.
    pub fn gate_in(&self, session: &str) -> Gate {
        let folder = self.sessions_root().join(session);
        fs::create_dir_all(&folder).expect("the folder can be made");
        let path = folder.join("gate");
        nix::unistd::mkfifo(&path, Mode::S_IRWXU).expect("a pipe can be made");
        Gate { path }
    }

    /// The live processes that serve sessions as `claude`.
    pub fn claudes(&self) -> Vec<i32> {
        let is_claude = |pid: &i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let mut arguments = line.split(|&byte| byte == 0);
            arguments.any(|argument| {
                argument.starts_with(b"--session-id=") || argument.starts_with(b"--resume=")
            })
        };
        processes_of(self.folder.path())
            .into_iter()
            .filter(is_claude)
            .collect()
    }

    /// Lets every `claude` be started by a program that notes it, and notes as well if another one still runs.
    ///
    /// Good for one session only.
    pub fn note_starts(&mut self) {
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in *--version*) exec {chappe:?} stand-in \"$@\";; esac\ncd {folder:?} || exit 9\n\
             exec 9>one\nflock --nonblock 9 && echo alone >>starts || echo \"two at once\" >>starts\n\
             cd - >/dev/null\nexec {chappe:?} stand-in \"$@\"\n",
            chappe = chappe(),
            folder = self.folder.path(),
        );
        let path = self.folder.path().join("claude.sh");
        write_program(&path, &script);
        self.use_claude(&[path.to_str().expect("the path is UTF-8")]);
    }

    /// What [`Host::note_starts`] has noted.
    pub fn starts(&self) -> Vec<String> {
        let noted = fs::read_to_string(self.folder.path().join("starts")).unwrap_or_default();
        noted.lines().map(str::to_owned).collect()
    }

    /// Stops every `claude` where it is, so that it reacts to nothing but SIGKILL.
    pub fn freeze_claude(&self) {
        let claudes = self.claudes();
        assert!(!claudes.is_empty());
        for pid in claudes {
            kill(Pid::from_raw(pid), Signal::SIGSTOP).expect("it runs");
        }
    }

    /// Sets the command for Claude.
    pub fn use_claude(&mut self, command: &[&str]) {
        self.claude = format!(
            "command = {command:?}\nenv = {{ CLAUDE_CONFIG_DIR = {:?} }}\n",
            self.folder.path().join("claude")
        );
    }

    /// The texts that the bot has written and that still stand, in order.
    pub fn texts(&self) -> Vec<String> {
        self.texts_in(USER)
    }

    /// The same in another chat.
    pub fn texts_in(&self, chat: i64) -> Vec<String> {
        let shown = self.api.messages(chat);
        shown
            .into_iter()
            .filter(|shown| shown.from_bot)
            .map(|shown| shown.text)
            .collect()
    }
}

impl Drop for Host {
    /// Ends what a crashed chappe has left behind.
    fn drop(&mut self) {
        for pid in processes_of(self.folder.path()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// A tool call that lasts as long as a test wants: `cat` of a pipe, which needs no permission.
pub struct Gate {
    path: PathBuf,
}

/// What makes the tool at a [`Gate`] wait; dropped, it lets it go on.
pub struct Held {
    _pipe: fs::File,
}

impl Gate {
    /// What makes the stand-in call the tool.
    pub fn call(&self) -> String {
        format!(
            r#"[[tool Bash {{"command":"cat {}"}}]]"#,
            self.path.display()
        )
    }

    /// Waits until the tool waits at the gate.
    pub fn reached(&self) -> Held {
        let pipe = until("a turn at the gate", || {
            // Without a reader at the other end this fails at once.
            let mut pipe = fs::OpenOptions::new();
            pipe.write(true).custom_flags(OFlag::O_NONBLOCK.bits());
            pipe.open(&self.path).ok()
        });
        Held { _pipe: pipe }
    }
}

/// Writes a program that the shell runs. Renamed into place, since a file that some child still holds open cannot run.
pub fn write_program(path: &Path, script: &str) {
    let new = path.with_extension("new");
    let written = Command::new("/bin/sh")
        .args(["-c", "printf %s \"$1\" >\"$0\" && chmod 700 \"$0\""])
        .args([new.as_os_str(), script.as_ref()])
        .status()
        .expect("there is a shell");
    assert!(written.success(), "the program can be written");
    fs::rename(new, path).expect("the program can be put in place");
}

/// The executable under test.
pub fn chappe() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_chappe"))
}

/// A running chappe. Dropping it kills it and everything it started.
pub struct Chappe {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    /// Ends with stderr.
    reader: Option<JoinHandle<()>>,
}

/// How chappe ended.
#[derive(Debug)]
pub struct End {
    /// None: by a signal.
    pub code: Option<i32>,
    /// All that it wrote to stderr.
    pub stderr: String,
}

impl Chappe {
    pub fn start(mut command: Command) -> Chappe {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("the executable can be run");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, stderr) = (
            Arc::clone(&log),
            child.stderr.take().expect("stderr is a pipe"),
        );
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().expect("nobody panics with the log").push(line);
            }
        });
        Chappe {
            child,
            log,
            reader: Some(reader),
        }
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// What it has written to stderr.
    pub fn log(&self) -> String {
        self.log
            .lock()
            .expect("nobody panics with the log")
            .join("\n")
    }

    /// Waits until its log says something.
    pub fn logs(&self, text: &str) {
        until(&format!("{text:?} in the log"), || {
            self.log().contains(text).then_some(())
        });
    }

    /// The names of its threads.
    pub fn threads(&self) -> Vec<String> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).expect("it runs");
        let names = tasks.flatten().filter_map(|task| {
            // A thread may end between the two looks.
            fs::read_to_string(task.path().join("comm")).ok()
        });
        names.map(|name| name.trim().to_owned()).collect()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("it is our child");
    }

    /// Stops it as systemd would, and waits for its end.
    pub fn stop(self) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        self.ended()
    }

    /// Kills it alone; what it has started lives on.
    pub fn crash(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// How it ended, if it has.
    pub fn has_ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("it is our child")
    }

    /// Waits for its end; returns how it came, and the whole log.
    pub fn end(mut self) -> End {
        let code = self.wait_for_end().code();
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the reader does not panic");
        }
        End {
            code,
            stderr: self.log(),
        }
    }

    /// Waits for its end.
    pub fn ended(mut self) -> ExitStatus {
        self.wait_for_end()
    }

    fn wait_for_end(&mut self) -> ExitStatus {
        // One that does not end is killed, so that the test fails with a status and its log instead of hanging.
        let (done, waited) = crossbeam_channel::bounded::<()>(0);
        let pid = self.pid();
        let watch = std::thread::spawn(move || {
            if waited.recv_timeout(SOON * 2) == Err(crossbeam_channel::RecvTimeoutError::Timeout) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        });
        let status = self.child.wait().expect("it is our child");
        drop(done);
        watch.join().expect("the watch does not panic");
        status
    }

    /// The processes below it: its own children and theirs.
    pub fn descendants(&self) -> Vec<i32> {
        let mut family = vec![self.pid()];
        let parents: Vec<(i32, i32)> = processes();
        let mut at = 0;
        while at < family.len() {
            let parent = family[at];
            family.extend(
                parents
                    .iter()
                    .filter(|(_, of)| *of == parent)
                    .map(|(pid, _)| *pid),
            );
            at += 1;
        }
        family.split_off(1)
    }
}

impl Drop for Chappe {
    fn drop(&mut self) {
        for pid in self.descendants() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- chappe's log\n{}\n---", self.log());
        }
    }
}

/// Every live process with its parent.
fn processes() -> Vec<(i32, i32)> {
    let entries = fs::read_dir("/proc").expect("there is a /proc");
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        (state != "Z").then_some((pid, parent))
    })
    .collect()
}

/// The live processes that were started for the folder: those whose environment or arguments name it.
pub fn processes_of(folder: &Path) -> Vec<i32> {
    let needle = folder.as_os_str().as_encoded_bytes();
    let names = |file: String| {
        fs::read(file).is_ok_and(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
    };
    processes()
        .into_iter()
        .map(|(pid, _)| pid)
        .filter(|pid| {
            names(format!("/proc/{pid}/environ")) || names(format!("/proc/{pid}/cmdline"))
        })
        .collect()
}
