//! Decorators of the traits.
