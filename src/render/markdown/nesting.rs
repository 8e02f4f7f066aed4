//! How much work the block structure of a document would be for the parser.
//!
//! The parser looks at every open list and quotation on each line, so its time is depth times lines. Depth cannot be
//! limited in the parser; a document that is both long and absurdly deep is told apart here, before it is parsed.

/// The most steps, lists and quotations times lines, that a document may cost. A few tenths of a second on a small
/// host; the longest answers stay below a hundredth of it.
const STEPS_MAX: usize = 50_000_000;

/// True if the parser should not see `source`: it is shown as plain text.
pub(super) fn is_too_deep(source: &str) -> bool {
    let (mut depth, mut lines) = (0, 0);
    for line in source.lines() {
        depth = depth.max(depth_of(line));
        lines += 1;
    }
    depth.saturating_mul(lines) > STEPS_MAX
}

/// Returns how many lists and quotations may be open on `line` at most: its markers, and one list for each two columns
/// of indentation.
fn depth_of(line: &str) -> usize {
    let (mut markers, mut blanks) = (0, 0);
    let mut rest = line.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match first {
            b' ' => blanks += 1,
            b'\t' => blanks += 4,
            b'>' => markers += 1,
            b'-' | b'*' | b'+' if matches!(after, [] | [b' ' | b'\t', ..]) => markers += 1,
            b'0'..=b'9' => {
                let digits = after.iter().take_while(|b| b.is_ascii_digit()).count();
                let [b'.' | b')', behind @ ..] = &after[digits..] else {
                    break;
                };
                markers += 1;
                rest = behind;
            }
            _ => break,
        }
    }
    // A list has an item in it, and each counts.
    2 * markers + blanks
}
