//! The public record: entries in an append-only Merkle tree (RFC 6962), served as static files that tools of others read
//! (C2SP tlog-tiles and signed-note checkpoints), and checked by anybody who has the log's public key.
//!
//! ```text
//! Entry --canonical JSON--> batch --create-only head (the commit)--> tiles, entry bundles --> checkpoint
//!                                        one writer can create each                 static files, for anybody
//! ```
//!
//! Start reading at [`log`]; [`verify`] is what a stranger runs.
#![forbid(unsafe_code)]

pub mod beside;
pub mod bundle;
pub mod edge;
pub mod entry;
pub mod files;
pub mod head;
pub mod key;
pub mod log;
pub mod note;
pub mod proof;
pub mod redact;
pub mod text;
pub mod tiles;
pub mod verify;
pub mod witness;
