use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use m365_core::{Cloud, Error, Result};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::directory::{FederatedIdentityCredential, FederatedTrust};

/// Most federated credentials of one application.
/// Source: <https://learn.microsoft.com/graph/api/application-post-federatedidentitycredentials>
pub(super) const MOST_FEDERATED: usize = 20;

/// A foreign issuer's token that may stand for the app's own credential: no secret to keep, none to rotate.
///
/// Entra compares issuer, subject and audience letter by letter. Subjects have forms that nobody should build from parts
/// (those of new GitHub repositories carry numeric ids), so take them from a real token: [`FederatedCredential::from_token`].
///
/// <https://learn.microsoft.com/entra/workload-id/workload-identity-federation>
///
/// ```
/// use graph_auth::FederatedCredential;
/// let credential = FederatedCredential::new(
///     "cluster-west",
///     "https://oidc.cluster-west.example/",
///     "system:serviceaccount:mail:connector",
/// )?;
/// assert_eq!(credential.audience, "api://AzureADTokenExchange");
/// # Ok::<(), graph_auth::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FederatedCredential {
    /// Its name on the application, by which ours is told from others. It cannot be changed later.
    pub name: String,
    /// Who issues the tokens (`iss`).
    pub issuer: String,
    /// Whom the tokens are about (`sub`).
    pub subject: String,
    /// Whom the tokens are for (`aud`).
    pub audience: String,
    /// For people.
    pub description: Option<String>,
}

impl FederatedCredential {
    /// One for the audience of the worldwide cloud.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the name is empty, longer than 120 characters or
    /// has others than letters, digits, `-`, `_` and `.`, when the issuer is no https address, or when a text is empty or
    /// longer than 600 characters.
    pub fn new(
        name: impl Into<String>,
        issuer: impl Into<String>,
        subject: impl Into<String>,
    ) -> Result<Self> {
        let credential = Self {
            name: name.into(),
            issuer: issuer.into(),
            subject: subject.into(),
            audience: exchange_audience(&Cloud::public()).to_owned(),
            description: None,
        };
        credential.check()?;
        Ok(credential)
    }

    /// Issuer, subject and audience of a token that the foreign issuer really issued. It is read **without verifying** its
    /// signature: hand in a token of your own workload, not one that somebody sent.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when it is no JSON Web Token, lacks a claim, or is for
    /// several audiences; the token is not repeated. Otherwise as [`FederatedCredential::new`].
    pub fn from_token(name: impl Into<String>, token: &str) -> Result<Self> {
        let claims = Claims::read(token)?;
        let audience = match claims.aud {
            Value::String(one) => one,
            Value::Array(list) => match list.as_slice() {
                [Value::String(one)] => one.clone(),
                _ => {
                    return Err(Error::invalid(
                        "the token is for several audiences: ask for one with a single one",
                    ));
                }
            },
            _ => return Err(Error::invalid("the token does not say its audience (aud)")),
        };
        let credential =
            Self { name: name.into(), issuer: claims.iss, subject: claims.sub, audience, description: None };
        credential.check()?;
        Ok(credential)
    }

    /// Of a GitHub Actions job's OIDC token, as [`FederatedCredential::from_token`]; the name says what the job is
    /// allowed to be: a branch, a tag, an environment.
    ///
    /// <https://docs.github.com/actions/concepts/security/openid-connect>
    ///
    /// # Errors
    /// As [`FederatedCredential::from_token`], and when the token's subject is not that of a repository.
    pub fn github_actions(name: impl Into<String>, token: &str) -> Result<Self> {
        let credential = Self::from_token(name, token)?;
        if !credential.subject.contains("repo:") && !credential.subject.contains("repository") {
            return Err(Error::invalid(
                "the token is not of a GitHub Actions job: its subject names no repository",
            ));
        }
        Ok(credential)
    }

    /// Of a Kubernetes service account's projected token, as [`FederatedCredential::from_token`].
    ///
    /// <https://learn.microsoft.com/azure/aks/workload-identity-overview>
    ///
    /// # Errors
    /// As [`FederatedCredential::from_token`], and when the token's subject is not that of a service account.
    pub fn kubernetes(name: impl Into<String>, token: &str) -> Result<Self> {
        let credential = Self::from_token(name, token)?;
        let parts: Vec<&str> = credential.subject.split(':').collect();
        if !matches!(parts.as_slice(), ["system", "serviceaccount", namespace, account] if !namespace.is_empty() && !account.is_empty())
        {
            return Err(Error::invalid("the token is not of a Kubernetes service account"));
        }
        Ok(credential)
    }

