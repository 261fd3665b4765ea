//! Placeholder.
pub mod calendar;
pub mod mail;
pub use calendar::Calendar;
pub use mail::Mailbox;
