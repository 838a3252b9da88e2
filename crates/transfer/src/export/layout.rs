//! OCI image layouts (image-spec, "OCI Image Layout Specification").

use std::ffi::OsString;
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use ch_linux::file;
use ch_linux::lock::{self, Sharing};
use ch_linux::tree::Directory;
use ch_oci::{Descriptor, Digest, Index};
use ch_storage::Storage;

use super::checked::digest_of;
use super::naming::{is_called_the_same, name_of, tag_of, without_tag};
use super::{ExportError, ExportOptions};
use crate::assemble::Assembled;
use crate::beside::{self, NEW, Name};
use crate::event::{Event, Tell};

/// The file that says what the directory is.
pub(super) const LAYOUT_FILE: &str = "oci-layout";
pub(super) const LAYOUT: &[u8] = b"{\"imageLayoutVersion\":\"1.0.0\"}";
pub(super) const INDEX_FILE: &str = "index.json";
pub(super) const BLOBS: &str = "blobs";

/// Where a blob is in a layout.
pub(super) fn blob_path(digest: &Digest) -> String {
    format!("{BLOBS}/{}/{}", digest.algorithm().name(), digest.hex())
}

/// The index of a layout with these entries.
pub(super) fn index(entries: Vec<Descriptor>) -> Vec<u8> {
    Index::new(entries).to_bytes()
}

/// Where a layout is or will be.
pub(super) struct Layout<'a> {
    storage: &'a Storage,
    options: &'a ExportOptions,
    tell: Tell<'a>,
    place: Name,
    /// As the user said it.
    path: PathBuf,
}

impl<'a> Layout<'a> {
    /// Finds `path`, unless what is there must stay.
    pub(super) fn find(
        path: &Path,
        storage: &'a Storage,
        options: &'a ExportOptions,
        tell: Tell<'a>,
    ) -> Result<Self, ExportError> {
        let place = Name::find(path, storage, &options.unfinished);
        let layout = Self {
            storage,
            options,
            tell,
            place: place.map_err(|problem| ExportError::no_place(path, problem))?,
            path: path.to_owned(),
        };
        layout.there()?;
        Ok(layout)
    }

