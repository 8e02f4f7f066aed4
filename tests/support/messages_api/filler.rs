//! Markdown of any length: with all that makes rendering hard (nesting, tables, code, markup characters, emoji), and as a
//! plan.

const PARTS: [&str; 6] = [
    "# Heading\n\nA paragraph with **bold**, *italic*, ~~strike~~, `inline code` and a \
     [link](https://example.com/a_b?c=1&d=2). Symbols: < > & _ * [ ] ( ) ~ ` # + - = | { } . !\n\n",
    "## List\n\n- first item\n- second item with `code`\n  - nested item\n    - deeper item\n\n1. one\n2. two\n\n",
    "```python\ndef double(n: int) -> str:\n    \"\"\"doc & <b>not html</b>\"\"\"\n    return '*' * n  # comment\n```\n\n",
    "| name | value | note |\n|------|------:|:----:|\n| alpha | 1 | left |\n| beta | 22 | `x` |\n\n",
    "> a quote over\n> two lines\n\n---\n\n",
    "### Unicode\n\nÜmläute, 漢字, עברית, emoji 👩‍👩‍👧‍👦 🏳️‍🌈 and a very_long_snake_case_identifier.\n\n",
];

/// Returns exactly `length` characters. Each round numbers its sections, so that a lost or doubled part shows.
pub fn markdown(length: usize) -> String {
    let rounds = (0..).flat_map(|round| {
        PARTS.iter().enumerate().map(move |(part, text)| {
            format!("Section {}.\n\n{text}", round * PARTS.len() + part + 1)
        })
    });
    let mut characters = Vec::with_capacity(length);
    for text in rounds {
        if characters.len() >= length {
            break;
        }
        characters.extend(text.chars());
    }
    characters.into_iter().take(length).collect()
}

/// Returns a plan with so many steps, each with its number in its words.
pub fn plan(steps: usize) -> String {
    let steps =
        (1..=steps).map(|step| format!("{step}. Step {step} is done before the next one.\n"));
    format!("# The plan\n\n{}", steps.collect::<String>())
}
