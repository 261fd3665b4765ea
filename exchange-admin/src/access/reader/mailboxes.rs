use std::collections::{BTreeMap, BTreeSet};

use m365_core::{MailboxAddress, Result};

use super::Reader;
use super::groups::{address_of, id_of};
use super::roles::Assignment;
use crate::access::{
    AppPicture, AssignmentScope, ExchangePointer, Gap, Grantee, MailboxPicture, MailboxSwitches, Part,
    PermissionPicture, RecipientId, Way,
};
use crate::cmdlets::{
    GetCasMailbox, GetMailboxPermission, GetRecipient, GetRecipientPermission, MailboxPermission, Recipient,
    RecipientPermission, ServicePrincipal,
};
use crate::command::Command;
use crate::row::{Row, only};
use crate::types::Names;
use crate::{Cmdlet, Facts, MailboxRight, RecipientIdentity, RecipientKind};

/// A mailbox as it was read, before anybody's names are compared.
pub(super) struct Mailbox {
    pub(super) id: RecipientId,
    pub(super) address: String,
    pub(super) in_cloud: Option<bool>,
    recipient: Recipient,
    permissions: Option<Vec<MailboxPermission>>,
    send_as: Option<Vec<RecipientPermission>>,
    switches: Option<MailboxSwitches>,
    attributes: BTreeMap<String, Vec<String>>,
}

impl Mailbox {
    fn new(recipient: Recipient) -> Option<Self> {
        Some(Self {
            id: id_of(&recipient)?,
            address: address_of(&recipient),
            in_cloud: is_in_cloud(&recipient.kind),
            recipient,
            permissions: None,
            send_as: None,
            switches: None,
            attributes: BTreeMap::new(),
        })
    }

    pub(super) fn identity(&self) -> Option<RecipientIdentity> {
        match (&self.recipient.primary_smtp_address, self.recipient.guid) {
            (Some(address), _) => Some(address.clone().into()),
            (None, Some(guid)) => Some(RecipientIdentity::ExchangeGuid(guid)),
            (None, None) => None,
        }
    }
}

/// Whether this kind of recipient is a mailbox of Exchange Online that apps open.
fn is_in_cloud(kind: &RecipientKind) -> Option<bool> {
    match kind {
        RecipientKind::UserMailbox
        | RecipientKind::SharedMailbox
        | RecipientKind::RoomMailbox
        | RecipientKind::EquipmentMailbox => Some(true),
        RecipientKind::RemoteUserMailbox
        | RecipientKind::MailUser
        | RecipientKind::GuestMailUser
        | RecipientKind::MailContact
        | RecipientKind::MailUniversalSecurityGroup
        | RecipientKind::MailUniversalDistributionGroup
        | RecipientKind::DynamicDistributionGroup => Some(false),
        RecipientKind::GroupMailbox | RecipientKind::Other(_) => None,
    }
}

/// An app, its service principal in Exchange, its assignments, and what of it could not be read.
pub(super) type OfApp = (AppPicture, Option<ServicePrincipal>, Option<Vec<Assignment>>, Vec<Gap>);

