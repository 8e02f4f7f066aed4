//! The real CLI against the stand-in: each behaviour that other tests lean on, seen through the CLI's own output.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::LIMIT;
use crate::cli;
use crate::messages_api::{Kind, MessagesApi, Request};

/// A stand-in, and a folder for a CLI's configuration and work.
struct Bench {
    claude: PathBuf,
    api: MessagesApi,
    folder: TempDir,
}

/// A running CLI that is spoken to in stream-json, as chappe does.
struct Claude {
    child: Child,
    /// `None` once it is closed.
    stdin: Option<ChildStdin>,
    lines: Receiver<Value>,
    seen: Vec<Value>,
    stderr: PathBuf,
}

impl Bench {
    /// `None` without a CLI; the skipped test is named on stderr.
    fn new(test: &str) -> Option<Bench> {
        let claude = cli::real_claude(test)?;
        let bench = Bench {
            claude,
            api: MessagesApi::start(),
            folder: TempDir::new().expect("a temporary folder"),
        };
        std::fs::create_dir(bench.cwd()).expect("a new folder");
        Some(bench)
    }

    fn cwd(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    fn claude(&self, arguments: &[&str]) -> Claude {
        self.claude_with(arguments, &[])
    }

    fn claude_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Claude {
        let stderr = self.folder.path().join("stderr");
        let mut child = Command::new(&self.claude)
            .args([
                "-p",
                "--input-format",
                "stream-json",
                "--output-format",
                "stream-json",
                "--verbose",
            ])
            .args(["--permission-prompt-tool", "stdio"])
            .args(arguments)
            .current_dir(self.cwd())
            .env_clear()
            .envs(cli::environment(
                &self.api.url(),
                &self.folder.path().join("config"),
            ))
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&stderr).expect("the folder can be written"))
            .spawn()
            .expect("the CLI starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let (sender, lines) = mpsc::channel();
        // It ends with the CLI's stdout, or with the test.
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line)
                    .unwrap_or_else(|e| panic!("not JSON ({e}): {line}"));
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        Claude {
            stdin: child.stdin.take(),
            child,
            lines,
            seen: Vec::new(),
            stderr,
        }
    }

    /// The requests of turns, so far.
    fn turns(&self) -> Vec<Request> {
        self.api
            .requests()
            .into_iter()
            .filter(|request| request.kind == Kind::Turn)
            .collect()
    }
}

impl Claude {
    fn write(&mut self, line: &Value) {
        let stdin = self.stdin.as_mut().expect("stdin is still open");
        writeln!(stdin, "{line}").expect("the CLI reads its stdin");
    }

    fn say(&mut self, text: &str) {
        self.write(&json!({"type": "user", "message": {"role": "user", "content": text}}));
    }

    /// Says it and returns the text of the turn's result.
    fn ask(&mut self, text: &str) -> String {
        self.say(text);
        let result = self.result();
        assert_eq!(result["is_error"], false, "{result}");
        result["result"]
            .as_str()
            .expect("a result has a text")
            .to_owned()
    }

    /// Waits for the next line that `wanted` accepts, past all others.
    fn wait(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + LIMIT;
        while let Ok(line) = self
            .lines
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            self.seen.push(line.clone());
            if wanted(&line) {
                return line;
            }
        }
        let seen: Vec<String> = self.seen.iter().map(Value::to_string).collect();
        let stderr = std::fs::read_to_string(&self.stderr).unwrap_or_default();
        panic!("no {what}; seen:\n{}\nstderr:\n{stderr}", seen.join("\n"));
    }

    fn result(&mut self) -> Value {
        self.wait("result", |line| line["type"] == "result")
    }

    fn permission_request(&mut self, tool: &str) -> Value {
        self.wait("permission request", |line| {
            line["request"]["tool_name"] == tool
        })
    }

    fn answer(&mut self, request: &Value, response: &Value) {
        self.write(&json!({"type": "control_response", "response": {
            "subtype": "success", "request_id": request["request_id"], "response": response,
        }}));
    }

    /// Closes stdin, which asks the CLI to end, and waits until its stdout is closed too.
    fn finish(mut self) {
        self.stdin = None;
        let deadline = Instant::now() + LIMIT;
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("the CLI does not end"),
            }
        }
    }
}

