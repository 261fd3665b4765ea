//! From the description to the state.

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};
use uuid::Uuid;

use super::{
    Scenario, ScenarioApp, ScenarioError, ScenarioEvent, ScenarioGroupKind, ScenarioMailbox, ScenarioUser,
    app_roles::{EXCHANGE, EXCHANGE_APP_ID, EXCHANGE_DISABLED, GRAPH, GRAPH_APP_ID, USER_READ},
};
use crate::{
    ews::EwsServer,
    graph::mime,
    state::{
        Account, AppRole, AppRoleAssignment, Application, Attendee, Directory, DirectoryGroup, Event,
        Exchange, Folder, GroupKind, GroupRecipient, MailStore, MailboxKind, MailboxRecipient, Message,
        OAuth2PermissionGrant, PasswordCredential, Premises, Propagation, RequiredResource, ResourceAccess,
        ResourceScope, RoleGroup, Sensitivity, ServicePrincipal, State, Timed, User,
    },
    tenant::SetupIdentity,
};

const SETUP_NAME: &str = "Set-up identity (one-off)";
/// What the set-up identity holds on Microsoft Graph: to register the apps, to consent, to read users and groups.
const SETUP_GRAPH: [&str; 6] = [
    "Application.ReadWrite.OwnedBy",
    "Application.Read.All",
    "AppRoleAssignment.ReadWrite.All",
    "DelegatedPermissionGrant.ReadWrite.All",
    "User.Read.All",
    "Group.Read.All",
];
/// Exchange's own admin role groups, with the management roles that matter here.
const ROLE_GROUPS: [(&str, &[&str]); 4] = [
    (
        "Organization Management",
        &[
            "Mail Recipients",
            "Mail Recipient Creation",
            "Distribution Groups",
            "Security Group Creation and Membership",
            "Organization Configuration",
            "Organization Client Access",
            "Role Management",
            "View-Only Configuration",
            "View-Only Recipients",
            "Recipient Policies",
            "User Options",
        ],
    ),
    (
        "Recipient Management",
        &["Mail Recipients", "Mail Recipient Creation", "Distribution Groups", "Recipient Policies"],
    ),
    ("View-Only Organization Management", &["View-Only Configuration", "View-Only Recipients"]),
    ("Hygiene Management", &["View-Only Configuration", "View-Only Recipients"]),
];

impl Scenario {
    /// The state of a fresh tenant whose clock shows `start`.
    pub(crate) fn build(&self, start: Timestamp) -> Result<(State, SetupIdentity), ScenarioError> {
        let mut build = Build {
            scenario: self,
            start,
            tenant_id: self.tenant_id.unwrap_or_else(|| id(self.seed, "tenant", &self.name)),
            directory: Directory::default(),
            exchange: Exchange::default(),
            store: MailStore::default(),
            premises: Premises::default(),
        };
        if self.domains.is_empty() {
            return Err(ScenarioError::Invalid("a tenant has at least one domain".to_owned()));
        }
        build.exchange.organization_id = id(self.seed, "organization", &self.name);
        build.exchange.dehydrated = self.dehydrated;
        build.exchange.role_groups = ROLE_GROUPS
            .iter()
            .map(|(name, roles)| RoleGroup {
                name: (*name).to_owned(),
                roles: roles.iter().map(|r| (*r).to_owned()).collect(),
                members: Vec::new(),
                write_scope: None,
            })
            .collect();
        build.resources();
        for user in &self.users {
            build.user(user)?;
        }
        build.groups()?;
        build.premises()?;
        let ews = EwsServer::default();
        for quirk in &self.ews_quirks {
            ews.set_quirk(*quirk, true);
        }
        for app in &self.apps {
            build.app(app)?;
        }
        let secret = crate::graph::secret_text(&mut fastrand::Rng::with_seed(self.seed ^ 0x5e7));
        let setup = ScenarioApp {
            display_name: SETUP_NAME.to_owned(),
            unique_name: Some("set-up-identity".to_owned()),
            made_in_portal: false,
            graph_roles: SETUP_GRAPH.iter().map(|r| (*r).to_owned()).collect(),
            exchange_roles: vec!["Exchange.ManageAsApp".to_owned()],
            secret: Some(secret.clone()),
            directory_roles: vec!["Exchange Administrator".to_owned()],
            role_groups: vec!["Organization Management".to_owned()],
        };
        let client_id = build.app(&setup)?;
        let state = State {
            tenant_id: build.tenant_id,
            name: self.name.clone(),
            domains: self.domains.clone(),
            directory: build.directory,
            exchange: build.exchange,
            store: build.store,
            autodiscover: crate::Autodiscover::default(),
            premises: build.premises,
            ews,
            propagation: Propagation::default(),
        };
        Ok((state, SetupIdentity { client_id, secret }))
    }

