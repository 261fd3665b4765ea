//! Autodiscover in its three forms: JSON without credentials, POX, and SOAP; at both doors.
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/autodiscover-for-exchange>

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use quick_xml::escape::escape;

use crate::ews::{Site, read_xml};
use crate::server::origin;
use crate::server::reply::{self, Reply};
use crate::state::State;

const REQUEST: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006";
const OUTER: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
const INNER: &str = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";
const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
const SVC: &str = "http://schemas.microsoft.com/exchange/2010/Autodiscover";

/// What Autodiscover says of some addresses, besides the truth. Addresses are compared without case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Autodiscover {
    /// `redirectAddr`: ask for this address instead.
    pub redirect_address: BTreeMap<String, String>,
    /// `redirectUrl`: ask there instead.
    pub redirect_url: BTreeMap<String, String>,
    /// Answers every GET and POST with HTTP 302 to this address: what a host does that has moved.
    pub http_redirect: Option<String>,
    /// `GroupingInformation` by address; `SIMPR01` for all others.
    pub grouping: BTreeMap<String, String>,
    /// EWS address to be told in place of the own one.
    pub ews_url: Option<String>,
    /// Errors of the JSON form come with HTTP 200.
    pub json_errors_with_200: bool,
    /// Answers nothing: 404 for everything.
    pub absent: bool,
}

/// True for the paths of Autodiscover.
pub(crate) fn is_path(path: &str) -> bool {
    path.trim_start_matches('/')
        .split('/')
        .next()
        .is_some_and(|root| root.eq_ignore_ascii_case("autodiscover"))
}

/// True for the form that wants no credentials.
pub(crate) fn is_open(request: &Request<Bytes>) -> bool {
    json_path(request.uri().path()).is_some() || request.method() == Method::GET
}

/// The address in the path; `None` when this is not the JSON form.
fn json_path(path: &str) -> Option<String> {
    let lower = path.to_ascii_lowercase();
    let rest = lower.strip_prefix("/autodiscover/autodiscover.json")?;
    let email = rest.strip_prefix("/v1.0/").unwrap_or_default();
    Some(percent_encoding::percent_decode_str(email).decode_utf8_lossy().into_owned())
}

/// Answers for the mailboxes of this site.
pub(crate) fn handle(state: &State, site: Site, request: &Request<Bytes>) -> Reply {
    let settings = &state.autodiscover;
    if settings.absent {
        return reply::empty(StatusCode::NOT_FOUND);
    }
    if let Some(target) = &settings.http_redirect {
        let mut reply = reply::empty(StatusCode::FOUND);
        reply::set(&mut reply, "location", target);
        return reply;
    }
    let asked = Asked { state, site, origin: origin(request) };
    let path = request.uri().path().to_ascii_lowercase();
    if let Some(email) = json_path(&path) {
        return asked.json(&email, request);
    }
    match (path.as_str(), request.method() == Method::POST) {
        ("/autodiscover/autodiscover.xml", true) => asked.pox(request.body()),
        ("/autodiscover/autodiscover.svc", true) => asked.soap(request.body()),
        ("/autodiscover/autodiscover.xml", false) => asked.pox(&[]),
        _ => reply::empty(StatusCode::NOT_FOUND),
    }
}

struct Asked<'a> {
    state: &'a State,
    site: Site,
    origin: String,
}

/// What there is to say of an address.
enum Said {
    RedirectAddress(String),
    RedirectUrl(String),
    /// Display name, EWS address, group.
    Settings(String, String, String),
    Unknown,
}

