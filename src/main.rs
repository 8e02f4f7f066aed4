//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    chappe::cli::main(std::env::args_os())
}
