//! The names of this operation follow a rule of their own: `GetUserAvailabilityRequest`, no `ResponseMessages`.

mod answer;
#[cfg(test)]
mod tests;

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use m365_core::{Error, MailboxAddress, Result};

pub use answer::{
    Availability, FreeBusyDetails, FreeBusyEvent, FreeBusyView, MergedView, WorkingHours, WorkingPeriod,
};

use crate::operation::{EwsOperation, read_messages};
use crate::soap::{ItemResult, RequestContext};
use crate::xml::{Cursor, Element, Writer};
use crate::xs;
use crate::zone::{SerializableTimeZone, Zone};

/// How much to ask for. What was granted stands in each answer and may be less.
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/requestedview>.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RequestedView {
    /// The digits only.
    MergedOnly,
    /// Times and status of each event.
    FreeBusy,
    /// These, and the digits.
    FreeBusyMerged,
    /// Times, status, subject and place of each event.
    Detailed,
    /// These, and the digits.
    #[default]
    DetailedMerged,
}

impl RequestedView {
    fn as_str(self) -> &'static str {
        match self {
            Self::MergedOnly => "MergedOnly",
            Self::FreeBusy => "FreeBusy",
            Self::FreeBusyMerged => "FreeBusyMerged",
            Self::Detailed => "Detailed",
            Self::DetailedMerged => "DetailedMerged",
        }
    }

    fn is_merged(self) -> bool {
        matches!(self, Self::MergedOnly | Self::FreeBusyMerged | Self::DetailedMerged)
    }
}

/// Asks when people are busy, up to 100 mailboxes at once. Each is answered for itself, in the order asked.
///
/// It needs fewer rights than reading a calendar, and is the second rung where those are lacking: by default everybody in
/// an organization may see times and status of everybody else. It asks in UTC, where no doubt about daylight saving can
/// arise, unless told otherwise.
///
/// A server takes a window of 42 days unless its administrator says otherwise (`ErrorTimeIntervalTooBig`, see
/// [`halves`](Self::halves)); some want [whole days](Self::with_whole_days).
///
/// ```
/// use ews_client::{GetUserAvailability, RequestedView};
/// use m365_core::MailboxAddress;
/// let people = ["anna@contoso.example", "bo@contoso.example"].map(|a| MailboxAddress::parse(a).unwrap());
/// let (start, end) = ("2026-11-23T08:00:00Z".parse()?, "2026-11-23T18:00:00Z".parse()?);
/// let operation = GetUserAvailability::new(people, start, end)?
///     .with_view(RequestedView::FreeBusy)
///     .with_whole_days();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Source: <https://learn.microsoft.com/exchange/client-developer/web-service-reference/getuseravailability-operation>.
#[derive(Clone, Debug)]
pub struct GetUserAvailability {
    mailboxes: Vec<MailboxAddress>,
    start: Timestamp,
    end: Timestamp,
    view: RequestedView,
    interval: u16,
    whole_days: bool,
    /// None: UTC.
    zone: Option<Box<(SerializableTimeZone, Zone)>>,
}

/// The window as the server is asked about it.
#[derive(Clone, Copy)]
struct Sent {
    local: (DateTime, DateTime),
    instants: (Timestamp, Timestamp),
    /// Minutes of one digit.
    interval: u16,
}

impl GetUserAvailability {
    /// The most mailboxes that one request takes. A distribution list counts as one.
    pub const MAX_MAILBOXES: usize = 100;

