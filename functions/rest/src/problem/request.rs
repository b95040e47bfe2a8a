//! PGRST1xx: what a request says is wrong in itself.

use crate::request::{InvalidBody, Media, QueryFault, RangeFault};

use super::Problem;

impl Problem {
    pub(crate) fn invalid_method_on_function(method: &str) -> Self {
        Self::new(405, "PGRST101", format!("Cannot use the {method} method on RPC"))
    }

    pub(crate) fn out_of_bounds(offset: i64, total: i64) -> Self {
        Self::new(416, "PGRST103", "Requested range not satisfiable")
            .details(format!("An offset of {offset} was requested, but there are only {total} rows."))
    }

    pub(crate) fn put_filters() -> Self {
        let message = "Filters must include all and only primary key columns with 'eq' operators";
        Self::new(405, "PGRST105", message)
    }

    pub(crate) fn unknown_schema(schema: &str, exposed: &[String]) -> Self {
        Self::new(406, "PGRST106", format!("Invalid schema: {schema}"))
            .hint(Some(format!("Only the following schemas are exposed: {}", exposed.join(", "))))
    }

    pub(crate) fn not_acceptable(accepted: &[Media<'_>]) -> Self {
        let names = accepted.iter().map(Media::name).collect::<Vec<_>>().join(", ");
        Self::new(406, "PGRST107", format!("None of these media types are available: {names}"))
    }

    pub(crate) fn not_embedded(name: &str) -> Self {
        Self::new(400, "PGRST108", format!("'{name}' is not an embedded resource in this request"))
            .hint(Some(format!("Verify that '{name}' is included in the 'select' query parameter.")))
    }

    /// As [`Self::not_embedded`], where only the alias is wrong.
    pub(crate) fn not_embedded_by_target(target: &str, alias: &str) -> Self {
        Self::new(400, "PGRST108", format!("'{target}' is not an embedded resource in this request"))
            .details("Target names are not allowed in filters if they have an alias")
            .hint(Some(format!("Change '{target}' to '{alias}' in filters, orders or limits.")))
    }

    pub(crate) fn response_headers() -> Self {
        let message = "response.headers guc must be a JSON array composed of objects with a single key and a string value";
        Self::new(500, "PGRST111", message)
    }

    pub(crate) fn response_status() -> Self {
        Self::new(500, "PGRST112", "response.status guc must be a valid status code")
    }

    pub(crate) fn put_range() -> Self {
        Self::new(400, "PGRST114", "limit/offset querystring parameters are not allowed for PUT")
    }

    pub(crate) fn put_key() -> Self {
        Self::new(400, "PGRST115", "Payload values do not match URL in primary key column(s)")
    }

    pub(crate) fn not_singular(rows: i64) -> Self {
        Self::new(406, "PGRST116", "Cannot coerce the result to a single JSON object")
            .details(format!("The result contains {rows} rows"))
    }

    pub(crate) fn unsupported_method(method: &str) -> Self {
        Self::new(405, "PGRST117", format!("Unsupported HTTP method: {method}"))
    }

    pub(crate) fn related_order(origin: &str, target: &str) -> Self {
        let details =
            format!("'{origin}' and '{target}' do not form a many-to-one or one-to-one relationship");
        Self::new(400, "PGRST118", format!("A related order on '{target}' is not possible")).details(details)
    }

    pub(crate) fn unknown_preferences(names: &[&str]) -> Self {
        Self::new(400, "PGRST122", "Invalid preferences given with handling=strict")
            .details(format!("Invalid preferences: {}", names.join(", ")))
    }

    pub(crate) fn aggregates_disabled() -> Self {
        Self::new(400, "PGRST123", "Use of aggregate functions is not allowed")
    }

    pub(crate) fn too_many_affected(rows: i64) -> Self {
        Self::new(400, "PGRST124", "Query result exceeds max-affected preference constraint")
            .details(format!("The query affects {rows} rows"))
    }

    pub(crate) fn invalid_path() -> Self {
        Self::new(404, "PGRST125", "Invalid path specified in request URL")
    }

    pub(crate) fn open_api_disabled() -> Self {
        Self::new(404, "PGRST126", "Root endpoint metadata is disabled")
    }

    /// A part of PostgREST's surface that does not exist here yet.
    pub(crate) fn not_implemented(details: &str) -> Self {
        Self::new(400, "PGRST127", "Feature not implemented").details(details)
    }

    pub(crate) fn max_affected_on_single() -> Self {
        let message =
            "Function must return SETOF or TABLE when max-affected preference is used with handling=strict";
        Self::new(400, "PGRST128", message)
    }
}

impl From<QueryFault> for Problem {
    fn from(fault: QueryFault) -> Self {
        Self::new(400, "PGRST100", fault.message).details(fault.details)
    }
}

impl From<InvalidBody> for Problem {
    fn from(fault: InvalidBody) -> Self {
        Self::new(400, "PGRST102", fault.0)
    }
}

impl From<RangeFault> for Problem {
    fn from(fault: RangeFault) -> Self {
        let details = match fault {
            RangeFault::NegativeLimit => "Limit should be greater than or equal to zero.",
            RangeFault::LowerAboveUpper => {
                "The lower boundary must be lower than or equal to the upper boundary in the Range header."
            }
        };
        Self::new(416, "PGRST103", "Requested range not satisfiable").details(details)
    }
}
