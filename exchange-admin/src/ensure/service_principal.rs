use m365_core::Result;

use super::{Ensured, Found, conflict};
use crate::ExchangeAdmin;
use crate::cmdlets::{GetServicePrincipal, NewServicePrincipal, ServicePrincipal};

impl ExchangeAdmin {
    /// Has Exchange point to the app's enterprise application.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) when there is a pointer of this app to another object, most often
    /// the object id of the app registration; both ids are named and nothing is changed. Remove the pointer, make it anew,
    /// and grant the mailbox permissions again. [`ErrorKind::NotReady`](crate::ErrorKind::NotReady) when it was made and
    /// does not show yet.
    pub async fn ensure_service_principal(
        &self,
        wanted: &NewServicePrincipal,
    ) -> Result<Ensured<ServicePrincipal>> {
        let judge = |found: Option<ServicePrincipal>| match found {
            None => Ok(Found::Absent),
            Some(pointer) if pointer.object_id == wanted.object => Ok(Found::There(pointer)),
            Some(pointer) => Err(conflict(format!(
                "Exchange's pointer of app {} names object {}, and the enterprise application is {}",
                wanted.app, pointer.object_id, wanted.object
            ))
            .with_diagnosis("PROV-WRONG-OBJECT-ID")),
        };
        self.ensure(&GetServicePrincipal::of_app(wanted.app), judge, wanted).await
    }
}
