use super::*;

/// The path, judged after every directory above it.
fn judge(ignore: &Ignore, path: &str) -> Place {
    let enter = |place: Place, name| ignore.enter(&place, name);
    path.split('/').fold(ignore.root(), enter)
}

/// Lines of a file (a blank separates those without one), what is ignored, what is not.
const TABLE: &[(&str, &str, &str)] = &[
    ("*.md !README.md", "a.md", "README.md d/a.md"),
    ("**/*.md", "a.md d/a.md d/e/a.md", "a.mdx"),
    ("d", "d d/a d/e/f", "x/d"),
    ("d/", "d d/a d/e/f", "x/d"),
    ("/d", "d d/a d/e/f", "x/d"),
    ("**/d", "d d/a x/d x/d/a", "xd"),
    ("d/*", "d/a d/e/f", "d"),
    ("d/**", "d/a d/e/f", "d"),
    ("d !d/keep", "d d/a", "d/keep d/keep/x"),
    ("* !src src/*.o", "a src/a.o", "src src/a.c src/d/b.o"),
    ("** !**/*.go", "a.c", "a.go d/a.go"),
    (r"\#c \!x", "#c !x", "c x"),
    ("a?c", "abc", "ac a/c"),
    ("[a-c]x [^d]y", "bx ay", "dx dy"),
    ("foo/**/bar", "foo/bar foo/x/bar foo/x/y/bar", "foo/barx"),
    ("**foo", "foo xfoo a/foo a/xfoo", "foox"),
    ("foo**", "foo foox foo/a/b", "xfoo"),
    ("../x ./y a/../z", "y z", "x"),
    ("a !a a/b", "a/b", "a"),
    ("*/temp*", "d/temp d/tempx/y", "temp d/e/temp"),
    ("**/*", "a d/a", ""),
    ("d/**/*", "d/a d/e/f", "d"),
    ("a***b", "ab axb ax/b", "a"),
    // Docker's meaning of text before `**`: directories are whole behind it.
    ("a**b", "ab ax/b", "axb"),
    (r"a\*b", "a*b", "axb"),
];

#[test]
#[expect(clippy::print_stdout, reason = "counts of vectors are read by people")]
fn files_hide_what_the_vectors_say() {
    for (lines, ignored, seen) in TABLE {
        let ignore = Ignore::parse(lines.replace(' ', "\n").as_bytes()).unwrap();
        for (paths, hidden) in [(ignored, true), (seen, false)] {
            for path in paths.split_whitespace() {
                let found = ignore.hidden_by(&judge(&ignore, path));
                assert_eq!(found.is_some(), hidden, "{lines:?}: {path}");
            }
        }
    }
    println!("dockerfile.md §9.3: {} ignore files", TABLE.len());
}

#[test]
fn comments_blanks_and_marks_are_read_as_docker_does() {
    let text = "\u{feff}#c\n #d\n\n a \r\n!  b\n";
    let ignore = Ignore::parse(text.as_bytes()).unwrap();
    for (path, line) in [("#c", None), ("#d", Some(2)), ("a", Some(4)), ("b", None)] {
        assert_eq!(ignore.hidden_by(&judge(&ignore, path)), line, "{path}");
    }
    assert!(Ignore::parse(b"# only\n\n!x\n").unwrap().is_empty());
    assert!(!ignore.is_empty());
}

#[test]
fn lines_that_mean_nothing_are_named() {
    let error = |text: &str| {
        let error = Ignore::parse(text.as_bytes()).unwrap_err();
        format!("{}: {error}", error.line())
    };
    assert_eq!(error("a\n!\n"), "2: illegal exclusion pattern: \"!\"");
    for text in ["[a", "[", "[z-a]", "a\\", "[a-]"] {
        assert_eq!(error(text), format!("1: malformed pattern: {text:?}"));
    }
}

#[test]
fn hidden_directories_are_searched_only_where_something_may_be_seen() {
    for (lines, searched, left) in [
        ("d\n!d/keep", "d", "e d/x"),
        ("**\n!**/*.go", "d d/e", ""),
        ("*\n!src/*/a", "src src/x", "lib src/x/y"),
        ("d", "", "d d/e"),
    ] {
        let ignore = Ignore::parse(lines.as_bytes()).unwrap();
        for (paths, expected) in [(searched, true), (left, false)] {
            for path in paths.split_whitespace() {
                let found = ignore.may_show_below(&judge(&ignore, path));
                assert_eq!(found, expected, "{lines:?}: {path}");
            }
        }
    }
}

#[test]
fn many_stars_stay_fast() {
    let ignore = Ignore::parse("a*".repeat(50).as_bytes()).unwrap();
    let path = format!("{}b", "a".repeat(20_000));
    assert!(ignore.hidden_by(&judge(&ignore, &path)).is_some());
    let ignore = Ignore::parse(format!("{}c", "**/a*".repeat(50)).as_bytes()).unwrap();
    assert!(ignore.hidden_by(&judge(&ignore, &path)).is_none());
}
