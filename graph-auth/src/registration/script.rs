//! Microsoft Graph PowerShell lines of the steps.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use m365_core::{Error, Result};

use super::{AppRegistration, FederatedCredential, Owned, RegistrationStep};
use crate::Api;
use crate::permissions::USER_READ;

/// What the steps' PowerShell lines build on: the variables `$app`, `$sp`, `$graph` and `$exchange`, empty where the
/// tenant has no such thing.
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when a name holds a control character.
pub fn powershell_prelude(registration: &AppRegistration) -> Result<String> {
    let filter = format!("uniqueName eq '{}'", registration.unique_name.replace('\'', "''"));
    let mut lines = vec![
        format!("$app = Get-MgApplication -Filter {}", quote(&filter)?),
        "$sp = if ($app) { Get-MgServicePrincipal -Filter \"appId eq '$($app.AppId)'\" }".to_owned(),
    ];
    for api in Api::ALL {
        let filter = quote(&format!("appId eq '{}'", api.client_id()))?;
        lines.push(format!("{} = Get-MgServicePrincipal -Filter {filter}", variable(api)));
    }
    Ok(lines.join("\n"))
}

/// A single-quoted PowerShell string that no value can end.
///
/// PowerShell takes the typographic single quotes for the plain one, so each of them is doubled.
pub(super) fn quote(value: &str) -> Result<String> {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('\'');
    for c in value.chars() {
        match c {
            '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}' => out.extend([c, c]),
            c if c.is_control() => {
                return Err(Error::invalid("a value with a control character cannot go into a script"));
            }
            c => out.push(c),
        }
    }
    out.push('\'');
    Ok(out)
}

const fn variable(api: Api) -> &'static str {
    match api {
        Api::Graph => "$graph",
        Api::Exchange => "$exchange",
    }
}

const REREAD: &str = "$app = Get-MgApplication -ApplicationId $app.Id";

/// The list is replaced as a whole, and only this form of reading gives the certificates' bytes.
const KEYS: &str =
    "$keys = @((Get-MgApplication -ApplicationId $app.Id -Property 'id,keyCredentials').KeyCredentials)";

