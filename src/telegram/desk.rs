//! The desk: what every update is dealt with by, and the two things that are said and done from everywhere.
//!
//! It only holds: what an update means is decided by the router, and carried out in `dispatch` and `commands`.

use std::sync::Arc;

use super::update::Decoded;
use crate::chat::{Formatted, IdleTimeout, Lane, Place, Post, SessionId};
use crate::render::{notice, request, status, texts};
use crate::router::{self, Allowed, Me, Route};
use crate::store::{self, Home, Intake, Stop, StopSays};
use crate::workplace::Workplace;

/// What every update is dealt with by.
pub struct Desk {
    pub allowed: Allowed,
    pub me: Me,
    /// Whether a message that was stored gets a sign.
    pub reactions: bool,
    /// Whether what comes while a turn runs is put into it.
    pub steers: bool,
    /// Where sessions are made that nobody has asked for, and as whom.
    pub home: Home,
    /// The persona of a new session for which nobody names one: read again whenever one is made.
    pub default_persona: String,
    /// Where those that somebody asks for may work.
    pub workplace: Arc<Workplace>,
    /// What counts where nothing was chosen for a session.
    pub idle_timeout: IdleTimeout,
    pub permission_mode: String,
    pub model_of_config: Option<String>,
    /// The host's name, for the welcome.
    pub host: String,
}

impl Desk {
    /// What an update means.
    pub fn route<'a>(&self, update: &'a Decoded) -> Option<Route<'a>> {
        let inbound = update.inbound.as_ref().ok()?;
        Some(router::route(update.id, inbound, &self.allowed, &self.me))
    }
}

/// Has a session's turn end, and holds what waits.
pub fn stop(intake: &mut Intake<'_>, session: SessionId) -> store::Result<Stop> {
    let says = StopSays {
        ended: &status::stopped(),
        not_again: texts::NOT_TRIED_AGAIN,
        withdrawn: request::withdrawn_by_stop,
    };
    intake.stop(session, &says, notice::held)
}

/// Says something at a place.
pub fn say(intake: &mut Intake<'_>, place: Place, body: Formatted) -> store::Result<()> {
    intake
        .post(place, Lane::Text, &Post::message(body))
        .map(drop)
}
