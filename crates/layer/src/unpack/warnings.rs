//! What could not be kept: each reason once, with its first example and how many there were.

use std::collections::BTreeMap;

/// Why something is not as the archive has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    /// An extended attribute that would be taken for our own.
    ForgedAttribute,
    /// A time that the file system does not know.
    Time,
    /// More names for one file than the file system allows.
    ManyLinks,
}

/// All warnings of a layer.
#[derive(Default)]
pub(super) struct Warnings {
    seen: BTreeMap<Reason, (String, u64)>,
}

impl Warnings {
    /// Notes one more case.
    pub(super) fn add(&mut self, reason: Reason, path: &[u8]) {
        let first = || (path.escape_ascii().to_string(), 0);
        self.seen.entry(reason).or_insert_with(first).1 += 1;
    }

    /// One sentence for each reason.
    pub(super) fn into_sentences(self) -> Vec<String> {
        let sentence = |(reason, (path, count))| {
            let what = match reason {
                Reason::ForgedAttribute => "extended attribute reserved for ch-image left out",
                Reason::Time => "time of last change out of the file system's range",
                Reason::ManyLinks => "too many hard links to one file, copied instead",
            };
            match count {
                1 => format!("{what}: {path}"),
                _ => format!("{what}: {path} and {} more", count - 1),
            }
        };
        self.seen.into_iter().map(sentence).collect()
    }
}
