//! The promise that everything visible is shown once and in order, on random Markdown.
//!
//! What is visible is said twice, in different ways: by the parser's events, for any text, and by documents that are
//! made together with what they show.

use proptest::prelude::*;
use pulldown_cmark::LinkType;

use super::link::is_linkable;
use super::*;
use crate::chat::Style;
use crate::render::split::tests::{check, seen, visible};

/// What the parts must show, made from the parser's events without marks, breaks and state.
enum Piece {
    Text(String),
    /// The number of an item.
    Number,
    /// A table, aligned or as records.
    Either(String, String),
}

/// Returns the pieces and the targets of the links. None if there are link definitions, which are no events.
fn expected(source: &str) -> Option<(Vec<Piece>, Vec<String>)> {
    let parser = parser(source);
    if parser.reference_definitions().iter().next().is_some() {
        return None;
    }
    let (mut pieces, mut targets) = (Vec::new(), Vec::new());
    let mut out = String::new();
    let mut links: Vec<(String, usize)> = Vec::new();
    let mut lists = Vec::new();
    let mut rows: Vec<Vec<(String, String)>> = Vec::new();
    let mut outer = String::new();
    let mut plain = String::new();
    let mut cell_end = 0;
    let mut fenced = None;
    for (event, range) in parser.into_offset_iter() {
        match event {
            Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
                out.push_str(&text);
                plain.push_str(&text);
                if let Some(code) = &mut fenced {
                    *code = true;
                }
            }
            Event::Rule => out.push_str(RULE),
            Event::TaskListMarker(done) => {
                if out.ends_with('•') {
                    out.pop();
                }
                out.push(if done { '☑' } else { '☐' });
            }
            Event::Start(Tag::List(first)) => lists.push(first),
            Event::End(TagEnd::List(_)) => {
                lists.pop();
            }
            Event::Start(Tag::Item) => match lists.last() {
                Some(Some(_)) => {
                    pieces.push(Piece::Text(std::mem::take(&mut out)));
                    pieces.push(Piece::Number);
                }
                _ => out.push('•'),
            },
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                let info = info.trim();
                let (word, rest) = info.split_once(char::is_whitespace).unwrap_or((info, ""));
                let named = |c: char| c.is_ascii_alphanumeric() || "+#-._".contains(c);
                let language = word.chars().take_while(|c| named(*c)).count();
                out.push_str(if (1..=30).contains(&language) {
                    rest
                } else {
                    info
                });
                fenced = Some(false);
            }
            Event::End(TagEnd::CodeBlock) => fenced = None,
            Event::Start(Tag::Strikethrough) | Event::End(TagEnd::Strikethrough)
                if !source[range.clone()].starts_with("~~") =>
            {
                out.push('~');
                plain.push('~');
            }
            Event::Start(Tag::Link {
                dest_url,
                link_type,
                ..
            }) => {
                assert_ne!(link_type, LinkType::Reference);
                links.push((dest_url.to_string(), out.len()));
            }
            Event::Start(Tag::Image { dest_url, .. }) => {
                links.push((format!("!{dest_url}"), out.len()));
            }
            Event::End(TagEnd::Link | TagEnd::Image) => {
                let (target, start) = links.pop().expect("opened");
                let linkable = is_linkable(&target);
                let target = target.trim_start_matches('!').to_owned();
                let label = out[start..].trim().to_owned();
                let bare = target.strip_prefix("mailto:").unwrap_or(&target);
                if visible(&label).next().is_none() {
                    out.push_str(&target);
                    plain.push_str(&target);
                } else if linkable {
                    if label != target {
                        plain.push_str(&format!("({target})"));
                    }
                } else if label != target && label != bare && !target.is_empty() {
                    out.push_str(&format!("({target})"));
                    plain.push_str(&format!("({target})"));
                }
                if linkable {
                    targets.push(target);
                }
            }
            Event::Start(Tag::Table(_)) => {
                outer = std::mem::take(&mut out);
                rows.clear();
            }
            Event::Start(Tag::TableHead | Tag::TableRow) => rows.push(Vec::new()),
            Event::Start(Tag::TableCell) => {
                out.clear();
                plain.clear();
            }
            Event::End(TagEnd::TableCell) => {
                cell_end = range.end;
                let cell = (std::mem::take(&mut out), std::mem::take(&mut plain));
                rows.last_mut().expect("in a row").push(cell);
            }
            Event::End(TagEnd::TableHead | TagEnd::TableRow) => {
                let excess = source[cell_end.min(range.end)..range.end].trim();
                let excess = excess.trim_matches('|').trim();
                if let Some((rich, plain)) = rows.last_mut().and_then(|row| row.last_mut())
                    && !excess.is_empty()
                {
                    rich.push_str(&format!("|{excess}"));
                    plain.push_str(&format!("|{excess}"));
                }
            }
            Event::End(TagEnd::Table) => {
                pieces.push(Piece::Text(std::mem::take(&mut outer)));
                let aligned: String = rows
                    .iter()
                    .flatten()
                    .map(|(_, plain)| plain.as_str())
                    .collect();
                let mut records = String::new();
                if rows.len() == 1 {
                    // A header alone looks the same in both forms.
                    records.clone_from(&aligned);
                }
                for row in &rows[1..] {
                    for ((_, header), (cell, _)) in rows[0].iter().zip(row) {
                        let colon = if header.is_empty() { "" } else { ":" };
                        records.push_str(&format!("{header}{colon}{cell}"));
                    }
                }
                pieces.push(Piece::Either(aligned, records));
            }
            _ => {}
        }
    }
    pieces.push(Piece::Text(out));
    Some((pieces, targets))
}