pub(super) fn forward(step: &RegistrationStep) -> Result<String> {
    Ok(match step {
        RegistrationStep::CreateApplication { unique_name, display_name, audience } => format!(
            "if (-not $app) {{ $app = New-MgApplication -UniqueName {} -DisplayName {} -SignInAudience '{}' }}",
            quote(unique_name)?,
            quote(display_name)?,
            audience.as_str()
        ),
        RegistrationStep::UpdateApplication { display_name, audience } => {
            let mut line = "Update-MgApplication -ApplicationId $app.Id".to_owned();
            if let Some(name) = display_name {
                line += &format!(" -DisplayName {}", quote(name)?);
            }
            if let Some(audience) = audience {
                line += &format!(" -SignInAudience '{}'", audience.as_str());
            }
            line
        }
        RegistrationStep::CreateApiServicePrincipal { api } => {
            let variable = variable(*api);
            format!(
                "if (-not {variable}) {{ {variable} = New-MgServicePrincipal -AppId '{}' }}",
                api.client_id()
            )
        }
        RegistrationStep::CreateServicePrincipal => {
            "if (-not $sp) { $sp = New-MgServicePrincipal -AppId $app.AppId }".to_owned()
        }
        RegistrationStep::RemoveDefaultUserRead => format!(
            "$access = @($app.RequiredResourceAccess | ForEach-Object {{ $_.ResourceAccess = @($_.ResourceAccess | \
             Where-Object {{ $_.Id -ne '{USER_READ}' }}); $_ }} | Where-Object {{ $_.ResourceAccess.Count -gt 0 }})\n\
             Update-MgApplication -ApplicationId $app.Id -RequiredResourceAccess $access\n{REREAD}\n\
             Get-MgOauth2PermissionGrant -All -Filter \"clientId eq '$($sp.Id)'\" | Where-Object {{ $_.ResourceId -eq \
             $graph.Id -and ($_.Scope -split ' ') -contains 'User.Read' }} | ForEach-Object {{ $rest = ($_.Scope -split \
             ' ' | Where-Object {{ $_ -and $_ -ne 'User.Read' }}) -join ' '; if ($rest) {{ \
             Update-MgOauth2PermissionGrant -OAuth2PermissionGrantId $_.Id -Scope $rest }} else {{ \
             Remove-MgOauth2PermissionGrant -OAuth2PermissionGrantId $_.Id }} }}"
        ),
        RegistrationStep::DeclarePermissions { add, remove } => {
            let mut lines = Vec::new();
            for api in Api::ALL {
                let of = |list: &[super::Declared]| -> Vec<String> {
                    list.iter()
                        .filter(|d| d.permission.api == api)
                        .map(|d| format!("'{}'", d.app_role_id))
                        .collect()
                };
                let (add, mut own) = (of(add), of(remove));
                own.extend(add.iter().cloned());
                if own.is_empty() {
                    continue;
                }
                let id = api.client_id();
                let new: Vec<String> =
                    add.iter().map(|role| format!("@{{ Id = {role}; Type = 'Role' }}")).collect();
                lines.push(format!(
                    "$own = @({})\n\
                     $kept = @($app.RequiredResourceAccess | Where-Object {{ $_.ResourceAppId -eq '{id}' }} | \
                     ForEach-Object {{ $_.ResourceAccess }} | Where-Object {{ $_.Type -ne 'Role' -or $own -notcontains $_.Id }})\n\
                     $access = @($app.RequiredResourceAccess | Where-Object {{ $_.ResourceAppId -ne '{id}' }})\n\
                     $ours = @($kept + @({}))\n\
                     if ($ours.Count -gt 0) {{ $access += @{{ ResourceAppId = '{id}'; ResourceAccess = $ours }} }}\n\
                     Update-MgApplication -ApplicationId $app.Id -RequiredResourceAccess $access\n{REREAD}",
                    own.join(","),
                    new.join(",")
                ));
            }
            lines.join("\n")
        }
        RegistrationStep::GrantAppRole { api, app_role_id, .. } => grant(*api, &app_role_id.to_string()),
        RegistrationStep::RevokeAppRole { api, app_role_id, .. } => revoke(*api, &app_role_id.to_string()),
        RegistrationStep::RemoveOrphanSecret { key_id, .. } => {
            format!("Remove-MgApplicationPassword -ApplicationId $app.Id -KeyId '{key_id}'")
        }
        RegistrationStep::AddSecret { policy, .. } => format!(
            "Add-MgApplicationPassword -ApplicationId $app.Id -PasswordCredential @{{ DisplayName = {}; EndDateTime = \
             (Get-Date).ToUniversalTime().AddHours({}) }} | Select-Object KeyId, EndDateTime, SecretText",
            quote(&policy.display_name)?,
            policy.lifetime.as_secs() / 3600
        ),
        RegistrationStep::AddCertificate { certificate } => {
            let der = BASE64_STANDARD.encode(certificate.certificate.der());
            format!(
                "{KEYS}\n$der = [Convert]::FromBase64String('{der}')\n\
                 if (-not ($keys | Where-Object {{ $_.Key -and [Convert]::ToBase64String($_.Key) -eq '{der}' }})) {{ \
                 Update-MgApplication -ApplicationId $app.Id -KeyCredentials ($keys + @{{ Type = 'AsymmetricX509Cert'; \
                 Usage = 'Verify'; DisplayName = {}; Key = $der }}) }}",
                quote(&certificate.display_name)?
            )
        }
        RegistrationStep::RemoveCertificate { key_id, .. } => format!(
            "{KEYS}\nUpdate-MgApplication -ApplicationId $app.Id -KeyCredentials @($keys | Where-Object {{ $_.KeyId -ne \
             '{key_id}' }})"
        ),
        RegistrationStep::AddRedirectUris { add } => format!(
            "Update-MgApplication -ApplicationId $app.Id -Web @{{ RedirectUris = @($app.Web.RedirectUris + @({}) | \
             Select-Object -Unique) }}\n{REREAD}",
            add.iter().map(|uri| quote(uri)).collect::<Result<Vec<_>>>()?.join(",")
        ),
        RegistrationStep::RemoveFederatedCredential { name } => format!(
            "{} | ForEach-Object {{ Remove-MgApplicationFederatedIdentityCredential -ApplicationId $app.Id \
             -FederatedIdentityCredentialId $_.Id }}",
            federated(name)?
        ),
        RegistrationStep::UpdateFederatedCredential { credential } => format!(
            "{} | ForEach-Object {{ Update-MgApplicationFederatedIdentityCredential -ApplicationId $app.Id \
             -FederatedIdentityCredentialId $_.Id -BodyParameter @{{ {} }} }}",
            federated(&credential.name)?,
            trust(credential)?
        ),
        RegistrationStep::AddFederatedCredential { credential } => format!(
            "if (-not ({})) {{ New-MgApplicationFederatedIdentityCredential -ApplicationId $app.Id -BodyParameter @{{ \
             name = {}; {} }} }}",
            federated(&credential.name)?,
            quote(&credential.name)?,
            trust(credential)?
        ),
        RegistrationStep::AddOwner { of, owner } => {
            let (noun, target) = owned(*of);
            format!(
                "New-Mg{noun}OwnerByRef {target} -BodyParameter @{{ '@odata.id' = \
                 \"$((Get-MgEnvironment -Name (Get-MgContext).Environment).GraphEndpoint)/v1.0/directoryObjects/{owner}\" }}"
            )
        }
        RegistrationStep::RemoveOwner { of, owner } => {
            let (noun, target) = owned(*of);
            let id = format!("-DirectoryObjectId '{owner}'");
            format!(
                "if (@(Get-Mg{noun}Owner {target} -All).Count -gt 1) {{ Remove-Mg{noun}OwnerDirectoryObjectByRef {target} {id} }}"
            )
        }
        RegistrationStep::EnableServicePrincipal => {
            "Update-MgServicePrincipal -ServicePrincipalId $sp.Id -AccountEnabled:$true".to_owned()
        }
        RegistrationStep::RestoreApplication { id } => {
            format!("Restore-MgDirectoryDeletedItem -DirectoryObjectId '{id}'")
        }
    })
}

