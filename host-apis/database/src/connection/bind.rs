//! Parameters on the wire.

use bytes::BufMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend;

use crate::Parameter;

/// A `Bind` of the unnamed portal. Formats of parameters are said only where one is binary.
pub(super) fn bind(
    outbox: &mut bytes::BytesMut,
    statement: &str,
    parameters: &[Parameter],
    result_formats: impl Iterator<Item = i16>,
) -> std::io::Result<()> {
    let any_binary = parameters.iter().any(|parameter| matches!(parameter, Parameter::Bytes(_)));
    let formats = parameters
        .iter()
        .filter(|_| any_binary)
        .map(|parameter| i16::from(matches!(parameter, Parameter::Bytes(_))));
    frontend::bind("", statement, formats, parameters, write_parameter, result_formats, outbox)
        .map_err(bind_error)
}

fn write_parameter(
    parameter: &Parameter,
    outbox: &mut bytes::BytesMut,
) -> Result<IsNull, Box<dyn std::error::Error + Send + Sync>> {
    use std::fmt::Write;
    match parameter {
        Parameter::Null => return Ok(IsNull::Yes),
        Parameter::Boolean(value) => outbox.put_slice(if *value { b"true" } else { b"false" }),
        Parameter::Int32(value) => write!(outbox, "{value}")?,
        Parameter::Int64(value) => write!(outbox, "{value}")?,
        Parameter::Float64(value) if value.is_infinite() => {
            outbox.put_slice(if *value > 0.0 { b"Infinity" } else { b"-Infinity" });
        }
        Parameter::Float64(value) => write!(outbox, "{value}")?,
        Parameter::Text(bytes) | Parameter::Bytes(bytes) => outbox.put_slice(bytes),
    }
    Ok(IsNull::No)
}

pub(super) fn bind_error(error: frontend::BindError) -> std::io::Error {
    match error {
        frontend::BindError::Conversion(error) => std::io::Error::other(error),
        frontend::BindError::Serialization(error) => error,
    }
}
