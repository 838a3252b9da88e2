//! `build-cache --verify`: reads everything, and tells of what is damaged.

use ch_storage::Storage;

use crate::command::{Context, Done};
use crate::failure::Failure;

/// One error for each damaged object, and at the end how many were read.
pub(super) fn run(storage: Option<&Storage>, context: &Context) -> Done {
    let verified = match storage {
        Some(storage) => storage.verify()?,
        None => ch_storage::Verified::default(),
    };
    for damage in &verified.damages {
        let failure = Failure::new(damage).with_any_hint(damage.hint());
        context.terminal.error(&failure);
    }
    context
        .terminal
        .info(format_args!("verified {} objects", verified.objects));
    match verified.damages.len() {
        0 => Ok(()),
        damaged => Err(Failure::new(format_args!(
            "storage directory has {damaged} damaged object(s)"
        ))),
    }
}
