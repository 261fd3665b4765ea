use std::fmt;

use m365_core::{ClientId, MailboxAddress, ServicePrincipalObjectId};
use serde::Serialize;

use super::{
    AccessPicture, AccessQuery, AppPicture, EntraGrant, Evidence, Gap, OrganizationWide, Outcome, Question,
    RecipientId, Suggestion, Verdict, Way,
};
use crate::ExchangeAdmin;

/// What a proof is worth, in one sentence.
const TRUTH: &str = "This is what the configuration says. Exchange enforces changes up to hours later, and its own test \
                     cmdlets run ahead of that too: only a call with the app's token shows what holds now.";

/// Whether one app reaches one mailbox in one way, with every link of the reasoning, how far the app reaches beyond, and
/// what would narrow it. As JSON for machines, as text for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AccessProof {
    /// The app.
    pub app: ProvenApp,
    /// The mailbox's address.
    pub mailbox: String,
    /// The way in.
    pub way: Way,
    /// The permissions of which any one suffices.
    pub permissions: Vec<String>,
    /// The result.
    pub outcome: Outcome,
    /// Every link, in the order in which the service looks.
    pub evidence: Vec<Evidence>,
    /// What the app holds in the whole organisation.
    pub blast_radius: Vec<OrganizationWide>,
    /// What would narrow it.
    pub suggestions: Vec<Suggestion>,
    /// What was tried to be read and could not be.
    pub gaps: Vec<Gap>,
    /// What this is worth.
    pub truth: &'static str,
}

/// The app of a proof.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ProvenApp {
    /// Name for people.
    pub display_name: String,
    /// Client id.
    pub client_id: Option<ClientId>,
    /// Object id of the enterprise application.
    pub object_id: Option<ServicePrincipalObjectId>,
}

impl From<&AppPicture> for ProvenApp {
    fn from(app: &AppPicture) -> Self {
        Self { display_name: app.display_name.clone(), client_id: app.client_id, object_id: app.object_id() }
    }
}

impl fmt::Display for ProvenApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.display_name.as_str(), &self.client_id) {
            ("", None) => f.write_str("an app that is not registered"),
            ("", Some(client)) => write!(f, "app {client}"),
            (name, None) => f.write_str(name),
            (name, Some(client)) => write!(f, "{name} ({client})"),
        }
    }
}

impl AccessPicture {
    /// Proves one way into the mailbox that bears this address. `needs` are all the permissions that the app needs for its
    /// work; where they are left empty nothing is said about permissions that nobody asked for.
    pub fn prove(
        &self,
        mailbox: &MailboxAddress,
        question: &Question<'_>,
        needs: &[EntraGrant],
    ) -> AccessProof {
        let verdict = match self.find(mailbox) {
            Some(Some(id)) => self.effective_access(&id, question),
            Some(None) => Verdict {
                outcome: Outcome::Denied,
                evidence: vec![Evidence {
                    authority: m365_core::Authority::Mailbox,
                    outcome: Outcome::Denied,
                    text: "no recipient of this tenant bears the address".to_owned(),
                    object: None,
                }],
            },
            None => Verdict {
                outcome: Outcome::Unknown,
                evidence: vec![Evidence {
                    authority: m365_core::Authority::Mailbox,
                    outcome: Outcome::Unknown,
                    text: format!(
                        "the mailbox was not read{}",
                        self.why(&super::Part::Recipient(mailbox.to_string()))
                    ),
                    object: None,
                }],
            },
        };
        AccessProof {
            app: ProvenApp::from(&self.app),
            mailbox: mailbox.to_string(),
            way: question.way(),
            permissions: question.permissions().into_iter().map(|p| p.permission).collect(),
            outcome: verdict.outcome,
            evidence: verdict.evidence,
            blast_radius: self.blast_radius(),
            suggestions: self.suggestions(&question.permissions(), needs),
            gaps: self.gaps.clone(),
            truth: TRUTH,
        }
    }

    /// The recipient with this address: `Some(None)` when surely nobody bears it, `None` when that was not read.
    pub fn find(&self, address: &MailboxAddress) -> Option<Option<RecipientId>> {
        if let Some(known) = self.addresses.get(&address.as_str().to_lowercase()) {
            return Some(known.clone());
        }
        let (id, _) =
            self.mailboxes.iter().find(|(_, m)| m.address.eq_ignore_ascii_case(address.as_str()))?;
        Some(Some(id.clone()))
    }
}

impl ExchangeAdmin {
    /// Reads, evaluates, asks Exchange's own tests, and proves. What the caller knows of the app from Entra goes in with
    /// its picture; what it leaves out is unknown, and never taken for absent.
    ///
    /// ```
    /// use exchange_admin::access::{AppPicture, EntraGrant, Outcome, Question};
    /// # async fn run(exchange: exchange_admin::ExchangeAdmin) -> exchange_admin::Result<()> {
    /// let app = AppPicture::present(
    ///     "6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d".parse()?,
    ///     "b7e4c6de-1d2f-4b8a-9d0e-2f1a6c5d4e3b".parse()?,
    /// ).with_consents([]);
    /// let needs = [EntraGrant::graph("Mail.Read")];
    /// let proof = exchange.prove_access(app, &"ceo@contoso.example".parse()?, &Question::Graph(&["Mail.Read"]), &needs).await;
    /// if proof.outcome != Outcome::Denied {
    ///     println!("{proof}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn prove_access(
        &self,
        app: AppPicture,
        mailbox: &MailboxAddress,
        question: &Question<'_>,
        needs: &[EntraGrant],
    ) -> AccessProof {
        let query =
            AccessQuery::of(app.clone()).for_mailbox(mailbox.clone()).over([question.way()]).with_tests();
        let pictures = self.access_pictures(query).await;
        let picture = pictures.into_iter().next().unwrap_or_else(|| AccessPicture::of(app));
        picture.prove(mailbox, question, needs)
    }
}

impl fmt::Display for AccessProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = match self.way {
            Way::Graph => format!("{} over Microsoft Graph", self.permissions.join(" or ")),
            other => other.to_string(),
        };
        let outcome = match self.outcome {
            Outcome::Allowed => "ALLOWED",
            Outcome::Denied => "DENIED",
            Outcome::Unknown => "UNKNOWN",
        };
        writeln!(f, "{outcome}  {way}")?;
        writeln!(f, "  app      {}", self.app)?;
        writeln!(f, "  mailbox  {}", self.mailbox)?;
        writeln!(f, "  Evidence")?;
        for (number, link) in self.evidence.iter().enumerate() {
            writeln!(f, "    {}. [{}] {}: {link}", number + 1, link.outcome, link.authority)?;
        }
        if !self.blast_radius.is_empty() {
            writeln!(f, "  Organisation-wide")?;
            for wide in &self.blast_radius {
                writeln!(f, "    ! {wide}")?;
            }
        }
        if !self.suggestions.is_empty() {
            writeln!(f, "  To narrow it")?;
            for suggestion in &self.suggestions {
                writeln!(f, "    - {}", suggestion.sentence)?;
                for line in &suggestion.commands {
                    writeln!(f, "        {line}")?;
                }
            }
        }
        if !self.gaps.is_empty() {
            writeln!(f, "  Not read")?;
            for gap in &self.gaps {
                writeln!(f, "    ? {gap}")?;
            }
        }
        write!(f, "  {}", self.truth)
    }
}
