//! The stories: what each person does, in order. They are written so that they come to their end whatever is killed in
//! between: who waits, waits for an answer or a state, and not for a moment.

use std::fs;
use std::path::Path;

use chappe::loopback::botapi::{Fault, Shown, Trouble};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cell::Story;
use crate::person::{Player, answers, text};
use crate::run::Orders;

/// Plays a person's part.
pub fn play(story: Story, player: &Player<'_>, orders: &Orders) -> Result<(), String> {
    match story {
        Story::Talk | Story::TalkAfterGive | Story::TalkAfterActed | Story::TalkAfterAsk => {
            talk(player)
        }
        Story::Stop => stop(player),
        Story::Broken => broken(player),
        Story::Trouble => trouble(player),
        Story::Refusals => refusals(player),
        Story::Restart => restart(player, orders),
        Story::Away => away(player, orders),
        Story::Moving => moving(player),
        Story::Question => question(player),
    }
}

/// A program that has an effect which can be counted. `ask` has the same, and must be allowed each time.
pub fn program(player: &Player<'_>, name: &str, what: &str) -> String {
    let bin = player.host.folder.path().join("bin");
    format!(
        "[[once {} {}-{what}]]",
        bin.join(name).display(),
        player.prefix
    )
}

fn talk(player: &Player<'_>) -> Result<(), String> {
    player.says("hello");
    player.hears()?;
    // Together they are one prompt.
    player.says("one");
    player.says("two");
    player.hears()?;
    player.wants(&program(player, "act", "tool"), "acted", false);
    player.hears()?;
    player.wants(&program(player, "ask", "asked"), "was allowed", false);
    player.hears()?;
    // The process ends by itself, and another one goes on.
    player.waits("the end of the process", |_| {
        player.host.claudes().is_empty()
    })?;
    player.says("bye");
    player.hears()
}

fn stop(player: &Player<'_>) -> Result<(), String> {
    player.wants("[[wait 2500]]", "slow", true);
    player.waits_for_row(&taken(player));
    player.says("waits");
    player.host.stored();
    player.commands("/stop");
    player.hears()?;
    // What Claude has not taken is taken back: it stands still, and reads nothing.
    player.says("again");
    player.hears()?;
    let frozen = claudes_of(player);
    for claude in &frozen {
        let _ = kill(Pid::from_raw(*claude), Signal::SIGSTOP);
    }
    player.wants("[[wait 500]]", "unread", true);
    player.host.stored();
    player.commands("/stop");
    player.host.stored();
    for claude in &frozen {
        let _ = kill(Pid::from_raw(*claude), Signal::SIGCONT);
    }
    player.says("bye");
    player.hears()
}

/// The processes of the session that the person talks to. What other people's do is no part of their story.
fn claudes_of(player: &Player<'_>) -> Vec<i32> {
    let chat = player.person.chat;
    let query = format!(
        "SELECT folder FROM session JOIN binding ON binding.session = session.id WHERE chat = {chat} AND topic = 0"
    );
    let Some(folder) = text(player.host, &query) else {
        return Vec::new();
    };
    let is_there = |pid: &i32| {
        fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|path| path == Path::new(&folder))
    };
    let mut claudes = player.host.claudes();
    claudes.retain(is_there);
    claudes
}

/// Whether the person's last prompt is with Claude.
fn taken(player: &Player<'_>) -> String {
    let chat = player.person.chat;
    format!(
        "SELECT state != 'sent' AND text LIKE '%[[wait%' FROM prompt WHERE chat = {chat} ORDER BY id DESC LIMIT 1"
    )
}

fn broken(player: &Player<'_>) -> Result<(), String> {
    let broken = player.host.folder.path().join("broken");
    fs::write(&broken, "").map_err(|error| error.to_string())?;
    player.says("hello");
    player.waits("the trouble to be told", |shown| {
        let told = |text: &str| text.contains("can't start Claude");
        shown
            .iter()
            .any(|shown| told(&shown.text) || answers(shown, "hello"))
    })?;
    let _ = fs::remove_file(&broken);
    player.hears()?;
    // A restart finds what is held, and tries again.
    player.says("bye");
    player.hears()
}

fn trouble(player: &Player<'_>) -> Result<(), String> {
    player.wants("[[error 529 x3]]", "recovered", false);
    if player.sees("I try again in")?.is_some() {
        // Its time comes, and the poll comes round.
        let_time_pass(player);
        player.commands("/status");
    }
    player.hears()?;
    player.wants("[[error usage-limit 40 x1]]", "unlimited", false);
    player.hears()?;
    player.commands("//clear");
    player.wants("[[background 1]]", "worked", false);
    player.hears()?;
    player.says("bye");
    player.hears()
}

