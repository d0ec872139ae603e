//! Key slots, docker config documents, the identity chain of an entry, and the calls that answer its facts.
