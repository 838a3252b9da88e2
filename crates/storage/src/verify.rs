//! Verification: everything is read, and what is not as it was written is told of. Nothing is changed.

use std::fs::File;

use ch_linux::SyscallError;
use ch_linux::tree::{self, Directory, Kind};
use ch_oci::Digest;

use crate::blobs::hash;
use crate::layers::{Engine, LayerMeta, WhiteoutEncoding};
use crate::opening::names;
use crate::sealed;
use crate::{DamagedRecord, ImageRecord, LayerId, RecordError, StateError, StateId, Storage};

/// Why a storage directory can't be verified.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Records can't be listed.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// States can't be listed.
    #[error(transparent)]
    State(#[from] StateError),
    /// What is there can't be listed.
    #[error("can't verify the storage directory")]
    Io(#[from] SyscallError),
}

/// Something damaged.
#[derive(Debug, thiserror::Error)]
pub enum Damaged {
    /// A record of an image.
    #[error("storage: can't parse {}:{}", .0.path, .0.damage.line())]
    Record(DamagedRecord),
    /// A state.
    #[error("storage: can't parse states/{0}.json")]
    State(StateId),
    /// A blob, whose bytes are not those of its name or can't be read.
    #[error("storage: blob {0} is damaged")]
    Blob(Digest),
    /// A layer.
    #[error("storage: layer {layer} is damaged: {reason}")]
    Layer {
        /// Which.
        layer: LayerId,
        /// What is wrong.
        reason: String,
    },
    /// A layer that an image needs.
    #[error("storage: layer {layer} is missing, needed by {name}")]
    Missing {
        /// Which.
        layer: LayerId,
        /// Name of the image.
        name: String,
    },
}

impl Damaged {
    /// What the user can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Record(record) => Some(record.hint()),
            Self::Missing { name, .. } => Some(format!("pull or build again: {name}")),
            Self::State(_) | Self::Blob(_) | Self::Layer { .. } => None,
        }
    }
}

/// What a verification has found.
#[derive(Debug, Default)]
pub struct Verified {
    /// Number of records, states, blobs and layers that were read.
    pub objects: usize,
    /// Those that are damaged.
    pub damages: Vec<Damaged>,
}

impl Storage {
    /// Reads everything. What others take away meanwhile is no damage.
    pub fn verify(&self) -> Result<Verified, VerifyError> {
        let mut verified = Verified::default();
        self.verify_records(&mut verified)?;
        self.verify_states(&mut verified)?;
        self.verify_blobs(&mut verified)?;
        self.verify_layers(&mut verified)?;
        Ok(verified)
    }

    fn verify_records(&self, verified: &mut Verified) -> Result<(), VerifyError> {
        for listing in [self.images().list()?, self.images().deleted()?] {
            verified.objects += listing.images.len() + listing.damaged.len();
            let damaged = listing.damaged.into_iter();
            verified.damages.extend(damaged.map(Damaged::Record));
            for image in &listing.images {
                self.verify_layers_of(image, verified)?;
            }
        }
        Ok(())
    }

    fn verify_layers_of(
        &self,
        image: &ImageRecord,
        verified: &mut Verified,
    ) -> Result<(), VerifyError> {
        for layer in &image.layers {
            // An image that was purged meanwhile needs nothing any more.
            if self.layers().peek(&layer.id)?.is_none() && self.images().has(image)? {
                verified.damages.push(Damaged::Missing {
                    layer: layer.id.clone(),
                    name: image.name.to_string(),
                });
            }
        }
        Ok(())
    }

    fn verify_states(&self, verified: &mut Verified) -> Result<(), VerifyError> {
        for id in self.states().names()? {
            verified.objects += 1;
            let there = self.inner().states.try_file(id.file_name())?.is_some();
            if there && self.states().peek(&id)?.is_none() {
                verified.damages.push(Damaged::State(id));
            }
        }
        Ok(())
    }

