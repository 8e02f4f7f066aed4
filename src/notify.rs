//! Tells systemd how chappe is. Without systemd (no `NOTIFY_SOCKET` in the environment) every call is nothing.

use std::sync::Mutex;
use std::time::Duration;

use sd_notify::NotifyState;

/// Everything is up. The network need not be; the status says what is still missing.
pub fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// chappe is being stopped, and may take so long: at most 71 minutes, which is all that fits.
pub fn stopping(at_most: Duration) {
    let micros = u32::try_from(at_most.as_micros()).unwrap_or(u32::MAX);
    tell(&[
        NotifyState::Stopping,
        NotifyState::ExtendTimeoutUsec(micros),
        NotifyState::Status("Stopping"),
    ]);
}

/// chappe is alive.
pub fn watchdog() {
    tell(&[NotifyState::Watchdog]);
}

/// What `systemctl status` shows; said again only when it changes.
pub struct Status(Mutex<&'static str>);

impl Status {
    pub fn new() -> Status {
        Status(Mutex::new(""))
    }

    pub fn say(&self, words: &'static str) {
        let mut said = self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if *said != words {
            *said = words;
            tell(&[NotifyState::Status(words)]);
        }
    }
}

impl Default for Status {
    fn default() -> Status {
        Status::new()
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("systemd was not told: {error}");
    }
}
