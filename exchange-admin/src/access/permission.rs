//! What permissions and roles include of one another.

use m365_core::ClientId;

use crate::ApplicationRole;

/// What a permission is about, and how much of it: `Mail.ReadWrite` is the third level of `Mail`.
pub(super) fn level(permission: &str) -> Option<(&str, u8)> {
    let (area, right) = permission.strip_suffix(".All").unwrap_or(permission).rsplit_once('.')?;
    let level = match right {
        "ReadBasic" => 0,
        "Read" => 1,
        "ReadWrite" => 2,
        _ => return None,
    };
    Some((area, level))
}

/// The permissions of the same area that include this one: whoever may change mail may read it.
pub(super) fn broader_than(permission: &str) -> Vec<String> {
    let Some((area, wanted)) = level(permission) else { return Vec::new() };
    ["Read", "ReadWrite"]
        .iter()
        .flat_map(|right| [format!("{area}.{right}"), format!("{area}.{right}.All")])
        .filter(|p| level(p).is_some_and(|(_, level)| level > wanted))
        .filter(|p| ApplicationRole::from_permission(ClientId::MICROSOFT_GRAPH, p).is_some())
        .collect()
}

/// Whether a role grants any of these permissions of this API. Exchange lists some of them without their `.All`.
pub(super) fn role_grants(role: ApplicationRole, resource: ClientId, needed: &[&str]) -> bool {
    let api = match role {
        ApplicationRole::EwsAccessAsApp | ApplicationRole::SmtpSendAsApp => ClientId::EXCHANGE_ONLINE,
        _ => ClientId::MICROSOFT_GRAPH,
    };
    api == resource
        && needed.iter().any(|permission| {
            role.permissions().contains(permission)
                || ApplicationRole::from_permission(resource, permission) == Some(role)
        })
}
