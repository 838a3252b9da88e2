//! Time grows with the length of the text, and no faster.

use std::time::{Duration, Instant};

use ch_dockerfile::ast::Escape;
use ch_dockerfile::substitute;

use crate::read;

/// A hundred times what these texts take in an unoptimised build (3 s; optimised, 1.2 MB: 0.3 s), so that no busy machine
/// comes near. Quadratic time would be half an hour.
const LIMIT: Duration = Duration::from_secs(300);

fn filled(start: &str, piece: &str) -> String {
    sized(400_000, start, piece)
}

fn sized(size: usize, start: &str, piece: &str) -> String {
    start.to_owned() + &piece.repeat(size / piece.len())
}

#[test]
fn large_files_take_linear_time() {
    let table = [
        (
            "ordinary",
            sized(
                1_200_000,
                "FROM a\n",
                "RUN --mount=type=cache,target=/x make \\\n  # c\n  all\nENV a=b c=\"d e\"\n",
            ),
        ),
        ("stages", filled("", "FROM a AS b\nCOPY --from=0 a b\n")),
        ("continuations", filled("FROM a\nRUN x", "\\\n")),
        ("unclosed braces", filled("FROM a\nENV x=", "${")),
        ("nested defaults", filled("FROM a\nENV x=", "${a:-")),
        ("heredocs", filled("FROM a\nRUN ", "<<A ")),
        ("heredocs in one word", filled("FROM a\nRUN ", "<<A")),
        ("heredocs with bodies", filled("FROM a\n", "RUN <<A\nA\n")),
        ("brackets", filled("FROM a\nRUN ", "[")),
        ("objects", filled("FROM a\nRUN [", "{\"a\":")),
        ("long array", filled("FROM a\nRUN [\"\"", ",\"a\"") + "]"),
        ("triggers", filled("FROM a\n", "ONBUILD ")),
        ("flags", filled("FROM a\nRUN ", "--mount=target=/x ")),
        ("quotes", filled("FROM a\nENV ", "\"'")),
        ("errors", filled("FROM a\n", "FOO\n")),
        ("comments", filled("FROM a\n", "# x\n")),
        ("escapes", filled("FROM a\nENV a=", "\\\\")),
    ];
    for (name, text) in &table {
        let start = Instant::now();
        let result = read(text.as_str());
        let time = start.elapsed();
        println!(
            "{name}: {time:?}, {}",
            if result.is_ok() { "good" } else { "bad" }
        );
        assert!(time < LIMIT, "{name}: {time:?}");
    }
}

#[test]
fn substitution_takes_linear_time() {
    let table = [
        ("unclosed braces", filled("", "${")),
        ("nested defaults", filled("", "${a:-")),
        ("patterns", filled("", "${a#*b}")),
        ("variables", filled("", "$a")),
        ("quotes", filled("\"", "$a'")),
    ];
    let lookup = |name: &str| (name == "a").then(|| "aab".to_owned());
    for (name, text) in &table {
        let start = Instant::now();
        let _ = substitute::word(text, Escape::Backslash, &lookup);
        let _ = substitute::set_only(text, &lookup);
        let time = start.elapsed();
        assert!(time < LIMIT, "{name}: {time:?}");
    }
    let value = "a".repeat(100_000);
    let lookup = |_: &str| Some(value.clone());
    let start = Instant::now();
    for text in [
        "${a//a*b/x}",
        "${a//*a/x}",
        "${a##*b}",
        "${a%%b*}",
        "${a//a/bb}",
    ] {
        substitute::word(text, Escape::Backslash, &lookup).unwrap();
    }
    assert!(
        start.elapsed() < LIMIT,
        "patterns on a long value: {:?}",
        start.elapsed()
    );
}
