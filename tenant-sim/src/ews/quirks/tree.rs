//! Writes a tree again, in whichever style.

use super::{ERRORS, Element, EwsQuirk, MESSAGES, Quirks, SOAP, TYPES};
use crate::ews::soap::escaped;

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const XSD: &str = "http://www.w3.org/2001/XMLSchema";

/// How XML looks that says the same.
pub(super) struct Style {
    prefixes: [(&'static str, &'static str); 4],
    no_prefixes: bool,
    pretty: bool,
    mark: bool,
    https: bool,
    illegal: Option<&'static str>,
    comments: bool,
    body_attributes: bool,
    nil: bool,
}

impl Style {
    pub(super) fn of(quirks: &Quirks) -> Self {
        let has = |quirk| quirks.contains(&quirk);
        let [s, m, t, e] = if has(EwsQuirk::ForeignPrefixes) {
            ["soap11", "ns1", "q-2", "_e"]
        } else {
            ["s", "m", "t", "e"]
        };
        Self {
            prefixes: [(SOAP, s), (MESSAGES, m), (TYPES, t), (ERRORS, e)],
            no_prefixes: has(EwsQuirk::DefaultNamespaces),
            pretty: has(EwsQuirk::PrettyPrinted),
            mark: has(EwsQuirk::ByteOrderMark),
            https: has(EwsQuirk::HttpsNamespaces),
            illegal: if has(EwsQuirk::IllegalBytes) {
                Some("\u{1}\u{1f}")
            } else {
                has(EwsQuirk::IllegalReferences).then_some("&#x1F;&#x0;&#16;&#xFFFE;")
            },
            comments: has(EwsQuirk::CommentsAndCdata),
            body_attributes: has(EwsQuirk::BodyAttributes),
            nil: has(EwsQuirk::NilElements),
        }
    }

    fn prefix(&self, namespace: &str) -> Option<&'static str> {
        self.prefixes.iter().find(|(n, _)| *n == namespace).map(|(_, prefix)| *prefix)
    }

    fn shown(&self, namespace: &str) -> String {
        if self.https && namespace.starts_with("http://schemas.microsoft.com/") {
            namespace.replacen("http:", "https:", 1)
        } else {
            namespace.to_owned()
        }
    }
}

pub(super) fn render(root: &Element, style: &Style) -> String {
    let mut out = String::new();
    if style.mark {
        out.push('\u{feff}');
    }
    out.push_str(r#"<?xml version="1.0" encoding="utf-8"?>"#);
    write(&mut out, root, style, None, 0);
    out
}

fn write(out: &mut String, e: &Element, style: &Style, outer: Option<&str>, depth: usize) {
    indent(out, style, depth);
    let prefix = if style.no_prefixes { None } else { style.prefix(&e.namespace) };
    let name = prefix.map_or_else(|| e.name.clone(), |p| format!("{p}:{}", e.name));
    out.push('<');
    out.push_str(&name);
    if depth == 0 {
        out.push_str(&format!(r#" xmlns:xsi="{XSI}" xmlns:xsd="{XSD}""#));
        for (namespace, prefix) in style.prefixes {
            out.push_str(&format!(r#" xmlns:{prefix}="{}""#, style.shown(namespace)));
        }
    }
    // With a prefix the default namespace is whatever it was.
    let inner = if prefix.is_some() { outer } else { Some(e.namespace.as_str()) };
    if inner.unwrap_or_default() != outer.unwrap_or_default() {
        out.push_str(&format!(r#" xmlns="{}""#, style.shown(&e.namespace)));
    }
    for (name, value) in &e.attributes {
        out.push_str(&format!(r#" {name}="{}""#, escaped(value)));
    }
    if style.body_attributes && e.name == "Body" && e.namespace == SOAP {
        out.push_str(r#" id="body-1" xsi:noNamespaceSchemaLocation="urn:example:none""#);
    }
    if e.children.is_empty() && e.text.is_empty() {
        let nil = style.nil && e.namespace == TYPES && e.attributes.is_empty();
        out.push_str(if nil { r#" xsi:nil="true"/>"# } else { "/>" });
        return;
    }
    out.push('>');
    if e.children.is_empty() || !e.text.is_empty() {
        let text = escaped(&e.text);
        let subject = e.name == "Subject";
        if style.comments && subject && !e.text.contains("]]>") {
            out.push_str(&format!("<!-- subject --><![CDATA[{}]]>", e.text));
        } else {
            out.push_str(&text);
        }
        if let Some(illegal) = style.illegal.filter(|_| subject) {
            out.push_str(illegal);
        }
    }
    for child in &e.children {
        write(out, child, style, inner, depth + 1);
    }
    if !e.children.is_empty() {
        indent(out, style, depth);
    }
    out.push_str(&format!("</{name}>"));
}

fn indent(out: &mut String, style: &Style, depth: usize) {
    if style.pretty {
        out.push_str("\r\n");
        out.push_str(&"  ".repeat(depth));
    }
}
