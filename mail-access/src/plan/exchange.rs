use exchange_admin::cmdlets::{
    AddDistributionGroupMember, AddMailboxPermission, GetDistributionGroup, NewApplicationAccessPolicy,
    NewDistributionGroup, NewManagementRoleAssignment, NewManagementScope, NewServicePrincipal,
    NewSharedMailbox, SetOrganizationConfig,
};
use exchange_admin::{
    AccessRight, ApplicationRole, Cmdlet, Ensured, ExchangeAdmin, Grantee, MailboxRight, ManagementScopeName,
    RecipientFilter, ResourceScope, RoleAssignmentName,
};
use m365_core::{ClientId, Error, ErrorKind, MailboxAddress, Result, ServicePrincipalObjectId};

use super::step::{AppIds, Description, Window};
use crate::names;

/// A change in Exchange. Ids of the app are filled in when it is made: they may not exist before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ExchangeChange {
    NewSharedMailbox {
        address: MailboxAddress,
        display_name: String,
    },
    NewSecurityGroup {
        address: MailboxAddress,
        display_name: String,
    },
    AddGroupMember {
        group: MailboxAddress,
        member: MailboxAddress,
    },
    NewServicePrincipal {
        display_name: String,
    },
    AddMailboxPermission {
        mailbox: MailboxAddress,
    },
    NewAccessPolicy {
        group: MailboxAddress,
        description: String,
    },
    NewManagementScope {
        name: ManagementScopeName,
        group: MailboxAddress,
        distinguished_name: Option<String>,
    },
    NewRoleAssignment {
        name: RoleAssignmentName,
        role: ApplicationRole,
        scope: ManagementScopeName,
    },
    AllowEws,
}

/// Stand for ids that do not exist while a plan is read; the script has variables in their place.
const LATER_OBJECT: ServicePrincipalObjectId = ServicePrincipalObjectId::from_bytes([0xAA; 16]);
const LATER_GROUP: &str = "CN=the-group-made-above";

impl ExchangeChange {
    pub(crate) const LATER_CLIENT: ClientId = ClientId::from_bytes([0xBB; 16]);

    /// The change as a statement of a script: it looks before it writes.
    pub(crate) fn to_script_step(&self, ids: &AppIds) -> Result<exchange_admin::Step> {
        use exchange_admin::Step;
        let object = ids.service_principal.unwrap_or(LATER_OBJECT);
        let client = ids.client.unwrap_or(Self::LATER_CLIENT);
        let step = match self {
            Self::NewSharedMailbox { address, display_name } => {
                Step::shared_mailbox(&new_shared_mailbox(address, display_name)?)
            }
            Self::NewSecurityGroup { address, display_name } => {
                Step::security_group(&new_security_group(address, display_name)?)
            }
            Self::AddGroupMember { group, member } => {
                Step::group_member(&AddDistributionGroupMember::new(group.clone(), member.clone()))
            }
            Self::NewServicePrincipal { display_name } => {
                Step::service_principal(&NewServicePrincipal::new(client, object, display_name))
            }
            Self::AddMailboxPermission { mailbox } => Step::mailbox_permission(&full_access(mailbox, object)),
            Self::NewAccessPolicy { group, description } => {
                Step::application_access_policy(&restrict(client, group, description))
            }
            Self::NewManagementScope { name, distinguished_name, .. } => Step::management_scope(&members_of(
                name,
                distinguished_name.as_deref().unwrap_or(LATER_GROUP),
            )?),
            Self::NewRoleAssignment { name, role, scope } => {
                Step::management_role_assignment(&assign(name, *role, object, scope))
            }
            Self::AllowEws => Step::ews_allowed_app(client),
        }?;
        Ok(step.with_title(&self.describe(ids)?.sentence))
    }

    pub(crate) fn describe(&self, ids: &AppIds) -> Result<Description> {
        let mut description = self.describe_with(ids)?;
        description.powershell = self.with_group(&description.powershell);
        Ok(description)
    }

