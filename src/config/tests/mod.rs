//! Tests of the configuration as a whole: sources, precedence, defaults, mistakes and their messages.

mod bad_values;
mod child;
mod mistakes;
mod secrets;
mod token;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// A token of the right form, and its second half, which must never be seen.
const TOKEN: &str = "123456789:AAHk3jDsa-9fkqL_w8sPq0sLk2nVbXcZ1aQ";
const SECRET: &str = "AAHk3jDsa";

/// A file whose token must come from elsewhere.
const WITHOUT_TOKEN: &str = "[telegram]\nallowed_users = [5]\n";

const FILE: &str = "/etc/chappe/config.toml";

fn ordinary() -> Environment {
    Environment::from_pairs([("HOME", "/home/u")])
}

/// The smallest file that is good, with `more` at its end (still inside [telegram]).
fn minimal(more: &str) -> String {
    format!("[telegram]\ntoken = \"{TOKEN}\"\nallowed_users = [5]\n{more}")
}

fn good(text: &str, env: &Environment) -> Config {
    parse(Path::new(FILE), text, env).unwrap_or_else(|error| panic!("{error}"))
}

fn message(text: &str, env: &Environment) -> String {
    parse(Path::new(FILE), text, env)
        .expect_err("this file is bad")
        .to_string()
}

/// Writes a file of the given mode and returns its path.
fn write(dir: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().expect("it is below dir")).unwrap();
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn defaults_are_those_of_the_design() {
    let config = good(&minimal(""), &ordinary());
    assert_eq!(config.file, Path::new(FILE));
    assert_eq!(config.state_dir, Path::new("/home/u/.local/state/chappe"));
    assert_eq!(config.telegram.token.expose(), TOKEN);
    assert_eq!(config.telegram.token.bot_id(), 123456789);
    assert_eq!(config.telegram.api_url, "https://api.telegram.org");
    assert_eq!(config.telegram.proxy, None);
    assert_eq!(config.telegram.allowed_users, [5]);
    assert_eq!(config.telegram.allowed_chats, [0; 0]);
    assert!(config.telegram.reactions);
    assert_eq!(config.claude.command, ["claude"]);
    assert_eq!(config.claude.permission_mode, "default");
    assert_eq!(config.claude.model, None);
    assert!(config.claude.extra_args.is_empty() && config.claude.env.is_empty());
    assert_eq!(config.claude.max_turns, 0);
    assert!(config.claude.deny.is_empty());
    assert_eq!(config.sessions.root, Path::new("/home/u/chappe"));
    assert_eq!(
        config.sessions.idle_timeout,
        IdleTimeout::After(Duration::from_secs(600))
    );
    assert_eq!(config.sessions.max_live, 4);
    assert_eq!(config.sessions.min_free_memory, FreeMemory::Auto);
    assert_eq!(config.sessions.retries, 3);
    assert_eq!(config.sessions.retry_delay, Duration::from_secs(1));
    assert_eq!(config.sessions.batch_window, Duration::from_millis(300));
    assert!(!config.sessions.ask_before_resume);
    assert!(!config.sessions.steers);
    assert_eq!(config.sessions.stop_grace, Duration::from_secs(5));
    assert_eq!(config.sessions.shutdown_grace, Duration::from_secs(20));
    assert_eq!(config.limits.permission_timeout, None);
    assert_eq!(config.limits.remind_after, Some(Duration::from_secs(3600)));
}

