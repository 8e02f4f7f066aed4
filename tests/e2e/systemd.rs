//! chappe as a unit: what systemd is told and when, and the units themselves.

use std::fs;
use std::io::Write as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use chappe::config::{Config, Environment};
use nix::sys::signal::Signal;

use crate::host::{Host, SOON, chappe};

/// The end of the socket that systemd would hold.
struct Manager {
    socket: UnixDatagram,
    /// What was told so far, a line each.
    told: Vec<String>,
}

impl Manager {
    /// Listens, and lets chappe know where.
    fn listen(host: &mut Host) -> Manager {
        let path = host.folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("the folder can hold a socket");
        let path = path.to_str().expect("the path is UTF-8").to_owned();
        host.environment.push(("NOTIFY_SOCKET".to_owned(), path));
        Manager {
            socket,
            told: Vec::new(),
        }
    }

    /// The next thing that chappe tells: lines that came together.
    fn next(&mut self, what: &str, deadline: Instant) -> Vec<String> {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut buffer = [0; 4096];
        let received = self
            .socket
            .set_read_timeout(Some(left.max(Duration::from_millis(1))))
            .and_then(|()| self.socket.recv(&mut buffer));
        let length =
            received.unwrap_or_else(|error| panic!("{error} before {what}; told: {:?}", self.told));
        let text = String::from_utf8_lossy(&buffer[..length]);
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        self.told.extend(lines.iter().cloned());
        lines
    }

    /// Waits until chappe tells this, and returns all that came with it.
    fn hears(&mut self, line: &str) -> Vec<String> {
        let deadline = Instant::now() + SOON;
        loop {
            let lines = self.next(line, deadline);
            if lines.iter().any(|told| told == line) {
                return lines;
            }
        }
    }
}

#[test]
fn it_is_ready_without_telegram_and_says_what_is_missing() {
    let mut host = Host::new();
    let mut manager = Manager::listen(&mut host);
    host.api.go_dark();
    let chappe = host.start();
    let first = manager.next("anything", Instant::now() + SOON);
    assert_eq!(first, ["READY=1", "STATUS=Connecting to Telegram"]);
    // Each attempt that has ended shows that chappe lives, however it has ended.
    manager.hears("STATUS=Telegram is not reached; trying again");
    manager.hears("WATCHDOG=1");
    manager.hears("WATCHDOG=1");
    host.api.come_back().expect("its port is still free");
    // Without it Telegram would hold the call, and not answer for 50 s.
    host.say("hello");
    manager.hears("STATUS=Connected to Telegram");
    manager.hears("WATCHDOG=1");
    let ready = manager.told.iter().filter(|line| *line == "READY=1");
    assert_eq!(ready.count(), 1);
    assert_eq!(chappe.stop().code(), Some(0));
}

#[test]
fn every_answer_of_telegram_feeds_the_watchdog() {
    let mut host = Host::new();
    let mut manager = Manager::listen(&mut host);
    let _chappe = host.start();
    host.say("zero");
    manager.hears("STATUS=Connected to Telegram");
    manager.hears("WATCHDOG=1");
    host.answer("echo: zero");
    for text in ["one", "two", "three"] {
        // Whoever is in the middle of something when an answer comes may count as one that hangs.
        host.delivered();
        host.say(text);
        manager.hears("WATCHDOG=1");
        host.answer(&format!("echo: {text}"));
    }
    let told = manager.told.iter();
    let connected = told.filter(|line| *line == "STATUS=Connected to Telegram");
    assert_eq!(connected.count(), 1, "it is said again when it changes");
}

#[test]
fn how_long_the_end_may_take_is_told_at_its_beginning() {
    let mut host = Host::new();
    host.sessions = "stop_grace = \"2s\"\nshutdown_grace = \"5s\"\n".to_owned();
    let mut manager = Manager::listen(&mut host);
    let chappe = host.start();
    let gate = host.gate();
    host.say(&gate.call());
    let held = gate.reached();
    chappe.signal(Signal::SIGTERM);
    let told = manager.hears("STOPPING=1");
    // shutdown_grace + 3 x stop_grace + 8 s.
    assert!(
        told.contains(&"EXTEND_TIMEOUT_USEC=19000000".to_owned()),
        "{told:?}"
    );
    drop(held);
    assert_eq!(chappe.ended().code(), Some(0));
}

#[test]
fn claude_and_its_tools_do_not_hear_of_systemd() {
    let mut host = Host::new();
    let mut manager = Manager::listen(&mut host);
    for name in ["WATCHDOG_USEC", "INVOCATION_ID", "CREDENTIALS_DIRECTORY"] {
        host.environment.push((name.to_owned(), "1000".to_owned()));
    }
    let chappe = host.start();
    manager.hears("READY=1");
    let gate = host.gate();
    host.say(&gate.call());
    let _held = gate.reached();
    let children = chappe.descendants();
    assert!(children.len() > 1, "no tool runs: {children:?}");
    for pid in children {
        let environment = fs::read(format!("/proc/{pid}/environ")).expect("it runs");
        let environment = String::from_utf8_lossy(&environment).into_owned();
        assert!(environment.contains("CHAPPE_RUN="), "{environment:?}");
        for name in [
            "NOTIFY_SOCKET",
            "WATCHDOG_USEC",
            "INVOCATION_ID",
            "CREDENTIALS_DIRECTORY",
        ] {
            assert!(!environment.contains(name), "{name} in {environment:?}");
        }
    }
}

