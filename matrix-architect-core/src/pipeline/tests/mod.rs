//! The rules, visited exhaustively: every phase with every event, and every state that can be
//! reached.

mod counters;
mod explore;
mod samples;
mod table;
