//! The program: subcommands, the pump around the machine, logs and exit codes.

fn main() {}