/// Asserts that `seen` is what `pieces` say, each character once and in order.
fn check_seen(seen: &str, pieces: &[Piece]) -> Result<(), TestCaseError> {
    let mut rest = seen;
    let without = |text: &str| visible(text).collect::<String>();
    for piece in pieces {
        let stripped = match piece {
            Piece::Text(text) => rest.strip_prefix(without(text).as_str()),
            Piece::Number => {
                let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
                after.strip_prefix('.').filter(|_| after.len() < rest.len())
            }
            Piece::Either(aligned, records) => {
                let records = rest.strip_prefix(without(records).as_str());
                records.or_else(|| {
                    // The rule under the header is ours; what the table has of it is skipped as well.
                    let mut left = rest;
                    for c in visible(aligned).filter(|c| *c != '─') {
                        left = left.trim_start_matches('─').strip_prefix(c)?;
                    }
                    Some(left.trim_start_matches('─'))
                })
            }
        };
        let expected = match piece {
            Piece::Text(text) => without(text),
            Piece::Number => "a number".into(),
            Piece::Either(aligned, records) => format!("{aligned} or {records}"),
        };
        prop_assert!(stripped.is_some(), "expected {expected:?} at {rest:?}");
        rest = stripped.unwrap_or_default();
    }
    prop_assert_eq!(rest, "");
    Ok(())
}

/// A piece of Markdown, or of what only looks like it.
fn fragment() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "**",
        "*",
        "_",
        "__",
        "`",
        "``",
        "```",
        "\n```\n",
        "\n```rust main.rs\n",
        "~",
        "~~",
        "\n~~~ sh\n",
        "\n",
        "\n\n",
        "\r\n",
        "\n> ",
        "\n>> ",
        "\n- ",
        "\n  - ",
        "\n    * ",
        "\n1. ",
        "\n3) ",
        "\n   ",
        "\n\n    ",
        "\t",
        " ",
        "  \n",
        "\n- [ ] ",
        "\n- [x] ",
        "\n# ",
        "\n## ",
        "\n---\n",
        "\n===\n",
        "[",
        "]",
        "](",
        ")",
        "](https://a.b/c_d)",
        "](src/a_b.rs)",
        "](http://localhost:1)",
        "![",
        "<https://x.org/>",
        "<a@b.org>",
        "<b>",
        "</b>",
        "<!--",
        "-->",
        "\n<div>\n",
        "&amp;",
        "&lt;",
        "&#0;",
        "\\",
        "|",
        "\n| a | b |\n|---|:-:|\n| c | d |\n",
        "\n|",
        "|x|",
        "\n|-|\n",
        "$",
        "e\u{301}",
        "👨‍👩‍👧",
        "🇩🇰",
        "א",
        "中文",
        "\u{feff}",
        "\u{200b}",
        "\u{a0}",
        "\0",
        "\u{1b}[1m",
        ":",
        "!",
        ".",
        "•",
    ]);
    prop_oneof![
        3 => fixed.prop_map(str::to_owned),
        2 => "[a-z]{1,8} ?",
        1 => "([a-z]{1,9}[ \n]){1,40}",
    ]
}

