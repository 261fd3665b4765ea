use std::fmt;

use m365_core::Result;

use crate::command::Command;
use crate::row::Row;
use crate::{Cmdlet, Facts};

/// A domain that the organisation accepts mail for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedDomain {
    /// The domain, such as `contoso.example`; `*` for a domain of Exchange Server that stands for all.
    pub domain: String,
    /// What becomes of mail for it.
    pub kind: DomainKind,
    /// Whether new addresses are made in it.
    pub default: bool,
}

/// What becomes of mail for an accepted domain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DomainKind {
    /// Every address is here; others are refused.
    Authoritative,
    /// Some addresses are here; mail for others goes on.
    InternalRelay,
    /// No address is here.
    ExternalRelay,
    /// A kind without a name here, as Exchange writes it.
    Other(String),
}

impl fmt::Display for DomainKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authoritative => "Authoritative",
            Self::InternalRelay => "InternalRelay",
            Self::ExternalRelay => "ExternalRelay",
            Self::Other(name) => name,
        })
    }
}

/// `Get-AcceptedDomain`: the domains that the organisation accepts mail for.
///
/// <https://learn.microsoft.com/powershell/module/exchangepowershell/get-accepteddomain>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListAcceptedDomains(());

impl ListAcceptedDomains {
    /// All of them.
    pub const fn new() -> Self {
        Self(())
    }
}

impl Cmdlet for ListAcceptedDomains {
    type Output = Vec<AcceptedDomain>;

    const FACTS: &'static Facts = facts!(
        "Get-AcceptedDomain",
        "get-accepteddomain",
        ["View-Only Configuration", "Organization Configuration"],
        ViewOnlyOrganizationManagement,
        IMMEDIATE,
        Idempotent
    );

    fn command(&self) -> Result<Command> {
        Ok(Command::new(Self::FACTS))
    }

    fn read(&self, rows: Vec<Row>) -> Result<Self::Output> {
        rows.iter()
            .map(|row| {
                Ok(AcceptedDomain {
                    domain: row.required("DomainName")?.to_owned(),
                    kind: match row.text("DomainType").unwrap_or_default() {
                        "Authoritative" => DomainKind::Authoritative,
                        "InternalRelay" => DomainKind::InternalRelay,
                        "ExternalRelay" => DomainKind::ExternalRelay,
                        other => DomainKind::Other(other.to_owned()),
                    },
                    default: row.truth("Default").unwrap_or(false),
                })
            })
            .collect()
    }
}
