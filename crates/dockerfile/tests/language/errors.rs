//! How errors look.

use ch_dockerfile::Excerpt;

use crate::read;

fn errors(text: &str) -> String {
    format!("error: {}", read(text).expect_err(text))
}

#[test]
fn error_shows_the_line_and_marks_the_word() {
    insta::assert_snapshot!(errors("FROM a\n\nCOPY . /src\nRNU make\n"), @r"
    error: can't parse: Dockerfile:4,1: unknown instruction: RNU (did you mean RUN?)

        3 | COPY . /src
        4 > RNU make
          | ^^^
    ");
}

#[test]
fn all_errors_are_told_at_once() {
    insta::assert_snapshot!(errors("FROM a\nRNU x\nCOPY --foo=1 --foo=2 é --chwon=1 a\nENV é b=\"\n"), @r#"
    error: can't parse: Dockerfile:2,1: unknown instruction: RNU (did you mean RUN?)

        1 | FROM a
        2 > RNU x
          | ^^^

    error: can't parse: Dockerfile:3,6: COPY: invalid option --foo: unknown flag: --foo (did you mean --from?)

        2 | RNU x
        3 > COPY --foo=1 --foo=2 é --chwon=1 a
          |      ^^^^^^^

    error: can't parse: Dockerfile:3,14: COPY: invalid option --foo: unknown flag: --foo (did you mean --from?)

        2 | RNU x
        3 > COPY --foo=1 --foo=2 é --chwon=1 a
          |              ^^^^^^^

    error: can't parse: Dockerfile:4,7: unexpected end of statement while looking for matching double-quote

        3 | COPY --foo=1 --foo=2 é --chwon=1 a
        4 > ENV é b="
          |       ^^^
    "#);
}

#[test]
fn a_misspelt_from_is_one_error() {
    let told = errors("FRMO a\nRUN x\nCOPY a b\n");
    assert!(told.contains("unknown instruction: FRMO (did you mean FROM?)"));
    assert_eq!(told.matches("can't parse").count(), 1, "{told}");
}

#[test]
fn instruction_of_several_lines_is_shown_whole() {
    insta::assert_snapshot!(errors("FROM a\nSHELL x \\\n  y \\\n  z\nRUN x\n"), @r"
    error: can't parse: Dockerfile:2,1: SHELL requires the arguments to be in JSON form

        1 | FROM a
        2 > SHELL x \
        3 >   y \
        4 >   z
    ");
}

#[test]
fn open_quote_that_hid_a_heredoc_is_hinted_at() {
    insta::assert_snapshot!(errors("FROM a\nRUN echo it's <<EOF\nx\n"), @r"
    error: can't parse: Dockerfile:3,1: unknown instruction: x

        2 | RUN echo it's <<EOF
        3 > x
          | ^
    hint: the quote opened on line 2 is not closed, so `<<` was not read as a here-document
    ");
}

#[test]
fn files_without_instructions_are_refused() {
    assert_eq!(errors(""), "error: no instructions found: Dockerfile");
    assert_eq!(
        errors("# a\n\n  # b\n\\\n"),
        "error: no instructions found: Dockerfile"
    );
    assert_eq!(
        errors("ARG x\n"),
        "error: dockerfile contains no stages to build"
    );
    assert!(
        errors("RUN x\nFROM img\n")
            .contains("Dockerfile:1,1: first instruction must be ARG or FROM"),
        "V-S5"
    );
    let huge = read(vec![0; (16 << 20) + 1]).unwrap_err();
    assert_eq!(huge.to_string(), "Dockerfile too large");
}

#[test]
fn reading_stops_after_twenty_errors() {
    let errors = read("FROM a\n".to_owned() + &"FOO\n".repeat(25)).unwrap_err();
    assert_eq!(errors.iter().count(), 20);
    assert!(
        errors
            .to_string()
            .ends_with("error: stopped after 20 errors"),
        "{errors}"
    );
}

#[test]
fn long_lines_and_control_characters_do_not_reach_the_terminal() {
    let long = "x".repeat(100_000);
    let text = format!("FROM a\nRUN {long} \x1b[31m --x\nFOO\x1b{long}\nCOPY \"{long} \x1b\n");
    let shown = errors(&text);
    assert!(!shown.contains('\x1b'), "{shown:?}");
    assert!(
        shown.lines().all(|line| line.chars().count() < 300),
        "{shown}"
    );
}

#[test]
fn mark_far_to_the_right_stays_visible() {
    let text = format!("FROM a\nCOPY {} \"\n", "y".repeat(1000));
    let shown = errors(&text);
    let (line, marks) = (shown.lines().nth(3).unwrap(), shown.lines().nth(4).unwrap());
    assert_eq!(
        line.chars().nth(marks.chars().count() - 1),
        Some('"'),
        "{shown}"
    );
}

#[test]
fn marks_of_a_long_line_stay_on_one_line_of_a_terminal() {
    let text = format!("FROM a\nRUN {}", "y".repeat(140));
    let file = read(&*text).unwrap();
    let span = file.stages[0].instructions[0].header.span;
    let shown = Excerpt::new(&file.source, span).to_string();
    let lines: Vec<usize> = shown.lines().map(str::len).collect();
    assert_eq!(lines, [14, 80, 80], "{shown}");
    assert!(shown.ends_with(&"^".repeat(72)), "{shown}");
}

#[test]
fn excerpt_can_be_made_of_any_span() {
    let file = read("FROM a\nRUN x").unwrap();
    let excerpt = Excerpt::new(&file.source, file.stages[0].instructions[0].header.span);
    assert_eq!(
        excerpt.to_string(),
        "    1 | FROM a\n    2 > RUN x\n      | ^^^^^"
    );
}
