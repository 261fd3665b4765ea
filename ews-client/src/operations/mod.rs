//! One file per operation: the request, the answer, its tests and the link to its page.

#[macro_use]
mod wire_enum;

mod convert_id;
mod create_item;
mod delete_item;
mod expand_dl;
mod find_folder;
mod find_item;
mod find_items;
mod get_attachment;
mod get_delegate;
mod get_events;
mod get_folder;
mod get_item;
mod get_room_lists;
mod get_rooms;
mod get_server_time_zones;
mod get_streaming_events;
mod get_user_availability;
mod get_user_oof_settings;
mod notification;
mod paging;
mod resolve_names;
mod send_item;
mod sending;
mod shape;
mod subscribe;
mod sync_folder_hierarchy;
mod sync_folder_items;
#[cfg(test)]
mod testing;
mod unsubscribe;
mod update_item;

use crate::soap::ItemResult;

pub use convert_id::{AlternateId, ConvertId, IdFormat};
pub use create_item::{
    CancelMeeting, CreateCalendarItem, CreateMessage, MeetingResponse, NewMessage, RespondToMeeting,
};
pub use delete_item::DeleteItem;
pub use expand_dl::{ExpandDl, Members};
pub use find_folder::{FindFolder, FolderPage};
pub use find_item::{CalendarPage, FindItem};
pub use find_items::{FindItemPaged, ItemPage};
pub use get_attachment::{Attachment, AttachmentContent, GetAttachment};
pub use get_delegate::{DelegateUser, Delegates, DeliverMeetingRequests, GetDelegate};
pub use get_events::GetEvents;
pub use get_folder::{EffectiveRights, Folder, FolderClass, GetFolder};
pub use get_item::GetItem;
pub use get_room_lists::GetRoomLists;
pub use get_rooms::GetRooms;
pub use get_server_time_zones::GetServerTimeZones;
pub use get_streaming_events::{ConnectionStatus, GetStreamingEvents, StreamingMessage};
pub use get_user_availability::{
    Availability, FreeBusyDetails, FreeBusyEvent, FreeBusyView, GetUserAvailability, MergedView,
    RequestedView, WorkingHours, WorkingPeriod,
};
pub use get_user_oof_settings::{ExternalAudience, GetUserOofSettings, OofSettings, OofState};
pub use notification::{EventType, Notification, NotificationEvent, NotificationEventType, ObjectId};
pub use paging::Paging;
pub use resolve_names::{Contact, Resolution, Resolutions, ResolveNames, SearchScope};
pub use send_item::SendItem;
pub use sending::{
    ConflictResolution, DeleteType, MessageDisposition, SendMeetingCancellations, SendMeetingInvitations,
    SendMeetingInvitationsOrCancellations,
};
pub use subscribe::{Subscribe, Subscription};
pub use sync_folder_hierarchy::{FolderChange, HierarchyPage, SyncFolderHierarchy};
pub use sync_folder_items::{SyncChange, SyncFolderItems, SyncPage};
pub use unsubscribe::Unsubscribe;
pub use update_item::{UpdateItem, UpdatedItem};
pub use wire_enum::{
    BodyType, CalendarItemType, Importance, LegacyFreeBusyStatus, MyResponseType, Sensitivity, SharingRights,
};

/// What was done and brought nothing along brought an empty list: the schema lets servers leave out its element.
fn empty_when_done<T: Default>(mut results: Vec<ItemResult<T>>) -> Vec<ItemResult<T>> {
    for result in &mut results {
        if result.is_done() {
            result.value.get_or_insert_default();
        }
    }
    results
}

/// The elements of a batch at these places; `None` if there is no such place.
fn pick<T: Clone>(all: &[T], places: &[usize]) -> Option<Vec<T>> {
    places.iter().map(|place| all.get(*place).cloned()).collect()
}
