//! Autodiscover from place to place: where it goes, and above all where nothing goes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use ews_client::autodiscover::{
    Autodiscover, Discovered, DiscoverySource, DnsResolver, Form, Resolver, SrvRecord,
};
use ews_client::{ErrorKind, EwsCredential, Result};
use m365_core::{
    AccessToken, Body, Credential, HttpTransport, MailboxAddress, Resource, TokenCredential, TokenRequest,
    Transport, TransportError, TransportErrorKind,
};
use proptest::prelude::*;

const PASSWORD: &str = "not-a-real-one";

/// A network: what each address answers. Who is not in it cannot be reached.
#[derive(Clone, Debug, Default)]
struct Net(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    answers: Vec<(String, u16, Option<String>, String)>,
    seen: Vec<http::Request<Bytes>>,
}

impl Net {
    fn on(self, url: &str, status: u16, body: &str) -> Self {
        self.0.lock().unwrap().answers.push((url.to_owned(), status, None, body.to_owned()));
        self
    }

    fn to(self, url: &str, status: u16, location: &str) -> Self {
        let answer = (url.to_owned(), status, Some(location.to_owned()), String::new());
        self.0.lock().unwrap().answers.push(answer);
        self
    }

    fn seen(&self) -> Vec<String> {
        let inner = self.0.lock().unwrap();
        inner.seen.iter().map(|r| format!("{} {}", r.method(), r.uri())).collect()
    }

    /// Every request with a credential went to https, and to one of these hosts; those without, to no further https host.
    #[track_caller]
    fn kept_at(&self, hosts: &[&str]) {
        for request in &self.0.lock().unwrap().seen {
            let (scheme, host) = (request.uri().scheme_str().unwrap(), request.uri().host().unwrap());
            let bears = request.headers().contains_key("authorization");
            assert!(!bears || scheme == "https", "{}", request.uri());
            assert!(hosts.contains(&host), "{}", request.uri());
            assert!(!request.uri().to_string().contains(PASSWORD));
            if scheme == "http" {
                assert!(request.body().is_empty() && !request.uri().to_string().contains('@'));
            }
        }
    }
}

impl HttpTransport for Net {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Body>, TransportError> {
        let mut inner = self.0.lock().unwrap();
        let url = request.uri().to_string();
        inner.seen.push(request);
        let found = inner.answers.iter().find(|(at, ..)| *at == url);
        let Some((_, status, location, body)) = found else {
            return Err(TransportError::new(TransportErrorKind::NotSent, "nobody is there"));
        };
        let mut response = http::Response::new(Body::from_bytes(body.clone()));
        *response.status_mut() = (*status).try_into().unwrap();
        if let Some(location) = location {
            response.headers_mut().insert("location", location.parse().unwrap());
        }
        Ok(response)
    }
}

fn settings(ews: &str) -> String {
    account(&format!(
        "<Action>settings</Action><Protocol><Type>EXPR</Type><EwsUrl>{ews}</EwsUrl><GroupingInformation>G07-A</GroupingInformation></Protocol>\
         <Protocol><Type>WEB</Type><External><Protocol><Type>EXPR</Type><EwsUrl>https://evil.example/EWS</EwsUrl></Protocol></External></Protocol>"
    ))
}

fn account(inside: &str) -> String {
    format!(
        r#"<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"><Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"><Account>{inside}</Account></Response></Autodiscover>"#
    )
}

fn refusal() -> &'static str {
    r#"<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"><Response><Error><ErrorCode>500</ErrorCode><Message>Unknown.</Message></Error></Response></Autodiscover>"#
}

fn pox(host: &str) -> String {
    format!("https://{host}/autodiscover/autodiscover.xml")
}

fn soap(host: &str) -> String {
    format!("https://{host}/autodiscover/autodiscover.svc")
}

fn json(host: &str) -> String {
    format!("https://{host}/autodiscover/autodiscover.json/v1.0/anna@contoso.example?Protocol=Ews")
}

const PLAIN: &str = "http://autodiscover.contoso.example/autodiscover/autodiscover.xml";
const EWS: &str = "https://mail.contoso.example/EWS/Exchange.asmx";
const OWN: [&str; 2] = ["contoso.example", "autodiscover.contoso.example"];

fn anna() -> MailboxAddress {
    MailboxAddress::parse("anna@contoso.example").unwrap()
}

