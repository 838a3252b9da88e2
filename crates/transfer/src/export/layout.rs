//! OCI image layouts (image-spec, "OCI Image Layout Specification").

use std::fs::{self, File};
use std::io;
use std::path::Path;

use ch_linux::lock::{self, Sharing};
use ch_linux::tree::Directory;
use ch_linux::{boot, file, sync};
use ch_oci::{Descriptor, Digest, Index, OrderedMap, Reference, annotation};
use ch_storage::Storage;

use super::ExportError;
use crate::assemble::Assembled;
use crate::beside::{self, NEW, Name};

/// The file that says what the directory is.
pub(super) const LAYOUT_FILE: &str = "oci-layout";
pub(super) const LAYOUT: &[u8] = b"{\"imageLayoutVersion\":\"1.0.0\"}";
pub(super) const INDEX_FILE: &str = "index.json";
pub(super) const BLOBS: &str = "blobs";

/// How an image is called where it is exported to.
#[derive(Debug, Clone, Default)]
pub struct Naming {
    /// Its names.
    pub names: Vec<Reference>,
    /// The tag in a layout, instead of that of the names.
    pub tag: Option<String>,
}

impl Naming {
    /// The entries of an index for the image with this manifest: one for each name, and one at least.
    pub(super) fn entries(&self, manifest: &Descriptor) -> Vec<Descriptor> {
        let entry = |name: Option<&Reference>| {
            let mut annotations = OrderedMap::default();
            if let Some(name) = name.and_then(whole_name) {
                annotations.insert(annotation::IMAGE_NAME, name);
            }
            let tag = self.tag.clone().or_else(|| tag(name?));
            if let Some(tag) = tag {
                annotations.insert(annotation::REF_NAME, tag);
            }
            Descriptor {
                annotations: (!annotations.is_empty()).then_some(annotations),
                ..manifest.clone()
            }
        };
        match self.names.is_empty() {
            true => vec![entry(None)],
            false => self.names.iter().map(|name| entry(Some(name))).collect(),
        }
    }

    /// The names as `docker images` will show them.
    pub(super) fn repository_tags(&self) -> Vec<String> {
        let names = self.names.iter().filter(|name| name.digest().is_none());
        names.map(|name| name.identity().to_string()).collect()
    }
}

/// The tag of a name; none if it names a digest.
fn tag(name: &Reference) -> Option<String> {
    match (name.tag(), name.digest()) {
        (Some(tag), _) => Some(tag.to_owned()),
        (None, None) => Some("latest".to_owned()),
        (None, Some(_)) => None,
    }
}

/// The name with registry and tag, as Docker completes it; none if it names a digest.
fn whole_name(name: &Reference) -> Option<String> {
    if name.digest().is_some() {
        return None;
    }
    let meant = name.identity();
    Some(match meant.host() {
        Some(_) => meant.to_string(),
        None if meant.path().is_empty() => format!("docker.io/library/{meant}"),
        None => format!("docker.io/{meant}"),
    })
}

/// Where a blob is in a layout.
pub(super) fn blob_path(digest: &Digest) -> String {
    format!("{BLOBS}/{}/{}", digest.algorithm().name(), digest.hex())
}

/// The index of a layout with these entries.
pub(super) fn index(entries: Vec<Descriptor>) -> Vec<u8> {
    Index::new(entries).to_bytes()
}

/// Writes the image into a layout at `path`: a new one, or one that is there already.
pub(super) fn write_directory(
    storage: &Storage,
    image: &Assembled,
    naming: &Naming,
    path: &Path,
) -> Result<(), ExportError> {
    let failed = ExportError::place(path);
    let real = beside::real(path).map_err(&failed)?;
    if fs::canonicalize(storage.path()).is_ok_and(|storage| real.starts_with(storage)) {
        return Err(ExportError::InStorage(path.to_owned()));
    }
    let Some(place) = Name::of(&real).map_err(&failed)? else {
        return Err(ExportError::Nameless(path.to_owned()));
    };
    let writer = LayoutWriter {
        storage,
        image,
        naming,
        path,
    };
    match place.parent.try_directory(&place.name) {
        Ok(Some(there)) => {
            let is_layout = there.try_attributes_of(LAYOUT_FILE).map_err(&failed)?;
            if is_layout.is_none() && !there.entries().map_err(&failed)?.is_empty() {
                return Err(ExportError::Exists(path.to_owned()));
            }
            writer.fill(&there)
        }
        Ok(None) => {
            let holder = place.holder().map_err(&failed)?;
            let made = holder.directory.make_directory(NEW, 0o777);
            writer.fill(&made.map_err(&failed)?)?;
            let renamed = holder.directory.rename_new(NEW, &place.parent, &place.name);
            renamed.map_err(&failed)
        }
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(ExportError::Exists(path.to_owned()))
        }
        Err(error) => Err(failed(error)),
    }
}

