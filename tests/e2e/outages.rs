//! Telegram fails in every way while an answer of several parts goes out, a turn runs and messages come in. Afterwards
//! everything has arrived, once and in order, and few calls were made in vain.

use std::time::Duration;

use chappe::loopback::botapi::{Fault, Trouble};
use rusqlite::Connection;
use serde_json::json;

use crate::host::{Host, SOON, USER, until};

/// The lines of the long answer: several messages.
const LINES: usize = 300;

fn line(number: usize) -> String {
    format!("line {number} {}", "x".repeat(40))
}

fn order(host: &Host, method: &'static str, times: u32, what: Trouble) {
    host.api.fault(Fault {
        method,
        chat: None,
        times,
        what,
    });
}

fn answer(code: u16, description: &str) -> Trouble {
    Trouble::Answer {
        code,
        description: description.to_owned(),
        parameters: None,
    }
}

/// Something that goes wrong: how it begins, and how it ends.
struct Outage {
    name: &'static str,
    begin: fn(&Host),
    end: fn(&Host),
    /// Whether a message may stand there twice: its call had its effect, and chappe heard nothing of that.
    may_repeat: bool,
    /// How often each method may be called in vain while it lasts, for each second that it does: the waits are at least a
    /// second, and there are two senders and the poller.
    calls_a_second: usize,
}

const fn nothing(_: &Host) {}

fn outages() -> Vec<Outage> {
    let usual = |name, begin, may_repeat| Outage {
        name,
        begin,
        end: nothing,
        may_repeat,
        calls_a_second: 4,
    };
    vec![
        usual(
            "a flood wait of 3 s",
            |host| order(host, "sendMessage", 1, Trouble::RetryAfter(3)),
            false,
        ),
        usual(
            "500",
            |host| {
                order(
                    host,
                    "sendMessage",
                    2,
                    answer(500, "Internal Server Error: restart"),
                );
                order(
                    host,
                    "getUpdates",
                    2,
                    answer(500, "Internal Server Error: restart"),
                );
            },
            false,
        ),
        usual(
            "502 with HTML",
            |host| {
                order(host, "*", 3, Trouble::Html(502));
            },
            false,
        ),
        Outage {
            end: |host| host.api.come_back().expect("the port is free"),
            ..usual("connections refused", |host| host.api.go_dark(), true)
        },
        usual(
            "reset before it has an effect",
            |host| order(host, "*", 3, Trouble::ResetBefore),
            false,
        ),
        usual(
            "reset after it had its effect",
            |host| order(host, "sendMessage", 2, Trouble::ResetAfter),
            true,
        ),
        usual(
            "cut in mid-body",
            |host| {
                order(host, "sendMessage", 2, Trouble::CutBody);
                order(host, "getUpdates", 1, Trouble::CutBody);
            },
            true,
        ),
        usual(
            "dripping, and coming all the same",
            |host| {
                let every = Duration::from_millis(2);
                order(host, "sendMessage", 2, Trouble::Drip { every });
                order(host, "getUpdates", 1, Trouble::Drip { every });
            },
            false,
        ),
        usual(
            "dripping for longer than a call may take",
            |host| {
                let every = Duration::from_millis(500);
                order(host, "sendMessage", 1, Trouble::Drip { every });
            },
            true,
        ),
        Outage {
            end: |host| host.api.clear_faults(),
            ..usual(
                "hanging",
                |host| order(host, "sendMessage", 2, Trouble::Hang),
                false,
            )
        },
        usual(
            "another poller for a while",
            |host| {
                let description = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running";
                order(host, "getUpdates", 1, answer(409, description));
                host.api.cut();
            },
            true,
        ),
    ]
}

/// Plays one outage in the middle of everything.
fn survive(outage: &Outage) {
    let host = Host::new();
    let chappe = host.start();
    let gate = host.gate();
    let lines: Vec<String> = (0..LINES).map(line).collect();
    host.say(&format!("{} [[text {}]]", gate.call(), lines.join("\n")));
    let held = gate.reached();
    // A status message stands there, and is edited.
    host.answer("⏳");
    host.delivered();
    host.say("waits in the line");
    host.stored();
    let calls_before = host.api.calls().len();
    (outage.begin)(&host);
    drop(held);
    host.say("comes in meanwhile");
    // It is noticed, where it is one that can be.
    until("the outage or what comes after it", || {
        let log = chappe.log();
        let noticed = ["WARN", "ERROR"].iter().any(|level| log.contains(level));
        let over = host.texts().iter().any(|text| text.contains("echo:"));
        (noticed || over).then_some(())
    });
    (outage.end)(&host);
    host.answer("waits in the line");
    host.answer("comes in meanwhile");
    host.delivered();
    let texts = host.texts();
    let mut said: Vec<&str> = texts
        .iter()
        .map(String::as_str)
        .filter(|text| text.starts_with("line "))
        .collect();
    if outage.may_repeat {
        said.dedup();
    }
    assert_eq!(said.join("\n"), lines.join("\n"), "{}", outage.name);
    let at = |needle: &str| texts.iter().position(|text| text.contains(needle));
    let echoes = [
        at("line 299 "),
        at("echo: waits in the line"),
        at("comes in meanwhile"),
    ];
    assert!(echoes.is_sorted(), "{}: {texts:?}", outage.name);
    for once in ["waits in the line", "comes in meanwhile"] {
        let times = texts.iter().filter(|text| text.contains(once)).count();
        assert!(
            times == 1 || (outage.may_repeat && times == 2),
            "{}: {once:?} {times} times",
            outage.name
        );
    }
    let calls = host.api.calls();
    let calls = &calls[calls_before..];
    let took = calls
        .last()
        .map_or(0, |last| (last.when - calls[0].when).as_secs() as usize);
    let in_vain = calls.iter().filter(|call| call.status != Some(200)).count();
    let most = (took + 2) * outage.calls_a_second;
    assert!(
        in_vain <= most,
        "{}: {in_vain} calls in vain in {took} s",
        outage.name
    );
    assert_eq!(chappe.stop().code(), Some(0), "{}", outage.name);
}