#[test]
fn every_key_is_read() {
    let text = format!(
        r#"
state_dir = "~/state"
[telegram]
token = "{TOKEN}"
api_url = "http://127.0.0.1:8081/prefix"
proxy = "socks5://me:pw@[::1]:1080"
allowed_users = [1, 4503599627370495]
allowed_chats = [-5, -1001234567890]
reactions = false
[claude]
command = ["ionice", "-c", "3", "~/bin/claude", "~tilde"]
permission_mode = "plan"
model = "opus"
extra_args = ["--effort", "low", "--allowedTools=WebSearch"]
env = {{ ANTHROPIC_API_KEY = "k", LANG = "C" }}
max_turns = 30
deny = ["WebFetch", "Bash(git push --force*)", "mcp__files__*", "Edit(//etc/**)", "Read(~/.ssh/**)", "Write(*)", "LaterTool(/x)"]
[sessions]
root = "work"
idle_timeout = "2d"
max_live = 1000
min_free_memory = "300M"
retries = 0
retry_delay = "2s"
batch_window = "0ms"
resume_turns = "ask"
when_busy = "steer"
stop_grace = "300ms"
shutdown_grace = "1h"
[limits]
permission_timeout = "2h"
remind_after = "30m"
"#
    );
    let config = good(&text, &ordinary());
    assert_eq!(config.state_dir, Path::new("/home/u/state"));
    assert_eq!(config.telegram.api_url, "http://127.0.0.1:8081/prefix");
    assert_eq!(
        config.telegram.proxy.as_deref(),
        Some("socks5://me:pw@[::1]:1080")
    );
    assert_eq!(config.telegram.allowed_users, [1, 4503599627370495]);
    assert_eq!(config.telegram.allowed_chats, [-5, -1_001_234_567_890]);
    assert!(!config.telegram.reactions);
    assert_eq!(
        config.claude.command,
        ["ionice", "-c", "3", "/home/u/bin/claude", "~tilde"]
    );
    assert_eq!(config.claude.permission_mode, "plan");
    assert_eq!(config.claude.model.as_deref(), Some("opus"));
    assert_eq!(
        config.claude.extra_args,
        ["--effort", "low", "--allowedTools=WebSearch"]
    );
    assert_eq!(config.claude.env["ANTHROPIC_API_KEY"], "k");
    assert_eq!(config.claude.max_turns, 30);
    assert_eq!(
        config.claude.deny,
        [
            "WebFetch",
            "Bash(git push --force*)",
            "mcp__files__*",
            "Edit(//etc/**)",
            "Read(~/.ssh/**)",
            "Write(*)",
            "LaterTool(/x)"
        ]
    );
    assert_eq!(
        config.sessions.root,
        Path::new("/etc/chappe/work"),
        "relative to the file, not to the process"
    );
    assert_eq!(
        config.sessions.idle_timeout,
        IdleTimeout::After(Duration::from_secs(2 * 86400))
    );
    assert_eq!(config.sessions.max_live, 1000);
    assert_eq!(
        config.sessions.min_free_memory,
        FreeMemory::Bytes(300 << 20)
    );
    assert_eq!(config.sessions.retries, 0);
    assert_eq!(config.sessions.retry_delay, Duration::from_secs(2));
    assert_eq!(config.sessions.batch_window, Duration::ZERO);
    assert!(config.sessions.steers);
    assert!(config.sessions.ask_before_resume);
    assert_eq!(config.sessions.stop_grace, Duration::from_millis(300));
    assert_eq!(config.sessions.shutdown_grace, Duration::from_secs(3600));
    let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
    assert_eq!(config.limits.permission_timeout, minutes(120));
    assert_eq!(config.limits.remind_after, minutes(30));
    let never = minimal("[limits]\nremind_after = \"0s\"");
    assert_eq!(good(&never, &ordinary()).limits.remind_after, None);
}

#[test]
fn empty_model_and_proxy_mean_none_and_dotted_keys_are_keys() {
    let text = minimal(
        "proxy = \"\"\n[claude]\nmodel = \"\"\nenv.LANG = \"C\"\n[sessions]\nidle_timeout = \"never\"",
    );
    let config = good(&text, &ordinary());
    assert_eq!((config.telegram.proxy, config.claude.model), (None, None));
    assert_eq!(config.claude.env["LANG"], "C");
    assert_eq!(config.sessions.idle_timeout, IdleTimeout::Never);

    let dotted = format!(
        "telegram.token = \"{TOKEN}\"\ntelegram.allowed_users = [5]\nsessions.idle_timeout = \"0s\""
    );
    assert_eq!(
        good(&dotted, &ordinary()).sessions.idle_timeout,
        IdleTimeout::After(Duration::ZERO)
    );
}

