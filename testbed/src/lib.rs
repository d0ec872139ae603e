//! A real control plane and registry from pinned Go modules, started and stopped for tests and demos.
