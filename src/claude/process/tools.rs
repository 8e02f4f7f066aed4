//! A stop that keeps Claude alive: what its tools have started in a turn is ended, and nothing else.
//!
//! Both a tool's processes and the MCP servers are Claude's children and carry `CLAUDECODE=1`. What tells them apart
//! (seen with 2.1.197 and 2.1.330): `CLAUDE_CODE_CHILD_SESSION=1` is in the environment of Bash and of hooks only, and
//! these get a session of the kernel's of their own, while a server stays in Claude's. Both must be so; then all that a
//! server starts is safe as well, such as a browser with a session of its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::sweep::{Kin, end_all};
use super::{LOOK_EVERY, MARK, pause};
use crate::claude::process_table::{Identity, Table};

/// How long a tool may take to end after SIGTERM.
const TOOL_GRACE: Duration = Duration::from_secs(2);

/// Whose tools are to be ended, and which.
pub(super) struct Tools {
    pub(super) claude: Identity,
    pub(super) mark: String,
    /// Clock ticks after boot: what started earlier belongs to an earlier turn.
    pub(super) since: u64,
    /// What starts later belongs to the next turn, which need not wait for this.
    pub(super) until: u64,
    pub(super) kin: Arc<Kin>,
}

impl Tools {
    /// Ends them. Blocks until they are gone, for little more than [`TOOL_GRACE`].
    pub(super) fn end(self) {
        let deadline = Instant::now() + TOOL_GRACE;
        let mut told = BTreeSet::new();
        let mut looks = 0;
        while Instant::now() < deadline {
            let table = Table::read();
            let living = table.family(self.found(&table).union(&told).copied());
            // Between its fork and its exec a tool looks like Claude, so one look is not enough.
            if living.is_empty() && looks > 1 {
                return;
            }
            for tool in living.difference(&told) {
                tool.signal(Signal::SIGTERM);
            }
            self.kin.add(&table, living.clone());
            told.extend(living);
            looks += 1;
            pause(LOOK_EVERY);
        }
        end_all(|table| {
            let mut roots = self.found(table);
            roots.extend(&told);
            roots
        });
    }

    /// The processes at which tools begin.
    fn found(&self, table: &Table) -> BTreeSet<Identity> {
        // Once Claude is gone, everything that it has left is swept.
        let Some(claude) = table.get(self.claude).filter(|entry| !entry.is_zombie) else {
            return BTreeSet::new();
        };
        let candidates = table.living().filter(|entry| {
            let start = entry.identity.start;
            self.since <= start && start <= self.until && entry.session != claude.session
        });
        candidates
            .map(|entry| entry.identity)
            .filter(|who| *who != self.claude && self.is_tool(*who))
            .collect()
    }

    fn is_tool(&self, who: Identity) -> bool {
        let environment = who.environment();
        environment.get(MARK) == Some(&self.mark)
            && environment.get("CLAUDECODE") == Some("1")
            && environment.get("CLAUDE_CODE_CHILD_SESSION") == Some("1")
    }
}
