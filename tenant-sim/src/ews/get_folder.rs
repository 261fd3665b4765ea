//! `GetFolder`, one's own or, as a delegate, somebody else's.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getfolder-operation>

use super::folder_xml;
use super::operations::{Acting, listed, message, response};
use super::place::resolve;
use super::shape::Shape;
use super::soap::{Element, Fault};

/// Answers for each folder on its own.
pub(super) fn run(acting: &mut Acting<'_>, operation: &Element) -> Result<String, Fault> {
    let shape = Shape::read(operation, "FolderShape", acting.version)?;
    let mut messages = String::new();
    for id in listed(operation, "FolderIds")? {
        let outcome = shape.clone().and_then(|shape| {
            let place = resolve(acting, id)?;
            Ok(format!("<m:Folders>{}</m:Folders>", folder_xml::folder(acting, &place, &shape)))
        });
        messages.push_str(&message("GetFolder", outcome, "<m:Folders/>"));
    }
    Ok(response("GetFolder", &messages))
}
