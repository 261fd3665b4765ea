//! `*-MailboxFolderPermission` and `Get-MailboxFolderStatistics`.
//! <https://learn.microsoft.com/powershell/module/exchangepowershell/add-mailboxfolderpermission>

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::SignedDuration;
use uuid::Uuid;

use super::cmdlet::{Params, Run};
use super::envelope::{Failure, Row};
use super::recipient::{grantee_named, mailbox_named};
use super::{recipient_permission, service_principal};
use crate::access::folder::{CALENDAR_ROLES, RIGHTS, ROLES, implicit};
use crate::state::{Folder, FolderGrantee, FolderPermission, State, Timed};

/// Entries that a folder can hold, Default and Anonymous included.
const MAX_ENTRIES: usize = 500;
const FLAGS: [&str; 3] = ["None", "Delegate", "CanViewPrivateItems"];
const ENGLISH: [&str; 7] =
    ["Top of Information Store", "Inbox", "Calendar", "Birthdays", "Sent Items", "Drafts", "Deleted Items"];
const STORE: &str = "Microsoft.Exchange.Management.StoreTasks";

/// Names of root, inbox, calendar, birthdays, sent, drafts and deleted, by language.
const NAMES: [(&str, [&str; 7]); 5] = [
    ("en", ENGLISH),
    (
        "de",
        [
            "Oberste Ebene des Informationsspeichers",
            "Posteingang",
            "Kalender",
            "Geburtstage",
            "Gesendete Elemente",
            "Entwürfe",
            "Gelöschte Elemente",
        ],
    ),
    (
        "pl",
        [
            "Góra magazynu informacji",
            "Skrzynka odbiorcza",
            "Kalendarz",
            "Urodziny",
            "Elementy wysłane",
            "Wersje robocze",
            "Elementy usunięte",
        ],
    ),
    (
        "fr",
        [
            "Racine de la banque d'informations",
            "Boîte de réception",
            "Calendrier",
            "Anniversaires",
            "Éléments envoyés",
            "Brouillons",
            "Éléments supprimés",
        ],
    ),
    (
        "da",
        [
            "Øverst i informationslageret",
            "Indbakke",
            "Kalender",
            "Fødselsdage",
            "Sendt post",
            "Kladder",
            "Slettet post",
        ],
    ),
];

/// `Get-MailboxFolderPermission`; Default and Anonymous come first and are always there.
pub(super) fn get(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let state = &*run.state;
    let (mailbox, folder) = folder_named(state, &params.text("Identity")?)?;
    let shown = shown_name(state, mailbox, &folder);
    let all = entries(state, mailbox, &folder);
    let Some(user) = params.optional("User")? else {
        return Ok(all.iter().map(|e| row(state, &shown, e)).collect());
    };
    let grantee = grantee(state, &user)?;
    let one = all.iter().find(|e| e.grantee == grantee).ok_or_else(|| no_entry(&user))?;
    Ok(vec![row(state, &shown, one)])
}

/// `Add-MailboxFolderPermission`: for somebody without an entry, and for Default and Anonymous while theirs is None.
pub(super) fn add(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let (mut entry, shown) = requested(run.state, params)?;
    let all = entries(run.state, entry.mailbox, &entry.folder);
    let (delegate, private_items) = flags(params)?.unwrap_or_default();
    (entry.delegate, entry.private_items) = (delegate, private_items);
    if let Some(present) = all.iter().find(|e| e.grantee == entry.grantee) {
        let closed = !matches!(entry.grantee, FolderGrantee::Recipient(_)) && present.rights.is_empty();
        if !closed {
            return Err(Failure::bad_request(
                "Ex7A0C11",
                &format!("{STORE}.UserAlreadyExistsInPermissionEntryException"),
                &format!("An existing permission entry was found for user: {}.", params.text("User")?),
            ));
        }
    } else if all.len() >= MAX_ENTRIES {
        return Err(Failure::invalid_operation(&format!(
            "A folder holds at most {MAX_ENTRIES} permission entries."
        )));
    }
    let output = row(run.state, &shown, &entry);
    write(run, entry);
    Ok(vec![output])
}

/// `Set-MailboxFolderPermission`: replaces rights. A notification without flags makes a delegate none; a change that
/// changes nothing gives a warning.
pub(super) fn set(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let (mut entry, _) = requested(run.state, params)?;
    let all = entries(run.state, entry.mailbox, &entry.folder);
    let user = params.text("User")?;
    let before = all.iter().find(|e| e.grantee == entry.grantee).ok_or_else(|| no_entry(&user))?;
    let notified = params.boolean("SendNotificationToUser")?.is_some();
    (entry.delegate, entry.private_items) = match flags(params)? {
        Some(flags) => flags,
        None if notified => (false, false),
        None => (before.delegate, before.private_items),
    };
    if entry == *before {
        run.warnings.push(format!(
            "The command completed successfully but no settings of '{}' have been modified.",
            params.text("Identity")?
        ));
        return Ok(vec![]);
    }
    write(run, entry);
    Ok(vec![])
}

