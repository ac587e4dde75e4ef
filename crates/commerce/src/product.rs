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
    /// The product's id.
    pub id: ProductId,
    /// The product's name in URLs; never changes.
    pub slug: String,
    /// The product's name.
    pub name: String,
    /// The product's description.
    pub description: String,
    /// Price of one piece.
    pub price: Money,
    /// Pieces that can still be ordered.
    pub available: i64,
    /// Pieces reserved by unpaid orders.
    pub reserved: i64,
    /// Incremented by each edit.
    pub version: i64,
    /// When the product was added to the catalog.
    pub created_at: DateTime<Utc>,
}

/// How an edit changes the stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StockEdit {
    /// The stock stays as it is.
    Keep,
    /// The stock changes by the difference between `seen` and `to`: pieces sold after the editor
    /// saw `seen` stay sold.
    Change {
        /// The stock that the editor saw.
        seen: i64,
        /// The stock that the editor entered.
        to: i64,
    },
    /// The stock must already have this value, because the editor does not say which value they
    /// saw.
    Confirm(i64),
}

/// A product as an admin enters it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The product's name.
    pub name: String,
    /// The product's description.
    pub description: String,
    /// Price of one piece.
    pub price: Money,
    /// Pieces in stock, including reserved ones and excluding sold ones.
    pub stock: i64,
}

/// Why an edit failed.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// The product does not exist, or was deleted.
    #[error("there is no product {0}")]
    NotFound(ProductId),
    /// Another edit came first.
    #[error("the product is at version {current} now")]
    Stale {
        /// The product's current version.
        current: i64,
    },
    /// Orders reserve more than the edit would leave.
    #[error("orders hold {reserved} units, the edit would leave {left}")]
    StockBelowReserved {
        /// Pieces reserved by orders.
        reserved: i64,
        /// Pieces that the edit would leave.
        left: i64,
    },
    /// The stock differs from the edit's, and the edit does not say which value the editor saw.
    #[error("the stock is {stock} now, and the edit does not say which one was seen")]
    StockUnseen {
        /// Pieces in stock, including reserved ones.
        stock: i64,
    },
    /// The database failed.
    #[error("could not write the product")]
    Db(#[from] sqlx::Error),
}

/// Derives a slug from a name: lower-case letters, digits and single hyphens.
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
