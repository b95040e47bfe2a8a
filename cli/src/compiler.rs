//! The processes in which sources are compiled: this program again, by a command that people do not see.

use isobase_deploy::Compiler;

/// As [`crate::args::Command::Compiler`] is written.
const COMMAND: &str = "compiler";

/// What is running, also when the file it came from was replaced since.
const THIS_PROGRAM: &str = "/proc/self/exe";

pub(crate) fn processes() -> Compiler {
    Compiler::in_processes(THIS_PROGRAM.into(), vec![COMMAND.into()])
}
