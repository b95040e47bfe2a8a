//! The one table of what is where. First match wins, so longer prefixes come before shorter ones.

use std::time::Duration;

use isobase_base::limits;

use crate::refusal::Dialect;

/// One line of the table.
pub(crate) struct Route {
    /// The whole path, or its first segments. Case-sensitive, without a slash at the end.
    pub(crate) prefix: &'static str,
    pub(crate) extent: Extent,
    /// The label in the access log and in metrics.
    pub(crate) surface: &'static str,
    pub(crate) destination: Destination,
    pub(crate) access: AccessMode,
    pub(crate) cross_origin: CrossOrigin,
    pub(crate) body: BodyBound,
    /// To the head of the response.
    pub(crate) timeout: Duration,
    /// The shape of errors that the surface's clients expect.
    pub(crate) dialect: Dialect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// This path and nothing below it.
    Exact,
    /// This path and everything below it.
    Below,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// A function that ships with the host. It sees the path without the prefix.
    Builtin(&'static str),
    /// The user's function named by the next segment. It sees the path from that segment on.
    UserFunction,
    /// The public keys.
    Jwks,
    /// That functions are being served at all.
    FunctionsHealth,
    /// A surface of Supabase that this version does not have.
    NotBuilt,
}

/// Which key check comes before the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessMode {
    Open,
    /// A key or token if there is one, of whatever kind; what the caller may do is up to the
    /// database. See [`crate::GatewayConfig::require_apikey`].
    DataApi,
    /// As the function's own `verify_jwt` says.
    PerFunction,
    /// A key or token that this project knows.
    Keyed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CrossOrigin {
    /// The gateway answers preflights and marks responses, as PostgREST would.
    Gateway,
    /// Functions speak CORS themselves.
    Function,
}

/// Which of the configured bounds holds for request bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyBound {
    Data,
    Deploy,
    Function,
}

const DATA_API: Route = Route {
    prefix: "/rest/v1",
    extent: Extent::Below,
    surface: "rest",
    destination: Destination::Builtin("rest"),
    access: AccessMode::DataApi,
    cross_origin: CrossOrigin::Gateway,
    body: BodyBound::Data,
    timeout: limits::DATA_REQUEST_TIMEOUT,
    dialect: Dialect::PostgRest,
};

const FUNCTIONS: Route = Route {
    prefix: "/functions/v1",
    extent: Extent::Below,
    surface: "functions",
    destination: Destination::UserFunction,
    access: AccessMode::PerFunction,
    cross_origin: CrossOrigin::Function,
    body: BodyBound::Function,
    timeout: limits::FUNCTION_REQUEST_TIMEOUT,
    dialect: Dialect::Functions,
};

/// Checks an access token of its own.
const MANAGEMENT: Route = Route {
    prefix: "/v1/projects",
    extent: Extent::Below,
    surface: "management",
    destination: Destination::Builtin("management"),
    access: AccessMode::Open,
    cross_origin: CrossOrigin::Gateway,
    body: BodyBound::Deploy,
    timeout: limits::FUNCTION_REQUEST_TIMEOUT,
    dialect: Dialect::Plain,
};

const REALTIME: Route = Route {
    prefix: "/realtime/v1",
    extent: Extent::Below,
    surface: "realtime",
    destination: Destination::Builtin("realtime"),
    access: AccessMode::Keyed,
    cross_origin: CrossOrigin::Gateway,
    body: BodyBound::Data,
    timeout: limits::DATA_REQUEST_TIMEOUT,
    dialect: Dialect::Realtime,
};

impl Route {
    /// Whether a connection may leave HTTP here.
    pub(crate) fn offers_upgrade(&self) -> bool {
        matches!(self.destination, Destination::UserFunction | Destination::Builtin("realtime"))
    }
}

