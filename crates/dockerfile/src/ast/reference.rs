//! What names of stages refer to.

use std::collections::HashMap;

use crate::ast::File;

/// Why a stage that `from=` names can't be used; the field is the stage as written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StageError {
    /// It would need itself.
    #[error("circular dependency detected on stage: {stage}: stage {stage} is the current stage")]
    Current {
        /// Name or number.
        stage: String,
    },
    /// It comes after the stage that needs it.
    #[error("stage {stage} does not exist yet")]
    Later {
        /// Name or number.
        stage: String,
    },
    /// There are not so many stages.
    #[error("stage {stage} does not exist")]
    Unknown {
        /// The number.
        stage: String,
    },
    /// Stages are counted from 0.
    #[error("invalid negative stage index {stage}")]
    Negative {
        /// The number.
        stage: String,
    },
}

/// Which stages have which name.
#[derive(Debug, Clone, Default)]
pub(crate) struct StageNames {
    by_name: HashMap<String, Vec<usize>>,
    count: usize,
}

impl StageNames {
    /// Adds the next stage. Was its name given before?
    pub(crate) fn add(&mut self, name: Option<&str>) -> bool {
        let index = self.count;
        self.count += 1;
        name.is_some_and(|name| {
            let stages = self.by_name.entry(name.to_owned()).or_default();
            stages.push(index);
            stages.len() > 1
        })
    }

    /// See [`File::stage_named`].
    fn named(&self, name: &str, before: usize) -> Option<usize> {
        let stages = self.by_name.get(&name.to_lowercase())?;
        stages.iter().rfind(|index| **index < before).copied()
    }

    /// What `from=reference` in stage number `current` refers to: a stage, or (`None`) something else.
    pub(crate) fn referred(
        &self,
        reference: &str,
        current: usize,
    ) -> Result<Option<usize>, StageError> {
        let stage = reference.to_owned();
        if let Some(found) = self.named(reference, current) {
            return Ok(Some(found));
        }
        if reference.strip_prefix('-').is_some_and(is_number) {
            return Err(StageError::Negative { stage });
        }
        if is_number(reference) {
            return match reference.parse::<usize>() {
                Ok(index) if index < current => Ok(Some(index)),
                Ok(index) if index == current => Err(StageError::Current { stage }),
                Ok(index) if index < self.count => Err(StageError::Later { stage }),
                _ => Err(StageError::Unknown { stage }),
            };
        }
        match self.by_name.get(&reference.to_lowercase()) {
            Some(stages) if stages[0] == current => Err(StageError::Current { stage }),
            Some(_) => Err(StageError::Later { stage }),
            None => Ok(None),
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

impl File {
    /// What `FROM name` means in stage number `before`, if a stage at all: the last one of that name before it.
    pub fn stage_named(&self, name: &str, before: usize) -> Option<usize> {
        self.names.named(name, before)
    }

    /// What `from=reference` means in stage number `current`: a stage before it, or (`None`) something that is no stage.
    pub fn referred(&self, reference: &str, current: usize) -> Result<Option<usize>, StageError> {
        self.names.referred(reference, current)
    }

    /// The number of the stage that is asked for by name, of which the last one counts, or by number.
    pub fn target(&self, text: &str) -> Option<usize> {
        let named = self.stage_named(text, self.stages.len());
        named.or_else(|| text.parse().ok().filter(|index| *index < self.stages.len()))
    }
}
