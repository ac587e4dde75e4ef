//! Lists in pages, newest first.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use uuid::Uuid;

/// Most items a page.
pub const MAX_LIMIT: u32 = 100;
/// Items of a page unless the caller says otherwise.
pub const DEFAULT_LIMIT: u32 = 20;

/// Some items, and where the next ones begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The last item's place, when there may be more behind it.
    pub next_cursor: Option<Cursor>,
}

impl<T> Page<T> {
    /// From up to `limit + 1` rows: the extra one only tells that there are more.
    pub fn from_rows(mut rows: Vec<T>, limit: u32, id: impl Fn(&T) -> Uuid) -> Self {
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next_cursor = rows.last().filter(|_| more).map(|last| Cursor(id(last)));
        Self {
            items: rows,
            next_cursor,
        }
    }
}

/// A place in a list; opaque to callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(pub Uuid);

/// Not a cursor of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this cursor was not made by this list")]
pub struct CursorError;

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(self.0.as_bytes()))
    }
}

impl std::str::FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = BASE64_URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| CursorError)?;
        Uuid::from_slice(&bytes).map(Self).map_err(|_| CursorError)
    }
}
