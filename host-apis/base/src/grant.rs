//! What a function's manifest grants it. Host APIs check these; guests cannot.

/// As whom a function may use the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseGrant {
    None,
    /// Sessions as the caller of the request.
    Caller,
    /// Sessions as the caller, or as `service_role` where the function asks for it.
    Service,
}
