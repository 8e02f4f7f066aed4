//! What a cut must keep, on chosen and on random texts.

use proptest::prelude::*;

use super::*;
use crate::chat::utf16_len;

/// Asserts what every part promises, whatever it was made of.
pub(in crate::render) fn check(parts: &[Formatted]) {
    for Formatted { text, spans } in parts {
        assert!(utf16_len(text) <= PART_MAX, "too long: {}", utf16_len(text));
        assert!(spans.len() <= SPANS_MAX, "{} spans", spans.len());
        assert!(!text.chars().all(is_blank), "blank: {text:?}");
        assert_eq!(text.trim_end(), text, "white space at the end");
        assert!(
            !text.starts_with([' ', '\n']),
            "white space first: {text:?}"
        );
        let borders: Vec<usize> = text
            .chars()
            .scan(0, |units, c| {
                *units += c.len_utf16();
                Some(*units)
            })
            .collect();
        let is_border = |unit: usize| unit == 0 || borders.binary_search(&unit).is_ok();
        for span in spans {
            assert!(span.length > 0, "empty {span:?}");
            assert!(is_border(span.offset), "{span:?} begins inside a character");
            let end = span.offset + span.length;
            assert!(is_border(end), "{span:?} ends out of bounds");
            let covered = covered(text, span);
            assert!(!covered.starts_with([' ', '\n']), "{span:?}: {covered:?}");
        }
        for (i, a) in spans.iter().enumerate() {
            for b in &spans[i + 1..] {
                assert!(a.offset <= b.offset, "not sorted: {a:?} {b:?}");
                if b.offset >= a.offset + a.length {
                    continue;
                }
                let exclusive = |style: &Style| matches!(style, Style::Pre { .. } | Style::Code);
                let quoted = a.style == Style::Quote && b.style == Style::Code;
                let fine = !exclusive(&a.style) && !exclusive(&b.style) || quoted;
                assert!(fine && a.style != b.style, "overlap: {a:?} {b:?}");
            }
        }
    }
}

/// Returns the text under a span.
pub(in crate::render) fn covered(text: &str, span: &Span) -> String {
    let units: Vec<u16> = text.encode_utf16().collect();
    String::from_utf16(&units[span.offset..span.offset + span.length]).expect("whole characters")
}

/// Returns what can be seen of the parts, without white space.
pub(in crate::render) fn seen(parts: &[Formatted]) -> String {
    parts.iter().flat_map(|part| visible(&part.text)).collect()
}

pub(in crate::render) fn visible(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| !is_blank(*c))
}

fn texts(parts: &[Formatted]) -> Vec<&str> {
    parts.iter().map(|part| part.text.as_str()).collect()
}

/// A draft of stretches, some of them marked.
fn draft(stretches: &[(String, Option<Style>)]) -> Draft {
    let mut draft = Draft::default();
    for (text, style) in stretches {
        let start = draft.text.len();
        draft.text.push_str(text);
        if let Some(style) = style {
            let range = start..draft.text.len();
            let style = style.clone();
            draft.marks.push(Mark { range, style });
        }
    }
    draft
}

fn pre() -> Option<Style> {
    let language = "sh".to_owned();
    Some(Style::Pre { language })
}

#[test]
fn a_short_text_is_one_part() {
    let parts = plain_parts("  Two\n\nparagraphs. \n");
    assert_eq!(parts, [Formatted::plain("Two\n\nparagraphs.")]);
}

#[test]
fn nothing_visible_is_no_part() {
    for text in [
        "",
        " \n\t ",
        "\u{feff}",
        "\u{200b}\u{a0}\u{2800}\r\n",
        "\u{202e}",
    ] {
        assert_eq!(plain_parts(text), [], "{text:?}");
    }
}

#[test]
fn a_text_is_cut_at_blocks_then_lines_then_words() {
    let (long, short) = ("x".repeat(2_500), "y".repeat(1_000));
    let blocks = format!("{long}\n{short}\n\n{short}");
    assert_eq!(
        texts(&plain_parts(&blocks)),
        [&format!("{long}\n{short}"), &short]
    );
    let lines = format!("{long}\n{short} {short}");
    assert_eq!(
        texts(&plain_parts(&lines)),
        [&long, &format!("{short} {short}")]
    );
    let words = format!("{long} {short} {short}");
    assert_eq!(
        texts(&plain_parts(&words)),
        [&format!("{long} {short}"), &short]
    );
    let word = "z".repeat(PART_MAX + 1);
    assert_eq!(texts(&plain_parts(&word)), [&word[1..], "z"]);
}

#[test]
fn a_part_is_not_small_for_the_sake_of_a_border() {
    let text = format!("Intro:\n\n{}", "word ".repeat(1_000));
    let parts = plain_parts(&text);
    assert_eq!(parts.len(), 2);
    assert!(utf16_len(&parts[0].text) > PART_MAX - 10);
}

