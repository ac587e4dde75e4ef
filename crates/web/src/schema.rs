//! Validation rules of parameters and fields, as OpenAPI schemas.

use utoipa::openapi::{
    KnownFormat, ObjectBuilder, OpenApi, RefOr, Schema, SchemaFormat,
    path::Operation,
    schema::{SchemaType, Type},
};

/// A text of this many characters that matches `pattern` (ECMA-262).
pub fn text(length: std::ops::RangeInclusive<usize>, pattern: &str) -> RefOr<Schema> {
    let (min, max) = length.into_inner();
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length((min > 0).then_some(min))
        .max_length(Some(max))
        .pattern(Some(pattern))
        .into()
}

/// An integer in this range.
pub fn integer(range: std::ops::RangeInclusive<i64>) -> RefOr<Schema> {
    let (min, max) = range.into_inner();
    let format = if i32::try_from(max).is_ok() {
        KnownFormat::Int32
    } else {
        KnownFormat::Int64
    };
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(format)))
        .minimum(Some(min))
        .maximum(Some(max))
        .into()
}

/// Declares types for use in `value_type = …`, to give a field the schema of its validation rule.
#[macro_export]
macro_rules! documents {
    ($($(#[doc = $doc:literal])+ $vis:vis $name:ident = $schema:expr;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug)]
        $vis struct $name;

        impl ::utoipa::PartialSchema for $name {
            fn schema() -> ::utoipa::openapi::RefOr<::utoipa::openapi::Schema> {
                let mut schema: ::utoipa::openapi::RefOr<::utoipa::openapi::Schema> = $schema;
                if let ::utoipa::openapi::RefOr::T(::utoipa::openapi::Schema::Object(object)) = &mut schema {
                    object.description = Some([$($doc.trim()),+].join(" "));
                }
                schema
            }
        }

        impl ::utoipa::ToSchema for $name {
            fn name() -> ::std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )+};
}

/// Removes `null` from the types of parameters: an unset parameter is absent, and the text `null`
/// is not a number.
#[must_use]
pub fn without_null_parameters(mut document: OpenApi) -> OpenApi {
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.patch,
        ];
        for operation in operations.into_iter().flatten() {
            without_null(operation);
        }
    }
    document
}

fn without_null(operation: &mut Operation) {
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else {
            continue;
        };
        match &mut parameter.schema {
            Some(RefOr::T(Schema::Object(object))) => {
                if let SchemaType::Array(types) = &mut object.schema_type {
                    types.retain(|of| *of != Type::Null);
                    if let [only] = types.as_slice() {
                        object.schema_type = SchemaType::Type(only.clone());
                    }
                }
            }
            Some(schema @ RefOr::T(Schema::OneOf(_))) => {
                let RefOr::T(Schema::OneOf(one_of)) = &schema else {
                    continue;
                };
                // the type itself comes first, followed by `null`
                if let [of, RefOr::T(Schema::Object(null))] = one_of.items.as_slice()
                    && null.schema_type == SchemaType::Type(Type::Null)
                {
                    *schema = of.clone();
                }
            }
            _ => {}
        }
    }
}
