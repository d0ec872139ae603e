//! Policies: what decides and what does not.
