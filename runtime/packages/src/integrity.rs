//! Hashes as registries and lock files write them (Subresource Integrity, and npm's older hexadecimal SHA-1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use deno_npm::registry::{NpmPackageVersionDistInfo, NpmPackageVersionDistInfoIntegrity};
use isobase_base::hex;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// What a package's archive must hash to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Integrity {
    algorithm: Algorithm,
    hash: Vec<u8>,
}

/// The strongest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Algorithm {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Integrity {
    pub(crate) fn of(dist: &NpmPackageVersionDistInfo) -> Option<Self> {
        match dist.integrity() {
            NpmPackageVersionDistInfoIntegrity::Integrity { algorithm, base64_hash } => {
                Self::parse(&format!("{algorithm}-{base64_hash}"))
            }
            NpmPackageVersionDistInfoIntegrity::LegacySha1Hex(hex) => {
                let digits = hex.as_bytes().chunks(2);
                let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
                let hash: Vec<u8> = digits.map(byte).collect::<Option<_>>()?;
                (hash.len() == 20).then_some(Self { algorithm: Algorithm::Sha1, hash })
            }
            NpmPackageVersionDistInfoIntegrity::UnknownIntegrity(_)
            | NpmPackageVersionDistInfoIntegrity::None => None,
        }
    }

    /// Of several hashes the strongest.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let one = |text: &str| {
            let (algorithm, hash) = text.split_once('-')?;
            let algorithm = match algorithm {
                "sha1" => Algorithm::Sha1,
                "sha256" => Algorithm::Sha256,
                "sha384" => Algorithm::Sha384,
                "sha512" => Algorithm::Sha512,
                _ => return None,
            };
            let hash = STANDARD.decode(hash.split('?').next()?).ok()?;
            (hash.len() == algorithm.bytes()).then_some(Self { algorithm, hash })
        };
        text.split_ascii_whitespace().filter_map(one).max_by_key(|integrity| integrity.algorithm)
    }

    /// Of the same kind as `self`, for `content`.
    pub(crate) fn of_content(&self, content: &[u8]) -> Self {
        let hash = match self.algorithm {
            Algorithm::Sha1 => Sha1::digest(content).to_vec(),
            Algorithm::Sha256 => Sha256::digest(content).to_vec(),
            Algorithm::Sha384 => Sha384::digest(content).to_vec(),
            Algorithm::Sha512 => Sha512::digest(content).to_vec(),
        };
        Self { algorithm: self.algorithm, hash }
    }

    /// A name for a folder.
    pub(crate) fn name(&self) -> String {
        format!("{}-{}", self.algorithm.name(), hex(&self.hash))
    }
}

impl std::fmt::Display for Integrity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{}", self.algorithm.name(), STANDARD.encode(&self.hash))
    }
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// SHA-256 in hexadecimal: for names of files, and of remote modules in lock files.
pub(crate) fn sha256_hex(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

#[cfg(test)]
mod tests {
    use super::Integrity;

    #[test]
    fn the_strongest_hash_counts() {
        let content = b"an archive";
        let of = |kind: &str, bytes: usize| {
            use base64::Engine as _;
            let zeros = base64::engine::general_purpose::STANDARD.encode(vec![0; bytes]);
            format!("{kind}-{zeros}")
        };
        let both = format!("{} {}", of("sha1", 20), of("sha512", 64));
        let parsed = Integrity::parse(&both).unwrap();
        assert!(parsed.to_string().starts_with("sha512-AAAA"));
        assert_ne!(parsed.of_content(content), parsed);
        let right = parsed.of_content(content).to_string();
        let right = Integrity::parse(&right).unwrap();
        assert_eq!(right.of_content(content), right);
        for bad in ["", "sha512-", "md5-AAAA", "sha512-AAAA", "sha512"] {
            assert!(Integrity::parse(bad).is_none(), "{bad}");
        }
    }
}