#[test]
fn without_systemd_nobody_is_told_and_nothing_is_missing() {
    const UNTOLD: &str = "systemd was not told";
    let mut host = Host::new();
    let chappe = host.start();
    host.say("hello");
    host.answer("echo: hello");
    chappe.signal(Signal::SIGTERM);
    let end = chappe.end();
    assert_eq!(end.code, Some(0));
    assert!(!end.stderr.contains(UNTOLD), "{}", end.stderr);

    // A socket that nobody holds any more is no reason to end either.
    drop(Manager::listen(&mut host));
    let chappe = host.start();
    chappe.logs(UNTOLD);
    host.say("again");
    host.answer("echo: again");
    assert_eq!(chappe.stop().code(), Some(0));
}

/// The units with their names.
fn units() -> [(&'static str, String); 2] {
    ["chappe.service", "chappe-user.service"].map(|name| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("systemd")
            .join(name);
        (name, fs::read_to_string(path).expect("the unit is there"))
    })
}

/// What a key is set to in a section of a unit; the last setting counts.
fn setting<'a>(unit: &'a str, section: &str, key: &str) -> Option<&'a str> {
    let mut within = "";
    let mut found = None;
    for line in unit.lines() {
        if let Some(name) = line.strip_prefix('[') {
            within = name.trim_end_matches(']');
        } else if within == section
            && let Some((name, value)) = line.split_once('=')
            && name == key
        {
            found = Some(value);
        }
    }
    found
}

#[test]
fn the_units_say_what_chappe_relies_on() {
    for (name, unit) in units() {
        for (section, key, value) in [
            ("Unit", "StartLimitIntervalSec", "0"),
            ("Service", "Type", "notify"),
            ("Service", "KillMode", "mixed"),
            ("Service", "OOMPolicy", "continue"),
            ("Service", "Restart", "on-failure"),
            ("Service", "RestartSec", "2"),
            ("Service", "RestartPreventExitStatus", "2 69 75 78"),
            ("Service", "TimeoutStartSec", "30"),
            ("Service", "TimeoutStopSec", "90"),
            ("Service", "WatchdogSec", "180"),
        ] {
            assert_eq!(setting(&unit, section, key), Some(value), "{name}: {key}");
        }
        // The CLI compiles at run time.
        assert_eq!(setting(&unit, "Service", "MemoryDenyWriteExecute"), None);
    }
    let mut host = Host::new();
    host.sessions.clear();
    host.write_config();
    let environment = Environment::read().without("CHAPPE_TOKEN");
    let sessions = Config::load(Some(&host.config_file()), &environment)
        .expect("the configuration is right")
        .sessions;
    let end = sessions.shutdown_grace + 3 * sessions.stop_grace + Duration::from_secs(8);
    assert!(
        end < Duration::from_secs(90),
        "an end in order takes {end:?}"
    );
    let [(_, system), (_, user)] = units();
    // Up to systemd 253 that of a user's unit is not where chappe by hand has its state.
    assert_eq!(setting(&user, "Service", "StateDirectory"), None);
    assert_eq!(
        setting(&system, "Service", "StateDirectory"),
        Some("chappe")
    );
    assert_eq!(
        setting(&system, "Service", "LoadCredential"),
        Some("telegram-token:/etc/chappe/telegram-token")
    );
}

/// A copy of a unit that names the executable under test.
fn copy(unit: &str, folder: &Path, name: &str) -> PathBuf {
    let lines = unit.lines().map(|line| {
        if line.starts_with("ExecStart=") {
            format!("ExecStart={} run\n", chappe().display())
        } else {
            format!("{line}\n")
        }
    });
    let path = folder.join(name);
    fs::write(&path, lines.collect::<String>()).expect("the folder can be written");
    path
}

/// What systemd has to say against a unit.
fn complaints(path: &Path, runtime_dir: &Path) -> std::io::Result<String> {
    let mut command = Command::new("systemd-analyze");
    if path.ends_with("chappe-user.service") {
        command.arg("--user").env("XDG_RUNTIME_DIR", runtime_dir);
    }
    let output = command.args(["verify", "--man=no"]).arg(path).output()?;
    let mut text = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        text.push_str(&output.status.to_string());
    }
    Ok(text)
}

#[test]
fn systemd_has_nothing_against_the_units() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for (name, unit) in units() {
        let path = copy(&unit, folder.path(), name);
        let said = match complaints(&path, folder.path()) {
            Ok(said) => said,
            Err(error) => {
                // Not `eprintln!`: the test harness hides that of a test that passes.
                let _ = writeln!(
                    std::io::stderr(),
                    "skipped: systemd_has_nothing_against_the_units: systemd-analyze: {error}"
                );
                return;
            }
        };
        assert_eq!(said, "", "{name}");
        // So much for a unit that is right; it does say something of one that is not.
        let wrong = unit.replace("KillMode=mixed", "KillMode=mixt");
        let path = copy(&wrong, folder.path(), name);
        let said = complaints(&path, folder.path()).expect("it ran before");
        assert!(said.contains("mixt"), "{name}: {said:?}");
    }
}
