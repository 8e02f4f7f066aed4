//! Readers for fields that we can do without. They never fail: what does not fit gives the default.
//!
//! They borrow the field's text first and read that, which only works while the whole line is one `&str`.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Reads a field; absent, `null` or of another type it is the default.
pub(super) fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    let raw = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).unwrap_or_default())
}

/// Reads a number that should be whole and sometimes is not (`retry_delay_ms` is 520.87… in 2.1.197); negative is 0.
pub(super) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number: f64 = or_default(deserializer)?;
    // A float cast saturates, so neither a negative nor an absurd number can wrap.
    Ok(number.round() as u64)
}
