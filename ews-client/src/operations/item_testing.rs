//! What the tests of operations share.

use http::StatusCode;

use crate::operation::{Answer, EwsOperation, read_answer};
use crate::soap::{Capabilities, RequestContext, SchemaVersion, Target, write_request};

/// The whole request for one's own mailbox, a tag on each line.
pub(crate) fn envelope(operation: &impl EwsOperation) -> String {
    envelope_in(operation, SchemaVersion::Exchange2016)
}

pub(crate) fn envelope_in(operation: &impl EwsOperation, schema: SchemaVersion) -> String {
    written(operation, &Target::SelfMailbox, schema)
}

pub(crate) fn envelope_for(operation: &impl EwsOperation, target: &Target) -> String {
    written(operation, target, SchemaVersion::Exchange2016)
}

fn written(operation: &impl EwsOperation, target: &Target, schema: SchemaVersion) -> String {
    let context = RequestContext::new(target, Capabilities::new(schema, None));
    let bytes = write_request(operation, &context).unwrap();
    String::from_utf8(bytes).unwrap().replace("><", ">\n<")
}

/// A response message that says success.
pub(crate) fn message(operation: &str, content: &str) -> String {
    format!(
        r#"<m:{operation}ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError</m:ResponseCode>{content}</m:{operation}ResponseMessage>"#
    )
}

/// Reads an answer with these response messages.
pub(crate) fn answer<O: EwsOperation>(operation: &O, messages: &str) -> crate::Result<Answer<O::Item>> {
    let name = O::NAME;
    let xml = format!(
        r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><m:{name}Response xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><m:ResponseMessages>{messages}</m:ResponseMessages></m:{name}Response></s:Body></s:Envelope>"#
    );
    read_answer(operation, StatusCode::OK, xml.as_bytes())
}
