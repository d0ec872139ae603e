//! The machine: one synchronous owner of the world that takes observations and hands out operations.
