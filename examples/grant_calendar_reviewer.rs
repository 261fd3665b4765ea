//! A presence account gets to read calendars, mailbox by mailbox: Reviewer on the default calendar, whatever it is called
//! there; the second run changes nothing; undo takes back what was ours and nothing else.
#![allow(clippy::print_stdout, reason = "a program talks to its user")]

use clap::Parser;
use exchange_admin::cmdlets::{
    AddMailboxFolderPermission, FolderPermission, GetMailboxFolderPermission, ListMailboxes,
    RemoveMailboxFolderPermission, SetMailboxFolderPermission,
};
use exchange_admin::{
    Ensured, ErrorKind, ExchangeAdmin, FolderAccess, FolderGrantee, FolderIdentity, FolderRole,
    MailboxAddress, Removal,
};
use futures_util::TryStreamExt as _;
use m365_core::{Error, Result};
use tenant_sim::{Scenario, Tenant};

/// Lets an account read calendars, on a simulated tenant.
#[derive(Parser)]
#[command(name = "grant_calendar_reviewer")]
struct Options {
    /// The account that gets to read
    #[arg(long, value_name = "ADDRESS", default_value = "dave@contoso.example")]
    account: MailboxAddress,
    /// A mailbox; say it again for more. Without any: every mailbox of the tenant
    #[arg(long, value_name = "ADDRESS")]
    mailbox: Vec<MailboxAddress>,
}

/// What was found, and what was done about it; all that an undo needs.
struct Entry {
    mailbox: MailboxAddress,
    calendar: String,
    folder: FolderIdentity,
    before: Option<FolderAccess>,
    done: Done,
}

enum Done {
    Granted,
    Raised,
    AlreadyThere(FolderAccess),
    Refused(String),
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let tenant = Tenant::start(Scenario::contoso())
        .await
        .map_err(|e| Error::invalid("the simulated tenant does not start").with_source(e))?;
    furnish(&tenant);
    let exchange = examples::exchange_of(&tenant)?;
    let grantee = FolderGrantee::from(options.account.clone());

    // Somebody has been here before: Bob lets the account see when he is busy, Carol has made it an editor.
    prepare(&exchange, "bob@contoso.example", &grantee, FolderRole::AvailabilityOnly).await?;
    prepare(&exchange, "carol@contoso.example", &grantee, FolderRole::Editor).await?;
    // And Alice, of the same display name as Dave, contributes to the CEO's calendar. Exchange shows that entry as "Dave
    // Dunn", which it would show for the account, too.
    let namesake = FolderGrantee::from("alice@contoso.example".parse::<MailboxAddress>()?);
    prepare(&exchange, "ceo@contoso.example", &namesake, FolderRole::Contributor).await?;

    let mailboxes = match options.mailbox.is_empty() {
        true => every_mailbox(&exchange).await?,
        false => options.mailbox.clone(),
    };
    let mailboxes: Vec<MailboxAddress> = mailboxes.into_iter().filter(|m| *m != options.account).collect();

    println!("{} is to read the calendars of {} mailboxes.\n", options.account, mailboxes.len());
    let first = run(&exchange, &mailboxes, &grantee).await?;
    table(&first);

    println!("\nOnce more:");
    let second = run(&exchange, &mailboxes, &grantee).await?;
    let changed = second.iter().filter(|e| matches!(e.done, Done::Granted | Done::Raised)).count();
    println!("  {changed} of {} changed.", second.len());

    println!("\nUndo, by the first run's record:");
    let (mut removed, mut lowered, mut kept) = (0, 0, 0);
    for entry in first.iter().rev() {
        match undo(&exchange, entry, &grantee).await? {
            Undone::Removed => removed += 1,
            Undone::Lowered => lowered += 1,
            Undone::NotOurs => kept += 1,
            Undone::ChangedSince => println!("  {}: changed by somebody since, left as it is", entry.mailbox),
        }
    }
    println!(
        "  {removed} entries removed, {lowered} back to what they were, {kept} never ours and left alone."
    );
    for name in ["bob@contoso.example", "carol@contoso.example"] {
        let folder = calendar(&exchange, &name.parse()?).await?.1;
        if let Some(entry) = entry_of(&exchange, &folder, &grantee).await? {
            println!("  {name}: {} as before", entry.access);
        }
    }
    let folder = calendar(&exchange, &"ceo@contoso.example".parse()?).await?.1;
    if let Some(entry) = entry_of(&exchange, &folder, &namesake).await? {
        println!(
            "  ceo@contoso.example: {} for Alice, whose entry also reads \"Dave Dunn\", as before",
            entry.access
        );
    }
    match changed {
        0 => Ok(()),
        _ => Err(Error::invalid("the second run changed something")),
    }
}

/// Calendars in three languages, and two people with one name.
fn furnish(tenant: &Tenant) {
    tenant.with_state(|state| {
        let ids: Vec<_> =
            state.exchange.mailboxes.iter().map(|m| (m.value.alias.clone(), m.value.object_id)).collect();
        for (alias, id) in ids {
            let language = match alias.as_str() {
                "bob" | "invoices" => "de",
                "carol" | "ceo" => "pl",
                _ => continue,
            };
            state.exchange.folder_languages.insert(id, language.to_owned());
        }
        // Whoever goes by display names gives the wrong one of the two an entry.
        for record in &mut state.exchange.mailboxes {
            if record.value.alias == "alice" {
                record.value.display_name = "Dave Dunn".to_owned();
            }
        }
    });
}

