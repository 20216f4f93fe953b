//! The binary: hands its arguments to [`dockside::edge::cli`] and its exit code to the system.

fn main() -> std::process::ExitCode {
    dockside::edge::cli::main()
}
