//! The rules themselves, as tables: what to edit when a module, a dependency or an exception is decided upon.

/// Layers from the ground up. Imports go down; within a layer only to the same directory, or as [`ALLOWED`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// Vocabulary, settings, and the few things that everybody needs.
    Ground,
    /// No side effects, no clock: text and data in, text and data out.
    Pure,
    /// One kind of side effect each.
    Adapter,
    /// What is done within a transaction of the store: no side effect of its own, no clock, and no wait.
    Step,
    /// Loops that wait.
    Thread,
    /// Puts all together. Nothing imports it.
    Wiring,
    /// Stands beside the daemon: the far sides for the demo and the tests.
    Loopback,
    /// A directory whose parts are in several layers; its `mod.rs` only declares them.
    Directory,
}

/// Every module has its line, and its submodules go with it. One that has none fails the test: decide its layer first.
pub const MODULES: &[(&str, Layer)] = &[
    ("main", Layer::Wiring),
    ("lib", Layer::Wiring),
    ("daemon", Layer::Wiring),
    ("cli", Layer::Wiring),
    ("session", Layer::Directory),
    ("session/owner", Layer::Thread),
    ("session/ledger", Layer::Thread),
    ("session/moving", Layer::Thread),
    ("session/prepare", Layer::Thread),
    ("session/registry", Layer::Thread),
    ("session/slots", Layer::Thread),
    ("session/machine", Layer::Pure),
    ("session/admission", Layer::Pure),
    ("session/answer", Layer::Pure),
    ("session/batch", Layer::Pure),
    ("session/outcome", Layer::Pure),
    ("session/recovery", Layer::Pure),
    ("telegram", Layer::Directory),
    ("telegram/poller", Layer::Thread),
    ("telegram/dispatch", Layer::Thread),
    ("telegram/ahead", Layer::Thread),
    ("telegram/commands", Layer::Thread),
    ("telegram/desk", Layer::Thread),
    ("telegram/courier", Layer::Thread),
    ("telegram/senders", Layer::Thread),
    ("telegram/menu", Layer::Thread),
    ("telegram/standby", Layer::Thread),
    ("telegram/files", Layer::Thread),
    ("telegram/pacing", Layer::Pure),
    ("telegram/update", Layer::Pure),
    ("telegram/outgoing", Layer::Pure),
    ("telegram/refusal", Layer::Pure),
    ("telegram/settling", Layer::Pure),
    ("telegram/api", Layer::Adapter),
    ("claude", Layer::Directory),
    ("claude/protocol", Layer::Pure),
    ("claude/trace", Layer::Pure),
    ("claude/arguments", Layer::Pure),
    ("claude/by_hand", Layer::Pure),
    ("claude/elsewhere", Layer::Adapter),
    ("claude/history", Layer::Adapter),
    ("claude/process", Layer::Adapter),
    ("claude/process_table", Layer::Adapter),
    ("claude/reaper", Layer::Adapter),
    ("claude/transcript", Layer::Adapter),
    ("router", Layer::Pure),
    ("render", Layer::Pure),
    ("requests", Layer::Step),
    ("store", Layer::Adapter),
    ("notify", Layer::Adapter),
    ("patience", Layer::Adapter),
    ("workplace", Layer::Adapter),
    ("archive", Layer::Adapter),
    ("loopback", Layer::Loopback),
    ("chat", Layer::Ground),
    ("board", Layer::Ground),
    ("clock", Layer::Ground),
    ("pulse", Layer::Ground),
    ("config", Layer::Ground),
    ("thread", Layer::Ground),
    ("logging", Layer::Ground),
    ("exit", Layer::Ground),
    ("failpoint", Layer::Ground),
    ("absence", Layer::Ground),
];

