//! How random text looks.

/// Shannon's entropy of the bytes, in bits a byte: 0 for `aaaa`, about 4 for random hexadecimal
/// digits in the long run.
#[expect(clippy::cast_precision_loss, reason = "a line is far shorter than 2^52 bytes")]
pub(super) fn bits(bytes: &[u8]) -> f64 {
    let mut counts = [0_usize; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let total = bytes.len().max(1) as f64;
    let share = |count: usize| count as f64 / total;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| -share(*count) * share(*count).log2())
        .sum()
}
