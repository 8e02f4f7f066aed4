//! Calls of the Bot API: one request, one answer, with a budget. The only place that talks to the network.
//!
//! The token is a part of every URL, so no URL and no text of a transport error leaves this file. Nothing is retried
//! here: what an error means for a message is decided elsewhere.

use std::io::ErrorKind;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use ureq::{Agent, Proxy, Timeout};

use super::refusal::{self, Failure};
use crate::failpoint;

/// The largest answer that is read, in bytes. getUpdates is capped near 4 MB by the server.
const ANSWER_MAX: u64 = 16 * 1024 * 1024;

/// How long a name may take to resolve, and a connection to stand.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// How many connections may stand idle, and how long.
const IDLE_CONNECTIONS: usize = 8;
const IDLE_MAX: Duration = Duration::from_secs(50);

/// What a flood wait is taken for when Telegram does not say how long it is.
const FLOOD_UNSAID: u64 = 5;

/// Telegram, as seen by one bot. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Api {
    agent: Agent,
    /// One that keeps no connection: those of the other one are not thrown away for it.
    fresh: Agent,
    /// With the token in it.
    base: String,
    /// How long the server may take to begin its answer, once it has been sent all; None: as long as the budget lasts.
    answer_max: Option<Duration>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    ok: bool,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error_code: Option<u16>,
    description: Option<String>,
    parameters: Option<Parameters>,
}

#[derive(Default, Deserialize)]
struct Parameters {
    retry_after: Option<u64>,
    migrate_to_chat_id: Option<i64>,
}

impl Api {
    /// `url` is the server without a path; `proxy` is http:// or socks5://, and proxy variables of the environment
    /// are not looked at.
    ///
    /// Fails where the proxy's URL makes no sense.
    pub fn new(url: &str, token: &str, proxy: Option<&str>) -> Result<Api, String> {
        let proxy = match proxy {
            Some(proxy) => Some(
                Proxy::new(proxy).map_err(|_| format!("the proxy {proxy:?} is no proxy's URL"))?,
            ),
            None => None,
        };
        let agent = |idle_connections| {
            Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .timeout_resolve(Some(CONNECT_MAX))
                .timeout_connect(Some(CONNECT_MAX))
                .max_idle_connections(idle_connections)
                .max_idle_connections_per_host(idle_connections)
                .max_idle_age(IDLE_MAX)
                .proxy(proxy.clone())
                .build()
                .new_agent()
        };
        Ok(Api {
            agent: agent(IDLE_CONNECTIONS),
            fresh: agent(0),
            base: format!("{}/bot{token}/", url.trim_end_matches('/')),
            answer_max: None,
        })
    }

    /// The same with connections of its own: none that somebody else has let stand idle.
    pub fn apart(&self) -> Api {
        Api {
            agent: self.agent.config().clone().new_agent(),
            ..self.clone()
        }
    }

    /// The same, but what is not answered so soon is given up. Over a connection of which nobody has heard that it is dead
    /// everything can be sent, and nothing comes back.
    pub fn answered_within(&self, answer_max: Duration) -> Api {
        Api {
            answer_max: Some(answer_max),
            ..self.clone()
        }
    }

    /// The same, but each call makes a connection of its own. Of one that stood idle nobody may have heard that it is dead.
    pub fn over_new_connections(&self) -> Api {
        Api {
            agent: self.fresh.clone(),
            ..self.clone()
        }
    }

    /// Calls `method` with a JSON body and returns the result's JSON. The whole call is over within `budget`.
    pub fn call(
        &self,
        method: &str,
        body: &[u8],
        budget: Duration,
    ) -> Result<Box<RawValue>, Failure> {
        self.post(method, "application/json", body, budget)
    }

    /// Calls `method` with a multipart body, whose parts are parted by `boundary`. The whole call is over within
    /// `budget`, which must leave time for the bytes to go up.
    pub fn upload(
        &self,
        method: &str,
        boundary: &str,
        body: &[u8],
        budget: Duration,
    ) -> Result<Box<RawValue>, Failure> {
        let content_type = format!("multipart/form-data; boundary={boundary}");
        self.post(method, &content_type, body, budget)
    }

