//! What a cell of the matrix is: a story, how many people play it, and what goes wrong where. Words only.

use std::fmt;

/// How chappe is made to fail at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// chappe alone is killed; the `claude` that it leaves lives on without anybody at its pipes.
    KilledAlone,
    /// chappe and everything that it has started: what systemd does with what is left in its group.
    KilledWithTree,
    /// The call fails as the real one could, and chappe lives on.
    Error,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Fault::KilledAlone => "alone",
            Fault::KilledWithTree => "tree",
            Fault::Error => "error",
        })
    }
}

/// A conversation in which something goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Story {
    /// Several prompts, some of them together, one with a tool, one with an open request, and a rest between.
    Talk,
    /// The same, after everything was killed when the first prompt was about to be written.
    TalkAfterGive,
    /// The same, after everything was killed when a tool was about to run.
    TalkAfterActed,
    /// The same, after chappe alone was killed when a request had just been stored.
    TalkAfterAsk,
    /// A turn is stopped, one is stopped that Claude has not taken, and what waits is held.
    Stop,
    /// There can be no `claude` until a person has mended it.
    Broken,
    /// The API fails, a person clears the conversation, Claude speaks unasked.
    Trouble,
    /// Telegram refuses this and that.
    Refusals,
    /// chappe is stopped in order in the middle of a turn.
    Restart,
    /// It comes back after three days.
    Away,
    /// A session is put away as a whole, and brought back.
    Moving,
    /// Claude asks a question with ready answers, and one of them is pressed.
    Question,
}

impl Story {
    pub const ALL: [Story; 12] = [
        Story::Talk,
        Story::TalkAfterGive,
        Story::TalkAfterActed,
        Story::TalkAfterAsk,
        Story::Stop,
        Story::Broken,
        Story::Trouble,
        Story::Refusals,
        Story::Restart,
        Story::Away,
        Story::Moving,
        Story::Question,
    ];

    /// Whether it is another story, taken up after a crash.
    pub fn is_taken_up(self) -> bool {
        matches!(
            self,
            Story::TalkAfterGive | Story::TalkAfterActed | Story::TalkAfterAsk
        )
    }

    /// The crash with which the story begins, or an end in order: its order, and whether the whole tree dies. What goes wrong after that
    /// goes wrong in the next chappe.
    pub fn begins_with(self) -> Option<(&'static str, Fault)> {
        match self {
            Story::TalkAfterGive => Some(("before:pipe=kill@2", Fault::KilledWithTree)),
            Story::TalkAfterActed => Some(("after:acted=kill@1", Fault::KilledWithTree)),
            Story::TalkAfterAsk => Some(("after:ask=kill@1", Fault::KilledAlone)),
            // What it is about happens in the chappe that comes back.
            Story::Away => Some(("", Fault::Error)),
            _ => None,
        }
    }
}

/// One run of a story.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    pub story: Story,
    /// One: a private chat. Two: two people, each with a session, at once.
    pub people: usize,
    /// Such as `before:accept`; none for a run in which nothing is ordered.
    pub point: Option<String>,
    /// At which time of passing.
    pub time: u32,
    pub fault: Fault,
}

impl Cell {
    /// A run in which nothing is ordered beyond how the story begins.
    pub fn undisturbed(story: Story, people: usize) -> Cell {
        Cell {
            story,
            people,
            point: None,
            time: 0,
            fault: Fault::Error,
        }
    }

    /// What chappe is ordered; empty where nothing is.
    pub fn order(&self) -> String {
        let Some(point) = &self.point else {
            return String::new();
        };
        match self.fault {
            // Twice in a row: once may be hidden by whoever tries again at once.
            Fault::Error => format!("{point}=error@{}-{}", self.time, self.time + 1),
            Fault::KilledAlone | Fault::KilledWithTree => format!("{point}=kill@{}", self.time),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let point = self.point.as_deref().unwrap_or("nothing");
        let Cell {
            story,
            people,
            time,
            fault,
            ..
        } = self;
        write!(f, "{story:?} ×{people} {point}@{time} {fault}")
    }
}