    fn verify_blobs(&self, verified: &mut Verified) -> Result<(), VerifyError> {
        for algorithm in self.inner().blobs.entries()? {
            let Some(directory) = self.inner().blobs.try_directory(&algorithm.name)? else {
                continue;
            };
            for entry in directory.entries()? {
                let (algorithm, hex) = (&algorithm.name, &entry.name);
                let name = format!("{}:{}", algorithm.display(), hex.display());
                let Ok(digest) = name.parse::<Digest>() else {
                    continue;
                };
                let Some(file) = directory.try_file(&entry.name)? else {
                    continue;
                };
                verified.objects += 1;
                if !hash(&file, &digest).is_ok_and(|found| found == digest) {
                    verified.damages.push(Damaged::Blob(digest));
                }
            }
        }
        Ok(())
    }

    fn verify_layers(&self, verified: &mut Verified) -> Result<(), VerifyError> {
        for entry in self.inner().layers.entries()? {
            let id = entry.name.to_str().and_then(|name| name.parse().ok());
            let Some(layer): Option<LayerId> = id else {
                continue;
            };
            let Some(directory) = self.inner().layers.try_directory(layer.as_str())? else {
                continue;
            };
            verified.objects += 1;
            let wrong = what_is_wrong(&directory);
            let still_there = self.layers().peek(&layer)?.is_some();
            if let (Some(reason), true) = (wrong, still_there) {
                verified.damages.push(Damaged::Layer { layer, reason });
            }
        }
        Ok(())
    }
}

/// What is wrong with the layer in `directory`.
fn what_is_wrong(directory: &Directory) -> Option<String> {
    let read = || directory.try_read(names::META);
    let meta: LayerMeta = match read() {
        Err(error) => return Some(error.to_string()),
        Ok(bytes) => match sealed::unseal(&bytes.unwrap_or_default()) {
            Err(damage) => return Some(format!("{}: {damage}", names::META)),
            Ok(sealed) => sealed.value,
        },
    };
    let files = directory.directory(names::FILES);
    match files.and_then(|files| count(&files)) {
        Err(error) => Some(error.to_string()),
        Ok(found) if is_counted(&meta) && found != meta.entries => Some(format!(
            "{found} files and directories, and not {}",
            meta.entries
        )),
        Ok(_) => None,
    }
}

/// Whether the number of entries is that of the names: an archive may have named one twice, or none of the
/// directories that lead to it.
fn is_counted(meta: &LayerMeta) -> bool {
    meta.diff_id.is_none()
        && meta.engine == Engine::Overlay
        && meta.encoding == WhiteoutEncoding::Device
}

/// Reads every file below `directory`, and counts the names.
fn count(directory: &Directory) -> Result<u64, SyscallError> {
    let mut names = 0;
    tree::visit_all(directory, |directory, entry| {
        names += 1;
        match entry.kind {
            Kind::Directory => return directory.directory(&entry.name).map(Some),
            Kind::File => read_all(directory.file(&entry.name)?, &entry.name.to_string_lossy())?,
            Kind::Link => drop(directory.link_target(&entry.name)?),
            Kind::Other => {}
        }
        Ok(None)
    })?;
    Ok(names)
}

fn read_all(mut file: File, name: &str) -> Result<(), SyscallError> {
    std::io::copy(&mut file, &mut std::io::sink())
        .map(drop)
        .map_err(|error| SyscallError::new("read", format!("{name:?}"), error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Selection;
    use crate::tests::{Place, image_of, make_layer};

    #[test]
    fn only_an_image_that_is_still_there_misses_layers() {
        let place = Place::new();
        let storage = place.open();
        let layer = make_layer(&storage, "a");
        let record = image_of("image", std::slice::from_ref(&layer));
        storage.images().put(&record).unwrap();
        let damages = || {
            let mut verified = Verified::default();
            storage.verify_layers_of(&record, &mut verified).unwrap();
            verified.damages.len()
        };
        assert_eq!(damages(), 0);
        std::fs::remove_dir_all(place.path.join("layers").join(layer.as_str())).unwrap();
        assert_eq!(damages(), 1);
        storage.images().delete(&record.name).unwrap();
        assert_eq!(damages(), 1, "it can come back");
        storage.collect(&Selection::garbage()).unwrap();
        assert_eq!(damages(), 0);
    }
}
