//! As much of an ELF file's header as explains why it cannot be executed.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

const MAGIC: &[u8] = b"\x7fELF";
/// `PT_INTERP`: the program header that names the loader.
const INTERPRETER: u32 = 3;
/// Loaders have short paths; what is longer is no path.
const LONGEST_PATH: usize = 4096;

/// What a file's header says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Elf {
    /// The machine it is for, named as Rust names it.
    pub(crate) machine: String,
    /// The loader it needs.
    pub(crate) loader: Option<String>,
}

/// Names of machines, by `e_machine`.
const MACHINES: [(u16, &str); 9] = [
    (3, "x86"),
    (20, "powerpc"),
    (21, "powerpc64"),
    (22, "s390x"),
    (40, "arm"),
    (62, "x86_64"),
    (183, "aarch64"),
    (243, "riscv64"),
    (258, "loongarch64"),
];

/// Whether the file begins as an ELF file.
pub(crate) fn is_elf(path: &Path) -> bool {
    let mut start = [0; 4];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut start))
        .is_ok()
        && start == MAGIC
}

impl Elf {
    /// Reads the header of `path`; `None` if it is no ELF file or is cut short.
    pub(crate) fn read(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let mut header = [0; 64];
        file.read_exact_at(&mut header, 0).ok()?;
        if !header.starts_with(MAGIC) {
            return None;
        }
        let layout = Layout {
            wide: header[4] == 2,
            big_endian: header[5] == 2,
        };
        let number = layout.u16(&header, 18)?;
        let machine = MACHINES
            .iter()
            .find(|(known, _)| *known == number)
            .map_or_else(
                || format!("machine {number}"),
                |(_, name)| (*name).to_owned(),
            );
        Some(Self {
            machine,
            loader: layout.loader(&file, &header),
        })
    }
}

/// Width and byte order of a file's numbers.
struct Layout {
    wide: bool,
    big_endian: bool,
}

impl Layout {
    fn u16(&self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = bytes.get(at..at + 2)?.try_into().ok()?;
        Some(if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    }

    fn u32(&self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    /// A number as wide as an address: at one place in wide files, at another in narrow ones.
    fn address(&self, bytes: &[u8], wide_at: usize, narrow_at: usize) -> Option<u64> {
        if !self.wide {
            return self.u32(bytes, narrow_at).map(u64::from);
        }
        let bytes = bytes.get(wide_at..wide_at + 8)?.try_into().ok()?;
        Some(if self.big_endian {
            u64::from_be_bytes(bytes)
        } else {
            u64::from_le_bytes(bytes)
        })
    }

    fn loader(&self, file: &File, header: &[u8]) -> Option<String> {
        let table = self.address(header, 32, 28)?;
        let (size_at, count_at) = if self.wide { (54, 56) } else { (42, 44) };
        let size = self.u16(header, size_at)?;
        let count = self.u16(header, count_at)?;
        let mut entry = vec![0; usize::from(size)];
        for index in 0..count {
            let at = table.checked_add(u64::from(index) * u64::from(size))?;
            file.read_exact_at(&mut entry, at).ok()?;
            if self.u32(&entry, 0)? == INTERPRETER {
                let start = self.address(&entry, 8, 4)?;
                let length = usize::try_from(self.address(&entry, 32, 16)?).ok()?;
                let mut path = vec![0; length.min(LONGEST_PATH)];
                file.read_exact_at(&mut path, start).ok()?;
                let end = path
                    .iter()
                    .position(|&byte| byte == 0)
                    .unwrap_or(path.len());
                return Some(String::from_utf8_lossy(&path[..end]).into_owned());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_of_this_machine_is_for_this_machine() {
        let shell = Elf::read(Path::new("/bin/sh")).expect("an ELF file");
        assert_eq!(shell.machine, std::env::consts::ARCH);
        let loader = shell.loader.expect("a dynamically linked shell");
        assert!(Path::new(&loader).exists(), "{loader}");
    }

    #[test]
    fn what_is_no_elf_file_has_no_header() {
        assert_eq!(Elf::read(Path::new("/etc/passwd")), None);
        assert_eq!(Elf::read(Path::new("/nonexistent")), None);
        assert!(!is_elf(Path::new("/etc/passwd")));
    }
}
