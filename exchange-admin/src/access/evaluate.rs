use m365_core::{Authority, ClientId};

use super::chain::Chain;
use super::permission::{broader_than, role_grants};
use super::{
    AccessPicture, EntraGrant, EntraGrants, EntraPrincipal, ExchangePointer, MailboxPicture, Outcome, Part,
    PolicyPicture, Question, RecipientId, Verdict, is_limited_by_policies,
};
use crate::application_access::{self, Reason};
use crate::cmdlets::{AccessCheckResult, InScope, RoleAuthorization};

impl AccessPicture {
    /// What the configuration says about one way into one mailbox.
    ///
    /// Unknown is never turned into a verdict: it is the answer whenever an unread part could change it. It is also the
    /// answer where two unread parts are the same one (a group that both a policy and a role name) and every case would
    /// come to the same: each is looked at for itself. Lists of user agents count for Microsoft Graph as far as somebody
    /// tried to read them, and always for EWS.
    pub fn effective_access(&self, mailbox: &RecipientId, question: &Question<'_>) -> Verdict {
        let mut chain = Chain::default();
        let Some(picture) = self.mailboxes.get(mailbox) else {
            let outcome = Outcome::Unknown;
            chain.note(Authority::Mailbox, outcome, "the mailbox was not read");
            return chain.close(outcome);
        };
        if self.app.principal == EntraPrincipal::Absent
            || matches!(self.app.principal, EntraPrincipal::Present { enabled: false, .. })
        {
            let text = "the enterprise application is absent or disabled";
            let outcome = chain.note(Authority::EntraToken, Outcome::Denied, text);
            return chain.close(outcome);
        }
        if picture.in_cloud == Some(false) {
            let text = "the mailbox does not live in Exchange Online";
            let outcome = chain.note(Authority::Mailbox, Outcome::Denied, text);
            return chain.close(outcome);
        }
        let outcome = match question {
            Question::Graph(needed) => self.by_graph(mailbox, picture, needed, &mut chain),
            Question::Imap => self.by_imap_or_pop(picture, "IMAP", |s| s.imap, &mut chain),
            Question::Pop => self.by_imap_or_pop(picture, "POP", |s| s.pop, &mut chain),
            Question::Ews => self.by_ews(mailbox, picture, &mut chain),
            Question::Smtp => self.by_smtp(mailbox, picture, &mut chain),
        };
        if outcome == Outcome::Denied {
            return chain.close(outcome);
        }
        let mut sure = outcome;
        if self.app.principal == EntraPrincipal::Unread {
            let text = format!(
                "whether the enterprise application is there and enabled was not read{}",
                self.why(&Part::EntraPrincipal)
            );
            sure = sure.and(chain.note(Authority::EntraDirectory, Outcome::Unknown, text));
        }
        if picture.in_cloud.is_none() {
            let text = "this kind of recipient is not known here: whether apps open it cannot be told";
            sure = sure.and(chain.note(Authority::Mailbox, Outcome::Unknown, text));
        }
        chain.close(sure)
    }

    fn by_graph(
        &self,
        mailbox: &RecipientId,
        picture: &MailboxPicture,
        needed: &[&str],
        chain: &mut Chain,
    ) -> Outcome {
        let broader: Vec<String> = needed.iter().flat_map(|p| broader_than(p)).collect();
        let sufficient: Vec<&str> =
            needed.iter().copied().chain(broader.iter().map(String::as_str)).collect();
        let consent = self.by_consent(mailbox, ClientId::MICROSOFT_GRAPH, &sufficient, chain);
        let roles = self.by_roles(mailbox, ClientId::MICROSOFT_GRAPH, &sufficient, chain);
        match consent.or(roles) {
            Outcome::Denied => Outcome::Denied,
            open => open.and(self.by_agents(picture, false, chain)),
        }
    }

