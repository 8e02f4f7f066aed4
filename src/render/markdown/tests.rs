//! Whole answers as snapshots, single rules by example, and the promise that nothing visible is lost, on random Markdown.

use std::fmt::Write as _;

use proptest::prelude::*;
use pulldown_cmark::LinkType;

use super::link::is_linkable;
use super::*;
use crate::chat::{Span, Style, utf16_len};
use crate::render::split::{
    PART_MAX,
    tests::{check, covered, seen, visible},
};

/// Shows parts for a snapshot: the text with its no-break spaces, then each span with what it covers.
fn shown(parts: &[Formatted]) -> String {
    let mut shown = String::new();
    for (i, part) in parts.iter().enumerate() {
        let units = utf16_len(&part.text);
        writeln!(shown, "=== part {}, {units} units", i + 1).expect("a string takes all");
        writeln!(shown, "{}", part.text.replace('\u{a0}', "⍽")).expect("a string takes all");
        writeln!(shown, "---").expect("a string takes all");
        for span in &part.spans {
            let covered = covered(&part.text, span);
            let mut lines = covered.lines();
            let first = lines.next().unwrap_or_default();
            let more = match lines.count() {
                0 => String::new(),
                more => format!(" (+{more} lines)"),
            };
            let style = format!("{:?}", span.style);
            writeln!(shown, "{style} {}: {first}{more}", span.offset).expect("a string takes all");
        }
    }
    shown
}

fn check_answer(name: &str, markdown: &str) {
    let parts = parts(markdown);
    check(&parts);
    insta::assert_snapshot!(name, shown(&parts));
}

#[test]
fn whole_answers() {
    check_answer("disk", include_str!("answers/disk.md"));
    check_answer("steps", include_str!("answers/steps.md"));
    check_answer("loose", include_str!("answers/loose.md"));
    check_answer("shell", include_str!("answers/shell.md"));
    check_answer("links", include_str!("answers/links.md"));
    check_answer("review", include_str!("answers/review.md"));
    check_answer("wide", include_str!("answers/wide.md"));
    check_answer("code", include_str!("answers/code.md"));
    check_answer("long", include_str!("answers/long.md"));
    check_answer("mixed", include_str!("answers/mixed.md"));
}

/// Returns the one part of a short text.
fn one(markdown: &str) -> Formatted {
    let parts = parts(markdown);
    check(&parts);
    let [part] = &parts[..] else {
        panic!("{markdown:?} became {} parts", parts.len());
    };
    part.clone()
}

fn text(markdown: &str) -> String {
    one(markdown).text.replace('\u{a0}', "⍽")
}

fn spans(markdown: &str) -> Vec<(Style, String)> {
    let Formatted { text, spans } = one(markdown);
    let pair = |span: &Span| (span.style.clone(), covered(&text, span));
    spans.iter().map(pair).collect()
}

#[test]
fn styles_end_before_code_and_go_on_behind_it() {
    assert_eq!(
        spans("**a `b` c** *d*"),
        [
            (Style::Bold, "a".into()),
            (Style::Code, "b".into()),
            (Style::Bold, "c".into()),
            (Style::Italic, "d".into()),
        ]
    );
}

#[test]
fn a_style_inside_itself_is_one_span() {
    assert_eq!(spans("**a **b** c**"), [(Style::Bold, "a b c".into())]);
    assert_eq!(
        spans("> a\n> > b\n>\n> c"),
        [(Style::Quote, "a\n\nb\n\nc".into())]
    );
}

#[test]
fn a_quotation_ends_before_a_block_of_code() {
    let language = String::new();
    assert_eq!(
        spans("> a\n>\n>     code\n>\n> `b`"),
        [
            (Style::Quote, "a".into()),
            (Style::Pre { language }, "code".into()),
            (Style::Quote, "b".into()),
            (Style::Code, "b".into()),
        ]
    );
}

#[test]
fn numbers_are_shown_as_they_were_written_but_never_go_back() {
    assert_eq!(text("1. a\n1. b\n1. c"), "1. a\n2. b\n3. c");
    assert_eq!(text("2) a\n3) b\n5) c"), "2. a\n3. b\n5. c");
    assert_eq!(text("4."), "4.");
    assert_eq!(text("- a\n-\n- b"), "• a\n•\n• b");
    assert_eq!(text("- - a\n  - b"), "• • a\n⍽⍽⍽• b");
}

#[test]
fn a_tilde_is_a_tilde() {
    assert_eq!(text("cp ~/a:~/b ~5~ ~~gone~~"), "cp ~/a:~/b ~5~ gone");
    assert_eq!(
        spans("~/a:~/b ~~gone~~"),
        [(Style::Strikethrough, "gone".into())]
    );
}

#[test]
fn markdown_that_shows_nothing_is_shown_as_it_is() {
    for markdown in ["#", ">", "```\n```", "![]()", "[]()"] {
        assert_eq!(text(markdown), markdown);
    }
    for markdown in ["", " \n ", "\u{feff}", "&nbsp;\u{200b}"] {
        assert!(parts(markdown).iter().all(|part| part.text == markdown));
    }
}

#[test]
fn definitions_that_no_link_uses_are_shown() {
    assert_eq!(text("[ERROR]: timeout"), "[ERROR]: timeout");
    assert_eq!(text("[a]: x\n[b]: y\n\nend"), "[a]: x\n[b]: y\nend");
    assert_eq!(text("> [a]: x\n\nend"), "[a]: x\n\nend");
    assert_eq!(text("- [a]: x\n- b"), "• [a]: x\n• b");
    assert_eq!(text("[A b]\n\n[a  B]: https://x.org \"t\""), "A b");
    assert_eq!(
        text("[a]\n\n[a]: https://x.org\n[a]: https://y.org"),
        "a\n\n[a]: https://y.org"
    );
}

