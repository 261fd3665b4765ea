//! What a person's token says and may do: the permission that the app was given, cut down to what the person may do.
//!
//! Pages: <https://learn.microsoft.com/entra/identity-platform/permissions-consent-overview>,
//! <https://learn.microsoft.com/entra/identity/role-based-access-control/permissions-reference>

use uuid::{Uuid, uuid};

use super::{EXCHANGE_AUDIENCE, GRAPH_AUDIENCE, Refused};

/// Directory roles with their template ids, as the claim `wids` lists them.
const ROLES: [(&str, Uuid); 7] = [
    (GLOBAL, uuid!("62e90394-69f5-4237-9190-012177145e10")),
    (PRIVILEGED_ROLE, uuid!("e8611ab8-c189-46e8-94e1-60213ab1f814")),
    (APPLICATION, uuid!("9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3")),
    (CLOUD_APPLICATION, uuid!("158c047a-c907-4556-b7ef-446551a6b5f7")),
    ("Application Developer", uuid!("cf1c38e5-3621-4004-a7cb-879624dced7c")),
    ("Exchange Administrator", uuid!("29232cdf-9323-42fd-ade2-1d097af3e4de")),
    ("Directory Readers", uuid!("88d8e3e3-8f55-4a1e-953a-9b9898b8876b")),
];
/// What every member of a tenant has.
const MEMBER: Uuid = uuid!("b79fbf4d-3ef9-4689-8143-76b194e85509");
const GLOBAL: &str = "Global Administrator";
const PRIVILEGED_ROLE: &str = "Privileged Role Administrator";
const APPLICATION: &str = "Application Administrator";
const CLOUD_APPLICATION: &str = "Cloud Application Administrator";

/// Delegated permissions that are known here: (name, whether an administrator has to consent).
const GRAPH_SCOPES: [(&str, bool); 12] = [
    ("User.Read", false),
    ("User.ReadBasic.All", false),
    ("User.Read.All", true),
    ("Group.Read.All", true),
    ("GroupMember.Read.All", true),
    ("Directory.Read.All", true),
    ("Organization.Read.All", true),
    ("Application.Read.All", true),
    ("Application.ReadWrite.All", true),
    ("AppRoleAssignment.ReadWrite.All", true),
    ("DelegatedPermissionGrant.ReadWrite.All", true),
    ("RoleManagement.ReadWrite.Exchange", true),
];
const EXCHANGE_SCOPES: [(&str, bool); 1] = [("Exchange.Manage", true)];

/// `wids` of these roles.
pub(crate) fn role_ids(roles: &[String]) -> Vec<Uuid> {
    let known = ROLES.iter().filter(|(name, _)| roles.iter().any(|r| r.eq_ignore_ascii_case(name)));
    known.map(|(_, id)| *id).chain([MEMBER]).collect()
}

/// The names behind `wids`.
pub(crate) fn role_names(wids: &[Uuid]) -> Vec<String> {
    ROLES.iter().filter(|(_, id)| wids.contains(id)).map(|(name, _)| (*name).to_owned()).collect()
}

pub(crate) fn is_role(name: &str) -> bool {
    ROLES.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
}

fn any(roles: &[String], wanted: &[&str]) -> bool {
    wanted.iter().any(|w| roles.iter().any(|r| r.eq_ignore_ascii_case(w)))
}

/// Whether a person with these roles may consent to application permissions of Microsoft Graph itself.
pub(crate) fn may_grant_graph_roles(roles: &[String]) -> bool {
    any(roles, &[GLOBAL, PRIVILEGED_ROLE])
}

/// The application permissions that the token amounts to in the directory: what was delegated, cut down to what the
/// person may do. A person's own mailbox is not simulated, so mail permissions come to nothing.
pub(crate) fn effective(scopes: &[&str], roles: &[String]) -> Vec<String> {
    let manages_apps = any(roles, &[GLOBAL, APPLICATION, CLOUD_APPLICATION]);
    let consents = manages_apps || any(roles, &[PRIVILEGED_ROLE]);
    scopes
        .iter()
        .filter_map(|scope| match *scope {
            "Application.ReadWrite.All" if manages_apps => Some(*scope),
            // Members may register apps unless the tenant forbids it, and own what they register.
            "Application.ReadWrite.All" => Some("Application.ReadWrite.OwnedBy"),
            "AppRoleAssignment.ReadWrite.All" | "DelegatedPermissionGrant.ReadWrite.All" => {
                consents.then_some(*scope)
            }
            reading if reading.ends_with(".Read.All") || reading.ends_with(".ReadBasic.All") => Some(reading),
            _ => None,
        })
        .map(str::to_owned)
        .collect()
}

/// A scope parameter taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) audience: &'static str,
    /// Empty for `.default`.
    pub(crate) names: Vec<String>,
    pub(crate) offline: bool,
}

