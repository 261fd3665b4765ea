//! People at the simulated sign-in pages.

use uuid::Uuid;

use super::Tenant;
use crate::{
    entra::{
        delegated,
        sign_ins::{self, Answer},
    },
    server::{lock, uuid},
    state::{Application, ServicePrincipal, Timed},
};

/// Somebody or something that the tenant does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignInError {
    /// No user has this sign-in name.
    #[error("no user of the tenant has this sign-in name")]
    UnknownUser,
    /// No device flow waits for this code.
    #[error("no device flow waits for this code")]
    UnknownCode,
    /// No directory role has this name here.
    #[error("no directory role has this name here")]
    UnknownRole,
}

impl Tenant {
    /// Registers an app without a secret, for people to sign in to: its client id. On a loopback address the port does
    /// not count. Besides these apps, *Microsoft Graph Command Line Tools*
    /// (`14d82eec-204b-4c2f-b7e8-296a70dab67e`) is always there, with `http://localhost`.
    pub fn register_public_client(&self, name: &str, redirects: &[&str]) -> Uuid {
        let mut rng = lock(&self.shared.rng).fork();
        let app_id = uuid(&mut rng);
        let mut state = lock(&self.shared.state);
        state.directory.applications.push(Timed::always(Application {
            id: uuid(&mut rng),
            app_id,
            unique_name: None,
            display_name: name.to_owned(),
            sign_in_audience: "AzureADMyOrg".to_owned(),
            required_resource_access: Vec::new(),
            passwords: Vec::new(),
            keys: Vec::new(),
            owners: Vec::new(),
            notes: None,
            tags: Vec::new(),
        }));
        state.directory.service_principals.push(Timed::always(ServicePrincipal {
            id: uuid(&mut rng),
            app_id,
            display_name: name.to_owned(),
            account_enabled: true,
            app_roles: Vec::new(),
        }));
        let redirects = redirects.iter().map(|r| (*r).to_owned()).collect();
        lock(&self.shared.sign_ins).clients.insert(app_id, redirects);
        app_id
    }

    /// Gives a user a directory role, e.g. `Privileged Role Administrator`. Roles are frozen into tokens when they are
    /// issued.
    ///
    /// # Errors
    /// [`SignInError::UnknownUser`] and [`SignInError::UnknownRole`].
    pub fn assign_directory_role(&self, upn: &str, role: &str) -> Result<(), SignInError> {
        if !delegated::is_role(role) {
            return Err(SignInError::UnknownRole);
        }
        let mut state = lock(&self.shared.state);
        let user = sign_ins::person(&state, upn).ok_or(SignInError::UnknownUser)?.id;
        state.directory.directory_roles.push((user, role.to_owned()));
        Ok(())
    }

    /// The user types the code and signs in.
    ///
    /// # Errors
    /// [`SignInError::UnknownUser`] and [`SignInError::UnknownCode`].
    pub fn approve_device_code(&self, user_code: &str, upn: &str) -> Result<(), SignInError> {
        let user = sign_ins::person(&lock(&self.shared.state), upn).ok_or(SignInError::UnknownUser)?.id;
        self.answer(user_code, Answer::Approved(user))
    }

    /// Somebody types the code and says no.
    ///
    /// # Errors
    /// [`SignInError::UnknownCode`].
    pub fn decline_device_code(&self, user_code: &str) -> Result<(), SignInError> {
        self.answer(user_code, Answer::Declined)
    }

    /// Codes die after 900 s of the tenant's time; this one dies now.
    ///
    /// # Errors
    /// [`SignInError::UnknownCode`].
    pub fn expire_device_code(&self, user_code: &str) -> Result<(), SignInError> {
        let now = self.now();
        let mut sign_ins = lock(&self.shared.sign_ins);
        let found = sign_ins.devices.values_mut().find(|d| d.user_code == user_code);
        found.ok_or(SignInError::UnknownCode)?.expires = now;
        Ok(())
    }

    /// Whoever opens a sign-in page is this user from now on; with `None` nobody is signed in, and the page stays.
    pub fn sign_in_browser(&self, upn: Option<&str>) {
        lock(&self.shared.sign_ins).browser = upn.map(str::to_owned);
    }

    /// Revokes the user's sign-ins: every refresh token that is out is dead. Access tokens live on.
    ///
    /// # Errors
    /// [`SignInError::UnknownUser`].
    pub fn revoke_sign_ins(&self, upn: &str) -> Result<(), SignInError> {
        let user = sign_ins::person(&lock(&self.shared.state), upn).ok_or(SignInError::UnknownUser)?.id;
        lock(&self.shared.sign_ins).revoke(user);
        Ok(())
    }

    /// Revokes the tokens of an app that are out, as Entra does when an app is found to be at risk: Graph challenges those that
    /// were given to a client which answers challenges (`cp1`), and goes on taking the others until they end.
    pub fn revoke_tokens(&self, client_id: Uuid) {
        let now = self.now();
        lock(&self.shared.state).directory.lifecycle.revoked_tokens.push((client_id, now));
    }

    fn answer(&self, user_code: &str, answer: Answer) -> Result<(), SignInError> {
        let now = self.now();
        let mut sign_ins = lock(&self.shared.sign_ins);
        let waiting = sign_ins.devices.values_mut().find(|d| d.user_code == user_code && d.expires > now);
        waiting.ok_or(SignInError::UnknownCode)?.answer = answer;
        Ok(())
    }
}