#[test]
fn free_memory_is_a_number_of_bytes_with_a_unit_or_without() {
    let memory = |written: &str| {
        let text = minimal(&format!("[sessions]\nmin_free_memory = \"{written}\""));
        good(&text, &ordinary()).sessions.min_free_memory
    };
    assert_eq!(memory("auto"), FreeMemory::Auto);
    assert_eq!(memory("0"), FreeMemory::Bytes(0));
    assert_eq!(memory("1048576"), FreeMemory::Bytes(1 << 20));
    assert_eq!(memory("512K"), FreeMemory::Bytes(512 << 10));
    assert_eq!(memory("1G"), FreeMemory::Bytes(1 << 30));
}

#[test]
fn the_state_directory_comes_from_the_file_then_systemd_then_xdg_then_home() {
    let all = [
        ("HOME", "/home/u"),
        ("XDG_STATE_HOME", "/xdg"),
        ("STATE_DIRECTORY", "/var/lib/chappe:/var/lib/b"),
    ];
    let state_dir = |text: &str, pairs: &[(&str, &str)]| {
        good(text, &Environment::from_pairs(pairs.iter().copied())).state_dir
    };
    let set = format!("state_dir = \"/mine\"\n{}", minimal(""));
    assert_eq!(state_dir(&set, &all), Path::new("/mine"));
    assert_eq!(state_dir(&minimal(""), &all), Path::new("/var/lib/chappe"));
    assert_eq!(state_dir(&minimal(""), &all[..2]), Path::new("/xdg/chappe"));
    assert_eq!(
        state_dir(&minimal(""), &all[..1]),
        Path::new("/home/u/.local/state/chappe")
    );
    let relative = [("HOME", "/home/u"), ("XDG_STATE_HOME", "relative")];
    assert_eq!(
        state_dir(&minimal(""), &relative),
        Path::new("/home/u/.local/state/chappe")
    );
}

#[test]
fn files_are_searched_in_order_and_a_named_one_must_exist() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    for name in [
        "named.toml",
        "variable.toml",
        "xdg/chappe/config.toml",
        "home/.config/chappe/config.toml",
    ] {
        write(dir.path(), name, &minimal(""), 0o600);
    }
    let home = path("home");
    let xdg = path("xdg");
    let variable = path("variable.toml");
    let pairs = [
        ("HOME", &home),
        ("XDG_CONFIG_HOME", &xdg),
        ("CHAPPE_CONFIG", &variable),
    ];
    let load = |explicit: Option<&Path>, pairs: &[(&str, &PathBuf)]| {
        Config::load(explicit, &Environment::from_pairs(pairs.iter().copied()))
            .map(|config| config.file)
    };
    assert_eq!(
        load(Some(&path("named.toml")), &pairs).unwrap(),
        path("named.toml")
    );
    assert_eq!(load(None, &pairs).unwrap(), variable);
    assert_eq!(
        load(None, &pairs[..2]).unwrap(),
        path("xdg/chappe/config.toml")
    );
    assert_eq!(
        load(None, &pairs[..1]).unwrap(),
        path("home/.config/chappe/config.toml")
    );

    let absent = load(Some(&path("absent.toml")), &pairs)
        .unwrap_err()
        .to_string();
    assert!(
        absent.starts_with(&format!(
            "{}: cannot read the configuration: ",
            path("absent.toml").display()
        )),
        "{absent}"
    );
    fs::remove_file(&variable).unwrap();
    let absent = load(None, &pairs).unwrap_err().to_string();
    assert!(
        absent.starts_with(&format!("{}: cannot read", variable.display())),
        "{absent}"
    );
}

