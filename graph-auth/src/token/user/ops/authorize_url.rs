//! The address that a browser opens:
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow#request-an-authorization-code>

use m365_core::{ClientId, Cloud};
use url::Url;

use super::endpoint;

/// What the address carries.
pub(in crate::token::user) struct Ask<'a> {
    pub(in crate::token::user) client: ClientId,
    pub(in crate::token::user) redirect: &'a str,
    pub(in crate::token::user) scope: &'a str,
    pub(in crate::token::user) state: &'a str,
    pub(in crate::token::user) challenge: &'a str,
    pub(in crate::token::user) login_hint: Option<&'a str>,
}

pub(in crate::token::user) fn url(cloud: &Cloud, tenant: &str, ask: &Ask<'_>) -> Url {
    let mut url = endpoint(cloud, tenant, "authorize");
    {
        let mut query = url.query_pairs_mut();
        query
            .append_pair("client_id", &ask.client.to_string())
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", ask.redirect)
            .append_pair("response_mode", "query")
            .append_pair("scope", ask.scope)
            .append_pair("state", ask.state)
            .append_pair("code_challenge", ask.challenge)
            .append_pair("code_challenge_method", "S256");
        if let Some(hint) = ask.login_hint {
            query.append_pair("login_hint", hint);
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_lies_on_the_clouds_login_host_and_shows_the_challenge_only() {
        let ask = Ask {
            client: ClientId::parse("6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d").unwrap(),
            redirect: "http://localhost:53123",
            scope: "https://graph.microsoft.us/.default offline_access",
            state: "st",
            challenge: "ch",
            login_hint: Some("ada@contoso.example"),
        };
        let url = url(&Cloud::us_gov_l4(), "organizations", &ask);
        assert_eq!(
            url.as_str(),
            "https://login.microsoftonline.us/organizations/oauth2/v2.0/authorize?client_id=6c2f7b1e-0d55-4c0b-9a55-0f2f3a4b5c6d\
             &response_type=code&redirect_uri=http%3A%2F%2Flocalhost%3A53123&response_mode=query\
             &scope=https%3A%2F%2Fgraph.microsoft.us%2F.default+offline_access&state=st&code_challenge=ch\
             &code_challenge_method=S256&login_hint=ada%40contoso.example"
        );
    }
}
