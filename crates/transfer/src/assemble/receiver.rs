//! Who an image is made for, while it is made.

use ch_oci::Descriptor;
use ch_storage::ImageLayer;

/// Nobody wants the image any more; why, the receiver knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopped, because something else failed")]
pub struct Stopped;

/// Somebody who wants the layers of an image.
pub(crate) trait Receiver {
    /// Whether the receiver gets the blob of `layer`, of that number among so many, although it is not in the
    /// storage directory; if not, another one is made of the layer's files.
    fn obtain(&self, layer: &ImageLayer, number: (usize, usize)) -> Result<bool, Stopped>;

    /// The layer of that number among so many is this `blob`, and will not be another one.
    fn take(&self, number: (usize, usize), blob: &Descriptor) -> Result<(), Stopped>;
}

/// Somebody who waits until all layers are in the storage directory.
pub(super) struct Patient;

impl Receiver for Patient {
    fn obtain(&self, _: &ImageLayer, _: (usize, usize)) -> Result<bool, Stopped> {
        Ok(false)
    }

    fn take(&self, _: (usize, usize), _: &Descriptor) -> Result<(), Stopped> {
        Ok(())
    }
}
