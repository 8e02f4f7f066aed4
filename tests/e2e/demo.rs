//! `chappe demo`: the whole of it in a terminal, here with pipes in place of the terminal.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};

use crate::host::{Host, SOON};
use crossbeam_channel::{Receiver, unbounded};

/// A running demo and what it prints.
struct Demo {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    /// What was printed and read.
    seen: String,
}

impl Demo {
    fn start(host: &Host) -> Demo {
        let mut command = host.command();
        command.arg("demo").env("TMPDIR", host.folder.path());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("the executable can be run");
        let (print, lines) = unbounded();
        let stdout = child.stdout.take().expect("stdout is a pipe");
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = print.send(line);
            }
        });
        let input = child.stdin.take();
        Demo {
            child,
            input,
            lines,
            seen: String::new(),
        }
    }

    fn write(&mut self, line: &str) {
        let input = self.input.as_mut().expect("the input is open");
        writeln!(input, "{line}").expect("it reads");
    }

    /// Reads until a line contains `text`.
    fn prints(&mut self, text: &str) {
        loop {
            let Ok(line) = self.lines.recv_timeout(SOON) else {
                panic!("no {text:?} in\n{}", self.seen);
            };
            self.seen.push_str(&line);
            self.seen.push('\n');
            if line.contains(text) {
                return;
            }
        }
    }

    /// Closes the input and waits for the end; returns the exit code and all that was printed.
    fn end(mut self) -> (Option<i32>, String) {
        drop(self.input.take());
        while let Ok(line) = self.lines.recv_timeout(SOON) {
            self.seen.push_str(&line);
            self.seen.push('\n');
        }
        let code = match self.child.try_wait() {
            Ok(Some(status)) => status.code(),
            // Its output is closed, so it is over or hangs.
            _ => {
                crate::host::until("the end of the demo", || self.child.try_wait().unwrap()).code()
            }
        };
        (code, self.seen)
    }
}

/// Nothing of a demo stays.
fn nothing_is_left(host: &Host) {
    let left = std::fs::read_dir(host.folder.path()).unwrap().count();
    assert_eq!(left, 0, "its folder is gone");
    let processes = crate::host::processes_of(host.folder.path());
    assert_eq!(processes, Vec::<i32>::new());
}

#[test]
fn it_answers_and_ends_with_its_input() {
    let host = Host::new();
    let mut demo = Demo::start(&host);
    demo.write("hello");
    let (code, printed) = demo.end();
    assert_eq!(code, Some(0), "{printed}");
    assert!(
        printed.contains("you› hello") && printed.contains("bot› echo: hello"),
        "{printed}"
    );
    nothing_is_left(&host);
}

#[test]
fn a_button_is_pressed_by_its_number() {
    let host = Host::new();
    let mut demo = Demo::start(&host);
    demo.write(r#"[[tool Bash {"command":"echo out > x; cat x"}]]"#);
    demo.prints("[1] Allow once  [2] Deny");
    demo.write("1");
    demo.prints("· Allowed");
    demo.prints("tool said: out");
    let (code, printed) = demo.end();
    assert_eq!(code, Some(0), "{printed}");
    nothing_is_left(&host);
}

#[test]
fn what_is_asked_when_the_input_is_closed_is_denied() {
    let host = Host::new();
    let mut demo = Demo::start(&host);
    demo.write(r#"[[tool Bash {"command":"touch x"}]]"#);
    let (code, printed) = demo.end();
    assert_eq!(code, Some(0), "{printed}");
    assert!(
        printed.contains("(the input is closed: denied)"),
        "{printed}"
    );
    assert!(
        printed.contains("tool said: The user denied this."),
        "{printed}"
    );
    nothing_is_left(&host);
}
