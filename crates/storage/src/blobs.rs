//! Blobs: manifests, configs and compressed layers, byte for byte as registries have them.

use std::fs::File;
use std::io::{self, Read as _};

use ch_linux::SyscallError;
use ch_linux::file;
use ch_linux::tree::Directory;
use ch_oci::Digest;

use crate::Storage;
use crate::claims::Claim;
use crate::durability::{MARKED, Object};
use crate::read_only::is_read_only;

/// Size of the pieces in which a blob is hashed.
const PIECE: usize = 256 << 10;

/// Why a blob can't be looked at. One that is not there is no error.
#[derive(Debug, thiserror::Error)]
#[error("storage: can't read blob {digest}")]
pub struct BlobError {
    /// Which.
    pub digest: Digest,
    source: SyscallError,
}

impl BlobError {
    pub(crate) fn into_source(self) -> SyscallError {
        self.source
    }
}

/// The blobs of a storage directory.
#[derive(Debug, Clone, Copy)]
pub struct Blobs<'a> {
    storage: &'a Storage,
}

impl<'a> Blobs<'a> {
    pub(crate) fn new(storage: &'a Storage) -> Self {
        Self { storage }
    }

    /// Opens the blob `digest`, or finds that there is none.
    ///
    /// A blob without the mark of being on disk that this process did not write is hashed first: right, and it
    /// will be marked; wrong, and it goes to the trash and counts as missing.
    pub fn open(&self, digest: &Digest) -> Result<Option<File>, BlobError> {
        self.find(digest).map_err(|source| BlobError {
            digest: digest.clone(),
            source,
        })
    }

    /// Whether [`Blobs::open`] would find it.
    pub fn contains(&self, digest: &Digest) -> Result<bool, BlobError> {
        Ok(self.open(digest)?.is_some())
    }

    /// Size of the blob `digest`, if [`Blobs::open`] would find it.
    pub fn size(&self, digest: &Digest) -> Result<Option<u64>, BlobError> {
        let Some(file) = self.open(digest)? else {
            return Ok(None);
        };
        let found = file.metadata().map_err(|error| BlobError {
            digest: digest.clone(),
            source: SyscallError::new("fstat", digest.to_string(), error),
        })?;
        Ok(Some(found.len()))
    }

    /// All bytes of the blob `digest`, for manifests and configs. At most `limit` bytes, else it counts as missing.
    pub fn read(&self, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>, BlobError> {
        let Some(file) = self.open(digest)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        match file.take(limit + 1).read_to_end(&mut bytes) {
            Ok(length) if length as u64 > limit => Ok(None),
            Ok(_) => Ok(Some(bytes)),
            Err(source) => {
                let source = SyscallError::new("read", format!("{digest}"), source);
                Err(BlobError {
                    digest: digest.clone(),
                    source,
                })
            }
        }
    }

    fn find(&self, digest: &Digest) -> Result<Option<File>, SyscallError> {
        let blobs = &self.storage.inner().blobs;
        let Some(directory) = blobs.try_directory(digest.algorithm().name())? else {
            return Ok(None);
        };
        let find = || directory.try_file(digest.hex());
        let Some(file) = self.storage.claiming(&Claim::Blob(digest), find)? else {
            return Ok(None);
        };
        let mode = directory
            .try_attributes_of(digest.hex())?
            .map_or(0, |found| found.mode);
        let object = Object::Blob(digest.clone());
        if mode == MARKED || self.storage.inner().durability.is_pending(&object) {
            return Ok(Some(file));
        }
        self.believe_after_hashing(&directory, digest, file)
    }

    fn believe_after_hashing(
        &self,
        directory: &Directory,
        digest: &Digest,
        file: File,
    ) -> Result<Option<File>, SyscallError> {
        let found =
            hash(&file, digest).map_err(|e| SyscallError::new("read", digest.to_string(), e))?;
        if found == *digest {
            self.storage
                .publish(Object::Blob(digest.clone()), || Ok(()))?;
            return directory.try_file(digest.hex());
        }
        tracing::info!("blob {digest} did not survive; to the trash");
        let status = file::status(&file)?;
        let identity = (status.filesystem, status.inode);
        match self.storage.discard_only(directory, digest.hex(), identity) {
            Err(error) if is_read_only(&error) => Ok(None),
            other => other.map(|()| None),
        }
    }
}

/// The digest of everything in `file`, of the same algorithm as `like`.
pub(crate) fn hash(mut file: &File, like: &Digest) -> io::Result<Digest> {
    let mut hasher = like.algorithm().hasher();
    let mut piece = vec![0; PIECE];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hasher.finish()),
            length => hasher.update(&piece[..length]),
        }
    }
}
