//! Here-documents as sources of `COPY`.

use crate::Case;
use crate::fixture::Fixture;

pub(crate) const CASES: &[Case] = &[
    ("vectors_of_here_documents", vectors),
    ("here_documents_are_files_beside_others", beside_files),
    ("changed_text_is_copied_anew", changed),
];

/// (vector, instruction, a command, what it prints)
const VECTORS: &[(&str, &str, &str, &str)] = &[
    (
        "V-C57",
        "COPY <<EOF /x\n$V \\$x \"q\" \\\\n\nEOF",
        "cat /x",
        "value $x \"q\" \\n\n",
    ),
    (
        "V-C58",
        "COPY <<\"EOF\" /x\n$V \\$x\nEOF",
        "cat /x",
        "$V \\$x\n",
    ),
    (
        "V-C59",
        "COPY <<A <<B /d/\n1\nA\n2\nB",
        "cat /d/A /d/B",
        "1\n2\n",
    ),
    (
        "V-C59",
        "COPY <<A <<B /d\n1\nA\n2\nB",
        "cat /d/A /d/B",
        "1\n2\n",
    ),
    (
        "V-C60",
        "COPY <<-EOF /x\n\t\ta\n\t b\n\tEOF",
        "cat /x",
        "a\n b\n",
    ),
    (
        "V-C61",
        "COPY --chmod=755 <<EOF /x\nEOF",
        "stat -c '%a %u' /x",
        "755 0\n",
    ),
    (
        "V-C63",
        "COPY <<EOF /x\n\\\n\\\\\n\\$\nEOF",
        "cat /x",
        "\n\\\n$\n",
    ),
    ("§6.5 mode", "COPY <<EOF /x\nEOF", "stat -c %a /x", "644\n"),
];

fn vectors(fixture: &Fixture) {
    for (vector, instruction, command, want) in VECTORS {
        let dockerfile = format!("FROM base\nENV V=value\n{instruction}\nRUN {command}\n");
        let built = fixture.build(&dockerfile).good();
        assert_eq!(built.output, *want, "{vector}");
    }
    let outcome = fixture.build("FROM base\nCOPY <<EOF /x\n${U:?boom}\nEOF\n");
    let error = outcome.result.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "U: boom", "V-C62");
    let shown = error.to_string();
    assert!(
        shown.contains("2 > COPY") && shown.contains("4 > EOF"),
        "V-C62: {shown}"
    );
    println!(
        "dockerfile.md §6.5: {} vectors of here-documents",
        VECTORS.len() + 1
    );
}

fn beside_files(fixture: &Fixture) {
    fixture.write("a", "a\n");
    fixture.write("b", "b\n");
    let built = fixture
        .build(concat!(
            "FROM base\nRUN echo c > /c\nFROM base\nCOPY a <<T b /d/\ntext\nT\nCOPY --from=0 <<T c /e/\ntext\nT\n",
            "RUN cat /d/a /d/T /d/b /e/T /e/c\n",
        ))
        .good();
    assert_eq!(built.output, "a\ntext\nb\ntext\nc\n");
    let by = built.history();
    assert_eq!(
        by[..2],
        ["COPY a b <<T /d/ # buildkit", "COPY c <<T /e/ # buildkit"]
    );
    // Whoever has no files needs no context.
    let options = ch_builder::Options {
        context: None,
        ..fixture.options()
    };
    let built = fixture.build_with("FROM base\nCOPY <<T /x\nalone\nT\nRUN cat /x\n", &options);
    assert_eq!(built.good().output, "alone\n");
}

fn changed(fixture: &Fixture) {
    let build = |text: &str, name: &str| {
        let dockerfile = format!("FROM base\nCOPY <<{name} /d/\n{text}\n{name}\nRUN cat /d/*\n");
        fixture.build(&dockerfile).good().output
    };
    assert_eq!(build("one", "A"), "one\n");
    assert_eq!(build("one", "A"), "", "a hit");
    assert_eq!(build("two", "A"), "two\n");
    assert_eq!(build("one", "B"), "one\n");
}
