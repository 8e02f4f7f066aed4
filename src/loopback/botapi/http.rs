//! HTTP/1.1 as far as a Bot API client needs it: one request in, one answer out, over a plain socket.
//!
//! Knows nothing of Telegram. Never trusts a length, and never waits for more than the request announces.
//!
//! The last byte of a request stays unread in the kernel until [`Request::accept`]. Closing a socket with unread
//! bytes makes Linux send a reset, which std cannot ask for in another way; faults that cut a call need it.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// The request line and headers together; more is answered with 431. GET calls carry their parameters here.
pub const HEAD_MAX: usize = 64 * 1024;
/// A body; more is answered with 413 before it is read. The cloud takes uploads up to 50 MB.
pub const BODY_MAX: usize = 52 * 1024 * 1024;
/// A chunk's size line or a trailer.
const LINE_MAX: usize = 1024;
/// How long a refused client may go on sending before it is cut off.
const DRAIN_WAIT: Duration = Duration::from_millis(500);

/// One request, read but for its last byte.
pub struct Request {
    /// Path with query, as sent.
    pub target: String,
    pub content_type: String,
    pub body: Vec<u8>,
    /// The client wants the connection closed after the answer.
    pub close: bool,
}

/// Why there is no request.
pub enum Unreadable {
    /// The connection is over; nobody waits for an answer.
    Closed,
    /// Not HTTP as we know it; answered with this status, then closed.
    Refused(u16),
}

impl From<io::Error> for Unreadable {
    fn from(_: io::Error) -> Unreadable {
        Unreadable::Closed
    }
}

