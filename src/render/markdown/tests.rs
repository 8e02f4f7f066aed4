//! Whole answers as snapshots, and single rules by example.

use std::fmt::Write as _;

use super::link::is_linkable;
use super::*;
use crate::chat::{Span, Style, utf16_len};
use crate::render::split::{
    PART_MAX,
    tests::{check, covered},
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
    let n = 10_000;
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

#[test]
fn what_a_message_does_not_show_of_its_markdown_is_known() {
    for shown in [
        "# Do **it**\n\n\tmake\n\n- `a`\n\n<!-- a comment -->\n\n⚠\u{fe0f} caf\u{e9}",
        "see <https://a.example/> and [https://a.example/](https://a.example/), <a@b.example>",
        "[unused]: https://a.example/ \"title\"",
    ] {
        assert!(!hides(shown), "{shown}");
    }
    for hidden in [
        "[https://good.example](https://evil.example)",
        "[`good`][1]\n\n[1]: https://evil.example",
        "<https://a.example/>, [https://a.example/](https://a.example/ \"title\")",
        "![picture](https://evil.example/x.png)",
        "a\u{200b}b",
        "a\u{e0041}b",
        "a&#8203;b",
        "a&shy;b",
        "`a\u{ad}b`",
        "```\na\u{202e}b\n```",
    ] {
        assert!(hides(hidden), "{hidden}");
    }
}
