//! The judge by itself: for every rule a plan that just keeps it, and one that just breaks it. Plans are written by
//! hand, so that a mistake which the engine and the judge shared would show.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod aged;
mod classes;
mod eligibility;
mod kept;
mod places;
mod reclaims;
mod scene;
mod shares;
mod starts;
mod windows;
