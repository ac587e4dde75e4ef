//! The HTTP edge that api and payments share: problem documents, strict extractors, callers,
//! headers and a graceful server.
//!
//! Every error reaches the client as an RFC 9457 problem document with the trace id: handlers
//! return a [`Problem`], and [`finish`] turns all other error responses of the stack into one.

mod caller;
mod doc;
mod extract;
mod problem;
mod refusal;
pub mod schema;
mod server;
mod strict;

pub use caller::{Admin, Caller, Gate, Operator, SessionCheck, Sessions};
pub use doc::{
    BodyProblems, CallerProblems, IdProblems, PageProblems, PublicProblems, ResponseOrRef,
    problem_responses,
};
pub use extract::{Json, Path, Query};
pub use problem::{COMMON, FieldError, Kind, Problem, ProblemBody, kinds};
pub use server::{Layers, OwnBody, ServerLimits, finish, serve, shutdown_signal};