/// `Remove-MailboxFolderPermission`; Default and Anonymous stay.
pub(super) fn remove(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let (mailbox, folder) = folder_named(run.state, &params.text("Identity")?)?;
    if params.switch("ResetDelegateUserCollection")? {
        if folder != Folder::Calendar {
            return Err(Failure::parameter_set("ResetDelegateUserCollection"));
        }
        let delegates: Vec<FolderPermission> =
            entries(run.state, mailbox, &folder).into_iter().filter(|e| e.delegate).collect();
        for delegate in delegates {
            write(run, FolderPermission { delegate: false, private_items: false, ..delegate });
        }
        return Ok(vec![]);
    }
    let user = params.optional("User")?.ok_or_else(|| Failure::parameter_set("User"))?;
    let grantee = grantee(run.state, &user)?;
    if !matches!(grantee, FolderGrantee::Recipient(_)) {
        return Err(Failure::bad_request(
            "Ex2D40E8",
            &format!("{STORE}.CannotRemoveSpecialUserException"),
            &format!("The permission entry of the user \"{user}\" can't be removed."),
        ));
    }
    if !delete(run, mailbox, &folder, grantee) {
        return Err(no_entry(&user));
    }
    Ok(vec![])
}

/// `Get-MailboxFolderStatistics`: names in the mailbox's language, types in English.
pub(super) fn statistics(run: &mut Run<'_>, params: &Params) -> Result<Vec<Row>, Failure> {
    let state = &*run.state;
    let mailbox = mailbox_named(state, &params.text("Identity")?)?;
    let scope = params.choice("FolderScope", &["All", "Calendar", "Inbox"])?.unwrap_or("All");
    let rows = folders(state, mailbox.object_id).into_iter().filter(|folder| match scope {
        "Calendar" => folder.is_calendar(),
        "Inbox" => *folder == Folder::Inbox,
        _ => true,
    });
    Ok(rows
        .map(|folder| {
            let name = shown_name(state, mailbox.object_id, &folder);
            let path = path(state, mailbox.object_id, &folder).replace('\\', "/");
            let folder_type = match folder {
                Folder::Root => "Root",
                Folder::Inbox => "Inbox",
                Folder::Calendar => "Calendar",
                Folder::Birthdays => "BirthdayCalendar",
                Folder::Sent => "SentItems",
                Folder::Drafts => "Drafts",
                Folder::Deleted => "DeletedItems",
                Folder::Own(_) | Folder::OwnCalendar(_) => "User Created",
            };
            Row::default()
                .text("Identity", format!("{}\\{}", mailbox.name, path.trim_start_matches('/')))
                .text("Name", name)
                .text("FolderPath", format!("/{}", path.trim_start_matches('/')))
                .text("FolderId", folder_id(state, mailbox.object_id, &folder))
                .text("FolderType", folder_type)
                .text("ItemsInFolder", "0")
        })
        .collect())
}

fn no_entry(user: &str) -> Failure {
    Failure::bad_request(
        "Ex7A0C12",
        &format!("{STORE}.UserNotFoundInPermissionEntryException"),
        &format!("There is no existing permission entry found for user: {user}."),
    )
}

/// Mailbox and folder of `mailbox:\path` or `mailbox:id`.
fn folder_named(state: &State, identity: &str) -> Result<(Uuid, Folder), Failure> {
    let (mailbox, place) = identity.split_once(':').ok_or_else(|| Failure::not_found(identity))?;
    let mailbox = mailbox_named(state, mailbox)?.object_id;
    let found = folders(state, mailbox).into_iter().find(|folder| match place.strip_prefix('\\') {
        Some(wanted) => path(state, mailbox, folder).to_lowercase() == wanted.to_lowercase(),
        None => folder_id(state, mailbox, folder) == place,
    });
    found.map(|folder| (mailbox, folder)).ok_or_else(|| Failure::not_found(identity))
}

fn folders(state: &State, mailbox: Uuid) -> Vec<Folder> {
    let own = state.exchange.own_folders.get(&mailbox).into_iter().flatten();
    let calendars = state.store.calendars.get(&mailbox).into_iter().flatten();
    [Folder::Root, Folder::Inbox, Folder::Calendar, Folder::Birthdays]
        .into_iter()
        .chain(own.map(|name| Folder::Own(name.clone())))
        .chain(calendars.map(|c| Folder::OwnCalendar(c.name.clone())))
        .collect()
}

