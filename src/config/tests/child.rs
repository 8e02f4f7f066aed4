//! What a child sees of the environment.

use super::*;

#[test]
fn a_child_sees_the_allowlist_and_what_was_added() {
    let inherited = [
        "ANTHROPIC_API_KEY",
        "AWS_PROFILE",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "CLAUDE_CODE_USE_BEDROCK",
        "CLAUDE_CONFIG_DIR",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "HOME",
        "HTTPS_PROXY",
        "IS_SANDBOX",
        "LANG",
        "LC_ALL",
        "LOGNAME",
        "NODE_EXTRA_CA_CERTS",
        "PATH",
        "SHELL",
        "SSH_AUTH_SOCK",
        "SSL_CERT_FILE",
        "TMPDIR",
        "TZ",
        "USER",
        "XDG_CONFIG_HOME",
        "no_proxy",
    ];
    let kept_out = [
        "CHAPPE_TOKEN",
        "CHAPPE_CONFIG",
        "CHAPPE_HTTP_PROXY",
        "CREDENTIALS_DIRECTORY",
        "STATE_DIRECTORY",
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "JOURNAL_STREAM",
        "RUST_LOG",
        "LD_PRELOAD",
        "NODE_OPTIONS",
        "CLAUDECODE",
        "CLAUDE_CODE_SESSION_ID",
        "CLAUDE_CODE_RESUME_INTERRUPTED_TURN",
        "GITHUB_TOKEN",
        "PATHS",
        "MY_HOME",
    ];
    let env = Environment::from_pairs(
        inherited
            .into_iter()
            .chain(kept_out)
            .map(|name| (name, "from host")),
    );
    let added = BTreeMap::from([
        ("LANG".to_owned(), "C".to_owned()),
        ("GITHUB_TOKEN".to_owned(), "mine".to_owned()),
    ]);

    let child = child_environment(&env, &BTreeMap::new());
    assert!(
        child.iter().map(|(name, _)| name).eq(inherited.iter()),
        "{child:?}"
    );

    let child: BTreeMap<_, _> = child_environment(&env, &added).into_iter().collect();
    assert_eq!(child.len(), inherited.len() + 1);
    assert_eq!(
        child[std::ffi::OsStr::new("LANG")],
        "C",
        "what is added wins"
    );
    assert_eq!(child[std::ffi::OsStr::new("GITHUB_TOKEN")], "mine");
}

#[test]
fn names_and_values_that_are_not_utf8_do_no_harm() {
    use std::os::unix::ffi::OsStringExt;
    let odd = std::ffi::OsString::from_vec(vec![b'L', 0xff]);
    let env = Environment::from_pairs([(odd.clone(), odd.clone()), ("LANG".into(), odd.clone())]);
    assert_eq!(env.text("LANG"), None);
    assert_eq!(
        child_environment(&env, &BTreeMap::new()),
        [("LANG".into(), odd)]
    );
}
