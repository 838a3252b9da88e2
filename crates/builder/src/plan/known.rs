//! Arguments whose values are known before anything is executed: those that depend on no `ENV`, since an image may have
//! any.

use std::cell::Cell;

use ch_dockerfile::ast::{Command, Instruction};
use ch_dockerfile::substitute;

use super::{Base, Plan, PlannedStep, define, expand};
use crate::error::{BuildError, Problem};
use crate::scope::Scope;

/// The arguments that are known at one place of a stage.
pub(super) struct Known<'p, 'a> {
    plan: &'p Plan<'a>,
    scope: Scope,
}

/// What is known at `step` of stage number `index`.
pub(super) fn arguments<'p, 'a>(
    plan: &'p Plan<'a>,
    index: usize,
    step: &PlannedStep<'_>,
) -> Known<'p, 'a> {
    let mut chain = vec![index];
    while let Base::Stage(below) = plan.start(*chain.last().expect("it begins with one")).base {
        chain.push(below);
    }
    let mut known = Known {
        plan,
        scope: Scope::default(),
    };
    for stage in chain.into_iter().rev() {
        for (name, value) in &plan.start(stage).arguments {
            known.scope.declare(name, Some(value.clone()));
        }
        for instruction in &plan.file.stages[stage].instructions {
            if stage == index && (step.is_trigger || step.span == instruction.header.span) {
                break;
            }
            known.learn(instruction);
        }
    }
    known
}

impl Known<'_, '_> {
    /// The text with its variables replaced; `None` if one of them is not known.
    pub(super) fn expand(&self, text: &str) -> Result<Option<String>, BuildError> {
        let all_known = Cell::new(true);
        let lookup = |name: &str| {
            let value = self.scope.get(name).map(str::to_owned);
            all_known.set(all_known.get() && value.is_some());
            value
        };
        let escape = self.plan.file.directives.escape;
        let expanded = substitute::word(text, escape, &lookup).map_err(|source| {
            let word = text.to_owned();
            Problem::Substitute {
                keyword: "COPY",
                word,
                source,
            }
        })?;
        Ok(all_known.get().then_some(expanded.text))
    }

    /// Takes note of what an instruction defines.
    fn learn(&mut self, instruction: &Instruction) {
        let plan = self.plan;
        match &instruction.command {
            Command::Arg(definitions) => {
                for definition in definitions {
                    let (file, options) = (plan.file, plan.options());
                    let is_known = |text: &str| matches!(self.expand(text), Ok(Some(_)));
                    let given = options.build_argument(&definition.name.text).is_some();
                    let value = definition.value.as_ref();
                    if !given && !value.is_none_or(|value| is_known(&value.text)) {
                        self.scope.forget(&definition.name.text);
                        continue;
                    }
                    let globals = Some(&plan.scope);
                    if let Ok((name, value)) =
                        define(definition, file, options, &self.scope, globals)
                    {
                        self.scope.declare(&name, value);
                    }
                }
            }
            Command::Env(pairs) => {
                for pair in pairs {
                    let name = expand(plan.file, "ENV", &pair.name.text, &self.scope);
                    if let Ok(name) = name {
                        self.scope.forget(&name.text);
                    }
                }
            }
            _ => {}
        }
    }
}
