//! One file per operation: the request, the answer, its tests and the link to its page.

#[macro_use]
mod wire_enum;

mod convert_id;
mod expand_dl;
mod find_item;
mod get_delegate;
mod get_events;
mod get_folder;
mod get_room_lists;
mod get_rooms;
mod get_server_time_zones;
mod get_streaming_events;
mod get_user_availability;
mod get_user_oof_settings;
mod notification;
mod resolve_names;
mod subscribe;
#[cfg(test)]
mod testing;
mod unsubscribe;

pub use convert_id::{AlternateId, ConvertId, IdFormat};
pub use expand_dl::{ExpandDl, Members};
pub use find_item::{CalendarPage, FindItem};
pub use get_delegate::{DelegateUser, Delegates, DeliverMeetingRequests, GetDelegate};
pub use get_events::GetEvents;
pub use get_folder::{EffectiveRights, Folder, FolderClass, GetFolder};
pub use get_room_lists::GetRoomLists;
pub use get_rooms::GetRooms;
pub use get_server_time_zones::GetServerTimeZones;
pub use get_streaming_events::{ConnectionStatus, GetStreamingEvents, StreamingMessage};
pub use get_user_availability::{
    Availability, FreeBusyDetails, FreeBusyEvent, FreeBusyView, GetUserAvailability, MergedView,
    RequestedView, WorkingHours, WorkingPeriod,
};
pub use get_user_oof_settings::{ExternalAudience, GetUserOofSettings, OofSettings, OofState};
pub use notification::{EventKind, EventType, Notification, NotificationEvent, ObjectId};
pub use resolve_names::{Contact, Resolution, Resolutions, ResolveNames, SearchScope};
pub use subscribe::{Subscribe, Subscription};
pub use unsubscribe::Unsubscribe;
pub use wire_enum::{
    BodyType, CalendarItemType, Importance, LegacyFreeBusyStatus, MyResponseType, Sensitivity, SharingRights,
};

use crate::soap::ItemResult;

/// What was done and brought nothing along brought an empty list: the schema lets servers leave out its element.
fn empty_when_done<T: Default>(mut results: Vec<ItemResult<T>>) -> Vec<ItemResult<T>> {
    for result in &mut results {
        if result.is_done() {
            result.value.get_or_insert_default();
        }
    }
    results
}
