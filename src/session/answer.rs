//! Collects what Claude says in a turn, and tells its answer from what it said on the way. Pure.
//!
//! The answer is the main agent's text after its last tool call. What it said just before a request, or before it took
//! what was put into its turn, goes out above that. A block's key is the API's id of its message and its number within it: the same from the stream and from
//! the transcript.

use serde_json::Value;

use crate::chat::Block;

/// The longest target that a status line shows, in characters.
const TARGET_MAX: usize = 80;

/// Tools that change nothing, so that it does not matter whether they ran.
const READ_ONLY: &[&str] = &[
    "Read",
    "NotebookRead",
    "Grep",
    "Glob",
    "LS",
    "WebFetch",
    "WebSearch",
    "ToolSearch",
    "AskUserQuestion",
    "EnterPlanMode",
    "ExitPlanMode",
    "TodoWrite",
    "TaskCreate",
    "TaskGet",
    "TaskList",
    "TaskUpdate",
];

/// What was said since the last turn ended.
#[derive(Debug, Default)]
pub struct Collector {
    /// Since the last tool call.
    after: Vec<Block>,
    /// Just before the last tool call, as long as nobody has seen it.
    before: Vec<Block>,
    /// The message that blocks come from now, and how many of its blocks were seen.
    message: String,
    seen: u32,
    tools: u32,
    /// Whether the conversation was shortened meanwhile.
    compacted: bool,
}

impl Collector {
    /// Counts a block of any kind, so that the numbers of text blocks are right.
    fn number(&mut self, message: &str) -> u32 {
        if self.message != message {
            self.message = message.to_owned();
            self.seen = 0;
        }
        self.seen += 1;
        self.seen - 1
    }

    /// A block that is neither text nor a tool call.
    pub fn other(&mut self, message: &str) {
        self.number(message);
    }

    pub fn text(&mut self, message: &str, text: &str) {
        let index = self.number(message);
        if !text.trim().is_empty() {
            self.after.push(Block {
                message: message.to_owned(),
                index,
                text: text.to_owned(),
            });
        }
    }

    pub fn tool_call(&mut self, message: &str) {
        self.number(message);
        self.tools += 1;
        if !self.after.is_empty() {
            self.before = std::mem::take(&mut self.after);
        }
    }

    /// A text that the CLI wrote itself. Once it has shortened the conversation it says again what its commands had said
    /// before; that is nothing new.
    pub fn text_of_cli(&mut self, message: &str, text: &str) {
        if !self.compacted {
            self.text(message, text);
        }
    }

    /// What a command of the CLI's own has printed. That of a compaction stands nowhere else; that of others is said as
    /// a text as well.
    pub fn command_output(&mut self, line: &str, text: &str) {
        if self.compacted {
            self.text(line, text);
        }
    }

    /// Notes that the conversation was shortened.
    pub fn compacted(&mut self) {
        self.compacted = true;
    }

    /// Takes what goes out above a request, or above the answer to what was put into the turn.
    pub fn before_request(&mut self) -> Vec<Block> {
        std::mem::take(&mut self.before)
    }

    /// Takes what was said so far for somebody else: what comes now answers another prompt.
    pub fn so_far(&mut self) -> Vec<Block> {
        let mut blocks = std::mem::take(&mut self.before);
        blocks.append(&mut self.after);
        blocks
    }

    /// Ends the turn: the answer, and how many tools were called.
    pub fn finish(&mut self) -> (Vec<Block>, u32) {
        let said = std::mem::take(self);
        (said.after, said.tools)
    }
}

/// Whether a tool may change something.
pub fn may_change(tool: &str) -> bool {
    !READ_ONLY.contains(&tool)
}

/// What a tool works on, in a line: a command, a file, a pattern, an address.
pub fn target(input: &Value) -> String {
    let names = [
        "command",
        "file_path",
        "notebook_path",
        "pattern",
        "url",
        "query",
        "description",
        "path",
    ];
    let Some(text) = names
        .iter()
        .find_map(|name| input.get(*name).and_then(Value::as_str))
    else {
        return String::new();
    };
    let line = text.trim().lines().next().unwrap_or("");
    let mut shown: String = line
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .take(TARGET_MAX)
        .collect();
    if shown.len() < text.trim().len() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_what_comes_after_the_last_tool() {
        let mut said = Collector::default();
        said.other("m1");
        said.text("m1", "let me look");
        said.tool_call("m1");
        said.text("m2", "it is");
        said.text("m2", "done");
        let (answer, tools) = said.finish();
        let keys: Vec<_> = answer
            .iter()
            .map(|block| (block.message.as_str(), block.index, block.text.as_str()))
            .collect();
        assert_eq!(keys, [("m2", 0, "it is"), ("m2", 1, "done")]);
        assert_eq!(tools, 1);
        assert_eq!(
            said.finish(),
            (vec![], 0),
            "the next turn begins with nothing"
        );
    }

    #[test]
    fn what_stands_before_a_request_is_shown_once() {
        let mut said = Collector::default();
        said.text("m1", "I need to push");
        said.tool_call("m1");
        said.tool_call("m1");
        assert_eq!(said.before_request().len(), 1);
        assert!(said.before_request().is_empty());
    }

    #[test]
    fn what_was_said_so_far_is_no_part_of_the_answer() {
        let mut said = Collector::default();
        said.text("m1", "a build has ended");
        said.tool_call("m1");
        said.text("m1", "its log is short");
        let texts: Vec<_> = said.so_far().into_iter().map(|block| block.text).collect();
        assert_eq!(texts, ["a build has ended", "its log is short"]);
        said.text("m1", "and four is even");
        let (answer, tools) = said.finish();
        let keys: Vec<_> = answer
            .iter()
            .map(|block| (&*block.text, block.index))
            .collect();
        assert_eq!((keys, tools), (vec![("and four is even", 3)], 1));
    }

    #[test]
    fn a_compaction_says_only_what_is_new() {
        let mut said = Collector::default();
        said.command_output("u0", "of a command that is also said");
        said.text_of_cli("m1", "of a command");
        assert_eq!(said.finish().0.len(), 1);
        said.compacted();
        said.text_of_cli("m2", "of a command");
        said.command_output("u1", "Compacted");
        said.text("m3", "and the answer");
        let (answer, _) = said.finish();
        let texts: Vec<_> = answer.iter().map(|block| block.text.as_str()).collect();
        assert_eq!(texts, ["Compacted", "and the answer"]);
        said.text_of_cli("m4", "in the next turn");
        assert_eq!(said.finish().0.len(), 1);
    }

    #[test]
    fn targets_are_one_short_line() {
        let target_of = |json: &str| target(&serde_json::from_str(json).unwrap());
        assert_eq!(
            target_of(r#"{"command":"ls -l\nrm x","description":"d"}"#),
            "ls -l…"
        );
        assert_eq!(target_of(r#"{"file_path":"/a/b"}"#), "/a/b");
        assert_eq!(target_of(r#"{"other":1}"#), "");
        assert_eq!(
            target_of(&format!(r#"{{"url":"{}"}}"#, "ä".repeat(200)))
                .chars()
                .count(),
            TARGET_MAX + 1
        );
    }
}
