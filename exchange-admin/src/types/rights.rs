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
