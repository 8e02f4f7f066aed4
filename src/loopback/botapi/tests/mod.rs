//! The loopback server over real sockets: polls, messages, faults, ends.

mod client;
mod faults;
mod messages;
mod polls;

use super::{BotApi, Person};
use client::{Client, TOKEN};

fn server() -> (BotApi, Client, Person) {
    let api = BotApi::start(TOKEN).expect("a free port");
    let client = Client::to(api.address());
    (api, client, Person::private(42, "Ada"))
}
