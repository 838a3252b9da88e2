//! From logical lines to the syntax tree, by way of the grammar in `instruction.pest`.
//!
//! Whatever is wrong is reported, and reading goes on with the next instruction.

mod context;
mod files;
mod flags;
mod form;
mod grammar;
mod healthcheck;
mod pairs;
mod run;
mod stages;
mod statement;
mod trigger;
mod variables;

use crate::ast::{Escape, File, Heredoc};
use crate::check::{Finding, Rule as Check, Skip};
use crate::diagnostic::{Diagnostics, Problems};
use crate::lex::heredoc::Operator;
use crate::lex::{Lines, LogicalLine, directive, heredoc};
use crate::source::{Source, Span};
use context::Context;
use stages::Assembly;

pub use trigger::TriggerError;

/// More bytes than this are no Dockerfile, but perhaps `/dev/zero`.
pub const LARGEST: usize = 16 << 20;

/// See [`crate::parse`].
pub(crate) fn parse(source: &Source) -> Result<File, Diagnostics> {
    read(source, true)
}

/// Parses what is part of another file, whose stages it may name.
fn parse_alone(source: &Source) -> Result<File, Diagnostics> {
    read(source, false)
}

fn read(source: &Source, is_whole: bool) -> Result<File, Diagnostics> {
    let mut problems = Problems::new(source);
    if source.bytes().len() > LARGEST {
        problems.report_file("Dockerfile too large");
        return Err(problems.finish().expect("something was reported"));
    }
    let directives = directive::read(source, &mut problems);
    let mut reader = Reader {
        source,
        lines: Lines::new(source, directives.escape),
        escape: directives.escape,
        skip: directives.check.skip.clone(),
        problems,
        findings: Vec::new(),
        open_quote: None,
    };
    let mut assembly = Assembly::default();
    while let Some(line) = reader.lines.next(&mut reader.problems) {
        reader.instruction(&line, &mut assembly);
        if reader.problems.is_full() {
            break;
        }
    }
    let Reader {
        mut problems,
        mut findings,
        ..
    } = reader;
    let assembly = assembly.finish(source, is_whole, &mut problems);
    if let Some(diagnostics) = problems.finish() {
        return Err(diagnostics);
    }
    findings.sort_by_key(|finding| finding.span);
    Ok(File {
        source: source.clone(),
        directives,
        globals: assembly.globals,
        stages: assembly.stages,
        findings,
        names: assembly.names,
    })
}

/// What is known while reading from top to bottom.
struct Reader<'s> {
    source: &'s Source,
    lines: Lines<'s>,
    escape: Escape,
    skip: Skip,
    problems: Problems,
    findings: Vec<Finding>,
    /// Number of the line before, if a quote that is opened there hides a here-document.
    open_quote: Option<usize>,
}

impl Reader<'_> {
    fn instruction(&mut self, line: &LogicalLine, assembly: &mut Assembly) {
        let Some(tree) = grammar::line(line) else {
            let span = line.span(line.start()..line.text().len());
            return self
                .problems
                .report(span, "the parser's stack is too small (ulimit -s)");
        };
        let open_quote = self.open_quote.take();
        let operators = if grammar::may_have_heredocs(&tree) {
            self.operators(line)
        } else {
            Vec::new()
        };
        let Some(heredocs) = self.bodies(line, &operators) else {
            assembly.broken(&tree);
            return;
        };
        let mut span = line.span(line.start()..line.text().len());
        if !heredocs.is_empty() {
            span.end = self.lines.position();
            let text = &self.source.bytes()[..span.end];
            let text = text.strip_suffix(b"\n").unwrap_or(text);
            span.end = text.strip_suffix(b"\r").unwrap_or(text).len();
        }
        let mut context = Context {
            line,
            span,
            operators: &operators,
            heredocs: &heredocs,
            escape: self.escape,
            open_quote,
            skip: &self.skip,
            problems: &mut self.problems,
            findings: &mut self.findings,
        };
        if let Some(blank) = line.empty_continuation {
            context.find(Check::NoEmptyContinuation, blank);
        }
        assembly.add(tree, &mut context);
    }

    fn operators(&mut self, line: &LogicalLine) -> Vec<Operator> {
        heredoc::operators(line.text()).unwrap_or_else(|unclosed| {
            let opener = line.span(unclosed.position..unclosed.position + 1);
            if line.text().as_bytes()[unclosed.position] != b'$' {
                self.open_quote = Some(self.source.line_of(opener.start));
            }
            Vec::new()
        })
    }

    /// The bodies that follow the line; `None` if one never ends.
    fn bodies(&mut self, line: &LogicalLine, operators: &[Operator]) -> Option<Vec<Heredoc>> {
        let mut heredocs = Vec::with_capacity(operators.len());
        for operator in operators {
            let span: Span = line.span(operator.range.clone());
            let Some(heredoc) = self.lines.body(operator, span, &mut self.problems) else {
                self.problems.report(span, "unterminated heredoc");
                return None;
            };
            heredocs.push(heredoc);
        }
        Some(heredocs)
    }
}
