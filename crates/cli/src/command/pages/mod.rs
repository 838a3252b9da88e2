//! `ch-image pages`: manual pages and the reference, made out of the command line's own descriptions.
//!
//! Hidden from users: what it writes lies in `docs/`, and a test says when that is stale.

mod reference;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use clap_mangen::Man;

use super::{Context, Done, command_line};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::run;

/// Arguments of `pages`.
#[derive(Debug, Args)]
pub(crate) struct PagesArgs {
    /// Directory to write them into
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Writes all pages below the directory.
pub(super) fn run(arguments: &PagesArgs, _context: &Context) -> Done {
    for (name, text) in all()? {
        let path = arguments.directory.join(&name);
        let parent = path.parent().unwrap_or(Path::new("."));
        let written = fs::create_dir_all(parent).and_then(|()| fs::write(&path, text));
        written.map_err(|error| {
            Failure::caused(format_args!("can't write {}", path.display()), &error)
        })?;
    }
    Ok(())
}

/// Every page by its path.
fn all() -> Result<Vec<(String, String)>, Failure> {
    let image = command_line::documented(&Environment::default());
    let run = run::command_line();
    let mut pages = vec![
        (
            "reference/ch-image.md".to_owned(),
            reference::of_commands(&image),
        ),
        (
            "reference/ch-run.md".to_owned(),
            reference::of_program(&run),
        ),
        manual(image.clone())?,
        manual(run)?,
    ];
    for sub in image.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let name = format!("ch-image-{}", sub.get_name());
        let usage = format!("ch-image {}", sub.get_name());
        let sub = sub.clone().version(env!("CARGO_PKG_VERSION"));
        pages.push(manual(
            sub.display_name(name)
                .bin_name(usage)
                .disable_help_flag(true)
                .disable_version_flag(true),
        )?);
    }
    Ok(pages)
}

/// One manual page of section 1.
fn manual(command: clap::Command) -> Result<(String, String), Failure> {
    let name = command.get_display_name().unwrap_or(command.get_name());
    let name = name.to_owned();
    let version = env!("CARGO_PKG_VERSION");
    let mut page = Vec::new();
    // No date: the page is the same whenever it is made.
    let man = Man::new(command)
        .date("")
        .source(format!("ch-image {version}"));
    man.render(&mut page)?;
    let page = String::from_utf8(page).expect("descriptions are text");
    Ok((format!("man/{name}.1"), page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_in_the_tree_are_what_the_command_line_says() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let pages = all().unwrap();
        for (name, text) in &pages {
            let found = fs::read_to_string(docs.join(name)).unwrap_or_default();
            assert!(
                found == *text,
                "docs/{name} is stale: make it anew by \"ch-image pages docs\""
            );
        }
        let of_commands: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for entry in fs::read_dir(docs.join("man")).unwrap() {
            let name = format!("man/{}", entry.unwrap().file_name().to_string_lossy());
            assert!(
                of_commands.contains(&name.as_str()),
                "docs/{name} is of no command"
            );
        }
    }
}
