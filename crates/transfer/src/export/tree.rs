//! The files of an image as one archive.

use std::io::{BufWriter, Write};
use std::os::fd::AsFd;

use ch_layer::{Compression, Content, PackError, PackOptions, compress, pack_tree};
use ch_linux::SyscallError;
use ch_linux::file::{self, Time};
use ch_linux::tree::{Directory, Kind};
use ch_ownership::Owners;
use ch_rootfs::StackContent;
use ch_storage::{ImageRecord, LayerDraft, Storage};

use super::ExportError;
use crate::directory::describe;
use crate::event::{Event, Tell};
use crate::meta;

/// An image whose files are written.
pub(super) struct Tree<'a> {
    pub(super) storage: &'a Storage,
    pub(super) record: &'a ImageRecord,
    pub(super) latest: Option<i64>,
    /// Whether what a directory image says of itself comes with it: its directory `ch`, and mount points.
    pub(super) described: bool,
    pub(super) tell: Tell<'a>,
}

impl Tree<'_> {
    pub(super) fn write(
        &self,
        compression: Compression,
        output: &mut (impl Write + Send),
    ) -> Result<(), ExportError> {
        let layers = self.record.layer_ids();
        let _lease = self.storage.lease(&layers)?;
        let stack = StackContent::open(self.storage, &layers)?;
        let drafts = [self.storage.draft()?, self.storage.draft()?];
        let [above, below] = [drafts[0].layer()?, drafts[1].layer()?];
        if self.described {
            self.describe(&above, &below)?;
        }
        let nothing = Owners::default();
        let content = |files, owners| Content { files, owners };
        let mut contents = vec![content(above.files.as_fd(), &nothing)];
        let layers = stack.layers.iter();
        contents.extend(layers.map(|layer| content(layer.files.as_fd(), &layer.owners)));
        contents.push(content(below.files.as_fd(), &nothing));
        let root = meta::packed_root(&stack.root);
        let options = PackOptions {
            latest: self.latest,
        };
        let fill = |archive: &mut dyn Write| {
            let mut archive = BufWriter::with_capacity(256 << 10, archive);
            let packed = pack_tree(&contents, &root, &options, &mut archive)?;
            archive.flush()?;
            Ok::<_, PackError>(packed)
        };
        let (packed, _) = compress(compression, output, fill)?;
        if packed.sockets > 0 {
            let warning = format!("sockets left out: {}", packed.sockets);
            (self.tell)(Event::Warning(warning));
        }
        Ok(())
    }

    /// Puts the description above the image, and below it the mount points that it may lack.
    fn describe(&self, above: &LayerDraft, below: &LayerDraft) -> Result<(), ExportError> {
        let failed = ExportError::place(self.storage.path());
        for warning in describe(&above.files, self.record, &[]).map_err(&failed)? {
            (self.tell)(Event::Warning(warning));
        }
        set_times(&above.files).map_err(&failed)?;
        ch_rootfs::furnish(&below.files).map_err(&failed)
    }
}

/// Gives everything in a tree one time, so that the same image is the same archive whenever it is exported.
fn set_times(directory: &Directory) -> Result<(), SyscallError> {
    for entry in directory.entries()? {
        if entry.kind == Kind::Directory {
            set_times(&directory.directory(&entry.name)?)?;
        }
        file::set_modified_at(directory, &entry.name, Time::default())?;
    }
    Ok(())
}
