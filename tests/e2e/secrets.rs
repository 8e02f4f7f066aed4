//! What must not get out: the token, and what people and Claude say.

use std::fs;

use crate::host::{Host, TOKEN, USER};
use chappe::loopback::botapi::{Fault, Person, Trouble};

#[test]
fn neither_the_log_nor_claude_gets_to_know_what_is_none_of_its_business() {
    for level in ["trace", "debug"] {
        let mut host = Host::new();
        let secrets = ["RUST_LOG", "CHAPPE_SECRET"].map(str::to_owned);
        host.environment = vec![
            (secrets[0].clone(), level.to_owned()),
            (secrets[1].clone(), "zebra-environment".to_owned()),
        ];
        let html = Fault {
            method: "sendMessage",
            chat: None,
            times: 1,
            what: Trouble::Html(502),
        };
        host.api.fault(html);
        let chappe = host.start();
        host.say("zebra-question");
        host.answer("echo: zebra-question");
        host.api
            .say(&Person::private(666, "zebra-stranger"), "zebra-strange");
        host.say(
            r#"[[garbage]] [[pre zebra-preface]] [[tool Bash {"command":"touch zebra-file"}]]"#,
        );
        let request = host.request(USER);
        for pid in host.claudes() {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap();
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
            assert!(!environment.is_empty() && !arguments.is_empty());
            for bytes in [environment, arguments] {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                assert!(!text.contains(TOKEN) && !text.contains("zebra"), "{text}");
            }
        }
        let press = host.press(&host.person(), &request, "Allow once");
        host.toast(&press);
        host.answer("tool said:");
        host.say("[[text zebra-half]] [[exit 3]]");
        host.answer("Claude stopped unexpectedly");
        host.api.go_dark();
        chappe.logs("not reached");
        let (arguments, end) = (
            fs::read_to_string(format!("/proc/{}/cmdline", chappe.pid())).unwrap(),
            {
                chappe.signal(nix::sys::signal::Signal::SIGTERM);
                chappe.end()
            },
        );
        assert_eq!(end.code, Some(0));
        assert!(!arguments.contains(TOKEN));
        let (_, secret) = TOKEN.split_once(':').unwrap();
        let (_, token) = request.buttons[0][0].1.split_once(':').unwrap();
        for secret in [secret, token, "zebra"] {
            assert!(
                !end.stderr.contains(secret),
                "{secret} at {level}:\n{}",
                end.stderr
            );
        }
        assert!(
            end.stderr.contains("DEBUG"),
            "the log was on: {}",
            end.stderr
        );
    }
}
