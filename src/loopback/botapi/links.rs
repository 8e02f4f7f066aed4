//! Which links the server takes, in entities and under buttons.
//!
//! Pure. Follows `check_link` of TDLib (`td/telegram/LinkManager.cpp`). A host without a dot is refused, and with it
//! the whole message: `http://localhost:3000` is the one that hurts.

/// Says why the server refuses this link, in its words.
pub fn check_link(link: &str) -> Result<(), &'static str> {
    let lower = link.to_ascii_lowercase();
    let inner = ["tg:", "ton:"]
        .iter()
        .find_map(|scheme| lower.strip_prefix(scheme));
    let rest = match inner {
        Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
        None => match lower.split_once("://") {
            Some(("http" | "https", rest)) => rest,
            Some((scheme, _)) if !scheme.contains(['/', '?', '#']) => {
                return Err("Unsupported URL protocol");
            }
            _ => &lower,
        },
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let (host, port) = match host.strip_prefix('[') {
        Some(host) => {
            return host
                .split_once(']')
                .map(|_| ())
                .ok_or("Wrong IPv6 address specified in the URL");
        }
        None => host
            .split_once(':')
            .map_or((host, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("URL host is empty");
    }
    if inner.is_some() {
        return if port.is_some() {
            Err("Wrong tg URL")
        } else {
            Ok(())
        };
    }
    if port.is_some_and(|port| !port.is_empty() && !port.parse::<u16>().is_ok_and(|port| port > 0))
    {
        return Err("Wrong port number specified in the URL");
    }
    if host.contains(' ') || !host.contains('.') {
        return Err("Wrong HTTP URL");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_link;

    #[test]
    fn hosts_need_a_dot_and_schemes_must_be_known() {
        for good in [
            "https://a.example/x?y#z",
            "HTTP://A.Example:80",
            "a.example",
            "tg://resolve?domain=x",
            "http://[::1]:80/",
        ] {
            assert_eq!(check_link(good), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("http://localhost:3000/", "Wrong HTTP URL"),
            ("not-a-url", "Wrong HTTP URL"),
            ("ftp://a.example", "Unsupported URL protocol"),
            ("", "URL host is empty"),
            ("tg://resolve:80?domain=x", "Wrong tg URL"),
        ] {
            assert_eq!(check_link(bad), Err(why), "{bad}");
        }
    }
}