async fn prepare(
    exchange: &ExchangeAdmin,
    mailbox: &str,
    grantee: &FolderGrantee,
    role: FolderRole,
) -> Result<()> {
    let (_, folder) = calendar(exchange, &mailbox.parse()?).await?;
    exchange
        .ensure_folder_permission(&AddMailboxFolderPermission::new(folder, grantee.clone(), role))
        .await?;
    Ok(())
}

async fn every_mailbox(exchange: &ExchangeAdmin) -> Result<Vec<MailboxAddress>> {
    let mut rows = std::pin::pin!(exchange.stream(ListMailboxes::new()).await?);
    let mut found = Vec::new();
    while let Some(mailbox) = rows.try_next().await? {
        found.push(mailbox.primary_smtp_address);
    }
    found.sort();
    Ok(found)
}

/// The calendar's own name, and the folder by its id, so that the name does not matter.
async fn calendar(exchange: &ExchangeAdmin, mailbox: &MailboxAddress) -> Result<(String, FolderIdentity)> {
    let folder = exchange.calendar_folder(mailbox.clone()).await?;
    Ok((folder.name.clone(), folder.identity(mailbox.clone())))
}

/// The account's own entry. Exchange answers with display names, so it is asked by address and never searched by name.
async fn entry_of(
    exchange: &ExchangeAdmin,
    folder: &FolderIdentity,
    grantee: &FolderGrantee,
) -> Result<Option<FolderPermission>> {
    let get = GetMailboxFolderPermission::new(folder.clone()).with_user(grantee.clone());
    let mut entries = exchange.run(&get).await?.value;
    match entries.len() {
        0 | 1 => Ok(entries.pop()),
        _ => Err(Error::new(ErrorKind::Conflict, "several entries fit the account")),
    }
}

async fn run(
    exchange: &ExchangeAdmin,
    mailboxes: &[MailboxAddress],
    grantee: &FolderGrantee,
) -> Result<Vec<Entry>> {
    let mut entries = Vec::with_capacity(mailboxes.len());
    for mailbox in mailboxes {
        let (calendar, folder) = calendar(exchange, mailbox).await?;
        let before = entry_of(exchange, &folder, grantee).await?.map(|e| e.access);
        let wanted = AddMailboxFolderPermission::new(folder.clone(), grantee.clone(), FolderRole::Reviewer);
        let done = match exchange.ensure_folder_permission(&wanted).await {
            Ok(Ensured::AlreadyThere(entry)) => Done::AlreadyThere(entry.access),
            Ok(_) if before.is_some() => Done::Raised,
            Ok(_) => Done::Granted,
            // Namesakes that cannot be told apart, an entry that would lose something: named, and the next one's turn.
            Err(error) if error.kind() == ErrorKind::Conflict => Done::Refused(error.message().to_owned()),
            Err(error) => return Err(error),
        };
        entries.push(Entry { mailbox: mailbox.clone(), calendar, folder, before, done });
    }
    Ok(entries)
}

enum Undone {
    Removed,
    Lowered,
    NotOurs,
    ChangedSince,
}

async fn undo(exchange: &ExchangeAdmin, entry: &Entry, grantee: &FolderGrantee) -> Result<Undone> {
    if !matches!(entry.done, Done::Granted | Done::Raised) {
        return Ok(Undone::NotOurs);
    }
    let reviewer = FolderAccess::from(FolderRole::Reviewer);
    let now = entry_of(exchange, &entry.folder, grantee).await?;
    if now.is_some_and(|e| !e.access.covers(&reviewer) || !reviewer.covers(&e.access)) {
        return Ok(Undone::ChangedSince);
    }
    match &entry.before {
        Some(before) => {
            let set = SetMailboxFolderPermission::new(entry.folder.clone(), grantee.clone(), before.clone());
            exchange.run(&set).await?;
            Ok(Undone::Lowered)
        }
        None => {
            let remove = RemoveMailboxFolderPermission::new(entry.folder.clone(), grantee.clone());
            match exchange.run(&remove).await?.value {
                Removal::Removed => Ok(Undone::Removed),
                _ => Ok(Undone::NotOurs),
            }
        }
    }
}

fn table(entries: &[Entry]) {
    println!("  {:<30} {:<11} {:<17} result", "mailbox", "calendar", "before");
    for entry in entries {
        let before = entry.before.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        let result = match &entry.done {
            Done::Granted => "Reviewer granted".to_owned(),
            Done::Raised => "raised to Reviewer".to_owned(),
            Done::AlreadyThere(access) => format!("{access} holds it already; left as it is"),
            Done::Refused(why) => format!("refused: {why}"),
        };
        println!("  {:<30} {:<11} {before:<17} {result}", entry.mailbox.as_str(), entry.calendar);
    }
}