impl Asked<'_> {
    fn look_up(&self, address: &str) -> Said {
        let settings = &self.state.autodiscover;
        let of = |map: &BTreeMap<String, String>| {
            map.iter().find(|(a, _)| a.eq_ignore_ascii_case(address)).map(|(_, to)| to.clone())
        };
        if let Some(to) = of(&settings.redirect_address) {
            return Said::RedirectAddress(to);
        }
        if let Some(to) = of(&settings.redirect_url) {
            return Said::RedirectUrl(to);
        }
        let mut all = self.state.exchange.mailboxes.iter().filter(|m| m.is_configured()).map(|m| &m.value);
        let found = all.find(|m| m.answers_to(address) && address.contains('@'));
        let Some(mailbox) = found.filter(|m| m.remote == (self.site == Site::OnPremises)) else {
            return Said::Unknown;
        };
        let url = settings.ews_url.clone().unwrap_or_else(|| format!("{}/EWS/Exchange.asmx", self.origin));
        let group = of(&settings.grouping).unwrap_or_else(|| "SIMPR01".to_owned());
        Said::Settings(mailbox.display_name.clone(), url, group)
    }

    fn json(&self, email: &str, request: &Request<Bytes>) -> Reply {
        let query: BTreeMap<String, String> =
            form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
                .map(|(k, v)| (k.to_ascii_lowercase(), v.into_owned()))
                .collect();
        let email = query.get("email").map_or(email, String::as_str);
        let error = |code: &str, text: &str| {
            let status = if self.state.autodiscover.json_errors_with_200 {
                StatusCode::OK
            } else {
                StatusCode::BAD_REQUEST
            };
            reply::json(status, &serde_json::json!({"ErrorCode": code, "ErrorMessage": text}))
        };
        let protocol = query.get("protocol").map_or("", String::as_str);
        if !protocol.eq_ignore_ascii_case("ews") {
            return error(
                "InvalidProtocol",
                "The given protocol value is invalid. Supported values are 'Ews'.",
            );
        }
        match self.look_up(email) {
            Said::Settings(_, url, _) => {
                reply::json(StatusCode::OK, &serde_json::json!({"Protocol": "Ews", "Url": url}))
            }
            Said::RedirectUrl(to) => {
                let mut reply = reply::empty(StatusCode::FOUND);
                reply::set(&mut reply, "location", &to);
                reply
            }
            Said::RedirectAddress(_) | Said::Unknown => error("UserNotFound", "The given user is not found."),
        }
    }

    fn pox(&self, body: &[u8]) -> Reply {
        let Some(request) = read_xml(body).filter(|r| r.name == "Autodiscover" && r.namespace == REQUEST)
        else {
            return pox_error("600", "Invalid Request");
        };
        let asked = request.child(REQUEST, "Request");
        let Some(address) = asked.and_then(|r| r.child(REQUEST, "EMailAddress")) else {
            return pox_error("600", "Invalid Request");
        };
        if asked.and_then(|r| r.child(REQUEST, "AcceptableResponseSchema")).is_none_or(|s| s.text != INNER) {
            return pox_error("601", "Provider is not available");
        }
        let account = match self.look_up(&address.text) {
            Said::Unknown => return pox_error("500", "The email address can't be found."),
            Said::RedirectAddress(to) => {
                format!(
                    "<Account><Action>redirectAddr</Action><RedirectAddr>{}</RedirectAddr></Account>",
                    escape(&to)
                )
            }
            Said::RedirectUrl(to) => {
                format!(
                    "<Account><Action>redirectUrl</Action><RedirectUrl>{}</RedirectUrl></Account>",
                    escape(&to)
                )
            }
            Said::Settings(name, url, group) => {
                let (url, group) = (escape(&url), escape(&group));
                format!(
                    "<User><DisplayName>{}</DisplayName><AutoDiscoverSMTPAddress>{}</AutoDiscoverSMTPAddress></User><Account><AccountType>email</AccountType><Action>settings</Action><Protocol><Type>EXCH</Type><Server>mbx01.example</Server><EwsUrl>{url}</EwsUrl></Protocol><Protocol><Type>EXPR</Type><Server>mail.example</Server><EwsUrl>{url}</EwsUrl><EwsPartnerUrl>{url}</EwsPartnerUrl><GroupingInformation>{group}</GroupingInformation></Protocol><Protocol><Type>WEB</Type><External><OWAUrl AuthenticationMethod=\"Fba\">https://mail.example/owa/</OWAUrl><Protocol><Type>EXPR</Type><ASUrl>https://mail.example/other/Exchange.asmx</ASUrl></Protocol></External></Protocol></Account>",
                    escape(&name),
                    escape(&address.text),
                )
            }
        };
        xml(&format!(
            r#"<Autodiscover xmlns="{OUTER}"><Response xmlns="{INNER}">{account}</Response></Autodiscover>"#
        ))
    }

    fn soap(&self, body: &[u8]) -> Reply {
        let request = read_xml(body);
        let asked = request
            .as_ref()
            .and_then(|e| e.child(SOAP, "Body"))
            .and_then(|b| b.child(SVC, "GetUserSettingsRequestMessage"))
            .and_then(|m| m.child(SVC, "Request"));
        let Some(asked) = asked else {
            let fault = format!(
                r#"<s:Envelope xmlns:s="{SOAP}"><s:Body><s:Fault><faultcode>s:Client</faultcode><faultstring>The request is not GetUserSettings.</faultstring></s:Fault></s:Body></s:Envelope>"#
            );
            return reply::bytes(StatusCode::INTERNAL_SERVER_ERROR, "text/xml; charset=utf-8", fault);
        };
        let list = |name: &str| asked.child(SVC, name).map(|l| l.children.as_slice()).unwrap_or_default();
        let settings: Vec<&str> = list("RequestedSettings").iter().map(|s| s.text.as_str()).collect();
        let mut users = String::new();
        for user in list("Users") {
            let address = user.child(SVC, "Mailbox").map(|m| m.text.as_str()).unwrap_or_default();
            users.push_str(&self.user_response(address, &settings));
        }
        xml(&format!(
            r#"<s:Envelope xmlns:s="{SOAP}" xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header><a:Action s:mustUnderstand="1">{SVC}/Autodiscover/GetUserSettingsResponse</a:Action></s:Header><s:Body><GetUserSettingsResponseMessage xmlns="{SVC}"><Response xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><ErrorCode>NoError</ErrorCode><ErrorMessage/><UserResponses>{users}</UserResponses></Response></GetUserSettingsResponseMessage></s:Body></s:Envelope>"#
        ))
    }

    fn user_response(&self, address: &str, settings: &[&str]) -> String {
        let (code, text, target, known) = match self.look_up(address) {
            Said::RedirectAddress(to) => ("RedirectAddress", "Redirection address.", Some(to), None),
            Said::RedirectUrl(to) => ("RedirectUrl", "Redirection URL.", Some(to), None),
            Said::Unknown => ("InvalidUser", "Invalid user.", None, None),
            Said::Settings(name, url, group) => ("NoError", "No error.", None, Some((name, url, group))),
        };
        let (mut errors, mut values) = (String::new(), String::new());
        if let Some((name, url, group)) = known {
            for setting in settings {
                let value = match *setting {
                    "ExternalEwsUrl" | "InternalEwsUrl" => &url,
                    "GroupingInformation" => &group,
                    "UserDisplayName" => &name,
                    _ => {
                        errors.push_str(&format!(
                            "<UserSettingError><ErrorCode>SettingIsNotAvailable</ErrorCode><ErrorMessage>The setting is not available.</ErrorMessage><SettingName>{}</SettingName></UserSettingError>",
                            escape(*setting)
                        ));
                        continue;
                    }
                };
                values.push_str(&format!(
                    r#"<UserSetting i:type="StringSetting"><Name>{setting}</Name><Value>{}</Value></UserSetting>"#,
                    escape(value)
                ));
            }
        }
        let target = target.map_or_else(
            || r#"<RedirectTarget i:nil="true"/>"#.to_owned(),
            |to| format!("<RedirectTarget>{}</RedirectTarget>", escape(&to)),
        );
        format!(
            "<UserResponse><ErrorCode>{code}</ErrorCode><ErrorMessage>{text}</ErrorMessage>{target}<UserSettingErrors>{errors}</UserSettingErrors><UserSettings>{values}</UserSettings></UserResponse>"
        )
    }
}

fn pox_error(code: &str, text: &str) -> Reply {
    xml(&format!(
        r#"<Autodiscover xmlns="{OUTER}"><Response><Error Time="15:52:53.0115160" Id="2085925935"><ErrorCode>{code}</ErrorCode><Message>{}</Message><DebugData/></Error></Response></Autodiscover>"#,
        escape(text)
    ))
}

fn xml(body: &str) -> Reply {
    let text = format!(r#"<?xml version="1.0" encoding="utf-8"?>{body}"#);
    reply::bytes(StatusCode::OK, "text/xml; charset=utf-8", text)
}
