//! `chappe demo`: the whole daemon on the loopback Bot API, with the chat in the terminal.
//!
//! Everything between the terminal and Claude is the real thing; only Telegram is played, and Claude too unless
//! `--real` is given. State and sessions lie in a temporary folder that is gone afterwards.

use std::io::{BufRead, IsTerminal, stdin};
use std::path::Path;
use std::time::Duration;

use crossbeam_channel::{Receiver, after, bounded, never, select};
use serde_json::Value;

use crate::config::{Config, Environment};
use crate::daemon::{self, Daemon};
use crate::exit::{Exit, Fatal};
use crate::loopback::botapi::{BotApi, Event, Person, Shown};
use crate::{logging, thread};

/// The person at the keyboard, as the loopback Bot API knows them.
const USER: i64 = 1;

/// A token of the right form, for a bot that exists nowhere else.
const TOKEN: &str = "1:loopback-demo-loopback-demo-loopback";

/// How often it is looked whether everything has come to rest, once the input is closed.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Runs the demo until the input is closed and everything has come to rest, or a signal comes.
pub fn run(real: bool, environment: &Environment) -> Result<(), Fatal> {
    logging::start(Some(environment.text("RUST_LOG").unwrap_or("warn")), false);
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        Fatal::new(Exit::Failed, format!("{what}: {error}"))
    };
    let folder = tempfile::Builder::new()
        .prefix("chappe-demo-")
        .tempdir()
        .map_err(|error| failed("no temporary folder can be made", &error))?;
    let api = BotApi::start(TOKEN)
        .map_err(|error| failed("the loopback Bot API cannot be started", &error))?;
    let file = folder.path().join("config.toml");
    let text = configuration(&api.url(), folder.path(), real)
        .map_err(|error| failed("chappe does not know where its own program is", &error))?;
    std::fs::write(&file, text)
        .map_err(|error| failed("the demo's configuration cannot be written", &error))?;
    let config = Config::load(Some(&file), &environment.without("CHAPPE_TOKEN"))
        .map_err(|error| Fatal::new(Exit::Config, error.to_string()))?;
    let signals = daemon::end_signals()?;
    let events = api.events();
    let daemon = Daemon::start(&config, environment)?;
    println!("{}", greeting(real));
    let end = Chat {
        api: &api,
        buttons: Vec::new(),
        typing: false,
        echo: !stdin().is_terminal(),
    }
    .run(&daemon, &events, &signals);
    daemon.shut_down(&signals);
    end
}

fn greeting(real: bool) -> &'static str {
    if real {
        "This is chappe with the real Claude Code. It uses your account and may cost money.\n\
         Write, then press Enter. A button is pressed by its number. Ctrl-D ends.\n"
    } else {
        "This is chappe with a stand-in for Claude. Nothing leaves this computer.\n\
         Write, then press Enter. A button is pressed by its number. Ctrl-D ends.\n\
         Try: hello · [[tool Bash {\"command\":\"touch x\"}]] · /help\n"
    }
}

/// The demo's configuration. JSON strings are TOML strings as well.
fn configuration(url: &str, folder: &Path, real: bool) -> std::io::Result<String> {
    let quoted = |text: &str| Value::from(text).to_string();
    let path = |name: &str| quoted(&folder.join(name).to_string_lossy());
    let claude = if real {
        "command = [\"claude\"]\n".to_owned()
    } else {
        let own = std::env::current_exe()?;
        format!(
            "command = [{}, \"stand-in\"]\nenv = {{ CLAUDE_CONFIG_DIR = {} }}\n",
            quoted(&own.to_string_lossy()),
            path("claude")
        )
    };
    Ok(format!(
        "state_dir = {}\n[telegram]\ntoken = {}\napi_url = {}\nallowed_users = [{USER}]\n[claude]\n{claude}[sessions]\nroot = {}\n",
        path("state"),
        quoted(TOKEN),
        quoted(url),
        path("sessions"),
    ))
}

struct Chat<'a> {
    api: &'a BotApi,
    /// The buttons that can be pressed: message, label, data.
    buttons: Vec<(i64, String, String)>,
    /// Whether "typing" was the last thing shown.
    typing: bool,
    /// Whether what is read is shown, because no terminal does.
    echo: bool,
}

