//! The data API: PostgREST's HTTP interface to a Postgres database, as a function of isobase.
//!
//! A request is a pipeline of values, one room each:
//!
//! - `request` reads what the client asks for, without knowing the database;
//! - `catalog` holds the database's structure;
//! - `plan` matches the two: which relation, which relationships, which columns;
//! - `sql` writes the plan as **one statement**, every value a parameter;
//! - `respond` makes status and headers from the one row that comes back. The body, its last column,
//!   stays in the host and is sent from there.
//!
//! A [`batch`] sends several requests through that pipeline in one transaction; it and the rest of what
//! PostgREST does not have are told in `BEYOND.md`.
//!
//! All of these are pure. Only the component's `act` touches the host; natively, [`serve`] takes any
//! [`Host`], which is how the tests run it against a bare Postgres.
//!
//! ```
//! use isobase_rest::{Settings, catalog_sql};
//!
//! let settings = Settings { schemas: vec!["public".into()], ..Settings::default() };
//! assert!(catalog_sql(&settings).contains("'public'"));
//! ```

#[cfg(target_arch = "wasm32")]
mod act;
#[cfg(test)]
mod any_request;
mod batch;
mod catalog;
mod fuzzy;
mod nested;
mod plan;
mod problem;
mod request;
mod respond;
mod serve;
mod settings;
mod sql;
mod stopwatch;

pub use catalog::{Catalog, catalog_sql};
pub use problem::{Problem, SqlFault};
pub use request::Incoming;
pub use respond::{Answer, AnswerBody, Head, HeadValue};
pub use serve::{End, Host, HostError, Ran, Step, Steps, Work, serve};
pub use settings::Settings;
pub use sql::{Bound, Statement};
