//! Archives made by hand, so that they can be wrong in any way.

/// An archive under construction.
pub(super) struct Archive {
    bytes: Vec<u8>,
    ends: bool,
}

/// A member under construction: header fields as they will be in the archive.
#[derive(Clone)]
pub(super) struct Entry {
    header: [u8; 512],
    content: Vec<u8>,
    pax: Vec<u8>,
}

/// A member of this type and name: mode 0644 (directories 0755), owner 0:0, time 0.
pub(super) fn entry(letter: char, name: impl AsRef<[u8]>) -> Entry {
    let name = name.as_ref();
    let mut header = [0; 512];
    let short = &name[..name.len().min(100)];
    header[..short.len()].copy_from_slice(short);
    header[156] = letter as u8;
    header[257..265].copy_from_slice(b"ustar\x0000");
    let mut made = Entry {
        header,
        content: Vec::new(),
        pax: Vec::new(),
    };
    made = made
        .mode(if letter == '5' { 0o755 } else { 0o644 })
        .owner(0, 0)
        .time(0)
        .size(0);
    if name.len() > 100 {
        made.pax("path", name)
    } else {
        made
    }
}

/// A regular file.
pub(super) fn file(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Entry {
    entry('0', name).content(content)
}

/// A directory.
pub(super) fn directory(name: impl AsRef<[u8]>) -> Entry {
    entry('5', name)
}

/// A symbolic link.
pub(super) fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Entry {
    entry('2', name).link(target)
}

/// A hard link.
pub(super) fn hard_link(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Entry {
    entry('1', name).link(target)
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.header[..100].split(|byte| *byte == 0).next();
        let (letter, pax) = (self.header[156].escape_ascii(), self.pax.escape_ascii());
        write!(
            f,
            "{} {letter} {pax}",
            name.unwrap_or_default().escape_ascii()
        )
    }
}

impl Entry {
    /// Bytes of the header from `start`.
    pub(super) fn raw(mut self, start: usize, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        self.header[start..start + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn octal(self, start: usize, width: usize, value: u64) -> Self {
        self.raw(start, format!("{value:0width$o}\0", width = width - 1))
    }

    pub(super) fn mode(self, mode: u64) -> Self {
        self.octal(100, 8, mode)
    }

    pub(super) fn owner(self, uid: u64, gid: u64) -> Self {
        self.octal(108, 8, uid).octal(116, 8, gid)
    }

    pub(super) fn size(self, size: u64) -> Self {
        self.octal(124, 12, size)
    }

    pub(super) fn time(self, time: u64) -> Self {
        self.octal(136, 12, time)
    }

    pub(super) fn device(self, major: u64, minor: u64) -> Self {
        self.octal(329, 8, major).octal(337, 8, minor)
    }

    pub(super) fn link(self, target: impl AsRef<[u8]>) -> Self {
        let target = target.as_ref();
        if target.len() > 100 {
            self.pax("linkpath", target)
        } else {
            self.raw(157, target)
        }
    }

    /// Content, and the size of it in the header.
    pub(super) fn content(mut self, content: impl AsRef<[u8]>) -> Self {
        self.content = content.as_ref().to_vec();
        let size = self.content.len() as u64;
        self.size(size)
    }

    /// A record of an extended header before this member.
    pub(super) fn pax(mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.pax.extend(record(key.as_ref(), value.as_ref()));
        self
    }

    /// Adds up the header as if its bytes had a sign.
    pub(super) fn signed_sum(mut self) -> Self {
        self = self.raw(148, "        ");
        let sum: i64 = self
            .header
            .iter()
            .map(|byte| i64::from(byte.cast_signed()))
            .sum();
        self.raw(148, format!("{sum:06o}\0 "))
    }

    fn bytes(mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if !self.pax.is_empty() {
            bytes = entry('x', "PaxHeaders/x").content(&self.pax).bytes();
        }
        if self.header[148..156] == [0; 8] {
            self.header[148..156].copy_from_slice(b"        ");
            let sum: u64 = self.header.iter().map(|byte| u64::from(*byte)).sum();
            self = self.raw(148, format!("{sum:06o}\0 "));
        }
        bytes.extend(self.header);
        bytes.extend(&self.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }
}

/// A record of an extended header.
pub(super) fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length += 1;
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

impl Archive {
    /// An archive of these members, with its two blocks at the end.
    pub(super) fn of(entries: impl IntoIterator<Item = Entry>) -> Self {
        let bytes = entries.into_iter().flat_map(Entry::bytes).collect();
        Self { bytes, ends: true }
    }

    /// Just these bytes.
    pub(super) fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            bytes: bytes.into(),
            ends: false,
        }
    }

    /// The same without the two blocks at the end.
    pub(super) fn endless(mut self) -> Self {
        self.ends = false;
        self
    }

    /// More bytes after what is there, the end included.
    pub(super) fn then(self, bytes: impl AsRef<[u8]>) -> Self {
        let mut all = self.finish();
        all.extend(bytes.as_ref());
        Self::raw(all)
    }

    /// Only the first `length` bytes.
    pub(super) fn cut(self, length: usize) -> Self {
        let mut all = self.finish();
        all.truncate(length);
        Self::raw(all)
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        if self.ends {
            self.bytes.extend([0; 1024]);
        }
        self.bytes
    }
}
