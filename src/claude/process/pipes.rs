//! The pipes to and from a child: lines in, lines out, and how long a dead child's pipes are waited for.
//!
//! End of stdout and end of the process are separate facts: a tool's child may hold the pipe for longer than `claude`
//! lives.

use std::io::{self, BufRead, Read, Write};
use std::process::ChildStdin;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::{LOOK_EVERY, Said};
use crate::failpoint;

/// How long a dead process's reader may wait for its owner in all. Longer than any store is likely to fail for a moment,
/// and an end for output that never ends.
const OWNER_MAX: Duration = Duration::from_secs(60);

/// Waits until a reader has come to the end of its pipe, or has waited for it in vain for `limit`; returns what is left
/// of that. The time in which the reader waits for its owner counts apart: what the process has said would be lost.
pub(super) fn run_dry(
    done: &Receiver<()>,
    limit: Duration,
    mut waits_for_owner: impl FnMut() -> bool,
) -> Duration {
    let mut left = limit;
    let mut left_for_owner = OWNER_MAX;
    while !left.is_zero() && !left_for_owner.is_zero() {
        // Nothing is ever sent here: it is over when the reader drops its end.
        if done.recv_timeout(LOOK_EVERY) != Err(RecvTimeoutError::Timeout) {
            break;
        }
        if waits_for_owner() {
            left_for_owner = left_for_owner.saturating_sub(LOOK_EVERY);
        } else {
            left = left.saturating_sub(LOOK_EVERY);
        }
    }
    left
}

/// Writes lines until the channel or the pipe closes; stdin closes with it.
pub(super) fn write_lines(mut stdin: ChildStdin, lines: &Receiver<String>) {
    for line in lines {
        let mut bytes = line.into_bytes();
        bytes.push(b'\n');
        if failpoint::before("pipe").is_some() || stdin.write_all(&bytes).is_err() {
            // The process closed its end. That it has ended is told by the one who waits for it.
            return;
        }
        let _ = failpoint::after("pipe");
    }
}

/// Reads lines of at most `longest` bytes until the pipe ends or nobody listens.
pub(super) fn read_lines(
    mut pipe: impl BufRead,
    longest: usize,
    mut tell: impl FnMut(Said) -> bool,
) {
    loop {
        let mut line = Vec::new();
        match pipe
            .by_ref()
            .take(longest as u64)
            .read_until(b'\n', &mut line)
        {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let said = if line.last() == Some(&b'\n') {
            line.pop();
            Said::Line(line)
        } else if line.len() < longest {
            // The pipe ended in the middle of a line. What there is may still be a whole message.
            Said::Line(line)
        } else {
            match skip_line(&mut pipe) {
                Ok(rest) => Said::TooLong(line.len() + rest),
                Err(_) => return,
            }
        };
        if !tell(said) {
            return;
        }
    }
}

/// Skips the rest of a line without keeping it; returns its length, without its end.
fn skip_line(pipe: &mut impl BufRead) -> io::Result<usize> {
    let mut skipped = 0;
    loop {
        let buffer = pipe.fill_buf()?;
        let (length, end) = match buffer.iter().position(|&byte| byte == b'\n') {
            Some(at) => (at, Some(at + 1)),
            None if buffer.is_empty() => (0, Some(0)),
            None => (buffer.len(), None),
        };
        pipe.consume(end.unwrap_or(length));
        skipped += length;
        if end.is_some() {
            return Ok(skipped);
        }
    }
}
