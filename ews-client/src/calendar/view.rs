use std::collections::VecDeque;

use futures_core::Stream;
use futures_util::{TryStreamExt as _, stream};
use jiff::Timestamp;

use super::event::{CalendarEvent, EventId, EventKind, EventReader};
use super::expand::{Listed, expand};
use super::handle::EwsCalendar;
use super::plan::{Size, Verdict, ViewPlan, Window, overlaps};
use crate::{CalendarPage, Error, ErrorKind, FindItem, FolderRef, ItemId, ItemResult, ResponseCode, Result};

/// Most events of a view, unless said otherwise.
const MOST_EVENTS: usize = 100_000;

/// Whether series are computed here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expansion {
    /// As far as needed: series that the view itself holds unexpanded are computed; a server whose version says that it is not
    /// Microsoft's is asked for all its series too, and those that it left out are computed as well.
    #[default]
    Auto,
    /// The server expands its series. One that it holds unexpanded is an error.
    Server,
    /// Every server is asked for all its series, and those that it left out are computed. It costs a reading of the whole
    /// folder.
    Verify,
}

/// A reading of one or more calendar folders between two instants, made by [`EwsCalendar::view`].
///
/// It is as long as it has to be: ranges beyond two years are cut, and so are those with more events than the server gives at
/// once. An event that lies on both sides of a cut comes once. What cannot be read whole is an error
/// ([`ErrorKind::Truncated`]), never a short answer. Events that only touch the borders are left out; one without length
/// belongs to the range if it begins within.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/calendarview>.
#[derive(Clone, Debug)]
#[must_use = "a view is read by `collect` or `pages`"]
pub struct CalendarView {
    calendar: EwsCalendar,
    folders: Vec<FolderRef>,
    from: Timestamp,
    to: Timestamp,
    at_most: usize,
    expansion: Expansion,
}

/// A whole view.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Events {
    /// By beginning, then end, then id.
    pub events: Vec<CalendarEvent>,
    /// Series that the server does not expand and that could not be computed, because their zone or their rule makes no sense:
    /// their occurrences are missing from [`events`](Self::events).
    pub unresolved: Vec<ItemId>,
    /// How many requests it took.
    pub requests: u32,
}

/// A part of a view.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct EventPage {
    /// By beginning, then end, then id, within the page.
    pub events: Vec<CalendarEvent>,
    /// As [`Events::unresolved`].
    pub unresolved: Vec<ItemId>,
}

impl CalendarView {
    pub(super) fn new(calendar: EwsCalendar, from: Timestamp, to: Timestamp) -> Self {
        let folders = vec![calendar.folder().clone()];
        Self { calendar, folders, from, to, at_most: MOST_EVENTS, expansion: Expansion::Auto }
    }

    /// Another folder of the same mailbox beside the first. [`CalendarEvent::folder`] tells which one an event is from.
    pub fn with_folder(mut self, folder: FolderRef) -> Self {
        self.folders.push(folder);
        self
    }

    /// At most so many events: 100,000 unless said otherwise. More are [`ErrorKind::Truncated`].
    pub fn at_most(mut self, events: usize) -> Self {
        self.at_most = events;
        self
    }

    /// Whether series are computed here.
    pub fn with_expansion(mut self, expansion: Expansion) -> Self {
        self.expansion = expansion;
        self
    }

    /// All events.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]: more events than [`at_most`](Self::at_most), or more at one moment than the server gives.
    /// [`ErrorKind::InvalidInput`]: the range is empty. [`ErrorKind::Unsupported`]: [`Expansion::Server`], and the server
    /// does not. Whatever the server refuses, for any of the folders.
    pub async fn collect(self) -> Result<Events> {
        let mut reading = Reading::new(self)?;
        let mut all = Events::default();
        while let Some(page) = reading.next().await? {
            all.events.extend(page.events);
            all.unresolved.extend(page.unresolved);
        }
        sort(&mut all.events);
        all.requests = reading.requests();
        Ok(all)
    }

    /// Page after page, as they are consumed: bounded memory but for the ids, which doubles are known by. Of one folder the
    /// pages come in the order of time; series computed here come last. An error ends the stream.
    pub fn pages(self) -> impl Stream<Item = Result<EventPage>> + Send {
        stream::once(async move { Reading::new(self) })
            .map_ok(|reading| {
                stream::try_unfold(reading, |mut reading| async move {
                    Ok(reading.next().await?.map(|page| (page, reading)))
                })
            })
            .try_flatten()
    }
}

fn sort(events: &mut [CalendarEvent]) {
    events.sort_by(|a, b| (a.start(), a.end(), a.folder, &a.id).cmp(&(b.start(), b.end(), b.folder, &b.id)));
}

/// A view under way.
struct Reading {
    view: CalendarView,
    plan: ViewPlan,
    reader: EventReader,
    listed: Listed,
    masters: VecDeque<(usize, ItemId)>,
    further: u32,
    finished: bool,
}

impl Reading {
    fn new(view: CalendarView) -> Result<Self> {
        Ok(Self {
            plan: ViewPlan::new(view.folders.len(), view.from, view.to)?,
            reader: view.calendar.reader(),
            view,
            listed: Listed::default(),
            masters: VecDeque::new(),
            further: 0,
            finished: false,
        })
    }

