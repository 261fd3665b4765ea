//! App registrations. Pages: <https://learn.microsoft.com/graph/api/resources/application>,
//! <https://learn.microsoft.com/graph/api/application-upsert>

use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    Answer, Context, context_url, credentials,
    error::GraphError,
    lifecycle, odata, own_keys, preferences,
    request::{GraphRequest, Key},
};
use crate::{
    json::At,
    server::reply,
    state::{Application, RequiredResource, ResourceAccess, Timed},
};

/// Any of these reads applications and service principals.
pub(crate) const READ: [&str; 5] = [
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Application.ReadWrite.OwnedBy",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
pub(crate) const WRITE_OWN: &str = "Application.ReadWrite.OwnedBy";
pub(crate) const WRITE_ALL: &str = "Application.ReadWrite.All";

/// Everything under `/applications`.
pub(crate) fn route(context: &mut Context<'_>, request: &GraphRequest, names: &[&str]) -> Answer {
    match (&request.method, names) {
        (&Method::GET, [_]) => list(context, request),
        (&Method::POST, [_]) => create(context, request, None),
        (&Method::GET, [_, _]) => {
            context.need(&READ)?;
            let found = find(context, request.segment(1), View::Replicated)?;
            let item = render(context, found, request);
            Ok(odata::object(request, "applications", item, false))
        }
        (&Method::PATCH, [_, _]) => update(context, request),
        (&Method::DELETE, [_, _]) => delete(context, request),
        (&Method::POST, [_, _, "addpassword"]) => credentials::add_password(context, request),
        (&Method::POST, [_, _, "removepassword"]) => credentials::remove_password(context, request),
        (&Method::POST, [_, _, "addkey"]) => own_keys::add_key(context, request),
        (&Method::POST, [_, _, "removekey"]) => own_keys::remove_key(context, request),
        (&Method::GET, [_, _, "owners"]) => {
            context.need(&READ)?;
            let owners = find(context, request.segment(1), View::Replicated)?.value.owners.clone();
            let items = owners.into_iter().map(|id| json!({"id": id})).collect();
            odata::page(request, "directoryObjects", items, odata::DIRECTORY, false)
        }
        (&Method::POST, [_, _, "owners", "$ref"]) => add_owner(context, request),
        (&Method::DELETE, [_, _, "owners", _, "$ref"]) => {
            lifecycle::remove_application_owner(context, request)
        }
        (_, [_, _, "federatedidentitycredentials", ..]) => lifecycle::federated(context, request, names),
        (&Method::GET, [_, _, "appmanagementpolicies"]) => lifecycle::application_policies(context, request),
        (_, [_] | [_, _]) => Err(GraphError::method()),
        _ => Err(GraphError::no_segment(&request.path)),
    }
}

/// Which replica answers.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum View {
    /// The one that took the write: alternate keys are looked up there.
    Written,
    /// Any other: a fresh object is missing for a while.
    Replicated,
}

/// The registration that the key names.
pub(crate) fn find<'a>(
    context: &'a Context<'_>,
    key: &str,
    view: View,
) -> Result<&'a Timed<Application>, GraphError> {
    let wanted = Key::read(key);
    context
        .state
        .directory
        .applications
        .iter()
        .filter(|a| a.is_configured() && (view == View::Written || a.is_effective(context.now)))
        .find(|a| names(&wanted, &a.value))
        .ok_or_else(|| GraphError::not_found(key))
}

/// The same for a change, after the caller's right to change it has been checked.
pub(crate) fn find_for_write<'a>(
    context: &'a mut Context<'_>,
    key: &str,
) -> Result<&'a mut Timed<Application>, GraphError> {
    context.need(&[WRITE_OWN, WRITE_ALL])?;
    let (now, caller) = (context.now, context.caller);
    let wanted = Key::read(key);
    let found = context
        .state
        .directory
        .applications
        .iter_mut()
        .filter(|a| a.is_configured() && a.is_effective(now))
        .find(|a| names(&wanted, &a.value))
        .ok_or_else(|| GraphError::not_found(key))?;
    if caller.has_role(WRITE_ALL) || found.value.owners.contains(&caller.object_id) {
        Ok(found)
    } else {
        Err(GraphError::denied())
    }
}

pub(crate) fn names(key: &Key, application: &Application) -> bool {
    match key {
        Key::Id(id) => application.id == *id,
        Key::AppId(id) => application.app_id == *id,
        Key::UniqueName(name) => application.unique_name.as_deref() == Some(name),
        Key::Nothing => false,
    }
}

