//! One file per operation: the request, the answer, its tests and the link to its page.

mod find_item;
mod get_folder;
mod wire_enum;

pub use find_item::{CalendarPage, FindItem};
pub use get_folder::{EffectiveRights, Folder, FolderClass, GetFolder};
pub use wire_enum::{
    BodyType, CalendarItemType, Importance, LegacyFreeBusyStatus, MyResponseType, Sensitivity, SharingRights,
};
