//! Writes a document down as text with marks: line breaks, indentation, list markers, which styles are open.
//!
//! It knows what the text looks like in a chat, but neither the parser nor the size of a message. No call nests: what
//! is open is counted or on a stack of ours, so that the depth of a document costs no stack.

use std::mem;
use std::ops::Range;

use super::super::split::{Draft, Mark, expand_tabs, is_blank};
use super::link::{is_linkable, names};
use crate::chat::Style;

/// One level of indentation. No-break spaces, because the server trims others; three are about as wide as a bullet.
const INDENT: &str = "\u{a0}\u{a0}\u{a0}";

/// Deeper lists are shown at this depth: a phone has no room for more.
const INDENT_LEVELS_MAX: usize = 6;

const BULLET: &str = "• ";
const TODO: &str = "☐ ";
const DONE: &str = "☑ ";

/// What separates a block from the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    #[default]
    None,
    /// A new line.
    Line,
    /// An empty line.
    Blank,
}

/// The styles that nest and overlap freely.
#[derive(Clone, Copy, Debug)]
pub(super) enum Inline {
    Bold,
    Italic,
    Strikethrough,
}

impl Inline {
    const ALL: [Inline; 3] = [Inline::Bold, Inline::Italic, Inline::Strikethrough];

    fn style(self) -> Style {
        match self {
            Inline::Bold => Style::Bold,
            Inline::Italic => Style::Italic,
            Inline::Strikethrough => Style::Strikethrough,
        }
    }
}

/// A style that is open any number of times, as `***a** b*` may do, but is one mark.
#[derive(Debug, Default)]
struct Open {
    depth: usize,
    /// Where it begins; None until something is written in it, so that no mark is empty or begins with a line break.
    start: Option<usize>,
}

/// A link or image whose label is being written.
#[derive(Debug)]
struct Link {
    target: String,
    linkable: bool,
    start: Option<usize>,
}

#[derive(Debug)]
struct List {
    /// The number of the next item; None for bullets.
    next: Option<u64>,
}

/// What is put aside while a cell of a table is written.
#[derive(Debug)]
struct Outside {
    draft: Draft,
    line: Line,
    quote: Open,
}

/// The state of the current line.
#[derive(Debug, Default)]
struct Line {
    /// What must come before the next text.
    gap: Gap,
    /// True if nothing has been written on the line.
    begun: bool,
    /// The markers of items that have no text yet, `• ` or `1. `.
    marker: String,
    /// How deep the first of those items is.
    marker_level: usize,
    /// True if the last thing written was a code block.
    after_code: bool,
}

/// Writes text and marks, in the order of the document.
#[derive(Debug, Default)]
pub(super) struct Writer {
    draft: Draft,
    line: Line,
    lists: Vec<List>,
    quote: Open,
    /// How many lists were open where the quotation begins: it is a box, which is not indented.
    lists_around_quote: usize,
    inline: [Open; 3],
    links: Vec<Link>,
    outside: Option<Outside>,
}

impl Writer {
    pub(super) fn finish(self) -> Draft {
        self.draft
    }

    /// Asks for a gap before what is written next; the widest asked for is made.
    pub(super) fn gap(&mut self, gap: Gap) {
        // Between a marker and its text there is none.
        if self.line.marker.is_empty() {
            self.line.gap = self.line.gap.max(gap);
        }
    }

    /// Lets no empty line come before what is written next.
    pub(super) fn narrow_gap(&mut self) {
        self.line.gap = self.line.gap.min(Gap::Line);
    }

    /// Writes text in the open styles. Line breaks are kept, tabs become spaces.
    pub(super) fn text(&mut self, text: &str) {
        for (i, line) in text.split('\n').enumerate() {
            if i > 0 {
                self.break_line();
            }
            if !line.is_empty() {
                self.begin();
                self.open_marks();
                match line.contains('\t') {
                    true => self.draft.text.push_str(&line.replace('\t', " ")),
                    false => self.draft.text.push_str(line),
                }
            }
        }
    }

    /// Writes inline code. It excludes other styles, so those end before it and go on behind; in the label of a link
    /// the link is worth more.
    pub(super) fn code(&mut self, code: &str) {
        if self.links.iter().any(|link| link.linkable) {
            return self.text(code);
        }
        self.begin();
        for inline in Inline::ALL {
            self.close_mark(inline);
        }
        let start = self.draft.text.len();
        for link in &mut self.links {
            link.start.get_or_insert(start);
        }
        self.draft.text.push_str(&code.replace(['\t', '\n'], " "));
        self.mark(start..self.draft.text.len(), Style::Code);
    }

