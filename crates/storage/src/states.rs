//! States: the build cache. A state says which layers a step left behind.

use std::fmt;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use ch_linux::SyscallError;
use ch_oci::Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::claims::Claim;
use crate::durability::{MARKED, Object, UNMARKED};
use crate::read_only::is_read_only;
use crate::sealed::{self, Sealed};
use crate::{LayerError, LayerId, PublishError, Storage};

const DAY: i64 = 24 * 60 * 60;

/// Name of a state: 64 hex digits, a hash over everything the state depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StateId(Box<str>);

/// A text that names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a state ID: {text:?}")]
pub struct NotAStateId {
    text: String,
}

impl StateId {
    /// The state whose inputs hash to `digest`.
    pub fn new(digest: &Digest) -> Self {
        Self(digest.hex().into())
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first four digits in upper case, as messages show a state.
    pub fn short(&self) -> String {
        self.0.chars().take(4).collect::<String>().to_uppercase()
    }

    pub(crate) fn file_name(&self) -> String {
        format!("{}.json", self.0)
    }
}

impl fmt::Display for StateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for StateId {
    type Error = NotAStateId;

    fn try_from(text: String) -> Result<Self, NotAStateId> {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let good = [64, 128].contains(&text.len()) && text.bytes().all(hex);
        if good {
            Ok(Self(text.into()))
        } else {
            Err(NotAStateId { text })
        }
    }
}

impl From<StateId> for String {
    fn from(id: StateId) -> Self {
        id.0.into()
    }
}

/// What a step left behind: `states/<id>.json`. Its last use is the file's modification time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateRecord {
    /// The state before it; none for the first.
    pub parent: Option<StateId>,
    /// The instruction, as `build-cache --tree` shows it.
    pub instruction: String,
    /// The layers of the file system, lowest first.
    pub layers: Vec<LayerId>,
    /// When the step was executed.
    #[serde(with = "crate::time")]
    pub created: Timestamp,
}

/// Why a state can't be looked at. One that is not there is no error.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system says no.
    #[error("storage: can't read state {state}")]
    Read {
        /// Which.
        state: StateId,
        /// What failed.
        source: SyscallError,
    },
    /// The system does not tell which there are.
    #[error("storage: can't list states")]
    List(#[source] SyscallError),
    /// One of its layers can't be read.
    #[error(transparent)]
    Layer(#[from] LayerError),
}

/// The states of a storage directory.
#[derive(Debug, Clone, Copy)]
pub struct States<'a> {
    storage: &'a Storage,
}

impl<'a> States<'a> {
    pub(crate) fn new(storage: &'a Storage) -> Self {
        Self { storage }
    }

    /// The state `id` with all its layers there, or nothing. What is of no use any more is removed.
    pub fn get(&self, id: &StateId) -> Result<Option<StateRecord>, StateError> {
        let read = |source| StateError::Read {
            state: id.clone(),
            source,
        };
        let claimed = self.storage.claiming(&Claim::State(id), || self.read(id));
        let Some((record, mode)) = claimed.map_err(read)? else {
            return Ok(None);
        };
        for layer in &record.layers {
            if !self.storage.layers().contains(layer)? {
                return Ok(None);
            }
        }
        if mode != MARKED {
            self.take_to_disk(id, &record).map_err(read)?;
        }
        Ok(Some(record))
    }

    /// Makes pending what a command left that was not successful: one that finds it of use is as good as its maker.
    fn take_to_disk(&self, id: &StateId, record: &StateRecord) -> Result<(), SyscallError> {
        for layer in &record.layers {
            self.storage.layers().take_to_disk(layer)?;
        }
        self.storage.publish(Object::State(id.clone()), || Ok(()))
    }

