use std::fmt;

use crate::xml::{Cursor, Element, Writer, XmlError};

/// A property of MAPI, by which item or folder properties beyond the schema are read. `Debug` does not show its values.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/extendedproperty>.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExtendedProperty {
    /// `DistinguishedPropertySetId`, or else the GUID of `PropertySetId`.
    pub set: Option<Box<str>>,
    /// `PropertyName`.
    pub name: Option<Box<str>>,
    /// `PropertyId`.
    pub id: Option<i32>,
    /// `PropertyTag`, of a property without a set.
    pub tag: Option<Box<str>>,
    /// `PropertyType`, such as `String`.
    pub kind: Box<str>,
    /// One value; several of an array.
    pub values: Vec<Box<str>>,
}

impl fmt::Debug for ExtendedProperty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExtendedProperty")
            .field("set", &self.set)
            .field("name", &self.name)
            .field("id", &self.id)
            .field("tag", &self.tag)
            .field("kind", &self.kind)
            .field("values", &self.values.len())
            .finish()
    }
}

impl ExtendedProperty {
    pub(crate) fn read<'a>(cursor: &mut Cursor<'a>, element: &Element<'a>) -> Result<Self, XmlError> {
        let mut property = Self::default();
        while let Some(part) = cursor.next_child(element)? {
            match part.ews() {
                "ExtendedFieldURI" => {
                    let [known, guid, name, id, tag, kind] = cursor.attributes(
                        &part,
                        [
                            "DistinguishedPropertySetId",
                            "PropertySetId",
                            "PropertyName",
                            "PropertyId",
                            "PropertyTag",
                            "PropertyType",
                        ],
                    )?;
                    property.set = known.or(guid).map(Into::into);
                    property.name = name.map(Into::into);
                    property.id = id.and_then(|id| id.trim_ascii().parse().ok());
                    property.tag = tag.map(Into::into);
                    property.kind = kind.unwrap_or_default().into();
                }
                "Value" => property.values.push(cursor.boxed(&part)?),
                "Values" => {
                    while let Some(one) = cursor.next_child(&part)? {
                        property.values.push(cursor.boxed(&one)?);
                    }
                }
                _ => {}
            }
        }
        Ok(property)
    }
}

/// What `PublicStrings` stands for.
const PUBLIC_STRINGS: &str = "00020329-0000-0000-C000-000000000046";

/// A mark of one's own upon an item: a named property among the public strings.
///
/// CreateItem is not idempotent. When its answer is lost, an item with the mark tells that it was done: write one with a
/// value that nothing else has, and look for it ([`FindItemPaged::with_marker`](crate::FindItemPaged::with_marker)) before
/// trying again.
///
/// ```
/// use ews_client::Marker;
/// let marker = Marker::new("contoso-booking", "6f9b2c1e-42");
/// assert_eq!((marker.name(), marker.value()), ("contoso-booking", "6f9b2c1e-42"));
/// ```
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/extendedfielduri>.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Marker {
    name: Box<str>,
    value: Box<str>,
}

impl Marker {
    /// A property of this name with this value. The name is the application's, the value the item's.
    pub fn new(name: impl Into<Box<str>>, value: impl Into<Box<str>>) -> Self {
        Self { name: name.into(), value: value.into() }
    }

    /// The property.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it holds.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether this property is the mark.
    pub fn is(&self, property: &ExtendedProperty) -> bool {
        let public = |set: &str| set == "PublicStrings" || set.eq_ignore_ascii_case(PUBLIC_STRINGS);
        property.set.as_deref().is_some_and(public)
            && property.name.as_deref() == Some(self.name())
            && property.values.iter().any(|value| **value == *self.value)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.open("t:ExtendedProperty");
        write_named(writer, &self.name);
        writer.leaf("t:Value", &self.value);
        writer.close("t:ExtendedProperty");
    }

    pub(crate) fn write_restriction(&self, writer: &mut Writer) {
        writer.raw("<t:IsEqualTo>");
        write_named(writer, &self.name);
        writer.raw("<t:FieldURIOrConstant>");
        writer.empty("t:Constant", &[("Value", &self.value)]);
        writer.raw("</t:FieldURIOrConstant></t:IsEqualTo>");
    }
}

/// The path of a named text property.
pub(crate) fn write_named(writer: &mut Writer, name: &str) {
    writer.empty(
        "t:ExtendedFieldURI",
        &[
            ("DistinguishedPropertySetId", "PublicStrings"),
            ("PropertyName", name),
            ("PropertyType", "String"),
        ],
    );
}
