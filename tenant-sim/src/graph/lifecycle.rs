//! Federated credentials, owners, app management policies, the recycle bin. Pages:
//! <https://learn.microsoft.com/graph/api/resources/federatedidentitycredential>,
//! <https://learn.microsoft.com/graph/api/resources/tenantappmanagementpolicy>,
//! <https://learn.microsoft.com/graph/api/directory-deleteditems-list>

use http::{Method, StatusCode};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Answer, Context,
    applications::{READ, View, find, find_for_write, last_id},
    error::GraphError,
    odata,
    request::GraphRequest,
};
use crate::{
    entra::x509::Certificate,
    json::At,
    server::reply,
    state::{FederatedCredential, KeyCredential, Timed},
};

/// Most federated credentials of one registration.
const MOST_FEDERATED: usize = 20;

/// `/applications/{id}/federatedIdentityCredentials…`
pub(crate) fn federated(context: &mut Context<'_>, request: &GraphRequest, names: &[&str]) -> Answer {
    match (&request.method, names) {
        (&Method::GET, [_, _, _]) => {
            context.need(&READ)?;
            let id = find(context, request.segment(1), View::Replicated)?.value.id;
            let items =
                context.state.directory.lifecycle.federated_of(id).map(|c| render(&c.value)).collect();
            odata::page(request, "federatedIdentityCredentials", items, odata::DIRECTORY, false)
        }
        (&Method::POST, [_, _, _]) => add(context, request),
        (&Method::PATCH, [_, _, _, _]) => {
            let id = find_for_write(context, request.segment(1))?.value.id;
            let (body, now, delay) = (request.json()?, context.now, context.state.propagation.certificate);
            let found = one(context, id, request.segment(3))?;
            let mut changed = found.value.clone();
            write(&mut changed, &body)?;
            // The old trust is gone at once, the new one has to travel.
            *found = Timed::new(changed, now, delay);
            Ok(reply::empty(StatusCode::NO_CONTENT))
        }
        (&Method::DELETE, [_, _, _, _]) => {
            let id = find_for_write(context, request.segment(1))?.value.id;
            let (now, delay) = (context.now, context.state.propagation.certificate);
            one(context, id, request.segment(3))?.delete(now, delay);
            Ok(reply::empty(StatusCode::NO_CONTENT))
        }
        _ => Err(GraphError::method()),
    }
}

fn one<'a>(
    context: &'a mut Context<'_>,
    application: Uuid,
    key: &str,
) -> Result<&'a mut Timed<FederatedCredential>, GraphError> {
    let rows = context.state.directory.lifecycle.federated.iter_mut();
    rows.filter(|(id, c)| *id == application && c.is_configured())
        .map(|(_, c)| c)
        .find(|c| c.value.name == key || c.value.id.to_string() == key)
        .ok_or_else(|| GraphError::not_found(key))
}

fn add(context: &mut Context<'_>, request: &GraphRequest) -> Answer {
    let id = find_for_write(context, request.segment(1))?.value.id;
    let body = request.json()?;
    let name = body.at("name").as_str().filter(|n| !n.is_empty() && n.len() <= 120);
    let name = name.ok_or_else(|| GraphError::invalid_property("name"))?.to_owned();
    let mut credential = FederatedCredential {
        id: context.new_id(),
        name,
        issuer: String::new(),
        subject: String::new(),
        audiences: Vec::new(),
        description: None,
    };
    write(&mut credential, &body)?;
    let known = &context.state.directory.lifecycle;
    let twin = |c: &Timed<FederatedCredential>| {
        c.value.name == credential.name
            || (c.value.issuer == credential.issuer && c.value.subject == credential.subject)
    };
    if known.federated_of(id).any(twin) {
        return Err(GraphError::conflict("name"));
    }
    if known.federated_of(id).count() >= MOST_FEDERATED {
        return Err(GraphError::bad_request(
            "The maximum number of federated identity credentials is reached.",
        ));
    }
    let item = render(&credential);
    let record = Timed::new(credential, context.now, context.state.propagation.certificate);
    context.state.directory.lifecycle.federated.push((id, record));
    Ok(reply::json(StatusCode::CREATED, &item))
}

fn write(credential: &mut FederatedCredential, body: &Value) -> Result<(), GraphError> {
    for (name, value) in body.as_object().into_iter().flatten() {
        let text = || value.as_str().map(str::to_owned).ok_or_else(|| GraphError::invalid_property(name));
        match name.as_str() {
            "name" if value.as_str() == Some(&credential.name) => {}
            "issuer" => credential.issuer = text()?,
            "subject" => credential.subject = text()?,
            "description" => credential.description = value.as_str().map(str::to_owned),
            "audiences" => {
                let list = value.as_array().map(Vec::as_slice).unwrap_or_default();
                credential.audiences = list.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            }
            annotation if annotation.starts_with('@') => {}
            _ => return Err(GraphError::invalid_property(name)),
        }
    }
    if credential.issuer.is_empty() || credential.subject.is_empty() || credential.audiences.len() != 1 {
        return Err(GraphError::invalid_property("audiences"));
    }
    Ok(())
}

