//! `FindFolder`: the folders below another one.
//! <https://learn.microsoft.com/exchange/client-developer/web-service-reference/findfolder-operation>

use super::operations::{Acting, Failure, choice, listed, message, response};
use super::place::{Place, folders, resolve, rights};
use super::restriction::{Path, Restriction};
use super::shape::Shape;
use super::soap::{Element, Fault, MESSAGES};
use super::{folder_xml, paging};
use crate::exchange::shown_name;
use crate::state::Folder;

/// Answers for each parent on its own.
pub(super) fn run(acting: &mut Acting<'_>, operation: &Element) -> Result<String, Fault> {
    let deep = choice(operation, "Traversal", &["Shallow", "Deep", "SoftDeleted"])? == Some("Deep");
    let shape = Shape::read(operation, "FolderShape", acting.version)?;
    let restriction = operation.child(MESSAGES, "Restriction").map(Restriction::read).transpose()?;
    let page = paging::read(operation, "IndexedPageFolderView")?;
    let mut messages = String::new();
    for id in listed(operation, "ParentFolderIds")? {
        let outcome = shape.clone().and_then(|shape| {
            let parent = resolve(acting, id)?;
            let found = below(acting, &parent, deep);
            let mut kept = Vec::new();
            for place in found {
                let name = shown_name(acting.state, place.owner, &place.folder);
                let class = if place.folder.is_calendar() { "IPF.Appointment" } else { "IPF.Note" };
                let class =
                    if place.folder == Folder::Birthdays { "IPF.Appointment.Birthday" } else { class };
                let value = |path: &Path| match path {
                    Path::Field(uri) if uri == "folder:FolderClass" => Some(class.to_owned()),
                    Path::Field(uri) if uri == "folder:DisplayName" => Some(name.clone()),
                    _ => None,
                };
                if restriction.as_ref().map_or(Ok(true), |r| r.holds(&value))? {
                    kept.push(place);
                }
            }
            let page = page.cut(kept.len());
            let inner: String = kept
                .get(page.range.clone())
                .unwrap_or_default()
                .iter()
                .map(|place| folder_xml::folder(acting, place, &shape))
                .collect();
            Ok::<_, Failure>(format!(
                "<m:RootFolder {}><t:Folders>{inner}</t:Folders></m:RootFolder>",
                page.attributes
            ))
        });
        messages.push_str(&message("FindFolder", outcome, ""));
    }
    Ok(response("FindFolder", &messages))
}

/// The folders below one that the caller may know of.
pub(super) fn below(acting: &Acting<'_>, parent: &Place, deep: bool) -> Vec<Place> {
    let all = folders(acting.state, parent.owner);
    let mut reached = vec![parent.folder.clone()];
    let mut found = Vec::new();
    // A folder comes after the one above it.
    for (folder, above) in all {
        if above.is_some_and(|above| reached.contains(&above)) {
            if deep {
                reached.push(folder.clone());
            }
            let rights = rights(acting, parent.owner, &folder);
            if rights.contains("FolderVisible") || rights.contains("ReadItems") {
                found.push(Place { owner: parent.owner, folder, rights });
            }
        }
    }
    found
}