    /// Consent in Entra, as far as access policies leave it.
    pub(super) fn by_consent(
        &self,
        mailbox: &RecipientId,
        resource: ClientId,
        needed: &[&str],
        chain: &mut Chain,
    ) -> Outcome {
        let (mut held, mut unknown) = (Vec::new(), false);
        for permission in needed.iter().copied() {
            match self.app.consents.contain(&EntraGrant { resource, permission: permission.to_owned() }) {
                Some(true) if held.contains(&permission) => {}
                Some(true) => held.push(permission),
                Some(false) => {}
                None => unknown = true,
            }
        }
        if held.is_empty() && unknown {
            chain.note(Authority::EntraConsent, Outcome::Unknown, self.consents_not_known());
            // Policies may close the mailbox whatever was consented.
            return match needed.iter().all(|p| is_limited_by_policies(resource, p)) {
                true => Outcome::Unknown.and(self.by_policies(mailbox, chain)),
                false => Outcome::Unknown,
            };
        }
        if held.is_empty() {
            return chain.note(Authority::EntraConsent, Outcome::Denied, "no consent in Entra");
        }
        let text = format!("consent in Entra to {}", held.join(", "));
        chain.note(Authority::EntraConsent, Outcome::Allowed, text);
        if let Some(free) = held.iter().find(|p| !is_limited_by_policies(resource, p)) {
            return chain.note(
                Authority::ExchangeScoping,
                Outcome::Allowed,
                format!("access policies do not limit {free}: every mailbox is open"),
            );
        }
        self.by_policies(mailbox, chain)
    }

    pub(super) fn consents_not_known(&self) -> String {
        match self.app.consents {
            EntraGrants::Unread => format!("consents in Entra were not read{}", self.why(&Part::Consents)),
            EntraGrants::Read(_) => "a consent in Entra has no name, and may be this one".to_owned(),
        }
    }

    /// The policies that concern this app.
    pub(super) fn policies_of_app(&self) -> Option<Vec<&PolicyPicture>> {
        let policies = self.policies.as_ref()?;
        Some(policies.iter().filter(|p| p.app.is_none() || p.app == self.app.client_id).collect())
    }

    fn by_policies(&self, mailbox: &RecipientId, chain: &mut Chain) -> Outcome {
        let ours = match self.policies_of_app() {
            None => {
                let text = format!("access policies could not be read{}", self.why(&Part::Policies));
                chain.note(Authority::ExchangeScoping, Outcome::Unknown, text)
            }
            Some(mine) => {
                let known: Vec<_> =
                    mine.iter().map(|p| (p.right, self.in_policy_scope(&p.scope, mailbox))).collect();
                let found = application_access::decide(&known);
                let outcome = match found.verdict {
                    application_access::Verdict::Granted => Outcome::Allowed,
                    application_access::Verdict::Denied => Outcome::Denied,
                    application_access::Verdict::Unknown => Outcome::Unknown,
                };
                let text = match found.reason {
                    Reason::DenyMatches => "an access policy denies this mailbox",
                    Reason::RestrictMatches => "access policies let this mailbox through",
                    Reason::OutsideEveryRestriction => "access policies restrict the app to other mailboxes",
                    Reason::NothingApplies if mine.is_empty() => {
                        "no access policy limits it: every mailbox is open"
                    }
                    Reason::NothingApplies => "access policies let this mailbox through",
                    Reason::NotKnown => {
                        "an access policy has a right that is not known, or names a group whose members could not be read"
                    }
                };
                let objects: Vec<&str> =
                    found.deciding.iter().filter_map(|n| mine.get(*n)).map(|p| p.identity.as_str()).collect();
                chain.note_of(Authority::ExchangeScoping, outcome, text, &objects.join(", "))
            }
        };
        let theirs = self.exchange_says.get(mailbox).and_then(|says| says.policies.as_ref());
        let Some(theirs) = theirs else { return ours };
        let theirs = match theirs {
            AccessCheckResult::Granted => Outcome::Allowed,
            AccessCheckResult::Denied => Outcome::Denied,
            AccessCheckResult::Unknown(_) => Outcome::Unknown,
        };
        chain.reconcile("Test-ApplicationAccessPolicy", ours, theirs)
    }

