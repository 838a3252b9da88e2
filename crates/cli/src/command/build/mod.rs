//! `ch-image build`: an image from a Dockerfile.

mod dockerfile;
mod lines;
mod options;
mod output;
mod outputs;
mod result;
mod surroundings;
mod without_meaning;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use ch_builder::{Built, Event, Options, inferred_name};
use ch_container::Stop;
use ch_dockerfile::ast::File;
use ch_linux::reexec::Executable;
use ch_oci::Reference;
use ch_storage::Storage;
use clap::Args;

use super::context::reference;
use super::pull::Puller;
use super::{Context, Done};
use crate::failure::{Failure, advised};
use crate::terminal::Terminal;
use options::{PullWhen, Unused};
use output::RunOutput;
use outputs::Outputs;
use result::{Finished, ResultArgs, Tally};
use surroundings::SurroundingArgs;
use without_meaning::WithoutMeaning;

/// Arguments of `build`.
#[derive(Debug, Args)]
pub(crate) struct BuildArgs {
    /// Directory or file of the host for RUN commands; DST is its own path by default
    #[arg(short, long, value_name = "SRC[:DST]")]
    bind: Vec<String>,

    /// Value of an ARG; without VALUE that of the environment
    #[arg(long, value_name = "ARG[=VALUE]")]
    build_arg: Vec<String>,

    /// File with values of ARGs, one a line; --build-arg wins (repeatable)
    #[arg(long, value_name = "FILE")]
    build_arg_file: Vec<PathBuf>,

    /// What becomes of a --build-arg that no ARG asks for: error (default), warn or ignore
    #[arg(long, value_name = "HOW")]
    build_arg_unused: Option<Unused>,

    /// Dockerfile; - is standard input (default: CONTEXT/Dockerfile)
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,

    #[command(flatten)]
    without_meaning: WithoutMeaning,

    /// How to emulate root in RUN commands: supervisor (default), seccomp, fakeroot or none; without MODE it means
    /// fakeroot, which is installed in the image
    #[arg(
        long,
        value_name = "MODE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "fakeroot"
    )]
    force: Option<String>,

    /// Command to which arguments are added under --force=seccomp, which it implies
    #[arg(long, value_name = "CMD,ARG1[,ARG2...]")]
    force_cmd: Vec<String>,

    /// No advice on --force when RUN fails
    #[arg(long)]
    no_force_detect: bool,

    /// What to make instead of an image in the storage directory: KEY=VALUE,..., with type oci, docker, tar, dir,
    /// image (which keeps that as well) or cacheonly, and dest (repeatable)
    #[arg(short, long, value_name = "SPEC")]
    output: Vec<String>,

    #[command(flatten)]
    result: ResultArgs,

    #[command(flatten)]
    surroundings: SurroundingArgs,

    /// Execute these stages again, and those that are built on them (repeatable)
    #[arg(long, value_name = "STAGE,...", value_delimiter = ',')]
    no_cache_filter: Vec<String>,

    /// RUN commands see no variables of the host
    #[arg(long)]
    no_host_env: bool,

    /// When to pull base images: always, missing (default), newer (like always, but what is there does as well) or
    /// never; without WHEN it means always
    #[arg(
        long,
        value_name = "WHEN",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "always"
    )]
    pull: Option<PullWhen>,

    /// Time of the image, in seconds since 1970, as $SOURCE_DATE_EPOCH
    #[arg(long, value_name = "SECONDS", visible_alias = "timestamp")]
    source_date_epoch: Option<i64>,

    /// File that says what COPY does not see (default: the Dockerfile's own, .containerignore or .dockerignore)
    #[arg(long, value_name = "FILE", conflicts_with = "no_ignore")]
    ignorefile: Option<PathBuf>,

    /// COPY sees everything, whatever .dockerignore says
    #[arg(long)]
    no_ignore: bool,

    /// Only print what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,

    /// Stop after parsing the Dockerfile
    #[arg(long)]
    parse_only: bool,

    /// How many independent stages are built at the same time (default: the number of cores)
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// Name of the image (repeatable)
    #[arg(short, long, value_name = "IMAGE_REF")]
    tag: Vec<String>,

    /// Stage to build, by name or by number from 0 (default: the last one)
    #[arg(long, value_name = "STAGE")]
    target: Option<String>,

    /// Directory with the files that COPY sees
    #[arg(value_name = "CONTEXT")]
    context: PathBuf,
}

