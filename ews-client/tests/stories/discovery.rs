//! Autodiscover in its three forms, with redirects, against the simulated hosts.

use std::net::IpAddr;

use bytes::Bytes;
use ews_client::autodiscover::{
    Autodiscover, Discovered, DiscoverySource, DnsResolver, Form, Resolver, SrvRecord,
};
use ews_client::{DistinguishedFolder, ErrorKind, EwsClient, EwsCredential, GetFolder, Result, Target};
use m365_core::{Body, HttpTransport, Transport, TransportError, TransportErrorKind};

use crate::help::*;

/// Names that lead to the organisation's own server; nobody is at any other.
#[derive(Clone, Debug)]
struct Names {
    hosts: Vec<&'static str>,
    server: String,
    inner: Transport,
}

impl HttpTransport for Names {
    async fn send(
        &self,
        mut request: http::Request<Bytes>,
    ) -> std::result::Result<http::Response<Body>, TransportError> {
        let host = request.uri().host().unwrap_or_default();
        if request.uri().scheme_str() != Some("https") || !self.hosts.contains(&host) {
            return Err(TransportError::new(TransportErrorKind::NotSent, "nobody is there"));
        }
        let path = request.uri().path_and_query().unwrap().as_str();
        *request.uri_mut() = format!("{}{path}", self.server).parse().unwrap();
        request.headers_mut().remove("host");
        self.inner.send(request).await
    }
}

impl DnsResolver for Names {
    async fn srv(&self, _: &str) -> Result<Vec<SrvRecord>> {
        Ok(Vec::new())
    }

    async fn addresses(&self, _: &str) -> Result<Vec<IpAddr>> {
        Ok(vec![IpAddr::from([203, 0, 113, 7])])
    }
}

const EWS: &str = "https://mail.contoso.example/EWS/Exchange.asmx";

fn names(world: &World) -> Names {
    world.tenant.with_state(|state| state.autodiscover.ews_url = Some(EWS.to_owned()));
    Names {
        hosts: vec!["autodiscover.contoso.example", "mail.contoso.example"],
        server: world.tenant.on_premises_https_url(),
        inner: world.transport(),
    }
}

fn olga() -> EwsCredential {
    EwsCredential::basic(r"CONTOSO\olga", "Olga-Passw0rd".into())
}

async fn discover(world: &World, form: Form, who: &str) -> Result<Discovered> {
    let names = names(world);
    Autodiscover::new(Transport::new(names.clone()))
        .with_resolver(Resolver::new(names))
        .with_credential(olga())
        .with_forms([form])
        .discover(&address(who))
        .await
}

#[tokio::test]
async fn each_form_finds_the_mailbox_on_premises_and_its_calendar_is_read_there() {
    let world = World::new().await;
    for form in [Form::Json, Form::Pox, Form::Soap] {
        let found = discover(&world, form, OLGA).await.unwrap();
        assert_eq!(found.ews_url.url().as_str(), EWS, "{form:?}");
        assert!(matches!(&found.source, DiscoverySource::Answered { form: by, .. } if *by == form));
        let group = (form != Form::Json).then_some("SIMPR01");
        assert_eq!(found.grouping_information.as_deref(), group, "{form:?}");
        let client = EwsClient::builder(found.ews_url, olga())
            .transport(Transport::new(names(&world)))
            .clock(world.clock())
            .build()
            .unwrap();
        one(&client, &Target::SelfMailbox, &GetFolder::new([DistinguishedFolder::Calendar.into()])).await;
        let nobody = discover(&world, form, "nobody@contoso.example").await.unwrap_err();
        assert!([ErrorKind::Rejected, ErrorKind::NotFound].contains(&nobody.kind()), "{form:?}: {nobody:?}");
    }
}

#[tokio::test]
async fn trap_19_a_redirect_to_another_address_is_followed_and_a_circle_ends() {
    let world = World::new().await;
    world.tenant.with_state(|state| {
        let map = &mut state.autodiscover.redirect_address;
        map.insert("o.orlow@contoso.example".to_owned(), OLGA.to_owned());
        map.insert("a@contoso.example".to_owned(), "b@contoso.example".to_owned());
        map.insert("b@contoso.example".to_owned(), "a@contoso.example".to_owned());
    });
    for form in [Form::Pox, Form::Soap] {
        let found = discover(&world, form, "o.orlow@contoso.example").await.unwrap();
        assert_eq!(found.mailbox.as_str(), OLGA);
        assert!(discover(&world, form, "a@contoso.example").await.is_err());
    }
}

#[tokio::test]
async fn trap_19_a_redirect_to_a_foreign_host_or_to_plain_http_is_not_followed() {
    let world = World::new().await;
    for target in [
        "https://autodiscover.fabrikam.example/autodiscover/autodiscover.xml",
        "http://autodiscover.contoso.example/autodiscover/autodiscover.xml",
    ] {
        world.tenant.with_state(|state| {
            state.autodiscover.redirect_url.insert(OLGA.to_owned(), target.to_owned());
        });
        for form in [Form::Json, Form::Pox, Form::Soap] {
            assert!(discover(&world, form, OLGA).await.is_err(), "{form:?} {target}");
        }
    }
    world.tenant.with_state(|state| {
        state.autodiscover.redirect_url.clear();
        state.autodiscover.json_errors_with_200 = true;
    });
    let nobody = discover(&world, Form::Json, "nobody@contoso.example").await.unwrap_err();
    assert_eq!(nobody.service_code(), Some("UserNotFound"), "{nobody:?}");
}
