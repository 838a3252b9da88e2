//! JSON files that show by themselves whether they are whole, and which boot of which machine wrote them.
//!
//! A file is one pretty-printed object: `format`, `boot`, `host`, the value's own members, and last `sum`,
//! the SHA-256 of all bytes before it. Invariant: what [`unseal`] returns is what [`seal`] was given.

use ch_linux::boot;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

const FORMAT: u64 = 1;
const BEFORE_SUM: &[u8] = b",\n  \"sum\": \"";
const AFTER_SUM: &[u8] = b"\"\n}\n";
const DIGITS: usize = 64;

/// When and where something was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Boot of the kernel.
    pub(crate) boot: String,
    /// The machine.
    pub(crate) host: String,
}

impl Origin {
    /// Of what is written now, in boot `boot`.
    ///
    /// If the boot can't be told, nothing unmarked that others wrote is believed, and nothing of ours by others;
    /// nor may anything be thrown away, since it may be of this boot and in use. That is how it is between
    /// machines, so this process counts as one of its own.
    pub(crate) fn new(boot: Option<String>) -> Self {
        match boot {
            Some(boot) => Self {
                boot,
                host: boot::machine_id(),
            },
            None => Self {
                boot: boot::unique(),
                host: boot::unique(),
            },
        }
    }
}

/// A value that was read, with its origin.
#[derive(Debug)]
pub(crate) struct Sealed<T> {
    pub(crate) origin: Origin,
    pub(crate) value: T,
}

/// What is wrong with a file that should be a sealed value.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// Not JSON, or not of the right members.
    #[error("line {}: not what was written there", .0.line())]
    Json(#[source] serde_json::Error),
    /// The sum is missing or is not that of the bytes.
    #[error("checksum mismatch")]
    Sum {
        /// Last line of the file.
        line: usize,
    },
    /// Written by a version that we do not know.
    #[error("unknown format {0}")]
    Format(u64),
}

impl Damage {
    /// The line where it shows.
    pub fn line(&self) -> usize {
        match self {
            Self::Json(error) => error.line(),
            Self::Sum { line } => *line,
            Self::Format(_) => 1,
        }
    }
}

/// The bytes of a file that holds `value`, which must serialize to an object.
pub(crate) fn seal<T: Serialize>(value: &T, origin: &Origin) -> Vec<u8> {
    let mut document = Map::new();
    document.insert("format".to_owned(), FORMAT.into());
    document.insert("boot".to_owned(), origin.boot.clone().into());
    document.insert("host".to_owned(), origin.host.clone().into());
    match serde_json::to_value(value).expect("keys are strings, and nothing else can fail") {
        Value::Object(members) => document.extend(members),
        other => unreachable!("only structures are sealed, not {other}"),
    }
    let mut bytes = serde_json::to_vec_pretty(&document).expect("a value can be printed");
    bytes.truncate(bytes.len() - b"\n}".len());
    let sum = ch_oci::Digest::of(&bytes);
    bytes.extend_from_slice(BEFORE_SUM);
    bytes.extend_from_slice(sum.hex().as_bytes());
    bytes.extend_from_slice(AFTER_SUM);
    bytes
}

/// Reads back what [`seal`] made; anything else is damage.
pub(crate) fn unseal<T: DeserializeOwned>(bytes: &[u8]) -> Result<Sealed<T>, Damage> {
    check_sum(bytes)?;
    let mut document: Map<String, Value> = serde_json::from_slice(bytes).map_err(Damage::Json)?;
    let format = document
        .remove("format")
        .and_then(|format| format.as_u64())
        .unwrap_or(0);
    if format != FORMAT {
        return Err(Damage::Format(format));
    }
    let mut text = |name| match document.remove(name) {
        Some(Value::String(text)) => text,
        _ => String::new(),
    };
    let origin = Origin {
        boot: text("boot"),
        host: text("host"),
    };
    document.remove("sum");
    let value = serde_json::from_value(Value::Object(document)).map_err(Damage::Json)?;
    Ok(Sealed { origin, value })
}

fn check_sum(bytes: &[u8]) -> Result<(), Damage> {
    let tail = BEFORE_SUM.len() + DIGITS + AFTER_SUM.len();
    let whole = bytes.len().checked_sub(tail).is_some_and(|length| {
        let (head, tail) = bytes.split_at(length);
        tail.starts_with(BEFORE_SUM)
            && tail.ends_with(AFTER_SUM)
            && &tail[BEFORE_SUM.len()..][..DIGITS] == ch_oci::Digest::of(head).hex().as_bytes()
    });
    if whole {
        return Ok(());
    }
    match serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
        Err(error) => Err(Damage::Json(error)),
        Ok(_) => Err(Damage::Sum {
            line: bytes.split(|byte| *byte == b'\n').count(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin {
            boot: "b".to_owned(),
            host: "h".to_owned(),
        }
    }

    #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
    struct Plain {
        name: String,
    }

    #[test]
    fn unknown_boots_are_all_different() {
        let (one, other) = (Origin::new(None), Origin::new(None));
        assert_ne!(one.boot, other.boot);
        assert_ne!(one.host, other.host, "nor does one throw away the other's");
        let known = || Origin::new(Some("boot".to_owned()));
        assert_eq!(known(), known());
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let value = Plain {
            name: "a\",\n  \"sum\": \"b".to_owned(),
        };
        let read: Sealed<Plain> = unseal(&seal(&value, &origin())).unwrap();
        assert_eq!((read.value, read.origin), (value, origin()));
    }

    #[test]
    fn every_torn_and_every_flipped_byte_is_noticed() {
        let bytes = seal(
            &Plain {
                name: "debian".to_owned(),
            },
            &origin(),
        );
        for length in 0..bytes.len() {
            assert!(
                unseal::<Plain>(&bytes[..length]).is_err(),
                "cut after {length}"
            );
        }
        for position in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1;
            assert!(unseal::<Plain>(&flipped).is_err(), "flipped at {position}");
        }
    }

    #[test]
    fn other_formats_are_named() {
        let bytes = seal(
            &Plain {
                name: String::new(),
            },
            &origin(),
        );
        let text = String::from_utf8(bytes)
            .unwrap()
            .replace("\"format\": 1", "\"format\": 2");
        let head = &text.as_bytes()[..text.len() - 80];
        let text = text.replace(
            &text[text.len() - 68..text.len() - 4],
            ch_oci::Digest::of(head).hex(),
        );
        assert!(matches!(
            unseal::<Plain>(text.as_bytes()),
            Err(Damage::Format(2))
        ));
    }
}
