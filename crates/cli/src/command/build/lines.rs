//! Whole lines out of pieces, with a limit to what is kept of a line that does not end.

/// How much of an unfinished line is kept; a longer line is passed on in parts.
const LONGEST: usize = 64 * 1024;

/// The lines of one stream.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// What came since the last newline, and was not passed on yet.
    pending: Vec<u8>,
    /// Whether the beginning of the line was passed on already.
    begun: bool,
}

impl Lines {
    /// Takes a piece of the stream, and passes on the lines that it ends. Each byte is looked at once, however the
    /// stream is cut into pieces.
    pub(super) fn take(&mut self, bytes: &[u8], mut write: impl FnMut(&[u8])) {
        let newline = bytes.iter().rposition(|byte| *byte == b'\n');
        let ended = newline.map_or(0, |newline| newline + 1);
        let (lines, rest) = bytes.split_at(ended);
        if !lines.is_empty() {
            self.pending.extend_from_slice(lines);
            write(&self.pending);
            self.pending.clear();
            self.begun = false;
        }
        self.pending.extend_from_slice(rest);
        if self.pending.len() >= LONGEST {
            write(&self.pending);
            self.pending.clear();
            self.begun = true;
        }
    }

    /// The stream has ended: a line without an end ends now.
    pub(super) fn finish(&mut self, write: impl FnOnce(&[u8])) {
        let Self { mut pending, begun } = std::mem::take(self);
        if begun || !pending.is_empty() {
            pending.push(b'\n');
            write(&pending);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is passed on of a stream that comes in `pieces`.
    fn passed_on(pieces: &[&str]) -> Vec<String> {
        let mut passed = Vec::new();
        let mut write = |bytes: &[u8]| passed.push(String::from_utf8(bytes.to_vec()).unwrap());
        let mut lines = Lines::default();
        for piece in pieces {
            lines.take(piece.as_bytes(), &mut write);
        }
        lines.finish(&mut write);
        passed
    }

    #[test]
    fn lines_are_passed_on_when_they_end() {
        assert_eq!(passed_on(&["a", "b\nc\nd", "\n"]), ["ab\nc\n", "d\n"]);
        assert_eq!(passed_on(&["a\n", "b"]), ["a\n", "b\n"]);
        assert!(passed_on(&[]).is_empty());
    }

    #[test]
    fn line_without_end_is_passed_on_in_parts() {
        let half = "x".repeat(LONGEST / 2);
        let found = passed_on(&[&half, &half, &half, "y\nz"]);
        let expected = [format!("{half}{half}"), format!("{half}y\n"), "z\n".into()];
        assert!(found == expected, "{:?}", found.iter().map(String::len));
        let found = passed_on(&[&half, &half]);
        assert!(found == [format!("{half}{half}"), "\n".into()]);
    }

    #[test]
    fn no_more_than_the_longest_part_is_kept() {
        let mut lines = Lines::default();
        for _ in 0..100 {
            lines.take(&[b'x'; 1000], |_| {});
            assert!(lines.pending.len() < LONGEST);
        }
        assert!(lines.pending.capacity() < 4 * LONGEST);
    }
}
