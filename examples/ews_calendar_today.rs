//! Today's events of some calendars on an Exchange server, by whatever right there is: the items as their owner, else by a right
//! on the folder, else free and busy times, else nothing; which it was is told. Private events keep their time and nothing else.
#![allow(clippy::print_stdout, reason = "a program talks to its user")]

use ews_client::Result;
use ews_client::calendar::{Content, Ladder, Rung};
use ews_client::free_busy::ShowAs;
use examples::ExchangeServer;
use futures_util::StreamExt as _;
use jiff::{Timestamp, tz::TimeZone};

#[tokio::main]
async fn main() -> Result<()> {
    let server = ExchangeServer::from_env().await?;
    let (start, end) = server.today();
    let ladder = Ladder::new(server.client.clone(), server.asker.clone());
    let mut calendars = std::pin::pin!(ladder.read_many(&server.mailboxes, start, end));
    while let Some((mailbox, access)) = calendars.next().await {
        let access = access?;
        println!("{mailbox}: {}", rung(access.rung()));
        match &access.content {
            Content::Items { events, .. } => {
                for event in &events.events {
                    let time = match event.is_all_day() {
                        true => "all day".to_owned(),
                        false => format!("{} to {}", clock(event.start()), clock(event.end())),
                    };
                    let gone = if event.is_cancelled { " (cancelled)" } else { "" };
                    let title =
                        event.details().visible().map_or("(private)", |d| d.subject.as_deref().unwrap_or(""));
                    println!("  {} {time:<15} {title}{gone}", mark(&event.presence()));
                }
            }
            Content::FreeBusy(availability) => {
                for slot in &availability.slots {
                    let time = format!("{} to {}", clock(slot.start), clock(slot.end));
                    println!("  {} {time}", mark(&slot.show_as));
                }
            }
            _ => {
                for refusal in &access.refusals {
                    let code = refusal.error.service_code().unwrap_or("no code");
                    println!("    {:?}: {code}", refusal.rung);
                }
            }
        }
    }
    Ok(())
}

fn rung(rung: Option<Rung>) -> &'static str {
    match rung {
        Some(Rung::Impersonation) => "the events, acting as the owner",
        Some(Rung::Delegate) => "the events, by a right on the folder",
        Some(Rung::FreeBusy) => "free and busy times alone",
        _ => "nothing",
    }
}

fn clock(time: Timestamp) -> String {
    time.to_zoned(TimeZone::UTC).strftime("%H:%M").to_string()
}

fn mark(show_as: &ShowAs) -> char {
    match show_as {
        ShowAs::Free => ' ',
        ShowAs::Tentative => '?',
        _ => '#',
    }
}