    fn post(
        &self,
        method: &str,
        content_type: &str,
        body: &[u8],
        budget: Duration,
    ) -> Result<Box<RawValue>, Failure> {
        if failpoint::before(method).is_some() {
            return Err(Failure::Unreachable("a test wants it so"));
        }
        let sent = self
            .agent
            .post(format!("{}{method}", self.base))
            .config()
            .timeout_global(Some(budget))
            .timeout_recv_response(self.answer_max)
            .build()
            .header("content-type", content_type)
            .send(body);
        let mut response = sent.map_err(|error| of_transport(&error))?;
        let status = response.status().as_u16();
        if failpoint::after(method).is_some() {
            return Err(Failure::Unknown(format!(
                "HTTP {status}, a test wants it so"
            )));
        }
        let bytes = response
            .body_mut()
            .with_config()
            .limit(ANSWER_MAX)
            .read_to_vec()
            .map_err(|error| {
                Failure::Unknown(format!(
                    "HTTP {status}, the answer broke off: {}",
                    kind(&error)
                ))
            })?;
        read_answer(status, &bytes)
    }
}

/// Makes a result or a failure of an answer.
fn read_answer(status: u16, bytes: &[u8]) -> Result<Box<RawValue>, Failure> {
    let Ok(answer) = serde_json::from_slice::<Answer<'_>>(bytes) else {
        return Err(match status {
            // What stands before the server looks at the size, and answers with a page. It will not like it better later.
            413 => Failure::Refused {
                code: status,
                description: "Request Entity Too Large".to_owned(),
                migrate_to: None,
            },
            _ => Failure::Unknown(format!("HTTP {status}, the answer is not JSON")),
        });
    };
    if answer.ok {
        return match answer.result {
            Some(result) => Ok(result.to_owned()),
            None => Err(Failure::Unknown(format!(
                "HTTP {status}, ok without a result"
            ))),
        };
    }
    let code = answer.error_code.unwrap_or(status);
    let parameters = answer.parameters.unwrap_or_default();
    let description = answer.description.unwrap_or_default();
    match code {
        429 => Err(Failure::Flood(
            parameters.retry_after.unwrap_or(FLOOD_UNSAID),
        )),
        500.. if refusal::known(code, &description).is_none() => {
            Err(Failure::Unknown(format!("{code} {description}")))
        }
        _ => Err(Failure::Refused {
            code,
            description,
            migrate_to: parameters.migrate_to_chat_id,
        }),
    }
}

/// Sorts a transport error into "nothing was sent" and "nobody knows".
fn of_transport(error: &ureq::Error) -> Failure {
    use ureq::Error;
    let never_connected = match error {
        Error::HostNotFound
        | Error::ConnectionFailed
        | Error::InvalidProxyUrl
        | Error::BadUri(_) => true,
        Error::ConnectProxyFailed(_) | Error::Tls(_) | Error::Rustls(_) => true,
        Error::Timeout(timeout) => matches!(timeout, Timeout::Resolve | Timeout::Connect),
        Error::Io(error) => never_sent(error),
        _ => false,
    };
    if never_connected {
        Failure::Unreachable(kind(error))
    } else {
        Failure::Unknown(kind(error).to_owned())
    }
}

/// Whether an I/O error came before the first byte of a request could be sent.
fn never_sent(error: &std::io::Error) -> bool {
    is_lookup(error)
        || is_certificate(error)
        || matches!(
            error.kind(),
            ErrorKind::ConnectionRefused
                | ErrorKind::NetworkUnreachable
                | ErrorKind::HostUnreachable
                | ErrorKind::AddrNotAvailable
                | ErrorKind::NetworkDown
        )
}

/// Whether a name could not be resolved. The standard library has no kind for it, only these words.
fn is_lookup(error: &std::io::Error) -> bool {
    error
        .to_string()
        .contains("failed to lookup address information")
}

/// Whether the server's certificate was not accepted. It comes wrapped as bad data, with rustls's words.
fn is_certificate(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::InvalidData && error.to_string().contains("certificate")
}