/// Builds, or stops after the Dockerfile was understood.
pub(super) fn run(arguments: &BuildArgs, context: &Context) -> Done {
    options::check_variables(context)?;
    arguments.without_meaning.note(&context.terminal)?;
    let directory = dockerfile::context_directory(&arguments.context)?;
    let dockerfile = dockerfile::read(arguments.file.as_deref(), &arguments.context)?;
    let file = ch_dockerfile::parse(&dockerfile.source)?;
    let mut names = references(&arguments.tag)?;
    let inferred = names.is_empty();
    if inferred {
        let name = inferred_name(dockerfile.path.as_deref(), &directory)?;
        names.push(reference(&name)?);
    }
    let name = names[0].to_string();
    let mut options = options::options(arguments, names, directory, dockerfile.path, context)?;
    let annotations = arguments.result.annotations()?;
    let outputs = Outputs::parse(&arguments.output, &annotations, options.created)?;
    options.store = outputs.store();
    ch_builder::check(&file, &options).map_err(advised)?;
    if arguments.parse_only {
        return Ok(());
    }
    if inferred {
        context
            .terminal
            .info(format_args!("inferred image name: {name}"));
    }

    let storage = if options.dry_run {
        context.existing_storage()?
    } else {
        let storage = context.storage()?;
        outputs.check(&storage, context)?;
        Some(storage)
    };
    let may_mix = options.jobs.get() > 1 && file.stages.len() > 1;
    let is_taken = outputs.take_standard_output();
    let output = RunOutput::new(&context.terminal, is_taken, may_mix);
    let tally = Tally::new();
    let built = execute(&file, &options, storage.as_ref(), &output, &tally, context)?;
    if let (Some(storage), Some(image)) = (&storage, &built.image) {
        report_further_names(&options, built.instructions, &context.terminal);
        outputs.write(storage, image, &options.names, context)?;
        let finished = Finished {
            image,
            built: &built,
            names: options.names.iter().map(ToString::to_string).collect(),
            tally: &tally,
            storage,
        };
        let assemble = outputs.assemble(options.created)?;
        arguments.result.write(&finished, &assemble, context)?;
    }
    if let Some(storage) = &storage {
        storage.commit()?;
    }
    if options.dry_run {
        let text = "dry run: nothing was executed or stored";
        context.terminal.info(text);
    }
    output.print_result(&built)
}

/// Builds, shows how that goes on, and ends this process if the user wants it.
fn execute(
    file: &File,
    options: &Options,
    storage: Option<&Storage>,
    output: &RunOutput<'_>,
    tally: &Tally,
    context: &Context,
) -> Result<Built, Failure> {
    let puller = Puller::new(context)?;
    let executable = Executable::current()?;
    let stop = Arc::new(Stop::new()?);
    context.interrupt.tell(Arc::clone(&stop));
    let pull = |image: &Reference| {
        let storage = storage.expect("a dry run pulls nothing");
        puller.pull(image, None, None, storage).map(drop)
    };
    let take = |stage, stream, bytes: &[u8]| output.take(stage, stream, bytes);
    let built = ch_builder::build(
        &ch_builder::Context {
            storage,
            executable: &executable,
            pull: &pull,
            stop: &stop,
            output: output.is_needed().then_some(&take),
        },
        file,
        options,
        &|stage, event| {
            tally.note(&event);
            show(stage, &event, output, &context.terminal);
        },
    );
    output.finish_all();
    if built.is_err() {
        context.interrupt.die_if_interrupted(&context.terminal);
        // A command may have written to our own standard output and died of that.
        if !output.is_needed() {
            context.terminal.die_if_unread();
        }
    }
    built.map_err(advised)
}

fn references(texts: &[String]) -> Result<Vec<Reference>, Failure> {
    texts.iter().map(|text| reference(text)).collect()
}

/// The builder tells of the first name; each further `-t` gets a line like it.
fn report_further_names(options: &Options, instructions: usize, terminal: &Terminal) {
    for name in options.names.iter().skip(1) {
        let name = name.to_string();
        terminal.info(Event::Grown { instructions, name });
    }
}

/// Shows what the build tells.
fn show(stage: Option<usize>, event: &Event, output: &RunOutput<'_>, terminal: &Terminal) {
    match stage {
        Some(stage) => output.finish(stage),
        None => output.finish_all(),
    }
    match event {
        Event::Warning(_) => terminal.warning(event),
        Event::Note(_) => terminal.verbose(event),
        Event::Instruction { number, mark, text } => match stage {
            Some(stage) => output.begin(stage, *number, *mark, text),
            None => terminal.info(event),
        },
        Event::Workaround(_) => {
            terminal.info(event);
            if let Some(stage) = stage {
                output.go_on(stage);
            }
        }
        Event::Modified { .. } | Event::Grown { .. } => terminal.info(event),
    }
}
