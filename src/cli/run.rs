//! `chappe run`: the daemon, until a signal ends it.

use std::path::Path;

use crate::config::{Config, Environment};
use crate::daemon::{self, Daemon};
use crate::exit::{Exit, Fatal};
use crate::logging;

/// Runs the daemon with the configuration at `config`, or the one that is found.
pub fn run(config: Option<&Path>, environment: &Environment) -> Result<(), Fatal> {
    logging::start(
        environment.text("RUST_LOG"),
        environment.get("JOURNAL_STREAM").is_some(),
    );
    let config = Config::load(config, environment)
        .map_err(|error| Fatal::new(Exit::Config, error.to_string()))?;
    let signals = daemon::end_signals()?;
    Daemon::start(&config, environment)?.run(&signals)
}
