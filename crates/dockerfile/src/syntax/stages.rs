//! Instructions to stages, and the references between them.

use super::context::Context;
use super::grammar::{Node, Rule};
use super::statement::{Content, Statement, statement};
use crate::ast::{Command, GlobalArgument, Header, Instruction, MountKey, Stage, StageNames};
use crate::check::Rule as Check;
use crate::diagnostic::Problems;
use crate::source::{Source, Span};

/// The file so far.
#[derive(Debug, Default)]
pub(super) struct Assembly {
    pub(super) globals: Vec<GlobalArgument>,
    pub(super) stages: Vec<Stage>,
    pub(super) names: StageNames,
    /// There was an instruction, good or bad.
    any: bool,
    /// There was a `FROM`, good or bad; or its absence has been reported.
    started: bool,
}

impl Assembly {
    /// Adds an instruction.
    pub(super) fn add(&mut self, node: Node<'_>, context: &mut Context<'_>) {
        self.begin(&node, context.span, context.problems);
        let Some(statement) = statement(&node, context) else {
            return;
        };
        let Statement { header, content } = statement;
        match content {
            Content::From(from) => {
                let stage = Stage {
                    header,
                    from,
                    instructions: Vec::new(),
                };
                self.stage(stage, context);
            }
            Content::Command(command) => self.command(header, command),
        }
    }

    /// Takes note of an instruction that can't be read because its here-document never ends.
    pub(super) fn broken(&mut self, node: &Node<'_>) {
        self.any = true;
        self.started |= node.as_rule() == Rule::from;
    }

    /// The whole file, after a look at what only the whole file shows.
    pub(super) fn finish(
        self,
        source: &Source,
        is_whole: bool,
        problems: &mut Problems,
    ) -> Assembly {
        if !self.any && !problems.any() {
            problems.report_file(format!("no instructions found: {}", source.name()));
        } else if !self.started && !problems.any() {
            problems.report_file("dockerfile contains no stages to build");
        } else if is_whole && !problems.any() {
            // After an error a stage may be missing, and references to it would be reported for no reason.
            self.verify_references(problems);
        }
        self
    }

    /// The first instruction must be `ARG` or `FROM`.
    fn begin(&mut self, node: &Node<'_>, span: Span, problems: &mut Problems) {
        self.any = true;
        match node.as_rule() {
            // An unknown word may be a misspelt `FROM`; to miss that as well would be no news.
            Rule::from | Rule::unknown => self.started = true,
            Rule::arg => {}
            _ if !self.started => {
                problems.report(span, "first instruction must be ARG or FROM");
                self.started = true;
            }
            _ => {}
        }
    }

    fn stage(&mut self, stage: Stage, context: &mut Context<'_>) {
        let again = self.names.add(stage.name());
        if let Some(name) = stage.from.name.as_ref().filter(|_| again) {
            context.find(Check::DuplicateStageName, name.span);
        }
        self.stages.push(stage);
    }

    fn command(&mut self, header: Header, command: Command) {
        match (self.stages.last_mut(), command) {
            (Some(stage), command) => stage.instructions.push(Instruction { header, command }),
            (None, Command::Arg(definitions)) => self.globals.push(GlobalArgument {
                header,
                definitions,
            }),
            // The missing `FROM` has been reported, or what is wrong with it.
            (None, _) => {}
        }
    }

    /// Reports every `from=` whose stage can't be used. Names that are no stage are left alone: they are images.
    fn verify_references(&self, problems: &mut Problems) {
        for (current, stage) in self.stages.iter().enumerate() {
            for instruction in &stage.instructions {
                for (what, from, span) in references(&instruction.command) {
                    if let Err(error) = self.names.referred(from, current) {
                        problems.report(span, format!("{what}: {error}"));
                    }
                }
            }
        }
    }
}

/// What an instruction names in `from=`: the flag, the name, and where. Names with variables are not known yet.
fn references(command: &Command) -> Vec<(&'static str, &str, Span)> {
    match command {
        Command::Copy(copy) => {
            let from = copy.from.iter().filter(|from| !from.text.contains('$'));
            from.map(|from| ("COPY --from", from.text.as_str(), from.span))
                .collect()
        }
        Command::Run(run) => {
            let named = run
                .mounts
                .iter()
                .filter_map(|mount| Some((mount.value(MountKey::From)?, mount.span)));
            named
                .map(|(from, span)| ("RUN --mount", from, span))
                .collect()
        }
        _ => Vec::new(),
    }
}
