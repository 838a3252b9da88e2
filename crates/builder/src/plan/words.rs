//! Words whose variables are known while the plan is made, and the definitions of `ARG`.

use ch_dockerfile::ast::{self, Escape, File};
use ch_dockerfile::substitute::{self, Expanded, Lookup, SubstituteError};

use crate::Options;
use crate::error::{BuildError, Problem};
use crate::scope::Scope;

/// Substitutes one word of an instruction.
pub(crate) fn expand(
    file: &File,
    keyword: &'static str,
    text: &str,
    scope: &Scope,
) -> Result<Expanded, BuildError> {
    expand_by(substitute::word, file, keyword, text, scope)
}

/// Like [`expand`], for a word that may have wildcards: what its author protects stays protected.
pub(crate) fn expand_wildcards(
    file: &File,
    keyword: &'static str,
    text: &str,
    scope: &Scope,
) -> Result<Expanded, BuildError> {
    expand_by(substitute::wildcards, file, keyword, text, scope)
}

fn expand_by(
    substitution: fn(&str, Escape, &Lookup<'_>) -> Result<Expanded, SubstituteError>,
    file: &File,
    keyword: &'static str,
    text: &str,
    scope: &Scope,
) -> Result<Expanded, BuildError> {
    let lookup = |name: &str| scope.get(name).map(str::to_owned);
    substitution(text, file.directives.escape, &lookup).map_err(|source| {
        let word = text.to_owned();
        Problem::Substitute {
            keyword,
            word,
            source,
        }
        .into()
    })
}

/// Name and value of one definition of an `ARG`: `--build-arg` first, then its default, then what
/// the global arguments and the host have.
pub(crate) fn define(
    definition: &ast::Definition,
    file: &File,
    options: &Options,
    scope: &Scope,
    globals: Option<&Scope>,
) -> Result<(String, Option<String>), BuildError> {
    let name = expand(file, "ARG", &definition.name.text, scope)?.text;
    if name.is_empty() {
        return Err(Problem::BlankName("ARG").into());
    }
    if let Some(given) = options.build_argument(&name) {
        let lookup = |name: &str| scope.get(name).map(str::to_owned);
        let value = substitute::set_only(given, &lookup).map_err(|source| {
            let word = given.to_owned();
            Problem::Substitute {
                keyword: "ARG",
                word,
                source,
            }
        })?;
        return Ok((name, Some(value)));
    }
    if let Some(default) = &definition.value {
        let value = expand(file, "ARG", &default.text, scope)?.text;
        return Ok((name, Some(value)));
    }
    let value = globals
        .and_then(|globals| globals.get(&name))
        .map(str::to_owned);
    let value = value.or_else(|| options.passed_through(&name).map(str::to_owned));
    Ok((name, value))
}