    /// When these mailboxes are busy between two instants.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput): no mailbox, more than 100 (see [`batches`](Self::batches)), or an end
    /// that is not after the start.
    pub fn new(
        mailboxes: impl IntoIterator<Item = MailboxAddress>,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<Self> {
        let mailboxes: Vec<_> = mailboxes.into_iter().collect();
        if mailboxes.is_empty() || mailboxes.len() > Self::MAX_MAILBOXES {
            return Err(Error::invalid(format!(
                "free/busy is asked of 1 to {} mailboxes at once, not {}",
                Self::MAX_MAILBOXES,
                mailboxes.len()
            )));
        }
        if end <= start {
            return Err(Error::invalid("free/busy is asked from a time until a later one"));
        }
        let (view, interval) = (RequestedView::default(), 30);
        Ok(Self { mailboxes, start, end, view, interval, whole_days: false, zone: None })
    }

    /// The same for any number of mailboxes, in as many requests as it takes.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput): an end that is not after the start.
    pub fn batches(
        mailboxes: impl IntoIterator<Item = MailboxAddress>,
        start: Timestamp,
        end: Timestamp,
    ) -> Result<Vec<Self>> {
        let mut mailboxes = mailboxes.into_iter().peekable();
        let mut batches = Vec::new();
        while mailboxes.peek().is_some() {
            batches.push(Self::new(mailboxes.by_ref().take(Self::MAX_MAILBOXES), start, end)?);
        }
        Ok(batches)
    }

    /// How much to ask for; [`RequestedView::DetailedMerged`] unless said otherwise.
    #[must_use]
    pub fn with_view(mut self, view: RequestedView) -> Self {
        self.view = view;
        self
    }

    /// How many minutes one digit of the merged view stands for: 5 to 1,440, and 30 unless said otherwise. In a window
    /// that is shorter, it is the window.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput): other minutes.
    pub fn with_merged_interval(mut self, minutes: u16) -> Result<Self> {
        if !(5..=1440).contains(&minutes) {
            return Err(Error::invalid("a digit of the merged view stands for 5 to 1440 minutes"));
        }
        self.interval = minutes;
        Ok(self)
    }

    /// Asks about whole days of the request's zone, which some servers demand. Events that are outside the window are dropped
    /// from the answer all the same; the digits are those of the whole days.
    #[must_use]
    pub fn with_whole_days(mut self) -> Self {
        self.whole_days = true;
        self
    }

    /// Asks in this zone instead of UTC: whole days are its days, and a server that answers without offsets means it.
    ///
    /// # Errors
    /// As [`SerializableTimeZone::to_rules`].
    pub fn with_time_zone(mut self, zone: SerializableTimeZone) -> Result<Self> {
        let rules = Zone::from(zone.to_rules()?);
        self.zone = Some(Box::new((zone, rules)));
        Ok(self)
    }

    /// The mailboxes, in the order of the answers.
    pub fn mailboxes(&self) -> &[MailboxAddress] {
        &self.mailboxes
    }

    /// The window that was asked for.
    pub fn window(&self) -> (Timestamp, Timestamp) {
        (self.start, self.end)
    }

    /// The same in two requests about half as many days each, for a server that finds the window too big; `None` when it is one
    /// day already. Events that reach over the border are answered by both.
    pub fn halves(&self) -> Option<[Self; 2]> {
        let (first, last) = (self.to_local(self.start).date(), self.to_local(self.end).date());
        let days = (last - first).get_days();
        let middle = first.checked_add(SignedDuration::from_hours(24 * i64::from((days + 1) / 2))).ok()?;
        let middle = self.to_instant(middle.at(0, 0, 0, 0));
        (self.start < middle && middle < self.end)
            .then(|| [Self { end: middle, ..self.clone() }, Self { start: middle, ..self.clone() }])
    }

    fn to_local(&self, instant: Timestamp) -> DateTime {
        match self.zone.as_deref() {
            None => Offset::UTC.to_datetime(instant),
            Some((_, zone)) => zone.to_local(instant),
        }
    }

    fn to_instant(&self, local: DateTime) -> Timestamp {
        match self.zone.as_deref() {
            None => Offset::UTC.to_timestamp(local).unwrap_or(if local.year() > 0 {
                Timestamp::MAX
            } else {
                Timestamp::MIN
            }),
            Some((_, zone)) => zone.to_instant(local),
        }
    }

    /// What a time of the answer means: without an offset it is in the request's zone, not in UTC and not in the mailbox's.
    fn resolve(&self, time: xs::DateTime) -> Timestamp {
        match time {
            xs::DateTime::Zoned { instant, .. } => instant,
            xs::DateTime::Local(local) => self.to_instant(local),
        }
    }

    fn sent(&self) -> Sent {
        let mut local = (self.to_local(self.start), self.to_local(self.end));
        let mut instants = (self.start, self.end);
        if self.whole_days {
            let first = local.0.date();
            let behind = match local.1.date() {
                day if local.1 == day.at(0, 0, 0, 0) => day,
                day => day.tomorrow().unwrap_or(day),
            };
            local = (first.at(0, 0, 0, 0), behind.at(0, 0, 0, 0));
            instants = (self.to_instant(local.0), self.to_instant(local.1));
        }
        let minutes = (instants.1.as_second() - instants.0.as_second()) / 60;
        let longest = u16::try_from(minutes).unwrap_or(u16::MAX).max(5);
        Sent { local, instants, interval: self.interval.min(longest) }
    }
}

impl EwsOperation for GetUserAvailability {
    const NAME: &'static str = "GetUserAvailability";
    type Item = Availability;