fn check_promises(markdown: &str) -> Result<(), TestCaseError> {
    let parts = parts(markdown);
    check(&parts);
    let source = clean(markdown);
    let Some((pieces, targets)) = expected(&source) else {
        return Ok(());
    };
    let nothing = pieces.iter().all(|piece| match piece {
        Piece::Text(text) => visible(text).next().is_none(),
        Piece::Number => false,
        Piece::Either(aligned, _) => visible(aligned).next().is_none(),
    });
    if nothing {
        prop_assert_eq!(seen(&parts), visible(&source).collect::<String>());
        return Ok(());
    }
    let seen = seen(&parts);
    check_seen(&seen, &pieces)?;
    let mut urls: Vec<&String> = Vec::new();
    for part in &parts {
        for span in &part.spans {
            if let Style::Link { url } = &span.style {
                urls.push(url);
            }
        }
    }
    // A link in an aligned table is text; one across a border of parts is two spans.
    for target in &targets {
        let linked = urls.contains(&target);
        prop_assert!(linked || seen.contains(target.as_str()), "{target} is lost");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn nothing_visible_is_lost_or_doubled(fragments in prop::collection::vec(fragment(), 0..60)) {
        check_promises(&fragments.concat())?;
    }

    #[test]
    fn any_text_keeps_the_promises(text in "\\PC{0,200}") {
        check_promises(&text)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn nothing_visible_is_lost_at_the_borders_of_parts(fragments in prop::collection::vec(fragment(), 1_000..2_000)) {
        check_promises(&fragments.concat())?;
    }
}

/// A block of Markdown and what can be seen of it, made together: this knows nothing of the parser.
fn block() -> impl Strategy<Value = (String, String)> {
    let word = "[a-zæøå]{1,9}";
    let inline = prop_oneof![
        5 => word.prop_map(|w| (w.clone(), w)),
        1 => word.prop_map(|w| (format!("**{w}**"), w)),
        1 => word.prop_map(|w| (format!("*{w}*"), w)),
        1 => word.prop_map(|w| (format!("~~{w}~~"), w)),
        1 => word.prop_map(|w| (format!("`{w}_*`"), format!("{w}_*"))),
        1 => word.prop_map(|w| (format!("[{w}](https://a.b/{w})"), w)),
        1 => word.prop_map(|w| (format!("[{w}]({w}.rs)"), format!("{w}({w}.rs)"))),
        1 => Just(("a_b_c $x | <T> \\*".to_owned(), "a_b_c$x|<T>*".to_owned())),
    ];
    let line = prop::collection::vec(inline, 1..30).prop_map(|words| {
        let (markdown, seen): (Vec<String>, Vec<String>) = words.into_iter().unzip();
        (markdown.join(" "), seen.concat())
    });
    let lines = prop::collection::vec(line.clone(), 1..6);
    let code = prop::collection::vec("( {4}){0,3}[a-z(){}|$#*<>]{1,40}", 1..150);
    prop_oneof![
        4 => lines.clone().prop_map(|lines| joined(lines, "", "")),
        1 => line.prop_map(|(markdown, seen)| (format!("## {markdown}"), seen)),
        2 => lines.clone().prop_map(|lines| joined(lines, "- ", "•")),
        1 => lines.clone().prop_map(|lines| joined(lines, "- [x] ", "☑")),
        1 => lines.clone().prop_map(|lines| joined(lines, "> ", "")),
        1 => lines.prop_map(|lines| {
            let (markdown, seen) = joined(lines, "  - ", "•");
            (format!("1. one\n{markdown}"), format!("1.one{seen}"))
        }),
        1 => code.prop_map(|lines| (format!("```sh\n{}\n```", lines.join("\n")), lines.concat())),
        1 => Just(("---".to_owned(), RULE.to_owned())),
    ]
}

fn joined(lines: Vec<(String, String)>, marker: &str, seen_marker: &str) -> (String, String) {
    let (markdown, seen): (Vec<String>, Vec<String>) = lines
        .into_iter()
        .map(|(markdown, seen)| {
            (
                format!("{marker}{markdown}"),
                format!("{seen_marker}{seen}"),
            )
        })
        .unzip();
    (markdown.join("\n"), seen.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn documents_show_what_they_were_made_of(blocks in prop::collection::vec(block(), 1..40)) {
        // A comment would be shown, so a heading keeps neighbouring lists apart.
        let mut markdown = String::new();
        let mut shows = String::new();
        for (source, seen) in &blocks {
            markdown.push_str(&format!("{source}\n\n### then\n\n"));
            shows.push_str(&format!("{seen}then"));
        }
        let parts = parts(&markdown);
        check(&parts);
        prop_assert_eq!(seen(&parts), shows.split_whitespace().collect::<String>());
    }
}

/// A line of a document with link definitions; `n` makes its label and target unique.
fn definition_line(kind: usize, n: usize) -> String {
    match kind {
        0 => format!("[label{n}x]: target{n}x\n"),
        1 => format!("> [label{n}x]: target{n}x\n"),
        2 => format!("- [label{n}x]: target{n}x\n"),
        3 => format!("\n[label{n}x]:\n  target{n}x 'title'\n\n"),
        4 => format!("[label{n}x]\n\n[label{n}x]: target{n}x\n"),
        5 => format!("\n> - a\n>   [label{n}x]: target{n}x\n\n"),
        6 => format!("\n```\n[label{n}x]: target{n}x\n```\n"),
        _ => format!("text label{n}x target{n}x\n\n"),
    }
}

proptest! {
    #[test]
    fn definitions_are_shown_once(kinds in prop::collection::vec(0..8_usize, 1..20)) {
        let lines = kinds.iter().enumerate().map(|(n, kind)| definition_line(*kind, n));
        let markdown: String = lines.collect();
        let parts = parts(&markdown);
        check(&parts);
        let seen = seen(&parts);
        for n in 0..kinds.len() {
            prop_assert_eq!(seen.matches(&format!("label{n}x")).count(), 1, "label {} in {:?}", n, seen);
            prop_assert_eq!(seen.matches(&format!("target{n}x")).count(), 1, "target {} in {:?}", n, seen);
        }
    }
}
