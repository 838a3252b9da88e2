#![expect(clippy::print_stdout, reason = "counts of vectors are read by people")]

use super::*;
use std::fs;
use std::os::unix::fs::symlink;

fn root_with(paths: &[&str]) -> (tempfile::TempDir, Root) {
    let directory = tempfile::tempdir().unwrap();
    for path in paths {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
    }
    let root = Root::open(directory.path(), None).unwrap();
    (directory, root)
}

fn paths(root: &Root, sources: &[&str]) -> Result<Vec<String>, CopyError> {
    let sources: Vec<String> = sources.iter().map(|s| (*s).to_owned()).collect();
    let operands = root.resolve(&sources)?;
    Ok(operands
        .iter()
        .map(|operand| operand.path.display().to_string())
        .collect())
}

#[test]
fn sources_are_found_as_the_vectors_say() {
    let (_directory, root) = root_with(&[
        "f1",
        "f2",
        ".h",
        "v",
        "a1/f",
        "a2/g",
        "a*b",
        "axb",
        "arr[0].txt",
        "arr0.txt",
        "s/f",
        "s/a/f",
        "s/a/b/f",
        "s/a/d/f",
        "s/b/d/g",
        "x/y",
    ]);
    let table: &[(&str, &[&str], &[&str])] = &[
        ("V-C15", &["f*"], &["f1", "f2"]),
        ("V-C16", &["a[12]"], &["a1", "a2"]),
        ("V-C18", &["no*"], &[]),
        ("V-C19", &["f1", "no*"], &["f1"]),
        ("V-C31", &["?[h]"], &[".h"]),
        ("V-C33", &[r"a\*b"], &["a*b"]),
        ("V-C34", &["arr[[]0].txt"], &["arr[0].txt"]),
        ("V-C35", &["s/**/f"], &["s/a/f"]),
        ("V-C36", &["s/*/d"], &["s/a/d", "s/b/d"]),
        ("V-C38", &["s/", "s/.", "/s"], &["s", "s", "s"]),
        ("V-C39", &["/", "."], &["", ""]),
        ("V-C43", &["../../x"], &["x"]),
    ];
    for (vector, sources, want) in table {
        assert_eq!(paths(&root, sources).unwrap(), *want, "{vector}");
    }
    println!("dockerfile.md §6.4: {} source vectors", table.len());
}

#[test]
fn what_is_written_almost_so_is_suggested() {
    let (_directory, root) = root_with(&["greeting", "source/main.c", "source/main.h", "x"]);
    for (source, expected) in [
        (
            "greting",
            "source not found: greting (did you mean greeting?)",
        ),
        (
            "/source/mian.c",
            "source not found: /source/mian.c (did you mean source/main.c?)",
        ),
        (
            "sourc/main.h",
            "source not found: sourc/main.h (did you mean source/main.h?)",
        ),
        ("sourc/none", "source not found: sourc/none"),
        ("greeting/x", "source not found: greeting/x"),
        ("y", "source not found: y"),
    ] {
        assert_eq!(paths(&root, &[source]).unwrap_err().to_string(), expected);
    }
}

#[test]
fn what_does_not_exist_is_named() {
    let (_directory, root) = root_with(&["f"]);
    let error = paths(&root, &["no"]).unwrap_err();
    assert_eq!(error.to_string(), "source not found: no", "V-C20");
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "no sources found"
    );
    let error = paths(&root, &["f", "no"]).unwrap_err();
    assert!(std::error::Error::source(&error).is_none());
    let error = paths(&root, &["../no"]).unwrap_err();
    assert_eq!(error.to_string(), "can't COPY from outside context: ../no");
    assert!(matches!(
        paths(&root, &["[a"]),
        Err(CopyError::Pattern { .. })
    ));
}

#[test]
fn links_are_followed_inside_only() {
    let (directory, root) = root_with(&["d/f", "e/hostname"]);
    let at = |name: &str| directory.path().join(name);
    symlink("d", at("l")).unwrap();
    symlink("d/f", at("lf")).unwrap();
    symlink("/nowhere-on-this-machine/x", at("out")).unwrap();
    symlink("/d/f", at("inside")).unwrap();
    symlink(at("d/f"), at("absolute")).unwrap();
    symlink("circle", at("circle")).unwrap();
    let kinds = |name: &str| {
        root.resolve(&[name.to_owned()])
            .unwrap()
            .iter()
            .map(|o| o.status.kind)
            .collect::<Vec<_>>()
    };
    assert_eq!(kinds("l"), [Kind::Directory], "V-C22");
    assert_eq!(kinds("lf"), [Kind::File], "V-C21");
    assert_eq!(kinds("l*"), [Kind::Directory, Kind::File].to_vec(), "V-C23");
    assert_eq!(
        kinds("inside"),
        [Kind::File],
        "C12, read as if the context were /"
    );
    assert_eq!(
        kinds("absolute"),
        [Kind::File],
        "C12, into the context on the host"
    );
    let error = paths(&root, &["out"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "can't COPY from outside context: out",
        "V-C30"
    );
    assert!(matches!(
        paths(&root, &["circle"]),
        Err(CopyError::Read { .. })
    ));
}
