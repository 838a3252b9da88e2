//! The content index as it is kept: bytes that are looked up in as they are, without making a value of each entry.
//!
//! ```text
//! ch-image contents 2\n
//! <number of directories>                         numbers are little-endian: 4 bytes, of names 2
//!   <path length> <path> <number of entries> <length of the entries>
//!     <name length> <name> <stamp, 44 bytes>      sorted by name
//! <digest, 32 bytes> for each entry               in the same order
//! ```

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use ch_linux::file::{Status, Time};

use super::Holding;

const HEAD: &[u8] = b"ch-image contents 2\n";
const DIGEST: usize = size_of::<Holding>();
const STAMP: usize = 44;

/// What shows that a file has changed: size, times, inode and mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp([u8; STAMP]);

impl Stamp {
    pub(super) fn of(status: &Status) -> Self {
        let mut bytes = [0; STAMP];
        let mut rest = &mut bytes[..];
        let mut put = |value: &[u8]| {
            let (head, tail) = std::mem::take(&mut rest).split_at_mut(value.len());
            head.copy_from_slice(value);
            rest = tail;
        };
        put(&status.size.to_le_bytes());
        for Time {
            seconds,
            nanoseconds,
        } in [status.modified, status.changed]
        {
            put(&seconds.to_le_bytes());
            put(&nanoseconds.to_le_bytes());
        }
        put(&status.inode.to_le_bytes());
        put(&status.mode.to_le_bytes());
        Self(bytes)
    }
}

/// A table in memory.
#[derive(Debug, Default)]
pub(super) struct Table {
    bytes: Vec<u8>,
    directories: HashMap<PathBuf, Block>,
    /// Where the digests begin.
    digests: usize,
}

/// Where the entries of one directory are.
#[derive(Debug, Clone)]
struct Block {
    bytes: Range<usize>,
    /// Number of the first among all entries.
    first: usize,
    entries: usize,
}

/// One entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) name: &'a [u8],
    pub(super) stamp: Stamp,
    pub(super) holding: Holding,
}

/// What became known of a directory's files; nothing is known of those that are gone.
pub(super) type News = BTreeMap<OsString, Option<(Stamp, Holding)>>;

impl Table {
    /// Reads what [`Table::updated`] wrote; `None` if it is anything else.
    pub(super) fn parse(bytes: Vec<u8>) -> Option<Self> {
        let mut reader = Reader {
            bytes: &bytes,
            at: HEAD.len(),
        };
        if !bytes.starts_with(HEAD) {
            return None;
        }
        let mut directories = HashMap::new();
        let mut all = 0;
        for _ in 0..reader.number()? {
            let length = reader.number()?;
            let path = OsStr::from_bytes(reader.take(length)?).to_owned();
            let (entries, length) = (reader.number()?, reader.number()?);
            let start = reader.at;
            reader.take(length)?;
            let block = Block {
                bytes: start..reader.at,
                first: all,
                entries,
            };
            directories.insert(path.into(), block);
            all += entries;
        }
        let digests = reader.at;
        let is_whole = bytes.len() - digests == all.checked_mul(DIGEST)?;
        is_whole.then_some(Self {
            bytes,
            directories,
            digests,
        })
    }

    /// What is known of the files in the directory `path`, sorted by name.
    pub(super) fn directory(&self, path: &Path) -> Vec<Record<'_>> {
        let block = self.directories.get(path);
        block.map_or_else(Vec::new, |block| self.records(block).collect())
    }

    /// The directories that something is known of.
    pub(super) fn directories(&self) -> impl Iterator<Item = &PathBuf> {
        self.directories.keys()
    }

    fn records(&self, block: &Block) -> impl Iterator<Item = Record<'_>> {
        let mut reader = Reader {
            bytes: &self.bytes[..block.bytes.end],
            at: block.bytes.start,
        };
        let digests = self.bytes[self.digests..].chunks_exact(DIGEST);
        let digests = digests.skip(block.first).take(block.entries);
        digests.map_while(move |digest| {
            let length = reader.short()?;
            let name = reader.take(length)?;
            let stamp = Stamp(reader.take(STAMP)?.try_into().ok()?);
            Some(Record {
                name,
                stamp,
                holding: digest.try_into().ok()?,
            })
        })
    }

    /// The bytes of a table with `news`, without the directories that are `gone`, and with `most` entries at most.
    pub(super) fn updated(
        &self,
        news: &BTreeMap<PathBuf, News>,
        gone: impl Fn(&Path) -> bool,
        most: usize,
    ) -> Vec<u8> {
        let mut writer = Writer {
            room: most,
            ..Writer::default()
        };
        for (path, news) in news {
            let mut entries = news.clone();
            for record in self.directory(path) {
                let name = OsString::from_vec(record.name.to_vec());
                let known = Some((record.stamp, record.holding));
                entries.entry(name).or_insert(known);
            }
            let entries = entries.iter().filter_map(|(name, entry)| {
                let (stamp, holding) = (*entry)?;
                Some(Record {
                    name: name.as_bytes(),
                    stamp,
                    holding,
                })
            });
            writer.directory(path, entries);
        }
        for (path, block) in &self.directories {
            if !news.contains_key(path) && !gone(path) {
                writer.directory(path, self.records(block));
            }
        }
        writer.finish()
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn number(&mut self) -> Option<usize> {
        let bytes = self.take(4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    }

    fn short(&mut self) -> Option<usize> {
        let bytes = self.take(2)?.try_into().ok()?;
        Some(u16::from_le_bytes(bytes).into())
    }
}

/// A table under construction.
#[derive(Default)]
struct Writer {
    directories: u32,
    blocks: Vec<u8>,
    digests: Vec<u8>,
    /// How many entries more there may be.
    room: usize,
}

impl Writer {
    fn directory<'r>(&mut self, path: &Path, records: impl Iterator<Item = Record<'r>>) {
        let mut entries = Vec::new();
        let mut count: u32 = 0;
        for Record {
            name,
            stamp,
            holding,
        } in records.take(self.room)
        {
            // No file system has longer names; a table is no place to find out.
            let Ok(length) = u16::try_from(name.len()) else {
                continue;
            };
            entries.extend(length.to_le_bytes());
            entries.extend(name);
            entries.extend(stamp.0);
            self.digests.extend(holding);
            count += 1;
        }
        let path = path.as_os_str().as_bytes();
        let lengths = (u32::try_from(path.len()), u32::try_from(entries.len()));
        let (Ok(path_length), Ok(length), 1..) = (lengths.0, lengths.1, count) else {
            let all = self.digests.len() - count as usize * DIGEST;
            return self.digests.truncate(all);
        };
        self.room -= count as usize;
        self.directories += 1;
        self.blocks.extend(path_length.to_le_bytes());
        self.blocks.extend(path);
        self.blocks.extend(count.to_le_bytes());
        self.blocks.extend(length.to_le_bytes());
        self.blocks.append(&mut entries);
    }

    fn finish(mut self) -> Vec<u8> {
        let mut bytes = HEAD.to_vec();
        bytes.extend(self.directories.to_le_bytes());
        bytes.append(&mut self.blocks);
        bytes.append(&mut self.digests);
        bytes
    }
}
