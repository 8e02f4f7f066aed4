//! The command line and the start: what goes wrong is told with its cure, and with the exit code that systemd acts on.

use std::fs;

use crate::host::{Chappe, Host, TOKEN, chappe, until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::Command;

/// Runs the executable to its end: exit code, stdout, stderr.
fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().expect("the executable can be run");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it prints UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn the_command_line_explains_itself() {
    let host = Host::new();
    let (code, stdout, _) = run(host.command().arg("--help"));
    assert_eq!(code, Some(0));
    assert!(stdout.contains("usage: chappe"), "{stdout}");
    let (code, stdout, _) = run(host.command().arg("--version"));
    assert_eq!(
        (code, stdout),
        (Some(0), format!("chappe {}\n", env!("CARGO_PKG_VERSION")))
    );
    for arguments in [
        &["--frobnicate"][..],
        &["dance"],
        &["run", "--real"],
        &["--config"],
    ] {
        let (code, stdout, stderr) = run(host.command().args(arguments));
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(stderr.contains("chappe --help"), "{stderr}");
    }
}

#[test]
fn a_wrong_configuration_is_shown_where_it_is_wrong() {
    let mut host = Host::new();
    host.sessions.push_str("idle_timout = \"1s\"\n");
    let end = host.start().end();
    let text = fs::read_to_string(host.config_file()).unwrap();
    let line = 1 + text
        .lines()
        .position(|line| line.starts_with("idle_timout"))
        .unwrap();
    assert_eq!(end.code, Some(78), "{}", end.stderr);
    let place = format!("{}:{line}:1", host.config_file().display());
    assert!(end.stderr.contains(&place), "{place} in {}", end.stderr);
    assert!(
        end.stderr.contains("idle_timeout"),
        "what is meant: {}",
        end.stderr
    );

    let text = text.replace("idle_timout", "idle_timeout");
    fs::create_dir(host.folder.path().join("personas")).unwrap();
    let free = host.folder.path().join("personas/free.toml");
    fs::write(free, "permission_mode = \"bypassPermissions\"\n").unwrap();
    let by_nobody = text.replace("[sessions]", "[sessions]\ndefault_persona = \"free\"");
    let sandbox = by_nobody.replace("env = { ", "env = { IS_SANDBOX = \"1\", ");
    assert!(sandbox.contains("IS_SANDBOX"), "{sandbox}");
    fs::write(host.config_file(), sandbox).unwrap();
    let (code, _, stderr) = run(host.command().arg("--config").arg(host.config_file()));
    assert_eq!(code, Some(78), "{stderr}");
    assert!(
        stderr.contains("which a person confirms for each session"),
        "{stderr}"
    );

    // A rule on which somebody would rely in vain.
    let in_vain = text.replace("[claude]", "[claude]\ndeny = [\"Write(//etc/**)\"]");
    fs::write(host.config_file(), in_vain).unwrap();
    let (code, _, stderr) = run(host.command().arg("--config").arg(host.config_file()));
    assert_eq!(code, Some(78), "{stderr}");
    let cure = "help: write \"Edit(//etc/**)\"";
    assert!(stderr.contains(cure), "{stderr}");

    let without = text.replace(&format!("token = {TOKEN:?}"), "");
    assert_ne!(text, without);
    fs::write(host.config_file(), without).unwrap();
    let (code, _, stderr) = run(host.command().arg("--config").arg(host.config_file()));
    assert_eq!(code, Some(78), "{stderr}");
    assert!(stderr.contains("token"), "{stderr}");

    let (code, _, stderr) = run(host
        .command()
        .args(["--config", "/nonexistent/config.toml"]));
    assert_eq!(code, Some(78), "{stderr}");
    assert!(stderr.contains("/nonexistent/config.toml"), "{stderr}");
}

#[test]
fn a_state_directory_that_cannot_be_used_is_told() {
    let host = Host::new();
    fs::write(host.state_dir(), "a file").unwrap();
    let end = host.start().end();
    assert_eq!(end.code, Some(73), "{}", end.stderr);
    assert!(
        end.stderr.contains(host.state_dir().to_str().unwrap()),
        "{}",
        end.stderr
    );
    assert!(end.stderr.contains("help:"), "{}", end.stderr);

    fs::remove_file(host.state_dir()).unwrap();
    fs::create_dir(host.state_dir()).unwrap();
    fs::write(
        host.state_dir().join("chappe.db"),
        "no database ".repeat(1000),
    )
    .unwrap();
    let end = host.start().end();
    assert_eq!(end.code, Some(73), "{}", end.stderr);
    assert!(
        end.stderr.contains("chappe.db") && end.stderr.contains("backup"),
        "{}",
        end.stderr
    );
    let kept = fs::read_to_string(host.state_dir().join("chappe.db")).unwrap();
    assert!(
        kept.starts_with("no database"),
        "what is there is not touched"
    );
}

#[test]
fn only_one_runs_with_a_state_directory() {
    let host = Host::new();
    let _first = host.start();
    host.wait("the first to listen", |view| {
        (view.held_polls() > 0).then_some(())
    });
    let end = host.start().end();
    assert_eq!(end.code, Some(75), "{}", end.stderr);
    assert!(end.stderr.contains("another chappe runs"), "{}", end.stderr);
    host.say("hello");
    host.answer("echo: hello");
}

#[test]
fn a_wrong_token_is_told_at_once() {
    let mut host = Host::new();
    host.token = "77:not-the-one-that-telegram-knows-now".to_owned();
    let end = host.start().end();
    assert_eq!(end.code, Some(69), "{}", end.stderr);
    assert!(end.stderr.contains("@BotFather"), "{}", end.stderr);
    assert!(
        !end.stderr.contains("not-the-one"),
        "the token is not shown"
    );
}

#[test]
fn without_a_network_it_starts_all_the_same() {
    let host = Host::new();
    host.say("hello");
    host.api.go_dark();
    let chappe: Chappe = host.start();
    chappe.logs("getUpdates: not reached: connection refused");
    host.api.come_back().unwrap();
    host.answer("echo: hello");
    assert_eq!(chappe.stop().code(), Some(0));
}

#[test]
fn what_others_have_started_before_is_not_ended_but_reaped_when_it_dies() {
    let mut host = Host::new();
    // A fresh process for each turn, so that one ends while chappe runs.
    host.sessions.push_str("idle_timeout = \"0s\"\n");
    host.write_config();
    // The shell becomes chappe, which so has children that it has not started.
    let script =
        "cd \"$HOME\"; for i in 1 2; do sleep 600 & echo $! >>strangers; done; exec \"$@\"";
    let mut command = Command::new("/bin/sh");
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", host.folder.path())
        .env("RUST_LOG", "debug")
        .args(["-c", script, "sh"])
        .arg(chappe())
        .arg("--config")
        .arg(host.config_file())
        .arg("run");
    let running = Chappe::start(command);
    host.say("hello");
    host.answer("echo: hello");
    until("the end of Claude", || {
        host.claudes().is_empty().then_some(())
    });
    let strangers = fs::read_to_string(host.folder.path().join("strangers")).unwrap();
    let strangers: Vec<Pid> = strangers
        .lines()
        .map(|line| Pid::from_raw(line.parse().unwrap()))
        .collect();
    assert_eq!(strangers.len(), 2);
    let there = |pid: Pid| fs::exists(format!("/proc/{pid}")).unwrap();
    kill(strangers[0], Signal::SIGTERM).unwrap();
    until("its end, and no zombie", || {
        (!there(strangers[0])).then_some(())
    });
    assert_eq!(running.stop().code(), Some(0));
    kill(strangers[1], Signal::SIGTERM).expect("it still runs");
}
