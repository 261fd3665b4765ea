use crate::command::Value;

macro_rules! word {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident = $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$member_doc])* $member),+
        }

        impl $name {
            /// As Exchange writes it, in full: PowerShell would also take the beginning of a word, and choose.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$member => $text),+ }
            }

            /// Reads Exchange's word, without case; `None` for a word without a name here.
            pub fn read(text: &str) -> Option<Self> {
                [$(Self::$member),+].into_iter().find(|w| w.as_str().eq_ignore_ascii_case(text.trim()))
            }
        }

        impl From<$name> for Value {
            fn from(word: $name) -> Self {
                Self::Text(word.as_str().to_owned())
            }
        }
    };
}

word!(
    /// What an application access policy does with the mailboxes of its scope.
    AccessRight {
        /// The app opens these mailboxes only.
        Restrict = "RestrictAccess",
        /// The app opens all but these mailboxes.
        Deny = "DenyAccess",
    }
);
word!(
    /// A right on a whole mailbox.
    MailboxRight {
        /// Open the mailbox and do everything in it; items marked private included.
        FullAccess = "FullAccess",
        /// Read the permissions.
        ReadPermission = "ReadPermission",
        /// Change the permissions.
        ChangePermission = "ChangePermission",
        /// Change the owner.
        ChangeOwner = "ChangeOwner",
        /// Delete the mailbox.
        DeleteItem = "DeleteItem",
        /// Be another account's mailbox.
        ExternalAccount = "ExternalAccount",
    }
);
word!(
    /// Where below the mailbox a right holds.
    Inheritance {
        /// The mailbox and all folders.
        All = "All",
        /// Nowhere below.
        None = "None",
        /// Direct children.
        Children = "Children",
        /// All below; Exchange spells it so.
        Descendents = "Descendents",
        /// The mailbox and its direct children.
        SelfAndChildren = "SelfAndChildren",
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trap_6_enums_are_written_in_full_and_never_read_by_prefix() {
        assert_eq!(AccessRight::Restrict.as_str(), "RestrictAccess");
        assert_eq!(AccessRight::read("Restrict"), None);
        assert_eq!(MailboxRight::read("Full"), None);
        assert_eq!(MailboxRight::read(" fullaccess "), Some(MailboxRight::FullAccess));
        assert_eq!(Inheritance::read("Descendants"), None);
        assert_eq!(Inheritance::Descendents.as_str(), "Descendents");
    }
}
