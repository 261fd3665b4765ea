//! The configuration in a canonical form, to compare end states.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::state::{FolderGrantee, PolicyRight, ResourceScope, State, Timed};

/// Sorted, by names, without ids, times and secrets.
pub(crate) fn of(state: &State) -> Value {
    let names = Names::of(state);
    json!({
        "domains": state.domains,
        "applications": applications(state, &names),
        "service_principals": sorted(live(&state.directory.service_principals).map(|sp| {
            json!({"name": sp.display_name, "enabled": sp.account_enabled})
        })),
        "app_role_assignments": sorted(live(&state.directory.app_role_assignments).map(|a| {
            json!([names.get(a.principal_id), names.get(a.resource_id), names.role(a.resource_id, a.app_role_id)])
        })),
        "delegated_grants": sorted(live(&state.directory.oauth2_permission_grants).map(|g| {
            json!([names.get(g.client_id), names.get(g.resource_id), g.scope, g.consent_type])
        })),
        "mailboxes": sorted(live(&state.exchange.mailboxes).map(|m| {
            json!({"address": m.primary_smtp_address, "kind": format!("{:?}", m.kind), "imap": m.imap_enabled,
                "remote": m.remote, "display_name": m.display_name})
        })),
        "groups": sorted(live(&state.exchange.groups).map(|g| {
            json!({"address": g.primary_smtp_address, "name": g.name, "kind": format!("{:?}", g.kind),
                "members": sorted(live(&g.members).map(|m| json!(names.get(*m))))})
        })),
        "exchange_service_principals": sorted(live(&state.exchange.service_principals).map(|p| {
            json!({"app": names.get(p.app_id), "points_to": names.get(p.object_id), "name": p.display_name})
        })),
        "mailbox_permissions": sorted(live(&state.exchange.mailbox_permissions).map(|p| {
            let mut rights = p.rights.clone();
            rights.sort();
            json!({"mailbox": names.get(p.mailbox), "grantee": names.get(p.grantee), "rights": rights, "deny": p.deny,
                "inheritance": p.inheritance})
        })),
        "access_policies": sorted(live(&state.exchange.access_policies).map(|p| {
            json!({"app": p.app_id.map_or("*".to_owned(), |id| names.get(id)), "scope": names.get(p.scope),
                "right": if p.right == PolicyRight::Restrict { "RestrictAccess" } else { "DenyAccess" },
                "description": p.description})
        })),
        "folder_permissions": sorted(live(&state.exchange.folder_permissions).map(|p| {
            let grantee = match p.grantee {
                FolderGrantee::Default => "Default".to_owned(),
                FolderGrantee::Anonymous => "Anonymous".to_owned(),
                FolderGrantee::Recipient(id) => names.get(id),
            };
            json!({"mailbox": names.get(p.mailbox), "folder": format!("{:?}", p.folder), "grantee": grantee,
                "rights": p.rights, "delegate": p.delegate, "private_items": p.private_items})
        })),
        "send_as": sorted(live(&state.exchange.send_as).map(|e| {
            json!([names.get(e.trustee), names.get(e.recipient)])
        })),
        "switches": {
            "organization": sorted(live(&state.exchange.organization_switches).map(|s| json!(format!("{s:?}")))),
            "mailboxes": sorted(live(&state.exchange.mailbox_switches).map(|s| {
                json!([names.get(s.mailbox), s.pop_enabled, s.ews_enabled, s.smtp_disabled, format!("{:?}", s.agents)])
            })),
        },
        "management_scopes": sorted(live(&state.exchange.scopes).map(|s| {
            json!({"name": s.name, "filter": s.recipient_filter, "exclusive": s.exclusive})
        })),
        "role_assignments": sorted(live(&state.exchange.role_assignments).map(|a| {
            let scope = match &a.scope {
                ResourceScope::Organization => "organization".to_owned(),
                ResourceScope::Custom(name) => format!("scope {name}"),
                ResourceScope::Group(id) => format!("group {}", names.get(*id)),
                ResourceScope::AdministrativeUnit(name) => format!("administrative unit {name}"),
            };
            json!({"name": a.name, "app": names.get(a.app), "role": a.role, "scope": scope})
        })),
        "dehydrated": state.exchange.dehydrated,
    })
}

fn applications(state: &State, names: &Names) -> Value {
    sorted(live(&state.directory.applications).map(|a| {
        let required = sorted(a.required_resource_access.iter().map(|r| {
            let resource =
                live(&state.directory.service_principals).find(|sp| sp.app_id == r.resource_app_id);
            let access = sorted(r.access.iter().map(|x| {
                let role = resource.map_or_else(|| x.id.to_string(), |sp| names.role(sp.id, x.id));
                json!([x.kind, role])
            }));
            json!({"resource": names.get(r.resource_app_id), "access": access})
        }));
        json!({
            "name": a.display_name,
            "unique_name": a.unique_name,
            "audience": a.sign_in_audience,
            "required": required,
            "secrets": live(&a.passwords).count(),
            "certificates": live(&a.keys).count(),
            "owners": sorted(a.owners.iter().map(|o| json!(names.get(*o)))),
            "notes": a.notes,
            "tags": a.tags,
        })
    }))
}

fn live<T>(records: &[Timed<T>]) -> impl Iterator<Item = &T> {
    records.iter().filter(|r| r.is_configured()).map(|r| &r.value)
}

fn sorted(items: impl Iterator<Item = Value>) -> Value {
    let mut all: Vec<Value> = items.collect();
    all.sort_by_cached_key(Value::to_string);
    Value::Array(all)
}

/// A readable name for every id.
struct Names {
    objects: BTreeMap<Uuid, String>,
    roles: BTreeMap<(Uuid, Uuid), String>,
}

impl Names {
    fn of(state: &State) -> Self {
        let mut objects = BTreeMap::new();
        let mut roles = BTreeMap::new();
        for a in &state.directory.applications {
            objects.insert(a.value.id, format!("registration {}", a.value.display_name));
            objects.insert(a.value.app_id, format!("app {}", a.value.display_name));
        }
        for sp in &state.directory.service_principals {
            objects.insert(sp.value.id, format!("app {}", sp.value.display_name));
            objects.entry(sp.value.app_id).or_insert_with(|| format!("app {}", sp.value.display_name));
            for role in &sp.value.app_roles {
                roles.insert((sp.value.id, role.id), role.value.clone());
            }
        }
        for u in &state.directory.users {
            objects.insert(u.value.id, u.value.upn.clone());
        }
        for m in &state.exchange.mailboxes {
            objects.insert(m.value.object_id, m.value.primary_smtp_address.clone());
        }
        for g in &state.directory.groups {
            objects.insert(g.value.id, g.value.mail.clone().unwrap_or_else(|| g.value.display_name.clone()));
        }
        for g in &state.exchange.groups {
            objects.insert(g.value.object_id, g.value.primary_smtp_address.clone());
        }
        for p in &state.exchange.service_principals {
            let name = objects.get(&p.value.app_id).cloned().unwrap_or_else(|| p.value.display_name.clone());
            objects.entry(p.value.identity).or_insert_with(|| name.clone());
        }
        Self { objects, roles }
    }

    fn get(&self, id: Uuid) -> String {
        self.objects.get(&id).cloned().unwrap_or_else(|| "unknown".to_owned())
    }

    fn role(&self, resource: Uuid, role: Uuid) -> String {
        self.roles.get(&(resource, role)).cloned().unwrap_or_else(|| role.to_string())
    }
}
