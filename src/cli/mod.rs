//! The command line: what is asked for, and which file does it.

mod demo;
mod run;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use crate::config::Environment;
use crate::exit::{Exit, Fatal};
use crate::loopback::standin;

const HELP: &str = "\
chappe: Claude Code on your own host, from Telegram

usage: chappe [--config FILE] [run]    the daemon, in the foreground
       chappe demo [--real]            try it here in the terminal, without Telegram

  --config FILE   the configuration (else $CHAPPE_CONFIG, else ~/.config/chappe/config.toml,
                  else /etc/chappe/config.toml)
  --real          with the `claude` on PATH instead of a stand-in; it may cost money
  -h, --help      this
  -V, --version   the version

RUST_LOG=debug shows more in the log, which goes to stderr.
";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
enum Invocation {
    Help,
    Version,
    Run {
        config: Option<PathBuf>,
    },
    Demo {
        real: bool,
    },
    /// The scripted `claude`, for the demo and the tests: its arguments are the CLI's own.
    StandIn(Vec<OsString>),
}

/// Does what the arguments ask for. The first one is the program's name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let done = match parse(arguments) {
        Ok(Invocation::Help) => {
            print!("{HELP}");
            Ok(())
        }
        Ok(Invocation::Version) => {
            println!("chappe {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        Ok(Invocation::Run { config }) => run::run(config.as_deref(), &Environment::read()),
        Ok(Invocation::Demo { real }) => demo::run(real, &Environment::read()),
        Ok(Invocation::StandIn(arguments)) => return standin::main(arguments),
        Err(error) => Err(Fatal::new(
            Exit::Usage,
            format!("{error}\nhelp: chappe --help lists what there is"),
        )),
    };
    match done {
        Ok(()) => ExitCode::from(Exit::Stopped as u8),
        Err(Fatal { exit, message }) => {
            eprintln!("chappe: {message}");
            ExitCode::from(exit as u8)
        }
    }
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Invocation, lexopt::Error> {
    let mut arguments = arguments.into_iter().peekable();
    let name = arguments.next().unwrap_or_default();
    if arguments.peek().is_some_and(|first| first == "stand-in") {
        return Ok(Invocation::StandIn(arguments.skip(1).collect()));
    }
    let mut parser = lexopt::Parser::from_iter(std::iter::once(name).chain(arguments));
    let (mut command, mut config, mut real) = (None::<String>, None, false);
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Invocation::Help),
            Short('V') | Long("version") => return Ok(Invocation::Version),
            Long("config") => config = Some(PathBuf::from(parser.value()?)),
            Long("real") => real = true,
            Value(word) if command.is_none() => command = Some(word.to_string_lossy().into_owned()),
            _ => return Err(argument.unexpected()),
        }
    }
    match command.as_deref() {
        None | Some("run") if real => Err("--real goes with demo".into()),
        None | Some("run") => Ok(Invocation::Run { config }),
        Some("demo") if config.is_some() => {
            Err("the demo has a configuration of its own; leave --config out".into())
        }
        Some("demo") => Ok(Invocation::Demo { real }),
        Some(other) => Err(format!("there is no command {other:?}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Invocation, String> {
        parse(line.split(' ').map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn commands_are_told_apart() {
        assert_eq!(parsed("chappe"), Ok(Invocation::Run { config: None }));
        assert_eq!(
            parsed("chappe --config x run"),
            Ok(Invocation::Run {
                config: Some("x".into())
            })
        );
        assert_eq!(
            parsed("chappe demo --real"),
            Ok(Invocation::Demo { real: true })
        );
        assert_eq!(parsed("chappe -V"), Ok(Invocation::Version));
        assert_eq!(parsed("chappe demo --help"), Ok(Invocation::Help));
        assert_eq!(
            parsed("chappe stand-in -p --version"),
            Ok(Invocation::StandIn(vec!["-p".into(), "--version".into()]))
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "chappe dance",
            "chappe run run",
            "chappe --real",
            "chappe --nope",
            "chappe --config",
            "chappe demo --config x",
        ] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
