//! The envelope around every operation: who is asked for, in which version, and how failures are told.

mod envelope;
mod fault;
mod message;
mod target;
mod version;

pub use envelope::{Body, EnvelopeOutline, RequestContext, read_envelope, write_request};
pub(crate) use envelope::{Opened, open_answer, telling};
pub use fault::{Fault, SchemaViolation};
pub use message::{Details, ItemResult, MessageXml, ResponseClass};
pub(crate) use message::{match_to_asked, read_messages, read_single};
pub use target::{ConnectingSid, DistinguishedFolder, FolderRef, Sid, Target};
pub use version::{Capabilities, NegotiatedVersion, SchemaVersion, ServerVersion};
