use sqlx::Error;

/// The name of the constraint that made the database refuse a statement.
///
/// Constraints have names because code matches on them.
pub fn constraint(error: &Error) -> Option<&str> {
    match error {
        Error::Database(database) => database.constraint(),
        _ => None,
    }
}

/// Whether the database could not be reached, or the connection broke: the statement is not known
/// to be wrong, so this is not an attempt. The caller should wait and retry.
pub fn is_unreachable(error: &Error) -> bool {
    match error {
        Error::Io(_)
        | Error::PoolTimedOut
        | Error::PoolClosed
        | Error::WorkerCrashed
        | Error::Tls(_) => true,
        Error::Protocol(_) => true, // the connection was cut in the middle of a message
        Error::Database(database) => database.code().is_some_and(|code| {
            // 08 connection, 57P admin shutdown and crash, 53 out of connections, disk or memory,
            // 25006 read-only
            code.starts_with("08")
                || code.starts_with("57P")
                || code.starts_with("53")
                || code == "25006"
        }),
        _ => false,
    }
}

/// Whether the same transaction may succeed when it is run again: after a deadlock or a
/// serialization failure.
pub fn is_retryable(error: &Error) -> bool {
    matches!(error, Error::Database(database)
        if database.code().is_some_and(|code| code == "40P01" || code == "40001"))
}