    fn describe_with(&self, ids: &AppIds) -> Result<Description> {
        let object = ids.service_principal.unwrap_or(LATER_OBJECT);
        let client = ids.client.unwrap_or(Self::LATER_CLIENT);
        Ok(match self {
            Self::NewSharedMailbox { address, display_name } => describe(
                &new_shared_mailbox(address, display_name)?,
                format!("Make the shared mailbox {address} (\"{display_name}\")."),
                "Remove the mailbox, when nothing of value lies in it.",
                &format!("Remove-Mailbox -Identity {}", quoted(address.as_str())),
            )?,
            Self::NewSecurityGroup { address, display_name } => describe(
                &new_security_group(address, display_name)?,
                format!("Make the mail-enabled security group {address} (\"{display_name}\")."),
                "Remove the group.",
                &format!("Remove-DistributionGroup -Identity {}", quoted(address.as_str())),
            )?,
            Self::AddGroupMember { group, member } => describe(
                &AddDistributionGroupMember::new(group.clone(), member.clone()),
                format!("Put {member} into the group {group}."),
                "Take the mailbox out of the group.",
                &format!(
                    "Remove-DistributionGroupMember -Identity {} -Member {}",
                    quoted(group.as_str()),
                    quoted(member.as_str())
                ),
            )?,
            Self::NewServicePrincipal { display_name } => describe(
                &NewServicePrincipal::new(client, object, display_name),
                "Tell Exchange of the app: a service principal with the object id of the enterprise application (not \
                 of the registration)."
                    .to_owned(),
                "Remove Exchange's service principal; its roles go with it.",
                &format!("Remove-ServicePrincipal -Identity {}", quoted(&object.to_string())),
            )?,
            Self::AddMailboxPermission { mailbox } => describe(
                &full_access(mailbox, object),
                format!("Give the app FullAccess on the mailbox {mailbox}."),
                "Take FullAccess back.",
                &format!(
                    "Remove-MailboxPermission -Identity {} -User {} -AccessRights FullAccess -InheritanceType All",
                    quoted(mailbox.as_str()),
                    quoted(&object.to_string())
                ),
            )?,
            Self::NewAccessPolicy { group, description } => describe(
                &restrict(client, group, description),
                format!("Restrict the app to the members of {group} by an application access policy."),
                "Take the app's consent back, and only then remove the policy: without it the consent opens every mailbox.",
                &format!(
                    "if (Get-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $ObjectId) {{ throw 'Take the consent back first.' }}; Get-ApplicationAccessPolicy | Where-Object {{ $_.AppId -eq $ClientId -and $_.ScopeName -eq (Get-DistributionGroup -Identity {}).Name }} | Remove-ApplicationAccessPolicy -Confirm:$false",
                    quoted(group.as_str())
                ),
            )?,
            Self::NewManagementScope { name, group, distinguished_name } => describe(
                &members_of(name, distinguished_name.as_deref().unwrap_or(LATER_GROUP))?,
                format!("Make the management scope \"{name}\": the direct members of {group}."),
                "Remove the scope, after the roles that use it.",
                &format!("Remove-ManagementScope -Identity {}", quoted(name.as_str())),
            )?,
            Self::NewRoleAssignment { name, role, scope } => describe(
                &assign(name, *role, object, scope),
                format!("Give the app the role \"{role}\" for the mailboxes of \"{scope}\", and for no other."),
                "Take the role back.",
                &format!("Remove-ManagementRoleAssignment -Identity {}", quoted(name.as_str())),
            )?,
            Self::AllowEws => Description {
                powershell: Self::with_variables(&exchange_admin::ews_allow_line(client)?),
                ..describe(
                    &SetOrganizationConfig::new().with_ews_allowed_apps([client].into_iter().collect()),
                    "Put the app on the organisation's list of apps allowed for EWS, beside those that are on it."
                        .to_owned(),
                    "Take the app off the list again; the others stay on it.",
                    &exchange_admin::ews_disallow_line(client)?,
                )?
            },
        })
    }

    /// Makes the change, or finds it made.
    pub(crate) async fn apply(&self, exchange: &ExchangeAdmin, ids: &AppIds) -> Result<bool> {
        let object = || ids.service_principal.ok_or_else(|| missing("enterprise application"));
        let client = || ids.client.ok_or_else(|| missing("client id"));
        match self {
            Self::NewSharedMailbox { address, display_name } => {
                created(exchange.ensure_shared_mailbox(&new_shared_mailbox(address, display_name)?).await)
            }
            Self::NewSecurityGroup { address, display_name } => {
                created(exchange.ensure_security_group(&new_security_group(address, display_name)?).await)
            }
            Self::AddGroupMember { group, member } => created(
                exchange
                    .ensure_group_member(&AddDistributionGroupMember::new(group.clone(), member.clone()))
                    .await,
            ),
            Self::NewServicePrincipal { display_name } => {
                let cmdlet = NewServicePrincipal::new(client()?, object()?, display_name);
                created(exchange.ensure_service_principal(&cmdlet).await)
            }
            Self::AddMailboxPermission { mailbox } => {
                created(exchange.ensure_mailbox_permission(&full_access(mailbox, object()?)).await)
            }
            Self::NewAccessPolicy { group, description } => created(
                exchange.ensure_application_access_policy(&restrict(client()?, group, description)).await,
            ),
            Self::NewManagementScope { name, group, .. } => {
                let found = exchange.run(&GetDistributionGroup::new(group.clone())).await?.value;
                let group = found.ok_or_else(|| missing("scope's group"))?;
                created(exchange.ensure_management_scope(&members_of(name, &group.distinguished_name)?).await)
            }
            Self::NewRoleAssignment { name, role, scope } => created(
                exchange.ensure_management_role_assignment(&assign(name, *role, object()?, scope)).await,
            ),
            Self::AllowEws => created(exchange.ensure_ews_allowed_app(client()?).await),
        }
    }

