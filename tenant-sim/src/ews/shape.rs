//! Which properties a request wants of items and folders.
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/property-sets-and-response-shapes-in-ews-in-exchange>

use std::collections::BTreeSet;

use super::operations::Failure;
use super::schema_violation;
use super::soap::{Element, Fault, MESSAGES, TYPES};
use super::version::{Version, known_since};
use crate::state::ExtendedName;

/// The properties of `calendar:`.
const CALENDAR: &str = " AdjacentMeetingCount AdjacentMeetings AllowNewTimeProposal AppointmentReplyTime AppointmentSequenceNumber AppointmentState CalendarActivityData CalendarItemType ConferenceType ConflictingMeetingCount ConflictingMeetings DateTimeStamp DeletedOccurrences DoNotForwardMeeting Duration End EndTimeZone EndTimeZoneId EndWallClock EnhancedLocation FirstOccurrence InboxReminders IsAllDayEvent IsCancelled IsMeeting IsOnlineMeeting IsOrganizer IsRecurring IsResponseRequested JoinOnlineMeetingUrl LastOccurrence LegacyFreeBusyStatus Location MeetingRequestWasSent MeetingTimeZone MeetingWorkspaceUrl ModifiedOccurrences MyResponseType NetShowUrl OnlineMeetingSettings OptionalAttendees Organizer OriginalStart Recurrence RecurrenceId RequiredAttendees Resources Start StartTimeZone StartTimeZoneId StartWallClock TimeZone UID When ";
/// Those of `item:`.
const ITEM: &str = " AppliedHashtags AppliedHashtagsPreview ArchiveTag AtAllMention Attachments BlockStatus Body CanDelete Categories ConversationId Culture DateTimeCreated DateTimeReceived DateTimeSent DisplayBcc DisplayCc DisplayTo EffectiveRights EntityExtractionResult FirstBody Flag HasAttachments HasBlockedImages Hashtags IconIndex Importance InReplyTo InferenceClassification InstanceKey InternetMessageHeader InternetMessageHeaders IsAssociated IsClutter IsDraft IsFromMe IsResend IsSubmitted IsUnmodified ItemClass ItemId LastModifiedName LastModifiedTime Likes LikesPreview MentionedMe Mentions MentionsEx MentionsPreview MimeContent NormalizedBody ParentFolderId PendingSocialActivityTagIds PolicyTag PredictedActionReasons Preview ReminderDueBy ReminderIsSet ReminderMinutesBeforeStart ReminderNextTime ResponseObjects RetentionDate RightsManagementLicenseData Sensitivity Size StoreEntryId Subject TextBody UniqueBody WebClientEditFormQueryString WebClientReadFormQueryString ";
/// Those of `message:`.
const MESSAGE: &str = " ApprovalRequestData BccRecipients CcRecipients ConversationIndex ConversationTopic From InternetMessageId IsDeliveryReceiptRequested IsRead IsReadReceiptRequested IsResponseRequested MessageSafety PublishedCalendarItemIcs PublishedCalendarItemName ReceivedBy ReceivedRepresenting References ReminderMessageData ReplyTo Sender ToRecipients VotingInformation ";
/// Those of `folder:`.
const FOLDER: &str = " ArchiveTag ChildFolderCount DisplayName DistinguishedFolderId EffectiveRights FolderClass FolderId ManagedFolderInformation ParentFolderId PermissionSet PolicyTag ReplicaList SearchParameters SharingEffectiveRights TotalCount UnreadCount ";
/// Kinds of items that this tenant has none of.
const FOREIGN: [&str; 7] =
    ["task:", "contacts:", "conversation:", "meeting:", "meetingRequest:", "distributionlist:", "postitem:"];

/// How much a request wants besides what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    IdOnly,
    Default,
    AllProperties,
}

/// The properties that a request wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) base: Base,
    uris: BTreeSet<String>,
    pub(super) extended: Vec<ExtendedName>,
    /// `Text`, `HTML` or `Best`.
    pub(super) body_type: String,
    pub(super) mime: bool,
}

impl Shape {
    /// Ids alone.
    pub(super) fn ids() -> Self {
        Self {
            base: Base::IdOnly,
            uris: BTreeSet::new(),
            extended: Vec::new(),
            body_type: "Best".to_owned(),
            mime: false,
        }
    }

