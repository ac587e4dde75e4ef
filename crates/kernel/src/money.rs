use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// An amount of money in minor units (cents), never a float.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Money {
    /// Minor units of the currency.
    #[schema(example = 1999)]
    pub amount: i64,
    /// ISO 4217 code.
    pub currency: Currency,
}

impl Money {
    /// `amount` minor units of `currency`.
    pub fn new(amount: i64, currency: Currency) -> Self {
        Self { amount, currency }
    }

    /// `quantity` times this amount; `None` on overflow.
    pub fn times(&self, quantity: i64) -> Option<Self> {
        Some(Self::new(
            self.amount.checked_mul(quantity)?,
            self.currency.clone(),
        ))
    }

    /// The sum; `None` for different currencies, or on overflow.
    pub fn plus(&self, other: &Self) -> Option<Self> {
        (self.currency == other.currency)
            .then(|| self.amount.checked_add(other.amount))
            .flatten()
            .map(|amount| Self::new(amount, self.currency.clone()))
    }
}

/// The only format of an amount: `12.90 EUR`, `500 JPY`, `1.250 KWD`.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = usize::from(self.currency.decimal_places());
        let digits = format!("{:0>1$}", self.amount.unsigned_abs(), places + 1);
        let (whole, part) = digits.split_at(digits.len() - places);
        let sign = if self.amount < 0 { "-" } else { "" };
        let point = if places == 0 { "" } else { "." };
        write!(f, "{sign}{whole}{point}{part} {}", self.currency)
    }
}

/// Currencies (ISO 4217) whose minor unit is not a hundredth, by their number of decimal places.
/// The storefront has the same table in `lib/format.ts`; a test there compares them.
const DECIMAL_PLACES: [(u8, &[&str]); 3] = [
    (
        0,
        &[
            "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI",
            "VND", "VUV", "XAF", "XOF", "XPF",
        ],
    ),
    (3, &["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]),
    (4, &["CLF", "UYW"]),
];

/// Three upper-case letters, as in ISO 4217.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(try_from = "String", into = "String")]
#[sqlx(transparent)]
#[schema(value_type = String, example = "EUR", pattern = "^[A-Z]{3}$")]
pub struct Currency(String);

/// The text is not a currency code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a currency: three upper-case letters are, such as EUR")]
pub struct CurrencyError(String);

impl Currency {
    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Number of digits after the decimal point: 2 for EUR, 0 for JPY.
    pub fn decimal_places(&self) -> u8 {
        let of_it = |(_, codes): &&(u8, &[&str])| codes.contains(&self.as_str());
        DECIMAL_PLACES
            .iter()
            .find(of_it)
            .map_or(2, |(places, _)| *places)
    }
}

impl FromStr for Currency {
    type Err = CurrencyError;

    fn from_str(code: &str) -> Result<Self, Self::Err> {
        if code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase()) {
            Ok(Self(code.to_owned()))
        } else {
            Err(CurrencyError(code.to_owned()))
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = CurrencyError;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        code.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.0
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eur(amount: i64) -> Money {
        Money::new(amount, "EUR".parse().unwrap())
    }

    #[test]
    fn amounts_add_up_only_in_one_currency_and_never_overflow() {
        assert_eq!(eur(199).times(3), Some(eur(597)));
        assert_eq!(eur(1).plus(&eur(2)), Some(eur(3)));
        assert_eq!(eur(1).plus(&Money::new(2, "USD".parse().unwrap())), None);
        assert_eq!(eur(i64::MAX).times(2), None);
        assert_eq!(eur(i64::MAX).plus(&eur(1)), None);
    }

    #[test]
    fn an_amount_is_written_in_its_currencys_minor_units() {
        let written =
            |amount, currency: &str| Money::new(amount, currency.parse().unwrap()).to_string();
        for (amount, currency, text) in [
            (1290, "EUR", "12.90 EUR"),
            (5, "EUR", "0.05 EUR"),
            (0, "EUR", "0.00 EUR"),
            (-5, "EUR", "-0.05 EUR"),
            (500, "JPY", "500 JPY"),
            (0, "JPY", "0 JPY"),
            (1250, "KWD", "1.250 KWD"),
            (7, "KWD", "0.007 KWD"),
            (12345, "CLF", "1.2345 CLF"),
            (i64::MIN, "EUR", "-92233720368547758.08 EUR"),
        ] {
            assert_eq!(written(amount, currency), text);
        }
    }

    #[test]
    fn a_currency_is_three_upper_case_letters() {
        for wrong in ["", "eur", "EURO", "E1R", "ÄÖ"] {
            assert!(wrong.parse::<Currency>().is_err(), "{wrong}");
        }
        assert!(serde_json::from_str::<Currency>("\"eur\"").is_err());
    }
}
