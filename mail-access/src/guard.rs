//! The last look before something broad is granted.

use exchange_admin::AccessRight;
use exchange_admin::cmdlets::{
    AccessCheckResult, GetRecipient, ListApplicationAccessPolicies, PolicyApp, TestApplicationAccessPolicy,
};
use graph_auth::RegistrationState;
use m365_core::{Acted, Error, ErrorKind, Result};

use crate::onboarding::Onboarding;
use crate::profile::{AppProfile, GrantMode};

impl Onboarding {
    /// Under an access policy a consent opens every mailbox unless the policy stands *now*: hours may have passed since
    /// it was read, and somebody may have removed it. Exchange's own test must close the canary, too.
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`] when the policy is not there or lets the canary through; nothing was granted then.
    pub(crate) async fn confirm_policy(&self, app: &AppProfile, state: &RegistrationState) -> Result<()> {
        let (GrantMode::AccessPolicy, Some(group)) = (app.scope.grant, &app.scope.group) else {
            return Ok(());
        };
        let refuse = |why: String| {
            Err(Error::new(
                ErrorKind::Conflict,
                format!("{why}; a consent now would open every mailbox, so none was given"),
            )
            .with_acted(Acted::No))
        };
        let client = state.client_id().ok_or_else(|| Error::invalid("the app does not exist yet"))?;
        let exchange = &self.inner.exchange;
        let Some(recipient) = exchange.run(&GetRecipient::new(group.address.clone())).await?.value else {
            return refuse(format!("the group {} is gone", group.address));
        };
        let stands = exchange.run(&ListApplicationAccessPolicies::new()).await?.value.iter().any(|policy| {
            policy.app == PolicyApp::App(client)
                && policy.right == Some(AccessRight::Restrict)
                && policy.scope_is(recipient.names())
        });
        if !stands {
            return refuse(format!("no access policy restricts {} to {}", app.unique_name, group.address));
        }
        let canary = &app.scope.canary;
        match exchange.run(&TestApplicationAccessPolicy::new(client, canary.clone())).await?.value.result {
            AccessCheckResult::Denied => Ok(()),
            _ => refuse(format!("the access policies of {} do not close {canary}", app.unique_name)),
        }
    }
}
