//! Histories that releases have written. They must fold to the same end for ever: a stored event is
//! never rewritten, so whoever changes the form of events upcasts the old one.

use matrix_architect_core::{event::EventEnvelope, job::NewJob, pipeline::JobRecord};
use serde::Deserialize;

/// A job as it was submitted, all of its events, and where it ended.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    new: NewJob,
    history: Vec<EventEnvelope>,
    status: String,
    phase: String,
}

#[test]
fn every_history_ever_written_folds_to_the_same_end() {
    for (name, text) in [
        ("0.1.0 succeeded", include_str!("golden/0.1.0-succeeded.json")),
        ("0.1.0 rolled back", include_str!("golden/0.1.0-rolled-back.json")),
        ("0.1.0 consented", include_str!("golden/0.1.0-consented.json")),
    ] {
        let golden: Golden = serde_json::from_str(text).unwrap();
        let record = JobRecord::fold(&golden.new, golden.history.clone()).unwrap();
        assert_eq!(record.job.status.as_str(), golden.status, "{name}");
        assert_eq!(record.state.phase.to_string(), golden.phase, "{name}");
        assert_eq!(record.version.0, golden.history.len() as u64, "{name}");
        let again = serde_json::to_value(&golden.history).unwrap();
        let stored: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(again, stored["history"], "{name}: written differently today");
    }
}