#[test]
fn only_what_telegram_takes_is_a_link() {
    for target in [
        "https://example.com",
        "HTTP://a.b:8080/x_y?z=(1)#f",
        "tg://user?id=1",
        "http://10.0.0.1/",
    ] {
        assert!(is_linkable(target), "{target}");
    }
    for target in [
        "http://localhost:3000",
        "https://a.b:0/",
        "https://a.b:x/",
        "https://.b",
        "https://user@a.b/",
        "https://[::1]/",
        "mailto:a@b.c",
        "javascript:alert(1)",
        "src/main.rs",
        "//a.b",
        "#top",
        "",
        "tg://",
        "https://a.b/ c",
    ] {
        assert!(!is_linkable(target), "{target}");
        let part = one(&format!("[label](<{target}>)"));
        assert_eq!(part.spans, [], "{target}");
        assert!(part.text.contains(target), "{target}");
    }
}

#[test]
fn a_link_without_a_label_shows_its_target() {
    assert_eq!(text("a [](https://x.org) b"), "a https://x.org b");
    assert_eq!(text("![](x.png)"), "x.png");
    assert_eq!(text("[![alt](i.png)](https://x.org)"), "alt (i.png)");
}

#[test]
fn the_info_of_a_fence_is_a_language_and_a_line() {
    let language = |markdown| match &spans(markdown)[0].0 {
        Style::Pre { language } => language.clone(),
        style => panic!("{style:?}"),
    };
    assert_eq!(language("```c++\nx\n```"), "c++");
    assert_eq!(language("```rust,ignore\nx"), "rust");
    assert_eq!(language("~~~ {.py}\nx\n~~~"), "");
    assert_eq!(text("~~~ {.py}\nx\n~~~"), "{.py}\nx");
    assert_eq!(text("```rust src/main.rs\nx\n```"), "src/main.rs\nx");
}

#[test]
fn cells_beyond_the_header_are_kept() {
    let table = "| Cmd | What |\n|---|---|\n| `a | b` | joins |\n| c | d |";
    assert_eq!(
        text(table),
        "Cmd  What\n───  ──────────\n`a   b` | joins\nc    d"
    );
}

#[test]
fn a_table_with_links_shows_their_targets() {
    let table = "| a |\n|---|\n| [x](https://x.org) |\n| [y](y.md) |";
    assert_eq!(
        text(table),
        "a\n─────────────────\nx (https://x.org)\ny (y.md)"
    );
}

#[test]
fn a_flaw_in_the_renderer_does_not_lose_the_answer() {
    let parts = or_plain("**a**", |_| panic!("a flaw"));
    assert_eq!(parts, [Formatted::plain("**a**")]);
}

#[test]
fn unfinished_markdown_is_text() {
    assert_eq!(text("**a `b [c"), "**a `b [c");
    assert_eq!(text("```sh\necho $x | cat"), "echo $x | cat");
    assert_eq!(text("<b>x</i> & &amp;"), "<b>x</i> & &");
}

#[test]
fn depth_and_size_cost_neither_stack_nor_patience() {
    let n = 20_000;
    let repeated = |pieces: &[&str]| {
        pieces
            .iter()
            .map(|piece| piece.repeat(n))
            .collect::<String>()
    };
    let mut hard = vec![
        repeated(&["> ", "x"]),
        repeated(&["- ", "x\n"]),
        repeated(&["1. ", "\n"]),
        repeated(&["**a *b ", "c* d**"]),
        repeated(&["[", "](x)"]),
        repeated(&["![", "](x)"]),
        repeated(&["`", "``"]),
        repeated(&["~", "~~a"]),
        repeated(&["<", "<!--", "<a "]),
        repeated(&["[a]: x\n"]),
        repeated(&["| a ", "|", "\n|-"]),
        repeated(&["*a_ "]),
        repeated(&["`a` "]),
        repeated(&["&", "\\"]),
        format!("|a|\n|-|\n{}", repeated(&["|b|c|\n"])),
        (0..1_000)
            .map(|level| format!("{}- a\n", "  ".repeat(level)))
            .collect(),
        (0..1_000)
            .map(|level| format!("{}a\n", ">".repeat(level)))
            .collect(),
    ];
    hard.push(format!("```\n{}", repeated(&["x"])));
    hard.push(format!("```\n{}", repeated(&["  x y\n"])));
    for markdown in hard {
        let parts = parts(&markdown);
        check(&parts);
        let text: usize = parts.iter().map(|part| part.text.len()).sum();
        assert!(
            text < 40 * markdown.len(),
            "{} grew to {text}",
            markdown.len()
        );
    }
}

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
        "─",
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
    check_seen(&seen(&parts), &pieces)?;
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
        prop_assert!(
            linked || seen(&parts).contains(target.as_str()),
            "{target} is lost"
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

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
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn nothing_visible_is_lost_at_the_borders_of_parts(fragments in prop::collection::vec(fragment(), 1_000..3_000)) {
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
    #![proptest_config(ProptestConfig::with_cases(48))]

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

#[test]
fn parts_are_well_filled() {
    let markdown = include_str!("answers/steps.md").repeat(40);
    let parts = parts(&markdown);
    let units: usize = parts.iter().map(|part| utf16_len(&part.text)).sum();
    assert!(
        parts.len() <= units / PART_MAX * 3 / 2 + 1,
        "{} parts",
        parts.len()
    );
}
