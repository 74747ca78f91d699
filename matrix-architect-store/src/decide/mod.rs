//! What a write does, decided without storing anything: every backend asks here and stores the
//! answer, so that they cannot differ.

pub(crate) mod job;
pub(crate) mod lock;
pub(crate) mod log;
pub(crate) mod record;
