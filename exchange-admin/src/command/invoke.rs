use m365_core::Error;
use serde::ser::{Serialize, SerializeMap as _, SerializeStruct as _, Serializer};

use super::{Command, Value};
use crate::Result;

pub(super) fn body(command: &Command) -> Result<Vec<u8>> {
    for (name, value) in &command.parameters {
        refuse_empty_delta(name.as_str(), value)?;
        if matches!(value, Value::SecretPrompt(_)) {
            return Err(Error::new(
                m365_core::ErrorKind::Unsupported,
                format!("parameter {}: a password cannot be sent over REST; use a script", name.as_str()),
            )
            .with_acted(m365_core::Acted::No));
        }
    }
    serde_json::to_vec(&Envelope(command))
        .map_err(|e| Error::invalid("the command cannot be written as JSON").with_source(e))
}

/// An empty table does not mean "no change": it empties the whole property.
pub(super) fn refuse_empty_delta(name: &str, value: &Value) -> Result<()> {
    match value {
        Value::Delta { add, remove } if add.is_empty() && remove.is_empty() => Err(Error::invalid(format!(
            "parameter {name}: a change that adds and removes nothing would empty the property"
        ))),
        _ => Ok(()),
    }
}

struct Envelope<'a>(&'a Command);

impl Serialize for Envelope<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut envelope = serializer.serialize_struct("Envelope", 1)?;
        envelope.serialize_field("CmdletInput", &Input(self.0))?;
        envelope.end()
    }
}

struct Input<'a>(&'a Command);

impl Serialize for Input<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut input = serializer.serialize_struct("Input", 2)?;
        input.serialize_field("CmdletName", self.0.name().as_str())?;
        input.serialize_field("Parameters", &Parameters(self.0))?;
        input.end()
    }
}

/// Always an object, also without parameters: `null` is refused.
struct Parameters<'a>(&'a Command);

impl Serialize for Parameters<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.0.parameters {
            let name = name.as_str();
            match value {
                Value::Text(text) => map.serialize_entry(name, text)?,
                Value::Bool(value) => map.serialize_entry(name, value)?,
                Value::Switch(true) => map.serialize_entry(name, &true)?,
                // Refused above: there is nothing to send.
                Value::Switch(false) | Value::SecretPrompt(_) => {}
                Value::Int(number) => map.serialize_entry(name, number)?,
                Value::List(list) => map.serialize_entry(name, list)?,
                Value::Flags(flags) => map.serialize_entry(name, &flags.join(","))?,
                Value::Null => map.serialize_entry(name, &())?,
                Value::Delta { add, remove } => map.serialize_entry(name, &Table { add, remove })?,
            }
        }
        map.end()
    }
}

#[derive(serde::Serialize)]
#[serde(tag = "@odata.type", rename = "#Exchange.GenericHashTable")]
struct Table<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    add: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    remove: &'a [String],
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdlet::{Facts, PropagationWindow, RoleGroup};
    use crate::command::CmdletName;

    static FACTS: Facts = Facts {
        name: CmdletName::new("Set-Sample"),
        page: "",
        roles: &[],
        role_group: RoleGroup::RecipientManagement,
        window: PropagationWindow::IMMEDIATE,
        premises: crate::Premises::Both,
        idempotency: m365_core::Idempotency::Idempotent,
    };

    fn every_value() -> Command {
        Command::new(&FACTS)
            .with("Identity", "anna@contoso.example:\\Calendar")
            .with("Off", Value::Switch(false))
            .with("On", Value::Switch(true))
            .with("No", false)
            .with("Count", Value::Int(7))
            .with("List", vec!["a".to_owned()])
            .with("Flags", Value::Flags(vec!["Delegate", "CanViewPrivateItems"]))
            .with("Cleared", Value::Null)
            .with("Addresses", Value::Delta { add: vec!["smtp:x@y.example".into()], remove: Vec::new() })
    }

    #[test]
    fn every_kind_of_value_has_its_json_form() {
        assert_eq!(
            String::from_utf8(every_value().to_invoke_body().unwrap()).unwrap(),
            "{\"CmdletInput\":{\"CmdletName\":\"Set-Sample\",\"Parameters\":{\
             \"Identity\":\"anna@contoso.example:\\\\Calendar\",\"On\":true,\"No\":false,\"Count\":7,\"List\":[\"a\"],\
             \"Flags\":\"Delegate,CanViewPrivateItems\",\"Cleared\":null,\
             \"Addresses\":{\"@odata.type\":\"#Exchange.GenericHashTable\",\"add\":[\"smtp:x@y.example\"]},\
             \"Confirm\":false}}}"
        );
    }

    #[test]
    fn every_kind_of_value_has_its_powershell_form() {
        assert_eq!(
            every_value().to_powershell().unwrap(),
            "Set-Sample -Identity 'anna@contoso.example:\\Calendar' -On:$true -No:$false -Count 7 -List @('a') \
             -Flags 'Delegate,CanViewPrivateItems' -Cleared $null -Addresses @{Add=@('smtp:x@y.example')} \
             -Confirm:$false"
        );
    }

    #[test]
    fn an_empty_delta_is_refused_because_it_would_empty_the_list() {
        let command =
            Command::new(&FACTS).with("Addresses", Value::Delta { add: Vec::new(), remove: Vec::new() });
        assert!(command.to_invoke_body().unwrap_err().to_string().contains("Addresses"));
        assert!(command.to_powershell().is_err());
    }
}
