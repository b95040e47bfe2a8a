//! Packages as the world uses them, from the registry that npm is set up with on this machine. Where that
//! cannot be reached, these tests say so and prove nothing.

use isobase_base::project::process_variables;
use isobase_engine::Code;
use isobase_http::Network;
use isobase_packages::{Packages, PackagesConfig};

use crate::packages::program;
use crate::stand::{Stand, project};

/// A function with this source, or `None` without a registry.
#[allow(clippy::print_stderr, reason = "a test that proves nothing says so")]
async fn open(source: &str) -> Option<Stand> {
    let stand = project(&[("f/index.ts", source)]);
    let config = PackagesConfig {
        cache_folder: stand.path("/cache"),
        variables: process_variables(),
        network: Network::default(),
    };
    let packages = Packages::new(config);
    let stand = stand.open_with(|config| {
        config.packages = Some(packages);
        config.watch = false;
    });
    let stand = stand.await;
    if let Some(Err(_)) = stand.function("f")
        && stand.fault("f").contains("could not be fetched from the registry")
    {
        eprintln!("skipped, the registry of packages cannot be reached: {}", stand.fault("f"));
        return None;
    }
    Some(stand)
}

#[tokio::test]
async fn zod_is_an_es_module() {
    let Some(stand) = open("import { z } from 'npm:zod@^4';\nexport default z;\n").await else { return };
    let program = program(&stand);
    assert!(program.modules.len() > 10);
    assert!(program.modules.iter().all(|module| matches!(module.code, Code::Script(_))));
    let main = &program.modules[0].imports["npm:zod@^4"];
    assert_eq!(main, "file:///node_modules/zod/index.js");
}

#[tokio::test]
async fn supabase_js_comes_with_all_it_needs() {
    let source =
        "import { createClient } from 'jsr:@supabase/supabase-js@2';\nexport default createClient;\n";
    let Some(stand) = open(source).await else { return };
    let program = program(&stand);
    for name in ["supabase-js", "postgrest-js", "auth-js", "storage-js", "functions-js", "realtime-js"] {
        let folder = format!("file:///node_modules/@supabase/{name}/");
        assert!(program.modules.iter().any(|module| module.specifier.starts_with(&folder)), "{name}");
    }
    // Everything that is imported is there.
    let known: Vec<_> = program.modules.iter().map(|module| module.specifier.as_str()).collect();
    for (written, meant) in program.modules.iter().flat_map(|module| &module.imports) {
        assert!(meant.starts_with("node:") || known.contains(&meant.as_str()), "{written} -> {meant}");
    }
}
