//! `COPY`: files of the context into the workspace.

use std::cell::RefCell;
use std::path::Path;

use ch_dockerfile::ast::{Copy, CopySource};
use ch_storage::{StateId, Storage};

use crate::CopyError;
use crate::context::contents::Contents;
use crate::context::destination::Destination;
use crate::context::resolve::{Operand, Root};
use crate::context::{scan, write};
use crate::error::{BuildError, Problem};
use crate::key::KeyHash;
use crate::stage::{Stage, Words};

/// The context, and what is known of its files.
pub(crate) struct Sources {
    root: Root,
    contents: RefCell<Contents>,
}

impl Sources {
    /// Opens the directory `path`.
    pub(crate) fn open(path: &Path, storage: Option<&Storage>) -> Result<Self, Problem> {
        let root = Root::open(path).map_err(|source| Problem::Context {
            path: path.display().to_string(),
            source,
        })?;
        let contents = RefCell::new(Contents::load(storage, path));
        Ok(Self { root, contents })
    }

    /// Keeps what was learned of the files.
    pub(crate) fn save(&self, storage: &Storage) {
        self.contents.borrow().save(storage);
    }
}

/// A `COPY` with its sources open.
pub(crate) struct Prepared {
    operands: Vec<Operand>,
    destination: Destination,
    /// Sources and destination as words of the history.
    shown: Vec<String>,
}

/// Substitutes and resolves the sources.
pub(crate) fn prepare(
    copy: &Copy,
    from: &Sources,
    words: &mut Words<'_>,
    stage: &Stage,
) -> Result<Prepared, BuildError> {
    let mut sources = Vec::new();
    for source in &copy.files.sources {
        match source {
            CopySource::Path(word) => sources.push(words.expand(&word.text)?),
            CopySource::Heredoc(_) => {
                let what = "COPY of a here-document".to_owned();
                return Err(Problem::NotSupported(what).into());
            }
        }
    }
    if let Some(url) = sources.iter().find(|text| is_url(text)) {
        return Err(Problem::UrlSource(url.clone()).into());
    }
    let destination = words.expand(&copy.files.destination.text)?;
    let operands = from.root.resolve(&sources)?;
    sources.push(destination.clone());
    Ok(Prepared {
        operands,
        destination: Destination::new(stage.working_directory(), &destination),
        shown: sources,
    })
}

fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

impl Prepared {
    /// The state that the copy leads to, from the files as they are now: what the index does not
    /// know is read for it.
    pub(crate) fn state(&self, parent: &StateId, sources: &Sources) -> Result<StateId, CopyError> {
        let mut key = KeyHash::after(parent, "COPY 2");
        key.field(
            "destination",
            self.destination.path.as_os_str().as_encoded_bytes(),
        )
        .field("as directory", [u8::from(self.destination.is_directory)]);
        scan::add_to_key(&self.operands, &mut key, &mut sources.contents.borrow_mut())?;
        Ok(key.state())
    }

    /// The line of the history.
    pub(crate) fn history(&self) -> String {
        format!("COPY {} # buildkit", self.shown.join(" "))
    }

    /// Writes everything below `root`.
    pub(crate) fn write(&self, root: std::os::fd::BorrowedFd<'_>) -> Result<(), CopyError> {
        write::copy(root, &self.operands, &self.destination)
    }
}
