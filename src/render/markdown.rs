//! Turns what Claude wrote in Markdown into messages for a chat.
//!
//! One parse, never a regular expression; the events of the parser are written down as text with marks, which
//! [`super::split`] cuts. Everything visible in the Markdown is visible in the messages, in the same order: what a chat
//! cannot show as such (tables, images, links to files, HTML, unused link definitions) becomes plain text.

mod definitions;
mod link;
mod nesting;
#[cfg(test)]
mod promises;
mod table;
#[cfg(test)]
mod tests;
mod writer;

use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::chat::Formatted;

use super::split::{clean, plain_parts, split};
use super::visible::visible;
use definitions::Definitions;
use link::names;
use nesting::is_too_deep;
use table::Table;
use writer::{Gap, Inline, Writer};

/// The longest name of a language, in bytes; a longer one is not a language.
const LANGUAGE_MAX: usize = 30;

/// What a chat shows for a thematic break.
const RULE: &str = "———";

/// Returns `markdown` as messages: at most [`super::split::PART_MAX`] UTF-16 units and
/// [`super::split::SPANS_MAX`] spans each, none of them blank.
///
/// Empty only if nothing is visible in `markdown` itself; Markdown that shows nothing (a lone `#`) is shown as it is.
pub fn parts(markdown: &str) -> Vec<Formatted> {
    let parts = or_plain(markdown, formatted_parts);
    if parts.is_empty() {
        return plain_parts(markdown);
    }
    parts
}

/// Returns what `render` makes of `markdown`, or the plain text if it panics.
///
/// An answer is stored and rendered again after a restart: a flaw in the parser, which has had some, would otherwise
/// end its session again and again.
fn or_plain(markdown: &str, render: fn(&str) -> Vec<Formatted>) -> Vec<Formatted> {
    panic::catch_unwind(AssertUnwindSafe(|| render(markdown)))
        .unwrap_or_else(|_| plain_parts(markdown))
}

/// Whether the messages that `markdown` becomes do not show all that it holds: where a link leads that is called
/// otherwise, the title of a link, what no screen shows. Comments are shown like other HTML.
pub fn hides(markdown: &str) -> bool {
    // What the parser fails at is shown as it is.
    is_hidden(markdown) || panic::catch_unwind(|| has_hidden_links(markdown)).unwrap_or(false)
}

fn has_hidden_links(markdown: &str) -> bool {
    let source = clean(markdown);
    if is_too_deep(&source) {
        return false;
    }
    // The targets of the links and images that are open, each with its label so far.
    let mut links: Vec<(String, String)> = Vec::new();
    for event in parser(&source) {
        match event {
            Event::Start(
                Tag::Link {
                    dest_url, title, ..
                }
                | Tag::Image {
                    dest_url, title, ..
                },
            ) => {
                if !title.is_empty() {
                    return true;
                }
                links.push((dest_url.into_string(), String::new()));
            }
            Event::End(TagEnd::Link | TagEnd::Image) => {
                let closed = links.pop();
                if closed.is_some_and(|(target, label)| !names(&label, &target)) {
                    return true;
                }
            }
            // It may have been written as a name, like `&shy;`.
            Event::Text(text) | Event::Code(text) | Event::InlineHtml(text) => {
                if is_hidden(&text) {
                    return true;
                }
                links
                    .iter_mut()
                    .for_each(|(_, label)| label.push_str(&text));
            }
            _ => {}
        }
    }
    false
}

/// Whether a text holds what no screen shows. A tab is shown well enough where nobody runs the text.
fn is_hidden(text: &str) -> bool {
    let text = text.replace('\t', " ");
    visible(&text) != text
}

fn formatted_parts(markdown: &str) -> Vec<Formatted> {
    let source = clean(markdown);
    if is_too_deep(&source) {
        return plain_parts(markdown);
    }
    let mut document = Document {
        source: &source,
        writer: Writer::default(),
        definitions: Definitions::new(&source),
        code: None,
        table: None,
    };
    for (event, range) in parser(&source).into_offset_iter() {
        document.handle(event, range);
    }
    document.show_definitions(source.len());
    split(document.writer.finish())
}

fn parser(source: &str) -> Parser<'_> {
    let options =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    Parser::new_ext(source, options)
}

/// Follows the parser's events and tells the writer what to write.
struct Document<'a> {
    source: &'a str,
    writer: Writer,
    definitions: Definitions,
    /// The code block that is being read: its info string and what there is of its text.
    code: Option<(String, String)>,
    /// The table that is being read; the writer is in one of its cells between the start and the end of a cell.
    table: Option<Table>,
}

