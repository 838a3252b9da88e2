//! `COPY`: files of the context into the workspace.

use std::cell::{OnceCell, RefCell};
use std::path::Path;

use ch_dockerfile::Word;
use ch_dockerfile::ast::{Copy, CopySource};
use ch_rootfs::{Beside, Learned, Workspace};
use ch_storage::{StateId, Storage};

use crate::CopyError;
use crate::context::contents::Contents;
use crate::context::destination::Destination;
use crate::context::imposed::{Ids, Imposed};
use crate::context::mode::Mode;
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

/// Substitutes and resolves the sources. `owner` is the value of `--chown` with what it means in the image.
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
    shown.append(&mut sources);
    shown.push(destination.clone());
    Ok(Prepared {
        operands,
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
    /// The state that the copy leads to, from the files as they are now: what the index does not
    /// know is read for it.
    pub(crate) fn state(&self, parent: &StateId, sources: &Sources) -> Result<StateId, CopyError> {
        let mut key = KeyHash::after(parent, "COPY 3");
        let Ids { uid, gid } = self.imposed.owner;
        key.field(
            "destination",
            self.destination.path.as_os_str().as_encoded_bytes(),
        )
        .field("as directory", [u8::from(self.destination.is_directory)])
        .field("owner", format!("{uid}:{gid}"))
        .field("mode", &self.mode);
        scan::add_to_key(&self.operands, &mut key, &mut sources.contents.borrow_mut())?;
        Ok(key.state())
    }

    /// The line of the history.
    pub(crate) fn history(&self) -> String {
        format!("COPY {} # buildkit", self.shown.join(" "))
    }

    /// Writes everything into `workspace`; what it can't carry comes back.
    pub(crate) fn write(&self, workspace: &Workspace) -> Result<Learned, CopyError> {
        let loaded: OnceCell<Beside<'_>> = OnceCell::new();
        let target = write::Target {
            root: workspace.root(),
            beside: &|path| {
                if loaded.get().is_none() {
                    let beside = workspace.beside().map_err(CopyError::Owners)?;
                    loaded.get_or_init(|| beside);
                }
                let beside = loaded.get().expect("it was loaded");
                beside.at(path).map_err(CopyError::Owners)
            },
        };
        write::copy(target, &self.operands, &self.destination, &self.imposed)
    }
}
