//! Which registry a package comes from, and what to show there: npm's configuration.
//!
//! From the strongest to the weakest: `NPM_CONFIG_…` variables of the host, the `.npmrc` files of the
//! function and of the folders above it, the `.npmrc` of the user who runs the host.

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deno_npm::resolution::DefaultTarballUrlProvider;
use deno_npmrc::{NPM_DEFAULT_REGISTRY, NpmRc, NpmRegistryUrl, RegistryConfig, ResolvedNpmRc};
use deno_semver::package::PackageNv;
use http::HeaderValue;
use isobase_base::project::Variables;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use url::Url;

use crate::error::PackagesError;

/// The scope that the packages of JSR have on its registry for npm's clients.
const JSR_SCOPE: &str = "jsr";

/// An `.npmrc` beside or above a function.
#[derive(Clone, Debug)]
pub struct SettingsFile {
    /// As shown to people.
    pub shown: String,
    pub text: String,
}

/// Whose sources are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The operator's: files of the machine. `${NAME}` in an `.npmrc` is any variable of the host.
    Local,
    /// Somebody's who may deploy. `${NAME}` is filled in for names that begin with `NPM_`, and
    /// `NODE_AUTH_TOKEN`: no other variable of the host is theirs to send anywhere.
    Uploaded,
}

/// npm's configuration as the host itself has it.
pub(crate) struct HostSettings {
    variables: Variables,
    /// The user's `.npmrc`, then what variables say.
    files: Vec<NpmRc>,
    /// Those beside the system's that the host is to trust.
    pub(crate) certificate_files: Vec<String>,
}

/// The registries of one build.
pub(crate) struct Registries {
    resolved: ResolvedNpmRc,
    /// Keys of the settings, by scope; the empty one for all others.
    settings: HashMap<String, &'static str>,
}

struct Names<'a> {
    variables: &'a Variables,
    origin: Origin,
}

impl sys_traits::BaseEnvVar for Names<'_> {
    fn base_env_var_os(&self, key: &OsStr) -> Option<OsString> {
        let name = key.to_str()?;
        let open = match self.origin {
            Origin::Local => true,
            Origin::Uploaded => name.starts_with("NPM_") || name == "NODE_AUTH_TOKEN",
        };
        self.variables.get(name).filter(|_| open).map(OsString::from)
    }
}

impl HostSettings {
    /// Reads the user's `.npmrc`.
    pub(crate) fn read(variables: &Variables) -> Self {
        let mut variables = variables.clone();
        let mut lines = String::new();
        // npm takes `npm_config_x` in any case, and whole keys of an .npmrc behind it.
        for (name, value) in variables.clone() {
            let lower = name.to_ascii_lowercase();
            let Some(key) = lower.strip_prefix("npm_config_") else { continue };
            if key.starts_with("//") || key.starts_with('@') {
                lines += &format!("{}={value}\n", &name["npm_config_".len()..]);
            } else {
                variables.entry(format!("NPM_CONFIG_{}", key.to_ascii_uppercase())).or_insert(value);
            }
        }
        let named = variables.get("NPM_CONFIG_USERCONFIG").cloned();
        let user = named.or_else(|| variables.get("HOME").map(|home| format!("{home}/.npmrc")));
        let text = user.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        let certificate_files = certificate_files(&variables, &text);
        let mut files = Vec::new();
        for text in [lines, text] {
            match NpmRc::parse(&Names { variables: &variables, origin: Origin::Local }, &text) {
                Ok(parsed) => files.push(parsed),
                // Its text may hold tokens.
                Err(_) => tracing::warn!("the user's .npmrc cannot be read and is left out"),
            }
        }
        Self { variables, files, certificate_files }
    }

    /// Origins that the host's own settings name.
    pub(crate) fn trusted(&self) -> BTreeSet<String> {
        let resolved = self.resolve(&[], Origin::Local).map(|registries| registries.resolved);
        let urls = resolved.map(|resolved| resolved.get_all_known_registries_urls()).unwrap_or_default();
        urls.iter().map(|url| url.origin().ascii_serialization()).collect()
    }

