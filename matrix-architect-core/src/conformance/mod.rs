//! The suites every backend runs. Not covered by semver.