    fn asked(&self) -> usize {
        self.mailboxes.len()
    }

    fn size_hint(&self) -> usize {
        // An address has characters that must be escaped only in the strangest of cases.
        1024 + self.mailboxes.iter().map(|mailbox| mailbox.as_str().len() + 176).sum::<usize>()
    }

    fn only(&self, places: &[usize]) -> Option<Self> {
        let mailboxes: Option<Vec<_>> = places.iter().map(|at| self.mailboxes.get(*at).cloned()).collect();
        Some(Self {
            mailboxes: mailboxes?,
            start: self.start,
            end: self.end,
            view: self.view,
            interval: self.interval,
            whole_days: self.whole_days,
            zone: self.zone.clone(),
        })
    }

    fn write(&self, writer: &mut Writer, _: &RequestContext<'_>) {
        let sent = self.sent();
        writer.raw("<m:GetUserAvailabilityRequest><t:TimeZone>");
        match self.zone.as_deref() {
            Some((zone, _)) => zone.write(writer),
            // What the schema demands of UTC: two seasons that do not differ.
            None => writer.raw(concat!(
                "<t:Bias>0</t:Bias><t:StandardTime><t:Bias>0</t:Bias><t:Time>00:00:00</t:Time>",
                "<t:DayOrder>1</t:DayOrder><t:Month>1</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek></t:StandardTime>",
                "<t:DaylightTime><t:Bias>0</t:Bias><t:Time>00:00:00</t:Time><t:DayOrder>1</t:DayOrder>",
                "<t:Month>1</t:Month><t:DayOfWeek>Sunday</t:DayOfWeek></t:DaylightTime>",
            )),
        }
        writer.raw("</t:TimeZone><m:MailboxDataArray>");
        for mailbox in &self.mailboxes {
            writer.raw("<t:MailboxData><t:Email><t:Address>");
            writer.text(mailbox.as_str());
            writer.raw(concat!(
                "</t:Address></t:Email><t:AttendeeType>Required</t:AttendeeType>",
                "<t:ExcludeConflicts>false</t:ExcludeConflicts></t:MailboxData>",
            ));
        }
        writer.raw("</m:MailboxDataArray><t:FreeBusyViewOptions><t:TimeWindow><t:StartTime>");
        writer.display(&sent.local.0);
        writer.raw("</t:StartTime><t:EndTime>");
        writer.display(&sent.local.1);
        writer.raw("</t:EndTime></t:TimeWindow>");
        if self.view.is_merged() {
            writer.raw("<t:MergedFreeBusyIntervalInMinutes>");
            writer.number(sent.interval.into());
            writer.raw("</t:MergedFreeBusyIntervalInMinutes>");
        }
        writer.raw("<t:RequestedView>");
        writer.raw(self.view.as_str());
        writer.raw("</t:RequestedView></t:FreeBusyViewOptions></m:GetUserAvailabilityRequest>");
    }

    fn read<'a>(&self, cursor: &mut Cursor<'a>, root: &Element<'a>) -> Result<Vec<ItemResult<Availability>>> {
        let sent = self.sent();
        read_messages(cursor, root, |cursor, child, availability| {
            if child.is("FreeBusyView") {
                *availability = Some(Availability::read(cursor, child, self, &sent)?);
            }
            Ok(())
        })
    }
}
