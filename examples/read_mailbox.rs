//! Reads the newest messages of a mailbox, over Microsoft Graph and over IMAP, through the same handle.
#![allow(clippy::print_stdout, reason = "a program talks to its user")]

use m365_core::{Error, MailboxAddress, Result};
use mail_access::Mailbox;
use tenant_sim::{Propagation, Scenario, Tenant};

#[tokio::main]
async fn main() -> Result<()> {
    let tenant = Tenant::builder()
        .scenario(Scenario::contoso())
        .propagation(Propagation::instant())
        .start()
        .await
        .map_err(|e| Error::invalid("the simulated tenant does not start").with_source(e))?;

    // Two apps for the same mailbox: each way in is limited by another authority.
    let onboarding = examples::onboarding(&tenant)?;
    let profile = examples::reader_profile("acme-reader", "invoices@contoso.example")?;
    onboarding.apply(&onboarding.plan(&profile).await?, &()).await?;
    let [by_imap, by_graph] = profile.apps.as_slice() else {
        return Err(Error::invalid("two apps were expected"));
    };
    let by_imap = onboarding.session(&profile, by_imap).await?;
    let by_graph = onboarding.session(&profile, by_graph).await?;

    let address: MailboxAddress = "invoices@contoso.example".parse()?;
    show("Microsoft Graph", &by_graph.mailbox(address.clone())).await?;
    show("IMAP", &by_imap.imap_mailbox(address)).await?;

    // And a mailbox that is none of this app's business.
    match by_imap.imap_mailbox("ceo@contoso.example".parse()?).newest(1).await {
        Ok(_) => println!("ceo@contoso.example opened, which must not happen"),
        Err(error) => println!("{error}\n  {}", error.diagnosis()),
    }
    Ok(())
}

async fn show(protocol: &str, mailbox: &Mailbox) -> Result<()> {
    println!("{} over {protocol}", mailbox.address());
    let messages = mailbox.newest(3).await?;
    for message in &messages {
        let mark = if message.is_read { ' ' } else { '*' };
        println!("  {mark} {}  {}", message.received.strftime("%F %H:%M"), message.subject);
    }
    if let Some(newest) = messages.first() {
        let bytes = mailbox.mime(&newest.id).await?.collect(1024 * 1024).await?;
        println!("    the newest one has {} bytes as MIME", bytes.len());
    }
    Ok(())
}