fn asking(net: &Net) -> Autodiscover {
    let credential = EwsCredential::basic(r"CONTOSO\svc", PASSWORD.into());
    Autodiscover::new(Transport::new(net.clone())).with_credential(credential)
}

async fn discover(net: &Net) -> Result<Discovered> {
    asking(net).discover(&anna()).await
}

#[tokio::test]
async fn the_two_hosts_of_the_domain_are_asked_in_order() {
    let net = Net::default()
        .on(&pox("contoso.example"), 404, "<html>Shop</html>")
        .on(&soap("contoso.example"), 404, "<html>Shop</html>")
        .on(&json("contoso.example"), 200, "<html>Shop</html>")
        .on(&pox("autodiscover.contoso.example"), 200, &settings(EWS));
    let found = discover(&net).await.unwrap();
    assert_eq!(found.ews_url.to_string(), EWS);
    assert_eq!(found.grouping_information.as_deref(), Some("G07-A"));
    assert_eq!(found.mailbox, anna());
    let url = pox("autodiscover.contoso.example").parse().unwrap();
    assert_eq!(found.source, DiscoverySource::Answered { form: Form::Pox, url });
    assert_eq!(net.seen().len(), 4);
    net.kept_at(&OWN);
}

#[tokio::test]
async fn trap_19_v2_is_asked_without_credentials_and_an_error_code_inside_success_is_not_the_end() {
    let refused = r#"{"ErrorCode":"MailboxNotFound","ErrorMessage":"no"}"#;
    let net = Net::default().on(&json("contoso.example"), 200, refused).on(
        &json("autodiscover.contoso.example"),
        200,
        &format!(r#"{{"Protocol":"Ews","Url":"{EWS}"}}"#),
    );
    let found = Autodiscover::new(Transport::new(net.clone())).discover(&anna()).await.unwrap();
    assert_eq!(found.ews_url.to_string(), EWS);
    assert_eq!(
        net.seen(),
        [json("contoso.example"), json("autodiscover.contoso.example")].map(|u| format!("GET {u}"))
    );
    let net = Net::default().on(&json("contoso.example"), 200, refused);
    let error = Autodiscover::new(Transport::new(net.clone())).discover(&anna()).await.unwrap_err();
    assert_eq!(error.service_code(), Some("MailboxNotFound"));
    assert_eq!(error.mailbox(), Some("anna@contoso.example"));
    // With a credential, v2 is still asked without.
    let net = Net::default().on(&json("contoso.example"), 200, refused);
    let _ = asking(&net).with_forms([Form::Json]).discover(&anna()).await.unwrap_err();
    assert!(net.0.lock().unwrap().seen.iter().all(|r| !r.headers().contains_key("authorization")));
}

#[tokio::test]
async fn trap_19_an_error_inside_success_leads_to_the_next_place() {
    let net = Net::default().on(&pox("contoso.example"), 200, refusal()).on(
        &pox("autodiscover.contoso.example"),
        200,
        &settings(EWS),
    );
    assert_eq!(discover(&net).await.unwrap().ews_url.to_string(), EWS);
    let net = Net::default().on(&pox("contoso.example"), 200, refusal());
    let error = discover(&net).await.unwrap_err();
    assert_eq!((error.kind(), error.service_code()), (ErrorKind::NotFound, Some("500")));
}

#[tokio::test]
async fn soap_is_asked_where_plain_xml_is_not_known() {
    let body = format!(
        r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><GetUserSettingsResponseMessage xmlns="http://schemas.microsoft.com/exchange/2010/Autodiscover"><Response><ErrorCode>NoError</ErrorCode><UserResponses><UserResponse><ErrorCode>NoError</ErrorCode><UserSettings><UserSetting><Name>ExternalEwsUrl</Name><Value>{EWS}</Value></UserSetting><UserSetting><Name>InternalEwsUrl</Name><Value>https://inside.contoso.example/EWS</Value></UserSetting></UserSettings></UserResponse></UserResponses></Response></GetUserSettingsResponseMessage></s:Body></s:Envelope>"#
    );
    let net = Net::default().on(&pox("contoso.example"), 404, "").on(&soap("contoso.example"), 200, &body);
    assert_eq!(discover(&net).await.unwrap().ews_url.to_string(), EWS);
    let inside = asking(&net).with_internal_url().discover(&anna()).await.unwrap();
    assert_eq!(inside.ews_url.to_string(), "https://inside.contoso.example/EWS");
    net.kept_at(&OWN);
}

#[tokio::test]
async fn a_refused_password_is_not_tried_twice_at_one_host() {
    let net = OWN.iter().fold(Net::default(), |net, host| {
        net.on(&pox(host), 401, "").on(&soap(host), 401, "").on(&json(host), 404, "")
    });
    let error = discover(&net).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Authentication);
    let bearing =
        net.0.lock().unwrap().seen.iter().filter(|r| r.headers().contains_key("authorization")).count();
    assert_eq!(bearing, 2);
    assert!(!format!("{error} {error:?}").contains(PASSWORD));
    let locked = "The referenced account is currently locked out and may not be logged on to.";
    let net = Net::default().on(&pox("contoso.example"), 401, locked);
    assert!(discover(&net).await.unwrap_err().to_string().contains("locked"));
    assert_eq!(net.seen().len(), 1);
}

