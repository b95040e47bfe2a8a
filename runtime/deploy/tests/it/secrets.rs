//! Secrets on their way into functions.

use std::collections::BTreeMap;
use std::sync::Arc;

use isobase_base::{Access, Capabilities, Environments, Failure, FailureKind, FunctionSlug, Target};
use isobase_deploy::WithSecrets;
use isobase_engine::{Artifact, Function, FunctionVersion, Limits, Publication, Publish};
use tokio::sync::watch;

use crate::stand::Board;

fn slug(name: &str) -> FunctionSlug {
    FunctionSlug::parse(name).unwrap()
}

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn publication(name: &str, own: &[(&str, &str)]) -> Publication {
    let target = Target::user(slug(name));
    let function = Function {
        target: target.clone(),
        version: FunctionVersion(7),
        artifact: Artifact::Program(Arc::default()),
        limits: Limits::default(),
        capabilities: Capabilities::default(),
        isolation: isobase_base::Isolation::default(),
        environment: variables(own),
    };
    Publication { target, access: Access { verify_jwt: true }, function: Ok(Arc::new(function)) }
}

#[tokio::test]
async fn a_changed_secret_publishes_the_functions_that_see_it() {
    let board = Arc::new(Board::default());
    let (change, environments) = watch::channel(Arc::new(Environments::default()));
    let publish = WithSecrets::start(board.clone(), environments);
    publish.publish(publication("one", &[("OWN", "file")]));
    publish.publish(publication("two", &[]));
    let broken = Failure::new(FailureKind::Boot, "does not build");
    publish.publish(Publication { function: Err(broken.into()), ..publication("broken", &[]) });

    let functions = BTreeMap::from([(slug("one"), variables(&[("KEY", "secret"), ("OWN", "not this")]))]);
    change.send_replace(Arc::new(Environments { project: BTreeMap::new(), functions: functions.clone() }));
    let one = board.function_once("one", |function| function.environment.contains_key("KEY")).await;
    assert_eq!(one.environment, variables(&[("KEY", "secret"), ("OWN", "file")]));
    assert_eq!(one.version, FunctionVersion(7));
    assert_eq!(board.count("two"), 1, "nothing of it has changed");
    assert_eq!(board.count("broken"), 1);
    assert!(!format!("{one:?}").contains("secret"), "{one:?}");

    let project = variables(&[("KEY", "of all"), ("MORE", "1")]);
    change.send_replace(Arc::new(Environments { project, functions }));
    let two = board.function_once("two", |function| !function.environment.is_empty()).await;
    assert_eq!(two.environment, variables(&[("KEY", "of all"), ("MORE", "1")]));
    let one = board.function_once("one", |function| function.environment.contains_key("MORE")).await;
    assert_eq!(one.environment["KEY"], "secret");

    publish.withdraw(&Target::user(slug("one")));
    change.send_replace(Arc::new(Environments::default()));
    board.function_once("two", |function| function.environment.is_empty()).await;
    assert_eq!(board.count("one"), 3, "what was withdrawn stays withdrawn");
}
