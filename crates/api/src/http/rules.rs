//! The rules of fields and parameters, for the code that enforces them and for the OpenAPI
//! document.

use commerce::{order, page};
use utoipa::openapi::{
    KnownFormat, RefOr, Schema, SchemaFormat,
    schema::{AdditionalProperties, ObjectBuilder, Ref},
};
use web::{
    Problem, documents,
    schema::{integer, text},
};

/// Longest reason that an operator may give, characters.
const MAX_REASON: usize = 1000;
/// Longest search text, characters.
const MAX_SEARCH: usize = 200;
/// Longest name of a product, characters.
const MAX_NAME: usize = 200;
/// Longest name of a person, characters.
const MAX_PERSON: usize = 100;
/// Longest description of a product, characters.
const MAX_DESCRIPTION: usize = 5000;
/// Longest e-mail address (RFC 5321).
const MAX_EMAIL: usize = 254;
/// Longest `Idempotency-Key`.
const MAX_KEY: usize = 255;
/// Largest price in minor units, and largest stock.
pub(super) const MAX_PRODUCT: i64 = 1_000_000_000;

/// Any characters but NUL.
const NO_NUL: &str = r"^[^\u0000]*$";
/// The characters that `kernel::is_displayable` refuses, as ranges of a pattern: escaped up to
/// U+FFFF, literal beyond it, since pattern languages escape those differently. Flags that are
/// written with tags are left out.
macro_rules! hidden {
    () => {
        concat!(
            r"\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e",
            r"\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f\u2800\u3164\ue000-\uf8ff\ufdd0-\ufdef\ufeff",
            r"\uffa0\ufff9-\ufffc\ufffe\uffff",
            "\u{1d173}-\u{1d17a}\u{1fffe}\u{1ffff}\u{2fffe}\u{2ffff}\u{3fffe}\u{3ffff}\u{4fffe}\u{4ffff}\u{5fffe}\u{5ffff}",
            "\u{6fffe}\u{6ffff}\u{7fffe}\u{7ffff}\u{8fffe}\u{8ffff}\u{9fffe}\u{9ffff}\u{afffe}\u{affff}\u{bfffe}\u{bffff}",
            "\u{cfffe}\u{cffff}\u{dfffe}\u{dffff}\u{e0000}-\u{e00ff}\u{e01f0}-\u{10ffff}",
        )
    };
}
/// Joiners, selectors and combining marks: displayable, but invisible on their own.
macro_rules! inkless {
    () => {
        concat!(
            r"\u200c\u200d\ufe00-\ufe0f\u180b-\u180f\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff",
            "\u{e0100}-\u{e01ef}",
        )
    };
}

/// A text that is displayed as it was written.
const DISPLAYABLE: &str = concat!("^[^", hidden!(), "]*$");
/// A displayable text that is not blank.
const EXPLANATION: &str = concat!(
    "^[^",
    hidden!(),
    "]*[^\\s",
    hidden!(),
    "][^",
    hidden!(),
    "]*$"
);
/// A displayable text on one line, with at least one visible character.
const NAME: &str = concat!(
    r"^[^\t\n\r",
    hidden!(),
    r"]*[^\s",
    hidden!(),
    inkless!(),
    r"][^\t\n\r",
    hidden!(),
    "]*$"
);
/// Unpadded base64url of 16 or 20 bytes.
const CURSOR: &str = "^([A-Za-z0-9_-]{21}[AQgw]|[A-Za-z0-9_-]{26}[AEIMQUYcgkosw048])$";
/// Printable ASCII characters except `\"`, bare or in quotes; blanks only inside.
const KEY: &str = r#"^([!#-~]([ !#-~]{0,253}[!#-~])?|"[!#-~]([ !#-~]{0,253}[!#-~])?")$"#;
/// A version, quoted or bare.
const ETAG: &str = r#"^("[0-9]{1,18}"|[0-9]{1,18})$"#;
/// An order's number, a UUID or an e-mail address.
const FIND: &str = "^(#?[0-9A-Fa-f]{8}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|[^\\u0000]*@[^\\u0000]*|)$";

