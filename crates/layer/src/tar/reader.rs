//! From a stream of bytes to members and their content.

use std::io::{self, BufRead};

use ch_linux::file::Time;

use super::header::{BLOCK, Header};
use super::pax::{self, Extension};
use super::sparse::Map;
use super::{ArchiveProblem, Error, Kind, LONGEST_EXTENSION, Member, number};

/// Largest owner number; the one above it means "leave it" to the kernel.
const LARGEST_ID: u64 = u32::MAX as u64 - 1;
/// Numbers in the map of a sparse file of form 1.0 are never longer.
const LONGEST_NUMBER: usize = 20;

/// Reads an archive from its beginning to its end.
pub(crate) struct Reader<R> {
    input: R,
    /// Bytes taken from the input so far.
    position: u64,
    /// Where the first header of the present member is.
    start: u64,
    /// Name of the present member, for messages.
    name: Vec<u8>,
    /// Content of the present member.
    map: Map,
    /// Bytes of it, in the archive, not yet read.
    stored: u64,
    /// Bytes that fill its last block.
    padding: u64,
}

/// What came before the plain header of a member.
#[derive(Default)]
struct Preface {
    extension: Extension,
    long_path: Option<Vec<u8>>,
    long_link: Option<Vec<u8>>,
    bytes: u64,
}

impl<R: BufRead> Reader<R> {
    /// Begins to read an archive.
    pub(crate) fn new(input: R) -> Self {
        let (position, start, stored, padding) = (0, 0, 0, 0);
        Self {
            input,
            position,
            start,
            name: Vec::new(),
            map: Map::default(),
            stored,
            padding,
        }
    }

    /// The next member; what is left of the content of the one before is passed over.
    pub(crate) fn next(&mut self) -> Result<Option<Member>, Error> {
        let rest = self.stored;
        self.skip(rest, "content")?;
        self.stored = 0;
        // Some writers leave the last block short.
        let padding = self.padding;
        self.skip_up_to(padding)?;
        self.padding = 0;
        self.start = self.position;
        self.name.clear();
        let mut preface = Preface::default();
        loop {
            let Some(header) = self.header()? else {
                let complete = preface.bytes == 0;
                return if complete {
                    Ok(None)
                } else {
                    self.fail(ArchiveProblem::Truncated("a member"))
                };
            };
            self.name = header.path();
            match header.letter() {
                b'x' => {
                    let data = self.extension(&header, &mut preface)?;
                    self.checked(preface.extension.add(&data))?;
                }
                b'g' => {
                    let data = self.extension(&header, &mut Preface::default())?;
                    self.checked(pax::check_global(&data))?;
                }
                b'L' => preface.long_path = Some(self.long_name(&header, &mut preface)?),
                b'K' => preface.long_link = Some(self.long_name(&header, &mut preface)?),
                b'V' => {
                    let size = self.size_of(&header)?;
                    self.skip(padded(size), "content")?;
                    preface = Preface::default();
                }
                _ => return self.member(&header, preface).map(Some),
            }
        }
    }

