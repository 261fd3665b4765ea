use bytes::Bytes;
use http::Response;
use m365_core::{Error, Result};
use serde_json::{Map, Value};

use crate::row::Row;

/// One page of an answer.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) rows: Vec<Row>,
    pub(super) warnings: Vec<String>,
    pub(super) next_link: Option<String>,
    pub(super) cookies: Vec<(String, String)>,
    /// Neither body nor `value`: right for a cmdlet without output, wrong in the middle of a list.
    pub(super) blank: bool,
}

/// Reads a success. A cmdlet without output says so in four ways: `value` empty, null or absent, or no body at all.
pub(super) fn read(response: &Response<Bytes>) -> Result<Page> {
    let mut page = Page { warnings: header_warnings(response), ..Page::default() };
    let body = response.body().trim_ascii();
    if body.is_empty() {
        page.blank = true;
        return Ok(page);
    }
    let mut object: Map<String, Value> = serde_json::from_slice(body).map_err(|e| {
        Error::unreadable(format!(
            "the answer is not the JSON expected (line {}, column {})",
            e.line(),
            e.column()
        ))
        .with_status(response.status())
    })?;
    if let Some(Value::Array(warnings)) = object.remove("@adminapi.warnings") {
        page.warnings.extend(warnings.into_iter().filter_map(|w| match w {
            Value::String(text) if !text.is_empty() => Some(text),
            _ => None,
        }));
    }
    page.next_link = match object.remove("@odata.nextLink") {
        Some(Value::String(link)) if !link.is_empty() => Some(link),
        None | Some(Value::Null) => None,
        Some(_) => return Err(Error::unreadable("the list's next page has no readable address")),
    };
    match object.remove("value") {
        None | Some(Value::Null) => page.blank = true,
        Some(Value::Object(row)) => page.rows.push(Row::new(row)),
        Some(Value::Array(rows)) => {
            for row in rows {
                match row {
                    Value::Object(row) => page.rows.push(Row::new(row)),
                    // Leaving it out would make the list silently short.
                    _ => return Err(Error::unreadable("a row of the answer is not an object")),
                }
            }
        }
        Some(_) => return Err(Error::unreadable("the answer's value is neither a list nor an object")),
    }
    Ok(page)
}

fn header_warnings(response: &Response<Bytes>) -> Vec<String> {
    response
        .headers()
        .get_all("x-warnings")
        .iter()
        .filter_map(|v| v.to_str().ok())
        .map(str::trim)
        .filter(|w| !w.is_empty() && *w != "[]")
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(body: &str) -> Result<Page> {
        read(&Response::new(Bytes::from(body.to_owned())))
    }

    #[test]
    fn trap_3_no_output_is_empty_whether_absent_null_list_or_no_body() {
        for body in [
            "",
            " ",
            r#"{"value":[]}"#,
            r#"{"value":null}"#,
            r#"{"@odata.context":"x"}"#,
            r#"{"@adminapi.warnings":[],"value":[]}"#,
            r#"{"@adminapi.warnings":null}"#,
        ] {
            let page = page(body).unwrap();
            assert!(page.rows.is_empty() && page.warnings.is_empty(), "{body}");
        }
    }

    #[test]
    fn sidecar_keys_are_dropped_and_warnings_come_from_both_places() {
        let response = Response::builder()
            .header("X-Warnings", "from the header")
            .body(Bytes::from_static(
                br##"{"adminapi.warnings@odata.type":"#Collection(String)","@adminapi.warnings":["from the body"],
                "value":[{"ExchangeGuid@data.type":"System.Guid","ExchangeGuid@odata.type":"#Guid","ExchangeGuid":"0f3c"}]}"##,
            ))
            .unwrap();
        let page = read(&response).unwrap();
        assert_eq!(page.warnings, ["from the header", "from the body"]);
        assert_eq!(page.rows[0].as_map().keys().collect::<Vec<_>>(), ["ExchangeGuid"]);
    }

    #[test]
    fn a_row_that_is_no_object_is_an_error_not_a_gap() {
        assert!(page(r#"{"value":[{"Name":"a"},"b"]}"#).is_err());
        assert!(page(r#"{"value":7}"#).is_err());
        assert!(page("\0\0\0").is_err());
    }
}
