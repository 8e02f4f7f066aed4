//! The wall clock, read in one place.
//!
//! Durations are never measured with it: it jumps. What waits uses `Instant`; this is for what is written down. In debug
//! builds a test can make it jump ([`shift_by`]).

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970; 0 for a clock that stands before that, as on a board without a battery.
pub fn unix_now() -> i64 {
    unix_millis().div_euclid(1000)
}

/// Milliseconds since 1970, likewise.
pub fn unix_millis() -> i64 {
    let read = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        });
    shifted(read)
}

#[cfg(not(debug_assertions))]
#[inline(always)]
fn shifted(read: i64) -> i64 {
    read
}

#[cfg(debug_assertions)]
fn shifted(read: i64) -> i64 {
    let text = SHIFT.get().map(std::fs::read_to_string);
    let shift = text.and_then(|text| text.ok()?.trim().parse::<i64>().ok());
    shift.map_or(read, |seconds| {
        read.saturating_add(seconds.saturating_mul(1000)).max(0)
    })
}

/// The file that says how many seconds the clock is off.
#[cfg(debug_assertions)]
static SHIFT: std::sync::OnceLock<std::path::PathBuf> = std::sync::OnceLock::new();

/// Lets the clock be off by the number of seconds that stands in a file, looked up at each reading: for tests.
#[cfg(debug_assertions)]
pub fn shift_by(file: &std::path::Path) {
    // Only the first one counts; there is one for each process.
    let _ = SHIFT.set(file.to_owned());
}
