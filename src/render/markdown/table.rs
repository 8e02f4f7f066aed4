//! Tables: aligned in a monospaced block if they are narrow enough for it, else a record for each row.

use pulldown_cmark::Alignment;

use super::super::split::{Draft, Mark, columns};
use super::writer::{Gap, Inline, Writer};
use crate::chat::Style;

/// The widest table that is shown aligned, in columns of text. A phone breaks the lines of a wider one.
const COLUMNS_MAX: usize = 60;

/// Between two columns.
const GUTTER: &str = "  ";

/// A table that is being read.
pub(super) struct Table {
    alignments: Vec<Alignment>,
    /// The cells; the first row is the header, which every table has.
    pub(super) rows: Vec<Vec<Draft>>,
    /// Where the last cell ends in the source.
    pub(super) end_of_cell: usize,
}

impl Table {
    pub(super) fn new(alignments: Vec<Alignment>) -> Table {
        Table {
            alignments,
            rows: Vec::new(),
            end_of_cell: 0,
        }
    }

    /// Adds a cell to the last row.
    pub(super) fn add(&mut self, cell: Draft) {
        if let Some(row) = self.rows.last_mut() {
            row.push(cell);
        }
    }

    /// Adds what the source has behind the last cell that has a column. Markdown drops it; it is mostly a cell with a
    /// pipe inside code, which Markdown takes for a border, so it goes on in the last cell.
    pub(super) fn add_excess(&mut self, source: &str) {
        let excess = source.trim().trim_matches('|').trim();
        if let Some(cell) = self.rows.last_mut().and_then(|row| row.last_mut())
            && !excess.is_empty()
        {
            cell.text.push_str(" | ");
            cell.text.push_str(excess);
        }
    }

    pub(super) fn write(self, writer: &mut Writer) {
        match self.aligned() {
            Some(text) => writer.code_block("", &text),
            None => self.write_records(writer),
        }
    }

    /// Returns the table as lines of text, if they are narrow enough.
    fn aligned(&self) -> Option<String> {
        let rows: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(plain).collect())
            .collect();
        let mut widths = vec![0; self.alignments.len()];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(width_of(cell));
            }
        }
        let gutters = GUTTER.len() * widths.len().saturating_sub(1);
        if widths.iter().sum::<usize>() + gutters > COLUMNS_MAX {
            return None;
        }
        let mut lines: Vec<String> = rows.iter().map(|row| self.line(row, &widths)).collect();
        if lines.len() > 1 {
            let rules: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
            lines.insert(1, rules.join(GUTTER));
        }
        Some(lines.join("\n"))
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for ((cell, width), alignment) in row.iter().zip(widths).zip(&self.alignments) {
            let room = width.saturating_sub(width_of(cell));
            let left = match alignment {
                Alignment::None | Alignment::Left => 0,
                Alignment::Center => room / 2,
                Alignment::Right => room,
            };
            line.push_str(&" ".repeat(left));
            line.push_str(cell);
            line.push_str(&" ".repeat(room - left));
            line.push_str(GUTTER);
        }
        line.trim_end().to_owned()
    }

    /// Writes each row as lines of "**Header**: value".
    fn write_records(self, writer: &mut Writer) {
        let mut rows = self.rows.into_iter();
        let headers: Vec<String> = rows.next().unwrap_or_default().iter().map(plain).collect();
        writer.gap(Gap::Blank);
        if rows.len() == 0 {
            for header in &headers {
                write_header(writer, header);
                writer.gap(Gap::Line);
            }
        }
        for row in rows {
            for (header, cell) in headers.iter().zip(row) {
                if header.is_empty() && cell.text.is_empty() {
                    continue;
                }
                write_header(writer, header);
                if !header.is_empty() {
                    writer.text(if cell.text.is_empty() { ":" } else { ": " });
                }
                writer.cell(cell);
                writer.gap(Gap::Line);
            }
            writer.gap(Gap::Blank);
        }
        writer.gap(Gap::Blank);
    }
}

fn write_header(writer: &mut Writer, header: &str) {
    writer.open(Inline::Bold);
    writer.text(header);
    writer.close(Inline::Bold);
}

/// Returns the text of a cell, with the targets of its links.
fn plain(cell: &Draft) -> String {
    let mut text = String::new();
    let mut copied = 0;
    for Mark { range, style } in &cell.marks {
        if let Style::Link { url } = style
            && cell.text[range.clone()] != *url
        {
            text.push_str(&cell.text[copied..range.end]);
            text.push_str(&format!(" ({url})"));
            copied = range.end;
        }
    }
    text.push_str(&cell.text[copied..]);
    text
}

fn width_of(text: &str) -> usize {
    text.chars().map(columns).sum()
}