    /// Roles of RBAC for Applications. They do not add to consents of the same name of another API.
    pub(super) fn by_roles(
        &self,
        mailbox: &RecipientId,
        resource: ClientId,
        needed: &[&str],
        chain: &mut Chain,
    ) -> Outcome {
        let pointer = self.by_pointer();
        if pointer == Outcome::Denied {
            return chain.note(
                Authority::ExchangeScoping,
                Outcome::Denied,
                "no application role: Exchange has no service principal of this app",
            );
        }
        let ours = match &self.assignments {
            None => {
                let text = format!("role assignments could not be read{}", self.why(&Part::Assignments));
                chain.note(Authority::ExchangeScoping, Outcome::Unknown, text)
            }
            Some(_) => self.by_assignments(mailbox, resource, needed, chain),
        };
        let theirs = self.exchange_says.get(mailbox).and_then(|says| says.roles.as_ref());
        let outcome = match theirs {
            None => ours,
            Some(rows) => {
                let theirs = by_authorizations(rows, resource, needed);
                chain.reconcile("Test-ServicePrincipalAuthorization", ours, theirs)
            }
        };
        if outcome != Outcome::Denied && pointer == Outcome::Unknown {
            let text = format!(
                "whether Exchange's service principal is this app's was not read{}",
                self.why(&Part::ServicePrincipal)
            );
            return chain.note(Authority::ExchangeScoping, Outcome::Unknown, text);
        }
        outcome
    }

    fn by_assignments(
        &self,
        mailbox: &RecipientId,
        resource: ClientId,
        needed: &[&str],
        chain: &mut Chain,
    ) -> Outcome {
        let mut outcome = Outcome::Denied;
        for assignment in self.assignments.iter().flatten() {
            if assignment.role.is_some_and(|role| !role_grants(role, resource, needed)) {
                continue;
            }
            let (here, place) = self.in_scope(&assignment.scope, mailbox);
            let relation = match here {
                Outcome::Allowed => "holds here by",
                Outcome::Denied => "is scoped elsewhere, to",
                Outcome::Unknown => "is scoped by what could not be evaluated:",
            };
            // What an unknown role grants is unknown, unless it surely does not hold here.
            let (here, name) = match assignment.role {
                Some(role) => (here, role.to_string()),
                None => (here.and(Outcome::Unknown), "a role unknown to this version".to_owned()),
            };
            let text = format!("{name} {relation} {place}");
            chain.note_of(Authority::ExchangeScoping, here, text, &assignment.name);
            outcome = outcome.or(here);
        }
        if outcome == Outcome::Denied {
            chain.note(Authority::ExchangeScoping, Outcome::Denied, "no application role holds here");
        }
        outcome
    }

    /// Whether Exchange's service principal points to the enterprise application.
    pub(super) fn by_pointer(&self) -> Outcome {
        match (self.app.pointer, self.app.principal) {
            (ExchangePointer::Unread, _) => Outcome::Unknown,
            (ExchangePointer::Absent, _) | (_, EntraPrincipal::Absent) => Outcome::Denied,
            // The answer as a whole stays unknown then.
            (ExchangePointer::To(_), EntraPrincipal::Unread) => Outcome::Allowed,
            (ExchangePointer::To(pointer), EntraPrincipal::Present { object_id, .. }) => {
                Outcome::of(pointer == object_id)
            }
        }
    }
}

/// What the test cmdlet's rows come to for any of these permissions.
fn by_authorizations(rows: &[RoleAuthorization], resource: ClientId, needed: &[&str]) -> Outcome {
    Outcome::any(
        rows.iter()
            .filter(|row| match row.role {
                Some(role) => role_grants(role, resource, needed),
                // Without a name here it is told by what it grants, or may grant anything.
                None => {
                    row.granted_permissions.is_empty()
                        || row.granted_permissions.iter().any(|p| needed.contains(&p.as_str()))
                }
            })
            .map(|row| match (&row.in_scope, row.role) {
                (InScope::No, _) => Outcome::Denied,
                (InScope::Yes, Some(_)) => Outcome::Allowed,
                (InScope::Yes, None) if !row.granted_permissions.is_empty() => Outcome::Allowed,
                _ => Outcome::Unknown,
            }),
    )
}