fn list(context: &Context<'_>, request: &GraphRequest) -> Answer {
    context.need(&READ)?;
    let items = context
        .state
        .directory
        .applications
        .iter()
        .filter(|a| a.is_configured() && a.is_effective(context.now))
        .map(|a| render(context, a, request))
        .collect();
    odata::page(request, "applications", items, odata::DIRECTORY, false)
}

fn create(context: &mut Context<'_>, request: &GraphRequest, unique_name: Option<String>) -> Answer {
    context.need(&[WRITE_OWN, WRITE_ALL])?;
    let body = request.json()?;
    let mut application = Application {
        id: context.new_id(),
        app_id: context.new_id(),
        unique_name,
        display_name: String::new(),
        sign_in_audience: "AzureADandPersonalMicrosoftAccount".to_owned(),
        required_resource_access: Vec::new(),
        passwords: Vec::new(),
        keys: Vec::new(),
        // An app-only caller owns what it creates.
        owners: vec![context.caller.object_id],
        notes: None,
        tags: Vec::new(),
    };
    if body.at("displayName").as_str().is_none_or(str::is_empty) {
        return Err(GraphError::bad_request(
            "A value is required for property 'displayName' of resource 'Application'.",
        ));
    }
    if let Some(name) = body.at("uniqueName").as_str() {
        application.unique_name.get_or_insert_with(|| name.to_owned());
    }
    let taken = |a: &&Timed<Application>| a.is_configured() && a.value.unique_name == application.unique_name;
    if application.unique_name.is_some() && context.state.directory.applications.iter().any(|a| taken(&a)) {
        return Err(GraphError::conflict("uniqueName"));
    }
    apply(context, &mut application, &body)?;
    let record = Timed::new(application, context.now, context.state.propagation.application);
    let mut item = render(context, &record, request);
    context.state.directory.applications.push(record);
    if let Some(map) = item.as_object_mut() {
        map.insert("@odata.context".to_owned(), context_url(request, "applications/$entity"));
    }
    Ok(reply::json(StatusCode::CREATED, &item))
}