fn render(c: &FederatedCredential) -> Value {
    json!({"id": c.id, "name": c.name, "issuer": c.issuer, "subject": c.subject, "audiences": c.audiences,
        "description": c.description})
}

/// `DELETE /applications/{id}/owners/{owner}/$ref`
pub(crate) fn remove_application_owner(context: &mut Context<'_>, request: &GraphRequest) -> Answer {
    let wanted = request.segment(3).parse::<Uuid>().map_err(|_| GraphError::not_found(request.segment(3)))?;
    let found = find_for_write(context, request.segment(1))?;
    let before = found.value.owners.len();
    found.value.owners.retain(|id| *id != wanted);
    if found.value.owners.len() == before {
        return Err(GraphError::not_found(request.segment(3)));
    }
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

/// `/servicePrincipals/{id}/owners…`, after the caller's rights to `id` were checked.
pub(crate) fn principal_owners(
    context: &mut Context<'_>,
    request: &GraphRequest,
    names: &[&str],
    id: Uuid,
) -> Answer {
    let owners = &mut context.state.directory.lifecycle.principal_owners;
    match (&request.method, names) {
        (&Method::GET, [_, _, _]) => {
            let items =
                owners.iter().filter(|(of, _)| *of == id).map(|(_, owner)| json!({"id": owner})).collect();
            odata::page(request, "directoryObjects", items, odata::DIRECTORY, false)
        }
        (&Method::POST, [_, _, _, "$ref"]) => {
            let body = request.json()?;
            let owner = body.at("@odata.id").as_str().and_then(last_id);
            let row = (id, owner.ok_or_else(|| GraphError::invalid_property("@odata.id"))?);
            if owners.contains(&row) {
                return Err(GraphError::bad_request(
                    "One or more added object references already exist for the following modified properties: 'owners'.",
                ));
            }
            owners.push(row);
            Ok(reply::empty(StatusCode::NO_CONTENT))
        }
        (&Method::DELETE, [_, _, _, owner, "$ref"]) => {
            let before = owners.len();
            owners.retain(|(of, listed)| !(*of == id && listed.to_string() == *owner));
            if owners.len() == before {
                Err(GraphError::not_found(owner))
            } else {
                Ok(reply::empty(StatusCode::NO_CONTENT))
            }
        }
        _ => Err(GraphError::method()),
    }
}

/// `/policies/…`
pub(crate) fn policies(context: &mut Context<'_>, request: &GraphRequest, names: &[&str]) -> Answer {
    context.need(&["Policy.Read.All", "Policy.Read.ApplicationConfiguration"])?;
    let lifecycle = &context.state.directory.lifecycle;
    match (&request.method, names) {
        (&Method::GET, [_, "defaultappmanagementpolicy"]) => Ok(odata::object(
            request,
            "policies/defaultAppManagementPolicy",
            lifecycle.default_policy.clone(),
            false,
        )),
        (&Method::GET, [_, "appmanagementpolicies"]) => {
            let items = lifecycle.app_policies.iter().map(|(_, p)| p.clone()).collect();
            odata::page(request, "policies/appManagementPolicies", items, odata::DIRECTORY, false)
        }
        _ => Err(GraphError::no_segment(&request.path)),
    }
}

/// `/applications/{id}/appManagementPolicies`
pub(crate) fn application_policies(context: &Context<'_>, request: &GraphRequest) -> Answer {
    context.need(&["Policy.Read.All", "Policy.Read.ApplicationConfiguration"])?;
    let id = find(context, request.segment(1), View::Replicated)?.value.id;
    let all = &context.state.directory.lifecycle.app_policies;
    let items = all.iter().filter(|(of, _)| *of == id).map(|(_, p)| p.clone()).collect();
    odata::page(request, "appManagementPolicies", items, odata::DIRECTORY, false)
}

/// Refuses a secret that the tenant's policies do not allow.
pub(crate) fn check_secret(
    context: &Context<'_>,
    application: Uuid,
    created: Timestamp,
    life: SignedDuration,
) -> Result<(), GraphError> {
    let kinds = ["passwordAddition", "passwordLifetime"];
    check_credential(context, application, created, ("passwordCredentials", kinds), (true, life))
}

/// Refuses a certificate that the tenant's policies do not allow: one that lives too long, and one that vouches for itself
/// where only those of trusted authorities are taken. Which authorities those are, is not simulated.
pub(crate) fn check_certificate(
    context: &Context<'_>,
    application: Uuid,
    created: Timestamp,
    key: &KeyCredential,
) -> Result<(), GraphError> {
    let own = Certificate::parse(&key.certificate).is_some_and(|c| c.issuer == c.subject);
    let kinds = ["trustedCertificateAuthority", "asymmetricKeyLifetime"];
    let life = key.end.duration_since(key.start);
    check_credential(context, application, created, ("keyCredentials", kinds), (own, life))
}

/// The first restriction forbids what it concerns, the second one limits its life.
fn check_credential(
    context: &Context<'_>,
    application: Uuid,
    created: Timestamp,
    (on, [addition, lifetime]): (&str, [&str; 2]),
    (concerned, life): (bool, SignedDuration),
) -> Result<(), GraphError> {
    let lifecycle = &context.state.directory.lifecycle;
    if concerned && lifecycle.restriction(application, on, addition, created).is_some() {
        return Err(refusal(
            "CredentialTypeNotAllowedAsPerAppPolicy",
            "Credential type not allowed as per assigned policy.",
        ));
    }
    let longest = lifecycle
        .restriction(application, on, lifetime, created)
        .and_then(|r| r.at("maxLifetime").as_str()?.parse::<jiff::Span>().ok())
        .and_then(|span| context.now.to_zoned(TimeZone::UTC).checked_add(span).ok())
        .map(|end| end.timestamp().duration_since(context.now));
    match longest {
        Some(longest) if life > longest => Err(refusal(
            "CredentialInvalidLifetimeAsPerAppPolicy",
            "Credential lifetime exceeds the max value allowed as per assigned policy.",
        )),
        _ => Ok(()),
    }
}

/// Refuses an audience that the tenant's policy does not allow.
pub(crate) fn check_audience(context: &Context<'_>, audience: &str) -> Result<(), GraphError> {
    if audience == "AzureADMultipleOrgs"
        && context.state.directory.lifecycle.forbids_multi_tenant(context.now)
    {
        return Err(refusal(
            "SignInAudienceNotAllowedAsPerAppPolicy",
            "Sign-in audience not allowed as per assigned policy.",
        ));
    }
    Ok(())
}

fn refusal(code: &str, message: &str) -> GraphError {
    GraphError::new(StatusCode::BAD_REQUEST, code, message)
}

/// `/directory/deletedItems…`
pub(crate) fn deleted_items(context: &mut Context<'_>, request: &GraphRequest, names: &[&str]) -> Answer {
    let in_bin = |context: &Context<'_>| -> Vec<Value> {
        let purged = &context.state.directory.lifecycle.purged;
        let deleted = context
            .state
            .directory
            .applications
            .iter()
            .filter(|a| !a.is_configured() && !purged.contains(&a.value.id));
        deleted
            .map(|a| {
                json!({"id": a.value.id, "appId": a.value.app_id, "uniqueName": a.value.unique_name,
                    "displayName": a.value.display_name, "deletedDateTime": a.deleted.map(|at| at.to_string())})
            })
            .collect()
    };
    match (&request.method, names) {
        (&Method::GET, [_, _, "microsoft.graph.application"]) => {
            context.need(&READ)?;
            odata::page(request, "directoryObjects", in_bin(context), odata::DIRECTORY, false)
        }
        (&Method::DELETE, [_, _, _]) | (&Method::POST, [_, _, _, "restore"]) => {
            context.need(&["Application.ReadWrite.OwnedBy", "Application.ReadWrite.All"])?;
            let wanted = request.segment(2);
            let item = in_bin(context)
                .into_iter()
                .find(|a| a.at("id") == wanted)
                .ok_or_else(|| GraphError::not_found(wanted))?;
            let id: Uuid = wanted.parse().map_err(|_| GraphError::not_found(wanted))?;
            let (now, delay) = (context.now, context.state.propagation.application);
            let directory = &mut context.state.directory;
            let Some(found) = directory.applications.iter_mut().find(|a| a.value.id == id) else {
                return Err(GraphError::not_found(wanted));
            };
            if !context.caller.has_role("Application.ReadWrite.All")
                && !found.value.owners.contains(&context.caller.object_id)
            {
                return Err(GraphError::denied());
            }
            if request.method == Method::DELETE {
                directory.lifecycle.purged.push(id);
                return Ok(reply::empty(StatusCode::NO_CONTENT));
            }
            let created = found.created;
            *found = Timed { created, ..Timed::new(found.value.clone(), now, delay) };
            Ok(reply::json(StatusCode::OK, &item))
        }
        _ => Err(GraphError::method()),
    }
}
