#![doc = include_str!("../README.md")]

mod auth;
pub mod autodiscover;
pub mod calendar;
mod calendar_item;
mod client;
mod email_address;
mod endpoint;
mod framer;
pub mod free_busy;
pub mod going_away;
mod http_verdict;
mod ids;
mod item;
mod operation;
mod operations;
pub mod recurrence;
mod response_code;
mod soap;
pub mod watch;
mod when;
pub mod xml;
pub mod xs;
pub mod zone;

pub use auth::EwsCredential;
pub use calendar_item::{
    Attendee, CalendarItemChange, CalendarItemDetails, NewCalendarItem, OccurrenceInfo, RawCalendarItem,
    RawZone,
};
pub use client::{Affinity, BackEndCookie, CallOptions, EwsClient, EwsClientBuilder, OpenAnswer};
pub use email_address::EmailAddress;
pub use endpoint::EwsEndpoint;
pub use framer::EnvelopeFramer;
pub use http_verdict::{AuthScheme, HttpVerdict, auth_schemes, classify_http};
pub use ids::{AttachmentId, ChangeKey, FolderId, ItemId, SubscriptionId, SyncState, Watermark};
pub use item::{
    AttachmentInfo, ExtendedProperty, Item, ItemBody, ItemHead, ItemRef, Marker, Message, MessageKind,
};
pub use m365_core::{Error, ErrorKind, Result};
pub use operation::{Answer, EwsOperation, read_answer, read_http_answer, read_messages};
pub use operations::{
    AlternateId, Attachment, AttachmentContent, Availability, BodyType, CalendarItemType, CalendarPage,
    CancelMeeting, ConflictResolution, ConnectionStatus, Contact, ConvertId, CreateCalendarItem,
    CreateMessage, DelegateUser, Delegates, DeleteItem, DeleteType, DeliverMeetingRequests, EffectiveRights,
    EventType, ExpandDl, ExternalAudience, FindFolder, FindItem, FindItemPaged, Folder, FolderChange,
    FolderClass, FolderPage, FreeBusyDetails, FreeBusyEvent, FreeBusyView, GetAttachment, GetDelegate,
    GetEvents, GetFolder, GetItem, GetRoomLists, GetRooms, GetServerTimeZones, GetStreamingEvents,
    GetUserAvailability, GetUserOofSettings, HierarchyPage, IdFormat, Importance, ItemPage,
    LegacyFreeBusyStatus, MeetingResponse, Members, MergedView, MessageDisposition, MyResponseType,
    NewMessage, Notification, NotificationEvent, NotificationEventType, ObjectId, OofSettings, OofState,
    Paging, RequestedView, Resolution, Resolutions, ResolveNames, RespondToMeeting, SearchScope, SendItem,
    SendMeetingCancellations, SendMeetingInvitations, SendMeetingInvitationsOrCancellations, Sensitivity,
    SharingRights, StreamingMessage, Subscribe, Subscription, SyncChange, SyncFolderHierarchy,
    SyncFolderItems, SyncPage, Unsubscribe, UpdateItem, UpdatedItem, WorkingHours, WorkingPeriod,
};
pub use response_code::{CodeClass, ResponseCode};
pub use soap::{
    Body, Capabilities, ConnectingSid, Details, DistinguishedFolder, EnvelopeOutline, Fault, FolderRef,
    ItemResult, MessageXml, NegotiatedVersion, RequestContext, ResponseClass, SchemaVersion, SchemaViolation,
    ServerVersion, Sid, Target, read_envelope, write_request,
};
pub use when::{EventTime, When};
