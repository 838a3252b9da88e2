//! The files of an image as one archive.

use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;

use ch_layer::{Compression, Content, PackOptions, Stack, compress, pack_tree};
use ch_linux::SyscallError;
use ch_linux::file::{self, Time};
use ch_linux::sync;
use ch_linux::tree::{Directory, Kind};
use ch_ownership::Owners;
use ch_rootfs::StackContent;
use ch_storage::{Draft, ImageRecord, LayerDraft, Storage};

use super::ExportError;
use crate::directory::{DESCRIPTION, NO_ROOM, describe};
use crate::event::{Event, Tell};
use crate::meta;

/// Layers that no image has.
struct Description {
    above: LayerDraft,
    below: LayerDraft,
    /// Where they are, as long as this lives.
    _drafts: [Draft; 2],
}

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
        place: &str,
    ) -> Result<(), ExportError> {
        let layers = self.record.layer_ids();
        let _lease = self.storage.lease(&layers)?;
        let stack = StackContent::open(self.storage, &layers)?;
        let description = match self.described {
            true => self.description(&stack)?,
            false => None,
        };
        let nothing = Owners::default();
        let content = |files, owners| Content { files, owners };
        let layers = stack.layers.iter();
        let mut contents: Vec<_> = layers
            .map(|layer| content(layer.files.as_fd(), &layer.owners))
            .collect();
        if let Some(Description { above, below, .. }) = &description {
            contents.insert(0, content(above.files.as_fd(), &nothing));
            contents.push(content(below.files.as_fd(), &nothing));
        }
        let root = meta::packed_root(&stack.root);
        let options = PackOptions {
            latest: self.latest,
            ..PackOptions::default()
        };
        let fill = |archive: &mut dyn Write| pack_tree(&contents, &root, &options, archive);
        let packed = compress(compression, output, fill);
        let (packed, _) = packed.map_err(|error| ExportError::pack(place, error))?;
        if packed.sockets > 0 {
            let warning = format!("sockets left out: {}", packed.sockets);
            (self.tell)(Event::Warning(warning));
        }
        Ok(())
    }

    /// What comes above the image, and below it the mount points that it may lack; nothing where the storage
    /// directory has no room for them.
    fn description(&self, stack: &StackContent) -> Result<Option<Description>, ExportError> {
        let described = sync::describe(self.storage.directory());
        let failed = ExportError::place(self.storage.path());
        if described.map_err(failed)?.read_only {
            let warning = "storage directory is read-only: the image's configuration is left out";
            (self.tell)(Event::Warning(warning.to_owned()));
            return Ok(None);
        }
        let drafts = [self.storage.draft()?, self.storage.draft()?];
        let description = Description {
            above: drafts[0].layer()?,
            below: drafts[1].layer()?,
            _drafts: drafts,
        };
        self.describe(stack, &description)?;
        Ok(Some(description))
    }

    fn describe(
        &self,
        stack: &StackContent,
        Description { above, below, .. }: &Description,
    ) -> Result<(), ExportError> {
        let failed = ExportError::place(self.storage.path());
        ch_rootfs::furnish(&below.files).map_err(&failed)?;
        let shown = Stack::new(stack.layers.iter().map(|layer| layer.files.as_fd()));
        let found = shown.find(Path::new(DESCRIPTION)).map_err(&failed)?;
        if found.is_some_and(|found| found.status.kind != file::Kind::Directory) {
            (self.tell)(Event::Warning(NO_ROOM.to_owned()));
            return Ok(());
        }
        for warning in describe(&above.files, self.record, &[]).map_err(&failed)? {
            (self.tell)(Event::Warning(warning));
        }
        set_times(&above.files).map_err(&failed)
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
