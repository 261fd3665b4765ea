//! The ways beside Microsoft Graph, each with its own gates and switches.

use m365_core::{Authority, ClientId};

use super::chain::Chain;
use super::{AccessPicture, EntraGrant, MailboxPicture, MailboxSwitches, Outcome, Part, RecipientId};
use crate::cmdlets::EwsAgents;

impl AccessPicture {
    /// IMAP and POP look neither at access policies nor at roles: permission in the token, Exchange's service principal
    /// and FullAccess on the mailbox must meet.
    pub(super) fn by_imap_or_pop(
        &self,
        picture: &MailboxPicture,
        protocol: &str,
        switch: impl Fn(&MailboxSwitches) -> Option<bool>,
        chain: &mut Chain,
    ) -> Outcome {
        let permission = format!("{protocol}.AccessAsApp");
        let consent = match self.app.consents.contain(&EntraGrant::exchange(&permission)) {
            Some(false) => {
                let text = format!("no consent to {permission}");
                return chain.note(Authority::EntraConsent, Outcome::Denied, text);
            }
            Some(true) => {
                let text = format!("consent in Entra to {permission}");
                chain.note(Authority::EntraConsent, Outcome::Allowed, text)
            }
            None => {
                let text = self.consents_not_known();
                chain.note(Authority::EntraConsent, Outcome::Unknown, text)
            }
        };
        let pointer = self.noted_pointer(chain);
        if pointer == Outcome::Denied {
            return pointer;
        }
        let entries = self.full_access(picture, chain);
        if entries == Outcome::Denied {
            return entries;
        }
        let on = match picture.switches.as_ref().and_then(switch) {
            Some(true) => Outcome::Allowed,
            Some(false) => chain.note(
                Authority::ProtocolSwitch,
                Outcome::Denied,
                format!("{protocol} is switched off for this mailbox"),
            ),
            None => chain.note(
                Authority::ProtocolSwitch,
                Outcome::Unknown,
                format!(
                    "whether {protocol} is switched on could not be read{}",
                    self.why(&Part::Switches(picture.address.clone()))
                ),
            ),
        };
        consent.and(pointer).and(entries).and(on)
    }

    fn noted_pointer(&self, chain: &mut Chain) -> Outcome {
        let outcome = self.by_pointer();
        let text = match (outcome, self.app.pointer) {
            (Outcome::Allowed, _) => return outcome,
            (Outcome::Unknown, _) => format!(
                "whether Exchange has a service principal of this app was not read{}",
                self.why(&Part::ServicePrincipal)
            ),
            (Outcome::Denied, super::ExchangePointer::To(_)) => {
                "Exchange's service principal points to another object id than the enterprise application's"
                    .to_owned()
            }
            (Outcome::Denied, _) => "no service principal of this app in Exchange".to_owned(),
        };
        chain.note(Authority::ExchangeScoping, outcome, text)
    }

    fn full_access(&self, picture: &MailboxPicture, chain: &mut Chain) -> Outcome {
        let Some(entries) = &picture.full_access else {
            let why = self.why(&Part::MailboxPermissions(picture.address.clone()));
            let text = format!("mailbox permissions could not be read{why}");
            return chain.note(Authority::ExchangeScoping, Outcome::Unknown, text);
        };
        let outcome = self.by_entries(entries);
        let text = match outcome {
            Outcome::Allowed => "FullAccess on this mailbox",
            Outcome::Denied => "no FullAccess on this mailbox",
            Outcome::Unknown => {
                "a mailbox permission names a group whose members could not be read, or somebody under a name that may be the app's"
            }
        };
        chain.note(Authority::ExchangeScoping, outcome, text)
    }