    /// Writes a block of code, or nothing if it is blank.
    pub(super) fn code_block(&mut self, language: &str, code: &str) {
        let code = expand_tabs(code);
        let code = code.trim_end();
        let indented = code.len() - code.trim_start().len();
        let blank_lines = code[..indented]
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
        let code = &code[blank_lines..];
        if code.is_empty() {
            return;
        }
        self.write_lone_marker();
        self.end_quote();
        // A block of code is a box: it needs no empty line around it, but one between two.
        self.line.gap = match self.line.after_code {
            true => Gap::Blank,
            false => Gap::Line,
        };
        self.make_gap();
        let start = self.draft.text.len();
        self.draft.text.push_str(code);
        let language = language.to_owned();
        self.mark(start..self.draft.text.len(), Style::Pre { language });
        self.line.begun = true;
        self.line.after_code = true;
        self.gap(Gap::Line);
    }

    /// Opens a style.
    pub(super) fn open(&mut self, inline: Inline) {
        self.inline[inline as usize].depth += 1;
    }

    /// Closes a style.
    pub(super) fn close(&mut self, inline: Inline) {
        let open = &mut self.inline[inline as usize];
        open.depth = open.depth.saturating_sub(1);
        if open.depth == 0 {
            self.close_mark(inline);
        }
    }

    /// Opens a quotation; one inside another is the same to Telegram.
    pub(super) fn open_quote(&mut self) {
        self.write_lone_marker();
        self.gap(Gap::Line);
        if self.quote.depth == 0 {
            self.lists_around_quote = self.lists.len();
        }
        self.quote.depth += 1;
    }

    /// Closes a quotation.
    pub(super) fn close_quote(&mut self) {
        self.quote.depth = self.quote.depth.saturating_sub(1);
        if self.quote.depth == 0 {
            self.end_quote();
            self.lists_around_quote = 0;
        }
        self.gap(Gap::Blank);
    }

    /// Opens a list; `first` is the number of its first item, None for bullets.
    pub(super) fn open_list(&mut self, first: Option<u64>) {
        self.lists.push(List { next: first });
    }

    /// Closes a list.
    pub(super) fn close_list(&mut self) {
        self.lists.pop();
        self.gap(match self.lists.is_empty() {
            true => Gap::Blank,
            false => Gap::Line,
        });
    }

    /// Opens an item, which `source` begins with.
    ///
    /// Markdown counts from the first number, whatever the others are. Here a number that was left out stays out: what
    /// was meant as "step 4" must not become 3. A number that was repeated is counted on, as Markdown wants it.
    pub(super) fn open_item(&mut self, source: &str) {
        self.gap(Gap::Line);
        if self.line.marker.is_empty() {
            self.line.marker_level = self.level().saturating_sub(1);
        }
        let next = self.lists.last_mut().and_then(|list| list.next.as_mut());
        match next {
            None => self.line.marker.push_str(BULLET),
            Some(next) => {
                let source = source.trim_start();
                let digits = source.len()
                    - source
                        .trim_start_matches(|c: char| c.is_ascii_digit())
                        .len();
                let number = source[..digits].parse().unwrap_or(*next).max(*next);
                *next = number.saturating_add(1);
                self.line.marker.push_str(&format!("{number}. "));
            }
        }
    }

    /// Makes the item that was just opened a task.
    pub(super) fn task(&mut self, done: bool) {
        let marker = &mut self.line.marker;
        if marker.ends_with(BULLET) {
            marker.truncate(marker.len() - BULLET.len());
        }
        marker.push_str(if done { DONE } else { TODO });
    }

    /// Closes an item; one without text is only its marker.
    pub(super) fn close_item(&mut self) {
        self.write_lone_marker();
        self.gap(Gap::Line);
    }

    /// Opens a link; its label follows.
    pub(super) fn open_link(&mut self, target: &str) {
        self.links.push(Link {
            target: target.to_owned(),
            linkable: is_linkable(target),
            start: None,
        });
    }

