//! The served edge: health, readiness and metrics over HTTP.
