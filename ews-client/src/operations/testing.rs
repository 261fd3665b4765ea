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
    let context = RequestContext::new(&target, Capabilities::default());
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

/// An answer of one response message.
pub(super) fn message<O: EwsOperation>(
    operation: &O,
    class: &str,
    code: &str,
    inside: &str,
) -> Result<Answer<O::Item>> {
    let name = O::NAME;
    answer(
        operation,
        &format!(
            r#"<m:{name}Response><m:ResponseMessages><m:{name}ResponseMessage ResponseClass="{class}"><m:ResponseCode>{code}</m:ResponseCode>{inside}</m:{name}ResponseMessage></m:ResponseMessages></m:{name}Response>"#
        ),
    )
}
