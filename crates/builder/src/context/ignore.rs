//! The file that keeps parts of a context from `COPY`. Its patterns are not understood yet; so that
//! nothing gets into an image that its author has excluded, such a context is not read at all.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Names in the context, best first.
const NAMES: [&str; 2] = [".containerignore", ".dockerignore"];
/// What is put behind a Dockerfile's name; such a file goes before those of the context.
const SUFFIX: &str = ".dockerignore";

/// The file that says what of `context` is not to be seen, if there is one that says anything.
pub(crate) fn find(context: &Path, dockerfile: Option<&Path>) -> io::Result<Option<PathBuf>> {
    let own = dockerfile.map(|path| {
        let mut name = OsString::from(path);
        name.push(SUFFIX);
        PathBuf::from(name)
    });
    for path in own.into_iter().chain(NAMES.map(|name| context.join(name))) {
        match fs::read(&path) {
            Ok(text) => return Ok(has_pattern(&text).then_some(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
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
    use super::*;

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
