//! The blob of one layer: as it came, as it was made before, or made now.

use std::io::{BufWriter, Write};
use std::os::fd::AsFd;

use ch_layer::{Compression, Content, Ownership, PackOptions, compress, pack_layer};
use ch_oci::{Descriptor, Digest};
use ch_rootfs::LayerContent;
use ch_storage::{Archived, ImageLayer, Key, Layer, LayerId, Storage};

use super::{AssembleError, Receiver};
use crate::event::{Event, Tell};
use crate::meta;

/// Makes blobs of layers.
pub(super) struct Packer<'a> {
    pub(super) receiver: &'a dyn Receiver,
    pub(super) storage: &'a Storage,
    pub(super) compression: Compression,
    /// Blobs that came are not good enough.
    pub(super) recompress: bool,
    pub(super) pack: PackOptions,
    pub(super) tell: Tell<'a>,
}

impl Packer<'_> {
    /// Diff ID and blob of `layer`, which is the one of that number among so many.
    pub(super) fn blob(
        &self,
        layer: &ImageLayer,
        number: (usize, usize),
    ) -> Result<(Digest, Descriptor), AssembleError> {
        if let (Some(blob), Some(diff_id), false) = (&layer.blob, &layer.diff_id, self.recompress) {
            let is_there = self.storage.blobs().contains(&blob.digest)?;
            if is_there || self.receiver.obtain(layer, number)? {
                return Ok((diff_id.clone(), blob.clone()));
            }
            let (index, count) = number;
            (self.tell)(Event::Warning(format!(
                "layer {index}/{count}: original blob is gone; digest will differ"
            )));
        }
        let archived = self.archived(&layer.id, number)?;
        let media_type = self.compression.media_type();
        let blob = Descriptor::new(media_type, archived.digest, archived.size);
        Ok((archived.diff_id, blob))
    }

    /// The archive of the layer `id`, made by whoever comes first.
    fn archived(&self, id: &LayerId, number: (usize, usize)) -> Result<Archived, AssembleError> {
        if let Some(archived) = self.known(id)? {
            return Ok(archived);
        }
        let lock = self.storage.once(&Key::Archive(id));
        let _lock = lock.map_err(AssembleError::Lock)?;
        match self.known(id)? {
            Some(archived) => Ok(archived),
            None => self.storage.with_space(|| self.make(id, number)),
        }
    }

    /// What was made before, if the blob is still there.
    fn known(&self, id: &LayerId) -> Result<Option<Archived>, AssembleError> {
        let archived = self.layer(id)?.archived(&self.recipe());
        Ok(match archived {
            Some(archived) if self.storage.blobs().contains(&archived.digest)? => Some(archived),
            _ => None,
        })
    }

    fn layer(&self, id: &LayerId) -> Result<Layer, AssembleError> {
        let layer = self.storage.layers().get(id)?;
        let missing = || ch_rootfs::ContentError::Missing { layer: id.clone() };
        Ok(layer.ok_or_else(missing)?)
    }

    /// Everything beside the layer that decides what its blob is.
    fn recipe(&self) -> String {
        let mut recipe = self.compression.recipe();
        if let Some(latest) = self.pack.latest {
            recipe += &format!(", not after {latest}");
        }
        if self.pack.ownership == Ownership::Root {
            recipe += ", root's";
        }
        recipe
    }

    fn make(&self, id: &LayerId, number: (usize, usize)) -> Result<Archived, AssembleError> {
        let (index, count) = number;
        (self.tell)(Event::Packing { index, count });
        let content = LayerContent::open(self.storage, id)?;
        let root = content.meta.root.as_ref().map(meta::packed_root);
        let draft = self.storage.draft()?;
        let mut blob = draft.blob()?;
        let output = BufWriter::with_capacity(1 << 20, &mut blob);
        let fill = |archive: &mut dyn Write| {
            let layer = Content {
                files: content.files.as_fd(),
                owners: &content.owners,
            };
            pack_layer(layer, root.as_ref(), &self.pack, archive)
        };
        let (packed, compressed) =
            compress(self.compression, output, fill).map_err(|source| AssembleError::Pack {
                index,
                count,
                source,
            })?;
        blob.publish(&compressed.digest)?;
        for (what, left_out) in [("sockets", packed.sockets), ("devices", packed.devices)] {
            if left_out > 0 {
                (self.tell)(Event::Warning(format!(
                    "layer {index}/{count}: {what} left out: {left_out}"
                )));
            }
        }
        let archived = Archived {
            recipe: self.recipe(),
            diff_id: compressed.diff_id,
            digest: compressed.digest,
            size: compressed.size,
        };
        let remembered = self
            .storage
            .remember_archive(&self.layer(id)?, archived.clone());
        if let Err(error) = remembered {
            // It will be made again.
            tracing::warn!("{error}");
        }
        Ok(archived)
    }
}
