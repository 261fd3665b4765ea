//! Today's events of some calendars: private ones keep their time and nothing else, and a calendar outside the scope
//! stays closed.
#![allow(clippy::print_stdout, reason = "a program talks to its user")]

use m365_core::{Error, ErrorKind, MailboxAddress, Result};
use mail_access::calendar::ShowAs;
use tenant_sim::{Propagation, Scenario, Tenant};

#[tokio::main]
async fn main() -> Result<()> {
    let tenant = Tenant::builder()
        .scenario(Scenario::contoso())
        .propagation(Propagation::instant())
        .start()
        .await
        .map_err(|e| Error::invalid("the simulated tenant does not start").with_source(e))?;
    let onboarding = examples::onboarding(&tenant)?;
    let profile =
        examples::presence_profile("acme-presence", &["alice@contoso.example", "bob@contoso.example"])?;
    onboarding.apply(&onboarding.plan(&profile).await?, &()).await?;
    let app = profile.apps.first().ok_or_else(|| Error::invalid("the profile has no app"))?;
    let session = onboarding.session(&profile, app).await?;

    let now = tenant.clock().now();
    let start = now.to_zoned(jiff::tz::TimeZone::UTC).start_of_day().map_or(now, |day| day.timestamp());
    let end = start + jiff::SignedDuration::from_hours(24);
    let outside: MailboxAddress = "ceo@contoso.example".parse()?;
    for address in app.scope.mailboxes.iter().chain([&outside]) {
        println!("{address}");
        match session.calendar(address.clone()).view(start, end).await {
            Ok(events) => {
                for event in events {
                    let gone = if event.is_cancelled { " (cancelled)" } else { "" };
                    let free = if event.show_as == ShowAs::Free { ' ' } else { '#' };
                    println!(
                        "  {free} {:<26} {:<12} {}{gone}",
                        event.time.to_string(),
                        event.show_as.to_string(),
                        event.title()
                    );
                }
            }
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                println!("    closed, as it should be: {}", error.diagnosis().id());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
