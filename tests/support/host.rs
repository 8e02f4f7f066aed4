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
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chappe::loopback::botapi::{BotApi, Person, Shown, View};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a test waits for something that should come at once. Generous, because the machine may be busy.
pub const SOON: Duration = Duration::from_secs(30);

/// The bot that all hosts serve.
pub const TOKEN: &str = "77:loopback-loopback-loopback-loopback";

/// The person who is allowed to write.
pub const USER: i64 = 1001;

/// A temporary folder, a Bot API, and how chappe is set up there.
pub struct Host {
    pub folder: tempfile::TempDir,
    pub api: BotApi,
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
            "[telegram]\ntoken = {TOKEN:?}\napi_url = {:?}\nallowed_users = [{USER}]",
            self.api.url()
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
        self.write_config();
        let mut command = self.command();
        command.arg("--config").arg(self.config_file()).arg("run");
        Chappe::start(command)
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

    /// Waits until the bot has written a message that contains `text`; returns it.
    pub fn answer(&self, text: &str) -> Shown {
        self.wait(&format!("an answer with {text:?}"), |view| {
            view.from_bot(USER)
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

    /// The texts that the bot has written and that still stand, in order.
    pub fn texts(&self) -> Vec<String> {
        let shown = self.api.messages(USER);
        shown
            .into_iter()
            .filter(|shown| shown.from_bot)
            .map(|shown| shown.text)
            .collect()
    }
}

/// The executable under test.
pub fn chappe() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_chappe"))
}

/// A running chappe. Dropping it kills it and everything it started.
pub struct Chappe {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
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
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().expect("nobody panics with the log").push(line);
            }
        });
        Chappe { child, log }
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

    /// Waits for its end.
    pub fn ended(mut self) -> ExitStatus {
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