    /// Asks for the distinguished name of a group that does not exist before the script runs.
    pub(crate) fn with_group(&self, text: &str) -> String {
        let Self::NewManagementScope { group, distinguished_name: None, .. } = self else {
            return text.to_owned();
        };
        let Ok(name) = exchange_admin::group_name_in_filter(group) else { return text.to_owned() };
        let asked = format!(r#"("MemberOfGroup -eq '" + {name} + "'")"#);
        text.replace(&format!("'MemberOfGroup -eq ''{LATER_GROUP}'''"), &asked).replace(
            &format!("'MemberOfGroup-eq''{LATER_GROUP}'''"),
            &format!(r"({asked} -replace '[\s()]', '')"),
        )
    }

    /// Variables of the script in place of ids that do not exist yet.
    pub(crate) fn with_variables(line: &str) -> String {
        line.replace(&quoted(&LATER_OBJECT.to_string()), "$ObjectId")
            .replace(&quoted(&Self::LATER_CLIENT.to_string()), "$ClientId")
    }
}

fn new_shared_mailbox(address: &MailboxAddress, display_name: &str) -> Result<NewSharedMailbox> {
    Ok(NewSharedMailbox::new(names::object(address)?, address.clone()).with_display_name(display_name))
}

fn new_security_group(address: &MailboxAddress, display_name: &str) -> Result<NewDistributionGroup> {
    Ok(NewDistributionGroup::security(names::object(address)?, address.clone())
        .with_display_name(display_name))
}

fn full_access(mailbox: &MailboxAddress, app: ServicePrincipalObjectId) -> AddMailboxPermission {
    AddMailboxPermission::new(mailbox.clone(), Grantee::App(app), MailboxRight::FullAccess)
}

fn restrict(client: ClientId, group: &MailboxAddress, description: &str) -> NewApplicationAccessPolicy {
    NewApplicationAccessPolicy::new(client, group.clone(), AccessRight::Restrict)
        .with_description(description)
}

fn members_of(name: &ManagementScopeName, distinguished_name: &str) -> Result<NewManagementScope> {
    Ok(NewManagementScope::new(name.clone(), RecipientFilter::members_of([distinguished_name])?))
}

fn assign(
    name: &RoleAssignmentName,
    role: ApplicationRole,
    app: ServicePrincipalObjectId,
    scope: &ManagementScopeName,
) -> NewManagementRoleAssignment {
    NewManagementRoleAssignment::new(name.clone(), app, role, ResourceScope::Custom(scope.clone()))
}

fn describe<C: Cmdlet>(cmdlet: &C, sentence: String, inverse: &str, undo: &str) -> Result<Description> {
    let window = C::window();
    Ok(Description {
        sentence,
        role: C::minimum_role_group().name().to_owned(),
        call: format!("POST /adminapi InvokeCommand {}", C::NAME),
        powershell: ExchangeChange::with_variables(&cmdlet.command()?.to_powershell()?),
        window: Window { earliest: window.earliest, likely: window.likely, latest: window.latest },
        inverse: inverse.to_owned(),
        inverse_powershell: ExchangeChange::with_variables(undo),
    })
}

fn quoted(text: &str) -> String {
    exchange_admin::single_quoted(text).unwrap_or_else(|_| "'?'".to_owned())
}

fn created<T>(ensured: Result<Ensured<T>>) -> Result<bool> {
    ensured.map(|e| matches!(e, Ensured::Created(_)))
}

fn missing(what: &str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("the {what} of this step does not exist yet: apply the steps before it"),
    )
    .with_transient(false)
}
