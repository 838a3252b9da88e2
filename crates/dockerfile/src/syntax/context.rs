//! What the readers of single instructions need: the line, its here-documents, and where to report.

use std::fmt;
use std::ops::Range;

use super::grammar::Node;
use crate::ast::{Escape, Heredoc};
use crate::check::{Finding, Rule as Check, Skip};
use crate::diagnostic::Problems;
use crate::lex::LogicalLine;
use crate::lex::heredoc::Operator;
use crate::source::{Span, Word};

/// One instruction that is being read.
pub(super) struct Context<'a> {
    pub(super) line: &'a LogicalLine,
    /// The instruction with its here-documents.
    pub(super) span: Span,
    /// The here-documents on the line, and, one for one, their bodies.
    pub(super) operators: &'a [Operator],
    pub(super) heredocs: &'a [Heredoc],
    pub(super) escape: Escape,
    /// Number of a line just before that ends within a quote.
    pub(super) open_quote: Option<usize>,
    pub(super) skip: &'a Skip,
    pub(super) problems: &'a mut Problems,
    pub(super) findings: &'a mut Vec<Finding>,
}

impl Context<'_> {
    /// Where a node stands in the line.
    pub(super) fn range(&self, node: &Node<'_>) -> Range<usize> {
        let span = node.as_span();
        // The first byte of what the grammar sees is the escape character.
        span.start() - 1..span.end() - 1
    }

    /// Where a node stands in the file.
    pub(super) fn span(&self, node: &Node<'_>) -> Span {
        self.line.span(self.range(node))
    }

    /// A node's text.
    pub(super) fn word(&self, node: &Node<'_>) -> Word {
        self.line.word(self.range(node))
    }

    /// Just behind the line: where something that is missing would be.
    pub(super) fn end(&self) -> Range<usize> {
        let end = self.line.text().len();
        end..end
    }

    /// Reports what is wrong; the result stands for what can't be built.
    pub(super) fn fail<T>(&mut self, span: Span, message: impl fmt::Display) -> Option<T> {
        self.problems.report(span, message);
        None
    }

    /// Notes that a rule is broken, unless nobody wants to know.
    pub(super) fn find(&mut self, rule: Check, span: Span) {
        if !self.skip.contains(rule.name()) && !self.line.skip.contains(rule.name()) {
            self.findings.push(Finding { rule, span });
        }
    }
}
