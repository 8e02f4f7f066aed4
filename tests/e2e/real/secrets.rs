//! What neither Claude nor its tools get to see of chappe.

use std::fs;

use super::{Stage, arguments};
use crate::host::{Chappe, TOKEN};

#[test]
fn chappes_own_files_are_denied_in_every_mode() {
    let Some(mut stage) = Stage::new("chappes_own_files_are_denied_in_every_mode") else {
        return;
    };
    // The mode that asks nobody: only the rules are left.
    stage.set_claude("permission_mode = \"bypassPermissions\"");
    stage.set_variable("IS_SANDBOX", "1");
    // Settings of the person's own must not take the rules away.
    stage.set_claude(r#"extra_args = ["--settings", '{"useAutoModeDuringPlan":false}']"#);
    let _chappe = stage.host.start();
    let readable = stage.folder().join("readable");
    fs::write(&readable, "this may be read").expect("the folder can be written");
    let config = stage.host.config_file();
    let before = fs::read(&config).expect("there is a configuration");
    let (database, new) = (
        stage.host.state_dir().join("chappe.db"),
        stage.host.state_dir().join("new"),
    );
    stage.ask(
        &format!("[[tool Read {{\"file_path\":{readable:?}}}]]"),
        "this may be read",
    );
    for call in [
        format!("Read {{\"file_path\":{config:?}}}"),
        format!("Read {{\"file_path\":{database:?}}}"),
        format!("Write {{\"file_path\":{config:?},\"content\":\"x\"}}"),
        format!("Write {{\"file_path\":{new:?},\"content\":\"x\"}}"),
    ] {
        stage.ask(
            &format!("[[tool {call}]]"),
            "denied by your permission settings",
        );
        let told = stage.told_by_tool();
        assert!(
            told.is_error && !told.text.contains(TOKEN),
            "{call}: {told:?}"
        );
    }
    assert_eq!(fs::read(&config).expect("there is a configuration"), before);
    assert!(!new.exists());
}

#[test]
fn no_secret_of_chappes_reaches_claude_or_its_tools() {
    let Some(stage) = Stage::new("no_secret_of_chappes_reaches_claude_or_its_tools") else {
        return;
    };
    // The token comes by the environment: nearer to Claude it cannot come.
    stage.host.write_config();
    let config = fs::read_to_string(stage.host.config_file()).expect("there is a configuration");
    let without = config.replace(&format!("token = {TOKEN:?}\n"), "");
    assert_ne!(without, config);
    fs::write(stage.host.config_file(), without).expect("the configuration can be written");
    let mut command = stage.host.command();
    command
        .arg("--config")
        .arg(stage.host.config_file())
        .arg("run")
        .env("CHAPPE_TOKEN", TOKEN)
        .env("SOMETHING_ELSE", "s3cret");
    let _chappe = Chappe::start(command);
    stage.say(r#"[[tool Bash {"command":"env"}]]"#);
    stage.press("wants to run\nenv", "Allow once");
    stage.host.answer("tool said: ");
    let of_tool = stage.told_by_tool().text;
    assert!(of_tool.contains("CLAUDE_CONFIG_DIR="), "{of_tool}");
    let claude = stage.claude();
    let environ = fs::read(format!("/proc/{claude}/environ")).expect("it is ours");
    let of_claude = String::from_utf8_lossy(&environ).into_owned();
    let line = arguments(claude).join(" ");
    for place in [&of_tool, &of_claude, &line] {
        for secret in [TOKEN, "CHAPPE_TOKEN", "SOMETHING_ELSE"] {
            assert!(!place.contains(secret), "{secret} in {place}");
        }
    }
}

#[test]
fn claude_is_started_with_what_chappe_relies_on() {
    let Some(mut stage) = Stage::new("claude_is_started_with_what_chappe_relies_on") else {
        return;
    };
    stage.set_claude("deny = [\"WebFetch\"]\nextra_args = [\"--effort\", \"low\"]");
    let _chappe = stage.host.start();
    stage.ask("hello", "echo: hello");
    let line = arguments(stage.claude()).join(" ");
    for flag in [
        "--input-format=stream-json --output-format=stream-json --verbose",
        "--permission-prompt-tool=stdio",
        "--replay-user-messages",
        "--include-partial-messages",
        "--permission-mode=default",
        "--disallowedTools=WebFetch",
        &format!("--session-id={}", stage.session_id()),
        &format!(
            "--disallowedTools=Read(/{}/**)",
            stage.host.state_dir().display()
        ),
        &format!(
            "--disallowedTools=Edit(/{})",
            stage.host.config_file().display()
        ),
        "--effort low",
    ] {
        assert!(line.contains(flag), "no {flag} in {line}");
    }
    let offered = stage.turns().remove(0).tools;
    for tool in ["WebFetch", "ScheduleWakeup", "CronCreate"] {
        assert!(!offered.iter().any(|name| name == tool), "{offered:?}");
    }
    assert!(offered.iter().any(|name| name == "Bash"), "{offered:?}");
}
