//! Cuts text into messages: places that do not hurt, marks that stay right, nothing lost at a border.
//!
//! It knows the sizes of a message and what the Bot API server does to text, but no Markdown. What the server does is
//! taken from TDLib (`MessageEntity.cpp`, `misc.cpp`), on which the server is built; there is no other description.

mod characters;
#[cfg(test)]
pub(super) mod tests;

use std::cmp::Reverse;
use std::mem;
use std::ops::Range;

use crate::chat::{Formatted, Span, Style, utf16_len};

use characters::is_glued;
pub(super) use characters::{clean, columns, expand_tabs, is_blank};

/// The most UTF-16 units in one part. Telegram's limit is 4,096; the rest is room for what a caller adds.
pub const PART_MAX: usize = 4_000;

/// The most spans in one part; Telegram drops what is beyond, without an error.
pub const SPANS_MAX: usize = 100;

const _: () = assert!(PART_MAX < 4_096 && SPANS_MAX <= 100);

/// A no-break space: the server leaves it alone where it would take a space away.
const NO_BREAK_SPACE: char = '\u{a0}';

/// Text with marks over it, before it is cut.
///
/// A [`Style::Pre`] begins at the beginning of a line, with a line that is not blank; its end is the end of a line.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub text: String,
    pub marks: Vec<Mark>,
}

/// A stretch of a draft with one style; the range is in bytes.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub range: Range<usize>,
    pub style: Style,
}

impl Mark {
    fn is_code_block(&self) -> bool {
        matches!(self.style, Style::Pre { .. })
    }
}

/// Returns `text`, which is not Markdown, as messages: at most [`PART_MAX`] units each, none of them blank.
pub fn plain_parts(text: &str) -> Vec<Formatted> {
    split(Draft {
        text: expand_tabs(&clean(text)),
        marks: Vec::new(),
    })
}

/// Returns the text of `part` for a server that refused its spans.
///
/// The target of a link is visible only through its span, so it is written after the label. This may make the text
/// too long for one message, hence the list.
pub fn without_spans(part: &Formatted) -> Vec<Formatted> {
    let mut links = part
        .spans
        .iter()
        .filter_map(|span| match &span.style {
            Style::Link { url } => Some((span.offset + span.length, url)),
            _ => None,
        })
        .peekable();
    let mut text = String::with_capacity(part.text.len());
    let mut units = 0;
    for c in part.text.chars() {
        text.push(c);
        units += c.len_utf16();
        while let Some((_, url)) = links.next_if(|(end, _)| *end <= units) {
            if !text.ends_with(url.as_str()) {
                text.push_str(&format!(" ({url})"));
            }
        }
    }
    split(Draft {
        text,
        marks: Vec::new(),
    })
}

/// Returns `part` in parts of at most half its size, for a server that finds it too long. One part, or none, where it
/// cannot be cut.
pub fn halves(part: &Formatted) -> Vec<Formatted> {
    let marks = part.spans.iter().map(|span| {
        let start = byte_of_unit(&part.text, span.offset);
        let end = byte_of_unit(&part.text, span.offset + span.length);
        Mark {
            range: start..end,
            style: span.style.clone(),
        }
    });
    let draft = Draft {
        text: part.text.clone(),
        marks: marks.collect(),
    };
    split_to(draft, utf16_len(&part.text) / 2)
}

/// Cuts a draft into messages.
pub(super) fn split(draft: Draft) -> Vec<Formatted> {
    split_to(draft, PART_MAX)
}

/// Cuts a draft into messages of at most `max` units.
fn split_to(mut draft: Draft, max: usize) -> Vec<Formatted> {
    sort(&mut draft.marks);
    let mut cutter = Cutter {
        max,
        text: &draft.text,
        marks: &draft.marks,
        carried: Vec::new(),
        blocks: draft
            .marks
            .iter()
            .filter(|mark| mark.is_code_block())
            .map(|mark| mark.range.clone())
            .collect(),
        passed: 0,
    };
    let mut parts = Vec::new();
    let mut start = cutter.start_of_part(0);
    while start < draft.text.len() {
        let end = cutter.end_of_part(start);
        parts.extend(cutter.take(start..end));
        start = cutter.start_of_part(end);
    }
    parts
}

/// Brings marks into Telegram's order: by offset, and of two at one place the longer first. A quotation is around what
/// is in it.
fn sort(marks: &mut [Mark]) {
    marks.sort_by_key(|mark| {
        let inside = mark.style != Style::Quote;
        (mark.range.start, Reverse(mark.range.end), inside)
    });
}

