//! JSON in which no key stands twice. Readers disagree about which of two equal keys counts, so a
//! document that has one could say one thing to us and another to the next reader.

use std::{cell::RefCell, collections::BTreeSet, fmt};

use serde::{
    Serialize,
    de::{
        DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
    },
};
use serde_json::{Map, Value};

use super::{
    envelope::MAX_ENVELOPE,
    error::{Part, VerifyError},
};

/// Reads a value strictly and then as `T`.
pub(super) fn from_slice<T>(bytes: &[u8], part: Part) -> Result<T, VerifyError>
where
    T: DeserializeOwned + Serialize,
{
    from_value(&value(bytes, part)?, part)
}

/// Reads a value as `T`. An object written as a list of its fields, which serde takes as well, is
/// refused: no other reader would understand it.
pub(super) fn from_value<T>(value: &Value, part: Part) -> Result<T, VerifyError>
where
    T: DeserializeOwned + Serialize,
{
    let malformed = |reason| VerifyError::Malformed { part, reason };
    let read = T::deserialize(value).map_err(|flaw| malformed(flaw.to_string()))?;
    let written = serde_json::to_value(&read).map_err(|flaw| malformed(flaw.to_string()))?;
    if is_alike(value, &written) {
        return Ok(read);
    }
    Err(malformed("a list stands for an object".to_owned()))
}

fn is_alike(given: &Value, read: &Value) -> bool {
    match (given, read) {
        (Value::Object(given), Value::Object(read)) => {
            given.iter().all(|(key, value)| read.get(key).is_none_or(|read| is_alike(value, read)))
        }
        (Value::Array(given), Value::Array(read)) => {
            given.len() == read.len() && given.iter().zip(read).all(|(a, b)| is_alike(a, b))
        }
        (Value::Object(_) | Value::Array(_), _) | (_, Value::Object(_) | Value::Array(_)) => false,
        _ => true,
    }
}

/// Reads a value in which no object has a key twice, whatever escapes it is spelt with.
pub(super) fn value(bytes: &[u8], part: Part) -> Result<Value, VerifyError> {
    if bytes.len() > MAX_ENVELOPE {
        return Err(VerifyError::TooLarge { bytes: bytes.len(), cap: MAX_ENVELOPE });
    }
    let twice = RefCell::new(None);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = Strict { twice: &twice }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value));
    match (read, twice.into_inner()) {
        (_, Some(key)) => Err(VerifyError::DuplicateKey { part, key }),
        (Ok(value), None) => Ok(value),
        (Err(flaw), None) => Err(VerifyError::Malformed { part, reason: flaw.to_string() }),
    }
}

/// Builds a [`Value`] and notes the first key that comes twice.
#[derive(Clone, Copy)]
struct Strict<'a> {
    twice: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let mut seen = BTreeSet::new();
        while let Some(key) = members.next_key::<String>()? {
            if !seen.insert(key.clone()) {
                self.twice.replace(Some(key.escape_debug().take(80).collect()));
                return Err(A::Error::custom("a key stands twice"));
            }
            object.insert(key, members.next_value_seed(self)?);
        }
        Ok(Value::Object(object))
    }
}
