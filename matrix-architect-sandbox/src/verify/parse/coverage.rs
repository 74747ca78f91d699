//! How much of the code the tests reach.

use quick_xml::{Reader, events::Event};

use super::Report;

/// LCOV's tracefile: `LF` lines found and `LH` lines hit in each record, each record closed.
pub(super) fn lcov(bytes: &[u8]) -> Report {
    let text = String::from_utf8_lossy(bytes);
    let (mut found, mut hit, mut open, mut records) = (0_u64, 0_u64, false, 0_u64);
    for line in text.lines() {
        match line.split_once(':') {
            Some(("SF", _)) => open = true,
            Some(("LF", count)) => found = found.saturating_add(count.trim().parse().unwrap_or(0)),
            Some(("LH", count)) => hit = hit.saturating_add(count.trim().parse().unwrap_or(0)),
            None if line.trim() == "end_of_record" => {
                open = false;
                records += 1;
            }
            _ => {}
        }
    }
    if open || records == 0 || found == 0 || hit > found {
        return Report::flawed("the LCOV report is empty, cut or contradicts itself");
    }
    Report { coverage: Some(percent(hit, found)), ..Report::default() }
}

#[expect(clippy::cast_precision_loss, reason = "a percentage needs no more than 52 bits")]
fn percent(hit: u64, found: u64) -> f64 {
    hit as f64 * 100.0 / found as f64
}

/// Cobertura's XML: `line-rate` of the root element, in a document that is whole.
pub(super) fn cobertura(bytes: &[u8]) -> Report {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Report::flawed("the Cobertura report is not UTF-8");
    };
    let mut reader = Reader::from_str(text);
    let (mut rate, mut closed) = (None, false);
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) if rate.is_none() && start.name().as_ref() == "coverage" => {
                let value = start.try_get_attribute("line-rate").ok().flatten();
                rate = value.and_then(|value| value.value.parse::<f64>().ok());
            }
            Ok(Event::End(end)) => closed |= end.name().as_ref() == "coverage",
            Ok(Event::Eof) => break,
            Ok(_) => {}
            Err(_) => return Report::flawed("the Cobertura report is malformed"),
        }
    }
    match rate.filter(|rate| closed && (0.0..=1.0).contains(rate)) {
        Some(rate) => Report { coverage: Some(rate * 100.0), ..Report::default() },
        None => Report::flawed("the Cobertura report is empty, cut or has no line rate"),
    }
}
