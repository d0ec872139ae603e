//! The text of the ConfigMap, the add-on parameters and the flags, turned into a configuration and findings.
