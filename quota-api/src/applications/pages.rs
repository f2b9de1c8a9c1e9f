//! The pages of applications: what their templates are given.

mod application;
mod draft;
mod landing;
mod review;
mod row;
mod text;

pub use application::application;
pub use draft::{Checked, DraftPage, draft};
pub use landing::landing;
pub use review::{ReviewPage, queue, review};
