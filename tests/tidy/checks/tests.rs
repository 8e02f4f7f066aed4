//! Each check passes what is right and fails what is wrong.

use super::*;

fn layers_of(path: &str, text: &str) -> Vec<String> {
    check_layers(&[Source::new(path, text)])
}

#[test]
fn imports_that_go_down_pass() {
    for (path, text) in [
        (
            "src/daemon.rs",
            "use crate::{store::Store, telegram::{poller, courier}, config};",
        ),
        (
            "src/session/owner.rs",
            "use crate::claude::process; use crate::session::{machine, registry}; use crate::store;",
        ),
        (
            "src/session/machine.rs",
            "use crate::chat::Prompt; use crate::claude::protocol::Message;",
        ),
        (
            "src/claude/process.rs",
            "use super::protocol; use crate::thread;",
        ),
        (
            "src/claude/process/reader.rs",
            "use super::Child; use crate::claude::protocol;",
        ),
        (
            "src/telegram/mod.rs",
            "pub mod api; pub use self::api::Api;",
        ),
        (
            "src/cli/demo.rs",
            "use crate::daemon; use crate::loopback::botapi;",
        ),
        (
            "src/loopback/botapi.rs",
            "use crate::chat; use super::standin;",
        ),
        (
            "src/router.rs",
            "#[cfg(test)] mod tests { use crate::daemon; }",
        ),
        ("src/main.rs", "fn main() { chappe::cli::main() }"),
        ("src/lib.rs", "pub mod chat;"),
    ] {
        assert_eq!(layers_of(path, text), [""; 0], "{path}");
    }
}

#[test]
fn imports_that_do_not_go_down_fail() {
    for (path, text, complaint) in [
        (
            "src/store/mod.rs",
            "use crate::daemon;",
            "`store` must not import `daemon`: imports go down",
        ),
        (
            "src/chat.rs",
            "fn f() { crate::render::x() }",
            "`chat` must not import `render`: imports go down",
        ),
        (
            "src/session/owner.rs",
            "use crate::{chat, telegram::api};",
            "`session/owner` must not import `telegram/api`: they meet",
        ),
        (
            "src/telegram/courier.rs",
            "use crate::claude::protocol;",
            "`telegram/courier` must not import `claude/protocol`: they meet",
        ),
        (
            "src/telegram/poller.rs",
            "use crate::session::registry;",
            "equal layers meet only within a directory",
        ),
        (
            "src/router.rs",
            "use crate::render::texts;",
            "equal layers meet only within a directory",
        ),
        (
            "src/claude/protocol.rs",
            "use super::process;",
            "pure code does not import what acts",
        ),
        (
            "src/store/mod.rs",
            "use crate::render;",
            "adapters know data, not decisions",
        ),
        (
            "src/session/owner.rs",
            "use crate::claude::Child;",
            "name the module in it",
        ),
        (
            "src/claude/mod.rs",
            "use crate::chat;",
            "only declares its parts",
        ),
        (
            "src/loopback/botapi.rs",
            "use crate::config;",
            "know nothing of the daemon but `chat`",
        ),
        (
            "src/daemon.rs",
            "use crate::loopback::botapi;",
            "only the demo uses it",
        ),
        (
            "src/session/owner.rs",
            "use crate::Prompt;",
            "crate::Prompt is in no module",
        ),
        (
            "src/session/owner.rs",
            "use crate::session::persona;",
            "name the module in it",
        ),
        (
            "src/thread.rs",
            "use crate::config::Config;",
            "equal layers meet only within a directory",
        ),
        ("src/voice.rs", "", "src/voice.rs: a new module"),
        (
            "src/session/persona.rs",
            "",
            "src/session/persona.rs: a new module",
        ),
    ] {
        let complaints = layers_of(path, text);
        assert!(
            complaints.len() == 1 && complaints[0].contains(complaint),
            "{path}: {complaints:?}"
        );
    }
    assert!(layers_of("src/chat.rs", "\n\nuse crate::daemon;")[0].starts_with("src/chat.rs:3: "));
}

#[test]
fn circles_are_found() {
    let circle = [
        Source::new("src/session/owner.rs", "use super::registry;"),
        Source::new(
            "src/session/registry.rs",
            "use crate::session::owner; use super::machine;",
        ),
        Source::new("src/session/machine.rs", "use crate::chat;"),
    ];
    assert_eq!(
        check_circles(&circle),
        ["these import each other in a circle: session/owner, session/registry"]
    );
    assert_eq!(check_circles(&circle[1..]), [""; 0]);
}

