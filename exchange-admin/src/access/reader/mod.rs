//! Reads a picture from Exchange: what is needed for the question, and nothing else. A read that fails leaves its part
//! unread, with the reason as a [`Gap`].

mod groups;
mod mailboxes;
mod roles;

use std::collections::{BTreeMap, BTreeSet};

use m365_core::{Error, MailboxAddress};

use super::{
    AccessPicture, AppPicture, ExchangePointer, Gap, GroupPicture, OrganizationEws, OrganizationPicture,
    Part, PolicyPicture, RecipientId, Way,
};
use crate::cmdlets::{
    GetOrganizationConfig, GetTransportConfig, ListApplicationAccessPolicies, PolicyApp, Recipient,
};
use crate::{Cmdlet, ExchangeAdmin};

/// Which apps, which mailboxes, over which ways.
///
/// ```
/// use exchange_admin::access::{AccessQuery, AppPicture, Way};
/// # async fn run(exchange: exchange_admin::ExchangeAdmin) -> exchange_admin::Result<()> {
/// let app = AppPicture::of_client("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d".parse()?);
/// let query = AccessQuery::of(app).for_mailbox("anna@contoso.example".parse()?).over([Way::Graph]);
/// for picture in exchange.access_pictures(query).await {
///     println!("{} parts could not be read", picture.gaps.len());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct AccessQuery {
    apps: Vec<AppPicture>,
    mailboxes: Vec<MailboxAddress>,
    ways: BTreeSet<Way>,
    with_members: bool,
    with_tests: bool,
}

impl AccessQuery {
    /// About one app; what is known of it from Entra goes into its picture. No mailbox and no way yet.
    pub fn of(app: AppPicture) -> Self {
        Self::of_apps([app])
    }

    /// About several apps at once, which spares reading what they share.
    pub fn of_apps(apps: impl IntoIterator<Item = AppPicture>) -> Self {
        Self { apps: apps.into_iter().collect(), ..Self::default() }
    }

    /// And this mailbox.
    #[must_use]
    pub fn for_mailbox(self, mailbox: MailboxAddress) -> Self {
        self.for_mailboxes([mailbox])
    }

    /// And these mailboxes.
    #[must_use]
    pub fn for_mailboxes(mut self, mailboxes: impl IntoIterator<Item = MailboxAddress>) -> Self {
        self.mailboxes.extend(mailboxes);
        self
    }

    /// Over these ways: what only other ways look at is not read.
    #[must_use]
    pub fn over(mut self, ways: impl IntoIterator<Item = Way>) -> Self {
        self.ways.extend(ways);
        self
    }

    /// And every mailbox in a group that a scope or a policy of the apps names.
    #[must_use]
    pub fn with_members(mut self) -> Self {
        self.with_members = true;
        self
    }

    /// And what Exchange's own test cmdlets say of each mailbox.
    #[must_use]
    pub fn with_tests(mut self) -> Self {
        self.with_tests = true;
        self
    }

    fn any(&self, ways: &[Way]) -> bool {
        ways.iter().any(|way| self.ways.contains(way))
    }
}

impl ExchangeAdmin {
    /// Reads one picture for every app of the query, in their order. A part that cannot be read stays unread, and
    /// [`AccessPicture::gaps`] says why; so this does not fail.
    pub async fn access_pictures(&self, query: AccessQuery) -> Vec<AccessPicture> {
        Reader { exchange: self, query, groups: BTreeMap::new(), members: BTreeMap::new(), gaps: Vec::new() }
            .read()
            .await
    }
}

/// The parts that all apps share, as they come in.
struct Reader<'a> {
    exchange: &'a ExchangeAdmin,
    query: AccessQuery,
    groups: BTreeMap<RecipientId, GroupPicture>,
    /// Recipients seen as members of groups.
    members: BTreeMap<RecipientId, Recipient>,
    gaps: Vec<Gap>,
}

