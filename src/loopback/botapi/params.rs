//! The parameters of a call, whichever way they came: query, form, JSON or multipart.
//!
//! The Bot API knows only strings and JSON texts of them; what is missing, null or of an odd type is settled here,
//! so that the methods see one form. Decides nothing about meaning.

use super::http::Request;
use super::refusal::Refusal;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A call's parameters and uploaded files, by name.
#[derive(Clone, Debug, Default)]
pub struct Params {
    values: Map<String, Value>,
    uploads: BTreeMap<String, Upload>,
}

/// A file of a multipart body.
#[derive(Clone, Debug)]
pub struct Upload {
    pub file_name: String,
    pub bytes: Vec<u8>,
}

impl Params {
    /// Gathers the parameters of query and body; the body wins.
    pub fn of(request: &Request, query: &str) -> Result<Params, Refusal> {
        let mut params = Params::default();
        params.add_form(query)?;
        let kind = request.content_type.to_ascii_lowercase();
        if request.body.is_empty() {
            return Ok(params);
        }
        if kind.starts_with("application/json") {
            let text = str::from_utf8(&request.body).map_err(|_| not_utf8())?;
            let value: Value = serde_json::from_str(text)
                .map_err(|_| Refusal::bad("can't parse request: JSON object expected"))?;
            let Value::Object(values) = value else {
                return Err(Refusal::bad("can't parse request: JSON object expected"));
            };
            params.values.extend(values);
        } else if kind.starts_with("multipart/form-data") {
            params.add_multipart(&request.content_type, &request.body)?;
        } else {
            let text = str::from_utf8(&request.body).map_err(|_| not_utf8())?;
            params.add_form(text)?;
        }
        Ok(params)
    }

    /// What a download of this path is logged as.
    pub fn download(path: &str) -> Params {
        let mut params = Params::default();
        params.values.insert("file_path".into(), path.into());
        params
    }

    /// What a log of calls shows: the values, and for each upload its name and size.
    pub fn shown(&self) -> Value {
        let mut values = self.values.clone();
        for (name, upload) in &self.uploads {
            let shown = json!({"file_name": upload.file_name, "size": upload.bytes.len()});
            values.insert(name.clone(), shown);
        }
        Value::Object(values)
    }

    /// The parameter as text; empty when missing, as the real server has it.
    pub fn text(&self, name: &str) -> String {
        match self.values.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }

    /// The parameter as a whole number; none when missing or not one.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.text(name).trim().parse().ok()
    }

    /// The parameter as yes or no; missing is no.
    pub fn flag(&self, name: &str) -> bool {
        matches!(
            self.text(name).to_ascii_lowercase().as_str(),
            "true" | "yes" | "1"
        )
    }

    /// The parameter as JSON, whether sent as JSON or as a text that holds it; none when missing or empty.
    pub fn json(&self, name: &str) -> Result<Option<Value>, Refusal> {
        match self.values.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text)
                .map(Some)
                .map_err(|_| Refusal::bad(&format!("can't parse {name} JSON object"))),
            Some(other) => Ok(Some(other.clone())),
        }
    }

    /// The uploaded file of that name, also through `attach://`.
    pub fn upload(&self, name: &str) -> Option<&Upload> {
        match self.text(name).strip_prefix("attach://") {
            Some(part) => self.uploads.get(part),
            None => self.uploads.get(name),
        }
    }

    fn add_form(&mut self, text: &str) -> Result<(), Refusal> {
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = String::from_utf8(unescape(name)).map_err(|_| not_utf8())?;
            let value = String::from_utf8(unescape(value)).map_err(|_| not_utf8())?;
            self.values.insert(name, Value::String(value));
        }
        Ok(())
    }

    fn add_multipart(&mut self, content_type: &str, body: &[u8]) -> Result<(), Refusal> {
        let boundary =
            header_field(content_type, "boundary").filter(|boundary| !boundary.is_empty());
        let Some(boundary) = boundary else {
            return Err(Refusal::bad("boundary not found"));
        };
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        // The first delimiter has no line end before it; lending it one makes all of them alike.
        let mut rest = [b"\r\n", body].concat();
        let Some(first) = find(&rest, &delimiter) else {
            return Err(Refusal::bad("can't find multipart boundary"));
        };
        rest.drain(..first + delimiter.len());
        let mut rest = rest.as_slice();
        while let Some(part) = rest.strip_prefix(b"\r\n") {
            let (Some(head_end), Some(end)) = (find(part, b"\r\n\r\n"), find(part, &delimiter))
            else {
                return Err(Refusal::bad("unexpected end of multipart body"));
            };
            if head_end + 4 > end {
                return Err(Refusal::bad("unexpected end of multipart body"));
            }
            let head = String::from_utf8_lossy(&part[..head_end]);
            self.add_part(&head, &part[head_end + 4..end])?;
            rest = &part[end + delimiter.len()..];
        }
        Ok(())
    }

    fn add_part(&mut self, head: &str, content: &[u8]) -> Result<(), Refusal> {
        let disposition = head
            .split("\r\n")
            .find(|line| {
                line.to_ascii_lowercase()
                    .starts_with("content-disposition:")
            })
            .unwrap_or("");
        let Some(name) = header_field(disposition, "name") else {
            return Err(Refusal::bad(
                "field name in multipart/form-data must be non-empty",
            ));
        };
        match header_field(disposition, "filename") {
            Some(file_name) => {
                let bytes = content.to_vec();
                self.uploads.insert(name, Upload { file_name, bytes });
            }
            None => {
                let text = String::from_utf8(content.to_vec()).map_err(|_| not_utf8())?;
                self.values.insert(name, Value::String(text));
            }
        }
        Ok(())
    }
}

