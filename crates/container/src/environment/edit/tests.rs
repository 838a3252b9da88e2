//! Vectors of the environment file format, and what they leave open.

use super::*;

fn variables(texts: &[(&str, &str)]) -> Variables {
    texts
        .iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

/// A line, the variable's name and its value, with SET=foo SET2=boo and UNSET unset.
const LINES: [(&str, &str, &str); 20] = [
    ("a=bar=baz", "a", "bar=baz"),
    ("a='bar'", "a", "bar"),
    ("a=''", "a", ""),
    ("a=''''", "a", "''"),
    ("a=\"bar\"", "a", "\"bar\""),
    ("a=bar # x", "a", "bar # x"),
    (" \"a\"=b", " \"a\"", "b"),
    ("a= bar", "a", " bar"),
    ("a=$SET:$SET2", "a", "foo:boo"),
    ("a=bar:$SET:baz", "a", "bar:foo:baz"),
    ("a=:$SET", "a", ":foo"),
    ("a=$SET::", "a", "foo::"),
    ("a=bar:$", "a", "bar:$"),
    ("a=bar$SET", "a", "bar$SET"),
    ("a=$UNSET", "a", ""),
    ("a=foo:$UNSET:", "a", "foo:"),
    ("a=:$UNSET:foo", "a", ":foo"),
    ("a=foo:$UNSET:bar", "a", "foo:bar"),
    ("a=::$UNSET", "a", ":"),
    ("a=$SET x:q", "a", "q"),
];

#[test]
#[expect(
    clippy::print_stdout,
    reason = "the count of vectors belongs in the test's output"
)]
fn v_run_1_lines_of_an_environment_file() {
    for (line, name, expected) in LINES {
        let mut known = variables(&[("SET", "foo"), ("SET2", "boo")]);
        let file = format!("\n{line}\n");
        let parsed = parse_file(file.as_bytes(), Path::new("f"), Separator::Newline);
        assign(&mut known, &parsed.expect("a valid line"), true);
        let found = value(&known, OsStr::new(name));
        assert_eq!(found, Some(&OsString::from(expected)), "V-run-1: {line}");
    }
    println!("runtime.md 2.5, V-run-1: {} vectors", LINES.len());
}

#[test]
fn v_run_2_an_assignment_sees_those_before_it() {
    let mut known = variables(&[("HOME", "/root")]);
    for argument in ["A=$HOME:x", "B=$A"] {
        let Ok(Edit::Set(one)) = Edit::set(Some(argument.as_ref()), Separator::Newline) else {
            panic!("{argument} is an assignment");
        };
        assign(&mut known, &one, true);
    }
    // The item `$A` is replaced by the whole value of A, which is not taken apart again.
    let expected = [("HOME", "/root"), ("A", "/root:x"), ("B", "/root:x")];
    assert_eq!(known, variables(&expected));
}

#[test]
fn without_expansion_a_dollar_is_a_dollar() {
    let mut known = variables(&[("HOME", "/root")]);
    assign(&mut known, &variables(&[("A", "$HOME")]), false);
    assert_eq!(known, variables(&[("HOME", "/root"), ("A", "$HOME")]));
}

#[test]
fn values_that_end_in_nul_may_have_several_lines() {
    let parsed = parse_file(b"a=1\n2\n\0\0b='x'\0", Path::new("f"), Separator::Nul);
    assert_eq!(
        parsed.expect("valid"),
        variables(&[("a", "1\n2"), ("b", "x")])
    );
}

#[test]
fn what_is_no_assignment_is_named_by_file_and_line() {
    let message = |content: &str| {
        let parsed = parse_file(content.as_bytes(), Path::new("/etc/e"), Separator::Newline);
        parsed.expect_err("no assignment").to_string()
    };
    assert_eq!(
        message("a=1\n\nb\n"),
        "can't parse variable: no delimiter: /etc/e:3"
    );
    assert_eq!(
        message("=b\n"),
        "can't parse variable: empty name: /etc/e:1"
    );
}

#[test]
fn arguments_that_cannot_be_used_say_why() {
    let message = |argument: &str| {
        let edit = Edit::set(Some(argument.as_ref()), Separator::Newline);
        let error = edit.expect_err("not usable");
        let cause = std::error::Error::source(&error);
        assert!(cause.is_none(), "{argument}: {cause:?} is said twice");
        error.to_string()
    };
    assert_eq!(message("=x"), "can't parse variable: empty name: =x");
    assert_eq!(
        message("/nonexistent"),
        "can't open: /nonexistent: No such file or directory"
    );
    let empty = Edit::unset("".as_ref()).expect_err("not usable");
    assert_eq!(
        empty.to_string(),
        "--unset-env: GLOB must have non-zero length"
    );
}
