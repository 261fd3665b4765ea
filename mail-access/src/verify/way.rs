use std::fmt;

use crate::access::Question;
use crate::names;
use crate::permission::{EWS, Permission, Reach};
use crate::profile::AppProfile;

/// A way into a mailbox that a profile may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    Imap,
    ReadMail,
    SendMail,
    ReadCalendars,
    ChangeCalendars,
    Ews,
}

impl Way {
    const ALL: [Self; 6] =
        [Self::Imap, Self::ReadMail, Self::SendMail, Self::ReadCalendars, Self::ChangeCalendars, Self::Ews];

    /// The permissions of which any one suffices.
    const fn permissions(self) -> &'static [&'static str] {
        match self {
            Self::Imap => &["IMAP.AccessAsApp"],
            Self::ReadMail => &["Mail.Read", "Mail.ReadWrite"],
            Self::SendMail => &["Mail.Send"],
            Self::ReadCalendars => &["Calendars.Read", "Calendars.ReadWrite"],
            Self::ChangeCalendars => &["Calendars.ReadWrite"],
            Self::Ews => &[EWS],
        }
    }

    /// What our own reading of the configuration answers. Of EWS it does not know the switches of mailboxes, and would say
    /// "unknown": the organisation's switch and list, and Exchange's own test, are checks of their own.
    pub(crate) fn question(self) -> Option<Question<'static>> {
        match self {
            Self::Imap => Some(Question::Imap),
            Self::Ews => None,
            other => Some(Question::Graph(other.permissions())),
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Imap => "IMAP",
            Self::ReadMail => "reading mail",
            Self::SendMail => "sending mail",
            Self::ReadCalendars => "reading calendars",
            Self::ChangeCalendars => "changing calendars",
            Self::Ews => "impersonating over EWS",
        })
    }
}

/// The ways that an app's permissions open.
pub(crate) fn ways(app: &AppProfile) -> impl Iterator<Item = Way> {
    Way::ALL.into_iter().filter(|way| match way {
        Way::Ews => names::uses_ews(app),
        _ => way.permissions().iter().any(|p| app.permissions.iter().any(|asked| asked.trim() == *p)),
    })
}

/// Permissions for mailboxes that open no way known here: what they reach cannot be proven.
pub(crate) fn without_way(app: &AppProfile) -> Vec<String> {
    app.permissions
        .iter()
        .map(|p| Permission::parse(p))
        .filter(|p| p.reach() != Reach::Directory)
        .map(|p| p.name().to_owned())
        .filter(|name| !Way::ALL.iter().any(|way| way.permissions().contains(&name.as_str())))
        .collect()
}
