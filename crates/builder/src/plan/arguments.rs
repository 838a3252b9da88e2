//! Build arguments that are no business of the Dockerfile alone: unused ones, and those that mean
//! something to the builder.

use ch_dockerfile::ast::{Command, File};
use jiff::Timestamp;

use crate::BuildArgument;
use crate::error::{BuildError, Problem};
use crate::scope;

/// Arguments that would change the build in a way that is yet to come.
const LATER: [&str; 4] = [
    "BUILDKIT_CACHE_MOUNT_NS",
    "BUILDKIT_CONTEXT_KEEP_GIT_DIR",
    "BUILDKIT_DOCKERFILE_CHECK",
    "BUILDKIT_MULTI_PLATFORM",
];

/// Arguments that need no `ARG`: those that change nothing here, and the one that does.
const ACCEPTED: [&str; 6] = [
    "BUILDKIT_BUILD_NAME",
    "BUILDKIT_INLINE_CACHE",
    "BUILDKIT_SANDBOX_HOSTNAME",
    "BUILDKIT_SBOM_SCAN_CONTEXT",
    "BUILDKIT_SBOM_SCAN_STAGE",
    "BUILDKIT_SYNTAX",
];

/// Finds the build arguments that nothing asks for, and refuses those that ask for something that can't be done.
pub(super) fn unused(file: &File, arguments: &[BuildArgument]) -> Result<Vec<String>, BuildError> {
    let declared = declared(file);
    // The name itself may come from a variable; then it is not known here.
    let any = declared.iter().any(|name| name.contains('$'));
    let is_declared = |name: &str| any || declared.contains(&name);
    let mut unused = Vec::new();
    for BuildArgument { name, .. } in arguments {
        let unknown = name.starts_with("BUILDKIT_") && !ACCEPTED.contains(&name.as_str());
        if LATER.contains(&name.as_str()) || (unknown && !is_declared(name)) {
            return Err(Problem::NotSupported(format!("--build-arg {name}")).into());
        }
        if !is_declared(name) && !scope::needs_no_declaration(name) {
            unused.push(name.clone());
        }
    }
    Ok(unused)
}

/// What all `ARG`s name.
fn declared(file: &File) -> Vec<&str> {
    let instructions = file.stages.iter().flat_map(|stage| &stage.instructions);
    let commands = instructions.map(|instruction| match &instruction.command {
        Command::OnBuild(trigger) => &trigger.command,
        command => command,
    });
    let in_stages = commands.filter_map(|command| match command {
        Command::Arg(definitions) => Some(definitions),
        _ => None,
    });
    let globals = file.globals.iter().map(|global| &global.definitions);
    globals
        .chain(in_stages)
        .flatten()
        .map(|definition| definition.name.text.as_str())
        .collect()
}

/// The time that the global `SOURCE_DATE_EPOCH` means.
pub(super) fn source_date(text: Option<&str>) -> Result<Option<Timestamp>, BuildError> {
    let text = match text {
        // A directory has no time of its own.
        None | Some("" | "context") => return Ok(None),
        Some(text) => text,
    };
    let seconds = text.parse().ok();
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    match time {
        Some(time) => Ok(Some(time)),
        None => Err(Problem::SourceDate(text.to_owned()).into()),
    }
}
