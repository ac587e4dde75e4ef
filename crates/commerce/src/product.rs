//! The catalog.

mod demo;
mod store;

pub use demo::seed;
pub use store::{create, delete, find, find_by_slug, search, update};

use chrono::{DateTime, Utc};
use kernel::{Money, ProductId};

/// A product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Its name in URLs; never changes.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// What it costs.
    pub price: Money,
    /// How many can still be ordered.
    pub available: i64,
    /// How many orders hold that are not paid yet.
    pub reserved: i64,
    /// Raised by each edit.
    pub version: i64,
    /// When it came into the catalog.
    pub created_at: DateTime<Utc>,
}

/// The change of the stock by an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StockEdit {
    /// It stays as it is.
    Keep,
    /// It changes by the difference: what was sold since `seen` stays sold.
    Change {
        /// The stock that the editor saw.
        seen: i64,
        /// The stock that they want in its place.
        to: i64,
    },
    /// It must be this already, since the editor does not say what they saw.
    Confirm(i64),
}

/// What an admin writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: String,
    /// What it costs.
    pub price: Money,
    /// How many lie in stock, those reserved included; sold ones are not.
    pub stock: i64,
}

/// Why an edit was not made.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// There is no such product, or not any more.
    #[error("there is no product {0}")]
    NotFound(ProductId),
    /// Somebody else edited it first.
    #[error("the product is at version {current} now")]
    Stale {
        /// Its version.
        current: i64,
    },
    /// Orders hold more than the edit would leave.
    #[error("orders hold {reserved} units, the edit would leave {left}")]
    StockBelowReserved {
        /// Units that orders hold.
        reserved: i64,
        /// Units that the edit would leave.
        left: i64,
    },
    /// The stock is another one, and the edit does not say which one was seen.
    #[error("the stock is {stock} now, and the edit does not say which one was seen")]
    StockUnseen {
        /// Units in stock, those held by orders included.
        stock: i64,
    },
    /// The database failed.
    #[error("could not write the product")]
    Db(#[from] sqlx::Error),
}

/// The slug that a name gives: lower case, digits and single hyphens.
pub fn slug_of(name: &str) -> String {
    let lower = name.to_lowercase();
    let words: Vec<_> = lower
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    if words.is_empty() {
        "product".to_owned()
    } else {
        words.join("-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_made_of_the_names_words() {
        assert_eq!(slug_of("Enamel Mug, 0.3 l"), "enamel-mug-0-3-l");
        assert_eq!(slug_of("  --  "), "product");
    }
}
