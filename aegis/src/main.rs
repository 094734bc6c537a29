//! Aegis: `aegis --help` says what it can do.

fn main() -> std::process::ExitCode {
    aegis::main()
}
