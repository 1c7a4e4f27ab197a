//! The local data plane: discovery, load balancer, the demo app, the sidecar proxy.
