//! Fakes with state, for tests of code that embeds the SDK.