#[test]
fn characters_drawn_together_stay_together() {
    let family = "👨‍👩‍👧‍👦";
    for cluster in [
        "e\u{301}\u{323}",
        "🇩🇰",
        family,
        "👍🏽",
        "❤\u{fe0f}",
        "कि",
        "नी",
        "각",
        "🏴󠁧󠁢󠁳󠁣󠁴󠁿",
    ] {
        // Each beginning puts the limit at another place in the cluster.
        for beginning in 0..12 {
            let text = format!("{}{}", "x".repeat(beginning), cluster.repeat(4_100));
            let parts = plain_parts(&text);
            assert!(parts.len() > 1);
            for part in &parts {
                let clusters = part.text.trim_start_matches('x');
                assert_eq!(clusters.replace(cluster, ""), "", "{cluster} was cut");
            }
            check(&parts);
        }
    }
}

#[test]
fn a_character_longer_than_a_part_is_cut_all_the_same() {
    let text = format!("a{}", "\u{301}".repeat(2 * PART_MAX));
    let parts = plain_parts(&text);
    assert_eq!(texts(&parts).concat(), text);
    assert_eq!(parts.len(), 3);
}

#[test]
fn a_surrogate_pair_is_not_cut() {
    let text = format!("x{}", "😀".repeat(PART_MAX));
    let parts = plain_parts(&text);
    check(&parts);
    assert_eq!(utf16_len(&parts[0].text), PART_MAX - 1);
    assert_eq!(texts(&parts).concat(), text);
}

#[test]
fn a_span_across_a_border_is_cut_in_two() {
    let words = "word ".repeat(1_000);
    let parts = split(draft(&[
        ("before ".into(), None),
        (words, Some(Style::Bold)),
    ]));
    check(&parts);
    let [first, second] = &parts[..] else {
        panic!("{} parts", parts.len());
    };
    assert_eq!(first.spans[0].offset, 7);
    assert_eq!(first.spans[0].length, utf16_len(&first.text) - 7);
    assert_eq!(second.spans[0].offset, 0);
    assert_eq!(second.spans[0].length, utf16_len(&second.text));
}

#[test]
fn more_spans_than_telegram_takes_are_more_parts() {
    let mut stretches = Vec::new();
    for _ in 0..250 {
        stretches.push(("bold".to_owned(), Some(Style::Bold)));
        stretches.push((" plain\n".to_owned(), None));
    }
    let parts = split(draft(&stretches));
    check(&parts);
    let spans: usize = parts.iter().map(|part| part.spans.len()).sum();
    assert_eq!((parts.len(), spans), (3, 250));
}

#[test]
fn code_that_fits_into_a_part_is_not_cut() {
    let code = "let x = 1;\n\n".repeat(300);
    let code = code.trim_end().to_owned();
    let parts = split(draft(&[
        ("words\n".repeat(100), None),
        (code.clone(), pre()),
        ("\nafter".into(), None),
    ]));
    check(&parts);
    assert_eq!(parts.len(), 2);
    assert_eq!(covered(&parts[1].text, &parts[1].spans[0]), code);
}

#[test]
fn longer_code_goes_on_in_the_same_language_at_a_line_that_is_not_indented() {
    let function = format!("def f():\n{}\n\n", "    return 1\n".repeat(30));
    let code = function.repeat(30).trim_end().to_owned();
    let parts = split(draft(&[("Code:\n".into(), None), (code.clone(), pre())]));
    check(&parts);
    assert!(parts.len() > 2);
    for part in &parts {
        let [span] = &part.spans[..] else {
            panic!("{} spans", part.spans.len());
        };
        assert_eq!(Some(&span.style), pre().as_ref());
        assert!(covered(&part.text, span).starts_with("def f():\n    return 1\n"));
    }
    assert_eq!(parts[0].text.chars().next(), Some('C'));
}

#[test]
fn the_indentation_of_the_first_line_of_code_survives_the_server() {
    let code = "    if x:\n        y()".to_owned();
    let expected = "\u{a0}   if x:\n        y()";
    let parts = split(draft(&[(code.clone(), pre())]));
    assert_eq!(texts(&parts), [expected]);
    let parts = split(draft(&[("See:\n".into(), None), (code, pre())]));
    assert_eq!(texts(&parts), [format!("See:\n{expected}")]);

    // Where every line is indented, a cut has no better place.
    let parts = split(draft(&[("    line\n".repeat(600), pre())]));
    check(&parts);
    for part in &parts {
        assert!(part.text.starts_with("\u{a0}   line\n    line"));
        assert_eq!(part.spans[0].offset, 0);
    }
}

#[test]
fn one_endless_line_of_code_is_cut_at_words() {
    let parts = split(draft(&[("word    ".repeat(2_000), pre())]));
    check(&parts);
    assert!(parts.iter().all(|part| part.text.starts_with("word")));
}