/// An answer, before it is decided how well it arrives.
pub struct Reply {
    pub status: u16,
    pub content_type: &'static str,
    /// Becomes a `Retry-After` header, in seconds.
    pub retry_after: Option<u64>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The bytes on the wire.
    pub fn bytes(&self, close: bool) -> Vec<u8> {
        let mut head = format!(
            "HTTP/1.1 {} {}\r\nServer: loopback\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: {}\r\n",
            self.status,
            reason(self.status),
            self.content_type,
            self.body.len(),
            if close { "close" } else { "keep-alive" },
        );
        if let Some(seconds) = self.retry_after {
            head.push_str(&format!("Retry-After: {seconds}\r\n"));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

impl Request {
    /// Reads one request, all but its last byte.
    pub fn read(stream: &TcpStream) -> Result<Request, Unreadable> {
        let head = read_head(stream)?;
        let text = String::from_utf8_lossy(&head);
        let mut lines = text.trim_end().split("\r\n");
        let mut words = lines.next().unwrap_or("").split(' ');
        let (verb, target, version) = (words.next(), words.next(), words.next());
        let (Some(verb), Some(target), Some(version)) = (verb, target, version) else {
            return Err(Unreadable::Refused(400));
        };
        if !version.starts_with("HTTP/1.") || words.next().is_some() {
            return Err(Unreadable::Refused(400));
        }
        if !matches!(verb, "GET" | "POST") {
            return Err(Unreadable::Refused(405));
        }
        let mut request = Request {
            target: target.to_string(),
            content_type: String::new(),
            body: Vec::new(),
            close: version == "HTTP/1.0",
        };
        let mut length = None;
        let mut chunked = false;
        let mut expects_continue = false;
        for line in lines {
            let Some((name, value)) = line.split_once(':') else {
                return Err(Unreadable::Refused(400));
            };
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-type" => request.content_type = value.to_string(),
                "content-length" => {
                    length = Some(
                        value
                            .parse::<usize>()
                            .map_err(|_| Unreadable::Refused(400))?,
                    );
                }
                "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
                "connection" => request.close = value.eq_ignore_ascii_case("close"),
                "expect" => expects_continue = value.eq_ignore_ascii_case("100-continue"),
                _ => {}
            }
        }
        let has_body = chunked || length.is_some_and(|length| length > 0);
        if !has_body {
            return Ok(request);
        }
        if length.is_some_and(|length| length > BODY_MAX) {
            return Err(Unreadable::Refused(413));
        }
        // There is a body, so the last byte of the head is not the last of the request.
        skip_one(stream)?;
        if expects_continue {
            let mut out = stream;
            out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        request.body = match length {
            Some(length) if !chunked => read_sized(stream, length)?,
            _ => read_chunks(stream)?,
        };
        Ok(request)
    }

    /// Takes the last byte from the kernel: from here on, closing is orderly.
    pub fn accept(stream: &TcpStream) -> io::Result<()> {
        skip_one(stream)
    }
}

/// Lets a client that is still sending finish, so that it reads the refusal instead of a reset.
pub fn drain(stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.set_read_timeout(Some(DRAIN_WAIT));
    let mut sink = [0; 16 * 1024];
    let mut left = BODY_MAX;
    let mut input = stream;
    while let Ok(count @ 1..) = input.read(&mut sink) {
        left = left.saturating_sub(count);
        if left == 0 {
            return;
        }
    }
}

/// Reads up to and without the last byte of the empty line; that byte has arrived, but stays unread.
fn read_head(stream: &TcpStream) -> Result<Vec<u8>, Unreadable> {
    let mut head = Vec::new();
    let mut window = [0; 8 * 1024];
    let mut input = stream;
    loop {
        let count = stream.peek(&mut window)?;
        if count == 0 {
            return Err(Unreadable::Closed);
        }
        let known = head.len();
        head.extend_from_slice(&window[..count]);
        // The terminator may lie across two windows.
        let from = known.saturating_sub(3);
        let end = head[from..]
            .windows(4)
            .position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            head.truncate(from + end + 3);
            input.read_exact(&mut window[..head.len() - known])?;
            return Ok(head);
        }
        input.read_exact(&mut window[..count])?;
        if head.len() > HEAD_MAX {
            return Err(Unreadable::Refused(431));
        }
    }
}

/// Reads `length` (at least 1) bytes, the last of them without taking it.
fn read_sized(stream: &TcpStream, length: usize) -> Result<Vec<u8>, Unreadable> {
    // Grows as bytes arrive: an announced length alone must not reserve 52 MB.
    let mut body = Vec::new();
    stream.take(length as u64 - 1).read_to_end(&mut body)?;
    body.push(peek_one(stream)?);
    if body.len() < length {
        return Err(Unreadable::Closed);
    }
    Ok(body)
}

/// Reads a chunked body up to and without the very last line feed.
fn read_chunks(stream: &TcpStream) -> Result<Vec<u8>, Unreadable> {
    let mut body = Vec::new();
    loop {
        let line = read_line(stream)?;
        let digits = line.split(';').next().unwrap_or("").trim();
        let size = usize::from_str_radix(digits, 16).map_err(|_| Unreadable::Refused(400))?;
        if size == 0 {
            break;
        }
        if size > BODY_MAX - body.len() {
            return Err(Unreadable::Refused(413));
        }
        let before = body.len();
        stream.take(size as u64).read_to_end(&mut body)?;
        if body.len() - before < size {
            return Err(Unreadable::Closed);
        }
        skip_one(stream)?;
        skip_one(stream)?;
    }
    // Trailers are skipped; the empty line ends the request.
    loop {
        match peek_one(stream)? {
            b'\r' => {
                skip_one(stream)?;
                peek_one(stream)?;
                return Ok(body);
            }
            _ => {
                read_line(stream)?;
            }
        }
    }
}

/// Reads a short line byte by byte, so that nothing after it is taken.
fn read_line(stream: &TcpStream) -> Result<String, Unreadable> {
    let mut line = Vec::new();
    let mut input = stream;
    let mut byte = [0];
    while line.len() <= LINE_MAX {
        input.read_exact(&mut byte)?;
        if byte[0] == b'\n' {
            return Ok(String::from_utf8_lossy(&line).trim_end().to_string());
        }
        line.push(byte[0]);
    }
    Err(Unreadable::Refused(400))
}

fn peek_one(stream: &TcpStream) -> Result<u8, Unreadable> {
    let mut byte = [0];
    match stream.peek(&mut byte)? {
        0 => Err(Unreadable::Closed),
        _ => Ok(byte[0]),
    }
}

fn skip_one(stream: &TcpStream) -> io::Result<()> {
    let mut input = stream;
    input.read_exact(&mut [0])
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Request Entity Too Large",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Error",
    }
}
