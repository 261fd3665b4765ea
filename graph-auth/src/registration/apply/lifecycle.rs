//! Owners, federated credentials, redirect addresses, and what a person switched off or deleted.

use std::time::Duration;

use m365_core::{ApplicationObjectId, Error, ErrorKind, Result};

use super::{Apply, Settled, StepOutcome, not_ready};
use crate::convergence::{Call, is_not_served};
use crate::directory::{
    AddFederatedCredential, AddOwner, Application, ApplicationSettings, FederatedIdentityCredential,
    GetApplication, GetServicePrincipal, ListFederatedCredentials, ListOwners, ListedOwner, OwnedObject,
    Owner, RemoveFederatedCredential, RemoveOwner, RestoreApplication, UpdateApplication,
    UpdateFederatedCredential, UpdateServicePrincipal, WebSettings,
};
use crate::registration::state::{MOST_ROWS, absent};
use crate::registration::{FederatedCredential, Owned};

impl Apply<'_> {
    /// As with declared permissions, the list is written as a whole: what is read afterwards decides.
    pub(super) async fn add_redirect_uris(&mut self, add: &[String]) -> Result<StepOutcome> {
        const TRIES: u32 = 4;
        let mut outcome = StepOutcome::AlreadyThere;
        for _ in 0..TRIES {
            let application = self.reread().await?;
            let mut web: WebSettings = application.web.clone().unwrap_or_default();
            // A view of the same addresses, which Graph derives itself.
            web.other.remove("redirectUriSettings");
            let missing: Vec<String> =
                add.iter().filter(|uri| !web.redirect_uris.contains(uri)).cloned().collect();
            if missing.is_empty() {
                return Ok(outcome);
            }
            outcome = StepOutcome::Applied;
            web.redirect_uris.extend(missing);
            let settings = ApplicationSettings { web: Some(web), ..ApplicationSettings::default() };
            let update = UpdateApplication { id: application.id, settings };
            self.converge(Call::Change, &update, self.is_new()).await?;
            let (pipeline, get) = (self.pipeline, GetApplication::by_object_id(application.id));
            let has = |a: &Application| {
                let there = a.web.as_ref().map(|w| &*w.redirect_uris).unwrap_or_default();
                add.iter().all(|uri| there.contains(uri))
            };
            let read = async || Ok(absent(pipeline.run(&get).await)?.filter(|a| has(a)));
            let patient = self.convergence.within(Duration::from_secs(60));
            if let Some(read) =
                patient.confirm("the addresses to be readable", self.few_readings(), read).await?
            {
                self.state.application = Some(read);
                return Ok(outcome);
            }
        }
        Err(not_ready("the addresses were written and are not read back"))
    }

    pub(super) async fn set_federated(&mut self, credential: &FederatedCredential) -> Result<StepOutcome> {
        let application = self.application()?.id;
        let listed = self.list_federated(application).await?;
        let add =
            AddFederatedCredential { application, name: credential.name.clone(), trust: credential.trust() };
        let mut found = listed.into_iter().find(|listed| listed.name == credential.name);
        if found.is_none() {
            match self.converge(Call::Change, &add, self.is_new()).await {
                Ok(_) => {
                    self.confirm_federated(application, credential).await?;
                    return Ok(StepOutcome::Applied);
                }
                // Somebody was faster, or an answer was lost: what is there decides.
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    let listed = self.settled_federated(application, credential).await?;
                    found = listed.into_iter().find(|listed| listed.name == credential.name);
                    if found.is_none() {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        let Some(found) = found else { return Err(not_ready("the federated credential cannot be read yet")) };
        if credential.matches(&found) {
            self.confirm_federated(application, credential).await?;
            return Ok(StepOutcome::AlreadyThere);
        }
        let update = UpdateFederatedCredential { application, id: found.id, trust: credential.trust() };
        self.converge(Call::Change, &update, self.is_new()).await?;
        self.confirm_federated(application, credential).await?;
        Ok(StepOutcome::Applied)
    }

    pub(super) async fn remove_federated(&mut self, name: &str) -> Result<StepOutcome> {
        let application = self.application()?.id;
        let listed = self.list_federated(application).await?;
        let known = self.state.federated.as_ref().is_some_and(|list| list.iter().any(|c| c.name == name));
        if !known && !listed.iter().any(|c| c.name == name) {
            return Ok(StepOutcome::AlreadyThere);
        }
        let remove = RemoveFederatedCredential { application, name: name.to_owned() };
        let pipeline = self.pipeline;
        let read = async || {
            let list = absent(pipeline.list(&ListFederatedCredentials { application }, MOST_ROWS).await)?;
            Ok(list.filter(|list| !list.iter().any(|c| c.name == name)))
        };
        let (outcome, left) =
            self.remove_until_gone(&remove, "the federated credential to be gone", read).await?;
        self.state.federated = Some(left);
        Ok(outcome)
    }

    pub(super) async fn add_owner(&mut self, of: Owned, owner: Owner) -> Result<StepOutcome> {
        let object = self.owned(of)?;
        let there = |list: &[ListedOwner]| list.iter().any(|listed| owner.is(listed));
        if there(&self.list_owners(object).await?) {
            self.keep_owners(of, object, there).await?;
            return Ok(StepOutcome::AlreadyThere);
        }
        let outcome = match self.converge(Call::Change, &AddOwner { of: object, owner }, self.is_new()).await
        {
            Ok(_) => StepOutcome::Applied,
            // That somebody owns it already has no code of its own.
            Err(error) if is_not_served(&error) || error.kind() == ErrorKind::Conflict => {
                if there(&self.list_owners(object).await?) {
                    StepOutcome::AlreadyThere
                } else {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        };
        self.keep_owners(of, object, there).await?;
        Ok(outcome)
    }

    pub(super) async fn remove_owner(&mut self, of: Owned, owner: Owner) -> Result<StepOutcome> {
        let object = self.owned(of)?;
        let listed = self.list_owners(object).await?;
        if !listed.iter().any(|listed| owner.is(listed)) {
            return Ok(StepOutcome::AlreadyThere);
        }
        // Read at the last moment: another run may have removed the others meanwhile.
        if listed.len() < 2 {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("{owner} is the last owner and was kept: name another one first"),
            ));
        }
        let pipeline = self.pipeline;
        let read = async || {
            let list = absent(pipeline.list(&ListOwners { of: object }, MOST_ROWS).await)?;
            Ok(list.filter(|list| !list.iter().any(|listed| owner.is(listed))))
        };
        let remove = RemoveOwner { of: object, owner };
        let (outcome, left) = self.remove_until_gone(&remove, "the owner to be gone", read).await?;
        self.set_owners(of, left);
        Ok(outcome)
    }

    pub(super) async fn enable_principal(&mut self) -> Result<StepOutcome> {
        let (id, client_id) = (self.principal()?, self.client_id()?);
        let get = GetServicePrincipal { client_id };
        if self.state.service_principal.as_ref().is_some_and(|p| p.account_enabled == Some(true)) {
            return Ok(StepOutcome::AlreadyThere);
        }
        self.converge(Call::Change, &UpdateServicePrincipal { id, account_enabled: true }, self.is_new())
            .await?;
        if let Some(read) = self.confirm_principal(&get, |p| p.account_enabled != Some(false)).await? {
            self.state.service_principal = Some(read);
        }
        Ok(StepOutcome::Applied)
    }

    pub(super) async fn restore(&mut self, id: ApplicationObjectId) -> Result<StepOutcome> {
        let mut outcome = StepOutcome::Applied;
        match self.converge(Call::Change, &RestoreApplication { id }, false).await {
            Ok(_) => {}
            // Not in the bin any more: restored already, or gone for good. What is there decides.
            Err(error) if error.kind() == ErrorKind::NotFound && error.service_code().is_some() => {
                let get = GetApplication::by_object_id(id);
                if absent(self.pipeline.run(&get).await)?.is_none() {
                    return Err(error);
                }
                outcome = StepOutcome::AlreadyThere;
            }
            Err(error) => return Err(error),
        }
        // Restored a moment ago is as good as created a moment ago: replicas lag.
        self.state.created = true;
        let read = self.confirm_application(id, |_| true).await?;
        let read = read.ok_or_else(|| not_ready("the application was restored and cannot be read yet"))?;
        let client_id = read.client_id;
        self.state.application = Some(read);
        self.state.deleted = None;
        self.state.service_principal = absent(self.pipeline.run(&GetServicePrincipal { client_id }).await)?;
        self.state.read_grants(self.pipeline, self.convergence).await?;
        Ok(outcome)
    }

    fn client_id(&self) -> Result<m365_core::ClientId> {
        let principal = self.state.service_principal.as_ref().map(|p| p.client_id);
        principal
            .or(self.state.client_id())
            .ok_or_else(|| Error::invalid("the step needs the application first"))
    }

    fn owned(&self, of: Owned) -> Result<OwnedObject> {
        Ok(match of {
            Owned::Application => OwnedObject::Application(self.application()?.id),
            Owned::ServicePrincipal => OwnedObject::ServicePrincipal(self.principal()?),
        })
    }

    async fn list_owners(&self, of: OwnedObject) -> Result<Vec<ListedOwner>> {
        let young = self.is_new();
        crate::registration::state::list_young(self.pipeline, self.convergence, young, &ListOwners { of })
            .await
    }

    async fn keep_owners(
        &mut self,
        of: Owned,
        object: OwnedObject,
        good: impl Fn(&[ListedOwner]) -> bool + Send + Sync,
    ) -> Result<()> {
        let (pipeline, good) = (self.pipeline, &good);
        let read = async || {
            let list = absent(pipeline.list(&ListOwners { of: object }, MOST_ROWS).await)?;
            Ok(list.filter(|list| good(list)))
        };
        match self.convergence.confirm("the owner to be readable", self.few_readings(), read).await? {
            Some(list) => self.set_owners(of, list),
            None => return Err(not_ready("the owner was added and cannot be read yet")),
        }
        Ok(())
    }

    fn set_owners(&mut self, of: Owned, list: Vec<ListedOwner>) {
        match of {
            Owned::Application => self.state.owners = Some(list),
            Owned::ServicePrincipal => self.state.principal_owners = Some(list),
        }
    }

    async fn list_federated(
        &self,
        application: ApplicationObjectId,
    ) -> Result<Vec<FederatedIdentityCredential>> {
        let young = self.is_new();
        let list = ListFederatedCredentials { application };
        crate::registration::state::list_young(self.pipeline, self.convergence, young, &list).await
    }

    /// Waits until a credential of this name, or of its issuer and subject, shows.
    async fn settled_federated(
        &self,
        application: ApplicationObjectId,
        credential: &FederatedCredential,
    ) -> Result<Vec<FederatedIdentityCredential>> {
        let pipeline = self.pipeline;
        let read = async || {
            let list = absent(pipeline.list(&ListFederatedCredentials { application }, MOST_ROWS).await)?;
            Ok(list.filter(|list| list.iter().any(|c| c.name == credential.name || credential.trusts_as(c))))
        };
        let what = "the federated credential that is said to exist";
        Ok(self.convergence.confirm(what, self.few_readings(), read).await?.unwrap_or_default())
    }

    async fn confirm_federated(
        &mut self,
        application: ApplicationObjectId,
        credential: &FederatedCredential,
    ) -> Result<()> {
        let pipeline = self.pipeline;
        let good = |c: &FederatedIdentityCredential| c.name == credential.name && credential.matches(c);
        let read = async || {
            let list = absent(pipeline.list(&ListFederatedCredentials { application }, MOST_ROWS).await)?;
            Ok(list.filter(|list| list.iter().any(good)))
        };
        match self
            .convergence
            .confirm("the federated credential to be readable", self.few_readings(), read)
            .await?
        {
            Some(list) => {
                self.state.federated = Some(list);
                Ok(())
            }
            None => Err(not_ready("the federated credential was written and cannot be read yet")),
        }
    }

    /// Removes and reads until it is gone. A 404 alone does not prove that: of something young it may be a replica's that
    /// has not heard of it.
    pub(super) async fn remove_until_gone<O, T, F>(
        &self,
        remove: &O,
        what: &str,
        read: impl Fn() -> F + Send + Sync,
    ) -> Result<(StepOutcome, T)>
    where
        O: m365_core::Operation<Output = ()>,
        T: Send,
        F: Future<Output = Result<Option<T>>> + Send,
    {
        let mut patience = self.convergence.patience(what);
        let mut outcome = StepOutcome::AlreadyThere;
        loop {
            let answered = self.converge(Call::Remove, remove, self.is_new()).await?;
            let removed = matches!(answered, Settled::Answer(()));
            if removed {
                outcome = StepOutcome::Applied;
                if let Some(left) = self.convergence.confirm(what, self.few_readings(), &read).await? {
                    return Ok((outcome, left));
                }
                return Err(not_ready("it was removed and can still be read"));
            }
            // Nothing to remove, as far as that replica knows.
            let mut gone = None;
            for _ in 0..self.few_readings() {
                gone = read().await?;
                if gone.is_none() {
                    break;
                }
            }
            if let Some(left) = gone {
                return Ok((outcome, left));
            }
            if !patience.wait("it is said to be gone and can still be read", None).await {
                return Err(not_ready("it is said to be gone and can still be read"));
            }
        }
    }
}