    fn domain(&self) -> &str {
        self.domains.last().map(String::as_str).unwrap_or_default()
    }
}

struct Build<'a> {
    scenario: &'a Scenario,
    start: Timestamp,
    tenant_id: Uuid,
    directory: Directory,
    exchange: Exchange,
    store: MailStore,
    premises: Premises,
}

impl Build<'_> {
    fn id(&self, kind: &str, name: &str) -> Uuid {
        id(self.scenario.seed, kind, name)
    }

    fn rest_id(&self, kind: &str, name: &str) -> String {
        crate::graph::item_id(&mut fastrand::Rng::with_seed(self.id(kind, name).as_u64_pair().0))
    }

    fn sid(&self, kind: &str, name: &str) -> String {
        let (a, b) = self.id(kind, name).as_u64_pair();
        format!("S-1-5-21-{}-{}-{}-{}", a >> 32, a & 0xffff_ffff, b >> 32, b & 0xf_ffff)
    }

    /// The two APIs of Microsoft that every tenant with Exchange Online has.
    fn resources(&mut self) {
        let role = |(name, id): &(&str, Uuid), enabled| AppRole {
            id: *id,
            value: (*name).to_owned(),
            enabled,
            allowed_member_types: vec!["Application".to_owned()],
        };
        let graph = GRAPH.iter().map(|r| role(r, true)).collect();
        let exchange = EXCHANGE_DISABLED
            .iter()
            .map(|r| role(r, false))
            .chain(EXCHANGE.iter().map(|r| role(r, true)))
            .collect();
        for (app_id, name, app_roles) in [
            (GRAPH_APP_ID, "Microsoft Graph", graph),
            (EXCHANGE_APP_ID, "Office 365 Exchange Online", exchange),
        ] {
            let principal = ServicePrincipal {
                id: self.id("resource", name),
                app_id,
                display_name: name.to_owned(),
                account_enabled: true,
                app_roles,
            };
            self.directory.service_principals.push(Timed::always(principal));
        }
    }

    fn user(&mut self, user: &ScenarioUser) -> Result<(), ScenarioError> {
        let domain = user.domain.as_deref().unwrap_or(self.scenario.domain());
        if !self.scenario.domains.iter().any(|d| d == domain) {
            return Err(ScenarioError::Invalid(format!(
                "{}: domain {domain} is none of the tenant's",
                user.name
            )));
        }
        let address = format!("{}@{domain}", user.name);
        let object_id = self.id("user", &user.name);
        if self.directory.users.iter().any(|u| u.value.id == object_id) {
            return Err(ScenarioError::Invalid(format!("two users are named {}", user.name)));
        }
        self.directory.users.push(Timed::always(User {
            id: object_id,
            upn: address.clone(),
            display_name: user.display_name.clone(),
            mail: (user.mailbox != ScenarioMailbox::None).then(|| address.clone()),
            account_enabled: !matches!(user.mailbox, ScenarioMailbox::Shared | ScenarioMailbox::Room),
        }));
        let kind = match user.mailbox {
            ScenarioMailbox::None => return Ok(()),
            ScenarioMailbox::User | ScenarioMailbox::Remote => MailboxKind::User,
            ScenarioMailbox::Shared => MailboxKind::Shared,
            ScenarioMailbox::Room => MailboxKind::Room,
        };
        self.exchange.mailboxes.push(Timed::always(MailboxRecipient {
            object_id,
            exchange_guid: self.id("mailbox", &user.name),
            name: user.name.clone(),
            alias: user.name.clone(),
            display_name: user.display_name.clone(),
            upn: address.clone(),
            primary_smtp_address: address.clone(),
            aliases: user.aliases.clone(),
            kind,
            imap_enabled: user.imap,
            remote: user.mailbox == ScenarioMailbox::Remote,
        }));
        self.messages(user, object_id, &address);
        for (n, event) in user.events.iter().enumerate() {
            let event = self.event(event, n, user, &address)?;
            self.store.put_event(object_id, event, self.start);
        }
        Ok(())
    }

    fn messages(&mut self, user: &ScenarioUser, object_id: Uuid, address: &str) {
        let mut ordered: Vec<_> = user.messages.iter().enumerate().collect();
        ordered.sort_by_key(|(_, m)| std::cmp::Reverse(m.minutes_ago));
        let mut inbox = Vec::new();
        for (uid, (n, message)) in (1..).zip(ordered) {
            let key = format!("{}/{n}", user.name);
            let received = self.start - SignedDuration::from_mins(i64::from(message.minutes_ago));
            let internet_message_id = format!("<{}@fabrikam.example>", self.id("message-id", &key).simple());
            let to = vec![address.to_owned()];
            let from_name = message.from_name.as_deref().unwrap_or(&message.from);
            inbox.push(Message {
                id: self.rest_id("message", &key),
                uid,
                mime: mime::compose(&mime::Parts {
                    from: (from_name, &message.from),
                    to: &to,
                    subject: &message.subject,
                    date: received,
                    message_id: &internet_message_id,
                    body: &message.body,
                }),
                internet_message_id,
                subject: message.subject.clone(),
                from: (from_name.to_owned(), message.from.clone()),
                to,
                received,
                body: message.body.clone(),
                read: message.read,
                ..Message::default()
            });
        }
        for message in inbox {
            self.store.add_message(object_id, &Folder::Inbox, message, self.start);
        }
    }

    fn event(
        &self,
        event: &ScenarioEvent,
        n: usize,
        user: &ScenarioUser,
        address: &str,
    ) -> Result<Event, ScenarioError> {
        let invalid =
            |what: &str| ScenarioError::Invalid(format!("{}: event {:?}: {what}", user.name, event.subject));
        let sensitivity = match event.sensitivity.as_str() {
            "normal" => Sensitivity::Normal,
            "personal" => Sensitivity::Personal,
            "private" => Sensitivity::Private,
            "confidential" => Sensitivity::Confidential,
            _ => return Err(invalid("unknown sensitivity")),
        };
        if !["free", "tentative", "busy", "oof", "workingElsewhere"].contains(&event.show_as.as_str()) {
            return Err(invalid("unknown show_as"));
        }
        let time = match &event.at {
            Some(text) if !event.all_day => {
                text.parse::<civil::Time>().map_err(|_| invalid("the time is not HH:MM"))?
            }
            _ => civil::Time::midnight(),
        };
        let length = if event.all_day { event.minutes.div_ceil(1440).max(1) * 1440 } else { event.minutes };
        let start = self
            .start
            .to_zoned(TimeZone::UTC)
            .date()
            .checked_add(jiff::Span::new().days(event.day))
            .and_then(|day| day.to_datetime(time).to_zoned(TimeZone::UTC))
            .map_err(|_| invalid("the day is out of range"))?
            .timestamp();
        let end = start + SignedDuration::from_mins(i64::from(length));
        Ok(Event {
            id: self.rest_id("event", &format!("{}/{n}", user.name)),
            location: event.location.clone(),
            body: event.body.clone(),
            all_day: event.all_day,
            sensitivity,
            show_as: event.show_as.clone(),
            organizer: (user.display_name.clone(), address.to_owned()),
            attendees: event.attendees.iter().map(Attendee::required).collect(),
            cancelled: event.cancelled,
            created: self.start,
            ..Event::new(event.subject.clone(), start, end)
        })
    }

    fn groups(&mut self) -> Result<(), ScenarioError> {
        for group in &self.scenario.groups {
            let mut members = Vec::new();
            for name in &group.members {
                let kind = if self.scenario.users.iter().any(|u| u.name == *name) {
                    "user"
                } else if self.scenario.groups.iter().any(|g| g.name == *name) {
                    "group"
                } else {
                    let text = format!("group {}: no user or group is named {name}", group.name);
                    return Err(ScenarioError::Invalid(text));
                };
                members.push(self.id(kind, name));
            }
            let object_id = self.id("group", &group.name);
            let address = format!("{}@{}", group.name, self.scenario.domain());
            let mail = (group.kind != ScenarioGroupKind::Security).then(|| address.clone());
            self.directory.groups.push(Timed::always(DirectoryGroup {
                id: object_id,
                display_name: group.display_name.clone(),
                mail_enabled: mail.is_some(),
                mail,
                security_enabled: matches!(
                    group.kind,
                    ScenarioGroupKind::Security | ScenarioGroupKind::MailEnabledSecurity
                ),
                members: members.clone(),
            }));
            let kind = match group.kind {
                ScenarioGroupKind::MailEnabledSecurity => GroupKind::MailEnabledSecurity,
                ScenarioGroupKind::Distribution => GroupKind::Distribution,
                ScenarioGroupKind::Microsoft365 => GroupKind::Microsoft365,
                ScenarioGroupKind::Security => continue,
            };
            self.exchange.groups.push(Timed::always(GroupRecipient {
                object_id,
                guid: self.id("exchange-group", &group.name),
                sid: self.sid("group", &group.name),
                name: group.name.clone(),
                alias: group.name.clone(),
                display_name: group.display_name.clone(),
                primary_smtp_address: address,
                kind,
                member_join_restriction: "Closed".to_owned(),
                members: members.into_iter().map(Timed::always).collect(),
            }));
        }
        Ok(())
    }

    /// The accounts of the organisation's own servers.
    fn premises(&mut self) -> Result<(), ScenarioError> {
        let described = &self.scenario.on_premises;
        let mut premises = Premises {
            schemes: described.schemes.clone(),
            extended_protection: described.extended_protection,
            lockout_after: described.lockout_after,
            ..Premises::default()
        };
        if let Some(domain) = &described.domain {
            premises.domain.clone_from(domain);
        }
        for account in &described.accounts {
            let invalid = |what: String| ScenarioError::Invalid(format!("account {}: {what}", account.name));
            let user = self
                .directory
                .users
                .iter()
                .find(|u| u.value.upn.split('@').next() == Some(account.name.as_str()))
                .map(|u| (u.value.id, u.value.upn.clone()))
                .ok_or_else(|| invalid("no user has this name".to_owned()))?;
            let impersonates = match account.impersonates.as_deref() {
                None => None,
                Some("everybody") => Some(ResourceScope::Organization),
                Some(group) if self.scenario.groups.iter().any(|g| g.name == group) => {
                    Some(ResourceScope::Group(self.id("group", group)))
                }
                Some(group) => return Err(invalid(format!("no group is named {group}"))),
            };
            premises.accounts.push(Account {
                user: user.0,
                name: account.name.clone(),
                upn: user.1,
                password: account.password.clone(),
                locked: account.locked,
                failures: 0,
                impersonates,
            });
        }
        self.premises = premises;
        Ok(())
    }

    /// Registration, enterprise application and consent; returns the client id.
    fn app(&mut self, app: &ScenarioApp) -> Result<Uuid, ScenarioError> {
        let name = app.display_name.as_str();
        let (app_id, principal) = (self.id("client", name), self.id("service-principal", name));
        let mut declared = Vec::new();
        for (resource, names, table) in
            [(GRAPH_APP_ID, &app.graph_roles, GRAPH), (EXCHANGE_APP_ID, &app.exchange_roles, EXCHANGE)]
        {
            let resource_id = self
                .directory
                .service_principals
                .iter()
                .find(|sp| sp.value.app_id == resource)
                .map(|sp| sp.value.id)
                .unwrap_or_default();
            let mut access = Vec::new();
            for wanted in names {
                let (_, role) = table.iter().find(|(known, _)| known == wanted).ok_or_else(|| {
                    ScenarioError::Invalid(format!("app {name}: no application permission is named {wanted}"))
                })?;
                access.push(ResourceAccess { id: *role, kind: "Role".to_owned() });
                self.directory.app_role_assignments.push(Timed::always(AppRoleAssignment {
                    id: self.id("grant", &format!("{name}/{resource}/{wanted}")).simple().to_string(),
                    principal_id: principal,
                    resource_id,
                    app_role_id: *role,
                }));
            }
            if resource == GRAPH_APP_ID && app.made_in_portal {
                access.push(ResourceAccess { id: USER_READ, kind: "Scope".to_owned() });
                self.directory.oauth2_permission_grants.push(Timed::always(OAuth2PermissionGrant {
                    id: self.id("delegated", name).simple().to_string(),
                    client_id: principal,
                    resource_id,
                    scope: "User.Read".to_owned(),
                    consent_type: "AllPrincipals".to_owned(),
                }));
            }
            if !access.is_empty() {
                declared.push(RequiredResource { resource_app_id: resource, access });
            }
        }
        let passwords = app.secret.iter().map(|secret| {
            Timed::always(PasswordCredential {
                key_id: self.id("secret", name),
                display_name: Some("scenario".to_owned()),
                secret: secret.clone(),
                start: self.start,
                end: self.start + SignedDuration::from_hours(24 * 730),
            })
        });
        let application = Application {
            id: self.id("application", name),
            app_id,
            unique_name: app.unique_name.clone(),
            display_name: name.to_owned(),
            sign_in_audience: "AzureADMyOrg".to_owned(),
            required_resource_access: declared,
            passwords: passwords.collect(),
            keys: Vec::new(),
            owners: Vec::new(),
            notes: None,
            tags: Vec::new(),
        };
        self.directory.applications.push(Timed::always(application));
        self.directory.service_principals.push(Timed::always(ServicePrincipal {
            id: principal,
            app_id,
            display_name: name.to_owned(),
            account_enabled: true,
            app_roles: Vec::new(),
        }));
        self.directory.directory_roles.extend(app.directory_roles.iter().map(|r| (principal, r.clone())));
        for wanted in &app.role_groups {
            let group =
                self.exchange.role_groups.iter_mut().find(|g| g.name == *wanted).ok_or_else(|| {
                    ScenarioError::Invalid(format!("app {name}: no role group is named {wanted}"))
                })?;
            group.members.push(principal);
        }
        Ok(app_id)
    }
}