/// An image on its way into a layout.
struct LayoutWriter<'a> {
    storage: &'a Storage,
    image: &'a Assembled,
    naming: &'a Naming,
    /// As the user said it.
    path: &'a Path,
}

impl LayoutWriter<'_> {
    /// Adds the image to `layout`: blobs first, so that the index never names what is not there.
    fn fill(&self, layout: &Directory) -> Result<(), ExportError> {
        let failed = ExportError::place(self.path);
        // Others may add theirs at the same time.
        match lock::lock(layout, Sharing::Exclusive) {
            Err(error) if !lock::is_unsupported(&error) => return Err(failed(error)),
            _ => {}
        }
        let blobs = layout.ensure_directory(BLOBS).map_err(&failed)?;
        for layer in &self.image.layers {
            let content = Assembled::open(self.storage, layer)?;
            self.blob(&blobs, layer, &mut Source::Blob(content))?;
        }
        let Assembled {
            config,
            config_bytes,
            manifest,
            manifest_bytes,
            ..
        } = self.image;
        self.blob(&blobs, config, &mut Source::Bytes(config_bytes))?;
        self.blob(&blobs, manifest, &mut Source::Bytes(manifest_bytes))?;
        let index = self.index(layout)?;
        if !sync::describe(layout).map_err(&failed)?.in_memory {
            sync::file_system(layout).map_err(&failed)?;
        }
        let replace = |name: &str, bytes: &[u8]| {
            let new = format!("{name}.{}", boot::unique());
            layout.write(&new, 0o644, bytes)?;
            layout.rename(&new, layout, name)
        };
        replace(LAYOUT_FILE, LAYOUT).map_err(&failed)?;
        replace(INDEX_FILE, &index).map_err(&failed)
    }

    /// The index of `layout` with this image in it, in place of those that had its names.
    fn index(&self, layout: &Directory) -> Result<Vec<u8>, ExportError> {
        let failed = ExportError::place(self.path);
        let entries = self.naming.entries(&self.image.manifest);
        let Some(bytes) = layout.try_read(INDEX_FILE).map_err(&failed)? else {
            return Ok(index(entries));
        };
        let mut old: Index =
            serde_json::from_slice(&bytes).map_err(|source| ExportError::Layout {
                path: self.path.to_owned(),
                source,
            })?;
        let name = |entry: &Descriptor| {
            entry
                .annotations
                .as_ref()?
                .get(annotation::REF_NAME)
                .cloned()
        };
        let gives_way = |there: &Descriptor| match name(there) {
            Some(name_there) => entries
                .iter()
                .any(|it| name(it) == Some(name_there.clone())),
            None => there.digest == self.image.manifest.digest,
        };
        old.manifests.retain(|there| !gives_way(there));
        old.manifests.extend(entries);
        Ok(old.to_bytes())
    }

    /// Copies a blob into `blobs`, unless it is there.
    fn blob(
        &self,
        blobs: &Directory,
        blob: &Descriptor,
        source: &mut Source<'_>,
    ) -> Result<(), ExportError> {
        let failed = ExportError::place(self.path);
        let digest = &blob.digest;
        let directory = blobs
            .ensure_directory(digest.algorithm().name())
            .map_err(&failed)?;
        if let Some(there) = directory.try_file(digest.hex()).map_err(&failed)? {
            let size = file::status(&there).map_err(&failed)?.size;
            if size == blob.size {
                return Ok(());
            }
        }
        let new = format!("{}.{}", digest.hex(), boot::unique());
        let mut copy = directory.make_file(&new, 0o644).map_err(&failed)?;
        let copied = match source {
            Source::Blob(from) if file::try_reflink(&copy, &*from) => Ok(()),
            Source::Blob(from) => io::copy(from, &mut copy).map(drop),
            Source::Bytes(bytes) => io::Write::write_all(&mut copy, bytes),
        };
        if let Err(source) = copied {
            // A layout of the user's keeps no leavings of ours.
            let _ = directory.remove_file(&new);
            let digest = digest.clone();
            return Err(ExportError::Copy { digest, source });
        }
        directory
            .rename(&new, &directory, digest.hex())
            .map_err(&failed)
    }
}

/// Where the bytes of a blob are.
enum Source<'a> {
    Blob(File),
    Bytes(&'a [u8]),
}
