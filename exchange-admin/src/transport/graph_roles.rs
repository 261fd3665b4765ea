//! RBAC for Applications over Graph: `roleManagement/exchange`. It answers with rows like those of the cmdlets.

use bytes::Bytes;
use http::{Method, Request, Response};
use m365_core::odata::{self, Page};
use m365_core::{
    Acted, Cloud, Error, ErrorKind, Idempotency, Meta, Operation, Pipeline, Resource, Result, Service,
};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::Answer;
use super::routes::Route;
use crate::command::{Command, Value};
use crate::row::Row;

const BASE: &str = "/beta/roleManagement/exchange";
/// Far more than the application roles, scopes or assignments of one app that there can be.
const MOST: usize = 20_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Definition {
    id: String,
    display_name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scope {
    id: String,
    display_name: String,
    #[serde(default)]
    custom_attributes: Map<String, Json>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assignment {
    id: String,
    principal_id: String,
    role_definition_id: String,
    directory_scope_id: Option<String>,
    app_scope_id: Option<String>,
}

/// `GET` of a collection, with a filter or whole.
struct List<T> {
    name: &'static str,
    path: String,
    of: std::marker::PhantomData<fn() -> T>,
}

impl<T> List<T> {
    fn new(name: &'static str, collection: &str, filter: Option<(&str, &str)>) -> Self {
        let path = match filter {
            Some((property, text)) => {
                format!("{BASE}/{collection}?$filter={property}%20eq%20{}", odata::literal(text))
            }
            None => format!("{BASE}/{collection}"),
        };
        Self { name, path, of: std::marker::PhantomData }
    }
}

impl<T: for<'de> Deserialize<'de> + Send> Operation for List<T> {
    type Output = Page<T>;

    fn meta(&self) -> Meta<'_> {
        Meta::new(self.name, Resource::Graph, Service::Directory, Idempotency::Idempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        odata::get(cloud, &self.path)
    }

    fn read(&self, response: Response<Bytes>) -> Result<Page<T>> {
        odata::json(&response)
    }
}

/// `POST` to a collection.
struct Create {
    name: &'static str,
    collection: &'static str,
    body: Json,
}

impl Operation for Create {
    type Output = Json;

    fn meta(&self) -> Meta<'_> {
        Meta::new(self.name, Resource::Graph, Service::Directory, Idempotency::NotIdempotent)
    }

    fn request(&self, cloud: &Cloud) -> Result<Request<Bytes>> {
        odata::send_json(cloud, Method::POST, &format!("{BASE}/{}", self.collection), &self.body)
    }

    fn read(&self, response: Response<Bytes>) -> Result<Json> {
        odata::json(&response)
    }
}

/// Runs one of the commands that [`carries`](super::routes::carries) lets through.
pub(super) async fn invoke(pipeline: &Pipeline, command: &Command) -> Result<Answer> {
    let name = command.name().as_str();
    let rows = match name {
        "Get-ManagementRoleAssignment" => assignments(pipeline, name, text(command, "RoleAssignee")?).await,
        "New-ManagementRoleAssignment" => assign(pipeline, name, command).await,
        "Get-ManagementScope" => {
            let wanted = text(command, "Identity")?;
            let found = scopes(pipeline, name, Some(wanted)).await?;
            let same = |s: &&Scope| s.display_name.to_lowercase() == wanted.to_lowercase();
            Ok(found.iter().filter(same).map(scope_row).collect())
        }
        "New-ManagementScope" => {
            let body = json!({
                "type": "RecipientScope",
                "displayName": text(command, "Name")?,
                "customAttributes": {
                    "Exclusive": false,
                    "RecipientFilter": text(command, "RecipientRestrictionFilter")?,
                },
            });
            let made = pipeline.run(&Create { name, collection: "customAppScopes", body }).await?;
            let scope: Scope = serde_json::from_value(made)
                .map_err(|e| Error::unreadable("the new scope is unreadable").with_source(e))?;
            Ok(vec![scope_row(&scope)])
        }
        _ => Err(Error::new(ErrorKind::Unsupported, "Graph has no such cmdlet").with_acted(Acted::No)),
    }?;
    Ok(Answer { rows, warnings: Vec::new(), route: Route::Graph })
}

fn text<'a>(command: &'a Command, name: &str) -> Result<&'a str> {
    match command.parameter(name) {
        Some(Value::Text(text)) => Ok(text),
        _ => Err(Error::invalid(format!("parameter {name} has no text"))),
    }
}

async fn scopes(pipeline: &Pipeline, name: &'static str, named: Option<&str>) -> Result<Vec<Scope>> {
    let list = List::new(name, "customAppScopes", named.map(|text| ("displayName", text)));
    pipeline.list(&list, MOST).await
}