/// Imports that the layers alone would forbid: from, to, and why it is right.
pub const ALLOWED: &[(&str, &str, &str)] = &[
    ("main", "daemon", "without a command the daemon runs"),
    ("main", "cli", "the arguments choose a command"),
    ("cli", "daemon", "`run` and `demo` start the daemon"),
    (
        "cli",
        "loopback",
        "`demo` talks to the loopback Bot API, `stand-in` is one",
    ),
    (
        "board",
        "chat",
        "what is pinned to it is in the chat's words",
    ),
    (
        "config",
        "chat",
        "a persona, and how long a process is kept, are in the shared words",
    ),
    (
        "config",
        "failpoint",
        "a persona's file may lie on a disk that does not answer",
    ),
    (
        "workplace",
        "claude/history",
        "what Claude has in a folder is what may be gone on with there",
    ),
    ("workplace", "claude/elsewhere", "and who has it open"),
    (
        "workplace",
        "claude/by_hand",
        "and how it goes on at the desk",
    ),
    (
        "workplace",
        "patience",
        "what Claude or a person names may lie on a disk that does not answer",
    ),
    (
        "thread",
        "exit",
        "the panic of a vital thread is an end of the daemon",
    ),
    (
        "thread",
        "failpoint",
        "a thread may be one too many for the host",
    ),
    (
        "telegram/settling",
        "render",
        "what is refused goes again in another form",
    ),
    (
        "session/machine",
        "claude/protocol",
        "the machine's events and actions carry the CLI's messages",
    ),
    (
        "session/batch",
        "claude/protocol",
        "Claude's own commands never go with other messages",
    ),
    (
        "session/outcome",
        "claude/protocol",
        "what a `result` of the CLI means",
    ),
    (
        "session/recovery",
        "claude/trace",
        "what Claude has of a prompt is what is decided by",
    ),
];

/// Directories that must not know each other, whatever the layers say; they meet in `chat` and `store`.
pub const STRANGERS: &[(&str, &str)] = &[("session", "telegram"), ("telegram", "claude")];

/// What pure code must not name.
pub const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::os::unix::net",
    "std::process",
    "std::thread",
    "std::env",
    "std::time::Instant::now",
    "std::time::SystemTime::now",
    "Instant::now",
    "SystemTime::now",
];

/// Side effects with the only modules that may have them.
pub const ADDRESSES: &[(&str, &[&str])] = &[
    ("std::process::Command", &["claude/process", "loopback"]),
    ("std::net", &["telegram/api", "loopback"]),
    ("ureq", &["telegram/api", "loopback"]),
    ("std::env", &["config", "main", "cli", "loopback/standin"]),
    ("std::thread::spawn", &["thread", "loopback"]),
    ("std::thread::scope", &["thread", "loopback"]),
    ("std::thread::Builder", &["thread", "loopback"]),
    ("std::thread::sleep", &["loopback"]),
    ("rusqlite", &["store"]),
];

/// What no file may hold, tests included.
pub const FORBIDDEN_TEXT: &[&str] = &[
    "#[ignore",
    "#[should_panic",
    "todo!",
    "unimplemented!",
    "dbg!",
    "allow(dead_code",
    "crate::*",
];

/// Names that say nothing about what is inside.
pub const FORBIDDEN_NAMES: &[&str] = &["util", "utils", "helper", "helpers", "misc"];

pub const TOP_LEVEL: &[&str] = &[
    ".ci",
    ".git",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "src",
    "systemd",
    "target",
    "tests",
];

/// Each is argued for in one line of `Cargo.toml`.
pub const DEPENDENCIES: &[&str] = &[
    "crossbeam-channel",
    "env_logger",
    "frankenstein",
    "lexopt",
    "log",
    "nix",
    "pulldown-cmark",
    "rusqlite",
    "sd-notify",
    "serde",
    "serde_json",
    "signal-hook",
    "tar",
    "tempfile",
    "toml",
    "ureq",
    "uuid",
    "zstd",
];
pub const DEV_DEPENDENCIES: &[&str] = &["insta", "proptest"];
