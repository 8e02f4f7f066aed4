//! Somebody else has the session open, in a process that chappe has not started.

use std::process::{Child, Command, Stdio};

use chappe::claude::elsewhere::{Holder, holder};
use chappe::claude::history::conversations;

use super::{Stage, until};
use crate::cli;

/// A `claude` beside chappe's, which waits for its input.
struct Other(Child);

impl Other {
    fn start(stage: &Stage, test: &str, arguments: &[&str]) -> Other {
        let config_dir = stage.host.folder.path().join("claude");
        let mut command = Command::new(cli::real_claude(test).expect("the stage has one"));
        command
            .args(["-p", "--verbose"])
            .args(["--input-format", "stream-json"])
            .args(["--output-format", "stream-json"])
            .args(arguments)
            .current_dir(stage.folder())
            .env_clear()
            .envs(cli::environment(&stage.model.url(), &config_dir))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Other(command.spawn().expect("it starts"))
    }

    fn certain(&self) -> Option<Holder> {
        Some(Holder {
            pid: self.0.id() as i32,
            certain: true,
        })
    }
}

impl Drop for Other {
    /// Kills it, so that what it has written about itself stays.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn another_process_with_the_session_is_found() {
    let test = "another_process_with_the_session_is_found";
    let Some(stage) = Stage::new(test) else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("the first", "echo: the first");
    let (session, ours) = (stage.session_id(), stage.claude());
    let config_dir = stage.host.folder.path().join("claude");
    let found = |ours: &[i32]| holder(&config_dir, &session, &stage.folder(), ours);
    let certain = Some(Holder {
        pid: ours,
        certain: true,
    });
    assert_eq!(found(&[]), certain);
    assert_eq!(found(&[ours]), None);
    for arguments in [&["--continue"][..], &["--resume", &session]] {
        let other = Other::start(&stage, test, arguments);
        until("the other one is found", || {
            (found(&[ours]) == other.certain()).then_some(())
        });
        drop(other);
        assert_eq!(found(&[ours]), None, "{arguments:?}");
    }
    // One with a session of its own has another one, as soon as that is known.
    let other = Other::start(&stage, test, &[]);
    until("what it has open is known", || {
        let records = std::fs::read_dir(config_dir.join("sessions")).ok()?;
        let name = format!("{}.json", other.0.id());
        records
            .flatten()
            .any(|record| record.file_name().to_str() == Some(&name))
            .then_some(())
    });
    until("nobody is found", || found(&[ours]).is_none().then_some(()));
}

#[test]
fn the_conversations_of_the_folder_are_found() {
    let Some(stage) = Stage::new("the_conversations_of_the_folder_are_found") else {
        return;
    };
    let _chappe = stage.host.start();
    stage.ask("the first\nand more", "echo: the first");
    stage.ask("the second", "echo: the second");
    let config_dir = stage.host.folder.path().join("claude");
    // In one of the versions the rows come a little later than the answer.
    let found = until("the conversation", || {
        conversations(&config_dir, &stage.folder(), 9).ok()?.pop()
    });
    assert_eq!(found.id, stage.session_id());
    assert_eq!(found.first_line, "the first");
    let elsewhere = conversations(&config_dir, &config_dir, 9).expect("it can be read");
    assert_eq!(elsewhere, []);
}