/// Names a transport error without its text, which may hold the URL.
fn kind(error: &ureq::Error) -> &'static str {
    use ureq::Error;
    match error {
        Error::HostNotFound => "the host's name is not known (no network, or no DNS)",
        Error::ConnectionFailed => "no connection",
        Error::Timeout(_) => "timeout",
        Error::Tls(_) | Error::Rustls(_) => "TLS failed",
        Error::ConnectProxyFailed(_) | Error::InvalidProxyUrl => "the proxy did not connect",
        Error::BodyExceedsLimit(_) => "answer too large",
        Error::Protocol(_) => "broken HTTP",
        Error::Io(error) if is_lookup(error) => {
            "the host's name is not known (no network, or no DNS)"
        }
        Error::Io(error) if is_certificate(error) => {
            "TLS failed: the certificate is not accepted (is the clock right?)"
        }
        Error::Io(error) => match error.kind() {
            ErrorKind::ConnectionRefused => "connection refused",
            ErrorKind::ConnectionReset => "connection reset",
            ErrorKind::UnexpectedEof => "connection closed",
            ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => "no network",
            ErrorKind::HostUnreachable => "host unreachable",
            ErrorKind::TimedOut => "timeout",
            ErrorKind::BrokenPipe => "connection broken",
            _ => "input or output failed",
        },
        _ => "HTTP failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, body: &str) -> Failure {
        read_answer(status, body.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_flood_wait_may_be_longer_than_sixteen_bits() {
        let body = r#"{"ok":false,"error_code":429,"description":"x","parameters":{"retry_after":200000}}"#;
        assert_eq!(failure(429, body), Failure::Flood(200_000));
        assert_eq!(
            failure(429, r#"{"ok":false,"error_code":429}"#),
            Failure::Flood(FLOOD_UNSAID)
        );
    }

    #[test]
    fn a_gateways_page_is_an_unknown_outcome() {
        assert!(matches!(
            failure(502, "<html>Bad Gateway</html>"),
            Failure::Unknown(_)
        ));
        assert!(matches!(failure(200, ""), Failure::Unknown(_)));
        assert!(matches!(
            failure(200, r#"{"ok":true}"#),
            Failure::Unknown(_)
        ));
        assert!(matches!(
            failure(500, r#"{"ok":false,"error_code":500}"#),
            Failure::Unknown(_)
        ));
    }

    #[test]
    fn what_is_too_large_is_refused_even_by_a_gateway() {
        assert!(matches!(
            failure(413, "<html>413 Request Entity Too Large</html>"),
            Failure::Refused { code: 413, .. }
        ));
    }

    #[test]
    fn the_one_error_of_the_server_that_says_what_has_become_of_a_message_is_told() {
        let body = r#"{"ok":false,"error_code":500,"description":"Internal Server Error: sent message was immediately deleted and can't be returned"}"#;
        assert!(matches!(
            failure(500, body),
            Failure::Refused { code: 500, .. }
        ));
    }

    #[test]
    fn a_refusal_keeps_its_words_and_the_new_id() {
        let body = r#"{"ok":false,"error_code":400,"description":"Bad Request: moved","parameters":{"migrate_to_chat_id":-100},"new":1}"#;
        assert_eq!(
            failure(400, body),
            Failure::Refused {
                code: 400,
                description: "Bad Request: moved".into(),
                migrate_to: Some(-100)
            }
        );
    }

    #[test]
    fn without_a_name_nothing_was_sent() {
        let api = Api::new("http://no-such-host.invalid", "123:secret", None).unwrap();
        let failure = api
            .call("getMe", b"{}", Duration::from_secs(20))
            .unwrap_err();
        assert_eq!(
            failure,
            Failure::Unreachable("the host's name is not known (no network, or no DNS)")
        );
    }

    #[test]
    fn a_certificate_that_is_not_accepted_is_told_and_nothing_was_sent() {
        let words = "invalid peer certificate: UnknownIssuer";
        let error = ureq::Error::Io(std::io::Error::new(ErrorKind::InvalidData, words));
        assert!(
            matches!(of_transport(&error), Failure::Unreachable(why) if why.contains("certificate"))
        );
    }

    #[test]
    fn no_failure_names_the_token() {
        let api = Api::new("http://127.0.0.1:1", "123:secret", None).unwrap();
        let failure = api
            .call("getMe", b"{}", Duration::from_secs(5))
            .unwrap_err();
        assert!(matches!(failure, Failure::Unreachable(_)), "{failure:?}");
        assert!(!format!("{failure:?} {failure}").contains("secret"));
    }
}