    /// The shape in the child of this name. A property that the request's version does not know refuses each item.
    pub(super) fn read(
        operation: &Element,
        name: &str,
        version: Version,
    ) -> Result<Result<Self, Failure>, Fault> {
        let missing = || schema_violation(format!("{} needs {name} with BaseShape.", operation.name));
        let shape = operation.child(MESSAGES, name).ok_or_else(missing)?;
        let base = match shape.child(TYPES, "BaseShape").ok_or_else(missing)?.text.as_str() {
            "IdOnly" => Base::IdOnly,
            "Default" => Base::Default,
            "AllProperties" => Base::AllProperties,
            other => return Err(schema_violation(format!("'{other}' is no BaseShape."))),
        };
        let flag =
            |name: &str| shape.child(TYPES, name).is_some_and(|e| matches!(e.text.as_str(), "true" | "1"));
        let body_type = shape.child(TYPES, "BodyType").map_or("Best", |b| b.text.as_str());
        let mut read =
            Self { base, body_type: body_type.to_owned(), mime: flag("IncludeMimeContent"), ..Self::ids() };
        let mut failure = None;
        let additional = shape.child(TYPES, "AdditionalProperties");
        for path in additional.map(|a| a.children.as_slice()).unwrap_or_default() {
            match path.name.as_str() {
                "FieldURI" => {
                    let uri = field_uri(path)?;
                    if known_since(uri).is_some_and(|since| version < since) {
                        failure = Some(
                            Failure::new(
                                "ErrorInvalidPropertyRequest",
                                "The property is not valid for this request.",
                            )
                            .with_value("FieldURI", uri),
                        );
                    }
                    read.uris.insert(uri.to_owned());
                }
                "ExtendedFieldURI" => read.extended.push(extended_name(path)),
                "IndexedFieldURI" => {}
                other => return Err(schema_violation(format!("The element '{other}' is not expected."))),
            }
        }
        Ok(failure.map_or(Ok(read), Err))
    }

    /// True when the answer has this property, which the default shape has or not.
    pub(super) fn wants(&self, uri: &str, by_default: bool) -> bool {
        match self.base {
            Base::AllProperties => true,
            Base::Default if by_default => true,
            _ => self.uris.contains(uri),
        }
    }

    /// True when the request names it.
    pub(super) fn names(&self, uri: &str) -> bool {
        self.uris.contains(uri)
    }
}

/// The property that a `FieldURI` names, if the schema has it.
pub(super) fn field_uri(path: &Element) -> Result<&str, Fault> {
    let uri = path.attribute("FieldURI").unwrap_or_default();
    let (prefix, name) = uri.split_once(':').unwrap_or_default();
    let known = |all: &str| all.contains(&format!(" {name} "));
    let valid = match prefix {
        "calendar" => known(CALENDAR),
        "item" => known(ITEM),
        "message" => known(MESSAGE),
        "folder" => known(FOLDER),
        _ => FOREIGN.iter().any(|p| uri.starts_with(p)),
    };
    if valid && !name.contains(' ') {
        return Ok(uri);
    }
    Err(schema_violation(format!(
        "The 'FieldURI' attribute is invalid - The value '{uri}' is invalid according to its datatype."
    )))
}

/// What names an extended property.
pub(super) fn extended_name(path: &Element) -> ExtendedName {
    let mut attributes: Vec<(String, String)> =
        ["DistinguishedPropertySetId", "PropertySetId", "PropertyTag", "PropertyName", "PropertyId"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), path.attribute(name)?.to_owned())))
            .collect();
    attributes.sort();
    ExtendedName { attributes, kind: path.attribute("PropertyType").unwrap_or("String").to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(uri: &str) -> Element {
        let text = format!(r#"<FieldURI FieldURI="{uri}"/>"#);
        super::super::soap::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn only_properties_of_the_schema_are_known() {
        for good in ["calendar:Start", "item:Subject", "message:IsRead", "folder:DisplayName", "task:Owner"] {
            assert_eq!(field_uri(&field(good)).unwrap(), good);
        }
        for bad in ["calendar:start", "calendar:", "item:Start", "", "Start", "item:Subject Size"] {
            assert_eq!(field_uri(&field(bad)).unwrap_err().code, "ErrorSchemaValidation", "{bad}");
        }
    }
}
