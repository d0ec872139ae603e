//! A local Alibaba Cloud that refuses what the real one refuses.