    /// Opens an image; its description follows. A chat cannot show it between text.
    pub(super) fn open_image(&mut self, target: &str) {
        self.links.push(Link {
            target: target.to_owned(),
            linkable: false,
            start: None,
        });
    }

    /// Closes the link or image that was opened last.
    pub(super) fn close_link(&mut self) {
        let Some(link) = self.links.last() else {
            return;
        };
        let label = link.start.map_or("", |start| &self.draft.text[start..]);
        let target = link.target.clone();
        if label.chars().all(is_blank) {
            self.text(&target);
        } else if !link.linkable && !target.is_empty() && !names(label, &target) {
            self.text(&format!(" ({target})"));
        }
        if let Some(link) = self.links.pop()
            && link.linkable
            && let Some(start) = link.start
        {
            self.mark(
                start..self.draft.text.len(),
                Style::Link { url: link.target },
            );
        }
    }

    /// Turns to a cell of a table; what is written goes there.
    pub(super) fn open_cell(&mut self) {
        let line = Line {
            begun: true,
            ..Line::default()
        };
        self.outside = Some(Outside {
            draft: mem::take(&mut self.draft),
            line: mem::replace(&mut self.line, line),
            quote: mem::take(&mut self.quote),
        });
    }

    /// Returns what was written into the cell, and turns back.
    pub(super) fn close_cell(&mut self) -> Draft {
        let Some(outside) = self.outside.take() else {
            return Draft::default();
        };
        self.line = outside.line;
        self.quote = outside.quote;
        mem::replace(&mut self.draft, outside.draft)
    }

    /// Writes a cell that was put aside.
    pub(super) fn cell(&mut self, cell: Draft) {
        self.begin();
        self.open_marks();
        let start = self.draft.text.len();
        self.draft.text.push_str(&cell.text);
        for Mark { range, style } in cell.marks {
            self.mark(start + range.start..start + range.end, style);
        }
    }

    /// Makes the place ready for text: the gap, the indentation, the marker.
    fn begin(&mut self) {
        self.make_gap();
        if !self.line.begun {
            self.line.begun = true;
            if self.quote.depth > 0 && self.quote.start.is_none() {
                self.quote.start = Some(self.draft.text.len());
            }
            let level = match self.line.marker.is_empty() {
                true => self.level(),
                false => self.line.marker_level,
            };
            let indent = INDENT.repeat(level.min(INDENT_LEVELS_MAX));
            self.draft.text.push_str(&indent);
            self.draft.text.push_str(&self.line.marker);
            self.line.marker.clear();
        }
    }

    /// Writes the marker of an item whose text is not on its line.
    fn write_lone_marker(&mut self) {
        if !self.line.marker.is_empty() {
            self.begin();
            self.draft.text.truncate(self.draft.text.trim_end().len());
        }
    }

    /// Returns how deep the lists are, inside the quotation if there is one.
    fn level(&self) -> usize {
        self.lists.len().saturating_sub(self.lists_around_quote)
    }

    fn make_gap(&mut self) {
        let gap = mem::take(&mut self.line.gap);
        if gap == Gap::None {
            return;
        }
        self.line.begun = false;
        self.line.after_code = false;
        if !self.draft.text.is_empty() {
            self.draft.text.push_str(match gap {
                Gap::Blank => "\n\n",
                _ => "\n",
            });
        }
    }

    /// Goes to a new line inside a block.
    fn break_line(&mut self) {
        self.begin();
        self.draft.text.push('\n');
        self.line.begun = false;
    }

    /// Lets what is open begin here, if it has not begun.
    fn open_marks(&mut self) {
        let here = self.draft.text.len();
        for open in &mut self.inline {
            if open.depth > 0 {
                open.start.get_or_insert(here);
            }
        }
        for link in &mut self.links {
            link.start.get_or_insert(here);
        }
    }

    /// Ends the mark of a style here; if the style is still open, another one begins with the next text.
    fn close_mark(&mut self, inline: Inline) {
        if let Some(start) = self.inline[inline as usize].start.take() {
            self.mark(start..self.draft.text.len(), inline.style());
        }
    }

    fn end_quote(&mut self) {
        if let Some(start) = self.quote.start.take() {
            self.mark(start..self.draft.text.len(), Style::Quote);
        }
    }

    fn mark(&mut self, range: Range<usize>, style: Style) {
        if !range.is_empty() {
            self.draft.marks.push(Mark { range, style });
        }
    }
}