    /// Hands the content of the present member to `sink` in order, piece by piece, with each piece's
    /// place in the file. What is not handed over is a hole.
    pub(crate) fn content<E: From<Error>>(
        &mut self,
        mut sink: impl FnMut(u64, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let map = std::mem::take(&mut self.map);
        for piece in map.pieces() {
            let (mut place, end) = (piece.offset, piece.offset + piece.length);
            while place < end {
                let available = self.input.fill_buf().map_err(Error::Read)?;
                if available.is_empty() {
                    return Err(self.problem(ArchiveProblem::Truncated("content")).into());
                }
                let wanted = usize::try_from(end - place).unwrap_or(usize::MAX);
                let taken = available.len().min(wanted);
                sink(place, &available[..taken])?;
                self.take(taken);
                self.stored -= taken as u64;
                place += taken as u64;
            }
        }
        Ok(())
    }

    /// Reads what follows the end of the archive: nobody's, but part of the stream.
    pub(crate) fn drain(&mut self) -> Result<(), Error> {
        self.skip_up_to(u64::MAX).map(|_| ())
    }

    /// The present member's header, or the end of the archive.
    fn header(&mut self) -> Result<Option<Header>, Error> {
        let Some(block) = self.block("a header")? else {
            return Ok(None);
        };
        if block != [0; BLOCK] {
            return self.checked(Header::new(block)).map(Some);
        }
        match self.block("the end")? {
            Some(block) if block != [0; BLOCK] => self.fail(ArchiveProblem::ZeroBlock),
            _ => Ok(None),
        }
    }

    fn member(&mut self, header: &Header, mut preface: Preface) -> Result<Member, Error> {
        let attributes = preface.extension.take_attributes();
        let Preface {
            extension,
            long_path,
            long_link,
            ..
        } = preface;
        let path = extension
            .path
            .clone()
            .or(long_path)
            .unwrap_or_else(|| header.path());
        let link = extension.link.clone().or(long_link);
        let link = link.unwrap_or_else(|| header.link().to_vec());
        self.name.clone_from(&path);
        let size = match extension.size {
            Some(size) => self.checked(number::bounded("size", size, i64::MAX as u64))?,
            None => self.size_of(header)?,
        };
        let kind = self.kind(header, &path, link)?;
        let mut member = Member {
            offset: self.start,
            path,
            mode: self.checked(header.mode())?,
            uid: self.id("uid", extension.uid, header.uid())?,
            gid: self.id("gid", extension.gid, header.gid())?,
            modified: self.modified(&extension, header)?,
            size: 0,
            attributes,
            kind,
        };
        self.map = Map::default();
        if member.kind == Kind::File {
            self.stored = size;
            self.padding = padded(size) - size;
            member.size = self.describe_content(header, extension, &mut member.path)?;
            self.name.clone_from(&member.path);
        }
        Ok(member)
    }

    fn kind(&self, header: &Header, path: &[u8], link: Vec<u8>) -> Result<Kind, Error> {
        Ok(match header.letter() {
            // Before there was a letter for directories, a slash at the end said it.
            0 if path.ends_with(b"/") => Kind::Directory,
            0 | b'0' | b'7' | b'S' => Kind::File,
            b'1' => Kind::HardLink(link),
            b'2' => Kind::Symlink(link),
            b'3' => Kind::Character(self.checked(header.device())?),
            b'4' => Kind::Block(self.checked(header.device())?),
            b'5' => Kind::Directory,
            b'6' => Kind::Fifo,
            letter => {
                let letter = letter.escape_ascii().to_string();
                return self.fail(ArchiveProblem::Type(letter));
            }
        })
    }

    /// Finds out which pieces of the file are stored; gives the size of the file.
    fn describe_content(
        &mut self,
        header: &Header,
        extension: Extension,
        path: &mut Vec<u8>,
    ) -> Result<u64, Error> {
        let sparse = extension.sparse;
        if header.letter() == b'S' {
            return self.old_gnu_sparse(header);
        }
        if sparse.major.is_none() && !sparse.has_map {
            self.map = Map::whole(self.stored);
            return Ok(self.stored);
        }
        if let Some(name) = sparse.name {
            *path = name;
        }
        let size = sparse
            .real_size
            .ok_or_else(|| self.problem(ArchiveProblem::SparseMap))?;
        let size = self.checked(number::bounded("GNU.sparse.size", size, i64::MAX as u64))?;
        self.map = match (sparse.major, sparse.minor) {
            (Some(1), Some(0)) => self.sparse_map_in_content()?,
            (None | Some(0), _) => self.checked(Map::from_numbers(&sparse.map))?,
            _ => return self.fail(ArchiveProblem::SparseMap),
        };
        self.checked(self.map.check(size, self.stored))?;
        Ok(size)
    }

    /// The old form: the map begins in the header and goes on in blocks after it.
    fn old_gnu_sparse(&mut self, header: &Header) -> Result<u64, Error> {
        let (descriptors, mut more, size) = header.sparse();
        let mut map = Map::default();
        self.checked(map.add_descriptors(descriptors))?;
        while more {
            let Some(block) = self.block("a sparse map")? else {
                return self.fail(ArchiveProblem::Truncated("a sparse map"));
            };
            self.checked(map.add_descriptors(&block[..504]))?;
            more = block[504] != 0;
        }
        let size = self.checked(number::field("realsize", size))?;
        let size = self.checked(number::bounded("realsize", size, i64::MAX as u64))?;
        self.checked(map.check(size, self.stored))?;
        self.map = map;
        Ok(size)
    }

    /// Form 1.0: the content begins with the map, decimal numbers on lines, filled up to a block.
    fn sparse_map_in_content(&mut self) -> Result<Map, Error> {
        let mut map = Map::default();
        let (mut block, mut at) = ([0; BLOCK], BLOCK);
        let mut number = |reader: &mut Self| -> Result<i128, Error> {
            let mut digits = Vec::new();
            loop {
                if at == BLOCK {
                    if reader.stored < BLOCK as u64 {
                        return reader.fail(ArchiveProblem::SparseMap);
                    }
                    block = match reader.block("a sparse map")? {
                        Some(block) => block,
                        None => return reader.fail(ArchiveProblem::Truncated("a sparse map")),
                    };
                    reader.stored -= BLOCK as u64;
                    at = 0;
                }
                let byte = block[at];
                at += 1;
                match byte {
                    b'\n' => break,
                    _ if digits.len() == LONGEST_NUMBER => {
                        return reader.fail(ArchiveProblem::SparseMap);
                    }
                    _ => digits.push(byte),
                }
            }
            number::decimal(&digits).ok_or_else(|| reader.problem(ArchiveProblem::SparseMap))
        };
        for _ in 0..number(self)? {
            let (offset, length) = (number(self)?, number(self)?);
            let pushed = map.push(offset, length);
            self.checked(pushed)?;
        }
        Ok(map)
    }

    /// The data of an extended header.
    fn extension(&mut self, header: &Header, preface: &mut Preface) -> Result<Vec<u8>, Error> {
        let size = self.size_of(header)?;
        preface.bytes = preface.bytes.saturating_add(size);
        if preface.bytes > LONGEST_EXTENSION {
            return self.fail(ArchiveProblem::LongExtension);
        }
        let mut data = vec![0; padded(size) as usize];
        for block in data.chunks_exact_mut(BLOCK) {
            match self.block("an extended header")? {
                Some(read) => block.copy_from_slice(&read),
                None => return self.fail(ArchiveProblem::Truncated("an extended header")),
            }
        }
        data.truncate(size as usize);
        Ok(data)
    }

    /// A long name of GNU tar, without its terminating NUL.
    fn long_name(&mut self, header: &Header, preface: &mut Preface) -> Result<Vec<u8>, Error> {
        let mut name = self.extension(header, preface)?;
        name.truncate(memchr::memchr(0, &name).unwrap_or(name.len()));
        Ok(name)
    }

    fn size_of(&self, header: &Header) -> Result<u64, Error> {
        let size = header
            .size()
            .and_then(|size| number::bounded("size", size, i64::MAX as u64));
        self.checked(size)
    }

    fn id(
        &self,
        field: &'static str,
        extended: Option<i128>,
        plain: Result<i128, ArchiveProblem>,
    ) -> Result<u32, Error> {
        let value = match extended {
            Some(value) => value,
            None => self.checked(plain)?,
        };
        self.checked(number::bounded(field, value, LARGEST_ID))
            .map(|id| id as u32)
    }

    fn modified(&self, extension: &Extension, header: &Header) -> Result<Time, Error> {
        if let Some(time) = extension.modified {
            return Ok(time);
        }
        let value = self.checked(header.modified())?;
        let seconds = i64::try_from(value)
            .map_err(|_| self.problem(number::impossible("mtime", value.to_string().as_bytes())))?;
        Ok(Time {
            seconds,
            nanoseconds: 0,
        })
    }

    /// One whole block, or nothing at the end of the input.
    fn block(&mut self, place: &'static str) -> Result<Option<[u8; BLOCK]>, Error> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            let available = match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other.map_err(Error::Read)?,
            };
            if available.is_empty() {
                return if filled == 0 {
                    Ok(None)
                } else {
                    self.fail(ArchiveProblem::Truncated(place))
                };
            }
            let taken = available.len().min(BLOCK - filled);
            block[filled..filled + taken].copy_from_slice(&available[..taken]);
            filled += taken;
            self.take(taken);
        }
        Ok(Some(block))
    }

    fn skip(&mut self, bytes: u64, place: &'static str) -> Result<(), Error> {
        if self.skip_up_to(bytes)? == bytes {
            Ok(())
        } else {
            self.fail(ArchiveProblem::Truncated(place))
        }
    }

    fn skip_up_to(&mut self, bytes: u64) -> Result<u64, Error> {
        let mut skipped = 0;
        while skipped < bytes {
            let available = self.input.fill_buf().map_err(Error::Read)?.len();
            if available == 0 {
                break;
            }
            let taken = usize::try_from(bytes - skipped)
                .unwrap_or(usize::MAX)
                .min(available);
            self.take(taken);
            skipped += taken as u64;
        }
        Ok(skipped)
    }

    fn take(&mut self, bytes: usize) {
        self.input.consume(bytes);
        self.position += bytes as u64;
    }

    fn checked<T>(&self, result: Result<T, ArchiveProblem>) -> Result<T, Error> {
        result.map_err(|problem| self.problem(problem))
    }

    fn fail<T>(&self, problem: ArchiveProblem) -> Result<T, Error> {
        Err(self.problem(problem))
    }

    fn problem(&self, problem: ArchiveProblem) -> Error {
        Error::Archive {
            member: self.name.clone(),
            offset: self.start,
            problem,
        }
    }
}

fn padded(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64)
}
