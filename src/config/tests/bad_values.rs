//! Single values with mistakes, and what is said about them.

use super::*;

/// One bad value: its table, its line, the column (in its line) and the text of the message, the help if there is any.
const VALUES: &[(&str, &str, usize, &str, &str)] = &[
    (
        "telegram",
        r#"token = "123456:short""#,
        9,
        "`token` must be a bot token",
        "@BotFather gives it as a number, a colon, and about 35 letters, digits, `_` and `-`",
    ),
    (
        "telegram",
        "token = 123",
        9,
        "`token` must be a string, not a number",
        "",
    ),
    (
        "telegram",
        r#"token_file = "TOKEN""#,
        14,
        "`token_file` must be the path of a file",
        "the token itself belongs to `token`",
    ),
    (
        "telegram",
        "allowed_users = []",
        17,
        "`allowed_users` must not be empty: nobody could speak to the bot",
        "to find your numeric id, write to @userinfobot in Telegram: it answers with it",
    ),
    (
        "telegram",
        "allowed_users = 5",
        17,
        "`allowed_users` must be a list, not a number",
        "write it in brackets: [123456789]",
    ),
    (
        "telegram",
        r#"allowed_users = [5, "@name"]"#,
        21,
        "`allowed_users` must hold numeric ids",
        "names can change hands, ids cannot; to find your numeric id, write to @userinfobot in Telegram: it answers with it",
    ),
    (
        "telegram",
        r#"allowed_users = ["5"]"#,
        18,
        "`allowed_users` must hold numeric ids",
        "write 5 without quotes",
    ),
    (
        "telegram",
        "allowed_users = [-1001234567890]",
        18,
        "`allowed_users` must hold ids of people, which are positive",
        "negative ids are groups and channels; to find your numeric id, write to @userinfobot in Telegram: it answers with it",
    ),
    (
        "telegram",
        "allowed_users = [4503599627370496]",
        18,
        "`allowed_users` holds a number that is too large for a Telegram id",
        "",
    ),
    (
        "telegram",
        "allowed_users = [99999999999999999999]",
        18,
        "`allowed_users` holds a number that is far too large",
        "",
    ),
    (
        "telegram",
        "allowed_users = [1.5]",
        18,
        "`allowed_users` must be a whole number, not a fraction",
        "",
    ),
    (
        "telegram",
        r#"allowed_chats = ["@group"]"#,
        18,
        "`allowed_chats` must hold numeric ids",
        "names can change hands, ids cannot; to find a group's id, add the bot to it: chappe's log names the id of a group that it does not serve",
    ),
    (
        "telegram",
        r#"allowed_chats = ["-1001234567890"]"#,
        18,
        "`allowed_chats` must hold numeric ids",
        "write -1001234567890 without quotes",
    ),
    (
        "telegram",
        "allowed_chats = [-5, 5]",
        22,
        "`allowed_chats` must hold ids of groups, which are negative",
        "people are listed in `allowed_users`; to find a group's id, add the bot to it: chappe's log names the id of a group that it does not serve",
    ),
    (
        "telegram",
        "allowed_chats = [-4503599627370496]",
        18,
        "`allowed_chats` holds a number that is too large for a Telegram id",
        "",
    ),
    (
        "telegram",
        r#"api_url = "api.telegram.org""#,
        11,
        "`api_url` must begin with https:// or http://",
        r#"the usual one is "https://api.telegram.org""#,
    ),
    (
        "telegram",
        r#"api_url = "https://api.telegram.org/""#,
        11,
        "`api_url` must not end with a slash",
        "leave the last character out",
    ),
    (
        "telegram",
        r#"api_url = "https://api.telegram.org/botTOKEN""#,
        11,
        "`api_url` must not hold the `/bot…` part: chappe adds it",
        r#"the usual one is "https://api.telegram.org""#,
    ),
    (
        "telegram",
        r#"api_url = "https://:80""#,
        11,
        "`api_url` must name a server after the ://",
        "",
    ),
    (
        "telegram",
        r#"api_url = "http://localhost:99999""#,
        11,
        "`api_url` must have a port between 1 and 65535 after the colon",
        "",
    ),
    (
        "telegram",
        r#"api_url = "http://host/a?b""#,
        11,
        "`api_url` must not hold spaces, `?` or `#`",
        r#"the usual one is "https://api.telegram.org""#,
    ),
    (
        "telegram",
        r#"api_url = "http://me:hunter2@host""#,
        11,
        "`api_url` must not hold a user name or password",
        "",
    ),
    (
        "telegram",
        r#"proxy = "socks4://me:hunter2@host:1080""#,
        9,
        "`proxy` must begin with http:// or socks5://",
        r#"for instance "socks5://127.0.0.1:1080""#,
    ),
    (
        "telegram",
        r#"proxy = "me:hunter2@host:1080""#,
        9,
        "`proxy` must begin with http:// or socks5://",
        r#"for instance "socks5://127.0.0.1:1080""#,
    ),
    (
        "telegram",
        r#"proxy = "http://me:hunter2@:1080""#,
        9,
        "`proxy` must name a server after the ://",
        "",
    ),
    (
        "telegram",
        r#"proxy = "http://[::1]80""#,
        9,
        "`proxy` must have a port between 1 and 65535 after the colon",
        "",
    ),
    (
        "telegram",
        r#"reactions = "yes""#,
        13,
        "`reactions` must be true or false, not a string",
        "",
    ),
    (
        "claude",
        r#"command = "claude""#,
        11,
        "`command` must be a list, not a string",
        r#"write it in brackets: ["claude"]"#,
    ),
    (
        "claude",
        "command = []",
        11,
        "`command` must name a program",
        r#"the usual one is `command = ["claude"]`"#,
    ),
    (
        "claude",
        r#"command = ["claude", "--dangerously-skip-permissions"]"#,
        11,
        "`command` must not hold --dangerously-skip-permissions: chappe itself decides about it",
        "set `permission_mode` in [claude], or say /mode in the chat",
    ),
    (
        "claude",
        r#"command = [" ", "x"]"#,
        12,
        "`command` must not be empty",
        "",
    ),
    (
        "claude",
        r#"permission_mode = "bypass""#,
        19,
        "`permission_mode` must be one of default, acceptEdits, plan, auto, dontAsk, bypassPermissions",
        r#"did you mean "bypassPermissions"?"#,
    ),
    (
        "claude",
        r#"permission_mode = "yolo""#,
        19,
        "`permission_mode` must be one of default, acceptEdits, plan, auto, dontAsk, bypassPermissions",
        "",
    ),
    (
        "claude",
        r#"model = "--print""#,
        9,
        r#"`model` must be the name of a model, such as "sonnet""#,
        "",
    ),
    (
        "claude",
        r#"extra_args = ["--effort", 3]"#,
        27,
        "`extra_args` must hold strings only, not a number",
        "",
    ),
    (
        "claude",
        r#"extra_args = ["--effort", "low", "--permission-mode=bypassPermissions"]"#,
        14,
        "`extra_args` must not hold --permission-mode: chappe itself decides about it",
        "set `permission_mode` in [claude], or say /mode in the chat",
    ),
    (
        "claude",
        r#"extra_args = ["--dangerously-skip-permissions"]"#,
        14,
        "`extra_args` must not hold --dangerously-skip-permissions: chappe itself decides about it",
        "set `permission_mode` in [claude], or say /mode in the chat",
    ),
    (
        "claude",
        r#"extra_args = ["a\u0000b"]"#,
        15,
        "`extra_args` must not hold a NUL character",
        "",
    ),
    (
        "claude",
        r#"env = { CHAPPE_RUN = "sk-ant-secret" }"#,
        9,
        "`env` must not set CHAPPE_RUN: the prefix CHAPPE_ belongs to chappe itself",
        "",
    ),
    (
        "claude",
        r#"env.CLAUDE_CODE_DISABLE_BACKGROUND_TASKS = "0""#,
        5,
        "`env` must not set CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: chappe sets it itself",
        "",
    ),
    (
        "claude",
        "env.PORT = 8080",
        12,
        "`env` must hold strings only, and PORT is a number",
        "put the value in quotes",
    ),
    (
        "claude",
        r#"env = "A=sk-ant-secret""#,
        7,
        "`env` must be a table, not a string",
        r#"for instance `env = { LANG = "C.UTF-8" }`"#,
    ),
    (
        "claude",
        r#"env = { "A B" = "sk-ant-secret" }"#,
        9,
        "`env` must hold names of variables",
        "",
    ),
    (
        "claude",
        "max_turns = -1",
        13,
        "`max_turns` must be between 0 (no limit) and 4294967295",
        "",
    ),
    (
        "claude",
        "max_turns = 4294967296",
        13,
        "`max_turns` must be between 0 (no limit) and 4294967295",
        "",
    ),
    (
        "claude",
        r#"deny = ["Bash(rm *"]"#,
        9,
        r#"`deny` must hold rules such as "WebFetch" or "Bash(git push --force*)""#,
        "",
    ),
    (
        "claude",
        r#"deny = ["WebFetch", "Read(/etc/x)"]"#,
        21,
        r#"`deny` must not hold a path behind a single slash: to Claude that is the session's folder"#,
        r#"write "Read(//etc/x)" for the path on this host, or "Read(./etc/x)" for the one in each session's folder"#,
    ),
    (
        "claude",
        r#"deny = ["write(/etc/**)"]"#,
        9,
        r#"`deny` must not hold a path behind a single slash: to Claude that is the session's folder"#,
        r#"write "Edit(//etc/**)" for the path on this host, or "Edit(./etc/**)" for the one in each session's folder"#,
    ),
    (
        "claude",
        r#"deny = ["Write(//etc/**)"]"#,
        9,
        r#"`deny` must not hold a path for Write: Claude never looks at such a rule"#,
        r#"write "Edit(//etc/**)", which holds for each tool that changes files"#,
    ),
    (
        "claude",
        r#"deny = ["MultiEdit(//etc/**)"]"#,
        9,
        r#"`deny` must not hold a path for MultiEdit: Claude never looks at such a rule"#,
        r#"write "Edit(//etc/**)", which holds for each tool that changes files"#,
    ),
    (
        "claude",
        r#"deny = ["NotebookEdit(//etc/**)"]"#,
        9,
        r#"`deny` must not hold a path for NotebookEdit: Claude never looks at such a rule"#,
        r#"write "Edit(//etc/**)", which holds for each tool that changes files"#,
    ),
    (
        "claude",
        r#"deny = ["Glob(~/.ssh/**)"]"#,
        9,
        r#"`deny` must not hold a path for Glob: Claude never looks at such a rule"#,
        r#"write "Read(~/.ssh/**)", which holds for each tool that reads files"#,
    ),
    (
        "claude",
        r#"deny = ["Grep(~/.ssh/**)"]"#,
        9,
        r#"`deny` must not hold a path for Grep: Claude never looks at such a rule"#,
        r#"write "Read(~/.ssh/**)", which holds for each tool that reads files"#,
    ),
    (
        "claude",
        r#"deny = ["LS(~/.ssh/**)"]"#,
        9,
        r#"`deny` must not hold a path for LS: Claude never looks at such a rule"#,
        r#"write "Read(~/.ssh/**)", which holds for each tool that reads files"#,
    ),
    (
        "claude",
        r#"deny = ["bash(rm *)"]"#,
        9,
        r#"`deny` must not hold bash: the tool is called Bash"#,
        r#"write "Bash(rm *)""#,
    ),
    (
        "claude",
        r#"deny = ["WEBFETCH"]"#,
        9,
        r#"`deny` must not hold WEBFETCH: the tool is called WebFetch"#,
        r#"write "WebFetch""#,
    ),
    (
        "claude",
        r#"deny = ["--allowedTools"]"#,
        9,
        r#"`deny` must hold rules such as "WebFetch" or "Bash(git push --force*)""#,
        "",
    ),
    (
        "sessions",
        r#"root = """#,
        8,
        "`root` must not be empty",
        "",
    ),
    (
        "sessions",
        r#"root = "~other/x""#,
        8,
        "`root` must not begin with `~` and a name",
        "`~/` is the home of chappe's own user",
    ),
    (
        "sessions",
        "idle_timeout = 600",
        16,
        r#"`idle_timeout` must be a string such as "10m", not a number"#,
        r#""0s" ends the process after each turn, "never" keeps it"#,
    ),
    (
        "sessions",
        r#"idle_timeout = "ten minutes""#,
        16,
        r#"`idle_timeout` must be a number with one unit: "300ms", "10s", "5m", "1h" or "2d""#,
        r#""0s" ends the process after each turn, "never" keeps it"#,
    ),
    (
        "sessions",
        r#"idle_timeout = "31d""#,
        16,
        "`idle_timeout` must be at most 30d",
        r#""0s" ends the process after each turn, "never" keeps it"#,
    ),
    (
        "sessions",
        "max_live = 0",
        12,
        "`max_live` must be between 1 and 1000",
        "",
    ),
    (
        "sessions",
        "max_live = 1001",
        12,
        "`max_live` must be between 1 and 1000",
        "",
    ),
    (
        "sessions",
        r#"max_live = "4""#,
        12,
        "`max_live` must be a whole number, not a string",
        "",
    ),
    (
        "sessions",
        "min_free_memory = 300",
        19,
        r#"`min_free_memory` must be a string such as "300M", not a number"#,
        "",
    ),
    (
        "sessions",
        r#"min_free_memory = "300 MB""#,
        19,
        r#"`min_free_memory` must be "auto", or a size such as "300M" or "1G"; "0" is no limit"#,
        "",
    ),
    (
        "sessions",
        r#"min_free_memory = "G""#,
        19,
        r#"`min_free_memory` must be "auto", or a size such as "300M" or "1G"; "0" is no limit"#,
        "",
    ),
    (
        "sessions",
        r#"min_free_memory = "99999999999999999999G""#,
        19,
        "`min_free_memory` must be at most 1024G",
        "",
    ),
    (
        "sessions",
        r#"stop_grace = "1h30m""#,
        14,
        r#"`stop_grace` must be a number with one unit: "300ms", "10s", "5m", "1h" or "2d""#,
        "",
    ),
    (
        "sessions",
        r#"stop_grace = "-5s""#,
        14,
        r#"`stop_grace` must be a number with one unit: "300ms", "10s", "5m", "1h" or "2d""#,
        "",
    ),
    (
        "limits",
        r#"remind_after = "8d""#,
        16,
        "`remind_after` must be at most 7d",
        "",
    ),
    (
        "sessions",
        r#"stop_grace = "0s""#,
        14,
        "`stop_grace` must be at least 100ms",
        "",
    ),
    (
        "sessions",
        r#"stop_grace = "99999999999999999999d""#,
        14,
        "`stop_grace` must be at most 5m",
        "",
    ),
    (
        "sessions",
        r#"shutdown_grace = "61m""#,
        18,
        "`shutdown_grace` must be at most 1h",
        "",
    ),
    (
        "sessions",
        r#"shutdown_grace = "never""#,
        18,
        r#"`shutdown_grace` must be a number with one unit: "300ms", "10s", "5m", "1h" or "2d""#,
        "",
    ),
];

#[test]
fn a_bad_value_is_told_at_its_line_and_column() {
    for (table, line, column, wrong, cure) in VALUES {
        // `token_file` takes the place of `token`.
        let others = [("token", "\"TOKEN\""), ("allowed_users", "[5]")];
        let others = others.iter().filter(|(key, _)| !line.starts_with(key));
        let good: String = others
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect();
        let head = if *table == "telegram" {
            String::new()
        } else {
            format!("[{table}]\n")
        };
        let file = format!("[telegram]\n{good}{head}{line}\n").replace("TOKEN", TOKEN);

        let said = message(&file, &ordinary());
        let place = format!("{FILE}:{}:{column}:", file.lines().count());
        assert_eq!(
            said.lines().next(),
            Some(format!("{place} {wrong}").as_str()),
            "about {line}"
        );
        let help = said.lines().skip(4).collect::<Vec<_>>().join("\n");
        assert_eq!(
            help.strip_prefix("help: ").unwrap_or(&help),
            *cure,
            "about {line}"
        );
        for secret in [SECRET, "hunter2", "sk-ant"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}
