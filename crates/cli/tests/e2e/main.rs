//! End-to-end tests: they run the executable as a user would, and look at what it printed and made.
