use base64::{Engine as _, engine::general_purpose};
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::json;

use super::*;
use crate::id::hex;

fn redactor(secrets: &[&str]) -> Redactor {
    let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::new(*text)).collect();
    Redactor::new(&secrets).unwrap()
}

#[test]
fn nothing_is_taken_out_where_there_is_no_secret() {
    let text = "a line\nand another\n";
    assert_eq!(Redactor::default().redact_str(text), text);
    assert_eq!(redactor(&["correct-horse"]).redact_str(text), text);
}

#[test]
fn every_spelling_of_a_secret_is_taken_out() {
    let secret = "p\"ä/s s<w>\\rd+1";
    let spellings = [
        secret.to_owned(),
        // Python: json.dumps; PHP: json_encode; Go: json.Marshal; serde_json; Rust's Debug.
        r#"p\"\u00e4/s s<w>\\rd+1"#.to_owned(),
        r#"p\"\u00e4\/s s<w>\\rd+1"#.to_owned(),
        r#"p\"ä/s s\u003cw\u003e\\rd+1"#.to_owned(),
        r#"p\"ä/s s<w>\\rd+1"#.to_owned(),
        secret.escape_debug().to_string(),
        // Python: quote, quote_plus; JavaScript: encodeURIComponent, encodeURI; curl.
        "p%22%C3%A4/s%20s%3Cw%3E%5Crd%2B1".to_owned(),
        "p%22%C3%A4%2Fs+s%3Cw%3E%5Crd%2B1".to_owned(),
        "p%22%C3%A4%2Fs%20s%3Cw%3E%5Crd%2B1".to_owned(),
        "p%22%C3%A4/s%20s%3Cw%3E%5Crd+1".to_owned(),
        "p%22%c3%a4%2fs%20s%3cw%3e%5crd%2b1".to_owned(),
        hex(secret.as_bytes()),
        hex(secret.as_bytes()).to_ascii_uppercase(),
        general_purpose::STANDARD.encode(secret),
        general_purpose::URL_SAFE_NO_PAD.encode(secret),
    ];
    for spelling in spellings {
        let clean = redactor(&[secret]).redact_str(&format!("<{spelling}>"));
        assert!(
            ["<[redacted]>", "<[redacted]=>", "<[redacted]==>"].contains(&&*clean),
            "{spelling} became {clean}"
        );
    }
}

#[test]
fn base64_is_found_at_every_alignment_inside_a_longer_text() {
    let secret = "hunter2-hunter2\u{fe}?>";
    for before in ["", "u", "us", "use", "user:"] {
        for after in ["", "!", "!!", "!!!"] {
            for engine in [general_purpose::STANDARD, general_purpose::URL_SAFE] {
                let token = engine.encode(format!("{before}{secret}{after}"));
                let clean = redactor(&[secret]).redact_str(&token);
                let left = clean.replace(MARKER, "").len();
                // What stays is what the neighbours brought, and a digit on either side that
                // holds fewer than six bits of the secret.
                let allowed = before.len().div_ceil(3) * 4 + after.len().div_ceil(3) * 4 + 4;
                assert!(clean.contains(MARKER) && left <= allowed, "{token} became {clean}");
            }
        }
    }
}

#[test]
fn the_lines_of_a_key_are_secrets_and_its_armour_is_none() {
    let key = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n{}\n-----END PRIVATE KEY-----\n",
        "MC4CAQAwBQYDK2VwBCIEIFpFEtyoSLXcYhnc", "q83vEjRWeJq83vEjRWeJq83v"
    );
    let clean = redactor(&[&key]).redact_str("12 | q83vEjRWeJq83vEjRWeJq83v\n");
    assert_eq!(clean, "12 | [redacted]\n");
    let armour = "-----BEGIN PRIVATE KEY-----\n";
    assert_eq!(redactor(&[&key]).redact_str(armour), armour);
    let wrapped = general_purpose::STANDARD.encode(&key);
    let wrapped: Vec<&str> =
        wrapped.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let clean = redactor(&[&key]).redact_str(&wrapped.join("\n"));
    assert!(wrapped[..wrapped.len() - 1].iter().all(|line| !clean.contains(line)), "{clean}");
}

#[test]
fn secrets_that_overlap_are_taken_out_whole() {
    let redactor = redactor(&["aaaa-end", "end-bbbb", "bbbb-tail"]);
    assert_eq!(redactor.redact_str("(aaaa-end-bbbb-tail)"), "([redacted])");
}

#[test]
fn white_space_around_a_secret_is_no_part_of_it() {
    let redactor = redactor(&["swordfish\n"]);
    assert_eq!(redactor.redact_str("a swordfish."), "a [redacted].");
    assert_eq!(redactor.redact_str("c3dvcmRmaXNoCg=="), "[redacted]==");
}

