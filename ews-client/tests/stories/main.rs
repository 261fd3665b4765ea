//! Stories: this crate against the simulated Exchange servers, online and on premises. What a real server would say stands in
//! the simulated tenant, which shares no code with this crate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod away;
mod calendars;
mod discovery;
mod help;
mod ladder;
mod operations;
mod quirks;
mod series;
