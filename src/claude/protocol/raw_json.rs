//! JSON that is kept as the text it came as.
//!
//! What a person approves must be what runs, so a tool's input goes back as the very text that was shown, never through
//! a parsed value that may lose digits or keys. It must not grow accessors: who wants to look inside parses it.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// One JSON value as text, without raw line breaks, so that it may stand inside a line of the protocol.
///
/// Two are equal when their texts are.
#[derive(Clone)]
pub struct RawJson(Box<RawValue>);

impl RawJson {
    /// Takes JSON from elsewhere, for instance from the store.
    ///
    /// # Errors
    ///
    /// When `text` is not exactly one JSON value.
    pub fn from_text(text: String) -> serde_json::Result<RawJson> {
        RawValue::from_string(text).map(RawJson::on_one_line)
    }

    /// Writes `value` as JSON.
    ///
    /// # Errors
    ///
    /// When it has no JSON form, such as a map with keys that are not strings. A [`serde_json::Value`] always has one.
    pub fn of(value: &impl Serialize) -> serde_json::Result<RawJson> {
        serde_json::value::to_raw_value(value).map(RawJson)
    }

    /// The JSON text.
    pub fn text(&self) -> &str {
        self.0.get()
    }

    /// Reads the text as a `T`.
    ///
    /// # Errors
    ///
    /// When it is not a `T`, or nested deeper than 128 levels. The text itself may be deeper and still goes back whole.
    pub fn parse<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.text())
    }

    /// Inside a JSON string a line break is always escaped, so a raw one is white space and may become a space.
    fn on_one_line(raw: Box<RawValue>) -> RawJson {
        if !raw.get().contains(['\n', '\r']) {
            return RawJson(raw);
        }
        let line = raw.get().replace(['\n', '\r'], " ");
        RawJson(RawValue::from_string(line).expect("white space for white space leaves JSON valid"))
    }
}

impl PartialEq for RawJson {
    fn eq(&self, other: &RawJson) -> bool {
        self.text() == other.text()
    }
}

impl Eq for RawJson {}

impl fmt::Debug for RawJson {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text())
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RawJson, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(RawJson::on_one_line)
    }
}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