impl Document<'_> {
    fn handle(&mut self, event: Event, range: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, range),
            Event::End(tag) => self.end(tag, range),
            Event::Text(text) => {
                self.cover(&range);
                match &mut self.code {
                    Some((_, code)) => code.push_str(&text),
                    None => self.writer.text(&text),
                }
            }
            Event::Code(code) => {
                self.cover(&range);
                self.writer.code(&code);
            }
            Event::InlineHtml(html) => {
                self.cover(&range);
                self.writer.text(&html);
            }
            Event::Html(html) => {
                self.cover(&range);
                self.writer.gap(Gap::Line);
                self.writer.text(html.trim_end_matches('\n'));
                self.writer.gap(Gap::Line);
            }
            Event::SoftBreak | Event::HardBreak => self.writer.text("\n"),
            Event::Rule => {
                self.cover(&range);
                self.writer.gap(Gap::Blank);
                self.writer.text(RULE);
                self.writer.gap(Gap::Blank);
            }
            Event::TaskListMarker(done) => {
                self.cover(&range);
                self.writer.task(done);
            }
            // Their options are off.
            Event::FootnoteReference(_) | Event::InlineMath(_) | Event::DisplayMath(_) => {}
        }
    }

    fn start(&mut self, tag: Tag, range: Range<usize>) {
        match &tag {
            // These hold other blocks, so their range says nothing about what is shown.
            Tag::BlockQuote(_) | Tag::List(_) | Tag::Item => self.show_definitions(range.start),
            _ => self.cover(&range),
        }
        match tag {
            Tag::Heading { .. } => {
                self.writer.gap(Gap::Blank);
                self.writer.open(Inline::Bold);
            }
            Tag::BlockQuote(_) => self.writer.open_quote(),
            Tag::CodeBlock(kind) => {
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
                self.code = Some((info, String::new()));
            }
            Tag::HtmlBlock => self.writer.gap(Gap::Line),
            Tag::List(first) => {
                // "Results:" and its list belong together if they were written so.
                if !ends_with_blank_line(&self.source[..range.start]) {
                    self.writer.narrow_gap();
                }
                self.writer.open_list(first);
            }
            Tag::Item => self
                .writer
                .open_item(self.source.get(range).unwrap_or_default()),
            Tag::Emphasis => self.writer.open(Inline::Italic),
            Tag::Strong => self.writer.open(Inline::Bold),
            Tag::Strikethrough if self.is_struck(&range) => {
                self.writer.open(Inline::Strikethrough);
            }
            Tag::Strikethrough => self.writer.text("~"),
            Tag::Link { dest_url, .. } => self.writer.open_link(&dest_url),
            Tag::Image { dest_url, .. } => self.writer.open_image(&dest_url),
            Tag::Table(alignments) => self.table = Some(Table::new(alignments)),
            Tag::TableHead | Tag::TableRow => self.table().rows.push(Vec::new()),
            Tag::TableCell => self.writer.open_cell(),
            Tag::Paragraph => {}
            // Their options are off.
            Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => {}
        }
    }

    fn end(&mut self, tag: TagEnd, range: Range<usize>) {
        match tag {
            TagEnd::Paragraph => self.writer.gap(Gap::Blank),
            TagEnd::Heading(_) => {
                self.writer.close(Inline::Bold);
                self.writer.gap(Gap::Line);
            }
            TagEnd::BlockQuote(_) => {
                self.show_definitions(range.end);
                self.writer.close_quote();
            }
            TagEnd::CodeBlock => {
                let (info, code) = self.code.take().unwrap_or_default();
                let (language, rest) = language(&info);
                if !rest.is_empty() {
                    self.writer.gap(Gap::Line);
                    self.writer.text(rest);
                }
                self.writer.code_block(language, &code);
            }
            TagEnd::HtmlBlock => self.writer.gap(Gap::Blank),
            TagEnd::List(_) => {
                self.show_definitions(range.end);
                self.writer.close_list();
            }
            TagEnd::Item => {
                self.show_definitions(range.end);
                self.writer.close_item();
            }
            TagEnd::Emphasis => self.writer.close(Inline::Italic),
            TagEnd::Strong => self.writer.close(Inline::Bold),
            TagEnd::Strikethrough if self.is_struck(&range) => {
                self.writer.close(Inline::Strikethrough);
            }
            TagEnd::Strikethrough => self.writer.text("~"),
            TagEnd::Link | TagEnd::Image => self.writer.close_link(),
            TagEnd::TableCell => {
                let cell = self.writer.close_cell();
                self.table().end_of_cell = range.end;
                self.table().add(cell);
            }
            TagEnd::TableHead | TagEnd::TableRow => {
                let rest = &self.source[self.table().end_of_cell.min(range.end)..range.end];
                self.table().add_excess(rest);
            }
            TagEnd::Table => {
                if let Some(table) = self.table.take() {
                    table.write(&mut self.writer);
                }
            }
            // Their options are off.
            TagEnd::FootnoteDefinition
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::MetadataBlock(_) => {}
        }
    }

    /// True for `~~struck~~`, false for `~one~` tilde, which is mostly a home directory or "about".
    fn is_struck(&self, range: &Range<usize>) -> bool {
        self.source[range.clone()].starts_with("~~")
    }

    fn table(&mut self) -> &mut Table {
        self.table
            .as_mut()
            .expect("the parser has rows and cells only inside a table")
    }

    /// Takes note that what is in `range` is shown, and shows the link definitions before it.
    fn cover(&mut self, range: &Range<usize>) {
        self.show_definitions(range.start);
        self.definitions.cover(range.end);
    }

    /// Shows the link definitions between what was shown last and `end`, as far as no link stands for them.
    fn show_definitions(&mut self, end: usize) {
        for definition in self.definitions.unused_before(self.source, end) {
            self.writer.gap(Gap::Line);
            self.writer.text(&definition);
            self.writer.gap(Gap::Line);
        }
    }
}

/// True if the last line of `source` is empty, but for the signs of a quotation.
fn ends_with_blank_line(source: &str) -> bool {
    let before_line = |text: &str| text.trim_end_matches([' ', '\t', '>']).len();
    let source = &source[..before_line(source)];
    match source.strip_suffix('\n') {
        Some(source) => source[..before_line(source)].ends_with('\n'),
        None => false,
    }
}

/// Splits an info string into the language and the rest, which names a file or the like and is
/// shown on a line of its own.
fn language(info: &str) -> (&str, &str) {
    let info = info.trim();
    let (word, rest) = info.split_once(char::is_whitespace).unwrap_or((info, ""));
    let letter = |c: char| c.is_ascii_alphanumeric() || "+#-._".contains(c);
    // `rust,ignore` and the like: what follows is for a tool.
    let end = word.find(|c| !letter(c)).unwrap_or(word.len());
    match end {
        1..=LANGUAGE_MAX => (&word[..end], rest.trim()),
        _ => ("", info),
    }
}
