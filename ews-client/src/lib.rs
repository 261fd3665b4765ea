#![doc = include_str!("../README.md")]

mod auth;
mod client;
mod calendar_item;
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
mod when;
pub mod watch;
pub mod xml;
pub mod xs;
pub mod zone;

pub use auth::EwsCredential;
pub use client::{Affinity, BackEndCookie, CallOptions, EwsClient, EwsClientBuilder, OpenAnswer};
pub use calendar_item::{Attendee, CalendarItemDetails, OccurrenceInfo, RawCalendarItem, RawZone};
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
    AlternateId, Availability, BodyType, CalendarItemType, CalendarPage, ConnectionStatus, Contact, ConvertId, DelegateUser, Delegates, DeliverMeetingRequests, EffectiveRights, EventKind, EventType, ExpandDl, ExternalAudience, FindItem, Folder, FolderClass, FreeBusyDetails, FreeBusyEvent, FreeBusyView, GetDelegate, GetEvents, GetFolder, GetRoomLists, GetRooms, GetServerTimeZones, GetStreamingEvents, GetUserAvailability, GetUserOofSettings, IdFormat, Importance, LegacyFreeBusyStatus, Members, MergedView, MyResponseType, Notification, NotificationEvent, ObjectId, OofSettings, OofState, RequestedView, Resolution, Resolutions, ResolveNames, SearchScope, Sensitivity, SharingRights, StreamingMessage, Subscribe, Subscription, Unsubscribe, WorkingHours, WorkingPeriod,
};
pub use response_code::{CodeClass, ResponseCode};
pub use soap::{
    Body, Capabilities, ConnectingSid, Details, DistinguishedFolder, EnvelopeOutline, Fault, FolderRef,
    ItemResult, MessageXml, NegotiatedVersion, RequestContext, ResponseClass, SchemaVersion, SchemaViolation,
    ServerVersion, Sid, Target, read_envelope, write_request,
};
pub use when::{EventTime, When};