impl Reader<'_> {
    async fn read(mut self) -> Vec<AccessPicture> {
        let policies = match self.query.any(&[Way::Graph, Way::Ews]) {
            true => self.policies().await,
            false => None,
        };
        let organization = self.organization().await;
        let pointers = self.pointers().await;
        let mut of_apps = Vec::new();
        for (app, pointer) in self.query.apps.clone().into_iter().zip(pointers) {
            let gaps = self.gaps.len();
            let app = AppPicture {
                pointer: match &pointer {
                    Some(Some(pointer)) => ExchangePointer::To(pointer.object_id),
                    Some(None) => ExchangePointer::Absent,
                    None => app.pointer,
                },
                ..app
            };
            let pointer = pointer.flatten();
            let assignments = match (&app.pointer, &pointer) {
                _ if !self.query.any(&[Way::Graph, Way::Ews, Way::Smtp]) => None,
                (ExchangePointer::Absent, _) => Some(Vec::new()),
                (_, Some(pointer)) => self.assignments(pointer).await,
                (_, None) => None,
            };
            // What went wrong for one app is no gap of another's.
            let own = self.gaps.split_off(gaps);
            of_apps.push((app, pointer, assignments, own));
        }
        let mailboxes = self.mailboxes(&of_apps).await;
        let mut pictures = Vec::new();
        for (app, pointer, assignments, own) in of_apps {
            let gaps = self.gaps.len();
            let mut picture = AccessPicture {
                policies: policies.clone(),
                organization: organization.clone(),
                ..AccessPicture::of(app)
            };
            picture.assignments = assignments.map(|read| read.into_iter().map(|a| a.picture).collect());
            for mailbox in &mailboxes {
                let read = self.mailbox_of_app(mailbox, picture.app.pointer, pointer.as_ref()).await;
                picture.mailboxes.insert(mailbox.id.clone(), read);
            }
            if self.query.with_tests {
                for mailbox in mailboxes.iter().filter(|m| m.in_cloud != Some(false)) {
                    let says = self.tests(mailbox, &picture.app).await;
                    picture.exchange_says.insert(mailbox.id.clone(), says);
                }
            }
            picture.gaps = own;
            picture.gaps.extend(self.gaps.split_off(gaps));
            pictures.push(picture);
        }
        let addresses = self.addresses(&mailboxes);
        for picture in &mut pictures {
            picture.groups = self.groups.clone();
            picture.gaps.extend(self.gaps.iter().cloned());
            picture.addresses = addresses.clone();
        }
        pictures
    }

    /// Runs a read; a failure becomes a gap.
    async fn run<C: Cmdlet>(&mut self, part: Part, cmdlet: &C) -> Option<C::Output> {
        match self.exchange.run(cmdlet).await {
            Ok(outcome) => Some(outcome.value),
            Err(error) => self.gap(part, &error),
        }
    }

    fn gap<T>(&mut self, part: Part, error: &Error) -> Option<T> {
        self.gaps.push(Gap { part, reason: error.to_string() });
        None
    }

    async fn policies(&mut self) -> Option<Vec<PolicyPicture>> {
        let read = self.run(Part::Policies, &ListApplicationAccessPolicies::new()).await?;
        let mut policies = Vec::new();
        for policy in read {
            let app = match policy.app {
                PolicyApp::Every => None,
                PolicyApp::App(client) => Some(client),
            };
            let ours = app.is_none() || self.query.apps.iter().any(|a| a.client_id == app);
            // A scope that cannot be found stays under a name that nothing bears: unknown.
            let scope = match policy.identity.scope_guid() {
                Some(guid) if ours => self.named(crate::RecipientIdentity::ExchangeGuid(guid)).await,
                _ => None,
            };
            policies.push(PolicyPicture {
                identity: policy.identity.to_string(),
                app,
                right: policy.right,
                scope: scope.unwrap_or_else(|| RecipientId::new(policy.identity.as_str())),
            });
        }
        Some(policies)
    }

    async fn organization(&mut self) -> OrganizationPicture {
        let mut picture = OrganizationPicture::default();
        if self.query.any(&[Way::Graph, Way::Ews]) {
            let cmdlet = match self.query.any(&[Way::Ews]) {
                true => GetOrganizationConfig::new().with_ews_allowed_apps(),
                false => GetOrganizationConfig::new(),
            };
            picture.ews = self.run(Part::Organization, &cmdlet).await.map(|read| OrganizationEws {
                enabled: read.ews_enabled,
                allowed_apps: read.ews_allowed_apps,
                agents: read.ews_agents,
            });
        }
        if self.query.any(&[Way::Smtp]) {
            let read = self.run(Part::Transport, &GetTransportConfig::new()).await;
            picture.smtp_disabled = read.and_then(|t| t.smtp_client_authentication_disabled);
        }
        picture
    }
}
