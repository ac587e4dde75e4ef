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

    /// `quantity` times this amount; `None` when that is more than can be counted.
    pub fn times(&self, quantity: i64) -> Option<Self> {
        Some(Self::new(
            self.amount.checked_mul(quantity)?,
            self.currency.clone(),
        ))
    }

    /// The sum; `None` for different currencies or more than can be counted.
    pub fn plus(&self, other: &Self) -> Option<Self> {
        (self.currency == other.currency)
            .then(|| self.amount.checked_add(other.amount))
            .flatten()
            .map(|amount| Self::new(amount, self.currency.clone()))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:02} {}",
            self.amount / 100,
            (self.amount % 100).abs(),
            self.currency
        )
    }
}

/// Three upper-case letters, as in ISO 4217.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema,
)]
#[serde(try_from = "String", into = "String")]
#[sqlx(transparent)]
#[schema(value_type = String, example = "EUR", pattern = "^[A-Z]{3}$")]
pub struct Currency(String);

/// Not a currency code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a currency: three upper-case letters are, such as EUR")]
pub struct CurrencyError(String);

impl Currency {
    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
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
    fn a_currency_is_three_upper_case_letters() {
        for wrong in ["", "eur", "EURO", "E1R", "ÄÖ"] {
            assert!(wrong.parse::<Currency>().is_err(), "{wrong}");
        }
        assert!(serde_json::from_str::<Currency>("\"eur\"").is_err());
    }
}
