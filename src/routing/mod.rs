//! Envoy's zone-aware routing algorithm. Pure: no tokio, no AWS, no HTTP, no clock, no global randomness.
