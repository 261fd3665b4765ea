//! `SyncFolderHierarchy`: which folders came, changed, and went.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/syncfolderhierarchy-operation>

use std::collections::BTreeMap;

use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::find_folder::below;
use super::folder_xml;
use super::operations::{Acting, Failure, message, response};
use super::place::{Place, resolve, rights};
use super::shape::Shape;
use super::soap::{Element, Fault, MESSAGES};
use crate::exchange::shown_name;
use crate::state::Folder;

const EMPTY: &str =
    "<m:SyncState/><m:IncludesLastFolderInRange>true</m:IncludesLastFolderInRange><m:Changes/>";

/// Answers with everything that changed.
pub(super) fn run(acting: &mut Acting<'_>, operation: &Element) -> Result<String, Fault> {
    let shape = Shape::read(operation, "FolderShape", acting.version)?;
    let root = operation.child(MESSAGES, "SyncFolderId").and_then(|s| s.children.first());
    let state = operation.child(MESSAGES, "SyncState").map(|s| s.text.as_str()).filter(|s| !s.is_empty());
    let outcome = shape.and_then(|shape| {
        let root = match root {
            Some(id) => resolve(acting, id).map_err(|failure| match failure.code {
                "ErrorFolderNotFound" => Failure::new(
                    "ErrorSyncFolderNotFound",
                    "The specified folder could not be found in the store.",
                ),
                _ => failure,
            })?,
            None => {
                let rights = rights(acting, acting.mailbox, &Folder::Root);
                Place { owner: acting.mailbox, folder: Folder::Root, rights }
            }
        };
        changes(acting, &root, state, &shape)
    });
    Ok(response("SyncFolderHierarchy", &message("SyncFolderHierarchy", outcome, EMPTY)))
}

fn changes(acting: &Acting<'_>, root: &Place, state: Option<&str>, shape: &Shape) -> Result<String, Failure> {
    let mut known = match state {
        None => BTreeMap::new(),
        Some(text) => read(text).ok_or_else(|| {
            Failure::new("ErrorInvalidSyncStateData", "The specified SyncState is invalid.")
        })?,
    };
    let mut inner = String::new();
    let mut now = String::from("folders");
    for place in below(acting, root, true) {
        let id = place.id(acting.state);
        let name = shown_name(acting.state, place.owner, &place.folder).replace('\n', " ");
        now.push_str(&format!("\n{id} {name}"));
        let kind = match known.remove(&id) {
            None => "Create",
            Some(before) if before != name => "Update",
            Some(_) => continue,
        };
        inner.push_str(&format!("<t:{kind}>{}</t:{kind}>", folder_xml::folder(acting, &place, shape)));
    }
    for id in known.keys() {
        inner.push_str(&format!(r#"<t:Delete><t:FolderId Id="{id}"/></t:Delete>"#));
    }
    Ok(format!(
        "<m:SyncState>{}</m:SyncState><m:IncludesLastFolderInRange>true</m:IncludesLastFolderInRange><m:Changes>{inner}</m:Changes>",
        BASE64_STANDARD.encode(now)
    ))
}

fn read(text: &str) -> Option<BTreeMap<String, String>> {
    let text = String::from_utf8(BASE64_STANDARD.decode(text).ok()?).ok()?;
    let mut lines = text.split('\n');
    if lines.next()? != "folders" {
        return None;
    }
    lines.map(|line| line.split_once(' ').map(|(id, name)| (id.to_owned(), name.to_owned()))).collect()
}
