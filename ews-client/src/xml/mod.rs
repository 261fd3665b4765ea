//! XML as Exchange writes it, and as it wants to be written to.
//!
//! [`Document`] takes the bytes of an answer; its [`Cursor`] walks the elements without owning anything; the
//! [`Writer`] builds a request in one buffer. Both are open so that a caller can write an
//! [`EwsOperation`](crate::EwsOperation) that this crate lacks.
//!
//! ```
//! use ews_client::xml::{Document, Ns};
//!
//! let answer = br#"<x:Room xmlns:x="http://schemas.microsoft.com/exchange/services/2006/types"><x:Name>R&amp;D &#x1F;</x:Name></x:Room>"#;
//! let document = Document::new(answer)?;
//! let mut cursor = document.cursor();
//! let room = cursor.root()?;
//! assert_eq!((room.ns, room.local), (Ns::Types, "Room"));
//! while let Some(child) = cursor.next_child(&room)? {
//!     if child.local == "Name" {
//!         assert_eq!(cursor.text(&child)?, "R&D \u{FFFD}");
//!     }
//! }
//! assert_eq!(cursor.replaced(), 1);
//! # Ok::<(), ews_client::Error>(())
//! ```

mod error;
mod name;
mod reader;
mod scanner;
mod text;
mod writer;

pub use error::{Limits, XmlError, XmlProblem};
pub use name::Ns;
pub use reader::{Cursor, Document, Element};
pub use writer::Writer;
