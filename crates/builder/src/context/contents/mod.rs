//! The content index: what files hold that did not change since they were read, so that they are not read again.
//!
//! Invariants: an entry is used only while size, times, inode and mode are what they were; it is made only
//! if both times were two seconds old when the reading began, since a change within the grain of the
//! clock would leave the times alone (racy files are read every time).

mod table;

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ch_linux::file::Status;
use ch_oci::Digest;
use ch_storage::Storage;

use table::{News, Record, Stamp, Table};

/// A file changed less than so many seconds ago may change again without showing it.
const RACY: i64 = 2;
/// More files than this are not remembered.
const MOST: usize = 500_000;

/// Hash of what a file holds: its content and those of its attributes that are copied.
pub(crate) type Holding = [u8; 32];

/// What is known of the files of one context.
#[derive(Debug)]
pub(crate) struct Contents {
    key: Digest,
    table: Table,
    news: BTreeMap<PathBuf, News>,
    gone: HashSet<PathBuf>,
    read: usize,
}

/// What is known of the files in one directory.
#[derive(Debug)]
pub(crate) struct Known<'a>(Vec<Record<'a>>);

/// What was found out of one file.
#[derive(Debug)]
pub(crate) struct Discovery {
    /// The directory it is in.
    pub(crate) directory: PathBuf,
    /// Its name.
    pub(crate) name: OsString,
    /// What it holds, while its status is this; `None` if it is gone.
    pub(crate) entry: Option<(Status, Holding)>,
}

impl Contents {
    /// What the storage directory knows of the context at `path`.
    pub(crate) fn load(storage: Option<&Storage>, path: &Path) -> Self {
        let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let key = Digest::of(real.as_os_str().as_bytes());
        let bytes = storage.and_then(|storage| storage.content_table(&key));
        Self {
            table: bytes.and_then(Table::parse).unwrap_or_default(),
            key,
            news: BTreeMap::new(),
            gone: HashSet::new(),
            read: 0,
        }
    }

    /// Which context it is of.
    pub(crate) fn key(&self) -> &Digest {
        &self.key
    }

    /// What is known of the files in the directory `path`.
    pub(crate) fn directory(&self, path: &Path) -> Known<'_> {
        Known(self.table.directory(path))
    }

    /// Adds what was found out below `top`, in which there were `directories` and no others.
    pub(crate) fn learn(
        &mut self,
        discoveries: impl IntoIterator<Item = Discovery>,
        top: &Path,
        directories: &HashSet<&Path>,
    ) {
        for discovery in discoveries {
            let entry = discovery.entry;
            let entry = entry.map(|(status, holding)| (Stamp::of(&status), holding));
            let news = self.news.entry(discovery.directory).or_default();
            news.insert(discovery.name, entry);
        }
        for path in self.table.directories() {
            if path.starts_with(top) && !directories.contains(path.as_path()) {
                self.gone.insert(path.clone());
            }
        }
    }

    /// Counts files that were read because nothing was known of them.
    pub(crate) fn count_read(&mut self, files: usize) {
        self.read += files;
    }

    /// How many files were read so far.
    pub(crate) fn read(&self) -> usize {
        self.read
    }

    /// Keeps what was learned, if anything was.
    pub(crate) fn save(&self, storage: &Storage) {
        tracing::debug!("{} files of the context were read", self.read());
        if self.news.is_empty() && self.gone.is_empty() {
            return;
        }
        let gone = |path: &Path| self.gone.contains(path);
        let table = self.table.updated(&self.news, gone, MOST);
        if let Err(error) = storage.put_content_table(&self.key, &table) {
            tracing::debug!("contents are not remembered: {error}");
        }
    }
}

impl Known<'_> {
    /// What the file `name` holds, if it is as it was when it was read.
    pub(crate) fn get(&self, name: &std::ffi::OsStr, status: &Status) -> Option<Holding> {
        let name = name.as_bytes();
        let found = self.0.binary_search_by(|record| record.name.cmp(name));
        let record = &self.0[found.ok()?];
        (record.stamp == Stamp::of(status)).then_some(record.holding)
    }

    /// The known names that are not among `names`, which are sorted.
    pub(crate) fn missing_in<'n>(
        &self,
        mut names: impl Iterator<Item = &'n std::ffi::OsStr>,
    ) -> Vec<OsString> {
        let mut next = names.next();
        let mut missing = Vec::new();
        for record in &self.0 {
            while next.is_some_and(|name| name.as_bytes() < record.name) {
                next = names.next();
            }
            if next.is_none_or(|name| name.as_bytes() != record.name) {
                missing.push(std::ffi::OsStr::from_bytes(record.name).to_owned());
            }
        }
        missing
    }
}

/// Whether a change after `began`, in seconds since 1970, would show in a file of this status.
pub(crate) fn is_settled(status: &Status, began: i64) -> bool {
    let latest = status.modified.seconds.max(status.changed.seconds);
    latest.saturating_add(RACY) < began
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs().cast_signed()
}

#[cfg(test)]
mod tests;
