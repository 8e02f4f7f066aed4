//! Just enough HTTP/1.1 for one API client: requests with a length or in chunks, JSON replies, chunked event streams.
//!
//! It knows nothing of what the bodies mean.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

/// More is an error, and the connection ends. The CLI sends about 2 KB.
const HEAD_MAX: usize = 64 * 1024;
/// More is an error, and the connection ends. The real API refuses 32 MB.
const BODY_MAX: usize = 64 * 1024 * 1024;

/// One connection of a client, with what was read and not yet used.
pub struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

/// A request as it arrived.
pub struct HttpRequest {
    pub method: String,
    /// Without the query.
    pub path: String,
    pub body: Vec<u8>,
}

/// How a pause ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    Over,
    ClientGone,
}

impl Connection {
    pub fn new(stream: TcpStream) -> Connection {
        // Each small event has to leave at once; without this a stream comes in bursts. Failing costs only speed.
        let _ = stream.set_nodelay(true);
        Connection {
            stream,
            unread: Vec::new(),
        }
    }

    /// Reads the next request; `None` when the client has closed the connection between two requests.
    pub fn read_request(&mut self) -> io::Result<Option<HttpRequest>> {
        let head_end = loop {
            if let Some(at) = find(&self.unread, b"\r\n\r\n") {
                break at;
            }
            if self.unread.len() > HEAD_MAX {
                return Err(bad("the head is too long"));
            }
            if !self.fill()? {
                return if self.unread.is_empty() {
                    Ok(None)
                } else {
                    Err(ErrorKind::UnexpectedEof.into())
                };
            }
        };
        let head = self.take(head_end + 4)?;
        let head = String::from_utf8(head).map_err(|_| bad("the head is not UTF-8"))?;
        let mut lines = head.lines();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(bad("no request line"));
        };
        let header = |name: &str| {
            head.lines().skip(1).find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        let body = if header("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
        {
            self.read_chunks()?
        } else {
            let length = header("content-length")
                .unwrap_or("0")
                .parse()
                .map_err(|_| bad("bad content-length"))?;
            self.take(length)?
        };
        let path = target.split('?').next().unwrap_or(target);
        Ok(Some(HttpRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            body,
        }))
    }

    /// Sends a whole JSON reply. `head_only` is for HEAD, which has the length but not the body.
    pub fn reply(
        &mut self,
        status: u16,
        headers: &[(&str, &str)],
        body: &Value,
        head_only: bool,
    ) -> io::Result<super::End> {
        let body = body.to_string();
        let mut out = format!(
            "HTTP/1.1 {status} {}\r\ncontent-type: application/json\r\n",
            reason(status)
        );
        for (name, value) in headers {
            out += &format!("{name}: {value}\r\n");
        }
        out += &format!("content-length: {}\r\n\r\n", body.len());
        if !head_only {
            out += &body;
        }
        self.stream.write_all(out.as_bytes())?;
        Ok(super::End::Answered)
    }

    /// Starts an event stream, which [`event`](Self::event) and [`end_events`](Self::end_events) go on with.
    pub fn start_events(&mut self, request_id: &str) -> io::Result<()> {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n\
             request-id: {request_id}\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        self.stream.write_all(head.as_bytes())
    }

    /// Sends one event as one chunk. Its name is its `type`.
    pub fn event(&mut self, data: &Value) -> io::Result<()> {
        let event = format!(
            "event: {}\ndata: {data}\n\n",
            data["type"].as_str().unwrap_or_default()
        );
        self.stream
            .write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes())
    }

    /// Ends the event stream; the connection can be used again.
    pub fn end_events(&mut self) -> io::Result<()> {
        self.stream.write_all(b"0\r\n\r\n")
    }

    /// Does nothing for `limit` (for ever if `None`), but notices a client that hangs up, and our own end.
    pub fn pause(&mut self, limit: Option<Duration>) -> io::Result<Pause> {
        let deadline = limit.map(|limit| Instant::now() + limit);
        let outcome = loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                break Pause::Over;
            }
            self.stream.set_read_timeout(left)?;
            match self.fill() {
                // A request that comes early stays in `unread` until it is its turn.
                Ok(true) => {}
                Ok(false) => break Pause::ClientGone,
                Err(e)
                    if matches!(
                        e.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(_) => break Pause::ClientGone,
            }
        };
        self.stream.set_read_timeout(None)?;
        Ok(outcome)
    }

    /// Closes both directions at once.
    pub fn cut(&self) {
        // An error means that the client was faster.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.take_line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| bad("bad chunk size"))?;
            if body.len().saturating_add(size) > BODY_MAX {
                return Err(bad("the body is too long"));
            }
            if size == 0 {
                // Trailers, which nobody sends, end like a head does: with an empty line.
                while !self.take_line()?.is_empty() {}
                return Ok(body);
            }
            body.append(&mut self.take(size)?);
            self.take_line()?;
        }
    }

    fn take_line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = find(&self.unread, b"\r\n") {
                let mut line = self.take(at + 2)?;
                line.truncate(at);
                return String::from_utf8(line).map_err(|_| bad("a line is not UTF-8"));
            }
            if self.unread.len() > HEAD_MAX {
                return Err(bad("a line is too long"));
            }
            if !self.fill()? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        if length > BODY_MAX {
            return Err(bad("the body is too long"));
        }
        while self.unread.len() < length {
            if !self.fill()? {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        let rest = self.unread.split_off(length);
        Ok(std::mem::replace(&mut self.unread, rest))
    }

    /// Reads what is there, or waits for it; `false` at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 * 1024];
        let length = self.stream.read(&mut buffer)?;
        self.unread.extend_from_slice(&buffer[..length]);
        Ok(length > 0)
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

fn bad(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

fn reason(status: u16) -> &'static str {
    if status < 400 { "OK" } else { "Error" }
}
