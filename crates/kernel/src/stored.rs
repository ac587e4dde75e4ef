//! Enums that are stored as text, as another release may have stored them.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Serialize,
    de::{DeserializeOwned, IntoDeserializer, value::Error},
};
use sqlx::{
    Decode, Postgres, Type,
    error::BoxDynError,
    postgres::{PgTypeInfo, PgValueRef},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

/// A stored value of the enum `T`. A value that only another release knows is passed on as it is
/// stored: during a deployment, no read fails because of it.
///
/// Serde's name of each variant is its only spelling, in the database and in JSON.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Stored<T> {
    /// A value that this release knows.
    Known(T),
    /// The text of any other value.
    Unknown(String),
}

impl<T> Stored<T> {
    /// The value, if this release knows it.
    pub const fn known(&self) -> Option<T>
    where
        T: Copy,
    {
        match self {
            Self::Known(value) => Some(*value),
            Self::Unknown(_) => None,
        }
    }

    /// Reads a stored text.
    pub fn read(text: String) -> Self
    where
        T: DeserializeOwned,
    {
        let known: Result<T, Error> = T::deserialize(text.as_str().into_deserializer());
        known.map_or(Self::Unknown(text), Self::Known)
    }
}

impl<T> From<T> for Stored<T> {
    fn from(value: T) -> Self {
        Self::Known(value)
    }
}

impl<T: PartialEq> PartialEq<T> for Stored<T> {
    fn eq(&self, value: &T) -> bool {
        matches!(self, Self::Known(known) if known == value)
    }
}

impl<T: fmt::Display> fmt::Display for Stored<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(value) => value.fmt(f),
            Self::Unknown(text) => f.pad(text),
        }
    }
}

impl<T> Type<Postgres> for Stored<T> {
    fn type_info() -> PgTypeInfo {
        <String as Type<Postgres>>::type_info()
    }

    fn compatible(of: &PgTypeInfo) -> bool {
        <String as Type<Postgres>>::compatible(of)
    }
}

impl<'row, T: DeserializeOwned> Decode<'row, Postgres> for Stored<T> {
    fn decode(value: PgValueRef<'row>) -> Result<Self, BoxDynError> {
        <String as Decode<'row, Postgres>>::decode(value).map(Self::read)
    }
}

/// The schema lists the known values.
impl<T: PartialSchema> PartialSchema for Stored<T> {
    fn schema() -> RefOr<Schema> {
        T::schema()
    }
}

impl<T: ToSchema> ToSchema for Stored<T> {
    fn name() -> Cow<'static, str> {
        T::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        T::schemas(schemas);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Color {
        DarkRed,
    }

    #[test]
    fn a_known_value_is_read_by_its_name() {
        let color = Stored::<Color>::read("dark_red".to_owned());
        assert_eq!(color.known(), Some(Color::DarkRed));
        assert_eq!(color, Color::DarkRed);
        assert_eq!(serde_json::to_string(&color).unwrap(), r#""dark_red""#);
    }

    #[test]
    fn an_unknown_value_is_passed_on_as_it_is_stored() {
        let color = Stored::<Color>::read("Dark red".to_owned());
        assert_eq!(color.known(), None);
        let json = serde_json::to_string(&color).unwrap();
        assert_eq!(json, r#""Dark red""#);
        assert_eq!(serde_json::from_str::<Stored<Color>>(&json).unwrap(), color);
    }
}
