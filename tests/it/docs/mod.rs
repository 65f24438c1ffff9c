//! The documentation and the layout of the sources.

mod agents;
mod client_generators;
mod container;
mod contract;
mod documented_statuses;
mod layers;
mod openapi;
mod openapi_collection;
mod samples;