#[test]
fn whatever_telegram_does_everything_arrives_in_order() {
    std::thread::scope(|scope| {
        let played = outages().into_iter().map(|outage| {
            let thread = std::thread::Builder::new().name(outage.name.to_owned());
            thread
                .spawn_scoped(scope, move || survive(&outage))
                .expect("there is a thread")
        });
        let played: Vec<_> = played.collect();
        for one in played {
            let name = one.thread().name().unwrap_or_default().to_owned();
            assert!(one.join().is_ok(), "not survived: {name}");
        }
    });
}

#[test]
fn a_name_that_cannot_be_looked_up_is_waited_for() {
    let mut host = Host::new();
    let address = host.api.address();
    host.write_config();
    let config = std::fs::read_to_string(host.config_file()).expect("it was written");
    let config = config.replace(
        &host.api.url(),
        &format!("http://no-such-host.invalid:{}", address.port()),
    );
    std::fs::write(host.config_file(), config).expect("it can be written");
    let mut command = host.command();
    command.arg("--config").arg(host.config_file()).arg("run");
    let chappe = crate::host::Chappe::start(command);
    chappe.logs("the host's name is not known");
    chappe.logs("trying again in 2 s");
    assert_eq!(chappe.stop().code(), Some(0));
    // With a name that is known it takes up what came meanwhile.
    host.say("meanwhile");
    host.sessions.push_str("batch_window = \"0ms\"\n");
    let _chappe = host.start();
    host.answer("echo: meanwhile");
}

#[test]
fn a_name_that_is_lost_in_the_middle_of_an_answer_is_waited_for() {
    let host = Host::new();
    // Written in place: the file is bound to another one.
    let names = host.folder.path().join("hosts");
    let set = |text: &str| std::fs::write(&names, text).expect("it can be written");
    set("127.0.0.1 bot-api.test\n");
    host.write_config();
    let config = std::fs::read_to_string(host.config_file()).expect("it was written");
    let url = format!("http://bot-api.test:{}", host.api.address().port());
    let config = config.replace(&host.api.url(), &url);
    std::fs::write(host.config_file(), config).expect("it can be written");
    let test = "a_name_that_is_lost_in_the_middle_of_an_answer_is_waited_for";
    let Some(chappe) = host.start_with_file_over("hosts", "/etc/hosts", test) else {
        return;
    };
    let gate = host.gate();
    let lines: Vec<String> = (0..LINES).map(line).collect();
    host.say(&format!("{} [[text {}]]", gate.call(), lines.join("\n")));
    let held = gate.reached();
    host.delivered();
    host.say("waits in the line");
    host.stored();
    set("127.0.0.1 another-name.test\n");
    host.api.cut();
    drop(held);
    chappe.logs("the host's name is not known");
    set("127.0.0.1 bot-api.test\n");
    host.answer("line 299 ");
    host.answer("echo: waits in the line");
    host.delivered();
    let mut said = host.texts();
    said.retain(|text| text.starts_with("line "));
    said.dedup();
    assert_eq!(said.join("\n"), lines.join("\n"));
    assert_eq!(chappe.stop().code(), Some(0));
}

