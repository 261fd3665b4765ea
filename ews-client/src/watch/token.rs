use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use m365_core::{Error, ErrorKind, MailboxAddress, Result};

use crate::{DistinguishedFolder, FolderId, FolderRef, SyncState};

/// The format that this build writes and reads.
const FORMAT: &str = "ews-watch/1";
/// Longest state of one mailbox; Exchange's grow to tens of kilobytes.
const LONGEST_STATE: usize = 1 << 20;
const LONGEST_FOLDER: usize = 4096;
/// Most mailboxes in one token.
const MANY: usize = 200_000;

/// Where the watch of one folder stands: one line of text, to be kept under the mailbox's name in a table of your own.
///
/// It names its format, mailbox and folder, so that it is not taken for another's.
///
/// ```
/// use ews_client::watch::MailboxToken;
/// let line = "ews-watch/1 anna@contoso.example d:calendar H4sIAAAB";
/// let token: MailboxToken = line.parse()?;
/// assert_eq!(token.to_string(), line);
/// assert!("ews-watch/9 anna@contoso.example d:calendar H4sIAAAB".parse::<MailboxToken>().is_err());
/// # Ok::<(), ews_client::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct MailboxToken {
    pub(crate) mailbox: MailboxAddress,
    pub(crate) folder: FolderRef,
    pub(crate) state: SyncState,
}

impl MailboxToken {
    /// Of which mailbox.
    pub fn mailbox(&self) -> &MailboxAddress {
        &self.mailbox
    }

    /// Of which folder.
    pub fn folder(&self) -> &FolderRef {
        &self.folder
    }

    /// What the server calls this place.
    pub fn state(&self) -> &SyncState {
        &self.state
    }
}

impl fmt::Display for MailboxToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{FORMAT} {} ", self.mailbox)?;
        f.write_str(&folder_tag(&self.folder))?;
        f.write_str(" ")?;
        escape(f, self.state.as_str())
    }
}

impl fmt::Debug for MailboxToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MailboxToken")
            .field("mailbox", &self.mailbox)
            .field("folder", &self.folder)
            .field("state_bytes", &self.state.as_str().len())
            .finish()
    }
}

impl FromStr for MailboxToken {
    type Err = Error;

    /// # Errors
    /// [`ErrorKind::InvalidInput`] for anything but one line of this format; the text is not repeated.
    fn from_str(line: &str) -> Result<Self> {
        let wrong = |why: &str| Error::invalid(format!("not the token of a watched mailbox: {why}"));
        let mut parts = line.split(' ');
        let mut part = |what: &str| parts.next().ok_or_else(|| wrong(&format!("{what} is missing")));
        if part("the format")? != FORMAT {
            return Err(wrong("another format or version"));
        }
        let mailbox = part("the mailbox")?;
        let mailbox = MailboxAddress::parse(mailbox).map_err(|_| wrong("the mailbox is no address"))?;
        let folder = part("the folder")?;
        if folder.len() > LONGEST_FOLDER {
            return Err(wrong("the folder is too long"));
        }
        let folder = match folder.split_once(':') {
            Some(("d", name)) => named(name).map(FolderRef::Distinguished),
            Some(("i", id)) => {
                unescape(id).filter(|id| !id.is_empty()).map(|id| FolderRef::Id(FolderId::from(id)))
            }
            _ => None,
        };
        let folder = folder.ok_or_else(|| wrong("the folder is not known"))?;
        let state = part("the state")?;
        if state.len() > LONGEST_STATE {
            return Err(wrong("the state is too long"));
        }
        let state = unescape(state).ok_or_else(|| wrong("the state is damaged"))?;
        if state.is_empty() || parts.next().is_some() {
            return Err(wrong("the state is damaged"));
        }
        Ok(Self { mailbox, folder, state: state.into() })
    }
}

/// All folders that a token can name.
const FOLDERS: [DistinguishedFolder; 9] = [
    DistinguishedFolder::Calendar,
    DistinguishedFolder::Inbox,
    DistinguishedFolder::MsgFolderRoot,
    DistinguishedFolder::Root,
    DistinguishedFolder::Drafts,
    DistinguishedFolder::SentItems,
    DistinguishedFolder::DeletedItems,
    DistinguishedFolder::Contacts,
    DistinguishedFolder::Tasks,
];

fn named(name: &str) -> Option<DistinguishedFolder> {
    FOLDERS.into_iter().find(|folder| folder.as_str() == name)
}

fn folder_tag(folder: &FolderRef) -> String {
    match folder {
        FolderRef::Distinguished(folder) => format!("d:{}", folder.as_str()),
        FolderRef::Id(id) => {
            let mut tag = "i:".to_owned();
            // Writing to a string does not fail.
            escape(&mut tag, id.as_str()).unwrap_or_default();
            tag
        }
    }
}

/// Blanks, controls and `%` as `%xx`: what stands between parts never stands inside one.
fn escape(to: &mut impl fmt::Write, text: &str) -> fmt::Result {
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte <= b' ' || byte == b'%' || byte == 0x7F {
            to.write_str(text.get(from..at).unwrap_or(""))?;
            write!(to, "%{byte:02x}")?;
            from = at + 1;
        }
    }
    to.write_str(text.get(from..).unwrap_or(""))
}

fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        plain.push_str(before);
        let byte = u8::from_str_radix(after.get(..2)?, 16).ok().filter(u8::is_ascii)?;
        plain.push(char::from(byte));
        rest = after.get(2..)?;
    }
    plain.push_str(rest);
    Some(plain)
}

/// Where a whole watch stands: a [`MailboxToken`] for each folder that something was acknowledged of.
///
/// As text it is one line each; what has no line begins anew. Text of another version of the format, or damaged text, is
/// refused as a whole: beginning anew by mistake would hide changes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct WatchToken(BTreeMap<(MailboxAddress, String), MailboxToken>);

impl WatchToken {
    /// A token that knows nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what was saved for one mailbox; the last one counts.
    pub fn insert(&mut self, token: MailboxToken) {
        self.0.insert((token.mailbox.clone(), folder_tag(&token.folder)), token);
    }

    /// One by one, by mailbox.
    pub fn iter(&self) -> impl Iterator<Item = &MailboxToken> {
        self.0.values()
    }

    /// How many folders it knows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get(&self, mailbox: &MailboxAddress, folder: &FolderRef) -> Option<&MailboxToken> {
        self.0.get(&(mailbox.clone(), folder_tag(folder)))
    }
}

impl fmt::Display for WatchToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for token in self.iter() {
            writeln!(f, "{token}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for WatchToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchToken").field("folders", &self.0.len()).finish()
    }
}

impl FromStr for WatchToken {
    type Err = Error;

    /// # Errors
    /// [`ErrorKind::InvalidInput`], naming the line; [`ErrorKind::Limit`] beyond 200,000 folders.
    fn from_str(text: &str) -> Result<Self> {
        let mut token = Self::default();
        for (at, line) in text.lines().enumerate() {
            if line.is_empty() {
                continue;
            }
            if token.len() >= MANY {
                return Err(Error::new(ErrorKind::Limit, format!("a token holds at most {MANY} folders")));
            }
            let one: MailboxToken = line
                .parse()
                .map_err(|e: Error| Error::invalid(format!("line {}: {}", at + 1, e.message())))?;
            token.insert(one);
        }
        Ok(token)
    }
}

impl FromIterator<MailboxToken> for WatchToken {
    fn from_iter<I: IntoIterator<Item = MailboxToken>>(tokens: I) -> Self {
        let mut all = Self::default();
        tokens.into_iter().for_each(|token| all.insert(token));
        all
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(state: &str, folder: FolderRef) -> MailboxToken {
        let mailbox = MailboxAddress::parse("Anna@contoso.example").unwrap();
        MailboxToken { mailbox, folder, state: state.into() }
    }

    #[test]
    fn another_format_folder_or_a_damaged_text_is_refused() {
        let good = "ews-watch/1 anna@contoso.example d:calendar H4sI";
        assert!(good.parse::<MailboxToken>().is_ok());
        for bad in [
            "",
            "ews-watch/2 anna@contoso.example d:calendar H4sI",
            "ews-watch/1 anna d:calendar H4sI",
            "ews-watch/1 anna@contoso.example d:kalender H4sI",
            "ews-watch/1 anna@contoso.example i: H4sI",
            "ews-watch/1 anna@contoso.example calendar H4sI",
            "ews-watch/1 anna@contoso.example d:calendar ",
            "ews-watch/1 anna@contoso.example d:calendar",
            "ews-watch/1 anna@contoso.example d:calendar H4sI%",
            "ews-watch/1 anna@contoso.example d:calendar H4sI%zz",
            "ews-watch/1 anna@contoso.example d:calendar H4sI more",
        ] {
            let error = bad.parse::<MailboxToken>().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{bad}");
            assert!(!error.to_string().contains("H4sI"), "{error}");
        }
        let second = format!("{good}\nnonsense\n");
        assert!(second.parse::<WatchToken>().unwrap_err().message().contains("line 2"));
    }

    #[test]
    fn the_last_token_of_a_mailbox_counts_whatever_the_case_of_its_address() {
        let calendar = FolderRef::from(DistinguishedFolder::Calendar);
        let mut all = WatchToken::new();
        all.insert(token("one", calendar.clone()));
        all.insert("ews-watch/1 anna@contoso.example d:calendar two".parse().unwrap());
        assert_eq!(all.len(), 1);
        let anna = MailboxAddress::parse("ANNA@contoso.example").unwrap();
        assert_eq!(all.get(&anna, &calendar).unwrap().state().as_str(), "two");
        assert!(all.get(&anna, &FolderRef::from(DistinguishedFolder::Inbox)).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]
        #[test]
        fn every_token_survives_its_text(state in "\\PC{1,40}|[ -~\\t\\r\\n%]{1,40}", id in "\\PC{1,20}") {
            for folder in [FolderRef::from(DistinguishedFolder::Calendar), FolderRef::Id(FolderId::from(id.as_str()))] {
                let one = token(&state, folder);
                prop_assert_eq!(&one.to_string().parse::<MailboxToken>().unwrap(), &one);
                let all: WatchToken = [one].into_iter().collect();
                prop_assert_eq!(all.to_string().parse::<WatchToken>().unwrap(), all);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            drop(text.parse::<WatchToken>());
            drop(format!("ews-watch/1 a@b.example {text}").parse::<MailboxToken>());
        }
    }
}
