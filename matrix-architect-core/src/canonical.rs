//! Canonical JSON after [RFC 8785](https://www.rfc-editor.org/rfc/rfc8785), for hashing values
//! that have no bytes of their own. What is signed is never canonicalised: it is signed as stored.

use serde::Serialize;
use serde_json::Value;

use crate::{
    error::{Error, Result},
    id::Digest,
};

/// The canonical bytes of a value.
///
/// # Errors
/// `Invalid` if the value has no JSON form.
///
/// ```
/// use matrix_architect_core::canonical;
///
/// let value = serde_json::json!({ "b": 1.0, "a": "é", "c": 1e21 });
/// assert_eq!(canonical::bytes(&value)?, r#"{"a":"é","b":1,"c":1e+21}"#.as_bytes());
/// # Ok::<(), matrix_architect_core::error::Error>(())
/// ```
pub fn bytes(value: &impl Serialize) -> Result<Vec<u8>> {
    let value = serde_json::to_value(value)
        .map_err(|source| Error::invalid("the value has no JSON form").source(source))?;
    let mut text = String::new();
    write(&value, &mut text)?;
    Ok(text.into_bytes())
}

/// The digest of the canonical bytes.
///
/// # Errors
/// As [`bytes()`].
pub fn digest(value: &impl Serialize) -> Result<Digest> {
    bytes(value).map(Digest::of)
}

fn write(value: &Value, text: &mut String) -> Result<()> {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => write_number(number, text)?,
        Value::String(string) => write_string(string, text),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, text)?;
            }
            text.push(']');
        }
        Value::Object(members) => {
            // By UTF-16 code units, as section 3.2.3 demands; it differs from UTF-8 order only
            // beyond the basic plane.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
            text.push('{');
            for (index, (key, member)) in members.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_string(key, text);
                text.push(':');
                write(member, text)?;
            }
            text.push('}');
        }
    }
    Ok(())
}

fn write_string(string: &str, text: &mut String) {
    // serde_json escapes just what section 3.2.2.2 lists, in the same spelling.
    text.push_str(&Value::String(string.to_owned()).to_string());
}

/// Numbers as ECMAScript prints them. Integers beyond 2^53 keep all their digits: they are exact in
/// Rust and rounding them would let two plans share a hash.
fn write_number(number: &serde_json::Number, text: &mut String) -> Result<()> {
    if number.is_i64() || number.is_u64() {
        text.push_str(&number.to_string());
        return Ok(());
    }
    let float = number.as_f64().filter(|float| float.is_finite());
    let float = float.ok_or_else(|| Error::invalid("a number is not finite"))?;
    text.push_str(&ecmascript(float));
    Ok(())
}

/// `Number::toString` of ECMA-262, from the shortest digits that Rust prints.
fn ecmascript(float: f64) -> String {
    if float == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{:e}", float.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let point = exponent.parse::<i32>().unwrap_or(0) + 1;
    let count = i32::try_from(digits.len()).unwrap_or(i32::MAX);
    let zeros = |number: i32| "0".repeat(usize::try_from(number).unwrap_or(0));
    let place = |index: i32| digits.split_at(usize::try_from(index).unwrap_or(0));
    let body = if count <= point && point <= 21 {
        format!("{digits}{}", zeros(point - count))
    } else if 0 < point && point <= 21 {
        let (whole, fraction) = place(point);
        format!("{whole}.{fraction}")
    } else if -6 < point && point <= 0 {
        format!("0.{}{digits}", zeros(-point))
    } else {
        let (first, rest) = place(1);
        let dot = if rest.is_empty() { "" } else { "." };
        let sign = if point > 0 { '+' } else { '-' };
        format!("{first}{dot}{rest}e{sign}{}", (point - 1).abs())
    };
    if float < 0.0 { format!("-{body}") } else { body }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(value: &Value) -> String {
        String::from_utf8(bytes(value).unwrap()).unwrap()
    }

    #[test]
    fn the_example_of_rfc_8785_section_3_2_2_comes_out_as_printed() {
        let value = json!({
            "numbers": [333_333_333.333_333_3_f64, 1e30, 4.50, 2e-3, 0.000_000_000_000_000_000_000_000_001],
            "string": "\u{20ac}$\u{f}\nA'B\"\\\\\"/",
            "literals": [null, true, false]
        });
        assert_eq!(
            text(&value),
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],\
             \"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
        );
    }

    #[test]
    fn keys_sort_by_utf_16_units() {
        // U+1F600 is D83D DE00 in UTF-16 and so sorts before U+FB33.
        let value = json!({ "\u{fb33}": 1, "\u{1f600}": 2, "\u{20ac}": 3, "1": 4, "\r": 5 });
        assert_eq!(text(&value), "{\"\\r\":5,\"1\":4,\"€\":3,\"😀\":2,\"\u{fb33}\":1}");
    }

    #[test]
    fn numbers_print_as_ecmascript_prints_them() {
        let cases: [(f64, &str); 9] = [
            (5e-324, "5e-324"),
            (-5e-324, "-5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (295_147_905_179_352_830_000.0, "295147905179352830000"),
            (1e21, "1e+21"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (-0.0, "0"),
        ];
        for (float, expected) in cases {
            assert_eq!(ecmascript(float), expected);
        }
    }
}
