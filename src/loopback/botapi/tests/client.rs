//! A tiny client on a raw socket: it must not share a line, or a mistake, with the server.

use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Long enough for a loaded machine; a test that needs it has failed.
pub const LIMIT: Duration = Duration::from_secs(20);
pub const TOKEN: &str = "123456:loopback-secret";

/// A keep-alive connection.
pub struct Client {
    stream: TcpStream,
}

/// What came back: status, headers as one text, body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", String::from_utf8_lossy(&self.body)))
    }

    pub fn description(&self) -> String {
        self.json()["description"]
            .as_str()
            .unwrap_or("")
            .to_string()
    }
}

impl Client {
    pub fn to(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream
            .set_read_timeout(Some(LIMIT))
            .expect("a limit above zero");
        Client { stream }
    }

    /// Sends a call as JSON, without waiting for the answer.
    pub fn send(&mut self, method: &str, params: &Value) {
        let body = params.to_string();
        self.raw(format!(
            "POST /bot{TOKEN}/{method} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    }

    pub fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream
            .write_all(bytes.as_ref())
            .expect("the server reads");
    }

    /// Reads one answer; the error is what the socket says when it ends early.
    pub fn receive(&mut self) -> std::io::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.byte()?);
        }
        let head = String::from_utf8_lossy(&head).to_string();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "))
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .unwrap_or(0);
        Ok(Answer { status, head, body })
    }

    /// A call and its answer.
    pub fn call(&mut self, method: &str, params: Value) -> Answer {
        self.send(method, &params);
        self.receive()
            .unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// A call that must be taken; its result.
    pub fn ok(&mut self, method: &str, params: Value) -> Value {
        let answer = self.call(method, params);
        assert_eq!(answer.status, 200, "{method}: {}", answer.description());
        answer.json()["result"].clone()
    }

    /// A call that must be refused; the description.
    pub fn refused(&mut self, method: &str, params: Value) -> String {
        let answer = self.call(method, params);
        assert_eq!(answer.json()["ok"], false, "{method}");
        assert_eq!(answer.json()["error_code"], answer.status, "{method}");
        answer.description()
    }

    /// Whether nothing but the end comes.
    pub fn is_over(&mut self) -> bool {
        self.byte().is_err()
    }

    fn byte(&mut self) -> std::io::Result<u8> {
        let mut byte = [0];
        self.stream.read_exact(&mut byte)?;
        Ok(byte[0])
    }
}