    fn send_as(&self, picture: &MailboxPicture, chain: &mut Chain) -> Outcome {
        let Some(entries) = &picture.send_as else {
            let why = self.why(&Part::SendAs(picture.address.clone()));
            let text = format!("who sends as this mailbox could not be read{why}");
            return chain.note(Authority::ExchangeScoping, Outcome::Unknown, text);
        };
        let outcome = self.by_entries(entries);
        let text = match outcome {
            Outcome::Allowed => "Send As on this mailbox",
            Outcome::Denied => "no Send As on this mailbox",
            Outcome::Unknown => {
                "a Send As entry names a group whose members could not be read, or somebody under a name that may be the app's"
            }
        };
        chain.note(Authority::ExchangeScoping, outcome, text)
    }

    /// EWS: `full_access_as_app` as far as access policies leave it, or the role; then every switch.
    pub(super) fn by_ews(
        &self,
        mailbox: &RecipientId,
        picture: &MailboxPicture,
        chain: &mut Chain,
    ) -> Outcome {
        let api = ClientId::EXCHANGE_ONLINE;
        let consent = self.by_consent(mailbox, api, &["full_access_as_app"], chain);
        let grant = consent.or(self.by_roles(mailbox, api, &["EWS.AccessAsApp"], chain));
        if grant == Outcome::Denied {
            return grant;
        }
        let organization = self.ews_of_organization(chain);
        let own = match picture.switches.as_ref().map(|s| s.ews) {
            None => {
                let why = self.why(&Part::Switches(picture.address.clone()));
                let text = format!("whether EWS is switched on for this mailbox could not be read{why}");
                chain.note(Authority::ProtocolSwitch, Outcome::Unknown, text)
            }
            Some(Some(false)) => {
                chain.note(Authority::ProtocolSwitch, Outcome::Denied, "EWS is switched off for this mailbox")
            }
            Some(_) => Outcome::Allowed,
        };
        grant.and(organization).and(own).and(self.by_agents(picture, true, chain))
    }

    fn ews_of_organization(&self, chain: &mut Chain) -> Outcome {
        let Some(ews) = &self.organization.ews else {
            let text = format!(
                "whether EWS is switched on for the organisation could not be read{}",
                self.why(&Part::Organization)
            );
            return chain.note(Authority::ProtocolSwitch, Outcome::Unknown, text);
        };
        let (outcome, text) = match (ews.enabled, &ews.allowed_apps, self.app.client_id) {
            (None, ..) => return Outcome::Allowed,
            (Some(false), ..) => (Outcome::Denied, "EWS is switched off for the organisation"),
            (Some(true), None, _) => (Outcome::Unknown, "which apps EWS lets pass was not read"),
            (Some(true), Some(apps), _) if apps.is_empty() => {
                (Outcome::Denied, "EWS is on and its list of allowed apps is empty, which lets nobody pass")
            }
            (Some(true), Some(apps), Some(app)) if apps.contains(app) => {
                (Outcome::Allowed, "the app is on the organisation's list of apps allowed for EWS")
            }
            (Some(true), Some(_), Some(_)) => {
                (Outcome::Denied, "the app is not on the organisation's list of apps allowed for EWS")
            }
            (Some(true), Some(_), None) => (Outcome::Unknown, "the app's client id is not known"),
        };
        chain.note_of(Authority::ProtocolSwitch, outcome, text, "EwsAllowedAppIDs")
    }

    /// Lists of user agents, which also hit REST and Microsoft Graph.
    pub(super) fn by_agents(&self, picture: &MailboxPicture, always: bool, chain: &mut Chain) -> Outcome {
        let switches = Part::Switches(picture.address.clone());
        let organization = self.organization.ews.as_ref().map(|e| &e.agents);
        let own = picture.switches.as_ref().map(|s| &s.agents);
        let lists = [("the organisation", organization, Part::Organization), ("this mailbox", own, switches)];
        let mut outcome = Outcome::Allowed;
        for (whose, agents, part) in lists {
            let tried = self.gaps.iter().any(|gap| gap.part == part);
            outcome = outcome.and(match agents {
                None if always || tried => chain.note(
                    Authority::ProtocolSwitch,
                    Outcome::Unknown,
                    format!("whether {whose} lists user agents could not be read{}", self.why(&part)),
                ),
                None => Outcome::Allowed,
                Some(agents) => self.by_list(whose, agents, chain),
            });
        }
        outcome
    }