    /// The record and the mode of its file.
    fn read(&self, id: &StateId) -> Result<Option<(StateRecord, u32)>, SyscallError> {
        let inner = self.storage.inner();
        let name = id.file_name();
        let Some(attributes) = inner.states.try_attributes_of(&name)? else {
            return Ok(None);
        };
        let bytes = inner.states.try_read(&name)?.unwrap_or_default();
        match sealed::unseal::<StateRecord>(&bytes) {
            Ok(Sealed { origin, value }) if attributes.mode == MARKED || origin == inner.origin => {
                self.note_use(&name, attributes.modified);
                Ok(Some((value, attributes.mode)))
            }
            Ok(Sealed { origin, .. }) if origin.host != inner.origin.host => Ok(None),
            Ok(_) | Err(_) => match inner.states.remove_file(&name) {
                Err(error) if is_harmless(&error) => Ok(None),
                other => other.map(|()| None),
            },
        }
    }

    /// All states, in no order, whether or not their layers are there.
    pub fn list(&self) -> Result<Vec<(StateId, StateRecord)>, StateError> {
        let mut found = Vec::new();
        for id in self.names().map_err(StateError::List)? {
            let record = self.peek(&id).map_err(|source| StateError::Read {
                state: id.clone(),
                source,
            })?;
            if let Some(record) = record {
                found.push((id, record));
            }
        }
        Ok(found)
    }

    /// Names of all states, readable or not.
    pub(crate) fn names(&self) -> Result<Vec<StateId>, SyscallError> {
        let entries = self.storage.inner().states.entries()?;
        let names = entries.into_iter().filter_map(|entry| {
            let name = entry.name.to_str()?.strip_suffix(".json")?;
            StateId::try_from(name.to_owned()).ok()
        });
        Ok(names.collect())
    }

    /// The state `id`, if it is one, whether or not its layers are there; nothing is changed.
    pub(crate) fn peek(&self, id: &StateId) -> Result<Option<StateRecord>, SyscallError> {
        let states = &self.storage.inner().states;
        let bytes = states.try_read(id.file_name())?.unwrap_or_default();
        let sealed = sealed::unseal::<StateRecord>(&bytes);
        Ok(sealed.ok().map(|sealed| sealed.value))
    }

    /// The time of last use is for collection, which counts in days.
    fn note_use(&self, name: &str, modified: i64) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        if now.cast_signed() - modified < DAY {
            return;
        }
        if let Err(error) = self.storage.inner().states.touch(name) {
            tracing::debug!("last use is not noted: {error}");
        }
    }

    /// Publishes `record` as `id`, in place of an older one.
    pub fn put(&self, id: &StateId, record: &StateRecord) -> Result<(), PublishError> {
        self.storage.with_space(|| self.put_once(id, record))
    }

    fn put_once(&self, id: &StateId, record: &StateRecord) -> Result<(), PublishError> {
        let inner = self.storage.inner();
        let failed = |source| PublishError::State {
            state: id.clone(),
            source,
        };
        let name = id.file_name();
        let scratch = self.storage.scratch().map_err(failed)?;
        // Two threads may put the same state.
        let draft = ch_linux::boot::unique();
        let bytes = sealed::seal(record, &inner.origin);
        scratch
            .directory()
            .write(&draft, UNMARKED, &bytes)
            .map_err(failed)?;
        // A collection that has decided takes the older one away by its name, before this one gets it.
        let _gate = self.storage.enter_claims().map_err(failed)?;
        self.storage.claim(&Claim::State(id)).map_err(failed)?;
        let rename = || scratch.directory().rename(&draft, &inner.states, &name);
        self.storage
            .publish(Object::State(id.clone()), rename)
            .map_err(failed)
    }
}

fn is_harmless(error: &SyscallError) -> bool {
    error.kind() == io::ErrorKind::NotFound || is_read_only(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashes_are_state_ids() {
        let id = StateId::new(&Digest::of(b""));
        assert_eq!(StateId::try_from(id.as_str().to_owned()), Ok(id.clone()));
        assert_eq!(id.short(), "E3B0");
        for text in [
            "",
            "e3b0",
            "../../etc/passwd",
            &"A".repeat(64),
            &"g".repeat(64),
        ] {
            assert!(StateId::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
