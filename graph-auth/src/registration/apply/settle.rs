//! Calls and readings that wait for replication.

use m365_core::{ApplicationObjectId, Error, Operation, Result, ServicePrincipalObjectId};

use super::Apply;
use crate::Api;
use crate::convergence::{Call, Settled};
use crate::directory::{
    AppRoleAssignment, Application, GetApplication, GetServicePrincipal, ListAppRoleAssignments,
    ServicePrincipal,
};
use crate::registration::state::{MOST_ROWS, absent};

impl Apply<'_> {
    pub(super) fn keep(&mut self, read: Option<Application>, otherwise: impl FnOnce(&mut Application)) {
        match (read, &mut self.state.application) {
            (Some(read), slot) => *slot = Some(read),
            (None, Some(application)) => otherwise(application),
            (None, None) => {}
        }
    }

    /// The application as it is now.
    pub(super) async fn reread(&mut self) -> Result<Application> {
        let id = self.application()?.id;
        match self.converge(Call::Change, &GetApplication::by_object_id(id), self.is_new()).await? {
            Settled::Answer(application) => {
                self.state.application = Some(application.clone());
                Ok(application)
            }
            Settled::Done => self.application().cloned(),
        }
    }

    pub(super) async fn confirm_application(
        &self,
        id: ApplicationObjectId,
        good: impl Fn(&Application) -> bool + Send + Sync,
    ) -> Result<Option<Application>> {
        self.confirm_read(
            &GetApplication::by_object_id(id),
            "the application to be readable",
            self.few_readings(),
            good,
        )
        .await
    }

    pub(super) async fn confirm_secrets(
        &self,
        id: ApplicationObjectId,
        good: impl Fn(&Application) -> bool + Send + Sync,
    ) -> Result<Option<Application>> {
        let readings = self.convergence.confirmations();
        self.confirm_read(&GetApplication::by_object_id(id), "the list of secrets to settle", readings, good)
            .await
    }

    pub(super) async fn confirm_principal(
        &self,
        get: &GetServicePrincipal,
        good: impl Fn(&ServicePrincipal) -> bool + Send + Sync,
    ) -> Result<Option<ServicePrincipal>> {
        self.confirm_read(get, "the service principal to be readable", self.few_readings(), good).await
    }

    pub(super) async fn confirm_read<O: Operation>(
        &self,
        operation: &O,
        what: &str,
        readings: u32,
        good: impl Fn(&O::Output) -> bool + Send + Sync,
    ) -> Result<Option<O::Output>> {
        let (pipeline, good) = (self.pipeline, &good);
        let read = async || Ok(absent(pipeline.run(operation).await)?.filter(|value| good(value)));
        self.convergence.confirm(what, readings, read).await
    }

    pub(super) async fn confirm_assignments(
        &mut self,
        principal: ServicePrincipalObjectId,
        what: &str,
        good: impl Fn(&[AppRoleAssignment]) -> bool + Send + Sync,
    ) -> Result<bool> {
        let (pipeline, good) = (self.pipeline, &good);
        let read = async || {
            let list = absent(pipeline.list(&ListAppRoleAssignments { principal }, MOST_ROWS).await)?;
            Ok(list.filter(|list| good(list)))
        };
        let read = self.convergence.confirm(what, self.few_readings(), read).await?;
        let confirmed = read.is_some();
        if let Some(list) = read {
            self.state.assignments = list;
        }
        Ok(confirmed)
    }

    pub(super) async fn assignments(
        &self,
        principal: ServicePrincipalObjectId,
    ) -> Result<Vec<AppRoleAssignment>> {
        self.pipeline.list(&ListAppRoleAssignments { principal }, MOST_ROWS).await
    }

    /// Runs a call until it is answered, done already, or failed for good.
    pub(super) async fn converge<O: Operation>(
        &self,
        call: Call,
        operation: &O,
        is_new: bool,
    ) -> Result<Settled<O::Output>> {
        self.convergence.settle(self.pipeline, call, operation, is_new).await
    }

    pub(super) fn application(&self) -> Result<&Application> {
        self.state.application.as_ref().ok_or_else(|| Error::invalid("the step needs the application first"))
    }

    pub(super) fn principal(&self) -> Result<ServicePrincipalObjectId> {
        self.state
            .service_principal_id()
            .ok_or_else(|| Error::invalid("the step needs the enterprise application first"))
    }

    pub(super) fn api(&self, api: Api) -> Result<&ServicePrincipal> {
        self.state
            .api(api)
            .ok_or_else(|| Error::invalid(format!("the step needs the service principal of {api} first")))
    }

    pub(super) fn is_new(&self) -> bool {
        self.state.is_young(self.convergence.clock().now())
    }

    /// Readings of what flaps less than credentials do.
    pub(super) fn few_readings(&self) -> u32 {
        self.convergence.confirmations().min(2)
    }
}