#[test]
fn impure_code_and_strayed_side_effects_fail() {
    for (path, text) in [
        ("src/router.rs", "use std::{fs, io};"),
        (
            "src/render/markdown.rs",
            "fn f() { std::time::SystemTime::now() }",
        ),
        (
            "src/session/machine.rs",
            "use std::time::Instant; fn f() { Instant::now() }",
        ),
        (
            "src/telegram/pacing.rs",
            "use std::time::*; fn f() { Instant::now() }",
        ),
        (
            "src/claude/protocol.rs",
            "use std::thread as t; fn f() { t::yield_now() }",
        ),
        ("src/claude/transcript.rs", "use std::process::Command;"),
        ("src/telegram/files.rs", "use ureq::Agent;"),
        ("src/store/mod.rs", "use std::net::TcpStream;"),
        ("src/daemon.rs", "std::env::var(x)"),
        ("src/loopback/botapi.rs", "use std::env;"),
        (
            "src/session/owner.rs",
            "use std::thread; fn f() { thread::spawn(g) }",
        ),
        (
            "src/session/owner.rs",
            "use std::thread; fn f() { thread::sleep(d) }",
        ),
        ("src/thread.rs", "std::thread::sleep(d)"),
        ("src/telegram/courier.rs", "use rusqlite::Connection;"),
    ] {
        let complaints = check_side_effects(&Source::new(path, text));
        assert!(!complaints.is_empty(), "{path}: {text}");
    }
}

#[test]
fn side_effects_at_their_address_pass() {
    for (path, text) in [
        (
            "src/session/machine.rs",
            "use std::time::Instant; fn f(now: Instant) {} #[cfg(test)] mod t { use std::fs; }",
        ),
        (
            "src/session/owner.rs",
            "use crate::thread; fn f() { thread::spawn(g); std::time::Instant::now() }",
        ),
        (
            "src/claude/process.rs",
            "use std::process::{Command, Stdio};",
        ),
        ("src/claude/process_group.rs", "use std::process::Command;"),
        (
            "src/loopback/standin.rs",
            "use std::{env, thread}; fn f() { thread::sleep(d) }",
        ),
        (
            "src/main.rs",
            "use std::process::ExitCode; fn main() { std::env::args_os() }",
        ),
        (
            "src/router.rs",
            "// std::fs\nfn f() { \"std::fs\"; env!(\"X\") }",
        ),
    ] {
        assert_eq!(
            check_side_effects(&Source::new(path, text)),
            [""; 0],
            "{path}: {text}"
        );
    }
}

#[test]
fn files_without_purpose_or_with_loose_ends_fail() {
    let complaints = |path: &str, text: &str| check_file(&Source::new(path, text)).len();
    assert_eq!(
        complaints(
            "src/chat.rs",
            "//! Words.\nfn f() { \"todo!\" } // #[ignore]\n"
        ),
        0
    );
    assert_eq!(complaints("src/chat.rs", "fn f() {}"), 1);
    assert_eq!(
        complaints(
            "src/chat.rs",
            "//! Words.\nfn f() { todo!() }\n#[ignore = \"\"]"
        ),
        2
    );
    assert_eq!(complaints("tests/e2e/util.rs", "//! Words."), 1);
    assert_eq!(complaints("src/utils/mod.rs", "//! Words."), 1);
}

#[test]
fn dependencies_that_nobody_decided_upon_fail() {
    let manifest = |more: &str| {
        let lines = |names: &[&str]| {
            names
                .iter()
                .map(|name| format!("{name} = \"1\"\n"))
                .collect::<String>()
        };
        format!(
            "[dependencies]\n# x = 1\n{}{more}\n[dev-dependencies]\n{}",
            lines(DEPENDENCIES),
            lines(DEV_DEPENDENCIES)
        )
    };
    assert_eq!(check_dependencies(&manifest("")), [""; 0]);
    assert_eq!(
        check_dependencies(&manifest("tokio = \"1\"")),
        ["[dependencies] tokio: not decided upon"]
    );
    assert_eq!(
        check_dependencies(&manifest("tokio.version = \"1\"")),
        ["[dependencies] tokio: not decided upon"]
    );
    assert_eq!(
        check_dependencies(&manifest("[build-dependencies]\ncc = \"1\"")).len(),
        1
    );
    assert_eq!(
        check_dependencies(&manifest("[dependencies.tokio]\nversion = \"1\"")).len(),
        1
    );
    assert_eq!(
        check_dependencies(&manifest("").replace("uuid = \"1\"\n", "")),
        ["[dependencies] uuid: decided upon, and gone"]
    );
}
