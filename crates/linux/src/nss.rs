//! Name service configuration of a static executable.
