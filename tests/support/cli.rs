//! Finds the real `claude` CLI for tests, and the environment in which it talks to nobody but our stand-in.
//!
//! It starts nothing. Without a CLI the tests that need one say so and pass: a checkout must be testable offline.
#![allow(
    dead_code,
    reason = "each test binary includes this module and uses its own part of it"
)]

use std::env;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Names the CLI to test with; without it `claude` on `PATH` is taken.
const CLAUDE: &str = "CHAPPE_TEST_CLAUDE";

/// Returns the CLI to test with; where there is none, says on stderr that `test` was skipped.
///
/// Panics if `CHAPPE_TEST_CLAUDE` names something that cannot be run: who sets it wants these tests.
pub fn real_claude(test: &str) -> Option<PathBuf> {
    let found = match env::var_os(CLAUDE) {
        Some(named) => {
            let named = PathBuf::from(named);
            assert!(
                is_executable(&named),
                "{CLAUDE}={} is no executable file",
                named.display()
            );
            Some(named)
        }
        None => env::split_paths(&env::var_os("PATH").unwrap_or_default())
            .map(|folder| folder.join("claude"))
            .find(|path| is_executable(path)),
    };
    if found.is_none() {
        // Not `eprintln!`: the test harness hides that of a test that passes.
        let _ = writeln!(
            std::io::stderr(),
            "skipped: {test}: no claude CLI (set {CLAUDE})"
        );
    }
    found
}

/// Returns the whole environment for a CLI, to be set after `env_clear`. With it the CLI connects only to `api_url`
/// (checked with strace on 2.1.197 and 2.1.330), asks nothing at its start, and keeps its files under `config_dir`,
/// which must exist. Tools run by the CLI inherit it.
pub fn environment(api_url: &str, config_dir: &Path) -> Vec<(String, String)> {
    let config_dir = config_dir.to_str().expect("the config dir is UTF-8");
    let folder = |name: &str| {
        let path = format!("{config_dir}/{name}");
        fs::create_dir_all(&path).expect("the config dir can be written");
        path
    };
    let path = env::var("PATH").expect("PATH is set and UTF-8");
    [
        ("PATH", path.as_str()),
        ("LANG", "C.UTF-8"),
        // Otherwise it would read the settings and the memory of whoever runs the tests.
        ("HOME", &folder("home")),
        ("CLAUDE_CONFIG_DIR", config_dir),
        ("CLAUDE_CODE_TMPDIR", &folder("tmp")),
        ("ANTHROPIC_BASE_URL", api_url),
        ("ANTHROPIC_API_KEY", "dummy"),
        ("DISABLE_AUTOUPDATER", "1"),
        ("DISABLE_TELEMETRY", "1"),
        ("DISABLE_ERROR_REPORTING", "1"),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