#[tokio::test]
async fn trap_19_only_a_302_of_the_question_in_the_clear_counts() {
    for status in [200, 301, 303, 307, 308, 401] {
        let net = Net::default().to(PLAIN, status, &pox("mail.contoso.example")).on(
            &pox("mail.contoso.example"),
            200,
            &settings(EWS),
        );
        let asking = asking(&net).with_allowed_host("mail.contoso.example").unwrap();
        assert!(asking.discover(&anna()).await.is_err(), "{status}");
        net.kept_at(&OWN);
    }
    let net = Net::default().to(PLAIN, 302, &pox("mail.contoso.example")).on(
        &pox("mail.contoso.example"),
        200,
        &settings(EWS),
    );
    // Even a host of the domain is not asked when only a plain answer names it.
    let error = discover(&net).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(error.to_string().contains("mail.contoso.example"), "{error}");
    net.kept_at(&OWN);
    let asking = asking(&net).with_allowed_host("mail.contoso.example").unwrap();
    assert_eq!(asking.discover(&anna()).await.unwrap().ews_url.to_string(), EWS);
    net.kept_at(&[OWN[0], OWN[1], "mail.contoso.example"]);
    let plain = net.0.lock().unwrap().seen.iter().filter(|r| r.uri().scheme_str() == Some("http")).count();
    assert_eq!(plain, 2);
}

#[tokio::test]
async fn trap_19_no_redirect_takes_credentials_to_http_or_to_a_foreign_host() {
    let elsewhere = [
        "http://contoso.example/autodiscover/autodiscover.xml",
        "http://autodiscover.contoso.example/x",
        "https://evil.example/autodiscover/autodiscover.xml",
        "https://contoso.example.evil.example/",
        "https://contoso.example@evil.example/",
        "//evil.example/",
        "https://mail.contoso.example/",
        "https://contoso.example:8443/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest",
        "https://localhost/",
    ];
    for to in elsewhere {
        let by_status =
            [301, 302, 303, 307, 308].map(|status| Net::default().to(&pox("contoso.example"), status, to));
        let by_body = account(&format!(
            "<Action>redirectUrl</Action><RedirectUrl>{}</RedirectUrl>",
            to.replace("//evil", "https://evil").replace("https:https:", "https:")
        ));
        let by_body = Net::default().on(&pox("contoso.example"), 200, &by_body);
        let by_v2 = Net::default()
            .on(&pox("contoso.example"), 404, "")
            .on(&soap("contoso.example"), 404, "")
            .to(&json("contoso.example"), 302, to);
        for net in by_status.into_iter().chain([by_body, by_v2]) {
            let allowed =
                asking(&net).with_allowed_host("127.0.0.1").unwrap().with_allowed_host("localhost").unwrap();
            let error = allowed.discover(&anna()).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{to}: {error}");
            for request in &net.0.lock().unwrap().seen {
                let uri = request.uri().to_string();
                assert!(
                    OWN.contains(&request.uri().host().unwrap()) && request.uri().port().is_none(),
                    "{uri}"
                );
                assert!(uri.starts_with("https://") || uri == PLAIN, "{uri}");
                assert!(uri.starts_with("https://") || !request.headers().contains_key("authorization"));
            }
        }
    }
}