/// PATCH, and with an alternate key and `Prefer: create-if-missing` the upsert.
fn update(context: &mut Context<'_>, request: &GraphRequest) -> Answer {
    context.need(&[WRITE_OWN, WRITE_ALL])?;
    let key = request.segment(1);
    let body = request.json()?;
    let upsert = preferences(&request.headers).iter().any(|p| p == "create-if-missing");
    let (view, unique_name) = match Key::read(key) {
        // The alternate key is looked up where it was written: a second upsert never makes a second registration.
        Key::UniqueName(name) => (View::Written, Some(name)),
        _ => (View::Replicated, None),
    };
    let mut changed = match find(context, key, view) {
        Ok(found) => found.value.clone(),
        Err(_) if upsert && unique_name.is_some() => return create(context, request, unique_name),
        Err(error) => return Err(error),
    };
    if upsert && body.at("displayName").as_str().is_none_or(str::is_empty) {
        return Err(GraphError::bad_request(
            "A value is required for property 'displayName' of resource 'Application'.",
        ));
    }
    if !context.caller.has_role(WRITE_ALL) && !changed.owners.contains(&context.caller.object_id) {
        return Err(GraphError::denied());
    }
    apply(context, &mut changed, &body)?;
    if let Some(found) = context.state.directory.applications.iter_mut().find(|a| a.value.id == changed.id) {
        found.value = changed;
    }
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// Writes the properties of a body into a registration; arrays are replaced.
fn apply(context: &mut Context<'_>, application: &mut Application, body: &Value) -> Result<(), GraphError> {
    for (name, value) in body.as_object().into_iter().flatten() {
        let text = || value.as_str().map(str::to_owned).ok_or_else(|| GraphError::invalid_property(name));
        match name.as_str() {
            "displayName" => application.display_name = text()?,
            "signInAudience" => {
                application.sign_in_audience = text()?;
                let known = [
                    "AzureADMyOrg",
                    "AzureADMultipleOrgs",
                    "AzureADandPersonalMicrosoftAccount",
                    "PersonalMicrosoftAccount",
                ];
                if !known.contains(&application.sign_in_audience.as_str()) {
                    return Err(GraphError::invalid_property(name));
                }
                lifecycle::check_audience(context, &application.sign_in_audience)?;
            }
            "uniqueName" => {
                if application.unique_name.as_deref().is_some_and(|old| value.as_str() != Some(old)) {
                    return Err(GraphError::bad_request(
                        "Property uniqueName is read-only and cannot be set.",
                    ));
                }
                application.unique_name = Some(text()?);
            }
            "notes" => application.notes = value.as_str().map(str::to_owned),
            "tags" => {
                application.tags = value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect();
            }
            "requiredResourceAccess" => {
                application.required_resource_access =
                    required(value).ok_or_else(|| GraphError::invalid_property(name))?;
            }
            "web" => {
                let uris = value.at("redirectUris").as_array().map(Vec::as_slice).unwrap_or_default();
                let uris = uris.iter().filter_map(Value::as_str).map(str::to_owned).collect();
                let all = &mut context.state.directory.lifecycle.redirect_uris;
                all.retain(|(id, _)| *id != application.id);
                all.push((application.id, uris));
            }
            "keyCredentials" => credentials::replace_keys(context, application, value)?,
            "passwordCredentials" => {
                return Err(GraphError::bad_request(
                    "Updates to 'passwordCredentials' are not allowed; use addPassword and removePassword.",
                ));
            }
            "owners@odata.bind" => {
                let ids =
                    value.as_array().into_iter().flatten().filter_map(Value::as_str).filter_map(last_id);
                for id in ids {
                    if !application.owners.contains(&id) {
                        application.owners.push(id);
                    }
                }
            }
            annotation if annotation.starts_with('@') => {}
            _ => return Err(GraphError::invalid_property(name)),
        }
    }
    Ok(())
}

fn required(value: &Value) -> Option<Vec<RequiredResource>> {
    value
        .as_array()?
        .iter()
        .map(|resource| {
            let access = resource
                .at("resourceAccess")
                .as_array()?
                .iter()
                .map(|a| {
                    let kind = a.at("type").as_str().filter(|k| ["Role", "Scope"].contains(k))?.to_owned();
                    Some(ResourceAccess { id: a.at("id").as_str()?.parse().ok()?, kind })
                })
                .collect::<Option<_>>()?;
            Some(RequiredResource {
                resource_app_id: resource.at("resourceAppId").as_str()?.parse().ok()?,
                access,
            })
        })
        .collect()
}

/// Object id at the end of a reference, `…/directoryObjects/{id}` or `…/directoryObjects('{id}')`.
pub(crate) fn last_id(reference: &str) -> Option<Uuid> {
    reference.rsplit(['/', '(']).next()?.trim_matches(['\'', ')']).parse().ok()
}

fn add_owner(context: &mut Context<'_>, request: &GraphRequest) -> Answer {
    let body = request.json()?;
    let owner = body.at("@odata.id").as_str().and_then(last_id);
    let owner = owner.ok_or_else(|| GraphError::invalid_property("@odata.id"))?;
    let found = find_for_write(context, request.segment(1))?;
    if found.value.owners.contains(&owner) {
        return Err(GraphError::bad_request(
            "One or more added object references already exist for the following modified properties: 'owners'.",
        ));
    }
    found.value.owners.push(owner);
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// Deletes the registration, its service principal and its grants; Exchange's pointer and role assignments go too,
/// scopes, groups and access policies stay behind.
fn delete(context: &mut Context<'_>, request: &GraphRequest) -> Answer {
    let now = context.now;
    let app_id = {
        let found = find_for_write(context, request.segment(1))?;
        found.delete(now, jiff::SignedDuration::ZERO);
        found.value.app_id
    };
    super::service_principals::forget(context, |sp| sp.app_id == app_id);
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

fn render(context: &Context<'_>, record: &Timed<Application>, request: &GraphRequest) -> Value {
    let a = &record.value;
    let required: Vec<Value> = a
        .required_resource_access
        .iter()
        .map(|r| {
            let access: Vec<Value> = r.access.iter().map(|x| json!({"id": x.id, "type": x.kind})).collect();
            json!({"resourceAppId": r.resource_app_id, "resourceAccess": access})
        })
        .collect();
    let mut item = Map::new();
    let mut put = |name: &str, value: Value| item.insert(name.to_owned(), value);
    put("id", json!(a.id));
    put("deletedDateTime", Value::Null);
    put("appId", json!(a.app_id));
    put("uniqueName", json!(a.unique_name));
    put("displayName", json!(a.display_name));
    put("createdDateTime", json!(record.created.to_string()));
    put("signInAudience", json!(a.sign_in_audience));
    put("publisherDomain", json!(context.state.domains.first()));
    put("web", json!({"redirectUris": context.state.directory.lifecycle.redirect_uris_of(a.id)}));
    put(
        "verifiedPublisher",
        json!({"displayName": null, "verifiedPublisherId": null, "addedDateTime": null}),
    );
    put("identifierUris", json!([]));
    put("notes", json!(a.notes));
    put("tags", json!(a.tags));
    put("requiredResourceAccess", Value::Array(required));
    put("passwordCredentials", credentials::render_passwords(context, a));
    put("keyCredentials", credentials::render_keys(context, a, request));
    Value::Object(item)
}