fn not_utf8() -> Refusal {
    Refusal::bad("strings must be encoded in UTF-8")
}

/// Finds `name=value` or `name="value"` among the fields of a header; knows `\"` and the browsers' `%22`.
fn header_field(header: &str, name: &str) -> Option<String> {
    let mut rest = header;
    loop {
        let start = rest.find(';')?;
        rest = rest[start + 1..].trim_start();
        let (key, value) = rest.split_once('=')?;
        if let Some(quoted) = value.strip_prefix('"') {
            let mut text = String::new();
            let mut chars = quoted.char_indices();
            let mut end = quoted.len();
            while let Some((index, char)) = chars.next() {
                match char {
                    '\\' => text.extend(chars.next().map(|(_, char)| char)),
                    '"' => {
                        end = index + 1;
                        break;
                    }
                    _ => text.push(char),
                }
            }
            if key.eq_ignore_ascii_case(name) {
                return Some(text.replace("%22", "\""));
            }
            rest = &quoted[end..];
        } else {
            let end = value.find(';').unwrap_or(value.len());
            if key.eq_ignore_ascii_case(name) {
                return Some(value[..end].trim().to_string());
            }
            rest = &value[end..];
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    // Candidates by first byte: an upload of 50 MB must not be compared window by window.
    let mut from = 0;
    while let Some(step) = haystack[from..].iter().position(|byte| *byte == needle[0]) {
        from += step;
        if haystack[from..].starts_with(needle) {
            return Some(from);
        }
        from += 1;
    }
    None
}

fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        let escaped = bytes.get(index + 1..index + 3).and_then(hex_pair);
        match (bytes[index], escaped) {
            (b'%', Some(byte)) => {
                out.push(byte);
                index += 2;
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(byte),
        }
        index += 1;
    }
    out
}

fn hex_pair(pair: &[u8]) -> Option<u8> {
    let high = char::from(pair[0]).to_digit(16)?;
    let low = char::from(pair[1]).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(content_type: &str, body: &[u8]) -> Request {
        Request {
            target: String::new(),
            content_type: content_type.into(),
            body: body.to_vec(),
            close: false,
        }
    }

    #[test]
    fn query_and_form_are_unescaped() {
        let request = request(
            "application/x-www-form-urlencoded",
            b"text=a+b%26%C3%A9&chat_id=7",
        );
        let params = Params::of(&request, "chat_id=1&flag=True").unwrap();
        assert_eq!(params.text("text"), "a b&é");
        assert_eq!(params.number("chat_id"), Some(7));
        assert!(params.flag("flag"));
    }

    #[test]
    fn json_texts_and_json_values_are_the_same() {
        let request = request(
            "application/json; charset=utf-8",
            br#"{"a":"[1]","b":[1],"c":null,"text":12}"#,
        );
        let params = Params::of(&request, "").unwrap();
        assert_eq!(params.json("a").unwrap(), params.json("b").unwrap());
        assert_eq!(params.json("c").unwrap(), None);
        assert_eq!(params.text("text"), "12");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused_in_every_form() {
        for (kind, body) in [
            ("application/json", &b"{\"text\":\"\xff\"}"[..]),
            ("application/x-www-form-urlencoded", b"text=%ff"),
            (
                "multipart/form-data; boundary=x",
                b"--x\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n\xff\r\n--x--\r\n",
            ),
        ] {
            let refusal = Params::of(&request(kind, body), "").unwrap_err();
            assert_eq!(
                refusal.description, "Bad Request: strings must be encoded in UTF-8",
                "{kind}"
            );
        }
    }

    #[test]
    fn multipart_keeps_names_and_bytes() {
        let body =
            b"--b-1\r\nContent-Disposition: form-data; name=\"chat_id\"\r\n\r\n5\r\n--b-1\r\n\
            Content-Disposition: form-data; name=\"document\"; filename=\"a \\\"q\\\"; b.md\"\r\n\
            Content-Type: text/plain\r\n\r\n\r\n--b-\x00\xff\r\n\r\n--b-1--\r\n";
        let params =
            Params::of(&request("multipart/form-data; boundary=\"b-1\"", body), "").unwrap();
        assert_eq!(params.number("chat_id"), Some(5));
        let upload = params.upload("document").unwrap();
        assert_eq!(upload.file_name, "a \"q\"; b.md");
        assert_eq!(upload.bytes, b"\r\n--b-\x00\xff\r\n");
        assert_eq!(params.shown()["document"]["size"], 10);
    }

    #[test]
    fn a_torn_multipart_body_is_refused() {
        let body = b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n5";
        assert!(Params::of(&request("multipart/form-data; boundary=b", body), "").is_err());
        assert!(Params::of(&request("multipart/form-data", body), "").is_err());
    }
}