#[tokio::test]
async fn an_allowed_host_is_followed_to() {
    let by_body = account(
        "<Action>redirectUrl</Action><RedirectUrl>https://mail.hoster.example/autodiscover/autodiscover.xml</RedirectUrl>",
    );
    let net = Net::default()
        .on(&pox("contoso.example"), 200, &by_body)
        .to(&pox("mail.hoster.example"), 307, "/other/autodiscover.xml")
        .on(
            "https://mail.hoster.example/other/autodiscover.xml",
            200,
            &settings("https://mail.hoster.example/EWS/Exchange.asmx"),
        );
    assert_eq!(discover(&net).await.unwrap_err().kind(), ErrorKind::PermissionDenied);
    let asking = asking(&net).with_allowed_host("mail.hoster.example").unwrap();
    let found = asking.discover(&anna()).await.unwrap();
    assert_eq!(found.ews_url.url().host_str(), Some("mail.hoster.example"));
}

#[tokio::test]
async fn trap_19_an_address_of_ews_elsewhere_or_in_the_clear_is_not_taken() {
    for ews in [
        "https://evil.example/EWS/Exchange.asmx",
        "https://evilcontoso.example/EWS",
        "https://127.0.0.1/EWS",
        "https://u:p@mail.contoso.example/EWS",
    ] {
        let error =
            discover(&Net::default().on(&pox("contoso.example"), 200, &settings(ews))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{ews}: {error}");
    }
    for ews in ["http://mail.contoso.example/EWS", "/EWS", "https://mail.contoso.example/EWS?x=1"] {
        let error =
            discover(&Net::default().on(&pox("contoso.example"), 200, &settings(ews))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse, "{ews}: {error}");
    }
}

#[tokio::test]
async fn trap_19_a_circle_and_eleven_redirects_end() {
    let net = Net::default().to(&pox("contoso.example"), 302, "https://contoso.example/a").to(
        "https://contoso.example/a",
        302,
        &pox("contoso.example"),
    );
    let error = discover(&net).await.unwrap_err();
    assert!(error.to_string().contains("circle"), "{error}");
    let mut net = Net::default().to(&pox("contoso.example"), 302, "https://contoso.example/0");
    for n in 0..30 {
        net = net.to(
            &format!("https://contoso.example/{n}"),
            302,
            &format!("https://contoso.example/{}", n + 1),
        );
    }
    let error = discover(&net).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert_eq!(net.seen().len(), 11);
}

#[tokio::test]
async fn trap_19_other_addresses_are_followed_once_each_and_not_to_foreign_domains() {
    let other =
        |to: &str| account(&format!("<Action>redirectAddr</Action><RedirectAddr>{to}</RedirectAddr>"));
    // Back and forth between two spellings and two people.
    let net = Net::default().on(&pox("contoso.example"), 200, &other("ANNA@contoso.example"));
    assert!(discover(&net).await.unwrap_err().to_string().contains("circle"));
    assert_eq!(net.seen().len(), 1);
    // To a domain that nobody allowed: nothing is asked there, not even in the clear.
    let net = Net::default().on(&pox("contoso.example"), 200, &other("anna@fabrikam.example"));
    let error = discover(&net).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(net.seen().len(), 1);
    // To one that is.
    let net = net.on(&pox("fabrikam.example"), 200, &settings("https://fabrikam.example/EWS/Exchange.asmx"));
    let found = asking(&net).with_allowed_host("fabrikam.example").unwrap().discover(&anna()).await.unwrap();
    assert_eq!(found.mailbox.as_str(), "anna@fabrikam.example");
    net.kept_at(&["contoso.example", "fabrikam.example"]);
}

#[derive(Debug)]
struct Dns {
    target: &'static str,
    port: u16,
    address: IpAddr,
}

impl DnsResolver for Dns {
    async fn srv(&self, name: &str) -> Result<Vec<SrvRecord>> {
        assert_eq!(name, "_autodiscover._tcp.contoso.example");
        let record = |priority, target: &str| SrvRecord {
            priority,
            weight: 0,
            port: self.port,
            target: target.into(),
        };
        Ok(vec![record(9, "never.example"), record(1, "."), record(0, self.target)])
    }
    async fn addresses(&self, _: &str) -> Result<Vec<IpAddr>> {
        Ok(vec![[203, 0, 113, 7].into(), self.address])
    }
}

#[tokio::test]
async fn trap_19_a_host_of_the_dns_is_asked_when_it_is_allowed() {
    let net =
        Net::default().on(&pox("mail.hoster.example"), 200, &settings("https://mail.hoster.example/EWS")).on(
            "https://mail.hoster.example:8443/autodiscover/autodiscover.xml",
            200,
            &settings("https://mail.hoster.example/EWS"),
        );
    let dns =
        |port| Resolver::new(Dns { target: "mail.hoster.example.", port, address: [203, 0, 113, 8].into() });
    let error = asking(&net).with_resolver(dns(443)).discover(&anna()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    net.kept_at(&OWN);
    let allowed = asking(&net).with_allowed_host("mail.hoster.example").unwrap();
    assert!(allowed.clone().with_resolver(dns(8443)).discover(&anna()).await.is_err());
    net.kept_at(&OWN);
    let found = allowed.with_resolver(dns(443)).discover(&anna()).await.unwrap();
    assert_eq!(found.ews_url.url().host_str(), Some("mail.hoster.example"));
}

#[tokio::test]
async fn trap_19_a_name_that_leads_to_the_machine_itself_is_not_asked() {
    let net = Net::default().on(&pox("contoso.example"), 200, &settings(EWS));
    for address in ["127.0.0.1", "169.254.169.254", "::1", "fe80::1", "::ffff:127.0.0.1"] {
        let resolver =
            || Resolver::new(Dns { target: "contoso.example", port: 443, address: address.parse().unwrap() });
        let error = asking(&net).with_resolver(resolver()).discover(&anna()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(net.seen().is_empty(), "{address}");
        assert!(asking(&net).with_resolver(resolver()).with_local_hosts().discover(&anna()).await.is_ok());
        net.0.lock().unwrap().seen.clear();
    }
}

/// Gives a token for what it is asked for.
#[derive(Debug)]
struct Tokens;

impl TokenCredential for Tokens {
    async fn get_token(&self, request: &TokenRequest) -> Result<AccessToken> {
        let name =
            format!("{:?}", request.resource).replace(|c: char| !c.is_ascii_alphanumeric() && c != '.', "_");
        AccessToken::new(&name, jiff::Timestamp::MAX)
    }
}

#[tokio::test]
async fn a_token_is_for_the_server_that_it_is_sent_to() {
    let net = Net::default().on(&pox("contoso.example"), 200, &settings(EWS));
    let credential = EwsCredential::bearer(Credential::new(Tokens));
    Autodiscover::new(Transport::new(net.clone()))
        .with_credential(credential)
        .discover(&anna())
        .await
        .unwrap();
    let seen = net.0.lock().unwrap();
    let bearer = seen.seen[0].headers()["authorization"].to_str().unwrap();
    assert!(bearer.contains("contoso.example") && !bearer.ends_with("Exchange"), "{bearer}");
}

#[tokio::test]
async fn trap_19_a_token_of_the_cloud_is_not_shown_to_the_web_site_of_the_domain() {
    for resource in [Resource::Exchange, Resource::Graph] {
        let net = Net::default().on(&pox("contoso.example"), 200, &settings(EWS));
        let credential = EwsCredential::bearer_for(Credential::new(Tokens), resource);
        let asking = Autodiscover::new(Transport::new(net.clone())).with_credential(credential);
        assert_eq!(asking.discover(&anna()).await.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(net.seen().is_empty());
    }
}

#[tokio::test]
async fn without_pox_nothing_is_asked_in_the_clear_and_no_credential_is_sent() {
    let net = Net::default().to(PLAIN, 302, &pox("autodiscover.contoso.example"));
    let with_credential = asking(&net).with_forms([Form::Json]);
    for asking in [with_credential, Autodiscover::new(Transport::new(net.clone()))] {
        asking.discover(&anna()).await.unwrap_err();
        let seen = net.seen();
        assert_eq!(seen, OWN.map(|host| format!("GET {}", json(host))));
        net.0.lock().unwrap().seen.clear();
    }
}

#[tokio::test]
async fn a_web_site_that_knows_nothing_does_not_make_an_unreached_server_absent() {
    let site = || {
        Net::default().on(&pox("contoso.example"), 404, "").on(&soap("contoso.example"), 404, "").on(
            &json("contoso.example"),
            404,
            "",
        )
    };
    let error = discover(&site()).await.unwrap_err();
    assert_eq!((error.kind(), error.is_transient()), (ErrorKind::Network, true), "{error}");
    // Who answered, and said so, is believed.
    let everywhere = [pox(OWN[1]), soap(OWN[1]), json(OWN[1]), PLAIN.to_owned()];
    let net = everywhere.iter().fold(site(), |net, url| net.on(url, 404, ""));
    assert_eq!(discover(&net).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_address_for_callers_inside_that_cannot_be_taken_costs_the_other_nothing() {
    let protocol =
        |kind: &str, url: &str| format!("<Protocol><Type>{kind}</Type><EwsUrl>{url}</EwsUrl></Protocol>");
    let inside = protocol("EXCH", "http://mail.corp.local/EWS/Exchange.asmx");
    let outside = format!("{}<Protocol><Type>EXPR</Type></Protocol>", protocol("EXPR", EWS));
    let net = Net::default().on(&pox(OWN[0]), 200, &account(&format!("{inside}{outside}")));
    assert_eq!(discover(&net).await.unwrap().ews_url.to_string(), EWS);
    // Alone, it is told.
    let net = Net::default().on(&pox(OWN[0]), 200, &account(&inside));
    assert_eq!(discover(&net).await.unwrap_err().kind(), ErrorKind::InvalidResponse);
    let setting =
        |name: &str, url: &str| format!("<UserSetting><Name>{name}</Name><Value>{url}</Value></UserSetting>");
    let inside = setting("InternalEwsUrl", "http://mail.corp.local/EWS/Exchange.asmx");
    let both = format!("{inside}{}", setting("ExternalEwsUrl", EWS));
    for (settings, found) in [(both, true), (inside, false)] {
        let body = format!(
            r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><GetUserSettingsResponseMessage xmlns="http://schemas.microsoft.com/exchange/2010/Autodiscover"><Response><ErrorCode>NoError</ErrorCode><UserResponses><UserResponse><ErrorCode>NoError</ErrorCode><UserSettings>{settings}</UserSettings></UserResponse></UserResponses></Response></GetUserSettingsResponseMessage></s:Body></s:Envelope>"#
        );
        let net = Net::default().on(&soap(OWN[0]), 200, &body);
        let answer = asking(&net).with_forms([Form::Soap]).discover(&anna()).await;
        assert_eq!(
            answer.map_err(|error| error.kind()).err(),
            (!found).then_some(ErrorKind::InvalidResponse)
        );
    }
}

#[tokio::test]
async fn a_domain_that_is_an_address_or_a_url_is_refused() {
    for odd in ["anna@127.0.0.1", "anna@contoso.example:8080", "anna@x?y.example", "anna@x#y.example"] {
        let net = Net::default();
        let error = asking(&net).discover(&MailboxAddress::parse(odd).unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{odd}");
        assert!(net.seen().is_empty());
    }
}

#[tokio::test]
async fn an_answer_without_end_is_bounded_and_one_that_does_not_come_is_given_up() {
    let net = Net::default().on(&pox("contoso.example"), 200, &"x".repeat(2 << 20));
    assert_eq!(discover(&net).await.unwrap_err().kind(), ErrorKind::Limit);
    // No answer from anybody.
    let error = discover(&Net::default()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.is_transient());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_answers_nothing_leaves_the_hosts_allowed(
        answers in proptest::collection::vec(
            (0_usize..7, prop_oneof![Just(200_u16), Just(301), Just(302), Just(307), Just(401), Just(404), Just(500)],
             proptest::option::of(r"(https?:)?//(contoso\.example|autodiscover\.contoso\.example|mail\.contoso\.example|evil\.example|a@evil\.example|127\.0\.0\.1|[a-z.@:/]{1,12})(/[a-c]?|/autodiscover/autodiscover\.xml)"),
             0_usize..5), 1..10),
    ) {
        let places = [pox(OWN[0]), soap(OWN[0]), json(OWN[0]), pox(OWN[1]), soap(OWN[1]), json(OWN[1]), PLAIN.to_owned()];
        let mut net = Net::default();
        for (place, status, location, body) in answers {
            let to = location.clone().unwrap_or_default();
            let body = match body {
                0 => settings(&to),
                1 => account(&format!("<Action>redirectUrl</Action><RedirectUrl>{to}</RedirectUrl>")),
                2 => format!(r#"{{"Protocol":"Ews","Url":"{to}"}}"#),
                3 => refusal().to_owned(),
                _ => String::new(),
            };
            net = match location {
                Some(location) if status < 400 && status > 300 => net.to(&places[place], status, &location),
                _ => net.on(&places[place], status, &body),
            };
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        if let Ok(found) = runtime.block_on(discover(&net)) {
            let host = found.ews_url.url().host_str().unwrap().to_owned();
            prop_assert!(host == "contoso.example" || host.ends_with(".contoso.example"), "{host}");
            prop_assert_eq!(found.ews_url.url().scheme(), "https");
        }
        net.kept_at(&OWN);
        prop_assert!(net.seen().len() <= 30);
    }
}