    /// `files` with the nearest to the function first.
    pub(crate) fn resolve(
        &self,
        files: &[SettingsFile],
        origin: Origin,
    ) -> Result<Registries, PackagesError> {
        let names = Names { variables: &self.variables, origin };
        let mut all = Vec::new();
        for file in files {
            let fault = |problem: &str| PackagesError::Settings {
                file: file.shown.clone(),
                problem: problem.to_owned(),
            };
            all.push(
                NpmRc::parse(&names, &file.text).map_err(|_| fault("it is no .npmrc that can be read"))?,
            );
        }
        all.extend(self.files.iter().cloned());
        let mut merged = NpmRc::default();
        for file in all.into_iter().rev() {
            merged.registry = file.registry.or(merged.registry);
            merged.scope_registries.extend(file.scope_registries);
            merged.registry_configs.extend(file.registry_configs);
            merged.replace_registry_host = file.replace_registry_host.or(merged.replace_registry_host);
        }
        let host = Names { variables: &self.variables, origin: Origin::Local };
        if self.variables.contains_key("JSR_NPM_URL") && !merged.scope_registries.contains_key(JSR_SCOPE) {
            let url = NpmRegistryUrl::for_jsr(&host).url;
            merged.scope_registries.insert(JSR_SCOPE.into(), url.into());
        }
        let default = NpmRegistryUrl::for_npm(&host);
        let key = match (default.from_env, &merged.registry) {
            (true, _) => "NPM_CONFIG_REGISTRY",
            (false, Some(_)) => "`registry` in .npmrc",
            (false, None) => "npm's default setting",
        };
        let fault = |_| PackagesError::Settings {
            file: ".npmrc".into(),
            problem: "a registry's address is no URL".into(),
        };
        let resolved = merged.as_resolved(&default).map_err(fault)?;
        Ok(Registries { resolved, settings: HashMap::from([(String::new(), key)]) })
    }
}

impl Registries {
    pub(crate) fn url(&self, package: &str) -> &Url {
        self.resolved.get_registry_url(package)
    }

    /// The setting that says where `package` comes from.
    pub(crate) fn setting(&self, package: &str) -> String {
        let scope = package.strip_prefix('@').and_then(|name| name.split_once('/'));
        match scope {
            Some((scope, _)) if self.resolved.scopes.contains_key(scope) => {
                format!("`@{scope}:registry` in .npmrc")
            }
            _ => self.settings.get("").copied().unwrap_or_default().to_owned(),
        }
    }

    /// Whether packages of JSR have a registry.
    pub(crate) fn has_jsr(&self) -> bool {
        self.resolved.scopes.contains_key(JSR_SCOPE)
    }

    pub(crate) fn credentials(&self, package: &str) -> Option<HeaderValue> {
        header(self.resolved.get_registry_config(package))
    }

    /// Where an archive is really fetched from, and with what credentials.
    pub(crate) fn archive(&self, url: Url, package: &str) -> (Url, Option<HeaderValue>) {
        let url = self.resolved.replace_tarball_url(url, package);
        let config = self.resolved.tarball_config_for_package(&url, package);
        let credentials = config.and_then(header);
        (url, credentials)
    }
}

/// Archives are where npm's registry has them, unless a lock file says otherwise.
impl DefaultTarballUrlProvider for Registries {
    fn default_tarball_url(&self, package: &PackageNv) -> String {
        let file = package.name.rsplit('/').next().unwrap_or_default();
        format!("{}{}/-/{file}-{}.tgz", self.url(&package.name), package.name, package.version)
    }

    fn is_tarball_url_allowed(&self, _package: &PackageNv, _url: &Url) -> bool {
        // Its content is checked by its hash, and where it may come from by the client.
        true
    }
}

fn header(config: &Arc<RegistryConfig>) -> Option<HeaderValue> {
    let basic = |text: String| format!("Basic {text}");
    let value = match (&config.auth_token, &config.auth) {
        (Some(token), _) => format!("Bearer {token}"),
        (None, Some(auth)) => basic(auth.clone()),
        (None, None) => {
            let user = config.username.as_ref().or(config.email.as_ref())?;
            // npm keeps the password in base64.
            let password = STANDARD.decode(config.password.as_ref()?).ok()?;
            let pair = [user.as_bytes(), b":", &password].concat();
            basic(STANDARD.encode(pair))
        }
    };
    let mut value = HeaderValue::from_str(&value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Those of `NODE_EXTRA_CA_CERTS` and npm's `cafile`.
fn certificate_files(variables: &Variables, npmrc: &str) -> Vec<String> {
    let cafile = npmrc.lines().find_map(|line| {
        let (key, value) = line.split_once('=')?;
        (key.trim() == "cafile").then(|| value.trim().trim_matches('"').to_owned())
    });
    let named = ["NODE_EXTRA_CA_CERTS", "NPM_CONFIG_CAFILE"].map(|name| variables.get(name).cloned());
    named.into_iter().chain([cafile]).flatten().collect()
}

/// The system's roots, and those in `files`.
pub(crate) fn roots(files: &[String]) -> Vec<CertificateDer<'static>> {
    let mut roots = rustls_native_certs::load_native_certs().unwrap_or_default();
    for file in files {
        match CertificateDer::pem_file_iter(file) {
            Ok(found) => roots.extend(found.flatten()),
            Err(_) => tracing::warn!(%file, "certificates cannot be read"),
        }
    }
    roots
}

/// `text` of an `.npmrc` without what is secret in it: credentials that are written out. Those that name
/// a variable stay.
pub fn without_credentials(text: &str) -> String {
    let is_kept = |line: &&str| {
        let Some((key, value)) = line.split_once('=') else { return true };
        let key = key.trim().trim_matches('"').to_ascii_lowercase();
        let name = key.rsplit(':').next().unwrap_or_default();
        let secret = ["_auth", "_authtoken", "_password", "password", "certfile", "keyfile", "key"];
        let value = value.trim().trim_matches(['"', '\'']);
        let is_variable = value.starts_with("${") && value.ends_with('}') && value.matches('$').count() == 1;
        !secret.contains(&name) || is_variable
    };
    let has_user_info = |line: &&str| {
        !(line.contains("://") && line.contains('@') && {
            let after = line.split_once("://").map_or("", |(_, rest)| rest);
            after.split('/').next().is_some_and(|authority| authority.contains('@'))
        })
    };
    text.lines().filter(is_kept).filter(has_user_info).flat_map(|line| [line, "\n"]).collect()
}

/// The registry where no setting names one.
pub fn default_registry() -> &'static str {
    NPM_DEFAULT_REGISTRY
}

