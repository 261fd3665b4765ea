use std::collections::BTreeSet;

use m365_core::Result;

use crate::command::Command;
use crate::row::Row;
use crate::types::word;

word!(
    /// A protocol for which Exchange Online may take basic authentication.
    BasicAuthProtocol {
        /// Exchange Web Services.
        WebServices = "AllowBasicAuthWebServices",
        /// IMAP.
        Imap = "AllowBasicAuthImap",
        /// POP.
        Pop = "AllowBasicAuthPop",
        /// SMTP.
        Smtp = "AllowBasicAuthSmtp",
        /// Autodiscover.
        Autodiscover = "AllowBasicAuthAutodiscover",
        /// Exchange ActiveSync.
        ActiveSync = "AllowBasicAuthActiveSync",
    }
);
word!(
    /// A protocol for which Exchange Server may refuse everything but modern authentication.
    LegacyAuthProtocol {
        /// Exchange Web Services.
        WebServices = "BlockLegacyAuthWebServices",
        /// IMAP.
        Imap = "BlockLegacyAuthImap",
        /// POP.
        Pop = "BlockLegacyAuthPop",
        /// Autodiscover.
        Autodiscover = "BlockLegacyAuthAutodiscover",
        /// Exchange ActiveSync.
        ActiveSync = "BlockLegacyAuthActiveSync",
        /// MAPI over HTTP.
        Mapi = "BlockLegacyAuthMapi",
        /// The offline address book.
        OfflineAddressBook = "BlockLegacyAuthOfflineAddressBook",
        /// RPC over HTTP.
        Rpc = "BlockLegacyAuthRpc",
    }
);

pub(super) const BASIC: [BasicAuthProtocol; 6] = {
    use BasicAuthProtocol as P;
    [P::WebServices, P::Imap, P::Pop, P::Smtp, P::Autodiscover, P::ActiveSync]
};
pub(super) const LEGACY: [LegacyAuthProtocol; 8] = {
    use LegacyAuthProtocol as P;
    [P::WebServices, P::Imap, P::Pop, P::Autodiscover, P::ActiveSync, P::Mapi, P::OfflineAddressBook, P::Rpc]
};

/// Which protocols take which kind of sign-in. The two halves never meet: the first exists in Exchange Online, the second
/// in Exchange Server from 2019 on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignInRules {
    /// Exchange Online: basic authentication is taken for these, and refused for the others. Microsoft has switched basic
    /// authentication off for all but SMTP whatever a policy says.
    pub basic_allowed: BTreeSet<BasicAuthProtocol>,
    /// Exchange Server: only modern authentication is taken for these.
    pub legacy_blocked: BTreeSet<LegacyAuthProtocol>,
}

impl SignInRules {
    pub(super) fn command(&self, mut command: Command) -> Result<Command> {
        if !self.basic_allowed.is_empty() && !self.legacy_blocked.is_empty() {
            return Err(m365_core::Error::invalid(
                "one policy cannot be of Exchange Online and of Exchange Server",
            ));
        }
        for protocol in &self.basic_allowed {
            command = command.with(protocol.as_str(), crate::Value::Switch(true));
        }
        for protocol in &self.legacy_blocked {
            command = command.with(protocol.as_str(), crate::Value::Switch(true));
        }
        Ok(command)
    }

    pub(super) fn read(row: &Row) -> Self {
        let on = |name: &str| row.truth(name) == Some(true);
        Self {
            basic_allowed: BASIC.into_iter().filter(|p| on(p.as_str())).collect(),
            legacy_blocked: LEGACY.into_iter().filter(|p| on(p.as_str())).collect(),
        }
    }
}
