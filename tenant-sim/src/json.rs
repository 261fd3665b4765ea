//! Reading JSON that somebody else wrote.

use serde_json::Value;

/// A property, or null when it is absent or the value is no object.
pub(crate) trait At {
    fn at(&self, name: &str) -> &Value;
}

impl At for Value {
    fn at(&self, name: &str) -> &Value {
        self.get(name).unwrap_or(&Value::Null)
    }
}
