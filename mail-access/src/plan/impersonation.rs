//! What takes the place of impersonation in Exchange Online.

use m365_core::Result;

use super::ExchangeChange;
use super::make::Maker;
use super::step::AppIds;
use crate::names;
use crate::profile::{AccessProfile, AppProfile, ImpersonationReplacement};

/// What the reader of a plan should know whose guide still asks for impersonation, or whose app uses EWS.
pub(super) fn notes(profile: &AccessProfile) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(replacement) = profile.replaces_impersonation {
        notes.push(
            "The product's guide asks to put an account into the role group ApplicationImpersonation. Exchange Online has no such role any more, and no account with a password is needed: an app takes its place."
                .to_owned(),
        );
        notes.push(match replacement {
            ImpersonationReplacement::EwsAllowList => {
                "It is replaced by the application role EWS.AccessAsApp, limited to the group, and a place on the organisation's list of apps allowed for EWS. With replace = \"graph\" it is Microsoft Graph instead, which has no end in sight."
                    .to_owned()
            }
            ImpersonationReplacement::Graph => {
                "It is replaced by Calendars.Read over Microsoft Graph, limited to the group. A product that knows EWS alone takes replace = \"ews-allow-list\", until 2027-04-01."
                    .to_owned()
            }
        });
    }
    if profile.apps.iter().any(names::uses_ews) {
        notes.push(
            "EWS in Exchange Online ends on 2027-04-01 for everybody; plan the move to Microsoft Graph before."
                .to_owned(),
        );
    }
    notes
}

impl Maker<'_> {
    /// What no list makes good, named before anything is changed.
    pub(super) fn check_ews(&mut self, app: &AppProfile) -> Result<()> {
        let Some(ews) = &self.picture.ews else { return Ok(()) };
        match ews.enabled {
            Some(false) => Err(self.profile.complain(
                &app.unique_name,
                "EWS is switched off for the whole organisation (EwsEnabled is false), and no list of apps changes that; switching it on is not this plan's to decide: use Microsoft Graph, or have it switched on and plan again",
            )),
            None => {
                self.notes.push(
                    "The organisation's EwsEnabled was never set: EWS is open, the list of apps counts for nothing, and both are left alone. If Microsoft or somebody sets the switch, plan again: the app has to be on the list then."
                        .to_owned(),
                );
                Ok(())
            }
            Some(true) => {
                if ews.allowed.is_empty() {
                    self.notes.push(
                        "The list of apps allowed for EWS is empty while EWS is on. Microsoft's pages differ on what that means; this plan takes it for \"nobody passes\". If other apps use EWS today, have them put on the list, too."
                            .to_owned(),
                    );
                }
                Ok(())
            }
        }
    }

    /// A place on the list, where the list counts. Nobody is ever taken off, and the switch is not touched.
    pub(super) fn ews(&mut self, app: &AppProfile, ids: &AppIds) -> Result<()> {
        let Some(ews) = self.picture.ews.as_ref().filter(|_| names::uses_ews(app)) else { return Ok(()) };
        let listed = ids.client.is_some_and(|client| ews.allowed.contains(client));
        if ews.enabled != Some(true) || listed {
            return Ok(());
        }
        self.exchange(format!("{}/ews-allow-list", app.unique_name), Some(app), ids, ExchangeChange::AllowEws)
    }
}