    fn by_list(&self, whose: &str, agents: &EwsAgents, chain: &mut Chain) -> Outcome {
        if agents.policy.is_none() {
            return Outcome::Allowed;
        }
        let (outcome, text) = match &self.app.user_agent {
            None => (
                Outcome::Unknown,
                format!("{whose} lists user agents, and what the app calls itself is not known"),
            ),
            Some(agent) if agents.pass(agent) => {
                (Outcome::Allowed, format!("the user agent {agent} passes the list of {whose}"))
            }
            Some(agent) => {
                (Outcome::Denied, format!("the user agent {agent} does not pass the list of {whose}"))
            }
        };
        chain.note_of(Authority::ProtocolSwitch, outcome, text, "EwsApplicationAccessPolicy")
    }

    /// SMTP: the role alone, or, where the permission is consented as well, an entry on the mailbox.
    pub(super) fn by_smtp(
        &self,
        mailbox: &RecipientId,
        picture: &MailboxPicture,
        chain: &mut Chain,
    ) -> Outcome {
        let by_role =
            |chain: &mut Chain| self.by_roles(mailbox, ClientId::EXCHANGE_ONLINE, &["SMTP.SendAsApp"], chain);
        let grant = match self.app.consents.contain(&EntraGrant::exchange("SMTP.SendAsApp")) {
            Some(false) => {
                chain.note(Authority::EntraConsent, Outcome::Denied, "no consent to SMTP.SendAsApp");
                by_role(chain)
            }
            Some(true) => {
                let text =
                    "consent to SMTP.SendAsApp: Exchange then looks for an entry on the mailbox, role or not";
                chain.note(Authority::EntraConsent, Outcome::Allowed, text);
                self.by_entry_to_send(picture, chain)
            }
            None => {
                let text = self.consents_not_known();
                chain.note(Authority::EntraConsent, Outcome::Unknown, text);
                let (role, entry) = (by_role(chain), self.by_entry_to_send(picture, chain));
                if role == entry { role } else { Outcome::Unknown }
            }
        };
        if grant == Outcome::Denied {
            return grant;
        }
        grant.and(self.smtp_is_on(picture, chain))
    }

    fn by_entry_to_send(&self, picture: &MailboxPicture, chain: &mut Chain) -> Outcome {
        let pointer = self.noted_pointer(chain);
        if pointer == Outcome::Denied {
            return pointer;
        }
        let full = self.full_access(picture, chain);
        let entry = if full == Outcome::Allowed { full } else { full.or(self.send_as(picture, chain)) };
        pointer.and(entry)
    }

    fn smtp_is_on(&self, picture: &MailboxPicture, chain: &mut Chain) -> Outcome {
        let authority = Authority::ProtocolSwitch;
        let Some(own) = picture.switches.as_ref().map(|s| s.smtp_disabled) else {
            let why = self.why(&Part::Switches(picture.address.clone()));
            let text = format!("whether SMTP is switched on for this mailbox could not be read{why}");
            return chain.note(authority, Outcome::Unknown, text);
        };
        match (own, self.organization.smtp_disabled) {
            (Some(false), _) => Outcome::Allowed,
            (Some(true), _) => {
                chain.note(authority, Outcome::Denied, "SMTP is switched off for this mailbox")
            }
            (None, Some(false)) => Outcome::Allowed,
            (None, Some(true)) => {
                chain.note(authority, Outcome::Denied, "SMTP is switched off for the organisation")
            }
            (None, None) => {
                let why = self.why(&Part::Transport);
                let text = format!("whether SMTP is switched on for the organisation could not be read{why}");
                chain.note(authority, Outcome::Unknown, text)
            }
        }
    }
}
