//! Kubernetes types of Concord.
