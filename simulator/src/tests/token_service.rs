//! token_service
