//! The most telling points, with the actual `claude` CLI in the place of the stand-in.
//!
//! The sweep is broad; this proves at the points on which the most depends that the stand-in does not flatter us. Without a
//! CLI it says by name that it was skipped.

use std::fmt::Write as _;

use crate::cell::{Cell, Fault, Story};
use crate::cli;
use crate::host::{Host, write_program};
use crate::messages_api::MessagesApi;
use crate::run;
use crate::sweep::say;
use crate::verdict;

/// The points, at which time of passing, and why there.
const TELLING: &[(&str, u32, &str)] = &[
    (
        "after:accept",
        1,
        "a message is stored, and Telegram has not heard of it",
    ),
    (
        "after:give",
        1,
        "a prompt is marked as sent, and not a byte of it was written",
    ),
    (
        "after:pipe",
        2,
        "the prompt is in the pipe, and Claude may or may not have it",
    ),
    (
        "after:taken",
        1,
        "Claude has it, and its transcript perhaps not yet",
    ),
    ("after:acted", 1, "a tool is about to run"),
    ("after:ask", 1, "a request is stored and not shown"),
    (
        "before:told",
        1,
        "a decision is written to Claude, and not noted",
    ),
    (
        "before:finish",
        3,
        "a turn with a tool has ended, and its answer is nowhere on disk",
    ),
    ("after:finish", 1, "the answer is stored and not sent"),
    (
        "before:delivered",
        2,
        "Telegram has it, and chappe has not noted that",
    ),
    ("after:spawn", 1, "a process runs that nobody has noted"),
];

/// How many cells are played at once: each has a process of 200 MB that wants a core.
const AT_ONCE: usize = 3;

/// Puts the actual CLI in the place of the stand-in.
fn use_actual(host: &mut Host, claude: &std::path::Path, model: &MessagesApi) {
    let folder = host.folder.path().to_owned();
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in *--version*) exec {claude:?} \"$@\";; esac\n\
         exec 9>{folder:?}/one-of-$(basename \"$PWD\")\n\
         flock --nonblock 9 || echo \"two at once in $PWD\" >>{folder:?}/starts\n\
         exec {claude:?} \"$@\" 9>&-\n"
    );
    let program = folder.join("claude.sh");
    write_program(&program, &script);
    let act = folder.join("bin/act");
    host.claude = format!(
        "command = [{program:?}]\nextra_args = [\"--allowedTools=Bash({} *)\"]\n[claude.env]\n",
        act.display()
    );
    for (name, value) in cli::environment(&model.url(), &folder.join("claude")) {
        let _ = writeln!(host.claude, "{name} = {value:?}");
    }
}

#[test]
fn at_the_most_telling_points_the_actual_cli_loses_and_doubles_nothing() {
    let test = "at_the_most_telling_points_the_actual_cli_loses_and_doubles_nothing";
    let Some(claude) = cli::real_claude(test) else {
        return;
    };
    let cells = TELLING.iter().flat_map(|(point, time, _)| {
        [Fault::KilledAlone, Fault::KilledWithTree].map(|fault| Cell {
            story: Story::Talk,
            people: 1,
            point: Some((*point).to_owned()),
            time: *time,
            fault,
        })
    });
    let cells: Vec<Cell> = cells.collect();
    let wrong = std::sync::Mutex::new(Vec::new());
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(cell) =
                    cells.get(next.fetch_add(1, std::sync::atomic::Ordering::SeqCst))
                {
                    let model = MessagesApi::start();
                    let mut host = run::host(cell);
                    use_actual(&mut host, &claude, &model);
                    let played = run::play(cell, &host);
                    let verdict = verdict::judge(cell, &host, &played);
                    if !verdict.wrong.is_empty() {
                        let line = format!("{cell}: {:?}", verdict.wrong);
                        say(&format!("{line}\n{}", played.log));
                        wrong.lock().expect("nobody panics with it").push(line);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("nobody has panicked with it");
    say(&format!(
        "{} cells with {}, {} wrong",
        cells.len(),
        claude.display(),
        wrong.len()
    ));
    assert!(wrong.is_empty(), "{wrong:#?}");
}
