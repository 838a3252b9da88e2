//! `ch-image import`: a directory or archive into the storage directory, as an image.

use std::io;
use std::path::{Path, PathBuf};

use ch_transfer::{ImportOptions, Source};
use clap::Args;

use super::context::reference;
use super::ledger::{How, Ledger};
use super::{Context, Done, json, platform, transfer};
use crate::failure::{Failure, advised};
use crate::terminal::Transfers;

/// Arguments of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Directory or archive; - is standard input
    #[arg(value_name = "PATH")]
    path: PathBuf,

    /// Name of the image
    #[arg(value_name = "IMAGE_REF")]
    image: Option<String>,
}

/// Imports one image of one layer.
pub(super) fn run(arguments: &ImportArgs, context: &Context) -> Done {
    let Some(name) = &arguments.image else {
        return Err(Failure::not_yet("import without IMAGE_REF"));
    };
    let name = reference(name)?;
    let from_input = arguments.path == Path::new("-");
    if !from_input && !arguments.path.exists() {
        // Before a storage directory is made for nothing.
        let path = arguments.path.display();
        return Err(Failure::new(format_args!("can't copy: not found: {path}")));
    }
    let terminal = &*context.terminal;
    let options = ImportOptions {
        platform: platform::host(terminal),
        unpack: ch_layer::Options::default(),
    };
    let storage = context.storage()?;
    let ledger = Ledger::new();
    let transfers = Transfers::new(terminal);
    let import = |source| {
        ch_transfer::import(&storage, source, &name, &options, &|event| {
            transfer::show(&event, &transfers, terminal);
        })
    };
    let imported = if from_input {
        import(Source::Stream(Box::new(io::stdin())))
    } else {
        storage.with_space(|| import(Source::Path(arguments.path.clone())))
    };
    let imported = imported.map_err(advised)?;
    if !imported.configured {
        terminal.verbose("no configuration found: the image has the defaults");
    }
    storage.commit()?;
    if context.common.json.is_some() {
        let document = ledger.document(&imported.record, How::Made, &storage)?;
        json::print("import", &document, context)?;
    }
    Ok(())
}
