//! A chappe to be measured: the executable in a folder of its own on a disk, with the loopback Bot API and some people.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chappe::loopback::botapi::{BotApi, Call, Person, View};
use crossbeam_channel::never;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::looks;

/// How long anything may take before the measurement is given up.
pub const PATIENCE: Duration = Duration::from_secs(60);

const TOKEN: &str = "77:loopback-loopback-loopback-loopback";

/// The first of the people.
const USER: i64 = 1001;

/// How often something is looked at that announces itself to nobody.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// How long chappe may take to end.
const END_MAX: Duration = Duration::from_secs(30);

/// The executable that is measured.
pub fn executable() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_chappe"))
}

/// This program, which is also its own child and relay.
pub fn this_program() -> PathBuf {
    std::env::current_exe().expect("a program knows where it stands")
}

/// Where the folders are made: beside what is built, because `/tmp` is often no disk.
pub fn folder_for_state() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// Lets some time pass.
pub fn pause(time: Duration) {
    let _ = never::<()>().recv_timeout(time);
}

/// Lets a process live for as long as chappe does.
pub const KEPT: &str = "idle_timeout = \"never\"\n";

/// Looks again and again at what announces itself to nobody.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited {PATIENCE:?} in vain: {what}");
        pause(LOOK_EVERY);
    }
}

/// How chappe is set up.
pub struct Setup {
    /// How many people write, each in a chat, and so a session, of their own.
    pub people: i64,
    /// The command for Claude.
    pub claude: Vec<String>,
    pub extra_args: Vec<String>,
    /// Variables for Claude besides its own folder.
    pub environment: Vec<(String, String)>,
    /// Lines for the table of the sessions: how long a process is kept, such as [`KEPT`].
    pub sessions: String,
    /// What chappe is run under.
    pub under: Vec<String>,
}

/// A running chappe. Dropping it ends it and all below it.
pub struct Daemon {
    // The child first: it ends before the server that it talks to, and before the folder goes.
    child: Started,
    pub pid: i32,
    pub api: BotApi,
    pub people: Vec<Person>,
    pub folder: tempfile::TempDir,
}

impl Daemon {
    /// Starts chappe in a folder and waits until it polls.
    pub fn start(folder: tempfile::TempDir, setup: &Setup) -> Daemon {
        let api = BotApi::start(TOKEN).expect("loopback has a free port");
        let people: Vec<Person> = (USER..USER + setup.people)
            .map(|user| Person::private(user, &format!("Person{user}")))
            .collect();
        let config = folder.path().join("config.toml");
        write_config(&config, setup, &api, &people, folder.path());
        let log = File::create(folder.path().join("log")).expect("a file can be made");
        let argv: Vec<String> = setup
            .under
            .iter()
            .cloned()
            .chain([executable().display().to_string()])
            .chain(["--config".to_owned(), config.display().to_string()])
            .chain(["run".to_owned()])
            .collect();
        let mut command = Command::new(&argv[0]);
        command
            .args(&argv[1..])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder.path())
            .stderr(log);
        let child = Started::spawn(command);
        let mut daemon = Daemon {
            pid: child.pid(),
            child,
            api,
            people,
            folder,
        };
        daemon.wait("chappe to poll", |view| {
            (view.held_polls() > 0).then_some(())
        });
        if !setup.under.is_empty() {
            let below = looks::below(daemon.child.pid());
            let chappe = below
                .iter()
                .find(|process| process.has_argument("--config"));
            daemon.pid = chappe.expect("it polls, so it runs").pid;
        }
        daemon
    }

    /// Waits for something on the Bot API's side.
    pub fn wait<T>(&self, what: &str, look: impl FnMut(&View) -> Option<T>) -> T {
        let found = self.api.wait(PATIENCE, what, look);
        found.unwrap_or_else(|seen| panic!("{seen}"))
    }

    /// Ends chappe in order, so that all that it had to write is written.
    pub fn stop(&mut self) {
        let _ = kill(Pid::from_raw(self.pid), Signal::SIGTERM);
        self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            eprintln!("--- chappe's log\n{log}---");
        }
        self.stop();
    }
}

/// A new folder for a measurement.
pub fn new_folder() -> tempfile::TempDir {
    tempfile::tempdir_in(folder_for_state()).expect("a folder can be made")
}

fn write_config(config: &Path, setup: &Setup, api: &BotApi, people: &[Person], folder: &Path) {
    let users: Vec<i64> = people.iter().map(|person| person.user).collect();
    let mut environment = format!("CLAUDE_CONFIG_DIR = {:?}", folder.join("claude"));
    for (name, value) in &setup.environment {
        let _ = write!(environment, ", {name} = {value:?}");
    }
    let text = format!(
        "state_dir = {:?}\n\
         [telegram]\ntoken = {TOKEN:?}\napi_url = {:?}\nallowed_users = {users:?}\n\
         [claude]\ncommand = {:?}\nextra_args = {:?}\nenv = {{ {environment} }}\n\
         [sessions]\nroot = {:?}\nbatch_window = \"0ms\"\nshutdown_grace = \"0s\"\n{}",
        folder.join("state"),
        api.url(),
        setup.claude,
        setup.extra_args,
        folder.join("sessions"),
        setup.sessions,
    );
    let mut file = OpenOptions::new();
    let file = file.write(true).create_new(true).mode(0o600).open(config);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.expect("the configuration can be written");
}

/// A child of ours in a group of its own. Dropping it ends it and all below it.
pub struct Started(Child);

impl Started {
    pub fn spawn(mut command: Command) -> Started {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn();
        Started(child.expect("the program can be started"))
    }

    pub fn pid(&self) -> i32 {
        self.0.id() as i32
    }

    /// Waits for its end for a while.
    fn wait(&mut self) -> bool {
        let until = Instant::now() + END_MAX;
        while matches!(self.0.try_wait(), Ok(None)) {
            if Instant::now() >= until {
                return false;
            }
            pause(Duration::from_millis(10));
        }
        true
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            for process in looks::below(self.pid()) {
                let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
            }
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

/// The first call since a moment that sends or changes a message in a chat, whose parameters are as wanted.
pub fn call_with<'v>(
    view: &'v View,
    since: Instant,
    chat: i64,
    wanted: impl Fn(&Value) -> bool,
) -> Option<&'v Call> {
    let is_message = |call: &Call| {
        let method = &call.method;
        (method.starts_with("send") || method.starts_with("edit")) && method.contains("Message")
    };
    // From behind: thousands may lie before them. So the first one is the last that is found.
    let since_then = view.calls().iter().rev();
    since_then
        .take_while(|call| call.when >= since)
        .filter(|call| is_message(call) && call.params["chat_id"] == chat && wanted(&call.params))
        .last()
}