documents! {
    /// Items per page; 20 by default.
    pub(super) PageLimit = integer(1..=page::MAX_LIMIT.into());
    /// `next_cursor` of the previous page.
    pub(super) PageCursor = text(22..=27, CURSOR);
    /// A reason: kept in the audit.
    pub(super) Reason = text(1..=MAX_REASON, EXPLANATION);
    /// A search text.
    pub(super) SearchText = text(0..=MAX_SEARCH, NO_NUL);
    /// An order's number or id, its transaction's id, or its customer's e-mail address.
    pub(super) OrderReference = text(0..=MAX_EMAIL, FIND);
    /// Seconds.
    pub(super) Seconds = integer(0..=u32::MAX.into());
    /// The caller's name for this intent, bare or in quotes.
    pub(super) IdempotencyKey = text(1..=MAX_KEY + 2, KEY);
    /// One of our `ETag`s.
    pub(super) ETag = text(1..=20, ETAG);
    /// The `id` of an event.
    pub(super) EventId = integer(0..=i16::MAX.into());
    /// The name of a product.
    pub(super) ProductName = text(1..=MAX_NAME, NAME);
    /// The name of a person.
    pub(super) PersonName = text(1..=MAX_PERSON, NAME);
    /// The description of a product.
    pub(super) ProductDescription = text(0..=MAX_DESCRIPTION, DISPLAYABLE);
    /// Pieces in stock.
    pub(super) Stock = integer(0..=MAX_PRODUCT);
    /// An amount of money in minor units (cents), greater than zero.
    pub(super) Price = price();
    /// Pieces of a product.
    pub(super) Quantity = integer(1..=order::MAX_QUANTITY.into());
    /// An e-mail address.
    pub(super) Email = email();
}

fn price() -> RefOr<Schema> {
    ObjectBuilder::new()
        .property("amount", integer(1..=MAX_PRODUCT))
        .required("amount")
        .property("currency", Ref::from_schema_name("Currency"))
        .required("currency")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)))
        .into()
}

fn email() -> RefOr<Schema> {
    let mut email = text(3..=MAX_EMAIL, "@");
    if let RefOr::T(Schema::Object(email)) = &mut email {
        email.format = Some(SchemaFormat::KnownFormat(KnownFormat::Email));
    }
    email
}

/// Validates an operator's reason. It is stored and shown, so its length has both bounds.
pub(super) fn reason(field: &str, text: String) -> Result<String, Problem> {
    let length = text.chars().count();
    if length <= MAX_REASON && !text.trim().is_empty() && kernel::is_displayable(&text) {
        return Ok(text);
    }
    let message =
        format!("Enter a reason of up to {MAX_REASON} characters, without invisible ones.");
    Err(Problem::invalid(field, "text", message))
}

/// Whether a search text can be the e-mail address of an account.
pub(super) fn is_address(text: &str) -> bool {
    text.contains('@') && !text.contains('\0') && text.chars().count() <= MAX_EMAIL
}

/// Validates a search text.
pub(super) fn check_search(field: &str, text: Option<&str>) -> Result<(), Problem> {
    if text.is_none_or(|text| text.chars().count() <= MAX_SEARCH && !text.contains('\0')) {
        return Ok(());
    }
    let message = format!("must be at most {MAX_SEARCH} characters, none of them NUL");
    Err(Problem::invalid(field, "text", message))
}

pub(super) fn check_product_name(name: &str) -> Result<(), Problem> {
    if name.chars().count() <= MAX_NAME && kernel::is_displayable_line(name) {
        return Ok(());
    }
    let message = format!("Enter a name of up to {MAX_NAME} characters, all of them visible.");
    Err(Problem::invalid("name", "text", message))
}

pub(super) fn check_description(description: &str) -> Result<(), Problem> {
    if description.chars().count() <= MAX_DESCRIPTION && kernel::is_displayable(description) {
        return Ok(());
    }
    let message = format!(
        "Enter a description of up to {MAX_DESCRIPTION} characters, without invisible ones."
    );
    Err(Problem::invalid("description", "text", message))
}

/// The key without its quotes, if any; `None` when the value is not a valid key.
pub(super) fn idempotency_key(value: &str) -> Option<&str> {
    let bare = value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(value);
    let good = (1..=MAX_KEY).contains(&bare.len())
        && bare.trim() == bare
        && bare
            .bytes()
            .all(|b| (b' '..=b'~').contains(&b) && b != b'"');
    good.then_some(bare)
}

/// The version that one of our `ETag`s names, quoted or bare.
pub(super) fn version(tag: &str) -> Option<i64> {
    let bare = tag
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(tag);
    let digits = (1..=18).contains(&bare.len()) && bare.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| bare.parse().ok()).flatten()
}

/// The number of an event that we sent.
pub(super) fn event_id(text: &str) -> Option<i16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// Replaces each NUL character, which PostgreSQL's `jsonb` cannot hold, by U+FFFD.
pub(super) fn replace_nul(value: &mut serde_json::Value) {
    use serde_json::Value;
    let replaced = |text: &str| text.replace('\0', "\u{fffd}");
    match value {
        Value::String(text) => *text = replaced(text),
        Value::Array(values) => values.iter_mut().for_each(replace_nul),
        Value::Object(members) => {
            let taken = std::mem::take(members);
            members.extend(taken.into_iter().map(|(name, mut value)| {
                replace_nul(&mut value);
                (replaced(&name), value)
            }));
        }
        _ => {}
    }
}