#[test]
fn control_characters_are_replaced_and_line_ends_unified() {
    let parts = plain_parts("a\r\nb\rc\u{2028}d\0\u{1b}[31me\u{85}\u{202e}f");
    assert_eq!(texts(&parts), ["a\nb\nc\nd\u{fffd}\u{fffd}[31me\u{fffd}f"]);
}

#[test]
fn double_lines_go_before_the_server_takes_them() {
    assert_eq!(texts(&plain_parts("a\u{333}b\u{33f}c")), ["abc"]);
}

#[test]
fn a_loose_ring_is_composed_with_its_letter() {
    assert_eq!(texts(&plain_parts("A\u{30a}se, bla\u{30a}")), ["Åse, blå"]);
}

#[test]
fn tabs_reach_to_the_next_stop() {
    assert_eq!(texts(&plain_parts("a\tb\n\tc")), ["a   b\n    c"]);
}

#[test]
fn without_spans_shows_where_links_go() {
    let url = || Style::Link {
        url: "https://example.com/".into(),
    };
    let parts = split(draft(&[
        ("See ".into(), None),
        ("the 😀 page".into(), Some(url())),
        (" and ".into(), None),
        ("https://example.com/".into(), Some(url())),
        (".".into(), None),
    ]));
    assert_eq!(
        without_spans(&parts[0]),
        [Formatted::plain(
            "See the 😀 page (https://example.com/) and https://example.com/."
        )]
    );
}

#[test]
fn what_is_too_long_for_a_server_is_halved_at_a_good_place() {
    let parts = split(draft(&[
        ("one two ".into(), None),
        ("three\nfour".into(), Some(Style::Bold)),
        (" five 😀".into(), None),
    ]));
    let halves = halves(&parts[0]);
    assert_eq!(texts(&halves), ["one two three", "four five 😀"]);
    let bold: Vec<_> = halves
        .iter()
        .map(|half| covered(&half.text, &half.spans[0]))
        .collect();
    assert_eq!(bold, ["three", "four"]);
}

#[test]
fn what_cannot_be_halved_comes_back_whole() {
    for whole in ["x", "😀", ""] {
        assert!(halves(&Formatted::plain(whole)).len() < 2);
    }
}

fn stretch() -> impl Strategy<Value = (String, Option<Style>)> {
    let text = prop_oneof![
        8 => "[a-zæøå ]{0,60}",
        2 => "[ \n]{1,4}",
        2 => "(👨‍👩‍👧|🇩🇰|e\u{301}|😀|मि|\u{feff}|\u{200b}|\u{a0}){1,20}",
        1 => "[x]{3000,6000}",
        1 => "(line of words\n){1,400}",
    ];
    let style = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Style::Bold)),
        1 => Just(Some(Style::Code)),
        1 => Just(Some(Style::Quote)),
    ];
    let marked = (text, style);
    let code = "[a-z](( {1,8}|\n| {4}\n {4})[a-z]{1,30}){0,900}";
    prop_oneof![
        9 => marked,
        1 => code.prop_map(|code| (format!("\n{code}"), pre())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn random_drafts_keep_the_promises(stretches in prop::collection::vec(stretch(), 0..60)) {
        let mut whole = draft(&stretches);
        // Code begins and ends with a line.
        let mut shift = 0;
        for mark in &mut whole.marks {
            mark.range.start += shift;
            mark.range.end += shift;
            if mark.is_code_block() {
                mark.range.start += 1;
                whole.text.insert(mark.range.end, '\n');
                shift += 1;
            }
        }
        let marked: Vec<String> = whole
            .marks
            .iter()
            .map(|mark| visible(&whole.text[mark.range.clone()]).collect())
            .collect();
        let text = whole.text.clone();
        let parts = split(whole);
        check(&parts);
        prop_assert_eq!(seen(&parts), visible(&text).collect::<String>());
        // Nothing is lost or doubled under the marks either.
        let spans = parts.iter().flat_map(|part| part.spans.iter().map(|span| covered(&part.text, span)));
        let spanned: String = spans.flat_map(|covered| visible(&covered).collect::<Vec<_>>()).collect();
        prop_assert_eq!(spanned, marked.concat());
        for part in &parts {
            let halves = halves(part);
            check(&halves);
            prop_assert_eq!(seen(&halves), visible(&part.text).collect::<String>());
            let most = utf16_len(&part.text) / 2;
            prop_assert!(halves.iter().all(|half| utf16_len(&half.text) <= most.max(2)));
        }
    }

    #[test]
    fn random_texts_keep_the_promises(text in "(\\PC|[\r\n\t\u{0}\u{1b} ]){0,6000}") {
        let parts = plain_parts(&text);
        check(&parts);
        prop_assert_eq!(seen(&parts), visible(&clean(&text)).collect::<String>());
    }
}