#[test]
fn a_place_that_exists_and_cannot_be_read_is_not_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("a.toml")).unwrap();
    let second = write(dir.path(), "b.toml", &minimal(""), 0o600);
    let error = first_existing(&[dir.path().join("a.toml"), second])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("a.toml: cannot read the configuration"),
        "{error}"
    );
}

#[test]
fn without_any_file_the_places_and_a_minimal_file_are_shown() {
    let env = Environment::from_pairs([("HOME", "/home/u"), ("XDG_CONFIG_HOME", "")]);
    let places = usual_places(&env);
    assert_eq!(
        places,
        [
            Path::new("/home/u/.config/chappe/config.toml"),
            Path::new(SYSTEM_FILE)
        ]
    );
    assert_eq!(
        usual_places(&Environment::from_pairs([("A", "b")])),
        [Path::new(SYSTEM_FILE)]
    );

    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("1.toml"), dir.path().join("2.toml"));
    let error = first_existing(&[first.clone(), second.clone()])
        .unwrap_err()
        .to_string();
    let (first, second) = (first.display(), second.display());
    assert_eq!(
        error,
        format!(
            "no configuration found; looked for\n  {first}\n  {second}\n\
             help: write this to {first}, then `chmod 600` it:\n\n{MINIMAL_FILE}"
        )
    );
    let filled = MINIMAL_FILE.replace('…', TOKEN);
    assert_eq!(
        good(&filled, &ordinary()).telegram.allowed_users,
        [123456789]
    );
}

#[test]
fn without_a_home_only_the_paths_that_need_it_are_missing() {
    let env = Environment::from_pairs([("STATE_DIRECTORY", "/var/lib/chappe")]);
    let config = good(&minimal("[sessions]\nroot = \"/srv/chappe\""), &env);
    assert_eq!(config.state_dir, Path::new("/var/lib/chappe"));
    let without_root = message(&minimal("[sessions]\n"), &env);
    assert!(
        without_root.starts_with(&format!(
            "{FILE}:4:1: `root` is not set in [sessions], and $HOME"
        )),
        "{without_root}"
    );
    let tilde = message(&minimal("[sessions]\nroot = \"~/x\""), &env);
    assert!(
        tilde.contains("5:8: `root` begins with `~`, but $HOME is not set"),
        "{tilde}"
    );
    let nowhere = message(&minimal(""), &Environment::from_pairs([("LANG", "C")]));
    assert!(nowhere.contains("1:1: `state_dir` is not set"), "{nowhere}");
}

#[test]
fn bypass_as_root_needs_a_sandbox_or_another_user() {
    let bypass = |more: &str| {
        minimal(&format!(
            "[claude]\npermission_mode = \"bypassPermissions\"\n{more}"
        ))
    };
    let root = ordinary().with_effective_uid(0);
    assert!(message(&bypass(""), &root).starts_with(&format!(
        "{FILE}:5:19: `permission_mode` cannot be \"bypassPermissions\" here: the CLI refuses it as root\n"
    )));
    message(&bypass("env = { IS_SANDBOX = \"true\" }"), &root);
    good(&bypass(""), &ordinary());
    good(&bypass("env = { IS_SANDBOX = \"1\" }"), &root);
    good(
        &bypass("command = [\"sudo\", \"-u\", \"u\", \"claude\"]"),
        &root,
    );
    let sandbox =
        Environment::from_pairs([("HOME", "/root"), ("IS_SANDBOX", "1")]).with_effective_uid(0);
    good(&bypass(""), &sandbox);
}

#[test]
fn a_file_that_is_not_utf8_has_a_place_too() {
    let error = document::decode(Path::new(FILE), b"[telegram]\nto\xffken")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(&format!("{FILE}:2:3: this is not UTF-8 text\n")),
        "{error}"
    );
}