async fn assignments(pipeline: &Pipeline, name: &'static str, app: &str) -> Result<Vec<Row>> {
    let principal = format!("/ServicePrincipals/{app}");
    let list = List::<Assignment>::new(name, "roleAssignments", Some(("principalId", &principal)));
    let found = pipeline.list(&list, MOST).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let definitions: Vec<Definition> = pipeline.list(&List::new(name, "roleDefinitions", None), MOST).await?;
    let scopes = match found.iter().any(|a| a.app_scope_id.is_some()) {
        true => scopes(pipeline, name, None).await?,
        false => Vec::new(),
    };
    found.iter().map(|a| assignment_row(a, &definitions, &scopes)).collect()
}

async fn assign(pipeline: &Pipeline, name: &'static str, command: &Command) -> Result<Vec<Row>> {
    let role = text(command, "Role")?;
    let list = List::<Definition>::new(name, "roleDefinitions", Some(("displayName", role)));
    let mut definitions = pipeline.list(&list, MOST).await?;
    definitions.retain(|d| d.display_name.eq_ignore_ascii_case(role));
    let [definition] = definitions.as_slice() else {
        return Err(unclear(&format!("role {role}"), definitions.len()));
    };
    let mut known = Vec::new();
    let (directory, app_scope) = if let Ok(scope) = text(command, "CustomResourceScope") {
        known = scopes(pipeline, name, Some(scope)).await?;
        known.retain(|s| s.display_name.to_lowercase() == scope.to_lowercase());
        let [only] = known.as_slice() else {
            return Err(unclear(&format!("management scope {scope}"), known.len()));
        };
        (None, Some(only.id.clone()))
    } else if let Ok(group) = text(command, "RecipientGroupScope") {
        (Some(format!("/groups/{group}")), None)
    } else if let Ok(unit) = text(command, "RecipientAdministrativeUnitScope") {
        (Some(format!("/administrativeUnits/{unit}")), None)
    } else {
        (Some("/".to_owned()), None)
    };
    let body = json!({
        "principalId": format!("/ServicePrincipals/{}", text(command, "App")?),
        "roleDefinitionId": definition.id,
        "directoryScopeId": directory,
        "appScopeId": app_scope,
    });
    let made = pipeline.run(&Create { name, collection: "roleAssignments", body }).await?;
    let assignment: Assignment = serde_json::from_value(made)
        .map_err(|e| Error::unreadable("the new role assignment is unreadable").with_source(e))?;
    assignment_row(&assignment, &definitions, &known).map(|row| vec![row])
}

/// Nothing was written: it was not clear what.
fn unclear(what: &str, found: usize) -> Error {
    let kind = if found == 0 { ErrorKind::NotFound } else { ErrorKind::Conflict };
    Error::new(kind, format!("Graph knows {found} objects as {what}")).with_acted(Acted::No)
}

/// A scope whose definition cannot be seen stays unknown; it never becomes the whole organisation.
fn assignment_row(assignment: &Assignment, definitions: &[Definition], scopes: &[Scope]) -> Result<Row> {
    let app = assignment.principal_id.rsplit('/').next().unwrap_or_default();
    let role = definitions.iter().find(|d| d.id == assignment.role_definition_id);
    let mut row = Map::new();
    let mut set = |name: &str, text: &str| row.insert(name.to_owned(), Json::from(text));
    set("Name", &assignment.id);
    set("Role", role.map_or(assignment.role_definition_id.as_str(), |d| d.display_name.as_str()));
    set("App", app);
    set("RoleAssignee", app);
    match (&assignment.directory_scope_id, &assignment.app_scope_id) {
        (None, Some(id)) => {
            let scope = scopes.iter().find(|s| s.id == *id);
            set("CustomResourceScope", scope.map_or(id.as_str(), |s| s.display_name.as_str()))
        }
        (Some(scope), None) if scope == "/" => set("RecipientWriteScope", "Organization"),
        (Some(scope), None) => match scope.trim_start_matches('/').split_once('/') {
            Some(("groups", id)) => set("RecipientGroupScope", id),
            Some(("administrativeUnits", id)) => set("RecipientAdministrativeUnitScope", id),
            Some((kind, _)) => set("RecipientWriteScope", &format!("Graph {kind}")),
            None => set("RecipientWriteScope", &format!("Graph {scope}")),
        },
        _ => return Err(Error::unreadable("a role assignment names not exactly one scope")),
    };
    Ok(Row::new(row))
}

fn scope_row(scope: &Scope) -> Row {
    let mut row = Map::new();
    row.insert("Name".to_owned(), Json::from(scope.display_name.as_str()));
    for (theirs, ours) in [("RecipientFilter", "RecipientFilter"), ("Exclusive", "Exclusive")] {
        if let Some(value) = scope.custom_attributes.get(theirs) {
            row.insert(ours.to_owned(), value.clone());
        }
    }
    Row::new(row)
}
