//! The variables that secrets give to functions. Whoever keeps secrets publishes one of these
//! whenever they change; whoever publishes functions adds them.

use std::collections::BTreeMap;
use std::fmt;

use crate::FunctionSlug;

/// Secrets by the functions that see them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environments {
    /// Every function sees these.
    pub project: BTreeMap<String, String>,
    /// One function sees these, and they win over the project's.
    pub functions: BTreeMap<FunctionSlug, BTreeMap<String, String>>,
}

impl Environments {
    /// What `slug` sees.
    pub fn of(&self, slug: &FunctionSlug) -> BTreeMap<String, String> {
        let mut environment = self.project.clone();
        let own = self.functions.get(slug).into_iter().flatten();
        environment.extend(own.map(|(name, value)| (name.clone(), value.clone())));
        environment
    }
}

/// Shows names, never values.
impl fmt::Debug for Environments {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |variables: &BTreeMap<String, String>| variables.keys().cloned().collect::<Vec<_>>();
        let functions: BTreeMap<_, _> =
            self.functions.iter().map(|(slug, own)| (slug.as_str(), names(own))).collect();
        formatter
            .debug_struct("Environments")
            .field("project", &names(&self.project))
            .field("functions", &functions)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Environments;
    use crate::FunctionSlug;

    #[test]
    fn a_functions_own_win_and_no_value_is_shown() {
        let slug = |name| FunctionSlug::parse(name).unwrap();
        let one = |name: &str, value: &str| BTreeMap::from([(name.to_owned(), value.to_owned())]);
        let mut project = one("SHARED", "tell-nobody");
        project.extend(one("BOTH", "of-all"));
        let functions = BTreeMap::from([(slug("pay"), one("BOTH", "own"))]);
        let all = Environments { project, functions };
        assert_eq!(all.of(&slug("pay"))["BOTH"], "own");
        assert_eq!(all.of(&slug("pay"))["SHARED"], "tell-nobody");
        assert_eq!(all.of(&slug("other"))["BOTH"], "of-all");
        let shown = format!("{all:?}");
        assert!(shown.contains("SHARED") && !shown.contains("tell-nobody"), "{shown}");
    }
}
