//! The token protocol of an OCI registry: challenge, token, manifest, blob.
