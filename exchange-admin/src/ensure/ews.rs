use m365_core::{ClientId, Error, ErrorKind, Result};

use super::{Ensured, not_ready};
use crate::cmdlets::{EwsAllowedApps, GetOrganizationConfig, SetOrganizationConfig};
use crate::{Cmdlet as _, ExchangeAdmin};

/// Rounds of reading, merging and writing while another administrator writes too.
const ROUNDS: u32 = 3;

impl ExchangeAdmin {
    /// Has this app on the list of those whose EWS calls pass, besides those that are on it.
    ///
    /// Exchange takes the whole list only, so it is read, merged, written and read again; when somebody else has written in
    /// between, once more from the start. Nobody is ever taken off. The switch is not touched.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`] when the list cannot be read in full: then nothing is written.
    /// [`ErrorKind::NotReady`] when the list does not show the app after several writes.
    pub async fn ensure_ews_allowed_app(&self, app: ClientId) -> Result<Ensured<EwsAllowedApps>> {
        let get = GetOrganizationConfig::new().with_ews_allowed_apps();
        for round in 0..=ROUNDS {
            let listed = self.run(&get).await?.value.ews_allowed_apps.ok_or_else(|| {
                Error::new(ErrorKind::InvalidResponse, "the answer lacks the list of apps allowed for EWS")
            })?;
            if listed.contains(app) {
                return Ok(match round {
                    0 => Ensured::AlreadyThere(listed),
                    _ => Ensured::Created(listed),
                });
            }
            if round < ROUNDS {
                self.run(&SetOrganizationConfig::new().with_ews_allowed_apps(listed.with(app))).await?;
            }
        }
        Err(not_ready(SetOrganizationConfig::NAME.as_str()))
    }
}
