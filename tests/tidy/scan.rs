//! Rust text without what is not code, and its words.

/// Replaces what stands in comments, strings and characters with spaces; lines stay where they are.
pub fn blank_comments_and_strings(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let length = comment_length(&chars[at..])
            .or_else(|| string_length(&chars[at..], code.chars().next_back()))
            .unwrap_or(0);
        if length == 0 {
            code.push(chars[at]);
            at += 1;
        } else {
            code.extend(
                chars[at..at + length]
                    .iter()
                    .map(|c| if *c == '\n' { '\n' } else { ' ' }),
            );
            at += length;
        }
    }
    code
}

fn comment_length(rest: &[char]) -> Option<usize> {
    if rest.starts_with(&['/', '/']) {
        return Some(rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with(&['/', '*']) {
        return None;
    }
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match (rest[at], rest.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    Some(at)
}

/// The length of a string or character that begins here, with its prefix. `before` tells `r"` from `for"`.
fn string_length(rest: &[char], before: Option<char>) -> Option<usize> {
    let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
    let letters = rest
        .iter()
        .take_while(|c| matches!(c, 'b' | 'c' | 'r'))
        .count();
    let is_prefix = letters == 0 || (letters <= 2 && !before.is_some_and(|c| is_word(&c)));
    let hashes = rest[letters..].iter().take_while(|c| **c == '#').count();
    let open = letters + hashes;
    match rest.get(open)? {
        '"' if is_prefix && rest[..letters].contains(&'r') => {
            let close: Vec<char> = std::iter::once('"')
                .chain(std::iter::repeat_n('#', hashes))
                .collect();
            let body = rest[open + 1..]
                .windows(close.len())
                .position(|window| window == close);
            Some(body.map_or(rest.len(), |body| open + 1 + body + close.len()))
        }
        '"' if is_prefix && hashes == 0 => Some(open + 1 + quoted_length(&rest[open + 1..], '"')),
        '\'' if is_prefix && hashes == 0 && letters <= 1 => {
            let body = &rest[open + 1..];
            // `'a` without a closing quote is a lifetime.
            let is_char = body.first() == Some(&'\\') || body.get(1) == Some(&'\'');
            is_char.then(|| open + 1 + quoted_length(body, '\''))
        }
        _ => None,
    }
}

fn quoted_length(body: &[char], close: char) -> usize {
    let mut at = 0;
    while at < body.len() && body[at] != close {
        at += if body[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(body.len())
}

/// Blanks every item under `#[cfg(test)]`, up to its closing brace or semicolon.
pub fn blank_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut code = code.to_owned();
    while let Some(start) = code.find(MARK) {
        let mut depth = 0;
        let end = code[start + MARK.len()..].find(|c: char| {
            match c {
                '{' | '(' | '[' => depth += 1,
                '}' | ')' | ']' => depth -= 1,
                _ => {}
            }
            depth <= 0 && matches!(c, '}' | ';')
        });
        let end = end.map_or(code.len(), |end| start + MARK.len() + end + 1);
        // `use a::{b, c};` goes on for one character after its brace.
        let end = end + usize::from(code[end..].starts_with(';'));
        let blank: String = code[start..end]
            .chars()
            .map(|c| if c == '\n' { '\n' } else { ' ' })
            .collect();
        code.replace_range(start..end, &blank);
    }
    code
}

/// Words, `::`, and every other character by itself, each with its line.
pub fn tokens(code: &str) -> Vec<(usize, String)> {
    let mut tokens: Vec<(usize, String)> = Vec::new();
    let mut chars = code.chars().peekable();
    let mut line = 1;
    while let Some(c) = chars.next() {
        let mut token = c.to_string();
        if c == '\n' {
            line += 1;
        }
        if c.is_whitespace() {
            continue;
        }
        while is_name(&token)
            && chars
                .peek()
                .is_some_and(|next| next.is_alphanumeric() || *next == '_')
        {
            token.extend(chars.next());
        }
        if c == ':' && chars.peek() == Some(&':') {
            token.extend(chars.next());
        }
        tokens.push((line, token));
    }
    tokens
}

pub fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn comments_and_strings_are_not_code() {
        let text = "a /* b /* c */ d */ e // f\n\"g \\\" h\" i r#\"j \" k\"# 'l' '\\'' m<'n> b\"o\" for\"p\" q";
        let code = blank_comments_and_strings(text);
        assert_eq!(
            code.split_whitespace().collect::<Vec<_>>(),
            ["a", "e", "i", "m<'n>", "for", "q"]
        );
        assert_eq!(code.chars().count(), text.chars().count());
        assert_eq!(code.lines().count(), 2);
    }

    #[test]
    fn items_for_tests_are_left_out() {
        let code = "a\n#[cfg(test)]\nmod tests { fn b() { c[0] } }\nd\n#[cfg(test)] use e::{f, g};\n#[cfg(test)]\nmod tests;\nh";
        assert_eq!(
            blank_tests(code).split_whitespace().collect::<Vec<_>>(),
            ["a", "d", "h"]
        );
        assert_eq!(blank_tests(code).lines().count(), code.lines().count());
    }
}
