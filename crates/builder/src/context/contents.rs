//! The content index: digests of files that did not change since they were read, so that they are not read again.
//!
//! ```text
//! ch-image contents 1                                   then, each ended by NUL:
//! <digest> <size> <mtime> <ctime> <inode> <mode> <path>
//! ```
//!
//! Invariants: an entry is used only while size, times, inode and mode are what they were; it is made only
//! if both times were two seconds old when the reading began, since a change within the grain of the
//! clock would leave the times alone (racy files are read every time).

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ch_linux::file::Status;
use ch_oci::Digest;
use ch_storage::Storage;

const HEAD: &[u8] = b"ch-image contents 1\n";
/// A file changed less than so many seconds ago may change again without showing it.
const RACY: i64 = 2;
/// More files than this are not remembered; a table that has grown so far, gone files among it, is begun anew.
const MOST: usize = 200_000;

/// What is known of the files of one context.
#[derive(Debug)]
pub(crate) struct Contents {
    key: Digest,
    entries: HashMap<PathBuf, Entry>,
    changed: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    stamp: String,
    digest: String,
}

impl Contents {
    /// What the storage directory knows of the context at `path`.
    pub(crate) fn load(storage: Option<&Storage>, path: &Path) -> Self {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let key = Digest::of(real.as_os_str().as_bytes());
        let table = storage.and_then(|storage| storage.content_table(&key));
        let table = table.unwrap_or_default();
        Self {
            entries: parse(&table)
                .filter(|entries| entries.len() < MOST)
                .unwrap_or_default(),
            key,
            changed: false,
        }
    }

    /// The digest of the file at `path`, if it is as it was when it was read.
    pub(crate) fn get(&self, path: &Path, status: &Status) -> Option<&str> {
        let entry = self.entries.get(path)?;
        (entry.stamp == stamp(status)).then_some(&entry.digest)
    }

    /// Remembers the digest of a file whose status was the same before and after it was read, which began at `began`.
    pub(crate) fn put(&mut self, path: &Path, status: &Status, began: i64, digest: &str) {
        let latest = status.modified.seconds.max(status.changed.seconds);
        if latest.saturating_add(RACY) >= began || self.entries.len() >= MOST {
            return;
        }
        let entry = Entry {
            stamp: stamp(status),
            digest: digest.to_owned(),
        };
        self.entries.insert(path.to_owned(), entry);
        self.changed = true;
    }

    /// Keeps what was learned, if anything was.
    pub(crate) fn save(&self, storage: &Storage) {
        if !self.changed {
            return;
        }
        let mut table = HEAD.to_vec();
        for (path, entry) in &self.entries {
            table.extend_from_slice(format!("{} {} ", entry.digest, entry.stamp).as_bytes());
            table.extend_from_slice(path.as_os_str().as_bytes());
            table.push(0);
        }
        if let Err(error) = storage.put_content_table(&self.key, &table) {
            tracing::debug!("contents are not remembered: {error}");
        }
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs().cast_signed()
}

fn stamp(status: &Status) -> String {
    let (modified, changed) = (status.modified, status.changed);
    format!(
        "{} {}.{:09} {}.{:09} {} {:o}",
        status.size,
        modified.seconds,
        modified.nanoseconds,
        changed.seconds,
        changed.nanoseconds,
        status.inode,
        status.mode
    )
}

fn parse(table: &[u8]) -> Option<HashMap<PathBuf, Entry>> {
    let entries = table.strip_prefix(HEAD)?.split(|byte| *byte == 0);
    let entries = entries.filter(|entry| !entry.is_empty()).map(|entry| {
        let mut fields = entry.splitn(7, |byte| *byte == b' ');
        let mut text = || String::from_utf8(fields.next()?.to_vec()).ok();
        let digest = text()?;
        let stamp = [text()?, text()?, text()?, text()?, text()?].join(" ");
        let path = Path::new(OsStr::from_bytes(fields.next()?)).to_owned();
        Some((path, Entry { stamp, digest }))
    });
    entries.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_hold_while_nothing_shows_a_change_and_racy_ones_are_not_made() {
        let directory = tempfile::tempdir().unwrap();
        let storage = directory.path().join("storage");
        let storage = Storage::open(&storage, ch_storage::Options::default()).unwrap();
        let file = std::fs::File::create(directory.path().join("f")).unwrap();
        let status = ch_linux::file::status(&file).unwrap();
        let seconds = status.changed.seconds;
        let path = Path::new("a b\n/f");
        let mut contents = Contents::load(Some(&storage), directory.path());
        contents.put(path, &status, seconds + RACY, "00");
        assert_eq!(contents.get(path, &status), None, "racy");
        contents.put(path, &status, seconds + RACY + 1, "00");
        contents.save(&storage);
        let contents = Contents::load(Some(&storage), directory.path());
        assert_eq!(contents.get(path, &status), Some("00"));
        let mut other = status.clone();
        other.changed.nanoseconds ^= 1;
        assert_eq!(contents.get(path, &other), None);
        let elsewhere = Contents::load(Some(&storage), Path::new("/"));
        assert_eq!(elsewhere.get(path, &status), None);
    }
}
