//! The built-in policy on a labelled set of changes: each case says which signals it must raise,
//! and raising another one is as wrong as missing one.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod binding;
mod case;
mod configuration;
mod decisions;
mod dependencies;
mod evasions;
mod harmless;
mod hostile;
mod labelled;
mod origin;
mod places;
mod schema;
mod spellings;
mod weakening;
