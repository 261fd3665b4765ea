use m365_core::Result;

use crate::ids::SubscriptionId;
use crate::operation::{EwsOperation, read_messages};
use crate::operations::empty_when_done;
use crate::soap::{ItemResult, RequestContext};
use crate::xml::{Cursor, Element, Writer};

/// Ends a subscription, pulled or streamed. `ErrorSubscriptionNotFound` says that it had ended already.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/unsubscribe-operation>.
#[derive(Clone, Debug)]
pub struct Unsubscribe {
    subscription: SubscriptionId,
}

impl Unsubscribe {
    /// This subscription.
    pub fn new(subscription: SubscriptionId) -> Self {
        Self { subscription }
    }
}

impl EwsOperation for Unsubscribe {
    const NAME: &'static str = "Unsubscribe";
    type Item = ();

    fn asked(&self) -> usize {
        1
    }

    fn write(&self, writer: &mut Writer, _: &RequestContext<'_>) {
        writer.raw("<m:Unsubscribe>");
        writer.leaf("m:SubscriptionId", self.subscription.as_str());
        writer.raw("</m:Unsubscribe>");
    }

    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<()>>> {
        Ok(empty_when_done(read_messages(cursor, root, |_, _, _| Ok(()))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::testing::{message, request};

    #[test]
    fn request_and_answer() {
        let operation = Unsubscribe::new("JgBjbzFw".into());
        insta::assert_snapshot!("unsubscribe", request(&operation));
        let answered =
            |class, code| message(&operation, class, code, "").unwrap().results.remove(0).into_result();
        answered("Success", "NoError").unwrap();
        let gone = answered("Error", "ErrorSubscriptionNotFound").unwrap_err();
        assert_eq!(gone.service_code(), Some("ErrorSubscriptionNotFound"));
    }
}
