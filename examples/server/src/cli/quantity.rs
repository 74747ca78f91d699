//! Numbers with a unit, as people write them on a command line.

use std::time::Duration;

use matrix_architect_core::error::{Error, Result};

/// A duration: a number and `ms`, `s`, `m`, `h`, `d` or `w`.
///
/// # Errors
/// `Invalid` for anything else, and for nothing at all.
pub(super) fn duration(text: &str) -> Result<Duration> {
    let units = [
        ("ms", 1),
        ("s", 1000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
        ("w", 604_800_000),
    ];
    let refuse = || Error::invalid("not a duration").advice("write it as 500ms, 45m, 12h or 30d");
    amount(text, &units).map(Duration::from_millis).ok_or_else(refuse)
}

/// An amount of bytes: a number, and `K`, `M`, `G` or `T` for 1024 to its power.
///
/// # Errors
/// `Invalid` for anything else, and for nothing at all.
pub(super) fn bytes(text: &str) -> Result<u64> {
    let units = [("", 1), ("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40)];
    let refuse = || Error::invalid("not an amount of bytes").advice("write it as 64M or 2G");
    amount(text, &units).ok_or_else(refuse)
}

/// Thousandths of a processor, written as processors.
///
/// # Errors
/// `Invalid` for what is no number, or less than a thousandth.
pub(super) fn processors(text: &str) -> Result<u32> {
    let refuse = || Error::invalid("not a number of processors").advice("write it as 2 or 0.5");
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if part.len() > 3 || !digits(whole) || !digits(part) || whole.is_empty() {
        return Err(refuse());
    }
    let thousandths: u32 = format!("{part:0<3}").parse().map_err(|_| refuse())?;
    let whole: u32 = whole.parse().map_err(|_| refuse())?;
    let all = whole.checked_mul(1000).and_then(|whole| whole.checked_add(thousandths));
    all.filter(|all| *all > 0).ok_or_else(refuse)
}

/// A whole number and one of the units; `None` for zero as for anything that is not that.
fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = units.iter().find(|(name, _)| *name == unit)?.1;
    number.parse::<u64>().ok()?.checked_mul(factor).filter(|amount| *amount > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        assert_eq!(duration("30d").unwrap(), Duration::from_hours(720));
        assert_eq!(duration("45m").unwrap(), Duration::from_mins(45));
        assert_eq!(duration("250ms").unwrap(), Duration::from_millis(250));
        for wrong in ["", "d", "0d", "-1d", "30", "30x", "99999999999999999999d", "1é", "1.5h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn bytes_have_binary_units() {
        assert_eq!(bytes("512").unwrap(), 512);
        assert_eq!(bytes("2G").unwrap(), 2 << 30);
        for wrong in ["", "G", "0M", "-1M", "1KB", "99999999999999T"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn processors_have_thousandths() {
        assert_eq!(processors("2").unwrap(), 2000);
        assert_eq!(processors("0.5").unwrap(), 500);
        assert_eq!(processors("1.125").unwrap(), 1125);
        for wrong in ["", "0", "0.0", ".5", "1.2345", "-1", "a", "9999999999"] {
            assert!(processors(wrong).is_err(), "{wrong}");
        }
    }
}
