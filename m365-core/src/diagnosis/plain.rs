//! What to say when nothing is known beyond who refused. Never matched: asked for by authority.

use super::Owner::{CustomerAdmin, CustomerAdminOrVendor, Nobody, VendorDeveloper, VendorOperations};
use super::RetryAdvice::{AfterRemedy, Automatic, Never};
use super::when::When::ByIdOnly;
use super::{Authority, Diagnosis, Owner, RetryAdvice};

const OWN: &str = "general";

const fn plain(
    id: &'static str,
    authority: Authority,
    [cause, check, remedy]: [&'static str; 3],
    owner: Owner,
    retry: RetryAdvice,
) -> Diagnosis {
    Diagnosis { id, authority, cause, check, remedy, owner, retry, wait: None, source: OWN, when: ByIdOnly }
}

pub(super) static ROWS: [Diagnosis; 9] = [
    plain(
        "PLAIN-TOKEN",
        Authority::EntraToken,
        [
            "The sign-in service refused to give a token, with an error that this catalogue does not know.",
            "Look the error up at its error_uri, and find the sign-in in the tenant's log by correlation id.",
            "Follow the page of the error; for support, keep the trace id, the correlation id and the time.",
        ],
        CustomerAdminOrVendor,
        AfterRemedy,
    ),
    plain(
        "PLAIN-CONSENT",
        Authority::EntraConsent,
        [
            "The app lacks a permission that Microsoft Entra must grant.",
            "Compare the roles claim of the token with the permissions that the operation names.",
            "Consent to the missing permission, then ask for a new token.",
        ],
        CustomerAdmin,
        AfterRemedy,
    ),
    plain(
        "PLAIN-DIRECTORY",
        Authority::EntraDirectory,
        [
            "The directory refused the call, with an error that this catalogue does not know.",
            "Read the code and the message of the answer, and the audit log of the tenant at that time.",
            "Follow the message; for support, keep the request id and the time.",
        ],
        CustomerAdmin,
        AfterRemedy,
    ),
    plain(
        "PLAIN-EXCHANGE",
        Authority::ExchangeScoping,
        [
            "Exchange refused the call, with an error that this catalogue does not know.",
            "Check the role assignments, access policies and mailbox permissions of the app, and the role of whoever runs the set-up.",
            "Correct what these show; for support, keep the request id and the time.",
        ],
        CustomerAdmin,
        AfterRemedy,
    ),
    plain(
        "PLAIN-SWITCH",
        Authority::ProtocolSwitch,
        [
            "The protocol is closed for this mailbox or organisation.",
            "Read the switches with Get-CASMailbox -Identity <mailbox>, Get-OrganizationConfig and Get-TransportConfig.",
            "Open the protocol for the mailboxes that need it, or use Microsoft Graph.",
        ],
        CustomerAdmin,
        AfterRemedy,
    ),
    plain(
        "PLAIN-MAILBOX",
        Authority::Mailbox,
        [
            "The mailbox cannot serve this call, for a reason that this catalogue does not know.",
            "Get-Recipient -Identity <address> | Format-List RecipientTypeDetails, and Get-MailboxStatistics for its state.",
            "Check the address, the licence and the state of the mailbox; for support, keep the request id and the time.",
        ],
        CustomerAdmin,
        AfterRemedy,
    ),
    plain(
        "PLAIN-SERVICE",
        Authority::Service,
        [
            "The service could not answer for now.",
            "See the Microsoft 365 service health if it lasts longer than a few minutes.",
            "None needed: the call is repeated with growing pauses where that is safe; for support, keep the request id and the time.",
        ],
        Nobody,
        Automatic,
    ),
    plain(
        "PLAIN-NETWORK",
        Authority::Network,
        [
            "The service could not be reached, or the connection broke.",
            "Resolve the host name and open a TLS connection to it from the machine that runs the product.",
            "Check name resolution, firewall, proxy and certificates on the way to the host.",
        ],
        VendorOperations,
        AfterRemedy,
    ),
    plain(
        "PLAIN-CALLER",
        Authority::Caller,
        [
            "The request was not acceptable as it was made.",
            "Read which field or parameter the message names.",
            "Correct the input; if it came from the product itself, report it to its developers.",
        ],
        VendorDeveloper,
        Never,
    ),
];

/// The plain row of the authority.
pub(super) fn row(authority: Authority) -> &'static Diagnosis {
    let [token, consent, directory, exchange, switch, mailbox, service, network, caller] = &ROWS;
    match authority {
        Authority::EntraToken => token,
        Authority::EntraConsent => consent,
        Authority::EntraDirectory => directory,
        Authority::ExchangeScoping => exchange,
        Authority::ProtocolSwitch => switch,
        Authority::Mailbox => mailbox,
        Authority::Service => service,
        Authority::Network => network,
        Authority::Caller => caller,
    }
}
