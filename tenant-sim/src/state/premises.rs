//! What an organisation has on premises: accounts that sign in with passwords, and who may impersonate whom.

use uuid::Uuid;

use super::ResourceScope;

/// The organisation's own Exchange servers, as far as clients see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Premises {
    /// NetBIOS name of the domain: the first half of `CONTOSO\svc`.
    pub domain: String,
    /// Accounts that sign in with a password.
    pub accounts: Vec<Account>,
    /// Ways to authenticate that the server offers, in this order.
    pub schemes: Vec<AuthScheme>,
    /// How the server looks at the channel binding of NTLM over TLS.
    pub extended_protection: ExtendedProtection,
    /// Wrong passwords in a row that lock an account; 0: none do.
    pub lockout_after: u32,
}

impl Default for Premises {
    fn default() -> Self {
        Self {
            domain: "CONTOSO".to_owned(),
            accounts: Vec::new(),
            schemes: vec![AuthScheme::Negotiate, AuthScheme::Ntlm, AuthScheme::Basic],
            extended_protection: ExtendedProtection::Allow,
            lockout_after: 0,
        }
    }
}

/// A way to authenticate on premises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum AuthScheme {
    /// Hybrid Modern Authentication: tokens of Entra.
    Bearer,
    /// NTLM without SPNEGO around it is taken under this name too; Kerberos is not.
    Negotiate,
    /// NTLM, bound to the connection.
    Ntlm,
    /// User name and password.
    Basic,
}

/// Extended Protection of the server's web site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExtendedProtection {
    /// A binding is not looked at.
    Off,
    /// A wrong binding is refused, a missing one is not.
    #[default]
    Allow,
    /// Over TLS a missing binding is refused as well.
    Require,
}

/// An account that signs in with a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Object id of its user; of its mailbox too, when it has one.
    pub user: Uuid,
    /// Name before the `@`, and behind `CONTOSO\`.
    pub name: String,
    /// User principal name.
    pub upn: String,
    /// Password.
    pub password: String,
    /// True while the domain refuses it.
    pub locked: bool,
    /// Wrong passwords in a row.
    pub failures: u32,
    /// Mailboxes that its management role ApplicationImpersonation lets it act as.
    pub impersonates: Option<ResourceScope>,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Account")
            .field("name", &self.name)
            .field("locked", &self.locked)
            .field("impersonates", &self.impersonates)
            .finish_non_exhaustive()
    }
}

impl Premises {
    /// The account that somebody means by `UPN`, or by `DOMAIN\name`.
    pub fn account(&self, login: &str) -> Option<&Account> {
        let short = login
            .split_once('\\')
            .filter(|(domain, _)| domain.eq_ignore_ascii_case(&self.domain))
            .map(|(_, name)| name);
        self.accounts.iter().find(|a| {
            a.upn.eq_ignore_ascii_case(login) || short.is_some_and(|s| a.name.eq_ignore_ascii_case(s))
        })
    }

    /// The same, to change it.
    pub fn account_mut(&mut self, login: &str) -> Option<&mut Account> {
        let user = self.account(login)?.user;
        self.accounts.iter_mut().find(|a| a.user == user)
    }
}
