//! The shared vocabulary: ids, places, what comes in, what goes out, how a turn ended.
//!
//! Telegram's side and Claude's side meet only here and in `store`. Nothing here acts: no clock, file, thread,
//! process or socket, and no word that only one of the two sides understands.

mod questions;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use questions::{Pick, Progress, Question, QuestionOption};

/// Makes an id type: a number that cannot be mistaken for another kind of number.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A bot: the number before the colon of its token. Every row that Telegram knows of belongs to one.
    BotId
);
id!(
    /// A Telegram user. Up to 52 bits.
    UserId
);
id!(
    /// A Telegram chat; equal to the user's id in a private chat, negative for groups.
    ChatId
);
id!(
    /// A thread within a chat (`message_thread_id`).
    TopicId
);
id!(
    /// A message within its chat. The same number stands for other messages in other chats.
    MessageId
);
id!(
    /// A session's row.
    SessionId
);
id!(
    /// A prompt's row; also the id of the turn that it causes.
    PromptId
);
id!(
    /// A row of the outbox.
    RowId
);

/// Where people talk to a session: a chat, with a topic where it has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    pub chat: ChatId,
    pub topic: Option<TopicId>,
}

/// Someone who wrote or pressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    pub id: UserId,
    /// First name as Telegram gives it; for display only, anyone can choose any.
    pub name: String,
}

/// Text with its formatting, as a chat shows it: what the person reads, and spans over it.
///
/// Offsets and lengths are UTF-16 code units, as Telegram counts them. Spans never cut a character in two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Formatted {
    pub text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
}

/// A stretch of text with one style.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Where it begins, in UTF-16 units.
    pub offset: usize,
    /// How long it is, in UTF-16 units; never 0.
    pub length: usize,
    pub style: Style,
}

/// How a stretch of text looks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    Bold,
    Italic,
    Strikethrough,
    /// Inline code. Excludes every other style over the same text but a quotation around it.
    Code,
    /// A block of code; an empty language means none was named. Excludes every other style over the same text.
    Pre {
        language: String,
    },
    /// A link to http, https, tg or mailto.
    Link {
        url: String,
    },
    /// A quotation. Never nested.
    Quote,
}

impl Formatted {
    /// Text without any formatting.
    pub fn plain(text: impl Into<String>) -> Formatted {
        Formatted {
            text: text.into(),
            spans: Vec::new(),
        }
    }
}

/// The length of `text` in UTF-16 code units, which is how Telegram counts.
pub fn utf16_len(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// One update, decoded as far as chappe understands it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// A new message.
    Message(Incoming),
    /// A message that its sender changed.
    Edited(Incoming),
    /// A press on a button of one of our messages.
    Press(Press),
    /// The bot may write in a chat from now on, or may not any more: blocked, kicked, added, its rights changed.
    Membership { chat: ChatId, may_write: bool },
    /// A group has become a supergroup, which is another chat.
    Moved { from: ChatId, to: ChatId },
    /// A valid update of a kind that chappe has no use for; the field's name.
    Other(String),
}

/// A message that someone sent or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    pub place: Place,
    /// Whether the chat is a private one with a single person.
    pub private: bool,
    /// Whether the chat is a group with topics.
    pub forum: bool,
    /// What a group is called; empty in a private chat. For display only.
    pub title: String,
    /// None where the message speaks for a chat (`sender_chat`), which is never a user.
    pub from: Option<Person>,
    pub message: MessageId,
    /// Unix seconds by Telegram's clock.
    pub date: i64,
    /// Unix seconds of the last change; 0 for a message as it was first sent.
    pub edit_date: i64,
    /// Who wrote it, where it was forwarded; for display only.
    pub origin: Option<String>,
    /// Which message of the same chat it replies to.
    pub reply_to: Option<MessageId>,
    /// Who wrote that one.
    pub replied_to: Option<UserId>,
    /// What is written below a picture or a file.
    pub caption: String,
    pub body: Body,
}

/// What a message holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    Text(String),
    /// Something a person sent that chappe cannot take yet, in words ("a photo").
    Unsupported(&'static str),
    /// What Telegram itself says in a chat (a pin, a new member, a topic). Never a prompt.
    Service,
}

/// A press on a button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Press {
    /// Must be answered, whatever the press does; good for a few seconds only.
    pub callback: String,
    pub from: Person,
    /// None where Telegram does not say which message carried the button.
    pub at: Option<(Place, MessageId)>,
    /// What the button carried, at most 64 bytes. Untrusted: anyone can send anything.
    pub data: String,
}

