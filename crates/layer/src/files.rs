//! Archives that are only a way to carry files: an OCI layout, an image for `docker load`.

use std::io::{self, Read, Write};

use ch_linux::file::Time;

use crate::tar::{Kind, Member, Writer};

/// An archive of plain files: nobody's, of no time, so that the same files give the same archive.
pub struct FileArchive<W> {
    writer: Writer<W>,
}

impl<W: Write> FileArchive<W> {
    /// Begins an archive.
    pub fn new(output: W) -> Self {
        Self {
            writer: Writer::new(output),
        }
    }

    /// Adds the directory `path`, before what is in it.
    pub fn directory(&mut self, path: &str) -> io::Result<()> {
        self.writer
            .member(&member(format!("{path}/"), Kind::Directory, 0o755, 0))
    }

    /// Adds a file of what `content` gives, which must be `size` bytes.
    pub fn file(&mut self, path: &str, size: u64, content: impl Read) -> io::Result<()> {
        self.writer
            .member(&member(path.to_owned(), Kind::File, 0o644, size))?;
        let copied = io::copy(&mut content.take(size), &mut Content(&mut self.writer))?;
        if copied < size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// Ends the archive.
    pub fn finish(self) -> io::Result<W> {
        self.writer.finish()
    }
}

/// The content of the member that was begun.
struct Content<'a, W>(&'a mut Writer<W>);

impl<W: Write> Write for Content<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.content(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn member(path: String, kind: Kind, mode: u32, size: u64) -> Member {
    Member {
        offset: 0,
        path: path.into_bytes(),
        kind,
        mode,
        uid: 0,
        gid: 0,
        modified: Time::default(),
        size,
        attributes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn archive_has_what_was_put_into_it() {
        let mut archive = FileArchive::new(Vec::new());
        archive.directory("d").unwrap();
        archive.file("d/f", 5, &b"hello, and more"[..]).unwrap();
        let bytes = archive.finish().unwrap();
        let mut read = tar::Archive::new(&bytes[..]);
        let members: Vec<_> = read
            .entries()
            .unwrap()
            .map(|member| {
                let mut member = member.unwrap();
                let path = member.path().unwrap().into_owned();
                (path, io::read_to_string(&mut member).unwrap())
            })
            .collect();
        let expected =
            [("d/", ""), ("d/f", "hello")].map(|(path, text)| (path.into(), text.into()));
        assert_eq!(members, expected);
    }

    #[test]
    fn content_that_ends_early_is_an_error() {
        let mut archive = FileArchive::new(Vec::new());
        let error = archive.file("f", 5, &b"four"[..]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
