//! Strict JSON: a struct is read from an object only.
//!
//! serde also reads a struct from an array of its fields in order. Our OpenAPI documents do not
//! promise that, and a caller would use it only by mistake.

use serde::{
    Deserializer,
    de::{
        Error as _, IntoDeserializer, Unexpected, Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};
use serde_json::{Error, Value};

/// Largest integer below which every integer is exact in JSON's double-precision arithmetic.
const MAX_EXACT: f64 = 9_007_199_254_740_991.0;

/// Converts a whole number to an integer: `2.0` is the integer 2. (RFC 8259 §6, JSON Schema)
fn integral(value: Value) -> Value {
    match value.as_f64() {
        Some(number) if value.is_f64() && number.fract() == 0.0 && number.abs() <= MAX_EXACT => {
            #[expect(clippy::cast_possible_truncation, reason = "it is exact in this range")]
            let whole = number as i64;
            Value::from(whole)
        }
        _ => value,
    }
}

macro_rules! integers {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            integral(self.0).$method(visitor)
        }
    )+};
}

/// Deserializes from a JSON value; reads structs from objects only.
pub(crate) struct Strict(pub(crate) Value);

impl IntoDeserializer<'_, Error> for Strict {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Strict {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => {
                let mut items = SeqDeserializer::new(items.into_iter().map(Strict));
                let value = visitor.visit_seq(&mut items)?;
                items.end().map(|()| value)
            }
            Value::Object(members) => {
                let members = members
                    .into_iter()
                    .map(|(name, value)| (name, Strict(value)));
                let mut members = MapDeserializer::new(members);
                let value = visitor.visit_map(&mut members)?;
                members.end().map(|()| value)
            }
            simple => simple.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &"an object")),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
    }

    forward_to_deserialize_any! {
        bool i128 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        name: String,
        quantity: Option<u32>,
        #[serde(default)]
        more: Vec<Line>,
    }

    fn read(value: Value) -> Result<Line, String> {
        Line::deserialize(Strict(value)).map_err(|error| error.to_string())
    }

    #[test]
    fn objects_are_read_as_always() {
        let line = |name: &str, quantity, more| Line {
            name: name.to_owned(),
            quantity,
            more,
        };
        let value = json!({"name": "a", "quantity": 2, "more": [{"name": "b", "quantity": null}]});
        assert_eq!(
            read(value),
            Ok(line("a", Some(2), vec![line("b", None, Vec::new())]))
        );
    }

    #[test]
    fn an_integer_may_be_written_with_a_fraction_of_zero() {
        let line = read(json!({"name": "a", "quantity": 2.0})).unwrap();
        assert_eq!(line.quantity, Some(2));
    }

    #[test]
    fn an_array_is_no_object_at_any_depth() {
        for wrong in [
            json!(["a", 2, []]),
            json!({"name": "a", "quantity": 2, "more": [["b", 1, []]]}),
        ] {
            assert!(
                read(wrong)
                    .unwrap_err()
                    .starts_with("invalid type: sequence, expected an object")
            );
        }
    }

    #[test]
    fn wrong_types_and_unknown_members_are_refused() {
        for wrong in [
            json!("a"),
            json!({"name": 1}),
            json!({"name": "a", "quantity": 2.5}),
            json!({"name": "a", "quantity": 1e300}),
            json!({"name": "a", "quantity": -1.0}),
            json!({"name": "a", "x": 1}),
        ] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
