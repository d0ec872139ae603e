//! Alibaba Cloud on the wire: signing, and one pure encode and decode per call, with a thin client around them.
