//! Verification: first the configuration's truth, then a fresh token, then live: mailboxes in scope open, and the canary
//! outside must be refused.

mod live;
#[cfg(feature = "ews")]
mod on_premises;
mod proof;
mod surplus;
mod way;

use std::collections::BTreeSet;

use exchange_admin::ApplicationRole;
use exchange_admin::cmdlets::AccessCheckResult;
use exchange_admin::cmdlets::{InScope, TestApplicationAccessPolicy, TestServicePrincipalAuthorization};
use graph_auth::{Api, TokenExpectation, prove_token};
use m365_core::{Authority, ErrorKind, MailboxAddress, Result};

pub use live::VerifyOptions;
#[cfg(feature = "ews")]
pub(crate) use live::is_denied_by_ews;
pub use proof::{Check, CheckDiagnosis, CheckKind, Finding, Proof};

use crate::access::{Outcome, RecipientId, Verdict};
use crate::apply::Applied;
use crate::ledger::Windows;
use crate::names;
use crate::onboarding::{AppSession, Onboarding};
use crate::permission::Permission;
use crate::profile::{AccessProfile, AppProfile, GrantMode};
use crate::progress::{Progress, ReplicationWaits};
use crate::tenant::{TenantPicture, key_of};
use way::{ways, without_way};

pub(crate) use surplus::surplus;

impl Onboarding {
    /// Proves that every app of a profile reaches its mailboxes and no other. The [`Ledger`](crate::Ledger), together with
    /// `applied`, tells when changes were made, so that a refusal inside a change's window is "not yet" and probes stay
    /// quiet while caches die, also after a restart. Where neither knows of a recent change nothing is waited for.
    ///
    /// # Errors
    /// When the tenant cannot be read or no token can be had for a reason that is no finding. What is found, good or
    /// bad, is in the proof.
    pub async fn verify(
        &self,
        profile: &AccessProfile,
        applied: Option<&Applied>,
        options: &VerifyOptions,
        progress: &dyn Progress,
    ) -> Result<Proof> {
        let picture = self.read(profile).await?;
        let mut windows = applied.map(|a| a.windows.clone()).unwrap_or_default();
        let known = self.inner.ledger.entries(self.inner.tenant_id, &profile.name).await?;
        windows.join(&Windows::of(profile, &known));
        let mut book = Book { proof: Proof::default(), progress };
        let left = crate::plan::plan(profile, &picture)?;
        for app in &profile.apps {
            let open: Vec<&str> = left
                .steps
                .iter()
                // A step of no app, such as a shared mailbox, is missing for every one.
                .filter(|s| s.app.as_deref().is_none_or(|of| of == app.unique_name))
                .map(|s| s.id.as_str())
                .collect();
            let (finding, text) = match open.is_empty() {
                true => (Finding::Proven, "everything of the profile is set up".to_owned()),
                false => (Finding::Failed, format!("the plan is not fulfilled: {}", open.join(", "))),
            };
            book.note(Check::new(&app.unique_name, CheckKind::Configuration, "plan", finding, text));
            self.configuration(app, &picture, &mut book).await?;
            let session = self.session(profile, app).await?;
            self.token(app, &picture, &session, &mut book).await?;
            let pending = windows.of_app(&app.unique_name);
            self.live(app, &picture, &session, pending, options, &mut book).await;
        }
        Ok(book.proof)
    }