/// Where and from whom an update came, and what tells it from another one with the same number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    pub update: i64,
    pub place: Place,
    pub user: UserId,
    pub message: Option<MessageId>,
    /// Unix seconds; 0 unless the message was changed.
    pub edit_date: i64,
    pub callback: Option<String>,
    /// When it was sent, in Unix seconds by Telegram's clock; 0 where Telegram does not say.
    pub date: i64,
}

/// A prompt that has been given to Claude, or is about to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    pub id: PromptId,
    /// Random, and stored before it is used: by it chappe finds out later what Claude has.
    pub uuid: String,
    /// The final text, as written to Claude.
    pub text: String,
    pub place: Place,
    /// How often it has been written to Claude, with the prompts that it continues after a crash.
    pub attempts: u32,
    /// How often in a row it, or what it tries again, has failed at the API.
    pub tries: u32,
    /// Whether it is one of Claude's own commands, given alone.
    pub is_command: bool,
    /// The prompt into whose turn it was put, while that ran.
    pub steered: Option<PromptId>,
}

/// A message that waits to become a prompt, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub place: Place,
    pub user: UserId,
    pub text: String,
    /// Who wrote it, where it was forwarded.
    pub origin: Option<String>,
    /// When it arrived, in milliseconds of Unix time.
    pub arrived: i64,
    /// Its place in the line: less is sooner. Only messages of one rank go together.
    pub rank: i64,
    /// Whether a button has written it: then it goes alone.
    pub is_pressed: bool,
}

/// What becomes of the messages at the head of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// More may belong to them: look again after so long.
    NotYet(Duration),
    /// So many of them are the next prompt.
    Give {
        count: usize,
        /// The final text.
        text: String,
        /// Whether it is one of Claude's own commands.
        is_command: bool,
    },
}

/// How long the process of a quiet session is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleTimeout {
    /// It is kept until something else ends it.
    Never,
    /// It ends this long after the session became quiet; zero means a fresh process for each turn.
    After(Duration),
}

/// How much of the host's memory must be free before another process of Claude is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreeMemory {
    /// A tenth of what the host has, at least 48 MB.
    Auto,
    /// So many bytes; zero means that nobody looks.
    Bytes(u64),
}

/// The permission mode in which nobody is asked.
pub const BYPASS: &str = "bypassPermissions";

/// Who Claude is in a session: a template, of which each session keeps a copy of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Persona {
    pub name: String,
    /// For the person who chooses, one line.
    pub description: String,
    /// Added to Claude's own system prompt; empty for nothing.
    pub prompt: String,
    /// None: the configuration's.
    pub model: Option<String>,
    /// Never one in which nobody is asked: that is not brought along by anything.
    pub mode: Option<String>,
    /// Whether it asks for the mode in which nobody is asked; a person has to confirm that for each session.
    pub wants_bypass: bool,
    /// None: the configuration's; 0 is no limit.
    pub max_turns: Option<u32>,
}

/// What becomes of a whole session: it is put away, or brought back. Written down first, and safe to repeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Moving {
    /// Into this file among the archives.
    Archive { file: String },
    /// Out of this one. Where that was asked, another session was talked to before, if any.
    Restore {
        file: String,
        #[serde(default)]
        before: Option<SessionId>,
    },
    /// It goes for good, and with it this file among the archives, into which it was to go before.
    Delete {
        #[serde(default)]
        file: Option<String>,
    },
    /// It stays after all: what was done for its going, with this file among the archives, is undone.
    Stay { file: Option<String> },
}

/// What was chosen for a session's process; None where the configuration's counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Counts the choices. What is given under another number would go to another kind of process.
    pub revision: i64,
    /// Counts those that only a fresh process can be: its conversation, its persona.
    pub generation: i64,
    pub model: Option<String>,
    /// The permission mode.
    pub mode: Option<String>,
    pub idle: Option<IdleTimeout>,
}

/// A session as it stands in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    pub session: SessionId,
    pub name: String,
    pub persona: String,
    /// The permission mode that was chosen for it; None where the configuration's counts.
    pub mode: Option<String>,
    /// Where Claude runs.
    pub folder: std::path::PathBuf,
    /// Whether the place that asks talks to it.
    pub is_current: bool,
    /// How much waits to be given.
    pub waiting: usize,
    /// How much is kept until a person says what becomes of it.
    pub kept: usize,
    /// Since when a turn runs, in Unix seconds.
    pub working: Option<i64>,
    /// Whether it has a process.
    pub is_live: bool,
    pub held: Option<Hold>,
    /// When something last happened, in Unix seconds.
    pub active: i64,
    /// Dollars.
    pub cost: f64,
}

