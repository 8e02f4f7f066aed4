//! Files with mistakes, and exactly what is said about them.

use super::*;

/// Whole files with their whole message, without the name of the file in front. `TOKEN` stands for a good token.
const FILES: &[(&str, &str)] = &[
    (
        "",
        r#"1:1: there is no bot token
  |
1 |
  | ^
help: get one from @BotFather, then set `token` or `token_file` under [telegram], or $CHAPPE_TOKEN, or the systemd credential "telegram-token""#,
    ),
    (
        "# mine\nstate_dir = \"/x\"",
        r#"2:17: there is no bot token
  |
2 | state_dir = …
  |             ^
help: get one from @BotFather, then set `token` or `token_file` under [telegram], or $CHAPPE_TOKEN, or the systemd credential "telegram-token""#,
    ),
    (
        "[telegram]\ntoken = \"TOKEN\"\n",
        r#"1:1: `allowed_users` is missing from [telegram]: nobody could speak to the bot
  |
1 | [telegram]
  | ^^^^^^^^^^
help: add `allowed_users = [123456789]`; to find your numeric id, write to @userinfobot in Telegram: it answers with it"#,
    ),
    (
        "telegram = { token = \"TOKEN\" }",
        r#"1:12: `allowed_users` is missing from [telegram]: nobody could speak to the bot
  |
1 | telegram = …
  |            ^
help: add `allowed_users = [123456789]`; to find your numeric id, write to @userinfobot in Telegram: it answers with it"#,
    ),
    (
        "[telegram]\nallowed_users = [5]\n",
        r#"1:1: there is no bot token
  |
1 | [telegram]
  | ^^^^^^^^^^
help: get one from @BotFather, then set `token` or `token_file` under [telegram], or $CHAPPE_TOKEN, or the systemd credential "telegram-token""#,
    ),
    (
        "[telegram]\ntoken = TOKEN\n",
        r#"2:9: invalid time, expected minute
  |
2 | token = …
  |         ^
help: text goes in quotes: `token = "…"`"#,
    ),
    (
        "[telegram]\ntoken = \"TOKEN\n",
        r#"2:55: invalid basic string, expected `"`
  |
2 | token = …
  |         ^"#,
    ),
    (
        "TOKEN\n",
        r#"1:46: key with no value, expected `=`
  |
1 | …
  | ^"#,
    ),
    (
        "token = \"TOKEN\"\n",
        r#"1:1: unknown key `token` at the top of the file
  |
1 | token = …
  | ^^^^^
help: `token` belongs under [telegram]"#,
    ),
    (
        "[telegram]\ntokn = \"TOKEN\"\n",
        r#"2:1: unknown key `tokn` in [telegram]
  |
2 | tokn = …
  | ^^^^
help: did you mean `token`?"#,
    ),
    (
        "[telegram]\nallowed-users = [5]\n",
        r#"2:1: unknown key `allowed-users` in [telegram]
  |
2 | allowed-users = …
  | ^^^^^^^^^^^^^
help: did you mean `allowed_users`?"#,
    ),
    (
        "[sesions]\nroot = \"/x\"\n",
        r#"1:2: unknown key `sesions` at the top of the file
  |
1 | [sesions]
  |  ^^^^^^^
help: did you mean [sessions]?"#,
    ),
    (
        "[sessions]\nidle_timout = \"10m\"\n",
        r#"2:1: unknown key `idle_timout` in [sessions]
  |
2 | idle_timout = …
  | ^^^^^^^^^^^
help: did you mean `idle_timeout`?"#,
    ),
    (
        "[claude]\nidle = \"10m\"\n",
        r#"2:1: unknown key `idle` in [claude]
  |
2 | idle = …
  | ^^^^
help: did you mean `idle_timeout` in [sessions]?"#,
    ),
    (
        "[sessions]\nstate_dir = \"/x\"\n",
        r#"2:1: unknown key `state_dir` in [sessions]
  |
2 | state_dir = …
  | ^^^^^^^^^
help: `state_dir` belongs at the top of the file, above the first [table]"#,
    ),
    (
        "[claude]\nzebra = \"TOKEN\"\n",
        r#"2:1: unknown key `zebra` in [claude]
  |
2 | zebra = …
  | ^^^^^
help: known in [claude] are `command`, `permission_mode`, `model`, `extra_args`, `env`, `max_turns`, `deny`"#,
    ),
    (
        "x = 1\n",
        r#"1:1: unknown key `x` at the top of the file
  |
1 | x = …
  | ^
help: known at the top of the file are `state_dir`, [telegram], [claude], [sessions], [limits]"#,
    ),
    (
        "[telegram]\nzebra = 1\n[claude]\nzebra = 1\n",
        r#"2:1: unknown key `zebra` in [telegram]
  |
2 | zebra = …
  | ^^^^^
help: known in [telegram] are `token`, `token_file`, `api_url`, `proxy`, `allowed_users`, `allowed_chats`, `reactions`"#,
    ),
    (
        "telegram = 3\n",
        r#"1:12: `telegram` must be a table, not a number
  |
1 | telegram = …
  |            ^
help: write `[telegram]` on a line of its own and its keys below it"#,
    ),
    (
        "[[telegram]]\n",
        r#"1:1: `telegram` must be a table, not a list
  |
1 | [[telegram]]
  | ^^^^^^^^^^^^
help: write `[telegram]` on a line of its own and its keys below it"#,
    ),
    (
        "[telegram]\n[telegram]\n",
        r#"2:2: duplicate key
  |
2 | [telegram]
  |  ^^^^^^^^"#,
    ),
    (
        "[telegram\n",
        r#"1:10: unclosed table, expected `]`
  |
1 | [telegram
  |          ^"#,
    ),
    (
        "[telegram]\nreactions = true\nreactions = true\n",
        r#"3:1: duplicate key
  |
3 | reactions = true
  | ^^^^^^^^^"#,
    ),
    (
        "[sessions]\nidle_timeout = 10m\n",
        r#"2:16: string values must be quoted, expected literal string
  |
2 | idle_timeout = 10m
  |                ^^^
help: text goes in quotes: `idle_timeout = "…"`"#,
    ),
    (
        "[sessions]\nidle_timeout \"10m\"\n",
        r#"2:14: key with no value, expected `=`
  |
2 | idle_timeout "10m"
  |              ^"#,
    ),
    (
        "[telegram]\nallowed_users = [1 2]\n",
        r#"2:18: string values must be quoted, expected literal string
  |
2 | allowed_users = [1 2]
  |                  ^^^"#,
    ),
    (
        "[claude.env]\nroot = sk-ant-secret\n",
        r#"2:8: string values must be quoted, expected literal string
  |
2 | root = …
  |        ^
help: text goes in quotes: `root = "…"`"#,
    ),
];

#[test]
fn a_bad_file_is_told_where_what_and_how_to_cure_it() {
    for (file, expected) in FILES {
        let said = message(&file.replace("TOKEN", TOKEN), &ordinary());
        let said = said.strip_prefix(FILE).expect("the file is named first");
        assert_eq!(
            said.trim_start_matches(':'),
            *expected,
            "about this file:\n{file}"
        );
    }
}
