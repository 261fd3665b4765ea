//! `GetItem`, by the ids of items, of occurrences by their index, and of masters by an occurrence.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getitem-operation>

use super::item_xml::{self, Manner};
use super::operations::{Acting, listed, message, response};
use super::place;
use super::shape::Shape;
use super::soap::{Element, Fault};

/// Answers for each id on its own.
pub(super) fn run(acting: &mut Acting<'_>, operation: &Element) -> Result<String, Fault> {
    let shape = Shape::read(operation, "ItemShape", acting.version)?;
    let mut messages = String::new();
    for id in listed(operation, "ItemIds")? {
        let outcome = shape.clone().and_then(|shape| {
            let found = place::item(acting, id)?;
            let folder = found.place.id(acting.state);
            let manner = Manner { shape: &shape, zone: acting.zone.as_ref(), found: false, folder: &folder };
            Ok(format!("<m:Items>{}</m:Items>", item_xml::found(&found, manner)))
        });
        messages.push_str(&message("GetItem", outcome, "<m:Items/>"));
    }
    Ok(response("GetItem", &messages))
}