/// A message that waits for a session, as it stands in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InLine {
    /// The store's number of it.
    pub message: i64,
    pub text: String,
    /// Whether it is kept until a person says what becomes of it.
    pub is_kept: bool,
}

/// Something that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pends {
    pub session: SessionId,
    /// The session's name.
    pub name: String,
    pub what: Pending,
    /// Since when, in Unix seconds.
    pub since: i64,
    /// Where it is shown, and by which message; None where it is not, or not yet.
    pub place: Option<Place>,
    pub message: Option<MessageId>,
}

/// What it is that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pending {
    /// Claude wants to be allowed something; the input is JSON.
    Request { tool: String, input: String },
    /// Claude asks this.
    Question { text: String },
    /// Messages are kept until a person says what becomes of them.
    Kept { count: usize },
    /// The session is held.
    Held(Hold),
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Claude answered.
    Answered,
    /// The API refused, failed or was not reached; the cause stands in the answer.
    Failed,
    /// The turn limit (`max_turns`) was reached.
    TurnLimit,
    /// The money limit of the process was reached.
    BudgetSpent,
    /// The process ended in the middle of the turn, again and again.
    Crashed,
    /// chappe was stopped or killed in the middle of the turn, and a person must say how it goes on.
    Interrupted,
    /// A person stopped it.
    Stopped,
    /// Cut off, and taken up by another prompt.
    Continued,
    /// One of Claude's own commands that was cut off: whether it was done is not known, and it is never repeated.
    Unknown,
}

impl Outcome {
    /// The word that stands in the store. Never changed once released.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::Failed => "failed",
            Outcome::TurnLimit => "turn_limit",
            Outcome::BudgetSpent => "budget_spent",
            Outcome::Crashed => "crashed",
            Outcome::Interrupted => "interrupted",
            Outcome::Stopped => "stopped",
            Outcome::Continued => "continued",
            Outcome::Unknown => "unknown",
        }
    }
}

/// A block of text that Claude wrote, with the key under which it is delivered once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The API's id of the message that holds the block.
    pub message: String,
    /// Which block of that message it is, counted from 0.
    pub index: u32,
    pub text: String,
}

/// What a turn cost, as the CLI counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// Dollars.
    pub cost: f64,
    pub input_tokens: u64,
    pub output_tokens: u64,
}

/// Something that must go out to a chat: the content of an outbox row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Post {
    /// A new message.
    Message {
        body: Formatted,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        buttons: Vec<Vec<Button>>,
        /// Whether it comes without a sound.
        #[serde(default)]
        silent: bool,
    },
    /// A new message with a text as a file.
    Document {
        /// The file's name.
        name: String,
        text: String,
        /// What is shown below the file.
        #[serde(default)]
        caption: Formatted,
        /// Whether it comes without a sound.
        #[serde(default)]
        silent: bool,
    },
    /// A message of ours shows something else from now on, with these buttons and no others.
    Edit {
        target: Target,
        body: Formatted,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        buttons: Vec<Vec<Button>>,
    },
    /// The answer to a press, shown for a moment on the screen of who pressed.
    Toast { callback: String, text: String },
    /// A small sign on a message of the user's.
    Reaction { message: MessageId, emoji: String },
    /// A new topic of the chat, which is a session's place from then on. Where there can be none, its place is the one of
    /// the row.
    Topic {
        name: String,
        session: SessionId,
        /// What is said of the session where its place is.
        ready: Formatted,
        /// What the row's place talked to when it was asked for.
        #[serde(default)]
        before: Option<SessionId>,
    },
}

impl Post {
    /// Changes what people read of a new message, or below a new file. What only changes a message, answers a press or
    /// marks something stays as it is.
    pub fn with_text(mut self, change: impl FnOnce(Formatted) -> Formatted) -> Post {
        if let Post::Message { body: text, .. } | Post::Document { caption: text, .. } = &mut self {
            *text = change(std::mem::take(text));
        }
        self
    }

    /// A message that is no more than that.
    pub fn message(body: Formatted) -> Post {
        Post::Message {
            body,
            buttons: Vec::new(),
            silent: false,
        }
    }
}

