//! `concord-quota-api`: public pages and data on the use of a pool, and login for those who work in it.
//!
//! ```text
//! Treaty, GpuClaim --watch--> stores --PoolUse::of (pure)--> page, JSON, CSV
//! browser --/login--> OpenID provider --/callback--> session --> /me
//! ```
//!
//! Start reading at [`router`].
#![forbid(unsafe_code)]

pub mod acting;
pub mod app;
pub mod applications;
pub mod auth;
mod calendar;
pub mod energy;
pub mod error;
mod error_page;
pub mod frame;
mod handlers;
pub mod history;
pub mod jobs;
pub mod language;
pub mod limits;
pub mod may;
pub mod metrics;
pub mod notices;
pub mod overview;
mod pages;
pub mod pool;
pub mod pool_use;
pub mod public;
pub mod router;
mod security;
pub mod store;
pub mod tokens;
