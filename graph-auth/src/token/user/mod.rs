//! An administrator's own sign-in, for the set-up session: never for the app's daily work.

mod authorization_code;
mod device_code;
mod loopback;
mod ops;
mod pkce;
mod session;
mod sign_in;

pub use authorization_code::AuthorizationCodeCredential;
pub use device_code::{DeviceCodeCredential, DevicePrompt};
pub use loopback::LoopbackHost;
pub use sign_in::{SignIn, SignInRequired, SignInTenant};

/// The settings and the session's methods that both ways to sign in share.
macro_rules! user_credential {
    ($name:ident) => {
        $crate::token::engine::credential!($name);

        impl $name {
            /// A credential of a public client: an app that keeps no secret. Nothing is sent yet; see `sign_in`.
            pub fn new(
                cloud: ::m365_core::Cloud,
                tenant: impl Into<$crate::token::user::SignInTenant>,
                client: ::m365_core::ClientId,
            ) -> Self {
                Self::over($crate::token::engine::Engine::new(
                    $crate::token::user::session::UserSession::new(cloud, tenant.into(), client),
                ))
            }

            /// Delegated permissions to ask for on a resource, by their short names (`Application.ReadWrite.All`) or in
            /// full. Without this the resource's `.default` is asked for: what the app declares or was granted before.
            /// `offline_access` is always asked for besides. A session that was signed in before is forgotten.
            ///
            /// # Errors
            /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) for an empty list and for a name that is
            /// empty or holds a blank.
            pub fn with_scopes<S: AsRef<str>>(
                mut self,
                resource: &::m365_core::Resource,
                scopes: impl IntoIterator<Item = S>,
            ) -> ::m365_core::Result<Self> {
                let session = self.engine.issuer().with_scopes(resource, scopes)?;
                self.engine = self.engine.with_issuer(session);
                Ok(self)
            }

            /// Who signed in, while the session can still get tokens.
            pub fn signed_in(&self) -> Option<$crate::token::user::SignIn> {
                self.engine.issuer().signed_in()
            }

            /// Forgets the refresh token and every cached token. Entra still honours tokens that are out: an
            /// administrator revokes those with `revokeSignInSessions`.
            ///
            /// <https://learn.microsoft.com/graph/api/user-revokesigninsessions>
            pub fn sign_out(&self) {
                for resource in self.engine.issuer().sign_out() {
                    self.engine.invalidate(&resource);
                }
            }
        }
    };
}
use user_credential;
