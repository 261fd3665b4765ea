//! Whole envelopes around what a test is about.

use http::StatusCode;
use m365_core::Result;

use crate::{
    Answer, Capabilities, ConnectingSid, EwsOperation, RequestContext, SchemaVersion, Target, read_answer,
    write_request,
};

/// The request as an app sends it for a mailbox, a tag a line.
pub(super) fn request(operation: &impl EwsOperation) -> String {
    let anna = m365_core::MailboxAddress::parse("anna@contoso.example").unwrap();
    let target = Target::Impersonate(ConnectingSid::PrimarySmtpAddress(anna));
    request_for(operation, &target)
}

/// The request for one's own mailbox.
pub(super) fn own_request(operation: &impl EwsOperation) -> String {
    request_in(operation, SchemaVersion::Exchange2016)
}

/// The same as a server of this version gets it.
pub(super) fn request_in(operation: &impl EwsOperation, schema: SchemaVersion) -> String {
    written(operation, &Target::SelfMailbox, schema)
}

/// The request for this mailbox.
pub(super) fn request_for(operation: &impl EwsOperation, target: &Target) -> String {
    written(operation, target, SchemaVersion::Exchange2016)
}

fn written(operation: &impl EwsOperation, target: &Target, schema: SchemaVersion) -> String {
    let context = RequestContext::new(target, Capabilities::new(schema, None));
    String::from_utf8(write_request(operation, &context).unwrap()).unwrap().replace("><", ">\n<")
}

/// Whether a server of this version is asked at all.
pub(super) fn is_written_for(operation: &impl EwsOperation, schema: SchemaVersion) -> bool {
    let context = RequestContext::new(&Target::SelfMailbox, Capabilities::new(schema, None));
    write_request(operation, &context).is_ok()
}

/// An envelope with this body; `m:` and `t:` are declared.
pub(super) fn envelope(body: &str) -> String {
    format!(
        r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header/><s:Body xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types">{body}</s:Body></s:Envelope>"#
    )
}

/// The answer with this body, read.
pub(super) fn answer<O: EwsOperation>(operation: &O, body: &str) -> Result<Answer<O::Item>> {
    read_answer(operation, StatusCode::OK, envelope(body).as_bytes())
}

/// The answer with these response messages, read.
pub(super) fn answers<O: EwsOperation>(operation: &O, messages: &str) -> Result<Answer<O::Item>> {
    let name = O::NAME;
    answer(
        operation,
        &format!("<m:{name}Response><m:ResponseMessages>{messages}</m:ResponseMessages></m:{name}Response>"),
    )
}

/// An answer of one response message, read.
pub(super) fn message<O: EwsOperation>(
    operation: &O,
    class: &str,
    code: &str,
    inside: &str,
) -> Result<Answer<O::Item>> {
    answers(operation, &response(O::NAME, class, code, inside))
}

/// A response message that says success.
pub(super) fn success(operation: &str, inside: &str) -> String {
    response(operation, "Success", "NoError", inside)
}

fn response(operation: &str, class: &str, code: &str, inside: &str) -> String {
    format!(
        r#"<m:{operation}ResponseMessage ResponseClass="{class}"><m:ResponseCode>{code}</m:ResponseCode>{inside}</m:{operation}ResponseMessage>"#
    )
}

/// Why the first element of an answer has no value.
pub(super) fn failure<T>(answer: Result<Answer<T>>) -> m365_core::Error {
    match answer.unwrap().results.remove(0).into_result() {
        Ok(_) => panic!("it was read"),
        Err(error) => error,
    }
}