    fn requests(&self) -> u32 {
        self.plan.requests() + self.further
    }

    async fn next(&mut self) -> Result<Option<EventPage>> {
        while let Some(window) = self.plan.next()? {
            let events = self.window(&window).await?;
            if !events.is_empty() {
                return Ok(Some(EventPage { events, unresolved: Vec::new() }));
            }
        }
        if self.finished {
            return Ok(None);
        }
        self.finished = true;
        let page = self.series().await?;
        Ok(Some(page).filter(|page| !page.events.is_empty() || !page.unresolved.is_empty()))
    }

    /// One request, and what it has of the view.
    async fn window(&mut self, window: &Window) -> Result<Vec<CalendarEvent>> {
        let folders: Vec<_> =
            window.folders.iter().filter_map(|place| self.view.folders.get(*place)).collect();
        let [first, others @ ..] = folders.as_slice() else { return Ok(Vec::new()) };
        let find = others
            .iter()
            .fold(FindItem::calendar_view((*first).clone(), window.from, window.to), |find, folder| {
                find.with_folder((*folder).clone())
            })
            .with_max_entries(self.plan.max_entries());
        let results = match self.view.calendar.call(&find).await {
            Ok(answer) => answer.results.into_iter().map(Found::of).collect::<Result<Vec<_>>>()?,
            Err(error) => {
                let size = too_big(&ResponseCode::new(error.service_code().unwrap_or_default()), None);
                match size {
                    Some(size) => window.folders.iter().map(|_| Found { size, page: None }).collect(),
                    None => return Err(error),
                }
            }
        };
        let mut events = Vec::new();
        for (folder, found) in window.folders.iter().zip(results) {
            if self.plan.answered(window, *folder, found.size)? == Verdict::Take {
                self.take(found.page.unwrap_or_default(), *folder, &mut events)?;
            }
        }
        sort(&mut events);
        Ok(events)
    }

    fn take(&mut self, page: CalendarPage, folder: usize, events: &mut Vec<CalendarEvent>) -> Result<()> {
        for item in page.items {
            let event = self.reader.read(item, folder);
            if let EventKind::Master(_) = event.kind {
                if self.view.expansion == Expansion::Server {
                    return Err(Error::new(
                        ErrorKind::Unsupported,
                        "the server's view of the calendar holds a series that is not expanded",
                    ));
                }
                // Many windows hold the same series.
                if let EventId::Item(id) = &event.id
                    && self.listed.add(&event)
                {
                    self.masters.push_back((folder, id.clone()));
                }
            } else if overlaps(event.start(), event.end(), self.view.from, self.view.to)
                && self.listed.add(&event)
            {
                events.push(event);
            }
            self.within_bounds(0)?;
        }
        Ok(())
    }

    fn within_bounds(&self, more: usize) -> Result<()> {
        if self.listed.len() + more > self.view.at_most {
            return Err(Error::new(
                ErrorKind::Truncated,
                format!("the view holds more than {} events", self.view.at_most),
            ));
        }
        Ok(())
    }

    /// The occurrences of the series that the server did not expand.
    async fn series(&mut self) -> Result<EventPage> {
        let verify = match self.view.expansion {
            Expansion::Server => false,
            Expansion::Verify => true,
            Expansion::Auto => self.view.calendar.may_hide_series(),
        };
        let mut page = EventPage::default();
        let folders: Vec<_> = self.view.folders.iter().cloned().enumerate().collect();
        for (place, folder) in folders {
            let ids = if verify {
                self.view.calendar.series_in(&folder).await?
            } else {
                self.masters.iter().filter(|(of, _)| *of == place).map(|(_, id)| id.clone()).collect()
            };
            if ids.is_empty() {
                continue;
            }
            let (masters, unreadable) = self.view.calendar.masters(&ids, place).await?;
            let expanded = expand(&masters, &self.listed, self.view.from, self.view.to);
            self.within_bounds(page.events.len() + expanded.added.len())?;
            if expanded.overflow {
                return Err(Error::new(ErrorKind::Truncated, "the series of the view have no end"));
            }
            page.events.extend(expanded.added);
            page.unresolved.extend(unreadable);
            page.unresolved.extend(expanded.unknown);
        }
        sort(&mut page.events);
        Ok(page)
    }
}

/// What one folder of a window came to.
struct Found {
    size: Size,
    page: Option<CalendarPage>,
}

impl Found {
    fn of(result: ItemResult<CalendarPage>) -> Result<Self> {
        if !result.is_done()
            && let Some(size) = too_big(&result.code, result.details.as_ref().map(|details| &details.xml))
        {
            return Ok(Self { size, page: None });
        }
        let page = result.into_result()?;
        // A page of other kinds of items is as full.
        let items = page.items.len() + page.others as usize;
        Ok(Self { size: Size::Page { items, complete: page.includes_last }, page: Some(page) })
    }
}

fn too_big(code: &ResponseCode, xml: Option<&crate::MessageXml>) -> Option<Size> {
    match code.as_str() {
        "ErrorExceededFindCountLimit" => {
            let limit = xml.and_then(|xml| xml.get("PolicyLimit")?.trim().parse().ok());
            Some(Size::TooMany { limit })
        }
        "ErrorCalendarViewRangeTooBig" | "ErrorTimeIntervalTooBig" => Some(Size::TooLong),
        _ => None,
    }
}
