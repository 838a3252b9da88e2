//! What holds for any text.

use ch_dockerfile::ast::{Command, Escape};
use ch_dockerfile::{File, Span, substitute};
use proptest::prelude::*;

use crate::{describe, read};

/// Texts that are likely to mean something.
fn texts() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "FROM a\n",
        "FROM ",
        "RUN ",
        "COPY ",
        "ADD ",
        "ENV ",
        "ARG ",
        "ONBUILD ",
        "HEALTHCHECK ",
        "CMD ",
        "SHELL ",
        "LABEL ",
        "VOLUME ",
        "--mount=",
        "--from=",
        "--",
        " -- ",
        "type=cache,",
        "a",
        "b=c",
        "\\\n",
        "\\",
        "\n",
        "\r\n",
        "\n\n",
        "#",
        "# x\n",
        "\"",
        "'",
        "`",
        "$",
        "${",
        "}",
        ":-",
        "//",
        "[",
        "]",
        "\"a\"",
        ", ",
        "<<A",
        "<<-A",
        "<< 'A'",
        "\nA\n",
        "<",
        " ",
        "\t",
        "\u{b}",
        "é",
        "\u{1f600}",
        "# escape=`\n",
        "NONE",
        "as x",
        "=",
        "{",
        "\\u12",
        "\u{feff}",
        "1s",
        "0",
    ]);
    prop::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

fn spans(file: &File) -> Vec<Span> {
    let mut spans: Vec<Span> = file.findings.iter().map(|finding| finding.span).collect();
    for global in &file.globals {
        spans.extend([global.header.span, global.header.keyword_span]);
        spans.extend(
            global
                .definitions
                .iter()
                .map(|definition| definition.name.span),
        );
    }
    for stage in &file.stages {
        spans.extend([
            stage.header.span,
            stage.header.keyword_span,
            stage.from.image.span,
        ]);
        for instruction in &stage.instructions {
            spans.extend([instruction.header.span, instruction.header.keyword_span]);
            match &instruction.command {
                Command::Copy(copy) => spans.push(copy.files.destination.span),
                Command::Run(run) => spans.extend(
                    run.heredocs
                        .iter()
                        .flat_map(|heredoc| [heredoc.span, heredoc.body_span]),
                ),
                Command::Env(pairs) => spans.extend(
                    pairs
                        .iter()
                        .flat_map(|pair| [pair.name.span, pair.value.span]),
                ),
                _ => {}
            }
        }
    }
    spans
}

fn check(bytes: Vec<u8>) {
    let length = bytes.len();
    let spans = match read(bytes) {
        Ok(file) => spans(&file),
        Err(errors) => {
            assert!(!errors.to_string().is_empty());
            errors.iter().filter_map(|error| error.span()).collect()
        }
    };
    for span in spans {
        assert!(
            span.start <= span.end && span.end <= length,
            "{span:?} of {length}"
        );
    }
}

/// The file's meaning, or its errors without places.
fn meaning(text: &str) -> Result<Vec<String>, Vec<String>> {
    match read(text) {
        Ok(file) => Ok(describe::file(&file)),
        Err(errors) => Err(errors
            .iter()
            .map(|error| error.message().to_owned())
            .collect()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check(bytes);
    }

    #[test]
    fn any_text_is_read_without_panic(text in texts()) {
        check(text.clone().into_bytes());
        check(format!("FROM a\n{text}").into_bytes());
    }

    #[test]
    fn newline_at_the_end_changes_nothing(text in texts()) {
        let text = format!("FROM a\n{}", text.trim_end_matches(['\n', '\r']));
        prop_assume!(!text.contains("<<") && !text.ends_with('\\') && !text.ends_with('`'));
        prop_assert_eq!(meaning(&text), meaning(&format!("{text}\n")));
    }

    #[test]
    fn carriage_returns_before_newlines_change_nothing(text in texts()) {
        let text = format!("FROM a\n{}", text.replace('\r', ""));
        prop_assume!(!text.contains("<<"));
        prop_assert_eq!(meaning(&text), meaning(&text.replace('\n', "\r\n")));
    }

    #[test]
    fn substitution_never_panics(text in texts(), value in texts()) {
        let lookup = |name: &str| (name == "a").then(|| value.clone());
        for escape in [Escape::Backslash, Escape::Backtick] {
            let _ = substitute::word(&text, escape, &lookup);
        }
        let _ = substitute::body(&text, &lookup);
        let _ = substitute::set_only(&text, &lookup);
    }

    #[test]
    fn expanding_twice_is_expanding_once_without_special_characters(text in "[a-z /.~(){}<>]{0,30}") {
        let once = substitute::word(&text, Escape::Backslash, &|_| None).unwrap().text;
        prop_assert_eq!(&once, &text);
    }
}
