//! Text that must not be seen.

/// A password or token: cannot be printed or serialised, and is overwritten when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes over `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().into_bytes())
    }

    /// The text, for the header or body that it must be put in.
    pub(crate) fn expose(&self) -> &str {
        std::str::from_utf8(&self.0).expect("made from a string, and unchanged since")
    }

    /// Whether there is nothing secret in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Makes the compiler believe that the zeros are read.
        std::hint::black_box(&mut self.0);
    }
}
