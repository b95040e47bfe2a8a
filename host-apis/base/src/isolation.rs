//! What stands between a function and everything else.

/// Chosen by the function's settings. Either way it has an isolate and a thread of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// V8's sandbox, in the host's process.
    #[default]
    Isolate,
    /// A process of its own besides, which the kernel keeps from files, programs and other processes: what
    /// breaks V8, or makes it give up, stays in there.
    Process,
}

impl Isolation {
    /// As settings and manifests write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Isolate => "isolate",
            Self::Process => "process",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Isolate, Self::Process].into_iter().find(|isolation| isolation.as_str() == text)
    }
}