#[test]
fn updates_that_come_twice_out_of_order_or_broken_are_taken_once() {
    let host = Host::new();
    let message = |text: &str, id: i64| {
        json!({"message": {"message_id": id, "date": chappe::clock::unix_now(), "text": text,
            "from": {"id": USER, "is_bot": false, "first_name": "Ada"},
            "chat": {"id": USER, "type": "private", "first_name": "Ada"}}})
    };
    // A hundred, one of them undecodable, in the middle.
    for number in 0..100 {
        if number == 50 {
            host.api.push_text(
                "{\"update_id\":@id,\"message\":{\"message_id\":\"seven\",\"chat\":[]}}",
            );
        } else {
            host.api
                .push(message(&format!("number {number:02}"), 5_000 + number));
        }
    }
    let chappe = host.start();
    host.answer("number 99");
    host.stored();
    host.delivered();
    let all: Vec<String> = host.texts();
    for number in (0..100).filter(|number| *number != 50) {
        let word = format!("number {number:02}");
        let times = all
            .iter()
            .map(|text| text.matches(&word).count())
            .sum::<usize>();
        assert_eq!(times, 1, "{word}");
    }
    // In one answer the same twice, and one that was sent before it behind it, while an answer is on its way. After an
    // outage, since Telegram gives a single update to who asks for the same twice within half a second.
    let gate = host.gate();
    host.say(&format!("{} [[text held]]", gate.call()));
    let held = gate.reached();
    host.api.go_dark();
    chappe.logs("Telegram was not reached");
    let update = 700_900_000;
    for (text, id, number) in [
        ("the same", 6_000, update + 1),
        ("the same", 6_000, update + 1),
        ("before it", 5_999, update),
    ] {
        let mut body = message(text, id);
        body["update_id"] = number.into();
        host.api.push_text(&body.to_string());
    }
    host.api.set_next_update_id(update + 2);
    drop(held);
    host.api.come_back().expect("the port is free");
    host.answer("held");
    host.answer("before it");
    host.stored();
    host.say("at last");
    host.answer("at last");
    host.delivered();
    let texts = host.texts();
    for once in ["the same", "before it"] {
        let times: usize = texts.iter().map(|text| text.matches(once).count()).sum();
        assert_eq!(times, 1, "{once}: {texts:?}");
    }
    let all = texts.join("\n");
    assert!(all.find("before it") < all.find("the same"), "{all}");
}

/// Makes all rows of the outbox, and what waits, as old as if it had been stored two hours ago.
fn two_hours_pass(host: &Host) {
    let database = Connection::open(host.state_dir().join("chappe.db")).expect("it is there");
    database
        .busy_timeout(SOON)
        .expect("a timeout can always be set");
    database
        .execute("UPDATE outbox SET created = created - 7200", [])
        .expect("it can be written");
}

#[test]
fn what_comes_late_says_so_once_and_why() {
    let host = Host::new();
    let chappe = host.start();
    let gate = host.gate();
    host.say(&format!("{} [[text first]]", gate.call()));
    let held = gate.reached();
    host.delivered();
    host.say("and this");
    host.stored();
    host.api.go_dark();
    drop(held);
    until("both answers", || {
        let ready =
            "SELECT count(*) FROM outbox WHERE state = 'waiting' AND post LIKE '%and this%'";
        (host.count(ready) == 1).then_some(())
    });
    chappe.logs("Telegram was not reached");
    two_hours_pass(&host);
    host.api.come_back().expect("the port is free");
    let first = host.answer("first");
    assert_eq!(
        first.text,
        "(from 2 h ago, Telegram was unreachable)\nfirst"
    );
    let second = host.answer("echo: and this");
    assert!(second.text.starts_with("echo: "), "{}", second.text);

    host.delivered();
    host.api.go_dark();
    chappe.crash();
    // What chappe itself held up.
    host.api.come_back().expect("the port is free");
    order(&host, "sendMessage", u32::MAX, Trouble::ResetBefore);
    let chappe = host.start();
    host.say("once more");
    until("its answer", || {
        let ready =
            "SELECT count(*) FROM outbox WHERE state = 'waiting' AND post LIKE '%once more%'";
        (host.count(ready) == 1).then_some(())
    });
    chappe.crash();
    two_hours_pass(&host);
    host.api.clear_faults();
    let _chappe = host.start();
    let late = host.answer("echo: once more");
    assert!(
        late.text.starts_with("(from 2 h ago, I was not running)\n"),
        "{}",
        late.text
    );
}

#[test]
fn an_answer_of_hundreds_of_messages_comes_as_twenty_and_nothing_is_missing() {
    let host = Host::new();
    let _chappe = host.start();
    // Too long for a message of a person: the model's stand-in says it of itself.
    host.say("[[say 400000]]");
    let file = host.wait("the file", |view| {
        let mut shown = view.from_bot(USER);
        let file = shown.find(|shown| shown.attachment.is_some())?;
        let text = view.file_text(file)?.to_owned();
        Some((file.clone(), text))
    });
    let (shown, rest) = file;
    assert_eq!(shown.text, "The rest of the answer, as a file.");
    assert_eq!(
        shown.attachment.expect("it has one").file_name,
        "rest-of-the-answer.txt"
    );
    host.delivered();
    let said: Vec<String> = host.texts();
    let parts = said
        .iter()
        .filter(|text| !text.starts_with(['⏳', '✓']))
        .count();
    assert_eq!(parts, 20, "19 messages and the file");
    assert!(rest.len() > 200_000, "{}", rest.len());
}
