//! The request driver, the zone matrix, latencies and the verdict.
