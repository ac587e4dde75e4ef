use std::net::SocketAddr;

use axum::{
    extract::{ConnectInfo, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use commerce::product::{self, Draft, EditError, StockEdit};
use kernel::{Money, ProductId};
use operator::audit::Verb;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use web::{
    BodyProblems, Caller, CallerProblems, IdProblems, Json, PageProblems, Path, Problem,
    ProblemBody, PublicProblems, Query, kinds,
};

use super::{App, audited, problems, problems::VersionProblems, rules, rules::MAX_PRODUCT, shapes};

#[derive(Deserialize, IntoParams)]
pub(super) struct Search {
    /// Words or prefixes of words; typing mistakes are tolerated.
    #[param(value_type = Option<rules::SearchText>, inline)]
    search: Option<String>,
    /// `next_cursor` of the previous page.
    #[param(value_type = Option<rules::PageCursor>, inline)]
    cursor: Option<String>,
    /// Items per page; 20 by default.
    #[param(value_type = Option<rules::PageLimit>, inline)]
    limit: Option<u32>,
}

/// The catalog: newest first, or with `search` the best match first.
#[utoipa::path(
    get, path = "/api/products", operation_id = "search_products", params(Search),
    responses(
        (status = 200, body = shapes::Page<shapes::Product>, description = "A page of it"),
        (status = 429, body = ProblemBody, content_type = "application/problem+json",
         description = "`too-many-requests`: many searches from one network"),
        PublicProblems, PageProblems,
    )
)]
pub(super) async fn search(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(query): Query<Search>,
) -> Result<Json<shapes::Page<shapes::Product>>, Problem> {
    rules::check_search("search", query.search.as_deref())?;
    let (cursor, limit) = shapes::Paging::new(query.cursor, query.limit).checked()?;
    if query.search.is_some() {
        app.searches.check(peer.ip())?;
    }
    let page = product::search(
        &mut *app.pool.acquire().await?,
        query.search.as_deref(),
        cursor,
        limit,
    )
    .await?;
    Ok(Json(shapes::Page::of(page)))
}

/// Read a product.
#[utoipa::path(
    get, path = "/api/products/{product}", operation_id = "find_product",
    params(("product" = String, Path, description = "Its slug")),
    responses(
        (status = 200, body = shapes::Product, description = "The product; `ETag` has its version"),
        IdProblems, PublicProblems,
    )
)]
pub(super) async fn find(
    State(app): State<App>,
    Path(slug): Path<String>,
) -> Result<Response, Problem> {
    Ok(tagged(StatusCode::OK, by_slug(&app, &slug).await?))
}

/// Read a product and its stock.
#[utoipa::path(
    get, path = "/api/admin/products/{product}", operation_id = "find_stocked_product", security(("bearer" = [])),
    params(("product" = String, Path, description = "Its slug")),
    responses(
        (status = 200, body = shapes::StockedProduct, description = "The product and its stock"),
        IdProblems, CallerProblems,
    )
)]
pub(super) async fn find_stocked(
    State(app): State<App>,
    caller: Caller,
    Path(slug): Path<String>,
) -> Result<Json<shapes::StockedProduct>, Problem> {
    caller.require_role("admin")?;
    Ok(Json(by_slug(&app, &slug).await?.into()))
}

async fn by_slug(app: &App, slug: &str) -> Result<product::Product, Problem> {
    let not_found = || Problem::new(kinds::NOT_FOUND).detail("Product not found.");
    if slug.contains('\0') {
        return Err(not_found());
    }
    let found = product::find_by_slug(&mut *app.pool.acquire().await?, slug).await?;
    found.ok_or_else(not_found)
}

/// A new product.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WriteProduct {
    #[schema(value_type = rules::ProductName)]
    name: String,
    #[schema(value_type = rules::ProductDescription)]
    description: String,
    #[schema(value_type = rules::Price)]
    price: Money,
    /// Units in stock.
    #[schema(value_type = rules::Stock)]
    stock: i64,
}

/// The desired state of a product.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EditProduct {
    #[schema(value_type = rules::ProductName)]
    name: String,
    #[schema(value_type = rules::ProductDescription)]
    description: String,
    #[schema(value_type = rules::Price)]
    price: Money,
    /// Units in stock, including those reserved by orders. If absent, the stock stays as it is.
    #[schema(value_type = Option<rules::Stock>)]
    stock: Option<i64>,
    /// The `stock` that the editor saw. The stock changes by the difference of the two, so that
    /// units sold in the meantime stay sold. Without it, `stock` must equal the current stock.
    #[schema(value_type = Option<rules::Stock>)]
    stock_seen: Option<i64>,
}

impl WriteProduct {
    fn checked(self) -> Result<Draft, Problem> {
        rules::check_product_name(&self.name)?;
        rules::check_description(&self.description)?;
        if !(1..=MAX_PRODUCT).contains(&self.price.amount) {
            let at = |amount| Money::new(amount, self.price.currency.clone());
            return Err(Problem::invalid(
                "price.amount",
                "range",
                format!("Enter an amount from {} to {}.", at(1), at(MAX_PRODUCT)),
            ));
        }
        Ok(Draft {
            name: self.name.trim().to_owned(),
            description: self.description,
            price: self.price,
            stock: quantity("stock", self.stock)?,
        })
    }
}

