//! Claims: what a command has found or made, and a collection must leave to it until it ends.
//!
//! A command that finds a layer may be about to name it in a record. So it first writes the name of what it
//! looks for into a lease of its own, and then looks, both under the shared lock of `tmp/claims`. A collection
//! holds that lock alone while it reads the leases, then the records, and takes away what nobody names: whoever
//! looks later does not find it any more, and whoever has found something had written it down before. What a
//! command makes it claims before it publishes it.

use std::collections::HashSet;
use std::fmt;
use std::fs::File;
use std::sync::Mutex;

use ch_linux::SyscallError;
use ch_linux::lock::{self, Sharing};
use ch_linux::tree::Directory;
use ch_oci::Digest;

use crate::lease;
use crate::opening::names;
use crate::read_only::is_read_only;
use crate::storage::lock as held;
use crate::sweep::remove_if_there;
use crate::{LayerId, StateId, Storage};

/// Before the name of a state in a lease.
const STATE: &str = "state ";

/// Something that is claimed; a line of a lease.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Claim<'a> {
    Layer(&'a LayerId),
    Blob(&'a Digest),
    State(&'a StateId),
}

impl fmt::Display for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layer(id) => id.fmt(f),
            Self::Blob(digest) => digest.fmt(f),
            Self::State(id) => write!(f, "{STATE}{id}"),
        }
    }
}

/// The claims of one handle; its lease is made when first needed.
#[derive(Debug, Default)]
pub(crate) struct Claims(Mutex<Option<Written>>);

/// A lease, and what is in it.
#[derive(Debug)]
struct Written {
    file: File,
    name: String,
    leases: Directory,
    lines: HashSet<String>,
}

impl Drop for Written {
    fn drop(&mut self) {
        if let Err(error) = self.leases.remove_file(&self.name) {
            tracing::debug!("left to the next sweep: {error}");
        }
    }
}

/// All that the living have claimed.
#[derive(Debug, Default)]
pub(crate) struct Claimed {
    pub(crate) layers: HashSet<LayerId>,
    pub(crate) blobs: HashSet<Digest>,
    pub(crate) states: HashSet<StateId>,
}

impl Storage {
    /// Claims something, and then looks for it.
    pub(crate) fn claiming<T>(
        &self,
        claim: &Claim<'_>,
        look: impl FnOnce() -> Result<T, SyscallError>,
    ) -> Result<T, SyscallError> {
        // Readers lease what they use.
        if self.inner().claims.is_none() {
            return look();
        }
        let _gate = self.enter_claims()?;
        self.claim(claim)?;
        look()
    }

    /// Claims something that is to be made.
    pub(crate) fn claim(&self, claim: &Claim<'_>) -> Result<(), SyscallError> {
        let Some(claims) = &self.inner().claims else {
            return Ok(());
        };
        let mut written = held(&claims.0);
        let written = match &mut *written {
            Some(written) => written,
            none => none.insert(self.start_claims()?),
        };
        let line = claim.to_string();
        if !written.lines.contains(&line) {
            // A write that failed may have left half a line, which must not take this one with it.
            lease::write(&mut written.file, &format!("\n{line}\n"))?;
            written.lines.insert(line);
        }
        Ok(())
    }

    fn start_claims(&self) -> Result<Written, SyscallError> {
        let (name, file) = self.make_lease()?;
        Ok(Written {
            file,
            name,
            leases: self.inner().tmp.directory(names::LEASES)?,
            lines: HashSet::new(),
        })
    }

    /// Keeps collections from deciding, as long as the lock is held. Where nothing can be written nobody collects.
    pub(crate) fn enter_claims(&self) -> Result<Option<File>, SyscallError> {
        match self.lock_claims(Sharing::Shared) {
            Err(error) if is_read_only(&error) => Ok(None),
            other => other.map(Some),
        }
    }

    /// Keeps everybody from claiming anything.
    pub(crate) fn close_claims(&self) -> Result<File, SyscallError> {
        self.lock_claims(Sharing::Exclusive)
    }

    fn lock_claims(&self, sharing: Sharing) -> Result<File, SyscallError> {
        let file = self.inner().tmp.ensure_file(names::CLAIMS)?;
        lock::lock(&file, sharing)?;
        Ok(file)
    }

    /// What the living have claimed, this process included; leases of the dead are cleared away.
    pub(crate) fn claimed(&self) -> Result<Claimed, SyscallError> {
        let leases = self.inner().tmp.ensure_directory(names::LEASES)?;
        let mut claimed = Claimed::default();
        for entry in leases.entries()? {
            if let Some(_dead) = lock::try_lock_existing(&leases, &entry.name)? {
                match remove_if_there(&leases, &entry.name) {
                    Err(error) if !is_read_only(&error) => return Err(error),
                    _ => continue,
                }
            }
            let bytes = leases.try_read(&entry.name)?.unwrap_or_default();
            claimed.add(&String::from_utf8_lossy(&bytes));
        }
        Ok(claimed)
    }
}

impl Claimed {
    /// Adds the lines of a lease. Those that are empty or torn claim nothing that there is.
    fn add(&mut self, text: &str) {
        for line in text.lines() {
            if let Some(id) = line.strip_prefix(STATE) {
                self.states.extend(StateId::try_from(id.to_owned()));
            } else if let Ok(digest) = line.parse() {
                self.blobs.insert(digest);
            } else if let Ok(id) = line.parse() {
                self.layers.insert(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{Place, state_id};

    #[test]
    fn a_claim_after_half_a_line_counts() {
        let place = Place::new();
        let storage = place.open();
        let layer = LayerId::random();
        storage.claim(&Claim::Layer(&layer)).unwrap();
        let claims = storage.inner().claims.as_ref().unwrap();
        let half = "state 12";
        lease::write(&mut held(&claims.0).as_mut().unwrap().file, half).unwrap();
        let state = state_id("x");
        storage.claim(&Claim::State(&state)).unwrap();
        let claimed = storage.claimed().unwrap();
        assert_eq!(claimed.layers, HashSet::from([layer]));
        assert_eq!(claimed.states, HashSet::from([state]));
    }
}
