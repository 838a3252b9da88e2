//! The name of an image when `-t` gave none.

use std::path::Path;

/// No name could be made of the paths.
#[derive(Debug, thiserror::Error)]
#[error("can't infer an image name; use -t")]
pub struct NoNameError;

/// The name that a Dockerfile and its context suggest, the Dockerfile's extension first.
///
/// `dockerfile` is `None` when it is read from standard input. `context` must be absolute: the
/// name of `.` is the name of the directory that it stands for.
pub fn inferred_name(dockerfile: Option<&Path>, context: &Path) -> Result<String, NoNameError> {
    let raw = dockerfile
        .and_then(from_dockerfile)
        .or_else(|| from_context(context));
    let name: String = raw
        .unwrap_or_default()
        .chars()
        .flat_map(char::to_lowercase)
        .filter(|c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '.' | '-'))
        .collect();
    // What no reference may look like is no name either: `.`, `..`, a leading dash.
    let name = name.trim_start_matches('-');
    if name.chars().all(|c| c == '.') {
        Err(NoNameError)
    } else {
        Ok(name.to_owned())
    }
}

/// `Dockerfile.EXT`, `Containerfile.EXT`, `BASE.df`, `BASE.dockerfile`.
fn from_dockerfile(path: &Path) -> Option<String> {
    let file = path.file_name()?.to_string_lossy();
    ["Dockerfile.", "Containerfile."]
        .iter()
        .find_map(|prefix| file.strip_prefix(prefix))
        .or_else(|| {
            [".df", ".dockerfile"]
                .iter()
                .find_map(|suffix| file.strip_suffix(suffix))
        })
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
}

/// The last component; `root` for `/`.
fn from_context(path: &Path) -> Option<String> {
    if path.parent().is_none() {
        return path.has_root().then(|| "root".to_owned());
    }
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockerfile_wins_over_context() {
        // (Dockerfile, context, name)
        let table: &[(Option<&str>, &str, Option<&str>)] = &[
            (Some("/a/Dockerfile"), "/home/u/hello", Some("hello")),
            (Some("/a/Dockerfile.foo"), "/home/u/hello", Some("foo")),
            (Some("Containerfile.Foo+1"), "/c", Some("foo1")),
            (Some("x/base.df"), "/c", Some("base")),
            (Some("x/base.dockerfile"), "/c", Some("base")),
            (Some(".df"), "/c", Some("c")),
            (None, "/srv/My Project", Some("myproject")),
            (None, "/", Some("root")),
            (None, "/\u{e9}\u{e9}", None),
            (Some("Dockerfile.."), "/c", None),
            (None, "/--x", Some("x")),
        ];
        for (dockerfile, context, want) in table {
            let got = inferred_name(dockerfile.map(Path::new), Path::new(context)).ok();
            assert_eq!(got.as_deref(), *want, "{dockerfile:?} {context}");
        }
    }
}
