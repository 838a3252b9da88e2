//! OCI image layouts as archives, and what `docker load` reads.

use std::io::{self, Read, Write};

use ch_layer::FileArchive;
use ch_oci::Descriptor;
use ch_storage::Storage;
use serde_json::{Value, json};

use super::ExportError;
use super::checked::Checked;
use super::layout::{self, BLOBS, INDEX_FILE, LAYOUT, LAYOUT_FILE, blob_path};
use super::naming::Naming;
use crate::assemble::Assembled;

/// The file that `docker load` looks for.
const DOCKER_FILE: &str = "manifest.json";

/// Who is to read an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Oci,
    Docker,
}

/// Writes `image` to `output`, members in the order of their names.
pub(super) fn write(
    storage: &Storage,
    image: &Assembled,
    naming: &Naming,
    kind: Kind,
    output: impl Write,
    place: &str,
) -> Result<(), ExportError> {
    let unwritten = ExportError::write(place);
    let mut archive = FileArchive::new(output);
    archive.directory(BLOBS).map_err(&unwritten)?;
    let mut blobs = blobs(image);
    blobs.sort_by_key(|(blob, _)| (blob.digest.algorithm().name(), blob.digest.hex()));
    blobs.dedup_by_key(|(blob, _)| blob.digest.clone());
    let mut algorithm = "";
    for (blob, content) in blobs {
        if blob.digest.algorithm().name() != algorithm {
            algorithm = blob.digest.algorithm().name();
            archive
                .directory(&format!("{BLOBS}/{algorithm}"))
                .map_err(&unwritten)?;
        }
        match content {
            Some(bytes) => add(&mut archive, blob, bytes, place)?,
            None => add(&mut archive, blob, Assembled::open(storage, blob)?, place)?,
        }
    }
    let index = layout::index(naming.entries(&image.manifest));
    let docker = json!([docker_image(image, naming)]).to_string();
    let mut file = |name, bytes: &[u8]| {
        let added = archive.file(name, bytes.len() as u64, bytes);
        added.map_err(&unwritten)
    };
    file(INDEX_FILE, &index)?;
    if kind == Kind::Docker {
        file(DOCKER_FILE, docker.as_bytes())?;
    }
    file(LAYOUT_FILE, LAYOUT)?;
    archive.finish().map_err(&unwritten)?;
    Ok(())
}

/// All blobs, with what is in those that are no layers.
fn blobs(image: &Assembled) -> Vec<(&Descriptor, Option<&[u8]>)> {
    let layers = image.layers.iter().map(|layer| (layer, None));
    let documents: [(&Descriptor, Option<&[u8]>); 2] = [
        (&image.manifest, Some(&image.manifest_bytes)),
        (&image.config, Some(&image.config_bytes)),
    ];
    layers.chain(documents).collect()
}

/// What Docker's file says of the image.
fn docker_image(image: &Assembled, naming: &Naming) -> Value {
    let path = |blob: &Descriptor| blob_path(&blob.digest);
    json!({
        "Config": path(&image.config),
        "RepoTags": naming.repository_tags(),
        "Layers": image.layers.iter().map(path).collect::<Vec<_>>(),
    })
}

/// Adds a blob, which must be what its digest says.
fn add<W: Write>(
    archive: &mut FileArchive<W>,
    blob: &Descriptor,
    content: impl Read,
    place: &str,
) -> Result<(), ExportError> {
    let digest = &blob.digest;
    let mut content = Checked::new(content, digest);
    let added = archive.file(&blob_path(digest), blob.size, &mut content);
    match added {
        Err(error) if content.has_failed() => Err(ExportError::read(digest, error)),
        // There was less than was announced.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(ExportError::Damaged(digest.clone()))
        }
        Err(error) => Err(ExportError::write(place)(error)),
        Ok(()) if content.finish() != *digest => Err(ExportError::Damaged(digest.clone())),
        Ok(()) => Ok(()),
    }
}
