//! Envoy's `/stats` text and its collection over SSM.
