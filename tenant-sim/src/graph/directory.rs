//! Users, groups and the organisation.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, Context, error::GraphError, odata, request::GraphRequest};
use crate::state::{DirectoryGroup, GroupKind, State, User};

const READ_USERS: [&str; 4] =
    ["User.Read.All", "User.ReadBasic.All", "Directory.Read.All", "User.ReadWrite.All"];
const READ_GROUPS: [&str; 3] = ["Group.Read.All", "Group.ReadWrite.All", "Directory.Read.All"];
const READ_MEMBERS: [&str; 5] = [
    "GroupMember.Read.All",
    "GroupMember.ReadWrite.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
];

/// `/users`, `/groups` and `/organization`.
pub(crate) fn route(context: &mut Context<'_>, request: &GraphRequest, names: &[&str]) -> Answer {
    if request.method != Method::GET {
        return Err(GraphError::method());
    }
    match names {
        ["users"] => {
            context.need(&READ_USERS)?;
            let items = users(context.state).iter().map(render_user).collect();
            odata::page(request, "users", items, odata::DIRECTORY, false)
        }
        ["users", _] => {
            context.need(&READ_USERS)?;
            let wanted = request.segment(1);
            // The directory knows object id and UPN only; an address that is neither is not found.
            let found = users(context.state)
                .into_iter()
                .find(|u| {
                    u.upn.eq_ignore_ascii_case(wanted) || wanted.parse::<Uuid>().is_ok_and(|id| id == u.id)
                })
                .ok_or_else(|| GraphError::not_found(wanted))?;
            Ok(odata::object(request, "users", render_user(&found), false))
        }
        ["groups"] => {
            context.need(&READ_MEMBERS)?;
            let items = groups(context).iter().map(|g| render_group(context.state, g)).collect();
            odata::page(request, "groups", items, odata::DIRECTORY, false)
        }
        ["groups", _] => {
            context.need(&READ_MEMBERS)?;
            let found = find_group(context, request.segment(1))?;
            Ok(odata::object(request, "groups", render_group(context.state, &found), false))
        }
        ["groups", _, "members"] => {
            context.need(&READ_MEMBERS)?;
            let members = find_group(context, request.segment(1))?.members;
            let (all_users, all_groups) = (users(context.state), groups(context));
            let items = members
                .into_iter()
                .map(|id| {
                    if let Some(user) = all_users.iter().find(|u| u.id == id) {
                        typed(render_user(user), "#microsoft.graph.user")
                    } else if let Some(group) = all_groups.iter().find(|g| g.id == id) {
                        typed(render_group(context.state, group), "#microsoft.graph.group")
                    } else {
                        json!({"@odata.type": "#microsoft.graph.directoryObject", "id": id})
                    }
                })
                .collect();
            odata::page(request, "directoryObjects", items, odata::DIRECTORY, false)
        }
        ["organization"] => {
            if context.need(&READ_USERS).is_err() && context.need(&READ_GROUPS).is_err() {
                context.need(&["Organization.Read.All"])?;
            }
            let domains: Vec<Value> = context
                .state
                .domains
                .iter()
                .enumerate()
                .map(|(n, name)| {
                    json!({"name": name, "isInitial": n == 0, "isDefault": n + 1 == context.state.domains.len(),
                        "type": "Managed", "capabilities": "Email, OfficeCommunicationsOnline"})
                })
                .collect();
            let item = json!({"id": context.state.tenant_id, "displayName": context.state.name,
                "verifiedDomains": domains, "tenantType": "AAD"});
            odata::page(request, "organization", vec![item], odata::DIRECTORY, false)
        }
        _ => Err(GraphError::new(
            StatusCode::BAD_REQUEST,
            "BadRequest",
            &format!("Resource not found for the segment '{}'.", names.last().unwrap_or(&"")),
        )),
    }
}

fn typed(mut item: Value, kind: &str) -> Value {
    if let Some(map) = item.as_object_mut() {
        map.insert("@odata.type".to_owned(), json!(kind));
    }
    item
}

/// Users of the directory, and those that stand behind mailboxes made by Exchange.
fn users(state: &State) -> Vec<User> {
    let mut all: Vec<User> =
        state.directory.users.iter().filter(|u| u.is_configured()).map(|u| u.value.clone()).collect();
    for mailbox in state.exchange.mailboxes.iter().filter(|m| m.is_configured()).map(|m| &m.value) {
        if !all.iter().any(|u| u.id == mailbox.object_id) {
            all.push(User {
                id: mailbox.object_id,
                upn: mailbox.upn.clone(),
                display_name: mailbox.display_name.clone(),
                mail: Some(mailbox.primary_smtp_address.clone()),
                account_enabled: false,
            });
        }
    }
    all.sort_by(|a, b| a.upn.cmp(&b.upn));
    all
}

/// The user that a mailbox path names: object id, UPN, or primary address; an alias is none of them.
pub(crate) fn find_user(state: &State, identity: &str) -> Option<User> {
    let id: Option<Uuid> = identity.parse().ok();
    users(state).into_iter().find(|u| {
        Some(u.id) == id
            || u.upn.eq_ignore_ascii_case(identity)
            || u.mail.as_deref().is_some_and(|m| m.eq_ignore_ascii_case(identity))
    })
}

/// Groups of the directory, the members of Exchange's groups taken from Exchange, and groups made there.
fn groups(context: &Context<'_>) -> Vec<DirectoryGroup> {
    let state = &*context.state;
    let mut all: Vec<DirectoryGroup> =
        state.directory.groups.iter().filter(|g| g.is_configured()).map(|g| g.value.clone()).collect();
    for group in state.exchange.groups.iter().filter(|g| g.is_configured()) {
        let members =
            group.value.members.iter().filter(|m| m.is_configured()).map(|m| m.value).collect::<Vec<_>>();
        if let Some(known) = all.iter_mut().find(|g| g.id == group.value.object_id) {
            known.members = members;
        } else if group.is_effective(context.now) {
            all.push(DirectoryGroup {
                id: group.value.object_id,
                display_name: group.value.display_name.clone(),
                mail: Some(group.value.primary_smtp_address.clone()),
                security_enabled: group.value.kind == GroupKind::MailEnabledSecurity,
                mail_enabled: true,
                members,
            });
        }
    }
    all.sort_by(|a, b| a.display_name.cmp(&b.display_name));
    all
}

fn find_group(context: &Context<'_>, wanted: &str) -> Result<DirectoryGroup, GraphError> {
    let id: Option<Uuid> = wanted.parse().ok();
    groups(context).into_iter().find(|g| Some(g.id) == id).ok_or_else(|| GraphError::not_found(wanted))
}

fn render_user(user: &User) -> Value {
    json!({
        "id": user.id,
        "accountEnabled": user.account_enabled,
        "displayName": user.display_name,
        "mail": user.mail,
        "userPrincipalName": user.upn,
        "userType": "Member",
    })
}

fn render_group(state: &State, group: &DirectoryGroup) -> Value {
    let unified = state
        .exchange
        .groups
        .iter()
        .any(|g| g.value.object_id == group.id && g.value.kind == GroupKind::Microsoft365);
    json!({
        "id": group.id,
        "displayName": group.display_name,
        "mail": group.mail,
        "mailEnabled": group.mail_enabled,
        "securityEnabled": group.security_enabled,
        "groupTypes": if unified { json!(["Unified"]) } else { json!([]) },
    })
}
