//! Vectors of the specification's section on variables.

use ch_dockerfile::ast::Escape;
use ch_dockerfile::substitute::{self, SubstituteError};

/// `none` is not set, and neither is anything else.
fn lookup(name: &str) -> Option<String> {
    let value = match name {
        "str" => "foobarbaz",
        "p" => "/a/b.c/d.tar.gz",
        "e" => "",
        "sp" => "a b",
        _ => return None,
    };
    Some(value.to_owned())
}

fn word(text: &str) -> Result<String, SubstituteError> {
    substitute::word(text, Escape::Backslash, &lookup).map(|expanded| expanded.text)
}

const RESULTS: &[(&str, &str)] = &[
    ("${str#f*b}", "arbaz"),
    ("${str##f*b}", "az"),
    ("${str%b*}", "foobar"),
    ("${str%%b*}", "foo"),
    ("${str/ba/fo}", "fooforbaz"),
    ("${str//ba/fo}", "fooforfoz"),
    ("${str/ba/}", "foorbaz"),
    ("${str//a/}", "foobrbz"),
    ("${str/?a?/X}", "fooXbaz"),
    ("${str/#foo/X}", "foobarbaz"),
    ("${str/%baz/X}", "foobarbaz"),
    ("${p##*/}", "d.tar.gz"),
    ("${p%/*}", "/a/b.c"),
    ("${p#*.}", "c/d.tar.gz"),
    ("${p##*.}", "gz"),
    ("${p%%.*}", "/a/b"),
    (r"${p//\//_}", "_a_b.c_d.tar.gz"),
    ("${p//./-}", "/a/b-c/d-tar-gz"),
    ("${none:-${str}}", "foobarbaz"),
    ("\"${none:-a b}\"", "a b"),
    (r"${none:-a\}b}", "a}b"),
    ("${e:-d}", "d"),
    ("${e-d}", ""),
    ("${e:+d}", ""),
    ("${e+d}", "d"),
    ("${none+d}", ""),
    (r"\$str", "$str"),
    (r"\${str}", "${str}"),
    ("'$str'", "$str"),
    ("\"\\$str\"", "$str"),
    ("\"$str\"", "foobarbaz"),
    ("a$str.b", "afoobarbaz.b"),
    ("$str_x", ""),
    ("${str}_x", "foobarbaz_x"),
    ("a$", "a$"),
    ("$1x", "x"),
    ("$$", ""),
    ("${str#[fg]}", "foobarbaz"),
    ("${str#f${e}oo}", "barbaz"),
    ("${str/a/$p}", "foob/a/b.c/d.tar.gzrbaz"),
    ("${str/$e/z}", "zfoobarbaz"),
    ("a'b'\"c\"", "abc"),
    (r"a\ b", "a b"),
    (r"a\nb", "anb"),
    ("\"a\\nb\"", "a\\nb"),
    ("'\"x\"'", "\"x\""),
    ("~/x", "~/x"),
    ("`x`", "`x`"),
    ("$(x)", "$(x)"),
    (r"${str//b/\/}", "foo/ar/az"),
    (r"${str//b/\}}", "foo}ar}az"),
];

const ERRORS: &[(&str, &str)] = &[
    ("${none:?}", "none: is not allowed to be unset"),
    ("${e:?}", "e: is not allowed to be empty"),
    ("${str:0:3}", "unsupported modifier (:0) in substitution"),
    ("${#str}", "unsupported modifier (s) in substitution"),
    ("${str^^}", "unsupported modifier (^) in substitution"),
    ("${!str}", "unsupported modifier (s) in substitution"),
    ("${str:=x}", "unsupported modifier (:=) in substitution"),
    ("${str:x}", "unsupported modifier (:x) in substitution"),
    ("${str", "syntax error: missing '}'"),
    (
        "\"a",
        "unexpected end of statement while looking for matching double-quote",
    ),
    (r"${str#\f}", r"invalid escape '\f'"),
    ("${str/ba}", "syntax error: missing '/'"),
];

/// Beyond the table of results: what the text says.
const RULES: &[(&str, Result<&str, &str>)] = &[
    (
        "'a",
        Err("unexpected end of statement while looking for matching single-quote"),
    ),
    ("${}", Err("syntax error: bad substitution")),
    ("${{", Err("syntax error: bad substitution")),
    ("${:", Err("syntax error: bad substitution")),
    ("${none?oops here}", Err("none: oops here")),
    ("${none:?oops}", Err("none: oops")),
    ("${str?oops}", Ok("foobarbaz")),
    ("${none-x}", Ok("x")),
    ("${str:+x}", Ok("x")),
    ("a\\", Ok("a")),
    ("\"\\a\\\\\\\"\"", Ok("\\a\\\"")),
    ("<< EOF", Ok("<< EOF")),
    ("$sp", Ok("a b")),
    ("${str#*}", Ok("foobarbaz")),
    ("${str##*}", Ok("")),
    ("${str%%*}", Ok("")),
    ("${str//?/x}", Ok("xxxxxxxxx")),
    ("${str//b*/x}", Ok("foox")),
    ("${str//o*b/x}", Ok("fxaz")),
    ("${str//$e/-}", Ok("-f-o-o-b-a-r-b-a-z-")),
    ("${p##*[}", Ok("/a/b.c/d.tar.gz")),
    ("${str/#/x}", Ok("foobarbaz")),
    ("$@$*$#$?$-$!$0", Ok("")),
    ("${1}", Ok("")),
];

