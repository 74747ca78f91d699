//! One flipped bit anywhere in what is stored is refused.

use matrix_architect_core::attest::*;
use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed},
};

use super::fixture::*;

/// Flips tried by the everyday run; `ARCHITECT_FLIPS=100000` is the long one.
fn cases() -> u32 {
    #[expect(clippy::disallowed_methods, reason = "a test reads how long it may take")]
    std::env::var("ARCHITECT_FLIPS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

fn flipped(stored: &[u8], at: usize) -> Vec<u8> {
    let mut stored = stored.to_vec();
    stored[at / 8] ^= 1 << (at % 8);
    stored
}

#[test]
fn a_flipped_bit_anywhere_in_the_file_is_refused() {
    let wanted = Expectations::of(trusted()).subject(bundle());
    let envelope = signed(&provenance()).to_bytes();
    let bundle = Bundle::new(signed(&summary()), &key()).unwrap().to_bytes();
    let config = Config { cases: cases(), rng_seed: RngSeed::Fixed(1), ..Config::default() };
    proptest!(config, |(place in any::<prop::sample::Index>(), in_bundle: bool)| {
        let stored = if in_bundle { &bundle } else { &envelope };
        let stored = flipped(stored, place.index(stored.len() * 8));
        prop_assert!(verify(&stored, &wanted).is_err(), "{}", String::from_utf8_lossy(&stored));
    });
}

#[test]
fn every_flipped_bit_outside_the_payload_is_refused() {
    let wanted = Expectations::of(trusted()).subject(bundle());
    let envelope = signed(&provenance());
    let stored = envelope.to_bytes();
    let payload = 12..12 + envelope.payload.len();
    assert_eq!(&stored[payload.clone()], envelope.payload.as_bytes());
    for at in (0..stored.len() * 8).filter(|at| !payload.contains(&(at / 8))) {
        assert!(verify(&flipped(&stored, at), &wanted).is_err(), "bit {at}");
    }
}
