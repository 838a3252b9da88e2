//! Where the storage directory is: the option, else the environment, else a default per user.
//!
//! Pure: the caller reads the option, the environment and the current directory.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// What decides the place of the storage directory. Empty values count as not given.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wishes<'a> {
    /// Operand of `--storage`.
    pub option: Option<&'a OsStr>,
    /// `$CH_IMAGE_STORAGE`.
    pub environment: Option<&'a OsStr>,
    /// `$USER`.
    pub user: Option<&'a OsStr>,
}

/// Why there is no place for the storage directory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// The option is there, without a value.
    #[error("storage directory: empty path")]
    EmptyOption,
    /// The variable must not depend on the current directory.
    #[error("$CH_IMAGE_STORAGE: not absolute path: {}", path.display())]
    NotAbsolute {
        /// Its value.
        path: PathBuf,
    },
}

/// Chooses the storage directory: absolute, with `.`, `//` and trailing `/` removed; `..` and links stay.
///
/// `fallback_user` is asked only when `$USER` is of no use: name of the effective user, else its number.
pub fn choose(
    wishes: &Wishes<'_>,
    current_directory: &Path,
    fallback_user: impl FnOnce() -> OsString,
) -> Result<PathBuf, LocationError> {
    if let Some(option) = wishes.option {
        if option.is_empty() {
            return Err(LocationError::EmptyOption);
        }
        return Ok(clean(&current_directory.join(option)));
    }
    if let Some(path) = wishes
        .environment
        .filter(|path| !path.is_empty())
        .map(Path::new)
    {
        if !path.is_absolute() {
            return Err(LocationError::NotAbsolute {
                path: path.to_owned(),
            });
        }
        return Ok(clean(path));
    }
    let usable = |user: &&OsStr| !user.is_empty() && !user.as_bytes().contains(&b'/');
    let user = match wishes.user.filter(usable) {
        Some(user) => user.to_owned(),
        None => fallback_user(),
    };
    Ok(Path::new("/var/tmp").join(user).join("ch-image"))
}

/// Removes `.`, repeated and trailing `/` of an absolute path, byte for byte otherwise.
fn clean(path: &Path) -> PathBuf {
    let mut cleaned = Vec::new();
    for part in path.as_os_str().as_bytes().split(|byte| *byte == b'/') {
        if !part.is_empty() && part != b"." {
            cleaned.push(b'/');
            cleaned.extend_from_slice(part);
        }
    }
    if cleaned.is_empty() {
        cleaned.push(b'/');
    }
    PathBuf::from(OsString::from_vec(cleaned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(
        option: Option<&str>,
        environment: Option<&str>,
        user: Option<&str>,
    ) -> Result<PathBuf, LocationError> {
        let wishes = Wishes {
            option: option.map(OsStr::new),
            environment: environment.map(OsStr::new),
            user: user.map(OsStr::new),
        };
        choose(&wishes, Path::new("/work/here"), || OsString::from("1000"))
    }

    #[test]
    fn option_beats_environment_beats_default() {
        let table = [
            (Some("/a"), Some("/b"), Some("me"), "/a"),
            (Some("a"), None, None, "/work/here/a"),
            (Some("../a/./b//"), None, None, "/work/here/../a/b"),
            (Some("/"), None, None, "/"),
            (None, Some("/b//./c/"), Some("me"), "/b/c"),
            (None, Some(""), Some("me"), "/var/tmp/me/ch-image"),
            (None, None, Some("me"), "/var/tmp/me/ch-image"),
            (None, None, Some(""), "/var/tmp/1000/ch-image"),
            (None, None, Some("../root"), "/var/tmp/1000/ch-image"),
            (None, None, None, "/var/tmp/1000/ch-image"),
        ];
        for (option, environment, user, expected) in table {
            let path = chosen(option, environment, user).unwrap();
            assert_eq!(
                path.as_os_str(),
                expected,
                "{option:?} {environment:?} {user:?}"
            );
        }
    }

    #[test]
    fn what_is_no_place_is_said() {
        assert_eq!(
            chosen(Some(""), Some("/b"), None),
            Err(LocationError::EmptyOption)
        );
        let error = chosen(None, Some("b/c"), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "$CH_IMAGE_STORAGE: not absolute path: b/c"
        );
    }

    #[test]
    fn bytes_that_are_no_text_stay() {
        let odd = OsStr::from_bytes(b"/a\xff,:\\\n b");
        let wishes = Wishes {
            option: Some(odd),
            ..Wishes::default()
        };
        let path = choose(&wishes, Path::new("/"), OsString::new).unwrap();
        assert_eq!(path.as_os_str(), odd);
    }
}