impl Chat<'_> {
    fn run(
        mut self,
        daemon: &Daemon,
        events: &Receiver<Event>,
        signals: &Receiver<()>,
    ) -> Result<(), Fatal> {
        let mut lines = read_lines()?;
        let mut closed = false;
        loop {
            let look = if closed { after(LOOK_EVERY) } else { never() };
            select! {
                recv(events) -> event => match event {
                    Ok(event) => self.show(event),
                    Err(_) => return Err(Fatal::new(Exit::Failed, "the loopback Bot API is gone")),
                },
                recv(lines) -> line => match line {
                    Ok(line) => self.say(&line),
                    Err(_) => {
                        closed = true;
                        lines = never();
                    }
                },
                recv(look) -> _ => {
                    if self.is_over(daemon) {
                        while let Ok(event) = events.try_recv() {
                            self.show(event);
                        }
                        return Ok(());
                    }
                    self.deny_what_is_asked();
                }
                recv(signals) -> _ => return Ok(()),
                recv(daemon.fatal()) -> fatal => if let Ok(fatal) = fatal { return Err(fatal) },
            }
        }
    }

    /// Whether everything that was written is stored, worked on and answered.
    fn is_over(&self, daemon: &Daemon) -> bool {
        let stored = self.api.wait(Duration::ZERO, "", |view| {
            (view.waiting_updates() == 0).then_some(())
        });
        stored.is_ok() && daemon.is_quiet()
    }

    fn say(&mut self, line: &str) {
        let person = Person::private(USER, "You");
        if self.echo {
            println!("you› {line}");
        }
        let number = line
            .trim()
            .parse::<usize>()
            .ok()
            .and_then(|number| number.checked_sub(1));
        match number.and_then(|at| self.buttons.get(at).cloned()) {
            Some((message, _, data)) => {
                self.api.press(&person, message, &data);
            }
            None if line.trim().is_empty() => {}
            None => {
                self.api.say(&person, line);
            }
        }
    }

    /// With the input closed nobody can press a button any more, so what is asked is denied.
    fn deny_what_is_asked(&mut self) {
        let denials = self.buttons.iter().filter(|(_, label, _)| label == "Deny");
        for (message, _, data) in denials.cloned().collect::<Vec<_>>() {
            println!("     (the input is closed: denied)");
            self.api
                .press(&Person::private(USER, "You"), message, &data);
        }
        self.buttons.clear();
    }

    fn show(&mut self, event: Event) {
        let was_typing = std::mem::replace(&mut self.typing, false);
        match event {
            Event::Sent(shown) => self.show_message("bot› ", &shown),
            Event::Edited(shown) => self.show_message("bot› (edited) ", &shown),
            Event::Action { action, .. } => {
                if !was_typing {
                    println!("     … {action}");
                }
                self.typing = true;
            }
            Event::Toast(toast) => println!("     · {}", toast.text),
            Event::Reaction { emoji, .. } => println!("     {}", emoji.unwrap_or_default()),
            Event::Deleted { .. } => {}
        }
    }

    fn show_message(&mut self, before: &str, shown: &Shown) {
        if let Some(file) = &shown.attachment {
            println!("{before}[{}, {} bytes]", file.file_name, file.size);
        }
        println!("{before}{}", shown.text.replace('\n', "\n     "));
        self.buttons.retain(|(message, ..)| *message != shown.id);
        let mut line = String::new();
        for (label, data) in shown.buttons.iter().flatten() {
            self.buttons.push((shown.id, label.clone(), data.clone()));
            line.push_str(&format!("  [{}] {label}", self.buttons.len()));
        }
        if !line.is_empty() {
            println!("   {line}");
        }
    }
}

/// The lines of stdin, read by a thread of their own; the channel closes with it.
fn read_lines() -> Result<Receiver<String>, Fatal> {
    let (read, lines) = bounded(1);
    // Not joined: nothing but a line or the end of stdin ends its wait.
    thread::spawn("stdin", move || {
        for line in stdin().lock().lines() {
            let Ok(line) = line else { return };
            if read.send(line).is_err() {
                return;
            }
        }
    })
    .map_err(|error| {
        Fatal::new(
            Exit::Failed,
            format!("the host has no thread to give: {error}"),
        )
    })?;
    Ok(lines)
}
