//! Which targets Telegram takes as a link.
//!
//! The Bot API server refuses a whole message for one bad target, or links something else than was meant, so this is
//! narrower than what a browser takes (`LinkManager::check_link_impl` and `parse_url` in TDLib).

/// The longest target that is sent as a link, in bytes; not documented, browsers and servers take about as much.
const TARGET_MAX: usize = 2_000;

/// True if a link to `target` can be sent.
///
/// - A host without a dot (`http://localhost:3000`) is "Wrong HTTP URL".
/// - `mailto:a@b.c` would come out as `http://mailto:a@b.c/`. A bare address is made a link by Telegram itself.
/// - A user name before the host only serves to mislead.
pub(super) fn is_linkable(target: &str) -> bool {
    if target.len() > TARGET_MAX || target.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return false;
    }
    let Some((scheme, rest)) = target.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if scheme.eq_ignore_ascii_case("tg") {
        return is_name(authority);
    }
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return false;
    }
    let host = match authority.split_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok_and(|port| port > 0) => host,
        Some(_) => return false,
        None => authority,
    };
    host.contains('.') && host.split('.').all(is_name)
}

fn is_name(text: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !text.is_empty() && text.chars().all(letter)
}

/// True if the label of a link shows its target already.
pub(super) fn names(label: &str, target: &str) -> bool {
    let label = label.trim();
    label == target || Some(label) == target.strip_prefix("mailto:")
}