#[test]
fn a_secret_that_is_too_short_is_refused_and_not_told() {
    for text in ["", "abc", " abc \n"] {
        let refused = Redactor::new([&Secret::new(text)]).unwrap_err();
        assert_eq!(refused.code_str(), "secret_too_short");
        assert!(!format!("{refused} {refused:?}").contains("abc"));
    }
    let refused = Redactor::new([&Secret::new("redacted")]).unwrap_err();
    assert_eq!(refused.code_str(), "secret_too_common");
}

#[test]
fn secrets_can_be_added() {
    let both = redactor(&["first-secret"]).with([&Secret::new("second-secret")]).unwrap();
    assert_eq!(both.redact_str("first-secret second-secret"), "[redacted] [redacted]");
    assert!(!format!("{both:?} {:?}", both.stream()).contains("secret"));
}

#[test]
fn json_is_cleaned_in_keys_strings_and_numbers() {
    let value = json!({ "k-hunter2": ["x hunter2", 1, null, true], "pin": 271_828, "n": 2.5 });
    let clean = redactor(&["hunter2", "271828"]).redact_json(value);
    assert_eq!(
        clean,
        json!({ "k-[redacted]": ["x [redacted]", 1, null, true], "pin": "[redacted]", "n": 2.5 })
    );
}

#[test]
fn a_line_that_begins_no_secret_is_given_out_at_once() {
    let mut stream = redactor(&["swordfish"]).stream();
    assert_eq!(stream.push(b"Compiling core\n"), b"Compiling core\n");
    assert_eq!(stream.push(b"pass: sword"), b"pass: ");
    assert_eq!(stream.push(b"play\n"), b"swordplay\n");
    assert_eq!(stream.finish(), b"");
}

/// Secrets over two letters, so that they overlap with themselves, each other and the text.
fn few_letters(lengths: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(b'a'), Just(b'b')], lengths)
}

proptest! {
    #[test]
    fn chunking_changes_nothing_and_nothing_survives(
        secrets in vec(prop_oneof![few_letters(4..9), vec(any::<u8>(), 4..40)], 1..4),
        parts in vec(prop_oneof![
            few_letters(0..12).prop_map(Part::Text),
            vec(any::<u8>(), 0..20).prop_map(Part::Text),
            (any::<Index>(), any::<Index>()).prop_map(|(which, form)| Part::Form(which, form)),
        ], 0..12),
        cuts in vec(1_usize..24, 1..12),
    ) {
        let secrets: Vec<Secret> = secrets.into_iter().map(Secret::new).collect();
        let Ok(redactor) = Redactor::new(&secrets) else { return Ok(()) };
        let forms = &redactor.0.as_ref().unwrap().forms;
        let input: Vec<u8> = parts.iter().flat_map(|part| part.bytes(&secrets)).collect();
        let whole = redactor.redact(&input);

        let mut stream = redactor.stream();
        let (mut pieces, mut rest) = (Vec::new(), &input[..]);
        for cut in cuts.iter().cycle() {
            if rest.is_empty() { break }
            let (piece, later) = rest.split_at((*cut).min(rest.len()));
            pieces.extend(stream.push(piece));
            prop_assert!(stream.held() <= redactor.holds_back());
            rest = later;
        }
        pieces.extend(stream.finish());
        prop_assert_eq!(&pieces, &whole);

        // Between markers there is no form of any secret, found here by plain comparison.
        for clean in split(&whole) {
            for form in forms {
                prop_assert!(!clean.windows(form.len()).any(|part| part == form.as_slice()));
            }
        }
        prop_assert_eq!(&whole, &plainly(forms, &input));
    }
}

#[derive(Clone, Debug)]
enum Part {
    Text(Vec<u8>),
    Form(Index, Index),
}

impl Part {
    fn bytes(&self, secrets: &[Secret]) -> Vec<u8> {
        match self {
            Self::Text(bytes) => bytes.clone(),
            Self::Form(which, form) => {
                let forms = forms::of(which.get(secrets).expose());
                form.get(&forms).to_vec()
            }
        }
    }
}

fn split(clean: &[u8]) -> Vec<&[u8]> {
    let marker = MARKER.as_bytes();
    let mut parts = Vec::new();
    let mut rest = clean;
    while let Some(at) = rest.windows(marker.len()).position(|part| part == marker) {
        parts.push(&rest[..at]);
        rest = &rest[at + marker.len()..];
    }
    parts.push(rest);
    parts
}

/// The same by brute force: every byte of every occurrence is struck out.
fn plainly(forms: &[Zeroizing<Vec<u8>>], input: &[u8]) -> Vec<u8> {
    let mut struck = vec![false; input.len()];
    for form in forms {
        for start in 0..=input.len().saturating_sub(form.len()) {
            if input[start..].starts_with(form) {
                struck[start..start + form.len()].fill(true);
            }
        }
    }
    let mut clean = Vec::new();
    for (index, byte) in input.iter().enumerate() {
        match (struck[index], index > 0 && struck[index - 1]) {
            (false, _) => clean.push(*byte),
            (true, false) => clean.extend_from_slice(MARKER.as_bytes()),
            (true, true) => {}
        }
    }
    clean
}
