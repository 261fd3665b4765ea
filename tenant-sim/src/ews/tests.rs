use super::soap::MESSAGES;
use super::*;
use crate::fixture::{
    APP, APP_OID, GRAPH, OUTLOOK, assignment, caller, group, mailbox, minutes, policy, start, tenant,
};
use crate::state::{
    AgentLists, Folder, FolderGrantee, FolderPermission, MailboxSwitches, OrganizationSwitches, PolicyRight,
    Propagation, ResourceScope, Timed,
};

const CONSENT: &[&str] = &["full_access_as_app"];
const AGENT: &str = "acme-connector/2.4";

fn envelope(header: &str, body: &str) -> String {
    format!(
        r#"<soap:Envelope xmlns:soap="{SOAP}" xmlns:t="{}" xmlns:m="{MESSAGES}"><soap:Header><t:RequestServerVersion Version="Exchange2016"/>{header}</soap:Header><soap:Body>{body}</soap:Body></soap:Envelope>"#,
        soap::TYPES
    )
}

fn as_mailbox(kind: &str, id: &str) -> String {
    format!(
        "<t:ExchangeImpersonation><t:ConnectingSID><t:{kind}>{id}</t:{kind}></t:ConnectingSID></t:ExchangeImpersonation>"
    )
}

fn get(folder: &str) -> String {
    format!(
        "<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape><m:FolderIds>{folder}</m:FolderIds></m:GetFolder>"
    )
}

const INBOX: &str = r#"<t:DistinguishedFolderId Id="inbox"/>"#;

struct Answered {
    status: u16,
    reason: String,
    diagnostics: String,
    body: String,
}

fn send(state: &mut State, caller: Result<Caller, TokenFault>, body: &str, now: Timestamp) -> Answered {
    let request = Request::builder()
        .method(Method::POST)
        .uri("/EWS/Exchange.asmx")
        .header("user-agent", AGENT)
        .body(Bytes::from(body.to_owned()))
        .unwrap();
    let reply = handle(state, caller, &request, now, &mut Line::default());
    let header =
        |name: &str| reply.headers().get(name).map(|v| v.to_str().unwrap().to_owned()).unwrap_or_default();
    Answered {
        status: reply.status().as_u16(),
        reason: header("x-ews-policy-reason"),
        diagnostics: header("x-ms-diagnostics"),
        body: String::from_utf8(reply.body().to_vec()).unwrap(),
    }
}

/// Anna's inbox with a consent.
fn anna(state: &mut State, now: Timestamp) -> Answered {
    let body = envelope(&as_mailbox("PrimarySmtpAddress", "anna@adatum.example"), &get(INBOX));
    send(state, Ok(caller(OUTLOOK, CONSENT)), &body, now)
}

fn code(answered: &Answered) -> String {
    let tree = soap::parse(answered.body.as_bytes()).unwrap();
    let fault = &tree.child(SOAP, "Body").unwrap().children[0];
    assert_eq!((answered.status, fault.name.as_str()), (500, "Fault"), "{}", answered.body);
    fault.children.iter().find(|c| c.name == "detail").unwrap().children[0].text.clone()
}

fn organization(state: &mut State, now: Timestamp, switches: OrganizationSwitches) {
    let delay = state.propagation.organization_switch;
    for record in &mut state.exchange.organization_switches {
        record.delete(now, delay);
    }
    state.exchange.organization_switches.push(Timed::new(switches, now, delay));
}

