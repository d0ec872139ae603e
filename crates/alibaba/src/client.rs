//! Carrying conversations out over HTTP and HTTPS.
