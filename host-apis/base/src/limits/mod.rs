//! Every bound of the host in one place. Each line says what breaks beyond it. Units are in the
//! name (`_bytes_max`) or the type ([`std::time::Duration`]).

mod database;
mod functions;
mod gateway;
mod outbound;
mod realtime;
mod settings;
mod sources;
mod storage;
mod triggers;

pub use database::*;
pub use functions::*;
pub use gateway::*;
pub use outbound::*;
pub use realtime::*;
pub use settings::*;
pub use sources::*;
pub use storage::*;
pub use triggers::*;
