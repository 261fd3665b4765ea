//! The built-in tenant.

use super::{
    Scenario, ScenarioAccount, ScenarioApp, ScenarioEvent, ScenarioGroup, ScenarioGroupKind, ScenarioMailbox,
    ScenarioMessage, ScenarioPremises, ScenarioUser, busy, default_seed, default_start, half_hour, normal,
};

pub(super) fn scenario() -> Scenario {
    Scenario {
        name: "Contoso".to_owned(),
        seed: default_seed(),
        start: default_start(),
        tenant_id: None,
        domains: vec!["contoso.onmicrosoft.com".to_owned(), "contoso.example".to_owned()],
        dehydrated: false,
        users: users(),
        groups: groups(),
        apps: vec![ScenarioApp {
            display_name: "Legacy archiver".to_owned(),
            unique_name: None,
            made_in_portal: true,
            graph_roles: Vec::new(),
            exchange_roles: Vec::new(),
            secret: None,
            directory_roles: Vec::new(),
            role_groups: Vec::new(),
        }],
        on_premises: on_premises(),
        ews_quirks: Vec::new(),
    }
}

/// Olga's mailbox lies on premises: she signs in there, and a service without a mailbox acts for everybody.
fn on_premises() -> ScenarioPremises {
    let account = |name: &str, password: &str, impersonates: Option<&str>| ScenarioAccount {
        name: name.to_owned(),
        password: password.to_owned(),
        impersonates: impersonates.map(str::to_owned),
        locked: false,
    };
    ScenarioPremises {
        accounts: vec![
            account("olga", "Olga-Passw0rd", None),
            account("svc-calendar", "Svc-Passw0rd", Some("everybody")),
        ],
        ..ScenarioPremises::default()
    }
}

fn users() -> Vec<ScenarioUser> {
    let mut alice = person("alice", "Alice Adams");
    alice.aliases = vec!["a.adams@contoso.example".to_owned()];
    alice.messages = vec![
        message(
            "bob@contoso.example",
            "Bob Brown",
            "Lunch on Monday?",
            "The usual place at noon?",
            1500,
            true,
        ),
        message(
            "news@fabrikam.example",
            "Fabrikam News",
            "What is new this week",
            "Three things to know.",
            700,
            false,
        ),
        message(
            "carol@contoso.example",
            "Carol Clark",
            "Müller – Angebot",
            "Grüße aus Köln,\nCarol",
            45,
            false,
        ),
    ];
    alice.events = vec![
        event("Stand-up", "08:30", 15),
        ScenarioEvent {
            sensitivity: "private".to_owned(),
            location: "Dr. Reed".to_owned(),
            ..event("Doctor", "10:00", 60)
        },
        ScenarioEvent {
            show_as: "tentative".to_owned(),
            attendees: vec!["bob@contoso.example".to_owned()],
            ..event("Roadmap draft", "13:00", 90)
        },
        ScenarioEvent {
            all_day: true,
            at: None,
            show_as: "free".to_owned(),
            minutes: 1440,
            ..event("Trade fair", "00:00", 1440)
        },
        ScenarioEvent { day: 1, ..event("Review", "09:00", 60) },
    ];
    let mut bob = person("bob", "Bob Brown");
    bob.messages =
        vec![message("alice@contoso.example", "Alice Adams", "Re: Lunch on Monday?", "Yes.", 1400, true)];
    bob.events = vec![
        event("Customer call", "09:00", 45),
        ScenarioEvent { cancelled: true, ..event("Training", "15:00", 60) },
    ];
    let mut carol = person("carol", "Carol Clark");
    carol.events = vec![ScenarioEvent {
        show_as: "oof".to_owned(),
        all_day: true,
        at: None,
        ..event("Holiday", "00:00", 1440)
    }];
    let mut dave = person("dave", "Dave Dunn");
    dave.imap = false;
    let mut ceo = person("ceo", "Grace Hall");
    ceo.messages = vec![message(
        "board@fabrikam.example",
        "The Board",
        "Confidential",
        "For your eyes only.",
        30,
        false,
    )];
    ceo.events =
        vec![ScenarioEvent { sensitivity: "private".to_owned(), ..event("Acquisition", "11:00", 60) }];
    let mut invoices = person("invoices", "Invoices");
    invoices.mailbox = ScenarioMailbox::Shared;
    invoices.messages = (1..=12_u32)
        .map(|n| {
            message(
                "billing@fabrikam.example",
                "Fabrikam Billing",
                &format!("Invoice {}", 4100 + n),
                &format!("Please find invoice {} for your records.", 4100 + n),
                60 * (13 - n),
                n < 9,
            )
        })
        .collect();
    let mut remote = person("olga", "Olga Orlow");
    remote.mailbox = ScenarioMailbox::Remote;
    let mut service = person("svc-calendar", "Calendar service");
    service.mailbox = ScenarioMailbox::None;
    let mut unlicensed = person("temp", "Temp Worker");
    unlicensed.mailbox = ScenarioMailbox::None;
    vec![
        alice,
        bob,
        carol,
        dave,
        ceo,
        person("chris", "Chris Miller"),
        person("chris.miller2", "Chris Miller"),
        person("o'brien", "Erin O'Brien"),
        invoices,
        remote,
        unlicensed,
        service,
    ]
}

fn groups() -> Vec<ScenarioGroup> {
    let group = |name: &str, display_name: &str, kind, members: &[&str]| ScenarioGroup {
        name: name.to_owned(),
        display_name: display_name.to_owned(),
        kind,
        members: members.iter().map(|m| (*m).to_owned()).collect(),
    };
    vec![
        group("presence-users", "Presence users", ScenarioGroupKind::MailEnabledSecurity, &["alice", "bob"]),
        group("apollo", "Project Apollo", ScenarioGroupKind::Microsoft365, &["alice", "carol"]),
        group(
            "all-staff",
            "All staff",
            ScenarioGroupKind::Distribution,
            &["alice", "bob", "carol", "dave", "ceo"],
        ),
        group("it-admins", "IT administrators", ScenarioGroupKind::Security, &["dave"]),
    ]
}

fn person(name: &str, display_name: &str) -> ScenarioUser {
    ScenarioUser {
        name: name.to_owned(),
        display_name: display_name.to_owned(),
        domain: None,
        mailbox: ScenarioMailbox::User,
        imap: true,
        aliases: Vec::new(),
        messages: Vec::new(),
        events: Vec::new(),
    }
}

fn message(
    from: &str,
    name: &str,
    subject: &str,
    body: &str,
    minutes_ago: u32,
    read: bool,
) -> ScenarioMessage {
    ScenarioMessage {
        from: from.to_owned(),
        from_name: Some(name.to_owned()),
        subject: subject.to_owned(),
        body: body.to_owned(),
        minutes_ago,
        read,
    }
}

fn event(subject: &str, at: &str, minutes: u32) -> ScenarioEvent {
    ScenarioEvent {
        subject: subject.to_owned(),
        day: 0,
        at: Some(at.to_owned()),
        minutes: if minutes == 0 { half_hour() } else { minutes },
        all_day: false,
        sensitivity: normal(),
        show_as: busy(),
        location: String::new(),
        body: String::new(),
        attendees: Vec::new(),
        cancelled: false,
    }
}
