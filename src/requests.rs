//! What people do about what Claude asks, within the transaction of their update: they press, they reply, they write
//! something that waits for the answer.
//!
//! Whether a token, a message and a person belong together is seen to by the store; what follows from it is decided here,
//! and shown where the request is. It waits for nobody, and knows neither Telegram nor a session's owner: so what people do
//! in a random walk over the store and the machine is dealt with by this very code.

pub mod picks;
pub mod presses;
pub mod replies;

/// What something came to that a person has pressed or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    Nothing,
    /// Something of a request is answered, or chosen.
    GoesOn,
    /// A request is decided with it.
    Decided,
}

/// What a press came to, and what whoever has pressed reads at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Came {
    pub did: Did,
    pub toast: &'static str,
}

impl Came {
    fn to_nothing(toast: &'static str) -> Came {
        let did = Did::Nothing;
        Came { did, toast }
    }

    fn decided(toast: &'static str) -> Came {
        let did = Did::Decided;
        Came { did, toast }
    }
}
