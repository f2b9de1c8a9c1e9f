//! The Concord operator.
fn main() {}
