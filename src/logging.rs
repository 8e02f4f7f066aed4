//! The log: stderr, with journald's priorities where systemd reads it.
//!
//! What is logged never holds what people wrote, what Claude answered, a token or a URL.

use std::io::Write;

use log::{Level, LevelFilter};

/// Starts the log. `journal` says that stderr goes to journald, which then gives each line its time and priority.
pub fn start(filter: Option<&str>, journal: bool) {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(LevelFilter::Info);
    if let Some(filter) = filter {
        builder.parse_filters(filter);
    }
    // These log URLs, and ours hold the token.
    for noisy in ["ureq", "ureq_proto", "rustls"] {
        builder.filter_module(noisy, LevelFilter::Warn);
    }
    builder.format(move |out, record| {
        // Whatever a filter says: at these levels they log URLs, and ours hold the token.
        let talks_http = ["ureq", "rustls"]
            .iter()
            .any(|name| record.target().starts_with(name));
        if talks_http && record.level() > Level::Warn {
            return Ok(());
        }
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("?");
        if journal {
            let priority = match record.level() {
                Level::Error => 3,
                Level::Warn => 4,
                Level::Info => 6,
                Level::Debug | Level::Trace => 7,
            };
            writeln!(out, "<{priority}>{name}: {}", record.args())
        } else {
            writeln!(out, "{:5} {name}: {}", record.level(), record.args())
        }
    });
    // A second start (tests, the demo) keeps the first log.
    let _ = builder.try_init();
}
