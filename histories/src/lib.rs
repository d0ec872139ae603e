//! Seeded histories: the machine over a model of the API server and the simulated cloud, under the safety contract.

pub mod api_server;
pub mod campaign;
pub mod cloud;
pub mod contract;
pub mod coverage;
pub mod estate;
pub mod fault;
pub mod history;
pub mod plan;
pub mod random;
pub mod shrink;
pub mod wanted;