pub(crate) fn shown_name(state: &State, mailbox: Uuid, folder: &Folder) -> String {
    let language = state.exchange.folder_languages.get(&mailbox).map_or("en", String::as_str);
    let [root, inbox, calendar, birthdays, sent, drafts, deleted] =
        NAMES.iter().find(|(code, _)| *code == language).map_or(ENGLISH, |(_, names)| *names);
    match folder {
        Folder::Root => root.to_owned(),
        Folder::Inbox => inbox.to_owned(),
        Folder::Calendar => calendar.to_owned(),
        Folder::Birthdays => birthdays.to_owned(),
        Folder::Sent => sent.to_owned(),
        Folder::Drafts => drafts.to_owned(),
        Folder::Deleted => deleted.to_owned(),
        Folder::Own(name) | Folder::OwnCalendar(name) => name.clone(),
    }
}

/// Names between backslashes; that of the root is empty.
fn path(state: &State, mailbox: Uuid, folder: &Folder) -> String {
    match folder {
        Folder::Root => String::new(),
        Folder::Birthdays | Folder::OwnCalendar(_) => format!(
            "{}\\{}",
            shown_name(state, mailbox, &Folder::Calendar),
            shown_name(state, mailbox, folder)
        ),
        _ => shown_name(state, mailbox, folder),
    }
}

/// The same for ever, whatever the folder is called.
pub(crate) fn folder_id(state: &State, mailbox: Uuid, folder: &Folder) -> String {
    let number = match folder {
        Folder::Root => 1,
        Folder::Inbox => 2,
        Folder::Calendar => 3,
        Folder::Birthdays => 4,
        Folder::Own(name) => {
            let own = state.exchange.own_folders.get(&mailbox).into_iter().flatten();
            5 + own.take_while(|n| *n != name).count()
        }
        Folder::Sent => 901,
        Folder::Drafts => 902,
        Folder::Deleted => 903,
        Folder::OwnCalendar(name) => {
            let mut own = state.store.calendars.get(&mailbox).into_iter().flatten();
            // One that is not there has the id of none.
            own.find(|c| c.name == *name).map_or(999, |c| 1000 + c.number as usize)
        }
    };
    let mut bytes = vec![0x2e, 0, 0, 0];
    bytes.extend(mailbox.as_bytes());
    bytes.extend(number.to_be_bytes());
    BASE64_STANDARD.encode(bytes)
}

/// Whom `-User` means. Apps have no entries on folders.
fn grantee(state: &State, user: &str) -> Result<FolderGrantee, Failure> {
    match user.to_ascii_lowercase().as_str() {
        "default" => return Ok(FolderGrantee::Default),
        "anonymous" => return Ok(FolderGrantee::Anonymous),
        _ => {}
    }
    let found = grantee_named(state, user).ok();
    found
        .filter(|id| !service_principal::configured(state).any(|p| p.object_id == *id))
        .map(FolderGrantee::Recipient)
        .ok_or_else(|| {
            Failure::bad_request(
                "Ex45F0A3",
                &format!("{STORE}.InvalidExternalUserIdException"),
                &format!("The user \"{user}\" is either not valid SMTP address, or there is no matching information."),
            )
        })
}

/// The entries of a folder, those of Default and Anonymous first.
fn entries(state: &State, mailbox: Uuid, folder: &Folder) -> Vec<FolderPermission> {
    let of_folder = |e: &&Timed<FolderPermission>| e.value.mailbox == mailbox && e.value.folder == *folder;
    let records = state.exchange.folder_permissions.iter().filter(of_folder);
    let written: Vec<&FolderPermission> = records.filter(|e| e.is_configured()).map(|e| &e.value).collect();
    let special = [FolderGrantee::Default, FolderGrantee::Anonymous].into_iter().map(|grantee| {
        let found = written.iter().find(|e| e.grantee == grantee);
        found.map_or_else(|| implicit(mailbox, folder.clone(), grantee), |e| (*e).clone())
    });
    let named = written.iter().filter(|e| matches!(e.grantee, FolderGrantee::Recipient(_)));
    special.chain(named.map(|e| (*e).clone())).collect()
}

/// Whether they are to be a delegate, and one who sees private items; `None` when the call does not say.
fn flags(params: &Params) -> Result<Option<(bool, bool)>, Failure> {
    let given = params.list("SharingPermissionFlags")?;
    if let Some(bad) = given.iter().find(|g| !FLAGS.iter().any(|f| f.eq_ignore_ascii_case(g))) {
        return Err(Failure::transformation("SharingPermissionFlags", bad, &FLAGS.join(", ")));
    }
    let has = |flag: &str| given.iter().any(|g| g.eq_ignore_ascii_case(flag));
    match (given.is_empty(), has("Delegate"), has("CanViewPrivateItems")) {
        (true, ..) => Ok(None),
        (_, false, true) => Err(Failure::parameter_set("SharingPermissionFlags")),
        (_, delegate, private_items) => Ok(Some((delegate, private_items))),
    }
}

