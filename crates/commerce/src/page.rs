//! Paged lists: newest first, or best match first.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use uuid::Uuid;

/// The most items on a page.
pub const MAX_LIMIT: u32 = 100;
/// Default number of items on a page.
pub const DEFAULT_LIMIT: u32 = 20;

/// A page of items, and where the next page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The position of the last item, if more items may follow.
    pub next_cursor: Option<Cursor>,
}

impl<T> Page<T> {
    /// Makes a page from up to `limit + 1` rows: the extra row only shows that more follow.
    pub fn from_rows(mut rows: Vec<T>, limit: u32, id: impl Fn(&T) -> Uuid) -> Self {
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next_cursor = rows
            .last()
            .filter(|_| more)
            .map(|last| Cursor::at(id(last)));
        Self {
            items: rows,
            next_cursor,
        }
    }
}

/// A position in a list; opaque to callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The last item returned.
    pub id: Uuid,
    /// The item's rank, in a list sorted by rank.
    pub rank: Option<i32>,
}

impl Cursor {
    /// The position after this item in a list without ranks.
    pub fn at(id: Uuid) -> Self {
        Self { id, rank: None }
    }
}

/// The text is not a cursor of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this cursor was not made by this list")]
pub struct CursorError;

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = self.id.as_bytes().to_vec();
        bytes.extend(self.rank.map(i32::to_be_bytes).into_iter().flatten());
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl std::str::FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = BASE64_URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| CursorError)?;
        let (id, rank) = bytes.split_at_checked(16).ok_or(CursorError)?;
        let rank = match rank {
            [] => None,
            rank => Some(i32::from_be_bytes(
                rank.try_into().map_err(|_| CursorError)?,
            )),
        };
        let id = Uuid::from_slice(id).map_err(|_| CursorError)?;
        Ok(Self { id, rank })
    }
}
