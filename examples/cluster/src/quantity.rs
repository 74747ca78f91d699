//! Amounts, such as `1500m` and `64Mi`.

/// A quantity in thousandths.
pub(crate) fn quantity(text: &str) -> Option<u128> {
    let digits = text.len()
        - text.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == '.').len();
    let (number, unit) = text.split_at(digits);
    let scale: u128 = match unit {
        "m" => 1,
        "" => 1000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "T" => 1_000_000_000_000_000,
        "Ki" => 1000 << 10,
        "Mi" => 1000 << 20,
        "Gi" => 1000 << 30,
        "Ti" => 1000 << 40,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = u32::try_from(fraction.len()).ok().filter(|digits| *digits <= 9)?;
    let tenths = 10_u128.pow(digits);
    let parsed = format!("{whole}{fraction}").parse::<u128>().ok()?;
    Some(parsed.checked_mul(scale)?.div_ceil(tenths))
}

/// A quantity in whole units, such as bytes.
pub(crate) fn units(text: &str) -> Option<u64> {
    u64::try_from(quantity(text)?.div_ceil(1000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_their_units() {
        assert_eq!(quantity("1500m"), Some(1500));
        assert_eq!(quantity("1.5"), Some(1500));
        assert_eq!(units("64Mi"), Some(64 << 20));
        assert_eq!(units("1k"), Some(1000));
        for wrong in ["", "Mi", "1 Mi", "-1", "1e", "1mi"] {
            assert_eq!(quantity(wrong), None, "{wrong}");
        }
    }
}
