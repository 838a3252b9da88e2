//! The file that keeps parts of a context from `COPY`. Its patterns are not understood yet; so that
//! nothing gets into an image that its author has excluded, such a context is not read at all.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use ch_linux::file::read_regular;

/// Names in the context, best first.
const NAMES: [&str; 2] = [".containerignore", ".dockerignore"];
/// What is put behind a Dockerfile's name; such a file goes before those of the context.
const SUFFIX: &str = ".dockerignore";

/// Most bytes of such a file that are read.
const LARGEST: u64 = 16 << 20;

/// A file that says what a context ignores can't be read.
#[derive(Debug, thiserror::Error)]
#[error("can't read {}", path.display())]
pub(crate) struct IgnoreError {
    path: PathBuf,
    source: io::Error,
}

/// The file that says what of `context` is not to be seen, if there is one that says anything.
pub(crate) fn find(
    context: &Path,
    dockerfile: Option<&Path>,
) -> Result<Option<PathBuf>, IgnoreError> {
    let own = dockerfile.map(|path| {
        let mut name = OsString::from(path);
        name.push(SUFFIX);
        PathBuf::from(name)
    });
    for path in own.into_iter().chain(NAMES.map(|name| context.join(name))) {
        match read_regular(&path, LARGEST) {
            Ok(text) => return Ok(has_pattern(&text).then_some(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(IgnoreError { path, source }),
        }
    }
    Ok(None)
}

/// Whether a line is neither empty nor a comment.
fn has_pattern(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .any(|line| !line.is_empty() && !line.starts_with(b"#"))
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
            let error = find(context.path(), Some(&at(dockerfile))).unwrap_err();
            let expected = format!("can't read {}", at(ignored).display());
            assert_eq!(error.to_string(), expected);
            let cause = error.source().unwrap().to_string();
            assert_eq!(cause, "not a regular file", "{ignored}");
        }
    }

    #[test]
    fn the_dockerfiles_own_file_goes_first_and_an_empty_one_excludes_nothing() {
        let context = tempfile::tempdir().unwrap();
        let at = |name: &str| context.path().join(name);
        let dockerfile = at("a.df");
        let found = || find(context.path(), Some(&dockerfile)).unwrap();
        assert_eq!(found(), None);
        fs::write(at(".dockerignore"), "# nothing\n\n \n").unwrap();
        assert_eq!(found(), None);
        fs::write(at(".dockerignore"), "secret").unwrap();
        assert_eq!(found(), Some(at(".dockerignore")));
        fs::write(at(".containerignore"), "*.o\n").unwrap();
        assert_eq!(found(), Some(at(".containerignore")));
        fs::write(at("a.df.dockerignore"), "").unwrap();
        assert_eq!(found(), None, "it alone counts");
    }
}