    /// What the configuration says of each mailbox: by our own reading of it, and by Exchange's.
    async fn configuration(
        &self,
        app: &AppProfile,
        picture: &TenantPicture,
        book: &mut Book<'_>,
    ) -> Result<()> {
        let strangers = picture.strangers(app);
        if let Some(group) = &app.scope.group {
            let (finding, text) = match (strangers.is_empty(), group.allow_other_members) {
                (true, _) => (
                    Finding::Proven,
                    format!("holds the {} mailboxes of the profile and no other", app.scope.mailboxes.len()),
                ),
                (false, true) => (
                    Finding::Proven,
                    format!("holds further members, which the profile accepts: {}", strangers.join(", ")),
                ),
                (false, false) => (
                    Finding::Failed,
                    format!("holds members that the profile does not name: {}", strangers.join(", ")),
                ),
            };
            book.note(Check::new(&app.unique_name, CheckKind::Configuration, &group.address, finding, text));
        }
        let surplus = surplus(app, picture)?;
        let (finding, text) = match surplus.is_empty() {
            true => (Finding::Proven, "no permission, role or policy beyond the profile".to_owned()),
            false => (Finding::Failed, format!("more than the profile asks for: {}", surplus.join("; "))),
        };
        book.note(Check::new(&app.unique_name, CheckKind::Configuration, "grants", finding, text));
        if let Some(check) = ews_check(app, picture) {
            book.note(check);
        }
        for permission in without_way(app) {
            let text = "what it reaches cannot be proven by this version".to_owned();
            book.note(Check::new(
                &app.unique_name,
                CheckKind::Configuration,
                permission,
                Finding::Unknown,
                text,
            ));
        }
        let access = picture.access_picture(&app.unique_name);
        for (address, wanted) in expectations(app) {
            let Some(id) = picture
                .mailboxes
                .get(address)
                .and_then(|m| m.recipient.as_ref())
                .and_then(key_of)
                .map(RecipientId::new)
            else {
                // There is nothing to ask Exchange about either.
                let text = "the mailbox was not found";
                book.note(Check::new(
                    &app.unique_name,
                    CheckKind::Configuration,
                    address,
                    Finding::Unknown,
                    text,
                ));
                continue;
            };
            for way in ways(app) {
                let Some(question) = way.question() else { continue };
                let verdict = access.effective_access(&id, &question);
                let mut check = Check::new(
                    &app.unique_name,
                    CheckKind::Configuration,
                    address,
                    judge_verdict(wanted, &verdict),
                    format!("{way} by configuration: {verdict}"),
                );
                if check.finding == Finding::Failed && wanted == Outcome::Denied {
                    check = check.diagnosed("SCOPE-UNION-TRAP");
                }
                book.note(check);
            }
            if let Some(check) = self.second_opinion(app, picture, address, wanted).await? {
                book.note(check);
            }
        }
        Ok(())
    }

    /// Exchange's own test cmdlet. It looks at one authority only and runs ahead of enforcement.
    async fn second_opinion(
        &self,
        app: &AppProfile,
        picture: &TenantPicture,
        address: &MailboxAddress,
        wanted: Outcome,
    ) -> Result<Option<Check>> {
        let exchange = &self.inner.exchange;
        let found = match app.scope.grant {
            GrantMode::Rbac => {
                let roles: BTreeSet<_> = names::roles(app).into_iter().map(|(_, role)| role).collect();
                let Some(object) = picture.service_principal(&app.unique_name).filter(|_| !roles.is_empty())
                else {
                    return Ok(None);
                };
                let test = TestServicePrincipalAuthorization::new(object).with_resource(address.clone());
                let rows = exchange.run(&test).await?.value;
                // Rights add up: for each role one row in scope suffices, and every role must be there.
                let of_role = |wanted: &ApplicationRole| {
                    let mut rows = rows.iter().filter(|r| r.role == Some(*wanted)).peekable();
                    if rows.peek().is_none() {
                        return Outcome::Unknown;
                    }
                    let scopes: Vec<InScope> = rows.map(|r| r.in_scope.clone()).collect();
                    match (scopes.contains(&InScope::Yes), scopes.iter().all(|s| *s == InScope::No)) {
                        (true, _) => Outcome::Allowed,
                        (_, true) => Outcome::Denied,
                        _ => Outcome::Unknown,
                    }
                };
                let found: Vec<Outcome> = roles.iter().map(of_role).collect();
                if found.iter().all(|f| *f == wanted) {
                    wanted
                } else {
                    found.into_iter().find(|f| *f != wanted).unwrap_or(Outcome::Unknown)
                }
            }
            GrantMode::AccessPolicy => {
                let client = picture.apps.get(&app.unique_name).and_then(|a| a.registration.client_id());
                let Some(client) = client else { return Ok(None) };
                match exchange
                    .run(&TestApplicationAccessPolicy::new(client, address.clone()))
                    .await?
                    .value
                    .result
                {
                    AccessCheckResult::Granted => Outcome::Allowed,
                    AccessCheckResult::Denied => Outcome::Denied,
                    _ => Outcome::Unknown,
                }
            }
            GrantMode::MailboxPermission => return Ok(None),
        };
        let cmdlet = match app.scope.grant {
            GrantMode::Rbac => "Test-ServicePrincipalAuthorization",
            _ => "Test-ApplicationAccessPolicy",
        };
        let text = format!("{cmdlet} says {found}");
        Ok(Some(Check::new(&app.unique_name, CheckKind::Configuration, address, judge(wanted, found), text)))
    }