impl Reader<'_> {
    /// The mailboxes of the query, with all that does not depend on the app.
    pub(super) async fn mailboxes(&mut self, apps: &[OfApp]) -> Vec<Mailbox> {
        let mut found: BTreeMap<RecipientId, Mailbox> = BTreeMap::new();
        let addresses = self.query.mailboxes.clone();
        let read =
            self.each(&addresses, |a| Part::Recipient(a.to_string()), |a| GetRecipient::new(a.clone())).await;
        for recipient in read.into_iter().flatten().flatten() {
            if let Some(mailbox) = Mailbox::new(recipient) {
                found.insert(mailbox.id.clone(), mailbox);
            }
        }
        let asked: BTreeSet<RecipientId> = found.keys().cloned().collect();
        if self.query.with_members {
            let members: Vec<Recipient> = self.members.values().cloned().collect();
            for mailbox in members.into_iter().filter_map(Mailbox::new) {
                found.entry(mailbox.id.clone()).or_insert(mailbox);
            }
        }
        let mut mailboxes: Vec<Mailbox> = found.into_values().collect();
        let cloud: Vec<usize> = (0..mailboxes.len())
            .filter(|n| mailboxes.get(*n).is_some_and(|m| m.in_cloud == Some(true) && m.identity().is_some()))
            .collect();
        let targets: Vec<(usize, String, RecipientIdentity)> = cloud
            .iter()
            .filter_map(|n| mailboxes.get(*n).and_then(|m| Some((*n, m.address.clone(), m.identity()?))))
            .collect();
        self.permissions(&targets, &mut mailboxes).await;
        // Over Graph the switches matter for lists of user agents alone: not worth a call for every member of a group.
        let graph_only = !self.query.any(&[Way::Imap, Way::Pop, Way::Ews, Way::Smtp]);
        let switched: Vec<_> = targets
            .iter()
            .filter(|(n, ..)| !graph_only || mailboxes.get(*n).is_some_and(|m| asked.contains(&m.id)))
            .cloned()
            .collect();
        let read =
            self.each(&switched, |t| Part::Switches(t.1.clone()), |t| GetCasMailbox::new(t.2.clone())).await;
        for ((n, ..), switches) in switched.iter().zip(read) {
            if let Some(mailbox) = mailboxes.get_mut(*n) {
                mailbox.switches = switches.flatten().as_ref().map(MailboxSwitches::from);
            }
        }
        self.attributes(apps, &targets, &mut mailboxes).await;
        mailboxes
    }

    async fn permissions(
        &mut self,
        targets: &[(usize, String, RecipientIdentity)],
        mailboxes: &mut [Mailbox],
    ) {
        if self.query.any(&[Way::Imap, Way::Pop, Way::Smtp]) {
            let read = self
                .each(
                    targets,
                    |t| Part::MailboxPermissions(t.1.clone()),
                    |t| GetMailboxPermission::new(t.2.clone()),
                )
                .await;
            for ((n, ..), entries) in targets.iter().zip(read) {
                if let Some(mailbox) = mailboxes.get_mut(*n) {
                    mailbox.permissions = entries;
                }
            }
        }
        if self.query.any(&[Way::Smtp]) {
            let read = self
                .each(targets, |t| Part::SendAs(t.1.clone()), |t| GetRecipientPermission::new(t.2.clone()))
                .await;
            for ((n, ..), entries) in targets.iter().zip(read) {
                if let Some(mailbox) = mailboxes.get_mut(*n) {
                    mailbox.send_as = entries;
                }
            }
        }
    }

    /// The attributes that the filters of the apps' scopes ask for, and no others.
    async fn attributes(
        &mut self,
        apps: &[OfApp],
        targets: &[(usize, String, RecipientIdentity)],
        mailboxes: &mut [Mailbox],
    ) {
        let assignments = || apps.iter().filter_map(|(_, _, read, _)| read.as_ref()).flatten();
        let wanted: BTreeSet<String> = assignments()
            .filter(|a| matches!(a.picture.scope, AssignmentScope::Filter(_)))
            .flat_map(|a| a.properties.iter().cloned())
            .collect();
        let wanted: Vec<(String, &'static str)> =
            wanted.into_iter().filter_map(|p| Some((p.clone(), spelling(&p)?))).collect();
        if wanted.is_empty() {
            return;
        }
        let read = self
            .each(
                targets,
                |t| Part::Attributes(t.1.clone()),
                |t| ReadAttributes { recipient: t.2.clone(), wanted: wanted.clone() },
            )
            .await;
        for ((n, ..), attributes) in targets.iter().zip(read) {
            if let Some(mailbox) = mailboxes.get_mut(*n) {
                mailbox.attributes = attributes.flatten().unwrap_or_default();
            }
        }
    }

    /// Runs one read for each target, ten to a request; failures become gaps.
    async fn each<T, C: Cmdlet>(
        &mut self,
        targets: &[T],
        part: impl Fn(&T) -> Part,
        make: impl Fn(&T) -> C,
    ) -> Vec<Option<C::Output>> {
        let cmdlets: Vec<C> = targets.iter().map(make).collect();
        let mut results: Vec<Result<_>> = match cmdlets.as_slice() {
            [] => Vec::new(),
            // A batch of one is a call.
            [one] => vec![self.exchange.run(one).await],
            many => self.exchange.run_batch(many).await,
        };
        targets
            .iter()
            .zip(results.drain(..))
            .map(|(target, result)| match result {
                Ok(outcome) => Some(outcome.value),
                Err(error) => self.gap(part(target), &error),
            })
            .collect()
    }

    /// A mailbox as it looks to one app.
    pub(super) async fn mailbox_of_app(
        &mut self,
        mailbox: &Mailbox,
        pointer: ExchangePointer,
        app: Option<&ServicePrincipal>,
    ) -> MailboxPicture {
        let mut full_access = None;
        if let Some(entries) = &mailbox.permissions {
            let mut read = Vec::new();
            for entry in entries.iter().filter(|e| e.rights.contains(&MailboxRight::FullAccess)) {
                let mut grantee = grantee(&entry.user, pointer, app);
                if let (Grantee::Unclear(name), Some(app)) = (&grantee, app) {
                    grantee = self.confirm_full_access(mailbox, name, entry, app).await;
                }
                read.push(PermissionPicture { grantee, deny: entry.deny });
            }
            full_access = Some(read);
        }
        let mut send_as = None;
        if let Some(entries) = &mailbox.send_as {
            let mut read = Vec::new();
            for entry in entries.iter().filter(|e| e.send_as) {
                let mut grantee = grantee(&entry.trustee, pointer, app);
                if let (Grantee::Unclear(name), Some(app)) = (&grantee, app) {
                    grantee = self.confirm_send_as(mailbox, name, app).await;
                }
                read.push(PermissionPicture { grantee, deny: entry.deny });
            }
            send_as = Some(read);
        }
        MailboxPicture {
            address: mailbox.address.clone(),
            in_cloud: mailbox.in_cloud,
            full_access,
            send_as,
            switches: mailbox.switches.clone(),
            attributes: mailbox.attributes.clone(),
        }
    }

    /// An entry under the app's display name: the app's only if Exchange gives it when asked for the app by id.
    async fn confirm_full_access(
        &mut self,
        mailbox: &Mailbox,
        name: &str,
        entry: &MailboxPermission,
        app: &ServicePrincipal,
    ) -> Grantee {
        let unclear = Grantee::Unclear(name.to_owned());
        let Some(identity) = mailbox.identity() else { return unclear };
        let cmdlet = GetMailboxPermission::new(identity).with_user(app.object_id);
        let part = Part::MailboxPermissions(mailbox.address.clone());
        match self.run(part, &cmdlet).await {
            None => unclear,
            Some(entries) => confirmed(
                entries.iter().map(|e| (e.user.as_str(), e.deny == entry.deny && e.rights == entry.rights)),
                app,
                unclear,
            ),
        }
    }

    async fn confirm_send_as(&mut self, mailbox: &Mailbox, name: &str, app: &ServicePrincipal) -> Grantee {
        let unclear = Grantee::Unclear(name.to_owned());
        let Some(identity) = mailbox.identity() else { return unclear };
        let cmdlet = GetRecipientPermission::new(identity).with_trustee(app.object_id);
        match self.run(Part::SendAs(mailbox.address.clone()), &cmdlet).await {
            None => unclear,
            Some(entries) => confirmed(entries.iter().map(|e| (e.trustee.as_str(), e.send_as)), app, unclear),
        }
    }

    /// Who bears the addresses that were asked for; `None` where surely nobody does.
    pub(super) fn addresses(&self, mailboxes: &[Mailbox]) -> BTreeMap<String, Option<RecipientId>> {
        let unread = |address: &MailboxAddress| {
            self.gaps.iter().any(|gap| gap.part == Part::Recipient(address.to_string()))
        };
        self.query
            .mailboxes
            .iter()
            .filter(|address| !unread(address))
            .map(|address| {
                let bearer = mailboxes.iter().find(|m| m.recipient.names().contain(address.as_str()));
                (address.as_str().to_lowercase(), bearer.map(|m| m.id.clone()))
            })
            .collect()
    }
}

