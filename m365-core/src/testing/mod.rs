//! Test doubles for this family and for its users: a scripted transport and a clock moved by hand.

mod clock;
mod script;

pub use clock::ManualClock;
pub use script::{Reply, ScriptedTransport};
