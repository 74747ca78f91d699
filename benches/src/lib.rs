//! Benches of Matrix Architect; see `benches/README.md`.
