//! `COPY`: files of the context, and here-documents, into the workspace.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ch_dockerfile::Word;
use ch_dockerfile::ast::{Copy, CopySource};
use ch_oci::Digest;
use ch_rootfs::{Learned, Workspace};
use ch_storage::{StateId, Storage};

use crate::CopyError;
use crate::context::contents::Contents;
use crate::context::destination::Destination;
use crate::context::ignore::Hidden;
use crate::context::imposed::{Ids, Imposed};
use crate::context::mode::Mode;
use crate::context::original::Originals;
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
    contents: Mutex<Contents>,
}

impl Sources {
    /// Opens the directory `path`, of which something may be `hidden`.
    pub(crate) fn open(
        path: &Path,
        hidden: Option<Arc<Hidden>>,
        storage: Option<&Storage>,
    ) -> Result<Self, Problem> {
        let root = Root::open(path, hidden).map_err(|source| Problem::Context {
            path: path.display().to_string(),
            source,
        })?;
        let contents = Mutex::new(Contents::load(storage, path));
        Ok(Self { root, contents })
    }

    /// Where the files are.
    pub(crate) fn root(&self) -> &Root {
        &self.root
    }

    /// Looks at everything in `operands`: what the index does not know is read.
    pub(crate) fn look(&self, operands: &[Operand]) -> Result<Vec<Seen>, CopyError> {
        let mut contents = self.contents();
        scan::look(operands, Originals::Host, &mut contents, pool::threads())
    }