/// Walks over a draft, part by part. Positions are bytes and only grow, so that the whole walk is linear.
struct Cutter<'a> {
    /// The most UTF-16 units in one part.
    max: usize,
    text: &'a str,
    /// The marks that no part has reached yet, sorted.
    marks: &'a [Mark],
    /// Marks that the last border cut in two.
    carried: Vec<Mark>,
    /// The ranges of the code blocks, in order.
    blocks: Vec<Range<usize>>,
    /// How many code blocks end before the current part.
    passed: usize,
}

impl Cutter<'_> {
    /// Returns where the first part that ends not before `from` begins: at the next visible character, but at the
    /// beginning of its line if that is a line of code, because the indentation of code is a part of it.
    fn start_of_part(&mut self, from: usize) -> usize {
        let text = self.text;
        let rest = &text[from..];
        let visible = from + (rest.len() - rest.trim_start().len());
        while self
            .blocks
            .get(self.passed)
            .is_some_and(|b| b.end <= visible)
        {
            self.passed += 1;
        }
        let in_code = self
            .blocks
            .get(self.passed)
            .is_some_and(|block| block.start <= visible);
        if !in_code {
            return visible;
        }
        // Not looking further back than `from` keeps a long line from being searched for each of its parts.
        let back = from.saturating_sub(1);
        match text.as_bytes()[back..visible]
            .iter()
            .rposition(|b| *b == b'\n')
        {
            Some(newline) => back + newline + 1,
            None if from == 0 => 0,
            // A line that was cut has no indentation left to keep.
            None => visible,
        }
    }

    /// Returns where the part that begins at `start` ends; always after `start`.
    fn end_of_part(&self, start: usize) -> usize {
        let reach = self.reach(start);
        if reach == self.text.len() {
            return reach;
        }
        let limit = self.before_code(start, reach).unwrap_or(reach);
        // A part that ends at a good place is at least a third of what it could be, if there is any other place.
        let full = limit.min(start + (reach - start) / 3);
        let places = self.places(start, limit).by_preference();
        let good = places.iter().flatten().find(|place| **place >= full);
        let any = places.iter().flatten().next();
        match good.or(any) {
            Some(place) => *place,
            None => self.between_characters(start, limit),
        }
    }

    /// Returns how far a part from `start` can reach: `max` units, but one character, and [`SPANS_MAX`] spans.
    fn reach(&self, start: usize) -> usize {
        let first = self.text[start..].chars().next().map_or(0, char::len_utf8);
        let reach = start + byte_of_unit(&self.text[start..], self.max).max(first);
        let room = SPANS_MAX.saturating_sub(self.carried.len());
        match self.marks.get(room) {
            Some(beyond) if beyond.range.start > start => reach.min(beyond.range.start),
            _ => reach,
        }
    }

    /// Returns the end of the text before a code block that would be broken at `reach` and need not be: it fits into
    /// a part of its own, or it would only begin in the second half of this one.
    fn before_code(&self, start: usize, reach: usize) -> Option<usize> {
        let block = self.blocks[self.passed..]
            .iter()
            .take_while(|block| block.start < reach)
            .find(|block| reach < block.end)
            .filter(|block| block.start > start)?;
        let code = &self.text[block.clone()];
        let before = &self.text[start..block.start];
        let fits = byte_of_unit(code, self.max) == code.len();
        let late = byte_of_unit(before, self.max / 2) < before.len();
        (fits || late).then(|| start + before.trim_end().len())
    }

    /// Finds the last place of each kind after `start` and up to `limit`.
    fn places(&self, start: usize, limit: usize) -> Places {
        let mut places = Places::default();
        let mut blocks = self.blocks[self.passed..].iter().peekable();
        // The character at `limit` belongs to the next part, but the place before it is ours.
        let after = self.text[limit..].chars().next().map_or(0, char::len_utf8);
        let mut before = '\n';
        for (offset, c) in self.text[start..limit + after].char_indices() {
            let at = start + offset;
            // White space at the beginning of a line is no place to end one.
            if c.is_whitespace() && before != '\n' {
                while blocks.next_if(|block| block.end <= at).is_some() {}
                let in_code = blocks.peek().is_some_and(|block| block.start < at);
                places.note(at, c, in_code, &self.text[at + c.len_utf8()..]);
            }
            before = c;
        }
        places
    }

    /// Returns the last place up to `limit` that does not part what is drawn as one character, else `limit`.
    fn between_characters(&self, start: usize, limit: usize) -> usize {
        (start + 1..=limit)
            .rev()
            .filter(|at| self.text.is_char_boundary(*at))
            .find(|at| !is_glued(&self.text[start..*at], &self.text[*at..]))
            .unwrap_or(limit)
    }

    /// Makes a part of the range, and keeps what is left of its marks for the next. None if nothing is visible in it.
    fn take(&mut self, range: Range<usize>) -> Option<Formatted> {
        let text = self.text[range.clone()].trim_end();
        let mut marks = mem::take(&mut self.carried);
        let reached = self
            .marks
            .partition_point(|mark| mark.range.start < range.end);
        marks.extend_from_slice(&self.marks[..reached]);
        self.marks = &self.marks[reached..];
        for mark in &marks {
            if mark.range.end > range.end {
                self.carried.push(mark.clone());
            }
        }
        if text.chars().all(is_blank) {
            return None;
        }
        marks.retain_mut(|mark| {
            mark.range = clip(text, range.start, mark);
            !mark.range.is_empty()
        });
        sort(&mut marks);
        marks.truncate(SPANS_MAX);
        Some(formatted(text, marks))
    }
}

