use m365_core::{Error, Result};
use serde_json::{Map, Value};

/// One object of an answer: its properties without the sidecar keys that describe their types.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row(Map<String, Value>);

impl Row {
    /// Takes an object's properties and drops the sidecars (`Name@odata.type`, `Name@data.type`).
    ///
    /// ```
    /// use exchange_admin::Row;
    /// let serde_json::Value::Object(object) = serde_json::json!({"Name": "a", "Name@odata.type": "#String"}) else { return };
    /// assert_eq!(Row::new(object).as_map().len(), 1);
    /// ```
    pub fn new(mut object: Map<String, Value>) -> Self {
        object.retain(|key, _| !key.contains('@'));
        Self(object)
    }

    /// All properties.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// A text; an empty one counts as absent.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str).filter(|t| !t.is_empty())
    }

    /// A text as an owned value, empty when absent.
    pub(crate) fn owned(&self, name: &str) -> String {
        self.text(name).unwrap_or_default().to_owned()
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidResponse`](crate::ErrorKind::InvalidResponse) naming the property.
    pub fn required(&self, name: &str) -> Result<&str> {
        self.text(name).ok_or_else(|| Error::unreadable(format!("the object has no property {name}")))
    }

    /// A truth value, as JSON or as .NET writes it.
    pub fn truth(&self, name: &str) -> Option<bool> {
        match self.0.get(name)? {
            Value::Bool(value) => Some(*value),
            Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }

    /// A list of texts: an array, or one text with commas.
    pub fn list(&self, name: &str) -> Vec<String> {
        match self.0.get(name) {
            Some(Value::Array(items)) => {
                items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
            }
            Some(Value::String(text)) => {
                text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        }
    }

    /// A value of a type that reads itself from text, such as an id; absent, empty and unreadable are `None`.
    pub(crate) fn parsed<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name).and_then(|text| text.parse().ok())
    }

    /// The same for a property that must be there.
    pub(crate) fn required_parsed<T: std::str::FromStr>(&self, name: &str) -> Result<T> {
        self.required(name)?
            .parse()
            .map_err(|_| Error::unreadable(format!("the object's property {name} has an unknown form")))
    }
}

/// The only object that an identity fits; `None` when nothing fits. Exchange may answer an identity that it does not
/// know with *every* object, so what comes back is compared with what was asked for.
pub(crate) fn only<T>(rows: Vec<T>, what: &str, fits: impl Fn(&T) -> bool) -> Result<Option<T>> {
    let mut found = rows.into_iter().filter(fits);
    let first = found.next();
    if found.next().is_some() {
        return Err(Error::new(
            m365_core::ErrorKind::Conflict,
            format!("{what} fits several objects; name it by its id"),
        ));
    }
    Ok(first)
}
