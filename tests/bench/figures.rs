//! Medians, and lines of a table that reads well.

use std::time::Duration;

/// Durations of one thing, in order of size; or differences of them, which may be negative.
pub struct Sample<T = Duration>(Vec<T>);

impl<T: Ord + Copy> Sample<T> {
    pub fn new(mut measured: Vec<T>) -> Sample<T> {
        assert!(!measured.is_empty(), "something was measured");
        measured.sort();
        Sample(measured)
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }

    pub fn median(&self) -> T {
        self.at(50)
    }

    pub fn p99(&self) -> T {
        self.at(99)
    }

    pub fn worst(&self) -> T {
        self.at(100)
    }

    /// The smallest one that so many percent do not exceed.
    fn at(&self, percent: usize) -> T {
        let rank = (self.0.len() * percent).div_ceil(100);
        self.0[rank.max(1) - 1]
    }
}

/// The width of a line's name.
const NAME: usize = 50;

/// Prints a heading with the names of columns.
pub fn heading(name: &str, columns: &[&str]) {
    let columns: String = columns
        .iter()
        .map(|column| format!("{column:>12}"))
        .collect();
    println!("\n{name:NAME$}{columns}");
}

pub fn line(name: &str, cells: &[String]) {
    let cells: String = cells.iter().map(|cell| format!("{cell:>12}")).collect();
    println!("  {name:width$}{cells}", width = NAME - 2);
}

/// A remark, under the line before it.
pub fn remark(text: &str) {
    println!("  {text}");
}

pub fn millis(duration: Duration) -> String {
    format!("{:.2} ms", duration.as_secs_f64() * 1000.0)
}

/// A difference in nanoseconds.
pub fn signed_millis(nanos: i64) -> String {
    format!("{:.2} ms", nanos as f64 / 1e6)
}

/// How many times as long one takes as the other.
pub fn ratio(one: Duration, other: Duration) -> String {
    format!("{:.1} x", one.as_secs_f64() / other.as_secs_f64())
}

/// So many in all, for each of `rounds`.
pub fn each(all: u64, rounds: u32) -> String {
    format!("{:.1}", all as f64 / f64::from(rounds))
}

/// So many bytes in all, for each of `rounds`.
pub fn each_kilobytes(all: u64, rounds: u32) -> String {
    format!("{:.1} kB", all as f64 / f64::from(rounds) / 1000.0)
}

/// So many bytes, as a size or as a change of it.
pub fn bytes(count: f64) -> String {
    match count.abs() {
        ..1_000_000.0 => format!("{:.1} kB", count / 1e3),
        _ => format!("{:.2} MB", count / 1e6),
    }
}
