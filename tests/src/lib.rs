//! testudo-tests
