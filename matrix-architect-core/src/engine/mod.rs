//! Doing what the rules allow.
