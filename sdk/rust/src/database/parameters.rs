//! Values bound to `$1`, `$2`, ….

use super::{Parameter, host};
use crate::body::{Body, Unread};

/// What can stand for the parameters of a statement: `()`, a tuple, an array or a vector of values.
///
/// ```
/// # use isobase_sdk::database::{Error, query};
/// # fn example() -> Result<(), Error> {
/// query("select 1", ())?;
/// query("insert into todos (title, done) values ($1, $2)", ("write", false))?;
/// # Ok(()) }
/// ```
pub trait IntoParameters {
    fn into_parameters(self) -> Vec<Parameter>;
}

impl IntoParameters for () {
    fn into_parameters(self) -> Vec<Parameter> {
        Vec::new()
    }
}

impl<P: Into<Parameter>> IntoParameters for Vec<P> {
    fn into_parameters(self) -> Vec<Parameter> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<P: Into<Parameter>, const N: usize> IntoParameters for [P; N] {
    fn into_parameters(self) -> Vec<Parameter> {
        self.into_iter().map(Into::into).collect()
    }
}

macro_rules! tuples {
    ($($($name:ident)+;)+) => {$(
        impl<$($name: Into<Parameter>),+> IntoParameters for ($($name,)+) {
            #[allow(non_snake_case, reason = "one name for the type and its value")]
            fn into_parameters(self) -> Vec<Parameter> {
                let ($($name,)+) = self;
                vec![$($name.into()),+]
            }
        }
    )+};
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}

impl From<bool> for Parameter {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i32> for Parameter {
    fn from(value: i32) -> Self {
        Self::Int32(value)
    }
}

impl From<i64> for Parameter {
    fn from(value: i64) -> Self {
        Self::Int64(value)
    }
}

impl From<f64> for Parameter {
    fn from(value: f64) -> Self {
        Self::Float64(value)
    }
}

/// In Postgres' input format: the server infers the type from where `$n` stands.
impl From<&str> for Parameter {
    fn from(value: &str) -> Self {
        Self::Text(value.into())
    }
}

impl From<String> for Parameter {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<u8>> for Parameter {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl From<serde_json::Value> for Parameter {
    fn from(value: serde_json::Value) -> Self {
        Self::Text(value.to_string())
    }
}

impl<P: Into<Parameter>> From<Option<P>> for Parameter {
    fn from(value: Option<P>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The request's body, bound as text within the host.
///
/// # Panics
/// When a part of the body was read already: the statement would see the rest only.
impl From<Body> for Parameter {
    fn from(body: Body) -> Self {
        match body.into_unread() {
            Ok(Unread::Host(body)) => Self::Body(body),
            Ok(Unread::Held(bytes)) => Self::Text(String::from_utf8_lossy(&bytes).into_owned()),
            Err(_) => panic!("bind the request's body before reading it"),
        }
    }
}

pub(super) fn statement(sql: impl Into<String>, parameters: impl IntoParameters) -> host::Statement {
    host::Statement { sql: sql.into(), parameters: parameters.into_parameters() }
}
