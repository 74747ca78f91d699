//! What is remembered: jobs, events, the queue, logs, artifacts, records and secrets.

pub mod system;