    /// A fresh token holds neither less nor more than wanted, for each API: also for one that the profile does not use.
    async fn token(
        &self,
        app: &AppProfile,
        picture: &TenantPicture,
        session: &AppSession,
        book: &mut Book<'_>,
    ) -> Result<()> {
        for api in [Api::Graph, Api::Exchange] {
            let (wanted, scoped): (Vec<_>, Vec<_>) = app
                .permissions
                .iter()
                .map(|p| Permission::parse(p))
                .filter(|p| p.api() == api)
                .partition(|p| names::is_consented(app.scope.grant, p));
            let list = |ps: &[Permission]| ps.iter().map(|p| p.entra_name().to_owned()).collect::<Vec<_>>();
            let subject = format!("token for {api}");
            let check =
                |finding, text| Check::new(&app.unique_name, CheckKind::Token, &subject, finding, text);
            let waits = ReplicationWaits::new(&self.inner.convergence);
            let (wanted_names, scoped_names) = (list(&wanted), list(&scoped));
            let expected = TokenExpectation::new(&self.inner.cloud, &api.resource(), session.client_id());
            let proof = prove_token(
                session.credential(),
                &expected,
                &wanted_names,
                &scoped_names,
                waits.convergence(),
            );
            let result = waits.told_to(book.progress, proof).await;
            book.note(match result {
                Ok(proof) if !proof.extra.is_empty() => {
                    check(Finding::Failed, format!("holds more than wanted: {}", proof.extra.join(", ")))
                }
                Ok(proof)
                    if proof.claims.service_principal.is_none()
                        || proof.claims.service_principal != picture.service_principal(&app.unique_name) =>
                {
                    check(
                        Finding::Failed,
                        "speaks for another service principal than the one set up".to_owned(),
                    )
                    .diagnosed("PROV-WRONG-OBJECT-ID")
                }
                Ok(_) if wanted.is_empty() && scoped.is_empty() => {
                    check(Finding::Proven, "holds no roles, and none is wanted".to_owned())
                }
                Ok(_) if wanted.is_empty() => check(
                    Finding::Proven,
                    "holds no roles, as it should: scoped roles of Exchange are not in tokens".to_owned(),
                ),
                Ok(_) => check(Finding::Proven, format!("holds exactly {}", list(&wanted).join(", "))),
                Err(e) if e.kind() == ErrorKind::NotReady => check(Finding::NotYet, e.message().to_owned()),
                Err(e) if e.kind() == ErrorKind::Conflict => {
                    check(Finding::Failed, e.message().to_owned()).diagnosed("SCOPE-UNION-TRAP")
                }
                Err(e) => check(Finding::Unknown, e.to_string()).because(&e),
            });
        }
        Ok(())
    }
}

/// Whether Exchange's list of apps lets an app in that uses EWS. The role is judged by Exchange's own test, mailbox by mailbox.
fn ews_check(app: &AppProfile, picture: &TenantPicture) -> Option<Check> {
    let ews = picture.ews.as_ref().filter(|_| names::uses_ews(app))?;
    let client = picture.apps.get(&app.unique_name).and_then(|a| a.registration.client_id());
    let listed = client.is_some_and(|client| ews.allowed.contains(client));
    let (finding, text) = match (ews.enabled, listed) {
        (Some(false), _) => (Finding::Failed, "EWS is switched off for the whole organisation"),
        (Some(true), true) => (Finding::Proven, "EWS is on, and the app is on the list of those that pass"),
        (Some(true), false) => {
            (Finding::Failed, "EWS is on, and the app is not on the list of those that pass")
        }
        (None, _) => {
            (Finding::Proven, "the switch for EWS was never set: the list of apps counts for nothing")
        }
    };
    Some(Check::new(&app.unique_name, CheckKind::Configuration, "EWS", finding, text))
}

/// Collects checks and tells of each.
pub(crate) struct Book<'a> {
    proof: Proof,
    progress: &'a dyn Progress,
}

impl Book<'_> {
    fn note(&mut self, check: Check) {
        self.progress.checked(&check);
        self.proof.checks.push(check);
    }
}

/// The mailboxes of a scope must be open, its canary closed.
fn expectations(app: &AppProfile) -> impl Iterator<Item = (&MailboxAddress, Outcome)> {
    app.scope.mailboxes.iter().map(|m| (m, Outcome::Allowed)).chain([(&app.scope.canary, Outcome::Denied)])
}

fn judge(wanted: Outcome, found: Outcome) -> Finding {
    match found {
        Outcome::Unknown => Finding::Unknown,
        found if found == wanted => Finding::Proven,
        _ => Finding::Failed,
    }
}

/// A canary that is closed by nothing but a protocol switch proves nothing: the grant is there, and opens when somebody
/// turns the switch.
fn judge_verdict(wanted: Outcome, verdict: &Verdict) -> Finding {
    let only_by_switch =
        verdict.evidence.last().is_some_and(|link| link.authority == Authority::ProtocolSwitch);
    match judge(wanted, verdict.outcome) {
        Finding::Proven if wanted == Outcome::Denied && only_by_switch => Finding::Failed,
        finding => finding,
    }
}
