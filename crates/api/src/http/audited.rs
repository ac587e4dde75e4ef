//! Writes acts of staff through the API to the audit: the actor, the object, its state before and
//! after.

use commerce::product::Product;
use operator::{
    Actor,
    audit::{self, Act, Subject, Verb},
};
use serde_json::{Value, json};
use sqlx::PgConnection;
use web::{Caller, Problem};

/// Reason in audit rows of calls that ask for none.
const NOT_ASKED: &str = "(no reason is asked for)";

/// The actor of a call that asks for no reason.
fn unasked(caller: &Caller) -> Result<Actor, Problem> {
    let name = format!("user {}", caller.user()?);
    Actor::new(name, NOT_ASKED).map_err(|error| Problem::internal("write the audit", &error))
}

/// Writes an act to the audit, in the caller's transaction.
pub(super) async fn write(
    conn: &mut PgConnection,
    actor: &Actor,
    verb: Verb,
    subject: Subject<'_>,
    (before, after): (Value, Value),
) -> sqlx::Result<()> {
    let act = Act {
        actor,
        verb,
        subject,
        before,
        after,
        batch_id: None,
        trace_id: None,
    };
    audit::record(conn, &act).await.map(drop)
}

/// Writes a change of the catalog to the audit, in the transaction that made the change.
pub(super) async fn product(
    conn: &mut PgConnection,
    caller: &Caller,
    verb: Verb,
    before: Option<&Product>,
    after: Option<&Product>,
) -> Result<(), Problem> {
    let Some(about) = after.or(before) else {
        return Ok(());
    };
    let actor = unasked(caller)?;
    let changed = (shown(before), shown(after));
    let id = about.id.to_string();
    write(conn, &actor, verb, Subject::Product(&id), changed).await?;
    Ok(())
}

fn shown(product: Option<&Product>) -> Value {
    product.map_or(Value::Null, |product| {
        json!({
            "name": product.name,
            "description": product.description,
            "price": product.price,
            "stock": product.available + product.reserved,
            "version": product.version,
        })
    })
}

/// Writes a login of staff to the audit; logins of buyers are private and not recorded.
pub(super) async fn login(
    conn: &mut PgConnection,
    user: &auth::Profile,
    network: String,
) -> Result<(), Problem> {
    let actor = Actor::new(format!("user {}", user.id), NOT_ASKED)
        .map_err(|error| Problem::internal("write the audit", &error))?;
    let after = json!({ "roles": user.roles, "network": network });
    let id = user.id.to_string();
    write(
        conn,
        &actor,
        Verb::UserLogin,
        Subject::User(&id),
        (Value::Null, after),
    )
    .await?;
    Ok(())
}
