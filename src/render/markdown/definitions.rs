//! Link definitions (`[label]: target`), which Markdown does not show.
//!
//! A line such as `[ERROR]: timeout` is one, too, and a chat must not swallow it. A definition that some link uses is
//! visible through that link; every other one is shown as it was written. The parser does not report definitions as
//! events, so they are found as what is left between the events.

use std::collections::HashSet;

use pulldown_cmark::{Event, Tag};

/// Knows which labels are used and how far the source has been shown.
pub(super) struct Definitions {
    /// The labels of links that have their target elsewhere, and whose definition has not come yet.
    used: HashSet<String>,
    /// False if the document has no definition at all, which is the rule.
    any: bool,
    /// Up to here, in bytes, the source has been shown or holds only markup.
    shown: usize,
}

impl Definitions {
    pub(super) fn new(source: &str) -> Definitions {
        let parser = super::parser(source);
        let any = parser.reference_definitions().iter().next().is_some();
        let mut used = HashSet::new();
        if any {
            for event in parser {
                if let Event::Start(Tag::Link { id, .. } | Tag::Image { id, .. }) = event {
                    used.insert(normalized(&id));
                }
            }
        }
        Definitions {
            used,
            any,
            shown: 0,
        }
    }

    /// Takes note that the source is shown up to `end`.
    pub(super) fn cover(&mut self, end: usize) {
        self.shown = self.shown.max(end);
    }

    /// Returns the definitions between what is shown and `end` that no link uses, as they were written.
    pub(super) fn unused_before(&mut self, source: &str, end: usize) -> Vec<String> {
        if !self.any || end <= self.shown {
            return Vec::new();
        }
        let gap = &source[self.shown..end];
        let Some(first) = gap.find('[').filter(|_| gap.contains("]:")) else {
            return Vec::new();
        };
        self.shown = end;
        let mut found: Vec<String> = Vec::new();
        for line in gap[first..].lines() {
            // A quotation repeats its sign on each line.
            let line = line.trim_start_matches(['>', ' ', '\t']).trim_end();
            match found.last_mut() {
                _ if line.is_empty() => {}
                // A title, or a target on a line of its own.
                Some(last) if !line.starts_with('[') => {
                    last.push('\n');
                    last.push_str(line);
                }
                _ => found.push(line.to_owned()),
            }
        }
        found.retain(|definition| {
            let label = definition
                .split_once("]:")
                .map_or("", |(label, _)| label.trim_start_matches('['));
            // Only the first definition of a label counts.
            !self.used.remove(&normalized(label))
        });
        found
    }
}

/// Labels are compared without regard to case and white space.
fn normalized(label: &str) -> String {
    let words: Vec<&str> = label.split_whitespace().collect();
    words.join(" ").to_lowercase()
}