/// Which message of ours an edit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The message as which an outbox row was delivered. Nothing to do where it never was.
    Row(RowId),
    /// The status message of a turn. Nothing to do where none was shown.
    Status(PromptId),
    /// The status message of a turn; where none was shown, a message of its own says it.
    StatusOrNew(PromptId),
}

/// A button under a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    pub label: String,
    /// What comes back in a press: at most 64 bytes.
    pub data: String,
}

/// What a button below the status of a turn does. It is stored; the button carries only a random token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum StatusAct {
    /// The turn is stopped.
    Stop,
    /// What waits behind it goes into it.
    SendNow(Behind),
    /// It is never given.
    Drop(Behind),
}

/// The messages that wait behind a turn, as they were when that was shown: what comes later nobody has decided about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behind {
    /// The last of them, by the store's number.
    pub last: i64,
    /// How many there are. One that came early may come to wait late.
    #[serde(default = "any_number")]
    pub many: usize,
}

impl Behind {
    /// All that waits, however much that is.
    pub const ALL: Behind = Behind {
        last: i64::MAX,
        many: usize::MAX,
    };
}

/// What a button says that was made before it said how many.
fn any_number() -> usize {
    usize::MAX
}

impl StatusAct {
    /// What its button carries.
    pub fn button_data(token: &str) -> String {
        format!("turn:{token}")
    }
}

/// What a button does that is none of a request's. It is stored; the button carries only a random token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do")]
pub enum Act {
    /// What waits goes on.
    Run,
    /// What waits, and what was to be tried again, is forgotten.
    Drop,
    /// All that stands in a list goes into the turn that runs, or is run.
    SendNow,
    /// All that stands in a list is forgotten: what waits, and what is kept.
    DropListed,
    /// One message of it is.
    DropOne {
        message: i64,
    },
    /// What failed is tried again: by the text that was stored for that.
    Retry,
    /// What was cut off is given once more, as it was written.
    SendAgain,
    /// The session begins a new conversation.
    StartFresh,
    /// A changed message goes to Claude as a correction.
    Correct {
        text: String,
    },
    /// A turn that came to its limit goes on.
    GoOn,
    /// What the button's session does is stopped, because `waits` waits for its place.
    StopOther {
        waits: SessionId,
    },
    /// The place talks to the button's session from now on.
    Switch,
    /// What the session's process is to be from now on.
    UseModel {
        model: String,
    },
    UseMode {
        mode: String,
    },
    UsePersona {
        persona: String,
    },
    /// The session is to go for good; and the second press, after what that means was said.
    Delete,
    DeleteForGood,
    /// A session comes back out of this archive. Its button is for no session.
    Restore {
        file: String,
    },
    /// The session goes on with this conversation of Claude's.
    TakeOver {
        conversation: String,
    },
    /// Nobody is asked any more in the session: the second press, after what that means was said.
    UseBypass,
    /// A request is denied with the text of a message that waits, and the message goes with that: if the request is open
    /// still, and the message waits still and says this.
    DenyWith {
        /// The store's numbers of both.
        request: i64,
        message: i64,
        text: String,
    },
    /// What was allowed is not any more.
    Revoke {
        grant: i64,
    },
    /// The list of what is allowed shows those older than this one, or the newest.
    ListGrants {
        before: Option<i64>,
    },
    /// What was allowed is over after an hour, or reaches further.
    LimitGrant {
        grant: i64,
    },
    WidenGrant {
        grant: i64,
        reach: Reach,
    },
    /// Of what came while chappe was away: all of it runs, only the last, or nothing.
    RunAll,
    OnlyTheLast,
    DropAll,
}

impl Act {
    /// What a button with this token carries.
    pub fn button_data(token: &str) -> String {
        format!("do:{token}")
    }
}

/// A button that is offered: what it says, and what it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub label: String,
    pub act: Act,
}

impl Offer {
    pub fn new(label: impl Into<String>, act: Act) -> Offer {
        Offer {
            label: label.into(),
            act,
        }
    }
}

/// A message with buttons that do something. Rows of buttons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    pub body: Formatted,
    pub offers: Vec<Vec<Offer>>,
}

/// How it stands with a store that cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwritable {
    NoSpace,
    Fails,
    /// chappe ends because of it.
    ForGood,
}