#[test]
fn vectors_of_operators() {
    for (text, expected) in RESULTS {
        assert_eq!(word(text).as_deref(), Ok(*expected), "§2.4 {text}");
    }
    for (text, expected) in ERRORS {
        let error = word(text).expect_err(text);
        assert_eq!(error.to_string(), *expected, "§2.4 {text}");
    }
    println!(
        "dockerfile.md §2.4: {} vectors",
        RESULTS.len() + ERRORS.len()
    );
}

#[test]
fn rules_of_words() {
    for (text, expected) in RULES {
        let result = word(text).map_err(|error| error.to_string());
        assert_eq!(
            result.as_deref(),
            expected.map_err(str::to_owned).as_ref().copied(),
            "{text}"
        );
    }
}

#[test]
fn names_may_have_letters_of_any_script() {
    let result = substitute::word("$größe.", Escape::Backslash, &|name| {
        (name == "größe").then(|| "9".to_owned())
    });
    assert_eq!(result.unwrap().text, "9.");
}

#[test]
fn other_escape_character_protects() {
    let result = substitute::word("`$str \\ \"`\"\" ${str#`f}", Escape::Backtick, &lookup);
    assert!(matches!(
        result,
        Err(SubstituteError::InvalidEscape { character: 'f' })
    ));
    let result = substitute::word("`$str \\ \"`\"\" ${str//a/`}}", Escape::Backtick, &lookup);
    assert_eq!(result.unwrap().text, "$str \\ \" foob}rb}z");
}

#[test]
fn undefined_names_are_told() {
    let result = substitute::word(
        "$a ${b} ${c:-x} ${d+x} ${str} ${f#x} $1",
        Escape::Backslash,
        &lookup,
    )
    .unwrap();
    assert_eq!(result.undefined, ["a", "b", "f"]);
}

#[test]
fn vectors_of_exec_forms() {
    let set = |name: &str| match name {
        "FOO" => Some("x".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    };
    let table = [
        ("$FOO", "x"),
        ("$HOME", "$HOME"),
        ("${FOO}y", "xy"),
        ("${HOME}y", "${HOME}y"),
        (r"\$FOO", r"\$FOO"),
        ("'$FOO' \"${FOO}\" \\n", "'x' \"x\" \\n"),
        ("${EMPTY:-d}", "d"),
        ("${HOME:-$FOO}", "${HOME:-x}"),
        ("${FOO:-", "${FOO:-"),
        ("${FOO^^} $FOO", "${FOO^^} x"),
        ("$", "$"),
        ("$$FOO", "$x"),
        ("awk '{print $1}'", "awk '{print $1}'"),
    ];
    for (text, expected) in table {
        assert_eq!(
            substitute::set_only(text, &set).unwrap(),
            expected,
            "§2.5 {text}"
        );
    }
    assert!(substitute::set_only("${EMPTY:?}", &set).is_err());
    println!("dockerfile.md §2.5: {} vectors", table.len());
}

#[test]
fn vectors_of_heredoc_bodies() {
    let table = [
        (
            "V-C57",
            "$str \\$x \"q\" \\\\n\n",
            "foobarbaz $x \"q\" \\n\n",
        ),
        ("V-C63a", "\\\n", "\n"),
        ("V-C63b", "\\\\\n", "\\\n"),
        ("V-C63c", "\\$\n", "$\n"),
        ("§6.5", "it's \\x \"$e\"", "it's x \"\""),
    ];
    for (id, text, expected) in table {
        let result = substitute::body(text, &lookup).unwrap();
        assert_eq!(result.text, expected, "{id}");
    }
    let error = substitute::body("${U:?boom}", &lookup).unwrap_err();
    assert_eq!(error.to_string(), "U: boom", "V-C62");
    println!("dockerfile.md §6.5 (bodies): {} vectors", table.len() + 1);
}

#[test]
fn results_are_not_much_longer_than_what_makes_them() {
    let half = "x".repeat(512 * 1024);
    let set = |name: &str| (name == "half").then(|| half.clone());
    let word = |text: &str| substitute::word(text, Escape::Backslash, &set).map(|all| all.text);
    assert_eq!(word("$half$half").unwrap().len(), 1 << 20);
    let bombs = [
        "$half$half$half",
        "\"$half$half$half\"",
        "${none:-$half$half$half}",
        "${half//x/$half}",
        "${half//x/01234567}",
    ];
    for bomb in bombs {
        assert_eq!(word(bomb), Err(SubstituteError::TooLong), "{bomb}");
        let body = substitute::body(bomb, &set);
        // Quotes are ordinary characters of a body.
        assert_eq!(body.unwrap_err(), SubstituteError::TooLong, "{bomb}");
    }
    let exec = substitute::set_only("$half$half$half", &set);
    assert_eq!(exec, Err(SubstituteError::TooLong));
    // What stands there is no result of a substitution.
    let long = "y".repeat(3 << 20);
    assert_eq!(word(&long).unwrap().len(), long.len());
}
