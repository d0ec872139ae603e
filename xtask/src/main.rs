//! The commands of the README: cluster, demo, test, bench, histories.

fn main() {}