/// Why what waits for a session is not given to Claude.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// A person said stop: until they say go on.
    Held,
    /// A turn has failed: until a time, or until somebody says go on.
    Paused,
    /// There can be no process: until somebody says try again.
    Broken,
    /// A turn was cut off, and a person must say how it goes on.
    Asking,
}

impl Hold {
    /// The word that stands in the store. Never changed once released.
    pub fn as_str(self) -> &'static str {
        match self {
            Hold::Held => "held",
            Hold::Paused => "paused",
            Hold::Broken => "broken",
            Hold::Asking => "asking",
        }
    }
}

/// What Claude wants to be allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The CLI's id of the request, which its answer must carry.
    pub request: String,
    pub tool: String,
    /// Whether it shows a plan, and its approval starts the work.
    pub is_plan: bool,
    /// The tool's input as compact JSON, exactly as it came. What is approved is this and nothing else.
    pub input: String,
    /// Whether a sub-agent asks.
    pub sub_agent: bool,
    /// What is asked, where it is no call to be allowed but questions with ready answers.
    pub questions: Vec<Question>,
    /// What would end such questions, as far as it is understood. A person may choose one of them.
    pub permits: Vec<Permit>,
    /// Why it is asked, as Claude says.
    pub reason: Option<String>,
    /// The path that the question is about, where there is one.
    pub blocked_path: Option<String>,
}

/// What is there already, when Claude asks, where it wants to write a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Present {
    Nothing,
    /// A file of so many bytes, and of so many lines where it is a text and not too long to be counted.
    File {
        lines: Option<usize>,
        bytes: u64,
    },
    Directory,
    Pipe,
    Socket,
    Device,
    /// chappe cannot see whether anything is there.
    Unseen,
}

/// What is known, when Claude asks, of the file that it wants to write or to change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub present: Present,
    /// Where its path really leads, where that is elsewhere than it says.
    pub leads_to: Option<PathBuf>,
}

impl From<Present> for Found {
    fn from(present: Present) -> Found {
        Found {
            present,
            leads_to: None,
        }
    }
}

/// What may be done without asking, beyond one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "may")]
pub enum Permit {
    /// Calls that one of these rules covers.
    Call { rules: Vec<Rule> },
    /// Changes to files of the session's folder.
    Edit,
    /// Work in these directories as in the session's own.
    Enter { directories: Vec<String> },
}

/// A rule that covers calls of a tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub tool: String,
    /// Which calls; None for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// For which sessions something was allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// For the one in which it was.
    Session,
    /// For all that work in the same folder.
    Folder,
    Everywhere,
}

impl Reach {
    /// The word that stands in the store. Never changed once released.
    pub fn as_str(self) -> &'static str {
        match self {
            Reach::Session => "session",
            Reach::Folder => "folder",
            Reach::Everywhere => "everywhere",
        }
    }
}

/// Something that a person allowed for longer than one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub id: i64,
    pub permit: Permit,
    pub reach: Reach,
    /// Who allowed it, as they were called then.
    pub by: String,
    /// When, in Unix seconds.
    pub at: i64,
    /// When it is over; None: not by itself.
    pub until: Option<i64>,
}

/// A grant that was taken away.
#[derive(Clone, Debug, PartialEq)]
pub struct Revoked {
    pub grant: Grant,
    /// Whether some session is at work whose turn may have it until its end.
    pub is_kept: bool,
    /// Whether another grant allows the same in the session of whoever took this one away.
    pub is_allowed_still: bool,
}

/// What a person decided on a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    Deny,
}

/// A decision that Claude has not been told yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The CLI's id of the request.
    pub request: String,
    pub tool: String,
    pub verdict: Verdict,
    /// The tool's input as it was shown.
    pub input: String,
    /// What is allowed with it, beyond this call.
    pub permit: Option<Permit>,
    /// The answers to its questions, in their order; empty for all other requests.
    pub answers: Vec<String>,
    /// Why it is denied, in words for Claude; None where a person has said no and no more.
    pub why: Option<String>,
}

/// Which rows pass each other within a place, and which keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i64)]
pub enum Lane {
    /// The answer to a press: good for seconds, bound to no place.
    Toast = 0,
    /// A request: may overtake what belongs to other turns, never what belongs to its own.
    Request = 1,
    /// Messages and edits, in order.
    Text = 2,
    /// Reactions: nobody misses one.
    Reaction = 3,
}

/// A row that may be sent next in its lane of its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    pub row: RowId,
    pub place: Place,
    pub lane: Lane,
}