fn federated(name: &str) -> Result<String> {
    Ok(format!(
        "Get-MgApplicationFederatedIdentityCredential -ApplicationId $app.Id -All | Where-Object {{ $_.Name -eq {} }}",
        quote(name)?
    ))
}

fn trust(credential: &FederatedCredential) -> Result<String> {
    let mut text = format!(
        "issuer = {}; subject = {}; audiences = @({})",
        quote(&credential.issuer)?,
        quote(&credential.subject)?,
        quote(&credential.audience)?
    );
    if let Some(description) = &credential.description {
        text += &format!("; description = {}", quote(description)?);
    }
    Ok(text)
}

/// Noun of the cmdlets, and the parameter that names what is owned.
const fn owned(of: Owned) -> (&'static str, &'static str) {
    match of {
        Owned::Application => ("Application", "-ApplicationId $app.Id"),
        Owned::ServicePrincipal => ("ServicePrincipal", "-ServicePrincipalId $sp.Id"),
    }
}

pub(super) fn backward(step: &RegistrationStep) -> Result<String> {
    Ok(match step {
        RegistrationStep::CreateApplication { .. } => {
            "Remove-MgApplication -ApplicationId $app.Id".to_owned()
        }
        RegistrationStep::UpdateApplication { .. } => {
            "# set the former values, which the receipt holds, with Update-MgApplication".to_owned()
        }
        RegistrationStep::CreateApiServicePrincipal { api } => {
            format!("Remove-MgServicePrincipal -ServicePrincipalId {}.Id", variable(*api))
        }
        RegistrationStep::CreateServicePrincipal => {
            "Remove-MgServicePrincipal -ServicePrincipalId $sp.Id".to_owned()
        }
        RegistrationStep::RemoveDefaultUserRead => {
            "New-MgOauth2PermissionGrant -ClientId $sp.Id -ResourceId $graph.Id -ConsentType 'AllPrincipals' -Scope \
             'User.Read'"
                .to_owned()
        }
        RegistrationStep::DeclarePermissions { add, remove } => {
            return forward(&RegistrationStep::DeclarePermissions { add: remove.clone(), remove: add.clone() });
        }
        RegistrationStep::GrantAppRole { api, app_role_id, .. } => revoke(*api, &app_role_id.to_string()),
        RegistrationStep::RevokeAppRole { api, app_role_id, .. } => grant(*api, &app_role_id.to_string()),
        RegistrationStep::RemoveOrphanSecret { .. } => {
            "# a removed secret cannot come back: add another one with Add-MgApplicationPassword".to_owned()
        }
        RegistrationStep::AddSecret { policy, held } => {
            let kept = held.map(|held| format!(" -and $_.KeyId -ne '{held}'")).unwrap_or_default();
            format!(
                "(Get-MgApplication -ApplicationId $app.Id).PasswordCredentials | Where-Object {{ $_.DisplayName -eq \
                 {}{kept} }} | ForEach-Object {{ Remove-MgApplicationPassword -ApplicationId $app.Id -KeyId $_.KeyId }}",
                quote(&policy.display_name)?
            )
        }
        RegistrationStep::AddCertificate { certificate } => format!(
            "{KEYS}\nUpdate-MgApplication -ApplicationId $app.Id -KeyCredentials @($keys | Where-Object {{ -not $_.Key -or \
             [Convert]::ToBase64String($_.Key) -ne '{}' }})",
            BASE64_STANDARD.encode(certificate.certificate.der())
        ),
        RegistrationStep::RemoveCertificate { .. } => {
            "# add the certificate again from its file, with Update-MgApplication -KeyCredentials".to_owned()
        }
        RegistrationStep::AddRedirectUris { add } => format!(
            "Update-MgApplication -ApplicationId $app.Id -Web @{{ RedirectUris = @($app.Web.RedirectUris | Where-Object \
             {{ @({}) -cnotcontains $_ }}) }}\n{REREAD}",
            add.iter().map(|uri| quote(uri)).collect::<Result<Vec<_>>>()?.join(",")
        ),
        RegistrationStep::RemoveFederatedCredential { .. } => {
            "# add it again with New-MgApplicationFederatedIdentityCredential".to_owned()
        }
        RegistrationStep::UpdateFederatedCredential { .. } => {
            "# set the former values again with Update-MgApplicationFederatedIdentityCredential".to_owned()
        }
        RegistrationStep::AddFederatedCredential { credential } => {
            return forward(&RegistrationStep::RemoveFederatedCredential { name: credential.name.clone() });
        }
        RegistrationStep::AddOwner { of, owner } => {
            return forward(&RegistrationStep::RemoveOwner { of: *of, owner: *owner });
        }
        RegistrationStep::RemoveOwner { of, owner } => {
            return forward(&RegistrationStep::AddOwner { of: *of, owner: *owner });
        }
        RegistrationStep::EnableServicePrincipal => {
            "Update-MgServicePrincipal -ServicePrincipalId $sp.Id -AccountEnabled:$false".to_owned()
        }
        RegistrationStep::RestoreApplication { id } => format!("Remove-MgApplication -ApplicationId '{id}'"),
    })
}

