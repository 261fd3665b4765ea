//! The client that sends, against scripted answers and a clock moved by hand.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod auth;
mod batches;
mod help;
#[cfg(feature = "ntlm")]
mod ntlm;
#[cfg(feature = "ntlm")]
mod ntlm_server;
mod refusals;
mod requests;
mod routing;
