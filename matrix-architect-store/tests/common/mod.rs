//! What the tests of this crate share.

pub(crate) mod memory;
pub(crate) mod sqlite;
