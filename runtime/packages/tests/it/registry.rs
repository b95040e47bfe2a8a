//! A registry on the loopback interface, with packages made in the test.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};

/// Serves until the process ends. Test programs of several crates share this file, each with a use of its own.
#[allow(dead_code, reason = "not every program uses all of it")]
#[derive(Clone)]
pub(crate) struct Registry {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Packuments by name.
    packages: BTreeMap<String, Value>,
    /// Content type and body by path.
    files: BTreeMap<String, (String, Vec<u8>)>,
    redirects: BTreeMap<String, String>,
    /// Paths that were asked for.
    asked: Vec<String>,
    token: Option<String>,
    is_down: bool,
}

#[allow(dead_code, reason = "not every program uses all of it")]
impl Registry {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let registry = Self { url, state: Arc::default() };
        let serving = registry.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let registry = serving.clone();
                std::thread::spawn(move || registry.serve(stream));
            }
        });
        registry
    }

    /// Publishes a version. `files` has a `package.json`, from which the rest is taken.
    pub(crate) fn publish(&self, files: &[(&str, &str)]) -> &Self {
        let manifest = files.iter().find(|(path, _)| *path == "package.json").expect("a package.json").1;
        let manifest: Value = serde_json::from_str(manifest).unwrap();
        let (name, version) = (text(&manifest, "name"), text(&manifest, "version"));
        let archive = archive(files);
        let hash = base64::engine::general_purpose::STANDARD.encode(Sha512::digest(&archive));
        let path = format!("/{name}/-/{}-{version}.tgz", name.rsplit('/').next().unwrap());
        let mut entry = manifest;
        entry["dist"] = json!({
            "tarball": format!("{}{}", self.url.trim_end_matches('/'), path),
            "integrity": format!("sha512-{hash}"),
            "shasum": "",
        });
        let mut state = self.state.lock().unwrap();
        state.files.insert(path, ("application/octet-stream".into(), archive));
        let packument = state
            .packages
            .entry(name.clone())
            .or_insert_with(|| json!({ "name": name, "versions": {}, "dist-tags": {} }));
        packument["versions"][version.as_str()] = entry;
        packument["dist-tags"]["latest"] = version.into();
        drop(state);
        self
    }

    /// The hash of a version's archive, as a lock file has it.
    pub(crate) fn integrity(&self, name: &str, version: &str) -> String {
        text(&self.state.lock().unwrap().packages[name]["versions"][version]["dist"], "integrity")
    }

    /// A file that is no package.
    pub(crate) fn file(&self, path: &str, content_type: &str, body: &str) -> &Self {
        let file = (content_type.to_owned(), body.as_bytes().to_vec());
        self.state.lock().unwrap().files.insert(path.to_owned(), file);
        self
    }

    pub(crate) fn redirect(&self, path: &str, to: &str) -> &Self {
        self.state.lock().unwrap().redirects.insert(path.to_owned(), to.to_owned());
        self
    }

    /// From now on the archives of `name` are not what was published.
    pub(crate) fn damage(&self, name: &str) {
        let mut state = self.state.lock().unwrap();
        let other = archive(&[("package.json", "{}"), ("evil.js", "")]);
        for (path, (_, body)) in &mut state.files {
            if path.starts_with(&format!("/{name}/-/")) {
                body.clone_from(&other);
            }
        }
    }

    /// From now on requests without this token are refused.
    pub(crate) fn demand(&self, token: &str) {
        self.state.lock().unwrap().token = Some(token.to_owned());
    }

    pub(crate) fn go_down(&self) {
        self.state.lock().unwrap().is_down = true;
    }

    pub(crate) fn come_back(&self) {
        self.state.lock().unwrap().is_down = false;
    }

    /// What was asked for since the last call.
    pub(crate) fn asked(&self) -> Vec<String> {
        let mut asked = std::mem::take(&mut self.state.lock().unwrap().asked);
        asked.sort();
        asked
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return,
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let (status, kind, body) = self.answer(&path, &head.to_ascii_lowercase());
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
    }

    fn answer(&self, path: &str, head: &str) -> (String, String, Vec<u8>) {
        let mut state = self.state.lock().unwrap();
        state.asked.push(path.to_owned());
        let plain = |status: &str| (status.to_owned(), "text/plain".to_owned(), Vec::new());
        if state.is_down {
            return plain("503 Service Unavailable");
        }
        let has_token = |token: &String| head.contains(&format!("authorization: bearer {token}"));
        if state.token.as_ref().is_some_and(|token| !has_token(token)) {
            return plain("401 Unauthorized");
        }
        if let Some(to) = state.redirects.get(path) {
            return (format!("302 Found\r\nlocation: {to}"), "text/plain".to_owned(), Vec::new());
        }
        if let Some((kind, body)) = state.files.get(path) {
            return ("200 OK".into(), kind.clone(), body.clone());
        }
        let name = path.trim_start_matches('/').replace("%2f", "/");
        match state.packages.get(&name) {
            Some(packument) => {
                ("200 OK".into(), "application/json".into(), packument.to_string().into_bytes())
            }
            None => plain("404 Not Found"),
        }
    }
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}")).to_owned()
}

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append_data(&mut header, format!("package/{path}"), text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}
