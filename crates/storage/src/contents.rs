//! Content tables: what a builder remembers of the files of a context, so as not to read them again, and of what it
//! copied, so as not to write it again.
//!
//! A table is one file below `contents/`, written beside and renamed in, so builds at once do no harm: the last one
//! wins. Its first line is the SHA-256 of the rest; what does not agree with it is no table. Losing one
//! costs time and nothing else, so none is taken to disk, and there are never more than [`MOST`].

use ch_linux::SyscallError;
use ch_oci::Digest;

use crate::durability::UNMARKED;
use crate::opening::names;
use crate::sweep::remove_if_there;
use crate::{PublishError, Storage};

/// More tables than this are not kept; the oldest goes first.
const MOST: usize = 256;

impl Storage {
    /// The table of the context or copy `key`, if there is a whole one.
    pub fn content_table(&self, key: &Digest) -> Option<Vec<u8>> {
        let read = || match self.directory().try_directory(names::CONTENTS)? {
            Some(directory) => directory.try_read(key.hex()),
            None => Ok(None),
        };
        let found: Result<_, SyscallError> = read();
        let bytes = found.unwrap_or_else(|error| {
            tracing::debug!("content table is not used: {error}");
            None
        })?;
        let (sum, table) = bytes.split_at_checked(Digest::of(b"").hex().len() + 1)?;
        let whole = sum.strip_suffix(b"\n") == Some(Digest::of(table).hex().as_bytes());
        whole.then(|| table.to_vec())
    }

    /// Keeps `table` for the context or copy `key`, in place of an older one.
    pub fn put_content_table(&self, key: &Digest, table: &[u8]) -> Result<(), PublishError> {
        self.write_content_table(key, table)
            .map_err(PublishError::Draft)
    }

    fn write_content_table(&self, key: &Digest, table: &[u8]) -> Result<(), SyscallError> {
        let directory = self.directory().ensure_directory(names::CONTENTS)?;
        let mut bytes = format!("{}\n", Digest::of(table).hex()).into_bytes();
        bytes.extend_from_slice(table);
        let (scratch, draft) = (self.scratch()?, ch_linux::boot::unique());
        let scratch = scratch.directory();
        scratch.write(&draft, UNMARKED, &bytes)?;
        scratch.rename(&draft, &directory, key.hex())?;
        let mut tables = Vec::new();
        for entry in directory.entries()? {
            if let Some(attributes) = directory.try_attributes_of(&entry.name)? {
                tables.push((attributes.modified, entry.name));
            }
        }
        tables.sort_unstable();
        let surplus = tables.len().saturating_sub(MOST);
        tables[..surplus]
            .iter()
            .try_for_each(|(_, name)| remove_if_there(&directory, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Place;

    #[test]
    fn only_whole_tables_are_given_back_and_not_too_many_are_kept() {
        let place = Place::new();
        let storage = place.open();
        let key = Digest::of(b"context");
        assert_eq!(storage.content_table(&key), None);
        storage.put_content_table(&key, b"table").unwrap();
        assert_eq!(storage.content_table(&key), Some(b"table".to_vec()));
        let path = place.path.join("contents").join(key.hex());
        std::fs::write(&path, b"torn").unwrap();
        assert_eq!(storage.content_table(&key), None);
        for number in 0..MOST + 3 {
            let key = Digest::of(number.to_string().as_bytes());
            storage.put_content_table(&key, b"").unwrap();
        }
        assert_eq!(place.names("contents").len(), MOST);
    }
}
