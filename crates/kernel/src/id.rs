use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema,
        )]
        #[serde(transparent)]
        #[sqlx(transparent)]
        #[schema(value_type = String, format = Uuid)]
        pub struct $name(Uuid);

        impl $name {
            /// Creates a new id, ordered by time (UUIDv7).
            #[expect(clippy::new_without_default, reason = "an id is made on purpose, never by default")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The plain UUID, for SQL arrays and wire formats.
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

ids! {
    /// An account.
    UserId,
    /// Commerce's own record of a user.
    ClientId,
    /// A product of the catalog.
    ProductId,
    /// An order.
    OrderId,
    /// A payment transaction; chosen by the shop before payments is called.
    TransactionId,
    /// A saga.
    SagaId,
    /// An outbox entry; for a message also its AMQP message id.
    EntryId,
    /// A signal to a saga.
    SignalId,
    /// A request for a mail, made without a login.
    MailRequestId,
}

impl OrderId {
    /// The order number shown to people: the last eight digits of the id, which are random.
    pub fn number(self) -> String {
        let digits = self.0.simple().to_string();
        digits[digits.len() - 8..].to_uppercase()
    }
}
