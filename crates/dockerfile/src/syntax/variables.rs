//! Finds words that can't be substituted, whatever the variables are: quotes and braces that are not closed, say.

use super::context::Context;
use crate::ast::{Command, CopySource, Files, From};
use crate::source::Word;
use crate::substitute;

/// Reports what is wrong with the words of a `FROM`. Is nothing?
pub(super) fn verify_from(from: &From, context: &mut Context<'_>) -> bool {
    let words = from
        .arguments
        .iter()
        .chain(&from.platform)
        .chain([&from.image]);
    all_good(words, context)
}

/// Reports what is wrong with the words of an instruction that are to be substituted. Is nothing?
pub(super) fn verify(command: &Command, context: &mut Context<'_>) -> bool {
    match command {
        Command::Add(add) => {
            let good = all_good(&add.checksum, context);
            verify_files(&add.files, context) && good
        }
        Command::Copy(copy) => verify_files(&copy.files, context),
        Command::Arg(definitions) => {
            let words = definitions
                .iter()
                .flat_map(|definition| [Some(&definition.name), definition.value.as_ref()]);
            all_good(words.flatten(), context)
        }
        Command::Env(pairs) | Command::Label(pairs) => {
            let words = pairs.iter().flat_map(|pair| [&pair.name, &pair.value]);
            all_good(words, context)
        }
        Command::Expose(words) | Command::Rsync(words) | Command::Volume(words) => {
            all_good(words, context)
        }
        Command::StopSignal(word) | Command::User(word) | Command::Workdir(word) => {
            all_good([word], context)
        }
        Command::OnBuild(on_build) => verify(&on_build.command, context),
        Command::Cmd(_)
        | Command::Entrypoint(_)
        | Command::Healthcheck(_)
        | Command::Maintainer(_)
        | Command::Run(_)
        | Command::Shell(_) => true,
    }
}

fn verify_files(files: &Files, context: &mut Context<'_>) -> bool {
    let paths = files.sources.iter().filter_map(|source| match source {
        CopySource::Path(path) => Some(path),
        CopySource::Heredoc(_) => None,
    });
    let flags = files
        .chown
        .iter()
        .chain(&files.chmod)
        .chain(&files.excludes);
    let mut good = all_good(flags.chain(paths).chain([&files.destination]), context);
    for source in &files.sources {
        if let CopySource::Heredoc(heredoc) = source
            && heredoc.expand
            && let Some(error) = substitute::body_syntax_error(&heredoc.content())
        {
            context.problems.report(context.span, error);
            good = false;
        }
    }
    good
}

fn all_good<'w>(words: impl IntoIterator<Item = &'w Word>, context: &mut Context<'_>) -> bool {
    let mut good = true;
    for word in words {
        if let Some(error) = substitute::syntax_error(&word.text, context.escape) {
            context.problems.report(word.span, error);
            good = false;
        }
    }
    good
}
