//! The actual CLI: what its tools start is told from what serves it, as `end_tools` takes for granted.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use chappe::claude::process::{Launch, Process, Said, now_ticks};
use chappe::claude::process_table::Identity;
use serde_json::{Value, json};

use crate::cli;
use crate::messages_api::MessagesApi;
use crate::{SOON, alone, ended, until};

/// An MCP server of a few lines, which says who it is, and has something in a session of its own, such as a browser.
const SERVER: &str = r#"
echo $$ > server
setsid sh -c 'echo $$ > browser; exec tail -f /dev/null' </dev/null >/dev/null 2>&1 &
while read -r line; do
    id=$(printf '%s' "$line" | sed -n 's/.*"id":\([0-9]*\).*/\1/p')
    version=$(printf '%s' "$line" | sed -n 's/.*"protocolVersion":"\([^"]*\)".*/\1/p')
    case "$line" in
    *'"initialize"'*) result='{"protocolVersion":"'$version'","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}' ;;
    *'"tools/list"'*) result='{"tools":[]}' ;;
    *) result='{}' ;;
    esac
    if [ -n "$id" ]; then printf '{"jsonrpc":"2.0","id":%s,"result":%s}\n' "$id" "$result"; fi
done
"#;

/// A tool that ignores SIGTERM, with a child that has left its session and one that has no environment besides.
const TOOL: &str = "trap '' TERM; echo $$ > tool; \
    (setsid sh -c 'echo $$ > detached; exec tail -f /dev/null' &); \
    env -i setsid sh -c 'echo $$ > hidden; exec tail -f /dev/null' & \
    while :; do sleep 0.1; done";

/// A Claude with a server, in a folder of its own.
struct Bench {
    folder: PathBuf,
    process: Process,
}

impl Bench {
    fn start(claude: &Path, api: &MessagesApi, folder: &Path) -> Bench {
        let settings = folder.join("settings");
        fs::create_dir(&settings).expect("the folder can be written");
        let mut environment = cli::environment(&api.url(), &settings);
        // Nobody is asked, also where root runs the tests.
        environment.push(("IS_SANDBOX".to_owned(), "1".to_owned()));
        let servers = json!({"mcpServers": {"s": {"command": "/bin/sh", "args": ["-c", SERVER]}}});
        let arguments = [
            "-p",
            "--input-format=stream-json",
            "--output-format=stream-json",
            "--verbose",
            "--permission-mode=bypassPermissions",
            &format!("--mcp-config={servers}"),
        ];
        let argv = [claude.to_str().expect("the path is UTF-8")]
            .into_iter()
            .chain(arguments);
        let launch = Launch {
            argv: argv.map(str::to_owned).collect(),
            folder: folder.to_owned(),
            environment: environment
                .into_iter()
                .map(|(name, value)| (OsString::from(name), OsString::from(value)))
                .collect(),
            mark: format!("with-claude-{}", std::process::id()),
            name: "claude".to_owned(),
        };
        Bench {
            folder: folder.to_owned(),
            process: Process::start(&launch).expect("the CLI starts"),
        }
    }

    fn say(&self, uuid: &str, text: &str) {
        let line = json!({
            "type": "user", "uuid": uuid, "parent_tool_use_id": null,
            "message": {"role": "user", "content": text},
        });
        self.process.write(line.to_string()).expect("it reads");
    }

    /// Waits for the end of a turn.
    fn result(&self) -> Value {
        loop {
            match self.process.said().recv_timeout(SOON * 2) {
                Ok(Said::Line(line)) => {
                    let line: Value = serde_json::from_slice(&line).expect("it prints JSON");
                    if line["type"] == "result" {
                        return line;
                    }
                }
                Ok(Said::Stderr(line)) => eprintln!("{line}"),
                other => panic!("no result but {other:?}"),
            }
        }
    }

    /// Waits until somebody has written its number into a file.
    fn named(&self, file: &str) -> Identity {
        let mut who = None;
        until(file, || {
            let pid = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
            who = pid.trim().parse().ok().and_then(Identity::of);
            who.is_some()
        });
        who.expect("it was waited for")
    }
}

#[test]
fn the_tools_of_the_real_cli_are_ended_and_its_servers_live_on() {
    let name = "the_tools_of_the_real_cli_are_ended_and_its_servers_live_on";
    let Some(claude) = cli::real_claude(name) else {
        return;
    };
    let _alone = alone();
    let (api, folder) = (MessagesApi::start(), tempfile::tempdir().expect("a folder"));
    // Also for a server that was started again in the middle of the turn.
    let since = now_ticks().expect("a thread");
    let Bench {
        folder,
        mut process,
    } = {
        let bench = Bench::start(&claude, &api, folder.path());
        bench.say("one", "hello");
        assert_eq!(bench.result()["result"], "echo: hello");
        let (server, browser) = (bench.named("server"), bench.named("browser"));
        bench.say(
            "two",
            &format!("[[tool Bash {}]]", json!({"command": TOOL})),
        );
        let tools = ["tool", "detached", "hidden"].map(|file| bench.named(file));

        bench.process.end_tools(since);
        until("its tools are gone", || {
            !tools.into_iter().any(Identity::lives)
        });
        assert!(server.lives() && browser.lives());
        // It has not noticed more than that its tool is gone.
        bench.result();
        bench.say("three", "and now");
        assert_eq!(bench.result()["result"], "echo: and now");
        assert!(server.lives() && browser.lives());
        bench
    };
    process.close_input();
    ended(&mut process);
    let left = ["server", "browser"].map(|file| fs::read_to_string(folder.join(file)));
    for pid in left.into_iter().flatten() {
        let pid = pid.trim().parse().expect("it is a number");
        until("nothing is left", || Identity::of(pid).is_none());
    }
}
