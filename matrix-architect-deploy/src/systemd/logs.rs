//! A release's own words.

use bytes::Bytes;
use matrix_architect_core::{
    error::{Error, Result},
    traits::{ByteStream, LogQuery},
};

use super::{client::Host, config::UnitScope, layout::Place, service, slot::Slot, unit};

/// What the release said: its unit's journal, or the output of its commands and their daemons.
/// Of the latest deployment of that version.
pub(super) async fn read(
    host: &dyn Host,
    place: &Place,
    environment: &str,
    version: &str,
    query: &LogQuery,
) -> Result<ByteStream> {
    let state = host.state(place).await?;
    let Some(slot) = state.latest(version) else {
        return Err(
            Error::not_found("there is no such release at the target").context("version", version)
        );
    };
    let bytes = match &slot.settings.unit {
        Some(_) => journal(host, place, environment, slot).await?,
        None => host.read(&place.output(slot.number)).await?.unwrap_or_default(),
    };
    Ok(ByteStream::once(query.tail.map_or(bytes.clone(), |lines| tail(&bytes, lines))))
}

/// The journal of the runs of the unit that this deployment had.
async fn journal(host: &dyn Host, place: &Place, environment: &str, slot: &Slot) -> Result<Bytes> {
    let Some(unit) = &slot.settings.unit else { return Ok(Bytes::new()) };
    let runs = host.read(&place.slot(slot.number).join("invocations")).await?.unwrap_or_default();
    let runs = String::from_utf8_lossy(&runs).into_owned();
    if runs.trim().is_empty() {
        return Ok(Bytes::new());
    }
    let name = unit::name(&slot.settings, unit, environment);
    let which = if unit.scope == UnitScope::User { "--user-unit" } else { "--unit" };
    let mut words = vec!["journalctl", "--no-pager", "--output=cat", which, &name];
    let matches: Vec<String> =
        runs.lines().map(|run| format!("_SYSTEMD_INVOCATION_ID={run}")).collect();
    words.extend(matches.iter().map(String::as_str));
    let words = words.into_iter().map(ToOwned::to_owned).collect();
    Ok(host.run(service::command(words)).await?.output.into())
}

/// The last lines.
fn tail(bytes: &Bytes, lines: usize) -> Bytes {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let mut breaks = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    let start = match lines {
        0 => bytes.len(),
        _ => breaks.nth(lines - 1).map_or(0, |(at, _)| at + 1),
    };
    bytes.slice(start..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_is_so_many_whole_lines() {
        let log = Bytes::from_static(b"one\ntwo\nthree\n");
        assert_eq!(&tail(&log, 2)[..], b"two\nthree\n");
        assert_eq!(&tail(&log, 9)[..], b"one\ntwo\nthree\n");
        assert!(tail(&log, 0).is_empty());
    }
}