/// A stable id: the same seed, kind and name give the same one.
fn id(seed: u64, kind: &str, name: &str) -> Uuid {
    // FNV-1a, so that ids do not hang on the order of the description.
    let hash = |salt: u64| {
        format!("{kind}\u{1f}{name}").bytes().fold(0xcbf2_9ce4_8422_2325 ^ seed ^ salt, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
    };
    crate::server::uuid(&mut fastrand::Rng::with_seed(hash(0) ^ hash(0x9e37_79b9_7f4a_7c15).rotate_left(29)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_scenario_gives_the_same_ids() {
        let start = Scenario::contoso().start;
        let (one, _) = Scenario::contoso().build(start).expect("builds");
        let (two, _) = Scenario::contoso().build(start).expect("builds");
        let ids = |s: &State| s.directory.users.iter().map(|u| u.value.id).collect::<Vec<_>>();
        assert_eq!(ids(&one), ids(&two));
        let mut unique = ids(&one);
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), ids(&one).len());
        assert_eq!(start.to_string(), "2026-11-21T08:00:00Z");
    }

    #[test]
    fn errors_name_the_offender() {
        let mut scenario = Scenario::contoso();
        scenario.groups[0].members.push("nobody".to_owned());
        let error = scenario.build(scenario.start).expect_err("unknown member").to_string();
        assert!(error.contains("nobody"), "{error}");
        let error =
            Scenario::from_toml("name = 'x'\ndomains = ['x']\ncolour = 'red'").expect_err("key").to_string();
        assert!(error.contains("colour"), "{error}");
    }
}
