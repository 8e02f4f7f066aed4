//! The menu of commands that Telegram shows: set once, where it was last told otherwise.
//!
//! It has a thread of its own, so that nothing that comes in waits for it. chappe works without the menu: after a few
//! attempts it is left as it is.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::never;

use super::api::Api;
use super::outgoing;
use crate::chat::BotId;
use crate::router::MENU;
use crate::store::Store;
use crate::thread;

/// How long the call may take, how often it is tried, and how far apart.
const CALL_MAX: Duration = Duration::from_secs(20);
const ATTEMPTS: u32 = 3;
const APART: Duration = Duration::from_secs(60);

/// Has Telegram told which commands there are, if it was last told otherwise. To be called once Telegram has answered.
pub fn set(bot: BotId, api: Api, store: Arc<Store>) {
    let started = thread::spawn("menu", move || {
        for attempt in 1..=ATTEMPTS {
            match try_to_set(bot, &api, &store) {
                Ok(()) => return,
                Err(why) => log::warn!("the menu of commands cannot be set: {why}"),
            }
            if attempt < ATTEMPTS {
                let _ = never::<()>().recv_timeout(APART);
            }
        }
    });
    if let Err(error) = started {
        log::warn!("the menu of commands cannot be set: {error}");
    }
}

fn try_to_set(bot: BotId, api: &Api, store: &Store) -> Result<(), String> {
    let wanted = outgoing::set_commands(MENU);
    let menu = String::from_utf8_lossy(&wanted.body).into_owned();
    let known = store.menu(bot).map_err(|error| error.to_string())?;
    if known.as_deref() == Some(menu.as_str()) {
        return Ok(());
    }
    api.call(wanted.method, &wanted.body, CALL_MAX)
        .map_err(|failure| failure.to_string())?;
    store
        .set_menu(bot, &menu)
        .map_err(|error| error.to_string())
}
