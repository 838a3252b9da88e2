//! Leases: layers that a container stands on, which nobody may free while it lives.
//!
//! A lease is a locked file that lists layer IDs. The lock is the open descriptor's, so it can be handed to
//! the container's command, which keeps the lease until it ends, without any other process.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;

use ch_linux::SyscallError;
use ch_linux::lock::{self, Sharing};

use crate::opening::{DirectoryLock, names};
use crate::read_only::is_read_only;
use crate::{LayerError, LayerId, Storage};

/// Why layers can't be leased.
#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    /// One of them is not there, or not to be believed.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// One of them is not there.
    #[error("storage: layer {layer} is missing")]
    Missing {
        /// Which.
        layer: LayerId,
    },
    /// The list can't be written.
    #[error("can't hold on to the layers of the image")]
    Write(#[source] SyscallError),
}

/// A claim on layers, held as long as the descriptor or a duplicate of it is open.
#[derive(Debug)]
pub struct Lease {
    descriptor: Option<OwnedFd>,
}

impl Lease {
    /// The descriptor that holds the claim; close-on-exec. None is needed where nothing can be written or locked.
    pub fn into_descriptor(self) -> Option<OwnedFd> {
        self.descriptor
    }
}

impl Storage {
    /// Claims `layers`, all of which must exist, until the lease is dropped.
    pub fn lease(&self, layers: &[LayerId]) -> Result<Lease, LeaseError> {
        let gate = self.enter_claims().map_err(LeaseError::Write)?;
        let lease = match self.write_lease(layers) {
            Err(error) if is_read_only(&error) => self.lease_by_lock(),
            other => other,
        };
        let lease = lease.map_err(LeaseError::Write)?;
        // A collection that has decided is through with its work, and the next one sees the lease.
        drop(gate);
        for layer in layers {
            // What was there before the claim may be gone.
            if self.layers().get(layer)?.is_none() {
                return Err(LeaseError::Missing {
                    layer: layer.clone(),
                });
            }
        }
        Ok(lease)
    }

    fn write_lease(&self, layers: &[LayerId]) -> Result<Lease, SyscallError> {
        let text: String = layers.iter().map(|layer| format!("{layer}\n")).collect();
        let (_, mut file) = self.make_lease()?;
        write(&mut file, &text)?;
        Ok(Lease {
            descriptor: Some(file.into()),
        })
    }

    /// Makes an empty lease; its name and the file, which is locked as long as it is open.
    pub(crate) fn make_lease(&self) -> Result<(String, File), SyscallError> {
        let leases = self.inner().tmp.ensure_directory(names::LEASES)?;
        loop {
            let name = ch_linux::boot::unique();
            let file = leases.make_file(&name, 0o600)?;
            // A sweep may come before the lock; then the file is gone, and another is made.
            if !lock::try_lock(&file, Sharing::Exclusive)? {
                continue;
            }
            if leases.try_attributes_of(&name)?.is_some() {
                return Ok((name, file));
            }
        }
    }

    /// Where nothing can be written nobody frees layers; a reset by way of another mount, or after a change of
    /// modes, waits for the lock of the directory.
    fn lease_by_lock(&self) -> Result<Lease, SyscallError> {
        let file = DirectoryLock::existing(&self.inner().root)?;
        if let Some(file) = &file {
            lock::try_lock(file, Sharing::Shared)?;
        }
        Ok(Lease {
            descriptor: file.map(OwnedFd::from),
        })
    }
}

/// Adds `text` to a lease.
pub(crate) fn write(lease: &mut File, text: &str) -> Result<(), SyscallError> {
    lease
        .write_all(text.as_bytes())
        .map_err(|source| SyscallError::new("write", "a lease", source))
}