/// The last place of each kind in a stretch of text: there a part can end before white space, which is dropped.
#[derive(Default)]
struct Places {
    /// Before an empty line, outside code.
    block: Option<usize>,
    /// At the end of a line, outside code.
    line: Option<usize>,
    /// Inside code, before a line that is not indented.
    code_outdented: Option<usize>,
    /// Inside code, at the end of a line.
    code_line: Option<usize>,
    /// Between two words.
    word: Option<usize>,
}

impl Places {
    /// Takes note of the white space `c` at `at`, with `after` behind it.
    fn note(&mut self, at: usize, c: char, in_code: bool, after: &str) {
        match c {
            '\n' if in_code => {
                self.code_line = Some(at);
                let next_line = after.trim_start_matches('\n');
                if !next_line.starts_with(char::is_whitespace) {
                    self.code_outdented = Some(at);
                }
            }
            '\n' => {
                self.line = Some(at);
                if after.starts_with('\n') {
                    self.block = Some(at);
                }
            }
            NO_BREAK_SPACE | '\u{2007}' | '\u{202f}' => {}
            _ => self.word = Some(at),
        }
    }

    /// Returns the places, the best kind first.
    fn by_preference(&self) -> [Option<usize>; 5] {
        [
            self.block,
            self.line,
            self.code_outdented,
            self.code_line,
            self.word,
        ]
    }
}

/// Returns the range of `mark` inside the part `text` that begins at `start`, without white space at its ends: the
/// server moves the beginning of a span behind white space, and drops a span that has nothing else. The indentation
/// of code stays; [`formatted`] protects it.
fn clip(text: &str, start: usize, mark: &Mark) -> Range<usize> {
    let from = mark.range.start.saturating_sub(start);
    let to = mark.range.end.saturating_sub(start).min(text.len());
    if from >= to {
        return 0..0;
    }
    let marked = text[from..to].trim_end_matches([' ', '\n']);
    let to = from + marked.len();
    if mark.is_code_block() {
        return from..to;
    }
    to - marked.trim_start_matches([' ', '\n']).len()..to
}

/// Makes a message of `text` and its sorted marks, which are inside it.
///
/// A code block that begins with a space gets a no-break space there. The server would move the block's beginning
/// behind its first spaces (`remove_invalid_entities` in TDLib) and then, at the beginning of a message, trim them:
/// the first line would lose its indentation against the others. The no-break space is as wide and one unit, too.
/// Copied code has one odd character, only where its first line is indented; better than a block that is askew.
fn formatted(text: &str, marks: Vec<Mark>) -> Formatted {
    let mut protected = String::with_capacity(text.len() + 2);
    let mut copied = 0;
    for mark in marks.iter().filter(|mark| mark.is_code_block()) {
        let at = mark.range.start;
        if text[at..].starts_with(' ') {
            protected.push_str(&text[copied..at]);
            protected.push(NO_BREAK_SPACE);
            copied = at + 1;
        }
    }
    protected.push_str(&text[copied..]);

    let units = units_of_bytes(text);
    let spans = marks
        .into_iter()
        .map(|mark| Span {
            offset: units[mark.range.start],
            length: units[mark.range.end] - units[mark.range.start],
            style: mark.style,
        })
        .collect();
    Formatted {
        text: protected,
        spans,
    }
}

/// Returns, for each byte of `text` that begins a character and for its end, how many UTF-16 units are before it.
fn units_of_bytes(text: &str) -> Vec<usize> {
    let mut units = vec![0; text.len() + 1];
    let mut passed = 0;
    for (at, c) in text.char_indices() {
        units[at] = passed;
        passed += c.len_utf16();
    }
    units[text.len()] = passed;
    units
}

/// Returns the byte where the first `max` UTF-16 units of `text` end, before a character that would not fit whole.
fn byte_of_unit(text: &str, max: usize) -> usize {
    let mut units = 0;
    text.char_indices()
        .find(|(_, c)| {
            units += c.len_utf16();
            units > max
        })
        .map_or(text.len(), |(at, _)| at)
}
