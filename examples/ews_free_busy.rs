//! When some people are busy today, hour by hour, and when all of them are free: what an account may ask of every mailbox
//! whose owner did not forbid it, without any right on calendars.
#![allow(clippy::print_stdout, reason = "a program talks to its user")]

use ews_client::Result;
use ews_client::calendar::FreeBusy;
use ews_client::free_busy::{ShowAs, Slot};
use examples::ExchangeServer;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// From seven to seven in the evening, half-hour by half-hour.
const STEPS: i64 = 24;

#[tokio::main]
async fn main() -> Result<()> {
    let server = ExchangeServer::from_env().await?;
    let (day, end) = server.today();
    let answers =
        FreeBusy::new(server.client.clone(), server.asker.clone()).of(&server.mailboxes, day, end).await?;
    let times: Vec<Timestamp> =
        (0..STEPS).map(|n| day + SignedDuration::from_mins(7 * 60 + n * 30)).collect();
    let hours: String = (7..19).map(|hour| format!("{hour:<4}")).collect();
    println!("{:<24} {hours}", "");
    let mut free = vec![true; times.len()];
    for answer in answers {
        match answer.result {
            Ok(availability) => {
                let line: Vec<char> = times.iter().map(|time| mark(&availability.slots, *time)).collect();
                for (free, mark) in free.iter_mut().zip(&line) {
                    *free &= *mark == '.';
                }
                let line: String = line.iter().flat_map(|mark| [*mark, ' ']).collect();
                println!("{:<24} {line} {:?}", answer.mailbox.as_str(), availability.level());
            }
            Err(error) => {
                println!(
                    "{:<24} not to be had: {}",
                    answer.mailbox,
                    error.service_code().unwrap_or("no code")
                );
            }
        }
    }
    let first = times.iter().zip(&free).find(|(_, free)| **free);
    match first {
        Some((time, _)) => {
            println!("all of them are free at {}", time.to_zoned(TimeZone::UTC).strftime("%H:%M UTC"));
        }
        None => println!("there is no half-hour for all of them"),
    }
    Ok(())
}

/// What somebody does in the half-hour from here on.
fn mark(slots: &[Slot], from: Timestamp) -> char {
    let to = from + SignedDuration::from_mins(30);
    let meanwhile =
        slots.iter().filter(|slot| slot.start < to && slot.end > from).map(|slot| match slot.show_as {
            ShowAs::Free => '.',
            ShowAs::Tentative => '?',
            _ => '#',
        });
    let marks: Vec<char> = meanwhile.collect();
    ['#', '?'].into_iter().find(|mark| marks.contains(mark)).unwrap_or('.')
}
