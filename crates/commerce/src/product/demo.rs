//! The demo catalog.

use kernel::{Money, ProductId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Draft, EditError, create};

/// The first demo product's id, a UUIDv7 of June 2024; the other ids follow. The ids are fixed, so
/// that loading the catalog twice adds it once, and old, so that the demo products are listed after
/// all products added later.
const FIRST_ID: u128 = 0x0190_0000_0000_7000_8000_0000_0000_0000;

/// Name, description, price in cents, stock.
const PRODUCTS: [(&str, &str, i64, i64); 24] = [
    (
        "Enamel Mug",
        "Steel mug with a white enamel coat, 0.3 litres. Survives campfires.",
        1290,
        500,
    ),
    (
        "Pour-Over Kettle",
        "Gooseneck kettle of brushed steel with a thermometer in its lid, for kitchen and office.",
        5490,
        80,
    ),
    (
        "Hand Coffee Grinder",
        "Conical burrs of hardened steel, forty clicks from espresso to press.",
        7900,
        60,
    ),
    (
        "French Press",
        "Borosilicate glass in a walnut frame, one litre.",
        3950,
        120,
    ),
    (
        "Espresso Cups, Set of Four",
        "Stoneware cups with saucers, glazed by hand.",
        3200,
        90,
    ),
    (
        "Cast Iron Skillet",
        "Pre-seasoned kitchen pan of 26 centimetres for a lifetime of breakfasts.",
        4290,
        150,
    ),
    (
        "Chef's Knife",
        "Kitchen knife: twenty centimetres of Damascus steel with an olive wood handle.",
        11900,
        40,
    ),
    (
        "Cutting Board",
        "End-grain oak board for the kitchen, with a juice groove and rubber feet.",
        5900,
        110,
    ),
    (
        "Linen Apron",
        "Kitchen apron of washed linen with two pockets and a long strap.",
        3490,
        200,
    ),
    (
        "Beeswax Wraps",
        "Three sizes of cotton in beeswax, instead of cling film.",
        1690,
        400,
    ),
    (
        "Sourdough Basket",
        "Rattan proofing basket with a linen liner.",
        2190,
        130,
    ),
    (
        "Olive Oil, Cold Pressed",
        "Half a litre from one grove, harvested in November.",
        1590,
        350,
    ),
    (
        "Wool Blanket",
        "Merino blanket of 130 by 180 centimetres, woven in one piece.",
        12900,
        45,
    ),
    (
        "Reading Lamp",
        "Brass lamp for the desk with a jointed arm and a warm bulb.",
        8900,
        70,
    ),
    (
        "Desk Notebook",
        "Dotted paper of 120 grams that opens flat, 192 pages.",
        1890,
        600,
    ),
    (
        "Fountain Pen",
        "For the desk: resin body, steel nib, converter included.",
        4500,
        160,
    ),
    (
        "Mechanical Keyboard",
        "Compact layout for a small desk, with quiet switches and PBT caps.",
        13900,
        55,
    ),
    (
        "Bookshelf Speaker Pair",
        "Two-way speakers with silk tweeters in real veneer.",
        24900,
        25,
    ),
    (
        "Canvas Backpack",
        "Waxed canvas, leather straps, a sleeve for a laptop.",
        9900,
        85,
    ),
    (
        "Trail Bottle",
        "Double-walled steel bottle of 0.75 litres.",
        2990,
        300,
    ),
    (
        "Bicycle Bell",
        "Brass bell with a clear, long tone.",
        1950,
        250,
    ),
    (
        "Rain Jacket",
        "Light shell for the trail with taped seams; packs into its own pocket.",
        14900,
        65,
    ),
    (
        "Camping Hammock",
        "Parachute nylon with tree straps for the trail, holds 200 kilograms.",
        5900,
        95,
    ),
    (
        "Sundial, Pocket Size",
        "Brass sundial for your latitude, with instructions. The last of its kind.",
        2450,
        3,
    ),
];

/// Loads the demo catalog; existing products stay as they are. Returns how many were added.
///
/// # Errors
/// When the database fails.
pub async fn seed(conn: &mut PgConnection) -> Result<usize, EditError> {
    let mut added = 0;
    for ((name, description, amount, stock), n) in PRODUCTS.into_iter().zip(0u128..) {
        let id = Uuid::from_u128(FIRST_ID + n);
        let there = sqlx::query_scalar!(
            r#"select exists (select from commerce.product where product_id = $1) as "there!""#,
            id
        )
        .fetch_one(&mut *conn)
        .await?;
        if there {
            continue;
        }
        let price = Money::new(amount, "EUR".parse().expect("EUR is a currency"));
        let draft = Draft {
            name: name.to_owned(),
            description: description.to_owned(),
            price,
            stock,
        };
        create(conn, ProductId::from(id), &draft).await?;
        added += 1;
    }
    Ok(added)
}
