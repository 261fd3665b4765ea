//! A request about many elements.

use m365_core::Result;
use tracing::{Instrument as _, debug_span};

use super::call::Call;
use super::{CallOptions, EwsClient};
use crate::{Answer, EwsOperation, Target};

pub(super) async fn run<O>(
    client: &EwsClient,
    operation: &O,
    target: &Target,
    options: &CallOptions,
) -> Result<Answer<O::Item>>
where
    O: EwsOperation + Sync,
    O::Item: Send,
{
    let span = debug_span!("ews", operation = O::NAME);
    Call::new(client, target, options).exchange(operation).instrument(span).await
}