    /// The layout that is there, or the empty directory that becomes one.
    fn there(&self) -> Result<Option<Directory>, ExportError> {
        let failed = ExportError::place(&self.path);
        let there = match self.place.parent.try_directory(&self.place.name) {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(ExportError::Exists(self.path.clone()));
            }
            there => there.map_err(&failed)?,
        };
        if let Some(there) = &there
            && there
                .try_attributes_of(LAYOUT_FILE)
                .map_err(&failed)?
                .is_none()
            && !there.entries().map_err(&failed)?.is_empty()
        {
            return Err(ExportError::Exists(self.path.clone()));
        }
        Ok(there)
    }

    /// Adds `image`; makes the layout if there is none.
    pub(super) fn add(&self, image: &Assembled) -> Result<(), ExportError> {
        let failed = ExportError::place(&self.path);
        loop {
            if let Some(there) = self.there()? {
                return self.fill(&there, image);
            }
            let holder = self.place.holder().map_err(&failed)?;
            let made = self.directory(&holder.directory, NEW).map_err(&failed)?;
            self.fill(&made, image)?;
            let Name { parent, name, .. } = &self.place;
            match holder.directory.rename_new(NEW, parent, name) {
                // Somebody was faster: then it is one that is there.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                renamed => {
                    renamed.map_err(&failed)?;
                    return beside::sync(parent, self.storage).map_err(&failed);
                }
            }
        }
    }

    /// Adds the image to `layout`: blobs first, so that the index never names what is not there, nor after a power
    /// cut.
    fn fill(&self, layout: &Directory, image: &Assembled) -> Result<(), ExportError> {
        let failed = ExportError::place(&self.path);
        // Others may add theirs at the same time.
        match lock::lock(layout, Sharing::Exclusive) {
            Err(error) if !lock::is_unsupported(&error) => return Err(failed(error)),
            _ => {}
        }
        let blobs = self.directory(layout, BLOBS).map_err(&failed)?;
        let copy = layout.try_clone().map_err(&failed)?;
        let work = Name::of(copy, OsString::from(BLOBS), &self.options.unfinished);
        let work = work.holder().map_err(&failed)?;
        let copier = BlobCopier {
            layout: self,
            blobs: &blobs,
            work: &work.directory,
        };
        for layer in &image.layers {
            copier.copy(layer, None)?;
        }
        copier.copy(&image.config, Some(&image.config_bytes))?;
        copier.copy(&image.manifest, Some(&image.manifest_bytes))?;
        let documents = [
            (LAYOUT_FILE, LAYOUT.to_vec()),
            (INDEX_FILE, self.index(layout, image)?),
        ];
        let mode = 0o666 & !self.options.mask;
        for (name, bytes) in &documents {
            let written = work.directory.write(name, mode, bytes);
            written.map_err(&failed)?;
        }
        beside::sync_all(layout, self.storage).map_err(&failed)?;
        for (name, _) in &documents {
            let renamed = work.directory.rename(name, layout, name);
            renamed.map_err(&failed)?;
        }
        beside::sync(layout, self.storage).map_err(&failed)
    }

    /// A directory of the layout, with the permission bits that the user wants.
    fn directory(
        &self,
        parent: &Directory,
        name: &str,
    ) -> Result<Directory, ch_linux::SyscallError> {
        match parent.try_directory(name)? {
            Some(there) => Ok(there),
            None => parent.make_directory(name, 0o777 & !self.options.mask),
        }
    }

    /// The index of `layout` with this image in it. One of the same name gives way; of another image that had the
    /// tag, only the tag.
    fn index(&self, layout: &Directory, image: &Assembled) -> Result<Vec<u8>, ExportError> {
        let failed = ExportError::place(&self.path);
        let entries = self.options.naming.entries(&image.manifest);
        let Some(bytes) = layout.try_read(INDEX_FILE).map_err(&failed)? else {
            return Ok(index(entries));
        };
        let mut old: Index =
            serde_json::from_slice(&bytes).map_err(|source| ExportError::Layout {
                path: self.path.clone(),
                source,
            })?;
        old.manifests.retain(|there| {
            let is_same = there.digest == image.manifest.digest && tag_of(there).is_none();
            !is_same && !entries.iter().any(|entry| is_called_the_same(entry, there))
        });
        for there in &mut old.manifests {
            let tag = tag_of(there).map(str::to_owned);
            if tag.is_some() && entries.iter().any(|entry| tag_of(entry) == tag.as_deref()) {
                let (tag, name) = (tag.unwrap_or_default(), name_of(there).unwrap_or_default());
                (self.tell)(Event::Warning(format!(
                    "{}: tag {tag} was {name}'s until now; that image has none any more",
                    self.path.display()
                )));
                without_tag(there);
            }
        }
        old.manifests.extend(entries);
        Ok(old.to_bytes())
    }
}

/// Copies blobs into a layout.
struct BlobCopier<'a> {
    layout: &'a Layout<'a>,
    blobs: &'a Directory,
    /// For copies in the making.
    work: &'a Directory,
}

impl BlobCopier<'_> {
    /// Copies a blob, of these `bytes` or of the storage directory, unless a good one is there.
    fn copy(&self, blob: &Descriptor, bytes: Option<&[u8]>) -> Result<(), ExportError> {
        let failed = ExportError::place(&self.layout.path);
        let unwritten = ExportError::write(self.layout.path.display());
        let digest = &blob.digest;
        let directory = self
            .layout
            .directory(self.blobs, digest.algorithm().name())
            .map_err(&failed)?;
        if let Some(there) = directory.try_file(digest.hex()).map_err(&failed)?
            && digest_of(there, digest).is_ok_and(|found| found == *digest)
        {
            return Ok(());
        }
        let mode = 0o666 & !self.layout.options.mask;
        let made = self.work.make_file(digest.hex(), mode);
        let mut copy = made.map_err(&failed)?;
        match bytes {
            Some(bytes) => copy.write_all(bytes).map_err(&unwritten)?,
            None => {
                let mut source = Assembled::open(self.layout.storage, blob)?;
                let found = source.try_clone().and_then(|it| digest_of(it, digest));
                let found = found.map_err(|source| ExportError::read(digest, source))?;
                if found != *digest {
                    return Err(ExportError::Damaged(digest.clone()));
                }
                let rewound = source.rewind();
                rewound.map_err(|source| ExportError::read(digest, source))?;
                if !file::try_reflink(&copy, &source) {
                    io::copy(&mut source, &mut copy).map_err(&unwritten)?;
                }
            }
        }
        let renamed = self.work.rename(digest.hex(), &directory, digest.hex());
        renamed.map_err(&failed)
    }
}