fn grantee(echoed: &str, pointer: ExchangePointer, app: Option<&ServicePrincipal>) -> Grantee {
    let Some(app) = app else {
        return match pointer {
            ExchangePointer::Absent => Grantee::Other,
            _ => Grantee::Unclear(echoed.to_owned()),
        };
    };
    let nameless = app.sid.is_none() && echoed.trim().to_ascii_uppercase().starts_with("S-1-");
    if app.sure_names().contain(echoed) {
        Grantee::App(app.object_id)
    } else if app.names().contain(echoed) || nameless {
        Grantee::Unclear(echoed.to_owned())
    } else {
        Grantee::Other
    }
}

/// What an answer to a question about the app alone means for an unclear entry. Exchange may answer about everybody.
fn confirmed<'e>(
    entries: impl Iterator<Item = (&'e str, bool)>,
    app: &ServicePrincipal,
    unclear: Grantee,
) -> Grantee {
    let names: Names = app.names();
    let mut found = Grantee::Other;
    for (user, same) in entries {
        if !names.contain(user) {
            return unclear;
        }
        if same {
            found = Grantee::App(app.object_id);
        }
    }
    found
}

/// `Get-Recipient` with the attributes that filters ask for.
struct ReadAttributes {
    recipient: RecipientIdentity,
    /// In lower case, and as Exchange spells it.
    wanted: Vec<(String, &'static str)>,
}

impl Cmdlet for ReadAttributes {
    type Output = Option<BTreeMap<String, Vec<String>>>;

