//! Symbolic links as data: how `links.json` spells them, and which of them stay inside the folder.
//!
//! Makes no link, and follows none.

use std::collections::BTreeMap;

use super::contents::{Contents, check_name, parent, refused};
use super::{FOLDER, Refused};

/// Linux has no link with so long a target, in bytes.
const TARGET_MAX: usize = 4096;

/// The links of a folder by their names in it, both as [`spelled`].
pub(super) type Links = BTreeMap<String, String>;

/// Bytes as text: what is not UTF-8, and `%`, as `%` and two hexadecimal digits.
pub(super) fn spelled(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&chunk.valid().replace('%', "%25"));
        for byte in chunk.invalid() {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

/// The bytes of a spelled text; None for one that [`spelled`] does not make.
pub(super) fn read(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter();
    while let Some(byte) = rest.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => *byte,
        };
        bytes.push(byte);
    }
    // One name must not be spelled in two ways.
    (spelled(&bytes) == text).then_some(bytes)
}

/// Links that were left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    pub count: u64,
    /// The first of them, each with where it leads, for people.
    pub named: Vec<String>,
}

/// How many of them are named.
const NAMED_MAX: usize = 5;

impl LeftOut {
    fn add(&mut self, name: &[u8], target: &[u8]) {
        self.count += 1;
        if self.named.len() < NAMED_MAX {
            let [name, target] = [name, target].map(String::from_utf8_lossy);
            self.named.push(format!("{name} → {target}"));
        }
    }
}

/// Which links to make.
#[derive(Default)]
pub(super) struct Checked {
    /// Their names in the folder, and their targets.
    pub(super) made: Vec<(Vec<u8>, Vec<u8>)>,
    /// Those that lead elsewhere.
    pub(super) left_out: LeftOut,
}

/// Decides which links may be made. A link whose name is not safe makes the archive unsafe; one whose target leads out of
/// the folder is only left out.
pub(super) fn checked(links: &Links, contents: &Contents) -> Result<Checked, Refused> {
    let mut checked = Checked::default();
    for (name, target) in links {
        let (Some(name), Some(target)) = (read(name), read(target)) else {
            return Err(Refused::Damaged("a link cannot be read".into()));
        };
        let in_archive = [FOLDER.as_bytes(), b"/", &name].concat();
        check_name(&in_archive)?;
        if contents.has(&in_archive) {
            return Err(refused(&in_archive, "is there twice"));
        }
        let directory = parent(&in_archive).filter(|parent| contents.is_directory(parent));
        let Some(directory) = directory else {
            return Err(refused(&in_archive, "lies in no directory"));
        };
        if stays_inside(directory, &target, contents) {
            checked.made.push((name, target));
        } else {
            checked.left_out.add(&name, &target);
        }
    }
    Ok(checked)
}

/// Whether a link in `directory` leads to a place in the folder. `..` is only good after a directory: after another link
/// it would lead elsewhere than the words say.
fn stays_inside(directory: &[u8], target: &[u8], contents: &Contents) -> bool {
    let is_possible = (1..TARGET_MAX).contains(&target.len()) && !target.contains(&0);
    if !is_possible || target[0] == b'/' {
        return false;
    }
    let mut at = directory.to_vec();
    for part in target.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                if !contents.is_directory(&at) {
                    return false;
                }
                match parent(&at) {
                    Some(parent) => at.truncate(parent.len()),
                    None => return false,
                }
            }
            part => {
                at.push(b'/');
                at.extend_from_slice(part);
            }
        }
    }
    true
}
