//! The four sources of the bot token, and its form.

use super::*;

#[test]
fn the_token_comes_from_any_one_of_four_sources() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "secret", &format!("{TOKEN}\r\n"), 0o600);
    write(
        dir.path(),
        "credentials/telegram-token",
        &format!("{TOKEN}\n"),
        0o444,
    );
    let credentials = dir.path().join("credentials").display().to_string();

    let with_file = format!("{WITHOUT_TOKEN}token_file = \"{}\"", file.display());
    let relative = parse(
        &dir.path().join("config.toml"),
        &format!("{WITHOUT_TOKEN}token_file = \"secret\""),
        &ordinary(),
    );
    let sources = [
        good(&minimal(""), &ordinary()),
        good(&with_file, &ordinary()),
        relative.unwrap(),
        good(
            WITHOUT_TOKEN,
            &Environment::from_pairs([("HOME", "/h"), ("CHAPPE_TOKEN", TOKEN)]),
        ),
        good(
            WITHOUT_TOKEN,
            &Environment::from_pairs([("HOME", "/h"), ("CREDENTIALS_DIRECTORY", &credentials)]),
        ),
        // Other credentials, and an empty variable, are no source.
        good(
            &minimal(""),
            &Environment::from_pairs([
                ("HOME", "/h"),
                ("CREDENTIALS_DIRECTORY", "/nowhere"),
                ("CHAPPE_TOKEN", ""),
            ]),
        ),
    ];
    for config in sources {
        assert_eq!(config.telegram.token.expose(), TOKEN);
    }
}

#[test]
fn two_sources_of_the_token_are_an_error_that_names_both() {
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "telegram-token", TOKEN, 0o600);
    let credentials = dir.path().display().to_string();
    let both = minimal(&format!("token_file = \"{}\"\n", file.display()));
    assert!(message(&both, &ordinary()).starts_with(&format!(
        "{FILE}:4:14: two sources for the bot token: `token` in this file and `token_file` in this file\n"
    )));
    let with_variable = Environment::from_pairs([("HOME", "/h"), ("CHAPPE_TOKEN", TOKEN)]);
    assert_eq!(
        message(&minimal(""), &with_variable),
        format!(
            "{FILE}:2:9: two sources for the bot token: `token` in this file and $CHAPPE_TOKEN\n  \
             |\n2 | token = …\n  |         ^\nhelp: keep one of them"
        )
    );
    let outside = Environment::from_pairs([
        ("HOME", "/h"),
        ("CHAPPE_TOKEN", TOKEN),
        ("CREDENTIALS_DIRECTORY", credentials.as_str()),
    ]);
    assert_eq!(
        message(WITHOUT_TOKEN, &outside),
        "two sources for the bot token: $CHAPPE_TOKEN and the systemd credential \"telegram-token\"\n\
         help: keep one of them"
    );
}

#[test]
fn a_token_file_must_be_private_regular_and_hold_a_token() {
    let dir = tempfile::tempdir().unwrap();
    let complaint = |path: &Path| {
        let text = format!("{WITHOUT_TOKEN}token_file = \"{}\"", path.display());
        let message = message(&text, &ordinary());
        assert!(
            message.starts_with(&format!("{FILE}:3:14: `token_file` ")),
            "{message}"
        );
        assert!(!message.contains(SECRET), "{message}");
        message
    };
    let open = write(dir.path(), "open", TOKEN, 0o644);
    assert!(complaint(&open).contains(&format!(
        "`token_file` can be read by every user of this host\n  |\n3 | token_file = \"{0}\"",
        open.display()
    )));
    assert!(complaint(&open).ends_with(&format!("help: chmod 600 {}", open.display())));
    assert!(complaint(dir.path()).contains("must be a regular file"));
    assert!(complaint(&dir.path().join("absent")).contains("cannot be read: "));
    let chatty = write(dir.path(), "chatty", &format!("token: {TOKEN}\n"), 0o600);
    assert!(complaint(&chatty).contains("must hold a bot token and nothing else"));
}

#[test]
fn a_bad_token_outside_the_file_names_its_source_and_not_its_value() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "telegram-token", &TOKEN[..30], 0o400);
    let credentials = dir.path().display().to_string();
    let in_variable = Environment::from_pairs([("HOME", "/h"), ("CHAPPE_TOKEN", &TOKEN[..30])]);
    let in_credential =
        Environment::from_pairs([("HOME", "/h"), ("CREDENTIALS_DIRECTORY", &credentials)]);
    let variable = message(WITHOUT_TOKEN, &in_variable);
    assert!(
        variable.starts_with("$CHAPPE_TOKEN must be a bot token\n"),
        "{variable}"
    );
    let credential = message(WITHOUT_TOKEN, &in_credential);
    assert!(
        credential.starts_with(&format!(
            "`{credentials}/telegram-token` must hold a bot token"
        )),
        "{credential}"
    );
    assert!(!variable.contains(SECRET) && !credential.contains(SECRET));
}

#[test]
fn tokens_have_one_form() {
    let secret = &TOKEN[10..];
    assert!(Token::parse(TOKEN).is_some());
    for bad in [
        "",
        ":",
        secret,
        &TOKEN[..39],
        &format!("{TOKEN} "),
        &format!("+1:{secret}"),
        &format!("0:{secret}"),
        &format!("9999999999999999999:{secret}"),
        &format!("1:{secret}/x"),
        &format!("1:{secret}é"),
    ] {
        assert!(Token::parse(bad).is_none(), "{bad:?}");
    }
}
