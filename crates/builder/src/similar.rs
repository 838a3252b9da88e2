//! Which image may have been meant by a name that no image has.

use ch_dockerfile::suggestion;
use ch_storage::Storage;

/// The image in `storage` whose name is nearly `name`, or the only one of that name with another tag.
///
/// This is for a hint: what can't be read has no name.
pub fn similar_image(storage: &Storage, name: &str) -> Option<String> {
    let listing = storage.images().list().ok()?;
    let names: Vec<String> = listing
        .images
        .iter()
        .map(|it| it.name.to_string())
        .collect();
    nearest(name, &names)
}

fn nearest(name: &str, names: &[String]) -> Option<String> {
    let near = suggestion(name, names.iter().map(String::as_str));
    near.or_else(|| {
        let mut tagged = names.iter().filter(|it| {
            it.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(':'))
        });
        tagged.next().filter(|_| tagged.next().is_none()).cloned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_near_by_spelling_or_by_tag() {
        let names = ["tools", "debian:bookworm", "alpine:3.19", "alpine:3.20"].map(str::to_owned);
        for (name, expected) in [
            ("toosl", Some("tools")),
            ("debain:bookworm", Some("debian:bookworm")),
            ("debian", Some("debian:bookworm")),
            ("deb", None),
            // Which one, nobody can say.
            ("alpine", None),
            ("nothing", None),
        ] {
            assert_eq!(nearest(name, &names).as_deref(), expected, "{name}");
        }
    }
}
