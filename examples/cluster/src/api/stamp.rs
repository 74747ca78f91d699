//! What makes an object this one: an identity and a moment.

/// An identity in the form of a UUID.
pub(super) fn identity() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap_or_default();
    let hex = format!("{:032x}", u128::from_le_bytes(bytes));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// The moment it is, as the API writes it.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
