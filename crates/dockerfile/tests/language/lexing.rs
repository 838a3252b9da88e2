//! Vectors of the specification's section on lexing.

use ch_dockerfile::ast::Escape;

use crate::{describe, read};

/// A file of an image name and what stands in the table, or (`in_whole`) just what stands there.
struct Vector {
    id: &'static str,
    text: &'static str,
    /// What the file says, or a part of the error.
    expected: Result<&'static [&'static str], &'static str>,
}

const fn good(id: &'static str, text: &'static str, expected: &'static [&'static str]) -> Vector {
    Vector {
        id,
        text,
        expected: Ok(expected),
    }
}

const fn bad(id: &'static str, text: &'static str, error: &'static str) -> Vector {
    Vector {
        id,
        text,
        expected: Err(error),
    }
}

const DIRECTIVES: &[Vector] = &[
    good(
        "V-D1",
        "#escape = `\n# syntax=x\n# check=skip=all\nFROM a\nRUN b `\n c\n",
        &[r#"RUN "b  c""#],
    ),
    good(
        "V-D2",
        "\n# escape=`\nFROM a\nRUN b `\nRUN c\n",
        &[r#"RUN "b `""#, r#"RUN "c""#],
    ),
    good(
        "V-D3",
        "# foo=bar\n# escape=`\nFROM a\nRUN b \\\nc\n",
        &[r#"RUN "b c""#],
    ),
    bad(
        "V-D4",
        "# escape=`\n# escape=`\nFROM a\n",
        "only one escape parser directive can be used",
    ),
    bad(
        "V-D5",
        "# escape=x\nFROM a\n",
        "invalid escape token 'x' does not match ` or \\",
    ),
    good(
        "V-D6",
        "\u{feff}# escape=`\nFROM a\nRUN b `\n c\n",
        &[r#"RUN "b  c""#],
    ),
    good(
        "V-D7",
        "FROM a\n# check=skip=LegacyKeyValueFormat\nENV a b\nENV c d\n",
        &["ENV a=b", "ENV c=d", "LegacyKeyValueFormat:4"],
    ),
];

/// Each after `FROM a`.
const LINES: &[Vector] = &[
    good(
        "V-L1",
        "RUN echo one \\\n# c\n\n  two",
        &[r#"RUN "echo one   two""#, "NoEmptyContinuation:4"],
    ),
    good(
        "V-L2",
        "RUN echo \"x\\\n   y\\\n z\"",
        &[r#"RUN "echo \"x   y z\"""#],
    ),
    good("V-L3", "RUN foo \\   \n bar \\\n", &[r#"RUN "foo  bar""#]),
    good(
        "V-L4",
        "RUN foo \\\\\nRUN bar",
        &[r#"RUN "foo \\\\""#, r#"RUN "bar""#],
    ),
    good("V-L5", "RUN a \\\n\\\nb", &[r#"RUN "a b""#]),
    good("V-L6", "\\\nRUN x", &[r#"RUN "x""#]),
    good("V-L7", "RUN x \\\r\n y\r\n# c\r\n", &[r#"RUN "x  y""#]),
    good(
        "V-L8",
        "RUN echo # no comment \\\n# comment \\\n more",
        &[r#"RUN "echo # no comment  more""#],
    ),
    good(
        "V-F1",
        "RUN --mount=type=cache,target=/x --network=none -- --foo bar",
        &[r#"RUN mount(Type=cache,Target=/x) network=none "--foo bar""#],
    ),
    good(
        "V-F2",
        "RUN --mount=\"type=cache,target=/a b\" echo",
        &[r#"RUN mount(Type=cache,Target=/a b) "echo""#],
    ),
    bad(
        "V-F3 (no such stage)",
        "COPY --chown=a --from=9 -- --weird dst",
        "stage 9 does not exist",
    ),
    good(
        "V-F3",
        "COPY --chown=a --from=b -- --weird dst",
        &[r#"COPY from=b chown=a "--weird" -> "dst""#],
    ),
    good(
        "V-F4",
        "RUN echo --not-a-flag",
        &[r#"RUN "echo --not-a-flag""#],
    ),
    good("V-J1", r#"RUN ["a", "b" ]"#, &[r#"RUN ["a", "b"]"#]),
    good(
        "V-J2",
        r#"RUN [ "a", "b" ] && x"#,
        &[r#"RUN "[ \"a\", \"b\" ] && x""#, "JSONLookalike:2"],
    ),
    good(
        "V-J3",
        "RUN ['a', 'b']",
        &[r#"RUN "['a', 'b']""#, "JSONLookalike:2"],
    ),
    bad(
        "V-J4",
        r#"RUN ["a", ["b"]]"#,
        "arrays must be comprised of strings only",
    ),
    bad(
        "V-J5",
        r#"COPY ["a", 1]"#,
        "arrays must be comprised of strings only",
    ),
    good(
        "V-J6",
        "COPY [a, b]",
        &[r#"COPY "[a," -> "b]""#, "JSONLookalike:2"],
    ),
    good(
        "V-J7",
        "VOLUME ['/a']",
        &[r#"VOLUME ["['/a']"]"#, "JSONLookalike:2"],
    ),
    good("V-J8", "CMD []", &["CMD []"]),
];

/// Each after `FROM a`.
const HEREDOCS: &[Vector] = &[
    good(
        "V-H1",
        "RUN <<EOF\n# x\na\nEOF",
        &[r##"RUN "<<EOF" <<EOF "# x\na\n""##],
    ),
    good(
        "V-H2",
        "RUN <<-\"E F\" cat\n\tx\n\tE F",
        &[r#"RUN "<<-\"E F\" cat" <<E F literal tabs "\tx\n""#],
    ),
    good(
        "V-H3",
        "RUN <<A cat > f && <<B cat > g\n1\nA\n2\nB",
        &[r#"RUN "<<A cat > f && <<B cat > g" <<A "1\n" <<B "2\n""#],
    ),
    good("V-H4", "RUN cat <<< foo", &[r#"RUN "cat <<< foo""#]),
    good("V-H5a", "RUN echo $((1<<4))", &[r#"RUN "echo $((1<<4))""#]),
    good(
        "V-H5b",
        "RUN echo $((1<<FOO))",
        &[r#"RUN "echo $((1<<FOO))""#],
    ),
    good(
        "V-H5c",
        "RUN echo \"a << b\"",
        &[r#"RUN "echo \"a << b\"""#],
    ),
    good(
        "V-H6",
        "RUN echo a << b\nRUN x\nb",
        &[r#"RUN "echo a << b" <<b "RUN x\n""#],
    ),
    good(
        "V-H7a",
        "RUN <<eo'f'\nx\neof",
        &[r#"RUN "<<eo'f'" <<eof literal "x\n""#],
    ),
    good(
        "V-H7b",
        "RUN <<eo\\'f\nx\neo'f",
        &[r#"RUN "<<eo\\'f" <<eo'f "x\n""#],
    ),
    good(
        "V-H7c",
        "RUN <<'e'o\\'f\nx\neo'f",
        &[r#"RUN "<<'e'o\\'f" <<eo'f literal "x\n""#],
    ),
    good(
        "V-H8",
        "RUN <<$EOF\nx\n$EOF",
        &[r#"RUN "<<$EOF" <<$EOF "x\n""#],
    ),
    good(
        "V-H9",
        "RUN <<EOF\r\nhi\r\nEOF\r\n",
        &[r#"RUN "<<EOF" <<EOF "hi\r\n""#],
    ),
    good(
        "V-H10",
        "RUN a \\\n <<EOF\nx\nEOF",
        &[r#"RUN "a  <<EOF" <<EOF "x\n""#],
    ),
    good(
        "V-H11",
        "ENV x=<<EOF\nRUN y",
        &["ENV x=<<EOF", r#"RUN "y""#],
    ),
    bad("V-H12", "RUN <<EOF\nno end", "unterminated heredoc"),
    good("V-H13", r#"RUN ["<<EOF"]"#, &[r#"RUN ["<<EOF"]"#]),
    good(
        "V-H14",
        "ONBUILD RUN <<EOF\nhi\nEOF",
        &[r#"ONBUILD "RUN <<EOF\nhi\nEOF""#],
    ),
    bad(
        "V-H15",
        "RUN <<'EOF\nx\nEOF",
        "Dockerfile:3,1: unknown instruction: x",
    ),
    bad(
        "V-H16a",
        "RUN echo it's <<EOF\nx\nEOF",
        "Dockerfile:3,1: unknown instruction: x",
    ),
    good(
        "V-H16b",
        "RUN echo \"it's\" <<EOF\nx\nEOF",
        &[r#"RUN "echo \"it's\" <<EOF" <<EOF "x\n""#],
    ),
    good(
        "V-H17",
        r#"COPY ["<<EOF", "/x"]"#,
        &[r#"COPY "<<EOF" -> "/x""#],
    ),
];

fn check(vector: &Vector, text: &str) {
    let id = vector.id;
    match (read(text), vector.expected) {
        (Ok(file), Ok(expected)) => assert_eq!(describe::file(&file), expected, "{id}"),
        (Err(errors), Err(expected)) => {
            let errors = errors.to_string();
            assert!(errors.contains(expected), "{id}: {errors}");
        }
        (Ok(file), Err(expected)) => {
            panic!("{id}: no error {expected:?}: {:?}", describe::file(&file))
        }
        (Err(errors), Ok(_)) => panic!("{id}: {errors}"),
    }
}

#[test]
fn vectors_of_lexing() {
    for vector in DIRECTIVES {
        check(vector, vector.text);
    }
    for vector in LINES.iter().chain(HEREDOCS) {
        check(vector, &format!("FROM a\n{}", vector.text));
    }
    println!(
        "dockerfile.md §1: {} vectors",
        DIRECTIVES.len() + LINES.len() + HEREDOCS.len()
    );
}

#[test]
fn first_directive_sets_the_escape_character() {
    let escape = |text: &str| read(text).unwrap().directives.escape;
    assert_eq!(
        escape("#escape = `\n# syntax=x\nFROM a\n"),
        Escape::Backtick,
        "V-D1"
    );
    assert_eq!(escape("\n# escape=`\nFROM a\n"), Escape::Backslash, "V-D2");
    assert_eq!(
        escape("# foo=bar\n# escape=`\nFROM a\n"),
        Escape::Backslash,
        "V-D3"
    );
    assert_eq!(
        escape("\u{feff}# escape=`\nFROM a\n"),
        Escape::Backtick,
        "V-D6"
    );
    assert_eq!(escape("#!/bin/x\n# escape=`\nFROM a\n"), Escape::Backslash);
}

#[test]
fn shebang_does_not_hide_other_directives() {
    let file = read("#!/usr/bin/env x\n# syntax=docker/dockerfile:1\nFROM a\n").unwrap();
    assert_eq!(file.directives.syntax.unwrap().text, "docker/dockerfile:1");
}

#[test]
fn check_directive_is_read() {
    let file = read("# check=skip=A,B; error=true;experimental=all\nFROM a\n").unwrap();
    let check = file.directives.check;
    assert!(
        check.error
            && check.skip.contains("A")
            && check.skip.contains("B")
            && !check.skip.contains("C")
    );
    assert!(check.experimental.contains("whatever"));
    let errors = read("# check=foo\nFROM a\n").unwrap_err();
    assert!(
        errors.to_string().contains("invalid check option \"foo\""),
        "{errors}"
    );
}

#[test]
fn span_of_a_continued_instruction_covers_its_lines() {
    let file = read("FROM a\n\\\nRUN x\nRUN <<E\nb\nE\n").unwrap();
    let spans: Vec<_> = file.stages[0]
        .instructions
        .iter()
        .map(|instruction| instruction.header.span)
        .collect();
    let text = file.source.bytes();
    assert_eq!(&text[spans[0].start..spans[0].end], b"RUN x");
    assert_eq!(&text[spans[1].start..spans[1].end], b"RUN <<E\nb\nE");
}

#[test]
fn words_behind_continuations_have_physical_spans() {
    let file = read("FROM a\r\nCOPY on\\\r\n# comment\r\ne \\\r\n two\r\n").unwrap();
    let ch_dockerfile::ast::Command::Copy(copy) = &file.stages[0].instructions[0].command else {
        panic!("a COPY");
    };
    let destination = copy.files.destination.span;
    assert_eq!(
        &file.source.bytes()[destination.start..destination.end],
        b"two"
    );
    let ch_dockerfile::ast::CopySource::Path(source) = &copy.files.sources[0] else {
        panic!("a path");
    };
    assert_eq!(source.text, "one");
    let location = file.source.location(source.span.end);
    assert_eq!((location.line, location.column), (4, 2));
}

#[test]
fn comments_directly_above_belong_to_the_instruction() {
    let file = read("FROM a\n# lost\n\n# one\n#  two\nRUN x\n# lost\n#\n# three\nRUN y\n").unwrap();
    let comments: Vec<_> = file.stages[0]
        .instructions
        .iter()
        .map(|instruction| &instruction.header.comments)
        .collect();
    assert_eq!(
        comments,
        [
            &vec!["one".to_owned(), "two".to_owned()],
            &vec!["three".to_owned()]
        ]
    );
}

#[test]
fn invalid_utf8_is_an_error_except_in_comments() {
    assert!(read(b"# \xff\nFROM a\nRUN x \\\n # \xff\n y\n".to_vec()).is_ok());
    let errors = read(b"FROM a\nRUN \xc3\xa9\xff\n".to_vec()).unwrap_err();
    assert!(
        errors
            .to_string()
            .starts_with("can't parse: Dockerfile:2,6: invalid UTF-8"),
        "{errors}"
    );
    let errors = read(b"FROM a\nRUN <<E\n\xff\nE\n".to_vec()).unwrap_err();
    assert!(
        errors
            .to_string()
            .starts_with("can't parse: Dockerfile:3,1: invalid UTF-8"),
        "{errors}"
    );
}

#[test]
fn nul_is_an_error_except_in_comments() {
    assert!(read(b"# \0\nFROM a\nRUN x \\\n # \0\n y\n".to_vec()).is_ok());
    for (text, place) in [
        ("FROM a\nRUN \u{e9}\0\n", "2,6"),
        ("FROM a\nRUN x \\\n y\0z\n", "3,3"),
        ("FROM a\nRUN <<E\nx\n\0\nE\n", "4,1"),
    ] {
        let errors = read(text).unwrap_err().to_string();
        let want = format!("can't parse: Dockerfile:{place}: NUL is not allowed\n");
        assert!(errors.starts_with(&want), "{errors}");
    }
}

#[test]
fn escape_character_of_the_directive_protects_blanks() {
    let file = read("# escape=`\nFROM a\nENV a=b` c d=\\\nRUN --mount=target=/a` b x\n").unwrap();
    let expected = ["ENV a=b` c | d=\\", r#"RUN mount(Target=/a b) "x""#];
    assert_eq!(describe::file(&file), expected);
}