#[cfg(test)]
mod tests {
    use super::{HostSettings, Origin, SettingsFile, without_credentials};
    use isobase_base::project::Variables;

    fn file(text: &str) -> SettingsFile {
        SettingsFile { shown: ".npmrc".into(), text: text.into() }
    }

    #[test]
    fn the_nearest_file_wins_and_scopes_have_registries_and_tokens_of_their_own() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(
            home.path().join(".npmrc"),
            "registry=http://user.test/npm/\n//user.test/npm/:_authToken=user\n@a:registry=http://a.test\n",
        )
        .unwrap();
        let mut variables = Variables::from([
            ("HOME".to_owned(), home.path().display().to_string()),
            ("NPM_SECRET".to_owned(), "from npm".to_owned()),
            ("DATABASE_PASSWORD".to_owned(), "hunter2".to_owned()),
        ]);
        let host = HostSettings::read(&variables);
        let files = [
            file("@b:registry=http://b.test/\n//b.test/:_authToken=${NPM_SECRET}\n"),
            file(
                "@b:registry=http://other.test/\n@c:registry=http://c.test/\n//c.test/:_authToken=${DATABASE_PASSWORD}",
            ),
        ];
        let header = |registries: &super::Registries, name: &str| {
            registries.credentials(name).map(|value| value.to_str().unwrap().to_owned())
        };
        let found = host.resolve(&files, Origin::Uploaded).unwrap();
        assert_eq!(found.url("left-pad").as_str(), "http://user.test/npm/");
        assert_eq!(header(&found, "left-pad").unwrap(), "Bearer user");
        assert_eq!(found.url("@a/x").as_str(), "http://a.test/");
        assert_eq!(header(&found, "@a/x"), None);
        assert_eq!(found.url("@b/x").as_str(), "http://b.test/");
        assert_eq!(header(&found, "@b/x").unwrap(), "Bearer from npm");
        assert_eq!(header(&found, "@c/x").unwrap(), "Bearer ${DATABASE_PASSWORD}", "not for uploads");
        assert_eq!(found.setting("@b/x"), "`@b:registry` in .npmrc");
        assert_eq!(found.setting("x"), "`registry` in .npmrc");
        let local = host.resolve(&files, Origin::Local).unwrap();
        assert_eq!(header(&local, "@c/x").unwrap(), "Bearer hunter2");
        assert!(!found.has_jsr());
        assert!(host.trusted().contains("http://user.test") && !host.trusted().contains("http://b.test"));

        variables.insert("npm_config_registry".into(), "http://variable.test/".into());
        variables.insert("npm_config_//variable.test/:_authToken".into(), "variable".into());
        let found = HostSettings::read(&variables).resolve(&[file("registry=http://x.test")], Origin::Local);
        let found = found.unwrap();
        assert_eq!(found.url("x").as_str(), "http://variable.test/");
        assert_eq!(header(&found, "x").unwrap(), "Bearer variable");
        assert_eq!(found.setting("x"), "NPM_CONFIG_REGISTRY");
    }

    #[test]
    fn credentials_stay_at_home() {
        let text = "@a:registry=http://a.test/\n//a.test/:_authToken=${NPM_TOKEN}\n//b.test/:_authToken=abc\n\
                    _auth = \"xyz\"\n//c.test/:_password=p\n//c.test/:username=u\nregistry=http://u:p@d.test/\n\
                    //e.test/:_authToken=x${NPM_TOKEN}\n";
        let expected =
            "@a:registry=http://a.test/\n//a.test/:_authToken=${NPM_TOKEN}\n//c.test/:username=u\n";
        assert_eq!(without_credentials(text), expected);
    }
}