fn grant(api: Api, role: &str) -> String {
    let resource = variable(api);
    format!(
        "if (-not ({})) {{ New-MgServicePrincipalAppRoleAssignedTo -ServicePrincipalId {resource}.Id -PrincipalId \
         $sp.Id -ResourceId {resource}.Id -AppRoleId '{role}' }}",
        assignments(api, role)
    )
}

fn revoke(api: Api, role: &str) -> String {
    format!(
        "{} | ForEach-Object {{ Remove-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $sp.Id \
         -AppRoleAssignmentId $_.Id }}",
        assignments(api, role)
    )
}

fn assignments(api: Api, role: &str) -> String {
    format!(
        "Get-MgServicePrincipalAppRoleAssignment -ServicePrincipalId $sp.Id -All | Where-Object {{ $_.AppRoleId -eq \
         '{role}' -and $_.ResourceId -eq {}.Id }}",
        variable(api)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn all_five_quote_characters_are_doubled() {
        assert_eq!(quote("O\u{2019}Brien's").unwrap(), "'O\u{2019}\u{2019}Brien''s'");
        assert_eq!(
            quote("\u{2018}\u{201a}\u{201b}").unwrap(),
            "'\u{2018}\u{2018}\u{201a}\u{201a}\u{201b}\u{201b}'"
        );
        for bad in ["a\r\nRemove-Mailbox b", "\0", "\u{1b}"] {
            assert!(quote(bad).is_err());
        }
    }

    proptest! {
        /// A reader of PowerShell's own rule: within single quotes, only an undoubled character of the class ends it.
        #[test]
        fn no_value_ends_its_string(value in "[a-z ;$'\u{2018}\u{2019}\u{201a}\u{201b}\"`#>]{0,30}") {
            let quoted = quote(&value).unwrap();
            let inner: Vec<char> = quoted.chars().skip(1).collect();
            let is_quote = |c: char| matches!(c, '\'' | '\u{2018}'..='\u{201b}');
            let (mut read, mut at) = (String::new(), 0);
            while at < inner.len() {
                if is_quote(inner[at]) {
                    if at + 1 < inner.len() && is_quote(inner[at + 1]) {
                        at += 1;
                    } else {
                        break;
                    }
                }
                read.push(inner[at]);
                at += 1;
            }
            prop_assert_eq!(at, inner.len() - 1, "the string ended early");
            prop_assert_eq!(read, value);
        }
    }
}