#[test]
fn a_consented_app_reads_a_folder_of_the_impersonated_mailbox() {
    let mut state = tenant(Propagation::instant());
    mailbox(&mut state, "anna");
    let read = anna(&mut state, start());
    assert_eq!(read.status, 200, "{}", read.body);
    assert!(
        read.body.contains("<t:DisplayName>Inbox</t:DisplayName>")
            && read.body.contains("<t:Read>true</t:Read>")
    );
    for (kind, id) in [("PrincipalName", "ANNA@adatum.example"), ("SmtpAddress", "anna.alias@adatum.example")]
    {
        let body = envelope(&as_mailbox(kind, id), &get(INBOX));
        assert_eq!(send(&mut state, Ok(caller(OUTLOOK, CONSENT)), &body, start()).status, 200, "{kind}");
    }
    let alias = envelope(&as_mailbox("PrimarySmtpAddress", "anna.alias@adatum.example"), &get(INBOX));
    let refused = send(&mut state, Ok(caller(OUTLOOK, CONSENT)), &alias, start());
    assert_eq!(code(&refused), "ErrorNonPrimarySmtpAddress");
    assert!(refused.body.contains(r#"<t:Value Name="Primary">anna@adatum.example</t:Value>"#));
    for id in ["nobody@adatum.example", "S-1-5-21-1"] {
        let body =
            envelope(&as_mailbox(if id.starts_with('S') { "SID" } else { "SmtpAddress" }, id), &get(INBOX));
        assert_eq!(
            code(&send(&mut state, Ok(caller(OUTLOOK, CONSENT)), &body, start())),
            "ErrorNonExistentMailbox"
        );
    }
}

#[test]
fn tokens_are_refused_before_anything_else_is_looked_at() {
    let mut state = tenant(Propagation::instant());
    mailbox(&mut state, "anna");
    let body = "not even XML";
    let wrong = send(&mut state, Ok(caller(GRAPH, CONSENT)), body, start());
    assert_eq!(wrong.status, 401);
    assert!(
        wrong.diagnostics.starts_with("2000003;")
            && wrong.diagnostics.contains("audience claim value is invalid")
    );
    let bare = send(&mut state, Ok(caller(OUTLOOK, &["IMAP.AccessAsApp"])), body, start());
    assert_eq!(bare.status, 401);
    assert!(bare.diagnostics.contains("not enough scope"));
    let missing = send(&mut state, Err(TokenFault::Missing), body, start());
    assert_eq!((missing.status, missing.diagnostics.as_str()), (401, ""));
    let person = Caller { user_roles: Some(vec![]), ..caller(OUTLOOK, CONSENT) };
    assert_eq!(send(&mut state, Ok(person), body, start()).status, 401);
}

#[test]
fn an_app_must_impersonate() {
    let mut state = tenant(Propagation::instant());
    mailbox(&mut state, "anna");
    let send = |state: &mut State, body: &str| send(state, Ok(caller(OUTLOOK, CONSENT)), body, start());
    assert_eq!(
        code(&send(&mut state, &envelope("", &get(INBOX)))),
        "ErrorInvalidExchangeImpersonationHeaderData"
    );
    for bad in [
        "<x/>",
        "<!DOCTYPE a><a/>",
        &envelope("<t:ExchangeImpersonation/>", &get(INBOX)),
        &envelope(&as_mailbox("Nickname", "anna"), &get(INBOX)),
        &envelope(&as_mailbox("SmtpAddress", "anna@adatum.example"), "<m:GetFolder/>"),
        &envelope(&as_mailbox("SmtpAddress", "anna@adatum.example"), ""),
    ] {
        assert_eq!(code(&send(&mut state, bad)), "ErrorSchemaValidation", "{bad}");
    }
    let other = envelope(&as_mailbox("SmtpAddress", "anna@adatum.example"), "<m:MarkAsJunk/>");
    assert_eq!(code(&send(&mut state, &other)), "ErrorInvalidRequest");
}

#[test]
fn trap_17_the_switch_the_list_and_their_delays() {
    let mut state = tenant(Propagation::realistic());
    mailbox(&mut state, "anna");
    assert_eq!(anna(&mut state, start()).status, 200, "unset counts as on, and no list is in force");
    let on = |apps: &[Uuid]| OrganizationSwitches {
        ews_enabled: Some(true),
        ews_allowed_apps: apps.iter().copied().collect(),
        ..OrganizationSwitches::default()
    };
    organization(&mut state, start(), on(&[]));
    assert_eq!(anna(&mut state, minutes(59)).status, 200, "the switch takes about an hour");
    let blocked = anna(&mut state, minutes(60));
    assert_eq!((blocked.status, blocked.reason.as_str(), blocked.body.as_str()), (403, BLOCKED, ""));

    organization(&mut state, minutes(60), on(&[APP]));
    assert_eq!(anna(&mut state, minutes(60 + 24 * 60 - 1)).reason, BLOCKED, "the list takes a day");
    assert_eq!(anna(&mut state, minutes(60 + 24 * 60)).status, 200);

    let off = OrganizationSwitches { ews_enabled: Some(false), ..on(&[APP]) };
    organization(&mut state, minutes(2000), off);
    assert_eq!(anna(&mut state, minutes(2060)).reason, DISABLED);
}

#[test]
fn organisation_and_mailbox_must_both_allow() {
    let mut state = tenant(Propagation::realistic());
    let id = mailbox(&mut state, "anna");
    let delay = state.propagation.mailbox_switch;
    let off = MailboxSwitches { ews_enabled: Some(false), ..MailboxSwitches::untouched(id) };
    state.exchange.mailbox_switches.push(Timed::new(off, start(), delay));
    assert_eq!(anna(&mut state, minutes(14)).status, 200);
    assert_eq!(anna(&mut state, minutes(15)).reason, DISABLED);
}

#[test]
fn trap_18_lists_of_user_agents_close_ews_and_a_mailbox_has_its_own() {
    let mut state = tenant(Propagation::realistic());
    let id = mailbox(&mut state, "anna");
    let allow = |patterns: &[&str]| AgentLists {
        allow_list_counts: Some(true),
        allowed: patterns.iter().map(|p| (*p).to_owned()).collect(),
        blocked: vec![],
    };
    let agents = allow(&["OWA/*"]);
    organization(&mut state, start(), OrganizationSwitches { agents, ..OrganizationSwitches::default() });
    assert_eq!(anna(&mut state, minutes(9)).status, 200, "lists of agents take some minutes");
    assert_eq!(anna(&mut state, minutes(10)).reason, BLOCKED);
    let delay = state.propagation.mailbox_switch;
    let own = MailboxSwitches { agents: allow(&["acme*"]), ..MailboxSwitches::untouched(id) };
    state.exchange.mailbox_switches.push(Timed::new(own, minutes(10), delay));
    assert_eq!(anna(&mut state, minutes(19)).reason, BLOCKED);
    assert_eq!(anna(&mut state, minutes(20)).status, 200);
}

#[test]
fn rights_are_a_consent_limited_by_policies_or_a_role_in_its_scope() {
    let mut state = tenant(Propagation::instant());
    let (one, two) = (mailbox(&mut state, "anna"), mailbox(&mut state, "bert"));
    let open = group(&mut state, "open", &[two]);
    policy(&mut state, Some(APP), open, PolicyRight::Restrict);
    assert_eq!(code(&anna(&mut state, start())), "ErrorAccessDenied");
    let scoped = group(&mut state, "scoped", &[one]);
    assignment(&mut state, "Application EWS.AccessAsApp", ResourceScope::Group(scoped));
    assert_eq!(anna(&mut state, start()).status, 200, "a role goes past the policy");
    let as_bert = envelope(&as_mailbox("SmtpAddress", "bert@adatum.example"), &get(INBOX));
    let refused = send(&mut state, Ok(caller(OUTLOOK, &[])), &as_bert, start());
    assert_eq!(code(&refused), "ErrorImpersonateUserDenied", "the role's scope does not hold bert");
    assert_eq!(send(&mut state, Ok(caller(OUTLOOK, CONSENT)), &as_bert, start()).status, 200);
    assert_eq!(state.exchange.role_assignments[0].value.app, APP_OID);
}

#[test]
fn a_delegate_sees_what_the_folders_entries_allow() {
    let mut state = tenant(Propagation::instant());
    let (owner, delegate) = (mailbox(&mut state, "anna"), mailbox(&mut state, "bert"));
    state.exchange.folder_languages.insert(owner, "de".to_owned());
    let calendar = get(
        r#"<t:DistinguishedFolderId Id="calendar"><t:Mailbox><t:EmailAddress>anna@adatum.example</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>"#,
    );
    let body = envelope(&as_mailbox("SmtpAddress", "bert@adatum.example"), &calendar);
    let send = |state: &mut State| send(state, Ok(caller(OUTLOOK, CONSENT)), &body, start());
    let refused = send(&mut state);
    assert_eq!(refused.status, 200, "a refusal of one folder is no fault");
    assert!(refused.body.contains("ErrorAccessDenied"), "Default sees free and busy only: {}", refused.body);
    state.exchange.folder_permissions.push(Timed::always(FolderPermission {
        mailbox: owner,
        folder: Folder::Calendar,
        grantee: FolderGrantee::Recipient(delegate),
        rights: ["FolderVisible", "ReadItems"].map(str::to_owned).into(),
        delegate: false,
        private_items: false,
    }));
    let read = send(&mut state).body;
    assert!(
        read.contains("<t:DisplayName>Kalender</t:DisplayName>") && read.contains("<t:CalendarFolder>"),
        "{read}"
    );
    assert!(
        read.contains("<t:Read>true</t:Read>") && read.contains("<t:CreateContents>false</t:CreateContents>")
    );
}

/// Answers of operations on items, recorded where `TENANT_SIM_RECORD` says, so that a foreign checker can look at them.
fn call(state: &mut State, who: &str, body: &str) -> String {
    let envelope = envelope(&as_mailbox("PrimarySmtpAddress", &format!("{who}@adatum.example")), body);
    let answered = send(state, Ok(caller(OUTLOOK, CONSENT)), &envelope, start());
    assert_eq!(answered.status, 200, "{}", answered.body);
    answered.body
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let rest = text.split_once(from).unwrap_or_else(|| panic!("{from} in {text}")).1;
    rest.split_once(to).unwrap().0
}

const OWN_CALENDAR: &str = r#"<t:DistinguishedFolderId Id="calendar"/>"#;

fn view(folder: &str, from: &str, until: &str, fields: &[&str]) -> String {
    let fields: String = fields.iter().map(|f| format!(r#"<t:FieldURI FieldURI="{f}"/>"#)).collect();
    let additional = if fields.is_empty() {
        String::new()
    } else {
        format!("<t:AdditionalProperties>{fields}</t:AdditionalProperties>")
    };
    format!(
        r#"<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>{additional}</m:ItemShape><m:CalendarView StartDate="{from}" EndDate="{until}"/><m:ParentFolderIds>{folder}</m:ParentFolderIds></m:FindItem>"#
    )
}

fn create(invitations: &str, inner: &str) -> String {
    format!(
        r#"<m:CreateItem SendMeetingInvitations="{invitations}"><m:Items><t:CalendarItem>{inner}</t:CalendarItem></m:Items></m:CreateItem>"#
    )
}

fn get_item(id: &str) -> String {
    format!(
        "<m:GetItem><m:ItemShape><t:BaseShape>AllProperties</t:BaseShape></m:ItemShape><m:ItemIds>{id}</m:ItemIds></m:GetItem>"
    )
}

const SERIES: &str = r#"<t:Subject>Stand-up</t:Subject><t:Sensitivity>Private</t:Sensitivity><t:Body BodyType="Text">a &amp; b</t:Body><t:Start>2026-11-23T09:00:00+01:00</t:Start><t:End>2026-11-23T09:15:00+01:00</t:End><t:LegacyFreeBusyStatus>OOF</t:LegacyFreeBusyStatus><t:Location>Room 1</t:Location><t:Recurrence><t:DailyRecurrence><t:Interval>1</t:Interval></t:DailyRecurrence><t:NumberedRecurrence><t:StartDate>2026-11-23</t:StartDate><t:NumberOfOccurrences>5</t:NumberOfOccurrences></t:NumberedRecurrence></t:Recurrence><t:StartTimeZone Id="Romance Standard Time"/><t:EndTimeZone Id="Romance Standard Time"/>"#;

#[test]
fn a_series_is_expanded_changed_and_loses_an_occurrence() {
    let mut state = tenant(Propagation::instant());
    let anna = mailbox(&mut state, "anna");
    let made = call(&mut state, "anna", &create("SendToNone", SERIES));
    let id = between(&made, "<t:ItemId Id=\"", "\"").to_owned();
    let week = view(
        OWN_CALENDAR,
        "2026-11-23T00:00:00Z",
        "2026-11-30T00:00:00Z",
        &["calendar:Start", "calendar:CalendarItemType", "item:Body"],
    );
    let seen = call(&mut state, "anna", &week);
    assert_eq!(seen.matches("<t:CalendarItemType>Occurrence<").count(), 5, "{seen}");
    assert!(seen.contains("<t:Start>2026-11-27T08:00:00Z</t:Start>") && !seen.contains("t:Body"));

    let third = format!(r#"<t:OccurrenceItemId RecurringMasterId="{id}" InstanceIndex="3"/>"#);
    let read = call(&mut state, "anna", &get_item(&third));
    assert!(read.contains("<t:OriginalStart>2026-11-25T08:00:00Z"), "{read}");
    let (third_id, key) = (between(&read, "<t:ItemId Id=\"", "\""), between(&read, "ChangeKey=\"", "\""));
    let update = format!(
        r#"<m:UpdateItem ConflictResolution="AutoResolve" SendMeetingInvitationsOrCancellations="SendToNone"><m:ItemChanges><t:ItemChange><t:ItemId Id="{third_id}" ChangeKey="{key}"/><t:Updates><t:SetItemField><t:FieldURI FieldURI="item:Subject"/><t:CalendarItem><t:Subject>Later</t:Subject></t:CalendarItem></t:SetItemField><t:SetItemField><t:FieldURI FieldURI="calendar:Start"/><t:CalendarItem><t:Start>2026-11-25T12:00:00Z</t:Start></t:CalendarItem></t:SetItemField></t:Updates></t:ItemChange></m:ItemChanges></m:UpdateItem>"#
    );
    let updated = call(&mut state, "anna", &update);
    assert!(updated.contains("<t:Count>0</t:Count>"), "{updated}");
    assert!(call(&mut state, "anna", &update).contains("ErrorIrresolvableConflict"), "the key is an old one");
    let delete = format!(
        r#"<m:DeleteItem DeleteType="HardDelete" SendMeetingCancellations="SendToNone"><m:ItemIds><t:OccurrenceItemId RecurringMasterId="{id}" InstanceIndex="2"/></m:ItemIds></m:DeleteItem>"#
    );
    assert!(call(&mut state, "anna", &delete).contains("NoError"));
    let again = call(&mut state, "anna", &delete);
    assert!(again.contains("ErrorCalendarOccurrenceIsDeletedFromRecurrence"), "{again}");
    let seen = call(&mut state, "anna", &week);
    assert_eq!(seen.matches("<t:CalendarItemType>").count(), 4, "{seen}");
    assert!(seen.contains("Exception") && seen.contains("<t:Start>2026-11-25T12:00:00Z</t:Start>"));
    let master = call(
        &mut state,
        "anna",
        &get_item(&format!(r#"<t:RecurringMasterItemId OccurrenceId="{third_id}"/>"#)),
    );
    assert!(master.contains("<t:OriginalStart>2026-11-25T08:00:00Z</t:OriginalStart>"), "{master}");
    assert!(master.contains("<t:DeletedOccurrence><t:Start>2026-11-24T08:00:00Z"), "{master}");
    assert!(master.contains("<t:NumberOfOccurrences>5<") && master.contains("RecurringMaster"));
    let past = call(
        &mut state,
        "anna",
        &get_item(&format!(r#"<t:OccurrenceItemId RecurringMasterId="{id}" InstanceIndex="6"/>"#)),
    );
    assert!(past.contains("ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange"));
    assert_eq!(state.store.changes_since(anna, 0).len(), 3, "a series changes as a whole");
}

#[test]
fn an_invitation_reaches_the_attendee_whose_answer_reaches_the_organizer() {
    let mut state = tenant(Propagation::instant());
    let (anna, bert) = (mailbox(&mut state, "anna"), mailbox(&mut state, "bert"));
    let inner = r#"<t:Subject>Plan</t:Subject><t:Start>2026-11-23T09:00:00Z</t:Start><t:End>2026-11-23T10:00:00Z</t:End><t:RequiredAttendees><t:Attendee><t:Mailbox><t:EmailAddress>bert@adatum.example</t:EmailAddress></t:Mailbox></t:Attendee></t:RequiredAttendees>"#;
    call(&mut state, "anna", &create("SendToAllAndSaveCopy", inner));
    let own = state.store.events[&bert].values().next().unwrap().clone();
    assert!(!own.is_organizer && own.show_as == "tentative");
    let inbox = format!(
        r#"<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>Default</t:BaseShape></m:ItemShape><m:IndexedPageItemView MaxEntriesReturned="10" Offset="0" BasePoint="Beginning"/><m:ParentFolderIds>{INBOX}</m:ParentFolderIds></m:FindItem>"#
    );
    assert!(call(&mut state, "bert", &inbox).contains("<t:MeetingRequest>"));
    let id = place::wire_id(&own.id);
    let accept = format!(
        r#"<m:CreateItem MessageDisposition="SendAndSaveCopy"><m:Items><t:AcceptItem><t:ReferenceItemId Id="{id}"/></t:AcceptItem></m:Items></m:CreateItem>"#
    );
    assert!(call(&mut state, "bert", &accept).contains("NoError"));
    let meeting = state.store.events[&anna].values().next().unwrap().clone();
    assert_eq!(meeting.attendees[0].response, crate::state::Response::Accept);
    let cancel = format!(
        r#"<m:CreateItem MessageDisposition="SendAndSaveCopy"><m:Items><t:CancelCalendarItem><t:ReferenceItemId Id="{}"/></t:CancelCalendarItem></m:Items></m:CreateItem>"#,
        place::wire_id(&meeting.id)
    );
    assert!(call(&mut state, "anna", &cancel).contains("NoError"));
    assert!(state.store.events[&bert].values().next().unwrap().cancelled);
    assert!(
        call(&mut state, "bert", &get_item(&format!(r#"<t:ItemId Id="{id}"/>"#)))
            .contains("<t:IsCancelled>true<")
    );
}

#[test]
fn trap_14_sync_tells_of_masters_and_refuses_foreign_states() {
    let mut state = tenant(Propagation::instant());
    mailbox(&mut state, "anna");
    let made = call(&mut state, "anna", &create("SendToNone", SERIES));
    let id = between(&made, "<t:ItemId Id=\"", "\"").to_owned();
    let sync = |state: &str| {
        let state =
            if state.is_empty() { String::new() } else { format!("<m:SyncState>{state}</m:SyncState>") };
        format!(
            "<m:SyncFolderItems><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape><m:SyncFolderId>{OWN_CALENDAR}</m:SyncFolderId>{state}<m:MaxChangesReturned>512</m:MaxChangesReturned></m:SyncFolderItems>"
        )
    };
    let first = call(&mut state, "anna", &sync(""));
    assert_eq!(first.matches("<t:Create>").count(), 1, "{first}");
    let token = between(&first, "<m:SyncState>", "<").to_owned();
    let none = call(&mut state, "anna", &sync(&token));
    assert!(none.contains("<m:Changes></m:Changes>"), "{none}");
    let delete = format!(
        r#"<m:DeleteItem DeleteType="MoveToDeletedItems" SendMeetingCancellations="SendToNone"><m:ItemIds><t:OccurrenceItemId RecurringMasterId="{id}" InstanceIndex="2"/></m:ItemIds></m:DeleteItem>"#
    );
    call(&mut state, "anna", &delete);
    let second = call(&mut state, "anna", &sync(&token));
    assert!(second.contains("<t:Update>") && second.contains(&id), "{second}");
    let whole = format!(
        r#"<m:DeleteItem DeleteType="MoveToDeletedItems" SendMeetingCancellations="SendToNone"><m:ItemIds><t:ItemId Id="{id}"/></m:ItemIds></m:DeleteItem>"#
    );
    call(&mut state, "anna", &whole);
    let third = call(&mut state, "anna", &sync(between(&second, "<m:SyncState>", "<")));
    assert!(third.contains(&format!(r#"<t:Delete><t:ItemId Id="{id}"/></t:Delete>"#)), "{third}");
    let hierarchy = "<m:SyncFolderHierarchy><m:FolderShape><t:BaseShape>AllProperties</t:BaseShape></m:FolderShape></m:SyncFolderHierarchy>";
    let folders = call(&mut state, "anna", hierarchy);
    let of_folders = between(&folders, "<m:SyncState>", "<").to_owned();
    for bad in ["H4sIAAAA", "!", of_folders.as_str()] {
        let refused = call(&mut state, "anna", &sync(bad));
        assert!(
            refused.contains("ErrorInvalidSyncStateData") && refused.contains("<m:SyncState/>"),
            "{refused}"
        );
    }
}

fn availability(view: &str, addresses: &[&str]) -> String {
    let all: String = addresses
        .iter()
        .map(|a| format!("<t:MailboxData><t:Email><t:Address>{a}</t:Address></t:Email><t:AttendeeType>Required</t:AttendeeType></t:MailboxData>"))
        .collect();
    let change = "<t:Bias>0</t:Bias><t:Time>00:00:00</t:Time><t:DayOrder>1</t:DayOrder><t:Month>1</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek>";
    format!(
        "<m:GetUserAvailabilityRequest><t:TimeZone><t:Bias>0</t:Bias><t:StandardTime>{change}</t:StandardTime><t:DaylightTime>{change}</t:DaylightTime></t:TimeZone><m:MailboxDataArray>{all}</m:MailboxDataArray><t:FreeBusyViewOptions><t:TimeWindow><t:StartTime>2026-11-23T00:00:00</t:StartTime><t:EndTime>2026-11-24T00:00:00</t:EndTime></t:TimeWindow><t:MergedFreeBusyIntervalInMinutes>30</t:MergedFreeBusyIntervalInMinutes><t:RequestedView>{view}</t:RequestedView></t:FreeBusyViewOptions></m:GetUserAvailabilityRequest>"
    )
}

#[test]
fn trap_10_free_and_busy_is_as_detailed_as_the_calendars_entries() {
    let mut state = tenant(Propagation::instant());
    let (anna, bert) = (mailbox(&mut state, "anna"), mailbox(&mut state, "bert"));
    call(&mut state, "anna", &create("SendToNone", SERIES));
    let ask = availability("DetailedMerged", &["anna@adatum.example", "nobody@adatum.example"]);
    let own = call(&mut state, "anna", &ask);
    assert!(
        own.contains("<t:FreeBusyViewType>DetailedMerged<") && own.contains("<t:Subject>Stand-up<"),
        "{own}"
    );
    let digits = between(&own, "<t:MergedFreeBusy>", "<");
    assert_eq!((digits.len(), &digits[15..18]), (48, "030"));
    assert!(own.contains("ErrorMailRecipientNotFound") && own.contains("<t:FreeBusyViewType>None<"));
    let other = call(&mut state, "bert", &ask);
    assert!(other.contains("<t:FreeBusyViewType>FreeBusyMerged<") && !other.contains("Stand-up"), "{other}");
    state.exchange.folder_permissions.push(Timed::always(FolderPermission {
        mailbox: anna,
        folder: Folder::Calendar,
        grantee: FolderGrantee::Recipient(bert),
        rights: ["FolderVisible", "ReadItems"].map(str::to_owned).into(),
        delegate: false,
        private_items: false,
    }));
    let reviewer = call(&mut state, "bert", &ask);
    assert!(reviewer.contains("<t:IsPrivate>true<") && !reviewer.contains("Stand-up"), "{reviewer}");
    let shared = r#"<t:DistinguishedFolderId Id="calendar"><t:Mailbox><t:EmailAddress>anna@adatum.example</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>"#;
    let items = call(
        &mut state,
        "bert",
        &view(shared, "2026-11-23T00:00:00Z", "2026-11-24T00:00:00Z", &["item:Subject"]),
    );
    assert!(items.contains("<t:Subject>Stand-up<"), "items hide nothing: {items}");
    let write = format!(
        r#"<m:DeleteItem DeleteType="HardDelete" SendMeetingCancellations="SendToNone"><m:ItemIds><t:ItemId Id="{}"/></m:ItemIds></m:DeleteItem>"#,
        place::wire_id(state.store.events[&anna].keys().next().unwrap())
    );
    assert!(call(&mut state, "bert", &write).contains("ErrorAccessDenied"));
    state.exchange.folder_permissions[0].value.grantee = FolderGrantee::Default;
    state.exchange.folder_permissions[0].value.rights.clear();
    assert!(call(&mut state, "bert", &ask).contains("ErrorNoFreeBusyAccess"));
}

#[test]
fn trap_09_views_have_limits_and_a_class() {
    let mut state = tenant(Propagation::instant());
    mailbox(&mut state, "anna");
    call(&mut state, "anna", &create("SendToNone", SERIES));
    let two_years = view(OWN_CALENDAR, "2026-01-01T00:00:00Z", "2028-01-02T00:00:00Z", &[]);
    assert!(call(&mut state, "anna", &two_years).contains("ErrorCalendarViewRangeTooBig"));
    let inbox = view(INBOX, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", &[]);
    assert!(call(&mut state, "anna", &inbox).contains("ErrorCalendarFolderIsInvalidForCalendarView"));
    let week = view(OWN_CALENDAR, "2026-11-23T08:15:00Z", "2026-11-30T00:00:00Z", &[]);
    state.store.find_limit = Some(3);
    let over = call(&mut state, "anna", &week);
    assert!(
        over.contains("ErrorExceededFindCountLimit") && over.contains(r#"<t:Value Name="PolicyLimit">3<"#),
        "{over}"
    );
    let capped = call(
        &mut state,
        "anna",
        &week.replace("<m:CalendarView ", r#"<m:CalendarView MaxEntriesReturned="3" "#),
    );
    assert!(
        capped.contains(r#"TotalItemsInView="5" IncludesLastItemInRange="false""#),
        "what ends at the start is there: {capped}"
    );
    let backwards = view(OWN_CALENDAR, "2026-11-30T00:00:00Z", "2026-11-23T00:00:00Z", &[]);
    assert!(call(&mut state, "anna", &backwards).contains("ErrorCalendarEndDateIsEarlierThanStartDate"));
}

#[test]
fn requests_that_lack_what_they_need_are_told_so() {
    let mut state = tenant(Propagation::instant());
    mailbox(&mut state, "anna");
    let made = call(&mut state, "anna", &create("SendToNone", SERIES));
    let id = between(&made, "<t:ItemId Id=\"", "\"").to_owned();
    for (body, code) in [
        (
            create("SendToNone", SERIES).replace(" SendMeetingInvitations=\"SendToNone\"", ""),
            "ErrorSendMeetingInvitationsRequired",
        ),
        (
            create("SendToNone", &SERIES.replace("09:15", "08:15")),
            "ErrorCalendarEndDateIsEarlierThanStartDate",
        ),
        (create("SendToNone", &SERIES.replace("Romance", "Middle Earth")), "ErrorTimeZone"),
        (
            create("SendToNone", &SERIES.replace("2026-11-23T09:15", "2036-11-23T09:15")),
            "ErrorCalendarDurationIsTooLong",
        ),
        (get_item(r#"<t:ItemId Id="nonsense"/>"#), "ErrorInvalidIdMalformed"),
        (get_item(r#"<t:ItemId Id=""/>"#), "ErrorInvalidIdEmpty"),
        (get_item(&format!(r#"<t:ItemId Id="AAMk{}AAA="/>"#, "x".repeat(64))), "ErrorItemNotFound"),
        (
            format!(
                r#"<m:UpdateItem ConflictResolution="AlwaysOverwrite" SendMeetingInvitationsOrCancellations="SendToNone"><m:ItemChanges><t:ItemChange><t:ItemId Id="{id}"/><t:Updates/></t:ItemChange></m:ItemChanges></m:UpdateItem>"#
            ),
            "ErrorChangeKeyRequiredForWriteOperations",
        ),
        (
            format!(
                r#"<m:DeleteItem DeleteType="HardDelete"><m:ItemIds><t:ItemId Id="{id}"/></m:ItemIds></m:DeleteItem>"#
            ),
            "ErrorSendMeetingCancellationsRequired",
        ),
    ] {
        let answered = call(&mut state, "anna", &body);
        assert!(answered.contains(&format!("<m:ResponseCode>{code}<")), "{code}: {answered}");
    }
}

#[test]
fn trap_17_an_old_request_knows_no_young_property_and_a_server_no_unknown_version() {
    let mut state = tenant(Propagation::instant());
    mailbox(&mut state, "anna");
    let body =
        view(OWN_CALENDAR, "2026-11-23T00:00:00Z", "2026-11-30T00:00:00Z", &["calendar:StartWallClock"]);
    let whole = envelope(&as_mailbox("PrimarySmtpAddress", "anna@adatum.example"), &body);
    let mut ask = |version: &str| {
        send(
            &mut state,
            Ok(caller(OUTLOOK, CONSENT)),
            &whole.replace("\"Exchange2016\"", &format!("\"{version}\"")),
            start(),
        )
    };
    assert!(ask("Exchange2013").body.contains("NoError"));
    assert!(ask("Exchange2010_SP2").body.contains("ErrorInvalidPropertyRequest"));
    assert_eq!(code(&ask("Exchange2031")), "ErrorInvalidServerVersion");
}

#[test]
fn mail_is_drafted_sent_found_and_read() {
    let mut state = tenant(Propagation::instant());
    mailbox(&mut state, "anna");
    mailbox(&mut state, "bert");
    let make = |disposition: &str| {
        format!(
            r#"<m:CreateItem MessageDisposition="{disposition}"><m:Items><t:Message><t:Subject>Hello</t:Subject><t:Body BodyType="Text">One</t:Body><t:ToRecipients><t:Mailbox><t:EmailAddress>bert@adatum.example</t:EmailAddress></t:Mailbox></t:ToRecipients></t:Message></m:Items></m:CreateItem>"#
        )
    };
    let draft = call(&mut state, "anna", &make("SaveOnly"));
    let (id, key) = (between(&draft, "<t:ItemId Id=\"", "\""), between(&draft, "ChangeKey=\"", "\""));
    let send = |key: &str| {
        format!(
            r#"<m:SendItem SaveItemToFolder="true"><m:ItemIds><t:ItemId Id="{id}" ChangeKey="{key}"/></m:ItemIds></m:SendItem>"#
        )
    };
    assert!(call(&mut state, "anna", &send("AAAA")).contains("ErrorStaleObject"));
    assert!(call(&mut state, "anna", &send(key)).contains("NoError"));
    let find = |restriction: &str| {
        format!(
            r#"<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape><t:AdditionalProperties><t:FieldURI FieldURI="message:IsRead"/></t:AdditionalProperties></m:ItemShape><m:IndexedPageItemView MaxEntriesReturned="5" Offset="0" BasePoint="Beginning"/><m:Restriction>{restriction}</m:Restriction><m:SortOrder><t:FieldOrder Order="Descending"><t:FieldURI FieldURI="item:DateTimeReceived"/></t:FieldOrder></m:SortOrder><m:ParentFolderIds>{INBOX}</m:ParentFolderIds></m:FindItem>"#
        )
    };
    let unread = |value: &str| {
        find(&format!(
            r#"<t:IsEqualTo><t:FieldURI FieldURI="message:IsRead"/><t:FieldURIOrConstant><t:Constant Value="{value}"/></t:FieldURIOrConstant></t:IsEqualTo>"#
        ))
    };
    let found = call(&mut state, "bert", &unread("false"));
    assert!(found.contains(r#"TotalItemsInView="1""#), "{found}");
    assert!(call(&mut state, "bert", &unread("true")).contains(r#"TotalItemsInView="0""#));
    let item = between(&found, "<t:ItemId ", "/>");
    let mime = format!(
        "<m:GetItem><m:ItemShape><t:BaseShape>Default</t:BaseShape><t:IncludeMimeContent>true</t:IncludeMimeContent></m:ItemShape><m:ItemIds><t:ItemId {item}/></m:ItemIds></m:GetItem>"
    );
    let read = call(&mut state, "bert", &mime);
    assert!(
        read.contains("<t:MimeContent") && read.contains(r#"<t:Body BodyType="Text">One</t:Body>"#),
        "{read}"
    );
    let folders = format!(
        r#"<m:FindFolder Traversal="Deep"><m:FolderShape><t:BaseShape>AllProperties</t:BaseShape></m:FolderShape><m:Restriction><t:IsEqualTo><t:FieldURI FieldURI="folder:FolderClass"/><t:FieldURIOrConstant><t:Constant Value="IPF.Appointment"/></t:FieldURIOrConstant></t:IsEqualTo></m:Restriction><m:ParentFolderIds>{}</m:ParentFolderIds></m:FindFolder>"#,
        r#"<t:DistinguishedFolderId Id="msgfolderroot"/>"#
    );
    let anna = state.mailbox("anna@adatum.example", start()).unwrap().object_id;
    state.store.add_calendar(anna, "Team");
    let listed = call(&mut state, "anna", &folders);
    assert!(
        listed.contains(r#"TotalItemsInView="2""#) && listed.contains("<t:DisplayName>Team<"),
        "{listed}"
    );
}
