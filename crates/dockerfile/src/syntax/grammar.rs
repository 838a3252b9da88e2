//! The parser that is generated from `instruction.pest`.

use pest::Parser;
use pest::iterators::Pair;

use crate::lex::LogicalLine;

#[derive(pest_derive::Parser)]
#[grammar = "instruction.pest"]
struct Grammar;

/// A node of the tree.
pub(super) type Node<'l> = Pair<'l, Rule>;

/// The instruction on a line. The grammar accepts every line that is not blank, so `None` is want of stack.
pub(super) fn line(line: &LogicalLine) -> Option<Node<'_>> {
    let mut tree = Grammar::parse(Rule::line, line.text_for_grammar()).ok()?;
    let line = tree.next().expect("`line` is one node");
    let instruction = line.into_inner().next();
    Some(instruction.expect("`line` holds an instruction"))
}

/// The fields of a `--mount`; `None` if it is no CSV.
pub(super) fn mount(value: &str) -> Option<Vec<Node<'_>>> {
    let mut tree = Grammar::parse(Rule::mount, value).ok()?;
    let fields = tree.next().expect("`mount` is one node").into_inner();
    Some(
        fields
            .filter(|field| field.as_rule() != Rule::EOI)
            .collect(),
    )
}

/// The child of the given kind.
pub(super) fn child<'l>(node: &Node<'l>, rule: Rule) -> Option<Node<'l>> {
    node.clone()
        .into_inner()
        .find(|child| child.as_rule() == rule)
}

/// Is this an instruction that may have here-documents, in a form that may?
pub(super) fn may_have_heredocs(node: &Node<'_>) -> bool {
    match node.as_rule() {
        Rule::run | Rule::copy | Rule::add => child(node, Rule::exec).is_none(),
        Rule::onbuild => node
            .clone()
            .into_inner()
            .any(|inner| may_have_heredocs(&inner)),
        _ => false,
    }
}