impl Asked {
    pub(crate) fn read(scope: &str) -> Result<Self, Refused> {
        let malformed = |what: &str| {
            let text = format!("The provided value for the input parameter 'scope' is not valid. {what}");
            Refused::new(400, "invalid_scope", 70011, &text)
        };
        let (mut audience, mut names, mut offline, mut default) = (None, Vec::new(), false, false);
        for item in scope.split_whitespace() {
            if matches!(item, "openid" | "profile" | "email") {
                continue;
            }
            if item == "offline_access" {
                offline = true;
                continue;
            }
            let (resource, name) = match item.rsplit_once('/') {
                Some((resource, name)) => (resource, name),
                None => (GRAPH_AUDIENCE, item),
            };
            let resource = match resource {
                GRAPH_AUDIENCE => GRAPH_AUDIENCE,
                EXCHANGE_AUDIENCE | "https://outlook.office.com" => EXCHANGE_AUDIENCE,
                _ => return Err(malformed(&format!("The resource of {item} is not known here."))),
            };
            if audience.is_some_and(|other| other != resource) {
                return Err(Refused::new(
                    400,
                    "invalid_scope",
                    28000,
                    "Provided value for the input parameter scope is not valid because it contains more than one resource.",
                ));
            }
            audience = Some(resource);
            if name == ".default" {
                default = true;
            } else if known(resource).iter().any(|(n, _)| *n == name) {
                names.push(name.to_owned());
            } else {
                return Err(malformed(&format!("The scope {item} does not exist.")));
            }
        }
        if default && !names.is_empty() {
            return Err(malformed(".default can't be combined with resource-specific scopes."));
        }
        Ok(Self { audience: audience.unwrap_or(GRAPH_AUDIENCE), names, offline })
    }

    /// What a person with these roles gives the app: an administrator consents to everything.
    pub(crate) fn grant(&self, roles: &[String]) -> Result<Vec<&'static str>, Refused> {
        let administrator = any(roles, &[GLOBAL, PRIVILEGED_ROLE, APPLICATION, CLOUD_APPLICATION]);
        let known = known(self.audience);
        let asked = known.iter().filter(|(n, _)| self.names.is_empty() || self.names.iter().any(|a| a == n));
        let (given, refused): (Vec<_>, Vec<_>) =
            asked.copied().partition(|(_, admin)| administrator || !admin);
        if !self.names.is_empty() && !refused.is_empty() {
            return Err(Refused::new(
                400,
                "invalid_grant",
                65001,
                "The user or administrator has not consented to use the application. Send an interactive authorization request for this user and resource.",
            )
            .with_suberror("consent_required"));
        }
        Ok(given.into_iter().map(|(name, _)| name).collect())
    }
}

fn known(audience: &str) -> &'static [(&'static str, bool)] {
    if audience == GRAPH_AUDIENCE { &GRAPH_SCOPES } else { &EXCHANGE_SCOPES }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn a_person_lends_an_app_no_more_than_they_have() {
        let scopes = ["Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All", "User.Read"];
        assert_eq!(effective(&scopes, &[]), ["Application.ReadWrite.OwnedBy"]);
        assert_eq!(effective(&scopes, &roles(&[GLOBAL])), &scopes[..2]);
        assert_eq!(
            effective(&scopes, &roles(&[PRIVILEGED_ROLE])),
            ["Application.ReadWrite.OwnedBy", "AppRoleAssignment.ReadWrite.All"]
        );
        assert!(effective(&["User.Read"], &roles(&[GLOBAL])).is_empty());
        assert!(!may_grant_graph_roles(&roles(&[APPLICATION])) && may_grant_graph_roles(&roles(&[GLOBAL])));
    }

    #[test]
    fn scopes_are_of_one_resource_and_known() {
        let asked = Asked::read("https://graph.microsoft.com/.default offline_access openid").expect("valid");
        assert_eq!(asked, Asked { audience: GRAPH_AUDIENCE, names: Vec::new(), offline: true });
        for bad in [
            "User.Read https://outlook.office365.com/Exchange.Manage",
            "https://graph.microsoft.com/.default User.Read",
            "Mail.Everything",
            "https://other.example/.default",
        ] {
            assert!(Asked::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn consent_of_an_administrator_is_needed_where_it_is() {
        let asked = Asked::read("Application.ReadWrite.All").expect("valid");
        assert!(asked.grant(&[]).is_err());
        assert_eq!(asked.grant(&roles(&[CLOUD_APPLICATION])).expect("given"), ["Application.ReadWrite.All"]);
        let default = Asked::read("https://graph.microsoft.com/.default").expect("valid");
        assert_eq!(default.grant(&[]).expect("given"), ["User.Read", "User.ReadBasic.All"]);
    }

    #[test]
    fn role_names_survive_the_token() {
        let held = roles(&["exchange administrator", GLOBAL, "Unknown Role"]);
        assert_eq!(role_names(&role_ids(&held)), [GLOBAL, "Exchange Administrator"]);
    }
}