impl EditProduct {
    fn checked(self) -> Result<(Draft, StockEdit), Problem> {
        let stock = self
            .stock
            .map(|stock| quantity("stock", stock))
            .transpose()?;
        let seen = self.stock_seen;
        let seen = seen.map(|seen| quantity("stock_seen", seen)).transpose()?;
        let draft = WriteProduct {
            name: self.name,
            description: self.description,
            price: self.price,
            stock: stock.unwrap_or_default(),
        };
        let edit = match (stock, seen) {
            (None, _) => StockEdit::Keep,
            (Some(to), Some(seen)) => StockEdit::Change { seen, to },
            (Some(stock), None) => StockEdit::Confirm(stock),
        };
        Ok((draft.checked()?, edit))
    }
}

fn quantity(field: &'static str, count: i64) -> Result<i64, Problem> {
    if (0..=MAX_PRODUCT).contains(&count) {
        Ok(count)
    } else {
        let message = format!("Enter a number from 0 to {MAX_PRODUCT}.");
        Err(Problem::invalid(field, "range", message))
    }
}

/// Add a product.
#[utoipa::path(
    post, path = "/api/products", operation_id = "create_product", security(("bearer" = [])),
    request_body = WriteProduct,
    responses(
        (status = 201, body = shapes::Product, description = "The new product; `ETag` has its version"),
        CallerProblems, BodyProblems,
    )
)]
pub(super) async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(request): Json<WriteProduct>,
) -> Result<Response, Problem> {
    caller.require_role("admin")?;
    let draft = request.checked()?;
    let mut tx = db::begin(&app.pool).await?;
    let product = product::create(&mut tx, ProductId::new(), &draft)
        .await
        .map_err(not_edited)?;
    audited::product(&mut tx, &caller, Verb::ProductCreate, None, Some(&product)).await?;
    tx.commit().await?;
    Ok(tagged(StatusCode::CREATED, product))
}

/// Edit a product; its slug does not change.
#[utoipa::path(
    put, path = "/api/products/{product}", operation_id = "update_product", security(("bearer" = [])),
    request_body = EditProduct,
    params(
        ("product" = ProductId, Path, description = "Its id"),
        ("If-Match" = inline(rules::ETag), Header, description = "The version that was edited, as its `ETag` said"),
    ),
    responses(
        (status = 200, body = shapes::Product, description = "The product as it is now; `ETag` has its version"),
        CallerProblems, BodyProblems,
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
         description = "`malformed`: the path, `If-Match` or the body cannot be read"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not-found`"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json", description = "`stock-held`"),
        VersionProblems,
    )
)]
pub(super) async fn update(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ProductId>,
    headers: HeaderMap,
    Json(request): Json<EditProduct>,
) -> Result<Response, Problem> {
    caller.require_role("admin")?;
    let version = version(&headers)?;
    let (draft, stock) = request.checked()?;
    let mut tx = db::begin(&app.pool).await?;
    let before = product::find(&mut tx, id).await?;
    let product = product::update(&mut tx, id, version, &draft, stock)
        .await
        .map_err(not_edited)?;
    let (before, after) = (before.as_ref(), Some(&product));
    audited::product(&mut tx, &caller, Verb::ProductUpdate, before, after).await?;
    tx.commit().await?;
    Ok(tagged(StatusCode::OK, product))
}

/// Remove a product from the catalog; existing orders keep their lines.
#[utoipa::path(
    delete, path = "/api/products/{product}", operation_id = "delete_product", security(("bearer" = [])),
    params(
        ("product" = ProductId, Path, description = "Its id"),
        ("If-Match" = inline(rules::ETag), Header, description = "The version that was seen, as its `ETag` said"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        CallerProblems,
        (status = 400, body = ProblemBody, content_type = "application/problem+json",
         description = "`malformed`: the path or `If-Match` cannot be read"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "`not-found`"),
        VersionProblems,
    )
)]
pub(super) async fn delete(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<ProductId>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    caller.require_role("admin")?;
    let version = version(&headers)?;
    let mut tx = db::begin(&app.pool).await?;
    let before = product::find(&mut tx, id).await?;
    product::delete(&mut tx, id, version)
        .await
        .map_err(not_edited)?;
    audited::product(&mut tx, &caller, Verb::ProductDelete, before.as_ref(), None).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn tagged(status: StatusCode, product: product::Product) -> Response {
    let tag = format!("\"{}\"", product.version);
    let mut response = (status, Json(shapes::Product::from(product))).into_response();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn version(headers: &HeaderMap) -> Result<i64, Problem> {
    let value = headers
        .get(header::IF_MATCH)
        .and_then(|value| value.to_str().ok())
        .ok_or_else(|| {
            Problem::new(problems::IF_MATCH_MISSING)
                .detail("Send the header `If-Match` with the `ETag` that you saw.")
        })?;
    rules::version(value.trim()).ok_or_else(|| {
        Problem::new(kinds::MALFORMED).field(
            "If-Match",
            "malformed",
            "is an `ETag` of ours, such as \"3\"",
        )
    })
}

fn not_edited(error: EditError) -> Problem {
    match error {
        EditError::NotFound(_) => Problem::new(kinds::NOT_FOUND).detail("Product not found."),
        EditError::Stale { current } => Problem::new(problems::STALE)
            .detail("Load the latest version, then edit that.")
            .with("version", current),
        EditError::StockBelowReserved { reserved, left } => Problem::new(problems::STOCK_HELD)
            .detail(format!("Orders reserve {reserved} units, {left} would be left."))
            .with("reserved", reserved)
            .field(
                "stock",
                "range",
                format!("Stock can't be lower than the {reserved} reserved units."),
            ),
        EditError::StockUnseen { stock } => Problem::invalid(
            "stock_seen",
            "missing",
            format!("The stock is {stock} now. To change it, send the stock that you saw as `stock_seen`."),
        )
        .with("stock", stock),
        EditError::Db(error) => error.into(),
    }
}