    /// For another audience; one of a national cloud comes from [`exchange_audience`].
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = audience.into();
        self
    }

    /// With a description for people.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Whether the directory's entry trusts the same tokens. An entry that matches by an expression never does, and a
    /// description counts where one is wanted.
    pub fn matches(&self, listed: &FederatedIdentityCredential) -> bool {
        self.trusts_as(listed)
            && self.description.as_ref().is_none_or(|wanted| listed.description.as_ref() == Some(wanted))
    }

    pub(super) fn trusts_as(&self, listed: &FederatedIdentityCredential) -> bool {
        listed.issuer == self.issuer
            && listed.subject.as_deref() == Some(&*self.subject)
            && matches!(listed.audiences.as_slice(), [one] if *one == self.audience)
    }

    pub(super) fn trust(&self) -> FederatedTrust {
        FederatedTrust {
            issuer: self.issuer.clone(),
            subject: self.subject.clone(),
            audiences: vec![self.audience.clone()],
            description: self.description.clone(),
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        check_federated_name(&self.name)?;
        for (what, text) in
            [("issuer", &self.issuer), ("subject", &self.subject), ("audience", &self.audience)]
        {
            if text.is_empty() || text.chars().count() > 600 || text.chars().any(char::is_control) {
                return Err(Error::invalid(format!(
                    "the federated credential's {what} is empty, longer than 600 characters or holds a control character"
                )));
            }
        }
        match Url::parse(&self.issuer) {
            Ok(url) if url.scheme() == "https" && url.has_host() => Ok(()),
            _ => Err(Error::invalid("the federated credential's issuer is not an https address")),
        }
    }
}

impl fmt::Display for FederatedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" ({} of {})", self.name, self.subject, self.issuer)
    }
}

/// The audience that Entra of this cloud expects of foreign tokens.
///
/// <https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations>
pub fn exchange_audience(cloud: &Cloud) -> &'static str {
    match cloud.name() {
        "us-gov-l4" | "us-gov-dod" => "api://AzureADTokenExchangeUSGov",
        "china" => "api://AzureADTokenExchangeChina",
        _ => "api://AzureADTokenExchange",
    }
}

/// The name stands in a URL.
pub(super) fn check_federated_name(name: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 120 || !name.chars().all(fine) {
        return Err(Error::invalid(
            "a federated credential's name has 1 to 120 characters: letters, digits, '-', '_' and '.'",
        ));
    }
    Ok(())
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    #[serde(default)]
    aud: Value,
}

impl Claims {
    fn read(token: &str) -> Result<Self> {
        let unreadable =
            || Error::invalid("the token is not a JSON Web Token with issuer (iss) and subject (sub)");
        let payload = token.trim().split('.').nth(1).ok_or_else(unreadable)?;
        let bytes = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).map_err(|_| unreadable())?;
        serde_json::from_slice(&bytes).map_err(|_| unreadable())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn jwt(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn a_subject_with_numeric_ids_is_taken_as_the_token_says_it() {
        let subject = "repo:acme@1234567/connector@7654321:ref:refs/heads/main";
        let token = jwt(&format!(
            r#"{{"iss":"https://token.actions.githubusercontent.com","sub":"{subject}","aud":"api://AzureADTokenExchange"}}"#
        ));
        let credential = FederatedCredential::github_actions("main", &token).unwrap();
        assert_eq!(credential.subject, subject);
        assert_eq!(credential.audience, "api://AzureADTokenExchange");
        assert!(FederatedCredential::kubernetes("main", &token).is_err());
    }

    #[test]
    fn a_service_accounts_token_has_its_audience_in_a_list() {
        let token = jwt(
            r#"{"iss":"https://oidc.cluster.example/","sub":"system:serviceaccount:mail:connector","aud":["api://AzureADTokenExchange"]}"#,
        );
        let credential = FederatedCredential::kubernetes("cluster", &token).unwrap();
        assert_eq!(credential.issuer, "https://oidc.cluster.example/", "the slash at the end counts");
        assert!(FederatedCredential::github_actions("cluster", &token).is_err());
        for bad in [
            r#"{"iss":"https://x.example","sub":"s","aud":["a","b"]}"#,
            r#"{"iss":"https://x.example","sub":"s"}"#,
            r#"{"iss":"http://x.example","sub":"s","aud":"a"}"#,
            r#"{"iss":"https://x.example","aud":"a"}"#,
            r#"{"iss":"https://x.example","sub":"","aud":"a"}"#,
        ] {
            assert!(FederatedCredential::from_token("x", &jwt(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_is_never_in_an_error() {
        let error = FederatedCredential::from_token("x", "e30.bm90IGpzb24.c2VjcmV0").unwrap_err();
        assert!(!format!("{error:?}").contains("bm90"), "{error:?}");
    }

    #[test]
    fn each_cloud_expects_its_own_audience() {
        let audiences: Vec<&str> = [Cloud::public(), Cloud::us_gov_l4(), Cloud::us_gov_dod(), Cloud::china()]
            .iter()
            .map(exchange_audience)
            .collect();
        assert_eq!(
            audiences,
            [
                "api://AzureADTokenExchange",
                "api://AzureADTokenExchangeUSGov",
                "api://AzureADTokenExchangeUSGov",
                "api://AzureADTokenExchangeChina"
            ]
        );
    }

    proptest! {
        #[test]
        fn never_panics(token in ".*", payload in ".*", name in ".*") {
            let _read = FederatedCredential::from_token(name.clone(), &token);
            let _read = FederatedCredential::from_token(name, &jwt(&payload));
        }
    }
}