const fn open(
    prefix: &'static str,
    surface: &'static str,
    destination: Destination,
    dialect: Dialect,
) -> Route {
    Route {
        prefix,
        extent: match destination {
            Destination::NotBuilt => Extent::Below,
            _ => Extent::Exact,
        },
        surface,
        destination,
        access: AccessMode::Open,
        cross_origin: CrossOrigin::Gateway,
        body: BodyBound::Data,
        timeout: limits::DATA_REQUEST_TIMEOUT,
        dialect,
    }
}

pub(crate) static ROUTES: [Route; 9] = [
    DATA_API,
    open("/functions/v1/_internal/health", "functions", Destination::FunctionsHealth, Dialect::Functions),
    FUNCTIONS,
    open("/auth/v1/.well-known/jwks.json", "auth", Destination::Jwks, Dialect::GoTrue),
    open("/auth/v1", "auth", Destination::NotBuilt, Dialect::GoTrue),
    open("/storage/v1", "storage", Destination::NotBuilt, Dialect::Storage),
    REALTIME,
    open("/graphql/v1", "graphql", Destination::NotBuilt, Dialect::GraphQl),
    MANAGEMENT,
];

/// The line for a normalised path, and what follows its prefix: empty, or from a slash on.
pub(crate) fn find(path: &str) -> Option<(&'static Route, &str)> {
    ROUTES.iter().find_map(|route| {
        let rest = path.strip_prefix(route.prefix)?;
        let is_match = match route.extent {
            Extent::Exact => rest.is_empty(),
            Extent::Below => rest.is_empty() || rest.starts_with('/'),
        };
        is_match.then_some((route, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::find;
    use expect_test::expect;

    #[test]
    fn the_table_routes_by_whole_segments() {
        let paths = [
            "/rest/v1",
            "/rest/v1/",
            "/rest/v1/todos",
            "/rest/v1x",
            "/REST/v1/todos",
            "/functions/v1/hello/a",
            "/functions/v1/_internal/health",
            "/functions/v1/_internal/health/x",
            "/auth/v1/.well-known/jwks.json",
            "/auth/v1/.well-known/jwks.jsonx",
            "/auth/v1/token",
            "/storage/v1/object/a",
            "/realtime/v1/websocket",
            "/graphql/v1",
            "/v1/projects/abc/functions",
            "/",
            "/pg/tables",
        ];
        let table: String = paths
            .iter()
            .map(|path| match find(path) {
                Some((route, rest)) => {
                    format!("{path} -> {:?} {:?} {rest:?}\n", route.destination, route.access)
                }
                None => format!("{path} -> none\n"),
            })
            .collect();
        expect![[r#"
            /rest/v1 -> Builtin("rest") DataApi ""
            /rest/v1/ -> Builtin("rest") DataApi "/"
            /rest/v1/todos -> Builtin("rest") DataApi "/todos"
            /rest/v1x -> none
            /REST/v1/todos -> none
            /functions/v1/hello/a -> UserFunction PerFunction "/hello/a"
            /functions/v1/_internal/health -> FunctionsHealth Open ""
            /functions/v1/_internal/health/x -> UserFunction PerFunction "/_internal/health/x"
            /auth/v1/.well-known/jwks.json -> Jwks Open ""
            /auth/v1/.well-known/jwks.jsonx -> NotBuilt Open "/.well-known/jwks.jsonx"
            /auth/v1/token -> NotBuilt Open "/token"
            /storage/v1/object/a -> NotBuilt Open "/object/a"
            /realtime/v1/websocket -> Builtin("realtime") Keyed "/websocket"
            /graphql/v1 -> NotBuilt Open ""
            /v1/projects/abc/functions -> Builtin("management") Open "/abc/functions"
            / -> none
            /pg/tables -> none
        "#]]
        .assert_eq(&table);
    }

    #[test]
    fn prefixes_do_not_end_in_a_slash() {
        assert!(
            super::ROUTES.iter().all(|route| route.prefix.starts_with('/') && !route.prefix.ends_with('/'))
        );
    }
}
