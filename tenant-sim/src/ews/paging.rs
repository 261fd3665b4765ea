//! Pages of what was found.
//! <https://learn.microsoft.com/exchange/client-developer/exchange-web-services/how-to-perform-paged-searches-by-using-ews-in-exchange>

use std::ops::Range;

use super::schema_violation;
use super::soap::{Element, Fault, MESSAGES};

/// Which part of the list a request wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Paging {
    most: usize,
    offset: usize,
    from_end: bool,
    paged: bool,
}

/// A part of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) range: Range<usize>,
    /// Attributes of `RootFolder`.
    pub(super) attributes: String,
}

/// The view of this name; the whole list without one.
pub(super) fn read(operation: &Element, name: &str) -> Result<Paging, Fault> {
    let Some(view) = operation.child(MESSAGES, name) else {
        return Ok(Paging { most: usize::MAX, offset: 0, from_end: false, paged: false });
    };
    let number = |name: &str| {
        view.attribute(name).map(|v| v.parse::<usize>().ok().filter(|n| i32::try_from(*n).is_ok()))
    };
    let bad = |name: &str| schema_violation(format!("The '{name}' attribute is invalid."));
    let most = number("MaxEntriesReturned").unwrap_or(Some(usize::MAX)).filter(|n| *n > 0);
    Ok(Paging {
        most: most.ok_or_else(|| bad("MaxEntriesReturned"))?,
        offset: number("Offset").flatten().ok_or_else(|| bad("Offset"))?,
        from_end: match view.attribute("BasePoint") {
            Some("Beginning") => false,
            Some("End") => true,
            _ => return Err(bad("BasePoint")),
        },
        paged: true,
    })
}

impl Paging {
    /// The same with pages of at most so many.
    pub(super) fn at_most(self, most: usize) -> Self {
        Self { most: self.most.min(most), paged: true, ..self }
    }

    /// The part of a list of this length.
    pub(super) fn cut(&self, total: usize) -> Page {
        let (start, end, next, last) = if self.from_end {
            let end = total.saturating_sub(self.offset);
            let start = end.saturating_sub(self.most);
            (start, end, total - start, start == 0)
        } else {
            let start = self.offset.min(total);
            let end = start.saturating_add(self.most).min(total);
            (start, end, end, end == total)
        };
        let offset = if self.paged { format!(r#"IndexedPagingOffset="{next}" "#) } else { String::new() };
        Page {
            range: start..end,
            attributes: format!(r#"{offset}TotalItemsInView="{total}" IncludesLastItemInRange="{last}""#),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_from_both_ends() {
        let page = |offset, from_end| Paging { most: 4, offset, from_end, paged: true }.cut(10);
        assert_eq!(page(0, false).range, 0..4);
        assert_eq!(page(8, false).range, 8..10);
        assert!(
            page(8, false)
                .attributes
                .contains(r#"IndexedPagingOffset="10" TotalItemsInView="10" IncludesLastItemInRange="true""#)
        );
        assert_eq!(page(20, false).range, 10..10);
        assert_eq!(page(0, true).range, 6..10);
        assert_eq!(page(8, true).range, 0..2);
        assert_eq!(page(20, true).range, 0..0);
    }
}
