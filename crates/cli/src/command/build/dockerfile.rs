//! Which Dockerfile is meant, and its text.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use ch_dockerfile::Source;

use crate::failure::Failure;

/// Names that are tried below the context, best first.
const NAMES: [&str; 3] = ["Dockerfile", "Containerfile", "dockerfile"];

/// A Dockerfile, and where it is unless it came from standard input.
#[derive(Debug)]
pub(super) struct Dockerfile {
    pub(super) source: Source,
    pub(super) path: Option<PathBuf>,
}

/// Reads the file that `-f` names, else that of the context.
pub(super) fn read(file: Option<&Path>, context: &Path) -> Result<Dockerfile, Failure> {
    if file.is_some_and(|file| file == Path::new("-")) {
        let text = bytes(io::stdin())
            .map_err(|error| Failure::caused("can't read standard input", &error))?;
        return Ok(Dockerfile {
            source: Source::new("-", text),
            path: None,
        });
    }
    if let Some(file) = file {
        if is_address(file) {
            return Err(Failure::not_yet("Dockerfile by URL"));
        }
        return read_file(file);
    }
    let found = NAMES
        .iter()
        .map(|name| context.join(name))
        .find(|path| path.exists());
    read_file(&found.unwrap_or_else(|| context.join(NAMES[0])))
}

fn read_file(path: &Path) -> Result<Dockerfile, Failure> {
    let text = File::open(path).and_then(bytes).map_err(|error| {
        Failure::new(format_args!(
            "can't read Dockerfile: {}: {error}",
            path.display()
        ))
    })?;
    let source = Source::new(path.display().to_string(), text);
    Ok(Dockerfile {
        source,
        path: Some(path.to_owned()),
    })
}

/// What the parser takes at the most, and one byte more for it to see that there is too much.
fn bytes(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(ch_dockerfile::LARGEST as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The context, if it is one that can be used yet: a directory.
pub(super) fn context_directory(context: &Path) -> Result<PathBuf, Failure> {
    if context == Path::new("-") || is_address(context) {
        return Err(Failure::not_yet(format_args!(
            "context: {}",
            context.display()
        )));
    }
    if !context.is_dir() {
        return Err(Failure::new(format_args!(
            "context must be a directory: {}",
            context.display()
        )));
    }
    std::path::absolute(context)
        .map_err(|error| Failure::caused("can't find the current directory", &error))
}

/// Whether something is on another machine, or in an archive.
fn is_address(path: &Path) -> bool {
    path.to_str()
        .is_some_and(|text| text.contains("://") || text.starts_with("git@"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_first_name_that_exists_is_the_dockerfile() {
        let context = tempfile::tempdir().unwrap();
        let missing = read(None, context.path()).unwrap_err();
        assert!(
            missing
                .message()
                .contains("Dockerfile: No such file or directory"),
            "{missing:?}"
        );
        for name in ["dockerfile", "Containerfile", "Dockerfile"] {
            fs::write(context.path().join(name), name).unwrap();
            let found = read(None, context.path()).unwrap();
            assert_eq!(found.source.bytes(), name.as_bytes());
        }
        let other = context.path().join("other");
        fs::write(&other, "other").unwrap();
        assert_eq!(
            read(Some(&other), context.path()).unwrap().path,
            Some(other)
        );
    }

    #[test]
    fn a_context_is_a_directory() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        assert_eq!(
            context_directory(directory.path()),
            Ok(directory.path().to_owned())
        );
        assert!(
            context_directory(&file)
                .unwrap_err()
                .message()
                .starts_with("context must be")
        );
        for context in ["-", "https://example.com/x.git", "git@example.com:x"] {
            let failure = context_directory(Path::new(context)).unwrap_err();
            assert!(
                failure.message().starts_with("not yet supported: "),
                "{context}"
            );
        }
    }

    #[test]
    fn a_file_without_end_is_read_to_the_limit_only() {
        let found = read(Some(Path::new("/dev/zero")), Path::new("/")).unwrap();
        assert_eq!(found.source.bytes().len(), ch_dockerfile::LARGEST + 1);
    }
}