/// The entry that the parameters describe, and the folder's name.
fn requested(state: &State, params: &Params) -> Result<(FolderPermission, String), Failure> {
    let (mailbox, folder) = folder_named(state, &params.text("Identity")?)?;
    let grantee = grantee(state, &params.text("User")?)?;
    let words = params.list("AccessRights")?;
    let mut rights = BTreeSet::new();
    for word in &words {
        let same = |known: &&str| known.eq_ignore_ascii_case(word);
        if let Some((_, of_role)) = ROLES.iter().find(|(role, _)| same(role)) {
            rights.extend(of_role.iter().map(|r| (*r).to_owned()));
        } else if let Some(right) = RIGHTS.iter().find(|r| same(r)) {
            rights.insert((*right).to_owned());
        } else if let Some(role) = CALENDAR_ROLES.iter().find(|r| same(r)) {
            if !folder.is_calendar() {
                return Err(Failure::bad_request(
                    "Ex1E77B2",
                    "Microsoft.Exchange.Data.Storage.EnumOutOfRangeException",
                    &format!("The value \"{role}\" of the parameter AccessRights is out of range."),
                ));
            }
            rights.insert((*role).to_owned());
        } else if !same(&"None") {
            let roles = ROLES.iter().map(|(role, _)| *role);
            let valid: Vec<&str> = roles.chain(CALENDAR_ROLES).chain(RIGHTS).chain(["None"]).collect();
            return Err(Failure::transformation("AccessRights", word, &valid.join(", ")));
        }
    }
    let editor = words.iter().any(|w| w.eq_ignore_ascii_case("Editor")) && words.len() == 1;
    let delegation = flags(params)?.is_some_and(|(delegate, _)| delegate);
    if delegation && !(editor && folder == Folder::Calendar) {
        return Err(Failure::parameter_set("SharingPermissionFlags"));
    }
    let announced = ["AvailabilityOnly", "LimitedDetails", "Reviewer", "Editor"];
    let can_announce =
        matches!(words.as_slice(), [one] if announced.iter().any(|a| a.eq_ignore_ascii_case(one)));
    if params.switch("SendNotificationToUser")? && !can_announce {
        return Err(Failure::parameter_set("SendNotificationToUser"));
    }
    let shown = shown_name(state, mailbox, &folder);
    let entry = FolderPermission { mailbox, folder, grantee, rights, delegate: false, private_items: false };
    Ok((entry, shown))
}

fn delete(run: &mut Run<'_>, mailbox: Uuid, folder: &Folder, grantee: FolderGrantee) -> bool {
    let mut found = false;
    for record in run.state.exchange.folder_permissions.iter_mut().filter(|e| {
        let entry = &e.value;
        entry.mailbox == mailbox && entry.grantee == grantee && entry.folder == *folder && e.is_configured()
    }) {
        record.delete(run.now, SignedDuration::ZERO);
        found = true;
    }
    found
}

/// Replaces the grantee's entry. Folders' own lists are looked at by every call, so nothing propagates.
fn write(run: &mut Run<'_>, entry: FolderPermission) {
    delete(run, entry.mailbox, &entry.folder, entry.grantee);
    run.state.exchange.folder_permissions.push(Timed::new(entry, run.now, SignedDuration::ZERO));
}

fn row(state: &State, folder: &str, entry: &FolderPermission) -> Row {
    let held: BTreeSet<&str> = entry.rights.iter().map(String::as_str).collect();
    let role = ROLES.iter().find(|(_, rights)| rights.iter().copied().collect::<BTreeSet<_>>() == held);
    let shown = match role {
        Some((role, _)) => vec![(*role).to_owned()],
        None if held.is_empty() => vec!["None".to_owned()],
        None => entry.rights.iter().cloned().collect(),
    };
    let sharing = match (entry.delegate, entry.private_items) {
        (true, true) => Some("Delegate, CanViewPrivateItems"),
        (true, false) => Some("Delegate"),
        _ => None,
    };
    let user = match entry.grantee {
        FolderGrantee::Default => "Default".to_owned(),
        FolderGrantee::Anonymous => "Anonymous".to_owned(),
        FolderGrantee::Recipient(id) => recipient_permission::name(state, id),
    };
    Row::default()
        .text("Identity", folder)
        .text("FolderName", folder)
        .text("User", user)
        .list("AccessRights", shown)
        .optional("SharingPermissionFlags", sharing.map(str::to_owned))
        .boolean("IsValid", true)
}
