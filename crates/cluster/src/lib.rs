//! The Kubernetes edge: watches in, operations out, every API answer mapped to a closed enum.