    const FACTS: &'static Facts = GetRecipient::FACTS;

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS).with("Identity", &self.recipient).selecting(ATTRIBUTES))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        let wanted = self.recipient.to_string();
        let row = only(rows, &wanted, |row| Names::of_recipient(row).contain(&wanted))?;
        Ok(row.map(|row| {
            self.wanted
                .iter()
                .filter(|(_, name)| row.as_map().contains_key(*name))
                .filter_map(|(key, name)| Some((key.clone(), values(&row, name)?)))
                .collect()
        }))
    }
}

/// The values of an attribute; `None` for a form that is not known.
fn values(row: &Row, name: &str) -> Option<Vec<String>> {
    use serde_json::Value;
    match row.as_map().get(name)? {
        Value::Null => Some(Vec::new()),
        Value::String(text) if text.is_empty() => Some(Vec::new()),
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// An attribute as Exchange spells it; others stay unread.
fn spelling(property: &str) -> Option<&'static str> {
    ATTRIBUTES.iter().copied().find(|name| name.eq_ignore_ascii_case(property))
}

/// What identifies a recipient, and the attributes that filters of scopes commonly use.
const ATTRIBUTES: &[&str] = &[
    "PrimarySmtpAddress",
    "EmailAddresses",
    "ExternalDirectoryObjectId",
    "Guid",
    "ExchangeGuid",
    "Name",
    "Alias",
    "DisplayName",
    "WindowsLiveID",
    "DistinguishedName",
    "RecipientTypeDetails",
    "City",
    "Company",
    "CountryOrRegion",
    "Department",
    "Office",
    "StateOrProvince",
    "Title",
    "CustomAttribute1",
    "CustomAttribute2",
    "CustomAttribute3",
    "CustomAttribute4",
    "CustomAttribute5",
    "CustomAttribute6",
    "CustomAttribute7",
    "CustomAttribute8",
    "CustomAttribute9",
    "CustomAttribute10",
    "CustomAttribute11",
    "CustomAttribute12",
    "CustomAttribute13",
    "CustomAttribute14",
    "CustomAttribute15",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn app(sid: Option<&str>) -> ServicePrincipal {
        ServicePrincipal {
            app_id: "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d".parse().unwrap(),
            object_id: "b7e4c6de-1d2f-4b8a-9d0e-2f1a6c5d4e3b".parse().unwrap(),
            display_name: "Acme Reader".to_owned(),
            identity: "contoso.example/acme-7".to_owned(),
            sid: sid.map(str::to_owned),
        }
    }

    #[test]
    fn trap_9_a_display_name_proves_nobody_until_exchange_answers_for_the_app_alone() {
        let app = app(Some("S-1-5-21-1-2-3-4"));
        let to = ExchangePointer::To(app.object_id);
        let of = |echoed: &str| grantee(echoed, to, Some(&app));
        assert_eq!(of("b7e4c6de-1d2f-4b8a-9d0e-2f1a6c5d4e3b"), Grantee::App(app.object_id));
        assert_eq!(of("s-1-5-21-1-2-3-4"), Grantee::App(app.object_id));
        assert_eq!(of("anna@contoso.example"), Grantee::Other);
        assert_eq!(of("acme reader"), Grantee::Unclear("acme reader".to_owned()));
        let unclear = || Grantee::Unclear("acme reader".to_owned());
        let ask = |answer: &[(&'static str, bool)]| confirmed(answer.iter().copied(), &app, unclear());
        assert_eq!(ask(&[("Acme Reader", true)]), Grantee::App(app.object_id));
        assert_eq!(ask(&[]), Grantee::Other, "it is a namesake's");
        assert_eq!(ask(&[("Acme Reader", true), ("Anna", true)]), unclear(), "the question was overheard");
    }

    #[test]
    fn a_sid_may_be_the_app_s_when_its_own_is_not_known() {
        let app = app(None);
        let echoed = "S-1-5-21-7-7-7-7";
        assert_eq!(
            grantee(echoed, ExchangePointer::To(app.object_id), Some(&app)),
            Grantee::Unclear(echoed.to_owned())
        );
        assert_eq!(grantee(echoed, ExchangePointer::Absent, None), Grantee::Other);
        assert_eq!(grantee("anybody", ExchangePointer::Unread, None), Grantee::Unclear("anybody".to_owned()));
    }
}
