//! The database that the specification expects.

use std::path::Path;

use crate::cluster::Cluster;
use crate::host::Bench;

/// In the order of PostgREST's `load.sql`.
const FILES: [&str; 7] =
    ["database.sql", "roles.sql", "schema.sql", "jwt.sql", "jsonschema.sql", "privileges.sql", "data.sql"];

/// What the suite's configuration gives to every transaction, and statistics for estimates.
const APPLICATION: &str = "
    analyze;
    alter database postgres set app.settings.app_host = 'localhost';
    alter database postgres set app.settings.external_api_secret = '0123456789abcdef';
";

/// What the scripts call of PostGIS.
const GEOMETRY: &str = "
    create function extensions.ST_GeomFromGeoJSON(text) returns text language sql return $1;
";

/// What the columns of geometries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Geometry {
    PostGis,
    /// What shows geometries cannot hold then, the rest does.
    Text,
}

/// Whether the extension can be created.
pub(super) fn is_available(extension: &str, bench: &mut Bench) -> bool {
    let known = "select count(*)::text from pg_available_extensions where name = ";
    bench.first_text(&format!("{known}'{extension}'")) != "0"
}

/// Runs the suite's scripts.
pub(super) fn load(vendor: &Path, cluster: &Cluster, geometry: Geometry) {
    let mut script = String::from("\\set ON_ERROR_STOP on\n");
    for file in FILES {
        let path = vendor.join(file);
        let sql =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        script.push_str(&sql);
        script.push('\n');
    }
    script.push_str(APPLICATION);
    let dump = cluster.folder().join("projects_dump.csv");
    let script = match geometry {
        Geometry::PostGis => script,
        Geometry::Text => without_geometry(&script),
    };
    let script = script
        .replace("/tmp/projects_dump.csv", dump.to_str().expect("a temporary folder with a readable name"));
    cluster.psql(&script, &[("DBNAME", "postgres"), ("PGUSER", "postgres")]);
}

fn without_geometry(script: &str) -> String {
    let script = script.replace("create extension if not exists postgis with schema extensions;", GEOMETRY);
    let mut pieces = script.split("extensions.geometry");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        plain.push_str("text");
        let modifier = piece.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        plain.push_str(modifier.map_or(piece, |(_, rest)| rest));
    }
    plain
}
