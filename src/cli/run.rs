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
    #[cfg(debug_assertions)]
    take_orders(environment)?;
    let config = Config::load(config, environment)
        .map_err(|error| Fatal::new(Exit::Config, error.to_string()))?;
    let signals = daemon::end_signals()?;
    Daemon::start(&config, environment)?.run(&signals)
}

/// Takes a test's orders: where to die or to fail, and how far the clock is off.
#[cfg(debug_assertions)]
fn take_orders(environment: &Environment) -> Result<(), Fatal> {
    let trace = environment.get("CHAPPE_FAIL_TRACE").map(Path::new);
    let orders = environment.text("CHAPPE_FAIL").unwrap_or_default();
    crate::failpoint::arm(orders, trace).map_err(|error| Fatal::new(Exit::Usage, error))?;
    if let Some(file) = environment.get("CHAPPE_CLOCK") {
        crate::clock::shift_by(Path::new(file));
    }
    Ok(())
}
