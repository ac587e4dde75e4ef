//! SQL of the catalog.

use chrono::{DateTime, Utc};
use kernel::{Currency, Money, ProductId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Draft, EditError, Product, StockEdit, slug_of};
use crate::page::{Cursor, Page};

struct Row {
    product_id: Uuid,
    slug: String,
    name: String,
    description: String,
    price_amount: i64,
    currency: Currency,
    available: i64,
    reserved: i64,
    version: i64,
    created_at: DateTime<Utc>,
}

impl From<Row> for Product {
    fn from(row: Row) -> Self {
        Self {
            id: ProductId::from(row.product_id),
            slug: row.slug,
            name: row.name,
            description: row.description,
            price: Money::new(row.price_amount, row.currency),
            available: row.available,
            reserved: row.reserved,
            version: row.version,
            created_at: row.created_at,
        }
    }
}

/// Lists a page of the catalog: all products, newest first, or those that match `query`, the best
/// match first.
///
/// Words of the name count most, then beginnings of words, then words of the description, then
/// parts of words and typing mistakes; among equal matches the newest comes first.
pub async fn search(
    conn: &mut PgConnection,
    query: Option<&str>,
    cursor: Option<Cursor>,
    limit: u32,
) -> sqlx::Result<Page<Product>> {
    match query.map(str::trim).filter(|query| !query.is_empty()) {
        Some(query) => by_relevance(conn, query, cursor, limit).await,
        None => newest(conn, cursor, limit).await,
    }
}

async fn newest(
    conn: &mut PgConnection,
    cursor: Option<Cursor>,
    limit: u32,
) -> sqlx::Result<Page<Product>> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        select p.product_id, p.slug, p.name, p.description, p.price_amount, p.currency as "currency: Currency",
               s.received - s.sold - s.reserved as "available!", s.reserved, p.version, p.created_at
        from commerce.product p join commerce.stock s using (product_id)
        where p.deleted_at is null
          and ($1::uuid is null or p.product_id < $1)
        order by p.product_id desc
        limit $2
        "#,
        cursor.map(|cursor| cursor.id),
        i64::from(limit) + 1,
    )
    .fetch_all(conn)
    .await?;
    let page = Page::from_rows(rows, limit, |row| row.product_id);
    Ok(Page {
        items: page.items.into_iter().map(Product::from).collect(),
        next_cursor: page.next_cursor,
    })
}

async fn by_relevance(
    conn: &mut PgConnection,
    query: &str,
    cursor: Option<Cursor>,
    limit: u32,
) -> sqlx::Result<Page<Product>> {
    let mut rows = sqlx::query!(
        r#"
        with asked as (
            select websearch_to_tsquery('english', $1) as words,
                   replace(replace(replace($1, '\', '\\'), '%', '\%'), '_', '\_') as literally
        ), ranked as (
            select p.*,
                   case
                       when to_tsvector('english', p.name) @@ asked.words then 4000
                       when ' ' || p.name ilike '% ' || asked.literally || '%' then 3000
                       when p.search @@ asked.words then 2000
                       when p.name ilike '%' || asked.literally || '%' then 1000
                       else 0
                   end + round(999 * word_similarity($1, p.name))::integer as rank
            from commerce.product p cross join asked
            where p.deleted_at is null
              and (p.search @@ asked.words
                   or p.name ilike '%' || asked.literally || '%'
                   or word_similarity($1, p.name) >= 0.4)
        )
        select p.product_id, p.slug, p.name, p.description, p.price_amount, p.currency as "currency: Currency",
               s.received - s.sold - s.reserved as "available!", s.reserved, p.version, p.created_at, p.rank as "rank!"
        from ranked p join commerce.stock s using (product_id)
        where $2::uuid is null
           or (p.rank, p.product_id) < ($3::integer, $2)
        order by p.rank desc, p.product_id desc
        limit $4
        "#,
        query,
        cursor.map(|cursor| cursor.id),
        // a cursor of a list without ranks: start at the best match
        cursor.and_then(|cursor| cursor.rank).unwrap_or(i32::MAX),
        i64::from(limit) + 1,
    )
    .fetch_all(conn)
    .await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let last = rows.last().filter(|_| more);
    Ok(Page {
        next_cursor: last.map(|row| Cursor {
            id: row.product_id,
            rank: Some(row.rank),
        }),
        items: rows
            .into_iter()
            .map(|row| {
                Product::from(Row {
                    product_id: row.product_id,
                    slug: row.slug,
                    name: row.name,
                    description: row.description,
                    price_amount: row.price_amount,
                    currency: row.currency,
                    available: row.available,
                    reserved: row.reserved,
                    version: row.version,
                    created_at: row.created_at,
                })
            })
            .collect(),
    })
}

/// Finds a product by its slug, unless it is deleted.
pub async fn find_by_slug(conn: &mut PgConnection, slug: &str) -> sqlx::Result<Option<Product>> {
    let row = sqlx::query_as!(
        Row,
        r#"
        select p.product_id, p.slug, p.name, p.description, p.price_amount, p.currency as "currency: Currency",
               s.received - s.sold - s.reserved as "available!", s.reserved, p.version, p.created_at
        from commerce.product p join commerce.stock s using (product_id)
        where p.slug = $1
          and p.deleted_at is null
        "#,
        slug,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Product::from))
}

/// Finds a product, unless it is deleted.
pub async fn find(conn: &mut PgConnection, id: ProductId) -> sqlx::Result<Option<Product>> {
    let row = sqlx::query_as!(
        Row,
        r#"
        select p.product_id, p.slug, p.name, p.description, p.price_amount, p.currency as "currency: Currency",
               s.received - s.sold - s.reserved as "available!", s.reserved, p.version, p.created_at
        from commerce.product p join commerce.stock s using (product_id)
        where p.product_id = $1
          and p.deleted_at is null
        "#,
        id.uuid(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Product::from))
}

/// Adds a product. Its slug is derived from its name, with a number appended if the slug is taken.
///
/// # Errors
/// When the database fails.
pub async fn create(
    conn: &mut PgConnection,
    id: ProductId,
    draft: &Draft,
) -> Result<Product, EditError> {
    let slug = slug_of(&draft.name);
    // one creation at a time: the lock makes the second one see the first. One lock per name is not
    // enough, since a second `Mug` and a first `Mug 2` want the same slug
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended($1, 1))",
        "commerce.product.slug"
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        r#"
        with product as (
            insert into commerce.product (product_id, slug, name, description, price_amount, currency)
            select $1,
                   (select $2 || case when n = 1 then '' else '-' || n end
                    from generate_series(1, 10000) as n
                    where not exists (select from commerce.product p
                                      where p.slug = $2 || case when n = 1 then '' else '-' || n end)
                    order by n
                    limit 1),
                   $3, $4, $5, $6
        )
        insert into commerce.stock (product_id, received) values ($1, $7)
        "#,
        id.uuid(),
        slug,
        draft.name,
        draft.description,
        draft.price.amount,
        draft.price.currency.as_str(),
        draft.stock,
    )
    .execute(&mut *conn)
    .await?;
    find(conn, id).await?.ok_or(EditError::NotFound(id))
}