impl Drop for Claude {
    fn drop(&mut self) {
        // It has ended already, or a test has failed or is done with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn session_id(line: &Value) -> String {
    line["session_id"]
        .as_str()
        .expect("each result names its session")
        .to_owned()
}

#[test]
fn a_prompt_is_echoed_and_nothing_else_is_asked_of_the_api() {
    let Some(bench) = Bench::new("a_prompt_is_echoed_and_nothing_else_is_asked_of_the_api") else {
        return;
    };
    let mut claude = bench.claude(&[]);
    assert_eq!(claude.ask("hello there"), "echo: hello there");
    let init = claude
        .seen
        .iter()
        .find(|line| line["subtype"] == "init")
        .expect("a turn begins with init")
        .clone();
    claude.finish();
    let seen = bench.api.requests();
    let odd: Vec<String> = seen
        .iter()
        .filter(|r| r.path != "/v1/messages" && r.path != "/")
        .map(Request::to_string)
        .collect();
    assert!(odd.is_empty(), "{odd:?}");
    let turns = bench.turns();
    assert_eq!(turns.len(), 1, "{seen:?}");
    assert_eq!(turns[0].texts, ["hello there"]);
    assert_eq!(turns[0].session.as_deref(), init["session_id"].as_str());
    // 2.1.197 adds "[1m]" to the name in init.
    let model = init["model"].as_str().unwrap_or_default();
    assert!(
        !turns[0].model.is_empty() && model.starts_with(&turns[0].model),
        "{model}"
    );
    assert!(turns[0].tools.contains(&"Bash".to_owned()) && !turns[0].system.is_empty());
}

#[test]
fn a_resumed_session_remembers_the_turns_before() {
    let Some(bench) = Bench::new("a_resumed_session_remembers_the_turns_before") else {
        return;
    };
    let mut claude = bench.claude(&[]);
    claude.say("the first");
    let session = session_id(&claude.result());
    claude.finish();
    let mut claude = bench.claude(&["--resume", &session]);
    assert_eq!(
        claude.ask("[[remember]]"),
        r#"remember turns=1 texts=["the first"]"#
    );
    // A tool id that was used before the resume would break this step.
    assert_eq!(
        claude.ask(r#"[[tool Bash {"command":"echo again"}]]"#),
        "tool said: again"
    );
}

#[test]
fn tools_run_and_their_results_and_refusals_reach_the_model() {
    let Some(bench) = Bench::new("tools_run_and_their_results_and_refusals_reach_the_model") else {
        return;
    };
    let mut claude = bench.claude(&[]);
    claude.say(r#"[[pre On it.]] [[tool Bash {"command":"touch made && echo one"}]] [[tool Bash {"command":"touch denied"}]]"#);
    let request = claude.permission_request("Bash");
    assert_eq!(
        request["request"]["input"]["command"],
        "touch made && echo one"
    );
    claude.answer(&request, &json!({"behavior": "allow", "updatedInput": {}}));
    let request = claude.permission_request("Bash");
    claude.answer(
        &request,
        &json!({"behavior": "deny", "message": "Not that one."}),
    );
    assert_eq!(claude.result()["result"], "tool said: Not that one.");
    assert!(bench.cwd().join("made").exists() && !bench.cwd().join("denied").exists());
    let results: Vec<_> = bench
        .turns()
        .into_iter()
        .map(|turn| turn.tool_result)
        .collect();
    let told: Vec<_> = results
        .iter()
        .flatten()
        .map(|result| (result.text.as_str(), result.is_error))
        .collect();
    assert_eq!(told, [("one", false), ("Not that one.", true)]);
    assert_eq!(results[0], None);
}

#[test]
fn a_plan_is_put_to_the_user() {
    let Some(bench) = Bench::new("a_plan_is_put_to_the_user") else {
        return;
    };
    let mut claude = bench.claude(&["--permission-mode", "plan"]);
    claude.say("[[plan]]");
    let request = claude.permission_request("ExitPlanMode");
    let plan = request["request"]["input"]["plan"]
        .as_str()
        .unwrap_or_default();
    assert!(plan.starts_with("# The plan"), "{request}");
    claude.answer(&request, &json!({"behavior": "allow", "updatedInput": {}}));
    let said = claude.result()["result"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(said.starts_with("tool said: User has approved"), "{said}");
    assert_eq!(claude.ask("and now"), "echo: and now");
}

#[test]
fn a_question_is_asked_and_its_answer_reaches_the_model() {
    let Some(bench) = Bench::new("a_question_is_asked_and_its_answer_reaches_the_model") else {
        return;
    };
    let mut claude = bench.claude(&[]);
    claude.say("[[ask2]]");
    let request = claude.permission_request("AskUserQuestion");
    let questions = &request["request"]["input"]["questions"];
    let answers = json!({
        (questions[0]["question"].as_str().expect("a text")): "Green",
        (questions[1]["question"].as_str().expect("a text")): "Logging, Tracing",
    });
    let updated =
        json!({"behavior": "allow", "updatedInput": {"questions": questions, "answers": answers}});
    claude.answer(&request, &updated);
    let said = claude.result()["result"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(
        said.contains("Green") && said.contains("Logging, Tracing"),
        "{said}"
    );
}

#[test]
fn an_overloaded_api_fails_the_turn_and_one_that_recovers_does_not() {
    let Some(bench) = Bench::new("an_overloaded_api_fails_the_turn_and_one_that_recovers_does_not")
    else {
        return;
    };
    let mut claude = bench.claude(&[]);
    claude.say("[[error 529]]");
    let result = claude.result();
    let said = result["result"].as_str().unwrap_or_default();
    assert!(
        result["is_error"] == true && said.contains("529"),
        "{result}"
    );
    assert_eq!(
        claude.ask("[[error 529 x1]] [[text recovered]]"),
        "recovered"
    );
    assert_eq!(
        claude.ask("[[cut x1]] [[text A text of some length, cut in the middle.]]"),
        "A text of some length, cut in the middle."
    );
}

#[test]
fn a_hanging_api_is_left_by_an_interrupt() {
    let Some(bench) = Bench::new("a_hanging_api_is_left_by_an_interrupt") else {
        return;
    };
    let mut claude = bench.claude(&[]);
    claude.say("[[hang]]");
    let hanging = |seen: &[Request]| {
        seen.iter()
            .position(|request| request.last_text() == Some("[[hang]]"))
    };
    let index = bench.api.wait(LIMIT, "hanging request", hanging);
    claude.write(
        &json!({"type": "control_request", "request_id": "i", "request": {"subtype": "interrupt"}}),
    );
    let result = claude.result();
    assert_eq!(result["subtype"], "error_during_execution", "{result}");
    bench.api.wait(LIMIT, "client that is gone", |seen| {
        seen[index].client_gone().then_some(())
    });
    assert_eq!(
        claude.ask("[[remember]]"),
        r#"remember turns=1 texts=["[[hang]]"]"#
    );
}

#[test]
fn a_stalled_stream_is_left_with_what_had_come() {
    let Some(bench) = Bench::new("a_stalled_stream_is_left_with_what_had_come") else {
        return;
    };
    let mut claude = bench.claude(&["--include-partial-messages"]);
    claude.say("[[stall]] [[text only the beginning of this will be seen]]");
    let third = "is will be s";
    claude.wait("third delta", |line| {
        line["event"]["delta"]["text"] == third
    });
    claude.write(
        &json!({"type": "control_request", "request_id": "i", "request": {"subtype": "interrupt"}}),
    );
    let result = claude.result();
    assert_eq!(result["terminal_reason"], "aborted_streaming", "{result}");
}

#[test]
fn a_text_that_comes_while_a_tool_runs_is_steered_into_the_turn() {
    let Some(bench) = Bench::new("a_text_that_comes_while_a_tool_runs_is_steered_into_the_turn")
    else {
        return;
    };
    let mut claude = bench.claude(&[]);
    claude.say(r#"[[tool Bash {"command":"touch made"}]]"#);
    let request = claude.permission_request("Bash");
    claude.say("and mind the gap");
    // Only when it says so has the CLI taken the text in: the two lines may otherwise be handled in either order.
    claude.write(&json!({"type": "control_request", "request_id": "sync", "request": {"subtype": "mcp_status"}}));
    claude.wait("answer", |line| line["response"]["request_id"] == "sync");
    claude.answer(&request, &json!({"behavior": "allow", "updatedInput": {}}));
    assert_eq!(claude.result()["result"], "steered: and mind the gap");
    assert_eq!(claude.ask("next"), "echo: next");
}

#[test]
fn a_compaction_gets_its_summary() {
    let Some(bench) = Bench::new("a_compaction_gets_its_summary") else {
        return;
    };
    let mut claude = bench.claude(&[]);
    claude.ask("before");
    // 2.1.197 finds a single short turn too little to compact.
    claude.ask(r#"[[tool Bash {"command":"echo once"}]]"#);
    claude.say("/compact");
    claude.wait("compaction", |line| line["subtype"] == "compact_boundary");
    claude.result();
    assert!(
        bench
            .api
            .requests()
            .iter()
            .any(|request| request.kind == Kind::Summary)
    );
    assert_eq!(claude.ask("after"), "echo: after");
    let last = bench.turns().pop().expect("a turn");
    assert_eq!(last.texts, ["after"]);
}

#[test]
fn an_answer_without_content_does_not_go_on_for_ever() {
    let Some(bench) = Bench::new("an_answer_without_content_does_not_go_on_for_ever") else {
        return;
    };
    let mut claude = bench.claude(&[]);
    assert_eq!(claude.ask("[[empty]]"), "");
    assert_eq!(claude.ask("after"), "echo: after");
}

#[test]
fn a_sub_agent_follows_the_directives_of_its_prompt() {
    let Some(bench) = Bench::new("a_sub_agent_follows_the_directives_of_its_prompt") else {
        return;
    };
    // Otherwise newer versions end the turn before the sub-agent has ended.
    let mut claude = bench.claude_with(&[], &[("CLAUDE_CODE_DISABLE_BACKGROUND_TASKS", "1")]);
    let said = claude.ask("[[agent look around <[text all quiet]>]]");
    assert!(
        said.starts_with("tool said: ") && said.contains("all quiet"),
        "{said}"
    );
    assert!(
        bench
            .turns()
            .iter()
            .any(|turn| turn.texts == ["look around [[text all quiet]]"])
    );
}

#[test]
fn the_task_list_tools_are_called_as_they_are_offered() {
    let Some(bench) = Bench::new("the_task_list_tools_are_called_as_they_are_offered") else {
        return;
    };
    let mut claude = bench.claude_with(&[], &[("CLAUDE_CODE_ENABLE_TODO_TOOLS", "1")]);
    claude.ask("[[todo]]");
    let failed: Vec<_> = bench
        .turns()
        .into_iter()
        .filter_map(|turn| turn.tool_result)
        .filter(|r| r.is_error)
        .collect();
    assert_eq!(failed, []);
}
