//! Every format is found, nothing that merely looks like one, and nothing is repeated. Tokens are
//! made up here as the tests run, so that no file of ours holds one.

use proptest::prelude::*;

use super::{
    format::{Class, Format, Part},
    formats::FORMATS,
    *,
};

/// Text of a format, of characters that look random.
fn sample(format: &Format, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap()
    };
    let mut text = String::new();
    for part in format.parts {
        match *part {
            Part::Text(fixed) => text.push_str(fixed),
            Part::Run(class, least, _) => {
                let alphabet: Vec<char> = (33..127_u8)
                    .filter(|byte| class.has(*byte) && *byte != b'=')
                    .filter(|byte| class != Class::Hex || !byte.is_ascii_uppercase())
                    .map(char::from)
                    .collect();
                text.extend((0..least).map(|_| alphabet[next() % alphabet.len()]));
            }
        }
    }
    text
}

#[test]
fn there_are_enough_formats_and_each_is_found_in_the_midst_of_code() {
    let rules: std::collections::BTreeSet<_> = FORMATS.iter().map(|format| format.rule).collect();
    assert!(rules.len() >= 40, "{}", rules.len());
    for format in FORMATS {
        for seed in 1..20 {
            let secret = sample(format, seed);
            for line in [format!("key: \"{secret}\"\r"), format!("é={secret}"), secret.clone()] {
                let found = secrets(&line);
                assert_eq!(found.len(), 1, "{}: {line}", format.rule);
                assert_eq!(found[0].rule, format.rule, "{line}");
            }
        }
    }
}

#[test]
fn what_is_no_secret_is_not_found() {
    let key = "AKIA";
    let harmless = [
        format!("{key}IOSFODNN7EXAMPLE"),
        format!("{key}XXXXXXXXXXXXXXXX"),
        format!("prefix{key}IOSFQDNN7RZKWMPL"),
        format!("{key}IOSFQDNN7RZKWMPLLONGER"),
        "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx".to_owned(),
        "let hf_transformer_of_some_long_name = 3;".to_owned(),
        "-----BEGIN PUBLIC KEY-----".to_owned(),
        "-----BEGIN CERTIFICATE-----".to_owned(),
        "sk_live_<your key here>".to_owned(),
        "npm_config_registry_of_the_company_in_question".to_owned(),
        "precious0123456789".to_owned(),
    ];
    for line in harmless {
        assert_eq!(secrets(&line), [], "{line}");
    }
}

#[test]
fn a_fingerprint_names_a_secret_without_telling_it() {
    let secret = sample(&FORMATS[2], 7);
    let (here, there) = (format!("a = {secret}"), format!("b: '{secret}'"));
    let [one, two] = [&here, &there].map(|line| secrets(line)[0].fingerprint());
    assert_eq!(one, two);
    assert_eq!(one.len(), 16);
    assert!(!format!("{:?}", secrets(&here)).contains(&secret[4..12]));
}

#[test]
fn only_lines_that_were_not_there_before_are_added() {
    let before = b"a\nb\nc\n";
    let after = b"b\na\nnew\nb\n";
    let added: Vec<_> =
        added_lines(before, after).into_iter().map(|line| (line.number, line.text)).collect();
    assert_eq!(added, [(3, "new".to_owned()), (4, "b".to_owned())]);
    assert_eq!(added_lines(b"", b"x"), [AddedLine { number: 1, text: "x".to_owned() }]);
    assert_eq!(added_lines(before, before), []);
}

fn rules(line: &str) -> Vec<&'static str> {
    deceptions(line).map(|deception| deception.rule).collect()
}

#[test]
fn text_that_deceives_is_told_from_text_in_other_languages() {
    assert_eq!(
        rules("/* \u{202e} } \u{2066}if (isAdmin)\u{2069} \u{2066} begin */"),
        ["bidi-control"]
    );
    assert_eq!(rules("let p\u{430}ssword = 1;"), ["look-alike"]);
    assert_eq!(rules("is\u{200b}Admin()"), ["invisible-character"]);
    assert_eq!(rules("ad\u{ad}min"), ["invisible-character"]);
    assert_eq!(rules("say\u{e0068}\u{e0069}"), ["invisible-character"]);
    for honest in [
        "plain ASCII",
        "größer, naïve, Łódź, œuvre",
        "привет, мир; Ελληνικά; עברית; العربية; हिन्दी; 日本語",
        "família 👨\u{200d}👩\u{200d}👧 and ❤\u{fe0f} and 1\u{fe0f}\u{20e3}",
        "\u{feff}#!/bin/sh",
        "می\u{200c}خواهم",
        "“quotes” – and — dashes … µm Ω",
    ] {
        assert_eq!(rules(honest), Vec::<&str>::new(), "{honest}");
    }
}

proptest! {
    #[test]
    fn no_line_panics_a_scanner(line in "\\PC{0,200}") {
        let _ = (secrets(&line), rules(&line));
    }

    #[test]
    fn a_secret_is_found_wherever_it_stands(at in 0..FORMATS.len(), seed in 1..u64::MAX, before in "[ a-z=:\"']{0,40}[ =:\"']", after in "[ ;,\"'](\\PC){0,40}") {
        let secret = sample(&FORMATS[at], seed);
        let line = format!("{before}{secret}{after}");
        // Now and then random characters do not look random; that is what entropy is about.
        prop_assume!(!secrets(&secret).is_empty());
        prop_assert!(secrets(&line).iter().any(|found| found.rule == FORMATS[at].rule), "{line}");
    }
}