/// Lets the time of all holds come.
fn let_time_pass(player: &Player<'_>) {
    let path = player.host.state_dir().join("chappe.db");
    // What fails because chappe is being started is pressed by hand.
    if let Ok(database) = rusqlite::Connection::open(path) {
        let _ = database.busy_timeout(std::time::Duration::from_secs(5));
        let _ = database.execute(
            "UPDATE hold SET until = unixepoch() WHERE until IS NOT NULL",
            [],
        );
    }
}

fn refusals(player: &Player<'_>) -> Result<(), String> {
    let api = &player.host.api;
    let chat = player.person.chat;
    let order = |method, what| {
        api.fault(Fault {
            method,
            chat: Some(chat),
            times: 1,
            what,
        });
    };
    let refusal = |code, description: &str| Trouble::Answer {
        code,
        description: description.to_owned(),
        parameters: None,
    };
    order(
        "setMessageReaction",
        refusal(400, "Bad Request: REACTION_INVALID"),
    );
    player.says("hello");
    player.hears()?;
    order(
        "sendMessage",
        refusal(400, "Bad Request: can't parse entities: unsupported"),
    );
    player.says_formatted("formatted");
    player.hears()?;
    order("sendMessage", Trouble::RetryAfter(1));
    player.says("flooded");
    player.hears()?;
    order(
        "sendMessage",
        refusal(403, "Forbidden: bot was blocked by the user"),
    );
    player.says("blocked");
    player.waits_for_row(&format!(
        "SELECT (SELECT count(*) FROM closed_chat WHERE chat = {chat})
              + (SELECT count(*) FROM outbox WHERE post LIKE '%{} blocked%' AND state = 'delivered')",
        player.prefix
    ));
    player.says("opened");
    player.hears()?;
    // A message is deleted that is to be changed.
    player.wants("[[error 529 x3]]", "recovered", false);
    if let Some(notice) = player.sees("I try again in")? {
        api.delete_message(chat, notice.id);
    }
    player.says("before that");
    player.hears()?;
    let in_topic = |topic, answer: &str| {
        player.says_in_topic(topic, "[[wait 600]]", answer);
        player.waits_for_row(&format!(
            "SELECT count(*) FROM prompt WHERE topic = {topic} AND chat = {chat} AND state != 'sent'"
        ));
    };
    in_topic(5, "in the first topic");
    api.delete_topic(chat, 5);
    player.hears()?;
    in_topic(6, "in the second topic");
    api.close_topic(chat, 6);
    player.hears()?;
    player.says("bye");
    player.hears()
}

fn restart(player: &Player<'_>, orders: &Orders) -> Result<(), String> {
    player.says("hello");
    player.hears()?;
    player.wants("[[wait 1500]]", "interrupted", false);
    player.waits_for_row(&taken(player));
    orders.restart();
    player.hears()?;
    player.says("bye");
    player.hears()
}

fn away(player: &Player<'_>, orders: &Orders) -> Result<(), String> {
    player.says("hello");
    player.hears()?;
    player.says("before");
    orders.restart_after(3 * 24 * 3600);
    // What is written now has the time of this machine, which is long ago for chappe; somebody presses Run.
    player.says("after");
    player.hears()?;
    player.says("bye");
    player.hears()
}

fn moving(player: &Player<'_>) -> Result<(), String> {
    let name = format!("{}-web", player.prefix);
    player.commands(&format!("/new {name}"));
    player.says("hello");
    player.hears()?;
    let told = |what: &'static str| {
        move |shown: &[Shown]| {
            let mut texts = shown.iter().filter(|one| one.from_bot).map(|one| &one.text);
            texts.any(|text| text.contains(what))
        }
    };
    player.commands("/archive");
    player.waits("the session to go", told("is put away ("))?;
    player.commands(&format!("/restore {name}"));
    // What is said meanwhile waits until it is back.
    player.says("again");
    player.waits("the session to come back", told("is back, and remembers."))?;
    player.hears()?;
    // As many texts as there were, at least: a turn that was cut off is gone on with by another one.
    player.commands("[[dump]]");
    player.waits("its memory", |shown| {
        let mut texts = shown.iter().filter(|one| one.from_bot).map(|one| &one.text);
        texts.any(|text| (3..9).any(|many| text.contains(&format!("\"texts\":{many}"))))
    })?;
    player.says("bye");
    player.hears()
}

fn question(player: &Player<'_>) -> Result<(), String> {
    player.wants("[[ask]]", "was told", false);
    player.hears()?;
    player.says("bye");
    player.hears()
}
