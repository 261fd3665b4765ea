use std::collections::{BTreeMap, BTreeSet};

use m365_core::{ClientId, Error, ErrorKind, MailboxAddress, Result, ServicePrincipalObjectId};

use super::{
    Consent, Group, GroupTree, Member, MigrationInput, MigrationOptions, OwnGroup, PolicyTarget, ReadPolicy,
};
use crate::ExchangeAdmin;
use crate::cmdlets::{
    ApplicationAccessPolicy, GetDistributionGroupMember, GetManagementScope, GetOrganizationConfig,
    GetRecipient, GetServicePrincipal, ListApplicationAccessPolicies, PolicyApp,
};
use crate::types::{RecipientIdentity, RecipientKind};

/// Most groups followed below one policy; those beyond count as unread.
const MOST_NESTED: usize = 200;

impl ExchangeAdmin {
    /// Reads what a migration of this app needs to know. Writes nothing. The consents are the directory's to tell, so the
    /// caller brings them: `None` when they could not be read.
    ///
    /// `named` are mailboxes and groups to narrow to in case no policy says which.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] when the canary or something named does not exist; otherwise what a read gives. What cannot be
    /// read is never taken for absent: the members of a group that no cmdlet lists are marked as unread.
    pub async fn read_migration(
        &self,
        (app, object, display_name): (ClientId, ServicePrincipalObjectId, &str),
        consents: Option<BTreeSet<Consent>>,
        canary: &MailboxAddress,
        named: &[RecipientIdentity],
        options: &MigrationOptions,
    ) -> Result<MigrationInput> {
        let mut policies = Vec::new();
        for policy in self.run(&ListApplicationAccessPolicies::new()).await?.value {
            let concerns_us = match policy.app {
                PolicyApp::Every => true,
                PolicyApp::App(of) => of == app,
            };
            let target = if concerns_us { self.target_of(&policy).await? } else { None };
            policies.push(ReadPolicy { policy, target });
        }
        let mut named_targets = Vec::new();
        for identity in named {
            named_targets.push(self.target(self.named(identity).await?).await?);
        }
        let pointer = self.run(&GetServicePrincipal::of_app(app)).await?.value;
        let assignments = match &pointer {
            Some(pointer) => self.assignments_of(pointer).await?,
            None => Vec::new(),
        };
        let own_group = match &options.own_group {
            None => OwnGroup::Absent,
            Some(address) => match self.run(&GetRecipient::new(address.clone())).await?.value {
                None => OwnGroup::Absent,
                Some(found) => {
                    let found = Member::from(&found);
                    match self.members_of(&found).await? {
                        members @ Some(_) => OwnGroup::There(Group::new(found, members)),
                        None => OwnGroup::Other(found.kind.to_string()),
                    }
                }
            },
        };
        Ok(MigrationInput {
            app,
            object,
            display_name: display_name.to_owned(),
            policies,
            consents,
            pointer,
            scope: self.run(&GetManagementScope::new(options.scope_name()?)).await?.value,
            assignments,
            own_group,
            canary: self.named(&canary.clone().into()).await?,
            dehydrated: self.run(&GetOrganizationConfig::new()).await?.value.is_dehydrated,
            named_targets,
        })
    }

    async fn named(&self, identity: &RecipientIdentity) -> Result<Member> {
        let found = self.run(&GetRecipient::new(identity.clone())).await?.value;
        found
            .as_ref()
            .map(Member::from)
            .ok_or_else(|| Error::new(ErrorKind::NotFound, format!("Exchange does not know {identity}")))
    }

    /// The object that a policy is scoped to; `None` when Exchange does not find it.
    async fn target_of(&self, policy: &ApplicationAccessPolicy) -> Result<Option<PolicyTarget>> {
        let Some(guid) = policy.identity.scope_guid() else { return Ok(None) };
        let found = self.run(&GetRecipient::new(RecipientIdentity::ExchangeGuid(guid))).await?.value;
        match found.as_ref().map(Member::from) {
            Some(recipient) => self.target(recipient).await.map(Some),
            None => Ok(None),
        }
    }

    async fn target(&self, recipient: Member) -> Result<PolicyTarget> {
        if recipient.is_leaf() {
            return Ok(PolicyTarget::Mailbox(recipient));
        }
        let mut known: BTreeMap<String, Group> = BTreeMap::new();
        let mut open = vec![recipient.clone()];
        while let Some(group) = open.pop() {
            if known.contains_key(&group.id) {
                continue;
            }
            let members = if known.len() < MOST_NESTED { self.members_of(&group).await? } else { None };
            open.extend(members.iter().flatten().filter(|m| !m.is_leaf()).cloned());
            known.insert(group.id.clone(), Group::new(group, members));
        }
        let root = known.remove(&recipient.id).unwrap_or_else(|| Group::new(recipient, None));
        Ok(PolicyTarget::Group(GroupTree::new(root, known.into_values())))
    }

    /// Direct members; `None` for kinds of groups that `Get-DistributionGroupMember` does not list, and for what is no group.
    async fn members_of(&self, group: &Member) -> Result<Option<Vec<Member>>> {
        let listed = matches!(
            group.kind,
            RecipientKind::MailUniversalSecurityGroup | RecipientKind::MailUniversalDistributionGroup
        );
        if !listed {
            return Ok(None);
        }
        let members = self.run(&GetDistributionGroupMember::new(group.identity()?)).await?.value;
        Ok(Some(members.iter().map(Member::from).collect()))
    }
}
