//! A person at a browser, as little of it as the judge's pages need: cookies, redirects, and forms.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::Request;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use m365_core::Transport;
use url::Url;

const STEPS: u32 = 30;

/// Whether the person goes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Person {
    Willing,
    Unwilling,
}

pub(crate) struct Browser {
    transport: Transport,
    person: Person,
    cookies: BTreeMap<String, String>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    location: Option<String>,
    cookies: Vec<String>,
    page: String,
}

/// One request without following anything; a body is a form.
pub(crate) async fn send(
    transport: &Transport,
    address: &str,
    form: Option<String>,
    cookies: &str,
) -> Result<Answer, String> {
    let method = if form.is_some() { "POST" } else { "GET" };
    let mut request = Request::builder().method(method).uri(address);
    if form.is_some() {
        request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    if !cookies.is_empty() {
        request = request.header(COOKIE, cookies);
    }
    let request = request.body(Bytes::from(form.unwrap_or_default())).map_err(|e| e.to_string())?;
    let (head, body) = transport.send(request).await.map_err(|e| format!("{address}: {e}"))?.into_parts();
    let body = body.collect(1 << 20).await.map_err(|e| e.to_string())?;
    let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
    Ok(Answer {
        status: head.status.as_u16(),
        location: head.headers.get(LOCATION).map(text),
        cookies: head.headers.get_all(SET_COOKIE).iter().map(text).collect(),
        page: String::from_utf8_lossy(&body).into_owned(),
    })
}

impl Browser {
    pub(crate) fn new(transport: Transport, person: Person) -> Self {
        Self { transport, person, cookies: BTreeMap::new() }
    }

    /// Opens the page and does what its forms ask for until there is none left.
    pub(crate) async fn visit(mut self, address: &str, user_code: Option<&str>) -> Result<(), String> {
        let mut url: Url = address.parse().map_err(|_| format!("no address: {address}"))?;
        let mut form = None;
        let mut aborted = false;
        for _ in 0..STEPS {
            let cookies: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let answer = send(&self.transport, url.as_str(), form.take(), &cookies.join("; ")).await?;
            for cookie in &answer.cookies {
                if let Some((name, value)) = cookie.split(';').next().and_then(|pair| pair.split_once('=')) {
                    self.cookies.insert(name.to_owned(), value.to_owned());
                }
            }
            let joined = |target: &str| url.join(&plain(target)).map_err(|_| format!("no address: {target}"));
            if let Some(location) = answer.location.filter(|_| (300..400).contains(&answer.status)) {
                url = joined(&location)?;
            } else if answer.status >= 400 {
                return Err(format!("{} at {}", answer.status, url.path()));
            } else if let (Person::Unwilling, Some(cancel)) = (self.person, cancel(&answer.page)) {
                url = joined(cancel)?;
            } else if aborted {
                return Ok(());
            } else if let Some(action) = attribute(&answer.page, "<form", "action") {
                form = Some(self.fill(&answer.page, user_code));
                aborted = self.aborts(&answer.page);
                url = joined(action)?;
            } else {
                return Ok(());
            }
        }
        Err("the pages have no end".to_owned())
    }

    /// Whether this page's form is answered by its button for no.
    fn aborts(&self, page: &str) -> bool {
        self.person == Person::Unwilling && page.contains("name=\"abort\"")
    }

    /// The first form's fields, with what a person types.
    fn fill(&self, page: &str, user_code: Option<&str>) -> String {
        let start = page.find("<form").unwrap_or_default();
        let end = page.find("</form").unwrap_or(page.len());
        let mut form = form_urlencoded::Serializer::new(String::new());
        for input in page.get(start..end).unwrap_or_default().split("<input").skip(1) {
            let input = input.split('>').next().unwrap_or_default();
            let Some(name) = quoted(input, "name") else { continue };
            let value = match name {
                "login" => "ada".to_owned(),
                "password" => "any".to_owned(),
                "user_code" if !input.contains("hidden") => user_code.unwrap_or_default().to_owned(),
                _ => plain(quoted(input, "value").unwrap_or_default()),
            };
            form.append_pair(name, &value);
        }
        if self.aborts(page) {
            form.append_pair("abort", "yes");
        }
        form.finish()
    }
}

/// The link that ends the interaction.
fn cancel(page: &str) -> Option<&str> {
    page.split("<a ").skip(1).filter_map(|link| quoted(link, "href")).find(|href| href.ends_with("/abort"))
}

fn attribute<'a>(page: &'a str, tag: &str, name: &str) -> Option<&'a str> {
    let tag = page.get(page.find(tag)?..)?;
    quoted(tag.split('>').next()?, name)
}

fn quoted<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    tag.split_once(&format!("{name}=\""))?.1.split('"').next()
}

fn plain(text: &str) -> String {
    text.replace("&amp;", "&").replace("&#x2F;", "/").replace("&quot;", "\"")
}
