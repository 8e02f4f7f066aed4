//! The durable steps: everything that the store writes, each with how safe it is when it returns.
//!
//! What a step writes stands where it is written. Here is only its name, by which it is known to the fail points, and
//! its durability, so that both can be seen at one look.

/// Whether a transaction is on disk when it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// fsynced: survives a power cut.
    Full,
    /// Survives any kill of chappe, not a power cut.
    Normal,
}

/// Makes the enum, its list and its names of one table.
macro_rules! steps {
    ($($(#[$doc:meta])* $step:ident $name:literal $durability:ident,)*) => {
        /// Something that the store writes, as one transaction.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Step { $($(#[$doc])* $step,)* }

        impl Step {
            /// All of them.
            pub const ALL: &[Step] = &[$(Step::$step,)*];

            /// What it is called where fail points are named.
            pub const fn name(self) -> &'static str {
                match self { $(Step::$step => $name,)* }
            }

            pub const fn durability(self) -> Durability {
                match self { $(Step::$step => Durability::$durability,)* }
            }
        }
    };
}

steps! {
    // The poller.
    /// One answer of getUpdates with its offset.
    Accept "accept" Full,
    /// A person is asked about what came while chappe was away.
    AskKept "ask-kept" Full,
    /// Telegram has answered.
    Seen "seen" Normal,
    /// A word to everybody, once.
    TellAll "tell-all" Full,
    /// Telegram knows the list of commands.
    SetMenu "set-menu" Normal,
    /// What is finished and old is forgotten.
    Prune "prune" Normal,

    // The owner of a session.
    /// Claude's id of the conversation.
    SetConversation "set-conversation" Normal,
    /// A permission mode that the process has by itself.
    NoteMode "note-mode" Normal,
    /// Which models there are to choose from.
    NoteModels "note-models" Normal,
    /// The process that serves a session.
    Spawned "spawned" Normal,
    /// None does any more.
    Ended "ended" Normal,
    /// A prompt is about to be written for the first time.
    Give "give" Full,
    /// A prompt is about to be written into a turn that runs.
    Steer "steer" Full,
    /// The same once more, after it was cut off.
    GiveAgain "give-again" Full,
    /// Nothing of it was written.
    TakeBack "take-back" Full,
    /// Claude has it.
    Taken "taken" Normal,
    /// A tool starts that may change something.
    Acted "acted" Normal,
    /// A request, with what was said before it.
    Ask "ask" Full,
    /// Claude was told of a decision. A second time it ignores it.
    Told "told" Normal,
    /// Nobody has decided a request in time, which is a decision.
    TimeOut "time-out" Full,
    /// A request that nobody has decided is mentioned once more.
    Remind "remind" Full,
    /// Requests that are over.
    CloseRequests "close-requests" Full,
    /// A turn's answer, and its end.
    Finish "finish" Full,
    /// What came unasked.
    Unasked "unasked" Full,
    /// One prompt is closed, another goes on with it.
    Continue "continue" Full,
    /// chappe ends before a turn does.
    Left "left" Normal,
    /// What stands in the status of turns that are open.
    Pause "pause" Normal,
    /// A session is held.
    Hold "hold" Full,
    /// Its hold is over by itself.
    GoOn "go-on" Full,
    /// A stop was carried out.
    Stopped "stopped" Full,
    /// A session is gone.
    Depart "depart" Full,
    /// What it has left is removed.
    Cleared "cleared" Normal,
    /// It stays after all.
    Stay "stay" Full,
    /// What was done for its going is undone.
    Undone "undone" Full,
    /// It is back.
    Arrive "arrive" Full,
    /// A word to whoever waits, which is said again if its cause is still there; or of what a session has left.
    Tell "tell" Normal,
    /// A session waits for a place. It is said again if it still does.
    TellWait "tell-wait" Normal,
    /// It does not any more. The next start does it if this one could not.
    WaitOver "wait-over" Normal,

    // The courier.
    /// Rows that a former chappe left half sent.
    TakeUp "take-up" Normal,
    /// A row is about to be sent.
    Begin "begin" Normal,
    /// Telegram has it.
    Delivered "delivered" Normal,
    /// It has not, or nobody knows.
    PutBack "put-back" Normal,
    /// Something else goes in its place.
    Replace "replace" Normal,
    /// A row is sent once more, because the message to change is gone.
    SendAnew "send-anew" Full,
    /// Telegram will never take it. A request is denied by that, which is a decision.
    Refuse "refuse" Full,
    /// Whether open requests still stand. The next look is later.
    LookAfter "look-after" Normal,
    /// Which message shows a turn's status.
    StatusShown "status-shown" Normal,
    /// The buttons that are about to stand below it.
    OfferInStatus "offer-in-status" Normal,
    /// A flood wait. Calls during it make it longer.
    Flooded "flooded" Full,
    /// A chat that refuses the bot.
    CloseChat "close-chat" Normal,
    /// A group that has become a supergroup.
    MoveChat "move-chat" Full,
    /// A topic that is gone.
    DropTopic "drop-topic" Full,
    /// A topic that is closed.
    AvoidTopic "avoid-topic" Normal,
    /// A topic that was made for a session. Made again, it would be another one.
    TopicMade "topic-made" Full,
    /// None could be made.
    NoTopic "no-topic" Full,

    // The daemon, at its start.
    /// Another bot takes over.
    Adopt "adopt" Full,
    /// The real names of folders.
    Resolve "resolve" Normal,
    /// What waits since long ago is kept until a person was asked.
    KeepOld "keep-old" Full,
    /// So is what chappe itself was about to go on with.
    HoldStale "hold-stale" Full,
    /// Who may not speak any more gets nothing done.
    Admit "admit" Full,
    /// Sessions that could have no process try again.
    TryBroken "try-broken" Full,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_a_name_of_its_own() {
        let mut names: Vec<_> = Step::ALL.iter().map(|step| step.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Step::ALL.len());
    }
}
