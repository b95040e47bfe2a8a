//! What a client asks for, before the database's structure is considered.

mod beyond;
mod body;
mod conditions;
mod csv;
mod cursor;
mod field;
mod filter;
mod intent;
mod media;
mod order;
mod preferences;
mod query;
mod range;
mod select;
#[cfg(test)]
mod tests;
mod token;

pub(crate) use beyond::{Distinct, Having};
pub(crate) use body::{InvalidBody, Payload, read as read_body};
pub(crate) use conditions::{Conditions, Tags};
pub(crate) use field::{Field, Operand};
pub(crate) use filter::{Filter, Logic, Quantifier, Test};
pub use intent::Incoming;
pub(crate) use intent::{Action, Intent, Resource, schema};
pub(crate) use media::Media;
pub(crate) use order::OrderTerm;
pub(crate) use preferences::{
    Count, Handling, Missing, Nested, Preferences, Resolution, Return, TransactionEnd,
};
pub(crate) use query::{Parameters, QueryFault, URL_RESERVED};
pub(crate) use range::{RangeFault, RowRange};
pub(crate) use select::{Aggregate, Embed, Item, SelectedField};
pub(crate) use token::Place;