    /// Keeps what was learned of the files.
    pub(crate) fn save(&self, storage: &Storage) {
        self.contents().save(storage);
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        // Each change of it is one entry, so it is whole even if a thread panicked.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A `COPY` whose words are known.
pub(crate) struct Prepared {
    sources: Vec<Source>,
    destination: Destination,
    imposed: Imposed,
    /// `--chmod` as it is in the key.
    mode: String,
    /// Flags, sources and destination as words of the history.
    shown: Vec<String>,
}

/// What is copied.
enum Source {
    /// Files, by name or pattern.
    Files(String),
    /// A here-document.
    Text {
        /// Its delimiter, and the name of the file.
        name: String,
        content: String,
    },
}

impl Source {
    /// Substitutes the words of one source.
    fn read(source: &CopySource, words: &mut Words<'_>) -> Result<Self, BuildError> {
        match source {
            CopySource::Path(word) => {
                let text = words.expand_wildcards(&word.text)?;
                if is_url(&text) {
                    return Err(Problem::UrlSource(text).into());
                }
                Ok(Self::Files(text))
            }
            CopySource::Heredoc(heredoc) => {
                let content = heredoc.content();
                let content = if heredoc.expand {
                    words.expand_body(&content)?
                } else {
                    content.into_owned()
                };
                let name = heredoc.name.clone();
                Ok(Self::Text { name, content })
            }
        }
    }
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

/// Substitutes the words. `owner` is the value of `--chown` with what it means in the image.
pub(crate) fn prepare(
    copy: &Copy,
    words: &mut Words<'_>,
    stage: &Stage,
    owner: Option<(&str, Ids)>,
) -> Result<Prepared, BuildError> {
    let mode = flag(copy.files.chmod.as_ref(), words)?;
    let imposed = Imposed {
        owner: owner.map(|(_, ids)| ids),
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
    let sources = copy.files.sources.iter();
    let sources: Vec<_> = sources
        .map(|source| Source::read(source, words))
        .collect::<Result<_, _>>()?;
    let destination = words.expand(&copy.files.destination.text)?;
    shown.extend(sources.iter().filter_map(|source| match source {
        Source::Files(text) => Some(text.clone()),
        Source::Text { .. } => None,
    }));
    shown.extend(sources.iter().filter_map(|source| match source {
        Source::Files(_) => None,
        Source::Text { name, .. } => Some(format!("<<{name}")),
    }));
    shown.push(destination.clone());
    Ok(Prepared {
        sources,
        destination: Destination::new(stage.working_directory(), &destination),
        imposed,
        mode: mode.unwrap_or_default(),
        shown,
    })
}

/// Looks at here-documents alone, of which no index knows.
pub(crate) fn look_at_texts(operands: &[Operand]) -> Result<Vec<Seen>, CopyError> {
    let mut contents = Contents::load(None, Path::new(""));
    scan::look(operands, Originals::Host, &mut contents, 1)
}

fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

impl Prepared {
    /// Whether anything but here-documents is copied.
    pub(crate) fn needs_files(&self) -> bool {
        let is_files = |source: &Source| matches!(source, Source::Files(_));
        self.sources.iter().any(is_files)
    }

    /// Whether copies belong to whom their originals belong to, if these are an image's.
    pub(crate) fn keeps_owner(&self) -> bool {
        self.imposed.owner.is_none()
    }

    /// What the sources say.
    pub(crate) fn words(&self) -> Vec<&str> {
        let words = self.sources.iter().flat_map(|source| match source {
            Source::Files(text) => ["files", text, ""],
            Source::Text { name, content } => ["text", name, content],
        });
        words.collect()
    }

    /// Opens the sources, in order, files below `root`.
    pub(crate) fn operands(&self, root: Option<&Root>) -> Result<Vec<Operand>, BuildError> {
        let mut operands = Vec::new();
        let mut rest = &self.sources[..];
        while let [first, behind @ ..] = rest {
            if let Source::Text { name, content } = first {
                let operand = Operand::of_text(name, content);
                let operand = operand.map_err(Problem::files("can't keep a here-document"))?;
                operands.push(operand);
                rest = behind;
                continue;
            }
            // Together, since what is not found is told otherwise if nothing is.
            let files = rest.iter().map_while(|source| match source {
                Source::Files(text) => Some(text.clone()),
                Source::Text { .. } => None,
            });
            let files: Vec<_> = files.collect();
            operands.extend(root.ok_or(Problem::NoContext)?.resolve(&files)?);
            rest = &rest[files.len()..];
        }
        Ok(operands)
    }

    /// The state that the copy leads to, if this was `seen` in the operands.
    pub(crate) fn state(&self, parent: &StateId, operands: &[Operand], seen: &[Seen]) -> StateId {
        let mut key = self.key(parent);
        scan::add_to_key(operands, seen, &mut key);
        key.state()
    }

    /// The key without what is in the files.
    pub(crate) fn key(&self, parent: &StateId) -> KeyHash {
        let mut key = KeyHash::after(parent, "COPY 4");
        self.add_to_key(&mut key);
        key
    }

    /// What is remembered of the instruction is found by this: nothing of the content is in it.
    pub(crate) fn memory_key(&self, sources: &Sources) -> Digest {
        let mut key = KeyHash::new("COPY again 2");
        key.field("context", sources.contents().key().hex());
        self.add_to_key(&mut key);
        key.list("words", &self.shown);
        key.finish()
    }

    fn add_to_key(&self, key: &mut KeyHash) {
        let Ids { uid, gid } = self.imposed.owner.unwrap_or_default();
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

    /// Writes what was `seen` into `workspace`, but for what the layer has that the same instruction made last time.
    pub(crate) fn write(
        &self,
        workspace: &Workspace,
        operands: &[Operand],
        seen: &[Seen],
        previous: Option<Previous>,
    ) -> Result<(Learned, Vec<Identity>), CopyError> {
        let beside = workspace.beside().map_err(CopyError::Owners)?;
        let target = write::Target {
            root: workspace.root(),
            beside: &|path| beside.at(path).map_err(CopyError::Owners),
        };
        let (destination, imposed) = (&self.destination, &self.imposed);
        let previous_layer = previous.as_ref();
        let mut written =
            write::copy(target, operands, seen, destination, imposed, previous_layer)?;
        if let Some(previous) = previous {
            written.learned.share(previous.share(written.shared));
        }
        Ok((written.learned, written.files))
    }
}
