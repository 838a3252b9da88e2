//! "Did you mean": the nearest of the possible words.

/// The candidate nearest to `word`: at most two edits away, and no more than half of the longer one's length.
///
/// Swapped neighbours are one edit, or no word of three letters would ever get a suggestion.
pub fn suggestion<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let length = word.chars().count();
    if length > LONGEST {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(distance, candidate)| {
            *distance <= 2 && distance * 2 <= length.max(candidate.len())
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate.to_owned())
}

/// No keyword, flag or sensible name is longer; comparing costs time by the square of the length.
const LONGEST: usize = 64;
