//! What of a context `COPY` does not see: which file says so, and how that is asked during a walk.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ch_dockerfile::{Ignore, IgnoreSyntaxError, Place};
use ch_linux::file::{Kind, read_regular};

use super::error::ExcludedError;

/// Names in the context, best first.
const NAMES: [&str; 2] = [".containerignore", ".dockerignore"];
/// What is put behind a Dockerfile's name; such a file goes before those of the context.
const SUFFIX: &str = ".dockerignore";

/// Most bytes of such a file that are read.
const LARGEST: u64 = 16 << 20;

/// Which file says what a context hides.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum IgnoreFile {
    /// `DOCKERFILE.dockerignore`, else `.containerignore`, else `.dockerignore` of the context.
    #[default]
    Usual,
    /// This one, which must exist.
    At(PathBuf),
    /// None: everything is seen.
    Nothing,
}

/// A file that says what a context hides can't be used.
#[derive(Debug, thiserror::Error)]
pub enum IgnoreError {
    /// It can't be read.
    #[error("can't read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line of it means nothing.
    #[error("can't parse: {}:{}", path.display(), source.line())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: IgnoreSyntaxError,
    },
}

/// What is hidden, and by which file.
#[derive(Debug)]
pub(crate) struct Hidden {
    ignore: Ignore,
    file: PathBuf,
}

/// An object of a context of which something is hidden.
#[derive(Debug, Clone)]
pub(crate) struct Sight {
    hidden: Arc<Hidden>,
    place: Place,
}

impl Hidden {
    /// What is hidden of `context`, if anything is.
    pub(crate) fn find(
        which: &IgnoreFile,
        context: &Path,
        dockerfile: Option<&Path>,
    ) -> Result<Option<Self>, IgnoreError> {
        let own = dockerfile.map(|path| {
            let mut name = OsString::from(path);
            name.push(SUFFIX);
            PathBuf::from(name)
        });
        let (paths, must_exist) = match which {
            IgnoreFile::Nothing => return Ok(None),
            IgnoreFile::At(path) => (vec![path.clone()], true),
            IgnoreFile::Usual => {
                let of_context = NAMES.map(|name| context.join(name));
                (own.into_iter().chain(of_context).collect(), false)
            }
        };
        for path in paths {
            match read_regular(&path, LARGEST) {
                Ok(text) => return Self::read(&text, path),
                Err(error) if error.kind() == io::ErrorKind::NotFound && !must_exist => {}
                Err(source) => return Err(IgnoreError::Read { path, source }),
            }
        }
        Ok(None)
    }

    fn read(text: &[u8], file: PathBuf) -> Result<Option<Self>, IgnoreError> {
        let ignore = match Ignore::parse(text) {
            Ok(ignore) => ignore,
            Err(source) => return Err(IgnoreError::Syntax { path: file, source }),
        };
        Ok((!ignore.is_empty()).then_some(Self { ignore, file }))
    }

    /// What is at `path` of the context.
    pub(crate) fn sight(self: &Arc<Self>, path: &Path) -> Sight {
        let root = Sight {
            hidden: Arc::clone(self),
            place: self.ignore.root(),
        };
        path.iter().fold(root, |above, name| above.enter(name))
    }
}

impl Sight {
    /// What is called `name` in it.
    pub(crate) fn enter(&self, name: &OsStr) -> Self {
        let place = self
            .hidden
            .ignore
            .enter(&self.place, &name.to_string_lossy());
        Self {
            hidden: Arc::clone(&self.hidden),
            place,
        }
    }

    /// Whether it is seen, or may hold something that is.
    pub(crate) fn shows(&self, kind: Kind) -> bool {
        let ignore = &self.hidden.ignore;
        ignore.hidden_by(&self.place).is_none()
            || (kind == Kind::Directory && ignore.may_show_below(&self.place))
    }

    /// The line because of which it is not seen; nothing if it is.
    pub(crate) fn hidden_by(&self) -> Option<ExcludedError> {
        let line = self.hidden.ignore.hidden_by(&self.place)?;
        let file = self.hidden.file.clone();
        Some(ExcludedError { file, line })
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::fs;

    use super::*;

    #[test]
    fn what_is_no_regular_file_is_named() {
        let context = tempfile::tempdir().unwrap();
        let at = |name: &str| context.path().join(name);
        let directory = ch_linux::file::open_directory(context.path()).unwrap();
        ch_linux::file::make_fifo_at(directory, ".dockerignore", 0o600).unwrap();
        fs::create_dir(at("d.df.dockerignore")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("z.df.dockerignore")).unwrap();
        for (dockerfile, ignored) in [
            ("a.df", ".dockerignore"),
            ("d.df", "d.df.dockerignore"),
            ("z.df", "z.df.dockerignore"),
        ] {
            let which = IgnoreFile::Usual;
            let error = Hidden::find(&which, context.path(), Some(&at(dockerfile))).unwrap_err();
            let expected = format!("can't read {}", at(ignored).display());
            assert_eq!(error.to_string(), expected);
            let cause = error.source().unwrap().to_string();
            assert_eq!(cause, "not a regular file", "{ignored}");
        }
    }

    #[test]
    fn the_dockerfiles_own_file_goes_first_and_an_empty_one_hides_nothing() {
        let context = tempfile::tempdir().unwrap();
        let at = |name: &str| context.path().join(name);
        let dockerfile = at("a.df");
        let found = |which: &IgnoreFile| {
            let found = Hidden::find(which, context.path(), Some(&dockerfile));
            found.map(|found| found.map(|hidden| hidden.file))
        };
        let usual = || found(&IgnoreFile::Usual).unwrap();
        assert_eq!(usual(), None);
        fs::write(at(".dockerignore"), "# nothing\n\n \n").unwrap();
        assert_eq!(usual(), None);
        fs::write(at(".dockerignore"), "secret").unwrap();
        assert_eq!(usual(), Some(at(".dockerignore")));
        fs::write(at(".containerignore"), "*.o\n").unwrap();
        assert_eq!(usual(), Some(at(".containerignore")));
        fs::write(at("a.df.dockerignore"), "").unwrap();
        assert_eq!(usual(), None, "it alone counts");
        let other = IgnoreFile::At(at(".dockerignore"));
        assert_eq!(found(&other).unwrap(), Some(at(".dockerignore")));
        assert_eq!(found(&IgnoreFile::Nothing).unwrap(), None);
        let missing = found(&IgnoreFile::At(at("no"))).unwrap_err();
        assert_eq!(
            missing.to_string(),
            format!("can't read {}", at("no").display())
        );
    }

    #[test]
    fn a_line_that_means_nothing_is_named() {
        let context = tempfile::tempdir().unwrap();
        let file = context.path().join(".dockerignore");
        fs::write(&file, "a\n[b\n").unwrap();
        let error = Hidden::find(&IgnoreFile::Usual, context.path(), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("can't parse: {}:2", file.display())
        );
        assert_eq!(
            error.source().unwrap().to_string(),
            "malformed pattern: \"[b\""
        );
    }
}
