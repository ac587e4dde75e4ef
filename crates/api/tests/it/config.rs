//! The API's configuration, as a process sees it.

/// Starts the API with these variables beside sensible ones; it must refuse. Returns what it says.
fn refused(variables: &[(&str, &str)]) -> String {
    let key = std::env::temp_dir().join(format!("api-key-{}.pem", std::process::id()));
    std::fs::write(&key, tokens::generate_key_pem()).unwrap();
    let sensible = [
        ("SHOP_DATABASE_URL", "postgres://127.0.0.1:1/shop"),
        ("TOKEN_SIGNING_KEY_FILE", key.to_str().unwrap()),
        ("API_LISTEN", "127.0.0.1:0"),
        ("API_ADMIN_LISTEN", "127.0.0.1:0"),
    ];
    testkit::refused(
        env!("CARGO_BIN_EXE_api"),
        &[],
        &[&sensible, variables].concat(),
    )
}

#[test]
fn configuration_that_makes_no_sense_is_refused_with_a_sentence_that_names_the_variable() {
    for (variable, nonsense) in [
        ("SHOP_DATABASE_URL", "mysql://nowhere"),
        ("SHOP_DATABASE_URL", ""),
        ("SHOP_DATABASE_MAX_CONNECTIONS", "0"),
        ("API_LISTEN", "everywhere"),
        ("API_ADMIN_LISTEN", "80"),
        ("PAYMENTS_URL", "nowhere"),
        ("TOKEN_SIGNING_KEY_FILE", "/nowhere/key.pem"),
        ("TOKEN_SIGNING_KEY_FILE", "/dev/null"),
        ("SAGA_LEASE_MS", "3000"),
        ("SAGA_CALL_TIMEOUT_MS", "0"),
        ("SAGA_RETRY_BASE_MS", "60000"),
        ("ORDER_WAIT_MS", "soon"),
        ("PAYMENT_DEADLINE_MS", "-1"),
        ("LOG_FORMAT", "xml"),
        ("CORS_ORIGINS", "shop\u{1}"),
    ] {
        let said = refused(&[(variable, nonsense)]);
        let flag = variable.to_lowercase().replace('_', "-");
        assert!(
            said.contains(variable) || said.contains(&flag),
            "{variable}={nonsense}: {said}"
        );
        assert!(!said.contains("panicked"), "{variable}={nonsense}: {said}");
    }
}