/// Edits a product, if it is still at `version`. Ignores `draft.stock` in favor of `stock`.
///
/// # Errors
/// [`EditError`]
pub async fn update(
    conn: &mut PgConnection,
    id: ProductId,
    version: i64,
    draft: &Draft,
    stock: StockEdit,
) -> Result<Product, EditError> {
    let updated = sqlx::query!(
        r#"
        update commerce.product
        set name = $3, description = $4, price_amount = $5, currency = $6, version = version + 1,
            updated_at = clock_timestamp()
        where product_id = $1
          and version = $2
          and deleted_at is null
        "#,
        id.uuid(),
        version,
        draft.name,
        draft.description,
        draft.price.amount,
        draft.price.currency.as_str(),
    )
    .execute(&mut *conn)
    .await?;
    if updated.rows_affected() == 0 {
        return Err(stale(conn, id).await?);
    }
    edit_stock(conn, id, stock).await?;
    find(conn, id).await?.ok_or(EditError::NotFound(id))
}

async fn edit_stock(
    conn: &mut PgConnection,
    id: ProductId,
    edit: StockEdit,
) -> Result<(), EditError> {
    if edit == StockEdit::Keep {
        return Ok(());
    }
    // locked: no sale can happen between this read and the write
    let now = sqlx::query!(
        r#"select on_hand as "on_hand!", reserved from commerce.stock where product_id = $1 for update"#,
        id.uuid()
    )
    .fetch_one(&mut *conn)
    .await?;
    let difference = match edit {
        StockEdit::Keep => 0,
        StockEdit::Change { seen, to } => to - seen,
        StockEdit::Confirm(stock) if stock == now.on_hand => 0,
        StockEdit::Confirm(_) => return Err(EditError::StockUnseen { stock: now.on_hand }),
    };
    let left = now.on_hand + difference;
    if left < now.reserved {
        let reserved = now.reserved;
        return Err(EditError::StockBelowReserved { reserved, left });
    }
    sqlx::query!(
        "update commerce.stock set received = received + $2 where product_id = $1",
        id.uuid(),
        difference
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes a product from the catalog, if it is still at `version`. Existing orders keep their
/// lines.
///
/// # Errors
/// [`EditError`]
pub async fn delete(conn: &mut PgConnection, id: ProductId, version: i64) -> Result<(), EditError> {
    let deleted = sqlx::query!(
        r#"
        update commerce.product
        set deleted_at = clock_timestamp(), version = version + 1
        where product_id = $1
          and version = $2
          and deleted_at is null
        "#,
        id.uuid(),
        version,
    )
    .execute(&mut *conn)
    .await?;
    if deleted.rows_affected() == 0 {
        return Err(stale(conn, id).await?);
    }
    Ok(())
}

async fn stale(conn: &mut PgConnection, id: ProductId) -> sqlx::Result<EditError> {
    let found = find(conn, id).await?;
    Ok(
        found.map_or(EditError::NotFound(id), |product| EditError::Stale {
            current: product.version,
        }),
    )
}
