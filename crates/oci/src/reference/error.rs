//! What is wrong with a reference, where, and what would be right.

/// Why a text is not an image reference. The reference is shown as given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// A character that no reference could continue with.
    #[error("image ref syntax, char {at}: {}", crate::shown(reference))]
    Character {
        /// Position of the character, from 1.
        at: usize,
        /// The text given.
        reference: String,
        /// What is allowed there, or what was probably meant.
        hint: String,
    },
    /// The text stops where more must follow.
    #[error("image ref syntax, at end: {}", crate::shown(reference))]
    End {
        /// The text given.
        reference: String,
        /// What must follow, or what was probably meant.
        hint: String,
    },
    /// Longer than any registry accepts.
    #[error("image ref too long")]
    TooLong,
    /// A `$` that nothing has replaced.
    #[error(
        "image reference contains an undefined variable: {}",
        crate::shown(reference)
    )]
    UndefinedVariable {
        /// The text given.
        reference: String,
    },
}

impl ReferenceError {
    /// What to write instead, where that can be said.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Character { hint, .. } | Self::End { hint, .. } => Some(hint),
            Self::TooLong | Self::UndefinedVariable { .. } => None,
        }
    }
}
