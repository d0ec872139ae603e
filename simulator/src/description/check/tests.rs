//! Descriptions that are refused, and why.
