//! Seeded histories: the machine over a model of the API server and the simulated cloud, under the safety contract.
