use jiff::SignedDuration;

/// How long each kind of change takes until it is enforced. [`Propagation::realistic`] holds the usual figures of the
/// field, [`Propagation::instant`] none at all.
#[derive(Clone, Debug)]
pub struct Propagation {
    /// A new application is readable, and can back a service principal.
    pub application: SignedDuration,
    /// A new service principal is readable and can be granted roles and sign in.
    pub service_principal: SignedDuration,
    /// A new secret is accepted by the token endpoint.
    pub secret: SignedDuration,
    /// A new certificate is accepted by the token endpoint.
    pub certificate: SignedDuration,
    /// A consent (or its removal) shows in *new* tokens.
    pub consent: SignedDuration,
    /// New-ServicePrincipal and Add-MailboxPermission reach IMAP, POP and SMTP.
    pub mailbox_permission: SignedDuration,
    /// An application access policy is enforced.
    pub access_policy: SignedDuration,
    /// RBAC for Applications: the app's cache is renewed after this time without inbound calls …
    pub rbac_idle: SignedDuration,
    /// … and at the latest after this time when the app keeps calling.
    pub rbac_active: SignedDuration,
    /// A new group is complete (its distinguished name exists) and usable in scopes.
    pub group: SignedDuration,
    /// A new mailbox answers over REST and IMAP.
    pub mailbox: SignedDuration,
    /// The organisation's EWS and SMTP switches are enforced.
    pub organization_switch: SignedDuration,
    /// A mailbox's EWS and SMTP switches are enforced.
    pub mailbox_switch: SignedDuration,
    /// The organisation's list of apps for EWS (`EwsAllowedAppIDs`) is enforced.
    pub ews_allowed_apps: SignedDuration,
    /// Lists of user agents are enforced, the organisation's and a mailbox's.
    pub agent_lists: SignedDuration,
}

impl Propagation {
    /// The usual figures of the field.
    pub fn realistic() -> Self {
        Self {
            application: SignedDuration::from_secs(5),
            service_principal: SignedDuration::from_secs(10),
            secret: SignedDuration::from_secs(15),
            certificate: SignedDuration::from_secs(60),
            consent: SignedDuration::from_secs(20),
            mailbox_permission: SignedDuration::from_mins(20),
            access_policy: SignedDuration::from_mins(45),
            rbac_idle: SignedDuration::from_mins(30),
            rbac_active: SignedDuration::from_hours(2),
            group: SignedDuration::from_secs(6),
            mailbox: SignedDuration::from_mins(3),
            organization_switch: SignedDuration::from_mins(60),
            mailbox_switch: SignedDuration::from_mins(15),
            ews_allowed_apps: SignedDuration::from_hours(24),
            agent_lists: SignedDuration::from_mins(10),
        }
    }

    /// Every change is enforced at once.
    pub fn instant() -> Self {
        Self {
            application: SignedDuration::ZERO,
            service_principal: SignedDuration::ZERO,
            secret: SignedDuration::ZERO,
            certificate: SignedDuration::ZERO,
            consent: SignedDuration::ZERO,
            mailbox_permission: SignedDuration::ZERO,
            access_policy: SignedDuration::ZERO,
            rbac_idle: SignedDuration::ZERO,
            rbac_active: SignedDuration::ZERO,
            group: SignedDuration::ZERO,
            mailbox: SignedDuration::ZERO,
            organization_switch: SignedDuration::ZERO,
            mailbox_switch: SignedDuration::ZERO,
            ews_allowed_apps: SignedDuration::ZERO,
            agent_lists: SignedDuration::ZERO,
        }
    }
}

impl Default for Propagation {
    fn default() -> Self {
        Self::realistic()
    }
}
