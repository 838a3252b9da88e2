//! `COPY`: files of the context into the workspace.

use std::cell::RefCell;
use std::path::Path;

use ch_dockerfile::Word;
use ch_dockerfile::ast::{Copy, CopySource};
use ch_oci::Digest;
use ch_rootfs::{Learned, Workspace};
use ch_storage::{StateId, Storage};

use crate::CopyError;
use crate::context::contents::Contents;
use crate::context::destination::Destination;
use crate::context::imposed::{Ids, Imposed};
use crate::context::mode::Mode;
use crate::context::previous::{Identity, Previous};
use crate::context::resolve::{Operand, Root};
use crate::context::scan::seen::Seen;
use crate::context::{pool, scan, write};
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

/// A `COPY` with its sources open and looked at.
pub(crate) struct Prepared {
    operands: Vec<Operand>,
    /// What is in each of them.
    seen: Vec<Seen>,
    destination: Destination,
    imposed: Imposed,
    /// `--chmod` as it is in the key.
    mode: String,
    /// Flags, sources and destination as words of the history.
    shown: Vec<String>,
}

/// The value of a flag; none is the same as an empty one.
fn flag(word: Option<&Word>, words: &mut Words<'_>) -> Result<Option<String>, BuildError> {
    let text = word.map(|word| words.expand(&word.text)).transpose()?;
    Ok(text.filter(|text| !text.is_empty()))
}

/// The value of `--chown`.
pub(crate) fn chown(copy: &Copy, words: &mut Words<'_>) -> Result<Option<String>, BuildError> {
    flag(copy.files.chown.as_ref(), words)
}

/// Substitutes and resolves the sources, and looks at them: what the index does not know is read. `owner` is the value of `--chown` with what it means in the image.
pub(crate) fn prepare(
    copy: &Copy,
    from: &Sources,
    words: &mut Words<'_>,
    stage: &Stage,
    owner: Option<(&str, Ids)>,
) -> Result<Prepared, BuildError> {
    let mode = flag(copy.files.chmod.as_ref(), words)?;
    let imposed = Imposed {
        owner: owner.map_or_else(Ids::default, |(_, ids)| ids),
        mode: mode.as_deref().map(Mode::parse).transpose()?,
    };
    let flags = [
        ("chown", owner.map(|(text, _)| text)),
        ("chmod", mode.as_deref()),
    ];
    let flags = flags
        .into_iter()
        .filter_map(|(name, value)| Some(format!("--{name}={}", value?)));
    let mut shown: Vec<_> = flags.collect();
    let mut sources = Vec::new();
    for source in &copy.files.sources {
        match source {
            CopySource::Path(word) => sources.push(words.expand_wildcards(&word.text)?),
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
    let seen = scan::look(&operands, &mut from.contents.borrow_mut(), pool::threads())?;
    shown.append(&mut sources);
    shown.push(destination.clone());
    Ok(Prepared {
        operands,
        seen,
        destination: Destination::new(stage.working_directory(), &destination),
        imposed,
        mode: mode.unwrap_or_default(),
        shown,
    })
}

fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

impl Prepared {
    /// The state that the copy leads to.
    pub(crate) fn state(&self, parent: &StateId) -> StateId {
        let mut key = KeyHash::after(parent, "COPY 4");
        self.add_to_key(&mut key);
        scan::add_to_key(&self.operands, &self.seen, &mut key);
        key.state()
    }

    /// What is remembered of the instruction is found by this: nothing of the content is in it.
    pub(crate) fn memory_key(&self, sources: &Sources) -> Digest {
        let mut key = KeyHash::new("COPY again 1");
        key.field("context", sources.contents.borrow().key().hex());
        self.add_to_key(&mut key);
        key.list("words", &self.shown);
        key.finish()
    }

    fn add_to_key(&self, key: &mut KeyHash) {
        let Ids { uid, gid } = self.imposed.owner;
        key.field(
            "destination",
            self.destination.path.as_os_str().as_encoded_bytes(),
        )
        .field("as directory", [u8::from(self.destination.is_directory)])
        .field("owner", format!("{uid}:{gid}"))
        .field("mode", &self.mode);
    }

    /// The line of the history.
    pub(crate) fn history(&self) -> String {
        format!("COPY {} # buildkit", self.shown.join(" "))
    }

    /// Writes everything into `workspace`, but for what the layer has that the same instruction made last time.
    pub(crate) fn write(
        &self,
        workspace: &Workspace,
        previous: Option<Previous>,
    ) -> Result<(Learned, Vec<Identity>), CopyError> {
        let beside = workspace.beside().map_err(CopyError::Owners)?;
        let target = write::Target {
            root: workspace.root(),
            beside: &|path| beside.at(path).map_err(CopyError::Owners),
        };
        let mut written = write::copy(
            target,
            &self.operands,
            &self.seen,
            &self.destination,
            &self.imposed,
            previous.as_ref(),
        )?;
        if let Some(previous) = previous {
            written.learned.share(previous.share(written.shared));
        }
        Ok((written.learned, written.files))
    }
}
