//! The proof of a service account's access to an Exchange Server: live, over EWS.

use ews_client::{DistinguishedFolder, EwsClient, Folder, Target};
use exchange_admin::ScriptReceipt;
use jiff::Timestamp;
use m365_core::{Error, Result, later};

use super::{Book, Check, CheckKind, Finding, Proof};
use crate::apply::GAPS;
use crate::calendar::ews::{impersonated, is_readable, open};
use crate::on_premises::{LiveProbe, OnPremisesPlan, refusals};
use crate::progress::{Progress, wait_until};

/// What a probe saw.
enum Seen {
    /// What the folder says of itself.
    Open(Folder),
    /// One of the codes that are the refusal.
    Refused(Error),
    /// Neither.
    Unclear(Error),
}

impl OnPremisesPlan {
    /// Proves the plan's access live: `client` signs in as the service account, each of [`probes`](Self::probes) is asked for
    /// its folder, in the owner's name or in the account's own as the grant has it, and the canary must be refused. Nothing
    /// of a folder's content is read.
    ///
    /// `receipts` tell when the scripts ran: a refusal inside a step's window is waited for, as long as the window lasts. What
    /// they say was done counts for nothing else here. What cannot be tried, such as a throttling policy, is named as
    /// [`NotTried`](Finding::NotTried); whatever is neither an opening nor a refusal, such as a wrong password or a mailbox that
    /// is not there, is [`Unknown`](Finding::Unknown) and proves nothing.
    ///
    /// ```
    /// # async fn prove(plan: mail_access::OnPremisesPlan, password: secrecy::SecretString) -> m365_core::Result<()> {
    /// use ews_client::{EwsClient, EwsCredential, EwsEndpoint};
    /// let server = EwsEndpoint::on_premises("https://mail.contoso.example".parse().unwrap())?;
    /// let client = EwsClient::builder(server, EwsCredential::basic(&plan.account, password)).build()?;
    /// let proof = plan.verify(&client, &[], &()).await?;
    /// assert!(proof.is_proven());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](m365_core::ErrorKind::InvalidInput) for a client of Exchange Online. What is found, good or
    /// bad, is in the proof.
    pub async fn verify(
        &self,
        client: &EwsClient,
        receipts: &[ScriptReceipt],
        progress: &dyn Progress,
    ) -> Result<Proof> {
        if client.endpoint().is_online() {
            return Err(Error::invalid(
                "this plan is for an Exchange Server, and the client speaks to Exchange Online",
            ));
        }
        let mut book = Book { proof: Proof::default(), progress };
        let ran = receipts.iter().filter(|receipt| receipt.apply).map(|receipt| receipt.finished_at).max();
        let window = self.steps.iter().map(|step| step.description.window.latest).max();
        let latest = ran.zip(window).map(|(ran, window)| later(ran, window));
        for probe in self.probes.iter().filter(|probe| probe.opens) {
            let check = self.expect_open(client, probe, latest, progress).await;
            book.note(check);
        }
        let mut canaries = self.probes.iter().filter(|probe| !probe.opens).peekable();
        if canaries.peek().is_none() {
            book.note(self.check(
                "canary",
                Finding::NotTried,
                "every mailbox is in reach: there is none that must stay closed",
            ));
        }
        for probe in canaries {
            let check = self.expect_closed(client, probe).await;
            book.note(check);
        }
        for step in self.untried_steps() {
            let text = "no call tells whether it holds; the receipt of the script stands for it";
            book.note(Check::new(&self.account, CheckKind::Configuration, &step.id, Finding::NotTried, text));
        }
        Ok(book.proof)
    }

    fn check(&self, subject: impl std::fmt::Display, finding: Finding, text: impl Into<String>) -> Check {
        Check::new(&self.account, CheckKind::Live, subject, finding, text)
    }

    async fn expect_open(
        &self,
        client: &EwsClient,
        probe: &LiveProbe,
        latest: Option<Timestamp>,
        progress: &dyn Progress,
    ) -> Check {
        let way = way(probe);
        let check = |finding, text| self.check(&probe.mailbox, finding, text);
        let last = GAPS.last().copied().unwrap_or_default();
        let mut gaps = GAPS.into_iter().chain(std::iter::repeat(last));
        loop {
            let (error, clear) = match seen(client, probe, refusals(probe.impersonated)).await {
                Seen::Open(folder) if is_readable(&folder) => {
                    return check(Finding::Proven, format!("{way} opens"));
                }
                Seen::Open(_) => {
                    let text = format!("{way} is visible, and its items are not to be read");
                    return check(Finding::Failed, text);
                }
                Seen::Refused(error) => (error, true),
                Seen::Unclear(error) => (error, false),
            };
            let now = client.clock().now();
            // A wrong password gets no better by trying, and locks accounts.
            let window = latest.filter(|latest| clear && now < *latest);
            let Some((latest, gap)) = window.zip(gaps.next()) else {
                let finding = if clear { Finding::Failed } else { Finding::Unknown };
                let word = if clear { "is refused" } else { "cannot be told" };
                return check(finding, format!("{way} {word}: {error}")).because(&error);
            };
            let reason = format!("{} to open (refused so far, which is \"not yet\")", probe.mailbox);
            wait_until(client.clock(), progress, &reason, later(now, gap).min(latest)).await;
        }
    }

    /// A canary that opens is never excused by time. A folder that can be seen and not read is open too: something was given
    /// there.
    async fn expect_closed(&self, client: &EwsClient, probe: &LiveProbe) -> Check {
        let way = way(probe);
        let check = |finding, text| self.check(&probe.mailbox, finding, text);
        match seen(client, probe, probe.refusals).await {
            Seen::Open(_) => check(Finding::Failed, format!("{way} opens, and must not")),
            Seen::Refused(error) => {
                let code = error.service_code().unwrap_or_default();
                check(Finding::Proven, format!("{way} is refused, as it must be ({code})"))
            }
            Seen::Unclear(error) => {
                check(Finding::Unknown, format!("{way} cannot be told: {error}")).because(&error)
            }
        }
    }
}

/// What is asked, in words.
fn way(probe: &LiveProbe) -> String {
    match probe.impersonated {
        true => format!("the {} in the owner's name", probe.folder),
        false => format!("the {} by rights of the account's own", probe.folder),
    }
}

async fn seen(client: &EwsClient, probe: &LiveProbe, refusals: &[&str]) -> Seen {
    let target = match probe.impersonated {
        true => impersonated(&probe.mailbox),
        false => Target::Delegate(probe.mailbox.clone()),
    };
    let folder = match probe.folder {
        "inbox" => DistinguishedFolder::Inbox,
        _ => DistinguishedFolder::Calendar,
    };
    match open(client, &target, folder).await {
        Ok(folder) => Seen::Open(folder),
        Err(error)
            if !error.is_transient() && error.service_code().is_some_and(|c| refusals.contains(&c)) =>
        {
            Seen::Refused(error)
        }
        Err(error) => Seen::Unclear(error),
    }
}
