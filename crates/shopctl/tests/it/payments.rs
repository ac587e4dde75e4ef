//! How payments is asked, from the settings alone.

use serde_json::{Value, json};

use crate::place::{Place, ran};

#[tokio::test]
async fn a_missing_setting_is_named_in_a_sentence() {
    let place = Place::open().await;
    let unset = place.run(&["payments", "-o", "json"]);
    assert_eq!(unset.code, Some(6), "{unset:?}");
    let known = unset.objects().remove(0);
    assert_eq!(known["not_asked"], "PAYMENTS_URL is not set");
    assert_eq!(known["level"], Value::Null);
    assert_eq!(known["database"]["read"], false);
    assert_eq!(known["database"]["why"], "PAYMENTS_DATABASE_URL is not set");

    let mut command = place.command(&["payments"]);
    let keyless = ran(command.env("PAYMENTS_URL", "http://127.0.0.1:1"));
    assert_eq!(keyless.code, Some(6), "{keyless:?}");
    assert!(
        keyless.err.contains("SERVICE_SIGNING_KEY_FILE is not set"),
        "{keyless:?}"
    );

    let mut command = place.command(&["payments"]);
    let wrong = ran(command.env("PAYMENTS_URL", "payments:8081"));
    assert_eq!(wrong.code, Some(2), "{wrong:?}");
}

#[tokio::test]
async fn a_database_without_a_service_is_not_verified() {
    let place = Place::open().await;
    let url = testkit::database("payments", &db::PAYMENTS).await;
    let mut command = place.command(&["payments", "-o", "json"]);
    let ran = ran(command.env("PAYMENTS_DATABASE_URL", &url));
    let database = &ran.objects()[0]["database"];
    assert_eq!(
        *database,
        json!({
            "read": false,
            "why": "it is not verified: nothing proves that it belongs to payments, because PAYMENTS_URL is not set",
        })
    );
}
