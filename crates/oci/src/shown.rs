//! Text from elsewhere, made safe to show.

use std::fmt::{self, Write};

/// Longest text that is shown.
const CHARACTERS: usize = 500;

/// Shows `text` with control characters escaped and its end cut off if it is long, so that no registry,
/// archive or argument can write to a terminal.
pub fn shown(text: &str) -> impl fmt::Display {
    Shown(text)
}

struct Shown<'t>(&'t str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars().take(CHARACTERS) {
            match character {
                '\n' | '\r' | '\t' => write!(f, "{}", character.escape_default())?,
                _ if character.is_control() => write!(f, "\\x{:02x}", u32::from(character))?,
                _ if turns_direction(character) => write!(f, "{}", character.escape_unicode())?,
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

/// Characters that make a terminal show others in another order.
fn turns_direction(character: char) -> bool {
    matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_terminal_would_obey_is_escaped() {
        assert_eq!(shown("a \"b\" \\ \u{e9}").to_string(), "a \"b\" \\ \u{e9}");
        assert_eq!(
            shown("\u{1b}[31m\n\0\u{9b}\u{202e}").to_string(),
            "\\x1b[31m\\n\\x00\\x9b\\u{202e}"
        );
        assert_eq!(shown(&"x".repeat(501)).to_string().len(), 500);
    }
}
