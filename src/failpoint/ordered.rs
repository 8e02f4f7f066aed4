//! What tests have ordered to happen at fail points, and what was passed. Only in debug builds.
//!
//! Dying is by SIGKILL, as by the kernel: nothing is tidied up. Nothing here knows what the points are for.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use nix::sys::signal::{Signal, raise};

use super::Failure;

/// What is to happen at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Kill,
    Hang,
    Fail(Failure),
}

/// What is to happen, and the first and last time of passing at which it does.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Order {
    point: String,
    what: What,
    first: u32,
    last: u32,
}

struct Plan {
    orders: Vec<Order>,
    passed: HashMap<String, u32>,
    /// Where each passing is noted.
    trace: Option<File>,
}

static PLAN: Mutex<Option<Plan>> = Mutex::new(None);

/// Takes a test's orders, and where every passing is to be noted. From then on they hold.
///
/// Fails where an order makes no sense, or the trace cannot be opened.
pub fn arm(orders: &str, trace: Option<&Path>) -> Result<(), String> {
    let orders = orders
        .split(',')
        .filter(|order| !order.is_empty())
        .map(|order| parse(order).ok_or_else(|| format!("{order:?} is no order for a fail point")))
        .collect::<Result<_, _>>()?;
    let trace = trace
        .map(|path| OpenOptions::new().append(true).create(true).open(path))
        .transpose()
        .map_err(|error| format!("the trace of fail points cannot be opened: {error}"))?;
    let plan = Plan {
        orders,
        passed: HashMap::new(),
        trace,
    };
    *PLAN.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan);
    Ok(())
}

/// `SIDE:NAME=WHAT@FIRST`, `@FIRST-LAST` or `@FIRST-`.
pub(super) fn parse(order: &str) -> Option<Order> {
    let (point, what) = order.split_once('=')?;
    let (what, times) = what.split_once('@')?;
    let what = match what {
        "kill" => What::Kill,
        "hang" => What::Hang,
        "error" => What::Fail(Failure::Passing),
        "break" => What::Fail(Failure::Lasting),
        _ => return None,
    };
    let (first, last) = match times.split_once('-') {
        None => (times, times),
        Some(range) => range,
    };
    let first = first.parse().ok()?;
    let last = match last {
        "" => u32::MAX,
        last => last.parse().ok()?,
    };
    let (side, name) = point.split_once(':')?;
    let makes_sense = matches!(side, "before" | "after") && !name.is_empty() && first > 0;
    makes_sense.then(|| Order {
        point: point.to_owned(),
        what,
        first,
        last,
    })
}

pub(super) fn pass(side: &str, name: &str) -> Option<Failure> {
    let mut guard = PLAN.lock().unwrap_or_else(PoisonError::into_inner);
    let plan = guard.as_mut()?;
    let point = format!("{side}:{name}");
    if let Some(trace) = &mut plan.trace {
        let _ = trace.write_all(format!("{point}\n").as_bytes());
    }
    let passed = plan.passed.entry(point.clone()).or_default();
    *passed += 1;
    let ordered = plan
        .orders
        .iter()
        .find(|order| order.point == point && (order.first..=order.last).contains(passed));
    let what = ordered.map(|order| order.what)?;
    // Others pass while one hangs.
    drop(guard);
    match what {
        What::Hang => {
            let _ = crossbeam_channel::never::<()>().recv();
            None
        }
        What::Kill => {
            let _ = raise(Signal::SIGKILL);
            None
        }
        What::Fail(failure) => Some(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_read_and_nonsense_is_refused() {
        let order = |what, first, last| Order {
            point: "before:accept".to_owned(),
            what,
            first,
            last,
        };
        assert_eq!(parse("before:accept=kill@2"), Some(order(What::Kill, 2, 2)));
        assert_eq!(parse("before:accept=hang@2"), Some(order(What::Hang, 2, 2)));
        assert_eq!(
            parse("before:accept=error@1-3"),
            Some(order(What::Fail(Failure::Passing), 1, 3))
        );
        assert_eq!(
            parse("before:accept=error@4-"),
            Some(order(What::Fail(Failure::Passing), 4, u32::MAX))
        );
        for nonsense in [
            "before:accept",
            "before:accept=kill",
            "before:accept=die@1",
            "before:accept=kill@0",
            "beside:accept=kill@1",
            "accept=kill@1",
            "before:=kill@1",
        ] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn without_orders_nothing_fails() {
        assert_eq!(crate::failpoint::before("accept"), None);
        assert_eq!(crate::failpoint::after("accept"), None);
    }
}
